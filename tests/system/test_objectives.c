/*
 * Every process and objective from training to frames: a tiny network learns moving digits, the
 * loss falls, and a sampler that suits the process makes frames that are near the true ones.
 */
#include <stdlib.h>

#include <mcvd/rollout.h>
#include <mcvd/sampler.h>
#include <mcvd/threads.h>
#include <mcvd/trainer.h>

#include "support/tiny_unet.h"

enum { STEPS = 500, SIZE = 16, FRAME = SIZE * SIZE, PAST = 2, FRAMES = 2, BATCH = 4 };

typedef struct objective_case {
    const char *name;
    const char *sets[7];
    const char *samplers[4]; /* of 50 steps */
    double most;             /* error of the frames, mid-grey having 1 */
} objective_case;

static const objective_case cases[] = {
    { "vp, v", { "model.prediction=v" }, { "ddpm", "unipc" }, 0.45 },
    { "vp, x0, zero terminal SNR",
      { "model.prediction=x0", "model.zero_terminal_snr=true" },
      { "ddim", "dpm++2m" },
      0.15 },
    { "vp, eps, min-snr", { "training.loss_weight=min-snr" }, { "ddim", "heun" }, 0.7 },
    { "vp, v, likelihood", { "model.prediction=v", "training.loss_weight=elbo" }, { "ddpm" }, 0.3 },
    { "vp, x0, L1, sigma",
      { "model.prediction=x0", "training.L1=true", "training.loss_weight=sigma" },
      { "ddim" },
      0.2 },
    { "vp, gamma noise", { "model.gamma=true" }, { "ddpm", "ddim" }, 0.7 },
    { "vp, gamma noise, noisy conditions",
      { "model.gamma=true", "model.noise_in_cond=true" },
      { "ddpm" },
      0.6 },
    { "ve, eps",
      { "model.version=SMLD", "model.sigma_dist=geometric", "model.sigma_begin=10",
        "model.sigma_end=0.01", "sampling.consistent=true" },
      { "", "pc", "heun", "ddpm" },
      0.4 },
    { "ve, score",
      { "model.version=SMLD", "model.sigma_dist=geometric", "model.sigma_begin=10",
        "model.sigma_end=0.01", "model.prediction=score", "training.loss_weight=sigma" },
      { "euler-maruyama", "reverse-diffusion", "dpm++2m-sde" },
      0.8 },
    { "flow, flow",
      { "model.sigma_dist=flow", "model.prediction=flow" },
      { "euler", "heun", "ddim" },
      0.15 },
};

static mcvd_config case_config(const objective_case *c)
{
    mcvd_config config = tiny_config();

    config.optim.lr = 4e-3;
    config.sampling.subsample = 50;
    for (size_t i = 0; c->sets[i]; i++)
        CHECK_OK(mcvd_config_set(&config, c->sets[i]));
    CHECK_OK(mcvd_config_check(&config));
    return config;
}

typedef struct rig {
    mcvd_dataset *data;
    mcvd_loader *loader;
    mcvd_trainer *trainer;
} rig;

static void open_rig(rig *r, const mcvd_config *config)
{
    const mcvd_dataset_config dc = mcvd_dataset_config_default(&config->data);

    CHECK_OK(mcvd_dataset_open(&r->data, &dc));
    mcvd_loader_config lc = mcvd_loader_config_default(r->data);
    lc.batch_size = (size_t)config->training.batch_size;
    CHECK_OK(mcvd_loader_create(&r->loader, r->data, &lc));
    CHECK_OK(mcvd_trainer_create(&r->trainer, config));
}

static void close_rig(rig *r)
{
    mcvd_loader_free(&r->loader);
    mcvd_dataset_free(&r->data);
    mcvd_trainer_free(&r->trainer);
}

/* Mean loss of the first and of the last fifth of the steps. */
static void train(rig *r, double *first, double *last)
{
    *first = *last = 0.0;
    for (int i = 0; i < STEPS; i++) {
        mcvd_batch batch;
        mcvd_step_report report;
        CHECK_OK(mcvd_loader_next(r->loader, &batch));
        CHECK_OK(mcvd_trainer_step(r->trainer, &batch, &report));
        CHECK_TRUE(isfinite(report.loss) && isfinite(report.grad_norm));
        if (i < STEPS / 5)
            *first += report.loss_per_element / (STEPS / 5);
        if (i >= STEPS - STEPS / 5)
            *last += report.loss_per_element / (STEPS / 5);
    }
}

/* Squared error of one predicted block of the windows of a batch, as a share of that of mid-grey.
 */
static double sample_error(const rig *r, mcvd_config *config, const char *sampler,
                           const mcvd_batch *batch)
{
    const size_t window = PAST + FRAMES + 1;
    mcvd_network *network = NULL;
    mcvd_rollout *rollout = NULL;
    static float clips[BATCH * (PAST + FRAMES + 1) * FRAME];
    static float made[BATCH * FRAMES * FRAME];
    const float *past[BATCH];
    double error = 0.0;
    double of_grey = 0.0;

    snprintf(config->sampling.sampler, sizeof config->sampling.sampler, "%s", sampler);
    mcvd_rollout_config rc = mcvd_rollout_config_default(config);
    rc.samples = BATCH;
    for (size_t i = 0; i < BATCH * window * FRAME; i++)
        clips[i] = (float)batch->frames[i] / 127.5f - 1.0f;
    for (size_t b = 0; b < BATCH; b++)
        past[b] = clips + b * window * FRAME;
    CHECK_OK(mcvd_trainer_network(&network, r->trainer, BATCH));
    CHECK_OK(mcvd_rollout_create_on(&rollout, network, config, &rc));
    CHECK_OK(mcvd_rollout_begin_each(rollout, 0, past, NULL));
    CHECK_OK(mcvd_rollout_next(rollout, made));
    for (size_t b = 0; b < BATCH; b++)
        for (size_t i = 0; i < FRAMES * FRAME; i++) {
            const double truth = (double)clips[(b * window + PAST) * FRAME + i];
            const double pixel = (double)made[b * FRAMES * FRAME + i];
            CHECK_TRUE(isfinite(pixel) && fabs(pixel) < 2.0);
            error += (pixel - truth) * (pixel - truth);
            of_grey += truth * truth;
        }
    mcvd_rollout_free(&rollout);
    mcvd_network_free(&network);
    return error / of_grey;
}

static void run_case(const objective_case *c)
{
    mcvd_config config = case_config(c);
    mcvd_batch batch;
    double first;
    double last;
    rig r;

    open_rig(&r, &config);
    train(&r, &first, &last);
    print_message("%s: loss per element %.4g, later %.4g\n", c->name, first, last);
    CHECK_TRUE(last < 0.6 * first);
    CHECK_OK(mcvd_loader_next(r.loader, &batch));
    for (size_t i = 0; i < 4 && c->samplers[i]; i++) {
        const double error = sample_error(&r, &config, c->samplers[i], &batch);
        print_message("    %s: error %.3f\n", c->samplers[i], error);
        CHECK_TRUE(error < c->most);
    }
    close_rig(&r);
}

static void from_training_to_frames(void **state)
{
    (void)state;
    mcvd_set_threads(1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        run_case(&cases[i]);
}

/* Wrong samplers are told before the first step. */
static void training_refuses_samplers_that_do_not_suit(void **state)
{
    mcvd_config config = tiny_config();
    mcvd_trainer *trainer = NULL;

    (void)state;
    CHECK_OK(mcvd_config_set(&config, "sampling.sampler=langevin"));
    CHECK_STATUS(mcvd_trainer_create(&trainer, &config), MCVD_E_CONFIG);
    CHECK_MESSAGE("langevin does not suit a vp process");
    CHECK_TRUE(trainer == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_training_to_frames),
        cmocka_unit_test(training_refuses_samplers_that_do_not_suit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
