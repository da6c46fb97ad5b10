#include "model/torch_script.h"

#include <string.h>

#include "core/alloc.h"
#include "core/real_text.h"

enum { EPS_ARGUMENT = 7, MAX_NUMBER = 40 };

typedef struct eps_search {
    const char *path;
    double eps;
    bool found;
} eps_search;

static mcvd_status take(eps_search *s, double eps)
{
    if (s->found && s->eps != eps)
        return mcvdi_fail(MCVD_E_MODEL,
                          "%s: its code has batch norms of eps %g and %g, expected one; give it "
                          "with --bn-eps",
                          s->path, s->eps, eps);
    s->eps = eps;
    s->found = true;
    return MCVD_OK;
}

/* A decimal number and nothing else but blanks. */
static bool parse_number(const char *text, size_t length, double *number)
{
    char copy[MAX_NUMBER];

    while (length && (*text == ' ' || *text == '\n')) {
        text++;
        length--;
    }
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\n'))
        length--;
    if (!length || length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return strspn(copy, "0123456789.e+-") == length && mcvdi_text_to_real(number, copy);
}

/* Argument `wanted` of the call whose bracket was opened before text; NULL when there are fewer. */
static const char *find_argument(const char *text, int wanted, size_t *length)
{
    const char *start = text;
    int depth = 0;
    int at = 0;

    for (const char *c = text; *c; c++) {
        const bool ends = depth == 0 && (*c == ',' || *c == ')');
        if (ends && at == wanted) {
            *length = (size_t)(c - start);
            return start;
        }
        if (ends && *c == ')')
            return NULL;
        if (ends) {
            at++;
            start = c + 1;
        } else if (strchr("([{", *c)) {
            depth++;
        } else if (strchr(")]}", *c)) {
            depth--;
        }
    }
    return NULL;
}

/* torch.batch_norm(input, weight, bias, mean, variance, training, momentum, eps, ...) */
static mcvd_status search_calls(eps_search *s, const char *text)
{
    static const char call[] = "torch.batch_norm(";
    mcvd_status st = MCVD_OK;

    for (const char *at = strstr(text, call); st >= 0 && at; at = strstr(at, call)) {
        size_t length = 0;
        double number = 0.0;
        at += sizeof call - 1;
        const char *argument = find_argument(at, EPS_ARGUMENT, &length);
        if (argument && parse_number(argument, length, &number))
            st = take(s, number);
    }
    return st;
}

/* "eps : Final[float] = 0.001" in a class of torch.nn.modules.batchnorm */
static mcvd_status search_classes(eps_search *s, const char *text)
{
    static const char constant[] = "  eps : Final[float] = ";
    mcvd_status st = MCVD_OK;

    for (const char *at = strstr(text, constant); st >= 0 && at; at = strstr(at, constant)) {
        double number = 0.0;
        at += sizeof constant - 1;
        if (parse_number(at, strcspn(at, "\n"), &number))
            st = take(s, number);
    }
    return st;
}

mcvd_status mcvdi_torch_script_bn_eps(mcvdi_torch_zip *zip, const char *path, double *eps,
                                      bool *found)
{
    eps_search search = { .path = path };
    const char *name = NULL;
    char *text = NULL;
    size_t at = 0;
    mcvd_status st = mcvdi_torch_zip_code(zip, &at, &name, &text);

    while (st >= 0 && text) {
        st = search_calls(&search, text);
        if (st >= 0 && strstr(name, "/torch/nn/modules/batchnorm"))
            st = search_classes(&search, text);
        mcvdi_free(text);
        text = NULL;
        if (st >= 0)
            st = mcvdi_torch_zip_code(zip, &at, &name, &text);
    }
    *eps = search.eps;
    *found = st >= 0 && search.found;
    return st;
}
