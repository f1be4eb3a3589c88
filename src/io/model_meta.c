/* model_meta.c - class names, preprocessing and record as JSON, and back
 *
 * A class name comes from a folder's name, which is any bytes: one that is not UTF-8 is written as
 * {"hex": "63e974e9"}. */
#include "io/json_get.h"

#include <string.h>

enum { CLASSES_LIMIT = 100000, CLASS_LIMIT = 1024, MOST_SIDE = 65535 };

static const char *const filters[] = {
        [TMB_NEAREST] = "nearest",
        [TMB_BILINEAR] = "bilinear",
        [TMB_BICUBIC] = "bicubic",
        [TMB_LANCZOS] = "lanczos",
        [TMB_BOX] = "box",
        [TMB_HAMMING] = "hamming",
};

static const char *const fits[] = {
        [TMB_STRETCH] = "stretch",
        [TMB_CROP] = "crop",
        [TMB_PAD] = "pad",
};

/* One output is the probability of the second of two classes. */
static int expected_classes(const tmb_model *model)
{
    const int outputs = tmb_model_outputs(model);

    return outputs == 1 ? 2 : outputs;
}

/* ---- to text ---- */

static int class_text(tmb__strbuf *sb, const char *name)
{
    const int status = tmb__json_quote(sb, name);

    if (status != TMB_EINVAL) return status;
    tmb__strbuf_add(sb, "{\"hex\":\"");
    for (; *name; name++)
        tmb__strbuf_add(sb, "%02x", (unsigned char)*name);
    tmb__strbuf_add(sb, "\"}");
    return 0;
}

static int classes_text(tmb__strbuf *sb, const tmb_model *model)
{
    if (model->n_classes != expected_classes(model)) {
        return tmb__fail(TMB_EINVAL, "the model has %d class names, its %d outputs are for %d",
                model->n_classes, tmb_model_outputs(model), expected_classes(model));
    }
    tmb__strbuf_add(sb, ",\"classes\":[");
    for (int i = 0; i < model->n_classes; i++) {
        if (strlen(model->classes[i]) > CLASS_LIMIT) {
            return tmb__fail(
                    TMB_EINVAL, "the name of class %d has more than %d bytes", i, CLASS_LIMIT);
        }
        if (i) tmb__strbuf_add(sb, ",");
        TMB_TRY(class_text(sb, model->classes[i]));
    }
    tmb__strbuf_add(sb, "]");
    return 0;
}

static const char *yes_no(bool yes)
{
    return yes ? "true" : "false";
}

static void floats_text(tmb__strbuf *sb, const char *key, const float *values, int n)
{
    tmb__strbuf_add(sb, ",\"%s\":", key);
    for (int i = 0; i < n; i++)
        tmb__strbuf_add(sb, "%s%.9g", i ? "," : "[", (double)values[i]);
    tmb__strbuf_add(sb, "]");
}

static void preprocess_text(tmb__strbuf *sb, const tmb_preprocess *pre)
{
    const tmb_filter filter = pre->filter ? pre->filter : TMB_BILINEAR;

    tmb__strbuf_add(sb, ",\"preprocess\":{\"size\":[%d,%d],\"channels\":%d", pre->size[0],
            pre->size[1], pre->channels);
    tmb__strbuf_add(sb, ",\"filter\":\"%s\",\"fit\":\"%s\",\"ignore_exif\":%s", filters[filter],
            fits[pre->fit], yes_no(pre->ignore_exif));
    floats_text(sb, "scale", pre->scale, TMB_MAX(pre->channels, 3));
    floats_text(sb, "offset", pre->offset, TMB_MAX(pre->channels, 3));
    tmb__strbuf_add(sb, ",\"bgr\":%s,\"flip_views\":%s,\"margin\":%.9g", yes_no(pre->bgr),
            yes_no(pre->flip_views), (double)pre->margin);
    /* Named only where they are, so that older readers refuse just the files that they cannot obey. */
    if (pre->samplewise_center) tmb__strbuf_add(sb, ",\"samplewise_center\":true");
    if (pre->samplewise_std) tmb__strbuf_add(sb, ",\"samplewise_std\":true");
    if (pre->samplewise_pixel) tmb__strbuf_add(sb, ",\"samplewise_pixel\":true");
    if (pre->statistics) tmb__statistics_text(sb, pre->statistics);
    tmb__strbuf_add(sb, "}");
}

/* The record is someone's JSON: it becomes a part of ours only if it is whole. */
static int record_text(tmb__strbuf *sb, const char *record)
{
    json_t *json;
    const int status = tmb__json_parse(&json, record, strlen(record), "the model's record");

    if (status < 0) return status == TMB_EMODEL ? TMB_EINVAL : status;
    json_decref(json);
    tmb__strbuf_add(sb, ",\"record\":");
    tmb__strbuf_bytes(sb, record, strlen(record));
    return 0;
}

int tmb__meta_text(tmb__strbuf *sb, const tmb_model *model)
{
    if (model->n_classes) TMB_TRY(classes_text(sb, model));
    if (model->has_preprocess) preprocess_text(sb, &model->preprocess);
    if (model->record) TMB_TRY(record_text(sb, model->record));
    return sb->failed ? TMB_ENOMEM : 0;
}

/* ---- from JSON ---- */

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* The bytes of a name in hexadecimal; false if they are none, or have a zero. */
static bool decode_hex(char *out, const char *hex)
{
    for (; hex[0]; hex += 2) {
        const int high = hex_digit(hex[0]), low = high < 0 ? -1 : hex_digit(hex[1]);

        if (low < 0 || high + low == 0) return false;
        *out++ = (char)(16 * high + low);
    }
    *out = '\0';
    return true;
}

static int read_class(char **out, const json_t *json, size_t index, const char *what)
{
    const char *hex = json_string_value(json_object_get(json, "hex"));
    const char *name = hex ? hex : json_string_value(json);
    const size_t n = name ? strlen(name) : 0;

    if (n == 0 || n > (hex ? 2 * CLASS_LIMIT : CLASS_LIMIT)) {
        return tmb__fail(TMB_EMODEL, "%s: class %zu is not a name of 1 to %d bytes",
                tmb__printable(what), index, CLASS_LIMIT);
    }
    *out = tmb__strdup(name);
    if (!*out) return TMB_ENOMEM;
    if (!hex || decode_hex(*out, hex)) return 0;
    return tmb__fail(
            TMB_EMODEL, "%s: class %zu is not in hexadecimal", tmb__printable(what), index);
}

static int load_classes(tmb_model *model, const json_t *json, const char *what)
{
    const size_t n = json_array_size(json);
    char **names;
    int status = 0;

    if (!json_is_array(json) || n > CLASSES_LIMIT || (int)n != expected_classes(model)) {
        return tmb__fail(TMB_EMODEL, "%s: %zu classes, the net's %d outputs are for %d",
                tmb__printable(what), n, tmb_model_outputs(model), expected_classes(model));
    }
    names = tmb__calloc(n, sizeof *names);
    if (!names) return TMB_ENOMEM;
    for (size_t i = 0; i < n && status == 0; i++)
        status = read_class(&names[i], json_array_get(json, i), i, what);
    if (status == 0) status = tmb_model_set_classes(model, (const char *const *)names, (int)n);
    for (size_t i = 0; i < n; i++)
        tmb__free(names[i]);
    tmb__free(names);
    return status;
}

static bool get_by_channel(const json_t *json, float values[4])
{
    return tmb__json_floats(json, values, json_array_size(json) == 4 ? 4 : 3);
}

/* One member of "preprocess"; false if it is unknown or has no sound value. */
static bool get_member(tmb_preprocess *pre, const char *key, const json_t *json)
{
    int number = 0;
    bool ok = false;

    if (strcmp(key, "size") == 0) return tmb__json_ints(json, pre->size, 2);
    if (strcmp(key, "channels") == 0) return tmb__json_int(json, &pre->channels);
    if (strcmp(key, "ignore_exif") == 0) return tmb__json_bool(json, &pre->ignore_exif);
    if (strcmp(key, "scale") == 0) return get_by_channel(json, pre->scale);
    if (strcmp(key, "offset") == 0) return get_by_channel(json, pre->offset);
    if (strcmp(key, "samplewise_center") == 0) return tmb__json_bool(json, &pre->samplewise_center);
    if (strcmp(key, "samplewise_std") == 0) return tmb__json_bool(json, &pre->samplewise_std);
    if (strcmp(key, "samplewise_pixel") == 0) return tmb__json_bool(json, &pre->samplewise_pixel);
    if (strcmp(key, "bgr") == 0) return tmb__json_bool(json, &pre->bgr);
    if (strcmp(key, "flip_views") == 0) return tmb__json_bool(json, &pre->flip_views);
    if (strcmp(key, "margin") == 0) {
        return tmb__json_float(json, &pre->margin) && pre->margin >= 0 && pre->margin <= 1;
    }
    if (strcmp(key, "filter") == 0) {
        ok = tmb__json_choice(json, filters, TMB_COUNT(filters), &number);
        pre->filter = (tmb_filter)number;
    } else if (strcmp(key, "fit") == 0) {
        ok = tmb__json_choice(json, fits, TMB_COUNT(fits), &number);
        pre->fit = (tmb_fit_rule)number;
    }
    return ok;
}

static int load_preprocess(
        tmb_model *model, json_t *json, const tmb__tensors *tensors, const char *what)
{
    tmb_preprocess pre = {.filter = TMB_BILINEAR, .scale = {1, 1, 1}};
    tmb_statistics *statistics = NULL;
    json_t *value;
    const char *key;
    int status;

    json_object_foreach(json, key, value)
    {
        if (strcmp(key, "statistics") == 0 || get_member(&pre, key, value)) continue;
        return tmb__fail(TMB_EMODEL, "%s: preprocess: \"%s\" is unknown or has no known value",
                tmb__printable(what), tmb__printable(key));
    }
    if (!json_is_object(json) || pre.size[0] > MOST_SIDE || pre.size[1] > MOST_SIDE ||
            (pre.channels != 1 && pre.channels != 3 && pre.channels != 4)) {
        return tmb__fail(TMB_EMODEL, "%s: preprocess gives %d x %d x %d, not a photo",
                tmb__printable(what), pre.size[0], pre.size[1], pre.channels);
    }
    TMB_TRY(tmb__statistics_load(&statistics, json_object_get(json, "statistics"), tensors, what));
    pre.statistics = statistics;
    status = tmb_model_set_preprocess(model, &pre);
    tmb_statistics_free(statistics); /* the model has its share */
    return status < 0 ? tmb__refuse(status, what) : 0;
}

static int load_record(tmb_model *model, const json_t *json)
{
    tmb__strbuf sb = {0};
    int status = tmb__json_text(&sb, json);

    if (status == 0) status = tmb_model_set_record(model, sb.text);
    tmb__strbuf_free(&sb);
    return status;
}

/* Members that are not known say nothing that changes what the net computes, and are passed over. */
int tmb__meta_load(
        tmb_model *model, const json_t *meta, const tmb__tensors *tensors, const char *what)
{
    const json_t *classes = json_object_get(meta, "classes"),
                 *record = json_object_get(meta, "record");
    json_t *preprocess = json_object_get(meta, "preprocess");

    if (classes) TMB_TRY(load_classes(model, classes, what));
    if (preprocess) TMB_TRY(load_preprocess(model, preprocess, tensors, what));
    return record ? load_record(model, record) : 0;
}
