/* test_decode.c - every kind of file that is drawn gives its pixels; limits and messages hold */
#include "drawn.h"

static void decode(tmb_image *out, const char *name, int channels, tmb_image_info *info)
{
    tmb__bytes file = drawn_bytes(name);
    tmb_image_opts opts = {.channels = channels, .ignore_exif = true};

    assert_ok(tmb_image_decode(out, file.data, file.size, &opts, info));
    test_keep(out->pixels);
    assert_int_equal(info->state, TMB_IMAGE_WHOLE);
    assert_string_equal(info->note, "");
}

/* Files that show the rule itself, with and without alpha; lossy ones come near it. */
TEST(decode_colour_pictures)
{
    static const struct {
        const char *name, *format;
        bool alpha;
        int tolerance;
    } cases[] = {
            {"image_png/rgb.png", "PNG", false, 0},
            {"image_png/rgba.png", "PNG", true, 0},
            {"image_png/rgb16.png", "PNG", false, 0},
            {"image_png/rgba16.png", "PNG", true, 0},
            {"image_png/interlaced.png", "PNG", false, 0},
            {"image_png/text.png", "PNG", false, 0},
            {"image_jpeg/full_chroma.jpg", "JPEG", false, 8},
            {"image_jpeg/half_chroma.jpg", "JPEG", false, 24},
            {"image_jpeg/progressive.jpg", "JPEG", false, 8},
            {"image_jpeg/cmyk.jpg", "JPEG", false, 12},
            {"image_webp/lossless.webp", "WebP", false, 0},
            {"image_webp/alpha.webp", "WebP", true, 0},
            {"image_webp/lossy.webp", "WebP", false, 60},
            {"image_webp/lossy_alpha.webp", "WebP", true, 60},
            {"image_webp/animated.webp", "WebP", false, 0},
            {"image_bmp/rgb24.bmp", "BMP", false, 0},
            {"image_bmp/top_down.bmp", "BMP", false, 0},
            {"image_bmp/rgb32.bmp", "BMP", false, 0},
            {"image_bmp/alpha32.bmp", "BMP", true, 0},
    };

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb_image rgb, rgba, expected = drawn_image(4);
        tmb_image_info info;

        print_message("%s\n", cases[i].name);
        decode(&rgb, cases[i].name, 0, &info);
        assert_string_equal(info.format, cases[i].format);
        assert_int_equal(info.width, DRAWN_WIDTH);
        assert_int_equal(info.height, DRAWN_HEIGHT);
        tmb_image drawn = drawn_image(3);
        assert_in_range(difference(&rgb, &drawn), 0, cases[i].tolerance);
        decode(&rgba, cases[i].name, 4, &info);
        for (int p = 3; !cases[i].alpha && p < 4 * DRAWN_WIDTH * DRAWN_HEIGHT; p += 4)
            expected.pixels[p] = 255;
        assert_in_range(difference(&rgba, &expected), 0, cases[i].tolerance);
    }
}

/* Files that do not show the rule: red, green, blue and alpha of column x, row y. */
TEST(decode_other_pictures)
{
    static const struct {
        const char *name;
        int r, g, b, dr, dg, db, dg_row, alpha; /* at x = 0; more for each x; green for each row */
    } cases[] = {
            {"image_png/grey.png", 0, 0, 0, 18, 18, 18, 0, 255},
            {"image_png/grey16.png", 0, 0, 0, 18, 18, 18, 0, 255},
            {"image_png/four_bits.png", 0, 0, 0, 17, 17, 17, 0, 255},
            {"image_png/palette.png", 0, 100, 255, 18, 0, -18, 0, 255},
            {"image_png/palette_clear.png", 0, 100, 255, 18, 0, -18, 0, -1},
            {"image_gif/palette.gif", 0, 100, 255, 18, 0, -18, 0, 255},
            {"image_gif/interlaced.gif", 0, 100, 255, 18, 0, -18, 0, 255},
            {"image_gif/animated.gif", 0, 100, 255, 18, 0, -18, 0, 255},
            {"image_gif/clear.gif", 0, 100, 255, 18, 0, -18, 0, -2},
            {"image_bmp/palette8.bmp", 0, 100, 255, 18, 0, -18, 0, 255},
            {"image_bmp/palette4.bmp", 0, 100, 255, 18, 0, -18, 0, 255},
    };

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb_image image;
        tmb_image_info info;

        print_message("%s\n", cases[i].name);
        decode(&image, cases[i].name, 4, &info);
        for (int y = 0; y < DRAWN_HEIGHT; y++) {
            for (int x = 0; x < DRAWN_WIDTH; x++) {
                const uint8_t *px = pixel_of(&image, x, y);
                int alpha = cases[i].alpha;

                if (alpha == -1) alpha = x == 0 ? 0 : x == 1 ? 128 : 255;
                if (alpha == -2) alpha = x == 2 ? 0 : 255;
                assert_int_equal(px[0], cases[i].r + x * cases[i].dr);
                assert_int_equal(px[1], cases[i].g + x * cases[i].dg + y * cases[i].dg_row);
                assert_int_equal(px[2], cases[i].b + x * cases[i].db);
                assert_int_equal(px[3], alpha);
            }
        }
    }
}

TEST(decode_few_bits)
{
    tmb_image image;
    tmb_image_info info;

    decode(&image, "image_png/one_bit.png", 1, &info);
    assert_int_equal(pixel_of(&image, 3, 4)[0], 255);
    assert_int_equal(pixel_of(&image, 4, 4)[0], 0);
    decode(&image, "image_png/two_bits.png", 1, &info);
    for (int x = 0; x < 4; x++)
        assert_int_equal(pixel_of(&image, x, 0)[0], 85 * x);
    decode(&image, "image_bmp/palette1.bmp", 3, &info);
    assert_int_equal(pixel_of(&image, 0, 0)[2], 255);
    assert_int_equal(pixel_of(&image, 1, 0)[2], 255 - 18);
    decode(&image, "image_bmp/rgb555.bmp", 3, &info);
    assert_memory_equal(
            pixel_of(&image, 12, 8), ((uint8_t[]){12 * 255 / 31, 8 * 255 / 31, 255}), 3);
    decode(&image, "image_bmp/rgb565.bmp", 3, &info);
    assert_memory_equal(
            pixel_of(&image, 12, 8), ((uint8_t[]){12 * 255 / 31, 8 * 255 / 63, 255}), 3);
}

/* A colour that is declared clear has alpha 0 in 4 channels and is itself in 3. */
TEST(decode_clear_colour)
{
    tmb_image image;
    tmb_image_info info;

    decode(&image, "image_png/rgb_key.png", 4, &info);
    assert_memory_equal(pixel_of(&image, 0, 0), "\x00\x00\xff\x00", 4);
    assert_memory_equal(pixel_of(&image, 1, 0), "\x12\x00\xed\xff", 4);
    decode(&image, "image_png/rgb_key.png", 3, &info);
    assert_memory_equal(pixel_of(&image, 0, 0), "\x00\x00\xff", 3);
}

TEST(decode_first_frame_on_its_screen)
{
    tmb_image image;
    tmb_image_info info;

    decode(&image, "image_gif/placed.gif", 3, &info);
    assert_int_equal(image.width, 20);
    assert_int_equal(image.height, 12);
    assert_int_equal(info.frames, 1);
    assert_memory_equal(pixel_of(&image, 0, 0), "\x00\x64\xff", 3); /* colour 0 around it */
    assert_memory_equal(pixel_of(&image, 4, 2), "\x12\x64\xed", 3);
    assert_memory_equal(pixel_of(&image, 19, 11), "\x00\x64\xff", 3);
    decode(&image, "image_gif/animated.gif", 3, &info);
    assert_int_equal(info.frames, 2);
    decode(&image, "image_webp/animated.webp", 3, &info);
    assert_int_equal(info.frames, 2);
}

TEST(decode_grey_is_pillows)
{
    tmb_image image;
    tmb_image_info info;
    uint8_t rgba[4];

    decode(&image, "image_png/rgb.png", 1, &info);
    for (int y = 0; y < DRAWN_HEIGHT; y++) {
        for (int x = 0; x < DRAWN_WIDTH; x++) {
            drawn_rgba(x, y, rgba);
            assert_int_equal(*pixel_of(&image, x, y),
                    (rgba[0] * 19595 + rgba[1] * 38470 + rgba[2] * 7471 + 32768) >> 16);
        }
    }
}

/* The stored pixel (x, y) of orientation 6 is shown at (height - 1 - y, x). */
TEST(decode_turned_upright)
{
    static const char *const names[] = {
            "image_png/exif_6.png", "image_webp/exif_6.webp", "image_jpeg/exif_6.jpg"};

    for (size_t i = 0; i < TMB_COUNT(names); i++) {
        tmb__bytes file = drawn_bytes(names[i]);
        tmb_image image, stored;
        tmb_image_info info;

        decode(&stored, names[i], 3, &info);
        assert_ok(tmb_image_decode(&image, file.data, file.size, NULL, &info));
        assert_int_equal(info.orientation, 6);
        assert_int_equal(info.width, DRAWN_WIDTH);
        assert_int_equal(image.width, DRAWN_HEIGHT);
        assert_int_equal(image.height, DRAWN_WIDTH);
        for (int y = 0; y < DRAWN_HEIGHT; y++)
            for (int x = 0; x < DRAWN_WIDTH; x++)
                assert_memory_equal(
                        pixel_of(&image, DRAWN_HEIGHT - 1 - y, x), pixel_of(&stored, x, y), 3);
        tmb_image_free(&image);
    }
}

TEST(decode_limits)
{
    tmb__bytes file = drawn_bytes("image_png/rgb.png");
    int64_t pixels = DRAWN_WIDTH * DRAWN_HEIGHT, bytes = (int64_t)file.size;
    tmb_image image;

    for (int i = -1; i <= 1; i++) {
        tmb_image_opts few = {.max_pixels = pixels + i}, small = {.max_bytes = bytes + i};

        assert_status(
                tmb_image_decode(&image, file.data, file.size, &few, NULL), i < 0 ? TMB_EDATA : 0);
        if (i < 0) assert_message("13x9 pixels, above the limit of 116 (max_pixels)");
        tmb_image_free(&image);
        assert_status(tmb_image_decode(&image, file.data, file.size, &small, NULL),
                i < 0 ? TMB_EDATA : 0);
        if (i < 0) assert_message("(max_bytes)");
        tmb_image_free(&image);
        assert_status(tmb_image_read(&image, drawn_path("image_png/rgb.png"), &small, NULL),
                i < 0 ? TMB_EDATA : 0);
        tmb_image_free(&image);
    }
}

/* Whatever the machine, a picture takes longer than a femtosecond; a limit in hours is never reached. */
TEST(decode_timeout)
{
    static const char *const names[] = {"image_jpeg/full_chroma.jpg", "image_jpeg/progressive.jpg",
            "image_png/rgb.png", "image_png/interlaced.png", "image_gif/palette.gif",
            "image_webp/lossy.webp", "image_webp/animated.webp"};
    const tmb_image_opts tiny = {.timeout = 1e-15, .partial = true}, ample = {.timeout = 1e4};
    tmb_image image;

    for (size_t i = 0; i < TMB_COUNT(names); i++) {
        tmb__bytes file = drawn_bytes(names[i]);

        print_message("%s\n", names[i]);
        assert_status(tmb_image_decode(&image, file.data, file.size, &tiny, NULL), TMB_EDATA);
        assert_message(" timed out after 1e-15 s, at ");
        assert_null(image.pixels);
        assert_ok(tmb_image_decode(&image, file.data, file.size, &ample, NULL));
        tmb_image_free(&image);
    }
    assert_status(tmb_image_read(&image, drawn_path(names[0]), &tiny, NULL), TMB_EDATA);
    assert_message("full_chroma.jpg: JPEG timed out after 1e-15 s, at ");
}

TEST(decode_wrong_arguments)
{
    tmb_image image;

    assert_status(tmb_image_decode(NULL, "x", 1, NULL, NULL), TMB_EINVAL);
    assert_status(tmb_image_decode(&image, NULL, 1, NULL, NULL), TMB_EINVAL);
    assert_status(tmb_image_read(&image, NULL, NULL, NULL), TMB_EINVAL);
    assert_status(
            tmb_image_decode(&image, "x", 1, &(tmb_image_opts){.channels = 2}, NULL), TMB_EINVAL);
    assert_status(tmb_image_decode(&image, "x", 1, &(tmb_image_opts){.max_pixels = -1}, NULL),
            TMB_EINVAL);
    assert_status(
            tmb_image_decode(&image, "x", 1, &(tmb_image_opts){.timeout = -1}, NULL), TMB_EINVAL);
    assert_null(image.pixels);
    assert_status(tmb__image_new(&image, 0, 5, 3), TMB_EINVAL);
    assert_status(tmb__image_new(&image, 5, 5, 5), TMB_EINVAL);
    tmb_image_free(NULL);
    tmb_image_free(&image);
}

/* Each kind of file that often bears a picture's name is called by its own. */
TEST(decode_names_what_is_no_picture)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *message;
    } cases[] = {
            {"", 0, "empty file"},
            {"<html><body>", 12, "HTML page (begins with \"<html\")"},
            {" \n<!DOCTYPE html>", 17, "HTML page"},
            {"<?xml version='1.0'?><svg", 25, "SVG drawing"},
            {"{\"error\": 404}", 14, "JSON text"},
            {"version https://git-lfs.github.com/spec/v1\n", 43, "git-LFS pointer"},
            {"\0\0\0\x18"
             "ftypheic\0\0\0\0",
                    16, "HEIC"},
            {"\0\0\0\x18"
             "ftypavif\0\0\0\0",
                    16, "AVIF"},
            {"\0\0\0\x18"
             "ftypisom\0\0\0\0",
                    16, "MP4 video"},
            {"II*\0\x08\0\0\0", 8, "TIFF or camera raw"},
            {"%PDF-1.7", 8, "PDF"},
            {"PK\3\4........", 12, "ZIP archive"},
            {"\x7f"
             "ELF\2\1\1\0",
                    8, "ELF program"},
            {"just words", 10, "text file"},
            {"\0\0\0\0\0\0\0\0", 8, "zero bytes"},
            {"\1\2\3\4", 4, "begins with bytes 01 02"},
            {"\xff", 1, "not a picture"},
            {"BM but no bitmap at all", 23, "text file"},
            {"RIFF\4\0\0\0WAVE", 12, "not a picture"},
    };

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb_image image;

        assert_status(tmb_image_decode(&image, cases[i].bytes, cases[i].n, NULL, NULL), TMB_EDATA);
        assert_message(cases[i].message);
        assert_null(image.pixels);
    }
}

TEST(decode_failure_names_the_file)
{
    const char *path = test_temp("empty\n.jpg");
    tmb_image image;

    test_write(path, "", 0);
    assert_status(tmb_image_read(&image, path, NULL, NULL), TMB_EDATA);
    assert_message("empty\\x0a.jpg: empty file");
    assert_status(tmb_image_read(&image, test_temp("nothing"), NULL, NULL), TMB_EDATA);
}

/* Cut anywhere, a file is refused, or whole, or said to be repaired; never read past its end. */
TEST_LIMIT(decode_cut_files, 60)
{
    static const char *const names[] = {"image_png/rgba.png", "image_png/interlaced.png",
            "image_png/palette_clear.png", "image_jpeg/half_chroma.jpg",
            "image_jpeg/progressive.jpg", "image_jpeg/cmyk.jpg", "image_webp/alpha.webp",
            "image_webp/lossy_alpha.webp", "image_webp/animated.webp", "image_gif/animated.gif",
            "image_gif/interlaced.gif", "image_bmp/palette4.bmp", "image_bmp/alpha32.bmp"};

    for (size_t i = 0; i < TMB_COUNT(names); i++) {
        tmb__bytes file = drawn_bytes(names[i]);

        for (size_t n = 0; n < file.size; n++) {
            uint8_t *cut = tmb__realloc(NULL, n, 1); /* just n bytes, so that sanitizers see */
            tmb_image_opts partial = {.partial = true};
            tmb_image image;
            tmb_image_info info, again;
            int strict, lenient;

            if (n > 0) memcpy(cut, file.data, n);
            strict = tmb_image_decode(&image, cut, n, NULL, &info);
            tmb_image_free(&image);
            lenient = tmb_image_decode(&image, cut, n, &partial, &again);
            tmb_image_free(&image);
            tmb__free(cut);
            assert_true(strict == 0 || strict == TMB_EDATA);
            assert_true(strict < 0 || (lenient == 0 && info.state == again.state));
            assert_true(strict < 0 || info.state != TMB_IMAGE_PARTIAL);
            assert_true(lenient < 0 || strict == 0 || again.state == TMB_IMAGE_PARTIAL);
        }
    }
}

TEST_LIMIT(decode_survives_failing_allocations, 60)
{
    static const char *const names[] = {"image_png/palette.png", "image_png/interlaced.png",
            "image_jpeg/cmyk.jpg", "image_webp/animated.webp", "image_webp/lossy.webp",
            "image_gif/placed.gif", "image_bmp/rgb555.bmp"};

    for (size_t i = 0; i < TMB_COUNT(names); i++) {
        tmb__bytes file = drawn_bytes(names[i]);

        for (int64_t n = 0;; n++) {
            tmb_image image;
            int status;

            test_fail_from(TMB_GATE_ALLOC, n, 1);
            status = tmb_image_decode(&image, file.data, file.size, NULL, NULL);
            if (!test_fail_end()) {
                assert_ok(status);
                tmb_image_free(&image);
                break;
            }
            assert_int_equal(status, TMB_ENOMEM);
            assert_null(image.pixels);
        }
    }
}
