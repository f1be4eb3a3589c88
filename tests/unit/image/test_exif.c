/* test_exif.c - the orientation tag is read where it is right, and 1 wherever anything is odd */
#include "drawn.h"

#include "image/codec.h"

enum { BLOCK = 26 };

/* A directory of one entry, either byte order. */
static void make(
        uint8_t block[BLOCK], bool big, unsigned tag, unsigned type, unsigned count, unsigned value)
{
    static const uint8_t big_head[10] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1};
    static const uint8_t little_head[10] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0};
    unsigned fields[4] = {tag, type, count, value};
    size_t at = 10;

    memcpy(block, big ? big_head : little_head, 10);
    memset(block + 10, 0, BLOCK - 10);
    for (int i = 0; i < 4; i++) {
        int size = i == 2 ? 4 : 2;

        for (int k = 0; k < size; k++)
            block[at++] = (uint8_t)(fields[i] >> 8 * (big ? size - 1 - k : k));
    }
}

TEST(exif_orientations)
{
    uint8_t block[BLOCK];

    for (int big = 0; big <= 1; big++) {
        for (unsigned v = 0; v <= 10; v++) {
            make(block, big, 0x0112, 3, 1, v);
            assert_int_equal(tmb__exif_orientation(block, BLOCK), v >= 1 && v <= 8 ? v : 1);
        }
        make(block, big, 0x0112, 3, 1, 65535);
        assert_int_equal(tmb__exif_orientation(block, BLOCK), 1);
        make(block, big, 0x0112, 4, 1, 6); /* LONG */
        assert_int_equal(tmb__exif_orientation(block, BLOCK), 1);
        make(block, big, 0x0112, 3, 0xffffffff, 6);
        assert_int_equal(tmb__exif_orientation(block, BLOCK), 1);
        make(block, big, 0x0113, 3, 1, 6);
        assert_int_equal(tmb__exif_orientation(block, BLOCK), 1);
    }
}

TEST(exif_cut_anywhere)
{
    uint8_t block[BLOCK];

    make(block, true, 0x0112, 3, 1, 6);
    for (size_t n = 0; n <= BLOCK; n++) {
        uint8_t *cut = tmb__realloc(NULL, n, 1);

        memcpy(cut, block, n);
        assert_int_equal(tmb__exif_orientation(cut, n), n < 22 ? 1 : 6);
        tmb__free(cut);
    }
}

TEST(exif_odd_directories)
{
    uint8_t block[BLOCK];

    make(block, true, 0x0112, 3, 1, 6);
    block[4] = 0xff; /* offset far outside */
    assert_int_equal(tmb__exif_orientation(block, BLOCK), 1);
    make(block, true, 0x0112, 3, 1, 6);
    block[7] = BLOCK; /* offset at the very end */
    assert_int_equal(tmb__exif_orientation(block, BLOCK), 1);
    make(block, true, 0x0112, 3, 1, 6);
    block[8] = 0xff; /* more entries than there may be */
    assert_int_equal(tmb__exif_orientation(block, BLOCK), 1);
    make(block, true, 0x0112, 3, 1, 6);
    block[9] = 200; /* more than there are: those there count */
    assert_int_equal(tmb__exif_orientation(block, BLOCK), 6);
    make(block, true, 0x0112, 3, 1, 6);
    block[3] = 43; /* BigTIFF */
    assert_int_equal(tmb__exif_orientation(block, BLOCK), 1);
    make(block, true, 0x0112, 3, 1, 6);
    block[1] = 'I';
    assert_int_equal(tmb__exif_orientation(block, BLOCK), 1);
}

/* 512 entries are looked at, 513 are not. */
TEST(exif_entry_limit)
{
    tmb__bytes many = drawn_bytes("image_exif/many");

    assert_int_equal(tmb__exif_orientation(many.data, many.size), 6);
    many.data[9]++;
    assert_int_equal(tmb__exif_orientation(many.data, many.size), 1);
}

/* All eight orientations of one JPEG, made by putting an Exif segment into it. */
TEST(exif_all_ways_up)
{
    tmb__bytes file = drawn_bytes("image_jpeg/full_chroma.jpg");
    tmb_image stored;

    assert_ok(tmb_image_decode(&stored, file.data, file.size, NULL, NULL));
    for (unsigned o = 1; o <= 8; o++) {
        uint8_t turned[1200] = {0xff, 0xd8, 0xff, 0xe1, 0, 8 + BLOCK, 'E', 'x', 'i', 'f', 0, 0};
        tmb_image image;
        bool sideways = o >= 5;

        make(turned + 12, o & 1, 0x0112, 3, 1, o);
        memcpy(turned + 12 + BLOCK, file.data + 2, file.size - 2);
        assert_ok(tmb_image_decode(&image, turned, file.size + 10 + BLOCK, NULL, NULL));
        assert_int_equal(image.width, sideways ? DRAWN_HEIGHT : DRAWN_WIDTH);
        for (int y = 0; y < image.height; y++) {
            for (int x = 0; x < image.width; x++) {
                /* EXIF 2.3: where row 0 and column 0 of what is stored are seen. */
                int right = DRAWN_WIDTH - 1, bottom = DRAWN_HEIGHT - 1;
                int sx[] = {x, right - x, right - x, x, y, y, right - y, right - y};
                int sy[] = {y, y, bottom - y, bottom - y, x, bottom - x, bottom - x, x};
                assert_memory_equal(
                        pixel_of(&image, x, y), pixel_of(&stored, sx[o - 1], sy[o - 1]), 3);
            }
        }
        tmb_image_free(&image);
    }
    tmb_image_free(&stored);
}
