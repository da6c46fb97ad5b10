/* The graph: memory plan, reverse execution, failures of build steps, refused allocations. */
#include <stdlib.h>

#include "core/alloc.h"
#include "ops/ops.h"
#include "support/failing.h"
#include "support/tiny_unet.h"

static const mcvdi_graph_options training = { .mode = MCVDI_TRAIN, .input_gradient = true };
static const mcvdi_graph_options inference = { .mode = MCVDI_INFER };

static mcvdi_graph *new_graph(const mcvdi_graph_options *options)
{
    mcvdi_graph *g = NULL;

    CHECK_OK(mcvdi_graph_create(&g, options));
    CHECK_TRUE(g != NULL);
    return g;
}

static float *seed_output(mcvdi_graph *g, mcvdi_value_id out)
{
    float *grad = mcvdi_graph_grad(g, out);
    const size_t n = mcvdi_dims_numel(mcvdi_graph_dims(g, out));

    CHECK_TRUE(grad != NULL);
    for (size_t i = 0; i < n; i++)
        grad[i] = hashed_gauss("seed", (uint32_t)i);
    return grad;
}

/* --- the memory plan --- */

static uint64_t checksum(const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < bytes; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

static uint64_t value_sum(mcvdi_dims dims, const float *data)
{
    return checksum(data, mcvdi_dims_numel(dims) * sizeof *data);
}

/* What was written, and what is found when somebody reads it. */
typedef struct watch {
    mcvdi_graph *g;
    uint64_t *data;  /* per value: after its producer ran */
    uint64_t *grad;  /* per value: after the newest writer of its gradient */
    uint64_t *saved; /* per node */
} watch;

static mcvdi_node *node_at(const watch *w, size_t i)
{
    const mcvdi_node *node = mcvdi_graph_get_node(w->g, i);
    mcvdi_node *writable;

    memcpy(&writable, &node, sizeof node);
    return writable;
}

static void check_sum(const mcvdi_node *node, const char *what, uint64_t found, uint64_t written)
{
    if (found != written)
        fail_msg("node %d (%s): %s was overwritten before it was read", node->index, node->op->name,
                 what);
}

static void watch_forward(watch *w)
{
    for (size_t i = 0; i < mcvdi_graph_num_nodes(w->g); i++) {
        mcvdi_node *node = node_at(w, i);
        for (int k = 0; k < node->num_inputs; k++)
            check_sum(node, "an input", value_sum(node->x_dims[k], node->x[k]),
                      w->data[node->inputs[k]]);
        memset(node->y, 0xff, mcvdi_dims_numel(node->y_dims) * sizeof *node->y); /* NaN */
        CHECK_OK(node->op->forward(node));
        w->data[node->output] = value_sum(node->y_dims, node->y);
        w->saved[i] = checksum(node->saved, node->saved ? node->saved_bytes : 0);
    }
}

static void check_backward_reads(const watch *w, const mcvdi_node *node)
{
    for (int k = 0; k < node->num_inputs; k++)
        if (node->op->backward_needs & MCVDI_NEEDS_X(k))
            check_sum(node, "an input of backward", value_sum(node->x_dims[k], node->x[k]),
                      w->data[node->inputs[k]]);
    if (node->op->backward_needs & MCVDI_NEEDS_Y)
        check_sum(node, "the output for backward", value_sum(node->y_dims, node->y),
                  w->data[node->output]);
    check_sum(node, "what it saved", checksum(node->saved, node->saved ? node->saved_bytes : 0),
              w->saved[node->index]);
    check_sum(node, "its gradient", value_sum(node->y_dims, node->dy), w->grad[node->output]);
}

static void watch_backward(watch *w)
{
    for (size_t i = mcvdi_graph_num_nodes(w->g); i-- > 0;) {
        mcvdi_node *node = node_at(w, i);
        if (!node->dy || !node->op->backward)
            continue;
        check_backward_reads(w, node);
        for (int k = 0; k < node->num_inputs; k++) {
            if (node->dx[k] && node->dx_add[k])
                check_sum(node, "a gradient that it adds to",
                          value_sum(node->x_dims[k], node->dx[k]), w->grad[node->inputs[k]]);
            else if (node->dx[k]) /* the first writer finds rubbish */
                memset(node->dx[k], 0xff, mcvdi_dims_numel(node->x_dims[k]) * sizeof(float));
            if (node->dx[k])
                w->grad[node->inputs[k]] = value_sum(node->x_dims[k], node->dx[k]);
        }
        CHECK_OK(node->op->backward(node));
        for (int k = 0; k < node->num_inputs; k++)
            if (node->dx[k])
                w->grad[node->inputs[k]] = value_sum(node->x_dims[k], node->dx[k]);
    }
}

static void watch_unet(const mcvd_config *config, const mcvdi_graph_options *options)
{
    tiny_unet u;

    make_tiny_unet(&u, config, 2, options, "watched");
    const size_t n = 4 * mcvdi_graph_num_nodes(u.graph) + 64; /* nodes, inputs, and some views */
    watch w = { u.graph, calloc(n, sizeof *w.data), calloc(n, sizeof *w.grad),
                calloc(n, sizeof *w.saved) };
    CHECK_TRUE(w.data && w.grad && w.saved);
    const mcvdi_value_id inputs[] = { u.net.x, u.net.cond, u.net.labels, u.net.cond_mask };
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (inputs[i] >= 0)
            w.data[inputs[i]] = value_sum(mcvdi_graph_dims(u.graph, inputs[i]),
                                          mcvdi_graph_data(u.graph, inputs[i]));
    watch_forward(&w);
    if (options->mode == MCVDI_TRAIN) {
        const float *seed = seed_output(u.graph, u.net.out);
        for (size_t i = 0; i < mcvdi_graph_num_nodes(u.graph); i++) /* the output may be a view */
            if (node_at(&w, i)->dy == seed)
                w.grad[node_at(&w, i)->output] = value_sum(node_at(&w, i)->y_dims, seed);
        watch_backward(&w);
    }
    free(w.data);
    free(w.grad);
    free(w.saved);
    mcvdi_graph_free(&u.graph);
}

/* Node by node: whatever a node reads still is what was written. Rubbish in fresh buffers. */
static void live_buffers_are_not_overwritten(void **state)
{
    mcvd_config config = tiny_config();
    mcvdi_graph_options im2col = training;

    (void)state;
    config.model.dropout = 0.2;
    config.model.cond_emb = true;
    im2col.no_onednn = true;
    watch_unet(&config, &training);
    watch_unet(&config, &im2col);
    watch_unet(&config, &inference);
}

static void plan_changes_no_result(void **state)
{
    const mcvd_config config = tiny_config();
    mcvdi_graph_options keep = training;
    tiny_unet planned;
    tiny_unet kept;

    (void)state;
    keep.keep_all = true;
    make_tiny_unet(&planned, &config, 2, &training, "plan");
    make_tiny_unet(&kept, &config, 2, &keep, "plan");
    CHECK_TRUE(mcvdi_graph_activation_bytes(planned.graph) <
               mcvdi_graph_activation_bytes(kept.graph));
    const size_t floats = mcvdi_graph_param_floats(kept.graph);
    const size_t n = mcvdi_dims_numel(mcvdi_graph_dims(kept.graph, kept.net.out));
    tiny_unet *both[] = { &planned, &kept };
    for (int i = 0; i < 2; i++)
        for (int repeat = 0; repeat < 2; repeat++) { /* the second run starts with used buffers */
            CHECK_OK(mcvdi_graph_forward(both[i]->graph));
            seed_output(both[i]->graph, both[i]->net.out);
            mcvdi_graph_zero_gradients(both[i]->graph);
            CHECK_OK(mcvdi_graph_backward(both[i]->graph));
        }
    CHECK_EQ(memcmp(mcvdi_graph_data(planned.graph, planned.net.out),
                    mcvdi_graph_data(kept.graph, kept.net.out), n * sizeof(float)),
             0);
    CHECK_EQ(memcmp(mcvdi_graph_gradients(planned.graph), mcvdi_graph_gradients(kept.graph),
                    floats * sizeof(float)),
             0);
    CHECK_EQ(memcmp(mcvdi_graph_grad(planned.graph, planned.net.x),
                    mcvdi_graph_grad(kept.graph, kept.net.x), n * sizeof(float)),
             0);
    mcvdi_graph_free(&planned.graph);
    mcvdi_graph_free(&kept.graph);
}

/* Inference forgets activations; training keeps those that backward reads. */
static void inference_needs_less_memory(void **state)
{
    const mcvd_config config = tiny_config();
    tiny_unet infer;
    tiny_unet train;

    (void)state;
    make_tiny_unet(&infer, &config, 4, &inference, "plan");
    make_tiny_unet(&train, &config, 4, &training, "plan");
    CHECK_TRUE(2 * mcvdi_graph_activation_bytes(infer.graph) <
               mcvdi_graph_activation_bytes(train.graph));
    CHECK_TRUE(mcvdi_graph_gradients(infer.graph) == NULL);
    CHECK_TRUE(mcvdi_graph_values(infer.graph) == NULL);
    CHECK_CLOSE(mcvdi_graph_macs(infer.graph), mcvdi_graph_macs(train.graph), 0);
    mcvdi_graph_free(&infer.graph);
    mcvdi_graph_free(&train.graph);
}

/* --- gradients that meet --- */

static const mcvdi_dims small = { 2, 3, 2, 4 };

/* y = concat(x, residual(x, x)): x is read three times, twice by one node. */
static void shares_of_a_value_used_again_add_up(void **state)
{
    mcvdi_graph *g = new_graph(&training);
    const mcvdi_value_id x = mcvdi_graph_input(g, small);
    const mcvdi_value_id twice = mcvdi_residual(g, x, x);
    const mcvdi_value_id y = mcvdi_concat(g, x, twice);

    (void)state;
    mcvdi_graph_mark_output(g, y);
    CHECK_OK(mcvdi_graph_compile(g));
    fill_input(g, x, "x");
    for (int repeat = 0; repeat < 2; repeat++) { /* the second run must not add to the first */
        CHECK_OK(mcvdi_graph_forward(g));
        const float *dy = seed_output(g, y);
        CHECK_OK(mcvdi_graph_backward(g));
        for (size_t i = 0; i < mcvdi_dims_numel(small); i++) {
            const float *pair = dy + i / small.c * 2 * small.c + i % small.c;
            const double expected = (double)pair[0] + sqrt(2.0) * (double)pair[small.c];
            CHECK_CLOSE(mcvdi_graph_grad(g, x)[i], expected, 1e-6);
        }
    }
    mcvdi_graph_free(&g);
}

/* A marked value that is also used: its own seed and the share of its consumer. */
static void an_output_may_have_consumers(void **state)
{
    mcvdi_graph *g = new_graph(&training);
    const mcvdi_value_id x = mcvdi_graph_input(g, small);
    const mcvdi_value_id a = mcvdi_residual(g, x, x);
    const mcvdi_value_id b = mcvdi_residual(g, a, a);

    (void)state;
    mcvdi_graph_mark_output(g, a);
    mcvdi_graph_mark_output(g, b);
    CHECK_OK(mcvdi_graph_compile(g));
    fill_input(g, x, "x");
    CHECK_OK(mcvdi_graph_forward(g));
    for (size_t i = 0; i < mcvdi_dims_numel(small); i++) {
        mcvdi_graph_grad(g, a)[i] = 1.0f;
        mcvdi_graph_grad(g, b)[i] = 10.0f;
    }
    CHECK_OK(mcvdi_graph_backward(g));
    for (size_t i = 0; i < mcvdi_dims_numel(small); i++) /* sqrt(2) (1 + sqrt(2) 10) */
        CHECK_CLOSE(mcvdi_graph_grad(g, x)[i], sqrt(2.0) + 20.0, 1e-5);
    mcvdi_graph_free(&g);
}

static mcvdi_value_id add_conv(mcvdi_graph *g, mcvdi_value_id x, const char *name)
{
    const mcvdi_conv_spec spec = {
        .name = name, .out_channels = 4, .kernel = 3, .init_scale = 1.0
    };
    return mcvdi_conv(g, x, &spec);
}

/* Branches that no output depends on neither get gradients nor disturb those of others. */
static void unused_branches_have_no_gradient(void **state)
{
    float *expected = NULL;
    const size_t floats = 4 * 4 * 9 + 4;

    (void)state;
    for (int with_branch = 0; with_branch < 2; with_branch++) {
        mcvdi_graph *g = new_graph(&training);
        const mcvdi_value_id x = mcvdi_graph_input(g, small);
        const mcvdi_value_id h = mcvdi_silu(g, add_conv(g, x, "used"));
        if (with_branch)
            mcvdi_silu(g, add_conv(g, h, "unused"));
        const mcvdi_value_id y = mcvdi_residual(g, h, x);
        mcvdi_graph_mark_output(g, y);
        CHECK_OK(mcvdi_graph_compile(g));
        for (size_t i = 0; i < mcvdi_graph_param_floats(g); i++)
            mcvdi_graph_values(g)[i] = hashed_gauss("w", (uint32_t)i);
        fill_input(g, x, "x");
        for (int repeat = 0; repeat < 2; repeat++) {
            mcvdi_graph_zero_gradients(g);
            CHECK_OK(mcvdi_graph_forward(g));
            seed_output(g, y);
            CHECK_OK(mcvdi_graph_backward(g));
        }
        float *grads = mcvdi_graph_gradients(g);
        if (!with_branch) {
            CHECK_EQ(mcvdi_graph_param_floats(g), floats);
            expected = malloc(floats * sizeof *expected);
            CHECK_TRUE(expected != NULL);
            memcpy(expected, grads, floats * sizeof *expected);
        } else {
            CHECK_EQ(memcmp(expected, grads, floats * sizeof *expected), 0);
            for (size_t i = floats; i < mcvdi_graph_param_floats(g); i++)
                CHECK_CLOSE(grads[i], 0, 0);
        }
        mcvdi_graph_free(&g);
    }
    free(expected);
}

static void input_gradients_only_when_asked(void **state)
{
    const mcvdi_graph_options plain = { .mode = MCVDI_TRAIN };
    mcvdi_graph *g = new_graph(&plain);
    const mcvdi_value_id x = mcvdi_graph_input(g, small);
    const mcvdi_value_id y = add_conv(g, x, "conv");

    (void)state;
    mcvdi_graph_mark_output(g, y);
    CHECK_OK(mcvdi_graph_compile(g));
    CHECK_TRUE(mcvdi_graph_grad(g, x) == NULL);
    CHECK_TRUE(mcvdi_graph_get_node(g, 0)->dx[0] == NULL);
    CHECK_TRUE(mcvdi_graph_grad(g, y) != NULL);
    mcvdi_graph_free(&g);
}

/* --- failures --- */

static void build_failures_come_back_from_compile(void **state)
{
    (void)state;
    for (int which = 0; which < 5; which++) {
        mcvdi_graph *g = new_graph(&training);
        mcvdi_value_id x = mcvdi_graph_input(g, which == 0 ? (mcvdi_dims) { 2, 3, 0, 4 } : small);
        mcvd_status expected = MCVD_E_SHAPE;
        if (which == 1)
            x = mcvdi_graph_input(g, (mcvdi_dims) { SIZE_MAX / 2, 3, 3, 3 });
        if (which == 2)
            x = mcvdi_fir_down(g, x); /* 3 rows */
        if (which == 3)
            x = mcvdi_concat(g, x, mcvdi_graph_input(g, (mcvdi_dims) { 2, 3, 3, 4 }));
        if (which == 4) {
            x = mcvdi_graph_build_failed(g, mcvdi_fail(MCVD_E_CONFIG, "the first failure"));
            expected = MCVD_E_CONFIG;
        }
        CHECK_EQ(x, -1);
        CHECK_TRUE(!mcvdi_graph_ok(g));
        /* Later steps do nothing and do not hide the first failure. */
        x = mcvdi_silu(g, add_conv(g, x, "conv"));
        CHECK_EQ(x, -1);
        CHECK_EQ(mcvdi_graph_input(g, small), -1);
        CHECK_EQ(mcvdi_graph_build_failed(g, MCVD_E_NOMEM), -1);
        mcvdi_graph_mark_output(g, x);
        CHECK_STATUS(mcvdi_graph_compile(g), expected);
        CHECK_STATUS(mcvdi_graph_build_status(g), expected);
        CHECK_STATUS(mcvdi_graph_forward(g), MCVD_E_STATE);
        CHECK_EQ(mcvdi_graph_dims(g, x).n, 0);
        mcvdi_graph_free(&g);
        CHECK_TRUE(g == NULL);
    }
}

static void impossible_parameters_are_refused(void **state)
{
    const mcvdi_param_spec specs[] = { { .name = "none", .ndim = 2, .shape = { 3, 0 } },
                                       { .name = "huge", .ndim = 2, .shape = { SIZE_MAX, 2 } } };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        mcvdi_graph *g = new_graph(&training);
        CHECK_EQ(mcvdi_graph_param(g, &specs[i]), -1);
        CHECK_STATUS(mcvdi_graph_compile(g), MCVD_E_SHAPE);
        CHECK_MESSAGE(specs[i].name);
        mcvdi_graph_free(&g);
    }
}

static void calls_out_of_order_are_refused(void **state)
{
    const mcvdi_param_spec alone = { .name = "alone", .ndim = 1, .shape = { 100000 } };
    const float one = 1.0f;
    mcvdi_graph *g = new_graph(&inference);
    const mcvdi_value_id y = add_conv(g, mcvdi_graph_input(g, small), "conv");

    (void)state;
    mcvdi_graph_mark_output(g, y);
    mcvdi_graph_param(g, &alone);
    CHECK_STATUS(mcvdi_graph_forward(g), MCVD_E_STATE);
    CHECK_STATUS(mcvdi_graph_backward(g), MCVD_E_STATE);
    CHECK_STATUS(mcvdi_graph_load_param(g, 0, &one), MCVD_E_STATE);
    CHECK_OK(mcvdi_graph_compile(g));
    CHECK_STATUS(mcvdi_graph_compile(g), MCVD_E_STATE);
    CHECK_STATUS(mcvdi_graph_backward(g), MCVD_E_STATE); /* inference */
    CHECK_STATUS(mcvdi_graph_load_param(g, 3, &one), MCVD_E_STATE);
    CHECK_STATUS(mcvdi_graph_load_param(g, 2, &one), MCVD_E_STATE); /* belongs to no node */
    CHECK_MESSAGE("alone");
    mcvdi_graph_free(&g);
    mcvdi_graph_free(&g); /* NULL is fine */
}

/* --- refused allocations --- */

typedef struct build_case {
    mcvd_config config;
    mcvdi_graph_options options;
} build_case;

static mcvd_status build_unet(void **object, const void *argument)
{
    const build_case *c = argument;
    mcvdi_unet net = { 0 };
    mcvdi_graph *g = NULL;
    mcvd_status st = mcvdi_graph_create(&g, &c->options);

    *object = NULL;
    if (st < 0)
        return st;
    st = mcvdi_unet_build(&net, g, &c->config, 1, 16, 16);
    if (st >= 0)
        st = mcvdi_graph_compile(g);
    if (st < 0)
        mcvdi_graph_free(&g);
    *object = g;
    return st;
}

static void free_graph(void **object)
{
    mcvdi_graph *g = *object;

    mcvdi_graph_free(&g);
    *object = g;
}

static void refused_allocations_leave_nothing(void **state)
{
    build_case c = { .config = tiny_config() };

    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        c.options.mode = mode ? MCVDI_TRAIN : MCVDI_INFER;
        const long needed = check_failing_allocations(build_unet, free_graph, &c);
        CHECK_TRUE(needed > 100);
    }
}

static void running_allocates_nothing(void **state)
{
    const mcvd_config config = tiny_config();
    tiny_unet u;

    (void)state;
    make_tiny_unet(&u, &config, 2, &training, "run");
    uint64_t before = 0;
    for (int i = 0; i < 4; i++) {
        if (i == 1)
            before = mcvdi_alloc_stats_get().calls;
        CHECK_OK(mcvdi_graph_forward(u.graph));
        seed_output(u.graph, u.net.out);
        mcvdi_graph_zero_gradients(u.graph);
        CHECK_OK(mcvdi_graph_backward(u.graph));
    }
    CHECK_EQ(mcvdi_alloc_stats_get().calls, before);
    mcvdi_graph_free(&u.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_buffers_are_not_overwritten),
        cmocka_unit_test(plan_changes_no_result),
        cmocka_unit_test(inference_needs_less_memory),
        cmocka_unit_test(shares_of_a_value_used_again_add_up),
        cmocka_unit_test(an_output_may_have_consumers),
        cmocka_unit_test(unused_branches_have_no_gradient),
        cmocka_unit_test(input_gradients_only_when_asked),
        cmocka_unit_test(build_failures_come_back_from_compile),
        cmocka_unit_test(impossible_parameters_are_refused),
        cmocka_unit_test(calls_out_of_order_are_refused),
        cmocka_unit_test(refused_allocations_leave_nothing),
        cmocka_unit_test(running_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
