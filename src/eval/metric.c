/* The metrics as a table: names, titles, directions. */
#include <mcvd/metrics.h>

#include <math.h>
#include <string.h>

#include "core/status.h"

typedef struct metric_row {
    const char *name;
    const char *title;
    bool higher_is_better;
    int digits;
} metric_row;

#define METRIC_ROW(id, name, title, higher, digits) { name, title, higher, digits },
static const metric_row metric_rows[MCVD_NUM_METRICS] = { MCVD_METRIC_LIST(METRIC_ROW) };
static const metric_row set_rows[MCVD_NUM_SET_METRICS] = { MCVD_SET_METRIC_LIST(METRIC_ROW) };

#define METRIC_KNOWN(id, name, title, higher, digits) " " name
static const char known_metrics[] = MCVD_METRIC_LIST(METRIC_KNOWN);
static const char known_sets[] = MCVD_SET_METRIC_LIST(METRIC_KNOWN);

const char *mcvd_metric_name(mcvd_metric metric)
{
    return metric_rows[metric].name;
}

const char *mcvd_metric_title(mcvd_metric metric)
{
    return metric_rows[metric].title;
}

bool mcvd_metric_higher_is_better(mcvd_metric metric)
{
    return metric_rows[metric].higher_is_better;
}

int mcvd_metric_digits(mcvd_metric metric)
{
    return metric_rows[metric].digits;
}

const char *mcvd_set_metric_name(mcvd_set_metric metric)
{
    return set_rows[metric].name;
}

const char *mcvd_set_metric_title(mcvd_set_metric metric)
{
    return set_rows[metric].title;
}

bool mcvd_set_metric_higher_is_better(mcvd_set_metric metric)
{
    return set_rows[metric].higher_is_better;
}

int mcvd_set_metric_digits(mcvd_set_metric metric)
{
    return set_rows[metric].digits;
}

/* The bit of the row that word[0..length) names; 0 when there is none. */
static unsigned find_row(const metric_row *rows, int num_rows, const char *word, size_t length)
{
    for (int m = 0; m < num_rows; m++)
        if (strlen(rows[m].name) == length && memcmp(word, rows[m].name, length) == 0)
            return 1u << (unsigned)m;
    return 0;
}

static mcvd_status add_metric(unsigned *metrics, unsigned *sets, const char *word, size_t length)
{
    const unsigned of_frames = find_row(metric_rows, MCVD_NUM_METRICS, word, length);
    const unsigned of_sets = find_row(set_rows, MCVD_NUM_SET_METRICS, word, length);

    *metrics |= of_frames;
    if (of_frames)
        return MCVD_OK;
    if (!sets && of_sets)
        return mcvdi_fail(MCVD_E_UNSUPPORTED,
                          "metric '%.*s' compares sets of videos, which is not done here;"
                          " available:%s",
                          (int)length, word, known_metrics);
    if (!of_sets)
        return mcvdi_fail(MCVD_E_USAGE, "unknown metric '%.*s'; available:%s%s", (int)length, word,
                          known_metrics, sets ? known_sets : "");
    *sets |= of_sets;
    return MCVD_OK;
}

mcvd_status mcvd_metrics_parse(unsigned *metrics, unsigned *sets, const char *list)
{
    unsigned found = 0;
    unsigned found_sets = 0;

    *metrics = 0;
    if (sets)
        *sets = 0;
    for (const char *word = list;;) {
        const size_t length = strcspn(word, ",");
        const mcvd_status st = add_metric(&found, sets ? &found_sets : NULL, word, length);
        if (st < 0)
            return st;
        if (word[length] == '\0')
            break;
        word += length + 1;
    }
    *metrics = found;
    if (sets)
        *sets = found_sets;
    return MCVD_OK;
}

double mcvd_psnr_of_mse(double mse)
{
    return mse == 0.0 ? INFINITY : -10.0 * log10(mse);
}
