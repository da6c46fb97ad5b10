/* Weights of the noise levels: closed forms, equality between parameterisations, gradients. */
#include "diffusion/weighting.h"

#include <float.h>
#include <string.h>

#include <mcvd/rng.h>

#include "diffusion/loss.h"
#include "support/check.h"

enum { T = 50, NUMEL = 96, BATCH = 5, N = BATCH * NUMEL };

static const double min_snr_gamma = 5.0;

static mcvd_schedule *make_schedule(const char *kind, bool zero_terminal_snr)
{
    mcvd_schedule_config config = mcvd_schedule_config_default();
    mcvd_schedule *sched = NULL;

    config.kind = kind;
    config.num_timesteps = T;
    config.beta_begin = 0.3; /* down to SNR 5e-4 in 50 steps */
    config.zero_terminal_snr = zero_terminal_snr;
    CHECK_OK(mcvd_schedule_create(&sched, &config));
    return sched;
}

static mcvdi_weighting make_weighting(const char *name, const char *prediction, bool l1)
{
    mcvdi_weighting w = { .l1 = l1, .min_snr_gamma = min_snr_gamma };

    CHECK_OK(mcvdi_weighting_find(&w, name));
    CHECK_OK(mcvdi_parameterisation_find(&w.param, prediction));
    return w;
}

static double snr_of(const mcvd_schedule *sched, int t)
{
    const mcvd_level l = mcvd_schedule_level(sched, t);
    return l.a * l.a / (l.s * l.s);
}

/* The published forms. */
static double closed_form(const char *name, const char *prediction, const mcvd_schedule *sched,
                          int t)
{
    const double snr = snr_of(sched, t);
    const double s = mcvd_schedule_level(sched, t).s;
    const double bound = T * (t ? snr_of(sched, t - 1) - snr : snr);
    const double of_x0 = strcmp(name, "min-snr") == 0         ? fmin(snr, min_snr_gamma)
                         : strcmp(name, "elbo") == 0          ? bound
                         : strcmp(name, "truncated-snr") == 0 ? fmax(snr, 1.0)
                         : strcmp(name, "snr+1") == 0         ? snr + 1.0
                                                              : snr;
    if (strcmp(name, "uniform") == 0)
        return 1.0;
    if (strcmp(prediction, "x0") == 0)
        return of_x0;
    if (strcmp(prediction, "eps") == 0)
        return of_x0 / snr;
    if (strcmp(prediction, "score") == 0)
        return of_x0 / snr * s * s;
    return of_x0 / (snr + 1.0); /* v */
}

static void test_closed_forms(void **state)
{
    static const char *const names[] = { "uniform", "min-snr",       "elbo",
                                         "sigma",   "truncated-snr", "snr+1" };
    static const char *const predictions[] = { "x0", "eps", "score", "v" };
    mcvd_schedule *sched = make_schedule("linear", false);

    (void)state;
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 4; j++) {
            const mcvdi_weighting w = make_weighting(names[i], predictions[j], false);
            const mcvdi_weighting l1 = make_weighting(names[i], predictions[j], true);
            for (int t = 0; t < T; t++) {
                const double expected = closed_form(names[i], predictions[j], sched, t);
                CHECK_CLOSE(mcvdi_weighting_at(&w, sched, t), expected, 1e-9 * expected);
                CHECK_CLOSE(mcvdi_weighting_at(&l1, sched, t), sqrt(expected),
                            1e-9 * sqrt(expected));
            }
        }
    mcvd_schedule_free(&sched);
}

/* The sum over the timesteps of u telescopes: SNR(0) twice, minus SNR(T - 1). */
static void test_the_bound_telescopes(void **state)
{
    static const char *const kinds[] = { "linear", "cosine", "geometric", "flow" };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        mcvd_schedule *sched = make_schedule(kinds[i], false);
        const mcvdi_weighting w = make_weighting("elbo", "x0", false);
        double sum = 0.0;
        for (int t = 0; t < T; t++)
            sum += mcvdi_weighting_at(&w, sched, t) / T;
        const double expected = 2.0 * snr_of(sched, 0) - snr_of(sched, T - 1);
        CHECK_CLOSE(sum, expected, 1e-9 * expected);
        mcvd_schedule_free(&sched);
    }
}

/* Nothing but noise: finite weights for every output that is allowed there. */
static void test_pure_noise_has_finite_weights(void **state)
{
    static const char *const names[] = { "uniform", "min-snr",       "elbo",
                                         "sigma",   "truncated-snr", "snr+1" };
    static const char *const predictions[] = { "x0", "flow", "v" };
    mcvd_schedule *sched = make_schedule("linear", true);

    (void)state;
    CHECK_CLOSE(mcvd_schedule_level(sched, T - 1).a, 0.0, 0.0);
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 3; j++) {
            const mcvdi_weighting w = make_weighting(names[i], predictions[j], false);
            const double weight = mcvdi_weighting_at(&w, sched, T - 1);
            CHECK_TRUE(isfinite(weight) && weight >= 0.0);
        }
    mcvd_schedule_free(&sched);
}

/* --- the same error of the clean frames in every parameterisation --- */

static float x0[N];
static float eps[N];
static float wrong[N]; /* x0 with errors */

static void fill(void)
{
    mcvd_rng_normal(mcvd_rng_key_make(8, MCVD_RNG_TEST, 0, 0), 0, x0, N);
    mcvd_rng_normal(mcvd_rng_key_make(8, MCVD_RNG_TEST, 0, 1), 0, eps, N);
    mcvd_rng_normal(mcvd_rng_key_make(8, MCVD_RNG_TEST, 0, 2), 0, wrong, N);
    for (size_t i = 0; i < N; i++)
        wrong[i] = x0[i] + 0.1f * wrong[i];
}

/* The weighted loss of a network that takes x_t for a noised `wrong`: its answer is the target of
 * wrong and of the eps that would explain x_t. */
static double loss_of(const mcvdi_weighting *w, const mcvd_schedule *sched, const int32_t *t)
{
    const mcvd_timesteps steps = { t, BATCH, NUMEL };
    float target[N];
    float other_eps[N];
    float pred[N];
    double weights[BATCH];
    mcvdi_loss_result result;

    for (size_t b = 0; b < BATCH; b++) {
        const mcvd_level l = mcvd_schedule_level(sched, t[b]);
        weights[b] = mcvdi_weighting_at(w, sched, t[b]);
        for (size_t i = b * NUMEL; i < (b + 1) * NUMEL; i++)
            other_eps[i] = (float)((double)eps[i] + l.a / l.s * ((double)x0[i] - (double)wrong[i]));
    }
    CHECK_OK(mcvdi_training_target(w->param, sched, &steps, x0, eps, target));
    CHECK_OK(mcvdi_training_target(w->param, sched, &steps, wrong, other_eps, pred));
    const mcvdi_loss_input in = { .l1 = w->l1,
                                  .batch = BATCH,
                                  .numel = NUMEL,
                                  .target = target,
                                  .pred = pred,
                                  .grad_scale = 1.0,
                                  .weights = weights };
    CHECK_OK(mcvdi_loss(&in, NULL, NULL, &result));
    return result.mean;
}

/* Float32 errors of 1e-7 in numbers up to a / s = 30 times those that are compared: 1e-4. */
static void check_all_predictions(const char *kind, const char *const *predictions, size_t count)
{
    static const char *const names[] = { "min-snr", "elbo", "sigma" };
    static const int32_t t[BATCH] = { 2, 10, 20, 30, 42 };
    mcvd_schedule *sched = make_schedule(kind, false);

    for (size_t i = 0; i < 3; i++)
        for (int l1 = 0; l1 < 2; l1++) {
            const mcvdi_weighting first = make_weighting(names[i], predictions[0], l1);
            const double expected = loss_of(&first, sched, t);
            CHECK_TRUE(expected > 0.0);
            for (size_t j = 1; j < count; j++) {
                const mcvdi_weighting w = make_weighting(names[i], predictions[j], l1);
                CHECK_CLOSE(loss_of(&w, sched, t), expected, 1e-4 * expected);
            }
        }
    mcvd_schedule_free(&sched);
}

static void test_predictions_agree(void **state)
{
    static const char *const vp[] = { "x0", "eps", "v", "score", "flow" };
    static const char *const ve[] = { "x0", "eps", "score", "flow" };
    static const char *const flow[] = { "x0", "eps", "flow" };

    (void)state;
    fill();
    check_all_predictions("linear", vp, 5);
    check_all_predictions("cosine", vp, 5);
    check_all_predictions("geometric", ve, 4);
    check_all_predictions("flow", flow, 3);
}

/* "sigma" is the loss of eps, uniform, whatever the network says. */
static void test_sigma_is_the_loss_of_eps(void **state)
{
    static const int32_t t[BATCH] = { 2, 10, 20, 30, 42 };
    mcvd_schedule *sched = make_schedule("geometric", false);
    const mcvdi_weighting eps_loss = make_weighting("uniform", "eps", false);
    const mcvdi_weighting score_loss = make_weighting("sigma", "score", false);
    const double expected = loss_of(&eps_loss, sched, t);

    (void)state;
    CHECK_CLOSE(loss_of(&score_loss, sched, t), expected, 1e-4 * expected);
    for (int i = 0; i < T; i++) {
        const double s = mcvd_schedule_level(sched, i).s;
        CHECK_CLOSE(mcvdi_weighting_at(&score_loss, sched, i), s * s, 1e-12 * s * s);
    }
    mcvd_schedule_free(&sched);
}

/* --- gradient --- */

/* Central differences in single values: loss = w/2 (t - p)^2 is quadratic, so only rounding is
 * left: of pred + h in float32, and of the sum in double. */
static void test_gradient(void **state)
{
    static const double weights[BATCH] = { 0.25, 1.0, 3.0, 0.0, 17.0 };
    const float h = 0x1p-6f;
    mcvdi_loss_input in = { .batch = BATCH,
                            .numel = NUMEL,
                            .target = x0,
                            .pred = wrong,
                            .grad_scale = 0.5,
                            .weights = weights };
    mcvdi_loss_result plus;
    mcvdi_loss_result minus;
    float d_pred[N];

    (void)state;
    fill();
    for (int l1 = 0; l1 < 2; l1++) {
        in.l1 = l1;
        CHECK_OK(mcvdi_loss(&in, d_pred, NULL, &plus));
        for (size_t i = 0; i < N; i += 7) {
            const float kept = wrong[i];
            if (l1 && fabsf(kept - x0[i]) < 2.0f * h)
                continue; /* the corner */
            wrong[i] = kept + h;
            CHECK_OK(mcvdi_loss(&in, NULL, NULL, &plus));
            wrong[i] = kept - h;
            CHECK_OK(mcvdi_loss(&in, NULL, NULL, &minus));
            wrong[i] = kept;
            const double slope = (plus.mean - minus.mean) * BATCH / (2.0 * (double)h);
            CHECK_CLOSE((double)d_pred[i], 0.5 * slope, 1e-4 * weights[i / NUMEL] + 1e-9);
        }
    }
}

static void test_no_weights_are_ones(void **state)
{
    static const double ones[BATCH] = { 1.0, 1.0, 1.0, 1.0, 1.0 };
    mcvdi_loss_input in = { .batch = BATCH,
                            .numel = NUMEL,
                            .target = x0,
                            .pred = wrong,
                            .grad_scale = 0.5,
                            .weights = ones };
    mcvdi_loss_result with;
    mcvdi_loss_result without;
    float d_with[N];
    float d_without[N];

    (void)state;
    fill();
    CHECK_OK(mcvdi_loss(&in, d_with, NULL, &with));
    in.weights = NULL;
    CHECK_OK(mcvdi_loss(&in, d_without, NULL, &without));
    CHECK_CLOSE(with.mean, without.mean, 0.0);
    CHECK_TRUE(memcmp(d_with, d_without, sizeof d_with) == 0);
}

static void test_unknown_name(void **state)
{
    mcvdi_weighting w;

    (void)state;
    CHECK_STATUS(mcvdi_weighting_find(&w, "snr"), MCVD_E_CONFIG);
    CHECK_MESSAGE("loss weight 'snr': known are uniform, min-snr, elbo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_forms),
        cmocka_unit_test(test_the_bound_telescopes),
        cmocka_unit_test(test_pure_noise_has_finite_weights),
        cmocka_unit_test(test_predictions_agree),
        cmocka_unit_test(test_sigma_is_the_loss_of_eps),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_no_weights_are_ones),
        cmocka_unit_test(test_unknown_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
