/* encode.c - a photo to JPEG or PNG bytes, and those to a file
 *
 * JPEG: libjpeg's defaults (4:2:0, slow integer DCT), alpha dropped, as Pillow writes it. PNG:
 * libpng's defaults, grey, RGB or RGBA. The bytes depend on the pixels, quality and library version
 * alone: no time, no text chunk. The file itself is written by base, whole or not at all.
 *
 * PITFALL: both libraries report errors by longjmp; what must survive it is in the struct. */
#include "image/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jpeglib.h>
#include <png.h>

enum { QUALITY_DEFAULT = 90, JPEG_SIDE_MAX = 65500, BUFFER_SIZE = 16 << 10 };

/* ---- JPEG ---- */

typedef struct jpeg_writer {
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr error;
    struct jpeg_destination_mgr target;
    jmp_buf frame;
    char why[JMSG_LENGTH_MAX];
    uint8_t buffer[BUFFER_SIZE];
    tmb__strbuf bytes;
    uint8_t *row; /* RGB of an RGBA row; owned */
} jpeg_writer;

static void on_jpeg_error(j_common_ptr common)
{
    jpeg_writer *wr = common->client_data;

    common->err->format_message(common, wr->why);
    longjmp(wr->frame, 1);
}

static void on_jpeg_message(j_common_ptr common, int level)
{
    (void)common;
    (void)level;
}

static void on_jpeg_start(j_compress_ptr cinfo)
{
    jpeg_writer *wr = cinfo->client_data;

    cinfo->dest->next_output_byte = wr->buffer;
    cinfo->dest->free_in_buffer = sizeof wr->buffer;
}

static boolean on_jpeg_full(j_compress_ptr cinfo)
{
    jpeg_writer *wr = cinfo->client_data;

    tmb__strbuf_bytes(&wr->bytes, wr->buffer, sizeof wr->buffer);
    on_jpeg_start(cinfo);
    return TRUE;
}

static void on_jpeg_end(j_compress_ptr cinfo)
{
    jpeg_writer *wr = cinfo->client_data;

    tmb__strbuf_bytes(&wr->bytes, wr->buffer, sizeof wr->buffer - cinfo->dest->free_in_buffer);
}

static void write_jpeg_rows(jpeg_writer *wr, const tmb_image *image)
{
    size_t ch = (size_t)image->channels, stride = (size_t)image->width * ch;

    for (int y = 0; y < image->height; y++) {
        const uint8_t *src = image->pixels + (size_t)y * stride;

        if (ch == 4) {
            for (int x = 0; x < image->width; x++)
                memcpy(wr->row + (size_t)x * 3, src + (size_t)x * 4, 3);
        } else {
            memcpy(wr->row, src, stride);
        }
        jpeg_write_scanlines(&wr->cinfo, &wr->row, 1);
    }
}

static int write_jpeg(jpeg_writer *wr, const tmb_image *image, int quality)
{
    struct jpeg_compress_struct *c = &wr->cinfo;

    if (setjmp(wr->frame) != 0)
        return tmb__fail(TMB_EOUTPUT, "photo cannot be written as JPEG: %s", wr->why);
    jpeg_create_compress(c);
    c->dest = &wr->target;
    c->image_width = (JDIMENSION)image->width;
    c->image_height = (JDIMENSION)image->height;
    c->input_components = image->channels == 1 ? 1 : 3;
    c->in_color_space = image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(c);
    jpeg_set_quality(c, quality, TRUE);
    jpeg_start_compress(c, TRUE);
    write_jpeg_rows(wr, image);
    jpeg_finish_compress(c);
    return 0;
}

static int encode_jpeg(tmb__strbuf *out, const tmb_image *image, int quality)
{
    jpeg_writer *wr = tmb__calloc(1, sizeof *wr);
    int status = TMB_ENOMEM;

    if (wr == NULL) return TMB_ENOMEM;
    wr->cinfo.err = jpeg_std_error(&wr->error);
    wr->error.error_exit = on_jpeg_error;
    wr->error.emit_message = on_jpeg_message;
    wr->cinfo.client_data = wr;
    wr->target.init_destination = on_jpeg_start;
    wr->target.empty_output_buffer = on_jpeg_full;
    wr->target.term_destination = on_jpeg_end;
    wr->row = tmb__calloc((size_t)image->width, 3);
    if (wr->row != NULL) status = write_jpeg(wr, image, quality);
    jpeg_destroy_compress(&wr->cinfo);
    *out = wr->bytes;
    tmb__free(wr->row);
    tmb__free(wr);
    return status;
}

/* ---- PNG ---- */

typedef struct png_writer {
    png_structp png;
    png_infop info;
    tmb__strbuf bytes;
    char why[96];
} png_writer;

static void on_png_error(png_structp png, png_const_charp text)
{
    png_writer *wr = png_get_error_ptr(png);

    snprintf(wr->why, sizeof wr->why, "%s", text);
    png_longjmp(png, 1);
}

static void on_png_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_png_write(png_structp png, png_bytep bytes, size_t n)
{
    png_writer *wr = png_get_io_ptr(png);

    tmb__strbuf_bytes(&wr->bytes, bytes, n);
}

static void on_png_flush(png_structp png)
{
    (void)png;
}

static int write_png(png_writer *wr, const tmb_image *image)
{
    size_t stride = (size_t)image->width * (size_t)image->channels;
    int type = image->channels == 1 ? PNG_COLOR_TYPE_GRAY
            : image->channels == 3  ? PNG_COLOR_TYPE_RGB
                                    : PNG_COLOR_TYPE_RGB_ALPHA;

    if (setjmp(png_jmpbuf(wr->png)) != 0)
        return tmb__fail(TMB_EOUTPUT, "photo cannot be written as PNG: %s", wr->why);
    wr->info = png_create_info_struct(wr->png);
    if (wr->info == NULL) return tmb__fail(TMB_ENOMEM, "not enough memory for a PNG");
    png_set_write_fn(wr->png, wr, on_png_write, on_png_flush);
    png_set_IHDR(wr->png, wr->info, (png_uint_32)image->width, (png_uint_32)image->height, 8, type,
            PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(wr->png, wr->info);
    for (int y = 0; y < image->height; y++)
        png_write_row(wr->png, image->pixels + (size_t)y * stride);
    png_write_end(wr->png, NULL);
    return 0;
}

static int encode_png(tmb__strbuf *out, const tmb_image *image)
{
    png_writer *wr = tmb__calloc(1, sizeof *wr);
    int status;

    if (wr == NULL) return TMB_ENOMEM;
    wr->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, wr, on_png_error, on_png_warning);
    if (wr->png == NULL) {
        tmb__free(wr);
        return tmb__fail(TMB_ENOMEM, "not enough memory for a PNG");
    }
    status = write_png(wr, image);
    png_destroy_write_struct(&wr->png, &wr->info);
    *out = wr->bytes;
    tmb__free(wr);
    return status;
}

/* ---- API ---- */

static int check(const tmb_image *image, bool png, int quality)
{
    if (image == NULL || image->pixels == NULL || image->width <= 0 || image->height <= 0)
        return tmb__fail(TMB_EINVAL, "photo to write is empty");
    if (image->channels != 1 && image->channels != 3 && image->channels != 4)
        return tmb__fail(TMB_EINVAL, "photo of %d channels, must be 1, 3 or 4", image->channels);
    if (quality < 0 || quality > 100)
        return tmb__fail(TMB_EINVAL, "JPEG quality %d, must be 1 to 100", quality);
    if (!png && (image->width > JPEG_SIDE_MAX || image->height > JPEG_SIDE_MAX)) {
        return tmb__fail(TMB_EINVAL, "photo of %dx%d pixels, a side of a JPEG is at most %d",
                image->width, image->height, JPEG_SIDE_MAX);
    }
    return 0;
}

int tmb__image_encode(tmb__bytes *out, const tmb_image *image, bool png, int quality)
{
    tmb__strbuf sb = {0};
    int status;

    *out = (tmb__bytes){0};
    TMB_TRY(check(image, png, quality));
    if (quality == 0) quality = QUALITY_DEFAULT;
    status = png ? encode_png(&sb, image) : encode_jpeg(&sb, image, quality);
    if (status == 0 && sb.failed)
        status = tmb__fail(TMB_ENOMEM, "not enough memory to write a photo");
    if (status < 0) {
        tmb__strbuf_free(&sb);
        return status;
    }
    *out = (tmb__bytes){(uint8_t *)sb.text, sb.len};
    return 0;
}

int tmb_image_write(const tmb_image *image, const char *path, int quality)
{
    const char *ending = path != NULL ? strrchr(path, '.') : NULL;
    tmb__bytes bytes;
    bool png;
    int status;

    if (path == NULL) return tmb__fail(TMB_EINVAL, "path is NULL");
    png = ending != NULL && strcasecmp(ending, ".png") == 0;
    if (!png &&
            (ending == NULL ||
                    (strcasecmp(ending, ".jpg") != 0 && strcasecmp(ending, ".jpeg") != 0))) {
        return tmb__fail(
                TMB_EINVAL, "%s: photos are written as .jpg, .jpeg or .png", tmb__printable(path));
    }
    TMB_TRY(tmb__image_encode(&bytes, image, png, quality));
    status = tmb__file_replace(path, &bytes, 1);
    tmb__free(bytes.data);
    return status;
}
