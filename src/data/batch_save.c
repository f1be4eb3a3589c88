/* batch_save.c - a batch's pictures to a folder: Keras' save_to_dir
 *
 *   <prefix>_<index>_<hash>.<format>
 *
 * With Keras' stream or a Keras preset the picture is what Keras would write, array_to_img(scale=True):
 * its own range stretched to 0..255, so that its colours are not the photo's. Else it is the photo as
 * augmentation left it: scale and offset are taken back. Statistics cannot be, such a picture is
 * stretched. */
#include "data/images.h"

#include <math.h>
#include <string.h>

enum { PILLOW_QUALITY = 75 };

/* Up to Keras 2.0 a range above 0 kept its distance from it. */
static void stretch(const float *x, size_t n, bool old, uint8_t *pixels)
{
    float least = x[0], most;

    for (size_t i = 1; i < n; i++)
        least = TMB_MIN(least, x[i]);
    if (old) least = TMB_MIN(least, 0);
    most = x[0] - least;
    for (size_t i = 1; i < n; i++)
        most = TMB_MAX(most, x[i] - least);
    for (size_t i = 0; i < n; i++)
        pixels[i] = (uint8_t)(most != 0 ? (x[i] - least) / most * 255 : 0);
}

static void take_back(const tmb_images *images, const float *x, size_t n, uint8_t *pixels)
{
    const tmb_preprocess *pre = &images->pre;
    const size_t c = (size_t)pre->channels;

    for (size_t i = 0; i < n; i++) {
        const size_t k = images->opts.channels_first ? i / (n / c) : i % c;
        const float v = (x[i] - pre->offset[k]) / pre->scale[k];

        pixels[i] = (uint8_t)(TMB_MIN(TMB_MAX(v, 0), 255) + 0.5F);
    }
}

/* A batch's order of values to a photo's: channels last, red first. */
static void arrange(const tmb_images *images, const uint8_t *from, size_t n, uint8_t *to, bool bgr)
{
    const size_t c = (size_t)images->pre.channels, pixels = n / c;

    for (size_t i = 0; i < n; i++) {
        const size_t k = i % c, of = bgr && k < 3 ? 2 - k : k;

        to[i] = images->opts.channels_first ? from[of * pixels + i / c] : from[i - k + of];
    }
}

static int write_picture(
        const tmb_images *images, const float *x, const char *path, uint8_t *pixels)
{
    const tmb_preprocess *pre = &images->pre;
    const tmb_preset preset = images->opts.augment.preset;
    const bool keras = preset != TMB_PRESET_CORRECT || images->opts.rng == TMB_RNG_NUMPY;
    const size_t n = tmb__store_floats(images);
    const tmb_image picture = {.width = pre->size[1],
            .height = pre->size[0],
            .channels = pre->channels,
            .pixels = pixels + n};

    if (keras || pre->samplewise_center || pre->samplewise_std || pre->statistics) {
        stretch(x, n, preset == TMB_PRESET_KERAS2016, pixels);
        arrange(images, pixels, n, picture.pixels, false);
    } else {
        take_back(images, x, n, pixels);
        arrange(images, pixels, n, picture.pixels, pre->bgr);
    }
    return tmb_image_write(&picture, path, keras ? PILLOW_QUALITY : 0);
}

/* In the first Keras the index is the place in the epoch. */
int tmb__batch_save(
        const tmb_images *images, const float *x, int64_t at, int64_t index, uint32_t hash)
{
    const tmb_images_opts *opts = &images->opts;
    const int64_t number = opts->augment.preset == TMB_PRESET_KERAS2016 ? at : index;
    uint8_t *pixels = tmb__calloc(tmb__store_floats(images), 2);
    tmb__strbuf path = {0};
    int status = TMB_ENOMEM;

    tmb__strbuf_add(&path, "%s/%s_%lld_%u.%s", opts->save_dir, opts->save_prefix, (long long)number,
            (unsigned)hash, opts->save_format);
    if (pixels && !path.failed) status = write_picture(images, x, path.text, pixels);
    tmb__strbuf_free(&path);
    tmb__free(pixels);
    return status;
}
