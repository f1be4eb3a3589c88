/* codec.h - what the decoders share: the job, its limits, and the canvas that takes their rows
 *
 * A decoder reads its header, asks tmb__codec_limit, opens the canvas and hands over rows in any
 * order. The canvas converts channels and turns the picture upright on the way, so that the pixels
 * exist once. Faults are reported through tmb__codec_fail and tmb__codec_fault. */
#ifndef THIMBLE_IMAGE_CODEC_H
#define THIMBLE_IMAGE_CODEC_H

#include "image/image.h"

typedef enum tmb__format {
    TMB__FORMAT_NONE,
    TMB__FORMAT_JPEG,
    TMB__FORMAT_PNG,
    TMB__FORMAT_WEBP,
    TMB__FORMAT_GIF,
    TMB__FORMAT_BMP
} tmb__format;

/* One picture being decoded. */
typedef struct tmb__codec {
    const char *name;    /* file for messages; NULL: from memory */
    const uint8_t *data; /* borrowed */
    size_t size;
    tmb_image_opts opts; /* zeros replaced by their defaults */
    int turn;            /* orientation that the canvas undoes, 1..8 */
    tmb_image_info *info;
    tmb_image *out;
    int width, height; /* of the canvas as stored, before it is turned */
    double began;      /* tmb__cpu_now() */
    int looks;         /* how often tmb__codec_late was asked */
} tmb__codec;

/* The format of the bytes; if none of ours, *what says in words what they are. */
tmb__format tmb__sniff(const uint8_t *data, size_t size, const char **what);

/* TMB_EDATA with the file's name in front. */
int tmb__codec_fail(const tmb__codec *codec, const char *fmt, ...) TMB_PRINTF(2, 3);
/* Whether the time limit has passed; to be asked at every row. The clock is a call into the kernel, so
 * only the first and every 16th question look at it. */
bool tmb__codec_late(tmb__codec *codec);
/* The failure that follows from it, with how far the decoder came. */
int tmb__codec_timeout(const tmb__codec *codec, const char *unit, int64_t at, int64_t of);
/* Lower the picture's state to `state` (never raise it); the worst fault's text is kept. */
void tmb__codec_fault(tmb__codec *codec, tmb_image_state state, const char *fmt, ...)
        TMB_PRINTF(3, 4);
/* Note the stored size; refuse nothing-sized pictures and those above the limits. */
int tmb__codec_limit(tmb__codec *codec, int64_t width, int64_t height, int side_max);

/* Memory for a picture of width x height as stored; call after tmb__codec_limit. */
int tmb__canvas_open(tmb__codec *codec, int width, int height);
/* Where row y of the stored picture may be decoded to as it is; NULL: canvas_row must put it there. */
uint8_t *tmb__canvas_place(const tmb__codec *codec, int y, int channels);
/* Row y of the stored picture: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA. */
void tmb__canvas_row(const tmb__codec *codec, int y, const uint8_t *row, int channels);

int tmb__jpeg_decode(tmb__codec *codec);
int tmb__png_decode(tmb__codec *codec);
int tmb__webp_decode(tmb__codec *codec);
int tmb__gif_decode(tmb__codec *codec);
int tmb__bmp_decode(tmb__codec *codec);

/* Orientation 1..8 of a TIFF block as EXIF holds it; 1 if absent or nonsense. */
int tmb__exif_orientation(const uint8_t *tiff, size_t size);
/* The same of a whole JPEG, PNG or WebP file. */
int tmb__exif_find(tmb__format format, const uint8_t *data, size_t size);

#endif
