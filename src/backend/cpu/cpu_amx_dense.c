/* cpu_amx_dense.c - the kernels of cpu_amx.h for dense layers
 *
 * Each works on some rows of the kernel and all samples, and reads those rows once, from their first
 * number to their last: the kernel does not fit into the caches, all else does. */
#include "cpu_amx_tile.h"

#include <string.h>

enum { STRIP = 64 }; /* rows of the kernel at a time, forward */

static int64_t up_to(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* 32 numbers from `at` on, those not in `mask` are 0. */
static __m512i load_32(const float *at, __mmask32 mask)
{
    return load_half(&(cpu_amx_source){.at = at}, 0, mask);
}

int64_t tmb__cpu_amx_dense_space(int64_t n, int64_t units)
{
    const int64_t samples = up_to(n, 32), columns = up_to(units, 32);
    const int64_t forward = samples * STRIP + 4 * AMX_TILE + 2 * samples * columns;
    const int64_t back = (samples + AMX_SIDE) * columns + 2 * samples * AMX_SIDE + 4 * AMX_TILE;

    return forward > back ? forward : back;
}

/* ---- forward ---- */

/* Rows k .. k + STRIP of x's columns: tiles (samples / 16, 2). */
static void put_samples(const cpu_amx_dense *s, int64_t k, cpu_bf16 *to)
{
    for (int64_t i = 0; i < up_to(s->n, AMX_SIDE); i++) {
        cpu_bf16 *row = to + i / AMX_SIDE * 2 * AMX_TILE + i % AMX_SIDE * AMX_DEPTH;

        for (int64_t h = 0; h < 2; h++)
            _mm512_storeu_si512(row + h * AMX_TILE,
                    load_32(s->x + i * s->in + k + h * AMX_DEPTH,
                            i < s->n ? first_half(s->to - k - h * AMX_DEPTH) : 0));
    }
}

/* STRIP rows from k on of the kernel's columns u .. u + 31, by pairs: 2 x 2 tiles. */
static void put_kernel(const cpu_amx_dense *s, int64_t k, int64_t u, cpu_bf16 *to)
{
    const __mmask32 mask = first_half(s->units - u);

    for (int64_t r = 0; r < STRIP; r += 2, k += 2) {
        const float *w = s->w + k * s->units + u;
        cpu_bf16 *row = to + r / AMX_DEPTH * 2 * AMX_TILE + r % AMX_DEPTH * AMX_SIDE;
        __m512i low, high;

        pair_up(load_32(w, k < s->to ? mask : 0), load_32(w + s->units, k + 1 < s->to ? mask : 0),
                &low, &high);
        _mm512_storeu_si512(row, low);
        _mm512_storeu_si512(row + AMX_TILE, high);
    }
}

static void dense_forward(const cpu_amx_dense *s)
{
    const int64_t tiles = up_to(s->n, AMX_SIDE) / AMX_SIDE, columns = up_to(s->units, 32);
    cpu_bf16 *x = s->space, *w = x + tiles * 2 * AMX_TILE;
    float *sums = (float *)(void *)(w + 4 * AMX_TILE);

    memset(sums, 0, (size_t)(tiles * AMX_SIDE * columns) * sizeof *sums);
    tiles_begin();
    for (int64_t k = s->from; k < s->to; k += STRIP) {
        put_samples(s, k, x);
        for (int64_t u = 0; u < s->units; u += 32) {
            put_kernel(s, k, u, w);
            for (int64_t t = 0; t < tiles; t++) {
                float *c = sums + (t * columns + u) * AMX_SIDE;

                _tile_loadd(0, c, 64);
                _tile_loadd(1, c + FLOATS, 64);
                for (int h = 0; h < 2; h++) {
                    _tile_loadd(4, x + (2 * t + h) * AMX_TILE, 64);
                    _tile_loadd(6, w + 2 * h * AMX_TILE, 64);
                    _tile_loadd(7, w + (2 * h + 1) * AMX_TILE, 64);
                    _tile_dpbf16ps(0, 4, 6);
                    _tile_dpbf16ps(1, 4, 7);
                }
                _tile_stored(0, c, 64);
                _tile_stored(1, c + FLOATS, 64);
            }
        }
    }
    tiles_end();
    for (int64_t i = 0; i < s->n; i++) {
        const float *c = sums + i / AMX_SIDE * columns * AMX_SIDE + i % AMX_SIDE * AMX_SIDE;

        for (int64_t u = 0; u < s->units; u += AMX_SIDE)
            _mm512_mask_storeu_ps(s->out + i * s->units + u, first(s->units - u),
                    _mm512_loadu_ps(c + u * AMX_SIDE));
    }
}

/* ---- gradient to the data: dx^T = w dy^T ---- */

/* dy^T by pairs of units: tiles (samples / 16, units / 32). */
static void put_turned_dy(const cpu_amx_dense *s, cpu_bf16 *to)
{
    __m512i r[16];

    for (int64_t i = 0; i < s->n; i += AMX_SIDE) {
        for (int64_t u = 0; u < s->units; u += AMX_DEPTH, to += AMX_TILE) {
            for (int64_t j = 0; j < 16; j++)
                r[j] = load_32(s->dy + (i + j) * s->units + u,
                        i + j < s->n ? first_half(s->units - u) : 0);
            transpose(r);
            for (int64_t j = 0; j < 16; j++)
                _mm512_storeu_si512(to + j * AMX_DEPTH, r[j]);
        }
    }
}

static void dense_data(const cpu_amx_dense *s)
{
    const int64_t columns = up_to(s->units, 32), samples = up_to(s->n, AMX_SIDE);
    cpu_bf16 *dy = s->space, *w = dy + samples * columns;
    float c[FLOATS] __attribute__((aligned(64)));
    __m512i r[16];

    put_turned_dy(s, dy);
    tiles_begin();
    for (int64_t k = s->from; k < s->to; k += AMX_SIDE) {
        for (int64_t j = 0; j < AMX_SIDE; j++) {
            for (int64_t u = 0; u < s->units; u += 32)
                _mm512_storeu_si512(w + u * AMX_SIDE + j * AMX_DEPTH,
                        load_32(s->w + (k + j) * s->units + u,
                                k + j < s->to ? first_half(s->units - u) : 0));
        }
        for (int64_t i = 0; i < s->n; i += AMX_SIDE) {
            _tile_zero(0);
            for (int64_t u = 0; u < s->units; u += 32) {
                _tile_loadd(4, w + u * AMX_SIDE, 64);
                _tile_loadd(6, dy + i * columns + u * AMX_SIDE, 64);
                _tile_dpbf16ps(0, 4, 6);
            }
            _tile_stored(0, c, 64);
            for (int j = 0; j < 16; j++)
                r[j] = _mm512_load_si512(c + j * AMX_SIDE);
            transpose(r);
            for (int64_t j = 0; j < 16 && i + j < s->n; j++)
                _mm512_mask_storeu_ps(
                        s->out + (i + j) * s->in + k, first(s->to - k), _mm512_castsi512_ps(r[j]));
        }
    }
    tiles_end();
}

/* ---- gradient to the kernel: dw = x^T dy ---- */

/* dy by pairs of samples: tiles (samples / 32, units / 16). */
static void put_dy(const cpu_amx_dense *s, cpu_bf16 *to)
{
    for (int64_t i = 0; i < s->n; i += 32) {
        for (int64_t u = 0; u < s->units; u += 32, to += 2 * AMX_TILE) {
            const __mmask32 mask = first_half(s->units - u);

            for (int64_t j = i; j < i + 32; j += 2) {
                const float *dy = s->dy + j * s->units + u;
                cpu_bf16 *row = to + (j - i) * AMX_SIDE;
                __m512i low, high;

                pair_up(load_32(dy, j < s->n ? mask : 0),
                        load_32(dy + s->units, j + 1 < s->n ? mask : 0), &low, &high);
                _mm512_storeu_si512(row, low);
                _mm512_storeu_si512(row + AMX_TILE, high);
            }
        }
    }
}

/* Columns k .. k + 31 of x, turned: tiles (samples / 32, 2). */
static void put_turned_x(const cpu_amx_dense *s, int64_t k, cpu_bf16 *to)
{
    const __mmask32 mask = first_half(s->to - k);
    __m512i low[16], high[16];

    for (int64_t i = 0; i < s->n; i += 32, to += 2 * AMX_TILE) {
        for (int64_t j = 0; j < 16; j++) {
            const int64_t at = i + 2 * j;
            const float *x = s->x + at * s->in + k;

            pair_up(load_32(x, at < s->n ? mask : 0), load_32(x + s->in, at + 1 < s->n ? mask : 0),
                    &low[j], &high[j]);
        }
        transpose(low);
        transpose(high);
        for (int64_t j = 0; j < 16; j++) {
            _mm512_storeu_si512(to + j * AMX_DEPTH, low[j]);
            _mm512_storeu_si512(to + AMX_TILE + j * AMX_DEPTH, high[j]);
        }
    }
}

/* The four tiles, 32 rows by 32 columns, to rows k and columns u of dw. */
static void put_gradient(const cpu_amx_dense *s, int64_t k, int64_t u)
{
    float *to = s->out + k * s->units + u;
    float c[4 * FLOATS] __attribute__((aligned(64)));

    if (k + 32 <= s->to && u + 32 <= s->units) {
        _tile_stored(0, to, s->units * 4);
        _tile_stored(1, to + AMX_SIDE, s->units * 4);
        to += AMX_SIDE * s->units;
        _tile_stored(2, to, s->units * 4);
        _tile_stored(3, to + AMX_SIDE, s->units * 4);
        return;
    }
    store_all(c);
    for (int64_t i = 0; i < 32 && k + i < s->to; i++, to += s->units) {
        const float *row = c + i / AMX_SIDE * 2 * FLOATS + i % AMX_SIDE * AMX_SIDE;

        _mm512_mask_storeu_ps(to, first(s->units - u), _mm512_load_ps(row));
        _mm512_mask_storeu_ps(to + 16, first(s->units - u - 16), _mm512_load_ps(row + FLOATS));
    }
}

static void dense_weights(const cpu_amx_dense *s)
{
    const int64_t columns = up_to(s->units, 32), samples = up_to(s->n, 32);
    cpu_bf16 *dy = s->space, *x = dy + samples * columns;

    put_dy(s, dy);
    tiles_begin();
    for (int64_t k = s->from; k < s->to; k += 32) {
        put_turned_x(s, k, x);
        for (int64_t u = 0; u < s->units; u += 32) {
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            for (int64_t i = 0; i < s->n; i += 32) {
                _tile_loadd(4, x + i * 32, 64);
                _tile_loadd(5, x + i * 32 + AMX_TILE, 64);
                _tile_loadd(6, dy + i * columns + u * 32, 64);
                _tile_loadd(7, dy + i * columns + u * 32 + AMX_TILE, 64);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            put_gradient(s, k, u);
        }
    }
    tiles_end();
}

const cpu_amx_dense_table tmb__cpu_amx_dense = {
        .forward = dense_forward,
        .data = dense_data,
        .weights = dense_weights,
};
