/* layer_norm.c - BatchNormalization and LayerNormalization, after Keras' layers of that name
 *
 * Batch: in training the batch's own mean and biased variance; in inference, and in training while frozen, the
 * moving ones. The moving statistics are weights too, in Keras' order: gamma, beta, moving_mean,
 * moving_variance; the BN op moves them. */
#include "nn/layer.h"

enum { BATCH_MEAN = 0, BATCH_RSTD };

static int statistics(tmb__layer *layer, const char *name, tmb_init init, const tmb__shape *shape)
{
    tmb__weight *weight;

    TMB_TRY(tmb__layer_weight(layer, &weight, name, init, shape));
    weight->moving = true;
    return 0;
}

static int batchnorm_build(tmb__layer *layer, const tmb__shape *in)
{
    tmb__layer_config *config = &layer->config;
    const tmb__shape shape = {.rank = 1, .dim = {in->dim[in->rank - 1]}};
    tmb__weight *weight;

    if (config->momentum == 0) config->momentum = 0.99f;
    if (config->epsilon == 0) config->epsilon = 0.001f;
    if (config->init == 0) config->init = TMB_ONES;
    TMB_TRY(tmb__layer_check_float(layer, "momentum", config->momentum, 0, 1));
    TMB_TRY(tmb__layer_check_float(layer, "epsilon", config->epsilon, 1e-12, 1));
    if (config->init != TMB_ONES && config->init != TMB_ZEROS)
        return tmb__layer_fail(layer, "gamma_init is number %d, TMB_ONES or TMB_ZEROS expected",
                (int)config->init);
    layer->out = *in;
    if (!config->no_scale)
        TMB_TRY(tmb__layer_weight(layer, &weight, "gamma", config->init, &shape));
    if (!config->no_center) TMB_TRY(tmb__layer_weight(layer, &weight, "beta", TMB_ZEROS, &shape));
    TMB_TRY(statistics(layer, "moving_mean", TMB_ZEROS, &shape));
    return statistics(layer, "moving_variance", TMB_ONES, &shape);
}

/* True if this list uses the batch's statistics. */
static bool uses_batch(const tmb__builder *b, const tmb__layer *layer)
{
    return b->train && layer->trainable;
}

static void batchnorm_forward(tmb__builder *b, const tmb__layer *layer)
{
    const tmb__shape shape = {.rank = 1, .dim = {layer->out.dim[layer->out.rank - 1]}};
    const bool batch = uses_batch(b, layer);
    tmb__place *place = tmb__place_of(b, layer);
    tmb_op op = tmb__op_of(b, layer, batch ? TMB_OP_BN : TMB_OP_BN_INFER);

    op.in[0] = tmb__value_in(b, layer, 0);
    if (place->absorbed) {
        place->y = op.in[0];
        return;
    }
    op.in[1] = tmb__weight_in(b, layer, "gamma");
    op.in[2] = tmb__weight_in(b, layer, "beta");
    op.in[3] = tmb__weight_in(b, layer, "moving_mean");
    op.in[4] = tmb__weight_in(b, layer, "moving_variance");
    op.attr.eps = layer->config.epsilon;
    op.attr.momentum = layer->config.momentum;
    if (batch) {
        place->kept[BATCH_MEAN] =
                tmb__emit_tensor(b, TMB_ROLE_ACT, false, &shape, "%s/batch_mean", layer->name);
        place->kept[BATCH_RSTD] =
                tmb__emit_tensor(b, TMB_ROLE_ACT, false, &shape, "%s/batch_rstd", layer->name);
        op.out[1] = place->kept[BATCH_MEAN];
        op.out[2] = place->kept[BATCH_RSTD];
    }
    tmb__emit_last(b, layer, &op);
}

static void batchnorm_backward(tmb__builder *b, const tmb__layer *layer)
{
    const tmb__place *place = tmb__place_of(b, layer);
    const bool batch = uses_batch(b, layer), wants = tmb__wants_gradient(b, layer, 0);
    tmb_op op = tmb__op_of(b, layer, batch ? TMB_OP_BN_BWD : TMB_OP_BN_INFER_BWD);

    op.in[0] = tmb__gradient_in(b, layer);
    op.in[1] = tmb__value_in(b, layer, 0);
    op.in[2] = tmb__weight_in(b, layer, "gamma");
    op.in[3] = batch ? place->kept[BATCH_MEAN] : tmb__weight_in(b, layer, "moving_mean");
    op.in[4] = batch ? place->kept[BATCH_RSTD] : tmb__weight_in(b, layer, "moving_variance");
    op.attr.eps = layer->config.epsilon;
    op.out[1] = tmb__gradient_out(b, layer, "gamma");
    op.out[2] = tmb__gradient_out(b, layer, "beta");
    if (wants)
        tmb__emit_back(b, layer, 0, &op);
    else if (op.out[1] >= 0 || op.out[2] >= 0)
        tmb__emit(b, &op);
}

/* ---- layer normalisation ---- */

static int layernorm_build(tmb__layer *layer, const tmb__shape *in)
{
    tmb__layer_config *config = &layer->config;
    const tmb__shape shape = {.rank = 1, .dim = {in->dim[in->rank - 1]}};
    tmb__weight *weight;

    if (config->epsilon == 0) config->epsilon = 0.001f;
    TMB_TRY(tmb__layer_check_float(layer, "epsilon", config->epsilon, 1e-12, 1));
    layer->out = *in;
    if (!config->no_scale) TMB_TRY(tmb__layer_weight(layer, &weight, "gamma", TMB_ONES, &shape));
    if (config->no_center) return 0;
    return tmb__layer_weight(layer, &weight, "beta", TMB_ZEROS, &shape);
}

static void layernorm_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_LN);

    op.in[0] = tmb__value_in(b, layer, 0);
    op.in[1] = tmb__weight_in(b, layer, "gamma");
    op.in[2] = tmb__weight_in(b, layer, "beta");
    op.attr.eps = layer->config.epsilon;
    tmb__emit_last(b, layer, &op);
}

static void layernorm_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_LN_BWD);

    op.in[0] = tmb__gradient_in(b, layer);
    op.in[1] = tmb__value_in(b, layer, 0);
    op.in[2] = tmb__weight_in(b, layer, "gamma");
    op.attr.eps = layer->config.epsilon;
    op.out[1] = tmb__gradient_out(b, layer, "gamma");
    op.out[2] = tmb__gradient_out(b, layer, "beta");
    if (tmb__wants_gradient(b, layer, 0))
        tmb__emit_back(b, layer, 0, &op);
    else if (op.out[1] >= 0 || op.out[2] >= 0)
        tmb__emit(b, &op);
}

const tmb__layer_type tmb__type_layernorm = {
        1, 1, false, layernorm_build, layernorm_forward, layernorm_backward};
const tmb__layer_type tmb__type_batchnorm = {
        1, 1, true, batchnorm_build, batchnorm_forward, batchnorm_backward};

tmb_layer tmb_model_add_batchnorm(tmb_model *model, const tmb_batchnorm_opts *opts)
{
    const tmb_batchnorm_opts o = opts ? *opts : (tmb_batchnorm_opts){0};
    const tmb__layer_config config = {
            .momentum = o.momentum,
            .epsilon = o.epsilon,
            .no_scale = o.no_scale,
            .no_center = o.no_center,
            .init = o.gamma_init,
    };

    return tmb__model_add(model, TMB__LAYER_BATCHNORM, &config, &o.from, 1, o.name, !o.frozen);
}

tmb_layer tmb_model_add_layernorm(tmb_model *model, const tmb_layernorm_opts *opts)
{
    const tmb_layernorm_opts o = opts ? *opts : (tmb_layernorm_opts){0};
    const tmb__layer_config config = {
            .epsilon = o.epsilon,
            .no_scale = o.no_scale,
            .no_center = o.no_center,
    };

    return tmb__model_add(model, TMB__LAYER_LAYERNORM, &config, &o.from, 1, o.name, !o.frozen);
}
