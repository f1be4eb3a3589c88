/* 02_bottleneck_features.c - the post's second experiment: VGG16's features, saved, and a small net on them
 *
 * The post's script 2. Weights: `thimble weights get vgg16`, or a file as fourth argument ("random" for
 * a try). Features go to *.npy, which NumPy reads, with labels in the .json beside each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thimble/thimble.h>

#define TRY(call) ((call) < 0 ? (fprintf(stderr, "%s\n", tmb_errmsg()), exit(1)) : (void)0)

static int print_epoch(void *user, const tmb_epoch *e)
{
    (void)user;
    printf("epoch %2d  loss %.4f  acc %.4f  val_loss %.4f  val_acc %.4f\n", e->number, e->loss,
            e->accuracy, e->val_loss, e->val_accuracy.value);
    return 0;
}

static void save_features(tmb_model *vgg16, const char *dir, tmb_part part, const char *path)
{
    const tmb_images_opts opts = {
            .preprocess = tmb_model_preprocess(vgg16), .part = part, .batch = 16};
    tmb_features features;
    tmb_images *images;

    TRY(tmb_images_open(&images, dir, &opts));
    TRY(tmb_model_features(&features, vgg16, images, NULL));
    TRY(tmb_features_save(&features, path));
    tmb_features_free(&features);
    tmb_images_free(images);
}

static void save_bottleneck_features(const char *dir, int side, const char *weights)
{
    tmb_backbone_opts opts = {.names = {"vgg16"}, .size = {side, side}, .post_pixels = true};
    tmb_model *vgg16;

    opts.random = weights && strcmp(weights, "random") == 0;
    opts.weights[0] = opts.random ? NULL : weights;
    TRY(tmb_backbone_model(&vgg16, &opts));
    save_features(vgg16, dir, TMB_TRAIN, "bottleneck_features_train.npy");
    save_features(vgg16, dir, TMB_VALIDATION, "bottleneck_features_validation.npy");
    tmb_model_free(vgg16);
}

static void train_top_model(int epochs)
{
    const tmb_fit_opts fit = {.epochs = epochs, .batch = 16, .on_epoch = print_epoch};
    tmb_features train, val;
    tmb_model *top;

    TRY(tmb_features_open(&train, "bottleneck_features_train.npy", NULL));
    TRY(tmb_features_open(&val, "bottleneck_features_validation.npy", &train));

    TRY(tmb_model_new(&top, train.shape[0], train.shape[1], train.shape[2]));
    tmb_flatten(top);
    tmb_dense(top, .units = 256, .activation = TMB_RELU);
    tmb_dropout(top, .rate = 0.5f);
    tmb_dense(top, .units = 1, .activation = TMB_SIGMOID);
    TRY(tmb_compile(top, .optimizer = TMB_RMSPROP, .loss = TMB_BINARY_CROSSENTROPY, .seed = 1));
    TRY(tmb_model_fit_features(top, &train, &val, &fit));
    TRY(tmb_model_save_weights(top, "bottleneck_fc_model.h5"));

    tmb_model_free(top);
    tmb_features_free(&val);
    tmb_features_free(&train);
}

int main(int argc, char **argv)
{
    save_bottleneck_features(
            argc > 1 ? argv[1] : "data", argc > 3 ? atoi(argv[3]) : 150, argc > 4 ? argv[4] : NULL);
    train_top_model(argc > 2 ? atoi(argv[2]) : 50);
}
