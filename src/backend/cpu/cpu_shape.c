/* cpu_shape.c - ops that move, join or add values: pad, add, concatenate, reshape, scale */
#include "cpu.h"

#include <string.h>

typedef struct shape_plan {
    const tmb_attr *attr;
    int64_t count;      /* of a sample of the result */
    int64_t h, w, c;    /* PAD: the picture inside */
    int64_t frame_w;    /* PAD: width with the frame */
    int64_t rows, last; /* CONCAT: of a sample of the whole */
    int n_parts;
    int64_t part[TMB_OP_INPUTS];
} shape_plan;

static shape_plan *plan_of(struct tmb_program *p, const tmb_op *op)
{
    shape_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return NULL;
    plan->attr = &op->attr;
    plan->count = tmb__cpu_row_count(&p->tensors[op->out[0]]);
    return plan;
}

/* ---- pad ---- */

static void pad(const cpu_stage *stage, const cpu_task *task)
{
    const shape_plan *plan = stage->data;
    const float *x = tmb__cpu_at(stage, task, 0);
    float *y = tmb__cpu_at(stage, task, 1);
    const int64_t line = plan->w * plan->c, outer = plan->frame_w * plan->c;

    memset(y, 0, (size_t)plan->count * sizeof *y);
    y += plan->attr->pad[0] * outer + plan->attr->pad[1] * plan->c;
    for (int64_t i = 0; i < plan->h; i++)
        memcpy(y + i * outer, x + i * line, (size_t)line * sizeof *y);
}

static void pad_bwd(const cpu_stage *stage, const cpu_task *task)
{
    const shape_plan *plan = stage->data;
    const float *dy = tmb__cpu_at(stage, task, 0);
    float *dx = tmb__cpu_at(stage, task, 1);
    const int64_t line = plan->w * plan->c, outer = plan->frame_w * plan->c;

    dy += plan->attr->pad[0] * outer + plan->attr->pad[1] * plan->c;
    for (int64_t i = 0; i < plan->h; i++)
        memcpy(dx + i * line, dy + i * outer, (size_t)line * sizeof *dx);
}

static int add_pad(struct tmb_program *p, int op, cpu_fn fn, int small, int large)
{
    const tmb_op *o = &p->ops[op];
    shape_plan *plan = plan_of(p, o);

    if (!plan) return TMB_ENOMEM;
    plan->h = p->tensors[small].dim[1];
    plan->w = p->tensors[small].dim[2];
    plan->c = p->tensors[small].dim[3];
    plan->frame_w = p->tensors[large].dim[2];
    return tmb__cpu_own_rows(p, op, fn, plan, 1, 1);
}

int tmb__cpu_build_PAD(struct tmb_program *p, int op)
{
    return add_pad(p, op, pad, p->ops[op].in[0], p->ops[op].out[0]);
}

int tmb__cpu_build_PAD_BWD(struct tmb_program *p, int op)
{
    return add_pad(p, op, pad_bwd, p->ops[op].out[0], p->ops[op].in[0]);
}

/* ---- add ---- */

static void add(const cpu_stage *stage, const cpu_task *task)
{
    const shape_plan *plan = stage->data;
    const bool relu = plan->attr->act == TMB_RELU;
    const float *x[4] = {0};
    float *y = tmb__cpu_at(stage, task, 0);
    int n = 0;

    for (int i = 1; i < stage->n_uses; i++)
        x[n++] = tmb__cpu_at(stage, task, i);
    task->program->simd->add(x, n, relu, y, plan->count);
    if (!relu && plan->attr->act != TMB_LINEAR)
        tmb__cpu_activate(task->program, plan->attr, y, y, plan->count);
}

int tmb__cpu_build_ADD(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    shape_plan *plan = plan_of(p, o);
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    stage = tmb__cpu_rows(p, op, add);
    stage->data = plan;
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    for (int i = 0; i < 4; i++) {
        if (o->in[i] >= 0) tmb__cpu_use(stage, o->in[i], CPU_READ | CPU_OWN);
    }
    return 0;
}

/* ---- concatenate ---- */

/* Copy the parts to the whole, or back. */
static void join(const cpu_stage *stage, const cpu_task *task, bool split)
{
    const shape_plan *plan = stage->data;
    char *whole = tmb__cpu_at(stage, task, 0);

    for (int i = 0; i < plan->n_parts; i++) {
        const size_t bytes = (size_t)plan->part[i] * sizeof(float);
        char *part = tmb__cpu_at(stage, task, 1 + i);

        for (int64_t r = 0; part && r < plan->rows; r++) {
            char *inner = whole + (size_t)(r * plan->last) * sizeof(float);

            memcpy(split ? part + (size_t)r * bytes : inner,
                    split ? inner : part + (size_t)r * bytes, bytes);
        }
        whole += bytes;
    }
}

static void concat(const cpu_stage *stage, const cpu_task *task)
{
    join(stage, task, false);
}

static void concat_bwd(const cpu_stage *stage, const cpu_task *task)
{
    join(stage, task, true);
}

static int add_join(
        struct tmb_program *p, int op, cpu_fn fn, int whole, const int *parts, bool split)
{
    shape_plan *plan = plan_of(p, &p->ops[op]);
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    plan->last = tmb__cpu_last(&p->tensors[whole]);
    plan->rows = tmb__cpu_row_count(&p->tensors[whole]) / plan->last;
    stage = tmb__cpu_rows(p, op, fn);
    stage->data = plan;
    tmb__cpu_use(stage, whole, CPU_OWN | (split ? CPU_READ : CPU_WRITE));
    for (int i = 0; i < TMB_OP_INPUTS; i++) {
        if (parts[i] < 0) continue;
        plan->part[plan->n_parts++] = tmb__cpu_last(&p->tensors[parts[i]]);
        tmb__cpu_use(stage, parts[i], CPU_OWN | (split ? CPU_WRITE : CPU_READ));
    }
    return 0;
}

int tmb__cpu_build_CONCAT(struct tmb_program *p, int op)
{
    return add_join(p, op, concat, p->ops[op].out[0], p->ops[op].in, false);
}

int tmb__cpu_build_CONCAT_BWD(struct tmb_program *p, int op)
{
    return add_join(p, op, concat_bwd, p->ops[op].in[0], p->ops[op].out, true);
}

/* ---- reshape and scale ---- */

static void copy(const cpu_stage *stage, const cpu_task *task)
{
    const shape_plan *plan = stage->data;

    memcpy(tmb__cpu_at(stage, task, 1), tmb__cpu_at(stage, task, 0),
            (size_t)plan->count * sizeof(float));
}

static int root_of(const struct tmb_program *p, int buffer)
{
    while (p->buffers[buffer].same_as != buffer)
        buffer = p->buffers[buffer].same_as;
    return buffer;
}

/* Mostly another name for the same memory. */
int tmb__cpu_build_RESHAPE(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    const int x = root_of(p, o->in[0]), y = o->out[0];
    shape_plan *plan;
    cpu_stage *stage;

    p->how[op] = "nothing to do";
    if (!p->buffers[y].moved) {
        p->buffers[y].same_as = x;
        return 0;
    }
    if (!p->buffers[x].moved) {
        p->buffers[x].same_as = y;
        return 0;
    }
    p->how[op] = "copied";
    plan = plan_of(p, o);
    if (!plan) return TMB_ENOMEM;
    stage = tmb__cpu_rows(p, op, copy);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, y, CPU_WRITE | CPU_OWN);
    return 0;
}

static void scale(const cpu_stage *stage, const cpu_task *task)
{
    const shape_plan *plan = stage->data;

    task->program->simd->scale(tmb__cpu_at(stage, task, 0), plan->attr->scale, plan->attr->offset,
            tmb__cpu_at(stage, task, 1), plan->count);
}

int tmb__cpu_build_SCALE(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    shape_plan *plan = plan_of(p, o);

    if (!plan) return TMB_ENOMEM;
    return tmb__cpu_own_rows(p, op, scale, plan, 1, 1);
}
