/*
 * The only file that calls oneDNN. Builds against 2.6 and, by version switch, 3.x.
 *
 * Activations stay channels-last for every primitive, so nothing is reordered between layers;
 * weights are kept in the layout that a primitive asks for: packed once for inference, and for
 * training re-packed into scratch at each use, since they change every step.
 */
#include "ops/onednn.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <dnnl.h>

#include "core/alloc.h"
#include "ops/conv.h"

#if DNNL_VERSION_MAJOR >= 3
#define MD(md) (md)
typedef const_dnnl_memory_desc_t md_view;
#else
#define MD(md) (&(md))
typedef const dnnl_memory_desc_t *md_view;
#endif

static dnnl_engine_t cpu_engine;
static dnnl_status_t engine_status;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

static void create_engine(void)
{
    engine_status = dnnl_engine_create(&cpu_engine, dnnl_cpu, 0);
}

static mcvd_status check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return MCVD_OK;
    if (status == dnnl_out_of_memory)
        return mcvdi_fail(MCVD_E_NOMEM, "oneDNN: %s: out of memory", what);
    return mcvdi_fail(MCVD_E_UNSUPPORTED, "oneDNN: %s: status %d", what, (int)status);
}

/* --- matrix product --- */

bool mcvdi_onednn_sgemm(const mcvdi_gemm_args *g)
{
    return dnnl_sgemm(g->trans_a ? 'T' : 'N', g->trans_b ? 'T' : 'N', (dnnl_dim_t)g->m,
                      (dnnl_dim_t)g->n, (dnnl_dim_t)g->k, g->alpha, g->a, (dnnl_dim_t)g->lda, g->b,
                      (dnnl_dim_t)g->ldb, g->beta, g->c, (dnnl_dim_t)g->ldc) == dnnl_success;
}

/* --- convolution --- */

/* A primitive with the memories it reads and writes. */
typedef struct conv_primitive {
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    dnnl_memory_t src, weights, dst, bias, scratchpad; /* gradients in backward primitives */
    size_t weight_bytes, scratchpad_bytes;
} conv_primitive;

typedef struct weight_reorder {
    dnnl_primitive_t primitive;
    dnnl_memory_t from, to;
} weight_reorder;

typedef struct onednn_conv {
    mcvdi_conv_shape s;
    dnnl_stream_t stream;
    conv_primitive forward, backward_data, backward_weights;
    weight_reorder pack_forward, pack_backward, unpack_gradient;
    size_t dx_bytes;
} onednn_conv;

static size_t round_up(size_t bytes)
{
    return (bytes + MCVDI_ALIGNMENT - 1) & ~(size_t)(MCVDI_ALIGNMENT - 1);
}

static size_t md_bytes(md_view md)
{
    return md ? dnnl_memory_desc_get_size(md) : 0;
}

static dnnl_status_t make_md(dnnl_memory_desc_t *md, int ndims, const dnnl_dims_t dims,
                             dnnl_format_tag_t tag)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_tag(md, ndims, dims, dnnl_f32, tag);
#else
    return dnnl_memory_desc_init_by_tag(md, ndims, dims, dnnl_f32, tag);
#endif
}

static void free_md(dnnl_memory_desc_t *md)
{
#if DNNL_VERSION_MAJOR >= 3
    if (*md)
        dnnl_memory_desc_destroy(*md);
    *md = NULL;
#else
    (void)md;
#endif
}

typedef struct conv_mds {
    dnnl_memory_desc_t src, weights, bias, dst, plain_weights; /* bias: zeros without one */
} conv_mds;

/* A kernel over frames alone is one over the rows of an image of d rows and h w columns. At 12 to
 * 24 channels forward is up to a fifth faster than with oneDNN's 3D primitives. */
static mcvdi_conv_shape flatten(mcvdi_conv_shape s)
{
    if (s.kd > 1 && s.kh == 1 && s.kw == 1 && mcvdi_conv_is_plain(&s)) {
        s.w *= s.h;
        s.h = s.d;
        s.kh = s.kd;
        s.ph = s.pd;
        s.d = s.kd = 1;
        s.pd = 0;
        s.yd = s.d;
        s.yh = s.h;
        s.yw = s.w;
    }
    return s;
}

/* Axes of an image, rows and columns, or frames too where they meet. oneDNN counts its tensors'
 * axes from [n or out, c] on. */
enum { MAX_AXES = 3 };

static int image_axes(const mcvdi_conv_shape *s)
{
    return s->d > 1 || s->kd > 1 ? 3 : 2;
}

/* [a, b, image or kernel axes] */
static void set_dims(dnnl_dims_t dims, size_t a, size_t b, const size_t axes[MAX_AXES], int count)
{
    dims[0] = (dnnl_dim_t)a;
    dims[1] = (dnnl_dim_t)b;
    for (int i = 0; i < count; i++)
        dims[2 + i] = (dnnl_dim_t)axes[MAX_AXES - count + i];
}

/* Plain weights [out, in of weight_in, taps]: whole rows, or a slice of each. */
static dnnl_status_t make_plain_md(dnnl_memory_desc_t *md, int ndims, const dnnl_dims_t dims,
                                   size_t weight_in)
{
    dnnl_dims_t strides;

    strides[ndims - 1] = 1;
    for (int i = ndims - 1; i > 1; i--)
        strides[i - 1] = strides[i] * dims[i];
    strides[0] = strides[1] * (dnnl_dim_t)weight_in;
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_strides(md, ndims, dims, dnnl_f32, strides);
#else
    return dnnl_memory_desc_init_by_strides(md, ndims, dims, dnnl_f32, strides);
#endif
}

static mcvd_status make_mds(conv_mds *m, const mcvdi_conv_shape *s)
{
    const size_t image[MAX_AXES] = { s->d, s->h, s->w };
    const size_t output[MAX_AXES] = { s->yd, s->yh, s->yw };
    const size_t kernel[MAX_AXES] = { s->kd, s->kh, s->kw };
    const int axes = image_axes(s);
    const dnnl_format_tag_t channels_last = axes == 3 ? dnnl_ndhwc : dnnl_nhwc;
    const dnnl_dims_t bias = { (dnnl_dim_t)s->out };
    dnnl_dims_t src, dst, weights;

    memset(m, 0, sizeof *m);
    set_dims(src, s->n, s->in, image, axes);
    set_dims(dst, s->n, s->out, output, axes);
    set_dims(weights, s->out, s->in, kernel, axes);
    dnnl_status_t st = make_md(&m->src, 2 + axes, src, channels_last);
    if (st == dnnl_success)
        st = make_md(&m->dst, 2 + axes, dst, channels_last);
    if (st == dnnl_success)
        st = make_md(&m->weights, 2 + axes, weights, dnnl_format_tag_any);
    if (st == dnnl_success)
        st = make_plain_md(&m->plain_weights, 2 + axes, weights, s->weight_in);
    if (st == dnnl_success && s->bias)
        st = make_md(&m->bias, 1, bias, dnnl_a);
    return check(st, "memory descriptor");
}

static void free_mds(conv_mds *m)
{
    free_md(&m->src);
    free_md(&m->dst);
    free_md(&m->weights);
    free_md(&m->plain_weights);
    free_md(&m->bias);
}

typedef enum conv_kind { CONV_FORWARD, CONV_BACKWARD_DATA, CONV_BACKWARD_WEIGHTS } conv_kind;

/* The primitive descriptor of one direction; hint is the forward one for the backward two. */
static dnnl_status_t make_pd(dnnl_primitive_desc_t *pd, conv_kind kind, const conv_mds *m,
                             const mcvdi_conv_shape *s, const_dnnl_primitive_attr_t attr,
                             const_dnnl_primitive_desc_t hint)
{
    const size_t image[MAX_AXES] = { s->d, s->h, s->w };
    const size_t output[MAX_AXES] = { s->yd, s->yh, s->yw };
    const size_t kernel[MAX_AXES] = { s->kd, s->kh, s->kw };
    const size_t stride[MAX_AXES] = { s->sd, s->sh, s->sw };
    const size_t padding[MAX_AXES] = { s->pd, s->ph, s->pw };
    const dnnl_dims_t dilates = { 0, 0, 0 };
    dnnl_dims_t strides = { 0 };
    dnnl_dims_t pad = { 0 };
    dnnl_dims_t pad_after = { 0 };
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;

    for (int i = 0; i < image_axes(s); i++) {
        const int a = MAX_AXES - image_axes(s) + i;
        strides[i] = (dnnl_dim_t)stride[a];
        pad[i] = (dnnl_dim_t)padding[a];
        pad_after[i] = (dnnl_dim_t)((output[a] - 1) * stride[a] + kernel[a]) -
                       (dnnl_dim_t)(image[a] + padding[a]);
    }
#if DNNL_VERSION_MAJOR >= 3
    switch (kind) {
    case CONV_FORWARD:
        return dnnl_convolution_forward_primitive_desc_create(
            pd, cpu_engine, dnnl_forward_training, direct, m->src, m->weights, m->bias, m->dst,
            strides, dilates, pad, pad_after, attr);
    case CONV_BACKWARD_DATA:
        return dnnl_convolution_backward_data_primitive_desc_create(
            pd, cpu_engine, direct, m->src, m->weights, m->dst, strides, dilates, pad, pad_after,
            hint, attr);
    case CONV_BACKWARD_WEIGHTS:
        return dnnl_convolution_backward_weights_primitive_desc_create(
            pd, cpu_engine, direct, m->src, m->weights, m->bias, m->dst, strides, dilates, pad,
            pad_after, hint, attr);
    }
    return dnnl_invalid_arguments;
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t st = dnnl_invalid_arguments;

    switch (kind) {
    case CONV_FORWARD:
        st = dnnl_dilated_convolution_forward_desc_init(&desc, dnnl_forward_training, direct,
                                                        &m->src, &m->weights, &m->bias, &m->dst,
                                                        strides, dilates, pad, pad_after);
        break;
    case CONV_BACKWARD_DATA:
        st = dnnl_dilated_convolution_backward_data_desc_init(
            &desc, direct, &m->src, &m->weights, &m->dst, strides, dilates, pad, pad_after);
        break;
    case CONV_BACKWARD_WEIGHTS:
        st = dnnl_dilated_convolution_backward_weights_desc_init(&desc, direct, &m->src,
                                                                 &m->weights, &m->bias, &m->dst,
                                                                 strides, dilates, pad, pad_after);
        break;
    }
    return st == dnnl_success ? dnnl_primitive_desc_create(pd, &desc, attr, cpu_engine, hint) : st;
#endif
}

static mcvd_status make_memory(dnnl_memory_t *memory, md_view md)
{
    *memory = NULL;
    if (!md)
        return MCVD_OK;
    return check(dnnl_memory_create(memory, md, cpu_engine, DNNL_MEMORY_NONE), "memory");
}

static mcvd_status make_memories(conv_primitive *c, conv_kind kind, const conv_mds *m, bool bias)
{
    const bool data = kind == CONV_BACKWARD_DATA;
    const dnnl_query_t weights_query =
        kind == CONV_BACKWARD_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
    const md_view weights = dnnl_primitive_desc_query_md(c->pd, weights_query, 0);
    const md_view scratchpad = dnnl_primitive_desc_query_md(c->pd, dnnl_query_scratchpad_md, 0);

    c->weight_bytes = md_bytes(weights);
    c->scratchpad_bytes = md_bytes(scratchpad);
    mcvd_status st = make_memory(&c->src, MD(m->src));
    if (st >= 0)
        st = make_memory(&c->dst, MD(m->dst));
    if (st >= 0)
        st = make_memory(&c->weights, weights);
    if (st >= 0 && !data && bias)
        st = make_memory(&c->bias, MD(m->bias));
    if (st >= 0)
        st = make_memory(&c->scratchpad, scratchpad);
    return st;
}

/* max(0, .) of the outputs, in the primitive itself. */
static dnnl_status_t append_relu(dnnl_primitive_attr_t attr)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t st = dnnl_post_ops_create(&ops);

#if DNNL_VERSION_MAJOR >= 3
    if (st == dnnl_success)
        st = dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0.0f, 0.0f);
#else
    if (st == dnnl_success)
        st = dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
#endif
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_post_ops(attr, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return st;
}

static mcvd_status make_primitive(conv_primitive *c, conv_kind kind, const conv_mds *m,
                                  const mcvdi_conv_shape *s, const_dnnl_primitive_desc_t hint)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t st = dnnl_primitive_attr_create(&attr);

    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success && s->relu)
        st = append_relu(attr);
    if (st == dnnl_success)
        st = make_pd(&c->pd, kind, m, s, attr, hint);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    if (st == dnnl_success)
        st = dnnl_primitive_create(&c->primitive, c->pd);
    if (st != dnnl_success)
        return check(st, "convolution");
    return make_memories(c, kind, m, s->bias);
}

static void free_primitive(conv_primitive *c)
{
    dnnl_memory_t memories[] = { c->src, c->weights, c->dst, c->bias, c->scratchpad };

    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++)
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
    if (c->primitive)
        dnnl_primitive_destroy(c->primitive);
    if (c->pd)
        dnnl_primitive_desc_destroy(c->pd);
}

/* to = from, or to += from. */
static mcvd_status make_reorder(weight_reorder *r, md_view from, md_view to, bool add)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t st = dnnl_primitive_attr_create(&attr);

    if (st == dnnl_success && add)
        st = dnnl_post_ops_create(&ops);
#if DNNL_VERSION_MAJOR >= 3
    if (st == dnnl_success && add)
        st = dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
#else
    if (st == dnnl_success && add)
        st = dnnl_post_ops_append_sum(ops, 1.0f);
#endif
    if (st == dnnl_success && add)
        st = dnnl_primitive_attr_set_post_ops(attr, ops);
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(&pd, from, cpu_engine, to, cpu_engine, attr);
    if (st == dnnl_success)
        st = dnnl_primitive_create(&r->primitive, pd);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (ops)
        dnnl_post_ops_destroy(ops);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    mcvd_status status = check(st, "weight reorder");
    if (status >= 0)
        status = make_memory(&r->from, from);
    if (status >= 0)
        status = make_memory(&r->to, to);
    return status;
}

static void free_reorder(weight_reorder *r)
{
    if (r->from)
        dnnl_memory_destroy(r->from);
    if (r->to)
        dnnl_memory_destroy(r->to);
    if (r->primitive)
        dnnl_primitive_destroy(r->primitive);
}

static void onednn_release(void *state)
{
    onednn_conv *c = state;

    free_primitive(&c->backward_weights);
    free_primitive(&c->backward_data);
    free_primitive(&c->forward);
    free_reorder(&c->pack_forward);
    free_reorder(&c->pack_backward);
    free_reorder(&c->unpack_gradient);
    if (c->stream)
        dnnl_stream_destroy(c->stream);
    mcvdi_free(c);
}

static md_view weights_md(const conv_primitive *p, dnnl_query_t query)
{
    return dnnl_primitive_desc_query_md(p->pd, query, 0);
}

static mcvd_status make_training(onednn_conv *c, const conv_mds *m)
{
    const md_view plain = MD(m->plain_weights);
    mcvd_status st = make_primitive(&c->backward_data, CONV_BACKWARD_DATA, m, &c->s, c->forward.pd);

    if (st >= 0)
        st = make_primitive(&c->backward_weights, CONV_BACKWARD_WEIGHTS, m, &c->s, c->forward.pd);
    if (st >= 0)
        st = make_reorder(&c->pack_backward, plain,
                          weights_md(&c->backward_data, dnnl_query_weights_md), false);
    if (st >= 0)
        st =
            make_reorder(&c->unpack_gradient,
                         weights_md(&c->backward_weights, dnnl_query_diff_weights_md), plain, true);
    return st;
}

/* Scratch of a training call: [packed weights | primitive's scratchpad | dx to add | bias
 * gradient], as offsets. */
typedef struct scratch_layout {
    size_t scratchpad, dx, dbias, bytes;
} scratch_layout;

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static scratch_layout lay_out_scratch(const onednn_conv *c)
{
    const conv_primitive *all[] = { &c->forward, &c->backward_data, &c->backward_weights };
    size_t weights = 0;
    size_t scratchpad = 0;
    scratch_layout l;

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        weights = larger(weights, all[i]->weight_bytes);
        scratchpad = larger(scratchpad, all[i]->scratchpad_bytes);
    }
    l.scratchpad = round_up(weights);
    l.dx = l.scratchpad + round_up(scratchpad);
    l.dbias = l.dx + round_up(c->dx_bytes);
    l.bytes = l.dbias + round_up(c->s.out * sizeof(float));
    return l;
}

static mcvd_status onednn_create(void **state, const mcvdi_conv_shape *shape, mcvdi_graph_mode mode,
                                 mcvdi_conv_plan *plan)
{
    conv_mds m;

    *state = NULL;
    if (mode == MCVDI_TRAIN && !mcvdi_conv_is_plain(shape))
        return mcvdi_conv_refuse_training();
    pthread_once(&engine_once, create_engine);
    mcvd_status st = check(engine_status, "engine");
    if (st < 0)
        return st;
    onednn_conv *c = mcvdi_calloc(1, sizeof *c);
    if (!c)
        return mcvdi_fail(MCVD_E_NOMEM, "convolution: out of memory");
    c->s = flatten(*shape);
    c->dx_bytes = mcvdi_conv_inputs(shape) * shape->in * sizeof(float);
    st = make_mds(&m, &c->s);
    if (st >= 0)
        st = check(dnnl_stream_create(&c->stream, cpu_engine, dnnl_stream_default_flags), "stream");
    if (st >= 0)
        st = make_primitive(&c->forward, CONV_FORWARD, &m, &c->s, NULL);
    if (st >= 0)
        st = make_reorder(&c->pack_forward, MD(m.plain_weights),
                          weights_md(&c->forward, dnnl_query_weights_md), false);
    if (st >= 0 && mode == MCVDI_TRAIN)
        st = make_training(c, &m);
    free_mds(&m);
    if (st < 0) {
        onednn_release(c);
        return st;
    }
    plan->packed_bytes = c->forward.weight_bytes;
    plan->scratch_bytes =
        mode == MCVDI_TRAIN ? lay_out_scratch(c).bytes : round_up(c->forward.scratchpad_bytes);
    *state = c;
    return MCVD_OK;
}

/* Point a memory at a buffer; a no-op when it does already (buffers are planned once). */
static dnnl_status_t bind(dnnl_memory_t memory, const void *buffer)
{
    void *now = NULL;
    void *wanted;

    memcpy(&wanted, &buffer, sizeof wanted); /* oneDNN has no const handles */
    if (!memory || (dnnl_memory_get_data_handle(memory, &now) == dnnl_success && now == wanted))
        return dnnl_success;
    return dnnl_memory_set_data_handle(memory, wanted);
}

static mcvd_status run_reorder(const onednn_conv *c, const weight_reorder *r, const void *from,
                               void *to)
{
    const dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, r->from }, { DNNL_ARG_TO, r->to } };
    dnnl_status_t st = bind(r->from, from);

    if (st == dnnl_success)
        st = bind(r->to, to);
    if (st == dnnl_success)
        st = dnnl_primitive_execute(r->primitive, c->stream, 2, args);
    if (st == dnnl_success)
        st = dnnl_stream_wait(c->stream);
    return check(st, "weight reorder");
}

static mcvd_status onednn_pack(void *state, const float *weight, void *packed)
{
    const onednn_conv *c = state;
    return run_reorder(c, &c->pack_forward, weight, packed);
}

typedef struct conv_pointers {
    const void *src, *weights, *bias, *dst;
    void *scratchpad;
} conv_pointers;

static mcvd_status run_conv(const onednn_conv *c, const conv_primitive *p, conv_kind kind,
                            const conv_pointers *at)
{
    const bool forward = kind == CONV_FORWARD;
    const bool data = kind == CONV_BACKWARD_DATA;
    const bool weights = kind == CONV_BACKWARD_WEIGHTS;
    const dnnl_exec_arg_t args[] = {
        { data ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, p->src },
        { weights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, p->weights },
        { forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, p->dst },
        { DNNL_ARG_SCRATCHPAD, p->scratchpad },
        { weights ? DNNL_ARG_DIFF_BIAS : DNNL_ARG_BIAS, p->bias },
    };
    dnnl_status_t st = bind(p->src, at->src);

    if (st == dnnl_success)
        st = bind(p->weights, at->weights);
    if (st == dnnl_success)
        st = bind(p->dst, at->dst);
    if (st == dnnl_success)
        st = bind(p->bias, at->bias);
    if (st == dnnl_success)
        st = bind(p->scratchpad, at->scratchpad);
    if (st == dnnl_success)
        st = dnnl_primitive_execute(p->primitive, c->stream, p->bias ? 5 : 4, args);
    if (st == dnnl_success)
        st = dnnl_stream_wait(c->stream);
    return check(st, "convolution");
}

typedef struct scratch_parts {
    char *weights, *scratchpad, *dx, *dbias;
} scratch_parts;

static scratch_parts split_scratch(const onednn_conv *c, void *scratch)
{
    const scratch_layout l = lay_out_scratch(c);
    char *start = scratch;

    return (scratch_parts) { start, start + l.scratchpad, start + l.dx, start + l.dbias };
}

static mcvd_status onednn_forward(void *state, const mcvdi_conv_buffers *b)
{
    const onednn_conv *c = state;
    conv_pointers at = { b->x, b->packed, b->bias, b->y, b->scratch };
    mcvd_status st = MCVD_OK;

    if (b->weight) {
        const scratch_parts parts = split_scratch(c, b->scratch);
        st = run_reorder(c, &c->pack_forward, b->weight, parts.weights);
        at.weights = parts.weights;
        at.scratchpad = parts.scratchpad;
    }
    return st < 0 ? st : run_conv(c, &c->forward, CONV_FORWARD, &at);
}

static void add_to(float *sum, const float *share, size_t n)
{
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < n; i++)
        sum[i] += share[i];
}

static mcvd_status backward_data(const onednn_conv *c, const mcvdi_conv_buffers *b,
                                 const scratch_parts *parts)
{
    float *dx = b->dx_add ? (float *)(void *)parts->dx : b->dx;
    const conv_pointers at = { dx, parts->weights, NULL, b->dy, parts->scratchpad };
    mcvd_status st = run_reorder(c, &c->pack_backward, b->weight, parts->weights);

    if (st >= 0)
        st = run_conv(c, &c->backward_data, CONV_BACKWARD_DATA, &at);
    if (st >= 0 && b->dx_add)
        add_to(b->dx, dx, c->dx_bytes / sizeof(float));
    return st;
}

static mcvd_status backward_weights(const onednn_conv *c, const mcvdi_conv_buffers *b,
                                    const scratch_parts *parts)
{
    const conv_pointers at = { b->x, parts->weights, parts->dbias, b->dy, parts->scratchpad };
    mcvd_status st = run_conv(c, &c->backward_weights, CONV_BACKWARD_WEIGHTS, &at);

    if (st >= 0)
        st = run_reorder(c, &c->unpack_gradient, parts->weights, b->dweight);
    if (st < 0)
        return st;
    for (size_t o = 0; c->s.bias && o < c->s.out; o++)
        b->dbias[o] += ((const float *)(const void *)parts->dbias)[o];
    return MCVD_OK;
}

static mcvd_status onednn_backward(void *state, const mcvdi_conv_buffers *b)
{
    const onednn_conv *c = state;
    const scratch_parts parts = split_scratch(c, b->scratch);
    const mcvd_status st = b->dweight ? backward_weights(c, b, &parts) : MCVD_OK;

    return st < 0 || !b->dx ? st : backward_data(c, b, &parts);
}

const mcvdi_conv_backend mcvdi_conv_backend_onednn = {
    .name = "oneDNN",
    .create = onednn_create,
    .release = onednn_release,
    .pack = onednn_pack,
    .forward = onednn_forward,
    .backward = onednn_backward,
};

/* --- reports --- */

const char *mcvdi_onednn_version(void)
{
    static char text[32];
    const dnnl_version_t *v = dnnl_version();

    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

const char *mcvdi_onednn_isa(void)
{
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } names[] = {
        { dnnl_cpu_isa_sse41, "sse41" },
        { dnnl_cpu_isa_avx, "avx" },
        { dnnl_cpu_isa_avx2, "avx2" },
        { dnnl_cpu_isa_avx512_core, "avx512_core" },
        { dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni" },
        { dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16" },
        { dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx" },
    };
    const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].isa == isa)
            return names[i].name;
    return "other";
}
