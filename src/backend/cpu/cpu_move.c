/* cpu_move.c - permuted axes and enlarged pictures, sample by sample; the rules stand in ref_shape.c */
#include "cpu.h"

#include <math.h>
#include <string.h>

enum { AXES = 4 };

/* ---- permute ---- */

typedef struct permute_plan {
    int rank;                       /* axes of a sample */
    int64_t size[AXES], step[AXES]; /* of y; how far x goes on along that axis */
    int64_t count;
} permute_plan;

static void permute(const cpu_stage *stage, const cpu_task *task)
{
    const permute_plan *plan = stage->data;
    const float *x = tmb__cpu_at(stage, task, 0);
    float *y = tmb__cpu_at(stage, task, 1);
    const int64_t last = plan->size[plan->rank - 1], step = plan->step[plan->rank - 1];

    for (int64_t line = 0; line < plan->count / last; line++, y += last) {
        int64_t at = 0, rest = line;

        for (int i = plan->rank - 2; i >= 0; rest /= plan->size[i--])
            at += rest % plan->size[i] * plan->step[i];
        for (int64_t j = 0; j < last; j++)
            y[j] = x[at + j * step];
    }
}

int tmb__cpu_build_PERMUTE(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    const tmb_tensor *x = &p->tensors[o->in[0]];
    permute_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return TMB_ENOMEM;
    plan->rank = x->rank - 1;
    plan->count = tmb__cpu_row_count(x);
    for (int i = 0; i < plan->rank; i++) {
        plan->size[i] = x->dim[o->attr.axes[i]];
        plan->step[i] = 1;
        for (int k = o->attr.axes[i] + 1; k < x->rank; k++)
            plan->step[i] *= x->dim[k];
    }
    return tmb__cpu_own_rows(p, op, permute, plan, 1, 1);
}

/* ---- upsample ---- */

/* Where one place of a long axis lies on the short one: two pixels and their weights. */
typedef struct place {
    int64_t at[2];
    float weight[2];
} place;

typedef struct upsample_plan {
    int64_t h, w, c; /* of the small picture */
    int64_t rows, columns;
    place *row, *column; /* [rows], [columns] */
} upsample_plan;

static void set_places(place *places, const tmb_attr *attr, int axis, int64_t size)
{
    const int times = attr->kernel[axis];

    for (int64_t o = 0; o < size * times; o++) {
        const double where = ((double)o + 0.5) / times - 0.5, low = floor(where);
        const int64_t first = low < 0 ? 0 : (int64_t)low;
        const int64_t second = (int64_t)low + 1 < size ? (int64_t)low + 1 : size - 1;

        if (attr->bilinear)
            places[o] =
                    (place){{first, second}, {(float)(1 - (where - low)), (float)(where - low)}};
        else
            places[o] = (place){{o / times, o / times}, {1, 0}};
    }
}

/* y += weight x, over the channels. */
static void add_pixel(float *y, const float *x, float weight, int64_t c)
{
    for (int64_t j = 0; j < c; j++)
        y[j] += weight * x[j];
}

static void enlarge(const upsample_plan *plan, float *small, float *large, bool back)
{
    for (int64_t r = 0; r < plan->rows; r++) {
        const place *row = &plan->row[r];

        for (int64_t s = 0; s < plan->columns; s++, large += plan->c) {
            const place *column = &plan->column[s];

            for (int k = 0; k < 4; k++) {
                const float weight = row->weight[k / 2] * column->weight[k % 2];
                float *pixel = small + (row->at[k / 2] * plan->w + column->at[k % 2]) * plan->c;

                if (weight != 0)
                    add_pixel(back ? pixel : large, back ? large : pixel, weight, plan->c);
            }
        }
    }
}

static void upsample(const cpu_stage *stage, const cpu_task *task)
{
    const upsample_plan *plan = stage->data;
    float *y = tmb__cpu_at(stage, task, 1);

    memset(y, 0, (size_t)(plan->rows * plan->columns * plan->c) * sizeof *y);
    enlarge(plan, tmb__cpu_at(stage, task, 0), y, false);
}

static void upsample_bwd(const cpu_stage *stage, const cpu_task *task)
{
    const upsample_plan *plan = stage->data;
    float *dx = tmb__cpu_at(stage, task, 1);

    memset(dx, 0, (size_t)(plan->h * plan->w * plan->c) * sizeof *dx);
    enlarge(plan, dx, tmb__cpu_at(stage, task, 0), true);
}

static int add_upsample(struct tmb_program *p, int op, cpu_fn fn, int small)
{
    const tmb_op *o = &p->ops[op];
    const int64_t *dim = p->tensors[small].dim;
    upsample_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return TMB_ENOMEM;
    *plan = (upsample_plan){.h = dim[1], .w = dim[2], .c = dim[3]};
    plan->rows = dim[1] * o->attr.kernel[0];
    plan->columns = dim[2] * o->attr.kernel[1];
    plan->row = tmb__cpu_keep(p, (size_t)plan->rows * sizeof *plan->row);
    plan->column = tmb__cpu_keep(p, (size_t)plan->columns * sizeof *plan->column);
    if (!plan->row || !plan->column) return TMB_ENOMEM;
    set_places(plan->row, &o->attr, 0, plan->h);
    set_places(plan->column, &o->attr, 1, plan->w);
    return tmb__cpu_own_rows(p, op, fn, plan, 1, 1);
}

int tmb__cpu_build_UPSAMPLE(struct tmb_program *p, int op)
{
    return add_upsample(p, op, upsample, p->ops[op].in[0]);
}

int tmb__cpu_build_UPSAMPLE_BWD(struct tmb_program *p, int op)
{
    return add_upsample(p, op, upsample_bwd, p->ops[op].out[0]);
}
