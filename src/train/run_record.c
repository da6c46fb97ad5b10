#include "train/run_record.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/json.h"

enum { LOOKED_AT = 4 }; /* windows in the fingerprint */

static mcvd_status no_memory(void)
{
    return mcvdi_fail(MCVD_E_NOMEM, "run: out of memory");
}

/* FNV-1a: two data sets that differ should not agree by chance; nobody is to be kept out. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *c = data;

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ c[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static mcvd_status make_fingerprint(char text[MCVDI_FINGERPRINT_BYTES], mcvd_dataset *data)
{
    const size_t bytes = mcvd_dataset_clip_bytes(data);
    const uint64_t num_windows = mcvd_dataset_num_windows(data);
    const char *name = mcvd_dataset_name(data);
    uint64_t hash = hash_bytes(UINT64_C(0xcbf29ce484222325), name, strlen(name));
    uint8_t *clip = mcvdi_malloc(bytes);
    mcvd_status st = clip ? MCVD_OK : no_memory();

    hash = hash_bytes(hash, &num_windows, sizeof num_windows);
    for (uint64_t i = 0; st >= 0 && i < LOOKED_AT; i++) {
        st = mcvd_dataset_window(data, i, clip);
        if (st >= 0)
            hash = hash_bytes(hash, clip, bytes);
    }
    mcvdi_free(clip);
    snprintf(text, MCVDI_FINGERPRINT_BYTES, "%016" PRIx64, hash);
    return st;
}

mcvd_status mcvdi_run_record_make(mcvdi_run_record *record, mcvd_dataset *data,
                                  const char *data_path)
{
    char absolute[PATH_MAX] = "";

    memset(record, 0, sizeof *record);
    if (data_path && !realpath(data_path, absolute))
        return mcvdi_fail(MCVD_E_INPUT, "%s: %s", data_path, strerror(errno));
    record->data = mcvdi_strdup(absolute);
    record->description = mcvdi_strdup(mcvd_dataset_describe(data));
    if (!record->data || !record->description)
        return no_memory();
    return make_fingerprint(record->fingerprint, data);
}

void mcvdi_run_record_release(mcvdi_run_record *record)
{
    mcvdi_free(record->data);
    mcvdi_free(record->description);
    memset(record, 0, sizeof *record);
}

/* --- as a file --- */

static const char *text_of(const cJSON *json, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

mcvd_status mcvdi_run_record_read(mcvdi_run_record *record, const char *path)
{
    cJSON *json = NULL;

    memset(record, 0, sizeof *record);
    if (!mcvdi_path_exists(path))
        return MCVD_OK;
    mcvd_status st = mcvdi_json_read(&json, path);
    if (st < 0)
        return st == MCVD_E_NOMEM ? st : MCVD_E_INPUT;
    const char *data = text_of(json, "data");
    const char *description = text_of(json, "description");
    const char *fingerprint = text_of(json, "fingerprint");
    if (!data || !description || !fingerprint ||
        strlen(fingerprint) + 1 != sizeof record->fingerprint) {
        st = mcvdi_fail(MCVD_E_INPUT, "%s: expected data, description and fingerprint", path);
    } else {
        memcpy(record->fingerprint, fingerprint, sizeof record->fingerprint);
        record->data = mcvdi_strdup(data);
        record->description = mcvdi_strdup(description);
        st = record->data && record->description ? MCVD_OK : no_memory();
    }
    cJSON_Delete(json);
    return st;
}

mcvd_status mcvdi_run_record_write(const mcvdi_run_record *record, const char *path)
{
    cJSON *json = cJSON_CreateObject();
    const bool complete = cJSON_AddStringToObject(json, "data", record->data) &&
                          cJSON_AddStringToObject(json, "description", record->description) &&
                          cJSON_AddStringToObject(json, "fingerprint", record->fingerprint);
    char *text = complete ? cJSON_Print(json) : NULL;
    const mcvd_status st = text ? mcvdi_file_write(path, text, strlen(text), true) : no_memory();

    cJSON_free(text);
    cJSON_Delete(json);
    return st;
}
