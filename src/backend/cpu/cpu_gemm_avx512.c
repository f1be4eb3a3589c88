/* cpu_gemm_avx512.c - matrix products and Winograd convolution for AVX-512 */
#define SIMD_GEMM         tmb__cpu_gemm_avx512
#define SIMD_WINO         tmb__cpu_wino_avx512
#define SIMD_WINO_WEIGHTS tmb__cpu_wino_weights_avx512
#define SIMD_WINO_PACK    tmb__cpu_wino_pack_avx512
#include "cpu_gemm_body.h"
#include "cpu_wino_body.h"
