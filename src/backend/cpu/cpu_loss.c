/* cpu_loss.c - cross-entropies and weight penalties; the formulas stand in ref_loss.c
 *
 * LOSS goes sample by sample, in double: its work is nothing beside the net's. PENALTY goes along
 * slices of the parameter, so that it joins the gradient and the optimizer's step there. */
#include "cpu.h"

#include <math.h>

#define CLIP_LOW  1e-7f
#define CLIP_HIGH (1 - 1e-7f)

typedef struct loss_plan {
    const tmb_attr *attr;
    int64_t k;
    int slices; /* PENALTY */
} loss_plan;

/* One sample. */
typedef struct sample {
    const tmb_attr *attr;
    const float *z, *t;
    float *dz;     /* NULL: not wanted */
    double factor; /* of dz: weight / n */
    int64_t k;
} sample;

/* The smoothed truth of class j; NaN for a class number that there is not. */
static double truth(const sample *s, int64_t j)
{
    const double smooth = s->attr->smoothing, k = (double)s->k;

    if (s->attr->loss == TMB_BINARY_CROSSENTROPY) return s->t[j] * (1 - smooth) + smooth / 2;
    if (s->attr->loss == TMB_CATEGORICAL_CROSSENTROPY) return s->t[j] * (1 - smooth) + smooth / k;
    if (!(s->t[0] >= 0 && s->t[0] < (float)s->k) || s->t[0] != floorf(s->t[0])) return NAN;
    return (s->t[0] == (float)j ? 1 - smooth : 0) + smooth / k;
}

static void give(const sample *s, int64_t j, double gradient)
{
    if (s->dz) s->dz[j] = (float)(s->factor * gradient);
}

static float clip(float p)
{
    return p < CLIP_LOW ? CLIP_LOW : p > CLIP_HIGH ? CLIP_HIGH : p;
}

static bool clipped(float p)
{
    return p < CLIP_LOW || p > CLIP_HIGH;
}

static double binary(const sample *s)
{
    double sum = 0;

    for (int64_t j = 0; j < s->k; j++) {
        const double z = s->z[j], t = truth(s, j), k = (double)s->k;

        if (s->attr->logits) {
            const double e = exp(-fabs(z));

            sum += (z > 0 ? z : 0) - z * t + log1p(e);
            give(s, j, ((z < 0 ? e : 1) / (1 + e) - t) / k);
        } else {
            const double p = clip(s->z[j]);

            sum -= t * log(p) + (1 - t) * log(1 - p);
            give(s, j, clipped(s->z[j]) ? 0 : (p - t) / (p * (1 - p)) / k);
        }
    }
    return sum / (double)s->k;
}

static double from_logits(const sample *s)
{
    double most = s->z[0], sum = 0, loss = 0, all = 0;

    for (int64_t j = 1; j < s->k; j++)
        most = s->z[j] > most ? s->z[j] : most;
    for (int64_t j = 0; j < s->k; j++) {
        sum += exp(s->z[j] - most);
        all += truth(s, j);
    }
    for (int64_t j = 0; j < s->k; j++) {
        loss -= truth(s, j) * (s->z[j] - most - log(sum));
        give(s, j, exp(s->z[j] - most) / sum * all - truth(s, j));
    }
    return loss;
}

static double categorical(const sample *s)
{
    double sum = 0, loss = 0, dot = 0;

    for (int64_t j = 0; j < s->k; j++)
        sum += s->z[j];
    for (int64_t j = 0; j < s->k; j++) {
        const float q = (float)(s->z[j] / sum);

        loss -= truth(s, j) * log(clip(q));
        dot -= clipped(q) ? 0 : truth(s, j);
    }
    for (int64_t j = 0; j < s->k; j++) {
        const float q = (float)(s->z[j] / sum);

        give(s, j, ((clipped(q) ? 0 : -truth(s, j) / q) - dot) / sum);
    }
    return loss;
}

static double sparse(const sample *s)
{
    double sum = 0, loss = 0, all = 0;

    for (int64_t j = 0; j < s->k; j++) {
        sum += clip(s->z[j]);
        all += truth(s, j);
        loss -= truth(s, j) * log(clip(s->z[j]));
    }
    for (int64_t j = 0; j < s->k; j++)
        give(s, j, clipped(s->z[j]) ? 0 : all / sum - truth(s, j) / s->z[j]);
    return loss + all * log(sum);
}

/* Slots z, t, weight, loss, dz. */
static void loss(const cpu_stage *stage, const cpu_task *task)
{
    const loss_plan *plan = stage->data;
    const float *weight = tmb__cpu_at(stage, task, 2);
    float *out = tmb__cpu_at(stage, task, 3);
    const double w = weight ? weight[0] : 1;
    const sample s = {
            .attr = plan->attr,
            .z = tmb__cpu_at(stage, task, 0),
            .t = tmb__cpu_at(stage, task, 1),
            .dz = tmb__cpu_at(stage, task, 4),
            .factor = w / task->run->n,
            .k = plan->k,
    };

    if (plan->attr->loss == TMB_BINARY_CROSSENTROPY)
        out[0] = (float)(w * binary(&s));
    else if (plan->attr->logits)
        out[0] = (float)(w * from_logits(&s));
    else if (plan->attr->loss == TMB_CATEGORICAL_CROSSENTROPY)
        out[0] = (float)(w * categorical(&s));
    else
        out[0] = (float)(w * sparse(&s));
}

int tmb__cpu_build_LOSS(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    loss_plan *plan = tmb__cpu_keep(p, sizeof *plan);
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    *plan = (loss_plan){.attr = &o->attr, .k = tmb__cpu_last(&p->tensors[o->in[0]])};
    stage = tmb__cpu_rows(p, op, loss);
    stage->data = plan;
    for (int i = 0; i < 3; i++)
        tmb__cpu_use(stage, o->in[i], CPU_READ | CPU_OWN);
    for (int i = 0; i < 2; i++)
        tmb__cpu_use(stage, o->out[i], CPU_WRITE | CPU_OWN);
    return 0;
}

/* ---- penalties ---- */

/* One slice: slots w, g or none, shares (double for each slice). */
static void penalty(const cpu_stage *stage, const cpu_task *task)
{
    const loss_plan *plan = stage->data;
    const float *w = tmb__cpu_at(stage, task, 0);
    float *g = tmb__cpu_at(stage, task, 1);
    double *shares = tmb__cpu_at(stage, task, 2);
    const double l1 = plan->attr->l1, l2 = plan->attr->l2;
    double sum = 0;

    for (int64_t i = task->from; i < task->to; i++) {
        const double wi = w[i], sign = (wi > 0) - (wi < 0);

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
    tmb__cpu_use(stage, shares, CPU_WRITE | CPU_OWN);
    stage = tmb__cpu_once(p, op, penalty_value);
    stage->data = plan;
    tmb__cpu_use(stage, shares, CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE);
    return 0;
}
