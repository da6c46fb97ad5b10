/*
 * One call of the network on tensors from a file, in the order of the authors' framework: what the
 * golden tests compare, and a way to try a model from another program.
 */
#include "cli/cmd.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mcvd/model.h>
#include <mcvd/safetensors.h>
#include <mcvd/threads.h>

#include "cli/fail.h"
#include "cli/parse.h"
#include "cli/settings.h"

typedef struct forward_args {
    const char *model;
    const char *input;
    const char *config;
    const char *output;
    int64_t threads;
    bool stages;
    bool force;
} forward_args;

static const mcvdi_arg args[] = {
    { .name = "MODEL",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "model file, or bare weights with --config",
      .offset = offsetof(forward_args, model) },
    { .name = "IN",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "safetensors file with the inputs",
      .offset = offsetof(forward_args, input) },
    { .name = "--out",
      .short_name = "-o",
      .type = MCVDI_ARG_TEXT,
      .value = "OUT",
      .required = true,
      .help = "safetensors file to write",
      .offset = offsetof(forward_args, output) },
    { .name = "--config",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "configuration in JSON or YAML; default: the one inside MODEL",
      .offset = offsetof(forward_args, config) },
    { .name = "--stages",
      .type = MCVDI_ARG_FLAG,
      .help = "write every activation as well, under the names of the published code",
      .offset = offsetof(forward_args, stages) },
    { .name = "--force",
      .type = MCVDI_ARG_FLAG,
      .help = "replace OUT when it exists",
      .offset = offsetof(forward_args, force) },
    MCVDI_ARG_THREADS(forward_args),
};

static const mcvdi_arg_table table = {
    "forward",
    "Run the network once on tensors from a file. IN holds\n"
    "  x           F32 [B, F*C, H, W]  noisy frames, channel = frame*C + colour\n"
    "  labels      I64, I32 or F32 [B] timesteps as the authors count them: 0 is the noisiest\n"
    "  cond        F32 [B, K*C, H, W]  past, then future frames in [-1, 1]; masked frames are 0\n"
    "  cond_mask   I32, I64 or F32 [B] 1: past given, 0: masked (model.cond_emb; default 1)\n"
    "  cond_noise  F32, like cond      noise of the given frames (model.noise_in_cond)\n"
    "  actions     F32 [B, P+F+U, A]   numbers beside the frames (model.action_dim)\n"
    "and is read no further. OUT gets `out`, F32 like x.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd forward model.safetensors io.safetensors -o out.safetensors\n"
    "  mcvd forward weights.safetensors io.safetensors --config bair_big.json -o out.safetensors",
};

/* Everything of one call; freed as a whole. */
typedef struct forward_job {
    const char *path; /* of the input, for messages */
    mcvd_safetensors *file;
    mcvd_model *model;
    mcvd_network *network;
    size_t batch, height, width;
    size_t channels;      /* of x */
    size_t cond_channels; /* 0: no given frames */
    float *x, *cond, *cond_noise, *cond_mask, *actions, *out;
    double *t;
    mcvd_safetensors_entry *entries; /* of OUT; [0] is out */
    float **copies;                  /* data of entries */
    size_t num_entries;
} forward_job;

static void free_job(forward_job *job)
{
    for (size_t i = 0; job->copies && i < job->num_entries; i++)
        free(job->copies[i]);
    free(job->copies);
    free(job->entries);
    free(job->x);
    free(job->cond);
    free(job->cond_noise);
    free(job->cond_mask);
    free(job->actions);
    free(job->out);
    free(job->t);
    mcvd_network_free(&job->network);
    mcvd_model_free(&job->model);
    mcvd_safetensors_close(&job->file);
}

static mcvd_status no_memory(const forward_job *job)
{
    return mcvdi_cli_fail(MCVD_E_NOMEM, "%s: out of memory", job->path);
}

/* --- input --- */

/* Tensor `name` with exactly this shape; dtypes is a list like "F32" or "I64, I32 or F32". */
static mcvd_status find(const forward_job *job, const char *name, const char *dtypes,
                        const mcvd_tensor *shape, mcvd_tensor *tensor)
{
    char wanted[96];
    char found[96];

    if (!mcvd_safetensors_has(job->file, name))
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s: tensor '%s' is missing, expected %s %s", job->path,
                              name, dtypes, mcvd_tensor_shape_text(shape, wanted, sizeof wanted));
    const mcvd_status st = mcvd_safetensors_get(job->file, name, tensor);
    if (st < 0)
        return st;
    bool same = tensor->ndim == shape->ndim;
    for (int d = 0; same && d < shape->ndim; d++)
        same = tensor->shape[d] == shape->shape[d];
    if (!same || !strstr(dtypes, mcvd_dtype_word(tensor->dtype)))
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s: tensor '%s' is %s %s, expected %s %s", job->path,
                              name, mcvd_dtype_word(tensor->dtype),
                              mcvd_tensor_shape_text(tensor, found, sizeof found), dtypes,
                              mcvd_tensor_shape_text(shape, wanted, sizeof wanted));
    return MCVD_OK;
}

/* A channels-last copy of a tensor of frames. */
static mcvd_status read_frames(forward_job *job, const char *name, size_t channels, float **frames)
{
    const size_t shape[] = { job->batch, channels, job->height, job->width };
    const mcvd_tensor expected = mcvd_tensor_view(MCVD_F32, NULL, 4, shape);
    mcvd_tensor tensor;
    const mcvd_status st = find(job, name, "F32", &expected, &tensor);

    if (st < 0)
        return st;
    const size_t n = mcvd_tensor_numel(&tensor);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(((const float *)tensor.data)[i]))
            return mcvdi_cli_fail(MCVD_E_INPUT, "%s: tensor '%s': element %zu is not finite",
                                  job->path, name, i);
    *frames = malloc(n * sizeof **frames);
    if (!*frames)
        return no_memory(job);
    mcvd_tensor_to_nhwc(*frames, tensor.data, shape[0], shape[1], shape[2] * shape[3]);
    return MCVD_OK;
}

static double value_at(const mcvd_tensor *tensor, size_t i)
{
    switch (tensor->dtype) {
    case MCVD_I64:
        return (double)((const int64_t *)tensor->data)[i];
    case MCVD_I32:
        return (double)((const int32_t *)tensor->data)[i];
    default:
        return (double)((const float *)tensor->data)[i];
    }
}

static mcvd_status find_numbers(const forward_job *job, const char *name, mcvd_tensor *tensor)
{
    const mcvd_tensor expected = mcvd_tensor_view(MCVD_F32, NULL, 1, &job->batch);

    return find(job, name, "I64, I32 or F32", &expected, tensor);
}

/* The network counts timesteps from the least noise, the file from the most. */
static mcvd_status read_labels(forward_job *job)
{
    const mcvd_config *config = mcvd_model_get_config(job->model);
    const double steps = (double)config->model.num_classes;
    const bool whole = config->model.noise_in_cond;
    mcvd_tensor labels;
    const mcvd_status st = find_numbers(job, "labels", &labels);

    if (st < 0)
        return st;
    job->t = calloc(job->batch, sizeof *job->t);
    if (!job->t)
        return no_memory(job);
    for (size_t i = 0; i < job->batch; i++) {
        const double label = value_at(&labels, i);
        if (!(label > -1.0 && label < steps) || (whole && (label < 0.0 || label != floor(label))))
            return mcvdi_cli_fail(MCVD_E_INPUT, "%s: labels[%zu] = %g, expected a %s in [0, %g)%s",
                                  job->path, i, label, whole ? "whole number" : "number", steps,
                                  whole ? " (model.noise_in_cond)" : "");
        job->t[i] = steps - 1.0 - label;
    }
    return MCVD_OK;
}

static mcvd_status read_mask(forward_job *job)
{
    mcvd_tensor mask;

    if (!mcvd_safetensors_has(job->file, "cond_mask"))
        return MCVD_OK;
    const mcvd_status st = find_numbers(job, "cond_mask", &mask);
    if (st < 0)
        return st;
    job->cond_mask = calloc(job->batch, sizeof *job->cond_mask);
    if (!job->cond_mask)
        return no_memory(job);
    for (size_t i = 0; i < job->batch; i++) {
        const double value = value_at(&mask, i);
        if (value != 0.0 && value != 1.0)
            return mcvdi_cli_fail(MCVD_E_INPUT, "%s: cond_mask[%zu] = %g, expected 0 or 1",
                                  job->path, i, value);
        job->cond_mask[i] = (float)value;
    }
    return MCVD_OK;
}

static mcvd_status read_cond(forward_job *job)
{
    const bool noisy = mcvd_model_get_config(job->model)->model.noise_in_cond;

    if (!job->cond_channels) {
        if (mcvd_safetensors_has(job->file, "cond"))
            return mcvdi_cli_fail(MCVD_E_INPUT,
                                  "%s: tensor 'cond': the model takes no given frames", job->path);
        return MCVD_OK;
    }
    const mcvd_status st = read_frames(job, "cond", job->cond_channels, &job->cond);
    if (st < 0)
        return st;
    if (noisy)
        return read_frames(job, "cond_noise", job->cond_channels, &job->cond_noise);
    if (mcvd_safetensors_has(job->file, "cond_noise"))
        return mcvdi_cli_fail(MCVD_E_INPUT,
                              "%s: tensor 'cond_noise': the model adds no noise to the given "
                              "frames (model.noise_in_cond is false)",
                              job->path);
    return MCVD_OK;
}

static mcvd_status read_actions(forward_job *job)
{
    const mcvd_config *config = mcvd_model_get_config(job->model);
    const size_t dim = (size_t)config->model.action_dim;
    const size_t numel = mcvd_config_window_actions(config);
    const size_t shape[] = { job->batch, dim ? numel / dim : 0, dim };
    const mcvd_tensor expected = mcvd_tensor_view(MCVD_F32, NULL, 3, shape);
    mcvd_tensor tensor;

    if (!dim)
        return MCVD_OK;
    const mcvd_status st = find(job, "actions", "F32", &expected, &tensor);
    if (st < 0)
        return st;
    for (size_t i = 0; i < job->batch * numel; i++)
        if (!isfinite(((const float *)tensor.data)[i]))
            return mcvdi_cli_fail(MCVD_E_INPUT, "%s: tensor 'actions': element %zu is not finite",
                                  job->path, i);
    job->actions = malloc(job->batch * numel * sizeof *job->actions);
    if (!job->actions)
        return no_memory(job);
    memcpy(job->actions, tensor.data, job->batch * numel * sizeof *job->actions);
    return MCVD_OK;
}

/* Batch, height and width are those of x; its channels are the model's. */
static mcvd_status read_sizes(forward_job *job)
{
    const mcvd_data_config *d = &mcvd_model_get_config(job->model)->data;
    const size_t size = (size_t)d->image_size;
    mcvd_tensor x;
    char found[96];

    job->channels = (size_t)(d->num_frames * d->channels);
    job->cond_channels = (size_t)((d->num_frames_cond + d->num_frames_future) * d->channels);
    if (!mcvd_safetensors_has(job->file, "x"))
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s: tensor 'x' is missing", job->path);
    const mcvd_status st = mcvd_safetensors_get(job->file, "x", &x);
    if (st < 0)
        return st;
    if (x.ndim != 4 || !mcvd_tensor_numel(&x) || x.shape[1] != job->channels)
        return mcvdi_cli_fail(MCVD_E_INPUT,
                              "%s: tensor 'x' is %s, expected [B, %zu, %zu, %zu]: %" PRId64
                              " frames of %" PRId64 " channels",
                              job->path, mcvd_tensor_shape_text(&x, found, sizeof found),
                              job->channels, size, size, d->num_frames, d->channels);
    job->batch = x.shape[0];
    job->height = x.shape[2];
    job->width = x.shape[3];
    return MCVD_OK;
}

static mcvd_status read_input(forward_job *job)
{
    mcvd_status st = mcvd_safetensors_open(&job->file, job->path);

    if (st >= 0)
        st = read_sizes(job);
    if (st >= 0)
        st = read_frames(job, "x", job->channels, &job->x);
    if (st >= 0)
        st = read_labels(job);
    if (st >= 0)
        st = read_cond(job);
    if (st >= 0)
        st = read_actions(job);
    return st < 0 ? st : read_mask(job);
}

/* --- output --- */

/* Entry i of OUT: a copy in the order of the file, [N, C, H, W] or [N, C] for vectors. */
static mcvd_status add_entry(forward_job *job, const char *name, const mcvd_tensor *stage)
{
    const size_t *s = stage->shape;                        /* N, H, W, C */
    const bool map = s[1] * s[2] > 1 || !job->num_entries; /* out is like x */
    const size_t shape[] = { s[0], s[3], s[1], s[2] };
    float *copy = malloc(mcvd_tensor_numel(stage) * sizeof *copy);

    if (!copy)
        return no_memory(job);
    mcvd_tensor_to_nchw(copy, stage->data, s[0], s[3], s[1] * s[2]);
    job->copies[job->num_entries] = copy;
    job->entries[job->num_entries++] =
        (mcvd_safetensors_entry) { name, mcvd_tensor_view(MCVD_F32, copy, map ? 4 : 2, shape) };
    return MCVD_OK;
}

static mcvd_status collect(forward_job *job)
{
    const size_t num_stages = mcvd_network_num_stages(job->network);
    const size_t shape[] = { job->batch, job->height, job->width, job->channels };
    const mcvd_tensor out = mcvd_tensor_view(MCVD_F32, job->out, 4, shape);

    job->entries = calloc(num_stages + 1, sizeof *job->entries);
    job->copies = calloc(num_stages + 1, sizeof *job->copies);
    if (!job->entries || !job->copies)
        return no_memory(job);
    mcvd_status st = add_entry(job, "out", &out);
    for (size_t i = 0; st >= 0 && i < num_stages; i++) {
        const char *name = NULL;
        mcvd_tensor stage;
        st = mcvd_network_stage(job->network, i, &name, &stage);
        if (st >= 0)
            st = add_entry(job, name, &stage);
    }
    return st;
}

static mcvd_status compute(forward_job *job, bool stages)
{
    const mcvd_network_config nc = {
        .batch = job->batch, .height = job->height, .width = job->width, .keep_stages = stages
    };
    const mcvd_network_input in = { .x = job->x,
                                    .t = job->t,
                                    .cond = job->cond,
                                    .cond_mask = job->cond_mask,
                                    .cond_noise = job->cond_noise,
                                    .actions = job->actions };
    const size_t n = job->batch * job->channels * job->height * job->width;

    mcvd_status st = mcvd_network_create(&job->network, job->model, &nc);
    if (st == MCVD_E_SHAPE)
        return mcvdi_cli_fail(st, "%s: tensor 'x': %s", job->path, mcvd_last_error());
    if (st < 0)
        return st;
    job->out = malloc(n * sizeof *job->out);
    if (!job->out)
        return no_memory(job);
    st = mcvd_network_forward(job->network, &in, job->out);
    for (size_t i = 0; st >= 0 && i < n; i++)
        if (!isfinite(job->out[i]))
            return mcvdi_cli_fail(MCVD_E_NONFINITE, "out: element %zu is not finite", i);
    return st;
}

mcvd_status mcvdi_cmd_forward(int argc, char **argv)
{
    forward_args a = { 0 };
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    if (!a.force && access(a.output, F_OK) == 0)
        return mcvdi_cli_fail(MCVD_E_EXISTS, "%s: exists already; --force replaces it", a.output);
    if (a.threads)
        mcvd_set_threads((int)a.threads);
    forward_job job = { .path = a.input };
    st = mcvdi_model_load(&job.model, a.model, a.config);
    if (st >= 0)
        st = read_input(&job);
    if (st >= 0)
        st = compute(&job, a.stages);
    if (st >= 0)
        st = collect(&job);
    if (st >= 0)
        st = mcvd_safetensors_write(a.output, job.entries, job.num_entries, NULL, 0, a.force);
    free_job(&job);
    return st;
}
