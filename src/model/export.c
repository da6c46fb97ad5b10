/* A model or training checkpoint of ours as a checkpoint of the authors' (model.md, section 16). */
#include <mcvd/torch_export.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "model/half.h"
#include "model/locate.h"
#include "model/model_internal.h"
#include "model/pickle_write.h"
#include "model/schedule_buffers.h"
#include "model/torch_zip_write.h"

enum { NAME_BYTES = 192, MAX_RANKS = 8 };

/* What a parameter may have a value of. */
typedef enum slab { RAW, EMA, ADAM_M, ADAM_V, ADAM_V_MAX, NUM_SLABS } slab;

static const char *const prefixes[NUM_SLABS] = { "", "ema.", "adam.m.", "adam.v.", "adam.v_max." };

typedef struct parameter {
    const char *name;
    mcvd_tensor shape;
    int layer;
    int ranks[MAX_RANKS]; /* of the parts of the name behind the layer; -1 behind the last */
} parameter;

typedef struct export_job {
    const char *path;       /* of the source, for messages */
    mcvd_model *model;      /* checked: the weights of results fit */
    mcvd_safetensors *file; /* the same file, for everything else in it */
    mcvdi_schedule_buffers buffers;
    parameter *parameters; /* in the order of the authors' optimiser */
    size_t num_parameters;
    bool checkpoint; /* of a training run */
    uint64_t step;

    size_t *storage_bytes; /* buffers, then the slabs one after the other */
    size_t num_storages;
    size_t total_bytes;
    size_t done_bytes;
    size_t first[NUM_SLABS]; /* storage of parameter 0; slabs may share theirs */
    size_t num_slabs;        /* that have storages of their own */
    slab stored[NUM_SLABS];
    const mcvd_torch_export_options *options;
} export_job;

static const mcvd_config *config_of(const export_job *job)
{
    return mcvd_model_get_config(job->model);
}

static mcvd_status no_memory(void)
{
    return mcvdi_fail(MCVD_E_NOMEM, "export: out of memory");
}

/* --- what cannot be handed over --- */

static mcvd_status refuse(const export_job *job, const char *key, const char *why)
{
    return mcvdi_fail(MCVD_E_MODEL,
                      "%s: %s: %s, so PyTorch could load these weights but not use "
                      "them",
                      job->path, key, why);
}

static mcvd_status check_config(const export_job *job)
{
    const mcvd_model_config *m = &config_of(job)->model;
    char key[MCVD_CONFIG_TEXT + 32];

    snprintf(key, sizeof key, "model.prediction = %s", m->prediction);
    if (strcmp(m->prediction, "eps") != 0)
        return refuse(job, key, "the authors' samplers take what the network says for noise");
    snprintf(key, sizeof key, "model.sigma_dist = %s", m->sigma_dist);
    if (strcmp(m->sigma_dist, "linear") != 0 && strcmp(m->sigma_dist, "cosine") != 0)
        return refuse(job, key, "the authors' U-Nets are for schedules that keep the variance");
    if (strcmp(m->version, "SMLD") == 0)
        return refuse(job, "model.version = SMLD", "the authors' program builds no U-Net for it");
    if (m->zero_terminal_snr)
        return refuse(job, "model.zero_terminal_snr = true", "the authors have no such schedule");
    if (m->space_to_depth != 1)
        return refuse(job, "model.space_to_depth > 1", "the authors' U-Net has no pixel cells");
    if (m->action_dim)
        return refuse(job, "model.action_dim > 0", "the authors' U-Net knows no actions");
    return MCVD_OK;
}

/* --- the authors' order of parameters --- */

/* Parts of names in the order in which their modules are registered (model.md, section 15). */
static int rank_of(const char *part, size_t length)
{
    static const char *const parts[] = {
        "actnorm0", "Conv_0",    "actnorm1",  "Conv_1",      "Conv_2",
        "Dense_0",  "Norm_0",    "converter", "mlp_shared",  "mlp_gamma",
        "mlp_beta", "space_att", "time_att",  "GroupNorm_0", "NIN_0",
        "NIN_1",    "NIN_2",     "NIN_3",     "space_conv",  "time_conv",
        "conv",     "0",         "weight",    "W",           "bias",
        "b"
    };

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strlen(parts[i]) == length && memcmp(parts[i], part, length) == 0)
            return (int)i;
    return -1;
}

static mcvd_status parse_name(parameter *p)
{
    static const char start[] = "unet.all_modules.";
    const char *at = p->name + sizeof start - 1;
    char *end = NULL;
    int count = 0;

    if (strncmp(p->name, start, sizeof start - 1) != 0)
        return mcvdi_fail(MCVD_E_STATE, "export: no place for parameter '%s'", p->name);
    p->layer = (int)strtol(at, &end, 10);
    for (at = end; *at == '.' && count < MAX_RANKS - 1;) {
        const size_t length = strcspn(++at, ".");
        p->ranks[count] = rank_of(at, length);
        if (p->ranks[count++] < 0)
            break;
        at += length;
    }
    if (*at)
        return mcvdi_fail(MCVD_E_STATE, "export: no place for parameter '%s'", p->name);
    p->ranks[count] = -1;
    return MCVD_OK;
}

static int compare_parameters(const void *a, const void *b)
{
    const parameter *p = a;
    const parameter *q = b;

    if (p->layer != q->layer)
        return p->layer < q->layer ? -1 : 1;
    for (int i = 0; i < MAX_RANKS; i++) {
        if (p->ranks[i] != q->ranks[i])
            return p->ranks[i] < q->ranks[i] ? -1 : 1;
        if (p->ranks[i] < 0)
            break;
    }
    return 0;
}

static mcvd_status list_parameters(export_job *job)
{
    const size_t n = mcvd_model_num_tensors(job->model);
    mcvd_status st = MCVD_OK;

    job->parameters = mcvdi_calloc(n + 1, sizeof *job->parameters);
    if (!job->parameters)
        return no_memory();
    for (size_t i = 0; st >= 0 && i < n; i++) {
        st = mcvd_model_tensor(job->model, i, &job->parameters[i].name, &job->parameters[i].shape);
        if (st >= 0)
            st = parse_name(&job->parameters[i]);
    }
    job->num_parameters = n;
    qsort(job->parameters, n, sizeof *job->parameters, compare_parameters);
    return st;
}

/* --- the source --- */

/* The tensor of a parameter in one slab. */
static mcvd_status find_tensor(const export_job *job, slab which, const parameter *p,
                               mcvd_tensor *tensor)
{
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "%s%s", prefixes[which], p->name);
    if (which == RAW && !mcvd_safetensors_has(job->file, name))
        snprintf(name, sizeof name, "module.%s", p->name);
    if (!mcvd_safetensors_has(job->file, name))
        return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s%s' is missing", job->path, prefixes[which],
                          p->name);
    const mcvd_status st = mcvd_safetensors_get(job->file, name, tensor);
    return st < 0 && st != MCVD_E_NOMEM ? MCVD_E_MODEL : st;
}

static mcvd_status check_slab(const export_job *job, slab which)
{
    for (size_t i = 0; i < job->num_parameters; i++) {
        const parameter *p = &job->parameters[i];
        mcvd_tensor t;
        const mcvd_status st = find_tensor(job, which, p, &t);
        if (st < 0)
            return st;
        bool same = t.ndim == p->shape.ndim && (!job->checkpoint || t.dtype == MCVD_F32);
        for (int d = 0; same && d < t.ndim; d++)
            same = t.shape[d] == p->shape.shape[d];
        if (!same)
            return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s%s' does not fit the configuration",
                              job->path, prefixes[which], p->name);
    }
    return MCVD_OK;
}

/* Which slabs the file has; an optimiser that has not stepped has no state. */
static mcvd_status choose_slabs(export_job *job)
{
    const bool moments = job->checkpoint && job->step > 0;

    job->stored[job->num_slabs++] = RAW;
    if (moments) {
        job->stored[job->num_slabs++] = ADAM_M;
        job->stored[job->num_slabs++] = ADAM_V;
    }
    if (moments && config_of(job)->optim.amsgrad)
        job->stored[job->num_slabs++] = ADAM_V_MAX;
    if (job->checkpoint && config_of(job)->model.ema)
        job->stored[job->num_slabs++] = EMA;
    for (size_t s = 0; s < job->num_slabs; s++) {
        const mcvd_status st = check_slab(job, job->stored[s]);
        if (st < 0)
            return st;
    }
    return MCVD_OK;
}

/* Sizes in checked arithmetic are not needed: every tensor lies in the mapped file. */
static mcvd_status plan_storages(export_job *job)
{
    const size_t n = job->num_parameters;
    size_t at = job->buffers.count;

    job->num_storages = job->buffers.count + job->num_slabs * n;
    job->storage_bytes = mcvdi_calloc(job->num_storages + 1, sizeof *job->storage_bytes);
    if (!job->storage_bytes)
        return no_memory();
    for (size_t i = 0; i < job->buffers.count; i++)
        job->storage_bytes[i] = job->buffers.num_timesteps * sizeof(float);
    for (size_t s = 0; s < job->num_slabs; s++, at += n) {
        job->first[job->stored[s]] = at;
        for (size_t i = 0; i < n; i++)
            job->storage_bytes[at + i] =
                mcvd_tensor_numel(&job->parameters[i].shape) * sizeof(float);
    }
    if (!job->checkpoint)
        job->first[EMA] = job->first[RAW];
    for (size_t i = 0; i < job->num_storages; i++)
        job->total_bytes += job->storage_bytes[i];
    return MCVD_OK;
}

/* A schedule that came with the weights is kept to the last bit. */
static mcvd_status take_buffers(export_job *job)
{
    for (size_t i = 0; i < job->buffers.count; i++) {
        char name[NAME_BYTES];
        mcvd_tensor t;
        snprintf(name, sizeof name, "%s", job->buffers.names[i]);
        if (!mcvd_safetensors_has(job->file, name))
            snprintf(name, sizeof name, "module.%s", job->buffers.names[i]);
        if (!mcvd_safetensors_has(job->file, name))
            continue;
        const mcvd_status st = mcvd_safetensors_get(job->file, name, &t);
        if (st == MCVD_E_NOMEM)
            return st;
        if (st < 0 || t.dtype != MCVD_F32 || t.ndim != 1 ||
            t.shape[0] != job->buffers.num_timesteps)
            return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s' does not fit the configuration",
                              job->path, name);
        memcpy(job->buffers.values[i], t.data, t.shape[0] * sizeof(float));
    }
    return MCVD_OK;
}

/* A checkpoint's step; mcvd_model_load has read it before. */
static mcvd_status read_kind(export_job *job)
{
    const char *step = mcvd_safetensors_metadata(job->file, "mcvd.checkpoint");

    job->checkpoint = step != NULL;
    if (step && (!mcvdi_decimal_u64(&job->step, step) || job->step > INT64_MAX))
        return mcvdi_fail(MCVD_E_MODEL, "%s: checkpoint of step '%s'", job->path, step);
    return MCVD_OK;
}

static mcvd_status open_source(export_job *job)
{
    mcvd_status st = mcvd_model_load(&job->model, job->path, job->options->config);

    if (st >= 0)
        st = check_config(job);
    if (st >= 0)
        st = mcvd_safetensors_open(&job->file, job->path);
    if (st >= 0)
        st = read_kind(job);
    if (st >= 0)
        st = list_parameters(job);
    if (st >= 0)
        st = choose_slabs(job);
    if (st >= 0)
        st = mcvdi_schedule_buffers_make(&job->buffers, &config_of(job)->model);
    if (st >= 0)
        st = take_buffers(job);
    return st < 0 ? st : plan_storages(job);
}

/* --- the pickle --- */

static void put_parameter(mcvdi_pickle_writer *to, const export_job *job, slab which, size_t i)
{
    const mcvd_tensor *shape = &job->parameters[i].shape;
    const mcvdi_pickle_new_tensor tensor = { job->first[which] + i, shape->ndim, shape->shape };

    mcvdi_pickle_write_tensor(to, &tensor);
}

static void put_model_state(mcvdi_pickle_writer *to, const export_job *job)
{
    char name[NAME_BYTES];

    mcvdi_pickle_write_open_ordered_dict(to);
    for (size_t i = 0; i < job->buffers.count; i++) {
        const mcvdi_pickle_new_tensor tensor = { i, 1, &job->buffers.num_timesteps };
        snprintf(name, sizeof name, "module.%s", job->buffers.names[i]);
        mcvdi_pickle_write_text(to, name);
        mcvdi_pickle_write_tensor(to, &tensor);
    }
    for (size_t i = 0; i < job->num_parameters; i++) {
        snprintf(name, sizeof name, "module.%s", job->parameters[i].name);
        mcvdi_pickle_write_text(to, name);
        put_parameter(to, job, RAW, i);
    }
    mcvdi_pickle_write_close_dict(to);
}

/* Adam's state of one parameter. The step as a whole number is what PyTorch before 1.12 expects
 * and later versions convert. */
static void put_moments(mcvdi_pickle_writer *to, const export_job *job, size_t i)
{
    mcvdi_pickle_write_int(to, (int64_t)i);
    mcvdi_pickle_write_open_dict(to);
    mcvdi_pickle_write_text(to, "step");
    mcvdi_pickle_write_int(to, (int64_t)job->step);
    mcvdi_pickle_write_text(to, "exp_avg");
    put_parameter(to, job, ADAM_M, i);
    mcvdi_pickle_write_text(to, "exp_avg_sq");
    put_parameter(to, job, ADAM_V, i);
    if (config_of(job)->optim.amsgrad) {
        mcvdi_pickle_write_text(to, "max_exp_avg_sq");
        put_parameter(to, job, ADAM_V_MAX, i);
    }
    mcvdi_pickle_write_close_dict(to);
}

/* The rate of the last update. The authors set it during the warm-up and never again, so later it
 * is the one that training goes on with. */
static double learning_rate(const export_job *job)
{
    const mcvd_optim_config *o = &config_of(job)->optim;
    const double completed = job->step > 0 ? (double)job->step - 1.0 : 0.0;

    if (job->step == 0 || o->warmup == 0 || completed > (double)o->warmup)
        return o->lr;
    return o->lr * completed / (double)o->warmup;
}

static void put_param_group(mcvdi_pickle_writer *to, const export_job *job)
{
    static const char *const off[] = { "maximize", "capturable", "differentiable", "fused" };
    const mcvd_optim_config *o = &config_of(job)->optim;

    mcvdi_pickle_write_open_dict(to);
    mcvdi_pickle_write_text(to, "lr");
    mcvdi_pickle_write_real(to, learning_rate(job));
    mcvdi_pickle_write_text(to, "betas");
    mcvdi_pickle_write_real_pair(to, o->beta1, o->beta2);
    mcvdi_pickle_write_text(to, "eps");
    mcvdi_pickle_write_real(to, o->eps);
    mcvdi_pickle_write_text(to, "weight_decay");
    mcvdi_pickle_write_real(to, o->weight_decay);
    mcvdi_pickle_write_text(to, "amsgrad");
    mcvdi_pickle_write_bool(to, o->amsgrad);
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        mcvdi_pickle_write_text(to, off[i]);
        mcvdi_pickle_write_bool(to, false);
    }
    mcvdi_pickle_write_text(to, "foreach");
    mcvdi_pickle_write_none(to);
    mcvdi_pickle_write_text(to, "params");
    mcvdi_pickle_write_open_list(to);
    for (size_t i = 0; i < job->num_parameters; i++)
        mcvdi_pickle_write_int(to, (int64_t)i);
    mcvdi_pickle_write_close_list(to);
    mcvdi_pickle_write_close_dict(to);
}

static void put_optimiser(mcvdi_pickle_writer *to, const export_job *job)
{
    mcvdi_pickle_write_open_dict(to);
    mcvdi_pickle_write_text(to, "state");
    mcvdi_pickle_write_open_dict(to);
    for (size_t i = 0; i < job->num_parameters && job->step > 0; i++)
        put_moments(to, job, i);
    mcvdi_pickle_write_close_dict(to);
    mcvdi_pickle_write_text(to, "param_groups");
    mcvdi_pickle_write_open_list(to);
    put_param_group(to, job);
    mcvdi_pickle_write_close_list(to);
    mcvdi_pickle_write_close_dict(to);
}

/* [model state, optimiser state, epoch, step, averaged weights] */
static mcvd_status put_all(mcvdi_pickle_writer *to, const export_job *job)
{
    mcvdi_pickle_write_begin(to);
    mcvdi_pickle_write_open_list(to);
    put_model_state(to, job);
    put_optimiser(to, job);
    mcvdi_pickle_write_int(to, 0);
    mcvdi_pickle_write_int(to, (int64_t)job->step);
    if (config_of(job)->model.ema) {
        mcvdi_pickle_write_open_dict(to);
        for (size_t i = 0; i < job->num_parameters; i++) {
            mcvdi_pickle_write_text(to, job->parameters[i].name);
            put_parameter(to, job, EMA, i);
        }
        mcvdi_pickle_write_close_dict(to);
    }
    mcvdi_pickle_write_close_list(to);
    return mcvdi_pickle_write_end(to);
}

/* --- the numbers --- */

/* The tensor behind a storage that is no buffer. */
static mcvd_status stored_tensor(const export_job *job, size_t storage, mcvd_tensor *tensor)
{
    const size_t i = storage - job->buffers.count;
    const slab which = job->stored[i / job->num_parameters];

    return find_tensor(job, which, &job->parameters[i % job->num_parameters], tensor);
}

static mcvd_status get_storage(void *user, size_t storage, void *buffer, const void **data)
{
    export_job *job = user;
    const mcvd_torch_export_options *o = job->options;
    mcvd_tensor t;

    if (o->progress && !o->progress(o->user, job->done_bytes, job->total_bytes))
        return mcvdi_fail(MCVD_E_INTERRUPTED, "export: stopped, nothing is written");
    job->done_bytes += job->storage_bytes[storage];
    if (storage < job->buffers.count) {
        *data = job->buffers.values[storage];
        return MCVD_OK;
    }
    const mcvd_status st = stored_tensor(job, storage, &t);
    if (st < 0)
        return st;
    *data = t.dtype == MCVD_F32 ? t.data : buffer;
    if (t.dtype == MCVD_F16)
        mcvdi_f16_to_f32(buffer, t.data, mcvd_tensor_numel(&t));
    else if (t.dtype == MCVD_BF16)
        mcvdi_bf16_to_f32(buffer, t.data, mcvd_tensor_numel(&t));
    return MCVD_OK;
}

static void storage_taken(void *user, size_t storage)
{
    const export_job *job = user;
    mcvd_tensor t;

    if (storage >= job->buffers.count && stored_tensor(job, storage, &t) >= 0)
        mcvd_safetensors_drop_pages(job->file, &t);
}

static mcvd_status write_archive(export_job *job, const char *output)
{
    mcvdi_pickle_writer pickle = { 0 };
    mcvd_status st = put_all(&pickle, job);

    if (st >= 0) {
        const mcvdi_torch_archive archive = { .pickle = pickle.bytes,
                                              .pickle_bytes = pickle.used,
                                              .storage_bytes = job->storage_bytes,
                                              .num_storages = job->num_storages,
                                              .get = get_storage,
                                              .taken = storage_taken,
                                              .user = job };
        st = mcvdi_torch_archive_write(&archive, output, job->options->overwrite);
    }
    mcvdi_free(pickle.bytes);
    return st;
}

/* --- the whole --- */

static void report(const export_job *job, mcvd_torch_export_result *result)
{
    snprintf(result->source, sizeof result->source, "%s", job->path);
    result->config = *config_of(job);
    result->training_state = job->checkpoint && job->step > 0;
    result->ema = config_of(job)->model.ema;
    result->step = (int64_t)job->step;
    result->num_tensors = job->num_parameters;
    result->num_params = mcvd_model_num_params(job->model);
    result->bytes = job->total_bytes;
}

static void release(export_job *job)
{
    mcvdi_schedule_buffers_free(&job->buffers);
    mcvdi_free(job->storage_bytes);
    mcvdi_free(job->parameters);
    mcvd_safetensors_close(&job->file);
    mcvd_model_free(&job->model);
}

mcvd_status mcvd_torch_export(const char *model, const char *output,
                              const mcvd_torch_export_options *options,
                              mcvd_torch_export_result *result)
{
    char *path = NULL;
    export_job job = { .options = options };
    mcvd_status st = mcvdi_checkpoint_locate(&path, model);

    job.path = path;
    if (st >= 0)
        st = open_source(&job);
    if (st >= 0)
        st = write_archive(&job, output);
    if (st >= 0 && result)
        report(&job, result);
    release(&job);
    mcvdi_free(path);
    return st;
}
