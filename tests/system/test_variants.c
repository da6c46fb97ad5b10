/* Every kind of network trains, leaves a model file, and is the same network when it comes back. */
#include <mcvd/model.h>
#include <mcvd/trainer.h>

#include "support/folder_fixture.h"
#include "support/tiny_unet.h"

enum { BATCH = 4, STEPS = 40, PIXELS = 8 * 8, FRAMES = 2, GIVEN = 3, MAX_COLOURS = 3 };

typedef struct still_clips {
    float x0[BATCH * PIXELS * FRAMES * MAX_COLOURS];
    float cond[BATCH * PIXELS * GIVEN * MAX_COLOURS];
    int32_t given[BATCH];
    mcvd_batch batch;
} still_clips;

/* Clips of one gray value each that nothing changes: easily learnt. */
static void make_clips(still_clips *c, const mcvd_config *config)
{
    const size_t colours = (size_t)config->data.channels;
    const size_t x_sample = PIXELS * FRAMES * colours;
    const size_t cond_sample = PIXELS * GIVEN * colours;

    for (size_t n = 0; n < BATCH; n++) {
        const float gray = (float)n / 2.0f - 0.75f;
        for (size_t i = 0; i < x_sample; i++)
            c->x0[n * x_sample + i] = gray;
        for (size_t i = 0; i < cond_sample; i++)
            c->cond[n * cond_sample + i] = gray;
        c->given[n] = 1;
    }
    c->batch = (mcvd_batch) { .batch_size = BATCH,
                              .image_size = 8,
                              .channels = colours,
                              .num_frames = FRAMES,
                              .num_frames_cond = 2,
                              .num_frames_future = 1,
                              .x0 = c->x0,
                              .cond = c->cond,
                              .cond_mask = c->given,
                              .future_mask = c->given };
}

static double loss_of(const mcvd_trainer *trainer, mcvd_network *network, const still_clips *c)
{
    double loss = 0.0;

    CHECK_OK(mcvd_trainer_validate(trainer, network, &c->batch, 5, &loss));
    return loss;
}

/* The trained network, read from its file, has the loss of the one in memory. */
static void check_file(const mcvd_trainer *trainer, const still_clips *c, double loss)
{
    const mcvd_network_config nc = { .batch = BATCH };
    char path[TEST_PATH_BYTES];
    mcvd_model *model = NULL;
    mcvd_network *network = NULL;

    test_path(path, folder, "model.safetensors");
    CHECK_OK(mcvd_trainer_export(trainer, path, false, NULL, true));
    CHECK_OK(mcvd_model_load(&model, path, NULL));
    CHECK_OK(mcvd_network_create(&network, model, &nc));
    CHECK_CLOSE(loss_of(trainer, network, c), loss, 0.0);
    mcvd_network_free(&network);
    mcvd_model_free(&model);
}

static void check_variant(const mcvd_config *base)
{
    static still_clips clips;
    mcvd_config config = *base;
    mcvd_trainer *trainer = NULL;
    mcvd_network *network = NULL;
    mcvd_step_report report = { 0 };

    config.training.task[0] = '\0';
    config.data.prob_mask_cond = config.model.cond_emb ? 0.5 : 0.0;
    config.data.prob_mask_future = 0.0;
    config.training.batch_size = BATCH;
    config.optim.lr = 0.01;
    config.optim.warmup = 0;
    config.model.ema = false;
    CHECK_OK(mcvd_config_check(&config));
    make_clips(&clips, &config);
    CHECK_OK(mcvd_trainer_create(&trainer, &config));
    CHECK_OK(mcvd_trainer_network(&network, trainer, BATCH));
    const double before = loss_of(trainer, network, &clips);
    for (int step = 0; step < STEPS; step++)
        CHECK_OK(mcvd_trainer_step(trainer, &clips.batch, &report));
    CHECK_OK(mcvd_trainer_refresh(network, trainer));
    const double after = loss_of(trainer, network, &clips);
    print_message("%s%s: loss %.4g, after %d steps %.4g\n", config.model.arch,
                  config.model.spade ? ", spade" : "", before, STEPS, after);
    CHECK_TRUE(after < 0.7 * before);
    check_file(trainer, &clips, after);
    mcvd_network_free(&network);
    mcvd_trainer_free(&trainer);
}

static void every_kind_trains(void **state)
{
    static const char *const archs[] = { "unetmore", "unetmore3d", "unetmorepseudo3d" };

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (int spade = 0; spade < 2; spade++) {
            mcvd_config config = tiny_variant(archs[i], spade);
            check_variant(&config);
        }
}

static void colours_dropout_and_mask_embedding_in_3d(void **state)
{
    mcvd_config config = tiny_variant("unetmore3d", true);

    (void)state;
    config.data.channels = 3;
    config.model.dropout = 0.1;
    config.model.cond_emb = true;
    check_variant(&config);
}

/* Only 2D networks start with an output of almost nothing: the others' last convolutions ignore
 * the small scale, as the reference's do. */
static void only_2d_starts_near_zero(void **state)
{
    static const char *const archs[] = { "unetmore", "unetmore3d", "unetmorepseudo3d" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const mcvdi_graph_options options = { .mode = MCVDI_INFER };
        const mcvd_config config = tiny_variant(archs[i], false);
        mcvdi_graph *g = NULL;
        mcvdi_unet net = { 0 };
        size_t small = 0;
        CHECK_OK(mcvdi_graph_create(&g, &options));
        CHECK_OK(mcvdi_unet_build(&net, g, &config, 1, 8, 8));
        CHECK_OK(mcvdi_graph_build_status(g));
        for (size_t k = 0; k < mcvdi_graph_num_params(g); k++) {
            const mcvdi_param *p = mcvdi_graph_get_param(g, k);
            const bool near_zero = p->init == MCVDI_INIT_UNIFORM && p->init_scale < 1e-9;
            small += near_zero;
            if (near_zero && i > 0) /* attention's result map stays small in all of them */
                CHECK_TRUE(strstr(p->name, ".NIN_3.W") != NULL);
        }
        CHECK_EQ(small, i ? 6 : 3 + 10 + 1);
        mcvdi_graph_free(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_trains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(colours_dropout_and_mask_embedding_in_3d, set_up,
                                        tear_down),
        cmocka_unit_test(only_2d_starts_near_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
