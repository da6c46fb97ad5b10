/* Exit statuses, and signals: the first sets the flag, the second ends the process. */
#include "cli/exit.h"
#include "cli/signals.h"

#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"

static void codes(void **state)
{
    static const struct {
        mcvd_status status;
        int code;
    } cases[] = {
        { MCVD_OK, 0 },
        { MCVD_EOF, 0 },
        { MCVD_E_NOMEM, 1 },
        { MCVD_E_NONFINITE, 1 },
        { MCVD_E_STATE, 1 },
        { MCVD_E_UNSUPPORTED, 1 },
        { MCVD_E_RANGE, 2 },
        { MCVD_E_CONFIG, 2 },
        { MCVD_E_EXISTS, 2 },
        { MCVD_E_USAGE, 2 },
        { MCVD_E_SHAPE, 3 },
        { MCVD_E_FORMAT, 3 },
        { MCVD_E_DECODE, 3 },
        { MCVD_E_INPUT, 3 },
        { MCVD_E_MODEL, 4 },
        { MCVD_E_IO, 5 },
        { MCVD_E_INTERRUPTED, 143 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_EQ(mcvdi_exit_code(cases[i].status, SIGTERM), cases[i].code);
    CHECK_EQ(mcvdi_exit_code(MCVD_E_INTERRUPTED, SIGINT), 130);
    CHECK_EQ(mcvdi_exit_code(MCVD_E_INTERRUPTED, 0), 130);
}

static int status_of_child(int signal_number, int times)
{
    int status = 0;
    const pid_t child = fork();

    if (child == 0) {
        mcvdi_signals_install();
        for (int i = 0; i < times; i++)
            raise(signal_number);
        _exit(*mcvdi_signals_flag());
    }
    CHECK_TRUE(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void signals(void **state)
{
    static const int numbers[] = { SIGINT, SIGTERM };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const int once = status_of_child(numbers[i], 1);
        const int twice = status_of_child(numbers[i], 2);
        CHECK_TRUE(WIFEXITED(once));
        CHECK_EQ(WEXITSTATUS(once), numbers[i]);
        CHECK_TRUE(WIFSIGNALED(twice));
        CHECK_EQ(WTERMSIG(twice), numbers[i]);
    }
    const int none = status_of_child(SIGINT, 0);
    CHECK_TRUE(WIFEXITED(none));
    CHECK_EQ(WEXITSTATUS(none), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes),
        cmocka_unit_test(signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
