#include "cli/bench_features.h"

#include <stdlib.h>
#include <string.h>

#include <mcvd/bench.h>
#include <mcvd/features.h>
#include <mcvd/threads.h>

#include "cli/fail.h"
#include "cli/figures.h"
#include "cli/timing.h"

enum { PATH_BYTES = 4096, SIDE = 64, COLOURS = 3, PICTURE = SIDE * SIDE * COLOURS };

static const double burst_s = 0.1;

typedef struct features_job {
    const mcvdi_bench_features *bench;
    mcvd_video_features *video;
    mcvd_lpips *lpips; /* NULL: not there */
    float *frames;     /* [frames, SIDE, SIDE, 3] */
    uint8_t *pictures; /* two */
    double *features;
    unsigned call;
} features_job;

/* Medians over the runs. */
typedef struct speed {
    double seconds, peak_gflops;
} speed;

/* One video, or two pictures of which the first is never the one before. */
typedef mcvd_status (*workload)(features_job *job);

static mcvd_status judge_video(features_job *job)
{
    const mcvd_video_shape shape = { job->bench->frames, SIDE, SIDE, COLOURS };

    return mcvd_video_features_extract(job->video, job->frames, &shape, job->features);
}

static mcvd_status judge_pictures(features_job *job)
{
    double distance;

    job->pictures[0] = (uint8_t)job->call++;
    return mcvd_lpips_u8(job->lpips, job->pictures, job->pictures + PICTURE,
                         &(const mcvd_picture_shape) { SIDE, SIDE, COLOURS }, &distance, NULL);
}

/* Bursts of pure multiply-adds alternate with the workload, so that both meet the same machine. */
static mcvd_status measure(features_job *job, workload work, speed *result)
{
    const size_t runs = job->bench->runs;
    double *seconds = calloc(2 * runs, sizeof *seconds);
    mcvd_status st = MCVD_OK;

    if (!seconds)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "bench: out of memory");
    for (size_t i = 0; st >= 0 && i < job->bench->warmup; i++)
        st = work(job);
    for (size_t i = 0; st >= 0 && i < runs; i++) {
        seconds[runs + i] = mcvd_peak_gflops(burst_s);
        const double start = mcvdi_now_s();
        st = work(job);
        seconds[i] = mcvdi_now_s() - start;
    }
    if (st >= 0)
        *result = (speed) { mcvdi_median(seconds, runs), mcvdi_median(seconds + runs, runs) };
    free(seconds);
    return st;
}

static mcvd_status open_networks(features_job *job)
{
    char path[PATH_BYTES];
    const char *folder = job->bench->folder;
    mcvd_status st = mcvd_extractor_path(path, sizeof path, MCVD_EXTRACTOR_I3D, folder);

    if (st == MCVD_E_INPUT)
        st = mcvd_video_features_open(&job->video, MCVD_EXTRACTOR_PROXY, NULL);
    else if (st >= 0)
        st = mcvd_video_features_open(&job->video, MCVD_EXTRACTOR_I3D, path);
    if (st < 0)
        return st;
    st = mcvd_extractor_path(path, sizeof path, MCVD_EXTRACTOR_ALEXNET, folder);
    return st == MCVD_E_INPUT ? MCVD_OK : st < 0 ? st : mcvd_lpips_open(&job->lpips, path);
}

static mcvd_status make_inputs(features_job *job)
{
    const size_t numel = job->bench->frames * PICTURE;

    job->frames = malloc(numel * sizeof *job->frames);
    job->pictures = malloc(2 * PICTURE);
    job->features = malloc(mcvd_video_features_dim(job->video) * sizeof *job->features);
    if (!job->frames || !job->pictures || !job->features)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "bench: out of memory");
    for (size_t i = 0; i < numel; i++)
        job->frames[i] = (float)(i * 2654435761u % 256) / 255.0f;
    for (size_t i = 0; i < 2 * PICTURE; i++)
        job->pictures[i] = (uint8_t)(i * 2654435761u >> 7);
    return MCVD_OK;
}

/* Two operations per multiply-add. */
static double gflops(double macs, double seconds)
{
    return 2e-9 * macs / seconds;
}

static void report(const features_job *job, const speed *video, const speed *pictures)
{
    const char *network = strcmp(mcvd_video_features_distance(job->video), "fvd") == 0
                              ? mcvd_extractor_name(MCVD_EXTRACTOR_I3D)
                              : mcvd_extractor_name(MCVD_EXTRACTOR_PROXY);
    const double macs = mcvd_video_features_macs(job->video);
    const double rate = gflops(macs, video->seconds);
    mcvdi_figure figures[16] = {
        { "mode", MCVDI_FIGURE_TEXT, 0.0, "features" },
        { "extractor", MCVDI_FIGURE_TEXT, 0.0, network },
        { "frames", MCVDI_FIGURE_COUNT, (double)job->bench->frames, NULL },
        { "runs", MCVDI_FIGURE_COUNT, (double)job->bench->runs, NULL },
        { "ms_per_video", MCVDI_FIGURE_NUMBER, 1e3 * video->seconds, NULL },
        { "gmac", MCVDI_FIGURE_NUMBER, 1e-9 * macs, NULL },
        { "gflops", MCVDI_FIGURE_NUMBER, rate, NULL },
        { "peak_gflops", MCVDI_FIGURE_NUMBER, video->peak_gflops, NULL },
        { "peak_share", MCVDI_FIGURE_NUMBER, rate / video->peak_gflops, NULL },
        { "threads", MCVDI_FIGURE_COUNT, (double)mcvd_num_threads(), NULL },
        { "rss_mb", MCVDI_FIGURE_NUMBER, mcvd_peak_rss_mb(), NULL },
    };
    size_t count = 11;

    if (job->lpips) { /* two pictures a run */
        const double lpips = gflops(2.0 * mcvd_lpips_macs(job->lpips), pictures->seconds);
        figures[count++] = (mcvdi_figure) { "lpips_ms_per_picture", MCVDI_FIGURE_NUMBER,
                                            0.5e3 * pictures->seconds, NULL };
        figures[count++] = (mcvdi_figure) { "lpips_gmac", MCVDI_FIGURE_NUMBER,
                                            1e-9 * mcvd_lpips_macs(job->lpips), NULL };
        figures[count++] = (mcvdi_figure) { "lpips_peak_share", MCVDI_FIGURE_NUMBER,
                                            lpips / pictures->peak_gflops, NULL };
    }
    mcvdi_figures_print(figures, count, job->bench->json);
}

mcvd_status mcvdi_bench_features_run(const mcvdi_bench_features *bench)
{
    features_job job = { .bench = bench };
    speed video = { 0 };
    speed pictures = { 0 };
    mcvd_status st = open_networks(&job);

    if (st >= 0)
        st = make_inputs(&job);
    if (st >= 0)
        st = measure(&job, judge_video, &video);
    if (st >= 0 && job.lpips)
        st = measure(&job, judge_pictures, &pictures);
    if (st >= 0)
        report(&job, &video, &pictures);
    mcvd_video_features_free(&job.video);
    mcvd_lpips_free(&job.lpips);
    free(job.frames);
    free(job.pictures);
    free(job.features);
    return st;
}
