/* ref_random.c - what is done to photos at random: flips, rotations, zooms, shifts, crops, colours
 *
 * Sample i takes words 4 i .. 4 i + 3 of host->random(run.seed, run.step, id): the first draws the
 * factor of the rows, or the only one, the second that of the columns. Geometry after keras.layers.Random*:
 * each place of the result is looked up in the photo, at the nearest pixel or between four. */
#include "ref.h"

#include <math.h>

#define TWO_PI 6.283185307179586

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

/* A photo and a place in it. */
typedef struct lookup {
    const float *x; /* (h, w, c) */
    int64_t h, w, c;
    double row, column;
    const tmb_attr *attr;
} lookup;

static double pixel(const lookup *l, double row, double column, int64_t channel)
{
    if (row < 0 || row >= (double)l->h || column < 0 || column >= (double)l->w)
        return l->attr->fill;
    return l->x[((int64_t)row * l->w + (int64_t)column) * l->c + channel];
}

static double value(const lookup *l, int64_t channel)
{
    const double row = floor(l->row), column = floor(l->column);
    const double down = l->row - row, right = l->column - column;

    if (!l->attr->bilinear) return pixel(l, round(l->row), round(l->column), channel);
    return (1 - down) *
            ((1 - right) * pixel(l, row, column, channel) +
                    right * pixel(l, row, column + 1, channel)) +
            down *
            ((1 - right) * pixel(l, row + 1, column, channel) +
                    right * pixel(l, row + 1, column + 1, channel));
}

static void move_photo(const ref_call *call, lookup l, const double u[2], float *y)
{
    const int64_t rows = call->out[0].dim[1], columns = call->out[0].dim[2];
    double m[6];

    place(m, call->attr, u, (const int64_t[]){l.h, l.w, rows, columns});
    for (int64_t p = 0; p < rows * columns; p++) {
        const double r = (double)(p / columns), s = (double)(p % columns);

        l.column = inside(m[0] * s + m[1] * r + m[2], (double)l.w, call->attr->edge);
        l.row = inside(m[3] * s + m[4] * r + m[5], (double)l.h, call->attr->edge);
        for (int64_t j = 0; j < l.c; j++)
            y[p * l.c + j] = (float)value(&l, j);
    }
}

/* CONTRAST: y = (x - mean) (1 - low .. 1 + high) + mean, of each channel; BRIGHTNESS: y = x + factor of
 * the range; both within it. */
static void colour_photo(const tmb_attr *a, const lookup *l, const double u[2], float *y)
{
    const bool contrast = a->random == TMB_RANDOM_CONTRAST;
    const double low = contrast ? 1 - (double)a->range[0] : a->range[0];
    const double high = contrast ? 1 + (double)a->range[1] : a->range[1];
    const double factor = low + u[0] * (high - low), span = (double)a->values[1] - a->values[0];

    for (int64_t j = 0; j < l->c; j++) {
        double mean = 0;

        for (int64_t p = 0; p < l->h * l->w; p++)
            mean += l->x[p * l->c + j] / (double)(l->h * l->w);
        for (int64_t p = 0; p < l->h * l->w; p++) {
            const double v = l->x[p * l->c + j];
            const double z = contrast ? (v - mean) * factor + mean : v + factor * span;

            y[p * l->c + j] = (float)fmin(fmax(z, a->values[0]), a->values[1]);
        }
    }
}

/* RANDOM: y (n, r, s, c) from x (n, h, w, c); r, s differ from h, w for CROP only. Attributes: random,
 * range, values, flip, fixed, bilinear, edge, fill, id. There is no gradient. */
void tmb__ref_random(const ref_call *call)
{
    const ref_view *x = &call->in[0], *y = &call->out[0];
    const tmb_run *run = call->run;

    for (int64_t i = 0; i < x->dim[0]; i++) {
        const lookup l = {.x = x->data + i * (x->count / x->dim[0]),
                .h = x->dim[1],
                .w = x->dim[2],
                .c = x->dim[3],
                .attr = call->attr};
        float *out = y->data + i * (y->count / y->dim[0]);
        uint32_t words[4];
        double u[2];

        call->host->random(run->seed, run->step, call->attr->id, (uint64_t)i, 1, words);
        u[0] = words[0] / 0x1p32;
        u[1] = words[1] / 0x1p32;
        if (call->attr->random >= TMB_RANDOM_CONTRAST)
            colour_photo(call->attr, &l, u, out);
        else
            move_photo(call, l, u, out);
    }
}
