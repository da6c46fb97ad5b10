#include "support/gradcheck.h"

#include <float.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/threads.h"
#include "ops/kernels.h"
#include "support/check.h"
#include "support/hashed.h"

enum { POSITIONS = 40, DIRECTIONS = 3 };

const mcvdi_run gradcheck_the_run = { .seed = 77, .step = 3, .first_sample = 5, .training = true };

/* One input or parameter: its values and what the differences say about its gradient. */
typedef struct tensor {
    char key[160];
    size_t numel;
    double *value;
    size_t position[POSITIONS];
    size_t num_positions;
    double at[POSITIONS];
    double along[DIRECTIONS];
    double largest; /* of |at| */
} tensor;

typedef struct problem {
    const gradcheck_case *c;
    tensor tensors[GRADCHECK_MAX_TENSORS]; /* inputs first, then parameters */
    int num_inputs;
    int num_tensors;
    size_t y_numel;
    double *seed; /* loss = sum of seed * y */
    double *y;    /* of the reference at the start values */
    double *y_now;
    double y_largest;
} problem;

double gradcheck_tolerance(const gradcheck_case *c)
{
    return ((double)c->terms + 32.0) * (double)FLT_EPSILON / 2.0;
}

static double *new_doubles(size_t n)
{
    double *p = calloc(n, sizeof *p);

    if (!p)
        fail_msg("out of memory");
    return p;
}

/* Component i of a hashed direction. */
static double sign(const tensor *t, int direction, size_t i)
{
    return hash24(t->key, (uint32_t)i + 0x20000000u) >> (7 + direction) & 1u ? 1.0 : -1.0;
}

/* What stands in a gradient before backward. */
static float prior(const tensor *t, size_t i)
{
    return hashed_gauss(t->key, (uint32_t)i + 0x10000000u);
}

static void evaluate(const problem *p, double *y)
{
    const double *x[GRADCHECK_MAX_TENSORS];

    for (int t = 0; t < p->num_tensors; t++)
        x[t] = p->tensors[t].value;
    p->c->reference(y, x, x + p->num_inputs, p->c);
}

static double loss(const problem *p)
{
    double sum = 0.0;

    evaluate(p, p->y_now);
    for (size_t i = 0; i < p->y_numel; i++)
        sum += p->seed[i] * (p->y_now[i] - p->y[i]); /* the constant does not matter */
    return sum;
}

static void difference_along(problem *p, int t, int direction)
{
    tensor *x = &p->tensors[t];
    const double step = 1e-5;
    double side[2];

    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < x->numel; i++)
            x->value[i] += (s ? -2.0 : 1.0) * step * sign(x, direction, i);
        side[s] = loss(p);
    }
    for (size_t i = 0; i < x->numel; i++)
        x->value[i] += step * sign(x, direction, i);
    x->along[direction] = (side[0] - side[1]) / (2.0 * step);
}

static void difference_at(problem *p, int t, size_t k)
{
    tensor *x = &p->tensors[t];
    const size_t i = x->position[k];
    const double start = x->value[i];
    const double step = 1e-4;

    x->value[i] = start + step;
    const double up = loss(p);
    x->value[i] = start - step;
    const double down = loss(p);
    x->value[i] = start;
    x->at[k] = (up - down) / (2.0 * step);
    if (fabs(x->at[k]) > x->largest)
        x->largest = fabs(x->at[k]);
}

static void differences(problem *p)
{
    for (int t = 0; t < p->num_tensors; t++) {
        tensor *x = &p->tensors[t];
        x->num_positions = x->numel < POSITIONS ? x->numel : POSITIONS;
        for (size_t k = 0; k < x->num_positions; k++) {
            x->position[k] = x->numel <= POSITIONS ? k : hash24(x->key, (uint32_t)k) % x->numel;
            difference_at(p, t, k);
        }
        for (int d = 0; d < DIRECTIONS; d++)
            difference_along(p, t, d);
    }
}

/* --- the graph --- */

typedef struct built {
    mcvdi_graph *g;
    mcvdi_value_id x[MCVDI_MAX_INPUTS];
    mcvdi_value_id y;
} built;

static built build(const gradcheck_case *c, bool add)
{
    const mcvdi_graph_options options = { .mode = c->inference ? MCVDI_INFER : MCVDI_TRAIN,
                                          .no_onednn = c->no_onednn,
                                          .input_gradient = !c->inference };
    built b;

    CHECK_OK(mcvdi_graph_create(&b.g, &options));
    for (int i = 0; i < c->num_inputs; i++)
        b.x[i] = mcvdi_graph_input(b.g, c->x[i]);
    b.y = c->build(b.g, b.x, c);
    mcvdi_graph_mark_output(b.g, b.y);
    for (int i = 0; add && i < c->num_inputs; i++)
        mcvdi_graph_mark_output(b.g, b.x[i]); /* its gradient starts with the caller's seed */
    CHECK_OK(mcvdi_graph_compile(b.g));
    *mcvdi_graph_run(b.g) = gradcheck_the_run;
    return b;
}

static void start_tensor(problem *p, tensor *t, size_t numel, double offset, double scale)
{
    t->numel = numel;
    t->value = new_doubles(numel);
    for (size_t i = 0; i < numel; i++)
        t->value[i] = (double)(float)(offset + scale * (double)hashed_gauss(t->key, (uint32_t)i));
    p->num_tensors++;
}

static void start_problem(problem *p, const gradcheck_case *c)
{
    const double scale = c->w_scale > 0.0 ? c->w_scale : 1.0;
    built b = build(c, false);

    *p = (problem) { .c = c, .num_inputs = c->num_inputs };
    for (int i = 0; i < c->num_inputs; i++) {
        tensor *t = &p->tensors[p->num_tensors];
        snprintf(t->key, sizeof t->key, "%s/x%d", c->name, i);
        start_tensor(p, t, mcvdi_dims_numel(c->x[i]), c->x_offset, 1.0);
    }
    for (size_t i = 0; i < mcvdi_graph_num_params(b.g); i++) {
        tensor *t = &p->tensors[p->num_tensors];
        snprintf(t->key, sizeof t->key, "%s/w%zu", c->name, i);
        start_tensor(p, t, mcvdi_graph_get_param(b.g, i)->numel, 0.0, scale);
    }
    const mcvdi_dims y = mcvdi_graph_dims(b.g, b.y);
    CHECK_TRUE(y.n == c->y.n && y.h == c->y.h && y.w == c->y.w && y.c == c->y.c);
    p->y_numel = mcvdi_dims_numel(y);
    p->y = new_doubles(p->y_numel);
    p->y_now = new_doubles(p->y_numel);
    p->seed = new_doubles(p->y_numel);
    for (size_t i = 0; i < p->y_numel; i++)
        p->seed[i] = (double)hashed_gauss(c->name, (uint32_t)i);
    evaluate(p, p->y);
    for (size_t i = 0; i < p->y_numel; i++)
        p->y_largest = fmax(p->y_largest, fabs(p->y[i]));
    mcvdi_graph_free(&b.g);
}

static void end_problem(problem *p)
{
    for (int t = 0; t < p->num_tensors; t++)
        free(p->tensors[t].value);
    free(p->y);
    free(p->y_now);
    free(p->seed);
}

static void load(const problem *p, built *b)
{
    for (int t = 0; t < p->num_tensors; t++) {
        const tensor *from = &p->tensors[t];
        float *values = (float *)new_doubles(from->numel);
        for (size_t i = 0; i < from->numel; i++)
            values[i] = (float)from->value[i];
        if (t < p->num_inputs)
            memcpy(mcvdi_graph_data(b->g, b->x[t]), values, from->numel * sizeof(float));
        else
            CHECK_OK(mcvdi_graph_load_param(b->g, (size_t)(t - p->num_inputs), values));
        free(values);
    }
}

static float *gradient(const problem *p, const built *b, int t)
{
    if (t < p->num_inputs)
        return mcvdi_graph_grad(b->g, b->x[t]);
    const mcvdi_param *param = mcvdi_graph_get_param(b->g, (size_t)(t - p->num_inputs));
    return mcvdi_graph_gradients(b->g) + param->offset;
}

/* Seeds, priors (a NaN where the operator must overwrite), then both passes. */
static void run_passes(const problem *p, built *b, bool add)
{
    CHECK_OK(mcvdi_graph_forward(b->g));
    if (p->c->inference)
        return;
    for (size_t i = 0; i < p->y_numel; i++)
        mcvdi_graph_grad(b->g, b->y)[i] = (float)p->seed[i];
    for (int t = 0; t < p->num_tensors; t++) {
        float *g = gradient(p, b, t);
        for (size_t i = 0; i < p->tensors[t].numel; i++)
            g[i] = t >= p->num_inputs || add ? prior(&p->tensors[t], i) : NAN;
    }
    CHECK_OK(mcvdi_graph_backward(b->g));
}

static void check_forward(const problem *p, const built *b, const char *where)
{
    const float *y = mcvdi_graph_data(b->g, b->y);
    const double allowed = gradcheck_tolerance(p->c) * p->y_largest;

    for (size_t i = 0; i < p->y_numel; i++)
        if (!(fabs((double)y[i] - p->y[i]) <= allowed))
            fail_msg("%s: y[%zu] = %.9g, reference %.9g, differ by %.3g, allowed %.3g", where, i,
                     (double)y[i], p->y[i], fabs((double)y[i] - p->y[i]), allowed);
}

static void check_tensor(const problem *p, const built *b, int t, bool add, const char *where)
{
    const tensor *x = &p->tensors[t];
    const float *g = gradient(p, b, t);
    const bool has_prior = add || t >= p->num_inputs;
    const double largest = x->largest + (has_prior ? 4.0 : 0.0);
    const double allowed = gradcheck_tolerance(p->c) * largest;

    for (size_t k = 0; k < x->num_positions; k++) {
        const size_t i = x->position[k];
        const double expected = x->at[k] + (has_prior ? (double)prior(x, i) : 0.0);
        if (!(fabs((double)g[i] - expected) <= allowed))
            fail_msg("%s: gradient of %s[%zu] = %.9g, differences %.9g, off by %.3g, allowed %.3g",
                     where, x->key, i, (double)g[i], expected, fabs((double)g[i] - expected),
                     allowed);
    }
    for (int d = 0; d < DIRECTIONS; d++) {
        double sum = 0.0;
        for (size_t i = 0; i < x->numel; i++)
            sum += sign(x, d, i) * ((double)g[i] - (has_prior ? (double)prior(x, i) : 0.0));
        const double wide = 4.0 * sqrt((double)x->numel) * allowed;
        if (!(fabs(sum - x->along[d]) <= wide))
            fail_msg("%s: gradient of %s along direction %d = %.9g, differences %.9g, allowed %.3g",
                     where, x->key, d, sum, x->along[d], wide);
    }
}

/* A second run repeats every byte and allocates nothing. */
static void check_repeat(const problem *p, built *b, bool add, const char *where)
{
    float *y = (float *)new_doubles(p->y_numel);
    float *g[GRADCHECK_MAX_TENSORS] = { NULL };

    memcpy(y, mcvdi_graph_data(b->g, b->y), p->y_numel * sizeof(float));
    for (int t = 0; !p->c->inference && t < p->num_tensors; t++) {
        g[t] = (float *)new_doubles(p->tensors[t].numel);
        memcpy(g[t], gradient(p, b, t), p->tensors[t].numel * sizeof(float));
    }
    const uint64_t calls = mcvdi_alloc_stats_get().calls;
    run_passes(p, b, add);
    if (mcvdi_alloc_stats_get().calls != calls)
        fail_msg("%s: a run allocated memory", where);
    if (memcmp(y, mcvdi_graph_data(b->g, b->y), p->y_numel * sizeof(float)) != 0)
        fail_msg("%s: y of a second run differs", where);
    for (int t = 0; t < p->num_tensors; t++) {
        if (g[t] && memcmp(g[t], gradient(p, b, t), p->tensors[t].numel * sizeof(float)) != 0)
            fail_msg("%s: gradient of %s in a second run differs", where, p->tensors[t].key);
        free(g[t]);
    }
    free(y);
}

static void check_variant(const problem *p, bool add, int threads)
{
    char where[256];

    mcvdi_threads_set(threads);
    built b = build(p->c, add);
    snprintf(where, sizeof where, "%s, %s kernels, %d threads, gradients %s", p->c->name,
             mcvdi_kernels_get()->name, threads, add ? "added to" : "overwritten");
    load(p, &b);
    run_passes(p, &b, add);
    check_forward(p, &b, where);
    for (int t = 0; !p->c->inference && t < p->num_tensors; t++)
        check_tensor(p, &b, t, add, where);
    check_repeat(p, &b, add, where);
    mcvdi_graph_free(&b.g);
    mcvdi_threads_set(0);
}

void gradcheck_run(const gradcheck_case *c)
{
    problem p;

    start_problem(&p, c);
    if (!c->inference)
        differences(&p);
    for (int level = MCVDI_CPU_SCALAR; level < MCVDI_CPU_LEVELS; level++) {
        if ((int)mcvdi_kernels_cap((mcvdi_cpu_level)level) != level)
            continue; /* not on this machine */
        for (int threads = 1; threads <= 2; threads++)
            for (int add = 0; add <= (c->inference ? 0 : 1); add++)
                check_variant(&p, add, threads);
    }
    mcvdi_kernels_cap(MCVDI_CPU_AVX512);
    end_problem(&p);
}
