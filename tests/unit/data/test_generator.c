/* test_generator.c - ImageDataGenerator's methods on float pictures give what Keras' own give */
#include "data/data.h"
#include "golden.h"
#include "test.h"

#include <math.h>
#include <string.h>

static const char *const eras[] = {"keras2", "keras3"};
static const tmb_preset presets[] = {TMB_PRESET_KERAS2, TMB_PRESET_KERAS3};
static const char *const fills[] = {"nearest", "constant", "reflect", "wrap"};

enum { SIDE = 8, CASES = 6 };

/* A row of "params": Keras' dictionary in its order, not a number for None. */
static tmb_transform transform_of(const double *p)
{
    tmb_transform t = {
            .theta = p[0], .tx = p[1], .ty = p[2], .shear = p[3], .zx = p[4], .zy = p[5]};

    t.flip_horizontal = p[6] != 0;
    t.flip_vertical = p[7] != 0;
    for (int k = 0; k < 4; k++)
        t.channel_shift_intensity[k] = isnan(p[8]) ? 0 : p[8];
    t.has_brightness = !isnan(p[9]);
    t.brightness = t.has_brightness ? p[9] : 0;
    return t;
}

static tmb_transform geometry_of(const double *p)
{
    tmb_transform t = transform_of(p);

    memset(t.channel_shift_intensity, 0, sizeof t.channel_shift_intensity);
    t.has_brightness = false;
    return t;
}

/* Orders 0 and 1 are SciPy's to the bit; the filter before the others is recursive, so that its
 * rounding depends on the order of sums: 1e-6 of a float. */
static void check_warp(int era, int fill, int order)
{
    static const int shape[3] = {SIDE, SIDE, 3};
    const double *params = golden_array("generator.npz", "params")->data;
    const float *x = golden_array("generator.npz", "picture_3")->data;
    const float *y =
            golden_array("generator.npz", "%s/warp_%s_o%d", eras[era], fills[fill], order)->data;
    const tmb_augment a = {.preset = presets[era],
            .fill = (tmb_fill)fill,
            .cval = 17,
            .sampling = (tmb_sampling)(TMB_SAMPLING_NEAREST + order)};

    for (int i = 0; i < CASES; i++) {
        const tmb_transform t = geometry_of(params + 10 * i);
        float out[SIDE * SIDE * 3];

        assert_ok(tmb_transform_apply(&t, &a, shape, x, out));
        assert_floats_near(out, y + i * SIDE * SIDE * 3, SIDE * SIDE * 3, order < 2 ? 0 : 1e-6);
    }
}

TEST(generator_warps_as_keras)
{
    for (int i = 0; i < 2 * 4 * 4; i++)
        check_warp(i / 16, i / 4 % 4, i % 4);
}

/* On square pictures `correct` is Keras 3 with its shifts put right; floats take the exact way. */
TEST(generator_splines_of_the_correct_preset)
{
    static const int shape[3] = {SIDE, SIDE, 3};
    const double *params = golden_array("generator.npz", "params")->data;
    const float *x = golden_array("generator.npz", "picture_3")->data;

    for (int order = 2; order < 4; order++) {
        const float *y = golden_array("generator.npz", "keras3/warp_reflect_o%d", order)->data;
        const tmb_augment a = {
                .fill = TMB_FILL_REFLECT, .sampling = (tmb_sampling)(TMB_SAMPLING_NEAREST + order)};

        for (int i = 0; i < CASES; i++) {
            const tmb_transform t = geometry_of(params + 10 * i);
            float out[SIDE * SIDE * 3];

            assert_ok(tmb_transform_apply(&t, &a, shape, x, out));
            assert_floats_near(out, y + i * SIDE * SIDE * 3, SIDE * SIDE * 3, 1e-6);
        }
    }
}

/* Channel shift, flips and brightness behind the warp, with 1 to 4 channels. */
TEST(generator_colours_as_keras)
{
    const double *params = golden_array("generator.npz", "params")->data;

    for (int i = 0; i < 2 * 4 * CASES; i++) {
        const int era = i / (4 * CASES), c = i / CASES % 4 + 1, n = SIDE * SIDE * c;
        const float *x = golden_array("generator.npz", "picture_%d", c)->data;
        const float *y = golden_array("generator.npz", "%s/colour_%d", eras[era], c)->data;
        const tmb_augment a = {.preset = presets[era], .cval = 17};
        tmb_transform t = transform_of(params + 10 * (i % CASES));
        float out[SIDE * SIDE * 4];

        t.has_brightness &= c != 2;
        assert_ok(tmb_transform_apply(&t, &a, (const int[3]){SIDE, SIDE, c}, x, out));
        /* keras3 undoes its stretch in float: v / 255 * extent + least. */
        assert_floats_near(out, y + i % CASES * n, n, 1e-6);
    }
}

/* The same picture as bytes and as floats, by every order. */
TEST(generator_bytes_and_floats_agree)
{
    const double *params = golden_array("generator.npz", "params")->data;
    const tmb_preprocess pre = {.size = {SIDE, SIDE}, .channels = 4, .scale = {1, 1, 1, 1}};
    uint8_t pixels[SIDE * SIDE * 4];
    const tmb_image photo = {.width = SIDE, .height = SIDE, .channels = 4, .pixels = pixels};
    float x[SIDE * SIDE * 4], from_bytes[SIDE * SIDE * 4], from_floats[SIDE * SIDE * 4];
    tmb__resizer scratch = {0};

    for (int i = 0; i < SIDE * SIDE * 4; i++)
        x[i] = pixels[i] = (uint8_t)(i * 37 ^ i / 31 * 3);
    for (int i = 0; i < 4 * CASES; i++) {
        const tmb_augment a = {.preset = TMB_PRESET_KERAS3,
                .sampling = (tmb_sampling)(TMB_SAMPLING_NEAREST + i / CASES)};
        const tmb_transform t = transform_of(params + 10 * (i % CASES));

        assert_ok(tmb__transform_apply(&t, &a, &photo, from_bytes, &pre, &scratch));
        assert_ok(tmb_transform_apply(&t, &a, (const int[3]){SIDE, SIDE, 4}, x, from_floats));
        assert_memory_equal(from_bytes, from_floats, sizeof from_bytes);
    }
    tmb__resizer_free(&scratch);
}

/* ---- drawing ---- */

static void check_draws(const char *name, uint32_t seed, tmb_augment a)
{
    const double *rows = golden_array("generator.npz", "draw_%s", name)->data;
    tmb__mt19937 mt;
    tmb__rng rng = tmb__mt_rng(&mt);

    a.preset = TMB_PRESET_KERAS3;
    tmb__mt_seed(&mt, seed);
    for (int i = 0; i < 5; i++) {
        const tmb_transform expected = transform_of(rows + 10 * i);
        const double *e = rows + 10 * i;
        tmb_transform t;

        tmb__transform_draw_from(&t, &a, &rng, (const int[3]){20, 30, 3});
        const double found[6] = {
                t.theta, t.tx, t.ty, t.shear, t.zx != 0 ? t.zx : 1, t.zy != 0 ? t.zy : 1};

        for (int k = 0; k < 6; k++) { /* ranges are floats here, doubles there */
            if (fabs(found[k] - e[k]) > 1e-7 * fmax(1, fabs(e[k])))
                fail_msg("%s %d: value %d is %.12g, expected %.12g", name, i, k, found[k], e[k]);
        }
        assert_int_equal(t.flip_horizontal, expected.flip_horizontal);
        assert_int_equal(t.flip_vertical, expected.flip_vertical);
        assert_int_equal(t.has_brightness, expected.has_brightness);
        assert_true(fabs(t.brightness - expected.brightness) < 1e-7);
        assert_true(
                fabs(t.channel_shift_intensity[3] - expected.channel_shift_intensity[3]) < 2e-6);
    }
}

TEST(generator_draws_as_numpy)
{
    check_draws("int", 0,
            (tmb_augment){.width_shift_int = 4, .height_shift_int = 7, .horizontal_flip = true});
    check_draws("one", 1,
            (tmb_augment){
                    .width_shift_int = 1, .height_shift = 1, .rotation = 20, .zoom = {0.7F, 1.3F}});
    check_draws("list", 2,
            (tmb_augment){.width_shifts = {0.1F, 0.3F, 0.25F},
                    .n_width_shifts = 3,
                    .height_shifts = {-2, 5, 3.5F, 0.5F, 1},
                    .n_height_shifts = 5,
                    .shear = 5});
    check_draws("colour", 3,
            (tmb_augment){.width_shift = 2.5F,
                    .channel_shift = 20,
                    .brightness = {0.5F, 1.5F},
                    .vertical_flip = true});
}

/* The same options from our own stream: every value comes up, both ways. */
TEST(generator_draws_whole_shifts_evenly)
{
    const tmb_augment a = {.width_shift_int = 3, .height_shifts = {0.5F}, .n_height_shifts = 1};
    int count[5] = {0}, down = 0;

    for (int i = 0; i < 6000; i++) {
        tmb_transform t;

        tmb__transform_draw(&t, &a, 9, 0, i, (const int[3]){10, 10, 3});
        count[(int)t.tx + 2]++;
        down += t.ty > 0;
        assert_true(fabs(t.ty) == 5);
    }
    for (int i = 0; i < 5; i++) /* a third each of 0, 1 and 2, the last two halved by the sign */
        assert_in_range(count[i], i == 2 ? 1850 : 880, i == 2 ? 2150 : 1120);
    assert_in_range(down, 2850, 3150);
}

TEST(generator_names_wrong_options)
{
    const tmb_transform t = {.has_brightness = true, .brightness = 0.5};
    const float x[8] = {0};
    float out[8];
    tmb_augment a = {.width_shift = 0.1F, .width_shift_int = 2};

    assert_status(tmb_transform_apply(&t, &a, (const int[3]){2, 2, 1}, x, out), TMB_EINVAL);
    assert_message("width shift");
    a = (tmb_augment){.n_height_shifts = TMB_SHIFTS + 1};
    assert_status(tmb_transform_apply(&t, &a, (const int[3]){2, 2, 1}, x, out), TMB_EINVAL);
    assert_message("height shift");
    a = (tmb_augment){.preset = TMB_PRESET_KERAS2016, .height_shift_int = 2};
    assert_status(tmb_transform_apply(&t, &a, (const int[3]){2, 2, 1}, x, out), TMB_EINVAL);
    assert_message("2016");
    a = (tmb_augment){.preset = TMB_PRESET_KERAS3};
    assert_status(tmb_transform_apply(&t, &a, (const int[3]){2, 2, 2}, x, out), TMB_EINVAL);
    assert_message("2 channels");
    assert_status(tmb_transform_apply(&t, NULL, (const int[3]){2, 2, 5}, x, out), TMB_EINVAL);
    assert_message("5 channels");
    assert_status(tmb_transform_apply(&t, NULL, (const int[3]){2, 0, 1}, x, out), TMB_EINVAL);
    assert_status(tmb_transform_apply(NULL, NULL, (const int[3]){2, 2, 1}, x, out), TMB_EINVAL);
}

/* ---- properties ---- */

TEST(generator_properties)
{
    enum { ODD = 9 };
    static const int shape[3] = {ODD, ODD, 3};
    float x[ODD * ODD * 3], once[ODD * ODD * 3], twice[ODD * ODD * 3];
    const float *centre = x + (ODD / 2 * ODD + ODD / 2) * 3;

    for (int i = 0; i < ODD * ODD * 3; i++)
        x[i] = (float)(i * i % 251) - 40;
    for (int order = 0; order < 4; order++) {
        const tmb_augment a = {.sampling = (tmb_sampling)(TMB_SAMPLING_NEAREST + order)};
        tmb_transform t = {0};

        assert_ok(tmb_transform_apply(&t, &a, shape, x, once)); /* nothing: the bits stay */
        assert_memory_equal(once, x, sizeof x);
        t.flip_horizontal = t.flip_vertical = true;
        assert_ok(tmb_transform_apply(&t, &a, shape, x, once));
        assert_ok(tmb_transform_apply(&t, &a, shape, once, twice));
        assert_memory_equal(twice, x, sizeof x);
        t = (tmb_transform){.theta = 360};
        assert_ok(tmb_transform_apply(&t, &a, shape, x, once));
        assert_floats_near(once, x, ODD * ODD * 3, 1e-5);
        t = (tmb_transform){.theta = 33, .zx = 0.7, .zy = 1.3, .shear = 8};
        assert_ok(tmb_transform_apply(&t, &a, shape, x, once));
        assert_floats_near(once + (centre - x), centre, 3, 1e-5);
    }
}
