/* cpu_peaks_avx2.c - what the CPU can do with AVX2 */
#define PEAK_TABLE tmb__cpu_peaks_avx2
#define PEAK_NAME  "AVX2"
#define PEAK_SUMS  6
#include "cpu_peaks_body.h"
