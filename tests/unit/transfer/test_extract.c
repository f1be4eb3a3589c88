/* test_extract.c - features of a data set: rows, views, groups, what is known of them */
#include "unit/train/train_test.h"

#include "transfer/transfer.h"

#include <unistd.h>

/* A small net that gives 6 numbers, or with its places (5, 5, 6). */
static tmb_model *small_net(bool pooled)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, TOY_SIDE, TOY_SIDE, 3));
    tmb_conv2d(net, .filters = 6, .kernel = {4, 4}, .stride = {5, 5}, .activation = TMB_RELU);
    if (pooled) tmb_global_avgpool2d(net);
    assert_ok(tmb_model_check(net));
    return net;
}

static tmb_images *photos_of(const char *path, bool augmented)
{
    tmb_images_opts opts = {
            .batch = 5, .size = {TOY_SIDE, TOY_SIDE}, .threads = 2, .rescale = 0.01f};
    tmb_images *images;

    opts.shuffle = true;
    if (augmented) opts.augment = (tmb_augment){.rotation = 30, .horizontal_flip = true};
    assert_ok(tmb_images_open(&images, path, &opts));
    return images;
}

static void assert_row(const tmb_features *f, int64_t row, const float *expected, int d)
{
    for (int j = 0; j < d; j++)
        assert_near(f->x[row * d + j], expected[j], 1e-5);
}

TEST(extract_rows_in_order)
{
    const char *path = toys_draw("toys", 2, 7);
    tmb_images *images = photos_of(test_temp("toys/train"), false);
    tmb_model *net = small_net(true);
    float x[TOY_SIDE * TOY_SIDE * 3], y[6];
    tmb_features f;

    (void)path;
    assert_ok(tmb_model_features(&f, net, images, NULL));
    assert_int_equal(f.n, 14);
    assert_int_equal(f.shape[0], 6);
    assert_int_equal(f.shape[1], 0);
    assert_int_equal(f.views, 1);
    assert_int_equal(f.classes, 2);
    assert_string_equal(f.class_names[1], "ring");
    assert_null(f.backbone);
    assert_int_equal(strlen(f.fingerprint), 64);
    for (int i = 0; i < 14; i++) {
        assert_int_equal(f.label[i], tmb_images_label(images, i));
        assert_string_equal(f.keys[i], tmb_images_key(images, i));
        assert_ok(tmb_images_sample(images, i, 0, x));
        assert_ok(tmb_model_predict(net, x, 1, y));
        assert_row(&f, i, y, 6);
    }
    tmb_images_free(images); /* the features keep their names */
    assert_string_equal(f.keys[13], "ring/006.bmp");
    tmb_features_free(&f);
    tmb_model_free(net);
}

/* Plain, mirrored, and two epochs, whatever order these come in. */
TEST(extract_views_side_by_side)
{
    const char *path = toys_draw("toys", 2, 6);
    tmb_images *images = photos_of(test_temp("toys/train"), true);
    tmb_model *net = small_net(false);
    float x[TOY_SIDE * TOY_SIDE * 3], mirrored[TOY_SIDE * TOY_SIDE * 3], y[150];
    tmb_features f, plain;

    (void)path;
    assert_ok(tmb_model_features(
            &f, net, images, &(tmb_extract_opts){.flip = true, .augmented = 2, .batch = 3}));
    assert_ok(tmb_model_features(&plain, net, images, NULL));
    assert_int_equal(f.views, 4);
    assert_int_equal(f.n, 48);
    assert_memory_equal(f.shape, ((int[]){5, 5, 6}), sizeof f.shape);
    assert_string_equal(f.fingerprint, plain.fingerprint);
    for (int i = 0; i < 12; i++) {
        assert_row(&f, 4 * i, plain.x + 150 * i, 150);
        for (int v = 0; v < 4; v++) {
            assert_int_equal(f.label[4 * i + v], plain.label[i]);
            assert_string_equal(f.keys[4 * i + v], plain.keys[i]);
        }
        for (int epoch = 0; epoch < 2; epoch++) {
            assert_ok(tmb_images_sample(images, i, epoch, x));
            assert_ok(tmb_model_predict(net, x, 1, y));
            assert_row(&f, 4 * i + 2 + epoch, y, 150);
        }
    }
    tmb_images_free(images);
    images = photos_of(test_temp("toys/train"), false);
    assert_ok(tmb_images_sample(images, 3, 0, x));
    tmb__mirror(mirrored, x, TOY_SIDE, TOY_SIDE, 3);
    assert_ok(tmb_model_predict(net, mirrored, 1, y));
    assert_row(&f, 4 * 3 + 1, y, 150);
    tmb_features_free(&f);
    tmb_features_free(&plain);
    tmb_images_free(images);
    tmb_model_free(net);
}

/* Groups hold all views of a photo and its copy in another class; they survive the round trip. */
TEST(extract_groups_copies)
{
    tmb_model *net = small_net(true);
    tmb_features f, read;
    tmb_images *images;
    int64_t copy = -1;

    toys_draw("toys", 2, 5);
    {
        const tmb__bytes bytes = file_bytes(test_temp("toys/train/disc/002.bmp"));

        test_write(test_temp("toys/train/ring/twin.bmp"), bytes.data, bytes.size);
    }
    images = photos_of(test_temp("toys/train"), false);
    assert_ok(tmb_model_features(&f, net, images, &(tmb_extract_opts){.flip = true}));
    for (int64_t i = 0; i < f.n; i++) {
        if (strcmp(f.keys[i], "ring/twin.bmp") == 0) copy = i;
        assert_int_equal(f.group[i], f.group[i / 2 * 2]);
    }
    assert_true(copy > 0);
    for (int64_t i = 0; i < f.n; i++)
        assert_int_equal(f.group[i] == f.group[copy],
                strcmp(f.keys[i], "disc/002.bmp") == 0 || strcmp(f.keys[i], "ring/twin.bmp") == 0);
    assert_ok(tmb_features_save(&f, test_temp("f.npy")));
    assert_ok(tmb_features_open(&read, test_temp("f.npy"), &f));
    assert_memory_equal(read.x, f.x, (size_t)f.n * 6 * sizeof(float));
    tmb_features_free(&read);
    tmb_features_free(&f);
    tmb_images_free(images);
    tmb_model_free(net);
}

/* Frozen or not is all the same; other weights or pixels are not. */
TEST(extract_fingerprint)
{
    tmb_model *net = small_net(true);
    tmb_images *images;
    tmb_features f[3];
    tmb_preprocess other;

    toys_draw("toys", 2, 3);
    images = photos_of(test_temp("toys/train"), false);
    assert_ok(tmb_model_features(&f[0], net, images, NULL));
    assert_ok(tmb_model_freeze(net, NULL, false));
    assert_ok(tmb_model_features(&f[1], net, images, NULL));
    assert_string_equal(f[0].fingerprint, f[1].fingerprint);
    tmb_features_free(&f[1]);
    net->weights[0] += 1;
    tmb__model_touch(net);
    assert_ok(tmb_model_features(&f[1], net, images, NULL));
    assert_string_not_equal(f[0].fingerprint, f[1].fingerprint);
    other = *tmb_images_preprocess(images);
    tmb_images_free(images);
    other.offset[1] = -1;
    assert_ok(tmb_images_open(
            &images, test_temp("toys/train"), &(tmb_images_opts){.preprocess = &other}));
    assert_ok(tmb_model_features(&f[2], net, images, NULL));
    assert_string_not_equal(f[1].fingerprint, f[2].fingerprint);
    for (int i = 0; i < 3; i++)
        tmb_features_free(&f[i]);
    tmb_images_free(images);
    tmb_model_free(net);
}

/* One of the photos vanishes after it was listed, and no memory keeps it. */
TEST(extract_leaves_out_what_has_vanished)
{
    tmb_model *net = small_net(true);
    tmb_images *images;
    tmb_features f;

    toys_draw("toys", 2, 6);
    assert_ok(tmb_images_open(&images, test_temp("toys/train"),
            &(tmb_images_opts){.size = {TOY_SIDE, TOY_SIDE},
                    .batch = 4,
                    .cache_bytes = 1,
                    .bad_limit = 0.5f}));
    assert_int_equal(unlink(test_temp("toys/train/disc/003.bmp")), 0);
    assert_ok(tmb_model_features(&f, net, images, &(tmb_extract_opts){.flip = true}));
    assert_int_equal(f.n, 22);
    assert_string_equal(f.keys[5], "disc/002.bmp");
    assert_string_equal(f.keys[6], "disc/004.bmp");
    assert_true(tmb_images_notices(images) > 0);
    tmb_features_free(&f);
    tmb_images_free(images);
    tmb_model_free(net);
}

static void note(void *user, int64_t done, int64_t total)
{
    int64_t *seen = user;

    assert_true(done > seen[0] && done <= total);
    seen[0] = done;
    seen[1] = total;
}

TEST(extract_reports_and_stops)
{
    tmb_model *net = small_net(true);
    const volatile int stop = 1;
    int64_t seen[2] = {0};
    tmb_images *images;
    tmb_features f;

    toys_draw("toys", 2, 6);
    images = photos_of(test_temp("toys/train"), false);
    assert_ok(tmb_model_features(
            &f, net, images, &(tmb_extract_opts){.flip = true, .on_progress = note, .user = seen}));
    assert_int_equal(seen[0], 24);
    assert_int_equal(seen[1], 24);
    tmb_features_free(&f);
    assert_status(
            tmb_model_features(&f, net, images, &(tmb_extract_opts){.stop = &stop}), TMB_ESTOPPED);
    assert_null(f.x);
    assert_status(
            tmb_model_features(&f, net, images, &(tmb_extract_opts){.augmented = -1}), TMB_EINVAL);
    assert_status(tmb_model_features(&f, NULL, images, NULL), TMB_EINVAL);
    tmb_model_free(net);
    assert_ok(tmb_model_new(&net, 8, 8, 3));
    tmb_global_avgpool2d(net);
    assert_status(tmb_model_features(&f, net, images, NULL), TMB_EINVAL);
    assert_message("(8, 8, 3)");
    tmb_images_free(images);
    tmb_model_free(net);
}

/* More photos, no more memory calls. */
TEST(extract_allocates_nothing_by_batch)
{
    uint64_t calls[2];
    tmb_model *net = small_net(true);

    toys_draw("few", 2, 6);
    toys_draw("many", 2, 36);
    for (int i = 0; i < 2; i++) {
        tmb_images *images = photos_of(test_temp(i ? "many/train" : "few/train"), false);
        tmb_features f;

        assert_ok(tmb_model_features(&f, net, images, NULL)); /* the loader begins */
        tmb_features_free(&f);
        calls[i] = tmb__alloc_count();
        assert_ok(tmb_model_features(&f, net, images, NULL));
        calls[i] = tmb__alloc_count() - calls[i];
        tmb_features_free(&f);
        tmb_images_free(images);
    }
    assert_int_equal(calls[0], calls[1]);
    tmb_model_free(net);
}
