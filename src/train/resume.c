#include "train/resume.h"

#include <string.h>

#include <mcvd/safetensors.h>

#include "core/json.h"
#include "core/log.h"

/* --- configurations as trees, so that a key is compared as it is printed --- */

static mcvd_status config_tree(cJSON **out, const mcvd_config *config)
{
    char *text = mcvd_config_dump(config);

    *out = NULL;
    if (!text)
        return MCVD_E_NOMEM;
    const mcvd_status st = mcvdi_json_parse(out, text, strlen(text), "configuration");
    mcvd_text_free(text);
    return st;
}

static bool may_differ(const char *section, const char *key)
{
    static const char *const training[] = { "n_iters",     "snapshot_freq", "sample_freq",
                                            "val_freq",    "log_freq",      "keep_checkpoints",
                                            "export_dtype" };

    if (strcmp(section, "sampling") == 0)
        return true;
    if (strcmp(section, "data") == 0)
        return strcmp(key, "num_workers") == 0 || strcmp(key, "dataset") == 0;
    if (strcmp(section, "optim") == 0)
        return strcmp(key, "cooldown") == 0; /* belongs to the end, as n_iters */
    for (size_t i = 0; i < sizeof training / sizeof *training; i++)
        if (strcmp(section, "training") == 0 && strcmp(key, training[i]) == 0)
            return true;
    return false;
}

static bool same_value(const cJSON *a, const cJSON *b)
{
    if (cJSON_IsNumber(a) && cJSON_IsNumber(b)) /* to the last bit: cJSON has a tolerance */
        return memcmp(&a->valuedouble, &b->valuedouble, sizeof a->valuedouble) == 0;
    return cJSON_Compare(a, b, 1);
}

static mcvd_status compare_key(const char *section, const cJSON *then, const cJSON *now,
                               const char *checkpoint)
{
    if (may_differ(section, now->string) || (then && same_value(then, now)))
        return MCVD_OK;
    char *was = cJSON_PrintUnformatted(then);
    char *is = cJSON_PrintUnformatted(now);
    const mcvd_status st =
        mcvdi_fail(MCVD_E_CONFIG,
                   "--resume: %s.%s = %s, but %s was trained with %s; a run goes on as it began",
                   section, now->string, is ? is : "?", checkpoint, was ? was : "?");
    cJSON_free(was);
    cJSON_free(is);
    return st;
}

static const cJSON *find(const cJSON *tree, const char *section, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(tree, section), key);
}

static mcvd_status compare_trees(const cJSON *then, const cJSON *now, const char *checkpoint)
{
    /* The task before the masks that follow from it. */
    mcvd_status st = compare_key("training", find(then, "training", "task"),
                                 find(now, "training", "task"), checkpoint);

    for (const cJSON *section = now->child; section; section = section->next) {
        for (const cJSON *key = section->child; st >= 0 && key; key = key->next)
            st = compare_key(section->string, find(then, section->string, key->string), key,
                             checkpoint);
    }
    return st;
}

static mcvd_status compare(const mcvd_config *then, const mcvd_config *now, const char *checkpoint)
{
    cJSON *a = NULL;
    cJSON *b = NULL;
    mcvd_status st = config_tree(&a, then);

    if (st >= 0)
        st = config_tree(&b, now);
    if (st >= 0)
        st = compare_trees(a, b, checkpoint);
    cJSON_Delete(a);
    cJSON_Delete(b);
    if (st >= 0 && strcmp(now->optim.lr_schedule, "cosine") == 0 &&
        then->training.n_iters != now->training.n_iters)
        mcvdi_log(MCVD_LOG_WARNING,
                  "optim.lr_schedule = cosine: the learning rate from here on is that of %lld "
                  "steps, so far it was that of %lld",
                  (long long)now->training.n_iters, (long long)then->training.n_iters);
    return st;
}

mcvd_status mcvdi_resume_check_config(const char *checkpoint, const mcvd_config *config)
{
    mcvd_safetensors *file = NULL;
    mcvd_config then;
    mcvd_status st = mcvd_safetensors_open(&file, checkpoint);

    if (st < 0)
        return st == MCVD_E_NOMEM ? st : MCVD_E_MODEL;
    const char *text = mcvd_safetensors_metadata(file, "mcvd.config");
    mcvd_config_default(&then);
    then.model.ema_warmup = false; /* files from before this key was there */
    st = text ? mcvd_config_parse(&then, text, checkpoint)
              : mcvdi_fail(MCVD_E_MODEL, "%s: not a checkpoint of a training run", checkpoint);
    mcvd_safetensors_close(&file);
    if (st < 0)
        return st == MCVD_E_NOMEM ? st : MCVD_E_MODEL;
    return compare(&then, config, checkpoint);
}

bool mcvdi_resume_model_is_of(const char *model, uint64_t steps)
{
    mcvd_safetensors *file = NULL;
    cJSON *summary = NULL;

    if (mcvd_safetensors_open(&file, model) < 0)
        return false;
    const char *text = mcvd_safetensors_metadata(file, "mcvd.training");
    bool same = false;
    if (text && mcvdi_json_parse(&summary, text, strlen(text), model) >= 0) {
        const cJSON *found = cJSON_GetObjectItemCaseSensitive(summary, "steps");
        same = cJSON_IsNumber(found) && !(found->valuedouble < (double)steps) &&
               !(found->valuedouble > (double)steps);
    }
    cJSON_Delete(summary);
    mcvd_safetensors_close(&file);
    return same;
}
