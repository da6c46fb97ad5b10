/* JSON texts: what is accepted, and where a refusal points. */
#include "core/json.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "support/check.h"

static mcvd_status parse(cJSON **out, const char *text)
{
    return mcvdi_json_parse(out, text, strlen(text), "f.json");
}

static void accepts_sound_texts(void **state)
{
    static const char *const texts[] = {
        "{}",      " [1, -2.5e+3, 0, 0.5]\n", "\"\\u00e9\\ud83d\\ude00\"", "true",
        "null",    "{\"a\": {\"a\": [[]]}}",  "\xEF\xBB\xBF{\"a\": 1}",    "-0",
        "\"\\n\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cJSON *json = NULL;
        CHECK_OK(parse(&json, texts[i]));
        CHECK_TRUE(json != NULL);
        cJSON_Delete(json);
    }
}

static void values_arrive(void **state)
{
    cJSON *json;
    (void)state;
    CHECK_OK(parse(&json, "{\"b\": [1.5, \"x\\u0041\"], \"a\": false}"));
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "b");
    CHECK_EQ(cJSON_GetArraySize(list), 2);
    CHECK_CLOSE(cJSON_GetArrayItem(list, 0)->valuedouble, 1.5, 0.0);
    assert_string_equal(cJSON_GetArrayItem(list, 1)->valuestring, "xA");
    CHECK_TRUE(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(json, "a")));
    cJSON_Delete(json);
}

/* Text, and the words that its message must hold. */
static void refuses_with_position(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        { "", "line 1, column 1: expected a value, found the end" },
        { "{\"a\": 1", "column 8: expected ',' or '}', found the end" },
        { "{\n  \"a\": 1,\n}", "line 3, column 1: expected '\"', found '}'" },
        { "[1, 2", "expected ',' or ']'" },
        { "[1,]", "column 4: expected a value, found ']'" },
        { "{\"a\" 1}", "column 6: expected ':', found '1'" },
        { "{} x", "column 4: expected the end of the text, found 'x'" },
        { "{}{}", "expected the end of the text" },
        { "tru", "expected a value (true, false or null), found the end" },
        { "01", "column 2: expected the end of the text, found '1'" },
        { "1.", "expected a digit" },
        { "+1", "expected a value, found '+'" },
        { "NaN", "expected a value, found 'N'" },
        { "[1e]", "expected a digit" },
        { "\"a\nb\"", "expected the rest of a string, found byte 0x0a" },
        { "\"abc", "expected the rest of a string, found the end" },
        { "\"\\x\"", "expected an escape" },
        { "\"\\u0000\"", "expected the code of a character" },
        { "\"\\ud800\"", "second half of a surrogate pair" },
        { "\"\\ud800\\u0041\"", "second half of a surrogate pair" },
        { "\"\\udc00\"", "expected the code of a character" },
        { "\"\\u12g4\"", "four hexadecimal digits, found 'g'" },
        { "{\"a\": 1, \"b\": 2, \"a\": 3}", "key 'a' appears twice" },
        { "{\"s\": {\"a\": 1, \"\\u0061\": 2}}", "key 's.a' appears twice" },
        { "1234567890123456789012345678901234567890123456789012345678901234",
          "at most 63 characters" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cJSON *json = (cJSON *)1;
        CHECK_STATUS(parse(&json, cases[i].text), MCVD_E_FORMAT);
        CHECK_MESSAGE("f.json: ");
        CHECK_MESSAGE(cases[i].message);
        CHECK_TRUE(json == NULL);
    }
}

static void a_nul_ends_nothing(void **state)
{
    cJSON *json;
    (void)state;
    CHECK_STATUS(mcvdi_json_parse(&json, "{}\0{}", 5, "f"), MCVD_E_FORMAT);
    CHECK_MESSAGE("byte 0x00");
    CHECK_STATUS(mcvdi_json_parse(&json, "{}", 1, "f"), MCVD_E_FORMAT);
}

static void depth_is_capped(void **state)
{
    char text[2 * 100000 + 1];
    cJSON *json;
    (void)state;
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    CHECK_OK(mcvdi_json_parse(&json, text, 128, "f"));
    cJSON_Delete(json);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    CHECK_STATUS(mcvdi_json_parse(&json, text, 130, "f"), MCVD_E_FORMAT);
    CHECK_MESSAGE("at most 64 nested brackets");
    memset(text, '[', 200000);
    CHECK_STATUS(mcvdi_json_parse(&json, text, 200000, "f"), MCVD_E_FORMAT);
}

static void number_of_values_is_capped(void **state)
{
    const size_t bytes = 2 * 1000001 + 1;
    char *text = mcvdi_malloc(bytes);
    cJSON *json;
    (void)state;
    for (size_t i = 0; i < bytes; i++)
        text[i] = i % 2 ? '0' : ',';
    text[0] = '[';
    text[bytes - 1] = ']';
    CHECK_STATUS(mcvdi_json_parse(&json, text, bytes, "f"), MCVD_E_FORMAT);
    CHECK_MESSAGE("at most 1000000 values");
    mcvdi_free(text);
}

static void files(void **state)
{
    char path[] = "/tmp/mcvd-test-json-XXXXXX";
    cJSON *json;
    (void)state;
    CHECK_STATUS(mcvdi_json_read(&json, "/nonexistent/f.json"), MCVD_E_INPUT);
    CHECK_MESSAGE("/nonexistent/f.json");
    CHECK_TRUE(json == NULL);
    CHECK_STATUS(mcvdi_json_read(&json, "/tmp"), MCVD_E_INPUT);

    const int fd = mkstemp(path);
    CHECK_TRUE(fd >= 0);
    FILE *file = fdopen(fd, "w");
    fputs("{\"a\":\n 1 2}", file);
    fclose(file);
    CHECK_STATUS(mcvdi_json_read(&json, path), MCVD_E_FORMAT);
    CHECK_MESSAGE(path);
    CHECK_MESSAGE("line 2, column 4");
    remove(path);
}

static void failing_allocations(void **state)
{
    cJSON *json;
    (void)state;
    mcvdi_alloc_fail_after(0);
    const mcvd_status st = parse(&json, "{\"a\": 1, \"b\": 2}");
    mcvdi_alloc_fail_after(-1);
    CHECK_EQ(st, MCVD_E_NOMEM);
    CHECK_TRUE(json == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_sound_texts),
        cmocka_unit_test(values_arrive),
        cmocka_unit_test(refuses_with_position),
        cmocka_unit_test(a_nul_ends_nothing),
        cmocka_unit_test(depth_is_capped),
        cmocka_unit_test(number_of_values_is_capped),
        cmocka_unit_test(files),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
