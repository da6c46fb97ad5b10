/*
 * Comparing names and shapes. A wrong configuration is the usual reason for a misfit, and the
 * shapes of the first layers say with certainty what it should have been.
 */
#include "model/import_fit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "model/torch_checkpoint.h"

enum { MAX_LINES = 8, NAME_BYTES = 192, SHAPE_BYTES = 160, LINE_BYTES = 512 };

static const char layer_start[] = "unet.all_modules.";

typedef struct comparison {
    const mcvdi_import_fit *fit;
    size_t *numbers;
    bool *used; /* tensors of the checkpoint */
    size_t missing, unexpected, reshaped;
} comparison;

__attribute__((format(printf, 2, 3))) static void note(const mcvdi_import_fit *fit,
                                                       const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;

    if (!fit->note)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fit->note(fit->user, line);
}

/* The first lines of one kind of difference, then how many there are in all. */
#define NOTE_SOME(count, fit, ...)         \
    do {                                   \
        if ((count)++ < (size_t)MAX_LINES) \
            note(fit, __VA_ARGS__);        \
    } while (0)

static void note_rest(const mcvdi_import_fit *fit, size_t count, const char *kind)
{
    if (count > MAX_LINES)
        note(fit, "  ... and %zu more %s", count - MAX_LINES, kind);
}

/* --- names and shapes --- */

/* Early checkpoints have the final norm's weights right under the layer: the name without
 * "Norm_0."; false when `name` is no such norm. */
static bool old_name(char alias[NAME_BYTES], const char *name)
{
    static const char norm[] = ".Norm_0.";
    const size_t start = sizeof layer_start - 1;

    if (strncmp(name, layer_start, start) != 0)
        return false;
    const size_t digits = strspn(name + start, "0123456789");
    const char *rest = name + start + digits;
    if (strncmp(rest, norm, sizeof norm - 1) != 0)
        return false;
    const char *last = rest + sizeof norm - 1;
    if (strcmp(last, "weight") != 0 && strcmp(last, "bias") != 0)
        return false;
    const int length = snprintf(alias, NAME_BYTES, "%.*s.%s", (int)(start + digits), name, last);
    return length > 0 && length < NAME_BYTES;
}

static bool same_shape(const mcvd_tensor *a, const mcvd_tensor *b)
{
    bool same = a->ndim == b->ndim;

    for (int d = 0; same && d < a->ndim; d++)
        same = a->shape[d] == b->shape[d];
    return same;
}

static mcvd_status compare_parameter(comparison *c, size_t i)
{
    const mcvdi_import_fit *f = c->fit;
    const size_t count = mcvd_torch_checkpoint_count(f->checkpoint, f->part);
    char alias[NAME_BYTES];
    char wanted_text[SHAPE_BYTES];
    char found_text[SHAPE_BYTES];
    const char *name;
    const char *found_name;
    mcvd_tensor wanted;
    mcvd_tensor found;
    mcvd_status st = mcvd_model_tensor(f->model, i, &name, &wanted);

    if (st < 0)
        return st;
    size_t number = mcvdi_torch_checkpoint_find(f->checkpoint, f->part, name);
    if (number == count && old_name(alias, name))
        number = mcvdi_torch_checkpoint_find(f->checkpoint, f->part, alias);
    c->numbers[i] = number;
    mcvd_tensor_shape_text(&wanted, wanted_text, sizeof wanted_text);
    if (number == count) {
        NOTE_SOME(c->missing, f, "  missing     %s %s", name, wanted_text);
        return MCVD_OK;
    }
    c->used[number] = true;
    st = mcvd_torch_checkpoint_tensor(f->checkpoint, f->part, number, &found_name, &found);
    if (st >= 0 && !same_shape(&wanted, &found))
        NOTE_SOME(c->reshaped, f, "  shape       %s %s, the configuration needs %s", found_name,
                  mcvd_tensor_shape_text(&found, found_text, sizeof found_text), wanted_text);
    return st;
}

static mcvd_status compare_rest(comparison *c)
{
    const mcvdi_import_fit *f = c->fit;
    const size_t count = mcvd_torch_checkpoint_count(f->checkpoint, f->part);
    char text[SHAPE_BYTES];
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; st >= 0 && i < count; i++) {
        const char *name;
        mcvd_tensor found;
        if (c->used[i])
            continue;
        st = mcvd_torch_checkpoint_tensor(f->checkpoint, f->part, i, &name, &found);
        if (st >= 0 && !mcvd_torch_is_buffer(name))
            NOTE_SOME(c->unexpected, f, "  unexpected  %s %s", name,
                      mcvd_tensor_shape_text(&found, text, sizeof text));
    }
    return st;
}

/* --- what the checkpoint says about its configuration --- */

/* Shape of a tensor; false when there is none of that name. */
static bool shape_of(const mcvdi_import_fit *f, const char *name, mcvd_tensor *shape)
{
    const char *same;
    const size_t number = mcvdi_torch_checkpoint_find(f->checkpoint, f->part, name);

    return mcvd_torch_checkpoint_count(f->checkpoint, f->part) > number &&
           mcvd_torch_checkpoint_tensor(f->checkpoint, f->part, number, &same, shape) >= 0;
}

/* Shape of the first tensor whose name contains `part`. */
static bool shape_with(const mcvdi_import_fit *f, const char *part, mcvd_tensor *shape)
{
    const char *name;
    const size_t count = mcvd_torch_checkpoint_count(f->checkpoint, f->part);

    for (size_t i = 0; i < count; i++)
        if (mcvd_torch_checkpoint_tensor(f->checkpoint, f->part, i, &name, shape) >= 0 &&
            strstr(name, part))
            return true;
    return false;
}

/* Highest layer number + 1 of the checkpoint's names. */
static long count_layers(const mcvdi_import_fit *f)
{
    const size_t count = mcvd_torch_checkpoint_count(f->checkpoint, f->part);
    long layers = 0;

    for (size_t i = 0; i < count; i++) {
        const char *name;
        mcvd_tensor shape;
        if (mcvd_torch_checkpoint_tensor(f->checkpoint, f->part, i, &name, &shape) < 0 ||
            strncmp(name, layer_start, sizeof layer_start - 1) != 0)
            continue;
        const long layer = strtol(name + sizeof layer_start - 1, NULL, 10);
        layers = layer >= layers && layer < 100000 ? layer + 1 : layers;
    }
    return layers;
}

static void hint_bool(const mcvdi_import_fit *f, const char *key, bool found, bool configured)
{
    if (found != configured)
        note(f, "  hint        model.%s is %s in the configuration, %s in the checkpoint", key,
             configured ? "true" : "false", found ? "true" : "false");
}

static void hint_count(const mcvdi_import_fit *f, const char *what, size_t found, int64_t wanted)
{
    if ((int64_t)found != wanted)
        note(f, "  hint        %s: %" PRId64 " in the configuration, %zu in the checkpoint", what,
             wanted, found);
}

static const char *arch_of(const mcvdi_import_fit *f)
{
    mcvd_tensor shape;

    if (shape_with(f, ".space_conv.", &shape))
        return "unetmorepseudo3d";
    return shape_with(f, ".Conv_0.conv.", &shape) ? "unetmore3d" : "unetmore";
}

/* Plain two-dimensional nets: widths and frames can be read from the outermost layers. */
static void hint_flat(const mcvdi_import_fit *f, const mcvd_config *config, int first, bool spade)
{
    const mcvd_data_config *d = &config->data;
    const int64_t given = spade ? 0 : d->num_frames_cond + d->num_frames_future;
    char name[NAME_BYTES];
    mcvd_tensor shape;

    snprintf(name, sizeof name, "%s%d.weight", layer_start, first);
    if (shape_of(f, name, &shape) && shape.ndim == 4) {
        hint_count(f, "model.ngf", shape.shape[0], config->model.ngf);
        hint_count(f, "channels of all frames that enter the first convolution", shape.shape[1],
                   d->channels * (d->num_frames + given));
    }
    snprintf(name, sizeof name, "%s%ld.weight", layer_start, count_layers(f) - 1);
    if (shape_of(f, name, &shape) && shape.ndim == 4)
        hint_count(f, "channels of all frames that the last convolution makes", shape.shape[0],
                   d->channels * d->num_frames);
    if (spade && config->model.spade && shape_with(f, ".mlp_shared.0.weight", &shape))
        hint_count(f, "model.spade_dim", shape.shape[0], config->model.spade_dim);
}

static long configured_layers(const mcvd_model *model)
{
    const char *name;
    mcvd_tensor shape;
    const size_t n = mcvd_model_num_tensors(model);

    if (!n || mcvd_model_tensor(model, n - 1, &name, &shape) < 0)
        return 0;
    return strtol(name + sizeof layer_start - 1, NULL, 10) + 1;
}

static void hint(const mcvdi_import_fit *f)
{
    const mcvd_config *config = mcvd_model_get_config(f->model);
    const char *arch = arch_of(f);
    mcvd_tensor shape;
    const long layers = count_layers(f);
    const bool spade = shape_with(f, ".mlp_shared.", &shape);
    const bool timed = shape_of(f, "unet.all_modules.0.weight", &shape) && shape.ndim == 2;
    const bool masked =
        timed && shape_of(f, "unet.all_modules.2.weight", &shape) && shape.ndim == 2;

    if (!layers) {
        note(f, "  hint        no name starts with %s: this is another kind of network",
             layer_start);
        return;
    }
    if (strcmp(arch, config->model.arch) != 0)
        note(f, "  hint        model.arch is %s in the configuration, %s in the checkpoint",
             config->model.arch, arch);
    hint_bool(f, "spade", spade, config->model.spade);
    hint_bool(f, "time_conditional", timed, config->model.time_conditional);
    hint_bool(f, "cond_emb", masked, config->model.cond_emb);
    if (strcmp(arch, "unetmore") == 0 && config->model.space_to_depth == 1)
        hint_flat(f, config, timed ? 2 + masked : 0, spade);
    if (layers != configured_layers(f->model))
        note(f,
             "  hint        %ld layers in the configuration, %ld in the checkpoint: "
             "model.ch_mult, num_res_blocks and attn_resolutions decide",
             configured_layers(f->model), layers);
}

/* --- all of it --- */

static mcvd_status compare(comparison *c)
{
    const mcvdi_import_fit *f = c->fit;
    mcvd_status st = MCVD_OK;

    for (size_t i = 0; st >= 0 && i < mcvd_model_num_tensors(f->model); i++)
        st = compare_parameter(c, i);
    if (st >= 0)
        st = compare_rest(c);
    if (st < 0 || c->missing + c->unexpected + c->reshaped == 0)
        return st;
    note_rest(f, c->missing, "missing");
    note_rest(f, c->unexpected, "unexpected");
    note_rest(f, c->reshaped, "of another shape");
    hint(f);
    return mcvdi_fail(MCVD_E_MODEL,
                      "%s: does not fit the configuration: %zu tensors are missing, %zu "
                      "unexpected, %zu of another shape",
                      f->path, c->missing, c->unexpected, c->reshaped);
}

mcvd_status mcvdi_import_match(const mcvdi_import_fit *fit, size_t *numbers)
{
    const size_t count = mcvd_torch_checkpoint_count(fit->checkpoint, fit->part);
    comparison c = { .fit = fit, .numbers = numbers };

    c.used = mcvdi_calloc(count + 1, sizeof *c.used);
    if (!c.used)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", fit->path);
    const mcvd_status st = compare(&c);
    mcvdi_free(c.used);
    return st;
}
