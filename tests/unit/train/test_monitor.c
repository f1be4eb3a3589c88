/* test_monitor.c - when training stops, what counts as best, when the rate is lowered (keras.md 4.6) */
#include "train_test.h"

static tmb_epoch epoch_of(int number, double val_loss)
{
    return (tmb_epoch){.number = number,
            .validated = true,
            .val_loss = val_loss,
            .val_accuracy = tmb_share_of(100 - (int64_t)(100 * val_loss), 100)};
}

/* The number of epochs it takes until patience ends it; 0: never. */
static int epochs_until_done(const tmb_fit_opts *opts, const double *val_loss, int n)
{
    tmb__monitor monitor;

    tmb__monitor_start(&monitor);
    for (int i = 0; i < n; i++) {
        const tmb_epoch epoch = epoch_of(i + 1, val_loss[i]);

        tmb__monitor_epoch(&monitor, opts, &epoch);
        if (tmb__monitor_done(&monitor, opts)) return i + 1;
    }
    return 0;
}

TEST(monitor_patience_k_stops_after_k_bad_epochs)
{
    const double falls_then_rises[] = {0.5, 0.4, 0.45, 0.46, 0.47, 0.3, 0.3, 0.3};

    for (int patience = 1; patience <= 3; patience++) {
        const tmb_fit_opts opts = {.patience = patience};

        assert_int_equal(epochs_until_done(&opts, falls_then_rises, 8), 2 + patience);
    }
    /* The sixth epoch improves: equal ones after it are no improvement. */
    assert_int_equal(epochs_until_done(&(tmb_fit_opts){.patience = 4}, falls_then_rises, 8), 0);
    assert_int_equal(epochs_until_done(&(tmb_fit_opts){0}, falls_then_rises, 8), 0);
}

TEST(monitor_min_delta_must_be_passed)
{
    const double slow[] = {0.5, 0.45, 0.4, 0.35};

    /* Each is compared with the best that counted, so two small steps together do count. */
    assert_int_equal(
            epochs_until_done(&(tmb_fit_opts){.patience = 2, .min_delta = 0.08f}, slow, 4), 0);
    assert_int_equal(
            epochs_until_done(&(tmb_fit_opts){.patience = 1, .min_delta = 0.08f}, slow, 4), 2);
}

TEST(monitor_accuracy_rises)
{
    const tmb_fit_opts opts = {.monitor = TMB_VAL_ACCURACY};
    tmb__monitor monitor;
    tmb_epoch better = epoch_of(1, 0.4), worse = epoch_of(2, 0.5), best = epoch_of(3, 0.1);

    tmb__monitor_start(&monitor);
    assert_true(tmb__monitor_epoch(&monitor, &opts, &better));
    worse.val_loss = 0; /* not looked at */
    assert_false(tmb__monitor_epoch(&monitor, &opts, &worse));
    assert_true(tmb__monitor_epoch(&monitor, &opts, &best));
    assert_int_equal(monitor.best_epoch, 3);
}

TEST(monitor_without_validation_takes_training_figures)
{
    const tmb_fit_opts loss = {0}, accuracy = {.monitor = TMB_VAL_ACCURACY};
    const tmb_epoch first = {.number = 1, .loss = 0.5, .accuracy = 0.6};
    const tmb_epoch second = {.number = 2, .loss = 0.4, .accuracy = 0.5};
    tmb__monitor monitor;

    tmb__monitor_start(&monitor);
    assert_true(tmb__monitor_epoch(&monitor, &loss, &first));
    assert_true(tmb__monitor_epoch(&monitor, &loss, &second));
    tmb__monitor_start(&monitor);
    assert_true(tmb__monitor_epoch(&monitor, &accuracy, &first));
    assert_false(tmb__monitor_epoch(&monitor, &accuracy, &second));
}

TEST(monitor_no_number_is_no_improvement)
{
    const double bad[] = {NAN, 0.5, NAN, NAN};
    const tmb_fit_opts opts = {.patience = 2};

    assert_int_equal(epochs_until_done(&opts, bad, 4), 4);
}

/* Keras' ReduceLROnPlateau with cooldown 0: the wait starts anew with each cut. */
TEST(monitor_plateau_lowers_the_rate)
{
    const double flat[] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4};
    const double scale[] = {1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125};
    const tmb_fit_opts opts = {.plateau = 2, .plateau_factor = 0.5f};
    tmb__monitor monitor;

    tmb__monitor_start(&monitor);
    for (int i = 0; i < 8; i++) {
        const tmb_epoch epoch = epoch_of(i + 1, flat[i]);

        tmb__monitor_epoch(&monitor, &opts, &epoch);
        assert_near(monitor.lr_scale, scale[i], 0);
    }
}

TEST(monitor_plateau_factor_is_a_tenth_unless_given)
{
    const tmb_fit_opts opts = {.plateau = 1};
    const tmb_epoch first = epoch_of(1, 0.5), second = epoch_of(2, 0.5);
    tmb__monitor monitor;

    tmb__monitor_start(&monitor);
    tmb__monitor_epoch(&monitor, &opts, &first);
    tmb__monitor_epoch(&monitor, &opts, &second);
    assert_near(monitor.lr_scale, 0.1, 0);
}

/* Both rules watch the same figure and do not disturb each other. */
TEST(monitor_patience_and_plateau_count_apart)
{
    const double flat[] = {0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
    const tmb_fit_opts opts = {.patience = 5, .plateau = 2};

    assert_int_equal(epochs_until_done(&opts, flat, 6), 6);
}

TEST(monitor_cooldown_and_least_rate)
{
    const tmb_fit_opts opts = {.plateau = 1, .plateau_factor = 0.5f, .cooldown = 2, .min_lr = 0.3f};
    const double scale[] = {1, 0.5, 0.5, 0.3, 0.3, 0.3};
    tmb__monitor monitor;

    tmb__monitor_start(&monitor);
    for (int i = 0; i < 6; i++) {
        tmb_epoch epoch = epoch_of(i + 1, 0.5);

        epoch.lr = monitor.lr_scale;
        tmb__monitor_epoch(&monitor, &opts, &epoch);
        assert_near(monitor.lr_scale, scale[i], 1e-7);
    }
}

TEST(monitor_baseline_and_first_epochs)
{
    const double falls[] = {0.9, 0.8, 0.7, 0.6, 0.5};
    const tmb_fit_opts baseline = {.patience = 3, .has_baseline = true, .baseline = 0.4f};
    const tmb_fit_opts later = {.patience = 1, .start_from_epoch = 3};
    const double flat[] = {0.5, 0.5, 0.5, 0.5, 0.5};

    assert_int_equal(epochs_until_done(&baseline, falls, 5), 3);
    assert_int_equal(epochs_until_done(&later, flat, 5), 5);
}
