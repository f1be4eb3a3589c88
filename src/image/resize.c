/* resize.c - Pillow's Image.resize, bit for bit, for its six filters
 *
 * Nearest: source index floor(x0 + s/2), s = box / out, with the position accumulated in double;
 * the closed integer formula differs from it in some places.
 * The others are separable: a horizontal pass, then a vertical one, rounded to 8 bits in between.
 * Per output place, with support S of the filter f and fs = max(scale, 1):
 *   c = box0 + (x + 0.5) scale
 *   lo = max(0, trunc(c - S fs + 0.5)),  hi = min(n, trunc(c + S fs + 0.5))
 *   w_k = f((k + lo - c + 0.5) / fs), divided by their sum, as integers with 22 fraction bits
 *   pixel = clip8((2^21 + sum w px) >> 22)
 * A pass whose size and box change nothing is left out. RGBA is multiplied by its alpha before and
 * divided after. Source: Pillow 9.4, src/libImaging/Resample.c and Geometry.c. Pillow 13 does the
 * vertical pass first for some sizes, which moves single values by one or more; training sets were
 * made with the old order, so it is kept.
 *
 * All sums are of integers, so pixels may be taken side by side in wide registers, with the same bits: four
 * pixels of 3 or 4 channels along a row, and 16 values of a row from above to below. x86 gets a copy
 * for AVX-512, chosen at run time; AVX2 gains nothing.
 *
 * PITFALL: the box is float32 and its length a float32 difference; both matter to the last bit. */
#include "image/image.h"

#include <math.h>
#include <string.h>

enum { FRACTION_BITS = 22, ABREAST = 4, LANES = 4 * ABREAST };

typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef uint16_t halves __attribute__((vector_size(LANES * sizeof(uint16_t))));
typedef uint8_t octets __attribute__((vector_size(LANES)));
typedef uint32_t quad __attribute__((vector_size(LANES)));

/* ---- the filters ---- */

static const double pi = 3.14159265358979323846;

static double sinc(double x)
{
    return x == 0.0 ? 1.0 : sin(x * pi) / (x * pi);
}

static double box_filter(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear_filter(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming_filter(double x)
{
    x = fabs(x);
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x *= pi;
    return sin(x) / x * (0.54f + 0.46f * cos(x));
}

/* Keys' cubic with a = -1/2. */
static double bicubic_filter(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double lanczos_filter(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const struct {
    double (*f)(double x);
    double support;
} filters[] = {
        [TMB_BILINEAR] = {bilinear_filter, 1.0},
        [TMB_BICUBIC] = {bicubic_filter, 2.0},
        [TMB_LANCZOS] = {lanczos_filter, 3.0},
        [TMB_BOX] = {box_filter, 0.5},
        [TMB_HAMMING] = {hamming_filter, 1.0},
};

/* ---- scratch ---- */

/* The taps of one axis: output i takes taps[i].n inputs from taps[i].lo, weights + i * most. */
typedef struct tap {
    int lo, n;
} tap;
typedef struct axis {
    int n_in, n_out, most;
    double box0, length; /* length is a float32 difference */
    bool needed;
    tap *taps;
    int32_t *weights;
    double *work; /* `most` weights before rounding */
    /* For pixels side by side: all take `wide` inputs from from[i], those that are not theirs with weight 0. */
    int wide;
    int *from;     /* (n_out rounded up to ABREAST), the last repeated */
    int32_t *lane; /* (n_out / ABREAST rounded up, wide, LANES): weights, each for four channels */
} axis;

/* Pieces of the one block of memory, each aligned to 16 bytes. With base NULL it only counts. */
typedef struct cutter {
    uint8_t *base;
    size_t used;
    bool overflow;
} cutter;

static void *cut(cutter *c, size_t n, size_t size)
{
    size_t bytes, end;
    void *piece = c->base != NULL ? c->base + c->used : NULL;

    if (!tmb__mul(n, size, &bytes) || !tmb__add(bytes, 15, &bytes) ||
            !tmb__add(c->used, bytes & ~(size_t)15, &end)) {
        c->overflow = true;
        return NULL;
    }
    c->used = end;
    return piece;
}

int tmb__resizer_reserve(tmb__resizer *rs, size_t bytes)
{
    void *larger;

    if (bytes <= rs->cap) return 0;
    larger = tmb__realloc(NULL, bytes, 1);
    if (larger == NULL) return TMB_ENOMEM;
    tmb__free(rs->scratch);
    rs->scratch = larger;
    rs->cap = bytes;
    return 0;
}

static int reserve(tmb__resizer *rs, const cutter *need)
{
    if (need->overflow) return tmb__fail(TMB_ENOMEM, "a resize too large for this machine");
    return tmb__resizer_reserve(rs, need->used);
}

void tmb__resizer_free(tmb__resizer *rs)
{
    tmb__free(rs->scratch);
    *rs = (tmb__resizer){0};
}

/* ---- taps ---- */

static axis axis_of(int n_in, int n_out, float lo, float hi, double support)
{
    axis a = {.n_in = n_in, .n_out = n_out, .box0 = lo, .length = hi - lo};

    a.needed = n_in != n_out || lo != 0.0f || hi != (float)n_out;
    a.most = (int)ceil(support * TMB_MAX(a.length / n_out, 1.0)) * 2 + 1;
    return a;
}

static void axis_memory(axis *a, cutter *c)
{
    a->taps = cut(c, (size_t)a->n_out, sizeof *a->taps);
    a->weights = cut(c, (size_t)a->n_out * (size_t)a->most, sizeof *a->weights);
    a->work = cut(c, (size_t)a->most, sizeof *a->work);
}

static int groups(const axis *a)
{
    return (a->n_out + ABREAST - 1) / ABREAST;
}

static void lane_memory(axis *a, cutter *c)
{
    a->from = cut(c, (size_t)groups(a) * ABREAST, sizeof *a->from);
    a->lane = cut(c, (size_t)groups(a) * (size_t)a->most, LANES * sizeof *a->lane);
}

static void axis_weights(const axis *a, tmb_filter filter)
{
    double scale = a->length / a->n_out, stretch = TMB_MAX(scale, 1.0);
    double radius = filters[filter].support * stretch, inverse = 1.0 / stretch;

    for (int i = 0; i < a->n_out; i++) {
        double centre = a->box0 + (i + 0.5) * scale, sum = 0.0;
        int lo = TMB_MAX((int)(centre - radius + 0.5), 0);
        int n = TMB_MIN((int)(centre + radius + 0.5), a->n_in) - lo;
        int32_t *weights = a->weights + (size_t)i * (size_t)a->most;

        for (int k = 0; k < n; k++) {
            a->work[k] = filters[filter].f((k + lo - centre + 0.5) * inverse);
            sum += a->work[k];
        }
        for (int k = 0; k < n; k++) {
            double w = (sum != 0.0 ? a->work[k] / sum : a->work[k]) * (1 << FRACTION_BITS);
            weights[k] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
        }
        a->taps[i] = (tap){lo, TMB_MAX(n, 0)};
    }
}

static void fill_lanes(axis *a)
{
    a->wide = 1;
    for (int i = 0; i < a->n_out; i++)
        a->wide = TMB_MAX(a->wide, a->taps[i].n);
    memset(a->lane, 0, (size_t)(groups(a) * a->wide * LANES) * sizeof *a->lane);
    for (int i = 0; i < groups(a) * ABREAST; i++) {
        const int own = TMB_MIN(i, a->n_out - 1);
        const tap *t = &a->taps[own];
        int32_t *lane = a->lane + (i / ABREAST * a->wide * ABREAST + i % ABREAST) * 4;

        a->from[i] = TMB_MIN(t->lo, a->n_in - a->wide);
        lane += (t->lo - a->from[i]) * LANES;
        for (int k = 0; k < 4 * t->n; k++)
            lane[k / 4 * LANES + k % 4] = a->weights[(size_t)own * (size_t)a->most + (size_t)k / 4];
    }
}

/* ---- passes ---- */

static uint8_t clip8(int32_t sum)
{
    sum >>= FRACTION_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static void row_of_1(const axis *a, uint8_t *dst, const uint8_t *src)
{
    for (int i = 0; i < a->n_out; i++) {
        const int32_t *w = a->weights + (size_t)i * (size_t)a->most;
        const uint8_t *px = src + a->taps[i].lo;
        int32_t s = 1 << (FRACTION_BITS - 1);

        for (int k = 0; k < a->taps[i].n; k++)
            s += px[k] * w[k];
        dst[i] = clip8(s);
    }
}

/* Pillow's rounded a b / 255, and its way back. */
static void premultiply(uint8_t *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++, src += 4, dst += 4) {
        for (int k = 0; k < 3; k++) {
            uint32_t t = (uint32_t)src[k] * src[3] + 128;
            dst[k] = (uint8_t)(((t >> 8) + t) >> 8);
        }
        dst[3] = src[3];
    }
}

static void unpremultiply(uint8_t *px, size_t n)
{
    for (size_t i = 0; i < n; i++, px += 4) {
        if (px[3] == 0 || px[3] == 255) continue;
        for (int k = 0; k < 3; k++)
            px[k] = (uint8_t)TMB_MIN(255u * px[k] / px[3], 255u);
    }
}

/* One resize by weights: the two axes and what stands between the passes. */
typedef struct plan {
    axis x, y;
    int first, last;  /* rows of src that the vertical pass needs */
    uint8_t *between; /* (last - first, x.n_out, channels) */
    uint8_t *row;     /* one row of src, premultiplied, or the last with room behind it */
} plan;

/* The taps come first: which rows are needed follows from them. */
static void plan_axes(plan *p, cutter *c)
{
    axis_memory(&p->x, c);
    axis_memory(&p->y, c);
    lane_memory(&p->x, c);
}

static void plan_rows(plan *p, const tmb_image *dst, const tmb_image *src, cutter *c)
{
    size_t ch = (size_t)dst->channels, stride = (size_t)dst->width * ch;

    p->between = cut(c, (size_t)(p->last - p->first) + 1, stride); /* a byte is written behind it */
    p->row = cut(c, (size_t)src->width + 1, ch);
}

/* ---- passes in registers as wide as there are ---- */

#define PASS(name) name
#define TARGET
#include "image/resize_body.h"
#undef PASS
#undef TARGET

#if defined(__x86_64__)
#define PASS(name) name##_avx512
#define TARGET     __attribute__((target("avx512f,avx512vl,avx512bw")))
#include "image/resize_body.h"
#undef PASS
#undef TARGET
#endif

static void run_plan_best(const plan *p, tmb_image *dst, const tmb_image *src)
{
#if defined(__x86_64__)
    if (tmb__isa_allowed(TMB_ISA_AVX512) && __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
        run_plan_avx512(p, dst, src);
        return;
    }
#endif
    run_plan(p, dst, src);
}

static int resize_weighted(tmb__resizer *rs, tmb_image *dst, const tmb_image *src,
        const float box[4], tmb_filter filter)
{
    double support = filters[filter].support;
    plan p = {.x = axis_of(src->width, dst->width, box[0], box[2], support),
            .y = axis_of(src->height, dst->height, box[1], box[3], support)};
    cutter count = {0}, take = {0};

    p.last = src->height; /* the most that can be needed */
    plan_axes(&p, &count);
    plan_rows(&p, dst, src, &count);
    TMB_TRY(reserve(rs, &count));
    take.base = rs->scratch;
    plan_axes(&p, &take);
    axis_weights(&p.x, filter);
    axis_weights(&p.y, filter);
    fill_lanes(&p.x);
    if (p.y.needed) {
        const tap *last = &p.y.taps[dst->height - 1];
        p.first = p.y.taps[0].lo;
        p.last = last->lo + last->n;
    }
    plan_rows(&p, dst, src, &take);
    run_plan_best(&p, dst, src);
    return 0;
}

/* ---- nearest ---- */

static void nearest_places(int *places, int n_out, int n_in, float lo, float hi)
{
    double step = (double)(hi - lo) / n_out, at = (double)lo + step * 0.5;

    for (int i = 0; i < n_out; i++, at += step)
        places[i] = TMB_MIN((int)at, n_in - 1);
}

static void nearest_row(uint8_t *dst, const uint8_t *src, const int *places, int n, int channels)
{
    if (channels == 3) {
        for (int x = 0; x < n; x++, dst += 3) {
            const uint8_t *px = src + (size_t)places[x] * 3;

            dst[0] = px[0];
            dst[1] = px[1];
            dst[2] = px[2];
        }
        return;
    }
    for (int x = 0; x < n; x++, dst += channels)
        for (int k = 0; k < channels; k++)
            dst[k] = src[(size_t)places[x] * (size_t)channels + (size_t)k];
}

static int resize_nearest(
        tmb__resizer *rs, tmb_image *dst, const tmb_image *src, const float box[4])
{
    cutter count = {0}, take = {0};
    int *xs, *ys, ch = dst->channels;

    cut(&count, (size_t)dst->width, sizeof *xs);
    cut(&count, (size_t)dst->height, sizeof *ys);
    TMB_TRY(reserve(rs, &count));
    take.base = rs->scratch;
    xs = cut(&take, (size_t)dst->width, sizeof *xs);
    ys = cut(&take, (size_t)dst->height, sizeof *ys);
    nearest_places(xs, dst->width, src->width, box[0], box[2]);
    nearest_places(ys, dst->height, src->height, box[1], box[3]);
    for (int y = 0; y < dst->height; y++) {
        nearest_row(dst->pixels + (size_t)y * (size_t)dst->width * (size_t)ch,
                src->pixels + (size_t)ys[y] * (size_t)src->width * (size_t)ch, xs, dst->width, ch);
    }
    return 0;
}

/* ---- API ---- */

int tmb__resize_into(tmb__resizer *rs, tmb_image *dst, const tmb_image *src, const float box[4],
        tmb_filter filter)
{
    float whole[4] = {0, 0, (float)src->width, (float)src->height};
    const float *b = box != NULL ? box : whole;

    TMB_ASSERT(dst->channels == src->channels && dst->pixels != NULL);
    if (filter < TMB_NEAREST || filter > TMB_HAMMING)
        return tmb__fail(TMB_EINVAL, "resize filter %d is not known", (int)filter);
    if (!(b[0] >= 0 && b[1] >= 0 && b[2] > b[0] && b[3] > b[1] && b[2] <= whole[2] &&
                b[3] <= whole[3])) {
        return tmb__fail(TMB_EINVAL, "resize box %g,%g..%g,%g does not lie in %dx%d", (double)b[0],
                (double)b[1], (double)b[2], (double)b[3], src->width, src->height);
    }
    if (src->width == dst->width && src->height == dst->height &&
            memcmp(b, whole, sizeof whole) == 0) {
        memcpy(dst->pixels, src->pixels,
                (size_t)src->width * (size_t)src->height * (size_t)src->channels);
        return 0;
    }
    if (filter == TMB_NEAREST) return resize_nearest(rs, dst, src, b);
    return resize_weighted(rs, dst, src, b, filter);
}

int tmb_image_resize(tmb_image *out, const tmb_image *src, int height, int width, tmb_filter filter)
{
    tmb__resizer rs = {0};
    int status;

    if (out == NULL) return tmb__fail(TMB_EINVAL, "out is NULL");
    *out = (tmb_image){0};
    if (src == NULL || src->pixels == NULL) return tmb__fail(TMB_EINVAL, "src is empty");
    if (src->channels != 1 && src->channels != 3 && src->channels != 4)
        return tmb__fail(TMB_EINVAL, "photo of %d channels, must be 1, 3 or 4", src->channels);
    TMB_TRY(tmb__image_new(out, height, width, src->channels));
    status = tmb__resize_into(&rs, out, src, NULL, filter);
    if (status < 0) tmb_image_free(out);
    tmb__resizer_free(&rs);
    return status;
}
