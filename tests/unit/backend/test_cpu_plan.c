/* test_cpu_plan.c - places of the CPU backend's buffers: what is in use at the same time lies apart */
#include "backend/backend.h"
#include "backend/cpu/cpu.h"
#include "test.h"

enum { N = 5, X = 0, DY, W, B, DW, DB, NORM, W_SLOT, B_SLOT, TENSORS };

static tmb_tensor tensor(
        const char *name, tmb_role role, bool batched, int rank, const int64_t *dim)
{
    tmb_tensor t = {.role = role, .batched = batched, .rank = rank, .name = name};

    for (int i = 0; i < rank; i++)
        t.dim[i] = dim[i];
    return t;
}

static tmb_op update(int w, int g, int slot)
{
    tmb_op op = tmb__op_init(TMB_OP_SGD, "update");

    op.in[0] = w, op.in[1] = g, op.in[2] = slot, op.in[3] = NORM;
    op.attr.lr_scale = 1;
    op.attr.momentum = 0.9f;
    return op;
}

/* First and last level at which buffer `number` is used; false: at none. */
static bool levels_of(const struct tmb_program *p, int number, int out[2])
{
    out[0] = p->n_levels;
    out[1] = -1;
    for (int s = 0; s < p->n_stages; s++) {
        const cpu_stage *stage = &p->stages[s];

        for (int i = 0; i < stage->n_uses; i++) {
            if (stage->use[i] != number) continue;
            out[0] = TMB_MIN(out[0], stage->level);
            out[1] = TMB_MAX(out[1], stage->level);
        }
    }
    return out[1] >= 0;
}

static size_t end_of(const struct tmb_program *p, const cpu_buffer *b)
{
    const int groups = (p->max_batch + p->group_rows - 1) / p->group_rows;
    const int units = b->unit == CPU_PER_ROW ? p->max_batch : b->unit == CPU_PER_GROUP ? groups : 1;

    return b->offset + (size_t)units * b->bytes;
}

static int count_pairs_in_the_way(const struct tmb_program *p)
{
    int found = 0;

    for (int i = 0; i < p->n_buffers; i++) {
        for (int j = 0; j < i; j++) {
            const cpu_buffer *a = &p->buffers[i], *b = &p->buffers[j];
            int first[2], second[2];

            if (a->place != CPU_ARENA || b->place != CPU_ARENA) continue;
            if (!levels_of(p, i, first) || !levels_of(p, j, second)) continue;
            if (first[1] < second[0] || second[1] < first[0]) continue;
            found += a->offset < end_of(p, b) && b->offset < end_of(p, a);
        }
    }
    return found;
}

/* The squares of db are ready two levels before those of dw, though later in the list. */
TEST(cpu_plan_keeps_what_is_in_use_apart)
{
    const tmb_tensor tensors[TENSORS] = {
            [X] = tensor("x", TMB_ROLE_INPUT, true, 4, (const int64_t[]){N, 10, 9, 16}),
            [DY] = tensor("dy", TMB_ROLE_INPUT, true, 4, (const int64_t[]){N, 8, 7, 160}),
            [W] = tensor("w", TMB_ROLE_PARAM, false, 4, (const int64_t[]){3, 3, 16, 160}),
            [B] = tensor("b", TMB_ROLE_PARAM, false, 1, (const int64_t[]){160}),
            [DW] = tensor("dw", TMB_ROLE_GRAD, false, 4, (const int64_t[]){3, 3, 16, 160}),
            [DB] = tensor("db", TMB_ROLE_GRAD, false, 1, (const int64_t[]){160}),
            [NORM] = tensor("norm", TMB_ROLE_OUTPUT, false, 1, (const int64_t[]){1}),
            [W_SLOT] = tensor("w slot", TMB_ROLE_STATE, false, 4, (const int64_t[]){3, 3, 16, 160}),
            [B_SLOT] = tensor("b slot", TMB_ROLE_STATE, false, 1, (const int64_t[]){160}),
    };
    tmb_op ops[] = {tmb__op_init(TMB_OP_CONV_BWD_WEIGHTS, "conv"),
            tmb__op_init(TMB_OP_GRAD_NORM, "norm"), update(W, DW, W_SLOT), update(B, DB, B_SLOT)};
    tmb_op_list list = {.tensors = tensors,
            .ops = ops,
            .n_tensors = TENSORS,
            .n_ops = (int)TMB_COUNT(ops),
            .max_batch = N};
    tmb_device *device;

    for (int i = 0; i < 2; i++)
        ops[0].attr.kernel[i] = 3, ops[0].attr.stride[i] = ops[0].attr.dilation[i] = 1;
    ops[0].attr.groups = 1;
    ops[0].in[0] = X, ops[0].in[1] = DY, ops[0].out[0] = DW, ops[0].out[1] = DB;
    ops[1].out[0] = NORM;
    assert_ok(tmb_device_open(&device, "cpu", 1));
    for (int bf16 = 0; bf16 < 2; bf16++) { /* in f32 where the device has no other */
        tmb_program *program;

        list.bf16 = bf16 > 0;
        assert_ok(tmb__program_new(&program, device, &list));
        assert_int_equal(count_pairs_in_the_way(program), 0);
        tmb__program_free(device, program);
    }
    tmb_device_free(device);
}
