/* `mcvd import i3d` and `mcvd import alexnet`. */
#ifndef MCVDI_CLI_IMPORT_EXTRACTOR_H
#define MCVDI_CLI_IMPORT_EXTRACTOR_H

#include <stdbool.h>

#include <mcvd/features.h>
#include <mcvd/status.h>

/* Whether the word names an extractor with weights. */
bool mcvdi_extractor_from_word(mcvd_extractor_kind *kind, const char *word);

/* argv[0] is the word. */
mcvd_status mcvdi_cmd_import_extractor(mcvd_extractor_kind kind, int argc, char **argv);

#endif
