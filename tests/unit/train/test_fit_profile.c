/* test_fit_profile.c - a training that is profiled: its trace, its times, and that it learns the same */
#include "train_test.h"

#include <jansson.h>

typedef struct profiled {
    tmb_device *device;
    tmb_images *train, *validation;
    tmb_model *net;
} profiled;

static void fit_toys(profiled *p, bool profile, const tmb_images_opts *opts)
{
    const char *folder = toys_draw("toys", 2, 16);
    tmb_ceilings ceilings;

    p->device = device_of(2);
    if (profile) assert_ok(tmb_device_profile(&ceilings, p->device));
    p->train = toys_open(folder, TMB_TRAIN, opts);
    p->validation = toys_open(folder, TMB_VALIDATION, opts);
    p->net = toy_net(1);
    assert_ok(tmb_compile(p->net, .optimizer = TMB_SGD, .lr = 0.01f, .device = p->device));
    assert_ok(tmb_fit(p->net, p->train, .epochs = 2, .validation = p->validation));
}

static void close_fit(profiled *p)
{
    tmb_model_free(p->net);
    tmb_images_free(p->train);
    tmb_images_free(p->validation);
    tmb_device_free(p->device);
}

static double number(const json_t *event, const char *key)
{
    return json_number_value(json_object_get(event, key));
}

static const char *text(const json_t *event, const char *key)
{
    const char *found = json_string_value(json_object_get(event, key));

    return found ? found : "";
}

static json_t *read_trace(const profiled *p)
{
    const char *path = test_temp("trace.json");
    json_error_t error;
    json_t *root;

    assert_ok(tmb_device_trace(p->device, path));
    root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!root) fail_msg("line %d: %s", error.line, error.text);
    return root;
}

/* How many spans have that category and name; on each track one ends no earlier than the one before it. */
static int count(const json_t *root, const char *category, const char *name)
{
    double end[2 * TMB__TRACK_LOADER] = {0};
    size_t i;
    int n = 0;
    json_t *e;

    json_array_foreach(json_object_get(root, "traceEvents"), i, e)
    {
        double *last = &end[(int)number(e, "tid")];

        if (strcmp(text(e, "cat"), category) != 0) continue;
        assert_true(number(e, "ts") >= 0 && number(e, "dur") >= 0);
        assert_true(number(e, "ts") + number(e, "dur") >= *last - 0.01); /* rounded to 0.001 us */
        *last = number(e, "ts") + number(e, "dur");
        n += strcmp(text(e, "name"), name) == 0;
    }
    return n;
}

/* 32 photos in batches of 8, 16 to validate, two epochs; every photo is decoded again. */
TEST(fit_profile_traces_all_that_goes_on)
{
    profiled p;
    json_t *root;

    fit_toys(&p, true, &(tmb_images_opts){.batch = 8, .cache_bytes = 1, .threads = 2});
    root = read_trace(&p);
    assert_int_equal(count(root, "epoch", "epoch"), 2);
    assert_int_equal(count(root, "validation", "validation"), 2);
    assert_int_equal(count(root, "run", "step"), 2 * 4);
    assert_int_equal(count(root, "run", "forward"), 2 * 2);
    assert_int_equal(count(root, "wait", "wait"), 2 * (5 + 3)); /* the last for the end */
    assert_int_equal(count(root, "batch", "batch"), 2 * (4 + 2));
    assert_int_equal(count(root, "photo", "photo"), 2 * (32 + 16));
    assert_int_equal(count(root, "decode", "decode"), 2 * (32 + 16));
    /* a sample at a time, and the kernel brought in order now and then */
    assert_true(count(root, "op", "conv2d conv") >= 2 * (32 + 16));
    assert_true(count(root, "op", "conv2d_1 conv") >= 2 * (32 + 16));
    assert_true(count(root, "op", "conv2d_1 conv_bwd_data") >= 2 * 32);
    assert_true(count(root, "op", "dense dense_bwd_weights") > 0);
    json_decref(root);
    close_fit(&p);
}

TEST(fit_profile_sums_times)
{
    profiled p;
    tmb_op_time time;
    tmb_load_time load;
    double steps = 0, least = 0, run = 0;
    int i, convolutions = 0;

    fit_toys(&p, true, NULL);
    for (i = 0; tmb_device_op_time(p.device, i, &time); i++) {
        if (!time.training) continue;
        assert_int_equal(time.runs, 7); /* the first warms up */
        assert_int_equal(time.samples, 56);
        steps += time.seconds;
        run = time.run_seconds;
        least += time.least;
        convolutions += strcmp(time.op, "conv") == 0 && time.seconds > 0;
        if (strcmp(time.op, "conv") == 0 && strcmp(time.layer, "conv2d") == 0)
            assert_near(time.flops, 56.0 * 24 * 24 * 8 * 2 * 27, 1);
    }
    assert_int_equal(convolutions, 2);
    assert_true(least > 0 && steps > 0 && steps <= 2 * run * 1.001);
    tmb_device_load_time(p.device, &load);
    assert_int_equal(load.photos, 2 * (32 + 16));
    assert_true(load.decode == 0 && load.load > 0 && load.wait > 0 && load.run > 0);
    close_fit(&p);
}

/* What is not profiled has no records, and both learn the same. Images outlive the device. */
TEST(fit_profile_changes_nothing)
{
    profiled a, b;
    tmb_batch batch;
    tmb_op_time time;

    fit_toys(&a, true, NULL);
    fit_toys(&b, false, NULL);
    assert_false(tmb_device_op_time(b.device, 0, &time));
    assert_int_equal(a.net->n_weights, b.net->n_weights);
    assert_memory_equal(a.net->weights, b.net->weights, (size_t)a.net->n_weights * sizeof(float));
    tmb_model_free(a.net);
    tmb_device_free(a.device);
    a.net = NULL;
    a.device = NULL;
    assert_ok(tmb_images_epoch(a.train, 5, 0));
    assert_true(tmb_images_next(a.train, &batch) == 1 && batch.count == 8);
    close_fit(&a);
    close_fit(&b);
}

static int stop_now(void *user, const tmb_progress *progress)
{
    (void)user;
    return progress->step == 1;
}

/* Broken off in an epoch while the loader is at work. */
TEST(fit_profile_of_a_stopped_training)
{
    profiled p;
    json_t *root;

    fit_toys(&p, true, NULL);
    assert_status(tmb_fit(p.net, p.train, .on_step = stop_now), TMB_ESTOPPED);
    root = read_trace(&p);
    assert_int_equal(count(root, "epoch", "epoch"), 2);
    json_decref(root);
    close_fit(&p);
}

TEST(fit_profile_of_an_evaluation)
{
    profiled p;
    tmb_evaluation e;
    tmb_load_time before, after;

    fit_toys(&p, true, NULL);
    tmb_device_load_time(p.device, &before);
    assert_ok(tmb_model_evaluate(p.net, p.validation, &e));
    tmb_device_load_time(p.device, &after);
    assert_int_equal(after.photos - before.photos, 16);
    tmb_evaluation_free(&e);
    close_fit(&p);
}
