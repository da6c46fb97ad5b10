/* Linear maps, weights in both layouts. */
#include "ops/ops.h"
#include "support/check.h"
#include "support/gradcheck.h"

static mcvdi_value_id build_linear(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    const mcvdi_linear_spec spec = { .name = "map",
                                     .out_channels = c->y.c,
                                     .layout = *(const mcvdi_linear_layout *)c->config,
                                     .init_scale = 1.0 };
    return mcvdi_linear(g, x[0], &spec);
}

static void reference_linear(double *y, const double *const *x, const double *const *w,
                             const gradcheck_case *c)
{
    const bool out_in = *(const mcvdi_linear_layout *)c->config == MCVDI_LINEAR_OUT_IN;
    const size_t in = c->x[0].c;
    const size_t out = c->y.c;

    for (size_t r = 0; r < c->y.n * c->y.h * c->y.w; r++) {
        for (size_t o = 0; o < out; o++) {
            double sum = w[1][o];
            for (size_t i = 0; i < in; i++)
                sum += x[0][r * in + i] * w[0][out_in ? o * in + i : i * out + o];
            y[r * out + o] = sum;
        }
    }
}

static void check_linear(const char *name, mcvdi_dims x, size_t out, mcvdi_linear_layout layout)
{
    gradcheck_case c = { .name = name,
                         .num_inputs = 1,
                         .x = { x },
                         .y = { x.n, x.h, x.w, out },
                         .build = build_linear,
                         .reference = reference_linear,
                         .config = &layout,
                         .terms = x.c + out + x.n * x.h * x.w };

    gradcheck_run(&c);
    c.inference = true;
    gradcheck_run(&c);
}

static void test_linear_out_in(void **state)
{
    (void)state;
    check_linear("linear", (mcvdi_dims) { 3, 1, 1, 37 }, 54, MCVDI_LINEAR_OUT_IN);
    check_linear("linear rows", (mcvdi_dims) { 3, 5, 7, 12 }, 18, MCVDI_LINEAR_OUT_IN);
}

static void test_linear_in_out(void **state)
{
    (void)state;
    check_linear("nin", (mcvdi_dims) { 3, 5, 7, 18 }, 54, MCVDI_LINEAR_IN_OUT);
    check_linear("nin many rows", (mcvdi_dims) { 2, 19, 17, 5 }, 7, MCVDI_LINEAR_IN_OUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_out_in),
        cmocka_unit_test(test_linear_in_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
