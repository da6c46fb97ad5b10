/* Both likelihoods of Gaussian data under the exact denoiser against double-precision values of the
 * formulas. */
#include <mcvd/likelihood.h>

#include <stdlib.h>

#include "support/pipeline.h"

static const double mu = 0.3;
static const double tau = 0.5;

typedef struct play {
    const mcvd_schedule *sched;
    const float *eps; /* [T, samples, numel] by label */
    size_t item, items, numel;
} play;

/* eps = s (x - a mu) / (a^2 tau^2 + s^2). */
static mcvd_status predict(void *user, const double *x, const double *t, size_t batch, double *out)
{
    const play *p = user;

    for (size_t b = 0; b < batch; b++) {
        const mcvd_level l = mcvd_schedule_level(p->sched, (int)t[b]);
        for (size_t i = b * p->numel; i < (b + 1) * p->numel; i++)
            out[i] = l.s * (x[i] - l.a * mu) / (l.a * l.a * tau * tau + l.s * l.s);
    }
    return MCVD_OK;
}

static mcvd_status stored_noise(void *user, size_t sample, int t, double *eps, size_t numel)
{
    const play *p = user;
    const size_t label = (size_t)mcvd_schedule_label(p->sched, t);

    CHECK_EQ(sample, 0);
    for (size_t i = 0; i < numel; i++)
        eps[i] = (double)p->eps[(label * p->items + p->item) * numel + i];
    return MCVD_OK;
}

/* The stored values are double, the noise is stored in single precision and taken as it is. */
static void check_bound(const mcvd_safetensors *file, play *p, size_t batch)
{
    static double by_t[1000];
    const double *x0 = pipeline_tensor(file, NULL, "x0", MCVD_F64).data;
    const double *by_label = pipeline_tensor(file, NULL, "terms_by_label", MCVD_F64).data;
    const double *prior = pipeline_tensor(file, NULL, "L_T", MCVD_F64).data;
    const double *bits = pipeline_tensor(file, NULL, "bits_per_dim", MCVD_F64).data;
    const mcvd_likelihood_net net = { .predict = predict, .user = p };
    const mcvd_bound_config config = { .prediction = "eps",
                                       .numel = p->numel,
                                       .batch = batch,
                                       .samples = 1,
                                       .noise = stored_noise,
                                       .noise_user = p,
                                       .by_t = by_t };
    mcvd_bound bound;

    CHECK_OK(mcvd_bound_run(&bound, &config, p->sched, &net, x0 + p->item * p->numel));
    CHECK_CLOSE(bound.prior, prior[p->item], 1e-9);
    for (size_t t = 0; t < 1000; t++)
        CHECK_CLOSE(by_t[t], by_label[(999 - t) * p->items + p->item], 1e-9);
    CHECK_CLOSE(mcvd_bits_of_mass(bound.prior + bound.terms + bound.reconstruction, p->numel),
                bits[p->item], 1e-9);
    CHECK_EQ(bound.calls, 1000);
}

static void test_bound(void **state)
{
    mcvd_safetensors *file = pipeline_open("beyond", "vlb_gauss");
    mcvd_schedule *sched = golden_schedule("linear", 1000);
    const mcvd_tensor x0 = pipeline_tensor(file, NULL, "x0", MCVD_F64);
    play p = { .sched = sched,
               .eps = pipeline_f32(file, NULL, "eps"),
               .items = x0.shape[0],
               .numel = x0.shape[1] };

    (void)state;
    for (p.item = 0; p.item < p.items; p.item++) {
        check_bound(file, &p, 1);
        check_bound(file, &p, 7);
    }
    mcvd_schedule_free(&sched);
    mcvd_safetensors_close(&file);
}

static const double sigma_min = 0.002;
static const double sigma_max = 80.0;

/* Of the geometric schedule, log sigma is linear in t. */
static mcvd_status gauss_vjp(void *user, const double *x, double t, const double *v, double *out,
                             double *vj)
{
    const play *p = user;
    const double share = t / (mcvd_schedule_num_timesteps(p->sched) - 1);
    const double sigma = sigma_min * pow(sigma_max / sigma_min, share);
    const double slope = sigma / (tau * tau + sigma * sigma);

    for (size_t i = 0; i < p->numel; i++) {
        out[i] = slope * (x[i] - mu);
        vj[i] = slope * v[i];
    }
    return MCVD_OK;
}

static void check_flow(const mcvd_safetensors *file, play *p)
{
    const double *x0 = pipeline_tensor(file, NULL, "x0", MCVD_F64).data;
    const double *grid = pipeline_tensor(file, NULL, "sigma_grid", MCVD_F64).data;
    const double *divergence = pipeline_tensor(file, NULL, "divergence_integral", MCVD_F64).data;
    const double *logp = pipeline_tensor(file, NULL, "logp_ode", MCVD_F64).data;
    const double *bits = pipeline_tensor(file, NULL, "bits_per_dim", MCVD_F64).data;
    const mcvd_likelihood_net net = { .vjp = gauss_vjp, .user = p };
    mcvd_ode_config config = mcvd_ode_config_default();
    mcvd_ode_result result;

    config.numel = p->numel;
    config.solver = MCVD_ODE_HEUN;
    config.form = MCVD_ODE_SIGMA;
    config.num_steps = 200;
    config.sigmas = grid;
    CHECK_OK(mcvd_ode_run(&result, &config, p->sched, &net, x0 + p->item * p->numel));
    CHECK_CLOSE(result.divergence, divergence[0], 1e-9);
    CHECK_CLOSE(result.log_density, logp[p->item], 1e-9);
    CHECK_CLOSE(mcvd_bits_of_density(result.log_density, p->numel), bits[p->item], 1e-9);
    CHECK_EQ(result.steps, 200);
    CHECK_EQ(result.calls, 400);
}

static void test_flow(void **state)
{
    mcvd_safetensors *file = pipeline_open("beyond", "likelihood_gauss");
    const mcvd_tensor x0 = pipeline_tensor(file, NULL, "x0", MCVD_F64);
    mcvd_schedule_config sc = mcvd_schedule_config_default();
    mcvd_schedule *sched = NULL;

    (void)state;
    sc.kind = "geometric";
    sc.sigma_begin = sigma_max;
    sc.sigma_end = sigma_min;
    CHECK_OK(mcvd_schedule_create(&sched, &sc));
    play p = { .sched = sched, .items = x0.shape[0], .numel = x0.shape[1] };
    for (p.item = 0; p.item < p.items; p.item++)
        check_flow(file, &p);
    mcvd_schedule_free(&sched);
    mcvd_safetensors_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_flow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
