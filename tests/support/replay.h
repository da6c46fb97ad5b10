/*
 * Runs a fuzz target without a fuzzer: every file of a corpus folder as it is, cut off at every
 * length, and with single bytes replaced. With -DMCVD_LIBFUZZER the fuzzer brings its own main.
 */
#ifndef TESTS_SUPPORT_REPLAY_H
#define TESTS_SUPPORT_REPLAY_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REPLAY_MAX_BYTES = 1 << 20, REPLAY_MAX_VARIANTS = 4096 };

/* A copy of exactly this size, so that the address sanitizer sees a read behind the end. */
static void replay_bytes(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        exit(1);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void replay_variants(uint8_t *data, size_t size)
{
    static const uint8_t bytes[] = { 0x00, 0xff, '"', '{', ']', '9', '-', '\\' };
    const size_t step = size / REPLAY_MAX_VARIANTS + 1;

    for (size_t i = 0; i < size; i += step) {
        const uint8_t kept = data[i];
        replay_bytes(data, i);
        for (size_t j = 0; j < sizeof bytes; j++) {
            data[i] = bytes[j];
            replay_bytes(data, size);
        }
        data[i] = kept ^ 0x01;
        replay_bytes(data, size);
        data[i] = kept;
    }
}

/* 0 when the folder held at least one file and nothing crashed. */
static inline int replay_folder(const char *folder)
{
    static uint8_t data[REPLAY_MAX_BYTES];
    DIR *dir = opendir(folder);
    int num_files = 0;

    for (const struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        char path[1024];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = fopen(path, "rb");
        if (!file)
            continue;
        const size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        replay_bytes(data, size);
        replay_variants(data, size);
        num_files++;
    }
    if (dir)
        closedir(dir);
    printf("%s: %d files\n", folder, num_files);
    return num_files > 0 ? 0 : 1;
}

#endif
