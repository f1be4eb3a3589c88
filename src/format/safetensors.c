/* safetensors.c - Hugging Face's safetensors: named tensors behind a JSON header
 *
 *     u64, length of the header | header, blanks at its end | data, little-endian, row-major
 *     {"__metadata__": {"format": "np"}, "dense/kernel": {"dtype": "F32", "shape": [2, 3],
 *         "data_offsets": [0, 24]}}
 *
 * (github.com/huggingface/safetensors: README, safetensors/src/tensor.rs; its rules are kept:) offsets
 * count from the header's end; put in their order the tensors cover the data, none overlaps another and
 * no byte is left over. What is written is byte for byte what the `safetensors` package writes: types of
 * wide elements first, then by name, the header's length a multiple of 8. */
#include "format/format.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 8, TENSORS_LIMIT = 65536 };

#define HEADER_LIMIT ((uint64_t)16 << 20)
#define FILE_LIMIT   ((size_t)8 << 30)

/* The types in the order in which the package's writer turns round. */
static const struct {
    const char *name;
    tmb__dtype dtype;
} types[] = {{"BOOL", TMB__BOOL}, {"U8", TMB__U8}, {"I8", TMB__I8}, {"I16", TMB__I16},
        {"U16", TMB__U16}, {"F16", TMB__F16}, {"BF16", TMB__BF16}, {"I32", TMB__I32},
        {"U32", TMB__U32}, {"F32", TMB__F32}, {"F64", TMB__F64}, {"I64", TMB__I64},
        {"U64", TMB__U64}};

/* One tensor of the header; the name is borrowed from the JSON. */
typedef struct entry {
    const char *name;
    tmb__array array;
    uint64_t begin, end;
} entry;

static size_t size_of(const tmb__array *array)
{
    return (size_t)tmb__shape_count(&array->shape) * tmb__dtype_size(array->dtype);
}

/* ---- reading ---- */

static int fail_entry(const char *what, const char *name, const char *text)
{
    return tmb__fail(
            TMB_EMODEL, "%s: tensor \"%s\": %s", tmb__printable(what), tmb__printable(name), text);
}

static int read_dtype(entry *out, const json_t *json, const char *what)
{
    const char *name = json_string_value(json);

    for (size_t i = 0; name && i < TMB_COUNT(types); i++) {
        if (strcmp(name, types[i].name) != 0) continue;
        out->array.dtype = types[i].dtype;
        return 0;
    }
    return tmb__fail(TMB_EMODEL,
            "%s: tensor \"%s\": dtype %s, expected F16 BF16 F32 F64, I8 to I64, U8 to U64 or BOOL",
            tmb__printable(what), tmb__printable(out->name),
            name ? tmb__printable(name) : "missing");
}

static int read_entry(entry *out, const char *name, const json_t *json, const char *what)
{
    const json_t *offsets = json_object_get(json, "data_offsets");
    int64_t count;
    size_t need;

    *out = (entry){.name = name};
    if (!tmb__name_fits(name)) {
        return fail_entry(what, name, "expected a name of 1 to 1024 bytes that can be printed");
    }
    TMB_TRY(read_dtype(out, json_object_get(json, "dtype"), what));
    if (!tmb__json_shape(json_object_get(json, "shape"), &out->array.shape)) {
        return fail_entry(what, name, "its shape is not a list of at most 8 sizes");
    }
    if (json_array_size(offsets) != 2 || !tmb__json_size(json_array_get(offsets, 0), &out->begin) ||
            !tmb__json_size(json_array_get(offsets, 1), &out->end) || out->end < out->begin) {
        return fail_entry(what, name, "its data_offsets are not a begin and an end behind it");
    }
    count = tmb__shape_count(&out->array.shape);
    if (count >= 0 && tmb__mul((size_t)count, tmb__dtype_size(out->array.dtype), &need) &&
            need == out->end - out->begin)
        return 0;
    return tmb__fail(TMB_EMODEL, "%s: tensor \"%s\" has %llu bytes, not what %s of %s takes",
            tmb__printable(what), tmb__printable(name), (unsigned long long)(out->end - out->begin),
            tmb__shape_text(&out->array.shape), tmb__dtype_name(out->array.dtype));
}

static int check_metadata(json_t *json, const char *what)
{
    const char *key;
    json_t *value;

    if (!json_is_object(json)) {
        return tmb__fail(TMB_EMODEL, "%s: __metadata__ is no object", tmb__printable(what));
    }
    json_object_foreach(json, key, value)
    {
        if (json_is_string(value)) continue;
        return tmb__fail(TMB_EMODEL, "%s: \"%s\" of __metadata__ is no string",
                tmb__printable(what), tmb__printable(key));
    }
    return 0;
}

static int compare_places(const void *a, const void *b)
{
    const entry *x = a, *y = b;

    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* One after the other they are all of the data. */
static int check_places(entry *entries, size_t n, uint64_t data, const char *what)
{
    uint64_t at = 0;

    if (n) qsort(entries, n, sizeof *entries, compare_places);
    for (size_t i = 0; i < n; at = entries[i++].end) {
        if (entries[i].begin == at) continue;
        return tmb__fail(TMB_EMODEL, "%s: tensor \"%s\" begins at byte %llu, %s %llu",
                tmb__printable(what), tmb__printable(entries[i].name),
                (unsigned long long)entries[i].begin,
                entries[i].begin < at ? "inside the one that ends at" : "a gap behind",
                (unsigned long long)at);
    }
    if (at == data) return 0;
    return tmb__fail(TMB_EMODEL, "%s: %s: its tensors are %llu bytes, the file has %llu",
            tmb__printable(what), at > data ? "cut off" : "bytes after its last tensor",
            (unsigned long long)at, (unsigned long long)data);
}

/* All that the header says, checked before memory is taken for a tensor. */
static int read_entries(entry **out, size_t *n, json_t *root, uint64_t data, const char *what)
{
    const size_t most = json_object_size(root);
    const char *key;
    json_t *value;

    if (most > TENSORS_LIMIT + 1) {
        return tmb__fail(TMB_EMODEL, "%s: %zu tensors, the limit is %d", tmb__printable(what), most,
                TENSORS_LIMIT);
    }
    *out = tmb__calloc(most, sizeof **out);
    if (!*out) return TMB_ENOMEM;
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "__metadata__") == 0)
            TMB_TRY(check_metadata(value, what));
        else
            TMB_TRY(read_entry(&(*out)[(*n)++], key, value, what));
    }
    return check_places(*out, *n, data, what);
}

/* The data are copied: nothing in the file keeps them aligned. */
static int copy_tensors(tmb__tensors *out, entry *entries, size_t n, const uint8_t *data)
{
    for (size_t i = 0; i < n; i++) {
        const size_t size = (size_t)(entries[i].end - entries[i].begin);
        int status;

        entries[i].array.data = tmb__realloc(NULL, size, 1);
        if (!entries[i].array.data) return TMB_ENOMEM;
        if (size) memcpy(entries[i].array.data, data + entries[i].begin, size);
        status = tmb__tensors_add(out, entries[i].name, &entries[i].array);
        if (status < 0) tmb__free(entries[i].array.data);
        TMB_TRY(status);
    }
    return 0;
}

static int read_frame(uint64_t *length, const uint8_t *bytes, size_t size, const char *what)
{
    const tmb__bytes file = {(uint8_t *)(uintptr_t)bytes, size};

    *length = 0;
    for (int i = PREFIX; size >= PREFIX && i-- > 0;)
        *length = *length << 8 | bytes[i];
    if (size > PREFIX && *length > 0 && *length <= TMB_MIN(size - PREFIX, HEADER_LIMIT) &&
            bytes[PREFIX] == '{')
        return 0;
    TMB_TRY(tmb__check_kind(&file, "safetensors", "a safetensors", what));
    if (*length > 0 && *length <= HEADER_LIMIT && *length > size - PREFIX) {
        return tmb__fail(TMB_EMODEL, "%s: cut off: its header has %llu bytes, the file %zu",
                tmb__printable(what), (unsigned long long)*length, size);
    }
    return tmb__fail(TMB_EMODEL,
            "%s: not safetensors: header length %llu, expected 1 to %llu and a { behind it",
            tmb__printable(what), (unsigned long long)*length, (unsigned long long)HEADER_LIMIT);
}

int tmb__safetensors_parse(tmb__tensors *out, const uint8_t *bytes, size_t size, const char *what)
{
    entry *entries = NULL;
    json_t *root = NULL;
    uint64_t length;
    size_t n = 0;
    int status;

    *out = (tmb__tensors){.owns = true};
    TMB_TRY(read_frame(&length, bytes, size, what));
    bytes += PREFIX;
    size -= PREFIX;
    status = tmb__json_parse(&root, (const char *)bytes, (size_t)length, what);
    if (status == 0) status = read_entries(&entries, &n, root, size - length, what);
    if (status == 0) status = copy_tensors(out, entries, n, bytes + length);
    if (status == 0) status = tmb__tensors_index(out, what);
    tmb__free(entries);
    json_decref(root);
    if (status < 0) tmb__tensors_free(out);
    return status;
}

int tmb__safetensors_read(tmb__tensors *out, const char *path)
{
    tmb__bytes file;
    int status;

    *out = (tmb__tensors){0};
    TMB_TRY(tmb__file_read(&file, path, FILE_LIMIT, TMB_EMODEL));
    status = tmb__safetensors_parse(out, file.data, file.size, path);
    tmb__free(file.data);
    return status;
}

/* ---- writing ---- */

static size_t rank_of(tmb__dtype dtype)
{
    size_t i = 0;

    while (i < TMB_COUNT(types) - 1 && types[i].dtype != dtype)
        i++;
    return i;
}

static int compare_written(const void *a, const void *b)
{
    const tmb__named *x = *(const tmb__named *const *)a, *y = *(const tmb__named *const *)b;
    const size_t i = rank_of(x->array.dtype), k = rank_of(y->array.dtype);

    return i != k ? (i < k ? 1 : -1) : strcmp(x->name, y->name);
}

static int add_entry(tmb__strbuf *sb, const tmb__named *item, uint64_t begin)
{
    const tmb__array *array = &item->array;

    if (!tmb__name_fits(item->name) || strcmp(item->name, "__metadata__") == 0) {
        return tmb__fail(TMB_EINVAL, "\"%s\" is no name for a tensor", tmb__printable(item->name));
    }
    TMB_TRY(tmb__json_quote(sb, item->name));
    tmb__strbuf_add(sb, ":{\"dtype\":\"%s\",\"shape\":[", types[rank_of(array->dtype)].name);
    for (int d = 0; d < array->shape.rank; d++)
        tmb__strbuf_add(sb, d ? ",%lld" : "%lld", (long long)array->shape.dim[d]);
    tmb__strbuf_add(sb, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
            (unsigned long long)(begin + size_of(array)));
    return 0;
}

/* The header, its length before it; and the parts behind it. */
static int lay_out(tmb__strbuf *head, tmb__bytes *parts, const tmb__tensors *sorted)
{
    uint64_t at = 0, length;

    tmb__strbuf_bytes(head, "\0\0\0\0\0\0\0", PREFIX);
    tmb__strbuf_add(head, "{");
    for (int64_t i = 0; i < sorted->n; i++) {
        const tmb__named *item = sorted->sorted[i];

        if (i) tmb__strbuf_add(head, ",");
        TMB_TRY(add_entry(head, item, at));
        parts[i + 1] = (tmb__bytes){item->array.data, size_of(&item->array)};
        at += parts[i + 1].size;
    }
    tmb__strbuf_add(head, "}");
    tmb__strbuf_add(head, "%*s", (int)((8 - head->len % 8) % 8), "");
    if (head->failed) return TMB_ENOMEM;
    length = head->len - PREFIX;
    for (int i = 0; i < PREFIX; i++, length >>= 8)
        head->text[i] = (char)(length & 255);
    parts[0] = (tmb__bytes){(uint8_t *)head->text, head->len};
    return 0;
}

int tmb__safetensors_write(const tmb__tensors *list, const char *path)
{
    tmb__tensors sorted = {.items = list->items, .n = list->n};
    tmb__bytes *parts = tmb__calloc((size_t)list->n + 1, sizeof *parts);
    tmb__strbuf head = {0};
    int status = parts ? tmb__tensors_index(&sorted, path) : TMB_ENOMEM;

    if (status == 0 && sorted.n) {
        qsort(sorted.sorted, (size_t)sorted.n, sizeof *sorted.sorted, compare_written);
    }
    if (status == 0) status = lay_out(&head, parts, &sorted);
    if (status == 0) status = tmb__file_replace(path, parts, (int)list->n + 1);
    tmb__strbuf_free(&head);
    tmb__free(sorted.sorted);
    tmb__free(parts);
    return status;
}
