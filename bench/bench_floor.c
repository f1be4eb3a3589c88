/* bench_floor.c - what oneDNN's own primitives take for the ops of a step, on all threads
 *
 * Each op is made in every variant: convolutions direct on plain and on blocked activations and by
 * Winograd, pools plain and blocked, dense layers as the library likes them. Kernels are taken as
 * packed, activations as already in the wanted order: reorders are not counted, nor are optimizer,
 * loss and dropout, for which the library has no primitive. What is left is less than a step needs.
 *
 * In bf16 activations, their gradients and kernels are bf16, biases and the gradients that an optimizer
 * reads f32. Every op is timed in f32 too and the faster counts, since not all gain. */
#include "bench_floor.h"

#include "bench_host.h"

#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGS = 6 };

typedef struct prim {
    const char *what;
    char how[64];
    int op;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[ARGS];
    int n_args;
    double ms[FLOOR_ROUNDS];
} prim;

struct bench_floor {
    const bench_net *net;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_data_type_t type; /* of what is added now */
    prim prims[FLOOR_PRIMS];
    int n_prims, rounds, threads;
};

static void must(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success) return;
    fprintf(stderr, "oneDNN: %s: status %d\n", what, (int)status);
    exit(1);
}

/* ---- making ---- */

static dnnl_memory_desc_t describe(
        int rank, const int64_t *dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t md;
    dnnl_dims_t all = {0};

    memcpy(all, dims, (size_t)rank * sizeof *dims);
    must(dnnl_memory_desc_init_by_tag(&md, rank, all, type, tag), "memory descriptor");
    return md;
}

#define MD(type, tag, ...)                                                                         \
    describe((int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                      \
            (const int64_t[]){__VA_ARGS__}, type, tag)

/* Small numbers. The upper half of an f32 is a bf16. */
static void fill(void *data, size_t size, dnnl_data_type_t type)
{
    for (size_t e = 0; e < size / (type == dnnl_bf16 ? 2 : 4); e++) {
        const float value = (float)(e % 19) * 0.1f - 0.9f;
        uint32_t bits;

        memcpy(&bits, &value, sizeof bits);
        if (type == dnnl_bf16)
            ((uint16_t *)data)[e] = (uint16_t)(bits >> 16);
        else
            ((float *)data)[e] = value;
    }
}

static void add_arg(
        bench_floor *f, prim *p, const_dnnl_primitive_desc_t pd, int arg, dnnl_query_t what, int i)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(pd, what, i);
    const size_t size = md ? dnnl_memory_desc_get_size(md) : 0;
    dnnl_memory_t memory;
    void *data;

    if (size == 0) return;
    must(dnnl_memory_create(&memory, md, f->engine, DNNL_MEMORY_ALLOCATE), "memory");
    dnnl_memory_get_data_handle(memory, &data);
    if (what == dnnl_query_workspace_md)
        memset(data, 0, size);
    else
        fill(data, size, md->data_type);
    p->args[p->n_args++] = (dnnl_exec_arg_t){arg, memory};
}

/* All arguments that the descriptor knows of, for a forward or a backward primitive. */
static void add_args(bench_floor *f, prim *p, const_dnnl_primitive_desc_t pd, bool weights_first)
{
    add_arg(f, p, pd, DNNL_ARG_SRC, dnnl_query_src_md, 0);
    add_arg(f, p, pd, DNNL_ARG_DST, dnnl_query_dst_md, 0);
    add_arg(f, p, pd, DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md, 0);
    add_arg(f, p, pd, DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md, 0);
    add_arg(f, p, pd, DNNL_ARG_WORKSPACE, dnnl_query_workspace_md, 0);
    if (!weights_first) return;
    add_arg(f, p, pd, DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0);
    add_arg(f, p, pd, DNNL_ARG_BIAS, dnnl_query_weights_md, 1);
    add_arg(f, p, pd, DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md, 0);
    add_arg(f, p, pd, DNNL_ARG_DIFF_BIAS, dnnl_query_diff_weights_md, 1);
}

/* Descriptor to primitive; false if the library has none of this kind. */
static bool add_prim(bench_floor *f, int op, const char *variant, const_dnnl_op_desc_t desc,
        const_dnnl_primitive_desc_t hint, bool weights)
{
    prim *p = &f->prims[f->n_prims];
    dnnl_primitive_desc_t pd;
    const char *name = "";

    if (f->n_prims == FLOOR_PRIMS) must(dnnl_out_of_memory, "more than FLOOR_PRIMS");
    if (dnnl_primitive_desc_create(&pd, desc, NULL, f->engine, hint) != dnnl_success) return false;
    *p = (prim){.what = f->net->op[op].name, .op = op};
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
    snprintf(p->how, sizeof p->how, "%s %s", variant, name);
    must(dnnl_primitive_create(&p->primitive, pd), "primitive");
    add_args(f, p, pd, weights);
    dnnl_primitive_desc_destroy(pd);
    f->n_prims++;
    return true;
}

static const int64_t *dims_of(const bench_floor *f, int tensor)
{
    return f->net->tensor[tensor].dim;
}

static void add_conv(
        bench_floor *f, int op, dnnl_alg_kind_t alg, dnnl_format_tag_t tag, const char *variant)
{
    const tmb_op *o = &f->net->op[op];
    const bool data = o->kind == TMB_OP_CONV_BWD_DATA, weights = o->kind == TMB_OP_CONV_BWD_WEIGHTS;
    const int64_t *x = dims_of(f, data ? o->out[0] : o->in[0]);
    const int64_t *w = dims_of(f, weights ? o->out[0] : o->in[1]);
    const int64_t *y = dims_of(f, data ? o->in[0] : weights ? o->in[1] : o->out[0]);
    const dnnl_memory_desc_t src = MD(f->type, tag, x[0], x[3], x[1], x[2]),
                             dst = MD(f->type, tag, y[0], y[3], y[1], y[2]);
    const dnnl_memory_desc_t kernel = MD(f->type, dnnl_format_tag_any, w[3], w[2], w[0], w[1]),
                             grad = MD(dnnl_f32, dnnl_format_tag_any, w[3], w[2], w[0], w[1]);
    const dnnl_memory_desc_t bias = MD(dnnl_f32, dnnl_a, w[3]);
    const dnnl_dims_t stride = {o->attr.stride[0], o->attr.stride[1]};
    const dnnl_dims_t before = {o->attr.pad[0], o->attr.pad[1]},
                      after = {o->attr.pad[2], o->attr.pad[3]};
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t hint;

    must(dnnl_convolution_forward_desc_init(&desc, dnnl_forward_training, alg, &src, &kernel, &bias,
                 &dst, stride, before, after),
            "convolution");
    if (!data && !weights) {
        add_prim(f, op, variant, &desc, NULL, true);
        return;
    }
    if (dnnl_primitive_desc_create(&hint, &desc, NULL, f->engine, NULL) != dnnl_success) return;
    if (data)
        must(dnnl_convolution_backward_data_desc_init(
                     &desc, alg, &src, &kernel, &dst, stride, before, after),
                "convolution");
    else
        must(dnnl_convolution_backward_weights_desc_init(
                     &desc, alg, &src, &grad, &bias, &dst, stride, before, after),
                "convolution");
    add_prim(f, op, variant, &desc, hint, true);
    dnnl_primitive_desc_destroy(hint);
}

static void add_pool(bench_floor *f, int op, dnnl_format_tag_t tag, const char *variant)
{
    const tmb_op *o = &f->net->op[op];
    const bool back = o->kind == TMB_OP_POOL_BWD;
    const int64_t *x = dims_of(f, back ? o->out[0] : o->in[0]),
                  *y = dims_of(f, back ? o->in[0] : o->out[0]);
    const dnnl_memory_desc_t src = MD(f->type, tag, x[0], x[3], x[1], x[2]),
                             dst = MD(f->type, tag, y[0], y[3], y[1], y[2]);
    const dnnl_dims_t kernel = {2, 2}, none = {0, 0};
    dnnl_pooling_desc_t desc;
    dnnl_primitive_desc_t hint;

    must(dnnl_pooling_forward_desc_init(&desc, dnnl_forward_training, dnnl_pooling_max, &src, &dst,
                 kernel, kernel, none, none),
            "pool");
    if (!back) {
        add_prim(f, op, variant, &desc, NULL, false);
        return;
    }
    if (dnnl_primitive_desc_create(&hint, &desc, NULL, f->engine, NULL) != dnnl_success) return;
    must(dnnl_pooling_backward_desc_init(
                 &desc, dnnl_pooling_max, &src, &dst, kernel, kernel, none, none),
            "pool");
    add_prim(f, op, variant, &desc, hint, false);
    dnnl_primitive_desc_destroy(hint);
}

/* On pooled pictures where a pool comes first, as the best order of ops would have it. */
static void add_relu(bench_floor *f, int op)
{
    const tmb_op *o = &f->net->op[op];
    const int64_t *x = dims_of(f, o->in[0]);
    const bool picture = f->net->tensor[o->in[0]].rank == 4;
    const int64_t pooled = picture ? x[1] / 2 * (x[2] / 2) * x[3] : x[1];
    const dnnl_memory_desc_t md = MD(f->type, dnnl_ab, x[0], pooled);
    dnnl_eltwise_desc_t desc;
    dnnl_primitive_desc_t hint;

    must(dnnl_eltwise_forward_desc_init(
                 &desc, dnnl_forward_training, dnnl_eltwise_relu_use_dst_for_bwd, &md, 0, 0),
            "ReLU");
    if (dnnl_primitive_desc_create(&hint, &desc, NULL, f->engine, NULL) != dnnl_success) return;
    must(dnnl_eltwise_backward_desc_init(&desc, dnnl_eltwise_relu_use_dst_for_bwd, &md, &md, 0, 0),
            "ReLU");
    add_prim(f, op, "plain", &desc, hint, false);
    dnnl_primitive_desc_destroy(hint);
}

static void add_dense(bench_floor *f, int op)
{
    const tmb_op *o = &f->net->op[op];
    const bool data = o->kind == TMB_OP_DENSE_BWD_DATA,
               weights = o->kind == TMB_OP_DENSE_BWD_WEIGHTS;
    const int64_t *w = dims_of(f, weights ? o->out[0] : o->in[1]), n = f->net->batch;
    const dnnl_memory_desc_t src = MD(f->type, dnnl_ab, n, w[0]),
                             dst = MD(f->type, dnnl_ab, n, w[1]);
    const dnnl_memory_desc_t kernel = MD(f->type, dnnl_format_tag_any, w[1], w[0]),
                             grad = MD(dnnl_f32, dnnl_format_tag_any, w[1], w[0]);
    const dnnl_memory_desc_t bias = MD(dnnl_f32, dnnl_a, w[1]);
    dnnl_inner_product_desc_t desc;
    dnnl_primitive_desc_t hint;

    must(dnnl_inner_product_forward_desc_init(
                 &desc, dnnl_forward_training, &src, &kernel, &bias, &dst),
            "dense");
    if (!data && !weights) {
        add_prim(f, op, "any", &desc, NULL, true);
        return;
    }
    if (dnnl_primitive_desc_create(&hint, &desc, NULL, f->engine, NULL) != dnnl_success) return;
    if (data)
        must(dnnl_inner_product_backward_data_desc_init(&desc, &src, &kernel, &dst), "dense");
    else
        must(dnnl_inner_product_backward_weights_desc_init(&desc, &src, &grad, &bias, &dst),
                "dense");
    add_prim(f, op, "any", &desc, hint, true);
    dnnl_primitive_desc_destroy(hint);
}

static void add_op(bench_floor *f, int op)
{
    switch (f->net->op[op].kind) {
    case TMB_OP_CONV:
    case TMB_OP_CONV_BWD_DATA:
    case TMB_OP_CONV_BWD_WEIGHTS:
        add_conv(f, op, dnnl_convolution_direct, dnnl_nhwc, "plain");
        add_conv(f, op, dnnl_convolution_direct, dnnl_format_tag_any, "blocked");
        add_conv(f, op, dnnl_convolution_winograd, dnnl_format_tag_any, "Winograd");
        break;
    case TMB_OP_POOL:
    case TMB_OP_POOL_BWD:
        add_pool(f, op, dnnl_nhwc, "plain");
        add_pool(f, op, dnnl_nChw16c, "blocked");
        break;
    case TMB_OP_ACT_BWD:
        add_relu(f, op);
        break;
    case TMB_OP_DENSE:
    case TMB_OP_DENSE_BWD_DATA:
    case TMB_OP_DENSE_BWD_WEIGHTS:
        add_dense(f, op);
        break;
    default:
        break;
    }
}

bench_floor *bench_floor_new(const bench_net *net, int threads, bool bf16)
{
    bench_floor *f = calloc(1, sizeof *f);

    if (!f) exit(1);
    f->net = net;
    f->threads = threads;
    omp_set_num_threads(threads);
    must(dnnl_engine_create(&f->engine, dnnl_cpu, 0), "engine");
    must(dnnl_stream_create(&f->stream, f->engine, dnnl_stream_default_flags), "stream");
    for (int op = 0; op < net->n_ops; op++) {
        f->type = dnnl_f32;
        add_op(f, op);
        f->type = dnnl_bf16;
        if (bf16) add_op(f, op);
    }
    return f;
}

/* ---- timing ---- */

void bench_floor_round(bench_floor *f)
{
    for (int i = 0; i < f->n_prims; i++) {
        prim *p = &f->prims[i];
        double start = 0;

        for (int k = 0; k < 2; k++) { /* the second time counts: threads awake, memory warm */
            start = bench_clock(f->threads);
            must(dnnl_primitive_execute(p->primitive, f->stream, p->n_args, p->args), p->what);
            must(dnnl_stream_wait(f->stream), p->what);
        }
        p->ms[f->rounds] = 1e3 * (bench_clock(f->threads) - start);
    }
    f->rounds++;
}

void bench_floor_sum(bench_floor *f, double *medians, double *fastest)
{
    *medians = *fastest = 0;
    for (int i = 0, next; i < f->n_prims; i = next) {
        double best = 1e30, least = 1e30;
        int which = i;

        for (next = i; next < f->n_prims && f->prims[next].op == f->prims[i].op; next++) {
            const double median = bench_median(f->prims[next].ms, f->rounds);

            if (median < best) which = next;
            if (median < best) best = median;
            if (f->prims[next].ms[0] < least)
                least = f->prims[next].ms[0]; /* they are sorted now */
        }
        *medians += best;
        *fastest += least;
        printf("  %-18s %-12s %8.3f ms, fastest %8.3f  %s\n",
                bench_op_name(f->net->op[f->prims[i].op].kind), f->prims[i].what, best, least,
                f->prims[which].how);
    }
}
