/* What progress writes to a file, and to a terminal (a pseudo terminal of this test). */
#define _XOPEN_SOURCE 700 /* pseudo terminals */

#include "cli/progress.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "support/check.h"

static char output[65536];
static int saved_stderr;

static void redirect(int fd)
{
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    CHECK_TRUE(dup2(fd, STDERR_FILENO) >= 0);
}

static void restore(void)
{
    fflush(stderr);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
}

/* Everything that arrives within a short time. */
static void collect(int fd)
{
    size_t length = 0;
    struct pollfd poller = { .fd = fd, .events = POLLIN };

    while (length < sizeof output - 1 && poll(&poller, 1, 200) > 0) {
        const ssize_t n = read(fd, output + length, sizeof output - 1 - length);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    output[length] = '\0';
}

static void wait_s(double seconds)
{
    const struct timespec t = { 0, (long)(seconds * 1e9) };
    nanosleep(&t, NULL);
}

static void run(int64_t total, double plain_s, bool quiet)
{
    mcvdi_progress p = { .label = "training",
                         .unit = "steps",
                         .total = total,
                         .first = 4,
                         .plain_s = plain_s,
                         .quiet = quiet };
    mcvdi_progress_start(&p);
    for (int i = 5; i <= 8; i++) {
        wait_s(0.12);
        mcvdi_progress_update(&p, i, "loss 0.5");
        mcvdi_progress_update(&p, i, "too soon");
    }
    mcvdi_progress_end(&p, "loss 0.25");
}

static void plain_lines(void **state)
{
    int fds[2];
    (void)state;
    CHECK_EQ(pipe(fds), 0);
    redirect(fds[1]);
    run(8, 0.2, false);
    restore();
    close(fds[1]);
    collect(fds[0]);
    close(fds[0]);
    CHECK_TRUE(!strchr(output, '\r') && !strchr(output, '\033'));
    CHECK_TRUE(strstr(output, "training  6/8 steps  ") == output);
    CHECK_TRUE(strstr(output, " left  loss 0.5\n") != NULL);
    CHECK_TRUE(strstr(output, "training  8/8 steps  ") != NULL);
    CHECK_TRUE(strstr(output, "  in ") != NULL); /* 0s, more where the machine is busy */
    CHECK_TRUE(strstr(output, "s  loss 0.25\n") != NULL);
    CHECK_TRUE(strstr(output, "too soon") == NULL);
}

static void quiet_says_nothing(void **state)
{
    int fds[2];
    (void)state;
    CHECK_EQ(pipe(fds), 0);
    redirect(fds[1]);
    run(8, 0.1, true);
    restore();
    close(fds[1]);
    collect(fds[0]);
    close(fds[0]);
    CHECK_EQ(strlen(output), 0);
}

static int open_terminal(int *slave)
{
    const int master = posix_openpt(O_RDWR | O_NOCTTY);

    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        return -1;
    *slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    return *slave < 0 ? -1 : master;
}

static void a_bar_on_a_terminal(void **state)
{
    int slave = -1;
    const int master = open_terminal(&slave);
    (void)state;
    if (master < 0)
        skip();
    redirect(slave);
    run(8, 0.0, false);
    mcvdi_progress_wipe(); /* after the end there is nothing to wipe */
    restore();
    collect(master);
    close(slave);
    close(master);
    CHECK_TRUE(strstr(output, "\rtraining [###############.........]  62%  5/8 steps  ") != NULL);
    CHECK_TRUE(strstr(output, "\rtraining [########################] 100%  8/8 steps  ") != NULL);
    CHECK_TRUE(strstr(output, "too soon") == NULL);
    CHECK_EQ(output[strlen(output) - 1], '\n');
    for (const char *line = strtok(output, "\r\n"); line; line = strtok(NULL, "\r\n"))
        CHECK_TRUE(strlen(line) <= 80 + strlen("\033[K")); /* no line wraps */
}

static void an_unknown_total(void **state)
{
    int fds[2];
    (void)state;
    CHECK_EQ(pipe(fds), 0);
    redirect(fds[1]);
    run(0, 0.2, false);
    restore();
    close(fds[1]);
    collect(fds[0]);
    close(fds[0]);
    CHECK_TRUE(strstr(output, "training  8 steps  ") != NULL);
    CHECK_TRUE(strstr(output, "left") == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lines),
        cmocka_unit_test(quiet_says_nothing),
        cmocka_unit_test(a_bar_on_a_terminal),
        cmocka_unit_test(an_unknown_total),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
