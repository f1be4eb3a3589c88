/* layer_noise.c - Dropout, SpatialDropout2D, GaussianDropout, GaussianNoise: there in training only */
#include "nn/layer.h"

static tmb_noise noise_of(const tmb__layer *layer)
{
    switch (layer->kind) {
    case TMB__LAYER_SPATIAL_DROPOUT2D:
        return TMB_NOISE_DROP_CHANNELS;
    case TMB__LAYER_GAUSSIAN_DROPOUT:
        return TMB_NOISE_GAUSSIAN_FACTOR;
    case TMB__LAYER_GAUSSIAN_NOISE:
        return TMB_NOISE_GAUSSIAN;
    default:
        return TMB_NOISE_DROP;
    }
}

static int dropout_build(tmb__layer *layer, const tmb__shape *in)
{
    const bool added = layer->kind == TMB__LAYER_GAUSSIAN_NOISE;

    layer->out = *in;
    TMB_TRY(tmb__layer_check_float(layer, added ? "stddev" : "rate", layer->config.rate, 0, 1));
    if (layer->kind == TMB__LAYER_GAUSSIAN_DROPOUT && layer->config.rate == 1)
        return tmb__layer_fail(layer, "rate is 1, less than 1 expected");
    return 0;
}

static int spatial_build(tmb__layer *layer, const tmb__shape *in)
{
    TMB_TRY(tmb__layer_check_image(layer, in));
    return dropout_build(layer, in);
}

static bool drops(const tmb__builder *b, const tmb__layer *layer)
{
    return b->train && layer->config.rate > 0;
}

/* attr.id tells the random streams of layers apart: the layer's number. */
static tmb_op dropout_op(const tmb__builder *b, const tmb__layer *layer, tmb_op_kind kind)
{
    tmb_op op = tmb__op_of(b, layer, kind);

    op.attr.noise = noise_of(layer);
    op.attr.rate = layer->config.rate;
    op.attr.id = (uint32_t)(layer - b->model->layers) + 1;
    return op;
}

static void dropout_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = dropout_op(b, layer, TMB_OP_DROPOUT);

    op.in[0] = tmb__value_in(b, layer, 0);
    if (drops(b, layer))
        tmb__emit_last(b, layer, &op);
    else
        tmb__place_of(b, layer)->y = op.in[0];
}

static void dropout_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = dropout_op(b, layer, TMB_OP_DROPOUT_BWD);

    if (!tmb__wants_gradient(b, layer, 0)) return;
    op.in[0] = tmb__gradient_in(b, layer);
    if (drops(b, layer) && op.attr.noise != TMB_NOISE_GAUSSIAN)
        tmb__emit_back(b, layer, 0, &op);
    else
        tmb__pass_gradient(b, layer, 0, op.in[0]);
}

const tmb__layer_type tmb__type_dropout = {
        1, 1, false, dropout_build, dropout_forward, dropout_backward};
const tmb__layer_type tmb__type_spatial_dropout = {
        1, 1, false, spatial_build, dropout_forward, dropout_backward};

tmb_layer tmb_model_add_dropout(tmb_model *model, const tmb_dropout_opts *opts)
{
    static const tmb__layer_kind kinds[] = {
            [TMB_NOISE_DROP] = TMB__LAYER_DROPOUT,
            [TMB_NOISE_DROP_CHANNELS] = TMB__LAYER_SPATIAL_DROPOUT2D,
            [TMB_NOISE_GAUSSIAN_FACTOR] = TMB__LAYER_GAUSSIAN_DROPOUT,
            [TMB_NOISE_GAUSSIAN] = TMB__LAYER_GAUSSIAN_NOISE,
    };
    const tmb_dropout_opts o = opts ? *opts : (tmb_dropout_opts){0};
    const bool known = (int)o.noise >= 0 && (size_t)o.noise < TMB_COUNT(kinds);
    const tmb__layer_config config = {.rate = o.rate};

    if (!known) return tmb__model_refuse(model, "noise", (int)o.noise);
    return tmb__model_add(model, kinds[o.noise], &config, &o.from, 1, o.name, true);
}
