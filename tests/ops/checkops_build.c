/* checkops_build.c - putting a case together */
#include "checkops.h"

#include <stdio.h>
#include <string.h>

void case_start(check_case *c, const char *fmt, ...)
{
    va_list args;

    memset(c, 0, sizeof *c);
    va_start(args, fmt);
    vsnprintf(c->name, sizeof c->name, fmt, args);
    va_end(args);
    c->max_batch = CASE_BATCH;
    c->y = c->dy = -1;
    c->nudge = 0x1p-6;
}

int add_plain(check_case *c, const char *name, tmb_role role, fill f, int rank, const int64_t *dim)
{
    tmb_tensor *tensor = &c->tensor[c->n_tensors];

    TMB_ASSERT(c->n_tensors < CASE_TENSORS);
    *tensor = (tmb_tensor){.role = role, .rank = rank, .name = name};
    memcpy(tensor->dim, dim, (size_t)rank * sizeof *dim);
    c->fill[c->n_tensors] = f;
    return c->n_tensors++;
}

int add_rows(check_case *c, const char *name, tmb_role role, fill f, int rank, const int64_t *dim)
{
    int64_t with_n[5] = {c->max_batch};
    int t;

    memcpy(with_n + 1, dim, (size_t)rank * sizeof *dim);
    t = add_plain(c, name, role, f, rank + 1, with_n);
    c->tensor[t].batched = true;
    return t;
}

int add_like(check_case *c, const char *name, tmb_role role, fill f, int model)
{
    const tmb_tensor shape = c->tensor[model];
    const int t = add_plain(c, name, role, f, shape.rank, shape.dim);

    c->tensor[t].batched = shape.batched;
    return t;
}

tmb_op *add_op(check_case *c, tmb_op_kind kind)
{
    tmb_op *op = &c->op[c->n_ops++];

    TMB_ASSERT(c->n_ops <= CASE_OPS);
    *op = tmb__op_init(kind, c->name);
    return op;
}

void add_pair(check_case *c, int of, int gradient)
{
    TMB_ASSERT(c->n_pairs < CASE_PAIRS);
    c->pair[c->n_pairs].of = of;
    c->pair[c->n_pairs++].gradient = gradient;
}

tmb_op_list case_list(const check_case *c)
{
    return (tmb_op_list){
            .tensors = c->tensor,
            .ops = c->op,
            .n_tensors = c->n_tensors,
            .n_ops = c->n_ops,
            .max_batch = c->max_batch,
    };
}

const case_act case_acts[CASE_ACTS] = {
        {TMB_LINEAR, "linear", 0},
        {TMB_RELU, "relu", 0},
        {TMB_RELU6, "relu6", 0},
        {TMB_LEAKY_RELU, "leaky_relu", 0.2f},
        {TMB_ELU, "elu", 0.7f},
        {TMB_SELU, "selu", 0},
        {TMB_SIGMOID, "sigmoid", 0},
        {TMB_TANH, "tanh", 0},
        {TMB_SOFTPLUS, "softplus", 0},
        {TMB_GELU, "gelu", 0},
        {TMB_SWISH, "swish", 0},
        {TMB_HARD_SIGMOID, "hard_sigmoid", 0},
        {TMB_SOFTSIGN, "softsign", 0},
        {TMB_EXPONENTIAL, "exponential", 0},
        {TMB_GELU_TANH, "gelu_tanh", 0},
        {TMB_HARD_SWISH, "hard_swish", 0},
        {TMB_MISH, "mish", 0},
};

bool case_fusible(tmb_activation act)
{
    return !tmb__act_needs_x(act);
}

bool case_smooth(tmb_activation act)
{
    return act == TMB_LINEAR || act == TMB_SIGMOID || act == TMB_TANH || act == TMB_SOFTPLUS ||
            act == TMB_SOFTSIGN;
}

void case_set_act(tmb_op *op, int number)
{
    op->attr.act = case_acts[number].act;
    op->attr.alpha = case_acts[number].alpha;
}

int add_before_act(check_case *c, int dy, int y, int number)
{
    tmb_op *op;

    if (case_acts[number].act == TMB_LINEAR) return dy;
    op = add_op(c, TMB_OP_ACT_BWD);
    op->in[0] = dy;
    op->in[1] = y;
    op->out[0] = add_like(c, "dz", TMB_ROLE_ACT, FILL_ZERO, y);
    case_set_act(op, number);
    return op->out[0];
}
