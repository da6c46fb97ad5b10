/*
 * main for a fuzz target without libFuzzer: every file of the folder MCVD_FUZZ_CORPUS as it is,
 * then damaged in MCVD_FUZZ_ROUNDS repeatable ways. Further folders or files may be arguments.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

#ifndef MCVD_FUZZ_ROUNDS
#define MCVD_FUZZ_ROUNDS 3000
#endif

enum { MAX_BYTES = 1 << 20, MAX_PATH_BYTES = 1024 };

static uint8_t original[MAX_BYTES];
static uint8_t damaged[MAX_BYTES];
static int num_inputs;

static uint32_t draw(uint32_t *state, uint32_t bound)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % bound;
}

/* One to four changes: another byte, another bit, a digit, a cut, a doubled or removed piece. */
static size_t damage(size_t size, uint32_t *state)
{
    memcpy(damaged, original, size);
    for (uint32_t n = 1 + draw(state, 4); n && size; n--) {
        const size_t at = draw(state, (uint32_t)size);
        const size_t piece = draw(state, (uint32_t)(size - at)) % 16;
        switch (draw(state, 6)) {
        case 0:
            damaged[at] = (uint8_t)draw(state, 256);
            break;
        case 1:
            damaged[at] = (uint8_t)(damaged[at] ^ 1u << draw(state, 8));
            break;
        case 2:
            damaged[at] = (uint8_t)('0' + draw(state, 10));
            break;
        case 3:
            size = draw(state, 8) ? size : at;
            break;
        case 4:
            if (size + piece > MAX_BYTES)
                break;
            memmove(damaged + at + piece, damaged + at, size - at);
            size += piece;
            break;
        default:
            memmove(damaged + at, damaged + at + piece, size - at - piece);
            size -= piece;
        }
    }
    return size;
}

/* The target gets a block of exactly this size, so that a sanitizer sees one byte too many. */
static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);

    if (!exact)
        abort();
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint32_t state = 2463534242u;

    if (!file) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(1);
    }
    const size_t size = fread(original, 1, sizeof original, file);
    fclose(file);
    num_inputs++;
    run(original, size);
    for (int i = 0; i < MCVD_FUZZ_ROUNDS; i++) {
        const size_t damaged_size = damage(size, &state);
        run(damaged, damaged_size);
    }
}

static void replay(const char *path)
{
    char inner[MAX_PATH_BYTES];
    struct stat info;
    DIR *folder = opendir(path);

    if (!folder) {
        replay_file(path);
        return;
    }
    for (const struct dirent *e = readdir(folder); e; e = readdir(folder)) {
        const int length = snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (length > 0 && length < MAX_PATH_BYTES && stat(inner, &info) == 0 &&
            S_ISREG(info.st_mode))
            replay_file(inner);
    }
    closedir(folder);
}

int main(int argc, char **argv)
{
    replay(MCVD_FUZZ_CORPUS);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%d inputs, each damaged in %d ways\n", num_inputs, MCVD_FUZZ_ROUNDS);
    return num_inputs ? 0 : 1;
}
