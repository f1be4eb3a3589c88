/* cpu_random.c - photos changed at random, sample by sample; the rules stand in ref_random.c
 *
 * Coordinates are in double as there, so that both look at the same pixels. */
#include "cpu.h"

#include <math.h>

#define TWO_PI 6.283185307179586

typedef struct random_plan {
    const tmb_attr *attr;
    int64_t size[4], c; /* height, width of x, of y */
} random_plan;

/* Where places of the result lie in the photo: x = m[0] s + m[1] r + m[2], y = m[3] s + m[4] r + m[5]
 * for row r and column s. `u`: two draws in 0 .. 1. */
static void place_crop(double m[6], const tmb_attr *a, const double u[2], const int64_t size[4])
{
    for (int i = 0; i < 2; i++) {
        const int64_t in = size[i], out = size[2 + i], other = size[1 - i] * out / size[3 - i];
        const int64_t part = other < in ? other : in; /* of the same form as the result */
        const double scale = (double)part / (double)out, first = (double)((in - part) / 2);

        m[i ? 0 : 4] = a->fixed ? scale : 1;
        m[i ? 2 : 5] = a->fixed ? first + 0.5 * scale - 0.5 : floor(u[i] * (double)(in - out + 1));
    }
}

static void place_turned(double m[6], double turn, double cx, double cy)
{
    const double c = cos(turn), s = sin(turn);

    m[0] = m[4] = c;
    m[1] = -s;
    m[2] = cx - cx * c + cy * s;
    m[3] = s;
    m[5] = cy - cx * s - cy * c;
}

static void place(double m[6], const tmb_attr *a, const double u[2], const int64_t size[4])
{
    const double h = (double)size[0], w = (double)size[1];
    const double rows = a->range[0] + u[0] * ((double)a->range[1] - a->range[0]);
    const double columns = a->range[2] + u[1] * ((double)a->range[3] - a->range[2]);

    m[0] = m[4] = 1;
    m[1] = m[2] = m[3] = m[5] = 0;
    if (a->random == TMB_RANDOM_CROP) place_crop(m, a, u, size);
    if (a->random == TMB_RANDOM_ROTATION) place_turned(m, TWO_PI * rows, (w - 1) / 2, (h - 1) / 2);
    if (a->random == TMB_RANDOM_ZOOM) {
        m[0] = 1 + (a->fixed ? rows : columns);
        m[4] = 1 + rows;
    }
    if (a->random == TMB_RANDOM_FLIP && u[0] < 0.5) {
        m[0] = a->flip[1] ? -1 : 1;
        m[4] = a->flip[0] ? -1 : 1;
    }
    if (a->random == TMB_RANDOM_ZOOM || a->random == TMB_RANDOM_FLIP) {
        m[2] = (w - 1) / 2 * (1 - m[0]); /* the middle stays */
        m[5] = (h - 1) / 2 * (1 - m[4]);
    }
    if (a->random == TMB_RANDOM_TRANSLATION) {
        m[2] = -columns * w;
        m[5] = -rows * h;
    }
}

/* A coordinate beyond the edges brought inside, as TensorFlow's ImageProjectiveTransformV3 does it. */
static double inside(double at, double size, tmb_edge edge)
{
    if (edge == TMB_EDGE_CONSTANT) return at;
    if (edge == TMB_EDGE_REFLECT && at < 0) {
        at += 2 * size * floor(-at / (2 * size));
        at = at < -size ? at + 2 * size : -at - 1;
    } else if (edge == TMB_EDGE_REFLECT && at > size - 1) {
        at -= 2 * size * floor(at / (2 * size));
        at = at >= size ? 2 * size - at - 1 : at;
    } else if (edge == TMB_EDGE_WRAP && size > 1 && at < 0) {
        at += size * (floor(-at / (size - 1)) + 1);
    } else if (edge == TMB_EDGE_WRAP && size > 1 && at > size - 1) {
        at -= size * floor(at / (size - 1));
    }
    return at < 0 ? 0 : at > size - 1 ? size - 1 : at;
}

/* y += weight times a pixel, or the fill value outside. */
static void add_pixel(
        const random_plan *plan, const float *x, const double at[2], double weight, float *y)
{
    const bool in = at[0] >= 0 && at[0] < (double)plan->size[0] && at[1] >= 0 &&
            at[1] < (double)plan->size[1];
    const float *from = in ? x + ((int64_t)at[0] * plan->size[1] + (int64_t)at[1]) * plan->c
                           : &plan->attr->fill;
    const float w = (float)weight;

    for (int64_t j = 0; j < plan->c; j++)
        y[j] += w * from[in ? j : 0];
}

static void look_up(const random_plan *plan, const float *x, double row, double column, float *y)
{
    const double first[2] = {floor(row), floor(column)};
    const double away[2] = {row - first[0], column - first[1]};

    for (int64_t j = 0; j < plan->c; j++)
        y[j] = 0;
    if (!plan->attr->bilinear) {
        add_pixel(plan, x, (const double[]){round(row), round(column)}, 1, y);
        return;
    }
    for (int k = 0; k < 4; k++) {
        const double at[2] = {first[0] + k / 2, first[1] + k % 2};
        const double weight = (k / 2 ? away[0] : 1 - away[0]) * (k % 2 ? away[1] : 1 - away[1]);

        if (weight != 0) add_pixel(plan, x, at, weight, y);
    }
}

static void move_photo(const random_plan *plan, const float *x, const double u[2], float *y)
{
    const int64_t *size = plan->size;
    double m[6];

    place(m, plan->attr, u, size);
    for (int64_t p = 0; p < size[2] * size[3]; p++, y += plan->c) {
        const double r = (double)(p / size[3]), s = (double)(p % size[3]);
        const double column = inside(m[0] * s + m[1] * r + m[2], (double)size[1], plan->attr->edge);
        const double row = inside(m[3] * s + m[4] * r + m[5], (double)size[0], plan->attr->edge);

        look_up(plan, x, row, column, y);
    }
}

static void colour_photo(const random_plan *plan, const float *x, const double u[2], float *y)
{
    const tmb_attr *a = plan->attr;
    const bool contrast = a->random == TMB_RANDOM_CONTRAST;
    const double low = contrast ? 1 - (double)a->range[0] : a->range[0];
    const double high = contrast ? 1 + (double)a->range[1] : a->range[1];
    const double factor = low + u[0] * (high - low), span = (double)a->values[1] - a->values[0];
    const int64_t places = plan->size[0] * plan->size[1];

    for (int64_t j = 0; j < plan->c; j++) {
        double mean = 0;

        for (int64_t p = 0; contrast && p < places; p++)
            mean += (double)x[p * plan->c + j];
        mean /= (double)places;
        for (int64_t p = 0; p < places; p++) {
            const double v = (double)x[p * plan->c + j];
            const double z = contrast ? (v - mean) * factor + mean : v + factor * span;

            y[p * plan->c + j] = (float)fmin(fmax(z, a->values[0]), a->values[1]);
        }
    }
}

static void change(const cpu_stage *stage, const cpu_task *task)
{
    const random_plan *plan = stage->data;
    const float *x = tmb__cpu_at(stage, task, 0);
    float *y = tmb__cpu_at(stage, task, 1);
    uint32_t words[4];
    double u[2];

    task->program->host.random(
            task->run->seed, task->run->step, plan->attr->id, (uint64_t)task->row, 1, words);
    u[0] = words[0] / 0x1p32;
    u[1] = words[1] / 0x1p32;
    (plan->attr->random >= TMB_RANDOM_CONTRAST ? colour_photo : move_photo)(plan, x, u, y);
}

int tmb__cpu_build_RANDOM(struct tmb_program *p, int op)
{
    const tmb_op *o = &p->ops[op];
    const int64_t *in = p->tensors[o->in[0]].dim, *out = p->tensors[o->out[0]].dim;
    random_plan *plan = tmb__cpu_keep(p, sizeof *plan);

    if (!plan) return TMB_ENOMEM;
    *plan = (random_plan){&o->attr, {in[1], in[2], out[1], out[2]}, in[3]};
    return tmb__cpu_own_rows(p, op, change, plan, 1, 1);
}
