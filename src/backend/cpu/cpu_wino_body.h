/* cpu_wino_body.h - 3 x 3 convolution with stride 1 by Winograd's F(4 x 4, 3 x 3)
 *
 * A. Lavin, S. Gray: Fast algorithms for convolutional neural networks (2015). A tile of 6 x 6
 * inputs d and a kernel g give 4 x 4 outputs
 *
 *   y = A' [ (G g G') . (B' d B) ] A      (' transposes, . multiplies element by element)
 *
 * so that the sum over channels becomes 36 matrix products, with 36 multiplications for each tile
 * and pair of channels instead of 144. Its gradient to the kernel is G' [ (A dy A') . (B' d B) ] G,
 * summed over the tiles inside the brackets; that to the data is a convolution of dy with the
 * kernel turned.
 *
 * Tiles are worked off in blocks whose transforms stay in L2. Vectors run along channels. */
#include "cpu_simd.h"
#include "cpu_vec.h"

enum { SIDE = 6, POINTS = SIDE * SIDE, OUT = 4, PANEL = 2 * VEC, LINE = 16 };

/* ---- transforms of one line ---- */

/* B' d */
TMB_INLINE void input_line(vec o[SIDE], const vec d[SIDE])
{
    const vec a = d[4] - 4 * d[2], b = d[3] - 4 * d[1];
    const vec c = d[4] - d[2], e = 2 * (d[3] - d[1]);

    o[0] = 4 * d[0] - 5 * d[2] + d[4];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + e;
    o[4] = c - e;
    o[5] = 4 * d[1] - 5 * d[3] + d[5];
}

/* A' m */
TMB_INLINE void output_line(vec o[OUT], const vec m[SIDE])
{
    const vec a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];

    o[0] = m[0] + a + c;
    o[1] = b + 2 * d;
    o[2] = a + 4 * c;
    o[3] = b + 8 * d + m[5];
}

/* A y */
TMB_INLINE void gradient_line(vec o[SIDE], const vec y[OUT])
{
    const vec a = y[0] + y[2], b = y[1] + y[3];
    const vec c = y[0] + 4 * y[2], d = 2 * y[1] + 8 * y[3];

    o[0] = y[0];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + d;
    o[4] = c - d;
    o[5] = y[3];
}

/* G g */
TMB_INLINE void kernel_line(vec o[SIDE], const vec g[3])
{
    const vec a = (g[0] + g[2]) * (-1.0f / 6), b = g[1] * (-1.0f / 6);
    const vec c = g[0] * (1.0f / 24) + g[2] * (1.0f / 6), d = g[1] * (1.0f / 12);

    o[0] = g[0] * 0.25f;
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + d;
    o[4] = c - d;
    o[5] = g[2];
}

/* G' m */
TMB_INLINE void kernel_gradient_line(vec o[3], const vec m[SIDE])
{
    const vec a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];

    o[0] = m[0] * 0.25f - a * (1.0f / 6) + c * (1.0f / 24);
    o[1] = d * (1.0f / 12) - b * (1.0f / 6);
    o[2] = (c - a) * (1.0f / 6) + m[5];
}

/* ---- tiles ---- */

/* A picture (h, w, c) that tiles are read from; zeros around it. */
typedef struct picture {
    const float *data;
    int64_t h, w, c;
} picture;

/* `side` x `side` vectors of channels j .. from pixel (y, x) on. */
TMB_INLINE void load_tile(
        vec *tile, const picture *p, int64_t y, int64_t x, int64_t j, const int side)
{
    const float *at = p->data + (y * p->w + x) * p->c + j;

    if (y >= 0 && x >= 0 && y + side <= p->h && x + side <= p->w) {
        for (int i = 0; i < side; i++) {
            for (int k = 0; k < side; k++)
                tile[i * side + k] = vec_load(at + (i * p->w + k) * p->c);
        }
        return;
    }
    for (int i = 0; i < side; i++) {
        for (int k = 0; k < side; k++) {
            const bool inside = y + i >= 0 && y + i < p->h && x + k >= 0 && x + k < p->w;

            tile[i * side + k] = inside ? vec_load(at + (i * p->w + k) * p->c) : vec_all(0);
        }
    }
}

/* Ask for the four rows below a tile, which the next row of tiles adds. Rows of a picture are too
 * far apart for the hardware to see the pattern. */
TMB_INLINE void fetch_below(const picture *p, int64_t y, int64_t x, int64_t j, const int side)
{
    const float *at = p->data + ((y + side) * p->w + x + side - OUT) * p->c + j;

    if (y + side >= p->h) return;
    for (int i = 0; i < OUT; i++) {
        for (int k = 0; k < OUT; k++)
            __builtin_prefetch(at + (i * p->w + k) * p->c);
    }
}

/* Columns, then rows, of a tile. Result k of vector j goes to out + k * step. */
TMB_INLINE void transform_input(const vec *tile, float *out, int64_t step)
{
    vec half[SIDE][SIDE];

    for (int k = 0; k < SIDE; k++) {
        vec d[SIDE], o[SIDE];

        TMB_UNROLL(6)
        for (int i = 0; i < SIDE; i++)
            d[i] = tile[i * SIDE + k];
        input_line(o, d);
        TMB_UNROLL(6)
        for (int i = 0; i < SIDE; i++)
            half[i][k] = o[i];
    }
    for (int i = 0; i < SIDE; i++) {
        vec o[SIDE];

        input_line(o, half[i]);
        TMB_UNROLL(6)
        for (int k = 0; k < SIDE; k++)
            vec_store(out + (i * SIDE + k) * step, o[k]);
    }
}

TMB_INLINE void transform_gradient(const vec *tile, float *out, int64_t step)
{
    vec half[SIDE][OUT];

    for (int k = 0; k < OUT; k++) {
        vec y[OUT], o[SIDE];

        TMB_UNROLL(4)
        for (int i = 0; i < OUT; i++)
            y[i] = tile[i * OUT + k];
        gradient_line(o, y);
        TMB_UNROLL(6)
        for (int i = 0; i < SIDE; i++)
            half[i][k] = o[i];
    }
    for (int i = 0; i < SIDE; i++) {
        vec o[SIDE];

        gradient_line(o, half[i]);
        TMB_UNROLL(6)
        for (int k = 0; k < SIDE; k++)
            vec_store(out + (i * SIDE + k) * step, o[k]);
    }
}

/* A block of consecutive tiles, counted along the rows of tiles, then along the images. */
typedef struct block_of_tiles {
    int64_t first, n;
} block_of_tiles;

static int64_t count_tiles(const cpu_wino *s)
{
    return s->images * s->tile_rows * s->tile_columns;
}

static int64_t count_blocks(const cpu_wino *s)
{
    return (count_tiles(s) + s->block - 1) / s->block;
}

static block_of_tiles block_number(const cpu_wino *s, int64_t number, int64_t blocks)
{
    const int64_t first = count_tiles(s) * number / blocks;

    return (block_of_tiles){first, count_tiles(s) * (number + 1) / blocks - first};
}

/* Floats from one point's matrix (n, c) to the next. PITFALL: without the odd cache line the 36
 * streams of a transform meet in one set of L1 whenever n c is a multiple of 1024. */
TMB_INLINE int64_t point_step(int64_t n, int64_t c)
{
    return n * c + LINE;
}

/* Where a tile lies: image, and its first output. */
typedef struct tile_at {
    int64_t image, y, x;
} tile_at;

static tile_at find_tile(const cpu_wino *s, int64_t tile)
{
    const int64_t of_image = s->tile_rows * s->tile_columns, rest = tile % of_image;

    return (tile_at){tile / of_image, rest / s->tile_columns * OUT, rest % s->tile_columns * OUT};
}

/* v (36, n, c) = B' d B */
static void input_block(const cpu_wino *s, const block_of_tiles *b, float *v)
{
    for (int64_t t = 0; t < b->n; t++) {
        const tile_at at = find_tile(s, b->first + t);
        const picture x = {s->x + at.image * s->h * s->w * s->in, s->h, s->w, s->in};

        for (int64_t j = 0; j < s->in; j += VEC) {
            vec tile[POINTS];

            load_tile(tile, &x, at.y - s->pad_top, at.x - s->pad_left, j, SIDE);
            fetch_below(&x, at.y - s->pad_top, at.x - s->pad_left, j, SIDE);
            transform_input(tile, v + t * s->in + j, point_step(b->n, s->in));
        }
    }
}

/* m (36, n, c) = A dy A' */
static void gradient_block(const cpu_wino *s, const block_of_tiles *b, float *m)
{
    for (int64_t t = 0; t < b->n; t++) {
        const tile_at at = find_tile(s, b->first + t);
        const picture dy = {s->dy + at.image * s->oh * s->ow * s->out, s->oh, s->ow, s->out};

        for (int64_t j = 0; j < s->out; j += VEC) {
            vec tile[OUT * OUT];

            load_tile(tile, &dy, at.y, at.x, j, OUT);
            fetch_below(&dy, at.y, at.x, j, OUT);
            transform_gradient(tile, m + t * s->out + j, point_step(b->n, s->out));
        }
    }
}

/* y = A' m A + bias of one tile and VEC channels. */
TMB_INLINE void output_tile(vec y[OUT][OUT], const float *m, int64_t step, vec bias)
{
    vec half[OUT][SIDE];

    for (int k = 0; k < SIDE; k++) {
        vec d[SIDE], o[OUT];

        TMB_UNROLL(6)
        for (int i = 0; i < SIDE; i++)
            d[i] = vec_load(m + (i * SIDE + k) * step);
        output_line(o, d);
        TMB_UNROLL(4)
        for (int i = 0; i < OUT; i++)
            half[i][k] = o[i];
    }
    for (int i = 0; i < OUT; i++) {
        output_line(y[i], half[i]);
        TMB_UNROLL(4)
        for (int k = 0; k < OUT; k++)
            y[i][k] += bias;
    }
}

static void output_block(const cpu_wino *s, const block_of_tiles *b, const float *m)
{
    for (int64_t t = 0; t < b->n; t++) {
        const tile_at at = find_tile(s, b->first + t);
        const int64_t rows = s->oh - at.y < OUT ? s->oh - at.y : OUT;
        const int64_t columns = s->ow - at.x < OUT ? s->ow - at.x : OUT;
        float *first = s->y + ((at.image * s->oh + at.y) * s->ow + at.x) * s->out;

        for (int64_t j = 0; j < s->out; j += VEC) {
            float *to = first + j;
            vec y[OUT][OUT];

            output_tile(y, m + t * s->out + j, point_step(b->n, s->out),
                    s->bias ? vec_load(s->bias + j) : vec_all(0));
            for (int64_t i = 0; i < rows; i++) {
                for (int64_t k = 0; k < columns; k++)
                    vec_store(to + (i * s->ow + k) * s->out,
                            s->relu ? vec_rectify(y[i][k]) : y[i][k]);
            }
        }
    }
}

/* ---- the three entries ---- */

void SIMD_WINO(const cpu_wino *s)
{
    const int64_t blocks = count_blocks(s);
    float *v = s->space, *m = v + POINTS * point_step(s->block, s->in);

    for (int64_t i = 0; i < blocks; i++) {
        const block_of_tiles b = block_number(s, i, blocks);

        input_block(s, &b, v);
        for (int64_t k = 0; k < POINTS; k++) {
            for (int64_t o = 0; o < s->out; o += PANEL) {
                const int64_t wide = s->out - o < PANEL ? s->out - o : PANEL;
                const cpu_gemm gemm = {
                        .m = b.n,
                        .n = wide,
                        .k = s->in,
                        .a = v + k * point_step(b.n, s->in),
                        .b = s->kernel + (k * s->out + o) * s->in,
                        .c = m + k * point_step(b.n, s->out) + o,
                        .a_row = s->in,
                        .a_col = 1,
                        .b_row = wide,
                        .c_row = s->out,
                };

                SIMD_GEMM(&gemm);
            }
        }
        output_block(s, &b, m);
    }
}

/* dw (3, 3, in, out) from the sum over tiles; added to it if asked for. */
static void kernel_gradient(const cpu_wino *s, const float *sum)
{
    const int64_t plane = s->in * s->out;

    for (int64_t e = 0; e < plane; e += VEC) {
        vec half[3][SIDE];

        for (int k = 0; k < SIDE; k++) {
            vec d[SIDE], o[3];

            for (int i = 0; i < SIDE; i++)
                d[i] = vec_load(sum + (i * SIDE + k) * plane + e);
            kernel_gradient_line(o, d);
            for (int i = 0; i < 3; i++)
                half[i][k] = o[i];
        }
        for (int i = 0; i < 3; i++) {
            vec o[3];

            kernel_gradient_line(o, half[i]);
            for (int k = 0; k < 3; k++) {
                float *to = s->dw + (i * 3 + k) * plane + e;

                vec_store(to, s->add ? vec_load(to) + o[k] : o[k]);
            }
        }
    }
}

/* Point (1, 1) of A dy A' is the tile's sum of dy. */
static void bias_gradient(const cpu_wino *s, const block_of_tiles *b, const float *m, bool add)
{
    const float *sums = m + (SIDE + 1) * point_step(b->n, s->out);

    for (int64_t j = 0; j < s->out; j += VEC) {
        vec sum = add ? vec_load(s->db + j) : vec_all(0);

        for (int64_t t = 0; t < b->n; t++)
            sum += vec_load(sums + t * s->out + j);
        vec_store(s->db + j, sum);
    }
}

void SIMD_WINO_WEIGHTS(const cpu_wino *s)
{
    const int64_t blocks = count_blocks(s);
    float *v = s->space, *m = v + POINTS * point_step(s->block, s->in);
    float *sum = m + POINTS * point_step(s->block, s->out);

    for (int64_t i = 0; i < blocks; i++) {
        const block_of_tiles b = block_number(s, i, blocks);

        input_block(s, &b, v);
        gradient_block(s, &b, m);
        if (s->db) bias_gradient(s, &b, m, s->add || i > 0);
        for (int64_t k = 0; k < POINTS; k++) {
            const cpu_gemm gemm = {
                    .m = s->in,
                    .n = s->out,
                    .k = b.n,
                    .a = v + k * point_step(b.n, s->in),
                    .b = m + k * point_step(b.n, s->out),
                    .c = sum + k * s->in * s->out,
                    .a_row = 1,
                    .a_col = s->in,
                    .b_row = s->out,
                    .c_row = s->out,
                    .add = i > 0,
            };

            SIMD_GEMM(&gemm);
        }
    }
    kernel_gradient(s, sum);
}

/* G g G' for VEC output channels of input channel i: 36 vectors. `turned`: g turned by 180 degrees.
 */
TMB_INLINE void transform_kernel(vec out[POINTS], const float *w, int64_t plane, bool turned)
{
    vec half[SIDE][3];

    for (int k = 0; k < 3; k++) {
        vec g[3], o[SIDE];

        for (int i = 0; i < 3; i++)
            g[i] = vec_load(w + (turned ? 8 - (i * 3 + k) : i * 3 + k) * plane);
        kernel_line(o, g);
        for (int i = 0; i < SIDE; i++)
            half[i][k] = o[i];
    }
    for (int i = 0; i < SIDE; i++)
        kernel_line(out + i * SIDE, half[i]);
}

/* Where element (from, to) of the packed kernel of point k lies: panels of target channels. */
TMB_INLINE int64_t packed_place(int64_t k, int64_t from, int64_t to, int64_t n_from, int64_t n_to)
{
    const int64_t panel = to / PANEL * PANEL, wide = n_to - panel < PANEL ? n_to - panel : PANEL;

    return (k * n_to + panel) * n_from + from * wide + to - panel;
}

/* Kernel w (3, 3, in, out), its input channels from .. to, packed for SIMD_WINO; `turned` for the
 * gradient to the data, where out and in change places. */
void SIMD_WINO_PACK(
        const float *w, int64_t in, int64_t out, const int64_t range[2], bool turned, float *to)
{
    for (int64_t i = range[0]; i < range[1]; i++) {
        for (int64_t o = 0; o < out; o += VEC) {
            vec point[POINTS];

            transform_kernel(point, w + i * out + o, in * out, turned);
            for (int k = 0; k < POINTS; k++) {
                if (!turned) {
                    vec_store(to + packed_place(k, i, o, in, out), point[k]);
                    continue;
                }
                for (int l = 0; l < VEC; l++)
                    to[packed_place(k, o + l, i, out, in)] = point[k][l];
            }
        }
    }
}
