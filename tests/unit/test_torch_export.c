/* Export: what is written is what was there, or nothing is written. PyTorch's own view of it is
 * tests/parity/torch_export.py. */
#include <locale.h>
#include <stdlib.h>

#include <mcvd/import.h>
#include <mcvd/torch_export.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "model/half.h"
#include "model/schedule_buffers.h"
#include "model/torch_checkpoint.h"
#include "support/folder.h"
#include "support/random_model.h"

enum { MAX_YAML = 1 << 16 };

static char folder[TEST_PATH_BYTES];
static char source[TEST_PATH_BYTES];
static char output[TEST_PATH_BYTES];

static int set_up(void **state)
{
    const mcvd_config config = tiny_config();

    (void)state;
    make_test_folder(folder);
    test_path(source, folder, "model.safetensors");
    test_path(output, folder, "checkpoint.pt");
    write_random_model(&config, source);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

/* --- numbers --- */

static void check_same(const mcvd_safetensors *file, mcvd_torch_checkpoint *checkpoint,
                       mcvd_torch_part part)
{
    for (size_t i = 0; i < mcvd_safetensors_count(file); i++) {
        const char *name = mcvd_safetensors_name(file, i);
        const size_t at = mcvdi_torch_checkpoint_find(checkpoint, part, name);
        const char *found_name = NULL;
        const float *found = NULL;
        mcvd_tensor shape;
        mcvd_tensor wanted;

        CHECK_OK(mcvd_safetensors_get(file, name, &wanted));
        CHECK_OK(mcvd_torch_checkpoint_tensor(checkpoint, part, at, &found_name, &shape));
        CHECK_EQ(shape.ndim, wanted.ndim);
        for (int d = 0; d < shape.ndim; d++)
            CHECK_EQ(shape.shape[d], wanted.shape[d]);
        CHECK_OK(mcvdi_torch_checkpoint_read(checkpoint, part, at, &found));
        if (memcmp(found, wanted.data, mcvd_tensor_numel(&wanted) * sizeof *found) != 0)
            fail_msg("'%s' is not what was written", name);
    }
}

static void test_round_trip(void **state)
{
    char again[TEST_PATH_BYTES];
    const mcvd_config config = tiny_config();
    const mcvd_torch_export_options options = { 0 };
    const mcvd_import_options import = { 0 };
    mcvd_torch_export_result result;
    mcvd_torch_checkpoint *checkpoint = NULL;
    mcvd_safetensors *file = NULL;
    mcvd_safetensors *imported = NULL;

    (void)state;
    CHECK_OK(mcvd_torch_export(source, output, &options, &result));
    CHECK_TRUE(!result.training_state && result.ema && result.step == 0);
    CHECK_EQ(result.num_params, 63066);
    CHECK_OK(mcvd_safetensors_open(&file, source));
    CHECK_OK(mcvd_torch_checkpoint_open(&checkpoint, output));
    CHECK_EQ(mcvd_torch_checkpoint_step(checkpoint), 0);
    CHECK_EQ(mcvd_torch_checkpoint_count(checkpoint, MCVD_TORCH_EMA), 134);
    CHECK_EQ(mcvd_torch_checkpoint_count(checkpoint, MCVD_TORCH_MODEL), 134 + 4);
    check_same(file, checkpoint, MCVD_TORCH_EMA);
    check_same(file, checkpoint, MCVD_TORCH_MODEL);
    mcvd_torch_checkpoint_close(&checkpoint);

    test_path(again, folder, "again.safetensors");
    CHECK_OK(mcvd_import(output, &config, again, &import, NULL));
    CHECK_OK(mcvd_safetensors_open(&imported, again));
    for (size_t i = 0; i < mcvd_safetensors_count(file); i++) {
        const char *name = mcvd_safetensors_name(file, i);
        mcvd_tensor a;
        mcvd_tensor b;
        CHECK_OK(mcvd_safetensors_get(file, name, &a));
        CHECK_OK(mcvd_safetensors_get(imported, name, &b));
        CHECK_TRUE(memcmp(a.data, b.data, mcvd_tensor_numel(&a) * sizeof(float)) == 0);
    }
    mcvd_safetensors_close(&imported);
    mcvd_safetensors_close(&file);
}

/* Two-byte weights become the same numbers in four bytes. */
static void test_half(void **state)
{
    const mcvd_config config = tiny_config();
    const mcvdi_graph_options graph_options = { .mode = MCVDI_TRAIN };
    const mcvd_torch_export_options options = { 0 };
    static uint16_t narrow[1 << 16];
    static float wide[1 << 16];
    tiny_unet unet;
    mcvd_torch_checkpoint *checkpoint = NULL;

    (void)state;
    make_tiny_unet(&unet, &config, 1, &graph_options, "half");
    const mcvdi_model_file file = { .config = &config,
                                    .graph = unet.graph,
                                    .slab = mcvdi_graph_values(unet.graph),
                                    .dtype = MCVDI_WEIGHT_F16 };
    CHECK_OK(mcvdi_model_write(&file, source, true));
    CHECK_OK(mcvd_torch_export(source, output, &options, NULL));
    CHECK_OK(mcvd_torch_checkpoint_open(&checkpoint, output));
    for (size_t i = 0; i < mcvdi_graph_num_params(unet.graph); i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(unet.graph, i);
        const float *found = NULL;
        mcvdi_f32_to_f16(narrow, file.slab + p->offset, p->numel);
        mcvdi_f16_to_f32(wide, narrow, p->numel);
        const size_t at = mcvdi_torch_checkpoint_find(checkpoint, MCVD_TORCH_EMA, p->name);
        CHECK_OK(mcvdi_torch_checkpoint_read(checkpoint, MCVD_TORCH_EMA, at, &found));
        CHECK_TRUE(memcmp(found, wide, p->numel * sizeof *found) == 0);
    }
    mcvd_torch_checkpoint_close(&checkpoint);
    mcvdi_graph_free(&unet.graph);
}

/* Buffers that came with weights go out again; computed ones are close to them. */
static void test_buffers(void **state)
{
    static const char *const cases[] = { "concat_rgb", "concat_gray", "concat_condemb" };
    char path[TEST_PATH_BYTES];

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        mcvd_config config;
        mcvd_safetensors *golden = NULL;
        mcvdi_schedule_buffers ours;
        mcvd_config_default(&config);
        snprintf(path, sizeof path, "%s/%s/config.yml", MCVD_TEST_GOLDEN, cases[c]);
        CHECK_OK(mcvd_config_read(&config, path));
        snprintf(path, sizeof path, "%s/%s/weights_model.safetensors", MCVD_TEST_GOLDEN, cases[c]);
        CHECK_OK(mcvd_safetensors_open(&golden, path));
        CHECK_OK(mcvdi_schedule_buffers_make(&ours, &config.model));
        CHECK_EQ(ours.count, config.model.gamma ? 7 : 4);
        for (size_t b = 0; b < ours.count; b++) {
            /* See torch_export.py for the limits. */
            const bool quotient =
                strcmp(cases[c], "concat_condemb") == 0 && strcmp(ours.names[b], "betas") == 0;
            mcvd_tensor theirs;
            CHECK_OK(mcvd_safetensors_get(golden, ours.names[b], &theirs));
            const float *values = theirs.data;
            for (size_t t = 0; t < ours.num_timesteps; t++)
                CHECK_CLOSE(ours.values[b][t], values[t],
                            (quotient ? 3.6e-7 : 2e-9) + 4e-7 * fabs((double)values[t]));
        }
        mcvdi_schedule_buffers_free(&ours);
        mcvd_safetensors_close(&golden);
    }
}

/* --- refusals --- */

static void check_refused(const mcvd_config *config, const char *message)
{
    const mcvd_torch_export_options options = { 0 };

    write_random_model(config, source);
    CHECK_STATUS(mcvd_torch_export(source, output, &options, NULL), MCVD_E_MODEL);
    CHECK_MESSAGE(message);
    CHECK_TRUE(!mcvdi_path_exists(output));
}

static void test_options_of_ours(void **state)
{
    mcvd_config config = tiny_config();

    (void)state;
    snprintf(config.model.prediction, sizeof config.model.prediction, "v");
    check_refused(&config, "model.prediction = v");
    config = tiny_config();
    config.model.space_to_depth = 2;
    check_refused(&config, "model.space_to_depth");
    config = tiny_config();
    snprintf(config.model.sigma_dist, sizeof config.model.sigma_dist, "geometric");
    check_refused(&config, "model.sigma_dist = geometric: the authors' U-Nets");
    config = tiny_config();
    snprintf(config.model.version, sizeof config.model.version, "SMLD");
    check_refused(&config, "model.version = SMLD");
    config = tiny_config();
    config.model.zero_terminal_snr = true;
    check_refused(&config, "model.zero_terminal_snr = true");
}

static void test_existing_output(void **state)
{
    mcvd_torch_export_options options = { 0 };

    (void)state;
    CHECK_OK(mcvdi_file_write(output, "x", 1, false));
    CHECK_STATUS(mcvd_torch_export(source, output, &options, NULL), MCVD_E_EXISTS);
    options.overwrite = true;
    CHECK_OK(mcvd_torch_export(source, output, &options, NULL));
    CHECK_EQ(count_entries(folder), 2);
}

/* --- stopped on the way --- */

static bool stop_after(void *user, size_t done, size_t total)
{
    int *left = user;

    CHECK_TRUE(done < total);
    return (*left)-- > 0;
}

static void test_stopped(void **state)
{
    int left = 0;
    const mcvd_torch_export_options options = { .progress = stop_after, .user = &left };

    (void)state;
    for (int calls = 0; calls <= 137; calls += 137) { /* at the first storage, at the last */
        left = calls;
        CHECK_STATUS(mcvd_torch_export(source, output, &options, NULL), MCVD_E_INTERRUPTED);
        CHECK_EQ(count_entries(folder), 1);
    }
    left = 138;
    CHECK_OK(mcvd_torch_export(source, output, &options, NULL));
}

/* Every allocation that is not the model's own. */
static void test_no_memory(void **state)
{
    const mcvd_torch_export_options options = { .overwrite = true };
    const uint64_t live = mcvdi_alloc_stats_get().live;
    const uint64_t before = mcvdi_alloc_stats_get().calls;
    mcvd_model *model = NULL;

    (void)state;
    CHECK_OK(mcvd_model_load(&model, source, NULL));
    const long of_model = (long)(mcvdi_alloc_stats_get().calls - before);
    mcvd_model_free(&model);
    for (long n = of_model; n < of_model + 1000; n++) {
        mcvdi_alloc_fail_after(n);
        const mcvd_status st = mcvd_torch_export(source, output, &options, NULL);
        mcvdi_alloc_fail_after(-1);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
        CHECK_EQ(count_entries(folder), st >= 0 ? 2 : 1);
        if (st >= 0)
            return;
        CHECK_STATUS(st, MCVD_E_NOMEM);
    }
    fail_msg("1000 allocations were not enough");
}

/* --- config.yml --- */

/* Every line of the golden file, in its order, is in ours. */
static void check_lines(const char *golden, const char *ours, const char *name)
{
    for (const char *line = golden; *line;) {
        const size_t length = strcspn(line, "\n");
        while (*ours && (strncmp(ours, line, length) != 0 || ours[length] != '\n'))
            ours += strcspn(ours, "\n") + 1;
        if (!*ours)
            fail_msg("%s: no line '%.*s' in its place", name, (int)length, line);
        ours += length + 1;
        line += length + (line[length] == '\n');
    }
}

static void test_yaml_of_golden(void **state)
{
    static const char *const cases[] = { "concat_rgb",         "spade_rgb",
                                         "concat_gray",        "full3d_gray",
                                         "pseudo3d_rgb",       "spade_full3d_gray",
                                         "concat_condemb",     "concat_notime",
                                         "spade_pseudo3d_rgb", "spade_noisecond_noema" };
    char path[TEST_PATH_BYTES];

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        mcvd_config config;
        char *golden = NULL;
        size_t bytes = 0;
        snprintf(path, sizeof path, "%s/%s/config.yml", MCVD_TEST_GOLDEN, cases[c]);
        mcvd_config_default(&config);
        CHECK_OK(mcvd_config_read(&config, path));
        CHECK_OK(mcvdi_file_read(&golden, &bytes, path, MAX_YAML));
        char *ours = mcvd_config_yaml(&config);
        CHECK_TRUE(ours != NULL);
        check_lines(golden, ours, cases[c]);
        mcvd_text_free(ours);
        mcvdi_free(golden);
    }
}

/* Through a file, back into a configuration. */
static mcvd_config through_yaml(const mcvd_config *config)
{
    char path[TEST_PATH_BYTES];
    mcvd_config read;
    char *text = mcvd_config_yaml(config);

    CHECK_TRUE(text != NULL);
    test_path(path, folder, "config.yml");
    CHECK_OK(mcvdi_file_write(path, text, strlen(text), true));
    mcvd_text_free(text);
    mcvd_config_default(&read);
    CHECK_OK(mcvd_config_read(&read, path));
    return read;
}

static void test_yaml_values(void **state)
{
    static const char *const names[] = { "BAIR",  "no",      "1e5",  "12", "a: b", "- x",
                                         "\"q\\", "a#b # c", "null", " x", "",     "caf\xc3\xa9" };
    static const double reals[] = { 0.0,    1.0,     0.1,          1e-8,   1.25e-5, 1e-4,
                                    9.9999, 1.0 / 3, 0.0002 / 3.0, 2.5e-7, 10.0,    1e-300 };
    mcvd_config config = tiny_config();

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(config.data.dataset, sizeof config.data.dataset, "%s", names[i]);
        const mcvd_config read = through_yaml(&config);
        CHECK_TRUE(strcmp(read.data.dataset, names[i]) == 0);
    }
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        config.optim.lr = reals[i];
        const mcvd_config read = through_yaml(&config);
        CHECK_TRUE(memcmp(&read.optim.lr, &reals[i], sizeof reals[i]) == 0);
    }
    config.model.attn_resolutions.count = 0;
    CHECK_EQ(through_yaml(&config).model.attn_resolutions.count, 0);
    config.data.color_jitter = 0.2;
    CHECK_CLOSE(through_yaml(&config).data.color_jitter, 0.2, 0.0);
}

static void test_yaml_replacements(void **state)
{
    mcvd_config config = tiny_config();

    (void)state;
    config.sampling.subsample = 0;
    config.training.sample_freq = config.training.val_freq = 0;
    config.optim.warmup = 0;
    snprintf(config.sampling.sampler, sizeof config.sampling.sampler, "ddim");
    const mcvd_config read = through_yaml(&config);
    CHECK_EQ(read.sampling.subsample, config.model.num_classes);
    CHECK_TRUE(read.training.sample_freq > config.training.n_iters);
    CHECK_TRUE(read.training.val_freq > config.training.n_iters);
    CHECK_EQ(read.optim.warmup, 1);
    CHECK_TRUE(strcmp(read.model.version, "DDIM") == 0);
}

/* A program that embeds the library may print its numbers with a decimal comma. */
static void test_yaml_locale(void **state)
{
    mcvd_config config = tiny_config();

    (void)state;
    config.optim.lr = 1.25e-5;
    config.model.ema_rate = 0.999;
    char *here = mcvd_config_yaml(&config);
    if (!setlocale(LC_ALL, "de_DE.UTF-8")) {
        mcvd_text_free(here);
        skip();
    }
    char *there = mcvd_config_yaml(&config);
    setlocale(LC_ALL, "C");
    CHECK_TRUE(here && there && strcmp(here, there) == 0);
    mcvd_text_free(here);
    mcvd_text_free(there);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),      TEST(test_half),
        TEST(test_buffers),         TEST(test_options_of_ours),
        TEST(test_existing_output), TEST(test_stopped),
        TEST(test_no_memory),       TEST(test_yaml_of_golden),
        TEST(test_yaml_values),     TEST(test_yaml_replacements),
        TEST(test_yaml_locale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
