/* Linear maps and convolutions, both convolution backends. */
#include "ops/ops.h"
#include "support/check.h"
#include "support/gradcheck.h"

/* --- linear --- */

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

/* --- convolution --- */

static mcvdi_value_id build_conv(mcvdi_graph *g, const mcvdi_value_id *x, const gradcheck_case *c)
{
    const mcvdi_conv_spec spec = {
        .name = "conv", .out_channels = c->y.c, .kernel = *(const int *)c->config, .init_scale = 1.0
    };
    return mcvdi_conv(g, x[0], &spec);
}

static double conv_at(const gradcheck_case *c, const double *image, const double *w, size_t i,
                      size_t j)
{
    const mcvdi_dims d = c->x[0];
    const size_t k = (size_t) * (const int *)c->config;
    const size_t pad = k / 2;
    double sum = 0.0;

    for (size_t u = 0; u < k; u++) {
        for (size_t v = 0; v < k; v++) {
            if (i + u < pad || j + v < pad || i + u - pad >= d.h || j + v - pad >= d.w)
                continue;
            const double *pixel = image + ((i + u - pad) * d.w + j + v - pad) * d.c;
            for (size_t ch = 0; ch < d.c; ch++)
                sum += pixel[ch] * w[(ch * k + u) * k + v];
        }
    }
    return sum;
}

static void reference_conv(double *y, const double *const *x, const double *const *w,
                           const gradcheck_case *c)
{
    const mcvdi_dims d = c->y;
    const size_t k = (size_t) * (const int *)c->config;

    for (size_t n = 0; n < d.n; n++)
        for (size_t i = 0; i < d.h; i++)
            for (size_t j = 0; j < d.w; j++)
                for (size_t o = 0; o < d.c; o++)
                    y[((n * d.h + i) * d.w + j) * d.c + o] =
                        w[1][o] + conv_at(c, x[0] + n * d.h * d.w * c->x[0].c,
                                          w[0] + o * c->x[0].c * k * k, i, j);
}

/* Both backends, training and packed inference. */
static void check_conv(const char *name, mcvdi_dims x, size_t out, int kernel)
{
    gradcheck_case c = { .name = name,
                         .num_inputs = 1,
                         .x = { x },
                         .y = { x.n, x.h, x.w, out },
                         .build = build_conv,
                         .reference = reference_conv,
                         .config = &kernel,
                         .terms = (size_t)(kernel * kernel) * (x.c + out) + x.n * x.h * x.w };

    for (int gemm = 0; gemm < 2; gemm++) {
        c.no_onednn = gemm == 1;
        c.inference = false;
        gradcheck_run(&c);
        c.inference = true;
        gradcheck_run(&c);
    }
}

static void test_conv3(void **state)
{
    (void)state;
    check_conv("conv 3x3", (mcvdi_dims) { 3, 5, 7, 6 }, 12, 3);
    check_conv("conv 3x3 wide", (mcvdi_dims) { 1, 3, 4, 18 }, 16, 3);
    check_conv("conv 3x3 tiny", (mcvdi_dims) { 2, 1, 2, 5 }, 3, 3);
}

static void test_conv1(void **state)
{
    (void)state;
    check_conv("conv 1x1", (mcvdi_dims) { 3, 5, 7, 12 }, 18, 1);
    check_conv("conv 1x1 even", (mcvdi_dims) { 2, 4, 4, 16 }, 32, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_out_in),
        cmocka_unit_test(test_linear_in_out),
        cmocka_unit_test(test_conv3),
        cmocka_unit_test(test_conv1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
