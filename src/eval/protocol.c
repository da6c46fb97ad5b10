/* Protocols: one option table, a few built-in ones that eval/protocols/ holds as files too. */
#include <mcvd/metrics.h>

#include <stdio.h>
#include <string.h>

#include "core/json.h"
#include "core/options.h"
#include "eval/report.h"
#include "eval/ssim.h"

#define SECTION "protocol"
#define ROW(field, type, fallback, min, max, choices, help)       \
    {                                                             \
        SECTION, #field, type, fallback, min, max, choices, help, \
            offsetof(mcvd_eval_protocol, field)                   \
    }

static const mcvdi_option protocol_rows[] = {
    ROW(name, MCVDI_OPT_TEXT, "", 0, 0, NULL, "name of the benchmark"),
    ROW(dataset, MCVDI_OPT_TEXT, "", 0, 0, NULL, "where the clips come from"),
    ROW(task, MCVDI_OPT_CHOICE, "predict", 0, 0, "predict|interp|predict-past|generate",
        "which frames the model is given"),
    ROW(past, MCVDI_OPT_INT, "5", 0, 1000, NULL, "frames before the scored ones"),
    ROW(frames, MCVDI_OPT_INT, "5", 1, 100000, NULL, "scored frames per trajectory"),
    ROW(future, MCVDI_OPT_INT, "0", 0, 1000, NULL, "frames after the scored ones"),
    ROW(clips, MCVDI_OPT_INT, "256", 1, 1000000, NULL, "test clips"),
    ROW(trajectories, MCVDI_OPT_INT, "10", 1, 1000, NULL, "independent predictions per clip, K"),
    ROW(seed, MCVDI_OPT_INT, "0", 0, 9007199254740991.0, NULL, "of clips and trajectories"),
    ROW(image_size, MCVDI_OPT_INT, "64", 1, 4096, NULL, "height and width of the frames"),
    ROW(channels, MCVDI_OPT_INT, "1", 1, 3, NULL, "1 gray, 3 RGB"),
    ROW(binarise, MCVDI_OPT_BOOL, "false", 0, 0, NULL, "SSIM on pixels rounded to 0 or 1"),
    ROW(ssim, MCVDI_OPT_BOOL, "true", 0, 0, NULL, "frames have the 11 pixels that SSIM needs"),
    ROW(windows, MCVDI_OPT_CHOICE, "all", 0, 0, "all|reference",
        "which windows of the clips: all, or those that published scores draw from"),
    ROW(trained, MCVDI_OPT_INT, "0", 0, 1000, NULL,
        "frames that the published models were trained to predict"),
};

static const mcvdi_option_table protocol_table = { protocol_rows,
                                                   sizeof protocol_rows / sizeof *protocol_rows };

/* Built-in protocols: what differs from the defaults. */
typedef struct builtin_protocol {
    const char *name;
    const char *settings[10]; /* NULL at the end */
} builtin_protocol;

static const builtin_protocol builtins[] = {
    { "smmnist",
      { "protocol.name=smmnist", "protocol.dataset=StochasticMovingMNIST", "protocol.past=5",
        "protocol.frames=10", "protocol.channels=1", "protocol.binarise=true",
        "protocol.trained=5" } },
    { "videos",
      { "protocol.name=videos", "protocol.dataset=VIDEOS", "protocol.past=5", "protocol.frames=5",
        "protocol.clips=64", "protocol.channels=3" } },
    { "bair",
      { "protocol.name=bair", "protocol.dataset=BAIR", "protocol.past=2", "protocol.frames=28",
        "protocol.image_size=64", "protocol.channels=3", "protocol.windows=reference",
        "protocol.trained=5" } },
    { "bair-14",
      { "protocol.name=bair-14", "protocol.dataset=BAIR", "protocol.past=2", "protocol.frames=14",
        "protocol.image_size=64", "protocol.channels=3", "protocol.windows=reference",
        "protocol.trained=5" } },
    { "bair-15",
      { "protocol.name=bair-15", "protocol.dataset=BAIR", "protocol.past=1", "protocol.frames=15",
        "protocol.image_size=64", "protocol.channels=3", "protocol.windows=reference",
        "protocol.trained=5" } },
    { "cityscapes",
      { "protocol.name=cityscapes", "protocol.dataset=Cityscapes", "protocol.past=2",
        "protocol.frames=28", "protocol.image_size=128", "protocol.channels=3",
        "protocol.windows=reference", "protocol.trained=5" } },
    { "kth",
      { "protocol.name=kth", "protocol.dataset=KTH", "protocol.past=10", "protocol.frames=30",
        "protocol.image_size=64", "protocol.channels=1", "protocol.windows=reference",
        "protocol.trained=5" } },
    { "kth-40",
      { "protocol.name=kth-40", "protocol.dataset=KTH", "protocol.past=10", "protocol.frames=40",
        "protocol.image_size=64", "protocol.channels=1", "protocol.windows=reference",
        "protocol.trained=5" } },
    { "ucf101",
      { "protocol.name=ucf101", "protocol.dataset=UCF101", "protocol.past=4", "protocol.frames=16",
        "protocol.image_size=64", "protocol.channels=3", "protocol.windows=reference",
        "protocol.trained=4" } },
};

enum { NUM_BUILTINS = sizeof builtins / sizeof *builtins };

size_t mcvd_eval_protocol_count(void)
{
    return NUM_BUILTINS;
}

const char *mcvd_eval_protocol_name(size_t i)
{
    return i < NUM_BUILTINS ? builtins[i].name : NULL;
}

mcvd_status mcvd_eval_protocol_find(mcvd_eval_protocol *protocol, const char *name)
{
    char known[128] = "";

    for (size_t i = 0; i < NUM_BUILTINS; i++) {
        if (strcmp(name, builtins[i].name) != 0) {
            const size_t used = strlen(known);
            snprintf(known + used, sizeof known - used, " %s", builtins[i].name);
            continue;
        }
        mcvd_status st = mcvdi_options_defaults(&protocol_table, protocol);
        for (const char *const *s = builtins[i].settings; st >= 0 && *s; s++)
            st = mcvdi_options_set(&protocol_table, protocol, *s);
        return st;
    }
    return mcvdi_fail(MCVD_E_USAGE, "unknown benchmark '%s'; known:%s", name, known);
}

mcvd_status mcvd_eval_protocol_read(mcvd_eval_protocol *protocol, const char *path)
{
    mcvd_eval_protocol changed = *protocol;
    cJSON *json = NULL;

    mcvd_status st = mcvdi_json_read(&json, path);
    if (st >= 0)
        st = mcvdi_options_read(&protocol_table, &changed, json, path);
    cJSON_Delete(json);
    if (st >= 0)
        *protocol = changed;
    return st;
}

mcvd_status mcvd_eval_protocol_set(mcvd_eval_protocol *protocol, const char *assignment)
{
    return mcvdi_options_set(&protocol_table, protocol, assignment);
}

cJSON *mcvdi_eval_protocol_dump(const mcvd_eval_protocol *protocol)
{
    return mcvdi_options_dump(&protocol_table, protocol);
}

static bool task_is(const mcvd_eval_protocol *protocol, const char *task)
{
    return strcmp(protocol->task, task) == 0;
}

bool mcvdi_eval_is_generation(const mcvd_eval_protocol *protocol)
{
    return task_is(protocol, "generate");
}

size_t mcvdi_eval_known_past(const mcvd_eval_protocol *protocol)
{
    const bool known = task_is(protocol, "predict") || task_is(protocol, "interp");

    return known ? (size_t)protocol->past : 0;
}

size_t mcvdi_eval_known_future(const mcvd_eval_protocol *protocol)
{
    const bool known = task_is(protocol, "predict-past") || task_is(protocol, "interp");

    return known ? (size_t)protocol->future : 0;
}

mcvd_status mcvd_eval_protocol_check(const mcvd_eval_protocol *p)
{
    const bool needs_past = task_is(p, "predict") || task_is(p, "interp");
    const bool needs_future = task_is(p, "predict-past") || task_is(p, "interp");

    if (!needs_past && !needs_future && !task_is(p, "generate"))
        return mcvdi_fail(MCVD_E_CONFIG, "protocol.task: unknown task '%s'", p->task);
    if (p->past < 0 || p->frames < 1 || p->future < 0 || p->clips < 1 || p->trajectories < 1 ||
        p->image_size < 1)
        return mcvdi_fail(MCVD_E_CONFIG, "protocol '%s': a negative or empty size", p->name);
    if (needs_past && p->past < 1)
        return mcvdi_fail(MCVD_E_CONFIG, "protocol.past = 0: task '%s' starts from past frames",
                          p->task);
    if (needs_future && p->future < 1)
        return mcvdi_fail(MCVD_E_CONFIG, "protocol.future = 0: task '%s' needs future frames",
                          p->task);
    if (p->channels != 1 && p->channels != 3)
        return mcvdi_fail(MCVD_E_CONFIG, "protocol.channels = %d, expected 1 or 3",
                          (int)p->channels);
    if (p->ssim && p->image_size < MCVDI_SSIM_WINDOW)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "protocol.image_size = %d: SSIM needs %d pixels; set protocol.ssim=false",
                          (int)p->image_size, MCVDI_SSIM_WINDOW);
    return MCVD_OK;
}
