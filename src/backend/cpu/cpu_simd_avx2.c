/* cpu_simd_avx2.c - our kernels for AVX2 */
#define SIMD_TABLE        tmb__cpu_simd_avx2
#define SIMD_GEMM         tmb__cpu_gemm_avx2
#define SIMD_WINO         tmb__cpu_wino_avx2
#define SIMD_WINO_WEIGHTS tmb__cpu_wino_weights_avx2
#define SIMD_WINO_PACK    tmb__cpu_wino_pack_avx2
#include "cpu_simd_body.h"
