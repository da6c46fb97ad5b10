/* FIR resampling, SiLU, dropout, concat, residual, cells, embeddings. */
#include <mcvd/rng.h>

#include "ops/ops.h"
#include "support/check.h"
#include "support/gradcheck.h"
#include "support/hashed.h"

/* --- FIR --- */

static mcvdi_value_id build_down(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    (void)c;
    return mcvdi_fir_down(g, x[0]);
}

static mcvdi_value_id build_up(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    (void)c;
    return mcvdi_fir_up(g, x[0]);
}

/* Coefficient of source m in output i along one axis. */
static double down_tap(size_t i, size_t m)
{
    const double taps[4] = { 1.0 / 8, 3.0 / 8, 3.0 / 8, 1.0 / 8 };
    return m + 1 >= 2 * i && m + 1 - 2 * i < 4 ? taps[m + 1 - 2 * i] : 0.0;
}

static double up_tap(size_t i, size_t m)
{
    if (m == i / 2)
        return 3.0 / 4;
    return (i % 2 ? m == i / 2 + 1 : m + 1 == i / 2) ? 1.0 / 4 : 0.0;
}

static void reference_fir(double *y, const double *const *x, const double *const *w,
                          const gradcheck_case *c)
{
    const mcvdi_dims from = c->x[0];
    const mcvdi_dims to = c->y;
    double (*tap)(size_t, size_t) = to.h < from.h ? down_tap : up_tap;

    (void)w;
    for (size_t e = 0; e < mcvdi_dims_numel(to); e++) {
        const size_t ch = e % to.c;
        const size_t j = e / to.c % to.w;
        const size_t i = e / to.c / to.w % to.h;
        const double *image = x[0] + e / to.c / to.w / to.h * from.h * from.w * from.c;
        y[e] = 0.0;
        for (size_t a = 0; a < from.h; a++)
            for (size_t b = 0; b < from.w; b++)
                if (tap(i, a) != 0.0 && tap(j, b) != 0.0)
                    y[e] += tap(i, a) * tap(j, b) * image[(a * from.w + b) * from.c + ch];
    }
}

static void check_fir(const char *name, mcvdi_dims from, bool down)
{
    const mcvdi_dims to = down ? (mcvdi_dims) { from.n, from.h / 2, from.w / 2, from.c }
                               : (mcvdi_dims) { from.n, from.h * 2, from.w * 2, from.c };
    const gradcheck_case c = { .name = name,
                               .num_inputs = 1,
                               .x = { from },
                               .y = to,
                               .build = down ? build_down : build_up,
                               .reference = reference_fir,
                               .terms = 16 };
    gradcheck_run(&c);
}

static void test_fir(void **state)
{
    (void)state;
    check_fir("fir down", (mcvdi_dims) { 3, 6, 10, 18 }, true);
    check_fir("fir down one", (mcvdi_dims) { 2, 2, 2, 5 }, true);
    check_fir("fir up", (mcvdi_dims) { 3, 5, 7, 12 }, false);
    check_fir("fir up one", (mcvdi_dims) { 2, 1, 1, 5 }, false);
}

/* --- elementwise --- */

static mcvdi_value_id build_silu(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    (void)c;
    return mcvdi_silu(g, x[0]);
}

static void reference_silu(double *y, const double *const *x, const double *const *w,
                           const gradcheck_case *c)
{
    (void)w;
    for (size_t i = 0; i < mcvdi_dims_numel(c->y); i++)
        y[i] = x[0][i] / (1.0 + exp(-x[0][i]));
}

static void test_silu(void **state)
{
    const mcvdi_dims d = { 3, 5, 7, 13 };
    const gradcheck_case c = { .name = "silu",
                               .num_inputs = 1,
                               .x = { d },
                               .y = d,
                               .build = build_silu,
                               .reference = reference_silu };
    (void)state;
    gradcheck_run(&c);
}

static mcvdi_value_id build_dropout(mcvdi_graph *g, const mcvdi_value_id *x,
                                    const gradcheck_case *c)
{
    return mcvdi_dropout(g, x[0], *(const double *)c->config);
}

/* The mask by its definition, one word of the random stream at a time. The node is number 0. */
static void reference_dropout(double *y, const double *const *x, const double *const *w,
                              const gradcheck_case *c)
{
    const mcvdi_run *run = &gradcheck_the_run;
    const size_t numel = c->y.h * c->y.w * c->y.c;
    const double threshold = floor(*(const double *)c->config * 65536.0 + 0.5);

    (void)w;
    for (size_t i = 0; i < c->y.n * numel; i++) {
        const mcvd_rng_key key = mcvd_rng_key_make(run->seed, MCVD_RNG_DROPOUT, run->step,
                                                   run->first_sample + i / numel);
        const size_t e = i % numel;
        const uint32_t word = mcvd_rng_u32(key, e / 2);
        const uint32_t draw = e % 2 ? word >> 16 : word & 0xFFFFu;
        y[i] = (double)draw >= threshold ? x[0][i] / (1.0 - threshold / 65536.0) : 0.0;
    }
}

static void check_dropout(const char *name, mcvdi_dims d, double probability)
{
    const gradcheck_case c = { .name = name,
                               .num_inputs = 1,
                               .x = { d },
                               .y = d,
                               .build = build_dropout,
                               .reference = reference_dropout,
                               .config = &probability };
    gradcheck_run(&c);
}

static void test_dropout(void **state)
{
    (void)state;
    check_dropout("dropout 0.1", (mcvdi_dims) { 3, 5, 7, 19 }, 0.1);
    check_dropout("dropout 0.5", (mcvdi_dims) { 2, 11, 7, 33 }, 0.5);
    check_dropout("dropout 0", (mcvdi_dims) { 1, 3, 1, 5 }, 0.0);
    check_dropout("dropout pieces", (mcvdi_dims) { 2, 33, 31, 17 }, 0.2);
}

/* A run that does not train passes everything through; the living share is 1 - p. */
static void test_dropout_share(void **state)
{
    const mcvdi_graph_options options = { .mode = MCVDI_TRAIN };
    const mcvdi_dims d = { 4, 64, 64, 16 };
    mcvdi_graph *g;

    (void)state;
    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id x = mcvdi_graph_input(g, d);
    const mcvdi_value_id first = mcvdi_dropout(g, x, 0.3);
    const mcvdi_value_id second = mcvdi_dropout(g, x, 0.3);
    mcvdi_graph_mark_output(g, first);
    mcvdi_graph_mark_output(g, second);
    CHECK_OK(mcvdi_graph_compile(g));
    for (size_t i = 0; i < mcvdi_dims_numel(d); i++)
        mcvdi_graph_data(g, x)[i] = 1.0f;
    *mcvdi_graph_run(g) = gradcheck_the_run;
    CHECK_OK(mcvdi_graph_forward(g));

    const size_t n = mcvdi_dims_numel(d);
    const float *a = mcvdi_graph_data(g, first);
    const float *b = mcvdi_graph_data(g, second);
    double living = 0.0;
    double both = 0.0;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        living += a[i] > 0.0f;
        both += a[i] > 0.0f && b[i] > 0.0f;
        sum += (double)a[i];
    }
    /* Binomial: five standard deviations. */
    const double sigma = sqrt(0.3 * 0.7 / (double)n);
    CHECK_CLOSE(living / (double)n, 0.7, 5.0 * sigma + 1e-5);
    CHECK_CLOSE(both / (double)n, 0.49, 5.0 * sqrt(0.49 * 0.51 / (double)n) + 1e-5);
    CHECK_CLOSE(sum / (double)n, 1.0, 5.0 * sigma / 0.7 + 1e-5);

    mcvdi_graph_run(g)->training = false;
    CHECK_OK(mcvdi_graph_forward(g));
    for (size_t i = 0; i < n; i++)
        CHECK_TRUE(a[i] == 1.0f);
    mcvdi_graph_free(&g);
}

static mcvdi_value_id build_residual(mcvdi_graph *g, const mcvdi_value_id *x,
                                     const gradcheck_case *c)
{
    return mcvdi_residual(g, x[0], x[c->num_inputs - 1]);
}

static void reference_residual(double *y, const double *const *x, const double *const *w,
                               const gradcheck_case *c)
{
    (void)w;
    for (size_t i = 0; i < mcvdi_dims_numel(c->y); i++)
        y[i] = (x[0][i] + x[c->num_inputs - 1][i]) / sqrt(2.0);
}

static void test_residual(void **state)
{
    const mcvdi_dims d = { 3, 5, 7, 13 };
    gradcheck_case c = { .name = "residual",
                         .num_inputs = 2,
                         .x = { d, d },
                         .y = d,
                         .build = build_residual,
                         .reference = reference_residual };
    (void)state;
    gradcheck_run(&c);
    c.name = "residual of one";
    c.num_inputs = 1;
    gradcheck_run(&c);
}

/* --- moving things --- */

static mcvdi_value_id build_concat(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    return mcvdi_concat(g, x[0], x[c->num_inputs - 1]);
}

static void reference_concat(double *y, const double *const *x, const double *const *w,
                             const gradcheck_case *c)
{
    const size_t ca = c->x[0].c;

    (void)w;
    for (size_t i = 0; i < mcvdi_dims_numel(c->y); i++) {
        const size_t row = i / c->y.c;
        const size_t ch = i % c->y.c;
        y[i] = ch < ca ? x[0][row * ca + ch] : x[c->num_inputs - 1][row * (c->y.c - ca) + ch - ca];
    }
}

static void test_concat(void **state)
{
    const mcvdi_dims a = { 3, 5, 7, 12 };
    const mcvdi_dims b = { 3, 5, 7, 5 };
    gradcheck_case c = { .name = "concat",
                         .num_inputs = 2,
                         .x = { a, b },
                         .y = { 3, 5, 7, 17 },
                         .build = build_concat,
                         .reference = reference_concat };
    (void)state;
    gradcheck_run(&c);
    c.name = "concat with itself";
    c.num_inputs = 1;
    c.y.c = 24;
    gradcheck_run(&c);
}

static mcvdi_value_id build_to_depth(mcvdi_graph *g, const mcvdi_value_id *x,
                                     const gradcheck_case *c)
{
    return mcvdi_space_to_depth(g, x[0], *(const size_t *)c->config);
}

static mcvdi_value_id build_to_space(mcvdi_graph *g, const mcvdi_value_id *x,
                                     const gradcheck_case *c)
{
    return mcvdi_depth_to_space(g, x[0], *(const size_t *)c->config);
}

/* Element of the deep tensor for each of the wide one. */
static void reference_cells(double *y, const double *const *x, const double *const *w,
                            const gradcheck_case *c)
{
    const size_t s = *(const size_t *)c->config;
    const bool to_depth = c->y.c > c->x[0].c;
    const mcvdi_dims wide = to_depth ? c->x[0] : c->y;

    (void)w;
    for (size_t i = 0; i < mcvdi_dims_numel(wide); i++) {
        const size_t ch = i % wide.c;
        const size_t column = i / wide.c % wide.w;
        const size_t row = i / wide.c / wide.w % wide.h;
        const size_t n = i / wide.c / wide.w / wide.h;
        const size_t channel = ((row % s) * s + column % s) * wide.c + ch;
        const size_t cell = (n * (wide.h / s) + row / s) * (wide.w / s) + column / s;
        const size_t deep = cell * wide.c * s * s + channel;
        y[to_depth ? deep : i] = x[0][to_depth ? i : deep];
    }
}

static void check_cells(const char *name, mcvdi_dims wide, size_t cell)
{
    const mcvdi_dims deep = { wide.n, wide.h / cell, wide.w / cell, wide.c * cell * cell };
    gradcheck_case c = { .name = name,
                         .num_inputs = 1,
                         .x = { wide },
                         .y = deep,
                         .build = build_to_depth,
                         .reference = reference_cells,
                         .config = &cell };

    gradcheck_run(&c);
    c.x[0] = deep;
    c.y = wide;
    c.build = build_to_space;
    gradcheck_run(&c);
}

static void test_cells(void **state)
{
    (void)state;
    check_cells("cells 2", (mcvdi_dims) { 3, 4, 6, 5 }, 2);
    check_cells("cells 3", (mcvdi_dims) { 2, 3, 9, 2 }, 3);
}

/* --- embeddings --- */

static mcvdi_value_id build_mask(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    return mcvdi_mask_embedding(g, x[0], "table", c->y.c);
}

static void reference_mask(double *y, const double *const *x, const double *const *w,
                           const gradcheck_case *c)
{
    for (size_t i = 0; i < mcvdi_dims_numel(c->y); i++)
        y[i] = w[0][(x[0][i / c->y.c] >= 0.5 ? c->y.c : 0) + i % c->y.c];
}

static void test_mask_embedding(void **state)
{
    const gradcheck_case c = { .name = "mask embedding",
                               .num_inputs = 1,
                               .x = { { 7, 1, 1, 1 } },
                               .y = { 7, 1, 1, 9 },
                               .build = build_mask,
                               .reference = reference_mask,
                               .x_offset = 0.5,
                               .terms = 7 };
    (void)state;
    gradcheck_run(&c);
}

static void test_timestep_embedding(void **state)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    const float labels[3] = { 0.0f, 13.0f, 999.0f };
    const size_t width = 7;
    mcvdi_graph *g;

    (void)state;
    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id x = mcvdi_graph_input(g, (mcvdi_dims) { 3, 1, 1, 1 });
    const mcvdi_value_id y = mcvdi_timestep_embedding(g, x, width);
    mcvdi_graph_mark_output(g, y);
    CHECK_OK(mcvdi_graph_compile(g));
    memcpy(mcvdi_graph_data(g, x), labels, sizeof labels);
    CHECK_OK(mcvdi_graph_forward(g));
    for (size_t n = 0; n < 3; n++) {
        const float *e = mcvdi_graph_data(g, y) + n * width;
        for (size_t i = 0; i < 3; i++) {
            /* The float32 roundings of the angle, two half units, bound the distance. */
            const double angle = (double)labels[n] * exp(-log(10000.0) * (double)i / 2.0);
            const double allowed = 4.0 * 6e-8 * angle * (1.0 + 9.3 * (double)i / 2.0) + 6e-8;
            CHECK_CLOSE(e[i], sin(angle), allowed);
            CHECK_CLOSE(e[3 + i], cos(angle), allowed);
        }
        CHECK_TRUE(e[6] == 0.0f);
    }
    mcvdi_graph_free(&g);
}

/* The middle frequency of width 6 (h = 3) is expf(-4.605170) in float32, not 0.01 in double. */
static void test_timestep_rounding(void **state)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    mcvdi_graph *g;

    (void)state;
    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id x = mcvdi_graph_input(g, (mcvdi_dims) { 1, 1, 1, 1 });
    const mcvdi_value_id y = mcvdi_timestep_embedding(g, x, 6);
    mcvdi_graph_mark_output(g, y);
    CHECK_OK(mcvdi_graph_compile(g));
    mcvdi_graph_data(g, x)[0] = 997.0f;
    CHECK_OK(mcvdi_graph_forward(g));
    const float frequency = (float)exp((double)(1.0f * (float)(-log(10000.0) / 2.0)));
    const float angle = 997.0f * frequency;
    CHECK_TRUE(mcvdi_graph_data(g, y)[1] == (float)sin((double)angle));
    CHECK_TRUE(mcvdi_graph_data(g, y)[4] == (float)cos((double)angle));
    mcvdi_graph_free(&g);
}

/* --- refusals --- */

static mcvdi_graph *new_graph(void)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    mcvdi_graph *g;

    CHECK_OK(mcvdi_graph_create(&g, &options));
    return g;
}

static void expect_refusal(mcvdi_graph *g, mcvdi_value_id made, mcvd_status status)
{
    CHECK_EQ(made, -1);
    CHECK_STATUS(mcvdi_graph_compile(g), status);
    mcvdi_graph_free(&g);
}

static void test_refusals(void **state)
{
    const mcvdi_dims odd = { 1, 5, 4, 8 };
    const mcvdi_dims other = { 1, 4, 4, 8 };
    mcvdi_graph *g = new_graph();

    (void)state;
    expect_refusal(g, mcvdi_fir_down(g, mcvdi_graph_input(g, odd)), MCVD_E_SHAPE);
    g = new_graph();
    expect_refusal(g, mcvdi_residual(g, mcvdi_graph_input(g, odd), mcvdi_graph_input(g, other)),
                   MCVD_E_SHAPE);
    g = new_graph();
    expect_refusal(g, mcvdi_concat(g, mcvdi_graph_input(g, odd), mcvdi_graph_input(g, other)),
                   MCVD_E_SHAPE);
    g = new_graph();
    expect_refusal(g, mcvdi_space_to_depth(g, mcvdi_graph_input(g, odd), 2), MCVD_E_SHAPE);
    g = new_graph();
    expect_refusal(g, mcvdi_depth_to_space(g, mcvdi_graph_input(g, odd), 3), MCVD_E_SHAPE);
    g = new_graph();
    expect_refusal(g, mcvdi_dropout(g, mcvdi_graph_input(g, odd), 1.5), MCVD_E_RANGE);
    g = new_graph();
    expect_refusal(g, mcvdi_timestep_embedding(g, mcvdi_graph_input(g, odd), 8), MCVD_E_SHAPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fir),
        cmocka_unit_test(test_silu),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_dropout_share),
        cmocka_unit_test(test_residual),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_cells),
        cmocka_unit_test(test_mask_embedding),
        cmocka_unit_test(test_timestep_embedding),
        cmocka_unit_test(test_timestep_rounding),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
