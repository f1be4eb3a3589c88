/* lower.c - the net as one flat list of ops, for inference or for a whole training step
 *
 * Forward: the layers in their order, each emitting its ops (layer_*.c). Training goes on with LOSS, the
 * layers in reverse for the gradients, and the updates (lower_update.c). What is fused with what is decided
 * for the whole net before any op is emitted (lower_decide.c).
 *
 * The loss: a net that ends in sigmoid or softmax under the matching cross-entropy hands LOSS the logits;
 * their gradient then passes by the activation's (keras.md 4.1 says why). */
#include "nn/layer.h"

#include <stdio.h>
#include <string.h>

/* ---- tensors and ops ---- */

/* Room for one more of `size` bytes at the end of an array. */
static int grow(void **items, int *cap, int n, size_t size)
{
    const int wanted = *cap ? 2 * *cap : 64;
    void *bigger;

    if (n < *cap) return 0;
    bigger = tmb__realloc(*items, (size_t)wanted, size);
    if (!bigger) return TMB_ENOMEM;
    *items = bigger;
    *cap = wanted;
    return 0;
}

const char *tmb__keep_name(tmb__builder *b, const char *text)
{
    tmb__lowered *list = b->list;
    void *names = list->names;
    char *copy;

    if (b->status < 0) return "";
    b->status = grow(&names, &list->cap_names, list->n_names, sizeof *list->names);
    list->names = names;
    if (b->status < 0) return "";
    copy = tmb__strdup(text);
    if (!copy) {
        b->status = TMB_ENOMEM;
        return "";
    }
    list->names[list->n_names++] = copy;
    return copy;
}

int tmb__emit_tensor(
        tmb__builder *b, tmb_role role, bool batched, const tmb__shape *shape, const char *fmt, ...)
{
    tmb__lowered *list = b->list;
    void *tensors = list->tensors;
    tmb_tensor tensor = {.role = role, .dtype = TMB_F32, .batched = batched};
    char name[160];
    va_list args;

    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    tensor.name = tmb__keep_name(b, name);
    if (b->status < 0) return -1;
    if (batched) tensor.dim[tensor.rank++] = b->max_batch;
    TMB_ASSERT(tensor.rank + shape->rank <= (int)TMB_COUNT(tensor.dim));
    for (int i = 0; i < shape->rank; i++)
        tensor.dim[tensor.rank++] = shape->dim[i];
    b->status = grow(&tensors, &list->cap_tensors, list->n_tensors, sizeof tensor);
    list->tensors = tensors;
    if (b->status < 0) return -1;
    list->tensors[list->n_tensors] = tensor;
    return list->n_tensors++;
}

int tmb__emit_batch(
        tmb__builder *b, const tmb__layer *layer, const char *what, const tmb__shape *shape)
{
    return tmb__emit_tensor(b, TMB_ROLE_ACT, true, shape, "%s/%s", layer->name, what);
}

tmb_op tmb__op_of(const tmb__builder *b, const tmb__layer *layer, tmb_op_kind kind)
{
    return tmb__op_init(kind, tmb__place_of(b, layer)->name);
}

void tmb__emit(tmb__builder *b, const tmb_op *op)
{
    tmb__lowered *list = b->list;
    void *ops = list->ops;

    if (b->status < 0) return;
    b->status = grow(&ops, &list->cap_ops, list->n_ops, sizeof *op);
    list->ops = ops;
    if (b->status == 0) list->ops[list->n_ops++] = *op;
}

void tmb__emit_last(tmb__builder *b, const tmb__layer *layer, tmb_op *op)
{
    tmb__place *place = tmb__place_of(b, layer);
    const int out = tmb__emit_batch(b, layer, place->apart ? "z" : "y", &layer->out);
    tmb_op act;

    op->out[0] = out;
    if (!place->apart) {
        op->attr.act = place->act;
        op->attr.alpha = place->alpha;
        place->y = out;
        tmb__emit(b, op);
        return;
    }
    tmb__emit(b, op);
    act = tmb__op_of(b, layer, place->act >= TMB_SOFTMAX ? TMB_OP_SOFTMAX : TMB_OP_ACT);
    act.attr.act = place->act;
    act.attr.alpha = place->alpha;
    act.in[0] = place->z = out;
    act.out[0] = place->y = tmb__emit_batch(b, layer, "y", &layer->out);
    tmb__emit(b, &act);
}

/* ---- what layers ask for ---- */

tmb__place *tmb__place_of(const tmb__builder *b, const tmb__layer *layer)
{
    return &b->places[layer - b->model->layers];
}

const tmb__layer *tmb__layer_input(const tmb__builder *b, const tmb__layer *layer, int i)
{
    return &b->model->layers[layer->from[i] - 1];
}

int tmb__value_in(const tmb__builder *b, const tmb__layer *layer, int i)
{
    return b->places[layer->from[i] - 1].y;
}

int tmb__weight_in(const tmb__builder *b, const tmb__layer *layer, const char *name)
{
    const tmb__place *place = tmb__place_of(b, layer);
    const tmb__weight *weight = tmb__weight_named(layer, name);

    if (place->norm >= 0 && strcmp(name, "bias") == 0) return place->bias;
    return weight ? b->list->param[place->first_weight + (weight - layer->weight)] : -1;
}

/* The shape that ops see. */
static tmb__shape op_shape(const tmb__weight *weight)
{
    tmb__shape shape = weight->shape;

    if (weight->depthwise) {
        shape.dim[3] *= shape.dim[2];
        shape.dim[2] = 1;
    }
    return shape;
}

int tmb__gradient_out(tmb__builder *b, const tmb__layer *layer, const char *name)
{
    const tmb__weight *weight = tmb__weight_named(layer, name);
    tmb__shape shape;
    int *grad;

    if (!weight || !layer->trainable) return -1;
    TMB_ASSERT(!weight->moving);
    shape = op_shape(weight);
    grad = &b->list->grad[tmb__place_of(b, layer)->first_weight + (weight - layer->weight)];
    *grad = tmb__emit_tensor(
            b, TMB_ROLE_GRAD, false, &shape, "%s/%s/gradient", layer->name, weight->name);
    return *grad;
}

int tmb__gradient_in(tmb__builder *b, const tmb__layer *layer)
{
    const tmb__place *place = tmb__place_of(b, layer);
    const tmb_activation act = layer->config.activation;
    tmb_op op = tmb__op_of(b, layer, act >= TMB_SOFTMAX ? TMB_OP_SOFTMAX_BWD : TMB_OP_ACT_BWD);

    if (place->dz >= 0) return place->dz;
    if (act == TMB_LINEAR) return place->dy;
    op.in[0] = place->dy;
    op.in[1] = place->y;
    op.out[0] = tmb__emit_batch(b, layer, "dz", &layer->out);
    if (op.kind == TMB_OP_ACT_BWD) op.in[2] = tmb__act_needs_x(act) ? place->z : -1;
    op.attr.act = act;
    op.attr.alpha = layer->config.alpha;
    tmb__emit(b, &op);
    return op.out[0];
}

bool tmb__wants_gradient(const tmb__builder *b, const tmb__layer *layer, int i)
{
    return b->places[layer->from[i] - 1].wants;
}

void tmb__pass_gradient(tmb__builder *b, const tmb__layer *layer, int i, int gradient)
{
    const tmb__layer *below = tmb__layer_input(b, layer, i);
    tmb__place *place = tmb__place_of(b, below);
    tmb_op op = tmb__op_of(b, below, TMB_OP_ADD);

    if (place->dy >= 0) {
        op.in[0] = place->dy;
        op.in[1] = gradient;
        gradient = op.out[0] = tmb__emit_batch(b, below, "dy_sum", &below->out);
        tmb__emit(b, &op);
    }
    place->dy = gradient;
}

void tmb__emit_back(tmb__builder *b, const tmb__layer *layer, int i, tmb_op *op)
{
    op->out[0] = tmb__emit_batch(b, layer, "dx", &tmb__layer_input(b, layer, i)->out);
    tmb__emit(b, op);
    tmb__pass_gradient(b, layer, i, op->out[0]);
}

/* ---- the list ---- */

static int alloc_arrays(tmb__builder *b)
{
    tmb__lowered *list = b->list;
    size_t n;

    for (int k = 0; k < b->model->n_layers; k++)
        list->n_params += b->model->layers[k].n_weights;
    n = (size_t)list->n_params;
    list->param = tmb__calloc(n, sizeof *list->param);
    list->grad = tmb__calloc(n, sizeof *list->grad);
    list->average = tmb__calloc(n, sizeof *list->average);
    list->start = tmb__calloc(n, sizeof *list->start);
    list->rule = tmb__calloc(n * TMB__OPTIMIZER_SLOTS, sizeof *list->rule);
    list->slots =
            tmb__calloc(5 * n, sizeof *list->slots); /* three of an optimizer, start, average */
    list->penalties = tmb__calloc(n, sizeof *list->penalties);
    list->folds = tmb__calloc((size_t)b->model->n_layers, sizeof *list->folds);
    b->places = tmb__calloc((size_t)b->model->n_layers, sizeof *b->places);
    if (!list->param || !list->grad || !list->average || !list->start || !list->rule ||
            !list->slots || !list->penalties || !list->folds || !b->places)
        return TMB_ENOMEM;
    for (int i = 0; i < list->n_params; i++)
        list->param[i] = list->grad[i] = list->average[i] = list->start[i] = -1;
    for (size_t i = 0; i < n * TMB__OPTIMIZER_SLOTS; i++)
        list->rule[i] = -1;
    return 0;
}

/* The bias of a layer that does a batch normalisation's work: its own, or one made for it. */
static void emit_fold(tmb__builder *b, const tmb__layer *layer)
{
    tmb__place *place = tmb__place_of(b, layer);
    const tmb__weight *own = tmb__weight_named(layer, "bias");
    const tmb__shape shape = {.rank = 1, .dim = {layer->out.dim[layer->out.rank - 1]}};
    tmb__lowered *list = b->list;

    place->bias = own ? list->param[place->first_weight + (own - layer->weight)]
                      : tmb__emit_tensor(b, TMB_ROLE_PARAM, false, &shape, "%s/bias", layer->name);
    list->folds[list->n_folds].layer = (int)(layer - b->model->layers);
    list->folds[list->n_folds].norm = place->norm;
    list->folds[list->n_folds++].bias = place->bias;
}

static void emit_weights(tmb__builder *b)
{
    for (int k = b->first + 1; k <= b->last; k++) {
        const tmb__layer *layer = &b->model->layers[k];
        const bool folded = layer->kind == TMB__LAYER_BATCHNORM && b->places[k].absorbed;

        for (int i = 0; i < layer->n_weights && !folded; i++) {
            const tmb__weight *weight = &layer->weight[i];
            const tmb_role role = weight->moving ? TMB_ROLE_STATE : TMB_ROLE_PARAM;
            const tmb__shape shape = op_shape(weight);

            b->list->param[b->places[k].first_weight + i] =
                    tmb__emit_tensor(b, role, false, &shape, "%s/%s", layer->name, weight->name);
        }
        if (b->places[k].norm >= 0) emit_fold(b, layer);
    }
}

/* `tensor`, made readable after a run; a copy of it if it is bound from outside. */
static int readable(tmb__builder *b, const tmb__layer *layer, int tensor)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_RESHAPE);

    if (b->status < 0) return -1;
    if (b->list->tensors[tensor].role == TMB_ROLE_INPUT) {
        op.in[0] = tensor;
        tensor = op.out[0] = tmb__emit_batch(b, layer, "copy", &layer->out);
        tmb__emit(b, &op);
        if (b->status < 0) return -1;
    }
    b->list->tensors[tensor].role = TMB_ROLE_OUTPUT;
    return tensor;
}

static void emit_forward(tmb__builder *b)
{
    const tmb__layer *layers = b->model->layers, *last = &layers[b->last];

    b->list->x = tmb__emit_tensor(b, TMB_ROLE_INPUT, true, &layers[b->first].out, "x");
    b->places[b->first].y = b->list->x;
    emit_weights(b);
    for (int k = b->first + 1; k <= b->last && b->status == 0; k++)
        tmb__layer_type_of(layers[k].kind)->forward(b, &layers[k]);
    b->list->scores = readable(b, last, tmb__place_of(b, last)->y);
}

/* `tensor` of the last layer as one row of each sample, or back from it. */
static int reshaped(tmb__builder *b, const tmb__layer *last, int tensor, const tmb__shape *shape)
{
    tmb_op op = tmb__op_of(b, last, TMB_OP_RESHAPE);

    if (last->out.rank == 1) return tensor;
    op.in[0] = tensor;
    op.out[0] = tmb__emit_batch(b, last, "reshaped", shape);
    tmb__emit(b, &op);
    return op.out[0];
}

/* LOSS on the last layer's value, or on its logits; without a loss the targets are the gradient. */
static void emit_loss(tmb__builder *b)
{
    const tmb__layer *last = &b->model->layers[b->last];
    const tmb__shape one = {.rank = 1, .dim = {1}}, none = {0};
    const tmb__shape row = {.rank = 1, .dim = {tmb__shape_count(&last->out)}};
    const bool sparse = b->train->loss == TMB_SPARSE_CATEGORICAL_CROSSENTROPY;
    tmb__place *place = tmb__place_of(b, last);
    tmb__lowered *list = b->list;
    tmb_op op = tmb__op_of(b, last, TMB_OP_LOSS);

    list->targets = tmb__emit_tensor(b, TMB_ROLE_INPUT, true,
            sparse                   ? &one
                    : b->train->loss ? &row
                                     : &last->out,
            "targets");
    if (b->train->loss == 0) {
        place->dy = list->targets;
        return;
    }
    list->sample_weight = tmb__emit_tensor(b, TMB_ROLE_INPUT, true, &none, "sample_weight");
    list->loss = tmb__emit_tensor(b, TMB_ROLE_OUTPUT, true, &none, "loss");
    op.attr.loss = b->train->loss;
    op.attr.smoothing = b->train->label_smoothing;
    op.attr.gamma = b->train->gamma;
    op.attr.alpha = b->train->alpha;
    op.attr.delta = b->train->delta;
    op.attr.balanced = b->train->balanced;
    op.attr.sum = b->train->sum;
    op.attr.logits = tmb__takes_logits(b->train, last->config.activation);
    op.in[0] = reshaped(b, last, op.attr.logits ? place->z : place->y, &row);
    op.in[1] = list->targets;
    op.in[2] = list->sample_weight;
    op.out[0] = list->loss;
    op.out[1] = tmb__emit_batch(b, last, op.attr.logits ? "dz" : "dy", &row);
    tmb__emit(b, &op);
    *(op.attr.logits ? &place->dz : &place->dy) = reshaped(b, last, op.out[1], &last->out);
}

static void emit_backward(tmb__builder *b)
{
    for (int k = b->last; k > b->first && b->status == 0; k--) {
        const tmb__layer *layer = &b->model->layers[k];

        if (b->places[k].wants) tmb__layer_type_of(layer->kind)->backward(b, layer);
    }
    if (b->train->input_gradient)
        b->list->dx = readable(b, &b->model->layers[b->first], b->places[b->first].dy);
}

bool tmb__loss_by_class(tmb_loss loss)
{
    return loss == TMB_CATEGORICAL_CROSSENTROPY || loss == TMB_CATEGORICAL_FOCAL ||
            loss == TMB_SPARSE_CATEGORICAL_CROSSENTROPY || loss == TMB_CATEGORICAL_HINGE;
}

/* No mean over elements, which would be the same over pixels and channels in one row. */
static bool by_row(tmb_loss loss)
{
    return tmb__loss_by_class(loss) || loss == TMB_KL_DIVERGENCE || loss == TMB_COSINE_SIMILARITY;
}

/* The loss fits the last layer, and there is something to train. */
static int check_train(const tmb__builder *b)
{
    const tmb_model *model = b->model;
    const tmb__train_spec *train = b->train;
    const tmb__layer *last = &model->layers[b->last];
    bool trains = train->input_gradient;

    for (int k = b->first + 1; k <= b->last; k++)
        trains = trains || tmb__has_trained(&model->layers[k]);
    if (!trains)
        return tmb__fail(TMB_EINVAL, "nothing to train: every layer is frozen or has no weights");
    if ((int)train->loss < 0 || train->loss >= TMB_LOSSES)
        return tmb__fail(TMB_EINVAL, "loss is number %d, %d to %d expected", (int)train->loss,
                TMB_BINARY_CROSSENTROPY, TMB_LOSSES - 1);
    if (last->out.rank != 1 && (by_row(train->loss) || train->sum))
        return tmb__layer_fail(last,
                "the last layer gives %s, this loss expects one row of scores: "
                "add flatten or a global pooling",
                tmb__shape_text(&last->out));
    if (tmb__loss_by_class(train->loss) && last->out.dim[0] < 2)
        return tmb__layer_fail(last,
                "the last layer gives 1 score, categorical cross-entropy "
                "expects one for each class");
    return 0;
}

int tmb__lower(tmb__lowered *out, const tmb_model *model, tmb__span span, int max_batch,
        const tmb__train_spec *train)
{
    tmb__builder b = {.list = out,
            .model = model,
            .train = train,
            .max_batch = max_batch,
            .first = TMB_MAX(span.from, 1) - 1};

    *out = (tmb__lowered){.x = -1,
            .targets = -1,
            .sample_weight = -1,
            .scores = -1,
            .loss = -1,
            .norm = -1,
            .dx = -1};
    TMB_TRY(tmb__model_is_whole(model));
    if (max_batch < 1) return tmb__fail(TMB_EINVAL, "batch is %d, at least 1 expected", max_batch);
    b.last = (span.to ? span.to : model->n_layers) - 1;
    TMB_ASSERT(b.first < b.last && b.last < model->n_layers);
    TMB_ASSERT(tmb__model_is_cut(model, b.first + 1) && tmb__model_is_cut(model, b.last + 1));
    if (train) TMB_TRY(check_train(&b));
    b.status = alloc_arrays(&b);
    if (b.status == 0) {
        tmb__decide(&b);
        emit_forward(&b);
    }
    if (b.status == 0 && train) {
        emit_loss(&b);
        emit_backward(&b);
        tmb__emit_updates(&b);
    }
    tmb__free(b.places);
    if (b.status < 0) tmb__lowered_free(out);
    return b.status;
}

void tmb__lowered_free(tmb__lowered *lowered)
{
    for (int i = 0; i < lowered->n_names; i++)
        tmb__free(lowered->names[i]);
    tmb__free(lowered->names);
    tmb__free(lowered->tensors);
    tmb__free(lowered->ops);
    tmb__free(lowered->param);
    tmb__free(lowered->grad);
    tmb__free(lowered->average);
    tmb__free(lowered->start);
    tmb__free(lowered->rule);
    tmb__free(lowered->slots);
    tmb__free(lowered->penalties);
    tmb__free(lowered->folds);
    *lowered = (tmb__lowered){0};
}
