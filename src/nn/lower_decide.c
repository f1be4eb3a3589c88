/* lower_decide.c - what a net's ops do together, decided before any of them is emitted
 *
 *   wants    Gradients flow only through layers with something to train in them or below them.
 *   apart    An activation is fused into its layer's op, except where its gradient needs the value before
 *            it (GELU, SWISH, MISH, ..), where that is what the loss takes, and for softmax, an op of its own.
 *   absorbed An Activation layer, the only reader of a layer without one, is done by that layer's op; so,
 *            in inference, is batch normalisation by a convolution or dense layer (fold.c). Zeros put around
 *            a value that no gradient passes are done by the convolution above, if that alone reads them. */
#include "nn/layer.h"

bool tmb__takes_logits(const tmb__train_spec *train, tmb_activation act)
{
    if (!train || train->clip_loss) return false;
    switch (train->loss) {
    case TMB_BINARY_CROSSENTROPY:
    case TMB_BINARY_FOCAL:
        return act == TMB_SIGMOID;
    case TMB_CATEGORICAL_CROSSENTROPY:
    case TMB_CATEGORICAL_FOCAL:
    case TMB_SPARSE_CATEGORICAL_CROSSENTROPY:
        return act == TMB_SOFTMAX;
    default:
        return false;
    }
}

bool tmb__has_trained(const tmb__layer *layer)
{
    for (int i = 0; i < layer->n_weights; i++) {
        if (!layer->weight[i].moving) return layer->trainable;
    }
    return false;
}

static bool wants(const tmb__builder *b, const tmb__layer *layer)
{
    if (!b->train) return false;
    if (layer == &b->model->layers[b->first]) return b->train->input_gradient;
    for (int i = 0; i < layer->n_from; i++) {
        if (tmb__wants_gradient(b, layer, i)) return true;
    }
    return tmb__has_trained(layer);
}

static int count_readers(const tmb_model *model, int number)
{
    int n = 0;

    for (int k = 0; k < model->n_layers; k++) {
        for (int i = 0; i < model->layers[k].n_from; i++)
            n += model->layers[k].from[i] == number;
    }
    return n;
}

/* The layer is nothing but its activation. */
static bool is_activation(const tmb__layer *layer)
{
    switch (layer->kind) {
    case TMB__LAYER_ACTIVATION:
    case TMB__LAYER_RELU:
    case TMB__LAYER_LEAKY_RELU:
    case TMB__LAYER_ELU:
    case TMB__LAYER_SOFTMAX:
        return true;
    default:
        return false;
    }
}

/* The layer that makes the value of the only input of `layer`, nobody else reading it; or NULL. */
static const tmb__layer *only_below(const tmb__builder *b, const tmb__layer *layer)
{
    const tmb__layer *from = tmb__layer_input(b, layer, 0);

    if (from == &b->model->layers[b->first]) return NULL;
    return count_readers(b->model, layer->from[0]) == 1 ? from : NULL;
}

/* Batch normalisation is done by the layer below it. */
static void absorb_norm(tmb__builder *b, const tmb__layer *layer)
{
    const tmb__layer *from = b->train ? NULL : only_below(b, layer);

    if (!from || !tmb__fold_takes(from, layer) || tmb__place_of(b, from)->act != TMB_LINEAR) return;
    tmb__place_of(b, from)->norm = (int)(layer - b->model->layers);
    tmb__place_of(b, layer)->absorbed = true;
}

/* Zero padding is done by the convolution above it. */
static void absorb_padding(tmb__builder *b, const tmb__layer *layer)
{
    const tmb__layer *from = only_below(b, layer);

    if (!from || from->kind != TMB__LAYER_ZEROPAD2D || tmb__place_of(b, from)->wants) return;
    tmb__place_of(b, from)->absorbed = true;
}

/* If `layer` is an Activation that the layer below it can do, let it. */
static void absorb(tmb__builder *b, const tmb__layer *layer)
{
    tmb__place *place = tmb__place_of(b, layer), *below;
    const tmb__layer *from;

    if (layer->kind == TMB__LAYER_BATCHNORM) absorb_norm(b, layer);
    if (layer->kind == TMB__LAYER_CONV2D || layer->kind == TMB__LAYER_DEPTHWISE_CONV2D)
        absorb_padding(b, layer);
    if (!is_activation(layer) || place->apart || place->act == TMB_LINEAR) return;
    from = only_below(b, layer);
    if (from && tmb__place_of(b, from)->absorbed) from = tmb__layer_input(b, from, 0);
    below = from ? tmb__place_of(b, from) : NULL;
    if (!below || !tmb__layer_type_of(from->kind)->fuses || below->act != TMB_LINEAR) return;
    below->act = place->act;
    below->alpha = place->alpha;
    place->absorbed = true;
}

void tmb__decide(tmb__builder *b)
{
    const tmb_model *model = b->model;
    int first_weight = 0;

    for (int k = 0; k < b->first; k++)
        first_weight += model->layers[k].n_weights;
    for (int k = b->first; k <= b->last; k++) {
        const tmb__layer *layer = &model->layers[k];
        const tmb_activation act = layer->config.activation;
        tmb__place *place = &b->places[k];
        const bool last = k == b->last;
        const bool fuses = is_activation(layer) || tmb__layer_type_of(layer->kind)->fuses;

        *place = (tmb__place){.y = -1,
                .z = -1,
                .dy = -1,
                .dz = -1,
                .kept = {-1, -1},
                .act = act,
                .norm = -1,
                .bias = -1};
        place->name = tmb__keep_name(b, layer->name);
        place->alpha = layer->config.alpha;
        place->wants = wants(b, layer);
        place->apart = act != TMB_LINEAR &&
                (act >= TMB_SOFTMAX || !fuses || (place->wants && tmb__act_needs_x(act)) ||
                        (last && tmb__takes_logits(b->train, act)));
        place->first_weight = first_weight;
        first_weight += layer->n_weights;
        if (k > b->first) absorb(b, layer);
    }
}
