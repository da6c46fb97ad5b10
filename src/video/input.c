#include "video/input.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "video/complete.h"
#include "video/libav.h"

enum { IO_BUFFER = 64 * 1024 };

struct mcvdi_input {
    int fd;
    bool seekable;
    bool owned; /* the descriptor is ours to close */
    AVIOContext *io;
    AVFormatContext *format;
};

/* First names of the demuxers that we use. None of them is a playlist; the ones that could name
 * other files (mov references) find every further open refused. */
static const char *const allowed_formats[] = {
    "mov",       "matroska", "avi", "gif",  "apng", "asf", "mpegts",      "mpeg",
    "mpegvideo", "ogg",      "flv", "h264", "hevc", "m4v", "h263",        "ivf",
    "obu",       "av1",      "nut", "mxf",  "wtv",  "dv",  "yuv4mpegpipe"
};

static const char *const playlist_formats[] = {
    "hls", "dash", "concat", "sdp", "rtsp", "imf", "webm_dash_manifest", "tty"
};

/* "scheme:" at the start, as in http://, concat:, subfile,,: or data: */
static bool looks_like_url(const char *path)
{
    size_t n = 0;

    while (isalnum((unsigned char)path[n]) || path[n] == '+' || path[n] == '.' || path[n] == '-')
        n++;
    return n >= 2 && (path[n] == ':' || strncmp(path + n, ",,", 2) == 0);
}

/* An animated PNG has an acTL chunk before its first IDAT. */
static bool png_is_animated(const uint8_t *head, size_t n)
{
    for (size_t i = 8; i + 8 <= n;) {
        const size_t length = (size_t)head[i] << 24 | (size_t)head[i + 1] << 16 |
                              (size_t)head[i + 2] << 8 | head[i + 3];
        if (memcmp(head + i + 4, "acTL", 4) == 0)
            return true;
        if (memcmp(head + i + 4, "IDAT", 4) == 0 || length > n)
            return false;
        i += length + 12;
    }
    return false;
}

static mcvdi_input_kind kind_of_content(const uint8_t *head, size_t n)
{
    if (n >= 8 && memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0)
        return png_is_animated(head, n) ? MCVDI_INPUT_STREAM : MCVDI_INPUT_PICTURE;
    if (n >= 3 && memcmp(head, "\xff\xd8\xff", 3) == 0)
        return MCVDI_INPUT_PICTURE;
    if (n >= 14 && memcmp(head, "BM", 2) == 0 && memcmp(head + 6, "\0\0\0\0", 4) == 0)
        return MCVDI_INPUT_PICTURE;
    if (n >= 3 && head[0] == 'P' && (head[1] == '5' || head[1] == '6') && isspace(head[2]))
        return MCVDI_INPUT_PICTURE;
    return MCVDI_INPUT_STREAM;
}

/* O_NONBLOCK: a named pipe must not make us wait before fstat tells what it is. */
static mcvd_status open_regular(int *fd, struct stat *info, const char *path)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 && errno == ENOENT && looks_like_url(path))
        return mcvdi_fail(MCVD_E_INPUT, "%s: URLs are refused, expected a local file", path);
    if (*fd < 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: %s", path, strerror(errno));
    if (fstat(*fd, info) == 0 && (S_ISREG(info->st_mode) || S_ISDIR(info->st_mode)))
        return MCVD_OK;
    (void)close(*fd);
    *fd = -1;
    return mcvdi_fail(MCVD_E_INPUT,
                      "%s: expected a file or a folder, found a device, pipe or socket"
                      " ('-' reads y4m from stdin)",
                      path);
}

mcvd_status mcvdi_input_inspect(mcvdi_input_kind *kind, const char *path)
{
    uint8_t head[4096];
    struct stat info;
    int fd = -1;

    *kind = MCVDI_INPUT_STDIN;
    if (strcmp(path, "-") == 0)
        return MCVD_OK;
    const mcvd_status st = open_regular(&fd, &info, path);
    if (st < 0)
        return st;
    if (S_ISDIR(info.st_mode)) {
        (void)close(fd);
        *kind = MCVDI_INPUT_FOLDER;
        return MCVD_OK;
    }
    const ssize_t n = read(fd, head, sizeof head);
    const int error = errno;
    (void)close(fd);
    if (n < 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: %s", path, strerror(error));
    if (n == 0)
        return mcvdi_fail(MCVD_E_INPUT, "%s: expected a video, found an empty file", path);
    *kind = kind_of_content(head, (size_t)n);
    return MCVD_OK;
}

static int read_bytes(void *opaque, uint8_t *buffer, int size)
{
    const mcvdi_input *input = opaque;
    ssize_t n = 0;

    do {
        n = read(input->fd, buffer, (size_t)size);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return AVERROR(errno);
    return n == 0 ? AVERROR_EOF : (int)n;
}

static int64_t seek_bytes(void *opaque, int64_t offset, int whence)
{
    const mcvdi_input *input = opaque;
    struct stat info;

    if (whence & AVSEEK_SIZE)
        return fstat(input->fd, &info) == 0 ? (int64_t)info.st_size : AVERROR(errno);
    const off_t at = lseek(input->fd, (off_t)offset, whence & ~AVSEEK_FORCE);
    return at < 0 ? AVERROR(errno) : (int64_t)at;
}

/* Playlists, references and segments end here: a format may read its one descriptor only. */
static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                       AVDictionary **options)
{
    (void)format;
    (void)url;
    (void)flags;
    (void)options;
    *io = NULL;
    return AVERROR(EACCES);
}

static bool name_is_in(const char *names, const char *const *list, size_t count)
{
    const size_t n = strcspn(names, ",");

    for (size_t i = 0; i < count; i++) {
        if (strlen(list[i]) == n && strncmp(list[i], names, n) == 0)
            return true;
    }
    return false;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* "ffconcat" and "#EXTM3U" are found here even in a FFmpeg build without those demuxers. */
static mcvd_status check_format(const AVInputFormat *format, int error, const char *path)
{
    if (!format || error < 0)
        return mcvdi_fail(MCVD_E_FORMAT, "%s: expected a video, found no known video format", path);
    if (name_is_in(format->name, allowed_formats, COUNT(allowed_formats)))
        return MCVD_OK;
    if (name_is_in(format->name, playlist_formats, COUNT(playlist_formats)))
        return mcvdi_fail(MCVD_E_FORMAT, "%s: expected a video, found a text or playlist (%s)",
                          path, format->name);
    return mcvdi_fail(MCVD_E_FORMAT, "%s: expected a video, found format '%s', which is refused",
                      path, format->name);
}

static mcvd_status open_io(mcvdi_input *input, const char *path)
{
    struct stat info;

    input->fd = STDIN_FILENO;
    if (strcmp(path, "-") != 0) {
        const mcvd_status st = open_regular(&input->fd, &info, path);
        if (st < 0)
            return st;
        input->owned = true;
        input->seekable = true;
        if (!S_ISREG(info.st_mode))
            return mcvdi_fail(MCVD_E_INPUT, "%s: expected a file", path);
    }
    uint8_t *buffer = av_malloc(IO_BUFFER);
    if (!buffer)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %d bytes of buffer", path, IO_BUFFER);
    input->io = avio_alloc_context(buffer, IO_BUFFER, 0, input, read_bytes, NULL,
                                   input->seekable ? seek_bytes : NULL);
    if (!input->io) {
        av_free(buffer);
        return mcvdi_fail(MCVD_E_NOMEM, "%s: input context", path);
    }
    input->io->seekable = input->seekable ? AVIO_SEEKABLE_NORMAL : 0;
    return MCVD_OK;
}

static mcvd_status open_format(mcvdi_input *input, const char *path,
                               const mcvd_video_reader_config *config)
{
    const AVInputFormat *found = NULL;
    AVDictionary *options = NULL;

    if (input->owned) {
        const int error = av_probe_input_buffer2(input->io, &found, "", NULL, 0, 0);
        const mcvd_status st = check_format(found, error, path);
        if (st < 0)
            return st;
    } else {
        found = av_find_input_format("yuv4mpegpipe");
        if (!found)
            return mcvdi_fail(MCVD_E_UNSUPPORTED, "this FFmpeg build reads no y4m");
    }
    input->format = avformat_alloc_context();
    if (!input->format)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: format context", path);
    input->format->pb = input->io;
    input->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    input->format->io_open = refuse_open;
    input->format->max_streams = config->max_streams;
    av_dict_set(&options, "format_whitelist", found->name, 0);
    av_dict_set(&options, "protocol_whitelist", "file,pipe", 0);
    const int error = avformat_open_input(&input->format, NULL, found, &options);
    av_dict_free(&options);
    if (error < 0 && !input->owned)
        return mcvdi_fail(MCVD_E_FORMAT, "-: expected y4m (YUV4MPEG2) on stdin");
    if (error == AVERROR(EIO) && input->io->error >= 0) /* matroska's word for a header cut off */
        return mcvdi_fail(MCVD_E_FORMAT, "%s: the video's header is damaged or cut off", path);
    if (error < 0) /* the context is gone by now */
        return mcvdi_libav_fail(MCVD_E_FORMAT, error, path, "the video's header is damaged");
    return MCVD_OK;
}

mcvd_status mcvdi_input_open(mcvdi_input **out, const char *path,
                             const mcvd_video_reader_config *config)
{
    *out = NULL;
    mcvdi_input *input = mcvdi_calloc(1, sizeof *input);
    if (!input)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: %zu bytes", path, sizeof *input);
    input->fd = -1;
    mcvd_status st = open_io(input, path);
    if (st >= 0)
        st = open_format(input, path, config);
    if (st < 0) {
        mcvdi_input_free(&input);
        return st;
    }
    *out = input;
    return MCVD_OK;
}

void mcvdi_input_free(mcvdi_input **input)
{
    mcvdi_input *in = *input;

    if (!in)
        return;
    avformat_close_input(&in->format);
    if (in->io)
        av_freep(&in->io->buffer);
    avio_context_free(&in->io);
    if (in->owned)
        (void)close(in->fd);
    mcvdi_free(in);
    *input = NULL;
}

AVFormatContext *mcvdi_input_format(const mcvdi_input *input)
{
    return input->format;
}

bool mcvdi_input_seekable(const mcvdi_input *input)
{
    return input->seekable;
}

bool mcvdi_input_complete(const mcvdi_input *input)
{
    return !input->owned || mcvdi_file_is_complete(input->fd, input->format->iformat->name);
}
