/* keras_match.c - which layer of a Keras file fills which layer of the net
 *
 * In their order: layers without weights are left out on both sides, and the n-th then fills the n-th, as
 * Keras' load_weights has it. Keras 3 lists layers by class, so there the n-th Conv2D fills the n-th
 * Conv2D; layers of a model inside the model come before those beside it. By name: layers of the same
 * name, wherever they stand. */
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
        tmb__hint("if the file has its classifier and the net has not, load by name");
    else
        tmb__hint("if only a part of the net is in the file, load by name");
    return TMB_EMODEL;
}

/* Keras 3: each class by itself. */
static int match_classes(
        const tmb__keras_file *file, const tmb_model *model, bool prefix, int *source, int *unused)
{
    int seen[TMB__LAYER_KINDS] = {0}, matched = 0;

    for (int k = 0; k < model->n_layers; k++) {
        const tmb__layer *layer = &model->layers[k];

        if (layer->n_weights == 0) continue;
        source[k] = nth_of_class(file, tmb__layer_stem(layer->kind), seen[layer->kind]++);
        if (source[k] < 0) {
            return tmb__fail(TMB_EMODEL, "%s: layer \"%s\": the file has %d layers of class %s",
                    tmb__printable(file->what), tmb__printable(layer->name), seen[layer->kind] - 1,
                    tmb__layer_class(layer->kind));
        }
        matched++;
    }
    *unused = file->n_layers - matched;
    return *unused == 0 || prefix ? 0 : fail_counts(file, model);
}

/* PITFALL: the loader that came with the 2016 file stopped where the net ended, which is how people load
 * the convolutions of vgg16_weights.h5 without its classifier. */
static int match_order(
        const tmb__keras_file *file, const tmb_model *model, bool prefix, int *source, int *unused)
{
    const bool more = prefix || file->layout == TMB__KERAS_2016;
    const int n = count_weighted(model);
    int i = 0;

    if (file->n_layers < n || (file->n_layers > n && !more)) return fail_counts(file, model);
    for (int k = 0; k < model->n_layers; k++) {
        if (model->layers[k].n_weights > 0) source[k] = i++;
    }
    *unused = file->n_layers - n;
    return 0;
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
    return tmb__fail(TMB_EMODEL, "%s: no layer has a name of the net's; its first is \"%s\"",
            tmb__printable(file->what), tmb__printable(file->layers[0].name));
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

int tmb__keras_match(const tmb__keras_file *file, const tmb_model *model, const tmb_load_opts *opts,
        int *source, int *unused)
{
    *unused = 0;
    for (int k = 0; k < model->n_layers; k++)
        source[k] = -1;
    if (opts->by_name)
        TMB_TRY(match_names(file, model, source, unused));
    else if (file->layout == TMB__KERAS_3)
        TMB_TRY(match_classes(file, model, opts->prefix, source, unused));
    else
        TMB_TRY(match_order(file, model, opts->prefix, source, unused));
    return check_counts(file, model, source);
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

static const char *likely_cause(const tmb__shape *found, const tmb__shape *expected)
{
    const int last = expected->rank - 1;

    if (found->rank == 4 && expected->rank == 4 && found->dim[0] == expected->dim[3] &&
            found->dim[1] == expected->dim[2] && found->dim[2] == expected->dim[0]) {
        return "the kernels seem to lie as (out, in, height, width): kernel order OIHW";
    }
    if (found->rank != expected->rank || last < 0) return "the file is of another net";
    if (expected->rank == 2 && found->dim[1] == expected->dim[1]) {
        return "the layer reads another number of values: another size of photos, or other layers "
               "before it";
    }
    if (expected->rank == 2 && found->dim[0] == expected->dim[0]) {
        return "another number of classes or units: load by name with this layer named differently";
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
    tmb__hint("%s", likely_cause(found, expected));
    return TMB_EMODEL;
}
