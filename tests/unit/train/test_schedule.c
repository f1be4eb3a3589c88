/* test_schedule.c - learning rates against Keras' schedules where the definitions meet */
#include "train_test.h"

#include "golden.h"

/* Keras computes in single precision. */
#define TOLERANCE 2e-7

enum { GOLDEN_STEPS = 31 };

/* Our curve for the golden's steps; `total` steps in all, `per_epoch` of them an epoch. */
static void curve(
        float out[GOLDEN_STEPS], const tmb_compile_opts *opts, int64_t total, int64_t per_epoch)
{
    for (int i = 0; i < GOLDEN_STEPS; i++)
        out[i] = (float)tmb__schedule_lr(opts, i, total, per_epoch);
}

static const float *keras(const char *name)
{
    int64_t n;
    const float *lr = golden_floats(&n, "schedules.npz", "%s/lr", name);

    assert_int_equal(n, GOLDEN_STEPS);
    return lr;
}

TEST(schedule_cosine_equals_keras)
{
    const tmb_compile_opts plain = {.schedule = TMB_COSINE, .lr = 0.1f};
    const tmb_compile_opts alpha = {.schedule = TMB_COSINE, .lr = 0.1f, .floor = 0.1f};
    float lr[GOLDEN_STEPS];

    curve(lr, &plain, 20, 5);
    assert_floats_near(lr, keras("cosine"), GOLDEN_STEPS, TOLERANCE);
    curve(lr, &alpha, 20, 5);
    assert_floats_near(lr, keras("cosine_alpha"), GOLDEN_STEPS, TOLERANCE);
}

/* Keras' warm-up starts at a rate of its own, here 0.01; ours at lr / (steps + 1). The line, the place
 * where it ends, and all that follows are the same. */
TEST(schedule_warmup_is_keras_with_our_first_rate)
{
    const tmb_compile_opts opts = {
            .schedule = TMB_COSINE, .lr = 0.1f, .floor = 0.05f, .warmup = 0.2f};
    const float *golden = keras("cosine_warmup");
    const float first = 0.1f / 6;
    float lr[GOLDEN_STEPS];

    curve(lr, &opts, 25, 5);
    assert_floats_near(lr + 5, golden + 5, GOLDEN_STEPS - 5, TOLERANCE);
    for (int i = 0; i < 5; i++) {
        const float keras_share = (golden[i] - 0.01f) / (0.1f - 0.01f);

        assert_near((lr[i] - first) / (0.1f - first), keras_share, 1e-6);
    }
    assert_near(lr[5], 0.1f, 1e-8);
}

TEST(schedule_steps_equal_staircase_decay)
{
    const tmb_compile_opts opts = {.schedule = TMB_STEP, .lr = 0.1f, .factor = 0.5f, .every = 1};
    const tmb_compile_opts third = {.schedule = TMB_STEP, .lr = 1, .factor = 0.1f, .every = 3};
    float lr[GOLDEN_STEPS];

    curve(lr, &opts, 100, 7);
    assert_floats_near(lr, keras("exponential_stairs"), GOLDEN_STEPS, TOLERANCE);
    assert_near(tmb__schedule_lr(&third, 29, 100, 10), 1, 0);
    assert_near(tmb__schedule_lr(&third, 30, 100, 10), 0.1, 1e-8);
}

TEST(schedule_onecycle_rises_then_falls)
{
    const tmb_compile_opts opts = {
            .schedule = TMB_ONECYCLE, .lr = 0.1f, .floor = 0.01f, .warmup = 0.3f};
    double before = 0;

    for (int i = 0; i <= 30; i++) {
        const double lr = tmb__schedule_lr(&opts, i, 100, 10);

        assert_true(lr > before);
        before = lr;
    }
    assert_near(before, 0.1f, 1e-9);
    for (int i = 31; i < 100; i++) {
        const double lr = tmb__schedule_lr(&opts, i, 100, 10);

        assert_true(lr < before);
        before = lr;
    }
    assert_near(tmb__schedule_lr(&opts, 65, 100, 10), 0.1 * (0.01 + 0.99 * 0.5), 1e-8);
    assert_near(tmb__schedule_lr(&opts, 100, 100, 10), 0.001, 1e-8);
}

TEST(schedule_constant_with_warmup)
{
    const tmb_compile_opts opts = {.lr = 0.5f, .warmup = 0.7f};

    /* 0.7f of 10 steps are 7, though the float is a little below. */
    assert_near(tmb__schedule_lr(&opts, 0, 10, 5), 0.5 / 8, 1e-9);
    assert_near(tmb__schedule_lr(&opts, 6, 10, 5), 0.5 * 7 / 8, 1e-9);
    assert_near(tmb__schedule_lr(&opts, 7, 10, 5), 0.5, 1e-9);
    assert_near(tmb__schedule_lr(&opts, 9, 10, 5), 0.5, 1e-9);
}

TEST(schedule_is_finite_at_its_edges)
{
    const tmb_compile_opts all = {.schedule = TMB_COSINE, .lr = 0.1f, .warmup = 1};
    const tmb_compile_opts cosine = {.schedule = TMB_COSINE, .lr = 0.1f};

    assert_near(tmb__schedule_lr(&all, 3, 4, 2), 0.1 * 4 / 5, 1e-8);
    assert_near(tmb__schedule_lr(&all, 4, 4, 2), 0, 1e-8);
    assert_near(tmb__schedule_lr(&cosine, 0, 0, 0), 0, 1e-8);
    assert_near(tmb__schedule_lr(&cosine, 0, 1, 1), 0.1, 1e-8);
}
