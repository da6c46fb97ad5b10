#include "data/set_options.h"

#include <string.h>

#include <mcvd/prepare.h>

#include "core/json.h"

/* The section data as the dump of a configuration has it. */
static mcvd_status dump(cJSON **section, const mcvd_data_config *data)
{
    mcvd_config whole;
    cJSON *json = NULL;

    mcvd_config_default(&whole);
    whole.data = *data;
    char *text = mcvd_config_dump(&whole);
    mcvd_status st = text ? mcvdi_json_parse(&json, text, strlen(text), "data options")
                          : mcvdi_fail(MCVD_E_NOMEM, "data options: out of memory");

    *section = cJSON_DetachItemFromObjectCaseSensitive(json, "data");
    cJSON_Delete(json);
    mcvd_text_free(text);
    if (st >= 0 && !*section)
        st = mcvdi_fail(MCVD_E_STATE, "data options: none");
    return st;
}

mcvd_status mcvdi_set_options(cJSON **out, const char *const *keys, const mcvd_data_config *data)
{
    cJSON *section = NULL;
    mcvd_status st = dump(&section, data);

    *out = st >= 0 ? cJSON_CreateObject() : NULL;
    if (st >= 0 && !*out)
        st = mcvdi_fail(MCVD_E_NOMEM, "data options: out of memory");
    for (; st >= 0 && keys && *keys; keys++) {
        cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(section, *keys);
        if (cJSON_AddItemToObject(*out, *keys, item))
            continue;
        cJSON_Delete(item);
        st = mcvdi_fail(MCVD_E_NOMEM, "data options: out of memory");
    }
    cJSON_Delete(section);
    if (st < 0) {
        cJSON_Delete(*out);
        *out = NULL;
    }
    return st;
}

/* One that a configuration leaves at 0 where nobody chose. */
static bool asks_for_nothing(const cJSON *wanted)
{
    return strcmp(wanted->string, "test_fraction") == 0 && wanted->valuedouble == 0.0;
}

static mcvd_status compare(const cJSON *made, const cJSON *wanted)
{
    if (asks_for_nothing(wanted) || cJSON_Compare(made, wanted, true))
        return MCVD_OK;
    char *was = cJSON_PrintUnformatted(made);
    char *is = cJSON_PrintUnformatted(wanted);
    const mcvd_status st =
        mcvdi_fail(MCVD_E_CONFIG,
                   "prepared with data.%s = %.60s, asked for %.60s: set data.%s to that of the "
                   "store, or prepare another one",
                   made->string, was ? was : "?", is ? is : "?", made->string);
    cJSON_free(was);
    cJSON_free(is);
    return st;
}

mcvd_status mcvdi_set_options_agree(const cJSON *options, const mcvd_data_config *data)
{
    cJSON *section = NULL;
    mcvd_status st = options && options->child ? dump(&section, data) : MCVD_OK;

    for (const cJSON *made = options ? options->child : NULL; st >= 0 && made; made = made->next) {
        const cJSON *wanted = cJSON_GetObjectItemCaseSensitive(section, made->string);
        st = wanted ? compare(made, wanted)
                    : mcvdi_fail(MCVD_E_FORMAT, "manifest.json: options: no data.%.60s is known",
                                 made->string);
    }
    cJSON_Delete(section);
    return st;
}

static bool belongs(const char *key, const char *set)
{
    return strcmp(key, "test_digits") == 0 ? strcmp(set, "StochasticMovingMNIST") == 0
                                           : mcvd_prepare_has_option(set, key);
}

mcvd_status mcvdi_set_options_belong(const mcvd_data_config *data, const char *set)
{
    static const char *const keys[] = { "kth_clips", "ucf101_split", "cityscapes_test",
                                        "test_digits", NULL };
    const mcvd_data_config usual = mcvd_prepare_data_default();
    cJSON *asked = NULL;
    cJSON *defaults = NULL;
    mcvd_status st = mcvdi_set_options(&asked, keys, data);

    if (st >= 0)
        st = mcvdi_set_options(&defaults, keys, &usual);
    for (const cJSON *a = asked ? asked->child : NULL; st >= 0 && a; a = a->next)
        if (!belongs(a->string, set) &&
            !cJSON_Compare(a, cJSON_GetObjectItemCaseSensitive(defaults, a->string), true))
            st = mcvdi_fail(MCVD_E_CONFIG, "data.%s: not an option of %s", a->string, set);
    cJSON_Delete(asked);
    cJSON_Delete(defaults);
    return st;
}
