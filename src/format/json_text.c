/* json_text.c - strict, bounded JSON on top of jansson
 *
 * jansson refuses NaN, trailing commas, invalid UTF-8 and, asked to, keys that are there twice. It
 * allows a depth of 2048 and as many values as fit, so the text is counted before it is parsed: an
 * empty object takes 3 bytes of text and a hundred times that in memory. */
#include "format/format.h"

#include <jansson.h>
#include <string.h>

enum { DEPTH_LIMIT = 64, NAME_LIMIT = 1024 };

#define JSON_LIMIT   ((size_t)16 << 20)
#define VALUES_LIMIT ((size_t)2 << 20)
#define SIZE_LIMIT   ((uint64_t)8 << 30)

typedef struct extent {
    size_t depth, values; /* greatest depth; brackets, commas and colons */
} extent;

static extent measure(const char *text, size_t size)
{
    extent e = {0};
    size_t depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < size; i++) {
        const char c = text[i];

        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            depth++;
            e.values++;
            e.depth = TMB_MAX(e.depth, depth);
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else {
            e.values += c == ',' || c == ':';
        }
    }
    return e;
}

int tmb__json_parse(json_t **out, const char *text, size_t size, const char *what)
{
    const extent e = measure(text, TMB_MIN(size, JSON_LIMIT));
    json_error_t error;

    *out = NULL;
    if (size > JSON_LIMIT) {
        return tmb__fail(TMB_EMODEL, "%s: JSON text of %zu bytes, the limit is %zu",
                tmb__printable(what), size, JSON_LIMIT);
    }
    if (e.depth > DEPTH_LIMIT) {
        return tmb__fail(TMB_EMODEL, "%s: JSON text %zu levels deep, the limit is %d",
                tmb__printable(what), e.depth, DEPTH_LIMIT);
    }
    if (e.values > VALUES_LIMIT) {
        return tmb__fail(TMB_EMODEL, "%s: JSON text of %zu values, the limit is %zu",
                tmb__printable(what), e.values, VALUES_LIMIT);
    }
    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (*out) return 0;
    if (json_error_code(&error) == json_error_out_of_memory) {
        return tmb__fail(
                TMB_ENOMEM, "not enough memory for the JSON text of %s", tmb__printable(what));
    }
    return tmb__fail(TMB_EMODEL, "%s: not valid JSON: %s (byte %d)", tmb__printable(what),
            tmb__printable(error.text), error.position);
}

static int append(const char *bytes, size_t n, void *user)
{
    tmb__strbuf *sb = user;

    tmb__strbuf_bytes(sb, bytes, n);
    return sb->failed ? -1 : 0;
}

int tmb__json_text(tmb__strbuf *sb, const json_t *json)
{
    /* Nine digits bring a float back to the bit; exact doubles are stored as integers. */
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9);

    if (json_dump_callback(json, append, sb, flags) == 0) return 0;
    return tmb__fail(TMB_ENOMEM, "not enough memory for JSON text");
}

int tmb__json_quote(tmb__strbuf *sb, const char *text)
{
    json_t *string = json_string(text);
    int status;

    if (!string) {
        return tmb__fail(TMB_EINVAL, "\"%s\" is not valid UTF-8", tmb__printable(text));
    }
    status = tmb__json_text(sb, string);
    json_decref(string);
    return status;
}

bool tmb__json_size(const json_t *json, uint64_t *out)
{
    const json_int_t value = json_is_integer(json) ? json_integer_value(json) : -1;

    *out = (uint64_t)value;
    return value >= 0 && (uint64_t)value <= SIZE_LIMIT;
}

bool tmb__json_shape(const json_t *json, tmb__shape *out)
{
    const size_t rank = json_array_size(json);
    uint64_t dim;

    *out = (tmb__shape){0};
    if (!json_is_array(json) || rank > TMB__MAX_RANK) return false;
    for (size_t i = 0; i < rank; i++) {
        if (!tmb__json_size(json_array_get(json, i), &dim)) return false;
        out->dim[i] = (int64_t)dim;
    }
    out->rank = (int)rank;
    return true;
}

bool tmb__name_fits(const char *name)
{
    const size_t n = name ? strlen(name) : 0;

    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)name[i] < 32 || name[i] == 127) return false;
    }
    return n > 0 && n <= NAME_LIMIT;
}
