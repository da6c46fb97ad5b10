/* Every U-Net against the reference: outputs, stages and gradients of each case. */
#include <stdio.h>
#include <stdlib.h>

#include <mcvd/model.h>
#include <mcvd/safetensors.h>

#include "model/model_internal.h"
#include "support/check.h"

enum { PATH_BYTES = 512 };

static const char *case_path(const char *name, const char *file)
{
    static char path[4][PATH_BYTES];
    static int next;
    char *to = path[next++ % 4];

    snprintf(to, PATH_BYTES, "%s/%s/%s", MCVD_TEST_GOLDEN, name, file);
    return to;
}

static mcvd_tensor get(const mcvd_safetensors *file, const char *name)
{
    mcvd_tensor t;

    CHECK_OK(mcvd_safetensors_get(file, name, &t));
    return t;
}

/* A new channels-last copy of an [N, C, H, W] tensor. */
static float *nhwc(const mcvd_tensor *t)
{
    float *copy = malloc(mcvd_tensor_numel(t) * sizeof *copy);

    CHECK_TRUE(copy && t->ndim == 4);
    mcvd_tensor_to_nhwc(copy, t->data, t->shape[0], t->shape[1], t->shape[2] * t->shape[3]);
    return copy;
}

/* Limits of tests/golden/README.md: 1e-5 * max(1, largest |b|). */
static double output_tolerance(const float *b, size_t n)
{
    double largest = 1.0;

    for (size_t i = 0; i < n; i++)
        if (fabs((double)b[i]) > largest)
            largest = fabs((double)b[i]);
    return 1e-5 * largest;
}

typedef struct golden_case {
    mcvd_config config;
    mcvd_safetensors *io;
    float *x, *cond, *cond_noise, *mask;
    double *t;
    mcvd_tensor x_tensor;
} golden_case;

static double label_at(const mcvd_tensor *labels, size_t i)
{
    return labels->dtype == MCVD_I64 ? (double)((const int64_t *)labels->data)[i]
                                     : (double)((const float *)labels->data)[i];
}

static void set_labels(golden_case *c, const char *name)
{
    const mcvd_tensor labels = get(c->io, name);

    for (size_t i = 0; i < labels.shape[0]; i++)
        c->t[i] = (double)(c->config.model.num_classes - 1) - label_at(&labels, i);
}

static void open_case(golden_case *c, const char *name)
{
    mcvd_config_default(&c->config);
    CHECK_OK(mcvd_config_read(&c->config, case_path(name, "config.json")));
    CHECK_OK(mcvd_safetensors_open(&c->io, case_path(name, "io.safetensors")));
    c->x_tensor = get(c->io, "x");
    const mcvd_tensor cond = get(c->io, "cond");
    c->x = nhwc(&c->x_tensor);
    c->cond = nhwc(&cond);
    c->t = calloc(c->x_tensor.shape[0], sizeof *c->t);
    c->mask = c->cond_noise = NULL;
    set_labels(c, "labels");
    if (mcvd_safetensors_has(c->io, "cond_noise")) {
        const mcvd_tensor noise = get(c->io, "cond_noise");
        c->cond_noise = nhwc(&noise);
    }
    if (mcvd_safetensors_has(c->io, "cond_mask")) {
        const mcvd_tensor mask = get(c->io, "cond_mask");
        c->mask = calloc(mask.shape[0], sizeof *c->mask);
        for (size_t i = 0; i < mask.shape[0]; i++)
            c->mask[i] = (float)((const int32_t *)mask.data)[i];
    }
}

static void close_case(golden_case *c)
{
    mcvd_safetensors_close(&c->io);
    free(c->x);
    free(c->cond);
    free(c->cond_noise);
    free(c->t);
    free(c->mask);
}

static void check_output(golden_case *c, mcvd_network *net, const float *mask, const char *expected)
{
    const size_t n = mcvd_tensor_numel(&c->x_tensor);
    const mcvd_tensor want = get(c->io, expected);
    float *wanted = nhwc(&want);
    float *out = malloc(n * sizeof *out);
    const mcvd_network_input in = {
        .x = c->x, .t = c->t, .cond = c->cond, .cond_mask = mask, .cond_noise = c->cond_noise
    };

    CHECK_OK(mcvd_network_forward(net, &in, out));
    CHECK_ALL_CLOSE(out, wanted, n, output_tolerance(wanted, n));
    free(out);
    free(wanted);
}

/* How a network is made ready; each way is a graph of its own. */
typedef struct variant {
    bool no_onednn;
    bool stages;
} variant;

static mcvd_network *open_network(const golden_case *c, const char *name, const char *weights,
                                  variant how)
{
    mcvd_model *model = NULL;
    mcvd_network *net = NULL;
    const mcvd_network_config nc = { .batch = c->x_tensor.shape[0],
                                     .height = c->x_tensor.shape[2],
                                     .width = c->x_tensor.shape[3],
                                     .keep_stages = how.stages,
                                     .no_onednn = how.no_onednn };

    CHECK_OK(mcvd_model_load(&model, case_path(name, weights), &c->config));
    CHECK_OK(mcvd_network_create(&net, model, &nc));
    mcvd_model_free(&model);
    return net;
}

/* Every stage that both sides have, in the order of the file, which holds the first sample of most
 * of them. */
static void check_stages(mcvd_network *net, const char *name)
{
    mcvd_safetensors *file = NULL;
    size_t compared = 0;

    CHECK_OK(mcvd_safetensors_open(&file, case_path(name, "stages.safetensors")));
    for (size_t i = 0; i < mcvd_network_num_stages(net); i++) {
        const char *stage_name = NULL;
        mcvd_tensor ours;
        CHECK_OK(mcvd_network_stage(net, i, &stage_name, &ours));
        if (!mcvd_safetensors_has(file, stage_name))
            continue;
        const mcvd_tensor theirs = get(file, stage_name);
        const size_t n = mcvd_tensor_numel(&theirs);
        const size_t all = mcvd_tensor_numel(&ours);
        float *values = malloc(all * sizeof *values);
        CHECK_TRUE(values && (n == all || n * mcvd_network_batch(net) == all));
        mcvd_tensor_to_nchw(values, ours.data, ours.shape[0], ours.shape[3],
                            ours.shape[1] * ours.shape[2]);
        check_all_close(__FILE__, __LINE__, stage_name, values, theirs.data, n,
                        output_tolerance(theirs.data, n));
        free(values);
        compared++;
    }
    CHECK_EQ(compared, mcvd_safetensors_count(file)); /* none of theirs is missing */
    mcvd_safetensors_close(&file);
}

static bool has_ema(const golden_case *c)
{
    return mcvd_safetensors_has(c->io, "out_model");
}

static const char *weights_of(const golden_case *c)
{
    return has_ema(c) ? "weights_ema.safetensors" : "weights_model.safetensors";
}

static void check_case(const char *name, variant how)
{
    golden_case c;

    open_case(&c, name);
    mcvd_network *net = open_network(&c, name, weights_of(&c), how);
    check_output(&c, net, c.mask, "out");
    if (how.stages)
        check_stages(net, name);
    if (mcvd_safetensors_has(c.io, "out_default_mask"))
        check_output(&c, net, NULL, "out_default_mask");
    if (mcvd_safetensors_has(c.io, "labels_frac")) {
        set_labels(&c, "labels_frac");
        check_output(&c, net, c.mask, "out_frac");
        set_labels(&c, "labels");
    }
    mcvd_network_free(&net);
    if (has_ema(&c)) {
        net = open_network(&c, name, "weights_model.safetensors", how);
        check_output(&c, net, c.mask, "out_model");
        mcvd_network_free(&net);
    }
    close_case(&c);
}

/* The order of our parameters is the order of the reference's state, buffers left out. */
static void check_parameter_order(const char *name)
{
    golden_case c;
    mcvd_model *model = NULL;
    mcvd_safetensors *file = NULL;
    size_t next = 0;

    open_case(&c, name);
    CHECK_OK(mcvd_model_load(&model, case_path(name, weights_of(&c)), &c.config));
    CHECK_OK(mcvd_safetensors_open(&file, case_path(name, weights_of(&c))));
    for (size_t i = 0; i < mcvd_safetensors_count(file); i++) {
        const char *ours = NULL;
        const char *theirs = mcvd_safetensors_name(file, i);
        mcvd_tensor shape;
        if (strncmp(theirs, "unet.all_modules.", 17) != 0)
            continue;
        CHECK_OK(mcvd_model_tensor(model, next++, &ours, &shape));
        assert_string_equal(ours, theirs);
    }
    CHECK_EQ(next, mcvd_model_num_tensors(model));
    mcvd_safetensors_close(&file);
    mcvd_model_free(&model);
    close_case(&c);
}

/* --- gradients --- */

static mcvdi_graph *training_graph(const golden_case *c, const char *name, bool no_onednn,
                                   mcvdi_unet *unet)
{
    const mcvdi_graph_options options = { .mode = MCVDI_TRAIN,
                                          .no_onednn = no_onednn,
                                          .input_gradient = true };
    const mcvd_tensor *x = &c->x_tensor;
    mcvdi_graph *g = NULL;
    mcvd_model *model = NULL;

    memset(unet, 0, sizeof *unet);
    CHECK_OK(mcvd_model_load(&model, case_path(name, "weights_ema.safetensors"), &c->config));
    CHECK_OK(mcvdi_graph_create(&g, &options));
    CHECK_OK(mcvdi_unet_build(unet, g, &c->config, x->shape[0], x->shape[2], x->shape[3]));
    CHECK_OK(mcvdi_graph_compile(g));
    const mcvdi_weight_source source = mcvdi_model_source(model);
    CHECK_OK(mcvdi_weights_load(g, &source));
    mcvd_model_free(&model);
    return g;
}

static void set_inputs(mcvdi_graph *g, const mcvdi_unet *unet, const golden_case *c)
{
    const size_t batch = c->x_tensor.shape[0];

    memcpy(mcvdi_graph_data(g, unet->x), c->x, mcvd_tensor_numel(&c->x_tensor) * sizeof(float));
    memcpy(mcvdi_graph_data(g, unet->cond), c->cond,
           mcvdi_dims_numel(mcvdi_graph_dims(g, unet->cond)) * sizeof(float));
    for (size_t n = 0; n < batch; n++) {
        if (unet->labels >= 0)
            mcvdi_graph_data(g, unet->labels)[n] = mcvdi_label_of_timestep(&c->config, c->t[n]);
        if (unet->cond_mask >= 0)
            mcvdi_graph_data(g, unet->cond_mask)[n] = c->mask ? c->mask[n] : 1.0f;
    }
}

/* |a - b| <= 1e-6 + 1e-4 * largest |b|; adds to the sums of the whole gradient vector. */
static void compare_gradient(const char *name, const float *ours, const float *theirs, size_t n,
                             double sums[2])
{
    double largest = 0.0;

    for (size_t i = 0; i < n; i++) {
        const double b = (double)theirs[i];
        const double diff = (double)ours[i] - b;
        if (fabs(b) > largest)
            largest = fabs(b);
        sums[0] += diff * diff;
        sums[1] += b * b;
    }
    check_all_close(__FILE__, __LINE__, name, ours, theirs, n, 1e-6 + 1e-4 * largest);
}

static void check_gradients(const char *name, bool no_onednn)
{
    golden_case c;
    mcvdi_unet unet;
    mcvd_safetensors *file = NULL;
    double sums[2] = { 0.0, 0.0 };

    open_case(&c, name);
    mcvdi_graph *g = training_graph(&c, name, no_onednn, &unet);
    set_inputs(g, &unet, &c);
    CHECK_OK(mcvdi_graph_forward(g));
    const mcvd_tensor seed = get(c.io, "grad_seed");
    const size_t n = mcvd_tensor_numel(&seed);
    mcvd_tensor_to_nhwc(mcvdi_graph_grad(g, unet.out), seed.data, seed.shape[0], seed.shape[1],
                        seed.shape[2] * seed.shape[3]);
    for (size_t i = 0; i < n; i++)
        mcvdi_graph_grad(g, unet.out)[i] /= (float)n; /* loss = mean of out * grad_seed */
    mcvdi_graph_zero_gradients(g);
    CHECK_OK(mcvdi_graph_backward(g));

    CHECK_OK(mcvd_safetensors_open(&file, case_path(name, "grads.safetensors")));
    for (size_t i = 0; i < mcvdi_graph_num_params(g); i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(g, i);
        const mcvd_tensor want = get(file, p->name);
        compare_gradient(p->name, mcvdi_graph_gradients(g) + p->offset, want.data, p->numel, sums);
    }
    const mcvd_tensor want_x = get(file, "input.x");
    const mcvd_tensor want_cond = get(file, "input.cond");
    float *dx = nhwc(&want_x);
    float *dcond = nhwc(&want_cond);
    compare_gradient("input.x", mcvdi_graph_grad(g, unet.x), dx, n, sums);
    compare_gradient("input.cond", mcvdi_graph_grad(g, unet.cond), dcond,
                     mcvd_tensor_numel(&want_cond), sums);
    CHECK_CLOSE(sqrt(sums[0] / sums[1]), 0.0, 2e-5);
    free(dx);
    free(dcond);
    mcvd_safetensors_close(&file);
    mcvdi_graph_free(&g);
    close_case(&c);
}

static const char *const names[] = {
    "concat_rgb",         "concat_gray",           "concat_condemb", "concat_notime",
    "spade_rgb",          "full3d_gray",           "pseudo3d_rgb",   "spade_full3d_gray",
    "spade_pseudo3d_rgb", "spade_noisecond_noema",
};
enum { NUM_CASES = sizeof names / sizeof *names };

static void outputs_and_stages(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUM_CASES; i++)
        for (int no_onednn = 0; no_onednn < 2; no_onednn++)
            check_case(names[i], (variant) { .no_onednn = no_onednn, .stages = true });
}

static void outputs_without_stages(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUM_CASES; i++)
        for (int no_onednn = 0; no_onednn < 2; no_onednn++)
            check_case(names[i], (variant) { .no_onednn = no_onednn });
}

static void parameter_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUM_CASES; i++)
        check_parameter_order(names[i]);
}

static void gradients(void **state)
{
    static const char *const with_gradients[] = { "concat_rgb", "concat_condemb", "spade_rgb",
                                                  "full3d_gray", "pseudo3d_rgb" };
    (void)state;
    for (size_t i = 0; i < sizeof with_gradients / sizeof *with_gradients; i++)
        for (int no_onednn = 0; no_onednn < 2; no_onednn++)
            check_gradients(with_gradients[i], no_onednn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_and_stages),
        cmocka_unit_test(outputs_without_stages),
        cmocka_unit_test(parameter_order),
        cmocka_unit_test(gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
