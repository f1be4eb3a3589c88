/* cpu_tiles.h - products of tiles in bf16, summed in f32
 *
 * A tile of the left factor is 16 rows of 32 numbers. One of the right factor has 16 columns, by pairs: its
 * row r holds numbers 2 r and 2 r + 1 of each column. */
#ifndef THIMBLE_BACKEND_CPU_CPU_TILES_H
#define THIMBLE_BACKEND_CPU_CPU_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint16_t cpu_bf16;

enum {
    TILE_SIDE = 16,               /* rows of a tile, and columns of a product */
    TILE_DEPTH = 32,              /* numbers that one product of tiles sums */
    TILE = TILE_SIDE * TILE_DEPTH /* numbers of a tile */
};

static inline int64_t cpu_up_to(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* Up to 32 rows by 32 columns: c = the sum over all steps, or c += it. Tiles are read whole, and
 * rows of c may be written up to a multiple of 16. */
typedef struct cpu_product {
    const cpu_bf16 *a[2], *b[2]; /* the first step's: 16 rows, 16 columns each; b[1] NULL: none */
    const int32_t *a_at, *b_at;  /* (steps) numbers from there to a step's */
    int64_t a_stride;            /* numbers from row to row of a */
    int64_t steps, rows;
    int64_t skip; /* pairs at the end of every step that are 0, and may be left out */
    float *c;
    int64_t c_stride, c_other; /* floats from row to row of c, and to the columns of b[1] */
    bool add;
} cpu_product;

typedef struct cpu_tiles {
    bool fast; /* many times faster than f32, so that they pay for all that they can do */
    /* Around products, on the thread that has them. */
    void (*begin)(void);
    void (*end)(void);
    void (*multiply)(const cpu_product *p);
    /* Products of registers alone; returns operations. `out`: 16 floats, which keep the work wanted. */
    double (*peak)(int64_t rounds, float *out);
} cpu_tiles;

extern const cpu_tiles tmb__cpu_tiles_avx512_bf16, tmb__cpu_tiles_amx;

#endif
