/* data.h - door of data: data sets, augmentation, and the one way from a photo to a net's input */
#ifndef THIMBLE_DATA_DATA_H
#define THIMBLE_DATA_DATA_H

#include "image/image.h"
#include "linalg/linalg.h"
#include "tensor/tensor.h"
#include <thimble/generator.h>

/* Draw the transform of `sample` in `epoch` for an output of `shape` (h, w, c). */
void tmb__transform_draw(tmb_transform *out, const tmb_augment *augment, uint64_t seed,
        int64_t epoch, int64_t sample, const int shape[3]);
/* The same from a stream of random words, which goes on from where it stands. */
void tmb__transform_draw_from(
        tmb_transform *out, const tmb_augment *augment, tmb__rng *rng, const int shape[3]);

/* Apply it to a kept photo -> (h, w, c) floats as `pre` wants them. A photo smaller than h x w is
 * stretched to it. TMB_ENOMEM from splines of order 2 and 3, which need the scratch of `rs`. */
int tmb__transform_apply(const tmb_transform *transform, const tmb_augment *augment,
        const tmb_image *photo, float *dst, const tmb_preprocess *pre, tmb__resizer *rs);
/* The same from floats of pre->size, with pre->channels 1 to 4. */
int tmb__transform_apply_floats(const tmb_transform *transform, const tmb_augment *augment,
        const float *x, float *dst, const tmb_preprocess *pre, tmb__resizer *rs);

/* The 2x3 map of keras.md 1.4 from output to input coordinates; false if it is the identity. */
bool tmb__transform_map(
        const tmb_transform *transform, tmb_preset preset, int h, int w, double m[6]);

/* A decoded photo -> the net's input, no randomness: the road of validation, predict and serve.
 * `kept` gets the photo at the size it is kept (reused between calls; tmb_image_free). */
int tmb__preprocess_shrink(
        const tmb_preprocess *pre, tmb__resizer *rs, const tmb_image *photo, tmb_image *kept);
void tmb__preprocess_run(
        const tmb_preprocess *pre, const tmb_image *kept, bool mirrored, float *dst);
int tmb__preprocess_check(const tmb_preprocess *pre);

/* statistics.c: `to` becomes `from` with a share of its statistics (what `to` held is given back), and
 * the share given back. */
void tmb__preprocess_share(tmb_preprocess *to, const tmb_preprocess *from);
void tmb__preprocess_drop(tmb_preprocess *pre);
void tmb__statistics_digest(const tmb_statistics *statistics, uint8_t digest[32]); /* SHA-256 */
/* The steps after scale and offset, in place; and all steps, on floats of the size of `pre` with pixels
 * 0..255 in the order RGB. */
void tmb__standardize(const tmb_preprocess *pre, float *x);
void tmb__preprocess_floats(const tmb_preprocess *pre, float *x);
/* `pre` without what changes the values of pixels. */
tmb_preprocess tmb__preprocess_raw(const tmb_preprocess *pre);

/* Both steps before it: the file's bytes, or the file at `path`, decoded as training decodes it, -> the
 * kept photo. Of `limits` (NULL: the defaults) partial, max_pixels and max_bytes count. */
int tmb__preprocess_decode(const tmb_preprocess *pre, tmb__resizer *rs, const tmb__bytes *file,
        const tmb_image_opts *limits, tmb_image *kept, tmb_image_info *info);
int tmb__preprocess_read(const tmb_preprocess *pre, tmb__resizer *rs, const char *path,
        const tmb_image_opts *limits, tmb_image *kept, tmb_image_info *info);

/* Begin an epoch with nothing random in it, whatever the options: the listed order, photos as
 * validation sees them. tmb_images_next gives its batches. */
int tmb__images_plain(tmb_images *images);

/* Note how batches are filled and waited for from the next epoch on (NULL: no longer). An epoch that has
 * begun ends here. */
void tmb__images_trace(tmb_images *images, tmb__trace *trace);

/* Photos differ from epoch to epoch; and the order in which those of an epoch come (-1: as listed). */
bool tmb__images_random(const tmb_images *images);
void tmb__images_order(const tmb_images *images, int64_t epoch, int64_t *order);

/* The options of an open data set, every default filled in; `classes` and `preprocess` are NULL. */
const tmb_images_opts *tmb__images_opts(const tmb_images *images);

#endif
