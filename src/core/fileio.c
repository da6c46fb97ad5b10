#include "core/fileio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/alloc.h"

struct mcvdi_atomic_file {
    char *path;      /* where it will appear; a symbolic link has been followed */
    char *folder;    /* of path, "." when path has none */
    char *temporary; /* in folder, keeps the extension */
    int fd;
    bool overwrite;
};

/* One line about a failed system call: "<path>: <doing>: <why>". */
static mcvd_status fail_errno(mcvd_status status, const char *path, const char *doing, int error)
{
    char why[128];

    if (error == ENOSPC || error == EDQUOT)
        return mcvdi_fail(status, "%s: %s: disk full", path, doing);
    if (strerror_r(error, why, sizeof why) != 0)
        snprintf(why, sizeof why, "error %d", error);
    return mcvdi_fail(status, "%s: %s: %s", path, doing, why);
}

/* The part before the last '/', "." without one. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return mcvdi_strdup(".");
    return slash == path ? mcvdi_strdup("/") : mcvdi_sprintf("%.*s", (int)(slash - path), path);
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* ---- whole reads ---- */

/* Fill text[0..capacity); *bytes is less when the file ends before. */
static mcvd_status read_all(int fd, char *text, size_t capacity, size_t *bytes, const char *path)
{
    *bytes = 0;
    while (*bytes < capacity) {
        const ssize_t got = read(fd, text + *bytes, capacity - *bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(MCVD_E_IO, path, "cannot read", errno);
        if (!got)
            break;
        *bytes += (size_t)got;
    }
    return MCVD_OK;
}

static mcvd_status regular_size(int fd, size_t *bytes, const char *path, size_t max_bytes)
{
    struct stat info;

    if (fstat(fd, &info) != 0)
        return fail_errno(MCVD_E_INPUT, path, "cannot read", errno);
    if (S_ISDIR(info.st_mode))
        return mcvdi_fail(MCVD_E_INPUT, "%s: is a folder, expected a file", path);
    if (!S_ISREG(info.st_mode))
        return mcvdi_fail(MCVD_E_INPUT, "%s: is not a regular file", path);
    if ((uintmax_t)info.st_size > max_bytes)
        return mcvdi_fail(MCVD_E_INPUT, "%s: has %jd bytes, at most %zu are allowed", path,
                          (intmax_t)info.st_size, max_bytes);
    *bytes = (size_t)info.st_size;
    return MCVD_OK;
}

static mcvd_status read_open_file(int fd, char **text, size_t *bytes, const char *path,
                                  size_t max_bytes)
{
    size_t capacity = 0;

    mcvd_status st = regular_size(fd, &capacity, path, max_bytes);
    if (st < 0)
        return st;
    char *content = capacity < SIZE_MAX ? mcvdi_malloc(capacity + 1) : NULL;
    if (!content)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, capacity);
    st = read_all(fd, content, capacity, bytes, path);
    if (st < 0) {
        mcvdi_free(content);
        *bytes = 0;
        return st;
    }
    content[*bytes] = '\0';
    *text = content;
    return MCVD_OK;
}

mcvd_status mcvdi_file_read(char **text, size_t *bytes, const char *path, size_t max_bytes)
{
    *text = NULL;
    *bytes = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hang */
    if (fd < 0)
        return fail_errno(MCVD_E_INPUT, path, "cannot open", errno);
    const mcvd_status st = read_open_file(fd, text, bytes, path, max_bytes);
    close(fd);
    return st;
}

/* ---- atomic writes ---- */

/* Follow links (the link stays, its target is replaced); refuse what a rename would destroy, such
 * as /dev/null. *resolved is the name to write. */
static mcvd_status resolve_target(char **resolved, const char *path, bool overwrite)
{
    char target[PATH_MAX];
    struct stat info;

    *resolved = NULL;
    if (!*name_of(path))
        return mcvdi_fail(MCVD_E_IO, "\"%s\": cannot write: not a file name", path);
    const bool is_link = lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
    if (!overwrite && (is_link || mcvdi_path_exists(path)))
        return mcvdi_fail(MCVD_E_EXISTS, "%s: exists already", path);
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return mcvdi_fail(MCVD_E_IO, "%s: cannot write: is a folder", path);
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return mcvdi_fail(MCVD_E_IO, "%s: cannot write: is not a regular file", path);
    *resolved = mcvdi_strdup(is_link && realpath(path, target) ? target : path);
    return *resolved ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "%s: its name", path);
}

/* A new file beside the target. The name keeps the extension, which tells libraries the format,
 * and is cut at the front to stay within what file systems allow. */
static mcvd_status create_temporary(mcvdi_atomic_file *file)
{
    enum { MAX_NAME = 200, MAX_TRIES = 1000 };
    static atomic_uint counter;
    const char *name = name_of(file->path);
    const size_t length = strlen(name);

    if (length > NAME_MAX)
        return fail_errno(MCVD_E_IO, file->path, "cannot create", ENAMETOOLONG);
    if (length > MAX_NAME)
        name += length - MAX_NAME;
    for (int i = 0; i < MAX_TRIES; i++) {
        file->temporary = mcvdi_sprintf("%s/.tmp-%ld-%u-%s", file->folder, (long)getpid(),
                                        atomic_fetch_add(&counter, 1), name);
        if (!file->temporary)
            return mcvdi_fail(MCVD_E_NOMEM, "%s: its temporary name", file->path);
        file->fd = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd >= 0)
            return MCVD_OK;
        const int error = errno;
        mcvdi_free(file->temporary);
        file->temporary = NULL;
        if (error != EEXIST)
            return fail_errno(MCVD_E_IO, file->path, "cannot create", error);
    }
    return fail_errno(MCVD_E_IO, file->path, "cannot create", EEXIST);
}

mcvd_status mcvdi_atomic_open(mcvdi_atomic_file **out, const char *path, bool overwrite)
{
    *out = NULL;
    mcvdi_atomic_file *file = mcvdi_calloc(1, sizeof *file);
    if (!file)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, sizeof *file);
    file->fd = -1;
    file->overwrite = overwrite;

    mcvd_status st = resolve_target(&file->path, path, overwrite);
    if (st >= 0) {
        file->folder = folder_of(file->path);
        st = file->folder ? create_temporary(file)
                          : mcvdi_fail(MCVD_E_NOMEM, "%s: its folder", path);
    }
    if (st < 0) {
        mcvdi_atomic_discard(&file);
        return st;
    }
    *out = file;
    return MCVD_OK;
}

const char *mcvdi_atomic_path(const mcvdi_atomic_file *file)
{
    return file->temporary;
}

mcvd_status mcvdi_atomic_write(mcvdi_atomic_file *file, const void *data, size_t bytes)
{
    enum { MAX_WRITE = 1 << 30 }; /* the system takes no more than 2 GB at once */
    const char *rest = data;

    while (bytes) {
        const ssize_t put = write(file->fd, rest, bytes < MAX_WRITE ? bytes : MAX_WRITE);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail_errno(MCVD_E_IO, file->path, "cannot write", errno);
        rest += put;
        bytes -= (size_t)put;
    }
    return MCVD_OK;
}

/* rename that refuses an existing target, also on file systems that lack the flag or the links. */
static int rename_new(const char *from, const char *to)
{
    struct stat info;

    if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (link(from, to) == 0)
        return unlink(from);
    if (errno == EEXIST)
        return -1;
    if (lstat(to, &info) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

static mcvd_status sync_and_rename(mcvdi_atomic_file *file)
{
    if (fsync(file->fd) != 0)
        return fail_errno(MCVD_E_IO, file->path, "cannot sync", errno);
    const int closed = close(file->fd);
    file->fd = -1;
    if (closed != 0)
        return fail_errno(MCVD_E_IO, file->path, "cannot close", errno);

    const int renamed = file->overwrite ? rename(file->temporary, file->path)
                                        : rename_new(file->temporary, file->path);
    if (renamed != 0)
        return errno == EEXIST && !file->overwrite
                   ? mcvdi_fail(MCVD_E_EXISTS, "%s: exists already", file->path)
                   : fail_errno(MCVD_E_IO, file->path, "cannot rename into place", errno);
    mcvdi_free(file->temporary);
    file->temporary = NULL;
    return mcvdi_sync_folder(file->folder);
}

mcvd_status mcvdi_atomic_commit(mcvdi_atomic_file **file)
{
    const mcvd_status st = sync_and_rename(*file);

    mcvdi_atomic_discard(file);
    return st;
}

void mcvdi_atomic_discard(mcvdi_atomic_file **file)
{
    mcvdi_atomic_file *const f = *file;

    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (f->temporary)
        unlink(f->temporary);
    mcvdi_free(f->temporary);
    mcvdi_free(f->folder);
    mcvdi_free(f->path);
    mcvdi_free(f);
    *file = NULL;
}

mcvd_status mcvdi_file_write(const char *path, const void *data, size_t bytes, bool overwrite)
{
    mcvdi_atomic_file *file;

    mcvd_status st = mcvdi_atomic_open(&file, path, overwrite);
    if (st < 0)
        return st;
    st = mcvdi_atomic_write(file, data, bytes);
    if (st < 0) {
        mcvdi_atomic_discard(&file);
        return st;
    }
    return mcvdi_atomic_commit(&file);
}

/* ---- folders ---- */

bool mcvdi_path_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

bool mcvdi_path_is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static mcvd_status make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0)
        return MCVD_OK;
    const int error = errno;
    if (mcvdi_path_is_folder(path))
        return MCVD_OK;
    if (error == EEXIST)
        return mcvdi_fail(MCVD_E_IO, "%s: cannot make the folder: a file has this name", path);
    return fail_errno(MCVD_E_IO, path, "cannot make the folder", error);
}

mcvd_status mcvdi_make_folders(const char *path)
{
    char *part = mcvdi_strdup(path);
    mcvd_status st = MCVD_OK;

    if (!part)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: its name", path);
    for (char *at = part; *at && st >= 0; at++) {
        if (*at != '/' || at == part)
            continue;
        *at = '\0';
        st = make_folder(part);
        *at = '/';
    }
    if (st >= 0)
        st = make_folder(part);
    mcvdi_free(part);
    return st;
}

mcvd_status mcvdi_sync_folder(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return fail_errno(MCVD_E_IO, path, "cannot open the folder", errno);
    const int error = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    if (error && error != EINVAL && error != ENOTSUP) /* some file systems have no folder sync */
        return fail_errno(MCVD_E_IO, path, "cannot sync the folder", error);
    return MCVD_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool append_name(char ***names, size_t *count, size_t *capacity, const char *name)
{
    if (*count == *capacity) {
        const size_t larger = *capacity ? 2 * *capacity : 64;
        char **moved = mcvdi_realloc(*names, larger * sizeof *moved);
        if (!moved)
            return false;
        *names = moved;
        *capacity = larger;
    }
    (*names)[*count] = mcvdi_strdup(name);
    if (!(*names)[*count])
        return false;
    (*count)++;
    return true;
}

static mcvd_status read_names(DIR *folder, char ***names, size_t *count, const char *path)
{
    const struct dirent *entry;
    size_t capacity = 0;

    for (errno = 0; (entry = readdir(folder)) != NULL; errno = 0)
        if (entry->d_name[0] != '.' && !append_name(names, count, &capacity, entry->d_name))
            return mcvdi_fail(MCVD_E_NOMEM, "%s: the names in this folder", path);
    return errno ? fail_errno(MCVD_E_IO, path, "cannot list the folder", errno) : MCVD_OK;
}

mcvd_status mcvdi_folder_names(char ***names, size_t *count, const char *path)
{
    *names = NULL;
    *count = 0;
    DIR *folder = opendir(path);
    if (!folder)
        return fail_errno(MCVD_E_INPUT, path, "cannot list the folder", errno);
    const mcvd_status st = read_names(folder, names, count, path);
    closedir(folder);
    if (st < 0)
        mcvdi_names_free(names, *count);
    if (st < 0)
        *count = 0;
    else if (*count)
        qsort(*names, *count, sizeof **names, compare_names);
    return st;
}

void mcvdi_names_free(char ***names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mcvdi_free((*names)[i]);
    mcvdi_free(*names);
    *names = NULL;
}

mcvd_status mcvdi_folder_lock(int *fd, const char *folder, const char *does)
{
    char *path = mcvdi_sprintf("%s/lock", folder);
    mcvd_status st = MCVD_OK;

    *fd = -1;
    if (!path)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: the path of its lock", folder);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (*fd < 0)
        st = mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(errno));
    else if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
        st = mcvdi_fail(MCVD_E_STATE, "%s: another process %s", folder, does);
    mcvdi_free(path);
    return st;
}
