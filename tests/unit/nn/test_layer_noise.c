/* test_layer_noise.c - dropout's relatives: their shares and deviations, the same in the gradient */
#include "nn_test.h"

#include <math.h>
#include <string.h>

enum { BATCH = 4, SIDE = 16, CHANNELS = 32, VALUES = SIDE * SIDE * CHANNELS };

typedef struct sample {
    float x[BATCH * VALUES], y[BATCH * VALUES], dx[BATCH * VALUES];
} sample;

static sample *run(tmb_device *device, tmb_noise noise, float rate, int64_t step_number)
{
    static const tmb__train_spec spec = {.optimizer = TMB_SGD, .input_gradient = true};
    static sample s;
    tmb_model *net = new_net(SIDE, SIDE, CHANNELS);
    tmb__step step = {.x = s.x, .targets = s.x, .n = BATCH, .seed = 5, .step = step_number};
    tmb__exec *exec;

    step.scores = s.y;
    for (int i = 0; i < BATCH * VALUES; i++)
        s.x[i] = 2;
    tmb_dropout(net, .rate = rate, .noise = noise);
    assert_ok(tmb_model_check(net));
    exec = new_exec(net, device, BATCH, &spec);
    assert_ok(tmb__exec_step(exec, &step));
    assert_ok(tmb__exec_gradient(exec, 1, 0, s.dx));
    tmb__exec_free(exec);
    tmb_model_free(net);
    return &s;
}

/* Mean and deviation of y over `n` values; the shares of y = 0. */
static void figures(const float *y, int n, double out[3])
{
    double sum = 0, squares = 0, zeros = 0;

    for (int i = 0; i < n; i++) {
        sum += (double)y[i];
        squares += (double)y[i] * (double)y[i];
        zeros += y[i] == 0;
    }
    out[0] = sum / n;
    out[1] = sqrt(squares / n - out[0] * out[0]);
    out[2] = zeros / n;
}

/* 32,768 values: deviations of the mean below 0.006 of one value's. */
static void gaussians(tmb_device *device)
{
    const sample *s = run(device, TMB_NOISE_GAUSSIAN, 0.5f, 3);
    double f[3];

    figures(s->y, BATCH * VALUES, f);
    assert_true(fabs(f[0] - 2) < 0.02 && fabs(f[1] - 0.5) < 0.02);
    assert_memory_equal(s->dx, s->x, sizeof s->x);
    s = run(device, TMB_NOISE_GAUSSIAN_FACTOR, 0.2f, 3);
    figures(s->y, BATCH * VALUES, f);
    assert_true(fabs(f[0] - 2) < 0.03 && fabs(f[1] - 2 * 0.5) < 0.03);
    assert_memory_equal(s->dx, s->y, sizeof s->y); /* dy is x, so dx is y */
}

TEST(gaussian_layers_have_keras_moments)
{
    on_devices(gaussians);
}

static void channels(tmb_device *device)
{
    const sample *s = run(device, TMB_NOISE_DROP_CHANNELS, 0.25f, 3);
    int zeros = 0;

    for (int i = 0; i < BATCH * VALUES; i++) {
        const int first = i / VALUES * VALUES + i % CHANNELS;

        assert_true(s->y[i] == s->y[first]);
        assert_true(s->y[i] == 0 || fabsf(s->y[i] - 2 / 0.75f) < 1e-6f);
        zeros += i == first && s->y[i] == 0;
    }
    assert_in_range(zeros, 16, 50); /* of 128 channels, 32 expected: more than three deviations */
    assert_memory_equal(s->dx, s->y, sizeof s->y);
}

TEST(spatial_dropout_drops_whole_channels)
{
    on_devices(channels);
}

static void steps(tmb_device *device)
{
    static float first[BATCH * VALUES];

    for (int noise = TMB_NOISE_DROP; noise <= TMB_NOISE_GAUSSIAN; noise++) {
        memcpy(first, run(device, (tmb_noise)noise, 0.5f, 3)->y, sizeof first);
        assert_memory_equal(run(device, (tmb_noise)noise, 0.5f, 3)->y, first, sizeof first);
        assert_memory_not_equal(run(device, (tmb_noise)noise, 0.5f, 4)->y, first, sizeof first);
    }
}

TEST(noise_is_a_function_of_the_step)
{
    on_devices(steps);
}

static void inference(tmb_device *device)
{
    tmb_model *net = new_net(2, 2, 2);
    float x[8], y[8];
    tmb__exec *exec;

    fill(x, 8, 1);
    for (int noise = TMB_NOISE_DROP; noise <= TMB_NOISE_GAUSSIAN; noise++)
        tmb_dropout(net, .rate = 0.5f, .noise = (tmb_noise)noise);
    exec = new_exec(net, device, 1, NULL);
    assert_ok(tmb__exec_predict(exec, x, 1, y));
    assert_memory_equal(x, y, sizeof x);
    tmb__exec_free(exec);
    tmb_model_free(net);
}

TEST(noise_is_absent_from_inference)
{
    on_devices(inference);
}
