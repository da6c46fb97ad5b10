/* Twenty optimizer steps of the reference: rate, clipping, moments, weights, moving average. */
#include "support/pipeline.h"
#include "train/adam.h"
#include "train/clip.h"
#include "train/lr.h"

enum { NUM_PARAMS = 17, MAX_STEPS = 32 };

static const double tolerance = 2e-6;

typedef struct optim_case {
    mcvdi_adam_config adam;
    mcvdi_lr_config lr;
    double grad_clip;
    double ema_rate;
    bool amsgrad;
    int num_steps;
} optim_case;

static optim_case read_case(const cJSON *item)
{
    optim_case c = { .adam = { .beta1 = json_number(item, "beta1", 0.9),
                               .beta2 = 0.999,
                               .eps = json_number(item, "eps", 1e-8),
                               .weight_decay = json_number(item, "weight_decay", 0.0) },
                     .lr = { .lr = json_number(item, "lr", NAN),
                             .warmup = (int64_t)json_number(item, "warmup", 0.0),
                             .warmup_zero_stays_zero = true },
                     .grad_clip = json_number(item, "grad_clip", 0.0),
                     .ema_rate = json_number(item, "ema", NAN),
                     .amsgrad = json_flag(item, "amsgrad", false),
                     .num_steps = (int)json_number(item, "steps", 0.0) };

    return c;
}

typedef struct optim_state {
    float params[NUM_PARAMS];
    float m[NUM_PARAMS];
    float v[NUM_PARAMS];
    float v_max[NUM_PARAMS];
    float ema[NUM_PARAMS];
} optim_state;

static void check_row(const mcvd_safetensors *file, const char *name, int step, const float *values)
{
    const float *expected = pipeline_f32(file, NULL, name) + (size_t)step * NUM_PARAMS;

    CHECK_ALL_CLOSE(values, expected, NUM_PARAMS, tolerance);
}

/* Clip, rate, Adam, average: as the trainer does it. */
static void take_step(const optim_case *c, const mcvd_safetensors *file, int step, optim_state *s)
{
    const float *grads = pipeline_f32(file, NULL, "grads") + (size_t)step * NUM_PARAMS;
    const mcvdi_grad_slab slabs[2] = { { grads, 12 }, { grads + 12, NUM_PARAMS - 12 } };
    const double *lr = pipeline_tensor(file, NULL, "lr_applied", MCVD_F64).data;
    mcvdi_adam_slab slab = { s->params, grads, s->m, s->v, NULL, s->ema, NUM_PARAMS };
    mcvdi_adam_now now = { .t = step + 1, .ema_rate = c->ema_rate };
    double norm = 0.0;
    float clipped[NUM_PARAMS];

    CHECK_OK(mcvdi_grad_norm(slabs, 2, &norm));
    const double expected_norm = (double)pipeline_f32(file, NULL, "grad_norm")[step];
    CHECK_CLOSE(norm, expected_norm, tolerance * expected_norm);
    now.grad_scale = mcvdi_clip_factor(norm, c->grad_clip);
    for (int i = 0; i < NUM_PARAMS; i++)
        clipped[i] = (float)now.grad_scale * grads[i];
    check_row(file, "clipped_grads", step, clipped);
    now.lr = mcvdi_lr_at(&c->lr, step);
    CHECK_CLOSE(now.lr, lr[step], 1e-15);
    if (c->amsgrad)
        slab.v_max = s->v_max;
    CHECK_OK(mcvdi_adam_step(&c->adam, &now, &slab));
}

static void check_case(const cJSON *item)
{
    const optim_case c = read_case(item);
    mcvd_safetensors *file = pipeline_open("optim", json_text(item, "name"));
    const float *init = pipeline_f32(file, NULL, "init");
    optim_state s = { 0 };

    print_message("%s\n", json_text(item, "name"));
    CHECK_TRUE(c.num_steps > 0 && c.num_steps <= MAX_STEPS);
    memcpy(s.params, init, sizeof s.params);
    memcpy(s.ema, init, sizeof s.ema);
    for (int step = 0; step < c.num_steps; step++) {
        take_step(&c, file, step, &s);
        check_row(file, "exp_avg", step, s.m);
        check_row(file, "exp_avg_sq", step, s.v);
        check_row(file, "params", step, s.params);
        check_row(file, "ema", step, s.ema);
        if (c.amsgrad)
            check_row(file, "max_exp_avg_sq", step, s.v_max);
    }
    mcvd_safetensors_close(&file);
}

static void test_adam(void **state)
{
    cJSON *json = pipeline_json("optim", "cases");
    const cJSON *item = NULL;
    int num_run = 0;

    (void)state;
    cJSON_ArrayForEach(item, json)
    {
        if (strcmp(json_text(item, "optimizer"), "Adam") != 0)
            continue;
        check_case(item);
        num_run++;
    }
    CHECK_EQ(num_run, 4);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adam),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
