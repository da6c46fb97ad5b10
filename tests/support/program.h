/* Run a program as a user does, with limits and signals, and keep what it says. */
#ifndef TESTS_SUPPORT_PROGRAM_H
#define TESTS_SUPPORT_PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"

enum { PROGRAM_TEXT = 8192, PROGRAM_MAX_ARGS = 48 };

typedef struct program_run {
    /* in */
    const char *input;       /* file on stdin; NULL: empty */
    const char *stdout_file; /* NULL: kept in out */
    long file_limit;         /* bytes per written file; 0: none */
    /* out */
    int status; /* exit status; 128 + number when a signal ended it */
    long peak_kb;
    char out[PROGRAM_TEXT];
    char err[PROGRAM_TEXT];
} program_run;

static inline void program_read(const char *path, char text[PROGRAM_TEXT])
{
    FILE *file = fopen(path, "rb");

    CHECK_TRUE(file != NULL);
    const size_t n = fread(text, 1, PROGRAM_TEXT - 1, file);
    text[n] = '\0';
    fclose(file);
}

static inline void program_redirect(int to, const char *path, int flags)
{
    const int file = open(path, flags, 0600);

    if (file < 0 || dup2(file, to) < 0)
        _exit(99);
    close(file);
}

/* Start it with stdout and stderr in <scratch>.out and <scratch>.err. */
static inline pid_t program_start(const program_run *run, char *const *argv, const char *scratch)
{
    char out[600];
    char err[600];
    const struct rlimit limit = { (rlim_t)run->file_limit, (rlim_t)run->file_limit };

    snprintf(out, sizeof out, "%s.out", scratch);
    snprintf(err, sizeof err, "%s.err", scratch);
    const pid_t pid = fork();
    CHECK_TRUE(pid >= 0);
    if (pid > 0)
        return pid;
    program_redirect(0, run->input ? run->input : "/dev/null", O_RDONLY);
    program_redirect(1, run->stdout_file ? run->stdout_file : out, O_WRONLY | O_CREAT | O_TRUNC);
    program_redirect(2, err, O_WRONLY | O_CREAT | O_TRUNC);
    if (run->file_limit && setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(98);
    execv(argv[0], argv);
    _exit(97);
}

static inline void program_wait(program_run *run, pid_t pid, const char *scratch)
{
    char path[600];
    struct rusage usage;
    int status = 0;

    while (wait4(pid, &status, 0, &usage) < 0)
        CHECK_EQ(errno, EINTR);
    run->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    run->peak_kb = usage.ru_maxrss;
    run->out[0] = '\0';
    snprintf(path, sizeof path, "%s.out", scratch);
    if (!run->stdout_file)
        program_read(path, run->out);
    unlink(path);
    snprintf(path, sizeof path, "%s.err", scratch);
    program_read(path, run->err);
    unlink(path);
}

#endif
