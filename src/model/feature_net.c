#include "model/feature_net.h"

#include <string.h>

#include "core/status.h"

mcvd_status mcvdi_feature_file_open(mcvd_safetensors **out, const char *path, const char *name)
{
    const mcvd_status st = mcvd_safetensors_open(out, path);

    if (st == MCVD_E_NOMEM)
        return st;
    if (st < 0)
        return mcvdi_fail(MCVD_E_MODEL, "%s", mcvd_last_error());
    const char *found = mcvd_safetensors_metadata(*out, "mcvd_extractor");
    if (found && strcmp(found, name) == 0)
        return MCVD_OK;
    (void)mcvdi_fail(MCVD_E_MODEL,
                     "%s: not the weights of %s: its metadata mcvd_extractor is %s; `mcvd import "
                     "%s` makes such a file",
                     path, name, found ? found : "missing", name);
    mcvd_safetensors_close(out); /* found is the file's */
    return MCVD_E_MODEL;
}

mcvd_status mcvdi_feature_tensor(const mcvd_safetensors *file, const char *path, const char *name,
                                 int ndim, const size_t *shape, const float **values)
{
    const mcvd_tensor expected = mcvd_tensor_view(MCVD_F32, NULL, ndim, shape);
    mcvd_tensor tensor;
    char wanted[96];
    char found[96];

    if (!mcvd_safetensors_has(file, name))
        return mcvdi_fail(MCVD_E_MODEL, "%s: tensor %s is missing", path, name);
    const mcvd_status st = mcvd_safetensors_get(file, name, &tensor);
    if (st < 0)
        return st;
    bool same = tensor.ndim == ndim && tensor.dtype == MCVD_F32;
    for (int d = 0; same && d < ndim; d++)
        same = tensor.shape[d] == shape[d];
    if (!same)
        return mcvdi_fail(MCVD_E_MODEL, "%s: tensor %s is %s %s, expected F32 %s", path, name,
                          mcvd_dtype_word(tensor.dtype),
                          mcvd_tensor_shape_text(&tensor, found, sizeof found),
                          mcvd_tensor_shape_text(&expected, wanted, sizeof wanted));
    *values = tensor.data;
    return MCVD_OK;
}

mcvd_status mcvdi_feature_graph_finish(mcvdi_graph *graph, const mcvdi_weight_source *source)
{
    const mcvd_status st = mcvdi_graph_compile(graph);

    return st < 0 ? st : mcvdi_weights_load(graph, source);
}
