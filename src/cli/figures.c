#include "cli/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/json_text.h"
#include "cli/printable.h"

/* Line ends and indentation lie between tokens only: a text has them escaped. */
static void print_on_one_line(const char *json)
{
    while (*json) {
        const size_t length = strcspn(json, "\n");
        fwrite(json, 1, length, stdout);
        json += length + strspn(json + length, "\n ");
    }
}

static void print_value(const mcvdi_figure *f, bool json)
{
    if (f->kind == MCVDI_FIGURE_JSON)
        print_on_one_line(f->text);
    else if (f->kind == MCVDI_FIGURE_TEXT && json)
        mcvdi_json_string(stdout, f->text);
    else if (f->kind == MCVDI_FIGURE_TEXT)
        mcvdi_put_printable(stdout, *f->text ? f->text : "-", 0);
    else if (!isfinite(f->number))
        fputs(json ? "null" : "-", stdout);
    else
        printf(f->kind == MCVDI_FIGURE_COUNT ? "%.0f" : "%.5g", f->number);
}

void mcvdi_figures_print(const mcvdi_figure *figures, size_t count, bool json)
{
    for (size_t i = 0; i < count; i++) {
        const mcvdi_figure *f = &figures[i];
        if (f->kind == MCVDI_FIGURE_JSON && !json)
            continue;
        if (json)
            printf("%s\"%s\":", i ? "," : "{", f->name);
        else
            printf("%-16s ", f->name);
        print_value(f, json);
        if (!json)
            putchar('\n');
    }
    if (json)
        puts("}");
}
