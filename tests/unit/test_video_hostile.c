/* Files that are not what they claim: one clear message, no crash, nothing else opened. */
#include <mcvd/video.h>

#include <sys/stat.h>

#include "core/alloc.h"
#include "support/video_clips.h"

static mcvd_status try_all(const char *path)
{
    mcvd_video_clip clip;
    const mcvd_status st = mcvd_video_read_all(&clip, path, NULL);

    mcvd_video_clip_free(&clip);
    return st;
}

static void refused(const char *name, const char *text, size_t bytes, mcvd_status expected)
{
    const char *path = clip_path(name);

    write_bytes(path, text, bytes);
    const mcvd_status st = try_all(path);
    if (st != expected)
        fail_msg("%s: %s (%s), expected %s", name, mcvd_status_name(st), mcvd_last_error(),
                 mcvd_status_name(expected));
    CHECK_MESSAGE(name);
    CHECK_TRUE(!strchr(mcvd_last_error(), '\n'));
}

#define REFUSED(name, text, expected) refused(name, text, sizeof(text) - 1, expected)

static void missing_and_wrong_paths(void **state)
{
    (void)state;
    CHECK_STATUS(try_all(clip_path("missing.mp4")), MCVD_E_INPUT);
    CHECK_MESSAGE("missing.mp4");
    CHECK_STATUS(try_all("http://example.org/a.mp4"), MCVD_E_INPUT);
    CHECK_MESSAGE("URL");
    CHECK_STATUS(try_all("concat:a.mp4|b.mp4"), MCVD_E_INPUT);
    CHECK_MESSAGE("URL");
    CHECK_STATUS(try_all("subfile,,start,0,end,100,,:a.mp4"), MCVD_E_INPUT);
    CHECK_STATUS(try_all("/dev/zero"), MCVD_E_INPUT);
    CHECK_EQ(mkfifo(clip_path("pipe.mp4"), 0600), 0);
    CHECK_STATUS(try_all(clip_path("pipe.mp4")), MCVD_E_INPUT);
    CHECK_MESSAGE("pipe");
    CHECK_EQ(mkdir(clip_path("nothing"), 0777), 0);
    CHECK_STATUS(try_all(clip_path("nothing")), MCVD_E_INPUT);
    CHECK_MESSAGE("nothing");
    write_bytes(clip_path("nothing/readme.txt"), "text", 4);
    CHECK_STATUS(try_all(clip_path("nothing")), MCVD_E_INPUT);
    write_bytes(clip_path("nothing/a.png"), "text", 4);
    CHECK_STATUS(try_all(clip_path("nothing")), MCVD_E_FORMAT);
    CHECK_MESSAGE("a.png");
}

/* The playlists name a good video beside them: it must not be opened. */
static void playlists_are_refused(void **state)
{
    const mcvd_video_writer_config c = clip_config(16, 16, 3);

    (void)state;
    write_clip(clip_path("good.mp4"), &c, 3);
    CHECK_STATUS(try_all(clip_path("good.mp4")), MCVD_OK);
    REFUSED("list.mp4",
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\ngood.mp4\n"
            "#EXT-X-ENDLIST\n",
            MCVD_E_FORMAT);
    REFUSED("ff.mp4", "ffconcat version 1.0\nfile good.mp4\n", MCVD_E_FORMAT);
    REFUSED("dash.mp4",
            "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" "
            "type=\"static\"><Period><AdaptationSet><Representation><BaseURL>good.mp4</BaseURL>"
            "</Representation></AdaptationSet></Period></MPD>\n",
            MCVD_E_FORMAT);
    REFUSED("session.mp4",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
            "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
            MCVD_E_FORMAT);
}

static void texts_are_refused(void **state)
{
    static const char zeros[70000];

    (void)state;
    REFUSED("empty.mp4", "", MCVD_E_INPUT);
    REFUSED("text.mp4", "This is not a video but a letter to the editor.\n", MCVD_E_FORMAT);
    refused("zeros.mkv", zeros, sizeof zeros, MCVD_E_FORMAT);
    REFUSED("header.png", "\x89PNG\r\n\x1a\n", MCVD_E_DECODE);
    REFUSED("header.jpg", "\xff\xd8\xff\xe0", MCVD_E_DECODE);
    REFUSED("short.gif", "GIF89a", MCVD_E_FORMAT);
}

static void y4m_headers(void **state)
{
    (void)state;
    REFUSED("huge.y4m", "YUV4MPEG2 W100000 H100000 F25:1 Cmono\nFRAME\nabc", MCVD_E_FORMAT);
    REFUSED("none.y4m", "YUV4MPEG2 W16 H16 F25:1 Cmono\n", MCVD_E_INPUT);
    REFUSED("negative.y4m", "YUV4MPEG2 W-4 H16 F25:1 Cmono\nFRAME\n", MCVD_E_FORMAT);
    REFUSED("cut.y4m", "YUV4MPEG2 W4 H4 F25:1 Cmono\nFRAME\n0123456789abcdefFRAME\n0123",
            MCVD_E_DECODE);
}

/* Every cut of a file gives frames and then the end, or a message: never a crash; and formats
 * that count their frames say that some are missing. */
static void cut_off_files(void **state)
{
    static const char *const names[] = { "cut.mp4", "cut.mkv", "cut.gif", "cut.apng", "cut.mov" };
    const mcvd_video_writer_config c = clip_config(48, 32, 3);

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        static char data[1 << 20];
        const char *path = clip_path(names[i]);
        write_clip(path, &c, 20);
        FILE *file = fopen(path, "rb");
        CHECK_TRUE(file);
        const size_t bytes = fread(data, 1, sizeof data, file);
        CHECK_EQ(fclose(file), 0);
        CHECK_TRUE(bytes > 1000 && bytes < sizeof data);
        for (size_t part = 1; part < 40; part++) {
            write_bytes(path, data, bytes * part / 40);
            const mcvd_status st = try_all(path);
            if (st == MCVD_OK && i != 2) /* GIF does not tell */
                fail_msg("%s cut to %zu of 40 was taken for complete", names[i], part);
            if (st != MCVD_OK)
                CHECK_MESSAGE(names[i]);
        }
    }
}

/* Bytes overwritten in the middle: a message or frames, with conceal and without. */
static void damaged_files(void **state)
{
    static const char *const names[] = { "bad.mp4", "bad.mkv", "bad.gif", "bad.apng", "bad.y4m" };
    const mcvd_video_writer_config c = clip_config(48, 32, 3);
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();

    (void)state;
    rc.conceal = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        static char data[1 << 20];
        const char *path = clip_path(names[i]);
        write_clip(path, &c, 12);
        FILE *file = fopen(path, "rb");
        CHECK_TRUE(file);
        const size_t bytes = fread(data, 1, sizeof data, file);
        CHECK_EQ(fclose(file), 0);
        for (size_t part = 1; part < 30; part++) {
            const size_t at = bytes * part / 30;
            mcvd_video_clip clip;
            char kept[8];
            memcpy(kept, data + at, sizeof kept);
            memset(data + at, (int)(0x5a + part), sizeof kept);
            write_bytes(path, data, bytes);
            const mcvd_status st = try_all(path);
            if (i == 1 && part > 10 && part < 20 && st != MCVD_E_DECODE) /* FFV1 has checksums */
                fail_msg("damage at %zu of %s went unseen", at, names[i]);
            (void)mcvd_video_read_all(&clip, path, &rc);
            mcvd_video_clip_free(&clip);
            memcpy(data + at, kept, sizeof kept);
        }
    }
}

/* Refuse each of our own allocations in turn: a status, no leak, no crash. */
static void failing_allocations(void **state)
{
    static const char *const names[] = { "mem.mkv", "mem.gif", "mem.y4m", "mem/", "mem.mp4" };
    mcvd_video_writer_config c = clip_config(16, 16, 3);
    mcvd_video_reader_config rc = mcvd_video_reader_config_default();
    uint8_t data[16 * 16 * 3] = { 0 };

    (void)state;
    c.force = true;
    rc.width = 8;
    rc.height = 8;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = clip_path(names[i]);
        const uint64_t live = mcvdi_alloc_stats_get().live;
        mcvd_status st = MCVD_E_NOMEM;
        for (long n = 0; st == MCVD_E_NOMEM && n < 1000; n++) {
            mcvd_video_writer *writer = NULL;
            mcvdi_alloc_fail_after(n);
            st = mcvd_video_writer_open(&writer, path, &c);
            if (st >= 0)
                st = mcvd_video_writer_write(writer, data);
            if (st >= 0)
                st = mcvd_video_writer_finish(writer);
            mcvd_video_writer_free(&writer);
            mcvdi_alloc_fail_after(-1);
        }
        CHECK_EQ(st, MCVD_OK);
        st = MCVD_E_NOMEM;
        for (long n = 0; st == MCVD_E_NOMEM && n < 1000; n++) {
            mcvd_video_clip clip;
            mcvdi_alloc_fail_after(n);
            st = mcvd_video_read_all(&clip, path, &rc);
            mcvd_video_clip_free(&clip);
            mcvdi_alloc_fail_after(-1);
        }
        CHECK_EQ(st, MCVD_OK);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_and_wrong_paths), cmocka_unit_test(playlists_are_refused),
        cmocka_unit_test(texts_are_refused),       cmocka_unit_test(y4m_headers),
        cmocka_unit_test(cut_off_files),           cmocka_unit_test(damaged_files),
        cmocka_unit_test(failing_allocations),
    };

    return cmocka_run_group_tests(tests, make_clip_folder, remove_clip_folder);
}
