/* fuzz_image.h - what must hold for whatever a picture decoder accepts
 *
 * Beyond not crashing: the sizes agree, twice is the same, other channels meet the same verdict, a
 * strict success is also a lenient one with the same pixels, and what was read survives being
 * written as PNG and read again. */
#ifndef THIMBLE_FUZZ_IMAGE_H
#define THIMBLE_FUZZ_IMAGE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_PIXELS = 1 << 20 };

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline size_t fuzz_bytes(const tmb_image *image)
{
    return (size_t)image->width * (size_t)image->height * (size_t)image->channels;
}

static inline bool fuzz_same(const tmb_image *a, const tmb_image *b)
{
    return a->width == b->width && a->height == b->height && a->channels == b->channels &&
            memcmp(a->pixels, b->pixels, fuzz_bytes(a)) == 0;
}

static inline void fuzz_check_info(const tmb_image *image, const tmb_image_info *info, bool partial)
{
    bool sideways = info->orientation >= 5;

    MUST(info->orientation >= 1 && info->orientation <= 8 && info->frames >= 1);
    MUST(image->width == (sideways ? info->height : info->width));
    MUST(image->height == (sideways ? info->width : info->height));
    MUST((int64_t)image->width * image->height <= FUZZ_PIXELS);
    MUST(partial || info->state != TMB_IMAGE_PARTIAL);
    MUST((info->state == TMB_IMAGE_WHOLE) == (info->note[0] == '\0'));
}

static inline void fuzz_round_trip(const tmb_image *image)
{
    tmb_image_opts opts = {.channels = image->channels};
    tmb__bytes file;
    tmb_image back;

    if (image->width > 16384 || image->height > 16384) return; /* more than a PNG may have */
    MUST(tmb__image_encode(&file, image, true, 0) == 0);
    MUST(tmb_image_decode(&back, file.data, file.size, &opts, NULL) == 0);
    MUST(fuzz_same(image, &back));
    tmb_image_free(&back);
    tmb__free(file.data);
}

/* One decoding, checked; false if refused, which must be said and must leave nothing. */
static inline bool fuzz_decode(
        tmb_image *out, const uint8_t *data, size_t size, int channels, bool partial)
{
    tmb_image_opts opts = {.channels = channels, .partial = partial, .max_pixels = FUZZ_PIXELS};
    tmb_image_info info;
    int status = tmb_image_decode(out, data, size, &opts, &info);

    MUST(status == 0 || status == TMB_EDATA);
    if (status < 0) {
        MUST(out->pixels == NULL && tmb_errmsg()[0] != '\0');
        return false;
    }
    MUST(out->channels == channels);
    fuzz_check_info(out, &info, partial);
    return true;
}

static inline void fuzz_reduced(const uint8_t *data, size_t size, const tmb_image *whole)
{
    tmb_image_opts opts = {.max_pixels = FUZZ_PIXELS, .min_side = 8, .partial = true};
    tmb_image image;
    int least = TMB_MIN(whole->width, whole->height);

    MUST(tmb_image_decode(&image, data, size, &opts, NULL) == 0);
    MUST(image.width <= whole->width && image.height <= whole->height);
    MUST(TMB_MIN(image.width, image.height) >= TMB_MIN(least, 8));
    tmb_image_free(&image);
}

static inline int fuzz_image(tmb__format format, const uint8_t *data, size_t size)
{
    tmb_image strict, lenient, other;
    const char *what;
    bool whole;

    if (tmb__sniff(data, size, &what) != format) return 0;
    whole = fuzz_decode(&strict, data, size, 3, false);
    if (fuzz_decode(&lenient, data, size, 3, true)) {
        MUST(!whole || fuzz_same(&strict, &lenient));
        MUST(fuzz_decode(&other, data, size, 4, true));
        fuzz_round_trip(&other);
        tmb_image_free(&other);
        MUST(fuzz_decode(&other, data, size, 3, true));
        MUST(fuzz_same(&lenient, &other));
        tmb_image_free(&other);
        fuzz_reduced(data, size, &lenient);
    } else {
        MUST(!whole);
    }
    MUST(fuzz_decode(&other, data, size, 1, false) == whole);
    tmb_image_free(&other);
    tmb_image_free(&lenient);
    tmb_image_free(&strict);
    return 0;
}

#endif
