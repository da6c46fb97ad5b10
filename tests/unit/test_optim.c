/* Adam, moving average, clipping, learning rate. */
#include <float.h>

#include <mcvd/rng.h>

#include "core/threads.h"
#include "support/check.h"
#include "train/adam.h"
#include "train/clip.h"
#include "train/ema.h"
#include "train/lr.h"

enum { N = 5003 }; /* several pieces and a rest */

typedef struct arrays {
    float params[N];
    float grads[N];
    float m[N];
    float v[N];
    float v_max[N];
    float ema[N];
} arrays;

static void fill(arrays *a)
{
    memset(a, 0, sizeof *a);
    mcvd_rng_normal(mcvd_rng_key_make(4, MCVD_RNG_TEST, 0, 0), 0, a->params, N);
    mcvd_rng_normal(mcvd_rng_key_make(4, MCVD_RNG_TEST, 0, 1), 0, a->grads, N);
    memcpy(a->ema, a->params, sizeof a->ema);
}

static mcvdi_adam_slab whole(arrays *a)
{
    return (mcvdi_adam_slab) { a->params, a->grads, a->m, a->v, a->v_max, a->ema, N };
}

static const mcvdi_adam_config adam = { 0.9, 0.999, 1e-8, 0.01 };

static void take_steps(arrays *a, int count)
{
    const mcvdi_adam_slab slab = whole(a);

    for (int t = 1; t <= count; t++) {
        const mcvdi_adam_now now = { t, 1e-3, 0.5, 0.99 };
        CHECK_OK(mcvdi_adam_step(&adam, &now, &slab));
    }
}

/* The first step moves every weight by lr in the direction of its gradient: m and v divided by
 * their corrections are g and g^2. */
static void test_first_step(void **state)
{
    static arrays a;
    static arrays before;
    const mcvdi_adam_config plain = { 0.9, 0.999, 0.0, 0.0 };
    const mcvdi_adam_now now = { 1, 0.125, 0.5, 0.0 };

    (void)state;
    fill(&a);
    before = a;
    mcvdi_adam_slab slab = whole(&a);
    slab.v_max = NULL;
    slab.ema = NULL;
    CHECK_OK(mcvdi_adam_step(&plain, &now, &slab));
    for (size_t i = 0; i < N; i++) {
        const double sign = a.grads[i] > 0.0f ? 1.0 : -1.0;
        CHECK_CLOSE(a.params[i], (double)before.params[i] - 0.125 * sign, 16.0 * FLT_EPSILON);
    }
    assert_memory_equal(a.ema, before.ema, sizeof a.ema);
    assert_memory_equal(a.v_max, before.v_max, sizeof a.v_max);
}

static void test_any_number_of_threads(void **state)
{
    static arrays a;
    static arrays b;

    (void)state;
    fill(&a);
    fill(&b);
    mcvdi_threads_set(1);
    take_steps(&a, 3);
    mcvdi_threads_set(3);
    take_steps(&b, 3);
    mcvdi_threads_set(0);
    assert_memory_equal(&a, &b, sizeof a);
}

static void test_average_follows_the_weights(void **state)
{
    static arrays a;
    static float ema[N];

    (void)state;
    fill(&a);
    memcpy(ema, a.ema, sizeof ema);
    take_steps(&a, 1);
    mcvdi_ema_update(ema, a.params, 0.99, N);
    assert_memory_equal(ema, a.ema, sizeof ema);
    for (size_t i = 0; i < N; i++)
        ema[i] = 1.0f;
    mcvdi_ema_update(ema, a.params, 0.0, N);
    assert_memory_equal(ema, a.params, sizeof ema);
}

static void test_adam_refusals(void **state)
{
    static arrays a;
    static arrays before;
    const mcvdi_adam_now bad[] = { { 0, 1e-3, 1.0, 0.99 },
                                   { 1, NAN, 1.0, 0.99 },
                                   { 1, 1e-3, INFINITY, 0.99 } };

    (void)state;
    fill(&a);
    before = a;
    const mcvdi_adam_slab slab = whole(&a);
    for (size_t i = 0; i < 3; i++)
        CHECK_STATUS(mcvdi_adam_step(&adam, &bad[i], &slab), MCVD_E_RANGE);
    assert_memory_equal(&a, &before, sizeof a);
}

static void test_norm(void **state)
{
    static arrays a;
    double sum = 0.0;
    double one = 0.0;
    double three = 0.0;

    (void)state;
    fill(&a);
    for (size_t i = 0; i < N; i++)
        sum += (double)a.grads[i] * (double)a.grads[i];
    const mcvdi_grad_slab slabs[] = { { a.grads, 1 }, { NULL, 0 }, { a.grads + 1, N - 1 } };
    mcvdi_threads_set(1);
    CHECK_OK(mcvdi_grad_norm(slabs, 3, &one));
    mcvdi_threads_set(3);
    CHECK_OK(mcvdi_grad_norm(slabs, 3, &three));
    mcvdi_threads_set(0);
    CHECK_TRUE(one == three);
    CHECK_CLOSE(one, sqrt(sum), 1e-12 * sqrt(sum)); /* double: about N * 1e-16 */
    a.grads[N - 1] = NAN;
    CHECK_STATUS(mcvdi_grad_norm(slabs, 3, &one), MCVD_E_NONFINITE);
    a.grads[N - 1] = -INFINITY;
    CHECK_STATUS(mcvdi_grad_norm(slabs, 3, &one), MCVD_E_NONFINITE);
}

static void test_clip_factor(void **state)
{
    (void)state;
    CHECK_TRUE(mcvdi_clip_factor(0.5, 1.0) == 1.0);
    CHECK_TRUE(mcvdi_clip_factor(50.0, 0.0) == 1.0);
    CHECK_TRUE(mcvdi_clip_factor(50.0, -1.0) == 1.0);
    CHECK_TRUE(mcvdi_clip_factor(0.0, 1.0) == 1.0);
    CHECK_CLOSE(mcvdi_clip_factor(4.0, 1.0), 0.25, 1e-7);
    CHECK_CLOSE(mcvdi_clip_factor(1e-6, 1e-6), 0.5, 1e-15);
}

static void test_learning_rate(void **state)
{
    mcvdi_lr_config config = { .lr = 2e-4, .warmup = 4, .n_iters = 104 };

    (void)state;
    CHECK_TRUE(mcvdi_lr_at(&config, 0) == 0.0);
    CHECK_CLOSE(mcvdi_lr_at(&config, 1), 0.5e-4, 1e-18);
    CHECK_TRUE(mcvdi_lr_at(&config, 4) == 2e-4);
    CHECK_TRUE(mcvdi_lr_at(&config, 1000000) == 2e-4);
    config.cosine = true;
    CHECK_TRUE(mcvdi_lr_at(&config, 4) == 2e-4);
    CHECK_CLOSE(mcvdi_lr_at(&config, 54), 1e-4, 1e-18);
    CHECK_CLOSE(mcvdi_lr_at(&config, 29), 2e-4 * (0.5 + sqrt(0.125)), 1e-18);
    CHECK_TRUE(mcvdi_lr_at(&config, 104) == 0.0);
    CHECK_TRUE(mcvdi_lr_at(&config, 105) == 0.0);
    config = (mcvdi_lr_config) { .lr = 2e-4, .warmup = 4, .n_iters = 104, .cooldown = 40 };
    CHECK_TRUE(mcvdi_lr_at(&config, 63) == 2e-4);
    CHECK_TRUE(mcvdi_lr_at(&config, 64) == 2e-4);
    CHECK_CLOSE(mcvdi_lr_at(&config, 74), 1.5e-4, 1e-18);
    CHECK_CLOSE(mcvdi_lr_at(&config, 103), 0.05e-4, 1e-18);
    CHECK_TRUE(mcvdi_lr_at(&config, 104) == 0.0 && mcvdi_lr_at(&config, 999) == 0.0);
    config.cooldown = 1000; /* more than the run: 50 steps of its 100 after the warm-up */
    CHECK_TRUE(mcvdi_lr_at(&config, 54) == 2e-4);
    CHECK_CLOSE(mcvdi_lr_at(&config, 79), 1e-4, 1e-18);
    config = (mcvdi_lr_config) { .lr = 2e-4 };
    CHECK_TRUE(mcvdi_lr_at(&config, 0) == 2e-4);
    config.warmup_zero_stays_zero = true;
    CHECK_TRUE(mcvdi_lr_at(&config, 0) == 0.0 && mcvdi_lr_at(&config, 7) == 0.0);
}

static void test_average_rate(void **state)
{
    (void)state;
    CHECK_TRUE(mcvdi_ema_rate_at(0.999, false, 0) == 0.999);
    CHECK_CLOSE(mcvdi_ema_rate_at(0.999, true, 0), 0.1, 1e-16);
    CHECK_CLOSE(mcvdi_ema_rate_at(0.999, true, 89), 90.0 / 99.0, 1e-16);
    CHECK_TRUE(mcvdi_ema_rate_at(0.999, true, 8988) < 0.999);
    CHECK_TRUE(mcvdi_ema_rate_at(0.999, true, 8990) == 0.999);
    CHECK_TRUE(mcvdi_ema_rate_at(0.0, true, 5) == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_step),
        cmocka_unit_test(test_any_number_of_threads),
        cmocka_unit_test(test_average_follows_the_weights),
        cmocka_unit_test(test_adam_refusals),
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_clip_factor),
        cmocka_unit_test(test_learning_rate),
        cmocka_unit_test(test_average_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
