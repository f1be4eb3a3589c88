/* test_pillow.c - decoding and resizing equal Pillow 9.4: resize_pillow.npz, and photos if there */
#include "golden.h"
#include "unit/image/drawn.h"

static const char *const filter_names[] = {[TMB_NEAREST] = "nearest",
        [TMB_BILINEAR] = "bilinear",
        [TMB_BICUBIC] = "bicubic",
        [TMB_LANCZOS] = "lanczos",
        [TMB_BOX] = "box",
        [TMB_HAMMING] = "hamming"};

/* (h, w) or (h, w, 3) of a golden file as a picture. */
static tmb_image picture_of(const tmb__array *a)
{
    return (tmb_image){
            (int)a->shape.dim[1], (int)a->shape.dim[0], a->shape.rank == 3 ? 3 : 1, a->data};
}

static void check_golden(const char *name, const float *box)
{
    tmb_image src = picture_of(golden_array("resize_pillow.npz", "%s/x", name)), out;
    tmb__resizer rs = {0};

    for (tmb_filter f = TMB_NEAREST; f <= TMB_HAMMING; f++) {
        tmb_image expected =
                picture_of(golden_array("resize_pillow.npz", "%s/%s", name, filter_names[f]));

        print_message("%s %s\n", name, filter_names[f]);
        assert_ok(tmb__image_new(&out, expected.height, expected.width, expected.channels));
        assert_ok(tmb__resize_into(&rs, &out, &src, box, f));
        assert_int_equal(difference(&out, &expected), 0);
        tmb_image_free(&out);
    }
    tmb__resizer_free(&rs);
}

TEST(pillow_small_pictures)
{
    static const int sizes[][4] = {{5, 7, 2, 3}, {5, 7, 6, 9}, {8, 8, 16, 16}, {16, 16, 8, 8},
            {31, 22, 12, 12}, {13, 9, 13, 20}, {13, 9, 5, 9}, {1, 7, 4, 3}, {7, 1, 3, 4},
            {1, 1, 3, 5}, {9, 11, 1, 1}, {9, 11, 1, 4}, {40, 30, 7, 50}, {6, 50, 19, 5}};
    const tmb__array *crop = golden_array("resize_pillow.npz", "keep_aspect/crop");
    const int32_t *c = crop->data;
    const float box[4] = {(float)c[1], (float)c[0], (float)(c[1] + c[3]), (float)(c[0] + c[2])};

    for (size_t i = 0; i < TMB_COUNT(sizes) * 2; i++) {
        const int *s = sizes[i / 2];
        char name[64];

        snprintf(name, sizeof name, "%s_%dx%d_%dx%d", i & 1 ? "l" : "rgb", s[0], s[1], s[2], s[3]);
        check_golden(name, NULL);
    }
    check_golden("keep_aspect", box);
}

/* Rows where the closed formula for the nearest index would be wrong. */
TEST(pillow_nearest_accumulates)
{
    const tmb__array *n = golden_array("resize_pillow.npz", "nearest_rows/n");
    const tmb__array *m = golden_array("resize_pillow.npz", "nearest_rows/m");
    const tmb__array *start = golden_array("resize_pillow.npz", "nearest_rows/start");
    const tmb__array *index = golden_array("resize_pillow.npz", "nearest_rows/index");

    assert_int_equal(tmb__shape_count(&n->shape), 200);
    for (int k = 0; k < 200; k++) {
        int from = ((int32_t *)n->data)[k], to = ((int32_t *)m->data)[k];
        const int32_t *expected = (int32_t *)index->data + ((int32_t *)start->data)[k];
        tmb_image src, out;

        assert_ok(tmb__image_new(&src, 1, from, 3));
        for (int i = 0; i < from; i++) {
            src.pixels[3 * i] = (uint8_t)i;
            src.pixels[3 * i + 1] = (uint8_t)(i >> 8);
        }
        assert_ok(tmb_image_resize(&out, &src, 1, to, TMB_NEAREST));
        for (int i = 0; i < to; i++)
            assert_int_equal(out.pixels[3 * i] | out.pixels[3 * i + 1] << 8, expected[i]);
        tmb_image_free(&src);
        tmb_image_free(&out);
    }
}

/* ---- photos of the shared data: decoded and resized as Pillow does ---- */

/* Bytes of the version 1 .npy of unsigned bytes that begins here: header, and (n, h, w, c) data. */
static size_t npy_size(const uint8_t *npy, size_t n)
{
    const char *shape = strstr((const char *)npy + 10, "'shape': (");
    size_t head = 10 + (size_t)npy[8] + ((size_t)npy[9] << 8), count = 1;

    assert_true(head < n && shape != NULL);
    for (shape += 10; *shape != ')'; shape += strspn(shape, ", "))
        count *= (size_t)strtol(shape, (char **)&shape, 10);
    return head + count;
}

/* An array of an uncompressed .npz; the file also holds texts, which the reader of .npz refuses. */
static tmb__array stored_array(const tmb__bytes *file, const char *fmt, int n)
{
    char name[64];
    size_t at = 0, length = (size_t)snprintf(name, sizeof name, fmt, n);
    tmb__array array;

    while (at + length < file->size && memcmp(file->data + at, name, length) != 0)
        at++;
    while (at + 6 < file->size && memcmp(file->data + at, "\x93NUMPY", 6) != 0)
        at++;
    assert_true(at + 6 < file->size);
    length = TMB_MIN(file->size - at, (size_t)1 << 20);
    /* The header ends at a line feed; what is behind the data is another member. */
    assert_ok(tmb__npy_parse(&array, file->data + at, npy_size(file->data + at, length), name));
    test_keep(array.data);
    return array;
}

static void check_resized(const tmb_image *photo, const uint8_t *expected, int side, tmb_filter f)
{
    tmb_image out;

    assert_ok(tmb_image_resize(&out, photo, side, side, f));
    assert_memory_equal(out.pixels, expected, (size_t)(side * side * 3));
    tmb_image_free(&out);
}

static void check_filters(const tmb__bytes *golden, const tmb_image *photo, int n)
{
    static const struct {
        const char *key;
        int side;
        tmb_filter filter;
    } cases[] = {{"nearest150.npy", 150, TMB_NEAREST}, {"bilinear150.npy", 150, TMB_BILINEAR},
            {"bicubic150.npy", 150, TMB_BICUBIC}, {"nearest224.npy", 224, TMB_NEAREST}};

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb__array a = stored_array(golden, cases[i].key, 0);
        int side = cases[i].side;

        check_resized(photo, (const uint8_t *)a.data + n * side * side * 3, side, cases[i].filter);
    }
}

TEST(pillow_photos)
{
    static const char *const photos[] = {"cats/cat.1000.jpg", "cats/cat.1100.jpg",
            "cats/cat.1200.jpg", "cats/cat.1300.jpg", "dogs/dog.1000.jpg", "dogs/dog.1100.jpg",
            "dogs/dog.1200.jpg", "dogs/dog.1300.jpg"};
    const char *path = TEST_SHARED("golden/decode_resize.npz");
    tmb__bytes golden;

    assert_ok(tmb__file_read(&golden, path, 1 << 26, TMB_EDATA));
    test_keep(golden.data);
    for (int i = 0; i < 8; i++) {
        tmb__array decoded = stored_array(&golden, "decoded_%d.npy", i);
        tmb_image photo, expected = picture_of(&decoded);
        char name[128];

        snprintf(name, sizeof name, "cats-dogs/validation/%s", photos[i]);
        assert_ok(tmb_image_read(&photo, TEST_SHARED(name), NULL, NULL));
        assert_int_equal(difference(&photo, &expected), 0);
        if (i < 2) check_filters(&golden, &photo, i);
        tmb_image_free(&photo);
    }
}

TEST(pillow_large_photos)
{
    static const char *const photos[] = {"cats/cat.4001.jpg", "dogs/dog.4001.jpg"};
    const char *path = TEST_SHARED("golden/decode_resize.npz");
    tmb__bytes golden;

    assert_ok(tmb__file_read(&golden, path, 1 << 26, TMB_EDATA));
    test_keep(golden.data);
    for (int i = 0; i < 2; i++) {
        tmb__array nearest = stored_array(&golden, "full_%d_nearest150.npy", i);
        tmb__array bilinear = stored_array(&golden, "full_%d_bilinear150.npy", i);
        tmb__array bicubic = stored_array(&golden, "full_%d_bicubic150.npy", i);
        tmb_image photo;
        char name[128];

        snprintf(name, sizeof name, "cats-dogs-fullsize-validation/%s", photos[i]);
        assert_ok(tmb_image_read(&photo, TEST_SHARED(name), NULL, NULL));
        check_resized(&photo, nearest.data, 150, TMB_NEAREST);
        check_resized(&photo, bilinear.data, 150, TMB_BILINEAR);
        check_resized(&photo, bicubic.data, 150, TMB_BICUBIC);
        tmb_image_free(&photo);
    }
}
