/* test_draw.c - shapes land where they should and nowhere else */
#include "drawn.h"

enum { SIDE = 24 };

static const uint8_t red[3] = {255, 10, 20};

static void start(tmb_image *image, int channels)
{
    assert_ok(tmb__image_new(image, SIDE, SIDE, channels));
    test_keep(image->pixels);
    memset(image->pixels, 0, (size_t)(SIDE * SIDE * channels));
}

static int count_drawn(const tmb_image *image)
{
    int n = 0;

    for (int i = 0; i < SIDE * SIDE; i++)
        n += image->pixels[i * image->channels] != 0;
    return n;
}

TEST(draw_rect_is_cut_at_the_edges)
{
    static const struct {
        int x, y, w, h, drawn;
    } cases[] = {{2, 3, 4, 5, 20}, {-2, -2, 4, 4, 4}, {22, 22, 10, 10, 4},
            {0, 0, SIDE, SIDE, SIDE * SIDE}, {5, 5, 0, 3, 0}, {5, 5, -3, 3, 0}, {100, 0, 5, 5, 0},
            {-9, 0, INT32_MAX, 1, SIDE}, {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, 0},
            {INT32_MIN, INT32_MIN, INT32_MAX, INT32_MAX, 0}};

    for (int channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
        for (size_t i = 0; i < TMB_COUNT(cases); i++) {
            tmb_image image;

            start(&image, channels);
            tmb__draw_rect(&image, cases[i].x, cases[i].y, cases[i].w, cases[i].h, red);
            assert_int_equal(count_drawn(&image), cases[i].drawn);
        }
    }
}

TEST(draw_rect_has_its_colour)
{
    tmb_image image;

    start(&image, 4);
    tmb__draw_rect(&image, 3, 4, 1, 1, red);
    assert_memory_equal(pixel_of(&image, 3, 4), "\xff\x0a\x14\xff", 4);
    start(&image, 1);
    tmb__draw_rect(&image, 3, 4, 1, 1, red);
    assert_int_equal(*pixel_of(&image, 3, 4), 255);
}

/* The letter T: a bar of five and a stem, in a cell of 6 x 10 with a free row above. */
TEST(draw_text_letter)
{
    tmb_image image;

    start(&image, 3);
    tmb__draw_text(&image, 6, 10, "T", red);
    assert_int_equal(count_drawn(&image), 5 + 6);
    for (int x = 6; x < 11; x++)
        assert_int_equal(*pixel_of(&image, x, 11), 255);
    for (int y = 11; y < 18; y++)
        assert_int_equal(*pixel_of(&image, 8, y), 255);
}

/* Every character but the space shows; no two look alike; none leaves its cell. */
TEST(draw_text_all_characters)
{
    uint8_t seen[127][SIDE * SIDE];

    for (int c = ' '; c <= '~'; c++) {
        tmb_image image;

        start(&image, 1);
        tmb__draw_text(&image, 0, 0, ((char[]){(char)c, '\0'}), red);
        memcpy(seen[c], image.pixels, SIDE * SIDE);
        assert_int_equal(count_drawn(&image) != 0, c != ' ');
        for (int i = 0; i < SIDE * SIDE; i++)
            if (i % SIDE >= 5 || i / SIDE >= 9) assert_int_equal(image.pixels[i], 0);
        for (int d = ' '; d < c; d++)
            assert_memory_not_equal(seen[c], seen[d], SIDE * SIDE);
    }
}

TEST(draw_text_lines_edges_and_strange_bytes)
{
    tmb_image a, b;

    start(&a, 1);
    start(&b, 1);
    tmb__draw_text(&a, 0, 0, "\xff\nT", red);
    tmb__draw_text(&b, 0, 0, "?", red);
    tmb__draw_text(&b, 0, 10, "T", red);
    assert_int_equal(difference(&a, &b), 0);
    tmb__draw_text(&a, -3, -4, "far longer than the picture is wide", red);
    tmb__draw_text(&a, INT32_MAX - 2, INT32_MAX - 2, "x\ny", red);
    tmb__draw_text(&a, INT32_MIN, INT32_MIN, "x\ny", red);
}

TEST(draw_image_converts_and_is_cut)
{
    tmb_image image, src = drawn_image(4), grey = drawn_image(1);

    start(&image, 3);
    tmb__draw_image(&image, 20, 20, &src);
    assert_memory_equal(pixel_of(&image, 21, 22), pixel_of(&src, 1, 2), 3);
    assert_int_equal(pixel_of(&image, 19, 20)[2], 0);
    tmb__draw_image(&image, -10, 0, &grey);
    assert_memory_equal(pixel_of(&image, 0, 0), "\xb4\xb4\xb4", 3); /* 18 x 10 */
}
