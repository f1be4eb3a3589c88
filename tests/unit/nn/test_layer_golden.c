/* test_layer_golden.c - forward and backward of each layer against Keras (layers.npz)
 *
 * A net of the one layer is trained without a loss: the step is given the gradient of the scores, dy, and
 * asked for that of the input, dx. Keras' results are in double precision. */
#include "nn_test.h"

#include "golden.h"

#include <stdio.h>
#include <string.h>

#define FILE_NAME "layers.npz"

/* Single precision: sums of up to 300 products of numbers of about one. */
#define TOLERANCE 1e-5

enum { INPUT_MOST = 4096 };

typedef struct golden_case {
    const char *name;
    tmb_layer (*add)(tmb_model *net);
} golden_case;

#define CASE(name, call)                                                                           \
    static tmb_layer add_##name(tmb_model *net)                                                    \
    {                                                                                              \
        return call;                                                                               \
    }
#define CASES                                                                                      \
    X(conv_valid, tmb_conv2d(net, .filters = 4, .kernel = {3, 3}))                                 \
    X(conv_same, tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .same_padding = true))            \
    X(conv_same_stride2_even,                                                                      \
            tmb_conv2d(                                                                            \
                    net, .filters = 4, .kernel = {3, 3}, .stride = {2, 2}, .same_padding = true))  \
    X(conv_same_stride2_odd,                                                                       \
            tmb_conv2d(                                                                            \
                    net, .filters = 4, .kernel = {3, 3}, .stride = {2, 2}, .same_padding = true))  \
    X(conv_dilated,                                                                                \
            tmb_conv2d(net, .filters = 3, .kernel = {3, 3}, .dilation = {2, 2},                    \
                    .same_padding = true))                                                         \
    X(conv_groups,                                                                                 \
            tmb_conv2d(net, .filters = 6, .kernel = {3, 3}, .groups = 2, .same_padding = true))    \
    X(conv_1x1, tmb_conv2d(net, .filters = 5, .kernel = {1, 1}))                                   \
    X(conv_5x3, tmb_conv2d(net, .filters = 3, .kernel = {5, 3}, .same_padding = true))             \
    X(conv_nobias, tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .no_bias = true))               \
    X(conv_relu, tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .activation = TMB_RELU))          \
    X(depthwise_same, tmb_depthwise_conv2d(net, .kernel = {3, 3}, .same_padding = true))           \
    X(depthwise_stride2,                                                                           \
            tmb_depthwise_conv2d(net, .kernel = {3, 3}, .stride = {2, 2}, .same_padding = true))   \
    X(depthwise_mult2, tmb_depthwise_conv2d(net, .kernel = {3, 3}, .multiplier = 2))               \
    X(separable,                                                                                   \
            tmb_separable_conv2d(                                                                  \
                    net, .filters = 5, .kernel = {3, 3}, .multiplier = 2, .same_padding = true))   \
    X(maxpool_2x2, tmb_maxpool2d(net, 0))                                                          \
    X(maxpool_2x2_odd, tmb_maxpool2d(net, 0))                                                      \
    X(maxpool_3x3_s2_same,                                                                         \
            tmb_maxpool2d(net, .pool = {3, 3}, .stride = {2, 2}, .same_padding = true))            \
    X(avgpool_2x2, tmb_avgpool2d(net, .pool = {2, 2}))                                             \
    X(avgpool_3x3_s2_same,                                                                         \
            tmb_avgpool2d(net, .pool = {3, 3}, .stride = {2, 2}, .same_padding = true))            \
    X(global_avg, tmb_global_avgpool2d(net))                                                       \
    X(global_max, tmb_global_maxpool2d(net))                                                       \
    X(dense, tmb_dense(net, .units = 5))                                                           \
    X(dense_relu, tmb_dense(net, .units = 5, .activation = TMB_RELU))                              \
    X(dense_on_4d, tmb_dense(net, .units = 4))                                                     \
    X(batchnorm_train, tmb_batchnorm(net, .momentum = 0.9f))                                       \
    X(batchnorm_infer, tmb_batchnorm(net, .momentum = 0.9f, .frozen = true))                       \
    X(zeropad, tmb_zeropad2d(net, .top = 1, .bottom = 2, .left = 0, .right = 3))                   \
    X(add, tmb_add(net, .from = {select(net, 0, 3), select(net, 3, 3)}))                           \
    X(concat, tmb_concatenate(net, .from = {select(net, 0, 3), select(net, 3, 2)}))                \
    X(reshape, tmb_reshape(net, .shape = {4, 9, 2}))                                               \
    X(rescaling, tmb_rescaling(net, .scale = 1 / 127.5f, .offset = -1))                            \
    X(flatten, tmb_flatten(net))                                                                   \
    X(act_relu, tmb_activate(net, .activation = TMB_RELU))                                         \
    X(act_relu6, tmb_activate(net, .activation = TMB_RELU6))                                       \
    X(act_sigmoid, tmb_activate(net, .activation = TMB_SIGMOID))                                   \
    X(act_softmax, tmb_activate(net, .activation = TMB_SOFTMAX))                                   \
    X(act_tanh, tmb_activate(net, .activation = TMB_TANH))                                         \
    X(act_linear, tmb_activate(net, .activation = TMB_LINEAR))                                     \
    X(act_elu, tmb_activate(net, .activation = TMB_ELU))                                           \
    X(act_selu, tmb_activate(net, .activation = TMB_SELU))                                         \
    X(act_softplus, tmb_activate(net, .activation = TMB_SOFTPLUS))                                 \
    X(act_leaky_relu, tmb_activate(net, .activation = TMB_LEAKY_RELU))                             \
    X(act_gelu, tmb_activate(net, .activation = TMB_GELU))                                         \
    X(act_silu, tmb_activate(net, .activation = TMB_SWISH))                                        \
    X(conv_same_even, tmb_conv2d(net, .filters = 3, .kernel = {2, 4}, .same_padding = true))       \
    X(conv_same_even_stride3,                                                                      \
            tmb_conv2d(                                                                            \
                    net, .filters = 3, .kernel = {4, 4}, .stride = {3, 3}, .same_padding = true))  \
    X(conv_dilated_valid, tmb_conv2d(net, .filters = 3, .kernel = {3, 2}, .dilation = {2, 3}))     \
    X(conv_groups_stride2,                                                                         \
            tmb_conv2d(net, .filters = 6, .kernel = {3, 3}, .stride = {2, 2}, .groups = 3))        \
    X(depthwise_dilated_mult3,                                                                     \
            tmb_depthwise_conv2d(net, .kernel = {3, 2}, .dilation = {2, 2}, .multiplier = 3,       \
                    .same_padding = true))                                                         \
    X(separable_stride2_relu,                                                                      \
            tmb_separable_conv2d(net, .filters = 4, .kernel = {2, 3}, .stride = {2, 2},            \
                    .same_padding = true, .activation = TMB_RELU))                                 \
    X(maxpool_2x3_s1_same,                                                                         \
            tmb_maxpool2d(net, .pool = {2, 3}, .stride = {1, 1}, .same_padding = true))            \
    X(maxpool_3x2_s3, tmb_maxpool2d(net, .pool = {3, 2}, .stride = {3, 1}))                        \
    X(avgpool_4x2_s3_same,                                                                         \
            tmb_avgpool2d(net, .pool = {4, 2}, .stride = {3, 3}, .same_padding = true))            \
    X(avgpool_2x3_s1_same,                                                                         \
            tmb_avgpool2d(net, .pool = {2, 3}, .stride = {1, 1}, .same_padding = true))            \
    X(global_avg_keepdims,                                                                         \
            tmb_model_add_global_avgpool2d(net, &(tmb_plain_opts){.keepdims = true}))              \
    X(global_max_keepdims,                                                                         \
            tmb_model_add_global_maxpool2d(net, &(tmb_plain_opts){.keepdims = true}))              \
    X(cropping, tmb_cropping2d(net, .top = 1, .bottom = 2, .left = 0, .right = 3))                 \
    X(layernorm, tmb_layernorm(net, 0))                                                            \
    X(layernorm_flat, tmb_layernorm(net, .epsilon = 1e-6f, .no_scale = true))                      \
    X(permute, tmb_permute(net, .dims = {3, 1, 2}))                                                \
    X(upsampling, tmb_upsampling2d(net, .size = {2, 3}))                                           \
    X(upsampling_bilinear, tmb_upsampling2d(net, .size = {3, 2}, .bilinear = true))                \
    X(multiply, tmb_multiply(net, .from = {select(net, 0, 3), select(net, 3, 3)}))                 \
    X(average, tmb_average(net, .from = {select(net, 0, 3), select(net, 3, 3)}))                   \
    X(maximum, tmb_maximum(net, .from = {select(net, 0, 3), select(net, 3, 3)}))                   \
    X(minimum, tmb_minimum(net, .from = {select(net, 0, 3), select(net, 3, 3)}))                   \
    X(subtract, tmb_subtract(net, .from = {select(net, 0, 3), select(net, 3, 3)}))                 \
    X(relu, tmb_activate(net, .activation = TMB_RELU, .layer = true))                              \
    X(relu_max6, tmb_activate(net, .activation = TMB_RELU, .max_value = 6))                        \
    X(relu_slope, tmb_activate(net, .activation = TMB_RELU, .negative_slope = 0.1f))               \
    X(relu_max,                                                                                    \
            tmb_activate(net, .activation = TMB_RELU, .max_value = 1.5f, .negative_slope = 0.2f,   \
                    .threshold = 0.5f))                                                            \
    X(relu_threshold, tmb_activate(net, .activation = TMB_RELU, .threshold = 0.7f))                \
    X(leaky_relu, tmb_activate(net, .activation = TMB_LEAKY_RELU, .layer = true))                  \
    X(elu, tmb_activate(net, .activation = TMB_ELU, .layer = true, .alpha = 0.5f))                 \
    X(softmax, tmb_activate(net, .activation = TMB_SOFTMAX, .layer = true))                        \
    X(prelu, tmb_prelu(net, .shared_axes = {0}))                                                   \
    X(prelu_shared, tmb_prelu(net, .shared_axes = {1, 2}))                                         \
    X(prelu_flat, tmb_prelu(net, .shared_axes = {1}))                                              \
    X(act_hard_sigmoid, tmb_activate(net, .activation = TMB_HARD_SIGMOID))                         \
    X(act_softsign, tmb_activate(net, .activation = TMB_SOFTSIGN))                                 \
    X(act_exponential, tmb_activate(net, .activation = TMB_EXPONENTIAL))                           \
    X(act_hard_silu, tmb_activate(net, .activation = TMB_HARD_SWISH))                              \
    X(act_mish, tmb_activate(net, .activation = TMB_MISH))                                         \
    X(act_log_softmax, tmb_activate(net, .activation = TMB_LOG_SOFTMAX))                           \
    X(act_gelu_tanh, tmb_activate(net, .activation = TMB_GELU_TANH))

/* Channels first .. first + n - 1 of the input, picked by a frozen 1 x 1 kernel of zeros and ones. */
static tmb_layer select(tmb_model *net, int first, int n)
{
    const int in = (int)net->layers[0].out.dim[2];
    const tmb_layer layer = tmb_conv2d(
            net, .filters = n, .kernel = {1, 1}, .no_bias = true, .frozen = true, .from = 1);
    float kernel[64] = {0};

    for (int i = 0; i < n; i++)
        kernel[(first + i) * n + i] = 1;
    assert_ok(tmb_model_set_weight(net, layer, 0, kernel, in * n));
    return layer;
}

#define X(name, call) CASE(name, call)
CASES
#undef X

static const golden_case cases[] = {
#define X(name, call) {#name, add_##name},
        CASES
#undef X
};

/* Array `key` of the case into (count, last) rows of `wide`, at column `first`. */
static void gather(float *dst, const char *name, const char *key, int first, int wide)
{
    const tmb__array *a = golden_array(FILE_NAME, "%s/%s", name, key);
    int64_t n;
    const float *values = golden_floats(&n, FILE_NAME, "%s/%s", name, key);
    const int last = (int)a->shape.dim[a->shape.rank - 1];

    for (int64_t i = 0; i < n; i++)
        dst[i / last * wide + first + i % last] = values[i];
}

static bool has_two(const char *name)
{
    return golden_has(FILE_NAME, "%s/x0", name);
}

static int last_size(const char *name, const char *key)
{
    const tmb__array *a = golden_array(FILE_NAME, "%s/%s", name, key);

    return (int)a->shape.dim[a->shape.rank - 1];
}

/* x or, with prefix "d", its gradient; two inputs stand side by side in the channels. */
static int input_of(const char *name, const char *prefix, float *dst)
{
    const int c0 = last_size(name, has_two(name) ? "x0" : "x");
    const int c1 = has_two(name) ? last_size(name, "x1") : 0;
    char key[8];

    snprintf(key, sizeof key, "%sx%s", prefix, c1 ? "0" : "");
    gather(dst, name, key, 0, c0 + c1);
    snprintf(key, sizeof key, "%sx1", prefix);
    if (c1) gather(dst, name, key, c0, c0 + c1);
    return c0 + c1;
}

/* A net for the case's input with the layer on it, its weights the golden ones. */
static tmb_model *build(const golden_case *c, int channels, tmb_layer *layer)
{
    const tmb__array *x = golden_array(FILE_NAME, "%s/%s", c->name, has_two(c->name) ? "x0" : "x");
    const bool image = x->shape.rank == 4;
    tmb_model *net =
            new_net(image ? (int)x->shape.dim[1] : 1, image ? (int)x->shape.dim[2] : 1, channels);

    if (!image) tmb_flatten(net);
    *layer = c->add(net);
    assert_ok(tmb_model_check(net));
    for (int i = 0; i < info_of(net, *layer).n_weights; i++) {
        const char *key;
        const float *values;
        int64_t n;

        assert_ok(tmb_model_weight(net, *layer, i, &key, NULL, NULL, NULL));
        values = golden_floats(&n, FILE_NAME, "%s/%s", c->name, key);
        assert_ok(tmb_model_set_weight(net, *layer, i, values, n));
    }
    return net;
}

static void compare(const char *name, const char *key, const float *found)
{
    int64_t n;
    const float *expected = golden_floats(&n, FILE_NAME, "%s/%s", name, key);

    print_message("%s/%s\n", name, key);
    assert_floats_near(found, expected, n, TOLERANCE);
}

static void compare_weights(tmb__exec *exec, tmb_model *net, const char *name, tmb_layer layer)
{
    static float found[INPUT_MOST];

    for (int i = 0; i < info_of(net, layer).n_weights; i++) {
        const char *weight;
        char key[64];

        assert_ok(tmb_model_weight(net, layer, i, &weight, NULL, NULL, NULL));
        snprintf(key, sizeof key, "d%s", weight);
        if (!info_of(net, layer).trainable || !golden_has(FILE_NAME, "%s/%s", name, key)) continue;
        assert_ok(tmb__exec_gradient(exec, layer, i, found));
        compare(name, key, found);
    }
    assert_ok(tmb__exec_pull(exec, net, false));
    for (int i = 0; i < info_of(net, layer).n_weights; i++) {
        const char *weight;
        const float *values;
        char key[64];

        assert_ok(tmb_model_weight(net, layer, i, &weight, NULL, NULL, &values));
        snprintf(key, sizeof key, "new_%s", weight);
        if (golden_has(FILE_NAME, "%s/%s", name, key)) compare(name, key, values);
    }
}

static void check_case(const golden_case *c, tmb_device *device)
{
    static const tmb__train_spec spec = {.optimizer = TMB_SGD, .input_gradient = true};
    static float x[INPUT_MOST], dx[INPUT_MOST], y[INPUT_MOST], found[INPUT_MOST];
    const int channels = input_of(c->name, "", x);
    const int n = (int)golden_array(FILE_NAME, "%s/y", c->name)->shape.dim[0];
    tmb__step step = {.x = x, .n = n, .scores = y};
    tmb_layer layer;
    tmb_model *net = build(c, channels, &layer);
    tmb__exec *exec;
    int64_t count;

    step.targets = golden_floats(&count, FILE_NAME, "%s/dy", c->name);
    assert_int_equal(count, n * tmb_model_outputs(net));
    assert_ok(tmb__exec_new(&exec, net, device, n + 1, &spec));
    assert_ok(tmb__exec_step(exec, &step));
    compare(c->name, "y", y);
    input_of(c->name, "d", dx);
    assert_ok(tmb__exec_gradient(exec, 1, 0, found));
    print_message("%s/dx\n", c->name);
    assert_floats_near(found, dx, n * tmb__shape_count(&net->layers[0].out), TOLERANCE);
    compare_weights(exec, net, c->name, layer);
    tmb__exec_free(exec);
    tmb_model_free(net);
}

static void all_cases(tmb_device *device)
{
    for (size_t i = 0; i < TMB_COUNT(cases); i++)
        check_case(&cases[i], device);
}

TEST(layers_equal_keras_forward_and_backward)
{
    on_devices(all_cases);
}

/* The inference list gives the same outputs, but for batch norm on the batch's statistics. */
static void inference(tmb_device *device)
{
    static float x[INPUT_MOST], y[INPUT_MOST];

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        const int channels = input_of(cases[i].name, "", x);
        const int n = (int)golden_array(FILE_NAME, "%s/y", cases[i].name)->shape.dim[0];
        tmb_layer layer;
        tmb_model *net;
        tmb__exec *exec;

        if (strcmp(cases[i].name, "batchnorm_train") == 0) continue;
        net = build(&cases[i], channels, &layer);
        assert_ok(tmb__exec_new(&exec, net, device, n, NULL));
        assert_ok(tmb__exec_predict(exec, x, n, y));
        compare(cases[i].name, "y", y);
        tmb__exec_free(exec);
        tmb_model_free(net);
    }
}

TEST(layers_equal_keras_in_inference)
{
    on_devices(inference);
}
