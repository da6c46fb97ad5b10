/* Convolutions of every kind, over frames or apart, whole and in two shares; both backends. */
#include "ops/ops.h"
#include "support/check.h"
#include "support/gradcheck.h"
#include "support/hashed.h"

typedef struct conv_case {
    mcvdi_conv_kind kind;
    size_t frames;
    int kernel;
} conv_case;

static mcvdi_conv_spec make_spec(const conv_case *conv, size_t out)
{
    return (mcvdi_conv_spec) { .name = "conv",
                               .out_channels = out,
                               .kernel = conv->kernel,
                               .init_scale = 1.0,
                               .kind = conv->kind,
                               .frames = conv->frames };
}

static mcvdi_value_id build_conv(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    const mcvdi_conv_spec spec = make_spec(c->config, c->y.c);
    return c->num_inputs == 2 ? mcvdi_conv_pair(g, x[0], x[1], &spec) : mcvdi_conv(g, x[0], &spec);
}

/* The channels of one input at position at = (sample, frame, row, column); NULL outside. */
static const double *pixel(const gradcheck_case *c, const double *const *x, int input,
                           const size_t at[4])
{
    const conv_case *conv = c->config;
    const size_t frames = conv->frames ? conv->frames : 1;
    const size_t rows = c->y.h / frames;

    if (at[1] >= frames || at[2] >= rows || at[3] >= c->y.w) /* below 0 wraps around */
        return NULL;
    return x[input] + (((at[0] * frames + at[1]) * rows + at[2]) * c->y.w + at[3]) * c->x[input].c;
}

/* The share of one kernel position; w: its weight for the first channel of one output. */
static double tap(const gradcheck_case *c, const double *const *x, const double *w, size_t taps,
                  const size_t from[4])
{
    double sum = 0.0;

    for (int input = 0; input < c->num_inputs; input++) {
        const double *p = pixel(c, x, input, from);
        const double *share = w + (input ? c->x[0].c * taps : 0);
        for (size_t ch = 0; p && ch < c->x[input].c; ch++)
            sum += share[ch * taps] * p[ch];
    }
    return sum;
}

/* Output at position at = (sample, frame, row, column), straight from the definition. */
static double conv_at(const gradcheck_case *c, const double *const *x, const double *w,
                      const size_t at[4])
{
    const conv_case *conv = c->config;
    const size_t k = (size_t)conv->kernel;
    const size_t kf = conv->kind == MCVDI_CONV_2D ? 1 : k;
    const size_t ki = conv->kind == MCVDI_CONV_TIME ? 1 : k;
    double sum = 0.0;

    for (size_t f = 0; f < kf; f++)
        for (size_t i = 0; i < ki; i++)
            for (size_t j = 0; j < ki; j++) {
                const size_t from[4] = { at[0], at[1] + f - kf / 2, at[2] + i - ki / 2,
                                         at[3] + j - ki / 2 };
                sum += tap(c, x, w + (f * ki + i) * ki + j, kf * ki * ki, from);
            }
    return sum;
}

static size_t positions(const conv_case *conv)
{
    const size_t k = (size_t)conv->kernel;
    return conv->kind == MCVDI_CONV_3D ? k * k * k : conv->kind == MCVDI_CONV_2D ? k * k : k;
}

static void reference_conv(double *y, const double *const *x, const double *const *w,
                           const gradcheck_case *c)
{
    const conv_case *conv = c->config;
    const size_t frames = conv->frames ? conv->frames : 1;
    const size_t rows = c->y.h / frames;
    const size_t in = c->x[0].c + (c->num_inputs == 2 ? c->x[1].c : 0);
    size_t at[4];

    for (at[0] = 0; at[0] < c->y.n; at[0]++)
        for (at[1] = 0; at[1] < frames; at[1]++)
            for (at[2] = 0; at[2] < rows; at[2]++)
                for (at[3] = 0; at[3] < c->y.w; at[3]++)
                    for (size_t o = 0; o < c->y.c; o++)
                        *y++ = w[1][o] + conv_at(c, x, w[0] + o * in * positions(conv), at);
}

/* Both backends, training and packed inference. */
static void check_backends(gradcheck_case *c)
{
    for (int gemm = 0; gemm < 2; gemm++) {
        c->no_onednn = gemm == 1;
        c->inference = false;
        gradcheck_run(c);
        c->inference = true;
        gradcheck_run(c);
    }
}

static void check_conv(const char *name, conv_case conv, mcvdi_dims x, size_t out)
{
    gradcheck_case c = { .name = name,
                         .num_inputs = 1,
                         .x = { x },
                         .y = { x.n, x.h, x.w, out },
                         .build = build_conv,
                         .reference = reference_conv,
                         .config = &conv,
                         .terms = positions(&conv) * (x.c + out) + x.n * x.h * x.w };

    check_backends(&c);
}

static void test_2d(void **state)
{
    (void)state;
    const conv_case one = { MCVDI_CONV_2D, 0, 1 };
    const conv_case three = { MCVDI_CONV_2D, 0, 3 };

    check_conv("conv 3x3", three, (mcvdi_dims) { 3, 5, 7, 6 }, 12);
    check_conv("conv 3x3 wide", three, (mcvdi_dims) { 1, 3, 4, 18 }, 16);
    check_conv("conv 3x3 tiny", three, (mcvdi_dims) { 2, 1, 2, 5 }, 3);
    check_conv("conv 3x3 one column", three, (mcvdi_dims) { 2, 3, 1, 1 }, 7);
    check_conv("conv 1x1", one, (mcvdi_dims) { 3, 5, 7, 12 }, 18);
    check_conv("conv 1x1 even", one, (mcvdi_dims) { 2, 4, 4, 16 }, 32);
}

static void test_2d_frames(void **state)
{
    (void)state;
    check_conv("frames 1", (conv_case) { MCVDI_CONV_2D, 1, 3 }, (mcvdi_dims) { 2, 3, 5, 7 }, 5);
    check_conv("frames 2", (conv_case) { MCVDI_CONV_2D, 2, 3 }, (mcvdi_dims) { 2, 6, 5, 7 }, 5);
    check_conv("frames 3", (conv_case) { MCVDI_CONV_2D, 3, 3 }, (mcvdi_dims) { 1, 9, 4, 1 }, 12);
    check_conv("frames 5", (conv_case) { MCVDI_CONV_2D, 5, 1 }, (mcvdi_dims) { 2, 15, 5, 3 }, 7);
}

static void test_3d(void **state)
{
    (void)state;
    check_conv("3d 1", (conv_case) { MCVDI_CONV_3D, 1, 3 }, (mcvdi_dims) { 2, 3, 5, 7 }, 5);
    check_conv("3d 2", (conv_case) { MCVDI_CONV_3D, 2, 3 }, (mcvdi_dims) { 2, 6, 5, 7 }, 12);
    check_conv("3d 3", (conv_case) { MCVDI_CONV_3D, 3, 3 }, (mcvdi_dims) { 1, 9, 4, 12 }, 7);
    check_conv("3d 5", (conv_case) { MCVDI_CONV_3D, 5, 3 }, (mcvdi_dims) { 2, 10, 3, 1 }, 16);
    check_conv("3d 5 to 1", (conv_case) { MCVDI_CONV_3D, 5, 3 }, (mcvdi_dims) { 1, 15, 3, 16 }, 1);
    check_conv("3d tiny", (conv_case) { MCVDI_CONV_3D, 3, 3 }, (mcvdi_dims) { 2, 3, 1, 5 }, 3);
    check_conv("3d 1x1x1", (conv_case) { MCVDI_CONV_3D, 3, 1 }, (mcvdi_dims) { 2, 9, 5, 7 }, 12);
}

static void test_time(void **state)
{
    (void)state;
    check_conv("time 1", (conv_case) { MCVDI_CONV_TIME, 1, 3 }, (mcvdi_dims) { 2, 3, 5, 7 }, 5);
    check_conv("time 2", (conv_case) { MCVDI_CONV_TIME, 2, 3 }, (mcvdi_dims) { 2, 6, 5, 12 }, 12);
    check_conv("time 3", (conv_case) { MCVDI_CONV_TIME, 3, 3 }, (mcvdi_dims) { 1, 9, 4, 1 }, 7);
    check_conv("time 5", (conv_case) { MCVDI_CONV_TIME, 5, 3 }, (mcvdi_dims) { 3, 15, 3, 16 }, 3);
    check_conv("time 5 1", (conv_case) { MCVDI_CONV_TIME, 5, 1 }, (mcvdi_dims) { 2, 15, 3, 7 }, 12);
}

/* --- two shares of one weight --- */

static void check_pair(const char *name, conv_case conv, mcvdi_dims x, size_t held, size_t out)
{
    gradcheck_case c = { .name = name,
                         .num_inputs = 2,
                         .x = { x, { x.n, x.h, x.w, held } },
                         .y = { x.n, x.h, x.w, out },
                         .build = build_conv,
                         .reference = reference_conv,
                         .config = &conv,
                         .terms = positions(&conv) * (x.c + held + out) + x.n * x.h * x.w };

    check_backends(&c);
}

static void test_pair(void **state)
{
    (void)state;
    const conv_case three = { MCVDI_CONV_2D, 0, 3 };

    check_pair("pair 3x3", three, (mcvdi_dims) { 2, 5, 7, 5 }, 2, 12);
    check_pair("pair wide", three, (mcvdi_dims) { 1, 3, 4, 16 }, 32, 16);
    check_pair("pair 1x1", (conv_case) { MCVDI_CONV_2D, 0, 1 }, (mcvdi_dims) { 2, 3, 5, 3 }, 7, 5);
    check_pair("pair frames", (conv_case) { MCVDI_CONV_2D, 3, 3 }, (mcvdi_dims) { 1, 9, 4, 1 }, 5,
               7);
}

typedef struct first_layer {
    mcvdi_graph *g;
    mcvdi_value_id x, cond, y;
} first_layer;

static const mcvdi_dims first_x = { 2, 16, 16, 15 }, first_cond = { 2, 16, 16, 6 };

static void make_first_layer(first_layer *f, bool pair, bool no_onednn)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER, .no_onednn = no_onednn };
    const conv_case conv = { MCVDI_CONV_2D, 0, 3 };
    const mcvdi_conv_spec spec = make_spec(&conv, 32);
    static float weight[32 * 21 * 9];
    static float bias[32];

    CHECK_OK(mcvdi_graph_create(&f->g, &options));
    f->x = mcvdi_graph_input(f->g, first_x);
    f->cond = mcvdi_graph_input(f->g, first_cond);
    if (pair)
        mcvdi_graph_hold(f->g, f->cond);
    f->y = pair ? mcvdi_conv_pair(f->g, f->x, f->cond, &spec)
                : mcvdi_conv(f->g, mcvdi_concat(f->g, f->x, f->cond), &spec);
    mcvdi_graph_mark_output(f->g, f->y);
    CHECK_OK(mcvdi_graph_compile(f->g));
    for (size_t i = 0; i < sizeof weight / sizeof *weight; i++)
        weight[i] = hashed_gauss("weight", (uint32_t)i);
    for (size_t i = 0; i < sizeof bias / sizeof *bias; i++)
        bias[i] = hashed_gauss("bias", (uint32_t)i);
    CHECK_OK(mcvdi_graph_load_param(f->g, 0, weight));
    CHECK_OK(mcvdi_graph_load_param(f->g, 1, bias));
}

static void run_first_layer(const first_layer *f, const char *x, const char *cond)
{
    for (size_t i = 0; i < mcvdi_dims_numel(first_x); i++)
        mcvdi_graph_data(f->g, f->x)[i] = hashed_gauss(x, (uint32_t)i);
    for (size_t i = 0; cond && i < mcvdi_dims_numel(first_cond); i++)
        mcvdi_graph_data(f->g, f->cond)[i] = hashed_gauss(cond, (uint32_t)i);
    if (cond)
        mcvdi_graph_held_changed(f->g);
    CHECK_OK(mcvdi_graph_forward(f->g));
}

static void check_first_layers(const first_layer *a, const first_layer *b)
{
    const size_t n = mcvdi_dims_numel(mcvdi_graph_dims(a->g, a->y));
    const float *y = mcvdi_graph_data(b->g, b->y);
    double largest = 0.0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)y[i]));
    CHECK_ALL_CLOSE(mcvdi_graph_data(a->g, a->y), y, n, 1e-6 * largest);
}

/* The share of cond is kept over two steps and made again for another cond; each time the sum is
 * the convolution of both side by side. */
static void test_held_pair(void **state)
{
    (void)state;
    for (int gemm = 0; gemm < 2; gemm++) {
        first_layer pair;
        first_layer whole;
        make_first_layer(&pair, true, gemm == 1);
        make_first_layer(&whole, false, gemm == 1);
        run_first_layer(&pair, "x 1", "cond 1");
        run_first_layer(&whole, "x 1", "cond 1");
        check_first_layers(&pair, &whole);
        run_first_layer(&pair, "x 2", NULL);
        run_first_layer(&whole, "x 2", NULL);
        check_first_layers(&pair, &whole);
        run_first_layer(&pair, "x 2", "cond 2");
        run_first_layer(&whole, "x 2", "cond 2");
        check_first_layers(&pair, &whole);
        mcvdi_graph_free(&pair.g);
        mcvdi_graph_free(&whole.g);
    }
}

/* --- what is refused, what is declared --- */

static void test_rows_that_are_no_frames(void **state)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    const conv_case conv = { MCVDI_CONV_3D, 3, 3 };
    const mcvdi_conv_spec spec = make_spec(&conv, 4);
    mcvdi_graph *g = NULL;

    (void)state;
    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id x = mcvdi_graph_input(g, (mcvdi_dims) { 1, 8, 5, 2 });
    CHECK_EQ(mcvdi_conv(g, x, &spec), -1);
    CHECK_STATUS(mcvdi_graph_compile(g), MCVD_E_SHAPE);
    CHECK_MESSAGE("8 rows");
    mcvdi_graph_free(&g);
}

static void test_pair_of_unlike_sizes(void **state)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    const conv_case conv = { MCVDI_CONV_2D, 0, 3 };
    const mcvdi_conv_spec spec = make_spec(&conv, 4);
    mcvdi_graph *g = NULL;

    (void)state;
    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id x = mcvdi_graph_input(g, (mcvdi_dims) { 1, 8, 5, 2 });
    const mcvdi_value_id held = mcvdi_graph_input(g, (mcvdi_dims) { 1, 8, 4, 2 });
    CHECK_EQ(mcvdi_conv_pair(g, x, held, &spec), -1);
    CHECK_STATUS(mcvdi_graph_compile(g), MCVD_E_SHAPE);
    mcvdi_graph_free(&g);
}

/* Shapes, fans and multiply-adds of the three kinds and of a pair. */
static void check_declared(conv_case conv, bool pair, int ndim, double macs)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    const mcvdi_conv_spec spec = make_spec(&conv, 5);
    mcvdi_graph *g = NULL;

    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id x = mcvdi_graph_input(g, (mcvdi_dims) { 2, 6, 4, pair ? 3 : 7 });
    const mcvdi_value_id held = mcvdi_graph_input(g, (mcvdi_dims) { 2, 6, 4, 4 });
    mcvdi_graph_mark_output(g, pair ? mcvdi_conv_pair(g, x, held, &spec) : mcvdi_conv(g, x, &spec));
    CHECK_OK(mcvdi_graph_compile(g));
    CHECK_EQ(mcvdi_graph_num_params(g), 2);
    const mcvdi_param *w = mcvdi_graph_get_param(g, 0);
    CHECK_TRUE(strcmp(w->name, "conv.weight") == 0);
    CHECK_EQ(w->ndim, ndim);
    CHECK_EQ(w->shape[0], 5);
    CHECK_EQ(w->shape[1], 7);
    for (int i = 2; i < ndim; i++)
        CHECK_EQ(w->shape[i], 3);
    CHECK_EQ(w->fan_sum, 12 * positions(&conv));
    CHECK_TRUE(strcmp(mcvdi_graph_get_param(g, 1)->name, "conv.bias") == 0);
    CHECK_CLOSE(mcvdi_graph_macs(g), macs, 0.0);
    mcvdi_graph_free(&g);
}

static void test_declared(void **state)
{
    (void)state;
    check_declared((conv_case) { MCVDI_CONV_2D, 2, 3 }, false, 4, 48.0 * 35 * 9);
    check_declared((conv_case) { MCVDI_CONV_2D, 2, 3 }, true, 4, 48.0 * 35 * 9);
    check_declared((conv_case) { MCVDI_CONV_3D, 2, 3 }, false, 5, 48.0 * 35 * 27);
    check_declared((conv_case) { MCVDI_CONV_TIME, 2, 3 }, false, 3, 48.0 * 35 * 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_2d),
        cmocka_unit_test(test_2d_frames),
        cmocka_unit_test(test_3d),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_pair),
        cmocka_unit_test(test_held_pair),
        cmocka_unit_test(test_rows_that_are_no_frames),
        cmocka_unit_test(test_pair_of_unlike_sizes),
        cmocka_unit_test(test_declared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
