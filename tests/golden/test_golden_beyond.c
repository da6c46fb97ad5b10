/* Samplers that the reference lacks and the parameterisations against double-precision values of
 * the formulas. */
#include <mcvd/sampler.h>

#include <float.h>
#include <stdlib.h>

#include "diffusion/weighting.h"
#include "support/pipeline.h"

enum { NUMEL = 12, BATCH = 2, N = NUMEL * BATCH };

/* How the kinds of cases.json are called here. One case of dpmpp_2m is left out: at the noisy end
 * of a cosine in double precision a is 6e-17, and (x - s eps) / a is what cancellation left, not
 * x0. */
typedef struct golden_kind {
    const char *kind;
    const char *sampler;
    bool just_beta;
    int num_cases;
} golden_kind;

static const golden_kind kinds[] = {
    { "ddim_eta", "ddim", false, 4 },
    { "dpmpp_2m", "dpm++2m", false, 2 },
    { "pf_ode_heun", "heun", false, 2 },
    { "vp_reverse_diffusion", "reverse-diffusion", false, 1 },
    { "vp_ancestral", "ddpm", true, 1 },
    { "vp_sde_euler_maruyama", "euler-maruyama", false, 1 },
    { "ve_reverse_diffusion", "reverse-diffusion", false, 1 },
    { "ve_ancestral", "ddpm", false, 1 },
    { "ve_predictor_corrector", "pc", false, 1 },
    { "fpndm_corrected", "pndm", false, 3 },
};

enum { NUM_KINDS = sizeof kinds / sizeof kinds[0] };

typedef struct play {
    const mcvd_schedule *sched;
    bool is_toy;
    bool is_continuous;  /* levels of the SDE */
    const double *noise; /* [num_noise, N] */
    size_t num_noise;
    const double *traj; /* [num_states, N], the start first */
    size_t num_states;
    size_t num_reports;
} play;

static mcvd_level level_of(const play *p, double t)
{
    if (p->is_continuous)
        return mcvdi_schedule_sde(p->sched, t / (mcvd_schedule_num_timesteps(p->sched) - 1)).level;
    return mcvd_schedule_level(p->sched, (int)t);
}

static mcvd_status denoiser(void *user, const float *x_t, const double *t, size_t batch, float *out)
{
    const play *p = user;
    const double label = mcvd_schedule_label(p->sched, t[0]);
    const mcvd_level l = level_of(p, t[0]);

    CHECK_EQ(batch, BATCH);
    for (size_t i = 0; i < N; i++) {
        const double x = (double)x_t[i];
        const double gauss = l.s * (x - l.a * 0.3) / (l.a * l.a * 0.25 + l.s * l.s);
        out[i] = (float)(p->is_toy ? 0.6 * x + 0.15 * sin(0.02 * label) : gauss);
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

/* What the golden last step adds and ours leaves out: g sqrt(d) z. */
static double last_noise(const play *p, size_t i)
{
    if (!p->is_continuous)
        return 0.0;
    const double d = (1.0 - 1e-3) / (double)p->num_noise;
    return sqrt(mcvdi_schedule_sde(p->sched, 1e-3 + d).g2 * d) *
           p->noise[(p->num_noise - 1) * N + i];
}

/* Single precision against double: x0 = (x - s eps) / a loses up to 1 / a = 157 times the rounding
 * of x, as everywhere: 2e-4. */
static int compare_state(void *user, int call, int num_calls, const float *x)
{
    play *p = user;
    const double *state = p->traj + ++p->num_reports * N;
    const bool is_last = call + 1 == num_calls;

    CHECK_TRUE(p->num_reports < p->num_states);
    for (size_t i = 0; i < N; i++)
        CHECK_CLOSE(x[i], state[i] - (is_last ? last_noise(p, i) : 0.0), 2e-4);
    return 0;
}

/* Cases without a schedule of ours by name: N levels of a geometric one, or the continuous form of
 * the linear one with beta from 0.1 to 20. */
static mcvd_schedule *case_schedule(const cJSON *item)
{
    mcvd_schedule_config config = mcvd_schedule_config_default();
    mcvd_schedule *sched = NULL;

    if (cJSON_HasObjectItem(item, "schedule"))
        return golden_schedule(json_text(item, "schedule"), (int)json_number(item, "T", 0.0));
    if (strncmp(json_text(item, "kind"), "ve_", 3) == 0) {
        config.kind = "geometric";
        config.num_timesteps = (int)json_number(item, "N", 0.0);
        config.sigma_begin = json_number(item, "sigma_max", 5.0);
        config.sigma_end = json_number(item, "sigma_min", 0.01);
    }
    CHECK_OK(mcvd_schedule_create(&sched, &config));
    return sched;
}

static mcvd_sampler_config case_config(const cJSON *item, const golden_kind *kind)
{
    mcvd_sampler_config config = mcvd_sampler_config_default();

    config.name = kind->sampler;
    config.max_batch = BATCH;
    config.numel = NUMEL;
    config.num_steps = (int)json_number(item, "subsample", json_number(item, "N", 0.0));
    config.clip = json_flag(item, "clip", json_flag(item, "clip_state", false));
    config.clip_state = json_flag(item, "clip_state", false);
    config.denoise = false;
    config.eta = json_number(item, "eta", -1.0);
    config.sigma_hat = json_flag(item, "sigma_hat", false);
    config.just_beta = kind->just_beta;
    config.corrector_of_batch = true;
    return config;
}

static void run_case(const cJSON *item, const golden_kind *kind)
{
    mcvd_safetensors *file = pipeline_open("beyond", json_text(item, "name"));
    mcvd_schedule *sched = case_schedule(item);
    const mcvd_tensor traj = pipeline_tensor(file, NULL, "traj", MCVD_F64);
    const bool has_noise = mcvd_safetensors_has(file, "noise");
    const mcvd_tensor noise =
        has_noise ? pipeline_tensor(file, NULL, "noise", MCVD_F64) : (mcvd_tensor) { 0 };
    const cJSON *net = cJSON_GetObjectItemCaseSensitive(item, "net");
    const mcvd_sampler_config config = case_config(item, kind);
    play p = { .sched = sched,
               .is_toy = net && strcmp(net->valuestring, "toy") == 0,
               .is_continuous = strcmp(kind->sampler, "euler-maruyama") == 0,
               .noise = noise.data,
               .num_noise = has_noise ? noise.shape[0] : 0,
               .traj = traj.data,
               .num_states = traj.shape[0] };
    const mcvd_sampler_job job = { .batch = BATCH,
                                   .denoiser = denoiser,
                                   .denoiser_user = &p,
                                   .noise = play_noise,
                                   .noise_user = &p,
                                   .progress = compare_state,
                                   .progress_user = &p };
    mcvd_sampler *sampler = NULL;
    float x[N];

    print_message("%s\n", json_text(item, "name"));
    CHECK_EQ(mcvd_tensor_numel(&traj), p.num_states * N);
    for (size_t i = 0; i < N; i++)
        x[i] = (float)p.traj[i];
    CHECK_OK(mcvd_sampler_create(&sampler, &config, sched));
    CHECK_OK(mcvd_sampler_run(sampler, &job, x));
    CHECK_EQ(p.num_reports + 1, p.num_states);
    mcvd_sampler_free(&sampler);
    mcvd_schedule_free(&sched);
    mcvd_safetensors_close(&file);
}

static void test_trajectories(void **state)
{
    cJSON *json = pipeline_json("beyond", "cases");
    int num_run[NUM_KINDS] = { 0 };
    const cJSON *item = NULL;

    (void)state;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "cases"))
    {
        for (size_t k = 0; k < NUM_KINDS; k++) {
            if (strcmp(json_text(item, "kind"), kinds[k].kind) != 0 ||
                strcmp(json_text(item, "name"), "dpmpp2m_gauss20_cos") == 0)
                continue;
            run_case(item, &kinds[k]);
            num_run[k]++;
        }
    }
    for (size_t k = 0; k < NUM_KINDS; k++)
        CHECK_EQ(num_run[k], kinds[k].num_cases);
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
        const mcvdi_output_map map =
            mcvdi_parameterisation_at(param, mcvd_schedule_level(sched, t));

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

/* Every parameterisation of the file, and the weights that follow from its SNR. */
static void test_targets(void **state)
{
    static const struct {
        const char *prediction;
        const char *tensor;
    } cases[] = { { "v", "v" }, { "score", "score" }, { "flow", "flow_target" } };
    mcvd_safetensors *file = pipeline_open("beyond", "parameterisation");
    mcvd_schedule *sched = golden_schedule("linear", 1000);
    const mcvd_tensor x0 = pipeline_tensor(file, NULL, "x0", MCVD_F64);
    const int64_t *labels = pipeline_tensor(file, NULL, "labels", MCVD_I64).data;
    const double *eps = pipeline_tensor(file, NULL, "eps", MCVD_F64).data;
    const double *snr = pipeline_tensor(file, NULL, "snr", MCVD_F64).data;

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const double *expected = pipeline_tensor(file, NULL, cases[k].tensor, MCVD_F64).data;
        mcvdi_weighting w = { .min_snr_gamma = 5.0 };
        CHECK_OK(mcvdi_parameterisation_find(&w.param, cases[k].prediction));
        CHECK_OK(mcvdi_weighting_find(&w, "min-snr"));
        for (size_t b = 0; b < x0.shape[0]; b++) {
            const int t = (int)mcvd_schedule_label(sched, (double)labels[b]);
            const mcvd_level l = mcvd_schedule_level(sched, t);
            const mcvdi_output_map map = mcvdi_parameterisation_at(w.param, l);
            const double ratio = map.x0_out; /* the error of x0 for one of the output */

            CHECK_CLOSE(mcvdi_weighting_at(&w, sched, t), fmin(snr[b], 5.0) * ratio * ratio,
                        1e-9 * fmin(snr[b], 5.0) * ratio * ratio);
            for (size_t i = b * x0.shape[1]; i < (b + 1) * x0.shape[1]; i++)
                CHECK_CLOSE(map.target_x0 * ((const double *)x0.data)[i] + map.target_eps * eps[i],
                            expected[i], 1e-9 * fmax(1.0, fabs(expected[i])));
        }
    }
    mcvd_schedule_free(&sched);
    mcvd_safetensors_close(&file);
}

/* The rescaled schedule against the formula in double on the stored alphas. */
static void test_zero_terminal_snr(void **state)
{
    mcvd_safetensors *file = pipeline_open("beyond", "zero_terminal_snr");
    const double *before = pipeline_tensor(file, NULL, "alphas", MCVD_F64).data;
    const double *after = pipeline_tensor(file, NULL, "alphas_rescaled", MCVD_F64).data;
    mcvd_config config;
    mcvd_schedule *plain = NULL;
    mcvd_schedule *zero = NULL;

    (void)state;
    mcvd_config_default(&config);
    CHECK_OK(mcvd_schedule_of_config(&plain, &config.model));
    config.model.zero_terminal_snr = true;
    CHECK_OK(mcvd_schedule_of_config(&zero, &config.model));
    for (int t = 0; t < 1000; t++) {
        CHECK_CLOSE(mcvd_schedule_alpha_cumprod(plain, t), before[999 - t], 1e-9 * before[999 - t]);
        CHECK_CLOSE(mcvd_schedule_alpha_cumprod(zero, t), after[999 - t], 1e-9);
    }
    CHECK_CLOSE(mcvd_schedule_level(zero, 999).a, 0.0, 0.0);
    CHECK_CLOSE(mcvd_schedule_level(zero, 999).s, 1.0, 0.0);
    mcvd_schedule_free(&plain);
    mcvd_schedule_free(&zero);
    mcvd_safetensors_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trajectories),
        cmocka_unit_test(test_parameterisations),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_zero_terminal_snr),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
