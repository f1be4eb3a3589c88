/* test_constraint.c - kernels after a step of length 0 under a constraint, against Keras (layers.npz) */
#include "nn_test.h"

#include "golden.h"

#include <math.h>
#include <string.h>

#define FILE_NAME "layers.npz"

static const struct {
    const char *name;
    tmb_constraint constraint;
    bool dense;
} cases[] = {
        {"max_norm", {.limit = TMB_MAX_NORM, .max = 1.5f, .axes = 7}, false},
        {"max_norm_dense", {.limit = TMB_MAX_NORM}, true},
        {"non_neg", {.limit = TMB_NON_NEG}, false},
        {"unit_norm", {.limit = TMB_UNIT_NORM, .axes = 7}, false},
        {"unit_norm_rows", {.limit = TMB_UNIT_NORM, .axes = 2}, true},
        {"min_max_norm",
                {.limit = TMB_MIN_MAX_NORM, .min = 4.5f, .max = 5, .rate = 0.25f, .axes = 7},
                false},
};

/* One step on inputs of `value`; the kernel after it. */
static void step_on(tmb_device *device, size_t i, float value, float *kernel)
{
    static const tmb__train_spec spec = {.optimizer = TMB_SGD};
    tmb_model *net = new_net(4, 4, cases[i].dense ? 9 : 4);
    const float *w, *after;
    float x[4 * 4 * 9], dy[3 * 3 * 5] = {0};
    tmb__step step = {.x = x, .targets = dy, .n = 1};
    tmb__exec *exec;
    int64_t n;

    for (size_t k = 0; k < TMB_COUNT(x); k++)
        x[k] = value;
    dy[0] = 1;
    if (cases[i].dense) {
        tmb_global_avgpool2d(net);
        tmb_dense(net, .units = 5, .constraint = cases[i].constraint, .name = "held");
    } else {
        tmb_conv2d(net, .filters = 5, .kernel = {3, 2}, .constraint = cases[i].constraint,
                .name = "held");
        tmb_cropping2d(net, .right = 1, .bottom = 1);
    }
    assert_ok(tmb_model_check(net));
    w = golden_floats(&n, FILE_NAME, "constraint_%s/w", cases[i].name);
    assert_ok(tmb_model_set_weight(net, tmb_model_find(net, "held"), 0, w, n));
    exec = new_exec(net, device, 1, &spec);
    assert_ok(tmb__exec_step(exec, &step));
    assert_ok(tmb__exec_pull(exec, net, false));
    assert_ok(tmb_model_weight(net, tmb_model_find(net, "held"), 0, NULL, NULL, NULL, &after));
    memcpy(kernel, after, (size_t)n * sizeof *after);
    tmb__exec_free(exec);
    tmb_model_free(net);
}

static void held(tmb_device *device)
{
    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        int64_t n;
        const float *y = golden_floats(&n, FILE_NAME, "constraint_%s/y", cases[i].name);
        float kernel[120];

        print_message("%s\n", cases[i].name);
        step_on(device, i, 0.5f, kernel);
        assert_floats_near(kernel, y, n, 1e-6); /* single precision, numbers of about one */
    }
}

TEST(kernels_are_held_as_keras_does)
{
    on_devices(held);
}

static void diverged(tmb_device *device)
{
    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        int64_t n;
        const float *w = golden_floats(&n, FILE_NAME, "constraint_%s/w", cases[i].name);
        float kernel[120];

        step_on(device, i, NAN, kernel);
        assert_memory_equal(kernel, w, (size_t)n * sizeof *w);
    }
}

TEST(a_diverged_step_leaves_constrained_kernels_alone)
{
    on_devices(diverged);
}
