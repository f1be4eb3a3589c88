/* test_graph.c - adding layers: names, shapes, counts of weights, errors that stick, the arena */
#include "nn_test.h"

#include <math.h>
#include <string.h>

static void shape_is(const tmb_model *net, tmb_layer layer, int rank, int a, int b, int c)
{
    const tmb_layer_info info = info_of(net, layer);

    assert_int_equal(info.rank, rank);
    assert_int_equal(info.shape[0], a);
    if (rank > 1) assert_int_equal(info.shape[1], b);
    if (rank > 2) assert_int_equal(info.shape[2], c);
}

TEST(post_net_has_the_blog_s_shapes_and_weights)
{
    tmb_model *net = post_net(150);

    assert_int_equal(tmb_model_layers(net), 11);
    shape_is(net, 1, 3, 150, 150, 3);
    shape_is(net, 2, 3, 148, 148, 32);
    shape_is(net, 3, 3, 74, 74, 32);
    shape_is(net, 4, 3, 72, 72, 32);
    shape_is(net, 5, 3, 36, 36, 32);
    shape_is(net, 6, 3, 34, 34, 64);
    shape_is(net, 7, 3, 17, 17, 64);
    shape_is(net, 8, 1, 18496, 0, 0);
    shape_is(net, 11, 1, 1, 0, 0);
    assert_int_equal(tmb_model_params(net, false), 1212513);
    assert_int_equal(tmb_model_params(net, true), 1212513);
    assert_int_equal(info_of(net, 9).params, 18496 * 64 + 64);
    assert_int_equal(tmb_model_outputs(net), 1);
    assert_ok(tmb__model_validate(net));
    tmb_model_free(net);
}

TEST(names_count_as_keras_does)
{
    tmb_model *net = new_net(32, 32, 3);
    const char *expected[] = {"input_layer", "conv2d", "conv2d_1", "stem", "conv2d_2",
            "depthwise_conv2d", "max_pooling2d", "max_pooling2d_1", "batch_normalization",
            "global_average_pooling2d", "dense"};

    tmb_conv2d(net, .filters = 2, .kernel = {3, 3});
    tmb_conv2d(net, .filters = 2, .kernel = {3, 3});
    tmb_conv2d(net, .filters = 2, .kernel = {3, 3}, .name = "stem");
    tmb_conv2d(net, .filters = 2, .kernel = {3, 3});
    tmb_depthwise_conv2d(net, .kernel = {3, 3});
    tmb_maxpool2d(net, 0);
    tmb_maxpool2d(net, 0);
    tmb_batchnorm(net, 0);
    tmb_global_avgpool2d(net);
    tmb_dense(net, .units = 2);
    assert_ok(tmb_model_check(net));
    for (int i = 0; i < (int)TMB_COUNT(expected); i++) {
        assert_string_equal(info_of(net, i + 1).name, expected[i]);
        assert_int_equal(tmb_model_find(net, expected[i]), i + 1);
    }
    assert_int_equal(tmb_model_find(net, "conv2d_3"), 0);
    tmb_model_free(net);
}

TEST(weights_have_keras_names_order_and_shapes)
{
    tmb_model *net = new_net(9, 9, 4);
    const struct {
        tmb_layer layer;
        const char *name;
        int rank;
        int64_t dim[4];
    } expected[] = {
            {2, "kernel", 4, {3, 5, 2, 6}},
            {2, "bias", 1, {6}},
            {3, "kernel", 4, {3, 3, 6, 2}},
            {3, "bias", 1, {12}},
            {4, "depthwise_kernel", 4, {1, 1, 12, 1}},
            {4, "pointwise_kernel", 4, {1, 1, 12, 5}},
            {4, "bias", 1, {5}},
            {5, "gamma", 1, {5}},
            {5, "beta", 1, {5}},
            {5, "moving_mean", 1, {5}},
            {5, "moving_variance", 1, {5}},
            {6, "moving_mean", 1, {5}},
            {8, "kernel", 2, {5, 7}},
    };
    int last = 0, k = 0;

    tmb_conv2d(net, .filters = 6, .kernel = {3, 5}, .groups = 2);
    tmb_depthwise_conv2d(net, .kernel = {3, 3}, .multiplier = 2);
    tmb_separable_conv2d(net, .filters = 5, .kernel = {1, 1});
    tmb_batchnorm(net, 0);
    tmb_batchnorm(net, .no_scale = true, .no_center = true);
    tmb_global_maxpool2d(net);
    tmb_dense(net, .units = 7, .no_bias = true);
    assert_ok(tmb_model_check(net));
    for (size_t i = 0; i < TMB_COUNT(expected); i++) {
        const char *name;
        const float *values;
        int64_t dim[4];
        int rank;

        k = expected[i].layer == last ? k + 1 : 0;
        last = expected[i].layer;
        assert_ok(tmb_model_weight(net, last, k, &name, &rank, dim, &values));
        assert_string_equal(name, expected[i].name);
        assert_int_equal(rank, expected[i].rank);
        assert_memory_equal(dim, expected[i].dim, (size_t)rank * sizeof *dim);
        assert_ptr_equal(values, net->weights + net->layers[last - 1].weight[k].offset);
    }
    assert_int_equal(info_of(net, 6).n_weights, 2);
    tmb_model_free(net);
}

TEST(first_error_sticks)
{
    tmb_model *net = new_net(8, 8, 3);

    assert_int_equal(tmb_conv2d(net, .filters = 4, .kernel = {3, 3}), 2);
    assert_int_equal(tmb_conv2d(net, .filters = 4, .kernel = {7, 7}), 0);
    assert_int_equal(tmb_dense(net, .units = -1), 0);
    assert_int_equal(tmb_flatten(net), 0);
    assert_int_equal(tmb_model_layers(net), 2);
    for (int i = 0; i < 2; i++) {
        assert_status(tmb_model_check(net), TMB_EINVAL);
        assert_message("layer conv2d_1 (Conv2D): a window of 7 x 7");
        assert_message("(6, 6, 4)");
    }
    assert_status(tmb__model_validate(net), TMB_EINVAL);
    assert_status(tmb_model_init(net, 1), TMB_EINVAL);
    tmb_model_free(net);
}

static void refuses_name(const char *name, const char *message)
{
    tmb_model *net = new_net(8, 8, 3);

    tmb_flatten(net);
    tmb_dense(net, .units = 1, .name = name);
    assert_status(tmb_model_check(net), TMB_EINVAL);
    assert_message(message);
    tmb_model_free(net);
}

TEST(names_are_checked)
{
    char longest[80];

    memset(longest, 'x', sizeof longest);
    longest[79] = '\0';
    refuses_name("flatten", "'flatten' is taken");
    refuses_name("a/b", "'/'");
    refuses_name("a\nb", "a\\x0ab");
    refuses_name("", "0 bytes, 1 to 63 expected");
    refuses_name(longest, "79 bytes, 1 to 63 expected");
}

TEST(inputs_are_checked)
{
    tmb_model *net = new_net(8, 8, 3);
    const tmb_layer a = tmb_conv2d(net, .filters = 3, .kernel = {1, 1});

    assert_int_equal(tmb_add(net, .from = {a}), 0);
    assert_status(tmb_model_check(net), TMB_EINVAL);
    assert_message("layer add (Add): it has 1 inputs, 2 to 8 expected");
    tmb_model_free(net);

    net = new_net(8, 8, 3);
    tmb_flatten(net);
    tmb_dense(net, .units = 1, .from = 4);
    assert_status(tmb_model_check(net), TMB_EINVAL);
    assert_message("from is 4, one of the layers 1 to 2 expected");
    tmb_model_free(net);

    assert_int_equal(tmb_flatten(NULL), 0);
    assert_status(tmb_model_check(NULL), TMB_EINVAL);
    assert_status(tmb_model_new(&net, 8, 0, 3), TMB_EINVAL);
    assert_message("layer input_layer (InputLayer): width is 0, 1 to 65535 expected");
    assert_null(net);
}

TEST(a_net_is_whole_when_every_layer_is_read)
{
    tmb_model *net = new_net(8, 8, 3);

    assert_status(tmb__model_validate(net), TMB_EINVAL);
    tmb_conv2d(net, .filters = 3, .kernel = {1, 1}, .name = "lost");
    tmb_global_avgpool2d(net);
    assert_ok(tmb__model_validate(net));
    tmb_model_add_flatten(net, &(tmb_plain_opts){.from = 1});
    assert_ok(tmb_model_check(net));
    assert_status(tmb__model_validate(net), TMB_EINVAL);
    assert_message("global_average_pooling2d");
    tmb_model_free(net);
}

TEST(functional_net_reads_earlier_layers)
{
    tmb_model *net = new_net(8, 8, 3);
    const tmb_layer a = tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .same_padding = true);
    const tmb_layer b = tmb_batchnorm(net, 0);
    const tmb_layer c = tmb_add(net, .from = {a, b}, .activation = TMB_RELU);
    const tmb_layer d = tmb_concatenate(net, .from = {1, a, c});
    const tmb_layer_info info = info_of(net, d);

    assert_ok(tmb__model_validate(net));
    assert_int_equal(info.shape[2], 3 + 4 + 4);
    assert_int_equal(info.from[0], 1);
    assert_int_equal(info.from[2], c);
    assert_int_equal(info.from[3], 0);
    tmb_add(net, .from = {a, d});
    assert_status(tmb_model_check(net), TMB_EINVAL);
    assert_message("input 2 is (8, 8, 11) and the first (8, 8, 4), equal shapes expected");
    tmb_model_free(net);
}

TEST(set_weight_checks_and_sets)
{
    tmb_model *net = new_net(1, 1, 2);
    const float values[6] = {1, 2, 3, 4, 5, 6};
    const float *found;

    tmb_flatten(net);
    tmb_dense(net, .units = 3);
    assert_ok(tmb_model_set_weight(net, 3, 0, values, 6));
    assert_ok(tmb_model_weight(net, 3, 0, NULL, NULL, NULL, &found));
    assert_memory_equal(found, values, sizeof values);
    assert_status(tmb_model_set_weight(net, 3, 0, values, 5), TMB_EINVAL);
    assert_message("5 values given for dense/kernel, 6 expected for its shape (2, 3)");
    assert_status(tmb_model_set_weight(net, 3, 2, values, 1), TMB_EINVAL);
    assert_status(tmb_model_set_weight(net, 4, 0, values, 1), TMB_EINVAL);
    assert_status(tmb_model_weight(net, 0, 0, NULL, NULL, NULL, &found), TMB_EINVAL);
    tmb_model_free(net);
}

TEST(frozen_and_moving_weights_are_not_trainable)
{
    tmb_model *net = new_net(8, 8, 3);

    tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .frozen = true);
    tmb_batchnorm(net, 0);
    tmb_flatten(net);
    tmb_dense(net, .units = 2);
    assert_int_equal(tmb_model_params(net, false), 112 + 16 + 290);
    assert_int_equal(tmb_model_params(net, true), 8 + 290);
    assert_ok(tmb_model_set_trainable(net, 2, true));
    assert_int_equal(tmb_model_params(net, true), 112 + 8 + 290);
    assert_status(tmb_model_set_trainable(net, 6, true), TMB_EINVAL);
    tmb_model_free(net);
}

/* A file may say anything; BGR with one channel once wrote behind the photo. */
TEST(preprocess_must_suit_the_net)
{
    tmb_preprocess pre = {.size = {8, 9}, .channels = 1, .scale = {1, 1, 1}, .bgr = true};
    tmb_model *grey = new_net(8, 9, 1), *four = new_net(8, 9, 4);

    assert_status(tmb_model_set_preprocess(grey, &pre), TMB_EINVAL);
    assert_message("BGR");
    pre.bgr = false;
    assert_ok(tmb_model_set_preprocess(grey, &pre));
    pre.margin = 2;
    assert_status(tmb_model_set_preprocess(grey, &pre), TMB_EINVAL);
    pre.margin = 0;
    pre.filter = (tmb_filter)7;
    assert_status(tmb_model_set_preprocess(grey, &pre), TMB_EINVAL);
    pre.filter = TMB_BOX;
    pre.offset[0] = INFINITY;
    assert_status(tmb_model_set_preprocess(grey, &pre), TMB_EINVAL);
    pre.offset[0] = 0;
    pre.channels = 4;
    assert_status(tmb_model_set_preprocess(four, &pre), TMB_EINVAL);
    tmb_model_free(grey);
    tmb_model_free(four);
}

TEST(classes_preprocess_and_record_are_kept)
{
    const char *names[] = {"cat", "dog"};
    tmb_preprocess pre = {.size = {8, 9}, .channels = 3, .scale = {1, 1, 1}};
    tmb_model *net = new_net(8, 9, 3);

    assert_int_equal(tmb_model_classes(net), 0);
    assert_ok(tmb_model_set_classes(net, names, 2));
    assert_ok(tmb_model_set_classes(net, names, 2));
    assert_string_equal(tmb_model_class_name(net, 1), "dog");
    assert_null(tmb_model_class_name(net, 2));
    assert_null(tmb_model_preprocess(net));
    assert_ok(tmb_model_set_preprocess(net, &pre));
    assert_int_equal(tmb_model_preprocess(net)->size[1], 9);
    pre.channels = 1;
    assert_status(tmb_model_set_preprocess(net, &pre), TMB_EINVAL);
    assert_message("photos of (8, 9, 1), the net takes (8, 9, 3)");
    assert_null(tmb_model_record(net));
    assert_ok(tmb_model_set_record(net, "{}"));
    assert_string_equal(tmb_model_record(net), "{}");
    tmb_model_free(net);
}

TEST(building_survives_every_failed_allocation)
{
    for (int64_t n = 0;; n++) {
        tmb_model *net = NULL;
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_model_new(&net, 16, 16, 3);
        for (int i = 0; status == 0 && i < 20; i++)
            tmb_conv2d(net, .filters = 2, .kernel = {1, 1});
        if (status == 0) status = tmb_model_check(net);
        if (!test_fail_end()) {
            assert_ok(status);
            tmb_model_free(net);
            break;
        }
        assert_int_equal(status, TMB_ENOMEM);
        tmb_model_free(net);
    }
}
