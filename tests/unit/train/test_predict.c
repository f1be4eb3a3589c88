/* test_predict.c - probabilities of photos: the same by every road and on any number of threads */
#include "train_test.h"

enum { PHOTOS = 12 };

typedef struct fixture {
    tmb_images *images; /* PHOTOS large JPEGs of two classes, which decoders may reduce */
    tmb_model *net;
    tmb_evaluation e;
    const char *paths[PHOTOS];
} fixture;

static fixture trained(void)
{
    const char *folder = toys_draw("toys", 2, 12);
    tmb_images *train = toys_open(folder, TMB_TRAIN, NULL);
    fixture f = {.net = toy_net(1)};

    toys_add("large", 0, 0, PHOTOS / 2, 150, "jpg");
    toys_add("large", 1, 0, PHOTOS / 2, 150, "jpg");
    f.images = toys_open(test_temp("large"), TMB_ALL, NULL);
    assert_int_equal(tmb_images_count(f.images), PHOTOS);
    for (int i = 0; i < PHOTOS; i++)
        f.paths[i] = tmb_images_path(f.images, i);
    assert_ok(tmb_compile(f.net, .optimizer = TMB_ADAM, .lr = 0.005f, .seed = 1));
    assert_ok(tmb_fit(f.net, train, .epochs = 2));
    assert_ok(tmb_model_evaluate(f.net, f.images, &f.e));
    tmb_images_free(train);
    return f;
}

static void fixture_free(fixture *f)
{
    tmb_evaluation_free(&f->e);
    tmb_model_free(f->net);
    tmb_images_free(f->images);
}

static tmb_predictor *predictor_of(const tmb_model *net, tmb_device *device, int batch)
{
    tmb_predictor *p;

    assert_ok(tmb_predictor_new(&p, net, device, batch));
    return p;
}

/* ---- roads ---- */

TEST(predict_file_equals_evaluate)
{
    fixture f = trained();
    tmb_predictor *p = predictor_of(f.net, NULL, 1);
    float probabilities[2];

    for (int i = 0; i < PHOTOS; i++) {
        assert_ok(tmb_predict_file(p, f.paths[i], probabilities));
        assert_memory_equal(probabilities, f.e.probabilities + 2 * i, sizeof probabilities);
    }
    tmb_predictor_free(p);
    fixture_free(&f);
}

TEST(predict_files_equal_evaluate_for_any_batch)
{
    const int batches[] = {1, 5, PHOTOS, 40};
    fixture f = trained();

    for (size_t b = 0; b < TMB_COUNT(batches); b++) {
        tmb_device *device = device_of(1 + (int)b);
        tmb_predictor *p = predictor_of(f.net, device, batches[b]);
        float probabilities[2 * PHOTOS];
        char *messages[PHOTOS];
        int status[PHOTOS];

        assert_ok(tmb_predict_files(p, f.paths, PHOTOS, probabilities, status, messages));
        assert_memory_equal(probabilities, f.e.probabilities, sizeof probabilities);
        for (int i = 0; i < PHOTOS; i++)
            assert_true(status[i] == 0 && messages[i] == NULL);
        tmb_predictor_free(p);
        tmb_device_free(device);
    }
    fixture_free(&f);
}

TEST(predict_agrees_with_the_nets_scores)
{
    fixture f = trained();
    float *x = test_keep(tmb__calloc(TOY_SIDE * TOY_SIDE * 3, sizeof *x)), score;

    for (int i = 0; i < PHOTOS; i++) {
        assert_ok(tmb_images_sample(f.images, i, 0, x));
        assert_ok(tmb_model_predict(f.net, x, 1, &score));
        assert_true(score == f.e.probabilities[2 * i + 1]);
    }
    fixture_free(&f);
}

/* A photo in memory, of the size that is kept: nothing to reduce on the way. */
TEST(predict_image_and_bytes_equal_file)
{
    fixture f = trained();
    tmb_predictor *p = predictor_of(f.net, NULL, 1);
    const char *path = test_temp("toys/validation/ring/1001.bmp");
    float by_file[2], by_image[2];
    tmb_image image;
    tmb__bytes file;

    assert_ok(tmb_image_read(&image, path, NULL, NULL));
    assert_ok(tmb_predict_file(p, path, by_file));
    assert_ok(tmb_predict_image(p, &image, by_image));
    assert_memory_equal(by_file, by_image, sizeof by_file);
    assert_ok(tmb__file_read(&file, path, 1 << 20, TMB_EDATA));
    assert_ok(tmb_predict_bytes(p, file.data, file.size, by_image));
    assert_memory_equal(by_file, by_image, sizeof by_file);
    assert_status(tmb_predict_bytes(p, NULL, 1, by_image), TMB_EINVAL);
    tmb__free(file.data);
    tmb_image_free(&image);
    tmb_predictor_free(p);
    fixture_free(&f);
}

/* ---- faults ---- */

TEST(predict_files_go_on_past_a_bad_one)
{
    fixture f = trained();
    tmb_predictor *p = predictor_of(f.net, NULL, 3);
    const char *paths[] = {
            f.paths[0], test_temp("broken.jpg"), f.paths[7], test_temp("absent.png"), f.paths[3]};
    const int photo[] = {0, -1, 7, -1, 3};
    float probabilities[10];
    char *messages[5];
    int status[5];

    test_write(paths[1], "\xff\xd8 no more", 10);
    assert_ok(tmb_predict_files(p, paths, 5, probabilities, status, messages));
    for (int i = 0; i < 5; i++) {
        if (photo[i] >= 0) {
            assert_true(status[i] == 0 && !messages[i]);
            assert_memory_equal(
                    probabilities + 2 * i, f.e.probabilities + 2 * photo[i], 2 * sizeof(float));
            continue;
        }
        assert_int_equal(status[i], TMB_EDATA);
        assert_non_null(strstr(messages[i], i == 1 ? "broken.jpg" : "absent.png"));
        assert_true(probabilities[2 * i] == 0 && probabilities[2 * i + 1] == 0);
        tmb_free(messages[i]);
    }
    tmb_predictor_free(p);
    fixture_free(&f);
}

TEST(predict_refuses_wrong_arguments)
{
    fixture f = trained();
    tmb_predictor *p;
    tmb_model *bare = toy_net(1);
    tmb_image grey;
    float probabilities[2];

    assert_status(tmb_predictor_new(&p, NULL, NULL, 1), TMB_EINVAL);
    assert_status(tmb_predictor_new(NULL, f.net, NULL, 1), TMB_EINVAL);
    assert_status(tmb_predictor_new(&p, bare, NULL, 1), TMB_EMODEL);
    assert_null(p);
    p = predictor_of(f.net, NULL, 0);
    assert_status(tmb_predict_file(p, NULL, probabilities), TMB_EINVAL);
    assert_status(tmb_predict_image(p, NULL, probabilities), TMB_EINVAL);
    assert_status(tmb_predict_file(p, test_temp("none"), probabilities), TMB_EDATA);
    assert_ok(tmb__image_new(&grey, 30, 30, 1));
    assert_status(tmb_predict_image(p, &grey, probabilities), TMB_EINVAL);
    tmb_image_free(&grey);
    tmb_predictor_free(p);
    tmb_predictor_free(NULL);
    tmb_model_free(bare);
    fixture_free(&f);
}

/* ---- threads ---- */

typedef struct worker {
    const fixture *f;
    tmb_predictor *p;
    int first, wrong;
} worker;

/* Every photo a few times, each worker in an order of its own. */
static void work(void *user)
{
    worker *w = user;
    float probabilities[2];

    for (int i = 0; i < 3 * PHOTOS; i++) {
        const int photo = (w->first + 5 * i) % PHOTOS;

        w->wrong += tmb_predict_file(w->p, w->f->paths[photo], probabilities) < 0 ||
                memcmp(probabilities, w->f->e.probabilities + 2 * photo, sizeof probabilities) != 0;
    }
}

/* One model; a predictor for each thread, on devices of their own or on one. */
static void many_threads(tmb_device *device)
{
    enum { WORKERS = 4 };
    fixture f = trained();
    worker workers[WORKERS];
    tmb__thread *threads[WORKERS];

    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (worker){.f = &f, .p = predictor_of(f.net, device, 1), .first = i};
        assert_ok(tmb__thread_start(&threads[i], work, &workers[i]));
    }
    for (int i = 0; i < WORKERS; i++) {
        tmb__thread_join(threads[i]);
        assert_int_equal(workers[i].wrong, 0);
        tmb_predictor_free(workers[i].p);
    }
    fixture_free(&f);
}

TEST(predict_on_many_threads_and_devices)
{
    many_threads(NULL);
}

TEST(predict_on_many_threads_of_one_device)
{
    tmb_device *device = device_of(2);

    many_threads(device);
    tmb_device_free(device);
}

/* ---- memory ---- */

TEST(predict_image_allocates_nothing)
{
    fixture f = trained();
    tmb_predictor *p = predictor_of(f.net, NULL, 1);
    float probabilities[2];
    uint64_t allocs = 0;
    tmb_image image;

    assert_ok(tmb_image_read(&image, f.paths[0], NULL, NULL));
    for (int i = 0; i < 20; i++) {
        if (i == 2) allocs = tmb__alloc_count();
        assert_ok(tmb_predict_image(p, &image, probabilities));
    }
    assert_int_equal(tmb__alloc_count(), allocs);
    tmb_image_free(&image);
    tmb_predictor_free(p);
    fixture_free(&f);
}
