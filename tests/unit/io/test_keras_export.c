/* test_keras_export.c - models written for Keras, read back here: the same answers, bit for bit
 *
 * Whether Keras itself reads them, and goes on training, is checked by scripts/golden/check_export.py. */
#include "golden.h"
#include "io/io.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <thimble/generator.h>

static void export_as(const tmb_model *net, const char *path, const tmb_export_opts *opts)
{
    const int status = tmb_model_export(net, path, opts);

    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(status);
}

static tmb_model *open_model(const char *path)
{
    tmb_model *net;

    assert_ok(tmb_model_open(&net, path));
    return net;
}

static void require_same_answers(tmb_model *a, tmb_model *b, const char *which)
{
    int64_t n_x;
    const float *x = golden_floats(&n_x, "keras_models.npz", "%s/x", which);
    float first[16], second[16];
    const int n = 3 * tmb_model_outputs(a);

    assert_true(n <= 16 && tmb_model_outputs(b) * 3 == n);
    assert_ok(tmb_model_predict(a, x, 3, first));
    assert_ok(tmb_model_predict(b, x, 3, second));
    assert_memory_equal(first, second, (size_t)n * sizeof *first);
}

/* Through every kind of file; weights alone go into a net with others. */
static void require_round_trips(const char *which)
{
    static const char *const whole[] = {"a.keras", "a.h5"},
                             *const weights[] = {"b.weights.h5", "b.weights.json", "b.h5", "b.npz",
                                     "b.safetensors"};
    tmb_model *net, *back;
    char path[64];

    snprintf(path, sizeof path, "keras_models/%s.keras", which);
    net = open_model(test_golden(path));
    for (int i = 0; i < 2; i++) {
        export_as(net, test_temp(whole[i]), &(tmb_export_opts){.whole = i == 1});
        back = open_model(test_temp(whole[i]));
        require_same_answers(net, back, which);
        tmb_model_free(back);
    }
    for (size_t i = 0; i < TMB_COUNT(weights); i++) {
        export_as(net, test_temp(weights[i]), &(tmb_export_opts){.shard_bytes = i == 1 ? 300 : 0});
        back = open_model(test_temp("a.keras"));
        assert_ok(tmb_model_init(back, 99));
        assert_ok(tmb_model_load_weights(back, test_temp(weights[i])));
        require_same_answers(net, back, which);
        tmb_model_free(back);
    }
    tmb_model_free(net);
}

TEST(keras_export_comes_back)
{
    require_round_trips("stack");
    require_round_trips("branch");
    require_round_trips("nested");
    require_round_trips("first");
    require_round_trips("newer");
}

/* What counts in training alone comes back as it was; Keras' own spelling is read by check_export.py. */
TEST(keras_export_keeps_what_trains)
{
    static const tmb_constraint constraints[] = {{.limit = TMB_MAX_NORM, .max = 3, .axes = 7},
            {.limit = TMB_MIN_MAX_NORM, .min = 0.5f, .max = 4, .rate = 0.9f, .axes = 8},
            {.limit = TMB_UNIT_NORM, .axes = 5}, {.limit = TMB_NON_NEG}};
    tmb_model *net, *back;

    assert_ok(tmb_model_new(&net, 8, 8, 2));
    tmb_random(net, TMB_RANDOM_FLIP, .vertical = true);
    tmb_random(net, TMB_RANDOM_ZOOM, .factor = {-0.1f, 0.3f}, .edge = TMB_EDGE_CONSTANT, .fill = 2,
            .nearest = true);
    tmb_random(net, TMB_RANDOM_ZOOM, .factor = {0, 0.25f}, .width_factor = {-0.5f, 0});
    tmb_random(net, TMB_RANDOM_CONTRAST, .factor = {0.5f, 0.25f}, .value_range = {0, 1});
    tmb_random(net, TMB_RANDOM_CROP, .size = {6, 7});
    for (int i = 0; i < 4; i++)
        tmb_conv2d(net, .filters = 2, .kernel = {2, 2}, .constraint = constraints[i]);
    tmb_flatten(net);
    tmb_dense(net, .units = 2, .constraint = {.limit = TMB_MAX_NORM});
    assert_ok(tmb_model_init(net, 3));
    export_as(net, test_temp("a.keras"), NULL);
    back = open_model(test_temp("a.keras"));
    assert_int_equal(tmb_model_layers(back), tmb_model_layers(net));
    for (int k = 0; k < net->n_layers; k++) {
        const tmb__layer *a = &net->layers[k], *b = &back->layers[k];

        assert_int_equal(b->kind, a->kind);
        assert_int_equal(b->config.flip, a->config.flip);
        assert_int_equal(b->config.edge, a->config.edge);
        assert_int_equal(b->config.nearest, a->config.nearest);
        assert_memory_equal(b->config.range, a->config.range, sizeof a->config.range);
        assert_memory_equal(b->config.values, a->config.values, sizeof a->config.values);
        assert_int_equal(b->config.constraint.limit, a->config.constraint.limit);
        assert_int_equal(b->config.constraint.axes, a->config.constraint.axes);
        assert_float_equal(b->config.constraint.min, a->config.constraint.min, 0);
        assert_float_equal(b->config.constraint.max, a->config.constraint.max, 0);
        assert_float_equal(b->config.constraint.rate, a->config.constraint.rate, 0);
    }
    tmb_model_free(back);
    tmb_model_free(net);
}

/* Slopes of their own, sums with an activation: layers are put in, answers stay. */
TEST(keras_export_splits_what_keras_lacks)
{
    static const float x[4 * 4 * 2] = {-1, 2, 0.5f, -3, 1, 1, -2, 4, 3, -1, 0, 2, -4, 5};
    tmb_model *net, *back;
    float first[3], second[3];

    assert_ok(tmb_model_new(&net, 4, 4, 2));
    tmb_layer a = tmb_conv2d(net, .filters = 3, .kernel = {3, 3}, .same_padding = true,
            .activation = TMB_LEAKY_RELU, .alpha = 0.3f, .l2 = 0.5f);
    tmb_layer b = tmb_separable_conv2d(net, .filters = 3, .kernel = {1, 1}, .from = a,
            .activation = TMB_ELU, .alpha = 0.5f, .frozen = true);
    tmb_add(net, .from = {a, b}, .activation = TMB_RELU);
    tmb_activate(net, .activation = TMB_LEAKY_RELU, .alpha = 0.1f);
    tmb_global_avgpool2d(net);
    tmb_dense(net, .units = 3, .activation = TMB_LEAKY_RELU);
    export_as(net, test_temp("a.keras"), NULL);
    back = open_model(test_temp("a.keras"));
    assert_int_equal(tmb_model_layers(back), tmb_model_layers(net) + 3);
    assert_true(tmb_model_find(back, "add_activation") > 0);
    assert_float_equal(back->layers[1].config.l2, 0.5f, 0);
    assert_false(back->layers[tmb_model_find(back, "separable_conv2d") - 1].trainable);
    assert_ok(tmb_model_predict(net, x, 1, first));
    assert_ok(tmb_model_predict(back, x, 1, second));
    assert_floats_near(second, first, 3, 1e-6); /* fused here, apart there */
    tmb_model_free(back);
    tmb_model_free(net);
}

static tmb_model *photo_net(void)
{
    static const char *const names[] = {"cat", "d\xe9g"};
    const tmb_preprocess pre = {.size = {6, 5},
            .channels = 3,
            .filter = TMB_BICUBIC,
            .scale = {0.5f, 0.25f, 2},
            .offset = {1, 2, 3}};
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 6, 5, 3));
    tmb_conv2d(net, .filters = 2, .kernel = {3, 3});
    tmb_flatten(net);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    assert_ok(tmb_model_init(net, 4));
    assert_ok(tmb_model_set_classes(net, names, 2));
    assert_ok(tmb_model_set_preprocess(net, &pre));
    return net;
}

TEST(keras_export_keeps_what_the_net_means)
{
    static const char *const files[] = {"a.keras", "a.h5"};
    tmb_model *net = photo_net();

    for (int i = 0; i < 2; i++) {
        tmb_model *back;

        export_as(net, test_temp(files[i]), &(tmb_export_opts){.whole = i == 1});
        back = open_model(test_temp(files[i]));
        assert_int_equal(tmb_model_classes(back), 2);
        assert_string_equal(tmb_model_class_name(back, 1), "d\xe9g");
        assert_memory_equal(
                tmb_model_preprocess(back), tmb_model_preprocess(net), sizeof(tmb_preprocess));
        tmb_model_free(back);
    }
    tmb_model_free(net);
}

/* Their tensors are in the file, under the names that a .thimble has. A scale before them cannot move. */
TEST(keras_export_keeps_statistics)
{
    static const char *const files[] = {"a.keras", "a.h5"};
    static const float mean[3] = {1, 2, 3}, std[3] = {4, 5, 6};
    tmb_model *net = photo_net();
    tmb_preprocess pre = *tmb_model_preprocess(net);
    tmb_statistics *statistics;
    tmb_statistics_info info = {.shape = {5, 6, 3}, .mean = mean, .std = std};

    pre.scale[0] = pre.scale[1] = pre.scale[2] = 0.5f;
    info.shape[0] = pre.size[0];
    info.shape[1] = pre.size[1];
    assert_ok(tmb_statistics_new(&statistics, &info));
    pre.statistics = statistics;
    assert_ok(tmb_model_set_preprocess(net, &pre));
    tmb_statistics_free(statistics);
    for (int i = 0; i < 2; i++) {
        tmb_model *back;

        export_as(net, test_temp(files[i]), &(tmb_export_opts){.whole = i == 1});
        back = open_model(test_temp(files[i]));
        assert_ok(tmb_statistics_get(tmb_model_preprocess(back)->statistics, &info));
        assert_memory_equal(info.mean, mean, sizeof mean);
        assert_memory_equal(info.std, std, sizeof std);
        tmb_model_free(back);
    }
    assert_status(
            tmb_model_export(net, test_temp("b.keras"), &(tmb_export_opts){.rescaling = true}),
            TMB_EINVAL);
    assert_message("the model's photos are standardized");
    tmb_model_free(net);
}

/* With its own Rescaling the net takes pixels: p there what p * scale + offset was before. */
TEST(keras_export_rescaling)
{
    tmb_model *net = photo_net(), *back;
    float pixels[90], inputs[90], first, second;

    for (int i = 0; i < 90; i++) {
        const tmb_preprocess *pre = tmb_model_preprocess(net);

        pixels[i] = (float)(i * 37 % 256);
        inputs[i] = pixels[i] * pre->scale[i % 3] + pre->offset[i % 3];
    }
    assert_status(
            tmb_model_export(net, test_temp("a.weights.h5"), &(tmb_export_opts){.rescaling = true}),
            TMB_EINVAL);
    assert_message("the option rescaling means nothing");
    export_as(net, test_temp("a.keras"), &(tmb_export_opts){.rescaling = true});
    assert_status(tmb_model_open(&back, test_temp("a.keras")), TMB_EMODEL);
    assert_message("layer \"rescaling\" (Rescaling): option \"scale\"");
    assert_ok(tmb_model_set_preprocess(net,
            &(tmb_preprocess){
                    .size = {6, 5}, .channels = 3, .scale = {2, 2, 2}, .offset = {1, 1, 1}}));
    export_as(net, test_temp("b.keras"), &(tmb_export_opts){.rescaling = true});
    back = open_model(test_temp("b.keras"));
    assert_float_equal(tmb_model_preprocess(back)->scale[1], 1, 0);
    for (int i = 0; i < 90; i++)
        inputs[i] = pixels[i] * 2 + 1;
    assert_ok(tmb_model_predict(net, inputs, 1, &first));
    assert_ok(tmb_model_predict(back, pixels, 1, &second));
    assert_float_equal(first, second, 1e-6);
    tmb_model_free(back);
    tmb_model_free(net);
}

static bool holds(const tmb__bytes *file, const char *text)
{
    for (size_t i = 0; i + strlen(text) <= file->size; i++)
        if (memcmp(file->data + i, text, strlen(text)) == 0) return true;
    return false;
}

/* What Keras takes and what it does not; its zoom of columns is None where ours is that of the rows. */
TEST(keras_export_options_of_layers)
{
    tmb_model *net;
    tmb__bytes file;

    assert_ok(tmb_model_new(&net, 8, 8, 3));
    tmb_random(net, TMB_RANDOM_ZOOM, .factor = {-0.5f, 0.25f});
    tmb_dropout(net, .rate = 0.5f, .noise = TMB_NOISE_DROP_CHANNELS);
    tmb_conv2d(net, .filters = 2, .kernel = {3, 3},
            .constraint = {.limit = TMB_MAX_NORM, .max = 3, .axes = 7});
    tmb_flatten(net);
    tmb_dense(net, .units = 1, .constraint = {.limit = TMB_MIN_MAX_NORM, .min = 0.5f, .rate = 1});
    export_as(net, test_temp("a.keras"), NULL);
    assert_ok(tmb__file_read(&file, test_temp("a.keras"), 1 << 20, TMB_EDATA));
    assert_true(holds(&file, "\"height_factor\":[-0.5,0.25]"));
    assert_false(holds(&file, "width_factor"));
    assert_true(holds(&file, "\"name\":\"spatial_dropout2d\",\"rate\":0.5}"));
    assert_true(holds(
            &file, "\"class_name\":\"MaxNorm\",\"config\":{\"max_value\":3,\"axis\":[0,1,2]}"));
    assert_true(holds(&file, "{\"max_value\":1,\"min_value\":0.5,\"rate\":1,\"axis\":[0]}"));
    tmb__free(file.data);
    tmb_model_free(net);
}

TEST(keras_export_same_model_same_bytes)
{
    tmb_model *net = photo_net();
    tmb__bytes a, b;

    export_as(net, test_temp("a.keras"), NULL);
    export_as(net, test_temp("b.keras"), NULL);
    assert_ok(tmb__file_read(&a, test_temp("a.keras"), 1 << 20, TMB_EDATA));
    assert_ok(tmb__file_read(&b, test_temp("b.keras"), 1 << 20, TMB_EDATA));
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    tmb__free(a.data);
    tmb__free(b.data);
    tmb_model_free(net);
}

TEST(keras_export_refuses)
{
    tmb_model *net = photo_net();

    assert_status(tmb_model_export(net, "a.onnx2", NULL), TMB_EINVAL);
    assert_message("expected .keras, .h5");
    assert_status(tmb_model_export(net, NULL, NULL), TMB_EINVAL);
    assert_status(tmb_model_export(NULL, "a.keras", NULL), TMB_EINVAL);
    assert_status(tmb_model_export(net, "a.npz", &(tmb_export_opts){.whole = true}), TMB_EINVAL);
    assert_status(tmb_model_export(net, "a.h5", &(tmb_export_opts){.rescaling = true}), TMB_EINVAL);
    assert_message("weights alone");
    net->weights[3] = 1.0f / 0.0f;
    assert_status(tmb_model_export(net, test_temp("a.keras"), NULL), TMB_EDIVERGED);
    tmb_model_free(net);
}

/* Whatever fails, the old file stays. */
TEST(keras_export_failing_calls)
{
    tmb_model *net = photo_net(), *back;

    export_as(net, test_temp("a.keras"), NULL);
    for (int64_t n = 0;; n++) {
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_model_export(net, test_temp("a.keras"), NULL);
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
        back = open_model(test_temp("a.keras"));
        tmb_model_free(back);
    }
    tmb_model_free(net);
}
