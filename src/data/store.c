/* Reading a prepared data set: its files are mapped, and a clip's checksum is checked when it is
 * first read. */
#include "data/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mcvd/prepare.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/crc32c.h"
#include "core/fileio.h"
#include "core/json.h"
#include "core/sha256.h"
#include "data/set_options.h"

enum { NAME_BYTES = 64 };

typedef struct mapping {
    const uint8_t *data;
    size_t bytes;
} mapping;

typedef struct store {
    char *path;
    char set[NAME_BYTES];
    mcvdi_store_index index;
    atomic_bool *checked; /* of each clip of the index */
    mapping frames, actions;
    size_t frame_bytes;
    size_t action_dim;
} store;

/* ---- Manifest ---------------------------------------------------------------------------- */

static bool accepts(const char *path)
{
    char *manifest = mcvdi_sprintf("%s/manifest.json", path);
    char *index = mcvdi_sprintf("%s/train.index", path);
    char *test = mcvdi_sprintf("%s/test.index", path);
    const bool found = manifest && index && test && mcvdi_path_exists(manifest) &&
                       (mcvdi_path_exists(index) || mcvdi_path_exists(test));

    mcvdi_free(manifest);
    mcvdi_free(index);
    mcvdi_free(test);
    return found;
}

/* A whole number of the manifest in [least, most]. */
static mcvd_status get_size(const cJSON *json, const char *name, double least, double most,
                            size_t *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

    if (!cJSON_IsNumber(item) || !(item->valuedouble >= least) || item->valuedouble > most)
        return mcvdi_fail(MCVD_E_FORMAT, "manifest.json: %s: expected a number in %g..%g", name,
                          least, most);
    *value = (size_t)item->valuedouble;
    return MCVD_OK;
}

/* Only what decides the clips of the set: any other key of data.* is not the store's to say. */
static mcvd_status check_options(const char *set, const cJSON *options)
{
    if (options && !cJSON_IsObject(options))
        return mcvdi_fail(MCVD_E_FORMAT, "manifest.json: options: expected an object");
    for (const cJSON *o = options ? options->child : NULL; o; o = o->next)
        if (!mcvd_prepare_has_option(set, o->string))
            return mcvdi_fail(MCVD_E_FORMAT, "manifest.json: options: %.60s has no data.%.60s", set,
                              o->string);
    return MCVD_OK;
}

static mcvd_status read_facts(store *s, const cJSON *json, mcvdi_clip_source_facts *f)
{
    const cJSON *set = cJSON_GetObjectItemCaseSensitive(json, "dataset");
    const cJSON *flip = cJSON_GetObjectItemCaseSensitive(json, "may_flip");
    size_t format = 0;
    mcvd_status st = get_size(json, "format", 1, 1e6, &format);

    if (st >= 0 && format != MCVDI_STORE_FORMAT)
        return mcvdi_fail(MCVD_E_FORMAT, "manifest.json: format %zu, this program reads %d", format,
                          MCVDI_STORE_FORMAT);
    if (st >= 0 && (!cJSON_IsString(set) || strlen(set->valuestring) >= sizeof s->set))
        return mcvdi_fail(MCVD_E_FORMAT, "manifest.json: dataset: expected a name");
    if (st >= 0)
        st = get_size(json, "height", 1, 8192, &f->height);
    if (st >= 0)
        st = get_size(json, "width", 1, 8192, &f->width);
    if (st >= 0)
        st = get_size(json, "channels", 1, 3, &f->channels);
    if (st >= 0)
        st = get_size(json, "action_dim", 0, 64, &f->action_dim);
    if (st >= 0)
        st = get_size(json, "test_left", 0, 8192, &f->test_left);
    if (st >= 0)
        st = get_size(json, "test_step", 1, 1000, &f->test_step);
    if (st >= 0)
        st = get_size(json, "test_declared", 0, 1e6, &f->test_declared);
    if (st < 0)
        return st;
    if (f->width >= f->height && f->test_left > f->width - f->height)
        return mcvdi_fail(MCVD_E_FORMAT,
                          "manifest.json: test_left: %zu leaves no %zu of %zu columns",
                          f->test_left, f->height, f->width);
    st = check_options(set->valuestring, cJSON_GetObjectItemCaseSensitive(json, "options"));
    if (st < 0)
        return st;
    f->may_flip = cJSON_IsTrue(flip);
    strcpy(s->set, set->valuestring);
    f->set = s->set;
    s->frame_bytes = f->height * f->width * f->channels;
    s->action_dim = f->action_dim;
    return MCVD_OK;
}

mcvd_status mcvdi_store_splits(bool there[2], const char *folder)
{
    char *path = mcvdi_sprintf("%s/manifest.json", folder);
    cJSON *json = NULL;
    const mcvd_status st =
        path ? mcvdi_json_read(&json, path) : mcvdi_fail(MCVD_E_NOMEM, "a store: out of memory");
    const cJSON *splits = cJSON_GetObjectItemCaseSensitive(json, "splits");

    for (int split = MCVD_SPLIT_TRAIN; split <= MCVD_SPLIT_TEST; split++)
        there[split] =
            cJSON_GetObjectItemCaseSensitive(splits, mcvdi_store_split((mcvd_split)split)) != NULL;
    cJSON_Delete(json);
    mcvdi_free(path);
    return st;
}

/* The split's index is the one that the manifest was written for. */
static mcvd_status check_index(const store *s, const cJSON *json, const char *split,
                               const char *path)
{
    const cJSON *splits = cJSON_GetObjectItemCaseSensitive(json, "splits");
    const cJSON *own = cJSON_GetObjectItemCaseSensitive(splits, split);
    const cJSON *sha = cJSON_GetObjectItemCaseSensitive(own, "index_sha256");
    char found[MCVDI_SHA256_HEX];

    if (!own)
        return mcvdi_fail(MCVD_E_INPUT, "%s: was prepared without its %s split", s->path, split);
    const mcvd_status st = mcvdi_sha256_file(found, path);
    if (st < 0)
        return st;
    if (!cJSON_IsString(sha) || strcmp(sha->valuestring, found) != 0)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: damaged: its checksum is not the manifest's", path);
    return MCVD_OK;
}

/* ---- Files ------------------------------------------------------------------------------- */

static mcvd_status map_file(mapping *m, const char *path, uint64_t expected)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: %s", path, strerror(errno));
    mcvd_status st = MCVD_OK;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        st = mcvdi_fail(MCVD_E_INPUT, "%s: not a regular file", path);
    else if ((uint64_t)info.st_size != expected)
        st = mcvdi_fail(MCVD_E_FORMAT, "%s: %lld bytes, its index needs %llu", path,
                        (long long)info.st_size, (unsigned long long)expected);
    if (st >= 0) {
        void *data = mmap(NULL, (size_t)expected, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED)
            st = mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(errno));
        else
            *m = (mapping) { data, (size_t)expected };
    }
    close(fd);
    return st;
}

static mcvd_status map_split(store *s, const char *split)
{
    size_t bytes = 0;
    size_t actions = 0;
    char *path = mcvdi_sprintf("%s/%s.frames", s->path, split);

    if (!path)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", s->path);
    mcvd_status st = mcvdi_mul_size(&bytes, s->index.num_frames, s->frame_bytes) && bytes
                         ? map_file(&s->frames, path, bytes)
                         : mcvdi_fail(MCVD_E_FORMAT, "%s: no clip in its index", path);
    mcvdi_free(path);
    if (st < 0 || !s->action_dim)
        return st;
    path = mcvdi_sprintf("%s/%s.actions", s->path, split);
    if (!path)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", s->path);
    st = mcvdi_mul_size(&actions, s->index.num_frames, s->action_dim * sizeof(float))
             ? map_file(&s->actions, path, actions)
             : mcvdi_fail(MCVD_E_FORMAT, "%s: too many frames", path);
    mcvdi_free(path);
    return st;
}

static void release(void **state)
{
    store *s = *state;

    if (s->frames.data)
        munmap((void *)(uintptr_t)s->frames.data, s->frames.bytes);
    if (s->actions.data)
        munmap((void *)(uintptr_t)s->actions.data, s->actions.bytes);
    mcvdi_store_index_release(&s->index);
    mcvdi_free(s->checked);
    mcvdi_free(s->path);
    mcvdi_free(s);
    *state = NULL;
}

static mcvd_status open_split(store *s, const cJSON *json, const char *split)
{
    char *path = mcvdi_sprintf("%s/%s.index", s->path, split);
    mcvd_status st = path ? check_index(s, json, split, path)
                          : mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", s->path);

    if (st >= 0)
        st = mcvdi_store_index_read(&s->index, path);
    mcvdi_free(path);
    if (st >= 0)
        st = map_split(s, split);
    if (st < 0)
        return st;
    s->checked = mcvdi_calloc(s->index.count, sizeof *s->checked);
    return s->checked
               ? MCVD_OK
               : mcvdi_fail(MCVD_E_NOMEM, "%s: a list of %zu clips", s->path, s->index.count);
}

static mcvd_status open_parts(store *s, mcvdi_clip_source_facts *facts,
                              const mcvdi_clip_source_config *config)
{
    char *path = mcvdi_sprintf("%s/manifest.json", config->path);
    cJSON *json = NULL;

    s->path = mcvdi_sprintf("%s", config->path);
    mcvd_status st = path && s->path ? mcvdi_json_read(&json, path)
                                     : mcvdi_fail(MCVD_E_NOMEM, "a store: out of memory");
    mcvdi_free(path);
    if (st >= 0) {
        st = read_facts(s, json, facts);
        if (st >= 0 && config->data)
            st = mcvdi_set_options_agree(cJSON_GetObjectItemCaseSensitive(json, "options"),
                                         config->data);
        if (st < 0)
            st = mcvdi_fail_context(st, "%s", config->path);
    }
    if (st >= 0)
        st = open_split(s, json, mcvdi_store_split(config->split));
    cJSON_Delete(json);
    return st;
}

static mcvd_status open_store(void **state, mcvdi_clip_source_facts *facts,
                              const mcvdi_clip_source_config *config)
{
    store *s = mcvdi_calloc(1, sizeof *s);

    *state = s;
    memset(facts, 0, sizeof *facts);
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "a store: %zu bytes", sizeof *s);
    mcvd_status st = open_parts(s, facts, config);
    if (st >= 0) {
        facts->num_clips = s->index.count;
        facts->describe = mcvdi_sprintf("%s, prepared in %s: %zu clips", s->set, config->path,
                                        s->index.count - s->index.num_skipped);
        if (!facts->describe)
            st = mcvdi_fail(MCVD_E_NOMEM, "a store: a description");
    }
    if (st < 0)
        release(state);
    return st;
}

/* ---- Reading ----------------------------------------------------------------------------- */

/* Clips left out keep their places, since a test set may take every tenth; they have no frames. */
static mcvd_status info(void *state, size_t clip, mcvdi_clip_info *info)
{
    const store *s = state;
    const mcvdi_store_clip *c = &s->index.clips[clip];

    *info = (mcvdi_clip_info) { c->name, c->num_frames };
    return MCVD_OK;
}

static mcvd_status check_clip(store *s, size_t clip)
{
    const mcvdi_store_clip *c = &s->index.clips[clip];
    const size_t row = s->action_dim * sizeof(float);
    uint32_t crc;

    if (atomic_load_explicit(&s->checked[clip], memory_order_relaxed))
        return MCVD_OK;
    crc = mcvdi_crc32c(0, s->frames.data + c->first_frame * s->frame_bytes,
                       c->num_frames * s->frame_bytes);
    if (row)
        crc = mcvdi_crc32c(crc, s->actions.data + c->first_frame * row, c->num_frames * row);
    if (crc != c->crc)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: damaged: the checksum of the clip does not fit",
                          s->path);
    atomic_store_explicit(&s->checked[clip], true, memory_order_relaxed);
    return MCVD_OK;
}

static mcvd_status read_clip(void *state, size_t clip, size_t first, size_t count, uint8_t *frames,
                             float *actions)
{
    store *s = state;
    const mcvdi_store_clip *c = &s->index.clips[clip];
    const size_t row = s->action_dim * sizeof(float);
    const mcvd_status st = check_clip(s, clip);

    if (st < 0)
        return st;
    if (first > c->num_frames || count > c->num_frames - first)
        return mcvdi_fail(MCVD_E_RANGE, "%s: frames %zu..%zu of %zu", c->name, first, first + count,
                          c->num_frames);
    memcpy(frames, s->frames.data + (c->first_frame + first) * s->frame_bytes,
           count * s->frame_bytes);
    if (actions)
        memcpy(actions, s->actions.data + (c->first_frame + first) * row, count * row);
    return MCVD_OK;
}

const mcvdi_clip_source_kind mcvdi_clip_source_store = {
    .name = "STORE",
    .help = "what `mcvd prepare` made of a data set",
    .accepts = accepts,
    .open = open_store,
    .free = release,
    .info = info,
    .read = read_clip,
};

/* ---- What to ask for ----------------------------------------------------------------------- */

/* The manifest as the section data of a configuration; takes `options` over. */
static mcvd_status apply(mcvd_config *config, const mcvdi_clip_source_facts *f, cJSON *options,
                         const char *origin)
{
    cJSON *json = cJSON_CreateObject();
    char *text = NULL;

    if (json && options && cJSON_AddStringToObject(options, "dataset", f->set) &&
        cJSON_AddNumberToObject(options, "image_size", (double)f->height) &&
        cJSON_AddNumberToObject(options, "channels", (double)f->channels) &&
        cJSON_AddItemToObject(json, "data", options)) {
        options = NULL;
        text = cJSON_PrintUnformatted(json);
    }
    const mcvd_status st = text ? mcvd_config_parse(config, text, origin)
                                : mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", origin);
    cJSON_free(text);
    cJSON_Delete(options);
    cJSON_Delete(json);
    return st;
}

mcvd_status mcvd_prepare_settings(const char *folder, mcvd_data_config *data)
{
    char *path = mcvdi_sprintf("%s/manifest.json", folder);
    mcvdi_clip_source_facts facts = { 0 };
    mcvd_config config;
    cJSON *json = NULL;
    store s = { 0 };

    mcvd_config_default(&config);
    config.data = *data;
    mcvd_status st =
        path ? mcvdi_json_read(&json, path) : mcvdi_fail(MCVD_E_NOMEM, "a store: out of memory");
    if (st >= 0)
        st = read_facts(&s, json, &facts);
    if (st >= 0) {
        cJSON *options = cJSON_DetachItemFromObjectCaseSensitive(json, "options");
        st = apply(&config, &facts, options ? options : cJSON_CreateObject(), path);
    }
    if (st >= 0)
        *data = config.data;
    cJSON_Delete(json);
    mcvdi_free(path);
    return st;
}
