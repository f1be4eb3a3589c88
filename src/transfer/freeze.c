/* freeze.c - which part of a net is trained
 *
 * As Keras users do it: model.layers[:k] frozen, in the order of the list. Batch normalisation that trains
 * on few photos forgets what its statistics were made of, so it may stay frozen above that too. */
#include "transfer/transfer.h"

static int unknown_layer(const tmb_model *model, const char *name)
{
    int best = 1;

    for (int k = 1; k < model->n_layers; k++) {
        if (tmb__edit_distance(name, model->layers[k].name) <
                tmb__edit_distance(name, model->layers[best].name))
            best = k;
    }
    tmb__fail(TMB_EINVAL, "the net has no layer \"%s\"", tmb__printable(name));
    if (best < model->n_layers) tmb__hint("did you mean %s?", model->layers[best].name);
    return TMB_EINVAL;
}

int tmb_model_freeze(tmb_model *model, const char *until, bool frozen_norms)
{
    tmb_layer last = 0;

    TMB_TRY(tmb_model_check(model));
    if (until) {
        last = tmb_model_find(model, until);
        if (last == 0) return unknown_layer(model, until);
    }
    for (int k = 0; k < model->n_layers; k++) {
        tmb__layer *layer = &model->layers[k];

        layer->trainable = k >= last && !(frozen_norms && layer->kind == TMB__LAYER_BATCHNORM);
    }
    return 0;
}
