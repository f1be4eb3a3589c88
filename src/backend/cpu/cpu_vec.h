/* cpu_vec.h - vectors of floats, one register wide, in the compilers' common extension
 *
 * Wider ones than the CPU's registers compile, too, but live in memory. Lanes never mix, so that the width
 * changes no bit. Loads and stores go through memcpy, which becomes one unaligned move. */
#ifndef THIMBLE_BACKEND_CPU_CPU_VEC_H
#define THIMBLE_BACKEND_CPU_CPU_VEC_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { VEC = 16 };
#elif defined(__AVX2__)
enum { VEC = 8 };
#else
enum { VEC = 4 };
#endif

typedef float vec __attribute__((vector_size(4 * VEC)));
typedef int32_t ivec __attribute__((vector_size(4 * VEC)));
typedef uint8_t bytes __attribute__((vector_size(VEC)));

#define TMB_INLINE    static inline __attribute__((always_inline))
#define TMB_UNROLL(n) _Pragma(TMB_TEXT(GCC unroll n))
#define TMB_TEXT(x)   #x

TMB_INLINE vec vec_load(const float *p)
{
    vec v;

    memcpy(&v, p, sizeof v);
    return v;
}

TMB_INLINE void vec_store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

TMB_INLINE vec vec_all(float x)
{
    return x - (vec){0};
}

/* The first n lanes, nearly always all of them; lanes that are not loaded are 0. */
TMB_INLINE vec vec_load_n(const float *p, int64_t n)
{
    vec v = {0};

    if (n >= VEC) return vec_load(p);
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}

TMB_INLINE void vec_store_n(float *p, vec v, int64_t n)
{
    if (n >= VEC)
        vec_store(p, v);
    else
        memcpy(p, &v, (size_t)n * sizeof *p);
}

/* gcc 12 would convert bytes one by one. */
#if defined(__AVX512F__)
#define WIDEN(b)  ((ivec)_mm512_cvtepu8_epi32((__m128i)(b)))
#define NARROW(v) ((bytes)_mm512_cvtepi32_epi8((__m512i)(v)))
#elif defined(__AVX2__)
#define WIDEN(b)  ((ivec)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)(b))))
#define NARROW(v) __builtin_convertvector(v, bytes)
#else
#define WIDEN(b)  __builtin_convertvector(b, ivec)
#define NARROW(v) __builtin_convertvector(v, bytes)
#endif

TMB_INLINE ivec vec_load_bytes(const uint8_t *p, int64_t n)
{
    bytes b = {0};

    if (n >= VEC)
        memcpy(&b, p, sizeof b);
    else
        memcpy(&b, p, (size_t)n);
    return WIDEN(b);
}

TMB_INLINE void vec_store_bytes(uint8_t *p, ivec v, int64_t n)
{
    const bytes b = NARROW(v);

    if (n >= VEC)
        memcpy(p, &b, sizeof b);
    else
        memcpy(p, &b, (size_t)n);
}

TMB_INLINE ivec ivec_pick(ivec mask, ivec a, ivec b)
{
#if defined(__AVX512F__)
    return (ivec)_mm512_ternarylogic_epi32((__m512i)mask, (__m512i)a, (__m512i)b, 0xca);
#else
    return (mask & a) | (~mask & b);
#endif
}

/* Lanes of a where the mask is set, of b elsewhere. */
TMB_INLINE vec vec_pick(ivec mask, vec a, vec b)
{
    return (vec)ivec_pick(mask, (ivec)a, (ivec)b);
}

TMB_INLINE ivec ivec_all(int32_t x)
{
    return x - (ivec){0};
}

/* ReLU that lets a NaN through: 0 x where x is not positive. */
TMB_INLINE vec vec_rectify(vec x)
{
    const vec zero = vec_all(0);

    return vec_pick(x > zero, x, zero * x);
}

/* v where y is positive, 0 elsewhere: the gradient of ReLU. */
TMB_INLINE vec vec_masked(vec v, vec y)
{
    return (vec)((ivec)v & (y > vec_all(0)));
}

#endif
