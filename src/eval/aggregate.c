/* From values per clip and trajectory to one line of a table. */
#include <mcvd/metrics.h>

#include <math.h>

/* 97.5 % point of the standard normal distribution. */
static const double normal_quantile = 1.959963984540054;

mcvd_summary mcvd_summarize(const double *values, size_t n)
{
    mcvd_summary s = { 0, 0, NAN, NAN, NAN };
    double sum = 0.0;
    double squares = 0.0;

    for (size_t i = 0; i < n; i++) {
        if (isinf(values[i])) {
            s.infinite++;
        } else {
            sum += values[i];
            s.count++;
        }
    }
    if (s.count == 0) {
        if (s.infinite > 0)
            s.mean = INFINITY;
        return s;
    }
    s.mean = sum / (double)s.count;
    for (size_t i = 0; i < n; i++)
        if (!isinf(values[i]))
            squares += (values[i] - s.mean) * (values[i] - s.mean);
    s.std = sqrt(squares / (double)s.count);
    if (s.count > 1)
        s.conf95 = normal_quantile * sqrt(squares / (double)(s.count - 1)) / sqrt((double)s.count);
    return s;
}

const char *mcvd_over_k_name(mcvd_over_k over)
{
    return over == MCVD_BEST_OF_K ? "best_of_k" : "mean_of_k";
}

size_t mcvd_best_index(const double *values, size_t k, bool higher_is_better)
{
    size_t best = 0;

    for (size_t i = 1; i < k; i++)
        if (higher_is_better ? values[i] > values[best] : values[i] < values[best])
            best = i;
    return best;
}

void mcvd_reduce_k(double *per_clip, const double *values, size_t clips, size_t k,
                   mcvd_metric metric, mcvd_over_k over)
{
    for (size_t c = 0; c < clips; c++) {
        const double *v = values + c * k;

        if (over == MCVD_BEST_OF_K) {
            per_clip[c] = v[mcvd_best_index(v, k, mcvd_metric_higher_is_better(metric))];
            continue;
        }
        double sum = 0.0;
        for (size_t i = 0; i < k; i++)
            sum += v[i];
        per_clip[c] = sum / (double)k;
    }
}
