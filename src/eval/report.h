/* What a benchmark run leaves: frame scores of every method; all tables are computed from them. */
#ifndef MCVDI_EVAL_REPORT_H
#define MCVDI_EVAL_REPORT_H

#include <mcvd/metrics.h>

#include <cjson/cJSON.h>

#include "eval/text.h"

/* One line of the table: the model or a baseline. */
typedef struct mcvdi_eval_row {
    const char *name;
    const char *title;
    size_t trajectories;
    mcvd_scores *frames; /* [clips, trajectories, frames] */
} mcvdi_eval_row;

enum { MCVDI_EVAL_MAX_ROWS = 1 + MCVD_NUM_BASELINES };

/* Statistics of pictures in [0, 1], for generation: name in files, meaning. */
#define MCVDI_STAT_LIST(X)                                              \
    X(MCVDI_STAT_BRIGHTNESS, "brightness", "mean of the pixels")        \
    X(MCVDI_STAT_CONTRAST, "contrast", "standard deviation in a frame") \
    X(MCVDI_STAT_MOTION, "motion", "mean absolute change to the next frame")

#define MCVDI_STAT_ENUM(id, name, meaning) id,
typedef enum mcvdi_stat { MCVDI_STAT_LIST(MCVDI_STAT_ENUM) MCVDI_NUM_STATS } mcvdi_stat;

struct mcvd_eval_report {
    mcvd_eval_protocol protocol;
    size_t clips; /* of the run; at most protocol.clips */
    bool scored;  /* false: generation, `stats` instead of `rows` */
    unsigned metrics;
    mcvdi_eval_row rows[MCVDI_EVAL_MAX_ROWS];
    size_t num_rows;
    double *real_stats;  /* [MCVDI_NUM_STATS, protocol.clips]; NULL when scored */
    double *model_stats; /* the same, mean over the trajectories of a clip */
    cJSON *notes;        /* object of strings */
};

/* Frames that the task gives to the model, from the protocol. */
size_t mcvdi_eval_known_past(const mcvd_eval_protocol *protocol);
size_t mcvdi_eval_known_future(const mcvd_eval_protocol *protocol);
bool mcvdi_eval_is_generation(const mcvd_eval_protocol *protocol);

/* {"protocol": {...}} with every field; NULL out of memory. */
cJSON *mcvdi_eval_protocol_dump(const mcvd_eval_protocol *protocol);

/* An empty report with its storage. MCVD_E_NOMEM, MCVD_E_CONFIG (sizes overflow). */
mcvd_status mcvdi_eval_report_create(mcvd_eval_report **out, const mcvd_eval_protocol *protocol);

const char *mcvdi_stat_name(mcvdi_stat stat);
const char *mcvdi_stat_meaning(mcvdi_stat stat);

/* Mean over clips of a row. */
mcvd_status mcvdi_eval_row_summary(const mcvd_eval_report *report, const mcvdi_eval_row *row,
                                   mcvd_metric metric, mcvd_over_k over, mcvd_summary *summary);
mcvd_status mcvdi_eval_row_curve(const mcvd_eval_report *report, const mcvdi_eval_row *row,
                                 mcvd_metric metric, mcvd_over_k over, double *curve);

/* Text forms; a failed allocation is in the text's flag or the status. */
mcvd_status mcvdi_eval_write_table(const mcvd_eval_report *report, mcvdi_text *text);
mcvd_status mcvdi_eval_write_markdown(const mcvd_eval_report *report, mcvdi_text *text);
mcvd_status mcvdi_eval_write_csv(const mcvd_eval_report *report, mcvdi_text *text);
mcvd_status mcvdi_eval_write_json(const mcvd_eval_report *report, mcvdi_text *text);

#endif
