/* cpu_bf16_depth.c - the kernel of cpu_bf16.h for depthwise convolutions
 *
 * There is nothing in them for tiles: each channel has its own small kernel. Vectors take 32 channels of a
 * bf16 picture; its even and odd channels are floats once the other half is shifted or masked away. */
#include "cpu_bf16_vec.h"

/* 32 channels in two vectors of floats: 0, 2 .. 30 and 1, 3 .. 31. */
typedef struct split {
    __m512 even, odd;
} split;

TMB_INLINE split split_of(__m512i v)
{
    const __m512i odd = _mm512_and_si512(v, _mm512_set1_epi32((int)0xffff0000));

    return (split){_mm512_castsi512_ps(_mm512_slli_epi32(v, 16)), _mm512_castsi512_ps(odd)};
}

static split split_floats(const float *at, __mmask32 mask)
{
    const __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, at);
    const __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), at + 16);
    const __m512i even =
            _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);

    return (split){_mm512_permutex2var_ps(low, even, high),
            _mm512_permutex2var_ps(low, _mm512_add_epi32(even, _mm512_set1_epi32(1)), high)};
}

TMB_INLINE void add_product(split *sum, __m512i x, const split *w)
{
    const split v = split_of(x);

    sum->even = _mm512_fmadd_ps(v.even, w->even, sum->even);
    sum->odd = _mm512_fmadd_ps(v.odd, w->odd, sum->odd);
}

/* What a row of results needs, for channels c .. c + 31. */
typedef struct row_job {
    const cpu_bf16_depth *s;
    const cpu_bf16_source *x;
    void *y;
    int64_t oy, c;
    __mmask32 mask;
    split bias;
    __m512 least, most;
} row_job;

TMB_INLINE split limited(const row_job *job, split v)
{
    return (split){_mm512_min_ps(job->most, _mm512_max_ps(job->least, v.even)),
            _mm512_min_ps(job->most, _mm512_max_ps(job->least, v.odd))};
}

TMB_INLINE void write_result(const row_job *job, int64_t ox, split v)
{
    const cpu_bf16_depth *s = job->s;
    const int64_t at = (job->oy * s->ow + ox) * s->c + job->c;
    const __m512i low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    float *wide = (float *)job->y + at;

    v = limited(job, v);
    if (s->end.half) {
        _mm512_mask_storeu_epi16((cpu_bf16 *)job->y + at, job->mask, pairs(v.even, v.odd));
        return;
    }
    _mm512_mask_storeu_ps(wide, (__mmask16)job->mask, _mm512_permutex2var_ps(v.even, low, v.odd));
    _mm512_mask_storeu_ps(
            wide + 16, (__mmask16)(job->mask >> 16), _mm512_permutex2var_ps(v.even, high, v.odd));
}

/* Any window: what of it lies outside the picture is left out. */
static void any_result(const row_job *job, const split *w, int64_t ox)
{
    const cpu_bf16_depth *s = job->s;
    const int64_t iy = job->oy * s->stride[0] - s->pad[0], ix = ox * s->stride[1] - s->pad[1];
    split sum = job->bias;

    for (int64_t ky = 0; ky < s->kh; ky++) {
        const int64_t y = iy + ky * s->dilation[0];

        for (int64_t kx = 0; kx < s->kw; kx++) {
            const int64_t x = ix + kx * s->dilation[1];

            if (y < 0 || y >= s->h || x < 0 || x >= s->w) continue;
            add_product(&sum, load_half(job->x, (y * s->w + x) * s->c + job->c, job->mask),
                    &w[ky * s->kw + kx]);
        }
    }
    write_result(job, ox, sum);
}

/* A row of windows of 3 x 3, ABREAST at a time, so that a pixel is read and split once for all that it is part of. */
enum { ABREAST = 4 };

typedef struct windows {
    const split *w;
    int64_t at, line; /* numbers to the row's first window, from row to row of the picture */
    __mmask32 row[3]; /* channels; 0: outside */
} windows;

/* Results from ox on, as far as there are. `stride`, `half` and `inside`, whether all their windows lie between the
 * sides, are constants where this is inlined. */
TMB_INLINE void some_windows(const row_job *job, const windows *r, int64_t ox, const int stride,
        const bool half, const bool inside)
{
    const cpu_bf16_depth *s = job->s;
    const cpu_bf16_source x = {job->x->at, half, NULL};
    const int64_t ix = ox * stride - s->pad[1], at = r->at + ox * stride * s->c;
    split sum[ABREAST];

    for (int i = 0; i < ABREAST; i++)
        sum[i] = job->bias;
    TMB_UNROLL(3)
    for (int ky = 0; ky < 3; ky++) {
        TMB_UNROLL(9)
        for (int j = 0; j < (ABREAST - 1) * stride + 3; j++) {
            const bool there = inside || (uint64_t)(ix + j) < (uint64_t)s->w;
            const __m512i v = load_half(&x, at + ky * r->line + j * s->c, there ? r->row[ky] : 0);

            TMB_UNROLL(4)
            for (int i = 0; i < ABREAST; i++) {
                const int kx = j - i * stride;

                if (kx >= 0 && kx < 3) add_product(&sum[i], v, &r->w[3 * ky + kx]);
            }
        }
    }
    for (int i = 0; i < ABREAST; i++)
        if (inside || ox + i < s->ow) write_result(job, ox + i, sum[i]);
}

TMB_INLINE void row_3x3(const row_job *job, const split *kernel, const int stride, const bool half)
{
    const cpu_bf16_depth *s = job->s;
    const int64_t iy = job->oy * s->stride[0] - s->pad[0];
    split w[9];
    windows r = {.w = w, .line = s->w * s->c};

    r.at = iy * r.line - s->pad[1] * s->c + job->c;
    for (int k = 0; k < 3; k++)
        r.row[k] = (uint64_t)(iy + k) < (uint64_t)s->h ? job->mask : 0;
    TMB_UNROLL(9)
    for (int k = 0; k < 9; k++)
        w[k] = kernel[k];
    for (int64_t ox = 0; ox < s->ow; ox += ABREAST) {
        const int64_t ix = ox * stride - s->pad[1];

        if (ix >= 0 && ix + (ABREAST - 1) * stride + 3 <= s->w)
            some_windows(job, &r, ox, stride, half, true);
        else
            some_windows(job, &r, ox, stride, half, false);
    }
}

static void one_row(const row_job *job, const split *w)
{
    const cpu_bf16_depth *s = job->s;
    const int64_t stride = s->stride[1];
    const bool half = job->x->half;

    if (s->kh != 3 || s->kw != 3 || s->dilation[0] * s->dilation[1] != 1 || stride > 2) {
        for (int64_t ox = 0; ox < s->ow; ox++)
            any_result(job, w, ox);
    } else if (stride == 1) {
        half ? row_3x3(job, w, 1, true) : row_3x3(job, w, 1, false);
    } else {
        half ? row_3x3(job, w, 2, true) : row_3x3(job, w, 2, false);
    }
}

void tmb__cpu_bf16_depthwise(
        const cpu_bf16_depth *s, const cpu_bf16_source *x, const float *w, void *y, void *space)
{
    const int64_t taps = s->kh * s->kw;
    const bool limits = s->end.relu && s->end.most > 0;
    split *kernel = space;
    row_job job = {.s = s, .x = x, .y = y};

    job.least = _mm512_set1_ps(s->end.relu ? 0 : -__builtin_inff());
    job.most = _mm512_set1_ps(limits ? s->end.most : __builtin_inff());
    for (int64_t c = 0; c < s->c; c += 32) {
        for (int64_t k = 0; k < taps; k++)
            kernel[c / 32 * taps + k] = split_floats(w + k * s->c + c, first_half(s->c - c));
    }
    for (job.oy = 0; job.oy < s->oh; job.oy++) {
        for (job.c = 0; job.c < s->c; job.c += 32) {
            const split none = {_mm512_setzero_ps(), _mm512_setzero_ps()};

            job.mask = first_half(s->c - job.c);
            job.bias = s->end.bias ? split_floats(s->end.bias + job.c, job.mask) : none;
            one_row(&job, kernel + job.c / 32 * taps);
        }
    }
}
