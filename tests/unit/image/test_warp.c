/* test_warp.c - the affine map equals SciPy's, as Keras' two eras and the correct preset call it
 *
 * The matrices are made here from the closed form that Keras' R T S Z multiplies out to:
 *   a = zx cos t, b = -zy sin(t + s), d = zx sin t, e = zy cos(t + s), and the shift that keeps the
 *   centre; newer Keras swaps rows and columns. */
#include "drawn.h"

#include <math.h>

typedef struct params {
    double theta, tx, ty, shear, zx, zy; /* radians; zoom 0: 1 */
} params;

/* The map for centre (o1, o2); `swap` as newer Keras does it. */
static void set_map(tmb__warp *warp, params p, double o1, double o2, bool swap)
{
    double zx = p.zx != 0 ? p.zx : 1, zy = p.zy != 0 ? p.zy : 1;
    double a = zx * cos(p.theta), b = -zy * sin(p.theta + p.shear);
    double d = zx * sin(p.theta), e = zy * cos(p.theta + p.shear);
    double m1 = p.tx * cos(p.theta) - p.ty * sin(p.theta);
    double m2 = p.tx * sin(p.theta) + p.ty * cos(p.theta);
    double f1 = o1 + m1 - (a * o1 + b * o2), f2 = o2 + m2 - (d * o1 + e * o2);
    double plain[6] = {a, b, f1, d, e, f2}, swapped[6] = {e, d, f2, b, a, f1};

    memcpy(warp->m, swap ? swapped : plain, sizeof plain);
}

static tmb_image counting(int h, int w)
{
    tmb_image image;

    assert_ok(tmb__image_new(&image, h, w, 1));
    test_keep(image.pixels);
    for (int i = 0; i < h * w; i++)
        image.pixels[i] = (uint8_t)i;
    return image;
}

static const float one[4] = {1, 1, 1, 1}, zero[4] = {0, 0, 0, 0};

/* Goldens are given to four decimals. */
static void check(
        const tmb__warp *warp, const tmb_image *src, int first, int n, const double *expected)
{
    float out[64];
    tmb__warp either = *warp;

    assert_in_range(src->width * src->height, 1, 64);
    for (int exact = 0; exact <= 1; exact++) {
        either.exact = exact;
        tmb__warp_run(&either, src, out, src->height, src->width, one, zero);
        for (int i = 0; i < n; i++) {
            if (fabs((double)out[first + i] - expected[i]) > 6e-5)
                fail_msg("value %d is %g, expected %g", i, (double)out[first + i], expected[i]);
        }
    }
}

static const double degree = 3.14159265358979323846 / 180;

TEST(warp_newer_keras)
{
    static const double rotated[25] = {1.2679, 2.134, 4.3397, 7.7058, 10.3397, 1.4378, 4.8038,
            8.1699, 11.5359, 14.6699, 5.2679, 8.634, 12, 15.366, 18.732, 9.3301, 12.4641, 15.8301,
            19.1962, 22.5622, 13.6603, 16.2942, 19.6603, 21.866, 22.732};
    const struct {
        params p;
        tmb__fill fill;
        float cval;
        int first;
        double expected[10];
    } cases[] = {
            {{.tx = 1.5}, TMB__FILL_NEAREST, 0, 0, {1.5, 2.5, 3.5, 4, 4, -99}},
            {{.ty = 1.5}, TMB__FILL_NEAREST, 0, 0, {7.5, 8.5, 9.5, 10.5, 11.5, -99}},
            {{.ty = 1.5}, TMB__FILL_NEAREST, 0, 15, {20, 21, 22, 23, 24, 20, 21, 22, 23, 24}},
            {{.shear = 20 * degree}, TMB__FILL_NEAREST, 0, 0,
                    {1.2871, 2.2871, 3.2871, 4.2871, 4.6031, -99}},
            {{.zx = .5, .zy = .5}, TMB__FILL_NEAREST, 0, 0, {6, 6.5, 7, 7.5, 8, -99}},
            {{.zx = 1.25, .zy = .8}, TMB__FILL_NEAREST, 0, 0,
                    {2, 2.75, 4, 5.25, 6, 6, 6.75, 8, 9.25, 10}},
            {{30 * degree, .5, -.25, 10 * degree, .9, 1.1}, TMB__FILL_NEAREST, 0, 0,
                    {2.4133, 3.1927, 5.7131, 7.991, 10.241, -99}},
            {{30 * degree, .5, -.25, 10 * degree, .9, 1.1}, TMB__FILL_NEAREST, 0, 20,
                    {14.094, 16.7084, 19.7378, 21.9233, 22.7027, -99}},
            {{.theta = 30 * degree}, TMB__FILL_CONSTANT, -1, 0, {-1, -1, 4.3397, 7.7058, -1, -99}},
            {{.theta = 30 * degree}, TMB__FILL_WRAP, 0, 0,
                    {17.6077, 20.9737, 4.3397, 7.7058, 7.0718, -99}},
    };
    tmb_image src = counting(5, 5);
    tmb__warp warp = {.order = 1};

    set_map(&warp, (params){.theta = 30 * degree}, 2, 2, true);
    check(&warp, &src, 0, 25, rotated);
    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        print_message("case %zu\n", i);
        warp = (tmb__warp){.order = 1, .fill = cases[i].fill, .cval = cases[i].cval};
        set_map(&warp, cases[i].p, 2, 2, true);
        check(&warp, &src, cases[i].first, cases[i].expected[5] < -98 ? 5 : 10, cases[i].expected);
    }
}

TEST(warp_older_keras)
{
    const struct {
        params p;
        int first;
        double expected[5];
    } cases[] = {
            {{.theta = 30 * degree}, 0, {9.5096, 7.0096, 5.1436, 3.5096, 2.366}},
            {{.theta = 30 * degree}, 20, {20.9019, 21.768, 22.634, 22.8301, 20.8301}},
            {{.tx = 1.5}, 0, {7.5, 8.5, 9.5, 10.5, 11.5}},
            {{.ty = 1.5}, 0, {1.5, 2.5, 3.5, 4, 4}},
            {{.shear = 20 * degree}, 0, {5.3112, 4.5408, 3.7704, 3, 3.9397}},
            {{.zx = .5, .zy = .5}, 0, {9, 9.5, 10, 10.5, 11}},
            {{30 * degree, .5, -.25, 10 * degree, .9, 1.1}, 0,
                    {16.7047, 13.1694, 10.4749, 7.7822, 5.0895}},
    };
    tmb_image src = counting(5, 5);

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb__warp warp = {.order = 1};

        print_message("case %zu\n", i);
        set_map(&warp, cases[i].p, 3, 3, false);
        check(&warp, &src, cases[i].first, 5, cases[i].expected);
    }
}

/* Keras 2.0.0 took the nearest pixel. */
TEST(warp_nearest_pixel)
{
    static const double rotated[25] = {10, 5, 6, 2, 2, 15, 10, 11, 7, 8, 20, 16, 17, 13, 13, 20, 21,
            22, 18, 19, 21, 22, 23, 24, 19};
    static const double zoomed[5] = {12, 12, 13, 13, 14};
    tmb_image src = counting(5, 5);
    tmb__warp warp = {.order = 0};

    set_map(&warp, (params){.theta = 30 * degree}, 3, 3, false);
    check(&warp, &src, 0, 25, rotated);
    set_map(&warp, (params){.zx = .5, .zy = .5}, 3, 3, false);
    check(&warp, &src, 0, 5, zoomed);
}

/* The correct preset on 4 rows x 6 columns: centre ((w-1)/2, (h-1)/2). */
TEST(warp_correct_on_oblongs)
{
    static const double quarter[24] = {-1, 4, 10, 16, 22, -1, -1, 3, 9, 15, 21, -1, -1, 2, 8, 14,
            20, -1, -1, 1, 7, 13, 19, -1};
    static const double shifted[6] = {1, 2, 3, 4, 5, 5}, lowered[6] = {6, 7, 8, 9, 10, 11};
    static const double zoomed[12] = {
            5.75, 6.25, 6.75, 7.25, 7.75, 8.25, 8.75, 9.25, 9.75, 10.25, 10.75, 11.25};
    static const double rotated[24] = {1.0849, 1.951, 2.817, 6.3888, 10.2548, 13.7058, .5849,
            3.3529, 7.2189, 11.0849, 14.951, 18.817, 4.183, 8.049, 11.9151, 15.7811, 19.6471,
            22.4151, 9.2942, 12.7452, 16.6112, 20.183, 21.049, 21.9151};
    tmb_image src = counting(4, 6);
    tmb__warp warp = {.order = 1};
    double reversed[24];

    for (int i = 0; i < 24; i++)
        reversed[i] = 23 - i;
    set_map(&warp, (params){.theta = 180 * degree}, 2.5, 1.5, true);
    check(&warp, &src, 0, 24, reversed);
    set_map(&warp, (params){.tx = 1}, 2.5, 1.5, true);
    check(&warp, &src, 0, 6, shifted);
    set_map(&warp, (params){.ty = 1}, 2.5, 1.5, true);
    check(&warp, &src, 0, 6, lowered);
    set_map(&warp, (params){.zx = .5, .zy = .5}, 2.5, 1.5, true);
    check(&warp, &src, 0, 12, zoomed);
    set_map(&warp, (params){.theta = 30 * degree}, 2.5, 1.5, true);
    check(&warp, &src, 0, 24, rotated);
    /* A quarter turn by whole numbers: cos 90 is not quite 0, and at the edge that decides on cval.
     * */
    warp = (tmb__warp){
            .order = 1, .fill = TMB__FILL_CONSTANT, .cval = -1, .m = {0, 1, -1, -1, 0, 4}};
    check(&warp, &src, 0, 24, quarter);
}

/* ---- beyond the goldens ---- */

/* SciPy's rules once more, one pixel at a time and without any haste. */
static double slow_axis(double v, int n, tmb__fill fill, bool *outside)
{
    double p = 2.0 * n;

    if (v >= 0 && v <= n - 1) return v;
    switch (fill) {
    case TMB__FILL_CONSTANT:
        *outside = true;
        return 0;
    case TMB__FILL_NEAREST:
        return v < 0 ? 0 : n - 1;
    case TMB__FILL_WRAP:
        if (n <= 1) return 0;
        p = n - 1;
        return v < 0 ? v + p * (trunc(-v / p) + 1) : v - p * trunc(v / p);
    default:
        if (n <= 1) return 0;
        if (v < 0) {
            if (v < -p) v += p * trunc(-v / p);
            return v < -n ? v + p : fmax(-v, 1e-15) - 1;
        }
        v -= p * trunc(v / p);
        return v >= n ? p - v - 1 : v;
    }
}

static int slow_tap(int i, int n, tmb__fill fill)
{
    if (fill == TMB__FILL_NEAREST) return TMB_MAX(TMB_MIN(i, n - 1), 0);
    if (fill == TMB__FILL_REFLECT) return i < 0 ? -i - 1 : i >= n ? 2 * n - i - 1 : i;
    if (n == 1) return 0;
    return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
}

static float slow_sample(const tmb__warp *w, const tmb_image *src, double r, double c, int k)
{
    bool outside = false;
    double row = slow_axis(w->m[0] * r + w->m[1] * c + w->m[2], src->height, w->fill, &outside);
    double col = slow_axis(w->m[3] * r + w->m[4] * c + w->m[5], src->width, w->fill, &outside);
    double sum = 0, half = w->order == 0 ? .5 : 0;
    int r0 = (int)floor(row + half), c0 = (int)floor(col + half);
    double wr[2] = {1 - (row - floor(row)), 0}, wc[2] = {1 - (col - floor(col)), 0};

    if (outside) return w->cval;
    wr[1] = 1 - wr[0];
    wc[1] = 1 - wc[0];
    for (int i = 0; i <= w->order; i++) {
        for (int j = 0; j <= w->order; j++) {
            int y = slow_tap(r0 + i, src->height, w->fill),
                x = slow_tap(c0 + j, src->width, w->fill);
            double v = src->pixels[(y * src->width + x) * src->channels + k];

            sum += w->order == 0 ? v : v * wr[i] * wc[j];
        }
    }
    return (float)sum;
}

static void random_case(tmb__rng *rng, tmb__warp *warp, tmb_image *src)
{
    static const int sizes[] = {1, 2, 3, 5, 31, 32, 33, 70};
    int h = sizes[tmb__rng_below(rng, 8)], w = sizes[tmb__rng_below(rng, 8)];
    int channels[] = {1, 3, 4};
    double reach = tmb__rng_below(rng, 4) == 0 ? 1000 : 1;

    assert_ok(tmb__image_new(src, h, w, channels[tmb__rng_below(rng, 3)]));
    for (int i = 0; i < h * w * src->channels; i++)
        src->pixels[i] = (uint8_t)tmb__rng_below(rng, 256);
    *warp = (tmb__warp){.order = (int)tmb__rng_below(rng, 2),
            .fill = (tmb__fill)tmb__rng_below(rng, 4),
            .cval = 17.25f,
            .flip_h = tmb__rng_below(rng, 2) != 0,
            .flip_v = tmb__rng_below(rng, 2) != 0};
    for (int i = 0; i < 6; i++)
        warp->m[i] =
                i % 3 == 2 ? tmb__rng_uniform(rng, -50, 50) * reach : tmb__rng_uniform(rng, -2, 2);
}

/* `exact` to the bit, the fast way within 255 rounding errors; nothing is written beside dst. */
TEST(warp_equals_the_slow_way)
{
    tmb__rng rng = tmb__rng_at(7, TMB_STREAM_TEST, 0, 0);
    const float scale[4] = {1 / 255.0f, 2, .5f, 1}, shift[4] = {-.5f, 0, 3, 1};
    float *exact = test_keep(tmb__calloc(70 * 70 * 4 + 1, 4)),
          *fast = test_keep(tmb__calloc(70 * 70 * 4 + 1, 4));

    for (int t = 0; t < 300; t++) {
        tmb__warp warp;
        tmb_image src;
        int n, h, w, ch;

        random_case(&rng, &warp, &src);
        h = src.height, w = src.width, ch = src.channels;
        n = h * w * ch;
        exact[n] = fast[n] = 12345;
        warp.exact = true;
        tmb__warp_run(&warp, &src, exact, h, w, scale, shift);
        warp.exact = false;
        tmb__warp_run(&warp, &src, fast, h, w, scale, shift);
        assert_true(exact[n] == 12345 && fast[n] == 12345);
        for (int i = 0; i < n; i++) {
            int k = i % ch, x = i / ch % w, y = i / ch / w;
            float v = slow_sample(
                    &warp, &src, warp.flip_v ? h - 1 - y : y, warp.flip_h ? w - 1 - x : x, k);

            assert_true(exact[i] == v * scale[k] + shift[k]);
            assert_true(fabsf(fast[i] - exact[i]) <= 1e-4f * scale[k] + 1e-6f);
        }
        tmb_image_free(&src);
    }
}

TEST(warp_identity_copies)
{
    const float scale[4] = {1 / 255.0f, 2, 3, 4}, shift[4] = {.5f, 0, -1, 0};
    float out[DRAWN_WIDTH * DRAWN_HEIGHT * 4];

    for (int flips = 0; flips < 4; flips++) {
        for (int ch = 1; ch <= 4; ch += ch == 1 ? 2 : 1) {
            tmb_image src = drawn_image(ch);
            tmb__warp warp = {.identity = true, .flip_h = flips & 1, .flip_v = flips >> 1};

            tmb__warp_run(&warp, &src, out, src.height, src.width, scale, shift);
            for (int y = 0; y < src.height; y++) {
                for (int x = 0; x < src.width; x++) {
                    const uint8_t *px = pixel_of(&src, warp.flip_h ? src.width - 1 - x : x,
                            warp.flip_v ? src.height - 1 - y : y);

                    for (int k = 0; k < ch; k++)
                        assert_true(out[(y * src.width + x) * ch + k] ==
                                (float)px[k] * scale[k] + shift[k]);
                }
            }
        }
    }
}

/* Maps without sense read no memory that is not there. */
TEST(warp_survives_senseless_maps)
{
    static const double values[] = {NAN, INFINITY, -INFINITY, 1e300, -1e300, 1e15, -3e9, 0};
    tmb__rng rng = tmb__rng_at(8, TMB_STREAM_TEST, 0, 0);
    float out[DRAWN_WIDTH * DRAWN_HEIGHT * 3];
    tmb_image src = drawn_image(3);

    for (int t = 0; t < 2000; t++) {
        tmb__warp warp = {.order = t & 1, .fill = (tmb__fill)(t >> 1 & 3), .exact = t >> 3 & 1};

        for (int i = 0; i < 6; i++)
            warp.m[i] = values[tmb__rng_below(&rng, TMB_COUNT(values))];
        tmb__warp_run(&warp, &src, out, src.height, src.width, one, zero);
        for (size_t i = 0; i < TMB_COUNT(out); i++)
            assert_true(out[i] >= 0 && out[i] <= 255);
    }
}
