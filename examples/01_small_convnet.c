/* 01_small_convnet.c - the small convnet of the 2016 post, on DIR/train and DIR/validation
 *
 * The same figures as: thimble train DIR --recipe keras2016 --seed 1 --epochs N */
#include <stdio.h>
#include <stdlib.h>
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
    const char *dir = argc > 1 ? argv[1] : "toys";
    const int epochs = argc > 2 ? atoi(argv[2]) : 50;
    tmb_images_opts opts = {.size = {150, 150}, .batch = 16, .rescale = 1 / 255.0f, .seed = 1};
    tmb_images *train, *val;
    tmb_model *net;

    opts.augment.preset = TMB_PRESET_KERAS2016, opts.part = TMB_VALIDATION;
    TRY(tmb_images_open(&val, dir, &opts));
    opts.part = TMB_TRAIN, opts.shuffle = opts.shuffle_once = true;
    opts.augment.shear = 0.2f, opts.augment.horizontal_flip = true;
    opts.augment.zoom[0] = 0.8f, opts.augment.zoom[1] = 1.2f;
    TRY(tmb_images_open(&train, dir, &opts));

    TRY(tmb_model_new(&net, 150, 150, 3));
    for (int i = 0; i < 3; i++) {
        tmb_conv2d(net, .filters = i < 2 ? 32 : 64, .kernel = {3, 3}, .activation = TMB_RELU);
        tmb_maxpool2d(net, .pool = {2, 2});
    }
    tmb_flatten(net);
    tmb_dense(net, .units = 64, .activation = TMB_RELU);
    tmb_dropout(net, .rate = 0.5f);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);

    TRY(tmb_compile(
            net, .seed = 1, .epsilon = 1e-8f, .epsilon_outside = true)); /* RMSprop of 2016 */
    TRY(tmb_fit(net, train, .epochs = epochs, .validation = val, .on_epoch = print_epoch));
    TRY(tmb_model_save_weights(net, "first_try.h5"));

    tmb_model_free(net);
    tmb_images_free(val);
    tmb_images_free(train);
}
