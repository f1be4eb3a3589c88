/* test_kept.c - training above a frozen part on what was kept of it is training on the photos */
#include "train_test.h"

#include <time.h>

enum { EPOCHS = 4 };

/* The toy net's first convolution frozen. */
static tmb_model *frozen_net(void)
{
    tmb_model *net = toy_net(1);
    tmb_layer first = tmb_model_find(net, "conv2d");

    assert_true(first > 1);
    assert_ok(tmb_model_set_trainable(net, first, false));
    assert_true(tmb__model_frozen_cut(net) >= first);
    assert_ok(tmb_compile(net, .optimizer = TMB_SGD, .lr = 0.004f, .momentum = 0.9f, .seed = 1));
    return net;
}

static tmb_model *train(const tmb_fit_opts *opts)
{
    const tmb_images_opts changed = {.batch = 8,
            .shuffle = true,
            .augment = {.rotation = 20, .zoom = {0.9f, 1.1f}, .horizontal_flip = true}};
    const char *path = toys_draw("toys", 2, 12);
    tmb_images *train = toys_open(path, TMB_TRAIN, &changed);
    tmb_images *validation = toys_open(path, TMB_VALIDATION, NULL);
    tmb_fit_opts all = *opts;
    tmb_model *net = frozen_net();

    all.validation = validation;
    assert_ok(tmb_model_fit(net, train, &all));
    tmb_images_free(train);
    tmb_images_free(validation);
    return net;
}

static double apart(const tmb_model *a, const tmb_model *b)
{
    double worst = 0;

    assert_int_equal(a->n_weights, b->n_weights);
    for (int64_t i = 0; i < a->n_weights; i++)
        worst = TMB_MAX(worst, fabs((double)a->weights[i] - (double)b->weights[i]));
    return worst;
}

static void assert_same_history(const tmb_model *a, const tmb_model *b, double tolerance)
{
    const tmb_epoch *x, *y;
    const int n = tmb_model_history(a, &x);

    assert_int_equal(n, EPOCHS);
    assert_int_equal(tmb_model_history(b, &y), n);
    for (int i = 0; i < n; i++) {
        assert_near(y[i].loss, x[i].loss, tolerance);
        assert_near(y[i].val_loss, x[i].val_loss, tolerance);
    }
}

/* As many views as epochs: nothing is seen twice, and nothing differs from computing it anew. */
TEST(kept_views_train_as_recomputing_does)
{
    tmb_model *anew = train(&(tmb_fit_opts){.epochs = EPOCHS});
    tmb_model *kept = train(&(tmb_fit_opts){.epochs = EPOCHS, .kept_views = EPOCHS});
    tmb_model *untrained = frozen_net();
    const tmb__weight *kernel = &kept->layers[tmb_model_find(kept, "conv2d") - 1].weight[0];

    assert_true(apart(anew, kept) < 1e-5);
    assert_same_history(anew, kept, 1e-5);
    assert_true(apart(untrained, kept) > 1e-3);
    assert_memory_equal(kept->weights + kernel->offset, untrained->weights + kernel->offset,
            (size_t)tmb__shape_count(&kernel->shape) * sizeof(float));
    tmb_model_free(anew);
    tmb_model_free(kept);
    tmb_model_free(untrained);
}

/* Rows of the cut in float32 for all views; what the budgets below are shares of. */
static int64_t bytes_of_views(const tmb_model *net, int views)
{
    return 4 * views * tmb__shape_count(&net->layers[tmb__model_frozen_cut(net) - 1].out) * 24;
}

/* bfloat16 rounds to 2^-9 of a value: so far apart are the first epoch's losses. Later ones drift, as
 * every rounding makes them, and the faster the larger the learning rate. */
TEST(kept_in_bfloat16_is_close)
{
    tmb_model *wide = train(&(tmb_fit_opts){.epochs = EPOCHS, .kept_views = 2});
    const int64_t half = bytes_of_views(wide, 2) / 2;
    tmb_model *narrow =
            train(&(tmb_fit_opts){.epochs = EPOCHS, .kept_views = 2, .kept_bytes = half});

    const tmb_epoch *x, *y;

    assert_true(apart(wide, narrow) > 0);
    assert_int_equal(tmb_model_history(wide, &x), EPOCHS);
    assert_int_equal(tmb_model_history(narrow, &y), EPOCHS);
    assert_near(y[0].loss / x[0].loss, 1, 1.0 / 512);
    assert_near(y[EPOCHS - 1].loss / x[EPOCHS - 1].loss, 1, 0.05);
    tmb_model_free(wide);
    tmb_model_free(narrow);
}

TEST(kept_in_a_file_is_kept_in_memory)
{
    const char *folder = test_temp("spill");
    tmb_fit_opts opts = {.epochs = EPOCHS, .kept_views = 2, .kept_bytes = 4096};
    tmb_model *memory, *file;

    assert_ok(tmb__folder_make(folder));
    opts.kept_folder = folder;
    file = train(&opts);
    opts.kept_folder = NULL;
    opts.kept_bytes = bytes_of_views(file, 2) / 2;
    memory = train(&opts);
    assert_true(apart(memory, file) == 0);
    tmb_model_free(memory);
    tmb_model_free(file);
}

/* Less than a view: as if nothing had been asked for. */
TEST(kept_without_room_is_recomputed)
{
    tmb_model *anew = train(&(tmb_fit_opts){.epochs = EPOCHS});
    tmb_model *poor = train(&(tmb_fit_opts){.epochs = EPOCHS, .kept_views = 2, .kept_bytes = 64});

    assert_true(apart(anew, poor) == 0);
    tmb_model_free(anew);
    tmb_model_free(poor);
}

static int stop_after_two(void *user, const tmb_epoch *epoch)
{
    (void)user;
    return epoch->number == 2;
}

TEST(kept_views_resume_to_the_same_bits)
{
    const char *path = test_temp("kept.checkpoint");
    tmb_fit_opts opts = {.epochs = EPOCHS, .kept_views = 3};
    tmb_model *straight = train(&opts), *resumed;

    opts.checkpoint = path;
    opts.on_epoch = stop_after_two;
    tmb_model_free(train(&opts));
    opts.on_epoch = NULL;
    opts.resume = true;
    resumed = train(&opts);
    assert_true(apart(straight, resumed) == 0);
    assert_same_history(straight, resumed, 0);
    tmb_model_free(straight);
    tmb_model_free(resumed);
}

enum { NAP = 10000000 }; /* nanoseconds that a batch takes longer */

typedef struct fills {
    int done, stop_at; /* views computed; at which batch to stop; 0: none */
    int batches;
} fills;

static int count_fills(void *user, const tmb_progress *progress)
{
    fills *f = user;

    if (!progress->keeping) return 0;
    nanosleep(&(struct timespec){.tv_nsec = NAP}, NULL);
    assert_true(progress->step > 0 && progress->step <= progress->steps);
    f->done += progress->step == progress->steps;
    return ++f->batches == f->stop_at;
}

TEST(kept_views_are_told_and_can_be_stopped)
{
    tmb_images *images = toys_open(toys_draw("toys", 2, 12), TMB_TRAIN, NULL);
    tmb_model *net = frozen_net(), *other;
    fills all = {0}, some = {.stop_at = 1};
    const tmb_epoch *epoch;
    double seconds = 0;

    other = train(&(tmb_fit_opts){
            .epochs = EPOCHS, .kept_views = 2, .on_step = count_fills, .user = &all});
    assert_int_equal(all.done, 2 + 1); /* two to train, one to validate */
    for (int i = tmb_model_history(other, &epoch) - 1; i >= 0; i--)
        seconds += epoch[i].seconds;
    assert_true(seconds >= all.batches * (NAP / 1e9)); /* epochs' times include it */
    tmb_model_free(other);
    assert_status(tmb_fit(net, images, .kept_views = 1, .on_step = count_fills, .user = &some),
            TMB_ESTOPPED);
    assert_int_equal(some.batches, 1);
    tmb_model_free(net);
    tmb_images_free(images);
}

TEST(kept_views_need_a_frozen_part)
{
    tmb_images *images = toys_open(toys_draw("toys", 2, 4), TMB_ALL, NULL);
    tmb_model *net = toy_net(1);

    assert_ok(tmb_compile(net, .optimizer = TMB_SGD));
    assert_status(tmb_fit(net, images, .epochs = 1, .kept_views = 2), TMB_EINVAL);
    assert_status(tmb_fit(net, images, .epochs = 1, .kept_views = -1), TMB_EINVAL);
    tmb_model_free(net);
    tmb_images_free(images);
}
