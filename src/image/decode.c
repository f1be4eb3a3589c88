/* decode.c - from the bytes of a file to a photo: limits, choice of the decoder, the last word
 *
 * The size of the file and of the picture are checked before memory is taken for pixels. A decoder
 * says through info->state what the picture went through; here a partial one is refused or not. */
#include "image/codec.h"

#include <string.h>

enum { SIZE_MAX_PIXELS = 64 << 20, SIZE_MAX_BYTES = 256 << 20, TIMEOUT_SECONDS = 2 };

static const struct {
    const char *name;
    int (*decode)(tmb__codec *codec);
} decoders[] = {
        [TMB__FORMAT_JPEG] = {"JPEG", tmb__jpeg_decode},
        [TMB__FORMAT_PNG] = {"PNG", tmb__png_decode},
        [TMB__FORMAT_WEBP] = {"WebP", tmb__webp_decode},
        [TMB__FORMAT_GIF] = {"GIF", tmb__gif_decode},
        [TMB__FORMAT_BMP] = {"BMP", tmb__bmp_decode},
};

int tmb__image_new(tmb_image *out, int height, int width, int channels)
{
    size_t size;

    *out = (tmb_image){0};
    if (height <= 0 || width <= 0 || channels <= 0 || channels > 4) {
        return tmb__fail(TMB_EINVAL, "a photo of %dx%d pixels and %d channels cannot be", width,
                height, channels);
    }
    if (!tmb__mul((size_t)height, (size_t)width, &size) ||
            !tmb__mul(size, (size_t)channels, &size)) {
        return tmb__fail(
                TMB_ENOMEM, "a photo of %dx%d pixels is too large for this machine", width, height);
    }
    out->pixels = tmb__realloc(NULL, size, 1);
    if (out->pixels == NULL) return TMB_ENOMEM;
    out->width = width;
    out->height = height;
    out->channels = channels;
    return 0;
}

void tmb_image_free(tmb_image *image)
{
    if (image == NULL) return;
    tmb__free(image->pixels);
    *image = (tmb_image){0};
}

static int resolve(tmb_image_opts *opts)
{
    int c = opts->channels;

    if (c != 0 && c != 1 && c != 3 && c != 4)
        return tmb__fail(TMB_EINVAL, "channels %d, must be 1, 3 or 4", c);
    if (opts->max_pixels < 0 || opts->max_bytes < 0 || opts->min_side < 0 || !(opts->timeout >= 0))
        return tmb__fail(TMB_EINVAL, "a limit for pictures is negative");
    if (c == 0) opts->channels = 3;
    if (opts->max_pixels == 0) opts->max_pixels = SIZE_MAX_PIXELS;
    if (opts->max_bytes == 0) opts->max_bytes = SIZE_MAX_BYTES;
    if (opts->timeout == 0) opts->timeout = TIMEOUT_SECONDS;
    return 0;
}

static int refuse(const tmb__codec *codec, const char *what)
{
    if (codec->size == 0) return tmb__codec_fail(codec, "empty file");
    if (what == NULL) {
        tmb__codec_fail(codec, "not a picture, begins with bytes %02x %02x", codec->data[0],
                codec->size > 1 ? codec->data[1] : 0);
        return TMB_EDATA;
    }
    tmb__codec_fail(codec, "not a picture that can be read: %s", what);
    tmb__hint("convert it to JPEG, PNG, WebP, GIF or BMP, or remove it");
    return TMB_EDATA;
}

static int decode(tmb__codec *codec)
{
    tmb_image_info *info = codec->info;
    const char *what;
    tmb__format format;
    int status;

    if (codec->size > (uint64_t)codec->opts.max_bytes) {
        return tmb__codec_fail(codec, "file of %zu bytes, above the limit of %lld (max_bytes)",
                codec->size, (long long)codec->opts.max_bytes);
    }
    format = tmb__sniff(codec->data, codec->size, &what);
    if (format == TMB__FORMAT_NONE) return refuse(codec, what);
    info->format = decoders[format].name;
    info->orientation = tmb__exif_find(format, codec->data, codec->size);
    codec->began = tmb__cpu_now();
    codec->turn = codec->opts.ignore_exif ? 1 : info->orientation;
    status = decoders[format].decode(codec);
    if (status == 0 && info->state == TMB_IMAGE_PARTIAL && !codec->opts.partial)
        status = tmb__codec_fail(codec, "%s %s", info->format, info->note);
    if (status < 0) tmb_image_free(codec->out);
    return status;
}

static int start(
        tmb__codec *codec, tmb_image *out, const tmb_image_opts *opts, tmb_image_info *info)
{
    *info = (tmb_image_info){.format = "", .orientation = 1, .frames = 1};
    codec->info = info;
    codec->out = out;
    if (out == NULL) return tmb__fail(TMB_EINVAL, "out is NULL");
    *out = (tmb_image){0};
    if (opts != NULL) codec->opts = *opts;
    return resolve(&codec->opts);
}

int tmb_image_decode(tmb_image *out, const void *data, size_t size, const tmb_image_opts *opts,
        tmb_image_info *info)
{
    tmb_image_info unwanted;
    tmb__codec codec = {.data = data, .size = size};

    TMB_TRY(start(&codec, out, opts, info != NULL ? info : &unwanted));
    if (data == NULL && size > 0) return tmb__fail(TMB_EINVAL, "data is NULL");
    return decode(&codec);
}

int tmb_image_read(
        tmb_image *out, const char *path, const tmb_image_opts *opts, tmb_image_info *info)
{
    tmb_image_info unwanted;
    tmb__codec codec = {.name = path};
    tmb__bytes file = {0};
    int status;

    TMB_TRY(start(&codec, out, opts, info != NULL ? info : &unwanted));
    if (path == NULL) return tmb__fail(TMB_EINVAL, "path is NULL");
    TMB_TRY(tmb__file_read(&file, path, (size_t)codec.opts.max_bytes, TMB_EDATA));
    codec.data = file.data;
    codec.size = file.size;
    status = decode(&codec);
    tmb__free(file.data);
    return status;
}
