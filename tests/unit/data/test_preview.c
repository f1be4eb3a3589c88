/* test_preview.c - the contact sheet */
#include "photos.h"

TEST(preview_has_its_size)
{
    const tmb_images_opts opts = {
            .size = {40, 50}, .threads = 1, .augment = {.rotation = 40, .horizontal_flip = true}};
    tmb_images *images;
    tmb_image sheet, small;

    photos_write("set/cats", 0, 3);
    photos_write("set/dogs", 10, 3);
    images = images_open(test_temp("set"), &opts);
    assert_ok(tmb_images_preview(images, 3, 4, &sheet));
    assert_ok(tmb_images_preview(images, 1, 0, &small));
    assert_int_equal(sheet.channels, 3);
    assert_in_range(sheet.width, 5 * 200, 5 * 200 + 100); /* pictures of 160 x 200: four times */
    assert_in_range(sheet.height, 3 * 160, 3 * 160 + 200);
    assert_true(small.width < sheet.width && small.height < sheet.height);
    tmb_image_free(&sheet);
    tmb_image_free(&small);
    assert_status(tmb_images_preview(images, 0, 1, &sheet), TMB_EINVAL);
    assert_status(tmb_images_preview(images, 1000, 1, &sheet), TMB_EINVAL);
    assert_null(sheet.pixels);
    tmb_images_free(images);
}

/* Grey photos, and more rows than photos. */
TEST(preview_of_grey_photos)
{
    const tmb_images_opts opts = {.size = {32, 32}, .channels = 1, .threads = 1};
    tmb_images *images;
    tmb_image sheet;

    photos_write("set/cats", 0, 1);
    photos_write("set/dogs", 10, 1);
    images = images_open(test_temp("set"), &opts);
    assert_ok(tmb_images_preview(images, 5, 1, &sheet));
    tmb_image_free(&sheet);
    tmb_images_free(images);
}
