/* What nets with frames and maps need besides convolutions: frame stacks, frame mixing, nearest
 * neighbour, addition. */
#include <string.h>

#include "ops/ops.h"
#include "support/check.h"
#include "support/gradcheck.h"

/* --- addition --- */

static mcvdi_value_id build_add(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    return mcvdi_add(g, x[0], x[c->num_inputs - 1]);
}

static void reference_add(double *y, const double *const *x, const double *const *w,
                          const gradcheck_case *c)
{
    (void)w;
    for (size_t i = 0; i < mcvdi_dims_numel(c->y); i++)
        y[i] = x[0][i] + x[c->num_inputs - 1][i];
}

static void test_add(void **state)
{
    const mcvdi_dims d = { 3, 5, 7, 6 };
    gradcheck_case c = { .name = "add",
                         .num_inputs = 2,
                         .x = { d, d },
                         .y = d,
                         .build = build_add,
                         .reference = reference_add };
    (void)state;
    gradcheck_run(&c);
    c.name = "add to itself";
    c.num_inputs = 1;
    gradcheck_run(&c);
}

/* --- nearest neighbour --- */

static mcvdi_value_id build_nearest(mcvdi_graph *g, const mcvdi_value_id *x,
                                    const gradcheck_case *c)
{
    return mcvdi_nearest_down(g, x[0], *(const size_t *)c->config);
}

static void reference_nearest(double *y, const double *const *x, const double *const *w,
                              const gradcheck_case *c)
{
    const size_t factor = *(const size_t *)c->config;

    (void)w;
    for (size_t e = 0; e < mcvdi_dims_numel(c->y); e++) {
        const size_t ch = e % c->y.c;
        const size_t j = e / c->y.c % c->y.w;
        const size_t i = e / c->y.c / c->y.w % c->y.h;
        const size_t n = e / c->y.c / c->y.w / c->y.h;
        y[e] = x[0][((n * c->x[0].h + i * factor) * c->x[0].w + j * factor) * c->x[0].c + ch];
    }
}

static void check_nearest(const char *name, mcvdi_dims x, size_t factor)
{
    const gradcheck_case c = { .name = name,
                               .num_inputs = 1,
                               .x = { x },
                               .y = { x.n, x.h / factor, x.w / factor, x.c },
                               .build = build_nearest,
                               .reference = reference_nearest,
                               .config = &factor };
    gradcheck_run(&c);
}

static void test_nearest(void **state)
{
    (void)state;
    check_nearest("nearest 1", (mcvdi_dims) { 2, 3, 5, 6 }, 1);
    check_nearest("nearest 2", (mcvdi_dims) { 3, 6, 10, 5 }, 2);
    check_nearest("nearest 3", (mcvdi_dims) { 2, 9, 3, 18 }, 3);
    check_nearest("nearest 8", (mcvdi_dims) { 1, 16, 24, 1 }, 8);
}

/* --- frame stacks --- */

static mcvdi_value_id build_to_rows(mcvdi_graph *g, const mcvdi_value_id *x,
                                    const gradcheck_case *c)
{
    return mcvdi_frames_to_rows(g, x[0], *(const size_t *)c->config);
}

static mcvdi_value_id build_to_frames(mcvdi_graph *g, const mcvdi_value_id *x,
                                      const gradcheck_case *c)
{
    return mcvdi_rows_to_frames(g, x[0], *(const size_t *)c->config);
}

/* The place in [N,D*H,W,c] of each value of [N,H,W,D*c]. */
static void reference_stack(double *y, const double *const *x, const double *const *w,
                            const gradcheck_case *c)
{
    const size_t frames = *(const size_t *)c->config;
    const bool to_rows = c->build == build_to_rows;
    const mcvdi_dims flat = to_rows ? c->x[0] : c->y;
    const size_t colours = flat.c / frames;

    (void)w;
    for (size_t e = 0; e < mcvdi_dims_numel(flat); e++) {
        const size_t frame = e % flat.c / colours;
        const size_t j = e / flat.c % flat.w;
        const size_t i = e / flat.c / flat.w % flat.h;
        const size_t n = e / flat.c / flat.w / flat.h;
        const size_t row = (n * frames + frame) * flat.h + i;
        const size_t stacked = (row * flat.w + j) * colours + e % colours;
        y[to_rows ? stacked : e] = x[0][to_rows ? e : stacked];
    }
}

static void check_stack(const char *name, mcvdi_dims rows, size_t frames)
{
    const mcvdi_dims flat = { rows.n, rows.h / frames, rows.w, rows.c * frames };
    gradcheck_case c = { .name = name,
                         .num_inputs = 1,
                         .x = { flat },
                         .y = rows,
                         .build = build_to_rows,
                         .reference = reference_stack,
                         .config = &frames };

    gradcheck_run(&c);
    c.x[0] = rows;
    c.y = flat;
    c.build = build_to_frames;
    gradcheck_run(&c);
}

static void test_stack(void **state)
{
    (void)state;
    check_stack("stack 3 x 4", (mcvdi_dims) { 2, 15, 7, 4 }, 3);
    check_stack("stack 7 x 6", (mcvdi_dims) { 3, 14, 3, 6 }, 7);
    check_stack("stack 2 x 54", (mcvdi_dims) { 2, 6, 5, 54 }, 2);
    check_stack("stack 1 x 18", (mcvdi_dims) { 2, 3, 5, 18 }, 1);
    check_stack("stack 5 x 1", (mcvdi_dims) { 1, 10, 3, 1 }, 5);
}

/* There and back is the same tensor, through a view as attention over time makes it. */
static void test_stack_view(void **state)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    const mcvdi_dims rows = { 2, 12, 5, 6 };
    const size_t n = mcvdi_dims_numel(rows);
    mcvdi_graph *g;

    (void)state;
    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id x = mcvdi_graph_input(g, rows);
    const mcvdi_value_id flat = mcvdi_rows_to_frames(g, x, 3);
    const mcvdi_value_id pixels = mcvdi_graph_view(g, flat, (mcvdi_dims) { 2 * 4 * 5, 1, 3, 6 });
    const mcvdi_value_id back = mcvdi_graph_view(g, pixels, (mcvdi_dims) { 2, 4, 5, 18 });
    const mcvdi_value_id y = mcvdi_frames_to_rows(g, back, 3);
    mcvdi_graph_mark_output(g, x);
    mcvdi_graph_mark_output(g, pixels);
    mcvdi_graph_mark_output(g, y);
    CHECK_OK(mcvdi_graph_compile(g));
    for (size_t i = 0; i < n; i++)
        mcvdi_graph_data(g, x)[i] = (float)i;
    CHECK_OK(mcvdi_graph_forward(g));
    CHECK_TRUE(memcmp(mcvdi_graph_data(g, x), mcvdi_graph_data(g, y), n * sizeof(float)) == 0);
    /* Pixel (1, 2) of sample 1, frame 2, channel 4. */
    CHECK_TRUE(mcvdi_graph_data(g, pixels)[((20 + 1 * 5 + 2) * 3 + 2) * 6 + 4] ==
               (float)(((12 + 2 * 4 + 1) * 5 + 2) * 6 + 4));
    mcvdi_graph_free(&g);
}

/* --- frame mixing --- */

static mcvdi_value_id build_mix(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    return mcvdi_frame_mix(g, x[0], c->config);
}

static void reference_mix(double *y, const double *const *x, const double *const *w,
                          const gradcheck_case *c)
{
    const mcvdi_frame_mix_spec *spec = c->config;
    const size_t values = c->y.h / spec->out_frames * c->y.w * c->y.c;

    for (size_t e = 0; e < mcvdi_dims_numel(c->y); e++) {
        const size_t to = e / values % spec->out_frames;
        const size_t n = e / values / spec->out_frames;
        y[e] = w[1][to];
        for (size_t from = 0; from < spec->in_frames; from++)
            y[e] += w[0][to * spec->in_frames + from] *
                    x[0][(n * spec->in_frames + from) * values + e % values];
    }
}

/* `frame` is [N,H,W,c]. */
static void check_mix(mcvdi_frame_mix_spec spec, mcvdi_dims frame)
{
    gradcheck_case c = { .name = spec.name,
                         .num_inputs = 1,
                         .x = { frame },
                         .y = frame,
                         .build = build_mix,
                         .reference = reference_mix,
                         .config = &spec,
                         .terms = spec.in_frames + spec.out_frames + frame.n * frame.h * frame.w };

    c.x[0].h *= spec.in_frames;
    c.y.h *= spec.out_frames;
    gradcheck_run(&c);
    c.inference = true;
    gradcheck_run(&c);
}

static void test_mix(void **state)
{
    (void)state;
    check_mix((mcvdi_frame_mix_spec) { "mix 7 to 5", 7, 5, 4 }, (mcvdi_dims) { 2, 3, 5, 6 });
    check_mix((mcvdi_frame_mix_spec) { "mix 2 to 5", 2, 5, 5 }, (mcvdi_dims) { 3, 3, 3, 4 });
    check_mix((mcvdi_frame_mix_spec) { "mix 5 to 5", 5, 5, 3 }, (mcvdi_dims) { 1, 1, 1, 3 });
    check_mix((mcvdi_frame_mix_spec) { "mix 1 to 1", 1, 1, 4 }, (mcvdi_dims) { 2, 5, 3, 54 });
    check_mix((mcvdi_frame_mix_spec) { "mix pieces", 3, 2, 4 }, (mcvdi_dims) { 1, 19, 17, 18 });
}

static void test_mix_params(void **state)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    const mcvdi_frame_mix_spec spec = { "net.mix", 7, 5, 5 };
    mcvdi_graph *g;

    (void)state;
    CHECK_OK(mcvdi_graph_create(&g, &options));
    mcvdi_frame_mix(g, mcvdi_graph_input(g, (mcvdi_dims) { 1, 14, 4, 4 }), &spec);
    CHECK_EQ(mcvdi_graph_num_params(g), 2);
    const mcvdi_param *weight = mcvdi_graph_get_param(g, 0);
    const mcvdi_param *bias = mcvdi_graph_get_param(g, 1);
    CHECK_TRUE(strcmp(weight->name, "net.mix.weight") == 0);
    CHECK_EQ(weight->ndim, 5);
    CHECK_EQ(weight->shape[0], 5);
    CHECK_EQ(weight->shape[1], 7);
    CHECK_EQ(weight->numel, 35);
    CHECK_EQ(weight->init, MCVDI_INIT_UNIFORM);
    CHECK_CLOSE(weight->init_scale, 1.0, 0.0);
    CHECK_CLOSE(weight->fan_sum, 12.0, 0.0);
    CHECK_TRUE(strcmp(bias->name, "net.mix.bias") == 0);
    CHECK_EQ(bias->ndim, 1);
    CHECK_EQ(bias->numel, 5);
    CHECK_EQ(bias->init, MCVDI_INIT_ZERO);
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

static void expect_refusal(mcvdi_graph *g, mcvdi_value_id made)
{
    CHECK_EQ(made, -1);
    CHECK_STATUS(mcvdi_graph_compile(g), MCVD_E_SHAPE);
    mcvdi_graph_free(&g);
}

static void test_refusals(void **state)
{
    const mcvdi_dims odd = { 1, 5, 4, 8 };
    const mcvdi_dims other = { 1, 4, 4, 8 };
    const mcvdi_frame_mix_spec mix = { "mix", 2, 3, 4 };
    mcvdi_graph *g = new_graph();

    (void)state;
    expect_refusal(g, mcvdi_add(g, mcvdi_graph_input(g, odd), mcvdi_graph_input(g, other)));
    g = new_graph();
    expect_refusal(g, mcvdi_nearest_down(g, mcvdi_graph_input(g, odd), 2));
    g = new_graph();
    expect_refusal(g, mcvdi_nearest_down(g, mcvdi_graph_input(g, odd), 0));
    g = new_graph();
    expect_refusal(g, mcvdi_frames_to_rows(g, mcvdi_graph_input(g, odd), 3));
    g = new_graph();
    expect_refusal(g, mcvdi_rows_to_frames(g, mcvdi_graph_input(g, odd), 2));
    g = new_graph();
    expect_refusal(g, mcvdi_rows_to_frames(g, mcvdi_graph_input(g, odd), 0));
    g = new_graph();
    expect_refusal(g, mcvdi_frame_mix(g, mcvdi_graph_input(g, odd), &mix));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),      cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_stack),    cmocka_unit_test(test_stack_view),
        cmocka_unit_test(test_mix),      cmocka_unit_test(test_mix_params),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
