#include "cli/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <mcvd/prepare.h>
#include <mcvd/threads.h>

#include "cli/fail.h"
#include "cli/parse.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "cli/signals.h"

enum { PATH_BYTES = 4096, KEY_BYTES = 64 };

typedef struct prepare_args {
    const char *dataset;
    const char *source;
    const char *out;
    int64_t size;
    int64_t channels;
    int64_t threads;
    bool check;
    bool force;
    mcvdi_arg_list sets;
} prepare_args;

#define FIELD(field) .offset = offsetof(prepare_args, field)

static const mcvdi_arg args[] = {
    { .name = "DATASET",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "bair, cityscapes, kth, ucf101, hdf5 (the authors' shards) or videos; with --check "
              "the folder of a store",
      FIELD(dataset) },
    { .name = "SOURCE",
      .type = MCVDI_ARG_TEXT,
      .help = "the set as it is published, see datasets/; videos: a video or a folder of them",
      FIELD(source) },
    { .name = "--out",
      .short_name = "-o",
      .type = MCVDI_ARG_TEXT,
      .value = "DIR",
      .help = "the store: frames, index, manifest; default: SOURCE.store",
      FIELD(out) },
    { .name = "--size",
      .type = MCVDI_ARG_INT,
      .value = "N",
      .min = 8,
      .max = 1024,
      .help = "height of the frames; default: as published, 128 for cityscapes, else 64",
      FIELD(size) },
    { .name = "--channels",
      .type = MCVDI_ARG_INT,
      .value = "C",
      .min = 1,
      .max = 3,
      .help = "videos: 1 gray or 3 RGB, default 3; the other sets have their own",
      FIELD(channels) },
    { .name = "--set",
      .type = MCVDI_ARG_LIST,
      .value = "data.KEY=VALUE",
      .help =
          "what the set is cut into: kth: kth_clips; ucf101: ucf101_split; cityscapes: "
          "cityscapes_test; videos: test_fraction (default 0.2), frame_step, resize; bair, hdf5: "
          "nothing",
      FIELD(sets) },
    { .name = "--check",
      .type = MCVDI_ARG_FLAG,
      .help = "compare every clip of a store with its checksum",
      FIELD(check) },
    { .name = "--force",
      .type = MCVDI_ARG_FLAG,
      .help = "drop what is in DIR and begin anew",
      FIELD(force) },
    MCVDI_ARG_THREADS(prepare_args),
};

static const mcvdi_arg_table table = {
    "prepare",
    "Decode and resize a data set once, as published, into files that training and\n"
    "evaluation map into memory: --data DIR. Stopped or killed, the same command goes on\n"
    "where it was. Damaged clips are named and left out. What --set said is in the\n"
    "manifest, and who reads the store has to say the same.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd prepare bair softmotion30_44k -o prepared/bair\n"
    "  mcvd prepare cityscapes leftImg8bit_sequence --size 64 -o prepared/cityscapes64\n"
    "  mcvd prepare ucf101 UCF101 --set data.ucf101_split=1 -o prepared/ucf101-1\n"
    "  mcvd prepare --check prepared/bair",
};

typedef struct view {
    mcvdi_progress progress;
    mcvd_split split;
    bool started;
} view;

static int on_clip(void *user, mcvd_split split, size_t done, size_t total)
{
    view *v = user;

    if (!v->started || v->split != split) {
        if (v->started)
            mcvdi_progress_end(&v->progress, NULL);
        v->progress = (mcvdi_progress) { .label = split == MCVD_SPLIT_TEST ? "test" : "train",
                                         .unit = "clips",
                                         .total = (int64_t)total,
                                         .plain_s = 10 };
        mcvdi_progress_start(&v->progress);
        v->started = true;
        v->split = split;
    }
    mcvdi_progress_update(&v->progress, (int64_t)done, NULL);
    return *mcvdi_signals_flag() != 0;
}

static void print_split(const mcvd_prepare_result *r, mcvd_split split, const char *name)
{
    printf("%s: %zu clips, %" PRIu64 " frames", name, r->clips[split], r->frames[split]);
    if (r->skipped[split])
        printf(", %zu damaged clips left out", r->skipped[split]);
    putchar('\n');
}

static void print_result(const char *folder, const mcvd_prepare_result *r, const char *done)
{
    print_split(r, MCVD_SPLIT_TRAIN, "train");
    print_split(r, MCVD_SPLIT_TEST, "test");
    printf("%s: %s, %.1f MB of frames\n", folder, done, (double)r->bytes / 1048576.0);
}

static mcvd_status check(const prepare_args *a)
{
    mcvd_prepare_result result;

    if (a->source || a->out || a->sets.count)
        return mcvdi_cli_fail(MCVD_E_USAGE, "prepare --check takes the store's folder alone");
    const mcvd_status st = mcvd_prepare_check(a->dataset, &result);
    if (st >= 0)
        print_result(a->dataset, &result, "every checksum fits");
    return st;
}

/* A name among those of mcvd_prepare_list. */
typedef struct search {
    const char *name;
    bool found;
} search;

static void compare_name(void *user, const char *name, const char *help)
{
    search *s = user;

    (void)help;
    s->found = s->found || strcasecmp(name, s->name) == 0;
}

/* --set of the keys that the set has. That there is no such set is said by mcvd_prepare. */
static mcvd_status apply_sets(mcvd_config *config, const prepare_args *a)
{
    static const char section[] = "data.";
    search known = { a->dataset, false };

    mcvd_config_default(config);
    config->data = mcvd_prepare_data_default();
    mcvd_prepare_list(compare_name, &known);
    if (!known.found)
        return MCVD_OK;
    for (int i = 0; i < a->sets.count; i++) {
        const char *set = a->sets.values[i];
        const bool data = strncmp(set, section, sizeof section - 1) == 0;
        const char *key = data ? set + sizeof section - 1 : "";
        char name[KEY_BYTES];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(key, "="), key);
        if (!mcvd_prepare_has_option(a->dataset, name))
            return mcvdi_cli_fail(MCVD_E_USAGE,
                                  "--set %s: %s has no such option to prepare; see mcvd prepare "
                                  "--help",
                                  set, a->dataset);
    }
    return mcvdi_settings_apply(config, &a->sets, NULL);
}

/* SOURCE.store, where the scripts of eval/ look for it; also for "SOURCE/". */
static mcvd_status default_folder(char *folder, size_t bytes, const char *source)
{
    size_t length = strlen(source);

    while (length > 1 && source[length - 1] == '/')
        length--;
    const char *last = source + length;
    while (last > source && last[-1] != '/')
        last--;
    const size_t name = (size_t)(source + length - last);
    if (name == 0 || strncmp(last, "..", name) == 0)
        return mcvdi_cli_fail(MCVD_E_USAGE, "prepare: where the store of %s goes: -o DIR", source);
    return mcvdi_path(folder, bytes, "%.*s.store", (int)length, source);
}

static mcvd_status prepare(const prepare_args *a, const mcvd_data_config *data)
{
    view v = { .started = false };
    mcvd_prepare_result result;
    const mcvd_prepare_config config = { .dataset = a->dataset,
                                         .source = a->source,
                                         .folder = a->out,
                                         .image_size = (size_t)a->size,
                                         .channels = (size_t)a->channels,
                                         .data = data,
                                         .force = a->force,
                                         .threads = (int)a->threads,
                                         .progress = on_clip,
                                         .user = &v };

    mcvdi_signals_install();
    const mcvd_status st = mcvd_prepare(&config, &result);
    if (v.started)
        mcvdi_progress_end(&v.progress, NULL);
    if (st == MCVD_E_INTERRUPTED)
        mcvdi_cli_note("the clips done so far are in %s; the same command goes on", a->out);
    if (st < 0)
        return st;
    if (result.found)
        mcvdi_cli_note("%zu clips were there already", result.found);
    print_result(a->out, &result, "prepared");
    return MCVD_OK;
}

static mcvd_status prepare_source(prepare_args *a)
{
    char folder[PATH_BYTES];
    mcvd_config config;
    mcvd_status st = MCVD_OK;

    if (!a->out) {
        st = default_folder(folder, sizeof folder, a->source);
        a->out = folder;
    }
    if (st >= 0)
        st = apply_sets(&config, a);
    return st < 0 ? st : prepare(a, &config.data);
}

mcvd_status mcvdi_cmd_prepare(int argc, char **argv)
{
    prepare_args a = { 0 };
    const mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    if (a.check)
        return check(&a);
    if (!a.source)
        return mcvdi_cli_fail(MCVD_E_USAGE, "prepare: expected DATASET SOURCE");
    return prepare_source(&a);
}
