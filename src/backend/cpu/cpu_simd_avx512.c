/* cpu_simd_avx512.c - our kernels for AVX-512 */
#define SIMD(name) tmb__cpu_##name##_avx512
#include "cpu_simd_body.h"
