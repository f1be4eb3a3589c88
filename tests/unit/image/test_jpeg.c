/* test_jpeg.c - what a damaged JPEG is called, and at which row; bombs; reduced decoding */
#include "drawn.h"

enum { WIDTH = 160, HEIGHT = 150 };

/* A JPEG with so much detail that every row of blocks has bytes of its own. */
static tmb__bytes busy_jpeg(int channels)
{
    tmb_image image;
    tmb__bytes file;
    tmb__rng rng = tmb__rng_at(1, TMB_STREAM_TEST, 0, 0);

    assert_ok(tmb__image_new(&image, HEIGHT, WIDTH, channels));
    for (int i = 0; i < WIDTH * HEIGHT * channels; i++)
        image.pixels[i] = (uint8_t)tmb__rng_below(&rng, 256);
    assert_ok(tmb__image_encode(&file, &image, false, 90));
    tmb_image_free(&image);
    test_keep(file.data);
    return file;
}

static int decode(const tmb__bytes *file, bool partial, tmb_image *image, tmb_image_info *info)
{
    tmb_image_opts opts = {.partial = partial};

    return tmb_image_decode(image, file->data, file->size, &opts, info);
}

TEST(jpeg_cut_is_found_at_its_row)
{
    tmb__bytes file = busy_jpeg(3), half = {file.data, file.size / 2};
    tmb_image whole, image;
    tmb_image_info info;
    int row, rows, same;

    assert_ok(decode(&file, false, &whole, NULL));
    assert_status(decode(&half, false, &image, &info), TMB_EDATA);
    assert_message("JPEG ends early, at row");
    assert_int_equal(sscanf(tmb_errmsg(), "JPEG ends early, at row %d of %d", &row, &rows), 2);
    assert_int_equal(rows, HEIGHT);
    assert_in_range(row, HEIGHT * 2 / 5, HEIGHT / 2);
    assert_ok(decode(&half, true, &image, &info));
    assert_int_equal(info.state, TMB_IMAGE_PARTIAL);
    same = row * WIDTH * 3;
    assert_memory_equal(image.pixels, whole.pixels, (size_t)same);
    assert_memory_not_equal(image.pixels + same, whole.pixels + same, (size_t)(16 * WIDTH * 3));
    tmb_image_free(&image);
    tmb_image_free(&whole);
}

TEST(jpeg_without_end_marker_is_repaired)
{
    tmb__bytes file = busy_jpeg(3);
    tmb_image whole, image;
    tmb_image_info info;

    assert_ok(decode(&file, false, &whole, &info));
    assert_int_equal(info.state, TMB_IMAGE_WHOLE);
    file.size -= 2;
    assert_ok(decode(&file, false, &image, &info));
    assert_int_equal(info.state, TMB_IMAGE_REPAIRED);
    assert_string_equal(info.note, "has no end marker");
    assert_int_equal(difference(&image, &whole), 0);
    tmb_image_free(&image);
    tmb_image_free(&whole);
}

TEST(jpeg_stray_bytes_are_repaired)
{
    tmb__bytes file = busy_jpeg(3);
    uint8_t *longer = test_keep(tmb__calloc(file.size + 200, 1));
    tmb__bytes stray = {longer, file.size + 200};
    tmb_image whole, image;
    tmb_image_info info;

    assert_ok(decode(&file, false, &whole, NULL));
    memcpy(longer, file.data, file.size - 2);
    memcpy(longer + file.size + 198, file.data + file.size - 2, 2);
    assert_ok(decode(&stray, false, &image, &info));
    assert_int_equal(info.state, TMB_IMAGE_REPAIRED);
    assert_int_equal(difference(&image, &whole), 0);
    tmb_image_free(&image);
    memset(longer + file.size, 0x55, 200); /* behind the end marker they are nobody's business */
    memcpy(longer, file.data, file.size);
    assert_ok(decode(&stray, false, &image, &info));
    assert_int_equal(info.state, TMB_IMAGE_WHOLE);
    tmb_image_free(&image);
    tmb_image_free(&whole);
}

/* The first scan byte where the entropy-coded data begin: behind the SOS segment. */
static size_t scan_start(const tmb__bytes *file)
{
    size_t at = 2;

    while (file->data[at + 1] != 0xda)
        at += 2 + (size_t)(file->data[at + 2] << 8 | file->data[at + 3]);
    return at + 2 + (size_t)(file->data[at + 2] << 8 | file->data[at + 3]);
}

/* What is wrong inside the entropy-coded data shows only when they do not suffice at the end. */
TEST(jpeg_hole_in_the_middle_is_partial)
{
    tmb__bytes file = busy_jpeg(3);
    size_t start = scan_start(&file), at = start + (file.size - start) / 2, hole = file.size / 10;
    tmb_image image;
    tmb_image_info info;

    memmove(file.data + at, file.data + at + hole, file.size - at - hole);
    file.size -= hole;
    assert_status(decode(&file, false, &image, &info), TMB_EDATA);
    assert_message("JPEG is damaged from row");
    assert_ok(decode(&file, true, &image, &info));
    assert_int_equal(info.state, TMB_IMAGE_PARTIAL);
    tmb_image_free(&image);
}

/* A small file that declares a large picture is refused before memory is taken. */
TEST(jpeg_declares_more_than_it_holds)
{
    static const struct {
        unsigned width, height;
        const char *message;
    } cases[] = {
            {65500, 65500, "JPEG of 65500x65500 pixels, above the limit of 67108864 (max_pixels)"},
            {8000, 8000, "JPEG of 8000x8000 pixels in only"},
            {0, 150, "JPEG cannot be read"},
            {65535, 1, "JPEG cannot be read"},
    };
    tmb__bytes file = busy_jpeg(1);
    size_t at = 2;

    while (file.data[at + 1] != 0xc0)
        at += 2 + (size_t)(file.data[at + 2] << 8 | file.data[at + 3]);
    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb_image image;

        file.data[at + 5] = (uint8_t)(cases[i].height >> 8);
        file.data[at + 6] = (uint8_t)cases[i].height;
        file.data[at + 7] = (uint8_t)(cases[i].width >> 8);
        file.data[at + 8] = (uint8_t)cases[i].width;
        assert_status(decode(&file, false, &image, NULL), TMB_EDATA);
        assert_message(cases[i].message);
    }
}

/* 1/2, 1/4, 1/8 while both sides stay at least min_side; sizes round up. */
TEST(jpeg_reduced_decoding)
{
    static const struct {
        int min_side, width, height;
    } cases[] = {{0, 160, 150}, {151, 160, 150}, {76, 160, 150}, {75, 80, 75}, {39, 80, 75},
            {38, 40, 38}, {20, 40, 38}, {19, 20, 19}, {1, 20, 19}};
    tmb__bytes file = busy_jpeg(3);

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb_image_opts opts = {.min_side = cases[i].min_side};
        tmb_image image;
        tmb_image_info info;

        assert_ok(tmb_image_decode(&image, file.data, file.size, &opts, &info));
        assert_int_equal(image.width, cases[i].width);
        assert_int_equal(image.height, cases[i].height);
        assert_int_equal(info.width, WIDTH);
        assert_int_equal(info.state, TMB_IMAGE_WHOLE);
        tmb_image_free(&image);
    }
}

/* Scan 1 of a progressive picture, again and again: refused at scan 65 at the latest. */
TEST(jpeg_many_scans)
{
    tmb__bytes file = drawn_bytes("image_jpeg/progressive.jpg"), many = {0};
    tmb__strbuf sb = {0};
    size_t first = scan_start(&file), end = first, sos;
    tmb_image image;

    while (file.data[end] != 0xff || file.data[end + 1] == 0)
        end++;
    for (sos = first - 1; file.data[sos] != 0xff || file.data[sos + 1] != 0xda;)
        sos--;
    tmb__strbuf_bytes(&sb, file.data, end);
    for (int i = 0; i < 1000; i++)
        tmb__strbuf_bytes(&sb, file.data + sos, end - sos);
    tmb__strbuf_bytes(&sb, file.data + end, file.size - end);
    many = (tmb__bytes){(uint8_t *)sb.text, sb.len};
    assert_status(decode(&many, true, &image, NULL), TMB_EDATA);
    assert_message("JPEG cannot be read: more than");
    tmb__strbuf_free(&sb);
}
