/* Model files: what is written comes back, and what does not fit is refused with its name. */
#include <stdlib.h>

#include <mcvd/model.h>
#include <mcvd/safetensors.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "model/half.h"
#include "model/model_internal.h"
#include "support/failing.h"
#include "support/folder.h"
#include "support/tiny_unet.h"

enum { MAX_ENTRIES = 1024, NAME_BYTES = 128 };

static char folder[TEST_PATH_BYTES];
static char path[TEST_PATH_BYTES];
static tiny_unet unet; /* names, shapes, and the weights that the files hold */

static int set_up(void **state)
{
    const mcvd_config config = tiny_config();
    const mcvdi_graph_options options = { .mode = MCVDI_TRAIN };

    (void)state;
    make_test_folder(folder);
    test_path(path, folder, "x.safetensors");
    make_tiny_unet(&unet, &config, 2, &options, "model");
    mcvdi_graph_run(unet.graph)->training = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mcvdi_graph_free(&unet.graph);
    remove_test_folder(folder);
    return 0;
}

/* --- files made by hand --- */

typedef struct file_draft {
    mcvd_safetensors_entry entries[MAX_ENTRIES];
    char names[MAX_ENTRIES][NAME_BYTES];
    size_t count;
    mcvd_safetensors_meta meta[4];
    size_t num_meta;
} file_draft;

static file_draft draft;

static void add_tensor(const char *prefix, const char *name, mcvd_tensor tensor)
{
    CHECK_TRUE(draft.count < MAX_ENTRIES);
    snprintf(draft.names[draft.count], NAME_BYTES, "%s%s", prefix, name);
    draft.entries[draft.count].name = draft.names[draft.count];
    draft.entries[draft.count].tensor = tensor;
    draft.count++;
}

/* All parameters behind a prefix, from a slab in parameter order. */
static void add_slab(const char *prefix, float *slab)
{
    for (size_t i = 0; i < mcvdi_graph_num_params(unet.graph); i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(unet.graph, i);
        add_tensor(prefix, p->name,
                   mcvd_tensor_view(MCVD_F32, slab + p->offset, p->ndim, p->shape));
    }
}

static void add_meta(const char *key, const char *value)
{
    draft.meta[draft.num_meta++] = (mcvd_safetensors_meta) { key, value };
}

static char *config_text(void)
{
    const mcvd_config config = tiny_config();
    char *text = mcvd_config_dump(&config);

    CHECK_TRUE(text != NULL);
    return text;
}

/* A model file's metadata and weights; the caller changes something and calls write_draft. */
static void start_draft(char *config)
{
    draft.count = draft.num_meta = 0;
    add_slab("", mcvdi_graph_values(unet.graph));
    if (config) {
        add_meta("mcvd.format", "1");
        add_meta("mcvd.config", config);
    }
}

static void write_draft(void)
{
    CHECK_OK(
        mcvd_safetensors_write(path, draft.entries, draft.count, draft.meta, draft.num_meta, true));
}

static void check_refused(const mcvd_config *config, const char *word)
{
    mcvd_model *model = (mcvd_model *)&model;

    CHECK_STATUS(mcvd_model_load(&model, path, config), MCVD_E_MODEL);
    CHECK_TRUE(model == NULL);
    CHECK_MESSAGE(path);
    CHECK_MESSAGE(word);
}

/* --- running --- */

static size_t out_floats(void)
{
    return mcvdi_dims_numel(mcvdi_graph_dims(unet.graph, unet.net.out));
}

/* Output of the model in `file` on the inputs of the bare graph. */
static void run_file(const char *file, const mcvd_config *config, float *out)
{
    const mcvd_network_config nc = { .batch = 2 };
    double t[2];
    mcvd_model *model = NULL;
    mcvd_network *net = NULL;

    CHECK_OK(mcvd_model_load(&model, file, config));
    CHECK_OK(mcvd_network_create(&net, model, &nc));
    mcvd_model_free(&model); /* the network lives on */
    for (int n = 0; n < 2; n++)
        t[n] = 99.0 - (double)mcvdi_graph_data(unet.graph, unet.net.labels)[n];
    const mcvd_network_input in = { .x = mcvdi_graph_data(unet.graph, unet.net.x),
                                    .t = t,
                                    .cond = mcvdi_graph_data(unet.graph, unet.net.cond) };
    CHECK_OK(mcvd_network_forward(net, &in, out));
    mcvd_network_free(&net);
}

/* The training graph and the inference network differ in convolution layouts: float32 rounding
 * through some 40 layers, bounded as the golden cases are. */
static void check_output(const float *out)
{
    const float *expected = mcvdi_graph_data(unet.graph, unet.net.out);
    double largest = 1.0;

    CHECK_OK(mcvdi_graph_forward(unet.graph));
    for (size_t i = 0; i < out_floats(); i++)
        largest = fmax(largest, fabs((double)expected[i]));
    CHECK_ALL_CLOSE(out, expected, out_floats(), 1e-5 * largest);
}

static void write_model(mcvdi_weight_dtype dtype, const char *summary)
{
    const mcvd_config config = tiny_config();
    const mcvdi_model_file file = { .config = &config,
                                    .graph = unet.graph,
                                    .slab = mcvdi_graph_values(unet.graph),
                                    .summary = summary,
                                    .dtype = dtype };
    CHECK_OK(mcvdi_model_write(&file, path, true));
}

/* --- tests --- */

static void saved_model_comes_back(void **state)
{
    mcvd_model *model = NULL;
    mcvd_safetensors *file = NULL;
    float *out = malloc(out_floats() * sizeof *out);
    char *config = config_text();

    (void)state;
    write_model(MCVDI_WEIGHT_F32, "{\"steps\":7}");
    CHECK_OK(mcvd_model_load(&model, path, NULL));
    CHECK_TRUE(strcmp(mcvd_model_summary(model), "{\"steps\":7}") == 0);
    CHECK_TRUE(strcmp(mcvd_model_path(model), path) == 0);
    CHECK_EQ(mcvd_model_num_params(model), mcvdi_graph_param_floats(unet.graph));
    char *loaded = mcvd_config_dump(mcvd_model_get_config(model));
    CHECK_TRUE(loaded && strcmp(loaded, config) == 0);
    CHECK_OK(mcvd_safetensors_open(&file, path));
    for (size_t i = 0; i < mcvd_model_num_tensors(model); i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(unet.graph, i);
        const char *name = NULL;
        mcvd_tensor shape;
        mcvd_tensor data;
        CHECK_OK(mcvd_model_tensor(model, i, &name, &shape));
        CHECK_TRUE(strcmp(name, p->name) == 0);
        CHECK_EQ(mcvd_tensor_numel(&shape), p->numel);
        CHECK_OK(mcvd_safetensors_get(file, name, &data));
        CHECK_EQ(
            memcmp(data.data, mcvdi_graph_values(unet.graph) + p->offset, p->numel * sizeof(float)),
            0);
    }
    const char *name = NULL;
    mcvd_tensor shape;
    CHECK_STATUS(mcvd_model_tensor(model, mcvd_model_num_tensors(model), &name, &shape),
                 MCVD_E_RANGE);
    run_file(path, NULL, out);
    check_output(out);
    mcvd_safetensors_close(&file);
    mcvd_model_free(&model);
    mcvd_model_free(&model); /* NULL is fine */
    mcvd_text_free(loaded);
    mcvd_text_free(config);
    free(out);
}

/* A half has 11 significant bits: every weight moves by at most 2^-11 of itself (2^-25 where halves
 * are subnormal). Through some 40 layers such independent errors add up to about sqrt(40) 2^-12 of
 * the output; twice that is allowed. */
static void half_export_is_close(void **state)
{
    mcvd_safetensors *file = NULL;
    float *exact = malloc(out_floats() * sizeof *exact);
    float *out = malloc(out_floats() * sizeof *out);
    double error = 0.0;
    double power = 0.0;

    (void)state;
    write_model(MCVDI_WEIGHT_F32, NULL);
    run_file(path, NULL, exact);
    write_model(MCVDI_WEIGHT_F16, NULL);
    CHECK_OK(mcvd_safetensors_open(&file, path));
    for (size_t i = 0; i < mcvdi_graph_num_params(unet.graph); i++) {
        const mcvdi_param *p = mcvdi_graph_get_param(unet.graph, i);
        mcvd_tensor t;
        CHECK_OK(mcvd_safetensors_get(file, p->name, &t));
        CHECK_EQ(t.dtype, MCVD_F16);
        for (size_t k = 0; k < p->numel; k++) {
            const double w = (double)mcvdi_graph_values(unet.graph)[p->offset + k];
            float half;
            mcvdi_f16_to_f32(&half, (const uint16_t *)t.data + k, 1);
            CHECK_CLOSE(half, w, fmax(0x1p-11 * fabs(w), 0x1p-25));
        }
    }
    mcvd_safetensors_close(&file);
    run_file(path, NULL, out);
    for (size_t i = 0; i < out_floats(); i++) {
        error += pow((double)out[i] - (double)exact[i], 2.0);
        power += pow((double)exact[i], 2.0);
    }
    CHECK_TRUE(error > 0.0);
    CHECK_CLOSE(sqrt(error / power), 0.0, 2.0 * sqrt(40.0) * 0x1p-12);
    free(exact);
    free(out);
}

static void bare_weights_need_a_configuration(void **state)
{
    const mcvd_config config = tiny_config();
    float *out = malloc(out_floats() * sizeof *out);
    float betas[3] = { 0.1f, 0.2f, 0.3f };
    const size_t shape[] = { 3 };

    (void)state;
    start_draft(NULL);
    write_draft();
    check_refused(NULL, "--config");
    run_file(path, &config, out);
    check_output(out);
    /* The reference's wrapper prefix and its schedule buffers. */
    draft.count = 0;
    add_slab("module.", mcvdi_graph_values(unet.graph));
    add_tensor("module.", "betas", mcvd_tensor_view(MCVD_F32, betas, 1, shape));
    write_draft();
    run_file(path, &config, out);
    check_output(out);
    free(out);
}

static void given_configuration_replaces_the_one_inside(void **state)
{
    mcvd_config other = tiny_config();
    char *config = config_text();

    (void)state;
    start_draft(config);
    write_draft();
    CHECK_OK(mcvd_config_set(&other, "model.ngf=16"));
    check_refused(&other, "the configuration needs");
    mcvd_text_free(config);
}

static void tensors_that_do_not_fit_are_named(void **state)
{
    char *config = config_text();
    float zero[4] = { 0.0f };
    const size_t shape[] = { 4 };

    (void)state;
    start_draft(config);
    draft.count--; /* the last one is missing */
    write_draft();
    check_refused(NULL, draft.names[draft.count]);
    CHECK_MESSAGE("missing");

    start_draft(config);
    add_tensor("", "unet.all_modules.999.weight", mcvd_tensor_view(MCVD_F32, zero, 1, shape));
    write_draft();
    check_refused(NULL, "unet.all_modules.999.weight");

    start_draft(config);
    draft.entries[3].tensor = mcvd_tensor_view(MCVD_F32, zero, 1, shape);
    write_draft();
    check_refused(NULL, draft.names[3]);
    CHECK_MESSAGE("[4]");

    start_draft(config);
    draft.entries[5].tensor.dtype = MCVD_I32;
    write_draft();
    check_refused(NULL, draft.names[5]);
    CHECK_MESSAGE("I32");

    start_draft(config); /* moments belong into checkpoints only */
    add_slab("adam.m.", mcvdi_graph_values(unet.graph));
    write_draft();
    check_refused(NULL, "adam.m.");
    mcvd_text_free(config);
}

static void metadata_that_does_not_fit_is_refused(void **state)
{
    char *config = config_text();

    (void)state;
    start_draft(config);
    draft.meta[0].value = "2";
    write_draft();
    check_refused(NULL, "format 2");
    start_draft(config);
    draft.meta[1].value = "{\"model\": {\"ngf\": ";
    write_draft();
    check_refused(NULL, "");
    draft.meta[1].value = "{\"model\": {\"ngfx\": 8}}";
    write_draft();
    check_refused(NULL, "ngfx");
    draft.meta[1].value = "{\"model\": {\"arch\": \"unetmore\", \"ngf\": -3}}";
    write_draft();
    check_refused(NULL, "ngf");
    mcvd_text_free(config);
}

static void damaged_files_are_refused(void **state)
{
    char *text = NULL;
    size_t bytes = 0;
    mcvd_model *model = NULL;

    (void)state;
    write_model(MCVDI_WEIGHT_F32, NULL);
    CHECK_OK(mcvdi_file_read(&text, &bytes, path, 1 << 26));
    const size_t cuts[] = { 0, 4, 8, 100, bytes / 2, bytes - 1 };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        CHECK_OK(mcvdi_file_write(path, text, cuts[i], true));
        check_refused(NULL, "");
    }
    mcvdi_free(text);
    CHECK_OK(mcvdi_file_write(path, "not a model\n", 12, true));
    check_refused(NULL, "");
    unlink(path);
    check_refused(NULL, "");
    CHECK_STATUS(mcvd_model_load(&model, folder, NULL), MCVD_E_MODEL);
    CHECK_MESSAGE("run folder");
}

/* --- checkpoints and run folders --- */

static void start_checkpoint(char *config, float *ema)
{
    start_draft(config);
    add_meta("mcvd.checkpoint", "12");
    add_slab("adam.m.", mcvdi_graph_values(unet.graph));
    add_slab("adam.v.", mcvdi_graph_values(unet.graph));
    if (ema)
        add_slab("ema.", ema);
}

static void a_checkpoint_is_a_model(void **state)
{
    const size_t floats = mcvdi_graph_param_floats(unet.graph);
    float *raw = calloc(floats, sizeof *raw); /* zeros: the file would give another output */
    float *out = malloc(out_floats() * sizeof *out);
    char *config = config_text();
    mcvd_model *model = NULL;

    (void)state;
    start_checkpoint(config, NULL); /* without averages: the weights */
    write_draft();
    CHECK_OK(mcvd_model_load(&model, path, NULL));
    CHECK_TRUE(strcmp(mcvd_model_summary(model), "{\"steps\":12}") == 0);
    mcvd_model_free(&model);
    run_file(path, NULL, out);
    check_output(out);

    start_checkpoint(config, mcvdi_graph_values(unet.graph));
    for (size_t i = 0; i < mcvdi_graph_num_params(unet.graph); i++)
        draft.entries[i].tensor.data = raw + mcvdi_graph_get_param(unet.graph, i)->offset;
    write_draft();
    run_file(path, NULL, out);
    check_output(out); /* the averages, not the zeros */

    draft.count--; /* an average is missing: no silent mixture */
    write_draft();
    check_refused(NULL, draft.names[draft.count]);
    draft.count++;
    add_tensor("ema.", "bogus", draft.entries[0].tensor);
    write_draft();
    check_refused(NULL, "ema.bogus");
    start_checkpoint(config, NULL);
    draft.meta[2].value = "12\"}";
    write_draft();
    check_refused(NULL, "step");
    static const char *const numbers[] = { "-1", "+1", " 1", "", "1e3", "18446744073709551616" };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        draft.meta[2].value = numbers[i];
        write_draft();
        check_refused(NULL, "step");
    }
    draft.meta[2].value = "18446744073709551615";
    write_draft();
    CHECK_OK(mcvd_model_load(&model, path, NULL));
    CHECK_TRUE(strcmp(mcvd_model_summary(model), "{\"steps\":18446744073709551615}") == 0);
    mcvd_model_free(&model);
    mcvd_text_free(config);
    free(raw);
    free(out);
}

static void a_run_folder_is_a_model(void **state)
{
    char run[TEST_PATH_BYTES];
    char inner[TEST_PATH_BYTES];
    char file[TEST_PATH_BYTES];
    char *config = config_text();
    mcvd_model *model = NULL;

    (void)state;
    CHECK_OK(mcvdi_make_folders(test_path(inner, test_path(run, folder, "run"), "checkpoints")));
    start_checkpoint(config, NULL);
    CHECK_OK(mcvd_safetensors_write(test_path(file, inner, "step-12.safetensors"), draft.entries,
                                    draft.count, draft.meta, draft.num_meta, true));
    CHECK_STATUS(mcvd_model_load(&model, run, NULL), MCVD_E_MODEL); /* nothing says it is whole */
    CHECK_OK(mcvdi_file_write(test_path(file, run, "latest"), "checkpoints/step-12.safetensors\n",
                              32, true));
    CHECK_OK(mcvd_model_load(&model, run, NULL));
    CHECK_TRUE(strstr(mcvd_model_path(model), "run/checkpoints/step-12.safetensors") != NULL);
    mcvd_model_free(&model);
    start_draft(config);
    CHECK_OK(mcvd_safetensors_write(test_path(file, run, "model.safetensors"), draft.entries,
                                    draft.count, draft.meta, draft.num_meta, true));
    CHECK_OK(mcvd_model_load(&model, run, NULL));
    CHECK_TRUE(strcmp(mcvd_model_path(model), file) == 0);
    mcvd_model_free(&model);
    unlink(file);
    CHECK_OK(mcvdi_file_write(test_path(file, run, "latest"), "checkpoints/gone\n", 17, true));
    CHECK_STATUS(mcvd_model_load(&model, run, NULL), MCVD_E_MODEL);
    CHECK_MESSAGE("checkpoints/gone");
    static const char *const names[] = { "", "checkpoints/step-.safetensors",
                                         "../step-12.safetensors",
                                         "checkpoints/step-1/../step-12.safetensors" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK_OK(mcvdi_file_write(file, names[i], strlen(names[i]), true));
        CHECK_STATUS(mcvd_model_load(&model, run, NULL), MCVD_E_MODEL);
        CHECK_MESSAGE("latest: expected checkpoints/step-N.safetensors");
    }
    mcvd_text_free(config);
}

/* --- fresh models and networks --- */

static void a_seed_gives_the_weights(void **state)
{
    const mcvd_config config = tiny_config();
    const mcvdi_graph_options options = { .mode = MCVDI_TRAIN };
    const uint64_t seeds[] = { 1, 1, 2 };
    tiny_unet u[3];
    const size_t bytes = mcvdi_graph_param_floats(unet.graph) * sizeof(float);

    (void)state;
    for (int i = 0; i < 3; i++) {
        mcvd_model *model = NULL;
        make_tiny_unet(&u[i], &config, 1, &options, "seeded");
        CHECK_OK(mcvd_model_create(&model, &config, seeds[i]));
        CHECK_TRUE(*mcvd_model_path(model) == '\0' && *mcvd_model_summary(model) == '\0');
        const mcvdi_weight_source source = mcvdi_model_source(model);
        CHECK_OK(mcvdi_weights_load(u[i].graph, &source));
        mcvd_model_free(&model);
    }
    CHECK_EQ(memcmp(mcvdi_graph_values(u[0].graph), mcvdi_graph_values(u[1].graph), bytes), 0);
    CHECK_TRUE(memcmp(mcvdi_graph_values(u[0].graph), mcvdi_graph_values(u[2].graph), bytes) != 0);
    for (int i = 0; i < 3; i++)
        mcvdi_graph_free(&u[i].graph);
}

static void networks_check_what_they_get(void **state)
{
    const mcvd_config config = tiny_config();
    const mcvd_network_config wrong[] = { { .batch = 0 },
                                          { .batch = 1, .height = 17 },
                                          { .batch = 1, .width = 32 } };
    const mcvd_status expected[] = { MCVD_E_RANGE, MCVD_E_SHAPE, MCVD_E_SHAPE };
    const mcvd_network_config nc = { .batch = 1 };
    const float *x = mcvdi_graph_data(unet.graph, unet.net.x);
    const float *cond = mcvdi_graph_data(unet.graph, unet.net.cond);
    float *out = malloc(out_floats() * sizeof *out);
    mcvd_model *model = NULL;
    mcvd_network *net = NULL;

    (void)state;
    CHECK_OK(mcvd_model_create(&model, &config, 1));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_STATUS(mcvd_network_create(&net, model, &wrong[i]), expected[i]);
        CHECK_TRUE(net == NULL);
    }
    CHECK_OK(mcvd_network_create(&net, model, &nc));
    const double bad[] = { -1.0, -3.0, 200.0, (double)NAN, (double)INFINITY };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const mcvd_network_input in = { .x = x, .t = &bad[i], .cond = cond };
        CHECK_STATUS(mcvd_network_forward(net, &in, out), MCVD_E_RANGE);
    }
    const double t = 4.5;
    const mcvd_network_input no_cond = { .x = x, .t = &t };
    CHECK_STATUS(mcvd_network_forward(net, &no_cond, out), MCVD_E_STATE);
    const mcvd_network_input noise = { .x = x, .t = &t, .cond = cond, .cond_noise = cond };
    CHECK_STATUS(mcvd_network_forward(net, &noise, out), MCVD_E_STATE);
    mcvd_network_free(&net);
    mcvd_model_free(&model);
    free(out);
}

static void forward_allocates_nothing(void **state)
{
    const mcvd_config config = tiny_config();
    const mcvd_network_config nc = { .batch = 2 };
    const double t[] = { 3.0, 60.0 };
    const mcvd_network_input in = { .x = mcvdi_graph_data(unet.graph, unet.net.x),
                                    .t = t,
                                    .cond = mcvdi_graph_data(unet.graph, unet.net.cond) };
    float *out = malloc(out_floats() * sizeof *out);
    mcvd_model *model = NULL;
    mcvd_network *net = NULL;

    (void)state;
    CHECK_OK(mcvd_model_create(&model, &config, 1));
    CHECK_OK(mcvd_network_create(&net, model, &nc));
    CHECK_OK(mcvd_network_forward(net, &in, out));
    const uint64_t before = mcvdi_alloc_stats_get().calls;
    for (int i = 0; i < 3; i++)
        CHECK_OK(mcvd_network_forward(net, &in, out));
    CHECK_EQ(mcvdi_alloc_stats_get().calls, before);
    mcvd_network_free(&net);
    mcvd_model_free(&model);
    free(out);
}

/* --- refused allocations --- */

static mcvd_status try_create(void **object, const void *argument)
{
    mcvd_model *model = NULL;
    const mcvd_status st = mcvd_model_create(&model, argument, 1);

    *object = model;
    return st;
}

static mcvd_status try_load(void **object, const void *argument)
{
    mcvd_model *model = NULL;
    const mcvd_status st = mcvd_model_load(&model, argument, NULL);

    *object = model;
    return st;
}

static void free_model(void **object)
{
    mcvd_model *model = *object;

    mcvd_model_free(&model);
    *object = model;
}

static mcvd_status try_network(void **object, const void *argument)
{
    const mcvd_network_config nc = { .batch = 1, .keep_stages = true };
    mcvd_network *net = NULL;
    const mcvd_status st = mcvd_network_create(&net, argument, &nc);

    *object = net;
    return st;
}

static void free_network(void **object)
{
    mcvd_network *net = *object;

    mcvd_network_free(&net);
    *object = net;
}

static void refused_allocations_leave_nothing(void **state)
{
    const mcvd_config config = tiny_config();
    char *text = config_text();
    mcvd_model *model = NULL;

    (void)state;
    CHECK_TRUE(check_failing_allocations(try_create, free_model, &config) > 50);
    write_model(MCVDI_WEIGHT_F16, "{}");
    CHECK_TRUE(check_failing_allocations(try_load, free_model, path) > 50);
    start_checkpoint(text, NULL);
    write_draft();
    CHECK_TRUE(check_failing_allocations(try_load, free_model, path) > 50);
    CHECK_OK(mcvd_model_create(&model, &config, 1));
    CHECK_TRUE(check_failing_allocations(try_network, free_network, model) > 50);
    mcvd_model_free(&model);
    mcvd_text_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_model_comes_back),
        cmocka_unit_test(half_export_is_close),
        cmocka_unit_test(bare_weights_need_a_configuration),
        cmocka_unit_test(given_configuration_replaces_the_one_inside),
        cmocka_unit_test(tensors_that_do_not_fit_are_named),
        cmocka_unit_test(metadata_that_does_not_fit_is_refused),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(a_checkpoint_is_a_model),
        cmocka_unit_test(a_run_folder_is_a_model),
        cmocka_unit_test(a_seed_gives_the_weights),
        cmocka_unit_test(networks_check_what_they_get),
        cmocka_unit_test(forward_allocates_nothing),
        cmocka_unit_test(refused_allocations_leave_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
