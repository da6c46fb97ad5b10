#include "model/noise_in_cond.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"

static void fill_linear(double *ac, const mcvd_model_config *m)
{
    const int64_t last = m->num_classes - 1;
    double product = 1.0;

    for (int64_t t = 0; t <= last; t++) {
        const double share = last ? (double)t / (double)last : 0.0;
        product *= 1.0 - (m->sigma_end + (m->sigma_begin - m->sigma_end) * share);
        ac[t] = product;
    }
}

/* Single precision as the published networks were trained (see diffusion/schedule.c). */
static float cosine_level(float u)
{
    const float angle = (u + 0.008f) / 1.008f * 3.14159265358979323846f / 2.0f;
    const float c = (float)cos((double)angle);

    return c * c;
}

static void fill_cosine(double *ac, const mcvd_model_config *m)
{
    for (int64_t t = 0; t < m->num_classes; t++)
        ac[t] = (double)(cosine_level((float)(t + 1) / (float)m->num_classes) / cosine_level(0.0f));
}

mcvd_status mcvdi_cond_schedule(double **alphas_cumprod, const mcvd_model_config *config)
{
    const size_t count = (size_t)config->num_classes;
    double *ac = mcvdi_calloc(count, sizeof *ac);

    *alphas_cumprod = ac;
    if (!ac)
        return mcvdi_fail(MCVD_E_NOMEM, "network: noise schedule of %zu timesteps", count);
    if (strcmp(config->sigma_dist, "cosine") == 0)
        fill_cosine(ac, config);
    else
        fill_linear(ac, config);
    return MCVD_OK;
}

void mcvdi_noise_cond(float *y, const float *cond, const float *z, double ac, size_t n)
{
    const float keep = (float)sqrt(ac);
    const float noise = (float)sqrt(1.0 - ac);

    for (size_t i = 0; i < n; i++)
        y[i] = keep * cond[i] + noise * z[i];
}
