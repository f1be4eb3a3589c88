/* test_exec.c - what a training program promises: memory, state, bad steps, averages, gradients */
#include "nn_test.h"

#include "golden.h"

#include <math.h>
#include <string.h>

static const tmb__train_spec plain_sgd = {.optimizer = TMB_SGD, .input_gradient = true};

static tmb_model *small_net(void)
{
    tmb_model *net = new_net(8, 8, 3);

    tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .l2 = 0.01f);
    tmb_batchnorm(net, 0);
    tmb_activate(net, .activation = TMB_RELU);
    tmb_flatten(net);
    tmb_dropout(net, .rate = 0.5f);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    return net;
}

static const tmb__train_spec small_spec = {.loss = TMB_BINARY_CROSSENTROPY,
        .optimizer = TMB_ADAM,
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .epsilon = 1e-7f,
        .average = 0.99f};

enum { SMALL_BATCH = 6, SMALL_INPUTS = 8 * 8 * 3 };

static void small_step(tmb__exec *exec, int number, tmb__step *out)
{
    static float x[SMALL_BATCH * SMALL_INPUTS], loss[SMALL_BATCH];
    static const float y[SMALL_BATCH] = {0, 1, 0, 1, 1, 0};

    fill(x, TMB_COUNT(x), (uint32_t)number);
    *out = (tmb__step){.x = x,
            .targets = y,
            .n = SMALL_BATCH,
            .seed = 3,
            .step = number,
            .lr = 0.01f,
            .loss = loss};
    assert_ok(tmb__exec_step(exec, out));
}

static void no_allocation(tmb_device *device)
{
    tmb_model *net = small_net();
    tmb__exec *exec = new_exec(net, device, SMALL_BATCH, &small_spec);
    tmb__exec *infer = new_exec(net, device, SMALL_BATCH, NULL);
    float scores[SMALL_BATCH], x[SMALL_BATCH * SMALL_INPUTS];
    tmb__step step;
    uint64_t before;

    fill(x, TMB_COUNT(x), 99);
    small_step(exec, 0, &step);
    assert_ok(tmb__exec_predict(infer, x, SMALL_BATCH, scores));
    before = tmb__alloc_count();
    for (int i = 1; i < 5; i++) {
        small_step(exec, i, &step);
        assert_ok(tmb__exec_predict(infer, x, i, scores));
    }
    assert_ok(tmb__exec_pull(exec, net, true));
    assert_ok(tmb__exec_push(infer, net));
    assert_int_equal(tmb__alloc_count(), before);
    tmb__exec_free(infer);
    tmb__exec_free(exec);
    tmb_model_free(net);
}

TEST(nothing_is_allocated_after_the_first_step)
{
    on_devices(no_allocation);
}

static void weights_of(tmb__exec *exec, tmb_model *net, bool averaged, float *dst)
{
    assert_ok(tmb__exec_pull(exec, net, averaged));
    memcpy(dst, net->weights, (size_t)net->n_weights * sizeof *dst);
}

/* Slots and weights into a fresh program give the same next step: what --resume stands on. */
static void resumes(tmb_device *device)
{
    static float a[4096], b[4096], slot[4096];
    tmb_model *net = small_net(), *other = small_net();
    tmb__exec *exec = new_exec(net, device, SMALL_BATCH, &small_spec), *again;
    tmb__step step;

    for (int i = 0; i < 3; i++)
        small_step(exec, i, &step);
    weights_of(exec, other, false, a);
    again = new_exec(other, device, SMALL_BATCH, &small_spec);
    assert_int_equal(tmb__exec_slots(exec), 6 * 3 + 2); /* m, v, average; moving ones: average */
    for (int i = 0; i < tmb__exec_slots(exec); i++) {
        const char *name;
        int64_t count;

        assert_ok(tmb__exec_slot(exec, i, &name, &count));
        assert_true(count <= (int64_t)TMB_COUNT(slot));
        assert_ok(tmb__exec_slot_read(exec, i, slot));
        assert_ok(tmb__exec_slot_write(again, i, slot));
    }
    small_step(exec, 3, &step);
    small_step(again, 3, &step);
    for (int averaged = 0; averaged < 2; averaged++) {
        weights_of(exec, net, averaged, a);
        weights_of(again, other, averaged, b);
        assert_memory_equal(a, b, (size_t)net->n_weights * sizeof *a);
    }
    tmb__exec_free(again);
    tmb__exec_free(exec);
    tmb_model_free(other);
    tmb_model_free(net);
}

TEST(slots_and_weights_are_the_whole_state)
{
    on_devices(resumes);
}

/* A NaN in the batch: norm says so, and weights, slots and moving statistics stay as they were. */
static void bad_step(tmb_device *device)
{
    static float before[4096], after[4096];
    static float x[SMALL_BATCH * SMALL_INPUTS];
    const float y[SMALL_BATCH] = {0};
    tmb_model *net = small_net();
    tmb__exec *exec = new_exec(net, device, SMALL_BATCH, &small_spec);
    tmb__step step;

    small_step(exec, 0, &step);
    weights_of(exec, net, false, before);
    fill(x, TMB_COUNT(x), 5);
    for (int i = 0; i < SMALL_INPUTS; i++)
        x[i] = NAN;
    step.x = x;
    step.targets = y;
    assert_ok(tmb__exec_step(exec, &step));
    assert_true(!isfinite(step.norm));
    weights_of(exec, net, false, after);
    assert_memory_equal(before, after, (size_t)net->n_weights * sizeof *before);
    tmb__exec_free(exec);
    tmb_model_free(net);
}

TEST(a_step_that_is_not_finite_changes_nothing)
{
    on_devices(bad_step);
}

static void averages(tmb_device *device)
{
    static float first[4096], raw[4096], mean[4096];
    tmb_model *net = small_net();
    tmb__exec *exec;
    tmb__step step;

    memcpy(first, net->weights, (size_t)net->n_weights * sizeof *first);
    exec = new_exec(net, device, SMALL_BATCH, &small_spec);
    small_step(exec, 0, &step);
    weights_of(exec, net, false, raw);
    weights_of(exec, net, true, mean);
    for (int64_t i = 0; i < net->n_weights; i++) {
        /* The average warms up: at step 0 it keeps min(0.99, 1 / 10) of itself. */
        const float expected = 0.1f * first[i] + 0.9f * raw[i];

        assert_floats_near(&mean[i], &expected, 1, 1e-6);
    }
    tmb__exec_free(exec);
    tmb_model_free(net);
}

TEST(average_follows_weights_and_moving_statistics)
{
    on_devices(averages);
}

static void penalty(tmb_device *device)
{
    tmb_model *net = small_net();
    const float *kernel;
    double sum = 0;
    int64_t dim[4];
    tmb__exec *exec;
    tmb__step step;

    assert_ok(tmb_model_weight(net, 2, 0, NULL, NULL, dim, &kernel));
    for (int64_t i = 0; i < dim[0] * dim[1] * dim[2] * dim[3]; i++)
        sum += (double)0.01f * kernel[i] * kernel[i];
    exec = new_exec(net, device, SMALL_BATCH, &small_spec);
    small_step(exec, 0, &step);
    assert_true(fabs(step.penalty - sum) < 1e-6 * sum);
    tmb__exec_free(exec);
    tmb_model_free(net);
}

TEST(penalty_is_summed)
{
    on_devices(penalty);
}

/* Frozen layers keep their weights to the bit, batch norm's statistics included. */
static void frozen(tmb_device *device)
{
    static float before[4096];
    tmb_model *net = small_net();
    tmb__exec *exec;
    tmb__step step;
    int64_t head;

    assert_ok(tmb_model_set_trainable(net, 2, false));
    assert_ok(tmb_model_set_trainable(net, 3, false));
    memcpy(before, net->weights, (size_t)net->n_weights * sizeof *before);
    exec = new_exec(net, device, SMALL_BATCH, &small_spec);
    for (int i = 0; i < 3; i++)
        small_step(exec, i, &step);
    assert_ok(tmb__exec_pull(exec, net, false));
    head = net->layers[6].weight[0].offset;
    assert_memory_equal(before, net->weights, (size_t)head * sizeof *before);
    assert_memory_not_equal(
            before + head, net->weights + head, (size_t)(net->n_weights - head) * sizeof *before);
    assert_int_equal(tmb__exec_gradient(exec, 2, 0, before), TMB_EBUG);
    tmb__exec_free(exec);
    tmb_model_free(net);
}

TEST(frozen_layers_do_not_move)
{
    on_devices(frozen);
}

/* More than four addends, a layer with three readers, a concatenation with a dead side: gradients by
 * differences of the functional sum(dy * y). */
static tmb_model *braided_net(void)
{
    tmb_model *net = new_net(4, 4, 2);
    tmb_layer a[6];

    a[0] = tmb_conv2d(
            net, .filters = 3, .kernel = {3, 3}, .same_padding = true, .activation = TMB_TANH);
    for (int i = 1; i < 6; i++)
        a[i] = tmb_conv2d(net, .filters = 3, .kernel = {1, 1}, .from = a[i / 2],
                .activation = i % 2 ? TMB_GELU : TMB_SWISH);
    a[0] = tmb_add(net, .from = {a[0], a[1], a[2], a[3], a[4], a[5]}, .activation = TMB_SIGMOID);
    a[1] = tmb_concatenate(net, .from = {a[0], 1, a[3]}, .activation = TMB_SWISH);
    tmb_global_avgpool2d(net);
    tmb_dense(net, .units = 4, .activation = TMB_SOFTMAX);
    assert_ok(tmb_model_check(net));
    return net;
}

static double functional(tmb_model *net, tmb_device *device, const float *x, const float *dy)
{
    tmb__exec *exec = new_exec(net, device, 2, NULL);
    float y[2 * 4];
    double sum = 0;

    assert_ok(tmb__exec_predict(exec, x, 2, y));
    for (int i = 0; i < 8; i++)
        sum += (double)y[i] * dy[i];
    tmb__exec_free(exec);
    return sum;
}

static void braided(tmb_device *device)
{
    static float gradient[256];
    tmb_model *net = braided_net();
    float x[2 * 4 * 4 * 2], dy[2 * 4];
    tmb__step step = {.x = x, .targets = dy, .n = 2};
    tmb__exec *exec;

    fill(x, TMB_COUNT(x), 1);
    fill(dy, TMB_COUNT(dy), 2);
    exec = new_exec(net, device, 2, &plain_sgd);
    assert_ok(tmb__exec_step(exec, &step));
    for (tmb_layer k = 2; k <= net->n_layers; k++) {
        float *w;
        double up, down;
        float expected, kept;

        if (info_of(net, k).n_weights == 0) continue;
        assert_ok(tmb__exec_gradient(exec, k, 0, gradient));
        w = net->weights + net->layers[k - 1].weight[0].offset;
        kept = *w;
        *w = kept + 0.02f;
        up = functional(net, device, x, dy);
        *w = kept - 0.02f;
        down = functional(net, device, x, dy);
        *w = kept;
        expected = (float)((up - down) / 0.04);
        print_message("layer %d\n", k);
        /* The difference quotient's own error is near 1e-4 of the largest gradients. */
        assert_floats_near(gradient, &expected, 1, 3e-5);
    }
    tmb__exec_free(exec);
    tmb_model_free(net);
}

TEST(braided_graph_has_right_gradients)
{
    on_devices(braided);
}

TEST(exec_refuses_what_it_was_not_made_for)
{
    tmb_model *net = small_net();
    tmb_device *device;
    float x[SMALL_INPUTS * 3] = {0}, scores[3];
    tmb__exec *exec;
    tmb__step step = {.x = x, .n = 1};

    assert_ok(tmb_device_open(&device, "ref", 1));
    exec = new_exec(net, device, 2, NULL);
    assert_status(tmb__exec_predict(exec, x, 3, scores), TMB_EINVAL);
    assert_message("3 samples, 1 to 2 expected");
    assert_status(tmb__exec_predict(exec, x, 0, scores), TMB_EINVAL);
    assert_status(tmb__exec_step(exec, &step), TMB_EBUG);
    tmb_dense(net, .units = 2);
    assert_status(tmb__exec_push(exec, net), TMB_EBUG);
    tmb__exec_free(exec);
    tmb_device_free(device);
    tmb_model_free(net);
}

TEST(exec_survives_every_failed_allocation)
{
    tmb_model *net = small_net();
    tmb_device *device;

    assert_ok(tmb_device_open(&device, "ref", 1));
    for (int64_t n = 0;; n++) {
        tmb__exec *exec;
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb__exec_new(&exec, net, device, 2, &small_spec);
        if (!test_fail_end()) {
            assert_ok(status);
            tmb__exec_free(exec);
            break;
        }
        assert_int_equal(status, TMB_ENOMEM);
        assert_null(exec);
    }
    tmb_device_free(device);
    tmb_model_free(net);
}

/* Without a gradient of its own a weight moves by lr_scale * lr * 2 start_penalty * (start - w); with one,
 * lower layers by less. */
static void holds_back(tmb_device *device)
{
    tmb__train_spec specs[3] = {{.loss = TMB_BINARY_CROSSENTROPY, .optimizer = TMB_SGD}};
    static float moved[3][4096], first[4096];
    int64_t head;

    specs[1] = specs[2] = specs[0];
    specs[1].layer_decay = 0.5f;
    specs[2].start_penalty = 5;
    for (int s = 0; s < 3; s++) {
        tmb_model *net = small_net();
        tmb__exec *exec = new_exec(net, device, SMALL_BATCH, &specs[s]);
        tmb__step step;

        memcpy(first, net->weights, (size_t)net->n_weights * sizeof *first);
        small_step(exec, 0, &step);
        if (s == 2) small_step(exec, 0, &step); /* the distance is zero at first */
        weights_of(exec, net, false, moved[s]);
        head = net->layers[net->n_layers - 1].weight[0].offset;
        tmb__exec_free(exec);
        if (s == 1) { /* two trained layers stand above the convolution, none above the head */
            assert_float_equal(moved[1][0] - first[0], 0.25f * (moved[0][0] - first[0]), 1e-6);
            assert_float_equal(moved[1][head] - first[head], moved[0][head] - first[head], 1e-6);
        }
        tmb_model_free(net);
    }
    /* A second plain step of that rate, less lr * 2 * 5 of the first one's way. */
    {
        tmb_model *net = small_net();
        tmb__exec *exec = new_exec(net, device, SMALL_BATCH, &specs[0]);
        tmb__step step;

        small_step(exec, 0, &step);
        small_step(exec, 0, &step);
        weights_of(exec, net, false, moved[1]);
        assert_float_equal(
                moved[1][head] - moved[2][head], 0.01f * 10 * (moved[0][head] - first[head]), 1e-6);
        tmb__exec_free(exec);
        tmb_model_free(net);
    }
}

TEST(lower_layers_and_first_weights_are_held_back)
{
    on_devices(holds_back);
}
