/* mcvd rollout on bad input, full disks and signals: one line, the right exit status, no file. */
#include <time.h>

#include "support/rollout_cli.h"

static int set_up(void **state)
{
    FILE *file = NULL;
    const mcvd_config no_future = window_config((window_shape) { 2, 2, 0, 1, false });

    rollout_set_up(state);
    write_random_model(&no_future, "no_future.safetensors");
    write_clip("one.mkv", 1);
    CHECK_EQ(mkdir("empty", 0700), 0);
    file = fopen("old.mkv", "w");
    CHECK_TRUE(file != NULL);
    fputs("precious", file);
    fclose(file);
    file = fopen("list.m3u8", "w");
    CHECK_TRUE(file != NULL);
    fputs("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nclip.mkv\n", file);
    fclose(file);
    CHECK_EQ(truncate("one.mkv", 100000), 0); /* zeros behind it do not hurt */
    return 0;
}

/* A long run that fails must fail before it computes: 100000 frames take minutes. */
typedef struct error_case {
    const char *arguments;
    int status;
    const char *words[3];
} error_case;

static const error_case errors[] = {
    { "", 2, { "INPUT", "generate" } },
    { "nothere.mp4 -o o.mkv", 3, { "nothere.mp4" } },
    { "empty -o o.mkv", 3, { "empty" } },
    { "list.m3u8 -o o.mkv", 3, { "list.m3u8" } },
    { "http://localhost/x.mp4 -o o.mkv", 3, { "http://localhost/x.mp4" } },
    { "old.mkv -o o.mkv", 3, { "old.mkv" } },
    { "one.mkv -o o.mkv", 3, { "one.mkv", "needs 2", "found 1" } },
    { "clip.mkv --start 11 -o o.mkv", 3, { "clip.mkv", "needs 13", "found 12" } },
    { "clip.mkv --start 500 -o o.mkv", 3, { "clip.mkv", "needs 502", "found 12" } },
    { "clip.mkv --set data.frame_step=12 -o o.mkv", 3, { "clip.mkv", "found 1", "12" } },
    { "clip.mkv --task predict-past --start 12 -o o.mkv", 3, { "needs 13", "found 12" } },
    { "clip.mkv --task interp --start 8 -o o.mkv", 3, { "needs 13", "found 12" } },
    { "clip.mkv --task interp --frames 100000 -o o.mkv", 3, { "clip.mkv", "found 12" } },
    { "one.mkv --task interp --factor 2 -o o.mkv", 3, { "needs 2", "found 1" } },
    { "clip.mkv --task interp --factor 4 -o o.mkv", 2, { "--factor 4", "at most 3" } },
    { "clip.mkv --task interp --factor 2 --frames 4", 2, { "--factor", "--frames" } },
    { "clip.mkv --task interp --start end", 2, { "--start", "interp" } },
    { "clip.mkv --factor 2", 2, { "--factor", "interp" } },
    { "clip.mkv --start soon", 2, { "--start", "soon" } },
    { "clip.mkv --start -3", 2, { "--start" } },
    { "clip.mkv --start 99999999999999999999", 2, { "--start" } },
    { "clip.mkv --frames 0", 2, { "--frames" } },
    { "clip.mkv --frames 200000 -o o.mkv", 2, { "--frames 200000", "131072" } },
    { "clip.mkv --samples 65", 2, { "--samples" } },
    { "clip.mkv --task foretell", 2, { "--task", "foretell" } },
    { "clip.mkv --task generate", 2, { "generate", "INPUT" } },
    { "--task generate --start 3", 2, { "generate", "--start" } },
    { "- --start end", 2, { "--start" } },
    { "- --task predict-past", 2, { "--start" } },
    { "- -o o.mkv", 3, { "-" } },
    { "clip.mkv --set data.num_frames=1", 2, { "data.num_frames" } },
    { "clip.mkv --set data.image_size=64", 2, { "data.image_size" } },
    { "clip.mkv --set model.ngf=16", 2, { "model.ngf" } },
    { "clip.mkv --set sampling.subsample=-4", 2, { "sampling.subsample" } },
    { "clip.mkv --set sampling.sampler=dice", 2, { "dice" } },
    { "clip.mkv --set sampling.init_prev_t=1", 2, { "1" } },
    { "clip.mkv --model nothere.safetensors", 4, { "nothere.safetensors" } },
    { "clip.mkv --model clip.mkv", 4, { "clip.mkv" } },
    { "clip.mkv --model empty", 4, { "empty" } },
    { "clip.mkv --model no_future.safetensors --task interp",
      2,
      { "interp", "num_frames_future" } },
    { "clip.mkv --model no_future.safetensors --task predict-past", 2, { "predict-past" } },
    { "clip.mkv --frames 100000 -o old.mkv", 2, { "old.mkv", "--force" } },
    { "clip.mkv --force -o clip.mkv", 2, { "clip.mkv", "input" } },
    { "clip.mkv --force -o ./clip.mkv", 2, { "clip.mkv", "input" } },
    { "clip.mkv --frames 100000 -o old.mkv/", 5, { "old.mkv", "not a folder" } },
    { "clip.mkv --frames 100000 --force -o old.mkv/", 5, { "old.mkv", "not a folder" } },
    { "clip.mkv --task predict-past --frames 100000 -o old.mkv", 2, { "old.mkv" } },
    { "clip.mkv --task interp -o old.mkv", 2, { "old.mkv" } },
    { "--task generate --frames 100000 -o old.mkv", 2, { "old.mkv" } },
    { "clip.mkv --frames 100000 -o nothere/o.mkv", 5, { "nothere" } },
    { "clip.mkv --task predict-past --frames 100000 -o nothere/o.mkv", 5, { "nothere" } },
    { "clip.mkv --frames 100000 -o /proc/o.mkv", 5, { "/proc" } },
    { "clip.mkv --frames 100000 -o o.avi", 2, { "o.avi" } },
    { "clip.mkv --task predict-past --frames 100000 -o o.xyz", 2, { "o.xyz" } },
};

static int count_lines(const char *text, const char *start)
{
    int count = 0;

    for (const char *at = text; (at = strstr(at, start)) != NULL; at++)
        count += at == text || at[-1] == '\n' || at[-1] == '\r';
    return count;
}

static void check_error(const program_run *run, const error_case *c, int entries)
{
    const char *line = strstr(run->err, "mcvd: error: ");

    if (run->status != c->status)
        fail_msg("mcvd rollout %s: exit %d, expected %d: %s", c->arguments, run->status, c->status,
                 run->err);
    if (!line || count_lines(run->err, "mcvd: error: ") != 1 || strchr(line, '\n')[1])
        fail_msg("mcvd rollout %s: not one error line at the end: %s", c->arguments, run->err);
    for (size_t w = 0; w < 3 && c->words[w]; w++)
        if (!strstr(line, c->words[w]))
            fail_msg("mcvd rollout %s: no '%s' in: %s", c->arguments, c->words[w], line);
    if (run->out[0])
        fail_msg("mcvd rollout %s: says %s", c->arguments, run->out);
    if (count_entries(".") != entries)
        fail_msg("mcvd rollout %s: left a file behind", c->arguments);
}

static void bad_input_is_told_and_leaves_nothing(void **state)
{
    const int entries = count_entries(".");
    char text[PROGRAM_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const program_run run = rollout(errors[i].arguments);
        check_error(&run, &errors[i], entries);
    }
    program_read("old.mkv", text);
    CHECK_TRUE(strcmp(text, "precious") == 0);
}

static void cut_off_files_are_refused(void **state)
{
    (void)state;
    /* a video whose end is missing, and a model */
    write_clip("cut.mkv", CLIP_FRAMES);
    struct stat info;
    CHECK_EQ(stat("cut.mkv", &info), 0);
    CHECK_EQ(truncate("cut.mkv", 200), 0);
    const error_case video = { "cut.mkv -o o.mkv", 3, { "cut.mkv" } };
    program_run run = rollout(video.arguments);
    check_error(&run, &video, count_entries("."));
    unlink("cut.mkv");
    const mcvd_config config = window_config((window_shape) { 2, 2, 1, 1, false });
    write_random_model(&config, "cut.safetensors");
    CHECK_EQ(stat("cut.safetensors", &info), 0);
    CHECK_EQ(truncate("cut.safetensors", info.st_size - 4), 0);
    const error_case model = { "clip.mkv --model cut.safetensors", 4, { "cut.safetensors" } };
    run = rollout(model.arguments);
    check_error(&run, &model, count_entries("."));
    unlink("cut.safetensors");
}

static void folders_without_rights(void **state)
{
    (void)state;
    if (geteuid() == 0) /* who may do everything */
        skip();
    const error_case read = { "locked -o o.mkv", 3, { "locked" } };
    const error_case write = { "clip.mkv --frames 100000 -o locked/o.mkv", 5, { "locked" } };
    CHECK_EQ(mkdir("locked", 0), 0);
    program_run run = rollout(read.arguments);
    check_error(&run, &read, count_entries("."));
    run = rollout(write.arguments);
    check_error(&run, &write, count_entries("."));
    rmdir("locked");
}

static void full_disks_leave_nothing(void **state)
{
    static const error_case rows[] = {
        { "clip.mkv --frames 400 --steps 1 --plain -o o.mkv", 5, { "o.mkv" } },
        { "clip.mkv --frames 100 --steps 1 -o o.mp4", 5, { "o.mp4" } },
        { "clip.mkv --frames 400 --steps 1 --plain -o o.gif", 5, { "o.gif" } },
        { "clip.mkv --frames 400 --steps 1 --plain -o o.apng", 5, { "o.apng" } },
        { "clip.mkv --frames 400 --steps 1 --plain -o o.y4m", 5, { "o.y4m" } },
        { "clip.mkv --frames 2 --steps 1 --samples 64 -o pics/", 5, { "frame-" } },
        { "clip.mkv --frames 400 --steps 1 --task predict-past --plain -o o.mkv",
          5,
          { "temporary" } },
        { "long.mkv --frames 300 --steps 1 --task interp --plain -o o.mkv", 5, { "o.mkv" } },
    };

    (void)state;
    write_clip("long.mkv", 700);
    const int entries = count_entries(".");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        program_run run = { .file_limit = 20000 };
        program_wait(&run, start_rollout(&run, NULL, rows[i].arguments), place.log);
        check_error(&run, &rows[i], entries);
    }
    unlink("long.mkv");
}

static void sleep_ms(long ms)
{
    const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&t, NULL);
}

static void check_signal(const char *arguments, int signal_number)
{
    const int entries = count_entries(".");
    program_run run = { 0 };
    const pid_t pid = start_rollout(&run, NULL, arguments);

    for (int i = 0; i < 6000 && count_entries(".") == entries; i++)
        sleep_ms(10); /* the output has begun */
    sleep_ms(100);
    CHECK_EQ(kill(pid, signal_number), 0);
    program_wait(&run, pid, place.log);
    if (run.status != 128 + signal_number)
        fail_msg("%s: exit %d: %s", arguments, run.status, run.err);
    CHECK_EQ(count_lines(run.err, "mcvd: error: "), 1);
    CHECK_EQ(count_entries("."), entries);
}

static void signals_leave_nothing(void **state)
{
    (void)state;
    check_signal("clip.mkv --frames 100000 -o o.mkv", SIGINT);
    check_signal("clip.mkv --frames 100000 -o o.mp4", SIGTERM);
    check_signal("clip.mkv --frames 100000 -o pics/", SIGINT);
    check_signal("clip.mkv --task predict-past --frames 100000 -o o.mkv", SIGINT);
    check_signal("--task generate --frames 100000 --samples 3 -o o.gif", SIGINT);
}

static void untrained_tasks_are_warned_about(void **state)
{
    mcvd_config config = window_config((window_shape) { 2, 2, 1, 1, false });

    (void)state;
    config.data.prob_mask_future = 0.0;
    write_random_model(&config, "interp.safetensors");
    const program_run run =
        rollout_ok("clip.mkv --model interp.safetensors --frames 2 -o warned.mkv");
    CHECK_EQ(count_lines(run.err, "mcvd: warning: "), 1);
    CHECK_TRUE(strstr(run.err, "predict") != NULL);
    unlink("warned.mkv");
    /* made for first blocks only */
    config.data.prob_mask_cond = config.data.prob_mask_future = 1.0;
    write_random_model(&config, "first.safetensors");
    const program_run one =
        rollout_ok("--task generate --model first.safetensors --frames 2 -o first.mkv");
    CHECK_EQ(count_lines(one.err, "mcvd: warning: "), 0);
    const program_run two =
        rollout_ok("--task generate --model first.safetensors --frames 3 -o two.mkv");
    CHECK_EQ(count_lines(two.err, "mcvd: warning: "), 1);
    CHECK_TRUE(strstr(two.err, "beyond the first block") != NULL);
    unlink("first.mkv");
    unlink("two.mkv");
    unlink("first.safetensors");
    unlink("interp.safetensors");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_input_is_told_and_leaves_nothing),
        cmocka_unit_test(cut_off_files_are_refused),
        cmocka_unit_test(folders_without_rights),
        cmocka_unit_test(full_disks_leave_nothing),
        cmocka_unit_test(signals_leave_nothing),
        cmocka_unit_test(untrained_tasks_are_warned_about),
    };

    return cmocka_run_group_tests(tests, set_up, rollout_tear_down);
}
