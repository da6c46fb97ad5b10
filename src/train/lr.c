#include "train/lr.h"

#include <math.h>

/* A recipe's cooldown must not eat a short run: half of what follows the warm-up at most. */
static int64_t cooldown_of(const mcvdi_lr_config *config)
{
    const int64_t half = (config->n_iters - config->warmup) / 2;

    return config->cooldown < half ? config->cooldown : half;
}

static double decay(const mcvdi_lr_config *config, int64_t completed)
{
    const double pi = 3.14159265358979323846;
    const double done = (double)(completed - config->warmup);
    const double span = (double)(config->n_iters - config->warmup);

    const int64_t cooldown = cooldown_of(config);

    if (cooldown > 0 && completed >= config->n_iters - cooldown) {
        const double left = (double)(config->n_iters - completed) / (double)cooldown;
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
