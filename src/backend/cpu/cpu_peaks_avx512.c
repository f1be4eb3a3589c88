/* cpu_peaks_avx512.c - what the CPU can do with AVX-512 */
#define PEAK_TABLE tmb__cpu_peaks_avx512
#define PEAK_NAME  "AVX-512"
#define PEAK_SUMS  12
#include "cpu_peaks_body.h"
