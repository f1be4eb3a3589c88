/* drawn.h - the pictures of tests/fuzz/corpus/image_*, and what they show (draw_seeds.py) */
#ifndef THIMBLE_TEST_DRAWN_H
#define THIMBLE_TEST_DRAWN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "image/image.h"

enum { DRAWN_WIDTH = 13, DRAWN_HEIGHT = 9 };

/* The path of "image_png/rgb.png". */
static inline const char *drawn_path(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "fuzz/corpus/%s", name);
    return test_data(path);
}

/* Its bytes, in a block of just that size. */
static inline tmb__bytes drawn_bytes(const char *name)
{
    tmb__bytes file, exact;

    assert_ok(tmb__file_read(&file, drawn_path(name), 1 << 20, TMB_EDATA));
    exact = (tmb__bytes){test_keep(tmb__realloc(NULL, file.size, 1)), file.size};
    memcpy(exact.data, file.data, file.size);
    tmb__free(file.data);
    return exact;
}

/* r = 18 x, g = 28 y, b = 255 - 18 x, alpha = 255 - 20 y. */
static inline void drawn_rgba(int x, int y, uint8_t rgba[4])
{
    rgba[0] = (uint8_t)(18 * x);
    rgba[1] = (uint8_t)(28 * y);
    rgba[2] = (uint8_t)(255 - 18 * x);
    rgba[3] = (uint8_t)(255 - 20 * y);
}

static inline const uint8_t *pixel_of(const tmb_image *image, int x, int y)
{
    return image->pixels + (y * image->width + x) * image->channels;
}

/* The same picture, made here; freed with the test. */
static inline tmb_image drawn_image(int channels)
{
    tmb_image image;

    assert_ok(tmb__image_new(&image, DRAWN_HEIGHT, DRAWN_WIDTH, channels));
    test_keep(image.pixels);
    for (int y = 0; y < DRAWN_HEIGHT; y++) {
        for (int x = 0; x < DRAWN_WIDTH; x++) {
            uint8_t rgba[4];

            drawn_rgba(x, y, rgba);
            memcpy(image.pixels + (y * DRAWN_WIDTH + x) * channels, rgba, (size_t)channels);
        }
    }
    return image;
}

/* The largest difference of two pictures' samples; they must have one size. */
static inline int difference(const tmb_image *a, const tmb_image *b)
{
    int most = 0;

    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->channels, b->channels);
    for (int i = 0; i < a->width * a->height * a->channels; i++)
        most = TMB_MAX(most, abs(a->pixels[i] - b->pixels[i]));
    return most;
}

#endif
