/* image.h - decode, encode and resize one photo
 *
 * A photo is 8-bit, rows top down, channels side by side (h, w, c): 1 grey, 3 RGB or 4 RGBA. */
#ifndef THIMBLE_IMAGE_H
#define THIMBLE_IMAGE_H

#include <thimble/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Owned by caller: tmb_image_free. Zero is an empty photo. */
typedef struct tmb_image {
    int width, height, channels;
    uint8_t *pixels; /* (height, width, channels) */
} tmb_image;

/* Pillow's six filters; all but nearest widen with the reduction: shrinking does not alias. */
typedef enum tmb_filter {
    TMB_NEAREST = 1,
    TMB_BILINEAR,
    TMB_BICUBIC,
    TMB_LANCZOS,
    TMB_BOX,
    TMB_HAMMING
} tmb_filter;

/* What a photo went through, from best to worst. */
typedef enum tmb_image_state {
    TMB_IMAGE_WHOLE = 0, /* no fault */
    TMB_IMAGE_REPAIRED,  /* harmless fault: missing end marker, stray bytes; every row is there */
    TMB_IMAGE_PARTIAL    /* rows are missing or damaged; refused unless opts.partial */
} tmb_image_state;

typedef struct tmb_image_opts {
    int channels;       /* wanted channels: 1, 3 or 4; 0: 3 */
    bool ignore_exif;   /* leave the picture as stored, as Keras does; default: turned upright */
    bool partial;       /* give a damaged picture too; default: refused with its reason */
    int64_t max_pixels; /* width * height above this is refused before memory is taken; 0: 64 Mi */
    int64_t max_bytes;  /* a larger file is refused; 0: 256 MiB */
    int min_side;       /* JPEG: may be decoded at 1/2, 1/4, 1/8 while both sides stay at least
                           this; 0: always in full (what every Keras preset needs) */
    double timeout; /* seconds of the thread's own time, however busy the machine; a picture that
                           takes longer is refused; 0: 2 */
    uint64_t reserved[3];
} tmb_image_opts;

/* What is known about a picture beside its pixels. */
typedef struct tmb_image_info {
    const char *format; /* "JPEG", "PNG", "WebP", "GIF", "BMP"; "" if unknown; static */
    int width, height;  /* as stored, before orientation and reduced decoding */
    int orientation;    /* EXIF 1..8; 1 if absent or nonsense */
    int frames;         /* 1, or more if an animation of which the first was taken */
    tmb_image_state state;
    char note[160]; /* what was repaired or is missing; "" if whole */
} tmb_image_info;

/* Decode the file at `path` (or `size` bytes at `data`), by its content and not by its name.
 * `opts` and `info` may be NULL. 16-bit samples keep their high byte; alpha is dropped (channels
 * 3); CMYK and YCCK become RGB. TMB_EDATA names the file, what was found and the reason. */
TMB_API int tmb_image_read(
        tmb_image *out, const char *path, const tmb_image_opts *opts, tmb_image_info *info);
TMB_API int tmb_image_decode(tmb_image *out, const void *data, size_t size,
        const tmb_image_opts *opts, tmb_image_info *info);
TMB_API void tmb_image_free(tmb_image *image);

/* A new photo of `height` x `width`, as Pillow's Image.resize does it, bit for bit. */
TMB_API int tmb_image_resize(
        tmb_image *out, const tmb_image *src, int height, int width, tmb_filter filter);

/* Write a photo; the ending picks the format: .jpg .jpeg (quality 1..100, 0: 90) or .png.
 * The file appears whole or not at all. */
TMB_API int tmb_image_write(const tmb_image *image, const char *path, int quality);

#ifdef __cplusplus
}
#endif
#endif
