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
