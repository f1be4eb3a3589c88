/* canvas.c - takes the rows of a decoder, converts their channels and turns the picture upright
 *
 * Grey is Pillow's: (19595 R + 38470 G + 7471 B + 32768) >> 16. Alpha is dropped, not blended.
 * Orientation is EXIF's: 1 as stored, 2 mirrored, 3 half turn, 4 upside down, 5 transposed, 6
 * stored a quarter turn anticlockwise, 7 transposed the other way, 8 a quarter turn clockwise. */
#include "image/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LATE_STRIDE = 16 };

int tmb__codec_fail(const tmb__codec *codec, const char *fmt, ...)
{
    char text[320];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (codec->name == NULL) return tmb__fail(TMB_EDATA, "%s", text);
    return tmb__fail(TMB_EDATA, "%s: %s", tmb__printable(codec->name), text);
}

bool tmb__codec_late(tmb__codec *codec)
{
    return codec->looks++ % LATE_STRIDE == 0 && tmb__cpu_now() - codec->began > codec->opts.timeout;
}

int tmb__codec_timeout(const tmb__codec *codec, const char *unit, int64_t at, int64_t of)
{
    return tmb__codec_fail(codec, "%s timed out after %g s, at %s %" PRId64 " of %" PRId64,
            codec->info->format, codec->opts.timeout, unit, at, of);
}

void tmb__codec_fault(tmb__codec *codec, tmb_image_state state, const char *fmt, ...)
{
    va_list args;

    if (codec->info->state >= state) return;
    codec->info->state = state;
    va_start(args, fmt);
    vsnprintf(codec->info->note, sizeof codec->info->note, fmt, args);
    va_end(args);
}

int tmb__codec_limit(tmb__codec *codec, int64_t width, int64_t height, int side_max)
{
    const char *format = codec->info->format;

    if (width <= 0 || height <= 0) {
        return tmb__codec_fail(codec, "%s of %" PRId64 "x%" PRId64 " pixels: nothing to see",
                format, width, height);
    }
    if (width > side_max || height > side_max) {
        return tmb__codec_fail(codec, "%s of %" PRId64 "x%" PRId64 " pixels, a side is at most %d",
                format, width, height, side_max);
    }
    codec->info->width = (int)width;
    codec->info->height = (int)height;
    if (width * height > codec->opts.max_pixels) {
        return tmb__codec_fail(codec,
                "%s of %" PRId64 "x%" PRId64 " pixels, above the limit of %" PRId64 " (max_pixels)",
                format, width, height, codec->opts.max_pixels);
    }
    return 0;
}

int tmb__canvas_open(tmb__codec *codec, int width, int height)
{
    bool transposed = codec->turn >= 5;
    tmb_image *out = codec->out;

    codec->width = width;
    codec->height = height;
    TMB_TRY(tmb__image_new(
            out, transposed ? width : height, transposed ? height : width, codec->opts.channels));
    /* Rows that a damaged file lacks are black; a whole one writes every pixel anyway. */
    if (codec->opts.partial) {
        memset(out->pixels, 0, (size_t)out->width * (size_t)out->height * (size_t)out->channels);
    }
    return 0;
}

static uint8_t grey(const uint8_t *rgb)
{
    return (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
}

/* One row of n pixels, `step` bytes from each to the next in dst, which has 1, 3 or 4 channels. */
static void put_grey(uint8_t *dst, ptrdiff_t step, const uint8_t *src, int n, int channels)
{
    for (int i = 0; i < n; i++, dst += step, src += channels)
        *dst = channels < 3 ? src[0] : grey(src);
}

static void put_rgb(uint8_t *dst, ptrdiff_t step, const uint8_t *src, int n, int channels)
{
    int g = channels < 3 ? 0 : 1, b = channels < 3 ? 0 : 2;

    for (int i = 0; i < n; i++, dst += step, src += channels) {
        dst[0] = src[0];
        dst[1] = src[g];
        dst[2] = src[b];
    }
}

static void put_alpha(uint8_t *dst, ptrdiff_t step, const uint8_t *src, int n, int channels)
{
    bool has_alpha = channels == 2 || channels == 4;

    for (int i = 0; i < n; i++, dst += step, src += channels)
        dst[3] = has_alpha ? src[channels - 1] : 255;
}

/* How a stored picture is turned upright: rows become columns, x or y runs backwards. */
static const struct {
    bool transposed, from_right, from_bottom;
} turns[9] = {
        [2] = {false, true, false},
        [3] = {false, true, true},
        [4] = {false, false, true},
        [5] = {true, false, false},
        [6] = {true, false, true},
        [7] = {true, true, true},
        [8] = {true, true, false},
};

/* Where pixel (0, y) of the stored picture lands, in pixels, and the way to (1, y). */
static void place(const tmb__codec *codec, int y, ptrdiff_t *first, ptrdiff_t *step)
{
    ptrdiff_t w = codec->width, h = codec->height;
    ptrdiff_t left = turns[codec->turn].from_right ? w - 1 : 0;
    ptrdiff_t row = turns[codec->turn].from_bottom ? h - 1 - y : y;

    *step = turns[codec->turn].transposed ? h : 1;
    *first = turns[codec->turn].transposed ? left * h + row : row * w + left;
    if (turns[codec->turn].from_right) *step = -*step;
}

uint8_t *tmb__canvas_place(const tmb__codec *codec, int y, int channels)
{
    const size_t row = (size_t)codec->width * (size_t)channels;

    return codec->turn == 1 && codec->out->channels == channels
            ? codec->out->pixels + (size_t)y * row
            : NULL;
}

void tmb__canvas_row(const tmb__codec *codec, int y, const uint8_t *row, int channels)
{
    int wanted = codec->out->channels, n = codec->width;
    ptrdiff_t first, step;
    uint8_t *dst;

    TMB_ASSERT(y >= 0 && y < codec->height);
    place(codec, y, &first, &step);
    dst = codec->out->pixels + first * wanted;
    step *= wanted;
    if (wanted == channels && step == wanted) {
        memcpy(dst, row, (size_t)n * (size_t)channels);
        return;
    }
    if (wanted == 1) {
        put_grey(dst, step, row, n, channels);
        return;
    }
    put_rgb(dst, step, row, n, channels);
    if (wanted == 4) put_alpha(dst, step, row, n, channels);
}
