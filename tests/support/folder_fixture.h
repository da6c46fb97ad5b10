/* For cmocka_unit_test_setup_teardown: a fresh folder for every test. */
#ifndef TESTS_SUPPORT_FOLDER_FIXTURE_H
#define TESTS_SUPPORT_FOLDER_FIXTURE_H

#include "support/folder.h"

static char folder[TEST_PATH_BYTES];

static inline int set_up(void **state)
{
    (void)state;
    make_test_folder(folder);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

#endif
