/* resnet.c - ResNet50, after He and others, Deep Residual Learning for Image Recognition, CVPR 2016, and
 * keras.applications.resnet
 *
 * Sixteen blocks of 1 x 1, 3 x 3 and 1 x 1 convolutions beside a way past them. The first block of a stage
 * halves the sides in its first 1 x 1, and has a convolution on the way past it. */
#include "zoo/zoo.h"

#define EPSILON 1.001e-5f

/* Names are "<block>_<part>_conv" and so on. */
static tmb_layer conv_bn(tmb_model *model, const tmb_conv2d_opts *opts, const char *block, int part)
{
    tmb_conv2d_opts o = *opts;

    o.name = NAMED("%s_%d_conv", block, part);
    tmb_model_add_conv2d(model, &o);
    return tmb_batchnorm(model, .epsilon = EPSILON, .name = NAMED("%s_%d_bn", block, part));
}

static void residual_block(tmb_model *model, const char *block, int filters, int stride, bool first)
{
    const tmb_conv2d_opts narrow = {
            .filters = filters, .kernel = {1, 1}, .stride = {stride, stride}};
    const tmb_conv2d_opts middle = {.filters = filters, .kernel = {3, 3}, .same_padding = true};
    const tmb_conv2d_opts wide = {.filters = 4 * filters, .kernel = {1, 1}};
    const tmb_layer from = tmb_model_layers(model);
    tmb_conv2d_opts past = wide, start = narrow;
    tmb_layer shortcut = from, out;

    past.stride[0] = past.stride[1] = stride;
    past.from = start.from = from;
    if (first) shortcut = conv_bn(model, &past, block, 0);
    conv_bn(model, &start, block, 1);
    tmb_activate(model, .activation = TMB_RELU, .name = NAMED("%s_1_relu", block));
    conv_bn(model, &middle, block, 2);
    tmb_activate(model, .activation = TMB_RELU, .name = NAMED("%s_2_relu", block));
    out = conv_bn(model, &wide, block, 3);
    tmb_add(model, .from = {shortcut, out}, .name = NAMED("%s_add", block));
    tmb_activate(model, .activation = TMB_RELU, .name = NAMED("%s_out", block));
}

static void base(tmb_model *model)
{
    static const int repeats[] = {3, 4, 6, 3};

    tmb_zeropad2d(model, .top = 3, .bottom = 3, .left = 3, .right = 3, .name = "conv1_pad");
    tmb_conv2d(model, .filters = 64, .kernel = {7, 7}, .stride = {2, 2}, .name = "conv1_conv");
    tmb_batchnorm(model, .epsilon = EPSILON, .name = "conv1_bn");
    tmb_activate(model, .activation = TMB_RELU, .name = "conv1_relu");
    tmb_zeropad2d(model, .top = 1, .bottom = 1, .left = 1, .right = 1, .name = "pool1_pad");
    tmb_maxpool2d(model, .pool = {3, 3}, .stride = {2, 2}, .name = "pool1_pool");
    for (int s = 0; s < 4; s++) {
        for (int i = 0; i < repeats[s]; i++)
            residual_block(model, NAMED("conv%d_block%d", s + 2, i + 1), 64 << s,
                    s > 0 && i == 0 ? 2 : 1, i == 0);
    }
}

static void top(tmb_model *model, int classes)
{
    tmb__zoo_top(model, classes, "avg_pool", 0);
}

const tmb__zoo_net tmb__zoo_resnet50 = {
        .about = {.name = "resnet50",
                .about = "50 layers with ways past them",
                .size = 224,
                .least = 32,
                .preprocess = TMB__ZOO_CAFFE(224),
                .params = 23587712,
                .params_top = 25636712,
                .features = {"conv5_block3_out", "conv4_block6_out", "conv3_block4_out",
                        "conv2_block3_out"},
                .unfreeze = {"conv5_block3_1_conv", "conv5_block1_1_conv", "conv4_block1_1_conv",
                        "conv3_block1_1_conv", "conv2_block1_1_conv", "conv1_conv"}},
        .base = base,
        .top = top,
        .avg_pool = "avg_pool",
        .max_pool = "max_pool",
};
