#include "core/fileio.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support/check.h"
#include "support/failing.h"
#include "support/folder.h"

static char folder[TEST_PATH_BYTES];
static char path[TEST_PATH_BYTES];

static int set_up(void **state)
{
    (void)state;
    make_test_folder(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

static void check_content(const char *name, const char *expected)
{
    char *text;
    size_t bytes;
    char file[TEST_PATH_BYTES];

    CHECK_OK(mcvdi_file_read(&text, &bytes, test_path(file, folder, name), 1000));
    CHECK_EQ(bytes, strlen(expected));
    assert_string_equal(text, expected);
    mcvdi_free(text);
}

/* ---- reading ---- */

static void test_read(void **state)
{
    char *text;
    size_t bytes;

    (void)state;
    test_path(path, folder, "a.txt");
    CHECK_OK(mcvdi_file_write(path, "a\0b", 3, false));
    CHECK_OK(mcvdi_file_read(&text, &bytes, path, 3));
    CHECK_EQ(bytes, 3);
    CHECK_EQ(memcmp(text, "a\0b", 4), 0); /* the last one is the added NUL */
    mcvdi_free(text);

    CHECK_STATUS(mcvdi_file_read(&text, &bytes, path, 2), MCVD_E_INPUT);
    CHECK_TRUE(text == NULL && bytes == 0);
    CHECK_MESSAGE("a.txt: has 3 bytes, at most 2");

    CHECK_OK(mcvdi_file_write(path, NULL, 0, true));
    CHECK_OK(mcvdi_file_read(&text, &bytes, path, 0));
    CHECK_EQ(bytes, 0);
    assert_string_equal(text, "");
    mcvdi_free(text);
}

static void test_read_what_is_no_file(void **state)
{
    char *text;
    size_t bytes;

    (void)state;
    CHECK_STATUS(mcvdi_file_read(&text, &bytes, folder, 1000), MCVD_E_INPUT);
    CHECK_MESSAGE("is a folder");
    CHECK_TRUE(text == NULL);
    CHECK_STATUS(mcvdi_file_read(&text, &bytes, test_path(path, folder, "none"), 1000),
                 MCVD_E_INPUT);
    CHECK_MESSAGE("none: cannot open: No such file");
    CHECK_STATUS(mcvdi_file_read(&text, &bytes, "", 1000), MCVD_E_INPUT);
    CHECK_STATUS(mcvdi_file_read(&text, &bytes, "/dev/zero", 1000), MCVD_E_INPUT);
    CHECK_MESSAGE("not a regular file");
    CHECK_EQ(mkfifo(test_path(path, folder, "pipe"), 0600), 0);
    CHECK_STATUS(mcvdi_file_read(&text, &bytes, path, 1000), MCVD_E_INPUT);
    CHECK_TRUE(text == NULL);
}

/* ---- atomic writing ---- */

static void test_appears_at_commit(void **state)
{
    mcvdi_atomic_file *file;

    (void)state;
    test_path(path, folder, "video.mp4");
    CHECK_OK(mcvdi_atomic_open(&file, path, false));
    CHECK_TRUE(!mcvdi_path_exists(path));
    const char *temporary = mcvdi_atomic_path(file);
    CHECK_EQ(strncmp(temporary, folder, strlen(folder)), 0);
    CHECK_TRUE(mcvdi_path_exists(temporary));
    CHECK_TRUE(strlen(temporary) > 4 && !strcmp(temporary + strlen(temporary) - 4, ".mp4"));
    CHECK_OK(mcvdi_atomic_write(file, "one ", 4));
    CHECK_OK(mcvdi_atomic_write(file, "two", 3));
    CHECK_TRUE(!mcvdi_path_exists(path));
    CHECK_OK(mcvdi_atomic_commit(&file));
    CHECK_TRUE(file == NULL);
    check_content("video.mp4", "one two");
    CHECK_EQ(count_entries(folder), 1);
    mcvdi_atomic_discard(&file);
}

static void test_discard_leaves_the_old_file(void **state)
{
    mcvdi_atomic_file *file;

    (void)state;
    test_path(path, folder, "x");
    CHECK_OK(mcvdi_file_write(path, "old", 3, false));
    CHECK_OK(mcvdi_atomic_open(&file, path, true));
    CHECK_OK(mcvdi_atomic_write(file, "new", 3));
    mcvdi_atomic_discard(&file);
    CHECK_TRUE(file == NULL);
    check_content("x", "old");
    CHECK_EQ(count_entries(folder), 1);
    CHECK_OK(mcvdi_file_write(path, "newer", 5, true));
    check_content("x", "newer");
    CHECK_EQ(count_entries(folder), 1);
}

static void test_existing_is_refused(void **state)
{
    mcvdi_atomic_file *file;

    (void)state;
    test_path(path, folder, "x");
    CHECK_OK(mcvdi_atomic_open(&file, path, false));
    CHECK_OK(mcvdi_atomic_write(file, "late", 4));
    CHECK_OK(mcvdi_file_write(path, "first", 5, false)); /* somebody else was faster */
    CHECK_STATUS(mcvdi_atomic_commit(&file), MCVD_E_EXISTS);
    CHECK_TRUE(file == NULL);
    CHECK_MESSAGE("x: exists already");
    CHECK_STATUS(mcvdi_atomic_open(&file, path, false), MCVD_E_EXISTS);
    CHECK_TRUE(file == NULL);
    CHECK_STATUS(mcvdi_file_write(path, "second", 6, false), MCVD_E_EXISTS);
    CHECK_STATUS(mcvdi_atomic_open(&file, folder, false), MCVD_E_EXISTS);
    check_content("x", "first");
    CHECK_EQ(count_entries(folder), 1);
}

static void test_two_writers(void **state)
{
    mcvdi_atomic_file *a;
    mcvdi_atomic_file *b;

    (void)state;
    test_path(path, folder, "x");
    CHECK_OK(mcvdi_atomic_open(&a, path, true));
    CHECK_OK(mcvdi_atomic_open(&b, path, true));
    CHECK_TRUE(strcmp(mcvdi_atomic_path(a), mcvdi_atomic_path(b)) != 0);
    CHECK_OK(mcvdi_atomic_write(a, "a", 1));
    CHECK_OK(mcvdi_atomic_write(b, "b", 1));
    CHECK_OK(mcvdi_atomic_commit(&b));
    CHECK_OK(mcvdi_atomic_commit(&a));
    check_content("x", "a");
    CHECK_EQ(count_entries(folder), 1);
}

/* A rename would destroy a device, and a link is not what the user wants to lose. */
static void test_special_targets(void **state)
{
    mcvdi_atomic_file *file;
    char link_path[TEST_PATH_BYTES];
    struct stat info;

    (void)state;
    CHECK_STATUS(mcvdi_atomic_open(&file, "/dev/null", true), MCVD_E_IO);
    CHECK_TRUE(file == NULL);
    CHECK_MESSAGE("/dev/null: cannot write: is not a regular file");
    CHECK_STATUS(mcvdi_atomic_open(&file, folder, true), MCVD_E_IO);
    CHECK_MESSAGE("is a folder");
    CHECK_STATUS(mcvdi_atomic_open(&file, "", true), MCVD_E_IO);
    CHECK_STATUS(mcvdi_atomic_open(&file, test_path(path, folder, "x/"), true), MCVD_E_IO);
    CHECK_STATUS(mcvdi_atomic_open(&file, test_path(path, folder, "none/x"), true), MCVD_E_IO);
    CHECK_MESSAGE("none/x: cannot create: No such file");

    test_path(path, folder, "real");
    test_path(link_path, folder, "link");
    CHECK_OK(mcvdi_file_write(path, "old", 3, false));
    CHECK_EQ(symlink("real", link_path), 0);
    CHECK_STATUS(mcvdi_file_write(link_path, "new", 3, false), MCVD_E_EXISTS);
    CHECK_OK(mcvdi_file_write(link_path, "new", 3, true));
    CHECK_TRUE(lstat(link_path, &info) == 0 && S_ISLNK(info.st_mode));
    check_content("real", "new");
    CHECK_EQ(count_entries(folder), 2);
}

static void test_long_names(void **state)
{
    char name[300];

    (void)state;
    memset(name, 'n', sizeof name);
    name[255] = '\0'; /* the longest that file systems take */
    CHECK_OK(mcvdi_file_write(test_path(path, folder, name), "x", 1, false));
    check_content(name, "x");
    name[255] = 'n';
    name[256] = '\0';
    CHECK_STATUS(mcvdi_file_write(test_path(path, folder, name), "x", 1, false), MCVD_E_IO);
    CHECK_EQ(count_entries(folder), 1);
}

static void test_relative_path(void **state)
{
    char before[TEST_PATH_BYTES];

    (void)state;
    CHECK_TRUE(getcwd(before, sizeof before) != NULL);
    CHECK_EQ(chdir(folder), 0);
    const mcvd_status st = mcvdi_file_write("plain", "x", 1, false);
    CHECK_EQ(chdir(before), 0);
    CHECK_OK(st);
    check_content("plain", "x");
}

static void test_failed_write_leaves_nothing(void **state)
{
    static char data[100000];
    struct rlimit old;
    struct rlimit small;

    (void)state;
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4096;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    const mcvd_status st = mcvdi_file_write(test_path(path, folder, "x"), data, sizeof data, true);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    CHECK_STATUS(st, MCVD_E_IO);
    CHECK_MESSAGE("x: cannot write: File too large");
    CHECK_EQ(count_entries(folder), 0);
}

enum { CHILD_SKIPS = 77 };

/* In a child with a file system of 64 KB of its own; returns its exit status. */
static int fill_a_disk(void)
{
    static char data[1 << 20];
    char file[TEST_PATH_BYTES];

    if (syscall(SYS_unshare, geteuid() ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "size=64k") != 0)
        return CHILD_SKIPS;
    if (mcvdi_file_write(test_path(file, folder, "x"), "old", 3, false) != MCVD_OK)
        return 1;
    if (mcvdi_file_write(file, data, sizeof data, true) != MCVD_E_IO)
        return 2;
    if (!strstr(mcvd_last_error(), "/x: cannot write: disk full"))
        return 3;
    return count_entries(folder) == 1 ? 0 : 4;
}

static void test_full_disk(void **state)
{
    int status = -1;

    (void)state;
    fflush(NULL);
    const pid_t child = fork();
    CHECK_TRUE(child >= 0);
    if (child == 0)
        _exit(fill_a_disk());
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == CHILD_SKIPS)
        skip(); /* this machine does not let us mount */
    CHECK_EQ(WEXITSTATUS(status), 0);
}

/* ---- folders ---- */

static void test_make_folders(void **state)
{
    (void)state;
    CHECK_OK(mcvdi_make_folders(test_path(path, folder, "a/b//c/")));
    CHECK_TRUE(mcvdi_path_is_folder(test_path(path, folder, "a/b/c")));
    CHECK_OK(mcvdi_make_folders(path));
    CHECK_OK(mcvdi_make_folders("/"));
    CHECK_STATUS(mcvdi_make_folders(""), MCVD_E_IO);
    CHECK_OK(mcvdi_file_write(test_path(path, folder, "file"), "x", 1, false));
    CHECK_TRUE(mcvdi_path_exists(path) && !mcvdi_path_is_folder(path));
    CHECK_STATUS(mcvdi_make_folders(path), MCVD_E_IO);
    CHECK_MESSAGE("a file has this name");
    CHECK_STATUS(mcvdi_make_folders(test_path(path, folder, "file/sub")), MCVD_E_IO);
    CHECK_OK(mcvdi_sync_folder(folder));
    CHECK_STATUS(mcvdi_sync_folder(test_path(path, folder, "none")), MCVD_E_IO);
}

static void test_names(void **state)
{
    static const char *const files[] = { "b", "a10", "a2", ".hidden", "Z", "\xc3\xa9" };
    static const char *const sorted[] = { "Z", "a10", "a2", "b", "\xc3\xa9" };
    char **names;
    size_t count;

    (void)state;
    CHECK_OK(mcvdi_folder_names(&names, &count, folder));
    CHECK_EQ(count, 0);
    mcvdi_names_free(&names, count);
    for (int i = 0; i < 6; i++)
        CHECK_OK(mcvdi_file_write(test_path(path, folder, files[i]), "x", 1, false));
    CHECK_OK(mcvdi_folder_names(&names, &count, folder));
    CHECK_EQ(count, 5);
    for (int i = 0; i < 5; i++)
        assert_string_equal(names[i], sorted[i]);
    mcvdi_names_free(&names, count);
    CHECK_TRUE(names == NULL);
    CHECK_STATUS(mcvdi_folder_names(&names, &count, test_path(path, folder, "none")), MCVD_E_INPUT);
    CHECK_TRUE(names == NULL && count == 0);
    CHECK_STATUS(mcvdi_folder_names(&names, &count, test_path(path, folder, "b")), MCVD_E_INPUT);
}

static void test_many_names(void **state)
{
    char **names;
    size_t count;
    char name[16];

    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "%03d", 199 - i);
        FILE *file = fopen(test_path(path, folder, name), "w");
        CHECK_TRUE(file && fclose(file) == 0);
    }
    CHECK_OK(mcvdi_folder_names(&names, &count, folder));
    CHECK_EQ(count, 200);
    for (int i = 0; i < 200; i++)
        CHECK_EQ(atoi(names[i]), i);
    mcvdi_names_free(&names, count);
}

/* ---- refused allocations ---- */

static mcvd_status create_file(void **object, const void *argument)
{
    mcvdi_atomic_file *file = *object;
    const mcvd_status st = mcvdi_atomic_open(&file, argument, true);

    *object = file;
    return st;
}

static void discard_file(void **object)
{
    mcvdi_atomic_file *file = *object;

    mcvdi_atomic_discard(&file);
    *object = file;
}

static mcvd_status read_text(void **object, const void *argument)
{
    char *text = *object;
    size_t bytes;
    const mcvd_status st = mcvdi_file_read(&text, &bytes, argument, 100);

    *object = text;
    return st;
}

static void free_text(void **object)
{
    mcvdi_free(*object);
    *object = NULL;
}

static size_t num_names;

static mcvd_status list_names(void **object, const void *argument)
{
    char **names = *object;
    const mcvd_status st = mcvdi_folder_names(&names, &num_names, argument);

    *object = names;
    return st;
}

static void free_names(void **object)
{
    char **names = *object;

    mcvdi_names_free(&names, num_names);
    *object = names;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    test_path(path, folder, "x");
    CHECK_OK(mcvdi_file_write(path, "x", 1, false));
    CHECK_TRUE(check_failing_allocations(create_file, discard_file, path) >= 4);
    CHECK_EQ(check_failing_allocations(read_text, free_text, path), 1);
    CHECK_EQ(check_failing_allocations(list_names, free_names, folder), 2);
    CHECK_EQ(count_entries(folder), 1);
    mcvdi_alloc_fail_after(0);
    const mcvd_status st = mcvdi_make_folders(folder);
    mcvdi_alloc_fail_after(-1);
    CHECK_STATUS(st, MCVD_E_NOMEM);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_read),
        IN_FOLDER(test_read_what_is_no_file),
        IN_FOLDER(test_appears_at_commit),
        IN_FOLDER(test_discard_leaves_the_old_file),
        IN_FOLDER(test_existing_is_refused),
        IN_FOLDER(test_two_writers),
        IN_FOLDER(test_special_targets),
        IN_FOLDER(test_long_names),
        IN_FOLDER(test_relative_path),
        IN_FOLDER(test_failed_write_leaves_nothing),
        IN_FOLDER(test_full_disk),
        IN_FOLDER(test_make_folders),
        IN_FOLDER(test_names),
        IN_FOLDER(test_many_names),
        IN_FOLDER(test_failing_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
