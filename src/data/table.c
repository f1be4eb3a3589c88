/* table.c - a data set as a table: file_name,label[,split], or columns of other names
 *
 * The first row names the columns, in any order; other columns are passed over. Paths are relative to
 * the table, or to a folder that is given. A label is a class name; with class mode categorical a row
 * may have several, in columns of their own or in one, between bars: cat|indoors. With class mode raw
 * the columns hold numbers instead. With Keras' stream rows are left out as flow_from_dataframe does:
 * no such file, or no picture by its name. */
#include "data/csv.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FIELD = 4096, MAX_LABEL = 1000, MAX_BYTES = 256 << 20 };
static const char bar = '|';

/* A row's text, borrowed from the file's. */
typedef struct row {
    const char *file;
    int64_t line;
    int64_t tag; /* its labels are tags from here on */
    int n_tags;
    tmb_part part;
    float weight;
} row;

typedef struct table {
    tmb__csv csv;
    const tmb_images_opts *opts;
    tmb__listing *list;
    /* Numbers of fields, -1: not there. */
    int file, split, weight, y[TMB__CSV_FIELDS], n_y;
    const char *names[TMB__CSV_FIELDS]; /* of the columns, borrowed */
    int n_columns;
    bool raw;
    row *rows;
    int64_t n, cap;
    const char **tags;
    int64_t n_tags, cap_tags, n_numbers, cap_numbers;
    int64_t left_out; /* rows without a picture; the first one's path: */
    char *first;
    const char *last; /* class name added */
} table;

/* The items with room for `more` behind n of them, NULL without memory. */
static void *grow(void *items, int64_t n, int64_t more, int64_t *cap, size_t size)
{
    int64_t wanted = *cap ? *cap : 256;

    if (n + more <= *cap) return items;
    while (wanted < n + more)
        wanted *= 2;
    items = tmb__realloc(items, (size_t)wanted, size);
    if (items) *cap = wanted;
    return items;
}

/* ---- the first row ---- */

static int find_column(const table *t, const char *name)
{
    for (int i = t->n_columns - 1; i >= 0; i--) {
        if (strcmp(t->names[i], name) == 0) return i;
    }
    return -1;
}

static int no_column(const table *t, const char *name)
{
    tmb__strbuf found = {0};

    for (int i = 0; i < t->n_columns; i++)
        tmb__strbuf_add(&found, "%s%.40s", i ? "," : "", tmb__printable(t->names[i]));
    tmb__fail(TMB_EDATA, "%s: line 1: no column \"%s\", found \"%.200s\"",
            tmb__printable(t->csv.path), tmb__printable(name), found.text ? found.text : "");
    tmb__hint("the first line must be file_name,label or file_name,label,split");
    tmb__strbuf_free(&found);
    return TMB_EDATA;
}

/* The column of this name, else of one of the usual names. */
static int choose_column(const table *t, const char *name, const char *usual, const char *other)
{
    int at = find_column(t, name ? name : usual);

    return at < 0 && !name ? find_column(t, other) : at;
}

static int choose_y(table *t)
{
    const tmb_class_mode mode = t->opts->class_mode;
    const char *const *names = t->opts->y_columns;
    const int usual = choose_column(t, NULL, "label", "class");

    for (int i = 0; names && names[i]; i++) {
        if (i == TMB__CSV_FIELDS) return no_column(t, names[i]);
        t->y[i] = find_column(t, names[i]);
        if (t->y[i] < 0) return no_column(t, names[i]);
        t->n_y = i + 1;
    }
    if (!names && usual >= 0) t->y[t->n_y++] = usual;
    t->raw = mode == TMB_CLASS_RAW;
    if (t->n_y == 0 && (t->raw || !tmb__labels_unused(t->opts))) return no_column(t, "label");
    if (t->n_y < 2 || t->raw || mode == TMB_CLASS_CATEGORICAL) return 0;
    return tmb__fail(TMB_EINVAL, "%s: %d y columns, expected one, or class mode categorical or raw",
            tmb__printable(t->csv.path), t->n_y);
}

static int read_header(table *t)
{
    const tmb_images_opts *opts = t->opts;
    const int status = tmb__csv_row(&t->csv);

    if (status < 0) return status;
    t->n_columns = status ? t->csv.n_fields : 0;
    memcpy(t->names, t->csv.fields, sizeof t->names);
    t->file = choose_column(t, opts->x_column, "file_name", "filename");
    if (t->file < 0) return no_column(t, opts->x_column ? opts->x_column : "file_name");
    t->split = find_column(t, "split");
    t->weight = opts->weight_column ? find_column(t, opts->weight_column) : -1;
    if (opts->weight_column && t->weight < 0) return no_column(t, opts->weight_column);
    TMB_TRY(choose_y(t));
    t->list->weighted = t->weight >= 0;
    t->list->y_width = t->raw ? t->n_y : 0;
    return 0;
}

/* ---- a row ---- */

static int fail_row(const table *t, int column, const char *what)
{
    return tmb__fail(TMB_EDATA, "%s: line %lld, column \"%s\": %s", tmb__printable(t->csv.path),
            (long long)t->csv.row_line, tmb__printable(t->names[column]), what);
}

static int check_text(const table *t, int column, size_t most)
{
    const size_t n = strlen(t->csv.fields[column]);

    if (n == 0) return fail_row(t, column, "empty");
    if (n <= most) return 0;
    return tmb__fail(TMB_EDATA, "%s: line %lld, column \"%s\": %zu bytes, expected at most %zu",
            tmb__printable(t->csv.path), (long long)t->csv.row_line,
            tmb__printable(t->names[column]), n, most);
}

static int read_number(const table *t, int column, float *out)
{
    const char *text = t->csv.fields[column];
    double value;

    if (!tmb__parse_double(text, &value)) {
        return tmb__fail(TMB_EDATA, "%s: line %lld, column \"%s\": \"%.40s\", expected a number",
                tmb__printable(t->csv.path), (long long)t->csv.row_line,
                tmb__printable(t->names[column]), tmb__printable(text));
    }
    *out = (float)value;
    return 0;
}

static int add_tag(table *t, row *r, const char *name)
{
    const char **grown;

    if (!name[0]) return 0;
    grown = grow(t->tags, t->n_tags, 1, &t->cap_tags, sizeof *grown);
    if (!grown) return TMB_ENOMEM;
    t->tags = grown;
    t->tags[t->n_tags++] = name;
    r->n_tags++;
    return 0;
}

static int read_labels(table *t, row *r)
{
    const bool several = t->opts->class_mode == TMB_CLASS_CATEGORICAL;

    r->tag = t->n_tags;
    for (int i = 0; i < t->n_y; i++) {
        char *text = t->csv.fields[t->y[i]];

        if (text[0] || !several) TMB_TRY(check_text(t, t->y[i], MAX_LABEL));
        for (char *end; several && (end = strchr(text, bar)); text = end + 1) {
            *end = '\0';
            TMB_TRY(add_tag(t, r, text));
        }
        TMB_TRY(add_tag(t, r, text));
    }
    return t->n_y && !r->n_tags ? fail_row(t, t->y[0], "empty") : 0;
}

static int read_numbers(table *t)
{
    float *grown = grow(t->list->numbers, t->n_numbers, t->n_y, &t->cap_numbers, sizeof *grown);

    if (!grown) return TMB_ENOMEM;
    t->list->numbers = grown;
    for (int i = 0; i < t->n_y; i++)
        TMB_TRY(read_number(t, t->y[i], grown + t->n_numbers + i));
    t->n_numbers += t->n_y;
    return 0;
}

static int read_split(const table *t, row *r)
{
    const char *split = t->split < 0 ? NULL : t->csv.fields[t->split];

    if (!split) return 0;
    r->part = tmb__part_named(split);
    if (r->part != TMB_ALL) return 0;
    return tmb__fail(TMB_EDATA,
            "%s: line %lld, column \"split\": \"%.40s\", expected train, validation or test",
            tmb__printable(t->csv.path), (long long)t->csv.row_line, tmb__printable(split));
}

/* 1 and a row, 0 at the end. */
static int read_sample(table *t, row *out)
{
    const int status = tmb__csv_row(&t->csv);

    if (status <= 0) return status;
    if (t->csv.n_fields != t->n_columns) {
        return tmb__fail(TMB_EDATA, "%s: line %lld: %d fields, expected %d as in line 1",
                tmb__printable(t->csv.path), (long long)t->csv.row_line, t->csv.n_fields,
                t->n_columns);
    }
    *out = (row){.file = t->csv.fields[t->file], .line = t->csv.row_line, .weight = 1};
    TMB_TRY(check_text(t, t->file, MAX_FIELD));
    if (t->weight >= 0) TMB_TRY(read_number(t, t->weight, &out->weight));
    TMB_TRY(t->raw ? read_numbers(t) : read_labels(t, out));
    TMB_TRY(read_split(t, out));
    return 1;
}

static int read_rows(table *t)
{
    for (;;) {
        row *grown = grow(t->rows, t->n, 1, &t->cap, sizeof *grown);
        int status;

        if (!grown) return TMB_ENOMEM;
        t->rows = grown;
        status = read_sample(t, &t->rows[t->n]);
        if (status <= 0) return status;
        t->n++;
    }
}

/* ---- rows to samples ---- */

static int compare_rows(const void *a, const void *b)
{
    const row *x = *(const row *const *)a, *y = *(const row *const *)b;
    const int order = strcmp(x->file, y->file);

    return order ? order : x->line < y->line ? -1 : x->line > y->line;
}

/* Predictions and splits go by file, so a file stands in one row only. */
static int check_twice(const table *t)
{
    const row **sorted = tmb__calloc((size_t)t->n, sizeof *sorted);
    int status = 0;

    if (!sorted) return TMB_ENOMEM;
    for (int64_t i = 0; i < t->n; i++)
        sorted[i] = &t->rows[i];
    qsort(sorted, (size_t)t->n, sizeof *sorted, compare_rows);
    for (int64_t i = 1; i < t->n && status == 0; i++) {
        if (strcmp(sorted[i]->file, sorted[i - 1]->file) != 0) continue;
        status = tmb__fail(TMB_EDATA, "%s: line %lld: \"%s\" stands in line %lld already",
                tmb__printable(t->csv.path), (long long)sorted[i]->line,
                tmb__printable(sorted[i]->file), (long long)sorted[i - 1]->line);
    }
    tmb__free(sorted);
    return status;
}

/* The table's folder with its slash, "" if it has none; or the one that is given. */
static char *folder_of(const table *t)
{
    const char *slash = strrchr(t->csv.path, '/');
    tmb__strbuf sb = {0};

    if (t->opts->directory) return tmb__path_join(t->opts->directory, "");
    tmb__strbuf_bytes(&sb, t->csv.path, slash ? (size_t)(slash - t->csv.path) + 1 : 0);
    if (sb.failed) tmb__strbuf_free(&sb);
    return sb.text;
}

/* Keras' validate_filename. */
static bool is_valid(const table *t, const char *path)
{
    const bool old = t->opts->augment.preset == TMB_PRESET_KERAS2016;

    if (t->opts->rng != TMB_RNG_NUMPY || t->opts->keep_missing) return true;
    return tmb__keras_photo(path, old) && tmb__file_exists(path) == 1;
}

static int add_sample(table *t, const char *folder, int64_t i)
{
    const row *r = &t->rows[i];
    char *path = tmb__path_join(folder, r->file);
    tmb__sample *sample;

    if (!path) return TMB_ENOMEM;
    if (!is_valid(t, path)) {
        if (t->left_out++ == 0) {
            t->first = path;
        } else {
            tmb__free(path);
        }
        return 0;
    }
    TMB_TRY(tmb__listing_add(t->list, path, r->file[0] == '/' ? 0 : strlen(folder), 0, r->part));
    sample = &t->list->samples[t->list->n - 1];
    sample->weight = r->weight;
    sample->target = t->raw ? i * t->n_y : r->tag;
    sample->n_tags = r->n_tags;
    for (int k = 0; k < r->n_tags; k++) {
        const char *name = t->tags[r->tag + k];

        if (t->last && strcmp(name, t->last) == 0) continue; /* rows often go by class */
        TMB_TRY(tmb__listing_name(t->list, name));
        t->last = name;
    }
    return 0;
}

/* Classes have numbers when the names of all samples are known. */
static int label_samples(table *t)
{
    tmb__listing *list = t->list;

    if (t->n_tags == 0) return tmb__listing_name(list, "none");
    tmb__listing_sort_names(list);
    list->tags = tmb__calloc((size_t)t->n_tags, sizeof *list->tags);
    if (!list->tags) return TMB_ENOMEM;
    for (int64_t i = 0; i < list->n; i++) {
        tmb__sample *sample = &list->samples[i];

        for (int k = 0; k < sample->n_tags; k++)
            list->tags[sample->target + k] = tmb__listing_label(list, t->tags[sample->target + k]);
        sample->label = list->tags[sample->target];
    }
    return 0;
}

static int add_samples(table *t)
{
    char *folder = folder_of(t);
    int status = folder ? 0 : TMB_ENOMEM;

    for (int64_t i = 0; i < t->n && status == 0; i++)
        status = add_sample(t, folder, i);
    tmb__free(folder);
    TMB_TRY(status);
    if (t->left_out) {
        TMB_TRY(tmb__notices_add(t->list->notices, TMB_NOTICE_WARNING, t->first,
                "left out with %lld more like it: no such file, or not a picture by its name",
                (long long)t->left_out - 1));
    }
    if (t->list->n == 0) {
        return tmb__fail(TMB_EDATA, "%s: none of its %lld files is there",
                tmb__printable(t->csv.path), (long long)t->n);
    }
    return label_samples(t);
}

/* ---- the door ---- */

static int list_text(table *t, const char *path, char *text, size_t size)
{
    TMB_TRY(tmb__csv_start(&t->csv, path, text, size));
    TMB_TRY(read_header(t));
    TMB_TRY(read_rows(t));
    if (t->n == 0)
        return tmb__fail(TMB_EDATA, "%s: no rows below the first line", tmb__printable(path));
    if (t->opts->rng != TMB_RNG_NUMPY) TMB_TRY(check_twice(t));
    return add_samples(t);
}

int tmb__list_table_text(
        tmb__listing *list, const char *path, const tmb_images_opts *opts, char *text, size_t size)
{
    table t = {.opts = opts, .list = list};
    const int status = list_text(&t, path, text, size);

    tmb__free(t.rows);
    tmb__free(t.tags);
    tmb__free(t.first);
    return status;
}

int tmb__list_table(tmb__listing *list, const char *path, const tmb_images_opts *opts)
{
    tmb__bytes file;
    int status;

    TMB_TRY(tmb__file_read(&file, path, MAX_BYTES, TMB_EDATA));
    status = tmb__list_table_text(list, path, opts, (char *)file.data, file.size);
    tmb__free(file.data);
    return status;
}
