#include "train/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mcvd/memory.h>

#include "core/alloc.h"
#include "core/fileio.h"

enum { MAX_JOURNAL_BYTES = 1 << 30 };

struct mcvdi_journal {
    FILE *file;
    char *path;
};

/* Every line starts with {"step":N, so that cutting needs no parser. */
static bool line_is_kept(const char *line, uint64_t first_step)
{
    static const char start[] = "{\"step\":";

    if (strncmp(line, start, sizeof start - 1) != 0)
        return false;
    return strtoull(line + sizeof start - 1, NULL, 10) <= first_step;
}

/* Bytes of the leading lines that stay. */
static size_t kept_bytes(const char *text, size_t bytes, uint64_t first_step)
{
    size_t kept = 0;

    while (kept < bytes) {
        const char *end = memchr(text + kept, '\n', bytes - kept);
        if (!end || !line_is_kept(text + kept, first_step))
            break;
        kept = (size_t)(end - text) + 1;
    }
    return kept;
}

static mcvd_status cut_journal(const char *path, uint64_t first_step)
{
    char *text = NULL;
    size_t bytes = 0;

    if (!mcvdi_path_exists(path))
        return MCVD_OK;
    mcvd_status st = mcvdi_file_read(&text, &bytes, path, MAX_JOURNAL_BYTES);
    if (st < 0)
        return st;
    const size_t kept = kept_bytes(text, bytes, first_step);
    if (kept < bytes)
        st = mcvdi_file_write(path, text, kept, true);
    mcvdi_free(text);
    return st;
}

mcvd_status mcvdi_journal_open(mcvdi_journal **out, const char *path, uint64_t first_step)
{
    *out = NULL;
    const mcvd_status st = cut_journal(path, first_step);
    if (st < 0)
        return st;
    mcvdi_journal *journal = mcvdi_calloc(1, sizeof *journal);
    if (journal)
        journal->path = mcvdi_strdup(path);
    if (!journal || !journal->path) {
        mcvdi_journal_close(&journal);
        return mcvdi_fail(MCVD_E_NOMEM, "journal: out of memory");
    }
    journal->file = fopen(path, "ae");
    if (!journal->file) {
        const int error = errno;
        mcvdi_journal_close(&journal);
        return mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(error));
    }
    *out = journal;
    return MCVD_OK;
}

void mcvdi_journal_close(mcvdi_journal **journal)
{
    if (!*journal)
        return;
    if ((*journal)->file)
        fclose((*journal)->file);
    mcvdi_free((*journal)->path);
    mcvdi_free(*journal);
    *journal = NULL;
}

static mcvd_status finish_line(const mcvdi_journal *journal, int written)
{
    if (written < 0 || fflush(journal->file) != 0)
        return mcvdi_fail(MCVD_E_IO, "%s: %s", journal->path, strerror(errno));
    return MCVD_OK;
}

mcvd_status mcvdi_journal_step(mcvdi_journal *journal, const mcvd_step_report *r,
                               double samples_per_s, double frames_per_s)
{
    char round[32] = "";

    if (r->round)
        snprintf(round, sizeof round, ",\"round\":%d", r->round);
    const int written = fprintf(
        journal->file,
        "{\"step\":%" PRIu64 "%s,\"loss\":%.9g,\"loss_per_element\":%.9g,\"grad_norm\":%.9g,"
        "\"lr\":%.9g,\"samples_per_s\":%.4g,\"frames_per_s\":%.4g,\"rss_mb\":%.1f}\n",
        r->step, round, r->loss, r->loss_per_element, r->grad_norm, r->lr, samples_per_s,
        frames_per_s, mcvd_peak_rss_mb());
    return finish_line(journal, written);
}

mcvd_status mcvdi_journal_validation(mcvdi_journal *journal, uint64_t step, double loss)
{
    return finish_line(journal,
                       fprintf(journal->file,
                               "{\"step\":%" PRIu64 ",\"validation_loss_per_element\":%.9g}\n",
                               step, loss));
}
