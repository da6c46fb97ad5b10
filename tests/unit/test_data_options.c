/* What a store remembers of data.*, and what a reader of it may ask for. */
#include <mcvd/prepare.h>

#include "core/alloc.h"
#include "core/json.h"
#include "data/set_options.h"
#include "support/folder.h"

static const char *const keys[] = { "ucf101_split", "kth_clips", "test_fraction", NULL };

static mcvd_data_config default_data(void)
{
    mcvd_config config;

    mcvd_config_default(&config);
    return config.data;
}

static void test_values_are_kept(void **state)
{
    mcvd_data_config data = default_data();
    cJSON *options = NULL;

    (void)state;
    data.ucf101_split = 2;
    data.test_fraction = 0.25;
    CHECK_OK(mcvdi_set_options(&options, keys, &data));
    char *text = cJSON_PrintUnformatted(options);
    assert_string_equal(text,
                        "{\"ucf101_split\":2,\"kth_clips\":\"files\",\"test_fraction\":0.25}");
    cJSON_free(text);
    cJSON_Delete(options);
    CHECK_OK(mcvdi_set_options(&options, NULL, &data));
    CHECK_TRUE(options && !options->child);
    cJSON_Delete(options);
}

static void test_readers_must_agree(void **state)
{
    static const char *const others[][2] = {
        { "data.ucf101_split=3", "prepared with data.ucf101_split = 2, asked for 3" },
        { "data.kth_clips=sequences", "prepared with data.kth_clips = \"files\"" },
        { "data.test_fraction=0.5", "prepared with data.test_fraction = 0.25, asked for 0.5" },
    };
    mcvd_config config;
    cJSON *options = NULL;

    (void)state;
    mcvd_config_default(&config);
    CHECK_OK(mcvdi_set_options_agree(NULL, &config.data)); /* a store without options */
    config.data.ucf101_split = 2;
    config.data.test_fraction = 0.25;
    CHECK_OK(mcvdi_set_options(&options, keys, &config.data));
    CHECK_OK(mcvdi_set_options_agree(options, &config.data));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        mcvd_config other = config;
        CHECK_OK(mcvd_config_set(&other, others[i][0]));
        CHECK_STATUS(mcvdi_set_options_agree(options, &other.data), MCVD_E_CONFIG);
        CHECK_MESSAGE(others[i][1]);
    }
    config.data.test_fraction = 0.0; /* nobody asked */
    CHECK_OK(mcvdi_set_options_agree(options, &config.data));
    CHECK_TRUE(cJSON_AddNumberToObject(options, "moons", 2) != NULL);
    CHECK_STATUS(mcvdi_set_options_agree(options, &config.data), MCVD_E_FORMAT);
    CHECK_MESSAGE("data.moons");
    cJSON_Delete(options);
}

static void test_sets_have_their_own(void **state)
{
    (void)state;
    CHECK_TRUE(mcvd_prepare_has_option("ucf101", "ucf101_split"));
    CHECK_TRUE(mcvd_prepare_has_option("UCF101", "ucf101_split"));
    CHECK_TRUE(mcvd_prepare_has_option("kth", "kth_clips"));
    CHECK_TRUE(mcvd_prepare_has_option("cityscapes", "cityscapes_test"));
    CHECK_TRUE(mcvd_prepare_has_option("videos", "frame_step"));
    CHECK_TRUE(!mcvd_prepare_has_option("bair", "ucf101_split"));
    CHECK_TRUE(!mcvd_prepare_has_option("hdf5", "ucf101_split"));
    CHECK_TRUE(!mcvd_prepare_has_option("kth", "image_size"));
    CHECK_TRUE(!mcvd_prepare_has_option("nothing", "kth_clips"));
}

static void test_options_of_other_sets(void **state)
{
    static const char *const owners[][2] = { { "data.ucf101_split=1", "UCF101" },
                                             { "data.kth_clips=sequences", "KTH" },
                                             { "data.cityscapes_test=val", "Cityscapes" },
                                             { "data.test_digits=0", "StochasticMovingMNIST" } };
    const mcvd_data_config usual = default_data();

    (void)state;
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        mcvd_config config;
        mcvd_config_default(&config);
        CHECK_OK(mcvd_config_set(&config, owners[i][0]));
        for (size_t k = 0; k < sizeof owners / sizeof *owners; k++)
            CHECK_STATUS(mcvdi_set_options_belong(&config.data, owners[k][1]),
                         i == k ? MCVD_OK : MCVD_E_CONFIG);
        CHECK_STATUS(mcvdi_set_options_belong(&config.data, "VIDEOS"), MCVD_E_CONFIG);
        CHECK_OK(mcvdi_set_options_belong(&usual, owners[i][1]));
    }
}

#define MANIFEST(rest)                                                                         \
    "{\"format\":1,\"dataset\":\"UCF101\",\"height\":48,\"width\":64,\"channels\":3,\"action_" \
    "dim\":0,"                                                                                 \
    "\"test_left\":8,\"test_step\":10,\"test_declared\":256" rest "}"

static mcvd_status settings_of(mcvd_data_config *data, const char *manifest)
{
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];

    make_test_folder(folder);
    FILE *file = fopen(test_path(path, folder, "manifest.json"), "wb");
    CHECK_TRUE(file && fputs(manifest, file) >= 0 && fclose(file) == 0);
    const mcvd_status st = mcvd_prepare_settings(folder, data);
    remove_test_folder(folder);
    return st;
}

static void test_settings_of_a_store(void **state)
{
    mcvd_data_config data = default_data();
    const mcvd_data_config before = data;

    (void)state;
    CHECK_STATUS(settings_of(&data, "no json"), MCVD_E_FORMAT);
    CHECK_STATUS(settings_of(&data, "{}"), MCVD_E_FORMAT);
    CHECK_STATUS(settings_of(&data, MANIFEST(",\"options\":{\"ucf101_split\":4}")), MCVD_E_CONFIG);
    CHECK_STATUS(settings_of(&data, MANIFEST(",\"options\":{\"moons\":4}")), MCVD_E_FORMAT);
    CHECK_MESSAGE("UCF101 has no data.moons");
    CHECK_STATUS(settings_of(&data, MANIFEST(",\"options\":{\"num_frames\":50}")), MCVD_E_FORMAT);
    CHECK_MESSAGE("UCF101 has no data.num_frames");
    CHECK_STATUS(settings_of(&data, MANIFEST(",\"options\":{\"kth_clips\":\"files\"}")),
                 MCVD_E_FORMAT);
    CHECK_STATUS(settings_of(&data, MANIFEST(",\"options\":[3]")), MCVD_E_FORMAT);
    CHECK_TRUE(mcvd_prepare_settings("/nonexistent", &data) < 0);
    CHECK_TRUE(memcmp(&data, &before, sizeof data) == 0);
    CHECK_OK(settings_of(&data, MANIFEST("")));
    CHECK_EQ(data.image_size, 48);
    CHECK_EQ(data.channels, 3);
    CHECK_EQ(data.ucf101_split, 3);
    assert_string_equal(data.dataset, "UCF101");
    CHECK_OK(settings_of(&data, MANIFEST(",\"options\":{\"ucf101_split\":1}")));
    CHECK_EQ(data.ucf101_split, 1);
}

static void test_every_allocation_may_fail(void **state)
{
    const mcvd_data_config data = default_data();
    const uint64_t live = mcvdi_alloc_stats_get().live;
    mcvd_status st = MCVD_E_NOMEM;
    long n = 0;

    (void)state;
    for (; st != MCVD_OK; n++) {
        cJSON *options = NULL;
        mcvdi_alloc_fail_after(n);
        st = mcvdi_set_options(&options, keys, &data);
        mcvdi_alloc_fail_after(-1);
        CHECK_TRUE((st == MCVD_OK) == (options != NULL));
        cJSON_Delete(options);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
        CHECK_TRUE(n < 2000);
    }
    CHECK_TRUE(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_kept),
        cmocka_unit_test(test_readers_must_agree),
        cmocka_unit_test(test_sets_have_their_own),
        cmocka_unit_test(test_options_of_other_sets),
        cmocka_unit_test(test_settings_of_a_store),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
