/* test_loader.c - batches: order, threads, epochs, resuming, memory, files that vanish */
#include "data/images.h"
#include "photos.h"

#include <string.h>
#include <unistd.h>

enum { PHOTOS = 23, BATCH = 4, BATCHES = 6, FLOATS = 12 * 10 * 3 };

static const tmb_images_opts plain = {
        .size = {12, 10}, .batch = BATCH, .threads = 1, .rescale = 1 / 255.0F};
static const tmb_images_opts varied = {.size = {12, 10},
        .batch = BATCH,
        .threads = 1,
        .rescale = 1 / 255.0F,
        .shuffle = true,
        .seed = 11,
        .augment = {.rotation = 20, .zoom = {0.8F, 1.2F}, .horizontal_flip = true, .gain = 0.1F}};

typedef struct epoch_copy {
    int n;
    int64_t index[PHOTOS];
    int32_t label[PHOTOS];
    float x[PHOTOS][FLOATS];
} epoch_copy;

static const char *make_set(void)
{
    photos_write("set/a", 0, 12);
    photos_write("set/b", 40, PHOTOS - 12);
    return test_temp("set");
}

/* All batches from `first` on, one behind the other. */
static void read_epoch(tmb_images *images, int64_t epoch, int64_t first, epoch_copy *out)
{
    tmb_batch batch;

    memset(out, 0, sizeof *out);
    assert_ok(tmb_images_epoch(images, epoch, first));
    while (tmb_images_next(images, &batch) == 1) {
        assert_true(out->n + batch.count <= PHOTOS);
        assert_int_equal((uintptr_t)batch.x % 64, 0);
        memcpy(out->index + out->n, batch.index, (size_t)batch.count * sizeof *batch.index);
        memcpy(out->label + out->n, batch.label, (size_t)batch.count * sizeof *batch.label);
        memcpy(out->x[out->n], batch.x, (size_t)batch.count * sizeof out->x[0]);
        out->n += batch.count;
    }
    assert_int_equal(tmb_images_next(images, &batch), 0);
}

static void read_once(const char *set, const tmb_images_opts *opts, int64_t epoch, epoch_copy *out)
{
    tmb_images *images = images_open(set, opts);

    read_epoch(images, epoch, 0, out);
    tmb_images_free(images);
}

TEST(loader_gives_every_photo_once)
{
    static epoch_copy all;
    bool seen[PHOTOS] = {0};

    read_once(make_set(), &varied, 0, &all);
    assert_int_equal(all.n, PHOTOS);
    for (int i = 0; i < PHOTOS; i++) {
        assert_false(seen[all.index[i]]);
        seen[all.index[i]] = true;
        assert_int_equal(all.label[i], all.index[i] >= 12);
    }
}

TEST(loader_batches_have_their_size)
{
    tmb_images *images = images_open(make_set(), &plain);
    tmb_batch batch;

    assert_status(tmb_images_next(images, &batch), TMB_EINVAL);
    assert_ok(tmb_images_epoch(images, 0, 0));
    for (int i = 0; i < BATCHES; i++) {
        assert_int_equal(tmb_images_next(images, &batch), 1);
        assert_int_equal(batch.count, i < 5 ? BATCH : 3);
        assert_int_equal(batch.index[0], i * BATCH);
    }
    assert_int_equal(tmb_images_next(images, &batch), 0);
    tmb_images_free(images);
}

TEST(loader_does_not_depend_on_threads)
{
    static epoch_copy one, many;
    const char *set = make_set();
    tmb_images_opts opts = varied;

    for (int epoch = 0; epoch < 2; epoch++) {
        opts.threads = 1;
        read_once(set, &opts, epoch, &one);
        for (int threads = 2; threads <= 4; threads += 2) {
            opts.threads = threads;
            read_once(set, &opts, epoch, &many);
            assert_memory_equal(&one, &many, sizeof one);
        }
    }
}

TEST(loader_does_not_depend_on_the_cache)
{
    static epoch_copy kept, again;
    const char *set = make_set();
    tmb_images_opts opts = varied;

    read_once(set, &opts, 3, &kept);
    opts.cache_bytes = 1;
    read_once(set, &opts, 3, &again);
    assert_memory_equal(&kept, &again, sizeof kept);
    opts.cache_bytes = 7 * FLOATS + 5;
    read_once(set, &opts, 3, &again);
    assert_memory_equal(&kept, &again, sizeof kept);
}

TEST(loader_epochs_differ_and_repeat)
{
    static epoch_copy first, second, again;
    tmb_images *images = images_open(make_set(), &varied);

    read_epoch(images, 0, 0, &first);
    read_epoch(images, 1, 0, &second);
    read_epoch(images, 0, 0, &again);
    assert_memory_not_equal(first.index, second.index, sizeof first.index);
    assert_memory_equal(&first, &again, sizeof first);
    tmb_images_free(images);
}

/* Begun at batch k, an epoch is the tail of the whole one. */
TEST(loader_resumes_inside_an_epoch)
{
    static epoch_copy whole, tail;
    tmb_images *images = images_open(make_set(), &varied);

    read_epoch(images, 5, 0, &whole);
    for (int k = 0; k <= BATCHES; k++) {
        const int skipped = TMB_MIN(k * BATCH, PHOTOS);

        read_epoch(images, 5, k, &tail);
        assert_int_equal(tail.n, PHOTOS - skipped);
        assert_memory_equal(tail.index, whole.index + skipped, (size_t)tail.n * sizeof *tail.index);
        assert_memory_equal(tail.x, whole.x[skipped], (size_t)tail.n * sizeof tail.x[0]);
    }
    assert_status(tmb_images_epoch(images, 5, BATCHES + 1), TMB_EINVAL);
    assert_status(tmb_images_epoch(images, -1, 0), TMB_EINVAL);
    tmb_images_free(images);
}

/* An epoch may be broken off anywhere, by another one or by the end. */
TEST(loader_may_be_broken_off)
{
    static epoch_copy whole, again;
    const char *set = make_set();
    tmb_batch batch;

    read_once(set, &varied, 1, &whole);
    for (int taken = 0; taken < 4; taken++) {
        tmb_images *images = images_open(set, &varied);

        assert_ok(tmb_images_epoch(images, 0, 0));
        for (int i = 0; i < taken; i++)
            assert_int_equal(tmb_images_next(images, &batch), 1);
        read_epoch(images, 1, 0, &again);
        assert_memory_equal(&whole, &again, sizeof whole);
        assert_ok(tmb_images_epoch(images, 0, 0));
        for (int i = 0; i < taken; i++)
            assert_int_equal(tmb_images_next(images, &batch), 1);
        tmb_images_free(images);
    }
}

TEST(loader_sample_equals_batch)
{
    static epoch_copy all;
    tmb_images *images = images_open(make_set(), &varied);
    float x[FLOATS];

    read_epoch(images, 2, 0, &all);
    for (int i = 0; i < PHOTOS; i++) {
        assert_ok(tmb_images_sample(images, all.index[i], 2, x));
        assert_memory_equal(x, all.x[i], sizeof x);
    }
    assert_status(tmb_images_sample(images, PHOTOS, 0, x), TMB_EINVAL);
    tmb_images_free(images);
}

TEST(loader_allocates_nothing_after_the_first_epoch)
{
    tmb_images_opts opts = varied;
    static epoch_copy copy;
    tmb_images *images;
    uint64_t before;

    opts.threads = 2;
    images = images_open(make_set(), &opts);
    read_epoch(images, 0, 0, &copy);
    before = tmb__alloc_count();
    for (int epoch = 1; epoch < 4; epoch++)
        read_epoch(images, epoch, 0, &copy);
    assert_int_equal(tmb__alloc_count(), before);
    tmb_images_free(images);
}

/* Not kept in memory and gone from the disk: left out, told, and above the limit the epoch ends. */
TEST(loader_file_vanishes)
{
    static epoch_copy all;
    tmb_images_opts opts = plain;
    tmb_images *images;
    tmb_batch batch;
    int status = 1;

    opts.cache_bytes = 1;
    images = images_open(make_set(), &opts);
    assert_int_equal(unlink(test_temp("set/a/0005.png")), 0);
    read_epoch(images, 0, 0, &all);
    assert_int_equal(all.n, PHOTOS - 1);
    assert_int_equal(all.index[4], 4);
    assert_int_equal(all.index[5], 6);
    assert_int_equal(tmb_images_notices(images), 1);
    assert_string_equal(tmb_images_notice(images, 0)->path, "a/0005.png");
    assert_non_null(strstr(tmb_images_notice(images, 0)->text, "left out of epoch 0"));
    assert_int_equal(unlink(test_temp("set/b/0000.png")), 0);
    assert_ok(tmb_images_epoch(images, 1, 0));
    while (status == 1)
        status = tmb_images_next(images, &batch);
    assert_int_equal(status, TMB_EDATA);
    assert_message("2 of 23 images can no longer be read");
    assert_int_equal(tmb_images_next(images, &batch), 0);
    tmb_images_free(images);
}

TEST(loader_file_replaced)
{
    static epoch_copy before, after;
    tmb_images_opts opts = plain;
    tmb_images *images;

    opts.cache_bytes = 1;
    images = images_open(make_set(), &opts);
    read_epoch(images, 0, 0, &before);
    assert_int_equal(tmb_images_notices(images), 0);
    photo_write(90, "set/a/0005.png");
    photo_write(91, "set/a/0006.png");
    read_epoch(images, 1, 0, &after);
    assert_int_equal(after.n, PHOTOS);
    assert_memory_not_equal(before.x[5], after.x[5], sizeof before.x[5]);
    assert_int_equal(tmb_images_notices(images), 1); /* once an epoch */
    assert_string_equal(tmb_images_notice(images, 0)->path, "a/0005.png");
    assert_non_null(strstr(tmb_images_notice(images, 0)->text, "replaced before epoch 1"));
    tmb_images_free(images);
}

TEST(loader_every_allocation_may_fail)
{
    tmb_images *images = images_open(make_set(), &varied);

    for (int64_t n = 0;; n++) {
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_images_epoch(images, 0, 0);
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
    }
    tmb_images_free(images);
}

TEST(loader_no_thread)
{
    tmb_images *images = images_open(make_set(), &varied);

    test_fail_from(TMB_GATE_THREAD, 0, 1);
    assert_status(tmb_images_epoch(images, 0, 0), TMB_ENOMEM);
    assert_true(test_fail_end());
    assert_ok(tmb_images_epoch(images, 0, 0));
    tmb_images_free(images);
}

/* A NULL is an error, or stands for an empty data set; it never ends the program. */
TEST(images_take_null)
{
    tmb_images *images = images_open(make_set(), &plain);
    tmb_image image;
    tmb_batch batch;
    float x[FLOATS];

    assert_int_equal(tmb_images_count(NULL), 0);
    assert_int_equal(tmb_images_batch(NULL), 0);
    assert_int_equal(tmb_images_classes(NULL), 0);
    assert_int_equal(tmb_images_label(NULL, 0), -1);
    assert_int_equal(tmb_images_notices(NULL), 0);
    assert_null(tmb_images_notice(NULL, 0));
    assert_null(tmb_images_class_name(NULL, 0));
    assert_null(tmb_images_path(NULL, 0));
    assert_null(tmb_images_key(NULL, 0));
    assert_null(tmb_images_preprocess(NULL));
    assert_null(tmb_images_fingerprint(NULL));
    assert_status(tmb_images_epoch(NULL, 0, 0), TMB_EINVAL);
    assert_status(tmb_images_next(NULL, &batch), TMB_EINVAL);
    assert_status(tmb_images_next(images, NULL), TMB_EINVAL);
    assert_status(tmb_images_sample(NULL, 0, 0, x), TMB_EINVAL);
    assert_status(tmb_images_sample(images, 0, 0, NULL), TMB_EINVAL);
    assert_status(tmb_images_photo(NULL, 0, &image), TMB_EINVAL);
    assert_status(tmb_images_photo(images, 0, NULL), TMB_EINVAL);
    assert_status(tmb_images_preview(NULL, 1, 1, &image), TMB_EINVAL);
    assert_status(tmb_images_preview(images, 1, 1, NULL), TMB_EINVAL);
    tmb_images_free(images);
}
