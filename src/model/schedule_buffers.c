#include "model/schedule_buffers.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "model/noise_in_cond.h"

enum { BETAS, ALPHAS, ALPHAS_PREV, K, K_CUM, THETA_T, SIGMAS };

static const char *const names[] = { "betas", "alphas",  "alphas_prev", "k",
                                     "k_cum", "theta_t", "unet.sigmas" };

static const float theta_0 = 0.001f; /* scale of the gamma noise */

/* Equal steps in single precision, counted from the nearer end. */
static void fill_linear_betas(float *betas, const mcvd_model_config *m, size_t count)
{
    const float first = (float)m->sigma_begin;
    const float last = (float)m->sigma_end;
    const float step = count > 1 ? (last - first) / (float)(count - 1) : 0.0f;

    for (size_t i = 0; i < count; i++)
        betas[i] = i < count / 2 ? first + step * (float)i : last - step * (float)(count - 1 - i);
}

/* alphas[i] = product of 1 - betas[j] over j >= i. */
static void fill_products(float *alphas, const float *betas, size_t count)
{
    double product = 1.0;

    for (size_t i = count; i-- > 0;) {
        product *= (double)(1.0f - betas[i]);
        alphas[i] = (float)product;
    }
}

static mcvd_status fill_cosine_alphas(float *alphas, const mcvd_model_config *m, size_t count)
{
    double *by_timestep = NULL;
    const mcvd_status st = mcvdi_cond_schedule(&by_timestep, m);

    for (size_t i = 0; st >= 0 && i < count; i++)
        alphas[i] = (float)by_timestep[count - 1 - i];
    mcvdi_free(by_timestep);
    return st;
}

static void fill_gamma(float *const all[], size_t count)
{
    double sum = 0.0;

    for (size_t i = count; i-- > 0;) {
        all[K][i] = all[BETAS][i] / (all[ALPHAS][i] * (theta_0 * theta_0));
        sum += (double)all[K][i];
        all[K_CUM][i] = (float)sum;
        all[THETA_T][i] = sqrtf(all[ALPHAS][i]) * theta_0;
    }
}

static mcvd_status fill(float *const all[], const mcvd_model_config *m, size_t count)
{
    const bool cosine = strcmp(m->sigma_dist, "cosine") == 0;
    mcvd_status st = MCVD_OK;

    if (cosine) {
        st = fill_cosine_alphas(all[ALPHAS], m, count);
    } else {
        fill_linear_betas(all[BETAS], m, count);
        fill_products(all[ALPHAS], all[BETAS], count);
    }
    if (st < 0)
        return st;
    for (size_t i = 0; i < count; i++)
        all[ALPHAS_PREV][i] = i + 1 < count ? all[ALPHAS][i + 1] : 1.0f;
    for (size_t i = 0; cosine && i < count; i++)
        all[BETAS][i] = 1.0f - all[ALPHAS][i] / all[ALPHAS_PREV][i];
    if (m->gamma)
        fill_gamma(all, count);
    memcpy(all[SIGMAS], all[cosine ? ALPHAS : BETAS], count * sizeof *all[SIGMAS]);
    return MCVD_OK;
}

/* List those that this configuration has, in the order in which the authors register them. */
static void list(mcvdi_schedule_buffers *b, float *const all[], const mcvd_model_config *m)
{
    static const int linear[] = { BETAS, ALPHAS, ALPHAS_PREV, K, K_CUM, THETA_T, SIGMAS };
    static const int cosine[] = { ALPHAS, ALPHAS_PREV, BETAS, K, K_CUM, THETA_T, SIGMAS };
    const int *order = strcmp(m->sigma_dist, "cosine") == 0 ? cosine : linear;

    for (size_t i = 0; i < MCVDI_MAX_SCHEDULE_BUFFERS; i++) {
        const int which = order[i];
        if (!m->gamma && (which == K || which == K_CUM || which == THETA_T))
            continue;
        b->names[b->count] = names[which];
        b->values[b->count++] = all[which];
    }
}

mcvd_status mcvdi_schedule_buffers_make(mcvdi_schedule_buffers *buffers,
                                        const mcvd_model_config *config)
{
    const size_t count = (size_t)config->num_classes;
    float *all[MCVDI_MAX_SCHEDULE_BUFFERS];

    *buffers = (mcvdi_schedule_buffers) { .num_timesteps = count };
    if (strcmp(config->sigma_dist, "linear") != 0 && strcmp(config->sigma_dist, "cosine") != 0)
        return mcvdi_fail(MCVD_E_CONFIG, "model.sigma_dist = %s: expected linear or cosine",
                          config->sigma_dist);
    buffers->slab = mcvdi_calloc(count, MCVDI_MAX_SCHEDULE_BUFFERS * sizeof *buffers->slab);
    if (!buffers->slab)
        return mcvdi_fail(MCVD_E_NOMEM, "noise schedule of %zu timesteps", count);
    for (size_t i = 0; i < MCVDI_MAX_SCHEDULE_BUFFERS; i++)
        all[i] = buffers->slab + i * count;
    const mcvd_status st = fill(all, config, count);
    if (st < 0)
        mcvdi_schedule_buffers_free(buffers);
    else
        list(buffers, all, config);
    return st;
}

void mcvdi_schedule_buffers_free(mcvdi_schedule_buffers *buffers)
{
    mcvdi_free(buffers->slab);
    *buffers = (mcvdi_schedule_buffers) { 0 };
}
