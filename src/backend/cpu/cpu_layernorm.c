/* cpu_layernorm.c - layer normalisation, sample by sample; the rules stand in ref_norm.c */
#include "cpu.h"

#include <math.h>
#include <string.h>

typedef struct row_plan {
    const tmb_attr *attr;
    int64_t rows, c; /* of a sample */
} row_plan;

static row_plan *plan_of(struct tmb_program *p, int op, int x)
{
    row_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return NULL;
    plan->attr = &p->ops[op].attr;
    plan->c = tmb__cpu_last(&p->tensors[x]);
    plan->rows = tmb__cpu_row_count(&p->tensors[x]) / plan->c;
    return plan;
}

/* Mean and 1 / sqrt(variance + eps) of one row. */
static void moments(float out[2], const row_plan *plan, const float *x)
{
    double sum = 0, squares = 0;

    for (int64_t j = 0; j < plan->c; j++)
        sum += x[j];
    sum /= (double)plan->c;
    for (int64_t j = 0; j < plan->c; j++)
        squares += (x[j] - sum) * (x[j] - sum);
    out[0] = (float)sum;
    out[1] = (float)(1 / sqrt(squares / (double)plan->c + plan->attr->eps));
}

static void normalise(const cpu_stage *stage, const cpu_task *task)
{
    const row_plan *plan = stage->data;
    const float *x = tmb__cpu_at(stage, task, 0), *gamma = tmb__cpu_at(stage, task, 1);
    const float *beta = tmb__cpu_at(stage, task, 2);
    float *y = tmb__cpu_at(stage, task, 3);

    for (int64_t r = 0; r < plan->rows; r++, x += plan->c, y += plan->c) {
        float m[2];

        moments(m, plan, x);
        for (int64_t j = 0; j < plan->c; j++)
            y[j] = (x[j] - m[0]) * m[1] * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0);
    }
}

int tmb__cpu_build_LN(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    row_plan *plan = plan_of(p, op, o->in[0]);
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    stage = tmb__cpu_rows(p, op, normalise);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ);
    tmb__cpu_use(stage, o->in[2], CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    return 0;
}

/* dx of one row. */
static void back_row(
        const row_plan *plan, const float *dy, const float *x, const float *gamma, float *dx)
{
    double sums[2] = {0};
    float m[2];

    moments(m, plan, x);
    for (int64_t j = 0; j < plan->c; j++) {
        const float g = dy[j] * (gamma ? gamma[j] : 1);

        sums[0] += g;
        sums[1] += (double)g * ((x[j] - m[0]) * m[1]);
    }
    for (int64_t j = 0; j < plan->c; j++) {
        const float g = dy[j] * (gamma ? gamma[j] : 1), xhat = (x[j] - m[0]) * m[1];

        dx[j] = m[1] * (float)(g - (sums[0] + xhat * sums[1]) / (double)plan->c);
    }
}

/* A sample's part of dgamma (c) and dbeta (c). */
static void share_row(const row_plan *plan, const float *dy, const float *x, float *share)
{
    float m[2];

    moments(m, plan, x);
    for (int64_t j = 0; j < plan->c; j++) {
        share[j] += dy[j] * ((x[j] - m[0]) * m[1]);
        share[plan->c + j] += dy[j];
    }
}

/* Slots dy, x, gamma, dx, the sample's share of dgamma and dbeta. */
static void back(const cpu_stage *stage, const cpu_task *task)
{
    const row_plan *plan = stage->data;
    const float *dy = tmb__cpu_at(stage, task, 0), *x = tmb__cpu_at(stage, task, 1);
    const float *gamma = tmb__cpu_at(stage, task, 2);
    float *dx = tmb__cpu_at(stage, task, 3), *share = tmb__cpu_at(stage, task, 4);

    if (share) memset(share, 0, (size_t)plan->c * 2 * sizeof *share);
    for (int64_t r = 0; r < plan->rows; r++) {
        const int64_t at = r * plan->c;

        if (dx) back_row(plan, dy + at, x + at, gamma, dx + at);
        if (share) share_row(plan, dy + at, x + at, share);
    }
}

/* Slots shares, dgamma, dbeta. */
static void add_shares(const cpu_stage *stage, const cpu_task *task)
{
    const row_plan *plan = stage->data;
    const float *shares = tmb__cpu_at(stage, task, 0);

    for (int k = 0; k < 2; k++) {
        float *out = tmb__cpu_at(stage, task, 1 + k);

        for (int64_t j = task->from; out && j < task->to; j++) {
            double sum = 0;

            for (int n = 0; n < task->run->n; n++)
                sum += shares[(2 * n + k) * plan->c + j];
            out[j] = (float)sum;
        }
    }
}

int tmb__cpu_build_LN_BWD(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    const bool weights = o->out[1] >= 0 || o->out[2] >= 0;
    row_plan *plan = plan_of(p, op, o->in[1]);
    int shares = -1;
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    if (weights) {
        shares = tmb__cpu_buffer(p, CPU_PER_ROW, (size_t)plan->c * 2 * sizeof(float));
        if (shares < 0) return shares;
    }
    stage = tmb__cpu_rows(p, op, back);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[2], CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, shares, CPU_WRITE | CPU_OWN);
    if (!weights) return 0;
    stage = tmb__cpu_slices(p, op, add_shares, plan->c, 64);
    stage->data = plan;
    tmb__cpu_use(stage, shares, CPU_READ);
    tmb__cpu_use(stage, o->out[1], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, o->out[2], CPU_WRITE | CPU_OWN);
    return 0;
}
