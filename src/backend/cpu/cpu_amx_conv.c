/* cpu_amx_conv.c - the kernels of cpu_amx.h that pack and convolve */
#include "cpu_amx_tile.h"

#include <string.h>

enum { HALF_L2 = 1 << 20 };

/* ---- the kernel ---- */

/* One row of 16 pairs of a tile: numbers `depth` and the next of channels o .. o + 15; numbers with
 * no place in the kernel are 0. */
static __m512 thin_row(const cpu_amx *s, const cpu_amx_kernel *k, int64_t depth, int64_t o)
{
    const int64_t x = depth / s->entry, at = depth % s->entry, y = at / s->in, i = at % s->in;

    if (x >= s->kw || y >= s->kh) return _mm512_setzero_ps();
    return _mm512_maskz_loadu_ps(
            first(s->out - o), k->w + ((y * s->kw + x) * k->in + i) * k->out + o);
}

static __m512 plain_row(
        const cpu_amx *s, const cpu_amx_kernel *k, int64_t tap, int64_t i, int64_t o)
{
    if (i >= s->in) return _mm512_setzero_ps();
    return _mm512_maskz_loadu_ps(first(s->out - o), k->w + (tap * k->in + i) * k->out + o);
}

/* The tile of a turned kernel: its rows are the columns of w. */
static void pack_turned(
        const cpu_amx *s, const cpu_amx_kernel *k, int64_t tap, int64_t i, int64_t o, cpu_bf16 *to)
{
    const float *w = k->w + (s->kh * s->kw - 1 - tap) * k->in * k->out;
    __m512i r[16];

    for (int j = 0; j < 16; j++) {
        const float *row = w + (o + j) * k->out + i;

        r[j] = o + j < s->out ? to_bf16(_mm512_maskz_loadu_ps(first(s->in - i), row),
                                        _mm512_maskz_loadu_ps(first(s->in - i - 16), row + 16))
                              : _mm512_setzero_si512();
    }
    transpose(r);
    for (int j = 0; j < 16; j++)
        _mm512_storeu_si512(to + j * AMX_DEPTH, r[j]);
}

static void pack(const cpu_amx *s, const cpu_amx_kernel *k, int64_t block, cpu_bf16 *packed)
{
    const int64_t taps = s->kh * s->kw;

    for (int64_t e = 0; e < 2 * s->steps; e++) {
        const int64_t step = e / 2, o = block * 32 + e % 2 * AMX_SIDE;
        const int64_t tap = step % taps, i = step / taps * AMX_DEPTH;
        cpu_bf16 *to = packed + (block * s->steps * 2 + e) * AMX_TILE;

        if (k->turned) {
            pack_turned(s, k, tap, i, o, to);
            continue;
        }
        for (int64_t r = 0; r < AMX_SIDE; r++) {
            const int64_t at = i + 2 * r, depth = step * AMX_DEPTH + 2 * r;
            const __m512 low = s->thin ? thin_row(s, k, depth, o) : plain_row(s, k, tap, at, o);
            const __m512 high =
                    s->thin ? thin_row(s, k, depth + 1, o) : plain_row(s, k, tap, at + 1, o);

            _mm512_storeu_si512(to + r * AMX_DEPTH, pairs(low, high));
        }
    }
}

/* ---- the picture ---- */

/* Pixels of 32 channels, block by block, with their padding. */
static void put_blocks(const cpu_amx *s, const float *x, cpu_bf16 *to)
{
    for (int64_t i = 0; i < s->in; i += AMX_DEPTH, to += s->rows * s->pitch * AMX_DEPTH) {
        const __mmask16 low = first(s->in - i), high = first(s->in - i - 16);

        for (int64_t y = 0; y < s->rows; y++) {
            const int64_t iy = y - s->pad_top;
            cpu_bf16 *row = to + y * s->pitch * AMX_DEPTH;
            const float *from = x + iy * s->w * s->in + i;

            if (iy < 0 || iy >= s->h) {
                memset(row, 0, (size_t)(s->pitch * AMX_DEPTH) * sizeof *row);
                continue;
            }
            memset(row, 0, (size_t)(s->pad_left * AMX_DEPTH) * sizeof *row);
            row += s->pad_left * AMX_DEPTH;
            for (int64_t j = 0; j < s->w; j++, from += s->in, row += AMX_DEPTH)
                _mm512_storeu_si512(row,
                        to_bf16(_mm512_maskz_loadu_ps(low, from),
                                _mm512_maskz_loadu_ps(high, from + 16)));
            memset(row, 0, (size_t)((s->pitch - s->pad_left - s->w) * AMX_DEPTH) * sizeof *row);
        }
    }
}

static int64_t thin_length(const cpu_amx *s)
{
    return s->pitch * s->in + 32;
}

/* Rows of a thin picture as they are, with their padding. */
static void put_rows(const cpu_amx *s, const float *x, cpu_bf16 *to)
{
    const int64_t n = s->w * s->in, length = thin_length(s);

    for (int64_t y = 0; y < s->rows; y++, to += length) {
        const int64_t iy = y - s->pad_top;

        memset(to, 0, (size_t)length * sizeof *to);
        if (iy < 0 || iy >= s->h) continue;
        for (int64_t j = 0; j < n; j += 16) {
            const __mmask16 mask = first(n - j);
            const __m256i v =
                    (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x + iy * n + j));

            _mm256_mask_storeu_epi16(to + s->pad_left * s->in + j, mask, v);
        }
    }
}

/* Row oy's pixels of `entry` numbers: 4 are copied at a time, the next row's lie over those too
 * many. What is left at the end has no weight, but must be finite. */
static void put_entries(const cpu_amx *s, const cpu_bf16 *rows, int64_t oy, cpu_bf16 *to)
{
    const int64_t length = thin_length(s);

    rows += oy * s->stride[0] * length;
    for (int64_t x = 0; x < s->pitch; x++) {
        for (int64_t k = 0; k < s->kh; k++)
            memcpy(to + x * s->entry + k * s->in, rows + k * length + x * s->in, 8);
    }
}

/* ---- products ---- */

/* Two tiles of pixels by two of channels, into c: (pixels 0, channels 0), (0, 1), (1, 0), (1, 1).
 * Tile number k of the pixels lies at `at[k]` numbers from a0 and a1. */
static void multiply(const cpu_bf16 *a0, const cpu_bf16 *a1, const int32_t *at, int64_t steps,
        int64_t stride, const cpu_bf16 *w, float *c)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t k = 0; k < steps; k++, w += 2 * AMX_TILE) {
        _tile_loadd(4, a0 + at[k], stride);
        _tile_loadd(6, w, 64);
        _tile_loadd(7, w + AMX_TILE, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, a1 + at[k], stride);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    store_all(c);
}

/* ---- what is written ---- */

typedef struct ending {
    const cpu_amx *s;
    const cpu_amx_end *end;
    int64_t o; /* first channel */
    __m512 bias[2], least, most;
    __mmask16 mask[2];
    float *y;
} ending;

static ending ending_of(const cpu_amx *s, const cpu_amx_end *end, int64_t block, float *y)
{
    ending e = {.s = s, .end = end, .o = block * 32, .y = y};

    for (int h = 0; h < 2; h++) {
        e.mask[h] = first(s->out - e.o - 16 * h);
        e.bias[h] = end->bias ? _mm512_maskz_loadu_ps(e.mask[h], end->bias + e.o + 16 * h)
                              : _mm512_setzero_ps();
    }
    e.least = _mm512_set1_ps(end->relu ? 0 : -__builtin_inff());
    e.most = _mm512_set1_ps(end->relu && end->most > 0 ? end->most : __builtin_inff());
    return e;
}

/* A NaN stays one: both answer their second number where either is none. */
static __m512 limited(const ending *e, __m512 v)
{
    return _mm512_min_ps(e->most, _mm512_max_ps(e->least, v));
}

/* Rows of c, `n` pixels from pixel number `pixel` of the result. */
static void write_pixels(const ending *e, const float *c, int64_t pixel, int64_t n)
{
    float *y = e->y + pixel * e->s->out + e->o;

    for (int64_t i = 0; i < n; i++, y += e->s->out, c += AMX_SIDE) {
        _mm512_mask_storeu_ps(
                y, e->mask[0], limited(e, _mm512_add_ps(_mm512_load_ps(c), e->bias[0])));
        if (!e->mask[1]) continue;
        _mm512_mask_storeu_ps(y + 16, e->mask[1],
                limited(e, _mm512_add_ps(_mm512_load_ps(c + FLOATS), e->bias[1])));
    }
}

/* 16 pixels from place `q` of the padded rows on; those in the padding are dropped. */
static void write_flat(const ending *e, const float *c, int64_t q)
{
    const cpu_amx *s = e->s;

    for (int64_t i = 0; i < AMX_SIDE;) {
        const int64_t y = (q + i) / s->pitch, x = (q + i) % s->pitch;
        const int64_t left = s->pitch - x, run = left < AMX_SIDE - i ? left : AMX_SIDE - i;
        const int64_t kept = x + run > s->ow ? s->ow - x : run;

        if (y >= s->oh) return;
        if (kept > 0) write_pixels(e, c + i * AMX_SIDE, y * s->ow + x, kept);
        i += run;
    }
}

/* Windows of 2 x 2 of two rows of 16 pixels, for half `h` of the channels: `n` results from number `at`
 * on. */
static void write_pooled(const ending *e, const float *c, int h, int64_t at, int64_t n)
{
    const float *t = c + h * FLOATS, *u = t + 2 * FLOATS;
    const __m512 bias = e->bias[h];
    const __mmask16 mask = e->mask[h];
    const int64_t out = e->s->out, to = at * out + e->o + 16 * h;
    uint8_t *where = e->end->where ? e->end->where + to : NULL;
    float *y = e->y + to;

    for (int64_t i = 0; i < n; i++, t += 2 * AMX_SIDE, u += 2 * AMX_SIDE, y += out) {
        const __m512 t0 = _mm512_load_ps(t), t1 = _mm512_load_ps(t + AMX_SIDE);
        const __m512 u0 = _mm512_load_ps(u), u1 = _mm512_load_ps(u + AMX_SIDE);
        const __m512 top = _mm512_max_ps(t1, t0), bottom = _mm512_max_ps(u1, u0);
        const __mmask16 low = _mm512_cmp_ps_mask(bottom, top, _CMP_GT_OQ);
        const __mmask16 right = _mm512_cmp_ps_mask(t1, t0, _CMP_GT_OQ);
        const __mmask16 low_right = _mm512_cmp_ps_mask(u1, u0, _CMP_GT_OQ);
        const __mmask16 odd = (__mmask16)((low & low_right) | (~low & right));

        _mm512_mask_storeu_ps(y, mask, limited(e, _mm512_add_ps(_mm512_max_ps(bottom, top), bias)));
        if (!where) continue;
        _mm_mask_storeu_epi8(where + i * out, mask,
                _mm_or_si128(_mm_maskz_set1_epi8(odd, 1), _mm_maskz_set1_epi8(low, 2)));
    }
}

/* ---- a convolution ---- */

/* Places of the steps' tiles, from a pixel's own. */
static void find_steps(const cpu_amx *s, int32_t *at)
{
    const int64_t taps = s->kh * s->kw;

    for (int64_t k = 0; k < s->steps; k++) {
        const int64_t tap = k % taps, y = tap / s->kw, x = tap % s->kw;

        at[k] = (int32_t)(s->thin ? k * AMX_DEPTH
                                  : (k / taps * s->rows * s->pitch + y * s->dilation[0] * s->pitch +
                                            x * s->dilation[1]) *
                                AMX_DEPTH);
    }
}

/* Rows oy and, if pooled, oy + 1: their pixels start at a[0] and a[1]. */
static void conv_row(
        const ending *e, const cpu_bf16 *const *a, const int32_t *at, const cpu_bf16 *w, int64_t oy)
{
    const cpu_amx *s = e->s;
    const bool pool = e->end->pool;
    const int64_t size = s->stride[1] * (s->thin ? s->entry : AMX_DEPTH);
    const int64_t width = pool ? s->ow / 2 * 2 : s->ow, block = pool ? 16 : 32;
    float c[4 * FLOATS] __attribute__((aligned(64)));

    for (int64_t x = 0; x < width; x += block) {
        const cpu_bf16 *a0 = a[0] + x * size, *a1 = pool ? a[1] + x * size : a0 + 16 * size;
        const int64_t n = width - x < block ? width - x : block;

        multiply(a0, a1, at, s->steps, 2 * size, w, c);
        if (pool) {
            for (int h = 0; h < 2 && e->mask[h]; h++)
                write_pooled(e, c, h, oy / 2 * (s->ow / 2) + x / 2, n / 2);
            continue;
        }
        write_pixels(e, c, oy * s->ow + x, n < 16 ? n : 16);
        if (n > 16) write_pixels(e, c + 2 * FLOATS, oy * s->ow + x + 16, n - 16);
    }
}

/* 32 pixels from place `q` on, over the ends of rows, whose padding is computed and dropped. */
static void conv_flat(
        const ending *e, const cpu_bf16 *x, const int32_t *at, const cpu_bf16 *w, int64_t q)
{
    const cpu_bf16 *a = x + q * AMX_DEPTH;
    float c[4 * FLOATS] __attribute__((aligned(64)));

    multiply(a, a + AMX_TILE, at, e->s->steps, 64, w, c);
    write_flat(e, c, q);
    write_flat(e, c + 2 * FLOATS, q + 16);
}

static void conv_thin(const cpu_amx *s, const cpu_amx_end *end, const cpu_bf16 *packed,
        const int32_t *at, float *y, cpu_bf16 *space)
{
    const int64_t count = s->pitch * s->entry, step = 1 + end->pool;
    cpu_bf16 *row[2] = {space + s->rows * thin_length(s)};

    row[1] = row[0] + s->entry_row;
    for (int i = 0; i < 2; i++)
        memset(row[i] + count, 0, AMX_TILE * sizeof *space);
    for (int64_t oy = 0; oy + step <= s->oh; oy += step) {
        for (int i = 0; i < step; i++)
            put_entries(s, space, oy + i, row[i]);
        for (int64_t b = 0; b < s->blocks; b++) {
            const ending e = ending_of(s, end, b, y);

            conv_row(
                    &e, (const cpu_bf16 *const *)row, at, packed + b * s->steps * 2 * AMX_TILE, oy);
        }
    }
}

/* Parts of the picture, 32 pixels with stride 1 and else one row or two, by blocks of channels. A kernel
 * that fits into half of L2 meets each part while that is in L1; of a larger one each block meets the
 * whole picture. */
static void conv_blocks(const cpu_amx *s, const cpu_amx_end *end, const cpu_bf16 *packed,
        const int32_t *at, float *y, const cpu_bf16 *x)
{
    const bool flat = s->stride[0] == 1 && s->stride[1] == 1 && !end->pool;
    const bool small = s->packed * (int64_t)sizeof *packed <= HALF_L2;
    const int64_t row = s->stride[0] * s->pitch * AMX_DEPTH, step = 1 + end->pool;
    const int64_t parts = flat ? ((s->oh - 1) * s->pitch + s->ow + 31) / 32 : s->oh / step;

    for (int64_t i = 0; i < parts * s->blocks; i++) {
        const int64_t part = small ? i / s->blocks : i % parts;
        const int64_t b = small ? i % s->blocks : i / parts, oy = part * step;
        const cpu_bf16 *w = packed + b * s->steps * 2 * AMX_TILE;
        const cpu_bf16 *const rows[] = {x + oy * row, x + (oy + 1) * row};
        const ending e = ending_of(s, end, b, y);

        if (flat)
            conv_flat(&e, x, at, w, 32 * part);
        else
            conv_row(&e, rows, at, w, oy);
    }
}

static void conv(const cpu_amx *s, const cpu_amx_end *end, const float *x, const cpu_bf16 *packed,
        float *y, cpu_bf16 *space)
{
    int32_t at[AMX_MAX_STEPS];

    find_steps(s, at);
    tiles_begin();
    if (s->thin) {
        put_rows(s, x, space);
        conv_thin(s, end, packed, at, y, space);
    } else {
        put_blocks(s, x, space);
        conv_blocks(s, end, packed, at, y, space);
    }
    tiles_end();
}

const cpu_amx_table tmb__cpu_amx_kernels = {
        .pack = pack,
        .conv = conv,
        .turn = tmb__cpu_amx_turn,
        .weights = tmb__cpu_amx_weights,
        .untile = tmb__cpu_amx_untile,
};
