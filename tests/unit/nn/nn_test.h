/* nn_test.h - what the tests of nn share: devices to run on, nets kept until the test ends */
#ifndef THIMBLE_TEST_NN_H
#define THIMBLE_TEST_NN_H

#include "test.h"

#include "nn/nn.h"

/* Run `fn` on every built-in device of this build. */
static inline void on_devices(void (*fn)(tmb_device *device))
{
    static const char *const names[] = {"ref", "cpu"};

    for (size_t i = 0; i < TMB_COUNT(names); i++) {
        tmb_device *device;

        if (tmb_device_open(&device, names[i], 2) < 0) {
            print_message("device %s: %s\n", names[i], tmb_errmsg());
            assert_true(i > 0);
            continue;
        }
        print_message("device %s\n", names[i]);
        fn(device);
        tmb_device_free(device);
    }
}

static inline tmb_model *new_net(int height, int width, int channels)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, height, width, channels));
    return net;
}

/* The blog's first net. */
static inline tmb_model *post_net(int side)
{
    tmb_model *net = new_net(side, side, 3);

    for (int i = 0; i < 3; i++) {
        tmb_conv2d(net, .filters = i < 2 ? 32 : 64, .kernel = {3, 3}, .activation = TMB_RELU);
        tmb_maxpool2d(net, .pool = {2, 2});
    }
    tmb_flatten(net);
    tmb_dense(net, .units = 64, .activation = TMB_RELU);
    tmb_dropout(net, .rate = 0.5f);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    assert_ok(tmb_model_check(net));
    return net;
}

static inline tmb__exec *new_exec(
        const tmb_model *net, tmb_device *device, int batch, const tmb__train_spec *spec)
{
    tmb__exec *exec;

    assert_ok(tmb__exec_new(&exec, net, device, batch, spec));
    return exec;
}

static inline tmb_layer_info info_of(const tmb_model *net, tmb_layer layer)
{
    tmb_layer_info info;

    assert_ok(tmb_model_layer(net, layer, &info));
    return info;
}

/* Numbers in -1 .. 1 that look random and are the same everywhere. */
static inline void fill(float *x, int64_t n, uint32_t salt)
{
    tmb__rng rng = tmb__rng_at(7, TMB_STREAM_TEST, salt, 0);

    for (int64_t i = 0; i < n; i++)
        x[i] = (float)tmb__rng_uniform(&rng, -1, 1);
}

#endif
