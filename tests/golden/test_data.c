/* Data against the reference: digit paths, masks, rescaling and resampling. */
#include <mcvd/safetensors.h>

#include "data/batch.h"
#include "data/resample_opencv.h"
#include "data/resample_pillow.h"
#include "data/smmnist.h"
#include "support/check.h"
#include "support/data_config.h"
#include "support/hashed.h"

static mcvd_safetensors *open_golden(const char *name)
{
    char path[512];
    mcvd_safetensors *file = NULL;

    snprintf(path, sizeof path, "%s/pipeline/%s.safetensors", MCVD_TEST_GOLDEN, name);
    CHECK_OK(mcvd_safetensors_open(&file, path));
    return file;
}

/* Tensor "<group>/<name>" of a dtype; fails the test when it is missing. */
static mcvd_tensor get(const mcvd_safetensors *file, const char *group, const char *name,
                       mcvd_dtype dtype)
{
    char full[128];
    mcvd_tensor tensor;

    snprintf(full, sizeof full, "%s/%s", group, name);
    CHECK_OK(mcvd_safetensors_get(file, full, &tensor));
    CHECK_EQ(tensor.dtype, dtype);
    return tensor;
}

/* ---- Moving digits ------------------------------------------------------------------------- */

/* Plays back the stored draws and checks that each range asked for is the reference's. */
typedef struct playback {
    const int64_t *draws; /* [n, 3] low, high, value */
    size_t next;
    size_t num;
} playback;

static int play(void *user, int low, int high)
{
    playback *p = user;

    CHECK_TRUE(p->next < p->num);
    const int64_t *d = p->draws + 3 * p->next++;
    CHECK_EQ(low, d[0]);
    CHECK_EQ(high, d[1]);
    return (int)d[2];
}

enum { SIDE = 64, DIGIT = 32, MAX_FRAMES = 64 };

static void quantise(uint8_t *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)lrint(255.0 * (double)in[i]);
}

/* The stored digits are not 8-bit, ours are: each of the summed digits is off by half a level. */
static void check_frame(const uint8_t *frame, const mcvd_tensor *expected, size_t num_digits)
{
    const float *e = expected->data;

    for (size_t p = 0; p < SIDE * SIDE; p++)
        CHECK_CLOSE(frame[p], 255.0 * (double)e[p], 0.5 * (double)num_digits + 1e-4);
}

static void check_sequence(const mcvd_safetensors *file, const char *name, const uint8_t *digits)
{
    static uint8_t clip[MAX_FRAMES * SIDE * SIDE];
    const mcvd_tensor draws = get(file, name, "draws", MCVD_I64);
    const mcvd_tensor ids = get(file, name, "digit_ids", MCVD_I64);
    const mcvd_tensor places = get(file, name, "positions", MCVD_I64);
    const mcvd_tensor first = get(file, name, "frame_first", MCVD_F32);
    const mcvd_tensor last = get(file, name, "frame_last", MCVD_F32);
    const size_t num_frames = places.shape[1];
    const int64_t *place = places.data;
    playback p = { draws.data, 0, draws.shape[0] };
    const mcvdi_smmnist_rules rules = { .limit = 32, .speed = 4, .draw = play, .user = &p };

    CHECK_TRUE(num_frames <= MAX_FRAMES);
    memset(clip, 0, sizeof clip);
    for (size_t d = 0; d < ids.shape[0]; d++) {
        const int which = play(&p, 0, 10);
        CHECK_EQ(which, ((const int64_t *)ids.data)[d]);
        mcvdi_smmnist_mover m = mcvdi_smmnist_start(&rules);
        for (size_t f = 0; f < num_frames; f++, place += 2) {
            mcvdi_smmnist_bounce(&m, &rules);
            CHECK_EQ(m.row, place[0]);
            CHECK_EQ(m.column, place[1]);
            mcvdi_smmnist_add(clip + f * SIDE * SIDE, SIDE, digits + which * DIGIT * DIGIT, DIGIT,
                              &m);
            m.row += m.row_step;
            m.column += m.column_step;
        }
    }
    CHECK_EQ(p.next, p.num);
    check_frame(clip, &first, ids.shape[0]);
    check_frame(clip + (num_frames - 1) * SIDE * SIDE, &last, ids.shape[0]);
}

static void test_moving_digits(void **state)
{
    mcvd_safetensors *file = open_golden("data/smmnist");
    static uint8_t digits[10 * DIGIT * DIGIT];
    mcvd_tensor tensor;

    (void)state;
    CHECK_OK(mcvd_safetensors_get(file, "digits", &tensor));
    CHECK_EQ(mcvd_tensor_numel(&tensor), sizeof digits);
    quantise(digits, tensor.data, sizeof digits);
    check_sequence(file, "seq0", digits);
    check_sequence(file, "seq1", digits);
    mcvd_safetensors_close(&file);
}

/* ---- Split and mask ------------------------------------------------------------------------ */

typedef struct split_case {
    const char *name;
    int P, F, U;
    int num_frames_pred;
    double prob_mask_cond, prob_mask_future;
    bool sync;
    size_t num_draws;
} split_case;

/* tests/golden/pipeline/conditioning: settings of the stored cases */
static const split_case split_cases[] = {
    { "pred_train", 3, 2, 0, 2, 0.0, 0.0, false, 0 },
    { "pred_gen_train", 3, 2, 0, 2, 0.5, 0.0, false, 1 },
    { "general_train", 2, 3, 2, 3, 0.5, 0.5, false, 2 },
    { "sync_train", 2, 3, 2, 3, 0.5, 0.5, true, 1 },
    { "interp_train", 2, 3, 2, 3, 0.0, 0.0, false, 0 },
    { "interp_pred_train", 2, 3, 2, 3, 0.0, 0.5, false, 1 },
    { "eval_pred_of_general", 2, 3, 2, 8, 0.0, 1.0, false, 0 },
    { "eval_gen_of_general", 2, 3, 2, 8, 1.0, 1.0, false, 1 },
    { "eval_interp_of_general", 2, 3, 2, 3, 0.0, 0.0, false, 0 },
};

enum { B = 4, C = 2, PIXELS = 9, MAX_STACK = 12 * C * PIXELS };

static void check_sample(const mcvd_safetensors *file, const split_case *k, size_t b)
{
    const mcvd_data_config data = { .num_frames = k->F,
                                    .num_frames_cond = k->P,
                                    .num_frames_future = k->U,
                                    .prob_mask_cond = k->prob_mask_cond,
                                    .prob_mask_future = k->prob_mask_future,
                                    .prob_mask_sync = k->sync };
    const mcvdi_split_shape shape = { PIXELS,       C,
                                      (size_t)k->F, (size_t)k->P,
                                      (size_t)k->U, (size_t)k->num_frames_pred };
    const mcvd_tensor X = get(file, k->name, "X", MCVD_F32);
    const mcvd_tensor pred = get(file, k->name, "pred", MCVD_F32);
    const mcvd_tensor cond = get(file, k->name, "cond", MCVD_F32);
    const size_t frames = X.shape[1];
    const size_t depth_pred = pred.shape[1];
    const size_t depth_cond = cond.shape[1];
    float u[2] = { 0.0f, 0.0f };
    float clip[MAX_STACK];
    float x0[MAX_STACK];
    float c[MAX_STACK];
    float nchw[MAX_STACK];

    CHECK_EQ(mcvdi_mask_num_draws(&data), k->num_draws);
    if (k->num_draws > 0)
        u[0] = ((const float *)get(file, k->name, "u0", MCVD_F32).data)[b];
    if (k->num_draws > 1)
        u[1] = ((const float *)get(file, k->name, "u1", MCVD_F32).data)[b];
    const mcvdi_mask mask = mcvdi_mask_from_uniforms(&data, u);
    if (k->prob_mask_cond > 0.0)
        CHECK_EQ(mask.past, ((const int32_t *)get(file, k->name, "cond_mask", MCVD_I32).data)[b]);

    /* every frame from [C, H, W] to [H, W, C] */
    mcvd_tensor_to_nhwc(clip, (const float *)X.data + b * frames * C * PIXELS, frames, C, PIXELS);
    mcvdi_split(&shape, clip, mask, x0, c);
    mcvd_tensor_to_nchw(nchw, x0, 1, depth_pred, PIXELS);
    CHECK_ALL_CLOSE(nchw, (const float *)pred.data + b * depth_pred * PIXELS, depth_pred * PIXELS,
                    0.0);
    mcvd_tensor_to_nchw(nchw, c, 1, depth_cond, PIXELS);
    CHECK_ALL_CLOSE(nchw, (const float *)cond.data + b * depth_cond * PIXELS, depth_cond * PIXELS,
                    0.0);
}

static void test_split_and_mask(void **state)
{
    mcvd_safetensors *file = open_golden("conditioning/conditioning");

    (void)state;
    for (size_t i = 0; i < sizeof split_cases / sizeof split_cases[0]; i++)
        for (size_t b = 0; b < B; b++)
            check_sample(file, &split_cases[i], b);
    mcvd_safetensors_close(&file);
}

static void test_rescale(void **state)
{
    mcvd_safetensors *file = open_golden("conditioning/transforms");
    const mcvd_tensor X = get(file, "rescaled", "X", MCVD_F32);
    const mcvd_tensor forward = get(file, "rescaled", "forward", MCVD_F32);
    const mcvd_tensor inverse = get(file, "rescaled", "inverse_of_1.3x_forward", MCVD_F32);
    const float *x = X.data;
    const float *y = forward.data;
    const float *z = inverse.data;

    (void)state;
    for (size_t i = 0; i < mcvd_tensor_numel(&X); i++) {
        CHECK_CLOSE(mcvdi_rescale(x[i]), y[i], 0.0);
        CHECK_CLOSE(mcvdi_rescale_inverse(1.3f * y[i]), z[i], 0.0);
    }
    mcvd_safetensors_close(&file);
}

/* ---- Pillow's resampling ------------------------------------------------------------------- */

typedef struct resize_case {
    const char *name;
    mcvdi_pillow_filter filter;
    mcvdi_pillow_shape shape;
} resize_case;

static const resize_case resize_cases[] = {
    { "ucf_320x240", MCVDI_PILLOW_LANCZOS, { 240, 320, 64, 85, 3 } },
    { "city_1024", MCVDI_PILLOW_LANCZOS, { 1024, 1024, 64, 64, 3 } },
    { "mnist_28", MCVDI_PILLOW_BILINEAR, { 28, 28, 32, 32, 1 } },
    { "lpips_64", MCVDI_PILLOW_BILINEAR, { 64, 64, 128, 128, 3 } },
    { "down_37x23", MCVDI_PILLOW_BILINEAR, { 37, 23, 10, 9, 3 } },
};

static void check_resize(const mcvd_safetensors *file, const resize_case *k)
{
    const size_t num_in = k->shape.in_height * k->shape.in_width * k->shape.channels;
    const size_t num_out = k->shape.out_height * k->shape.out_width * k->shape.channels;
    uint8_t *in = malloc(num_in);
    uint8_t *out = malloc(num_out);
    mcvdi_pillow *plan = NULL;
    mcvd_tensor expected;
    char key[64];

    CHECK_OK(mcvd_safetensors_get(file, k->name, &expected));
    CHECK_EQ(mcvd_tensor_numel(&expected), num_out);
    snprintf(key, sizeof key, "g/resize/%s", k->name);
    for (size_t i = 0; i < num_in; i++)
        in[i] = hashed_byte(key, (uint32_t)i);
    CHECK_OK(mcvdi_pillow_create(&plan, k->filter, &k->shape));
    uint8_t *scratch = malloc(mcvdi_pillow_scratch_bytes(plan));
    mcvdi_pillow_resize(plan, out, in, scratch);
    for (size_t i = 0; i < num_out; i++)
        CHECK_EQ(out[i], ((const uint8_t *)expected.data)[i]);
    mcvdi_pillow_free(&plan);
    free(scratch);
    free(out);
    free(in);
}

/* OpenCV's input is hashed in its own order, blue first. */
static void test_opencv_kth(void **state)
{
    static uint8_t rgb[120 * 160 * 3];
    static uint8_t gray[120 * 160];
    static uint8_t out[64 * 64];
    const mcvdi_opencv_shape shape = { 120, 160, 64, 64 };
    mcvd_safetensors *file = open_golden("data/resize");
    mcvd_tensor wanted;

    (void)state;
    for (size_t i = 0; i < 120 * 160; i++)
        for (size_t c = 0; c < 3; c++)
            rgb[3 * i + 2 - c] = hashed_byte("g/resize/kth", (uint32_t)(3 * i + c));
    mcvdi_opencv_gray(gray, rgb, 120 * 160);
    wanted = get(file, "kth", "gray", MCVD_U8);
    CHECK_TRUE(memcmp(gray, wanted.data, sizeof gray) == 0);
    CHECK_OK(mcvdi_opencv_bilinear(out, gray, &shape));
    CHECK_OK(mcvd_safetensors_get(file, "kth", &wanted));
    CHECK_TRUE(memcmp(out, wanted.data, sizeof out) == 0);
    mcvd_safetensors_close(&file);
}

static void test_pillow_resize(void **state)
{
    mcvd_safetensors *file = open_golden("data/resize");

    (void)state;
    for (size_t i = 0; i < sizeof resize_cases / sizeof resize_cases[0]; i++)
        check_resize(file, &resize_cases[i]);
    mcvd_safetensors_close(&file);
}

/* Equal sizes skip a pass; a size of 0 and five channels are refused. */
static void test_pillow_limits(void **state)
{
    const uint8_t in[6] = { 9, 8, 7, 6, 5, 4 };
    uint8_t out[12];
    uint8_t scratch[12];
    mcvdi_pillow *plan = NULL;
    mcvdi_pillow_shape shape = { 2, 3, 2, 3, 1 };

    (void)state;
    CHECK_OK(mcvdi_pillow_create(&plan, MCVDI_PILLOW_LANCZOS, &shape));
    mcvdi_pillow_resize(plan, out, in, scratch);
    assert_memory_equal(out, in, sizeof in);
    mcvdi_pillow_free(&plan);

    shape = (mcvdi_pillow_shape) { 2, 3, 4, 3, 1 };
    CHECK_OK(mcvdi_pillow_create(&plan, MCVDI_PILLOW_BILINEAR, &shape));
    mcvdi_pillow_resize(plan, out, in, scratch);
    for (size_t x = 0; x < 3; x++) {
        CHECK_EQ(out[x], in[x]);         /* above the first centre: the first row */
        CHECK_EQ(out[9 + x], in[3 + x]); /* below the last: the last row */
    }
    mcvdi_pillow_free(&plan);

    shape.out_width = 0;
    CHECK_STATUS(mcvdi_pillow_create(&plan, MCVDI_PILLOW_BILINEAR, &shape), MCVD_E_RANGE);
    shape = (mcvdi_pillow_shape) { 2, 3, 4, 3, 5 };
    CHECK_STATUS(mcvdi_pillow_create(&plan, MCVDI_PILLOW_BILINEAR, &shape), MCVD_E_RANGE);
    CHECK_TRUE(plan == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moving_digits), cmocka_unit_test(test_split_and_mask),
        cmocka_unit_test(test_rescale),       cmocka_unit_test(test_pillow_resize),
        cmocka_unit_test(test_opencv_kth),    cmocka_unit_test(test_pillow_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
