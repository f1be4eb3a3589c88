/* test_fit.c - the training loop: it learns, it obeys its options, it stops well, it takes no memory */
#include "train_test.h"

#include <unistd.h>

typedef struct toys {
    tmb_images *train, *validation;
    tmb_model *net;
} toys;

static toys toys_of(int classes, int each, const tmb_images_opts *opts)
{
    const char *path = toys_draw("toys", classes, each);

    return (toys){toys_open(path, TMB_TRAIN, opts), toys_open(path, TMB_VALIDATION, opts),
            toy_net(classes == 2 ? 1 : classes)};
}

static void toys_free(toys *t)
{
    tmb_model_free(t->net);
    tmb_images_free(t->train);
    tmb_images_free(t->validation);
}

static const tmb_epoch *last_epoch(const tmb_model *net)
{
    const tmb_epoch *epochs;
    const int n = tmb_model_history(net, &epochs);

    assert_true(n > 0);
    return &epochs[n - 1];
}

/* ---- learning ---- */

TEST(fit_learns_two_classes)
{
    toys t = toys_of(2, 40, NULL);

    assert_ok(tmb_compile(t.net, .optimizer = TMB_ADAM, .lr = 0.005f, .seed = 1));
    assert_ok(tmb_fit(t.net, t.train, .epochs = 12, .validation = t.validation));
    assert_true(last_epoch(t.net)->accuracy > 0.9);
    assert_true(last_epoch(t.net)->val_accuracy.value > 0.9);
    toys_free(&t);
}

static void learn_three(const tmb_compile_opts *compile)
{
    const tmb_images_opts opts = {
            .batch = 8, .augment = {.rotation = 20, .zoom = {0.9f, 1.1f}, .horizontal_flip = true}};
    toys t = toys_of(3, 40, &opts);

    assert_ok(tmb_model_compile(t.net, compile));
    assert_ok(tmb_fit(t.net, t.train, .epochs = 15, .validation = t.validation));
    print_message("%.3f %.3f\n", last_epoch(t.net)->loss, last_epoch(t.net)->val_accuracy.value);
    assert_true(last_epoch(t.net)->val_accuracy.value > 0.9);
    toys_free(&t);
}

TEST(fit_learns_three_classes_by_softmax)
{
    learn_three(&(tmb_compile_opts){.optimizer = TMB_ADAM, .lr = 0.005f, .seed = 2});
}

TEST(fit_learns_with_class_numbers_and_onecycle)
{
    learn_three(&(tmb_compile_opts){.loss = TMB_SPARSE_CATEGORICAL_CROSSENTROPY,
            .optimizer = TMB_SGD,
            .lr = 0.05f,
            .momentum = 0.9f,
            .nesterov = true,
            .clip_norm = 1,
            .schedule = TMB_ONECYCLE,
            .average = 0.9f,
            .seed = 3});
}

/* Smoothed targets of 0.05 and 0.95 keep the loss above their entropy, 0.1985. */
TEST(fit_label_smoothing_has_a_floor)
{
    toys t = toys_of(2, 40, NULL);

    assert_ok(tmb_compile(
            t.net, .optimizer = TMB_ADAM, .lr = 0.005f, .label_smoothing = 0.1f, .seed = 1));
    assert_ok(tmb_fit(t.net, t.train, .epochs = 12, .validation = t.validation));
    assert_true(last_epoch(t.net)->val_loss > 0.1985);
    assert_true(last_epoch(t.net)->val_accuracy.value > 0.9);
    toys_free(&t);
}

/* ---- class weights ---- */

/* 30 discs and 6 rings. */
static toys unequal(void)
{
    toys t = {0};

    toys_add("unequal", 0, 0, 30, TOY_SIDE, "bmp");
    toys_add("unequal", 1, 0, 6, TOY_SIDE, "bmp");
    t.train = toys_open(test_temp("unequal"), TMB_ALL, NULL);
    t.net = toy_net(1);
    return t;
}

/* One epoch's loss under the weights of `opts`. */
static double weighted_loss(tmb_fit_opts opts)
{
    toys t = unequal();
    double loss;

    opts.epochs = 1;
    assert_ok(tmb_compile(t.net, .optimizer = TMB_SGD, .lr = 1e-20f, .seed = 4));
    assert_ok(tmb_model_fit(t.net, t.train, &opts));
    loss = last_epoch(t.net)->loss;
    toys_free(&t);
    return loss;
}

TEST(fit_balanced_is_n_over_classes_times_count)
{
    const float weights[] = {36 / (2 * 30.0f), 36 / (2 * 6.0f)};
    const double plain = weighted_loss((tmb_fit_opts){0});
    const double balanced = weighted_loss((tmb_fit_opts){.balanced = true});
    const double given = weighted_loss((tmb_fit_opts){.class_weight = weights});

    assert_near(balanced, given, 0);
    assert_true(fabs(balanced - plain) > 1e-3);
}

TEST(fit_class_weight_one_changes_nothing_and_two_doubles)
{
    const float one[] = {1, 1}, two[] = {2, 2}, none[] = {0, 0};
    const double plain = weighted_loss((tmb_fit_opts){0});
    const double nothing = weighted_loss((tmb_fit_opts){.class_weight = none});

    assert_near(weighted_loss((tmb_fit_opts){.class_weight = one}), plain, 0);
    assert_near(weighted_loss((tmb_fit_opts){.class_weight = two}) - nothing, 2 * (plain - nothing),
            1e-5); /* what is left is the penalty, not weighted */
}

TEST(fit_refuses_class_weights_that_are_none)
{
    const float bad[] = {1, NAN}, negative[] = {1, -1};
    toys t = unequal();

    assert_ok(tmb_compile(t.net, .seed = 4));
    assert_status(tmb_fit(t.net, t.train, .class_weight = bad), TMB_EINVAL);
    assert_message("class");
    assert_status(tmb_fit(t.net, t.train, .class_weight = negative), TMB_EINVAL);
    toys_free(&t);
}

/* ---- ends ---- */

/* The best epoch's weights come back at the end: its figures come out again. */
TEST(fit_restore_best)
{
    toys t = toys_of(2, 10, NULL);
    const tmb_epoch *epochs;
    tmb_evaluation result;
    int n, best = 0;

    assert_ok(tmb_compile(t.net, .optimizer = TMB_SGD, .lr = 0.5f, .momentum = 0.9f, .seed = 1));
    assert_ok(
            tmb_fit(t.net, t.train, .epochs = 8, .validation = t.validation, .restore_best = true));
    n = tmb_model_history(t.net, &epochs);
    assert_int_equal(n, 8);
    for (int i = 0; i < n; i++)
        best = epochs[i].best ? i : best;
    assert_true(best < 7); /* at this rate it does not end with its best */
    assert_ok(tmb_model_evaluate(t.net, t.validation, &result));
    assert_near(result.loss, epochs[best].val_loss, 0);
    tmb_evaluation_free(&result);
    toys_free(&t);
}

TEST(fit_patience_ends_it)
{
    toys t = toys_of(2, 4, NULL);
    const tmb_epoch *epochs;

    assert_ok(tmb_compile(t.net, .optimizer = TMB_SGD, .lr = 1e-9f, .seed = 1));
    assert_ok(tmb_fit(t.net, t.train, .epochs = 50, .validation = t.validation, .patience = 2,
            .min_delta = 0.1f));
    assert_int_equal(tmb_model_history(t.net, &epochs), 3);
    toys_free(&t);
}

TEST(fit_time_limit_ends_with_the_epoch)
{
    toys t = toys_of(2, 4, NULL);
    const tmb_epoch *epochs;

    assert_ok(tmb_compile(t.net, .seed = 1));
    assert_ok(tmb_fit(t.net, t.train, .epochs = 1000000, .time_limit = 0.05));
    assert_in_range(tmb_model_history(t.net, &epochs), 1, 999999);
    toys_free(&t);
}

typedef struct calls {
    int epochs, steps, validating;
    tmb_progress last;
} calls;

static int on_epoch(void *user, const tmb_epoch *epoch)
{
    calls *c = user;

    assert_int_equal(epoch->number, ++c->epochs);
    return c->epochs == 2;
}

static int on_step(void *user, const tmb_progress *progress)
{
    calls *c = user;

    c->steps += !progress->validating;
    c->validating += progress->validating;
    c->last = *progress;
    return 0;
}

TEST(fit_reports_steps_and_epochs)
{
    toys t = toys_of(2, 10, NULL);
    calls c = {0};

    assert_ok(tmb_compile(t.net, .seed = 1));
    assert_ok(tmb_fit(t.net, t.train, .epochs = 5, .validation = t.validation, .on_epoch = on_epoch,
            .on_step = on_step, .user = &c));
    assert_int_equal(c.epochs, 2); /* the callback said enough */
    assert_int_equal(c.steps, 2 * 3);
    assert_int_equal(c.validating, 2 * 2);
    assert_int_equal(c.last.epochs, 5);
    toys_free(&t);
}

TEST(fit_without_options_is_one_epoch)
{
    toys t = toys_of(2, 4, NULL);
    calls c = {0};

    assert_ok(tmb_model_compile(t.net, NULL));
    assert_ok(tmb_model_fit(t.net, t.train, NULL));
    assert_int_equal(last_epoch(t.net)->number, 1);
    assert_int_equal(last_epoch(t.net)->epochs, 1);
    assert_false(last_epoch(t.net)->validated);
    assert_ok(tmb_fit(t.net, t.train, .on_step = on_step, .user = &c));
    assert_int_equal(c.last.epochs, 1);
    toys_free(&t);
}

TEST(fit_gives_the_net_its_classes_and_preprocessing)
{
    toys t = toys_of(3, 4, NULL);

    assert_ok(tmb_model_compile(t.net, NULL));
    assert_ok(tmb_model_fit(t.net, t.train, NULL));
    assert_int_equal(tmb_model_classes(t.net), 3);
    assert_string_equal(tmb_model_class_name(t.net, 1), "ring");
    assert_near(tmb_model_preprocess(t.net)->scale[0], 1 / 255.0f, 0);
    toys_free(&t);
}

/* ---- divergence ---- */

TEST(fit_divergence_keeps_finite_weights)
{
    const tmb_optimizer optimizers[] = {TMB_RMSPROP, TMB_SGD, TMB_ADAM, TMB_ADAMW};

    for (size_t i = 0; i < TMB_COUNT(optimizers); i++) {
        toys t = toys_of(2, 10, NULL);
        int64_t first;

        assert_ok(tmb_compile(t.net, .optimizer = optimizers[i], .lr = 1e30f, .seed = 1));
        assert_status(
                tmb_fit(t.net, t.train, .epochs = 3, .validation = t.validation), TMB_EDIVERGED);
        assert_message("not finite");
        assert_int_equal(tmb__count_nonfinite(t.net->weights, t.net->n_weights, &first), 0);
        toys_free(&t);
    }
}

/* The checkpoint of the last whole epoch stays, and the weights too. */
TEST(fit_divergence_leaves_the_checkpoint)
{
    toys t = toys_of(2, 10, NULL);
    const char *path = test_temp("checkpoint.thimble");
    tmb__bytes before, after;

    assert_ok(tmb_compile(t.net, .optimizer = TMB_SGD, .lr = 0.01f, .seed = 1));
    assert_ok(tmb_fit(t.net, t.train, .epochs = 1, .checkpoint = path));
    before = file_bytes(path);
    assert_ok(tmb_compile(t.net, .optimizer = TMB_SGD, .lr = 1e30f, .seed = 1));
    assert_status(tmb_fit(t.net, t.train, .epochs = 2, .checkpoint = path), TMB_EDIVERGED);
    after = file_bytes(path);
    assert_int_equal(before.size, after.size);
    assert_true(memcmp(before.data, after.data, before.size) == 0);
    toys_free(&t);
}

/* ---- arguments ---- */

TEST(fit_refuses_what_cannot_be_trained)
{
    toys t = toys_of(2, 4, NULL);
    tmb_model *three = toy_net(3), *small;

    assert_status(tmb_fit(t.net, t.train, .epochs = 1), TMB_EINVAL);
    assert_message("not compiled");
    assert_ok(tmb_model_compile(t.net, NULL));
    assert_status(tmb_model_fit(NULL, t.train, NULL), TMB_EINVAL);
    assert_status(tmb_model_fit(t.net, NULL, NULL), TMB_EINVAL);
    assert_status(tmb_fit(t.net, t.train, .epochs = -1), TMB_EINVAL);
    assert_status(tmb_fit(t.net, t.train, .resume = true), TMB_EINVAL);
    assert_ok(tmb_model_compile(three, NULL));
    assert_status(tmb_fit(three, t.train, .epochs = 1), TMB_EDATA);
    assert_message("2 classes");
    assert_ok(tmb_model_new(&small, 12, 12, 3));
    tmb_flatten(small);
    tmb_dense(small, .units = 1, .activation = TMB_SIGMOID);
    assert_ok(tmb_model_compile(small, NULL));
    assert_status(tmb_fit(small, t.train, .epochs = 1), TMB_EINVAL);
    assert_message("(12, 12, 3)");
    tmb_model_free(three);
    tmb_model_free(small);
    toys_free(&t);
}

TEST(compile_refuses_values_out_of_range)
{
    const tmb_compile_opts bad[] = {{.lr = -1}, {.lr = NAN}, {.lr = INFINITY}, {.momentum = 1.5f},
            {.label_smoothing = -0.1f}, {.warmup = 2}, {.every = -1}, {.average = 1.1f},
            {.loss = TMB_LOSSES}, {.optimizer = TMB_OPTIMIZERS}, {.schedule = (tmb_schedule)99},
            {.clip_norm = 1, .clip_value = 1}, {.clip_norm_each = -1}, {.gamma = -1}, {.alpha = 2},
            {.delta = NAN}, {.accumulator = -1}, {.loss = TMB_CATEGORICAL_CROSSENTROPY}};
    tmb_model *net = toy_net(1);

    for (size_t i = 0; i < TMB_COUNT(bad); i++) {
        print_message("%zu\n", i);
        assert_status(tmb_model_compile(net, &bad[i]), TMB_EINVAL);
    }
    assert_status(tmb_model_compile(NULL, NULL), TMB_EINVAL);
    assert_ok(tmb_model_compile(net, NULL));
    tmb_model_free(net);
}

/* ---- memory ---- */

typedef struct watch {
    int from, steps; /* from this step on; the first epoch's end makes the history */
    uint64_t allocs;
    long pages;
} watch;

static long resident_pages(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long size, resident = 0;

    if (!file) return 0;
    assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident;
}

/* Allocations of the whole process, the loader's included, from a certain step on. */
static int count_allocs(void *user, const tmb_progress *progress)
{
    watch *w = user;

    (void)progress;
    if (++w->steps == w->from) {
        w->allocs = tmb__alloc_count();
        w->pages = resident_pages();
    }
    if (w->steps > w->from) assert_int_equal(tmb__alloc_count(), w->allocs);
    return 0;
}

TEST(fit_allocates_nothing_after_the_first_steps)
{
    const tmb_images_opts opts = {.batch = 1,
            .augment = {.rotation = 20, .zoom = {0.8f, 1.2f}, .brightness = {0.8f, 1.2f}}};
    toys t = toys_of(2, 60, &opts);
    watch w = {.from = 10};

    assert_ok(tmb_compile(t.net, .optimizer = TMB_ADAM, .seed = 1));
    assert_ok(tmb_fit(t.net, t.train, .epochs = 1, .on_step = count_allocs, .user = &w));
    assert_int_equal(w.steps, 120);
    toys_free(&t);
}

/* Epochs with validation take no memory either, but for the history's growth and the checkpoint. */
TEST(fit_validation_allocates_nothing)
{
    const tmb_images_opts opts = {.batch = 4};
    toys t = toys_of(2, 8, &opts);
    watch w = {.from = 10};

    assert_ok(tmb_compile(t.net, .optimizer = TMB_SGD, .seed = 1));
    assert_ok(tmb_fit(t.net, t.train, .epochs = 20, .validation = t.validation,
            .on_step = count_allocs, .user = &w));
    assert_int_equal(w.steps, 20 * (4 + 2));
    toys_free(&t);
}

/* Sanitizers keep freed memory for a while, so they have nothing to say here. */
TEST(fit_keeps_its_size)
{
#ifdef TEST_SLOWNESS
    SKIP("a sanitizer grows by itself");
#endif
    const tmb_images_opts opts = {.batch = 1};
    toys t = toys_of(2, 9, &opts);
    watch w = {.from = 20};
    long pages;

    assert_ok(tmb_compile(t.net, .optimizer = TMB_ADAM, .average = 0.9f, .seed = 1));
    assert_ok(tmb_fit(t.net, t.train, .epochs = 60, .on_step = count_allocs, .user = &w));
    pages = resident_pages();
    assert_int_equal(w.steps, 60 * 18);
    assert_true(pages - w.pages < 256); /* 1 MiB, for what libraries do at their leisure */
    toys_free(&t);
}
