/* cpu_gemm_x86_64.c - matrix products and Winograd convolution for x86-64 */
#define SIMD(name) tmb__cpu_##name##_x86_64
#include "cpu_gemm_body.h"
#include "cpu_wino_body.h"
