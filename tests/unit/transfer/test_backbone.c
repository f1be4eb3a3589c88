/* test_backbone.c - one network is the zoo's; several give what each gives alone, side by side */
#include "unit/train/train_test.h"

#include "transfer/transfer.h"

enum { SIDE = 48, PIXELS = SIDE * SIDE * 3 };

static tmb_model *backbone(const tmb_backbone_opts *opts)
{
    tmb_backbone_opts o = *opts;
    tmb_model *net;

    o.random = !o.weights[0];
    o.size[0] = o.size[1] = SIDE;
    assert_ok(tmb_backbone_model(&net, &o));
    return net;
}

/* Values 0..255 as the loader hands them to the net. */
static const float *pixels_for(const tmb_model *net)
{
    static float x[PIXELS];
    const tmb_preprocess *pre = tmb_model_preprocess(net);
    tmb__rng rng = tmb__rng_at(5, TMB_STREAM_TEST, 0, 0);

    assert_int_equal(pre->size[0], SIDE);
    for (int i = 0; i < PIXELS; i++)
        x[i] = (float)tmb__rng_below(&rng, 256);
    tmb__preprocess_floats(pre, x);
    return x;
}

static const float *features_of(tmb_model *net)
{
    float *y = test_keep(tmb__calloc((size_t)tmb_model_outputs(net), sizeof *y));

    assert_ok(tmb_model_predict(net, pixels_for(net), 1, y));
    return y;
}

TEST(backbone_of_one_is_the_zoos)
{
    tmb_model *net = backbone(&(tmb_backbone_opts){.names = {"mobilenet"}}), *zoo, *cut;

    assert_ok(tmb_zoo_model(&zoo, "mobilenet", &(tmb_zoo_opts){.size = {SIDE, SIDE}}));
    assert_int_equal(tmb_model_layers(net), tmb_model_layers(zoo));
    assert_int_equal(tmb_model_outputs(net), tmb_model_outputs(zoo));
    assert_int_equal(tmb_model_params(net, true), 0);
    assert_memory_equal(
            features_of(net), features_of(zoo), (size_t)tmb_model_outputs(net) * sizeof(float));
    assert_string_equal(net->backbone, "mobilenet");
    cut = backbone(&(tmb_backbone_opts){
            .names = {"mobilenet"}, .until = "conv_pw_11_relu", .pooling = TMB_POOLING_AVG});
    assert_int_equal(tmb_model_outputs(cut), 512);
    assert_string_equal(cut->backbone, "mobilenet/conv_pw_11_relu");
    tmb_model_free(cut);
    tmb_model_free(zoo);
    tmb_model_free(net);
}

/* As the post's scripts: no channel means, which VGG16 was trained with. */
TEST(backbone_takes_the_posts_pixels)
{
    tmb_model *net = backbone(&(tmb_backbone_opts){.names = {"vgg16"}, .post_pixels = true});
    const tmb_preprocess *pre = tmb_model_preprocess(net);

    assert_false(pre->bgr);
    assert_int_equal(pre->filter, TMB_NEAREST);
    for (int c = 0; c < 3; c++) {
        assert_near(pre->scale[c], 1 / 255.0, 1e-9);
        assert_near(pre->offset[c], 0, 0);
    }
    tmb_model_free(net);
}

/* MobileNet wants -1..1, VGG16 blue first minus means: both of the same 0..255. */
TEST(backbone_of_several_is_each_side_by_side)
{
    const char *const names[] = {"mobilenet", "vgg16"};
    tmb_model *both = backbone(
            &(tmb_backbone_opts){.names = {names[0], names[1]}, .pooling = TMB_POOLING_AVG});
    const float *y = features_of(both);
    int at = 0;

    for (int i = 0; i < 2; i++) {
        tmb_model *alone =
                backbone(&(tmb_backbone_opts){.names = {names[i]}, .pooling = TMB_POOLING_AVG});
        const float *expected = features_of(alone);
        const int n = tmb_model_outputs(alone);
        double largest = 0;

        for (int k = 0; k < n; k++)
            largest = fmax(largest, fabs((double)expected[k]));
        assert_true(largest > 0);
        for (int k = 0; k < n; k++) /* the affine pass in another place of float32 */
            assert_near(y[at + k], expected[k], 1e-4 * largest);
        at += n;
        tmb_model_free(alone);
    }
    assert_int_equal(tmb_model_outputs(both), at);
    assert_int_equal(tmb_model_params(both, true), 0);
    assert_true(tmb_model_find(both, "vgg16.block5_conv3") > 1);
    assert_true(tmb_model_find(both, "mobilenet.pixels") > 1);
    assert_string_equal(both->backbone, "mobilenet+vgg16");
    tmb_model_free(both);
}

TEST(backbone_reads_a_file)
{
    const char *path = test_temp("net.npz");
    tmb_model *net = backbone(&(tmb_backbone_opts){.names = {"mobilenet"}}), *read;

    for (int64_t i = 0; i < net->n_weights; i++)
        net->weights[i] *= 1.25f;
    tmb__model_touch(net);
    assert_ok(tmb_model_save_weights(net, path));
    read = backbone(&(tmb_backbone_opts){.names = {"mobilenet"}, .weights = {path}});
    assert_memory_equal(read->weights, net->weights, (size_t)net->n_weights * sizeof(float));
    tmb_model_free(read);
    tmb_model_free(net);
}

TEST(backbone_refuses)
{
    const tmb_zoo_store store = {.folder = test_temp("empty"), .offline = true};
    tmb_model *net;

    assert_status(tmb_backbone_model(&net, NULL), TMB_EINVAL);
    assert_status(tmb_backbone_model(NULL, &(tmb_backbone_opts){0}), TMB_EINVAL);
    assert_status(tmb_backbone_model(&net, &(tmb_backbone_opts){0}), TMB_EINVAL);
    assert_message("no network is named");
    assert_status(tmb_backbone_model(&net, &(tmb_backbone_opts){.names = {"vgg17"}}), TMB_EINVAL);
    assert_message("no network \"vgg17\"");
    assert_status(tmb_backbone_model(&net,
                          &(tmb_backbone_opts){.names = {"vgg16", "mobilenet"}, .random = true}),
            TMB_EINVAL);
    assert_message("need a pooling");
    assert_status(
            tmb_backbone_model(&net,
                    &(tmb_backbone_opts){.names = {"vgg16", "mobilenet"}, .until = "block4_pool"}),
            TMB_EINVAL);
    assert_message("single network");
    assert_status(
            tmb_backbone_model(&net, &(tmb_backbone_opts){.names = {"vgg16"}, .store = &store}),
            TMB_EMODEL);
    assert_null(net);
    assert_status(tmb_backbone_model(&net,
                          &(tmb_backbone_opts){.names = {"mobilenet", "mobilenet"},
                                  .random = true,
                                  .pooling = TMB_POOLING_AVG,
                                  .size = {SIDE, SIDE}}),
            TMB_EINVAL);
    assert_message("taken");
    assert_null(net);
}
