/* features_file.c - features in a .npy with a .json beside it
 *
 * The rows are written as they come, into a file whose header and size are known before. The .json has
 * the SHA-256 of the .npy and is written last, so that two files that do not belong together, or a
 * run that was cut off between them, are found out. */
#include "head/head.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { VERSION = 1 };

#define JSON_LIMIT ((size_t)16 << 20)

static tmb__shape shape_of(const tmb_features *f)
{
    const bool flat = f->shape[1] == 0;

    return (tmb__shape){flat ? 2 : 4, {f->n, f->shape[0], f->shape[1], f->shape[2]}};
}

/* "dir/feats.npy" -> "dir/feats.json"; owned by caller. */
static char *beside(const char *path)
{
    const size_t n = strlen(path);
    const size_t stem = n > 4 && strcmp(path + n - 4, ".npy") == 0 ? n - 4 : n;
    tmb__strbuf sb = {0};

    tmb__strbuf_bytes(&sb, path, stem);
    tmb__strbuf_add(&sb, ".json");
    if (sb.failed) tmb__strbuf_free(&sb);
    return sb.text;
}

static void hex(char text[65], const uint8_t digest[32])
{
    for (int i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

/* ---- writing ---- */

struct tmb__features_writer {
    const tmb_features *known;
    char *json_path;
    tmb__writer *file;
    tmb__sha256 sha;
    int64_t rows, width;
};

static int put(tmb__features_writer *w, const void *bytes, size_t n)
{
    tmb__sha256_add(&w->sha, bytes, n);
    return tmb__writer_add(w->file, bytes, n);
}

static int begin(tmb__features_writer *w, const char *path)
{
    const tmb__array array = {TMB__F32, shape_of(w->known), NULL};
    const int64_t count = tmb__shape_count(&array.shape);
    tmb__strbuf header = {0};
    size_t bytes;
    int status;

    if (count < 1 || !tmb__mul((size_t)count, sizeof(float), &bytes) || bytes > SIZE_MAX / 2)
        return tmb__fail(
                TMB_EINVAL, "features: nothing to write for %s", tmb__shape_text(&array.shape));
    w->width = count / w->known->n;
    w->json_path = beside(path);
    if (!w->json_path) return TMB_ENOMEM;
    tmb__sha256_start(&w->sha);
    status = tmb__npy_header(&header, &array);
    if (status == 0) status = tmb__writer_new(&w->file, path, header.len + bytes);
    if (status == 0) status = put(w, header.text, header.len);
    tmb__strbuf_free(&header);
    return status;
}

int tmb__features_begin(tmb__features_writer **out, const tmb_features *known, const char *path)
{
    tmb__features_writer *w = tmb__calloc(1, sizeof *w);
    int status;

    *out = NULL;
    if (!w) return TMB_ENOMEM;
    w->known = known;
    status = begin(w, path);
    if (status < 0) return tmb__features_end(w, status);
    *out = w;
    return 0;
}

int tmb__features_add(tmb__features_writer *w, const float *x, int64_t rows)
{
    if (w->rows + rows > w->known->n)
        return tmb__fail(TMB_EBUG, "features: row %lld of %lld", (long long)(w->rows + rows),
                (long long)w->known->n);
    w->rows += rows;
    return put(w, x, (size_t)rows * (size_t)w->width * sizeof *x);
}

/* JSON is UTF-8: a name that is not has its odd bytes as \xNN. */
static json_t *text_of(const char *text)
{
    json_t *json = text ? json_string(text) : json_null();

    return json ? json : json_string(tmb__printable(text));
}

static json_t *texts_of(const char *const *texts, int64_t n)
{
    json_t *list = texts ? json_array() : json_null();

    for (int64_t i = 0; texts && i < n; i++)
        json_array_append_new(list, text_of(texts[i]));
    return list;
}

static json_t *describe(const tmb_features *f, const char *sha)
{
    const tmb__shape shape = shape_of(f);
    json_t *dims = json_array(), *labels = json_array();
    json_t *groups = f->group ? json_array() : json_null();

    for (int i = 0; i < shape.rank; i++)
        json_array_append_new(dims, json_integer(shape.dim[i]));
    for (int64_t i = 0; i < f->n; i++) {
        json_array_append_new(labels, json_integer(f->label[i]));
        if (f->group) json_array_append_new(groups, json_integer(f->group[i]));
    }
    return json_pack("{s:i, s:o, s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "thimble_features",
            VERSION, "shape", dims, "sha256", sha, "views", TMB_MAX(f->views, 1), "n_classes",
            f->classes, "classes", texts_of(f->class_names, f->classes), "backbone",
            text_of(f->backbone), "fingerprint", text_of(f->fingerprint), "labels", labels,
            "groups", groups, "keys", texts_of(f->keys, f->n));
}

static int write_json(const tmb__features_writer *w, const char *sha)
{
    json_t *json = describe(w->known, sha);
    tmb__strbuf text = {0};
    int status = json ? tmb__json_text(&text, json)
                      : tmb__fail(TMB_ENOMEM, "no memory for the text beside the features");

    json_decref(json);
    if (status == 0) {
        const tmb__bytes part = {(uint8_t *)text.text, text.len};

        status = tmb__file_replace(w->json_path, &part, 1);
    }
    tmb__strbuf_free(&text);
    return status;
}

int tmb__features_end(tmb__features_writer *w, int status)
{
    uint8_t digest[32];
    char sha[65];

    if (status == 0 && w->rows != w->known->n)
        status = tmb__fail(TMB_EBUG, "features: %lld rows came, %lld expected", (long long)w->rows,
                (long long)w->known->n);
    if (w->file) status = tmb__writer_end(w->file, status);
    if (status == 0) {
        tmb__sha256_end(&w->sha, digest);
        hex(sha, digest);
        status = write_json(w, sha);
    }
    tmb__free(w->json_path);
    tmb__free(w);
    return status;
}

int tmb_features_save(const tmb_features *f, const char *path)
{
    tmb__features_writer *writer;

    if (!f || !path) return tmb__fail(TMB_EINVAL, "features: an argument is NULL");
    TMB_TRY(tmb__features_check(f));
    TMB_TRY(tmb__features_begin(&writer, f, path));
    return tmb__features_end(writer, tmb__features_add(writer, f->x, f->n));
}

/* ---- reading ---- */

typedef tmb__features_memory owned;

static int refuse(const char *path, const char *what)
{
    tmb__fail(TMB_EDATA, "%s: %s", tmb__printable(path), what);
    tmb__hint("both files are written together by thimble features; make them anew");
    return TMB_EDATA;
}

static int read_rows(tmb_features *f, owned *o, const char *path, char sha[65])
{
    const size_t limit = (size_t)8 << 30;
    tmb__array array = {0};
    tmb__sha256 hash;
    uint8_t digest[32];
    tmb__bytes file;
    int status;

    TMB_TRY(tmb__file_read(&file, path, limit, TMB_EDATA));
    status = tmb__npy_parse(&array, file.data, file.size, path);
    tmb__sha256_start(&hash);
    tmb__sha256_add(&hash, file.data, file.size);
    tmb__sha256_end(&hash, digest);
    hex(sha, digest);
    tmb__free(file.data);
    TMB_TRY(status);
    o->x = array.data;
    if (array.dtype != TMB__F32 || (array.shape.rank != 2 && array.shape.rank != 4))
        return tmb__fail(TMB_EDATA, "%s: %s of %s, expected float32 (n, features) or (n, h, w, c)",
                tmb__printable(path), tmb__shape_text(&array.shape), tmb__dtype_name(array.dtype));
    for (int i = 0; i < array.shape.rank; i++) {
        if (array.shape.dim[i] < 1 || (i > 0 && array.shape.dim[i] > INT32_MAX))
            return tmb__fail(TMB_EDATA, "%s: %s has a side of 0 or is too large",
                    tmb__printable(path), tmb__shape_text(&array.shape));
        if (i > 0) f->shape[i - 1] = (int)array.shape.dim[i];
    }
    f->n = array.shape.dim[0];
    f->x = o->x;
    return 0;
}

enum { ODD = 1 }; /* the .json does not say what it must */

/* A list of n texts, or null. */
static int take_texts(const char ***out, const json_t *list, int64_t n)
{
    const char **texts;

    if (json_is_null(list)) return 0;
    if (!json_is_array(list) || (int64_t)json_array_size(list) != n) return ODD;
    *out = texts = tmb__calloc((size_t)n, sizeof *texts);
    if (!texts) return TMB_ENOMEM;
    for (int64_t i = 0; i < n; i++) {
        texts[i] = json_string_value(json_array_get(list, (size_t)i));
        if (!texts[i]) return ODD;
    }
    return 0;
}

static int take_numbers(tmb_features *f, owned *o)
{
    const json_t *labels = json_object_get(o->json, "labels");
    const json_t *groups = json_object_get(o->json, "groups");
    const bool grouped = !json_is_null(groups);

    if ((int64_t)json_array_size(labels) != f->n) return ODD;
    if (grouped && (int64_t)json_array_size(groups) != f->n) return ODD;
    o->label = tmb__calloc((size_t)f->n, sizeof *o->label);
    if (o->label && grouped) o->group = tmb__calloc((size_t)f->n, sizeof *o->group);
    if (!o->label || (grouped && !o->group)) return TMB_ENOMEM;
    for (size_t i = 0; i < (size_t)f->n; i++) {
        const json_t *label = json_array_get(labels, i);
        const json_int_t value = json_integer_value(label);

        if (!json_is_integer(label) || value < 0 || value >= f->classes) return ODD;
        o->label[i] = (int32_t)value;
        if (!grouped) continue;
        if (!json_is_integer(json_array_get(groups, i))) return ODD;
        o->group[i] = json_integer_value(json_array_get(groups, i));
    }
    return 0;
}

static int take_lists(tmb_features *f, owned *o)
{
    int status = f->views > 0 && f->classes > 0 ? take_numbers(f, o) : ODD;

    if (status == 0)
        status = take_texts(&o->class_names, json_object_get(o->json, "classes"), f->classes);
    if (status == 0) status = take_texts(&o->keys, json_object_get(o->json, "keys"), f->n);
    return status;
}

static int small(const json_t *json, const char *name)
{
    const json_int_t value = json_integer_value(json_object_get(json, name));

    return value > 0 && value <= INT32_MAX ? (int)value : 0;
}

static int take_json(tmb_features *f, owned *o, const char *path, const char *sha)
{
    const char *stored = json_string_value(json_object_get(o->json, "sha256"));
    int status;

    if (small(o->json, "thimble_features") != VERSION)
        return refuse(path, "not what is known of features, or of another version");
    if (!stored || strcmp(stored, sha) != 0)
        return refuse(path, "belongs to another .npy than the one beside it");
    f->views = small(o->json, "views");
    f->classes = small(o->json, "n_classes");
    status = take_lists(f, o);
    if (status == ODD)
        return refuse(path, "labels, groups, keys or classes are not those of the rows");
    TMB_TRY(status);
    f->label = o->label;
    f->group = o->group;
    f->class_names = o->class_names;
    f->keys = o->keys;
    f->backbone = json_string_value(json_object_get(o->json, "backbone"));
    f->fingerprint = json_string_value(json_object_get(o->json, "fingerprint"));
    return 0;
}

static int read_json(tmb_features *f, owned *o, const char *path, const char *sha)
{
    tmb__bytes file = {0};
    int status = tmb__file_read(&file, path, JSON_LIMIT, TMB_EDATA);

    if (status < 0) {
        tmb__hint("it lies beside the .npy where thimble features writes it");
        return status;
    }
    status = tmb__json_parse(&o->json, (const char *)file.data, file.size, path);
    if (status == 0) status = take_json(f, o, path, sha);
    tmb__free(file.data);
    return status;
}

static int differs(const char *path, const char *what, const char *found, const char *expected)
{
    tmb__fail(TMB_EDATA, "%s: features of %s \"%s\", expected \"%s\"", tmb__printable(path), what,
            found ? tmb__printable(found) : "", tmb__printable(expected));
    tmb__hint("make the features anew with the same network, or use those that belong to it");
    return TMB_EDATA;
}

static int compare(const tmb_features *f, const tmb_features *like, const char *path)
{
    if (memcmp(f->shape, like->shape, sizeof f->shape) != 0)
        return tmb__fail(TMB_EDATA, "%s: rows of (%d, %d, %d), expected (%d, %d, %d)",
                tmb__printable(path), f->shape[0], f->shape[1], f->shape[2], like->shape[0],
                like->shape[1], like->shape[2]);
    if (TMB_MAX(like->views, 1) != f->views)
        return tmb__fail(TMB_EDATA, "%s: %d views of each photo, expected %d", tmb__printable(path),
                f->views, TMB_MAX(like->views, 1));
    if (like->classes && like->classes != f->classes)
        return tmb__fail(TMB_EDATA, "%s: %d classes, expected %d", tmb__printable(path), f->classes,
                like->classes);
    for (int k = 0; like->class_names && f->class_names && k < like->classes; k++) {
        if (strcmp(f->class_names[k], like->class_names[k]) != 0)
            return differs(path, "class", f->class_names[k], like->class_names[k]);
    }
    if (like->backbone && (!f->backbone || strcmp(f->backbone, like->backbone) != 0))
        return differs(path, "network", f->backbone, like->backbone);
    if (like->fingerprint && (!f->fingerprint || strcmp(f->fingerprint, like->fingerprint) != 0))
        return differs(path, "fingerprint", f->fingerprint, like->fingerprint);
    return 0;
}

int tmb_features_open(tmb_features *out, const char *path, const tmb_features *like)
{
    char sha[65], *json_path;
    owned *o;
    int status;

    if (!out || !path) return tmb__fail(TMB_EINVAL, "features: an argument is NULL");
    *out = (tmb_features){0};
    out->memory = o = tmb__calloc(1, sizeof *o);
    json_path = o ? beside(path) : NULL;
    status = json_path ? read_rows(out, o, path, sha) : TMB_ENOMEM;
    if (status == 0) status = read_json(out, o, json_path, sha);
    if (status == 0) status = tmb__features_check(out);
    if (status == 0 && like) status = compare(out, like, path);
    tmb__free(json_path);
    if (status < 0) tmb_features_free(out);
    return status;
}

void tmb_features_free(tmb_features *f)
{
    owned *o = f ? f->memory : NULL;

    if (!o) return;
    tmb__free(o->x);
    tmb__free(o->label);
    tmb__free(o->group);
    tmb__free(o->class_names);
    tmb__free(o->keys);
    tmb__free(o->text);
    json_decref(o->json);
    tmb__free(o);
    *f = (tmb_features){0};
}
