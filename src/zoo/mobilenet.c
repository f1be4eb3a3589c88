/* mobilenet.c - MobileNet and MobileNetV2, after Howard and others, MobileNets (arXiv 1704.04861), Sandler
 * and others, MobileNetV2, CVPR 2018, and keras.applications.mobilenet and mobilenet_v2
 *
 * Depthwise 3 x 3 convolutions between 1 x 1 ones, each with batch norm and ReLU6. In the second net a
 * block is widened six times inside and has no activation at its narrow end, where blocks are added. */
#include "zoo/zoo.h"

/* ---- MobileNet ---- */

static void bn_relu6(tmb_model *model, float momentum, const char *bn, const char *relu)
{
    tmb_batchnorm(model, .momentum = momentum, .name = bn);
    tmb_activate(model, .activation = TMB_RELU6, .name = relu);
}

static void depthwise_block(tmb_model *model, int id, int filters, int stride)
{
    if (stride == 2)
        tmb_zeropad2d(model, .bottom = 1, .right = 1, .name = NAMED("conv_pad_%d", id));
    tmb_depthwise_conv2d(model, .kernel = {3, 3}, .stride = {stride, stride},
            .same_padding = stride == 1, .no_bias = true, .name = NAMED("conv_dw_%d", id));
    bn_relu6(model, 0, NAMED("conv_dw_%d_bn", id), NAMED("conv_dw_%d_relu", id));
    tmb_conv2d(model, .filters = filters, .kernel = {1, 1}, .same_padding = true, .no_bias = true,
            .name = NAMED("conv_pw_%d", id));
    bn_relu6(model, 0, NAMED("conv_pw_%d_bn", id), NAMED("conv_pw_%d_relu", id));
}

static void base_v1(tmb_model *model)
{
    static const int filters[] = {64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024};

    tmb_conv2d(model, .filters = 32, .kernel = {3, 3}, .stride = {2, 2}, .same_padding = true,
            .no_bias = true, .name = "conv1");
    bn_relu6(model, 0, "conv1_bn", "conv1_relu");
    for (int i = 0; i < (int)TMB_COUNT(filters); i++)
        depthwise_block(model, i + 1, filters[i], i > 0 && filters[i] > filters[i - 1] ? 2 : 1);
}

static void top_v1(tmb_model *model, int classes)
{
    tmb_model_add_global_avgpool2d(model, &(tmb_plain_opts){.keepdims = true});
    tmb_dropout(model, .rate = 0.001f, .name = "dropout");
    tmb_conv2d(model, .filters = classes, .kernel = {1, 1}, .same_padding = true,
            .name = "conv_preds");
    tmb_reshape(model, .shape = {classes}, .name = "reshape_2");
    tmb_activate(model, .activation = TMB_SOFTMAX, .name = "predictions");
}

const tmb__zoo_net tmb__zoo_mobilenet = {
        .about = {.name = "mobilenet",
                .about = "depthwise convolutions, small and fast",
                .size = 224,
                .least = 32,
                .preprocess = TMB__ZOO_SIGNED(224),
                .params = 3228864,
                .params_top = 4253864,
                .features = {"conv_pw_13_relu", "conv_pw_11_relu", "conv_pw_5_relu",
                        "conv_pw_3_relu"},
                .unfreeze = {"conv_dw_13", "conv_pad_12", "conv_pad_6", "conv_pad_4", "conv_pad_2",
                        "conv1"}},
        .base = base_v1,
        .top = top_v1,
};

/* ---- MobileNetV2 ---- */

static tmb_layer inverted_block(tmb_model *model, int id, int filters, int stride)
{
    const char *p = id ? NAMED("block_%d_", id) : "expanded_conv_";
    const tmb_layer from = tmb_model_layers(model);
    tmb_layer_info in = {0};
    tmb_layer out;

    if (tmb_model_layer(model, from, &in) < 0) return 0;
    if (id) {
        tmb_conv2d(model, .filters = 6 * in.shape[2], .kernel = {1, 1}, .same_padding = true,
                .no_bias = true, .name = NAMED("%sexpand", p));
        bn_relu6(model, 0.999f, NAMED("%sexpand_BN", p), NAMED("%sexpand_relu", p));
    }
    if (stride == 2) tmb__zoo_pad(model, 3, NAMED("%spad", p));
    tmb_depthwise_conv2d(model, .kernel = {3, 3}, .stride = {stride, stride},
            .same_padding = stride == 1, .no_bias = true, .name = NAMED("%sdepthwise", p));
    bn_relu6(model, 0.999f, NAMED("%sdepthwise_BN", p), NAMED("%sdepthwise_relu", p));
    tmb_conv2d(model, .filters = filters, .kernel = {1, 1}, .same_padding = true, .no_bias = true,
            .name = NAMED("%sproject", p));
    out = tmb_batchnorm(model, .momentum = 0.999f, .name = NAMED("%sproject_BN", p));
    if (in.shape[2] == filters && stride == 1)
        out = tmb_add(model, .from = {from, out}, .name = NAMED("%sadd", p));
    return out;
}

static void base_v2(tmb_model *model)
{
    static const struct {
        int filters, repeats, stride;
    } stages[] = {
            {16, 1, 1}, {24, 2, 2}, {32, 3, 2}, {64, 4, 2}, {96, 3, 1}, {160, 3, 2}, {320, 1, 1}};
    int id = 0;

    tmb_conv2d(model, .filters = 32, .kernel = {3, 3}, .stride = {2, 2}, .same_padding = true,
            .no_bias = true, .name = "Conv1");
    bn_relu6(model, 0.999f, "bn_Conv1", "Conv1_relu");
    for (size_t s = 0; s < TMB_COUNT(stages); s++) {
        for (int i = 0; i < stages[s].repeats; i++)
            inverted_block(model, id++, stages[s].filters, i ? 1 : stages[s].stride);
    }
    tmb_conv2d(model, .filters = 1280, .kernel = {1, 1}, .no_bias = true, .name = "Conv_1");
    bn_relu6(model, 0.999f, "Conv_1_bn", "out_relu");
}

static void top_v2(tmb_model *model, int classes)
{
    tmb__zoo_top(model, classes, NULL, 0);
}

const tmb__zoo_net tmb__zoo_mobilenet_v2 = {
        .about = {.name = "mobilenet_v2",
                .about = "inverted residual blocks; strong features for its size",
                .size = 224,
                .least = 32,
                .preprocess = TMB__ZOO_SIGNED(224),
                .params = 2257984,
                .params_top = 3538984,
                .features = {"out_relu", "block_15_add", "block_12_add", "block_5_add",
                        "block_2_add"},
                .unfreeze = {"block_16_expand", "block_13_expand", "block_10_expand",
                        "block_6_expand", "block_3_expand", "block_1_expand", "Conv1"}},
        .base = base_v2,
        .top = top_v2,
};
