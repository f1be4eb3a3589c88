/* monitor.c - early stopping, best epoch and lowering the rate on a plateau, by Keras' rules
 *
 * keras.md 4.6: an epoch improves if it is better than the best by more than min_delta; the wait is
 * counted first and looked at after. */
#include "train/train.h"

#include <math.h>

void tmb__monitor_start(tmb__monitor *monitor)
{
    *monitor = (tmb__monitor){.best = INFINITY, .lr_scale = 1};
}

bool tmb__monitor_epoch(tmb__monitor *monitor, const tmb_fit_opts *opts, const tmb_epoch *epoch)
{
    double value = epoch->validated ? epoch->val_loss : epoch->loss;

    if (opts->monitor == TMB_VAL_ACCURACY)
        value = epoch->validated ? -epoch->val_accuracy.value : -epoch->accuracy;
    monitor->wait++;
    monitor->plateau_wait++;
    if (value < monitor->best - opts->min_delta) {
        monitor->best = value;
        monitor->best_epoch = epoch->number;
        monitor->wait = monitor->plateau_wait = 0;
        return true;
    }
    if (opts->plateau > 0 && monitor->plateau_wait >= opts->plateau) {
        monitor->lr_scale *= opts->plateau_factor > 0 ? (double)opts->plateau_factor : 0.1;
        monitor->plateau_wait = 0;
    }
    return false;
}

bool tmb__monitor_done(const tmb__monitor *monitor, const tmb_fit_opts *opts)
{
    return opts->patience > 0 && monitor->wait >= opts->patience;
}
