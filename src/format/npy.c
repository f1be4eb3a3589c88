/* npy.c - NumPy's .npy: one array with a header that is a Python dict literal
 *
 *     0x93 'NUMPY'  major minor  header length (u16, from version 2 on u32)  header  data
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   blanks, newline
 *
 * (numpy/lib/format.py). The header is read by a parser for just these three keys; the size that shape
 * and type ask for must be exactly what follows, before memory is taken. */
#include "format/format.h"

#include <string.h>

enum { MAGIC = 6, HEADER_LIMIT = 10000 };

#define NPY_LIMIT ((size_t)8 << 30)

/* The types of NumPy that are known here: letter and size as in descr. */
static const struct {
    char letter;
    tmb__dtype dtype;
} letters[] = {
        {'f', TMB__F32},
        {'f', TMB__F64},
        {'f', TMB__F16},
        {'u', TMB__U8},
        {'u', TMB__U16},
        {'u', TMB__U32},
        {'u', TMB__U64},
        {'i', TMB__I8},
        {'i', TMB__I16},
        {'i', TMB__I32},
        {'i', TMB__I64},
        {'b', TMB__BOOL},
};

/* A place in the header. */
typedef struct cursor {
    const char *at, *end;
    const char *what; /* the file, for messages */
} cursor;

typedef struct header {
    tmb__dtype dtype;
    bool swap, fortran;
    tmb__shape shape;
} header;

static int fail(const char *what, const char *text)
{
    return tmb__fail(TMB_EMODEL, "%s: not a .npy array: %s", tmb__printable(what), text);
}

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t'))
        c->at++;
}

/* Take `token` if it is next, after blanks. */
static bool take(cursor *c, const char *token)
{
    const size_t n = strlen(token);

    skip_blanks(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, token, n) != 0) return false;
    c->at += n;
    return true;
}

/* A quoted word of at most size - 1 letters. */
static bool take_word(cursor *c, char *word, size_t size)
{
    char quote;
    size_t n = 0;

    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    quote = *c->at++;
    while (c->at < c->end && *c->at != quote && n + 1 < size)
        word[n++] = *c->at++;
    word[n] = '\0';
    return c->at < c->end && *c->at++ == quote;
}

static int read_descr(cursor *c, header *h)
{
    char word[16];
    size_t size;

    skip_blanks(c);
    if (c->at < c->end && *c->at == '[') return fail(c->what, "records with fields are not read");
    if (!take_word(c, word, sizeof word)) return fail(c->what, "'descr' is not a short string");
    if (strchr(word, 'O')) {
        return tmb__fail(TMB_EMODEL, "%s: pickled objects refused (type '%s')",
                tmb__printable(c->what), tmb__printable(word));
    }
    if (strlen(word) != 3 || !strchr("<>|=", word[0])) word[0] = '\0';
    size = word[0] ? (size_t)(word[2] - '0') : 0;
    for (size_t i = 0; i < TMB_COUNT(letters); i++) {
        if (word[0] == '\0' || letters[i].letter != word[1]) continue;
        if (tmb__dtype_size(letters[i].dtype) != size) continue;
        h->dtype = letters[i].dtype;
        h->swap = word[0] == '>';
        return 0;
    }
    return fail(c->what, "type not known, expected one of f2 f4 f8, i1 to i8, u1 to u8, b1");
}

/* A size, with the L that Python 2 wrote. */
static bool take_size(cursor *c, int64_t *size)
{
    const char *start;

    skip_blanks(c);
    *size = 0;
    for (start = c->at; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (*size > (INT64_MAX - 9) / 10) return false;
        *size = 10 * *size + (*c->at - '0');
    }
    if (c->at == start) return false;
    if (c->at < c->end && *c->at == 'L') c->at++;
    return true;
}

static int read_shape(cursor *c, header *h)
{
    tmb__shape *shape = &h->shape;

    *shape = (tmb__shape){0};
    if (!take(c, "(")) return fail(c->what, "'shape' is not a tuple");
    while (!take(c, ")")) {
        if (shape->rank == TMB__MAX_RANK) return fail(c->what, "more than 8 dimensions");
        if (!take_size(c, &shape->dim[shape->rank])) {
            return fail(c->what, "a dimension is not a number below 2^63");
        }
        shape->rank++;
        if (take(c, ",")) continue;
        if (!take(c, ")")) return fail(c->what, "'shape' has no end");
        break;
    }
    return 0;
}

/* One "key: value"; `seen` has a bit for each key. */
static int read_entry(cursor *c, header *h, unsigned *seen)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    char key[16];
    unsigned k = 0;

    if (!take_word(c, key, sizeof key) || !take(c, ":"))
        return fail(c->what, "header without keys");
    while (k < TMB_COUNT(keys) && strcmp(key, keys[k]) != 0)
        k++;
    if (k == TMB_COUNT(keys)) return fail(c->what, "header with an unknown key");
    if (*seen & 1u << k) return fail(c->what, "header with a key that is there twice");
    *seen |= 1u << k;
    if (k == 0) return read_descr(c, h);
    if (k == 2) return read_shape(c, h);
    h->fortran = take(c, "True");
    if (!h->fortran && !take(c, "False")) {
        return fail(c->what, "'fortran_order' is neither True nor False");
    }
    return 0;
}

static int read_dict(cursor *c, header *h)
{
    unsigned seen = 0;

    if (!take(c, "{")) return fail(c->what, "header is not a dict");
    while (!take(c, "}")) {
        TMB_TRY(read_entry(c, h, &seen));
        if (take(c, ",")) continue;
        if (!take(c, "}")) return fail(c->what, "header has no end");
        break;
    }
    skip_blanks(c);
    if (c->at != c->end) return fail(c->what, "text after the header's dict");
    if (seen != 7) return fail(c->what, "header lacks one of 'descr', 'fortran_order', 'shape'");
    return 0;
}

/* The header; `data` gets the number of bytes before the data. */
static int read_header(header *h, size_t *data, const uint8_t *bytes, size_t size, const char *what)
{
    const tmb__bytes file = {(uint8_t *)(uintptr_t)bytes, size};
    size_t length, start;
    cursor c;

    if (size < MAGIC + 4 || memcmp(bytes, "\x93NUMPY", MAGIC) != 0) {
        TMB_TRY(tmb__check_kind(&file, "a .npy array", "a NumPy", what));
        return fail(what, "its first bytes are not \\x93NUMPY");
    }
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0) {
        return tmb__fail(TMB_EMODEL, "%s: .npy version %d.%d, understood are 1.0, 2.0 and 3.0",
                tmb__printable(what), bytes[6], bytes[7]);
    }
    start = bytes[6] == 1 ? 10 : 12;
    if (size < start) return fail(what, "it ends within the header's length");
    length = bytes[8] | (size_t)bytes[9] << 8;
    if (start == 12) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > HEADER_LIMIT || length > size - start) {
        return tmb__fail(TMB_EMODEL, "%s: .npy header of %zu bytes, expected at most %zu",
                tmb__printable(what), length, TMB_MIN(size - start, (size_t)HEADER_LIMIT));
    }
    *data = start + length;
    c = (cursor){(const char *)bytes + start, (const char *)bytes + *data, what};
    return read_dict(&c, h);
}

/* Turn the order of bytes in each of n elements. */
static void swap_bytes(uint8_t *data, int64_t n, size_t size)
{
    for (int64_t i = 0; i < n; i++, data += size) {
        for (size_t j = 0; j < size / 2; j++) {
            const uint8_t byte = data[j];

            data[j] = data[size - 1 - j];
            data[size - 1 - j] = byte;
        }
    }
}

/* Elements whose first index runs fastest, put so that the last one does. */
static void from_fortran(uint8_t *dst, const uint8_t *src, const tmb__shape *shape, size_t size)
{
    const int64_t n = tmb__shape_count(shape);
    int64_t index[TMB__MAX_RANK] = {0}, stride[TMB__MAX_RANK] = {0}, at = 0;

    for (int64_t d = 0, s = 1; d < shape->rank; s *= shape->dim[d++])
        stride[d] = s;
    for (int64_t i = 0; i < n; i++) {
        memcpy(dst + (size_t)i * size, src + (size_t)at * size, size);
        for (int d = shape->rank - 1; d >= 0; d--) {
            at += stride[d];
            if (++index[d] < shape->dim[d]) break;
            at -= stride[d] * shape->dim[d];
            index[d] = 0;
        }
    }
}

int tmb__npy_parse(tmb__array *out, const uint8_t *bytes, size_t size, const char *what)
{
    header h = {0};
    size_t start = 0, element, need;
    int64_t count;

    *out = (tmb__array){0};
    TMB_TRY(read_header(&h, &start, bytes, size, what));
    count = tmb__shape_count(&h.shape);
    element = tmb__dtype_size(h.dtype);
    if (count < 0 || !tmb__mul((size_t)count, element, &need)) {
        return tmb__fail(TMB_EMODEL, "%s: shape %s is too large", tmb__printable(what),
                tmb__shape_text(&h.shape));
    }
    if (need != size - start) {
        return tmb__fail(TMB_EMODEL, "%s: shape %s of %s declares %zu bytes, the file has %zu",
                tmb__printable(what), tmb__shape_text(&h.shape), tmb__dtype_name(h.dtype), need,
                size - start);
    }
    *out = (tmb__array){h.dtype, h.shape, tmb__calloc((size_t)count, element)};
    if (!out->data) return TMB_ENOMEM;
    if (h.fortran && count > 1) {
        from_fortran(out->data, bytes + start, &h.shape, element);
    } else {
        memcpy(out->data, bytes + start, need);
    }
    if (h.swap) swap_bytes(out->data, count, element);
    return 0;
}

int tmb__npy_read(tmb__array *out, const char *path)
{
    tmb__bytes file;
    int status;

    *out = (tmb__array){0};
    TMB_TRY(tmb__file_read(&file, path, NPY_LIMIT, TMB_EMODEL));
    status = tmb__npy_parse(out, file.data, file.size, path);
    tmb__free(file.data);
    return status;
}

/* Version 1.0; the blanks bring the data to a multiple of 64. */
int tmb__npy_header(tmb__strbuf *sb, const tmb__array *array)
{
    const size_t start = sb->len;
    size_t i = 0, length;

    while (i < TMB_COUNT(letters) && letters[i].dtype != array->dtype)
        i++;
    if (i == TMB_COUNT(letters)) {
        return tmb__fail(TMB_EINVAL, "NumPy has no type for %s", tmb__dtype_name(array->dtype));
    }
    length = tmb__dtype_size(array->dtype);
    tmb__strbuf_bytes(sb, "\x93NUMPY\x01\x00..", 10);
    tmb__strbuf_add(sb, "{'descr': '%c%c%zu', 'fortran_order': False, 'shape': (",
            length == 1 ? '|' : '<', letters[i].letter, length);
    for (int d = 0; d < array->shape.rank; d++)
        tmb__strbuf_add(sb, d ? " %lld," : "%lld,", (long long)array->shape.dim[d]);
    tmb__strbuf_add(sb, "), }");
    length = sb->len - start + 1;
    tmb__strbuf_add(sb, "%*s\n", (int)((64 - length % 64) % 64), "");
    if (sb->failed) return TMB_ENOMEM;
    length = sb->len - start - 10;
    sb->text[start + 8] = (char)(length & 255);
    sb->text[start + 9] = (char)(length >> 8);
    return 0;
}

int tmb__npy_write(const tmb__array *array, const char *path)
{
    const size_t count = (size_t)tmb__shape_count(&array->shape);
    tmb__strbuf sb = {0};
    int status = tmb__npy_header(&sb, array);

    if (status == 0) {
        const tmb__bytes parts[] = {
                {(uint8_t *)sb.text, sb.len}, {array->data, count * tmb__dtype_size(array->dtype)}};

        status = tmb__file_replace(path, parts, 2);
    }
    tmb__strbuf_free(&sb);
    return status;
}
