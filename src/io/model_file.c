/* model_file.c - whole models in files: .thimble
 *
 * A pack (format/pack.c) whose "meta" object has
 *     thimble      version that wrote it
 *     graph        the layers (graph_json.c)
 *     classes, preprocess, record       what the net means (model_meta.c)
 *     unknown      which layer's values tell photos unlike those of the training (unknown_file.c)
 *     training     a checkpoint's: where training stands
 * and whose tensors are "weight/<layer>/<name>", "golden/pixels", "golden/outputs", those of the
 * preprocessing's statistics and of "unknown", and in a checkpoint "state/<name>". docs/formats.md has it in full. */
#include "io/json_get.h"
#include "io/keras_h5.h"

#include <stdio.h>
#include <string.h>

/* ---- writing ---- */

/* Someone's JSON becomes a part of ours only if it is whole. */
static int add_training(tmb__strbuf *sb, const char *text)
{
    json_t *json;
    const int status = tmb__json_parse(&json, text, strlen(text), "the state of training");

    if (status < 0) return status == TMB_EMODEL ? TMB_EINVAL : status;
    json_decref(json);
    tmb__strbuf_add(sb, ",\"training\":");
    tmb__strbuf_bytes(sb, text, strlen(text));
    return 0;
}

static int make_meta(tmb__strbuf *sb, const tmb_model *model, const tmb__extra *extra)
{
    tmb__strbuf_add(sb, "{\"thimble\":\"%s\",\"graph\":", tmb_version());
    TMB_TRY(tmb__graph_text(sb, model));
    TMB_TRY(tmb__meta_text(sb, model));
    if (model->unknown) tmb__unknown_text(sb, model);
    if (extra && extra->json) TMB_TRY(add_training(sb, extra->json));
    tmb__strbuf_add(sb, "}");
    return sb->failed ? TMB_ENOMEM : 0;
}

static int add_state(tmb__tensors *list, const tmb__tensors *state)
{
    for (int64_t i = 0; i < state->n; i++) {
        tmb__strbuf name = {0};
        int status = TMB_ENOMEM;

        tmb__strbuf_add(&name, "state/%s", state->items[i].name);
        if (!name.failed) status = tmb__tensors_add(list, name.text, &state->items[i].array);
        tmb__strbuf_free(&name);
        TMB_TRY(status);
    }
    return 0;
}

static int add_pairs(tmb__tensors *list, const tmb_model *model, uint8_t *pixels, float *outputs)
{
    const tmb__array in = {TMB__U8, tmb__pairs_shape(&model->layers[0].out), pixels};
    const tmb__array out = {
            TMB__F32, tmb__pairs_shape(&model->layers[model->n_layers - 1].out), outputs};

    TMB_TRY(tmb__tensors_add(list, "golden/pixels", &in));
    return tmb__tensors_add(list, "golden/outputs", &out);
}

int tmb__model_write(tmb_model *model, const char *path, const tmb__extra *extra, bool goldens)
{
    tmb__tensors list = {0};
    tmb__strbuf meta = {0};
    uint8_t *pixels = NULL;
    float *outputs = NULL;
    int status = tmb__model_validate(model);

    if (status == 0) status = make_meta(&meta, model, extra);
    if (status == 0) status = tmb__weights_to_tensors(&list, model, "weight/");
    if (status == 0 && model->has_preprocess)
        status = tmb__statistics_tensors(&list, model->preprocess.statistics);
    if (status == 0) status = tmb__unknown_tensors(&list, model->unknown);
    if (status == 0 && goldens) {
        status = tmb__pairs_make(model, &pixels, &outputs);
        if (status == 0) status = add_pairs(&list, model, pixels, outputs);
    }
    if (status == 0 && extra) status = add_state(&list, &extra->tensors);
    if (status == 0) status = tmb__pack_write(path, meta.text, &list);
    tmb__free(pixels);
    tmb__free(outputs);
    tmb__strbuf_free(&meta);
    tmb__tensors_free(&list);
    return status;
}

int tmb_model_save(tmb_model *model, const char *path)
{
    if (!model || !path) return tmb__fail(TMB_EINVAL, "%s is NULL", model ? "path" : "model");
    return tmb__model_write(model, path, NULL, true);
}

/* ---- reading ---- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The numbers that the file has for weights: no net that it describes may have more. */
static int64_t count_weights(const tmb__tensors *tensors)
{
    int64_t n = 0;

    for (int64_t i = 0; i < tensors->n; i++) {
        if (starts_with(tensors->items[i].name, "weight/"))
            n += tmb__shape_count(&tensors->items[i].array.shape);
    }
    return n;
}

/* Each tensor is a weight, a stored pair or state: nothing unknown is carried along. */
static int check_names(const tmb__tensors *tensors, const char *path)
{
    for (int64_t i = 0; i < tensors->n; i++) {
        const char *name = tensors->items[i].name;

        if (starts_with(name, "weight/") || starts_with(name, "golden/") ||
                starts_with(name, "state/") || starts_with(name, "preprocess/") ||
                starts_with(name, "unknown/")) {
            continue;
        }
        return tmb__fail(TMB_EMODEL,
                "%s: tensor \"%s\" is none of weight/, golden/, preprocess/, unknown/ and state/",
                tmb__printable(path), tmb__printable(name));
    }
    return 0;
}

/* Hand over the state, and with it the file's content that the tensors point into. */
static int take_extra(tmb__extra *extra, tmb__pack *pack, const json_t *meta)
{
    const json_t *training = json_object_get(meta, "training");
    tmb__strbuf text = {0};

    for (int64_t i = 0; i < pack->tensors.n; i++) {
        const tmb__named *item = &pack->tensors.items[i];

        if (!starts_with(item->name, "state/")) continue;
        TMB_TRY(tmb__tensors_add(&extra->tensors, item->name + strlen("state/"), &item->array));
    }
    if (training) {
        const int status = tmb__json_text(&text, training);

        extra->json = text.text;
        TMB_TRY(status);
    }
    TMB_TRY(tmb__tensors_index(&extra->tensors, "state"));
    extra->tensors.backing = pack->tensors.backing;
    pack->tensors.backing = NULL;
    return 0;
}

static int load_model(tmb_model **out, const tmb__pack *pack, const json_t *meta, const char *path)
{
    const json_t *graph = json_object_get(meta, "graph");
    const int64_t most = TMB_MAX(count_weights(&pack->tensors), 1);

    if (!graph) return tmb__fail(TMB_EMODEL, "%s: it has no graph", tmb__printable(path));
    TMB_TRY(check_names(&pack->tensors, path));
    TMB_TRY(tmb__graph_load(out, graph, most, path));
    TMB_TRY(tmb__weights_from_tensors(*out, &pack->tensors, "weight/", path));
    TMB_TRY(tmb__meta_load(*out, meta, &pack->tensors, path));
    TMB_TRY(tmb__unknown_load(*out, json_object_get(meta, "unknown"), &pack->tensors, path));
    return tmb__pairs_load(*out, &pack->tensors, path);
}

int tmb__model_from_pack(tmb_model **out, tmb__extra *extra, tmb__pack *pack, const char *path)
{
    json_t *meta;
    int status;

    *out = NULL;
    if (extra) *extra = (tmb__extra){0};
    TMB_TRY(tmb__json_parse(&meta, pack->json, strlen(pack->json), path));
    status = load_model(out, pack, meta, path);
    if (status == 0 && extra) status = take_extra(extra, pack, meta);
    json_decref(meta);
    if (status == 0) return 0;
    tmb_model_free(*out);
    *out = NULL;
    if (extra) tmb__extra_free(extra);
    return status;
}

int tmb__model_read(tmb_model **out, tmb__extra *extra, const char *path)
{
    tmb__pack pack;
    int status;

    *out = NULL;
    if (extra) *extra = (tmb__extra){0};
    TMB_TRY(tmb__pack_read(&pack, path));
    status = tmb__model_from_pack(out, extra, &pack, path);
    tmb__pack_free(&pack);
    return status;
}

/* What it is decides, not its name. PITFALL: an HDF5 file may begin with a block of the user's. */
int tmb_model_open(tmb_model **out, const char *path)
{
    uint8_t head[64];
    size_t n, blanks = 0;

    if (!out || !path) return tmb__fail(TMB_EINVAL, "%s is NULL", out ? "path" : "out");
    *out = NULL;
    if (tmb__file_exists(path) == 2) return tmb__keras_open(out, path, TMB__KERAS_FOLDER);
    n = tmb__file_head(path, head, sizeof head);
    while (blanks < n && strchr(" \t\r\n", head[blanks]) && head[blanks])
        blanks++;
    if (n >= 4 && memcmp(head, "PK\3\4", 4) == 0) {
        return tmb__keras_open(out, path, TMB__KERAS_ZIP);
    }
    if ((n >= 4 && memcmp(head, "\x89HDF", 4) == 0) ||
            (n && (tmb__ends_with(path, ".h5") || tmb__ends_with(path, ".hdf5")))) {
        return tmb__keras_open(out, path, TMB__KERAS_H5);
    }
    if (blanks < n && head[blanks] == '{') return tmb__keras_open(out, path, TMB__KERAS_JSON);
    return tmb__model_read(out, NULL, path);
}

void tmb__extra_free(tmb__extra *extra)
{
    tmb__free(extra->json);
    tmb__tensors_free(&extra->tensors);
    *extra = (tmb__extra){0};
}
