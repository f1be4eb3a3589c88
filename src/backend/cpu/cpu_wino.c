/* cpu_wino.c - stages of 3 x 3 convolutions that Winograd's way makes faster (cpu_wino_body.h)
 *
 * Measured on AVX-512 against the library's direct kernels, a sample at a time on one thread:
 * faster in all directions from 16 tiles and 16 channels on. The library's own Winograd kernels
 * want their blocked order of activations, and are gone from version 3. */
#include "cpu_conv.h"

enum {
    LEAST_TILES = 16, /* in a product; fewer do not pay for the transforms of the kernel */
    LARGE = 10 << 20, /* bytes of a transformed kernel that is read for several samples at a time */
    VAST = 16 << 20,  /* larger than any cache that is a core's own, and than many that are not */
    TOGETHER = 8 << 20, /* bytes of these samples' transforms: a part of L3 */
    SPACE = 600 << 10,  /* bytes of a block's transforms: they share L2 with the kernel's */
    MOST_BLOCK = 96,
    ODD_LINE = 16
};

typedef struct wino_plan {
    cpu_wino wino; /* pointers are set for each sample */
    bool turned;
    int64_t in, out; /* of the plain kernel */
    int64_t tiles;   /* of a sample */
    int rows;        /* samples together; 1: each alone */
} wino_plan;

static int64_t tiles_of(const cpu_conv *c)
{
    return (c->oh + 3) / 4 * ((c->ow + 3) / 4);
}

static bool has_geometry(const cpu_conv *c)
{
    if (c->kh != 3 || c->kw != 3 || c->groups != 1 || c->in % 16 != 0 || c->out % 16 != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        if (c->stride[i] != 1 || c->dilation[i] != 1 || c->pad[i] > 2) return false;
    }
    return true;
}

static int64_t kernel_bytes(const cpu_conv *c)
{
    return 36 * c->in * c->out * (int64_t)sizeof(float);
}

/* Samples that meet a kernel together, which would otherwise be read from memory for each of them. */
static int rows_of(const struct tmb_program *p, const cpu_conv *c)
{
    const int64_t rows = TOGETHER / (36 * tiles_of(c) * c->in * (int64_t)sizeof(float));
    const int64_t groups = rows < 2 ? p->max_batch : (p->max_batch + rows - 1) / rows;

    return kernel_bytes(c) < LARGE ? 1 : (int)((p->max_batch + groups - 1) / groups);
}

bool tmb__cpu_wino_fits(const struct tmb_program *p, const cpu_conv *c)
{
    return has_geometry(c) && rows_of(p, c) * tiles_of(c) >= LEAST_TILES;
}

bool tmb__cpu_wino_is_vast(const cpu_conv *c)
{
    return kernel_bytes(c) > VAST;
}

/* The geometry of `c` seen forward: from (h, w, in) to (oh, ow, out). */
static wino_plan *plan_of(struct tmb_program *p, const cpu_conv *c)
{
    wino_plan *plan = tmb__cpu_keep(p, sizeof *plan);
    int64_t block;

    if (!plan) return NULL;
    block = SPACE / (36 * (int64_t)sizeof(float) * (c->in + c->out)) / 12 * 12;
    plan->wino = (cpu_wino){
            .images = 1,
            .h = c->h,
            .w = c->w,
            .in = c->in,
            .oh = c->oh,
            .ow = c->ow,
            .out = c->out,
            .tile_rows = (c->oh + 3) / 4,
            .tile_columns = (c->ow + 3) / 4,
            .v_step = p->max_batch * tiles_of(c) * c->in + ODD_LINE,
            .m_step = p->max_batch * tiles_of(c) * c->out + ODD_LINE,
            .block = block < 12          ? 12
                    : block > MOST_BLOCK ? MOST_BLOCK
                                         : block,
            .pad_top = c->pad[0],
            .pad_left = c->pad[1],
    };
    plan->tiles = tiles_of(c);
    plan->rows = 1;
    return plan;
}

/* Slots w, packed: a slice is 16 input channels of w. */
static void pack(const cpu_stage *stage, const cpu_task *task)
{
    const wino_plan *plan = stage->data;
    const int64_t range[2] = {task->from, task->to};

    task->program->simd->wino_pack(tmb__cpu_at(stage, task, 0), plan->in, plan->out, range,
            plan->turned, tmb__cpu_at(stage, task, 1));
}

static int add_pack(struct tmb_program *p, int op, wino_plan *plan, int w)
{
    const int64_t *dim = p->tensors[w].dim;
    const int packed = tmb__cpu_buffer(
            p, CPU_WHOLE, (size_t)(36 * (dim[2] * dim[3] + ODD_LINE)) * sizeof(float));
    cpu_stage *stage;

    if (packed < 0) return packed;
    plan->in = dim[2];
    plan->out = dim[3];
    p->buffers[packed].moved = true; /* kept until a parameter changes */
    stage = tmb__cpu_slices(p, op, pack, plan->in, 16);
    stage->pack = p->tensors[w].role != TMB_ROLE_INPUT;
    stage->data = plan;
    tmb__cpu_use(stage, w, CPU_READ);
    tmb__cpu_use(stage, packed, CPU_WRITE | CPU_OWN);
    return packed;
}

static int space_of(struct tmb_program *p, const wino_plan *plan, bool weights)
{
    const cpu_wino *w = &plan->wino;
    const int64_t sums = weights ? w->in * w->out : 0;

    return tmb__cpu_buffer(
            p, CPU_TEMP, (size_t)(36 * (w->block * (w->in + w->out) + 32 + sums)) * sizeof(float));
}

/* Slots x, packed kernel, bias, y, space. */
static void convolve(const cpu_stage *stage, const cpu_task *task)
{
    const wino_plan *plan = stage->data;
    cpu_wino wino = plan->wino;

    wino.x = tmb__cpu_at(stage, task, 0);
    wino.kernel = tmb__cpu_at(stage, task, 1);
    wino.bias = tmb__cpu_at(stage, task, 2);
    wino.y = tmb__cpu_at(stage, task, 3);
    wino.space = tmb__cpu_at(stage, task, 4);
    task->program->simd->wino(&wino);
    if (!plan->turned)
        tmb__cpu_finish_conv(stage, task, wino.y, wino.oh * wino.ow * wino.out, wino.relu);
}

/* Slots x and its v of all samples, or dy and its m: the other tensor is not there. */
static void spread(const cpu_stage *stage, const cpu_task *task)
{
    const wino_plan *plan = stage->data;
    cpu_wino wino = plan->wino;
    float *all = tmb__cpu_at(stage, task, 2);

    wino.x = tmb__cpu_at(stage, task, 0);
    wino.dy = tmb__cpu_at(stage, task, 1);
    wino.v = all + task->row * plan->tiles * wino.in;
    wino.m = all + task->row * plan->tiles * wino.out;
    task->program->simd->wino_spread(&wino);
}

/* Returns the buffer of the transforms. */
static int add_spread(struct tmb_program *p, int op, wino_plan *plan, int x, int dy)
{
    const int64_t step = x >= 0 ? plan->wino.v_step : plan->wino.m_step;
    const int buffer = tmb__cpu_buffer(p, CPU_WHOLE, (size_t)(36 * step) * sizeof(float));
    cpu_stage *stage = tmb__cpu_rows(p, op, spread);

    stage->data = plan;
    tmb__cpu_use(stage, x, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, dy, CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, buffer, CPU_WRITE);
    return buffer;
}

/* Some samples and channels: slots v, packed kernel, bias, y, space. */
static void convolve_panel(const cpu_stage *stage, const cpu_task *task)
{
    const wino_plan *plan = stage->data;
    const int64_t panels = (plan->wino.out + CPU_WINO_PANEL - 1) / CPU_WINO_PANEL;
    const int64_t first = task->slice / panels * plan->rows, left = task->run->n - first;
    cpu_wino wino = plan->wino;

    if (left <= 0) return;
    wino.images = left < plan->rows ? left : plan->rows;
    wino.v = (float *)tmb__cpu_at(stage, task, 0) + first * plan->tiles * wino.in;
    wino.kernel = tmb__cpu_at(stage, task, 1);
    wino.bias = tmb__cpu_at(stage, task, 2);
    wino.y = (float *)tmb__cpu_at(stage, task, 3) + first * wino.oh * wino.ow * wino.out;
    wino.space = tmb__cpu_at(stage, task, 4);
    task->program->simd->wino_panel(&wino, task->slice % panels * CPU_WINO_PANEL);
}

/* Slot y. */
static void finish(const cpu_stage *stage, const cpu_task *task)
{
    const cpu_wino *w = &((const wino_plan *)stage->data)->wino;

    tmb__cpu_finish_conv(stage, task, tmb__cpu_at(stage, task, 0), w->oh * w->ow * w->out, w->relu);
}

static int add_panels(struct tmb_program *p, int op, wino_plan *plan, const int use[4])
{
    const int64_t panels = (plan->wino.out + CPU_WINO_PANEL - 1) / CPU_WINO_PANEL;
    const int64_t groups = (p->max_batch + plan->rows - 1) / plan->rows;
    const int64_t space = 36 * (plan->rows * plan->tiles * CPU_WINO_PANEL + ODD_LINE);
    const int packed = add_pack(p, op, plan, use[1]);
    const int v = add_spread(p, op, plan, use[0], -1);
    const int m = tmb__cpu_buffer(p, CPU_TEMP, (size_t)space * sizeof(float));
    const bool done = plan->turned || plan->wino.relu || tmb__cpu_relu_taker(p, op) >= 0 ||
            p->ops[op].attr.act == TMB_LINEAR;
    cpu_stage *stage;

    if (packed < 0 || v < 0 || m < 0) return TMB_ENOMEM;
    stage = tmb__cpu_slices(p, op, convolve_panel, groups * panels, 1);
    stage->data = plan;
    tmb__cpu_use(stage, v, CPU_READ);
    tmb__cpu_use(stage, packed, CPU_READ);
    tmb__cpu_use(stage, use[2], CPU_READ);
    tmb__cpu_use(stage, use[3], CPU_WRITE);
    tmb__cpu_use(stage, m, CPU_WRITE | CPU_OWN);
    p->how[op] = "own Winograd 4x4, samples together";
    if (done) return 0;
    stage = tmb__cpu_rows(p, op, finish);
    stage->data = plan;
    tmb__cpu_use(stage, use[3], CPU_READ | CPU_WRITE | CPU_OWN);
    return 0;
}

/* `use`: x, kernel, bias, y of convolution `c`. */
static int add_convolve(
        struct tmb_program *p, int op, wino_plan *plan, const cpu_conv *c, const int use[4])
{
    int packed, space;
    cpu_stage *stage;

    plan->rows = rows_of(p, c);
    if (plan->rows > 1) return add_panels(p, op, plan, use);
    packed = add_pack(p, op, plan, use[1]);
    space = space_of(p, plan, false);
    if (packed < 0 || space < 0) return TMB_EBUG;
    stage = tmb__cpu_rows(p, op, convolve);
    stage->data = plan;
    stage->later = !plan->turned && tmb__cpu_relu_taker(p, op) >= 0;
    tmb__cpu_use(stage, use[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, packed, CPU_READ);
    tmb__cpu_use(stage, use[2], CPU_READ);
    tmb__cpu_use(stage, use[3], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    p->how[op] = "own Winograd 4x4";
    return 0;
}

int tmb__cpu_wino_forward(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    wino_plan *plan = plan_of(p, conv);

    if (!plan) return TMB_ENOMEM;
    plan->wino.relu = o->attr.act == TMB_RELU && tmb__cpu_relu_taker(p, op) < 0;
    return add_convolve(p, op, plan, conv, (int[]){o->in[0], o->in[1], o->in[2], o->out[0]});
}

/* dx is dy convolved with the kernel turned by 180 degrees, in and out exchanged, padded to h x w.
 */
int tmb__cpu_wino_back_data(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const cpu_conv back = tmb__cpu_conv_turned(conv);
    wino_plan *plan = plan_of(p, &back);

    if (!plan) return TMB_ENOMEM;
    plan->turned = true;
    return add_convolve(p, op, plan, &back, (int[]){o->in[0], o->in[1], -1, o->out[0]});
}

/* Slots x, dy, dw and db of the group, space. */
static void back_weights(const cpu_stage *stage, const cpu_task *task)
{
    const wino_plan *plan = stage->data;
    cpu_wino wino = plan->wino;

    wino.x = tmb__cpu_at(stage, task, 0);
    wino.dy = tmb__cpu_at(stage, task, 1);
    wino.dw = tmb__cpu_at(stage, task, 2);
    wino.db = tmb__cpu_at(stage, task, 3);
    wino.space = tmb__cpu_at(stage, task, 4);
    wino.add = !task->first_of_group;
    task->program->simd->wino_weights(&wino);
}

/* A part of dw from all samples: slots v, m, dw, space. */
static void back_part(const cpu_stage *stage, const cpu_task *task)
{
    const wino_plan *plan = stage->data;
    cpu_wino wino = plan->wino;

    wino.images = task->run->n;
    wino.v = tmb__cpu_at(stage, task, 0);
    wino.m = tmb__cpu_at(stage, task, 1);
    wino.dw = tmb__cpu_at(stage, task, 2);
    wino.space = tmb__cpu_at(stage, task, 3);
    task->program->simd->wino_part(&wino, task->slice);
}

/* Slots dy, db. */
static void back_bias(const cpu_stage *stage, const cpu_task *task)
{
    const cpu_wino *w = &((const wino_plan *)stage->data)->wino;

    task->program->simd->column_sums(tmb__cpu_at(stage, task, 0), task->run->n * w->oh * w->ow,
            w->out, tmb__cpu_at(stage, task, 1));
}

/* Is the kernel's gradient larger than a sample's x and dy? Then it is made a part at a time. */
static bool is_heavy(const cpu_conv *c)
{
    return 9 * c->in * c->out > c->h * c->w * c->in + c->oh * c->ow * c->out;
}

bool tmb__cpu_wino_fits_weights(const struct tmb_program *p, const cpu_conv *c)
{
    return has_geometry(c) && (is_heavy(c) ? p->max_batch : 1) * tiles_of(c) >= LEAST_TILES;
}

static int add_parts(struct tmb_program *p, int op, wino_plan *plan)
{
    const tmb_op *o = &p->ops[op];
    const cpu_wino *w = &plan->wino;
    const int64_t parts = (w->in + CPU_WINO_ROWS - 1) / CPU_WINO_ROWS *
            ((w->out + CPU_WINO_COLUMNS - 1) / CPU_WINO_COLUMNS);
    const int v = add_spread(p, op, plan, o->in[0], -1);
    const int m = add_spread(p, op, plan, -1, o->in[1]);
    const int space = tmb__cpu_buffer(
            p, CPU_TEMP, (size_t)36 * CPU_WINO_ROWS * CPU_WINO_COLUMNS * sizeof(float));
    cpu_stage *stage;

    if (v < 0 || m < 0 || space < 0) return TMB_ENOMEM;
    stage = tmb__cpu_slices(p, op, back_part, parts, 1);
    stage->data = plan;
    tmb__cpu_use(stage, v, CPU_READ);
    tmb__cpu_use(stage, m, CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    p->how[op] = "own Winograd 4x4, samples together";
    if (o->out[1] < 0) return 0;
    stage = tmb__cpu_once(p, op, back_bias);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[1], CPU_READ);
    tmb__cpu_use(stage, o->out[1], CPU_WRITE);
    return 0;
}

int tmb__cpu_wino_back_weights(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const int64_t count = 9 * conv->in * conv->out;
    wino_plan *plan = plan_of(p, conv);
    int dw, db, space, status;
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    if (is_heavy(conv)) return add_parts(p, op, plan);
    dw = tmb__cpu_buffer(p, CPU_PER_GROUP, (size_t)count * sizeof(float));
    db = tmb__cpu_buffer(p, CPU_PER_GROUP, (size_t)conv->out * sizeof(float));
    space = space_of(p, plan, true);
    if (dw < 0 || db < 0 || space < 0) return TMB_ENOMEM;
    stage = tmb__cpu_rows(p, op, back_weights);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, dw, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, o->out[1] < 0 ? -1 : db, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    p->how[op] = "own Winograd 4x4";
    status = tmb__cpu_add_group_sum(p, op, &(cpu_sum){dw, o->out[0], count, p->group_rows});
    if (status < 0 || o->out[1] < 0) return status;
    return tmb__cpu_add_group_sum(p, op, &(cpu_sum){db, o->out[1], conv->out, p->group_rows});
}
