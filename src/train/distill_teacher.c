#include "train/distill_teacher.h"

#include "core/alloc.h"

struct mcvdi_teacher {
    mcvdi_teacher_config config;
    int num_timesteps;
    double *t;   /* [batch] */
    float *x;    /* [batch, numel] at the middle */
    float *read; /* [batch, numel] the network's output, then its x0 */
};

/* One step of the student. */
typedef struct span {
    mcvd_level from;
    int t_middle;
    mcvd_level middle;
    mcvd_level to;
} span;

mcvd_status mcvdi_teacher_create(mcvdi_teacher **out, const mcvdi_teacher_config *config)
{
    const size_t block = config->batch * config->numel * sizeof(float);
    mcvdi_teacher *t = mcvdi_calloc(1, sizeof *t);

    *out = NULL;
    if (t) {
        t->config = *config;
        t->num_timesteps = mcvd_schedule_num_timesteps(config->sched);
        t->t = mcvdi_calloc(config->batch, sizeof *t->t);
        t->x = mcvdi_alloc_aligned(block);
        t->read = mcvdi_alloc_aligned(block);
    }
    if (!t || !t->t || !t->x || !t->read) {
        mcvdi_teacher_free(&t);
        return mcvdi_fail(MCVD_E_NOMEM, "teacher: out of memory");
    }
    *out = t;
    return MCVD_OK;
}

void mcvdi_teacher_free(mcvdi_teacher **teacher)
{
    mcvdi_teacher *t = *teacher;

    if (!t)
        return;
    mcvdi_free(t->t);
    mcvdi_free_aligned(t->x);
    mcvdi_free_aligned(t->read);
    mcvdi_free(t);
    *teacher = NULL;
}

int mcvdi_teacher_timestep(const mcvdi_teacher *teacher, int i)
{
    return mcvdi_even_timestep(i, teacher->config.num_steps, teacher->num_timesteps);
}

/* The step that begins at timestep t: label = floor(i T / N) gives i = ceil(label N / T). */
static span span_at(const mcvdi_teacher *teacher, int t)
{
    const mcvd_schedule *sched = teacher->config.sched;
    const int n = teacher->config.num_steps;
    const int num_timesteps = teacher->num_timesteps;
    const int64_t label = num_timesteps - 1 - t;
    const int i = (int)((label * n + num_timesteps - 1) / num_timesteps);
    const int t_next = i + 1 < n ? mcvdi_even_timestep(i + 1, n, num_timesteps) : -1;
    const int t_middle =
        teacher->config.substeps == 2 ? mcvdi_even_timestep(2 * i + 1, 2 * n, num_timesteps) : t;

    return (span) { .from = mcvd_schedule_level(sched, t),
                    .t_middle = t_middle,
                    .middle = mcvd_schedule_level(sched, t_middle),
                    .to = mcvd_schedule_level(sched, t_next) };
}

/* teacher->read becomes what the teacher takes for x0 at x and teacher->t. */
static mcvd_status predict(mcvdi_teacher *teacher, const float *x)
{
    const mcvdi_teacher_config *c = &teacher->config;
    const mcvd_status st = c->denoiser(c->denoiser_user, x, teacher->t, c->batch, teacher->read);

    for (size_t b = 0; st >= 0 && b < c->batch; b++) {
        const mcvd_level level = mcvd_schedule_level(c->sched, (int)teacher->t[b]);
        const mcvdi_output_map map = mcvdi_parameterisation_at(c->prediction, level);
        const float of_x = (float)map.x0_x;
        const float of_out = (float)map.x0_out;
        float *out = teacher->read + b * c->numel;
        const float *x_b = x + b * c->numel;
        for (size_t k = 0; k < c->numel; k++) {
            const float x0 = of_x * x_b[k] + of_out * out[k];
            out[k] = !c->clip ? x0 : x0 < -1.0f ? -1.0f : x0 > 1.0f ? 1.0f : x0;
        }
    }
    return st;
}

/* The ddim step i -> m with the x0 that was read; eps agrees with it. */
static void move_to_middle(mcvdi_teacher *teacher, const int32_t *t, const float *x_t)
{
    const size_t numel = teacher->config.numel;

    for (size_t b = 0; b < teacher->config.batch; b++) {
        const span s = span_at(teacher, t[b]);
        const double ratio = s.middle.s / s.from.s;
        const float of_x = (float)ratio;
        const float of_x0 = (float)(s.middle.a - ratio * s.from.a);
        for (size_t k = b * numel; k < (b + 1) * numel; k++)
            teacher->x[k] = of_x * x_t[k] + of_x0 * teacher->read[k];
        teacher->t[b] = s.t_middle;
    }
}

/* x0 <- (1 - w) x0 + w read */
static void average(const mcvdi_teacher *teacher, const int32_t *t, float *x0)
{
    const size_t numel = teacher->config.numel;

    for (size_t b = 0; b < teacher->config.batch; b++) {
        const span s = span_at(teacher, t[b]);
        const double w =
            (s.to.a - s.to.s / s.middle.s * s.middle.a) / (s.to.a - s.to.s / s.from.s * s.from.a);
        const float of_second = (float)w;
        const float of_first = (float)(1.0 - w);
        for (size_t k = b * numel; k < (b + 1) * numel; k++)
            x0[k] = of_first * x0[k] + of_second * teacher->read[k];
    }
}

mcvd_status mcvdi_teacher_answer(mcvdi_teacher *teacher, const int32_t *t, const float *x_t,
                                 float *x0, float *eps)
{
    const mcvdi_teacher_config *c = &teacher->config;
    const size_t n = c->batch * c->numel;

    for (size_t b = 0; b < c->batch; b++)
        teacher->t[b] = t[b];
    mcvd_status st = predict(teacher, x_t);
    for (size_t k = 0; st >= 0 && k < n; k++)
        x0[k] = teacher->read[k];
    if (st >= 0 && c->substeps == 2) {
        move_to_middle(teacher, t, x_t);
        st = predict(teacher, teacher->x);
        if (st >= 0)
            average(teacher, t, x0);
    }
    for (size_t b = 0; st >= 0 && b < c->batch; b++) {
        const mcvd_level level = mcvd_schedule_level(c->sched, t[b]);
        const float a = (float)level.a;
        const float inverse_s = (float)(1.0 / level.s);
        for (size_t k = b * c->numel; k < (b + 1) * c->numel; k++)
            eps[k] = (x_t[k] - a * x0[k]) * inverse_s;
    }
    return st;
}
