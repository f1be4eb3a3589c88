/* cpu_tiles_avx512_bf16.c - products of tiles by vectors: a row of the right factor is a register, and a pair
 * of numbers of the left one, broadcast, meets its 16 columns */
#include "cpu_tiles.h"
#include "cpu_vec.h"

#include <immintrin.h>

static void nothing(void) {}

TMB_INLINE __m512 add_product(__m512 sum, __m512i a, __m512i b)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

TMB_INLINE __m512i all_pairs(const cpu_bf16 *at)
{
    int32_t pair;

    memcpy(&pair, at, sizeof pair);
    return _mm512_set1_epi32(pair);
}

/* 8 rows by 32 columns, or 16 by 16: 16 sums hide how long each product takes. `rows` and `halves` are
 * constants where this is inlined. */
TMB_INLINE void some_rows(
        const cpu_product *p, const cpu_bf16 *a, float *c, const int rows, const int halves)
{
    const int64_t stride = p->a_stride;
    __m512 sum[16];

    for (int i = 0; i < 16; i++) {
        const float *from = c + i / halves * p->c_stride + i % halves * p->c_other;

        sum[i] = p->add ? _mm512_loadu_ps(from) : _mm512_setzero_ps();
    }
    for (int64_t k = 0; k < p->steps; k++) {
        const cpu_bf16 *from = a + p->a_at[k], *b0 = p->b[0] + p->b_at[k];
        const cpu_bf16 *b1 = halves > 1 ? p->b[1] + p->b_at[k] : b0;

        TMB_UNROLL(1)
        for (int64_t r = p->skip; r < TILE_SIDE;
                r++, from += 2, b0 += TILE_DEPTH, b1 += TILE_DEPTH) {
            const __m512i b[2] = {_mm512_loadu_si512(b0), _mm512_loadu_si512(b1)};

            TMB_UNROLL(16)
            for (int i = 0; i < rows; i++) {
                const __m512i pair = all_pairs(from + i * stride);

                for (int h = 0; h < halves; h++)
                    sum[i * halves + h] = add_product(sum[i * halves + h], pair, b[h]);
            }
        }
    }
    for (int i = 0; i < 16; i++)
        _mm512_storeu_ps(c + i / halves * p->c_stride + i % halves * p->c_other, sum[i]);
}

static void multiply(const cpu_product *p)
{
    const int rows = p->b[1] ? 8 : 16;

    for (int64_t i = 0; i < p->rows; i += rows) {
        const cpu_bf16 *a = p->a[i / TILE_SIDE] + i % TILE_SIDE * p->a_stride;
        float *c = p->c + i * p->c_stride;

        if (p->b[1])
            some_rows(p, a, c, 8, 2);
        else
            some_rows(p, a, c, 16, 1);
    }
}

static double peak(int64_t rounds, float *out)
{
    const __m512i one = _mm512_set1_epi32(0x3f803f80);
    __m512 sum[16];

    for (int i = 0; i < 16; i++)
        sum[i] = _mm512_setzero_ps();
    for (int64_t k = 0; k < rounds; k++) {
        TMB_UNROLL(16)
        for (int i = 0; i < 16; i++)
            sum[i] = add_product(sum[i], one, one);
    }
    for (int i = 1; i < 16; i++)
        sum[0] = _mm512_add_ps(sum[0], sum[i]);
    _mm512_storeu_ps(out, sum[0]);
    return 16.0 * 2 * TILE_DEPTH * (double)rounds;
}

const cpu_tiles tmb__cpu_tiles_avx512_bf16 = {false, nothing, nothing, multiply, peak};
