/* cpu_amx_tile.h - tiles and vectors for the kernels of cpu_amx.h */
#ifndef THIMBLE_BACKEND_CPU_CPU_AMX_TILE_H
#define THIMBLE_BACKEND_CPU_CPU_AMX_TILE_H

#include "cpu_amx.h"
#include "cpu_vec.h"

#include <immintrin.h>

enum { FLOATS = AMX_SIDE * AMX_SIDE };

/* All eight tiles whole. gcc 12 may place a configuration wrongly for its own
 * intrinsic, so the instruction is written out. */
TMB_INLINE void tiles_begin(void)
{
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config __attribute__((aligned(64))) = {
            .palette = 1,
            .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
            .rows = {16, 16, 16, 16, 16, 16, 16, 16},
    };

    __asm__ volatile("ldtilecfg %0" ::"m"(config));
}

TMB_INLINE void tiles_end(void)
{
    __asm__ volatile("tilerelease");
}

TMB_INLINE void store_all(float *c)
{
    _tile_stored(0, c, 64);
    _tile_stored(1, c + FLOATS, 64);
    _tile_stored(2, c + 2 * FLOATS, 64);
    _tile_stored(3, c + 3 * FLOATS, 64);
}

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
    const __m512i both = to_bf16(low, high);
    const __m512i l = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(both));
    const __m512i h = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(both, 1));

    return _mm512_or_si512(l, _mm512_slli_epi32(h, 16));
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
