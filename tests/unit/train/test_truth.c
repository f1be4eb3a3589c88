/* test_truth.c - fitting what is no class number: several labels, numbers, the input itself */
#include "train_test.h"

enum { ROWS = 64, WIDTH = 4, BATCH = 16 };

/* Rows of noise as a source, with y made of them. */
typedef struct noise {
    float x[ROWS][WIDTH], y[ROWS][WIDTH], weight[ROWS];
    int64_t index[ROWS];
    int width, at;
    bool weighted;
} noise;

static int noise_epoch(void *data, int64_t number, int64_t first)
{
    (void)number;
    ((noise *)data)->at = (int)first * BATCH;
    return 0;
}

static int noise_next(void *data, tmb_batch *out)
{
    static float y[BATCH * WIDTH];
    noise *d = data;

    if (d->at >= ROWS) return 0;
    for (int i = 0; i < BATCH; i++)
        memcpy(y + i * d->width, d->y[d->at + i], (size_t)d->width * sizeof *y);
    *out = (tmb_batch){.count = BATCH,
            .x = d->x[d->at],
            .y = y,
            .y_width = d->width,
            .weight = d->weighted ? d->weight + d->at : NULL,
            .index = d->index + d->at};
    d->at += BATCH;
    return 1;
}

static const char *noise_class(const void *data, int k)
{
    (void)data;
    (void)k;
    return NULL;
}

static void noise_fill(noise *d, int width)
{
    tmb__rng rng = tmb__rng_at(3, TMB_STREAM_TEST, 0, 0);

    *d = (noise){.width = width};
    for (int i = 0; i < ROWS; i++) {
        d->index[i] = i;
        d->weight[i] = (float)(i % 3);
        for (int k = 0; k < WIDTH; k++)
            d->x[i][k] = (float)tmb__rng_uniform(&rng, -1, 1);
    }
}

static tmb__source source_of(noise *d, const tmb_images_opts *photos)
{
    static const uint8_t digest[32];

    return (tmb__source){.data = d,
            .what = "rows",
            .n = ROWS,
            .batch = BATCH,
            .classes = d->width,
            .shape = {3, {1, 1, WIDTH}},
            .fingerprint = digest,
            .photos = photos,
            .epoch = noise_epoch,
            .next = noise_next,
            .class_name = noise_class};
}

static tmb_model *dense_net(int outputs, tmb_activation activation)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 1, 1, WIDTH));
    tmb_flatten(net);
    tmb_dense(net, .units = outputs, .activation = activation);
    assert_ok(tmb_model_check(net));
    return net;
}

/* Two numbers that follow from the input. */
static void fill_numbers(noise *d)
{
    noise_fill(d, 2);
    for (int i = 0; i < ROWS; i++) {
        d->y[i][0] = 2 * d->x[i][0] - d->x[i][3] + 0.5f;
        d->y[i][1] = d->x[i][1];
    }
}

static tmb_epoch last_epoch(const tmb_model *net)
{
    const tmb_epoch *epochs;
    const int n = tmb_model_history(net, &epochs);

    assert_true(n > 0);
    return epochs[n - 1];
}

TEST(truth_numbers_are_learned)
{
    const tmb_images_opts raw = {.class_mode = TMB_CLASS_RAW};
    tmb_model *net = dense_net(2, TMB_LINEAR);
    tmb_epoch last;
    noise d;
    tmb__source source;

    fill_numbers(&d);
    source = source_of(&d, &raw);
    assert_ok(tmb_compile(net, .loss = TMB_MEAN_SQUARED_ERROR, .optimizer = TMB_SGD, .lr = 0.3f));
    assert_ok(tmb__fit_run(net, &source, &source, &(tmb_fit_opts){.epochs = 60}));
    last = last_epoch(net);
    assert_true(last.loss < 1e-3 && last.val_loss < 1e-3);
    assert_near(last.accuracy, 0, 0); /* a number is never right */
    assert_near(last.val_accuracy.high, 1, 0);
    assert_int_equal(net->n_classes, 0);
    tmb_model_free(net);
}

/* Each label for itself: accuracy is Keras' binary_accuracy. */
TEST(truth_of_several_labels_is_judged_one_by_one)
{
    const tmb_images_opts several = {.class_mode = TMB_CLASS_CATEGORICAL};
    tmb_model *net = dense_net(3, TMB_SIGMOID);
    tmb_epoch last;
    noise d;
    tmb__source source;

    noise_fill(&d, 3);
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < 3; k++)
            d.y[i][k] = d.x[i][k] > 0;
    }
    source = source_of(&d, &several);
    assert_ok(tmb_compile(net, .loss = TMB_BINARY_CROSSENTROPY, .optimizer = TMB_ADAM, .lr = 0.1f));
    assert_ok(tmb__fit_run(net, &source, &source, &(tmb_fit_opts){.epochs = 40}));
    last = last_epoch(net);
    assert_true(last.accuracy > 0.95 && last.val_accuracy.value > 0.95);
    /* 192 judgements make a narrower interval than 64. */
    assert_true(last.val_accuracy.high - last.val_accuracy.low < 0.08);
    tmb_model_free(net);
}

TEST(truth_of_another_width_is_refused)
{
    const tmb_images_opts raw = {.class_mode = TMB_CLASS_RAW};
    const tmb_images_opts none = {.class_mode = TMB_CLASS_NONE};
    const float weights[] = {1, 2};
    tmb_model *net = dense_net(3, TMB_LINEAR);
    noise d;
    tmb__source source;

    fill_numbers(&d);
    source = source_of(&d, &raw);
    assert_ok(tmb_compile(net, .loss = TMB_HUBER));
    assert_status(tmb__fit_run(net, &source, NULL, &(tmb_fit_opts){0}), TMB_EDATA);
    assert_message("2 numbers for each sample, the net gives 3");
    assert_status(
            tmb__fit_run(net, &source, NULL, &(tmb_fit_opts){.class_weight = weights}), TMB_EINVAL);
    assert_message("class weights need data with classes");
    source = source_of(&d, &none);
    assert_status(tmb__fit_run(net, &source, NULL, &(tmb_fit_opts){0}), TMB_EDATA);
    assert_message("opened without labels");
    tmb_model_free(net);
}

/* One step with sample weights 0, 1, 2: sum(w l) / n, or the sum. */
TEST(truth_weights_and_reduction)
{
    const tmb_images_opts raw = {.class_mode = TMB_CLASS_RAW};
    const float zeros[2 * WIDTH + 2] = {0};
    double expected = 0;
    noise d;
    tmb__source source;

    fill_numbers(&d);
    d.weighted = true;
    source = source_of(&d, &raw);
    for (int i = 0; i < ROWS; i++)
        expected += (double)d.weight[i] *
                ((double)d.y[i][0] * d.y[i][0] + (double)d.y[i][1] * d.y[i][1]) / 2;
    for (int sum = 0; sum < 2; sum++) {
        tmb_model *net = dense_net(2, TMB_LINEAR);

        assert_ok(tmb_compile(net, .loss = TMB_MEAN_SQUARED_ERROR, .optimizer = TMB_SGD,
                .lr = 1e-12f, .loss_sum = sum));
        assert_ok(tmb_model_set_weight(net, 3, 0, zeros, 2 * WIDTH));
        assert_ok(tmb__fit_run(net, &source, &source, &(tmb_fit_opts){.epochs = 1}));
        /* As Keras: the mean over batches of the batch's sum. */
        assert_near(last_epoch(net).loss, sum ? expected / (ROWS / BATCH) : expected / ROWS, 1e-5);
        assert_near(
                last_epoch(net).val_loss, sum ? expected / (ROWS / BATCH) : expected / ROWS, 1e-5);
        tmb_model_free(net);
    }
}

/* A picture's net whose output is a picture: what it learns is the input. */
TEST(truth_input_is_the_target_of_an_autoencoder)
{
    const tmb_images_opts input = {.class_mode = TMB_CLASS_INPUT};
    tmb_model *net;
    noise d;
    tmb__source source;

    noise_fill(&d, WIDTH);
    memcpy(d.y, d.x, sizeof d.y);
    source = source_of(&d, &input);
    assert_ok(tmb_model_new(&net, 1, 1, WIDTH));
    tmb_conv2d(net, .filters = WIDTH, .kernel = {1, 1});
    assert_ok(
            tmb_compile(net, .loss = TMB_MEAN_ABSOLUTE_ERROR, .optimizer = TMB_ADAM, .lr = 0.05f));
    assert_ok(tmb__fit_run(net, &source, &source, &(tmb_fit_opts){.epochs = 60}));
    assert_true(last_epoch(net).val_loss < 0.1);
    tmb_model_free(net);
}

/* ---- optimizers, with the defaults of compile ---- */

typedef struct walk {
    const char *name;
    tmb_compile_opts opts;
    double w[3];
} walk;

/* keras.md 4.3: one weight from 1, gradients .1, -.2, .3. */
static const walk walks[] = {
        {"sgd", {.optimizer = TMB_SGD}, {.999, 1.001, .998}},
        {"script 3", {.optimizer = TMB_SGD, .lr = 1e-4f, .momentum = 0.9f},
                {.999990, 1.000001, .9999809}},
        {"momentum", {.optimizer = TMB_SGD, .momentum = 0.9f}, {.999, 1.0001, .99809}},
        {"nesterov", {.optimizer = TMB_SGD, .momentum = 0.9f, .nesterov = true},
                {.9981, 1.00109, .996281}},
        {"rmsprop 2.0", {.epsilon_outside = true}, {.996837723, .999694866, .997104227}},
        {"rmsprop", {0}, {.996837880, .999694994, .997104365}},
        {"adam", {.optimizer = TMB_ADAM}, {.999000032, .999366130, .999022892}},
        {"adamw", {.optimizer = TMB_ADAMW}, {.998996032, .999358134, .999010898}},
        {"adagrad", {.optimizer = TMB_ADAGRAD}, {.999698489, 1.000214886, .999602514}},
        {"clip value", {.optimizer = TMB_SGD, .clip_value = 0.15f}, {.999, 1.0005, .999}},
        {"clip norm", {.optimizer = TMB_SGD, .clip_norm = 0.15f}, {.999, 1.0005, .999}},
        {"clip each", {.optimizer = TMB_SGD, .clip_norm_each = 0.15f}, {.999, 1.0005, .999}},
};

static void check_walk(const walk *k)
{
    const float gradient[] = {0.1f, -0.2f, 0.3f}, one = 1;
    tmb_compile_opts opts = k->opts;
    tmb_device *device = device_of(1);
    tmb__train_spec spec;
    tmb_model *net;
    tmb__exec *exec;

    assert_ok(tmb_model_new(&net, 1, 1, 1));
    tmb_flatten(net);
    tmb_dense(net, .units = 1, .no_bias = true);
    assert_ok(tmb_model_compile(net, &opts));
    assert_ok(tmb_model_set_weight(net, 3, 0, &one, 1));
    spec = tmb__training_spec(tmb__training_of(net));
    spec.loss = 0; /* the targets are the gradient */
    assert_ok(tmb__exec_new(&exec, net, device, 1, &spec));
    for (int i = 0; i < 3; i++) {
        tmb__step step = {.x = &one,
                .targets = &gradient[i],
                .n = 1,
                .step = i,
                .lr = tmb__training_of(net)->opts.lr};

        assert_ok(tmb__exec_step(exec, &step));
        assert_ok(tmb__exec_pull(exec, net, false));
        print_message("%s, step %d: %.9f\n", k->name, i, (double)net->weights[0]);
        assert_near((double)net->weights[0], k->w[i], 2e-7); /* single precision near 1 */
    }
    tmb__exec_free(exec);
    tmb_model_free(net);
    tmb_device_free(device);
}

TEST(optimizers_walk_as_keras)
{
    for (size_t i = 0; i < TMB_COUNT(walks); i++)
        check_walk(&walks[i]);
}

/* Every optimizer lowers the loss of a line, at a rate that fits it. */
TEST(optimizers_all_learn)
{
    const float lr[TMB_OPTIMIZERS] = {[TMB_RMSPROP] = 0.02f,
            [TMB_SGD] = 0.1f,
            [TMB_ADAM] = 0.05f,
            [TMB_ADAMW] = 0.05f,
            [TMB_ADAGRAD] = 0.2f,
            [TMB_ADADELTA] = 10,
            [TMB_ADAMAX] = 0.05f,
            [TMB_NADAM] = 0.05f,
            [TMB_LION] = 0.03f};
    const tmb_images_opts raw = {.class_mode = TMB_CLASS_RAW};
    noise d;
    tmb__source source;

    fill_numbers(&d);
    source = source_of(&d, &raw);
    for (int o = 0; o < TMB_OPTIMIZERS; o++) {
        tmb_model *net = dense_net(2, TMB_LINEAR);

        assert_ok(tmb_compile(net, .loss = TMB_HUBER, .optimizer = (tmb_optimizer)o, .lr = lr[o]));
        assert_ok(tmb__fit_run(net, &source, NULL, &(tmb_fit_opts){.epochs = 40}));
        print_message("optimizer %d: %g\n", o, last_epoch(net).loss);
        assert_true(last_epoch(net).loss < 0.02);
        tmb_model_free(net);
    }
}
