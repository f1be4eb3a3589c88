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

/* v (36, n, c) = B' d B, its points `step` floats apart */
static void input_block(const cpu_wino *s, const block_of_tiles *b, float *v, int64_t step)
{
    for (int64_t t = 0; t < b->n; t++) {
        const tile_at at = find_tile(s, b->first + t);
        const picture x = {s->x + at.image * s->h * s->w * s->in, s->h, s->w, s->in};

        for (int64_t j = 0; j < s->in; j += VEC) {
            vec tile[POINTS];

            load_tile(tile, &x, at.y - s->pad_top, at.x - s->pad_left, j, SIDE);
            fetch_below(&x, at.y - s->pad_top, at.x - s->pad_left, j, SIDE);
            transform_input(tile, v + t * s->in + j, step);
        }
    }
}

/* m (36, n, c) = A dy A', its points `step` floats apart */
static void gradient_block(const cpu_wino *s, const block_of_tiles *b, float *m, int64_t step)
{
    for (int64_t t = 0; t < b->n; t++) {
        const tile_at at = find_tile(s, b->first + t);
        const picture dy = {s->dy + at.image * s->oh * s->ow * s->out, s->oh, s->ow, s->out};

        for (int64_t j = 0; j < s->out; j += VEC) {
            vec tile[OUT * OUT];

            load_tile(tile, &dy, at.y, at.x, j, OUT);
            fetch_below(&dy, at.y, at.x, j, OUT);
            transform_gradient(tile, m + t * s->out + j, step);
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

/* y from m (36, n, channels from .. to of it). */
static void output_block(
        const cpu_wino *s, const block_of_tiles *b, const float *m, int64_t from, int64_t to)
{
    const int64_t wide = to - from;

    for (int64_t t = 0; t < b->n; t++) {
        const tile_at at = find_tile(s, b->first + t);
        const int64_t rows = s->oh - at.y < OUT ? s->oh - at.y : OUT;
        const int64_t columns = s->ow - at.x < OUT ? s->ow - at.x : OUT;
        float *first = s->y + ((at.image * s->oh + at.y) * s->ow + at.x) * s->out;

        for (int64_t j = from; j < to; j += VEC) {
            vec y[OUT][OUT];

            output_tile(y, m + t * wide + j - from, point_step(b->n, wide),
                    s->bias ? vec_load(s->bias + j) : vec_all(0));
            for (int64_t i = 0; i < rows; i++) {
                for (int64_t k = 0; k < columns; k++)
                    vec_store(first + j + (i * s->ow + k) * s->out,
                            s->relu ? vec_rectify(y[i][k]) : y[i][k]);
            }
        }
    }
}

/* ---- convolution ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Channels from .. to of a block's y, from its v, by m (36, n, to - from). */
static void convolve_block(const cpu_wino *s, const block_of_tiles *b, const float *v, int64_t step,
        const int64_t range[2], float *m)
{
    const int64_t wide = range[1] - range[0];

    for (int64_t k = 0; k < POINTS; k++) {
        for (int64_t o = range[0]; o < range[1]; o += PANEL)
            SIMD(gemm)
        (&(cpu_gemm){
                .m = b->n,
                .n = least(range[1] - o, PANEL),
                .k = s->in,
                .a = v + k * step,
                .b = s->kernel + k * point_step(s->in, s->out) + o * s->in,
                .c = m + k * point_step(b->n, wide) + o - range[0],
                .a_row = s->in,
                .a_col = 1,
                .b_row = least(s->out - o, PANEL),
                .c_row = wide,
        });
    }
    output_block(s, b, m, range[0], range[1]);
}

void SIMD(wino)(const cpu_wino *s)
{
    const int64_t blocks = count_blocks(s), all[2] = {0, s->out};
    float *v = s->space, *m = v + POINTS * point_step(s->block, s->in);

    for (int64_t i = 0; i < blocks; i++) {
        const block_of_tiles b = block_number(s, i, blocks);

        input_block(s, &b, v, point_step(b.n, s->in));
        convolve_block(s, &b, v, point_step(b.n, s->in), all, m);
    }
}

/* Channels `from` and up to CPU_WINO_PANEL - 1 more of y, from v of images that are seen together. */
void SIMD(wino_panel)(const cpu_wino *s, int64_t from)
{
    const block_of_tiles all = {0, count_tiles(s)};
    const int64_t range[2] = {from, least(from + CPU_WINO_PANEL, s->out)};

    convolve_block(s, &all, s->v, s->v_step, range, s->space);
}

/* Of these images: v of x, m of dy, whichever is there. */
void SIMD(wino_spread)(const cpu_wino *s)
{
    const block_of_tiles all = {0, count_tiles(s)};

    if (s->x) input_block(s, &all, s->v, s->v_step);
    if (s->dy) gradient_block(s, &all, s->m, s->m_step);
}

/* ---- gradient to the kernel ---- */

/* Some channels of the kernel's gradient: rows of x's by columns of dy's. */
typedef struct part {
    int64_t in, rows, out, columns;
} part;

/* That part of dw (3, 3, in, out) from the sum over tiles (36, rows, columns); added to it if asked for. */
static void kernel_gradient(const cpu_wino *s, const part *p, const float *sum)
{
    const int64_t plane = p->rows * p->columns;

    for (int64_t e = 0; e < plane; e += VEC) {
        float *first = s->dw + (p->in + e / p->columns) * s->out + p->out + e % p->columns;
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
                float *to = first + (i * 3 + k) * s->in * s->out;

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

/* sum (36, rows, columns) = or += v' m over n tiles, whose points are step[0] and step[1] floats apart. */
static void sum_products(const cpu_wino *s, const part *p, const float *v, const float *m,
        int64_t n, const int64_t step[2], bool add, float *sum)
{
    for (int64_t k = 0; k < POINTS; k++)
        SIMD(gemm)
    (&(cpu_gemm){
            .m = p->rows,
            .n = p->columns,
            .k = n,
            .a = v + k * step[0] + p->in,
            .b = m + k * step[1] + p->out,
            .c = sum + k * p->rows * p->columns,
            .a_row = 1,
            .a_col = s->in,
            .b_row = s->out,
            .c_row = p->columns,
            .add = add,
    });
}

void SIMD(wino_weights)(const cpu_wino *s)
{
    const part whole = {0, s->in, 0, s->out};
    const int64_t blocks = count_blocks(s);
    float *v = s->space, *m = v + POINTS * point_step(s->block, s->in);
    float *sum = m + POINTS * point_step(s->block, s->out);

    for (int64_t i = 0; i < blocks; i++) {
        const block_of_tiles b = block_number(s, i, blocks);
        const int64_t step[2] = {point_step(b.n, s->in), point_step(b.n, s->out)};

        input_block(s, &b, v, step[0]);
        gradient_block(s, &b, m, step[1]);
        if (s->db) bias_gradient(s, &b, m, s->add || i > 0);
        sum_products(s, &whole, v, m, b.n, step, i > 0, sum);
    }
    kernel_gradient(s, &whole, sum);
}

/* Part `number` of dw, from v and m of images that are seen together. */
void SIMD(wino_part)(const cpu_wino *s, int64_t number)
{
    const int64_t parts = (s->in + CPU_WINO_ROWS - 1) / CPU_WINO_ROWS;
    const int64_t step[2] = {s->v_step, s->m_step};
    part p = {.in = number % parts * CPU_WINO_ROWS, .out = number / parts * CPU_WINO_COLUMNS};

    p.rows = least(s->in - p.in, CPU_WINO_ROWS);
    p.columns = least(s->out - p.out, CPU_WINO_COLUMNS);
    sum_products(s, &p, s->v, s->m, count_tiles(s), step, false, s->space);
    kernel_gradient(s, &p, s->space);
}

/* ---- the kernel ---- */

/* G g G' of VEC kernels: 36 vectors. */
TMB_INLINE void transform_kernel(vec out[POINTS], const vec g[9])
{
    vec half[SIDE][3];

    for (int k = 0; k < 3; k++) {
        const vec column[3] = {g[k], g[3 + k], g[6 + k]};
        vec o[SIDE];

        kernel_line(o, column);
        for (int i = 0; i < SIDE; i++)
            half[i][k] = o[i];
    }
    for (int i = 0; i < SIDE; i++)
        kernel_line(out + i * SIDE, half[i]);
}

/* Numbers (from, to) and the VEC - 1 behind them of all points, to panels of target channels. */
TMB_INLINE void put_points(
        const vec *point, const int64_t from_to[2], int64_t n_from, int64_t n_to, float *to)
{
    const int64_t panel = from_to[1] / PANEL * PANEL;
    const int64_t wide = n_to - panel < PANEL ? n_to - panel : PANEL;

    to += panel * n_from + from_to[0] * wide + from_to[1] - panel;
    for (int k = 0; k < POINTS; k++)
        vec_store(to + k * point_step(n_from, n_to), point[k]);
}

/* Kernels of VEC x VEC channels from w on, turned by 180 degrees, their target channels now the plain
 * kernel's input channels. */
TMB_INLINE void pack_turned(const float *w, int64_t in, int64_t out, const int64_t at[2], float *to)
{
    float rows[9][VEC][VEC];

    for (int t = 0; t < 9; t++) {
        for (int l = 0; l < VEC; l++)
            vec_store(rows[t][l], vec_load(w + (t * in + at[0] + l) * out + at[1]));
    }
    for (int o = 0; o < VEC; o++) {
        const int64_t from_to[2] = {at[1] + o, at[0]};
        float turned[9][VEC];
        vec g[9], point[POINTS];

        for (int t = 0; t < 9; t++) {
            for (int l = 0; l < VEC; l++)
                turned[t][l] = rows[8 - t][l][o];
            g[t] = vec_load(turned[t]);
        }
        transform_kernel(point, g);
        put_points(point, from_to, out, in, to);
    }
}

/* Kernel w (3, 3, in, out), its input channels from .. to, packed for SIMD(wino); `turned` for the
 * gradient to the data, where out and in change places. */
void SIMD(wino_pack)(
        const float *w, int64_t in, int64_t out, const int64_t range[2], bool turned, float *to)
{
    for (int64_t i = range[0]; i < range[1]; i += turned ? VEC : 1) {
        for (int64_t o = 0; o < out; o += VEC) {
            const int64_t at[2] = {i, o};
            vec g[9], point[POINTS];

            if (turned) {
                pack_turned(w, in, out, at, to);
                continue;
            }
            for (int t = 0; t < 9; t++)
                g[t] = vec_load(w + (t * in + i) * out + o);
            transform_kernel(point, g);
            put_points(point, at, in, out, to);
        }
    }
}
