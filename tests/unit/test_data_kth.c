/* KTH's list of sequences: lines as published, and lists that are damaged. */
#include "core/alloc.h"
#include "data/kth_sequences.h"
#include "support/folder_fixture.h"

static mcvd_status read_text(mcvdi_kth_sequences *list, const char *text)
{
    char path[TEST_PATH_BYTES];
    FILE *file = fopen(test_path(path, folder, "00sequences.txt"), "wb");

    CHECK_TRUE(file && fputs(text, file) >= 0 && fclose(file) == 0);
    return mcvdi_kth_sequences_read(list, path);
}

static void test_published_lines(void **state)
{
    mcvdi_kth_sequences list;

    (void)state;
    CHECK_OK(read_text(&list, "This file describes the sequences performed by 25 persons.\r\n"
                              "\r\n"
                              "Training: person11, 12, 13\n"
                              "person22, 02, 03 for testing\n"
                              "person01_boxing_d1\t\tframes\t1-95, 96-185, 186-245, 246-360\r\n"
                              "person13_handclapping_d3\t*missing*\n"
                              "person25_walking_d4 frames 5 - 7,9-9,\n"
                              "\n"
                              "person02_running_d2\tframes\t1-2"));
    CHECK_EQ(list.num_films, 4);
    CHECK_EQ(list.num_stretches, 7);
    const mcvdi_kth_film *f = mcvdi_kth_sequences_find(&list, "person01_boxing_d1_uncomp.avi");
    CHECK_TRUE(f != NULL);
    CHECK_EQ(f->num_stretches, 4);
    CHECK_EQ(list.stretches[f->first_stretch].first, 0);
    CHECK_EQ(list.stretches[f->first_stretch].count, 95);
    CHECK_EQ(list.stretches[f->first_stretch + 3].first, 245);
    CHECK_EQ(list.stretches[f->first_stretch + 3].count, 115);
    f = mcvdi_kth_sequences_find(&list, "person13_handclapping_d3_uncomp.avi");
    CHECK_TRUE(f && f->num_stretches == 0);
    f = mcvdi_kth_sequences_find(&list, "person25_walking_d4_uncomp.avi");
    CHECK_TRUE(f && f->num_stretches == 2);
    CHECK_EQ(list.stretches[f->first_stretch].first, 4);
    CHECK_EQ(list.stretches[f->first_stretch].count, 3);
    CHECK_EQ(list.stretches[f->first_stretch + 1].count, 1);
    CHECK_TRUE(!mcvdi_kth_sequences_find(&list, "person01_boxing_d10_uncomp.avi"));
    CHECK_TRUE(!mcvdi_kth_sequences_find(&list, "person01_boxing_d2_uncomp.avi"));
    mcvdi_kth_sequences_release(&list);
}

static void test_damaged_lists(void **state)
{
    static const char *const damaged[][2] = {
        { "", "no line" },
        { "only words\n", "no line" },
        { "person01_boxing_d1\n", "line 1" },
        { "a\n\nperson01_boxing_d1 frames\n", "line 3" },
        { "person01_boxing_d1 frames 1-\n", "line 1" },
        { "person01_boxing_d1 frames 95\n", "line 1" },
        { "person01_boxing_d1 frames 0-95\n", "line 1" },
        { "person01_boxing_d1 frames 95-1\n", "line 1" },
        { "person01_boxing_d1 frames 1-95 96-185\n", "line 1" },
        { "person01_boxing_d1 frames 1-95, x\n", "line 1" },
        { "person01_boxing_d1 frames 1-99999999999999999999\n", "line 1" },
        { "person01_boxing_d1 1-95\n", "line 1" },
        { "person1_boxing_d1 frames 1-95\n", "line 1" },
        { "person01_Boxing_d1 frames 1-95\n", "line 1" },
        { "person01_boxing frames 1-95\n", "line 1" },
        { "person01_averyveryveryveryveryverylongaction_d1 frames 1-95\n", "line 1" },
        { "person01_boxing_d1 frames 1-9\nperson01_boxing_d1 frames 10-20\n", "listed twice" },
    };
    mcvdi_kth_sequences list;

    (void)state;
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        CHECK_STATUS(read_text(&list, damaged[i][0]), MCVD_E_FORMAT);
        CHECK_MESSAGE(damaged[i][1]);
        CHECK_TRUE(!list.films && !list.stretches);
    }
    CHECK_STATUS(mcvdi_kth_sequences_read(&list, "/nonexistent/00sequences.txt"), MCVD_E_INPUT);
}

static void test_every_allocation_may_fail(void **state)
{
    const uint64_t live = mcvdi_alloc_stats_get().live;
    mcvd_status st = MCVD_E_NOMEM;
    long n = 0;

    (void)state;
    for (; st != MCVD_OK; n++) {
        mcvdi_kth_sequences list;
        char path[TEST_PATH_BYTES];
        CHECK_OK(read_text(&list, "person01_boxing_d1 frames 1-95, 96-185\n"));
        mcvdi_kth_sequences_release(&list);
        mcvdi_alloc_fail_after(n);
        st = mcvdi_kth_sequences_read(&list, test_path(path, folder, "00sequences.txt"));
        mcvdi_alloc_fail_after(-1);
        CHECK_TRUE(st == MCVD_OK || st == MCVD_E_NOMEM);
        mcvdi_kth_sequences_release(&list);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
        CHECK_TRUE(n < 20);
    }
    CHECK_TRUE(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_lines),
        cmocka_unit_test(test_damaged_lists),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
