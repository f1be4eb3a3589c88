/* keras_layer.c - one layer's config in Keras' words, of any age, into the words of docs/formats.md
 *
 * Keras 1 had other names (nb_filter, border_mode, p), Keras 3 wraps values in objects. Three tables say
 * what becomes of an option: it has another name, it says nothing that a net needs, or it matters in
 * training alone, which is told in the log. All others go on as they are, and graph_json.c refuses what
 * it does not know, so that no option that changes an answer is passed over.
 *
 * Channels first: kernels lie (height, width, in, out) whatever the order of the activations, so a net
 * becomes one with channels last by its axes alone. What reads the last axis, or the order of all
 * values, would change its meaning and is refused; a flatten says in which order its rows are. */
#include "io/keras_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int tmb__keras_refuse(const tmb__keras_one *one, const char *hint, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    tmb__fail(TMB_EMODEL, "%s: layer \"%s\" (%s): %s", tmb__printable(one->what),
            tmb__printable(one->name), tmb__printable(one->class_name), text);
    if (hint) tmb__hint("%s", hint);
    return TMB_EMODEL;
}

static bool is(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

static bool is_one_of(const char *text, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is(text, names[i])) return true;
    }
    return false;
}

static int set_new(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0
            ? 0
            : tmb__fail(TMB_ENOMEM, "not enough memory for a net's config");
}

static int set(tmb__keras_one *one, const char *key, const json_t *value)
{
    return set_new(one->options, key, json_deep_copy(value));
}

/* ---- classes ---- */

static const char *const class_names[][2] = {
        {"Convolution2D", "Conv2D"},
        {"AtrousConvolution2D", "Conv2D"},
        {"SeparableConvolution2D", "SeparableConv2D"},
        {"DepthwiseConvolution2D", "DepthwiseConv2D"},
        {"MaxPool2D", "MaxPooling2D"},
        {"AvgPool2D", "AveragePooling2D"},
        {"GlobalAvgPool2D", "GlobalAveragePooling2D"},
        {"GlobalMaxPool2D", "GlobalMaxPooling2D"},
        {"BatchNormalizationV1", "BatchNormalization"},
        {"BatchNormalizationV2", "BatchNormalization"},
};

static bool known_class(const char *class_name)
{
    for (int kind = 0; kind < TMB__LAYER_KINDS; kind++) {
        if (is(class_name, tmb__layer_class((tmb__layer_kind)kind))) return true;
    }
    return false;
}

/* Layers that are nothing but an activation, and may be given as one. */
static bool is_curve(const char *class_name)
{
    static const char *const curves[] = {"LeakyReLU", "ReLU", "ELU", "Softmax"};

    return is_one_of(class_name, curves, TMB_COUNT(curves));
}

static int find_class(tmb__keras_one *one)
{
    static const char *const code[] = {"Lambda", "TFOpLambda", "SlicingOpLambda", "TFSMLayer"};
    const char *mode = json_string_value(json_object_get(one->config, "mode"));
    const char *merge = NULL;

    for (size_t i = 0; i < TMB_COUNT(class_names); i++) {
        if (is(one->class_name, class_names[i][0])) one->class_name = class_names[i][1];
    }
    if (is(one->class_name, "Merge") && mode) {
        merge = is(mode, "sum") ? "Add" : is(mode, "concat") ? "Concatenate" : NULL;
        if (is(mode, "mul")) merge = "Multiply";
        if (is(mode, "ave")) merge = "Average";
        if (is(mode, "max")) merge = "Maximum";
    }
    if (merge) one->class_name = merge;
    if (known_class(one->class_name)) return 0;
    if (is_one_of(one->class_name, code, TMB_COUNT(code))) {
        return tmb__keras_refuse(one,
                "write it with layers of Keras' own, such as Rescaling, and save the model again",
                "it holds code of Python's, nothing was executed");
    }
    return tmb__keras_refuse(one,
            "take the layer out of the model, or put layers that are supported in its place",
            "this class is not supported, nothing was executed");
}

/* ---- values ---- */

/* A number as a pair; a pair as it is. */
static int take_pair(tmb__keras_one *one, const char *key, const json_t *value)
{
    if (json_is_null(value)) return 0;
    if (!json_is_integer(value)) return set(one, key, value);
    return set_new(one->options, key, json_pack("[OO]", value, value));
}

/* Keras 1 has the sides of a kernel apart. */
static int take_side(tmb__keras_one *one, const char *key, const json_t *value)
{
    json_t *pair = json_object_get(one->options, "kernel_size");

    if (!pair) {
        pair = json_pack("[ii]", 0, 0);
        TMB_TRY(set_new(one->options, "kernel_size", pair));
    }
    return json_array_set_new(pair, is(key, "nb_col"), json_deep_copy(value)) == 0
            ? 0
            : tmb__fail(TMB_ENOMEM, "not enough memory for a net's config");
}

/* ZeroPadding2D: a number, two numbers, four (Keras 1), or two pairs; other layers: a word. */
static int take_padding(tmb__keras_one *one, const char *key, const json_t *value)
{
    int p[4] = {0};

    if (json_is_string(value)) return set(one, key, value);
    if (tmb__json_int(value, p)) {
        p[1] = p[2] = p[3] = p[0];
    } else if (tmb__json_ints(value, p, 2)) {
        p[2] = p[3] = p[1];
        p[1] = p[0];
    } else if (!tmb__json_ints(value, p, 4)) {
        return set(one, key, value);
    }
    return set_new(one->options, key, json_pack("[[ii][ii]]", p[0], p[1], p[2], p[3]));
}

/* A layer given as an activation: LeakyReLU, ReLU, ELU, Softmax. */
static int take_curve(tmb__keras_one *one, const char *class_name, const json_t *config)
{
    const json_t *max = json_object_get(config, "max_value");
    const json_t *slope = json_object_get(config, "negative_slope");
    const double threshold = json_number_value(json_object_get(config, "threshold"));
    double alpha = is(class_name, "ReLU") ? 0 : is(class_name, "LeakyReLU") ? 0.3 : 1;
    const char *name = is(class_name, "ELU") ? "elu" : "leaky_relu";

    if (is(class_name, "Softmax")) {
        return set_new(one->options, "activation", json_string("softmax"));
    }
    if (!json_is_number(slope)) slope = json_object_get(config, "alpha");
    if (json_is_array(slope) || json_is_object(slope)) {
        return tmb__keras_refuse(one, NULL, "its slope is not a number");
    }
    if (json_is_number(slope)) alpha = json_number_value(slope);
    if (threshold != 0 || (json_is_number(max) && (json_number_value(max) != 6 || alpha != 0))) {
        return tmb__keras_refuse(
                one, NULL, "threshold or max_value is not supported, but for a max_value of 6");
    }
    if (json_is_number(max)) name = "relu6";
    if (alpha == 0 && !json_is_number(max)) name = "relu";
    TMB_TRY(set_new(one->options, "activation", json_string(name)));
    return alpha == 0 ? 0 : set_new(one->options, "alpha", json_real(alpha));
}

static int take_activation(tmb__keras_one *one, const char *key, const json_t *value)
{
    const char *class_name = json_string_value(json_object_get(value, "class_name"));
    const json_t *config = json_object_get(value, "config");

    if (json_is_null(value)) return set_new(one->options, key, json_string("linear"));
    if (is_curve(class_name)) return take_curve(one, class_name, config);
    if (is(class_name, "function")) value = config;
    if (is(json_string_value(value), "hard_sigmoid") && one->old) {
        return tmb__keras_refuse(one, "load and save the model with Keras 3",
                "its hard_sigmoid is that of Keras 1 and 2, 0.2 x + 0.5");
    }
    if (is(json_string_value(value), "hard_silu")) {
        return set_new(one->options, key, json_string("hard_swish"));
    }
    if (is(json_string_value(value), "silu")) {
        return set_new(one->options, key, json_string("swish"));
    }
    return set(one, key, value);
}

/* Keras 2 to 2.2 writes the named initialisers as what they are made of. */
static const char *scaling_name(const json_t *config)
{
    const char *mode = json_string_value(json_object_get(config, "mode"));
    const bool uniform = is(json_string_value(json_object_get(config, "distribution")), "uniform");
    const double scale = json_number_value(json_object_get(config, "scale"));

    if (is(mode, "fan_avg") && scale == 1) return uniform ? "glorot_uniform" : "glorot_normal";
    if (is(mode, "fan_in") && scale == 2) return uniform ? "he_uniform" : "he_normal";
    if (is(mode, "fan_in") && scale == 1) return uniform ? "lecun_uniform" : "lecun_normal";
    return NULL;
}

/* Only a net whose weights are drawn anew asks for it: what is not known becomes the default. */
static int take_initializer(tmb__keras_one *one, const char *key, const json_t *value)
{
    static const char *const names[][2] = {{"GlorotUniform", "glorot_uniform"},
            {"GlorotNormal", "glorot_normal"}, {"HeUniform", "he_uniform"},
            {"HeNormal", "he_normal"}, {"LecunUniform", "lecun_uniform"},
            {"LecunNormal", "lecun_normal"}, {"RandomNormal", "random_normal"},
            {"RandomUniform", "random_uniform"}, {"TruncatedNormal", "truncated_normal"},
            {"Zeros", "zeros"}, {"Ones", "ones"}, {"zero", "zeros"}, {"one", "ones"},
            {"uniform", "random_uniform"}, {"normal", "random_normal"}};
    const char *class_name = json_is_string(value)
            ? json_string_value(value)
            : json_string_value(json_object_get(value, "class_name"));
    const bool gamma = is(key, "gamma_initializer"), alpha = is(key, "alpha_initializer");
    const char *name = NULL;

    for (size_t i = 0; class_name && i < TMB_COUNT(names); i++) {
        if (is(class_name, names[i][0]) || is(class_name, names[i][1])) name = names[i][1];
    }
    if (is(class_name, "VarianceScaling")) name = scaling_name(json_object_get(value, "config"));
    if (is(one->class_name, "LayerNormalization") && is(name, "ones")) return 0; /* has no other */
    if (!name || is(one->class_name, "LayerNormalization") ||
            (gamma && !is(name, "zeros") && !is(name, "ones"))) {
        TMB_LOG(INFO,
                "%s: layer \"%s\": the initialiser of \"%s\" is not known, the default is kept",
                tmb__printable(one->what), tmb__printable(one->name), key);
        return 0;
    }
    return set_new(one->options, gamma || alpha ? key : "kernel_initializer", json_string(name));
}

/* L1, L2, L1L2, and Keras 1's {"name": "WeightRegularizer", "l1": 0, "l2": 0.01}. */
static int take_regularizer(tmb__keras_one *one, const char *key, const json_t *value)
{
    const json_t *config = json_object_get(value, "config");
    const json_t *l1 = json_object_get(config ? config : value, "l1");
    const json_t *l2 = json_object_get(config ? config : value, "l2");

    if (json_is_null(value)) return 0;
    if (!json_is_number(l1) && !json_is_number(l2)) {
        TMB_LOG(WARN, "%s: layer \"%s\": \"%s\" is not supported and left out; training differs",
                tmb__printable(one->what), tmb__printable(one->name), key);
        return 0;
    }
    if (json_is_number(l1)) TMB_TRY(set(one, "l1", l1));
    return json_is_number(l2) ? set(one, "l2", l2) : 0;
}

static int take_training(tmb__keras_one *one, const char *key, const json_t *value)
{
    if (json_is_null(value) || json_is_false(value)) return 0;
    TMB_LOG(WARN, "%s: layer \"%s\": \"%s\" is left out; further training differs",
            tmb__printable(one->what), tmb__printable(one->name), key);
    return 0;
}

/* A bit for each axis that a norm is taken over; 0: not all are the kernel's. */
static int norm_axes(const json_t *axis, int rank)
{
    const size_t n = json_is_array(axis) ? json_array_size(axis) : 1;
    int bits = 0;

    if (!axis) return 1;
    if (json_is_null(axis)) return (1 << rank) - 1;
    for (size_t i = 0; i < n; i++) {
        int at = 0;

        if (!tmb__json_int(json_is_array(axis) ? json_array_get(axis, i) : axis, &at)) return 0;
        if (at < 0) at += rank;
        if (at < 0 || at >= rank) return 0;
        bits |= 1 << at;
    }
    return bits;
}

static const char *limit_of(const char *name)
{
    static const char *const limits[][3] = {{"MaxNorm", "max_norm", "maxnorm"},
            {"NonNeg", "non_neg", "nonneg"}, {"UnitNorm", "unit_norm", "unitnorm"},
            {"MinMaxNorm", "min_max_norm", "minmaxnorm"}};

    for (size_t i = 0; i < TMB_COUNT(limits); i++) {
        if (is_one_of(name, limits[i], TMB_COUNT(limits[i]))) return limits[i][0];
    }
    return NULL;
}

/* {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}}, a name, or Keras 1's {"name": "MaxNorm",
 * "m": 2, "axis": 0}, whose axes are others with the channels first. */
static int take_constraint(tmb__keras_one *one, const char *key, const json_t *value)
{
    const bool conv = is(one->class_name, "Conv2D"), dense = is(one->class_name, "Dense");
    const json_t *inner = json_object_get(value, "config"), *config = inner ? inner : value;
    const int axes = norm_axes(json_object_get(config, "axis"), conv ? 4 : 2);
    const char *name = json_string_value(value), *limit;
    float min = 0, max, rate = 1;

    if (!name) name = json_string_value(json_object_get(value, inner ? "class_name" : "name"));
    limit = limit_of(name);
    max = is(limit, "MaxNorm") ? 2 : 1;
    tmb__json_float(json_object_get(config, "m"), &max);
    tmb__json_float(json_object_get(config, "max_value"), &max);
    tmb__json_float(json_object_get(config, "min_value"), &min);
    tmb__json_float(json_object_get(config, "rate"), &rate);
    if (!limit || !(conv || dense) || !axes || !(max > 0) || !(rate > 0) ||
            (!inner && conv && one->channels_first))
        return take_training(one, key, value);
    return set_new(one->options, key,
            json_pack("{s:s,s:f,s:f,s:f,s:i}", "class_name", limit, "min", (double)min, "max",
                    (double)max, "rate", (double)rate, "axes", axes));
}

/* How far a random change goes: a number is the same both ways, or the two ends, in any order.
 * PITFALL: two zeros for the columns of a zoom mean the rows' factor here, none there. */
static int take_factor(tmb__keras_one *one, const char *key, const json_t *value)
{
    const bool contrast = is(one->class_name, "RandomContrast");
    const bool columns = is(one->class_name, "RandomZoom") && is(key, "width_factor");
    float ends[2];

    if (json_is_null(value)) return 0;
    if (tmb__json_float(value, &ends[1])) {
        ends[1] = fabsf(ends[1]);
        ends[0] = contrast ? ends[1] : 0 - ends[1];
    } else if (!tmb__json_floats(value, ends, 2)) {
        return set(one, key, value);
    }
    if (ends[0] > ends[1] && !contrast) { /* whose ends are 1 - low and 1 + high */
        const float low = ends[1];

        ends[1] = ends[0];
        ends[0] = low;
    }
    if (columns && ends[0] == 0 && ends[1] == 0) ends[1] = 1e-30f;
    return set_new(one->options, key, json_pack("[ff]", (double)ends[0], (double)ends[1]));
}

/* The order of the axes must be that of the whole net. */
static int take_order(tmb__keras_one *one, const char *key, const json_t *value)
{
    const char *order = json_string_value(value);
    const bool first = is(order, "channels_first") || is(order, "th");

    (void)key;
    if (is(one->class_name, "Flatten") || one->rank != 3 || json_is_null(value)) return 0;
    if (first == one->channels_first) return 0;
    return tmb__keras_refuse(one, "save a model whose layers all have the same data_format",
            "its channels are %s, those of other layers are not", first ? "first" : "last");
}

/* Only the axis of the channels is taken. */
static int take_axis(tmb__keras_one *one, const char *key, const json_t *value)
{
    const json_t *number = json_array_size(value) == 1 ? json_array_get(value, 0) : value;
    const int channels = one->channels_first && one->rank == 3 ? 1 : one->rank;
    const bool merges = json_is_string(json_object_get(one->config, "mode"));
    int axis = 0;

    if (merges && !is(one->class_name, "Concatenate")) return 0; /* Keras 1 has it in any Merge */
    if (!tmb__json_int(number, &axis)) {
        return tmb__keras_refuse(one, NULL, "option \"%s\" is not one axis", key);
    }
    if (axis < 0) axis += one->rank + 1;
    if (axis == channels) return 0;
    return tmb__keras_refuse(one, NULL, "%s is %d, only the axis of the channels (%d) is supported",
            key, axis, channels);
}

static int take_dtype(tmb__keras_one *one, const char *key, const json_t *value)
{
    const json_t *name = json_object_get(json_object_get(value, "config"), "name");
    const char *type = json_string_value(name ? name : value);

    (void)key;
    if (type && !is(type, "float32")) {
        TMB_LOG(WARN, "%s: layer \"%s\" computes in %s there, in float32 here",
                tmb__printable(one->what), tmb__printable(one->name), tmb__printable(type));
    }
    return 0;
}

/* An option that has one value for which it changes nothing. */
static int take_neutral(tmb__keras_one *one, const char *key, const json_t *value)
{
    const bool global = strncmp(one->class_name, "Global", 6) == 0;
    const bool nothing = json_is_null(value) || json_is_false(value) ||
            (json_is_number(value) && json_number_value(value) == is(key, "groups"));

    if (is(key, "mode") && is(one->class_name, "RandomFlip")) return set(one, key, value);
    if (is(key, "mode") && json_is_string(value)) return 0; /* Merge's: its class by now */
    if (is(key, "groups") && is(one->class_name, "Conv2D")) return set(one, key, value);
    if (is(key, "keepdims") && global && json_is_true(value)) return set(one, key, value);
    return nothing ? 0 : tmb__keras_refuse(one, NULL, "option \"%s\" is not supported", key);
}

/* ---- options ---- */

static const char *const renamed[][2] = {
        {"nb_filter", "filters"},
        {"output_dim", "units"},
        {"border_mode", "padding"},
        {"subsample", "strides"},
        {"atrous_rate", "dilation_rate"},
        {"bias", "use_bias"},
        {"init", "kernel_initializer"},
        {"W_regularizer", "kernel_regularizer"},
        {"W_constraint", "kernel_constraint"},
        {"b_regularizer", "bias_regularizer"},
        {"b_constraint", "bias_constraint"},
        {"depthwise_regularizer", "kernel_regularizer"},
        {"alpha_regularizer", "kernel_regularizer"},
        {"sigma", "stddev"},
        {"p", "rate"},
        {"dim_ordering", "data_format"},
        {"concat_axis", "axis"},
};

/* What says nothing that a net with its weights needs. */
static const char *const silent[] = {"name", "trainable", "batch_input_shape", "batch_shape",
        "input_dtype", "input_dim", "input_length", "sparse", "ragged", "optional", "seed",
        "bias_initializer", "beta_initializer", "moving_mean_initializer",
        "moving_variance_initializer", "pointwise_initializer", "beta_init", "gamma_init", "fused",
        "synchronized", "virtual_batch_size", "renorm_clipping", "renorm_momentum", "autocast",
        "dot_axes", "output_mask", "output_shape", "output_shape_type", "output_mask_type",
        "mode_type", "arguments", "quantization_config"};

/* What matters in training alone. */
static const char *const training[] = {"bias_regularizer", "activity_regularizer",
        "beta_regularizer", "gamma_regularizer", "pointwise_regularizer", "alpha_constraint",
        "bias_constraint", "beta_constraint", "gamma_constraint", "depthwise_constraint",
        "pointwise_constraint", "noise_shape", "renorm"};

static const struct {
    const char *key;
    int (*take)(tmb__keras_one *one, const char *key, const json_t *value);
} takers[] = {
        {"kernel_size", take_pair},
        {"pool_size", take_pair},
        {"size", take_pair},
        {"strides", take_pair},
        {"dilation_rate", take_pair},
        {"nb_row", take_side},
        {"nb_col", take_side},
        {"padding", take_padding},
        {"cropping", take_padding},
        {"activation", take_activation},
        {"kernel_initializer", take_initializer},
        {"depthwise_initializer", take_initializer},
        {"gamma_initializer", take_initializer},
        {"alpha_initializer", take_initializer},
        {"kernel_regularizer", take_regularizer},
        {"kernel_constraint", take_constraint},
        {"factor", take_factor},
        {"height_factor", take_factor},
        {"width_factor", take_factor},
        {"data_format", take_order},
        {"axis", take_axis},
        {"dtype", take_dtype},
        {"groups", take_neutral},
        {"keepdims", take_neutral},
        {"mode", take_neutral},
        {"lora_rank", take_neutral},
        {"rms_scaling", take_neutral},
};

static int take_option(tmb__keras_one *one, const char *key, const json_t *value)
{
    for (size_t i = 0; i < TMB_COUNT(renamed); i++) {
        if (is(key, renamed[i][0])) key = renamed[i][1];
    }
    if (is(key, "alpha") && is(one->class_name, "LeakyReLU")) key = "negative_slope";
    if (is_one_of(key, silent, TMB_COUNT(silent))) return 0;
    for (size_t i = 0; i < TMB_COUNT(takers); i++) {
        if (is(key, takers[i].key)) return takers[i].take(one, key, value);
    }
    if (is_one_of(key, training, TMB_COUNT(training))) return take_training(one, key, value);
    return json_is_null(value) ? 0 : set(one, key, value); /* None is the default */
}

/* Layers that are an activation, as options of theirs say. PITFALL: 0 stands for a default here, and a
 * slope of 0 is a ReLU. */
static int check_curve(tmb__keras_one *one)
{
    const bool elu = is(one->class_name, "ELU");
    const json_t *slope = json_object_get(one->options, elu ? "alpha" : "negative_slope");
    const json_t *most = json_object_get(one->options, "max_value");

    if (json_is_number(most) && json_number_value(most) <= 0) {
        return tmb__keras_refuse(one, NULL, "a max_value of 0 or below is not supported");
    }
    if (json_is_number(slope) && json_number_value(slope) == 0 && !is(one->class_name, "ReLU")) {
        one->class_name = "ReLU";
        json_object_clear(one->options);
    }
    return 0;
}

/* ---- what a layer makes of the shape ---- */

/* With its channels first a layer that reads the last axis, or all values in their order, is another. */
static int check_order(const tmb__keras_one *one)
{
    const char *activation = json_string_value(json_object_get(one->options, "activation"));

    if (!one->channels_first || one->rank != 3) return 0;
    if (!is(one->class_name, "Dense") && !is(one->class_name, "Permute") &&
            !is(one->class_name, "PReLU") &&
            !(is(activation, "softmax") && !json_object_get(one->config, "axis"))) {
        return 0;
    }
    return tmb__keras_refuse(one, "save the model with its channels last",
            "it reads the last axis, and the channels are first");
}

/* A Reshape to one axis is a Flatten. */
static int find_rank(tmb__keras_one *one)
{
    const char *order = json_string_value(json_object_get(one->config, "data_format"));
    const size_t n_target = json_array_size(json_object_get(one->options, "target_shape"));
    const bool flat = is(one->class_name, "Reshape") && n_target == 1;
    const bool global = strncmp(one->class_name, "Global", 6) == 0;

    if (is(one->class_name, "Reshape") && one->channels_first && one->rank == 3 && !flat) {
        return tmb__keras_refuse(one, "save the model with its channels last",
                "it takes all values in their order, and the channels are first");
    }
    if (one->rank == 3 && (flat || is(one->class_name, "Flatten"))) {
        one->chw_rows = one->channels_first && !is(order, "channels_first");
        one->hwc_rows = !one->chw_rows;
        one->class_name = "Flatten";
        json_object_del(one->options, "target_shape");
    }
    if (global && json_object_get(one->options, "keepdims")) return 0;
    if (flat || global || is(one->class_name, "Flatten"))
        one->rank = 1;
    else if (is(one->class_name, "Reshape"))
        one->rank = (int)n_target;
    return 0;
}

int tmb__keras_translate(tmb__keras_one *one)
{
    const char *key;
    json_t *value;

    one->options = json_object();
    if (!one->options) return tmb__fail(TMB_ENOMEM, "not enough memory for a net's config");
    TMB_TRY(find_class(one));
    json_object_foreach((json_t *)(uintptr_t)one->config, key, value)
            TMB_TRY(take_option(one, key, value));
    if (is_curve(one->class_name)) TMB_TRY(check_curve(one));
    TMB_TRY(check_order(one));
    return find_rank(one);
}
