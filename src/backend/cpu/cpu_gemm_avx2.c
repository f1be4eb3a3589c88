/* cpu_gemm_avx2.c - matrix products and Winograd convolution for AVX2 */
#define SIMD(name) tmb__cpu_##name##_avx2
#include "cpu_gemm_body.h"
#include "cpu_wino_body.h"
