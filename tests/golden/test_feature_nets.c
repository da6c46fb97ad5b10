/* I3D, its convolutions and pooling with hashed weights against the golden values; AlexNet against
 * plain sums in double. */
#include "model/alexnet.h"
#include "model/i3d.h"
#include "model/proxy.h"
#include "ops/ops.h"
#include "support/extractor_files.h"
#include "support/folder_fixture.h"
#include "support/pipeline.h"

/* --- units: padding --- */

/* [1, C, T, H, W] of the file and [1, T*H, W, C] of the graph. */
static void to_rows(float *rows, const float *file, const size_t *s)
{
    const size_t pixels = s[2] * s[3] * s[4];

    for (size_t c = 0; c < s[1]; c++)
        for (size_t p = 0; p < pixels; p++)
            rows[p * s[1] + c] = file[c * pixels + p];
}

static void check_output(mcvdi_graph *g, mcvdi_value_id out, const mcvd_tensor *y, double factor,
                         bool relu)
{
    const mcvdi_dims d = mcvdi_graph_dims(g, out);
    const float *values = mcvdi_graph_data(g, out);
    const float *wanted = y->data;
    const size_t pixels = y->shape[2] * y->shape[3] * y->shape[4];

    CHECK_EQ(d.c, y->shape[1]);
    CHECK_EQ(d.h, y->shape[2] * y->shape[3]);
    CHECK_EQ(d.w, y->shape[4]);
    for (size_t c = 0; c < d.c; c++)
        for (size_t p = 0; p < pixels; p++) {
            double value = (double)values[p * d.c + c] * factor;
            if (relu && value < 0.0)
                value = 0.0;
            CHECK_CLOSE(value, (double)wanted[c * pixels + p],
                        2e-5 * (1.0 + fabs((double)wanted[c * pixels + p])));
        }
}

/* backend: with oneDNN or without. */
static void check_conv(const char *name, const size_t kernel[3], const size_t stride[3],
                       bool no_onednn)
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER, .no_onednn = no_onednn };
    mcvd_safetensors *file = pipeline_open("fvd", "i3d_units");
    const mcvd_tensor x = pipeline_tensor(file, name, "x", MCVD_F32);
    const mcvd_tensor w = pipeline_tensor(file, name, "w", MCVD_F32);
    const mcvd_tensor y = pipeline_tensor(file, name, "y", MCVD_F32);
    const mcvdi_dims dims = { 1, x.shape[2] * x.shape[3], x.shape[4], x.shape[1] };
    float *zeros = mcvdi_calloc(w.shape[0], sizeof *zeros);
    mcvdi_graph *g = NULL;

    CHECK_EQ(x.shape[0], 1);
    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id in = mcvdi_graph_input(g, dims);
    const mcvdi_conv_window_spec spec = {
        .name = "u",
        .out_channels = w.shape[0],
        .window = mcvdi_window_same(dims, x.shape[2], kernel, stride),
        .relu = true,
    };
    const mcvdi_value_id out = mcvdi_conv_window(g, in, &spec);
    mcvdi_graph_mark_output(g, out);
    CHECK_OK(mcvdi_graph_compile(g));
    CHECK_OK(mcvdi_graph_load_param(g, 0, w.data));
    CHECK_OK(mcvdi_graph_load_param(g, 1, zeros));
    to_rows(mcvdi_graph_data(g, in), x.data, x.shape);
    CHECK_OK(mcvdi_graph_forward(g));
    check_output(g, out, &y, 1.0 / sqrt(1.0 + 1e-5), true); /* the batch norm of weight 1 */
    mcvdi_graph_free(&g);
    mcvdi_free(zeros);
    mcvd_safetensors_close(&file);
}

static const size_t one[3] = { 1, 1, 1 };
static const size_t two[3] = { 2, 2, 2 };
static const size_t three[3] = { 3, 3, 3 };
static const size_t seven[3] = { 7, 7, 7 };
static const size_t flat3[3] = { 1, 3, 3 };
static const size_t flat2[3] = { 1, 2, 2 };

static void convolutions(void **state)
{
    (void)state;
    for (int no_onednn = 0; no_onednn < 2; no_onednn++) {
        check_conv("k7s2", seven, two, no_onednn);
        check_conv("k3s1", three, one, no_onednn);
    }
}

static void check_pool(const char *name, const size_t kernel[3], const size_t stride[3])
{
    const mcvdi_graph_options options = { .mode = MCVDI_INFER };
    mcvd_safetensors *file = pipeline_open("fvd", "i3d_units");
    const mcvd_tensor x = pipeline_tensor(file, name, "x", MCVD_F32);
    const mcvd_tensor y = pipeline_tensor(file, name, "y", MCVD_F32);
    const mcvdi_dims dims = { 1, x.shape[2] * x.shape[3], x.shape[4], x.shape[1] };
    mcvdi_graph *g = NULL;

    CHECK_OK(mcvdi_graph_create(&g, &options));
    const mcvdi_value_id in = mcvdi_graph_input(g, dims);
    const mcvdi_window window = mcvdi_window_same(dims, x.shape[2], kernel, stride);
    const mcvdi_value_id out = mcvdi_pool(g, in, MCVDI_POOL_MAX, &window);
    mcvdi_graph_mark_output(g, out);
    CHECK_OK(mcvdi_graph_compile(g));
    to_rows(mcvdi_graph_data(g, in), x.data, x.shape);
    CHECK_OK(mcvdi_graph_forward(g));
    check_output(g, out, &y, 1.0, false);
    mcvdi_graph_free(&g);
    mcvd_safetensors_close(&file);
}

static void pools(void **state)
{
    (void)state;
    check_pool("pool133", flat3, flat2);
    check_pool("pool333s2", three, two);
    check_pool("pool222", two, two);
}

/* --- I3D --- */

/* Blocks [3, 10, 14, 14], every value 16 x 16 times. */
static void fill_blocks(float *video, const float *blocks)
{
    for (size_t t = 0; t < 10; t++)
        for (size_t y = 0; y < 224; y++)
            for (size_t x = 0; x < 224; x++)
                for (size_t c = 0; c < 3; c++)
                    video[((t * 224 + y) * 224 + x) * 3 + c] =
                        blocks[((c * 10 + t) * 14 + y / 16) * 14 + x / 16];
}

/* Shape, and 16 values at places spread over [1, C, T, H, W]: an error is told by its stage. */
static void check_stage(const mcvdi_i3d *net, size_t i, const mcvd_safetensors *file)
{
    const char *name = NULL;
    mcvdi_dims dims;
    size_t frames = 0;
    char part[64];
    const float *values = mcvdi_i3d_stage(net, i, &name, &dims, &frames);

    CHECK_TRUE(values != NULL);
    snprintf(part, sizeof part, "shape/%s", name);
    const mcvd_tensor shape = pipeline_tensor(file, NULL, part, MCVD_I64);
    const int64_t *s = shape.data;
    const int64_t found[5] = { 1, (int64_t)dims.c, (int64_t)frames, (int64_t)(dims.h / frames),
                               (int64_t)dims.w };
    if (memcmp(s, found, sizeof found) != 0)
        fail_msg("%s: another shape", name);
    snprintf(part, sizeof part, "stats/%s", name);
    const mcvd_tensor stats = pipeline_tensor(file, NULL, part, MCVD_F64);
    const double largest = ((const double *)stats.data)[2];
    snprintf(part, sizeof part, "probe/%s", name);
    const float *probe = pipeline_f32(file, NULL, part);
    const size_t pixels = dims.h * dims.w;
    for (uint64_t k = 0; k < 16; k++) {
        const size_t at = (size_t)(k * 2654435761u % (pixels * dims.c));
        const double value = (double)values[at % pixels * dims.c + at / pixels];
        if (!(fabs(value - (double)probe[k]) <= 2e-4 * largest))
            fail_msg("%s, probe %d: %.9g, expected %.9g", name, (int)k, value, (double)probe[k]);
    }
}

static void i3d_of_blocks(void **state)
{
    char path[TEST_PATH_BYTES];
    mcvd_safetensors *file = pipeline_open("fvd", "i3d_block224_T10");
    const float *logits = pipeline_f32(file, NULL, "logits");
    const mcvd_tensor pooled = pipeline_tensor(file, NULL, "features", MCVD_F32);
    float *video = mcvdi_alloc_aligned((size_t)10 * 224 * 224 * 3 * sizeof *video);
    double out[MCVDI_I3D_FEATURES];
    mcvdi_i3d *net = NULL;
    double largest = 0.0;
    size_t positions = 0;

    (void)state;
    write_hashed_i3d(test_path(path, folder, "i3d.safetensors"));
    CHECK_OK(mcvdi_i3d_create(&net, path));
    mcvdi_i3d_keep_stages(net);
    fill_blocks(video, pipeline_f32(file, NULL, "blocks"));
    CHECK_OK(mcvdi_i3d_features(net, video, 10, out));
    for (size_t i = 0; i < 16; i++)
        check_stage(net, i, file);
    for (size_t i = 0; i < MCVDI_I3D_FEATURES; i++)
        largest = fmax(largest, fabs((double)logits[i]));
    for (size_t i = 0; i < MCVDI_I3D_FEATURES; i++)
        CHECK_CLOSE(out[i], (double)logits[i], 2e-4 * largest);
    const float *mean = mcvdi_i3d_pooled(net, &positions);
    CHECK_EQ(mcvd_tensor_numel(&pooled), positions * MCVDI_I3D_POOLED);
    for (size_t c = 0; c < MCVDI_I3D_POOLED; c++)
        for (size_t p = 0; p < positions; p++) {
            const double wanted = (double)((const float *)pooled.data)[c * positions + p];
            CHECK_CLOSE((double)mean[p * MCVDI_I3D_POOLED + c], wanted,
                        2e-4 * (fabs(wanted) + 0.1));
        }
    CHECK_STATUS(mcvdi_i3d_features(net, video, 8, out), MCVD_E_RANGE);
    mcvdi_i3d_free(&net);
    mcvdi_free_aligned(video);
    mcvd_safetensors_close(&file);
}

static void other_files_are_refused(void **state)
{
    char path[TEST_PATH_BYTES];
    mcvdi_i3d *i3d = NULL;
    mcvdi_alexnet *alexnet = NULL;

    (void)state;
    write_hashed_alexnet(test_path(path, folder, "alexnet.safetensors"), NULL);
    CHECK_STATUS(mcvdi_i3d_create(&i3d, path), MCVD_E_MODEL);
    CHECK_MESSAGE("not the weights of i3d");
    CHECK_TRUE(i3d == NULL);
    CHECK_STATUS(mcvdi_alexnet_create(&alexnet, test_path(path, folder, "nothing")), MCVD_E_MODEL);
    extractor_file *f = new_extractor();
    write_extractor(f, test_path(path, folder, "empty.safetensors"), "alexnet");
    CHECK_STATUS(mcvdi_alexnet_create(&alexnet, path), MCVD_E_MODEL);
    CHECK_MESSAGE("features.0.weight is missing");
}

/* --- AlexNet: single values of every tap by plain sums --- */

typedef struct map {
    double *values; /* [side, side, channels] */
    size_t side, channels;
} map;

static map make_map(size_t side, size_t channels)
{
    map m = { mcvdi_calloc(side * side * channels, sizeof(double)), side, channels };

    CHECK_TRUE(m.values != NULL);
    return m;
}

static map plain_conv(const map *in, const char *layer, size_t out, size_t kernel, size_t stride,
                      size_t pad)
{
    map y = make_map((in->side + 2 * pad - kernel) / stride + 1, out);
    const size_t fan_in = in->channels * kernel * kernel;
    float *w = mcvdi_malloc(out * fan_in * sizeof *w);
    char key[64];
    char bias[64];

    snprintf(key, sizeof key, "alexnet/%s.weight", layer);
    snprintf(bias, sizeof bias, "alexnet/%s.bias", layer);
    fill_hashed_weight(w, key, out * fan_in, fan_in);
#pragma omp parallel for
    for (size_t p = 0; p < y.side * y.side * out; p++) {
        const size_t o = p % out;
        const size_t row = p / out / y.side * stride;
        const size_t col = p / out % y.side * stride;
        double sum = (double)hashed_uniform(bias, (uint32_t)o, -0.1, 0.1);
        for (size_t c = 0; c < in->channels; c++)
            for (size_t u = 0; u < kernel; u++)
                for (size_t v = 0; v < kernel; v++)
                    if (row + u >= pad && row + u - pad < in->side && col + v >= pad &&
                        col + v - pad < in->side)
                        sum +=
                            (double)w[((o * in->channels + c) * kernel + u) * kernel + v] *
                            in->values[((row + u - pad) * in->side + col + v - pad) * in->channels +
                                       c];
        y.values[p] = sum > 0.0 ? sum : 0.0;
    }
    mcvdi_free(w);
    return y;
}

static map plain_pool(const map *in)
{
    map y = make_map((in->side - 3) / 2 + 1, in->channels);

    for (size_t p = 0; p < y.side * y.side * y.channels; p++) {
        const size_t c = p % y.channels;
        const size_t row = p / y.channels / y.side * 2;
        const size_t col = p / y.channels % y.side * 2;
        double largest = -INFINITY;
        for (size_t u = 0; u < 9; u++)
            largest = fmax(largest,
                           in->values[((row + u / 3) * in->side + col + u % 3) * in->channels + c]);
        y.values[p] = largest;
    }
    return y;
}

static void check_tap(const mcvdi_alexnet_map *tap, const map *wanted)
{
    double largest = 0.0;

    CHECK_EQ(tap->channels, wanted->channels);
    CHECK_EQ(tap->pixels, wanted->side * wanted->side);
    for (size_t i = 0; i < tap->pixels * tap->channels; i++)
        largest = fmax(largest, wanted->values[i]);
    CHECK_TRUE(largest > 0.0);
    for (size_t i = 0; i < tap->pixels * tap->channels; i++)
        CHECK_CLOSE((double)tap->values[i], wanted->values[i], 1e-5 * largest);
}

static void alexnet_taps(void **state)
{
    static float picture[128 * 128 * 3];
    char path[TEST_PATH_BYTES];
    mcvdi_alexnet_map taps[MCVDI_ALEXNET_TAPS];
    mcvdi_alexnet *net = NULL;
    map m[8] = { make_map(128, 3) };

    (void)state;
    for (size_t i = 0; i < sizeof picture / sizeof *picture; i++)
        m[0].values[i] = (double)(picture[i] = hashed_uniform("picture", (uint32_t)i, -1.0, 1.0));
    m[1] = plain_conv(&m[0], "features.0", 64, 11, 4, 2);
    m[2] = plain_pool(&m[1]);
    m[3] = plain_conv(&m[2], "features.3", 192, 5, 1, 2);
    m[4] = plain_pool(&m[3]);
    m[5] = plain_conv(&m[4], "features.6", 384, 3, 1, 1);
    m[6] = plain_conv(&m[5], "features.8", 256, 3, 1, 1);
    m[7] = plain_conv(&m[6], "features.10", 256, 3, 1, 1);
    write_hashed_alexnet(test_path(path, folder, "alexnet.safetensors"), NULL);
    CHECK_OK(mcvdi_alexnet_create(&net, path));
    CHECK_OK(mcvdi_alexnet_taps(net, picture, taps));
    const map *wanted[] = { &m[1], &m[3], &m[5], &m[6], &m[7] };
    for (size_t i = 0; i < MCVDI_ALEXNET_TAPS; i++)
        check_tap(&taps[i], wanted[i]);
    CHECK_TRUE(mcvdi_alexnet_head(net, 0) == NULL);
    mcvdi_alexnet_free(&net);
    for (size_t i = 0; i < 8; i++)
        mcvdi_free(m[i].values);
}

/* --- the stand-in --- */

static void the_proxy_is_fixed_and_sees_its_input(void **state)
{
    enum { FRAMES = 4, NUMEL = FRAMES * 224 * 224 * 3 };
    float *video = mcvdi_calloc(NUMEL, sizeof *video);
    double a[MCVDI_PROXY_FEATURES];
    double b[MCVDI_PROXY_FEATURES];
    mcvdi_proxy *net = NULL;
    mcvdi_proxy *again = NULL;
    size_t count = 0;
    double change = 0.0;

    (void)state;
    for (size_t i = 0; i < NUMEL; i++)
        video[i] = hashed_uniform("proxy", (uint32_t)(i / 3000), -1.0, 1.0);
    CHECK_OK(mcvdi_proxy_create(&net));
    CHECK_OK(mcvdi_proxy_create(&again));
    CHECK_TRUE(mcvdi_proxy_weights(net, &count) != NULL);
    CHECK_EQ(count, 16 * 3 * 75 + 32 * 16 * 27 + 64 * 32 * 27);
    CHECK_OK(mcvdi_proxy_features(net, video, FRAMES, a));
    CHECK_OK(mcvdi_proxy_features(again, video, FRAMES, b));
    CHECK_TRUE(memcmp(a, b, sizeof a) == 0);
    for (size_t i = 0; i < NUMEL / FRAMES; i++) /* the last frame alone */
        video[NUMEL - 1 - i] = -video[NUMEL - 1 - i];
    CHECK_OK(mcvdi_proxy_features(again, video, FRAMES, b));
    for (size_t i = 0; i < MCVDI_PROXY_FEATURES; i++)
        change += fabs(a[i] - b[i]);
    CHECK_TRUE(change > 1e-3);
    CHECK_STATUS(mcvdi_proxy_features(net, video, 3, a), MCVD_E_RANGE);
    mcvdi_proxy_free(&net);
    mcvdi_proxy_free(&again);
    mcvdi_free(video);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),  cmocka_unit_test(pools),
        cmocka_unit_test(i3d_of_blocks), cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(alexnet_taps),  cmocka_unit_test(the_proxy_is_fixed_and_sees_its_input),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
