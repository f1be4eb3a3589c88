/* cpu_amx_weights.c - the kernels of cpu_amx.h for the gradient of a convolution's kernel
 *
 * Both factors lie along the pixels: x by channels, one plane each, dy by pairs of pixels. A row of
 * the padded picture is `pitch` pixels in both, and dy is 0 where there is padding. */
#include "cpu_amx_tile.h"

#include <string.h>

/* 32 pixels of 16 channels, `n` of them there, to 16 planes. */
static void turn_strip(
        const float *x, int64_t in, __mmask16 mask, int64_t n, cpu_bf16 *to, int64_t plane)
{
    __m512i r[16];

    for (int i = 0; i < 16; i++) {
        const __m512 low =
                2 * i < n ? _mm512_maskz_loadu_ps(mask, x + 2 * i * in) : _mm512_setzero_ps();
        const __m512 high = 2 * i + 1 < n ? _mm512_maskz_loadu_ps(mask, x + (2 * i + 1) * in)
                                          : _mm512_setzero_ps();

        r[i] = pairs(low, high);
    }
    transpose(r);
    for (int i = 0; i < 16; i++) {
        if (!(mask >> i & 1)) continue;
        if (n >= 32)
            _mm512_storeu_si512(to + i * plane, r[i]);
        else
            _mm512_mask_storeu_epi16(to + i * plane, (__mmask32)((1ull << n) - 1), r[i]);
    }
}

/* One plane for each row of the kernel and channel: the picture from that row on. */
static void turn_thin(const cpu_amx *s, const float *x, cpu_bf16 *planes)
{
    const __m512i index = _mm512_mullo_epi32(
            _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
            _mm512_set1_epi32((int)s->in));

    for (int64_t i = 0; i < s->in; i++) {
        cpu_bf16 *plane = planes + i * s->plane;

        for (int64_t y = 0; y < s->h; y++) {
            cpu_bf16 *row = plane + (y + s->pad_top) * s->pitch + s->pad_left;

            for (int64_t j = 0; j < s->w; j += 16) {
                const __mmask16 mask = first(s->w - j);
                const __m512 v = _mm512_mask_i32gather_ps(
                        _mm512_setzero_ps(), mask, index, x + (y * s->w + j) * s->in + i, 4);

                _mm256_mask_storeu_epi16(row + j, mask, (__m256i)_mm512_cvtneps_pbh(v));
            }
        }
    }
    for (int64_t p = s->in; p < s->planes; p++) {
        const int64_t shift = p / s->in * s->pitch;

        memcpy(planes + p * s->plane, planes + p % s->in * s->plane + shift,
                (size_t)(s->plane - shift) * sizeof *planes);
    }
}

void tmb__cpu_amx_turn(const cpu_amx *s, const float *x, cpu_bf16 *planes)
{
    memset(planes, 0, (size_t)(s->planes * s->plane) * sizeof *planes);
    if (s->thin) {
        turn_thin(s, x, planes);
        return;
    }
    for (int64_t i = 0; i < s->in; i += 16) {
        for (int64_t y = 0; y < s->h; y++) {
            cpu_bf16 *to = planes + i * s->plane + (y + s->pad_top) * s->pitch + s->pad_left;

            for (int64_t j = 0; j < s->w; j += 32)
                turn_strip(x + (y * s->w + j) * s->in + i, s->in, first(s->in - i), s->w - j,
                        to + j, s->plane);
        }
    }
}

/* A row of dy by pairs of pixels, for 16 channels: (pitch / 2, 16, 2). Returns its sum. */
static __m512 put_row(const cpu_amx *s, const float *row, __mmask16 mask, cpu_bf16 *to)
{
    const __m512 zero = _mm512_setzero_ps();
    __m512 sum = zero;

    for (int64_t x = 0; x < s->pitch; x += 2, to += AMX_DEPTH) {
        const __m512 low = x < s->ow ? _mm512_maskz_loadu_ps(mask, row + x * s->out) : zero;
        const __m512 high =
                x + 1 < s->ow ? _mm512_maskz_loadu_ps(mask, row + (x + 1) * s->out) : zero;

        _mm512_storeu_si512(to, pairs(low, high));
        sum = _mm512_add_ps(sum, _mm512_add_ps(low, high));
    }
    return sum;
}

/* Two rows of it from a row of the pool's, number `r`: each result's gradient goes to the winner of its
 * window if the result is positive. */
static __m512 put_two_rows(
        const cpu_amx *s, const cpu_amx_dy *dy, int64_t r, int64_t o, cpu_bf16 *to)
{
    const __mmask16 mask = first(s->out - o);
    const int64_t width = s->ow / 2;
    cpu_bf16 *below = to + s->pitch * AMX_SIDE;
    __m512 sum = _mm512_setzero_ps();

    for (int64_t x = 0; x < width; x++, to += AMX_DEPTH, below += AMX_DEPTH) {
        const int64_t at = (r * width + x) * s->out + o;
        const __mmask16 live = _mm512_mask_cmp_ps_mask(
                mask, _mm512_maskz_loadu_ps(mask, dy->y + at), _mm512_setzero_ps(), _CMP_GT_OQ);
        const __m512 v = _mm512_maskz_loadu_ps(live, dy->dy + at);
        const __m512i even = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(v));
        const __m512i odd = _mm512_slli_epi32(even, 16);
        const __m128i w = _mm_maskz_loadu_epi8(mask, dy->where + at);
        const __m512i top = _mm512_mask_mov_epi32(
                _mm512_maskz_mov_epi32(_mm_cmpeq_epi8_mask(w, _mm_setzero_si128()), even),
                _mm_cmpeq_epi8_mask(w, _mm_set1_epi8(1)), odd);
        const __m512i bottom = _mm512_mask_mov_epi32(
                _mm512_maskz_mov_epi32(_mm_cmpeq_epi8_mask(w, _mm_set1_epi8(2)), even),
                _mm_cmpeq_epi8_mask(w, _mm_set1_epi8(3)), odd);

        _mm512_storeu_si512(to, top);
        _mm512_storeu_si512(below, bottom);
        sum = _mm512_add_ps(sum, v);
    }
    for (int64_t x = 2 * width; x < s->pitch; x += 2, to += AMX_DEPTH, below += AMX_DEPTH) {
        _mm512_storeu_si512(to, _mm512_setzero_si512());
        _mm512_storeu_si512(below, _mm512_setzero_si512());
    }
    return sum;
}

/* dy's rows by pairs of pixels, 16 channels at a time: (channels, pixels / 2, 16, 2). */
static void put_pairs(const cpu_amx *s, const cpu_amx_dy *dy, const int64_t *range, int64_t steps,
        float *db, cpu_bf16 *to)
{
    for (int64_t o = 0; o < s->blocks * 32; o += 16, to += steps * AMX_TILE) {
        const __mmask16 mask = first(s->out - o);
        __m512 sum = _mm512_setzero_ps();
        cpu_bf16 *at = to;

        for (int64_t y = range[0]; y < range[1]; at += s->pitch * AMX_SIDE) {
            if (!dy->where) {
                sum = _mm512_add_ps(sum, put_row(s, dy->dy + y++ * s->ow * s->out + o, mask, at));
            } else if (y + 1 < s->oh) {
                sum = _mm512_add_ps(sum, put_two_rows(s, dy, y / 2, o, at));
                at += s->pitch * AMX_SIDE;
                y += 2;
            } else { /* a last row that the pool leaves out */
                memset(at, 0, (size_t)(s->pitch * AMX_SIDE) * sizeof *at);
                y++;
            }
        }
        memset(at, 0, (size_t)(to + steps * AMX_TILE - at) * sizeof *at);
        if (db && mask)
            _mm512_mask_storeu_ps(
                    db + o, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, db + o), sum));
    }
}

/* sums += a^T b: 32 planes from `a` on by 32 channels, for one place of the kernel. */
static void add_products(
        const cpu_bf16 *a, int64_t plane, const cpu_bf16 *b, int64_t steps, float *sums)
{
    _tile_loadd(0, sums, 64);
    _tile_loadd(1, sums + FLOATS, 64);
    _tile_loadd(2, sums + 2 * FLOATS, 64);
    _tile_loadd(3, sums + 3 * FLOATS, 64);
    for (int64_t k = 0; k < steps; k++, a += AMX_DEPTH, b += AMX_TILE) {
        _tile_loadd(4, a, 2 * plane);
        _tile_loadd(6, b, 64);
        _tile_loadd(7, b + steps * AMX_TILE, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, a + 16 * plane, 2 * plane);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    store_all(sums);
}

void tmb__cpu_amx_weights(const cpu_amx *s, const cpu_bf16 *planes, const cpu_amx_dy *dy,
        const int64_t range[2], float *sums, float *db, cpu_bf16 *space)
{
    const int64_t steps = ((range[1] - range[0]) * s->pitch + AMX_DEPTH - 1) / AMX_DEPTH;
    const int64_t kh = s->thin ? 1 : s->kh;

    put_pairs(s, dy, range, steps, db, space);
    tiles_begin();
    for (int64_t p = 0; p < s->planes; p += 32) {
        for (int64_t b = 0; b < s->blocks; b++) {
            for (int64_t tap = 0; tap < kh * s->kw; tap++, sums += 4 * FLOATS) {
                const int64_t y = tap / s->kw * s->dilation[0], x = tap % s->kw * s->dilation[1];

                add_products(planes + p * s->plane + (range[0] + y) * s->pitch + x, s->plane,
                        space + b * 2 * steps * AMX_TILE, steps, sums);
            }
        }
    }
    tiles_end();
}

void tmb__cpu_amx_untile(const cpu_amx *s, const float *sums, float *dw)
{
    const int64_t kh = s->thin ? 1 : s->kh, taps = kh * s->kw;

    for (int64_t t = 0; t < s->kh * s->kw * s->in; t++) {
        const int64_t y = t / s->in / s->kw, x = t / s->in % s->kw, i = t % s->in;
        const int64_t plane = s->thin ? y * s->in + i : i, tap = s->thin ? x : y * s->kw + x;

        for (int64_t o = 0; o < s->out; o += 16) {
            const int64_t tiles = (plane / 32 * s->blocks + o / 32) * taps + tap;
            const int64_t tile = 2 * (plane % 32 / 16) + o % 32 / 16;
            const __mmask16 mask = first(s->out - o);

            _mm512_mask_storeu_ps(dw + t * s->out + o, mask,
                    _mm512_maskz_loadu_ps(
                            mask, sums + (tiles * 4 + tile) * FLOATS + plane % 16 * AMX_SIDE));
        }
    }
}
