/* cpu_thin.c - convolutions of pictures with few channels: the first layer of a net
 *
 * One row of outputs at a time: y (ow, out) is a product of the kh kw in numbers under each pixel
 * with the kernel as it stands, and the kernel's gradient a product of the same numbers with dy. A
 * maximum pool of 2 x 2 behind the layer is done on the two rows that it needs, and its gradient
 * likewise: the layer's full size result, the largest tensor of the net, is then never written. */
#include "cpu_conv.h"

#include <string.h>

typedef struct thin_plan {
    cpu_conv conv;
    cpu_window pool;              /* of two rows; h = 0: no pool */
    int64_t inner_from, inner_to; /* outputs of a row whose window lies inside */
} thin_plan;

bool tmb__cpu_thin_fits(const cpu_conv *c)
{
    return c->groups == 1 && c->in <= 4 && c->kw * c->in <= 48 && c->out % 16 == 0 &&
            c->dilation[0] == 1 && c->dilation[1] == 1;
}

static thin_plan *plan_of(struct tmb_program *p, const cpu_conv *c)
{
    const int64_t s = c->stride[1], pad = c->pad[1];
    thin_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return NULL;
    plan->conv = *c;
    plan->inner_from = (pad + s - 1) / s;
    plan->inner_to = c->w + pad < c->kw ? 0 : (c->w + pad - c->kw) / s + 1;
    if (plan->inner_to > c->ow) plan->inner_to = c->ow;
    if (plan->inner_to < plan->inner_from) plan->inner_to = plan->inner_from = 0;
    return plan;
}

/* ---- one row ---- */

/* Outputs from .. to of row oy, and what of the kernel lies on the picture there. */
typedef struct stretch {
    int64_t from, to, oy;
    int64_t ky0, ky1, kx0, kx1;
} stretch;

/* The stretches of row oy: pixel by pixel at the borders, the inner ones at once. Returns where the
 * next one starts; false at the row's end. */
static bool next_stretch(const thin_plan *plan, stretch *s)
{
    const cpu_conv *c = &plan->conv;
    const int64_t iy = s->oy * c->stride[0] - c->pad[0], ix = s->to * c->stride[1] - c->pad[1];

    s->from = s->to;
    if (s->from >= c->ow) return false;
    s->to = s->from == plan->inner_from && plan->inner_to > s->from ? plan->inner_to : s->from + 1;
    s->ky0 = iy < 0 ? -iy : 0;
    s->ky1 = iy + c->kh > c->h ? c->h - iy : c->kh;
    s->kx0 = ix < 0 ? -ix : 0;
    s->kx1 = ix + c->kw > c->w ? c->w - ix : c->kw;
    return true;
}

/* The numbers under the stretch's first output, from its first kernel position on. */
static const float *numbers(const thin_plan *plan, const float *x, const stretch *s)
{
    const cpu_conv *c = &plan->conv;
    const int64_t iy = s->oy * c->stride[0] - c->pad[0] + s->ky0;

    return x + (iy * c->w + s->from * c->stride[1] - c->pad[1] + s->kx0) * c->in;
}

/* The inputs of a layer: its picture, kernel, and bias or NULL. */
typedef struct thin_inputs {
    const float *x, *w, *b;
} thin_inputs;

static thin_inputs inputs_of(const cpu_stage *stage, const cpu_task *task)
{
    return (thin_inputs){
            tmb__cpu_at(stage, task, 0), tmb__cpu_at(stage, task, 1), tmb__cpu_at(stage, task, 2)};
}

/* y (ow, out) of row oy. */
static void forward_row(
        const cpu_simd *simd, const thin_plan *plan, const thin_inputs *in, float *y, int64_t oy)
{
    const cpu_conv *c = &plan->conv;
    stretch s = {.oy = oy};

    while (next_stretch(plan, &s)) {
        const cpu_gemm gemm = {
                .m = s.to - s.from,
                .n = c->out,
                .k = (s.kx1 - s.kx0) * c->in,
                .parts = s.ky1 - s.ky0,
                .a = numbers(plan, in->x, &s),
                .a_row = c->stride[1] * c->in,
                .a_col = 1,
                .a_part = c->w * c->in,
                .b = in->w + (s.ky0 * c->kw + s.kx0) * c->in * c->out,
                .b_row = c->out,
                .b_part = c->kw * c->in * c->out,
                .c = y + s.from * c->out,
                .c_row = c->out,
                .start = in->b,
        };

        if (gemm.k > 0 && gemm.parts > 0) {
            simd->gemm(&gemm);
            continue;
        }
        memset(gemm.c, 0, (size_t)(gemm.m * c->out) * sizeof *y); /* nothing but padding */
        if (in->b) simd->bias(in->b, gemm.m, c->out, false, gemm.c);
    }
}

/* dw += the numbers under row oy times dy (ow, out). */
static void back_row(const cpu_simd *simd, const thin_plan *plan, const float *x, const float *dy,
        float *dw, int64_t oy)
{
    const cpu_conv *c = &plan->conv;
    stretch s = {.oy = oy};

    while (next_stretch(plan, &s)) {
        for (int64_t ky = s.ky0; ky < s.ky1; ky++) {
            const cpu_gemm gemm = {
                    .m = (s.kx1 - s.kx0) * c->in,
                    .n = c->out,
                    .k = s.to - s.from,
                    .parts = 1,
                    .a = numbers(plan, x, &s) + (ky - s.ky0) * c->w * c->in,
                    .a_row = 1,
                    .a_col = c->stride[1] * c->in,
                    .b = dy + s.from * c->out,
                    .b_row = c->out,
                    .c = dw + (ky * c->kw + s.kx0) * c->in * c->out,
                    .c_row = c->out,
                    .add = true,
            };

            if (gemm.m > 0) simd->gemm(&gemm);
        }
    }
}

/* ---- forward: slots x, w, b, y, and with a pool: where, two rows ---- */

static void forward(const cpu_stage *stage, const cpu_task *task)
{
    const thin_plan *plan = stage->data;
    const cpu_conv *c = &plan->conv;
    const cpu_simd *simd = task->program->simd;
    const thin_inputs in = inputs_of(stage, task);
    float *y = tmb__cpu_at(stage, task, 3);

    for (int64_t oy = 0; oy < c->oh; oy++) {
        float *row = y + oy * c->ow * c->out;

        forward_row(simd, plan, &in, row, oy);
        tmb__cpu_finish_conv(stage, task, row, c->ow * c->out, false);
    }
}

static void forward_pooled(const cpu_stage *stage, const cpu_task *task)
{
    const thin_plan *plan = stage->data;
    const cpu_conv *c = &plan->conv;
    const cpu_simd *simd = task->program->simd;
    const thin_inputs in = inputs_of(stage, task);
    float *y = tmb__cpu_at(stage, task, 3), *rows = tmb__cpu_at(stage, task, 5);
    uint8_t *where = tmb__cpu_at(stage, task, 4);
    const int64_t row = plan->pool.ow * c->out;

    for (int64_t r = 0; r < c->oh / 2; r++) {
        for (int64_t i = 0; i < 2; i++)
            forward_row(simd, plan, &in, rows + i * c->ow * c->out, 2 * r + i);
        simd->pool_max(&plan->pool, rows, y + r * row, where ? where + r * row : NULL, true);
    }
}

/* The window of a pool of 2 x 2 over two rows. */
static cpu_window two_rows(const cpu_conv *c)
{
    return (cpu_window){.h = 2,
            .w = c->ow,
            .c = c->out,
            .oh = 1,
            .ow = c->ow / 2,
            .kh = 2,
            .kw = 2,
            .sh = 2,
            .sw = 2};
}

int tmb__cpu_thin_forward(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const int pool = tmb__cpu_relu_taker(p, op);
    const bool pooled = pool >= 0 && tmb__cpu_is_2x2(&p->ops[pool]);
    thin_plan *plan = plan_of(p, conv);
    cpu_stage *stage;
    int rows;

    if (!plan) return TMB_ENOMEM;
    stage = tmb__cpu_rows(p, op, pooled ? forward_pooled : forward);
    stage->data = plan;
    stage->later = pool >= 0;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ);
    tmb__cpu_use(stage, o->in[2], CPU_READ);
    tmb__cpu_use(stage, pooled ? p->ops[pool].out[0] : o->out[0], CPU_WRITE | CPU_OWN);
    p->how[op] = pooled ? "own product, row by row, with the pool" : "own product, row by row";
    if (!pooled) return 0;
    rows = tmb__cpu_buffer(p, CPU_TEMP, (size_t)(2 * conv->ow * conv->out) * sizeof(float));
    if (rows < 0) return rows;
    plan->pool = two_rows(conv);
    p->fused[pool] = 1;
    tmb__cpu_shrink_where(p, pool);
    tmb__cpu_use(stage, p->ops[pool].out[1], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, rows, CPU_WRITE | CPU_OWN);
    return 0;
}

/* ---- weight gradient: slots x, dy, dw and db of the group, sums, and with a pool: where,
 * rows ---- */

static void start_sums(const cpu_stage *stage, const cpu_task *task)
{
    const thin_plan *plan = stage->data;
    const cpu_conv *c = &plan->conv;
    float *dw = tmb__cpu_at(stage, task, 2), *db = tmb__cpu_at(stage, task, 3);

    if (!task->first_of_group) return;
    memset(dw, 0, (size_t)(c->kh * c->kw * c->in * c->out) * sizeof *dw);
    if (db) memset(db, 0, (size_t)c->out * sizeof *db);
}

static void add_rows(
        const cpu_stage *stage, const cpu_task *task, const float *dy, int64_t from, int64_t n)
{
    const thin_plan *plan = stage->data;
    const cpu_conv *c = &plan->conv;
    const cpu_simd *simd = task->program->simd;
    float *dw = tmb__cpu_at(stage, task, 2), *db = tmb__cpu_at(stage, task, 3);
    float *sums = tmb__cpu_at(stage, task, 4);

    for (int64_t i = 0; i < n; i++)
        back_row(simd, plan, tmb__cpu_at(stage, task, 0), dy + i * c->ow * c->out, dw, from + i);
    if (!db) return;
    simd->column_sums(dy, n * c->ow, c->out, sums);
    simd->add((const float *[]){db, sums}, 2, false, db, c->out);
}

static void back_weights(const cpu_stage *stage, const cpu_task *task)
{
    const thin_plan *plan = stage->data;
    const float *dy = tmb__cpu_at(stage, task, 1);

    start_sums(stage, task);
    for (int64_t oy = 0; oy < plan->conv.oh; oy++)
        add_rows(stage, task, dy + oy * plan->conv.ow * plan->conv.out, oy, 1);
}

static void back_weights_pooled(const cpu_stage *stage, const cpu_task *task)
{
    const thin_plan *plan = stage->data;
    const float *dy = tmb__cpu_at(stage, task, 1);
    const uint8_t *where = tmb__cpu_at(stage, task, 5);
    float *rows = tmb__cpu_at(stage, task, 6);
    const int64_t row = plan->pool.ow * plan->pool.c;

    start_sums(stage, task);
    for (int64_t r = 0; r < plan->conv.oh / 2; r++) {
        task->program->simd->pool_max_bwd(&plan->pool, dy + r * row, where + r * row, rows);
        add_rows(stage, task, rows, 2 * r, 2);
    }
}

int tmb__cpu_thin_back_weights(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const int64_t count = conv->kh * conv->kw * conv->in * conv->out;
    const int dw = tmb__cpu_buffer(p, CPU_PER_GROUP, (size_t)count * sizeof(float));
    const int db = tmb__cpu_buffer(p, CPU_PER_GROUP, (size_t)conv->out * sizeof(float));
    const int sums = tmb__cpu_buffer(p, CPU_TEMP, (size_t)conv->out * sizeof(float));
    const int rows =
            tmb__cpu_buffer(p, CPU_TEMP, (size_t)(2 * conv->ow * conv->out) * sizeof(float));
    const int pool_bwd = tmb__cpu_pool_before(p, o->in[1]);
    const bool bias = o->out[1] >= 0;
    thin_plan *plan = plan_of(p, conv);
    int status;
    cpu_stage *stage;

    if (!plan || rows < 0) return TMB_ENOMEM;
    stage = tmb__cpu_rows(p, op, pool_bwd >= 0 ? back_weights_pooled : back_weights);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, pool_bwd >= 0 ? p->ops[pool_bwd].in[0] : o->in[1], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, dw, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, bias ? db : -1, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, bias ? sums : -1, CPU_WRITE | CPU_OWN);
    if (pool_bwd >= 0) {
        plan->pool = two_rows(conv);
        tmb__cpu_use(stage, p->ops[pool_bwd].in[1], CPU_READ | CPU_OWN);
        tmb__cpu_use(stage, rows, CPU_WRITE | CPU_OWN);
    }
    p->how[op] =
            pool_bwd >= 0 ? "own product, row by row, with the pool" : "own product, row by row";
    status = tmb__cpu_add_group_sum(p, op, &(cpu_sum){dw, o->out[0], count, p->group_rows});
    if (status < 0 || !bias) return status;
    return tmb__cpu_add_group_sum(p, op, &(cpu_sum){db, o->out[1], conv->out, p->group_rows});
}
