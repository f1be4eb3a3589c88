/* lower_update.c - the end of a training step: penalties, norm of the gradient, optimizer, averages
 *
 * Order as Keras' (keras.md 4.3): penalties join the gradients, the norm of all gradients is taken,
 * gradients are clipped, each weight takes its step and is held to its constraint, the averages
 * follow. Every optimizer op reads the norm: if it is not finite,
 * nothing is updated. Weight decay is for kernels, weights of rank 2 and up. */
#include "nn/layer.h"

/* One weight in turn. */
typedef struct turn {
    const tmb__layer *layer;
    const tmb__weight *weight;
    int w, g; /* tensors; g -1: not trained by gradients */
    int number;
} turn;

/* A tensor of the weight's form that is kept between runs, noted among the slots. */
static int add_slot(tmb__builder *b, const turn *t, const char *first, const char *last)
{
    tmb__lowered *list = b->list;
    tmb__shape shape = {0};
    int slot;

    if (b->status < 0) return -1;
    shape = tmb__shape_of(list->tensors[t->w].rank, list->tensors[t->w].dim);
    slot = tmb__emit_tensor(b, TMB_ROLE_STATE, false, &shape, "%s/%s/%s%s%s", first, t->layer->name,
            t->weight->name, *last ? "/" : "", last);
    list->slots[list->n_slots++] = slot;
    return slot;
}

static void emit_penalty(tmb__builder *b, const turn *t)
{
    const tmb__shape one = {.rank = 1, .dim = {1}};
    tmb_op op = tmb__op_of(b, t->layer, TMB_OP_PENALTY);

    if (t->g < 0 || (t->weight->l1 == 0 && t->weight->l2 == 0)) return;
    op.in[0] = t->w;
    op.in[1] = t->g;
    op.out[0] = tmb__emit_tensor(
            b, TMB_ROLE_OUTPUT, false, &one, "%s/%s/penalty", t->layer->name, t->weight->name);
    op.attr.l1 = t->weight->l1;
    op.attr.l2 = t->weight->l2;
    b->list->penalties[b->list->n_penalties++] = op.out[0];
    tmb__emit(b, &op);
}

/* What was learned before is to be kept: a penalty on the distance to the first weights (L2-SP; Li,
 * Grandvalet, Davoine: Explicit inductive bias for transfer learning, 2018). Its value is shown nowhere,
 * so that losses compare. */
static void emit_start(tmb__builder *b, const turn *t)
{
    const tmb__shape one = {.rank = 1, .dim = {1}};
    tmb_op op = tmb__op_of(b, t->layer, TMB_OP_PENALTY);

    if (t->g < 0 || b->train->start_penalty == 0) return;
    op.in[0] = t->w;
    op.in[1] = t->g;
    op.in[2] = b->list->start[t->number] = add_slot(b, t, "start", "");
    op.out[0] = tmb__emit_tensor(
            b, TMB_ROLE_ACT, false, &one, "%s/%s/distance", t->layer->name, t->weight->name);
    op.attr.l2 = b->train->start_penalty;
    tmb__emit(b, &op);
}

/* Layers learn the slower the further they are from the output: layer_decay to the power of the number
 * of trained layers above. */
static float rate_of(const tmb__builder *b, const turn *t)
{
    const tmb__layer *layers = b->model->layers;
    double rate = 1;

    if (b->train->layer_decay == 0) return 1;
    for (int k = b->last; &layers[k] > t->layer; k--) {
        const int first = b->places[k].first_weight;
        bool trained = false;

        for (int i = 0; i < layers[k].n_weights; i++)
            trained = trained || b->list->grad[first + i] >= 0;
        if (trained) rate *= b->train->layer_decay;
    }
    return (float)rate;
}

static void emit_norm(tmb__builder *b)
{
    const tmb__shape one = {.rank = 1, .dim = {1}};
    const tmb__layer *last = &b->model->layers[b->last];
    tmb_op op = tmb__op_of(b, last, TMB_OP_GRAD_NORM);

    b->list->norm = op.out[0] = tmb__emit_tensor(b, TMB_ROLE_OUTPUT, false, &one, "norm");
    tmb__emit(b, &op);
}

/* Keras' clipnorm takes each weight's own norm, clipvalue none; its global_clipnorm is the steps' own. */
static void emit_clip(tmb__builder *b, const turn *t)
{
    const tmb__shape one = {.rank = 1, .dim = {1}};
    tmb_op norm = tmb__op_of(b, t->layer, TMB_OP_GRAD_NORM);
    tmb_op op = tmb__op_of(b, t->layer, TMB_OP_CLIP);

    if (t->g < 0 || (b->train->clip_each == 0 && b->train->clip_value == 0)) return;
    op.in[0] = t->g;
    op.attr.clip_value = b->train->clip_value;
    op.attr.clip = b->train->clip_each;
    if (b->train->clip_each > 0) {
        norm.in[0] = t->g;
        norm.out[0] = op.in[1] = tmb__emit_tensor(
                b, TMB_ROLE_ACT, false, &one, "%s/%s/norm", t->layer->name, t->weight->name);
        tmb__emit(b, &norm);
    }
    tmb__emit(b, &op);
}

/* Each optimizer's op and the names of its slots, which are inputs 2 and up. */
static const struct {
    tmb_op_kind kind;
    const char *slot[TMB__OPTIMIZER_SLOTS];
} rules[TMB_OPTIMIZERS] = {
        [TMB_RMSPROP] = {TMB_OP_RMSPROP, {"a", "m", "centre"}},
        [TMB_SGD] = {TMB_OP_SGD, {"v"}},
        [TMB_ADAM] = {TMB_OP_ADAM, {"m", "v", "vmax"}},
        [TMB_ADAMW] = {TMB_OP_ADAM, {"m", "v", "vmax"}},
        [TMB_ADAGRAD] = {TMB_OP_ADAGRAD, {"a"}},
        [TMB_ADADELTA] = {TMB_OP_ADADELTA, {"a", "d"}},
        [TMB_ADAMAX] = {TMB_OP_ADAMAX, {"m", "u"}},
        [TMB_NADAM] = {TMB_OP_NADAM, {"m", "v"}},
        [TMB_LION] = {TMB_OP_LION, {"m"}},
};

/* Some slots are there only if the options ask for them. */
bool tmb__optimizer_has(const tmb__train_spec *train, int slot)
{
    switch (rules[train->optimizer].kind) {
    case TMB_OP_SGD:
        return slot == 0 && train->momentum != 0;
    case TMB_OP_RMSPROP:
        return slot == 0 || (slot == 1 ? train->momentum != 0 : train->centered);
    case TMB_OP_ADAM:
        return slot < 2 || train->amsgrad;
    default:
        return rules[train->optimizer].slot[slot] != NULL;
    }
}

static void emit_optimizer(tmb__builder *b, const turn *t)
{
    const tmb__train_spec *train = b->train;
    tmb_op op = tmb__op_of(b, t->layer, rules[train->optimizer].kind);
    tmb__op_slot slots[TMB_OP_INPUTS];

    if (t->g < 0) return;
    op.in[0] = t->w;
    op.in[1] = t->g;
    for (int i = 0; i < TMB__OPTIMIZER_SLOTS; i++) {
        if (!tmb__optimizer_has(train, i)) continue;
        op.in[2 + i] = add_slot(b, t, "slot", rules[train->optimizer].slot[i]);
        b->list->rule[t->number * TMB__OPTIMIZER_SLOTS + i] = op.in[2 + i];
    }
    op.in[tmb__op_slots(slots, (int)op.kind, false) - 1] = b->list->norm;
    op.attr.lr_scale = rate_of(b, t);
    op.attr.clip = train->clip_norm;
    op.attr.momentum = train->momentum;
    op.attr.nesterov = train->nesterov;
    op.attr.rho = train->rho;
    op.attr.centered = train->centered;
    op.attr.beta1 = train->beta1;
    op.attr.beta2 = train->beta2;
    op.attr.amsgrad = train->amsgrad;
    op.attr.eps = train->epsilon;
    op.attr.eps_outside = train->epsilon_outside;
    if (t->weight->shape.rank >= 2) op.attr.weight_decay = train->weight_decay;
    tmb__emit(b, &op);
}

static void emit_constraint(tmb__builder *b, const turn *t)
{
    tmb_op op = tmb__op_of(b, t->layer, TMB_OP_CONSTRAIN);

    if (t->g < 0 || t->weight->constraint.limit == TMB_NO_LIMIT) return;
    op.in[0] = t->w;
    op.in[1] = b->list->norm;
    op.attr.constraint = t->weight->constraint;
    tmb__emit(b, &op);
}

/* Moving statistics are averaged too; what cannot change needs no average. */
static void emit_average(tmb__builder *b, const turn *t)
{
    tmb_op op = tmb__op_of(b, t->layer, TMB_OP_EMA);

    if (b->train->average == 0 || !t->layer->trainable || t->w < 0) return;
    op.in[0] = t->w;
    op.in[1] = b->list->average[t->number] = add_slot(b, t, "average", "");
    op.attr.decay = b->train->average;
    op.attr.warm_up = true;
    tmb__emit(b, &op);
}

static void for_each_weight(tmb__builder *b, void (*emit)(tmb__builder *b, const turn *t))
{
    for (int k = 0, number = 0; k < b->model->n_layers; k++) {
        const tmb__layer *layer = &b->model->layers[k];

        for (int i = 0; i < layer->n_weights; i++, number++) {
            const turn t = {layer, &layer->weight[i], b->list->param[number], b->list->grad[number],
                    number};

            emit(b, &t);
        }
    }
}

void tmb__emit_updates(tmb__builder *b)
{
    bool trains = false;

    for (int i = 0; i < b->list->n_params; i++)
        trains = trains || b->list->grad[i] >= 0;
    if (!trains) return;
    b->list->slot_start = b->train->accumulator;
    for_each_weight(b, emit_penalty);
    for_each_weight(b, emit_start);
    emit_norm(b);
    for_each_weight(b, emit_clip);
    for_each_weight(b, emit_optimizer);
    for_each_weight(b, emit_constraint);
    for_each_weight(b, emit_average);
}
