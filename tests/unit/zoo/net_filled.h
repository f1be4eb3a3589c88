/* net_filled.h - networks with weights from a formula that Keras' side computes too (scripts/golden/zoo.py) */
#ifndef THIMBLE_TEST_NET_FILLED_H
#define THIMBLE_TEST_NET_FILLED_H

#include "nn/nn.h"
#include "test.h"
#include "zoo/zoo.h"

#include <math.h>
#include <string.h>

/* Element e of stream k, in [0, 1). */
static inline double formula(uint32_t k, uint32_t e)
{
    uint32_t h = e * 2246822519u + k * 2654435761u + 374761393u;

    h = (h ^ (h >> 16)) * 2146121005u;
    h = (h ^ (h >> 15)) * 2221713035u;
    return (h ^ (h >> 16)) / 4294967296.0;
}

static inline void fill_weight(
        const tmb__layer *layer, const tmb__weight *weight, uint32_t k, float *values)
{
    const bool kernel = strcmp(weight->name, "kernel") == 0,
               scale = strcmp(weight->name, "gamma") == 0;
    const bool variance = strstr(weight->name, "variance"),
               count = strcmp(weight->name, "count") == 0;
    const bool small = strcmp(layer->name, "fc1") == 0 || strcmp(layer->name, "conv1_conv") == 0;
    const bool added = strlen(layer->name) > 5 && strcmp(strrchr(layer->name, 0) - 5, "_3_bn") == 0;
    const int64_t n = tmb__shape_count(&weight->shape);
    const int last = weight->shape.rank - 1;
    const int64_t fan_in = weight->depthwise ? weight->shape.dim[0] * weight->shape.dim[1]
            : last < 0                       ? 1
                                             : n / weight->shape.dim[last];
    const double limit = kernel ? sqrt(6.0 / (double)fan_in) * (small ? 0.01 : 1) : 0.1;

    for (int64_t e = 0; e < n; e++) {
        const double u = formula(k, (uint32_t)e);

        values[e] = (float)(scale || variance ? (0.75 + u / 2) * (scale && added ? 0.2 : 1)
                        : count               ? 0
                                              : (2 * u - 1) * limit);
    }
}

static inline void fill_net(tmb_model *net)
{
    uint32_t k = 0;

    for (int i = 0; i < net->n_layers; i++) {
        const tmb__layer *layer = &net->layers[i];

        for (int w = 0; w < layer->n_weights; w++)
            fill_weight(layer, &layer->weight[w], k++, net->weights + layer->weight[w].offset);
    }
    tmb__model_touch(net);
}

/* A photo of noise, (h, w, 3), prepared as the net wants it. */
static inline float *fill_photo(const tmb_model *net)
{
    const tmb_preprocess *pre = tmb_model_preprocess(net);
    const int n = pre->size[0] * pre->size[1];
    float *x = test_keep(tmb__calloc((size_t)n, 3 * sizeof *x));

    for (int i = 0; i < 3 * n; i++) {
        const int c = i % 3, from = pre->bgr ? i - c + 2 - c : i;
        const float pixel = (float)floor(formula(1000, (uint32_t)from) * 256);

        x[i] = pixel * pre->scale[c] + pre->offset[c];
    }
    return x;
}

#endif
