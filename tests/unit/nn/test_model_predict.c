/* test_model_predict.c - predictions of a model: batches, cached program, changed weights */
#include "nn_test.h"

#include <math.h>

enum { INPUTS = 4 * 4 * 2, MANY = 70 };

static tmb_model *little_net(tmb_device *device)
{
    tmb_model *net = new_net(4, 4, 2);

    tmb_conv2d(net, .filters = 3, .kernel = {3, 3}, .activation = TMB_RELU);
    tmb_flatten(net);
    tmb_dropout(net, .rate = 0.5f);
    tmb_dense(net, .units = 3, .activation = TMB_SOFTMAX);
    assert_ok(tmb_model_check(net));
    assert_ok(tmb_model_set_device(net, device));
    return net;
}

static void predicts(tmb_device *device)
{
    static float x[MANY * INPUTS], all[MANY * 3], one[3];
    tmb_model *net = little_net(device);
    const float zeros[12 * 3] = {0};
    uint64_t before;

    fill(x, TMB_COUNT(x), 4);
    assert_ok(tmb_model_predict(net, x, MANY, all));
    for (int i = 0; i < MANY; i++) {
        const float sum = all[3 * i] + all[3 * i + 1] + all[3 * i + 2];

        assert_true(fabsf(sum - 1) < 1e-6f);
        assert_ok(tmb_model_predict(net, x + i * INPUTS, 1, one));
        assert_memory_equal(one, all + 3 * i, sizeof one);
    }
    before = tmb__alloc_count();
    assert_ok(tmb_model_predict(net, x, MANY, all));
    assert_int_equal(tmb__alloc_count(), before);
    assert_ok(tmb_model_set_weight(net, 5, 0, zeros, 36));
    assert_ok(tmb_model_predict(net, x, 1, one));
    assert_true(fabsf(one[0] - 1 / 3.0f) < 1e-6f && fabsf(one[2] - 1 / 3.0f) < 1e-6f);
    tmb_model_free(net);
}

TEST(predict_in_batches_of_any_number)
{
    on_devices(predicts);
}

TEST(predict_names_what_is_wrong)
{
    tmb_model *net = new_net(4, 4, 2);
    float x[INPUTS] = {0}, y[3];

    assert_status(tmb_model_predict(net, x, 1, y), TMB_EINVAL);
    assert_message("the net has no layers but its input");
    tmb_conv2d(net, .filters = 3, .kernel = {4, 4});
    assert_status(tmb_model_predict(net, x, 0, y), TMB_EINVAL);
    assert_message("n is 0");
    assert_status(tmb_model_predict(net, NULL, 1, y), TMB_EINVAL);
    assert_message("x is NULL");
    assert_ok(tmb_model_predict(net, x, 1, y)); /* a device of its own */
    assert_true(net->own_device);
    tmb_model_free(net);
}

/* ref, said to gain by bf16; what its lists asked for is noted. */
static tmb_backend twin;
static int (*ref_prepare)(tmb_program **, tmb_backend_device *, const tmb_op_list *);
static int n_f32, n_bf16;

static bool gains(tmb_backend_device *device)
{
    return device != NULL;
}

static int prepare(tmb_program **out, tmb_backend_device *device, const tmb_op_list *list)
{
    if (list->bf16)
        n_bf16++;
    else
        n_f32++;
    return ref_prepare(out, device, list);
}

TEST(predict_notices_another_precision)
{
    float x[INPUTS], y[3];
    tmb_device *device;
    tmb_model *net;

    n_f32 = n_bf16 = 0;
    fill(x, INPUTS, 4);
    assert_ok(tmb_device_open(&device, "ref", 1));
    twin = *device->backend;
    ref_prepare = twin.prepare;
    twin.prepare = prepare;
    twin.bf16 = gains;
    device->backend = &twin;
    net = little_net(device);
    assert_ok(tmb_model_predict(net, x, 1, y));
    assert_true(n_f32 == 1 && n_bf16 == 0);
    assert_ok(tmb_device_set_precision(device, TMB_PRECISION_BF16));
    assert_ok(tmb_model_predict(net, x, 1, y));
    assert_ok(tmb_model_predict(net, x, 1, y));
    assert_true(n_f32 == 1 && n_bf16 == 1);
    assert_ok(tmb__model_predict_f32(net, x, 1, y));
    assert_true(n_f32 == 2 && n_bf16 == 1);
    assert_ok(tmb_model_predict(net, x, 1, y)); /* the program in bf16 is still there */
    assert_true(n_f32 == 2 && n_bf16 == 1);
    assert_ok(tmb_device_set_precision(device, TMB_PRECISION_F32));
    assert_ok(tmb__model_predict_f32(net, x, 1, y));
    assert_true(n_f32 == 3 && n_bf16 == 1);
    tmb_model_free(net);
    tmb_device_free(device);
}
