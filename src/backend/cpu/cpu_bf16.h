/* cpu_bf16.h - convolutions and dense layers in bf16, as products of tiles (cpu_tiles.h)
 *
 * A convolution's product takes 16 pixels x 32 numbers and 32 numbers x 16 channels. Each kernel brings
 * one sample into the order that tiles want, in the core's cache, and rounds it to bf16 unless it is
 * kept so. All but the products need AVX512-BF16, which every CPU with AMX has. */
#ifndef THIMBLE_BACKEND_CPU_CPU_BF16_H
#define THIMBLE_BACKEND_CPU_CPU_BF16_H

#include "cpu_tiles.h"

enum {
    BF16_MAX_STEPS = 4096, /* products that one result sums */
    BF16_THIN_ROWS = 11    /* of a kernel that counts as thin, at most */
};

/* A convolution of one sample as the kernels see it. `thin`: few channels, so that what lies under
 * the kernel in one column of the picture, kh x in numbers, counts as one pixel of `entry`. */
typedef struct cpu_bf16_conv {
    const cpu_tiles *tiles;
    int64_t l2; /* bytes */
    int64_t h, w, in, oh, ow, out, kh, kw;
    int64_t pad_top, pad_left, stride[2], dilation[2];
    bool thin;
    int64_t rows, pitch;      /* of the padded picture */
    int64_t entry, entry_row; /* thin: numbers of a pixel, and of a row of them */
    int64_t steps;            /* tiles along the depth */
    int64_t blocks;           /* of 32 channels of the result */
    int64_t space;            /* bf16 numbers that a sample's picture takes */
    int64_t packed;           /* bf16 numbers of the kernel */
    int64_t parts, plane;     /* weight gradient: rows of x by channel, in 16s, and their length */
    int64_t dy_pitch;         /* pixels from row to row of dy */
    int64_t chunk, chunk_at;  /* rows of dy at a time, and the numbers they take */
    int64_t turned;           /* bf16 numbers of x by channels */
    int64_t taps, sums;       /* places of the kernel, floats of its gradient in tiles */
    int64_t tasks;            /* blocks of them: two parts of x, 32 channels of dy */
} cpu_bf16_conv;

/* What a result gets before it is written, as bf16 if `half`. `where`, with `pool`: ReLU and 2 x 2
 * maximum after all, a byte for each result as in cpu_simd.h. */
typedef struct cpu_bf16_end {
    const float *bias; /* or NULL */
    bool relu, pool, half;
    float most; /* with relu: upper limit, 0: none */
    uint8_t *where;
} cpu_bf16_end;

/* Numbers of a sample, (h, w, c): float, or cpu_bf16 if `half`. A gradient in front of a maximum pool
 * of 2 x 2 is given by the gradient behind it, (h / 2, w / 2, c), and the winners. */
typedef struct cpu_bf16_source {
    const void *at;
    bool half;
    const uint8_t *where; /* NULL: no pool */
} cpu_bf16_source;

/* The kernel's numbers in plain order: (kh, kw, in, out), or for the gradient to the data turned by
 * half a circle with in and out changed. */
typedef struct cpu_bf16_kernel {
    const float *w;
    int64_t in, out; /* as in the plain order */
    bool turned;
} cpu_bf16_kernel;

/* Both factors of the kernel's gradient in the tiles' orders, for rows range[0] .. range[1] of dy. */
typedef struct cpu_bf16_factors {
    const cpu_bf16 *turned, *pairs;
    int64_t range[2];
    bool fresh; /* the sums start from 0 */
} cpu_bf16_factors;

typedef struct cpu_bf16_table {
    /* Block number `block` of 32 results of the kernel. */
    void (*pack)(const cpu_bf16_conv *s, const cpu_bf16_kernel *k, int64_t block, cpu_bf16 *packed);
    /* y (oh, ow, out), or (oh / 2, ow / 2, out) where pooled. */
    void (*conv)(const cpu_bf16_conv *s, const cpu_bf16_end *end, const cpu_bf16_source *x,
            const cpu_bf16 *packed, void *y, cpu_bf16 *space);
    /* x by channels, for rows of the weight gradient. */
    void (*turn)(const cpu_bf16_conv *s, const cpu_bf16_source *x, cpu_bf16 *turned);
    /* Rows range[0] .. range[1] of dy by pairs of pixels, and, where it is not NULL, db += dy. */
    void (*pairs)(const cpu_bf16_conv *s, const cpu_bf16_source *dy, const int64_t range[2],
            float *db, cpu_bf16 *pairs);
    /* sums += x^T dy, for block `block` of dy's channels and two parts of x's from `part` on. */
    void (*products)(const cpu_bf16_conv *s, const cpu_bf16_factors *f, int64_t part, int64_t block,
            float *sums);
    /* From tiles to the plain order (kh, kw, in, out), for rows range[0] .. range[1] of out. */
    void (*untile)(const cpu_bf16_conv *s, const float *sums, const int64_t range[2], float *dw);
} cpu_bf16_table;

/* bf16 numbers that `conv` needs behind its space where it pools. */
int64_t tmb__cpu_bf16_pool_space(const cpu_bf16_conv *s);

extern const cpu_bf16_table tmb__cpu_bf16_kernels;
void tmb__cpu_bf16_turn(const cpu_bf16_conv *s, const cpu_bf16_source *x, cpu_bf16 *turned);
void tmb__cpu_bf16_pairs(const cpu_bf16_conv *s, const cpu_bf16_source *dy, const int64_t range[2],
        float *db, cpu_bf16 *pairs);
void tmb__cpu_bf16_products(const cpu_bf16_conv *s, const cpu_bf16_factors *f, int64_t part,
        int64_t block, float *sums);
void tmb__cpu_bf16_untile(
        const cpu_bf16_conv *s, const float *sums, const int64_t range[2], float *dw);

/* A sample as it stands in memory. */
typedef struct cpu_bf16_map {
    int64_t h, w, c;
} cpu_bf16_map;

/* Up to 16 samples side by side: (h w, c / 32, 16, 32). */
typedef struct cpu_bf16_batch {
    const cpu_bf16 *at;
    int64_t n;
} cpu_bf16_batch;

/* Convolutions of samples side by side, without a thin kernel; gradients with stride 1. */
typedef struct cpu_bf16_batch_table {
    /* Sample number `sample` of 16. */
    void (*put)(const cpu_bf16_map *map, const cpu_bf16_source *x, int64_t sample, cpu_bf16 *to);
    /* Block number `block` of 32 channels of y, (n, oh, ow, out) or pooled. `space` holds 512 floats for each
     * pixel of a row, or of two where it pools. */
    void (*conv)(const cpu_bf16_conv *s, const cpu_bf16_end *end, const cpu_bf16_batch *x,
            const cpu_bf16 *packed, int64_t block, void *y, float *space);
    /* For the weight gradient: channels from .. from + 31 of x by channels, and of dy by pairs of samples;
     * db += dy unless it is NULL. */
    void (*turn)(const cpu_bf16_conv *s, const cpu_bf16_batch *x, int64_t from, cpu_bf16 *turned);
    void (*pair)(const cpu_bf16_conv *s, const cpu_bf16_batch *dy, int64_t from, float *db,
            cpu_bf16 *pairs);
    /* dw's channels part[0] .. + 31 of x and part[1] .. + 31 of dy from so many times 16 samples. */
    void (*weights)(const cpu_bf16_conv *s, const cpu_bf16 *turned, const cpu_bf16 *pairs,
            int64_t batches, const int64_t part[2], float *dw);
} cpu_bf16_batch_table;

extern const cpu_bf16_batch_table tmb__cpu_bf16_batch;

/* A depthwise convolution of one sample, (h, w, c) to (oh, ow, c); pads before only. */
typedef struct cpu_bf16_depth {
    int64_t h, w, c, oh, ow, kh, kw, pad[2], stride[2], dilation[2];
    bool x_half;
    cpu_bf16_end end; /* without a pool */
} cpu_bf16_depth;

/* `w` (kh, kw, c); `space` holds 128 bytes for each place of the kernel and 32 channels. */
void tmb__cpu_bf16_depthwise(
        const cpu_bf16_depth *s, const cpu_bf16_source *x, const float *w, void *y, void *space);

/* A dense layer in f32, for rows from .. to of its kernel and n samples. `out` is what is wanted of x
 * (n, in), w (in, units), dy (n, units): those rows' share of y, those columns of dx, those rows of dw. */
typedef struct cpu_bf16_dense {
    const cpu_tiles *tiles;
    int64_t n, in, units, from, to;
    const float *x, *w, *dy;
    float *out;
    cpu_bf16 *space; /* of tmb__cpu_bf16_dense_space() numbers */
} cpu_bf16_dense;

typedef struct cpu_bf16_dense_table {
    void (*forward)(const cpu_bf16_dense *s);
    void (*data)(const cpu_bf16_dense *s);
    void (*weights)(const cpu_bf16_dense *s);
} cpu_bf16_dense_table;

extern const cpu_bf16_dense_table tmb__cpu_bf16_dense;
int64_t tmb__cpu_bf16_dense_space(int64_t n, int64_t units);

#endif
