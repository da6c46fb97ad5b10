/* What is foretold is what networks and trainers then take. */
#include <sys/resource.h>

#include <mcvd/footprint.h>
#include <mcvd/model.h>
#include <mcvd/trainer.h>

#include "support/tiny_unet.h"

static mcvd_config read_config(const char *name)
{
    char path[512];
    mcvd_config config;

    snprintf(path, sizeof path, "%s/../../configs/%s.json", MCVD_TEST_GOLDEN, name);
    mcvd_config_default(&config);
    CHECK_OK(mcvd_config_read(&config, path));
    return config;
}

static void check_network(const mcvd_config *config)
{
    const mcvd_network_config one = { .batch = 1 };
    mcvd_footprint f;
    mcvd_model *model = NULL;
    mcvd_network *network = NULL;

    CHECK_OK(mcvd_footprint_of(&f, config));
    CHECK_OK(mcvd_model_create(&model, config, 0));
    CHECK_OK(mcvd_network_create(&network, model, &one));
    CHECK_EQ(f.weights_bytes, 4 * mcvd_model_num_params(model));
    CHECK_EQ(f.forward_bytes, f.weights_bytes + mcvd_network_bytes(network));
    CHECK_CLOSE(f.macs, mcvd_network_macs(network), 0.0);
    CHECK_CLOSE(f.reused_macs, mcvd_network_reused_macs(network), 0.0);
    mcvd_network_free(&network);
    mcvd_model_free(&model);
}

static void test_forward(void **state)
{
    mcvd_config config = tiny_config();

    (void)state;
    check_network(&config);
    config.model.spade = true;
    check_network(&config);
    config.model.noise_in_cond = true;
    check_network(&config);
}

static void test_training(void **state)
{
    mcvd_config config = tiny_config();

    (void)state;
    for (int batch = 1; batch <= 16; batch *= 4) {
        mcvd_footprint f;
        mcvd_trainer *trainer = NULL;
        config.training.batch_size = batch;
        CHECK_OK(mcvd_footprint_of(&f, &config));
        CHECK_OK(mcvd_trainer_create(&trainer, &config));
        /* values, gradients, two moments, average */
        CHECK_EQ(f.training_bytes, 5 * f.weights_bytes + mcvd_trainer_bytes(trainer));
        mcvd_trainer_free(&trainer);
    }
}

/* A batch that gets no address space: within 5 % of what is planned when it gets some. */
static void test_extrapolated(void **state)
{
#ifdef __SANITIZE_ADDRESS__
    (void)state;
    skip(); /* its shadow needs the address space */
#else
    struct rlimit limit;
    mcvd_config config = tiny_config();
    mcvd_footprint planned;
    mcvd_footprint f;

    (void)state;
    config.training.batch_size = 8192; /* about 2 GB */
    CHECK_OK(mcvd_footprint_of(&planned, &config));
    CHECK_EQ(getrlimit(RLIMIT_AS, &limit), 0);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)planned.training_bytes;
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    const mcvd_status st = mcvd_footprint_of(&f, &config);
    limit.rlim_cur = before;
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    CHECK_OK(st);
    CHECK_TRUE(f.training_bytes != planned.training_bytes);
    CHECK_CLOSE((double)f.training_bytes, (double)planned.training_bytes,
                0.05 * (double)planned.training_bytes);
#endif
}

/* model.md, section 14: the published sizes, of it the SPADE maps, which are reused. */
static void test_published(void **state)
{
    static const struct {
        const char *name;
        double gmac, spade_gmac;
    } rows[] = { { "bair_big_spade", 49.654, 28.145 },
                 { "cityscapes_big_spade", 522.567, 350.136 } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const mcvd_config config = read_config(rows[i].name);
        mcvd_footprint f;
        CHECK_OK(mcvd_footprint_of(&f, &config));
        CHECK_CLOSE(1e-9 * f.macs, rows[i].gmac, 5e-4);
        CHECK_CLOSE(1e-9 * f.reused_macs, rows[i].spade_gmac, 5e-3);
        CHECK_TRUE(f.training_bytes > f.forward_bytes);
    }
}

static void test_refused(void **state)
{
    mcvd_config config = tiny_config();
    mcvd_footprint f;

    (void)state;
    config.model.output_all_frames = true;
    CHECK_STATUS(mcvd_footprint_of(&f, &config), MCVD_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),      cmocka_unit_test(test_training),
        cmocka_unit_test(test_extrapolated), cmocka_unit_test(test_published),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
