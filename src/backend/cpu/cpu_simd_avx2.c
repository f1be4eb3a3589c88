/* cpu_simd_avx2.c - our kernels for AVX2 */
#define SIMD(name) tmb__cpu_##name##_avx2
#include "cpu_simd_body.h"
