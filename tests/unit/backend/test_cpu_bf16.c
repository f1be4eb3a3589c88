/* test_cpu_bf16.c - convolutions and dense layers in bf16 against ref, to the bit
 *
 * The numbers are small integers: they are exact in bf16, and so are their sums in f32. What differs is
 * then a wrong place, not a rounding. In the chains, where results are rounded to bf16 between ops, they
 * are small enough to be exact too. */
#include "amx_emulated.h"
#include "backend/backend.h"
#include "backend/cpu/cpu.h"
#include "test.h"

#include <string.h>

enum { N = 5, MANY = 19, DENSE_N = 37 };
enum { X = 0, K, BIAS, Y, DY, DX, DW, DB, WHERE, POOLED, D1, D2, SINGLE };
enum { K2 = SINGLE, Y2, DW2, DY2, TENSORS, K3 = DW2, Y3 };

typedef struct shape {
    int h, w, in, out, kernel[2]; /* 0 x 0: a dense layer */
    int stride, dilation, pad[4];
    tmb_activation act;
    bool pool;
    int then;   /* channels of a second convolution, 3 x 3, behind it; 0: none; -1: depthwise */
    bool depth; /* depthwise: out is in */
    int last;   /* channels of a third, pointwise, behind a depthwise second; 0: none */
    int step;   /* stride of that second one; 0: 1 */
    bool many;  /* more samples than fit into a tile, and a kernel that is trained */
} shape;

typedef struct step_list {
    tmb_tensor tensor[TENSORS];
    tmb_op op[10];
    tmb_op_list list;
    int most; /* of the numbers */
} step_list;

static tmb_tensor image(const char *name, tmb_role role, int64_t h, int64_t w, int64_t c)
{
    return (tmb_tensor){
            .role = role, .rank = 4, .batched = true, .dim = {N, h, w, c}, .name = name};
}

static tmb_op *add(step_list *s, tmb_op_kind kind, const shape *of)
{
    tmb_op *op = &s->op[s->list.n_ops++];

    *op = tmb__op_init(kind, "conv");
    if (of->depth) op->attr.groups = of->in;
    for (int i = 0; i < 2; i++) {
        op->attr.kernel[i] = of->kernel[i];
        op->attr.stride[i] = of->stride;
        op->attr.dilation[i] = of->dilation;
    }
    for (int i = 0; i < 4; i++)
        op->attr.pad[i] = of->pad[i];
    return op;
}

static void set_pool(tmb_op *op)
{
    for (int i = 0; i < 2; i++)
        op->attr.kernel[i] = op->attr.stride[i] = 2;
    for (int i = 0; i < 4; i++)
        op->attr.pad[i] = 0;
    op->attr.dilation[0] = op->attr.dilation[1] = 1;
    op->attr.max = true;
}

static void add_pool(step_list *s, const shape *of)
{
    tmb_op *pool = add(s, TMB_OP_POOL, of);

    set_pool(pool);
    pool->in[0] = Y, pool->out[0] = POOLED, pool->out[1] = WHERE;
}

static void add_pool_bwd(step_list *s, const shape *of)
{
    tmb_op *back = add(s, TMB_OP_POOL_BWD, of), *mask = add(s, TMB_OP_ACT_BWD, of);

    set_pool(back);
    mask->attr.act = TMB_RELU;
    back->in[0] = DY, back->in[1] = WHERE, back->out[0] = D1;
    mask->in[0] = D1, mask->in[1] = Y, mask->out[0] = D2;
}

static void add_last(step_list *s, const shape *of)
{
    const shape point = {.kernel = {1, 1}, .stride = 1, .dilation = 1};
    const int64_t *dim = s->tensor[Y2].dim;
    tmb_op *op;

    s->tensor[K3] = (tmb_tensor){.role = TMB_ROLE_PARAM,
            .rank = 4,
            .dim = {1, 1, dim[3], of->last},
            .name = "third kernel"};
    s->tensor[Y3] = image("third y", TMB_ROLE_OUTPUT, dim[1], dim[2], of->last);
    s->tensor[Y2].role = TMB_ROLE_ACT;
    op = add(s, TMB_OP_CONV, &point);
    op->attr.act = TMB_RELU;
    op->in[0] = Y2, op->in[1] = K3, op->out[0] = Y3;
}

/* The second convolution, and its gradients: DY becomes what it hands back. */
static void add_second(step_list *s, const shape *of)
{
    const int x = of->pool ? POOLED : Y;
    const bool depth = of->then < 0;
    const shape second = {.in = of->out,
            .kernel = {3, 3},
            .stride = of->step > 0 ? of->step : 1,
            .dilation = 1,
            .pad = {1, 0, 1, 0},
            .depth = depth};
    const int64_t oh = (s->tensor[x].dim[1] - 1) / second.stride + 1;
    const int64_t ow = (s->tensor[x].dim[2] - 3) / second.stride + 1;
    tmb_op *op;

    s->tensor[K2] = (tmb_tensor){.role = TMB_ROLE_PARAM,
            .rank = 4,
            .dim = {3, 3, depth ? 1 : of->out, depth ? of->out : of->then},
            .name = "second kernel"};
    s->tensor[Y2] = image("second y", TMB_ROLE_OUTPUT, oh, ow, depth ? of->out : of->then);
    s->tensor[DY2] = s->tensor[Y2], s->tensor[DY2].role = TMB_ROLE_INPUT;
    s->tensor[DW2] = s->tensor[K2], s->tensor[DW2].role = TMB_ROLE_GRAD;
    s->tensor[x].role = TMB_ROLE_ACT;
    s->most = 1;
    op = add(s, TMB_OP_CONV, &second);
    op->in[0] = x, op->in[1] = K2, op->out[0] = Y2;
    if (of->last > 0) add_last(s, of);
    if (depth) return; /* its gradients are others' */
    s->tensor[DY].role = TMB_ROLE_ACT;
    op = add(s, TMB_OP_CONV_BWD_DATA, &second);
    op->in[0] = DY2, op->in[1] = K2, op->out[0] = DY;
    op = add(s, TMB_OP_CONV_BWD_WEIGHTS, &second);
    op->in[0] = x, op->in[1] = DY2, op->out[0] = DW2;
}

static tmb_tensor weight(const char *name, tmb_role role, int64_t in, int64_t out)
{
    return (tmb_tensor){.role = role, .rank = 2, .dim = {in, out}, .name = name};
}

static tmb_tensor row(const char *name, tmb_role role, int64_t n)
{
    return (tmb_tensor){
            .role = role, .rank = 2, .batched = true, .dim = {DENSE_N, n}, .name = name};
}

static void make_dense(step_list *s, const shape *of)
{
    tmb_op *op;

    s->tensor[X] = row("x", TMB_ROLE_INPUT, of->in);
    s->tensor[K] = weight("kernel", TMB_ROLE_PARAM, of->in, of->out);
    s->tensor[BIAS] =
            (tmb_tensor){.role = TMB_ROLE_PARAM, .rank = 1, .dim = {of->out}, .name = "b"};
    s->tensor[Y] = row("y", TMB_ROLE_OUTPUT, of->out);
    s->tensor[DY] = row("dy", TMB_ROLE_INPUT, of->out);
    s->tensor[DX] = row("dx", TMB_ROLE_OUTPUT, of->in);
    s->tensor[DW] = weight("dw", TMB_ROLE_GRAD, of->in, of->out);
    s->tensor[DB] = s->tensor[BIAS], s->tensor[DB].role = TMB_ROLE_GRAD, s->tensor[DB].name = "db";
    op = add(s, TMB_OP_DENSE, of);
    op->in[0] = X, op->in[1] = K, op->in[2] = BIAS, op->out[0] = Y;
    op->attr.act = of->act;
    op = add(s, TMB_OP_DENSE_BWD_DATA, of);
    op->in[0] = DY, op->in[1] = K, op->out[0] = DX;
    op = add(s, TMB_OP_DENSE_BWD_WEIGHTS, of);
    op->in[0] = X, op->in[1] = DY, op->out[0] = DW, op->out[1] = DB;
    s->most = 4;
    s->list.n_tensors = WHERE;
}

/* Forward and both gradients, behind those of a pool and of a second convolution. */
static void make_convs(step_list *s, const shape *of)
{
    const int64_t reach[2] = {
            (of->kernel[0] - 1) * of->dilation, (of->kernel[1] - 1) * of->dilation};
    const int64_t oh = (of->h + of->pad[0] + of->pad[2] - reach[0] - 1) / of->stride + 1;
    const int64_t ow = (of->w + of->pad[1] + of->pad[3] - reach[1] - 1) / of->stride + 1;
    const int shrink = of->pool ? 2 : 1;
    const tmb_role full = of->pool ? TMB_ROLE_ACT : TMB_ROLE_OUTPUT;
    tmb_op *op;

    s->tensor[X] = image("x", TMB_ROLE_INPUT, of->h, of->w, of->in);
    s->tensor[K] = (tmb_tensor){.role = TMB_ROLE_PARAM,
            .rank = 4,
            .dim = {of->kernel[0], of->kernel[1], of->depth ? 1 : of->in, of->out},
            .name = "kernel"};
    s->tensor[BIAS] =
            (tmb_tensor){.role = TMB_ROLE_PARAM, .rank = 1, .dim = {of->out}, .name = "b"};
    s->tensor[Y] = image("y", full, oh, ow, of->out);
    s->tensor[DY] = image("dy", TMB_ROLE_INPUT, oh / shrink, ow / shrink, of->out);
    s->tensor[DX] = image("dx", TMB_ROLE_OUTPUT, of->h, of->w, of->in);
    s->tensor[DW] = s->tensor[K], s->tensor[DW].role = TMB_ROLE_GRAD, s->tensor[DW].name = "dw";
    s->tensor[DB] = s->tensor[BIAS], s->tensor[DB].role = TMB_ROLE_GRAD, s->tensor[DB].name = "db";
    s->tensor[WHERE] = image("where", TMB_ROLE_ACT, oh / 2, ow / 2, of->out);
    s->tensor[WHERE].dtype = TMB_I32;
    s->tensor[POOLED] = image("pooled", TMB_ROLE_OUTPUT, oh / 2, ow / 2, of->out);
    s->tensor[D1] = image("d1", TMB_ROLE_ACT, oh, ow, of->out);
    s->tensor[D2] = image("d2", TMB_ROLE_ACT, oh, ow, of->out);
    op = add(s, TMB_OP_CONV, of);
    op->in[0] = X, op->in[1] = K, op->in[2] = BIAS, op->out[0] = Y;
    op->attr.act = of->act;
    s->most = 4;
    if (of->pool) add_pool(s, of);
    if (of->then) add_second(s, of);
    if (of->pool) add_pool_bwd(s, of);
    if (of->stride == 1) {
        op = add(s, TMB_OP_CONV_BWD_DATA, of);
        op->in[0] = of->pool ? D2 : DY, op->in[1] = K, op->out[0] = DX;
    }
    op = add(s, TMB_OP_CONV_BWD_WEIGHTS, of);
    op->in[0] = X, op->in[1] = of->pool ? D2 : DY, op->out[0] = DW, op->out[1] = DB;
    if (of->many) {
        op = add(s, TMB_OP_SGD, of);
        op->in[0] = K, op->in[1] = DW;
    }
    s->list.n_tensors = of->then > 0 ? TENSORS
            : of->then < 0           ? (of->last ? Y3 + 1 : DW2)
            : of->pool               ? SINGLE
                                     : WHERE;
}

static void make(step_list *s, const shape *of)
{
    memset(s, 0, sizeof *s);
    if (of->kernel[0] > 0)
        make_convs(s, of);
    else
        make_dense(s, of);
    s->list.tensors = s->tensor;
    s->list.ops = s->op;
    s->list.max_batch = of->kernel[0] == 0 ? DENSE_N : of->many ? MANY : N;
    for (int i = 0; i < s->list.n_tensors; i++) {
        if (s->tensor[i].batched) s->tensor[i].dim[0] = s->list.max_batch;
    }
}

static int64_t count_of(const tmb_tensor *t)
{
    int64_t count = 1;

    for (int i = 0; i < t->rank; i++)
        count *= t->dim[i];
    return count;
}

static float *integers(const step_list *s, int tensor)
{
    const tmb_tensor *t = &s->tensor[tensor];
    tmb__rng rng = tmb__rng_at((uint64_t)tensor, TMB_STREAM_TEST, 0, 0);
    const int64_t n = count_of(t);
    float *data = tmb__calloc((size_t)n, sizeof *data);

    assert_non_null(data);
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)((int)tmb__rng_below(&rng, 2 * (uint32_t)s->most + 1) - s->most);
    return data;
}

/* Run on a device, by `tiles` if not NULL, and read tensor by tensor into `found`. */
static void run_on(
        const char *name, int threads, const cpu_tiles *tiles, const shape *of, float **found)
{
    step_list s;
    tmb_device *device;
    tmb_program *program;
    tmb_bind binds[2];
    int n_binds = 0;

    make(&s, of);
    s.list.bf16 = tiles != NULL;
    assert_ok(tmb_device_open(&device, name, threads));
    if (tiles) device->handle->tiles = tiles;
    assert_ok(tmb__program_new(&program, device, &s.list));
    for (int t = 0; t < s.list.n_tensors; t++) {
        const tmb_role role = s.tensor[t].role;
        float *data;

        if (role != TMB_ROLE_INPUT && role != TMB_ROLE_PARAM) continue;
        data = integers(&s, t);
        if (role == TMB_ROLE_INPUT) {
            binds[n_binds++] = (tmb_bind){t, data};
        } else {
            assert_ok(device->backend->write(program, t, data));
            tmb__free(data);
        }
    }
    for (int i = 0; i < 2; i++) /* the second run meets scratch in use, and a smaller batch */
        assert_ok(device->backend->run(program,
                &(tmb_run){.n = s.list.max_batch - i, .binds = binds, .n_binds = n_binds}));
    for (int t = 0; t < s.list.n_tensors; t++) {
        const tmb_role role = s.tensor[t].role;

        found[t] = NULL;
        if (role != TMB_ROLE_OUTPUT && role != TMB_ROLE_GRAD) continue;
        if (of->stride > 1 && t == DX) continue;
        found[t] = tmb__calloc((size_t)count_of(&s.tensor[t]), sizeof **found);
        assert_ok(device->backend->read(program, t, found[t]));
    }
    tmb__program_free(device, program);
    tmb_device_free(device);
    for (int i = 0; i < n_binds; i++)
        tmb__free((void *)(uintptr_t)binds[i].data);
}

static void same_as_ref(const cpu_tiles *tiles, const shape *of)
{
    float *expected[TENSORS] = {0}, *found[TENSORS] = {0};
    step_list s;

    make(&s, of);
    run_on("ref", 1, NULL, of, expected);
    for (int threads = 1; threads <= 2; threads++) {
        run_on("cpu", threads, tiles, of, found);
        for (int t = 0; t < s.list.n_tensors; t++) {
            for (int64_t i = 0; found[t] && i < count_of(&s.tensor[t]); i++) {
                if (found[t][i] != expected[t][i])
                    fail_msg("%dx%dx%d to %d, %dx%d: %s[%lld] is %g, ref has %g", of->h, of->w,
                            of->in, of->out, of->kernel[0], of->kernel[1], s.tensor[t].name,
                            (long long)i, (double)found[t][i], (double)expected[t][i]);
            }
            tmb__free(found[t]);
        }
    }
    for (int t = 0; t < TENSORS; t++)
        tmb__free(expected[t]);
}

static void same_all(const shape *shapes, size_t n)
{
    cpu_tiles vectors = tmb__cpu_tiles_avx512_bf16;
    tmb_device *device;
    tmb_isa isa;

    vectors.fast = true; /* or they would leave much of it to f32 */
    assert_ok(tmb_device_open(&device, "cpu", 1));
    isa = device->handle->isa;
    tmb_device_free(device);
    if (isa < TMB_ISA_AVX512_BF16) SKIP("this CPU has no products in bf16");
    for (size_t i = 0; i < n; i++) {
        same_as_ref(&vectors, &shapes[i]);
        same_as_ref(isa == TMB_ISA_AMX ? &tmb__cpu_tiles_amx : &test_tiles_amx, &shapes[i]);
    }
}

TEST(cpu_bf16_plain_equals_ref)
{
    static const shape shapes[] = {
            {9, 11, 32, 32, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_LINEAR, false, 0, false, 0, 0, false},
            {9, 11, 40, 72, {3, 3}, 1, 1, {0, 0, 0, 0}, TMB_RELU, false, 0, false, 0, 0, false},
            {7, 40, 5, 3, {3, 5}, 1, 1, {2, 1, 0, 4}, TMB_RELU6, false, 0, false, 0, 0, false},
            {12, 10, 33, 17, {3, 3}, 1, 2, {2, 2, 2, 2}, TMB_LINEAR, false, 0, false, 0, 0, false},
            {2, 3, 160, 96, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU, false, 0, false, 0, 0,
                    false}, /* heavy */
    };

    same_all(shapes, TMB_COUNT(shapes));
}

TEST(cpu_bf16_pointwise_equals_ref)
{
    static const shape shapes[] = {
            {7, 7, 16, 96, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_RELU6, false, 0, false, 0, 0, false},
            {1, 1, 64, 40, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_LINEAR, false, 0, false, 0, 0, false},
            {5, 6, 3, 33, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_LINEAR, false, 0, false, 0, 0, false},
    };

    same_all(shapes, TMB_COUNT(shapes));
}

TEST(cpu_bf16_strided_equals_ref)
{
    static const shape shapes[] = {
            {15, 13, 36, 40, {3, 3}, 2, 1, {0, 0, 1, 1}, TMB_RELU, false, 0, false, 0, 0, false},
            {9, 9, 48, 24, {1, 1}, 2, 1, {0, 0, 0, 0}, TMB_RELU, false, 0, false, 0, 0, false},
            {23, 70, 3, 20, {7, 7}, 2, 1, {3, 3, 3, 3}, TMB_LINEAR, false, 0, false, 0, 0, false},
            {16, 16, 1, 8, {3, 3}, 2, 1, {1, 1, 1, 1}, TMB_RELU6, false, 0, false, 0, 0, false},
    };

    same_all(shapes, TMB_COUNT(shapes));
}

TEST(cpu_bf16_thin_equals_ref)
{
    static const shape shapes[] = {
            {12, 37, 3, 32, {3, 3}, 1, 1, {0, 0, 0, 0}, TMB_RELU, false, 0, false, 0, 0, false},
            {9, 10, 3, 48, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_LINEAR, false, 0, false, 0, 0, false},
            {9, 8, 1, 5, {5, 5}, 1, 1, {2, 2, 2, 2}, TMB_RELU, false, 0, false, 0, 0, false},
            {11, 9, 4, 16, {5, 3}, 1, 1, {0, 1, 0, 1}, TMB_RELU, false, 0, false, 0, 0, false},
            {9, 8, 2, 2, {2, 3}, 1, 1, {1, 0, 0, 2}, TMB_RELU, false, 0, false, 0, 0, false},
            {16, 9, 4, 40, {11, 4}, 1, 1, {5, 2, 5, 1}, TMB_LINEAR, false, 0, false, 0, 0, false},
            {15, 14, 3, 8, {12, 2}, 1, 1, {0, 0, 0, 0}, TMB_LINEAR, false, 0, false, 0, 0,
                    false}, /* too tall for it */
    };

    same_all(shapes, TMB_COUNT(shapes));
}

TEST(cpu_bf16_pooled_equals_ref)
{
    static const shape shapes[] = {
            {12, 38, 3, 32, {3, 3}, 1, 1, {0, 0, 0, 0}, TMB_RELU, true, 0, false, 0, 0, false},
            {13, 41, 3, 48, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU, true, 0, false, 0, 0, false},
            {9, 13, 40, 24, {3, 3}, 1, 1, {0, 0, 0, 0}, TMB_RELU, true, 0, false, 0, 0, false},
            {8, 9, 33, 50, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU, true, 0, false, 0, 0, false},
            {4, 4, 160, 96, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU, true, 0, false, 0, 0,
                    false}, /* heavy */
    };

    same_all(shapes, TMB_COUNT(shapes));
}

/* Large kernels, which meet 16 samples at a time. */
TEST(cpu_bf16_batch_equals_ref)
{
    static const shape shapes[] = {
            {4, 5, 160, 96, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU, true, 0, false, 0, 0, true},
            {5, 4, 40, 72, {3, 3}, 1, 1, {0, 0, 0, 0}, TMB_LINEAR, false, 0, false, 0, 0, true},
            {5, 7, 33, 50, {5, 3}, 1, 1, {4, 0, 1, 2}, TMB_RELU6, false, 0, false, 0, 0, true},
            {7, 6, 64, 48, {3, 3}, 1, 2, {2, 1, 2, 3}, TMB_RELU, false, 0, false, 0, 0, true},
            {7, 6, 64, 80, {3, 3}, 2, 1, {1, 1, 1, 1}, TMB_RELU, false, 0, false, 0, 0, true},
            {3, 3, 96, 104, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_RELU, false, 0, false, 0, 0, true},
            {1, 1, 64, 40, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_LINEAR, false, 0, false, 0, 0, true},
            {6, 6, 72, 64, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU, true, 40, false, 0, 0, true},
    };

    same_all(shapes, TMB_COUNT(shapes));
}

TEST(cpu_bf16_chain_equals_ref)
{
    static const shape shapes[] = {
            {12, 38, 3, 32, {3, 3}, 1, 1, {0, 0, 0, 0}, TMB_RELU, true, 40, false, 0, 0, false},
            {11, 13, 8, 10, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU, true, 33, false, 0, 0, false},
            {6, 7, 12, 20, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_LINEAR, false, 12, false, 0, 0, false},
            {4, 4, 20, 140, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU6, false, 130, false, 0, 0,
                    false}, /* heavy */
    };

    same_all(shapes, TMB_COUNT(shapes));
}

/* x and y in f32; y, then x, in bf16. Gradients are the library's, in f32. */
TEST(cpu_bf16_depthwise_equals_ref)
{
    static const shape shapes[] = {
            {9, 11, 32, 32, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU6, false, 0, true, 0, 0, false},
            {10, 9, 70, 70, {3, 3}, 2, 1, {0, 0, 1, 1}, TMB_LINEAR, false, 0, true, 0, 0, false},
            {11, 12, 40, 40, {3, 3}, 2, 1, {1, 1, 1, 1}, TMB_RELU, false, 0, true, 0, 0, false},
            {7, 7, 20, 20, {5, 4}, 1, 1, {2, 1, 2, 2}, TMB_RELU, false, 0, true, 0, 0, false},
            {9, 9, 33, 33, {3, 3}, 1, 2, {2, 2, 2, 2}, TMB_LINEAR, false, 0, true, 0, 0, false},
            {2, 2, 16, 16, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_LINEAR, false, 0, true, 0, 0, false},
            {9, 11, 40, 40, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU, false, 33, true, 0, 0, false},
            {9, 11, 24, 40, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_RELU6, false, -1, false, 0, 0, false},
    };

    same_all(shapes, TMB_COUNT(shapes));
}

/* Three as one, in one band and in several, with rows kept between them; without the first. */
TEST(cpu_chain_equals_ref)
{
    static const shape shapes[] = {
            {9, 11, 24, 40, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_RELU6, false, -1, false, 17, 1, false},
            {40, 60, 8, 160, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_RELU, false, -1, false, 24, 1, false},
            {41, 60, 8, 160, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_RELU, false, -1, false, 33, 2, false},
            {13, 60, 8, 160, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_LINEAR, false, -1, false, 8, 4, false},
            {9, 11, 3, 40, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU, false, -1, false, 20, 1, false},
    };

    same_all(shapes, TMB_COUNT(shapes));
}

TEST(cpu_bf16_dense_equals_ref)
{
    static const shape shapes[] = {
            {.in = 2100, .out = 33, .stride = 1, .act = TMB_RELU},
            {.in = 700, .out = 96, .stride = 1, .act = TMB_LINEAR},
            {.in = 45, .out = 1500, .stride = 1, .act = TMB_LINEAR},
    };

    same_all(shapes, TMB_COUNT(shapes));
}
