/* Every file of configs/ is sound and builds the network that its authors counted. */
#include <mcvd/config.h>
#include <mcvd/log.h>

#include <stdlib.h>

#include "core/fileio.h"
#include "graph/graph.h"
#include "model/unet.h"
#include "support/check.h"

/*
 * Parameters and 1e9 multiply-adds as measured on the reference network, with half a unit of the
 * last digit. Six files were not measured; theirs are sums of others: one more given frame of C
 * channels costs 9 C spade_dim parameters in each of the 57 SPATIN layers of four levels with two
 * blocks (and as 29.095 - 28.679 tells, 0.416 / 5 GMAC at 64x64, C = 1 and spade_dim 128), one more
 * current frame 9 C ngf parameters in the first and C (9 ngf + 1) in the last convolution.
 */
typedef struct counts {
    const char *name;
    size_t params;
    double gmac;
    double gmac_error;
} counts;

#define DIGITS_3 0.0005001
#define DIGITS_2 0.0050001

static const counts published[] = {
    { "bair", 4335390, 2.867, DIGITS_3 },
    { "bair_big", 62844975, 21.530, DIGITS_3 },
    { "bair_big_spade", 101760303, 49.654, DIGITS_3 },
    { "cityscapes", 4254470, 9.256, DIGITS_3 },
    { "cityscapes_big", 116551695, 77.531, DIGITS_3 },
    { "cityscapes_big_spade", 432180623, 522.567, DIGITS_3 },
    { "kth64_big", 62831141, 21.473, DIGITS_3 },
    { "kth64_big_spade", 102005669, 49.916, DIGITS_3 },
    { "smmnist_DDPM_big5", 27941765, 9.844, DIGITS_3 },
    { "smmnist_DDPM_big5_spade", 53953989, 28.679, DIGITS_3 },
    { "smmnist_DDPM_small5", 2386850, 1.557, DIGITS_3 },
    { "smmnist_DDPM_small5_3d_32Gb", 1235041, 0.952, DIGITS_3 },
    { "ucf101", 251174988, 83.197, DIGITS_3 },
    { "mnist_general", 3744020, 0, 0 }, /* ours: as shipped */
    { "tiny", 0, 0, 0 },                /* for tests: whatever they need */
};

static const counts paper[] = {
    { "smmnist_big_5c5_unetm_b2", 27941765, 9.844, DIGITS_3 },
    { "smmnist_big_5c5_unetm_b2_pmask50", 27941765, 9.844, DIGITS_3 },
    { "SMMNIST_big_c5t5_SPADE", 53953989, 28.679, DIGITS_3 },
    { "smmnist_big_5c5_unetm_b2_spade_pmask50", 53953989, 28.679, DIGITS_3 },
    { "smmnist_interp_big_c5t5f5_SPADE", 27944645, 9.856, DIGITS_3 },
    { "smmnist_interp_big_c5t10f5_SPADE", 27950410, 9.879, DIGITS_3 },
    { "smmnist_big_5c5f5_unetm_b2_pmask50_future", 27944645, 9.856, DIGITS_3 },
    { "smmnist_PredPlusInterp_big_c5t5f5_SPADE", 54282309, 29.095, DIGITS_3 },
    { "smmnist_64_5c5f5_unetm_b2_pmask50_futurepast", 27944645, 9.856, DIGITS_3 },
    { "smmnist_PredPlusInterpPlusGen_big_c5t5f5_SPADE", 54282309, 29.095, DIGITS_3 },
    { "kth64_big_5c10_unetm_b2", 62831141, 21.473, DIGITS_3 },
    { "kth64_verybigbig_5c10_unetm_b2_spade", 367650437, 167.199, DIGITS_3 },
    /* 5 given frames more, 5 current ones more */
    { "kth64_interp_big_c10t10f5_SPADE", 102005669 + 5 * 57 * 9 * 128 + 5 * (9 * 96 + 9 * 96 + 1),
      50.37, DIGITS_2 },
    { "kth64_interp_big_c5t5f5_SPADE", 102005669, 49.916, DIGITS_3 }, /* 10 given frames too */
    { "kth64_big_5c5f5_futmask50_general_unetm_b2", 62831141, 21.473, DIGITS_3 },
    { "bair64_big192_5c1_unetm", 251169807, 83.18, DIGITS_2 },
    { "bair64_big192_5c1_pmask50_unetm", 251169807, 83.18, DIGITS_2 },
    { "bair64_big192_5c2_unetm", 251174991, 83.20, DIGITS_2 },
    { "bair64_big192_5c2_pmask50_unetm", 251174991, 83.20, DIGITS_2 },
    { "bair64_big192_5c1_unetm_spade", 328604367 - 57 * 9 * 3 * 128, 138.70, DIGITS_2 },
    { "bair64_big192_5c1_pmask50_unetm_spade", 328604367 - 57 * 9 * 3 * 128, 138.70, DIGITS_2 },
    { "bair64_big192_5c2_unetm_spade", 328604367, 138.946, DIGITS_3 },
    { "bair64_big192_5c2_pmask50_unetm_spade", 328604367, 138.946, DIGITS_3 },
    { "bair64_big192_5c1_prevfutpmask50_unetm_general", 251174991, 83.20, DIGITS_2 },
    { "bair64_big192_5c2_prevfutpmask50_unetm_general", 251185359, 83.24, DIGITS_2 },
    { "city32_big192_5c2_unetm_long", 262133775, 172.601, DIGITS_3 },
    { "city16_big128_256_5c2_unetm_long_spade", 579159695, 537.738, DIGITS_3 },
    { "city16_big128_256_5c2f2_unetm_long_spade_future_maskcond", 579650447, 539.738, DIGITS_3 },
    { "city16_big128_256_5c2f2_unetm_long_spade_future_maskcondfut", 579650447, 539.738, DIGITS_3 },
    { "ucf10132_big288_4c4_unetm", 564990060, 185.002, DIGITS_3 },
    { "ucf10132_big288_4c4_pmask50_unetm", 564990060, 185.002, DIGITS_3 },
    { "ucf10132_big192_288_4c4_unetm_spade", 739438572, 310.780, DIGITS_3 },
    { "ucf10132_big192_288_4c4_pmask50_unetm_spade", 739438572, 310.780, DIGITS_3 },
    { "ucf10132_big192_288_4c4f4_unetm_spade_pmask50cond_spade", 739438572 + 4 * 57 * 9 * 3 * 192,
      312.28, DIGITS_2 },
    { "ucf10132_big192_288_4c4f4_pmask50condfut_unetm_spade", 739438572 + 4 * 57 * 9 * 3 * 192,
      312.28, DIGITS_2 },
};

static int failures;
static int warnings;

static void receive(void *user, mcvd_log_level level, const char *line)
{
    (void)user;
    (void)line;
    warnings += level == MCVD_LOG_WARNING;
}

/* The network as a list of nodes: nothing is allocated for weights or activations. */
static void check_network(const mcvd_config *config, const counts *expected)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    const size_t size = (size_t)config->data.image_size;
    mcvdi_graph *graph = NULL;
    mcvdi_unet unet = { 0 };
    size_t params = 0;

    mcvd_status st = mcvdi_graph_create(&graph, &options);
    if (st >= 0)
        st = mcvdi_unet_build(&unet, graph, config, 1, size, size);
    if (st >= 0)
        st = mcvdi_graph_build_status(graph);
    if (st < 0) {
        failures++;
        print_error("%s: %s\n", expected->name, mcvd_last_error());
    } else {
        for (size_t i = 0; i < mcvdi_graph_num_params(graph); i++)
            params += mcvdi_graph_get_param(graph, i)->numel;
        const double gmac = 1e-9 * mcvdi_graph_macs(graph);
        const bool same =
            (!expected->params || params == expected->params) &&
            (expected->gmac <= 0.0 || fabs(gmac - expected->gmac) <= expected->gmac_error);
        failures += !same;
        if (!same)
            print_error("%s: %zu parameters, %.4f GMAC, expected %zu, %.3f\n", expected->name,
                        params, gmac, expected->params, expected->gmac);
    }
    mcvdi_graph_free(&graph);
}

static void check_file(const char *folder, const counts *expected)
{
    mcvd_config config;
    char path[1024];

    snprintf(path, sizeof path, "%s/%s.json", folder, expected->name);
    mcvd_config_default(&config);
    mcvd_status st = mcvd_config_read(&config, path);
    if (st >= 0)
        st = mcvd_config_check(&config);
    if (st >= 0) {
        check_network(&config, expected);
        return;
    }
    failures++;
    print_error("%s: %s\n", expected->name, mcvd_last_error());
}

/* Each file of the folder has its row, each row its file. */
static void check_folder(const char *folder, const counts *rows, size_t num_rows)
{
    char **names = NULL;
    size_t count = 0;
    size_t files = 0;

    CHECK_OK(mcvdi_folder_names(&names, &count, folder));
    for (size_t i = 0; i < count; i++) {
        const char *end = strstr(names[i], ".json");
        size_t known = 0;
        if (!end || end[5])
            continue;
        files++;
        for (size_t r = 0; r < num_rows; r++)
            known += strlen(rows[r].name) == (size_t)(end - names[i]) &&
                     strncmp(rows[r].name, names[i], (size_t)(end - names[i])) == 0;
        if (known != 1)
            fail_msg("%s/%s: %zu rows in this test, expected 1", folder, names[i], known);
    }
    mcvdi_names_free(&names, count);
    CHECK_EQ(files, num_rows);
    failures = 0;
    for (size_t r = 0; r < num_rows; r++)
        check_file(folder, &rows[r]);
    CHECK_EQ(failures, 0);
}

static void published_files(void **state)
{
    (void)state;
    mcvd_log_set(receive, NULL);
    warnings = 0;
    check_folder(MCVD_TEST_CONFIGS, published, sizeof published / sizeof published[0]);
    CHECK_EQ(warnings, 0);
}

static void experiments_of_the_paper(void **state)
{
    (void)state;
    mcvd_log_set(receive, NULL);
    warnings = 0;
    check_folder(MCVD_TEST_CONFIGS "/paper", paper, sizeof paper / sizeof paper[0]);
    CHECK_EQ(warnings, 0);
}

static void the_3d_file_as_pseudo_3d(void **state)
{
    static const counts expected = { "pseudo-3D", 968669, 0.465, DIGITS_3 };
    mcvd_config config;
    (void)state;
    mcvd_config_default(&config);
    CHECK_OK(mcvd_config_read(&config, MCVD_TEST_CONFIGS "/smmnist_DDPM_small5_3d_32Gb.json"));
    CHECK_OK(mcvd_config_set(&config, "model.arch=unetmorepseudo3d"));
    failures = 0;
    check_network(&config, &expected);
    CHECK_EQ(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_files),
        cmocka_unit_test(experiments_of_the_paper),
        cmocka_unit_test(the_3d_file_as_pseudo_3d),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
