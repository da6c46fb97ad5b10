#include "cli/bench_loader.h"

#include <mcvd/data.h>

#include "cli/figures.h"
#include "cli/shared.h"
#include "cli/timing.h"

static mcvd_status take_batches(mcvd_loader *loader, size_t batches)
{
    mcvd_batch batch;
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; st >= 0 && i < batches; i++)
        st = mcvd_loader_next(loader, &batch);
    return st;
}

/* From when on batches are waited for: files are opened for the first one, and as many as the
 * loader holds were made before anybody asked. */
static mcvd_status time_batches(mcvd_loader *loader, size_t held, size_t batches, double *seconds)
{
    mcvd_status st = take_batches(loader, held + 1);
    const double start = mcvdi_now_s();

    if (st >= 0)
        st = take_batches(loader, batches);
    *seconds = mcvdi_now_s() - start;
    return st;
}

/* Workers finish about together and batches come in order: a few of them are a burst or a gap. */
static size_t timed_batches(const mcvdi_bench_loader *b, size_t workers)
{
    enum { PER_WORKER = 8 };

    return b->batches > PER_WORKER * workers ? b->batches : PER_WORKER * workers;
}

static void report(const mcvdi_bench_loader *b, const mcvd_dataset *dataset, size_t batches,
                   double seconds)
{
    const size_t batch = (size_t)b->config->training.batch_size;
    const double windows = (double)(batches * batch) / seconds;
    const double frames = windows * (double)mcvd_dataset_num_frames(dataset);
    const mcvdi_figure figures[] = {
        { "mode", MCVDI_FIGURE_TEXT, 0.0, "loader" },
        { "data", MCVDI_FIGURE_TEXT, 0.0, mcvd_dataset_describe(dataset) },
        { "batch", MCVDI_FIGURE_COUNT, (double)batch, NULL },
        { "workers", MCVDI_FIGURE_COUNT, (double)b->config->data.num_workers, NULL },
        { "runs", MCVDI_FIGURE_COUNT, (double)batches, NULL },
        { "ms", MCVDI_FIGURE_NUMBER, 1e3 * seconds / (double)batches, NULL },
        { "samples_per_s", MCVDI_FIGURE_NUMBER, windows, NULL },
        { "frames_per_s", MCVDI_FIGURE_NUMBER, frames, NULL },
    };

    mcvdi_figures_print(figures, sizeof figures / sizeof figures[0], b->json);
}

mcvd_status mcvdi_bench_loader_run(const mcvdi_bench_loader *bench)
{
    mcvd_dataset_config dc = mcvd_dataset_config_default(&bench->config->data);
    mcvd_dataset *dataset = NULL;
    mcvd_loader *loader = NULL;
    double seconds = 0.0;

    dc.path = bench->data;
    dc.num_digit_folders = mcvdi_digit_folders(&dc.digit_folders);
    mcvd_status st = mcvd_dataset_open(&dataset, &dc);
    if (st < 0)
        return st;
    mcvd_loader_config lc = mcvd_loader_config_default(dataset);
    lc.batch_size = (size_t)bench->config->training.batch_size;
    lc.num_prefetch = 2 * lc.num_workers;
    lc.actions = bench->config->model.action_dim > 0;
    const size_t batches = timed_batches(bench, lc.num_workers);
    st = mcvd_loader_create(&loader, dataset, &lc);
    if (st >= 0)
        st = time_batches(loader, lc.num_prefetch, batches, &seconds);
    if (st >= 0)
        report(bench, dataset, batches, seconds);
    mcvd_loader_free(&loader);
    mcvd_dataset_free(&dataset);
    return st;
}
