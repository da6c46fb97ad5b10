/* Files that come with the program: recipes, the shipped model, the demo clip. */
#ifndef MCVDI_CLI_SHARED_H
#define MCVDI_CLI_SHARED_H

#include <stddef.h>

#include <mcvd/status.h>

/*
 * Where `name` ("configs/mnist_general.json") is: beside an installed program
 * (../share/mcvd), under the install prefix, or in the source tree of a build.
 * MCVD_E_INPUT when it is in none of them.
 */
mcvd_status mcvdi_shared_path(char *path, size_t bytes, const char *name);

/* The model to use: `named`, the value of --model, or where that is NULL $MCVD_MODEL, or the
 * shipped one. */
mcvd_status mcvdi_model_path(char *path, size_t bytes, const char *named);

/* Folders that may hold the full MNIST files: $MCVD_DATA/mnist, data/mnist, and that of the source
 * tree of a build. */
size_t mcvdi_digit_folders(const char *const **folders);

#endif
