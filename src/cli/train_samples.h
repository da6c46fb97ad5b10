/* What a model in training makes of test windows: runs/X/samples/step-N.png. */
#ifndef MCVDI_CLI_TRAIN_SAMPLES_H
#define MCVDI_CLI_TRAIN_SAMPLES_H

#include <mcvd/config.h>
#include <mcvd/data.h>
#include <mcvd/model.h>

/* The task that shows most: predict, interp, generate or predict-past, the first that the masks of
 * the training prepare the model for. */
const char *mcvdi_train_samples_task(const mcvd_config *config);

/*
 * Write folder/samples/step-N.png, replacing an older one: for up to four windows of the batch a
 * row of true frames, past | current | future, and below it the same with the current frames by the
 * model and grey where the task masks. The same step, weights and windows give the same bytes.
 *
 * @param network  made for batch->batch_size windows
 * @return MCVD_OK, MCVD_E_INTERRUPTED (a signal came; nothing is written), MCVD_E_IO, MCVD_E_NOMEM,
 *         MCVD_E_NONFINITE
 */
mcvd_status mcvdi_train_samples_write(const char *folder, uint64_t step, mcvd_network *network,
                                      const mcvd_config *config, const mcvd_batch *batch);

#endif
