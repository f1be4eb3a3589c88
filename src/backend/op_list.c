/* op_list.c - names of ops, and what makes a list of ops sound
 *
 * A list is written by our own code, so a fault in it is a bug (TMB_EBUG) and is said once, here:
 * the backends rely on what this file has checked. Every tensor has one writer, which stands before
 * its readers; what an op needs is there; shapes and attributes fit (op_shape.c). */
#include "backend/backend.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *in, *out;
} kinds[TMB_OP_COUNT] = {
#define X(NAME, name, in, out) {name, in, out},
#include <thimble/ops.def>
#undef X
};

const char *tmb__op_name(int kind)
{
    return kind >= 0 && kind < TMB_OP_COUNT ? kinds[kind].name : "";
}

const char *tmb__op_signature(int kind, bool outputs)
{
    if (kind < 0 || kind >= TMB_OP_COUNT) return "";
    return outputs ? kinds[kind].out : kinds[kind].in;
}

int tmb__op_slots(tmb__op_slot out[TMB_OP_INPUTS], int kind, bool outputs)
{
    const char *p = tmb__op_signature(kind, outputs);
    int n = 0;

    while (*p && n < TMB_OP_INPUTS) {
        tmb__op_slot *slot = &out[n++];
        size_t len;

        *slot = (tmb__op_slot){.optional = *p == '['};
        p += slot->optional;
        len = strcspn(p, "!] ");
        snprintf(slot->name, sizeof slot->name, "%.*s", (int)len, p);
        slot->written = p[len] == '!';
        p += strcspn(p, " ");
        p += *p == ' ';
    }
    return n;
}

bool tmb__act_needs_x(tmb_activation act)
{
    return act == TMB_GELU || act == TMB_SWISH || act == TMB_GELU_TANH || act == TMB_HARD_SWISH ||
            act == TMB_MISH;
}

tmb_op tmb__op_init(tmb_op_kind kind, const char *name)
{
    tmb_op op = {.kind = kind, .name = name};

    for (int i = 0; i < TMB_OP_INPUTS; i++)
        op.in[i] = -1;
    for (int i = 0; i < TMB_OP_OUTPUTS; i++)
        op.out[i] = -1;
    for (int i = 0; i < 2; i++)
        op.attr.stride[i] = op.attr.dilation[i] = 1;
    op.attr.groups = 1;
    op.attr.scale = op.attr.lr_scale = 1;
    return op;
}

static int check_tensor(const tmb_op_list *list, int t)
{
    const tmb_tensor *tensor = &list->tensors[t];
    const bool kept = tensor->role == TMB_ROLE_PARAM || tensor->role == TMB_ROLE_STATE ||
            tensor->role == TMB_ROLE_GRAD;
    tmb__shape shape;
    int64_t count;

    if (!tensor->name) return tmb__fail(TMB_EBUG, "tensor %d of the list has no name", t);
    if (tensor->rank < 0 || tensor->rank > (int)TMB_COUNT(tensor->dim))
        return tmb__fail(TMB_EBUG, "tensor '%s': rank %d, 0 .. %d expected", tensor->name,
                tensor->rank, (int)TMB_COUNT(tensor->dim));
    shape = tmb__shape_of(tensor->rank, tensor->dim);
    count = tmb__shape_count(&shape);
    /* The bound leaves room for 8 bytes an element in every size that follows. */
    if (count < 1 || count > INT64_MAX / 64)
        return tmb__fail(TMB_EBUG, "tensor '%s': shape %s is empty or too large", tensor->name,
                tmb__shape_text(&shape));
    if (tensor->batched && (kept || tensor->rank < 1 || tensor->dim[0] != list->max_batch))
        return tmb__fail(TMB_EBUG, "tensor '%s': batched with shape %s in a list for %d samples",
                tensor->name, tmb__shape_text(&shape), list->max_batch);
    return 0;
}

/* State of the check: who wrote a tensor so far. */
typedef struct progress {
    const tmb_op_list *list;
    bool *written; /* [n_tensors] */
    int op;
} progress;

static int fail_slot(const progress *p, const tmb__op_slot *slot, const char *what)
{
    const tmb_op *op = &p->list->ops[p->op];

    return tmb__fail(TMB_EBUG, "op %d, %s '%s': %s %s", p->op, tmb__op_name((int)op->kind),
            op->name ? op->name : "", slot->name, what);
}

/* The tensor in a slot is there if it must be, and a number of the list. */
static int check_presence(const progress *p, const tmb__op_slot *slot, int tensor)
{
    if (tensor >= p->list->n_tensors) return fail_slot(p, slot, "is no tensor of the list");
    if (tensor < 0 && !slot->optional) return fail_slot(p, slot, "is missing");
    return 0;
}

static int check_input(const progress *p, const tmb__op_slot *slot, int tensor)
{
    tmb_role role;

    TMB_TRY(check_presence(p, slot, tensor));
    if (tensor < 0) return 0;
    role = p->list->tensors[tensor].role;
    if (slot->written && role == TMB_ROLE_INPUT)
        return fail_slot(p, slot, "is written, but an input");
    if (role == TMB_ROLE_ACT || role == TMB_ROLE_OUTPUT || role == TMB_ROLE_GRAD) {
        if (!p->written[tensor]) return fail_slot(p, slot, "is read before it is written");
    }
    return 0;
}

static int check_output(progress *p, const tmb__op_slot *slot, int tensor)
{
    tmb_role role;

    TMB_TRY(check_presence(p, slot, tensor));
    if (tensor < 0) return 0;
    role = p->list->tensors[tensor].role;
    if (role == TMB_ROLE_INPUT || role == TMB_ROLE_PARAM || role == TMB_ROLE_STATE)
        return fail_slot(p, slot, "is an output, but neither activation, output nor gradient");
    if (p->written[tensor]) return fail_slot(p, slot, "has been written by an earlier op");
    p->written[tensor] = true;
    return 0;
}

static int check_slots(progress *p, bool outputs)
{
    const tmb_op *op = &p->list->ops[p->op];
    const int *tensors = outputs ? op->out : op->in;
    tmb__op_slot slots[TMB_OP_INPUTS];
    const int n = tmb__op_slots(slots, (int)op->kind, outputs);

    for (int i = 0; i < TMB_OP_INPUTS; i++) {
        const tmb__op_slot none = {.name = "a slot"};

        if (i < n)
            TMB_TRY(outputs ? check_output(p, &slots[i], tensors[i])
                            : check_input(p, &slots[i], tensors[i]));
        else if (tensors[i] >= 0)
            return fail_slot(p, &none, "past the last of this op is taken");
    }
    return 0;
}

/* GRAD_NORM reads every gradient of the list, so all must be there. */
static int check_gradients(const progress *p)
{
    for (int t = 0; t < p->list->n_tensors; t++) {
        if (p->list->tensors[t].role == TMB_ROLE_GRAD && !p->written[t])
            return tmb__fail(TMB_EBUG, "op %d, grad_norm: gradient '%s' is not written before it",
                    p->op, p->list->tensors[t].name);
    }
    return 0;
}

static int check_ops(progress *p)
{
    for (p->op = 0; p->op < p->list->n_ops; p->op++) {
        const int kind = (int)p->list->ops[p->op].kind;

        if (kind < 0 || kind >= TMB_OP_COUNT)
            return tmb__fail(
                    TMB_EBUG, "op %d: kind %d, 0 .. %d expected", p->op, kind, TMB_OP_COUNT - 1);
        TMB_TRY(check_slots(p, false));
        TMB_TRY(check_slots(p, true));
        TMB_TRY(tmb__op_shape_check(p->list, p->op));
        if (kind == TMB_OP_GRAD_NORM) TMB_TRY(check_gradients(p));
    }
    return 0;
}

int tmb__op_list_check(const tmb_op_list *list)
{
    progress p = {.list = list};
    int status;

    if (list->max_batch < 1)
        return tmb__fail(TMB_EBUG, "op list for %d samples, at least 1 expected", list->max_batch);
    for (int t = 0; t < list->n_tensors; t++)
        TMB_TRY(check_tensor(list, t));
    p.written = tmb__calloc((size_t)list->n_tensors + 1, sizeof *p.written);
    if (!p.written) return TMB_ENOMEM;
    status = check_ops(&p);
    tmb__free(p.written);
    return status;
}
