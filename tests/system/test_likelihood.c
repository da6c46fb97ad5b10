/* mcvd likelihood as a person runs it: its numbers against the same ones made by hand from the
 * frames of the clip and single calls of the network, and how it fails. */
#include <time.h>

#include <mcvd/likelihood.h>

#include "core/json.h"
#include "support/rollout_cli.h"

enum { PAST = 2, FRAMES = 2, FUTURE = 1, KNOWN = PAST + FUTURE };
enum { N = FRAMES * CLIP_BYTES, COND = KNOWN * CLIP_BYTES };

static pid_t start_likelihood(const program_run *run, const char *arguments)
{
    char text[1024];
    char *argv[PROGRAM_MAX_ARGS] = { (char *)MCVD_TEST_PROGRAM, (char *)"likelihood" };
    char *rest = NULL;
    int argc = 2;

    CHECK_TRUE(strlen(arguments) < sizeof text);
    strcpy(text, arguments);
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        CHECK_TRUE(argc + 1 < PROGRAM_MAX_ARGS);
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return program_start(run, argv, place.log);
}

static program_run likelihood(const char *arguments)
{
    program_run run = { 0 };

    program_wait(&run, start_likelihood(&run, arguments), place.log);
    return run;
}

static cJSON *likelihood_json(const char *arguments)
{
    const program_run run = likelihood(arguments);
    cJSON *json = NULL;

    if (run.status != 0)
        fail_msg("mcvd likelihood %s: exit %d, %s", arguments, run.status, run.err);
    CHECK_OK(mcvdi_json_parse(&json, run.out, strlen(run.out), "output"));
    return json;
}

static double number(const cJSON *json, const char *part, const char *key)
{
    const cJSON *object = cJSON_GetObjectItem(json, part);
    const cJSON *item =
        cJSON_GetObjectItem(cJSON_IsArray(object) ? cJSON_GetArrayItem(object, 0) : object, key);

    if (!cJSON_IsNumber(item))
        fail_msg("no number %s.%s", part, key);
    return item->valuedouble;
}

/* --- by hand --- */

typedef struct by_hand {
    mcvd_model *model;
    mcvd_network *network; /* of one sample, with gradients */
    mcvd_schedule *schedule;
    float cond[COND];
    float mask;
} by_hand;

static mcvd_status call(by_hand *h, const double *x, double t, const float *v, float *out,
                        float *vj)
{
    float xf[N];
    const mcvd_network_input in = { .x = xf, .t = &t, .cond = h->cond, .cond_mask = &h->mask };

    for (size_t i = 0; i < N; i++)
        xf[i] = (float)x[i];
    return v ? mcvd_network_vjp(h->network, &in, v, out, vj)
             : mcvd_network_forward(h->network, &in, out);
}

static mcvd_status predict(void *user, const double *x, const double *t, size_t batch, double *out)
{
    float of[N];

    for (size_t b = 0; b < batch; b++) {
        CHECK_OK(call(user, x + b * N, t[b], NULL, of, NULL));
        for (size_t i = 0; i < N; i++)
            out[b * N + i] = (double)of[i];
    }
    return MCVD_OK;
}

static mcvd_status vjp(void *user, const double *x, double t, const double *v, double *out,
                       double *vj)
{
    float vf[N];
    float of[N];
    float vjf[N];

    for (size_t i = 0; i < N; i++)
        vf[i] = (float)v[i];
    CHECK_OK(call(user, x, t, vf, of, vjf));
    for (size_t i = 0; i < N; i++) {
        out[i] = (double)of[i];
        vj[i] = (double)vjf[i];
    }
    return MCVD_OK;
}

static void open_by_hand(by_hand *h, const char *path)
{
    const mcvd_network_config nc = { .batch = 1, .gradient = true };

    CHECK_OK(mcvd_model_load(&h->model, path, NULL));
    CHECK_OK(mcvd_network_create(&h->network, h->model, &nc));
    CHECK_OK(mcvd_schedule_of_config(&h->schedule, &mcvd_model_get_config(h->model)->model));
}

static void close_by_hand(by_hand *h)
{
    mcvd_network_free(&h->network);
    mcvd_schedule_free(&h->schedule);
    mcvd_model_free(&h->model);
}

/* Channel k of the condition is frame `frame` of the clip. */
static void give(by_hand *h, int k, int frame)
{
    for (int p = 0; p < CLIP_BYTES; p++)
        h->cond[p * KNOWN + k] = (float)(2.0 * clip_pixel(frame, p) / 255.0 - 1.0);
}

typedef struct task_case {
    const char *task;
    int first; /* frame of the first block */
    int blocks;
    bool past, future;
} task_case;

/* Of 12 frames, 2 past, 2 new, 1 future. */
static const task_case tasks[] = {
    { "predict", 2, 5, true, false },
    { "predict-past", 0, 5, false, true },
    { "interp", 2, 4, true, true },
    { "generate", 0, 6, false, false },
};

static void set_block(by_hand *h, const task_case *c, int block, uint8_t *levels)
{
    const int at = c->first + block * FRAMES;
    const bool past = c->past || (strcmp(c->task, "generate") == 0 && block > 0);

    memset(h->cond, 0, sizeof h->cond);
    for (int k = 0; past && k < PAST; k++)
        give(h, k, at - PAST + k);
    for (int k = 0; c->future && k < FUTURE; k++)
        give(h, PAST + k, at + FRAMES + k);
    h->mask = past ? 1.0f : 0.0f;
    for (int f = 0; f < FRAMES; f++)
        for (int p = 0; p < CLIP_BYTES; p++)
            levels[p * FRAMES + f] = clip_pixel(at + f, p);
}

/* Means over two blocks, two samples, two probes. */
static void means_by_hand(by_hand *h, const task_case *c, double *bound, double *flow)
{
    const mcvd_likelihood_net net = { .predict = predict, .vjp = vjp, .user = h };
    uint8_t levels[N];
    double x0[N];

    *bound = *flow = 0.0;
    for (int block = 0; block < 2; block++) {
        const mcvd_bound_config bc = { .prediction = "eps",
                                       .numel = N,
                                       .batch = 1,
                                       .num_terms = 5,
                                       .samples = 2,
                                       .seed = 7,
                                       .block = (uint64_t)block };
        mcvd_bound b;

        set_block(h, c, block, levels);
        mcvd_levels_to_double(x0, levels, N);
        CHECK_OK(mcvd_bound_run(&b, &bc, h->schedule, &net, x0));
        *bound += mcvd_bits_of_mass(b.prior + b.terms + b.reconstruction, N) / 2.0;
        for (uint64_t sample = 0; sample < 2; sample++) {
            mcvd_ode_config oc = mcvd_ode_config_default();
            mcvd_ode_result o;

            oc.numel = N;
            oc.solver = MCVD_ODE_HEUN;
            oc.num_steps = 4;
            oc.probes = 2;
            oc.seed = 7;
            oc.block = (uint64_t)block;
            oc.sample = sample;
            mcvd_levels_dequantise(x0, levels, N, 7, oc.block, sample);
            CHECK_OK(mcvd_ode_run(&o, &oc, h->schedule, &net, x0));
            *flow += mcvd_bits_of_density(o.log_density, N) / 4.0;
        }
    }
}

/* Batches of 8 round other sums than single calls, relative 1e-6 a value: 1e-4 of the result. */
static void check_tasks(const char *model)
{
    char arguments[TEST_PATH_BYTES + 256];
    static by_hand h;

    memset(&h, 0, sizeof h);
    open_by_hand(&h, model);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        double bound;
        double flow;

        snprintf(arguments, sizeof arguments,
                 "clip.mkv --json --model %s --task %s --frames 5 --terms 5 --samples 2 --probes 2 "
                 "--steps 4 --seed 7",
                 model, tasks[i].task);
        cJSON *json = likelihood_json(arguments);
        means_by_hand(&h, &tasks[i], &bound, &flow);
        CHECK_CLOSE(number(json, "mean", "vlb"), bound, 1e-4 * fabs(bound));
        CHECK_CLOSE(number(json, "mean", "ode"), flow, 1e-4 * fabs(flow));
        CHECK_CLOSE(number(json, "videos", "vlb"), number(json, "mean", "vlb"), 0.0);
        CHECK_CLOSE(number(json, "mean", "prior") + number(json, "mean", "terms") +
                        number(json, "mean", "reconstruction"),
                    number(json, "mean", "vlb"), 1e-6 * fabs(bound));
        CHECK_TRUE(number(json, "mean", "vlb_error") > 0.0);
        CHECK_TRUE(number(json, "mean", "ode_error") > 0.0);
        CHECK_CLOSE(number(json, "mean", "vlb_calls"), 2 * 2 * 6, 0.0);
        CHECK_CLOSE(number(json, "mean", "ode_calls"), 2 * 2 * 4 * 2 * 2, 0.0);
        cJSON_Delete(json);
    }
    close_by_hand(&h);
}

static void numbers_are_those_made_by_hand(void **state)
{
    const mcvd_config told = window_config((window_shape) { 2, 2, 1, 1, true });

    (void)state;
    check_tasks(place.model);
    write_random_model(&told, "told.safetensors"); /* cond_emb: the mask is seen */
    check_tasks("told.safetensors");
    unlink("told.safetensors");
}

static void all_whole_blocks_are_scored(void **state)
{
    char arguments[256];

    (void)state;
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        snprintf(arguments, sizeof arguments,
                 "clip.mkv --json --task %s --method vlb --terms 1 --threads 1", tasks[i].task);
        cJSON *json = likelihood_json(arguments);
        CHECK_CLOSE(number(json, "mean", "blocks"), tasks[i].blocks, 0.0);
        CHECK_CLOSE(number(json, "mean", "frames"), tasks[i].blocks * FRAMES, 0.0);
        cJSON_Delete(json);
    }
}

static void text_says_what_was_done(void **state)
{
    static const char *const words[] = {
        "clip.mkv: 4 frames in 2 blocks: vlb ",
        "(prior ",
        "mean over all blocks: 8 frames in 4 blocks: vlb ",
        " bits/dim\n",
        "given the 2 true frames before it, those after it masked",
        "5 of 99 inner terms",
        "seed 3",
        "Dormand-Prince 5(4) in log sigma, tolerance 0.001",
        "2 normal probes for each of 1 uniform dequantisation draw\n",
        "standard error over the probes",
    };
    const char *arguments = "clip.mkv clip.mkv --frames 4 --terms 5 --probes 2 --gaussian "
                            "--tolerance 1e-3 --seed 3";
    const program_run run = likelihood(arguments);
    const program_run again = likelihood(arguments);

    (void)state;
    CHECK_EQ(run.status, 0);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strstr(run.out, words[i]))
            fail_msg("no '%s' in: %s", words[i], run.out);
    CHECK_TRUE(strcmp(run.out, again.out) == 0);
    CHECK_TRUE(strstr(run.err, "network calls") != NULL);
}

static void stdin_is_a_video(void **state)
{
    program_run run = { .input = "clip.y4m" };
    const char *arguments = "- --frames 4 --method vlb --terms 2";

    (void)state;
    write_clip("clip.y4m", CLIP_FRAMES);
    program_wait(&run, start_likelihood(&run, arguments), place.log);
    CHECK_EQ(run.status, 0);
    const program_run file = likelihood("clip.y4m --frames 4 --method vlb --terms 2");
    CHECK_TRUE(strcmp(strstr(run.out, ": 4 frames"), strstr(file.out, ": 4 frames")) == 0);
    unlink("clip.y4m");
}

/* --- failures --- */

typedef struct error_case {
    const char *arguments;
    int status;
    const char *words[3];
} error_case;

static const error_case errors[] = {
    { "", 2, { "VIDEO" } },
    { "nothere.mp4", 3, { "nothere.mp4" } },
    { "junk.mkv", 3, { "junk.mkv" } },
    { "http://localhost/x.mp4", 3, { "http://localhost/x.mp4" } },
    { "one.mkv", 3, { "one.mkv", "too short", "needs 4" } },
    { "one.mkv --task interp", 3, { "one.mkv", "needs 5" } },
    { "clip.mkv --set data.frame_step=9", 3, { "too short", "frame_step" } },
    { "clip.mkv --frames 1", 2, { "--frames 1", "2 frames" } },
    { "clip.mkv --terms 100", 2, { "--terms 100", "99" } },
    { "clip.mkv --steps 3 --tolerance 1e-3", 2, { "--steps", "--tolerance" } },
    { "clip.mkv --method vlb --steps 3", 2, { "--steps", "ode" } },
    { "clip.mkv --method guess", 2, { "--method", "guess" } },
    { "clip.mkv --tolerance 1", 2, { "--tolerance" } },
    { "clip.mkv --probes 0", 2, { "--probes" } },
    { "clip.mkv --set model.ngf=9", 2, { "model.ngf=9" } },
    { "- -", 2, { "stdin" } },
    { "-", 3, { "-" } },
    { "clip.mkv --model nothere.safetensors", 4, { "nothere.safetensors" } },
    { "clip.mkv --model junk.mkv", 4, { "junk.mkv" } },
    { "clip.mkv --model no_future.safetensors --task interp", 2, { "interp", "future" } },
    { "clip.mkv --model noisy.safetensors --method ode", 2, { "noise_in_cond", "bound" } },
    { "clip.mkv --model gamma.safetensors --method vlb", 2, { "model.gamma" } },
};

static int set_up(void **state)
{
    const mcvd_config no_future = window_config((window_shape) { 2, 2, 0, 1, false });
    mcvd_config config = window_config((window_shape) { 2, 2, 1, 1, false });

    rollout_set_up(state);
    write_random_model(&no_future, "no_future.safetensors");
    config.model.noise_in_cond = true;
    write_random_model(&config, "noisy.safetensors");
    config.model.noise_in_cond = false;
    config.model.gamma = true;
    write_random_model(&config, "gamma.safetensors");
    write_clip("one.mkv", 1);
    FILE *file = fopen("junk.mkv", "w");
    CHECK_TRUE(file != NULL);
    fputs("precious", file);
    fclose(file);
    return 0;
}

static void bad_input_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const error_case *c = &errors[i];
        const program_run run = likelihood(c->arguments);
        const char *line = strstr(run.err, "mcvd: error: ");

        if (run.status != c->status || !line || strchr(line, '\n')[1] || run.out[0])
            fail_msg("mcvd likelihood %s: exit %d, expected %d: %s%s", c->arguments, run.status,
                     c->status, run.err, run.out);
        for (size_t w = 0; w < 3 && c->words[w]; w++)
            if (!strstr(line, c->words[w]))
                fail_msg("mcvd likelihood %s: no '%s' in: %s", c->arguments, c->words[w], line);
    }
}

static void noise_in_cond_has_a_bound(void **state)
{
    const char *arguments = "clip.mkv --model noisy.safetensors --method vlb --terms 4 --json";

    (void)state;
    cJSON *a = likelihood_json(arguments);
    cJSON *b = likelihood_json(arguments);
    CHECK_TRUE(number(a, "mean", "vlb") > 0.0);
    CHECK_CLOSE(number(a, "mean", "vlb"), number(b, "mean", "vlb"), 0.0);
    cJSON_Delete(a);
    cJSON_Delete(b);
}

static void a_later_failure_leaves_whole_json(void **state)
{
    const program_run run = likelihood("clip.mkv one.mkv --method vlb --terms 1 --frames 2 --json");
    cJSON *json = NULL;

    (void)state;
    CHECK_EQ(run.status, 3);
    CHECK_OK(mcvdi_json_parse(&json, run.out, strlen(run.out), "output"));
    CHECK_TRUE(cJSON_IsNull(cJSON_GetObjectItem(json, "mean")));
    CHECK_TRUE(number(json, "videos", "vlb") > 0.0);
    cJSON_Delete(json);
}

static void ctrl_c_stops(void **state)
{
    const struct timespec second = { 1, 0 };
    program_run run = { 0 };
    const pid_t pid =
        start_likelihood(&run, "clip.mkv --method ode --steps 100000 --probes 4096 --threads 1");

    (void)state;
    nanosleep(&second, NULL);
    CHECK_EQ(kill(pid, SIGINT), 0);
    program_wait(&run, pid, place.log);
    CHECK_EQ(run.status, 130);
    CHECK_TRUE(run.out[0] == '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_made_by_hand),
        cmocka_unit_test(all_whole_blocks_are_scored),
        cmocka_unit_test(text_says_what_was_done),
        cmocka_unit_test(stdin_is_a_video),
        cmocka_unit_test(bad_input_is_told),
        cmocka_unit_test(noise_in_cond_has_a_bound),
        cmocka_unit_test(a_later_failure_leaves_whole_json),
        cmocka_unit_test(ctrl_c_stops),
    };
    return cmocka_run_group_tests(tests, set_up, rollout_tear_down);
}
