/* Option tables on a small struct: every type from text and from JSON, and the way back. */
#include "core/options.h"

#include <float.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>

#include <mcvd/config.h>
#include <mcvd/log.h>

#include "core/json.h"
#include "support/check.h"

typedef struct thing {
    bool flag;
    int64_t count;
    double share;
    char name[MCVD_CONFIG_TEXT];
    char kind[MCVD_CONFIG_TEXT];
    mcvd_int_list sizes;
} thing;

static const mcvdi_option rows[] = {
    { "one", "flag", MCVDI_OPT_BOOL, "true", 0, 1, NULL, "", offsetof(thing, flag) },
    { "one", "count", MCVDI_OPT_INT, "3", -1, 1e18, NULL, "", offsetof(thing, count) },
    { "one", "old", MCVDI_OPT_IGNORED, "false", 0, 0, NULL, "", 0 },
    { "two", "share", MCVDI_OPT_REAL, "0.25", 0, 1, NULL, "", offsetof(thing, share) },
    { "two", "name", MCVDI_OPT_TEXT, "x", 0, 0, NULL, "", offsetof(thing, name) },
    { "two", "kind", MCVDI_OPT_CHOICE, "", 0, 0, "|red|blue", "", offsetof(thing, kind) },
    { "two", "sizes", MCVDI_OPT_INT_LIST, "1,2", 1, 64, NULL, "", offsetof(thing, sizes) },
    { "gone", "*", MCVDI_OPT_IGNORED, NULL, 0, 0, NULL, "", 0 },
};
static const mcvdi_option_table table = { rows, sizeof rows / sizeof rows[0] };

static int notes;
static int warnings;
static char last_line[256];

static void receive(void *user, mcvd_log_level level, const char *line)
{
    (void)user;
    notes += level == MCVD_LOG_INFO;
    warnings += level == MCVD_LOG_WARNING;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static int setup(void **state)
{
    static thing t;
    memset(&t, 0, sizeof t);
    notes = 0;
    warnings = 0;
    mcvd_log_set(receive, NULL);
    CHECK_OK(mcvdi_options_defaults(&table, &t));
    *state = &t;
    return 0;
}

static mcvd_status read_text(thing *t, const char *text)
{
    cJSON *json;
    mcvd_status st = mcvdi_json_parse(&json, text, strlen(text), "f.json");
    CHECK_OK(st);
    st = mcvdi_options_read(&table, t, json, "f.json");
    cJSON_Delete(json);
    return st;
}

static void defaults(void **state)
{
    const thing *t = *state;
    CHECK_TRUE(t->flag);
    CHECK_EQ(t->count, 3);
    CHECK_CLOSE(t->share, 0.25, 0.0);
    assert_string_equal(t->name, "x");
    assert_string_equal(t->kind, "");
    CHECK_EQ(t->sizes.count, 2);
    CHECK_EQ(t->sizes.values[1], 2);
}

static void set_good(void **state)
{
    thing *t = *state;
    CHECK_OK(mcvdi_options_set(&table, t, "one.flag=False"));
    CHECK_TRUE(!t->flag);
    CHECK_OK(mcvdi_options_set(&table, t, "one.count=-1"));
    CHECK_EQ(t->count, -1);
    CHECK_OK(mcvdi_options_set(&table, t, "two.share=1e-3"));
    CHECK_CLOSE(t->share, 1e-3, 0.0);
    CHECK_OK(mcvdi_options_set(&table, t, "two.name=a=b"));
    assert_string_equal(t->name, "a=b");
    CHECK_OK(mcvdi_options_set(&table, t, "two.kind=blue"));
    assert_string_equal(t->kind, "blue");
    CHECK_OK(mcvdi_options_set(&table, t, "two.kind="));
    assert_string_equal(t->kind, "");
    CHECK_OK(mcvdi_options_set(&table, t, "two.sizes=[4, 5,6]"));
    CHECK_EQ(t->sizes.count, 3);
    CHECK_EQ(t->sizes.values[2], 6);
    CHECK_OK(mcvdi_options_set(&table, t, "two.sizes=[]"));
    CHECK_EQ(t->sizes.count, 0);
    CHECK_OK(mcvdi_options_set(&table, t, "two.sizes=7"));
    CHECK_EQ(t->sizes.values[0], 7);
}

/* Every refusal names the key and what was found, and leaves the struct as it was. */
static void set_bad(void **state)
{
    static const char *const cases[][2] = {
        { "one.count=12x", "one.count: expected an integer, found '12x'" },
        { "one.count=1.5", "expected an integer, found '1.5'" },
        { "one.count=", "expected an integer, found ''" },
        { "one.count=-2", "one.count: -2 is outside -1..1e+18" },
        { "one.count=9007199254740992", "beyond 2^53" },
        { "one.count=99999999999999999999", "beyond 2^53" },
        { "one.flag=yes", "expected true or false, found 'yes'" },
        { "two.share=0,5", "expected a number, found '0,5'" },
        { "two.share=nan", "expected a finite number, found 'nan'" },
        { "two.share=inf", "expected a finite number" },
        { "two.share=1.5", "two.share: 1.5 is outside 0..1" },
        { "two.kind=green", "expected one of |red|blue, found 'green'" },
        { "two.kind=re", "found 're'" },
        { "two.sizes=1,,2", "expected an integer, found ''" },
        { "two.sizes=1,65", "two.sizes: 65 is outside 1..64" },
        { "two.sizes=1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "more than 16 elements" },
        { "two.count=1", "unknown key 'two.count', the nearest known key is 'one.count'" },
        { "one.fla=1", "the nearest known key is 'one.flag'" },
        { "shar=1", "the nearest known key is 'two.share'" },
        { "one.count", "expected section.key=value, found 'one.count'" },
        { "=", "unknown key ''" },
    };
    thing *t = *state;
    const thing before = *t;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_STATUS(mcvdi_options_set(&table, t, cases[i][0]), MCVD_E_CONFIG);
        CHECK_MESSAGE(cases[i][1]);
        CHECK_TRUE(memcmp(t, &before, sizeof before) == 0);
    }
}

static void text_has_a_limit(void **state)
{
    thing *t = *state;
    char text[600];
    memset(text, 'a', sizeof text);
    memcpy(text, "two.name=", 9);
    text[9 + 255] = '\0';
    CHECK_OK(mcvdi_options_set(&table, t, text));
    CHECK_EQ(strlen(t->name), 255);
    text[9 + 255] = 'a';
    text[9 + 256] = '\0';
    CHECK_STATUS(mcvdi_options_set(&table, t, text), MCVD_E_CONFIG);
    CHECK_MESSAGE("256 bytes, at most 255");
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CHECK_STATUS(mcvdi_options_set(&table, t, text), MCVD_E_CONFIG);
}

static void read_good(void **state)
{
    thing *t = *state;
    CHECK_OK(read_text(t, "{\"two\": {\"share\": 1, \"sizes\": [], \"kind\": \"red\"},"
                          " \"one\": {\"count\": 2e3, \"flag\": false}}"));
    CHECK_EQ(t->count, 2000);
    CHECK_TRUE(!t->flag);
    CHECK_EQ(t->sizes.count, 0);
    assert_string_equal(t->kind, "red");
    assert_string_equal(t->name, "x");
    CHECK_EQ(notes + warnings, 0);
}

static void read_bad(void **state)
{
    static const char *const cases[][2] = {
        { "{\"one\": {\"count\": 1.5}}", "f.json: one.count: expected an integer, found '1.5'" },
        { "{\"one\": {\"count\": \"3\"}}", "one.count: expected an integer, found '3'" },
        { "{\"one\": {\"count\": 9007199254740993}}", "beyond 2^53" },
        { "{\"one\": {\"count\": 1e999}}", "expected an integer, found 'inf'" },
        { "{\"one\": {\"count\": -5}}", "one.count: -5 is outside" },
        { "{\"one\": {\"flag\": 1}}", "one.flag: expected true or false, found '1'" },
        { "{\"one\": {\"flag\": null}}", "found 'null'" },
        { "{\"two\": {\"share\": 1e999}}", "expected a finite number" },
        { "{\"two\": {\"share\": true}}", "expected a number, found 'true'" },
        { "{\"two\": {\"name\": {}}}", "expected a text, found 'an object'" },
        { "{\"two\": {\"sizes\": 3}}", "expected a list of integers, found '3'" },
        { "{\"two\": {\"sizes\": [1, 2.5]}}", "expected an integer, found '2.5'" },
        { "{\"two\": {\"sizes\": [99999999999]}}", "outside 1..64" },
        { "{\"two\": {\"shares\": 1}}",
          "f.json: unknown key 'two.shares', the nearest known key is 'two.share'" },
        { "{\"too\": {}}", "unknown key 'too', the nearest known key is 'two'" },
        { "{\"two\": 1}", "f.json: two: expected an object" },
        { "[]", "f.json: expected an object" },
    };
    thing *t = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_STATUS(read_text(t, cases[i][0]), MCVD_E_CONFIG);
        CHECK_MESSAGE(cases[i][1]);
    }
}

static void ignored_keys_are_noted(void **state)
{
    thing *t = *state;
    CHECK_OK(read_text(t, "{\"one\": {\"old\": false}, \"gone\": {\"a\": 1, \"b\": [2]}}"));
    CHECK_EQ(notes, 1);
    CHECK_EQ(warnings, 0);
    assert_string_equal(last_line, "f.json: without effect here: one.old, gone");
    CHECK_OK(read_text(t, "{\"one\": {\"old\": true}}"));
    CHECK_EQ(warnings, 1);
    assert_string_equal(last_line, "f.json: one.old = true has no effect here");
    CHECK_OK(mcvdi_options_set(&table, t, "one.old=false"));
    CHECK_EQ(notes, 2);
    CHECK_STATUS(read_text(t, "{\"gone\": {\"a\": 1}, \"strange\": {}}"), MCVD_E_CONFIG);
    CHECK_EQ(notes, 2); /* a refused file gets its one line only */
}

static mcvd_status round_trip(thing *out, const thing *in)
{
    cJSON *json = mcvdi_options_dump(&table, in);
    CHECK_TRUE(json != NULL);
    CHECK_TRUE(cJSON_GetObjectItem(json, "gone") == NULL);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    const mcvd_status st = read_text(out, text);
    cJSON_free(text);
    return st;
}

static void doubles_round_trip(void **state)
{
    const double values[] = { 0.1,  1.0 / 3.0, DBL_MIN, DBL_TRUE_MIN, 1.0 - DBL_EPSILON / 2.0,
                              1e-8, 0.0 };
    thing *t = *state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        thing back = *t;
        t->share = values[i];
        CHECK_OK(round_trip(&back, t));
        CHECK_TRUE(memcmp(&back.share, &values[i], sizeof back.share) == 0);
    }
}

static void odd_values_round_trip(void **state)
{
    thing *t = *state;
    thing back = *t;
    CHECK_OK(mcvdi_options_set(&table, t, "two.name=quote \" back \\ line \n \xC3\xA9"));
    CHECK_OK(mcvdi_options_set(&table, t, "one.count=9007199254740991"));
    CHECK_OK(mcvdi_options_set(&table, t, "two.sizes="));
    CHECK_OK(round_trip(&back, t));
    CHECK_TRUE(memcmp(&back, t, sizeof back) == 0);
}

/* A program that embeds the library may print its numbers with a decimal comma. */
static void the_locale_does_not_matter(void **state)
{
    thing *t = *state;
    thing back = *t;
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        skip();
    CHECK_OK(mcvdi_options_set(&table, t, "two.share=0.5"));
    CHECK_CLOSE(t->share, 0.5, 0.0);
    CHECK_OK(round_trip(&back, t));
    setlocale(LC_ALL, "C");
    CHECK_CLOSE(back.share, 0.5, 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults, setup),
        cmocka_unit_test_setup(set_good, setup),
        cmocka_unit_test_setup(set_bad, setup),
        cmocka_unit_test_setup(text_has_a_limit, setup),
        cmocka_unit_test_setup(read_good, setup),
        cmocka_unit_test_setup(read_bad, setup),
        cmocka_unit_test_setup(ignored_keys_are_noted, setup),
        cmocka_unit_test_setup(doubles_round_trip, setup),
        cmocka_unit_test_setup(odd_values_round_trip, setup),
        cmocka_unit_test_setup(the_locale_does_not_matter, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
