/* keras_export.c - models and weights for Keras: .keras, .weights.h5, .weights.json, legacy .h5
 *
 *     .keras         metadata.json, config.json, model.weights.h5, stored
 *     .weights.h5    layers/conv2d/vars/0: classes counted in the order of Keras' model.layers
 *     .weights.json  the same, cut into parts of at most so many bytes, and which part has which group
 *     .h5            a group for each layer; a whole model has them in model_weights, and its config
 *
 * Nothing carries a time, so that the same model gives the same bytes. */
#include "io/keras_write.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 256, NAME_SIZE = 160 };

#define KERAS_VERSION "3.15.0"
#define SHARD_BYTES   ((int64_t)5 << 30)

/* A model on its way into a file. */
typedef struct job {
    const char *path;
    tmb_export_opts opts;
    tmb__keras_net net;
    tmb__keras_vars vars; /* with opts.optimizer */
} job;

/* ---- Keras 3's layout ---- */

static int add_vars(tmb__h5_list *list, const tmb_model *view, const tmb__layer *layer, int count)
{
    char stem[64], vars[PATH_SIZE / 2], path[PATH_SIZE];

    tmb__keras_snake(stem, sizeof stem, tmb__keras_class(layer));
    snprintf(vars, sizeof vars, count ? "layers/%s_%d/vars" : "layers/%s/vars", stem, count);
    TMB_TRY(tmb__h5_add_group(list, vars));
    TMB_TRY(tmb__h5_add_text(list, vars, "name", layer->name));
    for (int i = 0; i < layer->n_weights; i++) {
        const tmb__weight *weight = &layer->weight[i];
        const tmb__array array = {TMB__F32, weight->shape, view->weights + weight->offset};

        snprintf(path, sizeof path, "%s/%d", vars, i);
        TMB_TRY(tmb__h5_add_tensor(list, path, &array));
    }
    return 0;
}

/* PITFALL: a Sequential's list of layers is without its input, a Functional's has it. */
static int list_weights(tmb__h5_list *list, const job *j)
{
    const tmb_model *view = &j->net.view;

    for (int k = j->net.sequential; k < view->n_layers; k++) {
        int count = 0;

        for (int i = j->net.sequential; i < k; i++) {
            count += strcmp(tmb__keras_class(&view->layers[i]),
                             tmb__keras_class(&view->layers[k])) == 0;
        }
        TMB_TRY(add_vars(list, view, &view->layers[k], count));
    }
    if (!j->opts.optimizer) return 0;
    return tmb__keras_vars_list(list, &j->vars, view->optimizer, false);
}

/* The tensors of the preprocessing's statistics, as a .thimble has them; what is in `tensors` must stay. */
static int list_statistics(tmb__h5_list *list, tmb__tensors *tensors, const tmb_model *view)
{
    if (!view->has_preprocess) return 0;
    TMB_TRY(tmb__statistics_tensors(tensors, view->preprocess.statistics));
    for (int64_t i = 0; i < tensors->n; i++)
        TMB_TRY(tmb__h5_add_tensor(list, tensors->items[i].name, &tensors->items[i].array));
    return 0;
}

static int write_weights(const job *j)
{
    tmb__h5_list list = {0};
    int status = list_weights(&list, j);

    if (status == 0) status = tmb__h5_write(j->path, &list);
    tmb__h5_list_free(&list);
    return status;
}

static int write_archive(const job *j)
{
    tmb__strbuf config = {0}, meta = {0};
    tmb__h5_list list = {0};
    tmb__tensors statistics = {0};
    tmb__bytes weights = {0};
    int status;

    tmb__strbuf_add(&meta, "{\"keras_version\":\"%s\",\"thimble\":", KERAS_VERSION);
    status = tmb__keras_meta_text(&meta, &j->net);
    tmb__strbuf_add(&meta, "}");
    if (status == 0) status = tmb__keras_config_text(&config, &j->net);
    if (status == 0) status = list_weights(&list, j);
    if (status == 0) status = list_statistics(&list, &statistics, &j->net.view);
    if (status == 0) status = tmb__h5_image(&weights, &list, j->path);
    if (status == 0 && meta.failed) status = TMB_ENOMEM;
    if (status == 0) {
        const tmb__zip_entry entries[] = {{"metadata.json", {(uint8_t *)meta.text, meta.len}},
                {"config.json", {(uint8_t *)config.text, config.len}},
                {"model.weights.h5", weights}};

        status = tmb__zip_write(j->path, entries, 3);
    }
    tmb__free(weights.data);
    tmb__tensors_free(&statistics);
    tmb__h5_list_free(&list);
    tmb__strbuf_free(&meta);
    tmb__strbuf_free(&config);
    return status;
}

/* ---- parts ---- */

static int64_t item_bytes(const tmb__h5_item *item)
{
    if (!item->array.data) return 0;
    return tmb__shape_count(&item->array.shape) * (int64_t)tmb__dtype_size(item->array.dtype);
}

/* Where the part that begins at `from` ends. */
static int64_t part_end(const tmb__h5_list *list, int64_t from, int64_t most)
{
    int64_t bytes = 0, i = from;

    for (; i < list->n; i++) {
        bytes += item_bytes(&list->items[i]);
        if (bytes > most && bytes > item_bytes(&list->items[i])) break;
    }
    return i;
}

/* "net_00001.weights.h5", without or with the folder of "a/net.weights.json". */
static void part_name(tmb__strbuf *sb, const char *path, int number, bool with_folder)
{
    const char *slash = strrchr(path, '/'), *base = slash && !with_folder ? slash + 1 : path;

    tmb__strbuf_bytes(sb, base, strlen(base) - strlen(".weights.json"));
    tmb__strbuf_add(sb, "_%05d.weights.h5", number);
}

/* The part with its line for each group that it has; a group may go on from the part before. */
static int write_part(const job *j, const tmb__h5_list *part, int number, json_t *map)
{
    tmb__strbuf name = {0}, path = {0};
    int status = 0;

    part_name(&name, j->path, number, false);
    part_name(&path, j->path, number, true);
    if (name.failed || path.failed) status = TMB_ENOMEM;
    for (int64_t i = 0; i < part->n && status == 0; i++) {
        const char *place = part->items[i].place;
        char group[PATH_SIZE];
        json_t *files;

        if (!part->items[i].array.data) continue;
        snprintf(group, sizeof group, "/%.*s", (int)(strrchr(place, '/') - place), place);
        files = json_object_get(map, group);
        if (!files) {
            files = json_array();
            json_object_set_new(map, group, files);
        }
        if (!json_array_size(files) ||
                strcmp(json_string_value(json_array_get(files, json_array_size(files) - 1)),
                        name.text) != 0) {
            json_array_append_new(files, json_string(name.text));
        }
    }
    if (status == 0) status = tmb__h5_write(path.text, part);
    tmb__strbuf_free(&name);
    tmb__strbuf_free(&path);
    return status;
}

static int write_index(const job *j, json_t *map, int64_t total)
{
    tmb__strbuf text = {0};
    int status;

    tmb__strbuf_add(&text, "{\"metadata\":{\"total_size\":%lld},\"weight_map\":", (long long)total);
    status = tmb__json_text(&text, map);
    tmb__strbuf_add(&text, "}");
    if (status == 0 && text.failed) status = TMB_ENOMEM;
    if (status == 0) {
        status = tmb__file_replace(j->path, &(tmb__bytes){(uint8_t *)text.text, text.len}, 1);
    }
    tmb__strbuf_free(&text);
    return status;
}

/* The index comes last: until it is there, the old one and its parts, if whole, are what counts. */
static int write_shards(const job *j)
{
    const int64_t most = j->opts.shard_bytes > 0 ? j->opts.shard_bytes : SHARD_BYTES;
    tmb__h5_list list = {0};
    json_t *map = json_object();
    int64_t total = 0, end;
    int number = 0, status = map ? list_weights(&list, j) : TMB_ENOMEM;

    for (int64_t i = 0; i < list.n; i++)
        total += item_bytes(&list.items[i]);
    for (int64_t from = 0; from < list.n && status == 0; from = end) {
        const tmb__h5_list part = {
                list.items + from, (end = part_end(&list, from, most)) - from, 0};

        status = write_part(j, &part, number++, map);
    }
    if (status == 0) status = write_index(j, map, total);
    tmb__h5_list_free(&list);
    json_decref(map);
    return status;
}

/* ---- the legacy layout ---- */

/* What Keras 2 calls a weight: the depthwise kernel has a longer name there. */
static const char *legacy_name(const tmb__layer *layer, int i)
{
    const char *name = layer->weight[i].name;

    return layer->kind == TMB__LAYER_DEPTHWISE_CONV2D && strcmp(name, "kernel") == 0
            ? "depthwise_kernel"
            : name;
}

/* The layers as groups; names and arrays are parts of four blocks. */
typedef struct groups {
    tmb__h5_layer *layers;
    char (*texts)[NAME_SIZE];
    const char **names;
    tmb__array *arrays;
} groups;

static void groups_free(groups *g)
{
    tmb__free(g->arrays);
    tmb__free(g->names);
    tmb__free(g->texts);
    tmb__free(g->layers);
}

static int groups_new(groups *g, const tmb_model *view, int first)
{
    size_t n = 0, at = 0;

    for (int k = 0; k < view->n_layers; k++)
        n += (size_t)view->layers[k].n_weights;
    g->layers = tmb__calloc((size_t)view->n_layers, sizeof *g->layers);
    g->texts = tmb__calloc(n, sizeof *g->texts);
    g->names = tmb__calloc(n, sizeof *g->names);
    g->arrays = tmb__calloc(n, sizeof *g->arrays);
    if (!g->layers || !g->texts || !g->names || !g->arrays) return TMB_ENOMEM;
    for (int k = first; k < view->n_layers; k++) {
        const tmb__layer *layer = &view->layers[k];

        g->layers[k - first] =
                (tmb__h5_layer){layer->name, g->names + at, g->arrays + at, layer->n_weights};
        for (int i = 0; i < layer->n_weights; i++, at++) {
            const tmb__weight *weight = &layer->weight[i];

            snprintf(g->texts[at], NAME_SIZE, "%s/%s:0", layer->name, legacy_name(layer, i));
            g->names[at] = g->texts[at];
            g->arrays[at] = (tmb__array){TMB__F32, weight->shape, view->weights + weight->offset};
        }
    }
    return 0;
}

static int list_training(tmb__h5_list *list, const job *j)
{
    const tmb__optimizer *o = j->net.view.optimizer;
    tmb__strbuf text = {0};
    int status;

    tmb__keras_compile_text(&text, o, true);
    status = text.failed ? TMB_ENOMEM : tmb__h5_add_text(list, "", "training_config", text.text);
    tmb__strbuf_free(&text);
    return status < 0 ? status : tmb__keras_vars_list(list, &j->vars, o, true);
}

/* What a whole model has on its root. */
static int list_root(tmb__h5_list *list, const job *j)
{
    tmb__strbuf config = {0}, meta = {0};
    int status = tmb__keras_config_text(&config, &j->net);

    if (status == 0) status = tmb__keras_meta_text(&meta, &j->net);
    if (status == 0) status = tmb__h5_add_text(list, "", "model_config", config.text);
    if (status == 0) status = tmb__h5_add_text(list, "", "thimble", meta.text);
    tmb__strbuf_free(&config);
    tmb__strbuf_free(&meta);
    TMB_TRY(status);
    if (j->opts.optimizer) TMB_TRY(list_training(list, j));
    TMB_TRY(tmb__h5_add_text(list, "", "keras_version", KERAS_VERSION));
    TMB_TRY(tmb__h5_add_text(list, "", "backend", "tensorflow"));
    return tmb__h5_add_group(list, "model_weights");
}

static int write_legacy(const job *j)
{
    const tmb_model *view = &j->net.view;
    const int first = j->net.sequential;
    tmb__h5_list list = {0};
    tmb__tensors statistics = {0};
    groups g = {0};
    int status = groups_new(&g, view, first);

    if (status == 0 && j->opts.whole) status = list_root(&list, j);
    if (status == 0 && j->opts.whole) status = list_statistics(&list, &statistics, view);
    if (status == 0) {
        status = tmb__h5_add_layers(
                &list, j->opts.whole ? "model_weights" : "", g.layers, view->n_layers - first);
    }
    if (status == 0) status = tmb__h5_write(j->path, &list);
    tmb__tensors_free(&statistics);
    tmb__h5_list_free(&list);
    groups_free(&g);
    return status;
}

/* ---- which of them ---- */

static int write_tensors(const job *j)
{
    return tmb_model_save_weights(&j->net.view, j->path);
}

/* The first ending that fits counts. An option that a format has no place for is refused. */
static const struct format {
    const char *ending;
    int (*write)(const job *j);
    bool whole, rescaling, optimizer, shards;
} formats[] = {
        {".keras", write_archive, false, true, true, false},
        {".weights.h5", write_weights, false, false, true, false},
        {".weights.json", write_shards, false, false, true, true},
        {".h5", write_legacy, true, true, true, false},
        {".hdf5", write_legacy, true, true, true, false},
        {".npz", write_tensors, false, false, false, false},
        {".safetensors", write_tensors, false, false, false, false},
};

static int check_opts(const struct format *f, const tmb_export_opts *o, const char *path)
{
    const struct {
        const char *name;
        bool asked, known;
    } checks[] = {{"whole", o->whole, f->whole},
            {"rescaling", o->rescaling, f->rescaling && (o->whole || !f->whole)},
            {"optimizer", o->optimizer, f->optimizer && (o->whole || !f->whole)},
            {"shard_bytes", o->shard_bytes != 0, f->shards && o->shard_bytes > 0}};

    for (size_t i = 0; i < TMB_COUNT(checks); i++) {
        if (!checks[i].asked || checks[i].known) continue;
        return tmb__fail(TMB_EINVAL, "%s: the option %s means nothing for this kind of file%s",
                tmb__printable(path), checks[i].name,
                f->whole && !o->whole ? ", which has weights alone" : "");
    }
    return 0;
}

static int check_optimizer(const tmb_model *model)
{
    if (model->optimizer && model->optimizer->parts) return 0;
    tmb__fail(TMB_EINVAL, "optimizer: there is no state to write, the model was not trained");
    tmb__hint("fit it before, or open a file of Keras' with one; a .thimble has none");
    return TMB_EINVAL;
}

int tmb_model_export(const tmb_model *model, const char *path, const tmb_export_opts *opts)
{
    job j = {.path = path, .opts = opts ? *opts : (tmb_export_opts){0}};
    const struct format *f = NULL;
    int status;

    if (!model || !path) return tmb__fail(TMB_EINVAL, "%s is NULL", model ? "path" : "model");
    TMB_TRY(tmb__model_validate((tmb_model *)(uintptr_t)model));
    for (size_t i = 0; i < TMB_COUNT(formats) && !f; i++) {
        if (tmb__ends_with(path, formats[i].ending)) f = &formats[i];
    }
    if (!f) {
        return tmb__fail(TMB_EINVAL,
                "%s: the ending picks the format, expected .keras, .h5, .weights.h5, "
                ".weights.json, "
                ".npz or .safetensors",
                tmb__printable(path));
    }
    TMB_TRY(check_opts(f, &j.opts, path));
    TMB_TRY(tmb__weights_finite(model));
    if (j.opts.optimizer) TMB_TRY(check_optimizer(model));
    status = tmb__keras_net_new(&j.net, model, j.opts.rescaling);
    if (status < 0) return status;
    j.net.compiled = j.opts.optimizer;
    if (status == 0 && j.opts.optimizer) status = tmb__keras_vars_new(&j.vars, &j.net.view);
    if (status == 0) status = f->write(&j);
    tmb__keras_vars_free(&j.vars);
    tmb__keras_net_free(&j.net);
    return status;
}
