/* cpu_bf16_dense.c - the kernels of cpu_bf16.h for dense layers
 *
 * Each works on some rows of the kernel and all samples, and reads those rows once, from their first
 * number to their last: the kernel does not fit into the caches, all else does. */
#include "cpu_bf16_vec.h"

#include <string.h>

enum { STRIP = 64 }; /* rows of the kernel at a time, forward */

/* 32 numbers from `at` on, those not in `mask` are 0. */
static __m512i load_32(const float *at, __mmask32 mask)
{
    return load_half(&(cpu_bf16_source){.at = at}, 0, mask);
}

/* Besides the samples and 32 rows of the kernel in bf16: sums in f32, forward, and places of steps. */
int64_t tmb__cpu_bf16_dense_space(int64_t n, int64_t units)
{
    const int64_t samples = cpu_up_to(n, 32), columns = cpu_up_to(units, 32);
    const int64_t forward = samples * STRIP + 4 * TILE + 2 * samples * columns;
    const int64_t places = 4 * (samples + columns) / 32;
    const int64_t back = samples * columns + 32 * (samples > columns ? samples : columns) + places;

    return forward > back ? forward : back;
}

/* ---- forward ---- */

/* Rows k .. k + STRIP of x's columns: tiles (samples / 16, 2). */
static void put_samples(const cpu_bf16_dense *s, int64_t k, cpu_bf16 *to)
{
    for (int64_t i = 0; i < cpu_up_to(s->n, TILE_SIDE); i++) {
        cpu_bf16 *row = to + i / TILE_SIDE * 2 * TILE + i % TILE_SIDE * TILE_DEPTH;

        for (int64_t h = 0; h < 2; h++)
            _mm512_storeu_si512(row + h * TILE,
                    load_32(s->x + i * s->in + k + h * TILE_DEPTH,
                            i < s->n ? first_half(s->to - k - h * TILE_DEPTH) : 0));
    }
}

/* STRIP rows from k on of the kernel's columns u .. u + 31, by pairs: 2 x 2 tiles. */
static void put_kernel(const cpu_bf16_dense *s, int64_t k, int64_t u, cpu_bf16 *to)
{
    const __mmask32 mask = first_half(s->units - u);

    for (int64_t r = 0; r < STRIP; r += 2, k += 2) {
        const float *w = s->w + k * s->units + u;
        cpu_bf16 *row = to + r / TILE_DEPTH * 2 * TILE + r % TILE_DEPTH * TILE_SIDE;
        __m512i low, high;

        pair_up(load_32(w, k < s->to ? mask : 0), load_32(w + s->units, k + 1 < s->to ? mask : 0),
                &low, &high);
        _mm512_storeu_si512(row, low);
        _mm512_storeu_si512(row + TILE, high);
    }
}

/* Shares (units / 16, samples, 16), from the second strip on added to. */
static void dense_forward(const cpu_bf16_dense *s)
{
    const int64_t samples = cpu_up_to(s->n, TILE_SIDE);
    cpu_bf16 *x = s->space, *w = x + samples * STRIP;
    float *sums = (float *)(void *)(w + 4 * TILE);
    static const int32_t at_a[] = {0, TILE}, at_b[] = {0, 2 * TILE};
    cpu_product m = {.b = {w},
            .a_at = at_a,
            .b_at = at_b,
            .a_stride = TILE_DEPTH,
            .steps = 2,
            .c_stride = TILE_SIDE,
            .c_other = samples * TILE_SIDE};

    s->tiles->begin();
    for (int64_t k = s->from; k < s->to; k += STRIP) {
        put_samples(s, k, x);
        m.add = k > s->from;
        for (int64_t u = 0; u < s->units; u += 32) {
            put_kernel(s, k, u, w);
            for (int64_t i = 0; i < s->n; i += 32) {
                m.a[0] = x + i * STRIP;
                m.a[1] = m.a[0] + TILE_SIDE * STRIP;
                m.b[1] = s->units - u > TILE_SIDE ? w + TILE : NULL;
                m.rows = s->n - i < 32 ? s->n - i : 32;
                m.c = sums + u * samples + i * TILE_SIDE;
                s->tiles->multiply(&m);
            }
        }
    }
    s->tiles->end();
    for (int64_t i = 0; i < s->n; i++) {
        for (int64_t u = 0; u < s->units; u += TILE_SIDE)
            _mm512_mask_storeu_ps(s->out + i * s->units + u, first(s->units - u),
                    _mm512_loadu_ps(sums + u * samples + i * TILE_SIDE));
    }
}

/* ---- gradient to the data: dx^T = w dy^T ---- */

/* dy^T by pairs of units: tiles (samples / 16, units / 32). */
static void put_turned_dy(const cpu_bf16_dense *s, cpu_bf16 *to)
{
    __m512i r[16];

    for (int64_t i = 0; i < s->n; i += TILE_SIDE) {
        for (int64_t u = 0; u < s->units; u += TILE_DEPTH, to += TILE) {
            for (int64_t j = 0; j < 16; j++)
                r[j] = load_32(s->dy + (i + j) * s->units + u,
                        i + j < s->n ? first_half(s->units - u) : 0);
            transpose(r);
            for (int64_t j = 0; j < 16; j++)
                _mm512_storeu_si512(to + j * TILE_DEPTH, r[j]);
        }
    }
}

/* 32 rows of the kernel from k on: tiles (units / 32, 2). */
static void put_rows(const cpu_bf16_dense *s, int64_t k, cpu_bf16 *to)
{
    for (int64_t j = 0; j < 32; j++) {
        for (int64_t u = 0; u < s->units; u += 32)
            _mm512_storeu_si512(to + u * 32 + j * TILE_DEPTH,
                    load_32(s->w + (k + j) * s->units + u,
                            k + j < s->to ? first_half(s->units - u) : 0));
    }
}

/* 16 of them by 16 samples, to the samples' rows from i on and columns from k on. */
static void put_data(const cpu_bf16_dense *s, const float *c, int64_t k, int64_t i)
{
    __m512i r[16];

    for (int j = 0; j < 16; j++)
        r[j] = _mm512_load_si512(c + j * TILE_SIDE);
    transpose(r);
    for (int64_t j = 0; j < 16 && i + j < s->n; j++)
        _mm512_mask_storeu_ps(
                s->out + (i + j) * s->in + k, first(s->to - k), _mm512_castsi512_ps(r[j]));
}

static void dense_data(const cpu_bf16_dense *s)
{
    const int64_t columns = cpu_up_to(s->units, 32), samples = cpu_up_to(s->n, 32);
    cpu_bf16 *dy = s->space, *w = dy + samples * columns;
    int32_t *at = (int32_t *)(void *)(w + 32 * columns);
    float c[4 * FLOATS] __attribute__((aligned(64)));
    cpu_product m = {.a = {w, w + TILE},
            .a_at = at,
            .b_at = at + columns / 32,
            .a_stride = TILE_DEPTH,
            .steps = columns / 32,
            .rows = 32,
            .c = c,
            .c_stride = TILE_SIDE,
            .c_other = 2 * FLOATS};

    for (int64_t u = 0; u < m.steps; u++) {
        at[u] = (int32_t)(2 * u * TILE);
        at[m.steps + u] = (int32_t)(u * TILE);
    }
    put_turned_dy(s, dy);
    s->tiles->begin();
    for (int64_t k = s->from; k < s->to; k += 32) {
        put_rows(s, k, w);
        for (int64_t i = 0; i < s->n; i += 32) {
            m.b[0] = dy + i * columns;
            m.b[1] = s->n - i > TILE_SIDE ? m.b[0] + TILE_SIDE * columns : NULL;
            s->tiles->multiply(&m);
            for (int t = 0; t < (m.b[1] ? 4 : 2); t++)
                put_data(s, c + t * FLOATS, k + t % 2 * 16, i + t / 2 * 16);
        }
    }
    s->tiles->end();
}

/* ---- gradient to the kernel: dw = x^T dy ---- */

/* dy by pairs of samples: tiles (samples / 32, units / 16). */
static void put_dy(const cpu_bf16_dense *s, cpu_bf16 *to)
{
    for (int64_t i = 0; i < s->n; i += 32) {
        for (int64_t u = 0; u < s->units; u += 32, to += 2 * TILE) {
            const __mmask32 mask = first_half(s->units - u);

            for (int64_t j = i; j < i + 32; j += 2) {
                const float *dy = s->dy + j * s->units + u;
                cpu_bf16 *row = to + (j - i) * TILE_SIDE;
                __m512i low, high;

                pair_up(load_32(dy, j < s->n ? mask : 0),
                        load_32(dy + s->units, j + 1 < s->n ? mask : 0), &low, &high);
                _mm512_storeu_si512(row, low);
                _mm512_storeu_si512(row + TILE, high);
            }
        }
    }
}

/* Columns k .. k + 31 of x, turned: tiles (samples / 32, 2). */
static void put_turned_x(const cpu_bf16_dense *s, int64_t k, cpu_bf16 *to)
{
    const __mmask32 mask = first_half(s->to - k);
    __m512i low[16], high[16];

    for (int64_t i = 0; i < s->n; i += 32, to += 2 * TILE) {
        for (int64_t j = 0; j < 16; j++) {
            const int64_t at = i + 2 * j;
            const float *x = s->x + at * s->in + k;

            pair_up(load_32(x, at < s->n ? mask : 0), load_32(x + s->in, at + 1 < s->n ? mask : 0),
                    &low[j], &high[j]);
        }
        transpose(low);
        transpose(high);
        for (int64_t j = 0; j < 16; j++) {
            _mm512_storeu_si512(to + j * TILE_DEPTH, low[j]);
            _mm512_storeu_si512(to + TILE + j * TILE_DEPTH, high[j]);
        }
    }
}

/* 32 rows by 32 columns, (2, 32, 16), to those rows from k on and columns from u on that there are. */
static void put_gradient(const cpu_bf16_dense *s, const float *c, int64_t k, int64_t u)
{
    float *to = s->out + k * s->units + u;

    for (int64_t i = 0; i < 32 && k + i < s->to; i++, c += TILE_SIDE, to += s->units) {
        _mm512_mask_storeu_ps(to, first(s->units - u), _mm512_load_ps(c));
        _mm512_mask_storeu_ps(to + 16, first(s->units - u - 16), _mm512_load_ps(c + 2 * FLOATS));
    }
}

static void dense_weights(const cpu_bf16_dense *s)
{
    const int64_t columns = cpu_up_to(s->units, 32), samples = cpu_up_to(s->n, 32);
    cpu_bf16 *dy = s->space, *x = dy + samples * columns;
    int32_t *at = (int32_t *)(void *)(x + samples * 32);
    float c[4 * FLOATS] __attribute__((aligned(64)));
    cpu_product m = {.a = {x, x + TILE},
            .a_at = at,
            .b_at = at + samples / 32,
            .a_stride = TILE_DEPTH,
            .steps = samples / 32,
            .rows = 32};

    for (int64_t i = 0; i < m.steps; i++) {
        at[i] = (int32_t)(2 * i * TILE);
        at[m.steps + i] = (int32_t)(i * columns * 32);
    }
    put_dy(s, dy);
    s->tiles->begin();
    for (int64_t k = s->from; k < s->to; k += 32) {
        put_turned_x(s, k, x);
        for (int64_t u = 0; u < s->units; u += 32) {
            const bool whole = k + 32 <= s->to && u + 32 <= s->units;

            m.b[0] = dy + u * 32;
            m.b[1] = s->units - u > TILE_SIDE ? m.b[0] + TILE : NULL;
            m.c = whole ? s->out + k * s->units + u : c;
            m.c_stride = whole ? s->units : TILE_SIDE;
            m.c_other = whole ? TILE_SIDE : 2 * FLOATS;
            s->tiles->multiply(&m);
            if (!whole) put_gradient(s, c, k, u);
        }
    }
    s->tiles->end();
}

const cpu_bf16_dense_table tmb__cpu_bf16_dense = {
        .forward = dense_forward,
        .data = dense_data,
        .weights = dense_weights,
};
