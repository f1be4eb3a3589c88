/* graph_json.c - a net's graph as JSON text, and a net from it
 *
 *     {"class_name": "Functional", "config": {"layers": [
 *         {"class_name": "InputLayer", "config": {"name": "input_layer", ...}, "inbound": []},
 *         {"class_name": "Conv2D", "config": {"name": "conv2d", "filters": 32, "kernel_size": [3, 3],
 *                 ...}, "inbound": ["input_layer"]}, ...]}}
 *
 * Class and option names are Keras'. The table below says which options a kind of layer has, and both
 * ways go through it. A layer names layers before it only, so there are no cycles. What the file says is
 * data: a class or an option that is not in the tables is refused, nothing is ever executed. */
#include "io/json_get.h"

#include <string.h>

enum { LAYERS_LIMIT = 4096 };

typedef enum field_type {
    FIELD_INT,
    FIELD_PAIR,
    FIELD_BOOL,
    FIELD_NOT, /* a bool of which the JSON has the opposite */
    FIELD_FLOAT,
    FIELD_ACTIVATION,
    FIELD_INIT,
    FIELD_PADDING, /* "valid" or "same" */
    FIELD_BETWEEN, /* "nearest" or "bilinear" */
    FIELD_NEAREST, /* the same, the default being the other */
    FIELD_RANGE,   /* [low, high] */
    FIELD_FLIP,
    FIELD_EDGE,
    FIELD_BORDERS,    /* [[top, bottom], [left, right]] */
    FIELD_TARGET,     /* up to four sizes */
    FIELD_CONSTRAINT, /* {"class_name", "min", "max", "rate", "axes"}, only if there is one */
    FIELD_INPUT       /* [null, height, width, channels] */
} field_type;

#define K(KIND) ((uint64_t)1 << TMB__LAYER_##KIND)
#define CONVS   (K(CONV2D) | K(DEPTHWISE_CONV2D) | K(SEPARABLE_CONV2D))
#define POOLS   (K(MAX_POOL2D) | K(AVG_POOL2D))
#define KERNELS (CONVS | K(DENSE))
#define MERGES                                                                                     \
    (K(ADD) | K(CONCATENATE) | K(MULTIPLY) | K(MAXIMUM) | K(MINIMUM) | K(AVERAGE) | K(SUBTRACT))
#define CURVED   (KERNELS | K(ACTIVATION) | MERGES)
#define DROPS    (K(DROPOUT) | K(SPATIAL_DROPOUT2D) | K(GAUSSIAN_DROPOUT))
#define NORMS    (K(BATCHNORM) | K(LAYERNORM))
#define WARPS    (K(RANDOM_ROTATION) | K(RANDOM_ZOOM) | K(RANDOM_TRANSLATION))
#define TINTS    (K(RANDOM_CONTRAST) | K(RANDOM_BRIGHTNESS))
#define GLOBALS  (K(GLOBAL_AVG_POOL2D) | K(GLOBAL_MAX_POOL2D))
#define AT(part) offsetof(tmb__layer_config, part)

static const struct field {
    const char *key;
    field_type type;
    size_t at;      /* in tmb__layer_config */
    uint64_t kinds; /* that have it */
} fields[] = {
        {"batch_shape", FIELD_INPUT, AT(shape), K(INPUT)},
        {"filters", FIELD_INT, AT(filters), K(CONV2D) | K(SEPARABLE_CONV2D)},
        {"units", FIELD_INT, AT(filters), K(DENSE)},
        {"kernel_size", FIELD_PAIR, AT(kernel), CONVS},
        {"pool_size", FIELD_PAIR, AT(kernel), POOLS},
        {"strides", FIELD_PAIR, AT(stride), CONVS | POOLS},
        {"padding", FIELD_PADDING, AT(same_padding), CONVS | POOLS},
        {"padding", FIELD_BORDERS, AT(pad), K(ZEROPAD2D)},
        {"cropping", FIELD_BORDERS, AT(pad), K(CROPPING2D)},
        {"size", FIELD_PAIR, AT(kernel), K(UPSAMPLING2D)},
        {"interpolation", FIELD_BETWEEN, AT(bilinear), K(UPSAMPLING2D)},
        {"keepdims", FIELD_BOOL, AT(keepdims), GLOBALS},
        {"dilation_rate", FIELD_PAIR, AT(dilation), CONVS},
        {"groups", FIELD_INT, AT(groups), K(CONV2D)},
        {"depth_multiplier", FIELD_INT, AT(multiplier), K(DEPTHWISE_CONV2D) | K(SEPARABLE_CONV2D)},
        {"activation", FIELD_ACTIVATION, AT(activation), CURVED},
        {"alpha", FIELD_FLOAT, AT(alpha), CURVED | K(ELU)},
        {"max_value", FIELD_FLOAT, AT(max_value), K(RELU)},
        {"negative_slope", FIELD_FLOAT, AT(alpha), K(RELU) | K(LEAKY_RELU)},
        {"threshold", FIELD_FLOAT, AT(threshold), K(RELU)},
        {"shared_axes", FIELD_TARGET, AT(shape), K(PRELU)},
        {"alpha_initializer", FIELD_INIT, AT(init), K(PRELU)},
        {"use_bias", FIELD_NOT, AT(no_bias), KERNELS},
        {"kernel_initializer", FIELD_INIT, AT(init), KERNELS},
        {"kernel_constraint", FIELD_CONSTRAINT, AT(constraint), K(CONV2D) | K(DENSE)},
        {"l1", FIELD_FLOAT, AT(l1), KERNELS | K(PRELU)},
        {"l2", FIELD_FLOAT, AT(l2), KERNELS | K(PRELU)},
        {"rate", FIELD_FLOAT, AT(rate), DROPS},
        {"stddev", FIELD_FLOAT, AT(rate), K(GAUSSIAN_NOISE)},
        {"momentum", FIELD_FLOAT, AT(momentum), K(BATCHNORM)},
        {"epsilon", FIELD_FLOAT, AT(epsilon), NORMS},
        {"scale", FIELD_NOT, AT(no_scale), NORMS},
        {"center", FIELD_NOT, AT(no_center), NORMS},
        {"gamma_initializer", FIELD_INIT, AT(init), K(BATCHNORM)},
        {"mode", FIELD_FLIP, AT(flip), K(RANDOM_FLIP)},
        {"factor", FIELD_RANGE, AT(range), K(RANDOM_ROTATION) | TINTS},
        {"height_factor", FIELD_RANGE, AT(range), K(RANDOM_ZOOM) | K(RANDOM_TRANSLATION)},
        {"width_factor", FIELD_RANGE, AT(range[2]), K(RANDOM_ZOOM) | K(RANDOM_TRANSLATION)},
        {"fill_mode", FIELD_EDGE, AT(edge), WARPS},
        {"fill_value", FIELD_FLOAT, AT(fill), WARPS},
        {"interpolation", FIELD_NEAREST, AT(nearest), WARPS},
        {"value_range", FIELD_RANGE, AT(values), TINTS},
        {"height", FIELD_INT, AT(kernel[0]), K(RANDOM_CROP)},
        {"width", FIELD_INT, AT(kernel[1]), K(RANDOM_CROP)},
        {"target_shape", FIELD_TARGET, AT(shape), K(RESHAPE)},
        {"dims", FIELD_TARGET, AT(shape), K(PERMUTE)},
        {"scale", FIELD_FLOAT, AT(scale), K(RESCALING)},
        {"offset", FIELD_FLOAT, AT(offset), K(RESCALING)},
};

static const char *const activations[] = {
        [TMB_LINEAR] = "linear",
        [TMB_RELU] = "relu",
        [TMB_RELU6] = "relu6",
        [TMB_LEAKY_RELU] = "leaky_relu",
        [TMB_ELU] = "elu",
        [TMB_SELU] = "selu",
        [TMB_SIGMOID] = "sigmoid",
        [TMB_TANH] = "tanh",
        [TMB_SOFTPLUS] = "softplus",
        [TMB_GELU] = "gelu",
        [TMB_SWISH] = "swish",
        [TMB_HARD_SIGMOID] = "hard_sigmoid",
        [TMB_SOFTSIGN] = "softsign",
        [TMB_EXPONENTIAL] = "exponential",
        [TMB_GELU_TANH] = "gelu_tanh",
        [TMB_HARD_SWISH] = "hard_swish",
        [TMB_MISH] = "mish",
        [TMB_SOFTMAX] = "softmax",
        [TMB_LOG_SOFTMAX] = "log_softmax",
};

static const char *const inits[] = {
        [TMB_GLOROT_UNIFORM] = "glorot_uniform",
        [TMB_GLOROT_NORMAL] = "glorot_normal",
        [TMB_HE_UNIFORM] = "he_uniform",
        [TMB_HE_NORMAL] = "he_normal",
        [TMB_LECUN_UNIFORM] = "lecun_uniform",
        [TMB_LECUN_NORMAL] = "lecun_normal",
        [TMB_RANDOM_NORMAL] = "random_normal",
        [TMB_RANDOM_UNIFORM] = "random_uniform",
        [TMB_TRUNCATED_NORMAL] = "truncated_normal",
        [TMB_ZEROS] = "zeros",
        [TMB_ONES] = "ones",
};

static const char *const paddings[] = {"valid", "same"};
static const char *const betweens[] = {"nearest", "bilinear"};

static const char *const nearests[] = {"bilinear", "nearest"};
static const char *const flips[] = {"horizontal_and_vertical", "horizontal", "vertical"};
static const char *const edges[] = {
        [TMB_EDGE_REFLECT] = "reflect",
        [TMB_EDGE_CONSTANT] = "constant",
        [TMB_EDGE_NEAREST] = "nearest",
        [TMB_EDGE_WRAP] = "wrap",
};

static const char *const limits[] = {
        [TMB_MAX_NORM] = "MaxNorm",
        [TMB_NON_NEG] = "NonNeg",
        [TMB_UNIT_NORM] = "UnitNorm",
        [TMB_MIN_MAX_NORM] = "MinMaxNorm",
};

/* ---- to text ---- */

static void shape_text(tmb__strbuf *sb, const int *shape)
{
    tmb__strbuf_add(sb, "[");
    for (int i = 0; i < 4 && shape[i] != 0; i++)
        tmb__strbuf_add(sb, i ? ",%d" : "%d", shape[i]);
    tmb__strbuf_add(sb, "]");
}

static void constraint_text(tmb__strbuf *sb, const tmb_constraint *c)
{
    tmb__strbuf_add(sb,
            "{\"class_name\":\"%s\",\"min\":%.9g,\"max\":%.9g,\"rate\":%.9g,\"axes\":%u}",
            limits[c->limit], (double)c->min, (double)c->max, (double)c->rate, c->axes);
}

/* Nine digits give a float back exactly. */
static void field_text(tmb__strbuf *sb, const struct field *field, const tmb__layer_config *config)
{
    const void *at = (const char *)config + field->at;
    const int *ints = at;

    if (field->type == FIELD_CONSTRAINT && config->constraint.limit == TMB_NO_LIMIT) return;
    tmb__strbuf_add(sb, ",\"%s\":", field->key);
    switch (field->type) {
    case FIELD_INT:
        tmb__strbuf_add(sb, "%d", ints[0]);
        break;
    case FIELD_PAIR:
        tmb__strbuf_add(sb, "[%d,%d]", ints[0], ints[1]);
        break;
    case FIELD_BOOL:
        tmb__strbuf_add(sb, *(const bool *)at ? "true" : "false");
        break;
    case FIELD_NOT:
        tmb__strbuf_add(sb, *(const bool *)at ? "false" : "true");
        break;
    case FIELD_FLOAT:
        tmb__strbuf_add(sb, "%.9g", (double)*(const float *)at);
        break;
    case FIELD_ACTIVATION:
        tmb__strbuf_add(sb, "\"%s\"", activations[config->activation]);
        break;
    case FIELD_INIT:
        tmb__strbuf_add(sb, "\"%s\"", inits[config->init]);
        break;
    case FIELD_PADDING:
        tmb__strbuf_add(sb, "\"%s\"", paddings[config->same_padding]);
        break;
    case FIELD_BETWEEN:
        tmb__strbuf_add(sb, "\"%s\"", betweens[config->bilinear]);
        break;
    case FIELD_NEAREST:
        tmb__strbuf_add(sb, "\"%s\"", nearests[config->nearest]);
        break;
    case FIELD_RANGE:
        tmb__strbuf_add(
                sb, "[%.9g,%.9g]", (double)((const float *)at)[0], (double)((const float *)at)[1]);
        break;
    case FIELD_FLIP:
        tmb__strbuf_add(sb, "\"%s\"", flips[config->flip]);
        break;
    case FIELD_EDGE:
        tmb__strbuf_add(sb, "\"%s\"", edges[config->edge]);
        break;
    case FIELD_BORDERS:
        tmb__strbuf_add(sb, "[[%d,%d],[%d,%d]]", ints[0], ints[1], ints[2], ints[3]);
        break;
    case FIELD_TARGET:
        shape_text(sb, ints);
        break;
    case FIELD_CONSTRAINT:
        constraint_text(sb, &config->constraint);
        break;
    case FIELD_INPUT:
        tmb__strbuf_add(sb, "[null,%d,%d,%d]", ints[0], ints[1], ints[2]);
        break;
    }
}

void tmb__layer_options(tmb__strbuf *sb, const tmb__layer *layer, const char *const *without)
{
    for (size_t i = 0; i < TMB_COUNT(fields); i++) {
        bool wanted = fields[i].kinds & (uint64_t)1 << layer->kind;

        for (const char *const *w = without; w && *w; w++)
            wanted = wanted && strcmp(*w, fields[i].key) != 0;
        if (wanted) field_text(sb, &fields[i], &layer->config);
    }
}

static int layer_text(tmb__strbuf *sb, const tmb_model *model, const tmb__layer *layer)
{
    tmb__strbuf_add(
            sb, "{\"class_name\":\"%s\",\"config\":{\"name\":", tmb__layer_class(layer->kind));
    TMB_TRY(tmb__json_quote(sb, layer->name));
    tmb__strbuf_add(sb, ",\"trainable\":%s", layer->trainable ? "true" : "false");
    tmb__layer_options(sb, layer, NULL);
    tmb__strbuf_add(sb, "},\"inbound\":[");
    for (int i = 0; i < layer->n_from; i++) {
        if (i) tmb__strbuf_add(sb, ",");
        TMB_TRY(tmb__json_quote(sb, model->layers[layer->from[i] - 1].name));
    }
    tmb__strbuf_add(sb, "]}");
    return 0;
}

int tmb__graph_text(tmb__strbuf *sb, const tmb_model *model)
{
    tmb__strbuf_add(sb, "{\"class_name\":\"Functional\",\"config\":{\"layers\":[");
    for (int i = 0; i < model->n_layers; i++) {
        if (i) tmb__strbuf_add(sb, ",");
        TMB_TRY(layer_text(sb, model, &model->layers[i]));
    }
    tmb__strbuf_add(sb, "]}}");
    return sb->failed ? TMB_ENOMEM : 0;
}

const char *tmb__init_name(tmb_init init)
{
    return inits[init];
}

int tmb__graph_to_json(char **out, const tmb_model *model)
{
    tmb__strbuf sb = {0};
    int status = tmb__graph_text(&sb, model);

    *out = sb.text;
    if (status == 0) return 0;
    tmb__strbuf_free(&sb);
    *out = NULL;
    return status;
}

/* ---- from JSON ---- */

static bool get_target(const json_t *json, int *shape)
{
    const size_t n = json_array_size(json);

    return json_is_array(json) && n <= 4 && tmb__json_ints(json, shape, n);
}

static bool get_borders(const json_t *json, int *pad)
{
    return json_array_size(json) == 2 && tmb__json_ints(json_array_get(json, 0), pad, 2) &&
            tmb__json_ints(json_array_get(json, 1), pad + 2, 2);
}

static bool get_constraint(const json_t *json, tmb_constraint *c)
{
    int limit = 0, axes = 0;

    if (json_object_size(json) != 5 ||
            !tmb__json_choice(
                    json_object_get(json, "class_name"), limits, TMB_COUNT(limits), &limit) ||
            !tmb__json_float(json_object_get(json, "min"), &c->min) ||
            !tmb__json_float(json_object_get(json, "max"), &c->max) ||
            !tmb__json_float(json_object_get(json, "rate"), &c->rate) ||
            !tmb__json_int(json_object_get(json, "axes"), &axes) || axes < 1)
        return false;
    c->limit = (tmb_limit)limit;
    c->axes = (unsigned)axes;
    return true;
}

static bool get_input(const json_t *json, int *shape)
{
    if (json_array_size(json) != 4 || !json_is_null(json_array_get(json, 0))) return false;
    for (size_t i = 0; i < 3; i++) {
        if (!tmb__json_int(json_array_get(json, i + 1), &shape[i])) return false;
    }
    return true;
}

static bool get_field(const struct field *field, const json_t *json, tmb__layer_config *config)
{
    void *at = (char *)config + field->at;
    int number = 0;
    bool yes, ok;

    switch (field->type) {
    case FIELD_INT:
        return tmb__json_int(json, at);
    case FIELD_PAIR:
        return tmb__json_ints(json, at, 2);
    case FIELD_BOOL:
        return tmb__json_bool(json, at);
    case FIELD_NOT:
        ok = tmb__json_bool(json, &yes);
        if (ok) *(bool *)at = !yes;
        return ok;
    case FIELD_FLOAT:
        return tmb__json_float(json, at);
    case FIELD_ACTIVATION:
        ok = tmb__json_choice(json, activations, TMB_COUNT(activations), &number);
        config->activation = (tmb_activation)number;
        return ok;
    case FIELD_INIT:
        ok = tmb__json_choice(json, inits, TMB_COUNT(inits), &number);
        config->init = (tmb_init)number;
        return ok;
    case FIELD_PADDING:
        ok = tmb__json_choice(json, paddings, TMB_COUNT(paddings), &number);
        config->same_padding = number;
        return ok;
    case FIELD_BETWEEN:
        ok = tmb__json_choice(json, betweens, TMB_COUNT(betweens), &number);
        config->bilinear = number;
        return ok;
    case FIELD_NEAREST:
        ok = tmb__json_choice(json, nearests, TMB_COUNT(nearests), &number);
        config->nearest = number;
        return ok;
    case FIELD_RANGE:
        return tmb__json_floats(json, at, 2);
    case FIELD_FLIP:
        return tmb__json_choice(json, flips, TMB_COUNT(flips), &config->flip);
    case FIELD_EDGE:
        ok = tmb__json_choice(json, edges, TMB_COUNT(edges), &number);
        config->edge = (tmb_edge)number;
        return ok;
    case FIELD_BORDERS:
        return get_borders(json, at);
    case FIELD_TARGET:
        return get_target(json, at);
    case FIELD_CONSTRAINT:
        return get_constraint(json, at);
    case FIELD_INPUT:
        return get_input(json, at);
    }
    return false;
}

/* One layer as the file has it. */
typedef struct entry {
    const char *what; /* the file */
    const char *name; /* borrowed from the JSON */
    tmb__layer_kind kind;
    tmb__layer_config config;
    bool trainable;
    tmb_layer from[TMB_LAYER_INPUTS];
    int n_from;
} entry;

/* "file: layer "conv2d": option "filters": text" */
static int fail_option(const entry *e, const char *option, const char *text)
{
    return tmb__fail(TMB_EMODEL, "%s: layer \"%s\" (%s): option \"%s\" %s", tmb__printable(e->what),
            tmb__printable(e->name), tmb__layer_class(e->kind), tmb__printable(option), text);
}

static int read_option(entry *e, const char *key, const json_t *value)
{
    if (strcmp(key, "name") == 0) return 0;
    if (strcmp(key, "trainable") == 0) {
        return tmb__json_bool(value, &e->trainable) ? 0
                                                    : fail_option(e, key, "is not true or false");
    }
    for (size_t i = 0; i < TMB_COUNT(fields); i++) {
        if (!(fields[i].kinds & (uint64_t)1 << e->kind) || strcmp(fields[i].key, key) != 0)
            continue;
        return get_field(&fields[i], value, &e->config) ? 0
                                                        : fail_option(e, key, "has no known value");
    }
    return fail_option(e, key, "is not known");
}

static int read_kind(entry *e, const json_t *json)
{
    const char *class_name = json_string_value(json_object_get(json, "class_name"));

    for (int kind = 0; class_name && kind < TMB__LAYER_KINDS; kind++) {
        if (strcmp(class_name, tmb__layer_class((tmb__layer_kind)kind)) != 0) continue;
        e->kind = (tmb__layer_kind)kind;
        return 0;
    }
    return tmb__fail(TMB_EMODEL,
            "%s: layer \"%s\": class \"%s\" is not supported, nothing was executed",
            tmb__printable(e->what), tmb__printable(e->name),
            tmb__printable(class_name ? class_name : "?"));
}

static int read_inbound(entry *e, const tmb_model *model, const json_t *json)
{
    const size_t n = json_array_size(json);

    if (!json_is_array(json) || n > TMB_LAYER_INPUTS) {
        return tmb__fail(TMB_EMODEL,
                "%s: layer \"%s\": \"inbound\" is not a list of at most %d layers",
                tmb__printable(e->what), tmb__printable(e->name), TMB_LAYER_INPUTS);
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(json, i));

        e->from[i] = name && model ? tmb_model_find(model, name) : 0;
        if (e->from[i] > 0) continue;
        return tmb__fail(TMB_EMODEL,
                "%s: layer \"%s\" reads \"%s\", which is not a layer before it",
                tmb__printable(e->what), tmb__printable(e->name),
                tmb__printable(name ? name : "?"));
    }
    e->n_from = (int)n;
    return 0;
}

static int read_entry(entry *e, const tmb_model *model, const json_t *json, const char *what)
{
    json_t *config = json_object_get(json, "config"), *value;
    const char *name = json_string_value(json_object_get(config, "name")), *key;

    *e = (entry){.what = what, .name = name, .trainable = true};
    if (!name) {
        return tmb__fail(TMB_EMODEL, "%s: a layer without class_name, config and name",
                tmb__printable(what));
    }
    TMB_TRY(read_kind(e, json));
    json_object_foreach(config, key, value) TMB_TRY(read_option(e, key, value));
    return read_inbound(e, model, json_object_get(json, "inbound"));
}

/* What tmb__model_add asks of a name; the first layer does not come through it. */
static bool is_layer_name(const char *name)
{
    const size_t n = strlen(name);

    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)name[i] < 32 || name[i] == 127 || name[i] == '/') return false;
    }
    return n > 0 && n < sizeof((tmb__layer *)NULL)->name;
}

/* The model with its first layer, whose name is the file's. */
static int start_model(tmb_model **model, const entry *e)
{
    const int *shape = e->config.shape;
    int status;

    if (e->kind != TMB__LAYER_INPUT || !is_layer_name(e->name) || e->n_from) {
        return tmb__fail(TMB_EMODEL, "%s: the first layer is \"%s\" (%s), an InputLayer expected",
                tmb__printable(e->what), tmb__printable(e->name), tmb__layer_class(e->kind));
    }
    status = tmb_model_new(model, shape[0], shape[1], shape[2]);
    if (status < 0) return tmb__refuse(status, e->what);
    memcpy((*model)->layers[0].name, e->name, strlen(e->name) + 1);
    (*model)->layers[0].trainable = e->trainable;
    return 0;
}

static int add_layer(tmb_model *model, const entry *e)
{
    int status;

    if (e->kind == TMB__LAYER_INPUT) {
        return tmb__fail(TMB_EMODEL, "%s: layer \"%s\": a second InputLayer",
                tmb__printable(e->what), tmb__printable(e->name));
    }
    tmb__model_add(model, e->kind, &e->config, e->from, e->n_from, e->name, e->trainable);
    status = tmb_model_check(model);
    return status < 0 ? tmb__refuse(status, e->what) : 0;
}

static int load_layers(tmb_model **model, const json_t *layers, int64_t most, const char *what)
{
    const size_t n = json_array_size(layers);

    for (size_t i = 0; i < n; i++) {
        entry e;

        TMB_TRY(read_entry(&e, *model, json_array_get(layers, i), what));
        if (i == 0) {
            TMB_TRY(start_model(model, &e));
            (*model)->undrawn = true;
            (*model)->most_weights = most;
        } else {
            TMB_TRY(add_layer(*model, &e));
        }
    }
    return 0;
}

int tmb__graph_load(tmb_model **out, const json_t *json, int64_t most, const char *what)
{
    const json_t *layers = json_object_get(json_object_get(json, "config"), "layers");
    const char *class_name = json_string_value(json_object_get(json, "class_name"));
    const size_t n = json_array_size(layers);
    int status;

    *out = NULL;
    if (!class_name || strcmp(class_name, "Functional") != 0 || n < 1 || n > LAYERS_LIMIT) {
        return tmb__fail(TMB_EMODEL, "%s: the graph is not a Functional one of 1 to %d layers",
                tmb__printable(what), LAYERS_LIMIT);
    }
    status = load_layers(out, layers, most, what);
    if (status == 0) status = tmb__model_validate(*out);
    if (status < 0 && status != TMB_EMODEL) status = tmb__refuse(status, what);
    if (status == 0) {
        (*out)->undrawn = false;
        (*out)->most_weights = 0;
        return 0;
    }
    tmb_model_free(*out);
    *out = NULL;
    return status;
}

int tmb__graph_from_json(tmb_model **out, const char *json, int64_t most, const char *what)
{
    json_t *graph;
    int status;

    *out = NULL;
    TMB_TRY(tmb__json_parse(&graph, json, strlen(json), what));
    status = tmb__graph_load(out, graph, most, what);
    json_decref(graph);
    return status < 0 ? status : tmb_model_init(*out, 0);
}
