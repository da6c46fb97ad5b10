#include "rollout/guidance.h"

#include <string.h>

#include "core/status.h"

enum { MAX_WEIGHT = 100 };

static void add_term(mcvdi_guidance *g, bool past, bool future, double weight)
{
    if (weight != 0.0)
        g->terms[g->num_terms++] = (mcvdi_term) { past, future, weight };
}

/* generate is given its own frames from the second block on. */
static bool has_past(const mcvd_config *model, mcvd_task task)
{
    return model->data.num_frames_cond &&
           (mcvd_task_past_given(task) || task == MCVD_TASK_GENERATE);
}

static mcvd_status check_weight(const char *key, double weight)
{
    if (weight >= 0.0 && weight <= MAX_WEIGHT)
        return MCVD_OK;
    return mcvdi_fail(MCVD_E_RANGE, "sampling.guidance_%s = %g, expected 0 to %d", key, weight,
                      (int)MAX_WEIGHT);
}

/* A term is a task of its own: what the network must have met in training. */
static mcvd_status check_terms(const mcvdi_guidance *g, const mcvd_config *model)
{
    for (size_t i = 0; i < g->num_terms; i++) {
        const mcvdi_term *t = &g->terms[i];
        const mcvd_task task = t->past     ? t->future ? MCVD_TASK_INTERP : MCVD_TASK_PREDICT
                               : t->future ? MCVD_TASK_PREDICT_PAST
                                           : MCVD_TASK_GENERATE;
        const char *why = mcvd_task_untrained(model, task);
        if (why)
            return mcvdi_fail(MCVD_E_USAGE,
                              "guidance needs the model's answer with the past %s and the future "
                              "%s, but %s",
                              t->past ? "given" : "masked", t->future ? "given" : "masked", why);
    }
    return MCVD_OK;
}

mcvd_status mcvdi_guidance_plan(mcvdi_guidance *g, const mcvd_config *model,
                                const mcvd_rollout_config *config)
{
    const bool past = has_past(model, config->task);
    const bool future = model->data.num_frames_future && mcvd_task_future_given(config->task);
    const double w_p = past ? config->sampling.guidance_past : 0.0;
    const double w_f = future ? config->sampling.guidance_future : 0.0;
    const bool plain = (!past || w_p == 1.0) && (!future || w_f == 1.0);
    mcvd_status st = check_weight("past", config->sampling.guidance_past);

    memset(g, 0, sizeof *g);
    if (st >= 0)
        st = check_weight("future", config->sampling.guidance_future);
    add_term(g, false, false, 1.0 - (past ? w_p : w_f));
    if (past)
        add_term(g, true, false, w_p - w_f);
    add_term(g, past, future, w_f);
    return st < 0 || plain ? st : check_terms(g, model);
}

/* As differences from the first answer: where all answers agree, so does the sum, exactly. */
void mcvdi_guidance_combine(const mcvdi_guidance *g, const float *answers, size_t n, float *out)
{
    memcpy(out, answers, n * sizeof *out);
    for (size_t k = 1; k < g->num_terms; k++) {
        const float weight = (float)g->terms[k].weight;
        const float *restrict answer = answers + k * n;
        for (size_t i = 0; i < n; i++)
            out[i] += weight * (answer[i] - answers[i]);
    }
}
