/* monitor.c - early stopping, best epoch and lowering the rate on a plateau, by Keras' rules
 *
 * keras.md 4.6: an epoch improves if it is better than the best by more than min_delta; the wait is
 * counted first and looked at after. The two rules watch one figure, each with its own best and its own
 * min_delta, as EarlyStopping and ReduceLROnPlateau do. */
#include "train/train.h"

#include <math.h>

void tmb__monitor_start(tmb__monitor *monitor)
{
    *monitor = (tmb__monitor){.best = INFINITY, .plateau_best = INFINITY, .lr_scale = 1};
}

double tmb__monitor_figure(const tmb_fit_opts *opts, const tmb_epoch *epoch)
{
    switch (opts->monitor) {
    case TMB_VAL_ACCURACY:
        return epoch->validated ? -epoch->val_accuracy.value : -epoch->accuracy;
    case TMB_VAL_AUC:
        return -epoch->val_auc;
    case TMB_VAL_LOSS:
        break;
    }
    return epoch->validated ? epoch->val_loss : epoch->loss;
}

static void cut(tmb__monitor *monitor, const tmb_fit_opts *opts, double lr)
{
    const double factor = opts->plateau_factor > 0 ? (double)opts->plateau_factor : 0.1;

    monitor->plateau_wait = 0;
    if (opts->min_lr > 0 && lr <= opts->min_lr) return;
    monitor->cooldown = opts->cooldown;
    monitor->lr_scale *= opts->min_lr > 0 ? TMB_MAX(factor, opts->min_lr / lr) : factor;
}

static void watch_plateau(tmb__monitor *monitor, const tmb_fit_opts *opts, double value, double lr)
{
    const double delta = opts->plateau_min_delta == 0 ? 1e-4 : TMB_MAX(opts->plateau_min_delta, 0);

    if (monitor->cooldown > 0) {
        monitor->cooldown--;
        monitor->plateau_wait = 0;
    }
    if (value < monitor->plateau_best - delta) {
        monitor->plateau_best = value;
        monitor->plateau_wait = 0;
    } else if (monitor->cooldown == 0 && ++monitor->plateau_wait >= opts->plateau) {
        cut(monitor, opts, lr);
    }
}

bool tmb__monitor_epoch(tmb__monitor *monitor, const tmb_fit_opts *opts, const tmb_epoch *epoch)
{
    const double value = tmb__monitor_figure(opts, epoch);
    const double baseline = opts->monitor == TMB_VAL_LOSS ? opts->baseline : -opts->baseline;

    if (opts->plateau > 0) watch_plateau(monitor, opts, value, epoch->lr);
    if (epoch->number <= opts->start_from_epoch) return false;
    monitor->wait++;
    if (!(value < monitor->best - opts->min_delta)) return false;
    monitor->best = value;
    monitor->best_epoch = epoch->number;
    if (!opts->has_baseline || value < baseline - opts->min_delta) monitor->wait = 0;
    return true;
}

bool tmb__monitor_done(const tmb__monitor *monitor, const tmb_fit_opts *opts)
{
    return opts->patience > 0 && monitor->wait >= opts->patience;
}
