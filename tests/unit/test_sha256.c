/* SHA-256 against the examples of FIPS 180-2, appendix B, and of the empty message. */
#include "core/sha256.h"

#include <mcvd/digest.h>

#include "support/check.h"
#include "support/folder.h"

static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char two_blocks[] = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
static const char million[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void check_text(mcvdi_sha256 *sha, const char *text, const char *expected)
{
    char hex[MCVDI_SHA256_HEX];

    mcvdi_sha256_add(sha, text, strlen(text));
    mcvdi_sha256_end(sha, hex);
    CHECK_EQ(strcmp(hex, expected), 0);
}

static void published_values(void **state)
{
    mcvdi_sha256 *sha = NULL;

    (void)state;
    CHECK_OK(mcvdi_sha256_create(&sha));
    check_text(sha, "", empty);
    check_text(sha, "abc", abc);
    check_text(sha, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", two_blocks);
    mcvdi_sha256_free(&sha);
    CHECK_TRUE(sha == NULL);
    char hex[MCVD_SHA256_HEX];
    CHECK_OK(mcvd_sha256(hex, "abc", 3));
    assert_string_equal(hex, abc);
}

/* A million times "a" in unequal pieces, and as a file. */
static void long_message(void **state)
{
    enum { MILLION = 1000000, PIECE = 1237 };
    static char letters[MILLION];
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];
    char hex[MCVDI_SHA256_HEX];
    mcvdi_sha256 *sha = NULL;

    (void)state;
    memset(letters, 'a', sizeof letters);
    CHECK_OK(mcvdi_sha256_create(&sha));
    for (size_t at = 0; at < sizeof letters; at += PIECE)
        mcvdi_sha256_add(sha, letters + at, MILLION - at < PIECE ? MILLION - at : (size_t)PIECE);
    mcvdi_sha256_end(sha, hex);
    CHECK_EQ(strcmp(hex, million), 0);
    mcvdi_sha256_free(&sha);

    make_test_folder(folder);
    test_path(path, folder, "letters");
    FILE *file = fopen(path, "wb");
    CHECK_TRUE(file && fwrite(letters, 1, sizeof letters, file) == sizeof letters);
    CHECK_EQ(fclose(file), 0);
    CHECK_OK(mcvdi_sha256_file(hex, path));
    CHECK_EQ(strcmp(hex, million), 0);
    CHECK_STATUS(mcvdi_sha256_file(hex, folder), MCVD_E_INPUT);
    CHECK_EQ(hex[0], '\0');
    remove_test_folder(folder);
    CHECK_STATUS(mcvdi_sha256_file(hex, path), MCVD_E_INPUT);
    CHECK_MESSAGE("letters: cannot open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(long_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
