/* amx_emulated.c - the kernels of AMX on tiles in memory, for CPUs that have no others */
#include "amx_emulated.h"

#include <immintrin.h>
#include <string.h>

static __thread unsigned char tiles[8][TILE_SIDE][64];

static void zero(int t)
{
    memset(tiles[t], 0, sizeof tiles[t]);
}

static void load(int t, const void *from, int64_t stride)
{
    for (int64_t i = 0; i < TILE_SIDE; i++)
        memcpy(tiles[t][i], (const char *)from + i * stride, sizeof tiles[t][i]);
}

static void store(int t, void *to, int64_t stride)
{
    for (int64_t i = 0; i < TILE_SIDE; i++)
        memcpy((char *)to + i * stride, tiles[t][i], sizeof tiles[t][i]);
}

static float as_float(cpu_bf16 half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static void add_product(int c, int a, int b)
{
    for (int i = 0; i < TILE_SIDE; i++) {
        cpu_bf16 row[TILE_DEPTH], pairs[TILE_DEPTH];
        float sum[TILE_SIDE];

        memcpy(row, tiles[a][i], sizeof row);
        memcpy(sum, tiles[c][i], sizeof sum);
        for (int k = 0; k < TILE_DEPTH; k++) {
            memcpy(pairs, tiles[b][k / 2], sizeof pairs);
            for (int j = 0; j < TILE_SIDE; j++)
                sum[j] += as_float(row[k]) * as_float(pairs[2 * j + k % 2]);
        }
        memcpy(tiles[c][i], sum, sizeof sum);
    }
}

#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_zero         zero
#define _tile_loadd        load
#define _tile_stored       store
#define _tile_dpbf16ps     add_product
#define tmb__cpu_tiles_amx unused
#include "backend/cpu/cpu_tiles_amx.c"

static void nothing(void) {}

const cpu_tiles test_tiles_amx = {
        .fast = true, .begin = nothing, .end = nothing, .multiply = multiply};
