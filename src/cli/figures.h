/* Figures with a name, printed as aligned lines or as one JSON object. */
#ifndef MCVDI_CLI_FIGURES_H
#define MCVDI_CLI_FIGURES_H

#include <stdbool.h>
#include <stddef.h>

typedef enum mcvdi_figure_kind {
    MCVDI_FIGURE_NUMBER, /* five digits */
    MCVDI_FIGURE_COUNT,  /* whole */
    MCVDI_FIGURE_TEXT,
    MCVDI_FIGURE_JSON /* text is JSON already; printed with --json only */
} mcvdi_figure_kind;

typedef struct mcvdi_figure {
    const char *name;
    mcvdi_figure_kind kind;
    double number;
    const char *text;
} mcvdi_figure;

void mcvdi_figures_print(const mcvdi_figure *figures, size_t count, bool json);

#endif
