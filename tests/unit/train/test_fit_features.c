/* test_fit_features.c - nets trained on features: what is learnt, resumed to the same bits, refused */
#include "train_test.h"

enum { ROWS = 90, SIDE = 2, CHANNELS = 5, WIDTH = SIDE * SIDE * CHANNELS };

/* Rows whose class shows in the mean of each channel; `number` draws others. */
typedef struct toy_rows {
    float x[ROWS * WIDTH];
    int32_t label[ROWS];
    tmb_features features;
} toy_rows;

static const char *const names[] = {"cat", "dog"};

static void draw(toy_rows *out, uint64_t number)
{
    tmb__rng rng = tmb__rng_at(3, TMB_STREAM_TEST, number, 0);

    for (int i = 0; i < ROWS; i++) {
        out->label[i] = i % 3 == 0;
        for (int j = 0; j < WIDTH; j++)
            out->x[i * WIDTH + j] = (float)(tmb__rng_normal(&rng) +
                    (out->label[i] ? 0.7 : -0.7) * (j % 2 ? 1 : -1));
    }
    out->features = (tmb_features){.n = ROWS,
            .shape = {SIDE, SIDE, CHANNELS},
            .x = out->x,
            .label = out->label,
            .classes = 2,
            .class_names = names};
}

/* The head of the post: Flatten, Dense relu, Dropout, Dense 1 sigmoid. */
static tmb_model *post_head(int h, int w, int c)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, h, w, c));
    tmb_flatten(net);
    tmb_dense(net, .units = 16, .activation = TMB_RELU);
    tmb_dropout(net, .rate = 0.5f);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    assert_ok(tmb_compile(net, .loss = TMB_BINARY_CROSSENTROPY, .lr = 0.01f, .seed = 1));
    return net;
}

static int second(void *user, const tmb_epoch *epoch)
{
    (void)user;
    return epoch->number == 2;
}

TEST(fit_features_learns_and_keeps_its_history)
{
    static toy_rows train, validation;
    tmb_model *net = post_head(SIDE, SIDE, CHANNELS);
    const tmb_epoch *epochs;

    draw(&train, 1);
    draw(&validation, 2);
    assert_ok(tmb_model_fit_features(
            net, &train.features, &validation.features, &(tmb_fit_opts){.epochs = 8, .batch = 16}));
    assert_int_equal(tmb_model_history(net, &epochs), 8);
    assert_true(epochs[7].loss < epochs[0].loss);
    assert_true(epochs[7].val_accuracy.value > 0.95);
    assert_string_equal(tmb_model_class_name(net, 1), "dog");
    tmb_model_free(net);
}

TEST(fit_features_validates_with_the_weights_it_leaves)
{
    static toy_rows train;
    tmb_model *net = post_head(SIDE, SIDE, CHANNELS);
    const tmb_epoch *epochs;
    float scores[ROWS];
    int right = 0;

    draw(&train, 1);
    assert_ok(tmb_model_fit_features(net, &train.features, &train.features, NULL));
    assert_int_equal(tmb_model_history(net, &epochs), 1);
    assert_ok(tmb_model_predict(net, train.x, ROWS, scores));
    for (int i = 0; i < ROWS; i++)
        right += (scores[i] > 0.5f) == train.label[i];
    assert_near(epochs[0].val_accuracy.value, (double)right / ROWS, 1e-12);
    tmb_model_free(net);
}

TEST(fit_features_flat_rows_and_seeds)
{
    static toy_rows train;
    float weights[3][WIDTH * 16];
    const float *values;

    draw(&train, 1);
    train.features.shape[0] = WIDTH;
    train.features.shape[1] = train.features.shape[2] = 0;
    for (int i = 0; i < 3; i++) {
        tmb_model *net = post_head(1, 1, WIDTH);
        int rank;
        int64_t dim[4];

        assert_ok(tmb_compile(net, .seed = 1 + (uint64_t)(i == 2)));
        assert_ok(tmb_model_fit_features(net, &train.features, NULL, NULL));
        assert_ok(tmb_model_weight(net, 3, 0, NULL, &rank, dim, &values));
        assert_int_equal(dim[0], WIDTH);
        memcpy(weights[i], values, sizeof weights[i]);
        tmb_model_free(net);
    }
    assert_memory_equal(weights[0], weights[1], sizeof weights[0]);
    assert_memory_not_equal(weights[0], weights[2], sizeof weights[0]);
}

TEST(fit_features_resumed_has_the_same_bits)
{
    static toy_rows train;
    const char *whole = test_temp("whole"), *parts = test_temp("parts");
    tmb_fit_opts fit = {.epochs = 5, .batch = 16, .checkpoint = whole};
    tmb_model *net = post_head(SIDE, SIDE, CHANNELS), *other;

    draw(&train, 1);
    assert_ok(tmb_model_fit_features(net, &train.features, NULL, &fit));
    fit.checkpoint = parts;
    other = post_head(SIDE, SIDE, CHANNELS);
    fit.on_epoch = second;
    assert_ok(tmb_model_fit_features(other, &train.features, NULL, &fit));
    tmb_model_free(other);
    other = post_head(SIDE, SIDE, CHANNELS);
    fit.on_epoch = NULL;
    fit.resume = true;
    assert_ok(tmb_model_fit_features(other, &train.features, NULL, &fit));
    assert_memory_equal(net->weights, other->weights, (size_t)net->n_weights * sizeof(float));

    fit.batch = 8;
    assert_status(tmb_model_fit_features(other, &train.features, NULL, &fit), TMB_EINVAL);
    assert_message("batch=16, now batch=8");
    fit.batch = 16;
    train.x[7] += 1;
    assert_status(tmb_model_fit_features(other, &train.features, NULL, &fit), TMB_EDATA);
    assert_message("the training features are not those of the checkpoint");
    tmb_model_free(other);
    tmb_model_free(net);
}

static void refused(tmb_features change, int status, const char *message)
{
    tmb_model *net = post_head(SIDE, SIDE, CHANNELS);

    assert_status(tmb_model_fit_features(net, &change, NULL, NULL), status);
    assert_message(message);
    tmb_model_free(net);
}

TEST(fit_features_refuses_what_is_not_whole)
{
    static toy_rows rows;
    tmb_features f;

    draw(&rows, 1);
    f = rows.features;
    f.n = 0;
    refused(f, TMB_EINVAL, "0 rows of (2, 2, 5)");
    f = rows.features;
    f.shape[2] = 4;
    refused(f, TMB_EINVAL, "the net takes (2, 2, 5), the features come as (2, 2, 4)");
    f = rows.features;
    f.views = 4;
    refused(f, TMB_EDATA, "90 rows, expected a multiple of the 4 views");
    f = rows.features;
    f.classes = 3;
    refused(f, TMB_EDATA, "the data has 3 classes, the net tells 2 apart");
    f.classes = 1;
    refused(f, TMB_EDATA, "label 1 in row 0, expected 0 to 0");
    rows.x[5 * WIDTH + 3] = NAN;
    refused(rows.features, TMB_EDATA, "number 3 of row 5 is nan");
}

/* One dense layer, its penalties its own or those of compile; `out` gets its kernel after two epochs. */
static void fit_penalized(float l1, float l2, bool by_compile, float *out)
{
    static toy_rows train;
    const float *kernel;
    tmb_model *net;

    draw(&train, 1);
    assert_ok(tmb_model_new(&net, SIDE, SIDE, CHANNELS));
    tmb_flatten(net);
    tmb_dense(net, .units = 4, .name = "below", .frozen = true);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID, .l1 = by_compile ? 0 : l1,
            .l2 = by_compile ? 0 : l2, .name = "top");
    assert_ok(tmb_compile(net, .optimizer = TMB_SGD, .lr = 0.1f, .l1 = by_compile ? l1 : 0,
            .l2 = by_compile ? l2 : 0));
    assert_ok(tmb_model_fit_features(net, &train.features, NULL, &(tmb_fit_opts){.epochs = 2}));
    assert_ok(tmb_model_weight(net, tmb_model_find(net, "top"), 0, NULL, NULL, NULL, &kernel));
    memcpy(out, kernel, 4 * sizeof *out);
    tmb_model_free(net);
}

TEST(fit_penalties_of_compile_are_those_of_each_trained_kernel)
{
    float none[4], own[4], all[4];

    fit_penalized(0, 0, false, none);
    fit_penalized(0.01f, 0.1f, false, own);
    fit_penalized(0.01f, 0.1f, true, all);
    assert_memory_equal(own, all, sizeof own);
    assert_memory_not_equal(own, none, sizeof own);
}
