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

#define METRIC_KNOWN(id, name, title, higher, digits) " " name
static const char known_metrics[] = MCVD_METRIC_LIST(METRIC_KNOWN);

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

static bool word_is(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

/* Add the metric that word[0..length) names. */
static mcvd_status add_metric(unsigned *metrics, const char *word, size_t length)
{
    static const char *const need_network[] = { "lpips", "fvd", "fid" };

    for (int m = 0; m < MCVD_NUM_METRICS; m++)
        if (word_is(word, length, metric_rows[m].name)) {
            *metrics |= MCVD_METRIC_BIT(m);
            return MCVD_OK;
        }
    for (size_t i = 0; i < sizeof need_network / sizeof *need_network; i++)
        if (word_is(word, length, need_network[i]))
            return mcvdi_fail(MCVD_E_UNSUPPORTED,
                              "metric '%s' needs a feature network, which this build does not have;"
                              " available:%s",
                              need_network[i], known_metrics);
    return mcvdi_fail(MCVD_E_USAGE, "unknown metric '%.*s'; available:%s", (int)length, word,
                      known_metrics);
}

mcvd_status mcvd_metrics_parse(unsigned *metrics, const char *list)
{
    unsigned found = 0;

    *metrics = 0;
    for (const char *word = list;;) {
        const size_t length = strcspn(word, ",");
        const mcvd_status st = add_metric(&found, word, length);
        if (st < 0)
            return st;
        if (word[length] == '\0')
            break;
        word += length + 1;
    }
    *metrics = found;
    return MCVD_OK;
}

double mcvd_psnr_of_mse(double mse)
{
    return mse == 0.0 ? INFINITY : -10.0 * log10(mse);
}
