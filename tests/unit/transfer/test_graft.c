/* test_graft.c - a model with a head put on it says what the head says, also of the unknown, also from a file */
#include "transfer_test.h"

enum { EACH = 12 };

typedef struct fixture {
    tmb_model *net;
    tmb_features f; /* of the training photos */
    tmb_head *head;
} fixture;

static fixture fitted(int classes, bool pooled, bool flip)
{
    const char *path = toys_draw("toys", classes, EACH);
    fixture x = {.net = small_backbone(pooled)};
    tmb_images *images = photos_for(x.net, path, TMB_TRAIN);

    assert_ok(tmb_model_features(&x.f, x.net, images, &(tmb_extract_opts){.flip = flip}));
    x.head = fit_head(&x.f, &(tmb_head_opts){.kind = TMB_HEAD_RIDGE, .penalty = 0.1});
    assert_ok(tmb_model_add_head(x.net, x.head, x.f.class_names, flip));
    tmb_images_free(images);
    return x;
}

static void fixture_free(fixture *x)
{
    tmb_features_free(&x->f);
    tmb_head_free(x->head);
    tmb_model_free(x->net);
}

/* Probabilities and distances of the training photos by the predictor, one view. */
static void require_heads_answers(const tmb_model *net, const fixture *x, int batch)
{
    const int views = x->f.views, n = (int)x->f.n / views, classes = x->f.classes;
    float *p = test_keep(tmb__calloc((size_t)(n * classes), sizeof *p));
    float *expected = test_keep(tmb__calloc((size_t)(n * classes), sizeof *p));
    float *distance = test_keep(tmb__calloc((size_t)n, sizeof *distance));
    const char **paths = test_keep(tmb__calloc((size_t)n, sizeof *paths));
    char **messages = test_keep(tmb__calloc((size_t)n, sizeof *messages));
    int *status = test_keep(tmb__calloc((size_t)n, sizeof *status));
    tmb_predictor *predictor;

    for (int i = 0; i < n; i++)
        paths[i] = test_keep(tmb__strdup(test_temp("toys/%s", x->f.keys[i * views])));
    assert_ok(tmb_predictor_new(&predictor, net, NULL, batch));
    assert_true(isnan(tmb_predictor_distance(predictor, 0)));
    assert_ok(tmb_predict_files(predictor, paths, n, p, status, messages));
    assert_ok(tmb_head_predict(x->head, &x->f, expected, distance));
    for (int i = 0; i < n * classes; i++) /* of both views: mean after or before the sigmoid */
        assert_near(p[i], expected[i], views == 1 ? 1e-4 : 0.1);
    for (int i = 0; i < n; i++)
        assert_near(tmb_predictor_distance(predictor, i), distance[i], 1e-3);
    assert_ok(tmb_predict_file(predictor, paths[n - 1], p));
    assert_near(tmb_predictor_distance(predictor, 0), distance[n - 1], 1e-3);
    assert_true(isnan(tmb_predictor_distance(predictor, 1)));
    assert_status(tmb_predict_file(predictor, test_temp("none.jpg"), p), TMB_EDATA);
    assert_true(isnan(tmb_predictor_distance(predictor, 0)));
    tmb_predictor_free(predictor);
}

TEST(graft_predicts_as_the_head)
{
    for (int classes = 2; classes <= 3; classes++) {
        fixture x = fitted(classes, classes == 2, false);

        assert_int_equal(tmb_model_outputs(x.net), classes == 2 ? 1 : 3);
        assert_string_equal(tmb_model_class_name(x.net, 1), "ring");
        require_heads_answers(x.net, &x, classes == 2 ? 64 : 5);
        fixture_free(&x);
    }
}

TEST(graft_predicts_both_views)
{
    fixture x = fitted(2, true, true);

    assert_true(tmb_model_preprocess(x.net)->flip_views);
    require_heads_answers(x.net, &x, 5);
    fixture_free(&x);
}

/* What lies far from all photos is unknown. */
TEST(graft_tells_the_unknown)
{
    fixture x = fitted(2, true, false);
    tmb_image grey;
    tmb_predictor *predictor;
    float p[2];

    assert_ok(tmb__image_new(&grey, TOY_SIDE, TOY_SIDE, 3));
    for (int i = 0; i < TOY_SIDE * TOY_SIDE * 3; i++)
        grey.pixels[i] = (uint8_t)(i % 2 ? 255 : 0);
    assert_ok(tmb_predictor_new(&predictor, x.net, NULL, 1));
    assert_ok(tmb_predict_image(predictor, &grey, p));
    assert_true(tmb_predictor_distance(predictor, 0) > 1);
    tmb_predictor_free(predictor);
    tmb_image_free(&grey);
    fixture_free(&x);
}

TEST(graft_in_a_file)
{
    fixture x = fitted(3, true, false);
    const char *path = test_temp("m.thimble");
    tmb_model *read;
    int n;

    assert_ok(tmb_model_save(x.net, path));
    assert_ok(tmb_model_open(&read, path));
    assert_ok(tmb_model_verify(read, 0, NULL, &n));
    assert_int_equal(n, 4);
    require_heads_answers(read, &x, 16);
    assert_ok(tmb_model_save(read, test_temp("again.thimble")));
    assert_same_file(path, test_temp("again.thimble"));
    tmb_model_free(read);
    fixture_free(&x);
}

/* As long as what lies below the head stays as it was. */
TEST(graft_forgets_when_layers_below_are_trained)
{
    fixture x = fitted(2, true, false);
    tmb_images *images = photos_for(x.net, test_temp("toys"), TMB_TRAIN);
    const tmb_compile_opts opts = {.optimizer = TMB_SGD, .lr = 1e-3f, .keep_weights = true};

    assert_ok(tmb_model_freeze(x.net, "global_average_pooling2d", true));
    assert_ok(tmb_model_compile(x.net, &opts));
    assert_ok(tmb_fit(x.net, images, .epochs = 1, .kept_views = 1));
    assert_non_null(x.net->unknown);
    assert_ok(tmb_model_freeze(x.net, NULL, true));
    assert_ok(tmb_model_compile(x.net, &opts));
    assert_non_null(x.net->unknown);
    assert_ok(tmb_fit(x.net, images, .epochs = 1));
    assert_null(x.net->unknown);
    tmb_images_free(images);
    fixture_free(&x);
}

TEST(graft_refuses)
{
    fixture x = fitted(2, true, false);
    tmb_model *other = small_backbone(false);

    assert_status(tmb_model_add_head(other, x.head, NULL, false), TMB_EINVAL);
    assert_message("takes 24 features, the net gives 384");
    assert_status(tmb_model_add_head(NULL, x.head, NULL, false), TMB_EINVAL);
    assert_status(tmb_model_add_head(other, NULL, NULL, false), TMB_EINVAL);
    assert_ok(tmb_model_check(other)); /* as it was */
    tmb_model_free(other);
    fixture_free(&x);
}
