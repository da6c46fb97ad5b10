/* Models: a configuration and where its weights are. Reading and writing model files. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mcvd/import.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "model/half.h"
#include "model/init.h"
#include "model/locate.h"
#include "model/model_internal.h"

struct mcvd_model {
    mcvd_config config;
    uint64_t seed;
    char *path;             /* NULL for a fresh model */
    char *summary;          /* NULL without one */
    mcvd_safetensors *file; /* NULL for a fresh model */
    const char *prefix;     /* of the weights' names: "ema." in a checkpoint that has them */
    bool checkpoint;        /* file is a training checkpoint */
    mcvdi_graph *shapes;    /* built for one sample, never run: names, shapes, order, cost */
};

void mcvd_model_free(mcvd_model **model)
{
    mcvd_model *m = *model;

    if (!m)
        return;
    mcvd_safetensors_close(&m->file);
    mcvdi_graph_free(&m->shapes);
    mcvdi_free(m->path);
    mcvdi_free(m->summary);
    mcvdi_free(m);
    *model = NULL;
}

static mcvd_status build_shapes(mcvd_model *m)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    const size_t size = (size_t)m->config.data.image_size;
    mcvdi_unet unet = { 0 };
    mcvd_status st = mcvd_config_check_network(&m->config);

    if (st >= 0)
        st = mcvdi_graph_create(&m->shapes, &options);
    if (st >= 0)
        st = mcvdi_unet_build(&unet, m->shapes, &m->config, 1, size, size);
    if (st >= 0)
        st = mcvdi_graph_build_status(m->shapes);
    return st;
}

static mcvd_status finish(mcvd_model **out, mcvd_model *m, mcvd_status st)
{
    if (st < 0)
        mcvd_model_free(&m);
    *out = m;
    return st;
}

mcvd_status mcvd_model_create(mcvd_model **out, const mcvd_config *config, uint64_t seed)
{
    *out = NULL;
    mcvd_model *m = mcvdi_calloc(1, sizeof *m);
    if (!m)
        return mcvdi_fail(MCVD_E_NOMEM, "model: out of memory");
    m->config = *config;
    m->seed = seed;
    return finish(out, m, build_shapes(m));
}

/* --- reading --- */

/* Text after a prefix, NULL when it starts otherwise. */
static const char *after(const char *text, const char *prefix)
{
    const size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

/* The tensor of a parameter: in a checkpoint behind the prefix, else under its name, with or
 * without the wrapper's prefix. */
static mcvd_status find_tensor(const mcvd_model *m, const mcvdi_param *param, mcvd_tensor *tensor)
{
    char name[160];
    char wrapped[160];
    const char *found = name;

    snprintf(name, sizeof name, "%s%s", m->prefix, param->name);
    snprintf(wrapped, sizeof wrapped, "module.%s", param->name);
    if (!mcvd_safetensors_has(m->file, name) && !*m->prefix)
        found = wrapped;
    if (!mcvd_safetensors_has(m->file, found))
        return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s' is missing", m->path, name);
    return mcvd_safetensors_get(m->file, found, tensor);
}

static mcvd_status check_tensor(const mcvd_model *m, const mcvdi_param *param)
{
    char found[96];
    char wanted[96];
    mcvd_tensor tensor;
    mcvd_tensor expected = mcvd_tensor_view(MCVD_F32, NULL, param->ndim, param->shape);
    const mcvd_status st = find_tensor(m, param, &tensor);

    if (st < 0)
        return st;
    bool same = tensor.ndim == param->ndim;
    for (int d = 0; same && d < param->ndim; d++)
        same = tensor.shape[d] == param->shape[d];
    if (!same)
        return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s' is %s, the configuration needs %s",
                          m->path, param->name,
                          mcvd_tensor_shape_text(&tensor, found, sizeof found),
                          mcvd_tensor_shape_text(&expected, wanted, sizeof wanted));
    if (tensor.dtype != MCVD_F32 && tensor.dtype != MCVD_F16 && tensor.dtype != MCVD_BF16)
        return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s' is %s, expected F32, F16 or BF16", m->path,
                          param->name, mcvd_dtype_word(tensor.dtype));
    return MCVD_OK;
}

/* The parameter that a tensor of the file is, or belongs to (its average, its moments). */
static const char *parameter_of(const mcvd_model *m, const char *name)
{
    static const char *const states[] = { "ema.", "adam.m.", "adam.v.", "adam.v_max." };
    const char *plain = after(name, "module.");

    for (size_t i = 0; m->checkpoint && !plain && i < sizeof states / sizeof *states; i++)
        plain = after(name, states[i]);
    return plain ? plain : name;
}

/* Schedule buffers that the reference stores beside the parameters. */
static bool is_buffer(const char *name)
{
    static const char *const buffers[] = { "betas", "alphas",  "alphas_prev", "k",
                                           "k_cum", "theta_t", "unet.sigmas" };

    if (after(name, "module."))
        name = after(name, "module.");
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (!strcmp(name, buffers[i]))
            return true;
    return false;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every tensor of the file has a place in the network. */
static mcvd_status check_nothing_left(const mcvd_model *m)
{
    const size_t n = mcvdi_graph_num_params(m->shapes);
    const char **names = mcvdi_calloc(n + 1, sizeof *names);
    mcvd_status st = MCVD_OK;

    if (!names)
        return mcvdi_fail(MCVD_E_NOMEM, "model: out of memory");
    for (size_t i = 0; i < n; i++)
        names[i] = mcvdi_graph_get_param(m->shapes, i)->name;
    qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 0; st >= 0 && i < mcvd_safetensors_count(m->file); i++) {
        const char *name = mcvd_safetensors_name(m->file, i);
        const char *plain = parameter_of(m, name);
        if (!is_buffer(name) && !bsearch(&plain, names, n, sizeof *names, compare_names))
            st = mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s' has no place in this network", m->path,
                            name);
    }
    mcvdi_free(names);
    return st;
}

static mcvd_status check_tensors(const mcvd_model *m)
{
    for (size_t i = 0; i < mcvdi_graph_num_params(m->shapes); i++) {
        const mcvd_status st = check_tensor(m, mcvdi_graph_get_param(m->shapes, i));
        if (st < 0)
            return st;
    }
    return check_nothing_left(m);
}

/* A training checkpoint: the averaged weights where it has them; its step is the summary. */
static mcvd_status read_checkpoint(mcvd_model *m, const char *step)
{
    uint64_t steps = 0;

    if (!mcvdi_decimal_u64(&steps, step))
        return mcvdi_fail(MCVD_E_MODEL, "%s: checkpoint of step '%s'", m->path, step);
    m->checkpoint = true;
    for (size_t i = 0; i < mcvd_safetensors_count(m->file); i++)
        if (after(mcvd_safetensors_name(m->file, i), "ema."))
            m->prefix = "ema.";
    m->summary = mcvdi_sprintf("{\"steps\":%" PRIu64 "}", steps);
    return m->summary ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "model: out of memory");
}

static mcvd_status read_metadata(mcvd_model *m, const mcvd_config *config)
{
    const char *checkpoint = mcvd_safetensors_metadata(m->file, "mcvd.checkpoint");
    const char *format = mcvd_safetensors_metadata(m->file, "mcvd.format");
    const char *inside = mcvd_safetensors_metadata(m->file, "mcvd.config");
    const char *summary = mcvd_safetensors_metadata(m->file, "mcvd.training");
    uint64_t version = 0;

    if (format && (!mcvdi_decimal_u64(&version, format) || version != MCVDI_MODEL_FORMAT))
        return mcvdi_fail(MCVD_E_MODEL, "%s: model format %s, this version reads %d", m->path,
                          format, MCVDI_MODEL_FORMAT);
    if (checkpoint) {
        const mcvd_status st = read_checkpoint(m, checkpoint);
        if (st < 0)
            return st;
    } else if (summary) {
        m->summary = mcvdi_strdup(summary);
        if (!m->summary)
            return mcvdi_fail(MCVD_E_NOMEM, "model: out of memory");
    }
    if (config) {
        m->config = *config;
        return MCVD_OK;
    }
    if (!inside)
        return mcvdi_fail(MCVD_E_MODEL,
                          "%s: bare weights without a configuration inside; give --config FILE",
                          m->path);
    mcvd_config_default(&m->config);
    const mcvd_status st = mcvd_config_parse(&m->config, inside, m->path);
    return st < 0 && st != MCVD_E_NOMEM ? MCVD_E_MODEL : st;
}

/* A file that is no safetensors file is a bad model to the caller. */
static mcvd_status open_file(mcvd_model *m)
{
    const mcvd_status st = mcvd_safetensors_open(&m->file, m->path);
    if (st == MCVD_E_FORMAT && mcvd_torch_is_checkpoint(m->path))
        return mcvdi_fail(MCVD_E_MODEL,
                          "%s: a PyTorch checkpoint; make a model file of it first: mcvd import "
                          "CHECKPOINT -o MODEL",
                          m->path);
    return st == MCVD_E_INPUT || st == MCVD_E_FORMAT ? MCVD_E_MODEL : st;
}

mcvd_status mcvd_model_load(mcvd_model **out, const char *path, const mcvd_config *config)
{
    *out = NULL;
    mcvd_model *m = mcvdi_calloc(1, sizeof *m);
    if (!m)
        return mcvdi_fail(MCVD_E_NOMEM, "model: out of memory");
    m->prefix = "";
    mcvd_status st = mcvdi_model_locate(&m->path, path);
    if (st >= 0)
        st = open_file(m);
    if (st >= 0)
        st = read_metadata(m, config);
    if (st >= 0) {
        st = build_shapes(m);
        if (st == MCVD_E_CONFIG && !config)
            st = MCVD_E_MODEL;
    }
    if (st >= 0)
        st = check_tensors(m);
    return finish(out, m, st);
}

/* Two-byte weights are widened; F32 comes straight from the mapping. */
static mcvd_status weight_from_file(const mcvd_model *m, const mcvdi_param *param, float *buffer,
                                    const float **plain)
{
    mcvd_tensor tensor;
    const mcvd_status st = find_tensor(m, param, &tensor);

    if (st < 0)
        return st;
    *plain = buffer;
    if (tensor.dtype == MCVD_F32)
        *plain = tensor.data;
    else if (tensor.dtype == MCVD_F16)
        mcvdi_f16_to_f32(buffer, tensor.data, param->numel);
    else
        mcvdi_bf16_to_f32(buffer, tensor.data, param->numel);
    return MCVD_OK;
}

static mcvd_status model_weight(void *user, const mcvdi_param *param, size_t i, float *buffer,
                                const float **plain)
{
    const mcvd_model *m = user;

    if (m->file)
        return weight_from_file(m, param, buffer, plain);
    mcvdi_init_param(param, i, m->seed, buffer);
    *plain = buffer;
    return MCVD_OK;
}

static void weight_taken(void *user, const mcvdi_param *param)
{
    const mcvd_model *m = user;
    mcvd_tensor tensor;

    if (m->file && find_tensor(m, param, &tensor) >= 0)
        mcvd_safetensors_drop_pages(m->file, &tensor);
}

mcvdi_weight_source mcvdi_model_source(const mcvd_model *model)
{
    mcvdi_weight_source source = { model_weight, weight_taken, NULL };

    memcpy(&source.user, &model, sizeof model); /* read only */
    return source;
}

/* --- accessors --- */

const mcvd_config *mcvd_model_get_config(const mcvd_model *model)
{
    return &model->config;
}

const char *mcvd_model_path(const mcvd_model *model)
{
    return model->path ? model->path : "";
}

const char *mcvd_model_summary(const mcvd_model *model)
{
    return model->summary ? model->summary : "";
}

size_t mcvd_model_num_params(const mcvd_model *model)
{
    return mcvdi_graph_param_floats(model->shapes);
}

size_t mcvd_model_num_tensors(const mcvd_model *model)
{
    return mcvdi_graph_num_params(model->shapes);
}

mcvd_status mcvd_model_tensor(const mcvd_model *model, size_t i, const char **name,
                              mcvd_tensor *shape)
{
    if (i >= mcvd_model_num_tensors(model))
        return mcvdi_fail(MCVD_E_RANGE, "model: tensor %zu of %zu", i,
                          mcvd_model_num_tensors(model));
    const mcvdi_param *p = mcvdi_graph_get_param(model->shapes, i);
    *name = p->name;
    *shape = mcvd_tensor_view(MCVD_F32, NULL, p->ndim, p->shape);
    return MCVD_OK;
}

double mcvd_model_macs(const mcvd_model *model)
{
    return mcvdi_graph_macs(model->shapes);
}

/* --- writing --- */

static mcvd_status write_entries(const mcvdi_model_file *file, const char *path, bool overwrite,
                                 const mcvd_safetensors_entry *entries, size_t n)
{
    char format[16];
    char *config = mcvd_config_dump(file->config);

    if (!config)
        return mcvdi_fail(MCVD_E_NOMEM, "model: out of memory");
    snprintf(format, sizeof format, "%d", MCVDI_MODEL_FORMAT);
    const mcvd_safetensors_meta meta[] = { { "mcvd.format", format },
                                           { "mcvd.config", config },
                                           { "mcvd.training", file->summary } };
    const mcvd_status st =
        mcvd_safetensors_write(path, entries, n, meta, file->summary ? 3 : 2, overwrite);
    mcvd_text_free(config);
    return st;
}

mcvd_status mcvdi_model_write(const mcvdi_model_file *file, const char *path, bool overwrite)
{
    const size_t n = mcvdi_graph_num_params(file->graph);
    const bool half = file->dtype == MCVDI_WEIGHT_F16;
    mcvd_safetensors_entry *entries = mcvdi_calloc(n + 1, sizeof *entries);
    uint16_t *narrow =
        half ? mcvdi_calloc(mcvdi_graph_param_floats(file->graph), sizeof *narrow) : NULL;
    mcvd_status st = MCVD_OK;

    if (!entries || (half && !narrow))
        st = mcvdi_fail(MCVD_E_NOMEM, "model: out of memory");
    for (size_t i = 0; st >= 0 && i < n; i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(file->graph, i);
        void *data = NULL;
        const float *plain = file->slab + p->offset;
        memcpy(&data, &plain, sizeof data); /* the writer only reads */
        if (half) {
            data = narrow + p->offset;
            mcvdi_f32_to_f16(data, plain, p->numel);
        }
        entries[i].name = p->name;
        entries[i].tensor = mcvd_tensor_view(half ? MCVD_F16 : MCVD_F32, data, p->ndim, p->shape);
    }
    if (st >= 0)
        st = write_entries(file, path, overwrite, entries, n);
    mcvdi_free(narrow);
    mcvdi_free(entries);
    return st;
}
