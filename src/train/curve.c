/* curve.c - areas under ROC and precision-recall curves, counts by class, top k, as Keras has them
 *
 * keras.md 4.2: a score falls into bucket ceil(199 p) - 1; true and false positives at threshold i are
 * the sums of the buckets from i on. ROC: trapezoids. Precision-recall: the interpolation of Davis and
 * Goadrich (2006), tp linear in tp + fp between two thresholds. */
#include "train/train.h"

#include <math.h>

void tmb__curve_add(tmb__curve *curve, float score, bool truth)
{
    const float bucket = ceilf(score * (TMB__THRESHOLDS - 1)) - 1;
    const int i = bucket > 0 ? (int)TMB_MIN(bucket, TMB__THRESHOLDS - 1) : 0; /* NaN: 0 */

    (truth ? curve->yes : curve->no)[i]++;
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static double sum(const int64_t *counts)
{
    int64_t total = 0;

    for (int i = 0; i < TMB__THRESHOLDS; i++)
        total += counts[i];
    return (double)total;
}

double tmb__curve_roc(const tmb__curve *curve)
{
    const double yes = sum(curve->yes), no = sum(curve->no);
    double tp = 0, area = 0;

    for (int i = TMB__THRESHOLDS - 1; i >= 0; i--) {
        const double up = (double)curve->yes[i], along = (double)curve->no[i];

        area += share(along, no) * (share(tp, yes) + share(tp + up, yes)) / 2;
        tp += up;
    }
    return area;
}

double tmb__curve_pr(const tmb__curve *curve)
{
    const double yes = sum(curve->yes);
    double tp = 0, all = 0, area = 0;

    for (int i = TMB__THRESHOLDS - 1; i >= 0; i--) {
        const double up = (double)curve->yes[i], along = up + (double)curve->no[i];
        const double slope = share(up, along), start = tp - slope * all;

        if (all > 0 && along > 0)
            area += slope * (up + start * log((all + along) / all));
        else
            area += slope * up;
        tp += up;
        all += along;
    }
    return share(area, yes);
}

void tmb__metric_classes(tmb_class_figures *out, const int64_t *confusion, int classes)
{
    int64_t n = 0;

    for (int i = 0; i < classes * classes; i++)
        n += confusion[i];
    for (int k = 0; k < classes; k++) {
        tmb_class_figures f = {.tp = confusion[k * classes + k]};

        for (int j = 0; j < classes; j++) {
            f.fn += confusion[k * classes + j];
            f.fp += confusion[j * classes + k];
        }
        f.fn -= f.tp;
        f.fp -= f.tp;
        f.tn = n - f.tp - f.fp - f.fn;
        f.precision = share((double)f.tp, (double)(f.tp + f.fp));
        f.recall = share((double)f.tp, (double)(f.tp + f.fn));
        f.f1 = share(2 * (double)f.tp, (double)(2 * f.tp + f.fp + f.fn));
        out[k] = f;
    }
}

bool tmb__metric_in_top(const float *scores, int classes, int label, int k)
{
    int above = 0;

    for (int i = 0; i < classes; i++)
        above += scores[i] > scores[label];
    return above < k;
}
