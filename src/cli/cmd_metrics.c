#include "cli/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mcvd/metrics.h>

#include "cli/fail.h"
#include "cli/metrics_output.h"
#include "cli/parse.h"
#include "cli/progress.h"
#include "cli/signals.h"

typedef struct metrics_args {
    const char *reference;
    const char *test;
    const char *metrics;
    const char *features;
    const char *size;
    int64_t frames;
    const char *out;
    bool gray;
    bool binarise;
    bool unpaired;
    bool json;
    bool force;
} metrics_args;

#define FIELD(field) .offset = offsetof(metrics_args, field)

static const mcvdi_arg args[] = {
    { .name = "REFERENCE",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "the true video, or a folder of videos or pictures",
      FIELD(reference) },
    { .name = "TEST",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "the video to judge, or a folder of the same names",
      FIELD(test) },
    { .name = "--metrics",
      .short_name = "-m",
      .type = MCVDI_ARG_TEXT,
      .value = "LIST",
      .help = "of psnr, ssim, mse, lpips, fvd, fvd-proxy, fid-alexnet, precision, recall; without "
              "it everything that can be computed",
      FIELD(metrics) },
    { .name = "--features",
      .type = MCVDI_ARG_TEXT,
      .value = "DIR|none",
      .help = "folder of i3d.safetensors and alexnet.safetensors ($MCVD_FEATURES); none: without "
              "networks",
      FIELD(features) },
    { .name = "--size",
      .type = MCVDI_ARG_TEXT,
      .value = "native|N",
      .fallback = "native",
      .help = "compare centre crops of N x N pixels",
      FIELD(size) },
    { .name = "--frames",
      .short_name = "-n",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 1,
      .max = 1e9,
      .help = "compare the first N frames; without it both must have as many",
      FIELD(frames) },
    { .name = "--gray",
      .type = MCVDI_ARG_FLAG,
      .help = "compare luma instead of RGB",
      FIELD(gray) },
    { .name = "--binarise",
      .type = MCVDI_ARG_FLAG,
      .help = "SSIM of pixels rounded to 0 or 1, as published for moving digits",
      FIELD(binarise) },
    { .name = "--unpaired",
      .type = MCVDI_ARG_FLAG,
      .help = "two folders as sets, of any names and numbers: fvd or fvd-proxy, fid-alexnet, "
              "precision, recall alone",
      FIELD(unpaired) },
    { .name = "--json",
      .type = MCVDI_ARG_FLAG,
      .help = "one JSON object per line: each pair, then the summary of several; the last one has "
              "the protocol card",
      FIELD(json) },
    { .name = "--out",
      .short_name = "-o",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "write there instead of stdout",
      FIELD(out) },
    { .name = "--force", .type = MCVDI_ARG_FLAG, .help = "replace an existing FILE", FIELD(force) },
};

static const mcvdi_arg_table table = {
    "metrics",
    "Scores of a video against the true one, or of two folders of videos matched by name.\n"
    "psnr comes from the mean square error over all frames, psnr_frame_mean is the mean of the\n"
    "frames' own PSNR; identical frames have an infinite PSNR (null in JSON). Peak 1, 8-bit RGB.\n"
    "lpips needs AlexNet and fvd I3D: mcvd import makes their files. fvd, fid-alexnet (which is "
    "not\n"
    "FID), precision and recall compare the two folders as sets; fvd-proxy is a stand-in without\n"
    "weights to fetch, and never FVD.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd metrics truth.mp4 predicted.mp4\n"
    "  mcvd metrics truth/ predicted/ --json --size 64\n"
    "  mcvd metrics real/ generated/ --unpaired",
};

/* ---- running --------------------------------------------------------------------------------- */

typedef struct metrics_job {
    metrics_output output;
    mcvd_set_collector *collector;
    mcvdi_progress progress;
} metrics_job;

static mcvd_status take_result(void *user, const mcvd_compare_result *result)
{
    metrics_job *job = user;
    const metrics_counts *c = &job->output.counts;

    if (*mcvdi_signals_flag())
        return mcvdi_cli_fail(MCVD_E_INTERRUPTED, "metrics: stopped after %zu videos",
                              c->videos[0] > c->videos[1] ? c->videos[0] : c->videos[1]);
    if (c->videos[0] + c->videos[1] == 0)
        mcvdi_metrics_networks_note(&job->output.networks);
    const mcvd_status st = mcvdi_metrics_output_add(&job->output, result);
    mcvdi_progress_update(&job->progress, (int64_t)(c->videos[0] + c->videos[1]), NULL);
    return st < 0 ? st : mcvd_set_collector_add(job->collector, result);
}

static mcvd_status read_size(const char *text, int *size)
{
    char *end = NULL;

    *size = 0;
    if (strcmp(text, "native") == 0)
        return MCVD_OK;
    const long value = strtol(text, &end, 10);
    if (end == text || *end || value < 1 || value > 16384)
        return mcvdi_cli_fail(MCVD_E_USAGE,
                              "metrics: --size: expected native or an integer in 1..16384, "
                              "found '%s'",
                              text);
    *size = (int)value;
    return MCVD_OK;
}

static mcvd_status read_config(const metrics_args *a, mcvd_compare_config *config)
{
    *config = mcvd_compare_config_default();
    config->frames = (size_t)a->frames;
    config->gray = a->gray;
    config->binarise = a->binarise;
    config->unpaired = a->unpaired;
    return read_size(a->size, &config->size);
}

static mcvd_status open_networks(const metrics_args *a, metrics_job *job)
{
    metrics_output *o = &job->output;
    size_t videos[2] = { 0, 0 };
    mcvd_status st = mcvd_compare_count(videos, a->reference, a->test, a->unpaired);
    const metrics_request request = { .list = a->metrics,
                                      .folder = a->features,
                                      .least_videos =
                                          videos[0] < videos[1] ? videos[0] : videos[1] };

    if (st < 0)
        return st;
    o->several = a->unpaired || request.least_videos > 1;
    job->progress.total = (int64_t)(videos[0] + videos[1]);
    st = mcvdi_metrics_networks_open(&o->networks, &o->config, &request);
    if (st >= 0)
        st = mcvd_set_collector_create(&job->collector, o->networks.features);
    return st;
}

/* Rows on a terminal are progress enough; short runs have no plain line at their end. */
static mcvd_status compare_videos(const metrics_args *a, metrics_job *job)
{
    mcvdi_progress *p = &job->progress;
    mcvd_compare_config config = job->output.config;

    if (!config.metrics && !config.unpaired) /* pairs have a score at least */
        config.metrics = MCVD_METRIC_BIT(MCVD_METRIC_MSE);
    p->label = "comparing";
    p->unit = "videos";
    p->quiet = !job->output.several || (job->output.stream == stdout && isatty(STDOUT_FILENO));
    mcvdi_progress_start(p);
    const mcvd_status st = mcvd_compare(a->reference, a->test, &config, take_result, job);
    p->quiet = p->quiet || (!p->terminal && p->shown < 0);
    mcvdi_progress_end(p, NULL);
    return st;
}

static mcvd_status compare(const metrics_args *a, const mcvd_compare_config *config, FILE *stream)
{
    metrics_job job = { .output = { .stream = stream, .json = a->json, .config = *config } };
    metrics_output *o = &job.output;

    mcvd_status st = open_networks(a, &job);
    if (st >= 0)
        st = compare_videos(a, &job);
    if (st >= 0)
        st = mcvdi_metrics_networks_scores(&o->networks, job.collector, o->sets);
    if (st >= 0)
        st = mcvdi_metrics_output_finish(o);
    mcvd_set_collector_free(&job.collector);
    mcvdi_metrics_networks_free(&o->networks);
    free(o->values);
    return st;
}

/* The whole text first, so that FILE is complete or absent. */
static mcvd_status compare_into_file(const metrics_args *a, const mcvd_compare_config *config)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);

    if (!stream)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "metrics: %s", strerror(errno));
    mcvd_status st = compare(a, config, stream);
    if (fclose(stream) != 0 && st >= 0)
        st = mcvdi_cli_fail(MCVD_E_NOMEM, "metrics: %s", strerror(errno));
    if (st >= 0)
        st = mcvd_text_save(a->out, text, a->force);
    free(text);
    return st;
}

mcvd_status mcvdi_cmd_metrics(int argc, char **argv)
{
    metrics_args a = { 0 };
    mcvd_compare_config config;
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    st = read_config(&a, &config);
    if (st < 0)
        return st;
    return a.out ? compare_into_file(&a, &config) : compare(&a, &config, stdout);
}
