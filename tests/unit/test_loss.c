/* The training loss: values, gradient, refusals, independence of the number of threads. */
#include "diffusion/loss.h"

#include <float.h>

#include <mcvd/rng.h>

#include "core/threads.h"
#include "support/check.h"

enum { BATCH = 67, NUMEL = 53, N = BATCH * NUMEL }; /* more samples than one chunk */

static float target[N];
static float pred[N];

static void fill(void)
{
    mcvd_rng_normal(mcvd_rng_key_make(3, MCVD_RNG_TEST, 0, 0), 0, target, N);
    mcvd_rng_normal(mcvd_rng_key_make(3, MCVD_RNG_TEST, 0, 1), 0, pred, N);
}

static mcvdi_loss_input input(bool l1)
{
    return (mcvdi_loss_input) {
        .l1 = l1, .batch = BATCH, .numel = NUMEL, .target = target, .pred = pred, .grad_scale = 0.25
    };
}

static void test_values(void **state)
{
    (void)state;
    fill();
    for (int l1 = 0; l1 < 2; l1++) {
        const mcvdi_loss_input in = input(l1);
        static float d_pred[N];
        double per_sample[BATCH];
        mcvdi_loss_result with;
        mcvdi_loss_result without;
        double mean = 0.0;

        CHECK_OK(mcvdi_loss(&in, d_pred, per_sample, &with));
        for (size_t b = 0; b < BATCH; b++) {
            double sum = 0.0;
            for (size_t i = b * NUMEL; i < (b + 1) * NUMEL; i++) {
                const double diff = (double)target[i] - (double)pred[i];
                sum += l1 ? fabs(diff) : 0.5 * diff * diff;
            }
            CHECK_CLOSE(per_sample[b], sum, 2.0 * FLT_EPSILON * sum);
            mean += sum / BATCH;
        }
        CHECK_CLOSE(with.mean, mean, 2.0 * FLT_EPSILON * mean);
        CHECK_CLOSE(with.per_element, with.mean / NUMEL, 1e-12);
        CHECK_OK(mcvdi_loss(&in, NULL, NULL, &without));
        CHECK_CLOSE(without.mean, with.mean, 1e-12 * with.mean);
    }
}

/* Central differences of the sum over the batch, times grad_scale. For l2 they are exact but for
 * rounding of the loss in float differences: u |diff|^2 / h. */
static void test_gradient(void **state)
{
    const float h = 0.0625f;

    (void)state;
    fill();
    for (int l1 = 0; l1 < 2; l1++) {
        mcvdi_loss_input in = input(l1);
        static float d_pred[N];
        mcvdi_loss_result up;
        mcvdi_loss_result down;

        CHECK_OK(mcvdi_loss(&in, d_pred, NULL, &up));
        for (size_t i = 0; i < N; i += 101) {
            const float kept = pred[i];
            if (l1 && fabsf(kept - target[i]) < 2.0f * h)
                continue; /* the kink */
            pred[i] = kept + h;
            CHECK_OK(mcvdi_loss(&in, NULL, NULL, &up));
            pred[i] = kept - h;
            CHECK_OK(mcvdi_loss(&in, NULL, NULL, &down));
            pred[i] = kept;
            const double slope = BATCH * (up.mean - down.mean) / (2.0 * (double)h);
            CHECK_CLOSE(d_pred[i], 0.25 * slope, 1e-4);
        }
    }
}

static void test_gradient_may_overwrite_the_prediction(void **state)
{
    static float d_pred[N];
    mcvdi_loss_result result;
    const mcvdi_loss_input in = input(false);

    (void)state;
    fill();
    CHECK_OK(mcvdi_loss(&in, d_pred, NULL, &result));
    CHECK_OK(mcvdi_loss(&in, pred, NULL, &result));
    assert_memory_equal(pred, d_pred, sizeof pred);
}

static void test_any_number_of_threads(void **state)
{
    static float d_pred[2][N];
    mcvdi_loss_result result[2];
    const mcvdi_loss_input in = input(false);

    (void)state;
    fill();
    for (int i = 0; i < 2; i++) {
        mcvdi_threads_set(i ? 3 : 1);
        CHECK_OK(mcvdi_loss(&in, d_pred[i], NULL, &result[i]));
    }
    mcvdi_threads_set(0);
    assert_memory_equal(&result[0], &result[1], sizeof result[0]);
    assert_memory_equal(d_pred[0], d_pred[1], sizeof d_pred[0]);
}

static void test_refusals(void **state)
{
    mcvdi_loss_result result;

    (void)state;
    for (int l1 = 0; l1 < 2; l1++) {
        mcvdi_loss_input in = input(l1);
        fill();
        pred[66 * NUMEL + 5] = NAN;
        CHECK_STATUS(mcvdi_loss(&in, NULL, NULL, &result), MCVD_E_NONFINITE);
        CHECK_MESSAGE("sample 66");
        pred[66 * NUMEL + 5] = INFINITY;
        CHECK_STATUS(mcvdi_loss(&in, NULL, NULL, &result), MCVD_E_NONFINITE);
        in.batch = 0;
        CHECK_STATUS(mcvdi_loss(&in, NULL, NULL, &result), MCVD_E_RANGE);
        in.batch = 1;
        in.numel = 0;
        CHECK_STATUS(mcvdi_loss(&in, NULL, NULL, &result), MCVD_E_RANGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_gradient_may_overwrite_the_prediction),
        cmocka_unit_test(test_any_number_of_threads),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
