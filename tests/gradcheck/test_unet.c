/*
 * The gradient of a whole small U-Net against differences of its own single-precision forward.
 *
 * Loss: sum of seed * out, summed in double. Along a direction d of one parameter tensor (or one
 * input) the loss is taken at -m h ... m h. Its odd part is fitted by c1 s + c3 s^3 + c5 s^5; c1 is
 * the directional derivative. Rounding makes the points scatter around the curve: the scatter is
 * measured by the residual of the fit, and gives the standard error of c1.
 *
 *     |c1 - g.d| <= 10 standard errors            (7 degrees of freedom: chance below 1e-5)
 *                 + 1e-4 |g|                      (rounding of backward: the whole gradient vector
 *                                                  differs from the reference's by at most 2e-5)
 *                 + 1e-6 |all gradients|          (tensors whose true gradient is zero: key biases)
 *
 * and the sum of these must stay below 2 % of |g| for nearly every tensor: the test can fail.
 */
#include <stdlib.h>

#include "support/tiny_unet.h"

enum { POINTS = 10, TERMS = 3, MAX_TENSOR = 1 << 16 };

static double loss_of(const tiny_unet *u)
{
    const size_t n = mcvdi_dims_numel(mcvdi_graph_dims(u->graph, u->net.out));
    const float *out = mcvdi_graph_data(u->graph, u->net.out);
    double sum = 0.0;

    CHECK_OK(mcvdi_graph_forward(u->graph));
    for (size_t i = 0; i < n; i++)
        sum += (double)hashed_gauss("seed", (uint32_t)i) * (double)out[i];
    return sum;
}

static void backward(const tiny_unet *u)
{
    const size_t n = mcvdi_dims_numel(mcvdi_graph_dims(u->graph, u->net.out));

    CHECK_OK(mcvdi_graph_forward(u->graph));
    for (size_t i = 0; i < n; i++)
        mcvdi_graph_grad(u->graph, u->net.out)[i] = hashed_gauss("seed", (uint32_t)i);
    mcvdi_graph_zero_gradients(u->graph);
    CHECK_OK(mcvdi_graph_backward(u->graph));
}

/* A symmetric positive matrix becomes its inverse (Gauss and Jordan). */
static void invert(double a[TERMS][TERMS])
{
    for (int k = 0; k < TERMS; k++) {
        const double pivot = 1.0 / a[k][k];
        for (int j = 0; j < TERMS; j++)
            a[k][j] = (k == j ? 1.0 : a[k][j]) * pivot;
        for (int i = 0; i < TERMS; i++) {
            if (i == k)
                continue;
            const double factor = a[i][k];
            for (int j = 0; j < TERMS; j++)
                a[i][j] = (j == k ? 0.0 : a[i][j]) - factor * a[k][j];
        }
    }
}

/* Slope at 0 of odd points y[k] at (k + 1) / POINTS, and its standard error. */
static double fit_slope(const double y[POINTS], double *error)
{
    double a[TERMS][TERMS] = { { 0.0 } };
    double b[TERMS] = { 0.0 };
    double c[TERMS] = { 0.0 };
    double scatter = 0.0;

    for (int k = 0; k < POINTS; k++)
        for (int i = 0; i < TERMS; i++) {
            const double s = (k + 1.0) / POINTS;
            b[i] += pow(s, 2 * i + 1) * y[k];
            for (int j = 0; j < TERMS; j++)
                a[i][j] += pow(s, 2 * i + 2 * j + 2);
        }
    invert(a);
    for (int i = 0; i < TERMS; i++)
        for (int j = 0; j < TERMS; j++)
            c[i] += a[i][j] * b[j];
    for (int k = 0; k < POINTS; k++) {
        const double s = (k + 1.0) / POINTS;
        const double r = y[k] - s * (c[0] + s * s * (c[1] + s * s * c[2]));
        scatter += r * r;
    }
    *error = sqrt(scatter / (POINTS - TERMS) * a[0][0]);
    return c[0];
}

typedef struct tensor_check {
    const char *name;
    float *values;
    const float *grads;
    size_t n;
} tensor_check;

static double norm_of(const float *x, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* The direction: a normal number per element. */
static double direction(const tensor_check *t, size_t i)
{
    return (double)hashed_gauss(t->name, (uint32_t)i);
}

static double loss_at(tiny_unet *u, const tensor_check *t, const float *start, double at)
{
    for (size_t i = 0; i < t->n; i++)
        t->values[i] = (float)((double)start[i] + at * direction(t, i));
    return loss_of(u);
}

typedef struct slopes {
    double differences;
    double gradient;
    double error; /* standard error of the differences */
    double norm;  /* of the gradient */
} slopes;

static slopes measure(tiny_unet *u, const tensor_check *t, double reach)
{
    static float start[MAX_TENSOR];
    double y[POINTS];
    slopes result = { .norm = norm_of(t->grads, t->n) };

    CHECK_TRUE(t->n <= MAX_TENSOR);
    memcpy(start, t->values, t->n * sizeof *start);
    for (size_t i = 0; i < t->n; i++)
        result.gradient += (double)t->grads[i] * direction(t, i);
    for (int k = 0; k < POINTS; k++) {
        const double at = reach * (k + 1.0) / POINTS;
        const double up = loss_at(u, t, start, at);
        y[k] = 0.5 * (up - loss_at(u, t, start, -at));
    }
    memcpy(t->values, start, t->n * sizeof *start);
    result.differences = fit_slope(y, &result.error) / reach;
    result.error /= reach;
    return result;
}

/* Returns true when the test of this tensor had power. */
static bool check_tensor(tiny_unet *u, const tensor_check *t, double all_grads, double reach)
{
    const slopes s = measure(u, t, reach);
    const double tolerance = 10.0 * s.error + 1e-4 * s.norm + 1e-6 * all_grads;

    if (!(fabs(s.differences - s.gradient) <= tolerance))
        fail_msg("%s: differences %.9g, gradient %.9g, allowed %.3g (standard error %.3g)", t->name,
                 s.differences, s.gradient, tolerance, s.error);
    return tolerance <= 0.02 * s.norm;
}

static void check_network(const mcvd_config *config, const char *key)
{
    const mcvdi_graph_options options = { .mode = MCVDI_TRAIN, .input_gradient = true };
    tiny_unet u;
    size_t powerful = 0;

    make_tiny_unet(&u, config, 2, &options, key);
    backward(&u);
    const size_t num_params = mcvdi_graph_num_params(u.graph);
    const size_t floats = mcvdi_graph_param_floats(u.graph);
    float *grads = malloc(floats * sizeof *grads);
    CHECK_TRUE(grads != NULL);
    memcpy(grads, mcvdi_graph_gradients(u.graph), floats * sizeof *grads);
    const double all = norm_of(grads, floats);
    CHECK_TRUE(all > 0.0);
    for (size_t i = 0; i < num_params; i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(u.graph, i);
        const tensor_check t = { p->name, mcvdi_graph_values(u.graph) + p->offset,
                                 grads + p->offset, p->numel };
        const double scale = p->ndim > 1 ? sqrt((double)p->shape[0] / (double)p->numel) : 0.1;
        powerful += check_tensor(&u, &t, all, 0.2 * scale);
    }
    const mcvdi_value_id inputs[] = { u.net.x, u.net.cond };
    for (size_t i = 0; i < 2; i++) {
        const tensor_check t = { i ? "input cond" : "input x", mcvdi_graph_data(u.graph, inputs[i]),
                                 mcvdi_graph_grad(u.graph, inputs[i]),
                                 mcvdi_dims_numel(mcvdi_graph_dims(u.graph, inputs[i])) };
        CHECK_TRUE(check_tensor(&u, &t, all, 0.05));
    }
    print_message("%s: %zu of %zu tensors decided within 2 %%\n", key, powerful, num_params);
    CHECK_TRUE(10 * powerful >= 9 * num_params);
    free(grads);
    mcvdi_graph_free(&u.graph);
}

static void without_dropout(void **state)
{
    const mcvd_config config = tiny_config();

    (void)state;
    check_network(&config, "seed 1");
    check_network(&config, "seed 2");
}

static void with_dropout_and_mask_embedding(void **state)
{
    mcvd_config config = tiny_config();

    (void)state;
    config.model.dropout = 0.3;
    config.model.cond_emb = true;
    check_network(&config, "seed 3");
}

static void with_cells_and_three_levels(void **state)
{
    mcvd_config config = tiny_config();

    (void)state;
    CHECK_OK(mcvd_config_set(&config, "model.space_to_depth=2"));
    CHECK_OK(mcvd_config_set(&config, "model.ch_mult=[1,2,2]"));
    CHECK_OK(mcvd_config_set(&config, "model.attn_resolutions=[4]"));
    CHECK_OK(mcvd_config_set(&config, "model.dropout=0.1"));
    check_network(&config, "seed 4");
}

static void with_actions(void **state)
{
    mcvd_config config = tiny_variant("unetmore", false);

    (void)state;
    config.model.action_dim = 3;
    config.model.cond_emb = true;
    check_network(&config, "actions");
}

static void spade(void **state)
{
    const mcvd_config config = tiny_variant("unetmore", true);

    (void)state;
    check_network(&config, "spade");
}

static void full_3d(void **state)
{
    const mcvd_config config = tiny_variant("unetmore3d", false);

    (void)state;
    check_network(&config, "3d");
}

static void pseudo_3d(void **state)
{
    mcvd_config config = tiny_variant("unetmorepseudo3d", false);

    (void)state;
    config.data.channels = 3;
    config.model.dropout = 0.1;
    check_network(&config, "pseudo 3d");
}

static void spade_full_3d(void **state)
{
    const mcvd_config config = tiny_variant("unetmore3d", true);

    (void)state;
    check_network(&config, "spade 3d");
}

static void spade_pseudo_3d_without_timestep(void **state)
{
    mcvd_config config = tiny_variant("unetmorepseudo3d", true);

    (void)state;
    config.model.time_conditional = false;
    config.model.ch_mult = (mcvd_int_list) { 1, { 1 } };
    check_network(&config, "spade pseudo 3d");
}

/* A gradient that is wrong by 5 % is noticed. */
static void notices_a_wrong_gradient(void **state)
{
    const mcvd_config config = tiny_config();
    const mcvdi_graph_options options = { .mode = MCVDI_TRAIN };
    static float grads[MAX_TENSOR];
    tiny_unet u;

    (void)state;
    make_tiny_unet(&u, &config, 2, &options, "seed 1");
    backward(&u);
    const mcvdi_param *p = mcvdi_graph_get_param(u.graph, 0);
    memcpy(grads, mcvdi_graph_gradients(u.graph) + p->offset, p->numel * sizeof *grads);
    const tensor_check t = { p->name, mcvdi_graph_values(u.graph) + p->offset, grads, p->numel };
    const slopes s = measure(&u, &t, 0.02);
    const double tolerance = 10.0 * s.error + 1e-4 * s.norm;
    CHECK_CLOSE(s.differences, s.gradient, tolerance);
    CHECK_TRUE(fabs(s.differences - 1.05 * s.gradient) > tolerance);
    mcvdi_graph_free(&u.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_dropout),
        cmocka_unit_test(with_dropout_and_mask_embedding),
        cmocka_unit_test(with_cells_and_three_levels),
        cmocka_unit_test(with_actions),
        cmocka_unit_test(spade),
        cmocka_unit_test(full_3d),
        cmocka_unit_test(pseudo_3d),
        cmocka_unit_test(spade_full_3d),
        cmocka_unit_test(spade_pseudo_3d_without_timestep),
        cmocka_unit_test(notices_a_wrong_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
