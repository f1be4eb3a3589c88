/* cpu_bf16.c - convolutions in bf16 as stages, where the list asks for it and the device has tiles
 *
 * What goes from one of them to the next is bf16 in memory, all else f32. Strided convolutions run
 * forward here, their gradients in f32; grouped ones are always f32. A maximum pool of 2 x 2 behind a
 * layer is done on its two rows while they are at hand; its gradient is spread over them by both
 * gradients of the layer as they read it. */
#include "cpu_conv.h"

#include <string.h>

enum {
    CHUNK_BYTES = 1 << 16, /* of dy in bf16 at a time: a part of L2 */
    UNTILE_TASKS = 16,
    SMALL = 128 /* pixels of a map where Winograd's tiles reach far beyond its edges */
};

typedef struct bf16_plan {
    cpu_bf16_conv s;
    cpu_bf16_end end;
    bool batch;           /* runs of enough samples are left to other stages (cpu_batch.c) */
    bool x_half, dy_half; /* kept in bf16; dy: of the weight gradient */
    int64_t y_count;      /* of a sample's result */
} bf16_plan;

/* Vectors multiply pairs at twice the rate of floats, and Winograd's transform saves three products of four,
 * but fewer on small maps, and that of a vast kernel takes long after each step; where thin kernels have few
 * products to do, rounding and packing count. */
static bool is_better_in_f32(const struct tmb_program *p, const cpu_conv *c)
{
    if (p->device->tiles->fast || c->stride[0] * c->stride[1] > 1) return false;
    if (tmb__cpu_thin_fits(c)) return true;
    if (!tmb__cpu_wino_fits(p, c)) return false;
    return !tmb__cpu_wino_is_vast(c) ||
            (!c->trained && (p->max_batch < CPU_LEAST_BATCH || c->oh * c->ow > SMALL));
}

bool tmb__cpu_bf16_fits(const struct tmb_program *p, const cpu_conv *c)
{
    return p->bf16 && !is_better_in_f32(p, c) && c->groups == 1 &&
            (c->in + TILE_DEPTH - 1) / TILE_DEPTH * c->kh * c->kw <= BF16_MAX_STEPS;
}

/* The gradients: pixels one after the other, and padding that a turned kernel can have. */
bool tmb__cpu_bf16_fits_back(const struct tmb_program *p, const cpu_conv *c)
{
    for (int i = 0; i < 2; i++) {
        const int64_t reach = ((i == 0 ? c->kh : c->kw) - 1) * c->dilation[i];

        if (c->stride[i] != 1 || c->pad[i] > reach) return false;
    }
    return tmb__cpu_bf16_fits(p, c) &&
            (c->out + TILE_DEPTH - 1) / TILE_DEPTH * c->kh * c->kw <= BF16_MAX_STEPS;
}

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* A kernel of one pixel sees the picture as one row. */
static cpu_conv flattened(const cpu_conv *c)
{
    cpu_conv flat = *c;

    if (c->kh * c->kw > 1 || c->stride[0] != 1 || c->stride[1] != 1 || c->oh != c->h ||
            c->ow != c->w)
        return flat;
    flat.w = flat.ow = c->h * c->w;
    flat.h = flat.oh = 1;
    return flat;
}

/* Where few channels lie under a column of the kernel, and a tile's row holds several columns. */
bool tmb__cpu_bf16_thin(const cpu_conv *c)
{
    return c->in <= 4 && c->kh * c->kw > 1 && c->kh <= BF16_THIN_ROWS && c->dilation[0] == 1 &&
            c->dilation[1] == 1;
}

/* Pixels from row to row. What pads a row on the right may be what pads the next on the left. */
static int64_t pitch_of(const cpu_conv *c, bool thin)
{
    const int64_t reach = (c->ow - 1) * c->stride[1] + (c->kw - 1) * c->dilation[1] + 1;
    const int64_t left = c->pad[1], right = at_least(reach - left - c->w, 0);

    if (thin) return left + c->w + right;
    return at_least(c->w + at_least(left, right), c->ow);
}

cpu_bf16_conv tmb__cpu_bf16_geometry(
        const struct tmb_program *p, const cpu_conv *whole, cpu_direction direction)
{
    const cpu_conv flat = flattened(whole), *c = &flat;
    cpu_bf16_conv s = {.tiles = p->device->tiles,
            .l2 = p->device->l2,
            .h = c->h,
            .w = c->w,
            .in = c->in,
            .oh = c->oh,
            .ow = c->ow,
            .out = c->out,
            .kh = c->kh,
            .kw = c->kw,
            .pad_top = c->pad[0],
            .pad_left = c->pad[1],
            .thin = direction != CPU_BACK_DATA && tmb__cpu_bf16_thin(c)};
    int64_t row;

    for (int i = 0; i < 2; i++) {
        s.stride[i] = c->stride[i];
        s.dilation[i] = c->dilation[i];
    }
    s.rows = at_least(
            (c->oh - 1) * c->stride[0] + (c->kh - 1) * c->dilation[0] + 1, c->pad[0] + c->h);
    s.pitch = pitch_of(c, s.thin);
    if (!s.thin) s.rows++; /* the last row's padding on the right */
    if (direction == CPU_BACK_WEIGHTS) s.pitch = cpu_up_to(s.pitch, 2);
    s.entry = cpu_up_to(c->kh * c->in, 2);
    s.blocks = (c->out + 31) / 32;
    s.steps = s.thin ? cpu_up_to(c->kw * s.entry, TILE_DEPTH) / TILE_DEPTH
                     : cpu_up_to(c->in, TILE_DEPTH) / TILE_DEPTH * c->kh * c->kw;
    s.packed = s.blocks * s.steps * 2 * TILE;
    row = s.pitch * s.entry + TILE + 64 * c->stride[1] * s.entry;
    s.entry_row = cpu_up_to(row, 32);
    s.space = s.thin ? s.rows * (s.pitch * s.in + 32) + 2 * s.entry_row + 32
                     : (cpu_up_to(c->in, 32) / 32 * s.rows * s.pitch + 64 * c->stride[1] +
                               (c->kw + 1) * c->dilation[1]) *
                    TILE_DEPTH;
    return s;
}

static int new_plan(
        struct tmb_program *p, bf16_plan **out, const cpu_conv *conv, cpu_direction direction)
{
    *out = tmb__cpu_keep(p, sizeof **out);
    if (!*out) return TMB_ENOMEM;
    (*out)->s = tmb__cpu_bf16_geometry(p, conv, direction);
    (*out)->y_count = conv->oh * conv->ow * conv->out;
    return 0;
}

/* ---- the kernel ---- */

typedef struct pack_plan {
    cpu_bf16_conv s;
    cpu_bf16_kernel kernel;
} pack_plan;

/* Slots w, packed. */
static void pack(const cpu_stage *stage, const cpu_task *task)
{
    const pack_plan *plan = stage->data;
    cpu_bf16_kernel kernel = plan->kernel;

    kernel.w = tmb__cpu_at(stage, task, 0);
    tmb__cpu_bf16_kernels.pack(&plan->s, &kernel, task->slice, tmb__cpu_at(stage, task, 1));
}

int tmb__cpu_bf16_pack(struct tmb_program *p, int op, const cpu_bf16_conv *s, bool turned)
{
    const int w = p->ops[op].in[1];
    const int packed = tmb__cpu_buffer(p, CPU_WHOLE, (size_t)s->packed * sizeof(cpu_bf16));
    pack_plan *plan = tmb__cpu_keep(p, sizeof *plan);
    cpu_stage *stage;

    if (packed < 0 || !plan) return TMB_ENOMEM;
    p->buffers[packed].moved = true; /* kept until a parameter changes */
    plan->s = *s;
    plan->kernel.in = p->tensors[w].dim[2];
    plan->kernel.out = p->tensors[w].dim[3];
    plan->kernel.turned = turned;
    stage = tmb__cpu_slices(p, op, pack, s->blocks, 1);
    stage->pack = p->tensors[w].role != TMB_ROLE_INPUT;
    stage->data = plan;
    tmb__cpu_use(stage, w, CPU_READ);
    tmb__cpu_use(stage, packed, CPU_WRITE);
    return packed;
}

/* ---- forward, and the gradient to the data ---- */

/* Slots x, packed, b, y, space, and `where` of the pools behind x and y. */
static void convolve(const cpu_stage *stage, const cpu_task *task)
{
    const bf16_plan *plan = stage->data;
    const cpu_bf16_source x = {
            tmb__cpu_at(stage, task, 0), plan->x_half, tmb__cpu_at(stage, task, 5)};
    cpu_bf16_end end = plan->end;

    if (plan->batch && task->run->n >= CPU_LEAST_BATCH) return;
    end.bias = tmb__cpu_at(stage, task, 2);
    end.where = tmb__cpu_at(stage, task, 6);
    tmb__cpu_bf16_kernels.conv(&plan->s, &end, &x, tmb__cpu_at(stage, task, 1),
            tmb__cpu_at(stage, task, 3), tmb__cpu_at(stage, task, 4));
}

static void forward(const cpu_stage *stage, const cpu_task *task)
{
    const bf16_plan *plan = stage->data;

    convolve(stage, task);
    if (!plan->end.half)
        tmb__cpu_finish_conv(
                stage, task, tmb__cpu_at(stage, task, 3), plan->y_count, plan->end.relu);
}

static void name_way(struct tmb_program *p, int op, bool batch, bool pool)
{
    static const char *const names[] = {"own bf16", "own bf16, with the pool",
            "own bf16, 16 samples at a time", "own bf16, 16 samples at a time, with the pool"};

    p->how[op] = names[2 * batch + pool];
}

static int add_convolve(
        struct tmb_program *p, int op, bf16_plan *plan, cpu_fn fn, const cpu_bf16_tensors *at)
{
    const int64_t more = plan->end.pool ? tmb__cpu_bf16_pool_space(&plan->s) : 0;
    cpu_stage *stage;
    int packed, space;

    plan->x_half = tmb__cpu_half(p, at->x);
    plan->end.half = tmb__cpu_keep_half(p, at->y);
    name_way(p, op, plan->batch, plan->end.pool || at->x_where >= 0);
    packed = tmb__cpu_bf16_pack(p, op, &plan->s, at->turned);
    space = tmb__cpu_buffer(p, CPU_TEMP, (size_t)(plan->s.space + more) * sizeof(cpu_bf16));
    if (packed < 0 || space < 0) return TMB_ENOMEM;
    stage = tmb__cpu_rows(p, op, fn);
    stage->data = plan;
    stage->later = !at->turned && tmb__cpu_relu_taker(p, op) >= 0;
    tmb__cpu_use(stage, at->x, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, packed, CPU_READ);
    tmb__cpu_use(stage, at->b, CPU_READ);
    tmb__cpu_use(stage, at->y, CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, at->x_where, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, at->y_where, CPU_WRITE | CPU_OWN);
    if (!plan->batch) return 0;
    return tmb__cpu_batch_convolve(p, op, &plan->s, &plan->end, packed, at);
}

int tmb__cpu_bf16_pool(const struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    const int pool = tmb__cpu_relu_taker(p, op);
    cpu_conv conv;

    if (pool < 0 || o->kind != TMB_OP_CONV || !tmb__cpu_is_2x2(&p->ops[pool])) return -1;
    conv = tmb__cpu_conv_of(p, o, o->in[0], o->in[1], o->out[0]);
    return tmb__cpu_bf16_fits(p, &conv) && conv.stride[0] == 1 && conv.stride[1] == 1 &&
                    conv.kh * conv.kw > 1
            ? pool
            : -1;
}

int tmb__cpu_bf16_forward(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const int pool = tmb__cpu_relu_taker(p, op);
    const bool pooled = tmb__cpu_bf16_pool(p, op) >= 0;
    const tmb_activation act = o->attr.act;
    cpu_bf16_tensors at = {o->in[0], -1, o->in[2], o->out[0], -1, false};
    bf16_plan *plan;
    int status = new_plan(p, &plan, conv, CPU_FORWARD);

    if (status < 0) return status;
    plan->end.pool = pooled;
    plan->end.relu = pooled || ((act == TMB_RELU || act == TMB_RELU6) && pool < 0);
    plan->end.most = act == TMB_RELU6 ? 6 : 0;
    plan->batch =
            tmb__cpu_batch_fits(p, conv) && (plan->end.relu || pool >= 0 || act == TMB_LINEAR);
    if (pooled) {
        at.y = p->ops[pool].out[0];
        at.y_where = p->ops[pool].out[1];
        p->fused[pool] = 1;
        tmb__cpu_shrink_where(p, pool);
    }
    return add_convolve(p, op, plan, forward, &at);
}

int tmb__cpu_bf16_back_data(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const cpu_conv back = tmb__cpu_conv_turned(conv);
    const int pool_bwd = tmb__cpu_pool_before(p, o->in[0]);
    const tmb_op *pool = pool_bwd < 0 ? NULL : &p->ops[pool_bwd];
    const cpu_bf16_tensors at = {
            pool ? pool->in[0] : o->in[0], pool ? pool->in[1] : -1, -1, o->out[0], -1, true};
    bf16_plan *plan;
    int status = new_plan(p, &plan, &back, CPU_BACK_DATA);

    if (status < 0) return status;
    plan->batch = tmb__cpu_batch_fits(p, conv);
    return add_convolve(p, op, plan, convolve, &at);
}

/* ---- weight gradient ---- */

/* Slots x, dy, sums and db of the group, turned, pairs, and with a pool: where. */
enum { X, DY, SUMS, DB, TURNED, PAIRS, WHERE };

static void clear(float *sums, int64_t n)
{
    if (sums) memset(sums, 0, (size_t)n * sizeof *sums);
}

static void put_turned(const cpu_stage *stage, const cpu_task *task)
{
    const bf16_plan *plan = stage->data;
    const cpu_bf16_source x = {tmb__cpu_at(stage, task, X), plan->x_half, NULL};

    tmb__cpu_bf16_kernels.turn(&plan->s, &x, tmb__cpu_at(stage, task, TURNED));
    if (task->first_of_group) clear(tmb__cpu_at(stage, task, DB), plan->s.out);
}

static void put_pairs(const cpu_stage *stage, const cpu_task *task, const int64_t range[2])
{
    const bf16_plan *plan = stage->data;
    const cpu_bf16_source dy = {
            tmb__cpu_at(stage, task, DY), plan->dy_half, tmb__cpu_at(stage, task, WHERE)};

    tmb__cpu_bf16_kernels.pairs(
            &plan->s, &dy, range, tmb__cpu_at(stage, task, DB), tmb__cpu_at(stage, task, PAIRS));
}

/* One sample into its group's sums, some rows at a time. */
static void back_weights(const cpu_stage *stage, const cpu_task *task)
{
    const cpu_bf16_conv *s = &((const bf16_plan *)stage->data)->s;
    cpu_bf16_factors f = {
            .turned = tmb__cpu_at(stage, task, TURNED), .pairs = tmb__cpu_at(stage, task, PAIRS)};

    put_turned(stage, task);
    for (int64_t y = 0; y < s->oh; y += s->chunk) {
        float *sums = tmb__cpu_at(stage, task, SUMS);

        f.range[0] = y;
        f.range[1] = s->oh - y < s->chunk ? s->oh : y + s->chunk;
        f.fresh = task->first_of_group && y == 0;
        put_pairs(stage, task, f.range);
        for (int64_t i = 0; i < s->tasks; i++, sums += 2 * s->taps * TILE)
            tmb__cpu_bf16_kernels.products(s, &f, i / s->blocks * 2, i % s->blocks, sums);
    }
}

/* Slots total, dw. */
static void untile(const cpu_stage *stage, const cpu_task *task)
{
    const bf16_plan *plan = stage->data;
    const int64_t range[2] = {task->from, task->to};

    tmb__cpu_bf16_kernels.untile(
            &plan->s, tmb__cpu_at(stage, task, 0), range, tmb__cpu_at(stage, task, 1));
}

/* The rest of the geometry, for the gradient. */
static void plan_weights(cpu_bf16_conv *s)
{
    const int64_t per_part = s->thin ? s->kh * s->in : s->in;
    const int64_t row = s->thin ? at_least(s->pitch, cpu_up_to(s->ow, 32) + s->kw)
                                : s->rows * s->pitch + s->kw * s->dilation[1] + 64;

    s->taps = s->thin ? s->kw : s->kh * s->kw;
    s->parts = cpu_up_to(per_part, TILE_SIDE) / TILE_SIDE;
    s->tasks = (s->parts + 1) / 2 * s->blocks;
    s->plane = cpu_up_to(row, 32);
    if (s->plane / 32 % 2 == 0) s->plane += 32; /* an odd number of cache lines apart */
    s->turned = ((s->thin ? s->rows * s->in : 0) + s->parts * TILE_SIDE) * s->plane;
    s->dy_pitch = s->thin ? cpu_up_to(s->ow, TILE_DEPTH) : s->pitch;
    s->sums = s->tasks * s->taps * 2 * TILE;
    s->chunk = at_least(CHUNK_BYTES / (s->dy_pitch * s->blocks * 64) / 2 * 2, 2);
    if (s->chunk > s->oh) s->chunk = s->oh;
    s->chunk_at = s->blocks * 2 * cpu_up_to(s->chunk * s->dy_pitch, TILE_DEPTH) * TILE_SIDE;
}

/* The stages that see samples. Returns the buffer of the sums of all. */
static int add_samples(
        struct tmb_program *p, int op, bf16_plan *plan, const cpu_bf16_tensors *at, int db)
{
    const cpu_bf16_conv *s = &plan->s;
    const size_t size = (size_t)s->sums * sizeof(float);
    const int turned = tmb__cpu_buffer(p, CPU_TEMP, (size_t)s->turned * sizeof(cpu_bf16));
    const int pairs = tmb__cpu_buffer(p, CPU_TEMP, (size_t)s->chunk_at * sizeof(cpu_bf16));
    const int sums = tmb__cpu_buffer(p, CPU_PER_GROUP, size);
    const int total = tmb__cpu_buffer(p, CPU_WHOLE, size);
    cpu_stage *stage = tmb__cpu_rows(p, op, back_weights);
    int status;

    if (turned < 0 || pairs < 0 || sums < 0 || total < 0) return TMB_ENOMEM;
    stage->data = plan;
    tmb__cpu_use(stage, at->x, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, at->y, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, sums, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, db, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, turned, CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, pairs, CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, at->y_where, CPU_READ | CPU_OWN);
    status = tmb__cpu_add_group_sum(p, op, &(cpu_sum){sums, total, s->sums, p->group_rows});
    return status < 0 ? status : total;
}

int tmb__cpu_bf16_back_weights(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const int pool_bwd = tmb__cpu_pool_before(p, o->in[1]);
    const tmb_op *pool = pool_bwd < 0 ? NULL : &p->ops[pool_bwd];
    const cpu_bf16_tensors at = {
            o->in[0], -1, -1, pool ? pool->in[0] : o->in[1], pool ? pool->in[1] : -1, false};
    const int64_t rows = conv->kh * conv->kw * conv->in;
    const bool batch = tmb__cpu_batch_fits(p, conv);
    bf16_plan *plan;
    cpu_stage *stage;
    int db = -1, total, status = new_plan(p, &plan, conv, CPU_BACK_WEIGHTS);

    if (status < 0) return status;
    name_way(p, op, batch, pool != NULL);
    if (batch) return tmb__cpu_batch_weights(p, op, &plan->s, &at);
    if (o->out[1] >= 0) db = tmb__cpu_buffer(p, CPU_PER_GROUP, (size_t)conv->out * sizeof(float));
    plan->x_half = tmb__cpu_half(p, at.x);
    plan->dy_half = tmb__cpu_half(p, at.y);
    plan_weights(&plan->s);
    total = add_samples(p, op, plan, &at, db);
    if (total < 0) return total;
    stage = tmb__cpu_slices(p, op, untile, rows, (rows + UNTILE_TASKS - 1) / UNTILE_TASKS);
    stage->data = plan;
    tmb__cpu_use(stage, total, CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE);
    if (db < 0) return 0;
    return tmb__cpu_add_group_sum(p, op, &(cpu_sum){db, o->out[1], plan->s.out, p->group_rows});
}
