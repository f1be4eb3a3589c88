/* lower_update.c - the end of a training step: penalties, norm of the gradient, optimizer, averages
 *
 * Order as Keras' (keras.md 4.3): penalties join the gradients, the norm of all gradients is taken, each
 * weight takes its step and is held to its constraint, the averages follow. Every optimizer op reads the norm: if it is not finite,
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

static void emit_norm(tmb__builder *b)
{
    const tmb__shape one = {.rank = 1, .dim = {1}};
    const tmb__layer *last = &b->model->layers[b->last];
    tmb_op op = tmb__op_of(b, last, TMB_OP_GRAD_NORM);

    b->list->norm = op.out[0] = tmb__emit_tensor(b, TMB_ROLE_OUTPUT, false, &one, "norm");
    tmb__emit(b, &op);
}

static void set_sgd(tmb__builder *b, const turn *t, tmb_op *op)
{
    op->kind = TMB_OP_SGD;
    op->attr.momentum = b->train->momentum;
    op->attr.nesterov = b->train->nesterov;
    if (b->train->momentum != 0) op->in[2] = add_slot(b, t, "slot", "v");
    op->in[3] = b->list->norm;
}

static void set_rmsprop(tmb__builder *b, const turn *t, tmb_op *op)
{
    op->kind = TMB_OP_RMSPROP;
    op->attr.rho = b->train->rho;
    op->attr.eps = b->train->epsilon;
    op->attr.eps_outside = b->train->epsilon_outside;
    op->attr.momentum = b->train->momentum;
    op->in[2] = add_slot(b, t, "slot", "a");
    if (b->train->momentum != 0) op->in[3] = add_slot(b, t, "slot", "m");
    op->in[5] = b->list->norm;
}

static void set_adam(tmb__builder *b, const turn *t, tmb_op *op)
{
    op->kind = TMB_OP_ADAM;
    op->attr.beta1 = b->train->beta1;
    op->attr.beta2 = b->train->beta2;
    op->attr.eps = b->train->epsilon;
    op->attr.amsgrad = b->train->amsgrad;
    op->in[2] = add_slot(b, t, "slot", "m");
    op->in[3] = add_slot(b, t, "slot", "v");
    if (b->train->amsgrad) op->in[4] = add_slot(b, t, "slot", "vmax");
    op->in[5] = b->list->norm;
}

static void emit_optimizer(tmb__builder *b, const turn *t)
{
    tmb_op op = tmb__op_of(b, t->layer, TMB_OP_SGD);

    if (t->g < 0) return;
    op.in[0] = t->w;
    op.in[1] = t->g;
    op.attr.lr_scale = 1;
    op.attr.clip = b->train->clip_norm;
    if (t->weight->shape.rank >= 2) op.attr.weight_decay = b->train->weight_decay;
    switch (b->train->optimizer) {
    case TMB_SGD:
        set_sgd(b, t, &op);
        break;
    case TMB_RMSPROP:
        set_rmsprop(b, t, &op);
        break;
    case TMB_ADAM:
    case TMB_ADAMW:
        set_adam(b, t, &op);
        break;
    }
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
    for_each_weight(b, emit_penalty);
    emit_norm(b);
    for_each_weight(b, emit_optimizer);
    for_each_weight(b, emit_constraint);
    for_each_weight(b, emit_average);
}
