/* keras2016.c - the small convnet of the 2016 post, to the letter (keras.md 7, script 1)
 *
 * Photos stretched to 150 x 150 by nearest neighbour, sheared by up to 0.2 radians, zoomed by 0.8 to
 * 1.2 on each axis, mirrored, and scaled by 1/255 last. RMSprop as it was: its epsilon, 1e-8, stands
 * outside the root. 2000 is a multiple of 16, and Keras of that year then drew one order for all
 * epochs. More than two classes take a softmax, which the post did not need. */
#include "recipe/recipe.h"

static int build(tmb_model *model, int classes, float dropout)
{
    const int filters[] = {32, 32, 64};

    for (int i = 0; i < 3; i++) {
        tmb_conv2d(model, .filters = filters[i], .kernel = {3, 3}, .activation = TMB_RELU);
        tmb_maxpool2d(model, .pool = {2, 2});
    }
    tmb_flatten(model);
    tmb_dense(model, .units = 64, .activation = TMB_RELU);
    tmb_dropout(model, .rate = dropout);
    if (classes == 2)
        tmb_dense(model, .units = 1, .activation = TMB_SIGMOID);
    else
        tmb_dense(model, .units = classes, .activation = TMB_SOFTMAX);
    return tmb_model_check(model);
}

const tmb_recipe tmb__recipe_keras2016 = {
        .name = "keras2016",
        .about = "the three-conv net of the 2016 Keras post, to the letter",
        .preprocess = {.size = {150, 150},
                .channels = 3,
                .filter = TMB_NEAREST,
                .ignore_exif = true,
                .scale = {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}},
        .augment = {.preset = TMB_PRESET_KERAS2016,
                .shear = 0.2f,
                .zoom = {0.8f, 1.2f},
                .horizontal_flip = true},
        .shuffle_once = true,
        .batch = 16,
        .epochs = 50,
        .compile = {.optimizer = TMB_RMSPROP,
                .lr = 0.001f,
                .rho = 0.9f,
                .epsilon = 1e-8f,
                .epsilon_outside = true},
        .dropout = 0.5f,
        .build = build,
};
