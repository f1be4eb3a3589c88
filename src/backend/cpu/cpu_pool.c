/* cpu_pool.c - maximum and mean over windows and whole planes, sample by sample
 *
 * `where` holds one byte for each output, the winner's place in its window or, where ReLU stopped
 * it, CPU_NOBODY, in the memory of its I32 tensor; windows of more than 255 places, and whole planes, hold the winner's pixel as an
 * int32. */
#include "cpu.h"

#include <string.h>

typedef struct pool_plan {
    cpu_window window;
    bool max, wide; /* wide: int32 in `where` */
    bool relu;      /* ReLU of the op before, see cpu_fuse.c */
} pool_plan;

static pool_plan *plan_of(struct tmb_program *p, const tmb_op *op, int x, int y)
{
    const int64_t *xd = p->tensors[x].dim, *yd = p->tensors[y].dim;
    const bool global = p->tensors[y].rank == 2;
    const tmb_attr *a = &op->attr;
    pool_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return NULL;
    plan->window = (cpu_window){
            .h = xd[1],
            .w = xd[2],
            .c = xd[3],
            .oh = global ? 1 : yd[1],
            .ow = global ? 1 : yd[2],
            .kh = global ? (int)xd[1] : a->kernel[0],
            .kw = global ? (int)xd[2] : a->kernel[1],
            .sh = global ? 1 : a->stride[0],
            .sw = global ? 1 : a->stride[1],
            .pad_top = global ? 0 : a->pad[0],
            .pad_left = global ? 0 : a->pad[1],
    };
    plan->max = a->max;
    plan->wide = (int64_t)plan->window.kh * plan->window.kw > 255;
    return plan;
}

/* The winner of one window as a pixel, for windows too large for a byte. */
static void wide_max(const cpu_window *s, const float *x, float *y, int32_t *where)
{
    for (int64_t e = 0; e < s->oh * s->ow * s->c; e++) {
        const int64_t iy = e / s->c / s->ow * s->sh - s->pad_top;
        const int64_t ix = e / s->c % s->ow * s->sw - s->pad_left;
        int64_t best = -1;

        for (int64_t k = 0; k < (int64_t)s->kh * s->kw; k++) {
            const int64_t py = iy + k / s->kw, px = ix + k % s->kw;
            const int64_t at = (py * s->w + px) * s->c + e % s->c;

            if (py < 0 || py >= s->h || px < 0 || px >= s->w) continue;
            if (best < 0 || x[at] > x[best]) best = at;
        }
        y[e] = x[best];
        if (where) where[e] = (int32_t)(best / s->c);
    }
}

static void wide_max_bwd(const cpu_window *s, const float *dy, const int32_t *where, float *dx)
{
    memset(dx, 0, (size_t)(s->h * s->w * s->c) * sizeof *dx);
    for (int64_t e = 0; e < s->oh * s->ow * s->c; e++)
        dx[where[e] * s->c + e % s->c] += dy[e];
}

static void pool(const cpu_stage *stage, const cpu_task *task)
{
    const pool_plan *plan = stage->data;
    const cpu_simd *simd = task->program->simd;
    const float *x = tmb__cpu_at(stage, task, 0);
    float *y = tmb__cpu_at(stage, task, 1);
    void *where = tmb__cpu_at(stage, task, 2);
    const int64_t n = plan->window.oh * plan->window.ow * plan->window.c;

    if (!plan->max) {
        simd->pool_mean(&plan->window, x, y);
    } else if (plan->wide) {
        wide_max(&plan->window, x, y, where);
        if (plan->relu) simd->relu(y, y, n);
    } else {
        simd->pool_max(&plan->window, x, y, where, plan->relu);
    }
}

/* A byte for each output where that is enough: `where` is nobody's but the two pools'. */
void tmb__cpu_shrink_where(struct tmb_program *p, int pool)
{
    const tmb_op *o = &p->ops[pool];
    const int where = o->out[1];

    if (where < 0 || p->tensors[where].role != TMB_ROLE_ACT || o->kind != TMB_OP_POOL) return;
    if (o->attr.kernel[0] * o->attr.kernel[1] <= 255)
        p->buffers[where].bytes = (size_t)tmb__cpu_row_count(&p->tensors[where]);
}

static int build_pool(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    pool_plan *plan = plan_of(p, o, o->in[0], o->out[0]);

    if (!plan) return TMB_ENOMEM;
    tmb__cpu_shrink_where(p, op);
    plan->relu = tmb__cpu_pool_rectifies(p, op);
    return tmb__cpu_own_rows(p, op, pool, plan, 1, 2);
}

int tmb__cpu_build_POOL(struct tmb_program *p, int op)
{
    return build_pool(p, op);
}

int tmb__cpu_build_GLOBAL_POOL(struct tmb_program *p, int op)
{
    return build_pool(p, op);
}

static void pool_bwd(const cpu_stage *stage, const cpu_task *task)
{
    const pool_plan *plan = stage->data;
    const cpu_simd *simd = task->program->simd;
    const float *dy = tmb__cpu_at(stage, task, 0);
    const void *where = tmb__cpu_at(stage, task, 1);
    float *dx = tmb__cpu_at(stage, task, 2);

    if (!plan->max)
        simd->pool_mean_bwd(&plan->window, dy, dx);
    else if (plan->wide)
        wide_max_bwd(&plan->window, dy, where, dx);
    else
        simd->pool_max_bwd(&plan->window, dy, where, dx);
}

static int build_pool_bwd(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    pool_plan *plan = plan_of(p, o, o->out[0], o->in[0]);
    const int act = o->attr.max ? tmb__cpu_mask_after_pool(p, op) : -1;
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    if (act >= 0 && tmb__cpu_pool_before(p, p->ops[act].out[0]) == op) {
        p->fused[op] = p->fused[act] = 1;
        return 0;
    }
    stage = tmb__cpu_rows(p, op, pool_bwd);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, act < 0 ? o->out[0] : p->ops[act].out[0], CPU_WRITE | CPU_OWN);
    if (act >= 0) {
        p->fused[act] = 1;
        p->how[op] = "own loops, with the gradient of the ReLU before the pool";
    }
    return 0;
}

int tmb__cpu_build_POOL_BWD(struct tmb_program *p, int op)
{
    return build_pool_bwd(p, op);
}

int tmb__cpu_build_GLOBAL_POOL_BWD(struct tmb_program *p, int op)
{
    return build_pool_bwd(p, op);
}
