/* `mcvd forward` on the golden cases: what the program writes is what the reference computed. */
#include <stdio.h>
#include <stdlib.h>

#include <mcvd/safetensors.h>

#include "support/check.h"
#include "support/folder.h"

enum { COMMAND_BYTES = 4 * TEST_PATH_BYTES };

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

static void run_forward(const char *name, const char *weights, const char *flags, char *out)
{
    char command[COMMAND_BYTES];

    test_path(out, folder, "out.safetensors");
    snprintf(command, sizeof command,
             "'%s' forward '%s/%s/%s' '%s/%s/io.safetensors' --config '%s/%s/config.json' -o '%s' "
             "--force %s 2>/dev/null",
             MCVD_TEST_PROGRAM, MCVD_TEST_GOLDEN, name, weights, MCVD_TEST_GOLDEN, name,
             MCVD_TEST_GOLDEN, name, out, flags);
    const int status = system(command);
    if (status != 0)
        fail_msg("status %d of %s", status, command);
}

static mcvd_safetensors *open_golden(const char *name, const char *file)
{
    char path[TEST_PATH_BYTES];
    mcvd_safetensors *opened = NULL;

    snprintf(path, sizeof path, "%s/%s/%s", MCVD_TEST_GOLDEN, name, file);
    CHECK_OK(mcvd_safetensors_open(&opened, path));
    return opened;
}

/* Limits of tests/golden/README.md: 1e-5 * max(1, largest |b|). `theirs` may hold the first
 * samples only; where it has five axes or folds pixels, the numbers stand in the same order. */
static void compare(const char *name, const mcvd_tensor *ours, const mcvd_tensor *theirs)
{
    const size_t n = mcvd_tensor_numel(theirs);
    const float *b = theirs->data;
    double largest = 1.0;

    CHECK_EQ(ours->dtype, MCVD_F32);
    CHECK_TRUE(mcvd_tensor_numel(ours) % n == 0);
    for (size_t i = 0; i < n; i++)
        largest = fabs((double)b[i]) > largest ? fabs((double)b[i]) : largest;
    check_all_close(__FILE__, __LINE__, name, ours->data, b, n, 1e-5 * largest);
}

static void check_output(const char *name, const char *weights, const char *expected)
{
    char path[TEST_PATH_BYTES];
    mcvd_safetensors *out = NULL;
    mcvd_safetensors *io = open_golden(name, "io.safetensors");
    mcvd_tensor ours;
    mcvd_tensor theirs;

    run_forward(name, weights, "", path);
    CHECK_OK(mcvd_safetensors_open(&out, path));
    CHECK_EQ(mcvd_safetensors_count(out), 1);
    CHECK_OK(mcvd_safetensors_get(out, "out", &ours));
    CHECK_OK(mcvd_safetensors_get(io, expected, &theirs));
    CHECK_EQ(ours.ndim, theirs.ndim);
    for (int d = 0; d < theirs.ndim; d++)
        CHECK_EQ(ours.shape[d], theirs.shape[d]);
    compare(expected, &ours, &theirs);
    mcvd_safetensors_close(&out);
    mcvd_safetensors_close(&io);
}

static void check_stages(const char *name, const char *weights)
{
    char path[TEST_PATH_BYTES];
    mcvd_safetensors *out = NULL;
    mcvd_safetensors *golden = open_golden(name, "stages.safetensors");

    run_forward(name, weights, "--stages --threads 1", path);
    CHECK_OK(mcvd_safetensors_open(&out, path));
    CHECK_TRUE(mcvd_safetensors_has(out, "out"));
    for (size_t i = 0; i < mcvd_safetensors_count(golden); i++) {
        const char *stage = mcvd_safetensors_name(golden, i);
        mcvd_tensor ours;
        mcvd_tensor theirs;
        CHECK_OK(mcvd_safetensors_get(out, stage, &ours));
        CHECK_OK(mcvd_safetensors_get(golden, stage, &theirs));
        compare(stage, &ours, &theirs);
    }
    mcvd_safetensors_close(&out);
    mcvd_safetensors_close(&golden);
}

static void golden_cases(void **state)
{
    static const char *const names[] = {
        "concat_rgb",  "concat_gray",  "concat_condemb",    "concat_notime",      "spade_rgb",
        "full3d_gray", "pseudo3d_rgb", "spade_full3d_gray", "spade_pseudo3d_rgb",
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_output(names[i], "weights_ema.safetensors", "out");
        check_output(names[i], "weights_model.safetensors", "out_model");
        check_stages(names[i], "weights_ema.safetensors");
    }
    check_output("spade_noisecond_noema", "weights_model.safetensors", "out");
    check_stages("spade_noisecond_noema", "weights_model.safetensors");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(golden_cases, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
