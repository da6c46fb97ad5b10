/*
 * Making a store (store.h). Clips are decoded side by side and appended in their order; a clip's
 * line in the index is written after its frames, so that whole lines name whole clips.
 */
#include <mcvd/prepare.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <mcvd/threads.h>
#include <mcvd/version.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/crc32c.h"
#include "core/fileio.h"
#include "core/json.h"
#include "core/log.h"
#include "core/sha256.h"
#include "data/prepare_folder.h"
#include "data/prepare_resume.h"
#include "data/set_options.h"
#include "data/store.h"

enum { NUM_SPLITS = 2, MAX_THREADS = 64, MESSAGE_BYTES = 512 };

static const size_t piece_bytes = (size_t)64 << 20; /* a longer clip passes in pieces */
static const double default_test_fraction = 0.2;    /* of videos */

typedef struct known_set {
    const char *name;
    const mcvdi_clip_source_kind *kind;
    size_t image_size, channels;
} known_set;

static const known_set known_sets[] = {
    { "bair", &mcvdi_clip_source_bair, 64, 3 },
    { "cityscapes", &mcvdi_clip_source_cityscapes, 128, 3 },
    { "kth", &mcvdi_clip_source_kth, 64, 1 },
    { "ucf101", &mcvdi_clip_source_ucf101, 64, 3 },
    { "hdf5", &mcvdi_clip_source_hdf5, 64, 3 },
    { "videos", &mcvdi_clip_source_videos, 64, 3 },
};

enum { NUM_SETS = sizeof known_sets / sizeof *known_sets };

static const known_set *find_set(const char *name)
{
    for (size_t i = 0; i < NUM_SETS; i++)
        if (strcasecmp(known_sets[i].name, name) == 0)
            return &known_sets[i];
    return NULL;
}

typedef struct preparation {
    const mcvd_prepare_config *config;
    const known_set *set;
    size_t image_size, channels;
    mcvd_data_config data;
    mcvdi_prepare_folder folder;
    mcvd_prepare_result *result;
    cJSON *options, *splits; /* of the manifest */
    mcvdi_clip_source_facts facts;
} preparation;

void mcvd_prepare_list(mcvd_dataset_list_fn fn, void *user)
{
    for (size_t i = 0; i < NUM_SETS; i++)
        fn(user, known_sets[i].name, known_sets[i].kind->help);
}

mcvd_data_config mcvd_prepare_data_default(void)
{
    mcvd_config config;

    mcvd_config_default(&config);
    config.data.test_fraction = default_test_fraction;
    return config.data;
}

bool mcvd_prepare_has_option(const char *dataset, const char *key)
{
    const known_set *set = find_set(dataset);
    bool found = false;

    for (const char *const *o = set ? set->kind->options : NULL; o && *o; o++)
        found = found || strcmp(*o, key) == 0;
    return found;
}

static mcvd_status no_memory(void)
{
    return mcvdi_fail(MCVD_E_NOMEM, "prepare: out of memory");
}

/* ---- One split --------------------------------------------------------------------------- */

/* A file that grows. */
typedef struct output {
    char *path;
    int fd;
} output;

typedef struct split_files {
    output frames, actions, index;
} split_files;

static mcvd_status open_output(output *o, const preparation *p, const char *split,
                               const char *extension)
{
    o->path = mcvdi_sprintf("%s/%s.%s", p->config->folder, split, extension);
    if (!o->path)
        return no_memory();
    o->fd = open(o->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    return o->fd >= 0 ? MCVD_OK : mcvdi_fail(MCVD_E_IO, "%s: %s", o->path, strerror(errno));
}

/* What follows is written behind `bytes`. */
static mcvd_status cut_output(const output *o, uint64_t bytes)
{
    if (ftruncate(o->fd, (off_t)bytes) != 0 || lseek(o->fd, 0, SEEK_END) < 0)
        return mcvdi_fail(MCVD_E_IO, "%s: %s", o->path, strerror(errno));
    return MCVD_OK;
}

static void close_output(output *o)
{
    if (o->fd >= 0)
        close(o->fd);
    mcvdi_free(o->path);
}

static mcvd_status put(const output *o, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    while (bytes > 0) {
        const ssize_t n = write(o->fd, at, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mcvdi_fail(MCVD_E_IO, "%s: %s", o->path, strerror(errno));
        at += n;
        bytes -= (size_t)n;
    }
    return MCVD_OK;
}

/* A clip on its way from the source to the files. */
typedef struct slot {
    char *name;
    uint8_t *frames;
    float *actions;
    size_t clip; /* number in the source */
    size_t num_frames;
    size_t piece; /* frames of a piece of a long clip, which is read when it is stored; else 0 */
    mcvd_status status;
    char message[MESSAGE_BYTES];
} slot;

static void free_slot(slot *s)
{
    mcvdi_free(s->name);
    mcvdi_free(s->frames);
    mcvdi_free(s->actions);
    memset(s, 0, sizeof *s);
}

/* Of a clip without frames: what its first one fails with. */
static mcvd_status why_empty(const preparation *p, void *state, size_t clip)
{
    const mcvdi_clip_source_facts *f = &p->facts;
    uint8_t *frame = mcvdi_malloc(f->height * f->width * f->channels);
    float *actions = f->action_dim ? mcvdi_calloc(f->action_dim, sizeof *actions) : NULL;
    mcvd_status st = no_memory();

    if (frame && (actions || !f->action_dim))
        st = p->set->kind->read(state, clip, 0, 1, frame, actions);
    if (st >= 0)
        st = mcvdi_fail(MCVD_E_DECODE, "it has no frames");
    mcvdi_free(frame);
    mcvdi_free(actions);
    return st;
}

/* Memory for the frames of a clip, or of a piece, and for its actions. */
static mcvd_status allocate_slot(slot *s, const mcvdi_clip_source_facts *f)
{
    const size_t frame = f->height * f->width * f->channels;
    size_t count = s->num_frames;

    if (s->num_frames > piece_bytes / frame)
        count = s->piece = piece_bytes / frame > 0 ? piece_bytes / frame : 1;
    s->frames = mcvdi_malloc(count * frame);
    if (f->action_dim)
        s->actions = mcvdi_calloc(s->num_frames, f->action_dim * sizeof *s->actions);
    return s->frames && (s->actions || !f->action_dim) ? MCVD_OK : no_memory();
}

static mcvd_status read_clip(const preparation *p, void *state, size_t clip, slot *s)
{
    const mcvdi_clip_source_kind *kind = p->set->kind;
    mcvdi_clip_info info = { "", 0 };

    mcvd_status st = kind->info(state, clip, &info);
    s->clip = clip;
    s->name = mcvdi_strdup(info.name);
    if (st >= 0 && !s->name)
        st = no_memory();
    if (st < 0)
        return st;
    s->num_frames = info.num_frames;
    if (info.num_frames == 0)
        return why_empty(p, state, clip);
    if (info.num_frames > MCVDI_STORE_MAX_FRAMES)
        return mcvdi_fail(MCVD_E_FORMAT, "%zu frames are too many for a clip", info.num_frames);
    st = allocate_slot(s, &p->facts);
    if (st < 0 || s->piece)
        return st;
    return kind->read(state, clip, 0, info.num_frames, s->frames, s->actions);
}

/* Clips [first, first + count) side by side; messages are per thread and are kept. */
static void read_clips(const preparation *p, void *state, size_t first, size_t count, slot *slots)
{
#pragma omp parallel for schedule(dynamic) num_threads((int)count)
    for (size_t i = 0; i < count; i++) {
        slots[i].status = read_clip(p, state, first + i, &slots[i]);
        if (slots[i].status < 0)
            snprintf(slots[i].message, sizeof slots[i].message, "%s", mcvd_last_error());
    }
}

static mcvd_status put_line(const output *o, const slot *s, const char *skipped, uint32_t crc)
{
    cJSON *line = cJSON_CreateObject();
    char *text = NULL;
    mcvd_status st = no_memory();

    if (line && cJSON_AddStringToObject(line, "name", s->name) &&
        (skipped ? cJSON_AddStringToObject(line, "skipped", skipped) != NULL
                 : cJSON_AddNumberToObject(line, "frames", (double)s->num_frames) &&
                       cJSON_AddNumberToObject(line, "crc32c", (double)crc)))
        text = cJSON_PrintUnformatted(line);
    if (text) {
        st = put(o, text, strlen(text));
        if (st >= 0)
            st = put(o, "\n", 1);
    }
    cJSON_free(text);
    cJSON_Delete(line);
    return st;
}

/* The frames of a clip, and their checksum. */
static mcvd_status put_frames(const preparation *p, void *state, const output *o, const slot *s,
                              uint32_t *crc)
{
    const mcvdi_clip_source_facts *f = &p->facts;
    const size_t frame = f->height * f->width * f->channels;
    const size_t step = s->piece ? s->piece : s->num_frames;
    mcvd_status st = MCVD_OK;

    *crc = 0;
    for (size_t at = 0; st >= 0 && at < s->num_frames; at += step) {
        const size_t n = s->num_frames - at < step ? s->num_frames - at : step;
        if (s->piece)
            st = p->set->kind->read(state, s->clip, at, n, s->frames,
                                    s->actions ? s->actions + at * f->action_dim : NULL);
        if (st < 0)
            break;
        *crc = mcvdi_crc32c(*crc, s->frames, n * frame);
        st = put(o, s->frames, n * frame);
    }
    return st;
}

static mcvd_status store_clip(const preparation *p, void *state, const split_files *files,
                              const slot *s)
{
    const size_t actions = s->num_frames * p->facts.action_dim * sizeof(float);
    uint32_t crc = 0;

    mcvd_status st = put_frames(p, state, &files->frames, s, &crc);
    if (st >= 0 && actions) {
        crc = mcvdi_crc32c(crc, s->actions, actions);
        st = put(&files->actions, s->actions, actions);
    }
    return st < 0 ? st : put_line(&files->index, s, NULL, crc);
}

static mcvd_status take_slot(preparation *p, mcvd_split split, void *state,
                             const split_files *files, slot *s)
{
    const mcvdi_clip_source_facts *f = &p->facts;
    const uint64_t before = p->result->frames[split] * f->height * f->width * f->channels;

    if (s->status >= 0)
        s->status = store_clip(p, state, files, s);
    if (s->status >= 0) {
        p->result->clips[split]++;
        p->result->frames[split] += s->num_frames;
        return MCVD_OK;
    }
    if (s->piece &&
        mcvdi_clip_is_damaged(s->status)) { /* pieces before the damage are in the file */
        snprintf(s->message, sizeof s->message, "%s", mcvd_last_error());
        const mcvd_status st = cut_output(&files->frames, before);
        if (st < 0)
            return st;
    } else if (!s->message[0]) {
        return s->status; /* of writing; its own message stands */
    }
    if (!mcvdi_clip_is_damaged(s->status) || !s->name)
        return mcvdi_fail(s->status, "%s", s->message);
    mcvdi_log(MCVD_LOG_WARNING, "%s: left out: %s", s->name, s->message);
    p->result->skipped[split]++;
    return put_line(&files->index, s, s->message, 0);
}

/* Those that are not there yet. */
static mcvd_status take_clips(preparation *p, mcvd_split split, void *state,
                              const split_files *files)
{
    const size_t total = p->facts.num_clips;
    size_t done = p->result->clips[split] + p->result->skipped[split];
    const int wanted = p->config->threads > 0 ? p->config->threads : mcvd_num_threads();
    const size_t side_by_side = wanted > MAX_THREADS ? MAX_THREADS : (size_t)wanted;
    slot slots[MAX_THREADS] = { { 0 } };
    mcvd_status st = MCVD_OK;

    while (st >= 0 && done < total) {
        const size_t count = total - done < side_by_side ? total - done : side_by_side;
        read_clips(p, state, done, count, slots);
        for (size_t i = 0; i < count; i++) {
            if (st >= 0)
                st = take_slot(p, split, state, files, &slots[i]);
            free_slot(&slots[i]);
        }
        done += count;
        if (st >= 0 && p->config->progress &&
            p->config->progress(p->config->user, split, done, total))
            st = mcvdi_fail(MCVD_E_INTERRUPTED, "stopped after %zu of %zu %s clips", done, total,
                            mcvdi_store_split(split));
    }
    return st;
}

static mcvd_status sync_output(const output *o)
{
    if (o->fd >= 0 && fsync(o->fd) != 0)
        return mcvdi_fail(MCVD_E_IO, "%s: %s", o->path, strerror(errno));
    return MCVD_OK;
}

static mcvd_status add_split(preparation *p, mcvd_split split, const split_files *files)
{
    cJSON *own = cJSON_AddObjectToObject(p->splits, mcvdi_store_split(split));
    char sha[MCVDI_SHA256_HEX];
    mcvd_status st = sync_output(&files->frames);

    if (st >= 0)
        st = sync_output(&files->actions);
    if (st >= 0)
        st = sync_output(&files->index);
    if (st >= 0)
        st = mcvdi_sha256_file(sha, files->index.path);
    if (st < 0)
        return st;
    if (!own || !cJSON_AddNumberToObject(own, "clips", (double)p->result->clips[split]) ||
        !cJSON_AddNumberToObject(own, "frames", (double)p->result->frames[split]) ||
        !cJSON_AddNumberToObject(own, "skipped", (double)p->result->skipped[split]) ||
        !cJSON_AddStringToObject(own, "index_sha256", sha))
        return no_memory();
    return MCVD_OK;
}

static mcvd_status open_files(const preparation *p, mcvd_split split, split_files *files)
{
    const char *name = mcvdi_store_split(split);
    mcvd_status st = open_output(&files->index, p, name, "index");

    if (st >= 0)
        st = open_output(&files->frames, p, name, "frames");
    if (st >= 0 && p->facts.action_dim)
        st = open_output(&files->actions, p, name, "actions");
    return st;
}

static mcvd_status cut_files(const preparation *p, const split_files *files,
                             const mcvdi_store_index *index)
{
    const mcvdi_clip_source_facts *f = &p->facts;
    mcvd_status st = cut_output(&files->index, index->bytes);

    if (st >= 0)
        st = cut_output(&files->frames, index->num_frames * f->height * f->width * f->channels);
    if (st >= 0 && f->action_dim)
        st = cut_output(&files->actions, index->num_frames * f->action_dim * sizeof(float));
    return st;
}

/* What is there already, counted; the files cut to it. */
static mcvd_status resume_split(preparation *p, mcvd_split split, void *state,
                                const split_files *files)
{
    mcvdi_store_index index;
    const mcvdi_prepare_found found = { .folder = p->config->folder,
                                        .index = &index,
                                        .frames = files->frames.fd,
                                        .actions = files->actions.fd,
                                        .kind = p->set->kind,
                                        .state = state,
                                        .facts = &p->facts };

    mcvd_status st = mcvdi_store_index_read(&index, files->index.path);
    if (st < 0)
        return st;
    st = mcvdi_prepare_keep(&found);
    if (st >= 0)
        st = cut_files(p, files, &index);
    p->result->clips[split] = index.count - index.num_skipped;
    p->result->skipped[split] = index.num_skipped;
    p->result->frames[split] = index.num_frames;
    p->result->found += index.count;
    mcvdi_store_index_release(&index);
    return st;
}

static mcvd_status prepare_split(preparation *p, mcvd_split split, void *state)
{
    split_files files = { { NULL, -1 }, { NULL, -1 }, { NULL, -1 } };

    mcvd_status st = open_files(p, split, &files);
    if (st >= 0)
        st = resume_split(p, split, state, &files);
    if (st >= 0)
        st = take_clips(p, split, state, &files);
    if (st >= 0 && p->result->clips[split] > 0)
        st = add_split(p, split, &files);
    close_output(&files.frames);
    close_output(&files.actions);
    close_output(&files.index);
    return st;
}

/* ---- Settings and manifest --------------------------------------------------------------- */

/* One line that tells what is prepared; NULL out of memory. */
static char *describe_settings(const preparation *p)
{
    char *options = cJSON_PrintUnformatted(p->options);
    char *text = options ? mcvdi_sprintf("{\"dataset\":\"%s\",\"image_size\":%zu,\"channels\":%zu,"
                                         "\"options\":%s}\n",
                                         p->set->name, p->image_size, p->channels, options)
                         : NULL;

    cJSON_free(options);
    return text;
}

/* The object takes the item over. */
static bool give(cJSON *object, const char *name, cJSON **item)
{
    const bool given = cJSON_AddItemToObject(object, name, *item);

    if (given)
        *item = NULL;
    return given;
}

static cJSON *make_manifest(preparation *p)
{
    const mcvdi_clip_source_facts *f = &p->facts;
    cJSON *m = cJSON_CreateObject();

    if (!m || !cJSON_AddNumberToObject(m, "format", MCVDI_STORE_FORMAT) ||
        !cJSON_AddStringToObject(m, "dataset", f->set ? f->set : p->set->kind->name) ||
        !cJSON_AddStringToObject(m, "source", p->config->source) ||
        !cJSON_AddNumberToObject(m, "height", (double)f->height) ||
        !cJSON_AddNumberToObject(m, "width", (double)f->width) ||
        !cJSON_AddNumberToObject(m, "channels", (double)f->channels) ||
        !cJSON_AddNumberToObject(m, "action_dim", (double)f->action_dim) ||
        !cJSON_AddNumberToObject(m, "test_left", (double)f->test_left) ||
        !cJSON_AddNumberToObject(m, "test_step", (double)(f->test_step ? f->test_step : 1)) ||
        !cJSON_AddNumberToObject(m, "test_declared", (double)f->test_declared) ||
        !cJSON_AddBoolToObject(m, "may_flip", f->may_flip) ||
        !cJSON_AddStringToObject(m, "code", "mcvd " MCVD_VERSION) ||
        !give(m, "options", &p->options) || !give(m, "splits", &p->splits)) {
        cJSON_Delete(m);
        return NULL;
    }
    return m;
}

static mcvd_status write_manifest(preparation *p)
{
    char *path = mcvdi_sprintf("%s/manifest.json", p->config->folder);
    cJSON *manifest = make_manifest(p);
    char *text = manifest ? cJSON_Print(manifest) : NULL;
    mcvd_status st = path && text ? mcvdi_file_write(path, text, strlen(text), false) : no_memory();

    cJSON_free(text);
    cJSON_Delete(manifest);
    mcvdi_free(path);
    return st;
}

/* ---- The whole --------------------------------------------------------------------------- */

/* Of the set whose clips they are: shards have no choice, and those of KTH are whole files. */
static const char *const *options_of(const preparation *p)
{
    const known_set *set = p->facts.set ? find_set(p->facts.set) : NULL;

    return (set ? set : p->set)->kind->options;
}

static mcvd_status open_folder(preparation *p)
{
    p->splits = cJSON_CreateObject();
    mcvd_status st =
        p->splits ? mcvdi_set_options(&p->options, options_of(p), &p->data) : no_memory();
    char *settings = st >= 0 ? describe_settings(p) : NULL;

    if (st >= 0)
        st = settings ? mcvdi_prepare_folder_open(&p->folder, p->config->folder, settings,
                                                  p->config->force)
                      : no_memory();
    mcvdi_free(settings);
    return st;
}

/* Both splits of a store have frames of one shape. */
static mcvd_status check_shape(const preparation *p, const mcvdi_clip_source_facts *f)
{
    const mcvdi_clip_source_facts *g = &p->facts;

    if (!g->height || (g->height == f->height && g->width == f->width &&
                       g->channels == f->channels && g->action_dim == f->action_dim))
        return MCVD_OK;
    return mcvdi_fail(
        MCVD_E_FORMAT, "%s: frames of %zux%zux%zu for training and of %zux%zux%zu for testing",
        p->config->source, g->width, g->height, g->channels, f->width, f->height, f->channels);
}

/* A missing split is said; *there tells. */
static mcvd_status do_split(preparation *p, mcvd_split split, bool *there)
{
    const mcvdi_clip_source_config sc = { p->config->source, split, p->image_size, p->channels,
                                          &p->data };
    mcvdi_clip_source_facts facts;
    void *state = NULL;

    *there = false;
    mcvd_status st = p->set->kind->open(&state, &facts, &sc);
    if (st == MCVD_E_INPUT) {
        mcvdi_log(MCVD_LOG_WARNING, "no %s split: %s", mcvdi_store_split(split), mcvd_last_error());
        return MCVD_OK;
    }
    if (st < 0)
        return st;
    st = check_shape(p, &facts);
    p->facts = facts;
    if (st >= 0 && !p->splits)
        st = open_folder(p); /* not before there is something to put in */
    if (st >= 0)
        st = prepare_split(p, split, state);
    p->set->kind->free(&state);
    mcvdi_free(facts.describe);
    p->facts.describe = NULL;
    *there = st >= 0;
    return st;
}

static mcvd_status do_splits(preparation *p)
{
    bool any = false;
    mcvd_status st = MCVD_OK;

    for (int split = 0; st >= 0 && split < NUM_SPLITS; split++) {
        bool there = false;
        st = do_split(p, (mcvd_split)split, &there);
        any = any || there;
    }
    if (st >= 0 && (!any || !(p->result->clips[0] + p->result->clips[1])))
        st = mcvdi_fail(MCVD_E_INPUT, "%s: nothing of %s can be prepared from it",
                        p->config->source, p->set->name);
    return st;
}

static mcvd_status find_source(preparation *p)
{
    const mcvd_prepare_config *c = p->config;

    p->set = find_set(c->dataset);
    if (!p->set)
        return mcvdi_fail(MCVD_E_USAGE, "no data set '%s' to prepare%s", c->dataset,
                          strcasecmp(c->dataset, "smmnist") == 0
                              ? ": moving digits are drawn when they are needed"
                              : "");
    if (!mcvdi_path_exists(c->source))
        return mcvdi_fail(MCVD_E_INPUT, "%s: no such file or folder", c->source);
    if (!p->set->kind->accepts(c->source))
        return mcvdi_fail(MCVD_E_INPUT, "%s: not %s: expected %s", c->source, p->set->name,
                          p->set->kind->help);
    p->image_size = c->image_size ? c->image_size : p->set->image_size;
    p->channels = c->channels ? c->channels : p->set->channels;
    p->data = c->data ? *c->data : mcvd_prepare_data_default();
    return MCVD_OK;
}

mcvd_status mcvd_prepare(const mcvd_prepare_config *config, mcvd_prepare_result *result)
{
    preparation p = { .config = config, .folder = { .lock = -1 }, .result = result };

    memset(result, 0, sizeof *result);
    mcvd_status st = find_source(&p);
    if (st >= 0)
        st = do_splits(&p);
    result->bytes =
        (result->frames[0] + result->frames[1]) * p.facts.height * p.facts.width * p.facts.channels;
    if (st >= 0)
        st = write_manifest(&p);
    cJSON_Delete(p.options);
    cJSON_Delete(p.splits);
    mcvdi_prepare_folder_close(&p.folder);
    return st;
}

/* ---- Checking ---------------------------------------------------------------------------- */

static mcvd_status check_split(const char *folder, mcvd_split split, mcvd_prepare_result *result)
{
    const mcvdi_clip_source_kind *kind = &mcvdi_clip_source_store;
    const mcvdi_clip_source_config sc = { .path = folder, .split = split };
    mcvdi_clip_source_facts facts;
    void *state = NULL;

    mcvd_status st = kind->open(&state, &facts, &sc);
    if (st < 0)
        return st;
    uint8_t *frame = mcvdi_malloc(facts.height * facts.width * facts.channels);
    if (!frame)
        st = no_memory();
    for (size_t i = 0; st >= 0 && i < facts.num_clips; i++) {
        mcvdi_clip_info info;
        st = kind->info(state, i, &info);
        result->skipped[split] += !info.num_frames;
        result->clips[split] += info.num_frames > 0;
        result->frames[split] += info.num_frames;
        if (st >= 0 && info.num_frames)
            st = kind->read(state, i, 0, 1, frame, NULL); /* checks the whole clip */
        if (st < 0)
            st = mcvdi_fail_context(st, "%s", info.name);
    }
    result->bytes += result->frames[split] * facts.height * facts.width * facts.channels;
    mcvdi_free(frame);
    mcvdi_free(facts.describe);
    kind->free(&state);
    return st;
}

mcvd_status mcvd_prepare_check(const char *folder, mcvd_prepare_result *result)
{
    bool there[NUM_SPLITS];

    memset(result, 0, sizeof *result);
    if (!mcvdi_clip_source_store.accepts(folder))
        return mcvdi_fail(MCVD_E_INPUT, "%s: not a finished store of mcvd prepare", folder);
    mcvd_status st = mcvdi_store_splits(there, folder);
    for (int split = 0; st >= 0 && split < NUM_SPLITS; split++)
        if (there[split])
            st = check_split(folder, (mcvd_split)split, result);
    if (st >= 0 && !there[0] && !there[1])
        st = mcvdi_fail(MCVD_E_FORMAT, "%s: its manifest has no split", folder);
    return st;
}
