/* Which run folder `mcvd train` means. */
#ifndef MCVDI_CLI_TRAIN_FOLDER_H
#define MCVDI_CLI_TRAIN_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include <mcvd/status.h>

/* Arguments that decide it; NULL when not given. */
typedef struct mcvdi_train_folder_wish {
    const char *out;
    const char *config;
    const char *task;
    bool resume;
} mcvdi_train_folder_wish;

/*
 * --out, or runs/ and the name of the configuration and task. Without a task, resuming also takes
 * the only run of that configuration with any task.
 *
 * @return MCVD_OK
 *         MCVD_E_INPUT  nothing to resume, or several runs, which are named
 *         MCVD_E_USAGE  the name is too long
 */
mcvd_status mcvdi_train_folder(char *folder, size_t bytes, const mcvdi_train_folder_wish *wish);

#endif
