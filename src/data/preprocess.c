/* preprocess.c - from a file to a net's input, without randomness
 *
 *   bytes -> decoded photo -> kept photo -> floats
 *
 * The kept photo has 8-bit pixels and size * (1 + margin), even margins on both sides; the net sees
 * its middle. Validation, prediction and serving take this road and no other, and training differs
 * from it only in the last step. A photo much larger than the net's input may be decoded at 1/2, 1/4
 * or 1/8, as long as the resize that follows still halves it at least; not with the nearest filter and
 * not where EXIF is ignored, since Keras decodes in full. */
#include "data/images.h"

#include <math.h>
#include <string.h>

enum { MAX_SIDE = 4096, GREY = 128 };

static int check_statistics(const tmb_preprocess *pre)
{
    const int shape[3] = {pre->size[0], pre->size[1], pre->channels};

    return pre->statistics ? tmb__statistics_suit(pre->statistics, shape) : 0;
}

int tmb__preprocess_check(const tmb_preprocess *pre)
{
    for (int i = 0; i < 2; i++) {
        if (pre->size[i] >= 1 && pre->size[i] <= MAX_SIDE) continue;
        return tmb__fail(TMB_EINVAL, "image size: %d x %d, expected 1 to %d", pre->size[0],
                pre->size[1], MAX_SIDE);
    }
    if (pre->channels != 1 && pre->channels != 3 && pre->channels != 4)
        return tmb__fail(TMB_EINVAL, "channels: %d, expected 1, 3 or 4", pre->channels);
    if ((int)pre->filter < 0 || pre->filter > TMB_HAMMING)
        return tmb__fail(TMB_EINVAL, "resize filter: number %d is unknown", (int)pre->filter);
    if ((int)pre->fit < 0 || pre->fit > TMB_PAD)
        return tmb__fail(TMB_EINVAL, "fit rule: number %d is unknown", (int)pre->fit);
    for (int k = 0; k < pre->channels; k++) {
        if (isfinite(pre->scale[k]) && pre->scale[k] != 0 && isfinite(pre->offset[k])) continue;
        return tmb__fail(TMB_EINVAL,
                "channel %d: scale %g and offset %g, expected finite, scale not 0", k,
                (double)pre->scale[k], (double)pre->offset[k]);
    }
    if (pre->bgr && pre->channels != 3)
        return tmb__fail(TMB_EINVAL, "BGR order with %d channel, expected 3", pre->channels);
    if (!(pre->margin >= 0 && pre->margin <= 1))
        return tmb__fail(TMB_EINVAL, "margin: %g, expected 0 to 1", (double)pre->margin);
    return check_statistics(pre);
}

void tmb__preprocess_keep(const tmb_preprocess *pre, int *h, int *w)
{
    *h = pre->size[0] + 2 * (int)lroundf((float)pre->size[0] * pre->margin / 2);
    *w = pre->size[1] + 2 * (int)lroundf((float)pre->size[1] * pre->margin / 2);
}

/* ---- decode and shrink ---- */

static bool may_reduce(const tmb_preprocess *pre)
{
    return pre->filter != TMB_NEAREST && !pre->ignore_exif;
}

int tmb__preprocess_decode(const tmb_preprocess *pre, tmb__resizer *rs, const tmb__bytes *file,
        const tmb_image_opts *limits, tmb_image *kept, tmb_image_info *info)
{
    tmb_image_opts opts = limits ? *limits : (tmb_image_opts){0};
    tmb_image photo = {0};
    int h, w, status;

    tmb__preprocess_keep(pre, &h, &w);
    opts.channels = pre->channels;
    opts.ignore_exif = pre->ignore_exif;
    opts.min_side = may_reduce(pre) ? 2 * TMB_MAX(h, w) : 0;
    TMB_TRY(tmb_image_decode(&photo, file->data, file->size, &opts, info));
    status = tmb__preprocess_shrink(pre, rs, &photo, kept);
    tmb_image_free(&photo);
    return status;
}

/* Put the file's name before a message about its bytes. */
static void name_file(const char *path, int status)
{
    tmb__failure failure;

    tmb__failure_save(&failure, status);
    tmb__fail(status, "%s: %s", tmb__printable(path), failure.text[0]);
    if (failure.text[1][0]) tmb__detail("%s", failure.text[1]);
    if (failure.text[2][0]) tmb__hint("%s", failure.text[2]);
}

int tmb__preprocess_read(const tmb_preprocess *pre, tmb__resizer *rs, const char *path,
        const tmb_image_opts *limits, tmb_image *kept, tmb_image_info *info)
{
    const int64_t most = limits && limits->max_bytes ? limits->max_bytes : (int64_t)256 << 20;
    tmb__bytes file;
    int status;

    TMB_TRY(tmb__file_read(&file, path, (size_t)most, TMB_EDATA));
    status = tmb__preprocess_decode(pre, rs, &file, limits, kept, info);
    tmb__free(file.data);
    if (status == TMB_EDATA) name_file(path, status);
    return status;
}

/* Keras' rule (keep_aspect_ratio), in whole pixels: x0, y0, x1, y1. */
static void crop_box(const tmb_image *photo, int h, int w, float box[4])
{
    const int64_t ph = photo->height, pw = photo->width;
    const int64_t ch = TMB_MAX(TMB_MIN(ph, pw * h / w), 1),
                  cw = TMB_MAX(TMB_MIN(pw, ph * w / h), 1);
    const int64_t y = (ph - ch) / 2, x = (pw - cw) / 2;

    box[0] = (float)x;
    box[1] = (float)y;
    box[2] = (float)(x + cw);
    box[3] = (float)(y + ch);
}

/* The whole photo in the middle of grey. */
static int pad_into(tmb__resizer *rs, tmb_image *kept, const tmb_image *photo, tmb_filter filter)
{
    const double shrink =
            fmin((double)kept->height / photo->height, (double)kept->width / photo->width);
    const int h = TMB_MIN(TMB_MAX((int)lround(photo->height * shrink), 1), kept->height);
    const int w = TMB_MIN(TMB_MAX((int)lround(photo->width * shrink), 1), kept->width);
    const size_t c = (size_t)kept->channels, row = (size_t)kept->width * c;
    const size_t y = (size_t)(kept->height - h) / 2, x = (size_t)(kept->width - w) / 2;
    tmb_image inner;
    int status;

    TMB_TRY(tmb__image_new(&inner, h, w, kept->channels));
    status = tmb__resize_into(rs, &inner, photo, NULL, filter);
    memset(kept->pixels, GREY, (size_t)kept->height * row);
    for (size_t i = 3; c == 4 && i < (size_t)kept->height * row; i += 4)
        kept->pixels[i] = 255; /* not to be seen through */
    for (size_t i = 0; i < (size_t)h && status == 0; i++)
        memcpy(kept->pixels + (y + i) * row + x * c, inner.pixels + i * (size_t)w * c,
                (size_t)w * c);
    tmb_image_free(&inner);
    return status;
}

int tmb__preprocess_shrink(
        const tmb_preprocess *pre, tmb__resizer *rs, const tmb_image *photo, tmb_image *kept)
{
    const tmb_filter filter = pre->filter ? pre->filter : TMB_BILINEAR;
    float box[4];
    int h, w;

    if (photo->channels != pre->channels) {
        return tmb__fail(
                TMB_EINVAL, "photo of %d channels, expected %d", photo->channels, pre->channels);
    }
    tmb__preprocess_keep(pre, &h, &w);
    if (!kept->pixels || kept->height != h || kept->width != w || kept->channels != pre->channels) {
        tmb_image_free(kept);
        TMB_TRY(tmb__image_new(kept, h, w, pre->channels));
    }
    if (pre->fit == TMB_PAD) return pad_into(rs, kept, photo, filter);
    if (pre->fit == TMB_STRETCH) return tmb__resize_into(rs, kept, photo, NULL, filter);
    crop_box(photo, h, w, box);
    return tmb__resize_into(rs, kept, photo, box, filter);
}

/* ---- floats ---- */

void tmb__preprocess_scale(const tmb_preprocess *pre, float scale[4], float shift[4])
{
    for (int k = 0; k < 4; k++) {
        const int from = pre->bgr && k < 3 ? 2 - k : k;

        scale[k] = pre->scale[from];
        shift[k] = pre->offset[from];
    }
}

void tmb__swap_red_blue(float *x, int64_t pixels)
{
    for (int64_t i = 0; i < pixels; i++) {
        const float red = x[3 * i];

        x[3 * i] = x[3 * i + 2];
        x[3 * i + 2] = red;
    }
}

static void copy_row1(
        const uint8_t *src, int step, float *dst, int w, const float *scale, const float *shift)
{
    const float s = scale[0], o = shift[0];

    for (int i = 0; i < w; i++)
        dst[i] = (float)src[(ptrdiff_t)i * step] * s + o;
}

static void copy_row3(
        const uint8_t *src, int step, float *dst, int w, const float *scale, const float *shift)
{
    const float s0 = scale[0], s1 = scale[1], s2 = scale[2];
    const float o0 = shift[0], o1 = shift[1], o2 = shift[2];

    for (int i = 0; i < w; i++) {
        const uint8_t *p = src + (ptrdiff_t)i * step;

        dst[3 * i] = (float)p[0] * s0 + o0;
        dst[3 * i + 1] = (float)p[1] * s1 + o1;
        dst[3 * i + 2] = (float)p[2] * s2 + o2;
    }
}

static void copy_row4(
        const uint8_t *src, int step, float *dst, int w, const float *scale, const float *shift)
{
    for (int i = 0; i < w; i++, src += step)
        for (int k = 0; k < 4; k++)
            dst[4 * i + k] = (float)src[k] * scale[k] + shift[k];
}

void tmb__photo_copy(const tmb_image *photo, int y, int x, bool flip_h, bool flip_v, float *dst,
        int h, int w, const float *scale, const float *shift)
{
    const int c = photo->channels, step = flip_h ? -c : c;

    TMB_ASSERT(y >= 0 && x >= 0 && y + h <= photo->height && x + w <= photo->width);
    for (int r = 0; r < h; r++) {
        const size_t row = (size_t)(y + (flip_v ? h - 1 - r : r));
        const size_t col = (size_t)(x + (flip_h ? w - 1 : 0));
        const uint8_t *src = photo->pixels + (row * (size_t)photo->width + col) * (size_t)c;
        float *out = dst + (size_t)r * (size_t)w * (size_t)c;

        if (c == 4) copy_row4(src, step, out, w, scale, shift);
        if (c == 3) copy_row3(src, step, out, w, scale, shift);
        if (c == 1) copy_row1(src, step, out, w, scale, shift);
    }
}

void tmb__preprocess_run(
        const tmb_preprocess *pre, const tmb_image *kept, bool mirrored, float *dst)
{
    const int h = pre->size[0], w = pre->size[1];
    float scale[4], shift[4];

    tmb__preprocess_scale(pre, scale, shift);
    tmb__photo_copy(kept, (kept->height - h) / 2, (kept->width - w) / 2, mirrored, false, dst, h, w,
            scale, shift);
    if (pre->bgr) tmb__swap_red_blue(dst, (int64_t)h * w);
    tmb__standardize(pre, dst);
}

void tmb__preprocess_floats(const tmb_preprocess *pre, float *x)
{
    const int64_t pixels = (int64_t)pre->size[0] * pre->size[1];

    if (pre->bgr) tmb__swap_red_blue(x, pixels);
    for (int64_t i = 0; i < pixels; i++, x += pre->channels)
        for (int k = 0; k < pre->channels; k++)
            x[k] = x[k] * pre->scale[k] + pre->offset[k];
    tmb__standardize(pre, x - pixels * pre->channels);
}

tmb_preprocess tmb__preprocess_raw(const tmb_preprocess *pre)
{
    tmb_preprocess raw = *pre;

    raw.bgr = raw.samplewise_center = raw.samplewise_std = false;
    raw.statistics = NULL;
    for (int k = 0; k < 4; k++) {
        raw.scale[k] = 1;
        raw.offset[k] = 0;
    }
    return raw;
}
