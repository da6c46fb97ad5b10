/* PyTorch files: what is listed in them; nothing of them is ever executed. */
#include "cli/info.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mcvd/import.h>

#include "cli/path.h"
#include "cli/settings.h"

enum { PATH_BYTES = 4096 };

static mcvd_status get_of_checkpoint(const void *of, size_t i, const char **name,
                                     mcvd_tensor *tensor)
{
    return mcvd_torch_checkpoint_tensor(of, MCVD_TORCH_MODEL, i, name, tensor);
}

/* Parameters of the model state, and how many tensors are the schedule's. */
static mcvd_status put_size(mcvdi_info_answer *to, const mcvd_torch_checkpoint *checkpoint)
{
    const size_t count = mcvd_torch_checkpoint_count(checkpoint, MCVD_TORCH_MODEL);
    size_t params = 0;
    size_t buffers = 0;

    for (size_t i = 0; i < count; i++) {
        const char *name = "";
        mcvd_tensor tensor;
        const mcvd_status st =
            mcvd_torch_checkpoint_tensor(checkpoint, MCVD_TORCH_MODEL, i, &name, &tensor);
        if (st < 0)
            return st;
        if (mcvd_torch_is_buffer(name))
            buffers++;
        else
            params += mcvd_tensor_numel(&tensor);
    }
    mcvdi_info_count(to, "params", (double)params);
    mcvdi_info_count(to, "num_tensors", (double)(count - buffers));
    mcvdi_info_count(to, "num_buffers", (double)buffers);
    return MCVD_OK;
}

/* What the list holds. */
static mcvd_status put_list(mcvdi_info_answer *to, const mcvd_torch_checkpoint *checkpoint)
{
    const int64_t step = mcvd_torch_checkpoint_step(checkpoint);
    const int64_t epoch = mcvd_torch_checkpoint_epoch(checkpoint);

    mcvdi_info_count(to, "step", step >= 0 ? (double)step : (double)NAN);
    mcvdi_info_count(to, "epoch", epoch >= 0 ? (double)epoch : (double)NAN);
    mcvdi_info_yes_no(to, "ema", mcvd_torch_checkpoint_has_ema(checkpoint));
    return put_size(to, checkpoint);
}

static bool same_shape(const mcvd_tensor *a, const mcvd_tensor *b)
{
    bool same = a->ndim == b->ndim;

    for (int d = 0; same && d < a->ndim; d++)
        same = a->shape[d] == b->shape[d];
    return same;
}

/* Parameters of the network that the checkpoint has with the same shape. */
static size_t count_fitting(const mcvd_torch_checkpoint *checkpoint, const mcvd_model *model)
{
    const size_t count = mcvd_torch_checkpoint_count(checkpoint, MCVD_TORCH_MODEL);
    size_t fitting = 0;
    size_t at = 0; /* both lists have nearly the same order: search on from the last place */

    for (size_t i = 0; i < mcvd_model_num_tensors(model); i++) {
        const char *wanted = "";
        const char *name = "";
        mcvd_tensor shape;
        mcvd_tensor found;
        if (mcvd_model_tensor(model, i, &wanted, &shape) < 0)
            return 0;
        for (size_t tried = 0; tried < count; tried++, at++) {
            if (mcvd_torch_checkpoint_tensor(checkpoint, MCVD_TORCH_MODEL, at % count, &name,
                                             &found) < 0)
                return 0;
            if (strcmp(name, wanted) != 0)
                continue;
            fitting += same_shape(&shape, &found);
            break;
        }
    }
    return fitting;
}

static void put_fit(mcvdi_info_answer *to, const mcvd_torch_checkpoint *checkpoint,
                    const mcvd_model *model)
{
    const size_t wanted = mcvd_model_num_tensors(model);
    const size_t fitting = count_fitting(checkpoint, model);

    if (fitting == wanted)
        mcvdi_info_text(to, "fits_config", "yes");
    else
        mcvdi_info_printf(to, "fits_config", "no: %zu of %zu tensors", fitting, wanted);
}

/* The configuration that was given or lies beside the file; "" without one. */
static mcvd_status find_config(char *config, size_t bytes, const mcvdi_info_answer *to,
                               const char *path)
{
    const char *slash = strrchr(path, '/');
    mcvd_status st = MCVD_OK;

    if (to->args->config)
        return mcvdi_path(config, bytes, "%s", to->args->config);
    if (slash)
        st = mcvdi_path(config, bytes, "%.*s/config.yml", (int)(slash - path), path);
    else
        st = mcvdi_path(config, bytes, "config.yml");
    if (st >= 0 && access(config, R_OK) != 0)
        *config = '\0';
    return st;
}

/* The network of the configuration, and whether the weights are its. */
static mcvd_status put_network(mcvdi_info_answer *to, const mcvd_torch_checkpoint *checkpoint,
                               const char *config_file)
{
    mcvd_config config;
    mcvd_model *model = NULL;
    mcvd_status st = mcvdi_settings_load(&config, config_file, NULL, NULL);

    if (st >= 0)
        st = mcvd_model_create(&model, &config, 0);
    if (st < 0)
        return st;
    mcvdi_info_printf(to, "config_file", "%s", config_file);
    put_fit(to, checkpoint, model);
    mcvdi_info_put_config(to, &config);
    st = mcvdi_info_put_cost(to, &config);
    mcvd_model_free(&model);
    return st;
}

static void put_kind(mcvdi_info_answer *to, const mcvd_torch_checkpoint *checkpoint)
{
    if (mcvd_torch_checkpoint_form(checkpoint) == MCVD_TORCH_SCRIPT)
        mcvdi_info_text(to, "kind", "TorchScript archive");
    else
        mcvdi_info_text(to, "kind",
                        mcvd_torch_checkpoint_is_stream(checkpoint)
                            ? "PyTorch checkpoint (stream of before version 1.6)"
                            : "PyTorch checkpoint");
}

mcvd_status mcvdi_info_torch(mcvdi_info_answer *to, const char *path)
{
    char config[PATH_BYTES];
    mcvd_torch_checkpoint *checkpoint = NULL;
    mcvd_status st = find_config(config, sizeof config, to, path);

    if (st >= 0 && mcvd_torch_checkpoint_open(&checkpoint, path) < 0)
        st = mcvd_torch_weights_open(&checkpoint, path); /* not the authors', perhaps */
    if (st < 0)
        return st;
    put_kind(to, checkpoint);
    mcvdi_info_printf(to, "file", "%s", path);
    st = put_list(to, checkpoint);
    if (st >= 0 && *config)
        st = put_network(to, checkpoint, config);
    else if (st >= 0)
        mcvdi_info_text(to, "config_file", "");
    if (st >= 0) {
        const mcvdi_info_tensors tensors = {
            checkpoint, mcvd_torch_checkpoint_count(checkpoint, MCVD_TORCH_MODEL), get_of_checkpoint
        };
        st = mcvdi_info_finish(to, &tensors);
    }
    mcvd_torch_checkpoint_close(&checkpoint);
    return st;
}
