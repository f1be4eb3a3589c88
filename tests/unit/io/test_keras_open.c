/* test_keras_open.c - whole models of Keras into nets: every age of config, answers as Keras'
 *
 * tests/golden/keras_models was written by scripts/golden/keras_models.py. */
#include "golden.h"
#include "io/io.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static tmb_model *open_golden(const char *file)
{
    tmb_model *net;
    char path[64];
    int status;

    snprintf(path, sizeof path, "keras_models/%s", file);
    status = tmb_model_open(&net, test_golden(path));
    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(status);
    return net;
}

/* Both compute in float32, in another order of sums. */
static void require_answers(tmb_model *net, const char *which)
{
    int64_t n, n_x;
    const float *y = golden_floats(&n, "keras_models.npz", "%s/y", which);
    const float *x = golden_floats(&n_x, "keras_models.npz", "%s/x", which);
    float scores[16];

    assert_true(n <= 16 && n == 3 * tmb_model_outputs(net));
    assert_ok(tmb_model_predict(net, x, 3, scores));
    assert_floats_near(scores, y, n, 1e-5);
}

static void require_file(const char *file, const char *which)
{
    tmb_model *net = open_golden(file);

    require_answers(net, which);
    tmb_model_free(net);
}

TEST(keras_open_answers_as_keras_does)
{
    require_file("stack.keras", "stack");
    require_file("stack.h5", "stack");
    require_file("branch.keras", "branch");
    require_file("branch.h5", "branch");
}

/* Random layers, noise, norms, slopes, merges, constraints: those of training alone do nothing here. */
TEST(keras_open_newer_layers)
{
    tmb_model *net = open_golden("newer.keras");
    const tmb__layer *conv = &net->layers[tmb_model_find(net, "conv2d") - 1];
    const tmb__layer *dense = &net->layers[tmb_model_find(net, "dense") - 1];
    const tmb__layer *flip = &net->layers[tmb_model_find(net, "random_flip") - 1];
    const tmb__layer *moved = &net->layers[tmb_model_find(net, "random_translation") - 1];

    require_answers(net, "newer");
    assert_int_equal(conv->config.constraint.limit, TMB_MAX_NORM);
    assert_float_equal(conv->config.constraint.max, 2, 0);
    assert_int_equal(conv->config.constraint.axes, 1);
    assert_int_equal(dense->config.constraint.limit, TMB_NON_NEG);
    assert_int_equal(flip->config.flip, 1);
    assert_float_equal(moved->config.range[0], -0.1f, 0);
    assert_float_equal(moved->config.range[3], 0.1f, 0);
    tmb_model_free(net);
}

TEST(keras_open_models_in_models)
{
    tmb_model *net = open_golden("nested.keras");
    tmb_layer_info info;

    require_answers(net, "nested");
    assert_true(tmb_model_find(net, "conv") > 0);
    assert_true(tmb_model_find(net, "other_conv") > 0); /* three layers had that name */
    assert_true(tmb_model_find(net, "conv_1") > 0);
    assert_ok(tmb_model_layer(net, tmb_model_find(net, "conv"), &info));
    assert_false(info.trainable);
    tmb_model_free(net);
    require_file("nested.h5", "nested");
}

TEST(keras_open_channels_first)
{
    require_file("first.keras", "first");
    require_file("raw.h5", "raw");
}

TEST(keras_open_old_spellings)
{
    tmb_model *net = open_golden("keras1.h5");
    tmb_model *other = open_golden("keras1.json");

    require_answers(net, "keras1");
    assert_int_equal(net->n_weights, other->n_weights);
    assert_ok(tmb_model_load_weights(other, test_golden("keras_models/keras1.h5")));
    require_answers(other, "keras1");
    tmb_model_free(other);
    tmb_model_free(net);
    net = open_golden("keras2.json");
    assert_ok(tmb_model_load_weights(net, test_golden("keras_models/branch.h5")));
    require_answers(net, "branch");
    assert_ok(tmb_model_init(net, 1));
    assert_ok(tmb_model_load_weights(net, test_golden("keras_models/branch.weights.h5")));
    require_answers(net, "branch");
    tmb_model_free(net);
}

/* The archive taken apart, as it may lie in a folder. */
TEST(keras_open_folder)
{
    tmb__zip_want wants[] = {
            {.name = "config.json"}, {.name = "metadata.json"}, {.name = "model.weights.h5"}};
    tmb_model *net;
    int status;

    assert_ok(tmb__zip_members(wants, 3, test_golden("keras_models/stack.keras")));
    assert_ok(tmb__folder_make(test_temp("unpacked")));
    for (int i = 0; i < 3; i++) {
        char path[64];

        snprintf(path, sizeof path, "unpacked/%s", wants[i].name);
        test_write(test_temp(path), wants[i].bytes.data, wants[i].bytes.size);
        tmb__free(wants[i].bytes.data);
    }
    status = tmb_model_open(&net, test_temp("unpacked"));
    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(status);
    require_answers(net, "stack");
    tmb_model_free(net);
    assert_status(tmb_model_open(&net, test_golden("keras")), TMB_EMODEL);
    assert_message("a folder, expected a regular file");
}

/* ---- configs by hand ---- */

static int open_text(tmb_model **net, const char *text)
{
    test_write(test_temp("a.json"), text, strlen(text));
    return tmb_model_open(net, test_temp("a.json"));
}

#define INPUT(shape)                                                                               \
    "{\"class_name\":\"InputLayer\",\"config\":{\"name\":\"i\",\"batch_shape\":" shape "}}"
#define STACK(layers)                                                                              \
    "{\"class_name\":\"Sequential\",\"config\":{\"name\":\"s\",\"layers\":[" INPUT(                \
            "[null,8,6,3]") "," layers "]}}"
#define LAYER(kind, options) "{\"class_name\":\"" kind "\",\"config\":{\"name\":\"a\"" options "}}"

static void require_refused(const char *text, const char *message)
{
    tmb_model *net;

    assert_status(open_text(&net, text), TMB_EMODEL);
    assert_null(net);
    assert_message(message);
}

TEST(keras_open_refuses_what_it_cannot_do)
{
    require_refused(STACK(LAYER("Lambda", "")), "layer \"a\" (Lambda): it holds code");
    assert_non_null(strstr(tmb_errhint(), "Rescaling"));
    require_refused(STACK(LAYER("LSTM", "")), "(LSTM): this class is not supported");
    require_refused(STACK(LAYER("Conv2D", ",\"filters\":2,\"kernel_size\":[3,3],\"magic\":1")),
            "layer \"a\" (Conv2D): option \"magic\" is not known");
    require_refused(STACK(LAYER("Dropout", ",\"keepdims\":true")), "\"keepdims\"");
    require_refused(STACK(LAYER("Activation", ",\"activation\":\"hard_sigmoid\"")), "0.2 x + 0.5");
    require_refused(STACK(LAYER("BatchNormalization", ",\"axis\":1")),
            "axis is 1, only the axis of the channels (3)");
    require_refused(STACK(LAYER("BatchNormalization", ",\"mode\":2")), "\"mode\"");
    require_refused(STACK(LAYER("ReLU", ",\"max_value\":0.0")), "max_value");
    require_refused("{\"class_name\":\"Own\",\"config\":{}}", "config is of a \"Own\"");
    require_refused("{\"class_name\":\"Sequential\",\"config\":[" INPUT("[null,null,null,3]") "]}",
            "open size");
    require_refused("{\"class_name\":\"Sequential\",\"config\":[" INPUT("[null,5]") "]}", "2 axes");
    require_refused("{\"class_name\":\"Sequential\",\"config\":[]}", "without layers");
    require_refused("{\"class_name\":\"Sequential\",\"config\":[{\"class_name\":\"Dense\","
                    "\"registered_name\":"
                    "\"my>Dense\",\"config\":{\"name\":\"a\",\"batch_input_shape\":[null,4,4,1],"
                    "\"units\":2}}]}",
            "my>Dense");
    require_refused("{\"a\":1,\"a\":2}", "duplicate");
}

/* Channels first, where that would change what a layer means. */
TEST(keras_open_refuses_other_axes)
{
#define FIRST(layers)                                                                              \
    "{\"class_name\":\"Sequential\",\"config\":[" INPUT("[null,3,8,6]") "," LAYER(                 \
            "MaxPooling2D", ",\"data_format\":\"channels_first\"") "," layers "]}"
    require_refused(FIRST(LAYER("Dense", ",\"units\":2")), "it reads the last axis");
    require_refused(FIRST(LAYER("Reshape", ",\"target_shape\":[6,6]")), "in their order");
    require_refused(FIRST(LAYER("Activation", ",\"activation\":\"softmax\"")), "the last axis");
    require_refused(FIRST(LAYER("BatchNormalization", ",\"axis\":-1")), "axis is 3, only the axis");
    require_refused(FIRST(LAYER("AveragePooling2D", ",\"data_format\":\"channels_last\"")),
            "its channels are last, those of other layers are not");
}

static void keep_line(void *user, tmb_log_level level, const char *line)
{
    (void)level;
    snprintf(user, 600, "%s", line);
}

/* Layers that are activations, in the words of any age; a slope of 0 is a ReLU's. */
TEST(keras_open_activation_layers)
{
    static const char text[] = STACK(LAYER("LeakyReLU", ",\"alpha\":0.5") "," LAYER("LeakyReLU",
            ",\"negative_slope\":0") "," LAYER("ELU", ",\"alpha\":2.0") "," LAYER("ReLU",
            ",\"max_value\":null,\"threshold\":1.0,\"negative_slope\":0.0") "," LAYER("PReLU",
            ",\"shared_axes\":[1,2],\"alpha_initializer\":{\"class_name\":\"Zeros\",\"config\":{}},"
            "\"alpha_regularizer\":null,\"alpha_constraint\":null") "," LAYER("Softmax",
            ",\"axis\":-1"));
    tmb_model *net;

    assert_ok(open_text(&net, text));
    assert_float_equal(net->layers[1].config.alpha, 0.5, 0);
    assert_int_equal(net->layers[2].kind, TMB__LAYER_RELU);
    assert_float_equal(net->layers[3].config.alpha, 2, 0);
    assert_float_equal(net->layers[4].config.threshold, 1, 0);
    assert_int_equal(net->layers[5].weight[0].shape.dim[0], 1);
    assert_int_equal(net->layers[6].kind, TMB__LAYER_SOFTMAX);
    tmb_model_free(net);
}

/* A number is both ways the same, a pair is put in order; columns that stay are not columns as the rows. */
TEST(keras_open_random_factors)
{
    static const struct {
        const char *kind, *options;
        float range[4];
    } cases[] = {
            {"RandomRotation", "\"factor\":0.25", {-0.25f, 0.25f}},
            {"RandomRotation", "\"factor\":[0.5,-0.25]", {-0.25f, 0.5f}},
            {"RandomZoom", "\"height_factor\":0.5,\"width_factor\":null", {-0.5f, 0.5f}},
            {"RandomZoom", "\"height_factor\":[0.5,0.25],\"width_factor\":0",
                    {0.25f, 0.5f, 0, 1e-30f}},
            {"RandomTranslation", "\"height_factor\":1,\"width_factor\":[0,-0.5]",
                    {-1, 1, -0.5f, 0}},
            {"RandomContrast", "\"factor\":0.25", {0.25f, 0.25f}},
            {"RandomContrast", "\"factor\":[0.5,0.25],\"value_range\":[0,1]", {0.5f, 0.25f}},
            {"RandomBrightness", "\"factor\":-0.5,\"seed\":null", {-0.5f, 0.5f}},
    };

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb_model *net;
        char text[600];

        snprintf(text, sizeof text, STACK(LAYER("%s", ",%s")), cases[i].kind, cases[i].options);
        assert_ok(open_text(&net, text));
        assert_memory_equal(net->layers[1].config.range, cases[i].range, sizeof cases[i].range);
        tmb_model_free(net);
    }
    require_refused(STACK(LAYER("RandomRotation", ",\"factor\":\"much\"")), "\"factor\"");
    require_refused(STACK(LAYER("RandomRotation", ",\"fill_mode\":\"mirror\"")), "\"fill_mode\"");
}

/* Constraints in the words of any age; what cannot be kept is told. */
TEST(keras_open_constraints)
{
    static const struct {
        const char *options;
        tmb_constraint wanted;
        const char *told;
    } cases[] = {
            {"\"kernel_constraint\":{\"class_name\":\"MaxNorm\",\"config\":{"
             "\"max_value\":3,\"axis\":[0,1,-2]}}",
                    {.limit = TMB_MAX_NORM, .max = 3, .axes = 7}, NULL},
            {"\"kernel_constraint\":{\"class_name\":\"MinMaxNorm\",\"config\":{"
             "\"min_value\":0.5,\"max_value\":1.5,\"rate\":0.25,\"axis\":null}}",
                    {.limit = TMB_MIN_MAX_NORM,
                            .min = 0.5f,
                            .max = 1.5f,
                            .rate = 0.25f,
                            .axes = 15},
                    NULL},
            {"\"W_constraint\":{\"name\":\"MaxNorm\",\"m\":4,\"axis\":0}",
                    {.limit = TMB_MAX_NORM, .max = 4, .axes = 1}, NULL},
            {"\"kernel_constraint\":\"unit_norm\"", {.limit = TMB_UNIT_NORM, .axes = 1}, NULL},
            {"\"kernel_constraint\":{\"class_name\":\"MaxNorm\",\"config\":{"
             "\"max_value\":3,\"axis\":9}}",
                    {0}, "layer \"a\": \"kernel_constraint\" is left out"},
            {"\"kernel_constraint\":{\"class_name\":\"Mine\",\"config\":{}}", {0},
                    "layer \"a\": \"kernel_constraint\" is left out"},
            {"\"bias_constraint\":{\"class_name\":\"NonNeg\",\"config\":{}}", {0},
                    "layer \"a\": \"bias_constraint\" is left out"},
            {"\"activity_regularizer\":{\"class_name\":\"L2\",\"config\":{}}", {0},
                    "layer \"a\": \"activity_regularizer\" is left out"},
    };

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        const tmb_constraint *wanted = &cases[i].wanted, *found;
        char text[600], told[600] = "";
        tmb_model *net;

        snprintf(text, sizeof text, STACK(LAYER("Conv2D", ",\"filters\":2,\"kernel_size\":2,%s")),
                cases[i].options);
        tmb_log_set(keep_line, told, TMB_WARN);
        assert_ok(open_text(&net, text));
        tmb_log_set(NULL, NULL, TMB_WARN);
        found = &net->layers[1].config.constraint;
        assert_int_equal(found->limit, wanted->limit);
        if (wanted->axes) assert_int_equal(found->axes, wanted->axes);
        if (wanted->rate != 0) assert_float_equal(found->rate, wanted->rate, 0);
        if (wanted->max != 0) assert_float_equal(found->max, wanted->max, 0);
        assert_float_equal(found->min, wanted->min, 0);
        assert_true(cases[i].told ? strstr(told, cases[i].told) != NULL : told[0] == '\0');
        tmb_model_free(net);
    }
}

/* Keras 1's Merge, options left at their defaults, values of many forms. */
TEST(keras_open_functional_by_hand)
{
    static const char text[] =
            "{\"class_name\":\"Model\",\"config\":{\"name\":\"m\",\"layers\":["
            "{\"class_name\":\"InputLayer\",\"name\":\"i\",\"inbound_nodes\":[],\"config\":{"
            "\"name\":"
            "\"i\",\"batch_input_shape\":[null,4,4,2],\"input_dtype\":\"float32\"}},"
            "{\"class_name\":\"Convolution2D\",\"name\":\"a/b\",\"inbound_nodes\":[[[\"i\",0,0]]],"
            "\"config\":{\"name\":\"a/"
            "b\",\"nb_filter\":3,\"nb_row\":1,\"nb_col\":1,\"bias\":false}},"
            "{\"class_name\":\"Merge\",\"name\":\"m\",\"inbound_nodes\":[[[\"a/"
            "b\",0,0],[\"i\",0,0]]],"
            "\"config\":{\"name\":\"m\",\"mode\":\"concat\",\"concat_axis\":3,\"arguments\":{}}},"
            "{\"class_name\":\"Flatten\",\"name\":\"f\",\"inbound_nodes\":[[[\"m\",0,0]]],"
            "\"config\":{\"name\":\"f\"}}],"
            "\"input_layers\":[[\"i\",0,0]],\"output_layers\":[[\"f\",0,0]]}}";
    tmb_model *net;

    assert_ok(open_text(&net, text));
    assert_int_equal(tmb_model_layers(net), 4);
    assert_int_equal(tmb_model_outputs(net), 4 * 4 * 5);
    assert_string_equal(net->layers[1].name, "a_b");
    assert_true(net->layers[1].config.no_bias);
    tmb_model_free(net);
}

TEST(keras_open_limits)
{
    tmb_model *net;

    assert_status(tmb_model_open(&net, test_golden("keras/legacy.h5")), TMB_EMODEL);
    assert_message("weights alone");
    assert_status(tmb_model_open(&net, test_golden("keras_models.npz")), TMB_EMODEL);
    assert_message("\"config.json\": it is not there");
    require_refused(
            STACK(LAYER("Dense", ",\"units\":65535") "," LAYER("Dense", ",\"units\":65535")),
            "has more than 268435456 elements");
}
