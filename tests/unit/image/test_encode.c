/* test_encode.c - what is written can be read again, and a failure leaves nothing behind */
#include "drawn.h"

TEST(encode_png_round_trip)
{
    for (int ch = 1; ch <= 4; ch += ch == 1 ? 2 : 1) {
        tmb_image image = drawn_image(ch), back;
        tmb__bytes file;
        tmb_image_info info;

        assert_ok(tmb__image_encode(&file, &image, true, 0));
        assert_ok(tmb_image_decode(
                &back, file.data, file.size, &(tmb_image_opts){.channels = ch}, &info));
        assert_string_equal(info.format, "PNG");
        assert_int_equal(difference(&image, &back), 0);
        tmb_image_free(&back);
        tmb__free(file.data);
    }
}

TEST(encode_jpeg_round_trip)
{
    size_t size_before = 0;

    for (int quality = 20; quality <= 100; quality += 40) {
        for (int ch = 1; ch <= 4; ch += ch == 1 ? 2 : 1) {
            int channels = TMB_MIN(ch, 3);
            tmb_image image = drawn_image(ch), expected = drawn_image(channels), back;
            tmb__bytes file;

            assert_ok(tmb__image_encode(&file, &image, false, quality));
            assert_ok(tmb_image_decode(
                    &back, file.data, file.size, &(tmb_image_opts){.channels = channels}, NULL));
            assert_in_range(difference(&expected, &back), 0, quality == 20 ? 80 : 40);
            if (ch == 3) {
                assert_true(file.size > size_before);
                size_before = file.size;
            }
            tmb_image_free(&back);
            tmb__free(file.data);
        }
    }
}

TEST(encode_same_picture_same_bytes)
{
    for (int png = 0; png <= 1; png++) {
        tmb_image image = drawn_image(3);
        tmb__bytes a, b;

        assert_ok(tmb__image_encode(&a, &image, png, 0));
        assert_ok(tmb__image_encode(&b, &image, png, 90));
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
        tmb__free(a.data);
        tmb__free(b.data);
    }
}

TEST(encode_to_a_file)
{
    static const struct {
        const char *name, *format;
    } cases[] = {{"a.png", "PNG"}, {"b.PNG", "PNG"}, {"c.jpg", "JPEG"}, {"d.x.JPEG", "JPEG"}};
    tmb_image image = drawn_image(3), back;
    tmb_image_info info;

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        assert_ok(tmb_image_write(&image, test_temp("%s", cases[i].name), 0));
        assert_ok(tmb_image_read(&back, test_temp("%s", cases[i].name), NULL, &info));
        assert_string_equal(info.format, cases[i].format);
        tmb_image_free(&back);
    }
}

TEST(encode_refuses)
{
    static const char *const names[] = {"a.gif", "png", "a.jpg.tmp", "a."};
    tmb_image image = drawn_image(3), wide = {65501, 1, 1, image.pixels};
    tmb_image two = {2, 2, 2, image.pixels};
    tmb__bytes file;

    for (size_t i = 0; i < TMB_COUNT(names); i++) {
        assert_status(tmb_image_write(&image, test_temp("%s", names[i]), 0), TMB_EINVAL);
        assert_int_equal(tmb__file_exists(test_temp("%s", names[i])), 0);
    }
    assert_status(tmb_image_write(&image, NULL, 0), TMB_EINVAL);
    assert_status(tmb_image_write(NULL, "a.png", 0), TMB_EINVAL);
    assert_status(tmb_image_write(&(tmb_image){0}, "a.png", 0), TMB_EINVAL);
    assert_status(tmb_image_write(&image, "a.jpg", 101), TMB_EINVAL);
    assert_status(tmb_image_write(&image, "a.jpg", -1), TMB_EINVAL);
    assert_status(tmb__image_encode(&file, &wide, false, 0), TMB_EINVAL);
    assert_status(tmb__image_encode(&file, &two, true, 0), TMB_EINVAL);
    assert_null(file.data);
    assert_status(tmb_image_write(&image, test_temp("no/such/folder/a.png"), 0), TMB_EOUTPUT);
}

TEST(encode_survives_failing_allocations)
{
    tmb_image image = drawn_image(4);

    for (int png = 0; png <= 1; png++) {
        for (int64_t n = 0;; n++) {
            tmb__bytes file;
            int status;

            test_fail_from(TMB_GATE_ALLOC, n, 1);
            status = tmb__image_encode(&file, &image, png, 0);
            if (!test_fail_end()) {
                assert_ok(status);
                tmb__free(file.data);
                break;
            }
            assert_int_equal(status, TMB_ENOMEM);
            assert_null(file.data);
        }
    }
}
