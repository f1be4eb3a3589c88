/* graph_edit.c - a net's layers in Keras' order; a net cut off at one of its layers
 *
 * keras.Model lists layers by their distance from the output, the farthest first (the longest way
 * counts), and those equally far in the order in which a walk from the output, first input first, meets
 * them (keras/src/ops/function.py, map_graph). Files of weights follow that list, so a net with branches
 * has to stand in it to be filled in order. */
#include "nn/layer.h"

#include <stdlib.h>
#include <string.h>

typedef struct place {
    int layer;  /* from 0 */
    int far;    /* the longest way to the output, in layers; -1: the output does not need it */
    int met;    /* how many were met before it */
    bool known; /* it has been met */
} place;

/* Consumers stand behind what they read, so that one way back over the list is enough. */
static void measure(const tmb_model *model, place *places, int output)
{
    for (int k = 0; k < model->n_layers; k++)
        places[k] = (place){.layer = k, .far = -1};
    places[output].far = 0;
    for (int k = output; k >= 0; k--) {
        const tmb__layer *layer = &model->layers[k];

        for (int i = 0; i < layer->n_from && places[k].far >= 0; i++) {
            place *from = &places[layer->from[i] - 1];

            from->far = TMB_MAX(from->far, places[k].far + 1);
        }
    }
}

/* A walk as of a function that calls itself for each input; `stack` has room for every edge. */
static void walk(const tmb_model *model, place *places, int *stack)
{
    int n = 0, met = 0;

    stack[n++] = model->n_layers - 1;
    while (n > 0) {
        const int k = stack[--n];
        const tmb__layer *layer = &model->layers[k];

        if (places[k].known) continue;
        places[k].known = true;
        places[k].met = met++;
        for (int i = layer->n_from - 1; i >= 0; i--)
            stack[n++] = layer->from[i] - 1;
    }
}

static int compare_places(const void *a, const void *b)
{
    const place *p = a, *q = b;

    return p->far != q->far ? (p->far < q->far ? 1 : -1) : (p->met > q->met) - (p->met < q->met);
}

/* What was measured is measured still, unless it is gone or the output itself. */
static void renumber_unknown(tmb_model *model, const int *number, int n)
{
    const int layer = model->unknown ? number[model->unknown->layer - 1] : 0;

    if (layer == 0 || layer == n)
        tmb__model_forget(model, 1);
    else
        model->unknown->layer = layer;
}

/* The layers that the first n of `places` name, in that order. */
static int rebuild(tmb_model *model, const place *places, int n)
{
    tmb__layer *layers = tmb__realloc(NULL, (size_t)n, sizeof *layers);
    int *number = tmb__calloc((size_t)model->n_layers, sizeof *number);

    if (!layers || !number) {
        tmb__free(layers);
        tmb__free(number);
        return TMB_ENOMEM;
    }
    for (int k = 0; k < n; k++) {
        layers[k] = model->layers[places[k].layer];
        number[places[k].layer] = k + 1;
        for (int i = 0; i < layers[k].n_from; i++)
            layers[k].from[i] = number[layers[k].from[i] - 1];
    }
    renumber_unknown(model, number, n);
    tmb__free(number);
    tmb__free(model->layers);
    model->layers = layers;
    model->n_layers = model->cap_layers = n;
    tmb__model_touch(model);
    return 0;
}

/* `places` in Keras' order. */
static int sort_places(const tmb_model *model, place *places)
{
    const size_t n = (size_t)model->n_layers;
    int *stack = tmb__calloc(n * TMB_LAYER_INPUTS + 1, sizeof *stack);

    if (!stack) return TMB_ENOMEM;
    measure(model, places, model->n_layers - 1);
    walk(model, places, stack);
    qsort(places, n, sizeof *places, compare_places);
    tmb__free(stack);
    return 0;
}

int tmb__model_order(const tmb_model *model, int *order)
{
    place *places = tmb__calloc((size_t)model->n_layers, sizeof *places);
    int status = places ? sort_places(model, places) : TMB_ENOMEM;

    for (int k = 0; k < model->n_layers && status == 0; k++)
        order[k] = places[k].layer;
    tmb__free(places);
    return status;
}

int tmb__model_sort(tmb_model *model)
{
    place *places;
    int status;

    TMB_TRY(tmb__model_is_whole(model));
    places = tmb__calloc((size_t)model->n_layers, sizeof *places);
    if (!places) return TMB_ENOMEM;
    status = sort_places(model, places);
    if (status == 0) status = rebuild(model, places, model->n_layers);
    tmb__free(places);
    return status;
}

/* The arena with the weights that are left, close together. */
static int pack_arena(tmb_model *model)
{
    int64_t total = 0, at = 0;
    float *packed;

    for (int k = 0; k < model->n_layers; k++) {
        for (int i = 0; i < model->layers[k].n_weights; i++)
            total += tmb__shape_count(&model->layers[k].weight[i].shape);
    }
    packed = tmb__realloc(NULL, (size_t)TMB_MAX(total, 1), sizeof *packed);
    if (!packed) return TMB_ENOMEM;
    for (int k = 0; k < model->n_layers; k++) {
        for (int i = 0; i < model->layers[k].n_weights; i++) {
            tmb__weight *weight = &model->layers[k].weight[i];
            const int64_t n = tmb__shape_count(&weight->shape);

            memcpy(packed + at, model->weights + weight->offset, (size_t)n * sizeof *packed);
            weight->offset = at;
            at += n;
        }
    }
    tmb__free(model->weights);
    model->weights = packed;
    model->n_weights = total;
    return 0;
}

int tmb__model_cut(tmb_model *model, tmb_layer layer)
{
    place *places;
    int n = 0, status;

    TMB_TRY(tmb_model_check(model));
    TMB_ASSERT(layer >= 1 && layer <= model->n_layers);
    places = tmb__calloc((size_t)model->n_layers, sizeof *places);
    if (!places) return TMB_ENOMEM;
    measure(model, places, layer - 1);
    for (int k = 0; k < model->n_layers; k++) {
        if (places[k].far >= 0) places[n++] = places[k];
    }
    status = rebuild(model, places, n);
    tmb__free(places);
    return status < 0 ? status : pack_arena(model);
}
