/* Models, checkpoints, run folders, configurations, bare tensors. */
#include "cli/info.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mcvd/footprint.h>
#include <mcvd/rollout.h>

#include "cli/fail.h"
#include "cli/settings.h"
#include "cli/timing.h"

enum { LINE_BYTES = 256, TIMED_CALLS = 3 };

/* --- the configuration --- */

/* The tasks that the frames allow and the masks of training have shown. */
static void put_tasks(mcvdi_info_answer *to, const mcvd_config *c)
{
    char text[LINE_BYTES] = "";
    size_t used = 0;

    for (int i = 0; i < MCVD_NUM_TASKS; i++) {
        const mcvd_task task = (mcvd_task)i;
        if (mcvd_task_impossible(c, task) || mcvd_task_untrained(c, task))
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "+" : "",
                                 mcvd_task_word(task));
    }
    mcvdi_info_printf(to, "tasks", "%s", text);
}

void mcvdi_info_put_config(mcvdi_info_answer *to, const mcvd_config *c)
{
    const bool given = c->data.num_frames_cond + c->data.num_frames_future > 0;

    mcvdi_info_printf(to, "frames",
                      "past %" PRId64 ", current %" PRId64 ", future %" PRId64 ", of %" PRId64
                      " x %" PRId64 " x %" PRId64,
                      c->data.num_frames_cond, c->data.num_frames, c->data.num_frames_future,
                      c->data.image_size, c->data.image_size, c->data.channels);
    mcvdi_info_printf(to, "task", "%s", c->training.task);
    put_tasks(to, c);
    mcvdi_info_printf(to, "dataset", "%s", c->data.dataset);
    mcvdi_info_printf(to, "arch", "%s", c->model.arch);
    mcvdi_info_text(to, "conditioning", !given ? "none" : c->model.spade ? "spatin" : "concat");
    mcvdi_info_printf(to, "prediction", "%s", c->model.prediction);
    mcvdi_info_printf(to, "schedule", "%s", c->model.sigma_dist);
    mcvdi_info_count(to, "timesteps", (double)c->model.num_classes);
    to->config = mcvd_config_dump(c);
}

/* --- cost and memory --- */

/* What the system would give to a new program, in bytes; NaN when it does not tell. */
static double available_bytes(void)
{
    char line[LINE_BYTES];
    double kb = NAN;
    FILE *file = fopen("/proc/meminfo", "r");

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "MemAvailable:", 13) == 0)
            kb = strtod(line + 13, NULL);
    if (file)
        fclose(file);
    return 1024.0 * kb;
}

static void put_memory(mcvdi_info_answer *to, const mcvd_config *c, const mcvd_footprint *f)
{
    const double forward = (double)f->forward_bytes;
    const double training = f->training_bytes ? (double)f->training_bytes : NAN;
    const double available = available_bytes();

    mcvdi_info_number(to, "weights_mb", 1e-6 * (double)f->weights_bytes);
    mcvdi_info_number(to, "forward_mb", 1e-6 * forward);
    mcvdi_info_count(to, "training_batch",
                     (double)(c->training.batch_size / c->training.accumulate));
    mcvdi_info_number(to, "training_mb", 1e-6 * training);
    mcvdi_info_number(to, "available_mb", 1e-6 * available);
    mcvdi_info_text(to, "runs_here",
                    isnan(available)      ? "unknown"
                    : forward < available ? "yes"
                                          : "no");
    mcvdi_info_text(to, "trains_here",
                    isnan(available) || isnan(training) ? "unknown"
                    : training < available              ? "yes"
                                                        : "no");
}

mcvd_status mcvdi_info_put_cost(mcvdi_info_answer *to, const mcvd_config *config)
{
    mcvd_footprint f;
    const mcvd_status st = mcvd_footprint_of(&f, config);

    if (st == MCVD_E_NOMEM) { /* more than the system would promise */
        mcvdi_info_text(to, "runs_here", "no");
        return MCVD_OK;
    }
    if (st < 0)
        return st;
    mcvdi_info_number(to, "gmac", 1e-9 * f.macs);
    mcvdi_info_number(to, "reused_gmac", 1e-9 * f.reused_macs);
    put_memory(to, config, &f);
    return MCVD_OK;
}

/* --- seconds, on request --- */

/* Network calls of one block with the model's own sampling settings. */
static double calls_per_block(const mcvd_config *c)
{
    const int64_t all = c->model.num_classes;
    const int64_t wanted = c->sampling.subsample;
    const int64_t stride = wanted > 0 && wanted < all ? all / wanted : 1;

    return (double)((all + stride - 1) / stride) + (c->sampling.denoise ? 1.0 : 0.0);
}

typedef struct timing {
    double first_s; /* with new given frames */
    double later_s; /* with the same; the fastest */
} timing;

static mcvd_status time_calls(timing *t, mcvd_network *network, const float *actions, float *zeros,
                              float *out)
{
    const double timestep = 0.0;
    const mcvd_network_input input = { .x = zeros, .t = &timestep, .actions = actions };
    mcvd_network_input with_cond = input;

    with_cond.cond = zeros;
    t->later_s = INFINITY;
    for (int i = 0; i <= TIMED_CALLS + 1; i++) {
        zeros[0] = i < 2 ? (float)i : 1.0f; /* calls 0 and 1 see given frames of their own */
        const double start = mcvdi_now_s();
        mcvd_status st = mcvd_network_forward(network, &with_cond, out);
        if (st == MCVD_E_STATE)
            st = mcvd_network_forward(network, &input, out);
        if (st < 0)
            return st;
        const double seconds = mcvdi_now_s() - start;
        if (i == 1) /* the first one of all also touches its memory */
            t->first_s = seconds;
        if (i > 1 && seconds < t->later_s)
            t->later_s = seconds;
    }
    return MCVD_OK;
}

static mcvd_status measure(mcvdi_info_answer *to, const mcvd_model *model)
{
    const mcvd_config *c = mcvd_model_get_config(model);
    const mcvd_network_config one = { .batch = 1 };
    const size_t pixels = (size_t)(c->data.image_size * c->data.image_size * c->data.channels);
    const size_t most =
        (size_t)(c->data.num_frames + c->data.num_frames_cond + c->data.num_frames_future);
    const double calls = calls_per_block(c);
    const size_t actions = mcvd_config_window_actions(c);
    float *frames = calloc(2 * most * pixels + actions, sizeof *frames);
    mcvd_network *network = NULL;
    timing t = { 0 };
    mcvd_status st = MCVD_OK;

    if (!frames)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "%s: out of memory", to->args->path);
    if (c->model.noise_in_cond)
        st = mcvdi_cli_fail(MCVD_E_UNSUPPORTED, "--measure: not for model.noise_in_cond");
    if (st >= 0)
        st = mcvd_network_create(&network, model, &one);
    if (st >= 0)
        st = time_calls(&t, network, actions ? frames + 2 * most * pixels : NULL, frames,
                        frames + most * pixels);
    if (st >= 0) {
        mcvdi_info_number(to, "first_call_s", t.first_s);
        mcvdi_info_number(to, "later_call_s", t.later_s);
        mcvdi_info_count(to, "calls_per_block", calls);
        mcvdi_info_number(to, "block_s", t.first_s + (calls - 1.0) * t.later_s);
    }
    mcvd_network_free(&network);
    free(frames);
    return st;
}

/* --- what they are --- */

static mcvd_status put_model(mcvdi_info_answer *to, const mcvd_model *model)
{
    mcvdi_info_put_config(to, mcvd_model_get_config(model));
    mcvdi_info_count(to, "params", (double)mcvd_model_num_params(model));
    mcvdi_info_count(to, "num_tensors", (double)mcvd_model_num_tensors(model));
    const mcvd_status st = mcvdi_info_put_cost(to, mcvd_model_get_config(model));
    return st >= 0 && to->args->measure ? measure(to, model) : st;
}

static const char *weights_dtype(const mcvd_safetensors *file)
{
    mcvd_tensor tensor;
    const char *name = mcvd_safetensors_name(file, 0);

    return name && mcvd_safetensors_get(file, name, &tensor) >= 0 ? mcvd_dtype_word(tensor.dtype)
                                                                  : "";
}

/* What a checkpoint keeps beside the weights. */
static void put_state(mcvdi_info_answer *to, const mcvd_safetensors *file, const char *step)
{
    bool ema = false;
    bool adam = false;

    for (size_t i = 0; i < mcvd_safetensors_count(file); i++) {
        ema |= strncmp(mcvd_safetensors_name(file, i), "ema.", 4) == 0;
        adam |= strncmp(mcvd_safetensors_name(file, i), "adam.", 5) == 0;
    }
    mcvdi_info_count(to, "step", strtod(step, NULL));
    mcvdi_info_yes_no(to, "ema", ema);
    mcvdi_info_yes_no(to, "optimizer", adam);
}

/* A model or checkpoint file that opened as safetensors. */
static mcvd_status tell_network(mcvdi_info_answer *to, const mcvd_safetensors *file)
{
    const mcvdi_info_tensors tensors = mcvdi_info_tensors_of_file(file);
    const char *step = mcvd_safetensors_metadata(file, "mcvd.checkpoint");
    mcvd_model *model = NULL;
    mcvd_status st = mcvdi_model_load(&model, to->args->path, to->args->config);

    if (st < 0)
        return st;
    mcvdi_info_text(to, "kind", step ? "checkpoint" : "model");
    mcvdi_info_text(to, "file", mcvd_model_path(model));
    if (step)
        put_state(to, file, step);
    st = put_model(to, model);
    mcvdi_info_text(to, "dtype", weights_dtype(file));
    if (*mcvd_model_summary(model))
        mcvdi_info_text(to, "training", mcvd_model_summary(model));
    if (st >= 0)
        st = mcvdi_info_finish(to, &tensors);
    mcvd_model_free(&model);
    return st;
}

/* What `mcvd import i3d|alexnet` noted. */
static void put_extractor(mcvdi_info_answer *to, const mcvd_safetensors *file)
{
    static const char *const rows[][2] = {
        { "mcvd_extractor", "extractor" },    { "source", "source" },
        { "source_sha256", "source_sha256" }, { "bn_eps", "bn_eps" },
        { "heads_source", "heads_source" },   { "heads_sha256", "heads_sha256" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = mcvd_safetensors_metadata(file, rows[i][0]);
        if (text)
            mcvdi_info_printf(to, rows[i][1], "%s", text);
    }
}

mcvd_status mcvdi_info_safetensors(mcvdi_info_answer *to)
{
    mcvd_safetensors *file = NULL;
    mcvd_status st = mcvd_safetensors_open(&file, to->args->path);

    if (st == MCVD_E_FORMAT)
        return MCVD_E_MODEL;
    if (st < 0)
        return st;
    if (to->args->config || mcvd_safetensors_metadata(file, "mcvd.config")) {
        st = tell_network(to, file);
    } else {
        const mcvdi_info_tensors tensors = mcvdi_info_tensors_of_file(file);
        const char *extractor = mcvd_safetensors_metadata(file, "mcvd_extractor");
        mcvdi_info_text(to, "kind", extractor ? "extractor" : "tensors");
        mcvdi_info_text(to, "file", to->args->path);
        if (extractor)
            put_extractor(to, file);
        mcvdi_info_count(to, "num_tensors", (double)tensors.count);
        st = mcvdi_info_finish(to, &tensors);
    }
    mcvd_safetensors_close(&file);
    return st;
}

static mcvd_status finish_model(mcvdi_info_answer *to, mcvd_model *model)
{
    const mcvdi_info_tensors tensors = mcvdi_info_tensors_of_model(model);
    mcvd_status st = put_model(to, model);

    if (*mcvd_model_summary(model))
        mcvdi_info_text(to, "training", mcvd_model_summary(model));
    if (st >= 0)
        st = mcvdi_info_finish(to, &tensors);
    mcvd_model_free(&model);
    return st;
}

mcvd_status mcvdi_info_run(mcvdi_info_answer *to)
{
    mcvd_model *model = NULL;
    const mcvd_status st = mcvdi_model_load(&model, to->args->path, to->args->config);

    if (st < 0)
        return st;
    mcvdi_info_text(to, "kind", "run");
    mcvdi_info_text(to, "folder", to->args->path);
    mcvdi_info_printf(to, "file", "%s", mcvd_model_path(model));
    return finish_model(to, model);
}

mcvd_status mcvdi_info_config(mcvdi_info_answer *to)
{
    mcvd_config config;
    mcvd_model *model = NULL;
    mcvd_status st = mcvdi_settings_load(&config, to->args->path, NULL, NULL);

    if (st >= 0)
        st = mcvd_model_create(&model, &config, 0);
    if (st < 0)
        return st;
    mcvdi_info_text(to, "kind", "configuration");
    mcvdi_info_text(to, "file", to->args->path);
    return finish_model(to, model);
}
