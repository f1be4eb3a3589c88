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

enum { MAX_SHIFT = 4096 };

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

/* One axis' shifts, given in one of three ways. */
typedef struct shifts {
    float range;
    int whole;
    const float *list;
    int n;
} shifts;

static shifts width_shifts(const tmb_augment *a)
{
    return (shifts){a->width_shift, a->width_shift_int, a->width_shifts, a->n_width_shifts};
}

static shifts height_shifts(const tmb_augment *a)
{
    return (shifts){a->height_shift, a->height_shift_int, a->height_shifts, a->n_height_shifts};
}

static int check_shifts(const char *name, shifts s, tmb_preset preset)
{
    if ((s.range != 0) + (s.whole != 0) + (s.n != 0) > 1)
        return tmb__fail(
                TMB_EINVAL, "%s: a range, a whole number and a list exclude one another", name);
    if (preset == TMB_PRESET_KERAS2016 && (s.whole != 0 || s.n != 0))
        return tmb__fail(
                TMB_EINVAL, "%s: the Keras of 2016 knew ranges only, take another preset", name);
    if (s.n < 0 || s.n > TMB_SHIFTS)
        return tmb__fail(
                TMB_EINVAL, "%s: a list of %d, expected 1 to %d", name, s.n, (int)TMB_SHIFTS);
    for (int i = 0; i < s.n; i++)
        TMB_TRY(check_range(name, (double)s.list[i], -MAX_SHIFT, MAX_SHIFT));
    TMB_TRY(check_range(name, s.whole, 0, MAX_SHIFT));
    return check_range(name, (double)s.range, 0, MAX_SHIFT);
}

static bool shifts_any(shifts s)
{
    return s.range != 0 || s.whole != 0 || s.n != 0;
}

int tmb__augment_check(const tmb_augment *a)
{
    if ((int)a->preset < 0 || a->preset > TMB_PRESET_KERAS3)
        return tmb__fail(TMB_EINVAL, "augmentation preset: number %d is unknown", (int)a->preset);
    if ((int)a->fill < 0 || a->fill > TMB_FILL_WRAP)
        return tmb__fail(TMB_EINVAL, "fill mode: number %d is unknown", (int)a->fill);
    if ((int)a->sampling < 0 || a->sampling > TMB_SAMPLING_CUBIC)
        return tmb__fail(TMB_EINVAL, "sampling: number %d is unknown", (int)a->sampling);
    TMB_TRY(check_range("rotation range", (double)a->rotation, 0, 360));
    TMB_TRY(check_shifts("width shift", width_shifts(a), a->preset));
    TMB_TRY(check_shifts("height shift", height_shifts(a), a->preset));
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
    return a->rotation != 0 || shifts_any(width_shifts(a)) || shifts_any(height_shifts(a)) ||
            a->shear != 0 || a->zoom[1] != 0 || a->channel_shift != 0 || a->brightness[1] != 0 ||
            a->horizontal_flip || a->vertical_flip || a->alternate_flip || a->crop_area[1] != 0 ||
            a->gain != 0 || a->contrast != 0 || a->saturation != 0 || a->erase != 0;
}

/* ---- drawing ---- */

static double draw_span(tmb__rng *rng, float range)
{
    return tmb__rng_uniform(rng, -(double)range, (double)range);
}

/* Below 1 a share of the side, else pixels; in 2016 always a share. Of a whole number n one of 0 .. n-1,
 * of a list one of its values, then a sign: numpy.random.choice, twice. */
static double draw_shift(tmb__rng *rng, shifts s, int side, tmb_preset preset)
{
    float most = s.n > 0 ? s.list[0] : s.whole > 0 ? (float)s.whole : s.range;
    double drawn;

    for (int i = 1; i < s.n; i++)
        most = TMB_MAX(most, s.list[i]);
    if (s.n > 0) {
        drawn = (double)s.list[tmb__rng_below(rng, (uint32_t)s.n)];
    } else if (s.whole > 0) {
        drawn = tmb__rng_below(rng, (uint32_t)s.whole);
    } else {
        drawn = draw_span(rng, s.range);
    }
    if ((s.n > 0 || s.whole > 0) && tmb__rng_below(rng, 2) == 0) drawn = -drawn;
    return most < 1 || preset == TMB_PRESET_KERAS2016 ? drawn * side : drawn;
}

/* Keras draws the height shift first and calls it tx, which in its first eras moves rows. */
static void draw_affine(tmb_transform *t, tmb__rng *rng, const tmb_augment *a, const int shape[3])
{
    const bool swapped = a->preset == TMB_PRESET_CORRECT;
    double *const down = swapped ? &t->ty : &t->tx, *const across = swapped ? &t->tx : &t->ty;

    if (a->rotation != 0) t->theta = draw_span(rng, a->rotation);
    if (shifts_any(height_shifts(a)))
        *down = draw_shift(rng, height_shifts(a), shape[0], a->preset);
    if (shifts_any(width_shifts(a)))
        *across = draw_shift(rng, width_shifts(a), shape[1], a->preset);
    if (a->shear != 0) t->shear = draw_span(rng, a->shear);
    if (a->zoom[1] != 0 && (a->zoom[0] != 1 || a->zoom[1] != 1)) {
        t->zx = tmb__rng_uniform(rng, (double)a->zoom[0], (double)a->zoom[1]);
        t->zy = tmb__rng_uniform(rng, (double)a->zoom[0], (double)a->zoom[1]);
    }
}

/* Keras 1: a channel shift for each channel, then a draw for each flip that is on. */
static void draw_2016(tmb_transform *t, tmb__rng *rng, const tmb_augment *a, int channels)
{
    for (int k = 0; k < channels && a->channel_shift != 0; k++)
        t->channel_shift_intensity[k] = draw_span(rng, a->channel_shift);
    if (a->horizontal_flip) t->flip_horizontal = tmb__rng_uniform(rng, 0, 1) < 0.5;
    if (a->vertical_flip) t->flip_vertical = tmb__rng_uniform(rng, 0, 1) < 0.5;
}

/* Since get_random_transform: both flips are drawn always, then one channel shift, then brightness. */
static void draw_since(tmb_transform *t, tmb__rng *rng, const tmb_augment *a)
{
    t->flip_horizontal = (tmb__rng_uniform(rng, 0, 1) < 0.5) & a->horizontal_flip;
    t->flip_vertical = (tmb__rng_uniform(rng, 0, 1) < 0.5) & a->vertical_flip;
    if (a->channel_shift != 0) {
        t->channel_shift_intensity[0] = draw_span(rng, a->channel_shift);
        for (int k = 1; k < 4; k++)
            t->channel_shift_intensity[k] = t->channel_shift_intensity[0];
    }
    t->has_brightness = a->brightness[1] != 0;
    if (t->has_brightness)
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

static void draw_crop(tmb_transform *t, tmb__rng *rng, const tmb_augment *a)
{
    const double area = tmb__rng_uniform(rng, (double)a->crop_area[0], (double)a->crop_area[1]);

    draw_box(t->crop, rng, fmax(area, 1e-3), exp(draw_span(rng, a->crop_aspect)));
}

/* Random erasing (Zhong and others, 2017), with their shapes of 0.3 to 3.3. */
static void draw_erase(tmb_transform *t, tmb__rng *rng, const tmb_augment *a)
{
    const double area = tmb__rng_uniform(rng, 0, (double)a->erase);
    const double aspect = exp(tmb__rng_uniform(rng, -1.2, 1.2));

    draw_box(t->erase, rng, area, aspect);
}

static void draw_beyond(tmb_transform *t, tmb__rng *rng, const tmb_augment *a)
{
    if (a->crop_area[1] != 0) draw_crop(t, rng, a);
    for (int k = 0; k < 3 && a->gain != 0; k++)
        t->gain[k] = draw_span(rng, a->gain);
    if (a->contrast != 0) t->contrast = draw_span(rng, a->contrast);
    if (a->saturation != 0) t->saturation = draw_span(rng, a->saturation);
    if (a->erase != 0) draw_erase(t, rng, a);
}

void tmb__transform_draw_from(
        tmb_transform *out, const tmb_augment *a, tmb__rng *rng, const int shape[3])
{
    *out = (tmb_transform){0};
    draw_affine(out, rng, a, shape);
    if (a->preset == TMB_PRESET_KERAS2016) {
        draw_2016(out, rng, a, shape[2]);
    } else {
        draw_since(out, rng, a);
    }
    draw_beyond(out, rng, a);
}

void tmb__transform_draw(tmb_transform *out, const tmb_augment *a, uint64_t seed, int64_t epoch,
        int64_t sample, const int shape[3])
{
    tmb__rng rng = tmb__rng_at(seed, TMB_STREAM_AUGMENT, (uint64_t)epoch, (uint32_t)sample);

    tmb__transform_draw_from(out, a, &rng, shape);
    if (a->alternate_flip) {
        tmb__rng start = tmb__rng_at(seed, TMB_STREAM_AUGMENT, every_epoch, (uint32_t)sample);

        out->flip_horizontal = ((tmb__rng_u32(&start) >> 31) ^ (uint32_t)epoch) & 1;
    }
}

/* ---- the map ---- */

/* M = rotation * shift * shear * zoom about the era's centre, in closed form. Its first coordinate is
 * the row up to Keras 2.8, and the column since and in `correct`.
 * PITFALL: Keras since 2.9 still takes the height for that coordinate's centre, and its shifts swapped;
 * `correct` alone has the true centre of a photo that is not square. */
bool tmb__transform_map(const tmb_transform *t, tmb_preset preset, int h, int w, double m[6])
{
    const bool column_first = preset == TMB_PRESET_KERAS3 || preset == TMB_PRESET_CORRECT;
    const double delta = column_first ? -0.5 : 0.5;
    const double o1 = (preset == TMB_PRESET_CORRECT ? w : h) / 2.0 + delta;
    const double o2 = (preset == TMB_PRESET_CORRECT ? h : w) / 2.0 + delta;
    const double th = t->theta * (PI / 180);
    const double s = preset == TMB_PRESET_KERAS2016 ? t->shear : t->shear * (PI / 180);
    const double zx = t->zx != 0 ? t->zx : 1, zy = t->zy != 0 ? t->zy : 1;
    const double a = zx * cos(th), b = -zy * sin(th + s);
    const double d = zx * sin(th), e = zy * cos(th + s);
    const double m1 = t->tx * cos(th) - t->ty * sin(th);
    const double m2 = t->tx * sin(th) + t->ty * cos(th);
    const double f1 = o1 + m1 - (a * o1 + b * o2);
    const double f2 = o2 + m2 - (d * o1 + e * o2);
    const double rows[6] = {a, b, f1, d, e, f2}, columns[6] = {e, d, f2, b, a, f1};

    memcpy(m, column_first ? columns : rows, sizeof rows);
    return t->theta != 0 || t->tx != 0 || t->ty != 0 || t->shear != 0 || zx != 1 || zy != 1;
}

/* ---- applying ---- */

/* Where the net's picture lies in the kept photo: row r at scale[0] r + offset[0], and columns. */
typedef struct window {
    double scale[2], offset[2];
    bool whole; /* scale 1 and whole offsets: a copy will do */
} window;

static window find_window(const tmb_transform *t, const tmb_image *photo, int h, int w)
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

/* One application. Floats, and splines of order 2 and 3, come through the pass as they are, and what
 * the net wants of them is done afterwards. */
typedef struct job {
    const tmb_transform *t;
    const tmb_augment *a;
    const tmb_preprocess *pre;
    tmb_image photo;     /* without pixels if there are floats */
    const float *floats; /* NULL: the photo's pixels */
    float *dst;
    tmb__resizer *rs;
} job;

static int sampling_order(const tmb_augment *a)
{
    if (a->sampling) return (int)a->sampling - (int)TMB_SAMPLING_NEAREST;
    return a->preset == TMB_PRESET_KERAS2016 ? 0 : 1;
}

/* No map at all, of floats: they have the output's size. */
static void copy_floats(const job *jb, int h, int w)
{
    const size_t c = (size_t)jb->photo.channels, row = (size_t)w * c;

    for (int y = 0; y < h; y++) {
        const float *src = jb->floats + (size_t)(jb->t->flip_vertical ? h - 1 - y : y) * row;
        float *dst = jb->dst + (size_t)y * row;

        if (!jb->t->flip_horizontal) memcpy(dst, src, row * sizeof *dst);
        for (size_t x = 0; jb->t->flip_horizontal && x < (size_t)w; x++)
            memcpy(dst + x * c, src + ((size_t)w - 1 - x) * c, c * sizeof *dst);
    }
}

static void copy(const job *jb, const window *win, const float *scale, const float *shift)
{
    const int h = jb->pre->size[0], w = jb->pre->size[1];

    if (jb->floats) {
        copy_floats(jb, h, w);
        return;
    }
    tmb__photo_copy(&jb->photo, (int)win->offset[0], (int)win->offset[1], jb->t->flip_horizontal,
            jb->t->flip_vertical, jb->dst, h, w, scale, shift);
}

static int warp(const job *jb, const float *scale, const float *shift)
{
    static const double identity[6] = {1, 0, 0, 0, 1, 0};
    const int h = jb->pre->size[0], w = jb->pre->size[1];
    const window win = find_window(jb->t, &jb->photo, h, w);
    tmb__warp warp = {.flip_h = jb->t->flip_horizontal,
            .flip_v = jb->t->flip_vertical,
            .order = sampling_order(jb->a),
            .fill = (tmb__fill)jb->a->fill,
            .cval = jb->a->cval,
            .exact = jb->a->preset != TMB_PRESET_CORRECT,
            .floats = jb->floats};

    if (!tmb__transform_map(jb->t, jb->a->preset, h, w, warp.m)) {
        if (win.whole) {
            copy(jb, &win, scale, shift);
            return 0;
        }
        memcpy(warp.m, identity, sizeof identity);
    }
    map_through(&win, warp.m);
    if (jb->floats || warp.order > 1)
        return tmb__warp_spline(&warp, &jb->photo, jb->dst, h, w, jb->rs);
    tmb__warp_run(&warp, &jb->photo, jb->dst, h, w, scale, shift);
    return 0;
}

/* Grey that cannot be seen through, as the net sees it. */
static void erase(const tmb_transform *t, float *dst, const tmb_preprocess *pre)
{
    const int h = pre->size[0], w = pre->size[1], c = pre->channels;
    const int y0 = (int)(t->erase[0] * h + 0.5), y1 = (int)((t->erase[0] + t->erase[2]) * h + 0.5);
    const int x0 = (int)(t->erase[1] * w + 0.5), x1 = (int)((t->erase[1] + t->erase[3]) * w + 0.5);

    for (int y = y0; y < TMB_MIN(y1, h); y++) {
        float *row = dst + (size_t)y * (size_t)(w * c);

        for (int i = x0 * c; i < TMB_MIN(x1, w) * c; i++)
            row[i] = (i % c == 3 ? 255.0F : 128.0F) * pre->scale[i % c] + pre->offset[i % c];
    }
}

static int apply(const job *jb)
{
    static const float one[4] = {1, 1, 1, 1}, zero[4] = {0, 0, 0, 0};
    const tmb_preprocess *pre = jb->pre;
    const bool late = jb->floats || sampling_order(jb->a) > 1 || tmb__colour_any(jb->t);
    const int64_t pixels = (int64_t)pre->size[0] * pre->size[1];
    float scale[4], shift[4];

    TMB_ASSERT(jb->photo.channels == pre->channels);
    tmb__preprocess_scale(pre, scale, shift);
    TMB_TRY(warp(jb, late ? one : scale, late ? zero : shift));
    if (late)
        TMB_TRY(tmb__colour_run(&(tmb__colour){jb->t, jb->a->preset, pre->channels, scale, shift},
                jb->dst, pixels));
    if (pre->bgr) tmb__swap_red_blue(jb->dst, pixels);
    if (jb->t->erase[2] > 0) erase(jb->t, jb->dst, pre);
    tmb__standardize(pre, jb->dst);
    return 0;
}

int tmb__transform_apply(const tmb_transform *t, const tmb_augment *a, const tmb_image *photo,
        float *dst, const tmb_preprocess *pre, tmb__resizer *rs)
{
    const job jb = {.t = t, .a = a, .pre = pre, .photo = *photo, .dst = dst, .rs = rs};

    return apply(&jb);
}

int tmb__transform_apply_floats(const tmb_transform *t, const tmb_augment *a, const float *x,
        float *dst, const tmb_preprocess *pre, tmb__resizer *rs)
{
    const job jb = {.t = t,
            .a = a,
            .pre = pre,
            .photo = {.height = pre->size[0], .width = pre->size[1], .channels = pre->channels},
            .floats = x,
            .dst = dst,
            .rs = rs};

    return apply(&jb);
}
