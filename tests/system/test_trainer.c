/* The trainer, one optimizer step at a time: it learns, and what must not matter does not. */
#include <stdlib.h>

#include <mcvd/threads.h>
#include <mcvd/trainer.h>

#include "support/failing.h"
#include "support/folder_fixture.h"
#include "support/tiny_unet.h"
#include "support/train_compare.h"

/* --- a trainer with its data --- */

typedef struct rig {
    mcvd_dataset *data;
    mcvd_loader *loader;
    mcvd_trainer *trainer;
} rig;

static void open_rig(rig *r, const mcvd_config *config, uint64_t first_step)
{
    mcvd_dataset_config dc = mcvd_dataset_config_default(&config->data);

    dc.seed = (uint64_t)config->training.seed;
    CHECK_OK(mcvd_dataset_open(&r->data, &dc));
    mcvd_loader_config lc = mcvd_loader_config_default(r->data);
    lc.batch_size = (size_t)config->training.batch_size;
    lc.seed = dc.seed;
    lc.first_step = first_step;
    CHECK_OK(mcvd_loader_create(&r->loader, r->data, &lc));
    CHECK_OK(mcvd_trainer_create(&r->trainer, config));
}

static void close_rig(rig *r)
{
    mcvd_loader_free(&r->loader);
    mcvd_dataset_free(&r->data);
    mcvd_trainer_free(&r->trainer);
}

static mcvd_step_report take_step(rig *r)
{
    mcvd_batch batch;
    mcvd_step_report report;

    CHECK_OK(mcvd_loader_next(r->loader, &batch));
    CHECK_OK(mcvd_trainer_step(r->trainer, &batch, &report));
    return report;
}

/* --- learning --- */

/* An untrained network answers 0, which costs 1/2 per element. */
static void loss_falls_on_moving_digits(void **state)
{
    mcvd_config config = tiny_config();
    double first = 0.0;
    double last = 0.0;
    rig r;

    (void)state;
    config.optim.lr = 2e-3;
    open_rig(&r, &config, 0);
    for (int i = 0; i < 200; i++) {
        const mcvd_step_report report = take_step(&r);
        CHECK_EQ(report.step, i + 1);
        CHECK_TRUE(isfinite(report.loss) && report.grad_norm > 0.0);
        CHECK_CLOSE(report.loss / report.loss_per_element, 2 * 16 * 16, 1e-6);
        first += i < 10 ? report.loss_per_element / 10.0 : 0.0;
        last += i >= 150 ? report.loss_per_element / 50.0 : 0.0;
    }
    print_message("loss per element: %.3f at the start, %.3f after 150 steps\n", first, last);
    CHECK_CLOSE(first, 0.5, 0.1);
    CHECK_TRUE(last < 0.5 * first);
    close_rig(&r);
}

/* --- what must not matter --- */

/* Give the trainer weights without layers near zero, behind which nothing would show: its own
 * checkpoint with other numbers in the weights. */
static void spread_weights(mcvd_trainer *trainer)
{
    char path[TEST_PATH_BYTES];
    mcvd_safetensors *file = NULL;
    mcvd_safetensors_meta meta[] = { { "mcvd.format", NULL }, { "mcvd.checkpoint", NULL } };

    CHECK_OK(mcvd_trainer_save(trainer, test_path(path, folder, "spread.safetensors")));
    CHECK_OK(mcvd_safetensors_open(&file, path));
    const size_t count = mcvd_safetensors_count(file);
    mcvd_safetensors_entry *entries = calloc(count, sizeof *entries);
    CHECK_TRUE(entries != NULL);
    for (size_t i = 0; i < count; i++) {
        mcvd_tensor *t = &entries[i].tensor;
        entries[i].name = mcvd_safetensors_name(file, i);
        CHECK_OK(mcvd_safetensors_get(file, entries[i].name, t));
        const size_t numel = mcvd_tensor_numel(t);
        float *values = malloc(numel * sizeof *values);
        CHECK_TRUE(values != NULL);
        memcpy(values, t->data, numel * sizeof *values);
        const double scale = sqrt((double)t->shape[0] / (double)numel);
        for (size_t k = 0; t->ndim > 1 && strncmp(entries[i].name, "unet.", 5) == 0 && k < numel;
             k++)
            values[k] = (float)(scale * (double)hashed_gauss(entries[i].name, (uint32_t)k));
        t->data = values;
    }
    for (size_t i = 0; i < 2; i++)
        meta[i].value = mcvd_safetensors_metadata(file, meta[i].key);
    CHECK_OK(mcvd_safetensors_write(path, entries, count, meta, 2, true));
    CHECK_OK(mcvd_trainer_load(trainer, path));
    for (size_t i = 0; i < count; i++)
        free(entries[i].tensor.data);
    free(entries);
    mcvd_safetensors_close(&file);
}

/* State after two steps. The first has rate 0 (warm-up), so both gradients are taken at the same
 * weights, and Adam's first moment is linear in them: rounding stays rounding. */
static void train_two_steps(const mcvd_config *config, const char *path, double losses[2])
{
    rig r;

    open_rig(&r, config, 0);
    spread_weights(r.trainer);
    for (int i = 0; i < 2; i++)
        losses[i] = take_step(&r).loss;
    CHECK_OK(mcvd_trainer_save(r.trainer, path));
    close_rig(&r);
}

/* Distance of all first moments relative to their norm: gradients that differ by the order of their
 * sums only, which the golden cases bound by 2e-5. */
static double moment_distance(const char *path_a, const char *path_b)
{
    mcvd_safetensors *a = NULL;
    mcvd_safetensors *b = NULL;
    double distance = 0.0;
    double norm = 0.0;

    CHECK_OK(mcvd_safetensors_open(&a, path_a));
    CHECK_OK(mcvd_safetensors_open(&b, path_b));
    for (size_t i = 0; i < mcvd_safetensors_count(a); i++) {
        const char *name = mcvd_safetensors_name(a, i);
        mcvd_tensor x;
        mcvd_tensor y;
        if (strncmp(name, "adam.m.", 7) != 0)
            continue;
        CHECK_OK(mcvd_safetensors_get(a, name, &x));
        CHECK_OK(mcvd_safetensors_get(b, name, &y));
        for (size_t k = 0; k < mcvd_tensor_numel(&x); k++) {
            const double u = (double)((const float *)x.data)[k];
            const double v = (double)((const float *)y.data)[k];
            distance += (u - v) * (u - v);
            norm += u * u;
        }
    }
    CHECK_TRUE(norm > 0.0);
    mcvd_safetensors_close(&a);
    mcvd_safetensors_close(&b);
    return sqrt(distance / norm);
}

static void check_same_training(const mcvd_config *a, const mcvd_config *b, int threads_b)
{
    char path_a[TEST_PATH_BYTES];
    char path_b[TEST_PATH_BYTES];
    double losses_a[2];
    double losses_b[2];

    train_two_steps(a, test_path(path_a, folder, "a.safetensors"), losses_a);
    mcvd_set_threads(threads_b);
    train_two_steps(b, test_path(path_b, folder, "b.safetensors"), losses_b);
    mcvd_set_threads(1);
    for (int i = 0; i < 2; i++)
        CHECK_CLOSE(losses_b[i], losses_a[i], 1e-6 * losses_a[i]);
    CHECK_CLOSE(moment_distance(path_a, path_b), 0.0, 2e-5);
}

/* Dropout and noise belong to a sample, not to a part of the batch. */
static void two_parts_of_8_equal_16(void **state)
{
    mcvd_config whole = tiny_config();

    (void)state;
    whole.training.batch_size = 16;
    whole.model.dropout = 0.2;
    mcvd_config parts = whole;
    parts.training.accumulate = 2;
    check_same_training(&whole, &parts, 1);
    parts.training.accumulate = 8;
    check_same_training(&whole, &parts, 1);
    mcvd_config other = whole; /* the comparison notices other noise */
    char path_a[TEST_PATH_BYTES];
    char path_b[TEST_PATH_BYTES];
    double losses[2];
    other.training.seed = 1;
    train_two_steps(&whole, test_path(path_a, folder, "a.safetensors"), losses);
    train_two_steps(&other, test_path(path_b, folder, "b.safetensors"), losses);
    CHECK_TRUE(moment_distance(path_a, path_b) > 1e-2);
}

static void threads_agree(void **state)
{
    mcvd_config config = tiny_config();

    (void)state;
    config.model.dropout = 0.1;
    check_same_training(&config, &config, 2);
}

static void train_some_steps(const mcvd_config *config, int steps, const char *path)
{
    rig r;

    open_rig(&r, config, 0);
    for (int i = 0; i < steps; i++)
        take_step(&r);
    CHECK_OK(mcvd_trainer_save(r.trainer, path));
    close_rig(&r);
}

static void seed_decides_every_byte(void **state)
{
    mcvd_config config = tiny_config();
    char path_a[TEST_PATH_BYTES];
    char path_b[TEST_PATH_BYTES];

    (void)state;
    test_path(path_a, folder, "a.safetensors");
    test_path(path_b, folder, "b.safetensors");
    config.model.dropout = 0.1;
    config.data.num_workers = 0;
    train_some_steps(&config, 6, path_a);
    train_some_steps(&config, 6, path_b);
    CHECK_SAME_TENSORS(path_a, path_b);
    config.data.num_workers = 1;
    train_some_steps(&config, 6, path_b);
    CHECK_SAME_TENSORS(path_a, path_b);
    config.data.num_workers = 3;
    train_some_steps(&config, 6, path_b);
    CHECK_SAME_TENSORS(path_a, path_b);
    config.training.seed++;
    train_some_steps(&config, 6, path_b);
    CHECK_TRUE(differing_tensors(path_a, path_b) > 100);
}

static void saved_state_continues(void **state)
{
    mcvd_config config = tiny_config();
    char half[TEST_PATH_BYTES];
    char whole[TEST_PATH_BYTES];
    char resumed[TEST_PATH_BYTES];
    rig r;

    (void)state;
    config.model.dropout = 0.1;
    config.optim.amsgrad = true;
    train_some_steps(&config, 5, test_path(half, folder, "half.safetensors"));
    train_some_steps(&config, 10, test_path(whole, folder, "whole.safetensors"));
    open_rig(&r, &config, 5);
    CHECK_OK(mcvd_trainer_load(r.trainer, half));
    CHECK_EQ(mcvd_trainer_steps(r.trainer), 5);
    for (int i = 0; i < 5; i++)
        take_step(&r);
    CHECK_OK(mcvd_trainer_save(r.trainer, test_path(resumed, folder, "resumed.safetensors")));
    CHECK_SAME_TENSORS(whole, resumed);
    close_rig(&r);
}

static void steps_allocate_nothing(void **state)
{
    mcvd_config config = tiny_config();
    rig r;

    (void)state;
    config.data.num_workers = 0;
    config.training.accumulate = 2;
    open_rig(&r, &config, 0);
    take_step(&r);
    const uint64_t before = mcvdi_alloc_stats_get().calls;
    for (int i = 0; i < 3; i++)
        take_step(&r);
    CHECK_EQ(mcvdi_alloc_stats_get().calls, before);
    close_rig(&r);
}

/* --- validation and export --- */

static void validation_and_export_use_the_averages(void **state)
{
    const mcvd_config config = tiny_config();
    const mcvd_network_config nc = { .batch = 4 };
    char path[TEST_PATH_BYTES];
    double losses[4];
    mcvd_network *net = NULL;
    mcvd_network *loaded = NULL;
    mcvd_model *model = NULL;
    mcvd_batch batch;
    rig r;

    (void)state;
    open_rig(&r, &config, 0);
    CHECK_OK(mcvd_trainer_network(&net, r.trainer, 4));
    for (int i = 0; i < 30; i++)
        take_step(&r);
    CHECK_OK(mcvd_loader_next(r.loader, &batch));
    CHECK_OK(mcvd_trainer_validate(r.trainer, net, &batch, 1, &losses[0]));
    CHECK_OK(mcvd_trainer_refresh(net, r.trainer));
    CHECK_OK(mcvd_trainer_validate(r.trainer, net, &batch, 1, &losses[1]));
    CHECK_OK(mcvd_trainer_validate(r.trainer, net, &batch, 1, &losses[2]));
    CHECK_OK(mcvd_trainer_export(r.trainer, test_path(path, folder, "export.safetensors"), false,
                                 "{\"steps\":30}", true));
    CHECK_STATUS(mcvd_trainer_export(r.trainer, path, false, NULL, false), MCVD_E_EXISTS);
    CHECK_OK(mcvd_model_load(&model, path, NULL));
    CHECK_OK(mcvd_network_create(&loaded, model, &nc));
    CHECK_OK(mcvd_trainer_validate(r.trainer, loaded, &batch, 1, &losses[3]));
    CHECK_TRUE(losses[0] != losses[1]); /* 30 steps changed something */
    CHECK_CLOSE(losses[2], losses[1], 0);
    CHECK_CLOSE(losses[3], losses[1], 0); /* the exported file is the same network */
    /* A checkpoint read as a model is the averages too. */
    mcvd_model_free(&model);
    mcvd_network_free(&loaded);
    CHECK_OK(mcvd_trainer_save(r.trainer, path));
    CHECK_OK(mcvd_model_load(&model, path, NULL));
    CHECK_OK(mcvd_network_create(&loaded, model, &nc));
    CHECK_OK(mcvd_trainer_validate(r.trainer, loaded, &batch, 1, &losses[3]));
    CHECK_CLOSE(losses[3], losses[1], 0);
    mcvd_model_free(&model);
    mcvd_network_free(&loaded);
    mcvd_network_free(&net);
    close_rig(&r);
}

/* --- failures --- */

static void not_finite_leaves_the_state_alone(void **state)
{
    const mcvd_config config = tiny_config();
    char before[TEST_PATH_BYTES];
    char after[TEST_PATH_BYTES];
    mcvd_batch batch;
    mcvd_step_report report;
    rig r;

    (void)state;
    open_rig(&r, &config, 0);
    for (int i = 0; i < 3; i++)
        take_step(&r);
    CHECK_OK(mcvd_trainer_save(r.trainer, test_path(before, folder, "before.safetensors")));
    CHECK_OK(mcvd_loader_next(r.loader, &batch));
    const size_t n = 4 * 16 * 16 * 2;
    float *x0 = malloc(n * sizeof *x0);
    CHECK_TRUE(x0 != NULL);
    memcpy(x0, batch.x0, n * sizeof *x0);
    x0[n - 1] = NAN;
    mcvd_batch bad = batch;
    bad.x0 = x0;
    CHECK_STATUS(mcvd_trainer_step(r.trainer, &bad, &report), MCVD_E_NONFINITE);
    CHECK_MESSAGE("a NaN or infinity appeared in step 4");
    CHECK_EQ(mcvd_trainer_steps(r.trainer), 3);
    CHECK_OK(mcvd_trainer_save(r.trainer, test_path(after, folder, "after.safetensors")));
    CHECK_SAME_TENSORS(before, after);
    CHECK_OK(mcvd_trainer_step(r.trainer, &batch, &report)); /* a good batch goes on */
    CHECK_EQ(report.step, 4);
    free(x0);
    close_rig(&r);
}

static void batches_that_do_not_fit_are_refused(void **state)
{
    const mcvd_config config = tiny_config();
    mcvd_batch batch;
    mcvd_step_report report;
    rig r;

    (void)state;
    open_rig(&r, &config, 0);
    CHECK_OK(mcvd_loader_next(r.loader, &batch));
    batch.batch_size--;
    CHECK_STATUS(mcvd_trainer_step(r.trainer, &batch, &report), MCVD_E_SHAPE);
    batch.batch_size++;
    batch.num_frames_future++;
    CHECK_STATUS(mcvd_trainer_step(r.trainer, &batch, &report), MCVD_E_SHAPE);
    close_rig(&r);
}

/* Rewrites one float of a tensor, or cuts the file, or changes text in the header (same length). */
static void edit_checkpoint(const char *from, const char *to, const char *find, const char *put)
{
    char *text = NULL;
    size_t bytes = 0;

    CHECK_OK(mcvdi_file_read(&text, &bytes, from, 1 << 26));
    for (size_t i = 0; find && i + strlen(find) <= bytes; i++)
        if (memcmp(text + i, find, strlen(find)) == 0) {
            memcpy(text + i, put, strlen(put));
            find = NULL;
        }
    CHECK_TRUE(find == NULL);
    CHECK_OK(mcvdi_file_write(to, text, put ? bytes : bytes - 100, true));
    mcvdi_free(text);
}

/* The trainer's state is still that of a checkpoint. */
static void check_unchanged(const rig *r, const char *checkpoint)
{
    char now[TEST_PATH_BYTES];

    CHECK_OK(mcvd_trainer_save(r->trainer, test_path(now, folder, "now.safetensors")));
    CHECK_SAME_TENSORS(checkpoint, now);
}

/* A moment of another state is missing: its weights, which come first, are not taken either. */
static void a_checkpoint_that_does_not_fit_changes_nothing(void **state)
{
    const mcvd_config config = tiny_config();
    char mine[TEST_PATH_BYTES];
    char other[TEST_PATH_BYTES];
    char bad[TEST_PATH_BYTES];
    static const char *const numbers[] = { "-1", "+1", " 1", "1 ", "0x" };
    char text[64];
    rig r;

    (void)state;
    train_some_steps(&config, 10, test_path(other, folder, "other.safetensors"));
    test_path(bad, folder, "bad.safetensors");
    open_rig(&r, &config, 0);
    take_step(&r);
    CHECK_OK(mcvd_trainer_save(r.trainer, test_path(mine, folder, "mine.safetensors")));
    edit_checkpoint(other, bad, "\"adam.v.unet.all_modules.4", "\"adam.w.unet.all_modules.4");
    CHECK_STATUS(mcvd_trainer_load(r.trainer, bad), MCVD_E_MODEL);
    CHECK_MESSAGE("adam.v.unet.all_modules.4");
    check_unchanged(&r, mine);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(text, sizeof text, "\"mcvd.checkpoint\":\"%s\"", numbers[i]);
        edit_checkpoint(other, bad, "\"mcvd.checkpoint\":\"10\"", text);
        CHECK_STATUS(mcvd_trainer_load(r.trainer, bad), MCVD_E_MODEL);
        CHECK_MESSAGE("is no number");
    }
    check_unchanged(&r, mine);
    CHECK_EQ(mcvd_trainer_steps(r.trainer), 1);
    CHECK_OK(mcvd_trainer_load(r.trainer, other)); /* the file as it was does fit */
    CHECK_EQ(mcvd_trainer_steps(r.trainer), 10);
    close_rig(&r);
}

static void wrong_checkpoints_are_refused(void **state)
{
    mcvd_config config = tiny_config();
    char good[TEST_PATH_BYTES];
    char bad[TEST_PATH_BYTES];
    rig r;

    (void)state;
    open_rig(&r, &config, 0);
    take_step(&r);
    CHECK_OK(mcvd_trainer_save(r.trainer, test_path(good, folder, "good.safetensors")));
    test_path(bad, folder, "bad.safetensors");

    CHECK_STATUS(mcvd_trainer_load(r.trainer, bad), MCVD_E_MODEL); /* is not there */
    CHECK_MESSAGE(bad);
    edit_checkpoint(good, bad, NULL, NULL); /* cut */
    CHECK_STATUS(mcvd_trainer_load(r.trainer, bad), MCVD_E_MODEL);
    CHECK_MESSAGE(bad);
    edit_checkpoint(good, bad, "\"mcvd.checkpoint\":\"1\"", "\"mcvd.checkpoint\":\"x\"");
    CHECK_STATUS(mcvd_trainer_load(r.trainer, bad), MCVD_E_MODEL);
    edit_checkpoint(good, bad, "\"mcvd.format\":\"1\"", "\"mcvd.format\":\"7\"");
    CHECK_STATUS(mcvd_trainer_load(r.trainer, bad), MCVD_E_MODEL);
    CHECK_MESSAGE("format 7");
    edit_checkpoint(good, bad, "\"adam.v.unet", "\"adam.w.unet");
    CHECK_STATUS(mcvd_trainer_load(r.trainer, bad), MCVD_E_MODEL);
    CHECK_MESSAGE("adam.v.unet");
    CHECK_OK(mcvd_trainer_export(r.trainer, bad, false, NULL, true)); /* a model is no checkpoint */
    CHECK_STATUS(mcvd_trainer_load(r.trainer, bad), MCVD_E_MODEL);
    CHECK_MESSAGE("not a checkpoint");
    check_unchanged(&r, good);
    close_rig(&r);

    config.model.ngf = 16;
    open_rig(&r, &config, 0);
    CHECK_STATUS(mcvd_trainer_load(r.trainer, good), MCVD_E_MODEL);
    CHECK_MESSAGE("does not fit");
    close_rig(&r);
}

/* A state with NaN is never saved: the last good checkpoint stands. */
static void poisoned_state_is_not_saved(void **state)
{
    const mcvd_config config = tiny_config();
    static const char nan_bytes[] = { 0, 0, (char)0xc0, 0x7f, 0 };
    char path[TEST_PATH_BYTES];
    char poisoned[TEST_PATH_BYTES];
    char *text = NULL;
    size_t bytes = 0;
    rig r;

    (void)state;
    open_rig(&r, &config, 0);
    take_step(&r);
    CHECK_OK(mcvd_trainer_save(r.trainer, test_path(path, folder, "good.safetensors")));
    CHECK_OK(mcvdi_file_read(&text, &bytes, path, 1 << 26));
    memcpy(text + bytes - 4, nan_bytes, 4); /* the last float of the last tensor */
    test_path(poisoned, folder, "poisoned.safetensors");
    CHECK_OK(mcvdi_file_write(poisoned, text, bytes, true));
    mcvdi_free(text);
    CHECK_OK(mcvd_trainer_load(r.trainer, poisoned));
    CHECK_STATUS(mcvd_trainer_save(r.trainer, path), MCVD_E_NONFINITE);
    CHECK_MESSAGE("adam.v.");
    CHECK_OK(mcvd_trainer_load(r.trainer, path)); /* still the good one */
    CHECK_OK(mcvd_trainer_save(r.trainer, path));
    close_rig(&r);
}

/* --- refused allocations --- */

static mcvd_status try_create(void **object, const void *argument)
{
    mcvd_trainer *trainer = NULL;
    const mcvd_status st = mcvd_trainer_create(&trainer, argument);

    *object = trainer;
    return st;
}

static void free_trainer(void **object)
{
    mcvd_trainer *trainer = *object;

    mcvd_trainer_free(&trainer);
    *object = trainer;
}

typedef mcvd_status (*trainer_file_fn)(mcvd_trainer *trainer, const char *path);

static mcvd_status save(mcvd_trainer *trainer, const char *path)
{
    return mcvd_trainer_save(trainer, path);
}

static mcvd_status export_half(mcvd_trainer *trainer, const char *path)
{
    return mcvd_trainer_export(trainer, path, true, "{}", true);
}

static void refuse_each(mcvd_trainer *trainer, trainer_file_fn call, const char *path)
{
    const uint64_t live = mcvdi_alloc_stats_get().live;
    const int entries = count_entries(folder);
    mcvd_status st = MCVD_E_NOMEM;

    for (long n = 0; st == MCVD_E_NOMEM && n < 100000; n++) {
        mcvdi_alloc_fail_after(n);
        st = call(trainer, path);
        mcvdi_alloc_fail_after(-1);
        CHECK_EQ(mcvdi_alloc_stats_get().live, live);
        CHECK_EQ(count_entries(folder), entries); /* no half-written file */
    }
    CHECK_OK(st);
}

static void refused_allocations_leave_nothing(void **state)
{
    mcvd_config config = tiny_config();
    char path[TEST_PATH_BYTES];
    mcvd_trainer *trainer = NULL;

    (void)state;
    CHECK_TRUE(check_failing_allocations(try_create, free_trainer, &config) > 100);
    CHECK_OK(mcvd_trainer_create(&trainer, &config));
    CHECK_OK(mcvd_trainer_save(trainer, test_path(path, folder, "state.safetensors")));
    refuse_each(trainer, save, path);
    refuse_each(trainer, mcvd_trainer_load, path);
    refuse_each(trainer, export_half, path);
    mcvd_trainer_free(&trainer);
    mcvd_trainer_free(&trainer); /* NULL is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_falls_on_moving_digits),
        cmocka_unit_test(two_parts_of_8_equal_16),
        cmocka_unit_test(threads_agree),
        cmocka_unit_test(seed_decides_every_byte),
        cmocka_unit_test(saved_state_continues),
        cmocka_unit_test(steps_allocate_nothing),
        cmocka_unit_test(validation_and_export_use_the_averages),
        cmocka_unit_test(not_finite_leaves_the_state_alone),
        cmocka_unit_test(batches_that_do_not_fit_are_refused),
        cmocka_unit_test(a_checkpoint_that_does_not_fit_changes_nothing),
        cmocka_unit_test(wrong_checkpoints_are_refused),
        cmocka_unit_test(poisoned_state_is_not_saved),
        cmocka_unit_test(refused_allocations_leave_nothing),
    };
    mcvd_set_threads(1);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
