/* cpu_simd.c - which of our kernels this CPU can run */
#include "cpu_simd.h"

#include <stddef.h>

const cpu_simd *tmb__cpu_simd_get(int index)
{
    __builtin_cpu_init();
    if (index == 0) return &tmb__cpu_simd_x86_64;
    if (index == 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &tmb__cpu_simd_avx2;
    if (index == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return &tmb__cpu_simd_avx512;
    return NULL;
}

const cpu_simd *tmb__cpu_simd_best(void)
{
    for (int i = 2; i > 0; i--) {
        if (tmb__cpu_simd_get(i)) return tmb__cpu_simd_get(i);
    }
    return tmb__cpu_simd_get(0);
}
