/* layer_conv.c - Conv2D, DepthwiseConv2D, SeparableConv2D
 *
 * All are CONV ops. Depthwise is a convolution in as many groups as there are channels: Keras' kernel
 * (kh, kw, in, multiplier) is in memory the grouped kernel (kh, kw, 1, in * multiplier). Separable is
 * depthwise, then 1 x 1, with one bias at the end. After keras.layers.Conv2D and its relatives. */
#include "nn/layer.h"

enum { MOST_FILTERS = 1 << 20, MIDDLE = 0 };

/* Window, stride, dilation, activation: what all three are told alike. */
static int check_common(tmb__layer *layer, const tmb__shape *in)
{
    tmb__layer_config *config = &layer->config;

    TMB_TRY(tmb__layer_check_image(layer, in));
    TMB_TRY(tmb__layer_check_pair(layer, "kernel", config->kernel, 0));
    TMB_TRY(tmb__layer_check_pair(layer, "stride", config->stride, 1));
    TMB_TRY(tmb__layer_check_pair(layer, "dilation", config->dilation, 1));
    if ((config->stride[0] > 1 || config->stride[1] > 1) &&
            (config->dilation[0] > 1 || config->dilation[1] > 1))
        return tmb__layer_fail(layer,
                "stride is {%d, %d} and dilation {%d, %d}, one of them must be {1, 1}",
                config->stride[0], config->stride[1], config->dilation[0], config->dilation[1]);
    TMB_TRY(tmb__layer_check_activation(layer));
    return tmb__layer_check_kernel(layer);
}

/* out = (height and width after sliding, channels). */
static int set_out(tmb__layer *layer, const tmb__shape *in, int64_t channels)
{
    layer->out = (tmb__shape){.rank = 3, .dim = {0, 0, channels}};
    return tmb__layer_slide(layer, in, layer->out.dim);
}

static int conv_build(tmb__layer *layer, const tmb__shape *in)
{
    tmb__layer_config *config = &layer->config;
    tmb__shape kernel = {.rank = 4};

    TMB_TRY(tmb__layer_check_int(layer, "filters", config->filters, 1, MOST_FILTERS));
    TMB_TRY(check_common(layer, in));
    if (config->groups == 0) config->groups = 1;
    if (config->groups < 1 || in->dim[2] % config->groups || config->filters % config->groups)
        return tmb__layer_fail(layer,
                "groups is %d, a divisor of %lld channels and %d filters expected", config->groups,
                (long long)in->dim[2], config->filters);
    kernel.dim[0] = config->kernel[0];
    kernel.dim[1] = config->kernel[1];
    kernel.dim[2] = in->dim[2] / config->groups;
    kernel.dim[3] = config->filters;
    TMB_TRY(set_out(layer, in, config->filters));
    TMB_TRY(tmb__layer_kernel(layer, "kernel", &kernel));
    return tmb__layer_bias(layer, config->filters);
}

/* The kernel (kh, kw, in, multiplier) that depthwise and separable share. */
static int depthwise_kernel(tmb__layer *layer, const char *name, const tmb__shape *in)
{
    tmb__layer_config *config = &layer->config;
    tmb__shape kernel = {.rank = 4};

    if (config->multiplier == 0) config->multiplier = 1;
    TMB_TRY(tmb__layer_check_int(layer, "multiplier", config->multiplier, 1, MOST_FILTERS));
    kernel.dim[0] = config->kernel[0];
    kernel.dim[1] = config->kernel[1];
    kernel.dim[2] = in->dim[2];
    kernel.dim[3] = config->multiplier;
    TMB_TRY(tmb__layer_kernel(layer, name, &kernel));
    layer->weight[layer->n_weights - 1].depthwise = true;
    return 0;
}

static int depthwise_build(tmb__layer *layer, const tmb__shape *in)
{
    TMB_TRY(check_common(layer, in));
    TMB_TRY(depthwise_kernel(layer, "kernel", in));
    TMB_TRY(set_out(layer, in, in->dim[2] * layer->config.multiplier));
    return tmb__layer_bias(layer, layer->out.dim[2]);
}

static int separable_build(tmb__layer *layer, const tmb__shape *in)
{
    tmb__layer_config *config = &layer->config;
    tmb__shape point = {.rank = 4, .dim = {1, 1}};

    TMB_TRY(tmb__layer_check_int(layer, "filters", config->filters, 1, MOST_FILTERS));
    TMB_TRY(check_common(layer, in));
    TMB_TRY(depthwise_kernel(layer, "depthwise_kernel", in));
    point.dim[2] = in->dim[2] * config->multiplier;
    point.dim[3] = config->filters;
    TMB_TRY(set_out(layer, in, config->filters));
    TMB_TRY(tmb__layer_kernel(layer, "pointwise_kernel", &point));
    return tmb__layer_bias(layer, config->filters);
}

/* A CONV op, or one of its gradients, with the layer's window. */
static tmb_op window_op(
        const tmb__builder *b, const tmb__layer *layer, tmb_op_kind kind, int64_t groups)
{
    tmb_op op = tmb__op_of(b, layer, kind);
    const tmb__layer *from = tmb__layer_input(b, layer, 0);

    tmb__layer_slide_attr(layer, &from->out, &op.attr);
    op.attr.groups = (int)groups;
    if (from->kind == TMB__LAYER_ZEROPAD2D && tmb__place_of(b, from)->absorbed) {
        op.attr.pad[0] += from->config.pad[0]; /* top, bottom, left, right */
        op.attr.pad[1] += from->config.pad[2];
        op.attr.pad[2] += from->config.pad[1];
        op.attr.pad[3] += from->config.pad[3];
    }
    return op;
}

static int64_t groups_of(const tmb__builder *b, const tmb__layer *layer)
{
    if (layer->kind == TMB__LAYER_CONV2D) return layer->config.groups;
    return tmb__layer_input(b, layer, 0)->out.dim[2];
}

static void conv_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = window_op(b, layer, TMB_OP_CONV, groups_of(b, layer));

    op.in[0] = tmb__value_in(b, layer, 0);
    op.in[1] = tmb__weight_in(b, layer, "kernel");
    op.in[2] = tmb__weight_in(b, layer, "bias");
    tmb__emit_last(b, layer, &op);
}

/* dw and db from x and dy; nothing if the layer is frozen. */
static void weight_gradients(tmb__builder *b, tmb_op *op, int x, int dy, int dw, int db)
{
    if (dw < 0) return;
    op->in[0] = x;
    op->in[1] = dy;
    op->out[0] = dw;
    op->out[1] = db;
    tmb__emit(b, op);
}

static void conv_backward(tmb__builder *b, const tmb__layer *layer)
{
    const int64_t groups = groups_of(b, layer);
    tmb_op weights = window_op(b, layer, TMB_OP_CONV_BWD_WEIGHTS, groups);
    tmb_op data = window_op(b, layer, TMB_OP_CONV_BWD_DATA, groups);
    const int dy = tmb__gradient_in(b, layer);

    weight_gradients(b, &weights, tmb__value_in(b, layer, 0), dy,
            tmb__gradient_out(b, layer, "kernel"), tmb__gradient_out(b, layer, "bias"));
    if (!tmb__wants_gradient(b, layer, 0)) return;
    data.in[0] = dy;
    data.in[1] = tmb__weight_in(b, layer, "kernel");
    tmb__emit_back(b, layer, 0, &data);
}

/* The 1 x 1 convolution of a separable one. */
static tmb_op point_op(const tmb__builder *b, const tmb__layer *layer, tmb_op_kind kind)
{
    tmb_op op = tmb__op_of(b, layer, kind);

    op.attr.kernel[0] = op.attr.kernel[1] = 1;
    return op;
}

/* What lies between the two convolutions: (height, width, in * multiplier). */
static tmb__shape middle_shape(const tmb__builder *b, const tmb__layer *layer)
{
    tmb__shape shape = layer->out;

    shape.dim[2] = tmb__layer_input(b, layer, 0)->out.dim[2] * layer->config.multiplier;
    return shape;
}

static void separable_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op depth = window_op(b, layer, TMB_OP_CONV, groups_of(b, layer));
    tmb_op point = point_op(b, layer, TMB_OP_CONV);
    const tmb__shape shape = middle_shape(b, layer);
    const int middle = tmb__emit_batch(b, layer, "depthwise", &shape);

    depth.in[0] = tmb__value_in(b, layer, 0);
    depth.in[1] = tmb__weight_in(b, layer, "depthwise_kernel");
    depth.out[0] = middle;
    tmb__emit(b, &depth);
    tmb__place_of(b, layer)->kept[MIDDLE] = middle;
    point.in[0] = middle;
    point.in[1] = tmb__weight_in(b, layer, "pointwise_kernel");
    point.in[2] = tmb__weight_in(b, layer, "bias");
    tmb__emit_last(b, layer, &point);
}

static void separable_backward(tmb__builder *b, const tmb__layer *layer)
{
    const int64_t groups = groups_of(b, layer);
    const int middle = tmb__place_of(b, layer)->kept[MIDDLE], dy = tmb__gradient_in(b, layer);
    const tmb__shape shape = middle_shape(b, layer);
    const int d_middle = tmb__emit_batch(b, layer, "d_depthwise", &shape);
    tmb_op weights = point_op(b, layer, TMB_OP_CONV_BWD_WEIGHTS);
    tmb_op data = point_op(b, layer, TMB_OP_CONV_BWD_DATA);

    weight_gradients(b, &weights, middle, dy, tmb__gradient_out(b, layer, "pointwise_kernel"),
            tmb__gradient_out(b, layer, "bias"));
    data.in[0] = dy;
    data.in[1] = tmb__weight_in(b, layer, "pointwise_kernel");
    data.out[0] = d_middle;
    tmb__emit(b, &data);

    weights = window_op(b, layer, TMB_OP_CONV_BWD_WEIGHTS, groups);
    weight_gradients(b, &weights, tmb__value_in(b, layer, 0), d_middle,
            tmb__gradient_out(b, layer, "depthwise_kernel"), -1);
    if (!tmb__wants_gradient(b, layer, 0)) return;
    data = window_op(b, layer, TMB_OP_CONV_BWD_DATA, groups);
    data.in[0] = d_middle;
    data.in[1] = tmb__weight_in(b, layer, "depthwise_kernel");
    tmb__emit_back(b, layer, 0, &data);
}

const tmb__layer_type tmb__type_conv = {1, 1, true, conv_build, conv_forward, conv_backward};
const tmb__layer_type tmb__type_depthwise = {
        1, 1, true, depthwise_build, conv_forward, conv_backward};
const tmb__layer_type tmb__type_separable = {
        1, 1, true, separable_build, separable_forward, separable_backward};

tmb_layer tmb_model_add_conv2d(tmb_model *model, const tmb_conv2d_opts *opts)
{
    const tmb_conv2d_opts o = opts ? *opts : (tmb_conv2d_opts){0};
    const tmb__layer_config config = {
            .filters = o.filters,
            .kernel = {o.kernel[0], o.kernel[1]},
            .stride = {o.stride[0], o.stride[1]},
            .dilation = {o.dilation[0], o.dilation[1]},
            .groups = o.groups,
            .same_padding = o.same_padding,
            .no_bias = o.no_bias,
            .activation = o.activation,
            .alpha = o.alpha,
            .init = o.init,
            .l1 = o.l1,
            .l2 = o.l2,
            .constraint = o.constraint,
    };

    return tmb__model_add(model, TMB__LAYER_CONV2D, &config, &o.from, 1, o.name, !o.frozen);
}

tmb_layer tmb_model_add_depthwise_conv2d(tmb_model *model, const tmb_depthwise_conv2d_opts *opts)
{
    const tmb_depthwise_conv2d_opts o = opts ? *opts : (tmb_depthwise_conv2d_opts){0};
    const tmb__layer_config config = {
            .kernel = {o.kernel[0], o.kernel[1]},
            .stride = {o.stride[0], o.stride[1]},
            .dilation = {o.dilation[0], o.dilation[1]},
            .multiplier = o.multiplier,
            .same_padding = o.same_padding,
            .no_bias = o.no_bias,
            .activation = o.activation,
            .alpha = o.alpha,
            .init = o.init,
            .l1 = o.l1,
            .l2 = o.l2,
    };

    return tmb__model_add(
            model, TMB__LAYER_DEPTHWISE_CONV2D, &config, &o.from, 1, o.name, !o.frozen);
}

tmb_layer tmb_model_add_separable_conv2d(tmb_model *model, const tmb_separable_conv2d_opts *opts)
{
    const tmb_separable_conv2d_opts o = opts ? *opts : (tmb_separable_conv2d_opts){0};
    const tmb__layer_config config = {
            .filters = o.filters,
            .kernel = {o.kernel[0], o.kernel[1]},
            .stride = {o.stride[0], o.stride[1]},
            .dilation = {o.dilation[0], o.dilation[1]},
            .multiplier = o.multiplier,
            .same_padding = o.same_padding,
            .no_bias = o.no_bias,
            .activation = o.activation,
            .alpha = o.alpha,
            .init = o.init,
            .l1 = o.l1,
            .l2 = o.l2,
    };

    return tmb__model_add(
            model, TMB__LAYER_SEPARABLE_CONV2D, &config, &o.from, 1, o.name, !o.frozen);
}
