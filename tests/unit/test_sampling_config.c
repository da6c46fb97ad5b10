/* Schedules and samplers from configurations, and what is refused. */
#include <mcvd/sampler.h>

#include <stdio.h>
#include <string.h>

#include "diffusion/parameterisation.h"
#include "support/check.h"

static mcvd_config config_with(const char *const *sets)
{
    mcvd_config config;

    mcvd_config_default(&config);
    for (; *sets; sets++)
        CHECK_OK(mcvd_config_set(&config, *sets));
    return config;
}

/* The configuration's list is the table of samplers, in its order. */
static void test_names_are_those_of_the_table(void **state)
{
    char names[512] = "";
    size_t count = 0;

    (void)state;
    for (; mcvd_sampler_name(count); count++) {
        strcat(names, count ? "|" : "");
        strcat(names, mcvd_sampler_name(count));
    }
    CHECK_EQ(count, 13);
    assert_string_equal(names, MCVD_SAMPLER_NAMES);
}

static void test_versions_name_samplers(void **state)
{
    static const char *const cases[][3] = {
        { "model.version=DDPM", NULL, "ddpm" },
        { "model.version=DDPM", "sampling.consistent=true", "ddpm" },
        { "model.version=DDIM", NULL, "ddim" },
        { "model.version=FPNDM", NULL, "pndm" },
        { "model.version=SMLD", NULL, "langevin" },
        { "model.version=SMLD", "sampling.consistent=true", "cas" },
        { "model.version=SMLD", "sampling.sampler=pc", "pc" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *sets[] = { cases[i][0], cases[i][1], NULL };
        const mcvd_config config = config_with(sets);
        assert_string_equal(mcvd_sampler_of_config(&config), cases[i][2]);
    }
}

static void test_keys_reach_the_sampler(void **state)
{
    static const char *const sets[] = {
        "sampling.sampler=pc",        "sampling.spacing=quadratic",   "sampling.subsample=40",
        "sampling.clip_before=false", "sampling.dynamic_clip=0.99",   "sampling.recompute_eps=true",
        "sampling.denoise=false",     "sampling.denoise_label=count", "sampling.eta=0.25",
        "sampling.variance=large",    "sampling.init_prev_t=0.5",     "sampling.corrector_steps=3",
        "sampling.corrector_snr=0.2", "sampling.step_lr=0.001",       "sampling.n_steps_each=7",
        "model.gamma=true",           "model.prediction=v",           NULL
    };
    const mcvd_config config = config_with(sets);
    const mcvd_sampler_config c = mcvd_sampler_config_of(&config);

    (void)state;
    assert_string_equal(c.name, "pc");
    assert_string_equal(c.prediction, "v");
    CHECK_EQ(c.spacing, MCVD_SPACING_QUADRATIC);
    CHECK_EQ(c.num_steps, 40);
    CHECK_TRUE(!c.clip && !c.denoise && c.recompute_eps_after_clip && c.just_beta && c.gamma_noise);
    CHECK_CLOSE(c.dynamic_clip, 0.99, 0.0);
    CHECK_EQ(c.denoise_label, MCVD_DENOISE_COUNT_LABEL);
    CHECK_CLOSE(c.eta, 0.25, 0.0);
    CHECK_CLOSE(c.t_min, 0.5, 0.0);
    CHECK_EQ(c.corrector_steps, 3);
    CHECK_CLOSE(c.corrector_snr, 0.2, 0.0);
    CHECK_CLOSE(c.step_size, 0.001, 0.0);
    CHECK_EQ(c.steps_per_level, 7);
}

/* What an empty key means; subsample at or above T is all steps, as in published files. */
static void test_empty_keys_leave_it_to_the_method(void **state)
{
    static const struct {
        const char *sampler;
        mcvd_spacing spacing;
    } cases[] = {
        { "sampling.sampler=ddpm", MCVD_SPACING_UNIFORM },
        { "sampling.sampler=ddim", MCVD_SPACING_UNIFORM },
        { "sampling.sampler=pndm", MCVD_SPACING_UNIFORM },
        { "sampling.sampler=euler-maruyama", MCVD_SPACING_UNIFORM },
        { "sampling.sampler=euler", MCVD_SPACING_LOG_SNR },
        { "sampling.sampler=heun", MCVD_SPACING_LOG_SNR },
        { "sampling.sampler=dpm++2m", MCVD_SPACING_LOG_SNR },
        { "sampling.sampler=dpm++2m-sde", MCVD_SPACING_LOG_SNR },
        { "sampling.sampler=unipc", MCVD_SPACING_LOG_SNR },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const sets[] = { cases[i].sampler, "sampling.subsample=1000", NULL };
        const mcvd_config config = config_with(sets);
        const mcvd_sampler_config c = mcvd_sampler_config_of(&config);
        CHECK_EQ(c.spacing, cases[i].spacing);
        CHECK_EQ(c.num_steps, 0);
        CHECK_CLOSE(c.eta, -1.0, 0.0);
        CHECK_EQ(c.steps_per_level, 5);
        CHECK_CLOSE(c.step_size, 0.0, 0.0);
        CHECK_OK(mcvd_sampler_check_config(&config));
    }
}

/* Files of the first version hold eta 0, which every sampler takes: ddim means the same by it, and
 * euler-maruyama the probability flow. */
static void test_a_stored_eta_of_0_suits_every_sampler(void **state)
{
    (void)state;
    for (size_t i = 0; mcvd_sampler_name(i); i++) {
        const char *name = mcvd_sampler_name(i);
        char sampler[64];
        const bool ve = strcmp(name, "langevin") == 0 || strcmp(name, "cas") == 0;
        const char *const sets[] = { sampler, "sampling.eta=0", "sampling.subsample=10",
                                     ve ? "model.sigma_dist=geometric" : NULL, NULL };
        snprintf(sampler, sizeof sampler, "sampling.sampler=%s", name);
        const mcvd_config config = config_with(sets);
        CHECK_OK(mcvd_sampler_check_config(&config));
    }
}

static void test_bad_combinations_are_refused(void **state)
{
    static const char *const cases[][5] = {
        { "sampling.sampler=langevin", NULL, NULL, NULL, "langevin does not suit a vp process" },
        { "sampling.sampler=cas", NULL, NULL, NULL, "cas does not suit a vp process" },
        { "sampling.sampler=heun", "sampling.eta=1", NULL, NULL, "heun takes no eta" },
        { "sampling.sampler=pc", "model.sigma_dist=flow", "model.prediction=flow", NULL,
          "pc does not suit a flow process" },
        { "sampling.sampler=euler-maruyama", "sampling.spacing=logsnr", NULL, NULL,
          "in equal steps" },
        { "sampling.sampler=euler-maruyama", "model.zero_terminal_snr=true", "model.prediction=v",
          NULL, "no continuous form" },
        { "sampling.sampler=heun", "model.gamma=true", NULL, NULL, "gamma noise belongs to" },
        { "sampling.sampler=ddim", "model.gamma=true", "sampling.eta=0.5", NULL, "gamma noise" },
        { "sampling.sampler=cas", "model.sigma_dist=geometric", "sampling.step_lr=1", NULL,
          "step_size = 1" },
        /* 100 levels of 1000 end before sigma_end, whose square alone would allow it. */
        { "sampling.sampler=cas", "model.sigma_dist=geometric", "sampling.step_lr=1.1e-10", NULL,
          "for 100 levels of 5" },
        { "sampling.sampler=ddim", "sampling.init_prev_t=0.999", NULL, NULL,
          "init_prev_t) leaves none" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mcvd_config config = config_with(cases[i]);
        const mcvd_status st = mcvd_sampler_check_config(&config);
        CHECK_TRUE(st == MCVD_E_CONFIG || st == MCVD_E_RANGE);
        CHECK_MESSAGE(cases[i][4]);
    }
}

/* mcvd_config_check says what mcvdi_parameterisation_check says, for every pair. */
static void test_both_checks_of_predictions_agree(void **state)
{
    static const char *const kinds[] = { "linear", "cosine", "geometric", "flow" };
    static const char *const predictions[] = { "eps", "v", "x0", "score", "flow" };
    int allowed = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 5; j++)
            for (int zero = 0; zero < (i < 2 ? 2 : 1); zero++) {
                mcvd_config config;
                mcvd_schedule *sched = NULL;
                const mcvdi_parameterisation *param = NULL;
                mcvd_config_default(&config);
                strcpy(config.model.sigma_dist, kinds[i]);
                strcpy(config.model.prediction, predictions[j]);
                config.model.zero_terminal_snr = zero;
                CHECK_OK(mcvd_schedule_of_config(&sched, &config.model));
                CHECK_OK(mcvdi_parameterisation_find(&param, predictions[j]));
                const mcvd_status st = mcvdi_parameterisation_check(param, sched);
                CHECK_EQ(mcvd_config_check(&config), st);
                allowed += st >= 0;
                mcvd_schedule_free(&sched);
            }
    CHECK_EQ(allowed, 5 + 5 + 3 + 3 + 4 + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_those_of_the_table),
        cmocka_unit_test(test_versions_name_samplers),
        cmocka_unit_test(test_keys_reach_the_sampler),
        cmocka_unit_test(test_empty_keys_leave_it_to_the_method),
        cmocka_unit_test(test_a_stored_eta_of_0_suits_every_sampler),
        cmocka_unit_test(test_bad_combinations_are_refused),
        cmocka_unit_test(test_both_checks_of_predictions_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
