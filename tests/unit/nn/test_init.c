/* test_init.c - initial weights: range, spread, and what they depend on */
#include "nn_test.h"

#include <math.h>
#include <string.h>

typedef struct moments {
    double mean, deviation, most;
} moments;

/* Of the kernel of layer `layer`. */
static moments kernel_moments(const tmb_model *net, tmb_layer layer)
{
    const tmb__weight *weight = &net->layers[layer - 1].weight[0];
    const int64_t n = tmb__shape_count(&weight->shape);
    const float *w = net->weights + weight->offset;
    moments m = {0};

    for (int64_t i = 0; i < n; i++)
        m.mean += (double)w[i] / (double)n;
    for (int64_t i = 0; i < n; i++) {
        m.deviation += (w[i] - m.mean) * (w[i] - m.mean) / (double)n;
        m.most = fmax(m.most, fabs((double)w[i]));
    }
    m.deviation = sqrt(m.deviation);
    return m;
}

/* The limits of keras.md 3.5, reached within 2 % by so many draws. */
TEST(init_glorot_limits_of_the_post_net)
{
    static const struct {
        tmb_layer layer;
        double limit;
    } expected[] = {{2, .138013112}, {4, .102062073}, {6, .083333333}, {9, .017979874}};
    tmb_model *net = post_net(150);

    for (size_t i = 0; i < TMB_COUNT(expected); i++) {
        const moments m = kernel_moments(net, expected[i].layer);

        assert_true(m.most <= expected[i].limit * (1 + 1e-6));
        assert_true(m.most > expected[i].limit * 0.98);
        assert_true(fabs(m.mean) < 0.06 * expected[i].limit);
        assert_true(fabs(m.deviation / (expected[i].limit / sqrt(3)) - 1) < 0.03);
    }
    assert_true(kernel_moments(net, 11).most <= .303821810 * (1 + 1e-6));
    tmb_model_free(net);
}

/* Kernel (5, 5, 8, 200): fan_in 200, fan_out 5000, 40,000 draws. */
TEST(init_every_distribution)
{
    static const double cut = 0.87962566103423978;
    const struct {
        tmb_init init;
        double most, deviation; /* most 0: no limit */
    } cases[] = {
            {TMB_GLOROT_UNIFORM, sqrt(6 / 5200.), sqrt(2 / 5200.)},
            {TMB_GLOROT_NORMAL, 2 * sqrt(2 / 5200.) / cut, sqrt(2 / 5200.)},
            {TMB_HE_UNIFORM, sqrt(6 / 200.), sqrt(2 / 200.)},
            {TMB_HE_NORMAL, 2 * sqrt(2 / 200.) / cut, sqrt(2 / 200.)},
            {TMB_LECUN_UNIFORM, sqrt(3 / 200.), sqrt(1 / 200.)},
            {TMB_LECUN_NORMAL, 2 * sqrt(1 / 200.) / cut, sqrt(1 / 200.)},
            {TMB_RANDOM_NORMAL, 0, 0.05},
            {TMB_RANDOM_UNIFORM, 0.05, 0.05 / sqrt(3)},
            {TMB_TRUNCATED_NORMAL, 0.1, 0.05 * cut},
            {TMB_ZEROS, 0, 0},
            {TMB_ONES, 1, 0},
    };

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb_model *net = new_net(8, 8, 8);
        moments m;

        tmb_conv2d(net, .filters = 200, .kernel = {5, 5}, .init = cases[i].init);
        m = kernel_moments(net, 2);
        print_message("init %d: most %g deviation %g\n", (int)cases[i].init, m.most, m.deviation);
        assert_true(fabs(m.deviation - cases[i].deviation) <= 0.02 * cases[i].deviation + 1e-9);
        if (cases[i].most > 0) assert_true(m.most <= cases[i].most * (1 + 1e-6));
        if (cases[i].most > 0) assert_true(m.most > cases[i].most * 0.98);
        tmb_model_free(net);
    }
}

TEST(init_depends_on_seed_and_position_alone)
{
    tmb_model *a = post_net(30), *b = post_net(30), *longer = post_net(30);
    const size_t bytes = (size_t)a->n_weights * sizeof *a->weights;

    tmb_dense(longer, .units = 9);
    assert_memory_equal(a->weights, b->weights, bytes); /* seed 0 */
    assert_memory_equal(a->weights, longer->weights, bytes);
    assert_ok(tmb_model_init(a, 5));
    assert_memory_not_equal(a->weights, b->weights, bytes);
    assert_ok(tmb_model_init(b, 5));
    assert_memory_equal(a->weights, b->weights, bytes);
    assert_ok(tmb_model_init(longer, 5));
    assert_memory_equal(a->weights, longer->weights, bytes);
    assert_ok(tmb_model_init(a, 0));
    tmb_model_free(b);
    b = post_net(30);
    assert_memory_equal(a->weights, b->weights, bytes);
    tmb_model_free(a);
    tmb_model_free(b);
    tmb_model_free(longer);
}

/* Layers of one shape start apart; biases are zero, moving variances one. */
TEST(init_layers_differ_and_vectors_are_constant)
{
    tmb_model *net = new_net(8, 8, 4);
    const tmb__layer *layers;

    for (int i = 0; i < 2; i++)
        tmb_conv2d(net, .filters = 4, .kernel = {3, 3});
    tmb_batchnorm(net, .gamma_init = TMB_ZEROS);
    layers = net->layers;
    assert_memory_not_equal(net->weights + layers[1].weight[0].offset,
            net->weights + layers[2].weight[0].offset, 144 * sizeof(float));
    assert_true(net->weights[layers[1].weight[1].offset] == 0);
    for (int i = 0; i < 4; i++)
        assert_true(
                net->weights[layers[3].weight[i].offset] == (i == 3)); /* gamma 0 .. variance 1 */
    tmb_model_free(net);
}

/* A change here changes every run that gives its seed. */
TEST(init_first_values_are_pinned)
{
    const float expected[6] = {
            0.201668188f, -1.02809513f, 1.02471697f, 0.81831938f, 0.572420418f, -0.712623596f};
    tmb_model *net = new_net(1, 1, 2);

    tmb_flatten(net);
    tmb_dense(net, .units = 3);
    assert_ok(tmb_model_init(net, 42));
    assert_memory_equal(net->weights, expected, sizeof expected);
    tmb_model_free(net);
}
