#include "cli/actions_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fail.h"

enum { LINE_BYTES = 8192, MAX_ROWS = 1000000 };

static mcvd_status append(mcvdi_actions *a, size_t *capacity)
{
    if (a->rows < *capacity)
        return MCVD_OK;
    if (a->rows >= MAX_ROWS)
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s: more than %d lines of actions", a->path, MAX_ROWS);
    *capacity = *capacity ? 2 * *capacity : 64;
    float *values = realloc(a->values, *capacity * a->dim * sizeof *values);
    if (!values)
        return mcvdi_cli_fail(MCVD_E_NOMEM, "%s: out of memory for actions", a->path);
    a->values = values;
    return MCVD_OK;
}

/* Exactly dim finite numbers. */
static mcvd_status read_row(const mcvdi_actions *a, const char *text, size_t line)
{
    float *row = a->values + a->rows * a->dim;
    size_t found = 0;

    for (const char *at = text + strspn(text, " \t\r\n,"); *at; at += strspn(at, " \t\r\n,")) {
        char *end = NULL;
        const float value = strtof(at, &end);
        if (end == at || !isfinite(value))
            return mcvdi_cli_fail(MCVD_E_INPUT, "%s: line %zu: expected a number, found '%.20s'",
                                  a->path, line, at);
        if (found < a->dim)
            row[found] = value;
        found++;
        at = end;
    }
    if (found != a->dim)
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s: line %zu: %zu numbers, the model takes %zu",
                              a->path, line, found, a->dim);
    return MCVD_OK;
}

static mcvd_status read_rows(mcvdi_actions *a, FILE *file)
{
    char text[LINE_BYTES];
    size_t capacity = 0;
    mcvd_status st = MCVD_OK;

    for (size_t line = 1; st >= 0 && fgets(text, sizeof text, file); line++) {
        if (strlen(text) == sizeof text - 1 && text[sizeof text - 2] != '\n')
            return mcvdi_cli_fail(MCVD_E_INPUT, "%s: line %zu: too long", a->path, line);
        const char *first = text + strspn(text, " \t\r\n");
        if (*first == '\0' || *first == '#')
            continue;
        st = append(a, &capacity);
        if (st >= 0)
            st = read_row(a, first, line);
        if (st >= 0)
            a->rows++;
    }
    if (st >= 0 && ferror(file))
        st = mcvdi_cli_fail(MCVD_E_INPUT, "%s: %s", a->path, strerror(errno));
    if (st >= 0 && !a->rows)
        st = mcvdi_cli_fail(MCVD_E_INPUT, "%s: no line of actions", a->path);
    return st;
}

mcvd_status mcvdi_actions_read(mcvdi_actions *actions, const char *path, size_t dim)
{
    FILE *file = fopen(path, "re");

    *actions = (mcvdi_actions) { .path = path, .dim = dim };
    if (!file)
        return mcvdi_cli_fail(MCVD_E_INPUT, "%s: %s", path, strerror(errno));
    const mcvd_status st = read_rows(actions, file);
    fclose(file);
    if (st < 0)
        mcvdi_actions_release(actions);
    return st;
}

void mcvdi_actions_release(mcvdi_actions *actions)
{
    free(actions->values);
    *actions = (mcvdi_actions) { 0 };
}
