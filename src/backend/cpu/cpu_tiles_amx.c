/* cpu_tiles_amx.c - products of tiles on the CPU's matrix unit
 *
 * Four of the eight tile registers are used, though eight would save half of the loads. While another thread
 * keeps the other half of a core busy, as on most rented machines, tile loads grow slow with the number of
 * registers in use: on a Xeon of 2023 a product of tiles takes 7 ns in a quiet core, and in a shared one 27
 * with 2 x 2 sums (eight registers, a load a product) but 13 with 2 x 1 (four, and one and a half). */
#include "cpu_tiles.h"

#include <immintrin.h>

/* All eight tiles whole. gcc 12 may place a configuration wrongly for its own
 * intrinsic, so the instruction is written out. */
static void begin(void)
{
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config __attribute__((aligned(64))) = {
            .palette = 1,
            .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
            .rows = {16, 16, 16, 16, 16, 16, 16, 16},
    };

    __asm__ volatile("ldtilecfg %0" ::"m"(config));
}

static void end(void)
{
    __asm__ volatile("tilerelease");
}

/* 16 rows by 16 columns. */
static void one(const cpu_product *p, const cpu_bf16 *b, float *c)
{
    const int64_t stride = p->a_stride * 2, c_stride = p->c_stride * 4;

    if (p->add)
        _tile_loadd(0, c, c_stride);
    else
        _tile_zero(0);
    for (int64_t k = 0; k < p->steps; k++) {
        _tile_loadd(3, b + p->b_at[k], 64);
        _tile_loadd(2, p->a[0] + p->a_at[k], stride);
        _tile_dpbf16ps(0, 2, 3);
    }
    _tile_stored(0, c, c_stride);
}

/* 32 rows by 16 columns. */
static void two(const cpu_product *p, const cpu_bf16 *b, float *c)
{
    const int64_t stride = p->a_stride * 2, c_stride = p->c_stride * 4;
    float *next = c + TILE_SIDE * p->c_stride;

    if (p->add) {
        _tile_loadd(0, c, c_stride);
        _tile_loadd(1, next, c_stride);
    } else {
        _tile_zero(0);
        _tile_zero(1);
    }
    for (int64_t k = 0; k < p->steps; k++) {
        _tile_loadd(3, b + p->b_at[k], 64);
        _tile_loadd(2, p->a[0] + p->a_at[k], stride);
        _tile_dpbf16ps(0, 2, 3);
        _tile_loadd(2, p->a[1] + p->a_at[k], stride);
        _tile_dpbf16ps(1, 2, 3);
    }
    _tile_stored(0, c, c_stride);
    _tile_stored(1, next, c_stride);
}

static void multiply(const cpu_product *p)
{
    for (int h = 0; h < 2 && p->b[h]; h++) {
        if (p->rows > TILE_SIDE)
            two(p, p->b[h], p->c + h * p->c_other);
        else
            one(p, p->b[h], p->c + h * p->c_other);
    }
}

static double peak(int64_t rounds, float *out)
{
    (void)out;
    begin();
    for (int64_t k = 0; k < rounds; k++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    end();
    return 4.0 * 2 * TILE_SIDE * TILE_SIDE * TILE_DEPTH * (double)rounds;
}

const cpu_tiles tmb__cpu_tiles_amx = {true, begin, end, multiply, peak};
