/* vgg.c - VGG16 and VGG19, after Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale
 * Image Recognition, ICLR 2015, and keras.applications.vgg16
 *
 * Five blocks of 3 x 3 convolutions, each halved by max-pooling; two dense layers of 4096 on top. */
#include "zoo/zoo.h"

static void blocks(tmb_model *model, const int convs[5])
{
    for (int b = 0; b < 5; b++) {
        for (int i = 0; i < convs[b]; i++)
            tmb_conv2d(model, .filters = TMB_MIN(64 << b, 512), .kernel = {3, 3},
                    .same_padding = true, .activation = TMB_RELU,
                    .name = NAMED("block%d_conv%d", b + 1, i + 1));
        tmb_maxpool2d(model, .pool = {2, 2}, .name = NAMED("block%d_pool", b + 1));
    }
}

static void base16(tmb_model *model)
{
    blocks(model, (const int[]){2, 2, 3, 3, 3});
}

static void base19(tmb_model *model)
{
    blocks(model, (const int[]){2, 2, 4, 4, 4});
}

static void top(tmb_model *model, int classes)
{
    tmb_flatten(model);
    tmb_dense(model, .units = 4096, .activation = TMB_RELU, .name = "fc1");
    tmb_dense(model, .units = 4096, .activation = TMB_RELU, .name = "fc2");
    tmb_dense(model, .units = classes, .activation = TMB_SOFTMAX, .name = "predictions");
}

#define POINTS                                                                                     \
    .features = {"block5_pool", "block4_pool", "block3_pool", "block2_pool", "block1_pool"},       \
    .unfreeze = {"block5_conv1", "block4_conv1", "block3_conv1", "block2_conv1", "block1_conv1"}

const tmb__zoo_net tmb__zoo_vgg16 = {
        .about = {.name = "vgg16",
                .about = "16 layers of 3 x 3 convolutions; the net of the 2016 Keras post",
                .size = 224,
                .least = 32,
                .preprocess = TMB__ZOO_CAFFE(224),
                .params = 14714688,
                .params_top = 138357544,
                POINTS},
        .base = base16,
        .top = top,
};

const tmb__zoo_net tmb__zoo_vgg19 = {
        .about = {.name = "vgg19",
                .about = "as vgg16, with a fourth convolution in the last three blocks",
                .size = 224,
                .least = 32,
                .preprocess = TMB__ZOO_CAFFE(224),
                .params = 20024384,
                .params_top = 143667240,
                POINTS},
        .base = base19,
        .top = top,
};
