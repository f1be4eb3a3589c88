/* cpu_dense.c - the fully connected layer
 *
 * x counts as (rows, in). A small kernel is read once a sample. A large one (the post's 18496 x 64
 * are 4.7 MB) is read once a step: it is cut into slices of its rows, each slice meets all samples,
 * and the slices' shares of y are summed in their order. Weight gradients are always cut that way:
 * a slice of dw and the optimizer's step on it then follow each other in one core's cache. In bf16
 * slices are multiplied in tiles, see cpu_bf16_dense.c. */
#include "cpu.h"
#include "cpu_bf16.h"

#include <string.h>

enum {
    LARGE = 65536, /* elements of a kernel that is worth slices */
    STRIP = 64     /* rows of a kernel at a time: read, and written, from end to end */
};

typedef struct dense_plan {
    const tmb_attr *attr;
    int64_t in, units, rows; /* rows of one sample */
    int64_t columns;         /* rows of dy that are turned at a time, up to a multiple of 16 */
    int slices;
    bool bf16;
} dense_plan;

static dense_plan *plan_of(struct tmb_program *p, const tmb_op *op, int w, int y)
{
    dense_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return NULL;
    plan->attr = &op->attr;
    plan->in = p->tensors[w].dim[0];
    plan->units = p->tensors[w].dim[1];
    plan->rows = tmb__cpu_row_count(&p->tensors[y]) / plan->units;
    return plan;
}

/* Slot `space` of a stage that works on slices in bf16, and its call. */
static cpu_bf16_dense bf16_call(const cpu_stage *stage, const cpu_task *task, int space)
{
    const dense_plan *plan = stage->data;

    return (cpu_bf16_dense){.tiles = task->program->device->tiles,
            .n = task->run->n,
            .in = plan->in,
            .units = plan->units,
            .from = task->from / plan->units,
            .to = task->to / plan->units,
            .space = tmb__cpu_at(stage, task, space)};
}

/* Have slices work in bf16 if the program does: a buffer for them, -1 if it does not. */
static int bf16_space(struct tmb_program *p, dense_plan *plan)
{
    plan->bf16 = p->bf16 && p->device->tiles->fast;
    if (!plan->bf16) return -1;
    return tmb__cpu_buffer(p, CPU_TEMP,
            (size_t)tmb__cpu_bf16_dense_space(p->max_batch, plan->units) * sizeof(cpu_bf16));
}

/* Slices pay if each sample has one row: then the kernel is what has to be read. */
static bool sliced(const dense_plan *plan)
{
    return plan->rows == 1 && plan->in * plan->units > LARGE;
}

/* ---- forward ---- */

/* One sample: slots x, w, b, y. */
static void forward(const cpu_stage *stage, const cpu_task *task)
{
    const dense_plan *plan = stage->data;
    float *y = tmb__cpu_at(stage, task, 3);
    const cpu_gemm gemm = {
            .m = plan->rows,
            .n = plan->units,
            .k = plan->in,
            .a = tmb__cpu_at(stage, task, 0),
            .b = tmb__cpu_at(stage, task, 1),
            .c = y,
            .a_row = plan->in,
            .a_col = 1,
            .b_row = plan->units,
            .c_row = plan->units,
            .start = tmb__cpu_at(stage, task, 2),
    };

    task->program->simd->gemm(&gemm);
    if (plan->attr->act != TMB_LINEAR)
        tmb__cpu_activate(task->program, plan->attr, y, y, plan->rows * plan->units);
}

/* All samples by a slice of w: slots x, w, shares (slices, n, units), space. */
static void forward_slice_bf16(const cpu_stage *stage, const cpu_task *task)
{
    const dense_plan *plan = stage->data;
    float *shares = tmb__cpu_at(stage, task, 2);
    cpu_bf16_dense call = bf16_call(stage, task, 3);

    call.x = tmb__cpu_at(stage, task, 0);
    call.w = tmb__cpu_at(stage, task, 1);
    call.out = shares + task->slice * call.n * plan->units;
    tmb__cpu_bf16_dense.forward(&call);
}

static void forward_slice(const cpu_stage *stage, const cpu_task *task)
{
    const dense_plan *plan = stage->data;
    const int64_t first = task->from / plan->units, end = task->to / plan->units;
    const int64_t n = task->run->n;
    const float *x = tmb__cpu_at(stage, task, 0), *w = tmb__cpu_at(stage, task, 1);
    float *shares = tmb__cpu_at(stage, task, 2);
    cpu_gemm gemm = {
            .m = n,
            .n = plan->units,
            .c = shares + task->slice * n * plan->units,
            .a_row = plan->in,
            .a_col = 1,
            .b_row = plan->units,
            .c_row = plan->units,
    };

    for (int64_t k = first; k < end; k += STRIP) {
        gemm.k = end - k < STRIP ? end - k : STRIP;
        gemm.a = x + k;
        gemm.b = w + k * plan->units;
        gemm.add = k > first;
        task->program->simd->gemm(&gemm);
    }
}

/* Slots shares, b, y. */
static void join_slices(const cpu_stage *stage, const cpu_task *task)
{
    const dense_plan *plan = stage->data;
    const float *shares = tmb__cpu_at(stage, task, 0), *b = tmb__cpu_at(stage, task, 1);
    const bool relu = plan->attr->act == TMB_RELU;
    float *y = tmb__cpu_at(stage, task, 2);

    task->program->simd->sum_parts(shares + task->row * plan->units, plan->slices,
            task->run->n * plan->units, y, plan->units);
    if (b) task->program->simd->bias(b, 1, plan->units, relu, y);
    if (plan->attr->act != TMB_LINEAR && !(relu && b))
        tmb__cpu_activate(task->program, plan->attr, y, y, plan->units);
}

static int build_sliced(struct tmb_program *p, int op, dense_plan *plan)
{
    const tmb_op *o = &p->ops[op];
    const int64_t count = plan->in * plan->units;
    const int space = bf16_space(p, plan);
    cpu_stage *stage = tmb__cpu_slices(p, op, plan->bf16 ? forward_slice_bf16 : forward_slice,
            count, tmb__cpu_chunk(count, plan->units));
    int shares;

    plan->slices = stage->tasks;
    shares = tmb__cpu_buffer(p, CPU_WHOLE,
            (size_t)(plan->slices * p->max_batch) * (size_t)plan->units * sizeof(float));
    if (shares < 0) return shares;
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ);
    tmb__cpu_use(stage, o->in[1], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, shares, CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    p->how[op] = plan->bf16 ? "own bf16, in slices of the kernel"
                            : "own product, in slices of the kernel";
    stage = tmb__cpu_rows(p, op, join_slices);
    stage->data = plan;
    tmb__cpu_use(stage, shares, CPU_READ);
    tmb__cpu_use(stage, o->in[2], CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    return 0;
}

int tmb__cpu_build_DENSE(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    dense_plan *plan = plan_of(p, o, o->in[1], o->out[0]);
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    if (sliced(plan)) return build_sliced(p, op, plan);
    stage = tmb__cpu_rows(p, op, forward);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ);
    tmb__cpu_use(stage, o->in[2], CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    p->how[op] = "own product, for each sample";
    return 0;
}

/* ---- gradient to the data ---- */

/* dx^T = w dy^T for rows first .. end of w and n rows of dy: w is then read along its rows.
 * `turned` holds dy^T (units, columns), `strip` a part of dx^T (STRIP, columns). */
static void back_range(const cpu_task *task, const dense_plan *plan, const float *dy,
        const float *w, float *dx, int64_t range[2], int64_t n, float *turned)
{
    const int64_t columns = (n + 15) / 16 * 16;
    float *strip = turned + plan->units * columns;

    for (int64_t u = 0; u < plan->units; u++) {
        for (int64_t r = 0; r < columns; r++)
            turned[u * columns + r] = r < n ? dy[r * plan->units + u] : 0;
    }
    for (int64_t i = range[0]; i < range[1]; i += STRIP) {
        const int64_t rows = range[1] - i < STRIP ? range[1] - i : STRIP;
        const cpu_gemm gemm = {
                .m = rows,
                .n = columns,
                .k = plan->units,
                .a = w + i * plan->units,
                .b = turned,
                .c = strip,
                .a_row = plan->units,
                .a_col = 1,
                .b_row = columns,
                .c_row = columns,
        };

        task->program->simd->gemm(&gemm);
        for (int64_t r = 0; r < n; r++) {
            for (int64_t j = 0; j < rows; j++)
                dx[r * plan->in + i + j] = strip[j * columns + r];
        }
    }
}

static void back_slice_bf16(const cpu_stage *stage, const cpu_task *task)
{
    cpu_bf16_dense call = bf16_call(stage, task, 3);

    call.dy = tmb__cpu_at(stage, task, 0);
    call.w = tmb__cpu_at(stage, task, 1);
    call.out = tmb__cpu_at(stage, task, 2);
    tmb__cpu_bf16_dense.data(&call);
}

/* Slots dy, w, dx, workspace: one sample, or all of them by a slice of w. */
static void back_data(const cpu_stage *stage, const cpu_task *task)
{
    const dense_plan *plan = stage->data;
    int64_t range[2] = {0, plan->in}, n = plan->rows;

    if (!stage->rows) {
        range[0] = task->from / plan->units;
        range[1] = task->to / plan->units;
        n = task->run->n;
    }
    back_range(task, plan, tmb__cpu_at(stage, task, 0), tmb__cpu_at(stage, task, 1),
            tmb__cpu_at(stage, task, 2), range, n, tmb__cpu_at(stage, task, 3));
}

int tmb__cpu_build_DENSE_BWD_DATA(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    dense_plan *plan = plan_of(p, o, o->in[1], o->in[0]);
    const int64_t count = plan ? plan->in * plan->units : 0;
    const bool cut = plan && sliced(plan);
    const unsigned own = cut ? 0 : CPU_OWN;
    int64_t columns;
    cpu_stage *stage;
    int space = -1;

    if (!plan) return TMB_ENOMEM;
    columns = ((cut ? p->max_batch : plan->rows) + 15) / 16 * 16;
    if (cut) space = bf16_space(p, plan);
    if (!plan->bf16)
        space = tmb__cpu_buffer(
                p, CPU_TEMP, (size_t)(columns * (plan->units + STRIP)) * sizeof(float));
    if (space < 0) return space;
    stage = cut ? tmb__cpu_slices(p, op, plan->bf16 ? back_slice_bf16 : back_data, count,
                          tmb__cpu_chunk(count, plan->units))
                : tmb__cpu_rows(p, op, back_data);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ | own);
    tmb__cpu_use(stage, o->in[1], cut ? CPU_READ | CPU_OWN : CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | own);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    p->how[op] = plan->bf16 ? "own bf16, in slices of the kernel"
            : cut           ? "own product, in slices of the kernel"
                            : "own product, for each sample";
    return 0;
}

/* ---- gradient to the weights ---- */

/* dw = x^T dy for a slice of dw's rows, over all samples: slots x, dy, dw. */
static void back_weights(const cpu_stage *stage, const cpu_task *task)
{
    const dense_plan *plan = stage->data;
    const int64_t end = task->to / plan->units;
    const float *x = tmb__cpu_at(stage, task, 0);
    float *dw = tmb__cpu_at(stage, task, 2);
    cpu_gemm gemm = {
            .n = plan->units,
            .k = task->run->n * plan->rows,
            .b = tmb__cpu_at(stage, task, 1),
            .a_row = 1,
            .a_col = plan->in,
            .b_row = plan->units,
            .c_row = plan->units,
    };

    for (int64_t i = task->from / plan->units; i < end; i += STRIP) {
        gemm.m = end - i < STRIP ? end - i : STRIP;
        gemm.a = x + i;
        gemm.c = dw + i * plan->units;
        task->program->simd->gemm(&gemm);
    }
}

static void back_weights_bf16(const cpu_stage *stage, const cpu_task *task)
{
    cpu_bf16_dense call = bf16_call(stage, task, 3);

    call.x = tmb__cpu_at(stage, task, 0);
    call.dy = tmb__cpu_at(stage, task, 1);
    call.out = tmb__cpu_at(stage, task, 2);
    tmb__cpu_bf16_dense.weights(&call);
}

/* Slots dy, db. */
static void back_bias(const cpu_stage *stage, const cpu_task *task)
{
    const dense_plan *plan = stage->data;

    task->program->simd->column_sums(tmb__cpu_at(stage, task, 0), task->run->n * plan->rows,
            plan->units, tmb__cpu_at(stage, task, 1));
}

int tmb__cpu_build_DENSE_BWD_WEIGHTS(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    dense_plan *plan = plan_of(p, o, o->out[0], o->in[1]);
    const int64_t count = plan ? plan->in * plan->units : 0;
    const int space = plan && sliced(plan) ? bf16_space(p, plan) : -1;
    cpu_stage *stage;

    if (!plan) return TMB_ENOMEM;
    stage = tmb__cpu_slices(p, op, plan->bf16 ? back_weights_bf16 : back_weights, count,
            tmb__cpu_chunk(count, plan->units));
    stage->data = plan;
    tmb__cpu_use(stage, o->in[0], CPU_READ);
    tmb__cpu_use(stage, o->in[1], CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    p->how[op] = plan->bf16 ? "own bf16, in slices of the kernel"
                            : "own product, in slices of the kernel";
    if (o->out[1] < 0) return 0;
    stage = tmb__cpu_once(p, op, back_bias);
    stage->data = plan;
    tmb__cpu_use(stage, o->in[1], CPU_READ);
    tmb__cpu_use(stage, o->out[1], CPU_WRITE);
    return 0;
}
