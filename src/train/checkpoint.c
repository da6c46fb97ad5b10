/*
 * A checkpoint: weights under their names, Adam moments and EMA behind a prefix, the number of
 * completed steps. That is the whole state, since everything random follows from seed and step.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <mcvd/safetensors.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "train/trainer_internal.h"

enum { MAX_SLABS = 5, NAME_BYTES = 192 };

typedef struct state_slab {
    const char *prefix;
    float *data;
} state_slab;

/* The slabs that this configuration has. */
static size_t state_slabs(const mcvd_trainer *tr, state_slab slabs[MAX_SLABS])
{
    const state_slab all[MAX_SLABS] = { { "", mcvdi_graph_values(tr->graph) },
                                        { "ema.", tr->ema },
                                        { "adam.m.", tr->m },
                                        { "adam.v.", tr->v },
                                        { "adam.v_max.", tr->v_max } };
    size_t count = 0;

    for (size_t i = 0; i < MAX_SLABS; i++)
        if (all[i].data)
            slabs[count++] = all[i];
    return count;
}

static mcvd_status write_state(const mcvd_trainer *tr, const char *path,
                               const mcvd_safetensors_entry *entries, size_t n)
{
    char format[16];
    char step[32];
    char *config = mcvd_config_dump(&tr->config);

    if (!config)
        return mcvdi_fail(MCVD_E_NOMEM, "checkpoint: out of memory");
    snprintf(format, sizeof format, "%d", MCVDI_MODEL_FORMAT);
    snprintf(step, sizeof step, "%" PRIu64, tr->steps);
    const mcvd_safetensors_meta meta[] = { { "mcvd.format", format },
                                           { "mcvd.config", config },
                                           { "mcvd.checkpoint", step } };
    const mcvd_status st = mcvd_safetensors_write(path, entries, n, meta, 3, true);
    mcvd_text_free(config);
    return st;
}

/* A state that cannot continue must not replace the last good checkpoint. */
static mcvd_status check_finite(const mcvd_trainer *tr, const state_slab *slab)
{
    for (size_t i = 0; i < mcvdi_graph_num_params(tr->graph); i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(tr->graph, i);
        for (size_t k = 0; k < p->numel; k++)
            if (!isfinite(slab->data[p->offset + k]))
                return mcvdi_fail(MCVD_E_NONFINITE,
                                  "a NaN or infinity appeared in '%s%s' before step %" PRIu64,
                                  slab->prefix, p->name, tr->steps);
    }
    return MCVD_OK;
}

mcvd_status mcvd_trainer_save(const mcvd_trainer *trainer, const char *path)
{
    state_slab slabs[MAX_SLABS];
    const size_t num_slabs = state_slabs(trainer, slabs);
    const size_t num_params = mcvdi_graph_num_params(trainer->graph);
    const size_t n = num_slabs * num_params;
    mcvd_safetensors_entry *entries = mcvdi_calloc(n + 1, sizeof *entries);
    char(*names)[NAME_BYTES] = mcvdi_calloc(n + 1, sizeof *names);
    mcvd_status st = MCVD_OK;

    if (!entries || !names)
        st = mcvdi_fail(MCVD_E_NOMEM, "checkpoint: out of memory");
    for (size_t s = 0; st >= 0 && s < num_slabs; s++)
        st = check_finite(trainer, &slabs[s]);
    for (size_t i = 0; st >= 0 && i < n; i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(trainer->graph, i % num_params);
        const state_slab *slab = &slabs[i / num_params];
        snprintf(names[i], NAME_BYTES, "%s%s", slab->prefix, p->name);
        entries[i].name = names[i];
        entries[i].tensor = mcvd_tensor_view(MCVD_F32, slab->data + p->offset, p->ndim, p->shape);
    }
    if (st >= 0)
        st = write_state(trainer, path, entries, n);
    mcvdi_free(names);
    mcvdi_free(entries);
    return st;
}

/* --- reading --- */

/* The tensor of a parameter's state; the file is no state of this network when it is not there. */
static mcvd_status find_tensor(const mcvd_safetensors *file, const char *path,
                               const state_slab *slab, const mcvdi_param *p, mcvd_tensor *t)
{
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "%s%s", slab->prefix, p->name);
    if (!mcvd_safetensors_has(file, name))
        return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s' is missing", path, name);
    const mcvd_status st = mcvd_safetensors_get(file, name, t);
    if (st < 0)
        return st == MCVD_E_NOMEM ? st : MCVD_E_MODEL;
    bool same = t->dtype == MCVD_F32 && t->ndim == p->ndim;
    for (int d = 0; same && d < p->ndim; d++)
        same = t->shape[d] == p->shape[d];
    if (!same)
        return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s' does not fit the configuration", path,
                          name);
    return MCVD_OK;
}

static mcvd_status copy_tensor(const mcvd_safetensors *file, const char *path,
                               const state_slab *slab, const mcvdi_param *p)
{
    mcvd_tensor t;
    const mcvd_status st = find_tensor(file, path, slab, p, &t);

    if (st < 0)
        return st;
    memcpy(slab->data + p->offset, t.data, p->numel * sizeof(float));
    mcvd_safetensors_drop_pages(file, &t);
    return MCVD_OK;
}

static mcvd_status read_step(const mcvd_safetensors *file, const char *path, uint64_t *step)
{
    const char *text = mcvd_safetensors_metadata(file, "mcvd.checkpoint");
    const char *format = mcvd_safetensors_metadata(file, "mcvd.format");
    uint64_t version = 0;

    if (!text || !format)
        return mcvdi_fail(MCVD_E_MODEL, "%s: not a checkpoint of a training run", path);
    if (!mcvdi_decimal_u64(&version, format) || version != MCVDI_MODEL_FORMAT)
        return mcvdi_fail(MCVD_E_MODEL, "%s: checkpoint format %s, this version reads %d", path,
                          format, MCVDI_MODEL_FORMAT);
    if (!mcvdi_decimal_u64(step, text))
        return mcvdi_fail(MCVD_E_MODEL, "%s: step '%s' is no number", path, text);
    return MCVD_OK;
}

/* All of it is looked at before any of it is taken: a file that does not fit changes nothing. */
static mcvd_status read_state(mcvd_trainer *tr, const mcvd_safetensors *file, const char *path)
{
    state_slab slabs[MAX_SLABS];
    const size_t num_params = mcvdi_graph_num_params(tr->graph);
    const size_t n = state_slabs(tr, slabs) * num_params;
    uint64_t step = 0;
    mcvd_tensor t;
    mcvd_status st = read_step(file, path, &step);

    for (size_t i = 0; st >= 0 && i < n; i++)
        st = find_tensor(file, path, &slabs[i / num_params],
                         mcvdi_graph_get_param(tr->graph, i % num_params), &t);
    for (size_t i = 0; st >= 0 && i < n; i++)
        st = copy_tensor(file, path, &slabs[i / num_params],
                         mcvdi_graph_get_param(tr->graph, i % num_params));
    if (st >= 0)
        tr->steps = step;
    return st;
}

mcvd_status mcvd_trainer_load(mcvd_trainer *trainer, const char *path)
{
    mcvd_safetensors *file = NULL;
    mcvd_status st = mcvd_safetensors_open(&file, path);

    if (st < 0)
        return st == MCVD_E_NOMEM ? st : MCVD_E_MODEL;
    st = read_state(trainer, file, path);
    mcvd_safetensors_close(&file);
    return st;
}

mcvd_status mcvd_trainer_export(const mcvd_trainer *trainer, const char *path, bool half,
                                const char *summary, bool overwrite)
{
    const mcvdi_model_file file = { .config = &trainer->config,
                                    .graph = trainer->graph,
                                    .slab = mcvdi_trainer_result_weights(trainer),
                                    .summary = summary,
                                    .dtype = half ? MCVDI_WEIGHT_F16 : MCVDI_WEIGHT_F32 };
    return mcvdi_model_write(&file, path, overwrite);
}
