/* Public weights of a network that judges pictures become its model file. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"
#include "core/real_text.h"
#include "core/safetensors_write.h"
#include "core/sha256.h"
#include "core/utf8.h"
#include "model/extractor_names.h"
#include "model/import_source.h"
#include "model/torch_checkpoint.h"
#include "model/torch_script.h"

enum {
    MAX_TENSORS = MCVDI_I3D_TENSORS, /* AlexNet with heads has fewer */
    NAME_BYTES = 1024,
    SHAPE_BYTES = 160,
    MAX_META = 6
};

static const double default_eps = 1e-5;

/* Where the values of one tensor of the output come from. */
typedef struct origin {
    mcvdi_import_source *source;
    size_t number;
} origin;

typedef struct extractor_job {
    mcvd_extractor_kind kind;
    const mcvd_extractor_import_options *options;
    mcvd_extractor_import_result *result;
    mcvdi_import_source source, heads;
    mcvdi_extractor_tensor wanted[MAX_TENSORS];
    origin origins[MAX_TENSORS];
    mcvd_safetensors_entry entries[MAX_TENSORS];
    size_t count;
    char heads_sha256[MCVDI_SHA256_HEX];
} extractor_job;

/* --- by name --- */

typedef void (*name_style)(char name[MCVDI_EXTRACTOR_NAME], const char *ours);

static void same_name(char name[MCVDI_EXTRACTOR_NAME], const char *ours)
{
    snprintf(name, MCVDI_EXTRACTOR_NAME, "%s", ours);
}

static bool find_name(const mcvdi_import_source *s, const char *name, size_t *number)
{
    for (size_t i = 0; i < s->count; i++) {
        const char *found = "";
        mcvd_tensor shape;
        if (mcvdi_import_source_tensor(s, i, &found, &shape) >= 0 && strcmp(found, name) == 0) {
            *number = i;
            return true;
        }
    }
    return false;
}

/* What stands before `name` in the first of the file's names that ends with it. */
static bool find_prefix(const mcvdi_import_source *s, const char *name, char prefix[NAME_BYTES])
{
    const size_t tail = strlen(name);

    for (size_t i = 0; i < s->count; i++) {
        const char *found = "";
        mcvd_tensor shape;
        if (mcvdi_import_source_tensor(s, i, &found, &shape) < 0)
            continue;
        const size_t length = strlen(found);
        const size_t before = length >= tail ? length - tail : NAME_BYTES;
        if (before >= NAME_BYTES || strcmp(found + before, name) != 0 ||
            (before && found[before - 1] != '.'))
            continue;
        memcpy(prefix, found, before);
        prefix[before] = '\0';
        return true;
    }
    return false;
}

/* Find wanted[first, first + count) under one prefix, that of a tensor which no other network has
 * under this name; *found tells whether it is there. Then a missing tensor is a failure. */
static mcvd_status match_names(extractor_job *job, mcvdi_import_source *source, size_t first,
                               size_t count, name_style style, bool *found)
{
    char prefix[NAME_BYTES];
    char own[MCVDI_EXTRACTOR_NAME];
    char name[NAME_BYTES + MCVDI_EXTRACTOR_NAME];
    /* I3D's first tensor is of the logits, which a file may name as it likes */
    const size_t anchor = first + (job->kind == MCVD_EXTRACTOR_I3D ? 2 : 0);

    style(own, job->wanted[anchor].name);
    *found = find_prefix(source, own, prefix);
    for (size_t i = first; *found && i < first + count; i++) {
        style(own, job->wanted[i].name);
        snprintf(name, sizeof name, "%s%s", prefix, own);
        job->origins[i].source = source;
        if (!find_name(source, name, &job->origins[i].number))
            return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s' is missing", source->path, name);
    }
    return MCVD_OK;
}

/* --- by order --- */

static bool same_shape(const mcvdi_extractor_tensor *wanted, const mcvd_tensor *found)
{
    bool same = wanted->ndim == found->ndim;

    for (int d = 0; same && d < wanted->ndim; d++)
        same = wanted->shape[d] == found->shape[d];
    return same;
}

static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? dot + 1 : name;
}

/* Whether tensor i of the file is wanted[(i + turn) mod count], for all of them: shape, and whether
 * it is a weight, a bias, a mean or a variance. */
static bool fits_in_order(extractor_job *job, size_t turn)
{
    mcvdi_import_source *s = &job->source;
    bool fits = s->count == job->count;

    for (size_t i = 0; fits && i < s->count; i++) {
        const size_t place = (i + turn) % job->count;
        const char *name = "";
        mcvd_tensor shape;
        fits = mcvdi_import_source_tensor(s, i, &name, &shape) >= 0 &&
               same_shape(&job->wanted[place], &shape) &&
               strcmp(last_part(job->wanted[place].name), last_part(name)) == 0;
        job->origins[place] = (origin) { s, i };
    }
    return fits;
}

static mcvd_status match_order(extractor_job *job)
{
    const size_t logits = 2; /* weight and bias, registered first or last */
    const mcvdi_import_source *s = &job->source;
    const bool script = s->torch && mcvd_torch_checkpoint_form(s->torch) == MCVD_TORCH_SCRIPT;

    if (script && (fits_in_order(job, 0) || fits_in_order(job, logits))) {
        job->result->matched_by = "order and shapes";
        return MCVD_OK;
    }
    return mcvdi_fail(MCVD_E_MODEL,
                      "%s: no weights of I3D: expected names like 'Conv3d_1a_7x7.conv3d.weight' or "
                      "'conv3d_1a_7x7.conv3d.weight'%s",
                      s->path, script ? ", or tensors in its order with its shapes" : "");
}

/* --- both --- */

static mcvd_status match_i3d(extractor_job *job)
{
    bool found = false;

    mcvdi_i3d_tensors(job->wanted);
    job->count = MCVDI_I3D_TENSORS;
    job->result->matched_by = "names";
    mcvd_status st = match_names(job, &job->source, 0, job->count, same_name, &found);
    if (st < 0 || found)
        return st;
    job->result->matched_by = "names of kinetics-i3d";
    st = match_names(job, &job->source, 0, job->count, mcvdi_i3d_other_name, &found);
    return st < 0 || found ? st : match_order(job);
}

static mcvd_status match_alexnet(extractor_job *job)
{
    bool found = false;

    mcvdi_alexnet_tensors(job->wanted);
    job->count = MCVDI_ALEXNET_TENSORS;
    job->result->matched_by = "names";
    mcvd_status st = match_names(job, &job->source, 0, job->count, same_name, &found);
    if (st >= 0 && !found)
        st = mcvdi_fail(MCVD_E_MODEL,
                        "%s: no weights of AlexNet: expected names like 'features.0.weight'",
                        job->source.path);
    if (st < 0 || !job->options->heads)
        return st;
    mcvdi_lpips_head_tensors(job->wanted + job->count);
    st = match_names(job, &job->heads, job->count, MCVDI_LPIPS_HEADS, same_name, &found);
    if (st >= 0 && !found)
        st = mcvdi_fail(MCVD_E_MODEL,
                        "%s: no heads of LPIPS: expected names like 'lin0.model.1.weight'",
                        job->heads.path);
    job->count += MCVDI_LPIPS_HEADS;
    job->result->heads = st >= 0;
    return st;
}

static mcvd_status check_shapes(extractor_job *job)
{
    char wanted_text[SHAPE_BYTES];
    char found_text[SHAPE_BYTES];

    for (size_t i = 0; i < job->count; i++) {
        const mcvdi_extractor_tensor *w = &job->wanted[i];
        const origin *o = &job->origins[i];
        const char *name = "";
        mcvd_tensor wanted = { .dtype = MCVD_F32, .ndim = w->ndim };
        mcvd_tensor found;
        const mcvd_status st = mcvdi_import_source_tensor(o->source, o->number, &name, &found);
        if (st < 0)
            return st;
        memcpy(wanted.shape, w->shape, sizeof w->shape);
        if (!same_shape(w, &found))
            return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s' is %s, expected %s", o->source->path,
                              name, mcvd_tensor_shape_text(&found, found_text, sizeof found_text),
                              mcvd_tensor_shape_text(&wanted, wanted_text, sizeof wanted_text));
        job->entries[i] = (mcvd_safetensors_entry) { w->name, wanted };
        job->result->num_params += mcvd_tensor_numel(&wanted);
    }
    job->result->num_tensors = job->count;
    job->result->num_left_out = job->source.count + job->heads.count - job->count;
    return MCVD_OK;
}

/* --- batch norms --- */

/* What the file itself says: the code of an archive, or the metadata of a file of ours. */
static mcvd_status read_eps(const mcvdi_import_source *s, mcvd_extractor_import_result *r)
{
    if (s->torch)
        return mcvd_torch_checkpoint_form(s->torch) == MCVD_TORCH_SCRIPT
                   ? mcvdi_torch_script_bn_eps(mcvdi_torch_checkpoint_zip(s->torch), s->path,
                                               &r->bn_eps, &r->bn_eps_read)
                   : MCVD_OK;
    const char *text = mcvd_safetensors_metadata(s->plain, "bn_eps");
    if (!text)
        return MCVD_OK;
    r->bn_eps_read = true;
    return mcvdi_text_to_real(&r->bn_eps, text)
               ? MCVD_OK
               : mcvdi_fail(MCVD_E_MODEL, "%s: bn_eps = %.20s, expected a number", s->path, text);
}

static mcvd_status choose_eps(extractor_job *job)
{
    mcvd_extractor_import_result *r = job->result;
    const mcvdi_import_source *s = &job->source;
    mcvd_status st = MCVD_OK;

    if (job->kind != MCVD_EXTRACTOR_I3D)
        return MCVD_OK;
    r->bn_eps = job->options->bn_eps;
    if (r->bn_eps == 0.0)
        st = read_eps(s, r);
    if (st < 0)
        return st;
    if (job->options->bn_eps == 0.0 && !r->bn_eps_read)
        r->bn_eps = default_eps;
    if (r->bn_eps > 0.0 && r->bn_eps <= 1.0)
        return MCVD_OK;
    return mcvdi_fail(r->bn_eps_read ? MCVD_E_MODEL : MCVD_E_RANGE,
                      "%s: eps %g of the batch norms, expected a number above 0, up to 1", s->path,
                      r->bn_eps);
}

/* --- writing --- */

static mcvd_status next_tensor(void *user, size_t i, const void **data)
{
    extractor_job *job = user;
    const origin *o = &job->origins[i];
    const size_t n = mcvd_tensor_numel(&job->entries[i].tensor);
    const float *values = NULL;
    const mcvd_status st = mcvdi_import_source_read(o->source, o->number, &values);

    for (size_t j = 0; st >= 0 && j < n; j++)
        if (!isfinite(values[j]))
            return mcvdi_fail(MCVD_E_MODEL, "%s: tensor '%s': element %zu is not finite",
                              o->source->path, job->entries[i].name, j);
    *data = values;
    return st;
}

/* The file's name without folders; "" where it is no UTF-8. */
static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    return mcvdi_utf8_valid(name, strlen(name), NULL) ? name : "";
}

/* The folder that a path lies in, where it names one. */
static mcvd_status make_folder(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash || slash == path)
        return MCVD_OK;
    char *folder = mcvdi_sprintf("%.*s", (int)(slash - path), path);
    if (!folder)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", path);
    const mcvd_status st = mcvdi_make_folders(folder);
    mcvdi_free(folder);
    return st;
}

static mcvd_status write_file(extractor_job *job, const char *output)
{
    char eps[MCVDI_REAL_TEXT];
    mcvd_safetensors_meta meta[MAX_META] = {
        { "mcvd_extractor", mcvd_extractor_name(job->kind) },
        { "source", file_name(job->source.path) },
        { "source_sha256", job->result->source_sha256 },
    };
    size_t num_meta = 3;

    if (job->kind == MCVD_EXTRACTOR_I3D) {
        mcvdi_real_to_text(eps, sizeof eps, job->result->bn_eps);
        meta[num_meta++] = (mcvd_safetensors_meta) { "bn_eps", eps };
    }
    if (job->result->heads) {
        meta[num_meta++] = (mcvd_safetensors_meta) { "heads_source", file_name(job->heads.path) };
        meta[num_meta++] = (mcvd_safetensors_meta) { "heads_sha256", job->heads_sha256 };
    }
    const mcvdi_safetensors_source source = { .entries = job->entries,
                                              .num_entries = job->count,
                                              .meta = meta,
                                              .num_meta = num_meta,
                                              .get = next_tensor,
                                              .user = job };
    const mcvd_status st = make_folder(output);
    return st < 0 ? st : mcvdi_safetensors_write_from(output, &source, job->options->overwrite);
}

/* --- all of it --- */

static mcvd_status check_options(const extractor_job *job)
{
    const mcvd_extractor_import_options *o = job->options;

    if (job->kind != MCVD_EXTRACTOR_I3D && job->kind != MCVD_EXTRACTOR_ALEXNET)
        return mcvdi_fail(MCVD_E_RANGE, "this extractor has no weights to import");
    if (o->heads && job->kind != MCVD_EXTRACTOR_ALEXNET)
        return mcvdi_fail(MCVD_E_RANGE, "%s: heads are AlexNet's, the network is %s", o->heads,
                          mcvd_extractor_name(job->kind));
    if (!(o->bn_eps >= 0.0 && o->bn_eps <= 1.0))
        return mcvdi_fail(MCVD_E_RANGE, "eps %g of the batch norms, expected one up to 1",
                          o->bn_eps);
    return MCVD_OK;
}

static mcvd_status open_source(mcvdi_import_source *source, const char *path,
                               char sha256[MCVDI_SHA256_HEX])
{
    mcvd_status st = mcvdi_import_source_open(source, path);

    if (st >= 0)
        st = mcvdi_sha256_file(sha256, path);
    return st < 0 && st != MCVD_E_NOMEM ? MCVD_E_MODEL : st;
}

static mcvd_status run(extractor_job *job, const char *source, const char *output)
{
    mcvd_status st = check_options(job);

    if (st >= 0)
        st = open_source(&job->source, source, job->result->source_sha256);
    job->result->container = job->source.container;
    if (st >= 0 && job->options->heads)
        st = open_source(&job->heads, job->options->heads, job->heads_sha256);
    if (st >= 0)
        st = job->kind == MCVD_EXTRACTOR_I3D ? match_i3d(job) : match_alexnet(job);
    if (st >= 0)
        st = check_shapes(job);
    if (st >= 0)
        st = choose_eps(job);
    return st < 0 ? st : write_file(job, output);
}

mcvd_status mcvd_import_extractor(mcvd_extractor_kind kind, const char *source, const char *output,
                                  const mcvd_extractor_import_options *options,
                                  mcvd_extractor_import_result *result)
{
    const mcvd_extractor_import_options defaults = { 0 };
    mcvd_extractor_import_result ignored;
    extractor_job *job = mcvdi_calloc(1, sizeof *job);

    if (!result)
        result = &ignored;
    *result = (mcvd_extractor_import_result) { 0 };
    if (!job)
        return mcvdi_fail(MCVD_E_NOMEM, "%s: out of memory", source);
    job->kind = kind;
    job->options = options ? options : &defaults;
    job->result = result;
    const mcvd_status st = run(job, source, output);
    mcvdi_import_source_close(&job->heads);
    mcvdi_import_source_close(&job->source);
    mcvdi_free(job);
    if (st < 0)
        *result = (mcvd_extractor_import_result) { 0 };
    return st;
}
