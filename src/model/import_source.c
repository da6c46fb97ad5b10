#include "model/import_source.h"

#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "model/half.h"
#include "model/torch_checkpoint.h"
#include "model/torch_file.h"

static mcvd_status no_memory(const mcvdi_import_source *s)
{
    return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", s->path);
}

/* Tensors of whole numbers (counters of batches) are none of ours. */
static mcvd_status list_plain(mcvdi_import_source *s)
{
    const size_t count = mcvd_safetensors_count(s->plain);
    mcvd_status st = MCVD_OK;

    s->numbers = mcvdi_calloc(count + 1, sizeof *s->numbers);
    if (!s->numbers)
        return no_memory(s);
    for (size_t i = 0; st >= 0 && i < count; i++) {
        mcvd_tensor tensor;
        st = mcvd_safetensors_get(s->plain, mcvd_safetensors_name(s->plain, i), &tensor);
        if (st >= 0 && mcvdi_torch_file_reads(tensor.dtype))
            s->numbers[s->count++] = i;
    }
    return st;
}

static mcvd_status open_torch(mcvdi_import_source *s)
{
    const mcvd_status st = mcvd_torch_weights_open(&s->torch, s->path);

    if (st < 0)
        return st;
    s->count = mcvd_torch_checkpoint_count(s->torch, MCVD_TORCH_MODEL);
    if (mcvd_torch_checkpoint_form(s->torch) == MCVD_TORCH_SCRIPT)
        s->container = "TorchScript archive";
    else
        s->container = mcvd_torch_checkpoint_is_stream(s->torch) ? "stream" : "zip archive";
    return st;
}

mcvd_status mcvdi_import_source_open(mcvdi_import_source *source, const char *path)
{
    source->path = path;
    if (mcvd_torch_is_checkpoint(path))
        return open_torch(source);
    mcvd_status st = mcvd_safetensors_open(&source->plain, path);
    source->container = "safetensors";
    if (st >= 0)
        st = list_plain(source);
    return st < 0 && st != MCVD_E_NOMEM ? MCVD_E_MODEL : st;
}

void mcvdi_import_source_close(mcvdi_import_source *source)
{
    mcvd_torch_checkpoint_close(&source->torch);
    if (source->plain)
        mcvd_safetensors_close(&source->plain);
    mcvdi_free(source->numbers);
    mcvdi_free(source->values);
    *source = (mcvdi_import_source) { 0 };
}

mcvd_status mcvdi_import_source_tensor(const mcvdi_import_source *source, size_t i,
                                       const char **name, mcvd_tensor *shape)
{
    if (source->torch)
        return mcvd_torch_checkpoint_tensor(source->torch, MCVD_TORCH_MODEL, i, name, shape);
    *name = mcvd_safetensors_name(source->plain, source->numbers[i]);
    return mcvd_safetensors_get(source->plain, *name, shape);
}

static void convert(float *to, const mcvd_tensor *from, size_t n)
{
    const double *wide = from->data;

    if (from->dtype == MCVD_F16)
        mcvdi_f16_to_f32(to, from->data, n);
    else if (from->dtype == MCVD_BF16)
        mcvdi_bf16_to_f32(to, from->data, n);
    else
        for (size_t j = 0; j < n; j++)
            to[j] = (float)wide[j];
}

mcvd_status mcvdi_import_source_read(mcvdi_import_source *source, size_t i, const float **values)
{
    const char *name = NULL;
    mcvd_tensor tensor;
    size_t bytes = 0;

    if (source->torch)
        return mcvdi_torch_checkpoint_read(source->torch, MCVD_TORCH_MODEL, i, values);
    *values = NULL;
    const mcvd_status st = mcvdi_import_source_tensor(source, i, &name, &tensor);
    if (st < 0)
        return st;
    const size_t n = mcvd_tensor_numel(&tensor);
    *values = tensor.data;
    if (tensor.dtype == MCVD_F32)
        return MCVD_OK;
    *values = NULL;
    mcvdi_free(source->values);
    source->values = mcvdi_mul_size(&bytes, n, sizeof(float)) ? mcvdi_malloc(bytes + 1) : NULL;
    if (!source->values)
        return no_memory(source);
    convert(source->values, &tensor, n);
    *values = source->values;
    return MCVD_OK;
}
