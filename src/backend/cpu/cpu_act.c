/* cpu_act.c - activations and softmax: sample by sample */
#include "cpu.h"

#include <math.h>

#define SELU_SCALE 1.0507009873554805f
#define SELU_ALPHA 1.6732632423543772f
#define SQRT_HALF  0.70710678f
#define SQRT_2PI   2.5066283f
#define SQRT_2_PI  0.79788456f /* sqrt(2 / pi) */
#define CUBIC      0.044715f

typedef struct act_plan {
    const tmb_attr *attr;
    int64_t count; /* of a sample */
} act_plan;

static float sigmoid(float x)
{
    return x < 0 ? expf(x) / (1 + expf(x)) : 1 / (1 + expf(-x)); /* neither overflows */
}

static float softplus(float x)
{
    return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x)));
}

static float hard_sigmoid(float x)
{
    const float y = x / 6 + 0.5f;

    return y < 0 ? 0 : y > 1 ? 1 : y;
}

/* Those without a kernel in vectors. */
static float activate(tmb_activation act, float alpha, float x)
{
    switch (act) {
    case TMB_ELU:
        return x > 0 ? x : alpha * expm1f(x);
    case TMB_SELU:
        return SELU_SCALE * (x > 0 ? x : SELU_ALPHA * expm1f(x));
    case TMB_TANH:
        return tanhf(x);
    case TMB_SOFTPLUS:
        return softplus(x);
    case TMB_GELU:
        return 0.5f * x * (1 + erff(x * SQRT_HALF));
    case TMB_HARD_SIGMOID:
        return hard_sigmoid(x);
    case TMB_SOFTSIGN:
        return x / (1 + fabsf(x));
    case TMB_EXPONENTIAL:
        return expf(x);
    case TMB_GELU_TANH:
        return 0.5f * x * (1 + tanhf(SQRT_2_PI * (x + CUBIC * x * x * x)));
    case TMB_HARD_SWISH:
        return x * hard_sigmoid(x);
    case TMB_MISH:
        return x * tanhf(softplus(x));
    default:
        return x;
    }
}

static float gelu_tanh_slope(float x)
{
    const float t = tanhf(SQRT_2_PI * (x + CUBIC * x * x * x));

    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * SQRT_2_PI * (1 + 3 * CUBIC * x * x);
}

static float mish_slope(float x)
{
    const float t = tanhf(softplus(x));

    return t + x * (1 - t * t) * sigmoid(x);
}

/* d act / dx from y = act(x), or from x where y does not tell; 0 at ReLU's corner. */
static float slope(tmb_activation act, float alpha, float y, float x)
{
    switch (act) {
    case TMB_ELU:
        return y > 0 ? 1 : y + alpha;
    case TMB_SELU:
        return y > 0 ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA;
    case TMB_TANH:
        return 1 - y * y;
    case TMB_SOFTPLUS:
        return -expm1f(-y);
    case TMB_GELU:
        return 0.5f * (1 + erff(x * SQRT_HALF)) + x * expf(-x * x / 2) / SQRT_2PI;
    case TMB_HARD_SIGMOID:
        return y > 0 && y < 1 ? 1.0f / 6 : 0;
    case TMB_SOFTSIGN:
        return (1 - fabsf(y)) * (1 - fabsf(y));
    case TMB_EXPONENTIAL:
        return y;
    case TMB_GELU_TANH:
        return gelu_tanh_slope(x);
    case TMB_HARD_SWISH:
        return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5f;
    case TMB_MISH:
        return mish_slope(x);
    default:
        return 1;
    }
}

void tmb__cpu_activate(
        const struct tmb_program *p, const tmb_attr *attr, const float *x, float *y, int64_t n)
{
    if (attr->act == TMB_RELU) {
        p->simd->relu(x, y, n);
        return;
    }
    if (p->simd->act(attr->act, attr->alpha, x, y, n)) return;
    for (int64_t i = 0; i < n; i++)
        y[i] = activate(attr->act, attr->alpha, x[i]);
}

/* Append a stage over whole samples: inputs, then outputs. */
static int add_stage(struct tmb_program *p, int op, cpu_fn fn, int n_in)
{
    const tmb_op *o = &p->ops[op];
    act_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return TMB_ENOMEM;
    *plan = (act_plan){.attr = &o->attr, .count = tmb__cpu_row_count(&p->tensors[o->out[0]])};
    return tmb__cpu_own_rows(p, op, fn, plan, n_in, 1);
}

static void act(const cpu_stage *stage, const cpu_task *task)
{
    const act_plan *plan = stage->data;

    tmb__cpu_activate(task->program, plan->attr, tmb__cpu_at(stage, task, 0),
            tmb__cpu_at(stage, task, 1), plan->count);
}

int tmb__cpu_build_ACT(struct tmb_program *p, int op)
{
    return add_stage(p, op, act, 1);
}

static void act_bwd(const cpu_stage *stage, const cpu_task *task)
{
    const act_plan *plan = stage->data;
    const cpu_simd *simd = task->program->simd;
    const float *dy = tmb__cpu_at(stage, task, 0), *y = tmb__cpu_at(stage, task, 1);
    const float *x = tmb__cpu_at(stage, task, 2);
    float *dx = tmb__cpu_at(stage, task, 3);
    const cpu_act_bwd back = {dy, y, x, dx, plan->attr->alpha, plan->count};

    if (plan->attr->act == TMB_RELU) {
        simd->relu_bwd(dy, y, dx, plan->count);
        return;
    }
    if (simd->act_bwd(plan->attr->act, &back)) return;
    for (int64_t i = 0; i < plan->count; i++)
        dx[i] = dy[i] * slope(plan->attr->act, plan->attr->alpha, y[i], x ? x[i] : 0);
}

int tmb__cpu_build_ACT_BWD(struct tmb_program *p, int op)
{
    if (tmb__cpu_masks_bn(p, op)) {
        p->fused[op] = CPU_IN_BN;
        return 0;
    }
    return add_stage(p, op, act_bwd, 3);
}

/* ---- softmax over the last axis ---- */

static void softmax(const cpu_stage *stage, const cpu_task *task)
{
    const act_plan *plan = stage->data;
    const int64_t last =
            tmb__cpu_last(&task->program->tensors[task->program->ops[stage->op].in[0]]);
    const float *x = tmb__cpu_at(stage, task, 0);
    float *y = tmb__cpu_at(stage, task, 1);

    for (int64_t r = 0; r < plan->count / last; r++, x += last, y += last) {
        float most = x[0];
        double sum = 0;

        for (int64_t j = 1; j < last; j++)
            most = x[j] > most ? x[j] : most;
        for (int64_t j = 0; j < last; j++)
            sum += y[j] = expf(x[j] - most);
        for (int64_t j = 0; j < last; j++)
            y[j] = plan->attr->act == TMB_LOG_SOFTMAX ? x[j] - most - (float)log(sum)
                                                      : (float)(y[j] / sum);
    }
}

int tmb__cpu_build_SOFTMAX(struct tmb_program *p, int op)
{
    return add_stage(p, op, softmax, 1);
}

static void softmax_bwd(const cpu_stage *stage, const cpu_task *task)
{
    const act_plan *plan = stage->data;
    const int64_t last =
            tmb__cpu_last(&task->program->tensors[task->program->ops[stage->op].in[0]]);
    const float *dy = tmb__cpu_at(stage, task, 0), *y = tmb__cpu_at(stage, task, 1);
    float *dx = tmb__cpu_at(stage, task, 2);
    const bool of_log = plan->attr->act == TMB_LOG_SOFTMAX;

    for (int64_t r = 0; r < plan->count / last; r++, dy += last, y += last, dx += last) {
        double dot = 0;

        for (int64_t j = 0; j < last; j++)
            dot += of_log ? dy[j] : (double)dy[j] * y[j];
        for (int64_t j = 0; j < last; j++)
            dx[j] = (float)(of_log ? dy[j] - exp(y[j]) * dot : y[j] * (dy[j] - dot));
    }
}

int tmb__cpu_build_SOFTMAX_BWD(struct tmb_program *p, int op)
{
    return add_stage(p, op, softmax_bwd, 2);
}
