/* cpu_constrain.c - kernels held to a norm, a few norms a task; the rules stand in ref_optim.c */
#include "cpu.h"

#include <math.h>

typedef struct constrain_plan {
    const tmb_constraint *c;
    int64_t n, *behind;              /* elements that share a norm, after their first */
    int rank;                        /* of the axes that the norm does not go over */
    int64_t size[5], step[5], norms; /* their sizes; steps in w */
} constrain_plan;

static double held(const tmb_constraint *c, double root)
{
    const double low = c->limit == TMB_MIN_MAX_NORM ? (double)c->min : 0;
    const double within = root < low ? low : root > (double)c->max ? (double)c->max : root;

    if (c->limit == TMB_UNIT_NORM) return 1 / (1e-7 + root);
    if (c->limit == TMB_MAX_NORM) return within / (1e-7 + root);
    return ((double)c->rate * within + (1 - (double)c->rate) * root) / (1e-7 + root);
}

/* Slots w, norm. */
static void constrain(const cpu_stage *stage, const cpu_task *task)
{
    const constrain_plan *plan = stage->data;
    float *all = tmb__cpu_at(stage, task, 0);
    const float *norm = tmb__cpu_at(stage, task, 1);

    if (norm && !isfinite(norm[0])) return;
    for (int64_t i = task->from; i < task->to; i++) {
        float *w = all;
        double sum = 0;

        for (int64_t k = 0, rest = i; k < plan->rank; rest /= plan->size[k++])
            w += rest % plan->size[k] * plan->step[k];
        for (int64_t k = 0; k < plan->n; k++)
            sum += (double)w[plan->behind[k]] * (double)w[plan->behind[k]];
        sum = held(plan->c, sqrt(sum));
        for (int64_t k = 0; k < plan->n; k++)
            w[plan->behind[k]] = (float)((double)w[plan->behind[k]] * sum);
    }
}

static void not_negative(const cpu_stage *stage, const cpu_task *task)
{
    float *w = tmb__cpu_at(stage, task, 0);
    const float *norm = tmb__cpu_at(stage, task, 1);

    if (norm && !isfinite(norm[0])) return;
    for (int64_t e = task->from; e < task->to; e++)
        w[e] = w[e] < 0 ? 0 : w[e];
}

static constrain_plan *plan_of(struct tmb_program *p, const tmb_op *o)
{
    const tmb_tensor *w = &p->tensors[o->in[0]];
    const tmb_constraint *c = &o->attr.constraint;
    constrain_plan *plan = tmb__cpu_keep(p, sizeof *plan);
    int64_t step = 1, size[5], up[5];
    int over = 0;

    if (!plan) return NULL;
    *plan = (constrain_plan){.c = c, .n = 1, .norms = 1};
    for (int i = w->rank - 1; i >= 0; step *= w->dim[i--]) {
        const bool in_norm = c->limit != TMB_NON_NEG && c->axes >> i & 1;
        const int k = in_norm ? over++ : plan->rank++;

        *(in_norm ? &size[k] : &plan->size[k]) = w->dim[i];
        *(in_norm ? &up[k] : &plan->step[k]) = step;
        *(in_norm ? &plan->n : &plan->norms) *= w->dim[i];
    }
    plan->behind = tmb__cpu_keep(p, (size_t)plan->n * sizeof *plan->behind);
    for (int64_t e = 0; plan->behind && e < plan->n; e++) {
        int64_t rest = e;

        for (int k = 0; k < over; rest /= size[k++])
            plan->behind[e] += rest % size[k] * up[k];
    }
    return plan->behind ? plan : NULL;
}

int tmb__cpu_build_CONSTRAIN(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    const bool sign = o->attr.constraint.limit == TMB_NON_NEG;
    constrain_plan *plan = plan_of(p, o);
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    stage = tmb__cpu_slices(p, op, sign ? not_negative : constrain, plan->norms, sign ? 32768 : 16);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_WRITE);
    tmb__cpu_use(stage, o->in[1], CPU_READ);
    p->updates = true;
    return 0;
}
