/* cpu_gemm_avx512.c - matrix products and Winograd convolution for AVX-512 */
#define SIMD(name) tmb__cpu_##name##_avx512
#include "cpu_gemm_body.h"
#include "cpu_wino_body.h"
