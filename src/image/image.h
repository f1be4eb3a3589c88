/* image.h - door of image: decoding, resizing, warping and drawing of single photos */
#ifndef THIMBLE_IMAGE_IMAGE_H
#define THIMBLE_IMAGE_IMAGE_H

#include "base/base.h"
#include <thimble/image.h>

/* A photo of this size with undefined pixels; sizes checked. */
int tmb__image_new(tmb_image *out, int height, int width, int channels);

/* Pillow's resize of the box [y0, y0+bh) x [x0, x0+bw) of `src` (float32 box as Pillow has it) into
 * `dst`, whose size and channels are set and whose pixels are there. `scratch` grows as needed and
 * is reused between calls. */
typedef struct tmb__resizer {
    void *scratch;
    size_t cap;
} tmb__resizer;
int tmb__resize_into(tmb__resizer *rs, tmb_image *dst, const tmb_image *src, const float box[4],
        tmb_filter filter); /* box: x0, y0, x1, y1; NULL: the whole */
/* `bytes` of scratch, what was in it is lost. */
int tmb__resizer_reserve(tmb__resizer *rs, size_t bytes);
void tmb__resizer_free(tmb__resizer *rs);

/* What fills the places outside the picture (scipy.ndimage's rules). */
typedef enum tmb__fill {
    TMB__FILL_NEAREST,
    TMB__FILL_CONSTANT,
    TMB__FILL_REFLECT,
    TMB__FILL_WRAP
} tmb__fill;

/* One resampling pass. Output pixel (r, c) is taken at
 *   row = m[0] r + m[1] c + m[2],   col = m[3] r + m[4] c + m[5]
 * of the source, in double, as scipy.ndimage.affine_transform does it. */
typedef struct tmb__warp {
    double m[6];
    bool identity;       /* copy; m is not looked at (sizes must agree) */
    bool flip_h, flip_v; /* index reversal of the result */
    int order;           /* 0 nearest, 1 linear; 2 and 3 in tmb__warp_spline only */
    tmb__fill fill;
    float cval; /* for TMB__FILL_CONSTANT, in pixel units */
    bool exact; /* SciPy's double arithmetic to the bit; else the fast single-precision way */
    const float *floats; /* for tmb__warp_spline: the picture's values, instead of its pixels */
} tmb__warp;

/* dst: (h, w, c) floats in pixel units 0..255 times `scale[k]` plus `shift[k]` for channel k.
 * `src` has the same number of channels. Never fails, allocates nothing. */
void tmb__warp_run(const tmb__warp *warp, const tmb_image *src, float *dst, int h, int w,
        const float *scale, const float *shift);
/* The same for orders 0 to 3, from bytes or floats, always exact (orders 2 and 3 to rounding), without
 * scale and shift; `identity` is not looked at. */
int tmb__warp_spline(const tmb__warp *warp, const tmb_image *src, float *dst, int h, int w,
        tmb__resizer *scratch);

/* A place brought into [0, n-1] as the fill mode says; not a number, from a map without sense, as 0. */
double tmb__warp_inside(double v, int n, tmb__fill fill);
double tmb__warp_sane(double v);

/* Fill a rectangle; write text in the built-in 6x10 font; copy a picture in. Cut at the edges. */
void tmb__draw_rect(tmb_image *image, int x, int y, int w, int h, const uint8_t rgb[3]);
void tmb__draw_text(tmb_image *image, int x, int y, const char *text, const uint8_t rgb[3]);
void tmb__draw_image(tmb_image *image, int x, int y, const tmb_image *src);

/* The fuzz and size tests' view: bytes -> PNG/JPEG bytes. Owned by caller. */
int tmb__image_encode(tmb__bytes *out, const tmb_image *image, bool png, int quality);

#endif
