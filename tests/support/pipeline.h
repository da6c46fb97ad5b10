/* Golden files of tests/golden/pipeline: tensors by name, settings, and the toy network. */
#ifndef TESTS_SUPPORT_PIPELINE_H
#define TESTS_SUPPORT_PIPELINE_H

#include <stdlib.h>

#include <mcvd/safetensors.h>
#include <mcvd/schedule.h>

#include "core/json.h"
#include "support/check.h"

static inline mcvd_safetensors *pipeline_open(const char *part, const char *name)
{
    char path[512];
    mcvd_safetensors *file = NULL;

    snprintf(path, sizeof path, "%s/pipeline/%s/%s.safetensors", MCVD_TEST_GOLDEN, part, name);
    CHECK_OK(mcvd_safetensors_open(&file, path));
    return file;
}

/* Tensor "<group>/<name>", or "<name>" when group is NULL; fails the test when it is missing. */
static inline mcvd_tensor pipeline_tensor(const mcvd_safetensors *file, const char *group,
                                          const char *name, mcvd_dtype dtype)
{
    char full[128];
    mcvd_tensor tensor;

    snprintf(full, sizeof full, "%s%s%s", group ? group : "", group ? "/" : "", name);
    CHECK_OK(mcvd_safetensors_get(file, full, &tensor));
    CHECK_EQ(tensor.dtype, dtype);
    return tensor;
}

static inline const float *pipeline_f32(const mcvd_safetensors *file, const char *group,
                                        const char *name)
{
    return pipeline_tensor(file, group, name, MCVD_F32).data;
}

static inline cJSON *pipeline_json(const char *part, const char *name)
{
    char path[512];
    cJSON *json = NULL;

    snprintf(path, sizeof path, "%s/pipeline/%s/%s.json", MCVD_TEST_GOLDEN, part, name);
    CHECK_OK(mcvdi_json_read(&json, path));
    return json;
}

static inline const char *json_text(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    CHECK_TRUE(cJSON_IsString(item));
    return item->valuestring;
}

/* A number, or fallback when the key is absent or null. */
static inline double json_number(const cJSON *object, const char *key, double fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

static inline bool json_flag(const cJSON *object, const char *key, bool fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

/* The schedule of every golden case: linear ones run from 0.02 to 0.0001 whatever T is. */
static inline mcvd_schedule *golden_schedule(const char *kind, int num_timesteps)
{
    mcvd_schedule_config config = mcvd_schedule_config_default();
    mcvd_schedule *sched = NULL;

    config.kind = kind;
    config.num_timesteps = num_timesteps;
    CHECK_OK(mcvd_schedule_create(&sched, &config));
    return sched;
}

/* s = mean over k of (k + 1) * mean over pixels of cond[k];  cond: [k, hw] of one sample. */
static inline double toy_condition(const float *cond, size_t channels, size_t hw)
{
    double s = 0.0;

    for (size_t k = 0; k < channels; k++) {
        double sum = 0.0;
        for (size_t i = 0; i < hw; i++)
            sum += (double)cond[k * hw + i];
        s += (double)(k + 1) * sum / (double)hw;
    }
    return channels ? s / (double)channels : 0.0;
}

/* eps = th[0] x + th[1] s + th[2] sin(0.02 label), one sample of n values. */
static inline void toy_network(const double th[3], double s, double label, const float *x,
                               float *eps, size_t n)
{
    const double offset = th[1] * s + th[2] * sin(0.02 * label);

    for (size_t i = 0; i < n; i++)
        eps[i] = (float)(th[0] * (double)x[i] + offset);
}

#endif
