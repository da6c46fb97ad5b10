/* mcvd rollout: what comes out of every task, decoded again. */
#include "core/json.h"
#include "support/rollout_cli.h"

enum { GAP = 4, BLANK = 128 }; /* of the grid */

/* --- counts, sizes, rates --- */

typedef struct output_case {
    const char *arguments;
    int frames;
    int width;
    int height;
    int fps;
    const char *json; /* in the report */
} output_case;

static const output_case outputs[] = {
    { "clip.mkv --frames 5 --zoom 1", 7, 36, 16, 10,
      "\"new_frames\":5,\"written_frames\":7,\"samples\":1,\"seed\":0,\"first_known\":0,"
      "\"last_known\":1,\"sampler\":\"ddpm\",\"steps\":4,\"calls_per_block\":5,\"truth\":true}" },
    { "clip.mkv --frames 5 --plain", 5, 16, 16, 10, "\"written_frames\":5," },
    { "clip.mkv --frames 5 --plain", 5, 16, 16, 10, "\"truth\":false}" },
    { "clip.mkv --plain --zoom 3", 4, 48, 48, 10, "\"new_frames\":4," },
    { "clip.mkv --frames 3", 5, 516, 256, 10, "\"task\":\"predict\",\"input\":\"clip.mkv\"" },
    { "clip.mkv --frames 4 --samples 3 --zoom 1", 6, 76, 16, 10, "\"samples\":3" },
    { "clip.mkv --frames 4 --samples 3 --plain", 4, 56, 16, 10, "\"samples\":3" },
    { "clip.mkv --frames 1 --samples 64 --plain", 1, 64 * 16 + 63 * 4, 16, 10, "\"samples\":64" },
    { "clip.mkv --frames 1 --samples 64", 3, 65 * 48 + 64 * 4, 48, 10, "\"samples\":64" },
    { "clip.mkv --frames 3 --start 3 --zoom 1", 5, 36, 16, 10,
      "\"first_known\":3,\"last_known\":4" },
    { "clip.mkv --frames 5 --start end --zoom 1", 7, 16, 16, 10,
      "\"first_known\":10,\"last_known\":11" },
    { "clip.mkv --frames 5 --start 10 --zoom 1", 7, 16, 16, 10, "\"truth\":false" },
    { "clip.mkv --frames 5 --sampler ddim --steps 2 --plain", 5, 16, 16, 10,
      "\"sampler\":\"ddim\",\"steps\":2" },
    { "clip.mkv --set data.frame_step=3 --frames 3 --zoom 1", 5, 36, 16, 3,
      "\"first_known\":0,\"last_known\":1" },
    { "clip.mkv --task predict-past --frames 5 --zoom 1", 6, 36, 16, 10,
      "\"written_frames\":6,\"samples\":1,\"seed\":0,\"first_known\":5,\"last_known\":5" },
    { "clip.mkv --task predict-past --frames 5 --plain", 5, 16, 16, 10, "\"truth\":false" },
    { "clip.mkv --task predict-past --frames 5 --start 3 --zoom 1", 6, 36, 16, 10,
      "\"first_known\":3" },
    { "clip.mkv --task predict-past --frames 5 --start 0 --zoom 1", 6, 16, 16, 10,
      "\"truth\":false" },
    { "clip.mkv --task predict-past --frames 5 --start end --zoom 1", 6, 36, 16, 10,
      "\"first_known\":11" },
    { "clip.mkv --task predict-past --frames 15 --zoom 1", 16, 16, 16, 10, "\"first_known\":0" },
    { "clip.mkv --task interp --zoom 1", 5, 36, 16, 10,
      "\"new_frames\":2,\"written_frames\":5,\"samples\":1,\"seed\":0,\"first_known\":0,"
      "\"last_known\":4" },
    { "clip.mkv --task interp --frames 3 --start 2 --zoom 1", 9, 36, 16, 10,
      "\"new_frames\":4,\"written_frames\":9,\"samples\":1,\"seed\":0,\"first_known\":2,"
      "\"last_known\":10" },
    { "clip.mkv --task interp --frames 4 --plain", 4, 16, 16, 10, "\"new_frames\":4" },
    { "clip.mkv --task interp --factor 2 --zoom 1", 23, 16, 16, 20,
      "\"new_frames\":11,\"written_frames\":23,\"samples\":1,\"seed\":0,\"first_known\":0,"
      "\"last_known\":11" },
    { "clip.mkv --task interp --factor 3 --zoom 1", 34, 16, 16, 30, "\"truth\":false" },
    { "clip.mkv --task interp --factor 3 --plain --start 10", 2, 16, 16, 30, "\"new_frames\":2" },
    { "--task generate --frames 5 --zoom 1", 5, 16, 16, 10, "\"input\":\"\"" },
    { "--task generate --frames 5 --samples 2 --plain", 5, 36, 16, 10, "\"truth\":false" },
};

static void every_task_writes_what_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        const output_case *c = &outputs[i];
        char arguments[512];
        snprintf(arguments, sizeof arguments, "%s -o out.mkv --force --json", c->arguments);
        const program_run run = rollout_ok(arguments);
        mcvd_video_clip clip = read_gray("out.mkv");
        if ((int)clip.num_frames != c->frames || clip.width != c->width ||
            clip.height != c->height || clip.fps_num / clip.fps_den != c->fps)
            fail_msg("%s: %zu frames of %dx%d at %d/%d", arguments, clip.num_frames, clip.width,
                     clip.height, clip.fps_num, clip.fps_den);
        if (!strstr(run.out, c->json))
            fail_msg("%s: no %s in %s", arguments, c->json, run.out);
        mcvd_video_clip_free(&clip);
    }
    unlink("out.mkv");
    CHECK_EQ(count_entries("."), 1);
}

static void default_names_and_lines(void **state)
{
    static const struct {
        const char *arguments, *output, *line;
    } rows[] = {
        { "clip.mkv --frames 5", "clip-predicted.mp4",
          "clip-predicted.mp4: 5 frames predicted after frames 0-1 of clip.mkv (ddpm, 4 steps per "
          "block, seed 0), right of the true frames\n" },
        { "./clip.mkv --frames 2 --plain --seed 3 --force", "clip-predicted.mp4",
          "./clip-predicted.mp4: 2 frames predicted after frames 0-1 of ./clip.mkv (ddpm, 4 steps "
          "per block, seed 3)\n" },
        { "clip.mkv --frames 2 --task predict-past", "clip-past.mp4",
          "clip-past.mp4: 2 frames predicted before frames 2-2 of clip.mkv (ddpm, 4 steps per "
          "block, seed 0), right of the true frames\n" },
        { "clip.mkv --task interp", "clip-interpolated.mp4",
          "clip-interpolated.mp4: 2 frames filled in among the frames of clip.mkv from frame 0 "
          "(ddpm, 4 steps per block, seed 0), right of the true frames\n" },
        { "--task generate --frames 2", "generated.mp4",
          "generated.mp4: 2 frames generated (ddpm, 4 steps per block, seed 0)\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const program_run run = rollout_ok(rows[i].arguments);
        if (strcmp(run.out, rows[i].line) != 0)
            fail_msg("%s: said \"%s\"", rows[i].arguments, run.out);
        CHECK_EQ(access(rows[i].output, R_OK), 0);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        unlink(rows[i].output);
    CHECK_EQ(count_entries("."), 1);
}

/* A folder is known by its own name, however it is reached; nothing hidden is written. */
static void folders_reached_by_dots_are_named(void **state)
{
    static const char *const inputs[] = { ".", "./", "../pics/.", "sub/..", "sub/../" };

    (void)state;
    rollout_ok("--task generate --frames 4 --plain -o pics/");
    CHECK_EQ(chdir("pics"), 0);
    CHECK_EQ(mkdir("sub", 0700), 0);
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        const int entries = count_entries(".");
        char arguments[64];
        snprintf(arguments, sizeof arguments, "%s --frames 1", inputs[i]);
        rollout_ok(arguments);
        CHECK_EQ(count_entries("."), entries);
        CHECK_EQ(unlink("../pics-predicted.mp4"), 0);
    }
    CHECK_EQ(chdir(".."), 0);
    remove_test_folder("pics");
    CHECK_EQ(count_entries("."), 1);
}

/* --- pictures --- */

/* Column `tile` of a frame is frame `truth` of the clip, or blank when that is negative. */
static void check_tile(const mcvd_video_clip *out, int frame, int tile, int truth)
{
    for (int p = 0; p < CLIP_BYTES; p++) {
        const int x = tile * (CLIP_SIZE + GAP) + p % CLIP_SIZE;
        const int at = (frame * out->height + p / CLIP_SIZE) * out->width + x;
        const int expected = truth < 0 ? BLANK : clip_pixel(truth, p);
        if (out->data[at] != expected)
            fail_msg("frame %d, tile %d, pixel %d: %d, expected %d (frame %d)", frame, tile, p,
                     out->data[at], expected, truth);
    }
}

static bool same_tile(const mcvd_video_clip *a, int frame_a, int tile_a, const mcvd_video_clip *b,
                      int frame_b, int tile_b)
{
    for (int y = 0; y < CLIP_SIZE; y++) {
        const int x_a = tile_a * (CLIP_SIZE + GAP);
        const int x_b = tile_b * (CLIP_SIZE + GAP);
        if (memcmp(a->data + (frame_a * a->height + y) * a->width + x_a,
                   b->data + (frame_b * b->height + y) * b->width + x_b, CLIP_SIZE) != 0)
            return false;
    }
    return true;
}

/* Frame i of the output stands beside frame first + i of the clip; `known` are the same in both
 * tiles, the others are the frames of the plain output. */
static void check_beside_truth(const char *arguments, int first, const char *known)
{
    char line[256];
    int made = 0;

    snprintf(line, sizeof line, "clip.mkv %s --zoom 1 -o shown.mkv --force", arguments);
    rollout_ok(line);
    snprintf(line, sizeof line, "clip.mkv %s --plain -o plain.mkv --force", arguments);
    rollout_ok(line);
    mcvd_video_clip shown = read_gray("shown.mkv");
    mcvd_video_clip plain = read_gray("plain.mkv");
    CHECK_EQ(shown.num_frames, strlen(known));
    for (int i = 0; i < (int)shown.num_frames; i++) {
        const int truth = first + i < CLIP_FRAMES ? first + i : -1;
        check_tile(&shown, i, 0, truth);
        if (known[i] == 'k')
            check_tile(&shown, i, 1, truth);
        else
            CHECK_TRUE(same_tile(&shown, i, 1, &plain, made++, 0));
    }
    CHECK_EQ(made, plain.num_frames);
    mcvd_video_clip_free(&shown);
    mcvd_video_clip_free(&plain);
    unlink("shown.mkv");
    unlink("plain.mkv");
}

static void truth_stands_beside_the_right_frames(void **state)
{
    (void)state;
    check_beside_truth("--frames 5", 0, "kknnnnn");
    check_beside_truth("--frames 13", 0, "kknnnnnnnnnnnnn"); /* beyond the end: blank */
    check_beside_truth("--frames 3 --start 4", 4, "kknnn");
    check_beside_truth("--task predict-past --frames 5", 0, "nnnnnk");
    check_beside_truth("--task predict-past --frames 5 --start 3", -2, "nnnnnk");
    check_beside_truth("--task predict-past --frames 4 --start 9", 5, "nnnnk");
    check_beside_truth("--task interp --frames 4 --start 1", 1, "kknnkknnk");
}

static void whole_videos_keep_their_frames(void **state)
{
    (void)state;
    rollout_ok("clip.mkv --task interp --factor 3 --zoom 1 -o out.mkv");
    mcvd_video_clip out = read_gray("out.mkv");
    for (int i = 0; i < CLIP_FRAMES; i++)
        check_tile(&out, 3 * i, 0, i);
    mcvd_video_clip_free(&out);
    unlink("out.mkv");
}

/* Frames nearest to the known ones are made first, so a longer past ends in the shorter one. */
static void a_longer_past_ends_like_a_shorter_one(void **state)
{
    (void)state;
    rollout_ok("clip.mkv --task predict-past --start 8 --frames 3 --plain -o three.mkv");
    rollout_ok("clip.mkv --task predict-past --start 8 --frames 7 --plain -o seven.mkv");
    mcvd_video_clip three = read_gray("three.mkv");
    mcvd_video_clip seven = read_gray("seven.mkv");
    for (int i = 0; i < 3; i++)
        CHECK_TRUE(same_tile(&seven, 4 + i, 0, &three, i, 0));
    CHECK_TRUE(!same_tile(&three, 1, 0, &three, 2, 0));
    mcvd_video_clip_free(&three);
    mcvd_video_clip_free(&seven);
    unlink("three.mkv");
    unlink("seven.mkv");
}

/* --- formats, pipes, names --- */

static void every_format_plays(void **state)
{
    static const char *const names[] = { "o.mp4", "o.mkv", "o.gif", "o.apng", "o.y4m", "pics/" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char line[128];
        snprintf(line, sizeof line, "clip.mkv --frames 5 -o %s", names[i]);
        rollout_ok(line);
        mcvd_video_clip clip = read_gray(names[i]);
        CHECK_EQ(clip.num_frames, 7);
        CHECK_EQ(clip.width, 516);
        CHECK_EQ(clip.height, 256);
        mcvd_video_clip_free(&clip);
        unlink(names[i]);
    }
    CHECK_EQ(count_entries("pics"), 7);
    remove_test_folder("pics");
    rollout_ok("clip.mkv --frames 3 --plain -o p%02d.png");
    CHECK_EQ(access("p03.png", R_OK), 0);
    CHECK_EQ(access("p04.png", R_OK), -1);
    unlink("p01.png");
    unlink("p02.png");
    unlink("p03.png");
    CHECK_EQ(count_entries("."), 1);
}

static void pipes_on_both_ends(void **state)
{
    program_run run = { .input = "clip.y4m", .stdout_file = "out.y4m" };

    (void)state;
    write_clip("clip.y4m", CLIP_FRAMES);
    program_wait(&run, start_rollout(&run, NULL, "- --frames 5 --start 1 --zoom 1 -o - --json"),
                 place.log);
    CHECK_EQ(run.status, 0);
    CHECK_TRUE(strstr(run.err, "{\"output\":\"-\"") != NULL);
    rollout_ok("clip.mkv --frames 5 --start 1 --zoom 1 -o file.mkv");
    mcvd_video_clip piped = read_gray("out.y4m");
    mcvd_video_clip file = read_gray("file.mkv");
    CHECK_EQ(piped.num_frames, 7);
    CHECK_EQ(piped.width, file.width);
    CHECK_EQ(memcmp(piped.data, file.data, piped.num_frames * (size_t)(piped.width * piped.height)),
             0);
    mcvd_video_clip_free(&piped);
    mcvd_video_clip_free(&file);
    run = (program_run) { .input = "clip.y4m" };
    program_wait(&run, start_rollout(&run, NULL, "- --frames 2"), place.log);
    CHECK_EQ(run.status, 0);
    CHECK_EQ(unlink("predicted.mp4"), 0);
    program_wait(&run, start_rollout(&run, NULL, "- --task interp"), place.log);
    CHECK_EQ(run.status, 0);
    CHECK_EQ(unlink("interpolated.mp4"), 0);
    program_wait(&run, start_rollout(&run, NULL, "- --task predict-past --start 2 --frames 2"),
                 place.log);
    CHECK_EQ(run.status, 0);
    CHECK_EQ(unlink("past.mp4"), 0);
    unlink("clip.y4m");
    unlink("out.y4m");
    unlink("file.mkv");
    CHECK_EQ(count_entries("."), 1);
}

static void odd_names_stay_json(void **state)
{
    static const char odd[] = "o\"d\\d \xc3\xa9 \x01 \xff.mkv";
    static const char shown[] = "o\"d\\d \xc3\xa9 \x01 \xef\xbf\xbd.mkv";
    program_run run = { 0 };

    (void)state;
    CHECK_EQ(link("clip.mkv", odd), 0);
    program_wait(&run, start_rollout(&run, odd, "--frames 2 -o out.mkv --json"), place.log);
    CHECK_EQ(run.status, 0);
    cJSON *json = cJSON_Parse(run.out);
    CHECK_TRUE(json != NULL);
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(json, "input");
    CHECK_TRUE(cJSON_IsString(input) && strcmp(input->valuestring, shown) == 0);
    cJSON_Delete(json);
    unlink(odd);
    unlink("out.mkv");
}

/* --- seeds --- */

static bool same_files(const char *a, const char *b)
{
    static char x[1 << 18];
    static char y[1 << 18];
    FILE *file_a = fopen(a, "rb");
    FILE *file_b = fopen(b, "rb");

    CHECK_TRUE(file_a && file_b);
    const size_t n = fread(x, 1, sizeof x, file_a);
    const size_t m = fread(y, 1, sizeof y, file_b);
    CHECK_TRUE(n > 0 && n < sizeof x && m < sizeof y);
    fclose(file_a);
    fclose(file_b);
    return n == m && memcmp(x, y, n) == 0;
}

static void same_seed_same_bytes(void **state)
{
    static const char *const formats[] = { "mkv", "mp4" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char a[16], b[16], line[128];
        snprintf(a, sizeof a, "a.%s", formats[i]);
        snprintf(b, sizeof b, "b.%s", formats[i]);
        snprintf(line, sizeof line, "clip.mkv --frames 5 --seed 7 -o %s", a);
        rollout_ok(line);
        snprintf(line, sizeof line, "clip.mkv --frames 5 --seed 7 -o %s", b);
        rollout_ok(line);
        CHECK_TRUE(same_files(a, b));
        snprintf(line, sizeof line, "clip.mkv --frames 5 --seed 8 -o %s --force", b);
        rollout_ok(line);
        CHECK_TRUE(!same_files(a, b));
        unlink(a);
        unlink(b);
    }
}

/* --- memory --- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_INSTRUMENTED 1
#else
#define MEMORY_IS_INSTRUMENTED 0
#endif

static long peak_of(const char *task, int frames)
{
    char line[256];

    snprintf(line, sizeof line, "%s --frames %d --steps 2 --plain -o out.mkv --force", task,
             frames);
    return rollout_ok(line).peak_kb;
}

static void memory_does_not_grow(void **state)
{
    static const char *const tasks[] = { "clip.mkv", "clip.mkv --task predict-past",
                                         "--task generate", "long.mkv --task interp" };

    (void)state;
    if (MEMORY_IS_INSTRUMENTED) /* freed memory is kept for a while */
        skip();
    write_clip("long.mkv", 1000);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        const long few = peak_of(tasks[i], 40);
        const long many = peak_of(tasks[i], 400);
        if (many > few + few / 10)
            fail_msg("%s: 400 frames take %ld kB, 40 frames %ld kB", tasks[i], many, few);
    }
    unlink("long.mkv");
    unlink("out.mkv");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_writes_what_it_says),
        cmocka_unit_test(default_names_and_lines),
        cmocka_unit_test(folders_reached_by_dots_are_named),
        cmocka_unit_test(truth_stands_beside_the_right_frames),
        cmocka_unit_test(whole_videos_keep_their_frames),
        cmocka_unit_test(a_longer_past_ends_like_a_shorter_one),
        cmocka_unit_test(every_format_plays),
        cmocka_unit_test(pipes_on_both_ends),
        cmocka_unit_test(odd_names_stay_json),
        cmocka_unit_test(same_seed_same_bytes),
        cmocka_unit_test(memory_does_not_grow),
    };

    return cmocka_run_group_tests(tests, rollout_set_up, rollout_tear_down);
}
