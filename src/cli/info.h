/* `mcvd info`: one file for each family of things that it can tell about. */
#ifndef MCVDI_CLI_INFO_H
#define MCVDI_CLI_INFO_H

#include <stdbool.h>
#include <stddef.h>

#include <mcvd/config.h>
#include <mcvd/model.h>
#include <mcvd/safetensors.h>
#include <mcvd/status.h>
#include <mcvd/tensor.h>

#include "cli/figures.h"

enum { MCVDI_INFO_MAX_FIGURES = 64, MCVDI_INFO_MAX_TEXTS = 16, MCVDI_INFO_TEXT = 512 };

typedef struct mcvdi_info_args {
    const char *path;
    const char *config;
    bool tensors;
    bool measure;
    bool json;
} mcvdi_info_args;

/* The figures of one answer, and what their texts point into. */
typedef struct mcvdi_info_answer {
    const mcvdi_info_args *args;
    mcvdi_figure figures[MCVDI_INFO_MAX_FIGURES];
    size_t count;
    char texts[MCVDI_INFO_MAX_TEXTS][MCVDI_INFO_TEXT];
    size_t num_texts;
    char *config;  /* JSON */
    char *tensors; /* JSON */
} mcvdi_info_answer;

/* --- info_answer.c: figures; `text` must live as long as the answer --- */

void mcvdi_info_text(mcvdi_info_answer *to, const char *name, const char *text);
void mcvdi_info_yes_no(mcvdi_info_answer *to, const char *name, bool yes);
void mcvdi_info_count(mcvdi_info_answer *to, const char *name, double count);
/* NaN is "-", null in JSON. */
void mcvdi_info_number(mcvdi_info_answer *to, const char *name, double number);
/* A text made here by printf, cut to MCVDI_INFO_TEXT. */
void mcvdi_info_printf(mcvdi_info_answer *to, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What --tensors lists. */
typedef struct mcvdi_info_tensors {
    const void *of;
    size_t count;
    mcvd_status (*get)(const void *of, size_t i, const char **name, mcvd_tensor *tensor);
} mcvdi_info_tensors;

mcvdi_info_tensors mcvdi_info_tensors_of_file(const mcvd_safetensors *file);
mcvdi_info_tensors mcvdi_info_tensors_of_model(const mcvd_model *model);

/* Print all of it; tensors may be NULL. */
mcvd_status mcvdi_info_finish(mcvdi_info_answer *to, const mcvdi_info_tensors *tensors);
void mcvdi_info_release(mcvdi_info_answer *answer);

/* --- info_network.c --- */

/* The configuration, and what it means: tasks, size, cost, memory, and whether that fits here. */
void mcvdi_info_put_config(mcvdi_info_answer *to, const mcvd_config *config);
mcvd_status mcvdi_info_put_cost(mcvdi_info_answer *to, const mcvd_config *config);

mcvd_status mcvdi_info_safetensors(mcvdi_info_answer *to);
mcvd_status mcvdi_info_run(mcvdi_info_answer *to);
mcvd_status mcvdi_info_config(mcvdi_info_answer *to);

/* --- info_torch.c: a PyTorch file --- */

mcvd_status mcvdi_info_torch(mcvdi_info_answer *to, const char *path);

/* --- info_data.c --- */

mcvd_status mcvdi_info_video(mcvdi_info_answer *to);
mcvd_status mcvdi_info_dataset(mcvdi_info_answer *to);
/* head: the first bytes of an MNIST file, enough for its axes. */
mcvd_status mcvdi_info_idx(mcvdi_info_answer *to, const unsigned char *head, double file_bytes);

#endif
