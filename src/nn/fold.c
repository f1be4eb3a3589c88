/* fold.c - batch normalisation taken into the layer below it, where nothing is trained
 *
 * With moving statistics y = (x - mean) scale + beta, scale = gamma / sqrt(var + eps), is linear, and so
 * is a convolution or dense layer x = w * z + b that nobody else reads:
 *
 *   y = (w scale) * z + (b - mean) scale + beta
 *
 * The program gets these weights instead of the model's; the model keeps its own. */
#include "nn/layer.h"

#include <math.h>
#include <string.h>

/* The weight that all outputs pass through last, its last axes the channels of the output. */
static const char *kernel_name(const tmb__layer *layer)
{
    switch (layer->kind) {
    case TMB__LAYER_CONV2D:
    case TMB__LAYER_DEPTHWISE_CONV2D:
    case TMB__LAYER_DENSE:
        return "kernel";
    case TMB__LAYER_SEPARABLE_CONV2D:
        return "pointwise_kernel";
    default:
        return NULL;
    }
}

bool tmb__fold_takes(const tmb__layer *below, const tmb__layer *norm)
{
    return norm->kind == TMB__LAYER_BATCHNORM && kernel_name(below) &&
            below->config.activation == TMB_LINEAR;
}

const tmb__weight *tmb__weight_named(const tmb__layer *layer, const char *name)
{
    for (int i = 0; i < layer->n_weights; i++) {
        if (strcmp(layer->weight[i].name, name) == 0) return &layer->weight[i];
    }
    return NULL;
}

/* The values of a weight, or NULL if the layer has none of that name. */
static const float *values_of(const tmb_model *model, const tmb__layer *layer, const char *name)
{
    const tmb__weight *weight = tmb__weight_named(layer, name);

    return weight ? model->weights + weight->offset : NULL;
}

static double scale_of(const tmb_model *model, const tmb__layer *norm, int64_t j)
{
    const float *gamma = values_of(model, norm, "gamma");
    const float *var = values_of(model, norm, "moving_variance");

    return (gamma ? gamma[j] : 1) / sqrt((double)var[j] + (double)norm->config.epsilon);
}

void tmb__fold_bias(
        const tmb_model *model, const tmb__layer *layer, const tmb__layer *norm, float *out)
{
    const int64_t c = norm->out.dim[norm->out.rank - 1];
    const float *mean = values_of(model, norm, "moving_mean");
    const float *beta = values_of(model, norm, "beta"), *bias = values_of(model, layer, "bias");

    for (int64_t j = 0; j < c; j++) {
        const double from = (bias ? (double)bias[j] : 0) - (double)mean[j];

        out[j] = (float)(from * scale_of(model, norm, j) + (beta ? (double)beta[j] : 0));
    }
}

void tmb__fold_kernel(
        const tmb_model *model, const tmb__layer *layer, const tmb__layer *norm, float *out)
{
    const tmb__weight *kernel = tmb__weight_named(layer, kernel_name(layer));
    const int64_t c = norm->out.dim[norm->out.rank - 1], n = tmb__shape_count(&kernel->shape);
    const float *w = model->weights + kernel->offset;

    TMB_ASSERT(n % c == 0);
    for (int64_t j = 0; j < c; j++) {
        const double scale = scale_of(model, norm, j);

        for (int64_t i = j; i < n; i += c)
            out[i] = (float)(w[i] * scale);
    }
}

bool tmb__fold_changes(const tmb__layer *layer, const tmb__weight *weight)
{
    return weight == tmb__weight_named(layer, kernel_name(layer));
}
