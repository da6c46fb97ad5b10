/* DDIM with noise and the parameterisations against double-precision values of the formulas. */
#include <mcvd/sampler.h>

#include <float.h>
#include <stdlib.h>

#include "diffusion/parameterisation.h"
#include "support/pipeline.h"

enum { NUMEL = 12, BATCH = 2, N = NUMEL * BATCH };

typedef struct play {
    const mcvd_schedule *sched;
    bool is_gauss;
    const double *noise; /* [num_noise, N] */
    size_t num_noise;
    const double *traj; /* [num_states, N], the start first */
    size_t num_states;
} play;

static mcvd_status denoiser(void *user, const float *x_t, const double *t, size_t batch, float *out)
{
    const play *p = user;
    const double label = mcvd_schedule_label(p->sched, t[0]);
    const double ac = mcvd_schedule_alpha_cumprod(p->sched, (int)t[0]);
    const double s = sqrt(1.0 - ac);

    CHECK_EQ(batch, BATCH);
    for (size_t i = 0; i < N; i++) {
        const double x = (double)x_t[i];
        const double gauss = s * (x - sqrt(ac) * 0.3) / (ac * 0.25 + s * s);
        out[i] = (float)(p->is_gauss ? gauss : 0.6 * x + 0.15 * sin(0.02 * label));
    }
    return MCVD_OK;
}

static mcvd_status play_noise(void *user, size_t draw_index, float *out, size_t batch, size_t numel)
{
    const play *p = user;

    CHECK_EQ(batch * numel, N);
    CHECK_TRUE(draw_index < p->num_noise);
    for (size_t i = 0; i < N; i++)
        out[i] = (float)p->noise[draw_index * N + i];
    return MCVD_OK;
}

/* Single precision against double: x0 = (x - s eps) / a loses up to 1 / a = 157 times the rounding
 * of x, as everywhere: 2e-4. */
static int compare_state(void *user, int call, int num_calls, const float *x)
{
    const play *p = user;

    CHECK_EQ(num_calls + 1, p->num_states);
    for (size_t i = 0; i < N; i++)
        CHECK_CLOSE(x[i], p->traj[((size_t)call + 1) * N + i], 2e-4);
    return 0;
}

static void run_case(const cJSON *item)
{
    mcvd_safetensors *file = pipeline_open("beyond", json_text(item, "name"));
    mcvd_schedule *sched =
        golden_schedule(json_text(item, "schedule"), (int)json_number(item, "T", 0.0));
    const mcvd_tensor traj = pipeline_tensor(file, NULL, "traj", MCVD_F64);
    const mcvd_tensor noise = pipeline_tensor(file, NULL, "noise", MCVD_F64);
    play p = { sched,      strcmp(json_text(item, "net"), "gauss") == 0,
               noise.data, noise.shape[0],
               traj.data,  traj.shape[0] };
    const mcvd_sampler_job job = { BATCH, denoiser, &p, play_noise, &p, compare_state, &p };
    mcvd_sampler_config config = mcvd_sampler_config_default();
    mcvd_sampler *sampler = NULL;
    float x[N];

    print_message("%s\n", json_text(item, "name"));
    CHECK_EQ(mcvd_tensor_numel(&traj), p.num_states * N);
    config.name = "ddim";
    config.max_batch = BATCH;
    config.numel = NUMEL;
    config.num_steps = (int)json_number(item, "subsample", 0.0);
    config.clip = json_flag(item, "clip", true);
    config.denoise = false;
    config.eta = json_number(item, "eta", NAN);
    config.sigma_hat = json_flag(item, "sigma_hat", false);
    for (size_t i = 0; i < N; i++)
        x[i] = (float)p.traj[i];
    CHECK_OK(mcvd_sampler_create(&sampler, &config, sched));
    CHECK_OK(mcvd_sampler_run(sampler, &job, x));
    mcvd_sampler_free(&sampler);
    mcvd_schedule_free(&sched);
    mcvd_safetensors_close(&file);
}

static void test_ddim_with_noise(void **state)
{
    cJSON *json = pipeline_json("beyond", "cases");
    const cJSON *item = NULL;
    int num_run = 0;

    (void)state;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "cases"))
    {
        if (strcmp(json_text(item, "kind"), "ddim_eta") != 0)
            continue;
        run_case(item);
        num_run++;
    }
    CHECK_EQ(num_run, 4);
    cJSON_Delete(json);
}

/* Coefficients in double against stored x_t, v; the schedule's cumulative products are the same
 * formula in double, so only the order of operations differs. */
static void test_parameterisations(void **state)
{
    mcvd_safetensors *file = pipeline_open("beyond", "parameterisation");
    mcvd_schedule *sched = golden_schedule("linear", 1000);
    const mcvd_tensor labels = pipeline_tensor(file, NULL, "labels", MCVD_I64);
    const mcvd_tensor x0 = pipeline_tensor(file, NULL, "x0", MCVD_F64);
    const double *eps = pipeline_tensor(file, NULL, "eps", MCVD_F64).data;
    const double *x_t = pipeline_tensor(file, NULL, "x_t", MCVD_F64).data;
    const double *v = pipeline_tensor(file, NULL, "v", MCVD_F64).data;
    const double *snr = pipeline_tensor(file, NULL, "snr", MCVD_F64).data;
    const size_t width = x0.shape[1];
    const mcvdi_parameterisation *param = NULL;

    (void)state;
    CHECK_OK(mcvdi_parameterisation_find(&param, "v"));
    for (size_t b = 0; b < labels.shape[0]; b++) {
        const double label = (double)((const int64_t *)labels.data)[b];
        const int t = (int)mcvd_schedule_label(sched, label);
        const double ac = mcvd_schedule_alpha_cumprod(sched, t);
        const mcvdi_output_map map = mcvdi_parameterisation_at(param, ac);

        CHECK_CLOSE(ac / (1.0 - ac), snr[b], 1e-9 * snr[b]);
        for (size_t i = b * width; i < (b + 1) * width; i++) {
            const double x0_i = ((const double *)x0.data)[i];
            CHECK_CLOSE(map.target_x0 * x0_i + map.target_eps * eps[i], v[i], 1e-9);
            CHECK_CLOSE(map.x0_x * x_t[i] + map.x0_out * v[i], x0_i, 1e-9);
            CHECK_CLOSE(map.eps_x * x_t[i] + map.eps_out * v[i], eps[i], 1e-9);
        }
    }
    mcvd_schedule_free(&sched);
    mcvd_safetensors_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ddim_with_noise),
        cmocka_unit_test(test_parameterisations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
