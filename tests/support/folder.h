/* A fresh folder for a test's files, and removing it with everything in it. */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/check.h"

enum { TEST_PATH_BYTES = 512 };

static inline void make_test_folder(char folder[TEST_PATH_BYTES])
{
    const char *base = getenv("TMPDIR");

    snprintf(folder, TEST_PATH_BYTES, "%s/mcvd-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(folder))
        fail_msg("cannot make %s", folder);
}

/* path = folder/name; returns path. */
static inline char *test_path(char path[TEST_PATH_BYTES], const char *folder, const char *name)
{
    const int length = snprintf(path, TEST_PATH_BYTES, "%s/%s", folder, name);

    CHECK_TRUE(length > 0 && length < TEST_PATH_BYTES);
    return path;
}

/* Entries of a folder, hidden ones too: leftovers of a failed write are hidden. */
static inline int count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    CHECK_TRUE(dir != NULL);
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static inline void remove_test_folder(const char *folder)
{
    char path[TEST_PATH_BYTES];
    struct stat info;
    DIR *dir = opendir(folder);

    if (!dir)
        return;
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        test_path(path, folder, e->d_name);
        if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode))
            remove_test_folder(path);
        else
            unlink(path);
    }
    closedir(dir);
    rmdir(folder);
}

#endif
