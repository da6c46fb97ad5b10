/* One PNG per frame. All pictures are made in a temporary folder beside the target; finish moves
 * the folder, or the pictures into an existing one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "video/names.h"
#include "video/png.h"
#include "video/sink.h"

enum { MAX_DIGITS = 9, FOLDER_DIGITS = 5, MAX_TRIES = 1000 };

static const char folder_prefix[] = "frame-";
static const char suffix[] = ".png";

typedef struct pictures_sink {
    mcvdi_sink base;
    mcvdi_png *png;
    char *folder;    /* where the pictures end up */
    char *prefix;    /* of their names */
    int digits;      /* of their numbers */
    bool whole;      /* the folder itself is the output */
    char *temporary; /* folder of the unfinished pictures */
} pictures_sink;

/* name%05d.png or name%d.png: the place of '%' and the number of digits; false for others. */
static bool parse_pattern(const char *path, size_t *at, int *digits)
{
    const char *percent = strchr(path, '%');
    int width = 0;

    if (!percent || !mcvdi_has_suffix(path, suffix) || strchr(percent, '/'))
        return false;
    const char *p = percent + 1;
    if (*p == '0')
        p++;
    if (*p >= '1' && *p <= '0' + MAX_DIGITS)
        width = *p++ - '0';
    if (strcmp(p, "d.png") != 0)
        return false;
    *at = (size_t)(percent - path);
    *digits = width > 0 ? width : 1;
    return true;
}

static bool is_folder_name(const char *path)
{
    const size_t n = strlen(path);

    return n > 1 && path[n - 1] == '/';
}

bool mcvdi_sink_pictures_knows(const char *path)
{
    size_t at = 0;
    int digits = 0;

    return is_folder_name(path) || parse_pattern(path, &at, &digits);
}

static char *picture_path(const pictures_sink *s, const char *folder, int64_t number)
{
    return mcvdi_sprintf("%s/%s%0*lld%s", folder, s->prefix, s->digits, (long long)number, suffix);
}

static mcvd_status split_path(pictures_sink *s)
{
    const char *path = s->base.path;
    const char *slash = strrchr(path, '/');
    size_t at = 0;

    if (is_folder_name(path)) {
        s->whole = true;
        s->digits = FOLDER_DIGITS;
        s->folder = mcvdi_strdup(path);
        s->prefix = mcvdi_strdup(folder_prefix);
        for (size_t n = strlen(path); s->folder && n > 1 && s->folder[n - 1] == '/'; n--)
            s->folder[n - 1] = '\0';
    } else if (parse_pattern(path, &at, &s->digits)) {
        const size_t start = slash ? (size_t)(slash - path) + 1 : 0;
        s->folder = slash ? mcvdi_sprintf("%.*s", slash == path ? 1 : (int)(slash - path), path)
                          : mcvdi_strdup(".");
        s->prefix = mcvdi_sprintf("%.*s", (int)(at - start), path + start);
    }
    return s->folder && s->prefix ? MCVD_OK : mcvdi_fail(MCVD_E_NOMEM, "%s: names", path);
}

/* An existing non-empty folder, or an existing first picture, needs force. */
static mcvd_status check_target(const pictures_sink *s)
{
    char **names = NULL;
    size_t count = 0;
    mcvd_status st = MCVD_OK;

    if (s->whole && mcvdi_path_exists(s->folder) && !mcvdi_path_is_folder(s->folder))
        return mcvdi_fail(MCVD_E_IO, "%s: exists and is not a folder", s->folder);
    if (s->base.config.force)
        return MCVD_OK;
    if (s->whole) {
        if (!mcvdi_path_exists(s->folder))
            return MCVD_OK;
        st = mcvdi_folder_names(&names, &count, s->folder);
        mcvdi_names_free(&names, count);
        if (st >= 0 && count > 0)
            st = mcvdi_fail(MCVD_E_EXISTS, "%s: the folder exists and is not empty", s->base.path);
        return st;
    }
    char *first = picture_path(s, s->folder, 1);
    if (!first)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: names", s->base.path);
    if (mcvdi_path_exists(first))
        st = mcvdi_fail(MCVD_E_EXISTS, "%s: exists", first);
    mcvdi_free(first);
    return st;
}

/* A new hidden folder beside the output, on the same file system. */
static mcvd_status make_temporary(pictures_sink *s)
{
    const char *slash = s->whole ? strrchr(s->folder, '/') : NULL;
    const char *where = s->whole ? "." : s->folder;
    int length = (int)strlen(where);

    if (slash) {
        where = s->folder;
        length = slash == s->folder ? 1 : (int)(slash - s->folder);
    }
    for (int i = 0; i < MAX_TRIES; i++) {
        s->temporary = mcvdi_sprintf("%.*s/.mcvd-frames-%ld-%d", length, where, (long)getpid(), i);
        if (!s->temporary)
            return mcvdi_fail(MCVD_E_NOMEM, "%s: names", s->base.path);
        if (mkdir(s->temporary, 0777) == 0)
            return MCVD_OK;
        const int error = errno;
        mcvdi_free(s->temporary);
        s->temporary = NULL;
        if (error != EEXIST)
            return mcvdi_fail(MCVD_E_IO, "%s: cannot be written: %s", s->base.path,
                              strerror(error));
    }
    return mcvdi_fail(MCVD_E_IO, "%s: too many unfinished outputs beside it", s->base.path);
}

static mcvd_status put_file(const char *path, const AVPacket *packet)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    size_t done = 0;
    int error = fd < 0 ? errno : 0;

    while (!error && done < (size_t)packet->size) {
        const ssize_t n = write(fd, packet->data + done, (size_t)packet->size - done);
        if (n < 0 && errno != EINTR)
            error = errno;
        else if (n > 0)
            done += (size_t)n;
    }
    if (!error && fsync(fd) != 0)
        error = errno;
    if (fd >= 0 && close(fd) != 0 && !error)
        error = errno;
    return error ? mcvdi_fail(MCVD_E_IO, "%s: %s", path, strerror(error)) : MCVD_OK;
}

static mcvd_status pictures_write(mcvdi_sink *sink, const uint8_t *frame)
{
    pictures_sink *s = (pictures_sink *)sink;
    const AVPacket *packet = NULL;

    mcvd_status st = mcvdi_png_encode(s->png, frame, &packet);
    if (st < 0)
        return mcvdi_fail_context(st, "%s", s->base.path);
    char *path = picture_path(s, s->temporary, s->base.num_frames + 1);
    if (!path)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: names", s->base.path);
    st = put_file(path, packet);
    mcvdi_free(path);
    return st;
}

static mcvd_status move_one(const pictures_sink *s, int64_t number)
{
    char *from = picture_path(s, s->temporary, number);
    char *to = picture_path(s, s->folder, number);
    mcvd_status st = MCVD_OK;

    if (!from || !to)
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: names", s->base.path);
    else if (!s->base.config.force && mcvdi_path_exists(to))
        st = mcvdi_fail(MCVD_E_EXISTS, "%s: exists", to);
    else if (rename(from, to) != 0)
        st = mcvdi_fail(MCVD_E_IO, "%s: %s", to, strerror(errno));
    mcvdi_free(from);
    mcvdi_free(to);
    return st;
}

/* Pictures of an older, longer output would become the tail of this one. */
static mcvd_status remove_older(const pictures_sink *s)
{
    char **names = NULL;
    size_t count = 0;

    mcvd_status st = mcvdi_folder_names(&names, &count, s->folder);
    for (size_t i = 0; st >= 0 && i < count; i++) {
        long long number = 0;
        char rest[8] = "";
        if (sscanf(names[i], "frame-%9lld%7s", &number, rest) != 2 || strcmp(rest, suffix) != 0 ||
            number <= s->base.num_frames)
            continue;
        char *path = mcvdi_sprintf("%s/%s", s->folder, names[i]);
        if (!path)
            st = mcvdi_fail(MCVD_E_NOMEM, "%s: names", s->base.path);
        else
            (void)unlink(path);
        mcvdi_free(path);
    }
    mcvdi_names_free(&names, count);
    return st;
}

static mcvd_status pictures_finish(mcvdi_sink *sink)
{
    pictures_sink *s = (pictures_sink *)sink;
    mcvd_status st = mcvdi_sync_folder(s->temporary);

    if (st >= 0 && s->whole && rename(s->temporary, s->folder) == 0) {
        mcvdi_free(s->temporary);
        s->temporary = NULL;
        return MCVD_OK;
    }
    if (st >= 0 && s->whole && errno != ENOTEMPTY && errno != EEXIST)
        return mcvdi_fail(MCVD_E_IO, "%s: %s", s->base.path, strerror(errno));
    if (st >= 0 && s->whole && !s->base.config.force)
        return mcvdi_fail(MCVD_E_EXISTS, "%s: the folder exists", s->base.path);
    for (int64_t i = 1; st >= 0 && i <= s->base.num_frames; i++)
        st = move_one(s, i);
    if (st >= 0 && s->whole)
        st = remove_older(s);
    return st < 0 ? st : mcvdi_sync_folder(s->folder);
}

static void pictures_free(mcvdi_sink *sink)
{
    pictures_sink *s = (pictures_sink *)sink;
    char **names = NULL;
    size_t count = 0;

    if (s->temporary && mcvdi_folder_names(&names, &count, s->temporary) >= 0) {
        for (size_t i = 0; i < count; i++) {
            char *path = mcvdi_sprintf("%s/%s", s->temporary, names[i]);
            if (path)
                (void)unlink(path);
            mcvdi_free(path);
        }
        mcvdi_names_free(&names, count);
    }
    if (s->temporary)
        (void)rmdir(s->temporary);
    mcvdi_png_free(&s->png);
    mcvdi_free(s->folder);
    mcvdi_free(s->prefix);
    mcvdi_free(s->temporary);
}

static const mcvdi_sink_class pictures_class = { pictures_write, pictures_finish, pictures_free };

mcvd_status mcvdi_sink_pictures_create(mcvdi_sink **out, const char *path,
                                       const mcvd_video_writer_config *config)
{
    mcvd_status st = MCVD_OK;

    *out = NULL;
    pictures_sink *s = mcvdi_calloc(1, sizeof *s);
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, sizeof *s);
    if (!mcvdi_sink_init(&s->base, &pictures_class, path, config))
        st = mcvdi_fail(MCVD_E_NOMEM, "%s: names", path);
    s->base.codec = "png";
    if (st >= 0)
        st = split_path(s);
    if (st >= 0)
        st = check_target(s);
    if (st >= 0)
        st = mcvdi_png_create(&s->png, config->width, config->height, config->channels);
    if (st >= 0)
        st = make_temporary(s);
    mcvdi_sink *sink = &s->base;
    if (st < 0) {
        mcvdi_sink_free(&sink);
        return st;
    }
    *out = sink;
    return MCVD_OK;
}
