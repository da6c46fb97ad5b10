/* The four tasks: what each needs of a model. */
#include <string.h>

#include <mcvd/rollout.h>

#include "core/status.h"

#define TASK_WORD(id, word) word,
static const char *const words[] = { MCVD_TASK_LIST(TASK_WORD) };

bool mcvd_task_past_given(mcvd_task task)
{
    return task == MCVD_TASK_PREDICT || task == MCVD_TASK_INTERP;
}

bool mcvd_task_future_given(mcvd_task task)
{
    return task == MCVD_TASK_PREDICT_PAST || task == MCVD_TASK_INTERP;
}

const char *mcvd_task_word(mcvd_task task)
{
    return (unsigned)task < MCVD_NUM_TASKS ? words[task] : "unknown task";
}

mcvd_status mcvd_task_parse(mcvd_task *task, const char *word)
{
    for (int i = 0; i < MCVD_NUM_TASKS; i++) {
        if (strcmp(words[i], word) == 0) {
            *task = (mcvd_task)i;
            return MCVD_OK;
        }
    }
    return mcvdi_fail(MCVD_E_USAGE, "task '%s': expected predict, predict-past, interp or generate",
                      word);
}

const char *mcvd_task_impossible(const mcvd_config *config, mcvd_task task)
{
    if (mcvd_task_past_given(task) && config->data.num_frames_cond == 0)
        return "the model takes no past frames (data.num_frames_cond = 0)";
    if (mcvd_task_future_given(task) && config->data.num_frames_future == 0)
        return "the model takes no future frames (data.num_frames_future = 0)";
    if (task == MCVD_TASK_GENERATE && config->data.num_frames_cond == 0 &&
        config->data.num_frames_future > 0)
        return "the model has no past frames to chain blocks with";
    return NULL;
}

/* Masks seen in training with positive probability: p strictly inside (0, 1) shows both. */
const char *mcvd_task_untrained(const mcvd_config *config, mcvd_task task)
{
    const mcvd_data_config *d = &config->data;
    const bool past = mcvd_task_past_given(task);
    const bool future = mcvd_task_future_given(task);

    if (d->num_frames_cond && past && d->prob_mask_cond >= 1.0)
        return "it was trained with the past always masked";
    if (d->num_frames_cond && !past && d->prob_mask_cond <= 0.0)
        return "it was trained with the past always given";
    if (d->num_frames_future && future && d->prob_mask_future >= 1.0)
        return "it was trained with the future always masked";
    if (d->num_frames_future && !future && d->prob_mask_future <= 0.0)
        return "it was trained with the future always given";
    if (d->prob_mask_sync && d->num_frames_future && past != future)
        return "it was trained with past and future masked together only";
    return NULL;
}

const char *mcvd_task_untrained_chain(const mcvd_config *config, mcvd_task task)
{
    return mcvd_task_untrained(config, task == MCVD_TASK_GENERATE ? MCVD_TASK_PREDICT : task);
}
