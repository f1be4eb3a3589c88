/* cpu_merge.c - products, maxima and learned slopes: two tensors, one of which may be spread over the
 * places of the other; the rules stand in ref_shape.c and ref_act.c
 *
 * The spread one, b, has for each axis the size of a, or 1. A line is the last axis: along it, b's
 * values stand one after the other, or there is one. */
#include "cpu.h"

#include <math.h>
#include <string.h>

typedef struct spread_plan {
    const tmb_attr *attr;
    int64_t lines, last;    /* of a sample of a */
    int64_t count;          /* of b, or of a sample of it */
    int rank;               /* axes of a sample, without the last */
    int64_t size[4], up[4]; /* of a; how far b goes on along that axis, 0: it is spread */
    int64_t step;           /* the same of the last axis, 0 or 1 */
} spread_plan;

/* `skip`: axes of b before those of a sample. b < 0: one value for all. */
static spread_plan *plan_of(struct tmb_program *p, int op, int a, int b, int skip)
{
    const tmb_tensor *large = &p->tensors[a], *small = b < 0 ? NULL : &p->tensors[b];
    spread_plan *plan = tmb__cpu_keep(p, sizeof *plan);
    int64_t step = 1;

    if (!plan) return NULL;
    plan->attr = &p->ops[op].attr;
    plan->last = tmb__cpu_last(large);
    plan->lines = tmb__cpu_row_count(large) / plan->last;
    plan->count = small ? tmb__cpu_row_count(small) : 1;
    plan->rank = large->rank - 2 > 0 ? large->rank - 2 : 0;
    for (int i = large->rank - 2; i >= 0; i--) {
        const int64_t size = small ? small->dim[i + skip] : 1;
        const int64_t up = size > 1 ? step : 0;

        if (i == plan->rank)
            plan->step = up;
        else
            plan->up[i] = up;
        plan->size[i] = large->dim[i + 1];
        step *= size;
    }
    return plan;
}

/* Where b's values for line `line` of a begin. */
static int64_t line_at(const spread_plan *plan, int64_t line)
{
    int64_t at = 0;

    for (int i = plan->rank - 1; i >= 0; line /= plan->size[i--])
        at += line % plan->size[i] * plan->up[i];
    return at;
}

/* ---- merge ---- */

static void merge(const cpu_stage *stage, const cpu_task *task)
{
    const spread_plan *plan = stage->data;
    const tmb_merge kind = plan->attr->merge;
    const float *a = tmb__cpu_at(stage, task, 0), *all_b = tmb__cpu_at(stage, task, 1);
    float *y = tmb__cpu_at(stage, task, 2);
    const int64_t step = plan->step;

    for (int64_t r = 0; r < plan->lines; r++, a += plan->last, y += plan->last) {
        const float *b = all_b + line_at(plan, r);

        if (kind == TMB_MULTIPLY) {
            for (int64_t j = 0; j < plan->last; j++)
                y[j] = a[j] * b[j * step];
        } else if (kind == TMB_MAXIMUM) {
            for (int64_t j = 0; j < plan->last; j++)
                y[j] = a[j] >= b[j * step] ? a[j] : b[j * step];
        } else {
            for (int64_t j = 0; j < plan->last; j++)
                y[j] = a[j] <= b[j * step] ? a[j] : b[j * step];
        }
    }
}

int tmb__cpu_build_MERGE(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    spread_plan *plan = plan_of(p, op, o->in[0], o->in[1], 1);

    if (!plan) return TMB_ENOMEM;
    return tmb__cpu_own_rows(p, op, merge, plan, 2, 1);
}

static void merge_bwd(const cpu_stage *stage, const cpu_task *task)
{
    const spread_plan *plan = stage->data;
    const tmb_merge kind = plan->attr->merge;
    const float *dy = tmb__cpu_at(stage, task, 0), *a = tmb__cpu_at(stage, task, 1);
    const float *all_b = tmb__cpu_at(stage, task, 2);
    float *da = tmb__cpu_at(stage, task, 3), *all_db = tmb__cpu_at(stage, task, 4);

    if (all_db) memset(all_db, 0, (size_t)plan->count * sizeof *all_db);
    for (int64_t r = 0; r < plan->lines; r++) {
        const int64_t at = line_at(plan, r);

        for (int64_t j = 0, e = r * plan->last; j < plan->last; j++, e++) {
            const int64_t i = at + j * plan->step;
            const bool takes_a = kind == TMB_MAXIMUM ? a[e] >= all_b[i] : a[e] <= all_b[i];
            const bool product = kind == TMB_MULTIPLY;

            if (da) da[e] = dy[e] * (product ? all_b[i] : (float)takes_a);
            if (all_db) all_db[i] += dy[e] * (product ? a[e] : (float)!takes_a);
        }
    }
}

int tmb__cpu_build_MERGE_BWD(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    spread_plan *plan = plan_of(p, op, o->in[1], o->in[2], 1);

    if (!plan) return TMB_ENOMEM;
    return tmb__cpu_own_rows(p, op, merge_bwd, plan, 3, 2);
}

/* ---- slopes ---- */

static void prelu(const cpu_stage *stage, const cpu_task *task)
{
    const spread_plan *plan = stage->data;
    const float threshold = plan->attr->threshold;
    const float most = plan->attr->most > 0 ? plan->attr->most : HUGE_VALF;
    const float *x = tmb__cpu_at(stage, task, 0), *alpha = tmb__cpu_at(stage, task, 1);
    float *y = tmb__cpu_at(stage, task, 2);

    for (int64_t r = 0; r < plan->lines; r++, x += plan->last, y += plan->last) {
        const float *slope = alpha ? alpha + line_at(plan, r) : &plan->attr->alpha;

        for (int64_t j = 0; j < plan->last; j++) {
            const float above = x[j] > most ? most : x[j];

            y[j] = x[j] > threshold ? above : slope[j * plan->step] * (x[j] - threshold);
        }
    }
}

int tmb__cpu_build_PRELU(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    spread_plan *plan = plan_of(p, op, o->in[0], o->in[1], 0);
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    stage = tmb__cpu_rows(p, op, prelu);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    return 0;
}

/* Slots dy, x, alpha, dx, the sample's share of dalpha. */
static void prelu_bwd(const cpu_stage *stage, const cpu_task *task)
{
    const spread_plan *plan = stage->data;
    const float threshold = plan->attr->threshold;
    const float most = plan->attr->most > 0 ? plan->attr->most : HUGE_VALF;
    const float *dy = tmb__cpu_at(stage, task, 0), *x = tmb__cpu_at(stage, task, 1);
    const float *alpha = tmb__cpu_at(stage, task, 2);
    float *dx = tmb__cpu_at(stage, task, 3), *share = tmb__cpu_at(stage, task, 4);

    if (share) memset(share, 0, (size_t)plan->count * sizeof *share);
    for (int64_t r = 0; r < plan->lines; r++) {
        const int64_t at = line_at(plan, r);
        const float *slope = alpha ? alpha + at : &plan->attr->alpha;

        for (int64_t j = 0, e = r * plan->last; j < plan->last; j++, e++) {
            const float below = x[e] < threshold ? slope[j * plan->step] : 0;

            if (dx) dx[e] = dy[e] * (x[e] > threshold ? (float)(x[e] <= most) : below);
            if (share && x[e] < threshold) share[at + j * plan->step] += dy[e] * (x[e] - threshold);
        }
    }
}

/* Slots shares, dalpha. */
static void add_shares(const cpu_stage *stage, const cpu_task *task)
{
    const spread_plan *plan = stage->data;
    const float *shares = tmb__cpu_at(stage, task, 0);
    float *dalpha = tmb__cpu_at(stage, task, 1);

    for (int64_t i = task->from; i < task->to; i++) {
        double sum = 0;

        for (int n = 0; n < task->run->n; n++)
            sum += shares[n * plan->count + i];
        dalpha[i] = (float)sum;
    }
}

int tmb__cpu_build_PRELU_BWD(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    spread_plan *plan = plan_of(p, op, o->in[1], o->in[2], 0);
    int shares = -1;
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    if (o->out[1] >= 0) {
        shares = tmb__cpu_buffer(p, CPU_PER_ROW, (size_t)plan->count * sizeof(float));
        if (shares < 0) return shares;
    }
    stage = tmb__cpu_rows(p, op, prelu_bwd);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[2], CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, shares, CPU_WRITE | CPU_OWN);
    if (shares < 0) return 0;
    stage = tmb__cpu_slices(p, op, add_shares, plan->count, 1024);
    stage->data = plan;
    tmb__cpu_use(stage, shares, CPU_READ);
    tmb__cpu_use(stage, o->out[1], CPU_WRITE | CPU_OWN);
    return 0;
}
