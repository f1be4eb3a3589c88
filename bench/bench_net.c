/* bench_net.c - whole training steps as op lists
 *
 * Layers append their forward op and are noted; `finish` walks them backwards, adds the gradients
 * of a tensor that several layers read, and ends with an optimizer step for each parameter. */
#include "bench_net.h"

#include <string.h>

static int add_tensor(bench_net *net, tmb_role role, bool batched, int rank, const int64_t *dim)
{
    tmb_tensor *t = &net->tensor[net->n_tensors];

    *t = (tmb_tensor){.role = role, .batched = batched, .rank = rank, .name = "tensor"};
    for (int i = 0; i < rank; i++)
        t->dim[i] = dim[i];
    net->grad_of[net->n_tensors] = -1;
    return net->n_tensors++;
}

#define DIMS(...)                                                                                  \
    (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[])             \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static int like(bench_net *net, tmb_role role, int tensor)
{
    const tmb_tensor t = net->tensor[tensor];

    return add_tensor(net, role, t.batched, t.rank, t.dim);
}

static tmb_op *add_op(bench_net *net, tmb_op_kind kind, const char *name)
{
    tmb_op *op = &net->op[net->n_ops++];

    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->name = name;
    for (int i = 0; i < TMB_OP_INPUTS; i++)
        op->in[i] = op->out[i] = -1;
    for (int i = 0; i < 2; i++)
        op->attr.kernel[i] = op->attr.stride[i] = op->attr.dilation[i] = 1;
    op->attr.groups = 1;
    return op;
}

static void note(bench_net *net, const tmb_op *op)
{
    net->layer[net->n_layers++] = (bench_layer){.op = *op, .dw = -1, .db = -1};
}

/* ---- forward ---- */

static int64_t dim(const bench_net *net, int tensor, int i)
{
    return net->tensor[tensor].dim[i];
}

static int conv(bench_net *net, int x, int filters, int stride, int pad, bool plain)
{
    const int64_t h = (dim(net, x, 1) + 2 * pad - 3) / stride + 1;
    const int64_t w = (dim(net, x, 2) + 2 * pad - 3) / stride + 1;
    const int kernel = add_tensor(net, TMB_ROLE_PARAM, false, DIMS(3, 3, dim(net, x, 3), filters));
    const int bias = plain ? add_tensor(net, TMB_ROLE_PARAM, false, DIMS(filters)) : -1;
    const int y = add_tensor(net, TMB_ROLE_ACT, true, DIMS(net->batch, h, w, filters));
    tmb_op *op = add_op(net, TMB_OP_CONV, "conv");

    op->in[0] = x;
    op->in[1] = kernel;
    op->in[2] = bias;
    op->out[0] = y;
    op->attr.act = plain ? TMB_RELU : TMB_LINEAR;
    for (int i = 0; i < 4; i++)
        op->attr.pad[i] = pad;
    for (int i = 0; i < 2; i++) {
        op->attr.kernel[i] = 3;
        op->attr.stride[i] = stride;
    }
    note(net, op);
    return y;
}

static int pool(bench_net *net, int x)
{
    const int64_t h = dim(net, x, 1) / 2, w = dim(net, x, 2) / 2, c = dim(net, x, 3);
    const int y = add_tensor(net, TMB_ROLE_ACT, true, DIMS(net->batch, h, w, c));
    const int where = add_tensor(net, TMB_ROLE_ACT, true, DIMS(net->batch, h, w, c));
    tmb_op *op = add_op(net, TMB_OP_POOL, "pool");

    net->tensor[where].dtype = TMB_I32;
    op->in[0] = x;
    op->out[0] = y;
    op->out[1] = where;
    op->attr.max = true;
    op->attr.kernel[0] = op->attr.kernel[1] = op->attr.stride[0] = op->attr.stride[1] = 2;
    note(net, op);
    return y;
}

static int dense(bench_net *net, int x, int units, tmb_activation act)
{
    const int w = add_tensor(net, TMB_ROLE_PARAM, false, DIMS(dim(net, x, 1), units));
    const int b = add_tensor(net, TMB_ROLE_PARAM, false, DIMS(units));
    const int y = add_tensor(net, TMB_ROLE_ACT, true, DIMS(net->batch, units));
    tmb_op *op = add_op(net, TMB_OP_DENSE, "dense");

    op->in[0] = x;
    op->in[1] = w;
    op->in[2] = b;
    op->out[0] = y;
    op->attr.act = act;
    note(net, op);
    return y;
}

static int batchnorm(bench_net *net, int x, bool relu)
{
    const int64_t c = dim(net, x, 3);
    const int y = like(net, TMB_ROLE_ACT, x);
    tmb_op *op = add_op(net, TMB_OP_BN, "batchnorm");

    op->in[0] = x;
    for (int i = 1; i < 5; i++)
        op->in[i] = add_tensor(net, i < 3 ? TMB_ROLE_PARAM : TMB_ROLE_STATE, false, DIMS(c));
    op->out[0] = y;
    for (int i = 1; i < 3; i++)
        op->out[i] = add_tensor(net, TMB_ROLE_ACT, false, DIMS(c));
    op->attr.act = relu ? TMB_RELU : TMB_LINEAR;
    op->attr.eps = 1e-3f;
    op->attr.momentum = 0.9f;
    note(net, op);
    return y;
}

/* One input, one output of the same shape, or of `y`'s if that is given. */
static int simple(bench_net *net, tmb_op_kind kind, const char *name, int x, int y)
{
    tmb_op *op = add_op(net, kind, name);

    op->in[0] = x;
    op->out[0] = y < 0 ? like(net, TMB_ROLE_ACT, x) : y;
    op->attr.rate = 0.5f;
    note(net, op);
    return op->out[0];
}

static int add_relu(bench_net *net, int a, int b)
{
    tmb_op *op = add_op(net, TMB_OP_ADD, "add");

    op->in[0] = a;
    op->in[1] = b;
    op->out[0] = like(net, TMB_ROLE_ACT, a);
    op->attr.act = TMB_RELU;
    note(net, op);
    return op->out[0];
}

/* ---- backward ---- */

/* dx joins what other readers of x gave already. */
static void give(bench_net *net, int x, int dx)
{
    const int before = net->grad_of[x];
    tmb_op *op;

    net->grad_of[x] = dx;
    if (before < 0) return;
    net->grad_of[x] = like(net, TMB_ROLE_ACT, x);
    op = add_op(net, TMB_OP_ADD, "sum of gradients");
    op->in[0] = before;
    op->in[1] = dx;
    op->out[0] = net->grad_of[x];
}

/* The gradient before the layer's ReLU. */
static int before_act(bench_net *net, const tmb_op *forward)
{
    const int dy = net->grad_of[forward->out[0]];
    tmb_op *op;

    if (forward->attr.act == TMB_LINEAR) return dy;
    op = add_op(net, TMB_OP_ACT_BWD, forward->name);
    op->attr.act = forward->attr.act;
    op->in[0] = dy;
    op->in[1] = forward->out[0];
    op->out[0] = like(net, TMB_ROLE_ACT, dy);
    return op->out[0];
}

static void back_weighted(bench_net *net, bench_layer *layer, tmb_op_kind data, tmb_op_kind weights)
{
    const tmb_op *f = &layer->op;
    const int dy = before_act(net, f);
    tmb_op *op;

    if (f->in[0] != net->frozen) {
        op = add_op(net, data, f->name);
        op->attr = f->attr;
        op->in[0] = dy;
        op->in[1] = f->in[1];
        op->out[0] = like(net, TMB_ROLE_ACT, f->in[0]);
        give(net, f->in[0], op->out[0]);
    }
    layer->dw = like(net, TMB_ROLE_GRAD, f->in[1]);
    if (f->in[2] >= 0) layer->db = like(net, TMB_ROLE_GRAD, f->in[2]);
    op = add_op(net, weights, f->name);
    op->attr = f->attr;
    op->in[0] = f->in[0];
    op->in[1] = dy;
    op->out[0] = layer->dw;
    op->out[1] = layer->db;
}

static void back_norm(bench_net *net, bench_layer *layer)
{
    const tmb_op *f = &layer->op;
    const int dy = before_act(net, f);
    tmb_op *op = add_op(net, TMB_OP_BN_BWD, f->name);

    layer->dw = like(net, TMB_ROLE_GRAD, f->in[1]);
    layer->db = like(net, TMB_ROLE_GRAD, f->in[2]);
    op->attr = f->attr;
    op->in[0] = dy;
    op->in[1] = f->in[0];
    op->in[2] = f->in[1];
    op->in[3] = f->out[1];
    op->in[4] = f->out[2];
    op->out[0] = like(net, TMB_ROLE_ACT, f->in[0]);
    op->out[1] = layer->dw;
    op->out[2] = layer->db;
    give(net, f->in[0], op->out[0]);
}

static void back_simple(bench_net *net, const tmb_op *f, tmb_op_kind kind)
{
    tmb_op *op = add_op(net, kind, f->name);

    op->attr = f->attr;
    op->in[0] = net->grad_of[f->out[0]];
    op->in[1] = kind == TMB_OP_POOL_BWD ? f->out[1] : -1;
    op->out[0] = like(net, TMB_ROLE_ACT, f->in[0]);
    give(net, f->in[0], op->out[0]);
}

static void back(bench_net *net, bench_layer *layer)
{
    const tmb_op *f = &layer->op;

    switch (f->kind) {
    case TMB_OP_CONV:
        back_weighted(net, layer, TMB_OP_CONV_BWD_DATA, TMB_OP_CONV_BWD_WEIGHTS);
        break;
    case TMB_OP_DENSE:
        back_weighted(net, layer, TMB_OP_DENSE_BWD_DATA, TMB_OP_DENSE_BWD_WEIGHTS);
        break;
    case TMB_OP_BN:
        back_norm(net, layer);
        break;
    case TMB_OP_POOL:
        back_simple(net, f, TMB_OP_POOL_BWD);
        break;
    case TMB_OP_GLOBAL_POOL:
        back_simple(net, f, TMB_OP_GLOBAL_POOL_BWD);
        break;
    case TMB_OP_RESHAPE:
        back_simple(net, f, TMB_OP_RESHAPE);
        break;
    case TMB_OP_DROPOUT:
        back_simple(net, f, TMB_OP_DROPOUT_BWD);
        break;
    default: { /* ADD: both sides get the same */
        const int dy = before_act(net, f);

        give(net, f->in[0], dy);
        give(net, f->in[1], dy);
    }
    }
}

static void update(bench_net *net, int w, int g, int norm, bool rmsprop)
{
    tmb_op *op = add_op(net, rmsprop ? TMB_OP_RMSPROP : TMB_OP_SGD, "update");

    op->in[0] = w;
    op->in[1] = g;
    op->in[2] = like(net, TMB_ROLE_STATE, w);
    op->in[rmsprop ? 5 : 3] = norm;
    op->attr.lr_scale = 1;
    if (rmsprop) {
        op->attr.rho = 0.9f;
        op->attr.eps = 1e-7f;
        op->attr.eps_outside = true;
    } else {
        op->attr.momentum = 0.9f;
    }
}

static void finish(bench_net *net, int z, tmb_loss loss, bool rmsprop)
{
    tmb_op *op = add_op(net, TMB_OP_LOSS, "loss");
    int norm;

    net->t = like(net, TMB_ROLE_INPUT, z);
    net->loss = add_tensor(net, TMB_ROLE_OUTPUT, true, DIMS(net->batch));
    net->grad_of[z] = like(net, TMB_ROLE_ACT, z);
    op->in[0] = z;
    op->in[1] = net->t;
    op->out[0] = net->loss;
    op->out[1] = net->grad_of[z];
    op->attr.loss = loss;
    op->attr.logits = true;
    for (int i = net->n_layers - 1; i >= 0; i--)
        back(net, &net->layer[i]);
    norm = add_tensor(net, TMB_ROLE_OUTPUT, false, DIMS(1));
    add_op(net, TMB_OP_GRAD_NORM, "norm")->out[0] = norm;
    for (int i = 0; i < net->n_layers; i++) {
        const bench_layer *layer = &net->layer[i];

        if (layer->dw >= 0) update(net, layer->op.in[1], layer->dw, norm, rmsprop);
        if (layer->db >= 0) update(net, layer->op.in[2], layer->db, norm, rmsprop);
    }
}

/* ---- the nets ---- */

static void start(bench_net *net, const char *name, int batch)
{
    memset(net, 0, sizeof *net);
    net->name = name;
    net->batch = batch;
}

static int input(bench_net *net, int rank, const int64_t *dims)
{
    return net->x = net->frozen = add_tensor(net, TMB_ROLE_INPUT, true, rank, dims);
}

static int flatten(bench_net *net, int x)
{
    const int64_t n = dim(net, x, 1) * dim(net, x, 2) * dim(net, x, 3);

    return simple(net, TMB_OP_RESHAPE, "flatten", x,
            add_tensor(net, TMB_ROLE_ACT, true, DIMS(net->batch, n)));
}

/* Of all the post's nets. */
static void top(bench_net *net, int x, int units, bool rmsprop)
{
    x = dense(net, x, units, TMB_RELU);
    x = dense(net, simple(net, TMB_OP_DROPOUT, "dropout", x, -1), 1, TMB_LINEAR);
    finish(net, x, TMB_BINARY_CROSSENTROPY, rmsprop);
}

void bench_net_post(bench_net *net, int batch)
{
    int x;

    start(net, "post", batch);
    x = input(net, DIMS(batch, 150, 150, 3));
    for (int i = 0; i < 3; i++)
        x = pool(net, conv(net, x, i < 2 ? 32 : 64, 1, 0, true));
    top(net, flatten(net, x), 64, true);
}

/* Flattening copies nothing, so the rows come flat. */
void bench_net_head(bench_net *net, int batch)
{
    start(net, "head", batch);
    top(net, input(net, DIMS(batch, 4 * 4 * 512)), 256, true);
}

/* Blocks `from` up to `to` of VGG16. */
static int vgg16(bench_net *net, int x, int from, int to)
{
    static const int filters[] = {64, 128, 256, 512, 512};

    for (int block = from; block < to; block++) {
        for (int i = 0; i < (block < 2 ? 2 : 3); i++)
            x = conv(net, x, filters[block], 1, 1, true);
        x = pool(net, x);
    }
    return x;
}

void bench_net_finetune(bench_net *net, int batch, bool kept)
{
    int x;

    start(net, kept ? "finetune kept" : "finetune", batch);
    if (kept) {
        x = input(net, DIMS(batch, 9, 9, 512));
    } else {
        x = net->frozen = vgg16(net, input(net, DIMS(batch, 150, 150, 3)), 0, 4);
        for (int i = 0; i < net->n_layers; i++)
            net->op[i].out[1] = -1; /* nobody asks for the pools' winners */
        net->n_layers = 0;          /* and nothing comes back */
    }
    top(net, flatten(net, vgg16(net, x, 4, 5)), 256, false);
}

void bench_net_residual(bench_net *net, int batch)
{
    int x, y;

    start(net, "residual", batch);
    x = input(net, DIMS(batch, 128, 128, 3));
    x = batchnorm(net, conv(net, x, 32, 2, 1, false), true);
    for (int filters = 64; filters <= 256; filters *= 2) {
        x = pool(net, batchnorm(net, conv(net, x, filters, 1, 1, false), true));
        y = batchnorm(net, conv(net, x, filters, 1, 1, false), false);
        x = add_relu(net, x, y);
    }
    y = add_tensor(net, TMB_ROLE_ACT, true, DIMS(batch, 256));
    x = dense(net, simple(net, TMB_OP_GLOBAL_POOL, "global pool", x, y), 2, TMB_LINEAR);
    finish(net, x, TMB_CATEGORICAL_CROSSENTROPY, false);
}

tmb_op_list bench_net_list(const bench_net *net)
{
    return (tmb_op_list){
            .tensors = net->tensor,
            .ops = net->op,
            .n_tensors = net->n_tensors,
            .n_ops = net->n_ops,
            .max_batch = net->batch,
    };
}
