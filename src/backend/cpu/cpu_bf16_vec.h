/* cpu_bf16_vec.h - tiles and vectors for the kernels of cpu_bf16.h */
#ifndef THIMBLE_BACKEND_CPU_CPU_BF16_VEC_H
#define THIMBLE_BACKEND_CPU_CPU_BF16_VEC_H

#include "cpu_bf16.h"
#include "cpu_vec.h"

#include <immintrin.h>

enum {
    FLOATS = TILE_SIDE * TILE_SIDE,
    AHEAD = 1024 /* bytes: the cores do not ask early enough for what another op left in L3 */
};

TMB_INLINE __mmask16 first(int64_t n)
{
    return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

TMB_INLINE __m512i to_bf16(__m512 low, __m512 high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* Lanes of two rows side by side: (low[i], high[i]) in 32 bits each. */
TMB_INLINE __m512i pairs(__m512 low, __m512 high)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9,
            24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);

    return _mm512_permutexvar_epi16(order, to_bf16(low, high));
}

TMB_INLINE void ask_ahead(const void *at)
{
    _mm_prefetch((const char *)at + AHEAD, _MM_HINT_T0);
}

/* 32 channels in bf16, from number `at` on; those not in `mask` are 0. */
TMB_INLINE __m512i load_half(const cpu_bf16_source *x, int64_t at, __mmask32 mask)
{
    const cpu_bf16 *half = (const cpu_bf16 *)x->at + at;
    const float *wide = (const float *)x->at + at;

    ask_ahead(x->half ? (const void *)half : wide);
    if (x->half) return _mm512_maskz_loadu_epi16(mask, half);
    ask_ahead(wide + 16);
    return to_bf16(_mm512_maskz_loadu_ps((__mmask16)mask, wide),
            _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), wide + 16));
}

TMB_INLINE __mmask32 first_half(int64_t n)
{
    return n >= 32 ? 0xffffffff : n <= 0 ? 0 : (__mmask32)((1ull << n) - 1);
}

/* The four places of a window of 2 x 2, whose result is number `at` of the pool's: the gradient is the
 * winner's. */
TMB_INLINE void spread(const cpu_bf16_source *dy, int64_t at, __mmask32 mask, __m512i *place)
{
    const __m512i v = load_half(dy, at, mask);
    const __m256i winner = _mm256_maskz_loadu_epi8(mask, dy->where + at);

    ask_ahead(dy->where + at);
    for (int k = 0; k < 4; k++)
        place[k] = _mm512_maskz_mov_epi16(
                _mm256_cmpeq_epi8_mask(winner, _mm256_set1_epi8((char)k)), v);
}

/* Two pixels of 32 channels side by side: (a, b) of channels 0 .. 15 and of 16 .. 31. */
TMB_INLINE void pair_up(__m512i a, __m512i b, __m512i *low, __m512i *high)
{
    const __m512i even = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
            8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);

    *low = _mm512_permutex2var_epi16(a, even, b);
    *high = _mm512_permutex2var_epi16(a, _mm512_add_epi16(even, _mm512_set1_epi16(16)), b);
}

/* Sums of channels 0, 2 .. 30 and 1, 3 .. 31 of bf16 numbers. */
typedef struct bias_sum {
    __m512 even, odd;
} bias_sum;

TMB_INLINE void add_to(bias_sum *sum, __m512i v)
{
    const __m512i odd = _mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000));

    sum->even = _mm512_add_ps(sum->even, _mm512_castsi512_ps(_mm512_slli_epi32(v, 16)));
    sum->odd = _mm512_add_ps(sum->odd, _mm512_castsi512_ps(odd));
}

TMB_INLINE void add_bias(const bias_sum *sum, __mmask32 mask, float *db)
{
    const __m512i low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    const __mmask16 m[2] = {(__mmask16)mask, (__mmask16)(mask >> 16)};
    const __m512 v[2] = {_mm512_permutex2var_ps(sum->even, low, sum->odd),
            _mm512_permutex2var_ps(sum->even, high, sum->odd)};

    for (int h = 0; h < 2; h++)
        _mm512_mask_storeu_ps(
                db + 16 * h, m[h], _mm512_add_ps(_mm512_maskz_loadu_ps(m[h], db + 16 * h), v[h]));
}

/* r[i][j] and r[j][i] change places: 16 x 16 of 32 bits. */
TMB_INLINE void transpose(__m512i *r)
{
    __m512i t[16];

    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
        t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
        r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
        r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
        r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xdd);
    }
}

#endif
