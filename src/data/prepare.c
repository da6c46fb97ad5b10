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
#include <sys/file.h>
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
#include "data/store.h"

enum { NUM_SPLITS = 2, MAX_THREADS = 64, MESSAGE_BYTES = 512, MAX_SETTINGS = 1 << 16 };

static const size_t max_clip_bytes = (size_t)8 << 30;

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

typedef struct preparation {
    const mcvd_prepare_config *config;
    const known_set *set;
    size_t image_size, channels;
    int lock;
    mcvd_prepare_result *result;
    cJSON *splits; /* of the manifest */
    mcvdi_clip_source_facts facts;
} preparation;

void mcvd_prepare_list(mcvd_dataset_list_fn fn, void *user)
{
    for (size_t i = 0; i < NUM_SETS; i++)
        fn(user, known_sets[i].name, known_sets[i].kind->help);
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
                               const char *extension, uint64_t bytes)
{
    o->fd = -1;
    o->path = mcvdi_sprintf("%s/%s.%s", p->config->folder, split, extension);
    if (!o->path)
        return no_memory();
    o->fd = open(o->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (o->fd < 0 || ftruncate(o->fd, (off_t)bytes) != 0 || lseek(o->fd, 0, SEEK_END) < 0)
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
    size_t num_frames;
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

static mcvd_status read_clip(const preparation *p, void *state, size_t clip, slot *s)
{
    const mcvdi_clip_source_kind *kind = p->set->kind;
    const mcvdi_clip_source_facts *f = &p->facts;
    mcvdi_clip_info info = { "", 0 };
    size_t bytes = 0;

    mcvd_status st = kind->info(state, clip, &info);
    s->name = mcvdi_strdup(info.name);
    if (st >= 0 && !s->name)
        st = no_memory();
    if (st < 0)
        return st;
    s->num_frames = info.num_frames;
    if (info.num_frames == 0)
        return mcvdi_fail(MCVD_E_DECODE, "no frame of it can be read");
    if (!mcvdi_mul_size(&bytes, info.num_frames, f->height * f->width * f->channels) ||
        bytes > max_clip_bytes)
        return mcvdi_fail(MCVD_E_FORMAT, "%zu frames are too many for a clip", info.num_frames);
    s->frames = mcvdi_malloc(bytes);
    if (f->action_dim)
        s->actions = mcvdi_calloc(info.num_frames, f->action_dim * sizeof *s->actions);
    if (!s->frames || (f->action_dim && !s->actions))
        return no_memory();
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

static bool is_damage(mcvd_status st)
{
    return st == MCVD_E_FORMAT || st == MCVD_E_DECODE || st == MCVD_E_INPUT;
}

static mcvd_status store_clip(const preparation *p, const split_files *files, const slot *s)
{
    const mcvdi_clip_source_facts *f = &p->facts;
    const size_t bytes = s->num_frames * f->height * f->width * f->channels;
    const size_t actions = s->num_frames * f->action_dim * sizeof(float);
    uint32_t crc = mcvdi_crc32c(0, s->frames, bytes);

    mcvd_status st = put(&files->frames, s->frames, bytes);
    if (st >= 0 && actions) {
        crc = mcvdi_crc32c(crc, s->actions, actions);
        st = put(&files->actions, s->actions, actions);
    }
    return st < 0 ? st : put_line(&files->index, s, NULL, crc);
}

static mcvd_status take_slot(preparation *p, mcvd_split split, const split_files *files,
                             const slot *s)
{
    if (s->status >= 0) {
        p->result->clips[split]++;
        p->result->frames[split] += s->num_frames;
        return store_clip(p, files, s);
    }
    if (!is_damage(s->status) || !s->name)
        return mcvdi_fail(s->status, "%s", s->message);
    mcvdi_log(MCVD_LOG_WARNING, "%s: left out: %s", s->name, s->message);
    p->result->skipped[split]++;
    return put_line(&files->index, s, s->message, 0);
}

static mcvd_status take_clips(preparation *p, mcvd_split split, void *state, size_t done,
                              const split_files *files)
{
    const size_t total = p->facts.num_clips;
    const int wanted = p->config->threads > 0 ? p->config->threads : mcvd_num_threads();
    const size_t side_by_side = wanted > MAX_THREADS ? MAX_THREADS : (size_t)wanted;
    slot slots[MAX_THREADS] = { { 0 } };
    mcvd_status st = MCVD_OK;

    while (st >= 0 && done < total) {
        const size_t count = total - done < side_by_side ? total - done : side_by_side;
        read_clips(p, state, done, count, slots);
        for (size_t i = 0; i < count; i++) {
            if (st >= 0)
                st = take_slot(p, split, files, &slots[i]);
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

/* What is there already, counted; the files cut to it. */
static mcvd_status resume_split(preparation *p, mcvd_split split, split_files *files, size_t *done)
{
    const mcvdi_clip_source_facts *f = &p->facts;
    const char *name = mcvdi_store_split(split);
    char *path = mcvdi_sprintf("%s/%s.index", p->config->folder, name);
    mcvdi_store_index index;
    mcvd_status st = path ? mcvdi_store_index_read(&index, path) : no_memory();

    mcvdi_free(path);
    if (st < 0)
        return st;
    *done = index.count;
    p->result->clips[split] = index.count - index.num_skipped;
    p->result->skipped[split] = index.num_skipped;
    p->result->frames[split] = index.num_frames;
    p->result->found += index.count;
    st = open_output(&files->index, p, name, "index", index.bytes);
    if (st >= 0)
        st = open_output(&files->frames, p, name, "frames",
                         index.num_frames * f->height * f->width * f->channels);
    if (st >= 0 && f->action_dim)
        st = open_output(&files->actions, p, name, "actions",
                         index.num_frames * f->action_dim * sizeof(float));
    if (st >= 0 && index.count > f->num_clips)
        st = mcvdi_fail(MCVD_E_EXISTS, "%s: its index has more clips than the source",
                        p->config->folder);
    mcvdi_store_index_release(&index);
    return st;
}

static mcvd_status prepare_split(preparation *p, mcvd_split split, void *state)
{
    split_files files = { { NULL, -1 }, { NULL, -1 }, { NULL, -1 } };
    size_t done = 0;

    mcvd_status st = resume_split(p, split, &files, &done);
    if (st >= 0)
        st = take_clips(p, split, state, done, &files);
    if (st >= 0 && p->result->clips[split] > 0)
        st = add_split(p, split, &files);
    close_output(&files.frames);
    close_output(&files.actions);
    close_output(&files.index);
    return st;
}

/* ---- The folder -------------------------------------------------------------------------- */

static mcvd_status lock_folder(preparation *p)
{
    char *path = mcvdi_sprintf("%s/lock", p->config->folder);

    if (!path)
        return no_memory();
    p->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    mcvd_status st = MCVD_OK;
    if (p->lock < 0)
        st = mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(errno));
    else if (flock(p->lock, LOCK_EX | LOCK_NB) != 0)
        st = mcvdi_fail(MCVD_E_STATE, "%s: another process prepares there", p->config->folder);
    mcvdi_free(path);
    return st;
}

static mcvd_status remove_file(const preparation *p, const char *name)
{
    char *path = mcvdi_sprintf("%s/%s", p->config->folder, name);
    mcvd_status st = path ? MCVD_OK : no_memory();

    if (st >= 0 && unlink(path) != 0 && errno != ENOENT)
        st = mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(errno));
    mcvdi_free(path);
    return st;
}

static mcvd_status clear_folder(const preparation *p)
{
    static const char *const names[] = { "manifest.json", "settings.json", "train.frames",
                                         "train.actions", "train.index",   "test.frames",
                                         "test.actions",  "test.index" };
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; st >= 0 && i < sizeof names / sizeof *names; i++)
        st = remove_file(p, names[i]);
    return st;
}

static char *describe_settings(const preparation *p)
{
    return mcvdi_sprintf("{\"dataset\":\"%s\",\"image_size\":%zu,\"channels\":%zu}\n", p->set->name,
                         p->image_size, p->channels);
}

/* An unfinished store of the same settings goes on; anything else is refused. */
static mcvd_status check_settings(const preparation *p)
{
    char *path = mcvdi_sprintf("%s/settings.json", p->config->folder);
    char *wanted = describe_settings(p);
    char *there = NULL;
    size_t bytes = 0;
    mcvd_status st = path && wanted ? MCVD_OK : no_memory();

    if (st >= 0 && mcvdi_path_exists(path)) {
        st = mcvdi_file_read(&there, &bytes, path, MAX_SETTINGS);
        if (st >= 0 && strcmp(there, wanted) != 0)
            st = mcvdi_fail(MCVD_E_EXISTS, "%s: was begun with other settings: %.200s",
                            p->config->folder, there);
    } else if (st >= 0) {
        st = mcvdi_file_write(path, wanted, strlen(wanted), false);
    }
    mcvdi_free(there);
    mcvdi_free(wanted);
    mcvdi_free(path);
    return st;
}

static mcvd_status open_folder(preparation *p)
{
    mcvd_status st = mcvdi_make_folders(p->config->folder);

    if (st >= 0)
        st = lock_folder(p);
    if (st >= 0 && p->config->force)
        st = clear_folder(p);
    if (st < 0)
        return st;
    char *manifest = mcvdi_sprintf("%s/manifest.json", p->config->folder);
    if (!manifest)
        st = no_memory();
    else if (mcvdi_path_exists(manifest))
        st = mcvdi_fail(MCVD_E_EXISTS, "%s: holds a finished store", p->config->folder);
    mcvdi_free(manifest);
    return st < 0 ? st : check_settings(p);
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
        !cJSON_AddItemToObject(m, "splits", p->splits)) {
        cJSON_Delete(m);
        return NULL;
    }
    p->splits = NULL;
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

static const known_set *find_set(const char *name)
{
    for (size_t i = 0; i < NUM_SETS; i++)
        if (strcasecmp(known_sets[i].name, name) == 0)
            return &known_sets[i];
    return NULL;
}

/* A missing split is said; *there tells. */
static mcvd_status do_split(preparation *p, mcvd_split split, bool *there)
{
    const mcvdi_clip_source_config sc = { p->config->source, split, p->image_size, p->channels };
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
    p->facts = facts;
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

mcvd_status mcvd_prepare(const mcvd_prepare_config *config, mcvd_prepare_result *result)
{
    preparation p = { .config = config, .lock = -1, .result = result };

    memset(result, 0, sizeof *result);
    p.set = find_set(config->dataset);
    if (!p.set)
        return mcvdi_fail(MCVD_E_USAGE, "no data set '%s' to prepare", config->dataset);
    if (!mcvdi_path_exists(config->source))
        return mcvdi_fail(MCVD_E_INPUT, "%s: no such file or folder", config->source);
    if (!p.set->kind->accepts(config->source))
        return mcvdi_fail(MCVD_E_INPUT, "%s: not %s: expected %s", config->source, p.set->name,
                          p.set->kind->help);
    p.image_size = config->image_size ? config->image_size : p.set->image_size;
    p.channels = config->channels ? config->channels : p.set->channels;
    p.splits = cJSON_CreateObject();
    mcvd_status st = p.splits ? open_folder(&p) : no_memory();
    if (st >= 0)
        st = do_splits(&p);
    result->bytes =
        (result->frames[0] + result->frames[1]) * p.facts.height * p.facts.width * p.facts.channels;
    if (st >= 0)
        st = write_manifest(&p);
    cJSON_Delete(p.splits);
    if (p.lock >= 0)
        close(p.lock);
    return st;
}

/* ---- Checking ---------------------------------------------------------------------------- */

static mcvd_status check_split(const char *folder, mcvd_split split, mcvd_prepare_result *result)
{
    const mcvdi_clip_source_kind *kind = &mcvdi_clip_source_store;
    const mcvdi_clip_source_config sc = { folder, split, 0, 0 };
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
        if (st >= 0)
            st = kind->read(state, i, 0, 1, frame, NULL); /* checks the whole clip */
        if (st < 0)
            st = mcvdi_fail_context(st, "%s", info.name);
        result->clips[split]++;
        result->frames[split] += info.num_frames;
    }
    result->bytes += result->frames[split] * facts.height * facts.width * facts.channels;
    mcvdi_free(frame);
    mcvdi_free(facts.describe);
    kind->free(&state);
    return st;
}

mcvd_status mcvd_prepare_check(const char *folder, mcvd_prepare_result *result)
{
    bool any = false;
    mcvd_status st = MCVD_OK;

    memset(result, 0, sizeof *result);
    if (!mcvdi_clip_source_store.accepts(folder))
        return mcvdi_fail(MCVD_E_INPUT, "%s: not a finished store of mcvd prepare", folder);
    for (int split = 0; st >= 0 && split < NUM_SPLITS; split++) {
        char *index = mcvdi_sprintf("%s/%s.frames", folder, mcvdi_store_split((mcvd_split)split));
        const bool there = index && mcvdi_path_exists(index);
        mcvdi_free(index);
        if (there)
            st = check_split(folder, (mcvd_split)split, result);
        any = any || there;
    }
    if (st >= 0 && !any)
        st = mcvdi_fail(MCVD_E_FORMAT, "%s: its frames are missing", folder);
    return st;
}
