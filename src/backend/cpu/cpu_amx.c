/* cpu_amx.c - convolutions in bf16 as stages, where the list asks for it and the CPU has AMX
 *
 * What goes from one of them to the next is bf16 in memory, all else f32. Strided convolutions run
 * forward here, their gradients in f32; grouped ones are always f32. A maximum pool of 2 x 2 behind a
 * layer is done on its two rows while they are at hand; its gradient is spread over them by both
 * gradients of the layer as they read it. */
#define _GNU_SOURCE /* syscall */
#include "cpu_conv.h"

#include <cpuid.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    HEAVY_GROUPS = 4,     /* partial sums of a kernel that is larger than a sample */
    CHUNK_BYTES = 1 << 16 /* of dy in bf16 at a time: a part of L2 */
};

typedef struct amx_plan {
    cpu_amx s;
    cpu_amx_end end;
    bool turned;               /* the kernel, for the gradient to the data */
    bool x_half, dy_half;      /* kept in bf16; dy: of the weight gradient */
    int64_t x_count, dy_count; /* of a sample and of what its result's gradient is given by */
    int64_t y_count;           /* of a sample's result */
    int group_rows;            /* weight gradient: samples of a partial sum */
} amx_plan;

bool tmb__cpu_amx_usable(void)
{
    enum { REQUEST = 0x1023, TILE_DATA = 18 }; /* arch_prctl */
    unsigned a = 0, b = 0, c = 0, d = 0, a1 = 0;

    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl")) return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1)) return false;
    if (!__get_cpuid_count(7, 1, &a1, &b, &c, &d) || !(a1 >> 5 & 1)) return false;
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

bool tmb__cpu_amx_fits(const struct tmb_program *p, const cpu_conv *c)
{
    return p->bf16 && c->groups == 1 &&
            (c->in + AMX_DEPTH - 1) / AMX_DEPTH * c->kh * c->kw <= AMX_MAX_STEPS;
}

/* The gradients: pixels one after the other, and padding that a turned kernel can have. */
bool tmb__cpu_amx_fits_back(const struct tmb_program *p, const cpu_conv *c)
{
    for (int i = 0; i < 2; i++) {
        const int64_t reach = ((i == 0 ? c->kh : c->kw) - 1) * c->dilation[i];

        if (c->stride[i] != 1 || c->pad[i] > reach) return false;
    }
    return tmb__cpu_amx_fits(p, c) &&
            (c->out + AMX_DEPTH - 1) / AMX_DEPTH * c->kh * c->kw <= AMX_MAX_STEPS;
}

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t up_to(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
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
bool tmb__cpu_amx_thin(const cpu_conv *c)
{
    return c->in <= 4 && c->kh * c->kw > 1 && c->kh <= AMX_THIN_ROWS && c->dilation[0] == 1 &&
            c->dilation[1] == 1;
}

cpu_amx tmb__cpu_amx_geometry(const cpu_conv *whole, cpu_direction direction)
{
    const cpu_conv flat = flattened(whole), *c = &flat;
    cpu_amx s = {.h = c->h,
            .w = c->w,
            .in = c->in,
            .oh = c->oh,
            .ow = c->ow,
            .out = c->out,
            .kh = c->kh,
            .kw = c->kw,
            .pad_top = c->pad[0],
            .pad_left = c->pad[1],
            .thin = direction != CPU_BACK_DATA && tmb__cpu_amx_thin(c)};
    int64_t row;

    for (int i = 0; i < 2; i++) {
        s.stride[i] = c->stride[i];
        s.dilation[i] = c->dilation[i];
    }
    s.rows = at_least(
            (c->oh - 1) * c->stride[0] + (c->kh - 1) * c->dilation[0] + 1, c->pad[0] + c->h);
    s.pitch = at_least(
            (c->ow - 1) * c->stride[1] + (c->kw - 1) * c->dilation[1] + 1, c->pad[1] + c->w);
    if (direction == CPU_BACK_WEIGHTS) s.pitch = up_to(s.pitch, 2);
    s.entry = up_to(c->kh * c->in, 2);
    s.blocks = (c->out + 31) / 32;
    s.steps = s.thin ? up_to(c->kw * s.entry, AMX_DEPTH) / AMX_DEPTH
                     : up_to(c->in, AMX_DEPTH) / AMX_DEPTH * c->kh * c->kw;
    s.packed = s.blocks * s.steps * 2 * AMX_TILE;
    row = s.pitch * s.entry + AMX_TILE + 64 * c->stride[1] * s.entry;
    s.entry_row = up_to(row, 32);
    s.space = s.thin ? s.rows * (s.pitch * s.in + 32) + 2 * s.entry_row + 32
                     : (up_to(c->in, 32) / 32 * s.rows * s.pitch + 64 * c->stride[1] +
                               (c->kw + 1) * c->dilation[1]) *
                    AMX_DEPTH;
    return s;
}

static int new_plan(
        struct tmb_program *p, amx_plan **out, const cpu_conv *conv, cpu_direction direction)
{
    *out = tmb__cpu_keep(p, sizeof **out);
    if (!*out) return TMB_ENOMEM;
    (*out)->s = tmb__cpu_amx_geometry(conv, direction);
    (*out)->y_count = conv->oh * conv->ow * conv->out;
    return 0;
}

/* ---- the kernel ---- */

typedef struct pack_plan {
    cpu_amx s;
    cpu_amx_kernel kernel;
} pack_plan;

/* Slots w, packed. */
static void pack(const cpu_stage *stage, const cpu_task *task)
{
    const pack_plan *plan = stage->data;
    cpu_amx_kernel kernel = plan->kernel;

    kernel.w = tmb__cpu_at(stage, task, 0);
    tmb__cpu_amx_kernels.pack(&plan->s, &kernel, task->slice, tmb__cpu_at(stage, task, 1));
}

int tmb__cpu_amx_pack(struct tmb_program *p, int op, const cpu_amx *s, bool turned)
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

/* Slots x, packed, b, y, space; forward, `where` of the result's pool, else that of x. */
static void convolve(
        const cpu_stage *stage, const cpu_task *task, uint8_t *y_where, const uint8_t *x_where)
{
    const amx_plan *plan = stage->data;
    const cpu_amx_source x = {tmb__cpu_at(stage, task, 0), plan->x_half, x_where};
    cpu_amx_end end = plan->end;

    end.bias = tmb__cpu_at(stage, task, 2);
    end.where = y_where;
    tmb__cpu_amx_kernels.conv(&plan->s, &end, &x, tmb__cpu_at(stage, task, 1),
            tmb__cpu_at(stage, task, 3), tmb__cpu_at(stage, task, 4));
}

static void forward(const cpu_stage *stage, const cpu_task *task)
{
    const amx_plan *plan = stage->data;

    convolve(stage, task, tmb__cpu_at(stage, task, 5), NULL);
    if (!plan->end.half)
        tmb__cpu_finish_conv(
                stage, task, tmb__cpu_at(stage, task, 3), plan->y_count, plan->end.relu);
}

static void back_data(const cpu_stage *stage, const cpu_task *task)
{
    convolve(stage, task, NULL, tmb__cpu_at(stage, task, 5));
}

/* `at`: tensors x, b or -1, y. */
static cpu_stage *add_convolve(
        struct tmb_program *p, int op, amx_plan *plan, cpu_fn fn, const int *at)
{
    const int packed = tmb__cpu_amx_pack(p, op, &plan->s, plan->turned);
    const int space = tmb__cpu_buffer(p, CPU_TEMP, (size_t)plan->s.space * sizeof(cpu_bf16));
    cpu_stage *stage;

    if (packed < 0 || space < 0) return NULL;
    plan->x_half = tmb__cpu_half(p, at[0]);
    plan->end.half = tmb__cpu_keep_half(p, at[2]);
    stage = tmb__cpu_rows(p, op, fn);
    stage->data = plan;
    tmb__cpu_use(stage, at[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, packed, CPU_READ);
    tmb__cpu_use(stage, at[1], CPU_READ);
    tmb__cpu_use(stage, at[2], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    return stage;
}

int tmb__cpu_amx_pool(const struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    const int pool = tmb__cpu_relu_taker(p, op);
    cpu_conv conv;

    if (pool < 0 || o->kind != TMB_OP_CONV || !tmb__cpu_is_2x2(&p->ops[pool])) return -1;
    conv = tmb__cpu_conv_of(p, o, o->in[0], o->in[1], o->out[0]);
    return tmb__cpu_amx_fits(p, &conv) && conv.stride[0] == 1 && conv.stride[1] == 1 &&
                    conv.kh * conv.kw > 1
            ? pool
            : -1;
}

int tmb__cpu_amx_forward(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const int pool = tmb__cpu_relu_taker(p, op);
    const bool pooled = tmb__cpu_amx_pool(p, op) >= 0;
    const tmb_activation act = o->attr.act;
    int at[3] = {o->in[0], o->in[2], o->out[0]};
    amx_plan *plan;
    cpu_stage *stage;
    int status = new_plan(p, &plan, conv, CPU_FORWARD);

    if (status < 0) return status;
    plan->end.pool = pooled;
    plan->end.relu = pooled || ((act == TMB_RELU || act == TMB_RELU6) && pool < 0);
    plan->end.most = act == TMB_RELU6 ? 6 : 0;
    if (pooled) at[2] = p->ops[pool].out[0];
    stage = add_convolve(p, op, plan, forward, at);
    if (!stage) return TMB_ENOMEM;
    stage->later = pool >= 0;
    p->how[op] = pooled ? "own AMX bf16, with the pool" : "own AMX bf16";
    if (!pooled) return 0;
    p->fused[pool] = 1;
    tmb__cpu_shrink_where(p, pool);
    tmb__cpu_use(stage, p->ops[pool].out[1], CPU_WRITE | CPU_OWN);
    return 0;
}

int tmb__cpu_amx_back_data(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const cpu_conv back = tmb__cpu_conv_turned(conv);
    const int pool_bwd = tmb__cpu_pool_before(p, o->in[0]);
    const tmb_op *pool = pool_bwd < 0 ? NULL : &p->ops[pool_bwd];
    const int at[3] = {pool ? pool->in[0] : o->in[0], -1, o->out[0]};
    amx_plan *plan;
    cpu_stage *stage;
    int status = new_plan(p, &plan, &back, CPU_BACK_DATA);

    if (status < 0) return status;
    plan->turned = true;
    stage = add_convolve(p, op, plan, back_data, at);
    if (!stage) return TMB_ENOMEM;
    if (pool) tmb__cpu_use(stage, pool->in[1], CPU_READ | CPU_OWN);
    p->how[op] = pool ? "own AMX bf16, with the pool" : "own AMX bf16";
    return 0;
}

/* ---- weight gradient ---- */

/* Where one sample's numbers are, and where they go. */
typedef struct amx_sample {
    cpu_amx_source x, dy;
    float *sums, *db;
    cpu_bf16 *turned, *space;
} amx_sample;

static void add_sample(const amx_plan *plan, const amx_sample *now)
{
    const cpu_amx *s = &plan->s;

    tmb__cpu_amx_kernels.turn(s, &now->x, now->turned);
    for (int64_t y = 0; y < s->oh; y += s->chunk) {
        const int64_t range[2] = {y, s->oh - y < s->chunk ? s->oh : y + s->chunk};

        tmb__cpu_amx_kernels.weights(
                s, now->turned, &now->dy, range, now->sums, now->db, now->space);
    }
}

static void clear_sums(const amx_plan *plan, const amx_sample *now)
{
    memset(now->sums, 0, (size_t)plan->s.sums * sizeof *now->sums);
    if (now->db) memset(now->db, 0, (size_t)plan->s.out * sizeof *now->db);
}

/* Slots x, dy, sums and db of the group, turned, space, and with a pool: where. */
static amx_sample sample_of(const cpu_stage *stage, const cpu_task *task)
{
    const amx_plan *plan = stage->data;

    return (amx_sample){
            .x = {tmb__cpu_at(stage, task, 0), plan->x_half, NULL},
            .dy = {tmb__cpu_at(stage, task, 1), plan->dy_half, tmb__cpu_at(stage, task, 6)},
            .sums = tmb__cpu_at(stage, task, 2),
            .db = tmb__cpu_at(stage, task, 3),
            .turned = tmb__cpu_at(stage, task, 4),
            .space = tmb__cpu_at(stage, task, 5),
    };
}

static void back_weights(const cpu_stage *stage, const cpu_task *task)
{
    const amx_sample now = sample_of(stage, task);

    if (task->first_of_group) clear_sums(stage->data, &now);
    add_sample(stage->data, &now);
}

/* `n` numbers on. */
static void move_on(cpu_amx_source *source, int64_t n)
{
    const int64_t size = source->half ? sizeof(cpu_bf16) : sizeof(float);

    source->at = (const char *)source->at + n * size;
    if (source->where) source->where += n;
}

/* All samples of a heavy group, one after the other: the slots hold all samples and groups. */
static void back_weights_heavy(const cpu_stage *stage, const cpu_task *task)
{
    const amx_plan *plan = stage->data;
    const int64_t first = task->slice * plan->group_rows;
    amx_sample now = sample_of(stage, task);

    now.sums += task->slice * plan->s.sums;
    if (now.db) now.db += task->slice * plan->s.out;
    move_on(&now.x, first * plan->x_count);
    move_on(&now.dy, first * plan->dy_count);
    if (first >= task->run->n) return;
    clear_sums(plan, &now);
    for (int64_t i = first; i < first + plan->group_rows && i < task->run->n; i++) {
        add_sample(plan, &now);
        move_on(&now.x, plan->x_count);
        move_on(&now.dy, plan->dy_count);
    }
}

/* Slots total, dw. */
static void untile(const cpu_stage *stage, const cpu_task *task)
{
    const amx_plan *plan = stage->data;

    tmb__cpu_amx_kernels.untile(&plan->s, tmb__cpu_at(stage, task, 0), tmb__cpu_at(stage, task, 1));
}

static int add_totals(struct tmb_program *p, int op, amx_plan *plan, int sums, int db)
{
    const tmb_op *o = &p->ops[op];
    const int total = tmb__cpu_buffer(p, CPU_WHOLE, (size_t)plan->s.sums * sizeof(float));
    cpu_stage *stage;
    int status;

    if (total < 0) return total;
    status = tmb__cpu_add_group_sum(p, op, &(cpu_sum){sums, total, plan->s.sums, plan->group_rows});
    if (status < 0) return status;
    stage = tmb__cpu_once(p, op, untile);
    stage->data = plan;
    tmb__cpu_use(stage, total, CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE);
    if (db < 0) return 0;
    return tmb__cpu_add_group_sum(p, op, &(cpu_sum){db, o->out[1], plan->s.out, plan->group_rows});
}

/* The rest of the geometry, for the gradient. */
static void plan_weights(amx_plan *plan, const struct tmb_program *p, const cpu_conv *c)
{
    cpu_amx *s = &plan->s;
    const int64_t per_part = s->thin ? s->kh * s->in : s->in;
    const int64_t row = s->thin ? at_least(s->pitch, up_to(s->ow, 32) + s->kw)
                                : s->rows * s->pitch + s->kw * s->dilation[1] + 64;

    plan->x_count = c->h * c->w * c->in;
    s->taps = s->thin ? s->kw : s->kh * s->kw;
    s->parts = up_to(per_part, AMX_SIDE) / AMX_SIDE;
    s->plane = up_to(row, 32);
    if (s->plane / 32 % 2 == 0) s->plane += 32; /* an odd number of cache lines apart */
    s->turned = ((s->thin ? s->rows * s->in : 0) + s->parts * AMX_SIDE) * s->plane;
    s->dy_pitch = s->thin ? up_to(s->ow, AMX_DEPTH) : s->pitch;
    s->chunk = at_least(CHUNK_BYTES / (s->dy_pitch * s->blocks * 64) / 2 * 2, 2);
    if (s->chunk > s->oh) s->chunk = s->oh;
    s->chunk_at = s->blocks * 2 * up_to(s->chunk * s->dy_pitch, AMX_DEPTH) * AMX_SIDE;
    s->sums = (s->parts + 1) / 2 * s->blocks * s->taps * 2 * AMX_TILE;
    plan->group_rows = p->group_rows;
    if (s->sums > plan->x_count + plan->dy_count)
        plan->group_rows = (p->max_batch + HEAVY_GROUPS - 1) / HEAVY_GROUPS;
}

/* The stage and its slots but for the pool's. */
static cpu_stage *weights_stage(struct tmb_program *p, int op, amx_plan *plan, int dy, int *sums)
{
    const tmb_op *o = &p->ops[op];
    const cpu_amx *s = &plan->s;
    const bool heavy = plan->group_rows != p->group_rows;
    const int groups = (p->max_batch + plan->group_rows - 1) / plan->group_rows;
    const size_t copies = heavy ? (size_t)groups : 1;
    const cpu_unit unit = heavy ? CPU_WHOLE : CPU_PER_GROUP;
    const unsigned own = heavy ? 0 : CPU_OWN;
    const int turned = tmb__cpu_buffer(p, CPU_TEMP, (size_t)s->turned * sizeof(cpu_bf16));
    const int space = tmb__cpu_buffer(p, CPU_TEMP, (size_t)s->chunk_at * sizeof(cpu_bf16));
    cpu_stage *stage;

    sums[0] = tmb__cpu_buffer(p, unit, copies * (size_t)s->sums * sizeof(float));
    sums[1] =
            o->out[1] < 0 ? -1 : tmb__cpu_buffer(p, unit, copies * (size_t)s->out * sizeof(float));
    if (turned < 0 || space < 0 || sums[0] < 0) return NULL;
    stage = heavy ? tmb__cpu_slices(p, op, back_weights_heavy, groups, 1)
                  : tmb__cpu_rows(p, op, back_weights);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | own);
    tmb__cpu_use(stage, dy, CPU_READ | own);
    tmb__cpu_use(stage, sums[0], CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, sums[1], CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, turned, CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    return stage;
}

int tmb__cpu_amx_back_weights(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const int pool_bwd = tmb__cpu_pool_before(p, o->in[1]);
    const tmb_op *pool = pool_bwd < 0 ? NULL : &p->ops[pool_bwd];
    const int dy = pool ? pool->in[0] : o->in[1];
    int sums[2];
    amx_plan *plan;
    cpu_stage *stage;
    int status = new_plan(p, &plan, conv, CPU_BACK_WEIGHTS);

    if (status < 0) return status;
    plan->dy_count = tmb__cpu_row_count(&p->tensors[dy]);
    plan->x_half = tmb__cpu_half(p, o->in[0]);
    plan->dy_half = tmb__cpu_half(p, dy);
    plan_weights(plan, p, conv);
    stage = weights_stage(p, op, plan, dy, sums);
    if (!stage) return TMB_ENOMEM;
    if (pool) tmb__cpu_use(stage, pool->in[1], CPU_READ | (stage->rows ? CPU_OWN : 0));
    p->how[op] = pool ? "own AMX bf16, with the pool" : "own AMX bf16";
    return add_totals(p, op, plan, sums[0], sums[1]);
}
