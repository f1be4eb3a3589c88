/* png.c - reads PNG through libpng's row interface, all ancillary chunks skipped
 *
 * Only IHDR, PLTE, tRNS, IDAT and IEND are looked at: text and profiles of a hostile file never get
 * inflated, and gamma is ignored as Pillow does. 16-bit samples keep their high byte. A wrong CRC
 * in a critical chunk refuses the file, one in an ancillary chunk is of no interest. A file that
 * stops or breaks inside the rows is partial; one that stops behind them is repaired.
 *
 * PITFALL: libpng reports errors by longjmp; what lives across read_picture() is in the struct. */
#include "image/codec.h"

#include <stdio.h>
#include <string.h>

#include <png.h>

enum { PNG_SIDE_MAX = 16384, CHUNK_BYTES_MAX = 4 << 20, CHUNKS_MAX = 64 };
enum { DEFLATE_RATIO_MAX = 1032, SURPLUS_MAX = 16 << 10 };
enum { CHUNK_IDAT = 0x49444154, IS_ANCILLARY = 0x20000000 };

typedef struct reader {
    png_structp png;
    png_infop info;
    tmb__codec *codec;
    size_t at;      /* bytes taken so far */
    size_t surplus; /* bytes of pixel data taken since the last row was begun */
    bool in_last;   /* reading the last row, or behind it */
    bool ended;     /* more were asked for than there are */
    bool rows_done; /* every row is decoded */
    bool interlaced;
    int rows;     /* of a picture that is not interlaced: rows on the canvas */
    int channels; /* of a row for the canvas */
    size_t row_bytes;
    uint8_t *pixels;      /* one row as libpng gives it, or the whole interlaced picture; owned */
    uint8_t *colours;     /* one row of a palette picture, looked up; owned */
    int n_colours;        /* 0: no palette */
    uint8_t rgba[256][4]; /* the palette; what is not in it is black */
    char why[96];         /* the library's word on the error */
} reader;

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- what libpng calls ---- */

static void on_error(png_structp png, png_const_charp text)
{
    reader *rd = png_get_error_ptr(png);

    snprintf(rd->why, sizeof rd->why, "%s", text);
    png_longjmp(png, 1);
}

/* A warning counts where it is about pixels. When the last row is there, libpng looks at the rest
 * of the stream and only warns when its checksum does not fit, although some row must then be
 * wrong; a little surplus is harmless (much of it would be a bomb, see on_read). */
static void on_warning(png_structp png, png_const_charp text)
{
    reader *rd = png_get_error_ptr(png);
    png_uint_32 chunk = png_get_io_chunk_type(png);
    bool is_surplus = strstr(text, "xtra compress") != NULL || strstr(text, "Too much") != NULL;

    if ((chunk & IS_ANCILLARY) != 0) return;
    if (chunk == CHUNK_IDAT && !is_surplus) on_error(png, text);
    tmb__codec_fault(rd->codec, TMB_IMAGE_REPAIRED, "%.120s", text);
}

static void on_read(png_structp png, png_bytep dst, size_t n)
{
    reader *rd = png_get_io_ptr(png);

    if (rd->in_last && png_get_io_chunk_type(png) == CHUNK_IDAT) rd->surplus += n;
    if (rd->surplus > SURPLUS_MAX + rd->row_bytes * 2)
        png_error(png, "much data behind the last row");
    if (n > rd->codec->size - rd->at) {
        rd->ended = true;
        png_error(png, "the file ends early");
    }
    memcpy(dst, rd->codec->data + rd->at, n);
    rd->at += n;
}

/* ---- reading ---- */

/* The header by our own eyes, so that a bomb is refused before the library sees it. */
static int check_header(tmb__codec *codec)
{
    static const uint8_t samples[7] = {1, 0, 3, 1, 2, 0, 4};
    const uint8_t *d = codec->data;
    uint64_t w, h, bits;

    if (codec->size < 33) {
        return tmb__codec_fail(codec, "PNG ends early, inside its header (%zu bytes)", codec->size);
    }
    if (memcmp(d + 12, "IHDR", 4) != 0)
        return tmb__codec_fail(codec, "PNG does not begin with its header (IHDR)");
    w = be32(d + 16);
    h = be32(d + 20);
    TMB_TRY(tmb__codec_limit(codec, (int64_t)w, (int64_t)h, PNG_SIDE_MAX));
    bits = d[25] < 7 ? (uint64_t)d[24] * samples[d[25]] : 0;
    if (h * (w * bits / 8) / DEFLATE_RATIO_MAX > codec->size && !codec->opts.partial) {
        return tmb__codec_fail(codec, "PNG of %ux%u pixels in only %zu bytes", (unsigned)w,
                (unsigned)h, codec->size);
    }
    return 0;
}

static void set_limits(png_structp png)
{
    png_set_user_limits(png, PNG_SIDE_MAX, PNG_SIDE_MAX);
    png_set_chunk_malloc_max(png, CHUNK_BYTES_MAX);
    png_set_chunk_cache_max(png, CHUNKS_MAX);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* all ancillary ones */
}

/* libpng expands palettes too, but does not say when an index is not in the table. */
static const uint8_t *look_up(reader *rd, const uint8_t *row)
{
    uint8_t most = 0;

    for (int x = 0; x < rd->codec->width; x++) {
        memcpy(rd->colours + (size_t)x * 4, rd->rgba[row[x]], 4);
        most = TMB_MAX(most, row[x]);
    }
    if (most >= rd->n_colours) {
        tmb__codec_fault(rd->codec, TMB_IMAGE_REPAIRED, "has colour %d in a palette of %d", most,
                rd->n_colours);
    }
    return rd->colours;
}

static void show_row(reader *rd, int y, const uint8_t *row)
{
    tmb__canvas_row(rd->codec, y, rd->n_colours > 0 ? look_up(rd, row) : row, rd->channels);
}

static int read_rows(reader *rd)
{
    for (int y = 0; y < rd->codec->height; y++) {
        if (tmb__codec_late(rd->codec))
            return tmb__codec_timeout(rd->codec, "row", y, rd->codec->height);
        rd->in_last = y == rd->codec->height - 1;
        png_read_row(rd->png, rd->pixels, NULL);
        show_row(rd, y, rd->pixels);
        rd->rows = y + 1;
    }
    return 0;
}

static void show_interlaced(reader *rd)
{
    for (int y = 0; y < rd->codec->height; y++)
        show_row(rd, y, rd->pixels + (size_t)y * rd->row_bytes);
}

static int read_interlaced(reader *rd)
{
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++) {
        for (int y = 0; y < rd->codec->height; y++) {
            if (tmb__codec_late(rd->codec))
                return tmb__codec_timeout(rd->codec, "pass", pass + 1, PNG_INTERLACE_ADAM7_PASSES);
            rd->in_last = pass == PNG_INTERLACE_ADAM7_PASSES - 1 && y == rd->codec->height - 1;
            png_read_row(rd->png, rd->pixels + (size_t)y * rd->row_bytes, NULL);
        }
    }
    show_interlaced(rd);
    return 0;
}

/* After longjmp. Which rows there are depends on where it stopped. */
static int read_failed(reader *rd)
{
    tmb__codec *codec = rd->codec;
    bool in_idat = png_get_io_chunk_type(rd->png) == CHUNK_IDAT;

    if (rd->pixels == NULL) return tmb__codec_fail(codec, "PNG cannot be read: %s", rd->why);
    if (rd->rows_done && (rd->ended || !in_idat)) {
        tmb__codec_fault(
                codec, TMB_IMAGE_REPAIRED, "has a fault behind its last row (%s)", rd->why);
    } else if (rd->rows_done) {
        tmb__codec_fault(codec, TMB_IMAGE_PARTIAL, "is damaged (%s)", rd->why);
    } else if (rd->interlaced) {
        tmb__codec_fault(codec, TMB_IMAGE_PARTIAL, "is broken, interlaced (%s)", rd->why);
        show_interlaced(rd);
    } else {
        tmb__codec_fault(codec, TMB_IMAGE_PARTIAL, "is broken at row %d of %d (%s)", rd->rows,
                codec->height, rd->why);
    }
    return 0;
}

static void read_palette(reader *rd)
{
    png_colorp rgb = NULL;
    png_bytep alpha = NULL;
    int n_alpha = 0;

    if (!png_get_PLTE(rd->png, rd->info, &rgb, &rd->n_colours)) return;
    png_get_tRNS(rd->png, rd->info, &alpha, &n_alpha, NULL);
    for (int i = 0; i < 256; i++) {
        if (i < rd->n_colours)
            memcpy(rd->rgba[i], (uint8_t[]){rgb[i].red, rgb[i].green, rgb[i].blue}, 3);
        rd->rgba[i][3] = i < n_alpha && alpha != NULL ? alpha[i] : 255;
    }
}

/* Have libpng give a byte a sample: grey or RGB, with alpha if there is any, or palette indices. */
static void set_transforms(reader *rd)
{
    if (png_get_color_type(rd->png, rd->info) == PNG_COLOR_TYPE_PALETTE) {
        png_set_packing(rd->png);
        read_palette(rd);
    } else {
        png_set_expand(rd->png);
        png_set_strip_16(rd->png);
    }
    rd->interlaced = png_set_interlace_handling(rd->png) > 1;
    png_read_update_info(rd->png, rd->info);
    rd->channels = rd->n_colours > 0 ? 4 : png_get_channels(rd->png, rd->info);
    rd->row_bytes = png_get_rowbytes(rd->png, rd->info);
}

static int prepare(reader *rd)
{
    int width, height;

    png_read_info(rd->png, rd->info);
    width = (int)png_get_image_width(rd->png, rd->info);
    height = (int)png_get_image_height(rd->png, rd->info);
    set_transforms(rd);
    TMB_TRY(tmb__canvas_open(rd->codec, width, height));
    rd->colours = tmb__calloc((size_t)width, 4);
    rd->pixels = tmb__calloc(rd->interlaced ? (size_t)height : 1, rd->row_bytes);
    return rd->pixels != NULL && rd->colours != NULL ? 0 : TMB_ENOMEM;
}

static int read_picture(reader *rd)
{
    if (setjmp(png_jmpbuf(rd->png)) != 0) return read_failed(rd);
    rd->info = png_create_info_struct(rd->png);
    if (rd->info == NULL) return tmb__fail(TMB_ENOMEM, "not enough memory for a PNG");
    set_limits(rd->png);
    png_set_read_fn(rd->png, rd, on_read);
    TMB_TRY(prepare(rd));
    TMB_TRY(rd->interlaced ? read_interlaced(rd) : read_rows(rd));
    rd->rows_done = true;
    png_read_end(rd->png, NULL);
    return 0;
}

int tmb__png_decode(tmb__codec *codec)
{
    reader *rd;
    int status;

    TMB_TRY(check_header(codec));
    rd = tmb__calloc(1, sizeof *rd);
    if (rd == NULL) return TMB_ENOMEM;
    rd->codec = codec;
    rd->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, rd, on_error, on_warning);
    if (rd->png == NULL) {
        tmb__free(rd);
        return tmb__fail(TMB_ENOMEM, "not enough memory for a PNG");
    }
    status = read_picture(rd);
    png_destroy_read_struct(&rd->png, &rd->info, NULL);
    tmb__free(rd->pixels);
    tmb__free(rd->colours);
    tmb__free(rd);
    return status;
}
