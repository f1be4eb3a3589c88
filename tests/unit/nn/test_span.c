/* test_span.c - parts of a net: cuts, prediction in two steps, training above a frozen part */
#include "nn_test.h"

#include <string.h>

enum { N = 4, INPUTS = 8 * 8 * 3, ROOM = 4096 };

/* Frozen to its first pool, with a branch in the frozen part. */
static tmb_model *frozen_net(void)
{
    tmb_model *net = new_net(8, 8, 3);
    tmb_layer a, b;

    a = tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .same_padding = true, .frozen = true);
    b = tmb_batchnorm(net, .frozen = true);
    tmb_add(net, .from = {a, b}, .activation = TMB_RELU);
    tmb_maxpool2d(net, .name = "frozen_end");
    tmb_activate(net, .activation = TMB_RELU, .name = "still");
    tmb_conv2d(net, .filters = 5, .kernel = {3, 3}, .l2 = 0.01f);
    tmb_batchnorm(net, 0);
    tmb_flatten(net);
    tmb_dropout(net, .rate = 0.5f);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    assert_ok(tmb_model_check(net));
    return net;
}

TEST(span_cuts_are_where_one_value_crosses)
{
    tmb_model *net = frozen_net();

    assert_true(tmb__model_is_cut(net, 1));
    assert_true(tmb__model_is_cut(net, 2));
    assert_false(tmb__model_is_cut(net, 3)); /* the addition reads the convolution past it */
    assert_true(tmb__model_is_cut(net, 4));
    assert_int_equal(tmb__model_frozen_cut(net), tmb_model_find(net, "still"));
    assert_ok(tmb_model_set_trainable(net, 3, true)); /* batch statistics move */
    assert_int_equal(tmb__model_frozen_cut(net), 2);
    tmb_model_free(net);
}

/* What draws anew in each step cannot be kept, whatever its kind. */
TEST(span_random_layers_are_never_frozen)
{
    static const tmb_noise noises[] = {
            TMB_NOISE_DROP, TMB_NOISE_DROP_CHANNELS, TMB_NOISE_GAUSSIAN_FACTOR, TMB_NOISE_GAUSSIAN};

    for (size_t i = 0; i <= TMB_COUNT(noises); i++) {
        tmb_model *net = new_net(8, 8, 3);

        tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .frozen = true);
        if (i < TMB_COUNT(noises))
            tmb_dropout(net, .rate = 0.1f, .noise = noises[i]);
        else
            tmb_random(net, TMB_RANDOM_CONTRAST, .factor = {0.1f, 0.1f});
        tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .frozen = true);
        tmb_flatten(net);
        tmb_dense(net, .units = 1);
        assert_ok(tmb_model_check(net));
        assert_int_equal(tmb__model_frozen_cut(net), 2);
        tmb_model_free(net);
    }
}

static tmb__exec *span_exec(const tmb_model *net, tmb_device *device, tmb_layer from, tmb_layer to,
        const tmb__train_spec *spec)
{
    tmb__exec *exec;

    assert_ok(tmb__exec_new_span(&exec, net, (tmb__span){.from = from, .to = to}, device, N, spec));
    return exec;
}

/* Whatever cut divides the net, below and above it together give what the whole gives. */
static void predicts_in_parts(tmb_device *device)
{
    static float x[N * INPUTS], middle[ROOM];
    float whole[N], parts[N];
    tmb_model *net = frozen_net();
    tmb__exec *exec = new_exec(net, device, N, NULL);

    fill(x, TMB_COUNT(x), 1);
    assert_ok(tmb__exec_predict(exec, x, N, whole));
    tmb__exec_free(exec);
    for (int cut = 2; cut < net->n_layers; cut++) {
        tmb__exec *below, *above;

        if (!tmb__model_is_cut(net, cut)) continue;
        below = span_exec(net, device, 0, cut, NULL);
        above = span_exec(net, device, cut, 0, NULL);
        assert_ok(tmb__exec_predict(below, x, N, middle));
        assert_ok(tmb__exec_predict(above, middle, N, parts));
        for (int i = 0; i < N; i++)
            assert_float_equal(parts[i], whole[i], 1e-6);
        tmb__exec_free(below);
        tmb__exec_free(above);
    }
    tmb_model_free(net);
}

TEST(span_predictions_equal_the_whole)
{
    on_devices(predicts_in_parts);
}

static const tmb__train_spec spec = {
        .loss = TMB_BINARY_CROSSENTROPY, .optimizer = TMB_SGD, .momentum = 0.9f, .average = 0.9f};

static void three_steps(tmb__exec *exec, const float *x)
{
    static const float y[N] = {0, 1, 1, 0};

    for (int i = 0; i < 3; i++) {
        tmb__step step = {.x = x, .targets = y, .n = N, .seed = 3, .step = i, .lr = 0.1f};

        assert_ok(tmb__exec_step(exec, &step));
    }
}

/* Training above the frozen part on its outputs is training the whole net. */
static void trains_above(tmb_device *device)
{
    static float x[N * INPUTS], middle[ROOM];
    tmb_model *net = frozen_net(), *twin = frozen_net();
    const tmb_layer cut = tmb__model_frozen_cut(net);
    const int64_t frozen = net->layers[5].weight[0].offset;
    tmb__exec *whole = new_exec(net, device, N, &spec);
    tmb__exec *below = span_exec(twin, device, 0, cut, NULL);
    tmb__exec *above = span_exec(twin, device, cut, 0, &spec);
    float first[ROOM];

    assert_true(net->n_weights <= ROOM);
    memcpy(first, net->weights, (size_t)net->n_weights * sizeof *first);
    fill(x, TMB_COUNT(x), 2);
    three_steps(whole, x);
    assert_ok(tmb__exec_predict(below, x, N, middle));
    three_steps(above, middle);
    for (int averaged = 0; averaged < 2; averaged++) {
        assert_ok(tmb__exec_pull(whole, net, averaged));
        assert_ok(tmb__exec_pull(above, twin, averaged));
        for (int64_t i = 0; i < net->n_weights; i++)
            assert_float_equal(twin->weights[i], net->weights[i], 1e-5);
        assert_memory_equal(twin->weights, first, (size_t)frozen * sizeof *first);
        assert_memory_not_equal(
                twin->weights + frozen, first + frozen, (size_t)(net->n_weights - frozen) * 4);
    }
    tmb__exec_free(whole);
    tmb__exec_free(below);
    tmb__exec_free(above);
    tmb_model_free(net);
    tmb_model_free(twin);
}

TEST(span_training_above_a_frozen_part_equals_the_whole)
{
    on_devices(trains_above);
}
