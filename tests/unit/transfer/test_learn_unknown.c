/* test_learn_unknown.c - how unknown photos are told after training: the limit, what is seen, what is refused */
#include "transfer_test.h"

enum { EACH = 24, HELD_OUT = 24 };

/* A net all of whose layers were trained on discs and rings, a part of them held out. */
typedef struct fixture {
    tmb_model *net;
    tmb_images *train, *held_out;
} fixture;

static fixture trained(bool flip)
{
    const char *path = toys_draw("toys", 2, EACH);
    const tmb_images_opts opts = {.batch = 8, .augment = {.rotation = 30, .horizontal_flip = true}};
    fixture x = {
            toy_net(1), toys_open(path, TMB_TRAIN, &opts), toys_open(path, TMB_VALIDATION, NULL)};
    tmb_preprocess pre = *tmb_images_preprocess(x.held_out);

    pre.flip_views = flip;
    assert_ok(tmb_model_set_preprocess(x.net, &pre));
    assert_ok(tmb_compile(x.net, .optimizer = TMB_ADAM, .lr = 3e-3f));
    assert_ok(tmb_fit(x.net, x.train, .epochs = 2));
    return x;
}

static void fixture_free(fixture *x)
{
    tmb_images_free(x->train);
    tmb_images_free(x->held_out);
    tmb_model_free(x->net);
}

/* Skips where the build has no OpenBLAS. */
static void learn(const fixture *x, const tmb_unknown_opts *opts)
{
    const int status = tmb_model_learn_unknown(x->net, x->train, x->held_out, opts);

    if (status == TMB_EUNSUPPORTED) SKIP("built without OpenBLAS");
    assert_ok(status);
}

/* The distances of the photos held out, by the predictor; how many are above 1. */
static int measure(const tmb_model *net, float distance[HELD_OUT])
{
    tmb_predictor *predictor;
    float p[2];
    int unknown = 0;

    assert_ok(tmb_predictor_new(&predictor, net, NULL, 1));
    for (int i = 0; i < HELD_OUT; i++) {
        const char *path = test_temp("toys/validation/%s/%d.bmp",
                i < HELD_OUT / 2 ? "disc" : "ring", 1000 + i % (HELD_OUT / 2));

        assert_ok(tmb_predict_file(predictor, path, p));
        distance[i] = tmb_predictor_distance(predictor, 0);
        unknown += distance[i] > 1;
    }
    tmb_predictor_free(predictor);
    return unknown;
}

static float largest(const float distance[HELD_OUT])
{
    float found = 0;

    for (int i = 0; i < HELD_OUT; i++)
        found = TMB_MAX(found, distance[i]);
    return found;
}

static float distance_of_stripes(const tmb_model *net)
{
    tmb_predictor *predictor;
    tmb_image stripes;
    float p[2], distance;

    assert_ok(tmb__image_new(&stripes, TOY_SIDE, TOY_SIDE, 3));
    for (int i = 0; i < TOY_SIDE * TOY_SIDE * 3; i++)
        stripes.pixels[i] = (uint8_t)(i / 3 % 2 ? 255 : 0);
    assert_ok(tmb_predictor_new(&predictor, net, NULL, 1));
    assert_ok(tmb_predict_image(predictor, &stripes, p));
    distance = tmb_predictor_distance(predictor, 0);
    tmb_predictor_free(predictor);
    tmb_image_free(&stripes);
    return distance;
}

/* Few photos held out: the farthest of them is just within the limit, one or two views. */
TEST(learn_unknown_of_a_net_from_scratch)
{
    for (int flip = 0; flip < 2; flip++) {
        fixture x = trained(flip);
        float distance[HELD_OUT];

        assert_null(x.net->unknown);
        learn(&x, NULL);
        assert_int_equal(x.net->unknown->layer, x.net->n_layers - 1);
        assert_int_equal(measure(x.net, distance), 0);
        assert_near(largest(distance), 1, 2e-4);
        assert_true(distance_of_stripes(x.net) > 1);
        fixture_free(&x);
    }
}

TEST(learn_unknown_keeps_the_share_it_is_told)
{
    fixture x = trained(false);
    float distance[HELD_OUT];

    learn(&x, &(tmb_unknown_opts){.keep = 0.6, .batch = 5});
    assert_int_equal(measure(x.net, distance), HELD_OUT - 15); /* 0.6 of 25 */
    fixture_free(&x);
}

/* The same bits every time, also from a file; another training forgets. */
TEST(learn_unknown_in_a_file)
{
    fixture x = trained(false);
    float distance[HELD_OUT], again[HELD_OUT];
    tmb_model *read;

    learn(&x, NULL);
    measure(x.net, distance);
    assert_ok(tmb_model_save(x.net, test_temp("m.thimble")));
    learn(&x, NULL);
    assert_ok(tmb_model_save(x.net, test_temp("again.thimble")));
    assert_same_file(test_temp("m.thimble"), test_temp("again.thimble"));
    assert_ok(tmb_model_open(&read, test_temp("m.thimble")));
    measure(read, again);
    assert_memory_equal(distance, again, sizeof distance);
    assert_ok(tmb_fit(x.net, x.train, .epochs = 1));
    assert_null(x.net->unknown);
    tmb_model_free(read);
    fixture_free(&x);
}

static void count_rows(void *user, int64_t done, int64_t total)
{
    int *calls = user;

    assert_true(done <= total && total == (*calls < 2 * EACH / 8 ? 2 * EACH : HELD_OUT));
    ++*calls;
}

TEST(learn_unknown_refuses_and_stops)
{
    fixture x = trained(false);
    const volatile int stop = 1;
    tmb_model *net = small_backbone(true), *other = toy_net(3);
    int calls = 0;

    learn(&x, &(tmb_unknown_opts){.on_progress = count_rows, .user = &calls});
    assert_int_equal(calls, (2 * EACH + HELD_OUT) / 8);
    assert_status(tmb_model_learn_unknown(NULL, x.train, x.held_out, NULL), TMB_EINVAL);
    assert_status(tmb_model_learn_unknown(x.net, x.train, NULL, NULL), TMB_EINVAL);
    assert_status(tmb_model_learn_unknown(net, x.train, x.held_out, NULL), TMB_EMODEL);
    assert_message("of which the net has none");
    assert_status(tmb_model_learn_unknown(other, x.train, x.held_out, NULL), TMB_EINVAL);
    assert_message("the photos have 2 classes, the net 3");
    assert_status(
            tmb_model_learn_unknown(x.net, x.train, x.held_out, &(tmb_unknown_opts){.keep = 1.5}),
            TMB_EINVAL);
    assert_status(
            tmb_model_learn_unknown(x.net, x.train, x.held_out, &(tmb_unknown_opts){.stop = &stop}),
            TMB_ESTOPPED);
    assert_non_null(x.net->unknown); /* as it was */
    tmb_model_free(net);
    tmb_model_free(other);
    fixture_free(&x);
}
