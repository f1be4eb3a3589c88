/* test_zoo.c - networks against Keras: names, shapes, counts, outputs; pooling, cuts, refusals
 *
 * Weights come from a formula (net_filled.h); Keras' answers to them are in zoo.npz. */
#include "golden.h"
#include "net_filled.h"

#include <stdio.h>

static tmb_model *model_of(const char *name, const tmb_zoo_opts *opts)
{
    tmb_model *net;

    assert_ok(tmb_zoo_model(&net, name, opts));
    return net;
}

/* ---- layers and counts ---- */

static void require_layers(const char *name, const tmb_model *net)
{
    const tmb__array *lines = golden_array("zoo.npz", "%s/layers", name);
    const size_t size = (size_t)tmb__shape_count(&lines->shape);
    tmb__strbuf sb = {0};

    for (int k = 0; k < net->n_layers; k++) {
        const tmb__layer *layer = &net->layers[k];

        tmb__strbuf_add(&sb, "%s%s", k ? "\n" : "", layer->name);
        for (int i = 0; i < layer->out.rank; i++)
            tmb__strbuf_add(&sb, " %d", (int)layer->out.dim[i]);
    }
    for (size_t i = 0; i < TMB_MIN(size, sb.len); i++) {
        if (sb.text[i] != ((const char *)lines->data)[i])
            fail_msg("%s: found ...%.40s..., expected ...%.40s...", name, sb.text + i,
                    (const char *)lines->data + i);
    }
    assert_int_equal(sb.len, size);
    tmb__strbuf_free(&sb);
}

TEST(zoo_layers_are_those_of_keras)
{
    for (int i = 0; tmb_zoo_name(i); i++) {
        const char *name = tmb_zoo_name(i);
        const tmb__array *params = golden_array("zoo.npz", "%s/params", name);
        tmb_model *top = model_of(name, &(tmb_zoo_opts){.top = true, .undrawn = true});
        tmb_model *bare = model_of(name, &(tmb_zoo_opts){.undrawn = true});
        tmb_zoo about;

        require_layers(name, top);
        assert_ok(tmb_zoo_get(&about, name));
        assert_int_equal(tmb_model_params(bare, false), ((const int32_t *)params->data)[0]);
        assert_int_equal(tmb_model_params(top, false), ((const int32_t *)params->data)[1]);
        assert_int_equal(about.params, tmb_model_params(bare, false));
        assert_int_equal(about.params_top, tmb_model_params(top, false));
        for (int k = 0; k < TMB_ZOO_POINTS && about.features[k]; k++)
            assert_true(tmb_model_find(bare, about.features[k]) > 0);
        for (int k = 0; k < TMB_ZOO_POINTS && about.unfreeze[k]; k++)
            assert_true(tmb_model_find(bare, about.unfreeze[k]) > 0);
        assert_int_equal(tmb_model_find(bare, about.features[0]), tmb_model_layers(bare));
        tmb_model_free(bare);
        tmb_model_free(top);
    }
}

/* Float32 in another order of sums, 50 layers and more: 1e-4 of the largest value. */
static void require_near(const char *what, const float *found, const float *expected, int64_t n)
{
    double largest = 0, worst = 0;

    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)expected[i]));
        worst = fmax(worst, fabs((double)found[i] - (double)expected[i]));
    }
    if (!(worst <= 1e-4 * largest))
        fail_msg("%s: differs by %g, the largest is %g", what, worst, largest);
}

static void check_features(const char *name, int side)
{
    tmb_model *net = model_of(name, &(tmb_zoo_opts){.size = {side, side}, .undrawn = true});
    const tmb__shape *out = &net->layers[net->n_layers - 1].out;
    const int64_t area = out->dim[0] * out->dim[1], c = out->dim[2];
    float *y = test_keep(tmb__calloc((size_t)(area * c), sizeof *y));
    float *mean = test_keep(tmb__calloc((size_t)c, sizeof *mean));
    const float *expected, *x;
    int64_t n;

    fill_net(net);
    x = fill_photo(net);
    assert_ok(tmb_model_predict(net, x, 1, y));
    for (int64_t k = 0; k < c; k++) {
        double sum = 0;

        for (int64_t i = 0; i < area; i++)
            sum += (double)y[i * c + k];
        mean[k] = (float)(sum / (double)area);
    }
    expected = golden_floats(&n, "zoo.npz", "%s/features_%d", name, side);
    assert_int_equal(n, c);
    require_near("mean", mean, expected, c);
    expected = golden_floats(&n, "zoo.npz", "%s/at_%d", name, side);
    require_near("middle", y + (out->dim[0] / 2 * out->dim[1] + out->dim[1] / 2) * c, expected, c);
    tmb_model_free(net);
}

static void check_scores(const char *name, int side)
{
    tmb_model *net = model_of(name,
            &(tmb_zoo_opts){.size = {side, side}, .top = true, .classes = 10, .undrawn = true});
    const float *expected, *x;
    float scores[10];
    int64_t n;

    fill_net(net);
    x = fill_photo(net);
    assert_ok(tmb_model_predict(net, x, 1, scores));
    expected = golden_floats(&n, "zoo.npz", "%s/scores", name);
    assert_int_equal(n, 10);
    require_near("scores", scores, expected, 10);
    tmb_model_free(net);
}

TEST(zoo_vgg16_features_equal_keras)
{
    check_features("vgg16", 150);
    check_features("vgg16", 224);
    check_scores("vgg16", 64);
}

TEST(zoo_vgg19_features_equal_keras)
{
    check_features("vgg19", 150);
    check_scores("vgg19", 64);
}

TEST(zoo_mobilenet_features_equal_keras)
{
    check_features("mobilenet", 150);
    check_scores("mobilenet", 64);
}

TEST(zoo_mobilenet_v2_features_equal_keras)
{
    check_features("mobilenet_v2", 150);
    check_features("mobilenet_v2", 224);
    check_scores("mobilenet_v2", 64);
}

TEST(zoo_resnet50_features_equal_keras)
{
    check_features("resnet50", 150);
    check_scores("resnet50", 64);
}

TEST(zoo_inception_v3_features_equal_keras)
{
    check_features("inception_v3", 150);
    check_scores("inception_v3", 75);
}

TEST(zoo_efficientnet_b0_features_equal_keras)
{
    check_features("efficientnet_b0", 150);
    check_features("efficientnet_b0", 224);
    check_scores("efficientnet_b0", 64);
}

/* The official files hold deviations for variances: loading puts that right, and only that. */
TEST(zoo_efficientnet_b0_variances)
{
    const float deviation[] = {0.229f, 0.224f, 0.225f}, mean[] = {0.485f, 0.456f, 0.406f};
    const char *path = test_temp("official.npz");
    tmb_zoo_opts opts = {.size = {32, 32}, .until = "normalization", .undrawn = true};
    tmb_model *net = model_of("efficientnet_b0", &(tmb_zoo_opts){.size = {32, 32}}), *again;
    float pixels[32 * 32 * 3], y[32 * 32 * 3];
    const tmb_layer layer = tmb_model_find(net, "normalization");
    const float *values;

    assert_ok(tmb_model_set_weight(net, layer, 0, mean, 3));
    assert_ok(tmb_model_set_weight(net, layer, 1, deviation, 3));
    assert_ok(tmb_model_save_weights(net, path));
    opts.weights = path;
    again = model_of("efficientnet_b0", &opts);
    for (int i = 0; i < 32 * 32 * 3; i++)
        pixels[i] = (float)(i % 256);
    assert_ok(tmb_model_predict(again, pixels, 1, y));
    for (int i = 0; i < 32 * 32 * 3; i++)
        assert_true(fabsf(y[i] - (pixels[i] / 255 - mean[i % 3]) / deviation[i % 3]) < 1e-5f);
    tmb_model_free(again);
    assert_ok(tmb_model_set_weight(net, layer, 1, (const float[]){0.05f, 0.04f, 0.06f}, 3));
    assert_ok(tmb_model_save_weights(net, path));
    again = model_of("efficientnet_b0", &opts);
    assert_ok(tmb_model_weight(
            again, tmb_model_find(again, "normalization"), 1, NULL, NULL, NULL, &values));
    assert_true(values[0] == 0.05f && values[2] == 0.06f);
    tmb_model_free(again);
    tmb_model_free(net);
}

/* What is not in every net: the model file keeps it. */
TEST(zoo_efficientnet_b0_saved_and_opened)
{
    const char *path = test_temp("net.thimble");
    tmb_model *net = model_of("efficientnet_b0",
            &(tmb_zoo_opts){.size = {32, 32}, .until = "block2b_add", .pooling = TMB_POOLING_AVG});
    tmb_model *again;
    float *x, a[24], b[24];

    assert_int_equal(tmb_model_outputs(net), 24);
    fill_net(net);
    x = fill_photo(net);
    assert_ok(tmb_model_predict(net, x, 1, a));
    assert_ok(tmb_model_save(net, path));
    assert_ok(tmb_model_open(&again, path));
    assert_ok(tmb_model_predict(again, x, 1, b));
    assert_memory_equal(a, b, sizeof a);
    tmb_model_free(again);
    tmb_model_free(net);
}

/* ---- options ---- */

TEST(zoo_pooling_and_until)
{
    const tmb_zoo_opts avg = {.size = {64, 48}, .pooling = TMB_POOLING_AVG};
    const tmb_zoo_opts cut = {
            .size = {64, 48}, .until = "block_12_add", .pooling = TMB_POOLING_MAX};
    tmb_model *net = model_of("mobilenet_v2", &avg), *part;
    tmb_layer_info info;
    int64_t same = 0;

    assert_int_equal(tmb_model_outputs(net), 1280);
    assert_int_equal(tmb_model_preprocess(net)->size[1], 48);
    part = model_of("mobilenet_v2", &cut);
    assert_int_equal(tmb_model_outputs(part), 96);
    assert_int_equal(part->n_weights, tmb_model_params(part, false));
    assert_ok(tmb_model_layer(part, tmb_model_layers(part) - 1, &info));
    assert_string_equal(info.name, "block_12_add");
    for (int k = 0; k < part->n_layers - 1; k++) {
        const tmb__layer *a = &part->layers[k], *b = &net->layers[k];

        assert_string_equal(a->name, b->name);
        for (int w = 0; w < a->n_weights; w++) {
            const size_t n = (size_t)tmb__shape_count(&a->weight[w].shape);

            assert_memory_equal(part->weights + a->weight[w].offset,
                    net->weights + b->weight[w].offset, n * sizeof(float));
            same += (int64_t)n;
        }
    }
    assert_int_equal(same, part->n_weights);
    tmb_model_free(part);
    tmb_model_free(net);

    net = model_of("resnet50", &(tmb_zoo_opts){.pooling = TMB_POOLING_AVG, .undrawn = true});
    assert_int_equal(tmb_model_find(net, "avg_pool"), tmb_model_layers(net));
    tmb_model_free(net);
}

/* A cut inside a block leaves the other branches away. */
TEST(zoo_cut_inside_a_block)
{
    tmb_model *net = model_of("inception_v3",
            &(tmb_zoo_opts){.size = {75, 75}, .until = "activation_5", .undrawn = true});

    assert_int_equal(tmb_model_layers(net), 1 + 5 * 3 + 2 + 3);
    assert_int_equal(tmb_model_find(net, "conv2d_6"), 0);
    assert_ok(tmb__model_validate(net));
    tmb_model_free(net);
}

/* Layers added later are drawn, those of the net are not until they are loaded. */
TEST(zoo_undrawn_is_zero)
{
    tmb_model *net = model_of("mobilenet",
            &(tmb_zoo_opts){.size = {32, 32}, .pooling = TMB_POOLING_AVG, .undrawn = true});
    const int64_t before = net->n_weights;
    double sum = 0, added = 0;

    assert_true(tmb_dense(net, .units = 3) > 0);
    for (int64_t i = 0; i < net->n_weights; i++)
        *(i < before ? &sum : &added) += fabs((double)net->weights[i]);
    assert_true(sum == 0);
    assert_true(added > 0);
    tmb_model_free(net);
}

TEST(zoo_refuses)
{
    tmb_model *net;
    tmb_zoo about;

    assert_status(tmb_zoo_get(&about, "vgg17"), TMB_EINVAL);
    assert_message("vgg17");
    assert_non_null(strstr(tmb_errhint(), "vgg16, vgg19"));
    assert_status(tmb_zoo_model(&net, "vgg16", &(tmb_zoo_opts){.size = {31, 32}}), TMB_EINVAL);
    assert_message("31 x 32, at least 32 x 32");
    assert_null(net);
    assert_status(tmb_zoo_model(&net, "vgg16", &(tmb_zoo_opts){.classes = -1}), TMB_EINVAL);
    assert_status(tmb_zoo_model(&net, "vgg16", &(tmb_zoo_opts){.until = "mixed8", .undrawn = true}),
            TMB_EINVAL);
    assert_message("no layer \"mixed8\"");
    assert_status(
            tmb_zoo_model(&net, "vgg16", &(tmb_zoo_opts){.top = true, .pooling = TMB_POOLING_AVG}),
            TMB_EINVAL);
    assert_status(
            tmb_zoo_model(&net, "mobilenet", &(tmb_zoo_opts){.weights = "none.h5"}), TMB_EMODEL);
}
