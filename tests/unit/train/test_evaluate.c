/* test_evaluate.c - figures on a data set, and that every way to them gives the same */
#include "train_test.h"

typedef struct fixture {
    tmb_images *images;
    tmb_model *net;
} fixture;

/* A net that was trained a little, so that some answers are right and some wrong. */
static fixture trained(int classes, bool flip_views)
{
    const char *path = toys_draw("toys", classes, 12);
    tmb_images *train = toys_open(path, TMB_TRAIN, NULL);
    fixture f = {toys_open(path, TMB_VALIDATION, NULL), toy_net(classes == 2 ? 1 : classes)};
    tmb_preprocess pre = *tmb_images_preprocess(train);

    pre.flip_views = flip_views;
    assert_ok(tmb_model_set_preprocess(f.net, &pre));
    assert_ok(tmb_compile(f.net, .optimizer = TMB_ADAM, .seed = 1));
    assert_ok(tmb_fit(f.net, train, .epochs = 2));
    tmb_images_free(train);
    return f;
}

static void fixture_free(fixture *f)
{
    tmb_model_free(f->net);
    tmb_images_free(f->images);
}

static void check_sums(const fixture *f, const tmb_evaluation *e)
{
    int64_t right = 0, all = 0;

    assert_int_equal(e->n, tmb_images_count(f->images));
    for (int t = 0; t < e->classes; t++) {
        for (int a = 0; a < e->classes; a++) {
            all += e->confusion[t * e->classes + a];
            right += t == a ? e->confusion[t * e->classes + a] : 0;
        }
    }
    assert_int_equal(all, e->n);
    assert_near(e->accuracy.value, (double)right / (double)all, 1e-15);
    assert_true(e->accuracy.low < e->accuracy.value && e->accuracy.value < e->accuracy.high);
    assert_true(e->calibration_error >= 0 && e->calibration_error <= 1);
    for (int64_t i = 0; i < e->n; i++) {
        const float *p = e->probabilities + i * e->classes;
        double sum = 0;

        for (int k = 0; k < e->classes; k++)
            sum += (double)p[k];
        assert_near(sum, 1, 1e-6);
        assert_int_equal(e->answers[i], tmb__metric_answer(p, e->classes));
    }
}

TEST(evaluate_adds_up)
{
    for (int classes = 2; classes <= 3; classes++) {
        fixture f = trained(classes, false);
        tmb_evaluation e;

        assert_ok(tmb_model_evaluate(f.net, f.images, &e));
        assert_int_equal(e.classes, classes);
        check_sums(&f, &e);
        tmb_evaluation_free(&e);
        tmb_evaluation_free(&e); /* twice is fine */
        fixture_free(&f);
    }
}

/* The loss that evaluate gives, from its own probabilities and the weights' penalty. */
TEST(evaluate_loss_is_that_of_its_probabilities)
{
    fixture f = trained(3, false);
    tmb_evaluation e;
    double loss = 0;

    assert_ok(tmb_model_evaluate(f.net, f.images, &e));
    for (int64_t i = 0; i < e.n; i++)
        loss -= log((double)e.probabilities[3 * i + tmb_images_label(f.images, i)]);
    /* Probabilities sum to one but for rounding. */
    assert_near(e.loss, loss / (double)e.n + tmb__metric_penalty(f.net), 1e-6);
    tmb_evaluation_free(&e);
    fixture_free(&f);
}

/* Rows stand in the data set's order, also where it is read in another; batches do not matter. */
TEST(evaluate_does_not_depend_on_batch_or_order)
{
    const tmb_images_opts others[] = {
            {.batch = 1}, {.batch = 5}, {.batch = 100}, {.batch = 5, .cache_bytes = 1}};
    fixture f = trained(2, false);
    tmb_evaluation e, other;

    assert_ok(tmb_model_evaluate(f.net, f.images, &e));
    for (size_t i = 0; i < TMB_COUNT(others); i++) {
        tmb_images *images = toys_open(test_temp("toys"), TMB_VALIDATION, &others[i]);

        assert_ok(tmb_model_evaluate(f.net, images, &other));
        assert_memory_equal(
                e.probabilities, other.probabilities, (size_t)(e.n * 2) * sizeof(float));
        assert_near(e.loss, other.loss, 1e-12); /* sums in batches of other sizes */
        tmb_evaluation_free(&other);
        tmb_images_free(images);
    }
    tmb_evaluation_free(&e);
    fixture_free(&f);
}

TEST(evaluate_of_shuffled_photos_keeps_the_rows_apart)
{
    fixture f = trained(2, false);
    tmb_images *shuffled;
    const tmb_images_opts opts = {.size = {TOY_SIDE, TOY_SIDE},
            .batch = 5,
            .rescale = 1 / 255.0f,
            .shuffle = true,
            .part = TMB_VALIDATION};
    tmb_evaluation e, other;

    assert_ok(tmb_images_open(&shuffled, test_temp("toys"), &opts));
    assert_ok(tmb_model_evaluate(f.net, f.images, &e));
    assert_ok(tmb_model_evaluate(f.net, shuffled, &other));
    assert_memory_equal(e.probabilities, other.probabilities, (size_t)(e.n * 2) * sizeof(float));
    tmb_evaluation_free(&e);
    tmb_evaluation_free(&other);
    tmb_images_free(shuffled);
    fixture_free(&f);
}

/* "Nothing random", whatever the data set was opened for. */
TEST(evaluate_leaves_out_random_changes)
{
    const tmb_images_opts opts = {.size = {TOY_SIDE, TOY_SIDE},
            .batch = 5,
            .rescale = 1 / 255.0f,
            .part = TMB_VALIDATION,
            .augment = {.rotation = 90, .brightness = {0.5f, 1.5f}}};
    fixture f = trained(2, false);
    tmb_images *random;
    tmb_evaluation e, other;

    assert_ok(tmb_images_open(&random, test_temp("toys"), &opts));
    assert_ok(tmb_model_evaluate(f.net, f.images, &e));
    assert_ok(tmb_model_evaluate(f.net, random, &other));
    assert_memory_equal(e.probabilities, other.probabilities, (size_t)(e.n * 2) * sizeof(float));
    tmb_evaluation_free(&e);
    tmb_evaluation_free(&other);
    tmb_images_free(random);
    fixture_free(&f);
}

/* The mean over a photo and its mirror image. */
TEST(evaluate_takes_both_views)
{
    enum { ROW = TOY_SIDE * 3, PIXELS = TOY_SIDE * ROW };
    fixture f = trained(3, true);
    float *x = test_keep(tmb__calloc(2 * PIXELS, sizeof *x)), scores[6];
    tmb_evaluation e;

    assert_ok(tmb_model_evaluate(f.net, f.images, &e));
    for (int64_t i = 0; i < e.n; i++) {
        assert_ok(tmb_images_sample(f.images, i, 0, x));
        for (int at = 0; at < PIXELS; at++) {
            const int column = at % ROW / 3;

            x[PIXELS + at] = x[at + 3 * (TOY_SIDE - 1 - 2 * column)];
        }
        assert_ok(tmb_model_predict(f.net, x, 2, scores));
        for (int k = 0; k < 3; k++)
            assert_near(e.probabilities[3 * i + k], 0.5f * (scores[k] + scores[3 + k]), 1e-7);
    }
    tmb_evaluation_free(&e);
    fixture_free(&f);
}

TEST(evaluate_refuses_what_does_not_fit)
{
    fixture f = trained(2, false);
    const char *const names[] = {"disc", "cube"};
    tmb_images *three = toys_open(toys_draw("three", 3, 4), TMB_ALL, NULL);
    tmb_evaluation e;

    assert_status(tmb_model_evaluate(f.net, three, &e), TMB_EDATA);
    assert_message("3 classes");
    assert_null(e.confusion);
    assert_status(tmb_model_evaluate(NULL, three, &e), TMB_EINVAL);
    assert_status(tmb_model_evaluate(f.net, NULL, &e), TMB_EINVAL);
    assert_status(tmb_model_evaluate(f.net, f.images, NULL), TMB_EINVAL);
    assert_ok(tmb_model_set_classes(f.net, names, 2));
    assert_status(tmb_model_evaluate(f.net, f.images, &e), TMB_EDATA);
    assert_message("\"ring\", of the model \"cube\"");
    tmb_images_free(three);
    fixture_free(&f);
}
