/* cpu_loss.c - losses and weight penalties; their rules stand in ref_loss.c
 *
 * LOSS goes sample by sample through the host: its work is nothing beside the net's. PENALTY goes along
 * slices of the parameter, so that it joins the gradient and the optimizer's step there. */
#include "cpu.h"

#include <math.h>

typedef struct loss_plan {
    const tmb_attr *attr;
    int64_t k;
    int slices; /* PENALTY */
} loss_plan;

/* Slots z, t, weight, loss, dz. */
static void loss(const cpu_stage *stage, const cpu_task *task)
{
    const loss_plan *plan = stage->data;
    const float *weight = tmb__cpu_at(stage, task, 2);
    float *out = tmb__cpu_at(stage, task, 3);
    const double w = weight ? weight[0] : 1;
    const tmb_loss_row row = {
            .attr = plan->attr,
            .z = tmb__cpu_at(stage, task, 0),
            .t = tmb__cpu_at(stage, task, 1),
            .dz = tmb__cpu_at(stage, task, 4),
            .factor = plan->attr->sum ? w : w / task->run->n,
            .k = plan->k,
    };

    out[0] = (float)(w * task->program->host.loss(&row));
}

int tmb__cpu_build_LOSS(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    loss_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return TMB_ENOMEM;
    *plan = (loss_plan){.attr = &o->attr, .k = tmb__cpu_last(&p->tensors[o->in[0]])};
    return tmb__cpu_own_rows(p, op, loss, plan, 3, 2);
}

/* ---- penalties ---- */

/* One slice: slots w, g or none, start or none, shares (double for each slice). */
static void penalty(const cpu_stage *stage, const cpu_task *task)
{
    const loss_plan *plan = stage->data;
    const float *w = tmb__cpu_at(stage, task, 0);
    float *g = tmb__cpu_at(stage, task, 1);
    const float *start = tmb__cpu_at(stage, task, 2);
    double *shares = tmb__cpu_at(stage, task, 3);
    const double l1 = plan->attr->l1, l2 = plan->attr->l2;
    double sum = 0;

    for (int64_t i = task->from; i < task->to; i++) {
        const double wi = w[i] - (start ? (double)start[i] : 0), sign = (wi > 0) - (wi < 0);

        sum += l1 * fabs(wi) + l2 * wi * wi;
        if (g) g[i] = (float)(g[i] + l1 * sign + 2 * l2 * wi);
    }
    shares[task->slice] = sum;
}

/* Slots shares, value. */
static void penalty_value(const cpu_stage *stage, const cpu_task *task)
{
    const loss_plan *plan = stage->data;
    const double *shares = tmb__cpu_at(stage, task, 0);
    float *value = tmb__cpu_at(stage, task, 1);
    double sum = 0;

    for (int i = 0; i < plan->slices; i++)
        sum += shares[i];
    value[0] = (float)sum;
}

int tmb__cpu_build_PENALTY(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    loss_plan *plan = tmb__cpu_keep(p, sizeof *plan);
    cpu_stage *stage = tmb__cpu_param_slices(p, op, penalty, o->in[0]);
    const int shares = tmb__cpu_buffer(p, CPU_WHOLE, (size_t)stage->tasks * sizeof(double));

    if (!plan || shares < 0) return TMB_ENOMEM;
    *plan = (loss_plan){.attr = &o->attr, .slices = stage->tasks};
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, o->in[2], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, shares, CPU_WRITE | CPU_OWN);
    stage = tmb__cpu_once(p, op, penalty_value);
    stage->data = plan;
    tmb__cpu_use(stage, shares, CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE);
    return 0;
}
