/*
 * The authors' checkpoints: every tensor bit for bit what the same weights are in safetensors, and
 * `mcvd import` followed by `mcvd forward` gives the reference's outputs.
 */
#include <stdio.h>
#include <stdlib.h>

#include <mcvd/import.h>
#include <mcvd/safetensors.h>

#include "model/torch_checkpoint.h"
#include "support/check.h"
#include "support/folder.h"

enum { COMMAND_BYTES = 4 * TEST_PATH_BYTES };

static const char *const cases[] = {
    "concat_rgb",         "concat_gray",           "concat_condemb", "concat_notime",
    "spade_rgb",          "full3d_gray",           "pseudo3d_rgb",   "spade_full3d_gray",
    "spade_pseudo3d_rgb", "spade_noisecond_noema",
};

enum { NUM_CASES = sizeof cases / sizeof *cases };

static char folder[TEST_PATH_BYTES];

static int setup(void **state)
{
    (void)state;
    make_test_folder(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

static bool has_ema(const char *name)
{
    return strcmp(name, "spade_noisecond_noema") != 0;
}

static mcvd_safetensors *open_golden(const char *name, const char *file)
{
    char path[TEST_PATH_BYTES];
    mcvd_safetensors *opened = NULL;

    snprintf(path, sizeof path, "%s/%s/%s", MCVD_TEST_GOLDEN, name, file);
    CHECK_OK(mcvd_safetensors_open(&opened, path));
    return opened;
}

static void check_same(const char *what, const mcvd_tensor *shape, const float *values,
                       const mcvd_tensor *expected)
{
    CHECK_EQ(expected->dtype, MCVD_F32);
    CHECK_EQ(shape->ndim, expected->ndim);
    for (int d = 0; d < shape->ndim; d++)
        CHECK_EQ(shape->shape[d], expected->shape[d]);
    if (memcmp(values, expected->data, mcvd_tensor_numel(expected) * sizeof *values) != 0)
        fail_msg("%s: other values", what);
}

/* --- the reader --- */

static void check_part(mcvd_torch_checkpoint *c, mcvd_torch_part part, const char *name,
                       const char *file)
{
    mcvd_safetensors *golden = open_golden(name, file);

    CHECK_EQ(mcvd_torch_checkpoint_count(c, part), mcvd_safetensors_count(golden));
    for (size_t i = 0; i < mcvd_torch_checkpoint_count(c, part); i++) {
        const char *tensor = NULL;
        const float *values = NULL;
        mcvd_tensor shape;
        mcvd_tensor expected;
        CHECK_OK(mcvd_torch_checkpoint_tensor(c, part, i, &tensor, &shape));
        CHECK_OK(mcvd_safetensors_get(golden, tensor, &expected));
        CHECK_OK(mcvdi_torch_checkpoint_read(c, part, i, &values));
        check_same(tensor, &shape, values, &expected);
    }
    mcvd_safetensors_close(&golden);
}

static void tensors_are_the_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUM_CASES; i++) {
        char path[TEST_PATH_BYTES];
        mcvd_torch_checkpoint *c = NULL;
        snprintf(path, sizeof path, "%s/%s/checkpoint.pt", MCVD_TEST_GOLDEN, cases[i]);
        CHECK_OK(mcvd_torch_checkpoint_open(&c, path));
        CHECK_EQ(mcvd_torch_checkpoint_has_ema(c), has_ema(cases[i]));
        CHECK_EQ(mcvd_torch_checkpoint_step(c), 2);
        CHECK_EQ(mcvd_torch_checkpoint_epoch(c), 0);
        check_part(c, MCVD_TORCH_MODEL, cases[i], "weights_model.safetensors");
        if (has_ema(cases[i]))
            check_part(c, MCVD_TORCH_EMA, cases[i], "weights_ema.safetensors");
        mcvd_torch_checkpoint_close(&c);
    }
}

/* --- the program --- */

static void run(const char *command)
{
    const int status = system(command);

    if (status != 0)
        fail_msg("status %d of %s", status, command);
}

/* The imported model holds the weights and nothing else. */
static void check_model(const char *name, const char *model, const char *weights)
{
    mcvd_safetensors *golden = open_golden(name, weights);
    mcvd_safetensors *ours = NULL;
    size_t buffers = 0;

    CHECK_OK(mcvd_safetensors_open(&ours, model));
    for (size_t i = 0; i < mcvd_safetensors_count(golden); i++) {
        const char *tensor = mcvd_safetensors_name(golden, i);
        mcvd_tensor shape;
        mcvd_tensor expected;
        buffers += mcvd_torch_is_buffer(tensor);
        if (mcvd_torch_is_buffer(tensor))
            continue;
        CHECK_OK(mcvd_safetensors_get(ours, tensor, &shape));
        CHECK_OK(mcvd_safetensors_get(golden, tensor, &expected));
        CHECK_EQ(shape.dtype, MCVD_F32);
        check_same(tensor, &shape, shape.data, &expected);
    }
    CHECK_EQ(mcvd_safetensors_count(ours) + buffers, mcvd_safetensors_count(golden));
    CHECK_TRUE(mcvd_safetensors_metadata(ours, "mcvd.config") != NULL);
    CHECK_TRUE(mcvd_safetensors_metadata(ours, "mcvd.training") != NULL);
    mcvd_safetensors_close(&ours);
    mcvd_safetensors_close(&golden);
}

/* Limits of tests/golden/README.md: 1e-5 * max(1, largest |b|). */
static void check_output(const char *name, const char *file, const char *expected)
{
    mcvd_safetensors *out = NULL;
    mcvd_safetensors *io = open_golden(name, "io.safetensors");
    mcvd_tensor a;
    mcvd_tensor b;
    double largest = 1.0;

    CHECK_OK(mcvd_safetensors_open(&out, file));
    CHECK_OK(mcvd_safetensors_get(out, "out", &a));
    CHECK_OK(mcvd_safetensors_get(io, expected, &b));
    const size_t n = mcvd_tensor_numel(&b);
    CHECK_EQ(mcvd_tensor_numel(&a), n);
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)((const float *)b.data)[i]));
    check_all_close(__FILE__, __LINE__, name, a.data, b.data, n, 1e-5 * largest);
    mcvd_safetensors_close(&out);
    mcvd_safetensors_close(&io);
}

static void import_and_forward(const char *name, bool ema)
{
    char model[TEST_PATH_BYTES];
    char out[TEST_PATH_BYTES];
    char command[COMMAND_BYTES];

    test_path(model, folder, "model.safetensors");
    test_path(out, folder, "out.safetensors");
    snprintf(command, sizeof command,
             "'%s' import '%s/%s/checkpoint.pt' -o '%s' --force %s >'%s/log' 2>&1 || "
             "{ cat '%s/log'; exit 1; }",
             MCVD_TEST_PROGRAM, MCVD_TEST_GOLDEN, name, model, ema ? "" : "--weights raw", folder,
             folder);
    run(command);
    check_model(name, model, ema ? "weights_ema.safetensors" : "weights_model.safetensors");
    snprintf(command, sizeof command, "'%s' forward '%s' '%s/%s/io.safetensors' -o '%s' --force",
             MCVD_TEST_PROGRAM, model, MCVD_TEST_GOLDEN, name, out);
    run(command);
    check_output(name, out, ema || !has_ema(name) ? "out" : "out_model");
}

static void outputs_are_reproduced(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUM_CASES; i++) {
        if (has_ema(cases[i]))
            import_and_forward(cases[i], true);
        import_and_forward(cases[i], false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_the_same_bits),
        cmocka_unit_test_setup_teardown(outputs_are_reproduced, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
