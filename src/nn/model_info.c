/* model_info.c - looking at a model and setting its parts: layers, weights, classes, preprocessing */
#include "data/data.h"
#include "nn/layer.h"

#include <math.h>
#include <string.h>

/* The layer of that number, or NULL with the message set. */
static tmb__layer *layer_at(const tmb_model *model, tmb_layer layer)
{
    if (!model) {
        tmb__fail(TMB_EINVAL, "model is NULL");
        return NULL;
    }
    if (layer < 1 || layer > model->n_layers) {
        tmb__fail(TMB_EINVAL, "layer is %d, 1 to %d expected", layer, model->n_layers);
        return NULL;
    }
    return &model->layers[layer - 1];
}

static int64_t count_params(const tmb__layer *layer, bool trainable_only)
{
    int64_t n = 0;

    for (int i = 0; i < layer->n_weights; i++) {
        if (trainable_only && (!layer->trainable || layer->weight[i].moving)) continue;
        n += tmb__shape_count(&layer->weight[i].shape);
    }
    return n;
}

int tmb_model_layers(const tmb_model *model)
{
    return model ? model->n_layers : 0;
}

int tmb_model_layer(const tmb_model *model, tmb_layer layer, tmb_layer_info *out)
{
    const tmb__layer *l = layer_at(model, layer);

    if (!l) return TMB_EINVAL;
    if (!out) return tmb__fail(TMB_EINVAL, "out is NULL");
    *out = (tmb_layer_info){
            .name = l->name,
            .class_name = tmb__layer_class(l->kind),
            .rank = l->out.rank,
            .params = count_params(l, false),
            .n_weights = l->n_weights,
            .trainable = l->trainable,
    };
    for (int i = 0; i < l->out.rank; i++)
        out->shape[i] = (int)l->out.dim[i];
    for (int i = 0; i < l->n_from; i++)
        out->from[i] = l->from[i];
    return 0;
}

int64_t tmb_model_params(const tmb_model *model, bool trainable_only)
{
    int64_t n = 0;

    for (int i = 0; model && i < model->n_layers; i++)
        n += count_params(&model->layers[i], trainable_only);
    return n;
}

int tmb_model_outputs(const tmb_model *model)
{
    if (!model || model->n_layers < 1) return 0;
    return (int)tmb__shape_count(&model->layers[model->n_layers - 1].out);
}

int tmb_model_set_trainable(tmb_model *model, tmb_layer layer, bool trainable)
{
    tmb__layer *l = layer_at(model, layer);

    if (!l) return TMB_EINVAL;
    l->trainable = trainable;
    return 0;
}

/* ---- weights ---- */

static tmb__weight *weight_at(const tmb_model *model, tmb_layer layer, int i)
{
    tmb__layer *l = layer_at(model, layer);

    if (!l) return NULL;
    if (i >= 0 && i < l->n_weights) return &l->weight[i];
    tmb__fail(TMB_EINVAL, "layer %s (%s) has %d weights, there is no number %d", l->name,
            tmb__layer_class(l->kind), l->n_weights, i);
    return NULL;
}

int tmb_model_weight(const tmb_model *model, tmb_layer layer, int i, const char **name, int *rank,
        int64_t dim[4], const float **values)
{
    const tmb__weight *weight = weight_at(model, layer, i);

    if (!weight) return TMB_EINVAL;
    if (name) *name = weight->name;
    if (rank) *rank = weight->shape.rank;
    for (int k = 0; dim && k < weight->shape.rank; k++)
        dim[k] = weight->shape.dim[k];
    if (values) *values = model->weights + weight->offset;
    return 0;
}

int tmb_model_set_weight(
        tmb_model *model, tmb_layer layer, int i, const float *values, int64_t count)
{
    const tmb__weight *weight = weight_at(model, layer, i);

    if (!weight) return TMB_EINVAL;
    if (!values) return tmb__fail(TMB_EINVAL, "values is NULL");
    if (count != tmb__shape_count(&weight->shape))
        return tmb__fail(TMB_EINVAL, "%lld values given for %s/%s, %lld expected for its shape %s",
                (long long)count, model->layers[layer - 1].name, weight->name,
                (long long)tmb__shape_count(&weight->shape), tmb__shape_text(&weight->shape));
    memcpy(model->weights + weight->offset, values, (size_t)count * sizeof *values);
    tmb__model_forget(model, layer);
    tmb__model_touch(model);
    return 0;
}

/* ---- what a net means ---- */

static void free_classes(char **classes, int n)
{
    for (int i = 0; classes && i < n; i++)
        tmb__free(classes[i]);
    tmb__free(classes);
}

int tmb_model_set_classes(tmb_model *model, const char *const *names, int n)
{
    char **copy = NULL;

    if (!model) return tmb__fail(TMB_EINVAL, "model is NULL");
    if (n < 0 || (n > 0 && !names)) return tmb__fail(TMB_EINVAL, "names is NULL or n negative");
    for (int i = 0; i < n; i++) {
        if (!names[i]) return tmb__fail(TMB_EINVAL, "the name of class %d is NULL", i);
    }
    if (n > 0) copy = tmb__calloc((size_t)n, sizeof *copy);
    if (n > 0 && !copy) return TMB_ENOMEM;
    for (int i = 0; i < n; i++) {
        copy[i] = tmb__strdup(names[i]);
        if (copy[i]) continue;
        free_classes(copy, n);
        return TMB_ENOMEM;
    }
    free_classes(model->classes, model->n_classes);
    model->classes = copy;
    model->n_classes = n;
    return 0;
}

int tmb_model_classes(const tmb_model *model)
{
    return model ? model->n_classes : 0;
}

const char *tmb_model_class_name(const tmb_model *model, int label)
{
    return model && label >= 0 && label < model->n_classes ? model->classes[label] : NULL;
}

int tmb_model_set_preprocess(tmb_model *model, const tmb_preprocess *pre)
{
    const tmb__shape *in;

    TMB_TRY(tmb_model_check(model));
    if (!pre) return tmb__fail(TMB_EINVAL, "pre is NULL");
    in = &model->layers[0].out;
    if (pre->size[0] != in->dim[0] || pre->size[1] != in->dim[1] || pre->channels != in->dim[2])
        return tmb__fail(TMB_EINVAL, "preprocessing gives photos of (%d, %d, %d), the net takes %s",
                pre->size[0], pre->size[1], pre->channels, tmb__shape_text(in));
    TMB_TRY(tmb__preprocess_check(pre));
    tmb__preprocess_share(&model->preprocess, pre);
    model->has_preprocess = true;
    return 0;
}

const tmb_preprocess *tmb_model_preprocess(const tmb_model *model)
{
    return model && model->has_preprocess ? &model->preprocess : NULL;
}

int tmb_model_set_record(tmb_model *model, const char *json)
{
    char *copy = NULL;

    if (!model) return tmb__fail(TMB_EINVAL, "model is NULL");
    if (json) copy = tmb__strdup(json);
    if (json && !copy) return TMB_ENOMEM;
    tmb__free(model->record);
    model->record = copy;
    return 0;
}

const char *tmb_model_record(const tmb_model *model)
{
    return model ? model->record : NULL;
}
