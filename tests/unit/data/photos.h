/* photos.h - small photos and data sets, drawn for a test
 *
 * The photo of number n is that of keras.md 2.7's golden: 20+n rows, 30-n columns, every value a
 * formula, so that sums over batches can be compared with Keras'. */
#ifndef THIMBLE_TEST_PHOTOS_H
#define THIMBLE_TEST_PHOTOS_H

#include "data/data.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static inline tmb_image photo_draw(int n)
{
    const int w = 30 - n % 20;
    tmb_image photo;

    assert_ok(tmb__image_new(&photo, 20 + n % 20, w, 3));
    for (int r = 0; r < photo.height; r++) {
        for (int c = 0; c < w; c++) {
            for (int k = 0; k < 3; k++) {
                const int v = 41 * n + 3 * r + 5 * c + 67 * k + r * c % 17;

                photo.pixels[3 * (r * w + c) + k] = (uint8_t)(v % 256);
            }
        }
    }
    return photo;
}

/* Below the test's own folder; folders are made as needed. */
static inline void photo_write(int n, const char *name)
{
    const char *path = test_temp("%s", name);
    char folder[4096];
    size_t cut = strlen(path);
    tmb_image photo = photo_draw(n);

    while (cut > 0 && path[cut - 1] != '/')
        cut--;
    assert_true(cut > 0 && cut < sizeof folder);
    memcpy(folder, path, cut - 1);
    folder[cut - 1] = '\0';
    assert_ok(tmb__folder_make(folder));
    assert_ok(tmb_image_write(&photo, path, 0));
    tmb_image_free(&photo);
}

/* `count` photos from number `first` on as <folder>/0000.png and so on. */
static inline void photos_write(const char *folder, int first, int count)
{
    char name[256];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%04d.png", folder, i);
        photo_write(first + i, name);
    }
}

static inline tmb_images *images_open(const char *path, const tmb_images_opts *opts)
{
    tmb_images *images;

    assert_ok(tmb_images_open(&images, path, opts));
    return images;
}

/* The first notice whose text holds `part`, NULL if there is none. */
static inline const tmb_notice *notice_with(const tmb_images *images, const char *part)
{
    for (int64_t i = 0; i < tmb_images_notices(images); i++) {
        if (strstr(tmb_images_notice(images, i)->text, part)) return tmb_images_notice(images, i);
    }
    return NULL;
}

#endif
