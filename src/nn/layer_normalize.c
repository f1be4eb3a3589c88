/* layer_normalize.c - Normalization: each channel minus a mean, by the root of a variance, both stored
 *
 * After keras.layers.Normalization, (x - mean) / max(sqrt(variance), 1e-7), with the number of samples
 * that the statistics were taken from as a third weight, which nothing here reads. Nothing of it is
 * trained. A variance of 0 gives the same through the batch norm op with 1e-14 under its root. */
#include "nn/layer.h"

static const float epsilon = 1e-14f;

static int stored(tmb__layer *layer, const char *name, tmb_init init, const tmb__shape *shape)
{
    tmb__weight *weight;

    TMB_TRY(tmb__layer_weight(layer, &weight, name, init, shape));
    weight->moving = true;
    return 0;
}

static int normalize_build(tmb__layer *layer, const tmb__shape *in)
{
    const tmb__shape shape = {.rank = 1, .dim = {in->dim[in->rank - 1]}}, one = {0};

    layer->out = *in;
    TMB_TRY(stored(layer, "mean", TMB_ZEROS, &shape));
    TMB_TRY(stored(layer, "variance", TMB_ONES, &shape));
    return stored(layer, "count", TMB_ZEROS, &one);
}

static void normalize_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_BN_INFER);

    op.in[0] = tmb__value_in(b, layer, 0);
    op.in[3] = tmb__weight_in(b, layer, "mean");
    op.in[4] = tmb__weight_in(b, layer, "variance");
    op.attr.eps = epsilon;
    tmb__emit_last(b, layer, &op);
}

static void normalize_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_BN_INFER_BWD);

    if (!tmb__wants_gradient(b, layer, 0)) return;
    op.in[0] = tmb__gradient_in(b, layer);
    op.in[1] = tmb__value_in(b, layer, 0);
    op.in[3] = tmb__weight_in(b, layer, "mean");
    op.in[4] = tmb__weight_in(b, layer, "variance");
    op.attr.eps = epsilon;
    tmb__emit_back(b, layer, 0, &op);
}

const tmb__layer_type tmb__type_normalize = {
        1, 1, false, normalize_build, normalize_forward, normalize_backward};

tmb_layer tmb__model_add_normalization(tmb_model *model)
{
    const tmb__layer_config config = {0};
    const tmb_layer last = 0;

    return tmb__model_add(model, TMB__LAYER_NORMALIZATION, &config, &last, 1, NULL, true);
}
