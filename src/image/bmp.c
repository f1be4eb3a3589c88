/* bmp.c - reads BMP: 1, 4, 8, 16, 24 and 32 bits, bottom up or top down, palette or bit fields
 *
 * Small enough to be ours: the headers of OS/2 (12 bytes) to version 5 (124) share their first
 * fields. Samples of fewer than 8 bits are stretched as v 255 / max, cut, as Pillow does; alpha
 * counts only where a mask declares it. The compressed kinds are refused: nobody takes photos in
 * them. Layout: BITMAPFILEHEADER (14 bytes), header, masks, palette, rows padded to 4 bytes. */
#include "image/codec.h"

enum { FILE_HEADER = 14, CORE_HEADER = 12, BMP_SIDE_MAX = 65500 };
enum { BI_RGB = 0, BI_BITFIELDS = 3, BI_ALPHABITFIELDS = 6 };

typedef struct header {
    uint32_t size; /* of the header itself */
    int64_t width, height;
    bool top_down;
    int bits, compression;
    uint32_t n_colours;
    uint32_t masks[4]; /* red, green, blue, alpha; 0: absent */
    size_t offset;     /* of the first stored row */
    uint8_t palette[256][3];
} header;

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[1] << 8 | p[0];
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p + 2) << 16 | get16(p);
}

static int read_core(header *h, const uint8_t *d)
{
    h->width = get16(d + 4);
    h->height = get16(d + 6);
    h->bits = (int)get16(d + 10);
    return 0;
}

/* The height's sign says the direction; in 64 bits, because INT32_MIN has no opposite. */
static int read_info(const tmb__codec *codec, header *h, const uint8_t *d)
{
    h->width = (int32_t)get32(d + 4);
    h->height = (int32_t)get32(d + 8);
    h->bits = (int)get16(d + 14);
    h->compression = (int)TMB_MIN(get32(d + 16), 255u);
    h->n_colours = get32(d + 32);
    h->top_down = h->height < 0;
    if (h->top_down) h->height = -h->height;
    if (h->compression == BI_RGB || h->compression == BI_BITFIELDS ||
            h->compression == BI_ALPHABITFIELDS)
        return 0;
    return tmb__codec_fail(
            codec, "BMP of compression %d, only uncompressed ones can be read", h->compression);
}

/* Masks stand in the header from version 2 on, and behind a 40-byte one; `room` bytes follow it. */
static int read_masks(const tmb__codec *codec, header *h, const uint8_t *d, size_t room)
{
    static const uint32_t rgb555[4] = {0x7c00, 0x3e0, 0x1f, 0};
    static const uint32_t rgb888[4] = {0xff0000, 0xff00, 0xff, 0};
    bool has_alpha = h->size >= 56 || h->compression == BI_ALPHABITFIELDS;
    size_t n = has_alpha ? 4 : 3;

    for (size_t i = 0; i < 4; i++)
        h->masks[i] = h->bits == 16 ? rgb555[i] : rgb888[i];
    if (h->compression == BI_RGB) return 0;
    if (h->bits != 16 && h->bits != 32)
        return tmb__codec_fail(codec, "BMP of %d bits with bit fields, must be 16 or 32", h->bits);
    if (room < 40 + n * 4) return tmb__codec_fail(codec, "BMP ends early, in its header");
    for (size_t i = 0; i < n; i++)
        h->masks[i] = get32(d + 40 + i * 4);
    return 0;
}

static void read_palette(const tmb__codec *codec, header *h, size_t at)
{
    size_t entry = h->size == CORE_HEADER ? 3 : 4;
    uint32_t n = h->n_colours > 0 ? TMB_MIN(h->n_colours, 256u) : 1u << h->bits;

    for (uint32_t i = 0; i < n && at + entry <= codec->size; i++, at += entry)
        for (size_t j = 0; j < 3; j++)
            h->palette[i][j] = codec->data[at + 2 - j];
}

static int read_header(tmb__codec *codec, header *h)
{
    const uint8_t *d = codec->data + FILE_HEADER;
    size_t room = codec->size - TMB_MIN(codec->size, (size_t)FILE_HEADER);

    if (room < CORE_HEADER) return tmb__codec_fail(codec, "BMP ends early, in its header");
    h->size = get32(d);
    h->offset = get32(codec->data + 10);
    if (h->size != CORE_HEADER && (h->size < 40 || h->size > 124))
        return tmb__codec_fail(codec, "BMP with a header of %u bytes", h->size);
    if (h->size > room) return tmb__codec_fail(codec, "BMP ends early, in its header");
    TMB_TRY(h->size == CORE_HEADER ? read_core(h, d) : read_info(codec, h, d));
    switch (h->bits) {
    case 1:
    case 4:
    case 8:
    case 16:
    case 24:
    case 32:
        break;
    default:
        return tmb__codec_fail(codec, "BMP of %d bits, must be 1, 4, 8, 16, 24 or 32", h->bits);
    }
    TMB_TRY(tmb__codec_limit(codec, h->width, h->height, BMP_SIDE_MAX));
    TMB_TRY(read_masks(codec, h, d, room));
    if (h->bits <= 8) read_palette(codec, h, FILE_HEADER + (size_t)h->size);
    if (h->offset < FILE_HEADER + (size_t)h->size || h->offset > codec->size)
        return tmb__codec_fail(codec, "BMP whose pixels begin at byte %zu", h->offset);
    return 0;
}

/* The sample under a mask, as 8 bits. */
static uint8_t sample(uint32_t value, uint32_t mask)
{
    uint32_t low = mask & (~mask + 1);
    uint64_t max;

    if (mask == 0) return 0;
    max = mask / low;
    return (uint8_t)((uint64_t)((value & mask) / low) * 255 / max);
}

static void unpack_fields(const header *h, const uint8_t *src, uint8_t *row, int channels)
{
    size_t step = (size_t)h->bits / 8;

    for (int64_t x = 0; x < h->width; x++, src += step, row += channels) {
        uint32_t value = step == 2 ? get16(src) : get32(src);

        for (int k = 0; k < channels; k++)
            row[k] = sample(value, h->masks[k]);
    }
}

static void unpack_palette(const header *h, const uint8_t *src, uint8_t *row)
{
    int bits = h->bits, per_byte = 8 / bits, mask = (1 << bits) - 1;

    for (int64_t x = 0; x < h->width; x++, row += 3) {
        int shift = 8 - bits * (1 + (int)(x % per_byte));
        const uint8_t *rgb = h->palette[src[x / per_byte] >> shift & mask];

        for (int k = 0; k < 3; k++)
            row[k] = rgb[k];
    }
}

static void unpack(const header *h, const uint8_t *src, uint8_t *row, int channels)
{
    if (h->bits <= 8) {
        unpack_palette(h, src, row);
    } else if (h->bits == 24) {
        for (int64_t x = 0; x < h->width; x++, src += 3, row += 3) {
            row[0] = src[2];
            row[1] = src[1];
            row[2] = src[0];
        }
    } else {
        unpack_fields(h, src, row, channels);
    }
}

int tmb__bmp_decode(tmb__codec *codec)
{
    header h = {0};
    int channels, height;
    int64_t stride, rows;
    uint8_t *row;

    TMB_TRY(read_header(codec, &h));
    height = (int)h.height;
    stride = (h.width * h.bits + 31) / 32 * 4;
    rows = TMB_MIN((int64_t)(codec->size - h.offset) / stride, h.height);
    channels = h.bits > 8 && h.bits != 24 && h.masks[3] != 0 ? 4 : 3;
    if (rows < h.height) {
        tmb__codec_fault(
                codec, TMB_IMAGE_PARTIAL, "ends early, after %d of %d rows", (int)rows, height);
        if (rows == 0 || !codec->opts.partial)
            return tmb__codec_fail(codec, "BMP %s", codec->info->note);
    }
    TMB_TRY(tmb__canvas_open(codec, (int)h.width, height));
    row = tmb__calloc((size_t)h.width, (size_t)channels);
    if (row == NULL) return TMB_ENOMEM;
    for (int y = 0; y < rows; y++) {
        unpack(&h, codec->data + h.offset + (size_t)(y * stride), row, channels);
        tmb__canvas_row(codec, h.top_down ? y : height - 1 - y, row, channels);
    }
    tmb__free(row);
    return 0;
}
