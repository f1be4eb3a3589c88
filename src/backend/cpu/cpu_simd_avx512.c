/* cpu_simd_avx512.c - our kernels for AVX-512 */
#define SIMD_TABLE        tmb__cpu_simd_avx512
#define SIMD_GEMM         tmb__cpu_gemm_avx512
#define SIMD_WINO         tmb__cpu_wino_avx512
#define SIMD_WINO_WEIGHTS tmb__cpu_wino_weights_avx512
#define SIMD_WINO_PACK    tmb__cpu_wino_pack_avx512
#include "cpu_simd_body.h"
