/*
 * Progressive distillation: a student learns to do in one step what its teacher does in two, then
 * becomes the teacher, until few steps are left.
 *
 * Steps are those of deterministic ddim (eta 0) on even labels (MCVD_SPACING_EVEN), so that the
 * grid of N steps is every second label of that of 2N. At x_i = a_i x0 + s_i eps of a training
 * window, i one of the student's labels, the teacher goes i -> m -> j. The student's target is the
 * x0 with which one step lands there:
 *
 *     x~ = (x_j - (s_j / s_i) x_i) / (a_j - (s_j / s_i) a_i),    loss = w / 2 |x~ - x0^|^2
 *
 * w is training.loss_weight: truncated-snr, max(SNR, 1), or snr+1, which is uniform for v.
 *
 * A student that predicts eps would be of no use in few steps: at the noisiest level eps says
 * nothing about x0. So a teacher of eps (or score) is converted in a round of its own, which comes
 * first and keeps the number of steps: the student begins with the teacher's weights, answers in v
 * and learns the x0 that the teacher's answer means. v, x0 and flow stay what they are.
 *
 * Source: Salimans and Ho 2022, "Progressive Distillation for Fast Sampling of Diffusion Models",
 * algorithm 2, appendix D and G.
 */
#ifndef MCVD_DISTILL_H
#define MCVD_DISTILL_H

#include <mcvd/trainer.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MCVD_DISTILL_MAX_ROUNDS = 18 };

/**
 * Configuration of the student of a model: prediction as above, sampled by ddim on even labels
 * without a denoise call; loss_weight truncated-snr; a quarter of the learning rate, which in each
 * round grows over a tenth of its steps, since Adam's first ones would spoil what is known, and
 * then falls to 0 (lr_schedule cosine).
 * @param iters  optimizer steps of a round (training.n_iters); 0: 1000
 * @return MCVD_OK
 *         MCVD_E_CONFIG  a ve process; model.noise_in_cond or model.gamma, whose steps draw noise
 */
MCVD_API mcvd_status mcvd_distill_student(mcvd_config *student, const mcvd_config *teacher,
                                          int64_t iters);

/** Where to begin for `steps` in the end: the first of 2 steps, 4 steps, 8 steps, ... that is not
 * below sampling.subsample of the model; 0 when T has no room for 2 steps. */
MCVD_API int mcvd_distill_from(const mcvd_config *teacher, int steps);

typedef struct mcvd_distill_scores {
    double psnr; /* see metrics.h; INFINITY for identical frames */
    double ssim; /* NAN for frames below 11 pixels */
} mcvd_distill_scores;

/* On held-out windows; everybody begins with the same noise and has the same given frames. */
typedef struct mcvd_distill_quality {
    mcvd_distill_scores student;  /* against the true frames */
    mcvd_distill_scores teacher;  /* of this round, with its own number of steps */
    mcvd_distill_scores original; /* the model that was given, with the steps at the beginning */
    double psnr_to_teacher;       /* the student's frames against the teacher's */
    double psnr_to_original;
} mcvd_distill_quality;

typedef struct mcvd_distill_samples {
    const mcvd_batch *batch; /* true frames in batch->x0 */
    const float *student;    /* like batch->x0, about [-1, 1], not cut */
    const float *teacher;
    const float *original;
} mcvd_distill_samples;

/* A round that is done. */
typedef struct mcvd_distill_stage {
    int round;         /* from 1 */
    int steps;         /* of the student, which are its network calls too */
    int teacher_steps; /* twice as many; as many in the conversion round */
    char file[48];     /* its model file in the folder: stage-N-steps.safetensors */
    mcvd_distill_quality quality;
} mcvd_distill_stage;

typedef struct mcvd_distill_report {
    int from;
    int to;
    int rounds;
    int done; /* rounds that are */
    mcvd_distill_stage stages[MCVD_DISTILL_MAX_ROUNDS];
} mcvd_distill_report;

typedef struct mcvd_distill_config {
    /* As for mcvd_train_run; run.config from mcvd_distill_student, training.n_iters steps a round.
     * on_validate and on_sample are not called. */
    mcvd_train_run_config run;
    const char *model; /* the teacher to begin with; NULL when resuming */
    int steps;         /* in the end; 0 when resuming: as begun */
    int from;          /* steps * 2^k, at most T; 0: mcvd_distill_from, or as begun */
    size_t windows;    /* held-out windows that a stage is measured on; 0: 64, or as begun */
    /* Fill *quality from samples; user is run.user. A failure ends the run. */
    mcvd_status (*score)(void *user, const mcvd_distill_samples *samples,
                         mcvd_distill_quality *quality);
    /* May be NULL. Anything but 0 from on_call, after each network call of the measurement, stops
     * the run. */
    void (*on_stage)(void *user, const mcvd_distill_stage *stage);
    int (*on_call)(void *user);
} mcvd_distill_config;

/**
 * Run or resume a distillation in a folder like that of mcvd_train_run, and besides:
 * teacher.safetensors (the model to begin with), stage-N-steps.safetensors (every student, the
 * teacher of the round after it), distill.json (the plan and the quality of every stage).
 * model.safetensors is the newest student. Steps are counted through all rounds; a line of the
 * journal tells its round. Resuming goes on with the bytes of a run that never stopped.
 *
 * @param report  filled with what is done, after a failure too
 * @return what mcvd_train_run returns, and
 *         MCVD_E_CONFIG  what mcvd_distill_student refuses; from is not steps * 2^k, k >= 1, or
 *                        above T; resuming with another plan
 *         MCVD_E_MODEL   the teacher cannot be read
 *         MCVD_E_INPUT   nothing to resume
 */
MCVD_API mcvd_status mcvd_distill_run(const mcvd_distill_config *config,
                                      mcvd_distill_report *report);

#ifdef __cplusplus
}
#endif

#endif
