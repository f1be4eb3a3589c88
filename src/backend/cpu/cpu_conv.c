/* cpu_conv.c - convolutions, sample by sample
 *
 * Activations keep their plain order (h, w, c): measured on AVX-512, the library's direct kernels
 * are as fast on it as on its blocked orders. Kernels are rewritten into the library's order once a
 * step. The weight gradient is summed inside each group of samples, in the library's order, then
 * over the groups in turn. */
#include "cpu_conv.h"

typedef struct conv_plan {
    cpu_prim *prim, *pack;
    bool acts;                  /* the library applies the activation */
    int64_t y_count;            /* of a sample */
    int64_t dw_count, db_count; /* floats of a partial sum; dw in the library's order */
} conv_plan;

static bool is_trained(const struct tmb_program *p, int w)
{
    for (int i = 0; i < p->n_ops; i++) {
        const int g = p->ops[i].in[1];

        if (p->ops[i].in[0] == w && g >= 0 && p->tensors[g].role == TMB_ROLE_GRAD) return true;
    }
    return p->tensors[w].role == TMB_ROLE_GRAD;
}

cpu_conv tmb__cpu_conv_of(const struct tmb_program *p, const tmb_op *op, int x, int w, int y)
{
    const int64_t *xd = p->tensors[x].dim, *wd = p->tensors[w].dim, *yd = p->tensors[y].dim;
    const tmb_attr *a = &op->attr;

    return (cpu_conv){
            .h = xd[1],
            .w = xd[2],
            .in = xd[3],
            .oh = yd[1],
            .ow = yd[2],
            .out = yd[3],
            .kh = wd[0],
            .kw = wd[1],
            .groups = a->groups,
            .trained = is_trained(p, w),
            .stride = {a->stride[0], a->stride[1]},
            .dilation = {a->dilation[0], a->dilation[1]},
            .pad = {a->pad[0], a->pad[1], a->pad[2], a->pad[3]},
    };
}

cpu_conv tmb__cpu_conv_turned(const cpu_conv *conv)
{
    cpu_conv back = *conv;

    back.h = conv->oh;
    back.w = conv->ow;
    back.in = conv->out;
    back.oh = conv->h;
    back.ow = conv->w;
    back.out = conv->in;
    back.pad[0] = (int)((conv->kh - 1) * conv->dilation[0]) - conv->pad[0];
    back.pad[1] = (int)((conv->kw - 1) * conv->dilation[1]) - conv->pad[1];
    return back;
}

static void pack(const cpu_stage *stage, const cpu_task *task)
{
    const conv_plan *plan = stage->data;
    void *const args[] = {tmb__cpu_at(stage, task, 0), tmb__cpu_at(stage, task, 1)};

    tmb__cpu_prim_run(plan->pack, task, args, tmb__cpu_at(stage, task, 2));
}

/* A stage that rewrites kernel `w` for plan->prim. Returns the buffer it fills, or a failure. */
static int add_pack(struct tmb_program *p, int op, conv_plan *plan, int w)
{
    int status = tmb__cpu_prim_pack(p, &plan->pack, plan->prim, false), packed, scratch;
    cpu_stage *stage;

    if (status < 0) return status;
    packed = tmb__cpu_buffer(p, CPU_WHOLE, tmb__cpu_prim_packed_bytes(plan->prim));
    scratch = tmb__cpu_buffer(p, CPU_TEMP, tmb__cpu_prim_scratch_bytes(plan->pack));
    if (packed < 0 || scratch < 0) return TMB_EBUG;
    p->buffers[packed].moved = true; /* kept until a parameter changes */
    stage = tmb__cpu_once(p, op, pack);
    stage->pack = p->tensors[w].role != TMB_ROLE_INPUT;
    stage->data = plan;
    tmb__cpu_use(stage, w, CPU_READ);
    tmb__cpu_use(stage, packed, CPU_WRITE);
    tmb__cpu_use(stage, scratch, CPU_WRITE);
    return packed;
}

static int start(struct tmb_program *p, conv_plan **out, cpu_direction direction,
        const cpu_conv *conv, bool bias)
{
    *out = tmb__cpu_keep(p, sizeof **out);
    if (!*out) return TMB_ENOMEM;
    (*out)->y_count = conv->oh * conv->ow * conv->out;
    return tmb__cpu_prim_conv(p, &(*out)->prim, direction, conv, bias);
}

static void forward(const cpu_stage *stage, const cpu_task *task)
{
    const conv_plan *plan = stage->data;
    float *y = tmb__cpu_at(stage, task, 3);
    void *const args[] = {tmb__cpu_at(stage, task, 0), tmb__cpu_at(stage, task, 1),
            tmb__cpu_at(stage, task, 2), y};

    tmb__cpu_prim_run(plan->prim, task, args, tmb__cpu_at(stage, task, 4));
    if (!plan->acts) tmb__cpu_finish_conv(stage, task, y, plan->y_count, false);
}

void tmb__cpu_finish_conv(
        const cpu_stage *stage, const cpu_task *task, float *y, int64_t n, bool relu_done)
{
    const struct tmb_program *p = task->program;
    const tmb_attr *attr = &p->ops[stage->op].attr;

    if (relu_done || attr->act == TMB_LINEAR || stage->later) return;
    tmb__cpu_activate(p, attr, y, y, n);
}

/* The activation that the library may apply. PITFALL: its clipping turns a NaN into a number, and a
 * training step that diverges must be seen. */
static tmb_activation library_act(const struct tmb_program *p, const tmb_op *o)
{
    for (int i = 0; i < p->n_tensors; i++) {
        if (p->tensors[i].role == TMB_ROLE_GRAD) return TMB_LINEAR;
    }
    return tmb__cpu_prim_knows(o->attr.act) ? o->attr.act : TMB_LINEAR;
}

int tmb__cpu_build_CONV(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    cpu_conv conv = tmb__cpu_conv_of(p, o, o->in[0], o->in[1], o->out[0]);
    conv_plan *plan;
    int packed, scratch, status;
    cpu_stage *stage;

    if (tmb__cpu_chain_starts(p, op)) return tmb__cpu_chain_forward(p, op);
    if (tmb__cpu_bf16_fits(p, &conv)) return tmb__cpu_bf16_forward(p, op, &conv);
    if (tmb__cpu_depth_fits(p, o, &conv)) return tmb__cpu_depth_forward(p, op, &conv);
    if (tmb__cpu_thin_fits(&conv)) return tmb__cpu_thin_forward(p, op, &conv);
    if (tmb__cpu_wino_fits(p, &conv)) return tmb__cpu_wino_forward(p, op, &conv);
    if (tmb__cpu_relu_taker(p, op) < 0) conv.act = library_act(p, o);
    status = start(p, &plan, CPU_FORWARD, &conv, o->in[2] >= 0);
    if (status < 0) return status;
    packed = add_pack(p, op, plan, o->in[1]);
    if (packed < 0) return packed;
    scratch = tmb__cpu_buffer(p, CPU_TEMP, tmb__cpu_prim_scratch_bytes(plan->prim));
    if (scratch < 0) return scratch;
    plan->acts = conv.act != TMB_LINEAR;
    stage = tmb__cpu_rows(p, op, forward);
    stage->data = plan;
    stage->later = tmb__cpu_relu_taker(p, op) >= 0;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, packed, CPU_READ);
    tmb__cpu_use(stage, o->in[2], CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, scratch, CPU_WRITE | CPU_OWN);
    p->how[op] = tmb__cpu_prim_how(plan->prim);
    return 0;
}

static void back_data(const cpu_stage *stage, const cpu_task *task)
{
    const conv_plan *plan = stage->data;
    void *const args[] = {
            tmb__cpu_at(stage, task, 0), tmb__cpu_at(stage, task, 1), tmb__cpu_at(stage, task, 2)};

    tmb__cpu_prim_run(plan->prim, task, args, tmb__cpu_at(stage, task, 3));
}

int tmb__cpu_build_CONV_BWD_DATA(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    const cpu_conv conv = tmb__cpu_conv_of(p, o, o->out[0], o->in[1], o->in[0]);
    conv_plan *plan;
    int packed, scratch, status;
    cpu_stage *stage;

    if (tmb__cpu_bf16_fits_back(p, &conv)) return tmb__cpu_bf16_back_data(p, op, &conv);
    if (tmb__cpu_wino_fits(p, &conv)) return tmb__cpu_wino_back_data(p, op, &conv);
    status = start(p, &plan, CPU_BACK_DATA, &conv, false);
    if (status < 0) return status;
    packed = add_pack(p, op, plan, o->in[1]);
    if (packed < 0) return packed;
    scratch = tmb__cpu_buffer(p, CPU_TEMP, tmb__cpu_prim_scratch_bytes(plan->prim));
    if (scratch < 0) return scratch;
    stage = tmb__cpu_rows(p, op, back_data);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, packed, CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, scratch, CPU_WRITE | CPU_OWN);
    p->how[op] = tmb__cpu_prim_how(plan->prim);
    return 0;
}

/* ---- weight gradient ---- */

/* One sample's gradient: the first of a group writes the group's sum, the others are added to it.
 */
static void back_weights(const cpu_stage *stage, const cpu_task *task)
{
    const conv_plan *plan = stage->data;
    const cpu_simd *simd = task->program->simd;
    float *dw = tmb__cpu_at(stage, task, 2), *db = tmb__cpu_at(stage, task, 3);
    float *dw_one = tmb__cpu_at(stage, task, 4), *db_one = tmb__cpu_at(stage, task, 5);
    const bool first = task->first_of_group;
    void *const args[] = {tmb__cpu_at(stage, task, 0), tmb__cpu_at(stage, task, 1),
            first ? dw : dw_one, first ? db : db_one};

    tmb__cpu_prim_run(plan->prim, task, args, tmb__cpu_at(stage, task, 6));
    if (first) return;
    simd->add((const float *[]){dw, dw_one}, 2, false, dw, plan->dw_count);
    if (db) simd->add((const float *[]){db, db_one}, 2, false, db, plan->db_count);
}

/* Slots parts, total. */
static void sum_groups(const cpu_stage *stage, const cpu_task *task)
{
    const cpu_sum *sum = stage->data;
    const int groups = (task->run->n + sum->group_rows - 1) / sum->group_rows;
    const float *parts = tmb__cpu_base(stage, task, 0);
    float *total = tmb__cpu_base(stage, task, 1);

    task->program->simd->sum_parts(
            parts + task->from, groups, sum->count, total + task->from, task->to - task->from);
}

int tmb__cpu_add_group_sum(struct tmb_program *p, int op, const cpu_sum *sum)
{
    cpu_sum *kept = tmb__cpu_keep(p, sizeof *kept);
    cpu_stage *stage;

    if (!kept) return TMB_ENOMEM;
    *kept = *sum;
    stage = tmb__cpu_slices(p, op, sum_groups, sum->count, tmb__cpu_chunk(sum->count, 1));
    stage->data = kept;
    tmb__cpu_use(stage, sum->parts, CPU_READ);
    tmb__cpu_use(stage, sum->total, CPU_WRITE | CPU_OWN);
    return 0;
}

/* dw in plain order. */
static void unpack(const cpu_stage *stage, const cpu_task *task)
{
    const conv_plan *plan = stage->data;
    void *const args[] = {tmb__cpu_at(stage, task, 0), tmb__cpu_at(stage, task, 1)};

    tmb__cpu_prim_run(plan->pack, task, args, tmb__cpu_at(stage, task, 2));
}

/* Sums over the groups, then the library's order back into the plain one. */
static int add_totals(struct tmb_program *p, int op, conv_plan *plan, int dw_parts, int db_parts)
{
    const tmb_op *o = &p->ops[op];
    const int total = tmb__cpu_buffer(p, CPU_WHOLE, tmb__cpu_prim_packed_bytes(plan->prim));
    int status = tmb__cpu_prim_pack(p, &plan->pack, plan->prim, true), scratch;
    cpu_stage *stage;

    if (status < 0) return status;
    scratch = tmb__cpu_buffer(p, CPU_TEMP, tmb__cpu_prim_scratch_bytes(plan->pack));
    if (total < 0 || scratch < 0) return TMB_EBUG;
    status = tmb__cpu_add_group_sum(
            p, op, &(cpu_sum){dw_parts, total, plan->dw_count, p->group_rows});
    if (status < 0) return status;
    stage = tmb__cpu_once(p, op, unpack);
    stage->data = plan;
    tmb__cpu_use(stage, total, CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE);
    tmb__cpu_use(stage, scratch, CPU_WRITE);
    if (o->out[1] < 0) return 0;
    return tmb__cpu_add_group_sum(
            p, op, &(cpu_sum){db_parts, o->out[1], plan->db_count, p->group_rows});
}

int tmb__cpu_build_CONV_BWD_WEIGHTS(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    const cpu_conv conv = tmb__cpu_conv_of(p, o, o->in[0], o->out[0], o->in[1]);
    const bool bias = o->out[1] >= 0;
    int dw, db = -1, dw_one, db_one = -1, scratch, status;
    conv_plan *plan;
    cpu_stage *stage;

    if (tmb__cpu_bf16_fits_back(p, &conv)) return tmb__cpu_bf16_back_weights(p, op, &conv);
    if (tmb__cpu_thin_fits(&conv)) return tmb__cpu_thin_back_weights(p, op, &conv);
    if (tmb__cpu_wino_fits_weights(p, &conv)) return tmb__cpu_wino_back_weights(p, op, &conv);
    status = start(p, &plan, CPU_BACK_WEIGHTS, &conv, bias);
    if (status < 0) return status;
    plan->dw_count = (int64_t)(tmb__cpu_prim_packed_bytes(plan->prim) / sizeof(float));
    plan->db_count = conv.out;
    dw = tmb__cpu_buffer(p, CPU_PER_GROUP, (size_t)plan->dw_count * sizeof(float));
    dw_one = tmb__cpu_buffer(p, CPU_TEMP, (size_t)plan->dw_count * sizeof(float));
    if (bias) db = tmb__cpu_buffer(p, CPU_PER_GROUP, (size_t)conv.out * sizeof(float));
    if (bias) db_one = tmb__cpu_buffer(p, CPU_TEMP, (size_t)conv.out * sizeof(float));
    scratch = tmb__cpu_buffer(p, CPU_TEMP, tmb__cpu_prim_scratch_bytes(plan->prim));
    if (scratch < 0) return scratch;
    stage = tmb__cpu_rows(p, op, back_weights);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, dw, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, db, CPU_READ | CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, dw_one, CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, db_one, CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, scratch, CPU_WRITE | CPU_OWN);
    p->how[op] = tmb__cpu_prim_how(plan->prim);
    return add_totals(p, op, plan, dw, db);
}
