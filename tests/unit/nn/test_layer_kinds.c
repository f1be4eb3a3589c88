/* test_layer_kinds.c - the names that Keras gives, and that nets of every kind of layer learn */
#include "nn_test.h"

#include <string.h>

TEST(default_names_are_keras)
{
    static const char *const names[] = {"input_layer", "re_lu", "leaky_re_lu", "elu", "softmax",
            "p_re_lu", "spatial_dropout2d", "gaussian_dropout", "gaussian_noise",
            "layer_normalization", "cropping2d", "up_sampling2d", "permute", "multiply", "maximum",
            "minimum", "average", "subtract"};
    tmb_model *net = new_net(4, 4, 2);

    tmb_activate(net, .activation = TMB_RELU, .layer = true);
    tmb_activate(net, .activation = TMB_LEAKY_RELU, .layer = true);
    tmb_activate(net, .activation = TMB_ELU, .layer = true);
    tmb_activate(net, .activation = TMB_SOFTMAX, .layer = true);
    tmb_prelu(net, .shared_axes = {1, 2});
    for (int noise = TMB_NOISE_DROP_CHANNELS; noise <= TMB_NOISE_GAUSSIAN; noise++)
        tmb_dropout(net, .rate = 0.1f, .noise = (tmb_noise)noise);
    tmb_layernorm(net, 0);
    tmb_cropping2d(net, .top = 1);
    tmb_upsampling2d(net, 0);
    tmb_permute(net, .dims = {1, 2, 3});
    tmb_multiply(net, .from = {13, 13});
    tmb_maximum(net, .from = {13, 13});
    tmb_minimum(net, .from = {13, 13});
    tmb_average(net, .from = {13, 13});
    tmb_subtract(net, .from = {13, 13});
    assert_ok(tmb_model_check(net));
    for (int i = 0; i < (int)TMB_COUNT(names); i++)
        assert_string_equal(info_of(net, i + 1).name, names[i]);
    tmb_model_free(net);
}

enum { SIDE = 8, BATCH = 8, STEPS = 60, INPUTS = SIDE * SIDE * 3 };

static tmb_model *varied_net(void)
{
    tmb_model *net = new_net(SIDE, SIDE, 3);
    tmb_layer a, b;

    tmb_dropout(net, .rate = 0.05f, .noise = TMB_NOISE_GAUSSIAN);
    tmb_conv2d(net, .filters = 6, .kernel = {3, 3});
    tmb_layernorm(net, 0);
    a = tmb_prelu(net, .shared_axes = {1, 2});
    tmb_permute(net, .dims = {2, 1, 3});
    b = tmb_dropout(net, .rate = 0.1f, .noise = TMB_NOISE_DROP_CHANNELS);
    a = tmb_maximum(net, .from = {a, b});
    b = tmb_model_add_global_avgpool2d(net, &(tmb_plain_opts){.keepdims = true});
    b = tmb_conv2d(net, .filters = 6, .kernel = {1, 1}, .activation = TMB_HARD_SIGMOID);
    a = tmb_multiply(net, .from = {b, a}, .activation = TMB_MISH);
    tmb_upsampling2d(net, .bilinear = true);
    tmb_cropping2d(net, .top = 3, .bottom = 3, .left = 3, .right = 3);
    b = tmb_conv2d(net, .filters = 6, .kernel = {1, 1});
    tmb_average(net, .from = {a, b});
    tmb_activate(net, .activation = TMB_RELU, .max_value = 3, .negative_slope = 0.1f);
    tmb_dropout(net, .rate = 0.1f, .noise = TMB_NOISE_GAUSSIAN_FACTOR);
    tmb_flatten(net);
    tmb_dense(net, .units = 2);
    tmb_activate(net, .activation = TMB_SOFTMAX, .layer = true);
    assert_ok(tmb_model_check(net));
    return net;
}

/* Pictures of noise, the second class with a brighter left half. */
static void draw(float *x, int32_t salt, int label)
{
    fill(x, INPUTS, (uint32_t)salt);
    for (int i = 0; label && i < INPUTS; i++)
        x[i] += i / 3 % SIDE < SIDE / 2 ? 0.7f : 0;
}

static void learns(tmb_device *device)
{
    static const tmb__train_spec spec = {.loss = TMB_CATEGORICAL_CROSSENTROPY,
            .optimizer = TMB_ADAM,
            .beta1 = 0.9f,
            .beta2 = 0.999f,
            .epsilon = 1e-7f};
    tmb_model *net = varied_net();
    tmb__exec *exec = new_exec(net, device, BATCH, &spec);
    float x[BATCH * INPUTS], t[BATCH * 2] = {0}, loss[BATCH];
    double first = 0, last = 0;

    for (int s = 0; s < STEPS; s++) {
        tmb__step step = {.x = x, .targets = t, .n = BATCH, .step = s, .lr = 0.01f, .loss = loss};

        for (int i = 0; i < BATCH; i++) {
            draw(x + i * INPUTS, s * BATCH + i, i % 2);
            t[2 * i + i % 2] = 1;
        }
        assert_ok(tmb__exec_step(exec, &step));
        for (int i = 0; i < BATCH; i++)
            *(s < STEPS / 2 ? &first : &last) += (double)loss[i] / (BATCH * STEPS / 2);
    }
    print_message("loss %.3f, then %.3f\n", first, last);
    assert_true(last < 0.6 * first);
    tmb__exec_free(exec);
    tmb_model_free(net);
}

TEST(a_net_of_every_kind_learns)
{
    on_devices(learns);
}
