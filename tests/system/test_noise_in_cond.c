/* model.noise_in_cond in training, validation and sampling: each equals the same without the flag
 * on given frames that the test noises by itself, with noise from the documented streams. */
#include <stdlib.h>

#include <mcvd/rng.h>
#include <mcvd/rollout.h>
#include <mcvd/sampler.h>
#include <mcvd/trainer.h>

#include "model/noise_in_cond.h"
#include "support/folder_fixture.h"
#include "support/random_model.h"
#include "train/trainer_internal.h"

enum { SIZE = 16, FRAME = SIZE * SIZE, PAST = 2, FRAMES = 2, FUTURE = 1, KNOWN = PAST + FUTURE };
enum { X = FRAMES * FRAME, COND = KNOWN * FRAME, BATCH = 4, SAMPLES = 3, STEPS = 4 };

static const window_shape window = { PAST, FRAMES, FUTURE, 1, true };

static mcvd_schedule *schedule_of(const mcvd_config *c)
{
    const mcvd_schedule_config sc = { .kind = c->model.sigma_dist,
                                      .num_timesteps = (int)c->model.num_classes,
                                      .beta_begin = c->model.sigma_begin,
                                      .beta_end = c->model.sigma_end };
    mcvd_schedule *schedule = NULL;

    CHECK_OK(mcvd_schedule_create(&schedule, &sc));
    return schedule;
}

/* --- training --- */

static mcvd_config training_config(bool noisy)
{
    mcvd_config config = window_config(window);

    config.model.noise_in_cond = noisy;
    config.training.batch_size = BATCH;
    config.training.accumulate = 2;
    config.training.seed = 11;
    config.optim.lr = 1e-2; /* away from the near-zero start at once */
    config.optim.warmup = 0;
    return config;
}

typedef struct clips {
    float x0[BATCH * X];
    float cond[BATCH * COND];
    int32_t past[BATCH], future[BATCH];
    mcvd_batch batch;
} clips;

/* Past and future are masked in some of the clips: their frames are 0. */
static void make_clips(clips *c, uint32_t step)
{
    for (uint32_t i = 0; i < BATCH * X; i++)
        c->x0[i] = tanhf(hashed_gauss("x0", i + step * BATCH * X));
    for (uint32_t i = 0; i < BATCH; i++) {
        c->past[i] = i != 1;
        c->future[i] = i % 2 == 0;
    }
    for (uint32_t i = 0; i < BATCH * COND; i++) {
        const bool given = i % KNOWN < PAST ? c->past[i / COND] : c->future[i / COND];
        c->cond[i] = given ? tanhf(hashed_gauss("cond", i + step * BATCH * COND)) : 0.0f;
    }
    c->batch = (mcvd_batch) { .batch_size = BATCH,
                              .image_size = SIZE,
                              .channels = 1,
                              .num_frames = FRAMES,
                              .num_frames_cond = PAST,
                              .num_frames_future = FUTURE,
                              .x0 = c->x0,
                              .cond = c->cond,
                              .cond_mask = c->past,
                              .future_mask = c->future };
}

/* What the network of sample i is given at timestep t. */
static void noise_frames(const mcvd_schedule *schedule, mcvd_rng_key key, int32_t t, float *cond)
{
    float clean[COND];
    float z[COND];

    memcpy(clean, cond, sizeof clean);
    mcvd_rng_normal(key, 0, z, COND);
    mcvdi_noise_cond(cond, clean, z, mcvd_schedule_alpha_cumprod(schedule, t), COND);
}

static void noise_clips(clips *c, const mcvd_config *config, const mcvd_schedule *schedule,
                        uint64_t step)
{
    const uint64_t seed = (uint64_t)config->training.seed;

    for (size_t i = 0; i < BATCH; i++) {
        const int32_t t =
            (int32_t)mcvd_rng_below(mcvd_rng_key_make(seed, MCVD_RNG_TIMESTEP, step, i), 0,
                                    (uint32_t)config->model.num_classes);
        noise_frames(schedule, mcvd_rng_key_make(seed, MCVD_RNG_COND_NOISE, step, i), t,
                     c->cond + i * COND);
    }
}

static double weights_apart(const mcvd_trainer *a, const mcvd_trainer *b)
{
    const size_t n = mcvdi_graph_param_floats(a->graph);
    double largest = 0.0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)mcvdi_graph_values(a->graph)[i] -
                                     (double)mcvdi_graph_values(b->graph)[i]));
    return largest;
}

/* Three trainers: with the flag; without it on frames noised here; without it on clean frames. */
static void training_noises_the_given_frames(void **state)
{
    static clips c;
    const mcvd_config with = training_config(true);
    const mcvd_config without = training_config(false);
    mcvd_schedule *schedule = schedule_of(&with);
    mcvd_trainer *noisy = NULL;
    mcvd_trainer *by_hand = NULL;
    mcvd_trainer *clean = NULL;
    mcvd_step_report a;
    mcvd_step_report b;
    mcvd_step_report plain;

    (void)state;
    CHECK_OK(mcvd_trainer_create(&noisy, &with));
    CHECK_OK(mcvd_trainer_create(&by_hand, &without));
    CHECK_OK(mcvd_trainer_create(&clean, &without));
    for (uint32_t step = 0; step < STEPS; step++) {
        make_clips(&c, step);
        CHECK_OK(mcvd_trainer_step(noisy, &c.batch, &a));
        CHECK_OK(mcvd_trainer_step(clean, &c.batch, &plain));
        noise_clips(&c, &with, schedule, step);
        CHECK_OK(mcvd_trainer_step(by_hand, &c.batch, &b));
        CHECK_CLOSE(a.loss, b.loss, 0);
        CHECK_CLOSE(a.grad_norm, b.grad_norm, 0);
        CHECK_TRUE(fabs(a.grad_norm - plain.grad_norm) > 1e-3 * a.grad_norm);
    }
    CHECK_CLOSE(weights_apart(noisy, by_hand), 0, 0);
    CHECK_TRUE(weights_apart(noisy, clean) > 1e-3);
    mcvd_trainer_free(&noisy);
    mcvd_trainer_free(&by_hand);
    mcvd_trainer_free(&clean);
    mcvd_schedule_free(&schedule);
}

static void validation_noises_the_given_frames(void **state)
{
    static clips c;
    const mcvd_config with = training_config(true);
    const mcvd_config without = training_config(false);
    mcvd_schedule *schedule = schedule_of(&with);
    mcvd_trainer *trainers[2] = { NULL, NULL };
    mcvd_network *networks[2] = { NULL, NULL };
    double loss[5];

    (void)state;
    CHECK_OK(mcvd_trainer_create(&trainers[0], &with));
    CHECK_OK(mcvd_trainer_create(&trainers[1], &without));
    for (int i = 0; i < 2; i++) {
        float *weights = mcvdi_graph_values(trainers[i]->graph);
        for (size_t k = 0; k < mcvdi_graph_param_floats(trainers[i]->graph); k++)
            weights[k] += 0.1f * hashed_gauss("spread", (uint32_t)k);
        if (trainers[i]->ema)
            memcpy(trainers[i]->ema, weights,
                   mcvdi_graph_param_floats(trainers[i]->graph) * sizeof *weights);
        CHECK_OK(mcvd_trainer_network(&networks[i], trainers[i], BATCH));
    }
    make_clips(&c, 0);
    CHECK_OK(mcvd_trainer_validate(trainers[0], networks[0], &c.batch, 77, &loss[0]));
    CHECK_OK(mcvd_trainer_validate(trainers[0], networks[0], &c.batch, 77, &loss[1]));
    CHECK_OK(mcvd_trainer_validate(trainers[0], networks[0], &c.batch, 78, &loss[2]));
    CHECK_OK(mcvd_trainer_validate(trainers[1], networks[1], &c.batch, 77, &loss[3]));
    for (size_t i = 0; i < BATCH; i++)
        noise_frames(schedule, mcvd_rng_key_make(77, MCVD_RNG_COND_NOISE, 0, i),
                     (int32_t)((double)with.model.num_classes * ((double)i + 0.5) / BATCH),
                     c.cond + i * COND);
    CHECK_OK(mcvd_trainer_validate(trainers[1], networks[1], &c.batch, 77, &loss[4]));
    CHECK_CLOSE(loss[1], loss[0], 0);
    CHECK_TRUE(fabs(loss[2] - loss[0]) > 1e-6);
    CHECK_TRUE(fabs(loss[3] - loss[0]) > 1e-6);
    /* The schedules of network and trainer agree to 1e-14, so the frames to an ulp. */
    CHECK_CLOSE(loss[4], loss[0], 1e-6 * loss[0]);
    for (int i = 0; i < 2; i++) {
        mcvd_trainer_free(&trainers[i]);
        mcvd_network_free(&networks[i]);
    }
    mcvd_schedule_free(&schedule);
}

/* --- sampling --- */

static mcvd_model *random_model(bool noisy)
{
    char path[TEST_PATH_BYTES];
    mcvd_config config = window_config(window);
    mcvd_model *model = NULL;

    config.model.noise_in_cond = noisy;
    write_random_model(&config, test_path(path, folder, noisy ? "noisy.st" : "plain.st"));
    CHECK_OK(mcvd_model_load(&model, path, NULL));
    return model;
}

/* Two blocks of prediction; out: [2, samples, X]. */
static void sample(const mcvd_model *model, size_t samples, size_t batch, uint64_t seed, float *out)
{
    mcvd_rollout_config rc = mcvd_rollout_config_default(mcvd_model_get_config(model));
    mcvd_rollout *rollout = NULL;
    float past[PAST * FRAME];

    rc.samples = samples;
    rc.batch = batch;
    rc.seed = seed;
    for (uint32_t i = 0; i < PAST * FRAME; i++)
        past[i] = tanhf(hashed_gauss("past", i));
    CHECK_OK(mcvd_rollout_create(&rollout, model, &rc));
    CHECK_OK(mcvd_rollout_begin(rollout, past, NULL));
    for (size_t block = 0; block < 2; block++)
        CHECK_OK(mcvd_rollout_next(rollout, out + block * samples * X));
    mcvd_rollout_free(&rollout);
}

static bool same(const float *a, const float *b, size_t n)
{
    return memcmp(a, b, n * sizeof *a) == 0;
}

static void sampling_follows_its_seed_alone(void **state)
{
    static float first[2 * SAMPLES * X];
    static float other[2 * SAMPLES * X];
    mcvd_model *noisy = random_model(true);
    mcvd_model *plain = random_model(false);

    (void)state;
    sample(noisy, SAMPLES, SAMPLES, 5, first);
    sample(noisy, SAMPLES, SAMPLES, 5, other);
    CHECK_TRUE(same(first, other, 2 * SAMPLES * X));
    sample(noisy, SAMPLES, SAMPLES, 6, other);
    CHECK_TRUE(!same(first, other, X));
    sample(plain, SAMPLES, SAMPLES, 5, other);
    CHECK_TRUE(!same(first, other, X));
    for (size_t batch = 1; batch < SAMPLES; batch++) { /* float32 sums in another order */
        sample(noisy, SAMPLES, batch, 5, other);
        CHECK_ALL_CLOSE(other, first, 2 * SAMPLES * X, 2e-5);
    }
    mcvd_model_free(&noisy);
    mcvd_model_free(&plain);
}

/* The sampler on a network without the flag, whose given frames are noised here in every call. */
typedef struct by_hand {
    mcvd_network *network;
    const mcvd_schedule *schedule;
    const float *cond;
    uint64_t seed, sample;
    uint64_t call;
} by_hand;

static mcvd_status noised_call(void *user, const float *x, const double *t, size_t batch,
                               float *out)
{
    static float cond[COND];
    by_hand *h = user;
    const mcvd_network_input in = { .x = x, .t = t, .cond = cond };

    CHECK_EQ(batch, 1);
    memcpy(cond, h->cond, sizeof cond);
    noise_frames(h->schedule,
                 mcvd_rng_key_make(h->seed, MCVD_RNG_SAMPLE_COND, h->call++, h->sample),
                 (int32_t)t[0], cond);
    return mcvd_network_forward(h->network, &in, out);
}

/* Block 0 of trajectory 2, the denoising call included. */
static void sampling_noises_every_call(void **state)
{
    static float blocks[2 * SAMPLES * X];
    static float x[X];
    static float cond[COND];
    static float frames[X];
    const mcvd_network_config nc = { .batch = 1 };
    mcvd_model *noisy = random_model(true);
    mcvd_model *plain = random_model(false);
    const mcvd_config *config = mcvd_model_get_config(plain);
    mcvd_schedule *schedule = schedule_of(config);
    mcvd_sampler *sampler = NULL;
    mcvd_sampler_config sc = mcvd_sampler_config_default();
    mcvd_noise_philox noise = { 5, 2, 0, 0.0 };
    by_hand h = { .schedule = schedule, .cond = cond, .seed = 5, .sample = 2 };
    const mcvd_sampler_job job = { .batch = 1,
                                   .denoiser = noised_call,
                                   .denoiser_user = &h,
                                   .noise = mcvd_noise_philox_draw,
                                   .noise_user = &noise };

    (void)state;
    sample(noisy, SAMPLES, SAMPLES, 5, blocks);
    for (uint32_t i = 0; i < FRAME; i++)
        for (uint32_t f = 0; f < PAST; f++)
            cond[i * KNOWN + f] = tanhf(hashed_gauss("past", f * FRAME + i));
    sc.name = config->sampling.sampler[0] ? config->sampling.sampler : "ddpm";
    sc.max_batch = 1;
    sc.numel = X;
    sc.num_steps = (int)config->sampling.subsample;
    sc.clip = config->sampling.clip_before;
    sc.denoise = config->sampling.denoise;
    sc.eta = config->sampling.eta;
    CHECK_OK(mcvd_sampler_create(&sampler, &sc, schedule));
    CHECK_OK(mcvd_network_create(&h.network, plain, &nc));
    mcvd_noise_philox_start(&noise, x, 1, X);
    CHECK_OK(mcvd_sampler_run(sampler, &job, x));
    CHECK_EQ(h.call, mcvd_sampler_num_calls(sampler));
    CHECK_EQ(h.call, config->sampling.subsample + 1);
    for (size_t i = 0; i < FRAME; i++)
        for (size_t f = 0; f < FRAMES; f++)
            frames[f * FRAME + i] = x[i * FRAMES + f];
    CHECK_ALL_CLOSE(blocks + 2 * X, frames, X, 2e-5);
    mcvd_network_free(&h.network);
    mcvd_sampler_free(&sampler);
    mcvd_schedule_free(&schedule);
    mcvd_model_free(&noisy);
    mcvd_model_free(&plain);
}

/* Streams of calls, blocks and trajectories differ; a batch is its trajectories side by side. */
static void noise_of_calls_is_independent(void **state)
{
    const mcvd_noise_philox all = { 9, 4, 1, 0.0 };
    const mcvd_noise_philox later = { 9, 4, 2, 0.0 };
    mcvd_noise_philox one = { 9, 5, 1, 0.0 };
    float a[2 * X];
    float b[2 * X];
    double product = 0.0;

    (void)state;
    CHECK_OK(mcvd_noise_philox_cond(&all, 3, a, 2, X));
    CHECK_OK(mcvd_noise_philox_cond(&one, 3, b, 1, X));
    CHECK_TRUE(same(a + X, b, X));
    CHECK_TRUE(!same(a, a + X, X));
    CHECK_OK(mcvd_noise_philox_cond(&all, 4, b, 2, X));
    CHECK_TRUE(!same(a, b, X));
    for (size_t i = 0; i < 2 * X; i++)
        product += (double)a[i] * (double)b[i];
    CHECK_CLOSE(product / (2 * X), 0, 5.0 / sqrt(2.0 * X)); /* five standard deviations */
    CHECK_OK(mcvd_noise_philox_cond(&later, 3, b, 2, X));
    CHECK_TRUE(!same(a, b, X));
    CHECK_OK(mcvd_noise_philox_draw(&one, 3, b, 1, X));
    CHECK_TRUE(!same(a + X, b, X));
    CHECK_STATUS(mcvd_noise_philox_cond(&all, 65536, a, 1, X), MCVD_E_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_noises_the_given_frames),
        cmocka_unit_test(validation_noises_the_given_frames),
        cmocka_unit_test(sampling_follows_its_seed_alone),
        cmocka_unit_test(sampling_noises_every_call),
        cmocka_unit_test(noise_of_calls_is_independent),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
