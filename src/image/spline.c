/* spline.c - the warp of warp.c for splines of order 2 and 3, and for pictures of floats
 *
 * The rules are scipy.ndimage.affine_transform's, in double to the end. A spline of order k takes
 * (k + 1) x (k + 1) neighbours, the first at floor(v) - k/2 (odd) or floor(v + 1/2) - k/2 (even),
 * weighted by the B-spline at their distances. From order 2 on it goes through the pixels only if its
 * coefficients are found first: a recursive filter down each column and along each row (Unser: Splines,
 * a perfect fit for signal and image processing, 1999), with one pole z, forwards
 *   c_i += z c_i-1   and backwards   c_i = z (c_i+1 - c_i),
 * begun as if the line went on mirrored: about its last pixel for fill modes constant and wrap, about
 * that pixel's outer edge for reflect and nearest. For nearest SciPy adds 12 edge pixels first. */
#include "image/image.h"

#include <math.h>
#include <string.h>

enum { MAX_TAPS = 4, PADDING = 12 };

/* The coefficients, and what all pixels share. */
typedef struct plane {
    double *c; /* (h, w, channels) */
    int h, w, channels, pad;
    int order;
    tmb__fill fill;
} plane;

/* ---- coefficients ---- */

static double sum_mirrored(const double *c, ptrdiff_t step, int n, double z)
{
    const double far = pow(z, n - 1);
    double sum = c[0] + far * c[(n - 1) * step], power = z;

    for (int i = 1; i < n - 1; i++, power *= z)
        sum += power * (c[i * step] + far * c[(n - 1 - i) * step]);
    return sum / (1 - far * far);
}

static double sum_reflected(const double *c, ptrdiff_t step, int n, double z)
{
    const double far = pow(z, n);
    double sum = c[0] + far * c[(n - 1) * step], power = z;

    for (int i = 1; i < n; i++, power *= z)
        sum += power * (c[i * step] + far * c[(n - 1 - i) * step]);
    return c[0] + sum * z / (1 - far * far);
}

static void filter_line(double *c, ptrdiff_t step, int n, double z, bool reflected)
{
    const double gain = (1 - z) * (1 - 1 / z);
    double *const last = c + (n - 1) * step;

    if (n < 2) return;
    for (int i = 0; i < n; i++)
        c[i * step] *= gain;
    c[0] = reflected ? sum_reflected(c, step, n, z) : sum_mirrored(c, step, n, z);
    for (int i = 1; i < n; i++)
        c[i * step] += z * c[(i - 1) * step];
    last[0] = reflected ? last[0] * (z / (z - 1)) : (z * last[-step] + last[0]) * z / (z * z - 1);
    for (int i = n - 2; i >= 0; i--)
        c[i * step] = z * (c[(i + 1) * step] - c[i * step]);
}

static void filter(const plane *p)
{
    const double z = p->order == 2 ? sqrt(8) - 3 : sqrt(3) - 2;
    const bool reflected = p->fill == TMB__FILL_REFLECT || p->fill == TMB__FILL_NEAREST;
    const ptrdiff_t row = (ptrdiff_t)p->w * p->channels;

    for (ptrdiff_t i = 0; i < row; i++)
        filter_line(p->c + i, row, p->h, z, reflected);
    for (int y = 0; y < p->h; y++)
        for (int k = 0; k < p->channels; k++)
            filter_line(p->c + y * row + k, p->channels, p->w, z, reflected);
}

/* The picture's values, its edge repeated `pad` times on every side. */
static void load(const plane *p, const tmb__warp *warp, const tmb_image *src)
{
    double *out = p->c;

    for (int y = 0; y < p->h; y++) {
        const int sy = TMB_MIN(TMB_MAX(y - p->pad, 0), src->height - 1);

        for (int x = 0; x < p->w; x++, out += p->channels) {
            const int sx = TMB_MIN(TMB_MAX(x - p->pad, 0), src->width - 1);
            const size_t at = ((size_t)sy * (size_t)src->width + (size_t)sx) * (size_t)p->channels;

            for (int k = 0; k < p->channels; k++)
                out[k] = warp->floats ? (double)warp->floats[at + (size_t)k]
                                      : src->pixels[at + (size_t)k];
        }
    }
}

/* ---- neighbours ---- */

static int inside(int64_t i, int n, tmb__fill fill)
{
    const int64_t period = fill == TMB__FILL_REFLECT ? 2 * (int64_t)n : 2 * (int64_t)n - 2;

    if (i >= 0 && i < n) return (int)i;
    if (n == 1) return 0;
    if (fill == TMB__FILL_NEAREST) return i < 0 ? 0 : n - 1;
    i = (i % period + period) % period;
    if (i < n) return (int)i;
    return (int)(fill == TMB__FILL_REFLECT ? period - 1 - i : period - i);
}

/* The neighbours of v along an axis and their weights; the last weight is what the others leave. */
static void find_taps(const plane *p, double v, int n, int place[MAX_TAPS], double weight[MAX_TAPS])
{
    const int order = p->order;
    const double base = floor(order % 2 ? v : v + 0.5), f = v - base, z = 1 - f;
    double rest = 1;

    for (int i = 0; i <= order; i++)
        place[i] = inside((int64_t)base - order / 2 + i, n, p->fill);
    if (order == 1) weight[0] = 1 - f;
    if (order == 2) {
        weight[0] = 0.5 * (0.5 - f) * (0.5 - f);
        weight[1] = 0.75 - f * f;
    }
    if (order == 3) {
        weight[0] = z * z * z / 6;
        weight[1] = (f * f * (f - 2) * 3 + 4) / 6;
        weight[2] = (z * z * (z - 2) * 3 + 4) / 6;
    }
    for (int i = 0; i < order; i++)
        rest -= weight[i];
    weight[order] = rest;
}

/* One output pixel: rows outside, columns inside, as SciPy adds them. */
static void sum_taps(const plane *p, double row, double col, float *dst)
{
    double row_weight[MAX_TAPS], col_weight[MAX_TAPS];
    int row_place[MAX_TAPS], col_place[MAX_TAPS];

    find_taps(p, row, p->h, row_place, row_weight);
    find_taps(p, col, p->w, col_place, col_weight);
    for (int k = 0; k < p->channels; k++) {
        double sum = 0;

        for (int i = 0; i <= p->order; i++) {
            const double *line = p->c + (ptrdiff_t)row_place[i] * p->w * p->channels + k;

            for (int j = 0; j <= p->order; j++)
                sum += line[(ptrdiff_t)col_place[j] * p->channels] * row_weight[i] * col_weight[j];
        }
        dst[k] = (float)sum;
    }
}

/* Splines may look beyond the edge in mode nearest; lower orders see the same there as at the edge. */
static double bring(const plane *p, double v, int n)
{
    v = tmb__warp_sane(v);
    return (p->fill == TMB__FILL_NEAREST ? v : tmb__warp_inside(v, n, p->fill)) + p->pad;
}

static void warp_row(const plane *p, const tmb__warp *warp, int r, float *dst, int w)
{
    const int h_in = p->h - 2 * p->pad, w_in = p->w - 2 * p->pad;
    const double *m = warp->m;

    for (int x = 0; x < w; x++, dst += p->channels) {
        const int c = warp->flip_h ? w - 1 - x : x;
        const double row = m[0] * r + m[1] * c + m[2], col = m[3] * r + m[4] * c + m[5];

        if (p->fill == TMB__FILL_CONSTANT &&
                !(row >= 0 && row <= h_in - 1 && col >= 0 && col <= w_in - 1)) {
            for (int k = 0; k < p->channels; k++)
                dst[k] = warp->cval;
        } else {
            sum_taps(p, bring(p, row, h_in), bring(p, col, w_in), dst);
        }
    }
}

int tmb__warp_spline(const tmb__warp *warp, const tmb_image *src, float *dst, int h, int w,
        tmb__resizer *scratch)
{
    const int pad = warp->order > 1 && warp->fill == TMB__FILL_NEAREST ? PADDING : 0;
    plane p = {.h = src->height + 2 * pad,
            .w = src->width + 2 * pad,
            .channels = src->channels,
            .pad = pad,
            .order = warp->order,
            .fill = warp->fill};
    size_t bytes;

    TMB_ASSERT(warp->order >= 0 && warp->order < MAX_TAPS && src->channels <= 4);
    if (!tmb__mul((size_t)p.h, (size_t)p.w, &bytes) ||
            !tmb__mul(bytes, (size_t)p.channels * sizeof *p.c, &bytes))
        return tmb__fail(TMB_ENOMEM, "a warp too large for this machine");
    TMB_TRY(tmb__resizer_reserve(scratch, bytes));
    p.c = scratch->scratch;
    load(&p, warp, src);
    if (p.order > 1) filter(&p);
    for (int y = 0; y < h; y++)
        warp_row(&p, warp, warp->flip_v ? h - 1 - y : y,
                dst + (size_t)y * (size_t)w * (size_t)p.channels, w);
    return 0;
}
