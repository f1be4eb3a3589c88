/* test_zoo_weights.c - networks with the ImageNet weights of the shared data, against what those give
 *
 * The stored outputs were computed in float64. Nothing runs where the shared data are absent. */
#include "format/format.h"
#include "golden.h"
#include "net_filled.h"

#include <stdio.h>
#include <stdlib.h>

#define PHOTOS 8

static const char *const v2 = "weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5";
static const char *const v2_bare =
        "weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5";

/* An array of a shared .npz as floats; its size is `n`. The files hold text too, which is no array. */
static float *stored(const char *path, const char *name, int64_t n)
{
    tmb__bytes bytes;
    tmb__array array;
    char member[64];
    float *values;

    snprintf(member, sizeof member, "%s.npy", name);
    assert_ok(tmb__zip_member(&bytes, path, member));
    assert_ok(tmb__npy_parse(&array, bytes.data, bytes.size, member));
    assert_int_equal(tmb__shape_count(&array.shape), n);
    values = test_keep(tmb__calloc((size_t)n, sizeof *values));
    tmb__convert(values, TMB__F32, array.data, array.dtype, n);
    tmb__free(array.data);
    tmb__free(bytes.data);
    return values;
}

static tmb_model *loaded(const char *name, const tmb_zoo_opts *opts)
{
    tmb_model *net;
    const int status = tmb_zoo_model(&net, name, opts);

    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(status);
    return net;
}

/* The n outputs of each photo, to 1e-4 of the largest. */
static void require_outputs(tmb_model *net, const float *x, const float *expected, int64_t n)
{
    float *y = test_keep(tmb__calloc((size_t)(PHOTOS * n), sizeof *y));
    double largest = 0;

    assert_int_equal(tmb_model_outputs(net), n);
    assert_ok(tmb_model_predict(net, x, PHOTOS, y));
    for (int64_t i = 0; i < PHOTOS * n; i++)
        largest = fmax(largest, fabs((double)expected[i]));
    for (int64_t i = 0; i < PHOTOS * n; i++)
        assert_true(fabs((double)y[i] - (double)expected[i]) <= 1e-4 * largest);
    for (int p = 0; p < PHOTOS; p++) {
        int64_t best = 0, wanted = 0;

        for (int64_t i = 0; i < n; i++) {
            if (y[p * n + i] > y[p * n + best]) best = i;
            if (expected[p * n + i] > expected[p * n + wanted]) wanted = i;
        }
        assert_int_equal(best, wanted);
    }
    tmb_model_free(net);
}

TEST(zoo_weights_mobilenet_v2)
{
    const char *golden = TEST_SHARED("golden/mobilenet_v2.npz");
    const char *full = TEST_SHARED(v2), *bare = TEST_SHARED(v2_bare);
    const float *x = stored(golden, "x", PHOTOS * 224 * 224 * 3);
    const float *features = stored(golden, "features", PHOTOS * 1280);

    require_outputs(loaded("mobilenet_v2", &(tmb_zoo_opts){.top = true, .weights = full}), x,
            stored(golden, "softmax", PHOTOS * 1000), 1000);
    require_outputs(
            loaded("mobilenet_v2", &(tmb_zoo_opts){.weights = bare, .pooling = TMB_POOLING_AVG}), x,
            features, 1280);
    /* The file with the classifier serves as well. */
    require_outputs(
            loaded("mobilenet_v2", &(tmb_zoo_opts){.weights = full, .pooling = TMB_POOLING_AVG}), x,
            features, 1280);
}

TEST(zoo_weights_inner_layers)
{
    const char *golden = TEST_SHARED("golden/mobilenet_v2.npz"), *full = TEST_SHARED(v2);
    const float *x = stored(golden, "x", PHOTOS * 224 * 224 * 3);
    const int64_t n = 14 * 14 * 96;
    const float *expected = stored(golden, "block_12_add_image0", n);
    tmb_model *net =
            loaded("mobilenet_v2", &(tmb_zoo_opts){.weights = full, .until = "block_12_add"});
    float *y = test_keep(tmb__calloc((size_t)n, sizeof *y));

    assert_int_equal(tmb_model_outputs(net), n);
    assert_ok(tmb_model_predict(net, x, 1, y));
    assert_floats_near(y, expected, n, 1e-4);
    tmb_model_free(net);
}

TEST(zoo_weights_class_names)
{
    const char *index = TEST_SHARED("weights/imagenet_class_index.json");
    tmb_zoo_opts opts = {.size = {32, 32}, .top = true, .class_index = index, .undrawn = true};
    tmb_model *net = loaded("mobilenet_v2", &opts);

    assert_int_equal(tmb_model_classes(net), 1000);
    assert_string_equal(tmb_model_class_name(net, 0), "tench");
    assert_string_equal(tmb_model_class_name(net, 281), "tabby");
    tmb_model_free(net);
    opts.classes = 2;
    assert_status(tmb_zoo_model(&net, "mobilenet_v2", &opts), TMB_EINVAL);
    opts.classes = 0;
    opts.class_index = TEST_SHARED("weights/vgg16_layers.json");
    assert_status(tmb_zoo_model(&net, "mobilenet_v2", &opts), TMB_EMODEL);
    assert_message("does not name 1000 classes");
}

TEST(zoo_weights_of_another_net)
{
    tmb_model *net;
    const int status =
            tmb_zoo_model(&net, "mobilenet", &(tmb_zoo_opts){.weights = TEST_SHARED(v2)});

    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_int_equal(status, TMB_EMODEL);
    assert_null(net);
}

TEST(zoo_weights_mobilenet)
{
    const char *packed = TEST_SHARED("weights/mobilenet_1_0_224_tf.h5.gz");
    const char *photos = TEST_SHARED("golden/mobilenet_v2.npz");
    const char *golden = TEST_SHARED("golden/mobilenet_v1.npz");
    const char *plain = test_temp("mobilenet_1_0_224_tf.h5");
    const float *x = stored(photos, "x", PHOTOS * 224 * 224 * 3);
    char command[1024];

    snprintf(command, sizeof command, "gzip -dc '%s' > '%s'", packed, plain);
    if (system(command) != 0) SKIP("gzip cannot unpack the weights");
    require_outputs(loaded("mobilenet", &(tmb_zoo_opts){.top = true, .weights = plain}), x,
            stored(golden, "softmax", PHOTOS * 1000), 1000);
    require_outputs(
            loaded("mobilenet", &(tmb_zoo_opts){.weights = plain, .pooling = TMB_POOLING_AVG}), x,
            stored(golden, "features", PHOTOS * 1024), 1024);
}

/* conv2d of Keras 3 is the file's conv2d_1, and so on. */
static void fill_inception(tmb_model *net, const tmb__tensors *file)
{
    for (int k = 0; k < net->n_layers; k++) {
        tmb__layer *layer = &net->layers[k];
        const char *digits = strrchr(layer->name, '_');
        const int number = digits && digits[1] <= '9' ? atoi(digits + 1) : 0;

        for (int i = 0; i < layer->n_weights; i++) {
            const tmb__array *array;
            char name[96];

            snprintf(name, sizeof name, "%s_%d/%s", tmb__layer_stem(layer->kind), number + 1,
                    layer->weight[i].name);
            array = tmb__tensors_find(file, name);
            if (!array) fail_msg("no %s", name);
            assert_true(tmb__shape_equal(&array->shape, &layer->weight[i].shape));
            tmb__convert(net->weights + layer->weight[i].offset, TMB__F32, array->data,
                    array->dtype, tmb__shape_count(&array->shape));
        }
    }
    tmb__model_touch(net);
}

/* The file has what is below mixed8, kernels in float16; the stored outputs come from the same numbers. */
TEST(zoo_weights_inception_mixed8)
{
    const char *golden = TEST_SHARED("golden/inception_v3_mixed8.npz");
    const char *weights = TEST_SHARED("weights/inception_v3_to_mixed8_float16.npz");
    const tmb_zoo_opts opts = {.until = "mixed8", .pooling = TMB_POOLING_AVG, .undrawn = true};
    const int64_t pixels = 299 * 299 * 3;
    float *x = stored(golden, "u8", 2 * pixels), y[2 * 1280];
    const float *expected = stored(golden, "mixed8_gap", 2 * 1280);
    tmb_model *net = loaded("inception_v3", &opts);
    tmb__tensors file;
    double largest = 0, worst = 0;

    assert_ok(tmb__npz_read(&file, weights));
    fill_inception(net, &file);
    tmb__tensors_free(&file);
    for (int64_t i = 0; i < 2 * pixels; i++)
        x[i] = x[i] / 127.5f - 1;
    assert_ok(tmb_model_predict(net, x, 2, y));
    for (int i = 0; i < 2 * 1280; i++) {
        largest = fmax(largest, fabs((double)expected[i]));
        worst = fmax(worst, fabs((double)y[i] - (double)expected[i]));
    }
    assert_true(worst <= 1e-4 * largest);
    tmb_model_free(net);
}
