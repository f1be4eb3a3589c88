/* cpu_bf16_weights.c - the kernels of cpu_bf16.h for the gradient of a convolution's kernel
 *
 * Both factors lie along the pixels: x by channels, dy by pairs of pixels, 0 where there is padding. A
 * tile takes 16 rows of x at one place of the kernel. The channels of a plain picture are planes, and
 * 32 pixels may reach over the ends of its rows. Of a thin one, picture row by picture row, the
 * channels are rows of one order, (rows, channels, pixels), so that what lies under a column of the
 * kernel stands in rows that follow each other. */
#include "cpu_bf16_vec.h"

#include <string.h>

/* ---- x by channels ---- */

/* 32 pixels of 32 channels, `n` of them there, to rows `plane` numbers apart. */
static void turn_block(const cpu_bf16_conv *s, const cpu_bf16_source *x, int64_t at,
        __mmask32 channels, int64_t n, cpu_bf16 *to)
{
    const __mmask32 there = first_half(n);
    __m512i low[16], high[16];

    for (int i = 0; i < 16; i++) {
        const __m512i a = load_half(x, at + 2 * i * s->in, 2 * i < n ? channels : 0);
        const __m512i b = load_half(x, at + (2 * i + 1) * s->in, 2 * i + 1 < n ? channels : 0);

        pair_up(a, b, &low[i], &high[i]);
    }
    transpose(low);
    for (int i = 0; i < 16 && channels >> i & 1; i++)
        _mm512_mask_storeu_epi16(to + i * s->plane, there, low[i]);
    if (!(channels >> 16)) return;
    transpose(high);
    for (int i = 0; i < 16 && channels >> (16 + i) & 1; i++)
        _mm512_mask_storeu_epi16(to + (16 + i) * s->plane, there, high[i]);
}

static void turn_planes(const cpu_bf16_conv *s, const cpu_bf16_source *x, cpu_bf16 *turned)
{
    const bool whole = s->pitch == s->w; /* rows follow each other without padding */
    const int64_t rows = whole ? 1 : s->h, width = whole ? s->h * s->w : s->w;

    for (int64_t i = 0; i < s->in; i++) {
        cpu_bf16 *plane = turned + i * s->plane;
        const int64_t from = whole ? s->pad_top * s->pitch + width : 0;

        memset(plane + from, 0, (size_t)(s->plane - from) * sizeof *plane);
        if (whole) memset(plane, 0, (size_t)(s->pad_top * s->pitch) * sizeof *plane);
    }
    for (int64_t i = 0; i < s->in; i += 32) {
        for (int64_t y = 0; y < rows; y++) {
            cpu_bf16 *to = turned + i * s->plane + (y + s->pad_top) * s->pitch + s->pad_left;

            for (int64_t j = 0; j < width; j += 32)
                turn_block(s, x, (y * width + j) * s->in + i, first_half(s->in - i), width - j,
                        to + j);
        }
    }
}

/* Numbers `from` .. `from` + 31 of a row are the sources of `in` vectors, one for each channel. */
static void find_channels(const cpu_bf16_conv *s, __m512i index[4][4], __mmask32 mask[4][4])
{
    for (int64_t c = 0; c < s->in; c++) {
        for (int64_t v = 0; v < s->in; v++) {
            uint16_t places[32] = {0};

            mask[c][v] = 0;
            for (int64_t l = 0; l < 32; l++) {
                const int64_t from = l * s->in + c - 32 * v;

                if (from < 0 || from >= 32) continue;
                places[l] = (uint16_t)from;
                mask[c][v] |= 1u << l;
            }
            index[c][v] = _mm512_loadu_si512(places);
        }
    }
}

static void turn_thin(const cpu_bf16_conv *s, const cpu_bf16_source *x, cpu_bf16 *turned)
{
    const int64_t n = s->w * s->in;
    __m512i index[4][4];
    __mmask32 mask[4][4];

    find_channels(s, index, mask);
    memset(turned, 0, (size_t)(s->rows * s->in * s->plane) * sizeof *turned);
    for (int64_t y = 0; y < s->h; y++) {
        cpu_bf16 *to = turned + (y + s->pad_top) * s->in * s->plane + s->pad_left;

        for (int64_t j = 0; j < s->w; j += 32) {
            __m512i from[4];

            for (int64_t v = 0; v < s->in; v++) {
                const int64_t at = j * s->in + 32 * v;

                from[v] = load_half(x, y * n + at, first_half(n - at));
            }
            for (int64_t c = 0; c < s->in; c++) {
                __m512i row = _mm512_setzero_si512();

                for (int64_t v = 0; v < s->in; v++)
                    row = _mm512_mask_permutexvar_epi16(row, mask[c][v], index[c][v], from[v]);
                _mm512_mask_storeu_epi16(to + c * s->plane + j, first_half(s->w - j), row);
            }
        }
    }
}

void tmb__cpu_bf16_turn(const cpu_bf16_conv *s, const cpu_bf16_source *x, cpu_bf16 *turned)
{
    if (s->thin)
        turn_thin(s, x, turned);
    else
        turn_planes(s, x, turned);
}

/* ---- dy by pairs of pixels ---- */

/* Where pairs of channels o .. o + 31 go: two rows of tiles, `next` numbers apart. */
typedef struct pair_row {
    cpu_bf16 *to;
    int64_t next;
} pair_row;

static void put_pair(const pair_row *row, int64_t x, __m512i a, __m512i b)
{
    __m512i low, high;

    pair_up(a, b, &low, &high);
    _mm512_storeu_si512(row->to + x * TILE_SIDE, low);
    _mm512_storeu_si512(row->to + row->next + x * TILE_SIDE, high);
}

/* Pixels x .. dy_pitch of a row. */
static void clear_pairs(const cpu_bf16_conv *s, const pair_row *row, int64_t x)
{
    const size_t size = (size_t)((s->dy_pitch - x) * TILE_SIDE) * sizeof *row->to;

    memset(row->to + x * TILE_SIDE, 0, size);
    memset(row->to + row->next + x * TILE_SIDE, 0, size);
}

static void put_row(const cpu_bf16_conv *s, const cpu_bf16_source *dy, int64_t y, int64_t o,
        const pair_row *row, bias_sum *sum)
{
    const __mmask32 mask = first_half(s->out - o);
    const int64_t at = y * s->ow * s->out + o;

    for (int64_t x = 0; x < s->ow; x += 2) {
        const __m512i a = load_half(dy, at + x * s->out, mask);
        const __m512i b = load_half(dy, at + (x + 1) * s->out, x + 1 < s->ow ? mask : 0);

        put_pair(row, x, a, b);
        add_to(sum, a);
        add_to(sum, b);
    }
    clear_pairs(s, row, (s->ow + 1) / 2 * 2);
}

/* Rows 2 r and 2 r + 1, from row r of the pool's gradient. */
static void put_two_rows(const cpu_bf16_conv *s, const cpu_bf16_source *dy, int64_t r, int64_t o,
        const pair_row *row, bias_sum *sum)
{
    const __mmask32 mask = first_half(s->out - o);
    const int64_t width = s->ow / 2;
    const pair_row below = {row->to + s->dy_pitch * TILE_SIDE, row->next};

    for (int64_t x = 0; x < width; x++) {
        __m512i v[4];

        spread(dy, (r * width + x) * s->out + o, mask, v);
        put_pair(row, 2 * x, v[0], v[1]);
        put_pair(&below, 2 * x, v[2], v[3]);
        add_to(sum, _mm512_or_si512(_mm512_or_si512(v[0], v[1]), _mm512_or_si512(v[2], v[3])));
    }
    clear_pairs(s, row, 2 * width);
    clear_pairs(s, &below, 2 * width);
}

static int64_t steps_of(const cpu_bf16_conv *s, const int64_t range[2])
{
    return ((range[1] - range[0]) * s->dy_pitch + TILE_DEPTH - 1) / TILE_DEPTH;
}

/* 16 channels at a time: (channels, pixels / 2, 16, 2). */
void tmb__cpu_bf16_pairs(const cpu_bf16_conv *s, const cpu_bf16_source *dy, const int64_t range[2],
        float *db, cpu_bf16 *to)
{
    const int64_t steps = steps_of(s, range);

    for (int64_t o = 0; o < s->blocks * 32; o += 32, to += 2 * steps * TILE) {
        bias_sum sum = {_mm512_setzero_ps(), _mm512_setzero_ps()};
        pair_row row = {to, steps * TILE};

        for (int64_t y = range[0]; y < range[1]; y++, row.to += s->dy_pitch * TILE_SIDE) {
            if (!dy->where) {
                put_row(s, dy, y, o, &row, &sum);
            } else if (y + 1 < s->oh) {
                put_two_rows(s, dy, y++ / 2, o, &row, &sum);
                row.to += s->dy_pitch * TILE_SIDE;
            } else { /* a last row that the pool leaves out */
                clear_pairs(s, &row, 0);
            }
        }
        for (int h = 0; h < 2; h++)
            memset(row.to + h * row.next, 0, (size_t)(to + steps * TILE - row.to) * sizeof *to);
        if (db) add_bias(&sum, first_half(s->out - o), db + o);
    }
}

/* ---- products ---- */

enum { MOST = 512 }; /* steps at a time */

/* The way of both factors along the pixels: `rows` of `steps` tiles each; `next` numbers to the next row of
 * x. */
typedef struct walk {
    int64_t rows, steps, next;
} walk;

/* Places of tiles from number `from` on. Returns how many. */
static int64_t find_steps(const walk *way, int64_t from, int32_t *a_at, int32_t *b_at)
{
    const int64_t left = way->rows * way->steps - from;
    const int64_t n = left < MOST ? left : MOST;

    for (int64_t i = 0; i < n; i++) {
        a_at[i] = (int32_t)((from + i) / way->steps * way->next +
                (from + i) % way->steps * TILE_DEPTH);
        b_at[i] = (int32_t)((from + i) * TILE);
    }
    return n;
}

/* Rows of x under place number k of two parts, from row `from` of dy on; NULL: there are no more. */
static const cpu_bf16 *place_of(
        const cpu_bf16_conv *s, const cpu_bf16 *turned, int64_t from, int64_t part, int64_t k)
{
    const int64_t tap = k % s->taps;

    part += k / s->taps;
    if (part >= s->parts) return NULL;
    turned += part * TILE_SIDE * s->plane;
    if (s->thin) return turned + from * s->in * s->plane + tap;
    return turned + (from + tap / s->kw * s->dilation[0]) * s->pitch + tap % s->kw * s->dilation[1];
}

/* Two places of the kernel at a time: sums (taps, 2 x 16 channels of dy, 2 places, 16 of x, 16). */
void tmb__cpu_bf16_products(
        const cpu_bf16_conv *s, const cpu_bf16_factors *f, int64_t part, int64_t block, float *sums)
{
    const int64_t rows = f->range[1] - f->range[0], steps = steps_of(s, f->range);
    const walk way = {.rows = s->thin ? rows : 1,
            .steps = s->thin ? s->dy_pitch / TILE_DEPTH : steps,
            .next = s->in * s->plane};
    const cpu_bf16 *b = f->pairs + block * 2 * steps * TILE;
    int32_t a_at[MOST], b_at[MOST];
    const bool wide = s->out - block * 32 > TILE_SIDE;
    cpu_product m = {.b = {b, wide ? b + way.rows * way.steps * TILE : NULL},
            .a_at = a_at,
            .b_at = b_at,
            .a_stride = s->plane,
            .c_stride = TILE_SIDE,
            .c_other = 2 * FLOATS};

    s->tiles->begin();
    for (int64_t from = 0; from < way.rows * way.steps; from += MOST) {
        m.steps = find_steps(&way, from, a_at, b_at);
        m.add = !f->fresh || from > 0;
        m.c = sums;
        for (int64_t k = 0; k < 2 * s->taps; k += 2, m.c += 4 * FLOATS) {
            for (int i = 0; i < 2; i++)
                m.a[i] = place_of(s, f->turned, f->range[0], part, k + i);
            if (!m.a[0]) break;
            m.rows = m.a[1] ? 2 * TILE_SIDE : TILE_SIDE;
            s->tiles->multiply(&m);
        }
    }
    s->tiles->end();
}

void tmb__cpu_bf16_untile(
        const cpu_bf16_conv *s, const float *sums, const int64_t range[2], float *dw)
{
    for (int64_t t = range[0]; t < range[1]; t++) {
        const int64_t y = t / s->in / s->kw, x = t / s->in % s->kw, i = t % s->in;
        const int64_t row = s->thin ? y * s->in + i : i, part = row / TILE_SIDE;
        const int64_t k = part % 2 * s->taps + (s->thin ? x : y * s->kw + x);

        for (int64_t o = 0; o < s->out; o += 16) {
            const int64_t tiles = (part / 2 * s->blocks + o / 32) * s->taps + k / 2;
            const int64_t tile = tiles * 4 + 2 * (o % 32 / 16) + k % 2;
            const __mmask16 mask = first(s->out - o);

            _mm512_mask_storeu_ps(dw + t * s->out + o, mask,
                    _mm512_maskz_loadu_ps(mask, sums + tile * FLOATS + row % 16 * TILE_SIDE));
        }
    }
}
