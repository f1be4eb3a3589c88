/* test_zoo.c - networks against Keras: names, shapes, counts; pooling, cuts, refusals
 *
 * What they compute is in a file for each family, test_vgg.c and others. */
#include "net_keras.h"

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
