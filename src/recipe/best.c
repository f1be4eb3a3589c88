/* best.c - our way to train a small net from scratch on a few hundred photos a class
 *
 * A residual batch-norm net of five scales on 128 x 128 photos, shrunk without aliasing; a random crop
 * in one resampling pass, mirrored every other epoch, colours varied; SGD with Nesterov momentum on a
 * one-cycle schedule; label smoothing; the weights averaged over the last steps; predictions averaged
 * over a photo and its mirror image. docs/results.md has its figures. */
#include "recipe/recipe.h"

static tmb_layer conv_bn(tmb_model *model, tmb_layer from, int filters, int stride, bool relu)
{
    tmb_conv2d(model, .filters = filters, .kernel = {3, 3}, .stride = {stride, stride},
            .same_padding = true, .no_bias = true, .init = TMB_HE_NORMAL, .from = from);
    tmb_layer bn =
            tmb_batchnorm(model, .momentum = 0.9f, .gamma_init = relu ? TMB_ONES : TMB_ZEROS);

    return relu ? tmb_activate(model, .activation = TMB_RELU) : bn;
}

/* Convolution, halved by max-pooling, then a residual block whose branch starts at zero. */
static void stage(tmb_model *model, int filters)
{
    tmb_layer trunk, branch;

    conv_bn(model, 0, filters, 1, true);
    trunk = tmb_maxpool2d(model, .pool = {2, 2});
    branch = conv_bn(model, trunk, filters, 1, false);
    tmb_add(model, .from = {trunk, branch}, .activation = TMB_RELU);
}

static int build(tmb_model *model, int classes, float dropout)
{
    conv_bn(model, 0, 16, 2, true);
    for (int filters = 32; filters <= 256; filters *= 2)
        stage(model, filters);
    tmb_global_avgpool2d(model);
    tmb_dropout(model, .rate = dropout);
    tmb_dense(model, .units = classes, .activation = TMB_SOFTMAX);
    return tmb_model_check(model);
}

const tmb_recipe tmb__recipe_best = {
        .name = "best",
        .about = "a residual batch-norm net with strong augmentation, from scratch",
        .preprocess = {.size = {128, 128},
                .channels = 3,
                .filter = TMB_BILINEAR,
                .scale = {1 / 63.75f, 1 / 63.75f, 1 / 63.75f},
                .offset = {-1.86f, -1.86f, -1.68f},
                .flip_views = true},
        .augment = {.preset = TMB_PRESET_CORRECT,
                .rotation = 15,
                .fill = TMB_FILL_REFLECT,
                .alternate_flip = true,
                .crop_area = {0.35f, 1},
                .crop_aspect = 0.3f,
                .gain = 0.2f,
                .contrast = 0.3f,
                .saturation = 0.5f},
        .batch = 32,
        .epochs = 90,
        .compile = {.optimizer = TMB_SGD,
                .lr = 0.1f,
                .momentum = 0.9f,
                .nesterov = true,
                .weight_decay = 0.0005f,
                .clip_norm = 5,
                .label_smoothing = 0.1f,
                .schedule = TMB_ONECYCLE,
                .warmup = 0.15f,
                .average = 0.998f},
        .dropout = 0.2f,
        .build = build,
};
