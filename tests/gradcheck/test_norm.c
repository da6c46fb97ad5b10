/* Group norm with affine map, modulation and SiLU. */
#include <stdlib.h>

#include "ops/ops.h"
#include "support/check.h"
#include "support/gradcheck.h"

typedef struct norm_config {
    bool affine, modulated, silu;
    double norm_eps;
} norm_config;

static mcvdi_value_id build_norm(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    const norm_config *config = c->config;
    const mcvdi_group_norm_spec spec = { .name = config->affine ? "norm" : NULL,
                                         .scale_shift = config->modulated ? x[1] : -1,
                                         .norm_eps = config->norm_eps,
                                         .silu = config->silu };
    return mcvdi_group_norm(g, x[0], &spec);
}

/* Mean and 1 / sqrt(variance + norm_eps) of group g of sample n, by two passes. */
static void group_statistics(const double *x, mcvdi_dims d, size_t width, double norm_eps,
                             double *mean, double *rstd)
{
    const double count = (double)(d.h * d.w * width);
    double sum = 0.0;
    double squares = 0.0;

    for (size_t p = 0; p < d.h * d.w; p++)
        for (size_t i = 0; i < width; i++)
            sum += x[p * d.c + i];
    *mean = sum / count;
    for (size_t p = 0; p < d.h * d.w; p++)
        for (size_t i = 0; i < width; i++)
            squares += (x[p * d.c + i] - *mean) * (x[p * d.c + i] - *mean);
    *rstd = 1.0 / sqrt(squares / count + norm_eps);
}

static void reference_norm(double *y, const double *const *x, const double *const *w,
                           const gradcheck_case *c)
{
    const norm_config *config = c->config;
    const mcvdi_dims d = c->x[0];
    const size_t width = d.c / mcvdi_group_count(d.c);

    for (size_t n = 0; n < d.n; n++) {
        for (size_t ch = 0; ch < d.c; ch++) {
            const double *sample = x[0] + n * d.h * d.w * d.c;
            double mean;
            double rstd;
            group_statistics(sample + ch / width * width, d, width, config->norm_eps, &mean, &rstd);
            for (size_t p = 0; p < d.h * d.w; p++) {
                double z = (sample[p * d.c + ch] - mean) * rstd;
                if (config->affine)
                    z = z * w[0][ch] + w[1][ch];
                if (config->modulated)
                    z = z * (1.0 + x[1][n * 2 * d.c + ch]) + x[1][n * 2 * d.c + d.c + ch];
                y[(n * d.h * d.w + p) * d.c + ch] = config->silu ? z / (1.0 + exp(-z)) : z;
            }
        }
    }
}

static void check_norm(const char *name, mcvdi_dims d, norm_config config, double x_offset)
{
    const gradcheck_case c = { .name = name,
                               .num_inputs = config.modulated ? 2 : 1,
                               .x = { d, { d.n, 1, 1, 2 * d.c } },
                               .y = d,
                               .build = build_norm,
                               .reference = reference_norm,
                               .config = &config,
                               .x_offset = x_offset,
                               .terms = d.h * d.w + 8 * (size_t)(1.0 + x_offset * x_offset) };
    gradcheck_run(&c);
}

static void test_plain(void **state)
{
    (void)state;
    check_norm("norm plain", (mcvdi_dims) { 3, 5, 7, 12 }, (norm_config) { .norm_eps = 1e-6 }, 0);
}

static void test_silu(void **state)
{
    (void)state;
    check_norm("norm silu", (mcvdi_dims) { 3, 5, 7, 18 },
               (norm_config) { .silu = true, .norm_eps = 1e-5 }, 0);
}

static void test_affine(void **state)
{
    (void)state;
    check_norm("norm affine", (mcvdi_dims) { 3, 5, 7, 18 },
               (norm_config) { .affine = true, .norm_eps = 1e-6 }, 0);
}

static void test_affine_silu(void **state)
{
    (void)state;
    check_norm("norm affine silu", (mcvdi_dims) { 2, 3, 3, 54 },
               (norm_config) { .affine = true, .silu = true, .norm_eps = 1e-5 }, 0);
}

static void test_modulated(void **state)
{
    (void)state;
    check_norm("norm modulated", (mcvdi_dims) { 3, 5, 7, 12 },
               (norm_config) { .modulated = true, .norm_eps = 1e-6 }, 0);
}

static void test_modulated_silu(void **state)
{
    (void)state;
    check_norm("norm modulated silu", (mcvdi_dims) { 3, 5, 7, 54 },
               (norm_config) { .modulated = true, .silu = true, .norm_eps = 1e-5 }, 0);
}

static void test_everything(void **state)
{
    (void)state;
    check_norm("norm everything", (mcvdi_dims) { 2, 5, 3, 20 },
               (norm_config) { true, true, true, 1e-5 }, 0);
}

/* A mean far from zero: the variance must not drown in it. */
static void test_far_mean(void **state)
{
    (void)state;
    check_norm("norm far mean", (mcvdi_dims) { 1, 9, 7, 8 },
               (norm_config) { true, false, true, 1e-5 }, 20);
}

/* More rows than one piece of the parallel sweep, one sample. */
static void test_many_pieces(void **state)
{
    (void)state;
    check_norm("norm pieces", (mcvdi_dims) { 1, 45, 45, 66 },
               (norm_config) { true, true, true, 1e-5 }, 0);
}

/* Few channels: folded rows, several pieces, rows left over. */
static void test_folded_rows(void **state)
{
    (void)state;
    check_norm("norm folds", (mcvdi_dims) { 1, 61, 67, 12 },
               (norm_config) { true, true, true, 1e-5 }, 0);
}

static void test_one_pixel(void **state)
{
    (void)state;
    check_norm("norm one pixel", (mcvdi_dims) { 5, 1, 1, 16 },
               (norm_config) { false, true, true, 1e-5 }, 0);
}

static void test_group_counts(void **state)
{
    static const size_t expected[][2] = { { 4, 1 },    { 6, 1 },    { 18, 3 },   { 54, 9 },
                                          { 64, 16 },  { 96, 24 },  { 128, 32 }, { 132, 22 },
                                          { 192, 32 }, { 320, 32 }, { 448, 32 }, { 1344, 32 } };
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        CHECK_EQ(mcvdi_group_count(expected[i][0]), expected[i][1]);
}

static void refuse(mcvdi_dims x, mcvdi_dims modulation)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    mcvdi_graph *g;

    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id a = mcvdi_graph_input(g, x);
    const mcvdi_group_norm_spec spec = { .scale_shift = mcvdi_graph_input(g, modulation),
                                         .norm_eps = 1e-5 };
    CHECK_EQ(mcvdi_group_norm(g, a, &spec), -1);
    CHECK_STATUS(mcvdi_graph_compile(g), MCVD_E_SHAPE);
    CHECK_MESSAGE("group norm");
    mcvdi_graph_free(&g);
}

static void test_refused(void **state)
{
    (void)state;
    refuse((mcvdi_dims) { 2, 4, 4, 8 }, (mcvdi_dims) { 2, 1, 1, 8 });
    refuse((mcvdi_dims) { 2, 4, 4, 8 }, (mcvdi_dims) { 1, 1, 1, 16 });
    refuse((mcvdi_dims) { 2, 4, 4, 3 }, (mcvdi_dims) { 2, 1, 1, 6 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),       cmocka_unit_test(test_silu),
        cmocka_unit_test(test_affine),      cmocka_unit_test(test_affine_silu),
        cmocka_unit_test(test_modulated),   cmocka_unit_test(test_modulated_silu),
        cmocka_unit_test(test_everything),  cmocka_unit_test(test_far_mean),
        cmocka_unit_test(test_many_pieces), cmocka_unit_test(test_folded_rows),
        cmocka_unit_test(test_one_pixel),   cmocka_unit_test(test_group_counts),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
