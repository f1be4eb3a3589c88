/* layer_shape.c - InputLayer, Flatten, Reshape, Permute, ZeroPadding2D, Cropping2D, UpSampling2D, Rescaling */
#include "nn/layer.h"

enum { MOST_SIDE = 65535 };

static int input_build(tmb__layer *layer, const tmb__shape *in)
{
    static const char *const options[] = {"height", "width", "channels"};

    (void)in;
    layer->out.rank = 3;
    for (int i = 0; i < 3; i++) {
        TMB_TRY(tmb__layer_check_int(layer, options[i], layer->config.shape[i], 1, MOST_SIDE));
        layer->out.dim[i] = layer->config.shape[i];
    }
    return 0;
}

static int flatten_build(tmb__layer *layer, const tmb__shape *in)
{
    layer->out = (tmb__shape){.rank = 1, .dim = {tmb__shape_count(in)}};
    return 0;
}

/* "{4, -1, 2}" as the caller wrote it. */
static const char *target_text(const tmb__layer *layer)
{
    tmb__shape shape = {0};

    for (int i = 0; i < 4 && layer->config.shape[i] != 0; i++)
        shape.dim[shape.rank++] = layer->config.shape[i];
    return tmb__shape_text(&shape);
}

static int reshape_build(tmb__layer *layer, const tmb__shape *in)
{
    const int *shape = layer->config.shape;
    int64_t count = tmb__shape_count(in), known = 1;
    int open = -1;

    layer->out.rank = 0;
    for (int i = 0; i < 4 && shape[i] != 0; i++) {
        if (shape[i] < -1 || (shape[i] == -1 && open >= 0))
            return tmb__layer_fail(layer,
                    "shape is %s, positive numbers and at most one -1 expected",
                    target_text(layer));
        if (shape[i] == -1)
            open = i;
        else
            known = TMB_MIN(known * shape[i], TMB__MOST_ELEMENTS * 2);
        layer->out.dim[layer->out.rank++] = shape[i];
    }
    if (open >= 0 && count % known == 0) layer->out.dim[open] = count / known;
    if (layer->out.rank == 0 || tmb__shape_count(&layer->out) != count)
        return tmb__layer_fail(layer,
                "shape is %s, one for the %lld values of its input %s expected", target_text(layer),
                (long long)count, tmb__shape_text(in));
    return 0;
}

static void reshape_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_RESHAPE);

    op.in[0] = tmb__value_in(b, layer, 0);
    tmb__emit_last(b, layer, &op);
}

static void reshape_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_RESHAPE);

    if (!tmb__wants_gradient(b, layer, 0)) return;
    op.in[0] = tmb__gradient_in(b, layer);
    tmb__emit_back(b, layer, 0, &op);
}

static int zeropad_build(tmb__layer *layer, const tmb__shape *in)
{
    static const char *const options[] = {"top", "bottom", "left", "right"};
    const int *pad = layer->config.pad;

    TMB_TRY(tmb__layer_check_image(layer, in));
    for (int i = 0; i < 4; i++)
        TMB_TRY(tmb__layer_check_int(layer, options[i], pad[i], 0, MOST_SIDE));
    layer->out = *in;
    layer->out.dim[0] += pad[0] + pad[1];
    layer->out.dim[1] += pad[2] + pad[3];
    return 0;
}

static tmb_op pad_op(const tmb__builder *b, const tmb__layer *layer, tmb_op_kind kind)
{
    const int *pad = layer->config.pad; /* top, bottom, left, right */
    tmb_op op = tmb__op_of(b, layer, kind);

    op.attr.pad[0] = pad[0];
    op.attr.pad[1] = pad[2];
    op.attr.pad[2] = pad[1];
    op.attr.pad[3] = pad[3];
    return op;
}

static void zeropad_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = pad_op(b, layer, TMB_OP_PAD);
    tmb__place *place = tmb__place_of(b, layer);

    if (place->absorbed) {
        place->y = tmb__value_in(b, layer, 0);
        return;
    }
    op.in[0] = tmb__value_in(b, layer, 0);
    tmb__emit_last(b, layer, &op);
}

static void zeropad_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = pad_op(b, layer, TMB_OP_PAD_BWD);

    if (!tmb__wants_gradient(b, layer, 0)) return;
    op.in[0] = tmb__gradient_in(b, layer);
    tmb__emit_back(b, layer, 0, &op);
}

static int cropping_build(tmb__layer *layer, const tmb__shape *in)
{
    const int *cut = layer->config.pad;

    TMB_TRY(zeropad_build(layer, in));
    layer->out = *in;
    layer->out.dim[0] -= cut[0] + cut[1];
    layer->out.dim[1] -= cut[2] + cut[3];
    if (layer->out.dim[0] > 0 && layer->out.dim[1] > 0) return 0;
    return tmb__layer_fail(layer, "cut by %d and %d rows, %d and %d columns, nothing of %s is left",
            cut[0], cut[1], cut[2], cut[3], tmb__shape_text(in));
}

/* Cutting is the gradient of padding, and the other way round. */
static void cropping_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = pad_op(b, layer, TMB_OP_PAD_BWD);

    op.in[0] = tmb__value_in(b, layer, 0);
    tmb__emit_last(b, layer, &op);
}

static void cropping_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = pad_op(b, layer, TMB_OP_PAD);

    if (!tmb__wants_gradient(b, layer, 0)) return;
    op.in[0] = tmb__gradient_in(b, layer);
    tmb__emit_back(b, layer, 0, &op);
}

static int permute_build(tmb__layer *layer, const tmb__shape *in)
{
    const int *dims = layer->config.shape;
    int n = 0;
    unsigned seen = 0;

    while (n < 4 && dims[n] != 0)
        n++;
    layer->out = *in;
    for (int i = 0; n == in->rank && i < n && dims[i] >= 1 && dims[i] <= n; i++) {
        seen |= 1u << dims[i];
        layer->out.dim[i] = in->dim[dims[i] - 1];
    }
    if (n == in->rank && seen == (2u << n) - 2) return 0;
    return tmb__layer_fail(layer, "dims is %s, each of the axes 1 to %d of its input %s expected",
            target_text(layer), in->rank, tmb__shape_text(in));
}

/* The layer's order of axes, or the one that undoes it. */
static tmb_op permute_op(const tmb__builder *b, const tmb__layer *layer, bool undo)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_PERMUTE);

    for (int i = 0; i < layer->out.rank; i++) {
        const int axis = layer->config.shape[i];

        if (undo)
            op.attr.axes[axis - 1] = i + 1;
        else
            op.attr.axes[i] = axis;
    }
    return op;
}

static void permute_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = permute_op(b, layer, false);

    op.in[0] = tmb__value_in(b, layer, 0);
    tmb__emit_last(b, layer, &op);
}

static void permute_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = permute_op(b, layer, true);

    if (!tmb__wants_gradient(b, layer, 0)) return;
    op.in[0] = tmb__gradient_in(b, layer);
    tmb__emit_back(b, layer, 0, &op);
}

static int upsampling_build(tmb__layer *layer, const tmb__shape *in)
{
    int *size = layer->config.kernel;

    TMB_TRY(tmb__layer_check_image(layer, in));
    TMB_TRY(tmb__layer_check_pair(layer, "size", size, 2));
    layer->out = (tmb__shape){
            .rank = 3, .dim = {in->dim[0] * size[0], in->dim[1] * size[1], in->dim[2]}};
    return 0;
}

static tmb_op upsample_op(const tmb__builder *b, const tmb__layer *layer, tmb_op_kind kind)
{
    tmb_op op = tmb__op_of(b, layer, kind);

    op.attr.kernel[0] = layer->config.kernel[0];
    op.attr.kernel[1] = layer->config.kernel[1];
    op.attr.bilinear = layer->config.bilinear;
    return op;
}

static void upsampling_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = upsample_op(b, layer, TMB_OP_UPSAMPLE);

    op.in[0] = tmb__value_in(b, layer, 0);
    tmb__emit_last(b, layer, &op);
}

static void upsampling_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = upsample_op(b, layer, TMB_OP_UPSAMPLE_BWD);

    if (!tmb__wants_gradient(b, layer, 0)) return;
    op.in[0] = tmb__gradient_in(b, layer);
    tmb__emit_back(b, layer, 0, &op);
}

static int rescaling_build(tmb__layer *layer, const tmb__shape *in)
{
    const tmb__layer_config *config = &layer->config;

    layer->out = *in;
    if (config->scale == 0) return tmb__layer_fail(layer, "scale is 0, another factor expected");
    TMB_TRY(tmb__layer_check_float(layer, "scale", config->scale, -1e30, 1e30));
    return tmb__layer_check_float(layer, "offset", config->offset, -1e30, 1e30);
}

static void rescaling_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_SCALE);

    op.in[0] = tmb__value_in(b, layer, 0);
    op.attr.scale = layer->config.scale;
    op.attr.offset = layer->config.offset;
    tmb__emit_last(b, layer, &op);
}

static void rescaling_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_SCALE);

    if (!tmb__wants_gradient(b, layer, 0)) return;
    op.in[0] = tmb__gradient_in(b, layer);
    op.attr.scale = layer->config.scale;
    tmb__emit_back(b, layer, 0, &op);
}

/* Its tensor is bound at each run; lower.c emits nothing for the layer that a span begins with. */
const tmb__layer_type tmb__type_input = {0, 0, false, input_build, NULL, NULL};
const tmb__layer_type tmb__type_flatten = {
        1, 1, false, flatten_build, reshape_forward, reshape_backward};
const tmb__layer_type tmb__type_reshape = {
        1, 1, false, reshape_build, reshape_forward, reshape_backward};
const tmb__layer_type tmb__type_zeropad = {
        1, 1, false, zeropad_build, zeropad_forward, zeropad_backward};
const tmb__layer_type tmb__type_cropping = {
        1, 1, false, cropping_build, cropping_forward, cropping_backward};
const tmb__layer_type tmb__type_permute = {
        1, 1, false, permute_build, permute_forward, permute_backward};
const tmb__layer_type tmb__type_upsampling = {
        1, 1, false, upsampling_build, upsampling_forward, upsampling_backward};
const tmb__layer_type tmb__type_rescaling = {
        1, 1, false, rescaling_build, rescaling_forward, rescaling_backward};

tmb_layer tmb_model_add_flatten(tmb_model *model, const tmb_plain_opts *opts)
{
    const tmb_plain_opts o = opts ? *opts : (tmb_plain_opts){0};
    const tmb__layer_config config = {0};

    return tmb__model_add(model, TMB__LAYER_FLATTEN, &config, &o.from, 1, o.name, true);
}

tmb_layer tmb_model_add_reshape(tmb_model *model, const tmb_reshape_opts *opts)
{
    const tmb_reshape_opts o = opts ? *opts : (tmb_reshape_opts){0};
    const tmb__layer_config config = {.shape = {o.shape[0], o.shape[1], o.shape[2], o.shape[3]}};

    return tmb__model_add(model, TMB__LAYER_RESHAPE, &config, &o.from, 1, o.name, true);
}

tmb_layer tmb_model_add_permute(tmb_model *model, const tmb_permute_opts *opts)
{
    const tmb_permute_opts o = opts ? *opts : (tmb_permute_opts){0};
    const tmb__layer_config config = {.shape = {o.dims[0], o.dims[1], o.dims[2], o.dims[3]}};

    return tmb__model_add(model, TMB__LAYER_PERMUTE, &config, &o.from, 1, o.name, true);
}

static tmb_layer add_frame(tmb_model *model, tmb__layer_kind kind, const tmb_zeropad2d_opts *opts)
{
    const tmb_zeropad2d_opts o = opts ? *opts : (tmb_zeropad2d_opts){0};
    const tmb__layer_config config = {.pad = {o.top, o.bottom, o.left, o.right}};

    return tmb__model_add(model, kind, &config, &o.from, 1, o.name, true);
}

tmb_layer tmb_model_add_zeropad2d(tmb_model *model, const tmb_zeropad2d_opts *opts)
{
    return add_frame(model, TMB__LAYER_ZEROPAD2D, opts);
}

tmb_layer tmb_model_add_cropping2d(tmb_model *model, const tmb_zeropad2d_opts *opts)
{
    return add_frame(model, TMB__LAYER_CROPPING2D, opts);
}

tmb_layer tmb_model_add_upsampling2d(tmb_model *model, const tmb_upsampling2d_opts *opts)
{
    const tmb_upsampling2d_opts o = opts ? *opts : (tmb_upsampling2d_opts){0};
    const tmb__layer_config config = {.kernel = {o.size[0], o.size[1]}, .bilinear = o.bilinear};

    return tmb__model_add(model, TMB__LAYER_UPSAMPLING2D, &config, &o.from, 1, o.name, true);
}

tmb_layer tmb_model_add_rescaling(tmb_model *model, const tmb_rescaling_opts *opts)
{
    const tmb_rescaling_opts o = opts ? *opts : (tmb_rescaling_opts){0};
    const tmb__layer_config config = {.scale = o.scale, .offset = o.offset};

    return tmb__model_add(model, TMB__LAYER_RESCALING, &config, &o.from, 1, o.name, true);
}
