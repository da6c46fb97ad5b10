/* Importing: which weights, what fits, and what is said when it does not. */
#include <mcvd/import.h>

#include <mcvd/model.h>
#include <mcvd/safetensors.h>

#include "core/alloc.h"
#include "model/half.h"

#include "support/folder.h"
#include "support/hashed.h"
#include "support/tiny_unet.h"
#include "support/torch_file.h"

static char folder[TEST_PATH_BYTES];
static char path[TEST_PATH_BYTES];
static char output[TEST_PATH_BYTES];

static int setup(void **state)
{
    (void)state;
    make_test_folder(folder);
    test_path(path, folder, "file.pt");
    test_path(output, folder, "model.safetensors");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_test_folder(folder);
    return 0;
}

/* --- checkpoints of configs/tiny.json, right or changed in one place --- */

/* What differs from a good list [{"module." names}, {}, 0, 77, {names}]. */
typedef struct change {
    bool bare;          /* a dictionary instead of the list */
    bool no_ema;        /* four elements */
    bool buffers;       /* betas and alphas of the linear schedule */
    bool wrong_buffers; /* with other values */
    size_t short_by;    /* buffers are that much shorter */
    bool old_norm;      /* the final norm without Norm_0 */
    const char *drop;   /* a name to leave out */
    const char *add;    /* a name to add, [2] */
    const char *turn;   /* a name whose first two sizes change places */
    const char *spoil;  /* a name whose first value becomes `value` */
    float value;
} change;

typedef struct maker {
    const change *change;
    test_zip zip;
    test_bytes pickle;
    int next_key;
} maker;

static float weight(const char *name, size_t i, bool ema)
{
    return hashed_uniform(name, (uint32_t)i, -1.0, 1.0) + (ema ? 10.0f : 0.0f);
}

static void put_tensor(maker *m, const char *name, const mcvd_tensor *shape, const float *values)
{
    char key[16];
    char entry[40];
    test_tensor t = { .name = name, .key = key, .ndim = shape->ndim, .num_strides = shape->ndim };
    int64_t stride = 1;

    for (int d = shape->ndim - 1; d >= 0; d--) {
        t.sizes[d] = (int64_t)shape->shape[d];
        t.strides[d] = stride;
        stride *= t.sizes[d];
    }
    t.count = stride;
    snprintf(key, sizeof key, "%d", m->next_key++);
    snprintf(entry, sizeof entry, "p/data/%s", key);
    pickle_text(&m->pickle, name);
    pickle_tensor(&m->pickle, &t);
    zip_put_plain(&m->zip, entry, values, (size_t)stride * sizeof *values);
}

static bool is(const char *word, const char *name)
{
    return word && strcmp(word, name) == 0;
}

static void put_parameter(maker *m, const char *name, mcvd_tensor shape, bool ema)
{
    const change *c = m->change;
    const size_t n = mcvd_tensor_numel(&shape);
    char written[200];
    float *values = malloc(n * sizeof *values);
    const char *norm = strstr(name, ".Norm_0.");

    CHECK_TRUE(values != NULL);
    for (size_t i = 0; i < n; i++)
        values[i] = weight(name, i, ema);
    if (is(c->spoil, name))
        values[0] = c->value;
    if (is(c->turn, name)) {
        const size_t first = shape.shape[0];
        shape.shape[0] = shape.shape[1];
        shape.shape[1] = first;
    }
    if (c->old_norm && norm && !strstr(name, "actnorm"))
        snprintf(written, sizeof written, "%s%.*s.%s", ema ? "" : "module.", (int)(norm - name),
                 name, norm + strlen(".Norm_0."));
    else
        snprintf(written, sizeof written, "%s%s", ema ? "" : "module.", name);
    if (!is(c->drop, name))
        put_tensor(m, written, &shape, values);
    free(values);
}

/* model.md, section 10, linear: index 0 is the noisiest. */
static void put_buffers(maker *m, const mcvd_model_config *config)
{
    enum { MAX = 1024 };
    float betas[MAX];
    float alphas[MAX];
    const size_t n = (size_t)config->num_classes - m->change->short_by;
    const mcvd_tensor shape = mcvd_tensor_view(MCVD_F32, NULL, 1, &n);
    const double end = m->change->wrong_buffers ? 2.0 * config->sigma_end : config->sigma_end;
    double product = 1.0;

    CHECK_TRUE(n <= MAX);
    for (size_t i = n; i-- > 0;) {
        const double share = (double)i / (double)(n - 1);
        betas[i] = (float)(config->sigma_begin + (end - config->sigma_begin) * share);
        product *= 1.0 - (double)betas[i];
        alphas[i] = (float)product;
    }
    put_tensor(m, "module.betas", &shape, betas);
    put_tensor(m, "module.alphas", &shape, alphas);
}

static void put_state(maker *m, const mcvd_model *model, bool ema)
{
    static const float two[] = { 1, 2 };
    const size_t count = 2;
    const mcvd_tensor pair = mcvd_tensor_view(MCVD_F32, NULL, 1, &count);

    BYTES(&m->pickle, "}(");
    if (!ema && m->change->buffers)
        put_buffers(m, &mcvd_model_get_config(model)->model);
    for (size_t i = 0; i < mcvd_model_num_tensors(model); i++) {
        const char *name;
        mcvd_tensor shape;
        CHECK_OK(mcvd_model_tensor(model, i, &name, &shape));
        put_parameter(m, name, shape, ema);
    }
    if (m->change->add)
        put_tensor(m, m->change->add, &pair, two);
    BYTES(&m->pickle, "u");
}

static void make_checkpoint(const mcvd_config *config, const change *c)
{
    maker m = { .change = c };
    mcvd_model *model = NULL;

    CHECK_OK(mcvd_model_create(&model, config, 0));
    BYTES(&m.pickle, "\x80\x02");
    if (!c->bare)
        BYTES(&m.pickle, "](");
    put_state(&m, model, false);
    if (!c->bare) {
        BYTES(&m.pickle, "}K\0K\x4d");
        if (!c->no_ema)
            put_state(&m, model, true);
        BYTES(&m.pickle, "e");
    }
    BYTES(&m.pickle, ".");
    zip_put_plain(&m.zip, "p/data.pkl", m.pickle.data, m.pickle.used);
    zip_end(&m.zip);
    bytes_save(&m.zip.file, path);
    bytes_free(&m.zip.file);
    bytes_free(&m.pickle);
    mcvd_model_free(&model);
}

/* --- notes --- */

typedef struct notes {
    char text[8192];
    size_t lines;
    int calls_left; /* of progress; -1: never stop */
    size_t last_done;
} notes;

static void take_note(void *user, const char *line)
{
    notes *n = user;
    const size_t used = strlen(n->text);

    snprintf(n->text + used, sizeof n->text - used, "%s\n", line);
    n->lines++;
}

static bool take_progress(void *user, size_t done, size_t total)
{
    notes *n = user;

    CHECK_TRUE(done >= n->last_done && done < total);
    n->last_done = done;
    return n->calls_left < 0 || n->calls_left-- > 0;
}

static mcvd_status import_it(const mcvd_config *config, mcvd_import_options options, notes *n,
                             mcvd_import_result *result)
{
    *n = (notes) { .calls_left = n->calls_left };
    options.note = take_note;
    options.progress = take_progress;
    options.user = n;
    return mcvd_import(path, config, output, &options, result);
}

/* --- good ones --- */

static void check_model(bool ema)
{
    mcvd_model *model = NULL;
    mcvd_safetensors *file = NULL;

    CHECK_OK(mcvd_model_load(&model, output, NULL)); /* with the configuration inside */
    CHECK_OK(mcvd_safetensors_open(&file, output));
    CHECK_EQ(mcvd_safetensors_count(file), mcvd_model_num_tensors(model));
    for (size_t i = 0; i < mcvd_model_num_tensors(model); i++) {
        const char *name;
        mcvd_tensor t;
        CHECK_OK(mcvd_model_tensor(model, i, &name, &t));
        CHECK_OK(mcvd_safetensors_get(file, name, &t));
        for (size_t j = 0; j < mcvd_tensor_numel(&t); j++) {
            float expected = weight(name, j, ema);
            float found = 0.0f;
            uint16_t half;
            if (t.dtype == MCVD_F16) {
                mcvdi_f32_to_f16(&half, &expected, 1);
                mcvdi_f16_to_f32(&expected, &half, 1);
                mcvdi_f16_to_f32(&found, (const uint16_t *)t.data + j, 1);
            } else {
                found = ((const float *)t.data)[j];
            }
            CHECK_CLOSE(found, expected, 0.0);
        }
    }
    mcvd_safetensors_close(&file);
    mcvd_model_free(&model);
}

static void import_well(change c, mcvd_import_options options, bool ema)
{
    const mcvd_config config = tiny_config();
    notes n = { .calls_left = -1 };
    mcvd_import_result r;

    make_checkpoint(&config, &c);
    options.overwrite = true;
    CHECK_OK(import_it(&config, options, &n, &r));
    CHECK_EQ(n.lines, 0);
    CHECK_TRUE(n.last_done > 0);
    CHECK_EQ(r.ema, ema);
    CHECK_EQ(r.step, c.bare ? -1 : 77);
    CHECK_EQ(r.epoch, c.bare ? -1 : 0);
    CHECK_TRUE(r.num_params > 1000 && r.num_tensors > 10);
    check_model(ema);
}

static void good_ones(void **state)
{
    (void)state;
    import_well((change) { 0 }, (mcvd_import_options) { 0 }, true);
    import_well((change) { .buffers = true }, (mcvd_import_options) { 0 }, true);
    import_well((change) { 0 }, (mcvd_import_options) { .weights = MCVD_IMPORT_RAW }, false);
    import_well((change) { 0 }, (mcvd_import_options) { .weights = MCVD_IMPORT_EMA }, true);
    import_well((change) { .no_ema = true, .buffers = true }, (mcvd_import_options) { 0 }, false);
    import_well((change) { .bare = true }, (mcvd_import_options) { 0 }, false);
    import_well((change) { .old_norm = true }, (mcvd_import_options) { 0 }, true);
    import_well((change) { 0 }, (mcvd_import_options) { .half = true }, true);
}

static void what_the_file_remembers(void **state)
{
    const mcvd_config config = tiny_config();
    mcvd_model *model = NULL;

    (void)state;
    make_checkpoint(&config, &(change) { 0 });
    CHECK_OK(mcvd_import(path, &config, output, NULL, NULL));
    CHECK_OK(mcvd_model_load(&model, output, NULL));
    CHECK_EQ(strcmp(mcvd_model_summary(model),
                    "{\"steps\":77,\"epoch\":0,\"weights\":\"ema\",\"source\":\"file.pt\"}"),
             0);
    CHECK_EQ(mcvd_model_get_config(model)->model.num_classes, config.model.num_classes);
    mcvd_model_free(&model);
    CHECK_STATUS(mcvd_import(path, &config, output, NULL, NULL), MCVD_E_EXISTS);
    CHECK_OK(
        mcvd_import(path, &config, output, &(mcvd_import_options) { .overwrite = true }, NULL));
    CHECK_STATUS(mcvd_model_load(&model, path, NULL), MCVD_E_MODEL);
    CHECK_MESSAGE("a PyTorch checkpoint; make a model file of it first: mcvd import");
}

/* --- bad ones --- */

/* Refused with this message and this note, and no file is there. */
static void import_badly(const mcvd_config *config, change c, mcvd_import_options options,
                         const char *why, const char *note)
{
    const mcvd_config own = tiny_config();
    notes n = { .calls_left = -1 };
    mcvd_import_result r;

    make_checkpoint(&own, &c);
    CHECK_STATUS(import_it(config, options, &n, &r), MCVD_E_MODEL);
    CHECK_MESSAGE("file.pt: ");
    CHECK_MESSAGE(why);
    if (note ? !strstr(n.text, note) : n.lines > 0)
        fail_msg("the notes are \"%s\", expected \"%s\"", n.text, note ? note : "");
    CHECK_EQ(r.num_params, 0);
    CHECK_EQ(count_entries(folder), 1);
}

static void bad_ones(void **state)
{
    static const char conv[] = "unet.all_modules.2.weight";
    const mcvd_config config = tiny_config();
    const mcvd_import_options none = { 0 };

    (void)state;
    import_badly(&config, (change) { .no_ema = true },
                 (mcvd_import_options) { .weights = MCVD_IMPORT_EMA }, "no averaged weights", NULL);
    import_badly(&config, (change) { .drop = conv }, none, "1 tensors are missing, 0 unexpected",
                 "  missing     unet.all_modules.2.weight [8, 5, 3, 3]\n");
    import_badly(&config, (change) { .add = "unet.extra" }, none,
                 "0 tensors are missing, 1 unexpected", "  unexpected  unet.extra [2]\n");
    import_badly(&config, (change) { .turn = conv }, none, "0 unexpected, 1 of another shape",
                 "  shape       unet.all_modules.2.weight [5, 8, 3, 3], the configuration needs "
                 "[8, 5, 3, 3]\n");
    import_badly(&config, (change) { .spoil = conv, .value = NAN }, none,
                 "tensor 'unet.all_modules.2.weight': element 0 is not finite", NULL);
    import_badly(&config, (change) { .spoil = conv, .value = 70000.0f },
                 (mcvd_import_options) { .half = true }, "70000, too large for F16", NULL);
    import_badly(&config, (change) { .buffers = true, .wrong_buffers = true }, none,
                 "another noise schedule than the configuration's", NULL);
    import_badly(&config, (change) { .buffers = true, .short_by = 1 }, none,
                 "'alphas' has 99 values, model.num_classes of the configuration is 100", NULL);
    mcvd_config cosine = config;
    snprintf(cosine.model.sigma_dist, sizeof cosine.model.sigma_dist, "cosine");
    import_badly(&cosine, (change) { .buffers = true }, none, "model.sigma_dist = cosine", NULL);
}

static void hints(void **state)
{
    const mcvd_import_options none = { 0 };
    mcvd_config config = tiny_config();

    (void)state;
    config.model.ngf = 16;
    import_badly(&config, (change) { 0 }, none, "does not fit the configuration",
                 "model.ngf: 16 in the configuration, 8 in the checkpoint");
    config = tiny_config();
    config.data.num_frames_cond = 1;
    import_badly(&config, (change) { 0 }, none, "1 of another shape",
                 "enter the first convolution: 4 in the configuration, 5 in the checkpoint");
    config = tiny_config();
    config.data.num_frames = 3;
    import_badly(&config, (change) { 0 }, none, "does not fit",
                 "the last convolution makes: 3 in the configuration, 2 in the checkpoint");
    config = tiny_config();
    config.model.num_res_blocks = 2;
    import_badly(&config, (change) { 0 }, none, "does not fit", "more missing");
    import_badly(&config, (change) { 0 }, none, "does not fit", " layers in the configuration, ");
    config = tiny_config();
    config.model.cond_emb = true;
    config.data.prob_mask_cond = 0.5;
    import_badly(&config, (change) { 0 }, none, "does not fit",
                 "model.cond_emb is true in the configuration, false in the checkpoint");
    config = tiny_config();
    config.model.time_conditional = false;
    import_badly(&config, (change) { 0 }, none, "does not fit",
                 "model.time_conditional is false in the configuration, true in the checkpoint");
    config = tiny_config();
    config.model.spade = true;
    import_badly(&config, (change) { 0 }, none, "does not fit",
                 "model.spade is true in the configuration, false in the checkpoint");
    config = tiny_config();
    snprintf(config.model.arch, sizeof config.model.arch, "unetmore3d");
    import_badly(&config, (change) { 0 }, none, "does not fit",
                 "model.arch is unetmore3d in the configuration, unetmore in the checkpoint");
}

static void stopping(void **state)
{
    const mcvd_config config = tiny_config();
    mcvd_import_result r;

    (void)state;
    make_checkpoint(&config, &(change) { 0 });
    for (int calls = 0; calls < 30; calls += 7) {
        notes n = { .calls_left = calls };
        CHECK_STATUS(import_it(&config, (mcvd_import_options) { 0 }, &n, &r), MCVD_E_INTERRUPTED);
        CHECK_EQ(count_entries(folder), 1);
    }
}

static void short_memory(void **state)
{
    const mcvd_config config = tiny_config();
    const uint64_t live = mcvdi_alloc_stats_get().live;
    long n = 0;

    (void)state;
    make_checkpoint(&config, &(change) { .buffers = true });
    for (mcvd_status st = MCVD_E_NOMEM; st < 0 && n < 100000; n++) {
        mcvdi_alloc_fail_after(n);
        st = mcvd_import(path, &config, output, NULL, NULL);
        mcvdi_alloc_fail_after(-1);
        CHECK_TRUE(st == MCVD_OK || st == MCVD_E_NOMEM);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
        CHECK_EQ(count_entries(folder), st == MCVD_OK ? 2 : 1);
    }
    CHECK_TRUE(n > 100 && n < 100000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_ones), TEST(what_the_file_remembers),
        TEST(bad_ones),  TEST(hints),
        TEST(stopping),  TEST(short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
