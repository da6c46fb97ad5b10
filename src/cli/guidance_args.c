#include "cli/guidance_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fail.h"

static const double max_weight = 100.0;

/* generate is given its own frames from the second block on. */
static bool reads_past(mcvd_task task)
{
    return mcvd_task_past_given(task) || task == MCVD_TASK_GENERATE;
}

static mcvd_status fail_text(const char *text)
{
    return mcvdi_cli_fail(MCVD_E_USAGE,
                          "--guidance: expected a number from 0 to %g, or past=W,future=W, found "
                          "'%s'",
                          max_weight, text);
}

/* One number up to `stop` or the end of the text; *end is behind it. */
static bool read_weight(double *weight, const char *text, const char **end)
{
    char *stop = NULL;

    if (*text != '.' && !(*text >= '0' && *text <= '9'))
        return false;
    *weight = strtod(text, &stop);
    *end = stop;
    return stop != text && *weight >= 0.0 && *weight <= max_weight &&
           (*stop == '\0' || *stop == ',');
}

static mcvd_status read_sides(mcvd_sampling_config *s, mcvd_task task, const char *text)
{
    const struct side {
        const char *word;
        double *weight;
        bool given;
    } sides[] = { { "past", &s->guidance_past, reads_past(task) },
                  { "future", &s->guidance_future, mcvd_task_future_given(task) } };
    bool seen[2] = { false, false };

    for (const char *at = text;; at++) {
        const size_t length = strcspn(at, "=");
        size_t i = 0;
        while (i < 2 && (strlen(sides[i].word) != length || memcmp(sides[i].word, at, length) != 0))
            i++;
        if (i == 2 || seen[i] || at[length] != '=' ||
            !read_weight(sides[i].weight, at + length + 1, &at))
            return fail_text(text);
        if (!sides[i].given)
            return mcvdi_cli_fail(MCVD_E_USAGE, "--guidance %s: task %s is given no %s frames",
                                  text, mcvd_task_word(task), sides[i].word);
        seen[i] = true;
        if (!*at)
            return MCVD_OK;
    }
}

mcvd_status mcvdi_guidance_apply(mcvd_config *config, mcvd_task task, const char *text)
{
    mcvd_sampling_config *s = &config->sampling;
    const char *end = NULL;
    double weight = 1.0;

    if (!text)
        return MCVD_OK;
    if (strchr(text, '='))
        return read_sides(s, task, text);
    if (!read_weight(&weight, text, &end) || *end)
        return fail_text(text);
    if (reads_past(task))
        s->guidance_past = weight;
    if (mcvd_task_future_given(task))
        s->guidance_future = weight;
    return MCVD_OK;
}

void mcvdi_guidance_describe(const mcvd_sampling_config *s, mcvd_task task,
                             char text[MCVDI_GUIDANCE_TEXT])
{
    const bool past = reads_past(task);
    const bool future = mcvd_task_future_given(task);
    size_t used = 0;

    text[0] = '\0';
    if ((!past || s->guidance_past == 1.0) && (!future || s->guidance_future == 1.0))
        return;
    used += (size_t)snprintf(text, MCVDI_GUIDANCE_TEXT, ", guidance");
    if (past)
        used +=
            (size_t)snprintf(text + used, MCVDI_GUIDANCE_TEXT - used, " past=%g", s->guidance_past);
    if (future)
        snprintf(text + used, MCVDI_GUIDANCE_TEXT - used, " future=%g", s->guidance_future);
}
