/* calibrate.c - scores of unseen photos -> probabilities that mean what they say
 *
 * One temperature for all classes (Guo et al. 2017): the scale 1 / T that makes the labels likeliest. Its
 * derivative rises with the scale, so halving finds it. As in Platt (1999), a label counts as (n + 1) /
 * (n + 2) instead of 1: a few photos that are all right do not make a head certain. */
#include "head/head.h"

#include <math.h>

enum { HALVINGS = 60 };

void tmb__probabilities(float *out, const double *scores, int k, double temperature)
{
    double most = scores[0], sum = 0;

    if (k == 1) {
        out[1] = (float)(1 / (1 + exp(-scores[0] / temperature)));
        out[0] = 1 - out[1];
        return;
    }
    for (int c = 1; c < k; c++)
        most = TMB_MAX(most, scores[c]);
    for (int c = 0; c < k; c++)
        sum += exp((scores[c] - most) / temperature);
    for (int c = 0; c < k; c++)
        out[c] = (float)(exp((scores[c] - most) / temperature) / sum);
}

/* d loss / d scale of one row: sum over classes of (probability - target) score. */
static double pull(const double *s, int k, int label, double scale, double sure)
{
    double most = s[0], sum = 0, mean = 0, target = 0;

    if (k == 1) return s[0] * (1 / (1 + exp(-scale * s[0])) - (label ? sure : 1 - sure));
    for (int c = 1; c < k; c++)
        most = TMB_MAX(most, s[c]);
    for (int c = 0; c < k; c++) {
        const double e = exp(scale * (s[c] - most));

        sum += e;
        mean += e * s[c];
        target += s[c] * (c == label ? sure : (1 - sure) / (k - 1));
    }
    return mean / sum - target;
}

double tmb__temperature(const double *scores, const int32_t *label, int n, int k)
{
    const double sure = (n + 1.0) / (n + 2.0);
    double low = log(1e-4), high = log(1e6);

    for (int i = 0; i < HALVINGS; i++) {
        const double middle = (low + high) / 2, scale = exp(middle);
        double slope = 0;

        for (int j = 0; j < n; j++)
            slope += pull(scores + (size_t)j * (size_t)k, k, label[j], scale, sure);
        if (slope > 0)
            high = middle;
        else
            low = middle;
    }
    return exp(-(low + high) / 2);
}
