/* cpu_noise.c - dropout and its relatives, sample by sample; the rules stand in ref_noise.c */
#include "cpu.h"

#include <math.h>

#define TWO_PI 6.283185307179586

enum { WORDS = 256 }; /* even: a pair of normal values needs both of its words */

typedef struct noise_plan {
    const tmb_attr *attr;
    int64_t count, last; /* of a sample */
} noise_plan;

/* Elements from .. to of the run, x and y at the first; words[i] is that of element `from` + i. */
typedef struct stretch {
    const float *x;
    float *y;
    int64_t n;
    const uint32_t *words;
    bool odd; /* `from` is the second of its pair; its first word stands before */
} stretch;

static void drop(const stretch *s, const tmb_attr *attr)
{
    const double least = (double)attr->rate * 0x1p32;
    const float keep = 1 - attr->rate;

    for (int64_t i = 0; i < s->n; i++)
        s->y[i] = s->words[i] >= least ? s->x[i] / keep : 0;
}

static void gaussian(const stretch *s, const tmb_attr *attr)
{
    const double rate = attr->rate, deviation = sqrt(rate / (1 - rate));
    const bool added = attr->noise == TMB_NOISE_GAUSSIAN;

    for (int64_t i = 0; i < s->n; i++) {
        const bool second = (i + s->odd) & 1;
        const double u = (s->words[i - second] + 1.0) / 0x1p32;
        const double turn = TWO_PI * (s->words[i + !second] / 0x1p32);
        const double z = sqrt(-2 * log(u)) * (second ? sin(turn) : cos(turn));

        s->y[i] = (float)(added ? s->x[i] + rate * z : s->x[i] * (1 + deviation * z));
    }
}

/* Words first .. first + n - 1 of the run's stream, and what stands around them in their blocks. */
static void fetch(const cpu_task *task, uint32_t id, int64_t first, int64_t n, uint32_t *words)
{
    task->program->host.random(task->run->seed, task->run->step, id, (uint64_t)first / 4,
            (first % 4 + n + 3) / 4, words);
}

static void noise(const cpu_stage *stage, const cpu_task *task)
{
    const noise_plan *plan = stage->data;
    const int64_t first = task->row * plan->count;
    const float *x = tmb__cpu_at(stage, task, 0);
    float *y = tmb__cpu_at(stage, task, 1);
    uint32_t words[WORDS + 8];

    for (int64_t from = 0; from < plan->count; from += WORDS) {
        const int64_t at = first + from,
                      n = plan->count - from < WORDS ? plan->count - from : WORDS;
        const stretch s = {x + from, y + from, n, words + at % 4, at & 1};

        fetch(task, plan->attr->id, at, n, words);
        if (plan->attr->noise == TMB_NOISE_DROP)
            drop(&s, plan->attr);
        else
            gaussian(&s, plan->attr);
    }
}

/* One word for a channel of a sample. */
static void drop_channels(const cpu_stage *stage, const cpu_task *task)
{
    const noise_plan *plan = stage->data;
    const int64_t last = plan->last, first = task->row * last;
    const float *x = tmb__cpu_at(stage, task, 0);
    float *y = tmb__cpu_at(stage, task, 1);
    uint32_t words[WORDS + 8];

    for (int64_t from = 0; from < last; from += WORDS) {
        const int64_t at = first + from, n = last - from < WORDS ? last - from : WORDS;

        fetch(task, plan->attr->id, at, n, words);
        for (int64_t e = from; e < plan->count; e += last) {
            const stretch s = {x + e, y + e, n, words + at % 4, false};

            drop(&s, plan->attr);
        }
    }
}

static int add_noise(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    noise_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return TMB_ENOMEM;
    plan->attr = &o->attr;
    plan->count = tmb__cpu_row_count(&p->tensors[o->out[0]]);
    plan->last = tmb__cpu_last(&p->tensors[o->out[0]]);
    return tmb__cpu_own_rows(
            p, op, o->attr.noise == TMB_NOISE_DROP_CHANNELS ? drop_channels : noise, plan, 1, 1);
}

int tmb__cpu_build_DROPOUT(struct tmb_program *p, int op)
{
    return add_noise(p, op);
}

int tmb__cpu_build_DROPOUT_BWD(struct tmb_program *p, int op)
{
    return add_noise(p, op);
}
