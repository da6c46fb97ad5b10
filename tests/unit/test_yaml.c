/* YAML texts: types as in YAML 1.1, what is refused and where, and the authors' own files. */
#include "core/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mcvd/config.h>
#include <mcvd/log.h>

#include "support/check.h"

static char warnings[1024];

static void receive(void *user, mcvd_log_level level, const char *line)
{
    (void)user;
    if (level == MCVD_LOG_WARNING)
        snprintf(warnings, sizeof warnings, "%s", line);
}

static int setup(void **state)
{
    (void)state;
    warnings[0] = '\0';
    mcvd_log_set(receive, NULL);
    return 0;
}

static mcvd_status parse(cJSON **out, const char *text)
{
    return mcvdi_yaml_parse(out, text, strlen(text), "f.yml");
}

/* The value of "k: TEXT". */
static cJSON *value_of(const char *text)
{
    cJSON *tree;
    char line[256];

    snprintf(line, sizeof line, "k: %s\n", text);
    CHECK_OK(parse(&tree, line));
    cJSON *value = cJSON_DetachItemFromObjectCaseSensitive(tree, "k");
    CHECK_TRUE(value != NULL);
    cJSON_Delete(tree);
    return value;
}

static void booleans_and_null(void **state)
{
    static const char *const yes[] = {
        "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"
    };
    static const char *const no[] = { "false", "False", "FALSE", "no", "No",
                                      "NO",    "off",   "Off",   "OFF" };
    static const char *const null[] = { "", "~", "null", "Null", "NULL" };
    (void)state;
    for (size_t i = 0; i < 9; i++) {
        cJSON *t = value_of(yes[i]);
        cJSON *f = value_of(no[i]);
        CHECK_TRUE(cJSON_IsTrue(t) && cJSON_IsFalse(f));
        cJSON_Delete(t);
        cJSON_Delete(f);
    }
    for (size_t i = 0; i < 5; i++) {
        cJSON *n = value_of(null[i]);
        CHECK_TRUE(cJSON_IsNull(n));
        cJSON_Delete(n);
    }
}

static void numbers(void **state)
{
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        { "0", 0 },
        { "-0", 0 },
        { "3000001", 3000001 },
        { "-1", -1 },
        { "+12", 12 },
        { "1_000", 1000 },
        { "0x1F", 31 },
        { "-0xff_ff", -65535 },
        { "010", 8 },
        { "0b101", 5 },
        { "0.0001", 0.0001 },
        { "1.0e-08", 1e-8 },
        { "1.", 1 },
        { ".5", 0.5 },
        { "-.5", -0.5 },
        { "09.5", 9.5 },
        { "6.02E+23", 6.02e23 },
        { "1_0.2_5", 10.25 },
        { "1e-4", 1e-4 }, /* these three are texts in PyYAML */
        { "1e5", 1e5 },
        { "1.0e8", 1e8 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cJSON *v = value_of(cases[i].text);
        if (!cJSON_IsNumber(v) || v->valuedouble != cases[i].value)
            fail_msg("%s became %s %g, expected the number %g", cases[i].text,
                     cJSON_IsNumber(v) ? "the number" : "another type", v->valuedouble,
                     cases[i].value);
        cJSON_Delete(v);
    }
}

static void texts(void **state)
{
    static const char *const same[] = {
        "deep",  "y",    "n",       "tRUE", "InstanceNorm++",
        "1.2.3", "08",   "0x",      "0b2",  "1e",
        "e5",    "1e+",  "_1",      ".",    "+",
        "._5",   ".inf", "-.Inf",   ".nan", "1__a",
        "-e1",   "=",    "none",    "=1",   "2001-12-14",
        "a b c", "1 2",  "1.5e5.0", "++1",  "0b",
    };
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        cJSON *v = value_of(same[i]);
        if (!cJSON_IsString(v) || strcmp(v->valuestring, same[i]) != 0)
            fail_msg("%s did not stay a text", same[i]);
        cJSON_Delete(v);
    }
}

static void quoted_scalars_are_texts(void **state)
{
    static const char *const inside[] = { "true", "1", "1.0e-08", "", "~", "1:30", "a: b" };
    (void)state;
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        for (int q = 0; q < 2; q++) {
            char text[64];
            snprintf(text, sizeof text, "%c%s%c", "'\""[q], inside[i], "'\""[q]);
            cJSON *v = value_of(text);
            assert_string_equal(cJSON_GetStringValue(v), inside[i]);
            cJSON_Delete(v);
        }
    }
    cJSON *block = value_of("|\n  12\n  13");
    assert_string_equal(cJSON_GetStringValue(block), "12\n13\n");
    cJSON_Delete(block);
}

/* A number of so many digits has no place in an option; it must not be cut to another one. */
static void long_numbers_stay_texts(void **state)
{
    char digits[101];
    (void)state;
    memset(digits, '1', 100);
    digits[100] = '\0';
    cJSON *v = value_of(digits);
    CHECK_TRUE(cJSON_IsString(v));
    cJSON_Delete(v);
}

static void collections(void **state)
{
    static const char text[] = "\xEF\xBB\xBF%YAML 1.1\n"
                               "--- # as PyYAML writes it\n"
                               "model:\n"
                               "  ch_mult:\n"
                               "  - 1\n"
                               "  - 2\n"
                               "  attn_resolutions: []\n"
                               "  flow: {a: [1, two], b: }\n"
                               "...\n";
    cJSON *tree;
    (void)state;
    CHECK_OK(parse(&tree, text));
    char *json = cJSON_PrintUnformatted(tree);
    assert_string_equal(json, "{\"model\":{\"ch_mult\":[1,2],\"attn_resolutions\":[],"
                              "\"flow\":{\"a\":[1,\"two\"],\"b\":null}}}");
    cJSON_free(json);
    cJSON_Delete(tree);
    CHECK_OK(parse(&tree, "# nothing\n"));
    CHECK_TRUE(cJSON_IsNull(tree));
    cJSON_Delete(tree);
}

static void refuses(const char *text, mcvd_status status, const char *message)
{
    cJSON *tree = (cJSON *)1;
    const mcvd_status st = parse(&tree, text);

    if (st != status || tree || strcmp(mcvd_last_error(), message) != 0)
        fail_msg("'%s': %s '%s', expected %s '%s'", text, mcvd_status_name(st), mcvd_last_error(),
                 mcvd_status_name(status), message);
}

static void refusals_name_the_place(void **state)
{
    (void)state;
    refuses("a: 1\nb: &x 2\n", MCVD_E_CONFIG,
            "f.yml: line 2, column 4: anchor '&x' is refused, write the value where it belongs");
    refuses("a:\n  b: &m\n    c: 1\n", MCVD_E_CONFIG,
            "f.yml: line 2, column 6: anchor '&m' is refused, write the value where it belongs");
    refuses("a: &l [1]\n", MCVD_E_CONFIG,
            "f.yml: line 1, column 4: anchor '&l' is refused, write the value where it belongs");
    refuses("a: 1\nb: *x\n", MCVD_E_CONFIG,
            "f.yml: line 2, column 4: alias '*x' is refused, write the value where it belongs");
    refuses("*x : 1\n", MCVD_E_CONFIG,
            "f.yml: line 1, column 1: alias '*x' is refused, write the key itself");
    refuses("a: !!python/object:os.system []\n", MCVD_E_CONFIG,
            "f.yml: line 1, column 4: tag 'tag:yaml.org,2002:python/object:os.system' is refused, "
            "a value's type follows from its text");
    refuses("!!map {}\n", MCVD_E_CONFIG,
            "f.yml: line 1, column 1: tag 'tag:yaml.org,2002:map' is refused, a value's type "
            "follows from its text");
    refuses("a: !!int '3'\n", MCVD_E_CONFIG,
            "f.yml: line 1, column 4: tag 'tag:yaml.org,2002:int' is refused, a value's type "
            "follows from its text");
    refuses("a: 1\n---\nb: 1\n", MCVD_E_CONFIG,
            "f.yml: line 2, column 1: a second document, expected the end of the text");
    refuses("a: 1\n<<: {b: 1}\n", MCVD_E_CONFIG,
            "f.yml: line 2, column 1: merge key '<<' is refused, write the keys where they belong");
    refuses("m:\n  a: 1\n  b: 2\n  a: 3\n", MCVD_E_CONFIG,
            "f.yml: line 4, column 3: key 'a' appears twice");
    refuses("a: 1\n? [1, 2]\n: 3\n", MCVD_E_CONFIG,
            "f.yml: line 2, column 3: a list or mapping as a key, expected a name");
    refuses("a: 1:30\n", MCVD_E_CONFIG,
            "f.yml: line 1, column 4: 1:30 is a number to base 60 in YAML 1.1: write it in "
            "decimal, or quote it");
    refuses("a: \"x\\0y\"\n", MCVD_E_CONFIG,
            "f.yml: line 1, column 4: a text with a NUL character");
}

static void broken_syntax(void **state)
{
    cJSON *tree;
    (void)state;
    refuses("a: 1\n b: 2\n", MCVD_E_FORMAT,
            "f.yml: line 2, column 3: mapping values are not allowed in this context");
    refuses("a: [1, 2\n", MCVD_E_FORMAT,
            "f.yml: line 2, column 1: while parsing a flow sequence, did not find expected ',' or "
            "']'");
    refuses("a:\n\t- 1\n", MCVD_E_FORMAT,
            "f.yml: line 2, column 1: while scanning for the next token, found character that "
            "cannot start any token");
    refuses("a: 1\nb: \xFF\n", MCVD_E_FORMAT, "f.yml: line 2: invalid leading UTF-8 octet");
    CHECK_STATUS(mcvdi_yaml_parse(&tree, "a: \0b", 5, "f.yml"), MCVD_E_FORMAT);
}

static char *repeat(const char *piece, size_t times)
{
    const size_t length = strlen(piece);
    char *text = malloc(length * times + 1);

    CHECK_TRUE(text != NULL);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * length, piece, length);
    text[length * times] = '\0';
    return text;
}

static void caps(void **state)
{
    cJSON *tree;
    (void)state;
    refuses("[[[[[[[[[[[[[[[[[[[[[[[[[[", MCVD_E_CONFIG,
            "f.yml: line 1, column 17: more than 16 levels");
    CHECK_OK(parse(&tree, "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"));
    cJSON_Delete(tree);

    char *values = repeat("- 1\n", 10000);
    refuses(values, MCVD_E_CONFIG, "f.yml: line 10000, column 3: more than 10000 values");
    values[9999 * 4] = '\0';
    CHECK_OK(parse(&tree, values));
    CHECK_EQ(cJSON_GetArraySize(tree), 9999);
    cJSON_Delete(tree);
    free(values);

    char *blank = repeat("\n", (1 << 20) + 1);
    refuses(blank, MCVD_E_CONFIG, "f.yml: 1048577 bytes of YAML, at most 1048576 are read");
    free(blank);

    char *key = repeat("k", 130);
    memcpy(key + 128, ": ", 2);
    refuses(key, MCVD_E_CONFIG, "f.yml: line 1, column 1: a key of more than 127 bytes");
    CHECK_OK(parse(&tree, key + 1));
    cJSON_Delete(tree);
    free(key);
}

/* ---- as a configuration --------------------------------------------------------------------- */

static void read_text(mcvd_config *config, mcvd_status expected, const char *ending,
                      const char *text)
{
    char path[512];

    snprintf(path, sizeof path, "%s/mcvd-yaml-XXXXXX%s",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", ending);
    const int fd = mkstemps(path, (int)strlen(ending));
    CHECK_TRUE(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
    close(fd);
    mcvd_config_default(config);
    CHECK_STATUS(mcvd_config_read(config, path), expected);
    unlink(path);
}

static void format_by_name_or_content(void **state)
{
    static const char yaml[] = "model:\n  ngf: 48\n";
    static const char json[] = " {\"model\": {\"ngf\": 48}}";
    mcvd_config c;
    (void)state;
    static const char *const endings[] = { ".yml", ".yaml", ".YML", "", ".txt" };
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        read_text(&c, MCVD_OK, endings[i], yaml);
        CHECK_EQ(c.model.ngf, 48);
        read_text(&c, MCVD_OK, endings[i], json); /* is YAML too */
        CHECK_EQ(c.model.ngf, 48);
    }
    read_text(&c, MCVD_OK, ".json", json);
    read_text(&c, MCVD_E_FORMAT, ".json", yaml);
    read_text(&c, MCVD_E_CONFIG, ".yml", "only words");
    CHECK_TRUE(strstr(mcvd_last_error(), "expected an object with sections") != NULL);
}

static void unknown_keys_are_left_out(void **state)
{
    mcvd_config c;
    (void)state;
    read_text(&c, MCVD_OK, ".yml", "model:\n  ngff: 1\n  ngf: 48\n  old: [1]\n");
    CHECK_EQ(c.model.ngf, 48);
    CHECK_TRUE(strstr(warnings, "unknown key 'model.old', the nearest known key is") != NULL);
    read_text(&c, MCVD_E_CONFIG, ".yml", "modell:\n  ngf: 48\n");
    read_text(&c, MCVD_E_CONFIG, ".yml", "- model\n- {ngf: 48}\n"); /* no names at all */
    read_text(&c, MCVD_E_CONFIG, ".json", "{\"model\": {\"ngff\": 1}}");
}

static void values_are_checked_as_in_json(void **state)
{
    mcvd_config c;
    (void)state;
    read_text(&c, MCVD_OK, ".yml", "optim:\n  lr: 1e-4\n  eps: 1.0e-08\nname: x\nabout: y\n");
    CHECK_CLOSE(c.optim.lr, 1e-4, 0.0);
    CHECK_CLOSE(c.optim.eps, 1e-8, 0.0);
    read_text(&c, MCVD_E_CONFIG, ".yml", "optim:\n  lr: '1e-4'\n");
    read_text(&c, MCVD_E_CONFIG, ".yml", "optim:\n  lr: .inf\n");
    read_text(&c, MCVD_E_CONFIG, ".yml", "training:\n  n_iters: 1.5\n");
    read_text(&c, MCVD_E_CONFIG, ".yml", "training:\n  seed: 0x20000000000001\n");
    read_text(&c, MCVD_E_CONFIG, ".yml", "training:\n  seed: 1e400\n");
    read_text(&c, MCVD_E_CONFIG, ".yml", "data: 3\n");
}

/* Effective configurations of the authors' program, and the same as JSON. */
static void authors_files_equal_their_json(void **state)
{
    static const char *const names[] = {
        "concat_condemb",     "concat_gray",  "concat_notime",     "concat_rgb",
        "full3d_gray",        "pseudo3d_rgb", "spade_full3d_gray", "spade_noisecond_noema",
        "spade_pseudo3d_rgb", "spade_rgb",
    };
    mcvd_config yaml;
    mcvd_config json;
    char path[512];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        mcvd_config_default(&yaml);
        mcvd_config_default(&json);
        snprintf(path, sizeof path, "%s/%s/config.yml", MCVD_TEST_GOLDEN, names[i]);
        CHECK_OK(mcvd_config_read(&yaml, path));
        snprintf(path, sizeof path, "%s/%s/config.json", MCVD_TEST_GOLDEN, names[i]);
        CHECK_OK(mcvd_config_read(&json, path));
        if (memcmp(&yaml, &json, sizeof yaml) != 0)
            fail_msg("%s: config.yml differs from config.json", names[i]);
        CHECK_EQ(yaml.training.n_iters, 3000001);
        CHECK_EQ(warnings[0], '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(booleans_and_null, setup),
        cmocka_unit_test_setup(numbers, setup),
        cmocka_unit_test_setup(texts, setup),
        cmocka_unit_test_setup(quoted_scalars_are_texts, setup),
        cmocka_unit_test_setup(long_numbers_stay_texts, setup),
        cmocka_unit_test_setup(collections, setup),
        cmocka_unit_test_setup(refusals_name_the_place, setup),
        cmocka_unit_test_setup(broken_syntax, setup),
        cmocka_unit_test_setup(caps, setup),
        cmocka_unit_test_setup(format_by_name_or_content, setup),
        cmocka_unit_test_setup(unknown_keys_are_left_out, setup),
        cmocka_unit_test_setup(values_are_checked_as_in_json, setup),
        cmocka_unit_test_setup(authors_files_equal_their_json, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
