/*
 * The two convolution backends at the sizes of real networks, where oneDNN takes other kernels than
 * at the tiny ones of the gradient checks: forward, packed forward and all gradients agree.
 */
#include <float.h>
#include <stdlib.h>

#include "ops/ops.h"
#include "support/check.h"
#include "support/hashed.h"

typedef struct conv_case {
    const char *name;
    mcvdi_dims x;
    size_t held, out; /* held > 0: a pair */
    int kernel;
    mcvdi_conv_kind kind;
    size_t frames;
} conv_case;

typedef struct built {
    mcvdi_graph *g;
    mcvdi_value_id x, held, y;
} built;

static void fill(float *values, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        values[i] = hashed_gauss(key, (uint32_t)i);
}

static built build(const conv_case *c, mcvdi_graph_mode mode, bool no_onednn)
{
    const mcvdi_graph_options options = { .mode = mode,
                                          .no_onednn = no_onednn,
                                          .input_gradient = mode == MCVDI_TRAIN };
    const mcvdi_conv_spec spec = { .name = "conv",
                                   .out_channels = c->out,
                                   .kernel = c->kernel,
                                   .init_scale = 1.0,
                                   .kind = c->kind,
                                   .frames = c->frames };
    built b = { .held = -1 };

    CHECK_OK(mcvdi_graph_create(&b.g, &options));
    b.x = mcvdi_graph_input(b.g, c->x);
    if (c->held)
        b.held = mcvdi_graph_input(b.g, (mcvdi_dims) { c->x.n, c->x.h, c->x.w, c->held });
    b.y = c->held ? mcvdi_conv_pair(b.g, b.x, b.held, &spec) : mcvdi_conv(b.g, b.x, &spec);
    mcvdi_graph_mark_output(b.g, b.y);
    CHECK_OK(mcvdi_graph_compile(b.g));
    return b;
}

static void load(const built *b)
{
    for (size_t i = 0; i < mcvdi_graph_num_params(b->g); i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(b->g, i);
        float *values = calloc(p->numel, sizeof *values);
        CHECK_TRUE(values != NULL);
        fill(values, p->numel, p->name);
        CHECK_OK(mcvdi_graph_load_param(b->g, i, values));
        free(values);
    }
}

static size_t numel(const built *b, mcvdi_value_id id)
{
    return mcvdi_dims_numel(mcvdi_graph_dims(b->g, id));
}

static void run(built *b, mcvdi_graph_mode mode)
{
    load(b);
    fill(mcvdi_graph_data(b->g, b->x), numel(b, b->x), "x");
    if (b->held >= 0)
        fill(mcvdi_graph_data(b->g, b->held), numel(b, b->held), "held");
    CHECK_OK(mcvdi_graph_forward(b->g));
    if (mode != MCVDI_TRAIN)
        return;
    mcvdi_graph_zero_gradients(b->g);
    fill(mcvdi_graph_grad(b->g, b->y), numel(b, b->y), "dy");
    CHECK_OK(mcvdi_graph_backward(b->g));
}

/* A sum of k products of standard normals grows like sqrt(k) and rounds k times, by at most
 * u = FLT_EPSILON / 2 of itself: a random walk of standard deviation below u k. Two orders of the
 * sum differ by less than eight of these in the worst of a million values. */
static double sum_tolerance(size_t k)
{
    return 8.0 * (double)k * (double)FLT_EPSILON / 2.0;
}

static void compare(const conv_case *c, mcvdi_graph_mode mode)
{
    built a = build(c, mode, false);
    built b = build(c, mode, true);
    const size_t k = (size_t)c->kernel;
    const size_t taps = c->kind == MCVDI_CONV_3D ? k * k * k : k * (c->kind ? 1 : k);
    const size_t pixels = c->x.n * c->x.h * c->x.w;

    run(&a, mode);
    run(&b, mode);
    check_all_close(c->name, 0, "y", mcvdi_graph_data(a.g, a.y), mcvdi_graph_data(b.g, b.y),
                    numel(&a, a.y), sum_tolerance(taps * (c->x.c + c->held)));
    if (mode == MCVDI_TRAIN) {
        check_all_close(c->name, 0, "dx", mcvdi_graph_grad(a.g, a.x), mcvdi_graph_grad(b.g, b.x),
                        numel(&a, a.x), sum_tolerance(taps * c->out));
        check_all_close(c->name, 0, "dw and db", mcvdi_graph_gradients(a.g),
                        mcvdi_graph_gradients(b.g), mcvdi_graph_param_floats(a.g),
                        sum_tolerance(pixels));
    }
    mcvdi_graph_free(&a.g);
    mcvdi_graph_free(&b.g);
}

static const conv_case cases[] = {
    { "modulation maps", { 1, 32, 32, 15 }, 0, 128, 3, MCVDI_CONV_2D, 0 },
    { "modulation", { 1, 16, 16, 128 }, 0, 96, 3, MCVDI_CONV_2D, 0 },
    { "first layer in shares", { 2, 32, 32, 15 }, 6, 96, 3, MCVDI_CONV_2D, 0 },
    { "last layer", { 1, 32, 32, 96 }, 0, 15, 3, MCVDI_CONV_2D, 0 },
    { "frames apart", { 1, 7 * 32, 32, 12 }, 0, 24, 3, MCVDI_CONV_2D, 7 },
    { "3d first", { 1, 7 * 32, 32, 1 }, 0, 12, 3, MCVDI_CONV_3D, 7 },
    { "3d", { 2, 7 * 16, 16, 24 }, 0, 24, 3, MCVDI_CONV_3D, 7 },
    { "3d last", { 1, 2 * 32, 32, 12 }, 0, 1, 3, MCVDI_CONV_3D, 2 },
    { "3d shortcut", { 1, 7 * 16, 16, 36 }, 0, 24, 1, MCVDI_CONV_3D, 7 },
    { "time", { 2, 7 * 32, 32, 12 }, 0, 12, 3, MCVDI_CONV_TIME, 7 },
    { "time of one channel", { 1, 2 * 32, 32, 1 }, 0, 1, 3, MCVDI_CONV_TIME, 2 },
};

static void test_inference(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        compare(&cases[i], MCVDI_INFER);
}

static void test_training(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        compare(&cases[i], MCVDI_TRAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inference),
        cmocka_unit_test(test_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
