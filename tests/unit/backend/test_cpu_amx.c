/* test_cpu_amx.c - convolutions in bf16 against ref, to the bit
 *
 * The numbers are small integers: they are exact in bf16, and so are their sums in f32. What differs is
 * then a wrong place, not a rounding. */
#include "backend/backend.h"
#include "backend/cpu/cpu_amx.h"
#include "test.h"

#include <string.h>

enum { N = 5, X = 0, K, BIAS, Y, DY, DX, DW, DB, WHERE, POOLED, D1, D2, TENSORS };

typedef struct shape {
    int h, w, in, out, kernel[2], stride, dilation, pad[4];
    tmb_activation act;
    bool pool;
} shape;

typedef struct step_list {
    tmb_tensor tensor[TENSORS];
    tmb_op op[6];
    tmb_op_list list;
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

static void add_pool(step_list *s, const shape *of, tmb_op *forward)
{
    tmb_op *pool = add(s, TMB_OP_POOL, of), *back = add(s, TMB_OP_POOL_BWD, of);
    tmb_op *mask = add(s, TMB_OP_ACT_BWD, of);

    set_pool(pool);
    set_pool(back);
    forward->attr.act = mask->attr.act = TMB_RELU;
    pool->in[0] = Y, pool->out[0] = POOLED, pool->out[1] = WHERE;
    back->in[0] = DY, back->in[1] = WHERE, back->out[0] = D1;
    mask->in[0] = D1, mask->in[1] = Y, mask->out[0] = D2;
}

/* Forward and both gradients; with a pool, the kernel's gradient alone, behind the pool's. */
static void make(step_list *s, const shape *of)
{
    const int64_t reach[2] = {
            (of->kernel[0] - 1) * of->dilation, (of->kernel[1] - 1) * of->dilation};
    const int64_t oh = (of->h + of->pad[0] + of->pad[2] - reach[0] - 1) / of->stride + 1;
    const int64_t ow = (of->w + of->pad[1] + of->pad[3] - reach[1] - 1) / of->stride + 1;
    const int shrink = of->pool ? 2 : 1;
    const tmb_role full = of->pool ? TMB_ROLE_ACT : TMB_ROLE_OUTPUT;
    tmb_op *op;

    memset(s, 0, sizeof *s);
    s->tensor[X] = image("x", TMB_ROLE_INPUT, of->h, of->w, of->in);
    s->tensor[K] = (tmb_tensor){.role = TMB_ROLE_PARAM,
            .rank = 4,
            .dim = {of->kernel[0], of->kernel[1], of->in, of->out},
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
    if (of->pool) {
        add_pool(s, of, op);
    } else {
        op = add(s, TMB_OP_CONV_BWD_DATA, of);
        op->in[0] = DY, op->in[1] = K, op->out[0] = DX;
    }
    op = add(s, TMB_OP_CONV_BWD_WEIGHTS, of);
    op->in[0] = X, op->in[1] = of->pool ? D2 : DY, op->out[0] = DW, op->out[1] = DB;
    s->list.tensors = s->tensor;
    s->list.ops = s->op;
    s->list.n_tensors = of->pool ? TENSORS : WHERE;
    s->list.max_batch = N;
}

static int64_t count_of(const tmb_tensor *t)
{
    int64_t count = 1;

    for (int i = 0; i < t->rank; i++)
        count *= t->dim[i];
    return count;
}

static float *integers(const tmb_tensor *t, uint64_t seed)
{
    tmb__rng rng = tmb__rng_at(seed, TMB_STREAM_TEST, 0, 0);
    const int64_t n = count_of(t);
    float *data = tmb__calloc((size_t)n, sizeof *data);

    assert_non_null(data);
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)tmb__rng_below(&rng, 9) - 4;
    return data;
}

/* Run on a device and read tensor by tensor into `found`. */
static void run_on(const char *name, int threads, bool bf16, const shape *of, float **found)
{
    step_list s;
    tmb_device *device;
    tmb_program *program;
    tmb_bind binds[2];
    float *kernel, *bias;

    make(&s, of);
    s.list.bf16 = bf16;
    kernel = integers(&s.tensor[K], 1), bias = integers(&s.tensor[BIAS], 2);
    binds[0] = (tmb_bind){X, integers(&s.tensor[X], 3)};
    binds[1] = (tmb_bind){DY, integers(&s.tensor[DY], 4)};
    assert_ok(tmb_device_open(&device, name, threads));
    assert_ok(tmb__program_new(&program, device, &s.list));
    assert_ok(device->backend->write(program, K, kernel));
    assert_ok(device->backend->write(program, BIAS, bias));
    for (int i = 0; i < 2; i++) /* the second run meets scratch in use, and a smaller batch */
        assert_ok(device->backend->run(
                program, &(tmb_run){.n = N - i, .binds = binds, .n_binds = 2}));
    for (int t = 0; t < s.list.n_tensors; t++) {
        const tmb_role role = s.tensor[t].role;

        found[t] = NULL;
        if (role != TMB_ROLE_OUTPUT && role != TMB_ROLE_GRAD) continue;
        if (of->pool && t == DX) continue;
        found[t] = tmb__calloc((size_t)count_of(&s.tensor[t]), sizeof **found);
        assert_ok(device->backend->read(program, t, found[t]));
    }
    tmb__program_free(device, program);
    tmb_device_free(device);
    tmb__free((void *)(uintptr_t)binds[0].data);
    tmb__free((void *)(uintptr_t)binds[1].data);
    tmb__free(kernel);
    tmb__free(bias);
}

static void same_as_ref(const shape *of)
{
    float *expected[TENSORS] = {0}, *found[TENSORS] = {0};
    step_list s;

    make(&s, of);
    run_on("ref", 1, false, of, expected);
    for (int threads = 1; threads <= 2; threads++) {
        run_on("cpu", threads, true, of, found);
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
    if (!tmb__cpu_amx_usable()) SKIP("this CPU has no AMX");
    for (size_t i = 0; i < n; i++)
        same_as_ref(&shapes[i]);
}

TEST(cpu_amx_plain_equals_ref)
{
    static const shape shapes[] = {
            {9, 11, 32, 32, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_LINEAR, false},
            {9, 11, 40, 72, {3, 3}, 1, 1, {0, 0, 0, 0}, TMB_RELU, false},
            {7, 40, 5, 3, {3, 5}, 1, 1, {2, 1, 0, 4}, TMB_RELU6, false},
            {12, 10, 33, 17, {3, 3}, 1, 2, {2, 2, 2, 2}, TMB_LINEAR, false},
            {2, 3, 160, 96, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU, false}, /* heavy */
    };

    same_all(shapes, TMB_COUNT(shapes));
}

TEST(cpu_amx_pointwise_equals_ref)
{
    static const shape shapes[] = {
            {7, 7, 16, 96, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_RELU6, false},
            {1, 1, 64, 40, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_LINEAR, false},
            {9, 9, 48, 24, {1, 1}, 2, 1, {0, 0, 0, 0}, TMB_RELU, false},
            {5, 6, 3, 33, {1, 1}, 1, 1, {0, 0, 0, 0}, TMB_LINEAR, false},
    };

    same_all(shapes, TMB_COUNT(shapes));
}

TEST(cpu_amx_strided_equals_ref)
{
    static const shape shapes[] = {
            {15, 13, 36, 40, {3, 3}, 2, 1, {0, 0, 1, 1}, TMB_RELU, false},
            {23, 70, 3, 20, {7, 7}, 2, 1, {3, 3, 3, 3}, TMB_LINEAR, false},
            {16, 16, 1, 8, {3, 3}, 2, 1, {1, 1, 1, 1}, TMB_RELU6, false},
    };

    same_all(shapes, TMB_COUNT(shapes));
}

TEST(cpu_amx_thin_equals_ref)
{
    static const shape shapes[] = {
            {12, 37, 3, 32, {3, 3}, 1, 1, {0, 0, 0, 0}, TMB_RELU, false},
            {9, 10, 3, 48, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_LINEAR, false},
            {9, 8, 1, 5, {5, 5}, 1, 1, {2, 2, 2, 2}, TMB_RELU, false},
            {11, 9, 4, 16, {5, 3}, 1, 1, {0, 1, 0, 1}, TMB_RELU, false},
            {9, 8, 2, 2, {2, 3}, 1, 1, {1, 0, 0, 2}, TMB_RELU, false},
    };

    same_all(shapes, TMB_COUNT(shapes));
}

TEST(cpu_amx_pooled_equals_ref)
{
    static const shape shapes[] = {
            {12, 38, 3, 32, {3, 3}, 1, 1, {0, 0, 0, 0}, TMB_RELU, true},
            {13, 41, 3, 48, {3, 3}, 1, 1, {1, 1, 1, 1}, TMB_RELU, true},
            {9, 13, 40, 24, {3, 3}, 1, 1, {0, 0, 0, 0}, TMB_RELU, true},
    };

    same_all(shapes, TMB_COUNT(shapes));
}
