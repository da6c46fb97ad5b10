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
    double *real_stats;  /* [protocol.clips, MCVDI_NUM_STATS]; NULL when scored */
    double *model_stats; /* the same, mean over the trajectories of a clip */
    cJSON *notes;        /* object of strings */

    /* Of a run with features: [clips, dim] and [clips, K, dim]; NULL without. */
    double *real_features;
    double *fake_features;
    size_t feature_dim;
    size_t video_frames;
    const char *distance_name; /* literals of the extractor */
    char *features_sha256;
    char *lpips_sha256;          /* NULL without LPIPS */
    char *distance_missing;      /* why there is none */
    mcvd_eval_distance distance; /* computed by the runner at its end */
    const mcvd_eval_published *published;
    size_t num_published;
    int trained; /* frames that our model was trained to predict */
};

/* Room for features; the shape of the videos must be known. MCVD_E_NOMEM, MCVD_E_CONFIG. */
mcvd_status mcvdi_eval_report_add_features(mcvd_eval_report *report,
                                           const mcvd_eval_options *options);
/* Fill report->distance from the features. */
mcvd_status mcvdi_eval_distance(mcvd_eval_report *report);

/* Why a metric is not in a report. */
#define MCVDI_NO_LPIPS    "needs the weights of AlexNet"
#define MCVDI_NO_FEATURES "no features were computed"

/* The protocol card: calls fn with name and text of every line. */
typedef void (*mcvdi_card_fn)(void *user, const char *name, const char *text);
void mcvdi_eval_card(const mcvd_eval_report *report, mcvdi_card_fn fn, void *user);

/* Frames that the task gives to the model, from the protocol. */
size_t mcvdi_eval_known_past(const mcvd_eval_protocol *protocol);
size_t mcvdi_eval_known_future(const mcvd_eval_protocol *protocol);
bool mcvdi_eval_is_generation(const mcvd_eval_protocol *protocol);

/* {"protocol": {...}} with every field; NULL out of memory. */
cJSON *mcvdi_eval_protocol_dump(const mcvd_eval_protocol *protocol);

/* An empty report with its storage. MCVD_E_NOMEM, MCVD_E_CONFIG (sizes overflow). */
mcvd_status mcvdi_eval_report_create(mcvd_eval_report **out, const mcvd_eval_protocol *protocol);

/* Values of one clip, as they lie in the report. */
typedef struct mcvdi_eval_share {
    double *values;
    size_t count;
} mcvdi_eval_share;

enum { MCVDI_EVAL_SHARES = MCVDI_EVAL_MAX_ROWS + 4 };

/* The places of clip `clip` in the report; returns how many there are. */
size_t mcvdi_eval_report_shares(mcvd_eval_report *report, size_t clip,
                                mcvdi_eval_share shares[MCVDI_EVAL_SHARES]);

const char *mcvdi_stat_name(mcvdi_stat stat);
const char *mcvdi_stat_meaning(mcvdi_stat stat);

/* Mean over clips of a statistic. */
mcvd_status mcvdi_eval_stat_summaries(const mcvd_eval_report *report, mcvdi_stat stat,
                                      mcvd_summary *model, mcvd_summary *real);

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
