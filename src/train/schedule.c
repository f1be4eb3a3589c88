/* schedule.c - the learning rate of each step
 *
 * Over the warm-up share of all steps the rate rises in a straight line; after it the schedule's own
 * curve runs from 0 to 1 over the steps that are left: CosineDecay of keras.md 4.4 whose warm-up starts
 * from lr / (warm-up steps + 1), so that the first step moves weights. */
#include "train/train.h"

#include <math.h>

static double curve(const tmb_compile_opts *opts, double share, int64_t epoch)
{
    const double pi = 3.14159265358979323846;

    switch (opts->schedule) {
    case TMB_STEP:
        return pow(opts->factor, (double)(epoch / opts->every));
    case TMB_COSINE:
    case TMB_ONECYCLE:
        return opts->floor + (1 - opts->floor) * 0.5 * (1 + cos(pi * share));
    case TMB_CONSTANT:
        break;
    }
    return 1;
}

double tmb__schedule_lr(
        const tmb_compile_opts *opts, int64_t step, int64_t total, int64_t per_epoch)
{
    double warm = round((double)opts->warmup * (double)total); /* 0.7f of 10 is 6.9999998 */
    double share;

    if ((double)step < warm) return opts->lr * ((double)step + 1) / (warm + 1);
    share = total > (int64_t)warm ? ((double)step - warm) / ((double)total - warm) : 1;
    return opts->lr * curve(opts, TMB_MIN(share, 1), step / TMB_MAX(per_epoch, 1));
}
