/* gif.c - reads the first frame of a GIF, placed on its screen, through giflib's record interface
 *
 * The slurping interface would decode all frames of a long animation; reading record by record
 * stops after the first. Around a frame smaller than its screen stands the transparent colour, or
 * colour 0 of the frame's table, as in Pillow. A frame that sticks out of the screen is cut. */
#include "image/codec.h"

#include <string.h>

#include <gif_lib.h>

enum { GIF_SIDE_MAX = 65535, INTERLACE_PASSES = 4 };

typedef struct reader {
    tmb__codec *codec;
    size_t at; /* bytes taken so far */
    GifFileType *gif;
    int transparent;      /* index, or -1 */
    uint8_t rgba[256][4]; /* the frame's colours */
    uint8_t *line;        /* one line of indices of the frame; owned */
    uint8_t *row;         /* one RGBA row of the screen; owned */
} reader;

static int on_read(GifFileType *gif, GifByteType *dst, int n)
{
    reader *rd = gif->UserData;
    size_t left = rd->codec->size - rd->at, take = TMB_MIN((size_t)TMB_MAX(n, 0), left);

    memcpy(dst, rd->codec->data + rd->at, take);
    rd->at += take;
    return (int)take;
}

/* Number of frames from `at` on, the bytes just behind the first one's, without
 * reading pixels. */
static int count_more(const uint8_t *data, size_t size, size_t at)
{
    int n = 0;

    while (at < size && (data[at] == 0x2c || data[at] == 0x21)) {
        bool is_frame = data[at] == 0x2c;

        if (is_frame) {
            if (size - at < 11) return n;
            at += 11 + (data[at + 9] & 0x80 ? (size_t)3 << ((data[at + 9] & 7) + 1) : 0);
        } else {
            at += 2;
        }
        while (at < size && data[at] != 0)
            at += 1 + (size_t)data[at];
        at++;
        n += is_frame;
    }
    return n;
}

/* Read records up to the first frame's description, noting the transparent colour on the way. */
static int find_frame(reader *rd)
{
    GifRecordType type;
    GifByteType *block;
    GraphicsControlBlock gcb;
    int code;

    for (;;) {
        if (DGifGetRecordType(rd->gif, &type) == GIF_ERROR || type == TERMINATE_RECORD_TYPE)
            return tmb__codec_fail(rd->codec, "GIF without a frame");
        if (type == IMAGE_DESC_RECORD_TYPE) break;
        if (DGifGetExtension(rd->gif, &code, &block) == GIF_ERROR)
            return tmb__codec_fail(rd->codec, "GIF ends early, in its header");
        if (code == GRAPHICS_EXT_FUNC_CODE && block != NULL &&
                DGifExtensionToGCB(block[0], block + 1, &gcb) == GIF_OK)
            rd->transparent = gcb.TransparentColor;
        while (block != NULL)
            if (DGifGetExtensionNext(rd->gif, &block) == GIF_ERROR)
                return tmb__codec_fail(rd->codec, "GIF ends early, in its header");
        if (tmb__codec_late(rd->codec))
            return tmb__codec_timeout(rd->codec, "byte", (int64_t)rd->at, (int64_t)rd->codec->size);
    }
    if (DGifGetImageDesc(rd->gif) == GIF_ERROR)
        return tmb__codec_fail(rd->codec, "GIF ends early, in its first frame's header");
    return 0;
}

static int read_colours(reader *rd)
{
    const ColorMapObject *map = rd->gif->Image.ColorMap;

    if (map == NULL) map = rd->gif->SColorMap;
    if (map == NULL) return tmb__codec_fail(rd->codec, "GIF without a table of colours");
    for (int i = 0; i < 256; i++) {
        uint8_t *dst = rd->rgba[i];

        if (i < map->ColorCount) {
            dst[0] = map->Colors[i].Red;
            dst[1] = map->Colors[i].Green;
            dst[2] = map->Colors[i].Blue;
        }
        dst[3] = i == rd->transparent ? 0 : 255;
    }
    return 0;
}

static void fill(reader *rd)
{
    const uint8_t *around = rd->rgba[rd->transparent >= 0 ? rd->transparent : 0];

    for (int x = 0; x < rd->codec->width; x++)
        memcpy(rd->row + (size_t)x * 4, around, 4);
}

/* Line `y` of the frame, in rd->line, onto the screen. */
static void show_line(reader *rd, int y)
{
    const GifImageDesc *d = &rd->gif->Image;
    int n = TMB_MIN(d->Width, rd->codec->width - d->Left);

    if (y + d->Top >= rd->codec->height) return;
    fill(rd);
    for (int x = 0; x < n; x++)
        memcpy(rd->row + (size_t)(x + d->Left) * 4, rd->rgba[rd->line[x]], 4);
    tmb__canvas_row(rd->codec, y + d->Top, rd->row, 4);
}

/* Lines come top down, or in the four passes 0,8.. 4,12.. 2,6.. 1,3.. of an interlaced frame. */
static int read_lines(reader *rd)
{
    static const int first[INTERLACE_PASSES] = {0, 4, 2, 1}, step[INTERLACE_PASSES] = {8, 8, 4, 2};
    const GifImageDesc *d = &rd->gif->Image;
    int passes = d->Interlace ? INTERLACE_PASSES : 1, done = 0;

    for (int pass = 0; pass < passes; pass++) {
        for (int y = first[pass]; y < d->Height; y += d->Interlace ? step[pass] : 1) {
            if (DGifGetLine(rd->gif, rd->line, d->Width) == GIF_ERROR) {
                tmb__codec_fault(rd->codec, TMB_IMAGE_PARTIAL,
                        "ends early or is broken, after %d of %d rows", done, d->Height);
                return 0;
            }
            if (tmb__codec_late(rd->codec))
                return tmb__codec_timeout(rd->codec, "row", done, d->Height);
            show_line(rd, y);
            done++;
        }
    }
    return 0;
}

static int read_frame(reader *rd)
{
    tmb__codec *codec = rd->codec;
    const GifImageDesc *d;

    TMB_TRY(tmb__codec_limit(codec, rd->gif->SWidth, rd->gif->SHeight, GIF_SIDE_MAX));
    TMB_TRY(find_frame(rd));
    TMB_TRY(read_colours(rd));
    d = &rd->gif->Image;
    if (d->Width <= 0 || d->Height <= 0 || d->Left < 0 || d->Top < 0)
        return tmb__codec_fail(
                codec, "GIF whose first frame is of %dx%d pixels", d->Width, d->Height);
    if ((int64_t)d->Width * d->Height > codec->opts.max_pixels) {
        return tmb__codec_fail(codec, "GIF whose first frame of %dx%d pixels is above the limit",
                d->Width, d->Height);
    }
    if (d->Left + d->Width > rd->gif->SWidth || d->Top + d->Height > rd->gif->SHeight)
        tmb__codec_fault(codec, TMB_IMAGE_REPAIRED, "has a frame that sticks out of its screen");
    TMB_TRY(tmb__canvas_open(codec, rd->gif->SWidth, rd->gif->SHeight));
    rd->line = tmb__calloc((size_t)d->Width, 1);
    rd->row = tmb__calloc((size_t)codec->width, 4);
    if (rd->line == NULL || rd->row == NULL) return TMB_ENOMEM;
    fill(rd);
    for (int y = 0; y < codec->height; y++)
        tmb__canvas_row(codec, y, rd->row, 4);
    TMB_TRY(read_lines(rd));
    if (codec->info->state == TMB_IMAGE_PARTIAL) return 0;
    codec->info->frames = 1 + count_more(codec->data, codec->size, rd->at);
    return 0;
}

int tmb__gif_decode(tmb__codec *codec)
{
    reader rd = {.codec = codec, .transparent = -1};
    int error = 0, status;

    rd.gif = DGifOpen(&rd, on_read, &error);
    if (rd.gif == NULL) {
        const char *why = GifErrorString(error);
        return tmb__codec_fail(codec, "GIF cannot be read: %s", why != NULL ? why : "no reason");
    }
    status = read_frame(&rd);
    DGifCloseFile(rd.gif, &error);
    tmb__free(rd.line);
    tmb__free(rd.row);
    return status;
}
