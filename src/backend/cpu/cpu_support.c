/* cpu_support.c - what this backend can do, and in words what it cannot
 *
 * The host has checked that the shapes of an op fit each other (tmb__op_list_check). Here: ranks,
 * element types, which tensors are batched, and the limits of our own loops. */
#include "cpu.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct question {
    const tmb_op_list *list;
    const tmb_op *op;
    char *why;
    size_t size;
} question;

static int no(const question *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int no(const question *q, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(q->why, q->size, fmt, args);
    va_end(args);
    return TMB_EUNSUPPORTED;
}

static const char *name_of(const tmb_tensor *tensor)
{
    return tensor->name ? tensor->name : "";
}

static bool is_update(tmb_op_kind kind)
{
    return kind == TMB_OP_PENALTY || kind == TMB_OP_GRAD_NORM || kind == TMB_OP_CLIP ||
            (kind >= TMB_OP_SGD && kind <= TMB_OP_EMA);
}

/* Which tensors must have a row for each sample; x, y and their gradients, that is. */
static bool batched_input(tmb_op_kind kind, int i)
{
    switch (kind) {
    case TMB_OP_CONV:
    case TMB_OP_DENSE:
    case TMB_OP_CONV_BWD_DATA:
    case TMB_OP_DENSE_BWD_DATA:
    case TMB_OP_BN:
    case TMB_OP_BN_INFER:
    case TMB_OP_LN:
    case TMB_OP_PRELU:
        return i == 0;
    case TMB_OP_BN_BWD:
    case TMB_OP_BN_INFER_BWD:
    case TMB_OP_LN_BWD:
    case TMB_OP_PRELU_BWD:
        return i < 2;
    default:
        return !is_update(kind);
    }
}

static bool batched_output(tmb_op_kind kind, int i)
{
    switch (kind) {
    case TMB_OP_CONV_BWD_WEIGHTS:
    case TMB_OP_DENSE_BWD_WEIGHTS:
        return false;
    case TMB_OP_BN:
    case TMB_OP_BN_BWD:
    case TMB_OP_BN_INFER_BWD:
    case TMB_OP_LN_BWD:
    case TMB_OP_PRELU_BWD:
        return i == 0;
    default:
        return !is_update(kind);
    }
}

static int check_tensor(const question *q, int number, bool batched)
{
    const tmb_tensor *t = number < 0 ? NULL : &q->list->tensors[number];

    if (!t) return 0;
    if (t->dtype != TMB_F32 && t->dtype != TMB_I32)
        return no(q, "tensor '%s' is neither f32 nor i32", name_of(t));
    if (t->rank < 0 || t->rank > 4)
        return no(q, "tensor '%s' has rank %d, at most 4 is supported", name_of(t), t->rank);
    if (t->batched != batched)
        return no(q, "tensor '%s' %s", name_of(t),
                batched ? "has no row for each sample" : "must not have a row for each sample");
    return 0;
}

static int check_tensors(const question *q)
{
    int status = 0;

    for (int i = 0; i < TMB_OP_INPUTS && status == 0; i++)
        status = check_tensor(q, q->op->in[i], batched_input(q->op->kind, i));
    for (int i = 0; i < TMB_OP_OUTPUTS && status == 0; i++)
        status = check_tensor(q, q->op->out[i], batched_output(q->op->kind, i));
    return status;
}

static int check_rank(const question *q, int tensor, int rank)
{
    const tmb_tensor *t = &q->list->tensors[tensor];

    if (t->rank == rank) return 0;
    return no(q, "tensor '%s' has rank %d, %d is supported", name_of(t), t->rank, rank);
}

/* Padding as wide as the kernel: a window may then hold no pixel at all. */
static int check_pads(const question *q)
{
    const tmb_attr *a = &q->op->attr;

    for (int i = 0; i < 4; i++) {
        if (a->pad[i] < 0 || (q->op->kind != TMB_OP_CONV && a->pad[i] >= a->kernel[i % 2]))
            return no(q, "padding of %d, 0 to %d is supported", a->pad[i], a->kernel[i % 2] - 1);
    }
    return 0;
}

static int check_kind(const question *q)
{
    const tmb_op *o = q->op;

    switch (o->kind) {
    case TMB_OP_CONV:
    case TMB_OP_CONV_BWD_DATA:
        return check_rank(q, o->in[0], 4);
    case TMB_OP_CONV_BWD_WEIGHTS:
        return check_rank(q, o->in[1], 4);
    case TMB_OP_POOL: {
        const int status = check_rank(q, o->in[0], 4);

        return status < 0 ? status : check_pads(q);
    }
    case TMB_OP_POOL_BWD: {
        const int status = check_rank(q, o->out[0], 4);

        return status < 0 ? status : check_pads(q);
    }
    case TMB_OP_GLOBAL_POOL:
        return check_rank(q, o->in[0], 4);
    case TMB_OP_GLOBAL_POOL_BWD:
        return check_rank(q, o->out[0], 4);
    case TMB_OP_PAD:
    case TMB_OP_PAD_BWD:
    case TMB_OP_UPSAMPLE:
    case TMB_OP_UPSAMPLE_BWD:
        return check_rank(q, o->in[0], 4);
    case TMB_OP_DENSE:
    case TMB_OP_DENSE_BWD_DATA:
        return check_rank(q, o->in[1], 2);
    case TMB_OP_DENSE_BWD_WEIGHTS:
        return check_rank(q, o->out[0], 2);
    case TMB_OP_LOSS:
        return check_rank(q, o->in[0], 2);
    default:
        return 0;
    }
}

int tmb__cpu_supports(const tmb_op_list *list, int op, char *why, size_t size)
{
    const question q = {.list = list, .op = &list->ops[op], .why = why, .size = size};
    int status;

    if (size > 0) why[0] = '\0';
    if (q.op->kind < 0 || q.op->kind >= TMB_OP_COUNT)
        return no(&q, "op number %d is not known", (int)q.op->kind);
    status = check_tensors(&q);
    return status < 0 ? status : check_kind(&q);
}
