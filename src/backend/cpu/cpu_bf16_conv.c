/* cpu_bf16_conv.c - the kernels of cpu_bf16.h that pack and convolve */
#include "cpu_bf16_end.h"

#include <string.h>

/* ---- the kernel ---- */

/* One row of 16 pairs of a tile: numbers `depth` and the next of channels o .. o + 15; numbers with
 * no place in the kernel are 0. */
static __m512 thin_row(const cpu_bf16_conv *s, const cpu_bf16_kernel *k, int64_t depth, int64_t o)
{
    const int64_t x = depth / s->entry, at = depth % s->entry, y = at / s->in, i = at % s->in;

    if (x >= s->kw || y >= s->kh) return _mm512_setzero_ps();
    return _mm512_maskz_loadu_ps(
            first(s->out - o), k->w + ((y * s->kw + x) * k->in + i) * k->out + o);
}

static __m512 plain_row(
        const cpu_bf16_conv *s, const cpu_bf16_kernel *k, int64_t tap, int64_t i, int64_t o)
{
    if (i >= s->in) return _mm512_setzero_ps();
    return _mm512_maskz_loadu_ps(first(s->out - o), k->w + (tap * k->in + i) * k->out + o);
}

/* The tile of a turned kernel: its rows are the columns of w. */
static void pack_turned(const cpu_bf16_conv *s, const cpu_bf16_kernel *k, int64_t tap, int64_t i,
        int64_t o, cpu_bf16 *to)
{
    const float *w = k->w + (s->kh * s->kw - 1 - tap) * k->in * k->out;
    __m512i r[16];

    for (int j = 0; j < 16; j++) {
        const float *row = w + (o + j) * k->out + i;

        r[j] = o + j < s->out ? to_bf16(_mm512_maskz_loadu_ps(first(s->in - i), row),
                                        _mm512_maskz_loadu_ps(first(s->in - i - 16), row + 16))
                              : _mm512_setzero_si512();
    }
    transpose(r);
    for (int j = 0; j < 16; j++)
        _mm512_storeu_si512(to + j * TILE_DEPTH, r[j]);
}

static void pack(const cpu_bf16_conv *s, const cpu_bf16_kernel *k, int64_t block, cpu_bf16 *packed)
{
    const int64_t taps = s->kh * s->kw;

    for (int64_t e = 0; e < 2 * s->steps; e++) {
        const int64_t step = e % s->steps, o = block * 32 + e / s->steps * TILE_SIDE;
        const int64_t tap = step % taps, i = step / taps * TILE_DEPTH;
        cpu_bf16 *to = packed + (block * s->steps * 2 + e) * TILE;

        if (k->turned) {
            pack_turned(s, k, tap, i, o, to);
            continue;
        }
        for (int64_t r = 0; r < TILE_SIDE; r++) {
            const int64_t at = i + 2 * r, depth = step * TILE_DEPTH + 2 * r;
            const __m512 low = s->thin ? thin_row(s, k, depth, o) : plain_row(s, k, tap, at, o);
            const __m512 high =
                    s->thin ? thin_row(s, k, depth + 1, o) : plain_row(s, k, tap, at + 1, o);

            _mm512_storeu_si512(to + r * TILE_DEPTH, pairs(low, high));
        }
    }
}

/* ---- the picture ---- */

/* Row y of the padded picture, 32 channels from i on; with a pool, the next row too. */
static void put_inside(
        const cpu_bf16_conv *s, const cpu_bf16_source *x, int64_t y, int64_t i, cpu_bf16 *to)
{
    const __mmask32 mask = first_half(s->in - i);
    const int64_t right = s->pitch - s->pad_left - s->w, rows = x->where ? 2 : 1;

    for (int64_t r = 0; r < rows; r++) {
        cpu_bf16 *row = to + r * s->pitch * TILE_DEPTH;

        memset(row, 0, (size_t)(s->pad_left * TILE_DEPTH) * sizeof *to);
        memset(row + (s->pad_left + s->w) * TILE_DEPTH, 0,
                (size_t)(right * TILE_DEPTH) * sizeof *to);
    }
    to += s->pad_left * TILE_DEPTH;
    if (!x->where) {
        for (int64_t j = 0; j < s->w; j++)
            _mm512_storeu_si512(
                    to + j * TILE_DEPTH, load_half(x, (y * s->w + j) * s->in + i, mask));
        return;
    }
    for (int64_t j = 0; j < s->w / 2; j++) {
        __m512i v[4];

        spread(x, (y / 2 * (s->w / 2) + j) * s->in + i, mask, v);
        for (int k = 0; k < 4; k++)
            _mm512_storeu_si512(to + (k / 2 * s->pitch + 2 * j + k % 2) * TILE_DEPTH, v[k]);
    }
    for (int64_t r = 0; s->w % 2 && r < 2; r++)
        _mm512_storeu_si512(to + (r * s->pitch + s->w - 1) * TILE_DEPTH, _mm512_setzero_si512());
}

/* Pixels of 32 channels, block by block, with their padding. */
static void put_blocks(const cpu_bf16_conv *s, const cpu_bf16_source *x, cpu_bf16 *to)
{
    const int64_t step = x->where ? 2 : 1, row = s->pitch * TILE_DEPTH;

    for (int64_t i = 0; i < s->in; i += TILE_DEPTH, to += s->rows * row) {
        for (int64_t y = 0; y < s->rows;) {
            const int64_t iy = y - s->pad_top;

            if (iy >= 0 && iy + step <= s->h) {
                put_inside(s, x, iy, i, to + y * row);
                y += step;
            } else {
                memset(to + y++ * row, 0, (size_t)row * sizeof *to);
            }
        }
    }
}

static int64_t thin_length(const cpu_bf16_conv *s)
{
    return s->pitch * s->in + 32;
}

/* Rows of a thin picture as they are, with their padding. */
static void put_rows(const cpu_bf16_conv *s, const cpu_bf16_source *x, cpu_bf16 *to)
{
    const int64_t n = s->w * s->in, length = thin_length(s);

    for (int64_t y = 0; y < s->rows; y++, to += length) {
        const int64_t iy = y - s->pad_top;

        memset(to, 0, (size_t)length * sizeof *to);
        if (iy < 0 || iy >= s->h) continue;
        for (int64_t j = 0; j < n; j += 32)
            _mm512_mask_storeu_epi16(to + s->pad_left * s->in + j, first_half(n - j),
                    load_half(x, iy * n + j, first_half(n - j)));
    }
}

/* A thin pixel's entry holds what lies under a column of the kernel, (kh, in) and zeros. 32 numbers of a
 * row of entries come from kh rows of the picture, within 32 of each; which ones repeats with a period. */
typedef struct entry_table {
    int64_t period, pixels; /* vectors of a period, and the pixels they hold */
    int64_t first[2 * BF16_THIN_ROWS];
    __m512i index[2 * BF16_THIN_ROWS][BF16_THIN_ROWS];
    __mmask32 mask[2 * BF16_THIN_ROWS][BF16_THIN_ROWS];
} entry_table;

/* The numbers of row y of the kernel, in a vector that starts at number `at` of an entry. */
static void find_numbers(
        const cpu_bf16_conv *s, int64_t at, int64_t y, __m512i *index, __mmask32 *mask)
{
    uint16_t places[32] = {0};

    *mask = 0;
    for (int64_t l = 0, pixel = 0; l < 32; l++) {
        const int64_t i = at - y * s->in;

        if (i >= 0 && i < s->in) {
            places[l] = (uint16_t)(pixel * s->in + i);
            *mask |= 1u << l;
        }
        if (++at < s->entry) continue;
        at = 0;
        pixel++;
    }
    *index = _mm512_loadu_si512(places);
}

static void find_entries(const cpu_bf16_conv *s, entry_table *t)
{
    int64_t v = 0, at = 0;

    do {
        t->first[v] = at / s->entry;
        for (int64_t y = 0; y < s->kh; y++)
            find_numbers(s, at % s->entry, y, &t->index[v][y], &t->mask[v][y]);
        v++;
        at += 32;
    } while (at % s->entry);
    t->period = v;
    t->pixels = at / s->entry;
}

/* Row oy's entries. */
static void put_entries(const cpu_bf16_conv *s, const entry_table *t, const cpu_bf16 *rows,
        int64_t oy, cpu_bf16 *to)
{
    const int64_t length = thin_length(s);

    rows += oy * s->stride[0] * length;
    for (int64_t x = 0; x < s->pitch; x += t->pixels, rows += t->pixels * s->in) {
        for (int64_t v = 0; v < t->period && x + t->first[v] < s->pitch; v++, to += 32) {
            const cpu_bf16 *from = rows + t->first[v] * s->in;
            __m512i sum = _mm512_setzero_si512();

            for (int64_t y = 0; y < s->kh; y++, from += length)
                sum = _mm512_mask_permutexvar_epi16(
                        sum, t->mask[v][y], t->index[v][y], _mm512_loadu_si512(from));
            _mm512_storeu_si512(to, sum);
        }
    }
}

/* ---- products ---- */

enum { HALF = 2 * FLOATS }; /* from the first 16 channels of 2 x 16 pixels to the others */

/* Block number `b` of 32 channels of the kernel. */
static void set_block(const cpu_bf16_conv *s, const cpu_bf16 *packed, int64_t b, cpu_product *m)
{
    m->b[0] = packed + b * s->steps * 2 * TILE;
    m->b[1] = s->out - b * 32 > TILE_SIDE ? m->b[0] + s->steps * TILE : NULL;
}

/* `rows` of two times 16 pixels, which start at a0 and a1. */
static void multiply(const cpu_bf16_conv *s, cpu_product *m, const cpu_bf16 *a0, const cpu_bf16 *a1,
        int64_t rows, float *c)
{
    m->a[0] = a0;
    m->a[1] = a1;
    m->rows = rows;
    m->c = c;
    s->tiles->multiply(m);
}

/* ---- a convolution ---- */

/* Places of the steps' tiles, from a pixel's own and from the kernel's first. */
static void find_steps(const cpu_bf16_conv *s, int32_t *a_at, int32_t *b_at)
{
    const int64_t taps = s->kh * s->kw;

    for (int64_t k = 0; k < s->steps; k++) {
        const int64_t tap = k % taps, y = tap / s->kw, x = tap % s->kw;

        a_at[k] = (int32_t)(s->thin ? k * TILE_DEPTH
                                    : (k / taps * s->rows * s->pitch +
                                              y * s->dilation[0] * s->pitch + x * s->dilation[1]) *
                                TILE_DEPTH);
        b_at[k] = (int32_t)(k * TILE);
    }
}

/* Rows oy and, if pooled, oy + 1: their pixels start at a[0] and a[1]. */
static void conv_row(const ending *e, cpu_product *m, const cpu_bf16 *const *a, int64_t oy)
{
    const cpu_bf16_conv *s = e->s;
    const bool pool = e->end->pool;
    const int64_t width = pool ? s->ow / 2 * 2 : s->ow, block = pool ? 16 : 32;
    float c[4 * FLOATS] __attribute__((aligned(64)));
    const cpu_sums sums = {c, TILE_SIDE, HALF, FLOATS};

    for (int64_t x = 0; x < width; x += block) {
        const cpu_bf16 *a0 = a[0] + x * m->a_stride;
        const cpu_bf16 *a1 = pool ? a[1] + x * m->a_stride : a0 + 16 * m->a_stride;
        const int64_t n = width - x < block ? width - x : block;

        multiply(s, m, a0, a1, pool ? 32 : n, c);
        if (pool)
            write_pooled(e, &sums, oy / 2 * (s->ow / 2) + x / 2, n / 2);
        else
            write_pixels(e, &sums, oy * s->ow + x, n);
    }
}

/* Pixels from the first of the result to the last, with the padding between its rows. */
static int64_t flat_pixels(const cpu_bf16_conv *s)
{
    return (s->oh - 1) * s->pitch + s->ow;
}

/* Up to 32 of them from place `q` on, over the ends of rows, whose padding is computed and dropped. */
static void multiply_flat(
        const cpu_bf16_conv *s, cpu_product *m, const cpu_bf16 *x, int64_t q, float *c)
{
    const cpu_bf16 *a = x + q * TILE_DEPTH;
    const int64_t left = flat_pixels(s) - q;

    multiply(s, m, a, a + TILE, left < 32 ? left : 32, c);
}

/* 16 pixels from place `q` of the padded rows on; those in the padding are dropped. */
static void write_flat(const ending *e, const float *c, int64_t q)
{
    const cpu_bf16_conv *s = e->s;

    for (int64_t i = 0; i < TILE_SIDE;) {
        const int64_t y = (q + i) / s->pitch, x = (q + i) % s->pitch;
        const int64_t left = s->pitch - x, run = left < TILE_SIDE - i ? left : TILE_SIDE - i;
        const int64_t kept = x + run > s->ow ? s->ow - x : run;

        if (y >= s->oh) return;
        if (kept > 0)
            write_pixels(
                    e, &(cpu_sums){c + i * TILE_SIDE, TILE_SIDE, HALF, 0}, y * s->ow + x, kept);
        i += run;
    }
}

static void conv_flat(const ending *e, cpu_product *m, const cpu_bf16 *x, int64_t q)
{
    float c[4 * FLOATS] __attribute__((aligned(64)));

    multiply_flat(e->s, m, x, q, c);
    write_flat(e, c, q);
    write_flat(e, c + FLOATS, q + 16);
}

static int64_t flat_parts(const cpu_bf16_conv *s)
{
    return (flat_pixels(s) + 31) / 32;
}

/* A narrow picture fills tiles better over the ends of its rows: it is convolved whole, then pooled. */
static bool is_narrow(const cpu_bf16_conv *s)
{
    const int64_t by_rows = s->oh / 2 * ((s->ow / 2 * 2 + 15) / 16);

    return !s->thin && 8 * by_rows > 9 * flat_parts(s);
}

int64_t tmb__cpu_bf16_pool_space(const cpu_bf16_conv *s)
{
    return is_narrow(s) ? 2 * flat_parts(s) * 2 * HALF : 0;
}

static void conv_narrow(const cpu_bf16_conv *s, const cpu_bf16_end *end, const cpu_bf16 *packed,
        cpu_product *m, void *y, cpu_bf16 *x)
{
    const int64_t parts = flat_parts(s), half = parts * HALF;
    float *c = (float *)(void *)(x + s->space);

    m->c_other = half;
    for (int64_t b = 0; b < s->blocks; b++) {
        const ending e = ending_of(s, end, b, y);

        set_block(s, packed, b, m);
        for (int64_t i = 0; i < parts; i++)
            multiply_flat(s, m, x, 32 * i, c + i * HALF);
        for (int64_t oy = 0; oy + 2 <= s->oh; oy += 2) {
            const cpu_sums sums = {
                    c + oy * s->pitch * TILE_SIDE, TILE_SIDE, half, s->pitch * TILE_SIDE};

            write_pooled(&e, &sums, oy / 2 * (s->ow / 2), s->ow / 2);
        }
    }
}

static void conv_thin(const cpu_bf16_conv *s, const cpu_bf16_end *end, const cpu_bf16 *packed,
        cpu_product *m, void *y, cpu_bf16 *space)
{
    const int64_t count = s->pitch * s->entry, step = 1 + end->pool;
    cpu_bf16 *row[2] = {space + s->rows * thin_length(s)};
    entry_table table;

    find_entries(s, &table);
    row[1] = row[0] + s->entry_row;
    for (int i = 0; i < 2; i++)
        memset(row[i] + count, 0, (size_t)(s->entry_row - count) * sizeof *space);
    for (int64_t oy = 0; oy + step <= s->oh; oy += step) {
        for (int i = 0; i < step; i++)
            put_entries(s, &table, space, oy + i, row[i]);
        for (int64_t b = 0; b < s->blocks; b++) {
            const ending e = ending_of(s, end, b, y);

            set_block(s, packed, b, m);
            conv_row(&e, m, (const cpu_bf16 *const *)row, oy);
        }
    }
}

/* Parts of the picture, 32 pixels with stride 1 and else one row or two, by blocks of channels. A kernel
 * that fits into half of L2 meets each part while that is in L1; of a larger one each block meets the
 * whole picture. */
static void conv_blocks(const cpu_bf16_conv *s, const cpu_bf16_end *end, const cpu_bf16 *packed,
        cpu_product *m, void *y, const cpu_bf16 *x)
{
    const bool flat = s->stride[0] == 1 && s->stride[1] == 1 && !end->pool;
    const bool small = s->packed * (int64_t)sizeof *packed <= s->l2 / 2;
    const int64_t row = s->stride[0] * s->pitch * TILE_DEPTH, step = 1 + end->pool;
    const int64_t parts = flat ? flat_parts(s) : s->oh / step;

    for (int64_t i = 0; i < parts * s->blocks; i++) {
        const int64_t part = small ? i / s->blocks : i % parts;
        const int64_t b = small ? i % s->blocks : i / parts, oy = part * step;
        const cpu_bf16 *const rows[] = {x + oy * row, x + (oy + 1) * row};
        const ending e = ending_of(s, end, b, y);

        set_block(s, packed, b, m);
        if (flat)
            conv_flat(&e, m, x, 32 * part);
        else
            conv_row(&e, m, rows, oy);
    }
}

static void conv(const cpu_bf16_conv *s, const cpu_bf16_end *end, const cpu_bf16_source *x,
        const cpu_bf16 *packed, void *y, cpu_bf16 *space)
{
    int32_t a_at[BF16_MAX_STEPS], b_at[BF16_MAX_STEPS];
    cpu_product m = {.a_at = a_at,
            .b_at = b_at,
            .a_stride = s->stride[1] * (s->thin ? s->entry : TILE_DEPTH),
            .steps = s->steps,
            .skip = !s->thin && s->in < TILE_DEPTH ? (TILE_DEPTH - s->in) / 2 : 0,
            .c_stride = TILE_SIDE,
            .c_other = HALF};

    find_steps(s, a_at, b_at);
    s->tiles->begin();
    if (s->thin) {
        put_rows(s, x, space);
        conv_thin(s, end, packed, &m, y, space);
    } else {
        put_blocks(s, x, space);
        if (end->pool && is_narrow(s))
            conv_narrow(s, end, packed, &m, y, space);
        else
            conv_blocks(s, end, packed, &m, y, space);
    }
    s->tiles->end();
}

const cpu_bf16_table tmb__cpu_bf16_kernels = {
        .pack = pack,
        .conv = conv,
        .turn = tmb__cpu_bf16_turn,
        .pairs = tmb__cpu_bf16_pairs,
        .products = tmb__cpu_bf16_products,
        .untile = tmb__cpu_bf16_untile,
};
