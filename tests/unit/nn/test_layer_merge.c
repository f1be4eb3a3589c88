/* test_layer_merge.c - merges of many inputs and of gates: values and gradients; and that they train */
#include "nn_test.h"

#include <math.h>
#include <string.h>

enum { BATCH = 2, SIDE = 3, CHANNELS = 3, INPUTS = SIDE * SIDE * CHANNELS };

/* A layer with a kernel of its own on the input. */
static tmb_layer branch(tmb_model *net, bool gate)
{
    const tmb_layer x = tmb_conv2d(
            net, .filters = CHANNELS, .kernel = {1, 1}, .from = 1, .activation = TMB_SOFTSIGN);

    return gate
            ? tmb_model_add_global_avgpool2d(net, &(tmb_plain_opts){.keepdims = true, .from = x})
            : x;
}

/* Gates and pictures in an order that makes the ops swap their inputs. */
static tmb_model *merged_net(void)
{
    tmb_model *net = new_net(SIDE, SIDE, CHANNELS);
    tmb_layer m[5];

    m[0] = tmb_multiply(net,
            .from = {branch(net, true), branch(net, true), branch(net, false), branch(net, true),
                    branch(net, false)});
    m[1] = tmb_multiply(net, .from = {1, branch(net, true)}, .activation = TMB_MISH);
    m[2] = tmb_maximum(net, .from = {branch(net, false), m[1], branch(net, false)});
    m[3] = tmb_average(
            net, .from = {m[0], m[1], m[2], m[0], branch(net, false), 1}, .activation = TMB_TANH);
    m[4] = tmb_minimum(net, .from = {m[3], m[3], branch(net, false)});
    tmb_subtract(net, .from = {m[4], m[1]}, .activation = TMB_SIGMOID);
    tmb_flatten(net);
    assert_ok(tmb_model_check(net));
    return net;
}

static double functional(tmb_model *net, tmb_device *device, const float *x, const float *dy)
{
    tmb__exec *exec = new_exec(net, device, BATCH, NULL);
    float y[BATCH * INPUTS];
    double sum = 0;

    assert_ok(tmb__exec_predict(exec, x, BATCH, y));
    for (int i = 0; i < BATCH * INPUTS; i++)
        sum += (double)y[i] * dy[i];
    tmb__exec_free(exec);
    return sum;
}

/* Of every kernel's first value, by differences. */
static void gradients(tmb_device *device)
{
    static const tmb__train_spec spec = {.optimizer = TMB_SGD};
    tmb_model *net = merged_net();
    float x[BATCH * INPUTS], dy[BATCH * INPUTS], found[CHANNELS * CHANNELS];
    tmb__step step = {.x = x, .targets = dy, .n = BATCH};
    tmb__exec *exec;

    fill(x, TMB_COUNT(x), 1);
    fill(dy, TMB_COUNT(dy), 2);
    exec = new_exec(net, device, BATCH, &spec);
    assert_ok(tmb__exec_step(exec, &step));
    for (tmb_layer k = 2; k <= net->n_layers; k++) {
        double up, down;
        float *w, kept;

        if (info_of(net, k).n_weights == 0) continue;
        assert_ok(tmb__exec_gradient(exec, k, 0, found));
        w = net->weights + net->layers[k - 1].weight[0].offset;
        kept = *w;
        *w = kept + 0.01f;
        up = functional(net, device, x, dy);
        *w = kept - 0.01f;
        down = functional(net, device, x, dy);
        *w = kept;
        print_message("layer %d: %g, by differences %g\n", k, (double)found[0], (up - down) / 0.02);
        /* The quotient's own error: rounding of y, curvature, a maximum that changes its place. */
        assert_true(fabs(found[0] - (up - down) / 0.02) < 2e-3);
    }
    tmb__exec_free(exec);
    tmb_model_free(net);
}

TEST(merges_of_many_inputs_have_their_gradients)
{
    on_devices(gradients);
}

static void gate(tmb_device *device)
{
    static const float x[] = {1, 2, 3, 4, 5, 6, 7, 8};
    tmb_model *net = new_net(2, 2, 2);
    tmb__exec *exec;
    float y[8];

    tmb_model_add_global_maxpool2d(net, &(tmb_plain_opts){.keepdims = true});
    tmb_multiply(net, .from = {2, 1});
    tmb_flatten(net);
    assert_ok(tmb_model_check(net));
    assert_int_equal(info_of(net, 3).shape[0], 2);
    exec = new_exec(net, device, 1, NULL);
    assert_ok(tmb__exec_predict(exec, x, 1, y));
    for (int i = 0; i < 8; i++)
        assert_true(y[i] == x[i] * x[6 + i % 2]);
    tmb__exec_free(exec);
    tmb_model_free(net);
}

TEST(a_gate_scales_whole_channels)
{
    on_devices(gate);
}
