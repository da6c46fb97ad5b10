#include "cli/info.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/fail.h"
#include "cli/json_text.h"

enum { SHAPE_BYTES = 160 };

static void put(mcvdi_info_answer *to, const mcvdi_figure *figure)
{
    if (to->count < MCVDI_INFO_MAX_FIGURES)
        to->figures[to->count++] = *figure;
}

void mcvdi_info_text(mcvdi_info_answer *to, const char *name, const char *text)
{
    put(to, &(mcvdi_figure) { name, MCVDI_FIGURE_TEXT, 0.0, text });
}

void mcvdi_info_yes_no(mcvdi_info_answer *to, const char *name, bool yes)
{
    mcvdi_info_text(to, name, yes ? "yes" : "no");
}

void mcvdi_info_count(mcvdi_info_answer *to, const char *name, double count)
{
    put(to, &(mcvdi_figure) { name, MCVDI_FIGURE_COUNT, count, NULL });
}

void mcvdi_info_number(mcvdi_info_answer *to, const char *name, double number)
{
    put(to, &(mcvdi_figure) { name, MCVDI_FIGURE_NUMBER, number, NULL });
}

void mcvdi_info_printf(mcvdi_info_answer *to, const char *name, const char *format, ...)
{
    va_list args;

    if (to->num_texts >= MCVDI_INFO_MAX_TEXTS)
        return;
    char *text = to->texts[to->num_texts++];
    va_start(args, format);
    vsnprintf(text, MCVDI_INFO_TEXT, format, args);
    va_end(args);
    mcvdi_info_text(to, name, text);
}

static mcvd_status get_of_file(const void *of, size_t i, const char **name, mcvd_tensor *tensor)
{
    *name = mcvd_safetensors_name(of, i);
    return mcvd_safetensors_get(of, *name, tensor);
}

mcvdi_info_tensors mcvdi_info_tensors_of_file(const mcvd_safetensors *file)
{
    return (mcvdi_info_tensors) { file, mcvd_safetensors_count(file), get_of_file };
}

static mcvd_status get_of_model(const void *of, size_t i, const char **name, mcvd_tensor *tensor)
{
    return mcvd_model_tensor(of, i, name, tensor);
}

mcvdi_info_tensors mcvdi_info_tensors_of_model(const mcvd_model *model)
{
    return (mcvdi_info_tensors) { model, mcvd_model_num_tensors(model), get_of_model };
}

static mcvd_status print_json(FILE *to, const mcvdi_info_tensors *list)
{
    char shape[SHAPE_BYTES];

    putc('[', to);
    for (size_t i = 0; i < list->count; i++) {
        const char *name = "";
        mcvd_tensor tensor;
        const mcvd_status st = list->get(list->of, i, &name, &tensor);
        if (st < 0)
            return st;
        fputs(i ? ",{\"name\":" : "{\"name\":", to);
        mcvdi_json_string(to, name);
        fprintf(to, ",\"dtype\":\"%s\",\"shape\":%s}", mcvd_dtype_word(tensor.dtype),
                mcvd_tensor_shape_text(&tensor, shape, sizeof shape));
    }
    putc(']', to);
    return MCVD_OK;
}

static mcvd_status put_tensors(mcvdi_info_answer *to, const mcvdi_info_tensors *list)
{
    size_t bytes = 0;
    FILE *text = open_memstream(&to->tensors, &bytes);
    const mcvd_status st = text ? print_json(text, list) : MCVD_OK;

    if (!text || fclose(text) != 0)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "%s: out of memory", to->args->path);
    put(to, &(mcvdi_figure) { "tensors", MCVDI_FIGURE_JSON, 0.0, to->tensors });
    return st;
}

static mcvd_status print_tensors(const mcvdi_info_tensors *list)
{
    char shape[SHAPE_BYTES];

    for (size_t i = 0; i < list->count; i++) {
        const char *name = "";
        mcvd_tensor tensor;
        const mcvd_status st = list->get(list->of, i, &name, &tensor);
        if (st < 0)
            return st;
        const mcvdi_figure row = { mcvd_dtype_word(tensor.dtype), MCVDI_FIGURE_TEXT, 0.0, name };
        printf("%-24s ", mcvd_tensor_shape_text(&tensor, shape, sizeof shape));
        mcvdi_figures_print(&row, 1, false);
    }
    return MCVD_OK;
}

mcvd_status mcvdi_info_finish(mcvdi_info_answer *to, const mcvdi_info_tensors *tensors)
{
    const bool listed = to->args->tensors && tensors;
    mcvd_status st = MCVD_OK;

    if (to->config)
        put(to, &(mcvdi_figure) { "config", MCVDI_FIGURE_JSON, 0.0, to->config });
    if (listed && to->args->json)
        st = put_tensors(to, tensors);
    if (st < 0)
        return st;
    mcvdi_figures_print(to->figures, to->count, to->args->json);
    return listed && !to->args->json ? print_tensors(tensors) : MCVD_OK;
}

void mcvdi_info_release(mcvdi_info_answer *answer)
{
    mcvd_text_free(answer->config);
    free(answer->tensors);
}
