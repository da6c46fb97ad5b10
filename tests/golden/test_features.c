/* Distances between sets, the preparation of videos, I3D behind it and LPIPS, against the
 * reference's values. */
#include <mcvd/features.h>
#include <mcvd/metrics.h>

#include "eval/video_features.h"
#include "support/extractor_files.h"
#include "support/folder_fixture.h"
#include "support/pipeline.h"

static cJSON *read_cases(const char *dir, const char *name)
{
    char path[512];
    cJSON *cases = NULL;

    snprintf(path, sizeof path, "%s/pipeline/%s/%s.json", MCVD_TEST_GOLDEN, dir, name);
    CHECK_OK(mcvdi_json_read(&cases, path));
    return cases;
}

/* ---- distances ------------------------------------------------------------------------------ */

static mcvd_feature_set features_of(const mcvd_safetensors *file, const char *name,
                                    const char *part)
{
    const mcvd_tensor t = pipeline_tensor(file, name, part, MCVD_F64);

    return (mcvd_feature_set) { t.data, t.shape[0], t.shape[1] };
}

static void frechet(void **state)
{
    mcvd_safetensors *file = pipeline_open("fvd", "frechet");
    cJSON *cases = read_cases("fvd", "frechet");

    (void)state;
    for (const cJSON *k = cases->child; k; k = k->next) {
        const char *name = json_text(k, "name");
        const mcvd_feature_set fake = features_of(file, name, "fake");
        const mcvd_feature_set real = features_of(file, name, "real");
        const double wanted = json_number(k, "frechet_symmetric_eig", NAN);
        double there = NAN;
        double back = NAN;
        CHECK_OK(mcvd_frechet_distance(&there, &fake, &real));
        CHECK_OK(mcvd_frechet_distance(&back, &real, &fake));
        CHECK_CLOSE(there, wanted, 1e-8 * (1.0 + fabs(wanted)));
        CHECK_CLOSE(there, json_number(k, "frechet_scipy_sqrtm", NAN), 1e-6 * (1.0 + fabs(wanted)));
        CHECK_CLOSE(there, back, 1e-8 * (1.0 + fabs(wanted)));
    }
    cJSON_Delete(cases);
    mcvd_safetensors_close(&file);
}

/* One dimension: (m_a - m_b)^2 + (s_a - s_b)^2. */
static void frechet_in_closed_form(void **state)
{
    static const double a[] = { 1.0, 2.0, 4.0, 9.0 };
    static const double b[] = { -3.0, 0.5, 0.0 };
    const mcvd_feature_set sa = { a, 4, 1 };
    const mcvd_feature_set sb = { b, 3, 1 };
    const mcvd_feature_set one = { a, 1, 1 };
    const double ma = 4.0;
    const double mb = -2.5 / 3.0;
    double va = 0.0;
    double vb = 0.0;
    double d = NAN;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        va += (a[i] - ma) * (a[i] - ma) / 3.0;
    for (size_t i = 0; i < 3; i++)
        vb += (b[i] - mb) * (b[i] - mb) / 2.0;
    CHECK_OK(mcvd_frechet_distance(&d, &sa, &sb));
    CHECK_CLOSE(d, pow(ma - mb, 2.0) + pow(sqrt(va) - sqrt(vb), 2.0), 1e-12);
    CHECK_STATUS(mcvd_frechet_distance(&d, &sa, &one), MCVD_E_RANGE);
}

static void to_double(double *out, const mcvd_tensor *t)
{
    for (size_t i = 0; i < mcvd_tensor_numel(t); i++)
        out[i] = (double)((const float *)t->data)[i];
}

static void precision_and_recall(void **state)
{
    mcvd_safetensors *file = pipeline_open("metrics", "precision_recall");
    cJSON *cases = read_cases("metrics", "precision_recall");

    (void)state;
    for (const cJSON *k = cases->child; k; k = k->next) {
        static double fake[256];
        static double real[256];
        const mcvd_tensor f = pipeline_tensor(file, json_text(k, "name"), "fake", MCVD_F32);
        const mcvd_tensor r = pipeline_tensor(file, json_text(k, "name"), "real", MCVD_F32);
        const mcvd_feature_set sf = { fake, f.shape[0], f.shape[1] };
        const mcvd_feature_set sr = { real, r.shape[0], r.shape[1] };
        double precision = NAN;
        double recall = NAN;
        to_double(fake, &f);
        to_double(real, &r);
        CHECK_OK(
            mcvd_precision_recall(&precision, &recall, &sf, &sr, (size_t)json_number(k, "k", 0)));
        CHECK_CLOSE(precision, json_number(k, "precision", NAN), 1e-6);
        CHECK_CLOSE(recall, json_number(k, "recall", NAN), 1e-6);
    }
    cJSON_Delete(cases);
    mcvd_safetensors_close(&file);
}

/* ---- videos --------------------------------------------------------------------------------- */

/* [C, T, H, W] of the file -> [T, H, W, C] */
static void to_video(float *video, const mcvd_tensor *t)
{
    const size_t pixels = t->shape[2] * t->shape[3];

    for (size_t c = 0; c < t->shape[0]; c++)
        for (size_t f = 0; f < t->shape[1]; f++)
            for (size_t p = 0; p < pixels; p++)
                video[(f * pixels + p) * t->shape[0] + c] =
                    ((const float *)t->data)[(c * t->shape[1] + f) * pixels + p];
}

static void preparation(void **state)
{
    static const char *const cases[] = { "wide", "tall", "square", "down" };
    mcvd_safetensors *file = pipeline_open("fvd", "preprocess");

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        static float video[4096];
        static float out[8192];
        const mcvd_tensor in = pipeline_tensor(file, cases[i], "in", MCVD_F32);
        const mcvd_tensor wanted = pipeline_tensor(file, cases[i], "out", MCVD_F32);
        const mcvd_video_shape shape = { in.shape[1], in.shape[2], in.shape[3], in.shape[0] };
        const size_t side = wanted.shape[3];
        to_video(video, &in);
        mcvdi_video_prepare(out, video, &shape, side);
        for (size_t c = 0; c < wanted.shape[0]; c++)
            for (size_t f = 0; f < shape.frames; f++)
                for (size_t p = 0; p < side * side; p++)
                    CHECK_CLOSE((double)out[(f * side * side + p) * 3 + c],
                                (double)((const float *)
                                             wanted.data)[(c * shape.frames + f) * side * side + p],
                                2e-6);
    }
    mcvd_safetensors_close(&file);
}

static void features_of_a_video(void **state)
{
    static float video[16 * 16 * 24 * 3];
    char path[TEST_PATH_BYTES];
    mcvd_safetensors *file = pipeline_open("fvd", "i3d_video16x24_T16");
    const mcvd_tensor in = pipeline_tensor(file, NULL, "video", MCVD_F32);
    const float *logits = pipeline_f32(file, NULL, "logits");
    const mcvd_video_shape shape = { 16, 16, 24, 3 };
    const mcvd_video_shape few = { 8, 16, 24, 3 };
    mcvd_video_features *features = NULL;
    double out[400];
    double largest = 0.0;

    (void)state;
    write_hashed_i3d(test_path(path, folder, "i3d.safetensors"));
    CHECK_OK(mcvd_video_features_open(&features, MCVD_EXTRACTOR_I3D, path));
    CHECK_EQ(mcvd_video_features_dim(features), 400);
    CHECK_EQ(strlen(mcvd_video_features_sha256(features)), 64);
    CHECK_TRUE(strcmp(mcvd_video_features_distance(features), "fvd") == 0);
    to_video(video, &in);
    CHECK_OK(mcvd_video_features_extract(features, video, &shape, out));
    for (size_t i = 0; i < 400; i++)
        largest = fmax(largest, fabs((double)logits[i]));
    for (size_t i = 0; i < 400; i++)
        CHECK_CLOSE(out[i], (double)logits[i], 2e-4 * largest);
    CHECK_STATUS(mcvd_video_features_extract(features, video, &few, out), MCVD_E_RANGE);
    video[100] = NAN;
    CHECK_STATUS(mcvd_video_features_extract(features, video, &shape, out), MCVD_E_NONFINITE);
    mcvd_video_features_free(&features);
    mcvd_safetensors_close(&file);
}

/* More noise, more distance; the same videos, none. */
static void the_proxy_orders_noise(void **state)
{
    enum { VIDEOS = 8, FRAMES = 4, SIDE = 16, NUMEL = FRAMES * SIDE * SIDE };
    const mcvd_video_shape shape = { FRAMES, SIDE, SIDE, 1 };
    static double values[4][VIDEOS][64];
    mcvd_video_features *features = NULL;
    double last = -1e-6;

    (void)state;
    CHECK_OK(mcvd_video_features_open(&features, MCVD_EXTRACTOR_PROXY, NULL));
    CHECK_EQ(mcvd_video_features_dim(features), 64);
    CHECK_TRUE(strcmp(mcvd_video_features_distance(features), "fvd-proxy") == 0);
    for (size_t level = 0; level < 4; level++)
        for (size_t v = 0; v < VIDEOS; v++) {
            static float video[NUMEL];
            for (size_t i = 0; i < NUMEL; i++) {
                const size_t x = i % SIDE;
                const size_t y = i / SIDE % SIDE;
                const size_t f = i / SIDE / SIDE;
                const float clean = (x + f + 2 * v) % SIDE < 6 && (y + v) % SIDE < 6 ? 0.9f : 0.1f;
                const float noise = hashed_uniform("noise", (uint32_t)(v * NUMEL + i), -1.0, 1.0);
                video[i] = clean + 0.03f * (float)(level * level) * noise;
            }
            CHECK_OK(mcvd_video_features_extract(features, video, &shape, values[level][v]));
        }
    for (size_t level = 0; level < 4; level++) {
        const mcvd_feature_set real = { values[0][0], VIDEOS, 64 };
        const mcvd_feature_set fake = { values[level][0], VIDEOS, 64 };
        double d = NAN;
        CHECK_OK(mcvd_frechet_distance(&d, &fake, &real));
        CHECK_TRUE(d > last);
        CHECK_TRUE(level > 0 || fabs(d) < 1e-6);
        last = d + 1e-6;
    }
    mcvd_video_features_free(&features);
}

/* ---- LPIPS ---------------------------------------------------------------------------------- */

/* The learned heads are not part of the project: beside it, or where MCVD_LPIPS_HEADS says. */
static bool find_heads(float heads[5][384])
{
    static const size_t channels[] = { 64, 192, 384, 256, 256 };
    const char *at = getenv("MCVD_LPIPS_HEADS");
    mcvd_safetensors *file = NULL;
    mcvd_tensor t;

    if (!at)
        at = MCVD_TEST_GOLDEN
            "/../../../shared/reference/golden-pipeline/lpips-heads/alex_v0.1.safetensors";
    if (mcvd_safetensors_open(&file, at) < 0)
        return false;
    for (size_t i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "lin%zu.model.1.weight", i);
        CHECK_OK(mcvd_safetensors_get(file, name, &t));
        CHECK_EQ(mcvd_tensor_numel(&t), channels[i]);
        memcpy(heads[i], t.data, channels[i] * sizeof(float));
    }
    mcvd_safetensors_close(&file);
    return true;
}

static mcvd_lpips *open_lpips(float heads[5][384])
{
    const float *rows[5] = { heads[0], heads[1], heads[2], heads[3], heads[4] };
    char path[TEST_PATH_BYTES];
    mcvd_lpips *lpips = NULL;

    write_hashed_alexnet(test_path(path, folder, "lpips.safetensors"), rows);
    CHECK_OK(mcvd_lpips_open(&lpips, path));
    return lpips;
}

/* [C, H, W] in [0, 1] -> truncated bytes [H, W, C] */
static void to_bytes(uint8_t *out, const mcvd_tensor *t)
{
    const size_t pixels = t->shape[1] * t->shape[2];

    for (size_t c = 0; c < t->shape[0]; c++)
        for (size_t p = 0; p < pixels; p++) {
            const float x = ((const float *)t->data)[c * pixels + p];
            out[p * t->shape[0] + c] = (uint8_t)(255.0f * fminf(fmaxf(x, 0.0f), 1.0f));
        }
}

static void lpips_of_the_golden_pairs(void **state)
{
    static float heads[5][384];
    static uint8_t a[64 * 64 * 3];
    static uint8_t b[64 * 64 * 3];

    (void)state;
    if (!find_heads(heads)) {
        print_message("the learned heads of LPIPS are not here: set MCVD_LPIPS_HEADS\n");
        skip();
    }
    mcvd_safetensors *file = pipeline_open("metrics", "image_pairs");
    cJSON *cases = read_cases("metrics", "image_pairs");
    mcvd_lpips *lpips = open_lpips(heads);
    for (const cJSON *k = cases->child; k; k = k->next) {
        const mcvd_tensor ta = pipeline_tensor(file, json_text(k, "name"), "a", MCVD_F32);
        const mcvd_tensor tb = pipeline_tensor(file, json_text(k, "name"), "b", MCVD_F32);
        const cJSON *taps = cJSON_GetObjectItem(k, "lpips_layers");
        double distance = NAN;
        double per_tap[MCVD_LPIPS_TAPS];
        to_bytes(a, &ta);
        to_bytes(b, &tb);
        CHECK_OK(mcvd_lpips_u8(
            lpips, a, b, &(const mcvd_picture_shape) { ta.shape[1], ta.shape[2], ta.shape[0] },
            &distance, per_tap));
        const double wanted = json_number(k, "lpips_hash_alexnet", NAN);
        CHECK_CLOSE(distance, wanted, 2e-4 * wanted);
        for (int t = 0; t < MCVD_LPIPS_TAPS; t++)
            CHECK_CLOSE(per_tap[t], cJSON_GetArrayItem(taps, t)->valuedouble, 2e-4 * wanted);
    }
    mcvd_lpips_free(&lpips);
    cJSON_Delete(cases);
    mcvd_safetensors_close(&file);
}

/* With heads of ones; what needs no learned weights. */
static void lpips_is_a_distance(void **state)
{
    enum { SIDE = 24, BYTES = SIDE * SIDE * 3 };
    static float heads[5][384];
    static uint8_t pictures[3][BYTES];
    double d[4];
    double features[MCVD_LPIPS_FEATURES];
    mcvd_lpips *lpips = NULL;

    (void)state;
    for (size_t i = 0; i < 5; i++)
        for (size_t c = 0; c < 384; c++)
            heads[i][c] = 1.0f;
    lpips = open_lpips(heads);
    for (size_t i = 0; i < BYTES; i++) {
        pictures[0][i] = hashed_byte("p", (uint32_t)(i / 48));
        pictures[1][i] = (uint8_t)(pictures[0][i] / 2 + 10);
        pictures[2][i] = hashed_byte("q", (uint32_t)(i / 3));
    }
    CHECK_OK(mcvd_lpips_u8(lpips, pictures[0], pictures[0],
                           &(const mcvd_picture_shape) { SIDE, SIDE, 3 }, &d[0], NULL));
    CHECK_CLOSE(d[0], 0.0, 1e-12);
    CHECK_OK(mcvd_lpips_u8(lpips, pictures[0], pictures[1],
                           &(const mcvd_picture_shape) { SIDE, SIDE, 3 }, &d[0], NULL));
    CHECK_OK(mcvd_lpips_u8(lpips, pictures[0], pictures[2],
                           &(const mcvd_picture_shape) { SIDE, SIDE, 3 }, &d[1], NULL));
    CHECK_OK(mcvd_lpips_u8(lpips, pictures[2], pictures[0],
                           &(const mcvd_picture_shape) { SIDE, SIDE, 3 }, &d[2], NULL));
    CHECK_OK(mcvd_lpips_remember(lpips, 3)); /* forgets: the same from scratch */
    CHECK_OK(mcvd_lpips_u8(lpips, pictures[0], pictures[1],
                           &(const mcvd_picture_shape) { SIDE, SIDE, 3 }, &d[3], NULL));
    CHECK_TRUE(d[0] > 0.0 && d[1] > d[0]);
    CHECK_CLOSE(d[1], d[2], 1e-9);
    CHECK_TRUE(d[3] == d[0]);
    CHECK_OK(mcvd_lpips_features_u8(lpips, pictures[0], SIDE, SIDE, 3, features));
    CHECK_STATUS(mcvd_lpips_u8(lpips, pictures[0], pictures[1],
                               &(const mcvd_picture_shape) { SIDE, SIDE, 2 }, &d[0], NULL),
                 MCVD_E_SHAPE);
    mcvd_lpips_free(&lpips);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frechet),
        cmocka_unit_test(frechet_in_closed_form),
        cmocka_unit_test(precision_and_recall),
        cmocka_unit_test(preparation),
        cmocka_unit_test(features_of_a_video),
        cmocka_unit_test(the_proxy_orders_noise),
        cmocka_unit_test(lpips_of_the_golden_pairs),
        cmocka_unit_test(lpips_is_a_distance),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
