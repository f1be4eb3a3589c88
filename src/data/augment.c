/* augment.c - the random transform of one photo: drawing it, its map, applying it
 *
 * Geometry follows keras-preprocessing's image/affine_transformations.py, era by era, and so does the
 * order in which the parameters are drawn; ops that Keras lacks draw after them, so that switching one
 * on leaves the others' values alone. Everything geometric is one resampling pass from the kept photo:
 *
 *   output pixel -- flips, affine map --> place in the middle of the kept photo, or in the crop
 *
 * then come channel shift, gain, saturation, contrast, brightness, and the scale and offset that the
 * net wants, fused into the pass where no colour op stands between. Colour is in colour.c. */
#include "data/augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846

/* The alternating flip's start is drawn once for all epochs. */
static const uint64_t every_epoch = UINT64_MAX;

/* ---- options ---- */

static int check_range(const char *name, double value, double lo, double hi)
{
    if (value >= lo && value <= hi) return 0;
    return tmb__fail(TMB_EINVAL, "%s: %g, expected %g to %g", name, value, lo, hi);
}

static int check_pair(const char *name, const float pair[2], double hi)
{
    if (pair[0] == 0 && pair[1] == 0) return 0;
    if (pair[0] >= 0 && pair[0] <= pair[1] && pair[1] <= (float)hi && pair[1] > 0) return 0;
    return tmb__fail(TMB_EINVAL, "%s: %g to %g, expected a range within 0 to %g", name,
            (double)pair[0], (double)pair[1], hi);
}

int tmb__augment_check(const tmb_augment *a)
{
    if ((int)a->preset < 0 || a->preset > TMB_PRESET_KERAS3)
        return tmb__fail(TMB_EINVAL, "augmentation preset: number %d is unknown", (int)a->preset);
    if ((int)a->fill < 0 || a->fill > TMB_FILL_WRAP)
        return tmb__fail(TMB_EINVAL, "fill mode: number %d is unknown", (int)a->fill);
    if ((int)a->sampling < 0 || a->sampling > TMB_SAMPLING_LINEAR)
        return tmb__fail(TMB_EINVAL, "augmentation sampling: expected nearest or linear");
    TMB_TRY(check_range("rotation range", (double)a->rotation, 0, 360));
    TMB_TRY(check_range("width shift range", (double)a->width_shift, 0, 4096));
    TMB_TRY(check_range("height shift range", (double)a->height_shift, 0, 4096));
    TMB_TRY(check_range("shear range", (double)a->shear, 0, 360));
    TMB_TRY(check_range("channel shift range", (double)a->channel_shift, 0, 255));
    TMB_TRY(check_range("constant fill value", (double)a->cval, -1e6, 1e6));
    TMB_TRY(check_pair("zoom range", a->zoom, 100));
    if (a->zoom[0] == 0 && a->zoom[1] != 0)
        return tmb__fail(TMB_EINVAL, "zoom range: begins at 0, expected more than 0");
    TMB_TRY(check_pair("brightness range", a->brightness, 100));
    if (a->preset == TMB_PRESET_KERAS2016 && a->brightness[1] != 0)
        return tmb__fail(TMB_EINVAL, "brightness: the Keras of 2016 had none, take another preset");
    TMB_TRY(check_pair("crop area", a->crop_area, 1));
    TMB_TRY(check_range("crop aspect", (double)a->crop_aspect, 0, 3));
    TMB_TRY(check_range("gain", (double)a->gain, 0, 1));
    TMB_TRY(check_range("contrast", (double)a->contrast, 0, 1));
    TMB_TRY(check_range("saturation", (double)a->saturation, 0, 1));
    return check_range("erase", (double)a->erase, 0, 1);
}

bool tmb__augment_any(const tmb_augment *a)
{
    return a->rotation != 0 || a->width_shift != 0 || a->height_shift != 0 || a->shear != 0 ||
            a->zoom[1] != 0 || a->channel_shift != 0 || a->brightness[1] != 0 ||
            a->horizontal_flip || a->vertical_flip || a->alternate_flip || a->crop_area[1] != 0 ||
            a->gain != 0 || a->contrast != 0 || a->saturation != 0 || a->erase != 0;
}

/* ---- drawing ---- */

void tmb__transform_none(tmb__transform *out)
{
    *out = (tmb__transform){.zx = 1, .zy = 1, .brightness = (double)NAN};
    out->contrast = out->saturation = 1;
    for (int k = 0; k < 3; k++) {
        out->channel_shift[k] = (double)NAN;
        out->gain[k] = 1;
    }
}

static double draw_span(tmb__rng *rng, float range)
{
    return tmb__rng_uniform(rng, -(double)range, (double)range);
}

/* Below 1 a share of the side, else pixels; in 2016 always a share. */
static double draw_shift(tmb__rng *rng, float range, int side, tmb_preset preset)
{
    const double drawn = draw_span(rng, range);

    return range < 1 || preset == TMB_PRESET_KERAS2016 ? drawn * side : drawn;
}

/* Keras draws the height shift first and calls it tx, which in its first eras moves rows. */
static void draw_affine(tmb__transform *t, tmb__rng *rng, const tmb_augment *a, int h, int w)
{
    const bool swapped = a->preset == TMB_PRESET_CORRECT;
    double *const down = swapped ? &t->ty : &t->tx, *const across = swapped ? &t->tx : &t->ty;

    if (a->rotation != 0) t->theta = draw_span(rng, a->rotation);
    if (a->height_shift != 0) *down = draw_shift(rng, a->height_shift, h, a->preset);
    if (a->width_shift != 0) *across = draw_shift(rng, a->width_shift, w, a->preset);
    if (a->shear != 0) t->shear = draw_span(rng, a->shear);
    if (a->zoom[1] != 0 && (a->zoom[0] != 1 || a->zoom[1] != 1)) {
        t->zx = tmb__rng_uniform(rng, (double)a->zoom[0], (double)a->zoom[1]);
        t->zy = tmb__rng_uniform(rng, (double)a->zoom[0], (double)a->zoom[1]);
    }
}

/* Keras 1: a channel shift for each channel, then a draw for each flip that is on. */
static void draw_2016(tmb__transform *t, tmb__rng *rng, const tmb_augment *a)
{
    for (int k = 0; k < 3 && a->channel_shift != 0; k++)
        t->channel_shift[k] = draw_span(rng, a->channel_shift);
    if (a->horizontal_flip) t->flip_h = tmb__rng_uniform(rng, 0, 1) < 0.5;
    if (a->vertical_flip) t->flip_v = tmb__rng_uniform(rng, 0, 1) < 0.5;
}

/* Since get_random_transform: both flips are drawn always, then one channel shift, then brightness. */
static void draw_since(tmb__transform *t, tmb__rng *rng, const tmb_augment *a)
{
    t->flip_h = (tmb__rng_uniform(rng, 0, 1) < 0.5) & a->horizontal_flip;
    t->flip_v = (tmb__rng_uniform(rng, 0, 1) < 0.5) & a->vertical_flip;
    if (a->channel_shift != 0) {
        t->channel_shift[0] = draw_span(rng, a->channel_shift);
        t->channel_shift[1] = t->channel_shift[2] = t->channel_shift[0];
    }
    if (a->brightness[1] != 0)
        t->brightness = tmb__rng_uniform(rng, (double)a->brightness[0], (double)a->brightness[1]);
}

/* A box of a share of the area, its width to its height as `aspect` to 1 or less where it must. */
static void draw_box(double box[4], tmb__rng *rng, double area, double aspect)
{
    box[2] = fmin(sqrt(area / aspect), 1);
    box[3] = fmin(sqrt(area * aspect), 1);
    box[0] = tmb__rng_uniform(rng, 0, 1) * (1 - box[2]);
    box[1] = tmb__rng_uniform(rng, 0, 1) * (1 - box[3]);
}

static void draw_crop(tmb__transform *t, tmb__rng *rng, const tmb_augment *a)
{
    const double area = tmb__rng_uniform(rng, (double)a->crop_area[0], (double)a->crop_area[1]);

    draw_box(t->crop, rng, fmax(area, 1e-3), exp(draw_span(rng, a->crop_aspect)));
}

/* Random erasing (Zhong and others, 2017), with their shapes of 0.3 to 3.3. */
static void draw_erase(tmb__transform *t, tmb__rng *rng, const tmb_augment *a)
{
    const double area = tmb__rng_uniform(rng, 0, (double)a->erase);
    const double aspect = exp(tmb__rng_uniform(rng, -1.2, 1.2));

    draw_box(t->erase, rng, area, aspect);
}

static void draw_beyond(tmb__transform *t, tmb__rng *rng, const tmb_augment *a)
{
    if (a->crop_area[1] != 0) draw_crop(t, rng, a);
    for (int k = 0; k < 3 && a->gain != 0; k++)
        t->gain[k] = 1 + draw_span(rng, a->gain);
    if (a->contrast != 0) t->contrast = 1 + draw_span(rng, a->contrast);
    if (a->saturation != 0) t->saturation = 1 + draw_span(rng, a->saturation);
    if (a->erase != 0) draw_erase(t, rng, a);
}

void tmb__transform_draw_from(
        tmb__transform *out, const tmb_augment *a, tmb__rng *rng, int h, int w)
{
    tmb__transform_none(out);
    draw_affine(out, rng, a, h, w);
    if (a->preset == TMB_PRESET_KERAS2016) {
        draw_2016(out, rng, a);
    } else {
        draw_since(out, rng, a);
    }
    draw_beyond(out, rng, a);
}

void tmb__transform_draw(tmb__transform *out, const tmb_augment *a, uint64_t seed, int64_t epoch,
        int64_t sample, int h, int w)
{
    tmb__rng rng = tmb__rng_at(seed, TMB_STREAM_AUGMENT, (uint64_t)epoch, (uint32_t)sample);

    tmb__transform_draw_from(out, a, &rng, h, w);
    if (a->alternate_flip) {
        tmb__rng start = tmb__rng_at(seed, TMB_STREAM_AUGMENT, every_epoch, (uint32_t)sample);

        out->flip_h = ((tmb__rng_u32(&start) >> 31) ^ (uint32_t)epoch) & 1;
    }
}

/* ---- the map ---- */

/* M = rotation * shift * shear * zoom about the era's centre, in closed form. Its first coordinate is
 * the row up to Keras 2.8, and the column since and in `correct`.
 * PITFALL: Keras since 2.9 still takes the height for that coordinate's centre, and its shifts swapped;
 * `correct` alone has the true centre of a photo that is not square. */
bool tmb__transform_map(const tmb__transform *t, tmb_preset preset, int h, int w, double m[6])
{
    const bool column_first = preset == TMB_PRESET_KERAS3 || preset == TMB_PRESET_CORRECT;
    const double delta = column_first ? -0.5 : 0.5;
    const double o1 = (preset == TMB_PRESET_CORRECT ? w : h) / 2.0 + delta;
    const double o2 = (preset == TMB_PRESET_CORRECT ? h : w) / 2.0 + delta;
    const double th = t->theta * (PI / 180);
    const double s = preset == TMB_PRESET_KERAS2016 ? t->shear : t->shear * (PI / 180);
    const double a = t->zx * cos(th), b = -t->zy * sin(th + s);
    const double d = t->zx * sin(th), e = t->zy * cos(th + s);
    const double m1 = t->tx * cos(th) - t->ty * sin(th);
    const double m2 = t->tx * sin(th) + t->ty * cos(th);
    const double f1 = o1 + m1 - (a * o1 + b * o2);
    const double f2 = o2 + m2 - (d * o1 + e * o2);
    const double rows[6] = {a, b, f1, d, e, f2}, columns[6] = {e, d, f2, b, a, f1};

    memcpy(m, column_first ? columns : rows, sizeof rows);
    return t->theta != 0 || t->tx != 0 || t->ty != 0 || t->shear != 0 || t->zx != 1 || t->zy != 1;
}

/* ---- applying ---- */

/* Where the net's picture lies in the kept photo: row r at scale[0] r + offset[0], and columns. */
typedef struct window {
    double scale[2], offset[2];
    bool whole; /* scale 1 and whole offsets: a copy will do */
} window;

static window find_window(const tmb__transform *t, const tmb_image *photo, int h, int w)
{
    const int side[2] = {photo->height, photo->width}, out[2] = {h, w};
    const bool crop = t->crop[2] > 0;
    window win = {.whole = !crop && side[0] >= h && side[1] >= w};

    for (int i = 0; i < 2; i++) {
        const double begin = crop ? t->crop[i] * side[i] : 0;
        const double length = crop ? t->crop[2 + i] * side[i] : side[i];

        win.scale[i] = win.whole ? 1 : length / out[i];
        win.offset[i] = win.whole ? (side[i] - out[i]) / 2 : begin + 0.5 * win.scale[i] - 0.5;
    }
    return win;
}

/* The affine map in the window's frame, as it stands if the window is the photo. */
static void map_through(const window *win, double m[6])
{
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 3; k++)
            m[3 * i + k] *= win->scale[i];
        m[3 * i + 2] += win->offset[i];
    }
}

static void warp(const tmb__transform *t, const tmb_augment *a, const window *win,
        const tmb_image *photo, float *dst, int h, int w, const float *scale, const float *shift)
{
    static const double identity[6] = {1, 0, 0, 0, 1, 0};
    const bool nearest =
            a->sampling ? a->sampling == TMB_SAMPLING_NEAREST : a->preset == TMB_PRESET_KERAS2016;
    tmb__warp warp = {.flip_h = t->flip_h,
            .flip_v = t->flip_v,
            .order = nearest ? 0 : 1,
            .fill = (tmb__fill)a->fill,
            .cval = a->cval,
            .exact = a->preset != TMB_PRESET_CORRECT};

    if (!tmb__transform_map(t, a->preset, h, w, warp.m)) {
        if (win->whole) {
            tmb__photo_copy(photo, (int)win->offset[0], (int)win->offset[1], t->flip_h, t->flip_v,
                    dst, h, w, scale, shift);
            return;
        }
        memcpy(warp.m, identity, sizeof identity);
    }
    map_through(win, warp.m);
    tmb__warp_run(&warp, photo, dst, h, w, scale, shift);
}

/* Grey, as the net sees it. */
static void erase(const tmb__transform *t, float *dst, int h, int w, const tmb_preprocess *pre)
{
    const int y0 = (int)(t->erase[0] * h + 0.5), y1 = (int)((t->erase[0] + t->erase[2]) * h + 0.5);
    const int x0 = (int)(t->erase[1] * w + 0.5), x1 = (int)((t->erase[1] + t->erase[3]) * w + 0.5);
    const int c = pre->channels;

    for (int y = y0; y < TMB_MIN(y1, h); y++) {
        float *row = dst + (size_t)y * (size_t)(w * c);

        for (int i = x0 * c; i < TMB_MIN(x1, w) * c; i++)
            row[i] = 128 * pre->scale[i % c] + pre->offset[i % c];
    }
}

void tmb__transform_apply(const tmb__transform *t, const tmb_augment *a, const tmb_image *photo,
        float *dst, int h, int w, const tmb_preprocess *pre)
{
    static const float one[3] = {1, 1, 1}, zero[3] = {0, 0, 0};
    const bool colour = tmb__colour_any(t);
    const window win = find_window(t, photo, h, w);
    float scale[3], shift[3];

    TMB_ASSERT(photo->channels == pre->channels);
    tmb__preprocess_scale(pre, scale, shift);
    warp(t, a, &win, photo, dst, h, w, colour ? one : scale, colour ? zero : shift);
    if (colour) tmb__colour_run(t, a->preset, dst, (int64_t)h * w, photo->channels, scale, shift);
    if (pre->bgr) tmb__swap_red_blue(dst, (int64_t)h * w);
    if (t->erase[2] > 0) erase(t, dst, h, w, pre);
}
