/* test_model_file.c - whole models: every layer there and back, stored pairs, checkpoints, hostile files */
#include "data/data.h"
#include "io/io.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A net with every kind of layer, and options off their defaults. */
static void more_layers(tmb_model *net)
{
    tmb_layer a, b;

    tmb_reshape(net, .shape = {2, 2, -1});
    tmb_upsampling2d(net, .size = {2, 3}, .bilinear = true);
    a = tmb_upsampling2d(net, .size = {2, 1});
    b = tmb_activate(net, .activation = TMB_RELU, .max_value = 2, .threshold = 0.5f);
    a = tmb_multiply(net, .from = {a, b}, .activation = TMB_MISH);
    b = tmb_activate(net, .activation = TMB_LEAKY_RELU, .layer = true);
    a = tmb_maximum(net, .from = {a, b});
    b = tmb_activate(net, .activation = TMB_ELU, .layer = true, .alpha = 0.5f);
    a = tmb_minimum(net, .from = {a, b});
    b = tmb_prelu(net, .shared_axes = {1, 2}, .init = TMB_RANDOM_NORMAL, .l2 = 1e-3f);
    a = tmb_average(net, .from = {a, b});
    b = tmb_prelu(net, .shared_axes = {0});
    tmb_subtract(net, .from = {a, b});
    tmb_cropping2d(net, .top = 1, .left = 2, .right = 1);
    tmb_permute(net, .dims = {2, 1, 3});
    tmb_dropout(net, .rate = 0.25f, .noise = TMB_NOISE_DROP_CHANNELS);
    tmb_dropout(net, .rate = 0.25f, .noise = TMB_NOISE_GAUSSIAN_FACTOR);
    tmb_dropout(net, .rate = 0.25f, .noise = TMB_NOISE_GAUSSIAN);
    tmb_model_add_global_maxpool2d(net, &(tmb_plain_opts){.keepdims = true});
    tmb_activate(net, .activation = TMB_SOFTMAX, .layer = true);
    for (int act = TMB_HARD_SIGMOID; act <= TMB_LOG_SOFTMAX; act++)
        tmb_activate(net, .activation = (tmb_activation)act);
}

static tmb_model *every_layer(void)
{
    tmb_model *net;
    tmb_layer a, b;

    assert_ok(tmb_model_new(&net, 12, 10, 3));
    tmb_random(net, TMB_RANDOM_FLIP, .horizontal = true);
    tmb_random(net, TMB_RANDOM_ROTATION, .factor = {-0.1f, 0.2f}, .edge = TMB_EDGE_WRAP);
    tmb_random(net, TMB_RANDOM_ZOOM, .factor = {-0.1f, 0.2f}, .nearest = true);
    tmb_random(net, TMB_RANDOM_TRANSLATION, .factor = {0, 0.1f}, .width_factor = {-0.1f, 0},
            .edge = TMB_EDGE_CONSTANT, .fill = 7);
    tmb_random(net, TMB_RANDOM_CROP, .size = {12, 9});
    tmb_random(net, TMB_RANDOM_CONTRAST, .factor = {0.1f, 0.2f});
    tmb_random(net, TMB_RANDOM_BRIGHTNESS, .factor = {-0.1f, 0.2f}, .value_range = {-1, 1});
    tmb_rescaling(net, .scale = 1 / 127.5f, .offset = -1);
    tmb_zeropad2d(net, .top = 1, .bottom = 2, .left = 3, .right = 0);
    tmb_conv2d(net, .filters = 4, .kernel = {3, 2}, .stride = {1, 2}, .same_padding = true,
            .activation = TMB_LEAKY_RELU, .alpha = 0.1f, .init = TMB_HE_NORMAL, .l2 = 1e-4f,
            .constraint = {.limit = TMB_MIN_MAX_NORM, .min = 0.1f, .rate = 0.5f, .axes = 7});
    tmb_batchnorm(net, .momentum = 0.9f, .epsilon = 1e-5f, .no_scale = true);
    a = tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .dilation = {2, 1}, .groups = 2,
            .no_bias = true, .same_padding = true, .frozen = true, .name = "caf\xc3\xa9 \"q\"");
    b = tmb_batchnorm(net, .no_center = true, .gamma_init = TMB_ZEROS);
    tmb_add(net, .from = {a, b}, .activation = TMB_RELU);
    tmb_depthwise_conv2d(net, .kernel = {3, 3}, .multiplier = 2, .activation = TMB_ELU);
    tmb_separable_conv2d(net, .filters = 6, .kernel = {2, 2}, .activation = TMB_SWISH);
    a = tmb_maxpool2d(net, .pool = {2, 1}, .same_padding = true);
    b = tmb_activate(net, .activation = TMB_GELU);
    tmb_concatenate(net, .from = {a, b});
    tmb_avgpool2d(net, .pool = {2, 2}, .stride = {1, 1});
    a = tmb_global_avgpool2d(net);
    tmb_reshape(net, .shape = {-1, 1, 4});
    b = tmb_model_add_global_maxpool2d(net, NULL);
    tmb_concatenate(net, .from = {a, b});
    tmb_dropout(net, .rate = 0.25f);
    tmb_layernorm(net, .epsilon = 1e-5f, .no_center = true);
    more_layers(net);
    tmb_flatten(net);
    tmb_dense(net, .units = 3, .activation = TMB_SOFTMAX, .l1 = 1e-5f);
    assert_ok(tmb_model_check(net));
    return net;
}

static tmb_model *small_net(void)
{
    const char *const classes[] = {"cat", "caf\xe9"}; /* the second is not UTF-8 */
    const tmb_preprocess pre = {.size = {6, 6},
            .channels = 3,
            .filter = TMB_LANCZOS,
            .fit = TMB_CROP,
            .ignore_exif = true,
            .scale = {0.1f, 0.2f, 0.3f},
            .offset = {-1, 0, 1},
            .bgr = true,
            .flip_views = true,
            .margin = 0.125f};
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 6, 6, 3));
    tmb_conv2d(net, .filters = 2, .kernel = {3, 3}, .activation = TMB_RELU);
    tmb_flatten(net);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    assert_ok(tmb_model_init(net, 7));
    assert_ok(tmb_model_set_classes(net, classes, 2));
    assert_ok(tmb_model_set_preprocess(net, &pre));
    assert_ok(tmb_model_set_record(net, "{\"epochs\":[1,2.5,null],\"by\":\"\xc3\xa9\"}"));
    return net;
}

static void assert_same_net(const tmb_model *a, const tmb_model *b)
{
    char *text_a, *text_b;

    assert_ok(tmb__graph_to_json(&text_a, a));
    assert_ok(tmb__graph_to_json(&text_b, b));
    assert_string_equal(text_a, text_b);
    assert_int_equal(a->n_weights, b->n_weights);
    assert_memory_equal(a->weights, b->weights, (size_t)a->n_weights * sizeof *a->weights);
    tmb__free(text_a);
    tmb__free(text_b);
}

static void assert_same_preprocess(const tmb_preprocess *a, const tmb_preprocess *b)
{
    assert_memory_equal(a->size, b->size, sizeof a->size);
    assert_int_equal(a->channels, b->channels);
    assert_int_equal(a->filter, b->filter);
    assert_int_equal(a->fit, b->fit);
    assert_int_equal(a->ignore_exif, b->ignore_exif);
    assert_memory_equal(a->scale, b->scale, sizeof a->scale);
    assert_memory_equal(a->offset, b->offset, sizeof a->offset);
    assert_int_equal(a->bgr, b->bgr);
    assert_int_equal(a->flip_views, b->flip_views);
    assert_float_equal(a->margin, b->margin, 0);
}

TEST(model_file_every_layer_comes_back)
{
    tmb_model *net = every_layer(), *back;
    double worst;
    int n;

    assert_ok(tmb_model_init(net, 3));
    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    assert_ok(tmb_model_open(&back, test_temp("a.thimble")));
    assert_same_net(net, back);
    for (int i = 0; i < net->n_layers; i++) {
        const tmb__layer *x = &net->layers[i], *y = &back->layers[i];

        assert_int_equal(x->kind, y->kind);
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->trainable, y->trainable);
        assert_true(tmb__shape_equal(&x->out, &y->out));
        assert_int_equal(x->weight[0].init, y->weight[0].init);
        assert_float_equal(x->weight[0].l2, y->weight[0].l2, 0);
    }
    assert_ok(tmb_model_verify(back, 0, &worst, &n));
    assert_int_equal(n, 4);
    assert_true(worst <= 1e-6);
    tmb_model_free(net);
    tmb_model_free(back);
}

/* The small net with a picture's own mean and a data set's mean, deviation and whitening. */
static tmb_model *standardizing_net(void)
{
    const float mean[3] = {1, 2, 3}, std[3] = {4, 5, 6};
    float *w = test_keep(tmb__calloc(108 * 108, sizeof *w));
    tmb_statistics_info info = {.shape = {6, 6, 3}, .mean = mean, .std = std, .whitening = w};
    tmb_model *net = small_net();
    tmb_preprocess pre = *tmb_model_preprocess(net);
    tmb_statistics *statistics;

    for (int i = 0; i < 108 * 108; i++)
        w[i] = (float)(i % 17) / 16;
    assert_ok(tmb_statistics_new(&statistics, &info));
    pre.statistics = statistics;
    pre.samplewise_center = pre.samplewise_pixel = true;
    assert_ok(tmb_model_set_preprocess(net, &pre));
    tmb_statistics_free(statistics);
    return net;
}

TEST(model_file_keeps_statistics)
{
    tmb_model *net = standardizing_net(), *back;
    tmb_statistics_info a, b;
    float x[108], y[108];

    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    assert_ok(tmb_model_open(&back, test_temp("a.thimble")));
    assert_true(tmb_model_preprocess(back)->samplewise_center);
    assert_true(tmb_model_preprocess(back)->samplewise_pixel);
    assert_false(tmb_model_preprocess(back)->samplewise_std);
    assert_ok(tmb_statistics_get(tmb_model_preprocess(net)->statistics, &a));
    assert_ok(tmb_statistics_get(tmb_model_preprocess(back)->statistics, &b));
    assert_memory_equal(a.shape, b.shape, sizeof a.shape);
    assert_memory_equal(a.whitening, b.whitening, 108 * 108 * sizeof(float));
    for (int i = 0; i < 108; i++)
        x[i] = y[i] = (float)i;
    tmb__preprocess_floats(tmb_model_preprocess(net), x);
    tmb__preprocess_floats(tmb_model_preprocess(back), y);
    assert_memory_equal(x, y, sizeof x);
    tmb_model_free(net);
    tmb_model_free(back);
}

TEST(model_file_keeps_what_the_net_means)
{
    tmb_model *net = small_net(), *back;

    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    assert_ok(tmb_model_open(&back, test_temp("a.thimble")));
    assert_int_equal(tmb_model_classes(back), 2);
    assert_string_equal(tmb_model_class_name(back, 0), "cat");
    assert_string_equal(tmb_model_class_name(back, 1), "caf\xe9");
    assert_same_preprocess(tmb_model_preprocess(back), tmb_model_preprocess(net));
    assert_string_equal(tmb_model_record(back), tmb_model_record(net));
    tmb_model_free(net);
    tmb_model_free(back);
}

TEST(model_file_same_model_same_bytes)
{
    tmb_model *net = small_net();
    tmb__bytes a, b;

    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    assert_ok(tmb_model_save(net, test_temp("b.thimble")));
    assert_ok(tmb__file_read(&a, test_temp("a.thimble"), 1 << 20, TMB_EDATA));
    assert_ok(tmb__file_read(&b, test_temp("b.thimble"), 1 << 20, TMB_EDATA));
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    tmb__free(a.data);
    tmb__free(b.data);
    tmb_model_free(net);
}

TEST(model_file_verify_sees_a_changed_weight)
{
    tmb_model *net = small_net(), *back;
    double worst;
    int n;

    assert_ok(tmb_model_verify(net, 0, &worst, &n)); /* never saved: no pairs */
    assert_int_equal(n, 0);
    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    assert_ok(tmb_model_open(&back, test_temp("a.thimble")));
    back->weights[back->n_weights - 1] += 0.5f;
    tmb__model_touch(back);
    assert_status(tmb_model_verify(back, 0, &worst, &n), TMB_EGATE);
    assert_message("stored input ");
    assert_true(worst > 1e-3);
    assert_ok(tmb_model_verify(back, 1, NULL, NULL));
    tmb_model_free(net);
    tmb_model_free(back);
}

TEST(model_file_checkpoint_with_state)
{
    float slots[3] = {1, NAN, 3}; /* state is whatever training had */
    const tmb__array array = {TMB__F32, {1, {3}}, slots};
    tmb__extra extra = {.json = (char *)(uintptr_t) "{\"step\":17}"}, read;
    tmb_model *net = small_net(), *back;
    const tmb__array *found;

    assert_ok(tmb__tensors_add(&extra.tensors, "adam/m", &array));
    assert_ok(tmb__model_write(net, test_temp("c.thimble"), &extra, false));
    tmb__tensors_free(&extra.tensors);
    assert_ok(tmb__model_read(&back, &read, test_temp("c.thimble")));
    assert_same_net(net, back);
    assert_string_equal(read.json, "{\"step\":17}");
    found = tmb__tensors_find(&read.tensors, "adam/m");
    assert_non_null(found);
    assert_memory_equal(found->data, slots, sizeof slots);
    tmb__extra_free(&read);
    tmb_model_free(back);
    assert_ok(tmb_model_open(&back, test_temp("c.thimble")));
    assert_int_equal(back->n_golden, 0);
    tmb_model_free(back);
    tmb_model_free(net);
}

TEST(model_file_is_not_written_when_it_makes_no_sense)
{
    tmb_model *net = small_net();
    const char *const one[] = {"cat"};

    assert_ok(tmb_model_set_record(net, "1}, \"classes\": [2"));
    assert_status(tmb_model_save(net, test_temp("a.thimble")), TMB_EINVAL);
    assert_ok(tmb_model_set_record(net, NULL));
    assert_ok(tmb_model_set_classes(net, one, 1));
    assert_status(tmb_model_save(net, test_temp("a.thimble")), TMB_EINVAL);
    assert_message("1 class names, its 1 outputs are for 2");
    assert_ok(tmb_model_set_classes(net, NULL, 0));
    net->weights[5] = NAN;
    net->weights[6] = INFINITY;
    assert_status(tmb_model_save(net, test_temp("a.thimble")), TMB_EDIVERGED);
    assert_message("weight conv2d/kernel: 2 of 54 values are not finite, the first at 5");
    assert_int_equal(tmb__file_exists(test_temp("a.thimble")), 0);
    assert_status(tmb_model_save(net, NULL), TMB_EINVAL);
    assert_status(tmb_model_open(NULL, "a"), TMB_EINVAL);
    tmb_model_free(net);
}

TEST(model_file_failed_save_leaves_the_old_file)
{
    tmb_model *net = small_net(), *back;

    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    for (int64_t n = 0;; n++) {
        int status;

        test_fail_from(TMB_GATE_IO, n, 1);
        status = tmb_model_save(net, test_temp("a.thimble"));
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_EOUTPUT);
        assert_ok(tmb_model_open(&back, test_temp("a.thimble")));
        tmb_model_free(back);
    }
    tmb_model_free(net);
}

TEST(model_file_every_failing_allocation)
{
    tmb_model *net = small_net(), *back;
    int status;

    assert_ok(tmb_model_predict(
            net, net->weights, 1, &(float){0})); /* any 108 floats; opens the device */
    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    for (int64_t n = 0;; n++) {
        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_model_open(&back, test_temp("a.thimble"));
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
        assert_null(back);
    }
    tmb_model_free(back);
    for (int64_t n = 0;; n++) {
        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_model_save(net, test_temp("a.thimble"));
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
    }
    assert_ok(status);
    tmb_model_free(net);
}

/* ---- hostile files: a sound container with a bad model in it ---- */

/* Write the small net's file anew with `from` replaced by `to` in its JSON, and open that. */
static int open_changed(const char *from, const char *to)
{
    tmb_model *net = small_net(), *back;
    tmb__strbuf json = {0};
    tmb__pack pack;
    const char *at;
    int status;

    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    tmb_model_free(net);
    assert_ok(tmb__pack_read(&pack, test_temp("a.thimble")));
    at = strstr(pack.json, from);
    if (!at) fail_msg("%s is not in %s", from, pack.json);
    tmb__strbuf_bytes(&json, pack.json, (size_t)(at - pack.json));
    tmb__strbuf_add(&json, "%s%s", to, at + strlen(from));
    assert_ok(tmb__pack_write(test_temp("b.thimble"), json.text, &pack.tensors));
    tmb__strbuf_free(&json);
    tmb__pack_free(&pack);
    status = tmb_model_open(&back, test_temp("b.thimble"));
    if (status == 0) tmb_model_free(back);
    return status;
}

#define REFUSED(from, to, message)                                                                 \
    do {                                                                                           \
        assert_status(open_changed(from, to), TMB_EMODEL);                                         \
        assert_message("b.thimble: ");                                                             \
        assert_message(message);                                                                   \
    } while (0)

TEST(model_file_refuses_hostile_graphs)
{
    assert_ok(open_changed("conv2d", "conv2d"));
    REFUSED("\"Flatten\"", "\"Lambda\"", "layer \"flatten\": class \"Lambda\" is not supported");
    REFUSED("\"Functional\"", "\"Sequential\"", "the graph is not a Functional one");
    REFUSED("\"filters\":2", "\"filters\":200000", "layer conv2d");
    REFUSED("\"filters\":2", "\"filters\":3", "at most 89 expected");
    REFUSED("\"filters\":2", "\"filters\":99999999999", "option \"filters\" has no known value");
    REFUSED("\"filters\":2", "\"filters\":-2", "filters is -2");
    REFUSED("\"filters\":2", "\"filters\":2.0", "option \"filters\" has no known value");
    REFUSED("\"filters\":2", "\"evil\":2", "option \"evil\" is not known");
    REFUSED("\"kernel_size\":[3,3]", "\"kernel_size\":[3]", "option \"kernel_size\"");
    REFUSED("\"kernel_size\":[3,3]", "\"kernel_size\":[9,9]", "conv2d");
    REFUSED("\"relu\"", "\"os.system\"", "option \"activation\"");
    REFUSED("\"alpha\":0", "\"alpha\":1e300", "option \"alpha\"");
    REFUSED("\"trainable\":true", "\"trainable\":1", "option \"trainable\" is not true or false");
    REFUSED("[\"conv2d\"]", "[\"dense\"]", "reads \"dense\", which is not a layer before it");
    REFUSED("[\"conv2d\"]", "[\"flatten\"]", "reads \"flatten\", which is not a layer before it");
    REFUSED("[\"conv2d\"]", "[]", "layer flatten");
    REFUSED("[\"conv2d\"]", "[\"input_layer\"]",
            "layer dense (Dense): with it the net has 165 weights");
    REFUSED("\"name\":\"flatten\"", "\"name\":\"conv2d\"", "conv2d");
    REFUSED("\"name\":\"flatten\"", "\"name\":\"a/b\"", "a/b");
    REFUSED("\"name\":\"flatten\"", "\"name\":7", "a layer without class_name, config and name");
    REFUSED("[null,6,6,3]", "[null,65535,65535,3]", "65535");
    REFUSED("[null,6,6,3]", "[6,6,3]", "option \"batch_shape\"");
    REFUSED("\"InputLayer\"", "\"Flatten\"", "batch_shape");
    REFUSED("\"graph\"", "\"no_graph\"", "it has no graph");
}

TEST(model_file_refuses_hostile_meta)
{
    REFUSED("\"classes\":[\"cat\",", "\"classes\":[", "1 classes, the net's 1 outputs are for 2");
    REFUSED("\"classes\":[\"cat\",", "\"classes\":[\"\",", "class 0 is not a name");
    REFUSED("{\"hex\":\"636166e9\"}", "{\"hex\":\"6361660\"}", "class 1 is not in hexadecimal");
    REFUSED("{\"hex\":\"636166e9\"}", "{\"hex\":\"63006166\"}", "class 1 is not in hexadecimal");
    REFUSED("\"size\":[6,6]", "\"size\":[7,6]", "preprocessing gives photos of (7, 6, 3)");
    REFUSED("\"channels\":3", "\"channels\":300", "not a photo");
    REFUSED("\"lanczos\"", "\"sinc\"", "preprocess: \"filter\"");
    REFUSED("\"crop\"", "null", "preprocess: \"fit\"");
    REFUSED("\"margin\":0.125", "\"margin\":-1", "preprocess: \"margin\"");
    REFUSED("\"scale\":[", "\"scale\":[1e99,", "preprocess: \"scale\"");
    REFUSED("\"bgr\":true", "\"rgb\":true", "preprocess: \"rgb\"");
}

/* The net's file with its tensor `name` replaced (array NULL: left out, `extra` added). */
static int open_net_with(
        tmb_model *net, const char *name, const tmb__array *array, const char *extra)
{
    tmb_model *back;
    tmb__tensors list = {0};
    tmb__pack pack;
    int status;

    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    tmb_model_free(net);
    assert_ok(tmb__pack_read(&pack, test_temp("a.thimble")));
    for (int64_t i = 0; i < pack.tensors.n; i++) {
        const tmb__named *item = &pack.tensors.items[i];
        const bool match = strcmp(item->name, name) == 0;

        if (match && !array) continue;
        assert_ok(tmb__tensors_add(&list, item->name, match ? array : &item->array));
    }
    if (extra) assert_ok(tmb__tensors_add(&list, extra, array));
    assert_ok(tmb__pack_write(test_temp("b.thimble"), pack.json, &list));
    tmb__tensors_free(&list);
    tmb__pack_free(&pack);
    status = tmb_model_open(&back, test_temp("b.thimble"));
    if (status == 0) tmb_model_free(back);
    return status;
}

static int open_with(const char *name, const tmb__array *array, const char *extra)
{
    return open_net_with(small_net(), name, array, extra);
}

TEST(model_file_refuses_wrong_statistics)
{
    float values[4] = {1, -1, 1, 1};
    const tmb__array three = {TMB__F32, {1, {3}}, values}, four = {TMB__F32, {1, {4}}, values};
    const tmb__array ints = {TMB__I32, {1, {3}}, values};

    assert_status(open_with("", &three, "preprocess/mean"), TMB_EMODEL);
    assert_message("nothing asks for the tensor \"preprocess/mean\"");
    assert_status(open_net_with(standardizing_net(), "", &three, "preprocess/median"), TMB_EMODEL);
    assert_message("nothing asks for the tensor \"preprocess/median\"");
    assert_status(open_net_with(standardizing_net(), "preprocess/mean", &four, NULL), TMB_EMODEL);
    assert_message("\"preprocess/mean\" is float32 of (4,), expected float32 of (3,)");
    assert_status(open_net_with(standardizing_net(), "preprocess/mean", &ints, NULL), TMB_EMODEL);
    assert_status(open_net_with(standardizing_net(), "preprocess/mean", NULL, NULL), TMB_EMODEL);
    assert_message("are not there");
    assert_status(open_net_with(standardizing_net(), "preprocess/std", &three, NULL), TMB_EMODEL);
    assert_message("std 1 is -1");
    values[1] = 1;
    assert_ok(open_net_with(standardizing_net(), "preprocess/std", &three, NULL));
}

TEST(model_file_refuses_wrong_tensors)
{
    float values[64] = {0};
    const tmb__array bias = {TMB__F32, {1, {2}}, values}, two = {TMB__F32, {2, {2, 1}}, values};
    const tmb__array ints = {TMB__I32, {1, {2}}, values}, bf16 = {TMB__BF16, {1, {2}}, values};

    assert_ok(open_with("weight/conv2d/bias", &bias, NULL));
    assert_ok(open_with("weight/conv2d/bias", &bf16, NULL));
    assert_status(open_with("weight/conv2d/bias", NULL, NULL), TMB_EMODEL);
    assert_message("at most 87 expected"); /* one weight less than the net needs */
    assert_status(open_with("weight/conv2d/bias", &two, NULL), TMB_EMODEL);
    assert_message("\"weight/conv2d/bias\" is (2, 1), expected (2,)");
    assert_status(open_with("weight/conv2d/bias", &ints, NULL), TMB_EMODEL);
    assert_message("is int32, expected float32");
    assert_status(open_with("weight/conv2d/bias", &bias, "weight/old/bias"), TMB_EMODEL);
    assert_message("\"weight/old/bias\" belongs to no layer");
    assert_status(open_with("weight/conv2d/bias", &bias, "code"), TMB_EMODEL);
    assert_message("\"code\" is none of weight/, golden/, preprocess/, unknown/ and state/");
    assert_status(open_with("golden/outputs", NULL, NULL), TMB_EMODEL);
    assert_message("\"golden/outputs\" is not there");
    values[1] = NAN;
    assert_status(open_with("weight/conv2d/bias", &bias, NULL), TMB_EMODEL);
    assert_message("\"weight/conv2d/bias\": 1 of 2 values are not finite, the first at 1");
}

/* A file of a few hundred bytes that asks for as much memory as it likes gets none. */
TEST(model_file_small_file_takes_little_memory)
{
    static const char meta[] =
            "{\"graph\":{\"class_name\":\"Functional\",\"config\":{\"layers\":["
            "{\"class_name\":\"InputLayer\",\"config\":{\"name\":\"i\",\"batch_shape\":[null,64,64,"
            "3]},"
            "\"inbound\":[]},"
            "{\"class_name\":\"Flatten\",\"config\":{\"name\":\"f\"},\"inbound\":[\"i\"]},"
            "{\"class_name\":\"Dense\",\"config\":{\"name\":\"d\",\"units\":20000},\"inbound\":["
            "\"f\"]}"
            "]}}}";
    tmb__tensors none = {0};
    tmb_model *model;

    assert_ok(tmb__pack_write(test_temp("a.thimble"), meta, &none));
    assert_true(tmb__file_size(test_temp("a.thimble")) < 1024);
    assert_status(tmb_model_open(&model, test_temp("a.thimble")), TMB_EMODEL);
    assert_message("a.thimble: layer d (Dense): with it the net has 245780000 weights");
}
