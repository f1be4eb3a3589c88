/* layer_act.c - Activation and Dropout
 *
 * An Activation after a layer that can apply it itself costs nothing: lower.c lets that layer do it.
 * Dropout is there in training only. */
#include "nn/layer.h"

static int activation_build(tmb__layer *layer, const tmb__shape *in)
{
    layer->out = *in;
    return tmb__layer_check_activation(layer);
}

static void activation_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb__place *place = tmb__place_of(b, layer);
    const bool softmax = place->act == TMB_SOFTMAX;
    tmb_op op = tmb__op_of(b, layer, softmax ? TMB_OP_SOFTMAX : TMB_OP_ACT);

    op.in[0] = tmb__value_in(b, layer, 0);
    if (place->absorbed || place->act == TMB_LINEAR) {
        place->y = op.in[0];
        return;
    }
    place->z = op.in[0];
    place->y = op.out[0] = tmb__emit_batch(b, layer, "y", &layer->out);
    if (!softmax) op.attr.act = place->act;
    if (!softmax) op.attr.alpha = place->alpha;
    tmb__emit(b, &op);
}

static void activation_backward(tmb__builder *b, const tmb__layer *layer)
{
    if (tmb__wants_gradient(b, layer, 0))
        tmb__pass_gradient(b, layer, 0, tmb__gradient_in(b, layer));
}

static int dropout_build(tmb__layer *layer, const tmb__shape *in)
{
    layer->out = *in;
    return tmb__layer_check_float(layer, "rate", layer->config.rate, 0, 1);
}

static bool drops(const tmb__builder *b, const tmb__layer *layer)
{
    return b->train && layer->config.rate > 0;
}

/* attr.id tells the random streams of layers apart: the layer's number. */
static tmb_op dropout_op(const tmb__builder *b, const tmb__layer *layer, tmb_op_kind kind)
{
    tmb_op op = tmb__op_of(b, layer, kind);

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
    if (drops(b, layer))
        tmb__emit_back(b, layer, 0, &op);
    else
        tmb__pass_gradient(b, layer, 0, op.in[0]);
}

const tmb__layer_type tmb__type_activation = {
        1, 1, false, activation_build, activation_forward, activation_backward};
const tmb__layer_type tmb__type_dropout = {
        1, 1, false, dropout_build, dropout_forward, dropout_backward};

tmb_layer tmb_model_add_activation(tmb_model *model, const tmb_activation_opts *opts)
{
    const tmb_activation_opts o = opts ? *opts : (tmb_activation_opts){0};
    const tmb__layer_config config = {.activation = o.activation, .alpha = o.alpha};

    return tmb__model_add(model, TMB__LAYER_ACTIVATION, &config, &o.from, 1, o.name, true);
}

tmb_layer tmb_model_add_dropout(tmb_model *model, const tmb_dropout_opts *opts)
{
    const tmb_dropout_opts o = opts ? *opts : (tmb_dropout_opts){0};
    const tmb__layer_config config = {.rate = o.rate};

    return tmb__model_add(model, TMB__LAYER_DROPOUT, &config, &o.from, 1, o.name, true);
}
