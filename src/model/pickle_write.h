/* Writing a pickle (protocol 2) of plain containers, numbers, texts and torch tensors. */
#ifndef MCVDI_PICKLE_WRITE_H
#define MCVDI_PICKLE_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

/* Grows by appending; out of memory is remembered and told once, by mcvdi_pickle_write_end. Start
 * from zeros; the owner frees `bytes` with mcvdi_free. */
typedef struct mcvdi_pickle_writer {
    unsigned char *bytes;
    size_t used;
    size_t capacity;
    bool failed;
} mcvdi_pickle_writer;

/* A container is opened, filled and closed; a dictionary's content is key, value, key, value. */
void mcvdi_pickle_write_begin(mcvdi_pickle_writer *to);
void mcvdi_pickle_write_open_list(mcvdi_pickle_writer *to);
void mcvdi_pickle_write_close_list(mcvdi_pickle_writer *to);
void mcvdi_pickle_write_open_dict(mcvdi_pickle_writer *to);
void mcvdi_pickle_write_open_ordered_dict(mcvdi_pickle_writer *to);
void mcvdi_pickle_write_close_dict(mcvdi_pickle_writer *to);

void mcvdi_pickle_write_text(mcvdi_pickle_writer *to, const char *text);
void mcvdi_pickle_write_int(mcvdi_pickle_writer *to, int64_t value);
void mcvdi_pickle_write_real(mcvdi_pickle_writer *to, double value);
void mcvdi_pickle_write_bool(mcvdi_pickle_writer *to, bool value);
void mcvdi_pickle_write_none(mcvdi_pickle_writer *to);
void mcvdi_pickle_write_real_pair(mcvdi_pickle_writer *to, double first, double second);

/* A contiguous float32 tensor that fills storage `key`, the archive's entry data/<key>. */
typedef struct mcvdi_pickle_new_tensor {
    size_t key;
    int ndim;
    const size_t *shape;
} mcvdi_pickle_new_tensor;
void mcvdi_pickle_write_tensor(mcvdi_pickle_writer *to, const mcvdi_pickle_new_tensor *tensor);

/* MCVD_OK or MCVD_E_NOMEM. */
mcvd_status mcvdi_pickle_write_end(mcvdi_pickle_writer *to);

#endif
