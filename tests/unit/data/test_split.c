/* test_split.c - cutting validation from a data set; copies on both sides of a cut */
#include "data/images.h"
#include "photos.h"

#include <string.h>

static const tmb_images_opts small = {.size = {8, 8}, .batch = 4, .threads = 2, .seed = 1};

static int64_t count_label(const tmb_images *images, int label)
{
    int64_t n = 0;

    for (int64_t i = 0; i < tmb_images_count(images); i++)
        n += tmb_images_label(images, i) == label;
    return n;
}

static tmb_images *open_part(const char *path, tmb_part part, uint64_t seed, float share)
{
    tmb_images_opts opts = small;

    opts.part = part;
    opts.seed = seed;
    opts.val_split = share;
    return images_open(path, &opts);
}

/* All keys of a part, in one line. */
static const char *keys(const tmb_images *images)
{
    tmb__strbuf sb = {0};

    for (int64_t i = 0; i < tmb_images_count(images); i++)
        tmb__strbuf_add(&sb, "%s ", tmb_images_key(images, i));
    return test_keep(sb.text);
}

TEST(split_is_stratified_and_disjoint)
{
    tmb_images *train, *val;
    const char *in_train;

    photos_write("set/a", 0, 40);
    photos_write("set/b", 100, 10);
    train = open_part(test_temp("set"), TMB_TRAIN, 1, 0);
    val = open_part(test_temp("set"), TMB_VALIDATION, 1, 0);
    assert_int_equal(count_label(train, 0), 32);
    assert_int_equal(count_label(train, 1), 8);
    assert_int_equal(count_label(val, 0), 8);
    assert_int_equal(count_label(val, 1), 2);
    in_train = keys(train);
    for (int64_t i = 0; i < tmb_images_count(val); i++)
        assert_null(strstr(in_train, tmb_images_key(val, i)));
    tmb_images_free(train);
    tmb_images_free(val);
}

TEST(split_follows_the_seed)
{
    tmb_images *a, *b, *c;

    photos_write("set/a", 0, 20);
    photos_write("set/b", 100, 20);
    a = open_part(test_temp("set"), TMB_VALIDATION, 1, 0.25F);
    b = open_part(test_temp("set"), TMB_VALIDATION, 1, 0.25F);
    c = open_part(test_temp("set"), TMB_VALIDATION, 2, 0.25F);
    assert_int_equal(tmb_images_count(a), 10);
    assert_string_equal(keys(a), keys(b));
    assert_memory_equal(tmb_images_fingerprint(a), tmb_images_fingerprint(b), 32);
    assert_string_not_equal(keys(a), keys(c));
    assert_memory_not_equal(tmb_images_fingerprint(a), tmb_images_fingerprint(c), 32);
    tmb_images_free(a);
    tmb_images_free(b);
    tmb_images_free(c);
}

/* Twelve photos, each three times under other names: no photo may be on both sides. */
TEST(split_keeps_copies_together)
{
    for (uint64_t seed = 0; seed < 5; seed++) {
        bool side[2][24] = {{0}};
        tmb_images *part[2];

        for (int i = 0; i < 36 && seed == 0; i++) {
            char name[64];

            snprintf(name, sizeof name, "set/%s/%02d-%d.png", i % 12 < 6 ? "a" : "b", i % 12,
                    i / 12);
            photo_write(i % 12, name);
        }
        part[0] = open_part(test_temp("set"), TMB_TRAIN, seed, 0.3F);
        part[1] = open_part(test_temp("set"), TMB_VALIDATION, seed, 0.3F);
        for (int p = 0; p < 2; p++) {
            for (int64_t i = 0; i < tmb_images_count(part[p]); i++)
                side[p][(tmb_images_key(part[p], i)[2] - '0') * 10 + tmb_images_key(part[p], i)[3] -
                        '0'] = true;
        }
        for (int i = 0; i < 12; i++)
            assert_true(side[0][i] != side[1][i]);
        assert_int_equal(tmb_images_count(part[0]) + tmb_images_count(part[1]), 36);
        assert_int_equal(count_label(part[1], 0), 3);
        assert_non_null(notice_with(part[0], "24 photos are copies of others"));
        tmb_images_free(part[0]);
        tmb_images_free(part[1]);
    }
}

TEST(split_needs_two_different_photos)
{
    tmb_images_opts opts = small;
    tmb_images *images;

    opts.part = TMB_TRAIN;
    photos_write("set/a", 0, 5);
    photos_write("set/b", 10, 1);
    assert_status(tmb_images_open(&images, test_temp("set"), &opts), TMB_EDATA);
    assert_message("class \"b\": 1 images, too few");
}

/* A test part stays out of the cut. */
TEST(split_leaves_test_alone)
{
    tmb_images *train, *test;

    photos_write("set/train/a", 0, 10);
    photos_write("set/train/b", 10, 10);
    photos_write("set/test/a", 20, 3);
    photos_write("set/test/b", 30, 3);
    train = open_part(test_temp("set"), TMB_TRAIN, 1, 0);
    test = open_part(test_temp("set"), TMB_TEST, 1, 0);
    assert_int_equal(tmb_images_count(train), 16);
    assert_int_equal(tmb_images_count(test), 6);
    tmb_images_free(train);
    tmb_images_free(test);
}

/* The order in which photos are listed does not move the cut. */
TEST(split_does_not_depend_on_the_listing)
{
    enum { COUNT = 30 };
    char names[COUNT][8], a[] = "a", b[] = "b", *class[2] = {a, b};
    tmb__sample up[COUNT], down[COUNT];
    int64_t first[COUNT];

    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "%03d", i);
        up[i] = (tmb__sample){.path = names[i], .label = i % 2};
        down[COUNT - 1 - i] = up[i];
        first[i] = i;
    }
    assert_ok(tmb__split_draw(up, COUNT, first, 2, class, 0.2, 5));
    assert_ok(tmb__split_draw(down, COUNT, first, 2, class, 0.2, 5));
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(up[i].part, down[COUNT - 1 - i].part);
}

TEST(copies_leak_is_told)
{
    tmb_images *val;
    const tmb_notice *notice;

    photos_write("set/train/a", 0, 3);
    photos_write("set/train/b", 10, 3);
    photos_write("set/validation/a", 2, 2); /* 2 is in train, 3 is not */
    photos_write("set/validation/b", 12, 1);
    val = open_part(test_temp("set"), TMB_VALIDATION, 1, 0);
    assert_int_equal(tmb_images_count(val), 3);
    notice = notice_with(val, "2 photos are in train, too");
    assert_non_null(notice);
    assert_int_equal(notice->kind, TMB_NOTICE_WARNING);
    assert_string_equal(notice->path, "validation/a/0000.png");
    assert_non_null(strstr(notice->text, "train/a/0002.png"));
    tmb_images_free(val);
}

TEST(copies_with_two_labels_are_told)
{
    tmb_images *images;

    photos_write("set/a", 0, 3);
    photos_write("set/b", 2, 3);
    images = open_part(test_temp("set"), TMB_ALL, 1, 0);
    assert_non_null(notice_with(images, "1 photos have a copy with another label"));
    tmb_images_free(images);
}
