/* Comparing training states: checkpoints tensor by tensor, journals but for rates and memory. */
#ifndef TESTS_SUPPORT_TRAIN_COMPARE_H
#define TESTS_SUPPORT_TRAIN_COMPARE_H

#include <mcvd/safetensors.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "support/check.h"
#include "support/folder.h"

/* Number of tensors that differ in name, shape or bytes; names the first on the way. */
static inline size_t differing_tensors(const char *path_a, const char *path_b)
{
    mcvd_safetensors *a = NULL;
    mcvd_safetensors *b = NULL;
    size_t differing = 0;

    CHECK_OK(mcvd_safetensors_open(&a, path_a));
    CHECK_OK(mcvd_safetensors_open(&b, path_b));
    CHECK_EQ(mcvd_safetensors_count(a), mcvd_safetensors_count(b));
    for (size_t i = 0; i < mcvd_safetensors_count(a); i++) {
        const char *name = mcvd_safetensors_name(a, i);
        mcvd_tensor x;
        mcvd_tensor y;
        CHECK_OK(mcvd_safetensors_get(a, name, &x));
        CHECK_OK(mcvd_safetensors_get(b, name, &y));
        CHECK_EQ(mcvd_tensor_numel(&x), mcvd_tensor_numel(&y));
        if (memcmp(x.data, y.data, mcvd_tensor_numel(&x) * mcvd_dtype_bytes(x.dtype)) != 0)
            differing++;
    }
    mcvd_safetensors_close(&a);
    mcvd_safetensors_close(&b);
    return differing;
}

#define CHECK_SAME_TENSORS(a, b) CHECK_EQ(differing_tensors(a, b), 0)

/* Cut what a clock or the machine decides: from the rate to the end of each line. */
static inline char *journal_text(const char *run_folder)
{
    char path[TEST_PATH_BYTES];
    char *text = NULL;
    size_t bytes = 0;

    CHECK_OK(mcvdi_file_read(&text, &bytes, test_path(path, run_folder, "journal.jsonl"), 1 << 24));
    char *to = text;
    for (const char *line = text; *line;) {
        const char *end = strchr(line, '\n');
        CHECK_TRUE(end != NULL);
        const char *rate = strstr(line, ",\"samples_per_s\"");
        const size_t kept = (size_t)((rate && rate < end ? rate : end) - line);
        memmove(to, line, kept);
        to += kept;
        *to++ = '\n';
        line = end + 1;
    }
    *to = '\0';
    return text;
}

static inline void check_same_journals(const char *folder_a, const char *folder_b)
{
    char *a = journal_text(folder_a);
    char *b = journal_text(folder_b);

    CHECK_TRUE(*a);
    if (strcmp(a, b) != 0)
        fail_msg("journals differ:\n%s\n--- and ---\n%s", a, b);
    mcvdi_free(a);
    mcvdi_free(b);
}

#endif
