/*
 * v' J through whole small networks, in x alone and without the gradients of parameters: against
 * central differences of the network's own forward, and bit for bit against the graph that computes
 * every gradient.
 *
 * D(h) = v . (out(x + h d) - out(x - h d)) / 2h along a unit direction d; R = (4 D(h) - D(2h)) / 3
 * removes the error of h^2. What is left:
 *
 *     |R - v'J d| <= |R - D(h)|                       (more than the error of h^4)
 *                  + 4 * 2e-6 * |v| |out| / h         (rounding of single-precision outputs, of
 *                                                      relative size 2e-6 as in the golden test)
 *
 * and this must stay below 3 % of |v'J|, so that the test can fail.
 */
#include <stdlib.h>

#include "support/folder_fixture.h"
#include "support/random_model.h"

enum { SIDE = 16, FRAMES = 2, KNOWN = 3, BATCH = 2 };
enum { X = FRAMES * SIDE * SIDE, N = BATCH * X, COND = BATCH * KNOWN * SIDE * SIDE };

typedef struct member {
    const char *arch;
    bool spade;
    bool cond_emb;
    int space_to_depth;
    bool no_onednn;
} member;

static const member family[] = {
    { "unetmore", false, false, 1, false },        { "unetmore", false, true, 2, false },
    { "unetmore", false, false, 1, true },         { "unetmore", true, true, 1, false },
    { "unetmore3d", false, false, 1, false },      { "unetmore3d", true, false, 1, true },
    { "unetmorepseudo3d", true, false, 1, false }, { "unetmorepseudo3d", false, false, 1, true },
};

enum { NUM_MEMBERS = sizeof family / sizeof family[0] };

static mcvd_config member_config(const member *m)
{
    mcvd_config config = window_config((window_shape) { 2, FRAMES, 1, 1, m->cond_emb });

    CHECK_EQ(config.data.image_size, SIDE);
    snprintf(config.model.arch, sizeof config.model.arch, "%s", m->arch);
    config.model.spade = m->spade;
    config.model.spade_dim = 12;
    config.model.space_to_depth = m->space_to_depth;
    config.model.dropout = 0.1; /* must be off */
    return config;
}

static mcvd_network *open_member(const member *m, const mcvd_config *config)
{
    const mcvd_network_config nc = { .batch = BATCH, .gradient = true, .no_onednn = m->no_onednn };
    char path[TEST_PATH_BYTES];
    mcvd_model *model = NULL;
    mcvd_network *net = NULL;

    write_random_model(config, test_path(path, folder, "model.safetensors"));
    CHECK_OK(mcvd_model_load(&model, path, NULL));
    CHECK_OK(mcvd_network_create(&net, model, &nc));
    mcvd_model_free(&model);
    return net;
}

static float x[N];
static float v[N];
static float cond[COND];
static const double t[BATCH] = { 12.5, 60.0 };
static const float mask[BATCH] = { 1.0f, 0.0f };

static mcvd_network_input fill_call(void)
{
    for (size_t i = 0; i < N; i++) {
        x[i] = hashed_gauss("x", (uint32_t)i);
        v[i] = hashed_gauss("v", (uint32_t)i) < 0.0f ? -1.0f : 1.0f;
    }
    for (size_t i = 0; i < COND; i++)
        cond[i] = tanhf(hashed_gauss("cond", (uint32_t)i));
    return (mcvd_network_input) { .x = x, .t = t, .cond = cond, .cond_mask = mask };
}

static double dot(const float *a, const float *b)
{
    double sum = 0.0;

    for (size_t i = 0; i < N; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* v . out at x + h d */
static double along(mcvd_network *net, const mcvd_network_input *in, const float *d, double h)
{
    static float moved[N];
    static float out[N];
    mcvd_network_input there = *in;

    for (size_t i = 0; i < N; i++)
        moved[i] = (float)((double)in->x[i] + h * (double)d[i]);
    there.x = moved;
    CHECK_OK(mcvd_network_forward(net, &there, out));
    return dot(v, out);
}

static void check_direction(mcvd_network *net, const mcvd_network_input *in, const float *d,
                            const float *vj, double out_norm)
{
    const double h = 0.05;
    const double near = (along(net, in, d, h) - along(net, in, d, -h)) / (2.0 * h);
    const double far = (along(net, in, d, 2.0 * h) - along(net, in, d, -2.0 * h)) / (4.0 * h);
    const double best = (4.0 * near - far) / 3.0;
    const double tolerance = fabs(best - near) + 4.0 * 2e-6 * sqrt((double)N) * out_norm / h;

    CHECK_TRUE(tolerance < 0.03 * sqrt(dot(vj, vj)));
    CHECK_CLOSE(dot(vj, d), best, tolerance);
}

static void test_differences(void **state)
{
    static float out[N];
    static float vj[N];
    static float d[N];

    (void)state;
    for (size_t m = 0; m < NUM_MEMBERS; m++) {
        const mcvd_config config = member_config(&family[m]);
        const mcvd_network_input in = fill_call();
        mcvd_network *net = open_member(&family[m], &config);

        CHECK_OK(mcvd_network_vjp(net, &in, v, out, vj));
        const double length = sqrt(dot(vj, vj));
        CHECK_TRUE(length > 0.0);
        for (size_t i = 0; i < N; i++) /* where v'J is longest */
            d[i] = (float)((double)vj[i] / length);
        check_direction(net, &in, d, vj, sqrt(dot(out, out)));
        for (size_t i = 0; i < N; i++)
            d[i] = hashed_gauss("direction", (uint32_t)i) / sqrtf((float)N);
        check_direction(net, &in, d, vj, sqrt(dot(out, out)));
        mcvd_network_free(&net);
    }
}

/* The graph of training, with the gradients of parameters and of all inputs. */
static void full_gradient(const member *m, const mcvd_config *config, float *vj)
{
    const mcvdi_graph_options options = { .mode = MCVDI_TRAIN,
                                          .no_onednn = m->no_onednn,
                                          .input_gradient = true };
    tiny_unet u;

    make_tiny_unet(&u, config, BATCH, &options, "random model");
    mcvdi_graph_run(u.graph)->training = false;
    memcpy(mcvdi_graph_data(u.graph, u.net.x), x, sizeof x);
    memcpy(mcvdi_graph_data(u.graph, u.net.cond), cond, sizeof cond);
    for (size_t n = 0; n < BATCH; n++) {
        if (u.net.labels >= 0)
            mcvdi_graph_data(u.graph, u.net.labels)[n] = mcvdi_label_of_timestep(config, t[n]);
        if (u.net.cond_mask >= 0)
            mcvdi_graph_data(u.graph, u.net.cond_mask)[n] = mask[n];
    }
    CHECK_OK(mcvdi_graph_forward(u.graph));
    memcpy(mcvdi_graph_grad(u.graph, u.net.out), v, sizeof v);
    mcvdi_graph_zero_gradients(u.graph);
    CHECK_OK(mcvdi_graph_backward(u.graph));
    memcpy(vj, mcvdi_graph_grad(u.graph, u.net.x), N * sizeof *vj);
    mcvdi_graph_free(&u.graph);
}

static void test_equals_training(void **state)
{
    static float out[N];
    static float vj[N];
    static float again[N];
    static float expected[N];

    (void)state;
    for (size_t m = 0; m < NUM_MEMBERS; m++) {
        const mcvd_config config = member_config(&family[m]);
        const mcvd_network_input in = fill_call();
        mcvd_network *net = open_member(&family[m], &config);

        CHECK_OK(mcvd_network_vjp(net, &in, v, out, again)); /* a call leaves nothing behind */
        CHECK_OK(mcvd_network_vjp(net, &in, v, out, vj));
        full_gradient(&family[m], &config, expected);
        CHECK_ALL_CLOSE(vj, expected, N, 0.0);
        CHECK_ALL_CLOSE(again, expected, N, 0.0);
        mcvd_network_free(&net);
    }
}

static void test_needs_its_option(void **state)
{
    const mcvd_config config = member_config(&family[0]);
    const mcvd_network_config nc = { .batch = BATCH };
    const mcvd_network_input in = fill_call();
    static float out[N];
    static float vj[N];
    mcvd_model *model = NULL;
    mcvd_network *net = NULL;

    (void)state;
    CHECK_OK(mcvd_model_create(&model, &config, 1));
    CHECK_OK(mcvd_network_create(&net, model, &nc));
    CHECK_STATUS(mcvd_network_vjp(net, &in, v, out, vj), MCVD_E_STATE);
    CHECK_MESSAGE("mcvd_network_config.gradient");
    mcvd_network_free(&net);
    mcvd_model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_equals_training),
        cmocka_unit_test(test_needs_its_option),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
