/* test_statistics.c - standardize and fit give what Keras' give, from arrays and from photos */
#include "data/data.h"
#include "golden.h"
#include "photos.h"

#include <math.h>
#include <string.h>

static const char *const eras[] = {"keras2", "keras3"};
static const tmb_preset presets[] = {TMB_PRESET_KERAS2, TMB_PRESET_KERAS3};
static const int sample_shape[3] = {4, 4, 3};

enum { SAMPLES = 20, VALUES = 48 };

static const float *samples(void)
{
    return golden_array("generator.npz", "samples")->data;
}

/* Skips where the library of linear algebra is not installed. */
static tmb_statistics *fitted(
        const float *x, int64_t n, const int shape[3], const tmb_statistics_opts *opts)
{
    tmb_statistics *s;
    const int status = tmb_statistics_fit(&s, x, n, shape, opts);

    if (opts->zca && status == TMB_EUNSUPPORTED) skip();
    assert_ok(status);
    return s;
}

/* ---- goldens of generator.npz ---- */

/* Keras sums in float: its means and deviations are good to 1e-6 of themselves. */
static void check_fit(int era, const char *name, const tmb_statistics_opts *opts, float scale)
{
    tmb_statistics *s = fitted(samples(), SAMPLES, sample_shape, opts);
    const float *y = golden_array("generator.npz", "%s/fit_%s_y", eras[era], name)->data;
    const tmb_preprocess pre = {.scale = {scale, scale, scale}, .statistics = s};
    tmb_statistics_info info;
    float x[VALUES];

    assert_ok(tmb_statistics_get(s, &info));
    assert_floats_near(info.mean,
            golden_array("generator.npz", "%s/fit_%s_mean", eras[era], name)->data, 3, 1e-5);
    if (opts->std)
        assert_floats_near(info.std,
                golden_array("generator.npz", "%s/fit_%s_std", eras[era], name)->data, 3, 1e-5);
    if (opts->zca)
        assert_floats_near(info.whitening,
                golden_array("generator.npz", "%s/fit_%s_zca", eras[era], name)->data,
                VALUES * VALUES, 2e-4);
    for (int i = 0; i < 2; i++) {
        memcpy(x, samples() + i * VALUES, sizeof x);
        assert_ok(tmb_standardize(&pre, sample_shape, x));
        assert_floats_near(x, y + i * VALUES, VALUES, opts->zca ? 2e-4 : 1e-5);
    }
    tmb_statistics_free(s);
}

TEST(statistics_mean)
{
    for (int era = 0; era < 2; era++)
        check_fit(era, "mean", &(tmb_statistics_opts){.center = true}, 1);
}

TEST(statistics_deviation)
{
    for (int era = 0; era < 2; era++)
        check_fit(
                era, "std", &(tmb_statistics_opts){.std = true, .rescale = 1 / 255.0F}, 1 / 255.0F);
}

/* Fewer pictures than values: the thin SVD leaves directions out, the older formula does not. */
TEST(statistics_whitening)
{
    for (int era = 0; era < 2; era++) {
        const tmb_statistics_opts opts = {
                .zca = true, .zca_epsilon = 1e-3, .rescale = 1 / 255.0F, .preset = presets[era]};

        check_fit(era, "zca", &opts, 1 / 255.0F);
    }
}

TEST(statistics_of_augmented_pictures)
{
    for (int era = 0; era < 2; era++) {
        const tmb_augment augment = {.preset = presets[era],
                .rotation = 30,
                .width_shift = 0.25F,
                .zoom = {0.8F, 1.2F},
                .horizontal_flip = true};
        tmb_statistics_opts opts = {
                .std = true, .rescale = 1 / 255.0F, .augment = &augment, .rounds = 2};

        assert_ok(tmb_rng_new(&opts.rng, TMB_RNG_NUMPY, 11));
        check_fit(era, "augmented", &opts, 1 / 255.0F);
        tmb_rng_free(opts.rng);
    }
}

TEST(statistics_of_the_picture_itself)
{
    const float *y = golden_array("generator.npz", "keras3/fit_sample_y")->data;
    const tmb_preprocess pre = {.scale = {0.5F, 0.5F, 0.5F}, .samplewise_std = true};
    float x[VALUES];

    for (int i = 0; i < 2; i++) {
        memcpy(x, samples() + i * VALUES, sizeof x);
        assert_ok(tmb_standardize(&pre, sample_shape, x));
        assert_floats_near(x, y + i * VALUES, VALUES, 1e-5);
    }
}

/* ---- the figures of keras.md 1.7 and 1.8 ---- */

static void fill_flow(float x[5][108])
{
    for (int n = 0; n < 5; n++)
        for (int i = 0; i < 108; i++)
            x[n][i] = (float)((37 * n + 7 * (i / 18) + 13 * (i / 3 % 6) + 29 * (i % 3)) % 256);
}

TEST(statistics_table_of_flow)
{
    static const int shape[3] = {6, 6, 3};
    static const float mean[] = {124, 144.46666F, 152.13333F};
    static const float std[] = {58.08471F, 59.85496F, 67.5991F};
    static const float first[] = {-1.49781F, -1.31095F, -0.84518F};
    static const float own[] = {-2.28387F, -1.44549F, -0.6071F};
    tmb_preprocess pre = {.samplewise_center = true, .samplewise_std = true};
    tmb_statistics_info info;
    tmb_statistics *s;
    float x[5][108];

    fill_flow(x);
    assert_ok(tmb_standardize(&pre, shape, x[1]));
    assert_floats_near(x[1], own, 3, 6e-6);
    fill_flow(x);
    s = fitted(x[0], 5, shape, &(tmb_statistics_opts){.std = true});
    assert_ok(tmb_statistics_get(s, &info));
    assert_floats_near(info.mean, mean, 3, 1e-6);
    assert_floats_near(info.std, std, 3, 1e-6);
    pre = (tmb_preprocess){.statistics = s};
    assert_ok(tmb_standardize(&pre, shape, x[1]));
    assert_floats_near(x[1], first, 3, 6e-6);
    tmb_statistics_free(s);
}

TEST(statistics_table_of_rescale)
{
    static const float mean[] = {1.05F, 1.15F, 1.25F};
    static const float std[] = {0.687386F, 0.687386F, 0.687386F};
    tmb_statistics_info info;
    tmb_statistics *s;
    float x[24];

    for (int i = 0; i < 24; i++)
        x[i] = (float)i;
    s = fitted(x, 2, (const int[3]){2, 2, 3}, &(tmb_statistics_opts){.std = true, .rescale = 0.1F});
    assert_ok(tmb_statistics_get(s, &info));
    assert_floats_near(info.mean, mean, 3, 1e-6);
    assert_floats_near(info.std, std, 3, 1e-6);
    tmb_statistics_free(s);
}

TEST(statistics_table_of_whitening)
{
    static const float w[16] = {3.373372F, -.018547F, -.106432F, .296945F, -.018547F, 4.323062F,
            .379372F, -.774037F, -.106432F, .379372F, 3.537516F, -.049295F, .296945F, -.774037F,
            -.049294F, 3.388911F};
    static const float first[4] = {.203432F, .978132F, .48058F, .027562F};
    static const int shape[3] = {2, 2, 1};
    tmb__mt19937 mt;
    tmb__rng rng = tmb__mt_rng(&mt);
    float x[80], y[4];

    tmb__mt_seed(&mt, 0);
    for (int i = 0; i < 80; i++)
        x[i] = (float)tmb__rng_uniform(&rng, 0, 1);
    for (int era = 0; era < 2; era++) {
        tmb_statistics *s =
                fitted(x, 20, shape, &(tmb_statistics_opts){.zca = true, .preset = presets[era]});
        const tmb_preprocess pre = {.statistics = s};
        tmb_statistics_info info;

        assert_ok(tmb_statistics_get(s, &info));
        assert_true(fabsf(info.mean[0] - 0.488614F) < 1e-6F);
        assert_floats_near(info.whitening, w, 16, 5e-5); /* the two formulas differ that much */
        memcpy(y, x, sizeof y);
        assert_ok(tmb_standardize(&pre, shape, y));
        assert_floats_near(y, first, 4, 2e-5);
        tmb_statistics_free(s);
    }
}

/* 2016: a mean for each pixel, the picture's own along channels: grey becomes zero. */
TEST(statistics_of_2016)
{
    const tmb_statistics_opts opts = {.std = true, .preset = TMB_PRESET_KERAS2016};
    tmb_statistics *s = fitted(samples(), SAMPLES, sample_shape, &opts);
    const tmb_preprocess own = {.samplewise_center = true, .samplewise_pixel = true};
    tmb_statistics_info info;
    double mean = 0, square = 0;
    float grey[2] = {3, 200};

    for (int i = 0; i < SAMPLES; i++)
        mean += (double)samples()[i * VALUES + 5] / SAMPLES;
    for (int i = 0; i < SAMPLES; i++)
        square += pow((double)samples()[i * VALUES + 5] - mean, 2) / SAMPLES;
    assert_ok(tmb_statistics_get(s, &info));
    assert_true(info.per_pixel && info.epsilon == 1e-7F);
    assert_true(fabs((double)info.mean[5] - mean) < 1e-5);
    assert_true(fabs((double)info.std[5] - sqrt(square)) < 1e-5);
    tmb_statistics_free(s);
    assert_ok(tmb_standardize(&own, (const int[3]){1, 2, 1}, grey));
    assert_true(grey[0] == 0 && grey[1] == 0);
}

/* ---- photos ---- */

static const tmb_images_opts plain = {.size = {8, 8}, .batch = 5, .rescale = 1 / 255.0F};

static const char *make_set(void)
{
    for (int n = 0; n < 5; n++) {
        char name[64];

        snprintf(name, sizeof name, n < 3 ? "set/cats/cat.%d.png" : "set/dogs/dog.%d.png", n % 3);
        photo_write(n, name);
    }
    return test_temp("set");
}

static const float *only_batch(tmb_images *images)
{
    tmb_batch batch;

    assert_ok(tmb_images_epoch(images, 0, 0));
    assert_int_equal(tmb_images_next(images, &batch), 1);
    assert_int_equal(batch.count, 5);
    return batch.x;
}

/* One by one or as an array, it is the same; batches of a data set that is told of them are
 * standardized, and so is what is predicted. */
TEST(statistics_of_photos)
{
    static const int shape[3] = {8, 8, 3};
    const char *set = make_set();
    tmb_images *images = images_open(set, &plain), *standard;
    const float *x = only_batch(images), *y;
    tmb_statistics_opts opts = {.zca = true, .zca_epsilon = 0.01};
    tmb_statistics *s = fitted(x, 5, shape, &opts), *streamed;
    tmb_preprocess pre = *tmb_images_preprocess(images);
    tmb_images_opts with = plain;
    tmb_statistics_info a, b;
    float one[192], predicted[192];
    tmb_image kept;

    assert_ok(tmb_statistics_fit_images(&streamed, images, &opts));
    assert_ok(tmb_statistics_get(s, &a));
    assert_ok(tmb_statistics_get(streamed, &b));
    assert_memory_equal(a.mean, b.mean, 3 * sizeof(float));
    assert_memory_equal(a.whitening, b.whitening, 192 * 192 * sizeof(float));
    pre.statistics = streamed;
    pre.samplewise_center = true;
    with.preprocess = &pre;
    standard = images_open(set, &with);
    tmb_statistics_free(streamed); /* the data set has its share */
    y = only_batch(standard);
    assert_ok(tmb_images_photo(standard, 0, &kept));
    tmb__preprocess_run(tmb_images_preprocess(standard), &kept, false, predicted);
    for (int i = 0; i < 5; i++) {
        memcpy(one, x + i * 192, sizeof one);
        pre = (tmb_preprocess){.samplewise_center = true, .statistics = s};
        assert_ok(tmb_standardize(&pre, shape, one));
        assert_memory_equal(one, y + i * 192, sizeof one);
        if (i == 0) assert_memory_equal(one, predicted, sizeof one);
    }
    assert_status(tmb_images_standardize(images, s), TMB_EINVAL); /* its epoch has begun */
    tmb_image_free(&kept);
    tmb_images_free(standard);
    tmb_images_free(images);
    tmb_statistics_free(s);
}

TEST(statistics_survive_failing_allocations)
{
    const tmb_statistics_opts opts = {.std = true};

    samples(); /* read before anything fails */
    for (int64_t n = 0;; n++) {
        tmb_statistics *s;
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_statistics_fit(&s, samples(), SAMPLES, sample_shape, &opts);
        if (!test_fail_end()) {
            assert_ok(status);
            tmb_statistics_free(s);
            assert_true(n > 3);
            return;
        }
        assert_int_equal(status, TMB_ENOMEM);
        assert_null(s);
    }
}

/* ---- rules, streams, faults ---- */

TEST(statistics_pixel_rules)
{
    static const int shape[3] = {1, 1, 3};
    static const float expected[3][3] = {{50 - 103.939F, 100 - 116.779F, 200 - 123.68F},
            {200 / 127.5F - 1, 100 / 127.5F - 1, 50 / 127.5F - 1},
            {(200 / 255.0F - 0.485F) / 0.229F, (100 / 255.0F - 0.456F) / 0.224F,
                    (50 / 255.0F - 0.406F) / 0.225F}};

    for (int rule = TMB_PIXELS_CAFFE; rule <= TMB_PIXELS_TORCH; rule++) {
        tmb_preprocess pre = {.channels = 3};
        float x[3] = {200, 100, 50};

        assert_ok(tmb_preprocess_rule(&pre, (tmb_pixel_rule)rule));
        assert_ok(tmb_standardize(&pre, shape, x));
        assert_floats_near(x, expected[rule], 3, 1e-6);
    }
    assert_status(
            tmb_preprocess_rule(&(tmb_preprocess){.channels = 1}, TMB_PIXELS_CAFFE), TMB_EINVAL);
}

/* Successive calls go on in the stream; a seed begins it anew. */
TEST(statistics_random_transform)
{
    const tmb_augment a = {.preset = TMB_PRESET_KERAS3, .shear = 0.2F, .zoom = {0.8F, 1.2F}};
    static const double shear[] = {0.019525401570929912, 0.058357645226662425};
    float out[VALUES], again[VALUES];
    tmb_transform t;
    tmb_rng *rng;

    assert_ok(tmb_rng_new(&rng, TMB_RNG_NUMPY, 0));
    for (int i = 0; i < 2; i++) {
        assert_ok(tmb_transform_draw(&t, &a, rng, (const int[3]){150, 150, 3}));
        assert_true(fabs(t.shear - shear[i]) < 1e-8);
    }
    tmb_rng_free(rng);
    for (int kind = TMB_RNG_PHILOX; kind <= TMB_RNG_NUMPY; kind++) {
        assert_ok(tmb_rng_new(&rng, (tmb_rng_kind)kind, 5));
        assert_ok(tmb_transform_random(&a, rng, sample_shape, samples(), out));
        tmb_rng_free(rng);
        assert_ok(tmb_rng_new(&rng, (tmb_rng_kind)kind, 5));
        assert_ok(tmb_transform_draw(&t, &a, rng, sample_shape));
        assert_ok(tmb_transform_apply(&t, &a, sample_shape, samples(), again));
        assert_memory_equal(out, again, sizeof out);
        tmb_rng_free(rng);
    }
    assert_status(tmb_rng_new(&rng, TMB_RNG_NUMPY, (uint64_t)1 << 32), TMB_EINVAL);
    assert_null(rng);
}

TEST(statistics_name_faults)
{
    static const float one[3] = {1, 2, 3}, endless[3] = {1, INFINITY, 3}, less[3] = {1, -1, 1};
    tmb_statistics_info info = {.shape = {0, 0, 3}, .mean = endless};
    tmb_preprocess pre = {.size = {4, 4}, .channels = 1, .scale = {1}};
    tmb_statistics_opts opts = {0};
    tmb_statistics *s;

    assert_status(tmb_statistics_new(&s, &info), TMB_EINVAL);
    assert_message("mean 1 is inf");
    info.mean = one;
    info.std = less;
    assert_status(tmb_statistics_new(&s, &info), TMB_EINVAL);
    assert_message("std 1");
    info.std = NULL;
    info.whitening = one;
    assert_status(tmb_statistics_new(&s, &info), TMB_EINVAL);
    info.whitening = NULL;
    assert_ok(tmb_statistics_new(&s, &info));
    pre.statistics = s;
    assert_status(tmb__preprocess_check(&pre), TMB_EINVAL);
    assert_message("(0, 0, 3)");
    tmb_statistics_free(s);
    assert_status(tmb_statistics_fit(&s, one, 1, (const int[3]){1, 1, 3}, &opts), TMB_EINVAL);
    assert_message("none of");
    opts.zca = true;
    assert_status(tmb_statistics_fit(&s, one, 1, (const int[3]){64, 65, 1}, &opts), TMB_EINVAL);
    assert_message("4160 values");
    opts = (tmb_statistics_opts){.center = true, .rounds = 2};
    assert_status(tmb_statistics_fit(&s, one, 1, (const int[3]){1, 1, 3}, &opts), TMB_EINVAL);
    assert_message("rounds");
    opts.rounds = 0;
    assert_status(tmb_statistics_fit(&s, endless, 1, (const int[3]){1, 1, 3}, &opts), TMB_EDATA);
    assert_message("not finite");
}
