/* learn_unknown.c - how a trained net tells photos that look like none it has learned
 *
 * Training moves what lies below the last dense layer, and with it the distances that were measured
 * there. They are fitted anew on the training photos as they are, but no limit can be set on these: the
 * net has been drawn to them, and they lie closer than any photo yet to come. So held-out ones set it. */
#include "transfer/transfer.h"

/* What the last dense layer sees. */
static int find_layer(const tmb_model *model, tmb_layer *out)
{
    int k = model->n_layers - 1;

    while (k > 0 && model->layers[k].kind != TMB__LAYER_DENSE)
        k--;
    *out = k > 0 ? model->layers[k].from[0] : 0;
    if (*out > 1 && tmb__model_is_cut(model, *out)) return 0;
    return tmb__fail(
            TMB_EMODEL, "unknown photos are told below a dense layer, of which the net has none");
}

static int check(const tmb_model *model, const tmb_images *images, const tmb_unknown_opts *o)
{
    const int outputs = tmb_model_outputs(model), expected = outputs == 1 ? 2 : outputs;

    if (!(o->keep >= 0 && o->keep <= 1))
        return tmb__fail(TMB_EINVAL, "unknown photos: keep is %g, 0 to 1 expected", o->keep);
    if (tmb_images_classes(images) == expected) return 0;
    return tmb__fail(TMB_EINVAL, "unknown photos: the photos have %d classes, the net %d",
            tmb_images_classes(images), expected);
}

/* Views as a prediction takes them. */
static int see(tmb_features *out, tmb_model *model, tmb_layer layer, tmb_images *images,
        const tmb_unknown_opts *o)
{
    const tmb_extract_opts opts = {.flip = model->has_preprocess && model->preprocess.flip_views,
            .batch = o->batch,
            .on_progress = o->on_progress,
            .user = o->user,
            .stop = o->stop};

    TMB_TRY(tmb__features_at(out, model, layer, images, &opts));
    return tmb__features_check(out);
}

int tmb_model_learn_unknown(
        tmb_model *model, tmb_images *images, tmb_images *held_out, const tmb_unknown_opts *opts)
{
    const tmb_unknown_opts none = {0}, *o = opts ? opts : &none;
    tmb_features learned = {0}, judged = {0};
    tmb_unknown *unknown = NULL;
    tmb_layer layer;
    int status;

    if (!model || !images || !held_out)
        return tmb__fail(TMB_EINVAL, "unknown photos: model, images or held_out is NULL");
    TMB_TRY(tmb__model_validate(model));
    TMB_TRY(find_layer(model, &layer));
    TMB_TRY(check(model, images, o));
    status = see(&learned, model, layer, images, o);
    if (status == 0) status = see(&judged, model, layer, held_out, o);
    if (status == 0)
        status = tmb__unknown_judged(&unknown, &learned, &judged, o->keep > 0 ? o->keep : 0.99);
    tmb_features_free(&learned);
    tmb_features_free(&judged);
    TMB_TRY(status);
    tmb__unknown_free(model->unknown);
    model->unknown = unknown;
    unknown->layer = layer;
    return 0;
}
