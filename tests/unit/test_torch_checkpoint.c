/* PyTorch files: what is read from good ones, and that archives with anything odd are refused. */
#include "model/torch_checkpoint.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/failing.h"
#include "support/folder.h"
#include "support/torch_file.h"

static char folder[TEST_PATH_BYTES];
static char path[TEST_PATH_BYTES];

static const float numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
static const test_tensor raw = { "module.w", "0", 12, 0, 2, 2, { 3, 4 }, { 4, 1 } };
static const test_tensor turned = { "w", "0", 12, 1, 2, 2, { 2, 3 }, { 1, 4 } };

static int setup(void **state)
{
    (void)state;
    make_test_folder(folder);
    test_path(path, folder, "file.pt");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

/* [{module.w}, {}, 3, 140000, {w}] */
static void put_list(test_bytes *to)
{
    BYTES(to, "\x80\x02](");
    pickle_state(to, &raw, 1);
    BYTES(to, "}K\3J\xe0\x22\2\0");
    pickle_state(to, &turned, 1);
    BYTES(to, "e.");
}

/* [{module.w}, {}, 3, 140000, None] */
static void put_list_without_average(test_bytes *to)
{
    BYTES(to, "\x80\x02](");
    pickle_state(to, &raw, 1);
    BYTES(to, "}K\3J\xe0\x22\2\0Ne.");
}

static void put_bare(test_bytes *to)
{
    BYTES(to, "\x80\x02");
    pickle_state(to, &turned, 1);
    BYTES(to, ".");
}

/* An archive of a pickle and the numbers as storage 0. */
static void make_file(test_bytes *file, void (*put)(test_bytes *))
{
    test_bytes pickle = { 0 };
    test_zip zip = { 0 };

    put(&pickle);
    zip_put_plain(&zip, "p/data.pkl", pickle.data, pickle.used);
    zip_put_plain(&zip, "p/data/0", numbers, sizeof numbers);
    zip_put_plain(&zip, "p/version", "3\n", 2);
    zip_end(&zip);
    bytes_free(&pickle);
    *file = zip.file;
}

static void refuse_file(const char *why)
{
    mcvd_torch_checkpoint *c = NULL;

    CHECK_STATUS(mcvd_torch_checkpoint_open(&c, path), MCVD_E_MODEL);
    CHECK_TRUE(c == NULL);
    CHECK_MESSAGE("file.pt: ");
    CHECK_MESSAGE(why);
    CHECK_TRUE(!strchr(mcvd_last_error(), '\n'));
}

static void refuse(const test_bytes *bytes, const char *why)
{
    bytes_save(bytes, path);
    refuse_file(why);
}

/* --- good files --- */

static void check_tensor(mcvd_torch_checkpoint *c, mcvd_torch_part part, const float *expected)
{
    const char *name = NULL;
    const float *values = NULL;
    mcvd_tensor shape;

    CHECK_EQ(mcvd_torch_checkpoint_count(c, part), 1);
    CHECK_OK(mcvd_torch_checkpoint_tensor(c, part, 0, &name, &shape));
    CHECK_EQ(strcmp(name, "w"), 0);
    CHECK_EQ(shape.dtype, MCVD_F32);
    CHECK_EQ(shape.ndim, 2);
    CHECK_OK(mcvdi_torch_checkpoint_read(c, part, 0, &values));
    CHECK_ALL_CLOSE(values, expected, mcvd_tensor_numel(&shape), 0.0);
    CHECK_STATUS(mcvd_torch_checkpoint_tensor(c, part, 1, &name, &shape), MCVD_E_RANGE);
}

static void a_list(void **state)
{
    static const float view[] = { 1, 5, 9, 2, 6, 10 };
    mcvd_torch_checkpoint *c = NULL;
    test_bytes file;

    (void)state;
    make_file(&file, put_list);
    bytes_save(&file, path);
    bytes_free(&file);
    CHECK_TRUE(mcvd_torch_is_checkpoint(path));
    CHECK_OK(mcvd_torch_checkpoint_open(&c, path));
    CHECK_TRUE(mcvd_torch_checkpoint_has_ema(c));
    CHECK_EQ(mcvd_torch_checkpoint_step(c), 140000);
    CHECK_EQ(mcvd_torch_checkpoint_epoch(c), 3);
    check_tensor(c, MCVD_TORCH_MODEL, numbers);
    check_tensor(c, MCVD_TORCH_EMA, view);
    check_tensor(c, MCVD_TORCH_MODEL, numbers);
    CHECK_EQ(mcvdi_torch_checkpoint_find(c, MCVD_TORCH_EMA, "w"), 0);
    CHECK_EQ(mcvdi_torch_checkpoint_find(c, MCVD_TORCH_EMA, "module.w"), 1);
    mcvd_torch_checkpoint_close(&c);
    CHECK_TRUE(c == NULL);
}

static void no_average(void **state)
{
    mcvd_torch_checkpoint *c = NULL;
    test_bytes file;

    (void)state;
    make_file(&file, put_list_without_average);
    bytes_save(&file, path);
    bytes_free(&file);
    CHECK_OK(mcvd_torch_checkpoint_open(&c, path));
    CHECK_TRUE(!mcvd_torch_checkpoint_has_ema(c));
    CHECK_EQ(mcvd_torch_checkpoint_count(c, MCVD_TORCH_EMA), 0);
    check_tensor(c, MCVD_TORCH_MODEL, numbers);
    mcvd_torch_checkpoint_close(&c);
}

static void a_bare_dictionary(void **state)
{
    static const float view[] = { 1, 5, 9, 2, 6, 10 };
    mcvd_torch_checkpoint *c = NULL;
    test_bytes file;

    (void)state;
    make_file(&file, put_bare);
    bytes_save(&file, path);
    bytes_free(&file);
    CHECK_OK(mcvd_torch_checkpoint_open(&c, path));
    CHECK_TRUE(!mcvd_torch_checkpoint_has_ema(c));
    CHECK_EQ(mcvd_torch_checkpoint_step(c), -1);
    CHECK_EQ(mcvd_torch_checkpoint_epoch(c), -1);
    CHECK_EQ(mcvd_torch_checkpoint_count(c, MCVD_TORCH_EMA), 0);
    check_tensor(c, MCVD_TORCH_MODEL, view);
    mcvd_torch_checkpoint_close(&c);
}

/* --- other files --- */

static void no_archive(void **state)
{
    mcvd_torch_checkpoint *c = NULL;

    (void)state;
    CHECK_STATUS(mcvd_torch_checkpoint_open(&c, path), MCVD_E_MODEL);
    CHECK_MESSAGE("cannot open");
    CHECK_TRUE(!mcvd_torch_is_checkpoint(path));
    CHECK_STATUS(mcvd_torch_checkpoint_open(&c, folder), MCVD_E_MODEL);
    CHECK_MESSAGE("not a regular file");
    CHECK_EQ(mkfifo(path, 0600), 0);
    refuse_file("not a regular file"); /* and does not wait for a writer */
    CHECK_EQ(unlink(path), 0);
    refuse(&(test_bytes) { 0 }, "the file is empty");
    unsigned char old[] = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.";
    refuse(&(test_bytes) { old, sizeof old - 1, 0 }, "expected a pickle of protocol 2");
    CHECK_TRUE(mcvd_torch_is_checkpoint(path));
    unsigned char text[] = "PK, but no archive";
    refuse(&(test_bytes) { text, sizeof text - 1, 0 }, "no PyTorch checkpoint");
    CHECK_TRUE(!mcvd_torch_is_checkpoint(path));
    unsigned char start[] = "PK\3\4 and then nothing of the kind";
    refuse(&(test_bytes) { start, sizeof start - 1, 0 }, "damaged zip archive");
}

static void cuts(void **state)
{
    mcvd_torch_checkpoint *c = NULL;
    test_bytes file;

    (void)state;
    make_file(&file, put_list);
    const size_t whole = file.used;
    for (size_t n = 0; n < whole; n++) {
        file.used = n;
        refuse(&file, "");
    }
    file.used = whole;
    bytes_save(&file, path);
    CHECK_OK(mcvd_torch_checkpoint_open(&c, path));
    mcvd_torch_checkpoint_close(&c);
    bytes_free(&file);
}

/* --- odd archives: a good one with one entry more, or one entry changed --- */

static void refuse_extra(const test_entry *extra, const char *why)
{
    test_bytes pickle = { 0 };
    test_zip zip = { 0 };

    put_bare(&pickle);
    zip_put_plain(&zip, "p/data.pkl", pickle.data, pickle.used);
    zip_put_plain(&zip, "p/data/0", numbers, sizeof numbers);
    zip_put(&zip, extra);
    zip_end(&zip);
    refuse(&zip.file, why);
    bytes_free(&zip.file);
    bytes_free(&pickle);
}

static void refuse_name(const char *name, const char *why)
{
    refuse_extra(&(test_entry) { .name = name, .data = "x", .bytes = 1 }, why);
}

static void odd_names(void **state)
{
    static const char *const names[] = {
        "../x",   "/etc/passwd", "p/../../x", "p/..",    "p\\x",
        "p/a\nb", "p/\xff",      "..",        "p/..\\x", "\x1b[2J"
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        refuse_name(names[i], "not that of a file inside the archive");
    refuse_name("p/data/0", "");
    refuse_name("p/data.pkl", "");
    refuse_name("q/data.pkl", "two pickles, 'p/data.pkl' and 'q/data.pkl'");
    refuse_name("p/data/data.pkl", "two pickles");
}

static void odd_entries(void **state)
{
    static const char bomb[] = "\x4b\x4c\x04\x02\x00"; /* deflated */

    (void)state;
    refuse_extra(&(test_entry) { .name = "p/x",
                                 .data = bomb,
                                 .bytes = sizeof bomb - 1,
                                 .method = 8,
                                 .says = 0x7fffffff },
                 "is compressed");
    refuse_extra(&(test_entry) { .name = "p/x", .data = "x", .bytes = 1, .flags = 1 }, "encrypted");
    refuse_extra(&(test_entry) { .name = "p/x", .data = "x", .bytes = 1, .says = 1000 }, "");
    refuse_extra(&(test_entry) { .name = "p/byteorder", .data = "big", .bytes = 3 },
                 "its byte order is 'big'");
    refuse_extra(
        &(test_entry) { .name = "p/byteorder", .data = "little", .bytes = 6, .crc_change = 1 },
        "zip entry");
}

/* The storage in the archive is not what the pickle says. */
static void refuse_storage(const char *name, size_t bytes, uint32_t crc_change, const char *why)
{
    test_bytes pickle = { 0 };
    test_zip zip = { 0 };

    put_bare(&pickle);
    zip_put(&zip, &(test_entry) { .name = "p/data.pkl",
                                  .data = pickle.data,
                                  .bytes = pickle.used,
                                  .crc_change = crc_change });
    zip_put_plain(&zip, name, numbers, bytes);
    zip_end(&zip);
    refuse(&zip.file, why);
    bytes_free(&zip.file);
    bytes_free(&pickle);
}

static void odd_storages(void **state)
{
    (void)state;
    refuse_storage("p/data/1", sizeof numbers, 0, "'data/0' is missing");
    refuse_storage("q/data/0", sizeof numbers, 0, "'data/0' is missing");
    refuse_storage("p/data/0", sizeof numbers - 1, 0, "47 bytes, the pickle says 12 floats");
    refuse_storage("p/data/0", sizeof numbers - 4, 0, "44 bytes, the pickle says 12 floats");
    refuse_storage("p/data/0", 0, 0, "0 bytes, the pickle says 12 floats");
    refuse_storage("p/data/0", sizeof numbers, 4, "CRC");
}

static void no_pickle(void **state)
{
    test_zip zip = { 0 };

    (void)state;
    zip_put_plain(&zip, "p/data/0", numbers, sizeof numbers);
    zip_put_plain(&zip, "data.pkl", "x", 1); /* PyTorch has a folder around it */
    zip_end(&zip);
    refuse(&zip.file, "it has no data.pkl");
    bytes_free(&zip.file);
}

/* A wrong CRC of numbers shows when they are read. */
static void wrong_crc(void **state)
{
    test_bytes pickle = { 0 };
    test_zip zip = { 0 };
    mcvd_torch_checkpoint *c = NULL;
    const float *values = NULL;

    (void)state;
    put_bare(&pickle);
    zip_put_plain(&zip, "p/data.pkl", pickle.data, pickle.used);
    zip_put(&zip,
            &(test_entry) {
                .name = "p/data/0", .data = numbers, .bytes = sizeof numbers, .crc_change = 1 });
    zip_end(&zip);
    bytes_save(&zip.file, path);
    bytes_free(&zip.file);
    bytes_free(&pickle);
    CHECK_OK(mcvd_torch_checkpoint_open(&c, path));
    CHECK_STATUS(mcvdi_torch_checkpoint_read(c, MCVD_TORCH_MODEL, 0, &values), MCVD_E_MODEL);
    CHECK_MESSAGE("CRC");
    CHECK_TRUE(values == NULL);
    mcvd_torch_checkpoint_close(&c);
}

/* --- pickles that are no checkpoint --- */

static void refuse_pickle(const void *pickle, size_t bytes, const char *why)
{
    test_zip zip = { 0 };

    zip_put_plain(&zip, "p/data.pkl", pickle, bytes);
    zip_put_plain(&zip, "p/data/0", numbers, sizeof numbers);
    zip_end(&zip);
    refuse(&zip.file, why);
    bytes_free(&zip.file);
}

static void refuse_two(test_tensor a, test_tensor b, const char *why)
{
    const test_tensor both[] = { a, b };
    test_bytes pickle = { 0 };

    BYTES(&pickle, "\x80\x02");
    pickle_state(&pickle, both, 2);
    BYTES(&pickle, ".");
    refuse_pickle(pickle.data, pickle.used, why);
    bytes_free(&pickle);
}

#define REFUSE_PICKLE(literal, why) refuse_pickle(literal, sizeof(literal) - 1, why)

static void other_pickles(void **state)
{
    test_bytes pickle = { 0 };

    (void)state;
    REFUSE_PICKLE("", "expected a pickle");
    REFUSE_PICKLE("\x80\x02K\1.", "an integer, expected the list of a checkpoint");
    REFUSE_PICKLE("\x80\x02].", "a list of 0 elements");
    REFUSE_PICKLE("\x80\x02}.", "an empty dictionary");
    REFUSE_PICKLE("\x80\x02](}}K\1K\2e.", "an empty dictionary");
    REFUSE_PICKLE("\x80\x02](}}K\1e.", "a list of 3 elements");
    REFUSE_PICKLE("\x80\x02](}}NK\2e.", "element 2 of the list is nothing, expected the epoch");
    REFUSE_PICKLE("\x80\x02](}}K\1J\xff\xff\xff\xff"
                  "e.",
                  "expected the step");
    REFUSE_PICKLE("\x80\x02](K\1}K\1K\1e.", "an integer, expected a dictionary of tensors");
    REFUSE_PICKLE("\x80\x02}X\1\0\0\0aK\1s.", "'a' is an integer, expected a tensor");
    REFUSE_PICKLE("\x80\x02}K\1K\1s.", "an integer as the name of a tensor");
    REFUSE_PICKLE("\x80\x02"
                  "cos\nsystem\n.",
                  "global 'os system' is not allowed");
    refuse_two(raw, turned, "two tensors are named 'w'");
    refuse_two(turned, turned, "two tensors are named 'w'");
    BYTES(&pickle, "\x80\x02](");
    pickle_state(&pickle, &raw, 1);
    BYTES(&pickle, "}K\1K\2K\3e.");
    refuse_pickle(pickle.data, pickle.used, "an integer, expected a dictionary of tensors");
    bytes_free(&pickle);
}

/* --- beyond 4 GiB --- */

static void central64(test_bytes *to, const test_entry *e, uint64_t bytes, uint64_t offset)
{
    BYTES(to, "PK\1\2\x2d\0\x2d\0\0\0\0\0\0\0\0\0");
    bytes_number(to, e->data ? test_crc32(e->data, e->bytes) : 0, 4);
    bytes_number(to, UINT32_MAX, 4);
    bytes_number(to, UINT32_MAX, 4);
    bytes_number(to, strlen(e->name), 2);
    bytes_number(to, 28, 2);
    bytes_number(to, 0, 10);
    bytes_number(to, UINT32_MAX, 4);
    bytes_add(to, e->name, strlen(e->name));
    BYTES(to, "\1\0\x18\0");
    bytes_number(to, bytes, 8);
    bytes_number(to, bytes, 8);
    bytes_number(to, offset, 8);
}

/* Local header as PyTorch writes it: sizes and CRC follow the data, so they are 0 here. */
static uint64_t put64(FILE *file, test_bytes *central, const test_entry *e, uint64_t hole)
{
    const uint64_t offset = (uint64_t)ftello(file);
    const uint64_t bytes = e->data ? e->bytes : hole;
    test_bytes local = { 0 };

    BYTES(&local, "PK\3\4\x2d\0\x08\x08\0\0\0\0\0\0");
    bytes_number(&local, 0, 12);
    bytes_number(&local, strlen(e->name), 2);
    bytes_number(&local, 0, 2);
    bytes_add(&local, e->name, strlen(e->name));
    CHECK_EQ(fwrite(local.data, 1, local.used, file), local.used);
    if (e->data)
        CHECK_EQ(fwrite(e->data, 1, e->bytes, file), e->bytes);
    else
        CHECK_EQ(fseeko(file, (off_t)hole, SEEK_CUR), 0);
    bytes_free(&local);
    const size_t flags_at = central->used + 8;
    central64(central, e, bytes, offset);
    central->data[flags_at] = 8;
    central->data[flags_at + 1] = 8;
    return offset;
}

static void end64(FILE *file, const test_bytes *central, unsigned count)
{
    const uint64_t start = (uint64_t)ftello(file);
    test_bytes end = { 0 };

    BYTES(&end, "PK\6\6");
    bytes_number(&end, 44, 8);
    BYTES(&end, "\x2d\0\x2d\0\0\0\0\0\0\0\0\0");
    bytes_number(&end, count, 8);
    bytes_number(&end, count, 8);
    bytes_number(&end, central->used, 8);
    bytes_number(&end, start, 8);
    BYTES(&end, "PK\6\7\0\0\0\0");
    bytes_number(&end, start + central->used, 8);
    bytes_number(&end, 1, 4);
    BYTES(&end, "PK\5\6\0\0\0\0");
    bytes_number(&end, UINT16_MAX, 2);
    bytes_number(&end, UINT16_MAX, 2);
    bytes_number(&end, UINT32_MAX, 4);
    bytes_number(&end, UINT32_MAX, 4);
    bytes_number(&end, 0, 2);
    CHECK_EQ(fwrite(central->data, 1, central->used, file), central->used);
    CHECK_EQ(fwrite(end.data, 1, end.used, file), end.used);
    bytes_free(&end);
}

/* The optimiser's share is a hole of 5 GB; the weights lie behind it. */
static void beyond_four_gigabytes(void **state)
{
    const uint64_t hole = (uint64_t)5 << 30;
    const test_tensor moments = { "m", "9", (int64_t)(hole / 4),     0,
                                  1,   1,   { (int64_t)(hole / 4) }, { 1 } };
    static const float view[] = { 1, 5, 9, 2, 6, 10 };
    mcvd_torch_checkpoint *c = NULL;
    test_bytes pickle = { 0 };
    test_bytes central = { 0 };

    (void)state;
    BYTES(&pickle, "\x80\x02](");
    pickle_state(&pickle, &raw, 1);
    pickle_state(&pickle, &moments, 1);
    BYTES(&pickle, "K\1K\2");
    pickle_state(&pickle, &turned, 1);
    BYTES(&pickle, "e.");
    FILE *file = fopen(path, "wb");
    CHECK_TRUE(file != NULL);
    put64(file, &central,
          &(test_entry) { .name = "p/data.pkl", .data = pickle.data, .bytes = pickle.used }, 0);
    put64(file, &central, &(test_entry) { .name = "p/data/9" }, hole);
    const uint64_t at =
        put64(file, &central,
              &(test_entry) { .name = "p/data/0", .data = numbers, .bytes = sizeof numbers }, 0);
    CHECK_TRUE(at > hole);
    end64(file, &central, 3);
    CHECK_EQ(fclose(file), 0);
    CHECK_OK(mcvd_torch_checkpoint_open(&c, path));
    check_tensor(c, MCVD_TORCH_EMA, view);
    mcvd_torch_checkpoint_close(&c);
    bytes_free(&pickle);
    bytes_free(&central);
}

static mcvd_status create(void **object, const void *argument)
{
    mcvd_torch_checkpoint *c = (mcvd_torch_checkpoint *)*object;
    const mcvd_status st = mcvd_torch_checkpoint_open(&c, argument);

    *object = c;
    return st;
}

static void destroy(void **object)
{
    mcvd_torch_checkpoint *c = *object;

    mcvd_torch_checkpoint_close(&c);
    *object = c;
}

static void short_memory(void **state)
{
    test_bytes file;

    (void)state;
    make_file(&file, put_list);
    bytes_save(&file, path);
    bytes_free(&file);
    CHECK_TRUE(check_failing_allocations(create, destroy, path) > 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list),     TEST(a_bare_dictionary), TEST(no_archive),   TEST(cuts),
        TEST(odd_names),  TEST(odd_entries),       TEST(odd_storages), TEST(no_pickle),
        TEST(wrong_crc),  TEST(other_pickles),     TEST(short_memory), TEST(beyond_four_gigabytes),
        TEST(no_average),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
