/* cpu_norm.c - batch normalisation
 *
 * x counts as (rows, c). Training: each sample gives its columns' mean and sum of squared
 * differences; these are joined, sample by sample and in double (Chan, Golub, LeVeque: Updating
 * formulae and a pairwise algorithm for computing sample variances, 1979), and a second visit
 * normalises. The gradient likewise: two sums for each sample, joined, then dx. A ReLU before dx's
 * dy is applied while dy is read. */
#include "cpu.h"

#include <math.h>

typedef struct norm_plan {
    const tmb_attr *attr;
    int64_t rows, c; /* of a sample */
} norm_plan;

static norm_plan *plan_of(struct tmb_program *p, int op, int x)
{
    norm_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return NULL;
    plan->attr = &p->ops[op].attr;
    plan->c = tmb__cpu_last(&p->tensors[x]);
    plan->rows = tmb__cpu_row_count(&p->tensors[x]) / plan->c;
    return plan;
}

/* A vector workspace of `n` times c floats. */
static int vector(struct tmb_program *p, const norm_plan *plan, cpu_unit unit, int n)
{
    return tmb__cpu_buffer(p, unit, (size_t)(plan->c * n) * sizeof(float));
}

/* ---- forward ---- */

static void sample_moments(const cpu_stage *stage, const cpu_task *task)
{
    const norm_plan *plan = stage->data;
    float *out = tmb__cpu_at(stage, task, 1); /* mean (c), squares (c) */

    task->program->simd->moments(
            tmb__cpu_at(stage, task, 0), plan->rows, plan->c, out, out + plan->c);
}

/* Mean and sum of squared differences of channel j over n samples of `rows` rows each. */
static void join_moments(double out[2], const float *parts, const norm_plan *plan, int n, int64_t j)
{
    const double rows = (double)plan->rows;

    out[0] = out[1] = 0;
    for (int i = 0; i < n; i++)
        out[0] += (double)parts[2 * i * plan->c + j] / n;
    for (int i = 0; i < n; i++) {
        const double away = parts[2 * i * plan->c + j] - out[0];

        out[1] += parts[(2 * i + 1) * plan->c + j] + rows * away * away;
    }
}

static void move(float *moving, double momentum, double batch, int64_t j)
{
    moving[j] = (float)(momentum * moving[j] + (1 - momentum) * batch);
}

/* Statistics of channels from .. to: slots parts, gamma, moving mean, moving var, mean, rstd,
 * scale. */
static void join(const cpu_stage *stage, const cpu_task *task)
{
    const norm_plan *plan = stage->data;
    const float *parts = tmb__cpu_at(stage, task, 0), *gamma = tmb__cpu_at(stage, task, 1);
    float *moving_mean = tmb__cpu_at(stage, task, 2), *moving_var = tmb__cpu_at(stage, task, 3);
    float *mean = tmb__cpu_at(stage, task, 4), *rstd = tmb__cpu_at(stage, task, 5);
    float *scale = tmb__cpu_at(stage, task, 6);
    const int n = task->run->n;
    const double momentum = plan->attr->momentum;

    for (int64_t j = task->from; j < task->to; j++) {
        double m[2], var;

        join_moments(m, parts, plan, n, j);
        var = m[1] / ((double)plan->rows * n);
        mean[j] = (float)m[0];
        rstd[j] = (float)(1 / sqrt(var + plan->attr->eps));
        scale[j] = (gamma ? gamma[j] : 1) * rstd[j];
        if (!isfinite(mean[j]) || !isfinite((float)var))
            continue; /* keep the state of a diverged step */
        move(moving_mean, momentum, m[0], j);
        move(moving_var, momentum, var, j);
    }
}

/* y = act((x - mean) scale + beta): slots x, mean, scale, beta or zeros, y. */
static void normalise(const cpu_stage *stage, const cpu_task *task)
{
    const norm_plan *plan = stage->data;
    const struct tmb_program *p = task->program;
    const tmb_activation act = plan->attr->act;
    float *y = tmb__cpu_at(stage, task, 4);
    const cpu_bn bn = {
            .rows = plan->rows,
            .c = plan->c,
            .mean = tmb__cpu_at(stage, task, 1),
            .scale = tmb__cpu_at(stage, task, 2),
            .shift = tmb__cpu_at(stage, task, 3),
            .relu = act == TMB_RELU && !stage->later,
    };

    p->simd->bn(&bn, tmb__cpu_at(stage, task, 0), y);
    if (act != TMB_RELU && act != TMB_LINEAR)
        tmb__cpu_activate(p, plan->attr, y, y, plan->rows * plan->c);
}

/* `beta`, or a vector of zeros that is kept. */
static int beta_or_zeros(struct tmb_program *p, const norm_plan *plan, int beta)
{
    int zeros;

    if (beta >= 0) return beta;
    zeros = vector(p, plan, CPU_WHOLE, 1);
    if (zeros >= 0) p->buffers[zeros].moved = true;
    return zeros;
}

static int add_normalise(struct tmb_program *p, int op, norm_plan *plan, int mean, int scale)
{
    const tmb_op *o = &p->ops[op];
    const int shift = beta_or_zeros(p, plan, o->in[2]);
    cpu_stage *stage;

    if (shift < 0) return shift;
    stage = tmb__cpu_rows(p, op, normalise);
    stage->data = plan;
    stage->later = tmb__cpu_relu_taker(p, op) >= 0;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, mean, CPU_READ);
    tmb__cpu_use(stage, scale, CPU_READ);
    tmb__cpu_use(stage, shift, CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    return 0;
}

int tmb__cpu_build_BN(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    norm_plan *plan = plan_of(p, op, o->in[0]);
    int parts, scale;
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    parts = vector(p, plan, CPU_PER_ROW, 2);
    scale = vector(p, plan, CPU_WHOLE, 1);
    if (scale < 0) return scale;
    stage = tmb__cpu_rows(p, op, sample_moments);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, parts, CPU_WRITE | CPU_OWN);
    stage = tmb__cpu_slices(p, op, join, plan->c, 64);
    stage->data = plan;
    tmb__cpu_use(stage, parts, CPU_READ);
    tmb__cpu_use(stage, o->in[1], CPU_READ);
    tmb__cpu_use(stage, o->in[3], CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, o->in[4], CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, o->out[1], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, o->out[2], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, scale, CPU_WRITE | CPU_OWN);
    return add_normalise(p, op, plan, o->out[1], scale);
}

/* rstd = 1 / sqrt(var + eps) and scale = gamma rstd: slots var, gamma, rstd, scale. */
static void infer_scale(const cpu_stage *stage, const cpu_task *task)
{
    const norm_plan *plan = stage->data;
    const float *var = tmb__cpu_at(stage, task, 0), *gamma = tmb__cpu_at(stage, task, 1);
    float *rstd = tmb__cpu_at(stage, task, 2), *scale = tmb__cpu_at(stage, task, 3);

    for (int64_t j = task->from; j < task->to; j++) {
        rstd[j] = (float)(1 / sqrt((double)var[j] + plan->attr->eps));
        scale[j] = (gamma ? gamma[j] : 1) * rstd[j];
    }
}

static int add_infer_scale(struct tmb_program *p, int op, norm_plan *plan, const int use[4])
{
    cpu_stage *stage = tmb__cpu_slices(p, op, infer_scale, plan->c, 64);

    if (use[2] < 0 || use[3] < 0) return TMB_EBUG;
    stage->data = plan;
    for (int i = 0; i < 4; i++)
        tmb__cpu_use(stage, use[i], i < 2 ? CPU_READ : CPU_WRITE | CPU_OWN);
    return 0;
}

int tmb__cpu_build_BN_INFER(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    norm_plan *plan = plan_of(p, op, o->in[0]);
    int status, rstd, scale;

    if (!plan) return TMB_ENOMEM;
    rstd = vector(p, plan, CPU_WHOLE, 1);
    scale = vector(p, plan, CPU_WHOLE, 1);
    status = add_infer_scale(p, op, plan, (int[]){o->in[4], o->in[1], rstd, scale});
    return status < 0 ? status : add_normalise(p, op, plan, o->in[3], scale);
}

/* ---- backward ---- */

/* Sums of one sample: slots dy, x, mean, rstd, y or none, sums (2, c). */
static void sample_sums(const cpu_stage *stage, const cpu_task *task)
{
    const norm_plan *plan = stage->data;
    float *out = tmb__cpu_at(stage, task, 5);
    const cpu_bn_bwd bn = {
            .rows = plan->rows,
            .c = plan->c,
            .mean = tmb__cpu_at(stage, task, 2),
            .rstd = tmb__cpu_at(stage, task, 3),
            .y = tmb__cpu_at(stage, task, 4),
    };

    task->program->simd->bn_sums(
            &bn, tmb__cpu_at(stage, task, 0), tmb__cpu_at(stage, task, 1), out, out + plan->c);
}

/* dgamma, dbeta and the line of dx: slots sums, rstd, dgamma, dbeta, line (2, c) or none. */
static void join_sums(const cpu_stage *stage, const cpu_task *task)
{
    const norm_plan *plan = stage->data;
    const float *parts = tmb__cpu_at(stage, task, 0), *rstd = tmb__cpu_at(stage, task, 1);
    float *dgamma = tmb__cpu_at(stage, task, 2), *dbeta = tmb__cpu_at(stage, task, 3);
    float *line = tmb__cpu_at(stage, task, 4);
    const double all = (double)plan->rows * task->run->n;

    for (int64_t j = task->from; j < task->to; j++) {
        double sum[2] = {0};

        for (int i = 0; i < task->run->n; i++) {
            sum[0] += parts[2 * i * plan->c + j];
            sum[1] += parts[(2 * i + 1) * plan->c + j];
        }
        if (dbeta) dbeta[j] = (float)sum[0];
        if (dgamma) dgamma[j] = (float)sum[1];
        if (!line) continue;
        line[j] = (float)(sum[0] / all);
        line[plan->c + j] = (float)(rstd[j] * sum[1] / all);
    }
}

/* dx = scale (dy - line[0] - (x - mean) line[1]): slots dy, x, mean, scale, y or none, line, dx. */
static void back(const cpu_stage *stage, const cpu_task *task)
{
    const norm_plan *plan = stage->data;
    const float *line = tmb__cpu_at(stage, task, 5);
    const cpu_bn_bwd bn = {
            .rows = plan->rows,
            .c = plan->c,
            .mean = tmb__cpu_at(stage, task, 2),
            .scale = tmb__cpu_at(stage, task, 3),
            .y = tmb__cpu_at(stage, task, 4),
            .shift = line,
            .slope = line + plan->c,
    };

    task->program->simd->bn_bwd(&bn, tmb__cpu_at(stage, task, 0), tmb__cpu_at(stage, task, 1),
            tmb__cpu_at(stage, task, 6));
}

/* What both gradients read. */
typedef struct back_uses {
    int dy, x, mean, rstd, scale, y, line;
} back_uses;

static int add_sums(struct tmb_program *p, int op, norm_plan *plan, const back_uses *u)
{
    const tmb_op *o = &p->ops[op];
    const int parts = vector(p, plan, CPU_PER_ROW, 2);
    cpu_stage *stage;

    if (parts < 0) return parts;
    stage = tmb__cpu_rows(p, op, sample_sums);
    stage->data = plan;
    tmb__cpu_use(stage, u->dy, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, u->x, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, u->mean, CPU_READ);
    tmb__cpu_use(stage, u->rstd, CPU_READ);
    tmb__cpu_use(stage, u->y, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, parts, CPU_WRITE | CPU_OWN);
    stage = tmb__cpu_slices(p, op, join_sums, plan->c, 64);
    stage->data = plan;
    tmb__cpu_use(stage, parts, CPU_READ);
    tmb__cpu_use(stage, u->rstd, CPU_READ);
    tmb__cpu_use(stage, o->out[1], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, o->out[2], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, u->line, CPU_WRITE | CPU_OWN);
    return 0;
}

static void add_back(struct tmb_program *p, int op, norm_plan *plan, const back_uses *u)
{
    cpu_stage *stage = tmb__cpu_rows(p, op, back);

    stage->data = plan;
    tmb__cpu_use(stage, u->dy, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, u->x, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, u->mean, CPU_READ);
    tmb__cpu_use(stage, u->scale, CPU_READ);
    tmb__cpu_use(stage, u->y, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, u->line, CPU_READ);
    tmb__cpu_use(stage, p->ops[op].out[0], CPU_WRITE | CPU_OWN);
}

/* scale = gamma rstd, of the batch's rstd: slots rstd, gamma, scale. */
static void batch_scale(const cpu_stage *stage, const cpu_task *task)
{
    const float *rstd = tmb__cpu_at(stage, task, 0), *gamma = tmb__cpu_at(stage, task, 1);
    float *scale = tmb__cpu_at(stage, task, 2);

    for (int64_t j = task->from; j < task->to; j++)
        scale[j] = (gamma ? gamma[j] : 1) * rstd[j];
}

int tmb__cpu_build_BN_BWD(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    norm_plan *plan = plan_of(p, op, o->in[1]);
    const int act = tmb__cpu_mask_before_bn(p, op);
    const bool mask = act >= 0 && p->fused[act] == CPU_IN_BN;
    back_uses u = {
            .dy = o->in[0], .x = o->in[1], .mean = o->in[3], .rstd = o->in[4], .y = -1, .line = -1};
    cpu_stage *stage;
    int status;

    if (!plan) return TMB_ENOMEM;
    if (mask) {
        u.dy = p->ops[act].in[0];
        u.y = p->ops[act].in[1];
        p->how[op] = "own loops, with the gradient of the ReLU";
    }
    if (o->out[0] >= 0) {
        u.line = vector(p, plan, CPU_WHOLE, 2);
        u.scale = vector(p, plan, CPU_WHOLE, 1);
        if (u.line < 0 || u.scale < 0) return TMB_EBUG;
        stage = tmb__cpu_slices(p, op, batch_scale, plan->c, 64);
        tmb__cpu_use(stage, o->in[4], CPU_READ | CPU_OWN);
        tmb__cpu_use(stage, o->in[2], CPU_READ);
        tmb__cpu_use(stage, u.scale, CPU_WRITE | CPU_OWN);
    }
    status = add_sums(p, op, plan, &u);
    if (status == 0 && o->out[0] >= 0) add_back(p, op, plan, &u);
    return status;
}

/* dx = dy scale, the statistics being constants: `back` along a line of zeros. */
int tmb__cpu_build_BN_INFER_BWD(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    norm_plan *plan = plan_of(p, op, o->in[1]);
    back_uses u = {.dy = o->in[0], .x = o->in[1], .mean = o->in[3], .y = -1, .line = -1};
    int status = 0;

    if (!plan) return TMB_ENOMEM;
    u.rstd = vector(p, plan, CPU_WHOLE, 1);
    u.scale = vector(p, plan, CPU_WHOLE, 1);
    status = add_infer_scale(p, op, plan, (int[]){o->in[4], o->in[2], u.rstd, u.scale});
    if (status == 0 && (o->out[1] >= 0 || o->out[2] >= 0)) status = add_sums(p, op, plan, &u);
    if (status < 0 || o->out[0] < 0) return status;
    u.line = vector(p, plan, CPU_WHOLE, 2);
    if (u.line < 0) return u.line;
    p->buffers[u.line].moved = true; /* kept: nobody writes its zeros */
    add_back(p, op, plan, &u);
    return 0;
}
