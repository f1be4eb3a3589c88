/* test_from_memory.c - pictures in memory: keras.md 1.10, parts, classes, what is refused */
#include "data/images.h"
#include "photos.h"

#include <math.h>

enum { N = 5, FLOATS = 6 * 6 * 3 };

static uint8_t pixels[N * FLOATS];
static float floats[N * FLOATS];
static const int32_t label[N] = {0, 1, 2, 3, 4};

static tmb_memory make_memory(bool bytes)
{
    for (int i = 0; i < N * FLOATS; i++) {
        const int n = i / FLOATS, r = i / 18 % 6, c = i / 3 % 6, k = i % 3;

        pixels[i] = (uint8_t)(37 * n + 7 * r + 13 * c + 29 * k);
        floats[i] = pixels[i];
    }
    return (tmb_memory){.n = N,
            .height = 6,
            .width = 6,
            .channels = 3,
            .x = bytes ? NULL : floats,
            .pixels = bytes ? pixels : NULL,
            .label = label};
}

static const tmb_images_opts preview = {.batch = 2,
        .threads = 1,
        .rescale = 1 / 255.0F,
        .shuffle = true,
        .seed = 42,
        .rng = TMB_RNG_NUMPY,
        .augment = {.preset = TMB_PRESET_KERAS3,
                .rotation = 40,
                .width_shift = 0.2F,
                .height_shift = 0.2F,
                .shear = 0.2F,
                .zoom = {0.8F, 1.2F},
                .horizontal_flip = true}};

static void check_batch(const tmb_batch *batch, const int *labels, double expected)
{
    double sum = 0;

    for (int i = 0; i < batch->count; i++)
        assert_int_equal(batch->label[i], labels[i]);
    for (int i = 0; i < batch->count * FLOATS; i++)
        sum += (double)batch->x[i];
    /* Printed with six digits, of ranges that are floats here. */
    if (!(fabs(sum - expected) <= 2e-5)) fail_msg("%.6f, expected %.6f", sum, expected);
}

static void check_flow(bool bytes, tmb_preset preset, const double *sums)
{
    static const int labels[6][2] = {{1, 4}, {2, 0}, {3}, {1, 4}, {2, 0}, {1, 4}};
    const tmb_memory memory = make_memory(bytes);
    tmb_images_opts opts = preview;
    tmb_images *images;
    tmb_batch batch;

    opts.augment.preset = preset;
    assert_ok(tmb_images_from_memory(&images, &memory, &opts));
    for (int i = 0; i < 4; i++) {
        if (i % 3 == 0) assert_ok(tmb_images_epoch(images, i / 3, 0));
        assert_int_equal(tmb_images_next(images, &batch), 1);
        check_batch(&batch, labels[i], sums[i]);
    }
    tmb_images_free(images);
    if (preset != TMB_PRESET_KERAS3) return;
    assert_ok(tmb_images_from_memory(&images, &memory, &opts));
    for (int i = 4; i < 6; i++) {
        assert_ok(tmb_images_item(images, 5 - i, &batch));
        check_batch(&batch, labels[i], sums[i]);
    }
    assert_status(tmb_images_item(images, 3, &batch), TMB_EINVAL);
    tmb_images_free(images);
}

TEST(from_memory_flow)
{
    static const double keras3[6] = {
            114.651087, 95.144662, 75.582772, 122.473706, 105.024490, 118.685557};
    static const double keras2[4] = {111.989445, 96.985413, 77.751779, 125.401508};

    for (int bytes = 0; bytes < 2; bytes++) {
        check_flow(bytes, TMB_PRESET_KERAS3, keras3);
        check_flow(bytes, TMB_PRESET_KERAS2, keras2);
    }
}

/* Reset begins another pass, but the batches so far count for the seed: after two of them the next
 * order is that of permutation(5) with seed 44. */
TEST(from_memory_reset)
{
    static const tmb_augment none = {.preset = TMB_PRESET_KERAS3};
    const tmb_memory memory = make_memory(true);
    tmb_images_opts opts = preview;
    tmb__mt19937 mt;
    tmb__rng rng = tmb__mt_rng(&mt);
    int64_t order[N], epoch_order[N];
    tmb_images *images;
    tmb_batch batch;

    opts.augment = none;
    assert_ok(tmb_images_from_memory(&images, &memory, &opts));
    tmb__mt_seed(&mt, 44);
    tmb__rng_permute(&rng, order, N);
    assert_ok(tmb_images_epoch(images, 0, 0));
    for (int i = 0; i < 2; i++)
        assert_int_equal(tmb_images_next(images, &batch), 1);
    assert_ok(tmb_images_reset(images));
    for (int i = 0; i < N; i += batch.count) {
        assert_int_equal(tmb_images_next(images, &batch), 1);
        for (int k = 0; k < batch.count; k++)
            assert_int_equal(batch.index[k], order[i + k]);
    }
    tmb_images_free(images);
    opts.rng = TMB_RNG_PHILOX; /* there it is the next epoch */
    assert_ok(tmb_images_from_memory(&images, &memory, &opts));
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < 2; i++)
            assert_ok(pass ? tmb_images_epoch(images, 1, 0) : tmb_images_reset(images));
        for (int i = 0; i < N; i += batch.count) {
            assert_int_equal(tmb_images_next(images, &batch), 1);
            for (int k = 0; k < batch.count; k++) {
                if (!pass) epoch_order[i + k] = batch.index[k];
                assert_int_equal(batch.index[k], epoch_order[i + k]);
            }
        }
    }
    tmb_images_free(images);
}

/* Batches by their number are those of the epoch, in any order. */
TEST(from_memory_items_are_batches)
{
    const tmb_memory memory = make_memory(true);
    tmb_images_opts opts = preview;
    float x[2 * FLOATS];
    tmb_images *images;
    tmb_batch batch;

    opts.rng = TMB_RNG_PHILOX;
    assert_ok(tmb_images_from_memory(&images, &memory, &opts));
    for (int epoch = 0; epoch < 2; epoch++) {
        for (int b = 2; b >= 0; b--) {
            size_t bytes;

            assert_ok(tmb_images_item(images, b, &batch));
            bytes = (size_t)batch.count * FLOATS * sizeof *x;
            memcpy(x, batch.x, bytes);
            assert_ok(tmb_images_epoch(images, epoch, b));
            assert_int_equal(tmb_images_next(images, &batch), 1);
            assert_memory_equal(x, batch.x, bytes);
        }
        assert_ok(tmb_images_epoch_end(images));
    }
    tmb_images_free(images);
}

TEST(from_memory_parts)
{
    static const int32_t both[N] = {1, 0, 1, 1, 0}, sorted[N] = {0, 0, 0, 1, 1};
    static const float weight[N] = {1, 2, 3, 4, 5};
    static const char *const names[] = {"cat", "dog", NULL};
    tmb_memory memory = make_memory(true);
    tmb_images_opts opts = {.batch = 5, .threads = 1, .val_split = 0.4F, .part = TMB_TRAIN};
    tmb_images *images;
    tmb_batch batch;

    memory.label = sorted;
    assert_status(tmb_images_from_memory(&images, &memory, &opts), TMB_EDATA);
    assert_message("class 1 is on one side of the split only");
    memory.ignore_class_split = true;
    assert_ok(tmb_images_from_memory(&images, &memory, &opts));
    tmb_images_free(images);
    memory.ignore_class_split = false;
    memory.label = both;
    memory.weight = weight;
    opts.classes = names;
    assert_ok(tmb_images_from_memory(&images, &memory, &opts));
    assert_int_equal(tmb_images_count(images), 3);
    assert_string_equal(tmb_images_key(images, 0), "2");
    assert_string_equal(tmb_images_class_name(images, 1), "dog");
    assert_ok(tmb_images_epoch(images, 0, 0));
    assert_int_equal(tmb_images_next(images, &batch), 1);
    for (int i = 0; i < 3; i++)
        assert_true(batch.weight[i] == (float)(3 + i) && batch.y[i] == (float)both[2 + i]);
    for (int i = 0; i < 3 * FLOATS; i++)
        assert_true(batch.x[i] == floats[2 * FLOATS + i]);
    tmb_images_free(images);
    opts.part = TMB_VALIDATION;
    assert_ok(tmb_images_from_memory(&images, &memory, &opts));
    assert_int_equal(tmb_images_count(images), 2);
    tmb_images_free(images);
}

/* Not scaled: as floats, of any range; as a photo, what can be shown of them. */
TEST(from_memory_keeps_floats)
{
    tmb_memory memory = make_memory(false);
    const tmb_images_opts opts = {.batch = 5, .threads = 1, .class_mode = TMB_CLASS_NONE};
    tmb_images *images, *other;
    tmb_image photo;
    tmb_batch batch;

    floats[0] = -1000.25F;
    floats[1] = 0.4F;
    memory.label = NULL;
    assert_ok(tmb_images_from_memory(&images, &memory, &opts));
    assert_ok(tmb_images_epoch(images, 0, 0));
    assert_int_equal(tmb_images_next(images, &batch), 1);
    assert_memory_equal(batch.x, floats, sizeof floats);
    assert_null(batch.y);
    assert_int_equal(tmb_images_classes(images), 1);
    assert_ok(tmb_images_photo(images, 0, &photo));
    assert_int_equal(photo.pixels[0], 0);
    assert_int_equal(photo.pixels[2], 58);
    tmb_image_free(&photo);
    floats[0] = 3;
    assert_ok(tmb_images_from_memory(&other, &memory, &opts));
    assert_memory_not_equal(tmb_images_fingerprint(images), tmb_images_fingerprint(other), 32);
    tmb_images_free(other);
    tmb_images_free(images);
}

static void refuse(const tmb_memory *memory, const tmb_images_opts *opts, const char *message)
{
    tmb_images *images;

    assert_true(tmb_images_from_memory(&images, memory, opts) < 0);
    assert_null(images);
    assert_message(message);
}

TEST(from_memory_refuses)
{
    static const int32_t negative[N] = {0, 1, -1, 0, 0};
    static const float weight[N] = {1, (float)NAN, 1, 1, 1};
    static const char *const names[] = {"cat", "dog", NULL};
    const tmb_images_opts plain = {.batch = 2, .threads = 1};
    tmb_images_opts opts = plain;
    tmb_memory memory = make_memory(true);
    tmb_images *images;

    assert_status(tmb_images_from_memory(NULL, &memory, &opts), TMB_EINVAL);
    assert_status(tmb_images_from_memory(&images, NULL, &opts), TMB_EINVAL);
    assert_status(tmb_images_from_memory(&images, &memory, NULL), TMB_EINVAL);
    opts.size[0] = opts.size[1] = 8;
    refuse(&memory, &opts, "pictures of 6 x 6 x 3, the options say 8 x 8 x 3");
    opts = plain;
    opts.classes = names;
    refuse(&memory, &opts, "label 4, but 2 class names");
    opts = plain;
    opts.class_mode = TMB_CLASS_BINARY;
    refuse(&memory, &opts, "5 classes, class mode binary expects two");
    opts.class_mode = TMB_CLASS_RAW;
    refuse(&memory, &opts, "y is NULL or empty");
    opts = plain;
    opts.part = TMB_TEST;
    refuse(&memory, &opts, "no test part");
    memory.x = floats;
    refuse(&memory, &plain, "found both");
    memory.x = NULL;
    memory.label = NULL;
    refuse(&memory, &plain, "label is NULL");
    memory.label = negative;
    refuse(&memory, &plain, "label 2 is -1");
    memory.label = label;
    memory.weight = weight;
    refuse(&memory, &plain, "weight 1 is not finite");
    memory.channels = 2;
    refuse(&memory, &plain, "2 channels, expected 1, 3 or 4");
}

TEST(from_memory_every_allocation_may_fail)
{
    static const float y[N] = {1, 2, 3, 4, 5};
    tmb_memory memory = make_memory(false);
    tmb_images_opts opts = preview;

    memory.y = y;
    memory.y_width = 1;
    opts.class_mode = TMB_CLASS_RAW;
    opts.channels_first = true;
    for (int64_t n = 0;; n++) {
        tmb_images *images;
        tmb_batch batch;
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_images_from_memory(&images, &memory, &opts);
        if (status == 0) status = tmb_images_item(images, 0, &batch);
        if (status == 0) tmb_images_free(images);
        if (!test_fail_end()) break;
        if (status < 0) tmb_images_free(images);
        assert_int_equal(status, TMB_ENOMEM);
    }
}
