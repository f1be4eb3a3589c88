/* cpu_fuse.c - pairs of ops that are done in one pass
 *
 * 1. ReLU and maximum pool change places, so that ReLU works on a quarter of the numbers.
 * 2. The gradient of that pair: where the pool's result is positive, dy goes to the winner. The
 *    result before pooling is then read by nobody and never leaves the core's cache.
 * 3. Convolutions that can work off that pair's input and winners do both themselves, see
 *    cpu_thin.c and cpu_bf16.c.
 * 4. The gradient of batch normalisation with ReLU reads y itself instead of a masked dy.
 * 5. What only convolutions in bf16 write and read is kept in bf16. */
#include "cpu_conv.h"

static bool plain_act(const struct tmb_program *p, int tensor)
{
    return tensor >= 0 && p->tensors[tensor].role == TMB_ROLE_ACT;
}

/* The op that reads `tensor` as its input number `slot`, is of this kind and is the first; or -1.
 */
static int reader(const struct tmb_program *p, int tensor, tmb_op_kind kind, int slot)
{
    for (int op = 0; op < p->n_ops; op++) {
        if (p->ops[op].kind == kind && p->ops[op].in[slot] == tensor) return op;
    }
    return -1;
}

int tmb__cpu_mask_after_pool(const struct tmb_program *p, int pool_bwd)
{
    const tmb_op *back = &p->ops[pool_bwd];
    const int dx = back->out[0], act = reader(p, dx, TMB_OP_ACT_BWD, 0);
    const int pool = back->in[1] < 0 ? -1 : tmb__cpu_writer(p, back->in[1], pool_bwd);

    if (act < 0 || pool < 0 || !back->attr.max || p->ops[pool].kind != TMB_OP_POOL) return -1;
    if (back->attr.kernel[0] * back->attr.kernel[1] > 255) return -1; /* `where` holds no bytes */
    if (p->ops[act].attr.act != TMB_RELU || p->ops[act].in[1] != p->ops[pool].in[0]) return -1;
    if (!plain_act(p, dx) || tmb__cpu_readers(p, dx) != 1) return -1;
    return act;
}

int tmb__cpu_relu_taker(const struct tmb_program *p, int op)
{
    const int y = p->ops[op].out[0], pool = reader(p, y, TMB_OP_POOL, 0);
    const int act = reader(p, y, TMB_OP_ACT_BWD, 1);
    int readers = 1;

    if (p->ops[op].kind != TMB_OP_CONV && p->ops[op].kind != TMB_OP_BN) return -1;
    if (p->ops[op].attr.act != TMB_RELU || pool < 0 || !p->ops[pool].attr.max) return -1;
    if (act >= 0) { /* it must not need y either */
        const int back = tmb__cpu_writer(p, p->ops[act].in[0], act);

        if (back < 0 || p->ops[back].kind != TMB_OP_POOL_BWD) return -1;
        if (tmb__cpu_mask_after_pool(p, back) != act) return -1;
        readers++;
    }
    return plain_act(p, y) && tmb__cpu_readers(p, y) == readers ? pool : -1;
}

int tmb__cpu_mask_before_bn(const struct tmb_program *p, int bn_bwd)
{
    const int dy = p->ops[bn_bwd].in[0], act = tmb__cpu_writer(p, dy, bn_bwd);

    if (act < 0 || p->ops[act].kind != TMB_OP_ACT_BWD || p->ops[act].attr.act != TMB_RELU)
        return -1;
    return plain_act(p, dy) && tmb__cpu_readers(p, dy) == 1 ? act : -1;
}

bool tmb__cpu_masks_bn(const struct tmb_program *p, int act)
{
    const int bn = reader(p, p->ops[act].out[0], TMB_OP_BN_BWD, 0);

    return !p->fused[act] && bn > act && tmb__cpu_mask_before_bn(p, bn) == act;
}

bool tmb__cpu_is_2x2(const tmb_op *pool)
{
    const tmb_attr *a = &pool->attr;

    return a->kernel[0] == 2 && a->kernel[1] == 2 && a->stride[0] == 2 && a->stride[1] == 2 &&
            a->pad[0] == 0 && a->pad[1] == 0 && a->pad[2] == 0 && a->pad[3] == 0;
}

bool tmb__cpu_pool_rectifies(const struct tmb_program *p, int pool)
{
    const tmb_op *o = &p->ops[pool];
    const int before = tmb__cpu_writer(p, o->in[0], pool);
    const int back = o->out[1] < 0 ? -1 : reader(p, o->out[1], TMB_OP_POOL_BWD, 1);

    if (before >= 0 && tmb__cpu_relu_taker(p, before) == pool) return true;
    return back >= 0 && tmb__cpu_mask_after_pool(p, back) >= 0;
}

static bool takes_pooled(const struct tmb_program *p, int op, int slot)
{
    const tmb_op *o = &p->ops[op];
    cpu_conv conv;

    if (o->kind == TMB_OP_CONV_BWD_DATA && slot == 0) {
        conv = tmb__cpu_conv_of(p, o, o->out[0], o->in[1], o->in[0]);
        return tmb__cpu_bf16_fits_back(p, &conv);
    }
    if (o->kind != TMB_OP_CONV_BWD_WEIGHTS || slot != 1) return false;
    conv = tmb__cpu_conv_of(p, o, o->in[0], o->out[0], o->in[1]);
    return tmb__cpu_bf16_fits_back(p, &conv) || tmb__cpu_thin_fits(&conv);
}

typedef bool (*reads_fn)(const struct tmb_program *p, int op, int slot);

static bool all_read(const struct tmb_program *p, int tensor, reads_fn can)
{
    for (int op = 0; op < p->n_ops; op++) {
        for (int i = 0; i < TMB_OP_INPUTS; i++) {
            if (p->ops[op].in[i] == tensor && !can(p, op, i)) return false;
        }
    }
    return true;
}

int tmb__cpu_pool_before(const struct tmb_program *p, int dy)
{
    const int act = tmb__cpu_writer(p, dy, p->n_ops);
    const int back = act < 0 ? -1 : tmb__cpu_writer(p, p->ops[act].in[0], act);

    if (back < 0 || p->ops[back].kind != TMB_OP_POOL_BWD || p->ops[act].kind != TMB_OP_ACT_BWD)
        return -1;
    if (!tmb__cpu_is_2x2(&p->ops[back]) || tmb__cpu_mask_after_pool(p, back) != act) return -1;
    return plain_act(p, dy) && all_read(p, dy, takes_pooled) ? back : -1;
}

/* ---- bf16 between ops ---- */

static bool conv_reads_half(const struct tmb_program *p, int op, int slot)
{
    const tmb_op *o = &p->ops[op];
    cpu_conv conv;

    if (o->kind == TMB_OP_CONV && slot == 0) {
        conv = tmb__cpu_conv_of(p, o, o->in[0], o->in[1], o->out[0]);
        return tmb__cpu_depth_fits(p, o, &conv) ||
                (tmb__cpu_bf16_fits(p, &conv) && !tmb__cpu_bf16_thin(&conv));
    }
    if (o->kind == TMB_OP_CONV_BWD_WEIGHTS) {
        conv = tmb__cpu_conv_of(p, o, o->in[0], o->out[0], o->in[1]);
        return tmb__cpu_bf16_fits_back(p, &conv) && (slot == 1 || !tmb__cpu_bf16_thin(&conv));
    }
    return o->kind == TMB_OP_CONV_BWD_DATA && takes_pooled(p, op, slot);
}

static bool reads_half(const struct tmb_program *p, int op, int slot)
{
    int act;

    if (p->ops[op].kind != TMB_OP_POOL_BWD || slot != 0) return conv_reads_half(p, op, slot);
    act = tmb__cpu_mask_after_pool(p, op);
    return act >= 0 && tmb__cpu_pool_before(p, p->ops[act].out[0]) == op &&
            all_read(p, p->ops[act].out[0], conv_reads_half);
}

static bool writes_half(const struct tmb_program *p, int op, int tensor)
{
    const tmb_op *o = &p->ops[op];
    cpu_conv conv;
    int before;

    if (o->out[0] != tensor) return false;
    switch (o->kind) {
    case TMB_OP_CONV:
        conv = tmb__cpu_conv_of(p, o, o->in[0], o->in[1], o->out[0]);
        if (tmb__cpu_depth_fits(p, o, &conv)) return tmb__cpu_relu_taker(p, op) < 0;
        return tmb__cpu_bf16_fits(p, &conv) && tmb__cpu_relu_taker(p, op) < 0 &&
                (o->attr.act == TMB_LINEAR || o->attr.act == TMB_RELU || o->attr.act == TMB_RELU6);
    case TMB_OP_CONV_BWD_DATA:
        return takes_pooled(p, op, 0);
    case TMB_OP_POOL:
        before = tmb__cpu_writer(p, o->in[0], op);
        return before >= 0 && tmb__cpu_bf16_pool(p, before) == op;
    default:
        return false;
    }
}

bool tmb__cpu_half(const struct tmb_program *p, int tensor)
{
    int op;

    if (!p->bf16 || !plain_act(p, tensor)) return false;
    op = tmb__cpu_writer(p, tensor, p->n_ops);
    return op >= 0 && writes_half(p, op, tensor) && all_read(p, tensor, reads_half);
}

bool tmb__cpu_keep_half(struct tmb_program *p, int tensor)
{
    const bool half = tmb__cpu_half(p, tensor);

    if (half)
        p->buffers[tensor].bytes =
                (size_t)tmb__cpu_row_count(&p->tensors[tensor]) * sizeof(cpu_bf16);
    return half;
}
