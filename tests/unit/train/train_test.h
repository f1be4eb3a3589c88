/* train_test.h - what the tests of training share: pictures drawn for them, data sets, nets, bytes
 *
 * A toy data set has a folder for each class, "disc", "ring", "square": a bright shape of varied place,
 * size and colour on noise, 24 x 24. A net of two convolutions learns them in seconds. */
#ifndef THIMBLE_TEST_TRAIN_H
#define THIMBLE_TEST_TRAIN_H

#include "test.h"

#include "train/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TOY_SIDE = 24 };

static inline void assert_near(double found, double expected, double tolerance)
{
    if (fabs(found - expected) <= tolerance) return;
    print_error("%.17g, expected %.17g: off by %.3g\n", found, expected, found - expected);
    fail();
}

/* ---- pictures ---- */

static inline bool toy_inside(int class, double y, double x, double r)
{
    const double d = sqrt(y * y + x * x);

    if (class == 0) return d < r;
    if (class == 1) return d < r && d > 0.6 * r;
    return fabs(y) < 0.8 * r && fabs(x) < 0.8 * r && (y + x > 0 || fabs(y - x) > 0.4 * r);
}

static inline tmb_image toy_draw(int class, int number, int side)
{
    tmb__rng rng = tmb__rng_at(11, TMB_STREAM_TEST, (uint64_t)number, (uint32_t) class);
    const double r = tmb__rng_uniform(&rng, 0.22, 0.42) * side;
    const double cy = tmb__rng_uniform(&rng, 0.42, 0.58) * side;
    const double cx = tmb__rng_uniform(&rng, 0.42, 0.58) * side;
    double colour[3];
    tmb_image image;

    assert_ok(tmb__image_new(&image, side, side, 3));
    for (int k = 0; k < 3; k++)
        colour[k] = tmb__rng_uniform(&rng, 90, 180);
    for (int i = 0; i < side * side; i++) {
        const bool inside = toy_inside(class, i / side - cy, i % side - cx, r);

        for (int k = 0; k < 3; k++)
            image.pixels[3 * i + k] =
                    (uint8_t)(tmb__rng_uniform(&rng, 0, 70) + (inside ? colour[k] : 0));
    }
    return image;
}

/* As a 24-bit BMP, rows bottom up, blue first: written here, since the library's writer waits for the
 * disk and tests draw hundreds. The side is a multiple of 4. */
static inline void toy_write_bmp(const tmb_image *image, const char *path)
{
    const size_t pixels = (size_t)image->width * (size_t)image->height;
    uint8_t *bytes = tmb__calloc(54 + 3 * pixels, 1);
    const uint8_t head[] = {'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0,
            (uint8_t)image->width, 0, 0, 0, (uint8_t)image->height, 0, 0, 0, 1, 0, 24};

    assert_non_null(bytes);
    memcpy(bytes, head, sizeof head);
    bytes[2] = (uint8_t)(54 + 3 * pixels);
    bytes[3] = (uint8_t)((54 + 3 * pixels) >> 8);
    for (size_t i = 0; i < pixels; i++) {
        const size_t row = (size_t)image->height - 1 - i / (size_t)image->width;
        const uint8_t *p =
                image->pixels + 3 * (row * (size_t)image->width + i % (size_t)image->width);

        for (int k = 0; k < 3; k++)
            bytes[54 + 3 * i + (size_t)k] = p[2 - k];
    }
    test_write(path, bytes, 54 + 3 * pixels);
    tmb__free(bytes);
}

/* `count` pictures of a class from number `first` on, below the test's own folder. */
static inline void toys_add(
        const char *folder, int class, int first, int count, int side, const char *ending)
{
    static const char *const names[] = {"disc", "ring", "square"};

    assert_ok(tmb__folder_make(test_temp("%s/%s", folder, names[class])));
    for (int i = first; i < first + count; i++) {
        tmb_image image = toy_draw(class, i, side);
        const char *path = test_temp("%s/%s/%03d.%s", folder, names[class], i, ending);

        if (strcmp(ending, "bmp") == 0)
            toy_write_bmp(&image, path);
        else
            assert_ok(tmb_image_write(&image, path, 0));
        tmb_image_free(&image);
    }
}

/* <folder>/train with `each` pictures a class, <folder>/validation with half as many others. */
static inline const char *toys_draw(const char *folder, int classes, int each)
{
    const char *const parts[] = {"train", "validation"};
    char part[256];

    for (int p = 0; p < 2; p++) {
        snprintf(part, sizeof part, "%s/%s", folder, parts[p]);
        for (int k = 0; k < classes; k++)
            toys_add(part, k, p ? 1000 : 0, p ? each / 2 : each, TOY_SIDE, "bmp");
    }
    return test_temp("%s", folder);
}

/* ---- data sets ---- */

static inline tmb_images *toys_open(const char *path, tmb_part part, const tmb_images_opts *more)
{
    tmb_images_opts opts = more ? *more : (tmb_images_opts){.batch = 8};
    tmb_images *images;

    opts.part = part;
    opts.size[0] = opts.size[1] = TOY_SIDE;
    opts.rescale = 1 / 255.0f;
    opts.shuffle = part == TMB_TRAIN;
    opts.threads = opts.threads ? opts.threads : 1;
    if (part != TMB_TRAIN) opts.augment = (tmb_augment){0};
    assert_ok(tmb_images_open(&images, path, &opts));
    return images;
}

/* ---- nets ---- */

/* Convolutions with batch norm and dropout between, so that every kind of state is in play. */
static inline tmb_model *toy_net(int outputs)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, TOY_SIDE, TOY_SIDE, 3));
    tmb_conv2d(net, .filters = 8, .kernel = {3, 3}, .same_padding = true, .no_bias = true);
    tmb_batchnorm(net, .momentum = 0.8f);
    tmb_activate(net, .activation = TMB_RELU);
    tmb_maxpool2d(net, .pool = {2, 2});
    tmb_conv2d(net, .filters = 16, .kernel = {3, 3}, .activation = TMB_RELU, .l2 = 1e-4f);
    tmb_maxpool2d(net, .pool = {2, 2});
    tmb_flatten(net);
    tmb_dropout(net, .rate = 0.2f);
    tmb_dense(net, .units = outputs, .activation = outputs == 1 ? TMB_SIGMOID : TMB_SOFTMAX);
    assert_ok(tmb_model_check(net));
    return net;
}

static inline tmb_device *device_of(int threads)
{
    tmb_device *device;

    assert_ok(tmb_device_open(&device, "cpu", threads));
    return device;
}

/* ---- bytes ---- */

static inline tmb__bytes file_bytes(const char *path)
{
    tmb__bytes bytes;

    assert_ok(tmb__file_read(&bytes, path, (size_t)1 << 30, TMB_EMODEL));
    test_keep(bytes.data);
    return bytes;
}

static inline void assert_same_file(const char *a, const char *b)
{
    const tmb__bytes one = file_bytes(a), two = file_bytes(b);

    assert_int_equal(one.size, two.size);
    assert_true(memcmp(one.data, two.data, one.size) == 0);
}

#endif
