/* Held inputs: what depends on them alone runs once, and nothing but time and memory changes. A
 * parameter may have several readers. */
#include <stdlib.h>

#include "ops/ops.h"
#include "support/check.h"
#include "support/hashed.h"

static const mcvdi_dims small = { 2, 4, 2, 8 };

static mcvdi_graph *new_graph(const mcvdi_graph_options *options)
{
    mcvdi_graph *g = NULL;

    CHECK_OK(mcvdi_graph_create(&g, options));
    return g;
}

static void fill(mcvdi_graph *g, mcvdi_value_id value, const char *key)
{
    for (size_t i = 0; i < mcvdi_dims_numel(mcvdi_graph_dims(g, value)); i++)
        mcvdi_graph_data(g, value)[i] = hashed_gauss(key, (uint32_t)i);
}

/* --- an operator that counts: y = w (x0 + x1), x1 and w may be missing --- */

typedef struct counter {
    int runs;
    bool fails;
    bool packs;
} counter;

static counter *counter_of(mcvdi_node *node)
{
    counter *c;

    memcpy(&c, node->attrs, sizeof c);
    return c;
}

static mcvd_status counted_setup(mcvdi_node *node, mcvdi_graph_mode mode)
{
    if (mode == MCVDI_INFER && counter_of(node)->packs) {
        node->packed_bytes = sizeof(float);
        node->packs = 1u;
    }
    return MCVD_OK;
}

static mcvd_status counted_pack(mcvdi_node *node, int slot, const float *plain)
{
    CHECK_EQ(slot, 0);
    memcpy(node->packed, plain, sizeof *plain);
    return MCVD_OK;
}

static mcvd_status counted_forward(mcvdi_node *node)
{
    float w = node->w[0] ? *node->w[0] : 1.0f;

    counter_of(node)->runs++;
    if (counter_of(node)->fails)
        return mcvdi_fail(MCVD_E_STATE, "told to fail");
    if (node->packs)
        memcpy(&w, node->packed, sizeof w);
    for (size_t i = 0; i < mcvdi_dims_numel(node->y_dims); i++)
        node->y[i] = w * (node->x[0][i] + (node->num_inputs > 1 ? node->x[1][i] : 0.0f));
    return MCVD_OK;
}

/* For one input: dw += sum of x dy. */
static mcvd_status counted_backward(mcvdi_node *node)
{
    for (size_t i = 0; i < mcvdi_dims_numel(node->y_dims); i++) {
        *node->dw[0] += node->x[0][i] * node->dy[i];
        if (node->dx[0])
            node->dx[0][i] = (node->dx_add[0] ? node->dx[0][i] : 0.0f) + *node->w[0] * node->dy[i];
    }
    return MCVD_OK;
}

static const mcvdi_op counted_op = {
    .name = "counted",
    .backward_needs = MCVDI_NEEDS_X(0),
    .setup = counted_setup,
    .forward = counted_forward,
    .backward = counted_backward,
    .pack = counted_pack,
};

typedef struct operands {
    mcvdi_value_id a, b;
    mcvdi_param_id w;
} operands;

static mcvdi_value_id counted(mcvdi_graph *g, operands of, counter *c)
{
    const mcvdi_node_spec spec = { .op = &counted_op,
                                   .num_inputs = of.b >= 0 ? 2 : 1,
                                   .inputs = { of.a, of.b },
                                   .num_params = 1,
                                   .params = { of.w },
                                   .attrs = &c,
                                   .attrs_bytes = sizeof c,
                                   .y_dims = mcvdi_graph_dims(g, of.a) };
    return mcvdi_graph_add(g, &spec);
}

static mcvdi_param_id one_weight(mcvdi_graph *g, const char *name)
{
    const mcvdi_param_spec spec = { .name = name, .ndim = 1, .shape = { 1 } };
    return mcvdi_graph_param(g, &spec);
}

/* --- when held nodes run --- */

typedef struct held_pair {
    mcvdi_graph *g;
    mcvdi_value_id x, cond;
    counter of_x, of_cond, of_both;
} held_pair;

/* Node order: x's node, cond's node (weight 0), the node of both. */
static void make_pair(held_pair *p, const mcvdi_graph_options *options)
{
    memset(p, 0, sizeof *p);
    p->g = new_graph(options);
    p->x = mcvdi_graph_input(p->g, small);
    p->cond = mcvdi_graph_input(p->g, small);
    mcvdi_graph_hold(p->g, mcvdi_graph_view(p->g, p->cond, (mcvdi_dims) { 1, 8, 2, 8 }));
    const mcvdi_value_id a = counted(p->g, (operands) { p->x, -1, -1 }, &p->of_x);
    const mcvdi_value_id b =
        counted(p->g, (operands) { p->cond, -1, one_weight(p->g, "w") }, &p->of_cond);
    mcvdi_graph_mark_output(p->g, counted(p->g, (operands) { a, b, -1 }, &p->of_both));
    CHECK_OK(mcvdi_graph_compile(p->g));
    fill(p->g, p->x, "x");
    fill(p->g, p->cond, "cond");
}

static void check_runs(held_pair *p, int all, int held)
{
    CHECK_EQ(p->of_x.runs, all);
    CHECK_EQ(p->of_both.runs, all);
    CHECK_EQ(p->of_cond.runs, held);
}

static void held_nodes_run_when_something_changed(void **state)
{
    const mcvdi_graph_options inference = { .mode = MCVDI_INFER };
    const float weight = 3.0f;
    held_pair p;

    (void)state;
    make_pair(&p, &inference);
    CHECK_EQ(mcvdi_graph_num_held(p.g), 1);
    CHECK_OK(mcvdi_graph_load_param(p.g, 0, &weight));
    CHECK_OK(mcvdi_graph_forward(p.g));
    check_runs(&p, 1, 1);
    CHECK_OK(mcvdi_graph_forward(p.g));
    CHECK_OK(mcvdi_graph_forward(p.g));
    check_runs(&p, 3, 1);
    mcvdi_graph_held_changed(p.g);
    mcvdi_graph_held_changed(p.g);
    CHECK_OK(mcvdi_graph_forward(p.g));
    CHECK_OK(mcvdi_graph_forward(p.g));
    check_runs(&p, 5, 2);
    CHECK_OK(mcvdi_graph_load_param(p.g, 0, &weight));
    CHECK_OK(mcvdi_graph_forward(p.g));
    CHECK_OK(mcvdi_graph_forward(p.g));
    check_runs(&p, 7, 3);
    mcvdi_graph_free(&p.g);
}

/* A held part that failed is not taken for kept. */
static void failed_held_nodes_run_again(void **state)
{
    const mcvdi_graph_options inference = { .mode = MCVDI_INFER };
    held_pair p;

    (void)state;
    make_pair(&p, &inference);
    p.of_cond.fails = true;
    CHECK_STATUS(mcvdi_graph_forward(p.g), MCVD_E_STATE);
    CHECK_STATUS(mcvdi_graph_forward(p.g), MCVD_E_STATE);
    check_runs(&p, 0, 2);
    p.of_cond.fails = false;
    CHECK_OK(mcvdi_graph_forward(p.g));
    CHECK_OK(mcvdi_graph_forward(p.g));
    check_runs(&p, 2, 3);
    mcvdi_graph_free(&p.g);
}

static void training_holds_nothing(void **state)
{
    const mcvdi_graph_options training = { .mode = MCVDI_TRAIN };
    held_pair p;

    (void)state;
    make_pair(&p, &training);
    CHECK_EQ(mcvdi_graph_num_held(p.g), 0);
    for (int i = 0; i < 3; i++)
        CHECK_OK(mcvdi_graph_forward(p.g));
    check_runs(&p, 3, 3);
    mcvdi_graph_free(&p.g);
}

static void only_inputs_can_be_held(void **state)
{
    const mcvdi_graph_options inference = { .mode = MCVDI_INFER };

    (void)state;
    for (int which = 0; which < 3; which++) {
        mcvdi_graph *g = new_graph(&inference);
        const mcvdi_value_id x = mcvdi_graph_input(g, small);
        const mcvdi_value_id y = mcvdi_silu(g, x);
        mcvdi_graph_mark_output(g, y);
        mcvdi_graph_hold(g, which == 0 ? y : which == 1 ? -1 : 2);
        CHECK_STATUS(mcvdi_graph_compile(g), MCVD_E_STATE);
        CHECK_MESSAGE("only inputs");
        mcvdi_graph_free(&g);
    }
}

/* --- results --- */

typedef struct branchy {
    mcvdi_graph *g;
    mcvdi_value_id x, cond, out, cond_out;
} branchy;

static mcvdi_value_id add_conv(mcvdi_graph *g, mcvdi_value_id x, const char *name)
{
    const mcvdi_conv_spec spec = {
        .name = name, .out_channels = 8, .kernel = 3, .init_scale = 1.0
    };
    return mcvdi_conv(g, x, &spec);
}

/* Levels of x and of cond in turn; each level of cond is kept for one or two places of x, and one
 * of them is an output itself. */
static void make_branchy(branchy *b, bool hold, bool keep_all)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER, .keep_all = keep_all };
    char name[16];

    b->g = new_graph(&options);
    b->x = mcvdi_graph_input(b->g, small);
    b->cond = mcvdi_graph_input(b->g, small);
    if (hold)
        mcvdi_graph_hold(b->g, b->cond);
    mcvdi_value_id x = b->x;
    mcvdi_value_id cond = b->cond;
    mcvdi_value_id first = -1;
    for (int level = 0; level < 4; level++) {
        snprintf(name, sizeof name, "x %d", level);
        x = mcvdi_silu(b->g, add_conv(b->g, x, name));
        snprintf(name, sizeof name, "cond %d", level);
        cond = mcvdi_silu(b->g, add_conv(b->g, mcvdi_silu(b->g, cond), name));
        if (level == 1)
            first = cond;
        x = mcvdi_residual(b->g, x, mcvdi_graph_view(b->g, mcvdi_silu(b->g, cond), small));
    }
    b->cond_out = mcvdi_residual(b->g, cond, b->cond);
    mcvdi_graph_mark_output(b->g, b->cond_out);
    b->out = mcvdi_residual(b->g, x, first);
    mcvdi_graph_mark_output(b->g, b->out);
    CHECK_OK(mcvdi_graph_compile(b->g));
}

static void load_weights(mcvdi_graph *g, const char *key)
{
    float values[8 * 8 * 9];

    for (size_t i = 0; i < mcvdi_graph_num_params(g); i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(g, i);
        char name[64];
        CHECK_TRUE(p->numel <= sizeof values / sizeof *values);
        snprintf(name, sizeof name, "%s %s", key, p->name);
        for (size_t k = 0; k < p->numel; k++)
            values[k] = 0.2f * hashed_gauss(name, (uint32_t)k);
        CHECK_OK(mcvdi_graph_load_param(g, i, values));
    }
}

static void check_same(branchy *a, branchy *b)
{
    const size_t bytes = mcvdi_dims_numel(small) * sizeof(float);

    CHECK_EQ(memcmp(mcvdi_graph_data(a->g, a->out), mcvdi_graph_data(b->g, b->out), bytes), 0);
    CHECK_EQ(
        memcmp(mcvdi_graph_data(a->g, a->cond_out), mcvdi_graph_data(b->g, b->cond_out), bytes), 0);
}

/* cond is A, A, B, A, A while x moves on and the weights change once. */
static void held_results_are_those_of_recomputing(void **state)
{
    static const char *const conds[] = { "A", "A", "B", "A", "A" };

    (void)state;
    for (int keep_all = 0; keep_all < 2; keep_all++) {
        branchy held;
        branchy plain;
        make_branchy(&held, true, keep_all);
        make_branchy(&plain, false, keep_all);
        CHECK_EQ(mcvdi_graph_num_held(plain.g), 0);
        CHECK_EQ(mcvdi_graph_num_held(held.g), 4 * 4 + 1);
        CHECK_CLOSE(mcvdi_graph_held_macs(plain.g), 0, 0);
        CHECK_CLOSE(2.0 * mcvdi_graph_held_macs(held.g), mcvdi_graph_macs(held.g), 0);
        for (size_t i = 0; i < 7; i++) {
            char key[16];
            if (i % 6 == 0) { /* at the start and at the end */
                load_weights(held.g, i ? "new" : "old");
                load_weights(plain.g, i ? "new" : "old");
            }
            snprintf(key, sizeof key, "x %zu", i);
            fill(held.g, held.x, key);
            fill(plain.g, plain.x, key);
            const char *cond = conds[i % 5];
            fill(plain.g, plain.cond, cond);
            if (!i || strcmp(cond, conds[(i - 1) % 5]) != 0) {
                fill(held.g, held.cond, cond);
                mcvdi_graph_held_changed(held.g);
            }
            CHECK_OK(mcvdi_graph_forward(held.g));
            CHECK_OK(mcvdi_graph_forward(plain.g));
            check_same(&held, &plain);
        }
        mcvdi_graph_free(&held.g);
        mcvdi_graph_free(&plain.g);
    }
}

/* Six steps from cond to what is kept, six from x: both chains walk in the same two buffers. */
static void held_temporaries_share_memory(void **state)
{
    const mcvdi_graph_options inference = { .mode = MCVDI_INFER };
    mcvdi_graph *g = new_graph(&inference);
    const mcvdi_value_id x = mcvdi_graph_input(g, small);
    const mcvdi_value_id cond = mcvdi_graph_input(g, small);
    mcvdi_value_id from_x = x;
    mcvdi_value_id kept = cond;

    (void)state;
    for (int i = 0; i < 6; i++) {
        from_x = mcvdi_silu(g, from_x);
        kept = mcvdi_silu(g, kept);
    }
    mcvdi_graph_mark_output(g, mcvdi_concat(g, from_x, kept));
    mcvdi_graph_hold(g, cond);
    CHECK_OK(mcvdi_graph_compile(g));
    CHECK_EQ(mcvdi_graph_num_held(g), 6);
    /* x, cond, kept, the output (twice as large) and the two. */
    CHECK_EQ(mcvdi_graph_activation_bytes(g), 7 * mcvdi_dims_numel(small) * sizeof(float));
    mcvdi_graph_free(&g);
}

/* --- a parameter with several readers --- */

static void every_reader_gets_the_parameter(void **state)
{
    const mcvdi_graph_options inference = { .mode = MCVDI_INFER };

    (void)state;
    for (int packing = 0; packing < 4; packing++) { /* neither, one, the other, both */
        counter c[2] = { { .packs = packing & 1 }, { .packs = packing >> 1 } };
        mcvdi_graph *g = new_graph(&inference);
        const mcvdi_value_id x = mcvdi_graph_input(g, small);
        const mcvdi_param_id w = one_weight(g, "shared");
        const mcvdi_value_id once = counted(g, (operands) { x, -1, w }, &c[0]);
        const mcvdi_value_id twice = counted(g, (operands) { once, -1, w }, &c[1]);
        mcvdi_graph_mark_output(g, twice);
        CHECK_OK(mcvdi_graph_compile(g));
        CHECK_EQ(mcvdi_graph_param_floats(g), 1);
        fill(g, x, "x");
        for (int i = 2; i < 4; i++) {
            const float weight = (float)i;
            CHECK_OK(mcvdi_graph_load_param(g, 0, &weight));
            CHECK_OK(mcvdi_graph_forward(g));
            for (size_t k = 0; k < mcvdi_dims_numel(small); k++)
                CHECK_CLOSE(mcvdi_graph_data(g, twice)[k],
                            (double)(weight * weight) * (double)mcvdi_graph_data(g, x)[k], 1e-6);
        }
        mcvdi_graph_free(&g);
    }
}

/* y = w (w x): dw = 2 w sum of x dy. */
static void gradients_of_all_readers_add_up(void **state)
{
    const mcvdi_graph_options training = { .mode = MCVDI_TRAIN };
    const float weight = 3.0f;
    counter c[2] = { { 0 } };
    mcvdi_graph *g = new_graph(&training);
    const mcvdi_value_id x = mcvdi_graph_input(g, small);
    const mcvdi_param_id w = one_weight(g, "shared");
    const mcvdi_value_id once = counted(g, (operands) { x, -1, w }, &c[0]);
    const mcvdi_value_id y = counted(g, (operands) { once, -1, w }, &c[1]);
    double expected = 0.0;

    (void)state;
    mcvdi_graph_mark_output(g, y);
    CHECK_OK(mcvdi_graph_compile(g));
    CHECK_OK(mcvdi_graph_load_param(g, 0, &weight));
    fill(g, x, "x");
    CHECK_OK(mcvdi_graph_forward(g));
    for (size_t i = 0; i < mcvdi_dims_numel(small); i++) {
        mcvdi_graph_grad(g, y)[i] = hashed_gauss("dy", (uint32_t)i);
        expected += 2.0 * (double)weight * (double)mcvdi_graph_data(g, x)[i] *
                    (double)mcvdi_graph_grad(g, y)[i];
    }
    mcvdi_graph_zero_gradients(g);
    CHECK_OK(mcvdi_graph_backward(g));
    CHECK_CLOSE(*mcvdi_graph_gradients(g), expected, 1e-5 * (1.0 + fabs(expected)));
    mcvdi_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_nodes_run_when_something_changed),
        cmocka_unit_test(failed_held_nodes_run_again),
        cmocka_unit_test(training_holds_nothing),
        cmocka_unit_test(only_inputs_can_be_held),
        cmocka_unit_test(held_results_are_those_of_recomputing),
        cmocka_unit_test(held_temporaries_share_memory),
        cmocka_unit_test(every_reader_gets_the_parameter),
        cmocka_unit_test(gradients_of_all_readers_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
