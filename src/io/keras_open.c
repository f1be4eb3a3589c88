/* keras_open.c - whole models of Keras: .keras, legacy .h5, and a config alone (.json)
 *
 *     .keras    a zip archive, or the folder of one: config.json, model.weights.h5, metadata.json
 *     .h5       attribute model_config, group model_weights
 *     .json     what model.to_json() gives; the weights are drawn, and loaded afterwards
 *
 * What Thimble adds to those it writes stands in the member "thimble" of metadata.json, or in the
 * attribute "thimble" of the .h5: classes, preprocessing, record, as model_meta.c has them. */
#include "io/keras_config.h"
#include "io/keras_write.h"

#include <string.h>

#define JSON_LIMIT ((size_t)16 << 20)
/* A config asks for any number of weights; without a file of weights this bounds them. */
#define WEIGHTS_LIMIT ((int64_t)1 << 28)

/* A model's parts in their file. */
typedef struct parts {
    const char *what;
    tmb__bytes config, meta;
    tmb__h5_file h5;
    bool has_weights;
} parts;

static int read_folder(parts *p)
{
    static const char *const names[] = {"config.json", "metadata.json", "model.weights.h5"};
    tmb__bytes *texts[] = {&p->config, &p->meta};
    int status = 0;

    for (int i = 0; i < 3 && status == 0; i++) {
        char *path = tmb__path_join(p->what, names[i]);

        if (!path)
            status = TMB_ENOMEM;
        else if (i == 0 && tmb__file_exists(path) != 1)
            status = tmb__fail(
                    TMB_EMODEL, "%s: a folder, expected a regular file", tmb__printable(p->what));
        else if (i == 2)
            status = tmb__h5_read(&p->h5, path);
        else if (i == 0 || tmb__file_exists(path) == 1)
            status = tmb__file_read(texts[i], path, JSON_LIMIT, TMB_EMODEL);
        tmb__free(path);
    }
    p->has_weights = status == 0;
    return status;
}

static int read_zip(parts *p)
{
    tmb__zip_want wants[] = {{.name = "config.json", .limit = JSON_LIMIT},
            {.name = "metadata.json", .limit = JSON_LIMIT, .optional = true},
            {.name = "model.weights.h5"}};
    int status = tmb__zip_members(wants, 3, p->what);

    p->config = wants[0].bytes;
    p->meta = wants[1].bytes;
    if (status == 0) {
        status = tmb__h5_parse(&p->h5, wants[2].bytes.data, wants[2].bytes.size, p->what);
    }
    p->has_weights = status == 0;
    tmb__free(wants[2].bytes.data);
    return status;
}

static int copy_text(tmb__bytes *out, const tmb__h5_attribute *attribute)
{
    if (!attribute || attribute->n_strings != 1) return 0;
    out->data = (uint8_t *)tmb__strdup(attribute->strings[0]);
    if (!out->data) return TMB_ENOMEM;
    out->size = strlen(attribute->strings[0]);
    return 0;
}

static int read_h5(parts *p)
{
    TMB_TRY(tmb__h5_read(&p->h5, p->what));
    p->has_weights = true;
    TMB_TRY(copy_text(&p->config, tmb__h5_find(&p->h5, "", "model_config")));
    TMB_TRY(copy_text(&p->meta, tmb__h5_find(&p->h5, "", "thimble")));
    if (p->config.data) return 0;
    tmb__fail(TMB_EMODEL, "%s: weights alone, it has no model_config that says of which net",
            tmb__printable(p->what));
    tmb__hint("make the net, or open its config, and load this file's weights into it");
    return TMB_EMODEL;
}

static int read_parts(parts *p, tmb__keras_kind kind)
{
    switch (kind) {
    case TMB__KERAS_ZIP:
        return read_zip(p);
    case TMB__KERAS_FOLDER:
        return read_folder(p);
    case TMB__KERAS_H5:
        return read_h5(p);
    case TMB__KERAS_JSON:
        break;
    }
    return tmb__file_read(&p->config, p->what, JSON_LIMIT, TMB_EMODEL);
}

/* The numbers that the file has: no net that it describes may have more. */
static int64_t count_numbers(const parts *p)
{
    int64_t n = 1;

    if (!p->has_weights) return WEIGHTS_LIMIT;
    for (int64_t i = 0; i < p->h5.tensors.n; i++)
        n += tmb__shape_count(&p->h5.tensors.items[i].array.shape);
    return n;
}

static int load_weights(tmb_model *model, const parts *p, const tmb__keras_graph *graph)
{
    const tmb_load_opts opts = {0};
    tmb_load_report report = {0};

    if (model->n_weights == 0) return 0;
    if (!p->has_weights) return tmb_model_init(model, 0);
    return tmb__keras_load_from(model, &p->h5, p->what, graph->places, &opts, &report);
}

static int load_meta(tmb_model *model, const parts *p, tmb__keras_kind kind)
{
    json_t *meta, *own;
    int status;

    if (!p->meta.data) return 0;
    TMB_TRY(tmb__json_parse(&meta, (const char *)p->meta.data, p->meta.size, p->what));
    own = kind == TMB__KERAS_H5 ? meta : json_object_get(meta, "thimble");
    status = own ? tmb__meta_load(model, own, &p->h5.tensors, p->what) : 0;
    json_decref(meta);
    return status;
}

/* How it was compiled: a member of the config, or an attribute. */
static int load_compiled(tmb_model *model, const parts *p, const json_t *config)
{
    const tmb__h5_attribute *text = tmb__h5_find(&p->h5, "", "training_config");
    json_t *training = NULL;
    int status;

    if (!p->has_weights) return 0;
    if (text && text->n_strings == 1)
        TMB_TRY(tmb__json_parse(&training, text->strings[0], strlen(text->strings[0]), p->what));
    status = tmb__keras_compiled(
            model, training ? training : json_object_get(config, "compile_config"), p->what);
    json_decref(training);
    return status;
}

static int make_model(tmb_model **out, const parts *p, tmb__keras_kind kind, const json_t *config)
{
    tmb__keras_graph graph;
    int status;

    TMB_TRY(tmb__keras_flatten(&graph, config, p->what));
    status = tmb__graph_load(out, graph.graph, count_numbers(p), p->what);
    if (status == 0) {
        if (graph.channels_first) {
            (*out)->file_rows = graph.chw_rows ? TMB_DENSE_CHW : TMB_DENSE_HWC;
            TMB_LOG(INFO,
                    "%s: channels first, made a net with channels last, rows behind a flatten (%s)",
                    tmb__printable(p->what), graph.chw_rows ? "c, h, w" : "h, w, c");
        }
        status = load_compiled(*out, p, config);
        if (status == 0) status = load_weights(*out, p, &graph);
    }
    tmb__keras_graph_free(&graph);
    return status < 0 ? status : load_meta(*out, p, kind);
}

int tmb__keras_open(tmb_model **out, const char *path, tmb__keras_kind kind)
{
    parts p = {.what = path};
    json_t *config = NULL;
    int status = read_parts(&p, kind);

    *out = NULL;
    if (status == 0) {
        status = tmb__json_parse(&config, (const char *)p.config.data, p.config.size, path);
    }
    if (status == 0) status = make_model(out, &p, kind, config);
    json_decref(config);
    tmb__free(p.config.data);
    tmb__free(p.meta.data);
    tmb__h5_file_free(&p.h5);
    if (status == 0) return 0;
    tmb_model_free(*out);
    *out = NULL;
    return status;
}
