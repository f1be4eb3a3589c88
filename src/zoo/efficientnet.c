/* efficientnet.c - EfficientNetB0, after Tan and Le, EfficientNet: Rethinking Model Scaling for
 * Convolutional Neural Networks, ICML 2019, and keras.applications.efficientnet
 *
 * As MobileNetV2, with swish, windows of 5 x 5 too, and in each block a gate for every channel, made of the
 * means of all. Photos come in as 0 .. 255: scaling is a part of the net.
 * PITFALL: the official files hold deviations where the variances of the photos' channels belong; Keras has
 * one more Rescaling layer for just those (github.com/tensorflow/tensorflow/issues/49930). Here the
 * variances are put right when such a file was loaded, and there is no such layer.
 * PITFALL: Keras leaves away whole branches of a sample while it trains; the Dropout layers of that name
 * here have its rates, but drop single values. */
#include "zoo/zoo.h"

#include <math.h>

static void conv_bn(tmb_model *model, int filters, const char *conv, const char *bn)
{
    tmb_conv2d(model, .filters = filters, .kernel = {1, 1}, .same_padding = true, .no_bias = true,
            .init = TMB_HE_NORMAL, .name = conv);
    tmb_batchnorm(model, .name = bn);
}

/* The last layer times its gates; `from` channels came into the block. */
static void gate(tmb_model *model, const char *p, int channels, int from)
{
    const tmb_layer values = tmb_model_layers(model);
    tmb_layer gates;

    tmb_model_add_global_avgpool2d(model, &(tmb_plain_opts){.name = NAMED("%sse_squeeze", p)});
    tmb_reshape(model, .shape = {1, 1, channels}, .name = NAMED("%sse_reshape", p));
    tmb_conv2d(model, .filters = from / 4, .kernel = {1, 1}, .same_padding = true,
            .activation = TMB_SWISH, .init = TMB_HE_NORMAL, .name = NAMED("%sse_reduce", p));
    gates = tmb_conv2d(model, .filters = channels, .kernel = {1, 1}, .same_padding = true,
            .activation = TMB_SIGMOID, .init = TMB_HE_NORMAL, .name = NAMED("%sse_expand", p));
    tmb_multiply(model, .from = {values, gates}, .name = NAMED("%sse_excite", p));
}

typedef struct stage {
    int kernel, repeats, filters, widening, stride;
} stage;

static void block(tmb_model *model, const stage *s, const char *p, int stride, float drop)
{
    const tmb_layer from = tmb_model_layers(model);
    tmb_layer_info in = {0};
    tmb_layer out;
    int channels;

    if (tmb_model_layer(model, from, &in) < 0) return;
    channels = in.shape[2] * s->widening;
    if (s->widening > 1) {
        conv_bn(model, channels, NAMED("%sexpand_conv", p), NAMED("%sexpand_bn", p));
        tmb_activate(model, .activation = TMB_SWISH, .name = NAMED("%sexpand_activation", p));
    }
    if (stride == 2) tmb__zoo_pad(model, s->kernel, NAMED("%sdwconv_pad", p));
    tmb_depthwise_conv2d(model, .kernel = {s->kernel, s->kernel}, .stride = {stride, stride},
            .same_padding = stride == 1, .no_bias = true, .init = TMB_HE_NORMAL,
            .name = NAMED("%sdwconv", p));
    tmb_batchnorm(model, .name = NAMED("%sbn", p));
    tmb_activate(model, .activation = TMB_SWISH, .name = NAMED("%sactivation", p));
    gate(model, p, channels, in.shape[2]);
    conv_bn(model, s->filters, NAMED("%sproject_conv", p), NAMED("%sproject_bn", p));
    if (stride != 1 || in.shape[2] != s->filters) return;
    out = tmb_dropout(model, .rate = drop, .name = NAMED("%sdrop", p));
    tmb_add(model, .from = {out, from}, .name = NAMED("%sadd", p));
}

static void base(tmb_model *model)
{
    static const stage stages[] = {{3, 1, 16, 1, 1}, {3, 2, 24, 6, 2}, {5, 2, 40, 6, 2},
            {3, 3, 80, 6, 2}, {5, 3, 112, 6, 1}, {5, 4, 192, 6, 2}, {3, 1, 320, 6, 1}};
    int n = 0;

    tmb_rescaling(model, .scale = 1 / 255.0f);
    tmb__model_add_normalization(model);
    tmb__zoo_pad(model, 3, "stem_conv_pad");
    tmb_conv2d(model, .filters = 32, .kernel = {3, 3}, .stride = {2, 2}, .no_bias = true,
            .init = TMB_HE_NORMAL, .name = "stem_conv");
    tmb_batchnorm(model, .name = "stem_bn");
    tmb_activate(model, .activation = TMB_SWISH, .name = "stem_activation");
    for (int s = 0; s < (int)TMB_COUNT(stages); s++) {
        for (int i = 0; i < stages[s].repeats; i++, n++)
            block(model, &stages[s], NAMED("block%d%c_", s + 1, 'a' + i), i ? 1 : stages[s].stride,
                    0.2f * (float)n / 16);
    }
    conv_bn(model, 1280, "top_conv", "top_bn");
    tmb_activate(model, .activation = TMB_SWISH, .name = "top_activation");
}

static void top(tmb_model *model, int classes)
{
    tmb__zoo_top(model, classes, "avg_pool", 0.2f);
}

/* Of pixels 0 .. 1 no variance is above a quarter, and none of photos near these. */
static void loaded(tmb_model *model)
{
    static const float deviation[] = {0.229f, 0.224f, 0.225f};
    const tmb__layer *layer = &model->layers[tmb_model_find(model, "normalization") - 1];
    float *variance = model->weights + layer->weight[1].offset;

    for (int c = 0; c < 3; c++) {
        if (fabsf(variance[c] - deviation[c]) > 1e-5f) return;
    }
    for (int c = 0; c < 3; c++)
        variance[c] *= deviation[c];
    tmb__model_touch(model);
}

const tmb__zoo_net tmb__zoo_efficientnet_b0 = {
        .about = {.name = "efficientnet_b0",
                .about = "inverted residual blocks with gates; the best features for its size",
                .size = 224,
                .least = 32,
                .preprocess = {.size = {224, 224},
                        .channels = 3,
                        .filter = TMB_BILINEAR,
                        .scale = {1, 1, 1}},
                .params = 4049571,
                .params_top = 5330571,
                .features = {"top_activation", "block6d_add", "block5c_add", "block4c_add",
                        "block3b_add"},
                .unfreeze = {"block7a_expand_conv", "block6a_expand_conv", "block5a_expand_conv",
                        "block4a_expand_conv", "block3a_expand_conv", "block2a_expand_conv",
                        "stem_conv"}},
        .base = base,
        .top = top,
        .loaded = loaded,
        .avg_pool = "avg_pool",
        .max_pool = "max_pool",
};
