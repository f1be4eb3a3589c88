/* cpu_simd.h - our own kernels: one table of them for each instruction set
 *
 * The kernels are written once, in plain C and in vectors of one register, and compiled for x86-64 as
 * it began, for AVX2 and for AVX-512 (cpu_simd_*.c, cpu_gemm_*.c); the best table that the CPU can
 * run, and the host allows, is taken at open. All but `gemm` and the Winograd transforms give the same bits in every
 * table: lanes never mix and nothing is contracted into fused multiply-adds. */
#ifndef THIMBLE_BACKEND_CPU_CPU_SIMD_H
#define THIMBLE_BACKEND_CPU_CPU_SIMD_H

#include <stdbool.h>
#include <stdint.h>
#include <thimble/plugin.h>

enum { CPU_NOBODY = 255 }; /* a window without a winner: ReLU made its maximum 0 */

/* Pooling of one sample, (h, w, c) to (oh, ow, c); pads before only, what lies outside takes no
 * part. */
typedef struct cpu_window {
    int64_t h, w, c, oh, ow;
    int kh, kw, sh, sw, pad_top, pad_left;
} cpu_window;

/* Batch normalisation of one sample: (rows, c); vectors (c). */
typedef struct cpu_bn {
    int64_t rows, c;
    const float *mean, *scale, *shift; /* y = (x - mean) scale + shift */
    bool relu;
} cpu_bn;

/* Its gradient: dx = scale (dy - shift - (x - mean) slope); `y` masks dy where y <= 0, or is NULL.
 */
typedef struct cpu_bn_bwd {
    int64_t rows, c;
    const float *mean, *rstd, *scale, *shift, *slope;
    const float *y;
} cpu_bn_bwd;

/* dx = dy act'(x) of `n` elements; x may be NULL where y = act(x) tells. */
typedef struct cpu_act_bwd {
    const float *dy, *y, *x;
    float *dx, alpha;
    int64_t n;
} cpu_act_bwd;

/* One optimizer step of `n` elements; see ref for the formulas. NULL: that slot is not there. */
typedef struct cpu_step {
    int64_t n;
    float *w, *m, *v, *centre, *vmax; /* v: the mean square; m: SGD's velocity, Adadelta's d */
    const float *g;
    float lr, decay, clip; /* decay: factor on w; clip: factor on g */
    float momentum, rho, beta1, beta2, eps;
    float ahead, here, unbias; /* NADAM: factors on m, g and v */
    bool nesterov, eps_outside;
} cpu_step;

/* c (m, n) = a (m, k) b (k, n), added to c if `add`. a's element (i, j) is a[i a_row + j a_col].
 * With `parts` > 1 it is the sum of so many products, whose factors are a_part and b_part apart. */
typedef struct cpu_gemm {
    int64_t m, n, k, parts; /* parts 0 is 1 */
    const float *a, *b;
    float *c;
    int64_t a_row, a_col, a_part, b_row, b_part, c_row;
    bool add;
    const float *start; /* (n): what every row of c starts from; NULL: 0 */
} cpu_gemm;

/* A 3 x 3 convolution with stride 1, (images, h, w, in) to (images, oh, ow, out), by Winograd;
 * channels are multiples of 16. Tiles are 4 x 4 outputs; `block` of them are worked on at a time.
 */
typedef struct cpu_wino {
    int64_t images, h, w, in, oh, ow, out;
    int64_t tile_rows, tile_columns, block;
    int pad_top, pad_left;
    const float *x, *kernel; /* kernel: packed by wino_pack */
    const float *bias;       /* or NULL */
    bool relu;
    float *y;
    const float *dy; /* wino_weights: dw and db from x and dy; `add` to what they hold */
    float *dw, *db;
    bool add;
    float *space; /* 36 (block (in + out) + 32) floats, and 36 in out more for wino_weights */
    /* Samples together: transforms of x and dy, (36, tiles, in) and (36, tiles, out), the points so many
     * floats apart. `space` is then 36 (tiles CPU_WINO_PANEL + 16) floats, or 36 of a part of dw. */
    float *v, *m;
    int64_t v_step, m_step;
} cpu_wino;

/* Channels of y, and of the kernel's rows and columns, that such a call has. */
enum { CPU_WINO_PANEL = 32, CPU_WINO_ROWS = 32, CPU_WINO_COLUMNS = 128 };

typedef struct cpu_simd {
    /* where: one byte for each output, the winner's place in its window in scan order, or
     * CPU_NOBODY where `relu` makes the output 0; may be NULL */
    void (*pool_max)(const cpu_window *s, const float *x, float *y, uint8_t *where, bool relu);
    void (*pool_max_bwd)(const cpu_window *s, const float *dy, const uint8_t *where, float *dx);
    void (*pool_mean)(const cpu_window *s, const float *x, float *y);
    void (*pool_mean_bwd)(const cpu_window *s, const float *dy, float *dx);
    void (*relu)(const float *x, float *y, int64_t n);
    /* y = act(x) and its gradient; false, and nothing done, if there is no kernel for `act`. */
    bool (*act)(tmb_activation act, float alpha, const float *x, float *y, int64_t n);
    bool (*act_bwd)(tmb_activation act, const cpu_act_bwd *s);
    void (*bias)(
            const float *b, int64_t rows, int64_t c, bool relu, float *y); /* y += b, then ReLU */
    void (*relu_bwd)(const float *dy, const float *y, float *dx, int64_t n);
    void (*add)(const float *const *x, int n_x, bool relu, float *y, int64_t n);
    void (*scale)(const float *x, float scale, float offset, float *y, int64_t n);
    void (*sum_parts)(const float *parts, int n_parts, int64_t stride, float *y, int64_t n);
    void (*column_sums)(const float *x, int64_t rows, int64_t c, float *sums);
    /* Mean and sum of squared differences from it, of each column. */
    void (*moments)(const float *x, int64_t rows, int64_t c, float *mean, float *squares);
    void (*bn)(const cpu_bn *s, const float *x, float *y);
    /* Sums over the rows of dy, and of dy (x - mean) rstd, of each column. */
    void (*bn_sums)(
            const cpu_bn_bwd *s, const float *dy, const float *x, float *plain, float *slope);
    void (*bn_bwd)(const cpu_bn_bwd *s, const float *dy, const float *x, float *dx);
    double (*squares)(const float *x, int64_t n); /* sum of x^2 */
    void (*sgd)(const cpu_step *s);
    void (*rmsprop)(const cpu_step *s);
    void (*adam)(const cpu_step *s);
    void (*adagrad)(const cpu_step *s);
    void (*adadelta)(const cpu_step *s);
    void (*adamax)(const cpu_step *s);
    void (*nadam)(const cpu_step *s);
    void (*lion)(const cpu_step *s);
    void (*ema)(const float *w, float keep, float take, float *average, int64_t n);
    void (*gemm)(const cpu_gemm *s);
    void (*wino)(const cpu_wino *s);
    void (*wino_weights)(const cpu_wino *s);
    void (*wino_spread)(const cpu_wino *s);               /* x to v, dy to m, if they are there */
    void (*wino_panel)(const cpu_wino *s, int64_t from);  /* v to channels from `from` on of y */
    void (*wino_part)(const cpu_wino *s, int64_t number); /* v and m to a part of dw */
    /* Kernel (3, 3, in, out), its input channels range[0] .. range[1] - 1; `turned`: for the
     * gradient to the data. 36 (in out + 16) floats. */
    void (*wino_pack)(const float *w, int64_t in, int64_t out, const int64_t range[2], bool turned,
            float *to);
} cpu_simd;

/* Table number `index`, best last; NULL if there is none, or this CPU cannot run it. */
const cpu_simd *tmb__cpu_simd_get(int index);

/* The tables; products and Winograd live in files of their own, compiled with fused multiply-adds.
 */
#define TMB_CPU_TABLE(isa)                                                                         \
    extern const cpu_simd tmb__cpu_simd_##isa;                                                     \
    void tmb__cpu_gemm_##isa(const cpu_gemm *s);                                                   \
    void tmb__cpu_wino_##isa(const cpu_wino *s);                                                   \
    void tmb__cpu_wino_weights_##isa(const cpu_wino *s);                                           \
    void tmb__cpu_wino_spread_##isa(const cpu_wino *s);                                            \
    void tmb__cpu_wino_panel_##isa(const cpu_wino *s, int64_t from);                               \
    void tmb__cpu_wino_part_##isa(const cpu_wino *s, int64_t number);                              \
    void tmb__cpu_wino_pack_##isa(const float *w, int64_t in, int64_t out, const int64_t range[2], \
            bool turned, float *to);
TMB_CPU_TABLE(x86_64)
TMB_CPU_TABLE(avx2)
TMB_CPU_TABLE(avx512)
#undef TMB_CPU_TABLE

#endif
