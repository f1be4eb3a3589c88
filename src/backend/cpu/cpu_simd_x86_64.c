/* cpu_simd_x86_64.c - our kernels for x86-64 */
#define SIMD(name) tmb__cpu_##name##_x86_64
#include "cpu_simd_body.h"
