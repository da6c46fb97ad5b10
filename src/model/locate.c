#include "model/locate.h"

#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"

enum { MAX_LATEST_BYTES = 4096 };

static mcvd_status no_memory(void)
{
    return mcvdi_fail(MCVD_E_NOMEM, "model: out of memory");
}

/* "checkpoints/step-00001000.safetensors", as a training run writes it. */
static bool names_checkpoint(const char *text)
{
    static const char start[] = "checkpoints/step-";
    const char *digits = text + sizeof start - 1;

    if (strncmp(text, start, sizeof start - 1) != 0)
        return false;
    const size_t length = strspn(digits, "0123456789");
    return length > 0 && strcmp(digits + length, ".safetensors") == 0;
}

/* *file = folder/<the line in folder/latest>; NULL when there is no such file. */
static mcvd_status latest_checkpoint(char **file, const char *folder)
{
    char *latest = mcvdi_sprintf("%s/latest", folder);
    char *text = NULL;
    size_t bytes = 0;
    mcvd_status st = MCVD_OK;

    if (!latest)
        return no_memory();
    if (mcvdi_path_exists(latest))
        st = mcvdi_file_read(&text, &bytes, latest, MAX_LATEST_BYTES);
    mcvdi_free(latest);
    if (st < 0)
        return st == MCVD_E_NOMEM ? st : MCVD_E_MODEL;
    if (!text)
        return MCVD_OK;
    text[strcspn(text, "\n")] = '\0';
    if (!names_checkpoint(text)) {
        st = mcvdi_fail(MCVD_E_MODEL,
                        "%s/latest: expected checkpoints/step-N.safetensors, found '%.64s'", folder,
                        text);
        mcvdi_free(text);
        return st;
    }
    *file = mcvdi_sprintf("%s/%s", folder, text);
    mcvdi_free(text);
    return *file ? MCVD_OK : no_memory();
}

mcvd_status mcvdi_model_locate(char **file, const char *path)
{
    mcvd_status st = MCVD_OK;

    *file = NULL;
    if (!mcvdi_path_is_folder(path)) {
        *file = mcvdi_strdup(path);
        return *file ? MCVD_OK : no_memory();
    }
    char *exported = mcvdi_sprintf("%s/model.safetensors", path);
    if (!exported)
        return no_memory();
    if (mcvdi_path_exists(exported)) {
        *file = exported;
        return MCVD_OK;
    }
    mcvdi_free(exported);
    st = latest_checkpoint(file, path);
    if (st >= 0 && !*file)
        st = mcvdi_fail(MCVD_E_MODEL,
                        "%s: a folder; expected a model file or a run folder with "
                        "model.safetensors or a checkpoint",
                        path);
    return st;
}

mcvd_status mcvdi_checkpoint_locate(char **file, const char *path)
{
    *file = NULL;
    if (mcvdi_path_is_folder(path)) {
        const mcvd_status st = latest_checkpoint(file, path);
        if (st < 0 || *file)
            return st;
    }
    return mcvdi_model_locate(file, path);
}
