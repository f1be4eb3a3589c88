/* store.c - decoded photos kept in memory, and getting one, kept or not
 *
 * Every kept photo has the same size, so the store is one block of slots: the first photos get one, as
 * many as the limit allows; the others are decoded again at each use, with the same pixels. */
#include "data/images.h"

#include <string.h>

int tmb__store_new(tmb_images *images)
{
    size_t bytes;
    int64_t slots;

    tmb__preprocess_keep(&images->pre, &images->keep_h, &images->keep_w);
    if (!tmb__mul((size_t)images->keep_h, (size_t)images->keep_w, &bytes) ||
            !tmb__mul(bytes, (size_t)images->pre.channels, &images->photo_bytes)) {
        return tmb__fail(
                TMB_EINVAL, "photos of %d x %d are too large", images->keep_h, images->keep_w);
    }
    slots = TMB_MIN(images->n, images->opts.cache_bytes / (int64_t)images->photo_bytes);
    for (int64_t i = 0; i < slots; i++)
        images->samples[i].slot = i;
    if (slots == 0) return 0;
    images->store = tmb__calloc((size_t)slots, images->photo_bytes);
    return images->store ? 0 : TMB_ENOMEM;
}

tmb_image tmb__store_slot(const tmb_images *images, int64_t slot)
{
    return (tmb_image){.width = images->keep_w,
            .height = images->keep_h,
            .channels = images->pre.channels,
            .pixels = images->store + (size_t)slot * images->photo_bytes};
}

void tmb__scratch_free(tmb__scratch *scratch)
{
    tmb__resizer_free(&scratch->resizer);
    tmb_image_free(&scratch->kept);
    tmb__free(scratch->floats);
}

tmb_image_opts tmb__store_limits(const tmb_images *images)
{
    return (tmb_image_opts){.partial = images->opts.bad == TMB_BAD_USE,
            .max_pixels = images->opts.max_pixels,
            .timeout = images->opts.decode_timeout};
}

/* A picture of floats as bytes, to be looked at. */
static int show_floats(const tmb_images *images, int64_t slot, tmb__scratch *scratch)
{
    const size_t n = tmb__store_floats(images);
    const float *x = images->floats + (size_t)slot * n;
    tmb_image *kept = &scratch->kept;

    tmb_image_free(kept);
    TMB_TRY(tmb__image_new(kept, images->keep_h, images->keep_w, images->pre.channels));
    for (size_t i = 0; i < n; i++)
        kept->pixels[i] = (uint8_t)(TMB_MIN(TMB_MAX(x[i], 0), 255) + 0.5F);
    return 0;
}

int tmb__store_get(const tmb_images *images, int64_t index, tmb__scratch *scratch, tmb_image *view)
{
    const tmb__sample *sample = &images->samples[index];
    const tmb_image_opts limits = tmb__store_limits(images);

    if (sample->slot >= 0 && !images->floats) {
        *view = tmb__store_slot(images, sample->slot);
        return 0;
    }
    TMB_TRY(images->floats ? show_floats(images, sample->slot, scratch)
                           : tmb__preprocess_read(&images->pre, &scratch->resizer, sample->path,
                                     &limits, &scratch->kept, NULL));
    *view = scratch->kept;
    return 0;
}

size_t tmb__store_floats(const tmb_images *images)
{
    const tmb_preprocess *pre = &images->pre;

    return (size_t)pre->size[0] * (size_t)pre->size[1] * (size_t)pre->channels;
}

/* Pictures of floats have the net's size already. */
int tmb__store_apply(const tmb_images *images, const tmb_preprocess *pre, int64_t index,
        const tmb_transform *transform, tmb__scratch *scratch, float *x)
{
    static const tmb_transform none;
    const tmb_augment *augment = &images->opts.augment;
    tmb_image photo;
    double start;

    if (images->floats) {
        return tmb__transform_apply_floats(transform ? transform : &none, augment,
                images->floats + (size_t)images->samples[index].slot * tmb__store_floats(images), x,
                pre, &scratch->resizer);
    }
    start = tmb__trace_now(scratch->trace);
    TMB_TRY(tmb__store_get(images, index, scratch, &photo));
    if (images->samples[index].slot < 0)
        tmb__trace_add(
                scratch->trace, (tmb__event){TMB_EVENT_DECODE, scratch->track, .start = start});
    if (transform)
        return tmb__transform_apply(transform, augment, &photo, x, pre, &scratch->resizer);
    tmb__preprocess_run(pre, &photo, false, x);
    return 0;
}

/* Keras' standardize: the caller's function on what augmentation made, pixels 0..255 in the order RGB;
 * then the rest. */
static int run_function(const tmb_images *images, int64_t index, const tmb_transform *transform,
        tmb__scratch *scratch, float *x)
{
    const tmb_images_opts *opts = &images->opts;
    const tmb_preprocess *pre = &images->pre, raw = tmb__preprocess_raw(pre);

    TMB_TRY(tmb__store_apply(images, &raw, index, transform, scratch, x));
    opts->function(opts->function_user, x, pre->size[0], pre->size[1], pre->channels);
    tmb__preprocess_floats(pre, x);
    return 0;
}

int tmb__store_run(const tmb_images *images, int64_t index, const tmb_transform *transform,
        tmb__scratch *scratch, float *x)
{
    if (!images->random) transform = NULL;
    if (images->opts.function) return run_function(images, index, transform, scratch, x);
    return tmb__store_apply(images, &images->pre, index, transform, scratch, x);
}

int tmb__store_sample(
        const tmb_images *images, int64_t index, int64_t epoch, tmb__scratch *scratch, float *x)
{
    tmb_transform transform;

    if (epoch == TMB__PLAIN_EPOCH) return tmb__store_run(images, index, NULL, scratch, x);
    TMB_TRY(tmb__flow_transform(images, index, epoch, &transform));
    return tmb__store_run(images, index, &transform, scratch, x);
}

void tmb__channels_first(const tmb_images *images, float *x, float *floats)
{
    const int64_t pixels = (int64_t)images->pre.size[0] * images->pre.size[1];
    const int channels = images->pre.channels;

    memcpy(floats, x, tmb__store_floats(images) * sizeof *floats);
    for (int k = 0; k < channels; k++) {
        for (int64_t i = 0; i < pixels; i++)
            x[k * pixels + i] = floats[i * channels + k];
    }
}
