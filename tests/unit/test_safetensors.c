#include <mcvd/safetensors.h>

#include <signal.h>
#include <sys/resource.h>

#include "core/fileio.h"
#include "support/check.h"
#include "support/failing.h"
#include "support/folder.h"
#include "support/hashed.h"

static char folder[TEST_PATH_BYTES];
static char path[TEST_PATH_BYTES];

static int set_up(void **state)
{
    (void)state;
    make_test_folder(folder);
    test_path(path, folder, "t.safetensors");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

/* ---- raw files ---- */

/* A file with this header (length is what it claims) and num_data bytes 0, 1, 2, ... */
static void write_raw(uint64_t length, const char *header, size_t header_bytes, size_t num_data)
{
    FILE *file = fopen(path, "wb");

    CHECK_TRUE(file != NULL);
    for (int i = 0; i < 8; i++)
        fputc((int)(length >> (8 * i) & 0xff), file);
    fwrite(header, 1, header_bytes, file);
    for (size_t i = 0; i < num_data; i++)
        fputc((int)(i & 0xff), file);
    CHECK_EQ(fclose(file), 0);
}

static void write_header(const char *header, size_t num_data)
{
    write_raw(strlen(header), header, strlen(header), num_data);
}

static void check_refused(const char *message)
{
    mcvd_safetensors *file;

    CHECK_STATUS(mcvd_safetensors_open(&file, path), MCVD_E_FORMAT);
    CHECK_TRUE(file == NULL);
    CHECK_MESSAGE(message);
    CHECK_MESSAGE("t.safetensors");
}

static void test_smallest_files(void **state)
{
    mcvd_safetensors *file;

    (void)state;
    write_header("{}", 0);
    CHECK_OK(mcvd_safetensors_open(&file, path));
    CHECK_EQ(mcvd_safetensors_count(file), 0);
    CHECK_TRUE(!mcvd_safetensors_has(file, ""));
    CHECK_TRUE(mcvd_safetensors_name(file, 0) == NULL);
    CHECK_TRUE(mcvd_safetensors_metadata(file, "x") == NULL);
    mcvd_safetensors_close(&file);
    CHECK_TRUE(file == NULL);
    mcvd_safetensors_close(&file);
}

static void test_reads_foreign_layout(void **state)
{
    mcvd_safetensors *file;
    mcvd_tensor t;

    (void)state;
    write_header("{ \"b\\u00e9\" : {\"data_offsets\":[4,6],\"shape\":[2,1],\"dtype\":\"U8\"},"
                 "\"__metadata__\":{\"format\":\"pt\",\"empty\":\"\"},"
                 "\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"more\":1},"
                 "\"none\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[6,6]}}   ",
                 6);
    CHECK_OK(mcvd_safetensors_open(&file, path));
    CHECK_EQ(mcvd_safetensors_count(file), 3);
    assert_string_equal(mcvd_safetensors_name(file, 0), "b\xc3\xa9");
    assert_string_equal(mcvd_safetensors_name(file, 1), "a");
    CHECK_OK(mcvd_safetensors_get(file, "b\xc3\xa9", &t));
    CHECK_EQ(t.dtype, MCVD_U8);
    CHECK_EQ(t.ndim, 2);
    CHECK_EQ(t.shape[0], 2);
    CHECK_EQ(((const uint8_t *)t.data)[1], 5);
    CHECK_OK(mcvd_safetensors_get(file, "none", &t));
    CHECK_EQ(mcvd_tensor_numel(&t), 0);
    assert_string_equal(mcvd_safetensors_metadata(file, "format"), "pt");
    assert_string_equal(mcvd_safetensors_metadata(file, "empty"), "");
    CHECK_TRUE(mcvd_safetensors_metadata(file, "FORMAT") == NULL);
    CHECK_TRUE(!mcvd_safetensors_has(file, "__metadata__"));
    CHECK_STATUS(mcvd_safetensors_get(file, "c", &t), MCVD_E_FORMAT);
    CHECK_MESSAGE("has no tensor 'c'");
    CHECK_TRUE(t.data == NULL);
    mcvd_safetensors_close(&file);
}

#define ENTRY(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_hostile_headers(void **state)
{
    static const struct {
        const char *header;
        size_t num_data;
        const char *message;
    } rows[] = {
        { "", 0, "does not start with '{'" },
        { " {}", 0, "does not start with '{'" },
        { "[]", 0, "does not start with '{'" },
        { "{", 0, "expected" },
        { "{} x", 0, "expected" },
        { "{}", 1, "the tensors end at byte 0 of 1" },
        { "{\"a\":1}", 0, "tensor 'a': is not an object" },
        { "{\"a\":{}}", 0, "dtype" },
        { "{" ENTRY("", "U8", "[1]", "[0,1]") "}", 1, "empty name" },
        { "{" ENTRY("a", "F99", "[1]", "[0,4]") "}", 4, "dtype 'F99' is not known" },
        { "{" ENTRY("a", "f32", "[1]", "[0,4]") "}", 4, "dtype 'f32' is not known" },
        { "{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype" },
        { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape is not a list" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets are not" },
        { "{" ENTRY("a", "F32", "{}", "[0,4]") "}", 4, "shape is not a list" },
        { "{" ENTRY("a", "F32", "[-1]", "[0,4]") "}", 4, "an axis is not an integer" },
        { "{" ENTRY("a", "F32", "[1.5]", "[0,6]") "}", 6, "an axis is not an integer" },
        { "{" ENTRY("a", "F32", "[\"1\"]", "[0,4]") "}", 4, "an axis is not an integer" },
        { "{" ENTRY("a", "F32", "[null]", "[0,4]") "}", 4, "an axis is not an integer" },
        { "{" ENTRY("a", "F32", "[1e300]", "[0,4]") "}", 4, "an axis is not an integer" },
        { "{" ENTRY("a", "F32", "[1e999]", "[0,4]") "}", 4, "an axis is not an integer" },
        { "{" ENTRY("a", "F32", "[NaN]", "[0,4]") "}", 4, "expected" },
        { "{" ENTRY("a", "F32", "[9007199254740993]", "[0,4]") "}", 4,
          "shape need 36028797018963968" },
        { "{" ENTRY("a", "F32", "[18446744073709551617]", "[0,4]") "}", 4, "an axis" },
        { "{" ENTRY("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0, "larger than memory" },
        { "{" ENTRY("a", "F32", "[4294967296,1073741824]", "[0,0]") "}", 0, "larger than memory" },
        { "{" ENTRY("a", "U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, "more than 8 axes" },
        { "{" ENTRY("a", "F32", "[1]", "[0]") "}", 4, "data_offsets are not" },
        { "{" ENTRY("a", "F32", "[1]", "[0,4,4]") "}", 4, "data_offsets are not" },
        { "{" ENTRY("a", "F32", "[1]", "[0,4.5]") "}", 4, "data_offsets are not" },
        { "{" ENTRY("a", "F32", "[1]", "[-4,0]") "}", 4, "data_offsets are not" },
        { "{" ENTRY("a", "F32", "[1]", "[4,0]") "}", 4, "leave the data part" },
        { "{" ENTRY("a", "F32", "[1]", "[1,5]") "}", 4, "leave the data part" },
        { "{" ENTRY("a", "F32", "[1]", "[0,9007199254740992]") "}", 4, "leave the data part" },
        { "{" ENTRY("a", "F32", "[2]", "[0,4]") "}", 4, "need 8 bytes, data_offsets give 4" },
        { "{" ENTRY("a", "F32", "[1]", "[0,8]") "}", 8, "need 4 bytes, data_offsets give 8" },
        { "{" ENTRY("a", "F32", "[1]", "[0,4]") "}", 8, "end at byte 4 of 8" },
        { "{" ENTRY("a", "U8", "[2]", "[0,2]") "," ENTRY("b", "U8", "[2]", "[1,3]") "}", 3,
          "tensor 'b': overlaps" },
        { "{" ENTRY("a", "U8", "[2]", "[0,2]") "," ENTRY("b", "U8", "[2]", "[0,2]") "}", 2,
          "overlaps" },
        { "{" ENTRY("a", "U8", "[2]", "[0,2]") "," ENTRY("b", "U8", "[1]", "[3,4]") "}", 4,
          "tensor 'b': leaves a hole" },
        { "{" ENTRY("a", "U8", "[4]", "[0,4]") "," ENTRY("b", "U8", "[0]", "[2,2]") "}", 4,
          "overlaps" },
        { "{" ENTRY("a", "U8", "[1]", "[0,1]") "," ENTRY("a", "U8", "[1]", "[1,2]") "}", 2,
          "'a' appears twice" },
        { "{" ENTRY("a", "U8", "[1]", "[0,1]") "," ENTRY("\\u0061", "U8", "[1]", "[1,2]") "}", 2,
          "'a' appears twice" },
        { "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
          "twice" },
        { "{\"__metadata__\":[]}", 0, "__metadata__ is not an object" },
        { "{\"__metadata__\":{\"x\":1}}", 0, "__metadata__ 'x' is not text" },
        { "{\"__metadata__\":{\"x\":{}}}", 0, "__metadata__ 'x' is not text" },
        { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "appears twice" },
        { "{\"a\xff\":{}}", 0, "not UTF-8 at its byte 3" },
        { "{\"a\xc0\x80\":{}}", 0, "not UTF-8" },     /* overlong */
        { "{\"a\xed\xa0\x80\":{}}", 0, "not UTF-8" }, /* surrogate */
        { "{\"a\xf4\x90\x80\x80\":{}}", 0, "not UTF-8" },
        { "{\"a\xc3\":{}}", 0, "not UTF-8" },
        { "{\"a\\u0000b\":{}}", 0, "expected" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_header(rows[i].header, rows[i].num_data);
        check_refused(rows[i].message);
    }
}

static void test_hostile_lengths(void **state)
{
    static const uint64_t lengths[] = { 3,         100000001,  UINT64_C(1) << 32,
                                        INT64_MAX, UINT64_MAX, UINT64_MAX - 7 };
    FILE *file;

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        write_raw(lengths[i], "{}", 2, 0);
        check_refused("the header claims");
    }
    write_raw(0, "{}", 2, 0);
    check_refused("does not start with '{'");
    for (int bytes = 0; bytes < 8; bytes++) {
        file = fopen(path, "wb");
        CHECK_TRUE(file != NULL);
        fwrite("\2\0\0\0\0\0\0\0", 1, (size_t)bytes, file);
        CHECK_EQ(fclose(file), 0);
        check_refused("too few");
    }
}

/* More than 100 MB are refused even when the file has them (as a hole). */
static void test_header_cap(void **state)
{
    (void)state;
    write_raw(100000001, "{}", 2, 0);
    CHECK_EQ(truncate(path, 100000001 + 8), 0);
    check_refused("the header claims 100000001 bytes");
}

static void test_not_a_file(void **state)
{
    mcvd_safetensors *file;

    (void)state;
    CHECK_STATUS(mcvd_safetensors_open(&file, path), MCVD_E_INPUT);
    CHECK_TRUE(file == NULL);
    CHECK_MESSAGE("t.safetensors: cannot open: no such file");
    CHECK_STATUS(mcvd_safetensors_open(&file, folder), MCVD_E_INPUT);
    CHECK_MESSAGE("is not a regular file");
    CHECK_STATUS(mcvd_safetensors_open(&file, "/dev/zero"), MCVD_E_INPUT);
    CHECK_TRUE(file == NULL);
}

/* Values that start at an odd address in the file arrive aligned, and always at the same place. */
static void test_misaligned_tensors(void **state)
{
    mcvd_safetensors *file;
    mcvd_tensor t;
    mcvd_tensor again;
    uint32_t value;
    const uint8_t bytes[] = { 1, 2, 3, 4 };

    (void)state;
    write_header("{" ENTRY("pad", "U8", "[1]", "[0,1]") "," ENTRY("x", "U32", "[2]", "[1,9]") "}",
                 9);
    CHECK_OK(mcvd_safetensors_open(&file, path));
    CHECK_OK(mcvd_safetensors_get(file, "x", &t));
    CHECK_EQ((uintptr_t)t.data % 4, 0);
    memcpy(&value, bytes, sizeof value);
    CHECK_EQ(*(const uint32_t *)t.data, value);
    CHECK_OK(mcvd_safetensors_get(file, "x", &again));
    CHECK_TRUE(again.data == t.data);
    mcvd_safetensors_drop_pages(file, &t);
    CHECK_EQ(*(const uint32_t *)t.data, value);
    mcvd_safetensors_close(&file);

    CHECK_OK(mcvd_safetensors_open(&file, path));
    mcvdi_alloc_fail_after(0);
    const mcvd_status st = mcvd_safetensors_get(file, "x", &t);
    mcvdi_alloc_fail_after(-1);
    CHECK_STATUS(st, MCVD_E_NOMEM);
    CHECK_TRUE(t.data == NULL);
    mcvd_safetensors_close(&file);
}

/* ---- writing and reading back ---- */

static uint8_t numbers[4096] __attribute__((aligned(8)));

static mcvd_safetensors_entry entry(const char *name, mcvd_dtype dtype, size_t offset, int ndim,
                                    const size_t *shape)
{
    return (mcvd_safetensors_entry) { name,
                                      mcvd_tensor_view(dtype, numbers + offset, ndim, shape) };
}

static void check_same(const mcvd_safetensors *file, const mcvd_safetensors_entry *e)
{
    mcvd_tensor t;
    const size_t width = mcvd_dtype_bytes(e->tensor.dtype);

    CHECK_OK(mcvd_safetensors_get(file, e->name, &t));
    CHECK_EQ(t.dtype, e->tensor.dtype);
    CHECK_EQ(t.ndim, e->tensor.ndim);
    for (int i = 0; i < t.ndim; i++)
        CHECK_EQ(t.shape[i], e->tensor.shape[i]);
    CHECK_EQ((uintptr_t)t.data % width, 0);
    CHECK_EQ(memcmp(t.data, e->tensor.data, mcvd_tensor_numel(&t) * width), 0);
}

static void test_round_trip(void **state)
{
    static const char *const names[] = { "u8",        "f32",   "weird \"\\/\n\t\x01 name",
                                         "d\xc3\xa9", "i64",   "bf16",
                                         "none",      "scalar" };
    const mcvd_safetensors_meta meta[] = { { "config", "{\"a\": \"\\b\"}\n" }, { "empty", "" } };
    mcvd_safetensors_entry entries[8];
    mcvd_safetensors *file;

    (void)state;
    for (size_t i = 0; i < sizeof numbers; i++)
        numbers[i] = hashed_byte("numbers", (uint32_t)i);
    entries[0] = entry(names[0], MCVD_U8, 8, 1, (size_t[]) { 3 });
    entries[1] = entry(names[1], MCVD_F32, 16, 3, (size_t[]) { 2, 3, 5 });
    entries[2] = entry(names[2], MCVD_I8, 1, 2, (size_t[]) { 1, 7 });
    entries[3] = entry(names[3], MCVD_F64, 24, 2, (size_t[]) { 2, 2 });
    entries[4] = entry(names[4], MCVD_I64, 64, 8, (size_t[]) { 1, 2, 1, 1, 1, 3, 1, 1 });
    entries[5] = entry(names[5], MCVD_BF16, 2, 1, (size_t[]) { 5 });
    entries[6] = entry(names[6], MCVD_F32, 0, 2, (size_t[]) { 0, 4 });
    entries[7] = entry(names[7], MCVD_F32, 4, 0, NULL);
    CHECK_OK(mcvd_safetensors_write(path, entries, 8, meta, 2, false));

    const uint64_t calls = mcvdi_alloc_stats_get().calls;
    CHECK_OK(mcvd_safetensors_open(&file, path));
    CHECK_EQ(mcvd_safetensors_count(file), 8);
    const uint64_t calls_opened = mcvdi_alloc_stats_get().calls;
    CHECK_TRUE(calls_opened > calls);
    for (size_t i = 0; i < 8; i++) {
        assert_string_equal(mcvd_safetensors_name(file, i), names[i]);
        check_same(file, &entries[i]);
    }
    CHECK_EQ(mcvdi_alloc_stats_get().calls, calls_opened); /* all aligned: nothing was copied */
    assert_string_equal(mcvd_safetensors_metadata(file, "config"), meta[0].value);
    assert_string_equal(mcvd_safetensors_metadata(file, "empty"), "");
    mcvd_safetensors_close(&file);
}

static void test_every_dtype(void **state)
{
    mcvd_safetensors_entry entries[MCVD_NUM_DTYPES];
    mcvd_safetensors *file;

    (void)state;
    for (int i = 0; i < MCVD_NUM_DTYPES; i++)
        entries[i] = entry(mcvd_dtype_word((mcvd_dtype)i), (mcvd_dtype)i, 8u * (unsigned)i, 1,
                           (size_t[]) { 1 + (size_t)i });
    CHECK_OK(mcvd_safetensors_write(path, entries, MCVD_NUM_DTYPES, NULL, 0, false));
    CHECK_OK(mcvd_safetensors_open(&file, path));
    for (int i = 0; i < MCVD_NUM_DTYPES; i++)
        check_same(file, &entries[i]);
    mcvd_safetensors_close(&file);
}

static void test_nothing_to_write(void **state)
{
    mcvd_safetensors *file;

    (void)state;
    CHECK_OK(mcvd_safetensors_write(path, NULL, 0, NULL, 0, false));
    CHECK_OK(mcvd_safetensors_open(&file, path));
    CHECK_EQ(mcvd_safetensors_count(file), 0);
    mcvd_safetensors_close(&file);
}

/* Byte for byte: the layout is part of the format that others read. */
static void test_exact_bytes(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"k\":\"v\"},"
        "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[8,9]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]}}";
    const mcvd_safetensors_meta meta = { "k", "v" };
    const float values[2] = { 1.0f, -2.0f };
    uint8_t byte = 9;
    const size_t padded = (sizeof header - 1 + 7) / 8 * 8;
    mcvd_safetensors_entry entries[2] = {
        { "a", mcvd_tensor_view(MCVD_U8, &byte, 1, (size_t[]) { 1 }) },
        { "b", mcvd_tensor_view(MCVD_F32, (void *)values, 2, (size_t[]) { 2, 1 }) },
    };
    char *text;
    size_t bytes;

    (void)state;
    CHECK_OK(mcvd_safetensors_write(path, entries, 2, &meta, 1, false));
    CHECK_OK(mcvdi_file_read(&text, &bytes, path, 1000));
    CHECK_EQ(bytes, 8 + padded + 9);
    CHECK_EQ((uint8_t)text[0], padded);
    CHECK_EQ(memcmp(text + 1, "\0\0\0\0\0\0\0", 7), 0);
    CHECK_EQ(memcmp(text + 8, header, sizeof header - 1), 0);
    for (size_t i = 8 + sizeof header - 1; i < 8 + padded; i++)
        CHECK_EQ(text[i], ' ');
    CHECK_EQ(memcmp(text + 8 + padded, values, 8), 0);
    CHECK_EQ(text[8 + padded + 8], 9);
    mcvdi_free(text);
}

static void test_many_tensors(void **state)
{
    enum { COUNT = 5000 };
    static char names[COUNT][32];
    static float values[COUNT];
    static mcvd_safetensors_entry entries[COUNT];
    mcvd_safetensors *file;
    mcvd_tensor t;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "layer.%zu.weight", i * 7919 % COUNT);
        values[i] = (float)i;
        entries[i] = (mcvd_safetensors_entry) { names[i], mcvd_tensor_view(MCVD_F32, &values[i], 1,
                                                                           (size_t[]) { 1 }) };
    }
    CHECK_OK(mcvd_safetensors_write(path, entries, COUNT, NULL, 0, false));
    CHECK_OK(mcvd_safetensors_open(&file, path));
    CHECK_EQ(mcvd_safetensors_count(file), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_string_equal(mcvd_safetensors_name(file, i), names[i]);
        CHECK_TRUE(mcvd_safetensors_has(file, names[i]));
        CHECK_OK(mcvd_safetensors_get(file, names[i], &t));
        CHECK_CLOSE(*(const float *)t.data, values[i], 0.0);
    }
    CHECK_TRUE(!mcvd_safetensors_has(file, "layer.5000.weight"));
    mcvd_safetensors_close(&file);
}

static void test_dropped_pages_come_back(void **state)
{
    enum { COUNT = 100000 };
    static float values[COUNT];
    mcvd_safetensors_entry e = { "x", mcvd_tensor_view(MCVD_F32, values, 1, (size_t[]) { COUNT }) };
    mcvd_safetensors *file;
    mcvd_tensor t;

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++)
        values[i] = hashed_gauss("pages", i);
    CHECK_OK(mcvd_safetensors_write(path, &e, 1, NULL, 0, false));
    CHECK_OK(mcvd_safetensors_open(&file, path));
    CHECK_OK(mcvd_safetensors_get(file, "x", &t));
    check_same(file, &e);
    mcvd_safetensors_drop_pages(file, &t);
    check_same(file, &e);
    mcvd_safetensors_close(&file);
}

static void check_not_written(const mcvd_safetensors_entry *entries, size_t num_entries,
                              const mcvd_safetensors_meta *meta, size_t num_meta,
                              const char *message)
{
    CHECK_STATUS(mcvd_safetensors_write(path, entries, num_entries, meta, num_meta, false),
                 MCVD_E_FORMAT);
    CHECK_MESSAGE(message);
    CHECK_EQ(count_entries(folder), 0);
}

static void test_wrong_entries(void **state)
{
    float value = 0.0f;
    const mcvd_tensor one = mcvd_tensor_view(MCVD_F32, &value, 1, (size_t[]) { 1 });
    mcvd_tensor bad = one;
    const mcvd_safetensors_meta meta[] = {
        { "k", "1" }, { "k", "2" }, { "m", "\xff" }, { "n", NULL }, { "", "x" }
    };

    (void)state;
    check_not_written((mcvd_safetensors_entry[]) { { "a", one }, { "b", one }, { "a", one } }, 3,
                      NULL, 0, "tensor 'a' appears twice");
    check_not_written(&(mcvd_safetensors_entry) { "", one }, 1, NULL, 0, "empty name");
    check_not_written(&(mcvd_safetensors_entry) { NULL, one }, 1, NULL, 0, "empty name");
    check_not_written(&(mcvd_safetensors_entry) { "\xff", one }, 1, NULL, 0, "not UTF-8");
    check_not_written(&(mcvd_safetensors_entry) { "__metadata__", one }, 1, NULL, 0,
                      "named __metadata__");
    check_not_written(NULL, 0, meta, 2, "metadata 'k' appears twice");
    check_not_written(NULL, 0, meta + 2, 1, "metadata 'm'");
    check_not_written(NULL, 0, meta + 3, 1, "metadata 'n'");
    check_not_written(NULL, 0, meta + 4, 1, "empty name");
    bad.dtype = MCVD_NUM_DTYPES;
    check_not_written(&(mcvd_safetensors_entry) { "a", bad }, 1, NULL, 0, "wrong dtype");
    bad = one;
    bad.ndim = 9;
    check_not_written(&(mcvd_safetensors_entry) { "a", bad }, 1, NULL, 0, "wrong dtype, shape");
    bad = one;
    bad.data = NULL;
    check_not_written(&(mcvd_safetensors_entry) { "a", bad }, 1, NULL, 0, "no data");
    bad = mcvd_tensor_view(MCVD_F32, &value, 2, (size_t[]) { SIZE_MAX / 2, 3 });
    check_not_written(&(mcvd_safetensors_entry) { "a", bad }, 1, NULL, 0, "wrong dtype, shape");
}

static void test_overwriting(void **state)
{
    float value = 1.0f;
    const mcvd_safetensors_entry e = { "x",
                                       mcvd_tensor_view(MCVD_F32, &value, 1, (size_t[]) { 1 }) };
    mcvd_safetensors *file;

    (void)state;
    CHECK_OK(mcvd_safetensors_write(path, &e, 1, NULL, 0, false));
    value = 2.0f;
    CHECK_STATUS(mcvd_safetensors_write(path, &e, 1, NULL, 0, false), MCVD_E_EXISTS);
    CHECK_OK(mcvd_safetensors_write(path, &e, 1, NULL, 0, true));
    CHECK_OK(mcvd_safetensors_open(&file, path));
    check_same(file, &e);
    mcvd_safetensors_close(&file);
    CHECK_STATUS(mcvd_safetensors_write("/nowhere/at/all", &e, 1, NULL, 0, true), MCVD_E_IO);
    CHECK_EQ(count_entries(folder), 1);
}

/* A write that ends in the middle leaves the old file and no other. */
static void test_failed_write(void **state)
{
    static float values[20000];
    const mcvd_safetensors_entry e = { "x", mcvd_tensor_view(MCVD_F32, values, 1,
                                                             (size_t[]) { 20000 }) };
    struct rlimit old;
    struct rlimit small;
    mcvd_safetensors *file;

    (void)state;
    CHECK_OK(mcvd_safetensors_write(path, NULL, 0, NULL, 0, false));
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4096;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    const mcvd_status st = mcvd_safetensors_write(path, &e, 1, NULL, 0, true);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    CHECK_STATUS(st, MCVD_E_IO);
    CHECK_EQ(count_entries(folder), 1);
    CHECK_OK(mcvd_safetensors_open(&file, path));
    CHECK_EQ(mcvd_safetensors_count(file), 0);
    mcvd_safetensors_close(&file);
}

/* ---- every byte of a header damaged, every length cut ---- */

static void store(const char *text, size_t bytes)
{
    FILE *file = fopen(path, "wb");

    CHECK_TRUE(file != NULL);
    CHECK_EQ(fwrite(text, 1, bytes, file), bytes);
    CHECK_EQ(fclose(file), 0);
}

/* Opening gives a status, never a crash; what opens can be read to its last byte. */
static bool opens(void)
{
    mcvd_safetensors *file;
    unsigned sum = 0;

    const mcvd_status st = mcvd_safetensors_open(&file, path);
    if (st < 0) {
        CHECK_STATUS(st, MCVD_E_FORMAT);
        CHECK_TRUE(file == NULL);
        return false;
    }
    for (size_t i = 0; i < mcvd_safetensors_count(file); i++) {
        mcvd_tensor t;
        CHECK_OK(mcvd_safetensors_get(file, mcvd_safetensors_name(file, i), &t));
        const size_t bytes = mcvd_tensor_numel(&t) * mcvd_dtype_bytes(t.dtype);
        for (size_t j = 0; j < bytes; j++)
            sum += ((const uint8_t *)t.data)[j];
    }
    mcvd_safetensors_close(&file);
    return sum < UINT32_MAX;
}

static void test_damaged_files(void **state)
{
    const char text[] = "{" ENTRY("a", "F32", "[2,3]", "[0,24]") "," ENTRY(
        "b", "U8", "[5]", "[24,29]") ",\"__metadata__\":{\"k\":\"v\"}}";
    char *good;
    size_t bytes;
    char *damaged;

    (void)state;
    write_header(text, 29);
    CHECK_TRUE(opens());
    CHECK_OK(mcvdi_file_read(&good, &bytes, path, 10000));
    damaged = mcvdi_malloc(bytes);
    CHECK_TRUE(damaged != NULL);
    for (size_t length = 0; length < bytes; length++) {
        store(good, length);
        CHECK_TRUE(!opens());
    }
    for (size_t i = 0; i < bytes - 29; i++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(damaged, good, bytes);
            damaged[i] = (char)(damaged[i] ^ 1 << bit);
            store(damaged, bytes);
            (void)opens();
        }
    mcvdi_free(damaged);
    mcvdi_free(good);
}

/* ---- the golden files ---- */

static size_t count_values(const char *name)
{
    char file_path[TEST_PATH_BYTES];
    mcvd_safetensors *file;
    size_t num_values = 0;

    CHECK_OK(mcvd_safetensors_open(&file, test_path(file_path, MCVD_TEST_GOLDEN, name)));
    for (size_t i = 0; i < mcvd_safetensors_count(file); i++) {
        mcvd_tensor t;
        CHECK_OK(mcvd_safetensors_get(file, mcvd_safetensors_name(file, i), &t));
        const size_t numel = mcvd_tensor_numel(&t);
        for (size_t j = 0; t.dtype == MCVD_F32 && j < numel; j++)
            if (!isfinite(((const float *)t.data)[j]))
                fail_msg("%s: %s[%zu] is not finite", name, mcvd_safetensors_name(file, i), j);
        num_values += numel;
    }
    mcvd_safetensors_close(&file);
    return num_values;
}

/* The numbers of parameters are those of the README beside the files. */
static void test_golden_files(void **state)
{
    (void)state;
    CHECK_EQ(count_values("concat_rgb/weights_ema.safetensors"), 27402);
    CHECK_EQ(count_values("concat_gray/weights_ema.safetensors"), 22941);
    CHECK_EQ(count_values("concat_condemb/weights_ema.safetensors"), 36164);
    CHECK_EQ(count_values("concat_notime/weights_ema.safetensors"), 10666);
    CHECK_EQ(count_values("concat_rgb/grads.safetensors"), 27402 + 2 * 15 * 16 * 16);
    CHECK_TRUE(count_values("concat_rgb/weights_model.safetensors") > 27402);
    CHECK_TRUE(count_values("concat_rgb/stages.safetensors") > 0);
    CHECK_TRUE(count_values("concat_gray/weights_model.safetensors") > 22941);
    CHECK_TRUE(count_values("concat_gray/stages.safetensors") > 0);
    CHECK_TRUE(count_values("concat_gray/io.safetensors") > 0);
    CHECK_TRUE(count_values("concat_condemb/weights_model.safetensors") > 36164);
    CHECK_TRUE(count_values("concat_condemb/grads.safetensors") > 36164);
    CHECK_TRUE(count_values("concat_condemb/stages.safetensors") > 0);
    CHECK_TRUE(count_values("concat_condemb/io.safetensors") > 0);
    CHECK_TRUE(count_values("concat_notime/weights_model.safetensors") > 10666);
    CHECK_TRUE(count_values("concat_notime/stages.safetensors") > 0);
    CHECK_TRUE(count_values("concat_notime/io.safetensors") > 0);
}

static void test_golden_values(void **state)
{
    mcvd_safetensors *file;
    mcvd_tensor t;
    char text[64];

    (void)state;
    CHECK_OK(mcvd_safetensors_open(&file, MCVD_TEST_GOLDEN "/concat_rgb/io.safetensors"));
    CHECK_EQ(mcvd_safetensors_count(file), 7);
    CHECK_OK(mcvd_safetensors_get(file, "cond", &t));
    assert_string_equal(mcvd_tensor_shape_text(&t, text, sizeof text), "[2, 9, 16, 16]");
    CHECK_OK(mcvd_safetensors_get(file, "x", &t));
    CHECK_CLOSE(((const float *)t.data)[0], -1.30184436, 1e-7);
    CHECK_CLOSE(((const float *)t.data)[1], 0.680719912, 1e-7);
    CHECK_OK(mcvd_safetensors_get(file, "labels", &t));
    CHECK_EQ(t.dtype, MCVD_I64);
    CHECK_EQ(((const int64_t *)t.data)[0], 37);
    CHECK_EQ(((const int64_t *)t.data)[1], 903);
    mcvd_safetensors_close(&file);
}

/* ---- refused allocations ---- */

static mcvd_status open_file(void **object, const void *argument)
{
    mcvd_safetensors *file = *object;
    const mcvd_status st = mcvd_safetensors_open(&file, argument);

    *object = file;
    return st;
}

static void close_file(void **object)
{
    mcvd_safetensors *file = *object;

    mcvd_safetensors_close(&file);
    *object = file;
}

/* The object of a write is the name of the file. */
static mcvd_status write_file(void **object, const void *argument)
{
    const mcvd_safetensors_meta meta = { "key", "value" };
    const mcvd_status st = mcvd_safetensors_write(path, argument, 2, &meta, 1, true);

    *object = st >= 0 ? path : NULL;
    CHECK_EQ(count_entries(folder), st >= 0);
    return st;
}

static void forget_file(void **object)
{
    *object = NULL;
}

static void test_failing_allocations(void **state)
{
    float value = 1.0f;
    const mcvd_tensor one = mcvd_tensor_view(MCVD_F32, &value, 1, (size_t[]) { 1 });
    const mcvd_safetensors_entry entries[] = { { "x", one }, { "y", one } };

    (void)state;
    CHECK_TRUE(check_failing_allocations(write_file, forget_file, entries) >= 7);
    CHECK_TRUE(check_failing_allocations(open_file, close_file, path) >= 4);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_smallest_files),
        IN_FOLDER(test_reads_foreign_layout),
        IN_FOLDER(test_hostile_headers),
        IN_FOLDER(test_hostile_lengths),
        IN_FOLDER(test_header_cap),
        IN_FOLDER(test_not_a_file),
        IN_FOLDER(test_misaligned_tensors),
        IN_FOLDER(test_round_trip),
        IN_FOLDER(test_every_dtype),
        IN_FOLDER(test_nothing_to_write),
        IN_FOLDER(test_exact_bytes),
        IN_FOLDER(test_many_tensors),
        IN_FOLDER(test_dropped_pages_come_back),
        IN_FOLDER(test_wrong_entries),
        IN_FOLDER(test_overwriting),
        IN_FOLDER(test_failed_write),
        IN_FOLDER(test_damaged_files),
        IN_FOLDER(test_failing_allocations),
        cmocka_unit_test(test_golden_files),
        cmocka_unit_test(test_golden_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
