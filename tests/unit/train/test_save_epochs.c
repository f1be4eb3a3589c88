/* test_save_epochs.c - the model of each epoch: names, formats, the best alone, what is refused */
#include "train_test.h"

enum { ROWS = 24, WIDTH = 6 };

typedef struct toy_rows {
    float x[ROWS * WIDTH];
    int32_t label[ROWS];
    tmb_features features;
} toy_rows;

static void draw(toy_rows *out)
{
    tmb__rng rng = tmb__rng_at(5, TMB_STREAM_TEST, 0, 0);

    for (int i = 0; i < ROWS * WIDTH; i++) {
        out->label[i / WIDTH] = i / WIDTH % 2;
        out->x[i] = (float)(tmb__rng_normal(&rng) + (i / WIDTH % 2 ? 0.5 : -0.5));
    }
    out->features = (tmb_features){
            .n = ROWS, .shape = {1, 1, WIDTH}, .x = out->x, .label = out->label, .classes = 2};
}

static tmb_model *toy_head(float lr)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 1, 1, WIDTH));
    tmb_flatten(net);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    assert_ok(tmb_compile(net, .lr = lr, .seed = 1));
    return net;
}

static void fit_ok(tmb_model *net, const tmb_features *validation, const tmb_fit_opts *opts)
{
    toy_rows train;

    draw(&train);
    assert_ok(tmb_model_fit_features(
            net, &train.features, validation ? &train.features : NULL, opts));
}

/* The names, with what Python's format() makes of the same numbers. */
TEST(save_epochs_names_are_pythons)
{
    tmb_epoch epoch = {.number = 7,
            .loss = 0.69314718,
            .validated = true,
            .val_loss = 1234.5678,
            .val_accuracy = {0.5, 0, 1},
            .lr = 1e-5};
    tmb__training training = {.history = &epoch, .n_history = 1};
    tmb_model *net = toy_head(0.01f);
    const struct {
        const char *pattern, *name;
    } cases[] = {{"{epoch}.npz", "7.npz"}, {"{epoch:02d}-{val_loss:.2f}.npz", "07-1234.57.npz"},
            {"a{{{epoch:3d}}}.npz", "a{  7}.npz"}, {"{loss:.3}.npz", "0.693.npz"},
            {"{loss:08.3f}.npz", "0000.693.npz"}, {"{val_accuracy}.npz", "0.5.npz"},
            {"{learning_rate:e}.npz", "1.000000e-05.npz"}, {"{val_loss:g}.npz", "1234.57.npz"},
            {"new/{epoch:.1f}/x.npz", "new/7.0/x.npz"}};

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        const char *name = test_temp("%s", cases[i].name);
        const tmb_fit_opts opts = {.save_path = test_temp("%s", cases[i].pattern)};

        assert_ok(tmb__save_epoch(net, &training, &opts));
        assert_int_equal(tmb__file_exists(name), 1);
        assert_ok(tmb_model_load_weights(net, name));
    }
    tmb_model_free(net);
}

TEST(save_epochs_writes_what_training_leaves)
{
    static const char *const endings[] = {"thimble", "keras", "weights.h5", "safetensors"};
    toy_rows rows;

    draw(&rows);
    for (size_t i = 0; i < TMB_COUNT(endings); i++) {
        const tmb_fit_opts fit = {.epochs = 3,
                .save_every = 2,
                .save_path = test_temp("%s/{epoch}.%s", endings[i], endings[i])};
        tmb_model *net = toy_head(0.1f), *other = toy_head(0.1f);
        float before[ROWS], after[ROWS];

        fit_ok(net, NULL, &fit);
        assert_int_equal(tmb__file_exists(test_temp("%s/1.%s", endings[i], endings[i])), 0);
        assert_int_equal(tmb__file_exists(test_temp("%s/3.%s", endings[i], endings[i])), 0);
        assert_ok(tmb_model_load_weights(other, test_temp("%s/2.%s", endings[i], endings[i])));
        fit_ok(net, NULL, &(tmb_fit_opts){.epochs = 2});
        assert_ok(tmb_model_predict(net, rows.x, ROWS, before));
        assert_ok(tmb_model_predict(other, rows.x, ROWS, after));
        assert_memory_not_equal(before, after, sizeof before);
        tmb_model_free(net);
        net = toy_head(0.1f);
        fit_ok(net, NULL, &(tmb_fit_opts){.epochs = 2});
        assert_ok(tmb_model_predict(net, rows.x, ROWS, before));
        assert_memory_equal(before, after, sizeof before);
        tmb_model_free(net);
        tmb_model_free(other);
    }
}

/* At this rate the loss does not fall in every epoch. */
TEST(save_epochs_best_only_and_resumed)
{
    tmb_fit_opts fit = {.epochs = 8,
            .save_best_only = true,
            .save_path = test_temp("{epoch}.npz"),
            .checkpoint = test_temp("stand.thimble")};
    tmb_model *net = toy_head(3);
    toy_rows rows;
    const tmb_epoch *epochs;
    double best = INFINITY;
    int saved = 0;

    draw(&rows);
    fit.epochs = 4;
    fit_ok(net, &rows.features, &fit);
    tmb_model_free(net);
    net = toy_head(3);
    fit.epochs = 8;
    fit.resume = true;
    fit_ok(net, &rows.features, &fit);
    assert_int_equal(tmb_model_history(net, &epochs), 8);
    for (int i = 0; i < 8; i++) {
        const bool better = epochs[i].val_loss < best;

        assert_int_equal(tmb__file_exists(test_temp("%d.npz", i + 1)), better);
        saved += better;
        best = TMB_MIN(best, epochs[i].val_loss);
    }
    assert_in_range(saved, 2, 7);
    tmb_model_free(net);
}

static int warnings;
static void count_warnings(void *user, tmb_log_level level, const char *text)
{
    (void)user;
    if (level == TMB_WARN && strstr(text, "save_best_only")) warnings++;
}

TEST(save_epochs_best_only_without_validation_saves_all)
{
    tmb_model *net = toy_head(3);

    warnings = 0;
    tmb_log_set(count_warnings, NULL, TMB_WARN);
    fit_ok(net, NULL,
            &(tmb_fit_opts){
                    .epochs = 4, .save_best_only = true, .save_path = test_temp("{epoch}.npz")});
    tmb_log_set(NULL, NULL, TMB_WARN);
    assert_int_equal(warnings, 1);
    for (int i = 1; i <= 4; i++)
        assert_int_equal(tmb__file_exists(test_temp("%d.npz", i)), 1);
    tmb_model_free(net);
}

TEST(save_epochs_refuses_before_the_first_epoch)
{
    static const char *const patterns[] = {"w.hdf", "{epoc}.h5", "{epoch.h5", "epoch}.h5",
            "{val_loss}.h5", "{loss:d}.h5", "{epoch:.2d}.h5", "{loss:>8}.h5", "{loss:.f}.h5",
            "{}.h5"};
    tmb_model *net = toy_head(0.1f);
    toy_rows rows;

    draw(&rows);
    for (size_t i = 0; i < TMB_COUNT(patterns); i++) {
        const tmb_fit_opts fit = {.save_path = patterns[i]};

        assert_status(tmb_model_fit_features(net, &rows.features, NULL, &fit), TMB_EINVAL);
        assert_message("save_path");
        assert_int_equal(tmb_model_history(net, NULL), 0);
    }
    assert_status(
            tmb_model_fit_features(net, &rows.features, NULL, &(tmb_fit_opts){.save_every = -1}),
            TMB_EINVAL);
    test_write(test_temp("file"), "", 0);
    assert_status(tmb_model_fit_features(net, &rows.features, NULL,
                          &(tmb_fit_opts){.save_path = test_temp("file/{epoch}.npz")}),
            TMB_EOUTPUT);
    tmb_model_free(net);
}
