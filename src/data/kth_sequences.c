#include "data/kth_sequences.h"

#include <ctype.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fileio.h"

enum { MAX_LIST_BYTES = 1 << 20, MAX_FRAME = 1 << 24 };

static const char blanks[] = " \t\r";

static mcvd_status add_stretch(mcvdi_kth_sequences *list, size_t from, size_t to)
{
    if (!mcvdi_grow(&list->stretches, list->num_stretches, &list->stretches_capacity,
                    sizeof *list->stretches))
        return mcvdi_fail(MCVD_E_NOMEM, "a list of %zu sequences", list->num_stretches + 1);
    list->stretches[list->num_stretches++] = (mcvdi_kth_stretch) { from - 1, to - from + 1 };
    list->films[list->num_films - 1].num_stretches++;
    return MCVD_OK;
}

static mcvd_status add_film(mcvdi_kth_sequences *list, const char *name, size_t bytes)
{
    if (!mcvdi_grow(&list->films, list->num_films, &list->films_capacity, sizeof *list->films))
        return mcvdi_fail(MCVD_E_NOMEM, "a list of %zu films", list->num_films + 1);
    mcvdi_kth_film *film = &list->films[list->num_films++];
    *film = (mcvdi_kth_film) { .first_stretch = list->num_stretches };
    memcpy(film->name, name, bytes);
    return MCVD_OK;
}

/* person<PP>_<action>_d<S> */
static bool is_film(const char *name, size_t bytes)
{
    if (bytes < 12 || bytes >= MCVDI_KTH_NAME_BYTES || strncmp(name, "person", 6) != 0 ||
        !isdigit((unsigned char)name[6]) || !isdigit((unsigned char)name[7]) || name[8] != '_' ||
        strncmp(name + bytes - 3, "_d", 2) != 0 || !isdigit((unsigned char)name[bytes - 1]))
        return false;
    for (size_t i = 9; i < bytes - 3; i++)
        if (!islower((unsigned char)name[i]))
            return false;
    return true;
}

static bool take_number(const char **at, size_t *value)
{
    const char *p = *at;

    *value = 0;
    while (isdigit((unsigned char)*p) && *value <= MAX_FRAME)
        *value = 10 * *value + (size_t)(*p++ - '0');
    if (p == *at || *value > MAX_FRAME)
        return false;
    *at = p + strspn(p, blanks);
    return true;
}

/* "1-95, 96-185"; a comma may end it. MCVD_E_FORMAT without a message where it is something else.
 */
static mcvd_status take_stretches(mcvdi_kth_sequences *list, const char *at)
{
    mcvd_status st = MCVD_OK;
    size_t from;
    size_t to;

    do {
        if (!take_number(&at, &from) || *at++ != '-')
            return MCVD_E_FORMAT;
        at += strspn(at, blanks);
        if (!take_number(&at, &to) || from < 1 || to < from)
            return MCVD_E_FORMAT;
        st = add_stretch(list, from, to);
        if (*at == ',')
            at += 1 + strspn(at + 1, blanks);
        else if (*at)
            return MCVD_E_FORMAT;
    } while (st >= 0 && *at);
    return st;
}

static mcvd_status take_line(mcvdi_kth_sequences *list, const char *line)
{
    static const char word[] = "frames";
    const size_t bytes = strcspn(line, blanks);

    if (strncmp(line, "person", 6) != 0 || !memchr(line, '_', bytes))
        return MCVD_OK; /* a sentence */
    if (!is_film(line, bytes))
        return MCVD_E_FORMAT;
    const mcvd_status st = add_film(list, line, bytes);
    if (st < 0)
        return st;
    const char *at = line + bytes + strspn(line + bytes, blanks);
    if (strncmp(at, "*missing*", 9) == 0)
        return MCVD_OK;
    if (strncmp(at, word, sizeof word - 1) != 0)
        return MCVD_E_FORMAT;
    at += sizeof word - 1;
    return take_stretches(list, at + strspn(at, blanks));
}

/* No film twice; lists have a few hundred. */
static mcvd_status check_films(const mcvdi_kth_sequences *list, const char *path)
{
    if (list->num_films == 0)
        return mcvdi_fail(MCVD_E_FORMAT,
                          "%s: no line 'person01_boxing_d1  frames  1-95, 96-185' in it", path);
    for (size_t i = 0; i < list->num_films; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(list->films[i].name, list->films[k].name) == 0)
                return mcvdi_fail(MCVD_E_FORMAT, "%s: %s is listed twice", path,
                                  list->films[i].name);
    return MCVD_OK;
}

mcvd_status mcvdi_kth_sequences_read(mcvdi_kth_sequences *out, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    size_t number = 0;

    memset(out, 0, sizeof *out);
    mcvd_status st = mcvdi_file_read(&text, &bytes, path, MAX_LIST_BYTES);
    for (char *line = text; st >= 0 && line && *line;) {
        char *end = line + strcspn(line, "\n");
        char *next = *end ? end + 1 : end;
        *end = '\0';
        number++;
        st = take_line(out, line);
        if (st == MCVD_E_FORMAT)
            st = mcvdi_fail(st,
                            "%s: line %zu: expected 'person01_boxing_d1  frames  1-95, 96-185'"
                            ", found '%.60s'",
                            path, number, line);
        line = next;
    }
    mcvdi_free(text);
    if (st >= 0)
        st = check_films(out, path);
    if (st < 0)
        mcvdi_kth_sequences_release(out);
    return st;
}

void mcvdi_kth_sequences_release(mcvdi_kth_sequences *list)
{
    mcvdi_free(list->films);
    mcvdi_free(list->stretches);
    memset(list, 0, sizeof *list);
}

mcvdi_kth_film *mcvdi_kth_sequences_find(const mcvdi_kth_sequences *list, const char *file)
{
    for (size_t i = 0; i < list->num_films; i++) {
        const size_t bytes = strlen(list->films[i].name);
        if (strncmp(file, list->films[i].name, bytes) == 0 &&
            (file[bytes] == '_' || file[bytes] == '.'))
            return &list->films[i];
    }
    return NULL;
}
