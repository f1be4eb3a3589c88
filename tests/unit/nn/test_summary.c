/* test_summary.c - the table of a net */
#include "nn_test.h"

#include <string.h>

static void prints(tmb_model *net, const char *expected)
{
    char *text;

    assert_ok(tmb_model_summary(net, &text));
    assert_string_equal(text, expected);
    tmb_free(text);
    tmb_model_free(net);
}

TEST(summary_of_the_post_net)
{
    prints(post_net(150),
            "_____________________________________________________________________\n"
            "Layer (type)                    Output Shape              Param #\n"
            "=====================================================================\n"
            "input_layer (InputLayer)        (None, 150, 150, 3)       0\n"
            "conv2d (Conv2D)                 (None, 148, 148, 32)      896\n"
            "max_pooling2d (MaxPooling2D)    (None, 74, 74, 32)        0\n"
            "conv2d_1 (Conv2D)               (None, 72, 72, 32)        9,248\n"
            "max_pooling2d_1 (MaxPooling2D)  (None, 36, 36, 32)        0\n"
            "conv2d_2 (Conv2D)               (None, 34, 34, 64)        18,496\n"
            "max_pooling2d_2 (MaxPooling2D)  (None, 17, 17, 64)        0\n"
            "flatten (Flatten)               (None, 18496)             0\n"
            "dense (Dense)                   (None, 64)                1,183,808\n"
            "dropout (Dropout)               (None, 64)                0\n"
            "dense_1 (Dense)                 (None, 1)                 65\n"
            "=====================================================================\n"
            "Total params: 1,212,513\n"
            "Trainable params: 1,212,513\n"
            "Non-trainable params: 0\n"
            "_____________________________________________________________________\n");
}

TEST(summary_of_a_graph_says_what_is_read)
{
    tmb_model *net = new_net(8, 8, 3);
    const tmb_layer a = tmb_batchnorm(net, .name = "bn");
    const tmb_layer b =
            tmb_conv2d(net, .filters = 3, .kernel = {3, 3}, .same_padding = true, .frozen = true);

    tmb_add(net, .from = {a, b});
    prints(net,
            "_____________________________________________________________________________________"
            "\n"
            "Layer (type)                 Output Shape              Param #   Connected to\n"
            "====================================================================================="
            "\n"
            "input_layer (InputLayer)     (None, 8, 8, 3)           0\n"
            "bn (BatchNormalization)      (None, 8, 8, 3)           12        input_layer\n"
            "conv2d (Conv2D)              (None, 8, 8, 3)           84        bn\n"
            "add (Add)                    (None, 8, 8, 3)           0         bn, conv2d\n"
            "====================================================================================="
            "\n"
            "Total params: 96\n"
            "Trainable params: 6\n"
            "Non-trainable params: 90\n"
            "_____________________________________________________________________________________"
            "\n");
}

/* Eight inputs with the longest names fit: the cell is cut, nothing more. */
TEST(summary_survives_long_names)
{
    tmb_model *net = new_net(4, 4, 1);
    tmb_merge_opts merge = {.activation = TMB_LINEAR};
    char *text, name[64];

    for (int i = 0; i < TMB_LAYER_INPUTS; i++) {
        memset(name, 'a' + i, sizeof name - 1);
        name[63] = '\0';
        merge.from[i] = tmb_conv2d(net, .filters = 1, .kernel = {1, 1}, .name = name, .from = 1);
    }
    tmb_model_add_add(net, &merge);
    assert_ok(tmb_model_summary(net, &text));
    assert_non_null(strstr(text, "hhhh"));
    tmb_free(text);
    tmb_model_free(net);
    assert_status(tmb_model_summary(NULL, &text), TMB_EINVAL);
}
