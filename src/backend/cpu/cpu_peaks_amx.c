/* cpu_peaks_amx.c - what the CPU's matrix unit can do: 2 x 2 products of tiles for each four of them */
#include "cpu_amx_tile.h"
#include "cpu_peaks.h"

TMB_INLINE void load_four(const unsigned char *p)
{
    _tile_loadd(4, p, 64);
    _tile_loadd(5, p + 1024, 64);
    _tile_loadd(6, p + 2048, 64);
    _tile_loadd(7, p + 3072, 64);
}

double tmb__cpu_peak_amx(const void *tiles, size_t size, int64_t rounds)
{
    const unsigned char *p = tiles;

    tiles_begin();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    load_four(p);
    for (int64_t k = 0; k < rounds; k++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        if (size == 0) continue;
        p = p + 4096 < (const unsigned char *)tiles + size ? p + 4096 : tiles;
        load_four(p);
    }
    tiles_end();
    return 2.0 * AMX_SIDE * AMX_SIDE * AMX_DEPTH * 4 * (double)rounds;
}
