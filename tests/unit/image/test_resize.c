/* test_resize.c - Pillow's resize, value by value */
#include "drawn.h"

#include <math.h>

/* 7 wide, 5 high: (37 r + 53 c + 11 r c) mod 256. */
static tmb_image small(void)
{
    tmb_image image;

    assert_ok(tmb__image_new(&image, 5, 7, 1));
    test_keep(image.pixels);
    for (int r = 0; r < 5; r++)
        for (int c = 0; c < 7; c++)
            image.pixels[r * 7 + c] = (uint8_t)(37 * r + 53 * c + 11 * r * c);
    return image;
}

TEST(resize_small_goldens)
{
    static const uint8_t shrunk[][6] = {
            [TMB_NEAREST] = {101, 229, 101, 197, 113, 29},
            [TMB_BILINEAR] = {89, 141, 97, 145, 119, 113},
            [TMB_BICUBIC] = {83, 148, 94, 150, 115, 115},
            [TMB_LANCZOS] = {80, 152, 90, 154, 115, 116},
            [TMB_BOX] = {69, 144, 91, 176, 106, 121},
            [TMB_HAMMING] = {77, 152, 95, 156, 116, 110},
    };
    static const uint8_t row_2[][9] = {
            [TMB_NEAREST] = {74, 149, 149, 224, 43, 118, 193, 193, 12},
            [TMB_BILINEAR] = {59, 106, 160, 182, 121, 92, 124, 128, 76},
            [TMB_BICUBIC] = {55, 100, 177, 206, 115, 70, 134, 147, 65},
            [TMB_LANCZOS] = {58, 92, 198, 225, 117, 40, 141, 166, 65},
            [TMB_BOX] = {74, 149, 149, 224, 43, 118, 193, 193, 12},
            [TMB_HAMMING] = {62, 122, 161, 200, 101, 93, 137, 147, 60},
    };
    tmb_image src = small(), out;

    for (tmb_filter f = TMB_NEAREST; f <= TMB_HAMMING; f++) {
        assert_ok(tmb_image_resize(&out, &src, 2, 3, f));
        assert_memory_equal(out.pixels, shrunk[f], 6);
        tmb_image_free(&out);
        assert_ok(tmb_image_resize(&out, &src, 6, 9, f));
        assert_memory_equal(out.pixels + 2 * 9, row_2[f], 9);
        tmb_image_free(&out);
    }
}

/* Keras' keep_aspect_ratio: the centred 5 x 5 box. */
TEST(resize_box)
{
    static const uint8_t expected[9] = {88, 165, 89, 147, 119, 121, 152, 120, 100};
    const float box[4] = {1, 0, 6, 5};
    tmb_image src = small(), out;
    tmb__resizer rs = {0};

    assert_ok(tmb__image_new(&out, 3, 3, 1));
    assert_ok(tmb__resize_into(&rs, &out, &src, box, TMB_BILINEAR));
    assert_memory_equal(out.pixels, expected, 9);
    tmb_image_free(&out);
    tmb__resizer_free(&rs);
}

TEST(resize_refuses)
{
    const float outside[4] = {0, 0, 8, 5}, empty[4] = {2, 2, 2, 4}, odd[4] = {0, 0, (float)NAN, 5};
    const float *const boxes[] = {outside, empty, odd};
    tmb_image src = small(), out;
    tmb__resizer rs = {0};

    assert_status(tmb_image_resize(&out, &src, 0, 3, TMB_BOX), TMB_EINVAL);
    assert_null(out.pixels);
    assert_status(tmb_image_resize(&out, &src, 3, 3, (tmb_filter)0), TMB_EINVAL);
    assert_status(tmb_image_resize(&out, &src, 3, 3, (tmb_filter)7), TMB_EINVAL);
    assert_status(tmb_image_resize(&out, &(tmb_image){0}, 3, 3, TMB_BOX), TMB_EINVAL);
    assert_status(tmb_image_resize(NULL, &src, 3, 3, TMB_BOX), TMB_EINVAL);
    assert_ok(tmb__image_new(&out, 3, 3, 1));
    for (size_t i = 0; i < TMB_COUNT(boxes); i++)
        assert_status(tmb__resize_into(&rs, &out, &src, boxes[i], TMB_BOX), TMB_EINVAL);
    tmb_image_free(&out);
}

TEST(resize_same_size_copies)
{
    tmb_image src = drawn_image(4), out;

    for (tmb_filter f = TMB_NEAREST; f <= TMB_HAMMING; f++) {
        assert_ok(tmb_image_resize(&out, &src, src.height, src.width, f));
        assert_int_equal(difference(&src, &out), 0);
        tmb_image_free(&out);
    }
}

/* Clear pixels do not bleed: the colour of alpha 0 has no weight. */
TEST(resize_alpha_is_weighed)
{
    uint8_t pixels[8] = {200, 100, 50, 255, 0, 255, 0, 0};
    tmb_image src = {2, 1, 4, pixels}, out;

    assert_ok(tmb_image_resize(&out, &src, 1, 1, TMB_BOX));
    assert_memory_equal(out.pixels, ((uint8_t[]){199, 99, 49, 128}), 4);
    tmb_image_free(&out);
}

/* A single row, column or pixel, to any size and from it. */
TEST(resize_thin_pictures)
{
    static const int sizes[] = {1, 2, 5, 300};
    tmb__resizer rs = {0};

    for (int i = 0; i < 4 * 4 * 4 * 4; i++) {
        int h = sizes[i & 3], w = sizes[i >> 2 & 3], h2 = sizes[i >> 4 & 3], w2 = sizes[i >> 6];
        tmb_image src, out;

        assert_ok(tmb__image_new(&src, h, w, 3));
        assert_ok(tmb__image_new(&out, h2, w2, 3));
        memset(src.pixels, 77, (size_t)(h * w * 3));
        for (tmb_filter f = TMB_NEAREST; f <= TMB_HAMMING; f++) {
            memset(out.pixels, 0, (size_t)(h2 * w2 * 3));
            assert_ok(tmb__resize_into(&rs, &out, &src, NULL, f));
            for (int k = 0; k < h2 * w2 * 3; k++)
                assert_int_equal(out.pixels[k], 77);
        }
        tmb_image_free(&src);
        tmb_image_free(&out);
    }
    tmb__resizer_free(&rs);
}

TEST(resize_scratch_is_reused)
{
    tmb_image src = drawn_image(3), out;
    tmb__resizer rs = {0};
    uint64_t before;

    assert_ok(tmb__image_new(&out, 7, 5, 3));
    assert_ok(tmb__resize_into(&rs, &out, &src, NULL, TMB_LANCZOS));
    before = tmb__alloc_count();
    for (tmb_filter f = TMB_NEAREST; f <= TMB_HAMMING; f++)
        assert_ok(tmb__resize_into(&rs, &out, &src, NULL, f));
    assert_int_equal(tmb__alloc_count(), before);
    tmb__resizer_free(&rs);
    tmb_image_free(&out);
}

TEST(resize_survives_failing_allocations)
{
    tmb_image src = drawn_image(3), out;

    for (int64_t n = 0;; n++) {
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_image_resize(&out, &src, 5, 5, TMB_BICUBIC);
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
        assert_null(out.pixels);
    }
    tmb_image_free(&out);
}
