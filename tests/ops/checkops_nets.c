/* checkops_nets.c - cases of several ops: optimizers behind real gradients, whole training steps
 *
 * An optimizer works on the gradient that another op wrote, in whatever layout the backend chose
 * for it; the parameter is read back in plain order. The steps let a backend fuse and reuse. */
#include "checkops.h"

#include <stdio.h>

/* ---- optimizers ---- */

typedef struct optimizer_row {
    const char *name;
    tmb_op_kind kind;
    int slots;  /* a bit for each input from number 2 on that is there */
    float clip; /* of the norm; small enough to bite */
    bool norm, diverged;
    tmb_attr attr;
} optimizer_row;

static const optimizer_row optimizer_rows[] = {
        {"plain", TMB_OP_SGD, 0, 0, false, false, {.lr_scale = 1}},
        {"clip", TMB_OP_SGD, 0, 0.5f, true, false, {.lr_scale = 0.5f}},
        {"decay", TMB_OP_SGD, 0, 0, true, false, {.lr_scale = 2, .weight_decay = 0.1f}},
        {"momentum", TMB_OP_SGD, 1, 0, true, false, {.lr_scale = 1, .momentum = 0.9f}},
        {"nesterov", TMB_OP_SGD, 1, 0.5f, true, false,
                {.lr_scale = 1, .momentum = 0.9f, .nesterov = true, .weight_decay = 0.01f}},
        {"diverged", TMB_OP_SGD, 1, 0, true, true, {.lr_scale = 1, .momentum = 0.9f}},
        {"eps inside", TMB_OP_RMSPROP, 1, 0, false, false,
                {.lr_scale = 1, .rho = 0.9f, .eps = 1e-7f}},
        {"eps outside", TMB_OP_RMSPROP, 1, 0, true, false,
                {.lr_scale = 1, .rho = 0.9f, .eps = 1e-2f, .eps_outside = true}},
        {"momentum", TMB_OP_RMSPROP, 3, 1, true, false,
                {.lr_scale = 1, .rho = 0.8f, .eps = 1e-3f, .momentum = 0.9f, .weight_decay = 0.1f}},
        {"centered", TMB_OP_RMSPROP, 5, 0, true, false,
                {.lr_scale = 1, .rho = 0.9f, .eps = 1e-1f, .centered = true}},
        {"centered outside", TMB_OP_RMSPROP, 7, 2, true, false,
                {.lr_scale = 1,
                        .rho = 0.9f,
                        .eps = 1e-1f,
                        .momentum = 0.5f,
                        .centered = true,
                        .eps_outside = true}},
        {"diverged", TMB_OP_RMSPROP, 1, 0, true, true, {.lr_scale = 1, .rho = 0.9f, .eps = 1e-7f}},
        {"adam", TMB_OP_ADAM, 3, 0, false, false,
                {.lr_scale = 1, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-7f}},
        {"adamw", TMB_OP_ADAM, 3, 1, true, false,
                {.lr_scale = 0.3f,
                        .beta1 = 0.9f,
                        .beta2 = 0.99f,
                        .eps = 1e-3f,
                        .weight_decay = 0.05f}},
        {"amsgrad", TMB_OP_ADAM, 7, 0, true, false,
                {.lr_scale = 1, .beta1 = 0.5f, .beta2 = 0.9f, .eps = 1e-3f, .amsgrad = true}},
        {"diverged", TMB_OP_ADAM, 3, 0, true, true,
                {.lr_scale = 1, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-7f}},
        {"adagrad", TMB_OP_ADAGRAD, 1, 1, true, false, {.lr_scale = 1, .eps = 1e-7f}},
        {"adagrad outside", TMB_OP_ADAGRAD, 1, 0, false, false,
                {.lr_scale = 1, .eps = 1e-2f, .eps_outside = true, .weight_decay = 0.1f}},
        {"diverged", TMB_OP_ADAGRAD, 1, 0, true, true, {.lr_scale = 1, .eps = 1e-7f}},
        {"adadelta", TMB_OP_ADADELTA, 3, 1, true, false,
                {.lr_scale = 1, .rho = 0.95f, .eps = 1e-3f, .weight_decay = 0.1f}},
        {"diverged", TMB_OP_ADADELTA, 3, 0, true, true,
                {.lr_scale = 1, .rho = 0.95f, .eps = 1e-7f}},
        {"adamax", TMB_OP_ADAMAX, 3, 1, true, false,
                {.lr_scale = 1,
                        .beta1 = 0.9f,
                        .beta2 = 0.999f,
                        .eps = 1e-3f,
                        .weight_decay = 0.1f}},
        {"diverged", TMB_OP_ADAMAX, 3, 0, true, true,
                {.lr_scale = 1, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-7f}},
        {"nadam", TMB_OP_NADAM, 3, 1, true, false,
                {.lr_scale = 1, .beta1 = 0.9f, .beta2 = 0.99f, .eps = 1e-3f, .weight_decay = 0.1f}},
        {"diverged", TMB_OP_NADAM, 3, 0, true, true,
                {.lr_scale = 1, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-7f}},
        {"lion", TMB_OP_LION, 1, 1, true, false,
                {.lr_scale = 0.1f, .beta1 = 0.9f, .beta2 = 0.99f, .weight_decay = 0.1f}},
        {"diverged", TMB_OP_LION, 1, 0, true, true, {.lr_scale = 1, .beta1 = 0.9f, .beta2 = 0.99f}},
};

/* How a slot starts: sums of squares positive, and amsgrad's maximum too. The first moments start
 * at 0, so that a - centre^2 is a variance. */
static fill slot_fill(tmb_op_kind kind, int slot)
{
    if (kind == TMB_OP_RMSPROP) return slot == 0 ? FILL_POSITIVE : FILL_ZERO;
    if (kind == TMB_OP_ADAGRAD || kind == TMB_OP_ADADELTA) return FILL_POSITIVE;
    if (kind == TMB_OP_ADAM || kind == TMB_OP_ADAMAX || kind == TMB_OP_NADAM)
        return slot == 0 ? FILL_ZERO : FILL_POSITIVE;
    return FILL_SMALL;
}

static void add_update(check_case *c, const optimizer_row *row, int w, int g, int norm)
{
    static const char *const names[] = {"slot0", "slot1", "slot2"};
    tmb__op_slot slots[TMB_OP_INPUTS];
    const int norm_slot = tmb__op_slots(slots, (int)row->kind, false) - 1;
    tmb_op *op = add_op(c, row->kind);

    op->attr = row->attr;
    op->attr.clip = row->clip;
    op->in[0] = w;
    op->in[1] = g;
    for (int slot = 0; slot < 3; slot++) {
        if (row->slots >> slot & 1)
            op->in[2 + slot] =
                    add_like(c, names[slot], TMB_ROLE_STATE, slot_fill(row->kind, slot), w);
    }
    if (row->norm) op->in[norm_slot] = norm;
}

/* Gradients of a convolution's kernel and bias, their norm, an update of each, an average. */
static void conv_update_case(check_case *c, const optimizer_row *row)
{
    tmb_op *op;
    int x, dy, w, b, dw, db, norm;

    case_start(c, "%s on a convolution", row->name);
    x = add_rows(c, "x", TMB_ROLE_INPUT, row->diverged ? FILL_NAN : FILL_NORMAL, DIMS(6, 5, 17));
    dy = add_rows(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(4, 3, 32));
    w = add_plain(c, "w", TMB_ROLE_PARAM, FILL_SMALL, DIMS(3, 3, 17, 32));
    b = add_plain(c, "b", TMB_ROLE_PARAM, FILL_SMALL, DIMS(32));
    dw = add_like(c, "dw", TMB_ROLE_GRAD, FILL_ZERO, w);
    db = add_like(c, "db", TMB_ROLE_GRAD, FILL_ZERO, b);
    norm = add_plain(c, "norm", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(1));
    op = add_op(c, TMB_OP_CONV_BWD_WEIGHTS);
    op->attr.kernel[0] = op->attr.kernel[1] = 3;
    op->in[0] = x;
    op->in[1] = dy;
    op->out[0] = dw;
    op->out[1] = db;
    add_op(c, TMB_OP_GRAD_NORM)->out[0] = norm;
    add_update(c, row, w, dw, norm);
    add_update(c, row, b, db, norm);
}

static void dense_update_case(check_case *c, const optimizer_row *row, int in, int units)
{
    tmb_op *op;
    int x, dy, w, dw, norm;

    case_start(c, "%s on %d to %d", row->name, in, units);
    x = add_rows(c, "x", TMB_ROLE_INPUT, row->diverged ? FILL_NAN : FILL_NORMAL, DIMS(in));
    dy = add_rows(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(units));
    w = add_plain(c, "w", TMB_ROLE_PARAM, FILL_SMALL, DIMS(in, units));
    dw = add_like(c, "dw", TMB_ROLE_GRAD, FILL_ZERO, w);
    norm = add_plain(c, "norm", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(1));
    op = add_op(c, TMB_OP_DENSE_BWD_WEIGHTS);
    op->in[0] = x;
    op->in[1] = dy;
    op->out[0] = dw;
    add_op(c, TMB_OP_GRAD_NORM)->out[0] = norm;
    add_update(c, row, w, dw, norm);
}

/* A gradient with its own norm, clipped; beyond the slice of one task. */
static void clip_case(check_case *c, float clip, float value)
{
    tmb_op *op;
    int g, norm = -1;

    case_start(c, "norm %.1f value %.1f", (double)clip, (double)value);
    g = add_plain(c, "g", TMB_ROLE_PARAM, FILL_NORMAL, DIMS(3, 3, 40, 50));
    if (clip > 0) {
        norm = add_plain(c, "norm", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(1));
        op = add_op(c, TMB_OP_GRAD_NORM);
        op->in[0] = g;
        op->out[0] = norm;
    }
    op = add_op(c, TMB_OP_CLIP);
    op->attr.clip = clip;
    op->attr.clip_value = value;
    op->in[0] = g;
    op->in[1] = norm;
}

static void ema_case(check_case *c, double decay, bool warm_up)
{
    tmb_op *op;

    case_start(c, "decay %.3f%s", decay, warm_up ? " warm-up" : "");
    op = add_op(c, TMB_OP_EMA);
    op->attr.decay = (float)decay;
    op->attr.warm_up = warm_up;
    op->in[0] = add_plain(c, "w", TMB_ROLE_PARAM, FILL_NORMAL, DIMS(3, 3, 4, 17));
    op->in[1] = add_like(c, "average", TMB_ROLE_STATE, FILL_NORMAL, op->in[0]);
}

static void constrain_case(check_case *c, tmb_limit limit, unsigned axes, bool matrix)
{
    static const char *const names[] = {"", "max norm", "not negative", "unit norm", "norm range"};
    tmb_op *op;

    case_start(c, "%s axes %#x%s", names[limit], axes, matrix ? " of a matrix" : "");
    op = add_op(c, TMB_OP_CONSTRAIN);
    op->attr.constraint =
            (tmb_constraint){.limit = limit, .min = 1.5f, .max = 2, .rate = 0.75f, .axes = axes};
    op->in[0] = matrix ? add_plain(c, "w", TMB_ROLE_PARAM, FILL_NORMAL, DIMS(9, 33))
                       : add_plain(c, "w", TMB_ROLE_PARAM, FILL_NORMAL, DIMS(3, 2, 4, 17));
}

static void visit_constraints(check_case *c, check_visit visit, void *user)
{
    static const unsigned axes[] = {7, 1, 8, 15, 5};

    for (size_t i = 0; i < TMB_COUNT(axes); i++) {
        constrain_case(c, TMB_MAX_NORM, axes[i], false);
        visit(user, c);
        constrain_case(c, i % 2 ? TMB_MIN_MAX_NORM : TMB_UNIT_NORM, axes[i], false);
        visit(user, c);
    }
    for (int limit = TMB_MAX_NORM; limit <= TMB_MIN_MAX_NORM; limit++) {
        constrain_case(c, (tmb_limit)limit, 1, true);
        visit(user, c);
    }
}

/* With `gradient` the penalty's own share is added to a gradient of zero, to be checked. `start`: of the
 * distance to other weights. */
static void penalty_case(check_case *c, double l1, double l2, bool gradient, bool start)
{
    const int x = add_rows(c, "x", TMB_ROLE_INPUT, FILL_ZERO, DIMS(7));
    const int dy = add_rows(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(9));
    const int w = add_plain(c, "w", TMB_ROLE_PARAM, FILL_LATTICE, DIMS(7, 9));
    const int g = add_like(c, "g", TMB_ROLE_GRAD, FILL_ZERO, w);
    tmb_op *op = add_op(c, TMB_OP_DENSE_BWD_WEIGHTS);

    op->in[0] = x;
    op->in[1] = dy;
    op->out[0] = g;
    op = add_op(c, TMB_OP_PENALTY);
    op->attr.l1 = (float)l1;
    op->attr.l2 = (float)l2;
    op->in[0] = w;
    if (gradient) op->in[1] = g;
    if (start) op->in[2] = add_like(c, "start", TMB_ROLE_STATE, FILL_NORMAL, w);
    op->out[0] = c->y = add_plain(c, "value", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(1));
    if (gradient) add_pair(c, w, g);
}

static void visit_updates(check_case *c, check_visit visit, void *user)
{
    static const double penalties[][2] = {{0.01, 0}, {0, 0.01}, {0.02, 0.03}};

    for (size_t i = 0; i < TMB_COUNT(optimizer_rows); i++) {
        conv_update_case(c, &optimizer_rows[i]);
        visit(user, c);
        dense_update_case(c, &optimizer_rows[i], i % 2 ? 33 : 64, i % 3 ? 7 : 1);
        visit(user, c);
    }
    visit_constraints(c, visit, user);
    for (int i = 0; i < 4; i++) {
        ema_case(c, i < 2 ? 0.9 : 0.05, i % 2 == 1);
        visit(user, c);
        clip_case(c, i % 2 ? 50 : 0, i < 3 ? 0.5f : 0);
        visit(user, c);
    }
    for (int i = 0; i < 12; i++) {
        const double *share = penalties[i / 2 % 3];
        const bool gradient = i % 2 == 1, start = i >= 6;

        case_start(c, "l1 %.2f l2 %.2f%s%s", share[0], share[1], start ? " of the distance" : "",
                gradient ? "" : " value alone");
        penalty_case(c, share[0], share[1], gradient, start);
        visit(user, c);
    }
}

/* ---- whole steps ---- */

/* Forward ops are added one by one; `back` then walks them in reverse. */
typedef struct net {
    check_case *c;
    int forward; /* ops of the forward part */
    int x, t;
} net;

static int rows_like(check_case *c, int h, int w, int channels)
{
    return add_rows(c, "act", TMB_ROLE_ACT, FILL_ZERO, DIMS(h, w, channels));
}

/* Without a bias where a batch norm follows: its gradient would be rounding noise around 0. */
static int conv(check_case *c, int x, int out, bool bias)
{
    const tmb_tensor from = c->tensor[x];
    tmb_op *op = add_op(c, TMB_OP_CONV);

    op->in[0] = x;
    op->in[1] = add_plain(c, "kernel", TMB_ROLE_PARAM, FILL_SMALL, DIMS(3, 3, from.dim[3], out));
    if (bias) op->in[2] = add_plain(c, "bias", TMB_ROLE_PARAM, FILL_SMALL, DIMS(out));
    op->out[0] = rows_like(c, (int)from.dim[1], (int)from.dim[2], out);
    op->attr.act = bias ? TMB_RELU : TMB_LINEAR;
    op->attr.kernel[0] = op->attr.kernel[1] = 3;
    for (int i = 0; i < 4; i++)
        op->attr.pad[i] = 1;
    return op->out[0];
}

static int pool(check_case *c, int x)
{
    const tmb_tensor from = c->tensor[x];
    tmb_op *op = add_op(c, TMB_OP_POOL);

    op->in[0] = x;
    op->attr.max = true;
    op->attr.kernel[0] = op->attr.kernel[1] = op->attr.stride[0] = op->attr.stride[1] = 2;
    op->out[0] = rows_like(c, (int)from.dim[1] / 2, (int)from.dim[2] / 2, (int)from.dim[3]);
    op->out[1] = add_like(c, "where", TMB_ROLE_ACT, FILL_ZERO, op->out[0]);
    c->tensor[op->out[1]].dtype = TMB_I32;
    return op->out[0];
}

static int flatten(check_case *c, int x)
{
    const tmb_tensor from = c->tensor[x];
    tmb_op *op = add_op(c, TMB_OP_RESHAPE);

    op->in[0] = x;
    op->out[0] = add_rows(
            c, "flat", TMB_ROLE_ACT, FILL_ZERO, DIMS(from.dim[1] * from.dim[2] * from.dim[3]));
    return op->out[0];
}

static int dense(check_case *c, int x, int units, tmb_activation act)
{
    const tmb_tensor from = c->tensor[x];
    tmb_op *op = add_op(c, TMB_OP_DENSE);

    op->in[0] = x;
    op->in[1] = add_plain(c, "kernel", TMB_ROLE_PARAM, FILL_SMALL, DIMS(from.dim[1], units));
    op->in[2] = add_plain(c, "bias", TMB_ROLE_PARAM, FILL_SMALL, DIMS(units));
    op->out[0] = add_rows(c, "act", TMB_ROLE_ACT, FILL_ZERO, DIMS(units));
    op->attr.act = act;
    return op->out[0];
}

static int dropout(check_case *c, int x)
{
    tmb_op *op = add_op(c, TMB_OP_DROPOUT);

    op->in[0] = x;
    op->attr.rate = 0.5f;
    op->attr.id = 7;
    op->out[0] = add_like(c, "act", TMB_ROLE_ACT, FILL_ZERO, x);
    return op->out[0];
}

static int norm_relu(check_case *c, int x, tmb_activation act)
{
    const int64_t channels = c->tensor[x].dim[3];
    tmb_op *op = add_op(c, TMB_OP_BN);

    op->in[0] = x;
    op->in[1] = add_plain(c, "gamma", TMB_ROLE_PARAM, FILL_POSITIVE, DIMS(channels));
    op->in[2] = add_plain(c, "beta", TMB_ROLE_PARAM, FILL_SMALL, DIMS(channels));
    op->in[3] = add_plain(c, "mean", TMB_ROLE_STATE, FILL_ZERO, DIMS(channels));
    op->in[4] = add_plain(c, "var", TMB_ROLE_STATE, FILL_POSITIVE, DIMS(channels));
    op->out[0] = add_like(c, "act", TMB_ROLE_ACT, FILL_ZERO, x);
    op->out[1] = add_plain(c, "batch_mean", TMB_ROLE_ACT, FILL_ZERO, DIMS(channels));
    op->out[2] = add_plain(c, "batch_rstd", TMB_ROLE_ACT, FILL_ZERO, DIMS(channels));
    op->attr.eps = 1e-3f;
    op->attr.momentum = 0.99f;
    op->attr.act = act;
    return op->out[0];
}

static int add_relu(check_case *c, int a, int b)
{
    tmb_op *op = add_op(c, TMB_OP_ADD);

    op->in[0] = a;
    op->in[1] = b;
    op->out[0] = add_like(c, "act", TMB_ROLE_ACT, FILL_ZERO, a);
    op->attr.act = TMB_RELU;
    return op->out[0];
}

static int mean_pool(check_case *c, int x)
{
    tmb_op *op = add_op(c, TMB_OP_GLOBAL_POOL);

    op->in[0] = x;
    op->out[0] = add_rows(c, "act", TMB_ROLE_ACT, FILL_ZERO, DIMS(c->tensor[x].dim[3]));
    return op->out[0];
}

/* The gradient of tensor `t` gets another part: kept alone, or added to what is there. */
static void accumulate(check_case *c, int gradient[CASE_TENSORS], int t, int part)
{
    tmb_op *op;

    if (gradient[t] < 0) {
        gradient[t] = part;
        return;
    }
    op = add_op(c, TMB_OP_ADD);
    op->in[0] = gradient[t];
    op->in[1] = part;
    op->out[0] = gradient[t] = add_like(c, "sum", TMB_ROLE_ACT, FILL_ZERO, t);
}

/* One op's gradient to its first input, by the gradient `dz` of its output before activation. */
static int back_data(check_case *c, const tmb_op *forward, int dz)
{
    tmb_op *op = add_op(c, forward->kind == TMB_OP_RESHAPE ? TMB_OP_RESHAPE : forward->kind + 1);

    op->attr = forward->attr;
    op->attr.act = TMB_LINEAR;
    op->in[0] = dz;
    if (forward->kind == TMB_OP_CONV || forward->kind == TMB_OP_DENSE) op->in[1] = forward->in[1];
    if (forward->kind == TMB_OP_POOL) op->in[1] = forward->out[1];
    op->out[0] = add_like(c, "gradient", TMB_ROLE_ACT, FILL_ZERO, forward->in[0]);
    return op->out[0];
}

static void back_weights(check_case *c, const tmb_op *forward, int dz)
{
    tmb_op *op = add_op(c, forward->kind + 2);

    op->attr = forward->attr;
    op->attr.act = TMB_LINEAR;
    op->in[0] = forward->in[0];
    op->in[1] = dz;
    op->out[0] = add_like(c, "dkernel", TMB_ROLE_GRAD, FILL_ZERO, forward->in[1]);
    if (forward->in[2] >= 0)
        op->out[1] = add_like(c, "dbias", TMB_ROLE_GRAD, FILL_ZERO, forward->in[2]);
}

static int back_norm(check_case *c, const tmb_op *forward, int dz)
{
    tmb_op *op = add_op(c, TMB_OP_BN_BWD);

    op->attr.eps = forward->attr.eps;
    op->in[0] = dz;
    op->in[1] = forward->in[0];
    op->in[2] = forward->in[1];
    op->in[3] = forward->out[1];
    op->in[4] = forward->out[2];
    op->out[0] = add_like(c, "gradient", TMB_ROLE_ACT, FILL_ZERO, forward->in[0]);
    op->out[1] = add_like(c, "dgamma", TMB_ROLE_GRAD, FILL_ZERO, forward->in[1]);
    op->out[2] = add_like(c, "dbeta", TMB_ROLE_GRAD, FILL_ZERO, forward->in[2]);
    return op->out[0];
}

static void back_op(check_case *c, const tmb_op *forward, int gradient[CASE_TENSORS])
{
    int dz = gradient[forward->out[0]];
    const bool to_data = c->tensor[forward->in[0]].role == TMB_ROLE_ACT;

    if (forward->attr.act != TMB_LINEAR) {
        tmb_op *op = add_op(c, TMB_OP_ACT_BWD);

        op->attr.act = forward->attr.act;
        op->in[0] = dz;
        op->in[1] = forward->out[0];
        op->out[0] = add_like(c, "dz", TMB_ROLE_ACT, FILL_ZERO, forward->out[0]);
        dz = op->out[0];
    }
    if (forward->kind == TMB_OP_CONV || forward->kind == TMB_OP_DENSE) back_weights(c, forward, dz);
    if (forward->kind == TMB_OP_ADD) {
        accumulate(c, gradient, forward->in[0], dz);
        accumulate(c, gradient, forward->in[1], dz);
    } else if (forward->kind == TMB_OP_BN) {
        accumulate(c, gradient, forward->in[0], back_norm(c, forward, dz));
    } else if (to_data) {
        accumulate(c, gradient, forward->in[0], back_data(c, forward, dz));
    }
}

/* A step of clipped SGD on the kernel and bias of every convolution and dense layer: small ones, or large kernels
 * diverge, and bf16's roundings grow from run to run. */
static void add_updates(check_case *c, int n_forward, int norm)
{
    static const optimizer_row row = {"", TMB_OP_SGD, 0, 1, true, false, {.lr_scale = 0.1f}};

    for (int i = n_forward, last = c->n_ops; i < last; i++) {
        const tmb_op back = c->op[i];
        int k = 0;

        if (back.kind != TMB_OP_CONV_BWD_WEIGHTS && back.kind != TMB_OP_DENSE_BWD_WEIGHTS) continue;
        while (c->op[k].kind + 2 != back.kind || c->op[k].in[0] != back.in[0])
            k++; /* the forward op that read the same x */
        add_update(c, &row, c->op[k].in[1], back.out[0], norm);
        if (back.out[1] >= 0) add_update(c, &row, c->op[k].in[2], back.out[1], norm);
    }
}

/* Loss, gradients of everything, their norm, and the updates. */
static void finish_step(check_case *c, int z, tmb_loss loss, fill t)
{
    const int n_forward = c->n_ops;
    int gradient[CASE_TENSORS], norm;
    tmb_op *op = add_op(c, TMB_OP_LOSS);

    for (int i = 0; i < CASE_TENSORS; i++)
        gradient[i] = -1;
    op->attr.loss = loss;
    op->attr.logits = true;
    op->in[0] = z;
    op->in[1] = add_like(c, "t", TMB_ROLE_INPUT, t, z);
    op->out[0] = add_plain(c, "loss", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(c->max_batch));
    c->tensor[op->out[0]].batched = true;
    op->out[1] = gradient[z] = add_like(c, "gradient", TMB_ROLE_ACT, FILL_ZERO, z);
    for (int i = n_forward - 1; i >= 0; i--) {
        const tmb_op forward = c->op[i];

        back_op(c, &forward, gradient);
    }
    norm = add_plain(c, "norm", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(1));
    add_op(c, TMB_OP_GRAD_NORM)->out[0] = norm;
    add_updates(c, n_forward, norm);
}

/* Convolutions, maxima, dense layers, dropout: the small net of the tutorial in little. */
static void small_net_case(check_case *c)
{
    int x;

    case_start(c, "step of a small net");
    x = add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(9, 8, 3));
    x = pool(c, conv(c, x, 8, true));
    x = pool(c, conv(c, x, 17, true));
    x = dense(c, flatten(c, x), 12, TMB_RELU);
    x = dense(c, dropout(c, x), 1, TMB_LINEAR);
    finish_step(c, x, TMB_BINARY_CROSSENTROPY, FILL_BITS);
}

/* Kernels larger than what they see of a sample, two behind each other, pooled, and more samples than fit into
 * a tile. */
static void large_kernels_case(check_case *c)
{
    int x;

    case_start(c, "step of a net with large kernels");
    c->max_batch = 19;
    x = add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(5, 6, 16));
    x = pool(c, conv(c, conv(c, x, 24, true), 40, true));
    x = conv(c, x, 20, true);
    x = dense(c, flatten(c, x), 1, TMB_LINEAR);
    finish_step(c, x, TMB_BINARY_CROSSENTROPY, FILL_BITS);
}

/* Batch norms and a way around a block: gradients that meet again. */
static void residual_net_case(check_case *c)
{
    int x, around;

    case_start(c, "step of a residual net");
    x = add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(8, 8, 3));
    around = x = norm_relu(c, conv(c, x, 16, false), TMB_RELU);
    x = norm_relu(c, conv(c, x, 16, false), TMB_LINEAR);
    x = mean_pool(c, add_relu(c, x, around));
    x = dense(c, x, 4, TMB_LINEAR);
    finish_step(c, x, TMB_CATEGORICAL_CROSSENTROPY, FILL_ONE_HOT);
}

void check_cases_nets(check_case *c, check_visit visit, void *user)
{
    visit_updates(c, visit, user);
    small_net_case(c);
    visit(user, c);
    large_kernels_case(c);
    visit(user, c);
    residual_net_case(c);
    visit(user, c);
}
