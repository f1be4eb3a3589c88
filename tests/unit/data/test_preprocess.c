/* test_preprocess.c - the way without randomness: sizes, fit rules, scale, Keras' directory golden */
#include "data/images.h"
#include "photos.h"

#include <math.h>
#include <string.h>

static double sum_of(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    return sum;
}

/* The photos of keras.md 2.7. */
static const char *make_golden_set(void)
{
    for (int n = 0; n < 5; n++) {
        char name[64];

        snprintf(name, sizeof name, n < 3 ? "set/cats/cat.%d.png" : "set/dogs/dog.%d.png", n % 3);
        photo_write(n, name);
    }
    return test_temp("set");
}

TEST(preprocess_keras_batches)
{
    const tmb_images_opts opts = {.size = {16, 16},
            .batch = 2,
            .rescale = 1 / 255.0F,
            .augment = {.preset = TMB_PRESET_KERAS3}};
    static const double sums[] = {824.78044, 738.52553, 349.63139};
    tmb_images *images = images_open(make_golden_set(), &opts);
    tmb_batch batch;

    assert_ok(tmb_images_epoch(images, 0, 0));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tmb_images_next(images, &batch), 1);
        assert_true(fabs(sum_of(batch.x, batch.count * 16 * 16 * 3) - sums[i]) < 1e-3);
    }
    tmb_images_free(images);
}

TEST(preprocess_keras_filters)
{
    static const struct {
        tmb_filter filter;
        tmb_fit_rule fit;
        int channels;
        double sum;
    } cases[] = {{TMB_BILINEAR, TMB_STRETCH, 3, 488344}, {TMB_BICUBIC, TMB_STRETCH, 3, 488218},
            {TMB_LANCZOS, TMB_STRETCH, 3, 488180}, {TMB_BILINEAR, TMB_CROP, 3, 493297},
            {TMB_NEAREST, TMB_STRETCH, 1, 164967}};
    const char *set = make_golden_set();

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        const tmb_images_opts opts = {.size = {16, 16},
                .batch = 5,
                .filter = cases[i].filter,
                .fit = cases[i].fit,
                .channels = cases[i].channels};
        tmb_images *images = images_open(set, &opts);
        tmb_batch batch;

        assert_ok(tmb_images_epoch(images, 0, 0));
        assert_int_equal(tmb_images_next(images, &batch), 1);
        assert_true(sum_of(batch.x, 5 * 16 * 16 * cases[i].channels) == cases[i].sum);
        tmb_images_free(images);
    }
}

/* A photo five times larger than the net's: by Keras' rules, which are nearest sampling or EXIF ignored,
 * every byte is that of decoding in full; else it is decoded at 1/2, which leaves the resize to halve it at least. */
TEST(preprocess_reduced_decoding_is_not_keras)
{
    static const struct {
        tmb_filter filter;
        bool ignore_exif, reduced;
    } cases[] = {{TMB_NEAREST, true, false}, {TMB_NEAREST, false, false},
            {TMB_BILINEAR, true, false}, {TMB_LANCZOS, true, false}, {TMB_BILINEAR, false, true}};
    const char *path = test_temp("large.jpg");
    tmb_image drawn, kept = {0};
    tmb__resizer rs = {0};

    assert_ok(tmb__image_new(&drawn, 90, 100, 3));
    for (int i = 0; i < 90 * 100 * 3; i++)
        drawn.pixels[i] = (uint8_t)(i % 251 * (i / 300 % 7));
    assert_ok(tmb_image_write(&drawn, path, 0));
    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        const tmb_preprocess pre = {.size = {18, 20},
                .channels = 3,
                .filter = cases[i].filter,
                .ignore_exif = cases[i].ignore_exif,
                .scale = {1, 1, 1}};
        tmb_image full, small;

        assert_ok(tmb__preprocess_read(&pre, &rs, path, NULL, &kept, NULL));
        assert_ok(tmb_image_read(&full, path, NULL, NULL));
        assert_ok(tmb_image_resize(&small, &full, 18, 20, cases[i].filter));
        assert_int_equal(memcmp(kept.pixels, small.pixels, 18 * 20 * 3) != 0, cases[i].reduced);
        tmb_image_free(&full);
        tmb_image_free(&small);
    }
    tmb__resizer_free(&rs);
    tmb_image_free(&drawn);
    tmb_image_free(&kept);
}

TEST(preprocess_pad_and_crop)
{
    tmb_preprocess pre = {.size = {10, 10}, .channels = 1, .filter = TMB_BOX, .scale = {1}};
    tmb_image photo, kept = {0};
    tmb__resizer rs = {0};

    assert_ok(tmb__image_new(&photo, 10, 20, 1));
    for (int i = 0; i < 200; i++)
        photo.pixels[i] = (uint8_t)(i % 20 < 5 || i % 20 >= 15 ? 200 : 40);
    pre.fit = TMB_CROP;
    assert_ok(tmb__preprocess_shrink(&pre, &rs, &photo, &kept));
    for (int i = 0; i < 100; i++)
        assert_int_equal(kept.pixels[i], 40);
    pre.fit = TMB_PAD;
    assert_ok(tmb__preprocess_shrink(&pre, &rs, &photo, &kept));
    for (int r = 0; r < 10; r++) {
        for (int c = 0; c < 10; c++) {
            const bool grey = r < 2 || r >= 7; /* 5 of 10 rows are the photo, from the third on */

            if (c == 2 || c == 7) continue;
            assert_int_equal(kept.pixels[10 * r + c], grey ? 128 : c < 2 || c > 7 ? 200 : 40);
        }
    }
    tmb_image_free(&photo);
    tmb_image_free(&kept);
    tmb__resizer_free(&rs);
}

/* Channel by channel, after the swap to BGR; mirrored; the middle of a kept photo with a margin. */
TEST(preprocess_run_scales_swaps_and_mirrors)
{
    const tmb_preprocess pre = {.size = {4, 4},
            .channels = 3,
            .scale = {1, 2, 3},
            .offset = {-10, -20, -30},
            .bgr = true,
            .margin = 0.5F};
    tmb_image kept;
    float x[4 * 4 * 3];
    int h, w;

    tmb__preprocess_keep(&pre, &h, &w);
    assert_int_equal(h, 6);
    assert_int_equal(w, 6);
    assert_ok(tmb__image_new(&kept, 6, 6, 3));
    for (int i = 0; i < 6 * 6 * 3; i++)
        kept.pixels[i] = (uint8_t)i;
    for (int mirrored = 0; mirrored < 2; mirrored++) {
        tmb__preprocess_run(&pre, &kept, mirrored, x);
        for (int i = 0; i < 16; i++) {
            const int r = 1 + i / 4, c = 1 + (mirrored ? 3 - i % 4 : i % 4), at = 3 * (6 * r + c);

            assert_true(x[3 * i] == (float)(at + 2) - 10);
            assert_true(x[3 * i + 1] == (float)(2 * (at + 1) - 20));
            assert_true(x[3 * i + 2] == (float)(3 * at - 30));
        }
    }
    tmb_image_free(&kept);
}

TEST(preprocess_options_are_checked)
{
    const tmb_preprocess good = {.size = {8, 8}, .channels = 3, .scale = {1, 1, 1}};
    tmb_preprocess pre = good;

    assert_ok(tmb__preprocess_check(&pre));
    pre.scale[1] = 0;
    assert_status(tmb__preprocess_check(&pre), TMB_EINVAL);
    pre = good;
    pre.channels = 1;
    pre.bgr = true;
    assert_status(tmb__preprocess_check(&pre), TMB_EINVAL);
    pre = good;
    pre.margin = 2;
    assert_status(tmb__preprocess_check(&pre), TMB_EINVAL);
    pre = good;
    pre.size[1] = 5000;
    assert_status(tmb__preprocess_check(&pre), TMB_EINVAL);
}

TEST(preprocess_read_names_the_file)
{
    const tmb_preprocess pre = {.size = {8, 8}, .channels = 3, .scale = {1, 1, 1}};
    tmb__resizer rs = {0};
    tmb_image kept = {0};

    test_write(test_temp("x.jpg"), "hello, this is text", 19);
    assert_status(
            tmb__preprocess_read(&pre, &rs, test_temp("x.jpg"), NULL, &kept, NULL), TMB_EDATA);
    assert_message("x.jpg: ");
    assert_status(
            tmb__preprocess_read(&pre, &rs, test_temp("y.jpg"), NULL, &kept, NULL), TMB_EDATA);
    assert_message("y.jpg");
    photo_write(0, "z.png");
    assert_ok(tmb__preprocess_read(&pre, &rs, test_temp("z.png"), NULL, &kept, NULL));
    assert_int_equal(kept.width, 8);
    tmb_image_free(&kept);
    tmb__resizer_free(&rs);
}

/* Training without augmentation and validation see the same bits. */
TEST(preprocess_is_what_the_loader_gives)
{
    const tmb_images_opts opts = {.size = {12, 12}, .batch = 5, .rescale = 1 / 255.0F};
    tmb_images *images = images_open(make_golden_set(), &opts);
    float x[12 * 12 * 3], y[12 * 12 * 3];
    tmb_image kept = {0}, shown;
    tmb__resizer rs = {0};

    for (int64_t i = 0; i < 5; i++) {
        assert_ok(tmb_images_sample(images, i, 0, x));
        assert_ok(tmb__preprocess_read(
                tmb_images_preprocess(images), &rs, tmb_images_path(images, i), NULL, &kept, NULL));
        tmb__preprocess_run(tmb_images_preprocess(images), &kept, false, y);
        assert_memory_equal(x, y, sizeof x);
        assert_ok(tmb_images_photo(images, i, &shown));
        assert_memory_equal(shown.pixels, kept.pixels, 12 * 12 * 3);
        tmb_image_free(&shown);
    }
    tmb_image_free(&kept);
    tmb__resizer_free(&rs);
    tmb_images_free(images);
}

/* RGBA: what cannot be seen through stays so, and each channel has its own scale. */
TEST(preprocess_four_channels)
{
    const tmb_preprocess pre = {.size = {2, 4},
            .channels = 4,
            .filter = TMB_NEAREST,
            .fit = TMB_PAD,
            .scale = {1, 2, 3, 4},
            .offset = {0, 0, 0, 5}};
    uint8_t pixels[2 * 2 * 4] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    const tmb_image photo = {.width = 2, .height = 2, .channels = 4, .pixels = pixels};
    static const float expected[] = {
            128, 256, 384, 1025, 5, 12, 21, 37, 1, 4, 9, 21, 128, 256, 384, 1025};
    tmb__resizer scratch = {0};
    tmb_image kept = {0};
    float x[2 * 4 * 4];

    assert_ok(tmb__preprocess_check(&pre));
    assert_ok(tmb__preprocess_shrink(&pre, &scratch, &photo, &kept));
    tmb__preprocess_run(&pre, &kept, true, x);
    for (int i = 0; i < 16; i++)
        assert_true(x[i] == expected[i]);
    tmb_image_free(&kept);
    tmb__resizer_free(&scratch);
}
