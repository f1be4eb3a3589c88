/* store.c - decoded photos kept in memory, and getting one, kept or not
 *
 * Every kept photo has the same size, so the store is one block of slots: the first photos get one, as
 * many as the limit allows; the others are decoded again at each use, with the same pixels. */
#include "data/images.h"

#include <math.h>

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
}

tmb_image_opts tmb__store_limits(const tmb_images *images)
{
    return (tmb_image_opts){.partial = images->opts.bad == TMB_BAD_USE,
            .max_pixels = images->opts.max_pixels,
            .timeout = images->opts.decode_timeout};
}

int tmb__store_get(const tmb_images *images, int64_t index, tmb__scratch *scratch, tmb_image *view)
{
    const tmb__sample *sample = &images->samples[index];
    const tmb_image_opts limits = tmb__store_limits(images);

    if (sample->slot >= 0) {
        *view = tmb__store_slot(images, sample->slot);
        return 0;
    }
    TMB_TRY(tmb__preprocess_read(
            &images->pre, &scratch->resizer, sample->path, &limits, &scratch->kept, NULL));
    *view = scratch->kept;
    return 0;
}

int tmb__store_sample(
        const tmb_images *images, int64_t index, int64_t epoch, tmb__scratch *scratch, float *x)
{
    const int shape[3] = {images->pre.size[0], images->pre.size[1], images->pre.channels};
    const tmb_images_opts *opts = &images->opts;
    tmb_transform transform;
    tmb_image photo;

    TMB_TRY(tmb__store_get(images, index, scratch, &photo));
    if (!images->random || epoch == TMB__PLAIN_EPOCH) {
        tmb__preprocess_run(&images->pre, &photo, false, x);
        return 0;
    }
    tmb__transform_draw(&transform, &opts->augment, opts->seed, epoch, index, shape);
    return tmb__transform_apply(
            &transform, &opts->augment, &photo, x, &images->pre, &scratch->resizer);
}
