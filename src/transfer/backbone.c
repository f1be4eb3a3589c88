/* backbone.c - pre-trained networks as a model from photos to features
 *
 * One network is the zoo's own model. Several are copied side by side into one model that takes pixels
 * 0..255 in the order RGB: each begins with a 1 x 1 convolution that does what its preprocessing would,
 *   x[c] = pixel[bgr ? 2 - c : c] * scale[c] + offset[c],
 * and the pooled features of all are concatenated. The padding of a network comes after that, so that it
 * pads with its own zeros. */
#include "transfer/transfer.h"

#include <stdio.h>
#include <string.h>

/* ---- one network ---- */

static const float post_scale = 1 / 255.0f;

static int open_net(tmb_model **out, const tmb_backbone_opts *o, int i, const int size[2])
{
    tmb_zoo_opts zoo = {.size = {size[0], size[1]},
            .pooling = o->pooling,
            .until = o->until,
            .weights = o->weights[i]};
    char *path = NULL;
    int status = 0;

    *out = NULL;
    if (o->random)
        zoo.weights = NULL;
    else if (!zoo.weights)
        status = tmb_zoo_path(&path, o->names[i], o->store);
    if (path) zoo.weights = path;
    if (status == 0) status = tmb_zoo_model(out, o->names[i], &zoo);
    tmb__free(path);
    return status;
}

/* RGB / 255, read as Keras of that year read photos. */
static void take_post_pixels(tmb_preprocess *pre)
{
    pre->filter = TMB_NEAREST;
    pre->ignore_exif = true;
    pre->bgr = false;
    for (int c = 0; c < 3; c++) {
        pre->scale[c] = post_scale;
        pre->offset[c] = 0;
    }
}

/* ---- several side by side ---- */

/* The convolution that makes a network's own pixels. */
static tmb_layer add_pixels(tmb_model *model, const char *net, const tmb_preprocess *pre)
{
    float kernel[3][3] = {{0}}, bias[3]; /* (in, out), (out) */
    char name[64];
    tmb_layer layer;

    for (int c = 0; c < 3; c++) {
        kernel[pre->bgr ? 2 - c : c][c] = pre->scale[c];
        bias[c] = pre->offset[c];
    }
    snprintf(name, sizeof name, "%s.pixels", net);
    layer = tmb_conv2d(
            model, .filters = 3, .kernel = {1, 1}, .frozen = true, .name = name, .from = 1);
    if (layer == 0) return 0;
    tmb_model_set_weight(model, layer, 0, kernel[0], 9);
    tmb_model_set_weight(model, layer, 1, bias, 3);
    return layer;
}

/* Copy `net` onto layer `first`, which stands for its input; gives the layer that is its output. */
static tmb_layer add_net(
        tmb_model *model, const tmb_model *net, const char *prefix, tmb_layer first, int *number)
{
    number[0] = first;
    for (int k = 1; k < net->n_layers; k++) {
        const tmb__layer *layer = &net->layers[k];
        tmb_layer from[TMB_LAYER_INPUTS];
        char name[128];

        for (int i = 0; i < layer->n_from; i++)
            from[i] = number[layer->from[i] - 1];
        snprintf(name, sizeof name, "%s.%s", prefix, layer->name);
        number[k] = tmb__model_add(
                model, layer->kind, &layer->config, from, layer->n_from, name, false);
        if (number[k] == 0) return 0;
        for (int i = 0; i < layer->n_weights; i++)
            tmb_model_set_weight(model, number[k], i, net->weights + layer->weight[i].offset,
                    tmb__shape_count(&layer->weight[i].shape));
    }
    return number[net->n_layers - 1];
}

static tmb_layer join_net(tmb_model *model, const tmb_model *net, const tmb_backbone_opts *o, int i)
{
    tmb_preprocess pre = *tmb_model_preprocess(net);
    int *number = tmb__calloc((size_t)net->n_layers, sizeof *number);
    tmb_layer layer = 0;

    if (!number) return 0;
    if (o->post_pixels) take_post_pixels(&pre);
    layer = add_pixels(model, o->names[i], &pre);
    if (layer) layer = add_net(model, net, o->names[i], layer, number);
    tmb__free(number);
    return layer;
}

static int join_nets(tmb_model *model, const tmb_backbone_opts *o, int n, const int size[2])
{
    tmb_merge_opts merge = {.name = "features"};
    tmb_preprocess pre = {.size = {size[0], size[1]},
            .channels = 3,
            .ignore_exif = o->post_pixels,
            .scale = {1, 1, 1}};

    model->undrawn = true;
    for (int i = 0; i < n; i++) {
        tmb_model *net;

        TMB_TRY(open_net(&net, o, i, size));
        pre.filter = o->post_pixels ? TMB_NEAREST : tmb_model_preprocess(net)->filter;
        merge.from[i] = join_net(model, net, o, i);
        tmb_model_free(net);
        TMB_TRY(tmb_model_check(model));
        if (merge.from[i] == 0) return TMB_ENOMEM;
    }
    model->undrawn = false;
    tmb_model_add_concatenate(model, &merge);
    TMB_TRY(tmb_model_check(model));
    return tmb_model_set_preprocess(model, &pre);
}

/* ---- either ---- */

static int check(const tmb_backbone_opts *o, int *n, int size[2])
{
    tmb_zoo first;

    *n = 0;
    while (*n < TMB_BACKBONES && o->names[*n])
        ++*n;
    if (*n == 0) return tmb__fail(TMB_EINVAL, "backbone: no network is named");
    TMB_TRY(tmb_zoo_get(&first, o->names[0]));
    for (int i = 0; i < 2; i++)
        size[i] = o->size[i] ? o->size[i] : first.size;
    if (*n == 1) return 0;
    if (o->until)
        return tmb__fail(TMB_EINVAL, "backbone: until is for a single network, %d are named", *n);
    if (o->pooling != TMB_POOLING_NONE) return 0;
    tmb__fail(TMB_EINVAL, "backbone: the features of %d networks need a pooling", *n);
    tmb__hint("TMB_POOLING_AVG or TMB_POOLING_MAX; networks differ in how many places they see");
    return TMB_EINVAL;
}

static int make_one(tmb_model **out, const tmb_backbone_opts *o, const int size[2])
{
    tmb_preprocess pre;

    TMB_TRY(open_net(out, o, 0, size));
    if (!o->post_pixels) return 0;
    pre = *tmb_model_preprocess(*out);
    take_post_pixels(&pre);
    return tmb_model_set_preprocess(*out, &pre);
}

static int make_several(tmb_model **out, const tmb_backbone_opts *o, int n, const int size[2])
{
    TMB_TRY(tmb_model_new(out, size[0], size[1], 3));
    return join_nets(*out, o, n, size);
}

/* "vgg16/block4_pool", "vgg16+mobilenet_v2": what features say that they come from. */
static void note_names(tmb_model *model, const tmb_backbone_opts *o, int n)
{
    size_t at = 0;

    for (int i = 0; i < n && at < sizeof model->backbone; i++)
        at += (size_t)snprintf(model->backbone + at, sizeof model->backbone - at, "%s%s",
                i ? "+" : "", o->names[i]);
    if (o->until && at < sizeof model->backbone)
        snprintf(model->backbone + at, sizeof model->backbone - at, "/%s", o->until);
}

int tmb_backbone_model(tmb_model **out, const tmb_backbone_opts *opts)
{
    int n, size[2], status;

    if (!out) return tmb__fail(TMB_EINVAL, "backbone: out is NULL");
    *out = NULL;
    if (!opts) return tmb__fail(TMB_EINVAL, "backbone: opts are NULL");
    TMB_TRY(check(opts, &n, size));
    status = n == 1 ? make_one(out, opts, size) : make_several(out, opts, n, size);
    if (status < 0) {
        tmb_model_free(*out);
        *out = NULL;
        return status;
    }
    note_names(*out, opts, n);
    for (int k = 0; k < (*out)->n_layers; k++)
        (*out)->layers[k].trainable = false;
    return 0;
}
