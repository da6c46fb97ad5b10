/* Command lines against a table: every type, every way to write it, every mistake. */
#include "cli/parse.h"

#include "cli/fail.h"
#include "support/check.h"

typedef struct thing_args {
    const char *input;
    mcvdi_arg_list rest;
    int64_t frames;
    int64_t steps;
    double eta;
    const char *out;
    const char *task;
    const char *kind;
    mcvdi_arg_list sets;
    bool force;
} thing_args;

static const char *kind_name(size_t i)
{
    static const char *const names[] = { "euler", "heun" };
    return i < 2 ? names[i] : NULL;
}

static const mcvdi_arg args[] = {
    { .name = "INPUT",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "a video",
      .offset = offsetof(thing_args, input) },
    { .name = "MORE",
      .type = MCVDI_ARG_LIST,
      .help = "more videos",
      .offset = offsetof(thing_args, rest) },
    { .name = "--frames",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 100,
      .fallback = "28",
      .help = "",
      .offset = offsetof(thing_args, frames) },
    { .name = "--steps",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .help = "",
      .offset = offsetof(thing_args, steps) },
    { .name = "--eta",
      .type = MCVDI_ARG_REAL,
      .value = "X",
      .min = 0,
      .max = 1,
      .fallback = "0.5",
      .help = "",
      .offset = offsetof(thing_args, eta) },
    { .name = "--out",
      .short_name = "-o",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "",
      .offset = offsetof(thing_args, out) },
    { .name = "--task",
      .type = MCVDI_ARG_CHOICE,
      .value = "WORD",
      .choices = "predict|interp",
      .fallback = "predict",
      .help = "",
      .offset = offsetof(thing_args, task) },
    { .name = "--kind",
      .type = MCVDI_ARG_CHOICE,
      .value = "NAME",
      .choice_name = kind_name,
      .choice_help = kind_name,
      .help = "",
      .offset = offsetof(thing_args, kind) },
    { .name = "--set",
      .type = MCVDI_ARG_LIST,
      .value = "K=V",
      .help = "",
      .offset = offsetof(thing_args, sets) },
    { .name = "--force",
      .type = MCVDI_ARG_FLAG,
      .help = "",
      .offset = offsetof(thing_args, force) },
};
static const mcvdi_arg_table table = { "thing", "About.", args, sizeof args / sizeof args[0],
                                       NULL };

/* Words separated by single spaces; "_" stands for an empty word. */
static mcvd_status parse(thing_args *a, const char *line)
{
    static char copy[256];
    char *argv[32] = { (char *)(uintptr_t) "thing" };
    int argc = 1;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
    memset(a, 0, sizeof *a);
    a->steps = -7;
    return mcvdi_args_parse(&table, argc, argv, a);
}

static void good(void **state)
{
    thing_args a;
    (void)state;
    CHECK_OK(parse(&a, "in.mp4"));
    assert_string_equal(a.input, "in.mp4");
    CHECK_EQ(a.frames, 28);
    CHECK_EQ(a.steps, -7); /* without a fallback the caller's value stays */
    CHECK_CLOSE(a.eta, 0.5, 0.0);
    assert_string_equal(a.task, "predict");
    CHECK_TRUE(!a.out && !a.force && a.sets.count == 0 && a.rest.count == 0);

    CHECK_OK(parse(&a, "--frames 3 in --eta=0.25 -o x --set a=1 --force --set=b=2 --task interp"));
    assert_string_equal(a.input, "in");
    CHECK_EQ(a.frames, 3);
    CHECK_CLOSE(a.eta, 0.25, 0.0);
    assert_string_equal(a.out, "x");
    assert_string_equal(a.task, "interp");
    CHECK_TRUE(a.force);
    CHECK_EQ(a.sets.count, 2);
    assert_string_equal(a.sets.values[0], "a=1");
    assert_string_equal(a.sets.values[1], "b=2");
}

static void odd_but_good(void **state)
{
    thing_args a;
    (void)state;
    CHECK_OK(parse(&a, "- one two")); /* stdin, and a list that takes the rest */
    assert_string_equal(a.input, "-");
    CHECK_EQ(a.rest.count, 2);
    assert_string_equal(a.rest.values[1], "two");
    CHECK_OK(parse(&a, "in -o -"));
    assert_string_equal(a.out, "-");
    CHECK_OK(parse(&a, "in --kind heun"));
    assert_string_equal(a.kind, "heun");
    CHECK_OK(parse(&a, "--steps -3 in"));
    CHECK_EQ(a.steps, -3);
    CHECK_OK(parse(&a, "--frames 3 --frames 4 in"));
    CHECK_EQ(a.frames, 4); /* the last one counts */
    CHECK_OK(parse(&a, "-- --force --"));
    assert_string_equal(a.input, "--force");
    assert_string_equal(a.rest.values[0], "--");
    CHECK_TRUE(!a.force);
    CHECK_OK(parse(&a, "--out= in"));
    assert_string_equal(a.out, "");
    CHECK_OK(parse(&a, "--out=--force in"));
    assert_string_equal(a.out, "--force");
}

static void mistakes(void **state)
{
    static const char *const cases[][2] = {
        { "", "thing: INPUT is missing: a video" },
        { "in --frames", "thing: --frames needs a value: expected N, found the end" },
        { "in --out --force", "thing: --out needs a value: expected FILE, found --force" },
        { "in --frames 12x", "thing: --frames: expected an integer in 1..100, found '12x'" },
        { "in --frames 0", "expected an integer in 1..100, found '0'" },
        { "in --frames=101", "found '101'" },
        { "in --frames=", "found ''" },
        { "in --frames _", "found ''" },
        { "in --frames 1.5", "found '1.5'" },
        { "in --steps 99999999999999999999", "thing: --steps: expected an integer, found" },
        { "in --eta nan", "expected a number in 0..1, found 'nan'" },
        { "in --eta 1.01", "found '1.01'" },
        { "in --eta 0,5", "found '0,5'" },
        { "in --task fly", "thing: --task: expected one of predict|interp, found 'fly'" },
        { "in --task predic", "found 'predic', the nearest is predict" },
        { "in --task interp|predict", "found 'interp|predict'" },
        { "in --kind huen",
          "thing: --kind: expected one of euler|heun, found 'huen', the nearest is heun" },
        { "in --kind _", "--kind: expected one of euler|heun, found ''" },
        { "in --force=1", "thing: --force takes no value, found '1'" },
        { "in --fame 3", "thing: unknown option '--fame', the nearest is --frames" },
        { "in --ou=3", "the nearest is --out" },
        { "in -x", "unknown option '-x'" },
        { "in -oFILE", "unknown option '-oFILE'" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thing_args a;
        const mcvd_status st = parse(&a, cases[i][0]);
        CHECK_EQ(st, MCVD_E_USAGE);
        if (!strstr(mcvdi_cli_message(), cases[i][1]))
            fail_msg("'%s' said '%s', expected '%s'", cases[i][0], mcvdi_cli_message(),
                     cases[i][1]);
    }
}

static void lists_have_an_end(void **state)
{
    char *argv[MCVDI_ARG_LIST_MAX + 3];
    thing_args a = { 0 };
    (void)state;
    for (int i = 0; i < MCVDI_ARG_LIST_MAX + 3; i++)
        argv[i] = (char *)(uintptr_t) "x";
    CHECK_OK(mcvdi_args_parse(&table, MCVDI_ARG_LIST_MAX + 2, argv, &a));
    CHECK_EQ(a.rest.count, MCVDI_ARG_LIST_MAX);
    a.rest.count = 0;
    CHECK_EQ(mcvdi_args_parse(&table, MCVDI_ARG_LIST_MAX + 3, argv, &a), MCVD_E_USAGE);
}

static void nearest(void **state)
{
    static const char *const names[] = { "train", "rollout", "eval" };
    (void)state;
    assert_string_equal(mcvdi_nearest_name("tarin", names, 3), "train");
    assert_string_equal(mcvdi_nearest_name("evaluate", names, 3), "eval");
    CHECK_TRUE(mcvdi_nearest_name("x", names, 0) == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),     cmocka_unit_test(odd_but_good),
        cmocka_unit_test(mistakes), cmocka_unit_test(lists_have_an_end),
        cmocka_unit_test(nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
