#include <pthread.h>
#include <stdlib.h>

#include "core/status.h"
#include "support/check.h"

#define STATUS_ROW(name, value, text) { name, value, #name, text },

static const struct {
    mcvd_status status;
    int value;
    const char *name;
    const char *text;
} rows[] = { MCVD_STATUS_LIST(STATUS_ROW) };

enum { NUM_ROWS = sizeof rows / sizeof rows[0] };

static void test_names_and_texts(void **state)
{
    (void)state;
    for (int i = 0; i < NUM_ROWS; i++) {
        CHECK_EQ(rows[i].status, rows[i].value);
        assert_string_equal(mcvd_status_name(rows[i].status), rows[i].name);
        assert_string_equal(mcvd_status_text(rows[i].status), rows[i].text);
    }
    assert_string_equal(mcvd_status_name((mcvd_status)-999), "unknown status");
    assert_string_equal(mcvd_status_text((mcvd_status)999), "unknown status");
}

static void test_values_are_distinct(void **state)
{
    (void)state;
    for (int i = 0; i < NUM_ROWS; i++)
        for (int j = 0; j < i; j++) {
            CHECK_TRUE(rows[i].value != rows[j].value);
            CHECK_TRUE(strcmp(rows[i].text, rows[j].text) != 0);
        }
}

static void test_message(void **state)
{
    (void)state;
    CHECK_EQ(mcvdi_fail(MCVD_E_SHAPE, "axis %d has %zu", 2, (size_t)7), MCVD_E_SHAPE);
    assert_string_equal(mcvd_last_error(), "axis 2 has 7");
    CHECK_EQ(mcvdi_fail_context(MCVD_E_SHAPE, "file %s", "a.st"), MCVD_E_SHAPE);
    assert_string_equal(mcvd_last_error(), "file a.st: axis 2 has 7");
    mcvdi_fail(MCVD_E_IO, "again: %s", mcvd_last_error());
    assert_string_equal(mcvd_last_error(), "again: file a.st: axis 2 has 7");
}

static void test_message_is_one_harmless_line(void **state)
{
    (void)state;
    mcvdi_fail(MCVD_E_FORMAT, "name '%s'", "a\nb\x1b[31m\x7f\xc3\xa9");
    assert_string_equal(mcvd_last_error(), "name 'a?b?[31m?\xc3\xa9'");
}

static void test_long_message_is_cut(void **state)
{
    static char text[5000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    mcvdi_fail(MCVD_E_FORMAT, "%s", text);
    CHECK_EQ(strlen(mcvd_last_error()), 1023);
    mcvdi_fail_context(MCVD_E_FORMAT, "front");
    CHECK_EQ(strncmp(mcvd_last_error(), "front: xxx", 10), 0);
    CHECK_EQ(strlen(mcvd_last_error()), 1023);
}

static void *other_thread(void *seen)
{
    *(int *)seen = mcvd_last_error()[0] == '\0';
    mcvdi_fail(MCVD_E_IO, "of the other thread");
    return NULL;
}

static void test_message_belongs_to_its_thread(void **state)
{
    pthread_t thread;
    int was_empty = -1;

    (void)state;
    mcvdi_fail(MCVD_E_IO, "of this thread");
    CHECK_EQ(pthread_create(&thread, NULL, other_thread, &was_empty), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(was_empty, 1);
    assert_string_equal(mcvd_last_error(), "of this thread");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_texts),
        cmocka_unit_test(test_values_are_distinct),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_message_is_one_harmless_line),
        cmocka_unit_test(test_long_message_is_cut),
        cmocka_unit_test(test_message_belongs_to_its_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
