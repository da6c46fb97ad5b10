/* mcvd rollout --inpaint and --guidance: black pixels of a mask are the input's to the bit, in
 * every task; masks of all shapes; what is refused. */
#include "support/rollout_cli.h"

enum { HALF = CLIP_SIZE / 2 };

static bool is_white(int frame, int pixel)
{
    return hashed_byte("mask", (uint32_t)(frame * CLIP_BYTES + pixel)) > 127;
}

static bool right_half(int frame, int pixel)
{
    (void)frame;
    return pixel % CLIP_SIZE >= HALF;
}

static bool everywhere(int frame, int pixel)
{
    (void)frame;
    (void)pixel;
    return true;
}

typedef bool (*mask_fn)(int frame, int pixel);

/* A mask of `scale` pixels for each of the model's, gray below and above the threshold. */
static void write_mask(const char *path, int width, int height, int scale, mask_fn white)
{
    FILE *file = fopen(path, "wb");

    CHECK_TRUE(file != NULL);
    fprintf(file, "P5\n%d %d\n255\n", width, height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const int left = (width - CLIP_SIZE * scale) / 2;
            const int at = (y / scale) * CLIP_SIZE + (x - left) / scale;
            const bool outside = x < left || x >= width - left;
            fputc(!outside && white && white(0, at) ? 140 : 100, file);
        }
    CHECK_EQ(fclose(file), 0);
}

static void write_mask_video(const char *path, int frames)
{
    uint8_t frame[CLIP_BYTES];
    mcvd_video_writer *writer = NULL;
    mcvd_video_writer_config config = mcvd_video_writer_config_default();

    config.width = config.height = CLIP_SIZE;
    config.channels = 1;
    CHECK_OK(mcvd_video_writer_open(&writer, path, &config));
    for (int f = 0; f < frames; f++) {
        for (int p = 0; p < CLIP_BYTES; p++)
            frame[p] = is_white(f, p) ? 255 : 0;
        CHECK_OK(mcvd_video_writer_write(writer, frame));
    }
    CHECK_OK(mcvd_video_writer_finish(writer));
    mcvd_video_writer_free(&writer);
}

static int set_up(void **state)
{
    mcvd_config unmasked = window_config((window_shape) { 2, 2, 1, 1, false });

    rollout_set_up(state);
    unmasked.data.prob_mask_cond = 0.0;
    write_random_model(&unmasked, "unmasked.safetensors");
    write_mask("right.pgm", CLIP_SIZE, CLIP_SIZE, 1, right_half);
    write_mask("dots.pgm", CLIP_SIZE, CLIP_SIZE, 1, is_white);
    write_mask("large.pgm", 3 * CLIP_SIZE, 3 * CLIP_SIZE, 3, is_white);
    write_mask("white.pgm", CLIP_SIZE, CLIP_SIZE, 1, everywhere);
    write_mask("black.pgm", CLIP_SIZE, CLIP_SIZE, 1, NULL);
    write_mask("wide.pgm", 3 * CLIP_SIZE, CLIP_SIZE, 1, everywhere);
    write_mask_video("dots.mkv", CLIP_FRAMES);
    write_mask_video("short.mkv", 3);
    return 0;
}

/* --- what is kept and what is made --- */

typedef struct inpaint_case {
    const char *arguments;
    mask_fn white;
    bool moves;    /* the mask of frame n, not of frame 0 */
    int frames[6]; /* of the input, in the order of the output; -1: no more */
} inpaint_case;

static const inpaint_case cases[] = {
    { "--frames 5 --inpaint right.pgm", right_half, false, { 2, 3, 4, 5, 6, -1 } },
    { "--frames 5 --inpaint dots.pgm", is_white, false, { 2, 3, 4, 5, 6, -1 } },
    { "--frames 5 --inpaint large.pgm", is_white, false, { 2, 3, 4, 5, 6, -1 } },
    { "--frames 5 --inpaint dots.mkv", is_white, true, { 2, 3, 4, 5, 6, -1 } },
    { "--frames 2 --start 8 --inpaint dots.mkv", is_white, true, { 10, 11, -1 } },
    { "--frames 1 --start 9 --inpaint dots.mkv", is_white, true, { 11, -1 } },
    { "--frames 5 --inpaint dots.mkv --repeats 1", is_white, true, { 2, 3, 4, 5, 6, -1 } },
    { "--frames 3 --inpaint dots.mkv --sampler dpm++2m", is_white, true, { 2, 3, 4, -1 } },
    { "--frames 3 --inpaint dots.mkv --guidance 2", is_white, true, { 2, 3, 4, -1 } },
    { "--frames 3 --task predict-past --inpaint dots.mkv", is_white, true, { 0, 1, 2, -1 } },
    { "--frames 5 --task predict-past --start 6 --inpaint dots.mkv",
      is_white,
      true,
      { 1, 2, 3, 4, 5, -1 } },
    { "--frames 4 --task interp --inpaint dots.mkv", is_white, true, { 2, 3, 6, 7, -1 } },
    { "--frames 2 --task interp --start 5 --inpaint dots.mkv", is_white, true, { 7, 8, -1 } },
};

static void check_case(const inpaint_case *c, const mcvd_video_clip *made)
{
    int changed = 0;
    int num_white = 0;
    size_t f = 0;

    for (; c->frames[f] >= 0; f++)
        for (int p = 0; p < CLIP_BYTES; p++) {
            const int frame = c->frames[f];
            const int truth = clip_pixel(frame, p);
            const int pixel = made->data[f * CLIP_BYTES + (size_t)p];
            if (!c->white(c->moves ? frame : 0, p)) {
                if (pixel != truth)
                    fail_msg("%s: frame %d, pixel %d: %d, the input has %d", c->arguments, frame, p,
                             pixel, truth);
                continue;
            }
            num_white++;
            changed += pixel != truth;
        }
    CHECK_EQ(made->num_frames, f);
    if (changed < num_white / 2)
        fail_msg("%s: %d of %d white pixels made", c->arguments, changed, num_white);
}

static void black_pixels_are_the_inputs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char arguments[256];
        snprintf(arguments, sizeof arguments, "clip.mkv %s --plain -o out.mkv --force",
                 cases[i].arguments);
        rollout_ok(arguments);
        mcvd_video_clip made = read_gray("out.mkv");
        check_case(&cases[i], &made);
        mcvd_video_clip_free(&made);
    }
    unlink("out.mkv");
}

/* A pipe has the frames too. */
static void pipes_are_inpainted(void **state)
{
    static const inpaint_case c = {
        "- --frames 3 --inpaint dots.mkv", is_white, true, { 2, 3, 4, -1 }
    };
    program_run run = { .input = "clip.y4m" };

    (void)state;
    write_clip("clip.y4m", CLIP_FRAMES);
    program_wait(&run,
                 start_rollout(&run, NULL, "- --frames 3 --inpaint dots.mkv --plain -o o.mkv"),
                 place.log);
    CHECK_EQ(run.status, 0);
    mcvd_video_clip made = read_gray("o.mkv");
    check_case(&c, &made);
    mcvd_video_clip_free(&made);
    unlink("o.mkv");
    unlink("clip.y4m");
}

static void names_and_reports(void **state)
{
    program_run run = rollout_ok("clip.mkv --frames 2 --inpaint right.pgm");

    (void)state;
    if (strcmp(run.out, "clip-inpainted.mp4: 2 frames predicted after frames 0-1 of clip.mkv, "
                        "inpainted with right.pgm (ddpm, 4 steps per block, seed 0), right of the "
                        "true frames\n") != 0)
        fail_msg("said \"%s\"", run.out);
    /* 8 times 3 steps, the last step, and the denoise call; 128 of 256 pixels of two frames */
    run = rollout_ok("clip.mkv --frames 2 --inpaint right.pgm --json --force");
    CHECK_TRUE(strstr(run.out, "\"calls_per_block\":26,") != NULL);
    CHECK_TRUE(strstr(run.out, "\"mask\":\"right.pgm\",\"known_pixels\":256,\"made_pixels\":256,"));
    unlink("clip-inpainted.mp4");
}

static void check_same(const char *a, const char *b, bool same)
{
    rollout_ok(a);
    rollout_ok(b);
    mcvd_video_clip x = read_gray("a.mkv");
    mcvd_video_clip y = read_gray("b.mkv");
    CHECK_EQ(x.num_frames, y.num_frames);
    const size_t bytes = x.num_frames * (size_t)(x.width * x.height);
    if ((memcmp(x.data, y.data, bytes) == 0) != same)
        fail_msg("%s and %s: %s expected", a, b, same ? "the same" : "a difference");
    mcvd_video_clip_free(&x);
    mcvd_video_clip_free(&y);
    unlink("a.mkv");
    unlink("b.mkv");
}

static void white_masks_and_weights_of_one_change_nothing(void **state)
{
    const char *plain = "clip.mkv --frames 5 --plain -o a.mkv --force";

    (void)state;
    check_same(plain, "clip.mkv --frames 5 --plain --inpaint white.pgm --repeats 1 -o b.mkv", true);
    check_same(plain, "clip.mkv --frames 5 --plain --guidance 1 -o b.mkv", true);
    check_same(plain, "clip.mkv --frames 5 --plain --guidance past=1 -o b.mkv", true);
    check_same(plain, "clip.mkv --frames 5 --plain --guidance 2.5 -o b.mkv", false);
    check_same("clip.mkv --frames 5 --plain --guidance past=2.5 -o a.mkv",
               "clip.mkv --frames 5 --plain --set sampling.guidance_past=2.5 -o b.mkv", true);
    check_same("clip.mkv --task interp --plain --guidance past=1.5,future=2 -o a.mkv",
               "clip.mkv --task interp --plain --guidance future=2,past=1.5 -o b.mkv", true);
    const program_run run =
        rollout_ok("clip.mkv --frames 2 --plain --inpaint white.pgm --guidance 2 -o a.mkv");
    CHECK_TRUE(strstr(run.err, "white.pgm: white in every frame") != NULL);
    CHECK_TRUE(strstr(run.out, "4 steps per block, guidance past=2, seed 0") != NULL);
    unlink("a.mkv");
}

/* --- what is refused --- */

typedef struct error_case {
    const char *arguments;
    int status;
    const char *words[3];
} error_case;

static const error_case errors[] = {
    { "clip.mkv --inpaint nothere.png", 3, { "--inpaint", "nothere.png" } },
    { "clip.mkv --inpaint unmasked.safetensors", 3, { "--inpaint", "unmasked.safetensors" } },
    { "clip.mkv --inpaint wide.pgm", 3, { "wide.pgm", "48x16", "16x16" } },
    { "clip.mkv --inpaint black.pgm", 3, { "black.pgm", "black everywhere" } },
    { "clip.mkv --inpaint short.mkv --frames 2", 3, { "short.mkv", "frame 3" } },
    { "clip.mkv --inpaint right.pgm --frames 100000", 3, { "clip.mkv", "inpainted", "found 12" } },
    { "clip.mkv --inpaint right.pgm --frames 11", 3, { "needs 13", "inpainted", "found 12" } },
    { "clip.mkv --inpaint right.pgm --start 10 --frames 1", 3, { "needs 13", "found 12" } },
    { "clip.mkv --task predict-past --inpaint right.pgm --frames 12", 3, { "--start 12" } },
    { "clip.mkv --task predict-past --inpaint right.pgm --frames 4 --start 3", 3, { "--start 4" } },
    { "clip.mkv --inpaint -", 2, { "--inpaint", "stdin" } },
    { "clip.mkv --inpaint right.pgm --start end", 2, { "--inpaint", "--start end" } },
    { "clip.mkv --inpaint right.pgm --task interp --factor 2", 2, { "--inpaint", "--factor" } },
    { "--task generate --inpaint right.pgm", 2, { "--inpaint", "generate" } },
    { "- --task predict-past --start 5 --inpaint right.pgm", 2, { "--inpaint", "pipe" } },
    { "clip.mkv --repeats 3", 2, { "--repeats", "--inpaint" } },
    { "clip.mkv --inpaint right.pgm --repeats 0", 2, { "--repeats" } },
    { "clip.mkv --inpaint right.pgm --repeats 3 --sampler unipc", 2, { "unipc", "repeat" } },
    { "clip.mkv --guidance future=2", 2, { "predict", "no future" } },
    { "clip.mkv --task predict-past --guidance past=2", 2, { "predict-past", "no past" } },
    { "clip.mkv --guidance much", 2, { "--guidance", "much" } },
    { "clip.mkv --guidance -1", 2, { "--guidance", "-1" } },
    { "clip.mkv --guidance 2,", 2, { "--guidance", "'2,'" } },
    { "clip.mkv --guidance past=2,", 2, { "--guidance" } },
    { "clip.mkv --guidance past=2,past=3", 2, { "--guidance" } },
    { "clip.mkv --guidance present=2", 2, { "--guidance" } },
    { "clip.mkv --guidance past=101", 2, { "--guidance", "100" } },
    { "clip.mkv --guidance nan", 2, { "--guidance" } },
    { "clip.mkv --guidance 2 --model unmasked.safetensors", 2, { "past masked", "always given" } },
};

static void wrong_masks_and_weights_are_told(void **state)
{
    const int entries = count_entries(".");

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const error_case *c = &errors[i];
        char arguments[256];
        snprintf(arguments, sizeof arguments, "%s -o o.mkv", c->arguments);
        const program_run run = rollout(arguments);
        if (run.status != c->status)
            fail_msg("%s: exit %d, expected %d: %s", c->arguments, run.status, c->status, run.err);
        for (size_t w = 0; w < 3 && c->words[w]; w++)
            if (!strstr(run.err, c->words[w]))
                fail_msg("%s: no '%s' in: %s", c->arguments, c->words[w], run.err);
        if (count_entries(".") != entries)
            fail_msg("%s: left a file behind", c->arguments);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(black_pixels_are_the_inputs),
        cmocka_unit_test(pipes_are_inpainted),
        cmocka_unit_test(names_and_reports),
        cmocka_unit_test(white_masks_and_weights_of_one_change_nothing),
        cmocka_unit_test(wrong_masks_and_weights_are_told),
    };

    return cmocka_run_group_tests(tests, set_up, rollout_tear_down);
}
