#include "model/extractor_names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { I3D_CLASSES = 400, I3D_POOLED = 1024, NUM_BRANCHES = 6 };

typedef struct mixed_block {
    const char *name;
    size_t in;
    size_t out[NUM_BRANCHES];
} mixed_block;

static const mixed_block blocks[] = {
    { "Mixed_3b", 192, { 64, 96, 128, 16, 32, 32 } },
    { "Mixed_3c", 256, { 128, 128, 192, 32, 96, 64 } },
    { "Mixed_4b", 480, { 192, 96, 208, 16, 48, 64 } },
    { "Mixed_4c", 512, { 160, 112, 224, 24, 64, 64 } },
    { "Mixed_4d", 512, { 128, 128, 256, 24, 64, 64 } },
    { "Mixed_4e", 512, { 112, 144, 288, 32, 64, 64 } },
    { "Mixed_4f", 528, { 256, 160, 320, 32, 128, 128 } },
    { "Mixed_5b", 832, { 256, 160, 320, 32, 128, 128 } },
    { "Mixed_5c", 832, { 384, 192, 384, 48, 128, 128 } },
};

__attribute__((format(printf, 2, 3))) static mcvdi_extractor_tensor *put_name(
    mcvdi_extractor_tensor **at, const char *format, ...)
{
    mcvdi_extractor_tensor *t = (*at)++;
    va_list args;

    *t = (mcvdi_extractor_tensor) { .ndim = 0 };
    va_start(args, format);
    vsnprintf(t->name, sizeof t->name, format, args);
    va_end(args);
    return t;
}

static void put_vector(mcvdi_extractor_tensor **at, const char *unit, const char *part, size_t n)
{
    mcvdi_extractor_tensor *t = put_name(at, "%s.%s", unit, part);

    t->ndim = 1;
    t->shape[0] = n;
}

static void put_kernel(mcvdi_extractor_tensor **at, const char *unit, size_t out, size_t in,
                       size_t side)
{
    mcvdi_extractor_tensor *t = put_name(at, "%s.conv3d.weight", unit);

    t->ndim = 5;
    t->shape[0] = out;
    t->shape[1] = in;
    t->shape[2] = t->shape[3] = t->shape[4] = side;
}

/* Convolution without bias, batch norm. */
static void put_unit(mcvdi_extractor_tensor **at, const char *unit, size_t out, size_t in,
                     size_t side)
{
    put_kernel(at, unit, out, in, side);
    put_vector(at, unit, "bn.weight", out);
    put_vector(at, unit, "bn.bias", out);
    put_vector(at, unit, "bn.running_mean", out);
    put_vector(at, unit, "bn.running_var", out);
}

static void put_block(mcvdi_extractor_tensor **at, const mixed_block *block)
{
    static const char *const branches[] = { "b0", "b1a", "b1b", "b2a", "b2b", "b3b" };

    for (size_t i = 0; i < NUM_BRANCHES; i++) {
        char unit[MCVDI_EXTRACTOR_NAME / 2];
        const bool second = i == 2 || i == 4; /* b1b follows b1a, b2b follows b2a */
        snprintf(unit, sizeof unit, "%s.%s", block->name, branches[i]);
        put_unit(at, unit, block->out[i], second ? block->out[i - 1] : block->in, second ? 3 : 1);
    }
}

void mcvdi_i3d_tensors(mcvdi_extractor_tensor *tensors)
{
    mcvdi_extractor_tensor *at = tensors;

    put_kernel(&at, "logits", I3D_CLASSES, I3D_POOLED, 1);
    put_vector(&at, "logits", "conv3d.bias", I3D_CLASSES);
    put_unit(&at, "Conv3d_1a_7x7", 64, 3, 7);
    put_unit(&at, "Conv3d_2b_1x1", 64, 64, 1);
    put_unit(&at, "Conv3d_2c_3x3", 192, 64, 3);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        put_block(&at, &blocks[i]);
}

void mcvdi_alexnet_tensors(mcvdi_extractor_tensor *tensors)
{
    static const struct {
        int number;
        size_t out, in, side;
    } layers[] = {
        { 0, 64, 3, 11 },   { 3, 192, 64, 5 },   { 6, 384, 192, 3 },
        { 8, 256, 384, 3 }, { 10, 256, 256, 3 },
    };
    mcvdi_extractor_tensor *at = tensors;

    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        mcvdi_extractor_tensor *weight = put_name(&at, "features.%d.weight", layers[i].number);
        weight->ndim = 4;
        weight->shape[0] = layers[i].out;
        weight->shape[1] = layers[i].in;
        weight->shape[2] = weight->shape[3] = layers[i].side;
        mcvdi_extractor_tensor *bias = put_name(&at, "features.%d.bias", layers[i].number);
        bias->ndim = 1;
        bias->shape[0] = layers[i].out;
    }
}

void mcvdi_lpips_head_tensors(mcvdi_extractor_tensor *tensors)
{
    static const size_t channels[MCVDI_LPIPS_HEADS] = { 64, 192, 384, 256, 256 };
    mcvdi_extractor_tensor *at = tensors;

    for (size_t i = 0; i < MCVDI_LPIPS_HEADS; i++) {
        mcvdi_extractor_tensor *t = put_name(&at, "lin%zu.model.1.weight", i);
        t->ndim = 4;
        t->shape[0] = t->shape[2] = t->shape[3] = 1;
        t->shape[1] = channels[i];
    }
}

/* Parts of our names between dots, and theirs. */
static const char *other_part(const char *part, size_t length)
{
    static const char *const rows[][2] = {
        { "logits", "conv3d_0c_1x1" }, { "bn", "batch3d" },     { "b0", "branch_0" },
        { "b1a", "branch_1.0" },       { "b1b", "branch_1.1" }, { "b2a", "branch_2.0" },
        { "b2b", "branch_2.1" },       { "b3b", "branch_3.1" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strlen(rows[i][0]) == length && memcmp(rows[i][0], part, length) == 0)
            return rows[i][1];
    return NULL;
}

void mcvdi_i3d_other_name(char name[MCVDI_EXTRACTOR_NAME], const char *ours)
{
    size_t used = 0;

    while (used < MCVDI_EXTRACTOR_NAME) {
        const size_t length = strcspn(ours, ".");
        const char *other = other_part(ours, length);
        const int n = snprintf(name + used, MCVDI_EXTRACTOR_NAME - used, "%.*s",
                               other ? (int)strlen(other) : (int)length, other ? other : ours);
        if (used == 0 && name[0] >= 'A' && name[0] <= 'Z')
            name[0] = (char)(name[0] - 'A' + 'a');
        used += (size_t)n;
        ours += length;
        if (!*ours)
            break;
        ours++;
        snprintf(name + used, MCVDI_EXTRACTOR_NAME - used, ".");
        used++;
    }
}
