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

/* Windows of 3 x 3, from result `from` to `to`, that all lie in the picture as the first one does; the
 * kernel stays in registers. `half` is a constant where this is inlined. */
TMB_INLINE void like_windows(
        const row_job *job, const split *kernel, int64_t from, int64_t to, const bool half)
{
    const cpu_bf16_depth *s = job->s;
    const cpu_bf16_source x = {job->x->at, half, NULL};
    const int64_t line = s->w * s->c, step = s->stride[1] * s->c;
    const int64_t iy = job->oy * s->stride[0] - s->pad[0], ix = from * s->stride[1] - s->pad[1];
    int64_t at = iy * line + ix * s->c + job->c;
    __mmask32 mask[9];
    split w[9];

    for (int k = 0; k < 9; k++) {
        const int64_t y = iy + k / 3, px = ix + k % 3;

        mask[k] = y >= 0 && y < s->h && px >= 0 && px < s->w ? job->mask : 0;
        w[k] = kernel[k];
    }
    for (int64_t ox = from; ox < to; ox++, at += step) {
        split sum = job->bias;

        TMB_UNROLL(9)
        for (int k = 0; k < 9; k++)
            add_product(&sum, load_half(&x, at + k / 3 * line + k % 3 * s->c, mask[k]), &w[k]);
        write_result(job, ox, sum);
    }
}

/* The results of a row whose windows lie between the picture's sides: from *from to *to. */
static void between_sides(const cpu_bf16_depth *s, int64_t *from, int64_t *to)
{
    const int64_t last = s->w + s->pad[1] - s->kw;

    *from = (s->pad[1] + s->stride[1] - 1) / s->stride[1];
    *to = last < 0 ? 0 : last / s->stride[1] + 1;
    if (*to > s->ow) *to = s->ow;
    if (*from > *to) *from = *to;
}

TMB_INLINE void row_3x3(const row_job *job, const split *w, const bool half)
{
    int64_t from, to;

    between_sides(job->s, &from, &to);
    for (int64_t ox = 0; ox < job->s->ow;) {
        const int64_t end = ox >= from && ox < to ? to : ox + 1;

        like_windows(job, w, ox, end, half);
        ox = end;
    }
}

static void one_row(const row_job *job, const split *w)
{
    const cpu_bf16_depth *s = job->s;

    if (s->kh != 3 || s->kw != 3 || s->dilation[0] * s->dilation[1] != 1) {
        for (int64_t ox = 0; ox < s->ow; ox++)
            any_result(job, w, ox);
    } else if (job->x->half) {
        row_3x3(job, w, true);
    } else {
        row_3x3(job, w, false);
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
