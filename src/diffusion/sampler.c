#include "diffusion/sampler.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"

enum { NUM_SHARED = 4 }; /* x0, eps, noise, gradient of the guide */

struct mcvd_sampler {
    mcvd_sampler_config config;
    const mcvd_schedule *sched;
    const mcvdi_sampler_method *method;
    const mcvdi_parameterisation *param;
    mcvdi_step_plan plan;
    double *call_t; /* [num_calls] the timestep of every call */
    int num_calls;
    double denoise_t;          /* the timestep told in the final call */
    float *shared[NUM_SHARED]; /* [max_batch, numel] each, like own */
    float *own[MCVDI_MAX_OWN_BUFFERS];
    float *sorted; /* [numel] with dynamic_clip */
    double *t;     /* [max_batch] */
};

static const mcvdi_sampler_method *const methods[] = {
    &mcvdi_sampler_ddpm,
    &mcvdi_sampler_ddim,
    &mcvdi_sampler_pndm,
    &mcvdi_sampler_langevin,
    &mcvdi_sampler_cas,
    &mcvdi_sampler_euler_maruyama,
    &mcvdi_sampler_reverse_diffusion,
    &mcvdi_sampler_pc,
    &mcvdi_sampler_euler,
    &mcvdi_sampler_heun,
    &mcvdi_sampler_dpmpp_2m,
    &mcvdi_sampler_dpmpp_2m_sde,
    &mcvdi_sampler_unipc,
};

enum { NUM_METHODS = sizeof methods / sizeof methods[0] };

mcvd_sampler_config mcvd_sampler_config_default(void)
{
    return (mcvd_sampler_config) {
        .name = "ddpm",
        .prediction = "eps",
        .clip = true,
        .denoise = true,
        .denoise_label = MCVD_DENOISE_LAST_LABEL,
        .eta = -1.0,
        .frac_steps = 1.0,
        .t_min = -1.0,
        .corrector_steps = 1,
        .corrector_snr = 0.16,
        .steps_per_level = 5,
        .repeats = 1,
        .step_size = 6.2e-6,
    };
}

const char *mcvd_sampler_name(size_t i)
{
    return i < NUM_METHODS ? methods[i]->name : NULL;
}

const char *mcvd_sampler_help(size_t i)
{
    return i < NUM_METHODS ? methods[i]->help : NULL;
}

/* NULL when there is none of that name. */
static const mcvdi_sampler_method *method_named(const char *name)
{
    for (size_t i = 0; i < NUM_METHODS; i++)
        if (name && strcmp(name, methods[i]->name) == 0)
            return methods[i];
    return NULL;
}

bool mcvd_sampler_takes_eta(const char *name)
{
    const mcvdi_sampler_method *method = method_named(name);
    return method && method->takes_eta;
}

bool mcvd_sampler_takes_repeats(const char *name)
{
    const mcvdi_sampler_method *method = method_named(name);
    return method && method->takes_repeats;
}

mcvd_spacing mcvd_sampler_own_spacing(const char *name)
{
    const mcvdi_sampler_method *method = method_named(name);
    return method ? method->own_spacing : MCVD_SPACING_UNIFORM;
}

static mcvd_status fail_unknown(const char *name)
{
    char known[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < NUM_METHODS && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                                 methods[i]->name);
    return mcvdi_fail(MCVD_E_CONFIG, "sampler '%s': known are %s", name ? name : "", known);
}

/* --- checks --- */

static mcvd_status check_numbers(const mcvd_sampler_config *c, const mcvd_schedule *sched)
{
    const int num_timesteps = mcvd_schedule_num_timesteps(sched);

    if (c->max_batch < 1 || c->numel < 1)
        return mcvdi_fail(MCVD_E_RANGE, "sampler for %zu samples of %zu values, expected 1 or more",
                          c->max_batch, c->numel);
    if (c->num_steps < 0 || c->num_steps > num_timesteps)
        return mcvdi_fail(MCVD_E_RANGE,
                          "sampler.num_steps = %d, expected 0 (all) to the %d timesteps of the "
                          "schedule",
                          c->num_steps, num_timesteps);
    if (!(c->eta <= 1.0))
        return mcvdi_fail(MCVD_E_RANGE, "sampler.eta = %g, expected 0 to 1", c->eta);
    if (!(c->frac_steps > 0.0 && c->frac_steps <= 1.0))
        return mcvdi_fail(MCVD_E_RANGE, "sampler.frac_steps = %g, expected above 0, at most 1",
                          c->frac_steps);
    if (!(c->t_min < 1.0))
        return mcvdi_fail(MCVD_E_RANGE, "sampler.t_min = %g, expected below 1", c->t_min);
    if (!(c->dynamic_clip >= 0.0 && c->dynamic_clip < 1.0))
        return mcvdi_fail(MCVD_E_RANGE, "sampler.dynamic_clip = %g, expected 0 (off) to below 1",
                          c->dynamic_clip);
    if (c->denoise_label != MCVD_DENOISE_LAST_LABEL && c->denoise_label != MCVD_DENOISE_COUNT_LABEL)
        return mcvdi_fail(MCVD_E_CONFIG, "sampler.denoise_label = %d", (int)c->denoise_label);
    return MCVD_OK;
}

/* The numbers that only some methods read; the most calls of a run fit an int with room. */
static mcvd_status check_method_numbers(const mcvd_sampler_config *c)
{
    if (c->corrector_steps < 0 || c->corrector_steps > 100)
        return mcvdi_fail(MCVD_E_RANGE, "sampler.corrector_steps = %d, expected 0 to 100",
                          c->corrector_steps);
    if (!(c->corrector_snr > 0.0 && c->corrector_snr <= 1.0))
        return mcvdi_fail(MCVD_E_RANGE, "sampler.corrector_snr = %g, expected above 0, at most 1",
                          c->corrector_snr);
    if (c->steps_per_level < 1 || c->steps_per_level > 1000)
        return mcvdi_fail(MCVD_E_RANGE, "sampler.steps_per_level = %d, expected 1 to 1000",
                          c->steps_per_level);
    if (!(c->step_size >= 0.0 && c->step_size <= 1e6))
        return mcvdi_fail(MCVD_E_RANGE, "sampler.step_size = %g, expected 0 to 1e6", c->step_size);
    if (c->repeats < 1 || c->repeats > 100)
        return mcvdi_fail(MCVD_E_RANGE, "sampler.repeats = %d, expected 1 to 100", c->repeats);
    return MCVD_OK;
}

static mcvd_status check_method(const mcvd_sampler_config *c, const mcvdi_sampler_method *method,
                                const mcvd_schedule *sched)
{
    const mcvd_process process = mcvd_schedule_process(sched);

    if (!(method->processes >> process & 1u))
        return mcvdi_fail(MCVD_E_CONFIG, "sampler %s does not suit a %s process", method->name,
                          mcvd_process_word(process));
    if (c->just_beta && method != &mcvdi_sampler_ddpm && method != &mcvdi_sampler_ddim)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "sampler %s has no choice of variance; ddpm and ddim have one",
                          method->name);
    if (c->eta > 0.0 && !method->takes_eta)
        return mcvdi_fail(MCVD_E_CONFIG, "sampler %s takes no eta, found %g; ddim does",
                          method->name, c->eta);
    if (c->gamma_noise && ((method != &mcvdi_sampler_ddpm && method != &mcvdi_sampler_ddim) ||
                           c->eta > 0.0 || c->sigma_hat || c->same_noise || c->repeats > 1))
        return mcvdi_fail(MCVD_E_CONFIG,
                          "sampler %s: gamma noise belongs to a level, which ddpm, and ddim with "
                          "eta 0, keep to",
                          method->name);
    if (c->repeats > 1 && !method->takes_repeats)
        return mcvdi_fail(MCVD_E_CONFIG,
                          "sampler %s cannot repeat its steps; ddpm, ddim, reverse-diffusion, pc, "
                          "euler and heun can",
                          method->name);
    return method->check ? method->check(c, sched) : MCVD_OK;
}

/* --- create --- */

static mcvd_status out_of_memory(const mcvd_sampler *s)
{
    return mcvdi_fail(MCVD_E_NOMEM, "sampler: out of memory for %zu samples of %zu values",
                      s->config.max_batch, s->config.numel);
}

static mcvd_status allocate(mcvd_sampler *s)
{
    size_t numel;
    size_t bytes;
    bool ok = true;

    if (!mcvdi_mul_size(&numel, s->config.max_batch, s->config.numel) ||
        !mcvdi_mul_size(&bytes, numel, sizeof(float)))
        return mcvdi_fail(MCVD_E_RANGE, "sampler for %zu samples of %zu values is too large",
                          s->config.max_batch, s->config.numel);
    for (int i = 0; i < NUM_SHARED; i++)
        ok &= (s->shared[i] = mcvdi_alloc_aligned(bytes)) != NULL;
    for (int i = 0; i < s->method->num_own; i++)
        ok &= (s->own[i] = mcvdi_alloc_aligned(bytes)) != NULL;
    if (s->config.clip && s->config.dynamic_clip > 0.0)
        ok &= (s->sorted = mcvdi_alloc_aligned(s->config.numel * sizeof(float))) != NULL;
    s->t = mcvdi_calloc(s->config.max_batch, sizeof *s->t);
    return ok && s->t ? MCVD_OK : out_of_memory(s);
}

static mcvdi_run run_begin(mcvd_sampler *sampler, const mcvd_sampler_job *job, float *x)
{
    mcvdi_run run = {
        .config = &sampler->config,
        .sched = sampler->sched,
        .param = sampler->param,
        .job = job,
        .steps = sampler->plan.steps,
        .num_steps = sampler->plan.num_steps,
        .batch = job->batch,
        .numel = sampler->config.numel,
        .n = job->batch * sampler->config.numel,
        .x = x,
        .x0 = sampler->shared[0],
        .eps = sampler->shared[1],
        .noise = sampler->shared[2],
        .grad = sampler->shared[3],
        .sorted = sampler->sorted,
        .has_start_noise = sampler->config.same_noise,
        .t = sampler->t,
    };

    memcpy(run.own, sampler->own, sizeof run.own);
    if (run.has_start_noise && run.n)
        memcpy(run.noise, x, run.n * sizeof *x);
    return run;
}

static mcvd_status report(const mcvdi_run *run, int num_calls)
{
    const mcvd_sampler_job *job = run->job;

    if (job->progress && job->progress(job->progress_user, run->num_calls - 1, num_calls, run->x))
        return mcvdi_fail(MCVD_E_INTERRUPTED, "sampling stopped after call %d of %d",
                          run->num_calls, num_calls);
    return MCVD_OK;
}

/* Back to the level of the step, by the forward process: with r = a / a',
 *
 *     x <- r x + sqrt(s^2 - r^2 s'^2) z
 */
static mcvd_status noise_back(mcvdi_run *run, const mcvdi_step *step)
{
    const double r = step->level.a / step->next.a;
    const double rest = step->level.s * step->level.s - r * r * step->next.s * step->next.s;
    const mcvd_status st = mcvdi_run_draw(run);

    if (st >= 0)
        mcvdi_run_combine(run, run->x, r, run->x, sqrt(fmax(rest, 0.0)), run->noise);
    return st;
}

/* The step run->index, config->repeats times, each of them reported. */
static mcvd_status take_step(mcvdi_run *run, const mcvd_sampler *sampler)
{
    const mcvdi_step *step = &sampler->plan.steps[run->index];
    const int times = step->is_last ? 1 : sampler->config.repeats;
    mcvd_status st = MCVD_OK;

    for (int k = 0; st >= 0 && k < times; k++) {
        if (k > 0)
            st = noise_back(run, step);
        if (st >= 0)
            st = sampler->method->step(run, step);
        if (st >= 0)
            st = report(run, sampler->num_calls);
    }
    return st;
}

static bool ends_with_call(const mcvd_sampler *s)
{
    return s->config.denoise && s->method->ending == MCVDI_ENDS_WITH_DENOISE;
}

/* A run on no data tells how often, and where, the method calls the network. */
static mcvd_status plan_calls(mcvd_sampler *s)
{
    const mcvd_sampler_job nothing = { .batch = 0 };
    const size_t most_per_step =
        (5 + (size_t)s->config.corrector_steps + (size_t)s->config.steps_per_level) *
        (size_t)s->config.repeats;
    mcvdi_run run = run_begin(s, &nothing, s->shared[0]);
    mcvd_status st = MCVD_OK;

    s->call_t = mcvdi_calloc((size_t)s->plan.num_steps * most_per_step + 1, sizeof *s->call_t);
    if (!s->call_t)
        return out_of_memory(s);
    run.plan = s->call_t;
    for (run.index = 0; st >= 0 && run.index < s->plan.num_steps; run.index++)
        st = take_step(&run, s);
    if (ends_with_call(s))
        s->call_t[run.num_calls++] = s->denoise_t;
    s->num_calls = run.num_calls;
    return st;
}

static mcvd_status make_plan(mcvd_sampler *s)
{
    mcvd_status st = mcvdi_steps_plan(&s->plan, &s->config, s->method, s->sched);

    if (st < 0)
        return st;
    s->denoise_t = s->plan.steps[s->plan.num_steps - 1].t;
    if (s->config.denoise_label == MCVD_DENOISE_COUNT_LABEL)
        s->denoise_t = mcvd_schedule_label(s->sched, s->plan.num_grid - 1);
    st = allocate(s);
    return st < 0 ? st : plan_calls(s);
}

static mcvd_status check(const mcvd_sampler *s)
{
    mcvd_status st = check_numbers(&s->config, s->sched);

    if (st >= 0)
        st = check_method_numbers(&s->config);
    if (st >= 0)
        st = mcvdi_parameterisation_check(s->param, s->sched);
    return st < 0 ? st : check_method(&s->config, s->method, s->sched);
}

mcvd_status mcvd_sampler_create(mcvd_sampler **out, const mcvd_sampler_config *config,
                                const mcvd_schedule *sched)
{
    const mcvdi_sampler_method *method = method_named(config->name);
    const mcvdi_parameterisation *param = NULL;

    *out = NULL;
    if (!method)
        return fail_unknown(config->name);
    mcvd_status st = mcvdi_parameterisation_find(&param, config->prediction);
    if (st < 0)
        return st;
    mcvd_sampler *s = mcvdi_calloc(1, sizeof *s);
    if (!s)
        return mcvdi_fail(MCVD_E_NOMEM, "sampler: %zu bytes", sizeof *s);
    s->config = *config;
    s->config.name = method->name; /* the caller's texts may not live as long */
    s->config.prediction = param->name;
    if (config->eta < 0.0)
        s->config.eta = method->own_eta;
    s->sched = sched;
    s->method = method;
    s->param = param;
    st = check(s);
    if (st >= 0)
        st = make_plan(s);
    if (st < 0) {
        mcvd_sampler_free(&s);
        return st;
    }
    *out = s;
    return MCVD_OK;
}

void mcvd_sampler_free(mcvd_sampler **sampler)
{
    if (!sampler || !*sampler)
        return;
    for (int i = 0; i < NUM_SHARED; i++)
        mcvdi_free_aligned((*sampler)->shared[i]);
    for (int i = 0; i < MCVDI_MAX_OWN_BUFFERS; i++)
        mcvdi_free_aligned((*sampler)->own[i]);
    mcvdi_free_aligned((*sampler)->sorted);
    mcvdi_free((*sampler)->plan.steps);
    mcvdi_free((*sampler)->call_t);
    mcvdi_free((*sampler)->t);
    mcvdi_free(*sampler);
    *sampler = NULL;
}

const char *mcvd_sampler_get_name(const mcvd_sampler *sampler)
{
    return sampler->config.name;
}

int mcvd_sampler_num_steps(const mcvd_sampler *sampler)
{
    return sampler->plan.num_steps;
}

int mcvd_sampler_num_calls(const mcvd_sampler *sampler)
{
    return sampler->num_calls;
}

double mcvd_sampler_timestep(const mcvd_sampler *sampler, int call)
{
    return call >= 0 && call < sampler->num_calls ? sampler->call_t[call] : (double)NAN;
}

/* --- run --- */

/* x = a x + s z */
static mcvd_status noise_again(mcvdi_run *run, mcvd_level level)
{
    const mcvd_status st = mcvdi_run_draw(run);

    if (st >= 0)
        mcvdi_run_combine(run, run->x, level.a, run->x, level.s, run->noise);
    return st;
}

/* x = x - s eps, with s of the last step. */
static mcvd_status denoise(mcvdi_run *run, const mcvd_sampler *sampler)
{
    const mcvdi_step *last = &sampler->plan.steps[sampler->plan.num_steps - 1];
    const mcvdi_point here = { run->x, sampler->denoise_t, last->level };
    const mcvd_status st = mcvdi_run_predict(run, &here);

    if (st >= 0)
        mcvdi_run_combine(run, run->x, 1.0, run->x, -last->level.s, run->eps);
    return st;
}

mcvd_status mcvd_sampler_run(mcvd_sampler *sampler, const mcvd_sampler_job *job, float *x)
{
    mcvd_status st = MCVD_OK;

    if (job->batch < 1 || job->batch > sampler->config.max_batch)
        return mcvdi_fail(MCVD_E_RANGE, "sampler: batch of %zu, expected 1 to %zu", job->batch,
                          sampler->config.max_batch);
    if (!isfinite(job->guide_weight))
        return mcvdi_fail(MCVD_E_RANGE, "sampler: guide_weight = %g", job->guide_weight);
    mcvdi_run run = run_begin(sampler, job, x);
    if (sampler->config.t_min > 0.0)
        st = noise_again(&run, sampler->plan.steps[0].level);
    for (; st >= 0 && run.index < sampler->plan.num_steps; run.index++)
        st = take_step(&run, sampler);
    if (st >= 0 && ends_with_call(sampler)) {
        st = denoise(&run, sampler);
        if (st >= 0)
            st = report(&run, sampler->num_calls);
    }
    return st < 0 ? st : MCVD_OK;
}
