/* test_layer_option.c - the shape rule of windows, and what layers say of wrong options */
#include "nn_test.h"

#include <math.h>

/* keras.md 3.1; the pads as TensorFlow has them: the odd one at the end. */
TEST(windows_follow_keras_rule)
{
    static const struct {
        int size, kernel, stride, dilation;
        bool same;
        int out, before, after;
    } cases[] = {
            {150, 3, 1, 1, false, 148, 0, 0},
            {7, 2, 2, 1, false, 3, 0, 0},
            {7, 2, 2, 1, true, 4, 0, 1},
            {7, 3, 2, 1, true, 4, 1, 1},
            {8, 3, 2, 1, true, 4, 0, 1},
            {8, 3, 1, 2, true, 8, 2, 2},
            {9, 3, 1, 2, false, 5, 0, 0},
            {5, 4, 1, 1, true, 5, 1, 2},
            {5, 1, 3, 1, true, 2, 0, 0},
            {224, 7, 2, 1, true, 112, 2, 3},
            {1, 3, 1, 1, true, 1, 1, 1},
    };

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb_model *net = new_net(cases[i].size, cases[i].size + 2, 1);
        tmb__lowered list;
        const tmb_attr *attr;

        tmb_conv2d(net, .filters = 1, .kernel = {cases[i].kernel, 1},
                .stride = {cases[i].stride, 1}, .dilation = {cases[i].dilation, 1},
                .same_padding = cases[i].same);
        if (cases[i].stride > 1 || cases[i].dilation > 1) assert_ok(tmb_model_check(net));
        assert_int_equal(info_of(net, 2).shape[0], cases[i].out);
        assert_int_equal(info_of(net, 2).shape[1], cases[i].size + 2);
        assert_ok(tmb__lower(&list, net, (tmb__span){0}, 1, NULL));
        attr = &list.ops[0].attr;
        assert_int_equal(attr->pad[0], cases[i].before);
        assert_int_equal(attr->pad[2], cases[i].after);
        assert_int_equal(attr->pad[1] + attr->pad[3], 0);
        tmb__lowered_free(&list);
        tmb_model_free(net);
    }
}

/* The layer is refused with a message that holds `part`. */
#define REFUSES(part, call)                                                                        \
    do {                                                                                           \
        tmb_model *net = new_net(6, 6, 4);                                                         \
        assert_int_equal((call), 0);                                                               \
        assert_status(tmb_model_check(net), TMB_EINVAL);                                           \
        assert_message(part);                                                                      \
        tmb_model_free(net);                                                                       \
    } while (0)

TEST(conv_names_wrong_options)
{
    REFUSES("layer conv2d (Conv2D): filters is 0, 1 to", tmb_conv2d(net, .kernel = {3, 3}));
    REFUSES("kernel is {0, 0}, two numbers from 1", tmb_conv2d(net, .filters = 1));
    REFUSES("kernel is {3, 0}", tmb_conv2d(net, .filters = 1, .kernel = {3}));
    REFUSES("stride is {2, 0}", tmb_conv2d(net, .filters = 1, .kernel = {3, 3}, .stride = {2}));
    REFUSES("groups is 3, a divisor of 4 channels and 6 filters",
            tmb_conv2d(net, .filters = 6, .kernel = {3, 3}, .groups = 3));
    REFUSES("groups is -1", tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .groups = -1));
    REFUSES("stride is {2, 2} and dilation {2, 2}",
            tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .stride = {2, 2}, .dilation = {2, 2}));
    REFUSES("dilated by 3 x 3, does not fit into its input (6, 6, 4)",
            tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .dilation = {3, 3}));
    REFUSES("activation is number 99",
            tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .activation = (tmb_activation)99));
    REFUSES("init is number 99",
            tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .init = (tmb_init)99));
    REFUSES("l2 is -1", tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .l2 = -1));
    REFUSES("alpha is nan", tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .alpha = NAN));
    REFUSES("multiplier is -2", tmb_depthwise_conv2d(net, .kernel = {3, 3}, .multiplier = -2));
    REFUSES("layer separable_conv2d (SeparableConv2D): filters is 0",
            tmb_separable_conv2d(net, .kernel = {3, 3}));
    REFUSES("constraint.limit is 9",
            tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .constraint = {.limit = (tmb_limit)9}));
    REFUSES("constraint.max is -1",
            tmb_dense(net, .units = 4, .constraint = {.limit = TMB_MAX_NORM, .max = -1}));
    REFUSES("constraint.min is 3, 0 to 1",
            tmb_dense(net, .units = 4, .constraint = {.limit = TMB_MIN_MAX_NORM, .min = 3}));
    REFUSES("constraint.axes is 0x4, bits of the 2 axes",
            tmb_dense(net, .units = 4, .constraint = {.limit = TMB_UNIT_NORM, .axes = 4}));
    REFUSES("kernel (60000, 60000, 4, 1000) has more than 268435456 elements",
            tmb_conv2d(net, .filters = 1000, .kernel = {60000, 60000}, .same_padding = true));
}

TEST(other_layers_name_wrong_options)
{
    REFUSES("units is 0", tmb_dense(net, .alpha = 0));
    REFUSES("pool is {-1, 2}", tmb_maxpool2d(net, .pool = {-1, 2}));
    REFUSES("rate is 1.5, 0 to 1 expected", tmb_dropout(net, .rate = 1.5f));
    REFUSES("rate is nan", tmb_dropout(net, .rate = NAN));
    REFUSES("momentum is 2", tmb_batchnorm(net, .momentum = 2));
    REFUSES("epsilon is -1", tmb_batchnorm(net, .epsilon = -1));
    REFUSES("gamma_init is number 3", tmb_batchnorm(net, .gamma_init = TMB_HE_NORMAL));
    REFUSES("left is -1", tmb_zeropad2d(net, .left = -1));
    REFUSES("scale is 0", tmb_rescaling(net, .offset = 1));
    REFUSES("offset is inf", tmb_rescaling(net, .scale = 1, .offset = INFINITY));
    REFUSES("shape is (5, -1), one for the 144 values of its input (6, 6, 4)",
            tmb_reshape(net, .shape = {5, -1}));
    REFUSES("at most one -1", tmb_reshape(net, .shape = {-1, -1}));
    REFUSES("shape is ()", tmb_reshape(net, .shape = {0}));
    REFUSES("its input is (144,), (height, width, channels) expected",
            (tmb_flatten(net), tmb_model_add_maxpool2d(net, NULL)));
    REFUSES("its input is (4,), (height, width, channels) expected",
            (tmb_global_avgpool2d(net), tmb_global_maxpool2d(net)));
    REFUSES("equal shapes but for the last axis",
            tmb_concatenate(net, .from = {1, tmb_model_add_maxpool2d(net, NULL)}));
}

TEST(shaping_layers_name_wrong_options)
{
    REFUSES("cut by 3 and 3 rows, 0 and 0 columns, nothing of (6, 6, 4) is left",
            tmb_cropping2d(net, .top = 3, .bottom = 3));
    REFUSES("right is -1", tmb_cropping2d(net, .right = -1));
    REFUSES("size is {0, 2}", tmb_upsampling2d(net, .size = {0, 2}));
    REFUSES("its input is (144,), (height,", (tmb_flatten(net), tmb_upsampling2d(net, 0)));
    REFUSES("dims is (2, 1), each of the axes 1 to 3", tmb_permute(net, .dims = {2, 1}));
    REFUSES("dims is (2, 1, 2), each of the axes", tmb_permute(net, .dims = {2, 1, 2}));
    REFUSES("dims is (4, 1, 2), each of the axes", tmb_permute(net, .dims = {4, 1, 2}));
    REFUSES("dims is (-1, 1, 2), each of the axes", tmb_permute(net, .dims = {-1, 1, 2}));
    REFUSES("epsilon is 3", tmb_layernorm(net, .epsilon = 3));
}

TEST(slopes_and_noises_name_wrong_options)
{
    REFUSES("max_value is -1", tmb_activate(net, .activation = TMB_RELU, .max_value = -1));
    REFUSES("negative_slope is -0.5",
            tmb_activate(net, .activation = TMB_RELU, .negative_slope = -0.5f));
    REFUSES("threshold is nan", tmb_activate(net, .activation = TMB_RELU, .threshold = NAN));
    REFUSES("max_value, negative_slope and threshold go with TMB_RELU only",
            tmb_activate(net, .activation = TMB_LEAKY_RELU, .negative_slope = 0.1f));
    REFUSES("max_value, negative_slope and threshold go with TMB_RELU only",
            tmb_activate(net, .activation = TMB_SIGMOID, .max_value = 1));
    REFUSES("an axis of shared_axes is 4, 1 to 3", tmb_prelu(net, .shared_axes = {1, 4}));
    REFUSES("l1 is -1", tmb_prelu(net, .l1 = -1));
    REFUSES("stddev is 2", tmb_dropout(net, .rate = 2, .noise = TMB_NOISE_GAUSSIAN));
    REFUSES("rate is 1, less than 1",
            tmb_dropout(net, .rate = 1, .noise = TMB_NOISE_GAUSSIAN_FACTOR));
    REFUSES("noise is number 9", tmb_dropout(net, .rate = 0.5f, .noise = (tmb_noise)9));
    REFUSES("its input is (144,), (height,",
            (tmb_flatten(net), tmb_dropout(net, .rate = 0.5f, .noise = TMB_NOISE_DROP_CHANNELS)));
}

TEST(merges_name_wrong_inputs)
{
    REFUSES("merge is number 0", tmb_model_add_merge(net, (tmb_merge)0, NULL));
    REFUSES("merge is number 77", tmb_model_add_merge(net, (tmb_merge)77, NULL));
    REFUSES("it has 1 inputs, 2 to 8", tmb_average(net, .from = {1}));
    REFUSES("it has 3 inputs, 2 to 2", tmb_subtract(net, .from = {1, 1, 1}));
    REFUSES("input 2 is (3, 3, 4) and the first (6, 6, 4), equal shapes expected",
            tmb_maximum(net, .from = {1, tmb_model_add_maxpool2d(net, NULL)}));
    REFUSES("input 2 is (3, 3, 4) and the largest (6, 6, 4), the same or (1, 1, channels)",
            tmb_multiply(net, .from = {1, tmb_model_add_maxpool2d(net, NULL)}));
    REFUSES("input 2 is (4,) and the largest (6, 6, 4)",
            tmb_multiply(net, .from = {1, tmb_global_avgpool2d(net)}));
}

TEST(relu_is_the_cheapest_function_that_does)
{
    tmb_model *net = new_net(8, 8, 4);

    tmb_activate(net, .activation = TMB_RELU, .layer = true);
    tmb_activate(net, .activation = TMB_RELU, .max_value = 6);
    tmb_activate(net, .activation = TMB_RELU, .negative_slope = 0.1f);
    tmb_activate(net, .activation = TMB_RELU, .max_value = 6, .negative_slope = 0.1f);
    tmb_activate(net, .activation = TMB_RELU, .threshold = 1);
    tmb_activate(net, .activation = TMB_LEAKY_RELU, .layer = true);
    tmb_activate(net, .activation = TMB_TANH, .layer = true);
    assert_ok(tmb_model_check(net));
    assert_int_equal(net->layers[1].config.activation, TMB_RELU);
    assert_int_equal(net->layers[2].config.activation, TMB_RELU6);
    assert_int_equal(net->layers[3].config.activation, TMB_LEAKY_RELU);
    assert_int_equal(net->layers[4].config.activation, TMB_LINEAR);
    assert_int_equal(net->layers[5].config.activation, TMB_LINEAR);
    for (int k = 2; k <= 6; k++)
        assert_string_equal(info_of(net, k).class_name, "ReLU");
    assert_string_equal(info_of(net, 7).class_name, "LeakyReLU");
    assert_true(net->layers[6].config.alpha == 0.3f);
    assert_string_equal(info_of(net, 8).class_name, "Activation");
    tmb_model_free(net);
}

TEST(defaults_are_keras)
{
    tmb_model *net = new_net(8, 8, 4);
    const tmb__layer_config *config;

    tmb_conv2d(net, .filters = 2, .kernel = {1, 1}, .activation = TMB_LEAKY_RELU);
    tmb_conv2d(net, .filters = 2, .kernel = {1, 1}, .activation = TMB_ELU);
    tmb_maxpool2d(net, .pool = {3, 2});
    tmb_batchnorm(net, 0);
    tmb_avgpool2d(net, 0);
    assert_ok(tmb_model_check(net));
    config = &net->layers[1].config;
    assert_int_equal(config->stride[0], 1);
    assert_int_equal(config->dilation[1], 1);
    assert_int_equal(config->groups, 1);
    assert_true(config->alpha == 0.2f && net->layers[2].config.alpha == 1);
    assert_int_equal(net->layers[3].config.stride[0], 3);
    assert_int_equal(net->layers[3].config.stride[1], 2);
    assert_true(net->layers[4].config.momentum == 0.99f);
    assert_true(net->layers[4].config.epsilon == 0.001f);
    assert_true(net->weights[net->layers[4].weight[0].offset] == 1); /* gamma */
    assert_int_equal(net->layers[5].config.kernel[0], 2);
    tmb_model_free(net);
}

TEST(reshape_works_out_one_size)
{
    tmb_model *net = new_net(6, 6, 4);

    tmb_reshape(net, .shape = {3, -1, 2, 4});
    assert_ok(tmb_model_check(net));
    assert_int_equal(info_of(net, 2).rank, 4);
    assert_int_equal(info_of(net, 2).shape[1], 6);
    tmb_model_free(net);
}
