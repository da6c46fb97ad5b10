#include "train/distill_record.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/fileio.h"
#include "core/json.h"

int mcvdi_distill_rounds(const mcvdi_distill_plan *plan)
{
    int rounds = plan->converts ? 1 : 0;

    for (int steps = plan->from; steps > plan->to; steps /= 2)
        rounds++;
    return rounds;
}

int mcvdi_distill_steps(const mcvdi_distill_plan *plan, int round)
{
    const int halvings = round - (plan->converts && round > 0 ? 1 : 0);

    return plan->from >> halvings;
}

/* --- writing --- */

static const struct {
    const char *name;
    size_t offset;
    double if_null; /* JSON has no infinity and no NaN */
} quality_keys[] = {
    { "psnr", offsetof(mcvd_distill_quality, student.psnr), (double)INFINITY },
    { "ssim", offsetof(mcvd_distill_quality, student.ssim), (double)NAN },
    { "teacher_psnr", offsetof(mcvd_distill_quality, teacher.psnr), (double)INFINITY },
    { "teacher_ssim", offsetof(mcvd_distill_quality, teacher.ssim), (double)NAN },
    { "original_psnr", offsetof(mcvd_distill_quality, original.psnr), (double)INFINITY },
    { "original_ssim", offsetof(mcvd_distill_quality, original.ssim), (double)NAN },
    { "psnr_to_teacher", offsetof(mcvd_distill_quality, psnr_to_teacher), (double)INFINITY },
    { "psnr_to_original", offsetof(mcvd_distill_quality, psnr_to_original), (double)INFINITY },
};

enum { NUM_QUALITY_KEYS = sizeof quality_keys / sizeof *quality_keys };

static bool add_stage(cJSON *list, const mcvd_distill_stage *stage)
{
    cJSON *json = cJSON_CreateObject();
    bool good = json && cJSON_AddItemToArray(list, json) &&
                cJSON_AddNumberToObject(json, "round", stage->round) &&
                cJSON_AddNumberToObject(json, "steps", stage->steps) &&
                cJSON_AddNumberToObject(json, "teacher_steps", stage->teacher_steps) &&
                cJSON_AddStringToObject(json, "file", stage->file);

    for (size_t i = 0; good && i < NUM_QUALITY_KEYS; i++) {
        double value;
        memcpy(&value, (const char *)&stage->quality + quality_keys[i].offset, sizeof value);
        good = cJSON_AddNumberToObject(json, quality_keys[i].name, value) != NULL;
    }
    return good;
}

static bool add_all(cJSON *json, const mcvdi_distill_plan *plan, const mcvd_distill_report *report)
{
    bool good = cJSON_AddNumberToObject(json, "from", plan->from) &&
                cJSON_AddNumberToObject(json, "to", plan->to) &&
                cJSON_AddBoolToObject(json, "converts", plan->converts) &&
                cJSON_AddNumberToObject(json, "iterations", (double)plan->round_steps) &&
                cJSON_AddNumberToObject(json, "windows", (double)plan->windows);
    cJSON *list = good ? cJSON_AddArrayToObject(json, "stages") : NULL;

    for (int i = 0; list && good && i < report->done; i++)
        good = add_stage(list, &report->stages[i]);
    return good && list;
}

mcvd_status mcvdi_distill_write(const mcvdi_distill_plan *plan, const mcvd_distill_report *report,
                                const char *path)
{
    cJSON *json = cJSON_CreateObject();
    char *text = json && add_all(json, plan, report) ? cJSON_Print(json) : NULL;
    const mcvd_status st = text ? mcvdi_file_write(path, text, strlen(text), true)
                                : mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", path);

    cJSON_free(text);
    cJSON_Delete(json);
    return st;
}

/* --- reading --- */

/* A whole number in [low, high]; -1 when it is none. */
static double whole(const cJSON *json, const char *name, double low, double high)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    const double value = cJSON_IsNumber(item) ? item->valuedouble : -1.0;

    return value >= low && value <= high && !(floor(value) < value) ? value : -1.0;
}

static bool read_plan(mcvdi_distill_plan *plan, const cJSON *json)
{
    const double from = whole(json, "from", 1, 1 << (MCVD_DISTILL_MAX_ROUNDS - 1));
    const double to = whole(json, "to", 1, from);
    const double iterations = whole(json, "iterations", 1, 1e12);
    const double windows = whole(json, "windows", 1, 65536);
    const cJSON *converts = cJSON_GetObjectItemCaseSensitive(json, "converts");

    if (from < 0.0 || to < 0.0 || iterations < 0.0 || windows < 0.0 || !cJSON_IsBool(converts))
        return false;
    *plan = (mcvdi_distill_plan) { .from = (int)from,
                                   .to = (int)to,
                                   .converts = cJSON_IsTrue(converts),
                                   .round_steps = (int64_t)iterations,
                                   .windows = (size_t)windows };
    return true;
}

/* Stages follow from the plan but for what they were worth. */
static bool read_stage(mcvd_distill_stage *stage, const mcvdi_distill_plan *plan, int round,
                       const cJSON *json)
{
    mcvdi_distill_stage_of(stage, plan, round);
    for (size_t i = 0; i < NUM_QUALITY_KEYS; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, quality_keys[i].name);
        if (!cJSON_IsNumber(item) && !cJSON_IsNull(item))
            return false;
        const double value = cJSON_IsNull(item) ? quality_keys[i].if_null : item->valuedouble;
        memcpy((char *)&stage->quality + quality_keys[i].offset, &value, sizeof value);
    }
    return cJSON_IsObject(json);
}

static bool read_all(mcvdi_distill_plan *plan, mcvd_distill_report *report, const cJSON *json)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "stages");

    if (!read_plan(plan, json) || !cJSON_IsArray(list) ||
        cJSON_GetArraySize(list) > mcvdi_distill_rounds(plan))
        return false;
    for (const cJSON *item = list->child; item; item = item->next) {
        if (!read_stage(&report->stages[report->done], plan, report->done + 1, item))
            return false;
        report->done++;
    }
    return true;
}

mcvd_status mcvdi_distill_read(mcvdi_distill_plan *plan, mcvd_distill_report *report,
                               const char *path)
{
    cJSON *json = NULL;
    mcvd_status st = mcvdi_json_read(&json, path);

    if (st < 0)
        return st == MCVD_E_NOMEM ? st : MCVD_E_INPUT;
    report->done = 0;
    if (!read_all(plan, report, json))
        st = mcvdi_fail(MCVD_E_INPUT, "%s: not the plan of a distillation", path);
    cJSON_Delete(json);
    return st;
}

void mcvdi_distill_stage_of(mcvd_distill_stage *stage, const mcvdi_distill_plan *plan, int round)
{
    memset(stage, 0, sizeof *stage);
    stage->round = round;
    stage->steps = mcvdi_distill_steps(plan, round);
    stage->teacher_steps = mcvdi_distill_steps(plan, round - 1);
    snprintf(stage->file, sizeof stage->file, "stage-%d-steps.safetensors", stage->steps);
}
