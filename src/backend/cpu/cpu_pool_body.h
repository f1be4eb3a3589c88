/* cpu_pool_body.h - maximum and mean pools of cpu_simd.h; included once for each instruction set */
#include "cpu_simd.h"
#include "cpu_vec.h"

#include <stddef.h>

typedef struct span {
    int64_t from, to; /* kernel positions that lie inside */
} span;

static span inside(int64_t start, int64_t kernel, int64_t size)
{
    return (span){start < 0 ? -start : 0, start + kernel > size ? size - start : kernel};
}

/* The window of output (oy, ox) on x: where it starts, and what of it lies inside. */
typedef struct window_at {
    int64_t iy, ix;
    span rows, columns;
} window_at;

static window_at find_window(const cpu_window *s, int64_t o)
{
    const int64_t iy = o / s->ow * s->sh - s->pad_top, ix = o % s->ow * s->sw - s->pad_left;

    return (window_at){iy, ix, inside(iy, s->kh, s->h), inside(ix, s->kw, s->w)};
}

/* ReLU's result, and the winner's place, which is NOBODY where ReLU stops the gradient. */
TMB_INLINE vec rectified(vec best, ivec *place)
{
    *place = ivec_pick(best > 0, *place, ivec_all(CPU_NOBODY));
    return vec_rectify(best);
}

/* Maximum and winner's place of channels j .. j + n - 1. */
static void max_of(
        const cpu_window *s, const window_at *at, const float *x, int64_t j, vec *best, ivec *place)
{
    const int64_t n = s->c - j;
    bool first = true;

    for (int64_t ky = at->rows.from; ky < at->rows.to; ky++) {
        for (int64_t kx = at->columns.from; kx < at->columns.to; kx++) {
            const vec v = vec_load_n(x + ((at->iy + ky) * s->w + at->ix + kx) * s->c + j, n);
            const ivec k = ivec_all((int32_t)(ky * s->kw + kx)), larger = v > *best;

            *place = first ? k : ivec_pick(larger, k, *place);
            *best = first ? v : vec_pick(larger, v, *best);
            first = false;
        }
    }
}

static void pool_max_any(
        const cpu_window *s, const float *x, float *y, uint8_t *where, bool with_relu)
{
    for (int64_t o = 0; o < s->oh * s->ow; o++, y += s->c) {
        const window_at at = find_window(s, o);

        for (int64_t j = 0; j < s->c; j += VEC) {
            vec best = vec_all(0);
            ivec place = ivec_all(0);

            max_of(s, &at, x, j, &best, &place);
            if (with_relu) best = rectified(best, &place);
            vec_store_n(y + j, best, s->c - j);
            if (where) vec_store_bytes(where + o * s->c + j, place, s->c - j);
        }
    }
}

/* The usual case: windows of 2 x 2, side by side, no padding. Here n channels of one, from p on: a constant
 * where this is inlined, but for what fills no vector. */
TMB_INLINE void max_of_4(const cpu_window *s, const float *p, float *y, uint8_t *where,
        const int64_t n, const bool with_relu)
{
    const float *q = p + s->w * s->c;
    const vec p0 = vec_load_n(p, n), p1 = vec_load_n(p + s->c, n);
    const vec p2 = vec_load_n(q, n), p3 = vec_load_n(q + s->c, n);
    const vec a = vec_pick(p1 > p0, p1, p0), b = vec_pick(p2 > a, p2, a);
    const ivec two = ivec_pick(p2 > a, ivec_all(2), ivec_all(1) & (p1 > p0));
    ivec place = ivec_pick(p3 > b, ivec_all(3), two);
    vec best = vec_pick(p3 > b, p3, b);

    if (with_relu) best = rectified(best, &place);
    vec_store_n(y, best, n);
    if (where) vec_store_bytes(where, place, n);
}

TMB_INLINE void max_2x2(const cpu_window *s, const float *x, float *y, uint8_t *where,
        const bool with_relu, const bool mark)
{
    const int64_t c = s->c;

    for (int64_t o = 0; o < s->oh * s->ow; o++, y += c) {
        const float *p = x + (o / s->ow * s->w + o % s->ow) * 2 * c;
        uint8_t *to = mark ? where + o * c : NULL;
        int64_t j = 0;

        for (; j + VEC <= c; j += VEC)
            max_of_4(s, p + j, y + j, mark ? to + j : NULL, VEC, with_relu);
        if (j < c) max_of_4(s, p + j, y + j, mark ? to + j : NULL, c - j, with_relu);
    }
}

static bool is_2x2(const cpu_window *s)
{
    return s->kh == 2 && s->kw == 2 && s->sh == 2 && s->sw == 2 && s->pad_top == 0 &&
            s->pad_left == 0 && 2 * s->oh <= s->h && 2 * s->ow <= s->w;
}

static void pool_max(const cpu_window *s, const float *x, float *y, uint8_t *where, bool with_relu)
{
    if (!is_2x2(s))
        pool_max_any(s, x, y, where, with_relu);
    else if (where && with_relu)
        max_2x2(s, x, y, where, true, true);
    else if (where)
        max_2x2(s, x, y, where, false, true);
    else
        max_2x2(s, x, y, where, with_relu, false);
}

TMB_INLINE void spread_to_4(
        const cpu_window *s, const float *dy, const uint8_t *where, float *p, const int64_t n)
{
    const ivec d = (ivec)vec_load_n(dy, n), place = vec_load_bytes(where, n);
    float *q = p + s->w * s->c;

    vec_store_n(p, (vec)(d & (place == 0)), n);
    vec_store_n(p + s->c, (vec)(d & (place == 1)), n);
    vec_store_n(q, (vec)(d & (place == 2)), n);
    vec_store_n(q + s->c, (vec)(d & (place == 3)), n);
}

static void pool_max_bwd_2x2(const cpu_window *s, const float *dy, const uint8_t *where, float *dx)
{
    const int64_t c = s->c, line = s->w * c;

    for (int64_t o = 0; o < s->oh * s->ow; o++, dy += c, where += c) {
        float *p = dx + (o / s->ow * s->w + o % s->ow) * 2 * c;
        int64_t j = 0;

        for (; j + VEC <= c; j += VEC)
            spread_to_4(s, dy + j, where + j, p + j, VEC);
        if (j < c) spread_to_4(s, dy + j, where + j, p + j, c - j);
    }
    for (int64_t iy = 0; iy < s->h; iy++) { /* what no window covers */
        const int64_t from = iy < 2 * s->oh ? 2 * s->ow : 0;

        memset(dx + iy * line + from * c, 0, (size_t)((s->w - from) * c) * sizeof *dx);
    }
}

static void pool_max_bwd_any(const cpu_window *s, const float *dy, const uint8_t *where, float *dx)
{
    memset(dx, 0, (size_t)(s->h * s->w * s->c) * sizeof *dx);
    for (int64_t o = 0; o < s->oh * s->ow; o++) {
        const window_at win = find_window(s, o);

        for (int64_t j = 0; j < s->c; j += VEC) {
            const int64_t at = o * s->c + j, n = s->c - j;
            const ivec d = (ivec)vec_load_n(dy + at, n);
            const ivec place = vec_load_bytes(where + at, n);

            for (int64_t k = win.rows.from * s->kw; k < win.rows.to * s->kw; k++) {
                float *p = dx + ((win.iy + k / s->kw) * s->w + win.ix + k % s->kw) * s->c + j;

                if (k % s->kw < win.columns.from || k % s->kw >= win.columns.to) continue;
                vec_store_n(p, vec_load_n(p, n) + (vec)(d & (place == (int32_t)k)), n);
            }
        }
    }
}

static void pool_max_bwd(const cpu_window *s, const float *dy, const uint8_t *where, float *dx)
{
    if (is_2x2(s))
        pool_max_bwd_2x2(s, dy, where, dx);
    else
        pool_max_bwd_any(s, dy, where, dx);
}

static void pool_mean(const cpu_window *s, const float *x, float *y)
{
    const int64_t c = s->c;

    for (int64_t o = 0; o < s->oh * s->ow; o++, y += c) {
        const window_at at = find_window(s, o);
        const span rows = at.rows, columns = at.columns;
        const float n = (float)((rows.to - rows.from) * (columns.to - columns.from));

        memset(y, 0, (size_t)c * sizeof *y);
        for (int64_t ky = rows.from; ky < rows.to; ky++) {
            for (int64_t kx = columns.from; kx < columns.to; kx++) {
                const float *restrict p = x + ((at.iy + ky) * s->w + at.ix + kx) * c;

                for (int64_t j = 0; j < c; j++)
                    y[j] += p[j];
            }
        }
        for (int64_t j = 0; j < c; j++)
            y[j] /= n;
    }
}

static void pool_mean_bwd(const cpu_window *s, const float *dy, float *dx)
{
    const int64_t c = s->c;

    memset(dx, 0, (size_t)(s->h * s->w * c) * sizeof *dx);
    for (int64_t o = 0; o < s->oh * s->ow; o++, dy += c) {
        const window_at at = find_window(s, o);
        const span rows = at.rows, columns = at.columns;
        const float n = (float)((rows.to - rows.from) * (columns.to - columns.from));

        for (int64_t ky = rows.from; ky < rows.to; ky++) {
            for (int64_t kx = columns.from; kx < columns.to; kx++) {
                float *restrict p = dx + ((at.iy + ky) * s->w + at.ix + kx) * c;

                for (int64_t j = 0; j < c; j++)
                    p[j] += dy[j] / n;
            }
        }
    }
}
