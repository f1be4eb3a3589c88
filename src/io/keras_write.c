/* keras_write.c - a net as a Keras 3 config (keras/src/saving/serialization_lib.py)
 *
 * Only what differs from Keras' defaults has to be said, and the table of graph_json.c has nearly all of
 * it in Keras' words already. What Keras' layers cannot do themselves becomes a layer more: the
 * activation of Add and Concatenate, and those with a slope of their own. A net whose layers each read
 * the one before is a Sequential, any other a Functional. */
#include "io/keras_write.h"

#include <stdio.h>
#include <string.h>

/* ---- the net as Keras sees it ---- */

static bool has_kernel(const tmb__layer *layer)
{
    return layer->kind == TMB__LAYER_CONV2D || layer->kind == TMB__LAYER_DEPTHWISE_CONV2D ||
            layer->kind == TMB__LAYER_SEPARABLE_CONV2D || layer->kind == TMB__LAYER_DENSE;
}

static bool is_merge(const tmb__layer *layer)
{
    return layer->kind == TMB__LAYER_ADD || layer->kind == TMB__LAYER_CONCATENATE ||
            layer->kind == TMB__LAYER_MULTIPLY || layer->kind == TMB__LAYER_MAXIMUM ||
            layer->kind == TMB__LAYER_MINIMUM || layer->kind == TMB__LAYER_AVERAGE ||
            layer->kind == TMB__LAYER_SUBTRACT;
}

/* An activation by its name has Keras' slope: 0.2 of leaky_relu, 1 of elu. */
static bool needs_own_layer(const tmb__layer *layer)
{
    const tmb__layer_config *config = &layer->config;

    if (is_merge(layer)) return config->activation != TMB_LINEAR;
    if (!has_kernel(layer)) return false;
    return (config->activation == TMB_LEAKY_RELU && config->alpha != 0.2f) ||
            (config->activation == TMB_ELU && config->alpha != 1);
}

const char *tmb__keras_class(const tmb__layer *layer)
{
    if (layer->kind == TMB__LAYER_ACTIVATION) {
        if (layer->config.activation == TMB_LEAKY_RELU) return "LeakyReLU";
        if (layer->config.activation == TMB_ELU) return "ELU";
    }
    return tmb__layer_class(layer->kind);
}

static void free_name(const tmb_model *model, const tmb_model *view, char *name, const char *wanted)
{
    snprintf(name, sizeof view->layers[0].name, "%.60s", wanted);
    for (int n = 1; tmb_model_find(model, name) || tmb_model_find(view, name); n++)
        snprintf(name, sizeof view->layers[0].name, "%.50s_%d", wanted, n);
}

/* A layer of `kind` behind the last one. */
static tmb__layer *put_behind(
        const tmb_model *model, tmb_model *view, tmb__layer_kind kind, const char *wanted)
{
    tmb__layer *layer = &view->layers[view->n_layers];

    *layer = (tmb__layer){.kind = kind,
            .from = {view->n_layers},
            .n_from = 1,
            .out = view->layers[view->n_layers - 1].out,
            .trainable = true};
    free_name(model, view, layer->name, wanted);
    view->n_layers++;
    return layer;
}

/* Copy the layers, with those put in; `number` says which gives what a layer of the model gives. */
static void copy_layers(tmb__keras_net *net, const tmb_model *model, bool rescaling, int *number)
{
    tmb_model *view = &net->view;
    char wanted[128];

    for (int k = 0; k < model->n_layers; k++) {
        tmb__layer *copy = &view->layers[view->n_layers++], *more;

        *copy = model->layers[k];
        for (int i = 0; i < copy->n_from; i++)
            copy->from[i] = number[copy->from[i] - 1];
        if (k == 0 && rescaling) {
            put_behind(model, view, TMB__LAYER_RESCALING, "rescaling");
        } else if (needs_own_layer(copy)) {
            snprintf(wanted, sizeof wanted, "%.40s_activation", copy->name);
            more = put_behind(model, view, TMB__LAYER_ACTIVATION, wanted);
            more->config.activation = copy->config.activation;
            more->config.alpha = copy->config.alpha;
            copy->config.activation = TMB_LINEAR;
        }
        number[k] = view->n_layers;
    }
}

/* The preprocessing's scale and offset move into the net. */
static int take_scaling(tmb__keras_net *net)
{
    tmb_preprocess *pre = &net->view.preprocess;

    if (!net->view.has_preprocess) {
        return tmb__fail(
                TMB_EINVAL, "rescaling: the model has no preprocessing with a scale to put in");
    }
    if (pre->statistics || pre->samplewise_center || pre->samplewise_std || pre->channels == 4) {
        return tmb__fail(TMB_EINVAL, "rescaling: %s",
                pre->channels == 4
                        ? "the model takes RGBA, the layer three channels at most"
                        : "the model's photos are standardized, which the layer cannot do");
    }
    for (int c = 0; c < 3; c++) {
        net->scale[c] = pre->scale[c];
        net->offset[c] = pre->offset[c];
        pre->scale[c] = 1;
        pre->offset[c] = 0;
    }
    return 0;
}

int tmb__keras_net_new(tmb__keras_net *out, const tmb_model *model, bool rescaling)
{
    int *number = tmb__calloc((size_t)model->n_layers, sizeof *number), status = 0;
    tmb_model *view = &out->view;

    *out = (tmb__keras_net){.view = *model};
    view->n_layers = 0;
    view->infer = NULL;
    view->layers = tmb__calloc(2 * (size_t)model->n_layers + 1, sizeof *view->layers);
    if (!number || !view->layers) status = TMB_ENOMEM;
    if (status == 0 && rescaling) status = take_scaling(out);
    if (status == 0) {
        copy_layers(out, model, rescaling, number);
        status = tmb__model_sort(view);
    }
    tmb__free(number);
    if (status < 0) {
        tmb__keras_net_free(out);
        return status;
    }
    if (rescaling) out->rescaling = view->layers[1].name; /* only the input is deeper */
    out->sequential = true;
    for (int k = 1; k < view->n_layers; k++) {
        const tmb__layer *layer = &view->layers[k];

        out->sequential = out->sequential && layer->n_from == 1 && layer->from[0] == k;
    }
    return 0;
}

void tmb__keras_net_free(tmb__keras_net *net)
{
    tmb__free(net->view.layers);
    net->view.layers = NULL;
}

/* ---- a layer ---- */

static void shape_text(tmb__strbuf *sb, const tmb__shape *shape)
{
    tmb__strbuf_add(sb, "[null");
    for (int d = 0; d < shape->rank; d++)
        tmb__strbuf_add(sb, ",%lld", (long long)shape->dim[d]);
    tmb__strbuf_add(sb, "]");
}

static void penalty_text(tmb__strbuf *sb, const char *key, const tmb__layer_config *config)
{
    if (config->l1 == 0 && config->l2 == 0) return;
    tmb__strbuf_add(sb,
            ",\"%s_regularizer\":{\"module\":\"keras.regularizers\",\"class_name\":\"L1L2\","
            "\"config\":{\"l1\":%.9g,\"l2\":%.9g},\"registered_name\":null}",
            key, (double)config->l1, (double)config->l2);
}

/* As Keras has it: the norm's axes as a list, and only what a constraint takes. */
static void constraint_text(tmb__strbuf *sb, const tmb_constraint *c)
{
    static const char *const names[] = {[TMB_MAX_NORM] = "MaxNorm",
            [TMB_NON_NEG] = "NonNeg",
            [TMB_UNIT_NORM] = "UnitNorm",
            [TMB_MIN_MAX_NORM] = "MinMaxNorm"};
    const char *comma = "";

    if (c->limit == TMB_NO_LIMIT) return;
    tmb__strbuf_add(sb,
            ",\"kernel_constraint\":{\"module\":\"keras.constraints\",\"class_name\":\"%s\","
            "\"config\":{",
            names[c->limit]);
    if (c->limit == TMB_MAX_NORM || c->limit == TMB_MIN_MAX_NORM)
        tmb__strbuf_add(sb, "\"max_value\":%.9g,", (double)c->max);
    if (c->limit == TMB_MIN_MAX_NORM)
        tmb__strbuf_add(sb, "\"min_value\":%.9g,\"rate\":%.9g,", (double)c->min, (double)c->rate);
    if (c->limit != TMB_NON_NEG) tmb__strbuf_add(sb, "\"axis\":[");
    for (int i = 0; i < 4 && c->limit != TMB_NON_NEG; i++) {
        if (!(c->axes >> i & 1)) continue;
        tmb__strbuf_add(sb, "%s%d", comma, i);
        comma = ",";
    }
    tmb__strbuf_add(sb, "%s},\"registered_name\":null}", c->limit != TMB_NON_NEG ? "]" : "");
}

/* Initialisers and penalties of kernels, which depthwise ones have under other names. */
static void kernels_text(tmb__strbuf *sb, const tmb__layer *layer)
{
    const bool separable = layer->kind == TMB__LAYER_SEPARABLE_CONV2D;
    const bool depthwise = separable || layer->kind == TMB__LAYER_DEPTHWISE_CONV2D;
    const char *keys[] = {depthwise ? "depthwise" : "kernel", "pointwise"};

    for (int i = 0; i <= separable; i++) {
        tmb__strbuf_add(
                sb, ",\"%s_initializer\":\"%s\"", keys[i], tmb__init_name(layer->config.init));
        penalty_text(sb, keys[i], &layer->config);
    }
    constraint_text(sb, &layer->config.constraint);
}

static void scaling_text(tmb__strbuf *sb, const tmb__keras_net *net)
{
    const float *s = net->scale, *o = net->offset;
    const int64_t channels = net->view.layers[0].out.dim[2];
    const bool same =
            channels != 3 || (s[0] == s[1] && s[1] == s[2] && o[0] == o[1] && o[1] == o[2]);

    if (same) {
        tmb__strbuf_add(sb, ",\"scale\":%.9g,\"offset\":%.9g", (double)s[0], (double)o[0]);
        return;
    }
    tmb__strbuf_add(sb, ",\"scale\":[%.9g,%.9g,%.9g],\"offset\":[%.9g,%.9g,%.9g]", (double)s[0],
            (double)s[1], (double)s[2], (double)o[0], (double)o[1], (double)o[2]);
}

static int options_text(tmb__strbuf *sb, const tmb__keras_net *net, const tmb__layer *layer)
{
    static const char *const without[] = {
            "alpha", "l1", "l2", "batch_shape", "kernel_initializer", "kernel_constraint", NULL};
    static const char *const as_rows[] = {"width_factor", NULL}; /* a zoom's; Keras' None */
    static const char *const bare[] = {"alpha", "activation", NULL};
    static const char *const unlimited[] = {"max_value", NULL};
    const char *class_name = tmb__keras_class(layer);

    if (layer->config.activation == TMB_GELU_TANH) {
        return tmb__fail(TMB_EINVAL,
                "layer \"%s\": Keras has no name for the activation gelu_tanh, use gelu",
                tmb__printable(layer->name));
    }
    if (net->rescaling && strcmp(layer->name, net->rescaling) == 0) {
        scaling_text(sb, net);
    } else if (layer->kind == TMB__LAYER_ACTIVATION && strcmp(class_name, "Activation") != 0) {
        tmb__strbuf_add(sb, ",\"%s\":%.9g", class_name[0] == 'L' ? "negative_slope" : "alpha",
                (double)layer->config.alpha);
    } else if (layer->kind == TMB__LAYER_RELU && layer->config.max_value == 0) {
        tmb__layer_options(sb, layer, unlimited);
    } else if (layer->kind == TMB__LAYER_RANDOM_ZOOM && layer->config.range[2] == 0 &&
            layer->config.range[3] == 0) {
        tmb__layer_options(sb, layer, as_rows);
    } else {
        tmb__layer_options(sb, layer,
                layer->kind == TMB__LAYER_ELU ? NULL
                        : is_merge(layer)     ? bare
                                              : without);
    }
    if (has_kernel(layer)) kernels_text(sb, layer);
    if (layer->kind == TMB__LAYER_PRELU) penalty_text(sb, "alpha", &layer->config);
    return 0;
}

static int tensor_text(tmb__strbuf *sb, const tmb__layer *layer)
{
    tmb__strbuf_add(sb, "{\"class_name\":\"__keras_tensor__\",\"config\":{\"shape\":");
    shape_text(sb, &layer->out);
    tmb__strbuf_add(sb, ",\"dtype\":\"float32\",\"keras_history\":[");
    TMB_TRY(tmb__json_quote(sb, layer->name));
    tmb__strbuf_add(sb, ",0,0]}}");
    return 0;
}

/* What a layer of a Functional reads; several inputs are one argument, a list. */
static int nodes_text(tmb__strbuf *sb, const tmb_model *view, const tmb__layer *layer)
{
    tmb__strbuf_add(sb, ",\"name\":");
    TMB_TRY(tmb__json_quote(sb, layer->name));
    tmb__strbuf_add(sb, ",\"inbound_nodes\":[");
    if (layer->n_from) tmb__strbuf_add(sb, "{\"args\":[%s", layer->n_from > 1 ? "[" : "");
    for (int i = 0; i < layer->n_from; i++) {
        if (i) tmb__strbuf_add(sb, ",");
        TMB_TRY(tensor_text(sb, &view->layers[layer->from[i] - 1]));
    }
    if (layer->n_from) tmb__strbuf_add(sb, "%s],\"kwargs\":{}}", layer->n_from > 1 ? "]" : "");
    tmb__strbuf_add(sb, "]");
    return 0;
}

static int layer_text(tmb__strbuf *sb, const tmb__keras_net *net, const tmb__layer *layer)
{
    tmb__strbuf_add(sb,
            "{\"module\":\"keras.layers\",\"class_name\":\"%s\",\"registered_name\":null,"
            "\"config\":{\"dtype\":\"float32\",\"name\":",
            tmb__keras_class(layer));
    TMB_TRY(tmb__json_quote(sb, layer->name));
    if (layer->kind == TMB__LAYER_INPUT) {
        tmb__strbuf_add(sb, ",\"batch_shape\":");
        shape_text(sb, &layer->out);
    } else {
        if (layer->n_weights) /* SpatialDropout2D does not take it */
            tmb__strbuf_add(sb, ",\"trainable\":%s", layer->trainable ? "true" : "false");
        TMB_TRY(options_text(sb, net, layer));
    }
    tmb__strbuf_add(sb, "}");
    if (!net->sequential) TMB_TRY(nodes_text(sb, &net->view, layer));
    tmb__strbuf_add(sb, "}");
    return 0;
}

/* ---- the model ---- */

static int ends_text(tmb__strbuf *sb, const tmb_model *view)
{
    tmb__strbuf_add(sb, ",\"input_layers\":[");
    TMB_TRY(tmb__json_quote(sb, view->layers[0].name));
    tmb__strbuf_add(sb, ",0,0],\"output_layers\":[");
    TMB_TRY(tmb__json_quote(sb, view->layers[view->n_layers - 1].name));
    tmb__strbuf_add(sb, ",0,0]");
    return 0;
}

int tmb__keras_config_text(tmb__strbuf *sb, const tmb__keras_net *net)
{
    const tmb_model *view = &net->view;

    tmb__strbuf_add(sb,
            net->sequential ? "{\"module\":\"keras\",\"class_name\":\"Sequential\",\"config\":{"
                              "\"name\":\"sequential\""
                            : "{\"module\":\"keras.src.models.functional\",\"class_name\":"
                              "\"Functional\",\"config\":{\"name\":\"functional\"");
    tmb__strbuf_add(sb, ",\"trainable\":true,\"layers\":[");
    for (int k = 0; k < view->n_layers; k++) {
        if (k) tmb__strbuf_add(sb, ",");
        TMB_TRY(layer_text(sb, net, &view->layers[k]));
    }
    tmb__strbuf_add(sb, "]");
    if (!net->sequential) TMB_TRY(ends_text(sb, view));
    tmb__strbuf_add(sb, "},\"registered_name\":%s,\"build_config\":{\"input_shape\":",
            net->sequential ? "null" : "\"Functional\"");
    shape_text(sb, &view->layers[0].out);
    tmb__strbuf_add(sb, "}");
    if (net->compiled) {
        tmb__strbuf_add(sb, ",\"compile_config\":");
        tmb__keras_compile_text(sb, view->optimizer, false);
    }
    tmb__strbuf_add(sb, "}");
    return sb->failed ? TMB_ENOMEM : 0;
}

/* Statistics are tensors of a .thimble: without them the rest would prepare photos wrongly. */
int tmb__keras_meta_text(tmb__strbuf *sb, const tmb__keras_net *net)
{
    tmb__strbuf_add(sb, "{\"version\":\"%s\"", tmb_version());
    TMB_TRY(tmb__meta_text(sb, &net->view));
    tmb__strbuf_add(sb, "}");
    return sb->failed ? TMB_ENOMEM : 0;
}
