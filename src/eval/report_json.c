/* The report for programs: protocol, run, scores with their definitions, curves. */
#include "eval/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/status.h"

/* cJSON returns NULL when memory runs out; one flag for a whole tree. */
typedef struct json_builder {
    const mcvd_eval_report *report;
    mcvd_status status;
} json_builder;

static mcvd_status fail_memory(void)
{
    return mcvdi_fail(MCVD_E_NOMEM, "report: its JSON");
}

static cJSON *checked(json_builder *b, cJSON *item)
{
    if (!item && b->status >= 0)
        b->status = fail_memory();
    return item;
}

static cJSON *new_object(json_builder *b, cJSON *parent, const char *name)
{
    return checked(b, parent ? cJSON_AddObjectToObject(parent, name) : NULL);
}

/* Infinite and absent values become null: JSON has no word for them. */
static void add_number(json_builder *b, cJSON *parent, const char *name, double value)
{
    if (!parent)
        return;
    checked(b, isfinite(value) ? cJSON_AddNumberToObject(parent, name, value)
                               : cJSON_AddNullToObject(parent, name));
}

static void add_string(json_builder *b, cJSON *parent, const char *name, const char *value)
{
    if (parent)
        checked(b, cJSON_AddStringToObject(parent, name, value));
}

static void add_summary(json_builder *b, cJSON *parent, const char *name, const mcvd_summary *s)
{
    cJSON *object = new_object(b, parent, name);

    add_number(b, object, "mean", s->mean);
    add_number(b, object, "std", s->std);
    add_number(b, object, "conf95", s->conf95);
    add_number(b, object, "count", (double)s->count);
    add_number(b, object, "infinite", (double)s->infinite);
}

static void add_curve(json_builder *b, cJSON *parent, const char *name, const double *curve)
{
    cJSON *array = checked(b, parent ? cJSON_AddArrayToObject(parent, name) : NULL);

    for (size_t f = 0; array && f < (size_t)b->report->protocol.frames; f++) {
        cJSON *item =
            checked(b, isfinite(curve[f]) ? cJSON_CreateNumber(curve[f]) : cJSON_CreateNull());
        if (item && !cJSON_AddItemToArray(array, item)) {
            cJSON_Delete(item);
            checked(b, NULL);
        }
    }
}

/* Scores and curves of one row, over its best trajectories or the mean. */
static void add_over(json_builder *b, cJSON *parent, const mcvdi_eval_row *row, mcvd_over_k over,
                     double *curve)
{
    cJSON *object = new_object(b, parent, mcvd_over_k_name(over));
    cJSON *curves = NULL;

    for (int m = 0; m < MCVD_NUM_METRICS && b->status >= 0; m++) {
        const mcvd_metric metric = (mcvd_metric)m;
        mcvd_summary summary;

        if (!(b->report->metrics & MCVD_METRIC_BIT(metric)))
            continue;
        b->status = mcvdi_eval_row_summary(b->report, row, metric, over, &summary);
        if (b->status >= 0)
            add_summary(b, object, mcvd_metric_name(metric), &summary);
    }
    if (b->status >= 0)
        curves = new_object(b, object, "per_frame");
    for (int m = 0; m < MCVD_NUM_METRICS && b->status >= 0; m++) {
        const mcvd_metric metric = (mcvd_metric)m;

        if (!(b->report->metrics & MCVD_METRIC_BIT(metric)))
            continue;
        b->status = mcvdi_eval_row_curve(b->report, row, metric, over, curve);
        if (b->status >= 0)
            add_curve(b, curves, mcvd_metric_name(metric), curve);
    }
}

static void add_results(json_builder *b, cJSON *root, double *curve)
{
    cJSON *results = new_object(b, root, "results");

    for (size_t i = 0; i < b->report->num_rows && b->status >= 0; i++) {
        const mcvdi_eval_row *row = &b->report->rows[i];
        cJSON *object = new_object(b, results, row->name);

        add_string(b, object, "title", row->title);
        add_number(b, object, "trajectories", (double)row->trajectories);
        add_over(b, object, row, MCVD_BEST_OF_K, curve);
        add_over(b, object, row, MCVD_MEAN_OF_K, curve);
    }
}

static void add_missing_baselines(json_builder *b, cJSON *object)
{
    const size_t past = mcvdi_eval_known_past(&b->report->protocol);
    const size_t future = mcvdi_eval_known_future(&b->report->protocol);

    for (int i = 0; i < MCVD_NUM_BASELINES; i++) {
        const char *why = mcvd_baseline_missing((mcvd_baseline)i, past, future);
        if (why)
            add_string(b, object, mcvd_baseline_name((mcvd_baseline)i), why);
    }
}

static void add_missing(json_builder *b, cJSON *root)
{
    const mcvd_eval_distance *d = &b->report->distance;
    cJSON *object = new_object(b, root, "not_available");

    if (b->report->scored) {
        add_missing_baselines(b, object);
        if (!b->report->lpips_sha256)
            add_string(b, object, "lpips", MCVDI_NO_LPIPS);
    }
    if (!d->name)
        add_string(b, object, "fvd", MCVDI_NO_FEATURES);
    else if (d->missing)
        add_string(b, object, d->name, d->missing);
    else if (isnan(d->precision))
        add_string(b, object, "precision", "fewer than 4 clips");
}

/* ---- the distance between videos, the card, published rows ------------------------------------
 */

static void add_distance(json_builder *b, cJSON *root)
{
    const mcvd_eval_distance *d = &b->report->distance;

    if (!d->name || d->missing)
        return;
    cJSON *object = new_object(b, root, d->name);
    add_number(b, object, "all_trajectories", d->all);
    add_number(b, object, "traj_mean", d->traj_mean);
    add_number(b, object, "traj_std", d->traj_std);
    add_number(b, object, "traj_conf95", d->traj_conf95);
    add_number(b, object, "precision", d->precision);
    add_number(b, object, "recall", d->recall);
    add_number(b, object, "clips", (double)d->clips);
    add_number(b, object, "frames", (double)d->frames);
    add_number(b, object, "features", (double)d->dim);
}

typedef struct card_target {
    json_builder *b;
    cJSON *object;
} card_target;

static void add_card_line(void *user, const char *name, const char *text)
{
    const card_target *t = user;

    add_string(t->b, t->object, name, text);
}

static void add_card(json_builder *b, cJSON *root)
{
    card_target target = { b, new_object(b, root, "card") };

    mcvdi_eval_card(b->report, add_card_line, &target);
}

/* The value of a printed figure without its deviation; NAN for NULL and for a range. The texts of
 * reports are written with decimal points, so this reads them. */
static double printed_number(const char *printed)
{
    char *end = NULL;

    if (!printed)
        return NAN;
    const double value = strtod(printed, &end);
    return *end == '\0' || *end == ' ' ? value : NAN;
}

/* The figure as a number, and its very print where that says more: deviation, range. */
static void add_figure(json_builder *b, cJSON *row, const char *name, const char *printed)
{
    char longer[64];

    add_number(b, row, name, printed_number(printed));
    if (!printed || !strpbrk(printed, "+-"))
        return;
    snprintf(longer, sizeof longer, "%s_printed", name);
    add_string(b, row, longer, printed);
}

static void add_published(json_builder *b, cJSON *root)
{
    cJSON *array = b->report->num_published && root
                       ? checked(b, cJSON_AddArrayToObject(root, "published"))
                       : NULL;

    for (size_t i = 0; array && i < b->report->num_published; i++) {
        const mcvd_eval_published *p = &b->report->published[i];
        cJSON *row = checked(b, cJSON_CreateObject());
        if (!row || !cJSON_AddItemToArray(array, row)) {
            cJSON_Delete(row);
            checked(b, NULL);
            return;
        }
        add_string(b, row, "method", p->method);
        add_number(b, row, "trained", p->trained ? (double)p->trained : NAN);
        add_figure(b, row, "fvd", p->fvd);
        add_figure(b, row, "psnr", p->psnr);
        add_figure(b, row, "ssim", p->ssim);
        add_figure(b, row, "lpips", p->lpips);
        add_string(b, row, "source", p->source);
    }
}

/* ---- names of the reference's result file --------------------------------------------------- */

/* What it puts before the names of a task once more; NULL: it has no such task. */
static const char *reference_prefix(const mcvd_eval_protocol *protocol)
{
    static const char *const prefixes[][2] = { { "predict", "pred_" },
                                               { "interp", "interp_" },
                                               { "generate", "gen_" } };

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strcmp(protocol->task, prefixes[i][0]) == 0)
            return prefixes[i][1];
    return NULL;
}

/* name + ending, plain and with the task's prefix. */
static void add_reference_name(json_builder *b, cJSON *object, const char *const name[2],
                               double value)
{
    const char *prefix = reference_prefix(&b->report->protocol);
    char text[64];

    snprintf(text, sizeof text, "%s%s", name[0], name[1]);
    add_number(b, object, text, value);
    if (!prefix)
        return;
    snprintf(text, sizeof text, "%s%s%s", prefix, name[0], name[1]);
    add_number(b, object, text, value);
}

static void add_reference_metrics(json_builder *b, cJSON *object)
{
    static const mcvd_metric metrics[] = { MCVD_METRIC_MSE, MCVD_METRIC_PSNR, MCVD_METRIC_SSIM,
                                           MCVD_METRIC_LPIPS };

    for (size_t i = 0; i < sizeof metrics / sizeof *metrics && b->status >= 0; i++) {
        const char *name = mcvd_metric_name(metrics[i]);
        mcvd_summary s;

        if (!(b->report->metrics & MCVD_METRIC_BIT(metrics[i])))
            continue;
        b->status =
            mcvdi_eval_row_summary(b->report, &b->report->rows[0], metrics[i], MCVD_BEST_OF_K, &s);
        add_reference_name(b, object, (const char *const[2]) { name, "" }, s.mean);
        add_reference_name(b, object, (const char *const[2]) { name, "_std" }, s.std);
        add_reference_name(b, object, (const char *const[2]) { name, "_conf95" }, s.conf95);
    }
}

/* Best of K, and -1 where it has no number; the stand-in never has the name of FVD. */
static void add_reference_names(json_builder *b, cJSON *root)
{
    const mcvd_eval_distance *d = &b->report->distance;
    cJSON *object = new_object(b, root, "reference_names");

    if (b->report->scored)
        add_reference_metrics(b, object);
    if (!d->name || d->missing || strcmp(d->name, "fvd") != 0)
        return;
    const bool one = b->report->protocol.trajectories == 1;
    const double traj[] = { d->traj_mean, d->traj_std, d->traj_conf95 };
    static const char *const endings[] = { "_traj_mean", "_traj_std", "_traj_conf95" };
    add_reference_name(b, object, (const char *const[2]) { "fvd", "" }, d->all);
    for (size_t i = 0; i < 3; i++)
        add_reference_name(b, object, (const char *const[2]) { "fvd", endings[i] },
                           one ? -1.0 : traj[i]);
}

static void add_statistics(json_builder *b, cJSON *root)
{
    cJSON *object = new_object(b, root, "statistics");

    for (int s = 0; s < MCVDI_NUM_STATS; s++) {
        mcvd_summary model;
        mcvd_summary real;
        b->status = mcvdi_eval_stat_summaries(b->report, (mcvdi_stat)s, &model, &real);
        if (b->status < 0)
            return;
        cJSON *stat = new_object(b, object, mcvdi_stat_name((mcvdi_stat)s));

        add_string(b, stat, "meaning", mcvdi_stat_meaning((mcvdi_stat)s));
        add_summary(b, stat, "generated", &model);
        add_summary(b, stat, "real", &real);
    }
}

static void add_definitions(json_builder *b, cJSON *root)
{
    cJSON *object = new_object(b, root, "definitions");

    add_string(b, object, "psnr", "dB, peak 1, from the mean square error of a whole trajectory");
    add_string(b, object, "psnr_frame_mean", "dB, plain mean of the frames' own PSNR");
    add_string(b, object, "ssim",
               b->report->protocol.binarise
                   ? "8-bit gray of pixels rounded to 0 or 1, Gaussian window 11x11, sigma 1.5"
                   : "8-bit gray, Gaussian window 11x11, sigma 1.5");
    add_string(b, object, "best_of_k", "each metric takes its own best trajectory of a clip");
    add_string(b, object, "conf95", "half-width, 1.959964 s / sqrt(clips)");
    add_string(b, object, "infinite",
               "clips left out because identical frames have no finite PSNR");
    add_string(b, object, "per_frame",
               "mean over clips of each frame; best_of_k: the frames of the best trajectory");
}

/* Put a tree under root, which owns it from then on. */
static void attach(json_builder *b, cJSON *root, const char *name, cJSON *item)
{
    if (!checked(b, item))
        return;
    if (!cJSON_AddItemToObject(root, name, item)) {
        cJSON_Delete(item);
        checked(b, NULL);
    }
}

static void build(json_builder *b, cJSON *root, double *curve)
{
    cJSON *dump = mcvdi_eval_protocol_dump(&b->report->protocol);

    add_string(b, root, "benchmark", b->report->protocol.name);
    attach(b, root, "protocol",
           dump ? cJSON_DetachItemFromObjectCaseSensitive(dump, "protocol") : NULL);
    cJSON_Delete(dump);
    attach(b, root, "run", cJSON_Duplicate(b->report->notes, true));
    add_number(b, root, "clips_used", (double)b->report->clips);
    if (b->report->scored)
        add_results(b, root, curve);
    else
        add_statistics(b, root);
    if (b->status >= 0)
        add_reference_names(b, root);
    add_missing(b, root);
    if (b->report->scored)
        add_definitions(b, root);
    add_distance(b, root);
    add_published(b, root);
    add_card(b, root);
}

mcvd_status mcvdi_eval_write_json(const mcvd_eval_report *report, mcvdi_text *text)
{
    json_builder b = { report, MCVD_OK };
    cJSON *root = cJSON_CreateObject();
    double *curve = mcvdi_malloc((size_t)report->protocol.frames * sizeof *curve);
    char *printed = NULL;

    if (root && curve)
        build(&b, root, curve);
    else
        b.status = fail_memory();
    if (b.status >= 0)
        printed = cJSON_PrintUnformatted(root);
    if (b.status >= 0 && !printed)
        b.status = fail_memory();
    if (printed)
        mcvdi_text_add(text, "%s\n", printed);
    cJSON_free(printed);
    mcvdi_free(curve);
    cJSON_Delete(root);
    return b.status;
}
