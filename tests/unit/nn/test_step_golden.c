/* test_step_golden.c - losses, optimizers and ten steps of two nets against Keras */
#include "nn_test.h"

#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- losses ---- */

typedef struct loss_case {
    const char *name;
    tmb_loss loss;
    float smoothing;
    bool logits, weighted;
} loss_case;

#define BINARY      TMB_BINARY_CROSSENTROPY
#define CATEGORICAL TMB_CATEGORICAL_CROSSENTROPY
#define SPARSE      TMB_SPARSE_CATEGORICAL_CROSSENTROPY

static const loss_case loss_cases[] = {
        {"bce", BINARY, 0, false, false},
        {"bce_smooth", BINARY, 0.1f, false, false},
        {"bce_weighted", BINARY, 0, false, true},
        {"bce_logits", BINARY, 0, true, false},
        {"bce_logits_smooth", BINARY, 0.1f, true, false},
        {"bce_logits_weighted", BINARY, 0, true, true},
        {"bce_saturated", BINARY, 0, false, false},
        {"bce_logits_saturated", BINARY, 0, true, false},
        {"cce", CATEGORICAL, 0, false, false},
        {"cce_unnormalised", CATEGORICAL, 0, false, false},
        {"cce_smooth", CATEGORICAL, 0.1f, false, false},
        {"cce_weighted", CATEGORICAL, 0, false, true},
        {"cce_logits", CATEGORICAL, 0, true, false},
        {"cce_logits_smooth", CATEGORICAL, 0.1f, true, false},
        {"cce_logits_weighted", CATEGORICAL, 0, true, true},
        {"cce_logits_saturated", CATEGORICAL, 0, true, false},
        {"scce", SPARSE, 0, false, false},
        {"scce_unnormalised", SPARSE, 0, false, false},
        {"scce_weighted", SPARSE, 0, false, true},
        {"scce_logits", SPARSE, 0, true, false},
        {"scce_logits_weighted", SPARSE, 0, true, true},
        {"scce_logits_saturated", SPARSE, 0, true, false},
};

/* The scores are the input itself; with logits the net ends in the activation that the loss goes round. */
static tmb_model *loss_net(const loss_case *c, int outputs)
{
    tmb_model *net = new_net(1, 1, outputs);

    tmb_flatten(net);
    if (c->logits) tmb_activate(net, .activation = c->loss == BINARY ? TMB_SIGMOID : TMB_SOFTMAX);
    return net;
}

static void check_loss(const loss_case *c, tmb_device *device)
{
    const char *file = "losses.npz";
    const tmb__train_spec spec = {
            .loss = c->loss,
            .label_smoothing = c->smoothing,
            .optimizer = TMB_SGD,
            .input_gradient = true,
    };
    const tmb__array *pred = golden_array(file, "%s/y_pred", c->name);
    const int n = (int)pred->shape.dim[0], outputs = (int)pred->shape.dim[1];
    tmb_model *net = loss_net(c, outputs);
    tmb__exec *exec = new_exec(net, device, n, &spec);
    float loss[16], dx[64], expected[16];
    tmb__step step = {.n = n, .loss = loss};
    int64_t count;

    step.x = golden_floats(&count, file, "%s/y_pred", c->name);
    step.targets = golden_floats(&count, file, "%s/y_true", c->name);
    if (c->weighted) step.weight = golden_floats(&count, file, "%s/sample_weight", c->name);
    assert_ok(tmb__exec_step(exec, &step));
    print_message("%s\n", c->name);
    memcpy(expected, golden_floats(&count, file, "%s/loss", c->name), (size_t)n * sizeof(float));
    for (int i = 0; i < n && c->weighted; i++)
        expected[i] *= step.weight[i];
    /* Single precision; the goldens' saturated cases are single precision themselves. */
    assert_floats_near(loss, expected, n, 2e-6);
    assert_ok(tmb__exec_gradient(exec, 1, 0, dx));
    assert_floats_near(dx, golden_floats(&count, file, "%s/dy_pred", c->name), n * outputs, 2e-6);
    tmb__exec_free(exec);
    tmb_model_free(net);
}

static void all_losses(tmb_device *device)
{
    for (size_t i = 0; i < TMB_COUNT(loss_cases); i++)
        check_loss(&loss_cases[i], device);
}

TEST(losses_equal_keras)
{
    on_devices(all_losses);
}

/* ---- optimizers ---- */

typedef struct optimizer_case {
    const char *name;
    tmb__train_spec spec;
    float lr, l2;
} optimizer_case;

static const optimizer_case optimizer_cases[] = {
        {"sgd", {.optimizer = TMB_SGD}, 0.01f, 0},
        {"sgd_momentum", {.optimizer = TMB_SGD, .momentum = 0.9f}, 0.01f, 0},
        {"sgd_nesterov", {.optimizer = TMB_SGD, .momentum = 0.9f, .nesterov = true}, 0.01f, 0},
        {"sgd_global_clipnorm", {.optimizer = TMB_SGD, .clip_norm = 1.5f}, 0.01f, 0},
        {"sgd_l2", {.optimizer = TMB_SGD}, 0.1f, 0.01f},
        {"rmsprop", {.optimizer = TMB_RMSPROP, .rho = 0.9f, .epsilon = 1e-7f}, 0.001f, 0},
        {"rmsprop_keras2",
                {.optimizer = TMB_RMSPROP, .rho = 0.9f, .epsilon = 1e-8f, .epsilon_outside = true},
                0.001f, 0},
        {"adam", {.optimizer = TMB_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-7f}, 0.001f,
                0},
        {"adam_amsgrad",
                {.optimizer = TMB_ADAM,
                        .beta1 = 0.9f,
                        .beta2 = 0.9f,
                        .epsilon = 1e-7f,
                        .amsgrad = true},
                0.001f, 0},
        {"adamw",
                {.optimizer = TMB_ADAMW,
                        .beta1 = 0.9f,
                        .beta2 = 0.999f,
                        .epsilon = 1e-7f,
                        .weight_decay = 0.004f},
                0.001f, 0},
};

/* A dense kernel (7, 1) whose gradient is the input: one sample, dy = 1. */
static void check_optimizer(const optimizer_case *c, tmb_device *device)
{
    enum { SIZE = 7, STEPS = 10 };
    const char *file = "optimizers.npz";
    const float one = 1;
    int64_t n;
    const float *w0 = golden_floats(&n, file, "%s/w0", c->name);
    const float *g = golden_floats(&n, file, "%s/g", c->name);
    const float *w = golden_floats(&n, file, "%s/w", c->name);
    tmb_model *net = new_net(1, 1, SIZE);
    tmb__exec *exec;

    tmb_flatten(net);
    tmb_dense(net, .units = 1, .no_bias = true, .l2 = c->l2);
    assert_ok(tmb_model_set_weight(net, 3, 0, w0, SIZE));
    exec = new_exec(net, device, 1, &c->spec);
    for (int i = 0; i < STEPS; i++) {
        tmb__step step = {.x = g + i * SIZE, .targets = &one, .n = 1, .step = i, .lr = c->lr};
        const float *found;

        assert_ok(tmb__exec_step(exec, &step));
        assert_ok(tmb__exec_pull(exec, net, false));
        assert_ok(tmb_model_weight(net, 3, 0, NULL, NULL, NULL, &found));
        print_message("%s step %d\n", c->name, i);
        /* Both in single precision, rounded at other places, over ten steps. */
        assert_floats_near(found, w + i * SIZE, SIZE, 2e-6);
    }
    tmb__exec_free(exec);
    tmb_model_free(net);
}

static void all_optimizers(tmb_device *device)
{
    for (size_t i = 0; i < TMB_COUNT(optimizer_cases); i++)
        check_optimizer(&optimizer_cases[i], device);
}

TEST(optimizers_equal_keras)
{
    on_devices(all_optimizers);
}

/* ---- whole nets ---- */

static void set_initial(tmb_model *net, const char *file, const char *prefix)
{
    for (tmb_layer k = 1; k <= net->n_layers; k++) {
        for (int i = 0; i < info_of(net, k).n_weights; i++) {
            const char *name;
            const float *values;
            int64_t n;

            assert_ok(tmb_model_weight(net, k, i, &name, NULL, NULL, NULL));
            values = golden_floats(&n, file, "%s/init/%s/%s", prefix, info_of(net, k).name, name);
            assert_ok(tmb_model_set_weight(net, k, i, values, n));
        }
    }
}

/* Every gradient of the step just done, or every weight of the net. */
static void compare_all(
        tmb__exec *exec, tmb_model *net, const char *file, const char *what, double tol)
{
    static float gradient[4096];

    for (tmb_layer k = 1; k <= net->n_layers; k++) {
        for (int i = 0; i < info_of(net, k).n_weights; i++) {
            const char *name, *layer = info_of(net, k).name;
            const float *found, *expected;
            int64_t n;

            assert_ok(tmb_model_weight(net, k, i, &name, NULL, NULL, &found));
            if (!golden_has(file, "%s/%s/%s", what, layer, name)) continue;
            expected = golden_floats(&n, file, "%s/%s/%s", what, layer, name);
            print_message("%s/%s/%s\n", what, layer, name);
            if (exec) assert_true(n <= (int64_t)TMB_COUNT(gradient));
            if (exec) assert_ok(tmb__exec_gradient(exec, k, i, gradient));
            assert_floats_near(exec ? gradient : found, expected, n, tol);
        }
    }
}

typedef struct net_case {
    const char *file, *prefix;
    tmb__train_spec spec;
    float lr;
    int outputs;
} net_case;

static void check_net(tmb_model *net, const net_case *c, tmb_device *device)
{
    enum { STEPS = 10, BATCH = 4 };
    int64_t n_x, n_y, n;
    const float *x = golden_floats(&n_x, c->file, "%s/x", c->prefix);
    const float *y = golden_floats(&n_y, c->file, "%s/y", c->prefix);
    const float *losses = golden_floats(&n, c->file, "%s/losses", c->prefix);
    tmb__exec *exec;
    char key[64];

    assert_ok(tmb_model_check(net));
    set_initial(net, c->file, c->prefix);
    exec = new_exec(net, device, BATCH, &c->spec);
    for (int i = 0; i < STEPS; i++) {
        float loss[BATCH], mean = 0;
        tmb__step step = {.x = x + i * n_x / STEPS,
                .targets = y + i * n_y / STEPS,
                .n = BATCH,
                .step = i,
                .lr = c->lr,
                .loss = loss};

        assert_ok(tmb__exec_step(exec, &step));
        assert_true(isfinite(step.norm) && step.norm > 0);
        for (int k = 0; k < BATCH; k++)
            mean += loss[k] / BATCH;
        print_message("loss of step %d\n", i);
        assert_floats_near(&mean, &losses[i], 1, 1e-5);
        snprintf(key, sizeof key, "%s/grad", c->prefix);
        if (i == 0) compare_all(exec, net, c->file, key, 1e-5);
    }
    assert_ok(tmb__exec_pull(exec, net, false));
    snprintf(key, sizeof key, "%s/final", c->prefix);
    /* Ten steps of rounding in single precision, of weights that moved by up to 0.01 a step. */
    compare_all(NULL, net, c->file, key, 1e-4);
    tmb__exec_free(exec);
    tmb_model_free(net);
}

static void post_steps(tmb_device *device)
{
    const net_case c = {.file = "post_step.npz",
            .prefix = "post_step",
            .spec = {.loss = BINARY, .optimizer = TMB_RMSPROP, .rho = 0.9f, .epsilon = 1e-7f},
            .lr = 0.001f};
    tmb_model *net = new_net(30, 30, 3);

    for (int i = 0; i < 3; i++) {
        tmb_conv2d(net, .filters = i < 2 ? 8 : 16, .kernel = {3, 3}, .activation = TMB_RELU);
        tmb_maxpool2d(net, 0);
    }
    tmb_flatten(net);
    tmb_dense(net, .units = 16, .activation = TMB_RELU);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    check_net(net, &c, device);
}

TEST(post_net_equals_keras_for_ten_steps)
{
    on_devices(post_steps);
}

static tmb_layer conv_bn(tmb_model *net, const char *conv, const char *bn)
{
    tmb_conv2d(net, .filters = 8, .kernel = {3, 3}, .same_padding = true, .no_bias = true,
            .name = conv);
    return tmb_batchnorm(net, .momentum = 0.9f, .name = bn);
}

static void residual_steps(tmb_device *device)
{
    const net_case c = {.file = "bn_net_step.npz",
            .prefix = "bn_net",
            .spec = {.loss = CATEGORICAL,
                    .label_smoothing = 0.1f,
                    .optimizer = TMB_SGD,
                    .momentum = 0.9f,
                    .nesterov = true},
            .lr = 0.05f};
    tmb_model *net = new_net(12, 12, 3);
    tmb_layer stem, block;

    conv_bn(net, "stem_conv", "stem_bn");
    tmb_activate(net, .activation = TMB_RELU);
    stem = tmb_maxpool2d(net, 0);
    block = conv_bn(net, "block_conv", "block_bn");
    tmb_add(net, .from = {block, stem}, .activation = TMB_RELU);
    tmb_global_avgpool2d(net);
    tmb_dense(net, .units = 3, .activation = TMB_SOFTMAX, .name = "head");
    check_net(net, &c, device);
}

TEST(residual_net_equals_keras_for_ten_steps)
{
    on_devices(residual_steps);
}
