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

/* ---- Keras' schedules by the number of steps ---- */

typedef struct decay_case {
    const char *name;
    tmb_compile_opts opts;
} decay_case;

static const decay_case decays[] = {
        {"cosine", {.schedule = TMB_COSINE_DECAY, .lr = 0.1f, .decay = {.steps = 20}}},
        {"cosine_alpha",
                {.schedule = TMB_COSINE_DECAY, .lr = 0.1f, .decay = {.steps = 20, .alpha = 0.1f}}},
        {"cosine_warmup",
                {.schedule = TMB_COSINE_DECAY,
                        .lr = 0.01f,
                        .decay = {.steps = 20,
                                .alpha = 0.05f,
                                .warmup_target = 0.1f,
                                .warmup_steps = 5}}},
        {"cosine_restarts",
                {.schedule = TMB_COSINE_RESTARTS,
                        .lr = 0.1f,
                        .decay = {.steps = 4, .m_mul = 0.9f, .alpha = 0.01f}}},
        {"exponential",
                {.schedule = TMB_EXPONENTIAL_DECAY,
                        .lr = 0.1f,
                        .decay = {.steps = 7, .rate = 0.5f}}},
        {"exponential_stairs",
                {.schedule = TMB_EXPONENTIAL_DECAY,
                        .lr = 0.1f,
                        .decay = {.steps = 7, .rate = 0.5f, .staircase = true}}},
        {"piecewise",
                {.schedule = TMB_PIECEWISE_CONSTANT,
                        .decay = {.boundaries = {5, 12},
                                .values = {0.1f, 0.01f, 0.001f},
                                .pieces = 3}}},
        {"polynomial",
                {.schedule = TMB_POLYNOMIAL_DECAY,
                        .lr = 0.1f,
                        .decay = {.steps = 20, .end = 0.001f, .power = 2}}},
        {"polynomial_cycle",
                {.schedule = TMB_POLYNOMIAL_DECAY,
                        .lr = 0.1f,
                        .decay = {.steps = 8, .end = 0.001f, .cycle = true}}},
        {"inverse_time",
                {.schedule = TMB_INVERSE_TIME_DECAY,
                        .lr = 0.1f,
                        .decay = {.steps = 5, .rate = 0.5f}}},
};

TEST(schedule_decays_equal_keras)
{
    for (size_t i = 0; i < TMB_COUNT(decays); i++) {
        tmb_model *net = toy_net(1);
        float lr[GOLDEN_STEPS];

        assert_ok(tmb_model_compile(net, &decays[i].opts));
        curve(lr, &tmb__training_of(net)->opts, 1000, 10);
        print_message("%s\n", decays[i].name);
        assert_floats_near(lr, keras(decays[i].name), GOLDEN_STEPS, TOLERANCE);
        tmb_model_free(net);
    }
}

TEST(schedule_decays_refuse_what_makes_no_sense)
{
    const tmb_compile_opts bad[] = {{.schedule = TMB_EXPONENTIAL_DECAY, .decay = {.rate = 0.5f}},
            {.schedule = TMB_INVERSE_TIME_DECAY, .decay = {.steps = 5}},
            {.schedule = TMB_PIECEWISE_CONSTANT}, {.schedule = TMB_SCHEDULES},
            {.schedule = TMB_COSINE_DECAY, .decay = {.steps = 5, .warmup_target = 1}},
            {.schedule = TMB_COSINE_DECAY, .warmup = 0.1f, .decay = {.steps = 5}}};
    tmb_model *net = toy_net(1);

    for (size_t i = 0; i < TMB_COUNT(bad); i++)
        assert_status(tmb_model_compile(net, &bad[i]), TMB_EINVAL);
    tmb_model_free(net);
}
