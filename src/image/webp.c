/* webp.c - reads WebP, the first frame of an animation, through libwebp
 *
 * The incremental decoder is used for its one virtue: of a file that stops early it says how many
 * rows are good. An animation's first frame is placed on a clear (black) canvas, as libwebp's own
 * player does. A broken file that is refused costs no more memory than its pixels.
 *
 * The time limit is looked at when the pixels are there: feeding the decoder piece by piece, to stop it
 * between two, would help against large files only, and the limit of pixels bounds the time anyhow. */
#include "image/codec.h"

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

enum { WEBP_SIDE_MAX = 16383 };

/* One still picture inside the file: all of it, or the first frame. */
typedef struct still {
    const uint8_t *data;
    size_t size;
    int x, y, width, height, channels;
    int rows;        /* decoded so far */
    uint8_t *pixels; /* (height, width, channels); owned */
} still;

/* libwebp writes into our memory, so that limits and failing allocations are ours. */
static int decode_still(const tmb__codec *codec, still *st)
{
    WebPDecoderConfig config;
    WebPIDecoder *decoder;
    size_t stride = (size_t)st->width * (size_t)st->channels;
    int width = 0, height = 0, step = 0;
    VP8StatusCode code;

    st->pixels = tmb__calloc((size_t)st->height, stride);
    if (st->pixels == NULL) return TMB_ENOMEM;
    if (!WebPInitDecoderConfig(&config)) return tmb__fail(TMB_EBUG, "libwebp of another version");
    config.output.colorspace = st->channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = st->pixels;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = (size_t)st->height * stride;
    decoder = WebPIDecode(NULL, 0, &config);
    if (decoder == NULL) return tmb__fail(TMB_ENOMEM, "not enough memory for a WebP");
    code = WebPIUpdate(decoder, st->data, st->size);
    if (WebPIDecGetRGB(decoder, &st->rows, &width, &height, &step) == NULL) st->rows = 0;
    WebPIDelete(decoder);
    if (code == VP8_STATUS_OK) st->rows = st->height;
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return tmb__fail(TMB_ENOMEM, "not enough memory for a WebP");
    if (code != VP8_STATUS_OK && st->rows <= 0)
        return tmb__codec_fail(
                codec, "WebP is broken or ends early (libwebp status %d)", (int)code);
    return 0;
}

/* The still's rows on the canvas; black around a frame that is smaller. */
static int show(tmb__codec *codec, const still *st, int width, int height)
{
    size_t ch = (size_t)st->channels;
    bool late = false;
    uint8_t *row;

    TMB_TRY(tmb__canvas_open(codec, width, height));
    row = tmb__calloc((size_t)width, ch);
    if (row == NULL) return TMB_ENOMEM;
    for (int y = 0; y < height; y++) {
        bool inside = y >= st->y && y < st->y + st->height;

        memset(row, 0, (size_t)width * ch);
        if (inside) {
            memcpy(row + (size_t)st->x * ch,
                    st->pixels + (size_t)(y - st->y) * (size_t)st->width * ch,
                    (size_t)st->width * ch);
        }
        tmb__canvas_row(codec, y, row, st->channels);
        late = late || tmb__codec_late(codec);
    }
    tmb__free(row);
    if (late) return tmb__codec_timeout(codec, "row", st->rows, st->height);
    if (st->rows < st->height) {
        tmb__codec_fault(codec, TMB_IMAGE_PARTIAL, "ends early or is broken, at row %d of %d",
                st->y + st->rows, height);
    }
    return 0;
}

static int decode_one(tmb__codec *codec, still *st, int width, int height)
{
    int status = decode_still(codec, st);

    if (status == 0) status = show(codec, st, width, height);
    tmb__free(st->pixels);
    return status;
}

/* The frame's own header counts, as the decoder goes by it: it must agree with the container's. */
static int check_frame(const tmb__codec *codec, const WebPIterator *frame, int width, int height)
{
    WebPBitstreamFeatures f;

    if (WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &f) != VP8_STATUS_OK ||
            f.has_animation || f.width != frame->width || f.height != frame->height ||
            frame->x_offset < 0 || frame->y_offset < 0 || frame->width > width - frame->x_offset ||
            frame->height > height - frame->y_offset)
        return tmb__codec_fail(codec, "WebP animation whose first frame is broken");
    return 0;
}

static int decode_first_frame(tmb__codec *codec, WebPDemuxer *demux, WebPDemuxState state)
{
    int width = (int)WebPDemuxGetI(demux, WEBP_FF_CANVAS_WIDTH);
    int height = (int)WebPDemuxGetI(demux, WEBP_FF_CANVAS_HEIGHT);
    WebPIterator frame = {0};
    still st = {0};
    int status;

    TMB_TRY(tmb__codec_limit(codec, width, height, WEBP_SIDE_MAX));
    if (!WebPDemuxGetFrame(demux, 1, &frame))
        return tmb__codec_fail(codec, "WebP animation without a frame");
    codec->info->frames = (int)WebPDemuxGetI(demux, WEBP_FF_FRAME_COUNT);
    st = (still){.data = frame.fragment.bytes,
            .size = frame.fragment.size,
            .x = frame.x_offset,
            .y = frame.y_offset,
            .width = frame.width,
            .height = frame.height,
            .channels = 4};
    status = check_frame(codec, &frame, width, height);
    if (status == 0) status = decode_one(codec, &st, width, height);
    if (status == 0 && state != WEBP_DEMUX_DONE)
        tmb__codec_fault(codec, TMB_IMAGE_REPAIRED, "ends early, behind its first frame");
    WebPDemuxReleaseIterator(&frame);
    return status;
}

static int decode_animation(tmb__codec *codec)
{
    WebPData data = {codec->data, codec->size};
    WebPDemuxState state;
    WebPDemuxer *demux = WebPDemuxPartial(&data, &state);
    int status;

    if (demux == NULL) return tmb__codec_fail(codec, "WebP animation that is broken or ends early");
    status = decode_first_frame(codec, demux, state);
    WebPDemuxDelete(demux);
    return status;
}

int tmb__webp_decode(tmb__codec *codec)
{
    WebPBitstreamFeatures f;
    VP8StatusCode code = WebPGetFeatures(codec->data, codec->size, &f);
    still st;

    if (code != VP8_STATUS_OK) {
        return tmb__codec_fail(codec, "WebP with a broken header (libwebp status %d)", (int)code);
    }
    if (f.has_animation) return decode_animation(codec);
    TMB_TRY(tmb__codec_limit(codec, f.width, f.height, WEBP_SIDE_MAX));
    st = (still){.data = codec->data,
            .size = codec->size,
            .width = f.width,
            .height = f.height,
            .channels = f.has_alpha ? 4 : 3};
    return decode_one(codec, &st, f.width, f.height);
}
