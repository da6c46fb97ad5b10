/* Rows of frames as one picture: for people who want to see what a model does to a clip. */
#ifndef MCVDI_CLI_STRIP_H
#define MCVDI_CLI_STRIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mcvd/status.h>

typedef struct mcvdi_strip {
    size_t size; /* height and width of a frame */
    size_t channels;
    size_t rows;
    size_t cols;
    size_t breaks[2];   /* a wider gap stands before these columns; 0: none */
    size_t group;       /* a wider gap stands after every so many rows; 0: none */
    size_t zoom;        /* every pixel becomes zoom x zoom; 0 is 1 */
    const uint8_t **at; /* [rows * cols] frames, row by row; NULL: empty, mid-grey */
} mcvdi_strip;

/* Zoom that brings small frames to a visible size. */
size_t mcvdi_strip_zoom(size_t size);

/* Write a PNG, whole or not at all. MCVD_E_EXISTS, MCVD_E_IO, MCVD_E_NOMEM, MCVD_E_UNSUPPORTED. */
mcvd_status mcvdi_strip_write(const char *path, const mcvdi_strip *strip, bool force);

#endif
