/* Every CPU level gives the bits of the scalar kernels: all lengths up to 67, unaligned, ordinary,
 * denormal, very large and mixed values; nothing outside the stated ranges is written. */
#include <float.h>
#include <stdlib.h>

#include <mcvd/rng.h>

#include "ops/kernels.h"
#include "support/check.h"
#include "support/hashed.h"

enum { MAX_LENGTH = 67, ROWS = 13, ROOM = 4 * ROWS * MAX_LENGTH + 64, GUARD = 16 };

typedef enum value_kind { ORDINARY, DENORMAL, LARGE, MIXED, NUM_KINDS } value_kind;

static const char *const kind_names[] = { "ordinary", "denormal", "large", "mixed" };

/* Buffers of one call. out starts with known numbers, so that additions and guards show. */
typedef struct arena {
    float a[ROOM], b[ROOM], c[ROOM], d[ROOM], e[ROOM], f[ROOM], g[ROOM], h[ROOM];
    float out[ROOM];
    double sum[ROOM], more[ROOM];
    uint32_t words[ROOM];
} arena;

typedef struct shape {
    size_t n; /* length, or channels */
    size_t rows;
    bool flag;
    bool add;
} shape;

typedef void (*call)(const mcvdi_kernels *k, arena *m, shape s);

static float value(value_kind kind, const char *key, uint32_t i)
{
    const float x = hashed_gauss(key, i);

    switch (kind) {
    case DENORMAL:
        return x * 1e-39f;
    case LARGE:
        return x * 1e18f;
    case MIXED:
        return i % 7 == 0 ? x * 1e10f : i % 5 == 0 ? x * 1e-40f : x * 40.0f;
    default:
        return x;
    }
}

static void fill(arena *m, value_kind kind)
{
    float *floats[] = { m->a, m->b, m->c, m->d, m->e, m->f, m->g, m->h, m->out };
    static const char *const keys[] = { "a", "b", "c", "d", "e", "f", "g", "h", "out" };

    for (uint32_t i = 0; i < ROOM; i++) {
        for (size_t j = 0; j < sizeof floats / sizeof floats[0]; j++)
            floats[j][i] = value(kind, keys[j], i);
        m->sum[i] = (double)hashed_gauss("sum", i);
        m->more[i] = (double)hashed_gauss("more", i);
        m->words[i] = hash24("words", i) << 8 | hash24("low", i) >> 16;
    }
}

/* Every pointer is one float off, so that no vector is aligned. */
static void call_sum_scaled(const mcvdi_kernels *k, arena *m, shape s)
{
    k->sum_scaled(m->out + 1, m->a + 1, m->b + 1, 0.7f, s.n);
}

static void call_copy_add(const mcvdi_kernels *k, arena *m, shape s)
{
    (s.add ? k->add_scaled : k->copy_scaled)(m->out + 1, m->a + 1, 0.7f, s.n);
}

static void call_silu(const mcvdi_kernels *k, arena *m, shape s)
{
    k->silu(m->out + 1, m->a + 1, s.n);
}

static void call_silu_back(const mcvdi_kernels *k, arena *m, shape s)
{
    k->silu_back(m->out + 1, m->a + 1, m->b + 1, s.n, s.add);
}

static void call_column_sums(const mcvdi_kernels *k, arena *m, shape s)
{
    k->column_sums(m->sum + 1, s.flag ? m->more + 1 : NULL, m->a + 1, s.rows, s.n);
}

static mcvdi_norm_rows norm_rows(const arena *m, shape s)
{
    return (mcvdi_norm_rows) {
        .x = m->a + 1, .dy = m->b + 1, .rows = s.rows, .channels = s.n, .silu = s.flag
    };
}

static mcvdi_norm_coefs norm_coefs(const arena *m)
{
    return (mcvdi_norm_coefs) {
        .a = m->c + 1, .b = m->d + 1, .r = m->e + 1, .q = m->f + 1, .u = m->g + 1, .v = m->h + 1
    };
}

static void call_norm_apply(const mcvdi_kernels *k, arena *m, shape s)
{
    const mcvdi_norm_rows in = norm_rows(m, s);
    k->norm_apply(m->out + 1, &in, m->c + 1, m->d + 1);
}

static void call_norm_back_sums(const mcvdi_kernels *k, arena *m, shape s)
{
    const mcvdi_norm_rows in = norm_rows(m, s);
    const mcvdi_norm_coefs coefs = norm_coefs(m);
    k->norm_back_sums(m->sum + 1, m->more + 1, &in, &coefs);
}

static void call_norm_back_apply(const mcvdi_kernels *k, arena *m, shape s)
{
    const mcvdi_norm_rows in = norm_rows(m, s);
    const mcvdi_norm_coefs coefs = norm_coefs(m);
    k->norm_back_apply(m->out + 1, &in, &coefs, s.add);
}

static mcvdi_spade_rows spade_rows(const arena *m, shape s)
{
    return (mcvdi_spade_rows) { .x = m->a + 1,
                                .gamma = m->b + 1,
                                .beta = m->c + 1,
                                .dy = m->d + 1,
                                .rows = s.rows,
                                .channels = s.n,
                                .silu = s.flag };
}

static mcvdi_spade_coefs spade_coefs(const arena *m)
{
    return (mcvdi_spade_coefs) {
        .r = m->e + 1, .q = m->f + 1, .s = m->g + 1, .h = m->h + 1, .u = m->e + 3, .v = m->f + 5
    };
}

static void call_spade_apply(const mcvdi_kernels *k, arena *m, shape s)
{
    const mcvdi_spade_rows in = spade_rows(m, s);
    const mcvdi_spade_coefs coefs = spade_coefs(m);
    k->spade_apply(m->out + 1, &in, &coefs);
}

static void call_spade_back_sums(const mcvdi_kernels *k, arena *m, shape s)
{
    const mcvdi_spade_rows in = spade_rows(m, s);
    const mcvdi_spade_coefs coefs = spade_coefs(m);
    k->spade_back_sums(m->sum + 1, MAX_LENGTH + 2, &in, &coefs);
}

/* Three outputs one behind the other. */
static void call_spade_back_apply(const mcvdi_kernels *k, arena *m, shape s)
{
    const size_t size = s.rows * s.n;
    const mcvdi_spade_rows in = spade_rows(m, s);
    const mcvdi_spade_coefs coefs = spade_coefs(m);
    const mcvdi_spade_gradients to = { .dx = m->out + 1,
                                       .dgamma = m->out + 1 + size,
                                       .dbeta = m->out + 1 + 2 * size,
                                       .add_x = s.add,
                                       .add_gamma = !s.add,
                                       .add_beta = s.add };
    k->spade_back_apply(&to, &in, &coefs);
}

static void call_softmax(const mcvdi_kernels *k, arena *m, shape s)
{
    if (s.n)
        k->softmax_row(m->out + 1, 0.3f, s.n);
}

static void call_softmax_back(const mcvdi_kernels *k, arena *m, shape s)
{
    k->softmax_back_row(m->out + 1, m->a + 1, 0.3f, s.n);
}

/* Lengths up to 16, d up to 19, a stride of one more; heads of q, k, v, dy in their buffers. */
static mcvdi_short_head short_head(const arena *m, shape s)
{
    const size_t d = s.n % 19 + 1;

    return (mcvdi_short_head) { .length = (s.n + 5 * s.rows) % MCVDI_SHORT_LENGTH + 1,
                                .d = d,
                                .stride = d + 1,
                                .scale = 0.3f,
                                .q = m->a + 1,
                                .k = m->b + 1,
                                .v = m->c + 1,
                                .dy = m->d + 1,
                                .add_q = s.add,
                                .add_k = s.flag,
                                .add_v = !s.add };
}

static void call_short_attention(const mcvdi_kernels *k, arena *m, shape s)
{
    mcvdi_short_head h = short_head(m, s);
    h.y = m->out + 1;
    k->short_attention(&h);
}

static void call_short_attention_back(const mcvdi_kernels *k, arena *m, shape s)
{
    mcvdi_short_head h = short_head(m, s);
    const size_t size = h.length * h.stride;
    h.dq = m->out + 1;
    h.dk = s.rows == 1 ? NULL : h.dq + size;
    h.dv = h.dq + 2 * size;
    k->short_attention_back(&h);
}

static void call_fir_mix(const mcvdi_kernels *k, arena *m, shape s)
{
    const float *const rows[4] = { m->a + 1, m->b + 1, m->c + 1, m->d + 1 };

    if (s.flag)
        k->fir_mix4(m->out + 1, rows, s.n);
    else
        k->fir_mix2(m->out + 1, m->a + 1, m->b + 1, s.n);
}

static void call_fir_down(const mcvdi_kernels *k, arena *m, shape s)
{
    k->fir_down_row(m->out + 1, m->a + 1, s.rows, s.n, 0.125f, s.add);
}

static void call_fir_up(const mcvdi_kernels *k, arena *m, shape s)
{
    k->fir_up_row(m->out + 1, m->a + 1, s.rows, s.n, 0.25f, s.add);
}

static void call_philox(const mcvdi_kernels *k, arena *m, shape s)
{
    const mcvdi_philox_stream stream = { { 0x12345678u, 0x9abcdef0u }, { 3u, 0xffffffffu } };
    k->philox(m->words + 1, &stream, UINT64_C(0xfffffff8), s.n);
}

static void call_dropout(const mcvdi_kernels *k, arena *m, shape s)
{
    const mcvdi_dropout_rule rule = { 20000u, 1.44f };
    k->dropout(m->out + 1, m->a + 1, m->words + 1, rule, s.n, s.add);
}

typedef struct kernel_case {
    const char *name;
    call run;
    size_t outputs_per_row; /* floats written = n, or n * rows * this; or so many SHORT_HEADS */
} kernel_case;

enum { SHORT_HEADS = 1000 };

static const kernel_case cases[] = {
    { "sum_scaled", call_sum_scaled, 0 },
    { "copy_scaled, add_scaled", call_copy_add, 0 },
    { "silu", call_silu, 0 },
    { "silu_back", call_silu_back, 0 },
    { "column_sums", call_column_sums, 0 },
    { "norm_apply", call_norm_apply, 1 },
    { "norm_back_sums", call_norm_back_sums, 0 },
    { "norm_back_apply", call_norm_back_apply, 1 },
    { "spade_apply", call_spade_apply, 1 },
    { "spade_back_sums", call_spade_back_sums, 0 },
    { "spade_back_apply", call_spade_back_apply, 3 },
    { "softmax_row", call_softmax, 0 },
    { "softmax_back_row", call_softmax_back, 0 },
    { "short_attention", call_short_attention, SHORT_HEADS },
    { "short_attention_back", call_short_attention_back, 3 * SHORT_HEADS },
    { "fir_mix", call_fir_mix, 0 },
    { "fir_down_row", call_fir_down, 1 },
    { "fir_up_row", call_fir_up, 2 },
    { "philox", call_philox, 0 },
    { "dropout", call_dropout, 0 },
};

/* Equal bits, or both NaN (whose sign and payload are nobody's business). */
static bool same_floats(const float *a, const float *b, size_t n, size_t *where)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i]))) {
            *where = i;
            return false;
        }
    }
    return true;
}

static bool same_doubles(const double *a, const double *b, size_t n, size_t *where)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i]))) {
            *where = i;
            return false;
        }
    }
    return true;
}

/* Nothing after the written range changed, nor the float before it. */
static bool outside_untouched(const arena *after, const arena *before, const kernel_case *c,
                              shape s)
{
    size_t written = c->outputs_per_row ? c->outputs_per_row * s.n * s.rows : s.n;

    if (c->outputs_per_row >= SHORT_HEADS) {
        const mcvdi_short_head h = short_head(after, s);
        written = c->outputs_per_row / SHORT_HEADS * h.length * h.stride;
    }
    const size_t end = 1 + written;

    return memcmp(after->out, before->out, sizeof(float)) == 0 &&
           memcmp(after->out + end, before->out + end, (ROOM - end) * sizeof(float)) == 0;
}

static void compare(const kernel_case *c, shape s, value_kind kind, const mcvdi_kernels *level,
                    arena *m[3])
{
    size_t at = 0;

    memcpy(m[1], m[0], sizeof *m[0]);
    memcpy(m[2], m[0], sizeof *m[0]);
    c->run(mcvdi_kernels_of(MCVDI_CPU_SCALAR), m[1], s);
    c->run(level, m[2], s);
    if (!same_floats(m[1]->out, m[2]->out, ROOM, &at))
        fail_msg("%s %s, %s values, n %zu, rows %zu: [%zu] = %.9g, scalar %.9g", level->name,
                 c->name, kind_names[kind], s.n, s.rows, at - 1, (double)m[2]->out[at],
                 (double)m[1]->out[at]);
    if (!same_doubles(m[1]->sum, m[2]->sum, ROOM, &at) ||
        !same_doubles(m[1]->more, m[2]->more, ROOM, &at))
        fail_msg("%s %s, %s values, n %zu, rows %zu: sums [%zu] differ", level->name, c->name,
                 kind_names[kind], s.n, s.rows, at - 1);
    if (memcmp(m[1]->words, m[2]->words, sizeof m[1]->words) != 0)
        fail_msg("%s %s: words differ at n %zu", level->name, c->name, s.n);
    if (!outside_untouched(m[1], m[0], c, s))
        fail_msg("scalar %s wrote outside its range at n %zu, rows %zu", c->name, s.n, s.rows);
}

static void compare_all(const kernel_case *c, const mcvdi_kernels *level)
{
    static const size_t row_counts[] = { 0, 1, 4, 8, ROWS };
    arena *m[3];

    for (int i = 0; i < 3; i++) {
        m[i] = malloc(sizeof *m[i]);
        CHECK_TRUE(m[i] != NULL);
    }
    for (int kind = 0; kind < NUM_KINDS; kind++) {
        fill(m[0], (value_kind)kind);
        for (size_t n = 0; n <= MAX_LENGTH; n++)
            for (unsigned flags = 0; flags < 4; flags++)
                compare(c,
                        (shape) { n, row_counts[(n + flags) % 5], (flags & 1u) != 0,
                                  (flags & 2u) != 0 },
                        (value_kind)kind, level, m);
    }
    for (int i = 0; i < 3; i++)
        free(m[i]);
}

static void test_levels(void **state)
{
    (void)state;
    for (int level = MCVDI_CPU_SCALAR; level < MCVDI_CPU_LEVELS; level++) {
        const mcvdi_kernels *k = mcvdi_kernels_of((mcvdi_cpu_level)level);
        for (size_t i = 0; k && i < sizeof cases / sizeof cases[0]; i++)
            compare_all(&cases[i], k);
    }
}

/* The exponential inside: within 4 ulp of x sigmoid(x) in double; flat and finite far outside. */
static void test_silu_accuracy(void **state)
{
    float x[4096];
    float y[4096];

    (void)state;
    for (uint32_t i = 0; i < 4096; i++)
        x[i] = hashed_uniform("accuracy", i, -80.0, 80.0) * (i % 2 ? 1.0f : 0.05f);
    mcvdi_kernels_get()->silu(y, x, 4096);
    for (size_t i = 0; i < 4096; i++) {
        const double exact = (double)x[i] / (1.0 + exp(-(double)x[i]));
        CHECK_CLOSE(y[i], exact, 4.0 * (double)FLT_EPSILON * fabs(exact));
    }
    const float far[6] = { -1e30f, -100.0f, 100.0f, 1e30f, 0.0f, NAN };
    mcvdi_kernels_get()->silu(y, far, 6);
    CHECK_CLOSE(y[1], 0.0, 1e-35);
    CHECK_TRUE(y[2] == 100.0f && y[3] == 1e30f && y[4] == 0.0f);
    CHECK_TRUE(isfinite(y[0]) && fabsf(y[0]) < 1e-6f);
    CHECK_TRUE(isnan(y[5]));
}

static void test_softmax_values(void **state)
{
    float s[50];
    double exact[50];
    double sum = 0.0;

    (void)state;
    for (uint32_t i = 0; i < 50; i++) {
        s[i] = hashed_uniform("scores", i, -30.0, 30.0);
        exact[i] = exp(0.5 * (double)s[i]);
        sum += exact[i];
    }
    mcvdi_kernels_get()->softmax_row(s, 0.5f, 50);
    for (size_t i = 0; i < 50; i++) /* the rounded difference to the maximum costs 30 half ulps */
        CHECK_CLOSE(s[i], exact[i] / sum, 40.0 * (double)FLT_EPSILON * exact[i] / sum);
}

static void test_philox_is_the_stream(void **state)
{
    const mcvd_rng_key key = mcvd_rng_key_make(9, MCVD_RNG_TEST, 4, 1);
    const mcvdi_philox_stream stream = {
        { (uint32_t)key.key, (uint32_t)(key.key >> 32) },
        { (uint32_t)key.stream, (uint32_t)(key.stream >> 32) },
    };
    const uint64_t block = UINT64_C(0x2fffffff5);
    uint32_t words[4 * 21];

    (void)state;
    mcvdi_kernels_get()->philox(words, &stream, block, 21);
    for (uint64_t i = 0; i < 4 * 21; i++)
        CHECK_EQ(words[i], mcvd_rng_u32(key, 4 * block + i));
}

static void test_cap(void **state)
{
    (void)state;
    CHECK_EQ(mcvdi_kernels_cap(MCVDI_CPU_SCALAR), MCVDI_CPU_SCALAR);
    CHECK_TRUE(mcvdi_kernels_get() == mcvdi_kernels_of(MCVDI_CPU_SCALAR));
    const mcvdi_cpu_level best = mcvdi_kernels_cap(MCVDI_CPU_AVX512);
    CHECK_TRUE(mcvdi_kernels_get() == mcvdi_kernels_of(best));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_silu_accuracy),
        cmocka_unit_test(test_softmax_values),
        cmocka_unit_test(test_philox_is_the_stream),
        cmocka_unit_test(test_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
