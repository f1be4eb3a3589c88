/* h5_stream.c - the stream of thimble-h5, parsed as if a stranger had written it
 *
 * One did, in a way: the program that writes it may have been taken over by the file it reads. Every
 * count is held against its limit (h5/h5.h) and against the size of its record before memory is taken,
 * and a tensor's data go straight into memory of its own. */
#include "format/format.h"
#include "h5/h5.h"

#include <stdlib.h>
#include <string.h>

/* A record being read: what is left of its body. */
typedef struct stream {
    tmb__h5_file *out;
    tmb__h5_source *source;
    const char *what;
    uint64_t left, most, text_bytes, records;
} stream;

static int fail(const stream *s, const char *why)
{
    return tmb__fail(TMB_EMODEL, "%s: the HDF5 reader's answer makes no sense: %s",
            tmb__printable(s->what), why);
}

static int take(stream *s, void *dst, size_t n)
{
    int status;

    if (n > s->left) return fail(s, "a record is shorter than its parts");
    s->left -= n;
    status = n ? s->source->read(s->source->user, dst, n) : 0;
    if (status <= 0) return status;
    s->source->cut = true;
    return fail(s, "it ends too early");
}

static uint64_t number(const uint8_t *bytes, size_t n)
{
    uint64_t value = 0;

    while (n-- > 0)
        value = value << 8 | bytes[n];
    return value;
}

static int take_u32(stream *s, uint32_t *out)
{
    uint8_t bytes[4];

    TMB_TRY(take(s, bytes, sizeof bytes));
    *out = (uint32_t)number(bytes, sizeof bytes);
    return 0;
}

static int take_u64(stream *s, uint64_t *out)
{
    uint8_t bytes[8];

    TMB_TRY(take(s, bytes, sizeof bytes));
    *out = number(bytes, sizeof bytes);
    return 0;
}

/* ---- tensors ---- */

static int take_shape(stream *s, tmb__array *array, uint64_t *bytes)
{
    static const tmb__dtype types[] = {[TMB_H5_F32] = TMB__F32,
            [TMB_H5_F64] = TMB__F64,
            [TMB_H5_F16] = TMB__F16,
            [TMB_H5_BF16] = TMB__BF16,
            [TMB_H5_I64] = TMB__I64};
    uint32_t type, rank;
    int64_t count;
    size_t size;

    TMB_TRY(take_u32(s, &type));
    TMB_TRY(take_u32(s, &rank));
    if (type >= TMB_COUNT(types)) return fail(s, "an unknown element type");
    if (rank > TMB__MAX_RANK) return fail(s, "a tensor of more than 8 dimensions");
    array->dtype = types[type];
    array->shape.rank = (int)rank;
    for (uint32_t d = 0; d < rank; d++) {
        uint64_t dim;

        TMB_TRY(take_u64(s, &dim));
        if (dim == 0 || dim > TMB_H5_BYTES_LIMIT) return fail(s, "a dimension out of range");
        array->shape.dim[d] = (int64_t)dim;
    }
    TMB_TRY(take_u64(s, bytes));
    count = tmb__shape_count(&array->shape);
    if (count < 0 || !tmb__mul((size_t)count, tmb__dtype_size(array->dtype), &size) ||
            size != *bytes || size != s->left) {
        return fail(s, "a tensor's shape and size differ");
    }
    return size > s->most ? fail(s, "more tensors than the file can hold") : 0;
}

static int take_path(stream *s, char path[TMB_H5_PATH_LIMIT + 1])
{
    uint32_t n;

    TMB_TRY(take_u32(s, &n));
    if (n > TMB_H5_PATH_LIMIT) return fail(s, "a path of more than 1024 bytes");
    TMB_TRY(take(s, path, n));
    path[n] = '\0';
    return strlen(path) == n ? 0 : fail(s, "a path with a NUL in it");
}

static int take_tensor(stream *s)
{
    char path[TMB_H5_PATH_LIMIT + 1];
    tmb__array array = {0};
    uint64_t bytes = 0;
    int status;

    if (s->out->tensors.n >= TMB_H5_TENSOR_LIMIT) return fail(s, "more than 65536 tensors");
    TMB_TRY(take_path(s, path));
    TMB_TRY(take_shape(s, &array, &bytes));
    s->most -= bytes;
    array.data = tmb__realloc(NULL, (size_t)bytes, 1);
    if (!array.data) return TMB_ENOMEM;
    status = take(s, array.data, (size_t)bytes);
    if (status == 0) status = tmb__tensors_add(&s->out->tensors, path, &array);
    if (status < 0) tmb__free(array.data);
    return status;
}

/* ---- attributes ---- */

/* The body of an attribute, in memory. */
typedef struct body {
    char *bytes;
    size_t size, at;
} body;

/* The next text, ended by a NUL: over the first byte that follows it, which has been read by then, so
 * that the caller must have what comes next before it calls. */
static int next_text(const stream *s, body *b, size_t *start, size_t *end)
{
    uint64_t n;

    if (b->size - b->at < 4) return fail(s, "an attribute is shorter than its parts");
    n = number((const uint8_t *)b->bytes + b->at, 4);
    b->at += 4;
    if (n > b->size - b->at) return fail(s, "an attribute is shorter than its parts");
    *start = b->at;
    *end = b->at += (size_t)n;
    return 0;
}

static int split_strings(const stream *s, body *b, tmb__h5_attribute *attribute, uint64_t n)
{
    size_t start = 0, end = 0, last = 0;

    if (n > TMB_H5_STRING_LIMIT || n > (b->size - b->at) / 4) {
        return fail(s, "more strings than the attribute has room for");
    }
    attribute->strings = tmb__calloc((size_t)n, sizeof *attribute->strings);
    if (!attribute->strings) return TMB_ENOMEM;
    for (uint64_t i = 0; i < n; i++) {
        TMB_TRY(next_text(s, b, &start, &end));
        if (i > 0) b->bytes[last] = '\0';
        attribute->strings[i] = b->bytes + start;
        last = end;
    }
    if (n) b->bytes[last] = '\0';
    attribute->n_strings = (int64_t)n;
    return b->at == b->size ? 0 : fail(s, "an attribute is longer than its parts");
}

/* The block has a byte more than the body, for the last NUL. */
static int parse_attribute(const stream *s, body *b, tmb__h5_attribute *attribute)
{
    size_t place, place_end, name, name_end;
    uint64_t n;

    TMB_TRY(next_text(s, b, &place, &place_end));
    TMB_TRY(next_text(s, b, &name, &name_end));
    if (place_end - place > TMB_H5_PATH_LIMIT || name_end - name > TMB_H5_PATH_LIMIT) {
        return fail(s, "a path of more than 1024 bytes");
    }
    if (b->size - b->at < (attribute->is_number ? 8 : 4)) {
        return fail(s, "an attribute is shorter than its parts");
    }
    n = number((const uint8_t *)b->bytes + b->at, attribute->is_number ? 8 : 4);
    b->at += attribute->is_number ? 8 : 4;
    b->bytes[place_end] = b->bytes[name_end] = '\0';
    attribute->place = b->bytes + place;
    attribute->name = b->bytes + name;
    if (!attribute->is_number) return split_strings(s, b, attribute, n);
    memcpy(&attribute->number, &n, sizeof n);
    return b->at == b->size ? 0 : fail(s, "an attribute is longer than its parts");
}

static int grow(tmb__h5_file *file)
{
    const int64_t cap = file->cap_attributes ? 2 * file->cap_attributes : 16;
    tmb__h5_attribute *more = tmb__realloc(file->attributes, (size_t)cap, sizeof *more);

    if (!more) return TMB_ENOMEM;
    file->attributes = more;
    file->cap_attributes = cap;
    return 0;
}

/* The attribute is in the list, to be freed with it, before it is whole. */
static int take_attribute(stream *s, bool is_number)
{
    tmb__h5_attribute *attribute;
    body b = {.size = (size_t)s->left};

    s->text_bytes += s->left;
    if (s->left > 2 * (uint64_t)TMB_H5_TEXT_LIMIT ||
            s->text_bytes > 2 * (uint64_t)TMB_H5_TEXTS_LIMIT) {
        return fail(s, "attributes of more than 128 MiB");
    }
    if (s->out->n_attributes == s->out->cap_attributes) TMB_TRY(grow(s->out));
    attribute = &s->out->attributes[s->out->n_attributes];
    *attribute = (tmb__h5_attribute){.place = "", .name = "", .is_number = is_number};
    attribute->block = b.bytes = tmb__realloc(NULL, b.size + 1, 1);
    if (!b.bytes) return TMB_ENOMEM;
    s->out->n_attributes++;
    TMB_TRY(take(s, b.bytes, b.size));
    return parse_attribute(s, &b, attribute);
}

/* ---- records ---- */

static int take_refusal(stream *s)
{
    char text[TMB_H5_SENTENCE_LIMIT + 1];
    uint32_t n;

    TMB_TRY(take_u32(s, &n));
    if (n > TMB_H5_SENTENCE_LIMIT) return fail(s, "a sentence of more than 512 bytes");
    TMB_TRY(take(s, text, n));
    text[n] = '\0';
    s->source->refused = true;
    tmb__fail(TMB_EMODEL, "%s: %s", tmb__printable(s->what), tmb__printable(text));
    if (strncmp(text, "truncated", 9) == 0)
        tmb__hint("the download was cut off: get the file again");
    else
        tmb__hint("weights files never need this; get the file again from a source you trust");
    return TMB_EMODEL;
}

/* 1: that was the last. */
static int take_record(stream *s)
{
    uint64_t n = 0;
    uint32_t kind;

    s->left = 12;
    TMB_TRY(take_u32(s, &kind));
    TMB_TRY(take_u64(s, &n));
    s->left = n;
    if (kind == TMB_H5_REFUSED) return take_refusal(s);
    if (kind == TMB_H5_END) {
        TMB_TRY(take_u64(s, &n));
        return n == s->records && s->left == 0 ? 1 : fail(s, "its count of records is wrong");
    }
    s->records++;
    if (kind == TMB_H5_TENSOR)
        TMB_TRY(take_tensor(s));
    else if (kind == TMB_H5_STRINGS || kind == TMB_H5_NUMBER)
        TMB_TRY(take_attribute(s, kind == TMB_H5_NUMBER));
    else
        return fail(s, "a record of an unknown kind");
    return s->left == 0 ? 0 : fail(s, "a record is longer than its parts");
}

static int compare(const void *a, const void *b)
{
    const tmb__h5_attribute *x = a, *y = b;
    const int order = strcmp(x->place, y->place);

    return order ? order : strcmp(x->name, y->name);
}

static void sort_attributes(tmb__h5_file *file)
{
    if (file->n_attributes == 0) return;
    qsort(file->attributes, (size_t)file->n_attributes, sizeof *file->attributes, compare);
}

int tmb__h5_stream(tmb__h5_file *out, tmb__h5_source *source, uint64_t most, const char *what)
{
    stream s = {.out = out, .source = source, .what = what, .left = 8, .most = most};
    char magic[8] = "";
    int status;

    *out = (tmb__h5_file){.tensors = {.owns = true}};
    status = take(&s, magic, sizeof magic);
    if (status == 0 && memcmp(magic, TMB_H5_MAGIC, sizeof magic) != 0) {
        status = fail(&s, "it is of another version");
    }
    while (status == 0)
        status = take_record(&s);
    if (status > 0) status = tmb__tensors_index(&out->tensors, what);
    if (status < 0) {
        tmb__h5_file_free(out);
        return status;
    }
    sort_attributes(out);
    return 0;
}

const tmb__h5_attribute *tmb__h5_find(const tmb__h5_file *file, const char *place, const char *name)
{
    const tmb__h5_attribute key = {.place = place, .name = name};

    if (file->n_attributes == 0) return NULL;
    return bsearch(&key, file->attributes, (size_t)file->n_attributes, sizeof key, compare);
}

int tmb__h5_merge(tmb__h5_file *out, tmb__h5_file *from, const char *what)
{
    for (int64_t i = 0; i < from->tensors.n; i++) {
        tmb__array *array = &from->tensors.items[i].array;

        TMB_TRY(tmb__tensors_add(&out->tensors, from->tensors.items[i].name, array));
        array->data = NULL;
    }
    while (from->n_attributes > 0) {
        if (out->n_attributes == out->cap_attributes) TMB_TRY(grow(out));
        out->attributes[out->n_attributes++] = from->attributes[--from->n_attributes];
    }
    sort_attributes(out);
    return tmb__tensors_index(&out->tensors, what);
}

void tmb__h5_file_free(tmb__h5_file *file)
{
    for (int64_t i = 0; i < file->n_attributes; i++) {
        tmb__free(file->attributes[i].strings);
        tmb__free(file->attributes[i].block);
    }
    tmb__free(file->attributes);
    tmb__tensors_free(&file->tensors);
    *file = (tmb__h5_file){0};
}
