/* What depends on the given frames alone is computed once, and no result shows it: networks with
 * and without reuse agree bit for bit. */
#include <stdlib.h>

#include <mcvd/rollout.h>

#include "support/folder_fixture.h"
#include "support/random_model.h"

enum { SIZE = 16, PIXELS = SIZE * SIZE, BATCH = 2 };
enum { PAST = 2, FRAMES = 2, FUTURE = 1, KNOWN = PAST + FUTURE };
enum { X = FRAMES * PIXELS, COND = KNOWN * PIXELS };

/* --- the family --- */

typedef struct member {
    const char *arch;
    bool spade;
    bool cond_emb;
    int space_to_depth;
    bool reuses;
} member;

static const member family[] = {
    { "unetmore", false, false, 1, true },
    { "unetmore", false, true, 1, true },
    { "unetmore", false, false, 2, false },
    { "unetmore", true, false, 1, true },
    { "unetmore", true, true, 1, true },
    { "unetmorepseudo3d", true, false, 1, true },
    { "unetmorepseudo3d", false, false, 1, false },
    { "unetmore3d", true, false, 1, true },
};

enum { NUM_MEMBERS = sizeof family / sizeof family[0] };

static mcvd_model *open_member(const member *m, bool noise_in_cond)
{
    const window_shape window = { PAST, FRAMES, FUTURE, 1, m->cond_emb };
    char path[TEST_PATH_BYTES];
    mcvd_config config = window_config(window);
    mcvd_model *model = NULL;

    snprintf(config.model.arch, sizeof config.model.arch, "%s", m->arch);
    config.model.spade = m->spade;
    config.model.spade_dim = 12;
    config.model.space_to_depth = m->space_to_depth;
    config.model.noise_in_cond = noise_in_cond;
    write_random_model(&config, test_path(path, folder, "model.safetensors"));
    CHECK_OK(mcvd_model_load(&model, path, NULL));
    return model;
}

/* One model behind two networks. */
typedef struct both {
    mcvd_network *reusing;
    mcvd_network *plain;
} both;

static both open_both(const mcvd_model *model, bool keep_stages)
{
    mcvd_network_config nc = { .batch = BATCH, .keep_stages = keep_stages };
    both b;

    CHECK_OK(mcvd_network_create(&b.reusing, model, &nc));
    nc.no_reuse = true;
    CHECK_OK(mcvd_network_create(&b.plain, model, &nc));
    CHECK_CLOSE(mcvd_network_reused_macs(b.plain), 0, 0);
    CHECK_CLOSE(mcvd_network_macs(b.plain), mcvd_network_macs(b.reusing), 0);
    return b;
}

static void close_both(both *b)
{
    mcvd_network_free(&b->reusing);
    mcvd_network_free(&b->plain);
}

static void fill(float *values, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        values[i] = tanhf(hashed_gauss(key, (uint32_t)i));
}

/* Call `number` with the frames of `cond_key`, on both; out is the reusing network's. */
static void call_both(const both *b, int number, const char *cond_key, bool noisy, float *out)
{
    static float x[BATCH * X];
    static float cond[BATCH * COND];
    static float noise[BATCH * COND];
    static float expected[BATCH * X];
    const float mask[BATCH] = { 1.0f, (float)(number % 2) };
    const double t[BATCH] = { 7.0 * number, 80.0 - number };
    char key[32];

    snprintf(key, sizeof key, "x %d", number);
    fill(x, BATCH * X, key);
    snprintf(key, sizeof key, "noise %d", number);
    fill(noise, BATCH * COND, key);
    fill(cond, BATCH * COND, cond_key);
    const mcvd_network_input in = {
        .x = x, .t = t, .cond = cond, .cond_mask = mask, .cond_noise = noisy ? noise : NULL
    };
    CHECK_OK(mcvd_network_forward(b->plain, &in, expected));
    CHECK_OK(mcvd_network_forward(b->reusing, &in, out));
    for (size_t i = 0; i < BATCH * X; i++)
        if (memcmp(&out[i], &expected[i], sizeof *out) != 0)
            fail_msg("call %d, element %zu: %.9g with reuse, %.9g without", number, i,
                     (double)out[i], (double)expected[i]);
}

static double apart(const float *a, const float *b)
{
    double largest = 0.0;

    for (size_t i = 0; i < BATCH * X; i++)
        largest = fmax(largest, fabs((double)a[i] - (double)b[i]));
    return largest;
}

/* --- calls --- */

static void calls_agree_bit_for_bit(void **state)
{
    static const char *const conds[] = { "A", "A", "B", "A", "A", "A" };
    static float out[BATCH * X];

    (void)state;
    for (size_t m = 0; m < NUM_MEMBERS; m++) {
        mcvd_model *model = open_member(&family[m], false);
        both b = open_both(model, false);
        print_message("%s%s, space_to_depth %d: %.0f %% reused\n", family[m].arch,
                      family[m].spade ? " spade" : "", family[m].space_to_depth,
                      100.0 * mcvd_network_reused_macs(b.reusing) / mcvd_network_macs(b.reusing));
        CHECK_EQ(mcvd_network_reused_macs(b.reusing) > 0.0, family[m].reuses);
        for (int i = 0; i < (int)(sizeof conds / sizeof *conds); i++)
            call_both(&b, i, conds[i], false, out);
        close_both(&b);
        mcvd_model_free(&model);
    }
}

/* The test can see the given frames: other ones change the result. */
static void given_frames_matter(void **state)
{
    static float a[BATCH * X];
    static float b[BATCH * X];

    (void)state;
    for (size_t m = 0; m < NUM_MEMBERS; m++) {
        mcvd_model *model = open_member(&family[m], false);
        both nets = open_both(model, false);
        call_both(&nets, 3, "A", false, a);
        call_both(&nets, 3, "B", false, b);
        CHECK_TRUE(apart(a, b) > 1e-3);
        close_both(&nets);
        mcvd_model_free(&model);
    }
}

/* With noise on the given frames every call sees others: nothing is kept. */
static void noise_in_cond_reuses_nothing(void **state)
{
    static float out[BATCH * X];
    static float other[BATCH * X];

    (void)state;
    for (size_t m = 0; m < NUM_MEMBERS; m++) {
        mcvd_model *model = open_member(&family[m], true);
        both b = open_both(model, false);
        CHECK_CLOSE(mcvd_network_reused_macs(b.reusing), 0, 0);
        for (int i = 0; i < 3; i++)
            call_both(&b, i, "A", true, out);
        close_both(&b);
        mcvd_model_free(&model);
        model = open_member(&family[m], false);
        b = open_both(model, false);
        call_both(&b, 2, "A", false, other);
        CHECK_TRUE(apart(out, other) > 1e-4); /* the noise did something */
        close_both(&b);
        mcvd_model_free(&model);
    }
}

/* Half of the model's weights: every tensor scaled. */
static mcvd_status halved(void *user, const mcvdi_param *param, size_t i, float *buffer,
                          const float **plain)
{
    const mcvdi_weight_source *source = user;
    const mcvd_status st = source->get(source->user, param, i, buffer, plain);

    for (size_t k = 0; st >= 0 && k < param->numel; k++)
        buffer[k] = 0.5f * (*plain)[k];
    *plain = buffer;
    return st;
}

static void other_weights_are_not_mixed_with_kept_results(void **state)
{
    static float before[BATCH * X];
    static float after[BATCH * X];

    (void)state;
    for (size_t m = 0; m < NUM_MEMBERS; m++) {
        mcvd_model *model = open_member(&family[m], false);
        both b = open_both(model, false);
        mcvdi_weight_source own = mcvdi_model_source(model);
        const mcvdi_weight_source half = { .get = halved, .user = &own };
        call_both(&b, 3, "A", false, before);
        CHECK_OK(mcvdi_network_reload(b.reusing, &half));
        CHECK_OK(mcvdi_network_reload(b.plain, &half));
        call_both(&b, 3, "A", false, after);
        CHECK_TRUE(apart(before, after) > 1e-3);
        close_both(&b);
        mcvd_model_free(&model);
    }
}

/* Stages that were not computed again are still there. */
static void stages_agree(void **state)
{
    static const char *const conds[] = { "A", "A", "B" };
    static float out[BATCH * X];
    const member spade = { "unetmore", true, false, 1, true };
    mcvd_model *model = open_member(&spade, false);
    both b = open_both(model, true);

    (void)state;
    CHECK_TRUE(mcvd_network_reused_macs(b.reusing) > 0.0);
    for (int i = 0; i < 3; i++) {
        call_both(&b, i, conds[i], false, out);
        const size_t num_stages = mcvd_network_num_stages(b.plain);
        CHECK_TRUE(num_stages > 20);
        CHECK_EQ(mcvd_network_num_stages(b.reusing), num_stages);
        for (size_t s = 0; s < num_stages; s++) {
            const char *name = NULL;
            mcvd_tensor kept;
            mcvd_tensor computed;
            CHECK_OK(mcvd_network_stage(b.reusing, s, &name, &kept));
            CHECK_OK(mcvd_network_stage(b.plain, s, &name, &computed));
            if (memcmp(kept.data, computed.data, mcvd_tensor_numel(&kept) * sizeof(float)) != 0)
                fail_msg("call %d: stage %s", i, name);
        }
    }
    close_both(&b);
    mcvd_model_free(&model);
}

/* --- rollouts --- */

/* Three trajectories in groups of two, three blocks: the given frames change with every group. */
static void roll(mcvd_network *network, const mcvd_config *config, float *frames)
{
    enum { SAMPLES = 3, BLOCKS = 3 };
    mcvd_rollout_config rc = mcvd_rollout_config_default(config);
    mcvd_rollout *rollout = NULL;
    float past[SAMPLES][PAST * PIXELS];
    const float *pasts[SAMPLES];

    rc.samples = SAMPLES;
    rc.seed = 3;
    for (size_t s = 0; s < SAMPLES; s++) {
        char key[16];
        snprintf(key, sizeof key, "past %zu", s);
        fill(past[s], PAST * PIXELS, key);
        pasts[s] = past[s];
    }
    CHECK_OK(mcvd_rollout_create_on(&rollout, network, config, &rc));
    for (int again = 0; again < 2; again++) { /* a second video on the same network */
        CHECK_OK(mcvd_rollout_begin_each(rollout, (uint64_t)again, pasts, NULL));
        for (size_t block = 0; block < BLOCKS; block++, frames += SAMPLES * X)
            CHECK_OK(mcvd_rollout_next(rollout, frames));
    }
    mcvd_rollout_free(&rollout);
}

static void rollouts_agree_bit_for_bit(void **state)
{
    enum { FLOATS = 2 * 3 * 3 * X };
    static float with[FLOATS];
    static float without[FLOATS];

    (void)state;
    for (size_t m = 0; m < NUM_MEMBERS; m++) {
        mcvd_model *model = open_member(&family[m], false);
        both b = open_both(model, false);
        roll(b.reusing, mcvd_model_get_config(model), with);
        roll(b.plain, mcvd_model_get_config(model), without);
        CHECK_EQ(memcmp(with, without, sizeof with), 0);
        for (size_t i = 0; i < FLOATS; i++)
            CHECK_TRUE(isfinite(with[i]));
        close_both(&b);
        mcvd_model_free(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_agree_bit_for_bit),
        cmocka_unit_test(given_frames_matter),
        cmocka_unit_test(noise_in_cond_reuses_nothing),
        cmocka_unit_test(other_weights_are_not_mixed_with_kept_results),
        cmocka_unit_test(stages_agree),
        cmocka_unit_test(rollouts_agree_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
