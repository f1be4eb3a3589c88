/* cpu_peaks.h - kernels that do nothing but keep one part of the CPU busy, to measure what it can do */
#ifndef THIMBLE_BACKEND_CPU_CPU_PEAKS_H
#define THIMBLE_BACKEND_CPU_CPU_PEAKS_H

#include <stddef.h>
#include <stdint.h>

typedef struct cpu_peaks {
    const char *name;
    /* Fused multiply-adds between registers; returns operations. `out`: 16 floats, so that no compiler
     * thinks the result unwanted. */
    double (*fma)(int64_t rounds, float *out);
    void (*read)(const float *x, int64_t n, float *out); /* n: a multiple of 64 */
    void (*copy)(const float *x, float *y, int64_t n);   /* y = x / 2 */
} cpu_peaks;

extern const cpu_peaks tmb__cpu_peaks_x86_64, tmb__cpu_peaks_avx2, tmb__cpu_peaks_avx512;

#endif
