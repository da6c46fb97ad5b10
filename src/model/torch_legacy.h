/*
 * The stream that PyTorch wrote before version 1.6: a magic number, the protocol, facts about the
 * machine and the object as four pickles, a fifth that lists the storages, then each storage as a
 * count and its numbers.
 */
#ifndef MCVDI_TORCH_LEGACY_H
#define MCVDI_TORCH_LEGACY_H

#include <stdbool.h>
#include <stddef.h>

#include "model/pickle.h"

typedef struct mcvdi_torch_legacy mcvdi_torch_legacy;

/* Whether the file begins with the magic number; false when it cannot be read. */
bool mcvdi_torch_legacy_is(const char *path);

/* Open and check it: the pickles by the allow-list (`weights` as in mcvdi_pickle_rules), and every
 * storage of the object against the list, its count and the file. MCVD_E_MODEL, MCVD_E_NOMEM. */
mcvd_status mcvdi_torch_legacy_open(mcvdi_torch_legacy **out, const char *path, bool weights);
void mcvdi_torch_legacy_close(mcvdi_torch_legacy **legacy);

/* The object's pickle; the stream owns it. */
const mcvdi_pickle *mcvdi_torch_legacy_pickle(const mcvdi_torch_legacy *legacy);

/* All bytes of a storage of the pickle. MCVD_E_MODEL. */
mcvd_status mcvdi_torch_legacy_read(const mcvdi_torch_legacy *legacy,
                                    const mcvdi_pickle_storage *storage, void *to, size_t bytes);

#endif
