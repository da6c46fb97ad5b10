#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/timing.h"

enum { BAR_CELLS = 24, MAX_LINE = 512 };

static const double draw_interval_s = 0.1;
static const double default_plain_s = 10.0;

static mcvdi_progress *active;

static int terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

/* "47s", "12m05s", "3h20m", "5d03h" */
static void format_duration(char *text, size_t bytes, double seconds)
{
    const int64_t s = seconds < 1e9 ? (int64_t)(seconds + 0.5) : 1000000000;

    if (s < 60)
        snprintf(text, bytes, "%" PRId64 "s", s);
    else if (s < 3600)
        snprintf(text, bytes, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, bytes, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(text, bytes, "%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
}

/* "120/400 steps  3.21 steps/s  1m27s left  loss 0.01" */
static void format_figures(char *text, size_t bytes, const mcvdi_progress *p, const char *note)
{
    const double elapsed_s = p->last_s - p->start_s;
    const double rate = elapsed_s > 0.0 ? (double)(p->done - p->first) / elapsed_s : 0.0;
    char total[32] = "";
    char left[48] = "";

    if (p->total > 0)
        snprintf(total, sizeof total, "/%" PRId64, p->total);
    if (p->total > 0 && p->done >= p->total) {
        char duration[32];
        format_duration(duration, sizeof duration, elapsed_s);
        snprintf(left, sizeof left, "  in %s", duration);
    } else if (p->total > 0 && rate > 0.0) {
        char duration[32];
        format_duration(duration, sizeof duration, (double)(p->total - p->done) / rate);
        snprintf(left, sizeof left, "  %s left", duration);
    }
    snprintf(text, bytes, "%" PRId64 "%s %s  %.3g %s/s%s%s%s", p->done, total, p->unit, rate,
             p->unit, left, note ? "  " : "", note ? note : "");
}

static void draw_bar(mcvdi_progress *p, const char *figures)
{
    char line[2 * MAX_LINE];
    char bar[BAR_CELLS + 1];
    const double fraction = (double)p->done / (double)p->total;
    int filled = (int)(fraction * BAR_CELLS);
    int columns = terminal_columns() - 1;

    filled = filled < 0 ? 0 : filled > BAR_CELLS ? BAR_CELLS : filled;
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', (size_t)filled);
    bar[BAR_CELLS] = '\0';
    if (columns > (int)sizeof line - 1)
        columns = (int)sizeof line - 1;
    snprintf(line, (size_t)columns + 1, "%s [%s] %3.0f%%  %s", p->label, bar, 100.0 * fraction,
             figures);
    fprintf(stderr, "\r%s\033[K", line);
    p->drawn = true;
}

static void draw(mcvdi_progress *p, const char *note)
{
    char figures[MAX_LINE];

    p->shown = p->done;
    format_figures(figures, sizeof figures, p, note);
    if (p->terminal && p->total > 0)
        draw_bar(p, figures);
    else if (p->terminal) {
        fprintf(stderr, "\r%s  %s\033[K", p->label, figures);
        p->drawn = true;
    } else {
        fprintf(stderr, "%s  %s\n", p->label, figures);
    }
    fflush(stderr);
}

void mcvdi_progress_start(mcvdi_progress *p)
{
    p->terminal = isatty(STDERR_FILENO) == 1;
    p->drawn = false;
    p->start_s = mcvdi_now_s();
    p->last_s = p->start_s;
    p->done = p->first;
    p->shown = -1;
    active = p;
}

static bool is_due(const mcvdi_progress *p, double now)
{
    if (!p->terminal && p->plain_every > 0)
        return p->done % p->plain_every == 0;
    const double plain_s = p->plain_s > 0.0 ? p->plain_s : default_plain_s;
    return now - p->last_s >= (p->terminal ? draw_interval_s : plain_s);
}

void mcvdi_progress_update(mcvdi_progress *p, int64_t done, const char *note)
{
    const double now = mcvdi_now_s();

    p->done = done;
    if (p->quiet || !is_due(p, now))
        return;
    p->last_s = now;
    draw(p, note);
}

void mcvdi_progress_end(mcvdi_progress *p, const char *note)
{
    p->last_s = mcvdi_now_s();
    if (!p->quiet) {
        if (p->terminal || note || p->shown != p->done)
            draw(p, note);
        if (p->terminal)
            fputc('\n', stderr);
    }
    active = NULL;
}

void mcvdi_progress_wipe(void)
{
    if (active && active->drawn) {
        fputs("\r\033[K", stderr);
        active->drawn = false;
    }
}
