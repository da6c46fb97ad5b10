/*
 * A distillation is a run (train_run.c) with a course: rounds in which the trainer learns what its
 * teacher does (distill_teacher.c). All that a round needs lies in the folder as files, so resuming
 * begins a round from the same bytes.
 */
#include <mcvd/distill.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "train/course.h"
#include "train/distill_record.h"
#include "train/distill_samples.h"
#include "train/distill_teacher.h"
#include "train/trainer_internal.h"

enum { DEFAULT_WINDOWS = 64, DEFAULT_ITERATIONS = 1000 };

typedef struct distillation {
    const mcvd_distill_config *config;
    mcvdi_distill_plan plan;
    mcvd_distill_report *report;
    mcvd_trainer *trainer;
    mcvdi_run_folder *folder;
    const mcvd_batch *test;

    /* The teacher of the round at work. */
    mcvd_network *network;
    mcvdi_teacher *teacher;
    const mcvd_batch *batch; /* at work */
    size_t first;
    float *mask; /* [part] */
    float *eps;  /* [part, numel] */

    /* On the held-out windows, like test->x0. */
    float *original, *previous, *student;
    int sampled; /* the round whose student previous is of, 0: the original; -1: nobody's */
} distillation;

static mcvd_status no_memory(void)
{
    return mcvdi_fail(MCVD_E_NOMEM, "distillation: out of memory");
}

/* --- the student's configuration --- */

static mcvd_status check_teacher(const mcvd_config *teacher)
{
    const mcvd_model_config *m = &teacher->model;
    mcvd_schedule *sched = NULL;
    mcvd_status st = mcvd_schedule_of_config(&sched, m);

    if (st >= 0 && mcvd_schedule_process(sched) == MCVD_PROCESS_VE)
        st = mcvdi_fail(MCVD_E_CONFIG,
                        "model.sigma_dist = %s: students take steps of ddim in v or x0, which "
                        "suit vp and flow processes, not ve",
                        m->sigma_dist);
    if (st >= 0 && m->noise_in_cond)
        st = mcvdi_fail(MCVD_E_CONFIG, "model.noise_in_cond = true: every call of the teacher has "
                                       "other noise on the given frames, so its two steps are no "
                                       "function that a student could learn");
    if (st >= 0 && m->gamma)
        st = mcvdi_fail(MCVD_E_CONFIG, "model.gamma = true: gamma noise belongs to one level, and "
                                       "a step without noise of its own does not lead to the next");
    if (st >= 0 && m->action_dim)
        st = mcvdi_fail(MCVD_E_CONFIG,
                        "model.action_dim = %" PRId64 ": distillation has no actions "
                        "to give to the teacher",
                        m->action_dim);
    mcvd_schedule_free(&sched);
    return st;
}

/* Whether its output tells x0 at any level. */
static mcvd_status is_convertible(const mcvd_config *teacher, bool *converts)
{
    const mcvdi_parameterisation *prediction = NULL;
    const mcvd_status st = mcvdi_parameterisation_find(&prediction, teacher->model.prediction);

    *converts = st >= 0 && !prediction->knows_all_noise;
    return st;
}

/* v where it is defined. */
static const char *well_conditioned(const mcvd_config *teacher)
{
    return strcmp(teacher->model.sigma_dist, "flow") == 0 ? "flow" : "v";
}

mcvd_status mcvd_distill_student(mcvd_config *student, const mcvd_config *teacher, int64_t iters)
{
    bool converts = false;
    mcvd_status st = check_teacher(teacher);

    *student = *teacher;
    if (st >= 0)
        st = is_convertible(teacher, &converts);
    if (st < 0)
        return st;
    if (converts)
        snprintf(student->model.prediction, sizeof student->model.prediction, "%s",
                 well_conditioned(teacher));
    student->model.ema_warmup = true;
    mcvdi_distill_sampling(student, (int)teacher->sampling.subsample);
    mcvd_training_config *t = &student->training;
    snprintf(t->loss_weight, sizeof t->loss_weight, "truncated-snr");
    t->l1 = false;
    t->n_iters = iters ? iters : DEFAULT_ITERATIONS;
    t->val_freq = t->sample_freq = 0;
    mcvd_optim_config *o = &student->optim;
    snprintf(o->lr_schedule, sizeof o->lr_schedule, "cosine");
    o->lr /= 4.0;
    o->warmup = t->n_iters / 10;
    o->cooldown = 0;
    return MCVD_OK;
}

int mcvd_distill_from(const mcvd_config *teacher, int steps)
{
    const int64_t num_timesteps = teacher->model.num_classes;
    int64_t from = 2 * (int64_t)steps;

    while (from < teacher->sampling.subsample && 2 * from <= num_timesteps)
        from *= 2;
    return from <= num_timesteps ? (int)from : 0;
}

/* --- the plan --- */

static mcvd_status check_plan(const mcvdi_distill_plan *plan, int64_t num_timesteps)
{
    int steps = plan->to;

    if (plan->to < 1)
        return mcvdi_fail(MCVD_E_CONFIG, "--steps %d: expected at least 1", plan->to);
    if (!plan->from)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "--steps %d: twice as many do not fit into %" PRId64 " timesteps",
                          plan->to, num_timesteps);
    if (plan->from > num_timesteps)
        return mcvdi_fail(MCVD_E_CONFIG, "--from %d: the model has %" PRId64 " timesteps",
                          plan->from, num_timesteps);
    while (steps < plan->from)
        steps *= 2;
    if (steps != plan->from || plan->from == plan->to)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "--from %d --steps %d: each round halves the number of steps, expected "
                          "%d times a power of two",
                          plan->from, plan->to, plan->to);
    return MCVD_OK;
}

static mcvd_status make_plan(distillation *d)
{
    const mcvd_distill_config *c = d->config;
    mcvd_model *model = NULL;
    mcvd_status st = mcvd_model_load(&model, c->model ? c->model : "", NULL);

    if (st < 0)
        return st;
    const mcvd_config *teacher = mcvd_model_get_config(model);
    d->plan = (mcvdi_distill_plan) { .to = c->steps,
                                     .from = c->from,
                                     .round_steps = c->run.config.training.n_iters,
                                     .windows = c->windows ? c->windows : DEFAULT_WINDOWS };
    if (!d->plan.from && c->steps > 0)
        d->plan.from = mcvd_distill_from(teacher, c->steps);
    st = check_teacher(teacher);
    if (st >= 0)
        st = is_convertible(teacher, &d->plan.converts);
    if (st >= 0)
        st = check_plan(&d->plan, teacher->model.num_classes);
    mcvd_model_free(&model);
    return st;
}

static mcvd_status fail_other(const distillation *d, const char *what, int64_t was, int64_t is)
{
    return mcvdi_fail(MCVD_E_CONFIG,
                      "--resume: %s %" PRId64 ", but %s began with %" PRId64 "; a run goes on as "
                      "it began",
                      what, is, d->config->run.folder, was);
}

static mcvd_status recall_plan(distillation *d)
{
    const mcvd_distill_config *c = d->config;
    const mcvdi_distill_plan *p = &d->plan;
    char *path = mcvdi_sprintf("%s/" MCVDI_DISTILL_FILE, c->run.folder);
    mcvd_status st = path ? MCVD_OK : no_memory();

    if (st >= 0 && !mcvdi_path_exists(path))
        st = mcvdi_fail(MCVD_E_INPUT, "%s: no distillation to resume (no " MCVDI_DISTILL_FILE ")",
                        c->run.folder);
    if (st >= 0)
        st = mcvdi_distill_read(&d->plan, d->report, path);
    mcvdi_free(path);
    if (st < 0)
        return st;
    if (c->steps && c->steps != p->to)
        return fail_other(d, "--steps", p->to, c->steps);
    if (c->from && c->from != p->from)
        return fail_other(d, "--from", p->from, c->from);
    if (c->windows && c->windows != p->windows)
        return fail_other(d, "--windows", (int64_t)p->windows, (int64_t)c->windows);
    if (c->run.config.training.n_iters != p->round_steps)
        return fail_other(d, "training.n_iters", p->round_steps, c->run.config.training.n_iters);
    return MCVD_OK;
}

/* --- files --- */

/* The student of a round; of round 0 the model that it all began with. */
static char *model_path(const distillation *d, int round)
{
    mcvd_distill_stage stage;

    if (round == 0)
        return mcvdi_run_folder_path(d->folder, MCVDI_DISTILL_TEACHER);
    mcvdi_distill_stage_of(&stage, &d->plan, round);
    return mcvdi_run_folder_path(d->folder, stage.file);
}

static mcvd_status write_record(const distillation *d)
{
    char *path = mcvdi_run_folder_path(d->folder, MCVDI_DISTILL_FILE);
    const mcvd_status st = path ? mcvdi_distill_write(&d->plan, d->report, path) : no_memory();

    mcvdi_free(path);
    return st;
}

/* A copy of the model, widened, with its own configuration. */
static mcvd_status write_teacher(const distillation *d)
{
    char *path = model_path(d, 0);
    mcvd_model *model = NULL;
    mcvd_status st = path ? mcvd_model_load(&model, d->config->model, NULL) : no_memory();

    if (st >= 0)
        st = mcvdi_trainer_begin(d->trainer, model);
    if (st >= 0) {
        const char *summary = mcvd_model_summary(model);
        const mcvdi_model_file file = { .config = mcvd_model_get_config(model),
                                        .graph = d->trainer->graph,
                                        .slab = mcvdi_graph_values(d->trainer->graph),
                                        .summary = *summary ? summary : NULL,
                                        .dtype = MCVDI_WEIGHT_F32 };
        st = mcvdi_model_write(&file, path, true);
    }
    mcvd_model_free(&model);
    mcvdi_free(path);
    return st;
}

static mcvd_status export_stage(const distillation *d, int round)
{
    char summary[160];
    const mcvd_config *c = &d->trainer->config;
    char *path = model_path(d, round);

    if (!path)
        return no_memory();
    snprintf(summary, sizeof summary, "{\"steps\":%" PRIu64 ",\"samples\":%" PRIu64 "}",
             d->trainer->steps, d->trainer->steps * (uint64_t)c->training.batch_size);
    const bool half = strcmp(c->training.export_dtype, "F16") == 0;
    const mcvd_status st = mcvd_trainer_export(d->trainer, path, half, summary, true);
    mcvdi_free(path);
    return st;
}

/* --- the lesson of a round --- */

static mcvd_status ask_teacher(void *user, const float *x_t, const double *t, size_t batch,
                               float *out)
{
    distillation *d = user;
    const size_t pixels = d->batch->image_size * d->batch->image_size * d->batch->channels;
    const size_t cond = pixels * (d->batch->num_frames_cond + d->batch->num_frames_future);
    const mcvd_network_input in = { .x = x_t,
                                    .t = t,
                                    .cond = cond ? d->batch->cond + d->first * cond : NULL,
                                    .cond_mask = d->mask };

    for (size_t i = 0; i < batch; i++)
        d->mask[i] = (float)d->batch->cond_mask[d->first + i];
    return mcvd_network_forward(d->network, &in, out);
}

static int32_t grid_timestep(void *user, const mcvd_trainer *trainer, mcvd_rng_key key)
{
    const distillation *d = user;
    const uint32_t steps = (uint32_t)trainer->config.sampling.subsample;

    return mcvdi_teacher_timestep(d->teacher, (int)mcvd_rng_below(key, 0, steps));
}

static mcvd_status teacher_target(void *user, mcvd_trainer *tr, const mcvdi_example *example)
{
    distillation *d = user;
    const mcvd_timesteps steps = { tr->t, tr->part, tr->numel };

    d->batch = example->batch;
    d->first = example->first;
    const mcvd_status st =
        mcvdi_teacher_answer(d->teacher, tr->t, example->x_t, tr->target, d->eps);
    return st < 0 ? st
                  : mcvdi_training_target(tr->prediction, tr->schedule, &steps, tr->target, d->eps,
                                          tr->target);
}

static void leave_round(distillation *d)
{
    mcvdi_teacher_free(&d->teacher);
    mcvd_network_free(&d->network);
}

static mcvd_status enter_round(distillation *d, int round, const mcvd_model *model)
{
    mcvd_trainer *tr = d->trainer;
    const mcvd_config *config = mcvd_model_get_config(model);
    const mcvd_network_config nc = { .batch = tr->part };
    const int steps = mcvdi_distill_steps(&d->plan, round);
    mcvdi_teacher_config tc = { .sched = tr->schedule,
                                .clip = config->sampling.clip_before,
                                .num_steps = steps,
                                .substeps = mcvdi_distill_steps(&d->plan, round - 1) / steps,
                                .batch = tr->part,
                                .numel = tr->numel,
                                .denoiser = ask_teacher,
                                .denoiser_user = d };

    leave_round(d);
    tr->config.sampling.subsample = steps;
    tr->lesson = (mcvdi_lesson) { grid_timestep, teacher_target, d };
    mcvd_status st = mcvdi_parameterisation_find(&tc.prediction, config->model.prediction);
    if (st >= 0)
        st = mcvd_network_create(&d->network, model, &nc);
    if (st >= 0)
        st = mcvdi_teacher_create(&d->teacher, &tc);
    return st;
}

/* fresh: with the teacher's weights, not amid the round. */
static mcvd_status open_round(distillation *d, int round, bool fresh)
{
    char *path = model_path(d, round - 1);
    mcvd_model *model = NULL;
    mcvd_status st = path ? mcvd_model_load(&model, path, NULL) : no_memory();

    if (st >= 0 && fresh)
        st = mcvdi_trainer_begin(d->trainer, model);
    if (st >= 0)
        st = enter_round(d, round, model);
    mcvd_model_free(&model);
    mcvdi_free(path);
    return st;
}

/* --- quality --- */

static mcvd_status sample(const distillation *d, int round, float *out)
{
    char *path = model_path(d, round);
    const mcvdi_distill_samples_config config = {
        .model = path,
        .num_steps = mcvdi_distill_steps(&d->plan, round),
        .seed = (uint64_t)d->trainer->config.training.seed,
        .on_call = d->config->on_call,
        .user = d->config->run.user,
    };
    const mcvd_status st = path ? mcvdi_distill_samples(&config, d->test, out) : no_memory();

    mcvdi_free(path);
    return st;
}

/* The frames that the student is compared with; most are there from the round before. */
static mcvd_status sample_teachers(distillation *d, int round)
{
    const size_t bytes = d->test->batch_size * d->trainer->numel * sizeof(float);
    mcvd_status st = MCVD_OK;

    if (!d->original) {
        d->original = mcvdi_alloc_aligned(bytes);
        d->previous = mcvdi_alloc_aligned(bytes);
        d->student = mcvdi_alloc_aligned(bytes);
        if (!d->original || !d->previous || !d->student)
            return no_memory();
        d->sampled = -1;
        st = sample(d, 0, d->original);
    }
    if (st >= 0 && round == 1)
        memcpy(d->previous, d->original, bytes);
    else if (st >= 0 && d->sampled != round - 1)
        st = sample(d, round - 1, d->previous);
    return st;
}

static mcvd_status measure(distillation *d, int round, mcvd_distill_quality *quality)
{
    mcvd_status st = sample_teachers(d, round);

    if (st >= 0)
        st = sample(d, round, d->student);
    if (st < 0)
        return st;
    const mcvd_distill_samples samples = { d->test, d->student, d->previous, d->original };
    st = d->config->score(d->config->run.user, &samples, quality);
    float *swapped = d->previous;
    d->previous = d->student;
    d->student = swapped;
    d->sampled = round;
    return st;
}

/* --- the course --- */

static mcvd_status begin(void *user, mcvdi_run_folder *folder, mcvd_trainer *trainer,
                         const mcvd_batch *test)
{
    distillation *d = user;
    const uint64_t round_steps = (uint64_t)d->plan.round_steps;
    mcvd_status st = MCVD_OK;

    d->folder = folder;
    d->trainer = trainer;
    d->test = test;
    d->mask = mcvdi_calloc(trainer->part, sizeof *d->mask);
    d->eps = mcvdi_alloc_aligned(trainer->part * trainer->numel * sizeof *d->eps);
    if (!d->mask || !d->eps)
        return no_memory();
    if (trainer->steps > 0) {
        const uint64_t round = (trainer->steps - 1) / round_steps + 1;
        trainer->begun = (round - 1) * round_steps;
        return open_round(d, (int)round, false);
    }
    if (!d->config->run.resume) {
        st = write_teacher(d);
        if (st >= 0)
            st = write_record(d);
    }
    return st < 0 ? st : open_round(d, 1, true);
}

static mcvd_status end_round(void *user)
{
    distillation *d = user;
    mcvd_distill_report *report = d->report;
    const int round = (int)(d->trainer->steps / (uint64_t)d->plan.round_steps);
    mcvd_status st = export_stage(d, round);

    if (st >= 0 && report->done < round) {
        mcvd_distill_stage *stage = &report->stages[round - 1];
        mcvdi_distill_stage_of(stage, &d->plan, round);
        st = measure(d, round, &stage->quality);
        report->done += st >= 0;
        if (st >= 0)
            st = write_record(d);
        if (st >= 0 && d->config->on_stage)
            d->config->on_stage(d->config->run.user, stage);
    }
    return st < 0 || round == report->rounds ? st : open_round(d, round + 1, true);
}

mcvd_status mcvd_distill_run(const mcvd_distill_config *config, mcvd_distill_report *report)
{
    distillation d = { .config = config, .report = report };

    memset(report, 0, sizeof *report);
    mcvd_status st = config->run.resume ? recall_plan(&d) : make_plan(&d);
    if (st < 0)
        return st;
    report->from = d.plan.from;
    report->to = d.plan.to;
    report->rounds = mcvdi_distill_rounds(&d.plan);
    const mcvdi_course course = { .user = &d,
                                  .rounds = (uint64_t)report->rounds,
                                  .round_steps = (uint64_t)d.plan.round_steps,
                                  .num_test = d.plan.windows,
                                  .begin = begin,
                                  .end_round = end_round };
    mcvd_train_run_config run = config->run;
    run.config.training.val_freq = run.config.training.sample_freq = 0;
    st = mcvdi_train_run(&run, &course);
    leave_round(&d);
    mcvdi_free(d.mask);
    mcvdi_free_aligned(d.eps);
    mcvdi_free_aligned(d.original);
    mcvdi_free_aligned(d.previous);
    mcvdi_free_aligned(d.student);
    return st;
}
