mcvd_add_test(NAME unit_cli_parse AREAS core
    SOURCES unit/test_cli_parse.c ../src/cli/parse.c ../src/cli/fail.c
    ../src/cli/printable.c)
mcvd_add_test(NAME unit_cli_exit AREAS core
    SOURCES unit/test_cli_exit.c ../src/cli/exit.c ../src/cli/signals.c)
mcvd_add_test(NAME unit_cli_progress AREAS core
    SOURCES unit/test_cli_progress.c ../src/cli/progress.c ../src/cli/timing.c)
