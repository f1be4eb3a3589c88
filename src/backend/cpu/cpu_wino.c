/* cpu_wino.c - stages of 3 x 3 convolutions that Winograd's way makes faster (cpu_wino_body.h)
 *
 * Measured on AVX-512 against the library's direct kernels, a sample at a time on one thread: faster in
 * all directions from 16 tiles and 16 channels on. The library's own Winograd kernels want their blocked
 * order of activations, and are gone from version 3. */
#include "cpu_conv.h"

enum {
    LEAST_TILES = 16,
    SPACE = 600 << 10, /* bytes of a block's transforms: they share L2 with the kernel's */
    MOST_BLOCK = 96
};

typedef struct wino_plan {
    cpu_wino wino; /* pointers are set for each sample */
    bool turned;
    int64_t in, out; /* of the plain kernel */
} wino_plan;

bool tmb__cpu_wino_fits(const cpu_conv *c)
{
    const int64_t tiles = (c->oh + 3) / 4 * ((c->ow + 3) / 4);

    if (c->kh != 3 || c->kw != 3 || c->groups != 1 || c->in % 16 != 0 || c->out % 16 != 0) return false;
    for (int i = 0; i < 2; i++) {
        if (c->stride[i] != 1 || c->dilation[i] != 1 || c->pad[i] > 2) return false;
    }
    return tiles >= LEAST_TILES;
}

/* The geometry of `c` seen forward: from (h, w, in) to (oh, ow, out). */
static wino_plan *plan_of(struct tmb_program *p, const cpu_conv *c)
{
    wino_plan *plan = tmb__cpu_keep(p, sizeof *plan);
    int64_t block;

    if (!plan) return NULL;
    block = SPACE / (36 * (int64_t)sizeof(float) * (c->in + c->out)) / 12 * 12;
    plan->wino = (cpu_wino){
            .h = c->h,
            .w = c->w,
            .in = c->in,
            .oh = c->oh,
            .ow = c->ow,
            .out = c->out,
            .tile_rows = (c->oh + 3) / 4,
            .tile_columns = (c->ow + 3) / 4,
            .block = block < 12 ? 12 : block > MOST_BLOCK ? MOST_BLOCK : block,
            .pad_top = c->pad[0],
            .pad_left = c->pad[1],
    };
    return plan;
}

/* Slots w, packed: a slice is 16 input channels of w. */
static void pack(const cpu_stage *stage, const cpu_task *task)
{
    const wino_plan *plan = stage->data;
    const int64_t range[2] = {task->from, task->to};

    task->program->simd->wino_pack(tmb__cpu_at(stage, task, 0), plan->in, plan->out, range, plan->turned,
            tmb__cpu_at(stage, task, 1));
}

static int add_pack(struct tmb_program *p, int op, wino_plan *plan, int w)
{
    const int64_t *dim = p->tensors[w].dim;
    const int packed = tmb__cpu_buffer(p, CPU_WHOLE, (size_t)(36 * dim[2] * dim[3]) * sizeof(float));
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
            p, CPU_TEMP, (size_t)(36 * (w->block * (w->in + w->out) + sums)) * sizeof(float));
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
    if (!plan->turned) tmb__cpu_finish_conv(stage, task, wino.y, wino.oh * wino.ow * wino.out, wino.relu);
}

static int add_convolve(struct tmb_program *p, int op, wino_plan *plan, const int use[4])
{
    const int packed = add_pack(p, op, plan, use[1]);
    const int space = space_of(p, plan, false);
    cpu_stage *stage;

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
    return add_convolve(p, op, plan, (int[]){o->in[0], o->in[1], o->in[2], o->out[0]});
}

/* dx is dy convolved with the kernel turned by 180 degrees, in and out exchanged, padded to h x w. */
int tmb__cpu_wino_back_data(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    cpu_conv back = *conv;
    wino_plan *plan;

    back.h = conv->oh;
    back.w = conv->ow;
    back.in = conv->out;
    back.oh = conv->h;
    back.ow = conv->w;
    back.out = conv->in;
    for (int i = 0; i < 2; i++)
        back.pad[i] = 2 - conv->pad[i];
    plan = plan_of(p, &back);
    if (!plan) return TMB_ENOMEM;
    plan->turned = true;
    return add_convolve(p, op, plan, (int[]){o->in[0], o->in[1], -1, o->out[0]});
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

int tmb__cpu_wino_back_weights(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const int64_t count = 9 * conv->in * conv->out;
    const int dw = tmb__cpu_buffer(p, CPU_PER_GROUP, (size_t)count * sizeof(float));
    const int db = o->out[1] < 0 ? -1
                                 : tmb__cpu_buffer(p, CPU_PER_GROUP, (size_t)conv->out * sizeof(float));
    wino_plan *plan = plan_of(p, conv);
    const int space = plan ? space_of(p, plan, true) : -1;
    cpu_stage *stage;

    if (dw < 0 || space < 0) return TMB_ENOMEM;
    stage = tmb__cpu_rows(p, op, back_weights);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, dw, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, db, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    tmb__cpu_add_group_sum(p, op, dw, o->out[0], count);
    if (db >= 0) tmb__cpu_add_group_sum(p, op, db, o->out[1], conv->out);
    p->how[op] = "own Winograd 4x4";
    return 0;
}
