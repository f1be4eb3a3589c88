/* test_oom.c - the n-th allocation, file call or thread start fails: nothing is lost, nothing leaks
 *
 * Each scenario is run once to count its calls of a kind, then again and again with another call
 * failing, alone or with all that follow. It ends well or with a status and a message, and what was
 * in files before is there still. Leaks are the address sanitizer's to find, in its preset. */
#include "unit/transfer/transfer_test.h"

#include <dirent.h>

/* Runs of a scenario for each kind of call, those with one failure and those with many counted apart. */
enum { MOST_RUNS = 100 };

typedef struct scenario {
    const char *name;
    int (*run)(void);
    void (*check)(int status); /* with all calls working again */
} scenario;

/* ---- what failing runs start from ---- */

static const tmb_compile_opts compile_opts = {
        .optimizer = TMB_SGD, .lr = 0.01f, .momentum = 0.9f, .average = 0.9f, .seed = 1};

static tmb__bytes old_model, old_checkpoint, new_model;
static int photos;

static const char *folder(void)
{
    return test_temp("toys");
}

static const char *model_path(void)
{
    return test_temp("run/model.thimble");
}

static const char *checkpoint_path(void)
{
    return test_temp("run/checkpoint.thimble");
}

/* The failing runs use the test's paths, which take memory that is not the library's. */
static void restore_files(void)
{
    test_write(model_path(), old_model.data, old_model.size);
    test_write(checkpoint_path(), old_checkpoint.data, old_checkpoint.size);
}

/* cache_bytes 1: every photo is read again in each epoch, by the loader. */
static int images_open(tmb_images **out, tmb_part part, int64_t cache_bytes)
{
    const tmb_images_opts opts = {.size = {TOY_SIDE, TOY_SIDE},
            .batch = 4,
            .rescale = 1 / 255.0f,
            .part = part,
            .shuffle = part == TMB_TRAIN,
            .cache_bytes = cache_bytes,
            .threads = 2};

    return tmb_images_open(out, folder(), &opts);
}

static int build(tmb_model **out)
{
    TMB_TRY(tmb_model_new(out, TOY_SIDE, TOY_SIDE, 3));
    tmb_conv2d(*out, .filters = 4, .kernel = {3, 3}, .activation = TMB_RELU);
    tmb_batchnorm(*out, .momentum = 0.8f);
    tmb_maxpool2d(*out, .pool = {2, 2});
    tmb_flatten(*out);
    tmb_dropout(*out, .rate = 0.2f);
    tmb_dense(*out, .units = 1, .activation = TMB_SIGMOID);
    return tmb_model_check(*out);
}

/* ---- scenarios ---- */

static int stop_after_one(void *user, const tmb_progress *progress)
{
    (void)user;
    return progress->epoch == 2 && progress->step == 1;
}

/* Open, build, train from the start or from the checkpoint, save. */
static int train(bool resume, bool stop)
{
    tmb_images *images = NULL, *validation = NULL;
    tmb_device *device = NULL;
    tmb_model *net = NULL;
    tmb_compile_opts compile = compile_opts;
    tmb_fit_opts fit = {.epochs = 2,
            .checkpoint = checkpoint_path(),
            .resume = resume,
            .csv = test_temp("run/log.csv"),
            .on_step = stop ? stop_after_one : NULL};
    int status = images_open(&images, TMB_TRAIN, 0);

    if (status == 0) status = images_open(&validation, TMB_VALIDATION, 0);
    if (status == 0) status = tmb_device_open(&device, "cpu", 2);
    if (status == 0) status = build(&net);
    compile.device = device;
    fit.validation = validation;
    if (status == 0) status = tmb_model_compile(net, &compile);
    if (status == 0) status = tmb_model_fit(net, images, &fit);
    if (status == 0) status = tmb_model_save(net, model_path());
    tmb_model_free(net);
    tmb_device_free(device);
    tmb_images_free(images);
    tmb_images_free(validation);
    return status;
}

static int train_anew(void)
{
    return train(false, false);
}

static int resume(void)
{
    return train(true, false);
}

static int open_model(void)
{
    tmb_model *net;
    int status = tmb_model_open(&net, model_path());

    assert_true((status == 0) == (net != NULL));
    tmb_model_free(net);
    return status;
}

static int predict(void)
{
    tmb_model *net = NULL;
    tmb_predictor *p = NULL;
    tmb_device *device = NULL;
    float probabilities[2] = {0};
    int status = tmb_model_open(&net, model_path());

    if (status == 0) status = tmb_device_open(&device, "cpu", 2);
    if (status == 0) status = tmb_predictor_new(&p, net, device, 4);
    if (status == 0)
        status = tmb_predict_file(p, test_temp("toys/train/disc/000.bmp"), probabilities);
    if (status == 0) assert_near(probabilities[0] + probabilities[1], 1, 1e-6);
    tmb_predictor_free(p);
    tmb_device_free(device);
    tmb_model_free(net);
    return status;
}

/* Opened with all its photos, or not at all; an epoch brings each once. */
static int use_images(int64_t cache_bytes)
{
    tmb_images *images = NULL;
    tmb_batch batch;
    int status = images_open(&images, TMB_TRAIN, cache_bytes), more = 0, seen = 0;

    assert_true((status == 0) == (images != NULL));
    if (status == 0) assert_int_equal(tmb_images_count(images), photos);
    if (status == 0) status = tmb_images_epoch(images, 0, 0);
    while (status == 0 && (more = tmb_images_next(images, &batch)) > 0)
        seen += batch.count;
    if (status == 0 && more == 0) assert_int_equal(seen, photos);
    tmb_images_free(images);
    return status < 0 ? status : more;
}

static int open_images(void)
{
    return use_images(0);
}

static int open_images_uncached(void)
{
    return use_images(1);
}

static int evaluate(void)
{
    tmb_images *images = NULL;
    tmb_model *net = NULL;
    tmb_evaluation e = {0};
    int status = tmb_model_open(&net, model_path());

    if (status == 0) status = images_open(&images, TMB_VALIDATION, 0);
    if (status == 0) status = tmb_model_evaluate(net, images, &e);
    assert_true((status == 0) == (e.confusion != NULL));
    tmb_evaluation_free(&e);
    tmb_images_free(images);
    tmb_model_free(net);
    return status;
}

/* A head of nothing but zeros, which tells no photo from another. */
static int add_head(tmb_model *net)
{
    float kernel[24] = {0}, bias[1] = {0};
    tmb_head head = {.inputs = 24, .classes = 2, .outputs = 1, .kernel = kernel, .bias = bias};
    int status;

    TMB_TRY(tmb__unknown_alloc(&head.unknown, 24, 2, 3));
    status = tmb_model_add_head(net, &head, (const char *const[]){"disc", "ring"}, true);
    tmb__unknown_free(head.unknown);
    return status;
}

/* What was there stays where it fails, also in a build without OpenBLAS. */
static int learn_unknown(tmb_model *net, tmb_images *images)
{
    const tmb_unknown *before = net->unknown;
    const int status = tmb_model_learn_unknown(net, images, images, NULL);

    assert_true((status < 0) == (net->unknown == before));
    return status == TMB_EUNSUPPORTED ? 0 : status;
}

/* From photos to features, to a model in a file that predicts. */
static int transfer(void)
{
    tmb_features features = {0};
    tmb_images *images = NULL;
    tmb_predictor *p = NULL;
    tmb_model *net = NULL, *read = NULL;
    float probabilities[2];
    int status = make_small_backbone(&net, true);

    if (status == 0) status = images_open(&images, TMB_TRAIN, 0);
    if (status == 0)
        status = tmb_model_features(&features, net, images, &(tmb_extract_opts){.flip = true});
    assert_true((status == 0) == (features.x != NULL));
    if (status == 0) status = add_head(net);
    if (status == 0) status = learn_unknown(net, images);
    if (status == 0) status = tmb_model_save(net, test_temp("transfer.thimble"));
    if (status == 0) status = tmb_model_open(&read, test_temp("transfer.thimble"));
    if (status == 0) status = tmb_predictor_new(&p, read, NULL, 2);
    if (status == 0)
        status = tmb_predict_file(p, test_temp("toys/train/disc/000.bmp"), probabilities);
    if (status == 0) assert_true(tmb_predictor_distance(p, 0) >= 0);
    tmb_predictor_free(p);
    tmb_features_free(&features);
    tmb_images_free(images);
    tmb_model_free(net);
    tmb_model_free(read);
    return status;
}

/* ---- checks ---- */

static bool same(const char *path, const tmb__bytes *bytes)
{
    tmb__bytes now;
    bool equal;

    assert_ok(tmb__file_read(&now, path, (size_t)1 << 30, TMB_EMODEL));
    equal = now.size == bytes->size && memcmp(now.data, bytes->data, now.size) == 0;
    tmb__free(now.data);
    return equal;
}

/* The old model or the new one, whole; a checkpoint that opens; no temporary files. */
static void check_written(int status)
{
    static const char *const known[] = {
            ".", "..", "model.thimble", "checkpoint.thimble", "log.csv"};
    DIR *dir = opendir(test_temp("run"));
    const struct dirent *entry;
    tmb_model *net;

    assert_true(same(model_path(), &new_model) || (status < 0 && same(model_path(), &old_model)));
    assert_ok(tmb_model_open(&net, checkpoint_path()));
    tmb_model_free(net);
    while ((entry = readdir(dir))) {
        bool is_known = false;

        for (size_t i = 0; i < TMB_COUNT(known); i++)
            is_known |= strcmp(entry->d_name, known[i]) == 0;
        if (!is_known) fail_msg("%s is left", entry->d_name);
    }
    closedir(dir);
}

/* And the training can go on from where the failure left it, to the same model. */
static void check_resumed(int status)
{
    check_written(status);
    if (status < 0) assert_ok(resume());
    assert_true(same(model_path(), &new_model));
}

static void check_untouched(int status)
{
    (void)status;
    assert_true(same(model_path(), &old_model));
    assert_true(same(checkpoint_path(), &old_checkpoint));
}

/* ---- the loop ---- */

static atomic_llong passes[3];

static bool count_passes(void *user, tmb__gate_kind kind)
{
    (void)user;
    atomic_fetch_add(&passes[kind], 1);
    return true;
}

static void run_one(const scenario *s, tmb__gate_kind kind, int64_t n, int64_t count)
{
    bool reached;
    int status;

    restore_files();
    tmb__fail(TMB_EBUG, "%s", ""); /* the message is this run's */
    test_fail_from(kind, n, count);
    status = s->run();
    reached = test_fail_end();
    if (status < 0 && (!reached || !tmb_errmsg()[0] || status == TMB_EBUG))
        fail_msg("%s, kind %d, call %lld: %d, message \"%s\"", s->name, (int)kind, (long long)n,
                status, tmb_errmsg());
    if (status < 0 && kind != TMB_GATE_IO && status != TMB_ENOMEM)
        fail_msg("%s, kind %d, call %lld: %d instead of no memory: %s", s->name, (int)kind,
                (long long)n, status, tmb_errmsg());
    s->check(status);
}

static void run_kind(const scenario *s, tmb__gate_kind kind, int64_t calls)
{
    tmb__rng rng = tmb__rng_at(5, TMB_STREAM_TEST, (uint64_t)kind, 0);
    const int64_t runs = TMB_MIN(calls, MOST_RUNS);

    print_message("%s, kind %d: %lld calls\n", s->name, (int)kind, (long long)calls);
    for (int64_t i = 0; i < runs; i++) {
        const int64_t from = i * calls / runs, to = (i + 1) * calls / runs;
        const int64_t n = from + tmb__rng_below(&rng, (uint32_t)(to - from));

        run_one(s, kind, n, 1);
        run_one(s, kind, n, -1);
    }
}

static void prepare(void)
{
    tmb_images *images;

    toys_draw("toys", 2, 4);
    assert_ok(images_open(&images, TMB_TRAIN, 0));
    photos = (int)tmb_images_count(images);
    tmb_images_free(images);
    assert_ok(tmb__folder_make(test_temp("run")));
    assert_status(train(false, true), TMB_ESTOPPED);
    old_checkpoint = file_bytes(checkpoint_path());
    assert_ok(resume());
    new_model = file_bytes(model_path());
    /* The old model is another one, as an earlier training would have left it. */
    assert_ok(tmb__file_replace(model_path(), &old_checkpoint, 1));
    old_model = file_bytes(model_path());
}

static void run_scenario(const char *name, int (*run)(void), void (*check)(int status))
{
    const scenario s = {name, run, check};

    prepare();
    tmb__gate_set(count_passes, NULL);
    assert_ok(run());
    tmb__gate_set(NULL, NULL);
    for (int kind = 0; kind < 3; kind++)
        run_kind(&s, (tmb__gate_kind)kind, atomic_load(&passes[kind]));
}

TEST_LIMIT(oom_train, 300)
{
    run_scenario("train", train_anew, check_written);
}

TEST_LIMIT(oom_resume, 300)
{
    run_scenario("resume", resume, check_resumed);
}

TEST_LIMIT(oom_open_model, 300)
{
    run_scenario("open model", open_model, check_untouched);
}

TEST_LIMIT(oom_predict, 300)
{
    run_scenario("predict", predict, check_untouched);
}

TEST_LIMIT(oom_evaluate, 300)
{
    run_scenario("evaluate", evaluate, check_untouched);
}

TEST_LIMIT(oom_open_images, 300)
{
    run_scenario("open images", open_images, check_untouched);
}

TEST_LIMIT(oom_open_images_uncached, 300)
{
    run_scenario("open images uncached", open_images_uncached, check_untouched);
}

TEST_LIMIT(oom_transfer, 300)
{
    run_scenario("transfer", transfer, check_untouched);
}
