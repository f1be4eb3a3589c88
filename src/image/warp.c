/* warp.c - one affine map, flip, fill and rescale of a photo into floats
 *
 * The rules are scipy.ndimage.affine_transform's (NI_GeometricTransform). Output (r, c) is taken at
 *   row = (m0 r + m1 c) + m2,  col = (m3 r + m4 c) + m5
 * in double, each axis is then brought into the picture as the fill mode says, and
 *   order 0: the pixel at floor(v + 1/2);  order 1: with f = v - floor(v), w0 = 1 - f, w1 = 1 - w0,
 *   the four neighbours v00 wr0 wc0 + v01 wr0 wc1 + v10 wr1 wc0 + v11 wr1 wc1, from left to right.
 * Neighbours outside are clamped; for orders 0 and 1 that equals SciPy's mirrored ones in every
 * mode, as they are either the edge itself or weigh nothing.
 *
 * `exact` does the sum in double: the bits are SciPy's. The fast way shares the places, so both see
 * the same pixels, and differs in the sum only: a + (b - a) f in float.
 *
 * A row is cut into chunks of a fixed number of pixels, and each step is a loop of that constant
 * length over plain arrays, which compilers turn into the widest registers there are; x86 gets
 * copies of the whole for two wider sets, chosen at run time. No step contracts or reorders sums,
 * so all copies give the same bits. With AVX-512 the common case, three channels and order 1, is written out. The places are linear in c: a chunk whose two ends lie inside
 * lies inside wholly and needs no mapping; that is most of them.
 *
 * PITFALL: a 4-byte load of a 3-byte pixel is past the end at the last pixel of a photo; chunks
 * that touch it are gathered byte by byte. */
#include "image/image.h"

#include <math.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { CHUNK = 32 };

/* Where the pixels of one chunk come from. Places behind the end of the row repeat its last one. */
typedef struct places {
    double row[CHUNK], col[CHUNK];
    double fr[CHUNK], fc[CHUNK];       /* order 1: fractions */
    int32_t r0[CHUNK], c0[CHUNK];      /* the neighbour above left */
    int32_t down[CHUNK], aside[CHUNK]; /* 1 if there is another below, right */
    uint32_t px[4][CHUNK];             /* the neighbours, 8 bits a channel */
    float out[4][CHUNK];               /* by channel */
    bool outside[CHUNK];               /* is cval */
    bool any_outside;
} places;

/* What all rows share. */
typedef struct job {
    const tmb__warp *warp;
    const tmb_image *src;
    float *dst;
    int h, w; /* of the output */
    const float *scale, *shift;
} job;

/* ---- places ---- */

/* v beyond [0, n-1] brought back, as SciPy's map_coordinate does it. */
static double reflect(double v, int n)
{
    double period = 2.0 * n;

    if (n <= 1) return 0;
    if (v < 0) {
        if (v < -period) v += period * trunc(-v / period);
        return v < -n ? v + period : (v > -1e-15 ? 1e-15 : -v) - 1;
    }
    v -= period * trunc(v / period);
    return v >= n ? period - v - 1 : v;
}

/* SciPy's "wrap" has period n - 1: the first and the last column are the same place. */
static double wrap(double v, int n)
{
    double period = n - 1;

    if (n <= 1) return 0;
    if (v < 0) return v + period * (trunc(-v / period) + 1);
    return v - period * trunc(v / period);
}

double tmb__warp_inside(double v, int n, tmb__fill fill)
{
    if (v >= 0 && v <= n - 1) return v;
    switch (fill) {
    case TMB__FILL_REFLECT:
        return reflect(v, n);
    case TMB__FILL_WRAP:
        return wrap(v, n);
    default:
        return v > 0 ? n - 1 : 0;
    }
}

double tmb__warp_sane(double v)
{
    return v > -1e9 ? TMB_MIN(v, 1e9) : v <= -1e9 ? -1e9 : 0;
}

static bool within(const double *v, int size)
{
    double a = v[0], b = v[CHUNK - 1];

    return a >= 0 && b >= 0 && a <= size - 1 && b <= size - 1;
}

static void locate(const job *jb, places *p, int r, int from)
{
    const double *m = jb->warp->m;
    double row = m[0] * r, col = m[3] * r;
    int last = jb->w - 1, start = jb->warp->flip_h ? last : 0, step = jb->warp->flip_h ? -1 : 1;

    for (int i = 0; i < CHUNK; i++) {
        double c = start + step * TMB_MIN(from + i, last);
        p->row[i] = row + m[1] * c + m[2];
        p->col[i] = col + m[4] * c + m[5];
    }
}

static void bring_chunk_inside(const job *jb, places *p)
{
    int h = jb->src->height, w = jb->src->width;
    bool constant = jb->warp->fill == TMB__FILL_CONSTANT;

    p->any_outside = false;
    if (within(p->row, h) && within(p->col, w)) return;
    for (int i = 0; i < CHUNK; i++) {
        double row = tmb__warp_sane(p->row[i]), col = tmb__warp_sane(p->col[i]);

        p->outside[i] = constant && !(row >= 0 && row <= h - 1 && col >= 0 && col <= w - 1);
        p->any_outside |= p->outside[i];
        p->row[i] = tmb__warp_inside(row, h, jb->warp->fill);
        p->col[i] = tmb__warp_inside(col, w, jb->warp->fill);
    }
}

/* Places lie in (-1, n), the negative ones from "reflect". Cutting off the fraction is floor() but
 * for those, whose place is 0 and whose only neighbour is itself. */
static void split_axis(const double *restrict v, int n, int32_t *restrict first,
        int32_t *restrict more, double *restrict fraction)
{
    for (int i = 0; i < CHUNK; i++) {
        int32_t k = TMB_MIN(TMB_MAX((int32_t)v[i], 0), n - 1);
        double f = v[i] - k;
        bool negative = f < 0;

        first[i] = k;
        more[i] = (k < n - 1) & !negative;
        fraction[i] = f + (negative ? 1.0 : 0.0);
    }
}

static void round_axis(const double *restrict v, int n, int32_t *restrict first)
{
    for (int i = 0; i < CHUNK; i++)
        first[i] = TMB_MIN(TMB_MAX((int32_t)(v[i] + 0.5), 0), n - 1);
}

/* ---- pixels ---- */

static uint32_t load_4(const uint8_t *px)
{
    return (uint32_t)px[3] << 24 | (uint32_t)px[2] << 16 | (uint32_t)px[1] << 8 | px[0];
}

static uint32_t load_some(const uint8_t *px, int n)
{
    uint32_t v = px[0];

    for (int k = 1; k < n; k++)
        v |= (uint32_t)px[k] << (8 * k);
    return v;
}

/* True if a wide load of some neighbour would leave the photo. */
static bool needs_care(const tmb_image *src, const places *p, bool with_neighbours)
{
    int32_t end = 0, r = src->height - 1, c = src->width - 1, near = with_neighbours ? 1 : 0;

    if (src->channels != 3) return src->channels != 4;
    for (int i = 0; i < CHUNK; i++)
        end |= (p->r0[i] + (p->down[i] & near) == r) & (p->c0[i] + (p->aside[i] & near) == c);
    return end != 0;
}

static const uint8_t *first_of(const tmb_image *src, const places *p, int i)
{
    size_t at = (size_t)p->r0[i] * (size_t)src->width + (size_t)p->c0[i];

    return src->pixels + at * (size_t)src->channels;
}

static void gather_1(const tmb_image *src, places *p)
{
    if (needs_care(src, p, false)) {
        for (int i = 0; i < CHUNK; i++)
            p->px[0][i] = load_some(first_of(src, p, i), src->channels);
        return;
    }
    for (int i = 0; i < CHUNK; i++)
        p->px[0][i] = load_4(first_of(src, p, i));
}

static void gather_4_with_care(const tmb_image *src, places *p)
{
    int channels = src->channels;

    for (int i = 0; i < CHUNK; i++) {
        const uint8_t *at = first_of(src, p, i), *right = at + p->aside[i] * channels;
        ptrdiff_t below = (ptrdiff_t)p->down[i] * src->width * channels;

        p->px[0][i] = load_some(at, channels);
        p->px[1][i] = load_some(right, channels);
        p->px[2][i] = load_some(at + below, channels);
        p->px[3][i] = load_some(right + below, channels);
    }
}

static void gather_4(const tmb_image *src, places *p)
{
    int channels = src->channels;
    ptrdiff_t stride = (ptrdiff_t)src->width * channels;

    if (needs_care(src, p, true)) {
        gather_4_with_care(src, p);
        return;
    }
    for (int i = 0; i < CHUNK; i++) {
        const uint8_t *at = src->pixels + p->r0[i] * stride + p->c0[i] * channels;
        const uint8_t *right = at + p->aside[i] * channels;
        ptrdiff_t below = p->down[i] * stride;

        p->px[0][i] = load_4(at);
        p->px[1][i] = load_4(right);
        p->px[2][i] = load_4(at + below);
        p->px[3][i] = load_4(right + below);
    }
}

/* The sample of channel k in a gathered pixel. */
static int32_t sample(uint32_t px, int k)
{
    return (int32_t)(px >> (8 * k) & 255);
}

static void sum_exact(places *p, int k, float scale, float shift)
{
    for (int i = 0; i < CHUNK; i++) {
        double wr0 = 1.0 - p->fr[i], wr1 = 1.0 - wr0, wc0 = 1.0 - p->fc[i], wc1 = 1.0 - wc0;
        double v = sample(p->px[0][i], k) * wr0 * wc0 + sample(p->px[1][i], k) * wr0 * wc1 +
                sample(p->px[2][i], k) * wr1 * wc0 + sample(p->px[3][i], k) * wr1 * wc1;
        p->out[k][i] = (float)v * scale + shift;
    }
}

static void sum_fast(places *p, int k, float scale, float shift)
{
    for (int i = 0; i < CHUNK; i++) {
        float fr = (float)p->fr[i], fc = (float)p->fc[i];
        float a = (float)sample(p->px[0][i], k), b = (float)sample(p->px[1][i], k);
        float c = (float)sample(p->px[2][i], k), d = (float)sample(p->px[3][i], k);
        float top = a + (b - a) * fc, bottom = c + (d - c) * fc;

        p->out[k][i] = (top + (bottom - top) * fr) * scale + shift;
    }
}

static void take_nearest(places *p, int k, float scale, float shift)
{
    for (int i = 0; i < CHUNK; i++)
        p->out[k][i] = (float)sample(p->px[0][i], k) * scale + shift;
}

static void fill_outside(const job *jb, places *p, int k)
{
    for (int i = 0; i < CHUNK; i++)
        if (p->outside[i]) p->out[k][i] = jb->warp->cval * jb->scale[k] + jb->shift[k];
}

static void store(const places *p, float *dst, int n, int channels)
{
    if (channels == 3) {
        for (int i = 0; i < n; i++, dst += 3) {
            dst[0] = p->out[0][i];
            dst[1] = p->out[1][i];
            dst[2] = p->out[2][i];
        }
        return;
    }
    for (int i = 0; i < n; i++, dst += channels)
        for (int k = 0; k < channels; k++)
            dst[k] = p->out[k][i];
}

static void find(const job *jb, places *p)
{
    const tmb_image *src = jb->src;

    if (jb->warp->order == 0) {
        round_axis(p->row, src->height, p->r0);
        round_axis(p->col, src->width, p->c0);
        gather_1(src, p);
    } else {
        split_axis(p->row, src->height, p->r0, p->down, p->fr);
        split_axis(p->col, src->width, p->c0, p->aside, p->fc);
        gather_4(src, p);
    }
}

/* Pixels [from, from + CHUNK) of a row, as far as they are there. */
static void warp_chunk(const job *jb, places *p, float *row, int r, int from)
{
    int channels = jb->src->channels;

    locate(jb, p, r, from);
    bring_chunk_inside(jb, p);
    find(jb, p);
    for (int k = 0; k < channels; k++) {
        if (jb->warp->order == 0) {
            take_nearest(p, k, jb->scale[k], jb->shift[k]);
        } else if (jb->warp->exact) {
            sum_exact(p, k, jb->scale[k], jb->shift[k]);
        } else {
            sum_fast(p, k, jb->scale[k], jb->shift[k]);
        }
        if (p->any_outside) fill_outside(jb, p, k);
    }
    store(p, row + (size_t)from * (size_t)channels, TMB_MIN(CHUNK, jb->w - from), channels);
}

static void warp_rows(const job *jb)
{
    size_t stride = (size_t)jb->w * (size_t)jb->src->channels;
    places p;

    for (int y = 0; y < jb->h; y++)
        for (int from = 0; from < jb->w; from += CHUNK)
            warp_chunk(jb, &p, jb->dst + (size_t)y * stride, jb->warp->flip_v ? jb->h - 1 - y : y,
                    from);
}

/* Copies of all of the above for wider registers. */
#if defined(__x86_64__)
__attribute__((flatten, target("avx2"))) static void warp_rows_avx2(const job *jb)
{
    warp_rows(jb);
}

#define AVX512 __attribute__((target("avx512f,avx512vl,avx512dq")))

/* Eight pixels of three channels: both neighbours in a row are in the eight bytes from the first of them. */
typedef struct eight {
    __m512i above, below; /* of the rows, one pixel in 64 bits */
    __m512d fr, fc;
} eight;

AVX512 static inline __m128i load_two(const uint8_t *px, const int64_t at[2])
{
    return _mm_unpacklo_epi64(_mm_loadu_si64(px + at[0]), _mm_loadu_si64(px + at[1]));
}

/* One by one: with the instruction that gathers a photo from the cache takes twice as long on AMD's Zen 5. */
AVX512 static inline __m512i load_eight(const uint8_t *px, __m512i at)
{
    int64_t i[8];
    __m256i low, high;

    _mm512_storeu_si512(i, at);
    low = _mm256_inserti128_si256(_mm256_castsi128_si256(load_two(px, i)), load_two(px, i + 2), 1);
    high = _mm256_inserti128_si256(
            _mm256_castsi128_si256(load_two(px, i + 4)), load_two(px, i + 6), 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* False if some lie outside and are not the nearest pixel inside, or if a load would leave the photo. A neighbour behind the last
 * column is of the next row: it weighs nothing. */
AVX512 static inline bool find_eight(const job *jb, eight *e, int r, int from)
{
    const tmb_image *src = jb->src;
    const double *m = jb->warp->m;
    const int64_t stride = (int64_t)src->width * 3;
    const __m512d zero = _mm512_setzero_pd(), bottom = _mm512_set1_pd(src->height - 1),
                  right = _mm512_set1_pd(src->width - 1);
    const __m256i last = _mm256_set1_epi32(jb->w - 1);
    __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), r0, c0;
    __m512d c, row, col;
    __m512i at;
    __mmask8 in;

    i = _mm256_min_epi32(_mm256_add_epi32(i, _mm256_set1_epi32(from)), last);
    c = _mm512_cvtepi32_pd(jb->warp->flip_h ? _mm256_sub_epi32(last, i) : i);
    row = _mm512_set1_pd(m[0] * r) + _mm512_set1_pd(m[1]) * c + _mm512_set1_pd(m[2]);
    col = _mm512_set1_pd(m[3] * r) + _mm512_set1_pd(m[4]) * c + _mm512_set1_pd(m[5]);
    if (jb->warp->fill == TMB__FILL_NEAREST) { /* what is no number becomes 0, as above */
        row = _mm512_min_pd(_mm512_max_pd(row, zero), bottom);
        col = _mm512_min_pd(_mm512_max_pd(col, zero), right);
    }
    in = _mm512_cmp_pd_mask(row, zero, _CMP_GE_OQ) & _mm512_cmp_pd_mask(row, bottom, _CMP_LE_OQ) &
            _mm512_cmp_pd_mask(col, zero, _CMP_GE_OQ) & _mm512_cmp_pd_mask(col, right, _CMP_LE_OQ);
    if (in != 0xff) return false;
    r0 = _mm512_cvttpd_epi32(row);
    c0 = _mm512_cvttpd_epi32(col);
    e->fr = row - _mm512_cvtepi32_pd(r0);
    e->fc = col - _mm512_cvtepi32_pd(c0);
    at = _mm512_mul_epi32(_mm512_cvtepi32_epi64(r0), _mm512_set1_epi64(stride)) +
            _mm512_mul_epi32(_mm512_cvtepi32_epi64(c0), _mm512_set1_epi64(3));
    in = _mm256_cmplt_epi32_mask(r0, _mm256_set1_epi32(src->height - 1));
    e->below = _mm512_mask_add_epi64(at, in, at, _mm512_set1_epi64(stride));
    if (_mm512_cmpgt_epi64_mask(e->below, _mm512_set1_epi64(src->height * stride - 8)))
        return false;
    e->below = load_eight(src->pixels, e->below);
    e->above = load_eight(src->pixels, at);
    return true;
}

AVX512 static inline __m512i byte_of(__m512i pixels, int k)
{
    return _mm512_srli_epi64(pixels, 8 * (unsigned)k) & _mm512_set1_epi64(255);
}

/* As sum_exact has it. */
AVX512 static inline __m256 sum_eight_exact(const eight *e, int k)
{
    const __m512d one = _mm512_set1_pd(1), wr0 = one - e->fr, wr1 = one - wr0, wc0 = one - e->fc,
                  wc1 = one - wc0;

    return _mm512_cvtpd_ps(_mm512_cvtepi64_pd(byte_of(e->above, k)) * wr0 * wc0 +
            _mm512_cvtepi64_pd(byte_of(e->above, k + 3)) * wr0 * wc1 +
            _mm512_cvtepi64_pd(byte_of(e->below, k)) * wr1 * wc0 +
            _mm512_cvtepi64_pd(byte_of(e->below, k + 3)) * wr1 * wc1);
}

/* As sum_fast has it. */
AVX512 static inline __m256 sum_eight_fast(const eight *e, int k)
{
    const __m256 fr = _mm512_cvtpd_ps(e->fr), fc = _mm512_cvtpd_ps(e->fc);
    const __m256 a = _mm512_cvtepi64_ps(byte_of(e->above, k)),
                 b = _mm512_cvtepi64_ps(byte_of(e->above, k + 3)),
                 c = _mm512_cvtepi64_ps(byte_of(e->below, k)),
                 d = _mm512_cvtepi64_ps(byte_of(e->below, k + 3));
    const __m256 top = a + (b - a) * fc, bottom = c + (d - c) * fc;

    return top + (bottom - top) * fr;
}

/* n pixels of the three channels side by side. */
AVX512 static inline void store_eight(float *dst, const __m256 x[3], int n)
{
    const __m512i first = _mm512_setr_epi32(0, 8, 16, 1, 9, 17, 2, 10, 18, 3, 11, 19, 4, 12, 20, 5),
                  rest = _mm512_setr_epi32(13, 21, 6, 14, 22, 7, 15, 23, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m512 two = _mm512_insertf32x8(_mm512_castps256_ps512(x[0]), x[1], 1),
                 third = _mm512_castps256_ps512(x[2]);
    const uint32_t there = (1u << (3 * n)) - 1;

    _mm512_mask_storeu_ps(dst, (__mmask16)there, _mm512_permutex2var_ps(two, first, third));
    if (n > 5)
        _mm512_mask_storeu_ps(
                dst + 16, (__mmask16)(there >> 16), _mm512_permutex2var_ps(two, rest, third));
}

/* A chunk, unless it needs a look at each place. */
AVX512 static bool warp_chunk_by_eight(const job *jb, float *row, int r, int from)
{
    const int n = TMB_MIN(CHUNK, jb->w - from);
    eight e;

    for (int i = 0; i < n; i += 8) {
        __m256 x[3];

        if (!find_eight(jb, &e, r, from + i)) return false;
#pragma GCC unroll 3
        for (int k = 0; k < 3; k++) {
            x[k] = jb->warp->exact ? sum_eight_exact(&e, k) : sum_eight_fast(&e, k);
            x[k] = x[k] * _mm256_set1_ps(jb->scale[k]) + _mm256_set1_ps(jb->shift[k]);
        }
        store_eight(row + (size_t)(from + i) * 3, x, TMB_MIN(8, n - i));
    }
    return true;
}

__attribute__((flatten, target("avx512f,avx512vl,avx512dq"))) static void warp_rows_avx512(
        const job *jb)
{
    const bool wide = jb->warp->order == 1 && jb->src->channels == 3;
    const size_t stride = (size_t)jb->w * (size_t)jb->src->channels;
    places p;

    for (int y = 0; y < jb->h; y++) {
        const int r = jb->warp->flip_v ? jb->h - 1 - y : y;
        float *row = jb->dst + (size_t)y * stride;

        for (int from = 0; from < jb->w; from += CHUNK)
            if (!wide || !warp_chunk_by_eight(jb, row, r, from)) warp_chunk(jb, &p, row, r, from);
    }
}

static void warp_rows_best(const job *jb)
{
    if (tmb__isa_allowed(TMB_ISA_AVX512) && __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
        warp_rows_avx512(jb);
    } else if (tmb__isa_allowed(TMB_ISA_AVX2) && __builtin_cpu_supports("avx2")) {
        warp_rows_avx2(jb);
    } else {
        warp_rows(jb);
    }
}
#else
static void warp_rows_best(const job *jb)
{
    warp_rows(jb);
}
#endif

/* ---- no map at all ---- */

static void copy_rows(const job *jb)
{
    int channels = jb->src->channels;
    size_t stride = (size_t)jb->w * (size_t)channels;
    bool flip_h = jb->warp->flip_h;
    float *dst = jb->dst;

    for (int y = 0; y < jb->h; y++) {
        int r = jb->warp->flip_v ? jb->h - 1 - y : y;
        const uint8_t *px = jb->src->pixels + (size_t)r * stride;

        if (flip_h) px += stride - (size_t)channels;
        for (int c = 0; c < jb->w; c++, px += flip_h ? -channels : channels, dst += channels)
            for (int k = 0; k < channels; k++)
                dst[k] = (float)px[k] * jb->scale[k] + jb->shift[k];
    }
}

void tmb__warp_run(const tmb__warp *warp, const tmb_image *src, float *dst, int h, int w,
        const float *scale, const float *shift)
{
    job jb = {.warp = warp, .src = src, .dst = dst, .h = h, .w = w, .scale = scale, .shift = shift};

    TMB_ASSERT(!warp->identity || (src->height == h && src->width == w));
    TMB_ASSERT(warp->order == 0 || warp->order == 1);
    if (warp->identity) {
        copy_rows(&jb);
    } else {
        warp_rows_best(&jb);
    }
}
