/* The loss of the reference on given frames, noise and labels, with the toy network. */
#include <mcvd/schedule.h>

#include "diffusion/loss.h"
#include "diffusion/parameterisation.h"
#include "support/pipeline.h"

static const double toy_theta[3] = { 0.6, 0.25, 0.15 };

enum { MAX_BATCH = 8, MAX_NUMEL = 512 };

typedef struct loss_case {
    const char *name;
    const mcvd_safetensors *file;
    mcvd_schedule *sched;
    size_t batch;
    size_t numel;
    size_t hw;
    size_t cond_channels;
    int32_t t[MAX_BATCH];
} loss_case;

static void read_sizes(loss_case *c)
{
    const mcvd_tensor x = pipeline_tensor(c->file, c->name, "x", MCVD_F32);
    const mcvd_tensor cond = pipeline_tensor(c->file, c->name, "cond", MCVD_F32);
    const int64_t *labels = pipeline_tensor(c->file, c->name, "labels", MCVD_I64).data;

    c->batch = x.shape[0];
    c->hw = x.shape[2] * x.shape[3];
    c->numel = x.shape[1] * c->hw;
    c->cond_channels = cond.shape[1];
    CHECK_TRUE(c->batch <= MAX_BATCH && c->numel <= MAX_NUMEL);
    for (size_t b = 0; b < c->batch; b++)
        c->t[b] = (int32_t)mcvd_schedule_label(c->sched, (double)labels[b]);
}

/* The condition of the case, noised at the same level when the case says so. */
static void read_condition(const loss_case *c, float *cond)
{
    const float *clean = pipeline_f32(c->file, c->name, "cond");
    const size_t numel = c->cond_channels * c->hw;
    const mcvd_timesteps steps = { c->t, c->batch, numel };
    char name[128];

    CHECK_TRUE(numel <= MAX_NUMEL);
    memcpy(cond, clean, c->batch * numel * sizeof *cond);
    snprintf(name, sizeof name, "%s/z_cond", c->name);
    if (mcvd_safetensors_has(c->file, name))
        CHECK_OK(mcvd_schedule_q_sample(c->sched, &steps, clean,
                                        pipeline_f32(c->file, c->name, "z_cond"), cond));
}

static void predict(const loss_case *c, const float *x_t, float *pred)
{
    static float cond[MAX_BATCH * MAX_NUMEL];

    read_condition(c, cond);
    for (size_t b = 0; b < c->batch; b++) {
        const double s =
            toy_condition(cond + b * c->cond_channels * c->hw, c->cond_channels, c->hw);
        toy_network(toy_theta, s, mcvd_schedule_label(c->sched, c->t[b]), x_t + b * c->numel,
                    pred + b * c->numel, c->numel);
    }
}

static void check_case(loss_case *c, bool l1, double mean)
{
    static float x_t[MAX_BATCH * MAX_NUMEL];
    static float pred[MAX_BATCH * MAX_NUMEL];
    static float target[MAX_BATCH * MAX_NUMEL];
    double per_sample[MAX_BATCH];
    mcvdi_loss_result result;
    const mcvdi_parameterisation *eps_prediction = NULL;

    read_sizes(c);
    const mcvd_timesteps steps = { c->t, c->batch, c->numel };
    const float *x0 = pipeline_f32(c->file, c->name, "x");
    const float *z = pipeline_f32(c->file, c->name, "z");
    const float *expected = pipeline_f32(c->file, c->name, "per_sample");
    CHECK_OK(mcvd_schedule_q_sample(c->sched, &steps, x0, z, x_t));
    CHECK_OK(mcvdi_parameterisation_find(&eps_prediction, "eps"));
    CHECK_OK(mcvdi_training_target(eps_prediction, c->sched, &steps, x0, z, target));
    predict(c, x_t, pred);

    const mcvdi_loss_input in = { .l1 = l1,
                                  .batch = c->batch,
                                  .numel = c->numel,
                                  .target = target,
                                  .pred = pred,
                                  .grad_scale = 1.0 };
    CHECK_OK(mcvdi_loss(&in, NULL, per_sample, &result));
    for (size_t b = 0; b < c->batch; b++)
        CHECK_CLOSE(per_sample[b], expected[b], 2e-5 * (double)expected[b]);
    CHECK_CLOSE(result.mean, mean, 2e-5 * mean);
    CHECK_CLOSE(result.per_element, mean / (double)c->numel, 2e-5 * mean / (double)c->numel);
}

/* Score matching has geometric sigmas, all of which are in the file. */
static mcvd_schedule *case_schedule(const cJSON *item, const mcvd_safetensors *file)
{
    mcvd_schedule_config config = mcvd_schedule_config_default();
    mcvd_schedule *sched = NULL;
    const int count = (int)json_number(item, "T", 0.0);

    if (strcmp(json_text(item, "version"), "SMLD") != 0)
        return golden_schedule(json_text(item, "schedule"), count);
    const float *sigmas = pipeline_f32(file, json_text(item, "name"), "sigmas");
    config.kind = "geometric";
    config.num_timesteps = count;
    config.sigma_begin = (double)sigmas[0];
    config.sigma_end = (double)sigmas[count - 1];
    CHECK_OK(mcvd_schedule_create(&sched, &config));
    for (int t = 0; t < count; t++)
        CHECK_CLOSE(mcvd_schedule_level(sched, t).s, sigmas[count - 1 - t],
                    1e-6 * (double)sigmas[count - 1 - t]);
    return sched;
}

static void test_losses(void **state)
{
    mcvd_safetensors *file = pipeline_open("loss", "loss");
    cJSON *json = pipeline_json("loss", "cases");
    const cJSON *item = NULL;
    int num_run = 0;

    (void)state;
    cJSON_ArrayForEach(item, json)
    {
        loss_case c = { .name = json_text(item, "name"), .file = file };
        c.sched = case_schedule(item, file);
        print_message("%s\n", c.name);
        check_case(&c, json_flag(item, "L1", false), json_number(item, "mean", NAN));
        mcvd_schedule_free(&c.sched);
        num_run++;
    }
    CHECK_EQ(num_run, 6);
    cJSON_Delete(json);
    mcvd_safetensors_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
