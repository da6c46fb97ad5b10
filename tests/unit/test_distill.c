/* Distillation where the answer is known: grids, targets, and a linear student that ends where its
 * teacher does. */
#include <string.h>

#include <mcvd/distill.h>
#include <mcvd/rng.h>

#include "diffusion/loss.h"
#include "diffusion/weighting.h"
#include "support/failing.h"
#include "support/folder.h"
#include "train/distill_record.h"
#include "train/distill_samples.h"
#include "train/distill_teacher.h"

enum { NUMEL = 48, MAX_STEPS = 64, MAX_BATCH = 8 };

static mcvd_schedule *make_schedule(const char *kind, int num_timesteps, bool zero_terminal_snr)
{
    mcvd_schedule_config config = mcvd_schedule_config_default();
    mcvd_schedule *sched = NULL;

    config.kind = kind;
    config.num_timesteps = num_timesteps;
    config.beta_begin = 0.2;
    config.zero_terminal_snr = zero_terminal_snr;
    CHECK_OK(mcvd_schedule_create(&sched, &config));
    return sched;
}

static void fill(float *x, uint64_t seed, size_t n)
{
    mcvd_rng_normal(mcvd_rng_key_make(seed, MCVD_RNG_TEST, 0, 0), 0, x, n);
}

/* --- grids --- */

static void test_grids_nest_for_every_number_of_timesteps(void **state)
{
    static const int timesteps[] = { 2, 37, 100, 1000 };

    (void)state;
    for (size_t k = 0; k < sizeof timesteps / sizeof *timesteps; k++) {
        const int num = timesteps[k];
        for (int steps = 1; steps <= num; steps++) {
            CHECK_EQ(mcvdi_even_timestep(0, steps, num), num - 1);
            for (int i = 1; i < steps; i++)
                CHECK_TRUE(mcvdi_even_timestep(i, steps, num) <
                           mcvdi_even_timestep(i - 1, steps, num));
            CHECK_TRUE(mcvdi_even_timestep(steps - 1, steps, num) >= 0);
            for (int i = 0; 2 * steps <= num && i < steps; i++)
                CHECK_EQ(mcvdi_even_timestep(2 * i, 2 * steps, num),
                         mcvdi_even_timestep(i, steps, num));
            for (int i = 0; num % steps == 0 && i < steps; i++) /* as the authors' programs */
                CHECK_EQ(mcvdi_even_timestep(i, steps, num), num - 1 - i * (num / steps));
        }
    }
}

/* --- networks without weights --- */

/* A network that depends on every input, in any parameterisation: no denoiser of anything. */
static mcvd_status wavy(void *user, const float *x_t, const double *t, size_t batch, float *out)
{
    const double *num_timesteps = user;

    for (size_t b = 0; b < batch; b++)
        for (size_t i = 0; i < NUMEL; i++) {
            const size_t k = b * NUMEL + i;
            out[k] = 0.3f * sinf(3.0f * x_t[k] + 0.1f * (float)i) -
                     0.2f * x_t[k] * (float)(t[b] / *num_timesteps);
        }
    return MCVD_OK;
}

typedef struct toy_case {
    mcvd_schedule *sched;
    const char *prediction;
    int num_steps; /* of the student */
    int substeps;
    bool clip;
} toy_case;

static mcvdi_teacher *make_teacher(const toy_case *toy, size_t batch, mcvd_denoiser_fn fn,
                                   void *user)
{
    mcvdi_teacher_config config = { .sched = toy->sched,
                                    .clip = toy->clip,
                                    .num_steps = toy->num_steps,
                                    .substeps = toy->substeps,
                                    .batch = batch,
                                    .numel = NUMEL,
                                    .denoiser = fn,
                                    .denoiser_user = user };
    mcvdi_teacher *teacher = NULL;

    CHECK_OK(mcvdi_parameterisation_find(&config.prediction, toy->prediction));
    CHECK_OK(mcvdi_teacher_create(&teacher, &config));
    return teacher;
}

/* x by deterministic ddim in that many even steps, with the sampler that results are made with. */
static void sample(const toy_case *toy, int num_steps, const char *prediction, mcvd_denoiser_fn fn,
                   void *user, float *x)
{
    mcvd_sampler_config config = mcvd_sampler_config_default();
    const mcvd_sampler_job job = { .batch = 1, .denoiser = fn, .denoiser_user = user };
    mcvd_sampler *sampler = NULL;

    config.name = "ddim";
    config.prediction = prediction;
    config.max_batch = 1;
    config.numel = NUMEL;
    config.num_steps = num_steps;
    config.spacing = MCVD_SPACING_EVEN;
    config.clip = toy->clip;
    config.recompute_eps_after_clip = true;
    config.denoise = false;
    config.eta = 0.0;
    CHECK_OK(mcvd_sampler_create(&sampler, &config, toy->sched));
    CHECK_EQ(mcvd_sampler_num_calls(sampler), num_steps);
    CHECK_OK(mcvd_sampler_run(sampler, &job, x));
    mcvd_sampler_free(&sampler);
}

/* --- the target --- */

/* One ddim step in double, eps following from x0. */
static double step_to(double x, double x0, mcvd_level from, mcvd_level to)
{
    return to.a * x0 + to.s * (x - from.a * x0) / from.s;
}

static double clipped(bool clip, double x0)
{
    return clip ? fmin(fmax(x0, -1.0), 1.0) : x0;
}

/* What the teacher takes for x0 at one value of x. */
static double read_x0(const toy_case *toy, int t, double x, float out)
{
    const mcvdi_parameterisation *param = NULL;

    CHECK_OK(mcvdi_parameterisation_find(&param, toy->prediction));
    const mcvdi_output_map map =
        mcvdi_parameterisation_at(param, mcvd_schedule_level(toy->sched, t));
    return clipped(toy->clip, map.x0_x * x + map.x0_out * (double)out);
}

/* The teacher's two steps from x by hand: x_j, for every value. */
static void two_steps(const toy_case *toy, int i, const float *x, double *x_j)
{
    const int num = mcvd_schedule_num_timesteps(toy->sched);
    double num_timesteps = num;
    const int t_i = mcvdi_even_timestep(2 * i, 2 * toy->num_steps, num);
    const int t_m = mcvdi_even_timestep(2 * i + 1, 2 * toy->num_steps, num);
    const int t_j = i + 1 < toy->num_steps ? mcvdi_even_timestep(i + 1, toy->num_steps, num) : -1;
    const mcvd_level a = mcvd_schedule_level(toy->sched, t_i);
    const mcvd_level m = mcvd_schedule_level(toy->sched, t_m);
    const mcvd_level j = mcvd_schedule_level(toy->sched, t_j);
    float out[NUMEL];
    float middle[NUMEL];
    double t = t_i;

    CHECK_OK(wavy(&num_timesteps, x, &t, 1, out));
    for (size_t k = 0; k < NUMEL; k++)
        middle[k] = (float)step_to((double)x[k], read_x0(toy, t_i, (double)x[k], out[k]), a, m);
    t = t_m;
    CHECK_OK(wavy(&num_timesteps, middle, &t, 1, out));
    for (size_t k = 0; k < NUMEL; k++)
        x_j[k] = step_to((double)middle[k], read_x0(toy, t_m, (double)middle[k], out[k]), m, j);
}

/* The published formula, and the step that it is made for. Samples of one batch are at steps of
 * their own. */
static void check_target(const toy_case *toy)
{
    const int num = mcvd_schedule_num_timesteps(toy->sched);
    const size_t batch = (size_t)toy->num_steps;
    double num_timesteps = num;
    static float x[MAX_BATCH * NUMEL], x0[MAX_BATCH * NUMEL], eps[MAX_BATCH * NUMEL];
    int32_t t[MAX_BATCH];
    mcvdi_teacher *teacher = make_teacher(toy, batch, wavy, &num_timesteps);

    fill(x, 1, batch * NUMEL);
    for (size_t b = 0; b < batch; b++)
        t[b] = mcvdi_teacher_timestep(teacher, (int)b);
    CHECK_OK(mcvdi_teacher_answer(teacher, t, x, x0, eps));
    for (size_t b = 0; b < batch; b++) {
        const mcvd_level i = mcvd_schedule_level(toy->sched, t[b]);
        const mcvd_level j = mcvd_schedule_level(toy->sched, b + 1 < batch ? t[b + 1] : -1);
        double x_j[NUMEL];
        two_steps(toy, (int)b, x + b * NUMEL, x_j);
        for (size_t k = 0; k < NUMEL; k++) {
            const double x_i = (double)x[b * NUMEL + k];
            const double found = (double)x0[b * NUMEL + k];
            const double ratio = j.s / i.s;
            /* float carries 6e-8 of values of about 10; the divisor magnifies that. */
            const double divisor = j.a - ratio * i.a;
            const double tolerance = 4e-6 * (1.0 + fabs(found)) / fmin(divisor, 1.0);
            CHECK_CLOSE(found, (x_j[k] - ratio * x_i) / divisor, tolerance);
            CHECK_CLOSE(step_to(x_i, found, i, j), x_j[k], 4e-6 * (1.0 + fabs(found)));
            CHECK_CLOSE(i.a * found + i.s * (double)eps[b * NUMEL + k], x_i,
                        4e-6 * (1.0 + fabs(found)));
            CHECK_TRUE(!toy->clip || fabs(found) <= 1.0 + 1e-6);
        }
    }
    mcvdi_teacher_free(&teacher);
}

/* Every process, output and number of steps that rounds meet. */
static void for_all_toys(void (*check)(const toy_case *))
{
    static const struct {
        const char *kind;
        const char *prediction;
        int num_timesteps;
        bool zero;
    } cases[] = {
        { "linear", "eps", 100, false },  { "linear", "v", 37, false },
        { "linear", "x0", 100, true },    { "linear", "v", 100, true },
        { "linear", "score", 64, false }, { "cosine", "v", 50, false },
        { "flow", "flow", 41, false },    { "flow", "x0", 100, false },
    };
    static const int steps[] = { 1, 2, 4, 5 };

    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
            for (int clip = 0; clip < 2; clip++) {
                toy_case toy = { .sched = make_schedule(cases[c].kind, cases[c].num_timesteps,
                                                        cases[c].zero),
                                 .prediction = cases[c].prediction,
                                 .num_steps = steps[s],
                                 .substeps = 2,
                                 .clip = clip != 0 };
                check(&toy);
                mcvd_schedule_free(&toy.sched);
            }
}

static void test_one_step_with_the_target_lands_where_two_do(void **state)
{
    (void)state;
    for_all_toys(check_target);
}

/* A student that always answers with the target. */
static mcvd_status perfect_student(void *user, const float *x_t, const double *t, size_t batch,
                                   float *out)
{
    const int32_t step = (int32_t)*t;
    float eps[NUMEL];

    (void)batch;
    return mcvdi_teacher_answer(user, &step, x_t, out, eps);
}

static void check_perfect_student(const toy_case *toy)
{
    double num_timesteps = mcvd_schedule_num_timesteps(toy->sched);
    mcvdi_teacher *teacher = make_teacher(toy, 1, wavy, &num_timesteps);
    float of_teacher[NUMEL];
    float of_student[NUMEL];
    float largest = 1.0f;

    fill(of_teacher, 2, NUMEL);
    memcpy(of_student, of_teacher, sizeof of_student);
    sample(toy, 2 * toy->num_steps, toy->prediction, wavy, &num_timesteps, of_teacher);
    sample(toy, toy->num_steps, "x0", perfect_student, teacher, of_student);
    for (size_t k = 0; k < NUMEL; k++)
        largest = fmaxf(largest, fabsf(of_teacher[k]));
    check_all_close(__FILE__, __LINE__, toy->prediction, of_student, of_teacher, NUMEL,
                    1e-4 * (double)largest); /* rounding, through steps of slope about 1 */
    mcvdi_teacher_free(&teacher);
}

static void test_a_perfect_student_samples_like_its_teacher(void **state)
{
    (void)state;
    for_all_toys(check_perfect_student);
}

/* Conversion: what the teacher says about x0, in one step. */
static void test_conversion_asks_once(void **state)
{
    toy_case toy = { .sched = make_schedule("linear", 100, false),
                     .prediction = "eps",
                     .num_steps = 4,
                     .substeps = 1 };
    double num_timesteps = 100.0;
    mcvdi_teacher *teacher = make_teacher(&toy, 1, wavy, &num_timesteps);
    float of_teacher[NUMEL];
    float of_student[NUMEL];

    (void)state;
    fill(of_teacher, 3, NUMEL);
    memcpy(of_student, of_teacher, sizeof of_student);
    sample(&toy, 4, "eps", wavy, &num_timesteps, of_teacher);
    sample(&toy, 4, "x0", perfect_student, teacher, of_student);
    check_all_close(__FILE__, __LINE__, "converted", of_student, of_teacher, NUMEL, 1e-4);
    mcvdi_teacher_free(&teacher);
    mcvd_schedule_free(&toy.sched);
}

static mcvd_status create(void **object, const void *config)
{
    return mcvdi_teacher_create((mcvdi_teacher **)object, config);
}

static void destroy(void **object)
{
    mcvdi_teacher_free((mcvdi_teacher **)object);
}

static void test_teachers_without_memory(void **state)
{
    mcvd_schedule *sched = make_schedule("linear", 100, false);
    const mcvdi_teacher_config config = {
        .sched = sched, .num_steps = 4, .substeps = 2, .batch = 2, .numel = NUMEL
    };

    (void)state;
    CHECK_EQ(check_failing_allocations(create, destroy, &config), 4);
    mcvd_schedule_free(&sched);
}

/* --- a linear student, taught --- */

static const double data_variance = 0.25;

/* v of the best denoiser of data N(0, 0.25), by timestep. */
static double best_v(mcvd_level l)
{
    const double of_x0 = l.a * data_variance / (l.a * l.a * data_variance + l.s * l.s);

    return (l.a - of_x0) / l.s; /* v = (a x - x0) / s */
}

/* out = slope[t] x */
static mcvd_status linear(void *user, const float *x_t, const double *t, size_t batch, float *out)
{
    const double *slopes = user;

    for (size_t b = 0; b < batch; b++)
        for (size_t i = 0; i < NUMEL; i++)
            out[b * NUMEL + i] = (float)slopes[(int)t[b]] * x_t[b * NUMEL + i];
    return MCVD_OK;
}

/* Gradient descent on the loss of one step, with the weight of the level. */
static void teach_step(const toy_case *toy, mcvdi_teacher *teacher,
                       const mcvdi_weighting *weighting, int t, double *slope)
{
    const double weight = mcvdi_weighting_at(weighting, toy->sched, t);
    const int32_t step = t;
    const mcvd_timesteps steps = { &step, 1, NUMEL };
    float x[NUMEL], x0[NUMEL], eps[NUMEL], out[NUMEL], grad[NUMEL];

    for (uint64_t k = 0; k < 200; k++) {
        const mcvdi_loss_input in = { .batch = 1,
                                      .numel = NUMEL,
                                      .target = x0,
                                      .pred = out,
                                      .grad_scale = 1.0 / NUMEL,
                                      .weights = &weight };
        mcvdi_loss_result loss;
        double d_slope = 0.0;
        fill(x, 100 + k, NUMEL);
        CHECK_OK(mcvdi_teacher_answer(teacher, &step, x, x0, eps));
        CHECK_OK(mcvdi_training_target(weighting->param, toy->sched, &steps, x0, eps, x0));
        for (size_t i = 0; i < NUMEL; i++)
            out[i] = (float)*slope * x[i];
        CHECK_OK(mcvdi_loss(&in, grad, NULL, &loss));
        for (size_t i = 0; i < NUMEL; i++)
            d_slope += (double)grad[i] * (double)x[i];
        *slope -= 0.5 * d_slope;
    }
}

/* Three rounds, 16 -> 2: each student ends where its teacher does, so the last with the first. */
static void test_a_linear_student_learns_its_teachers_map(void **state)
{
    static double slopes[100];
    mcvdi_weighting weighting = { .min_snr_gamma = 5.0 };
    toy_case toy = { .sched = make_schedule("linear", 100, false),
                     .prediction = "v",
                     .substeps = 2 };
    float original[NUMEL];
    float distilled[NUMEL];

    (void)state;
    CHECK_OK(mcvdi_weighting_find(&weighting, "truncated-snr"));
    CHECK_OK(mcvdi_parameterisation_find(&weighting.param, "v"));
    for (int t = 0; t < 100; t++)
        slopes[t] = best_v(mcvd_schedule_level(toy.sched, t));
    fill(original, 4, NUMEL);
    memcpy(distilled, original, sizeof distilled);
    sample(&toy, 16, "v", linear, slopes, original);
    float before[NUMEL];
    memcpy(before, distilled, sizeof before);
    sample(&toy, 2, "v", linear, slopes, before);
    for (toy.num_steps = 8; toy.num_steps >= 2; toy.num_steps /= 2) {
        static double taught[100];
        mcvdi_teacher *teacher = make_teacher(&toy, 1, linear, slopes);
        memcpy(taught, slopes, sizeof taught);
        for (int i = 0; i < toy.num_steps; i++) {
            const int t = mcvdi_teacher_timestep(teacher, i);
            teach_step(&toy, teacher, &weighting, t, &taught[t]);
        }
        memcpy(slopes, taught, sizeof slopes);
        mcvdi_teacher_free(&teacher);
    }
    sample(&toy, 2, "v", linear, slopes, distilled);
    check_all_close(__FILE__, __LINE__, "distilled", distilled, original, NUMEL, 1e-4);
    double apart = 0.0; /* two steps of the untaught network would not do */
    for (size_t k = 0; k < NUMEL; k++)
        apart = fmax(apart, fabs((double)before[k] - (double)original[k]));
    CHECK_TRUE(apart > 0.01);
    mcvd_schedule_free(&toy.sched);
}

/* --- plans --- */

static void test_rounds(void **state)
{
    const mcvdi_distill_plan plain = { .from = 64, .to = 8 };
    const mcvdi_distill_plan converts = { .from = 64, .to = 8, .converts = true };
    static const int of_plain[] = { 64, 32, 16, 8 };
    static const int of_converts[] = { 64, 64, 32, 16, 8 };

    (void)state;
    CHECK_EQ(mcvdi_distill_rounds(&plain), 3);
    for (int k = 0; k <= 3; k++)
        CHECK_EQ(mcvdi_distill_steps(&plain, k), of_plain[k]);
    CHECK_EQ(mcvdi_distill_rounds(&converts), 4);
    for (int k = 0; k <= 4; k++)
        CHECK_EQ(mcvdi_distill_steps(&converts, k), of_converts[k]);
}

static void test_where_to_begin(void **state)
{
    mcvd_config config;

    (void)state;
    mcvd_config_default(&config);
    config.sampling.subsample = 100;
    CHECK_EQ(mcvd_distill_from(&config, 8), 128);
    config.sampling.subsample = 5;
    CHECK_EQ(mcvd_distill_from(&config, 2), 8);
    CHECK_EQ(mcvd_distill_from(&config, 8), 16);
    config.sampling.subsample = 1000;
    CHECK_EQ(mcvd_distill_from(&config, 300), 600);
    CHECK_EQ(mcvd_distill_from(&config, 501), 0);
}

static void test_the_record_comes_back(void **state)
{
    const mcvdi_distill_plan plan = { 8, 2, true, 300, 64 };
    static mcvd_distill_report report, read;
    mcvdi_distill_plan plan_read;
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];

    (void)state;
    make_test_folder(folder);
    test_path(path, folder, "distill.json");
    report.done = 2;
    for (int k = 1; k <= 2; k++) {
        mcvd_distill_stage *s = &report.stages[k - 1];
        mcvdi_distill_stage_of(s, &plan, k);
        s->quality = (mcvd_distill_quality) { { 17.1 / 3.0, 0.5 / k },
                                              { 18.3, (double)NAN },
                                              { 19.7, 0.7 },
                                              k == 1 ? (double)INFINITY : 30.1,
                                              29.9 };
    }
    CHECK_OK(mcvdi_distill_write(&plan, &report, path));
    CHECK_OK(mcvdi_distill_read(&plan_read, &read, path));
    CHECK_EQ(plan_read.from, 8);
    CHECK_EQ(plan_read.to, 2);
    CHECK_TRUE(plan_read.converts);
    CHECK_EQ(plan_read.round_steps, 300);
    CHECK_EQ(plan_read.windows, 64);
    CHECK_EQ(read.done, 2);
    assert_string_equal(read.stages[0].file, "stage-8-steps.safetensors");
    assert_string_equal(read.stages[1].file, "stage-4-steps.safetensors");
    CHECK_TRUE(isinf(read.stages[0].quality.psnr_to_teacher));
    CHECK_TRUE(isnan(read.stages[0].quality.teacher.ssim));
    CHECK_CLOSE(read.stages[1].quality.student.psnr, 17.1 / 3.0, 0.0);
    CHECK_CLOSE(read.stages[1].quality.psnr_to_teacher, 30.1, 0.0);
    remove_test_folder(folder);
}

static void test_damaged_records_are_refused(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[1]",
        "{\"from\":8,\"to\":16,\"converts\":false,\"iterations\":5,\"windows\":4,\"stages\":[]}",
        "{\"from\":8.5,\"to\":2,\"converts\":false,\"iterations\":5,\"windows\":4,\"stages\":[]}",
        "{\"from\":8,\"to\":4,\"converts\":false,\"iterations\":5,\"windows\":4,\"stages\":[{}]}",
        "{\"from\":8,\"to\":8,\"converts\":false,\"iterations\":5,\"windows\":4,\"stages\":[1,2]}",
        "{\"from\":8,\"to\":2,\"converts\":false,\"iterations\":0,\"windows\":4,\"stages\":[]}",
        "{\"from\":8,\"to\":2,",
    };
    static mcvd_distill_report report;
    mcvdi_distill_plan plan;
    char folder[TEST_PATH_BYTES];
    char path[TEST_PATH_BYTES];

    (void)state;
    make_test_folder(folder);
    test_path(path, folder, "distill.json");
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        FILE *file = fopen(path, "w");
        CHECK_TRUE(file && fputs(texts[k], file) >= 0 && fclose(file) == 0);
        CHECK_STATUS(mcvdi_distill_read(&plan, &report, path), MCVD_E_INPUT);
    }
    remove_test_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grids_nest_for_every_number_of_timesteps),
        cmocka_unit_test(test_one_step_with_the_target_lands_where_two_do),
        cmocka_unit_test(test_a_perfect_student_samples_like_its_teacher),
        cmocka_unit_test(test_conversion_asks_once),
        cmocka_unit_test(test_teachers_without_memory),
        cmocka_unit_test(test_a_linear_student_learns_its_teachers_map),
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_where_to_begin),
        cmocka_unit_test(test_the_record_comes_back),
        cmocka_unit_test(test_damaged_records_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
