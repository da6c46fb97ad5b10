/*
 * Counter-based random numbers (Philox 4x32-10; Salmon et al. 2011, "Parallel random numbers: as
 * easy as 1, 2, 3"). A stream is a function of what it is for, never of who asks first: the same
 * key gives the same numbers whatever the thread, worker or batch split.
 */
#ifndef MCVD_RNG_H
#define MCVD_RNG_H

#include <stddef.h>
#include <stdint.h>

#include <mcvd/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a stream is for. Values are part of the run's identity: append, never renumber. */
typedef enum mcvd_rng_purpose {
    MCVD_RNG_INIT = 1,         /* initial weights: step = parameter number */
    MCVD_RNG_DATA_ORDER = 2,   /* which clip and which start a training sample is */
    MCVD_RNG_DATA_CLIP = 3,    /* synthesis of one clip (moving digits) */
    MCVD_RNG_AUGMENT = 4,      /* flips, hue shifts */
    MCVD_RNG_MASK = 5,         /* Bernoulli masks of past and future */
    MCVD_RNG_TIMESTEP = 6,     /* training timesteps */
    MCVD_RNG_TRAIN_NOISE = 7,  /* training noise */
    MCVD_RNG_DROPOUT = 8,      /* dropout: sub = node number */
    MCVD_RNG_SAMPLE_START = 9, /* start noise of a block */
    MCVD_RNG_SAMPLE_STEP = 10, /* noise of one sampler step */
    MCVD_RNG_COND_NOISE = 11,  /* noise_in_cond: training */
    MCVD_RNG_TEST = 12,
    MCVD_RNG_SAMPLE_COND = 13, /* noise_in_cond: one network call of a sampler */
    MCVD_RNG_BOUND_TERM = 14,  /* likelihood: which terms of the bound are computed */
    MCVD_RNG_BOUND_NOISE = 15, /* likelihood: noise of one term */
    MCVD_RNG_PROBE = 16,       /* likelihood: vectors of the trace estimate */
    MCVD_RNG_DEQUANTISE = 17   /* likelihood: place of a pixel inside its level */
} mcvd_rng_purpose;

typedef struct mcvd_rng_key {
    uint64_t key;    /* seed and purpose */
    uint64_t stream; /* step and sample */
} mcvd_rng_key;

/** A stream of 2^34 numbers for (seed, purpose, step, sample). */
MCVD_API mcvd_rng_key mcvd_rng_key_make(uint64_t seed, mcvd_rng_purpose purpose, uint64_t step,
                                        uint64_t sample);

/** Fill out[0..n) with standard normal numbers (Box-Muller), elements first .. first + n - 1 of
 * the stream; element i does not depend on where a call starts. first must be a multiple of 4. */
MCVD_API void mcvd_rng_normal(mcvd_rng_key key, uint64_t first, float *out, size_t n);

/** Fill out[0..n) with numbers in [0, 1): 24 random bits each; first must be a multiple of 4. */
MCVD_API void mcvd_rng_uniform(mcvd_rng_key key, uint64_t first, float *out, size_t n);

/** Word i of the stream, 32 random bits. */
MCVD_API uint32_t mcvd_rng_u32(mcvd_rng_key key, uint64_t i);

/** An integer in [0, bound), bound >= 1, from word i of the stream (multiply-shift; the bias is
 * below bound / 2^32). */
MCVD_API uint32_t mcvd_rng_below(mcvd_rng_key key, uint64_t i, uint32_t bound);

#ifdef __cplusplus
}
#endif

#endif
