/* Views: one memory and one gradient under several dims. */
#include "ops/ops.h"
#include "support/check.h"
#include "support/gradcheck.h"
#include "support/hashed.h"

static const mcvdi_dims square = { 2, 4, 2, 4 };
static const mcvdi_dims column = { 2, 8, 1, 4 };
static const mcvdi_dims wide = { 1, 4, 4, 4 };

static mcvdi_graph *new_graph(mcvdi_graph_mode mode, bool keep_all)
{
    const mcvdi_graph_options options = { .mode = mode,
                                          .keep_all = keep_all,
                                          .input_gradient = mode == MCVDI_TRAIN };
    mcvdi_graph *g = NULL;

    CHECK_OK(mcvdi_graph_create(&g, &options));
    return g;
}

static void fill(float *values, mcvdi_dims dims, const char *key)
{
    for (size_t i = 0; i < mcvdi_dims_numel(dims); i++)
        values[i] = hashed_gauss(key, (uint32_t)i);
}

static double silu(double x)
{
    return x / (1.0 + exp(-x));
}

/* --- gradients --- */

/* [x, silu(x)] per pixel, x read by itself, through a view and through a view of a view; the
 * result is a view as well. */
static mcvdi_value_id build_mixed(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    const mcvdi_value_id seen = mcvdi_graph_view(g, x[0], wide);
    const mcvdi_value_id again = mcvdi_graph_view(g, seen, column);
    const mcvdi_value_id active = mcvdi_graph_view(g, mcvdi_silu(g, seen), column);
    const mcvdi_value_id both = mcvdi_concat(g, again, active);
    const mcvdi_value_id back = mcvdi_graph_view(g, x[0], square);
    const mcvdi_value_id y = mcvdi_concat(g, mcvdi_graph_view(g, both, (mcvdi_dims) { 2, 4, 2, 8 }),
                                          mcvdi_residual(g, back, x[0]));

    return mcvdi_graph_view(g, y, c->y);
}

static void reference_mixed(double *y, const double *const *x, const double *const *w,
                            const gradcheck_case *c)
{
    (void)w;
    for (size_t i = 0; i < mcvdi_dims_numel(c->x[0]); i++) {
        double *pixel = y + i / 4 * 12 + i % 4;
        pixel[0] = x[0][i];
        pixel[4] = silu(x[0][i]);
        pixel[8] = sqrt(2.0) * x[0][i];
    }
}

static void gradients_of_all_views_add_up(void **state)
{
    gradcheck_case c = { .name = "views",
                         .num_inputs = 1,
                         .x = { square },
                         .y = { 4, 2, 2, 12 },
                         .build = build_mixed,
                         .reference = reference_mixed,
                         .terms = 4 };

    (void)state;
    gradcheck_run(&c);
    c.inference = true;
    gradcheck_run(&c);
}

/* A view is marked, its root goes on: the seed written through the view counts. */
static void a_marked_view_keeps_its_root(void **state)
{
    (void)state;
    for (int keep_all = 0; keep_all < 2; keep_all++) {
        mcvdi_graph *g = new_graph(MCVDI_TRAIN, keep_all);
        const mcvdi_value_id x = mcvdi_graph_input(g, square);
        const mcvdi_value_id a = mcvdi_residual(g, x, x);
        const mcvdi_value_id seen = mcvdi_graph_view(g, a, wide);
        const mcvdi_value_id b = mcvdi_residual(g, a, a);
        mcvdi_graph_mark_output(g, seen);
        mcvdi_graph_mark_output(g, b);
        CHECK_OK(mcvdi_graph_compile(g));
        CHECK_TRUE(mcvdi_graph_data(g, seen) == mcvdi_graph_data(g, a));
        CHECK_TRUE(mcvdi_graph_grad(g, seen) == mcvdi_graph_grad(g, a));
        CHECK_EQ(mcvdi_graph_dims(g, seen).h, wide.h);
        fill(mcvdi_graph_data(g, x), square, "x");
        CHECK_OK(mcvdi_graph_forward(g));
        for (size_t i = 0; i < mcvdi_dims_numel(square); i++) {
            CHECK_CLOSE(mcvdi_graph_data(g, seen)[i], sqrt(2.0) * (double)mcvdi_graph_data(g, x)[i],
                        1e-6);
            mcvdi_graph_grad(g, seen)[i] = 1.0f;
            mcvdi_graph_grad(g, b)[i] = 10.0f;
        }
        CHECK_OK(mcvdi_graph_backward(g));
        for (size_t i = 0; i < mcvdi_dims_numel(square); i++)
            CHECK_CLOSE(mcvdi_graph_grad(g, x)[i], sqrt(2.0) + 20.0, 1e-5);
        mcvdi_graph_free(&g);
    }
}

/* --- memory --- */

/* A value that only a view reads lives until the view is read, and no longer. */
static void a_view_keeps_its_root_alive(void **state)
{
    mcvdi_graph *g = new_graph(MCVDI_INFER, false);
    const mcvdi_value_id x = mcvdi_graph_input(g, square);
    const mcvdi_value_id a = mcvdi_silu(g, x);
    const mcvdi_value_id seen = mcvdi_graph_view(g, a, wide);
    mcvdi_value_id chain = x;

    (void)state;
    for (int i = 0; i < 6; i++)
        chain = mcvdi_silu(g, chain);
    const mcvdi_value_id y = mcvdi_concat(g, mcvdi_graph_view(g, chain, wide), seen);
    mcvdi_graph_mark_output(g, y);
    CHECK_OK(mcvdi_graph_compile(g));
    /* x, a, y (twice as large) and two of the chain: views have no memory of their own. */
    CHECK_EQ(mcvdi_graph_activation_bytes(g), 6 * mcvdi_dims_numel(square) * sizeof(float));
    fill(mcvdi_graph_data(g, x), square, "x");
    CHECK_OK(mcvdi_graph_forward(g));
    for (size_t i = 0; i < mcvdi_dims_numel(square); i++) {
        const double start = mcvdi_graph_data(g, x)[i];
        double end = start;
        for (int k = 0; k < 6; k++)
            end = silu(end);
        const float *pixel = mcvdi_graph_data(g, y) + i / 4 * 8 + i % 4;
        CHECK_CLOSE(pixel[0], end, 1e-6);
        CHECK_CLOSE(pixel[4], silu(start), 1e-6);
    }
    mcvdi_graph_free(&g);
}

/* An operator sees the dims of the view. */
static void operators_see_the_dims_of_a_view(void **state)
{
    mcvdi_graph *g = new_graph(MCVDI_INFER, false);
    const mcvdi_value_id x = mcvdi_graph_input(g, square);
    const mcvdi_value_id plain = mcvdi_graph_input(g, wide);
    const mcvdi_value_id a = mcvdi_space_to_depth(g, mcvdi_graph_view(g, x, wide), 2);
    const mcvdi_value_id b = mcvdi_space_to_depth(g, plain, 2);
    const mcvdi_value_id c = mcvdi_space_to_depth(g, x, 2);

    (void)state;
    mcvdi_graph_mark_output(g, a);
    mcvdi_graph_mark_output(g, b);
    mcvdi_graph_mark_output(g, c);
    CHECK_OK(mcvdi_graph_compile(g));
    fill(mcvdi_graph_data(g, x), square, "x");
    fill(mcvdi_graph_data(g, plain), wide, "x");
    CHECK_OK(mcvdi_graph_forward(g));
    const size_t bytes = mcvdi_dims_numel(wide) * sizeof(float);
    CHECK_EQ(memcmp(mcvdi_graph_data(g, a), mcvdi_graph_data(g, b), bytes), 0);
    CHECK_TRUE(memcmp(mcvdi_graph_data(g, a), mcvdi_graph_data(g, c), bytes) != 0);
    mcvdi_graph_free(&g);
}

/* --- failures --- */

static void impossible_views_are_refused(void **state)
{
    static const mcvdi_dims bad[] = { { 2, 4, 2, 5 }, { 0, 4, 2, 4 }, { SIZE_MAX, 2, 2, 2 } };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mcvdi_graph *g = new_graph(MCVDI_INFER, false);
        const mcvdi_value_id x = mcvdi_graph_input(g, square);
        CHECK_EQ(mcvdi_graph_view(g, x, bad[i]), -1);
        CHECK_EQ(mcvdi_graph_view(g, x, wide), -1); /* after a failure nothing is built */
        CHECK_STATUS(mcvdi_graph_compile(g), MCVD_E_SHAPE);
        mcvdi_graph_free(&g);
    }
    for (mcvdi_value_id nothing = -1; nothing < 2; nothing += 2) {
        mcvdi_graph *g = new_graph(MCVDI_INFER, false);
        mcvdi_graph_input(g, square);
        CHECK_EQ(mcvdi_graph_view(g, nothing, wide), -1);
        CHECK_STATUS(mcvdi_graph_compile(g), MCVD_E_STATE);
        mcvdi_graph_free(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_all_views_add_up),
        cmocka_unit_test(a_marked_view_keeps_its_root),
        cmocka_unit_test(a_view_keeps_its_root_alive),
        cmocka_unit_test(operators_see_the_dims_of_a_view),
        cmocka_unit_test(impossible_views_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
