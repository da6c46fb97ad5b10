/* Where the files of a run go, who does which clips, with which feature networks. */
#include "cli/eval_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/fail.h"
#include "cli/path.h"
#include "cli/signals.h"

/* --- output folder --- */

/* The nearest folder above that exists takes files. */
static mcvd_status check_writable(const char *folder)
{
    char path[EVAL_PATH_BYTES];
    struct stat info;
    const mcvd_status st = mcvdi_path(path, sizeof path, "%s", folder);

    if (st < 0)
        return st;
    while (stat(path, &info) != 0 && errno == ENOENT) {
        char *slash = strrchr(path, '/');
        if (!slash)
            snprintf(path, sizeof path, ".");
        else
            slash[slash == path] = '\0';
    }
    if (stat(path, &info) != 0)
        return mcvdi_cli_fail(MCVD_E_IO, "--out %s: %s", folder, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return mcvdi_cli_fail(MCVD_E_IO, "--out %s: %s is not a folder", folder, path);
    if (access(path, W_OK | X_OK) != 0)
        return mcvdi_cli_fail(MCVD_E_IO, "--out %s: %s: %s", folder, path, strerror(errno));
    return MCVD_OK;
}

/* Whether OUT/name is there. */
static mcvd_status is_there(bool *there, const char *out, const char *name)
{
    char path[EVAL_PATH_BYTES];
    const mcvd_status st = mcvdi_path(path, sizeof path, "%s/%s", out, name);

    *there = st >= 0 && access(path, F_OK) == 0;
    return st;
}

/* A report is whole when scores.json is there, which is written last: without it, the other files
 * beside records of clips are what a kill has left, and the same run writes them again. */
static mcvd_status check_out(eval_run *r)
{
    static const char *const names[] = { "scores.json", "per_clip.csv", "table.md" };
    const char *out = r->a.out;
    bool records = false;

    r->replace = r->a.force;
    if (!out)
        return MCVD_OK;
    mcvd_status st = is_there(&records, out, "clips/run.txt");
    for (size_t i = 0; st >= 0 && !r->a.force && i < sizeof names / sizeof *names; i++) {
        bool there = false;
        st = is_there(&there, out, names[i]);
        if (st >= 0 && there && (i == 0 || !records))
            return mcvdi_cli_fail(MCVD_E_EXISTS, "%s/%s exists already; --force replaces it", out,
                                  names[i]);
        r->replace = r->replace || there;
    }
    return st < 0 ? st : check_writable(out);
}

/* --- records, shards, features --- */

static mcvd_status read_shard(eval_run *r)
{
    char end = '\0';
    unsigned shard = 0;
    unsigned count = 0;

    if (!r->a.shard)
        return MCVD_OK;
    if (sscanf(r->a.shard, "%u/%u%c", &shard, &count, &end) != 2 || count < 1 || shard >= count ||
        count > 10000)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--shard %s: expected I/N with 0 <= I < N", r->a.shard);
    if (!r->a.out)
        return mcvdi_cli_fail(MCVD_E_USAGE, "--shard needs --out DIR, where the parts meet");
    r->options.shard = shard;
    r->options.num_shards = count;
    return MCVD_OK;
}

mcvd_status eval_run_check_arguments(eval_run *r)
{
    const mcvd_status st = check_out(r);

    return st < 0 ? st : read_shard(r);
}

static bool wants_features(const eval_run *r)
{
    return !r->a.features || strcmp(r->a.features, "none") != 0;
}

/* Where the weights of a network are; "" and a note where they are not. */
static mcvd_status find_weights(const eval_run *r, mcvd_extractor_kind kind, const char *note,
                                char path[EVAL_PATH_BYTES])
{
    const mcvd_status st = mcvd_extractor_path(path, EVAL_PATH_BYTES, kind, r->a.features);

    if (st != MCVD_E_INPUT)
        return st;
    *path = '\0';
    mcvdi_cli_note("%s: %s", note, mcvd_last_error());
    return MCVD_OK;
}

/* LPIPS where its weights are, FVD or its stand-in; a folder that was named must have some of the
 * weights. */
static mcvd_status open_features(eval_run *r)
{
    const bool scored = r->job.task != MCVD_TASK_GENERATE;
    char alexnet[EVAL_PATH_BYTES] = "";
    char i3d[EVAL_PATH_BYTES] = "";
    mcvd_status st = MCVD_OK;

    if (!wants_features(r))
        return MCVD_OK;
    if (scored)
        st = find_weights(r, MCVD_EXTRACTOR_ALEXNET, "no LPIPS", alexnet);
    if (st >= 0)
        st = find_weights(r, MCVD_EXTRACTOR_I3D, "fvd-proxy instead of FVD", i3d);
    if (st >= 0 && r->a.features && !*alexnet && !*i3d)
        st = mcvdi_cli_fail(MCVD_E_MODEL,
                            "--features %s: no weights of a network are there; none: do without",
                            r->a.features);
    if (st >= 0 && *alexnet)
        st = mcvd_lpips_open(&r->options.lpips, alexnet);
    if (st < 0)
        return st;
    return mcvd_video_features_open(
        &r->options.features, *i3d ? MCVD_EXTRACTOR_I3D : MCVD_EXTRACTOR_PROXY, *i3d ? i3d : NULL);
}

/* The pixels of the first, the middle and the last clip: what the data is, wherever it lies. */
static mcvd_status hash_data(eval_run *r)
{
    const size_t clips = r->job.num_clips;
    const size_t chosen[] = { 0, clips / 2, clips - 1 };
    const size_t count = sizeof chosen / sizeof *chosen;
    const size_t bytes = mcvd_dataset_clip_bytes(r->job.dataset);
    uint8_t *pixels = clips ? calloc(count, bytes) : NULL;
    mcvd_status st = MCVD_OK;

    if (clips && !pixels)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "eval: out of memory for %zu clips", count);
    for (size_t i = 0; clips && st >= 0 && i < count; i++)
        st = mcvd_dataset_window(r->job.dataset, chosen[i], pixels + i * bytes);
    if (clips && st >= 0)
        st = mcvd_sha256(r->data_sha256, pixels, count * bytes);
    free(pixels);
    return st;
}

/* What decides the predictions, beside the protocol: weights, configuration, data. */
static mcvd_status make_fingerprint(eval_run *r)
{
    mcvd_status st = mcvd_file_sha256(r->model_sha256, mcvd_model_path(r->model));

    if (st >= 0)
        st = hash_data(r);
    if (st < 0)
        return st;
    char *config = mcvd_config_dump(&r->config);
    if (!config)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "eval: out of memory");
    const size_t bytes = strlen(config) + 2 * MCVD_SHA256_HEX + 128;
    r->fingerprint = malloc(bytes);
    if (r->fingerprint)
        snprintf(r->fingerprint, bytes, "model %s\nclips together %zu\ndata %s, %zu clips\n%s",
                 r->model_sha256, r->job.chunk, r->data_sha256, r->job.num_clips, config);
    mcvd_text_free(config);
    return r->fingerprint ? MCVD_OK : mcvdi_cli_fail(MCVD_E_NOMEM, "eval: out of memory");
}

static int on_clip(void *user, size_t clip, bool found)
{
    eval_run *r = user;

    (void)clip;
    if (found)
        r->job.found++;
    return *mcvdi_signals_flag() != 0;
}

mcvd_status eval_run_set_options(eval_run *r)
{
    mcvd_eval_options *o = &r->options;
    mcvd_status st = open_features(r);

    if (st >= 0 && r->a.out)
        st = mcvdi_path(r->work, sizeof r->work, "%s/clips", r->a.out);
    if (st >= 0)
        st = make_fingerprint(r);
    o->work = r->a.out ? r->work : NULL;
    o->fingerprint = r->fingerprint;
    o->restart = r->a.force;
    o->group = r->job.chunk;
    o->on_clip = on_clip;
    o->user = r;
    return st;
}
