#include "train/lr.h"

#include <math.h>

static double decay(const mcvdi_lr_config *config, int64_t completed)
{
    const double pi = 3.14159265358979323846;
    const double done = (double)(completed - config->warmup);
    const double span = (double)(config->n_iters - config->warmup);

    if (config->cooldown > 0 && completed >= config->n_iters - config->cooldown) {
        const double left = (double)(config->n_iters - completed) / (double)config->cooldown;
        return left > 0.0 ? left : 0.0;
    }
    if (!config->cosine)
        return 1.0;
    if (done >= span)
        return 0.0;
    return 0.5 * (1.0 + cos(pi * done / span));
}

double mcvdi_lr_at(const mcvdi_lr_config *config, int64_t completed)
{
    if (config->warmup <= 0 && config->warmup_zero_stays_zero)
        return 0.0;
    if (config->warmup > 0 && completed <= config->warmup)
        return config->lr * ((double)completed / (double)config->warmup);
    return config->lr * decay(config, completed);
}
