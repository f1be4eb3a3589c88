/* test_scan.c - photos that cannot be read, when a data set is opened */
#include "data/images.h"
#include "photos.h"

#include <string.h>
#include <unistd.h>

static const tmb_images_opts small = {.size = {8, 8}, .batch = 4, .threads = 2};

/* 20 photos in two classes, and `n_bad` files of text among the first class. */
static const char *make_set(int n_bad)
{
    photos_write("set/a", 0, 10);
    photos_write("set/b", 30, 10);
    for (int i = 0; i < n_bad; i++)
        test_write(test_temp("set/a/bad%d.jpg", i), "<html>not a photo</html>", (size_t)(20 + i));
    return test_temp("set");
}

/* A JPEG cut in its middle: its first rows are there. */
static void write_half(const char *path)
{
    tmb_image photo;
    tmb__bytes file;

    assert_ok(tmb__image_new(&photo, 96, 96, 3));
    for (int i = 0; i < 96 * 96 * 3; i++)
        photo.pixels[i] = (uint8_t)(i * i / 97 % 251);
    assert_ok(tmb__image_encode(&file, &photo, false, 90));
    test_write(path, file.data, file.size / 2);
    tmb__free(file.data);
    tmb_image_free(&photo);
}

TEST(scan_skips_and_names_a_bad_photo)
{
    const char *set = make_set(1);
    tmb_images *images = images_open(set, &small);
    const tmb_notice *notice = tmb_images_notice(images, 0);

    assert_int_equal(tmb_images_count(images), 20);
    assert_int_equal(tmb_images_notices(images), 1);
    assert_int_equal(notice->kind, TMB_NOTICE_BAD);
    assert_string_equal(notice->path, "a/bad0.jpg");
    assert_null(strstr(notice->text, "bad0.jpg")); /* the reason does not repeat the path */
    assert_null(tmb_images_notice(images, 1));
    tmb_images_free(images);
}

TEST(scan_stops_above_the_limit)
{
    const char *set = make_set(2);
    tmb_images_opts opts = small;
    tmb_images *images;

    assert_status(tmb_images_open(&images, set, &opts), TMB_EDATA);
    assert_message("2 of 22 images cannot be read, the limit is 5 %");
    assert_non_null(strstr(tmb_errdetail(), "a/bad0.jpg: "));
    assert_non_null(strstr(tmb_errdetail(), "a/bad1.jpg: "));
    opts.bad_limit = 0.1F;
    images = images_open(set, &opts);
    assert_int_equal(tmb_images_notices(images), 2);
    tmb_images_free(images);
}

typedef struct heard {
    int n, bad;
    char last[64];
} heard;

static void hear(void *user, const tmb_notice *notice)
{
    heard *h = user;

    h->n++;
    h->bad += notice->kind == TMB_NOTICE_BAD;
    snprintf(h->last, sizeof h->last, "%s", notice->path);
}

/* Every bad photo is told of, though none is kept: the data set does not open. */
TEST(scan_tells_of_bad_photos_when_it_stops)
{
    heard h = {0};
    tmb_images_opts opts = small;
    tmb_images *images;

    opts.on_notice = hear;
    opts.user = &h;
    assert_status(tmb_images_open(&images, make_set(4), &opts), TMB_EDATA);
    assert_int_equal(h.n, 4);
    assert_int_equal(h.bad, 4);
    assert_string_equal(h.last, "a/bad3.jpg");
    opts.bad_limit = 0.5F;
    images = images_open(test_temp("set"), &opts);
    assert_int_equal(h.n, 4 + tmb_images_notices(images));
    tmb_images_free(images);
}

TEST(scan_leaves_out_what_takes_too_long)
{
    tmb_images_opts opts = small;
    heard h = {0};
    tmb_images *images;

    opts.decode_timeout = 1e-15;
    opts.on_notice = hear;
    opts.user = &h;
    assert_status(tmb_images_open(&images, make_set(0), &opts), TMB_EDATA);
    assert_non_null(strstr(tmb_errdetail(), "PNG timed out after 1e-15 s, at row 0 of 20"));
    assert_int_equal(h.bad, 20);
    opts.decode_timeout = -1;
    assert_status(tmb_images_open(&images, test_temp("set"), &opts), TMB_EINVAL);
}

TEST(scan_names_too_long)
{
    char path[8192] = {0};
    tmb_images *images;

    memset(path, 'x', 300);
    assert_status(tmb_images_open(&images, path, &small), TMB_EDATA);
    assert_message("x...: File name too long (ENAMETOOLONG)");
    for (size_t i = 0; i + 1 < sizeof path; i++)
        path[i] = i % 100 ? 'x' : '/';
    assert_status(tmb_images_open(&images, path, &small), TMB_EDATA);
    assert_message("File name too long (ENAMETOOLONG)");
}

TEST(scan_fails_at_the_first_bad_photo)
{
    const char *set = make_set(3);
    tmb_images_opts opts = small;
    tmb_images *images;

    opts.bad = TMB_BAD_FAIL;
    for (int i = 0; i < 5; i++) {
        opts.threads = 1 + i % 4;
        assert_status(tmb_images_open(&images, set, &opts), TMB_EDATA);
        assert_message("set/a/bad0.jpg: ");
    }
}

TEST(scan_class_without_a_good_photo)
{
    tmb_images *images;

    photos_write("set/a", 0, 10);
    for (int i = 0; i < 4; i++) {
        assert_ok(tmb__folder_make(test_temp("set/b")));
        test_write(test_temp("set/b/%d.png", i), "x", 1);
    }
    assert_status(tmb_images_open(&images, test_temp("set"), &small), TMB_EDATA);
    assert_message("class \"b\": 0 usable of 4 images");
    assert_non_null(strstr(tmb_errdetail(), "b/2.png"));
    assert_null(strstr(tmb_errdetail(), "b/3.png"));
}

TEST(scan_takes_partial_photos_on_request)
{
    tmb_images_opts opts = small;
    tmb_images *images;
    const char *set = make_set(0);

    write_half(test_temp("set/b/half.jpg"));
    images = images_open(set, &opts);
    assert_int_equal(tmb_images_count(images), 20);
    assert_int_equal(tmb_images_notice(images, 0)->kind, TMB_NOTICE_BAD);
    tmb_images_free(images);
    opts.bad = TMB_BAD_USE;
    images = images_open(set, &opts);
    assert_int_equal(tmb_images_count(images), 21);
    assert_int_equal(tmb_images_notice(images, 0)->kind, TMB_NOTICE_REPAIRED);
    tmb_images_free(images);
}

TEST(scan_tells_of_misnamed_files)
{
    tmb_images *images;
    const char *set = make_set(0);

    assert_int_equal(rename(test_temp("set/a/0001.png"), test_temp("set/a/0001.jpg")), 0);
    images = images_open(set, &small);
    assert_int_equal(tmb_images_count(images), 20);
    assert_string_equal(notice_with(images, "ending")->path, "a/0001.jpg");
    tmb_images_free(images);
}

static void count_progress(void *user, int64_t done, int64_t total)
{
    int64_t *last = user;

    assert_true(done >= *last && done <= total);
    assert_int_equal(total, 20);
    *last = done;
}

TEST(scan_reports_progress)
{
    tmb_images_opts opts = small;
    const char *set = make_set(0);
    int64_t last = 0;

    opts.on_scan = count_progress;
    opts.user = &last;
    opts.threads = 1;
    tmb_images_free(images_open(set, &opts));
    assert_int_equal(last, 20);
}

/* The whole collection of broken pictures, as one class: no crash, and every refusal has its reason. */
TEST(scan_bad_images)
{
    const char *shared = TEST_SHARED("bad-images");
    tmb_images_opts opts = small;
    tmb_images *images;
    int64_t bad = 0;

    assert_ok(tmb__folder_make(test_temp("set")));
    assert_int_equal(symlink(shared, test_temp("set/broken")), 0);
    photos_write("set/good", 0, 5);
    opts.bad_limit = 1;
    for (int use = 0; use < 2; use++) {
        opts.bad = use ? TMB_BAD_USE : TMB_BAD_SKIP;
        images = images_open(test_temp("set"), &opts);
        assert_in_range(tmb_images_count(images), 50, 97);
        for (int64_t i = 0; i < tmb_images_notices(images); i++) {
            const tmb_notice *notice = tmb_images_notice(images, i);

            assert_true(strlen(notice->text) > 5);
            bad += notice->kind == TMB_NOTICE_BAD;
        }
        tmb_images_free(images);
    }
    assert_in_range(bad, 40, 110);
}
