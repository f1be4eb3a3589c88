/* test_augment.c - the random transform: Keras' tables and goldens, distributions, properties */
#include "data/images.h"
#include "golden.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum { CHANNELS = 3, DRAWS = 4000 };

static void transform_apply(const tmb_transform *t, const tmb_augment *a, const tmb_image *photo,
        float *out, const tmb_preprocess *pre)
{
    tmb__resizer scratch = {0};

    assert_ok(tmb__transform_apply(t, a, photo, out, pre, &scratch));
    tmb__resizer_free(&scratch);
}

/* Numbers 0 .. h*w-1 through the map alone: bytes hold them exactly. */
static void apply_ramp(const tmb_transform *t, const tmb_augment *a, int h, int w, float *out)
{
    const tmb_preprocess pre = {.size = {h, w}, .channels = 1, .scale = {1}};
    uint8_t pixels[64];
    const tmb_image photo = {.width = w, .height = h, .channels = 1, .pixels = pixels};

    assert_true(h * w <= 64);
    for (int i = 0; i < h * w; i++)
        pixels[i] = (uint8_t)i;
    transform_apply(t, a, &photo, out, &pre);
}

static tmb_transform transform(
        double theta, double tx, double ty, double shear, double zx, double zy)
{
    tmb_transform t = {0};

    t.theta = theta;
    t.tx = tx;
    t.ty = ty;
    t.shear = shear;
    t.zx = zx;
    t.zy = zy;
    return t;
}

/* ---- the tables of keras.md 1.4 and 1.5 ---- */

typedef struct table_row {
    double theta, tx, ty, shear, zx, zy;
    tmb_fill fill;
    int row;
    float expected[6];
} table_row;

static void check_rows(
        tmb_preset preset, int h, int w, const table_row *rows, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++) {
        const table_row *r = &rows[i];
        const tmb_augment a = {.preset = preset, .fill = r->fill, .cval = -1};
        const tmb_transform t = transform(r->theta, r->tx, r->ty, r->shear, r->zx, r->zy);
        float out[64];

        apply_ramp(&t, &a, h, w, out);
        assert_floats_near(out + r->row * w, r->expected, w, tolerance);
    }
}

TEST(augment_table_correct)
{
    static const table_row rows[] = {
            {180, 0, 0, 0, 1, 1, TMB_FILL_NEAREST, 0, {23, 22, 21, 20, 19, 18}},
            {180, 0, 0, 0, 1, 1, TMB_FILL_NEAREST, 3, {5, 4, 3, 2, 1, 0}},
            {90, 0, 0, 0, 1, 1, TMB_FILL_CONSTANT, 1, {-1, 3, 9, 15, 21, -1}},
            {0, 1, 0, 0, 1, 1, TMB_FILL_NEAREST, 0, {1, 2, 3, 4, 5, 5}},
            {0, 0, 1, 0, 1, 1, TMB_FILL_NEAREST, 2, {18, 19, 20, 21, 22, 23}},
            {0, 0, 1, 0, 1, 1, TMB_FILL_NEAREST, 3, {18, 19, 20, 21, 22, 23}},
            {0, 0, 0, 0, .5, .5, TMB_FILL_NEAREST, 0, {5.75F, 6.25F, 6.75F, 7.25F, 7.75F, 8.25F}},
            {30, 0, 0, 0, 1, 1, TMB_FILL_NEAREST, 0,
                    {1.0849F, 1.951F, 2.817F, 6.3888F, 10.2548F, 13.7058F}},
            {30, 0, 0, 0, 1, 1, TMB_FILL_NEAREST, 3,
                    {9.2942F, 12.7452F, 16.6112F, 20.183F, 21.049F, 21.9151F}}};

    check_rows(TMB_PRESET_CORRECT, 4, 6, rows, TMB_COUNT(rows), 1e-4);
}

TEST(augment_table_keras3)
{
    static const table_row rows[] = {
            {30, 0, 0, 0, 1, 1, TMB_FILL_NEAREST, 0, {1.2679F, 2.134F, 4.3397F, 7.7058F, 10.3397F}},
            {0, 1.5, 0, 0, 1, 1, TMB_FILL_NEAREST, 0, {1.5F, 2.5F, 3.5F, 4, 4}},
            {0, 0, 1.5, 0, 1, 1, TMB_FILL_NEAREST, 0, {7.5F, 8.5F, 9.5F, 10.5F, 11.5F}},
            {0, 0, 0, 20, 1, 1, TMB_FILL_NEAREST, 0, {1.2871F, 2.2871F, 3.2871F, 4.2871F, 4.6031F}},
            {0, 0, 0, 0, 1.25, .8, TMB_FILL_NEAREST, 1, {6, 6.75F, 8, 9.25F, 10}},
            {30, .5, -.25, 10, .9, 1.1, TMB_FILL_NEAREST, 4,
                    {14.094F, 16.7084F, 19.7378F, 21.9233F, 22.7027F}},
            {30, 0, 0, 0, 1, 1, TMB_FILL_CONSTANT, 0, {-1, -1, 4.3397F, 7.7058F, -1}},
            {30, 0, 0, 0, 1, 1, TMB_FILL_WRAP, 0, {17.6077F, 20.9737F, 4.3397F, 7.7058F, 7.0718F}}};

    check_rows(TMB_PRESET_KERAS3, 5, 5, rows, TMB_COUNT(rows), 1e-4);
}

TEST(augment_table_keras2)
{
    static const table_row rows[] = {
            {30, 0, 0, 0, 1, 1, TMB_FILL_NEAREST, 0, {9.5096F, 7.0096F, 5.1436F, 3.5096F, 2.366F}},
            {0, 1.5, 0, 0, 1, 1, TMB_FILL_NEAREST, 0, {7.5F, 8.5F, 9.5F, 10.5F, 11.5F}},
            {0, 0, 1.5, 0, 1, 1, TMB_FILL_NEAREST, 0, {1.5F, 2.5F, 3.5F, 4, 4}},
            {0, 0, 0, 20, 1, 1, TMB_FILL_NEAREST, 0, {5.3112F, 4.5408F, 3.7704F, 3, 3.9397F}},
            {0, 0, 0, 0, .5, .5, TMB_FILL_NEAREST, 0, {9, 9.5F, 10, 10.5F, 11}},
            {30, .5, -.25, 10, .9, 1.1, TMB_FILL_NEAREST, 0,
                    {16.7047F, 13.1694F, 10.4749F, 7.7822F, 5.0895F}}};

    check_rows(TMB_PRESET_KERAS2, 5, 5, rows, TMB_COUNT(rows), 1e-4);
}

TEST(augment_table_keras2016)
{
    static const table_row rows[] = {{30, 0, 0, 0, 1, 1, TMB_FILL_NEAREST, 0, {10, 5, 6, 2, 2}},
            {30, 0, 0, 0, 1, 1, TMB_FILL_NEAREST, 2, {20, 16, 17, 13, 13}},
            {30, 0, 0, 0, 1, 1, TMB_FILL_NEAREST, 4, {21, 22, 23, 24, 19}},
            {0, 0, 0, 0, .5, .5, TMB_FILL_NEAREST, 0, {12, 12, 13, 13, 14}}};

    check_rows(TMB_PRESET_KERAS2016, 5, 5, rows, TMB_COUNT(rows), 0);
}

/* ---- the goldens: 14 transforms, two shapes, four fill modes, both orders ---- */

static tmb_transform golden_transform(const double *p)
{
    tmb_transform t = transform(p[0], p[1], p[2], p[3], p[4], p[5]);

    t.flip_horizontal = p[6] != 0;
    t.flip_vertical = p[7] != 0;
    for (int k = 0; k < 4; k++)
        t.channel_shift_intensity[k] = isnan(p[8]) ? 0 : p[8];
    t.has_brightness = !isnan(p[9]);
    t.brightness = p[9];
    return t;
}

/* Keras' presets follow SciPy to the bit; brightness there cuts to whole numbers, so that the last bit
 * of a sum may become 1. `correct` computes in single precision: 255 * 2^-16 is a fair bound. */
static void check_golden(tmb_preset preset, const char *file, double tolerance)
{
    static const char *const shapes[] = {"7x9", "8x8"};
    static const char *const fills[] = {"nearest", "constant", "reflect", "wrap"};
    const double *params = golden_array(file, "params")->data;

    for (size_t i = 0; i < TMB_COUNT(shapes) * TMB_COUNT(fills) * 2; i++) {
        const char *shape = shapes[i / 8], *fill = fills[i / 2 % 4];
        const int order = (int)(i % 2), h = shape[0] - '0', w = shape[2] - '0',
                  n = h * w * CHANNELS;
        const tmb_image photo = {.width = w,
                .height = h,
                .channels = CHANNELS,
                .pixels = golden_array(file, "%s/image", shape)->data};
        const tmb_preprocess pre = {.size = {h, w}, .channels = CHANNELS, .scale = {1, 1, 1}};
        const tmb_augment a = {.preset = preset,
                .fill = (tmb_fill)(i / 2 % 4),
                .cval = 17,
                .sampling = order ? TMB_SAMPLING_LINEAR : TMB_SAMPLING_NEAREST};
        const float *y = golden_array(file, "%s_%s_o%d/y", shape, fill, order)->data;

        for (int k = 0; k < 14; k++) {
            const tmb_transform t = golden_transform(params + 10 * k);
            float out[8 * 9 * CHANNELS];

            transform_apply(&t, &a, &photo, out, &pre);
            assert_floats_near(out, y + k * n, n, tolerance);
        }
    }
}

TEST(augment_golden_correct)
{
    check_golden(TMB_PRESET_CORRECT, "augment_correct.npz", 1e-4);
}

TEST(augment_golden_keras2016)
{
    check_golden(TMB_PRESET_KERAS2016, "augment_keras2016.npz", 0);
}

TEST(augment_golden_keras2)
{
    check_golden(TMB_PRESET_KERAS2, "augment_keras2.npz", 1e-6);
}

TEST(augment_golden_keras3)
{
    check_golden(TMB_PRESET_KERAS3, "augment_keras3.npz", 1e-6);
}

/* keras.md 1.6: the array x[1] of its section 1.10. */
TEST(augment_colour_keras)
{
    const tmb_preprocess pre = {.size = {6, 6}, .channels = 3, .scale = {1, 1, 1}};
    tmb_augment a = {.preset = TMB_PRESET_KERAS2};
    static const float brighter2[] = {0, 59, 120}, brighter3[] = {48, 85, 123},
                       last2[] = {209, 255, 255}, last3[] = {178, 215, 253},
                       shifted[] = {57, 86, 115};
    uint8_t pixels[6 * 6 * 3];
    const tmb_image photo = {.width = 6, .height = 6, .channels = 3, .pixels = pixels};
    tmb_transform t = {0};
    float out[6 * 6 * 3];

    for (int i = 0; i < 6 * 6 * 3; i++)
        pixels[i] = (uint8_t)(37 + 7 * (i / 18) + 13 * (i / 3 % 6) + 29 * (i % 3));
    t.has_brightness = true;
    t.brightness = 1.3;
    transform_apply(&t, &a, &photo, out, &pre);
    assert_floats_near(out, brighter2, 3, 0);
    assert_floats_near(out + 105, last2, 3, 0);
    a.preset = TMB_PRESET_KERAS3;
    transform_apply(&t, &a, &photo, out, &pre);
    assert_floats_near(out, brighter3, 3, 0);
    assert_floats_near(out + 105, last3, 3, 0);
    t = (tmb_transform){0};
    t.channel_shift_intensity[0] = t.channel_shift_intensity[1] = t.channel_shift_intensity[2] = 20;
    transform_apply(&t, &a, &photo, out, &pre);
    assert_floats_near(out, shifted, 3, 0);
}

/* ---- drawing ---- */

static const tmb_augment everything = {.rotation = 40,
        .width_shift = 0.2F,
        .height_shift = 0.1F,
        .shear = 10,
        .zoom = {0.8F, 1.2F},
        .channel_shift = 30,
        .brightness = {0.5F, 1.5F},
        .horizontal_flip = true,
        .vertical_flip = true,
        .crop_area = {0.3F, 1},
        .crop_aspect = 0.3F,
        .gain = 0.1F,
        .contrast = 0.2F,
        .saturation = 0.3F,
        .erase = 0.25F};

static tmb_transform draw(const tmb_augment *a, int64_t epoch, int64_t sample)
{
    tmb_transform t = {0};

    tmb__transform_draw(&t, a, 42, epoch, sample, (const int[3]){100, 200, CHANNELS});
    return t;
}

/* The largest distance between the values' distribution and the uniform one (Kolmogorov-Smirnov);
 * the 0.001 point for 4000 values is 1.95 / sqrt(4000) = 0.031. */
static double distance_to_uniform(const double *v, int n, double lo, double hi)
{
    enum { BINS = 100 };
    int count[BINS] = {0}, below = 0;
    double worst = 0;

    for (int i = 0; i < n; i++) {
        assert_true(v[i] >= lo && v[i] <= hi);
        count[TMB_MIN((int)((v[i] - lo) / (hi - lo) * BINS), BINS - 1)]++;
    }
    for (int i = 0; i < BINS; i++) {
        below += count[i];
        worst = fmax(worst, fabs((double)below / n - (i + 1.0) / BINS));
    }
    return worst;
}

TEST(augment_draws_are_uniform)
{
    static double v[7][DRAWS];
    static const double range[7][2] = {
            {-40, 40}, {-40, 40}, {-10, 10}, {-10, 10}, {0.8, 1.2}, {0.8, 1.2}, {0.5, 1.5}};
    int mirrored = 0, upside_down = 0, both = 0;

    for (int i = 0; i < DRAWS; i++) {
        const tmb_transform t = draw(&everything, i / 1000, i % 1000);
        const double values[7] = {t.theta, t.tx, t.ty, t.shear, t.zx, t.zy, t.brightness};

        for (int k = 0; k < 7; k++)
            v[k][i] = values[k];
        mirrored += t.flip_horizontal;
        upside_down += t.flip_vertical;
        both += t.flip_horizontal && t.flip_vertical;
        assert_true(t.channel_shift_intensity[0] == t.channel_shift_intensity[1] &&
                fabs(t.channel_shift_intensity[0]) <= 30);
    }
    for (int k = 0; k < 7; k++)
        assert_true(distance_to_uniform(v[k], DRAWS, range[k][0], range[k][1]) < 0.031);
    assert_in_range(mirrored, DRAWS / 2 - 120, DRAWS / 2 + 120); /* 3.8 deviations */
    assert_in_range(upside_down, DRAWS / 2 - 120, DRAWS / 2 + 120);
    assert_in_range(both, DRAWS / 4 - 105, DRAWS / 4 + 105);
}

TEST(augment_crops_and_boxes_lie_inside)
{
    for (int i = 0; i < DRAWS; i++) {
        const tmb_transform t = draw(&everything, 0, i);

        for (int k = 0; k < 2; k++) {
            assert_true(t.crop[k] >= 0 && t.crop[k] + t.crop[2 + k] <= 1 + 1e-12);
            assert_true(t.erase[k] >= 0 && t.erase[k] + t.erase[2 + k] <= 1 + 1e-12);
        }
        assert_true(t.crop[2] * t.crop[3] > 0.2 && t.crop[2] * t.crop[3] <= 1);
        assert_true(t.erase[2] * t.erase[3] <= 0.25 + 1e-6);
        assert_true(fabs(t.contrast) <= 0.2 + 1e-6 && fabs(t.gain[2]) <= 0.1 + 1e-6);
    }
}

/* A function of seed, epoch and sample; an op of ours leaves Keras' values alone. */
TEST(augment_draws_repeat)
{
    tmb_augment more = everything, fewer = everything;
    tmb_transform a = draw(&everything, 3, 7), b = draw(&everything, 3, 7);

    assert_memory_equal(&a, &b, sizeof a);
    b = draw(&everything, 4, 7);
    assert_true(a.theta != b.theta);
    b = draw(&everything, 3, 8);
    assert_true(a.theta != b.theta);
    fewer.erase = fewer.gain = fewer.contrast = fewer.saturation = 0;
    more.alternate_flip = true;
    b = draw(&fewer, 3, 7);
    assert_true(a.theta == b.theta && a.brightness == b.brightness && a.crop[0] == b.crop[0]);
    b = draw(&more, 3, 7);
    assert_true(a.theta == b.theta && a.gain[0] == b.gain[0]);
}

/* Shifts: in `correct` and since Keras 2.9 the first coordinate is the column, yet Keras goes on
 * filling it from the height's range; 1 and more are pixels, but in 2016. */
TEST(augment_shifts_follow_the_preset)
{
    tmb_augment a = {.width_shift = 0.1F};
    tmb_transform t = draw(&a, 0, 0);

    assert_true(t.tx != 0 && t.ty == 0);
    a.preset = TMB_PRESET_KERAS3;
    t = draw(&a, 0, 0);
    assert_true(t.tx == 0 && t.ty != 0 && fabs(t.ty) <= 20);
    a.width_shift = 3;
    t = draw(&a, 0, 0);
    assert_true(fabs(t.ty) <= 3);
    a.preset = TMB_PRESET_KERAS2016;
    for (int i = 0; i < 20; i++) {
        t = draw(&a, 0, i);
        if (fabs(t.ty) > 3) return;
    }
    fail_msg("a shift of 3 in 2016 was three times the side");
}

TEST(augment_keras2016_shifts_channels_apart)
{
    const tmb_augment a = {.preset = TMB_PRESET_KERAS2016, .channel_shift = 20};
    const tmb_transform t = draw(&a, 0, 0);

    assert_true(t.channel_shift_intensity[0] != t.channel_shift_intensity[1] &&
            t.channel_shift_intensity[1] != t.channel_shift_intensity[2]);
}

TEST(augment_alternate_flip_alternates)
{
    const tmb_augment a = {.alternate_flip = true};
    int first = 0;

    for (int i = 0; i < 1000; i++) {
        const bool start = draw(&a, 0, i).flip_horizontal;

        first += start;
        for (int epoch = 1; epoch < 5; epoch++)
            assert_int_equal(draw(&a, epoch, i).flip_horizontal, start ^ (epoch & 1));
    }
    assert_in_range(first, 430, 570);
}

/* ---- properties ---- */

enum { SIDE = 16 };

static void fill_photo(uint8_t *pixels)
{
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        pixels[i] = (uint8_t)(i * 37 % 256 ^ i / 48 * 3);
}

static void apply(const tmb_transform *t, const tmb_augment *a, int side, float *out)
{
    const tmb_preprocess pre = {.size = {side, side}, .channels = 3, .scale = {1, 1, 1}};
    uint8_t pixels[SIDE * SIDE * 3];
    const tmb_image photo = {.width = SIDE, .height = SIDE, .channels = 3, .pixels = pixels};

    fill_photo(pixels);
    transform_apply(t, a, &photo, out, &pre);
}

TEST(augment_identity_keeps_bits)
{
    for (int preset = TMB_PRESET_CORRECT; preset <= TMB_PRESET_KERAS3; preset++) {
        const tmb_augment a = {.preset = (tmb_preset)preset};
        uint8_t pixels[SIDE * SIDE * 3];
        float out[SIDE * SIDE * 3];
        tmb_transform t = {0};

        fill_photo(pixels);
        apply(&t, &a, SIDE, out);
        for (int i = 0; i < SIDE * SIDE * 3; i++)
            assert_true(out[i] == (float)pixels[i]);
        apply(&t, &a, SIDE - 4, out); /* the middle of a photo with a margin */
        assert_true(out[0] == (float)pixels[(2 * SIDE + 2) * 3]);
    }
}

TEST(augment_flips)
{
    const tmb_augment a = {0};
    float plain[SIDE][SIDE][3], flipped[SIDE][SIDE][3];
    tmb_transform t = {0};

    apply(&t, &a, SIDE, &plain[0][0][0]);
    t.flip_horizontal = true;
    apply(&t, &a, SIDE, &flipped[0][0][0]);
    for (int r = 0; r < SIDE; r++) {
        for (int c = 0; c < SIDE; c++)
            assert_memory_equal(flipped[r][c], plain[r][SIDE - 1 - c], sizeof plain[r][c]);
    }
    t.flip_vertical = true;
    apply(&t, &a, SIDE, &flipped[0][0][0]);
    for (int r = 0; r < SIDE; r++) {
        for (int c = 0; c < SIDE; c++)
            assert_memory_equal(
                    flipped[r][c], plain[SIDE - 1 - r][SIDE - 1 - c], sizeof plain[r][c]);
    }
}

TEST(augment_full_turn_and_fixed_centre)
{
    const tmb_augment a = {0};
    float plain[SIDE * SIDE * 3], turned[SIDE * SIDE * 3];
    tmb_transform t = {0};
    double m[6];

    apply(&t, &a, SIDE, plain);
    t.theta = 360;
    apply(&t, &a, SIDE, turned);
    assert_floats_near(turned, plain, SIDE * SIDE * 3, 1e-3);
    t = transform(33, 0, 0, 12, 0.7, 1.3);
    assert_true(tmb__transform_map(&t, TMB_PRESET_CORRECT, 31, 77, m));
    assert_true(fabs(m[0] * 15 + m[1] * 38 + m[2] - 15) < 1e-9);
    assert_true(fabs(m[3] * 15 + m[4] * 38 + m[5] - 38) < 1e-9);
    t = (tmb_transform){0};
    assert_false(tmb__transform_map(&t, TMB_PRESET_CORRECT, 31, 77, m));
}

/* A crop of the middle quarter is a zoom by one half, and a crop of everything changes nothing. */
TEST(augment_crop_is_a_zoom)
{
    const tmb_augment a = {0};
    float cropped[SIDE * SIDE * 3], zoomed[SIDE * SIDE * 3];
    tmb_transform t = {0};

    memcpy(t.crop, (double[4]){0.25, 0.25, 0.5, 0.5}, sizeof t.crop);
    apply(&t, &a, SIDE, cropped);
    t = transform(0, 0, 0, 0, 0.5, 0.5);
    apply(&t, &a, SIDE, zoomed);
    assert_floats_near(cropped, zoomed, SIDE * SIDE * 3, 1e-3);
    t = (tmb_transform){0};
    apply(&t, &a, SIDE, zoomed);
    memcpy(t.crop, (double[4]){0, 0, 1, 1}, sizeof t.crop);
    apply(&t, &a, SIDE, cropped);
    assert_floats_near(cropped, zoomed, SIDE * SIDE * 3, 1e-3);
}

TEST(augment_colour_ours)
{
    const tmb_augment a = {0};
    float plain[SIDE * SIDE * 3], out[SIDE * SIDE * 3];
    double before = 0, after = 0;
    tmb_transform t = {0};

    apply(&t, &a, SIDE, plain);
    t.saturation = -1; /* grey remains */
    apply(&t, &a, SIDE, out);
    for (int i = 0; i < SIDE * SIDE * 3; i += 3) {
        const float grey = 0.299F * plain[i] + 0.587F * plain[i + 1] + 0.114F * plain[i + 2];

        assert_true(fabsf(out[i] - grey) < 1e-3F && fabsf(out[i + 2] - grey) < 1e-3F);
    }
    t.saturation = 0;
    t.contrast = -0.5; /* the mean grey stays, distances halve */
    apply(&t, &a, SIDE, out);
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        static const double weight[3] = {0.299, 0.587, 0.114};

        before += weight[i % 3] * (double)plain[i];
        after += weight[i % 3] * (double)out[i];
        assert_true(fabsf(out[i] - out[0] - 0.5F * (plain[i] - plain[0])) < 1e-3F);
    }
    assert_true(fabs(before - after) < 1);
    t.contrast = 0;
    t.gain[1] = 0.1;
    t.has_brightness = true;
    t.brightness = 1.5; /* clipped at white */
    apply(&t, &a, SIDE, out);
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        const float expected = fminf(plain[i] * (i % 3 == 1 ? 1.65F : 1.5F), 255);

        assert_true(fabsf(out[i] - expected) < 1e-3F);
    }
}

/* Scale, offset and channel order come last, whichever way the photo took. */
TEST(augment_scale_comes_last)
{
    const tmb_preprocess pre = {.size = {SIDE, SIDE},
            .channels = 3,
            .scale = {2, 3, 4},
            .offset = {5, 6, 7},
            .bgr = true};
    const tmb_augment a = {0};
    uint8_t pixels[SIDE * SIDE * 3];
    const tmb_image photo = {.width = SIDE, .height = SIDE, .channels = 3, .pixels = pixels};
    float plain[SIDE * SIDE * 3], out[SIDE * SIDE * 3];

    fill_photo(pixels);
    for (int way = 0; way < 3; way++) {
        tmb_transform t = {0};

        if (way == 1) t.theta = 20;
        if (way == 2) t.contrast = -0.2;
        apply(&t, &a, SIDE, plain);
        transform_apply(&t, &a, &photo, out, &pre);
        for (int i = 0; i < SIDE * SIDE * 3; i += 3) {
            for (int k = 0; k < 3; k++) {
                const float expected = plain[i + 2 - k] * pre.scale[k] + pre.offset[k];

                assert_true(fabsf(out[i + k] - expected) <= 1e-4F * fabsf(expected));
            }
        }
    }
}

TEST(augment_erase_is_grey)
{
    const tmb_augment a = {0};
    float out[SIDE][SIDE][3], plain[SIDE][SIDE][3];
    tmb_transform t = {0};

    apply(&t, &a, SIDE, &plain[0][0][0]);
    memcpy(t.erase, (double[4]){0.25, 0.5, 0.25, 0.5}, sizeof t.erase);
    apply(&t, &a, SIDE, &out[0][0][0]);
    for (int r = 0; r < SIDE; r++) {
        for (int c = 0; c < SIDE; c++) {
            if (r >= 4 && r < 8 && c >= 8) {
                assert_true(out[r][c][1] == 128);
            } else {
                assert_memory_equal(out[r][c], plain[r][c], sizeof out[r][c]);
            }
        }
    }
}
