/* cpu_peaks_x86_64.c - what the CPU can do with x86-64 */
#define PEAK_TABLE tmb__cpu_peaks_x86_64
#define PEAK_NAME  "x86-64"
#define PEAK_SUMS  3
#include "cpu_peaks_body.h"
