/* pack.c - Thimble's container: JSON and named tensors in one file that shows any damage
 *
 *     magic (8)  format version (u32)  length of the header (u32)  header, JSON
 *     zeros to a multiple of 64, tensor, zeros to a multiple of 64, tensor, ...
 *     length of the file (u64)  SHA-256 of everything before it (32)
 *
 * docs/formats.md describes it byte by byte. All numbers are little-endian; tensors lie as they are in
 * memory, so that reading is one read of the file and no copy. Their places follow from their order
 * and sizes alone, and the offsets in the header must say just that: no hole, no overlap. Nothing is
 * allocated for tensors before the whole header was checked. */
#include "format/format.h"

#include <jansson.h>
#include <string.h>

enum { PREFIX = 16, SHA = 32, TRAILER = 8 + SHA, ALIGN = 64 };

#define MAGIC         "\x89TMB\r\n\x1a\n"
#define VERSION       1u
#define PACK_LIMIT    ((uint64_t)8 << 30)
#define HEADER_LIMIT  ((size_t)16 << 20)
#define TENSORS_LIMIT 65536

_Static_assert(
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are read as they lie in the file");

static uint64_t aligned(uint64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static uint64_t get_le(const uint8_t *bytes, int n)
{
    uint64_t value = 0;

    while (n-- > 0)
        value = value << 8 | bytes[n];
    return value;
}

static void put_le(uint8_t *bytes, int n, uint64_t value)
{
    for (int i = 0; i < n; i++, value >>= 8)
        bytes[i] = (uint8_t)value;
}

static void digest_of(uint8_t digest[SHA], const tmb__bytes *parts, int n_parts)
{
    tmb__sha256 sha;

    tmb__sha256_start(&sha);
    for (int i = 0; i < n_parts; i++)
        tmb__sha256_add(&sha, parts[i].data, parts[i].size);
    tmb__sha256_end(&sha, digest);
}

/* ---- the header ---- */

/* One line of the header's table; name is borrowed from the JSON. */
typedef struct entry {
    const char *name;
    tmb__array array;
    uint64_t offset, bytes; /* below the data's start */
} entry;

/* The parsed header, and where the data end, counted from their start. */
typedef struct header {
    json_t *root, *meta, *table; /* root owns */
    uint64_t end;
} header;

static int fail_entry(const char *what, size_t index, const char *name, const char *text)
{
    return tmb__fail(TMB_EMODEL, "%s: tensor %zu (\"%s\"): %s", tmb__printable(what), index,
            tmb__printable(name ? name : "?"), text);
}

static bool get_dtype(const json_t *json, tmb__dtype *out)
{
    const char *name = json_string_value(json);

    for (int i = 0; name && i < TMB__DTYPE_COUNT; i++) {
        if (strcmp(name, tmb__dtype_name((tmb__dtype)i)) != 0) continue;
        *out = (tmb__dtype)i;
        return true;
    }
    return false;
}

static int read_entry(entry *out, const json_t *json, size_t index, const char *what)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    int64_t count;
    size_t need;

    *out = (entry){.name = name};
    if (!tmb__name_fits(name)) {
        return fail_entry(
                what, index, name, "expected a name of 1 to 1024 bytes that can be printed");
    }
    if (json_object_size(json) != 5) {
        return fail_entry(what, index, name, "expected name, dtype, shape, offset and bytes");
    }
    if (!get_dtype(json_object_get(json, "dtype"), &out->array.dtype)) {
        return fail_entry(what, index, name, "its dtype is not known");
    }
    if (!tmb__json_shape(json_object_get(json, "shape"), &out->array.shape)) {
        return fail_entry(what, index, name, "its shape is not a list of at most 8 sizes");
    }
    if (!tmb__json_size(json_object_get(json, "offset"), &out->offset) ||
            !tmb__json_size(json_object_get(json, "bytes"), &out->bytes)) {
        return fail_entry(what, index, name, "offset or bytes is not a number from 0 to 8 GiB");
    }
    count = tmb__shape_count(&out->array.shape);
    if (count < 0 || !tmb__mul((size_t)count, tmb__dtype_size(out->array.dtype), &need) ||
            need != out->bytes) {
        return tmb__fail(TMB_EMODEL, "%s: tensor \"%s\" has %llu bytes, not what %s of %s takes",
                tmb__printable(what), tmb__printable(name), (unsigned long long)out->bytes,
                tmb__shape_text(&out->array.shape), tmb__dtype_name(out->array.dtype));
    }
    return 0;
}

/* Go over the table once: each tensor begins where the one before it ends. */
static int check_table(header *h, const char *what)
{
    for (size_t i = 0; i < json_array_size(h->table); i++) {
        const uint64_t start = aligned(h->end);
        entry e;

        TMB_TRY(read_entry(&e, json_array_get(h->table, i), i, what));
        if (e.offset != start) {
            return tmb__fail(TMB_EMODEL, "%s: tensor \"%s\" is at offset %llu, expected %llu",
                    tmb__printable(what), tmb__printable(e.name), (unsigned long long)e.offset,
                    (unsigned long long)start);
        }
        h->end = start + e.bytes;
        if (h->end > PACK_LIMIT)
            return fail_entry(what, i, e.name, "it ends above the limit of 8 GiB");
    }
    return 0;
}

static int parse_header(header *h, const char *text, size_t size, const char *what)
{
    *h = (header){0};
    TMB_TRY(tmb__json_parse(&h->root, text, size, what));
    h->meta = json_object_get(h->root, "meta");
    h->table = json_object_get(h->root, "tensors");
    if (!json_is_object(h->meta) || !json_is_array(h->table) || json_object_size(h->root) != 2) {
        return tmb__fail(TMB_EMODEL, "%s: the header is not {\"meta\": {...}, \"tensors\": [...]}",
                tmb__printable(what));
    }
    if (json_array_size(h->table) > TENSORS_LIMIT) {
        return tmb__fail(TMB_EMODEL, "%s: %zu tensors, the limit is %d", tmb__printable(what),
                json_array_size(h->table), TENSORS_LIMIT);
    }
    return check_table(h, what);
}

/* ---- reading ---- */

/* A pack being read: its bytes, the parts of its frame. */
typedef struct reader {
    uint8_t *bytes;
    size_t size, header_size;
    const char *what;
    header header;
} reader;

static int fail_magic(const reader *r)
{
    const char *kind = tmb__file_kind(r->bytes, r->size);

    if (r->size >= sizeof MAGIC - 1 && memcmp(r->bytes, MAGIC, 4) == 0) {
        kind = "a Thimble model that was copied as text";
    }
    return tmb__fail(TMB_EMODEL, "%s: not a Thimble model: %s%s", tmb__printable(r->what),
            kind ? "it is " : "", kind ? kind : "its first bytes are not \\x89TMB");
}

/* Magic, version and the header's length. */
static int check_prefix(reader *r)
{
    uint32_t version;

    if (r->size < sizeof MAGIC - 1 || memcmp(r->bytes, MAGIC, sizeof MAGIC - 1) != 0) {
        return fail_magic(r);
    }
    if (r->size < PREFIX + TRAILER) {
        return tmb__fail(TMB_EMODEL, "%s: cut off: %zu bytes, expected at least %d",
                tmb__printable(r->what), r->size, PREFIX + TRAILER);
    }
    version = (uint32_t)get_le(r->bytes + 8, 4);
    if (version != VERSION) {
        tmb__fail(TMB_EMODEL, "%s: format version %u, the highest understood is %u",
                tmb__printable(r->what), version, VERSION);
        if (version > VERSION) tmb__hint("it was made by a newer Thimble: update this one");
        return TMB_EMODEL;
    }
    r->header_size = (size_t)get_le(r->bytes + 12, 4);
    if (r->header_size > HEADER_LIMIT) {
        return tmb__fail(TMB_EMODEL, "%s: header of %zu bytes, the limit is %zu",
                tmb__printable(r->what), r->header_size, HEADER_LIMIT);
    }
    if (r->header_size > r->size - PREFIX - TRAILER) {
        return tmb__fail(TMB_EMODEL, "%s: cut off: %zu bytes, its header alone has %zu",
                tmb__printable(r->what), r->size, r->header_size);
    }
    return 0;
}

static void to_hex(char hex[2 * SHA + 1], const uint8_t digest[SHA])
{
    for (int i = 0; i < SHA; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[2 * SHA] = '\0';
}

static int check_digest(const reader *r)
{
    const uint8_t *stored = r->bytes + r->size - SHA;
    uint8_t digest[SHA];
    char found[2 * SHA + 1], expected[2 * SHA + 1];

    digest_of(digest, &(tmb__bytes){r->bytes, r->size - SHA}, 1);
    if (memcmp(digest, stored, SHA) == 0) return 0;
    to_hex(found, digest);
    to_hex(expected, stored);
    tmb__fail(TMB_EMODEL, "%s: damaged: its content does not have the SHA-256 written at its end",
            tmb__printable(r->what));
    tmb__detail("found %s, expected %s", found, expected);
    return TMB_EMODEL;
}

/* The file has the length that its trailer says, and was not changed since. If the length is wrong the
 * header, should it be sound, tells how much is missing. */
static int check_trailer(reader *r)
{
    const uint64_t length = get_le(r->bytes + r->size - TRAILER, 8);

    if (length == r->size) return check_digest(r);
    if (parse_header(&r->header, (char *)r->bytes + PREFIX, r->header_size, r->what) == 0) {
        const uint64_t expected =
                aligned(PREFIX + r->header_size) + aligned(r->header.end) + TRAILER;

        if (expected != r->size) {
            return tmb__fail(TMB_EMODEL, "%s: %s: %zu bytes, expected %llu",
                    tmb__printable(r->what), r->size < expected ? "cut off" : "too long", r->size,
                    (unsigned long long)expected);
        }
    }
    return tmb__fail(TMB_EMODEL, "%s: damaged: %zu bytes, its end says %llu",
            tmb__printable(r->what), r->size, (unsigned long long)length);
}

static int check_zeros(const reader *r, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        if (r->bytes[i] == 0) continue;
        return tmb__fail(TMB_EMODEL, "%s: byte %llu, between two tensors, is %d, expected 0",
                tmb__printable(r->what), (unsigned long long)i, r->bytes[i]);
    }
    return 0;
}

/* Name the tensors; `data` is where they start in the file. */
static int add_tensors(reader *r, tmb__tensors *out, uint64_t data)
{
    uint64_t end = 0;

    for (size_t i = 0; i < json_array_size(r->header.table); i++) {
        entry e;

        TMB_TRY(read_entry(&e, json_array_get(r->header.table, i), i, r->what));
        TMB_TRY(check_zeros(r, data + end, data + e.offset));
        e.array.data = r->bytes + data + e.offset;
        end = e.offset + e.bytes;
        TMB_TRY(tmb__tensors_add(out, e.name, &e.array));
    }
    TMB_TRY(check_zeros(r, data + end, data + aligned(end)));
    return tmb__tensors_index(out, r->what);
}

static int read_content(reader *r, tmb__pack *out)
{
    const uint64_t data = aligned(PREFIX + r->header_size);
    tmb__strbuf meta = {0};
    int status;

    TMB_TRY(parse_header(&r->header, (char *)r->bytes + PREFIX, r->header_size, r->what));
    if (data + aligned(r->header.end) + TRAILER != r->size) {
        return tmb__fail(TMB_EMODEL, "%s: %zu bytes, expected %llu", tmb__printable(r->what),
                r->size, (unsigned long long)(data + aligned(r->header.end) + TRAILER));
    }
    TMB_TRY(check_zeros(r, PREFIX + r->header_size, data));
    TMB_TRY(add_tensors(r, &out->tensors, data));
    status = tmb__json_text(&meta, r->header.meta);
    out->json = meta.text;
    return status;
}

int tmb__pack_parse(tmb__pack *out, uint8_t *bytes, size_t size, const char *what)
{
    reader r = {.bytes = bytes, .size = size, .what = what};
    int status;

    *out = (tmb__pack){0};
    TMB_TRY(check_prefix(&r));
    status = check_trailer(&r);
    if (status == 0) status = read_content(&r, out);
    json_decref(r.header.root);
    if (status < 0) tmb__pack_free(out);
    return status;
}

int tmb__pack_read(tmb__pack *out, const char *path)
{
    tmb__bytes file;
    int status;

    *out = (tmb__pack){0};
    TMB_TRY(tmb__file_read(&file, path, PACK_LIMIT, TMB_EMODEL));
    status = tmb__pack_parse(out, file.data, file.size, path);
    if (status < 0) {
        tmb__free(file.data);
    } else {
        out->tensors.backing = file.data;
    }
    return status;
}

void tmb__pack_free(tmb__pack *pack)
{
    tmb__free(pack->json);
    tmb__tensors_free(&pack->tensors);
    *pack = (tmb__pack){0};
}

/* ---- writing ---- */

static int add_line(tmb__strbuf *sb, const tmb__named *item, uint64_t offset, uint64_t bytes)
{
    const tmb__shape *shape = &item->array.shape;

    tmb__strbuf_add(sb, "{\"name\":");
    TMB_TRY(tmb__json_quote(sb, item->name));
    tmb__strbuf_add(sb, ",\"dtype\":\"%s\",\"shape\":[", tmb__dtype_name(item->array.dtype));
    for (int d = 0; d < shape->rank; d++)
        tmb__strbuf_add(sb, d ? ",%lld" : "%lld", (long long)shape->dim[d]);
    tmb__strbuf_add(sb, "],\"offset\":%llu,\"bytes\":%llu}", (unsigned long long)offset,
            (unsigned long long)bytes);
    return sb->failed ? TMB_ENOMEM : 0;
}

/* The header's text, and the parts that follow it: each tensor and the zeros after it. */
static int lay_out(
        tmb__strbuf *sb, tmb__bytes *parts, const char *json, const tmb__tensors *tensors)
{
    static const uint8_t zeros[ALIGN];
    uint64_t offset = 0;

    tmb__strbuf_add(sb, "{\"meta\":");
    tmb__strbuf_bytes(sb, json, strlen(json));
    tmb__strbuf_add(sb, ",\"tensors\":[");
    for (int64_t i = 0; i < tensors->n; i++) {
        const tmb__array *array = &tensors->items[i].array;
        const size_t bytes =
                (size_t)tmb__shape_count(&array->shape) * tmb__dtype_size(array->dtype);

        if (i) tmb__strbuf_add(sb, ",");
        TMB_TRY(add_line(sb, &tensors->items[i], offset, bytes));
        parts[2 * i] = (tmb__bytes){array->data, bytes};
        parts[2 * i + 1] =
                (tmb__bytes){(uint8_t *)(uintptr_t)zeros, (size_t)(aligned(bytes) - bytes)};
        offset += aligned(bytes);
    }
    tmb__strbuf_add(sb, "]}");
    return sb->failed ? TMB_ENOMEM : 0;
}

/* What is written must be what the reader takes: it checks the header before anything is saved. */
static int check_header(const tmb__strbuf *sb, const char *path)
{
    header h;
    int status = parse_header(&h, sb->text + PREFIX, sb->len - PREFIX, path);

    json_decref(h.root);
    return status == TMB_EMODEL ? TMB_EINVAL : status;
}

/* The reader refuses a name that is there twice; so the writer does. */
static int check_names(const tmb__tensors *tensors, const char *path)
{
    tmb__tensors view = *tensors;
    int status;

    view.sorted = NULL;
    status = tmb__tensors_index(&view, path);
    tmb__free(view.sorted);
    return status == TMB_EMODEL ? TMB_EINVAL : status;
}

/* A pack being written: parts[0] is `head`, the last is the trailer. */
typedef struct writer {
    tmb__strbuf head;
    tmb__bytes *parts;
    int n_parts;
    uint8_t trailer[TRAILER];
} writer;

static int finish(writer *w)
{
    static const uint8_t zeros[ALIGN];
    const size_t header_size = w->head.len - PREFIX;
    uint64_t total = TRAILER;

    tmb__strbuf_bytes(&w->head, zeros, (size_t)(aligned(w->head.len) - w->head.len));
    if (w->head.failed) return TMB_ENOMEM;
    put_le((uint8_t *)w->head.text + 8, 4, VERSION);
    put_le((uint8_t *)w->head.text + 12, 4, header_size);
    w->parts[0] = (tmb__bytes){(uint8_t *)w->head.text, w->head.len};
    for (int i = 0; i < w->n_parts - 1; i++)
        total += w->parts[i].size;
    put_le(w->trailer, 8, total);
    w->parts[w->n_parts - 1] = (tmb__bytes){w->trailer, 8};
    digest_of(w->trailer + 8, w->parts, w->n_parts);
    w->parts[w->n_parts - 1].size = TRAILER;
    return 0;
}

int tmb__pack_write(const char *path, const char *json, const tmb__tensors *tensors)
{
    writer w = {.n_parts = 2 * (int)tensors->n + 2};
    int status;

    if (tensors->n > TENSORS_LIMIT) {
        return tmb__fail(TMB_EINVAL, "%s: %lld tensors, the limit is %d", tmb__printable(path),
                (long long)tensors->n, TENSORS_LIMIT);
    }
    TMB_TRY(check_names(tensors, path));
    w.parts = tmb__calloc((size_t)w.n_parts, sizeof *w.parts);
    if (!w.parts) return TMB_ENOMEM;
    tmb__strbuf_bytes(&w.head, MAGIC "\0\0\0\0\0\0\0", PREFIX);
    status = lay_out(&w.head, w.parts + 1, json, tensors);
    if (status == 0) status = check_header(&w.head, path);
    if (status == 0) status = finish(&w);
    if (status == 0) status = tmb__file_replace(path, w.parts, w.n_parts);
    tmb__strbuf_free(&w.head);
    tmb__free(w.parts);
    return status;
}
