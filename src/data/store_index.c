#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/json.h"
#include "data/store.h"

enum { MAX_INDEX_BYTES = 1 << 30 };

const char *mcvdi_store_split(mcvd_split split)
{
    return split == MCVD_SPLIT_TEST ? "test" : "train";
}

static mcvd_status append(mcvdi_store_index *index, mcvdi_store_clip clip)
{
    if (!mcvdi_grow(&index->clips, index->count, &index->capacity, sizeof clip)) {
        mcvdi_free(clip.name);
        return mcvdi_fail(MCVD_E_NOMEM, "an index of %zu clips", index->count + 1);
    }
    index->clips[index->count++] = clip;
    index->num_frames += clip.num_frames;
    index->num_skipped += clip.skipped;
    return MCVD_OK;
}

static bool whole_number(const cJSON *item, double most, double *value)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.0) || item->valuedouble > most ||
        item->valuedouble != floor(item->valuedouble))
        return false;
    *value = item->valuedouble;
    return true;
}

static mcvd_status take_line(mcvdi_store_index *index, const char *line, size_t bytes,
                             const char *path)
{
    cJSON *json = NULL;
    double frames = 0.0;
    double crc = 0.0;
    mcvd_status st = mcvdi_json_parse(&json, line, bytes, path);

    if (st < 0)
        return st;
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(json, "name");
    const bool skipped = cJSON_GetObjectItemCaseSensitive(json, "skipped") != NULL;
    if (!cJSON_IsString(name) ||
        (!skipped && (!whole_number(cJSON_GetObjectItemCaseSensitive(json, "frames"),
                                    MCVDI_STORE_MAX_FRAMES, &frames) ||
                      frames < 1.0 ||
                      !whole_number(cJSON_GetObjectItemCaseSensitive(json, "crc32c"),
                                    (double)UINT32_MAX, &crc)))) {
        st = mcvdi_fail(MCVD_E_FORMAT, "%s: line %zu is no clip", path, index->count + 1);
    } else {
        mcvdi_store_clip clip = { .name = mcvdi_strdup(name->valuestring),
                                  .first_frame = index->num_frames,
                                  .num_frames = (size_t)frames,
                                  .crc = (uint32_t)crc,
                                  .skipped = skipped };
        st = clip.name ? append(index, clip) : mcvdi_fail(MCVD_E_NOMEM, "%s: a name", path);
    }
    cJSON_Delete(json);
    return st;
}

mcvd_status mcvdi_store_index_read(mcvdi_store_index *index, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;

    memset(index, 0, sizeof *index);
    if (!mcvdi_path_exists(path))
        return MCVD_OK;
    mcvd_status st = mcvdi_file_read(&text, &bytes, path, MAX_INDEX_BYTES);
    for (const char *line = text; st >= 0;) {
        const char *end = memchr(line, '\n', bytes - index->bytes);
        if (!end)
            break;
        st = take_line(index, line, (size_t)(end - line), path);
        index->bytes += (size_t)(end - line) + 1;
        if (st >= 0)
            index->clips[index->count - 1].end = index->bytes;
        line = end + 1;
    }
    mcvdi_free(text);
    if (st < 0)
        mcvdi_store_index_release(index);
    return st;
}

void mcvdi_store_index_cut(mcvdi_store_index *index, size_t count)
{
    for (size_t i = count; i < index->count; i++) {
        index->num_frames -= index->clips[i].num_frames;
        index->num_skipped -= index->clips[i].skipped;
        mcvdi_free(index->clips[i].name);
    }
    index->count = count < index->count ? count : index->count;
    index->bytes = index->count ? index->clips[index->count - 1].end : 0;
}

void mcvdi_store_index_release(mcvdi_store_index *index)
{
    for (size_t i = 0; i < index->count; i++)
        mcvdi_free(index->clips[i].name);
    mcvdi_free(index->clips);
    memset(index, 0, sizeof *index);
}
