/* keras_match.c - which layer of a Keras file fills which layer of the net
 *
 * In their order: layers without weights are left out on both sides, and the n-th then fills the n-th, as
 * Keras' load_weights has it. Keras 3 lists layers by class, so there the n-th Conv2D fills the n-th
 * Conv2D; layers of a model inside the model come before those beside it. By name: layers of the same
 * name, wherever they stand. A net that was made from Keras' own config knows the place of each layer in
 * the file, and is matched by that. */
#include "io/keras_h5.h"

#include <stdlib.h>
#include <string.h>

static int count_weighted(const tmb_model *model)
{
    int n = 0;

    for (int k = 0; k < model->n_layers; k++)
        n += model->layers[k].n_weights > 0;
    return n;
}

/* Numbers of layers as the file lists them, or as Keras 3 counts them. */
static int compare_places(const tmb__keras_layer *a, const tmb__keras_layer *b)
{
    if (a->depth != b->depth) return b->depth - a->depth;
    return a->number - b->number;
}

/* The file's layer that is number n of its class; -1: there are fewer. */
static int nth_of_class(const tmb__keras_file *file, const char *stem, int n)
{
    for (int k = 0; k < file->n_layers; k++) {
        int before = 0;

        if (strcmp(file->layers[k].stem, stem) != 0) continue;
        for (int i = 0; i < file->n_layers; i++) {
            const int order = compare_places(&file->layers[i], &file->layers[k]);

            if (strcmp(file->layers[i].stem, stem) == 0)
                before += order < 0 || (order == 0 && i < k);
        }
        if (before == n) return k;
    }
    return -1;
}

static int fail_counts(const tmb__keras_file *file, const tmb_model *model)
{
    const int n = count_weighted(model);
    int i = 0, k = 0;

    tmb__fail(TMB_EMODEL, "%s: %d layers with weights, the net has %d", tmb__printable(file->what),
            file->n_layers, n);
    for (; k < model->n_layers && i < file->n_layers; k++) {
        if (model->layers[k].n_weights == 0) continue;
        if (model->layers[k].n_weights != file->layers[i].n) break;
        i++;
    }
    while (k < model->n_layers && model->layers[k].n_weights == 0)
        k++;
    if (i < file->n_layers && k < model->n_layers) {
        tmb__detail("the first that differ: \"%s\" of %d weights in the file, \"%s\" of %d here",
                tmb__printable(file->layers[i].name), file->layers[i].n,
                tmb__printable(model->layers[k].name), model->layers[k].n_weights);
    } else if (i < file->n_layers) {
        tmb__detail("the file goes on with \"%s\"", tmb__printable(file->layers[i].name));
    } else if (k < model->n_layers) {
        tmb__detail("the net goes on with \"%s\"", tmb__printable(model->layers[k].name));
    }
    if (file->n_layers > n)
        tmb__hint("if the file has its classifier on top and the net has not: --prefix takes the "
                  "layers below");
    else
        tmb__hint("if only a part of the net is in the file: --by-name leaves the rest as it is");
    return TMB_EMODEL;
}

/* What is matched, in order: the net's layers as Keras lists them. */
typedef struct matching {
    const tmb__keras_file *file;
    const tmb_model *model;
    const int *order;
    int *source, *unused;
    bool prefix;
} matching;

/* Keras 3: each class by itself. */
static int match_classes(const matching *m)
{
    int seen[TMB__LAYER_KINDS] = {0}, matched = 0;

    for (int o = 0; o < m->model->n_layers; o++) {
        const int k = m->order[o];
        const tmb__layer *layer = &m->model->layers[k];

        if (layer->n_weights == 0) continue;
        m->source[k] = nth_of_class(m->file, tmb__layer_stem(layer->kind), seen[layer->kind]++);
        if (m->source[k] < 0) {
            tmb__fail(TMB_EMODEL, "%s: layer \"%s\": the file has %d layers of class %s",
                    tmb__printable(m->file->what), tmb__printable(layer->name),
                    seen[layer->kind] - 1, tmb__layer_class(layer->kind));
            tmb__hint(
                    "if only a part of the net is in the file: --by-name leaves the rest as it is");
            return TMB_EMODEL;
        }
        matched++;
    }
    *m->unused = m->file->n_layers - matched;
    return *m->unused == 0 || m->prefix ? 0 : fail_counts(m->file, m->model);
}

/* PITFALL: the loader that came with the 2016 file stopped where the net ended, which is how people load
 * the convolutions of vgg16_weights.h5 without its classifier. */
static int match_order(const matching *m)
{
    const bool more = m->prefix || m->file->layout == TMB__KERAS_2016;
    const int n = count_weighted(m->model);
    int i = 0;

    if (m->file->n_layers < n || (m->file->n_layers > n && !more))
        return fail_counts(m->file, m->model);
    for (int o = 0; o < m->model->n_layers; o++) {
        if (m->model->layers[m->order[o]].n_weights > 0) m->source[m->order[o]] = i++;
    }
    *m->unused = m->file->n_layers - n;
    return 0;
}

/* The first few names of each side. */
static int fail_names(const tmb__keras_file *file, const tmb_model *model)
{
    tmb__strbuf here = {0}, there = {0};
    int n = 0;

    for (int i = 0; i < file->n_layers && i < 4; i++)
        tmb__strbuf_add(&there, " \"%s\"", tmb__printable(file->layers[i].name));
    for (int k = 0; k < model->n_layers && n < 4; k++) {
        if (model->layers[k].n_weights == 0) continue;
        tmb__strbuf_add(&here, " \"%s\"", tmb__printable(model->layers[k].name));
        n++;
    }
    tmb__fail(TMB_EMODEL, "%s: no layer has a name of the net's", tmb__printable(file->what));
    if (!here.failed && !there.failed)
        tmb__detail("the file has%s%s, the net%s%s", there.text, file->n_layers > 4 ? " ..." : "",
                here.text ? here.text : " none", n == 4 ? " ..." : "");
    tmb__hint("without --by-name layers are matched in their order");
    tmb__strbuf_free(&here);
    tmb__strbuf_free(&there);
    return TMB_EMODEL;
}

static int match_names(
        const tmb__keras_file *file, const tmb_model *model, int *source, int *unused)
{
    int matched = 0;

    if (file->layout == TMB__KERAS_2016) {
        return tmb__fail(TMB_EINVAL, "%s: a file of this layout has no names of layers",
                tmb__printable(file->what));
    }
    for (int k = 0; k < model->n_layers; k++) {
        for (int i = 0; i < file->n_layers && model->layers[k].n_weights > 0; i++) {
            if (strcmp(file->layers[i].name, model->layers[k].name) != 0) continue;
            source[k] = i;
            matched++;
            break;
        }
    }
    *unused = file->n_layers - matched;
    if (matched > 0) return 0;
    return fail_names(file, model);
}

/* Each layer must have as many weights as its source. */
static int check_counts(const tmb__keras_file *file, const tmb_model *model, const int *source)
{
    for (int k = 0; k < model->n_layers; k++) {
        const tmb__layer *layer = &model->layers[k];
        const tmb__keras_layer *from = source[k] < 0 ? NULL : &file->layers[source[k]];

        if (!from || from->n == layer->n_weights) continue;
        tmb__fail(TMB_EMODEL, "%s: layer \"%s\" (\"%s\" in the file): %d weights, expected %d",
                tmb__printable(file->what), tmb__printable(layer->name), tmb__printable(from->name),
                from->n, layer->n_weights);
        tmb__hint("the nets differ: in the order of their layers, or in their biases");
        return TMB_EMODEL;
    }
    return 0;
}

static bool in_group(const tmb__keras_layer *layer, const char *group)
{
    return strlen(group) == layer->group_length &&
            memcmp(group, layer->group, layer->group_length) == 0;
}

/* The file's layer at a place, -1: none. A group of one layer may have the group's name alone. */
static int find_place(const tmb__keras_file *file, const tmb__keras_place *place)
{
    int in = 0, last = -1;

    for (int i = 0; i < file->n_layers; i++) {
        const tmb__keras_layer *layer = &file->layers[i];

        if (file->layout == TMB__KERAS_3) {
            if (place->container && in_group(layer, place->container)) return i;
        } else if (in_group(layer, place->group)) {
            if (strcmp(layer->name, place->name) == 0) return i;
            in++;
            last = i;
        }
    }
    return in == 1 ? last : -1;
}

/* True if each layer's place is there, and the file has no other layers. */
static bool match_places(const tmb__keras_file *file, const tmb_model *model,
        const tmb__keras_place *places, int *source)
{
    for (int k = 0; k < model->n_layers; k++) {
        if (model->layers[k].n_weights == 0) continue;
        source[k] = find_place(file, &places[k]);
        if (source[k] < 0) return false;
        for (int i = 0; i < k; i++) {
            if (source[i] == source[k]) return false;
        }
    }
    return count_weighted(model) == file->n_layers;
}

static int match(const matching *m, const tmb__keras_place *places)
{
    if (places && match_places(m->file, m->model, places, m->source)) return 0;
    for (int k = 0; k < m->model->n_layers; k++)
        m->source[k] = -1;
    return m->file->layout == TMB__KERAS_3 ? match_classes(m) : match_order(m);
}

int tmb__keras_match(const tmb__keras_file *file, const tmb_model *model,
        const tmb__keras_place *places, const tmb_load_opts *opts, int *source, int *unused)
{
    int *order, status;

    *unused = 0;
    for (int k = 0; k < model->n_layers; k++)
        source[k] = -1;
    order = tmb__calloc((size_t)model->n_layers, sizeof *order);
    if (!order) return TMB_ENOMEM;
    status = opts->by_name ? match_names(file, model, source, unused)
                           : tmb__model_order(model, order);
    if (status == 0 && !opts->by_name) {
        status = match(&(matching){file, model, order, source, unused, opts->prefix}, places);
    }
    tmb__free(order);
    return status < 0 ? status : check_counts(file, model, source);
}

/* ---- when a shape does not fit ---- */

/* A layer of the file that would fit. */
static const tmb__keras_layer *nearest(const tmb__keras_file *file, const tmb__layer *layer)
{
    for (int i = 0; i < file->n_layers; i++) {
        const tmb__keras_layer *from = &file->layers[i];
        bool fits = from->n == layer->n_weights;

        for (int w = 0; w < from->n && fits; w++) {
            fits = tmb__shape_equal(
                    &file->weights[from->first + w].array->shape, &layer->weight[w].shape);
        }
        if (fits) return from;
    }
    return NULL;
}

const char *tmb__likely_cause(const tmb__shape *found, const tmb__shape *expected)
{
    const int last = expected->rank - 1;

    if (found->rank == 4 && expected->rank == 4 && found->dim[0] == expected->dim[3] &&
            found->dim[1] == expected->dim[2] && found->dim[2] == expected->dim[0]) {
        return "the kernels seem to lie as (out, in, height, width): --kernel-order oihw";
    }
    if (found->rank != expected->rank || last < 0) return "the file is of another net";
    if (expected->rank == 2 && found->dim[0] == expected->dim[1] &&
            found->dim[1] == expected->dim[0]) {
        return "rows and columns are exchanged, as PyTorch stores them; Keras has (in, out)";
    }
    if (expected->rank == 2 && found->dim[1] == expected->dim[1]) {
        return "the layer reads another number of values: another size of photos, or other layers "
               "before it";
    }
    if (expected->rank == 2 && found->dim[0] == expected->dim[0]) {
        return "another number of classes or units: --by-name, with this layer named differently, "
               "loads the others";
    }
    if (expected->rank == 4 && found->dim[2] == expected->dim[2]) {
        return found->dim[3] == expected->dim[3]
                ? "kernels of another height and width: the file is of another net"
                : "another number of filters: the file is of another net";
    }
    return "the file is of another net, or its layers are in another order";
}

int tmb__keras_mismatch(
        const tmb__keras_file *file, const tmb_model *model, int layer, int weight, int source)
{
    const tmb__layer *to = &model->layers[layer];
    const tmb__keras_layer *from = &file->layers[source], *other = nearest(file, to);
    const tmb__shape *found = &file->weights[from->first + weight].array->shape;
    const tmb__shape *expected = &to->weight[weight].shape;

    tmb__fail(TMB_EMODEL, "%s: layer \"%s\" (\"%s\" in the file): %s is %s, expected %s",
            tmb__printable(file->what), tmb__printable(to->name), tmb__printable(from->name),
            to->weight[weight].name, tmb__shape_text(found), tmb__shape_text(expected));
    if (other && other != from) {
        tmb__detail(
                "\"%s\" in the file has the shapes that are expected", tmb__printable(other->name));
    }
    tmb__hint("%s", tmb__likely_cause(found, expected));
    return TMB_EMODEL;
}
