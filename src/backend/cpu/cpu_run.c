/* cpu_run.c - one run of a program: level by level, groups of samples and slices on the workers */
#include "cpu.h"
#include "cpu_dnnl.h"

#include <xmmintrin.h>

typedef struct pass {
    struct tmb_program *program;
    const tmb_run *run;
    const cpu_level *level;
    int n_groups;
} pass;

void *tmb__cpu_base(const cpu_stage *stage, const cpu_task *task, int slot)
{
    const cpu_buffer *b;

    if (slot >= stage->n_uses || stage->use[slot] < 0) return NULL;
    b = &task->program->buffers[stage->use[slot]];
    return b->place == CPU_LOCAL ? task->program->scratch[task->worker] + b->offset : b->base;
}

void *tmb__cpu_at(const cpu_stage *stage, const cpu_task *task, int slot)
{
    unsigned char *base = tmb__cpu_base(stage, task, slot);
    const cpu_buffer *b;

    if (!base || !stage->rows) return base;
    b = &task->program->buffers[stage->use[slot]];
    if (b->place == CPU_LOCAL) return base;
    if (b->unit == CPU_PER_ROW) return base + (size_t)task->row * b->bytes;
    return b->unit == CPU_PER_GROUP ? base + (size_t)task->group * b->bytes : base;
}

/* One stage for one task; who wants to know is told how long it took. */
static void run_stage(const cpu_task *task, int number)
{
    struct tmb_program *p = task->program;
    const cpu_stage *stage = &p->stages[number];
    double start;

    if (stage->pack && !p->dirty) return;
    start = p->span ? p->host.now() : 0;
    stage->fn(stage, task);
    if (p->span) p->span(p->span_user, stage->op, task->worker, start, p->host.now());
}

static void run_group(const pass *now, cpu_task *task, int group)
{
    struct tmb_program *p = now->program;
    const int first = group * p->group_rows, end = first + p->group_rows;

    task->group = group;
    for (task->row = first; task->row < end && task->row < now->run->n; task->row++) {
        task->first_of_group = task->row == first;
        for (int i = 0; i < now->level->rows.n; i++)
            run_stage(task, p->order[now->level->rows.first + i]);
    }
}

static void run_slice(const pass *now, cpu_task *task, int number)
{
    struct tmb_program *p = now->program;
    const cpu_chain *chain = &p->chains[now->level->first_chain];

    while (number >= chain->start + chain->tasks)
        chain++;
    task->slice = number - chain->start;
    for (int i = 0; i < chain->n; i++) {
        const int s = p->order[chain->first + i];

        task->from = task->slice * p->stages[s].chunk;
        task->to = task->from + p->stages[s].chunk;
        if (task->to > p->stages[s].count) task->to = p->stages[s].count;
        run_stage(task, s);
    }
}

/* Numbers too small to be normal count as 0, as in TensorFlow: an optimizer's averages for inputs that
 * are always 0 shrink into them, and each would then cost a hundred cycles. Returns what was set. */
static unsigned no_denormals(void)
{
    const unsigned before = _mm_getcsr(), flush_to_zero = 0x8000, denormals_are_zero = 0x40;

    _mm_setcsr(before | flush_to_zero | denormals_are_zero);
    return before;
}

/* Task `number` of a level: slices stand after the groups. */
static void run_task(void *user, int number, int worker)
{
    const pass *now = user;
    const int groups = now->level->rows.n > 0 ? now->n_groups : 0;
    const int threads = tmb__cpu_one_thread();
    const unsigned mode = no_denormals();
    cpu_task task = {
            .program = now->program,
            .run = now->run,
            .worker = worker,
            .n_groups = now->n_groups,
    };

    if (number < groups)
        run_group(now, &task, number);
    else
        run_slice(now, &task, number - groups);
    _mm_setcsr(mode);
    tmb__cpu_threads_back(threads);
}

static int bind(struct tmb_program *p, const tmb_run *run)
{
    for (int i = 0; i < p->n_tensors; i++) {
        if (p->tensors[i].role == TMB_ROLE_INPUT) p->buffers[i].base = NULL;
    }
    for (int i = 0; i < run->n_binds; i++) {
        const int tensor = run->binds[i].tensor;

        if (tensor < 0 || tensor >= p->n_tensors || p->tensors[tensor].role != TMB_ROLE_INPUT)
            return p->host.fail(TMB_EINVAL, "cpu: tensor %d is bound but is no input", tensor);
        p->buffers[tensor].base = (unsigned char *)(uintptr_t)run->binds[i].data;
    }
    for (int i = 0; i < p->n_tensors; i++) {
        if (p->buffers[i].place == CPU_BOUND && !p->buffers[i].base && p->buffers[i].last >= 0)
            return p->host.fail(TMB_EINVAL, "cpu: input %d (%s) is not bound", i,
                    p->tensors[i].name ? p->tensors[i].name : "");
    }
    return 0;
}

int tmb__cpu_run(struct tmb_program *p, const tmb_run *run)
{
    pass now = {.program = p, .run = run};
    int status;

    if (run->n < 1 || run->n > p->max_batch)
        return p->host.fail(TMB_EINVAL, "cpu: %d samples, expected 1 to %d", run->n, p->max_batch);
    status = bind(p, run);
    if (status < 0) return status;
    p->last_n = run->n;
    now.n_groups = (run->n + p->group_rows - 1) / p->group_rows;
    atomic_store(&p->failed, 0);
    for (int i = 0; i < p->n_levels; i++) {
        const cpu_level *level = &p->levels[i];
        const int groups = level->rows.n > 0 ? now.n_groups : 0;

        if (level->only_packs && !p->dirty) continue;
        now.level = level;
        p->host.parallel(p->host.pool, groups + level->n_slices, run_task, &now);
    }
    p->dirty = p->updates;
    if (atomic_load(&p->failed) != 0)
        return p->host.fail(TMB_EDEVICE, "cpu: oneDNN answered %d", atomic_load(&p->failed));
    return 0;
}
