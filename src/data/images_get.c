/* images_get.c - an open data set: answers about it, its epochs and batches */
#include "data/images.h"

#include <string.h>

/* ---- answers; without a data set those of an empty one ---- */

int64_t tmb_images_count(const tmb_images *images)
{
    return images ? images->n : 0;
}

tmb_part tmb_images_part(const tmb_images *images)
{
    return images ? images->opts.part : TMB_ALL;
}

int tmb_images_batch(const tmb_images *images)
{
    return images ? images->opts.batch : 0;
}

int tmb_images_classes(const tmb_images *images)
{
    return images ? images->n_classes : 0;
}

const char *tmb_images_class_name(const tmb_images *images, int label)
{
    return images && label >= 0 && label < images->n_classes ? images->names[label] : NULL;
}

static const tmb__sample *sample_at(const tmb_images *images, int64_t index)
{
    return images && index >= 0 && index < images->n ? &images->samples[index] : NULL;
}

const char *tmb_images_path(const tmb_images *images, int64_t index)
{
    const tmb__sample *sample = sample_at(images, index);

    return sample ? sample->path : NULL;
}

const char *tmb_images_key(const tmb_images *images, int64_t index)
{
    const tmb__sample *sample = sample_at(images, index);

    return sample ? sample->path + sample->key : NULL;
}

int tmb_images_label(const tmb_images *images, int64_t index)
{
    const tmb__sample *sample = sample_at(images, index);

    return sample ? sample->label : -1;
}

const tmb_preprocess *tmb_images_preprocess(const tmb_images *images)
{
    return images ? &images->pre : NULL;
}

const tmb_images_opts *tmb__images_opts(const tmb_images *images)
{
    return &images->opts;
}

const uint8_t *tmb_images_fingerprint(const tmb_images *images)
{
    return images ? images->fingerprint : NULL;
}

int64_t tmb_images_notices(const tmb_images *images)
{
    return images ? images->notices.n : 0;
}

const tmb_notice *tmb_images_notice(const tmb_images *images, int64_t i)
{
    return images && i >= 0 && i < images->notices.n ? images->notices.items[i] : NULL;
}

/* ---- batches ---- */

static int check_place(const char *what, int64_t value, int64_t end)
{
    if (value >= 0 && value < end) return 0;
    return tmb__fail(
            TMB_EINVAL, "%s: %lld, expected 0 to %lld", what, (long long)value, (long long)end - 1);
}

static int check_args(const char *call, const void *images, const void *out)
{
    if (images && out) return 0;
    return tmb__fail(TMB_EINVAL, "%s: %s is NULL", call, images ? "the result" : "images");
}

static int need_loader(tmb_images *images)
{
    return images->loader ? 0 : tmb__loader_new(&images->loader, images);
}

void tmb__images_trace(tmb_images *images, tmb__trace *trace)
{
    if (images->trace == trace) return;
    if (images->loader) tmb__loader_stop(images->loader);
    images->trace = trace;
}

int tmb_images_epoch(tmb_images *images, int64_t epoch, int64_t first)
{
    TMB_TRY(check_args("tmb_images_epoch", images, images));
    TMB_TRY(check_place("epoch", epoch, (int64_t)1 << 48));
    TMB_TRY(check_place("first batch", first, tmb__flow_batches(images) + 1));
    TMB_TRY(need_loader(images));
    tmb__loader_epoch(images->loader, epoch, first);
    return 0;
}

int tmb__images_plain(tmb_images *images)
{
    TMB_TRY(need_loader(images));
    tmb__loader_epoch(images->loader, TMB__PLAIN_EPOCH, 0);
    return 0;
}

int tmb_images_reset(tmb_images *images)
{
    TMB_TRY(check_args("tmb_images_reset", images, images));
    TMB_TRY(need_loader(images));
    tmb__loader_reset(images->loader);
    return 0;
}

int tmb_images_item(tmb_images *images, int64_t batch, tmb_batch *out)
{
    if (out) *out = (tmb_batch){0};
    TMB_TRY(check_args("tmb_images_item", images, out));
    TMB_TRY(check_place("batch", batch, tmb__flow_batches(images)));
    TMB_TRY(need_loader(images));
    return tmb__loader_item(images->loader, batch, out);
}

int tmb_images_epoch_end(tmb_images *images)
{
    TMB_TRY(check_args("tmb_images_epoch_end", images, images));
    TMB_TRY(need_loader(images));
    tmb__loader_epoch_end(images->loader);
    return 0;
}

int tmb_images_next(tmb_images *images, tmb_batch *out)
{
    if (out) *out = (tmb_batch){0};
    TMB_TRY(check_args("tmb_images_next", images, out));
    if (!images->loader) return tmb__fail(TMB_EINVAL, "tmb_images_next: no epoch has begun");
    return tmb__loader_next(images->loader, out);
}

int tmb_images_sample(tmb_images *images, int64_t index, int64_t epoch, float *x)
{
    TMB_TRY(check_args("tmb_images_sample", images, x));
    TMB_TRY(check_place("photo", index, images->n));
    return tmb__store_sample(images, index, epoch, &images->scratch, x);
}

int tmb_images_photo(tmb_images *images, int64_t index, tmb_image *out)
{
    tmb_image kept;

    if (out) *out = (tmb_image){0};
    TMB_TRY(check_args("tmb_images_photo", images, out));
    TMB_TRY(check_place("photo", index, images->n));
    TMB_TRY(tmb__store_get(images, index, &images->scratch, &kept));
    TMB_TRY(tmb__image_new(out, kept.height, kept.width, kept.channels));
    memcpy(out->pixels, kept.pixels, images->photo_bytes);
    return 0;
}
