/* compare.c - how far two tensors are apart, and what is not a number in them */
#include "tensor/tensor.h"

#include <math.h>

double tmb__worst_difference(const float *a, const float *b, int64_t n, int64_t *where)
{
    double worst = 0;

    if (where) *where = 0;
    for (int64_t i = 0; i < n; i++) {
        const double scale = fmax(1, fabs((double)b[i]));
        double difference = a[i] == b[i] ? 0 : fabs((double)a[i] - (double)b[i]) / scale;

        if (isnan(difference)) difference = INFINITY;
        if (!(difference > worst)) continue;
        worst = difference;
        if (where) *where = i;
    }
    return worst;
}

int64_t tmb__count_nonfinite(const float *a, int64_t n, int64_t *first)
{
    int64_t count = 0, at = -1;

    for (int64_t i = 0; i < n; i++) {
        if (isfinite(a[i])) continue;
        if (count++ == 0) at = i;
    }
    if (first) *first = at;
    return count;
}
