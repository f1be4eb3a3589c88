/* cpu_simd_body.h - the kernels of cpu_simd.h; included once for each instruction set
 *
 * Plain loops that the compiler vectorises at -O3: the innermost one runs over channels or
 * elements, has no order to keep and no branch. NaN: ReLU is x > 0 ? x : 0 x, so that a NaN stays
 * one and a diverged step is seen. */
#include "cpu_act_body.h"
#include "cpu_pool_body.h"
#include "cpu_simd.h"
#include "cpu_vec.h"

#include <math.h>

TMB_INLINE float rectify(float x)
{
    return x > 0 ? x : 0 * x;
}

/* ---- element by element ---- */

static void relu(const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = rectify(x[i]);
}

static void relu_bwd(const float *dy, const float *y, float *dx, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        dx[i] = y[i] > 0 ? dy[i] : 0;
}

static void bias(const float *b, int64_t rows, int64_t c, bool with_relu, float *y)
{
    for (int64_t r = 0; r < rows; r++, y += c) {
        if (with_relu) {
            for (int64_t i = 0; i < c; i++)
                y[i] = rectify(y[i] + b[i]);
        } else {
            for (int64_t i = 0; i < c; i++)
                y[i] += b[i];
        }
    }
}

static void add(const float *const *x, int n_x, bool with_relu, float *y, int64_t n)
{
    const float *a = x[0], *b = x[1];

    if (n_x == 2 && with_relu) {
        for (int64_t i = 0; i < n; i++)
            y[i] = rectify(a[i] + b[i]);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
    for (int k = 2; k < n_x; k++) {
        const float *more = x[k];

        for (int64_t i = 0; i < n; i++)
            y[i] += more[i];
    }
    if (with_relu) relu(y, y, n);
}

static void scale(const float *x, float factor, float offset, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * factor + offset;
}

static void ema(const float *w, float keep, float take, float *average, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        average[i] = keep * average[i] + take * w[i];
}

/* ---- sums ---- */

/* y = part 0 + part 1 + .., block by block so that y stays in L1. */
static void sum_parts(const float *parts, int n_parts, int64_t stride, float *y, int64_t n)
{
    for (int64_t from = 0; from < n; from += 1024) {
        const int64_t size = n - from < 1024 ? n - from : 1024;

        if (parts != y) memcpy(y + from, parts + from, (size_t)size * sizeof *y);
        for (int k = 1; k < n_parts; k++) {
            const float *restrict part = parts + k * stride + from;
            float *restrict to = y + from;

            for (int64_t i = 0; i < size; i++)
                to[i] += part[i];
        }
    }
}

/* What a column's value adds to one or two sums. `kind` is a constant wherever this is inlined. */
typedef enum sum_kind { SUM_X, SUM_SQUARE, SUM_DY, SUM_DY_MASKED } sum_kind;

typedef struct column_job {
    const float *x, *dy, *y, *mean, *rstd;
    int64_t rows, c;
} column_job;

/* Sums over all rows of VEC columns from column j; four sums in turn shorten the chain of additions. */
TMB_INLINE void sum_columns(const column_job *s, int64_t j, sum_kind kind, vec out[2])
{
    const vec mean = kind == SUM_X ? vec_all(0) : vec_load(s->mean + j);
    const vec rstd = kind >= SUM_DY ? vec_load(s->rstd + j) : vec_all(0);
    vec one[4] = {vec_all(0), vec_all(0), vec_all(0), vec_all(0)};
    vec two[4] = {vec_all(0), vec_all(0), vec_all(0), vec_all(0)};

    for (int64_t r = 0; r < s->rows; r += 4) {
        TMB_UNROLL(4)
        for (int k = 0; k < 4; k++) {
            const int64_t at = (r + k) * s->c + j;
            vec x, dy;

            if (r + k >= s->rows) continue;
            x = vec_load(s->x + at);
            if (kind == SUM_X) one[k] += x;
            if (kind == SUM_SQUARE) one[k] += (x - mean) * (x - mean);
            if (kind < SUM_DY) continue;
            dy = vec_load(s->dy + at);
            if (kind == SUM_DY_MASKED) dy = vec_masked(dy, vec_load(s->y + at));
            one[k] += dy;
            two[k] += dy * ((x - mean) * rstd);
        }
    }
    out[0] = (one[0] + one[1]) + (one[2] + one[3]);
    out[1] = (two[0] + two[1]) + (two[2] + two[3]);
}

/* The same for one column of the rest, in the same order: how wide VEC is must not show. */
TMB_INLINE void sum_column(const column_job *s, int64_t j, sum_kind kind, float out[2])
{
    float one[4] = {0}, two[4] = {0};

    for (int64_t r = 0; r < s->rows; r++) {
        const int64_t at = r * s->c + j;
        float dy;

        if (kind == SUM_X) one[r % 4] += s->x[at];
        if (kind == SUM_SQUARE) one[r % 4] += (s->x[at] - s->mean[j]) * (s->x[at] - s->mean[j]);
        if (kind < SUM_DY) continue;
        dy = kind == SUM_DY_MASKED && !(s->y[at] > 0) ? 0 : s->dy[at];
        one[r % 4] += dy;
        two[r % 4] += dy * ((s->x[at] - s->mean[j]) * s->rstd[j]);
    }
    out[0] = (one[0] + one[1]) + (one[2] + one[3]);
    out[1] = (two[0] + two[1]) + (two[2] + two[3]);
}

TMB_INLINE void all_columns(const column_job *s, sum_kind kind, float *one, float *two)
{
    int64_t j = 0;

    for (; j + VEC <= s->c; j += VEC) {
        vec sums[2];

        sum_columns(s, j, kind, sums);
        vec_store(one + j, sums[0]);
        if (two) vec_store(two + j, sums[1]);
    }
    for (; j < s->c; j++) {
        float sums[2];

        sum_column(s, j, kind, sums);
        one[j] = sums[0];
        if (two) two[j] = sums[1];
    }
}

static void column_sums(const float *x, int64_t rows, int64_t c, float *sums)
{
    const column_job job = {.x = x, .rows = rows, .c = c};

    all_columns(&job, SUM_X, sums, NULL);
}

/* In two passes: the second is free of the cancellation that a sum of squares suffers from. */
static void moments(const float *x, int64_t rows, int64_t c, float *mean, float *squares)
{
    const column_job job = {.x = x, .mean = mean, .rows = rows, .c = c};

    column_sums(x, rows, c, mean);
    for (int64_t j = 0; j < c; j++)
        mean[j] /= (float)rows;
    all_columns(&job, SUM_SQUARE, squares, NULL);
}

static void bn_sums(
        const cpu_bn_bwd *s, const float *dy, const float *x, float *plain, float *slope)
{
    const column_job job = {.x = x,
            .dy = dy,
            .y = s->y,
            .mean = s->mean,
            .rstd = s->rstd,
            .rows = s->rows,
            .c = s->c};

    if (s->y)
        all_columns(&job, SUM_DY_MASKED, plain, slope);
    else
        all_columns(&job, SUM_DY, plain, slope);
}

static double squares(const float *x, int64_t n)
{
    enum { LANES = 16 };
    double total = 0;

    for (int64_t from = 0; from < n; from += 1024) {
        const int64_t to = n - from < 1024 ? n : from + 1024;
        vec lanes[LANES / VEC];
        int64_t i = from;

        for (int v = 0; v < LANES / VEC; v++)
            lanes[v] = vec_all(0);
        for (; i + LANES <= to; i += LANES) {
            TMB_UNROLL(8)
            for (int v = 0; v < LANES / VEC; v++)
                lanes[v] += vec_load(x + i + v * VEC) * vec_load(x + i + v * VEC);
        }
        for (; i < to; i++)
            total += (double)x[i] * x[i];
        for (int k = 0; k < LANES; k++)
            total += lanes[k / VEC][k % VEC];
    }
    return total;
}

/* ---- batch normalisation ---- */

static void bn(const cpu_bn *s, const float *x, float *y)
{
    const float *restrict mean = s->mean, *restrict factor = s->scale, *restrict shift = s->shift;
    const int64_t c = s->c;

    for (int64_t r = 0; r < s->rows; r++, x += c, y += c) {
        if (s->relu) {
            for (int64_t j = 0; j < c; j++)
                y[j] = rectify((x[j] - mean[j]) * factor[j] + shift[j]);
        } else {
            for (int64_t j = 0; j < c; j++)
                y[j] = (x[j] - mean[j]) * factor[j] + shift[j];
        }
    }
}

static void bn_bwd(const cpu_bn_bwd *s, const float *dy, const float *x, float *dx)
{
    const float *restrict mean = s->mean, *restrict factor = s->scale;
    const float *restrict shift = s->shift, *restrict slope = s->slope, *y = s->y;
    const int64_t c = s->c;

    for (int64_t r = 0; r < s->rows; r++, x += c, dy += c, dx += c) {
        if (s->y) {
            for (int64_t j = 0; j < c; j++) {
                const float d = y[j] > 0 ? dy[j] : 0;

                dx[j] = factor[j] * (d - shift[j] - (x[j] - mean[j]) * slope[j]);
            }
            y += c;
        } else {
            for (int64_t j = 0; j < c; j++)
                dx[j] = factor[j] * (dy[j] - shift[j] - (x[j] - mean[j]) * slope[j]);
        }
    }
}

/* ---- optimizer steps ---- */

static void sgd(const cpu_step *s)
{
    const float rate = s->lr * s->clip, momentum = s->momentum, decay = s->decay;
    const float *restrict g = s->g;
    float *restrict w = s->w, *restrict v = s->m;

    if (!v) {
        for (int64_t i = 0; i < s->n; i++)
            w[i] = w[i] * decay - rate * g[i];
    } else if (s->nesterov) {
        for (int64_t i = 0; i < s->n; i++) {
            v[i] = momentum * v[i] - rate * g[i];
            w[i] = w[i] * decay + (momentum * v[i] - rate * g[i]);
        }
    } else {
        for (int64_t i = 0; i < s->n; i++) {
            v[i] = momentum * v[i] - rate * g[i];
            w[i] = w[i] * decay + v[i];
        }
    }
}

/* lr g / rms, where `mean` is 0 unless centered. */
TMB_INLINE float rms_move(const cpu_step *s, float g, float square, float mean, bool outside)
{
    const float difference = square - mean * mean, variance = difference > 0 ? difference : 0;

    return s->lr * g / (outside ? sqrtf(variance) + s->eps : sqrtf(variance + s->eps));
}

static void rmsprop_plain(const cpu_step *s)
{
    const cpu_step k = *s;
    const float rest = 1 - k.rho;
    const float *restrict g = k.g;
    float *restrict w = k.w, *restrict v = k.v;

    if (k.eps_outside) {
        for (int64_t i = 0; i < k.n; i++) {
            const float ge = k.clip * g[i];

            v[i] = k.rho * v[i] + rest * (ge * ge);
            w[i] = w[i] * k.decay - rms_move(&k, ge, v[i], 0, true);
        }
        return;
    }
    for (int64_t i = 0; i < k.n; i++) {
        const float ge = k.clip * g[i];

        v[i] = k.rho * v[i] + rest * (ge * ge);
        w[i] = w[i] * k.decay - rms_move(&k, ge, v[i], 0, false);
    }
}

static void rmsprop(const cpu_step *s)
{
    const cpu_step k = *s;

    if (!k.m && !k.centre) {
        rmsprop_plain(s);
        return;
    }
    for (int64_t i = 0; i < k.n; i++) {
        const float ge = k.clip * k.g[i], square = k.rho * k.v[i] + (1 - k.rho) * (ge * ge);
        const float mean = k.centre ? k.rho * k.centre[i] + (1 - k.rho) * ge : 0;
        float move = rms_move(&k, ge, square, mean, k.eps_outside);

        if (k.m) move += k.momentum * k.m[i];
        k.v[i] = square;
        if (k.centre) k.centre[i] = mean;
        if (k.m) k.m[i] = move;
        k.w[i] = k.w[i] * k.decay - move;
    }
}

/* lr already holds the correction of the first steps. */
static void adam(const cpu_step *s)
{
    const cpu_step k = *s;
    const float *restrict g = k.g;
    float *restrict w = k.w, *restrict m = k.m, *restrict v = k.v;

    if (k.vmax) {
        for (int64_t i = 0; i < k.n; i++) {
            const float ge = k.clip * g[i];

            m[i] += (ge - m[i]) * (1 - k.beta1);
            v[i] += (ge * ge - v[i]) * (1 - k.beta2);
            k.vmax[i] = v[i] > k.vmax[i] ? v[i] : k.vmax[i];
            w[i] = w[i] * k.decay - k.lr * m[i] / (sqrtf(k.vmax[i]) + k.eps);
        }
        return;
    }
    for (int64_t i = 0; i < k.n; i++) {
        const float ge = k.clip * g[i];

        m[i] += (ge - m[i]) * (1 - k.beta1);
        v[i] += (ge * ge - v[i]) * (1 - k.beta2);
        w[i] = w[i] * k.decay - k.lr * m[i] / (sqrtf(v[i]) + k.eps);
    }
}

static void adagrad(const cpu_step *s)
{
    const cpu_step k = *s;
    const float *restrict g = k.g;
    float *restrict w = k.w, *restrict v = k.v;

    for (int64_t i = 0; i < k.n; i++) {
        const float ge = k.clip * g[i];

        v[i] += ge * ge;
        w[i] = w[i] * k.decay - rms_move(&k, ge, v[i], 0, k.eps_outside);
    }
}

static void adadelta(const cpu_step *s)
{
    const cpu_step k = *s;
    const float *restrict g = k.g;
    float *restrict w = k.w, *restrict v = k.v, *restrict d = k.m;

    for (int64_t i = 0; i < k.n; i++) {
        const float ge = k.clip * g[i], square = k.rho * v[i] + (1 - k.rho) * (ge * ge);
        const float move = ge * sqrtf(d[i] + k.eps) / sqrtf(square + k.eps);

        v[i] = square;
        d[i] = k.rho * d[i] + (1 - k.rho) * (move * move);
        w[i] = w[i] * k.decay - k.lr * move;
    }
}

/* lr already holds the correction of the first steps. */
static void adamax(const cpu_step *s)
{
    const cpu_step k = *s;
    const float *restrict g = k.g;
    float *restrict w = k.w, *restrict m = k.m, *restrict u = k.v;

    for (int64_t i = 0; i < k.n; i++) {
        const float ge = k.clip * g[i], size = fabsf(ge), before = k.beta2 * u[i];

        m[i] += (ge - m[i]) * (1 - k.beta1);
        u[i] = size > before ? size : before;
        w[i] = w[i] * k.decay - k.lr * m[i] / (u[i] + k.eps);
    }
}

static void nadam(const cpu_step *s)
{
    const cpu_step k = *s;
    const float *restrict g = k.g;
    float *restrict w = k.w, *restrict m = k.m, *restrict v = k.v;

    for (int64_t i = 0; i < k.n; i++) {
        const float ge = k.clip * g[i];

        m[i] += (ge - m[i]) * (1 - k.beta1);
        v[i] += (ge * ge - v[i]) * (1 - k.beta2);
        w[i] = w[i] * k.decay -
                k.lr * (k.ahead * m[i] + k.here * ge) / (sqrtf(k.unbias * v[i]) + k.eps);
    }
}

static void lion(const cpu_step *s)
{
    const cpu_step k = *s;
    const float *restrict g = k.g;
    float *restrict w = k.w, *restrict m = k.m;

    for (int64_t i = 0; i < k.n; i++) {
        const float ge = k.clip * g[i], way = k.beta1 * m[i] + (1 - k.beta1) * ge;

        m[i] = k.beta2 * m[i] + (1 - k.beta2) * ge;
        w[i] = w[i] * k.decay - (way > 0 ? k.lr : way < 0 ? -k.lr : 0);
    }
}

const cpu_simd SIMD(simd) = {
        .pool_max = pool_max,
        .pool_max_bwd = pool_max_bwd,
        .pool_mean = pool_mean,
        .pool_mean_bwd = pool_mean_bwd,
        .relu = relu,
        .act = act,
        .act_bwd = act_bwd,
        .bias = bias,
        .relu_bwd = relu_bwd,
        .add = add,
        .scale = scale,
        .sum_parts = sum_parts,
        .column_sums = column_sums,
        .moments = moments,
        .bn = bn,
        .bn_sums = bn_sums,
        .bn_bwd = bn_bwd,
        .squares = squares,
        .sgd = sgd,
        .rmsprop = rmsprop,
        .adam = adam,
        .adagrad = adagrad,
        .adadelta = adadelta,
        .adamax = adamax,
        .nadam = nadam,
        .lion = lion,
        .ema = ema,
        .gemm = SIMD(gemm),
        .wino = SIMD(wino),
        .wino_weights = SIMD(wino_weights),
        .wino_spread = SIMD(wino_spread),
        .wino_panel = SIMD(wino_panel),
        .wino_part = SIMD(wino_part),
        .wino_pack = SIMD(wino_pack),
};
