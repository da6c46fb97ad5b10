/* model.noise_in_cond: the network sees sqrt(ac) cond + sqrt(1 - ac) z, ac of the call's timestep.
 */
#include <stdlib.h>

#include <mcvd/model.h>
#include <mcvd/rng.h>
#include <mcvd/schedule.h>

#include "core/alloc.h"
#include "model/noise_in_cond.h"
#include "support/check.h"

enum { BATCH = 2, SIZE = 8, FRAMES = 2, NUMEL = SIZE * SIZE * FRAMES };

static const char tiny[] =
    "{\"data\":{\"image_size\":8,\"channels\":1,\"num_frames\":2,\"num_frames_cond\":2},"
    "\"model\":{\"ngf\":8,\"ch_mult\":[1],\"num_res_blocks\":1,\"attn_resolutions\":[],"
    "\"n_head_channels\":8,\"num_classes\":50}}";

static void tiny_config(mcvd_config *config, const char *kind, bool noisy)
{
    mcvd_config_default(config);
    CHECK_OK(mcvd_config_parse(config, tiny, "tiny"));
    snprintf(config->model.sigma_dist, sizeof config->model.sigma_dist, "%s", kind);
    config->model.noise_in_cond = noisy;
}

static mcvd_network *tiny_network(const char *kind, bool noisy)
{
    const mcvd_network_config nc = { .batch = BATCH };
    mcvd_config config;
    mcvd_model *model = NULL;
    mcvd_network *net = NULL;

    tiny_config(&config, kind, noisy);
    CHECK_OK(mcvd_model_create(&model, &config, 7));
    CHECK_OK(mcvd_network_create(&net, model, &nc));
    mcvd_model_free(&model);
    return net;
}

typedef struct inputs {
    float x[BATCH * NUMEL], cond[BATCH * NUMEL], z[BATCH * NUMEL], noised[BATCH * NUMEL];
    double t[BATCH];
} inputs;

static void fill(float *values, uint64_t stream)
{
    mcvd_rng_normal(mcvd_rng_key_make(1, MCVD_RNG_TEST, 0, stream), 0, values, BATCH * NUMEL);
}

static inputs *make_inputs(void)
{
    static inputs in;

    fill(in.x, 0);
    fill(in.cond, 1);
    fill(in.z, 2);
    in.t[0] = 3.0;
    in.t[1] = 41.0;
    return &in;
}

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

static const char *const kinds[] = { "linear", "cosine" };

static void schedule_is_the_samplers(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        mcvd_config config;
        double *ac = NULL;
        tiny_config(&config, kinds[k], true);
        mcvd_schedule *schedule = schedule_of(&config);
        CHECK_OK(mcvdi_cond_schedule(&ac, &config.model));
        for (int t = 0; t < 50; t++) {
            const double wanted = mcvd_schedule_alpha_cumprod(schedule, t);
            CHECK_CLOSE(ac[t], wanted, 1e-14 * wanted);
        }
        mcvdi_free(ac);
        mcvd_schedule_free(&schedule);
    }
}

/* The same network without the flag, given frames that were noised by the schedule. */
static void equals_noised_frames(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        mcvd_config config;
        inputs *in = make_inputs();
        float noisy[BATCH * NUMEL];
        float plain[BATCH * NUMEL];
        tiny_config(&config, kinds[k], true);
        mcvd_schedule *schedule = schedule_of(&config);
        const int32_t t[BATCH] = { 3, 41 };
        const mcvd_timesteps steps = { t, BATCH, NUMEL };
        CHECK_OK(mcvd_schedule_q_sample(schedule, &steps, in->cond, in->z, in->noised));
        mcvd_network *with = tiny_network(kinds[k], true);
        mcvd_network *without = tiny_network(kinds[k], false);
        const mcvd_network_input a = {
            .x = in->x, .t = in->t, .cond = in->cond, .cond_noise = in->z
        };
        const mcvd_network_input b = { .x = in->x, .t = in->t, .cond = in->noised };
        CHECK_OK(mcvd_network_forward(with, &a, noisy));
        CHECK_OK(mcvd_network_forward(without, &b, plain));
        CHECK_ALL_CLOSE(noisy, plain, BATCH * NUMEL, 1e-6); /* rounding of one product and sum */
        mcvd_network_free(&with);
        mcvd_network_free(&without);
        mcvd_schedule_free(&schedule);
    }
}

static void refuses_wrong_inputs(void **state)
{
    inputs *in = make_inputs();
    float out[BATCH * NUMEL];
    mcvd_network *with = tiny_network("linear", true);
    mcvd_network *without = tiny_network("linear", false);
    const mcvd_network_input noisy = {
        .x = in->x, .t = in->t, .cond = in->cond, .cond_noise = in->z
    };
    const mcvd_network_input plain = { .x = in->x, .t = in->t, .cond = in->cond };

    (void)state;
    CHECK_STATUS(mcvd_network_forward(with, &plain, out), MCVD_E_STATE);
    CHECK_MESSAGE("needs cond_noise");
    CHECK_STATUS(mcvd_network_forward(without, &noisy, out), MCVD_E_STATE);
    CHECK_MESSAGE("noise_in_cond only");
    in->t[1] = 4.5;
    CHECK_STATUS(mcvd_network_forward(with, &noisy, out), MCVD_E_RANGE);
    CHECK_MESSAGE("whole timesteps");
    in->t[1] = -1.0;
    CHECK_STATUS(mcvd_network_forward(with, &noisy, out), MCVD_E_RANGE);
    mcvd_network_free(&with);
    mcvd_network_free(&without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_is_the_samplers),
        cmocka_unit_test(equals_noised_frames),
        cmocka_unit_test(refuses_wrong_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
