/* Every DDPM, DDIM and score matching trajectory of the reference, step by step, with its noise
 * played back. */
#include <mcvd/sampler.h>

#include <stdlib.h>

#include "support/pipeline.h"

static const double toy_theta[3] = { 0.6, 0.25, 0.15 };

/* One golden case while it runs. */
typedef struct play {
    const mcvd_schedule *sched;
    size_t numel;
    size_t hw;
    size_t cond_channels;
    size_t batch;
    const float *cond;    /* [B, K, hw] or NULL */
    const float *noise;   /* [num_noise, B, numel] or NULL */
    const float *traj;    /* [num_states, B, numel] */
    const double *labels; /* [num_states] */
    size_t num_noise;
    size_t num_states;
    size_t num_calls;
    size_t num_draws;
    double tolerance;
    int first_label;     /* frac_steps of score matching counts labels anew from the first used */
    bool label_is_sigma; /* consistent annealed sampling, but for the denoising call */
} play;

/* What the reference tells its network at timestep t. */
static double reference_label(const play *p, double t)
{
    const double last = mcvd_schedule_num_timesteps(p->sched) - 1;

    if (!p->label_is_sigma || p->num_calls + 1 == p->num_states)
        return mcvd_schedule_label(p->sched, t) - p->first_label;
    const double low = mcvd_schedule_level(p->sched, 0).s;
    const double high = mcvd_schedule_level(p->sched, (int)last).s;
    return low * pow(high / low, t / last);
}

static mcvd_status toy_denoiser(void *user, const float *x_t, const double *t, size_t batch,
                                float *out)
{
    play *p = user;

    CHECK_EQ(batch, p->batch);
    CHECK_TRUE(p->num_calls < p->num_states);
    for (size_t b = 0; b < batch; b++) {
        const double label = reference_label(p, t[b]);
        const float *cond = p->cond ? p->cond + b * p->cond_channels * p->hw : NULL;
        const double s = toy_condition(cond, p->cond_channels, p->hw);

        CHECK_CLOSE(label, p->labels[p->num_calls], p->label_is_sigma ? 1e-6 : 0.0);
        toy_network(toy_theta, s, label, x_t + b * p->numel, out + b * p->numel, p->numel);
    }
    p->num_calls++;
    return MCVD_OK;
}

static mcvd_status play_noise(void *user, size_t draw_index, float *out, size_t batch, size_t numel)
{
    play *p = user;

    CHECK_EQ(draw_index, p->num_draws);
    CHECK_TRUE(draw_index < p->num_noise);
    memcpy(out, p->noise + draw_index * batch * numel, batch * numel * sizeof *out);
    p->num_draws++;
    return MCVD_OK;
}

static int compare_state(void *user, int call, int num_calls, const float *x)
{
    const play *p = user;
    const size_t n = p->batch * p->numel;

    CHECK_EQ(num_calls, p->num_states);
    CHECK_ALL_CLOSE(x, p->traj + (size_t)call * n, n, p->tolerance);
    return 0;
}

static mcvd_sampler_config case_config(const cJSON *item, const play *p)
{
    mcvd_sampler_config config = mcvd_sampler_config_default();

    config.name = p->label_is_sigma                                ? "cas"
                  : strcmp(json_text(item, "sampler"), "als") == 0 ? "langevin"
                                                                   : json_text(item, "sampler");
    config.max_batch = p->batch;
    config.numel = p->numel;
    config.num_steps = (int)json_number(item, "subsample_steps", 0.0);
    config.clip = json_flag(item, "clip_before", true);
    config.denoise = json_flag(item, "denoise", true);
    config.denoise_label = MCVD_DENOISE_COUNT_LABEL;
    config.just_beta = json_flag(item, "just_beta", false);
    config.same_noise = json_flag(item, "same_noise", false);
    config.frac_steps = json_number(item, "frac_steps", 1.0);
    config.t_min = json_number(item, "t_min", -1.0);
    config.t_min_of_steps = true;
    config.gamma_noise = json_flag(item, "gamma", false);
    config.harmonic_mean = json_flag(item, "harm_mean", false);
    config.steps_per_level = (int)json_number(item, "n_steps_each", 5.0);
    config.step_size = json_number(item, "step_lr", 0.0);
    if (mcvd_schedule_process(p->sched) == MCVD_PROCESS_VE) {
        config.clip = false; /* the reference's score matching never clips */
        config.denoise_label = MCVD_DENOISE_LAST_LABEL;
    }
    return config;
}

static void load_case(play *p, const mcvd_safetensors *file, const char *noise_name)
{
    const mcvd_tensor traj = pipeline_tensor(file, NULL, "traj", MCVD_F32);

    *p = (play) { .sched = p->sched, .traj = traj.data, .num_states = traj.shape[0] };
    p->batch = traj.shape[1];
    p->hw = traj.shape[3] * traj.shape[4];
    p->numel = traj.shape[2] * p->hw;
    p->labels = pipeline_tensor(file, NULL, "labels", MCVD_F64).data;
    if (mcvd_safetensors_has(file, "cond")) {
        const mcvd_tensor cond = pipeline_tensor(file, NULL, "cond", MCVD_F32);
        p->cond = cond.data;
        p->cond_channels = cond.shape[1];
    }
    if (mcvd_safetensors_has(file, noise_name)) {
        const mcvd_tensor noise = pipeline_tensor(file, NULL, noise_name, MCVD_F32);
        p->noise = noise.data;
        p->num_noise = noise.shape[0];
    }
    p->tolerance = p->num_states > 500 ? 5e-4 : 2e-4;
}

/* Score matching: geometric from the first to the last sigma of the file, which has all of them. */
static mcvd_schedule *case_schedule(const cJSON *item, const mcvd_safetensors *file)
{
    mcvd_schedule_config config = mcvd_schedule_config_default();
    mcvd_schedule *sched = NULL;

    config.num_timesteps = (int)json_number(item, "T", 0.0);
    if (!mcvd_safetensors_has(file, "sigmas"))
        return golden_schedule(json_text(item, "schedule"), config.num_timesteps);
    const float *sigmas = pipeline_f32(file, NULL, "sigmas");
    config.kind = "geometric";
    config.sigma_begin = (double)sigmas[0];
    config.sigma_end = (double)sigmas[config.num_timesteps - 1];
    CHECK_OK(mcvd_schedule_create(&sched, &config));
    for (int t = 0; t < config.num_timesteps; t++)
        CHECK_CLOSE(mcvd_schedule_level(sched, t).s, sigmas[config.num_timesteps - 1 - t],
                    1e-6 * (double)sigmas[config.num_timesteps - 1 - t]);
    return sched;
}

static void run_case(const cJSON *item)
{
    mcvd_safetensors *file = pipeline_open("samplers", json_text(item, "name"));
    mcvd_schedule *sched = case_schedule(item, file);
    mcvd_sampler *sampler = NULL;
    play p = { .sched = sched };

    load_case(&p, file, json_flag(item, "gamma", false) ? "gamma_z" : "noise");
    p.label_is_sigma = strcmp(json_text(item, "sampler"), "cas") == 0;
    if (mcvd_schedule_process(sched) == MCVD_PROCESS_VE)
        p.first_label = (int)((1.0 - json_number(item, "frac_steps", 1.0)) *
                              mcvd_schedule_num_timesteps(sched));
    const mcvd_sampler_config config = case_config(item, &p);
    const mcvd_sampler_job job = { .batch = p.batch,
                                   .denoiser = toy_denoiser,
                                   .denoiser_user = &p,
                                   .noise = play_noise,
                                   .noise_user = &p,
                                   .progress = compare_state,
                                   .progress_user = &p };
    float *x = malloc(p.batch * p.numel * sizeof *x);

    print_message("%s\n", json_text(item, "name"));
    CHECK_TRUE(x != NULL);
    memcpy(x, pipeline_f32(file, NULL, "x_init"), p.batch * p.numel * sizeof *x);
    CHECK_OK(mcvd_sampler_create(&sampler, &config, sched));
    CHECK_OK(mcvd_sampler_run(sampler, &job, x));
    CHECK_EQ(p.num_calls, p.num_states);
    CHECK_EQ(p.num_draws, p.num_noise);
    CHECK_EQ(p.num_draws, json_number(item, "n_noise", -1.0));

    free(x);
    mcvd_sampler_free(&sampler);
    mcvd_schedule_free(&sched);
    mcvd_safetensors_close(&file);
}

static void test_trajectories(void **state)
{
    cJSON *json = pipeline_json("samplers", "cases");
    const cJSON *item = NULL;
    int num_run = 0;

    (void)state;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "cases"))
    {
        if (strcmp(json_text(item, "sampler"), "fpndm") == 0)
            continue; /* its literal form: test_golden_fpndm.c */
        run_case(item);
        num_run++;
    }
    CHECK_EQ(num_run, 26);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trajectories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
