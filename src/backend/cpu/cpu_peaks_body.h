/* cpu_peaks_body.h - the kernels of cpu_peaks.h for one instruction set
 *
 * PEAK_SUMS vectors of 16 floats fill the registers with sums that do not wait for each other. */
#include "cpu_peaks.h"
#include "cpu_vec.h"

static double fma_peak(int64_t rounds, float *out)
{
    const vec x = vec_all(0.999f), y = vec_all(0.001f);
    vec sum[PEAK_SUMS], all = vec_all(0);

    for (int i = 0; i < PEAK_SUMS; i++)
        sum[i] = vec_all((float)i);
    for (int64_t k = 0; k < rounds; k++) {
        TMB_UNROLL(16)
        for (int i = 0; i < PEAK_SUMS; i++)
            sum[i] = sum[i] * x + y;
    }
    for (int i = 0; i < PEAK_SUMS; i++)
        all += sum[i];
    vec_store(out, all);
    return 2.0 * VEC * PEAK_SUMS * (double)rounds;
}

static void read_peak(const float *x, int64_t n, float *out)
{
    ivec a = ivec_all(0), b = a;

    for (int64_t i = 0; i < n; i += 4 * VEC) {
        a |= (ivec)vec_load(x + i) ^ (ivec)vec_load(x + i + VEC);
        b |= (ivec)vec_load(x + i + 2 * VEC) ^ (ivec)vec_load(x + i + 3 * VEC);
    }
    vec_store(out, (vec)(a | b));
}

static void copy_peak(const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += VEC)
        vec_store(y + i, vec_load(x + i) * vec_all(0.5f));
}

const cpu_peaks PEAK_TABLE = {PEAK_NAME, fma_peak, read_peak, copy_peak};
