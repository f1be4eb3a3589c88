/* cpu_batch.c - stages of convolutions in bf16 whose large kernels meet 16 samples at a time
 * (cpu_bf16_batch.c) */
#include "cpu_conv.h"

#include <string.h>

typedef struct put_plan {
    cpu_bf16_map map;
    bool half;
    int least;       /* samples; fewer are left to others */
    int64_t numbers; /* of 16 samples side by side */
} put_plan;

typedef struct batch_plan {
    cpu_bf16_conv s;
    cpu_bf16_end end;
    int64_t x, dy;    /* numbers of 16 samples side by side */
    int64_t y, where; /* bytes of 16 results */
} batch_plan;

/* A kernel that is larger than what it sees of a sample and makes of it. Of one pixel only if it is trained:
 * there is no padding to skip, and samples one by one stay in the core's cache. */
bool tmb__cpu_batch_fits(const struct tmb_program *p, const cpu_conv *c)
{
    return p->max_batch >= CPU_LEAST_BATCH && !tmb__cpu_bf16_thin(c) &&
            (c->trained || c->kh * c->kw > 1) &&
            c->kh * c->kw * c->in * c->out > c->h * c->w * c->in + c->oh * c->ow * c->out;
}

static int64_t batches(int64_t n)
{
    return cpu_up_to(n, TILE_SIDE) / TILE_SIDE;
}

/* Numbers of 16 samples side by side. */
static int64_t numbers_of(const cpu_bf16_map *map)
{
    return map->h * map->w * cpu_up_to(map->c, TILE_DEPTH) * TILE_SIDE;
}

/* ---- samples side by side ---- */

/* Slots x, where or none, all. */
static void put(const cpu_stage *stage, const cpu_task *task)
{
    const put_plan *plan = stage->data;
    const cpu_bf16_source x = {
            tmb__cpu_at(stage, task, 0), plan->half, tmb__cpu_at(stage, task, 1)};
    cpu_bf16 *all = tmb__cpu_at(stage, task, 2);

    if (task->run->n < plan->least) return;
    tmb__cpu_bf16_batch.put(
            &plan->map, &x, task->row % TILE_SIDE, all + task->row / TILE_SIDE * plan->numbers);
}

/* Of tensor x, with the winners of the pool behind it or -1; numbers and half are set here. Returns the buffer. */
static int add_put(struct tmb_program *p, int op, int x, int where, const put_plan *of)
{
    put_plan *plan = tmb__cpu_keep(p, sizeof *plan);
    cpu_stage *stage;
    int all;

    if (!plan) return TMB_ENOMEM;
    *plan = *of;
    plan->half = tmb__cpu_half(p, x);
    plan->numbers = numbers_of(&of->map);
    all = tmb__cpu_buffer(
            p, CPU_WHOLE, (size_t)(batches(p->max_batch) * plan->numbers) * sizeof(cpu_bf16));
    stage = tmb__cpu_rows(p, op, put);
    stage->data = plan;
    tmb__cpu_use(stage, x, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, where, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, all, CPU_WRITE);
    return all;
}

static cpu_bf16_batch batch_of(
        const cpu_stage *stage, const cpu_task *task, int slot, int64_t number, int64_t numbers)
{
    const int64_t left = task->run->n - number * TILE_SIDE;
    const cpu_bf16 *all = tmb__cpu_at(stage, task, slot);

    return (cpu_bf16_batch){all + number * numbers, left < TILE_SIDE ? left : TILE_SIDE};
}

/* ---- forward, and the gradient to the data ---- */

/* Slots x, packed, b, y, space, `where` of the result's pool. */
static void convolve(const cpu_stage *stage, const cpu_task *task)
{
    const batch_plan *plan = stage->data;
    const int64_t number = task->slice / plan->s.blocks;
    const cpu_bf16_batch x = batch_of(stage, task, 0, number, plan->x);
    unsigned char *y = tmb__cpu_at(stage, task, 3);
    uint8_t *where = tmb__cpu_at(stage, task, 5);
    cpu_bf16_end end = plan->end;

    if (x.n <= 0 || task->run->n < CPU_LEAST_BATCH) return;
    end.bias = tmb__cpu_at(stage, task, 2);
    end.where = where ? where + number * plan->where : NULL;
    tmb__cpu_bf16_batch.conv(&plan->s, &end, &x, tmb__cpu_at(stage, task, 1),
            task->slice % plan->s.blocks, y + number * plan->y, tmb__cpu_at(stage, task, 4));
}

int tmb__cpu_batch_convolve(struct tmb_program *p, int op, const cpu_bf16_conv *s,
        const cpu_bf16_end *end, int packed, const cpu_bf16_tensors *at)
{
    const put_plan x = {.map = {s->h, s->w, s->in}, .least = CPU_LEAST_BATCH};
    const int64_t pixels = end->pool ? s->oh / 2 * (s->ow / 2) : s->oh * s->ow;
    const int space =
            tmb__cpu_buffer(p, CPU_TEMP, (size_t)((1 + end->pool) * s->ow * TILE) * sizeof(float));
    batch_plan *plan = tmb__cpu_keep(p, sizeof *plan);
    const int all = add_put(p, op, at->x, at->x_where, &x);
    cpu_stage *stage;

    if (space < 0 || all < 0 || !plan) return TMB_ENOMEM;
    plan->s = *s;
    plan->x = numbers_of(&x.map);
    plan->end = *end;
    plan->where = TILE_SIDE * pixels * s->out;
    plan->y = plan->where * (int64_t)(end->half ? sizeof(cpu_bf16) : sizeof(float));
    stage = tmb__cpu_slices(p, op, convolve, batches(p->max_batch) * s->blocks, 1);
    stage->data = plan;
    tmb__cpu_use(stage, all, CPU_READ);
    tmb__cpu_use(stage, packed, CPU_READ);
    tmb__cpu_use(stage, at->b, CPU_READ);
    tmb__cpu_use(stage, at->y, CPU_WRITE);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, at->y_where, CPU_WRITE);
    return 0;
}

/* ---- weight gradient ---- */

/* 32 channels of x by channels: slots all, turned. */
static void turn(const cpu_stage *stage, const cpu_task *task)
{
    const batch_plan *plan = stage->data;
    const cpu_bf16_conv *s = &plan->s;
    cpu_bf16 *turned = tmb__cpu_at(stage, task, 1);

    for (int64_t i = 0; i < batches(task->run->n); i++) {
        const cpu_bf16_batch x = batch_of(stage, task, 0, i, plan->x);

        tmb__cpu_bf16_batch.turn(s, &x, task->slice * TILE_DEPTH, turned + i * s->turned);
    }
}

/* 32 channels of dy by pairs of samples: slots all, pairs, db. */
static void pair(const cpu_stage *stage, const cpu_task *task)
{
    const batch_plan *plan = stage->data;
    const cpu_bf16_conv *s = &plan->s;
    const int64_t from = task->slice * TILE_DEPTH, left = s->out - from;
    cpu_bf16 *pairs = tmb__cpu_at(stage, task, 1);
    float *db = tmb__cpu_at(stage, task, 2);

    if (db) memset(db + from, 0, (size_t)(left < TILE_DEPTH ? left : TILE_DEPTH) * sizeof *db);
    for (int64_t i = 0; i < batches(task->run->n); i++) {
        const cpu_bf16_batch dy = batch_of(stage, task, 0, i, plan->dy);

        tmb__cpu_bf16_batch.pair(s, &dy, from, db, pairs + i * s->blocks * 2 * s->chunk_at);
    }
}

/* 32 by 32 channels of dw: slots turned, pairs, dw. */
static void multiply(const cpu_stage *stage, const cpu_task *task)
{
    const cpu_bf16_conv *s = &((const batch_plan *)stage->data)->s;
    const int64_t parts = s->parts / 2;
    const int64_t part[2] = {task->slice % parts * TILE_DEPTH, task->slice / parts * TILE_DEPTH};

    tmb__cpu_bf16_batch.weights(s, tmb__cpu_at(stage, task, 0), tmb__cpu_at(stage, task, 1),
            batches(task->run->n), part, tmb__cpu_at(stage, task, 2));
}

/* The rest of the geometry, for 16 samples: here chunk_at is the numbers of 16 channels of dy. */
static void plan_weights(cpu_bf16_conv *s)
{
    s->parts = cpu_up_to(s->in, TILE_DEPTH) / TILE_SIDE;
    s->plane = cpu_up_to((s->h * (s->w + 1) + 1) * TILE_SIDE, 32);
    if (s->plane / 32 % 2 == 0) s->plane += 32; /* an odd number of cache lines apart */
    s->turned = s->parts * TILE_SIDE * s->plane;
    s->chunk_at = s->oh * (s->ow + 1) * TILE_SIDE * TILE_SIDE;
}

int tmb__cpu_batch_weights(
        struct tmb_program *p, int op, const cpu_bf16_conv *s, const cpu_bf16_tensors *at)
{
    const tmb_op *o = &p->ops[op];
    const size_t of_16 = (size_t)batches(p->max_batch) * sizeof(cpu_bf16);
    const put_plan of_x = {.map = {s->h, s->w, s->in}}, of_dy = {.map = {s->oh, s->ow, s->out}};
    const int x = add_put(p, op, at->x, -1, &of_x);
    const int dy = add_put(p, op, at->y, at->y_where, &of_dy);
    batch_plan *plan = tmb__cpu_keep(p, sizeof *plan);
    cpu_bf16_conv *geometry;
    int turned, pairs;
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    plan->x = numbers_of(&of_x.map);
    plan->dy = numbers_of(&of_dy.map);
    geometry = &plan->s;
    *geometry = *s;
    plan_weights(geometry);
    turned = tmb__cpu_buffer(p, CPU_WHOLE, (size_t)geometry->turned * of_16);
    pairs = tmb__cpu_buffer(p, CPU_WHOLE, (size_t)(s->blocks * 2 * geometry->chunk_at) * of_16);
    if (x < 0 || dy < 0 || turned < 0 || pairs < 0) return TMB_ENOMEM;
    stage = tmb__cpu_slices(p, op, turn, geometry->parts / 2, 1);
    stage->data = plan;
    tmb__cpu_use(stage, x, CPU_READ);
    tmb__cpu_use(stage, turned, CPU_WRITE);
    stage = tmb__cpu_slices(p, op, pair, s->blocks, 1);
    stage->data = plan;
    tmb__cpu_use(stage, dy, CPU_READ);
    tmb__cpu_use(stage, pairs, CPU_WRITE);
    tmb__cpu_use(stage, o->out[1], CPU_WRITE);
    stage = tmb__cpu_slices(p, op, multiply, geometry->parts / 2 * s->blocks, 1);
    stage->data = plan;
    tmb__cpu_use(stage, turned, CPU_READ);
    tmb__cpu_use(stage, pairs, CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE);
    return 0;
}
