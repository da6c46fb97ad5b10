/* A PyTorch checkpoint becomes a model file, one tensor after the other. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "core/alloc.h"
#include "core/safetensors_write.h"
#include "core/utf8.h"
#include "model/half.h"
#include "model/import_fit.h"
#include "model/model_internal.h"
#include "model/noise_in_cond.h"
#include "model/torch_checkpoint.h"

static const double largest_half = 65520.0; /* from here on F16 rounds to infinity */

typedef struct import_job {
    const char *path;
    const mcvd_import_options *options;
    mcvd_torch_checkpoint *checkpoint;
    mcvd_torch_part part;
    mcvd_model *model; /* names and shapes only */
    size_t *numbers;   /* the checkpoint's tensor for each parameter */
    mcvd_safetensors_entry *entries;
    uint16_t *narrow; /* room for the largest tensor */
    size_t done;      /* parameters written */
} import_job;

static mcvd_status no_memory(const import_job *job)
{
    return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", job->path);
}

bool mcvd_torch_is_buffer(const char *name)
{
    static const char *const buffers[] = { "betas", "alphas",  "alphas_prev", "k",
                                           "k_cum", "theta_t", "unet.sigmas" };

    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (strcmp(name, buffers[i]) == 0)
            return true;
    return false;
}

/* --- which weights --- */

static mcvd_status choose_part(import_job *job)
{
    const bool ema = mcvd_torch_checkpoint_has_ema(job->checkpoint);

    if (job->options->weights == MCVD_IMPORT_EMA && !ema)
        return mcvdi_fail(MCVD_E_MODEL,
                          "%s: no averaged weights in it (model.ema was off); take the raw ones",
                          job->path);
    job->part = ema && job->options->weights != MCVD_IMPORT_RAW ? MCVD_TORCH_EMA : MCVD_TORCH_MODEL;
    return MCVD_OK;
}

/* --- the schedule --- */

/* alphas or betas at the authors' label i, from the products of the configuration's schedule. */
static double expected_buffer(const double *alphas_cumprod, size_t steps, size_t i, bool betas)
{
    const size_t t = steps - 1 - i;
    const double before = t ? alphas_cumprod[t - 1] : 1.0;

    return betas ? 1.0 - alphas_cumprod[t] / before : alphas_cumprod[t];
}

static mcvd_status compare_buffer(import_job *job, const char *name, const double *alphas_cumprod)
{
    const mcvd_model_config *m = &mcvd_model_get_config(job->model)->model;
    const size_t steps = (size_t)m->num_classes;
    const size_t number = mcvdi_torch_checkpoint_find(job->checkpoint, MCVD_TORCH_MODEL, name);
    const float *values;
    const char *same;
    mcvd_tensor shape;

    if (number == mcvd_torch_checkpoint_count(job->checkpoint, MCVD_TORCH_MODEL))
        return MCVD_OK;
    mcvd_status st =
        mcvd_torch_checkpoint_tensor(job->checkpoint, MCVD_TORCH_MODEL, number, &same, &shape);
    if (st >= 0 && (shape.ndim != 1 || shape.shape[0] != steps))
        st = mcvdi_fail(MCVD_E_MODEL,
                        "%s: '%s' has %zu values, model.num_classes of the configuration is %zu",
                        job->path, name, mcvd_tensor_numel(&shape), steps);
    if (st >= 0)
        st = mcvdi_torch_checkpoint_read(job->checkpoint, MCVD_TORCH_MODEL, number, &values);
    for (size_t i = 0; st >= 0 && i < steps; i++) {
        const double wanted = expected_buffer(alphas_cumprod, steps, i, strcmp(name, "betas") == 0);
        /* Single precision of any order of computing differs by far less. */
        if (!(fabs((double)values[i] - wanted) <= 1e-3 * wanted + 1e-6))
            st = mcvdi_fail(MCVD_E_MODEL,
                            "%s: another noise schedule than the configuration's (model.sigma_dist "
                            "= %s): %s[%zu] is %g, expected %g",
                            job->path, m->sigma_dist, name, i, (double)values[i], wanted);
    }
    return st;
}

/* A schedule that is not the configuration's is the sign of a wrong configuration, which would
 * sample nonsense. Files without buffers have nothing to compare. */
static mcvd_status check_schedule(import_job *job)
{
    double *alphas_cumprod;
    mcvd_status st =
        mcvdi_cond_schedule(&alphas_cumprod, &mcvd_model_get_config(job->model)->model);

    if (st >= 0)
        st = compare_buffer(job, "alphas", alphas_cumprod);
    if (st >= 0)
        st = compare_buffer(job, "betas", alphas_cumprod);
    mcvdi_free(alphas_cumprod);
    return st;
}

/* --- writing --- */

static mcvd_status check_values(const import_job *job, const char *name, const float *values,
                                size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s': element %zu is not finite", job->path,
                              name, i);
        if (job->options->half && fabs((double)values[i]) >= largest_half)
            return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s': element %zu is %g, too large for F16",
                              job->path, name, i, (double)values[i]);
    }
    return MCVD_OK;
}

static mcvd_status next_tensor(void *user, size_t i, const void **data)
{
    import_job *job = user;
    const mcvd_import_options *o = job->options;
    const size_t n = mcvd_tensor_numel(&job->entries[i].tensor);
    const float *values;

    if (o->progress && !o->progress(o->user, job->done, mcvd_model_num_params(job->model)))
        return mcvdi_fail(MCVD_E_INTERRUPTED, "%s: the import was stopped", job->path);
    mcvd_status st =
        mcvdi_torch_checkpoint_read(job->checkpoint, job->part, job->numbers[i], &values);
    if (st >= 0)
        st = check_values(job, job->entries[i].name, values, n);
    if (st < 0)
        return st;
    *data = values;
    if (o->half) {
        mcvdi_f32_to_f16(job->narrow, values, n);
        *data = job->narrow;
    }
    job->done += n;
    return MCVD_OK;
}

static mcvd_status make_entries(import_job *job)
{
    const size_t n = mcvd_model_num_tensors(job->model);
    size_t largest = 0;
    mcvd_status st = MCVD_OK;

    job->entries = mcvdi_calloc(n + 1, sizeof *job->entries);
    if (!job->entries)
        return no_memory(job);
    for (size_t i = 0; st >= 0 && i < n; i++) {
        mcvd_safetensors_entry *entry = &job->entries[i];
        st = mcvd_model_tensor(job->model, i, &entry->name, &entry->tensor);
        const size_t numel = mcvd_tensor_numel(&entry->tensor);
        largest = numel > largest ? numel : largest;
        entry->tensor.dtype = job->options->half ? MCVD_F16 : MCVD_F32;
    }
    if (st >= 0 && job->options->half) {
        job->narrow = mcvdi_calloc(largest + 1, sizeof *job->narrow);
        st = job->narrow ? MCVD_OK : no_memory(job);
    }
    return st;
}

/* {"steps":N,"epoch":E,"weights":"ema","source":"checkpoint.pt"}; freed with cJSON_free. */
static char *make_summary(const import_job *job)
{
    const int64_t step = mcvd_torch_checkpoint_step(job->checkpoint);
    const int64_t epoch = mcvd_torch_checkpoint_epoch(job->checkpoint);
    const char *slash = strrchr(job->path, '/');
    const char *name = slash ? slash + 1 : job->path;
    cJSON *summary = cJSON_CreateObject();
    bool made = summary != NULL;

    if (step >= 0)
        made = made && cJSON_AddNumberToObject(summary, "steps", (double)step);
    if (epoch >= 0)
        made = made && cJSON_AddNumberToObject(summary, "epoch", (double)epoch);
    made = made &&
           cJSON_AddStringToObject(summary, "weights", job->part == MCVD_TORCH_EMA ? "ema" : "raw");
    if (mcvdi_utf8_valid(name, strlen(name), NULL))
        made = made && cJSON_AddStringToObject(summary, "source", name);
    char *text = made ? cJSON_PrintUnformatted(summary) : NULL;
    cJSON_Delete(summary);
    return text;
}

static mcvd_status write_model(import_job *job, const char *output)
{
    char format[16];
    char *config = mcvd_config_dump(mcvd_model_get_config(job->model));
    char *summary = make_summary(job);
    mcvd_status st = config && summary ? make_entries(job) : no_memory(job);

    snprintf(format, sizeof format, "%d", MCVDI_MODEL_FORMAT);
    const mcvd_safetensors_meta meta[] = { { "mcvd.format", format },
                                           { "mcvd.config", config },
                                           { "mcvd.training", summary } };
    const mcvdi_safetensors_source source = { .entries = job->entries,
                                              .num_entries = mcvd_model_num_tensors(job->model),
                                              .meta = meta,
                                              .num_meta = sizeof meta / sizeof *meta,
                                              .get = next_tensor,
                                              .user = job };
    if (st >= 0)
        st = mcvdi_safetensors_write_from(output, &source, job->options->overwrite);
    cJSON_free(summary);
    mcvd_text_free(config);
    return st;
}

/* --- all of it --- */

static mcvd_status match(import_job *job)
{
    const mcvdi_import_fit fit = { .path = job->path,
                                   .checkpoint = job->checkpoint,
                                   .part = job->part,
                                   .model = job->model,
                                   .note = job->options->note,
                                   .user = job->options->user };

    job->numbers = mcvdi_calloc(mcvd_model_num_tensors(job->model) + 1, sizeof *job->numbers);
    return job->numbers ? mcvdi_import_match(&fit, job->numbers) : no_memory(job);
}

static mcvd_status run(import_job *job, const mcvd_config *config, const char *output)
{
    mcvd_status st = mcvd_torch_checkpoint_open(&job->checkpoint, job->path);

    if (st >= 0)
        st = choose_part(job);
    if (st >= 0)
        st = mcvd_model_create(&job->model, config, 0);
    if (st >= 0)
        st = match(job);
    if (st >= 0)
        st = check_schedule(job);
    return st < 0 ? st : write_model(job, output);
}

void mcvd_import_config_default(mcvd_config *config)
{
    mcvd_config_default(config);
    config->model.ema_warmup = false;
    snprintf(config->sampling.denoise_label, sizeof config->sampling.denoise_label, "count");
}

mcvd_status mcvd_import(const char *checkpoint, const mcvd_config *config, const char *output,
                        const mcvd_import_options *options, mcvd_import_result *result)
{
    const mcvd_import_options defaults = { .weights = MCVD_IMPORT_AUTO };
    import_job job = { .path = checkpoint, .options = options ? options : &defaults };
    const mcvd_status st = run(&job, config, output);

    if (result)
        *result = (mcvd_import_result) { .step = -1, .epoch = -1 };
    if (result && st >= 0)
        *result = (mcvd_import_result) { .ema = job.part == MCVD_TORCH_EMA,
                                         .step = mcvd_torch_checkpoint_step(job.checkpoint),
                                         .epoch = mcvd_torch_checkpoint_epoch(job.checkpoint),
                                         .num_tensors = mcvd_model_num_tensors(job.model),
                                         .num_params = mcvd_model_num_params(job.model) };
    mcvdi_free(job.narrow);
    mcvdi_free(job.entries);
    mcvdi_free(job.numbers);
    mcvd_model_free(&job.model);
    mcvd_torch_checkpoint_close(&job.checkpoint);
    return st;
}
