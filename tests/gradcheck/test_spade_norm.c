/* SPADE norm: maps of modulation, scale and shift of a sample, SiLU. */
#include "ops/ops.h"
#include "support/check.h"
#include "support/gradcheck.h"

typedef struct spade_config {
    bool modulated, silu;
    double norm_eps;
} spade_config;

static mcvdi_value_id build_spade(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    const spade_config *config = c->config;
    const mcvdi_spade_norm_spec spec = { .gamma = x[1],
                                         .beta = x[2],
                                         .scale_shift = config->modulated ? x[3] : -1,
                                         .norm_eps = config->norm_eps,
                                         .silu = config->silu };
    return mcvdi_spade_norm(g, x[0], &spec);
}

/* Mean and 1 / sqrt(variance + norm_eps) of the group of `width` channels at x, by two passes. */
static void group_statistics(const double *x, mcvdi_dims d, size_t width, double norm_eps,
                             double stats[2])
{
    const double count = (double)(d.h * d.w * width);
    double sum = 0.0;
    double squares = 0.0;

    for (size_t p = 0; p < d.h * d.w; p++)
        for (size_t i = 0; i < width; i++)
            sum += x[p * d.c + i];
    stats[0] = sum / count;
    for (size_t p = 0; p < d.h * d.w; p++)
        for (size_t i = 0; i < width; i++)
            squares += (x[p * d.c + i] - stats[0]) * (x[p * d.c + i] - stats[0]);
    stats[1] = 1.0 / sqrt(squares / count + norm_eps);
}

static void reference_spade(double *y, const double *const *x, const double *const *w,
                            const gradcheck_case *c)
{
    const spade_config *config = c->config;
    const mcvdi_dims d = c->x[0];
    const size_t positions = d.h * d.w;
    const size_t width = d.c / mcvdi_group_count(d.c);

    (void)w;
    for (size_t i = 0; i < d.n * d.c; i++) {
        const size_t n = i / d.c;
        const size_t ch = i % d.c;
        const size_t sample = n * positions * d.c;
        const double *vectors = config->modulated ? x[3] + n * 2 * d.c : NULL;
        double stats[2];

        group_statistics(x[0] + sample + ch / width * width, d, width, config->norm_eps, stats);
        for (size_t p = 0; p < positions; p++) {
            const size_t at = sample + p * d.c + ch;
            double z = (x[0][at] - stats[0]) * stats[1] * (1.0 + x[1][at]) + x[2][at];
            if (vectors)
                z = z * (1.0 + vectors[ch]) + vectors[d.c + ch];
            y[at] = config->silu ? z / (1.0 + exp(-z)) : z;
        }
    }
}

static void check_spade(const char *name, mcvdi_dims d, spade_config config)
{
    gradcheck_case c = { .name = name,
                         .num_inputs = config.modulated ? 4 : 3,
                         .x = { d, d, d, { d.n, 1, 1, 2 * d.c } },
                         .y = d,
                         .build = build_spade,
                         .reference = reference_spade,
                         .config = &config,
                         .terms = d.h * d.w };
    gradcheck_run(&c);
    c.inference = true;
    gradcheck_run(&c);
}

static void test_plain(void **state)
{
    (void)state;
    check_spade("spade 4", (mcvdi_dims) { 3, 5, 7, 4 }, (spade_config) { false, false, 1e-6 });
    check_spade("spade 54", (mcvdi_dims) { 2, 3, 3, 54 }, (spade_config) { false, false, 1e-6 });
}

static void test_silu(void **state)
{
    (void)state;
    check_spade("spade silu 6", (mcvdi_dims) { 3, 5, 7, 6 }, (spade_config) { false, true, 1e-6 });
    check_spade("spade silu 18", (mcvdi_dims) { 2, 3, 5, 18 },
                (spade_config) { false, true, 1e-5 });
}

static void test_modulated(void **state)
{
    (void)state;
    check_spade("spade modulated", (mcvdi_dims) { 3, 5, 7, 18 },
                (spade_config) { true, false, 1e-6 });
}

static void test_everything(void **state)
{
    (void)state;
    check_spade("spade everything 4", (mcvdi_dims) { 3, 3, 5, 4 },
                (spade_config) { true, true, 1e-6 });
    check_spade("spade everything 6", (mcvdi_dims) { 2, 9, 7, 6 },
                (spade_config) { true, true, 1e-6 });
    check_spade("spade everything 54", (mcvdi_dims) { 3, 5, 3, 54 },
                (spade_config) { true, true, 1e-6 });
}

/* More channels than the kernels treat at once. */
static void test_many_channels(void **state)
{
    (void)state;
    check_spade("spade 268", (mcvdi_dims) { 2, 2, 3, 268 }, (spade_config) { true, true, 1e-6 });
}

/* One sample, more rows than one piece: every thread takes part in it. */
static void test_many_pieces(void **state)
{
    (void)state;
    check_spade("spade pieces", (mcvdi_dims) { 1, 45, 45, 66 },
                (spade_config) { true, true, 1e-6 });
}

/* Few channels: folded rows, several pieces, rows left over. */
static void test_folded_rows(void **state)
{
    (void)state;
    check_spade("spade folds", (mcvdi_dims) { 1, 61, 67, 12 }, (spade_config) { true, true, 1e-6 });
}

static void test_one_pixel(void **state)
{
    (void)state;
    check_spade("spade one pixel", (mcvdi_dims) { 5, 1, 1, 20 },
                (spade_config) { true, true, 1e-6 });
}

/* The same tensor for both maps: both shares arrive in its gradient. */
static mcvdi_value_id build_shared(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    const mcvdi_spade_norm_spec spec = {
        .gamma = x[1], .beta = x[1], .scale_shift = -1, .norm_eps = 1e-6, .silu = true
    };
    (void)c;
    return mcvdi_spade_norm(g, x[0], &spec);
}

static void reference_shared(double *y, const double *const *x, const double *const *w,
                             const gradcheck_case *c)
{
    const double *const maps[3] = { x[0], x[1], x[1] };
    reference_spade(y, maps, w, c);
}

static void test_shared_map(void **state)
{
    const mcvdi_dims d = { 2, 3, 5, 18 };
    const spade_config config = { false, true, 1e-6 };
    const gradcheck_case c = { .name = "spade shared map",
                               .num_inputs = 2,
                               .x = { d, d },
                               .y = d,
                               .build = build_shared,
                               .reference = reference_shared,
                               .config = &config,
                               .terms = d.h * d.w };
    (void)state;
    gradcheck_run(&c);
}

static void refuse(mcvdi_dims x, mcvdi_dims gamma, mcvdi_dims beta, mcvdi_dims vectors)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    mcvdi_graph *g;

    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id a = mcvdi_graph_input(g, x);
    const mcvdi_spade_norm_spec spec = { .gamma = mcvdi_graph_input(g, gamma),
                                         .beta = mcvdi_graph_input(g, beta),
                                         .scale_shift = mcvdi_graph_input(g, vectors),
                                         .norm_eps = 1e-6 };
    CHECK_EQ(mcvdi_spade_norm(g, a, &spec), -1);
    CHECK_STATUS(mcvdi_graph_compile(g), MCVD_E_SHAPE);
    CHECK_MESSAGE("SPADE norm");
    mcvdi_graph_free(&g);
}

static void test_refused(void **state)
{
    const mcvdi_dims d = { 2, 4, 4, 8 };
    const mcvdi_dims other = { 2, 4, 4, 12 };
    const mcvdi_dims few = { 2, 4, 4, 3 };

    (void)state;
    refuse(d, other, d, (mcvdi_dims) { 2, 1, 1, 16 });
    refuse(d, d, other, (mcvdi_dims) { 2, 1, 1, 16 });
    refuse(d, d, d, (mcvdi_dims) { 2, 1, 1, 8 });
    refuse(d, d, d, (mcvdi_dims) { 1, 1, 1, 16 });
    refuse(few, few, few, (mcvdi_dims) { 2, 1, 1, 6 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),         cmocka_unit_test(test_silu),
        cmocka_unit_test(test_modulated),     cmocka_unit_test(test_everything),
        cmocka_unit_test(test_many_channels), cmocka_unit_test(test_many_pieces),
        cmocka_unit_test(test_folded_rows),   cmocka_unit_test(test_one_pixel),
        cmocka_unit_test(test_shared_map),    cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
