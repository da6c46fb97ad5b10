/* A model behind the likelihoods: memory, refusals, and what a block's numbers depend on. */
#include <mcvd/model_likelihood.h>

#include "support/failing.h"
#include "support/random_model.h"

enum { SIDE = 16, FRAMES = 2, KNOWN = 3 };
enum { N = FRAMES * SIDE * SIDE, COND = KNOWN * SIDE * SIDE };

static mcvd_model *make_model(void)
{
    const mcvd_config config = window_config((window_shape) { 2, FRAMES, 1, 1, false });
    mcvd_model *model = NULL;

    CHECK_OK(mcvd_model_create(&model, &config, 1));
    return model;
}

static mcvd_model_likelihood_config small_config(void)
{
    mcvd_model_likelihood_config config = mcvd_model_likelihood_config_default();

    config.num_terms = 3;
    config.batch = 2;
    config.solver = MCVD_ODE_HEUN;
    config.num_steps = 2;
    return config;
}

static mcvd_status create(void **object, const void *argument)
{
    const mcvd_model_likelihood_config config = small_config();

    return mcvd_model_likelihood_create((mcvd_model_likelihood **)object, argument, &config);
}

static void destroy(void **object)
{
    mcvd_model_likelihood_free((mcvd_model_likelihood **)object);
}

static void test_create_without_memory(void **state)
{
    mcvd_model *model = make_model();

    (void)state;
    CHECK_TRUE(check_failing_allocations(create, destroy, model) > 10);
    mcvd_model_free(&model);
}

static uint8_t frames[N];
static float cond[COND];

static mcvd_likelihood_block make_block(uint64_t number)
{
    for (size_t i = 0; i < N; i++)
        frames[i] = hashed_byte("frames", (uint32_t)i);
    for (size_t i = 0; i < COND; i++)
        cond[i] = tanhf(hashed_gauss("cond", (uint32_t)i));
    return (mcvd_likelihood_block) { frames, cond, true, number };
}

/* Each refused allocation of a block fails it, and the next block is as if nothing had been. */
static void test_block_without_memory(void **state)
{
    const mcvd_model_likelihood_config config = small_config();
    const mcvd_likelihood_block block = make_block(0);
    mcvd_model *model = make_model();
    mcvd_model_likelihood *l = NULL;
    mcvd_block_likelihood first;
    mcvd_block_likelihood again;

    (void)state;
    CHECK_OK(mcvd_model_likelihood_create(&l, model, &config));
    CHECK_OK(mcvd_model_likelihood_block(l, &block, &first));
    const uint64_t live = mcvdi_alloc_stats_get().live;
    long n = 0;
    mcvd_status st = MCVD_E_NOMEM;
    while (st != MCVD_OK) {
        mcvdi_alloc_fail_after(n++);
        st = mcvd_model_likelihood_block(l, &block, &again);
        mcvdi_alloc_fail_after(-1);
        if (st != MCVD_OK)
            CHECK_STATUS(st, MCVD_E_NOMEM);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
    }
    CHECK_TRUE(n > 15); /* seven buffers of the bound, and more of the flow */
    CHECK_CLOSE(again.bound, first.bound, 0.0);
    CHECK_CLOSE(again.flow, first.flow, 0.0);
    mcvd_model_likelihood_free(&l);
    mcvd_model_free(&model);
}

static void test_what_a_block_depends_on(void **state)
{
    const mcvd_model_likelihood_config config = small_config();
    mcvd_likelihood_block block = make_block(0);
    mcvd_model *model = make_model();
    mcvd_model_likelihood *l = NULL;
    mcvd_block_likelihood first;
    mcvd_block_likelihood other;

    (void)state;
    CHECK_OK(mcvd_model_likelihood_create(&l, model, &config));
    CHECK_EQ(mcvd_model_likelihood_numel(l), N);
    CHECK_OK(mcvd_model_likelihood_block(l, &block, &first));
    block.number = 1; /* other draws */
    CHECK_OK(mcvd_model_likelihood_block(l, &block, &other));
    CHECK_TRUE(other.bound != first.bound && other.flow != first.flow);
    block.number = 65536;
    CHECK_STATUS(mcvd_model_likelihood_block(l, &block, &other), MCVD_E_RANGE);
    block = make_block(0);
    block.cond = NULL;
    CHECK_STATUS(mcvd_model_likelihood_block(l, &block, &other), MCVD_E_STATE);
    block.cond = cond;
    CHECK_OK(mcvd_model_likelihood_block(l, &block, &other));
    CHECK_CLOSE(other.bound, first.bound, 0.0);
    CHECK_CLOSE(other.flow, first.flow, 0.0);
    mcvd_model_likelihood_free(&l);
    mcvd_model_free(&model);
}

static void test_refusals(void **state)
{
    mcvd_model *model = make_model();
    mcvd_model_likelihood_config config = small_config();
    mcvd_model_likelihood *l = NULL;

    (void)state;
    config.bound = config.flow = false;
    CHECK_STATUS(mcvd_model_likelihood_create(&l, model, &config), MCVD_E_USAGE);
    CHECK_TRUE(l == NULL);
    config.bound = true;
    config.num_terms = 100;
    CHECK_STATUS(mcvd_model_likelihood_create(&l, model, &config), MCVD_E_RANGE);
    CHECK_MESSAGE("99");
    config = small_config();
    config.samples = 0;
    CHECK_STATUS(mcvd_model_likelihood_create(&l, model, &config), MCVD_E_RANGE);
    mcvd_model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_without_memory),
        cmocka_unit_test(test_block_without_memory),
        cmocka_unit_test(test_what_a_block_depends_on),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
