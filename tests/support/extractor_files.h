/* Model files of I3D and AlexNet with hashed weights, as tests/golden/pipeline/README.md says. */
#ifndef TESTS_SUPPORT_EXTRACTOR_FILES_H
#define TESTS_SUPPORT_EXTRACTOR_FILES_H

#include <mcvd/safetensors.h>

#include "core/alloc.h"
#include "core/json.h"
#include "support/check.h"
#include "support/hashed.h"

enum { EXTRACTOR_TENSORS = 512 };

typedef struct extractor_file {
    mcvd_safetensors_entry entries[EXTRACTOR_TENSORS];
    char names[EXTRACTOR_TENSORS][64];
    size_t count;
} extractor_file;

static inline float *add_extractor_tensor(extractor_file *f, const char *name, int ndim,
                                          const size_t *shape)
{
    mcvd_safetensors_entry *e = &f->entries[f->count];

    CHECK_TRUE(f->count < EXTRACTOR_TENSORS);
    snprintf(f->names[f->count], sizeof f->names[f->count], "%s", name);
    e->name = f->names[f->count++];
    e->tensor = mcvd_tensor_view(MCVD_F32, NULL, ndim, shape);
    float *values = mcvdi_malloc(mcvd_tensor_numel(&e->tensor) * sizeof *values);
    CHECK_TRUE(values != NULL);
    e->tensor.data = values;
    return values;
}

static inline void write_extractor(extractor_file *f, const char *path, const char *extractor)
{
    const mcvd_safetensors_meta meta[] = { { "mcvd_extractor", extractor }, { "bn_eps", "1e-05" } };

    CHECK_OK(mcvd_safetensors_write(path, f->entries, f->count, meta, 2, true));
    for (size_t i = 0; i < f->count; i++) {
        void *data = NULL;
        memcpy(&data, &f->entries[i].tensor.data, sizeof data);
        mcvdi_free(data);
    }
    mcvdi_free(f);
}

static inline extractor_file *new_extractor(void)
{
    extractor_file *f = mcvdi_calloc(1, sizeof *f);

    CHECK_TRUE(f != NULL);
    return f;
}

/* uni(-1, 1) times float32(sqrt(6 / fan_in)) */
static inline void fill_hashed_weight(float *values, const char *key, size_t numel, size_t fan_in)
{
    const float scale = (float)sqrt(6.0 / (double)fan_in);

    for (size_t i = 0; i < numel; i++)
        values[i] = hashed_uniform(key, (uint32_t)i, -1.0, 1.0) * scale;
}

static inline void fill_hashed(float *values, const char *key, size_t numel, double lo, double hi)
{
    for (size_t i = 0; i < numel; i++)
        values[i] = hashed_uniform(key, (uint32_t)i, lo, hi);
}

static inline void fill_i3d_tensor(float *values, const char *name, size_t numel, size_t fan_in)
{
    char key[96];

    snprintf(key, sizeof key, "i3d/%s", name);
    if (strstr(name, "conv3d.weight"))
        fill_hashed_weight(values, key, numel, fan_in);
    else if (strstr(name, "bn.weight"))
        fill_hashed(values, key, numel, 0.8, 1.2);
    else if (strstr(name, "running_var"))
        fill_hashed(values, key, numel, 0.5, 1.5);
    else
        fill_hashed(values, key, numel, -0.1, 0.1);
}

static inline void write_hashed_i3d(const char *path)
{
    extractor_file *f = new_extractor();
    char keys[512];
    cJSON *json = NULL;

    snprintf(keys, sizeof keys, "%s/pipeline/fvd/i3d_keys.json", MCVD_TEST_GOLDEN);
    CHECK_OK(mcvdi_json_read(&json, keys));
    for (const cJSON *row = json->child; row; row = row->next) {
        const char *name = cJSON_GetArrayItem(row, 0)->valuestring;
        const cJSON *dims = cJSON_GetArrayItem(row, 1);
        size_t shape[5] = { 0 };
        size_t numel = 1;
        const int ndim = cJSON_GetArraySize(dims);
        for (int d = 0; d < ndim; d++) {
            shape[d] = (size_t)cJSON_GetArrayItem(dims, d)->valuedouble;
            numel *= shape[d];
        }
        fill_i3d_tensor(add_extractor_tensor(f, name, ndim, shape), name, numel, numel / shape[0]);
    }
    cJSON_Delete(json);
    write_extractor(f, path, "i3d");
}

/* heads: the five learned weights to put in, [channels] each, or NULL for none. */
static inline void write_hashed_alexnet(const char *path, const float *const *heads)
{
    static const size_t layer[5] = { 0, 3, 6, 8, 10 };
    static const size_t shapes[5][4] = { { 64, 3, 11, 11 },
                                         { 192, 64, 5, 5 },
                                         { 384, 192, 3, 3 },
                                         { 256, 384, 3, 3 },
                                         { 256, 256, 3, 3 } };
    extractor_file *f = new_extractor();
    char name[64];
    char key[96];

    for (size_t i = 0; i < 5; i++) {
        const size_t *s = shapes[i];
        const size_t fan_in = s[1] * s[2] * s[3];
        snprintf(name, sizeof name, "features.%zu.weight", layer[i]);
        snprintf(key, sizeof key, "alexnet/%s", name);
        fill_hashed_weight(add_extractor_tensor(f, name, 4, s), key, s[0] * fan_in, fan_in);
        snprintf(name, sizeof name, "features.%zu.bias", layer[i]);
        snprintf(key, sizeof key, "alexnet/%s", name);
        fill_hashed(add_extractor_tensor(f, name, 1, s), key, s[0], -0.1, 0.1);
    }
    for (size_t i = 0; heads && i < 5; i++) {
        const size_t shape[4] = { 1, shapes[i][0], 1, 1 };
        snprintf(name, sizeof name, "lin%zu.model.1.weight", i);
        memcpy(add_extractor_tensor(f, name, 4, shape), heads[i], shape[1] * sizeof(float));
    }
    write_extractor(f, path, "alexnet");
}

#endif
