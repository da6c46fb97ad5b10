/* Attention: several heads, tiles, shared inputs. */
#include <stdlib.h>

#include "ops/ops.h"
#include "support/check.h"
#include "support/gradcheck.h"

typedef struct attention_config {
    size_t heads;
    bool shared; /* q = k = v */
} attention_config;

static mcvdi_value_id build_attention(mcvdi_graph *g, const mcvdi_value_id *x,
                                      const gradcheck_case *c)
{
    const attention_config *config = c->config;

    if (config->shared)
        return mcvdi_attention(g, x[0], x[0], x[0], config->heads);
    return mcvdi_attention(g, x[0], x[1], x[2], config->heads);
}

/* One query of one head: q, k, v and y point at the head's first channel of the sample. */
static void attend(const gradcheck_case *c, const double *q, const double *k, const double *v,
                   double *y, double *weights)
{
    const attention_config *config = c->config;
    const size_t length = c->y.h * c->y.w;
    const size_t d = c->y.c / config->heads;
    double sum = 0.0;

    for (size_t j = 0; j < length; j++) {
        double score = 0.0;
        for (size_t e = 0; e < d; e++)
            score += q[e] * k[j * c->y.c + e];
        weights[j] = exp(score / sqrt((double)d));
        sum += weights[j];
    }
    for (size_t e = 0; e < d; e++) {
        double total = 0.0;
        for (size_t j = 0; j < length; j++)
            total += weights[j] / sum * v[j * c->y.c + e];
        y[e] = total;
    }
}

static void reference_attention(double *y, const double *const *x, const double *const *w,
                                const gradcheck_case *c)
{
    const attention_config *config = c->config;
    const size_t length = c->y.h * c->y.w;
    const size_t d = c->y.c / config->heads;
    double *weights = calloc(length, sizeof *weights);

    (void)w;
    for (size_t n = 0; weights && n < c->y.n; n++) {
        for (size_t head = 0; head < config->heads; head++) {
            const size_t at = n * length * c->y.c + head * d;
            for (size_t i = 0; i < length; i++)
                attend(c, x[0] + at + i * c->y.c, x[config->shared ? 0 : 1] + at,
                       x[config->shared ? 0 : 2] + at, y + at + i * c->y.c, weights);
        }
    }
    free(weights);
}

static void check_attention(const char *name, mcvdi_dims d, size_t heads, bool shared)
{
    const attention_config config = { heads, shared };
    gradcheck_case c = { .name = name,
                         .num_inputs = shared ? 1 : 3,
                         .x = { d, d, d },
                         .y = d,
                         .build = build_attention,
                         .reference = reference_attention,
                         .config = &config,
                         .terms = d.h * d.w + 2 * d.c / heads };

    gradcheck_run(&c);
    c.inference = true;
    gradcheck_run(&c);
}

static void test_heads(void **state)
{
    (void)state;
    check_attention("attention 1 head", (mcvdi_dims) { 3, 5, 7, 12 }, 1, false);
    check_attention("attention 2 heads", (mcvdi_dims) { 3, 5, 3, 18 }, 2, false);
    check_attention("attention 3 heads", (mcvdi_dims) { 1, 3, 5, 54 }, 3, false);
}

static void test_one_task(void **state)
{
    (void)state;
    check_attention("attention one task", (mcvdi_dims) { 1, 3, 3, 8 }, 1, false);
}

static void test_several_tiles(void **state)
{
    (void)state;
    check_attention("attention tiles", (mcvdi_dims) { 1, 15, 13, 6 }, 2, false);
}

/* Few positions: the kernels for one head, to both sides of their vector lengths. */
static void test_short(void **state)
{
    (void)state;
    check_attention("attention short 7", (mcvdi_dims) { 9, 1, 7, 24 }, 1, false);
    check_attention("attention short 2", (mcvdi_dims) { 5, 1, 2, 12 }, 3, false);
    check_attention("attention short 12", (mcvdi_dims) { 3, 4, 3, 36 }, 2, false);
    check_attention("attention short 11", (mcvdi_dims) { 2, 1, 11, 17 }, 1, false);
    check_attention("attention 13", (mcvdi_dims) { 2, 1, 13, 6 }, 2, false);
    check_attention("attention short one", (mcvdi_dims) { 4, 1, 1, 6 }, 1, false);
    check_attention("attention short shared", (mcvdi_dims) { 4, 1, 9, 18 }, 3, true);
}

static void test_shared_inputs(void **state)
{
    (void)state;
    check_attention("attention shared", (mcvdi_dims) { 2, 15, 10, 6 }, 2, true);
}

static void test_refused(void **state)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    mcvdi_graph *g;

    (void)state;
    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id x = mcvdi_graph_input(g, (mcvdi_dims) { 1, 4, 4, 10 });
    CHECK_EQ(mcvdi_attention(g, x, x, x, 3), -1);
    CHECK_STATUS(mcvdi_graph_compile(g), MCVD_E_SHAPE);
    CHECK_MESSAGE("heads");
    mcvdi_graph_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),         cmocka_unit_test(test_short),
        cmocka_unit_test(test_one_task),      cmocka_unit_test(test_several_tiles),
        cmocka_unit_test(test_shared_inputs), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
