/* csv.c - rows of a table: RFC 4180
 *
 * Fields stand between commas (tabs in a .tsv), rows between line ends (LF or CRLF), quotes around a
 * field that holds either, a doubled quote for a quote. A UTF-8 byte order mark is skipped. The text is
 * parsed in place: a field never grows. Every refusal names line and column. */
#include "data/csv.h"

#include <string.h>
#include <strings.h>

static int fail_here(const tmb__csv *c, const char *at, const char *what)
{
    return tmb__fail(TMB_EDATA, "%s: line %lld, column %lld: %s", tmb__printable(c->path),
            (long long)c->line, (long long)(at - c->line_start) + 1, what);
}

static bool at_row_end(const tmb__csv *c)
{
    return c->at == c->end || *c->at == '\n' || (*c->at == '\r' && c->at[1] == '\n');
}

static void next_line(tmb__csv *c)
{
    c->at++;
    c->line++;
    c->line_start = c->at;
}

/* After the opening quote. The closing one, or the place it left, becomes the NUL. */
static int quoted_field(tmb__csv *c)
{
    const tmb__csv opening = *c;
    char *to = c->at;

    for (;;) {
        if (c->at == c->end)
            return fail_here(&opening, opening.at - 1, "this quote is never closed");
        if (*c->at == '"' && c->at[1] != '"') break;
        if (*c->at == '"') c->at++;
        *to++ = *c->at;
        if (*c->at == '\n') {
            next_line(c);
        } else {
            c->at++;
        }
    }
    c->at++;
    if (!at_row_end(c) && *c->at != c->separator)
        return fail_here(
                c, c->at, "text after a closing quote, expected a comma or the line's end");
    *to = '\0'; /* at or before the closing quote, which is behind us */
    return 0;
}

static int plain_field(tmb__csv *c)
{
    while (!at_row_end(c) && *c->at != c->separator) {
        if (*c->at == '"')
            return fail_here(c, c->at, "a quote inside a field, expected the field in quotes");
        if (*c->at == '\r') return fail_here(c, c->at, "a carriage return without a line feed");
        c->at++;
    }
    return 0;
}

/* The terminator is overwritten last, when it has been looked at. */
static int read_field(tmb__csv *c)
{
    char *start = c->at;
    const bool quoted = *c->at == '"' && c->at < c->end;
    int status;

    if (c->n_fields == TMB__CSV_FIELDS) return fail_here(c, c->at, "more than 64 fields");
    if (quoted) {
        c->at++;
        start++;
        status = quoted_field(c);
    } else {
        status = plain_field(c);
    }
    if (status < 0) return status;
    c->fields[c->n_fields++] = start;
    return 0;
}

/* 1 and a row of one field or more, 0 at the end. Empty lines are passed over. */
int tmb__csv_row(tmb__csv *c)
{
    while (c->at < c->end && at_row_end(c)) {
        if (*c->at == '\r') c->at++;
        next_line(c);
    }
    if (c->at == c->end) return 0;
    c->n_fields = 0;
    c->row_line = c->line;
    for (;;) {
        char *comma;

        TMB_TRY(read_field(c));
        comma = c->at;
        if (at_row_end(c)) break;
        c->at++;
        *comma = '\0';
    }
    if (c->at < c->end) {
        char *end = c->at;

        if (*c->at == '\r') c->at++;
        next_line(c);
        *end = '\0';
    }
    return 1;
}

int tmb__csv_start(tmb__csv *c, const char *path, char *text, size_t size)
{
    const char *dot = strrchr(path, '.');

    *c = (tmb__csv){.path = path, .at = text, .end = text + size, .line = 1, .line_start = text};
    c->separator = dot && strcasecmp(dot, ".tsv") == 0 ? '\t' : ',';
    if (memchr(text, 0, size))
        return tmb__fail(TMB_EDATA, "%s: holds a zero byte, expected text", tmb__printable(path));
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) c->at = c->line_start = text + 3;
    return 0;
}
