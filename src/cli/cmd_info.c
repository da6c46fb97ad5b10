/* What a file or folder is, from its content. */
#include "cli/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mcvd/data.h>
#include <mcvd/model.h>
#include <mcvd/safetensors.h>
#include <mcvd/video.h>

#include "cli/fail.h"
#include "cli/figures.h"
#include "cli/json_text.h"
#include "cli/parse.h"
#include "cli/settings.h"

enum { PATH_BYTES = 4096, MAX_FIGURES = 48, HEAD_BYTES = 64 };

typedef struct info_args {
    const char *path;
    const char *config;
    bool tensors;
    bool json;
} info_args;

static const mcvdi_arg args[] = {
    { .name = "FILE",
      .type = MCVDI_ARG_TEXT,
      .required = true,
      .help = "a model, checkpoint, run folder, video, folder of pictures, videos or MNIST files, "
              "MNIST file, or configuration",
      .offset = offsetof(info_args, path) },
    { .name = "--config",
      .type = MCVDI_ARG_TEXT,
      .value = "FILE",
      .help = "configuration in JSON of bare weights",
      .offset = offsetof(info_args, config) },
    { .name = "--tensors",
      .type = MCVDI_ARG_FLAG,
      .help = "list the tensors of a safetensors file",
      .offset = offsetof(info_args, tensors) },
    { .name = "--json",
      .type = MCVDI_ARG_FLAG,
      .help = "one JSON object, with the whole configuration",
      .offset = offsetof(info_args, json) },
};

static const mcvdi_arg_table table = {
    "info",
    "Tell what a file or folder is: networks with their size and cost (gmac: 1e9 multiply-adds of\n"
    "one call for one sample), videos with their format and times, data sets.",
    args,
    sizeof args / sizeof args[0],
    "  mcvd info model.safetensors --tensors\n"
    "  mcvd info input.mp4 --json",
};

/* The figures of one answer, and what their texts point into. */
typedef struct info_answer {
    mcvdi_figure figures[MAX_FIGURES];
    size_t count;
    char texts[8][128];
    size_t num_texts;
    char *config;  /* JSON */
    char *tensors; /* JSON */
} info_answer;

static void put(info_answer *to, const mcvdi_figure *figure)
{
    if (to->count < MAX_FIGURES)
        to->figures[to->count++] = *figure;
}

static void put_text(info_answer *to, const char *name, const char *text)
{
    put(to, &(mcvdi_figure) { name, MCVDI_FIGURE_TEXT, 0.0, text });
}

static void put_count(info_answer *to, const char *name, double count)
{
    put(to, &(mcvdi_figure) { name, MCVDI_FIGURE_COUNT, count, NULL });
}

static void put_number(info_answer *to, const char *name, double number)
{
    put(to, &(mcvdi_figure) { name, MCVDI_FIGURE_NUMBER, number, NULL });
}

/* Room for a text that is made here; at most eight per answer. */
static char *new_text(info_answer *to)
{
    return to->texts[to->num_texts < 7 ? to->num_texts++ : 7];
}

/* --- networks --- */

static void put_config(info_answer *to, const mcvd_config *c)
{
    char *frames = new_text(to);

    snprintf(frames, sizeof to->texts[0],
             "past %" PRId64 ", current %" PRId64 ", future %" PRId64 ", of %" PRId64 " x %" PRId64
             " x %" PRId64,
             c->data.num_frames_cond, c->data.num_frames, c->data.num_frames_future,
             c->data.image_size, c->data.image_size, c->data.channels);
    put_text(to, "frames", frames);
    put_text(to, "task", c->training.task);
    put_text(to, "dataset", c->data.dataset);
    put_text(to, "arch", c->model.arch);
    put_text(to, "prediction", c->model.prediction);
    put_text(to, "schedule", c->model.sigma_dist);
    put_count(to, "timesteps", (double)c->model.num_classes);
    to->config = mcvd_config_dump(c);
    if (to->config)
        put(to, &(mcvdi_figure) { "config", MCVDI_FIGURE_JSON, 0.0, to->config });
}

static void put_model(info_answer *to, const mcvd_model *model)
{
    put_config(to, mcvd_model_get_config(model));
    put_count(to, "params", (double)mcvd_model_num_params(model));
    put_count(to, "num_tensors", (double)mcvd_model_num_tensors(model));
    put_number(to, "gmac", 1e-9 * mcvd_model_macs(model));
}

/* The list of tensors as JSON text; freed by the caller, NULL out of memory. */
static char *tensors_json(const mcvd_safetensors *file)
{
    char *text = NULL;
    char shape[160];
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);

    if (!to)
        return NULL;
    putc('[', to);
    for (size_t i = 0; i < mcvd_safetensors_count(file); i++) {
        const char *name = mcvd_safetensors_name(file, i);
        mcvd_tensor tensor;
        if (mcvd_safetensors_get(file, name, &tensor) < 0)
            continue;
        fputs(i ? ",{\"name\":" : "{\"name\":", to);
        mcvdi_json_string(to, name);
        fprintf(to, ",\"dtype\":\"%s\",\"shape\":%s}", mcvd_dtype_word(tensor.dtype),
                mcvd_tensor_shape_text(&tensor, shape, sizeof shape));
    }
    putc(']', to);
    if (fclose(to) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static mcvd_status print_tensors(const mcvd_safetensors *file)
{
    char shape[160];

    for (size_t i = 0; i < mcvd_safetensors_count(file); i++) {
        const char *name = mcvd_safetensors_name(file, i);
        mcvd_tensor tensor;
        const mcvd_status st = mcvd_safetensors_get(file, name, &tensor);
        if (st < 0)
            return st;
        const mcvdi_figure row = { mcvd_dtype_word(tensor.dtype), MCVDI_FIGURE_TEXT, 0.0, name };
        printf("%-24s ", mcvd_tensor_shape_text(&tensor, shape, sizeof shape));
        mcvdi_figures_print(&row, 1, false);
    }
    return MCVD_OK;
}

static mcvd_status finish_safetensors(info_answer *to, const mcvd_safetensors *file,
                                      const info_args *a)
{
    if (a->tensors && a->json) {
        to->tensors = tensors_json(file);
        if (!to->tensors)
            return mcvdi_cli_fail(MCVD_E_NOMEM, "%s: out of memory", a->path);
        put(to, &(mcvdi_figure) { "tensors", MCVDI_FIGURE_JSON, 0.0, to->tensors });
    }
    mcvdi_figures_print(to->figures, to->count, a->json);
    return a->tensors && !a->json ? print_tensors(file) : MCVD_OK;
}

static const char *weights_dtype(const mcvd_safetensors *file)
{
    mcvd_tensor tensor;
    const char *name = mcvd_safetensors_name(file, 0);

    return name && mcvd_safetensors_get(file, name, &tensor) >= 0 ? mcvd_dtype_word(tensor.dtype)
                                                                  : "";
}

/* A model or checkpoint file that opened as safetensors. */
static mcvd_status tell_network(info_answer *to, const mcvd_safetensors *file, const info_args *a)
{
    const char *step = mcvd_safetensors_metadata(file, "mcvd.checkpoint");
    mcvd_model *model = NULL;
    mcvd_status st = mcvdi_model_load(&model, a->path, a->config);

    if (st < 0)
        return st;
    put_text(to, "kind", step ? "checkpoint" : "model");
    put_text(to, "file", mcvd_model_path(model));
    if (step)
        put_count(to, "step", strtod(step, NULL));
    put_model(to, model);
    put_text(to, "dtype", weights_dtype(file));
    if (*mcvd_model_summary(model))
        put_text(to, "training", mcvd_model_summary(model));
    st = finish_safetensors(to, file, a);
    mcvd_model_free(&model);
    return st;
}

static mcvd_status tell_safetensors(info_answer *to, const info_args *a)
{
    mcvd_safetensors *file = NULL;
    mcvd_status st = mcvd_safetensors_open(&file, a->path);

    if (st == MCVD_E_FORMAT)
        return MCVD_E_MODEL;
    if (st < 0)
        return st;
    if (a->config || mcvd_safetensors_metadata(file, "mcvd.config")) {
        st = tell_network(to, file, a);
    } else {
        put_text(to, "kind", "tensors");
        put_text(to, "file", a->path);
        put_count(to, "num_tensors", (double)mcvd_safetensors_count(file));
        st = finish_safetensors(to, file, a);
    }
    mcvd_safetensors_close(&file);
    return st;
}

static mcvd_status tell_run(info_answer *to, const info_args *a)
{
    mcvd_model *model = NULL;
    const mcvd_status st = mcvdi_model_load(&model, a->path, a->config);

    if (st < 0)
        return st;
    put_text(to, "kind", "run");
    put_text(to, "folder", a->path);
    put_text(to, "file", mcvd_model_path(model));
    put_model(to, model);
    if (*mcvd_model_summary(model))
        put_text(to, "training", mcvd_model_summary(model));
    mcvdi_figures_print(to->figures, to->count, a->json);
    mcvd_model_free(&model);
    return MCVD_OK;
}

static mcvd_status tell_config(info_answer *to, const info_args *a)
{
    mcvd_config config;
    mcvd_model *model = NULL;
    mcvd_status st = mcvdi_settings_load(&config, a->path, NULL, NULL);

    if (st >= 0)
        st = mcvd_model_create(&model, &config, 0);
    if (st < 0)
        return st;
    put_text(to, "kind", "configuration");
    put_text(to, "file", a->path);
    put_model(to, model);
    mcvdi_figures_print(to->figures, to->count, a->json);
    mcvd_model_free(&model);
    return MCVD_OK;
}

/* --- videos and data --- */

static void put_video(info_answer *to, const mcvd_video_info *v)
{
    char *rate = new_text(to);

    snprintf(rate, sizeof to->texts[0], "%d/%d", v->fps_num, v->fps_den);
    put_text(to, "format", v->format);
    put_text(to, "codec", v->codec);
    put_count(to, "width", v->width);
    put_count(to, "height", v->height);
    put_count(to, "rotation", v->rotation);
    put_text(to, "mirrored", v->mirrored ? "yes" : "no");
    put_text(to, "fps", rate);
    put_count(to, "frames", v->num_frames > 0 ? (double)v->num_frames : NAN);
    put_text(to, "frames_exact", v->num_frames_exact ? "yes" : "no");
    put_number(to, "duration_s", v->duration_s > 0.0 ? v->duration_s : NAN);
    put_text(to, "pixel_format", v->pixel_format);
    put_text(to, "matrix", v->matrix);
    put_text(to, "range", v->range);
}

static mcvd_status tell_video(info_answer *to, const info_args *a)
{
    mcvd_video_reader *reader = NULL;
    const mcvd_status st = mcvd_video_reader_open(&reader, a->path, NULL);

    if (st < 0)
        return st;
    put_text(to, "kind", "video");
    put_text(to, "file", a->path);
    put_video(to, mcvd_video_reader_info(reader));
    mcvdi_figures_print(to->figures, to->count, a->json);
    mcvd_video_reader_free(&reader);
    return MCVD_OK;
}

static mcvd_status tell_dataset(info_answer *to, const info_args *a)
{
    mcvd_config config;
    mcvd_dataset *dataset = NULL;

    mcvd_config_default(&config);
    mcvd_dataset_config dc = mcvd_dataset_config_default(&config.data);
    dc.path = a->path;
    dc.num_frames = 1;
    const mcvd_status st = mcvd_dataset_open(&dataset, &dc);
    if (st < 0)
        return st;
    put_text(to, "kind", "data set");
    put_text(to, "folder", a->path);
    put_text(to, "dataset", mcvd_dataset_name(dataset));
    put_text(to, "content", mcvd_dataset_describe(dataset));
    mcvdi_figures_print(to->figures, to->count, a->json);
    mcvd_dataset_free(&dataset);
    return MCVD_OK;
}

/* An MNIST file: 0, 0, type, number of axes, then the axes as big-endian words, then bytes. */
static mcvd_status tell_idx(info_answer *to, const info_args *a, const unsigned char *head,
                            double file_bytes)
{
    const int axes = head[3];
    double bytes = 1.0;
    char *shape = new_text(to);
    size_t length = 0;

    for (int d = 0; d < axes; d++) {
        const unsigned char *w = head + 4 + 4 * d;
        const uint32_t size =
            (uint32_t)w[0] << 24 | (uint32_t)w[1] << 16 | (uint32_t)w[2] << 8 | w[3];
        bytes *= size;
        length += (size_t)snprintf(shape + length, sizeof to->texts[0] - length, "%s%" PRIu32,
                                   d ? ", " : "[", size);
    }
    snprintf(shape + length, sizeof to->texts[0] - length, "]");
    if (file_bytes != bytes + 4.0 + 4.0 * axes)
        return mcvdi_cli_fail(MCVD_E_FORMAT, "%s: IDX file of %s bytes is %.0f long, expected %.0f",
                              a->path, shape, file_bytes, bytes + 4.0 + 4.0 * axes);
    put_text(to, "kind", "IDX");
    put_text(to, "file", a->path);
    put_text(to, "shape", shape);
    mcvdi_figures_print(to->figures, to->count, a->json);
    return MCVD_OK;
}

/* --- which of them --- */

static bool is_in(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    const int n = snprintf(path, sizeof path, "%s/%s", folder, name);

    return n > 0 && (size_t)n < sizeof path && access(path, R_OK) == 0;
}

static mcvd_status tell_folder(info_answer *to, const info_args *a)
{
    if (is_in(a->path, "config.json"))
        return tell_run(to, a);
    if (is_in(a->path, "train-images-idx3-ubyte") || is_in(a->path, "t10k-images-idx3-ubyte"))
        return tell_dataset(to, a);
    const mcvd_status st = tell_video(to, a);
    return st == MCVD_E_INPUT ? tell_dataset(to, a) : st;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text);
    const size_t m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static mcvd_status tell_file(info_answer *to, const info_args *a, double file_bytes)
{
    unsigned char head[HEAD_BYTES] = { 0 };
    FILE *file = fopen(a->path, "rb");

    if (!file)
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s: %s", a->path, strerror(errno));
    const size_t got = fread(head, 1, sizeof head, file);
    fclose(file);
    if (ends_with(a->path, ".safetensors") || (got > 8 && head[8] == '{' && !head[6] && !head[7]))
        return tell_safetensors(to, a);
    const size_t blank = strspn((const char *)head, " \t\r\n");
    if (ends_with(a->path, ".json") || (blank < got && head[blank] == '{'))
        return tell_config(to, a);
    if (got >= 8 && !head[0] && !head[1] && head[2] == 8 && head[3] >= 1 && head[3] <= 4 &&
        got >= 4u + 4u * head[3])
        return tell_idx(to, a, head, file_bytes);
    return tell_video(to, a);
}

mcvd_status mcvdi_cmd_info(int argc, char **argv)
{
    info_args a = { 0 };
    static info_answer answer;
    struct stat about;
    mcvd_status st = mcvdi_args_parse(&table, argc, argv, &a);

    if (st != MCVD_OK)
        return st;
    if (stat(a.path, &about) != 0)
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s: %s", a.path, strerror(errno));
    if (S_ISDIR(about.st_mode))
        st = tell_folder(&answer, &a);
    else if (S_ISREG(about.st_mode))
        st = tell_file(&answer, &a, (double)about.st_size);
    else
        st = mcvdi_cli_fail(MCVD_E_INPUT, "%s: expected a file or a folder", a.path);
    mcvd_text_free(answer.config);
    free(answer.tensors);
    return st;
}
