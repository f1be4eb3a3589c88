/* cpu_optim.c - gradient norm, optimizer steps, weight averages; the rules stand in ref_optim.c
 *
 * Everything here goes along slices of a parameter, cut as cpu_dense.c cuts weight gradients, so
 * that a slice's gradient and step are one task. */
#include "cpu.h"

#include <math.h>

cpu_stage *tmb__cpu_param_slices(struct tmb_program *p, int op, cpu_fn fn, int tensor)
{
    const tmb_tensor *w = &p->tensors[tensor];
    const int64_t count = tmb__cpu_count(w), row = w->rank == 2 ? w->dim[1] : 1;

    return tmb__cpu_slices(p, op, fn, count, tmb__cpu_chunk(count, row));
}

/* ---- norm of all gradients ---- */

typedef struct norm_plan {
    int first;  /* share of the stage's first slice */
    int shares; /* of all gradients */
} norm_plan;

/* Slots g, shares. */
static void squares(const cpu_stage *stage, const cpu_task *task)
{
    const norm_plan *plan = stage->data;
    const float *g = tmb__cpu_at(stage, task, 0);
    double *shares = tmb__cpu_at(stage, task, 1);

    shares[plan->first + task->slice] =
            task->program->simd->squares(g + task->from, task->to - task->from);
}

/* Slots shares, norm. */
static void grad_norm(const cpu_stage *stage, const cpu_task *task)
{
    const norm_plan *plan = stage->data;
    const double *shares = tmb__cpu_at(stage, task, 0);
    float *norm = tmb__cpu_at(stage, task, 1);
    double sum = 0;

    for (int i = 0; i < plan->shares; i++)
        sum += shares[i];
    norm[0] = (float)sqrt(sum);
}

/* At most 64 slices for each gradient. */
int tmb__cpu_build_GRAD_NORM(struct tmb_program *p, int op)
{
    const int one = p->ops[op].in[0];
    const size_t most = one >= 0 ? 1 : (size_t)p->n_tensors;
    const int shares = tmb__cpu_buffer(p, CPU_WHOLE, most * 64 * sizeof(double));
    norm_plan *all = tmb__cpu_keep(p, sizeof *all);
    cpu_stage *stage;

    if (shares < 0 || !all) return TMB_ENOMEM;
    for (int t = 0; t < p->n_tensors; t++) {
        norm_plan *plan;

        if (one >= 0 ? t != one : p->tensors[t].role != TMB_ROLE_GRAD) continue;
        plan = tmb__cpu_keep(p, sizeof *plan);
        if (!plan) return TMB_ENOMEM;
        stage = tmb__cpu_param_slices(p, op, squares, t);
        plan->first = all->shares;
        all->shares += stage->tasks;
        stage->data = plan;
        tmb__cpu_use(stage, t, CPU_READ | CPU_OWN);
        tmb__cpu_use(stage, shares, CPU_WRITE | CPU_SHARE);
    }
    stage = tmb__cpu_once(p, op, grad_norm);
    stage->data = all;
    tmb__cpu_use(stage, shares, CPU_READ);
    tmb__cpu_use(stage, p->ops[op].out[0], CPU_WRITE);
    return 0;
}

/* Slots g, norm. */
static void clip(const cpu_stage *stage, const cpu_task *task)
{
    const tmb_attr *a = &task->program->ops[stage->op].attr;
    const float *norm = tmb__cpu_at(stage, task, 1);
    float *g = tmb__cpu_at(stage, task, 0);
    const float most = a->clip_value > 0 ? a->clip_value : INFINITY;
    const float by = norm && norm[0] > a->clip ? (float)((double)a->clip / norm[0]) : 1;

    for (int64_t i = task->from; i < task->to; i++) {
        const float gi = by * g[i];

        g[i] = gi > most ? most : gi < -most ? -most : gi;
    }
}

int tmb__cpu_build_CLIP(struct tmb_program *p, int op)
{
    const int *in = p->ops[op].in;
    cpu_stage *stage = tmb__cpu_param_slices(p, op, clip, in[0]);

    tmb__cpu_use(stage, in[0], CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, in[1], CPU_READ);
    return 0;
}

/* ---- steps: slots w, g, then the op's slots, norm last ---- */

/* What all optimizers share. False: the norm is not finite, nothing is touched. */
static bool step_of(cpu_step *out, const cpu_stage *stage, const cpu_task *task, int norm_slot)
{
    const tmb_attr *a = &task->program->ops[stage->op].attr;
    const float *norm = tmb__cpu_at(stage, task, norm_slot);
    const double lr = (double)task->run->lr * a->lr_scale;
    float *w = tmb__cpu_at(stage, task, 0), *g = tmb__cpu_at(stage, task, 1);

    if (norm && !isfinite(norm[0])) return false;
    *out = (cpu_step){
            .n = task->to - task->from,
            .w = w + task->from,
            .g = g + task->from,
            .lr = (float)lr,
            .decay = (float)(1 - lr * a->weight_decay),
            .clip = 1,
            .momentum = a->momentum,
            .rho = a->rho,
            .beta1 = a->beta1,
            .beta2 = a->beta2,
            .eps = a->eps,
            .nesterov = a->nesterov,
            .eps_outside = a->eps_outside,
    };
    if (a->clip > 0 && norm && norm[0] > a->clip) out->clip = (float)((double)a->clip / norm[0]);
    return true;
}

/* The slice's part of a slot, or NULL. */
static float *slot(const cpu_stage *stage, const cpu_task *task, int number)
{
    float *whole = tmb__cpu_at(stage, task, number);

    return whole ? whole + task->from : NULL;
}

static void sgd(const cpu_stage *stage, const cpu_task *task)
{
    cpu_step step;

    if (!step_of(&step, stage, task, 3)) return;
    step.m = slot(stage, task, 2);
    task->program->simd->sgd(&step);
}

static void rmsprop(const cpu_stage *stage, const cpu_task *task)
{
    cpu_step step;

    if (!step_of(&step, stage, task, 5)) return;
    step.v = slot(stage, task, 2);
    step.m = slot(stage, task, 3);
    step.centre = slot(stage, task, 4);
    task->program->simd->rmsprop(&step);
}

static void adam(const cpu_stage *stage, const cpu_task *task)
{
    const tmb_attr *a = &task->program->ops[stage->op].attr;
    const double t = (double)task->run->step + 1;
    cpu_step step;

    if (!step_of(&step, stage, task, 5)) return;
    step.lr = (float)((double)task->run->lr * a->lr_scale * sqrt(1 - pow(a->beta2, t)) /
            (1 - pow(a->beta1, t)));
    step.m = slot(stage, task, 2);
    step.v = slot(stage, task, 3);
    step.vmax = slot(stage, task, 4);
    task->program->simd->adam(&step);
}

static void adagrad(const cpu_stage *stage, const cpu_task *task)
{
    cpu_step step;

    if (!step_of(&step, stage, task, 3)) return;
    step.v = slot(stage, task, 2);
    task->program->simd->adagrad(&step);
}

static void adadelta(const cpu_stage *stage, const cpu_task *task)
{
    cpu_step step;

    if (!step_of(&step, stage, task, 4)) return;
    step.v = slot(stage, task, 2);
    step.m = slot(stage, task, 3);
    task->program->simd->adadelta(&step);
}

static void adamax(const cpu_stage *stage, const cpu_task *task)
{
    const tmb_attr *a = &task->program->ops[stage->op].attr;
    const double bias = 1 - pow(a->beta1, (double)task->run->step + 1);
    cpu_step step;

    if (!step_of(&step, stage, task, 4)) return;
    step.lr = (float)((double)task->run->lr * a->lr_scale / bias);
    step.m = slot(stage, task, 2);
    step.v = slot(stage, task, 3);
    task->program->simd->adamax(&step);
}

static void nadam(const cpu_stage *stage, const cpu_task *task)
{
    const tmb_attr *a = &task->program->ops[stage->op].attr;
    const double b1 = a->beta1, t = (double)task->run->step + 1, power = pow(0.96, t);
    const double now = b1 * (1 - 0.5 * power), next = b1 * (1 - 0.5 * 0.96 * power);
    double product = pow(b1, t), each = 1;
    cpu_step step;

    if (!step_of(&step, stage, task, 4)) return;
    for (int i = 1; i <= t && i < 1000; i++) {
        each *= 0.96;
        product *= 1 - 0.5 * each;
    }
    step.ahead = (float)(next / (1 - product * next));
    step.here = (float)((1 - now) / (1 - product));
    step.unbias = (float)(1 / (1 - pow(a->beta2, t)));
    step.m = slot(stage, task, 2);
    step.v = slot(stage, task, 3);
    task->program->simd->nadam(&step);
}

static void lion(const cpu_stage *stage, const cpu_task *task)
{
    cpu_step step;

    if (!step_of(&step, stage, task, 3)) return;
    step.m = slot(stage, task, 2);
    task->program->simd->lion(&step);
}

static void ema(const cpu_stage *stage, const cpu_task *task)
{
    const tmb_attr *a = &task->program->ops[stage->op].attr;
    const double step = (double)task->run->step, early = (1 + step) / (10 + step);
    const double d = a->warm_up && early < a->decay ? early : a->decay;

    task->program->simd->ema(slot(stage, task, 0), (float)d, (float)(1 - d), slot(stage, task, 1),
            task->to - task->from);
}

/* `n` inputs along the slices, and the norm as input number n, read whole. */
static int add_step(struct tmb_program *p, int op, cpu_fn fn, int n, int read_only)
{
    const tmb_op *o = &p->ops[op];
    cpu_stage *stage = tmb__cpu_param_slices(p, op, fn, o->in[0]);

    for (int i = 0; i < n; i++)
        tmb__cpu_use(stage, o->in[i], CPU_READ | CPU_OWN | (i == read_only ? 0 : CPU_WRITE));
    if (n < TMB_OP_INPUTS) tmb__cpu_use(stage, o->in[n], CPU_READ);
    if (read_only != 0) p->updates = true;
    return 0;
}

#define BUILD(KIND, fn, n, read_only)                                                              \
    int tmb__cpu_build_##KIND(struct tmb_program *p, int op)                                       \
    {                                                                                              \
        return add_step(p, op, fn, n, read_only);                                                  \
    }

BUILD(SGD, sgd, 3, 1)
BUILD(RMSPROP, rmsprop, 5, 1)
BUILD(ADAM, adam, 5, 1)
BUILD(ADAGRAD, adagrad, 3, 1)
BUILD(ADADELTA, adadelta, 4, 1)
BUILD(ADAMAX, adamax, 4, 1)
BUILD(NADAM, nadam, 4, 1)
BUILD(LION, lion, 3, 1)
BUILD(EMA, ema, 2, 0)
