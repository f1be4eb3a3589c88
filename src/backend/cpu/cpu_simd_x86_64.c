/* cpu_simd_x86_64.c - our kernels for x86-64 */
#define SIMD_TABLE        tmb__cpu_simd_x86_64
#define SIMD_GEMM         tmb__cpu_gemm_x86_64
#define SIMD_WINO         tmb__cpu_wino_x86_64
#define SIMD_WINO_WEIGHTS tmb__cpu_wino_weights_x86_64
#define SIMD_WINO_PACK    tmb__cpu_wino_pack_x86_64
#include "cpu_simd_body.h"
