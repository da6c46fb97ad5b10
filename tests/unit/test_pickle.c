/* The pickle reader: what the allow-list lets pass, and that everything else is refused by name. */
#include "model/pickle.h"

#include <stdbool.h>

#include "support/check.h"
#include "support/failing.h"
#include "support/torch_file.h"

static const test_tensor good = { .name = "w",
                                  .key = "7",
                                  .count = 12,
                                  .offset = 1,
                                  .ndim = 2,
                                  .num_strides = 2,
                                  .sizes = { 2, 3 },
                                  .strides = { 1, 4 } };

/* Parse an exact copy, so that a sanitizer sees one byte too many. */
static mcvd_status parse_bytes(mcvdi_pickle **p, const void *data, size_t count, void **copy)
{
    *copy = malloc(count ? count : 1);
    CHECK_TRUE(*copy != NULL);
    if (count)
        memcpy(*copy, data, count);
    return mcvdi_pickle_parse(p, *copy, count, "file.pt");
}

static void refuse_bytes(const void *data, size_t count, const char *why)
{
    mcvdi_pickle *p = NULL;
    void *copy;

    CHECK_STATUS(parse_bytes(&p, data, count, &copy), MCVD_E_MODEL);
    CHECK_TRUE(p == NULL);
    CHECK_MESSAGE("file.pt: ");
    CHECK_MESSAGE(why);
    free(copy);
}

#define REFUSE(literal, why) refuse_bytes("\x80\x02" literal, sizeof("\x80\x02" literal) - 1, why)

static void refuse_tensor(test_tensor tensor, const char *why)
{
    test_bytes b = { 0 };

    BYTES(&b, "\x80\x02");
    pickle_tensor(&b, &tensor);
    BYTES(&b, ".");
    refuse_bytes(b.data, b.used, why);
    bytes_free(&b);
}

static void simple_values(void **state)
{
    static const char bytes[] = "\x80\x02](K\xffM\x34\x12J\xfe\xff\xff\xff\x8a\x00\x8a\x02\x00\x80"
                                "G\x3f\xf8\0\0\0\0\0\0\x88\x89NX\2\0\0\0hi)}]K\1\x85K\2K\3\x86"
                                "e.";
    static const int64_t integers[] = { 255, 0x1234, -2, 0, -32768 };
    mcvdi_pickle *p = NULL;
    void *copy;

    (void)state;
    CHECK_OK(parse_bytes(&p, bytes, sizeof bytes - 1, &copy));
    const mcvdi_pickle_value *root = mcvdi_pickle_root(p);
    CHECK_EQ(root->kind, MCVDI_PICKLE_LIST);
    CHECK_EQ(root->count, 15);
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQ(mcvdi_pickle_item(p, root, i)->kind, MCVDI_PICKLE_INT);
        CHECK_EQ(mcvdi_pickle_item(p, root, i)->as.integer, integers[i]);
    }
    CHECK_CLOSE(mcvdi_pickle_item(p, root, 5)->as.real, 1.5, 0.0);
    CHECK_EQ(mcvdi_pickle_item(p, root, 6)->as.integer, 1);
    CHECK_EQ(mcvdi_pickle_item(p, root, 7)->as.integer, 0);
    CHECK_EQ(mcvdi_pickle_item(p, root, 8)->kind, MCVDI_PICKLE_NONE);
    CHECK_EQ(mcvdi_pickle_item(p, root, 9)->count, 2);
    CHECK_EQ(memcmp(mcvdi_pickle_item(p, root, 9)->as.text, "hi", 2), 0);
    CHECK_EQ(mcvdi_pickle_item(p, root, 10)->kind, MCVDI_PICKLE_TUPLE);
    CHECK_EQ(mcvdi_pickle_item(p, root, 11)->kind, MCVDI_PICKLE_DICT);
    CHECK_EQ(mcvdi_pickle_item(p, root, 12)->kind, MCVDI_PICKLE_LIST);
    CHECK_EQ(mcvdi_pickle_item(p, root, 13)->count, 1);
    CHECK_EQ(mcvdi_pickle_item(p, mcvdi_pickle_item(p, root, 14), 1)->as.integer, 3);
    mcvdi_pickle_free(&p);
    CHECK_TRUE(p == NULL);
    free(copy);
}

static void tensors(void **state)
{
    test_bytes b = { 0 };
    mcvdi_pickle *p = NULL;
    void *copy;

    (void)state;
    BYTES(&b, "\x80\x02");
    pickle_state(&b, &good, 1);
    BYTES(&b, "}X\x09\0\0\0_metadataccollections\nOrderedDict\n)Rsb."); /* BUILD drops it */
    CHECK_OK(parse_bytes(&p, b.data, b.used, &copy));
    const mcvdi_pickle_value *root = mcvdi_pickle_root(p);
    CHECK_EQ(root->kind, MCVDI_PICKLE_DICT);
    CHECK_EQ(root->count, 2);
    const mcvdi_pickle_tensor *t = mcvdi_pickle_get_tensor(p, mcvdi_pickle_item(p, root, 1));
    CHECK_EQ(t->ndim, 2);
    CHECK_EQ(t->numel, 6);
    CHECK_EQ(t->offset, 1);
    CHECK_EQ(t->strides[1], 4);
    CHECK_EQ(mcvdi_pickle_num_storages(p), 1);
    CHECK_EQ(strcmp(mcvdi_pickle_get_storage(p, t->storage)->key, "7"), 0);
    CHECK_EQ(mcvdi_pickle_get_storage(p, t->storage)->count, 12);
    mcvdi_pickle_free(&p);
    free(copy);
    bytes_free(&b);
}

/* model.md 16.5 and nothing else. */
static void opcodes_outside_the_list(void **state)
{
    static const char allowed[] = "\x80]})(qrhjcRbQXKMJG\x88\x89N\x85\x86\x87tsuae.\x8a";
    int refused = 0;

    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char pickle[] = "\x80\x02](K\1K\2?\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\ne.";
        char word[32];
        pickle[8] = (char)byte;
        if (memchr(allowed, byte, sizeof allowed - 1))
            continue;
        snprintf(word, sizeof word, "opcode 0x%02x (", (unsigned)byte);
        refuse_bytes(pickle, sizeof pickle - 1, word);
        refused++;
    }
    CHECK_EQ(refused, 256 - 31);
    REFUSE("cos\nsystem\n(X\4\0\0\0lstR.", "global 'os system' is not allowed");
    REFUSE("cbuiltins\neval\n.", "global 'builtins eval' is not allowed");
    REFUSE("ctorch\nFloatStorage\nx\n.", "opcode 0x78 (unknown) is not allowed");
    REFUSE("ctorch\nHalfStorage\n.", "global 'torch HalfStorage' is not allowed");
    REFUSE("ccollections\nOrderedDict \n.", "global 'collections OrderedDict ' is not allowed");
    REFUSE("c\n\n.", "global ' ' is not allowed");
    REFUSE("\x93.", "STACK_GLOBAL");
    REFUSE("i", "INST");
    REFUSE("\x81", "NEWOBJ");
}

static void calls_that_are_not_allowed(void **state)
{
    (void)state;
    REFUSE("ctorch\nFloatStorage\n)R.", "call of 'torch FloatStorage'");
    REFUSE("ccollections\nOrderedDict\n]\x85R.", "call of 'collections OrderedDict'");
    REFUSE("ctorch._utils\n_rebuild_tensor_v2\n)R.", "a tensor of 0 parts, expected 6");
    REFUSE("K\1)R.", "a call of an integer with a tuple");
    REFUSE("ccollections\nOrderedDict\n]R.", "a call of a global with a list");
    REFUSE("}K\1b.", "attributes in an integer");
    REFUSE("K\1}b.", "for an integer");
    REFUSE("K\1Q.", "persistent id");
    REFUSE("(K\1K\1K\1K\1K\1tQ.", "persistent id");
}

static void bad_structure(void **state)
{
    static const char deep[] = "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((";

    (void)state;
    refuse_bytes("", 0, "expected a pickle of protocol 2");
    refuse_bytes("]", 1, "expected a pickle of protocol 2");
    refuse_bytes("\x80\x04].", 4, "protocol 4");
    refuse_bytes("\x80\x03].", 4, "protocol 3");
    REFUSE("\x80\x02].", "protocol 2, expected one");
    REFUSE("", "1 bytes are needed, 0 are left");
    REFUSE("]", "bytes are needed");
    REFUSE("].]", "1 bytes after the end");
    REFUSE(".", "the end with 0 values");
    REFUSE("]].", "the end with 2 values");
    REFUSE("](.", "1 marks on the stack");
    REFUSE("a", "2 values are needed, 0 are on the stack");
    REFUSE("](a", "2 values are needed, 0 are on the stack");
    REFUSE("]K\1(K\2(\x86", "2 values are needed, 0 are on the stack");
    REFUSE("R", "2 values are needed");
    REFUSE("b", "2 values are needed");
    REFUSE("Q", "1 values are needed");
    REFUSE("q\1", "1 values are needed");
    REFUSE("\x85", "1 values are needed");
    REFUSE("K\1K\2\x87", "3 values are needed");
    REFUSE("t", "no mark");
    REFUSE("u", "no mark");
    REFUSE("e", "no mark");
    REFUSE("(e", "1 values are needed, 0 are");
    REFUSE("K\1K\2a.", "no list");
    REFUSE("]K\1K\2s.", "no dictionary");
    REFUSE("}(K\1u.", "a key without a value");
    REFUSE("}]K\1s.", "a list as the key");
    REFUSE("h\5", "memo number 5 was never filled");
    REFUSE("]q\5h\6", "memo number 6 was never filled");
    REFUSE("j\xff\xff\xff\xff", "memo number 4294967295 was never filled");
    REFUSE("]r\xff\xff\xff\xff.", "memo number 4294967295, allowed");
    REFUSE("X\xff\xff\xff\xff", "a text of 4294967295 bytes, up to 1024");
    REFUSE("X\4\0\0\0abc", "4 bytes are needed, 3 are left");
    REFUSE("X\1\0\0\0\n.", "control characters");
    REFUSE("X\1\0\0\0\xff.", "no UTF-8");
    REFUSE("\x8a\x09\1\1\1\1\1\1\1\1\1.", "an integer of 9 bytes");
    REFUSE("\x8a\xff", "an integer of 255 bytes");
    REFUSE("G\0\0\0", "8 bytes are needed");
    REFUSE("cos", "a global whose name does not end");
    REFUSE("cos\nsystem", "a global whose name does not end");
    char bytes[sizeof deep + 2] = "\x80\x02";
    memcpy(bytes + 2, deep, sizeof deep);
    refuse_bytes(bytes, sizeof deep + 1, "nested more than 64 deep");
}

static void long_global(void **state)
{
    test_bytes b = { 0 };

    (void)state;
    BYTES(&b, "\x80\x02"
              "c");
    for (int i = 0; i < 1000; i++)
        BYTES(&b, "a");
    refuse_bytes(b.data, b.used, "a global whose name does not end");
    bytes_free(&b);
}

static test_tensor with(int64_t count, int64_t offset, int64_t size, int64_t stride)
{
    return (test_tensor) { .name = "w",
                           .key = "0",
                           .count = count,
                           .offset = offset,
                           .ndim = 2,
                           .num_strides = 2,
                           .sizes = { size, 2 },
                           .strides = { stride, 1 } };
}

static void tensors_beyond_their_storage(void **state)
{
    test_tensor t = good;

    (void)state;
    refuse_tensor(with(5, 0, 3, 2), "beyond its storage of 5");
    refuse_tensor(with(6, 1, 3, 2), "beyond its storage of 6");
    refuse_tensor(with(6, INT64_MAX, 3, 2), "beyond its storage");
    refuse_tensor(with(6, 0, INT64_MAX, 2), "beyond its storage");
    refuse_tensor(with(6, 0, 3, INT64_MAX), "beyond its storage");
    refuse_tensor(with(6, 0, (int64_t)1 << 62, (int64_t)1 << 62), "beyond its storage");
    refuse_tensor(with(6, 0, 1000, 0), "beyond its storage"); /* an expanded view */
    refuse_tensor(with(0, 0, 1, 1), "beyond its storage of 0");
    refuse_tensor(with(6, 7, 0, 1), "beyond its storage of 6"); /* empty, but outside */
    refuse_tensor(with(-1, 0, 1, 1), "without a number of elements");
    refuse_tensor(with(6, -1, 1, 1), "the offset -1");
    refuse_tensor(with(6, 0, -3, 2), "size 0 is no number");
    refuse_tensor(with(6, 0, 3, -2), "stride 0 is no number");
    t.num_strides = 1;
    refuse_tensor(t, "2 sizes and 1 strides");
    t.ndim = t.num_strides = 9;
    refuse_tensor(t, "9 sizes and 9 strides");
    t = good;
    t.key = "../7";
    refuse_tensor(t, "storage '../7': expected a number");
    t.key = "";
    refuse_tensor(t, "expected a number");
    t.key = "123456789012345678901234567890";
    refuse_tensor(t, "expected a number");
}

/* Every cut of a good pickle ends before its STOP. */
static void cuts(void **state)
{
    test_bytes b = { 0 };

    (void)state;
    BYTES(&b, "\x80\x02");
    pickle_state(&b, &good, 1);
    BYTES(&b, "q\1.");
    for (size_t n = 0; n + 1 < b.used; n++)
        refuse_bytes(b.data, n, "pickle, byte ");
    bytes_free(&b);
}

/* A list that holds itself, thousands of items and memo entries: no recursion, no harm. */
static void large_and_circular(void **state)
{
    test_bytes b = { 0 };
    mcvdi_pickle *p = NULL;
    void *copy;

    (void)state;
    BYTES(&b, "\x80\x02]q\0h\0a(");
    for (unsigned i = 0; i < 70000; i++) {
        BYTES(&b, "K\5r");
        bytes_number(&b, i + 1, 4);
    }
    BYTES(&b, "e.");
    CHECK_OK(parse_bytes(&p, b.data, b.used, &copy));
    const mcvdi_pickle_value *root = mcvdi_pickle_root(p);
    CHECK_EQ(root->count, 70001);
    CHECK_TRUE(mcvdi_pickle_item(p, root, 0) == root);
    CHECK_EQ(mcvdi_pickle_item(p, root, 70000)->as.integer, 5);
    mcvdi_pickle_free(&p);
    free(copy);
    bytes_free(&b);
}

/* A few bytes that ask for much: the caps answer. */
static void caps(void **state)
{
    test_bytes b = { 0 };

    (void)state;
    BYTES(&b, "\x80\x02");
    for (int i = 0; i <= MCVDI_PICKLE_MAX_STACK; i++)
        BYTES(&b, "N");
    refuse_bytes(b.data, b.used, "values on the stack");
    b.used = 2;
    BYTES(&b, "]");
    for (int i = 0; i < MCVDI_PICKLE_MAX_VALUES; i++)
        BYTES(&b, "Na");
    refuse_bytes(b.data, b.used, "more than 2097152 values");
    bytes_free(&b);
}

static mcvd_status create(void **object, const void *argument)
{
    const test_bytes *b = argument;
    mcvdi_pickle *p = (mcvdi_pickle *)*object;
    const mcvd_status st = mcvdi_pickle_parse(&p, b->data, b->used, "file.pt");

    *object = p;
    return st;
}

static void destroy(void **object)
{
    mcvdi_pickle *p = *object;

    mcvdi_pickle_free(&p);
    *object = p;
}

static void short_memory(void **state)
{
    test_bytes b = { 0 };

    (void)state;
    BYTES(&b, "\x80\x02");
    pickle_state(&b, &good, 1);
    BYTES(&b, "q\1.");
    CHECK_TRUE(check_failing_allocations(create, destroy, &b) > 5);
    bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_values),
        cmocka_unit_test(tensors),
        cmocka_unit_test(opcodes_outside_the_list),
        cmocka_unit_test(calls_that_are_not_allowed),
        cmocka_unit_test(bad_structure),
        cmocka_unit_test(long_global),
        cmocka_unit_test(tensors_beyond_their_storage),
        cmocka_unit_test(cuts),
        cmocka_unit_test(large_and_circular),
        cmocka_unit_test(caps),
        cmocka_unit_test(short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
