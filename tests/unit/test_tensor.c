#include <mcvd/tensor.h>

#include <stdlib.h>

#include "support/check.h"
#include "support/hashed.h"

static void test_dtypes(void **state)
{
    (void)state;
    CHECK_EQ(mcvd_dtype_bytes(MCVD_F32), sizeof(float));
    CHECK_EQ(mcvd_dtype_bytes(MCVD_F64), sizeof(double));
    CHECK_EQ(mcvd_dtype_bytes(MCVD_I64), 8);
    CHECK_EQ(mcvd_dtype_bytes(MCVD_BF16), 2);
    CHECK_EQ(mcvd_dtype_bytes(MCVD_BOOL), 1);
    CHECK_EQ(mcvd_dtype_bytes(MCVD_NUM_DTYPES), 0);
    CHECK_EQ(mcvd_dtype_bytes((mcvd_dtype)-1), 0);
    assert_string_equal(mcvd_dtype_word(MCVD_F32), "F32");
    assert_string_equal(mcvd_dtype_word(MCVD_U64), "U64");
    assert_string_equal(mcvd_dtype_word((mcvd_dtype)99), "unknown");
}

static void test_view(void **state)
{
    float data[24];
    const size_t shape[] = { 2, 3, 4, 1 };
    const mcvd_tensor t = mcvd_tensor_view(MCVD_F32, data, 3, shape);

    (void)state;
    CHECK_EQ(t.dtype, MCVD_F32);
    CHECK_EQ(t.ndim, 3);
    CHECK_TRUE(t.data == data);
    CHECK_EQ(mcvd_tensor_numel(&t), 24);
    const mcvd_tensor scalar = mcvd_tensor_view(MCVD_F32, data, 0, NULL);
    CHECK_EQ(mcvd_tensor_numel(&scalar), 1);
    const mcvd_tensor empty = mcvd_tensor_view(MCVD_F32, NULL, 2, (size_t[]) { 5, 0 });
    CHECK_EQ(mcvd_tensor_numel(&empty), 0);
}

static void test_shape_text(void **state)
{
    char text[64];
    const mcvd_tensor t = mcvd_tensor_view(MCVD_F32, NULL, 4, (size_t[]) { 2, 6, 16, 16 });
    const mcvd_tensor scalar = { .dtype = MCVD_F32 };

    (void)state;
    assert_string_equal(mcvd_tensor_shape_text(&t, text, sizeof text), "[2, 6, 16, 16]");
    assert_string_equal(mcvd_tensor_shape_text(&scalar, text, sizeof text), "[]");
    for (size_t capacity = 1; capacity <= 15; capacity++) {
        memset(text, '#', sizeof text);
        mcvd_tensor_shape_text(&t, text, capacity);
        CHECK_EQ(strlen(text), capacity - 1);
        CHECK_EQ(strncmp(text, "[2, 6, 16, 16]", capacity - 1), 0);
        CHECK_EQ(text[capacity], '#');
    }
    text[0] = '#';
    CHECK_TRUE(mcvd_tensor_shape_text(&t, text, 0) == text);
    CHECK_EQ(text[0], '#');
}

static void check_layouts(size_t n, size_t c, size_t hw)
{
    const size_t count = n * c * hw;
    float *src = calloc(count + 1, sizeof *src);
    float *dst = calloc(count + 1, sizeof *dst);
    float *back = calloc(count + 1, sizeof *back);

    CHECK_TRUE(src && dst && back);
    for (size_t i = 0; i < count; i++)
        src[i] = hashed_uniform("layout", (uint32_t)i, -1, 1);
    dst[count] = back[count] = 42.0f;
    mcvd_tensor_to_nhwc(dst, src, n, c, hw);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < c; j++)
            for (size_t p = 0; p < hw; p++)
                CHECK_CLOSE(dst[(i * hw + p) * c + j], src[(i * c + j) * hw + p], 0.0);
    mcvd_tensor_to_nchw(back, dst, n, c, hw);
    CHECK_ALL_CLOSE(back, src, count, 0.0);
    CHECK_CLOSE(dst[count], 42.0, 0.0);
    CHECK_CLOSE(back[count], 42.0, 0.0);
    free(src);
    free(dst);
    free(back);
}

static void test_layouts(void **state)
{
    (void)state;
    check_layouts(1, 1, 1);
    check_layouts(2, 3, 5);
    check_layouts(2, 6, 16 * 16);
    check_layouts(1, 33, 31);
    check_layouts(3, 64, 65);
    check_layouts(2, 100, 7);
    check_layouts(0, 3, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_view),
        cmocka_unit_test(test_shape_text),
        cmocka_unit_test(test_layouts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
