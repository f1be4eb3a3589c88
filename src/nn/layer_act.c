/* layer_act.c - Activation and Keras' layers of one activation each: ReLU, LeakyReLU, ELU, Softmax, PReLU
 *
 * An activation after a layer that can apply it itself costs nothing: lower.c lets that layer do it. A
 * ReLU with a limit, a slope and a threshold is no activation but a PRELU op without learned slopes. */
#include "nn/layer.h"

static int activation_build(tmb__layer *layer, const tmb__shape *in)
{
    const tmb__layer_config *config = &layer->config;

    layer->out = *in;
    if (config->max_value != 0 || config->threshold != 0)
        return tmb__layer_fail(
                layer, "max_value, negative_slope and threshold go with TMB_RELU only");
    return tmb__layer_check_activation(layer);
}

/* One of the functions that cost nothing if the options come to that; else LINEAR, and a PRELU op. */
static int relu_build(tmb__layer *layer, const tmb__shape *in)
{
    tmb__layer_config *config = &layer->config;
    const bool bent = config->alpha != 0, cut = config->max_value != 0;

    layer->out = *in;
    TMB_TRY(tmb__layer_check_float(layer, "max_value", config->max_value, 0, 1e30));
    TMB_TRY(tmb__layer_check_float(layer, "negative_slope", config->alpha, 0, 1e30));
    TMB_TRY(tmb__layer_check_float(layer, "threshold", config->threshold, 0, 1e30));
    config->activation = TMB_LINEAR;
    if (config->threshold != 0) return 0;
    if (!cut) config->activation = bent ? TMB_LEAKY_RELU : TMB_RELU;
    if (config->max_value == 6 && !bent) config->activation = TMB_RELU6;
    return 0;
}

static int leaky_relu_build(tmb__layer *layer, const tmb__shape *in)
{
    if (layer->config.alpha == 0) layer->config.alpha = 0.3f;
    layer->config.activation = TMB_LEAKY_RELU;
    return activation_build(layer, in);
}

static int elu_build(tmb__layer *layer, const tmb__shape *in)
{
    layer->config.activation = TMB_ELU;
    return activation_build(layer, in);
}

static int softmax_build(tmb__layer *layer, const tmb__shape *in)
{
    layer->config.activation = TMB_SOFTMAX;
    return activation_build(layer, in);
}

static void activation_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb__place *place = tmb__place_of(b, layer);
    tmb_op op = tmb__op_of(b, layer, place->act >= TMB_SOFTMAX ? TMB_OP_SOFTMAX : TMB_OP_ACT);

    op.in[0] = tmb__value_in(b, layer, 0);
    if (place->absorbed || place->act == TMB_LINEAR) {
        place->y = op.in[0];
        return;
    }
    place->z = op.in[0];
    place->y = op.out[0] = tmb__emit_batch(b, layer, "y", &layer->out);
    op.attr.act = place->act;
    op.attr.alpha = place->alpha;
    tmb__emit(b, &op);
}

static void activation_backward(tmb__builder *b, const tmb__layer *layer)
{
    if (tmb__wants_gradient(b, layer, 0))
        tmb__pass_gradient(b, layer, 0, tmb__gradient_in(b, layer));
}

/* ---- slopes ---- */

static tmb_op slope_op(const tmb__builder *b, const tmb__layer *layer, tmb_op_kind kind)
{
    tmb_op op = tmb__op_of(b, layer, kind);

    op.attr.alpha = layer->config.alpha;
    op.attr.threshold = layer->config.threshold;
    op.attr.most = layer->config.max_value;
    return op;
}

static void prelu_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = slope_op(b, layer, TMB_OP_PRELU);

    op.in[0] = tmb__value_in(b, layer, 0);
    op.in[1] = tmb__weight_in(b, layer, "alpha");
    tmb__emit_last(b, layer, &op);
}

static void prelu_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = slope_op(b, layer, TMB_OP_PRELU_BWD);

    op.in[0] = tmb__gradient_in(b, layer);
    op.in[1] = tmb__value_in(b, layer, 0);
    op.in[2] = tmb__weight_in(b, layer, "alpha");
    op.out[1] = tmb__gradient_out(b, layer, "alpha");
    if (tmb__wants_gradient(b, layer, 0))
        tmb__emit_back(b, layer, 0, &op);
    else if (op.out[1] >= 0)
        tmb__emit(b, &op);
}

static void relu_forward(tmb__builder *b, const tmb__layer *layer)
{
    const bool plain = layer->config.activation != TMB_LINEAR;

    (plain ? activation_forward : prelu_forward)(b, layer);
}

static void relu_backward(tmb__builder *b, const tmb__layer *layer)
{
    const bool plain = layer->config.activation != TMB_LINEAR;

    (plain ? activation_backward : prelu_backward)(b, layer);
}

static int prelu_build(tmb__layer *layer, const tmb__shape *in)
{
    const int *shared = layer->config.shape;
    tmb__shape shape = *in;

    if (layer->config.init == 0) layer->config.init = TMB_ZEROS;
    TMB_TRY(tmb__layer_check_kernel(layer));
    for (int i = 0; i < 4 && shared[i] != 0; i++) {
        TMB_TRY(tmb__layer_check_int(layer, "an axis of shared_axes", shared[i], 1, in->rank));
        shape.dim[shared[i] - 1] = 1;
    }
    layer->out = *in;
    return tmb__layer_kernel(layer, "alpha", &shape);
}

const tmb__layer_type tmb__type_activation = {
        1, 1, false, activation_build, activation_forward, activation_backward};
const tmb__layer_type tmb__type_relu = {1, 1, false, relu_build, relu_forward, relu_backward};
const tmb__layer_type tmb__type_leaky_relu = {
        1, 1, false, leaky_relu_build, activation_forward, activation_backward};
const tmb__layer_type tmb__type_elu = {
        1, 1, false, elu_build, activation_forward, activation_backward};
const tmb__layer_type tmb__type_softmax = {
        1, 1, false, softmax_build, activation_forward, activation_backward};
const tmb__layer_type tmb__type_prelu = {1, 1, false, prelu_build, prelu_forward, prelu_backward};

static tmb__layer_kind kind_of(const tmb_activation_opts *o)
{
    if (!o->layer && o->max_value == 0 && o->negative_slope == 0 && o->threshold == 0)
        return TMB__LAYER_ACTIVATION;
    switch (o->activation) {
    case TMB_RELU:
        return TMB__LAYER_RELU;
    case TMB_LEAKY_RELU:
        return TMB__LAYER_LEAKY_RELU;
    case TMB_ELU:
        return TMB__LAYER_ELU;
    case TMB_SOFTMAX:
        return TMB__LAYER_SOFTMAX;
    default:
        return TMB__LAYER_ACTIVATION;
    }
}

tmb_layer tmb_model_add_activation(tmb_model *model, const tmb_activation_opts *opts)
{
    const tmb_activation_opts o = opts ? *opts : (tmb_activation_opts){0};
    const tmb__layer_kind kind = kind_of(&o);
    const tmb__layer_config config = {
            .activation = o.activation,
            .alpha = kind == TMB__LAYER_RELU ? o.negative_slope : o.alpha,
            .max_value = o.max_value,
            .threshold = kind == TMB__LAYER_RELU ? o.threshold
                                                 : o.threshold != 0 || o.negative_slope != 0,
    };

    return tmb__model_add(model, kind, &config, &o.from, 1, o.name, true);
}

tmb_layer tmb_model_add_prelu(tmb_model *model, const tmb_prelu_opts *opts)
{
    const tmb_prelu_opts o = opts ? *opts : (tmb_prelu_opts){0};
    const int *axes = o.shared_axes;
    const tmb__layer_config config = {
            .shape = {axes[0], axes[1], axes[2], axes[3]},
            .init = o.init,
            .l1 = o.l1,
            .l2 = o.l2,
    };

    return tmb__model_add(model, TMB__LAYER_PRELU, &config, &o.from, 1, o.name, !o.frozen);
}
