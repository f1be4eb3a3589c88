/* test_resume.c - same bits: for any number of threads, run after run, and through any interruption */
#include "unit/train/train_test.h"

enum { EPOCHS = 3, STEPS = 3 }; /* 24 pictures in batches of 8 */

typedef struct way {
    const char *name;
    tmb_compile_opts compile;
    tmb_fit_opts fit;
} way;

static const way ways[] = {
        {"rmsprop", {.optimizer = TMB_RMSPROP, .seed = 1}, {.plateau = 1, .min_delta = 10}},
        {"rmsprop_2016", {.epsilon_outside = true, .momentum = 0.5f, .seed = 2}, {0}},
        {"sgd_average",
                {.optimizer = TMB_SGD,
                        .lr = 0.05f,
                        .momentum = 0.9f,
                        .nesterov = true,
                        .weight_decay = 1e-3f,
                        .clip_norm = 1,
                        .label_smoothing = 0.1f,
                        .schedule = TMB_ONECYCLE,
                        .average = 0.8f,
                        .seed = 3},
                {.restore_best = true}},
        {"adam", {.optimizer = TMB_ADAM, .amsgrad = true, .seed = 4}, {.balanced = true}},
        {"adamw",
                {.optimizer = TMB_ADAMW,
                        .schedule = TMB_COSINE,
                        .warmup = 0.3f,
                        .average = 0.5f,
                        .seed = 5},
                {.monitor = TMB_VAL_ACCURACY, .patience = 9}},
};

static const tmb_images_opts photos = {.batch = 8,
        .seed = 9,
        .augment = {.rotation = 20,
                .zoom = {0.8f, 1.2f},
                .alternate_flip = true,
                .brightness = {0.8f, 1.2f}}};

/* When to stop: before anything, after so many steps, or while epoch number `validating` validates. */
typedef struct plan {
    int steps, validating;
    int done;
    volatile int flag;
} plan;

static int on_step(void *user, const tmb_progress *progress)
{
    plan *p = user;

    if (progress->validating) return p->validating == progress->epoch;
    if (++p->done == p->steps) p->flag = 1;
    return 0;
}

typedef struct run {
    tmb_device *device;
    tmb_images *train, *validation;
    tmb_model *net;
} run;

static run run_of(const char *path, const way *w, int threads)
{
    tmb_images_opts opts = photos;
    tmb_compile_opts compile = w->compile;
    run r;

    opts.threads = threads;
    r.device = compile.device = device_of(threads);
    r.train = toys_open(path, TMB_TRAIN, &opts);
    r.validation = toys_open(path, TMB_VALIDATION, &opts);
    r.net = toy_net(3);
    assert_ok(tmb_model_compile(r.net, &compile));
    return r;
}

static int run_fit(run *r, const way *w, const char *checkpoint, plan *p)
{
    tmb_fit_opts fit = w->fit;

    fit.epochs = EPOCHS;
    fit.validation = r->validation;
    fit.checkpoint = checkpoint;
    fit.resume = checkpoint != NULL;
    fit.csv = test_temp(checkpoint ? "part.csv" : "whole.csv");
    if (p) {
        fit.on_step = on_step;
        fit.user = p;
        fit.stop = &p->flag;
    }
    return tmb_model_fit(r->net, r->train, &fit);
}

static void run_free(run *r)
{
    tmb_model_free(r->net);
    tmb_images_free(r->train);
    tmb_images_free(r->validation);
    tmb_device_free(r->device);
}

/* All figures but the clock's. */
static void assert_same_history(const tmb_model *a, const tmb_model *b)
{
    const tmb_epoch *one, *two;
    const int n = tmb_model_history(a, &one);

    assert_int_equal(tmb_model_history(b, &two), n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(one[i].number, two[i].number);
        assert_int_equal(one[i].epochs, two[i].epochs);
        assert_true(one[i].loss == two[i].loss);
        assert_true(one[i].accuracy == two[i].accuracy);
        assert_true(one[i].validated && two[i].validated);
        assert_true(one[i].val_loss == two[i].val_loss);
        assert_memory_equal(&one[i].val_accuracy, &two[i].val_accuracy, sizeof one->val_accuracy);
        assert_true(one[i].lr == two[i].lr);
        assert_true(one[i].best == two[i].best);
    }
}

static void assert_same_run(run *a, run *b)
{
    const char *one = test_temp("one.thimble"), *two = test_temp("two.thimble");

    assert_same_history(a->net, b->net);
    assert_int_equal(a->net->n_weights, b->net->n_weights);
    assert_true(memcmp(a->net->weights, b->net->weights,
                        (size_t)a->net->n_weights * sizeof *a->net->weights) == 0);
    assert_ok(tmb_model_save(a->net, one));
    assert_ok(tmb_model_save(b->net, two));
    assert_same_file(one, two);
}

/* ---- threads ---- */

TEST_LIMIT(same_bits_for_any_number_of_threads, 120)
{
    const char *path = toys_draw("toys", 3, 8);
    const int threads[] = {1, 1, 2, 4};

    for (size_t w = 0; w < TMB_COUNT(ways); w++) {
        run first = run_of(path, &ways[w], 1);

        print_message("%s\n", ways[w].name);
        assert_ok(run_fit(&first, &ways[w], NULL, NULL));
        for (size_t i = 1; i < TMB_COUNT(threads); i++) {
            run other = run_of(path, &ways[w], threads[i]);

            assert_ok(run_fit(&other, &ways[w], NULL, NULL));
            assert_same_run(&first, &other);
            run_free(&other);
        }
        run_free(&first);
    }
}

/* ---- interruptions ---- */

/* Stop as planned, go on in a new process' place, and compare with the run that was left alone. */
static void check_interrupted(const char *path, const way *w, run *whole, const plan *planned)
{
    const char *checkpoint = test_temp("checkpoint.thimble");
    plan p = *planned;
    run first = run_of(path, w, 1), second;

    print_message("%s: step %d, validation %d\n", w->name, p.steps, p.validating);
    remove(checkpoint);
    p.flag = p.steps == 0;
    assert_status(run_fit(&first, w, checkpoint, &p), TMB_ESTOPPED);
    assert_message("stopped in epoch");
    run_free(&first);
    second = run_of(path, w, 2);
    assert_ok(run_fit(&second, w, checkpoint, NULL));
    assert_same_run(whole, &second);
    assert_same_file(test_temp("whole.csv"), test_temp("part.csv"));
    run_free(&second);
}

static void check_way(const way *w)
{
    const plan plans[] = {{.steps = 0}, {.steps = 1}, {.steps = STEPS + 2}, {.steps = STEPS},
            {.steps = EPOCHS * STEPS}, {.steps = -1, .validating = 1},
            {.steps = -1, .validating = EPOCHS}};
    const char *path = toys_draw("toys", 3, 8);
    run whole = run_of(path, w, 2);

    assert_ok(run_fit(&whole, w, NULL, NULL));
    for (size_t i = 0; i < TMB_COUNT(plans); i++)
        check_interrupted(path, w, &whole, &plans[i]);
    run_free(&whole);
}

TEST_LIMIT(resume_rmsprop, 120)
{
    check_way(&ways[0]);
}

TEST_LIMIT(resume_rmsprop_2016, 120)
{
    check_way(&ways[1]);
}

TEST_LIMIT(resume_sgd_average, 120)
{
    check_way(&ways[2]);
}

TEST_LIMIT(resume_adam, 120)
{
    check_way(&ways[3]);
}

TEST_LIMIT(resume_adamw, 120)
{
    check_way(&ways[4]);
}

/* Stopped after every single step. */
TEST_LIMIT(resume_step_by_step, 120)
{
    const way *w = &ways[2];
    const char *path = toys_draw("toys", 3, 8), *checkpoint = test_temp("checkpoint.thimble");
    run whole = run_of(path, w, 1), part = {0};
    int status = TMB_ESTOPPED, stops = 0;

    assert_ok(run_fit(&whole, w, NULL, NULL));
    while (status == TMB_ESTOPPED) {
        plan p = {.steps = 1};

        run_free(&part);
        part = run_of(path, w, 1);
        status = run_fit(&part, w, checkpoint, &p);
        stops += status == TMB_ESTOPPED;
        assert_true(stops < 100);
    }
    assert_int_equal(status, 0);
    assert_int_equal(stops, EPOCHS * STEPS);
    assert_same_run(&whole, &part);
    assert_same_file(test_temp("whole.csv"), test_temp("part.csv"));
    run_free(&whole);
    run_free(&part);
}

/* A training that is done and asked to go on is done: the same model again. */
TEST_LIMIT(resume_of_a_finished_run, 120)
{
    const char *path = toys_draw("toys", 3, 8), *checkpoint = test_temp("checkpoint.thimble");

    for (size_t i = 0; i < TMB_COUNT(ways); i++) {
        run whole = run_of(path, &ways[i], 1), again;

        print_message("%s\n", ways[i].name);
        remove(checkpoint);
        assert_ok(run_fit(&whole, &ways[i], checkpoint, NULL));
        again = run_of(path, &ways[i], 1);
        assert_ok(run_fit(&again, &ways[i], checkpoint, NULL));
        assert_same_run(&whole, &again);
        run_free(&whole);
        run_free(&again);
    }
}
