/* test_keras_stream.c - with NumPy's random stream the draws and batches are those of Keras
 *
 * The figures are keras.md 1.3 (parameters), 1.10 (flow) and 2.7 (flow_from_directory). Ranges are
 * floats here and doubles there, which moves a parameter by up to 3e-8 of itself. */
#include "data/images.h"
#include "test.h"

#include <math.h>

/* ---- 1.3: parameters ---- */

static void assert_near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-7 * fmax(1, fabs(expected))))
        fail_msg("%.12g, expected %.12g", found, expected);
}

TEST(keras_stream_draws_the_post)
{
    static const double expected[3][3] = {
            {0.019525401570929912, 1.0860757465489677, 1.0411053504286576},
            {0.058357645226662425, 0.975034884505077, 1.1567092003128319},
            {0.11669001523306582, 1.0115579679011617, 1.027217824437573}};
    static const tmb_augment post = {.preset = TMB_PRESET_KERAS2,
            .shear = 0.2F,
            .zoom = {0.8F, 1.2F},
            .horizontal_flip = true};
    tmb__mt19937 mt;
    tmb__rng rng = tmb__mt_rng(&mt);
    tmb_transform t;

    tmb__mt_seed(&mt, 0);
    for (int i = 0; i < 3; i++) {
        tmb__transform_draw_from(&t, &post, &rng, (const int[3]){150, 150, 3});
        assert_near(t.shear, expected[i][0]);
        assert_near(t.zx, expected[i][1]);
        assert_near(t.zy, expected[i][2]);
        assert_false(t.flip_horizontal);
    }
}

static const tmb_augment preview = {.preset = TMB_PRESET_KERAS3,
        .rotation = 40,
        .width_shift = 0.2F,
        .height_shift = 0.2F,
        .shear = 0.2F,
        .zoom = {0.8F, 1.2F},
        .horizontal_flip = true};

TEST(keras_stream_draws_the_preview)
{
    tmb__mt19937 mt;
    tmb__rng rng = tmb__mt_rng(&mt);
    tmb_transform t;

    tmb__mt_seed(&mt, 0);
    tmb__transform_draw_from(&t, &preview, &rng, (const int[3]){150, 150, 3});
    assert_near(t.theta, 3.9050803141859802);
    assert_near(t.tx, 12.911361982345165);
    assert_near(t.ty, 6.165802564298631);
    assert_near(t.shear, 0.01795327319875875);
    assert_near(t.zx, 0.9694619197355618);
    assert_near(t.zy, 1.0583576452266623);
    assert_true(t.flip_horizontal);
}

/* ---- 1.10 and 2.7: batches ---- */

/* Keras' iterator: the stream begins anew at seed + batches seen, and the order is drawn from it. */
typedef struct flow {
    tmb__mt19937 mt;
    uint32_t seed, seen;
    int64_t order[5];
    int at;
} flow;

/* The sum of the next batch's pixels over 255, and its first sample. */
static double flow_next(flow *f, const tmb_augment *a, const tmb_image *photos, int *first)
{
    const int size = photos[0].width;
    const tmb_preprocess pre = {
            .size = {size, size}, .channels = 3, .scale = {1 / 255.0F, 1 / 255.0F, 1 / 255.0F}};
    tmb__rng rng = tmb__mt_rng(&f->mt);
    const int end = TMB_MIN(f->at + 2, 5);
    float out[16 * 16 * 3];
    tmb_transform t;
    double sum = 0;

    tmb__mt_seed(&f->mt, f->seed + f->seen++);
    if (f->at == 0) tmb__rng_permute(&rng, f->order, 5);
    *first = (int)f->order[f->at];
    for (; f->at < end; f->at++) {
        tmb__transform_draw_from(&t, a, &rng, (const int[3]){size, size, 3});
        assert_ok(tmb__transform_apply(&t, a, &photos[f->order[f->at]], out, &pre, NULL));
        for (int i = 0; i < size * size * 3; i++)
            sum += (double)out[i];
    }
    f->at %= 5;
    return sum;
}

static void check_flow(const tmb_augment *a, const tmb_image *photos, uint32_t seed,
        const double sums[4], const int firsts[4])
{
    flow f = {.seed = seed};
    int first;

    for (int i = 0; i < 4; i++) {
        const double sum = flow_next(&f, a, photos, &first);

        assert_int_equal(first, firsts[i]);
        /* The sums are of float32 pixels and were printed with six digits. */
        if (fabs(sum - sums[i]) > 2e-5) fail_msg("batch %d: %.6f, expected %.6f", i, sum, sums[i]);
    }
}

TEST(keras_stream_flow)
{
    static const double keras3[4] = {114.651087, 95.144662, 75.582772, 122.473706};
    static const double keras2[4] = {111.989445, 96.985413, 77.751779, 125.401508};
    static const int firsts[4] = {1, 2, 3, 1};
    tmb_augment second = preview;
    uint8_t pixels[5][108];
    tmb_image photos[5];

    for (int n = 0; n < 5; n++) {
        for (int i = 0; i < 108; i++)
            pixels[n][i] = (uint8_t)(37 * n + 7 * (i / 18) + 13 * (i / 3 % 6) + 29 * (i % 3));
        photos[n] = (tmb_image){.width = 6, .height = 6, .channels = 3, .pixels = pixels[n]};
    }
    check_flow(&preview, photos, 42, keras3, firsts);
    second.preset = TMB_PRESET_KERAS2;
    check_flow(&second, photos, 42, keras2, firsts);
}

TEST(keras_stream_flow_from_directory)
{
    static const tmb_augment post = {.preset = TMB_PRESET_KERAS3,
            .shear = 0.2F,
            .zoom = {0.8F, 1.2F},
            .horizontal_flip = true};
    static const double sums[4] = {765.50174, 799.10951, 349.75018, 734.96442};
    static const int labels[4] = {0, 0, 1, 0};
    tmb_image photos[5];
    flow f = {.seed = 7};
    int first;

    for (int n = 0; n < 5; n++) {
        const int h = 20 + n, w = 30 - n;
        uint8_t pixels[24 * 30 * 3];
        const tmb_image drawn = {.width = w, .height = h, .channels = 3, .pixels = pixels};

        for (int i = 0; i < h * w * 3; i++) {
            const int r = i / 3 / w, c = i / 3 % w;

            pixels[i] = (uint8_t)(41 * n + 3 * r + 5 * c + 67 * (i % 3) + r * c % 17);
        }
        assert_ok(tmb_image_resize(&photos[n], &drawn, 16, 16, TMB_NEAREST));
    }
    for (int i = 0; i < 4; i++) {
        const double sum = flow_next(&f, &post, photos, &first);

        assert_int_equal(first > 2, labels[i]);
        if (fabs(sum - sums[i]) > 5e-5) fail_msg("batch %d: %.6f, expected %.6f", i, sum, sums[i]);
    }
    for (int n = 0; n < 5; n++)
        tmb_image_free(&photos[n]);
}
