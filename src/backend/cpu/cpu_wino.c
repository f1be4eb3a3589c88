/* cpu_wino.c - stages of 3 x 3 convolutions that Winograd's way makes faster (cpu_wino_body.h)
 *
 * Measured on AVX-512 against the library's direct kernels, a sample at a time on one thread:
 * faster in all directions from 16 tiles and 16 channels on. The library's own Winograd kernels
 * want their blocked order of activations, and are gone from version 3. */
#include "cpu_conv.h"

enum {
    LEAST_TILES = 16,  /* in a product; fewer do not pay for the transforms of the kernel */
    HEAVY_GROUPS = 4,  /* of samples, for the gradient of a kernel that is larger than a sample */
    SPACE = 600 << 10, /* bytes of a block's transforms: they share L2 with the kernel's */
    MOST_BLOCK = 96
};

typedef struct wino_plan {
    cpu_wino wino; /* pointers are set for each sample */
    bool turned;
    int64_t in, out; /* of the plain kernel */
    int group_rows;  /* samples that give one partial sum of dw */
} wino_plan;

static int64_t tiles_of(const cpu_conv *c)
{
    return (c->oh + 3) / 4 * ((c->ow + 3) / 4);
}

bool tmb__cpu_wino_fits(const cpu_conv *c, int64_t images)
{
    if (c->kh != 3 || c->kw != 3 || c->groups != 1 || c->in % 16 != 0 || c->out % 16 != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        if (c->stride[i] != 1 || c->dilation[i] != 1 || c->pad[i] > 2) return false;
    }
    return images * tiles_of(c) >= LEAST_TILES;
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
            .block = block < 12          ? 12
                    : block > MOST_BLOCK ? MOST_BLOCK
                                         : block,
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

    task->program->simd->wino_pack(tmb__cpu_at(stage, task, 0), plan->in, plan->out, range,
            plan->turned, tmb__cpu_at(stage, task, 1));
}

static int add_pack(struct tmb_program *p, int op, wino_plan *plan, int w)
{
    const int64_t *dim = p->tensors[w].dim;
    const int packed =
            tmb__cpu_buffer(p, CPU_WHOLE, (size_t)(36 * dim[2] * dim[3]) * sizeof(float));
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

/* dx is dy convolved with the kernel turned by 180 degrees, in and out exchanged, padded to h x w.
 */
int tmb__cpu_wino_back_data(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const cpu_conv back = tmb__cpu_conv_turned(conv);
    wino_plan *plan = plan_of(p, &back);

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

/* The same for all samples of a heavy group at once: slots x, dy, dw and db of all groups, space.
 * The transformed kernel's gradient is then written once a group, not once a sample. */
static void back_weights_heavy(const cpu_stage *stage, const cpu_task *task)
{
    const wino_plan *plan = stage->data;
    const int64_t first = task->slice * plan->group_rows;
    const float *x = tmb__cpu_at(stage, task, 0), *dy = tmb__cpu_at(stage, task, 1);
    float *dw = tmb__cpu_at(stage, task, 2), *db = tmb__cpu_at(stage, task, 3);
    cpu_wino wino = plan->wino;

    if (first >= task->run->n) return;
    wino.images = task->run->n - first < plan->group_rows ? task->run->n - first : plan->group_rows;
    wino.x = x + first * wino.h * wino.w * wino.in;
    wino.dy = dy + first * wino.oh * wino.ow * wino.out;
    wino.dw = dw + task->slice * 9 * wino.in * wino.out;
    wino.db = db ? db + task->slice * wino.out : NULL;
    wino.space = tmb__cpu_at(stage, task, 4);
    task->program->simd->wino_weights(&wino);
}

/* Is the kernel's gradient larger than a sample's x and dy? Then samples are taken together. */
static int heavy_rows(const struct tmb_program *p, const cpu_conv *c)
{
    const int64_t kernel = 9 * c->in * c->out,
                  sample = c->h * c->w * c->in + c->oh * c->ow * c->out;

    return kernel > sample ? (p->max_batch + HEAVY_GROUPS - 1) / HEAVY_GROUPS : 1;
}

bool tmb__cpu_wino_fits_weights(const struct tmb_program *p, const cpu_conv *c)
{
    return tmb__cpu_wino_fits(c, heavy_rows(p, c));
}

static cpu_stage *weights_stage(struct tmb_program *p, int op, const wino_plan *plan)
{
    const int groups = (p->max_batch + plan->group_rows - 1) / plan->group_rows;

    if (plan->group_rows == 1) return tmb__cpu_rows(p, op, back_weights);
    return tmb__cpu_slices(p, op, back_weights_heavy, groups, 1);
}

int tmb__cpu_wino_back_weights(struct tmb_program *p, int op, const cpu_conv *conv)
{
    const tmb_op *o = &p->ops[op];
    const int64_t count = 9 * conv->in * conv->out;
    const int rows = heavy_rows(p, conv), heavy = rows > 1;
    const int groups = (p->max_batch + rows - 1) / rows;
    const cpu_unit unit = heavy ? CPU_WHOLE : CPU_PER_GROUP;
    const size_t copies = heavy ? (size_t)groups : 1;
    const int dw = tmb__cpu_buffer(p, unit, copies * (size_t)count * sizeof(float));
    const int db = tmb__cpu_buffer(p, unit, copies * (size_t)conv->out * sizeof(float));
    const unsigned whole = heavy ? CPU_READ : CPU_READ | CPU_OWN;
    wino_plan *plan = plan_of(p, conv);
    const int space = plan ? space_of(p, plan, true) : -1;
    const int sum_rows = heavy ? rows : p->group_rows;
    cpu_stage *stage;
    int status;

    if (dw < 0 || db < 0 || space < 0) return TMB_ENOMEM;
    plan->group_rows = rows;
    stage = weights_stage(p, op, plan);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], whole);
    tmb__cpu_use(stage, o->in[1], whole);
    tmb__cpu_use(stage, dw, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, o->out[1] < 0 ? -1 : db, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    p->how[op] = heavy ? "own Winograd 4x4, samples together" : "own Winograd 4x4";
    status = tmb__cpu_add_group_sum(p, op, &(cpu_sum){dw, o->out[0], count, sum_rows});
    if (status < 0 || o->out[1] < 0) return status;
    return tmb__cpu_add_group_sum(p, op, &(cpu_sum){db, o->out[1], conv->out, sum_rows});
}
