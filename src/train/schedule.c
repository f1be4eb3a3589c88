/* schedule.c - the learning rate of each step
 *
 * Over the warm-up share of all steps the rate rises in a straight line; after it the schedule's own
 * curve runs from 0 to 1 over the steps that are left: CosineDecay of keras.md 4.4 whose warm-up starts
 * from lr / (warm-up steps + 1), so that the first step moves weights. Keras' schedules, by their names
 * in tmb_decay, follow keras.md 4.4 and count steps from 0. */
#include "train/train.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* From 1 down to alpha while q goes from 0 to 1. */
static double cosine(double q, double alpha)
{
    return (1 - alpha) * 0.5 * (1 + cos(pi * q)) + alpha;
}

static double polynomial(const tmb_decay *d, double lr, double step)
{
    const double end = TMB_MAX(d->end, 0);
    double steps = (double)d->steps;

    if (d->cycle)
        steps *= TMB_MAX(1, ceil(step / steps));
    else
        step = TMB_MIN(step, steps);
    return (lr - end) * pow(1 - step / steps, d->power) + end;
}

static double cosine_decay(const tmb_decay *d, double lr, double step)
{
    const double warm = (double)d->warmup_steps;

    if (d->warmup_target <= 0) return lr * cosine(TMB_MIN(step / (double)d->steps, 1), d->alpha);
    if (step < warm) return lr + (d->warmup_target - lr) * step / warm;
    return d->warmup_target * cosine(TMB_MIN((step - warm) / (double)d->steps, 1), d->alpha);
}

/* Restart i begins where (t^i - 1) / (t - 1) first lengths have passed. */
static double restarts(const tmb_decay *d, double lr, double step)
{
    const double t = d->t_mul, q = step / (double)d->steps;
    double i = floor(q), inside = q - i;

    if (t != 1) {
        i = floor(log(1 - q * (1 - t)) / log(t));
        inside = (q - (1 - pow(t, i)) / (1 - t)) / pow(t, i);
    }
    return lr * ((1 - d->alpha) * 0.5 * pow(d->m_mul, i) * (1 + cos(pi * inside)) + d->alpha);
}

static double piecewise(const tmb_decay *d, int64_t step)
{
    int i = 0;

    while (i < d->pieces - 1 && step > d->boundaries[i])
        i++;
    return d->values[i];
}

static double keras_lr(const tmb_compile_opts *opts, int64_t step)
{
    const tmb_decay *d = &opts->decay;
    const double lr = opts->lr, now = (double)step;
    const double share = d->steps > 0 ? now / (double)d->steps : 0;
    const double passed = d->staircase ? floor(share) : share;

    switch (opts->schedule) {
    case TMB_EXPONENTIAL_DECAY:
        return lr * pow(d->rate, passed);
    case TMB_INVERSE_TIME_DECAY:
        return lr / (1 + d->rate * passed);
    case TMB_POLYNOMIAL_DECAY:
        return polynomial(d, lr, now);
    case TMB_COSINE_DECAY:
        return cosine_decay(d, lr, now);
    case TMB_COSINE_RESTARTS:
        return restarts(d, lr, now);
    default:
        return piecewise(d, step);
    }
}

static double curve(const tmb_compile_opts *opts, double share, int64_t epoch)
{
    switch (opts->schedule) {
    case TMB_STEP:
        return pow(opts->factor, (double)(epoch / opts->every));
    case TMB_COSINE:
    case TMB_ONECYCLE:
        return cosine(share, opts->floor);
    default:
        return 1;
    }
}

double tmb__schedule_lr(
        const tmb_compile_opts *opts, int64_t step, int64_t total, int64_t per_epoch)
{
    double warm = round((double)opts->warmup * (double)total); /* 0.7f of 10 is 6.9999998 */
    double share;

    if (opts->schedule >= TMB_EXPONENTIAL_DECAY) return keras_lr(opts, step);
    if ((double)step < warm) return opts->lr * ((double)step + 1) / (warm + 1);
    share = total > (int64_t)warm ? ((double)step - warm) / ((double)total - warm) : 1;
    return opts->lr * curve(opts, TMB_MIN(share, 1), step / TMB_MAX(per_epoch, 1));
}
