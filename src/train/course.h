/*
 * A run of several rounds in one folder, as distillation is: what train_run.c is told beyond
 * training. Journal, checkpoints, lock, data and resuming are those of every run.
 */
#ifndef MCVDI_COURSE_H
#define MCVDI_COURSE_H

#include <mcvd/trainer.h>

#include "train/run_folder.h"

typedef struct mcvdi_course {
    void *user;
    uint64_t rounds;      /* >= 1 */
    uint64_t round_steps; /* optimizer steps of each, which ends with a checkpoint */
    size_t num_test;      /* windows of the test split that begin gets */
    /* The trainer is fresh, or has the state of the newest checkpoint: of the round that it belongs
     * to, the end of a round included, give it the settings. The folder is ours from here on. */
    mcvd_status (*begin)(void *user, mcvdi_run_folder *folder, mcvd_trainer *trainer,
                         const mcvd_batch *test);
    /* The last step of a round is done, its checkpoint and model written: begin the next one. After
     * resuming from there it is called again, and does what was left undone. */
    mcvd_status (*end_round)(void *user);
} mcvdi_course;

/* mcvd_train_run with a course: training.n_iters is ignored. NULL: training. */
mcvd_status mcvdi_train_run(const mcvd_train_run_config *config, const mcvdi_course *course);

#endif
