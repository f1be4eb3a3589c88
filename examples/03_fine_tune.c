/* 03_fine_tune.c - the post's third experiment: VGG16's last block trained on, with the top on it
 *
 * The post's script 3; run 02_bottleneck_features before, whose bottleneck_fc_model.h5 is the top. What is
 * frozen is computed once for each of a few views of a photo and kept, not anew in each epoch. */
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

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "data", *weights = argc > 4 ? argv[4] : NULL;
    const int epochs = argc > 2 ? atoi(argv[2]) : 50, side = argc > 3 ? atoi(argv[3]) : 150;
    tmb_backbone_opts vgg16 = {.names = {"vgg16"}, .size = {side, side}, .post_pixels = true};
    tmb_images_opts opts = {.batch = 16, .seed = 1, .part = TMB_VALIDATION};
    const tmb_load_opts by_name = {.by_name = true};
    tmb_images *train, *val;
    tmb_model *net;

    vgg16.random = weights && strcmp(weights, "random") == 0;
    vgg16.weights[0] = vgg16.random ? NULL : weights;
    TRY(tmb_backbone_model(&net, &vgg16));
    tmb_flatten(net);
    tmb_dense(net, .units = 256, .activation = TMB_RELU, .name = "dense");
    tmb_dropout(net, .rate = 0.5f);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID, .name = "dense_1");
    TRY(tmb_model_load_weights_as(net, "bottleneck_fc_model.h5", &by_name, NULL));

    opts.preprocess = tmb_model_preprocess(net);
    TRY(tmb_images_open(&val, dir, &opts));
    opts.part = TMB_TRAIN, opts.shuffle = true;
    opts.augment.preset = TMB_PRESET_KERAS2016;
    opts.augment.shear = 0.2f, opts.augment.horizontal_flip = true;
    opts.augment.zoom[0] = 0.8f, opts.augment.zoom[1] = 1.2f;
    TRY(tmb_images_open(&train, dir, &opts));

    TRY(tmb_model_freeze(net, "block4_pool", true));
    TRY(tmb_compile(net, .loss = TMB_BINARY_CROSSENTROPY, .optimizer = TMB_SGD, .lr = 1e-4f,
            .momentum = 0.9f, .seed = 1, .keep_weights = true));
    TRY(tmb_fit(net, train, .epochs = epochs, .validation = val, .on_epoch = print_epoch,
            .kept_views = 8));
    TRY(tmb_model_save(net, "fine_tuned.thimble"));

    tmb_images_free(train);
    tmb_images_free(val);
    tmb_model_free(net);
}
