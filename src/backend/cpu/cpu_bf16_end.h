/* cpu_bf16_end.h - what convolutions of cpu_bf16.h do with their sums */
#ifndef THIMBLE_BACKEND_CPU_CPU_BF16_END_H
#define THIMBLE_BACKEND_CPU_CPU_BF16_END_H

#include "cpu_bf16_vec.h"
#include "cpu_simd.h"

typedef struct ending {
    const cpu_bf16_conv *s;
    const cpu_bf16_end *end;
    int64_t o, out; /* first channel, and channels of a pixel */
    bool half;
    __m512 bias[2], least, most;
    __mmask32 mask;
    void *y;
} ending;

/* Sums of pixels by 16 channels: floats to the next pixel, to the other 16 channels, and to the row below. */
typedef struct cpu_sums {
    const float *c;
    int64_t pixel, half, below;
} cpu_sums;

TMB_INLINE ending ending_of(const cpu_bf16_conv *s, const cpu_bf16_end *end, int64_t block, void *y)
{
    ending e = {.s = s, .end = end, .o = block * 32, .out = s->out, .half = end->half, .y = y};

    e.mask = first_half(s->out - e.o);
    for (int h = 0; h < 2; h++)
        e.bias[h] = end->bias
                ? _mm512_maskz_loadu_ps((__mmask16)(e.mask >> 16 * h), end->bias + e.o + 16 * h)
                : _mm512_setzero_ps();
    e.least = _mm512_set1_ps(end->relu ? 0 : -__builtin_inff());
    e.most = _mm512_set1_ps(end->relu && end->most > 0 ? end->most : __builtin_inff());
    return e;
}

/* A NaN stays one: both answer their second number where either is none. */
TMB_INLINE __m512 limited(const ending *e, __m512 v)
{
    return _mm512_min_ps(e->most, _mm512_max_ps(e->least, v));
}

/* 32 channels of a pixel. */
TMB_INLINE void write_pixel(const ending *e, int64_t pixel, __m512 low, __m512 high)
{
    const int64_t at = pixel * e->out + e->o;
    float *wide = (float *)e->y + at;

    if (e->half) {
        _mm512_mask_storeu_epi16((cpu_bf16 *)e->y + at, e->mask, to_bf16(low, high));
        return;
    }
    _mm512_mask_storeu_ps(wide, (__mmask16)e->mask, low);
    _mm512_mask_storeu_ps(wide + 16, (__mmask16)(e->mask >> 16), high);
}

/* `n` pixels from pixel number `at` of the result. What all share is copied, as results might overwrite the original. */
static inline void write_pixels(const ending *shared, const cpu_sums *sums, int64_t at, int64_t n)
{
    const ending e = *shared;
    const int64_t pixel = sums->pixel;
    const float *c = sums->c, *other = c + sums->half;

    for (int64_t i = 0; i < n; i++, c += pixel, other += pixel)
        write_pixel(&e, at + i, limited(&e, _mm512_add_ps(_mm512_load_ps(c), e.bias[0])),
                limited(&e, _mm512_add_ps(_mm512_load_ps(other), e.bias[1])));
}

/* The maximum of window number i, of half `h` of the channels, with bias and limits, and whose it is. */
TMB_INLINE __m512 best_of(const ending *e, const cpu_sums *sums, int64_t i, int h, __m128i *winner)
{
    const float *t = sums->c + h * sums->half + 2 * i * sums->pixel, *u = t + sums->below;
    const __m512 t0 = _mm512_load_ps(t), t1 = _mm512_load_ps(t + sums->pixel);
    const __m512 u0 = _mm512_load_ps(u), u1 = _mm512_load_ps(u + sums->pixel);
    const __m512 top = _mm512_max_ps(t1, t0), bottom = _mm512_max_ps(u1, u0);
    const __m512 best = limited(e, _mm512_add_ps(_mm512_max_ps(bottom, top), e->bias[h]));
    const __mmask16 low = _mm512_cmp_ps_mask(bottom, top, _CMP_GT_OQ);
    const __mmask16 right = _mm512_cmp_ps_mask(t1, t0, _CMP_GT_OQ);
    const __mmask16 low_right = _mm512_cmp_ps_mask(u1, u0, _CMP_GT_OQ);
    const __mmask16 odd = (__mmask16)((low & low_right) | (~low & right));
    const __mmask16 live = _mm512_cmp_ps_mask(best, _mm512_setzero_ps(), _CMP_GT_OQ);
    const __m128i place = _mm_or_si128(_mm_maskz_set1_epi8(odd, 1), _mm_maskz_set1_epi8(low, 2));

    *winner = _mm_mask_mov_epi8(_mm_set1_epi8((char)CPU_NOBODY), live, place);
    return best;
}

/* `n` windows, results from number `at` on. */
static inline void write_pooled(const ending *shared, const cpu_sums *all, int64_t at, int64_t n)
{
    const ending e = *shared;
    const cpu_sums sums = *all;
    uint8_t *where = e.end->where ? e.end->where + at * e.out + e.o : NULL;

    for (int64_t i = 0; i < n; i++) {
        __m128i low, high;
        const __m512 a = best_of(&e, &sums, i, 0, &low), b = best_of(&e, &sums, i, 1, &high);

        write_pixel(&e, at + i, a, b);
        if (where)
            _mm256_mask_storeu_epi8(where + i * e.out, e.mask,
                    _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1));
    }
}

#endif
