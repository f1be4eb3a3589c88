/* layer_option.c - checks of layers' options, sliding windows, making of weights
 *
 * A wrong option is named with its layer, the value found and the values allowed. Values may come from a
 * file, so every sum and product here is taken in 64 bits and stays far below their end. */
#include "nn/layer.h"

#include <stdio.h>

/* No option counts further than this; keeps products of a few of them inside 64 bits. */
enum { MOST = 65535 };

int tmb__layer_fail(const tmb__layer *layer, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return tmb__fail(TMB_EINVAL, "layer %s (%s): %s", tmb__printable(layer->name),
            tmb__layer_class(layer->kind), text);
}

int tmb__layer_check_int(const tmb__layer *layer, const char *option, int value, int low, int high)
{
    if (value >= low && value <= high) return 0;
    return tmb__layer_fail(layer, "%s is %d, %d to %d expected", option, value, low, high);
}

int tmb__layer_check_float(
        const tmb__layer *layer, const char *option, float value, double low, double high)
{
    if (value >= low && value <= high) return 0;
    return tmb__layer_fail(layer, "%s is %g, %g to %g expected", option, (double)value, low, high);
}

int tmb__layer_check_pair(const tmb__layer *layer, const char *option, int pair[2], int missing)
{
    if (missing && pair[0] == 0 && pair[1] == 0) pair[0] = pair[1] = missing;
    for (int i = 0; i < 2; i++) {
        if (pair[i] < 1 || pair[i] > MOST)
            return tmb__layer_fail(layer, "%s is {%d, %d}, two numbers from 1 to %d expected",
                    option, pair[0], pair[1], MOST);
    }
    return 0;
}

int tmb__layer_check_activation(tmb__layer *layer)
{
    tmb__layer_config *config = &layer->config;

    if (config->activation < TMB_LINEAR || config->activation > TMB_LOG_SOFTMAX)
        return tmb__layer_fail(layer, "activation is number %d, %d to %d expected",
                (int)config->activation, TMB_LINEAR, TMB_LOG_SOFTMAX);
    if (config->alpha == 0 && config->activation == TMB_LEAKY_RELU) config->alpha = 0.2f;
    if (config->alpha == 0 && config->activation == TMB_ELU) config->alpha = 1;
    return tmb__layer_check_float(layer, "alpha", config->alpha, 0, MOST);
}

int tmb__layer_check_kernel(const tmb__layer *layer)
{
    const tmb__layer_config *config = &layer->config;

    if (config->init < TMB_GLOROT_UNIFORM || config->init > TMB_ONES)
        return tmb__layer_fail(layer, "init is number %d, %d to %d expected", (int)config->init,
                TMB_GLOROT_UNIFORM, TMB_ONES);
    TMB_TRY(tmb__layer_check_float(layer, "l1", config->l1, 0, MOST));
    return tmb__layer_check_float(layer, "l2", config->l2, 0, MOST);
}

int tmb__layer_check_image(const tmb__layer *layer, const tmb__shape *in)
{
    if (in->rank == 3) return 0;
    return tmb__layer_fail(
            layer, "its input is %s, (height, width, channels) expected", tmb__shape_text(in));
}

/* Keras' rule (keras.md 3.1), one axis:
 *   valid  out = (size - dilation (kernel - 1) - 1) / stride + 1, rounded down
 *   same   out = size / stride, rounded up; padding max((out - 1) stride + dilation (kernel - 1) + 1 -
 *          size, 0), the smaller half before */
static int64_t slide(const tmb__layer_config *config, int64_t size, int axis)
{
    const int64_t reach = (int64_t)config->dilation[axis] * (config->kernel[axis] - 1) + 1;
    const int64_t stride = config->stride[axis];

    if (config->same_padding) return (size + stride - 1) / stride;
    return size < reach ? 0 : (size - reach) / stride + 1;
}

static int64_t padding(const tmb__layer_config *config, int64_t size, int axis)
{
    const int64_t reach = (int64_t)config->dilation[axis] * (config->kernel[axis] - 1) + 1;
    const int64_t span = (slide(config, size, axis) - 1) * config->stride[axis] + reach;

    return config->same_padding ? TMB_MAX(span - size, 0) : 0;
}

int tmb__layer_slide(const tmb__layer *layer, const tmb__shape *in, int64_t out[2])
{
    for (int axis = 0; axis < 2; axis++) {
        out[axis] = slide(&layer->config, in->dim[axis], axis);
        if (out[axis] < 1)
            return tmb__layer_fail(layer,
                    "a window of %d x %d, dilated by %d x %d, does not fit into its input %s",
                    layer->config.kernel[0], layer->config.kernel[1], layer->config.dilation[0],
                    layer->config.dilation[1], tmb__shape_text(in));
    }
    return 0;
}

void tmb__layer_slide_attr(const tmb__layer *layer, const tmb__shape *in, tmb_attr *attr)
{
    for (int axis = 0; axis < 2; axis++) {
        const int64_t pad = padding(&layer->config, in->dim[axis], axis);

        attr->kernel[axis] = layer->config.kernel[axis];
        attr->stride[axis] = layer->config.stride[axis];
        attr->dilation[axis] = layer->config.dilation[axis];
        attr->pad[axis] = (int)(pad / 2); /* top, left */
        attr->pad[axis + 2] = (int)(pad - pad / 2);
    }
}

/* Keras' fans: (..., in, out) has in and out times the product of the other axes; a vector its length. */
static void set_fans(tmb__weight *weight)
{
    const tmb__shape *shape = &weight->shape;
    int64_t field = 1;

    weight->fan_in = weight->fan_out = shape->dim[0];
    if (shape->rank < 2) return;
    for (int i = 0; i < shape->rank - 2; i++)
        field *= shape->dim[i];
    weight->fan_in = field * shape->dim[shape->rank - 2];
    weight->fan_out = field * shape->dim[shape->rank - 1];
}

int tmb__layer_weight(tmb__layer *layer, tmb__weight **out, const char *name, tmb_init init,
        const tmb__shape *shape)
{
    const int64_t count = tmb__shape_count(shape);
    tmb__weight *weight;

    TMB_ASSERT(layer->n_weights < TMB__LAYER_WEIGHTS);
    if (count < 1 || count > TMB__MOST_ELEMENTS)
        return tmb__layer_fail(layer, "%s %s has more than %lld elements", name,
                tmb__shape_text(shape), (long long)TMB__MOST_ELEMENTS);
    weight = &layer->weight[layer->n_weights++];
    *weight = (tmb__weight){.name = name, .shape = *shape, .init = init};
    set_fans(weight);
    *out = weight;
    return 0;
}

/* Defaults put in; the axes are among the kernel's. */
static int check_constraint(tmb__layer *layer, int rank)
{
    tmb_constraint *c = &layer->config.constraint;
    const unsigned all = (1u << rank) - 1;

    if (c->limit == TMB_NO_LIMIT) return 0;
    TMB_TRY(tmb__layer_check_int(
            layer, "constraint.limit", (int)c->limit, TMB_NO_LIMIT, TMB_MIN_MAX_NORM));
    if (c->max == 0) c->max = c->limit == TMB_MAX_NORM ? 2 : 1;
    if (c->rate == 0) c->rate = 1;
    if (c->axes == 0) c->axes = 1;
    TMB_TRY(tmb__layer_check_float(layer, "constraint.max", c->max, 0, MOST));
    TMB_TRY(tmb__layer_check_float(layer, "constraint.min", c->min, 0, (double)c->max));
    TMB_TRY(tmb__layer_check_float(layer, "constraint.rate", c->rate, 0, 1));
    if ((c->axes & ~all) == 0) return 0;
    return tmb__layer_fail(layer,
            "constraint.axes is %#x, bits of the %d axes of its kernel expected", c->axes, rank);
}

int tmb__layer_kernel(tmb__layer *layer, const char *name, const tmb__shape *shape)
{
    tmb__weight *kernel;

    TMB_TRY(check_constraint(layer, shape->rank));
    TMB_TRY(tmb__layer_weight(layer, &kernel, name, layer->config.init, shape));
    kernel->l1 = layer->config.l1;
    kernel->l2 = layer->config.l2;
    kernel->constraint = layer->config.constraint;
    return 0;
}

int tmb__layer_bias(tmb__layer *layer, int64_t n)
{
    const tmb__shape shape = {.rank = 1, .dim = {n}};
    tmb__weight *bias;

    if (layer->config.no_bias) return 0;
    return tmb__layer_weight(layer, &bias, "bias", TMB_ZEROS, &shape);
}
