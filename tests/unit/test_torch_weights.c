/* Files of weights in general: the stream of before version 1.6 and TorchScript archives; what is
 * read from good ones, and that others are refused. */
#include <unistd.h>

#include "core/alloc.h"
#include "model/torch_checkpoint.h"
#include "model/torch_script.h"

#include "support/check.h"
#include "support/folder.h"
#include "support/torch_file.h"

static char folder[TEST_PATH_BYTES];
static char path[TEST_PATH_BYTES];

static const float numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
static const test_tensor view = { .name = "module.w",
                                  .key = "94367223490560",
                                  .count = 12,
                                  .offset = 1,
                                  .ndim = 2,
                                  .num_strides = 2,
                                  .sizes = { 2, 3 },
                                  .strides = { 1, 4 } };
static const test_tensor row = { .name = "weight",
                                 .key = "0",
                                 .count = 12,
                                 .ndim = 1,
                                 .num_strides = 1,
                                 .sizes = { 12 },
                                 .strides = { 1 } };

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

static void refuse(const test_bytes *bytes, const char *why)
{
    mcvd_torch_checkpoint *c = NULL;

    bytes_save(bytes, path);
    CHECK_STATUS(mcvd_torch_weights_open(&c, path), MCVD_E_MODEL);
    CHECK_TRUE(c == NULL);
    CHECK_MESSAGE("file.pt: ");
    CHECK_MESSAGE(why);
}

static void check_values(mcvd_torch_checkpoint *c, const char *name, const float *expected,
                         size_t n)
{
    const float *values = NULL;
    const size_t i = mcvdi_torch_checkpoint_find(c, MCVD_TORCH_MODEL, name);

    CHECK_TRUE(i < mcvd_torch_checkpoint_count(c, MCVD_TORCH_MODEL));
    CHECK_OK(mcvdi_torch_checkpoint_read(c, MCVD_TORCH_MODEL, i, &values));
    CHECK_ALL_CLOSE(values, expected, n, 0.0);
}

/* --- streams --- */

/* A list of the authors' program, of one storage under this key, count and number of bytes. */
static void make_stream(test_bytes *to, const char *key, int64_t count, size_t bytes)
{
    stream_begin(to);
    BYTES(to, "\x80\x02](");
    pickle_state_in(to, &view, 1, true);
    BYTES(to, "}K\3K\7");
    pickle_state_in(to, &view, 1, true);
    BYTES(to, "e.");
    stream_storage(to, key, count, numbers, bytes);
}

static void a_stream(void **state)
{
    static const float expected[] = { 1, 5, 9, 2, 6, 10 };
    mcvd_torch_checkpoint *c = NULL;
    test_bytes b = { 0 };

    (void)state;
    make_stream(&b, view.key, 12, sizeof numbers);
    bytes_save(&b, path);
    CHECK_TRUE(mcvd_torch_is_checkpoint(path));
    CHECK_OK(mcvd_torch_checkpoint_open(&c, path));
    CHECK_TRUE(mcvd_torch_checkpoint_is_stream(c));
    CHECK_EQ(mcvd_torch_checkpoint_form(c), MCVD_TORCH_LIST);
    CHECK_EQ(mcvd_torch_checkpoint_step(c), 7);
    CHECK_TRUE(mcvd_torch_checkpoint_has_ema(c));
    check_values(c, "w", expected, 6);
    mcvd_torch_checkpoint_close(&c);
    for (size_t n = 15; n < b.used; n++) { /* cut anywhere after the magic number */
        const test_bytes part = { b.data, n, 0 };
        refuse(&part, "");
    }
    bytes_free(&b);
}

static void refuse_stream(const char *key, int64_t count, size_t bytes, const char *why)
{
    test_bytes b = { 0 };

    make_stream(&b, key, count, bytes);
    refuse(&b, why);
    bytes_free(&b);
}

static void odd_streams(void **state)
{
    test_bytes b = { 0 };

    (void)state;
    refuse_stream("5", 12, sizeof numbers, "one that no tensor is of");
    refuse_stream(view.key, 13, sizeof numbers, "has 13 elements in the file, the pickle says 12");
    refuse_stream(view.key, INT64_MAX, sizeof numbers, "elements in the file, the pickle says 12");
    refuse_stream(view.key, 12, 40, "goes beyond the file");
    make_stream(&b, view.key, 12, sizeof numbers);
    BYTES(&b, "!");
    refuse(&b, "1 bytes after the last storage");
    b.data[b.used - 1 - sizeof numbers - 8 - 1] = 'x'; /* the end of the list of keys */
    refuse(&b, "opcode 0x78");
    bytes_free(&b);

    stream_begin(&b);
    b.data[b.used - 3] = 0x89; /* little_endian */
    BYTES(&b, "\x80\x02}.");
    refuse(&b, "little-endian");
    bytes_free(&b);

    stream_begin(&b);
    BYTES(&b, "\x80\x02"
              "cos\nsystem\n(X\x02\0\0\0lstR.");
    refuse(&b, "global 'os system' is not allowed");
    bytes_free(&b);
}

/* A storage whose pickle claims more elements than any file has. */
static void huge_counts(void **state)
{
    test_tensor huge = view;
    test_bytes b = { 0 };

    (void)state;
    huge.count = INT64_MAX / 2;
    stream_begin(&b);
    BYTES(&b, "\x80\x02");
    pickle_state_in(&b, &huge, 1, true);
    BYTES(&b, ".");
    stream_storage(&b, huge.key, huge.count, numbers, sizeof numbers);
    refuse(&b, "goes beyond the file");
    bytes_free(&b);
}

/* What Python 2 wrote: short strings, and an ordered dictionary as a list of pairs. */
static void python_2(void **state)
{
    mcvd_torch_checkpoint *c = NULL;
    test_bytes b = { 0 };

    (void)state;
    stream_begin(&b);
    BYTES(&b, "\x80\x02"
              "ccollections\nOrderedDict\n](](U\6weight");
    pickle_tensor_as(&b, &row, "Float", true);
    BYTES(&b, "ee\x85R.");
    stream_storage(&b, "0", 12, numbers, sizeof numbers);
    bytes_save(&b, path);
    CHECK_OK(mcvd_torch_weights_open(&c, path));
    check_values(c, "weight", numbers, 12);
    mcvd_torch_checkpoint_close(&c);
    CHECK_STATUS(mcvd_torch_checkpoint_open(&c, path), MCVD_E_MODEL);
    CHECK_MESSAGE("SHORT_BINSTRING");
    bytes_free(&b);
}

/* --- TorchScript --- */

static void begin_object(test_bytes *to)
{
    BYTES(to, "c__torch__.nets\nUnit\n)\x81}(");
}

/* A module with a module in it and attributes of every kind. */
static void put_module(test_bytes *to, const char *type)
{
    test_tensor counter = row;

    counter.key = "1";
    counter.count = counter.sizes[0] = 1;
    BYTES(to, "\x80\x02");
    begin_object(to);
    pickle_text(to, "training");
    BYTES(to, "\x89");
    pickle_text(to, "sizes");
    BYTES(to, "ctorch.jit._pickle\nbuild_intlist\n(](K\1K\2etR");
    pickle_text(to, "device");
    BYTES(to, "ctorch\ndevice\nX\3\0\0\0cpu\x85R");
    pickle_text(to, "a");
    begin_object(to);
    pickle_text(to, "weight");
    pickle_tensor_as(to, &row, type, false);
    pickle_text(to, "num_batches_tracked");
    pickle_tensor_as(to, &counter, "Long", false);
    BYTES(to, "ubub.");
}

static void make_archive(test_bytes *file, const test_bytes *pickle, const void *data, size_t bytes,
                         const char *code)
{
    static const int64_t one = 1;
    test_zip zip = { 0 };

    zip_put_plain(&zip, "p/data.pkl", pickle->data, pickle->used);
    zip_put_plain(&zip, "p/data/0", data, bytes);
    zip_put_plain(&zip, "p/data/1", &one, sizeof one);
    zip_put_plain(&zip, "p/code/__torch__/nets.py", code, strlen(code));
    zip_put_plain(&zip, "p/constants.pkl", "\x80\x02).", 4);
    zip_end(&zip);
    *file = zip.file;
}

static void save_module(const char *type, const void *data, size_t bytes, const char *code)
{
    test_bytes pickle = { 0 };
    test_bytes file;

    put_module(&pickle, type);
    make_archive(&file, &pickle, data, bytes, code);
    bytes_save(&file, path);
    bytes_free(&pickle);
    bytes_free(&file);
}

static void a_module(void **state)
{
    static const double wide[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
    static const uint16_t half[] = { 0,      0x3c00, 0x4000, 0x4200, 0x4400, 0x4500,
                                     0x4600, 0x4700, 0x4800, 0x4880, 0x4900, 0x4980 };
    static const struct {
        const char *type;
        const void *data;
        size_t bytes;
    } rows[] = { { "Float", numbers, sizeof numbers },
                 { "Double", wide, sizeof wide },
                 { "Half", half, sizeof half } };
    mcvd_torch_checkpoint *c = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        save_module(rows[i].type, rows[i].data, rows[i].bytes, "");
        CHECK_OK(mcvd_torch_weights_open(&c, path));
        CHECK_EQ(mcvd_torch_checkpoint_form(c), MCVD_TORCH_SCRIPT);
        CHECK_EQ(mcvd_torch_checkpoint_count(c, MCVD_TORCH_MODEL), 1); /* no counter */
        check_values(c, "a.weight", numbers, 12);
        mcvd_torch_checkpoint_close(&c);
        CHECK_STATUS(mcvd_torch_checkpoint_open(&c, path), MCVD_E_MODEL); /* no checkpoint */
        CHECK_MESSAGE("global '__torch__.nets Unit' is not allowed");
    }
}

static void check_eps(const char *code, mcvd_status status, bool expected, double value)
{
    mcvd_torch_checkpoint *c = NULL;
    double eps = 0.0;
    bool found = true;

    save_module("Float", numbers, sizeof numbers, code);
    CHECK_OK(mcvd_torch_weights_open(&c, path));
    CHECK_STATUS(mcvdi_torch_script_bn_eps(mcvdi_torch_checkpoint_zip(c), path, &eps, &found),
                 status);
    CHECK_EQ(found, expected);
    if (found)
        CHECK_CLOSE(eps, value, 0.0);
    mcvd_torch_checkpoint_close(&c);
}

static void eps_in_the_code(void **state)
{
    (void)state;
    check_eps("", MCVD_OK, false, 0.0);
    check_eps("x = torch.batch_norm(f(a, b), w, b, m, v, False, 0.1, 0.001, True)\n", MCVD_OK, true,
              0.001);
    check_eps("x = torch.batch_norm(a, w, b, m, v, False, 0.1, eps, True)\n", MCVD_OK, false, 0.0);
    check_eps("torch.batch_norm(a, w, b, m, v, False, 0.1", MCVD_OK, false, 0.0);
    check_eps("torch.batch_norm(a,w,b,m,v,False,0.,1e-3,True)torch.batch_norm(a,w,b,m,v,0,0,1e-5)",
              MCVD_E_MODEL, false, 0.0);
    CHECK_MESSAGE("--bn-eps");
}

static void refuse_pickle(const test_bytes *pickle, const char *why)
{
    test_bytes file;

    make_archive(&file, pickle, numbers, sizeof numbers, "");
    refuse(&file, why);
    bytes_free(&file);
}

static void odd_modules(void **state)
{
    test_bytes b = { 0 };

    (void)state;
    BYTES(&b, "\x80\x02"
              "c__torch__\nM\nq\0)\x81q\1}(X\4\0\0\0selfh\1ub."); /* holds itself */
    refuse_pickle(&b, "nested more than 32 deep");
    bytes_free(&b);
    BYTES(&b, "\x80\x02"
              "c__torch__x\nM\n)\x81.");
    refuse_pickle(&b, "global '__torch__x M' is not allowed");
    bytes_free(&b);
    BYTES(&b, "\x80\x02"
              "ccollections\nOrderedDict\n)\x81.");
    refuse_pickle(&b, "a new object of a global");
    bytes_free(&b);
    BYTES(&b, "\x80\x02"
              "c__torch__\nM\n(K\1tR."); /* called */
    refuse_pickle(&b, "a call of 'a class of TorchScript' with 1 arguments is not allowed");
    bytes_free(&b);
    BYTES(&b, "\x80\x02"
              "c__torch__\nM\n)\x81K\1b.");
    refuse_pickle(&b, "attributes in an integer for an object");
    bytes_free(&b);
    BYTES(&b, "\x80\x02"
              "c__torch__\nM\n)\x81}b.");
    refuse_pickle(&b, "no tensors in it");
    bytes_free(&b);
}

/* Twenty levels of modules that each hold the next one under eight names. */
static void many_paths(void **state)
{
    enum { LEVELS = 20, NAMES = 8 };
    test_bytes b = { 0 };

    (void)state;
    BYTES(&b, "\x80\x02"
              "c__torch__\nM\n)\x81q\0");
    for (int level = 1; level < LEVELS; level++) {
        const unsigned char below = (unsigned char)(level - 1);
        const unsigned char own = (unsigned char)level;
        BYTES(&b, "c__torch__\nM\n)\x81q");
        bytes_add(&b, &own, 1);
        BYTES(&b, "}(");
        for (char name = 'a'; name < 'a' + NAMES; name++) {
            const char text[] = { name, '\0' };
            pickle_text(&b, text);
            BYTES(&b, "h");
            bytes_add(&b, &below, 1);
        }
        BYTES(&b, "ub");
    }
    test_bytes whole = { 0 }; /* {"x": all of them, "y": the last} */
    BYTES(&whole, "\x80\x02}(X\1\0\0\0x(");
    bytes_add(&whole, b.data + 2, b.used - 2);
    const unsigned char last = LEVELS - 1;
    BYTES(&whole, "tX\1\0\0\0yh");
    bytes_add(&whole, &last, 1);
    BYTES(&whole, "u.");
    refuse_pickle(&whole, "more than 1048576 attributes");
    bytes_free(&whole);
    bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream),    cmocka_unit_test(odd_streams),
        cmocka_unit_test(huge_counts), cmocka_unit_test(python_2),
        cmocka_unit_test(a_module),    cmocka_unit_test(eps_in_the_code),
        cmocka_unit_test(odd_modules), cmocka_unit_test(many_paths),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
