/*
 * A whole tiny training run of the reference: eps = th0 x + th1 s + th2 sin(0.02 label), three
 * parameters, through our schedule, loss, clipping, rate, Adam and moving average.
 */
#include <mcvd/schedule.h>

#include "diffusion/loss.h"
#include "diffusion/parameterisation.h"
#include "support/pipeline.h"
#include "train/adam.h"
#include "train/clip.h"
#include "train/lr.h"

enum { NUM_PARAMS = 3, MAX_BATCH = 4, MAX_NUMEL = 64 };

typedef struct toy_run {
    const mcvd_safetensors *file;
    mcvd_schedule *sched;
    const mcvdi_parameterisation *param;
    mcvdi_adam_config adam;
    mcvdi_lr_config lr;
    double grad_clip;
    double ema_rate;
    bool l1;
    size_t batch;
    size_t numel;
    size_t hw;
    size_t cond_channels;
    float theta[NUM_PARAMS];
    float ema[NUM_PARAMS];
    float m[NUM_PARAMS];
    float v[NUM_PARAMS];
} toy_run;

static const float *step_row(const toy_run *r, const char *name, int step, size_t numel)
{
    return pipeline_f32(r->file, NULL, name) + (size_t)step * numel;
}

/* d loss / d theta from d loss / d pred. */
static void backward(const toy_run *r, int step, const int32_t *t, const float *x_t,
                     const float *d_pred, float grad[NUM_PARAMS])
{
    const size_t cond_numel = r->cond_channels * r->hw;
    const float *cond = step_row(r, "cond", step, r->batch * cond_numel);
    double sum[NUM_PARAMS] = { 0.0, 0.0, 0.0 };

    for (size_t b = 0; b < r->batch; b++) {
        const double s = toy_condition(cond + b * cond_numel, r->cond_channels, r->hw);
        const double wave = sin(0.02 * mcvd_schedule_label(r->sched, t[b]));

        for (size_t i = b * r->numel; i < (b + 1) * r->numel; i++) {
            sum[0] += (double)d_pred[i] * (double)x_t[i];
            sum[1] += (double)d_pred[i] * s;
            sum[2] += (double)d_pred[i] * wave;
        }
    }
    for (int k = 0; k < NUM_PARAMS; k++)
        grad[k] = (float)sum[k];
}

static void predict(const toy_run *r, int step, const int32_t *t, const float *x_t, float *pred)
{
    const size_t cond_numel = r->cond_channels * r->hw;
    const float *cond = step_row(r, "cond", step, r->batch * cond_numel);
    const double theta[3] = { (double)r->theta[0], (double)r->theta[1], (double)r->theta[2] };

    for (size_t b = 0; b < r->batch; b++) {
        const double s = toy_condition(cond + b * cond_numel, r->cond_channels, r->hw);
        toy_network(theta, s, mcvd_schedule_label(r->sched, t[b]), x_t + b * r->numel,
                    pred + b * r->numel, r->numel);
    }
}

static double loss_and_gradient(const toy_run *r, int step, float grad[NUM_PARAMS])
{
    static float x_t[MAX_BATCH * MAX_NUMEL];
    static float pred[MAX_BATCH * MAX_NUMEL];
    static float target[MAX_BATCH * MAX_NUMEL];
    const size_t n = r->batch * r->numel;
    const int64_t *labels = pipeline_tensor(r->file, NULL, "labels", MCVD_I64).data;
    const float *x0 = step_row(r, "x0", step, n);
    const float *z = step_row(r, "z", step, n);
    int32_t t[MAX_BATCH];
    mcvdi_loss_result result;

    for (size_t b = 0; b < r->batch; b++)
        t[b] = (int32_t)mcvd_schedule_label(r->sched, (double)labels[(size_t)step * r->batch + b]);
    const mcvd_timesteps steps = { t, r->batch, r->numel };
    CHECK_OK(mcvd_schedule_q_sample(r->sched, &steps, x0, z, x_t));
    CHECK_OK(mcvdi_training_target(r->param, r->sched, &steps, x0, z, target));
    predict(r, step, t, x_t, pred);

    const mcvdi_loss_input in = { .l1 = r->l1,
                                  .batch = r->batch,
                                  .numel = r->numel,
                                  .target = target,
                                  .pred = pred,
                                  .grad_scale = 1.0 / (double)r->batch };
    CHECK_OK(mcvdi_loss(&in, pred, NULL, &result));
    backward(r, step, t, x_t, pred, grad);
    return result.mean;
}

static void take_step(toy_run *r, int step)
{
    const double *lr = pipeline_tensor(r->file, NULL, "lr", MCVD_F64).data;
    const double expected_loss = (double)pipeline_f32(r->file, NULL, "loss")[step];
    const double expected_norm = (double)pipeline_f32(r->file, NULL, "grad_norm")[step];
    float grad[NUM_PARAMS];
    double norm = 0.0;
    const mcvdi_grad_slab slab = { grad, NUM_PARAMS };

    const double loss = loss_and_gradient(r, step, grad);
    CHECK_CLOSE(loss, expected_loss, 2e-5 * expected_loss);
    CHECK_ALL_CLOSE(grad, step_row(r, "grad", step, NUM_PARAMS), NUM_PARAMS, 2e-5 * expected_norm);
    CHECK_OK(mcvdi_grad_norm(&slab, 1, &norm));
    CHECK_CLOSE(norm, expected_norm, 2e-5 * expected_norm);

    const mcvdi_adam_now now = { .t = step + 1,
                                 .lr = mcvdi_lr_at(&r->lr, step),
                                 .grad_scale = mcvdi_clip_factor(norm, r->grad_clip),
                                 .ema_rate = r->ema_rate };
    const mcvdi_adam_slab adam = { r->theta, grad, r->m, r->v, NULL, r->ema, NUM_PARAMS };
    CHECK_CLOSE(now.lr, lr[step], 1e-15);
    CHECK_OK(mcvdi_adam_step(&r->adam, &now, &adam));
    CHECK_ALL_CLOSE(r->theta, step_row(r, "theta", step, NUM_PARAMS), NUM_PARAMS, 5e-6);
    CHECK_ALL_CLOSE(r->ema, step_row(r, "ema", step, NUM_PARAMS), NUM_PARAMS, 5e-6);
}

static toy_run begin_run(const cJSON *item, const mcvd_safetensors *file)
{
    const mcvd_tensor x0 = pipeline_tensor(file, NULL, "x0", MCVD_F32);
    const cJSON *theta = cJSON_GetObjectItemCaseSensitive(item, "theta_init");
    toy_run r = { .file = file,
                  .adam = { 0.9, 0.999, 1e-8, 0.0 },
                  .lr = { .lr = json_number(item, "lr", NAN),
                          .warmup = (int64_t)json_number(item, "warmup", 0.0) },
                  .grad_clip = json_number(item, "grad_clip", 0.0),
                  .ema_rate = json_number(item, "ema", NAN),
                  .l1 = json_flag(item, "L1", false),
                  .batch = x0.shape[1],
                  .hw = x0.shape[3] * x0.shape[4],
                  .cond_channels = (size_t)json_number(item, "cond_channels", 0.0) };

    r.numel = x0.shape[2] * r.hw;
    CHECK_TRUE(r.batch <= MAX_BATCH && r.numel <= MAX_NUMEL);
    r.sched = golden_schedule(json_text(item, "schedule"), (int)json_number(item, "T", 0.0));
    CHECK_OK(mcvdi_parameterisation_find(&r.param, "eps"));
    for (int k = 0; k < NUM_PARAMS; k++)
        r.theta[k] = r.ema[k] = (float)cJSON_GetArrayItem(theta, k)->valuedouble;
    return r;
}

static void test_runs(void **state)
{
    cJSON *json = pipeline_json("optim", "train_cases");
    const cJSON *item = NULL;

    (void)state;
    CHECK_EQ(cJSON_GetArraySize(json), 2);
    cJSON_ArrayForEach(item, json)
    {
        mcvd_safetensors *file = pipeline_open("optim", json_text(item, "name"));
        toy_run r = begin_run(item, file);
        const int num_steps = (int)json_number(item, "steps", 0.0);

        print_message("%s\n", json_text(item, "name"));
        for (int step = 0; step < num_steps; step++)
            take_step(&r, step);
        mcvd_schedule_free(&r.sched);
        mcvd_safetensors_close(&file);
    }
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
