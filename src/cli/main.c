/* The program mcvd: finds the subcommand, prints the message of a failure, sets the exit status. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <mcvd/log.h>
#include <mcvd/version.h>
#include <mcvd/video.h>

#include "cli/cmd.h"
#include "cli/exit.h"
#include "cli/fail.h"
#include "cli/parse.h"
#include "cli/printable.h"
#include "cli/progress.h"
#include "cli/signals.h"

typedef struct command {
    const char *name;
    const char *help;
    mcvd_status (*run)(int argc, char **argv);
} command;

#define COMMAND_ROW(name, help) { #name, help, mcvdi_cmd_##name },
static const command commands[] = { MCVDI_COMMAND_LIST(COMMAND_ROW) };

enum { NUM_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_log(void *user, mcvd_log_level level, const char *line)
{
    static const char *const words[] = { "error", "warning", "note", "debug" };

    (void)user;
    if (level == MCVD_LOG_DEBUG)
        return;
    mcvdi_progress_wipe();
    fprintf(stderr, "mcvd: %s: ", words[level]);
    mcvdi_put_printable(stderr, line, 0);
    fputc('\n', stderr);
}

static mcvd_status print_version(void)
{
    printf("mcvd %s\n%s", MCVD_PROGRAM_VERSION, mcvd_build_info());
    printf("FFmpeg:   %s\n", mcvd_video_libraries());
    return MCVD_OK;
}

static mcvd_status print_help(void)
{
    puts("usage: mcvd COMMAND [arguments]\n\n"
         "Masked conditional video diffusion: predicts, fills in and generates video frames.\n\n"
         "commands:");
    for (size_t i = 0; i < NUM_COMMANDS; i++)
        printf("  %-12s %s\n", commands[i].name, commands[i].help);
    puts(
        "  help         print the help of a command: mcvd help COMMAND\n\n"
        "  -V, --version  print version and build\n"
        "  -h, --help     print this\n\n"
        "exit status: 0 done, 1 failed while running, 2 wrong usage or configuration, 3 bad input\n"
        "or data, 4 bad model or checkpoint, 5 input/output error, 130/143 stopped by a signal");
    return MCVD_OK;
}

static const command *find_command(const char *name)
{
    for (size_t i = 0; i < NUM_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static mcvd_status fail_unknown(const char *name)
{
    const char *names[NUM_COMMANDS + 1] = { "help" };

    for (size_t i = 0; i < NUM_COMMANDS; i++)
        names[i + 1] = commands[i].name;
    return mcvdi_cli_fail(MCVD_E_USAGE, "unknown command '%s', the nearest is %s; see mcvd --help",
                          name, mcvdi_nearest_name(name, names, NUM_COMMANDS + 1));
}

/* mcvd help [COMMAND] */
static mcvd_status help(int argc, char **argv)
{
    char option[] = "--help";

    if (argc < 2)
        return print_help();
    const command *found = find_command(argv[1]);
    if (!found)
        return fail_unknown(argv[1]);
    return found->run(2, (char *[]) { argv[1], option, NULL });
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static mcvd_status run(int argc, char **argv)
{
    if (argc < 2)
        return mcvdi_cli_fail(MCVD_E_USAGE, "expected a command; see mcvd --help");
    if (is_one_of(argv[1], "--version", "-V"))
        return print_version();
    if (is_one_of(argv[1], "--help", "-h"))
        return print_help();
    if (strcmp(argv[1], "help") == 0)
        return help(argc - 1, argv + 1);
    if (argv[1][0] == '-')
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "unknown option '%s' before a command, expected --help or --version",
                              argv[1]);
    const command *found = find_command(argv[1]);
    return found ? found->run(argc - 1, argv + 1) : fail_unknown(argv[1]);
}

/*
 * Idle OpenMP threads spin before they sleep. When other programs want the same cores, each barrier
 * then costs a time slice: a rollout beside one busy process took 100 times longer. libgomp reads
 * its settings before main, so the program starts itself once more with a short spin, unless the
 * user has chosen a policy.
 */
static void prefer_sleeping_threads(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
        return;
    if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0)
        execv("/proc/self/exe", argv); /* without /proc: go on as we are */
}

/*
 * A closed descriptor 0, 1 or 2 would be that of the next file that is opened, and what is printed
 * would go there. Opened the wrong way round, they stay as good as closed: using one is an error.
 */
static void occupy_closed_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY); /* becomes fd */
}

/* What to lower when memory is short. */
static const char *memory_hint(const char *name)
{
    static const char *const hints[][2] = {
        { "rollout", "--samples or --set sampling.batch_size" },
        { "train", "training.batch_size" },
        { "distill", "training.batch_size, or --windows" },
        { "eval", "--trajectories or --set sampling.batch_size" },
        { "bench", "--batch" },
        { "forward", "the batch of the input" },
    };

    for (size_t i = 0; name && i < sizeof hints / sizeof *hints; i++)
        if (strcmp(name, hints[i][0]) == 0)
            return hints[i][1];
    return NULL;
}

/* The one line, with what the library cannot know: the flags. */
static void print_error(mcvd_status st, const char *name)
{
    const char *message = mcvdi_cli_message();
    const char *hint = memory_hint(name);

    mcvdi_progress_wipe();
    fputs("mcvd: error: ", stderr);
    mcvdi_put_printable(stderr, message, 0);
    if (st == MCVD_E_EXISTS && !strstr(message, "--force"))
        fputs("; --force replaces it", stderr);
    if (st == MCVD_E_NOMEM && !strstr(message, mcvd_status_text(st)))
        fprintf(stderr, "%s%s", *message ? ": " : "", mcvd_status_text(st));
    if (st == MCVD_E_NOMEM && hint)
        fprintf(stderr, "%s %s", strstr(message, "; lower ") ? ", here" : "; lower", hint);
    fputc('\n', stderr);
}

int main(int argc, char **argv)
{
    occupy_closed_streams();
    prefer_sleeping_threads(argv);
    prctl(PR_SET_NAME, "mcvd"); /* started through /proc it is called exe */
    signal(SIGPIPE, SIG_IGN);   /* a closed pipe is a write error with a message, */
    signal(SIGXFSZ, SIG_IGN);   /* and so is a file above the allowed size */
    mcvd_log_set(print_log, NULL);

    mcvd_status st = run(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && st >= 0)
        st = mcvdi_cli_fail(MCVD_E_IO, "stdout: cannot be written: %s", strerror(errno));
    if (st < 0)
        print_error(st, argc > 1 ? argv[1] : NULL);
    return mcvdi_exit_code(st, *mcvdi_signals_flag());
}
