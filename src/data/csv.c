/* csv.c - a data set as a table: file_name,label[,split]
 *
 * RFC 4180: fields between commas, rows between line ends (LF or CRLF), quotes around a field that
 * holds either, a doubled quote for a quote. A UTF-8 byte order mark is skipped. The first row names
 * the columns, in any order; other columns are passed over. Paths are relative to the table. The text
 * is parsed in place: a field never grows. Every refusal names line and column. */
#include "data/images.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 64, MAX_FIELD = 4096, MAX_LABEL = 1000, MAX_BYTES = 256 << 20 };

typedef enum column { FILE_NAME, LABEL, SPLIT, COLUMNS } column;
static const char *const column_names[COLUMNS] = {"file_name", "label", "split"};

typedef struct csv {
    const char *path; /* for messages */
    char *at, *end;   /* *end is a NUL */
    int64_t line;     /* of the next byte */
    char *line_start;
    int64_t row_line; /* of the row read last */
    int n_fields;
    char *fields[MAX_COLUMNS];
    int where[COLUMNS]; /* number of the field, -1: not there */
} csv;

/* A row's text, borrowed from the file's. */
typedef struct row {
    const char *file, *label;
    int64_t line;
    tmb_part part;
} row;

static int fail_here(const csv *c, const char *at, const char *what)
{
    return tmb__fail(TMB_EDATA, "%s: line %lld, column %lld: %s", tmb__printable(c->path),
            (long long)c->line, (long long)(at - c->line_start) + 1, what);
}

/* ---- fields and rows ---- */

static bool at_row_end(const csv *c)
{
    return c->at == c->end || *c->at == '\n' || (*c->at == '\r' && c->at[1] == '\n');
}

static void next_line(csv *c)
{
    c->at++;
    c->line++;
    c->line_start = c->at;
}

/* After the opening quote. The closing one, or the place it left, becomes the NUL. */
static int quoted_field(csv *c)
{
    const csv opening = *c;
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
    if (!at_row_end(c) && *c->at != ',')
        return fail_here(
                c, c->at, "text after a closing quote, expected a comma or the line's end");
    *to = '\0'; /* at or before the closing quote, which is behind us */
    return 0;
}

static int plain_field(csv *c)
{
    while (!at_row_end(c) && *c->at != ',') {
        if (*c->at == '"')
            return fail_here(c, c->at, "a quote inside a field, expected the field in quotes");
        if (*c->at == '\r') return fail_here(c, c->at, "a carriage return without a line feed");
        c->at++;
    }
    return 0;
}

/* The terminator is overwritten last, when it has been looked at. */
static int read_field(csv *c)
{
    char *start = c->at;
    const bool quoted = *c->at == '"' && c->at < c->end;
    int status;

    if (c->n_fields == MAX_COLUMNS) return fail_here(c, c->at, "more than 64 fields");
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
static int read_row(csv *c)
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

/* ---- the table ---- */

static int read_header(csv *c)
{
    const int status = read_row(c);
    tmb__strbuf found = {0};

    if (status < 0) return status;
    for (int k = 0; k < COLUMNS; k++) {
        c->where[k] = -1;
        for (int i = 0; i < (status ? c->n_fields : 0); i++) {
            if (strcmp(c->fields[i], column_names[k]) == 0) c->where[k] = i;
        }
    }
    if (c->where[FILE_NAME] >= 0 && c->where[LABEL] >= 0) return 0;
    for (int i = 0; i < (status ? c->n_fields : 0); i++)
        tmb__strbuf_add(&found, "%s%.40s", i ? "," : "", tmb__printable(c->fields[i]));
    tmb__fail(TMB_EDATA, "%s: line 1: no column \"%s\", found \"%.200s\"", tmb__printable(c->path),
            column_names[c->where[FILE_NAME] < 0 ? FILE_NAME : LABEL],
            found.text ? found.text : "");
    tmb__hint("the first line must be file_name,label or file_name,label,split");
    tmb__strbuf_free(&found);
    return TMB_EDATA;
}

static int fail_row(const csv *c, const char *name, const char *what)
{
    return tmb__fail(TMB_EDATA, "%s: line %lld, column \"%s\": %s", tmb__printable(c->path),
            (long long)c->row_line, name, what);
}

static int check_text(const csv *c, const char *text, column k, size_t most)
{
    const size_t n = strlen(text);

    if (n == 0) return fail_row(c, column_names[k], "empty");
    if (n <= most) return 0;
    return tmb__fail(TMB_EDATA, "%s: line %lld, column \"%s\": %zu bytes, expected at most %zu",
            tmb__printable(c->path), (long long)c->row_line, column_names[k], n, most);
}

/* 1 and a row, 0 at the end. */
static int read_sample(csv *c, int n_columns, row *out)
{
    const char *split;
    int status;

    status = read_row(c);
    if (status <= 0) return status;
    if (c->n_fields != n_columns) {
        return tmb__fail(TMB_EDATA, "%s: line %lld: %d fields, expected %d as in line 1",
                tmb__printable(c->path), (long long)c->row_line, c->n_fields, n_columns);
    }
    *out = (row){.file = c->fields[c->where[FILE_NAME]],
            .label = c->fields[c->where[LABEL]],
            .line = c->row_line};
    TMB_TRY(check_text(c, out->file, FILE_NAME, MAX_FIELD));
    TMB_TRY(check_text(c, out->label, LABEL, MAX_LABEL));
    if (c->where[SPLIT] < 0) return 1;
    split = c->fields[c->where[SPLIT]];
    out->part = tmb__part_named(split);
    if (out->part != TMB_ALL) return 1;
    return tmb__fail(TMB_EDATA,
            "%s: line %lld, column \"split\": \"%.40s\", expected train, validation or test",
            tmb__printable(c->path), (long long)c->row_line, tmb__printable(split));
}

static int compare_rows(const void *a, const void *b)
{
    const row *x = *(const row *const *)a, *y = *(const row *const *)b;
    const int order = strcmp(x->file, y->file);

    return order ? order : x->line < y->line ? -1 : x->line > y->line;
}

/* Predictions and splits go by file, so a file stands in one row only. */
static int check_twice(const csv *c, const row *rows, int64_t n)
{
    const row **sorted = tmb__calloc((size_t)n, sizeof *sorted);
    int status = 0;

    if (!sorted) return TMB_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        sorted[i] = &rows[i];
    qsort(sorted, (size_t)n, sizeof *sorted, compare_rows);
    for (int64_t i = 1; i < n && status == 0; i++) {
        if (strcmp(sorted[i]->file, sorted[i - 1]->file) != 0) continue;
        status = tmb__fail(TMB_EDATA, "%s: line %lld: \"%s\" stands in line %lld already",
                tmb__printable(c->path), (long long)sorted[i]->line,
                tmb__printable(sorted[i]->file), (long long)sorted[i - 1]->line);
    }
    tmb__free(sorted);
    return status;
}

static int read_rows(csv *c, row **rows, int64_t *n)
{
    const int n_columns = c->n_fields;
    int64_t cap = 0;

    for (;;) {
        int status;

        if (*n == cap) {
            row *grown;

            cap = cap ? 2 * cap : 256;
            grown = tmb__realloc(*rows, (size_t)cap, sizeof *grown);
            if (!grown) return TMB_ENOMEM;
            *rows = grown;
        }
        status = read_sample(c, n_columns, &(*rows)[*n]);
        if (status <= 0) return status;
        (*n)++;
    }
}

/* The table's folder with its slash, "" if it has none. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    tmb__strbuf sb = {0};

    tmb__strbuf_bytes(&sb, path, slash ? (size_t)(slash - path) + 1 : 0);
    if (sb.failed) tmb__strbuf_free(&sb);
    return sb.text;
}

static int add_rows(tmb__listing *list, const char *path, const row *rows, int64_t n)
{
    char *folder = folder_of(path);
    int status = folder ? 0 : TMB_ENOMEM;

    for (int64_t i = 0; i < n && status == 0; i++) {
        if (i == 0 || strcmp(rows[i].label, rows[i - 1].label) != 0)
            status = tmb__listing_name(list, rows[i].label);
    }
    tmb__listing_sort_names(list);
    for (int64_t i = 0; i < n && status == 0; i++) {
        const size_t key = rows[i].file[0] == '/' ? 0 : strlen(folder);

        status = tmb__listing_add(list, tmb__path_join(folder, rows[i].file), key,
                tmb__listing_label(list, rows[i].label), rows[i].part);
    }
    tmb__free(folder);
    return status;
}

int tmb__list_csv_text(tmb__listing *list, const char *path, char *text, size_t size)
{
    csv c = {.path = path, .at = text, .end = text + size, .line = 1, .line_start = text};
    row *rows = NULL;
    int64_t n = 0;
    int status;

    if (memchr(text, 0, size))
        return tmb__fail(TMB_EDATA, "%s: holds a zero byte, expected text", tmb__printable(path));
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) c.at = c.line_start = text + 3;
    status = read_header(&c);
    if (status == 0) status = read_rows(&c, &rows, &n);
    if (status == 0 && n == 0)
        status = tmb__fail(TMB_EDATA, "%s: no rows below the first line", tmb__printable(path));
    if (status == 0) status = check_twice(&c, rows, n);
    if (status == 0) status = add_rows(list, path, rows, n);
    tmb__free(rows);
    return status;
}

int tmb__list_csv(tmb__listing *list, const char *path)
{
    tmb__bytes file;
    int status;

    TMB_TRY(tmb__file_read(&file, path, MAX_BYTES, TMB_EDATA));
    status = tmb__list_csv_text(list, path, (char *)file.data, file.size);
    tmb__free(file.data);
    return status;
}
