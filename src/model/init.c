/* Uniform on (-a, a) with a = sqrt(3 * scale * 2 / (fan_in + fan_out)), zeros, ones, normal. */
#include "model/init.h"

#include <math.h>

#include <mcvd/rng.h>

void mcvdi_init_param(const mcvdi_param *param, size_t index, uint64_t seed, float *values)
{
    const mcvd_rng_key key = mcvd_rng_key_make(seed, MCVD_RNG_INIT, index, 0);

    switch (param->init) {
    case MCVDI_INIT_ZERO:
    case MCVDI_INIT_ONE:
        for (size_t i = 0; i < param->numel; i++)
            values[i] = param->init == MCVDI_INIT_ONE ? 1.0f : 0.0f;
        break;
    case MCVDI_INIT_NORMAL:
        mcvd_rng_normal(key, 0, values, param->numel);
        break;
    case MCVDI_INIT_UNIFORM: {
        const double a = sqrt(6.0 * param->init_scale / param->fan_sum);
        mcvd_rng_uniform(key, 0, values, param->numel);
        for (size_t i = 0; i < param->numel; i++)
            values[i] = (float)(a * (2.0 * (double)values[i] - 1.0));
        break;
    }
    }
}
