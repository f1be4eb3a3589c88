/* test_fit_rates.c - the rate that epochs really learn at: schedules resumed, cooldown, the caller's own */
#include "train_test.h"

enum { ROWS = 24, WIDTH = 4, BATCH = 8 }; /* three steps an epoch */

typedef struct toy_rows {
    float x[ROWS * WIDTH];
    int32_t label[ROWS];
    tmb_features features;
} toy_rows;

static void draw(toy_rows *out)
{
    tmb__rng rng = tmb__rng_at(6, TMB_STREAM_TEST, 0, 0);

    for (int i = 0; i < ROWS * WIDTH; i++) {
        out->label[i / WIDTH] = i / WIDTH % 2;
        out->x[i] = (float)(tmb__rng_normal(&rng) + (i / WIDTH % 2 ? 0.5 : -0.5));
    }
    out->features = (tmb_features){
            .n = ROWS, .shape = {1, 1, WIDTH}, .x = out->x, .label = out->label, .classes = 2};
}

static tmb_model *toy_head(const tmb_compile_opts *opts)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 1, 1, WIDTH));
    tmb_flatten(net);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    assert_ok(tmb_model_compile(net, opts));
    return net;
}

static void assert_rates(const tmb_model *net, const double *rates, int n)
{
    const tmb_epoch *epochs;

    assert_int_equal(tmb_model_history(net, &epochs), n);
    for (int i = 0; i < n; i++)
        assert_near(epochs[i].lr, rates[i], 1e-8);
}

/* Steps go on counting where the first part stopped. */
TEST(fit_rates_of_a_resumed_schedule)
{
    static const double rates[] = {0.1, 0.05, 0.01, 0.01};
    const tmb_compile_opts compile = {.optimizer = TMB_SGD,
            .schedule = TMB_PIECEWISE_CONSTANT,
            .decay = {.boundaries = {3, 6}, .values = {0.1f, 0.05f, 0.01f}, .pieces = 3}};
    tmb_fit_opts fit = {.epochs = 4, .batch = BATCH};
    tmb_model *whole = toy_head(&compile), *parts = toy_head(&compile);
    float a[ROWS], b[ROWS];
    toy_rows rows;

    draw(&rows);
    assert_ok(tmb_model_fit_features(whole, &rows.features, NULL, &fit));
    fit.checkpoint = test_temp("stand.thimble");
    fit.epochs = 1;
    assert_ok(tmb_model_fit_features(parts, &rows.features, NULL, &fit));
    tmb_model_free(parts);
    parts = toy_head(&compile);
    fit.epochs = 4;
    fit.resume = true;
    assert_ok(tmb_model_fit_features(parts, &rows.features, NULL, &fit));
    assert_rates(whole, rates, 4);
    assert_rates(parts, rates, 4);
    assert_ok(tmb_model_predict(whole, rows.x, ROWS, a));
    assert_ok(tmb_model_predict(parts, rows.x, ROWS, b));
    assert_memory_equal(a, b, sizeof a);
    tmb_model_free(whole);
    tmb_model_free(parts);
}

/* keras.md 4.6: nothing improves by 100; a cut, two epochs of cooldown whose last counts again, a cut. */
TEST(fit_rates_on_a_plateau_with_cooldown)
{
    static const double rates[] = {0.1, 0.1, 0.05, 0.05, 0.03, 0.03, 0.03};
    tmb_model *net = toy_head(&(tmb_compile_opts){.optimizer = TMB_SGD, .lr = 0.1f});
    toy_rows rows;

    draw(&rows);
    assert_ok(tmb_model_fit_features(net, &rows.features, &rows.features,
            &(tmb_fit_opts){.epochs = 7,
                    .batch = BATCH,
                    .plateau = 1,
                    .plateau_factor = 0.5f,
                    .plateau_min_delta = 100,
                    .cooldown = 2,
                    .min_lr = 0.03f}));
    assert_rates(net, rates, 7);
    tmb_model_free(net);
}

/* Epochs from 0, and the rate that it gave before. */
static double halved(void *user, int epoch, double lr)
{
    int *calls = user;

    assert_int_equal(epoch, (*calls)++);
    return epoch < 2 ? lr : lr / 2;
}

TEST(fit_rates_of_the_callers_function)
{
    static const double rates[] = {0.1, 0.1, 0.05, 0.025};
    tmb_model *net = toy_head(&(tmb_compile_opts){.optimizer = TMB_SGD, .lr = 0.1f});
    toy_rows rows;
    int calls = 0;

    draw(&rows);
    assert_ok(tmb_model_fit_features(net, &rows.features, NULL,
            &(tmb_fit_opts){.epochs = 4, .batch = BATCH, .schedule = halved, .user = &calls}));
    assert_int_equal(calls, 4);
    assert_rates(net, rates, 4);
    tmb_model_free(net);
}
