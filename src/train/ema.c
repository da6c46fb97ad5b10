#include "train/ema.h"

void mcvdi_ema_update(float *restrict ema, const float *restrict params, double rate, size_t n)
{
    const float keep = (float)rate;
    const float take = (float)(1.0 - rate);

    for (size_t i = 0; i < n; i++)
        ema[i] = take * params[i] + keep * ema[i];
}

double mcvdi_ema_rate_at(double rate, bool warmup, uint64_t completed)
{
    const double young = (1.0 + (double)completed) / (10.0 + (double)completed);

    return warmup && young < rate ? young : rate;
}
