/* cpu_chain.c - pointwise, depthwise, pointwise: three convolutions of a list in bf16 as one stage
 *
 * The maps between them are several times larger than what goes in and comes out, and than a core's cache.
 * So they never exist as a whole: some rows of the depthwise result are made at a time, from rows of the
 * first convolution that are kept as long as windows reach them. A chain may begin with the depthwise one.
 * Nobody else may read what lies between, so this is for inference. */
#include "cpu_conv.h"

#include <string.h>

enum { BAND_BYTES = 1 << 18 }; /* of the first convolution's rows: a part of L2 */

typedef struct chain_ops {
    int first, depth, last; /* first: -1 if there is none */
} chain_ops;

typedef struct chain_plan {
    bool has_first, x_half;
    cpu_bf16_conv first, last;
    cpu_bf16_end first_end, last_end;
    cpu_bf16_depth depth;
    int64_t band; /* rows of the depthwise result at a time */
} chain_plan;

/* ---- which ops ---- */

static cpu_conv conv_of(const struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];

    return tmb__cpu_conv_of(p, o, o->in[0], o->in[1], o->out[0]);
}

static bool is_pointwise(const struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    const tmb_activation act = o->attr.act;
    cpu_conv c;

    if (o->kind != TMB_OP_CONV) return false;
    c = conv_of(p, op);
    return tmb__cpu_bf16_fits(p, &c) && c.kh * c.kw == 1 && c.oh == c.h && c.ow == c.w &&
            c.stride[0] * c.stride[1] == 1 && tmb__cpu_relu_taker(p, op) < 0 &&
            (act == TMB_LINEAR || act == TMB_RELU || act == TMB_RELU6);
}

static bool is_depthwise(const struct tmb_program *p, int op)
{
    cpu_conv c;

    if (p->ops[op].kind != TMB_OP_CONV) return false;
    c = conv_of(p, op);
    return tmb__cpu_depth_fits(p, &p->ops[op], &c) && tmb__cpu_relu_taker(p, op) < 0;
}

/* The op that alone reads what op number `op` writes, as its image; or -1. */
static int next_of(const struct tmb_program *p, int op)
{
    const int y = p->ops[op].out[0];

    if (p->tensors[y].role != TMB_ROLE_ACT || tmb__cpu_readers(p, y) != 1) return -1;
    for (int next = op + 1; next < p->n_ops; next++) {
        if (p->ops[next].in[0] == y) return next;
    }
    return -1;
}

static bool find_chain(const struct tmb_program *p, int op, chain_ops *out)
{
    *out = (chain_ops){-1, op, -1};
    if (!p->bf16) return false;
    if (is_pointwise(p, op)) {
        out->first = op;
        out->depth = next_of(p, op);
    }
    if (out->depth < 0 || !is_depthwise(p, out->depth)) return false;
    out->last = next_of(p, out->depth);
    return out->last >= 0 && is_pointwise(p, out->last);
}

bool tmb__cpu_chain_starts(const struct tmb_program *p, int op)
{
    chain_ops ops;

    return find_chain(p, op, &ops);
}

/* ---- running ---- */

enum { X, FIRST_W, FIRST_B, DEPTH_W, DEPTH_B, LAST_W, LAST_B, Y, FIRST_Y, DEPTH_Y, SPACE, KERNEL };

/* `n` pixels of a pointwise convolution, from pixel `from` of x on, to y. */
static void some_pixels(const cpu_bf16_conv *whole, const cpu_bf16_end *end, cpu_bf16_source x,
        int64_t from, int64_t n, const cpu_bf16 *packed, void *y, cpu_bf16 *space)
{
    const int64_t size = x.half ? sizeof(cpu_bf16) : sizeof(float);
    cpu_bf16_conv s = *whole;

    s.w = s.ow = s.pitch = n;
    x.at = (const char *)x.at + from * s.in * size;
    tmb__cpu_bf16_kernels.conv(&s, end, &x, packed, y, space);
}

/* Rows of the depthwise picture that are at hand, from `first` to `end`. */
typedef struct rows_kept {
    int64_t first, end;
} rows_kept;

/* Have rows from .. to of the first convolution at the start of its buffer. */
static void want_rows(
        const cpu_stage *stage, const cpu_task *task, rows_kept *kept, int64_t from, int64_t to)
{
    const chain_plan *plan = stage->data;
    const int64_t width = plan->depth.w, line = width * plan->depth.c;
    cpu_bf16 *rows = tmb__cpu_at(stage, task, FIRST_Y);
    const cpu_bf16_source x = {tmb__cpu_at(stage, task, X), plan->x_half, NULL};
    cpu_bf16_end end = plan->first_end;

    if (kept->end < from) kept->end = from;
    if (from > kept->first)
        memmove(rows, rows + (from - kept->first) * line,
                (size_t)((kept->end - from) * line) * sizeof *rows);
    kept->first = from;
    if (to <= kept->end) return;
    end.bias = tmb__cpu_at(stage, task, FIRST_B);
    some_pixels(&plan->first, &end, x, kept->end * width, (to - kept->end) * width,
            tmb__cpu_at(stage, task, FIRST_W), rows + (kept->end - from) * line,
            tmb__cpu_at(stage, task, SPACE));
    kept->end = to;
}

/* Rows oy .. oy + n of the depthwise result. */
static void some_rows(
        const cpu_stage *stage, const cpu_task *task, rows_kept *kept, int64_t oy, int64_t n)
{
    const chain_plan *plan = stage->data;
    const cpu_bf16_depth *whole = &plan->depth;
    const int64_t from = oy * whole->stride[0] - whole->pad[0];
    const int64_t reach = (n - 1) * whole->stride[0] + (whole->kh - 1) * whole->dilation[0] + 1;
    const int64_t first = from > 0 ? from : 0,
                  end = from + reach < whole->h ? from + reach : whole->h;
    const int64_t size = plan->x_half ? sizeof(cpu_bf16) : sizeof(float);
    const char *x = tmb__cpu_at(stage, task, X);
    cpu_bf16_source rows = {x + first * whole->w * whole->c * size, plan->x_half, NULL};
    cpu_bf16_depth part = *whole;

    if (plan->has_first) {
        want_rows(stage, task, kept, first, end);
        rows = (cpu_bf16_source){tmb__cpu_at(stage, task, FIRST_Y), true, NULL};
    }
    part.h = end - first;
    part.oh = n;
    part.pad[0] = first - from;
    part.end.bias = tmb__cpu_at(stage, task, DEPTH_B);
    tmb__cpu_bf16_depthwise(&part, &rows, tmb__cpu_at(stage, task, DEPTH_W),
            tmb__cpu_at(stage, task, DEPTH_Y), tmb__cpu_at(stage, task, KERNEL));
}

static void forward(const cpu_stage *stage, const cpu_task *task)
{
    const chain_plan *plan = stage->data;
    const cpu_bf16_source middle = {tmb__cpu_at(stage, task, DEPTH_Y), true, NULL};
    const int64_t size = plan->last_end.half ? sizeof(cpu_bf16) : sizeof(float);
    cpu_bf16_end end = plan->last_end;
    rows_kept kept = {0, 0};
    char *y = tmb__cpu_at(stage, task, Y);

    end.bias = tmb__cpu_at(stage, task, LAST_B);
    for (int64_t oy = 0; oy < plan->depth.oh; oy += plan->band) {
        const int64_t left = plan->depth.oh - oy, n = left < plan->band ? left : plan->band;

        some_rows(stage, task, &kept, oy, n);
        some_pixels(&plan->last, &end, middle, 0, n * plan->depth.ow,
                tmb__cpu_at(stage, task, LAST_W), y + oy * plan->depth.ow * plan->last.out * size,
                tmb__cpu_at(stage, task, SPACE));
    }
}

/* ---- building ---- */

static cpu_bf16_end end_of(const struct tmb_program *p, int op, bool half)
{
    const tmb_activation act = p->ops[op].attr.act;

    return (cpu_bf16_end){
            .relu = act != TMB_LINEAR, .most = act == TMB_RELU6 ? 6 : 0, .half = half};
}

/* bf16 numbers that the pointwise kernel needs for `n` pixels at a time. */
static int64_t space_of(const struct tmb_program *p, const cpu_conv *conv, int64_t n)
{
    cpu_conv c = *conv;

    c.h = c.oh = 1;
    c.w = c.ow = n;
    return tmb__cpu_bf16_geometry(p, &c, CPU_FORWARD).space;
}

/* Rows of the first convolution that a band of n rows reaches. */
static int64_t rows_of(const cpu_bf16_depth *d, int64_t n)
{
    const int64_t reach = (n - 1) * d->stride[0] + (d->kh - 1) * d->dilation[0] + 1;

    return reach < d->h ? reach : d->h;
}

static int add_buffer(struct tmb_program *p, int64_t numbers)
{
    return tmb__cpu_buffer(p, CPU_TEMP, (size_t)numbers * sizeof(cpu_bf16));
}

static int add_stage(struct tmb_program *p, const chain_ops *ops, chain_plan *plan)
{
    const tmb_op *o = p->ops, *depth = &o[ops->depth], *last = &o[ops->last];
    const tmb_op *first = ops->first < 0 ? NULL : &o[ops->first];
    const cpu_conv c = conv_of(p, ops->depth), from = conv_of(p, first ? ops->first : ops->last);
    const cpu_conv to = conv_of(p, ops->last);
    const int64_t rows = rows_of(&plan->depth, plan->band);
    const int64_t space[2] = {space_of(p, &from, rows * c.w), space_of(p, &to, plan->band * c.ow)};
    const int packed[2] = {first ? tmb__cpu_bf16_pack(p, ops->first, &plan->first, false) : -1,
            tmb__cpu_bf16_pack(p, ops->last, &plan->last, false)};
    const int uses[] = {[X] = first ? first->in[0] : depth->in[0],
            [FIRST_W] = packed[0],
            [FIRST_B] = first ? first->in[2] : -1,
            [DEPTH_W] = depth->in[1],
            [DEPTH_B] = depth->in[2],
            [LAST_W] = packed[1],
            [LAST_B] = last->in[2],
            [Y] = last->out[0],
            [FIRST_Y] = first ? add_buffer(p, rows * c.w * c.in) : -1,
            [DEPTH_Y] = add_buffer(p, plan->band * c.ow * c.in),
            [SPACE] = add_buffer(p, space[0] > space[1] ? space[0] : space[1]),
            [KERNEL] = tmb__cpu_buffer(p, CPU_TEMP, tmb__cpu_depth_space(&c))};
    cpu_stage *stage;

    if (packed[1] < 0 || uses[KERNEL] < 0 || (first && packed[0] < 0)) return TMB_ENOMEM;
    stage = tmb__cpu_rows(p, first ? ops->first : ops->depth, forward);
    stage->data = plan;
    for (int i = X; i <= KERNEL; i++)
        tmb__cpu_use(stage, uses[i],
                i == X          ? CPU_READ | CPU_OWN
                        : i < Y ? CPU_READ
                                : CPU_WRITE | CPU_OWN);
    return 0;
}

int tmb__cpu_chain_forward(struct tmb_program *p, int op)
{
    chain_plan *plan = tmb__cpu_keep(p, sizeof *plan);
    chain_ops ops;
    cpu_conv c;

    if (!plan) return TMB_ENOMEM;
    find_chain(p, op, &ops);
    c = conv_of(p, ops.depth);
    plan->has_first = ops.first >= 0;
    plan->x_half = tmb__cpu_half(p, p->ops[op].in[0]);
    plan->depth = tmb__cpu_depth_geometry(&c);
    plan->depth.end = end_of(p, ops.depth, true);
    if (plan->has_first) {
        const cpu_conv first = conv_of(p, ops.first);

        plan->first = tmb__cpu_bf16_geometry(p, &first, CPU_FORWARD);
        plan->first_end = end_of(p, ops.first, true);
    }
    c = conv_of(p, ops.last);
    plan->last = tmb__cpu_bf16_geometry(p, &c, CPU_FORWARD);
    plan->last_end = end_of(p, ops.last, tmb__cpu_keep_half(p, p->ops[ops.last].out[0]));
    plan->band = 1;
    while (plan->band < plan->depth.oh &&
            rows_of(&plan->depth, plan->band + 1) * plan->depth.w * plan->depth.c *
                            (int64_t)sizeof(cpu_bf16) <=
                    BAND_BYTES)
        plan->band++;
    p->fused[ops.depth] = p->fused[ops.last] = 1;
    p->how[op] = plan->has_first ? "own bf16, with the two convolutions behind it"
                                 : "own bf16, with the convolution behind it";
    return add_stage(p, &ops, plan);
}
