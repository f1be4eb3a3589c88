/* op_cost.c - what an op asks of a machine: operations, and bytes if each tensor is moved once
 *
 * Products count a multiplication and an addition for each weight and place of use, whatever algorithm the
 * device takes; any other op counts one operation for each element it writes. Bytes are those of float32. */
#include "backend/backend.h"

/* Elements of a tensor for n samples; an absent one has none. */
static double elements(const tmb_op_list *list, int tensor, double n)
{
    const tmb_tensor *t = tensor >= 0 ? &list->tensors[tensor] : NULL;
    double count = t ? 1 : 0;

    for (int i = 0; t && i < t->rank; i++)
        count *= i == 0 && t->batched ? n : (double)t->dim[i];
    return count;
}

/* y's elements times the weights that go into each. */
static double product(const tmb_op_list *list, int w, int y, double n)
{
    const tmb_tensor *t = &list->tensors[w];

    return 2 * elements(list, w, n) / (double)t->dim[t->rank - 1] * elements(list, y, n);
}

static double operations(const tmb_op_list *list, const tmb_op *op, double n)
{
    switch (op->kind) {
    case TMB_OP_CONV:
    case TMB_OP_DENSE:
        return product(list, op->in[1], op->out[0], n);
    case TMB_OP_CONV_BWD_DATA:
    case TMB_OP_DENSE_BWD_DATA:
        return product(list, op->in[1], op->in[0], n);
    case TMB_OP_CONV_BWD_WEIGHTS:
    case TMB_OP_DENSE_BWD_WEIGHTS:
        return product(list, op->out[0], op->in[1], n);
    default:
        return elements(list, op->out[0] >= 0 ? op->out[0] : op->in[0], n);
    }
}

tmb__cost tmb__op_cost(const tmb_op_list *list, int number, double n)
{
    const tmb_op *op = &list->ops[number];
    tmb__cost cost = {.flops = operations(list, op, n)};
    tmb__op_slot slots[TMB_OP_INPUTS] = {{{0}, false, false}};

    tmb__op_slots(slots, (int)op->kind, false);
    for (int i = 0; i < TMB_OP_INPUTS; i++) {
        const double in = elements(list, op->in[i], n), out = elements(list, op->out[i], n);

        cost.bytes += sizeof(float) * (in + out + (slots[i].written ? in : 0));
    }
    for (int i = 0; op->kind == TMB_OP_GRAD_NORM && op->in[0] < 0 && i < list->n_tensors; i++) {
        if (list->tensors[i].role != TMB_ROLE_GRAD) continue; /* it reads them all */
        cost.flops += 2 * elements(list, i, n);
        cost.bytes += sizeof(float) * elements(list, i, n);
    }
    return cost;
}
