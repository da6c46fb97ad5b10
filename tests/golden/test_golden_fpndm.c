/*
 * F-PNDM as the reference has it, written down here because no network should be sampled this way:
 * its labels run from noisy to clean while its alphas run from clean to noisy, and it clips the
 * state. The sampler pndm of the library has the working form; this test shows that we know what
 * the published code does.
 */
#include "support/pipeline.h"

static const double toy_theta[3] = { 0.6, 0.25, 0.15 };

enum { MAX_VALUES = 256, HISTORY = 4, MAX_BATCH = 4 };

typedef struct literal {
    double flipped[1000]; /* alphas from clean to noisy, read one further on than the labels */
    size_t batch;
    size_t numel;
    double s[MAX_BATCH]; /* what the conditions add to the network's answer */
    bool clip;
    const double *labels;
    size_t num_calls;
} literal;

/* The answer at a label; it must be the one that the reference asked for. */
static void ask(literal *l, const double *x, double label, double *e)
{
    float in[MAX_VALUES];
    float out[MAX_VALUES];

    CHECK_CLOSE(label, l->labels[l->num_calls++], 0.0);
    for (size_t i = 0; i < l->batch * l->numel; i++)
        in[i] = (float)x[i];
    for (size_t b = 0; b < l->batch; b++)
        toy_network(toy_theta, l->s[b], label, in + b * l->numel, out + b * l->numel, l->numel);
    for (size_t i = 0; i < l->batch * l->numel; i++)
        e[i] = (double)out[i];
}

/* The move from label t to label u with the noise e. */
static void transfer(const literal *l, double *to, const double *x, double t, double u,
                     const double *e)
{
    const double a = l->flipped[(int)t + 1];
    const double b = l->flipped[(int)u + 1];
    const double of_x = (b - a) / (sqrt(a) * (sqrt(a) + sqrt(b)));
    const double of_e = (b - a) / (sqrt(a) * (sqrt((1.0 - b) * a) + sqrt((1.0 - a) * b)));

    for (size_t i = 0; i < l->batch * l->numel; i++) {
        to[i] = x[i] + of_x * x[i] - of_e * e[i];
        if (l->clip)
            to[i] = fmin(fmax(to[i], -1.0), 1.0);
    }
}

/* Fourth-order Runge-Kutta from t to u; keeps the first answer in e1 and gives the mean in e. */
static void runge_kutta(literal *l, const double *x, double t, double u, double *e1, double *e)
{
    const double mid = (t + u) / 2.0;
    double at[MAX_VALUES];
    double e2[MAX_VALUES];
    double e3[MAX_VALUES];
    double e4[MAX_VALUES];

    ask(l, x, t, e1);
    transfer(l, at, x, t, mid, e1);
    ask(l, at, mid, e2);
    transfer(l, at, x, t, mid, e2);
    ask(l, at, mid, e3);
    transfer(l, at, x, t, u, e3);
    ask(l, at, u, e4);
    for (size_t i = 0; i < l->batch * l->numel; i++)
        e[i] = (e1[i] + 2.0 * e2[i] + 2.0 * e3[i] + e4[i]) / 6.0;
}

/* Adams-Bashforth of four answers, the newest in history[3]. */
static void multistep(const literal *l, double (*history)[MAX_VALUES], double *e)
{
    for (size_t i = 0; i < l->batch * l->numel; i++)
        e[i] = (55.0 * history[3][i] - 59.0 * history[2][i] + 37.0 * history[1][i] -
                9.0 * history[0][i]) /
               24.0;
}

static void run(literal *l, double *x, int stride, const float *traj, size_t num_states)
{
    static double history[HISTORY][MAX_VALUES];
    double e[MAX_VALUES];
    const size_t n = l->batch * l->numel;

    for (size_t k = 0; k < num_states; k++) {
        const double t = (double)k * stride;
        const double u = k ? t - stride : -1.0;

        memmove(history[0], history[1], (HISTORY - 1) * sizeof history[0]);
        if (k < 3) {
            runge_kutta(l, x, t, u, history[3], e);
        } else {
            ask(l, x, t, history[3]);
            multistep(l, history, e);
        }
        transfer(l, x, x, t, u, e);
        for (size_t i = 0; i < n; i++)
            CHECK_CLOSE(x[i], traj[k * n + i], 2e-4 * fmax(1.0, fabs(x[i])));
    }
}

static void run_case(const cJSON *item)
{
    mcvd_safetensors *file = pipeline_open("samplers", json_text(item, "name"));
    const int T = (int)json_number(item, "T", 0.0);
    mcvd_schedule *sched = golden_schedule(json_text(item, "schedule"), T);
    const mcvd_tensor traj = pipeline_tensor(file, NULL, "traj", MCVD_F32);
    const mcvd_tensor cond = pipeline_tensor(file, NULL, "cond", MCVD_F32);
    const mcvd_tensor labels = pipeline_tensor(file, NULL, "labels", MCVD_F64);
    const float *start = pipeline_f32(file, NULL, "x_init");
    const size_t hw = traj.shape[3] * traj.shape[4];
    literal l = { .batch = traj.shape[1],
                  .numel = traj.shape[2] * hw,
                  .clip = json_flag(item, "clip_before", true),
                  .labels = labels.data };
    double x[MAX_VALUES];

    print_message("%s\n", json_text(item, "name"));
    CHECK_TRUE(T == 1000 && l.batch <= MAX_BATCH && l.batch * l.numel <= MAX_VALUES);
    for (int t = 0; t < T; t++)
        l.flipped[t] = mcvd_schedule_alpha_cumprod(sched, t);
    for (size_t b = 0; b < l.batch; b++)
        l.s[b] =
            toy_condition((const float *)cond.data + b * cond.shape[1] * hw, cond.shape[1], hw);
    for (size_t i = 0; i < l.batch * l.numel; i++)
        x[i] = (double)start[i];
    run(&l, x, T / (int)json_number(item, "subsample_steps", 0.0), traj.data, traj.shape[0]);
    CHECK_EQ(l.num_calls, labels.shape[0]);
    mcvd_schedule_free(&sched);
    mcvd_safetensors_close(&file);
}

static void test_literal_form(void **state)
{
    cJSON *json = pipeline_json("samplers", "cases");
    const cJSON *item = NULL;
    int num_run = 0;

    (void)state;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "cases"))
    {
        if (strcmp(json_text(item, "sampler"), "fpndm") != 0)
            continue;
        run_case(item);
        num_run++;
    }
    CHECK_EQ(num_run, 4);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literal_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
