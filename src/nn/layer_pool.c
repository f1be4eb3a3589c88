/* layer_pool.c - MaxPooling2D, AveragePooling2D and their global forms
 *
 * Padding takes no part in a maximum nor in a mean, as in Keras; 2 x 2 on an odd side drops its last row
 * or column. A maximum keeps who won, for its gradient. */
#include "nn/layer.h"

enum { WINNERS = 0 };

static bool is_global(const tmb__layer *layer)
{
    return layer->kind == TMB__LAYER_GLOBAL_AVG_POOL2D ||
            layer->kind == TMB__LAYER_GLOBAL_MAX_POOL2D;
}

static int pool_build(tmb__layer *layer, const tmb__shape *in)
{
    tmb__layer_config *config = &layer->config;

    TMB_TRY(tmb__layer_check_image(layer, in));
    TMB_TRY(tmb__layer_check_pair(layer, "pool", config->kernel, 2));
    if (config->stride[0] == 0 && config->stride[1] == 0) {
        config->stride[0] = config->kernel[0];
        config->stride[1] = config->kernel[1];
    }
    TMB_TRY(tmb__layer_check_pair(layer, "stride", config->stride, 0));
    config->dilation[0] = config->dilation[1] = 1;
    layer->out = (tmb__shape){.rank = 3, .dim = {0, 0, in->dim[2]}};
    return tmb__layer_slide(layer, in, layer->out.dim);
}

static int global_build(tmb__layer *layer, const tmb__shape *in)
{
    TMB_TRY(tmb__layer_check_image(layer, in));
    layer->out = (tmb__shape){.rank = 1, .dim = {in->dim[2]}};
    if (layer->config.keepdims) layer->out = (tmb__shape){.rank = 3, .dim = {1, 1, in->dim[2]}};
    return 0;
}

static bool is_max(const tmb__layer *layer)
{
    return layer->kind == TMB__LAYER_MAX_POOL2D || layer->kind == TMB__LAYER_GLOBAL_MAX_POOL2D;
}

/* POOL or GLOBAL_POOL, or its gradient, with the layer's attributes. */
static tmb_op pool_op(const tmb__builder *b, const tmb__layer *layer, bool backward)
{
    const bool global = is_global(layer);
    const tmb_op_kind kind = backward ? TMB_OP_POOL_BWD : TMB_OP_POOL;
    const tmb_op_kind global_kind = backward ? TMB_OP_GLOBAL_POOL_BWD : TMB_OP_GLOBAL_POOL;
    tmb_op op = tmb__op_of(b, layer, global ? global_kind : kind);

    op.attr.max = is_max(layer);
    if (!global) tmb__layer_slide_attr(layer, &tmb__layer_input(b, layer, 0)->out, &op.attr);
    return op;
}

/* What the op gives, before keepdims. */
static tmb__shape flat_shape(const tmb__layer *layer)
{
    const tmb__shape flat = {.rank = 1, .dim = {layer->out.dim[layer->out.rank - 1]}};

    return is_global(layer) ? flat : layer->out;
}

static void pool_forward(tmb__builder *b, const tmb__layer *layer)
{
    const tmb__shape shape = flat_shape(layer);
    tmb__place *place = tmb__place_of(b, layer);
    tmb_op op = pool_op(b, layer, false), keep = tmb__op_of(b, layer, TMB_OP_RESHAPE);

    op.in[0] = tmb__value_in(b, layer, 0);
    if (op.attr.max && place->wants) {
        op.out[1] = place->kept[WINNERS] = tmb__emit_batch(b, layer, "winners", &shape);
        if (op.out[1] >= 0) b->list->tensors[op.out[1]].dtype = TMB_I32;
    }
    if (!layer->config.keepdims) {
        tmb__emit_last(b, layer, &op);
        return;
    }
    keep.in[0] = op.out[0] = tmb__emit_batch(b, layer, "flat", &shape);
    tmb__emit(b, &op);
    tmb__emit_last(b, layer, &keep);
}

static void pool_backward(tmb__builder *b, const tmb__layer *layer)
{
    const tmb__shape shape = flat_shape(layer);
    tmb_op op = pool_op(b, layer, true), flat = tmb__op_of(b, layer, TMB_OP_RESHAPE);

    if (!tmb__wants_gradient(b, layer, 0)) return;
    op.in[0] = tmb__gradient_in(b, layer);
    if (layer->config.keepdims) {
        flat.in[0] = op.in[0];
        op.in[0] = flat.out[0] = tmb__emit_batch(b, layer, "d_flat", &shape);
        tmb__emit(b, &flat);
    }
    op.in[1] = tmb__place_of(b, layer)->kept[WINNERS];
    tmb__emit_back(b, layer, 0, &op);
}

const tmb__layer_type tmb__type_maxpool = {1, 1, false, pool_build, pool_forward, pool_backward};
const tmb__layer_type tmb__type_avgpool = {1, 1, false, pool_build, pool_forward, pool_backward};
const tmb__layer_type tmb__type_global_avgpool = {
        1, 1, false, global_build, pool_forward, pool_backward};
const tmb__layer_type tmb__type_global_maxpool = {
        1, 1, false, global_build, pool_forward, pool_backward};

static tmb_layer add_pool(tmb_model *model, tmb__layer_kind kind, const tmb_pool2d_opts *opts)
{
    const tmb_pool2d_opts o = opts ? *opts : (tmb_pool2d_opts){0};
    const tmb__layer_config config = {
            .kernel = {o.pool[0], o.pool[1]},
            .stride = {o.stride[0], o.stride[1]},
            .same_padding = o.same_padding,
    };

    return tmb__model_add(model, kind, &config, &o.from, 1, o.name, true);
}

tmb_layer tmb_model_add_maxpool2d(tmb_model *model, const tmb_pool2d_opts *opts)
{
    return add_pool(model, TMB__LAYER_MAX_POOL2D, opts);
}

tmb_layer tmb_model_add_avgpool2d(tmb_model *model, const tmb_pool2d_opts *opts)
{
    return add_pool(model, TMB__LAYER_AVG_POOL2D, opts);
}

static tmb_layer add_global(tmb_model *model, tmb__layer_kind kind, const tmb_plain_opts *opts)
{
    const tmb_plain_opts o = opts ? *opts : (tmb_plain_opts){0};
    const tmb__layer_config config = {.keepdims = o.keepdims};

    return tmb__model_add(model, kind, &config, &o.from, 1, o.name, true);
}

tmb_layer tmb_model_add_global_avgpool2d(tmb_model *model, const tmb_plain_opts *opts)
{
    return add_global(model, TMB__LAYER_GLOBAL_AVG_POOL2D, opts);
}

tmb_layer tmb_model_add_global_maxpool2d(tmb_model *model, const tmb_plain_opts *opts)
{
    return add_global(model, TMB__LAYER_GLOBAL_MAX_POOL2D, opts);
}
