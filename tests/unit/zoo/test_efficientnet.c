/* test_efficientnet.c - EfficientNetB0 against Keras; its variances, its model file */
#include "net_keras.h"

TEST(zoo_efficientnet_b0_features_equal_keras)
{
    check_features("efficientnet_b0", 150);
    check_features("efficientnet_b0", 224);
    check_scores("efficientnet_b0", 64);
}

/* The official files hold deviations for variances: loading puts that right, and only that. */
TEST(zoo_efficientnet_b0_variances)
{
    const float deviation[] = {0.229f, 0.224f, 0.225f}, mean[] = {0.485f, 0.456f, 0.406f};
    const char *path = test_temp("official.npz");
    tmb_zoo_opts opts = {.size = {32, 32}, .until = "normalization", .undrawn = true};
    tmb_model *net = model_of("efficientnet_b0", &(tmb_zoo_opts){.size = {32, 32}}), *again;
    float pixels[32 * 32 * 3], y[32 * 32 * 3];
    const tmb_layer layer = tmb_model_find(net, "normalization");
    const float *values;

    assert_ok(tmb_model_set_weight(net, layer, 0, mean, 3));
    assert_ok(tmb_model_set_weight(net, layer, 1, deviation, 3));
    assert_ok(tmb_model_save_weights(net, path));
    opts.weights = path;
    again = model_of("efficientnet_b0", &opts);
    for (int i = 0; i < 32 * 32 * 3; i++)
        pixels[i] = (float)(i % 256);
    assert_ok(tmb_model_predict(again, pixels, 1, y));
    for (int i = 0; i < 32 * 32 * 3; i++)
        assert_true(fabsf(y[i] - (pixels[i] / 255 - mean[i % 3]) / deviation[i % 3]) < 1e-5f);
    tmb_model_free(again);
    assert_ok(tmb_model_set_weight(net, layer, 1, (const float[]){0.05f, 0.04f, 0.06f}, 3));
    assert_ok(tmb_model_save_weights(net, path));
    again = model_of("efficientnet_b0", &opts);
    assert_ok(tmb_model_weight(
            again, tmb_model_find(again, "normalization"), 1, NULL, NULL, NULL, &values));
    assert_true(values[0] == 0.05f && values[2] == 0.06f);
    tmb_model_free(again);
    tmb_model_free(net);
}

/* What is not in every net: the model file keeps it. */
TEST(zoo_efficientnet_b0_saved_and_opened)
{
    const char *path = test_temp("net.thimble");
    tmb_model *net = model_of("efficientnet_b0",
            &(tmb_zoo_opts){.size = {32, 32}, .until = "block2b_add", .pooling = TMB_POOLING_AVG});
    tmb_model *again;
    float *x, a[24], b[24];

    assert_int_equal(tmb_model_outputs(net), 24);
    fill_net(net);
    x = fill_photo(net);
    assert_ok(tmb_model_predict(net, x, 1, a));
    assert_ok(tmb_model_save(net, path));
    assert_ok(tmb_model_open(&again, path));
    assert_ok(tmb_model_predict(again, x, 1, b));
    assert_memory_equal(a, b, sizeof a);
    tmb_model_free(again);
    tmb_model_free(net);
}
