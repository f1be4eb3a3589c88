/* checkops_cases.c - the cases of windows and products: convolution, pooling, dense, activations
 *
 * A case holds an op together with its gradients, so that one list serves every mode. Each line of
 * ops.def must occur in at least one of them. */
#include "checkops.h"

#include <stdio.h>

/* ---- convolution ---- */

typedef enum padding {
    VALID,
    SAME,
    ONE,
    AFTER
} padding; /* ONE all around; AFTER: bottom and right */

/* MANY: more than fit into a tile of 16. */
typedef enum samples { FEW, MANY, PERF } samples;

typedef struct conv_row {
    int h, w, in, out, kernel[2], stride, dilation, groups;
    padding pad;
    bool bias;
    int act; /* number in case_acts */
    samples batch;
} conv_row;

static const conv_row conv_rows[] = {
        /* h, w, in, out, kernel, stride, dilation, groups, pad, bias, act */
        {7, 9, 3, 32, {3, 3}, 1, 1, 1, VALID, true, 0, FEW},
        {7, 9, 3, 32, {3, 3}, 1, 1, 1, VALID, true, 1, FEW},
        {8, 8, 1, 1, {1, 1}, 1, 1, 1, VALID, false, 0, FEW},
        {5, 5, 1, 3, {5, 5}, 1, 1, 1, VALID, true, 0, FEW},
        {8, 8, 17, 17, {3, 3}, 1, 1, 1, SAME, true, 6, FEW},
        {9, 7, 17, 5, {3, 3}, 2, 1, 1, SAME, true, 0, FEW},
        {8, 8, 3, 17, {3, 3}, 2, 1, 1, SAME, true, 7, FEW},
        {8, 10, 32, 64, {3, 3}, 1, 1, 1, SAME, true, 1, FEW},
        {6, 6, 64, 64, {3, 3}, 1, 1, 1, VALID, false, 1, FEW},
        {7, 9, 208, 144, {3, 3}, 1, 1, 1, SAME, true, 3, FEW}, /* kernels larger than samples */
        {5, 6, 72, 88, {3, 3}, 1, 1, 1, SAME, true, 1, MANY},
        {6, 7, 72, 88, {3, 3}, 2, 1, 1, SAME, true, 0, MANY},
        {8, 9, 72, 40, {3, 3}, 1, 2, 1, SAME, true, 0, MANY},
        {5, 4, 40, 72, {5, 5}, 1, 1, 1, SAME, false, 1, MANY},
        {6, 5, 80, 208, {1, 1}, 1, 1, 1, VALID, true, 0, MANY},
        {8, 8, 144, 208, {3, 3}, 1, 1, 1, VALID, false, 1, FEW},
        {8, 8, 32, 64, {1, 1}, 1, 1, 1, VALID, true, 0, FEW},
        {9, 9, 32, 64, {1, 1}, 2, 1, 1, SAME, false, 0, FEW},
        {11, 12, 3, 16, {7, 7}, 2, 1, 1, ONE, false, 0, FEW},
        {10, 10, 3, 8, {5, 5}, 2, 1, 1, SAME, true, 0, FEW},
        {10, 10, 3, 8, {5, 5}, 3, 1, 1, VALID, true, 0, FEW},
        {7, 8, 4, 6, {2, 2}, 1, 1, 1, SAME, true, 0, FEW},
        {7, 8, 4, 6, {1, 3}, 1, 1, 1, SAME, true, 0, FEW},
        {7, 8, 4, 6, {4, 1}, 2, 1, 1, AFTER, true, 0, FEW},
        {11, 11, 4, 6, {3, 3}, 1, 2, 1, VALID, true, 0, FEW},
        {11, 10, 4, 6, {3, 3}, 1, 3, 1, SAME, true, 0, FEW},
        {8, 8, 4, 6, {3, 3}, 1, 1, 2, SAME, true, 0, FEW},
        {8, 8, 32, 64, {3, 3}, 2, 1, 4, ONE, false, 0, FEW},
        {7, 7, 17, 17, {3, 3}, 1, 1, 17, SAME, true, 0, FEW},
        {8, 8, 3, 6, {3, 3}, 1, 1, 3, SAME, true, 7, FEW},
        {9, 9, 32, 32, {3, 3}, 2, 1, 32, SAME, false, 2, FEW},
        {9, 9, 64, 64, {3, 3}, 1, 2, 64, SAME, false, 0, FEW},
        {1, 1, 17, 3, {3, 3}, 1, 1, 1, ONE, true, 0, FEW},
        {6, 6, 8, 8, {3, 3}, 1, 1, 1, SAME, true, 3, FEW},
        {6, 6, 8, 8, {3, 3}, 1, 1, 1, SAME, true, 4, FEW},
        {6, 6, 8, 8, {3, 3}, 1, 1, 1, SAME, true, 5, FEW},
        {6, 6, 8, 8, {3, 3}, 1, 1, 1, SAME, true, 8, FEW},
        {6, 6, 8, 8, {3, 3}, 1, 1, 1, SAME, true, 9, FEW},
        {6, 6, 8, 8, {3, 3}, 1, 1, 1, SAME, true, 10, FEW},
        {150, 150, 3, 32, {3, 3}, 1, 1, 1, VALID, true, 1, PERF},
        {74, 74, 32, 32, {3, 3}, 1, 1, 1, VALID, true, 1, PERF},
        {36, 36, 32, 64, {3, 3}, 1, 1, 1, VALID, true, 1, PERF},
        {56, 56, 64, 64, {3, 3}, 1, 1, 1, SAME, false, 0, PERF},
        {28, 28, 128, 256, {1, 1}, 1, 1, 1, VALID, false, 0, PERF},
        {56, 56, 96, 96, {3, 3}, 1, 1, 96, SAME, false, 0, PERF},
};

/* Output positions along one axis, and the pads there, as Keras (keras.layers.Conv2D) sets them. */
static int64_t place(int pad[2], int size, const conv_row *row, int axis)
{
    const int reach = row->dilation * (row->kernel[axis] - 1) + 1;
    const int positions = (size + row->stride - 1) / row->stride;
    const int total = TMB_MAX((positions - 1) * row->stride + reach - size, 0);

    pad[0] = row->pad == SAME ? total / 2 : row->pad == ONE;
    pad[1] = row->pad == SAME ? total - total / 2 : row->pad != VALID;
    return (size + pad[0] + pad[1] - reach) / row->stride + 1;
}

static void set_window(tmb_op *op, const conv_row *row)
{
    tmb_attr *a = &op->attr;

    for (int axis = 0; axis < 2; axis++) {
        int pad[2];

        place(pad, axis ? row->w : row->h, row, axis);
        a->pad[axis] = pad[0];
        a->pad[axis + 2] = pad[1];
        a->kernel[axis] = row->kernel[axis];
        a->stride[axis] = row->stride;
        a->dilation[axis] = row->dilation;
    }
    a->groups = row->groups;
}

static void conv_name(check_case *c, const conv_row *row)
{
    static const char *const pads[] = {"valid", "same", "pad 1", "pad after"};

    case_start(c, "%dx%d %dx%dx%d to %d stride %d dilation %d groups %d %s %s%s", row->kernel[0],
            row->kernel[1], row->h, row->w, row->in, row->out, row->stride, row->dilation,
            row->groups, pads[row->pad], case_acts[row->act].name, row->bias ? "" : " no bias");
    c->perf = row->batch == PERF;
    if (row->batch != FEW) c->max_batch = row->batch == MANY ? 19 : 16;
}

/* The two gradients of a convolution, or of a dense layer: kinds stand next to each other. */
static void add_gradients(check_case *c, const tmb_op *forward, int dz)
{
    const int x = forward->in[0], w = forward->in[1], b = forward->in[2];
    const tmb_attr attr = forward->attr;
    const tmb_op_kind kind = forward->kind;
    tmb_op *op = add_op(c, kind + 1);

    op->attr = attr;
    op->in[0] = dz;
    op->in[1] = w;
    op->out[0] = add_like(c, "dx", TMB_ROLE_OUTPUT, FILL_ZERO, x);
    op = add_op(c, kind + 2);
    op->attr = attr;
    op->in[0] = x;
    op->in[1] = dz;
    op->out[0] = add_like(c, "dw", TMB_ROLE_GRAD, FILL_ZERO, w);
    if (b >= 0) op->out[1] = add_like(c, "db", TMB_ROLE_GRAD, FILL_ZERO, b);
}

/* x w [b] -> y with activation, then both gradients; the last tensors are dx, dw, maybe db. */
static void finish_layer(check_case *c, tmb_op *forward, int act)
{
    const tmb_op op = *forward;
    int dz, dx;

    if (!case_fusible(case_acts[act].act)) return;
    c->y = op.out[0];
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, c->y);
    dz = add_before_act(c, c->dy, c->y, act);
    dx = c->n_tensors;
    add_gradients(c, &op, dz);
    if (!case_smooth(case_acts[act].act)) return;
    add_pair(c, op.in[0], dx);
    add_pair(c, op.in[1], dx + 1);
    if (op.in[2] >= 0) add_pair(c, op.in[2], dx + 2);
}

static void conv_case(check_case *c, const conv_row *row)
{
    tmb_op *op;
    int pad[2];
    const int64_t oh = place(pad, row->h, row, 0), ow = place(pad, row->w, row, 1);

    conv_name(c, row);
    op = add_op(c, TMB_OP_CONV);
    set_window(op, row);
    case_set_act(op, row->act);
    op->in[0] = add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(row->h, row->w, row->in));
    op->in[1] = add_plain(c, "w", TMB_ROLE_PARAM, FILL_SMALL,
            DIMS(row->kernel[0], row->kernel[1], row->in / row->groups, row->out));
    if (row->bias) op->in[2] = add_plain(c, "b", TMB_ROLE_PARAM, FILL_NORMAL, DIMS(row->out));
    op->out[0] = add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(oh, ow, row->out));
    finish_layer(c, op, row->act);
}

/* ---- pooling ---- */

static const conv_row pool_rows[] = {
        {8, 8, 3, 0, {2, 2}, 2, 1, 1, VALID, false, 0, FEW},
        {9, 7, 17, 0, {2, 2}, 2, 1, 1, VALID, false, 0, FEW},
        {9, 7, 32, 0, {2, 2}, 2, 1, 1, SAME, false, 0, FEW},
        {8, 8, 64, 0, {3, 3}, 2, 1, 1, SAME, false, 0, FEW},
        {7, 9, 1, 0, {3, 3}, 1, 1, 1, SAME, false, 0, FEW},
        {11, 10, 5, 0, {3, 3}, 2, 1, 1, ONE, false, 0, FEW},
        {6, 9, 4, 0, {3, 1}, 1, 1, 1, VALID, false, 0, FEW},
        {10, 10, 4, 0, {2, 2}, 3, 1, 1, VALID, false, 0, FEW},
        {148, 148, 32, 0, {2, 2}, 2, 1, 1, VALID, false, 0, PERF},
        {72, 72, 32, 0, {2, 2}, 2, 1, 1, VALID, false, 0, PERF},
};

/* y, dy and dx of a pool, whose forward op stands first; kind + 1 is its gradient. */
static void finish_pool(check_case *c, bool max, bool exact)
{
    const tmb_op forward = c->op[0];
    tmb_op *op;

    c->y = forward.out[0];
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, c->y);
    if (max) {
        c->op[0].out[1] = add_like(c, "where", TMB_ROLE_ACT, FILL_ZERO, c->y);
        c->tensor[c->op[0].out[1]].dtype = TMB_I32;
    }
    op = add_op(c, forward.kind + 1);
    op->attr = forward.attr;
    op->in[0] = c->dy;
    op->in[1] = c->op[0].out[1];
    op->out[0] = add_like(c, "dx", TMB_ROLE_OUTPUT, FILL_ZERO, forward.in[0]);
    if (exact) add_pair(c, forward.in[0], op->out[0]);
}

static void pool_case(check_case *c, const conv_row *row, bool max, fill f)
{
    tmb_op *op;
    int pad[2];
    const int64_t oh = place(pad, row->h, row, 0), ow = place(pad, row->w, row, 1);

    case_start(c, "%s %dx%d %dx%dx%d stride %d pad %d%s", max ? "maximum" : "mean", row->kernel[0],
            row->kernel[1], row->h, row->w, row->in, row->stride, (int)row->pad,
            f == FILL_TIES ? " ties" : "");
    c->perf = row->batch == PERF;
    if (c->perf) c->max_batch = 16;
    op = add_op(c, TMB_OP_POOL);
    set_window(op, row);
    op->attr.max = max;
    op->in[0] = add_rows(c, "x", TMB_ROLE_INPUT, f, DIMS(row->h, row->w, row->in));
    op->out[0] = add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(oh, ow, row->in));
    finish_pool(c, max, f != FILL_TIES);
}

static void global_pool_case(check_case *c, int64_t h, int64_t channels, bool max, fill f)
{
    tmb_op *op;

    case_start(c, "%s of %dx%dx%d%s", max ? "maximum" : "mean", (int)h, (int)h + 1, (int)channels,
            f == FILL_TIES ? " ties" : "");
    op = add_op(c, TMB_OP_GLOBAL_POOL);
    op->attr.max = max;
    op->in[0] = add_rows(c, "x", TMB_ROLE_INPUT, f, DIMS(h, h + 1, channels));
    op->out[0] = add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(channels));
    finish_pool(c, max, f != FILL_TIES);
}

static void visit_pools(check_case *c, check_visit visit, void *user)
{
    static const int channels[] = {1, 3, 17, 32, 64};

    for (size_t i = 0; i < TMB_COUNT(pool_rows); i++) {
        pool_case(c, &pool_rows[i], true, FILL_SPACED);
        visit(user, c);
        pool_case(c, &pool_rows[i], true, FILL_TIES);
        if (!c->perf) visit(user, c);
        pool_case(c, &pool_rows[i], false, FILL_NORMAL);
        visit(user, c);
    }
    for (size_t i = 0; i < TMB_COUNT(channels); i++) {
        global_pool_case(c, 3 + (int64_t)i, channels[i], i % 2 == 0, FILL_SPACED);
        visit(user, c);
        global_pool_case(c, 3 + (int64_t)i, channels[i], true, FILL_TIES);
        visit(user, c);
        global_pool_case(c, 1 + (int64_t)i, channels[i], false, FILL_NORMAL);
        visit(user, c);
    }
}

/* ---- dense, activations, softmax ---- */

static void dense_case(check_case *c, int in, int units, int act, bool bias)
{
    tmb_op *op;

    case_start(c, "%d to %d %s%s", in, units, case_acts[act].name, bias ? "" : " no bias");
    c->perf = in > 5000;
    if (c->perf) c->max_batch = 16;
    op = add_op(c, TMB_OP_DENSE);
    case_set_act(op, act);
    op->in[0] = add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(in));
    op->in[1] = add_plain(c, "w", TMB_ROLE_PARAM, FILL_SMALL, DIMS(in, units));
    if (bias) op->in[2] = add_plain(c, "b", TMB_ROLE_PARAM, FILL_NORMAL, DIMS(units));
    op->out[0] = add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(units));
    finish_layer(c, op, act);
}

/* On the last axis of (n, h, w, in). */
static void dense_deep_case(check_case *c, int in, int units)
{
    tmb_op *op;

    case_start(c, "4x3x%d to %d", in, units);
    op = add_op(c, TMB_OP_DENSE);
    op->in[0] = add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(4, 3, in));
    op->in[1] = add_plain(c, "w", TMB_ROLE_PARAM, FILL_SMALL, DIMS(in, units));
    op->in[2] = add_plain(c, "b", TMB_ROLE_PARAM, FILL_NORMAL, DIMS(units));
    op->out[0] = add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(4, 3, units));
    finish_layer(c, op, 0);
}

static void visit_dense(check_case *c, check_visit visit, void *user)
{
    static const int sizes[][2] = {
            {1, 1}, {3, 17}, {17, 3}, {64, 1}, {128, 10}, {100, 64}, {18496, 64}};

    for (size_t i = 0; i < TMB_COUNT(sizes); i++) {
        dense_case(c, sizes[i][0], sizes[i][1], 0, i % 2 == 0);
        visit(user, c);
    }
    for (int act = 1; act < CASE_ACTS; act++) {
        dense_case(c, 20, 12, act, true);
        visit(user, c);
    }
    dense_deep_case(c, 6, 5);
    visit(user, c);
}

static void act_case(check_case *c, int number, bool with_x)
{
    tmb_op *op;

    case_start(c, "%s%s", case_acts[number].name, with_x ? " with x" : "");
    op = add_op(c, TMB_OP_ACT);
    case_set_act(op, number);
    op->in[0] = add_rows(c, "x", TMB_ROLE_INPUT, FILL_LATTICE, DIMS(5, 6, 7));
    op->out[0] = c->y = add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(5, 6, 7));
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, c->y);
    op = add_op(c, TMB_OP_ACT_BWD);
    case_set_act(op, number);
    op->in[0] = c->dy;
    op->in[1] = c->y;
    if (with_x) op->in[2] = 0;
    op->out[0] = add_like(c, "dx", TMB_ROLE_OUTPUT, FILL_ZERO, c->y);
    add_pair(c, 0, op->out[0]);
}

static void softmax_case(check_case *c, int64_t rows, int64_t classes, tmb_activation act)
{
    tmb_op *op;
    int x;

    case_start(c, "%d rows of %d%s", (int)rows, (int)classes, act ? " logarithm" : "");
    x = rows > 1 ? add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(rows, classes))
                 : add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(classes));
    op = add_op(c, TMB_OP_SOFTMAX);
    op->attr.act = act;
    op->in[0] = x;
    op->out[0] = c->y = add_like(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, x);
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, x);
    op = add_op(c, TMB_OP_SOFTMAX_BWD);
    op->attr.act = act;
    op->in[0] = c->dy;
    op->in[1] = c->y;
    op->out[0] = add_like(c, "dx", TMB_ROLE_OUTPUT, FILL_ZERO, x);
    add_pair(c, x, op->out[0]);
}

static void visit_acts(check_case *c, check_visit visit, void *user)
{
    static const int classes[] = {1, 2, 10, 257};

    for (int act = 0; act < CASE_ACTS; act++) {
        act_case(c, act, true);
        visit(user, c);
        if (case_fusible(case_acts[act].act)) {
            act_case(c, act, false);
            visit(user, c);
        }
    }
    for (size_t i = 0; i < TMB_COUNT(classes); i++) {
        softmax_case(c, 1, classes[i], TMB_LINEAR);
        visit(user, c);
        softmax_case(c, 1, classes[i], TMB_LOG_SOFTMAX);
        visit(user, c);
    }
    softmax_case(c, 7, 6, TMB_LINEAR);
    visit(user, c);
}

void check_cases(check_visit visit, void *user)
{
    static check_case c; /* large; one at a time */

    for (size_t i = 0; i < TMB_COUNT(conv_rows); i++) {
        conv_case(&c, &conv_rows[i]);
        visit(user, &c);
    }
    visit_pools(&c, visit, user);
    visit_dense(&c, visit, user);
    visit_acts(&c, visit, user);
    check_cases_values(&c, visit, user);
    check_cases_layers(&c, visit, user);
    check_cases_nets(&c, visit, user);
}
