/* transfer_test.h - what the tests of transfer share: a small network for a backbone, features of toys */
#ifndef THIMBLE_TEST_TRANSFER_H
#define THIMBLE_TEST_TRANSFER_H

#include "unit/train/train_test.h"

#include "transfer/transfer.h"

/* 24 random filters of 5 x 5, seen in 16 places each; it knows how its photos are prepared. */
static inline int make_small_backbone(tmb_model **out, bool pooled)
{
    const tmb_preprocess pre = {.size = {TOY_SIDE, TOY_SIDE},
            .channels = 3,
            .filter = TMB_BILINEAR,
            .scale = {1 / 127.5f, 1 / 127.5f, 1 / 127.5f},
            .offset = {-1, -1, -1}};

    TMB_TRY(tmb_model_new(out, TOY_SIDE, TOY_SIDE, 3));
    tmb_conv2d(*out, .filters = 24, .kernel = {5, 5}, .activation = TMB_RELU, .frozen = true);
    tmb_maxpool2d(*out, .pool = {5, 5});
    if (pooled) tmb_global_avgpool2d(*out);
    TMB_TRY(tmb_model_check(*out));
    return tmb_model_set_preprocess(*out, &pre);
}

static inline tmb_model *small_backbone(bool pooled)
{
    tmb_model *net;

    assert_ok(make_small_backbone(&net, pooled));
    return net;
}

static inline tmb_images *photos_for(const tmb_model *net, const char *path, tmb_part part)
{
    const tmb_images_opts opts = {
            .preprocess = tmb_model_preprocess(net), .part = part, .batch = 8, .threads = 1};
    tmb_images *images;

    assert_ok(tmb_images_open(&images, path, &opts));
    return images;
}

/* Skips where the build has no OpenBLAS. */
static inline tmb_head *fit_head(const tmb_features *features, const tmb_head_opts *opts)
{
    tmb_head *head;
    const int status = tmb_head_fit(&head, features, opts);

    if (status == TMB_EUNSUPPORTED) SKIP("built without OpenBLAS");
    assert_ok(status);
    return head;
}

#endif
