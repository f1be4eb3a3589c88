/* metric.c - accuracy with its interval, answers from scores, calibration, penalties */
#include "train/train.h"

#include <math.h>

enum { CALIBRATION_BINS = 15 };

tmb_share tmb_share_of(int64_t right, int64_t n)
{
    /* Wilson's score interval, z for 95 %: it stays inside [0, 1] and is honest near its ends. */
    const double z = 1.959963984540054, count = (double)n;
    tmb_share share = {0, 0, 1};
    double p, middle, half, divisor;

    if (n <= 0) return share;
    p = (double)right / count;
    divisor = 1 + z * z / count;
    middle = (p + z * z / (2 * count)) / divisor;
    half = z * sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / divisor;
    share.value = p;
    share.low = TMB_MAX(0, middle - half);
    share.high = TMB_MIN(1, middle + half);
    return share;
}

int tmb__metric_answer(const float *scores, int outputs)
{
    int best = 0;

    if (outputs == 1) return scores[0] > 0.5f;
    for (int i = 1; i < outputs; i++) {
        if (scores[i] > scores[best]) best = i;
    }
    return best;
}

void tmb__metric_probabilities(float *probabilities, const float *scores, int outputs)
{
    if (outputs == 1) {
        probabilities[0] = 1 - scores[0];
        probabilities[1] = scores[0];
        return;
    }
    for (int i = 0; i < outputs; i++)
        probabilities[i] = scores[i];
}

double tmb__metric_calibration(
        const float *probabilities, const int32_t *labels, int64_t n, int classes)
{
    double confidence[CALIBRATION_BINS] = {0}, error = 0;
    int64_t right[CALIBRATION_BINS] = {0}, count[CALIBRATION_BINS] = {0};

    for (int64_t i = 0; i < n; i++) {
        const float *p = probabilities + i * classes;
        int best = 0, bin;

        for (int k = 1; k < classes; k++) {
            if (p[k] > p[best]) best = k;
        }
        if (!isfinite(p[best])) return NAN;
        bin = (int)(TMB_MIN(TMB_MAX(p[best], 0), 1) * CALIBRATION_BINS);
        bin = TMB_MIN(bin, CALIBRATION_BINS - 1);
        confidence[bin] += p[best];
        right[bin] += best == labels[i];
        count[bin]++;
    }
    for (int b = 0; b < CALIBRATION_BINS; b++)
        error += fabs((double)right[b] - confidence[b]);
    return n > 0 ? error / (double)n : 0;
}

double tmb__metric_penalty(const tmb_model *model)
{
    double sum = 0;

    for (int i = 0; i < model->n_layers; i++) {
        const tmb__layer *layer = &model->layers[i];

        for (int k = 0; k < layer->n_weights; k++) {
            const tmb__weight *weight = &layer->weight[k];
            const float *w = model->weights + weight->offset;
            int64_t n = tmb__shape_count(&weight->shape);

            if (!layer->trainable || (weight->l1 == 0 && weight->l2 == 0)) continue;
            for (int64_t j = 0; j < n; j++)
                sum += weight->l1 * fabs((double)w[j]) + weight->l2 * (double)w[j] * (double)w[j];
        }
    }
    return sum;
}
