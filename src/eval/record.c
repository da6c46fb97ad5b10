#include "eval/record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <mcvd/safetensors.h>
#include <mcvd/version.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/log.h"
#include "core/sha256.h"

static const char digest_key[] = "sha256";

enum { NAME_BYTES = 32, MAX_RUN_BYTES = 1 << 20 };

static mcvd_status no_memory(void)
{
    return mcvdi_fail(MCVD_E_NOMEM, "evaluation: a record");
}

/* Everything that decides what a record holds, as one text. Seeds and sizes are in the protocol. */
static char *describe_run(const mcvd_eval_report *report, const mcvd_eval_options *options)
{
    cJSON *protocol = mcvdi_eval_protocol_dump(&report->protocol);
    char *printed = NULL;
    char *text = NULL;

    if (protocol)
        printed = cJSON_PrintUnformatted(protocol);
    if (printed)
        text = mcvdi_sprintf("%s\n%s\nmetrics %u\nlpips %s\nfeatures %s\ncode %s\n", printed,
                             options->fingerprint ? options->fingerprint : "", report->metrics,
                             report->lpips_sha256 ? report->lpips_sha256 : "-",
                             report->features_sha256 ? report->features_sha256 : "-", MCVD_VERSION);
    cJSON_free(printed);
    cJSON_Delete(protocol);
    return text;
}

static mcvd_status remove_records(const char *folder)
{
    char **names = NULL;
    size_t count = 0;
    mcvd_status st = mcvdi_folder_names(&names, &count, folder);

    for (size_t i = 0; st >= 0 && i < count; i++) {
        if (strncmp(names[i], "clip-", 5) != 0 || !strstr(names[i], ".safetensors"))
            continue;
        char *path = mcvdi_sprintf("%s/%s", folder, names[i]);
        if (!path)
            st = no_memory();
        else if (unlink(path) != 0)
            st = mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(errno));
        mcvdi_free(path);
    }
    mcvdi_names_free(&names, count);
    return st;
}

enum { EXCERPT = 48 };

/* The part of a text around byte `at`, on its line. */
static void excerpt(char out[EXCERPT + 1], const char *text, size_t at)
{
    size_t from = at;
    size_t n = 0;

    while (from > 0 && at - from < EXCERPT / 2 && text[from - 1] != '\n')
        from--;
    while (n < EXCERPT && text[from + n] && text[from + n] != '\n') {
        out[n] = text[from + n];
        n++;
    }
    out[n] = '\0';
}

static mcvd_status refuse_other_run(const char *folder, const char *there, const char *here)
{
    char old[EXCERPT + 1];
    char new[EXCERPT + 1];
    size_t at = 0;

    while (there[at] && there[at] == here[at])
        at++;
    excerpt(old, there, at);
    excerpt(new, here, at);
    return mcvdi_fail(MCVD_E_EXISTS,
                      "%s holds clips of another run (other model, sampler, data, protocol or "
                      "version): there '%s', here '%s'; another folder, or a new start there",
                      folder, old, new);
}

/* run.txt names the run; another text there means other records. */
static mcvd_status claim_folder(const char *folder, const char *run, bool restart)
{
    char *path = mcvdi_sprintf("%s/run.txt", folder);
    char *there = NULL;
    size_t bytes = 0;
    mcvd_status st = path ? MCVD_OK : no_memory();

    if (st >= 0 && mcvdi_path_exists(path))
        st = mcvdi_file_read(&there, &bytes, path, MAX_RUN_BYTES);
    const bool same = there && strcmp(there, run) == 0;
    if (st >= 0 && there && !same && !restart)
        st = refuse_other_run(folder, there, run);
    if (st >= 0 && !same)
        st = remove_records(folder);
    if (st >= 0 && !same)
        st = mcvdi_file_write(path, run, strlen(run), true);
    mcvdi_free(there);
    mcvdi_free(path);
    return st;
}

mcvd_status mcvdi_eval_records_open(const mcvd_eval_report *report,
                                    const mcvd_eval_options *options)
{
    if (!options->work)
        return MCVD_OK;
    char *run = describe_run(report, options);
    mcvd_status st = run ? mcvdi_make_folders(options->work) : no_memory();

    if (st >= 0)
        st = claim_folder(options->work, run, options->restart);
    mcvdi_free(run);
    return st;
}

static char *record_path(const mcvd_eval_options *options, size_t clip)
{
    return mcvdi_sprintf("%s/clip-%06zu.safetensors", options->work, clip);
}

static void share_name(char name[NAME_BYTES], size_t i)
{
    snprintf(name, NAME_BYTES, "share.%zu", i);
}

/* Of all values of a clip: a record with a flipped bit still is a well-formed file. */
static mcvd_status hash_shares(char hex[MCVDI_SHA256_HEX], const mcvdi_eval_share *shares,
                               size_t count)
{
    mcvdi_sha256 *sha = NULL;
    const mcvd_status st = mcvdi_sha256_create(&sha);

    if (st < 0)
        return st;
    for (size_t i = 0; i < count; i++)
        mcvdi_sha256_add(sha, shares[i].values, shares[i].count * sizeof(double));
    mcvdi_sha256_end(sha, hex);
    mcvdi_sha256_free(&sha);
    return MCVD_OK;
}

static mcvd_status read_shares(mcvd_eval_report *report, const mcvd_safetensors *file, size_t clip)
{
    mcvdi_eval_share shares[MCVDI_EVAL_SHARES];
    const size_t count = mcvdi_eval_report_shares(report, clip, shares);
    const char *expected = mcvd_safetensors_metadata(file, digest_key);
    char hex[MCVDI_SHA256_HEX];
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; st >= 0 && i < count; i++) {
        char name[NAME_BYTES];
        mcvd_tensor tensor;
        share_name(name, i);
        st = mcvd_safetensors_get(file, name, &tensor);
        if (st >= 0 && (tensor.dtype != MCVD_F64 || mcvd_tensor_numel(&tensor) != shares[i].count))
            st = mcvdi_fail(MCVD_E_FORMAT, "tensor %s does not fit", name);
        if (st >= 0)
            memcpy(shares[i].values, tensor.data, shares[i].count * sizeof(double));
    }
    if (st >= 0)
        st = hash_shares(hex, shares, count);
    if (st >= 0 && (!expected || strcmp(hex, expected) != 0))
        st = mcvdi_fail(MCVD_E_FORMAT, "its SHA-256 is not that of its values");
    return st;
}

mcvd_status mcvdi_eval_record_read(mcvd_eval_report *report, const mcvd_eval_options *options,
                                   size_t clip, bool *found)
{
    mcvd_safetensors *file = NULL;

    *found = false;
    if (!options->work)
        return MCVD_OK;
    char *path = record_path(options, clip);
    if (!path)
        return no_memory();
    if (!mcvdi_path_exists(path)) {
        mcvdi_free(path);
        return MCVD_OK;
    }
    mcvd_status st = mcvd_safetensors_open(&file, path);
    if (st >= 0)
        st = read_shares(report, file, clip);
    mcvd_safetensors_close(&file);
    *found = st >= 0;
    if (st < 0 && st != MCVD_E_NOMEM) {
        mcvdi_log(MCVD_LOG_WARNING, "%s: damaged (%s); computed again", path, mcvd_last_error());
        st = MCVD_OK;
    }
    mcvdi_free(path);
    return st;
}

mcvd_status mcvdi_eval_record_write(mcvd_eval_report *report, const mcvd_eval_options *options,
                                    size_t clip)
{
    mcvdi_eval_share shares[MCVDI_EVAL_SHARES];
    mcvd_safetensors_entry entries[MCVDI_EVAL_SHARES];
    char names[MCVDI_EVAL_SHARES][NAME_BYTES];

    if (!options->work)
        return MCVD_OK;
    const size_t count = mcvdi_eval_report_shares(report, clip, shares);
    char hex[MCVDI_SHA256_HEX];
    mcvd_status st = hash_shares(hex, shares, count);
    if (st < 0)
        return st;
    for (size_t i = 0; i < count; i++) {
        share_name(names[i], i);
        entries[i].name = names[i];
        entries[i].tensor = mcvd_tensor_view(MCVD_F64, shares[i].values, 1, &shares[i].count);
    }
    char *path = record_path(options, clip);
    if (!path)
        return no_memory();
    const mcvd_safetensors_meta meta = { digest_key, hex };
    st = mcvd_safetensors_write(path, entries, count, &meta, 1, true);
    mcvdi_free(path);
    return st;
}
