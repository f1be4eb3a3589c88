/* graph.c - a model: its list of layers, their names, the arena of weights
 *
 * Layers stand in the order they were added and name layers before them, so the list is always in an
 * order in which it can run. The first error is kept in the model and every later layer is ignored. */
#include "data/data.h"
#include "nn/layer.h"

#include <stdio.h>
#include <string.h>

/* Far above any net there is; keeps the cost of a hostile file's graph small. */
enum { MOST_LAYERS = 8192 };

static const struct {
    const char *class_name, *stem;
    const tmb__layer_type *type;
} kinds[] = {
#define X(KIND, class_name, snake_name, type) {class_name, snake_name, &tmb__type_##type},
#include "nn/layers.def"
#undef X
};

const char *tmb__layer_class(tmb__layer_kind kind)
{
    return kinds[kind].class_name;
}

const char *tmb__layer_stem(tmb__layer_kind kind)
{
    return kinds[kind].stem;
}

const tmb__layer_type *tmb__layer_type_of(tmb__layer_kind kind)
{
    return kinds[kind].type;
}

/* ---- names ---- */

tmb_layer tmb_model_find(const tmb_model *model, const char *name)
{
    if (!model || !name) return 0;
    for (int i = 0; i < model->n_layers; i++) {
        if (strcmp(model->layers[i].name, name) == 0) return i + 1;
    }
    return 0;
}

/* As Keras 3 counts within one net: conv2d, conv2d_1, conv2d_2, ... */
static void count_name(const tmb_model *model, tmb__layer *layer)
{
    const char *stem = kinds[layer->kind].stem;

    snprintf(layer->name, sizeof layer->name, "%s", stem);
    for (int n = 1; tmb_model_find(model, layer->name); n++)
        snprintf(layer->name, sizeof layer->name, "%s_%d", stem, n);
}

/* A name becomes part of tensors' names in files: "layer/weight". */
static int take_name(const tmb_model *model, tmb__layer *layer, const char *name)
{
    if (!name) {
        count_name(model, layer);
        return 0;
    }
    if (!*name || strlen(name) >= sizeof layer->name)
        return tmb__fail(TMB_EINVAL, "layer name '%s' has %zu bytes, 1 to %zu expected",
                tmb__printable(name), strlen(name), sizeof layer->name - 1);
    for (const char *c = name; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == '/' || *c == 127)
            return tmb__fail(TMB_EINVAL, "layer name '%s' has a '/' or a control character",
                    tmb__printable(name));
    }
    if (tmb_model_find(model, name))
        return tmb__fail(TMB_EINVAL, "layer name '%s' is taken, each must be there once",
                tmb__printable(name));
    memcpy(layer->name, name, strlen(name) + 1);
    return 0;
}

/* ---- adding a layer ---- */

static int take_inputs(const tmb_model *model, tmb__layer *layer, const tmb_layer *from, int n_from,
        tmb__shape *in)
{
    const tmb__layer_type *type = kinds[layer->kind].type;

    if (n_from < type->inputs_min || n_from > type->inputs_max)
        return tmb__layer_fail(layer, "it has %d inputs, %d to %d expected", n_from,
                type->inputs_min, type->inputs_max);
    for (int i = 0; i < n_from; i++) {
        const int number = from[i] ? from[i] : model->n_layers;

        if (number < 1 || number > model->n_layers)
            return tmb__layer_fail(layer, "from is %d, one of the layers 1 to %d expected", number,
                    model->n_layers);
        layer->from[i] = number;
        in[i] = model->layers[number - 1].out;
    }
    layer->n_from = n_from;
    return 0;
}

/* Place the layer's weights at the arena's end and draw them with seed 0. */
static int grow_arena(tmb_model *model, tmb__layer *layer)
{
    int64_t total = model->n_weights;
    uint64_t number = 0;
    float *bigger;

    for (int i = 0; i < model->n_layers; i++)
        number += (uint64_t)model->layers[i].n_weights;
    for (int i = 0; i < layer->n_weights; i++) {
        layer->weight[i].offset = total;
        total += tmb__shape_count(&layer->weight[i].shape);
    }
    if (total == model->n_weights) return 0;
    if (model->most_weights && total > model->most_weights)
        return tmb__layer_fail(layer, "with it the net has %lld weights, at most %lld expected",
                (long long)total, (long long)model->most_weights);
    bigger = tmb__realloc(model->weights, (size_t)total, sizeof *bigger);
    if (!bigger) return TMB_ENOMEM;
    memset(bigger + model->n_weights, 0, (size_t)(total - model->n_weights) * sizeof *bigger);
    model->weights = bigger;
    model->n_weights = total;
    for (int i = 0; i < layer->n_weights && !model->undrawn; i++)
        tmb__init_fill(
                &layer->weight[i], bigger + layer->weight[i].offset, 0, number + (uint64_t)i);
    return 0;
}

static int grow_layers(tmb_model *model)
{
    const int wanted = model->cap_layers ? 2 * model->cap_layers : 16;
    tmb__layer *bigger;

    if (model->n_layers < model->cap_layers) return 0;
    bigger = tmb__realloc(model->layers, (size_t)wanted, sizeof *bigger);
    if (!bigger) return TMB_ENOMEM;
    model->layers = bigger;
    model->cap_layers = wanted;
    return 0;
}

static int add(
        tmb_model *model, tmb__layer *layer, const tmb_layer *from, int n_from, const char *name)
{
    tmb__shape in[TMB_LAYER_INPUTS] = {0};
    int64_t count;

    if (model->n_layers == MOST_LAYERS)
        return tmb__fail(TMB_EINVAL, "the net has %d layers, no more are taken", MOST_LAYERS);
    TMB_TRY(take_name(model, layer, name));
    TMB_TRY(take_inputs(model, layer, from, n_from, in));
    TMB_TRY(kinds[layer->kind].type->build(layer, in));
    count = tmb__shape_count(&layer->out);
    if (count < 1 || count > TMB__MOST_ELEMENTS)
        return tmb__layer_fail(layer, "its output %s has more than %lld values",
                tmb__shape_text(&layer->out), (long long)TMB__MOST_ELEMENTS);
    TMB_TRY(grow_layers(model));
    TMB_TRY(grow_arena(model, layer));
    tmb__model_forget(model, 1);
    model->layers[model->n_layers++] = *layer;
    tmb__model_touch(model);
    return 0;
}

tmb_layer tmb__model_add(tmb_model *model, tmb__layer_kind kind, const tmb__layer_config *config,
        const tmb_layer *from, int n_from, const char *name, bool trainable)
{
    tmb__layer layer = {.kind = kind, .config = *config, .trainable = trainable};
    int status;

    if (!model) {
        tmb__fail(TMB_EINVAL, "model is NULL");
        return 0;
    }
    if (model->failure.status < 0) return 0;
    status = add(model, &layer, from, n_from, name);
    if (status == 0) return model->n_layers;
    tmb__failure_save(&model->failure, status);
    return 0;
}

tmb_layer tmb__model_refuse(tmb_model *model, const char *option, int value)
{
    const int status = tmb__fail(
            TMB_EINVAL, "%s is number %d, one of those in the header expected", option, value);

    if (model && model->failure.status == 0) tmb__failure_save(&model->failure, status);
    return 0;
}

/* ---- the model ---- */

int tmb_model_new(tmb_model **out, int height, int width, int channels)
{
    const tmb__layer_config config = {.shape = {height, width, channels}};
    tmb_model *model;
    int status;

    if (!out) return tmb__fail(TMB_EINVAL, "out is NULL");
    *out = NULL;
    model = tmb__calloc(1, sizeof *model);
    if (!model) return TMB_ENOMEM;
    tmb__model_add(model, TMB__LAYER_INPUT, &config, NULL, 0, NULL, true);
    status = tmb_model_check(model);
    if (status < 0)
        tmb_model_free(model);
    else
        *out = model;
    return status;
}

void tmb_model_free(tmb_model *model)
{
    if (!model) return;
    if (model->training_free) model->training_free(model->training);
    tmb__model_touch(model);
    if (model->own_device) tmb_device_free(model->device);
    tmb_model_set_classes(model, NULL, 0);
    tmb__preprocess_drop(&model->preprocess);
    tmb__unknown_free(model->unknown);
    tmb__optimizer_free(model->optimizer);
    tmb__free(model->golden);
    tmb__free(model->record);
    tmb__free(model->weights);
    tmb__free(model->layers);
    tmb__free(model);
}

int tmb_model_check(tmb_model *model)
{
    if (!model) return tmb__fail(TMB_EINVAL, "model is NULL");
    return model->failure.status < 0 ? tmb__failure_raise(&model->failure) : 0;
}

int tmb__model_is_whole(const tmb_model *model)
{
    if (!model) return tmb__fail(TMB_EINVAL, "model is NULL");
    if (model->failure.status < 0) return tmb__failure_raise(&model->failure);
    if (model->n_layers < 2) return tmb__fail(TMB_EINVAL, "the net has no layers but its input");
    for (int i = 1; i < model->n_layers; i++) {
        bool used = i == model->n_layers;

        for (int k = i; k < model->n_layers; k++) {
            for (int j = 0; j < model->layers[k].n_from; j++)
                used = used || model->layers[k].from[j] == i;
        }
        if (!used)
            return tmb__layer_fail(&model->layers[i - 1],
                    "no other layer reads it; a net has one output, the layer added last");
    }
    return 0;
}

int tmb__model_validate(tmb_model *model)
{
    return tmb__model_is_whole(model);
}

/* ---- parts of a net ---- */

bool tmb__model_is_cut(const tmb_model *model, tmb_layer layer)
{
    for (int k = layer; k < model->n_layers; k++) {
        for (int i = 0; i < model->layers[k].n_from; i++) {
            if (model->layers[k].from[i] < layer) return false;
        }
    }
    return true;
}

/* While training it keeps to what it does when predicting, and is not changed. */
static bool is_still(const tmb__layer *layer)
{
    const tmb__layer_type *type = kinds[layer->kind].type;

    if (type == &tmb__type_dropout || type == &tmb__type_spatial_dropout ||
            type == &tmb__type_random)
        return false;
    return layer->n_weights == 0 || !layer->trainable;
}

tmb_layer tmb__model_frozen_cut(const tmb_model *model)
{
    tmb_layer cut = 1;

    for (int k = 1; k < model->n_layers - 1 && is_still(&model->layers[k]); k++) {
        if (tmb__model_is_cut(model, k + 1)) cut = k + 1;
    }
    return cut;
}

int tmb_model_init(tmb_model *model, uint64_t seed)
{
    uint64_t number = 0;

    TMB_TRY(tmb_model_check(model));
    tmb__model_forget(model, 1);
    for (int k = 0; k < model->n_layers; k++) {
        const tmb__layer *layer = &model->layers[k];

        for (int i = 0; i < layer->n_weights; i++)
            tmb__init_fill(
                    &layer->weight[i], model->weights + layer->weight[i].offset, seed, number++);
    }
    tmb__model_touch(model);
    return 0;
}
