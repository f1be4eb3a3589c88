/* test_keras_h5.c - Keras' weights files into nets: every layout, the orders of numbers, what is refused
 *
 * tests/golden/keras was written by Keras itself (scripts/golden/keras_files.py), with what its nets
 * answer; the tiny files of the shared data hold numbers that can be counted out. */
#include "golden.h"
#include "io/io.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define VARIANT(name) TEST_SHARED("weights/h5-variants/" name)

static int load_as(
        tmb_model *net, const char *path, const tmb_load_opts *opts, tmb_load_report *report)
{
    const int status = tmb_model_load_weights_as(net, path, opts, report);

    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    return status;
}

/* ---- what Keras wrote ---- */

static tmb_model *post(void)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 30, 26, 3));
    for (int i = 0; i < 3; i++) {
        tmb_conv2d(net, .filters = i < 2 ? 4 : 6, .kernel = {3, 3}, .activation = TMB_RELU);
        tmb_maxpool2d(net, .pool = {2, 2});
    }
    tmb_flatten(net);
    tmb_dense(net, .units = 8, .activation = TMB_RELU);
    tmb_dropout(net, .rate = 0.5f);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    assert_ok(tmb_model_init(net, 3));
    return net;
}

static tmb_model *nested(void)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 12, 10, 2));
    tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .no_bias = true);
    tmb_batchnorm(net, 0);
    tmb_depthwise_conv2d(net, .kernel = {3, 3}, .multiplier = 2, .activation = TMB_RELU);
    tmb_separable_conv2d(net, .filters = 5, .kernel = {2, 2});
    tmb_batchnorm(net, .no_scale = true);
    tmb_global_avgpool2d(net);
    tmb_dense(net, .units = 3, .activation = TMB_SOFTMAX);
    assert_ok(tmb_model_init(net, 3));
    return net;
}

/* The net answers as Keras' did. Both compute in float32, in another order of sums. */
static void require_answers(tmb_model *net, const char *which)
{
    int64_t n, n_x;
    const float *y = golden_floats(&n, "keras_files.npz", "%s/y", which);
    const float *x = golden_floats(&n_x, "keras_files.npz", "%s/x", which);
    float scores[16];

    assert_true(n <= 16);
    assert_ok(tmb_model_predict(net, x, 4, scores));
    assert_floats_near(scores, y, n, 1e-5);
}

static tmb_load_report require_loads(tmb_model *(*make)(void), const char *which, const char *file)
{
    tmb_model *net = make();
    tmb_load_report report;
    char path[64];

    snprintf(path, sizeof path, "keras/%s", file);
    assert_ok(load_as(net, test_golden(path), NULL, &report));
    require_answers(net, which);
    assert_int_equal(report.kept, 0);
    assert_int_equal(report.unused, 0);
    tmb_model_free(net);
    return report;
}

TEST(keras_h5_answers_as_keras_does)
{
    tmb_load_report report = require_loads(post, "post", "legacy.h5");

    assert_int_equal(report.loaded, 5);
    assert_int_equal(report.flip, TMB_FLIP_NO);
    assert_int_equal(report.kernel_order, TMB_KERNEL_HWIO);
    assert_int_equal(report.dense_order, TMB_DENSE_HWC);
    assert_string_equal(report.layout, "Keras weights (layer_names)");
    report = require_loads(post, "post", "whole.h5");
    assert_string_equal(report.layout, "Keras whole model");
    report = require_loads(post, "post", "net.weights.h5");
    assert_string_equal(report.layout, "Keras 3 weights");
    require_loads(post, "post", "net.keras");
    require_loads(post, "post", "split.h5");
    report = require_loads(nested, "nested", "nested.h5");
    assert_int_equal(report.loaded, 6);
    require_loads(nested, "nested", "nested.weights.h5");
}

TEST(keras_h5_turns_what_theano_made)
{
    tmb_load_report report = require_loads(post, "post", "theano.h5");

    assert_int_equal(report.flip, TMB_FLIP_YES);
    assert_int_equal(report.kernel_order, TMB_KERNEL_HWIO);
    report = require_loads(post, "post", "first.h5");
    assert_int_equal(report.flip, TMB_FLIP_YES);
    assert_int_equal(report.kernel_order, TMB_KERNEL_OIHW);
    assert_int_equal(report.dense_order, TMB_DENSE_CHW);
    assert_string_equal(report.layout, "2016 weights (nb_layers)");
}

/* With a wrong order the shapes fit and the answers do not: the options are not ignored. */
TEST(keras_h5_options_override)
{
    static const tmb_load_opts wrong[] = {{.flip = TMB_FLIP_NO}, {.dense_order = TMB_DENSE_HWC}};
    int64_t n, n_x;
    const float *y = golden_floats(&n, "keras_files.npz", "post/y");
    const float *x = golden_floats(&n_x, "keras_files.npz", "post/x");
    tmb_model *net = post();

    for (size_t i = 0; i < TMB_COUNT(wrong); i++) {
        float scores[4];

        assert_ok(load_as(net, test_golden("keras/first.h5"), &wrong[i], NULL));
        assert_ok(tmb_model_predict(net, x, 4, scores));
        assert_true(tmb__worst_difference(scores, y, n, NULL) > 1e-3);
    }
    assert_status(load_as(net, test_golden("keras/first.h5"),
                          &(tmb_load_opts){.kernel_order = TMB_KERNEL_HWIO}, NULL),
            TMB_EMODEL);
    assert_message("kernel is (4, 3, 3, 3), expected (3, 3, 3, 4)");
    assert_non_null(strstr(tmb_errhint(), "--kernel-order oihw"));
    assert_status(
            load_as(net, test_temp("a.npz"), &(tmb_load_opts){.by_name = true}, NULL), TMB_EINVAL);
    assert_status(load_as(net, "a.h5", &(tmb_load_opts){.flip = 7}, NULL), TMB_EINVAL);
    tmb_model_free(net);
}

/* ---- the tiny net of the shared data ---- */

static tmb_model *tiny_of(int filters, const char *conv, const char *dense)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 8, 8, 3));
    tmb_conv2d(net, .filters = filters, .kernel = {3, 3}, .name = conv);
    tmb_maxpool2d(net, 0);
    tmb_flatten(net);
    tmb_dense(net, .units = 5, .name = dense);
    assert_ok(tmb_model_init(net, 1));
    return net;
}

static tmb_model *tiny(void)
{
    return tiny_of(4, "conv_a", "dense_b");
}

static void require_series(
        const tmb_model *net, tmb_layer layer, int weight, int s, float tolerance)
{
    const float *values;
    const char *name;
    int64_t dim[4], n = 1;
    int rank;

    assert_ok(tmb_model_weight(net, layer, weight, &name, &rank, dim, &values));
    for (int d = 0; d < rank; d++)
        n *= dim[d];
    for (int64_t i = 0; i < n; i++) {
        const double expected = (double)((i * 7919 + s) % 2003) / 1000.0 - 1.0;

        assert_float_equal(values[i], (float)expected, tolerance);
    }
}

static void require_tiny(const char *path, const tmb_load_opts *opts, float tolerance)
{
    tmb_model *net = tiny();

    assert_ok(load_as(net, path, opts, NULL));
    require_series(net, 2, 0, 1, tolerance);
    require_series(net, 2, 1, 2, tolerance);
    require_series(net, 5, 0, 3, tolerance);
    require_series(net, 5, 1, 4, tolerance);
    tmb_model_free(net);
}

TEST(keras_h5_every_variant)
{
    require_tiny(VARIANT("plain.h5"), NULL, 0);
    require_tiny(VARIANT("vlen-attrs.h5"), NULL, 0);
    require_tiny(VARIANT("gzip-shuffle.h5"), NULL, 0);
    require_tiny(VARIANT("libver-latest.h5"), NULL, 0);
    require_tiny(VARIANT("track-order.h5"), NULL, 0);
    require_tiny(VARIANT("userblock-512.h5"), NULL, 0);
    require_tiny(VARIANT("float64.h5"), NULL, 0);
    require_tiny(VARIANT("float16.h5"), NULL, 0.0005f); /* 11 bits of values up to 1 */
    require_tiny(VARIANT("big-endian.h5"), NULL, 0);
    require_tiny(VARIANT("full-model.h5"), NULL, 0);
    require_tiny(VARIANT("top-level-model-weights.h5"), NULL, 0);
    require_tiny(VARIANT("keras1-names.h5"), NULL, 0);
    require_tiny(VARIANT("nested-model.h5"), NULL, 0);
    require_tiny(VARIANT("split-attrs.h5"), NULL, 0);
    require_tiny(VARIANT("hardlink-cycle.h5"), NULL, 0);
    /* The script that made it turned the kernels and left the dense rows as they were. */
    require_tiny(
            VARIANT("keras0-layer-param.h5"), &(tmb_load_opts){.dense_order = TMB_DENSE_HWC}, 0);
}

TEST(keras_h5_names_what_does_not_fit)
{
    static const char *const files[][2] = {
            {"bad-shape",
                    "layer \"conv_a\" (\"conv_a\" in the file): kernel is (3, 3, 3, 3), "
                    "expected (3, 3, 3, 4)"},
            {"bad-weight-missing", "\"conv_a/conv_a/none:0\" is listed, but is not there"},
            {"bad-layer-missing", "\"ghost\" is in layer_names, but there is no such group"},
            {"bad-nan-inf", "2 of 108 values of kernel are not finite, the first at 0"},
            {"bad-external-storage", "external storage, refused"}};
    tmb_model *net = tiny(), *same = tiny();

    for (size_t i = 0; i < TMB_COUNT(files); i++) {
        char path[128];

        snprintf(path, sizeof path, "weights/h5-variants/%s.h5", files[i][0]);
        assert_status(load_as(net, TEST_SHARED(path), NULL, NULL), TMB_EMODEL);
        assert_message(files[i][1]);
        assert_message(files[i][0]);
        assert_memory_equal(net->weights, same->weights, (size_t)net->n_weights * sizeof(float));
    }
    tmb_model_free(net);
    tmb_model_free(same);
}

TEST(keras_h5_other_nets)
{
    tmb_model *net = tiny_of(8, "conv_a", "dense_b");

    assert_status(load_as(net, VARIANT("plain.h5"), NULL, NULL), TMB_EMODEL);
    assert_message("kernel is (3, 3, 3, 4), expected (3, 3, 3, 8)");
    tmb_dense(net, .units = 2);
    assert_status(load_as(net, VARIANT("plain.h5"), NULL, NULL), TMB_EMODEL);
    assert_message("2 layers with weights, the net has 3");
    assert_non_null(strstr(tmb_errdetail(), "the net goes on with \"dense\""));
    assert_non_null(strstr(tmb_errhint(), "--by-name"));
    tmb_model_free(net);
}

TEST(keras_h5_by_name)
{
    const tmb_load_opts by_name = {.by_name = true};
    tmb_model *net = tiny_of(4, "conv_a", "other"), *none = tiny_of(4, "a", "b");
    tmb_load_report report;

    assert_ok(load_as(net, VARIANT("plain.h5"), &by_name, &report));
    require_series(net, 2, 0, 1, 0);
    assert_int_equal(report.loaded, 1);
    assert_int_equal(report.kept, 1);
    assert_int_equal(report.unused, 1);
    assert_status(load_as(none, VARIANT("plain.h5"), &by_name, NULL), TMB_EMODEL);
    assert_message("no layer has a name of the net's");
    assert_string_equal(
            tmb_errdetail(), "the file has \"conv_a\" \"dense_b\", the net \"a\" \"b\"");
    assert_status(load_as(net, VARIANT("keras0-layer-param.h5"), &by_name, NULL), TMB_EINVAL);
    tmb_model_free(net);
    tmb_model_free(none);
}

/* MobileNetV2 as Keras gives it away: 105 layers with weights, of which this net has the first two. */
TEST(keras_h5_by_name_from_an_application)
{
    const char *path =
            TEST_SHARED("weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5");
    tmb_load_report report;
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 32, 32, 3));
    tmb_conv2d(net, .filters = 32, .kernel = {3, 3}, .no_bias = true, .name = "Conv1");
    tmb_batchnorm(net, .name = "bn_Conv1");
    assert_ok(load_as(net, path, &(tmb_load_opts){.by_name = true}, &report));
    assert_int_equal(report.loaded, 2);
    assert_int_equal(report.unused, 103);
    assert_int_equal(report.flip, TMB_FLIP_NO);
    assert_status(load_as(net, path, NULL, NULL), TMB_EMODEL);
    assert_message("105 layers with weights, the net has 2");
    tmb_model_free(net);
}

/* Written here, read here: equal bits. */
TEST(keras_h5_round_trip)
{
    tmb_model *a = nested(), *b = nested();

    assert_ok(tmb_model_init(b, 9));
    if (tmb_model_save_weights(a, test_temp("a.h5")) == TMB_EUNSUPPORTED)
        SKIP("built without HDF5");
    assert_ok(load_as(b, test_temp("a.h5"), NULL, NULL));
    assert_memory_equal(a->weights, b->weights, (size_t)a->n_weights * sizeof *a->weights);
    tmb_model_free(a);
    tmb_model_free(b);
}

TEST(keras_h5_failing_allocations_change_nothing)
{
    tmb_model *net = tiny(), *same = tiny();

    for (int64_t n = 0;; n++) {
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = load_as(net, VARIANT("plain.h5"), NULL, NULL);
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
        assert_memory_equal(net->weights, same->weights, (size_t)net->n_weights * sizeof(float));
    }
    tmb_model_free(net);
    tmb_model_free(same);
}

/* ---- looking at tensors ---- */

static int count_tensor(void *user, const tmb_tensor_info *tensor)
{
    int64_t *sums = user;

    sums[0]++;
    sums[1] += tensor->count;
    assert_true(isfinite(tensor->mean) && tensor->std >= 0 && tensor->nonfinite == 0);
    return 0;
}

TEST(keras_h5_tensors_visit)
{
    tmb_model *net = post();
    int64_t sums[2] = {0};
    int status = tmb_tensors_visit(test_golden("keras/legacy.h5"), count_tensor, sums);

    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(status);
    assert_int_equal(sums[0], 10);
    assert_int_equal(sums[1], net->n_weights);
    assert_ok(tmb_model_save_weights(net, test_temp("a.npz")));
    assert_ok(tmb_tensors_visit(test_temp("a.npz"), count_tensor, sums));
    assert_int_equal(sums[0], 20);
    assert_ok(tmb_tensors_visit(test_golden("keras/net.keras"), count_tensor, sums));
    assert_status(tmb_tensors_visit("a.txt", count_tensor, sums), TMB_EINVAL);
    assert_status(tmb_tensors_visit(NULL, count_tensor, sums), TMB_EINVAL);
    tmb_model_free(net);
}
