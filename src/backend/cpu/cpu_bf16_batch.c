/* cpu_bf16_batch.c - the kernels of cpu_bf16.h for large kernels on small pictures: samples side by side
 *
 * A tile holds one pixel of 16 samples, so that a kernel is read once for all of them, and what of it
 * lies outside the picture is skipped instead of multiplied by 0. */
#include "cpu_bf16_end.h"

#include <string.h>

/* Numbers of a pixel of 16 samples. */
static int64_t pixel_of(int64_t channels)
{
    return cpu_up_to(channels, TILE_DEPTH) * TILE_SIDE;
}

/* ---- samples side by side: (pixels, channels / 32, 16, 32) ---- */

static void put(const cpu_bf16_map *map, const cpu_bf16_source *x, int64_t sample, cpu_bf16 *to)
{
    const int64_t step = x->where ? 2 : 1, w = map->w / step, pixel = pixel_of(map->c);

    to += sample * TILE_DEPTH;
    for (int64_t q = 0; q < map->h / step * w; q++) {
        cpu_bf16 *at = to + (q / w * map->w + q % w) * step * pixel;

        for (int64_t i = 0; i < map->c; i += TILE_DEPTH, at += TILE) {
            const __mmask32 mask = first_half(map->c - i);
            __m512i v[4];

            if (!x->where) {
                _mm512_storeu_si512(at, load_half(x, q * map->c + i, mask));
                continue;
            }
            spread(x, q * map->c + i, mask, v);
            for (int k = 0; k < 4; k++)
                _mm512_storeu_si512(at + (k / 2 * map->w + k % 2) * pixel, v[k]);
        }
    }
    for (int64_t q = 0; step > 1 && q < map->h * map->w; q++) { /* what no window covers */
        if (q / map->w < map->h / 2 * 2 && q % map->w < 2 * w) continue;
        for (int64_t i = 0; i < pixel; i += TILE)
            _mm512_storeu_si512(to + q * pixel + i, _mm512_setzero_si512());
    }
}

/* ---- convolution ---- */

/* Places of the kernel, along one axis, that lie inside the picture. */
typedef struct span {
    int64_t from, to;
} span;

static span inside(const cpu_bf16_conv *s, int axis, int64_t o)
{
    const int64_t size = axis ? s->w : s->h, kernel = axis ? s->kw : s->kh, d = s->dilation[axis];
    const int64_t at = o * s->stride[axis] - (axis ? s->pad_left : s->pad_top);
    const int64_t end = at < size ? (size - at + d - 1) / d : 0;
    const span places = {at < 0 ? (d - 1 - at) / d : 0, end < kernel ? end : kernel};

    return places;
}

/* Places of the steps' tiles, from the first that lies inside on and from the kernel's first. */
static int64_t find_steps(
        const cpu_bf16_conv *s, const span *y, const span *x, int32_t *a_at, int32_t *b_at)
{
    const int64_t taps = s->kh * s->kw;
    int64_t n = 0;

    for (int64_t k = 0; k < s->steps; k++) {
        const int64_t ky = k % taps / s->kw - y->from, kx = k % s->kw - x->from;

        if (ky < 0 || ky >= y->to - y->from || kx < 0 || kx >= x->to - x->from) continue;
        a_at[n] = (int32_t)((ky * s->dilation[0] * s->w + kx * s->dilation[1]) * pixel_of(s->in) +
                k / taps * TILE);
        b_at[n++] = (int32_t)(k * TILE);
    }
    return n;
}

/* Row oy's sums, (pixels, 16 samples, 16 channels) and those of the other 16 channels; two pixels at a time
 * where the same of the kernel lies inside. */
static void multiply_row(const cpu_bf16_conv *s, cpu_product *m, const cpu_bf16 *x, int64_t oy,
        int32_t *a_at, int32_t *b_at)
{
    const span y = inside(s, 0, oy);
    const int64_t iy = oy * s->stride[0] - s->pad_top + y.from * s->dilation[0];
    span last = {-1, -1};

    for (int64_t ox = 0, n; ox < s->ow; ox += n, m->c += n * FLOATS) {
        const span at = inside(s, 1, ox), next = inside(s, 1, ox + 1);
        const int64_t ix = ox * s->stride[1] - s->pad_left + at.from * s->dilation[1];

        n = ox + 1 < s->ow && at.from == next.from && at.to == next.to ? 2 : 1;
        if (at.from != last.from || at.to != last.to) m->steps = find_steps(s, &y, &at, a_at, b_at);
        last = at;
        m->a[0] = m->steps > 0 ? x + (iy * s->w + ix) * pixel_of(s->in) : x;
        m->a[1] = m->a[0] + s->stride[1] * pixel_of(s->in);
        m->rows = n * TILE_SIDE;
        s->tiles->multiply(m);
    }
}

static void conv(const cpu_bf16_conv *s, const cpu_bf16_end *end, const cpu_bf16_batch *x,
        const cpu_bf16 *packed, int64_t block, void *y, float *space)
{
    int32_t a_at[BF16_MAX_STEPS], b_at[BF16_MAX_STEPS];
    const ending e = ending_of(s, end, block, y);
    const int64_t rows = 1 + end->pool, row = s->ow * FLOATS;
    cpu_product m = {.b = {packed + block * s->steps * 2 * TILE},
            .a_at = a_at,
            .b_at = b_at,
            .a_stride = TILE_DEPTH,
            .c_stride = TILE_SIDE,
            .c_other = rows * row};

    if (s->out - block * 32 > TILE_SIDE) m.b[1] = m.b[0] + s->steps * TILE;
    s->tiles->begin();
    for (int64_t oy = 0; oy + rows <= s->oh; oy += rows) {
        m.c = space;
        for (int64_t r = 0; r < rows; r++)
            multiply_row(s, &m, x->at, oy + r, a_at, b_at);
        for (int64_t i = 0; i < x->n; i++) {
            const cpu_sums sums = {space + i * TILE_SIDE, FLOATS, m.c_other, row};

            if (end->pool)
                write_pooled(&e, &sums, (i * (s->oh / 2) + oy / 2) * (s->ow / 2), s->ow / 2);
            else
                write_pixels(&e, &sums, (i * s->oh + oy) * s->ow, s->ow);
        }
    }
    s->tiles->end();
}

/* ---- weight gradient: rows of a picture end in a pixel of zeros, so that steps of two pixels can too ---- */

/* Channels i .. i + 31 of all samples: rows of (pixels, 16). */
static void turn(const cpu_bf16_conv *s, const cpu_bf16_batch *x, int64_t i, cpu_bf16 *to)
{
    const int64_t pixel = pixel_of(s->in), width = s->w + 1;
    const cpu_bf16 *from = x->at + i * TILE_SIDE;
    __m512i low[16], high[16];

    for (int64_t q = 0; q < s->h * width; q += q % width + 2 < width ? 2 : width - q % width) {
        for (int k = 0; k < 16; k++) {
            const int64_t sample = k % 8 * 2, at = q % width + k / 8;
            const cpu_bf16 *a = from + (q / width * s->w + at) * pixel + sample * TILE_DEPTH;
            const bool there = at < s->w;

            pair_up(_mm512_maskz_loadu_epi16(there && sample < x->n ? ~0u : 0, a),
                    _mm512_maskz_loadu_epi16(there && sample + 1 < x->n ? ~0u : 0, a + TILE_DEPTH),
                    &low[k], &high[k]);
        }
        transpose(low);
        transpose(high);
        for (int64_t k = 0; k < 16; k++) {
            _mm512_storeu_si512(to + (i + k) * s->plane + q * TILE_SIDE, low[k]);
            _mm512_storeu_si512(to + (i + 16 + k) * s->plane + q * TILE_SIDE, high[k]);
        }
    }
}

/* Channels o .. o + 31 by pairs of samples: twice (pixels, 8, 16, 2), and db += their sums. */
static void pair_samples(
        const cpu_bf16_conv *s, const cpu_bf16_batch *dy, int64_t o, float *db, cpu_bf16 *to)
{
    const cpu_bf16 *from = dy->at + o * TILE_SIDE;
    bias_sum sum = {_mm512_setzero_ps(), _mm512_setzero_ps()};

    to += o / TILE_SIDE * s->chunk_at;
    for (int64_t y = 0; y < s->oh; y++) {
        for (int64_t x = 0; x < s->ow; x++, from += pixel_of(s->out), to += FLOATS) {
            for (int64_t i = 0; i < TILE_SIDE; i += 2) {
                const __m512i a =
                        _mm512_maskz_loadu_epi16(i < dy->n ? ~0u : 0, from + i * TILE_DEPTH);
                const __m512i b = _mm512_maskz_loadu_epi16(
                        i + 1 < dy->n ? ~0u : 0, from + (i + 1) * TILE_DEPTH);
                __m512i low, high;

                pair_up(a, b, &low, &high);
                _mm512_storeu_si512(to + i * TILE_SIDE, low);
                _mm512_storeu_si512(to + s->chunk_at + i * TILE_SIDE, high);
                add_to(&sum, a);
                add_to(&sum, b);
            }
        }
        memset(to, 0, FLOATS * sizeof *to);
        memset(to + s->chunk_at, 0, FLOATS * sizeof *to);
        to += FLOATS;
    }
    if (db) add_bias(&sum, first_half(s->out - o), db + o);
}

/* Steps of one place of the kernel, from number `from` on. Returns how many there are in all. */
static int64_t find_pairs(const cpu_bf16_conv *s, int64_t batches, int64_t tap, int64_t from,
        int32_t *a_at, int32_t *b_at)
{
    const int64_t dy = tap / s->kw * s->dilation[0] - s->pad_top;
    const int64_t dx = tap % s->kw * s->dilation[1] - s->pad_left;
    int64_t n = 0;

    for (int64_t b = 0; b < batches; b++) {
        for (int64_t y = dy < 0 ? -dy : 0; y < s->oh && y + dy < s->h; y++) {
            for (int64_t x = dx < 0 ? -dx : 0; x < s->ow && x + dx < s->w; x += 2, n++) {
                if (n < from || n >= from + BF16_MAX_STEPS) continue;
                a_at[n - from] =
                        (int32_t)(b * s->turned + ((y + dy) * (s->w + 1) + x + dx) * TILE_SIDE);
                b_at[n - from] =
                        (int32_t)(b * s->blocks * 2 * s->chunk_at + (y * (s->ow + 1) + x) * FLOATS);
            }
        }
    }
    return n;
}

/* Rows i .. i + 31 and columns o .. o + 31 of one place of the kernel: as they are, or by way of `c`. */
static void multiply_pairs(const cpu_bf16_conv *s, cpu_product *m, int64_t n, float *c, float *dw,
        int64_t i, int64_t o)
{
    const bool whole = i + 32 <= s->in && o + 32 <= s->out;

    m->steps = n;
    m->c = whole ? dw : c;
    m->c_stride = whole ? s->out : TILE_SIDE;
    m->c_other = whole ? TILE_SIDE : 2 * FLOATS;
    s->tiles->multiply(m);
    for (int64_t r = 0; !whole && r < 32 && i + r < s->in; r++) {
        for (int64_t h = 0; h < 2; h++)
            _mm512_mask_storeu_ps(dw + r * s->out + 16 * h, first(s->out - o - 16 * h),
                    _mm512_load_ps(c + h * 2 * FLOATS + r * TILE_SIDE));
    }
}

static void weights(const cpu_bf16_conv *s, const cpu_bf16 *turned, const cpu_bf16 *pairs,
        int64_t batches, const int64_t part[2], float *dw)
{
    const int64_t i = part[0], o = part[1];
    int32_t a_at[BF16_MAX_STEPS], b_at[BF16_MAX_STEPS];
    float c[4 * FLOATS] __attribute__((aligned(64)));
    cpu_product m = {.a = {turned + i * s->plane, turned + (i + TILE_SIDE) * s->plane},
            .b = {pairs + o / TILE_SIDE * s->chunk_at},
            .a_at = a_at,
            .b_at = b_at,
            .a_stride = s->plane,
            .rows = 32};

    if (s->out - o > TILE_SIDE) m.b[1] = m.b[0] + s->chunk_at;
    s->tiles->begin();
    for (int64_t tap = 0; tap < s->kh * s->kw; tap++) {
        int64_t from = 0, n;

        do {
            n = find_pairs(s, batches, tap, from, a_at, b_at) - from;
            m.add = from > 0;
            from += BF16_MAX_STEPS;
            multiply_pairs(s, &m, n < BF16_MAX_STEPS ? n : BF16_MAX_STEPS, c,
                    dw + (tap * s->in + i) * s->out + o, i, o);
        } while (n > BF16_MAX_STEPS);
    }
    s->tiles->end();
}

const cpu_bf16_batch_table tmb__cpu_bf16_batch = {
        .put = put,
        .conv = conv,
        .turn = turn,
        .pair = pair_samples,
        .weights = weights,
};
