/* test_freeze.c - layers frozen up to a name; batch normalisation above it; what training leaves alone */
#include "unit/train/train_test.h"

#include "transfer/transfer.h"

static bool trains(const tmb_model *net, const char *name)
{
    tmb_layer_info info;

    assert_ok(tmb_model_layer(net, tmb_model_find(net, name), &info));
    return info.trainable;
}

TEST(freeze_up_to_a_layer)
{
    tmb_model *net = toy_net(1);

    assert_ok(tmb_model_freeze(net, "conv2d", false));
    assert_false(trains(net, "conv2d"));
    assert_true(trains(net, "batch_normalization"));
    assert_true(trains(net, "conv2d_1"));
    assert_ok(tmb_model_freeze(net, "conv2d_1", true));
    assert_false(trains(net, "batch_normalization"));
    assert_false(trains(net, "conv2d_1"));
    assert_true(trains(net, "dense"));
    assert_int_equal(tmb_model_params(net, true),
            tmb_model_params(net, false) - 4 * 8 - 8 * 27 - 16 * (8 * 9 + 1));
    assert_ok(tmb_model_freeze(net, NULL, true)); /* all free again but the norms */
    assert_true(trains(net, "conv2d"));
    assert_false(trains(net, "batch_normalization"));
    assert_ok(tmb_model_freeze(net, NULL, false));
    assert_true(trains(net, "batch_normalization"));
    tmb_model_free(net);
}

TEST(freeze_names_the_nearest_layer)
{
    tmb_model *net = toy_net(1);

    assert_ok(tmb_model_freeze(net, "conv2d", false));
    assert_status(tmb_model_freeze(net, "conv2d1", true), TMB_EINVAL);
    assert_message("no layer \"conv2d1\"");
    assert_string_equal(tmb_errhint(), "did you mean conv2d?");
    assert_status(tmb_model_freeze(net, "max_poling2d_1", true), TMB_EINVAL);
    assert_string_equal(tmb_errhint(), "did you mean max_pooling2d_1?");
    assert_true(trains(net, "batch_normalization")); /* as it was */
    assert_status(tmb_model_freeze(NULL, NULL, false), TMB_EINVAL);
    tmb_model_free(net);
}

static bool same_weights(const tmb_model *a, const tmb_model *b, const char *name)
{
    const tmb_layer number = tmb_model_find(a, name);
    const tmb__layer *layer = &a->layers[number - 1];
    bool same = true;

    for (int i = 0; i < layer->n_weights; i++) {
        const tmb__weight *w = &layer->weight[i];

        same = same &&
                memcmp(a->weights + w->offset, b->weights + w->offset,
                        (size_t)tmb__shape_count(&w->shape) * sizeof(float)) == 0;
    }
    return same;
}

/* Also what moves without a gradient: the statistics of a frozen norm above trained layers. */
TEST(freeze_leaves_every_byte)
{
    const char *path = toys_draw("toys", 2, 8);
    tmb_images *photos = toys_open(path, TMB_TRAIN, NULL);
    tmb_model *net = toy_net(1), *before = toy_net(1);
    const tmb_compile_opts opts = {
            .optimizer = TMB_SGD, .lr = 0.01f, .momentum = 0.9f, .seed = 1, .keep_weights = true};

    assert_ok(tmb_model_freeze(net, NULL, true));
    assert_ok(tmb_model_compile(net, &opts));
    assert_ok(tmb_fit(net, photos, .epochs = 2));
    assert_false(same_weights(net, before, "conv2d"));
    assert_true(same_weights(net, before, "batch_normalization"));
    memcpy(net->weights, before->weights, (size_t)net->n_weights * sizeof *net->weights);
    assert_ok(tmb_model_freeze(net, "conv2d_1", true));
    assert_ok(tmb_model_compile(net, &opts));
    assert_ok(tmb_fit(net, photos, .epochs = 2, .kept_views = 2));
    assert_true(same_weights(net, before, "conv2d"));
    assert_true(same_weights(net, before, "batch_normalization"));
    assert_true(same_weights(net, before, "conv2d_1"));
    assert_false(same_weights(net, before, "dense"));
    tmb_images_free(photos);
    tmb_model_free(before);
    tmb_model_free(net);
}
