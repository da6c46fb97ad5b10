#include "train/adam.h"

#include <math.h>

#include "train/ema.h"

/* Floats per piece: all arrays of a piece fit into the first-level cache of a core. */
enum { PIECE = 1024 };

/* The scalars of the step, rounded once, in the order in which the reference rounds them. */
typedef struct factors {
    float grad_scale;
    float weight_decay;
    float beta1;
    float beta2;
    float one_minus_beta1;
    float one_minus_beta2;
    float step_size;  /* lr / (1 - beta1^t) */
    float correction; /* sqrt(1 - beta2^t) */
    float eps;
} factors;

static factors factors_make(const mcvdi_adam_config *config, const mcvdi_adam_now *now)
{
    const double t = (double)now->t;

    return (factors) {
        .grad_scale = (float)now->grad_scale,
        .weight_decay = (float)config->weight_decay,
        .beta1 = (float)config->beta1,
        .beta2 = (float)config->beta2,
        .one_minus_beta1 = (float)(1.0 - config->beta1),
        .one_minus_beta2 = (float)(1.0 - config->beta2),
        .step_size = (float)(now->lr / (1.0 - pow(config->beta1, t))),
        .correction = (float)sqrt(1.0 - pow(config->beta2, t)),
        .eps = (float)config->eps,
    };
}

/* Moments of a piece. */
static void update_moments(const factors *f, const float *restrict params,
                           const float *restrict grads, float *restrict m, float *restrict v,
                           size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float g = f->grad_scale * grads[i] + f->weight_decay * params[i];

        m[i] = f->beta1 * m[i] + f->one_minus_beta1 * g;
        v[i] = f->beta2 * v[i] + f->one_minus_beta2 * (g * g);
    }
}

static void update_maximum(float *restrict v_max, const float *restrict v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v_max[i] = v[i] > v_max[i] ? v[i] : v_max[i];
}

static void update_params(const factors *f, float *restrict params, const float *restrict m,
                          const float *restrict v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        params[i] -= f->step_size * (m[i] / (sqrtf(v[i]) / f->correction + f->eps));
}

static void update_piece(const factors *f, const mcvdi_adam_slab *slab, double ema_rate,
                         size_t first)
{
    const size_t left = slab->n - first;
    const size_t n = left < PIECE ? left : PIECE;
    const float *v = slab->v + first;

    update_moments(f, slab->params + first, slab->grads + first, slab->m + first, slab->v + first,
                   n);
    if (slab->v_max) {
        update_maximum(slab->v_max + first, v, n);
        v = slab->v_max + first;
    }
    update_params(f, slab->params + first, slab->m + first, v, n);
    if (slab->ema)
        mcvdi_ema_update(slab->ema + first, slab->params + first, ema_rate, n);
}

mcvd_status mcvdi_adam_step(const mcvdi_adam_config *config, const mcvdi_adam_now *now,
                            const mcvdi_adam_slab *slab)
{
    const ptrdiff_t num_pieces = (ptrdiff_t)((slab->n + PIECE - 1) / PIECE);

    if (now->t < 1 || !isfinite(now->lr) || !isfinite(now->grad_scale))
        return mcvdi_fail(MCVD_E_RANGE, "Adam step %lld with rate %g and gradient factor %g",
                          (long long)now->t, now->lr, now->grad_scale);
    const factors f = factors_make(config, now);
#pragma omp parallel for schedule(static)
    for (ptrdiff_t p = 0; p < num_pieces; p++)
        update_piece(&f, slab, now->ema_rate, (size_t)p * PIECE);
    return MCVD_OK;
}
