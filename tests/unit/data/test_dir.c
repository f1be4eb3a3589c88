/* test_dir.c - layouts, class order, Keras' order of files, and what is said about other folders */
#include "photos.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const tmb_images_opts small = {.size = {8, 8}, .batch = 2, .threads = 1};

static void refuse(const char *path, const tmb_images_opts *opts, const char *message)
{
    tmb_images *images;

    assert_status(tmb_images_open(&images, path, opts), TMB_EDATA);
    assert_null(images);
    assert_message(message);
}

TEST(dir_order_is_keras)
{
    /* keras.md 2.3, hidden files and .ppm and .tif left out; capitals come first, "10" before "2". */
    static const char *const names[] = {"cats/c1.png", "cats/c10.png", "cats/c2.png",
            "cats/a b/y.png", "cats/a/x.png", "cats/sub/a.png", "cats/sub/z.png", "dogs/D1.PNG",
            "dogs/d10.png", "dogs/d2.png"};
    static const char *const expected[] = {"Zeb/z.png", "cats/c1.png", "cats/c10.png",
            "cats/c2.png", "cats/a/x.png", "cats/a b/y.png", "cats/sub/a.png", "cats/sub/z.png",
            "dogs/D1.PNG", "dogs/d10.png", "dogs/d2.png"};
    tmb_images *images;

    photo_write(0, "set/Zeb/z.png");
    for (size_t i = 0; i < TMB_COUNT(names); i++) {
        char name[64];

        snprintf(name, sizeof name, "set/%s", names[i]);
        if (strstr(name, "PNG")) {
            photo_write(1, "set/dogs/D1.png");
            assert_int_equal(rename(test_temp("set/dogs/D1.png"), test_temp("set/dogs/D1.PNG")), 0);
        } else {
            photo_write((int)i + 2, name);
        }
    }
    images = images_open(test_temp("set"), &small);
    assert_int_equal(tmb_images_classes(images), 3);
    assert_string_equal(tmb_images_class_name(images, 0), "Zeb");
    assert_string_equal(tmb_images_class_name(images, 1), "cats");
    assert_null(tmb_images_class_name(images, 3));
    assert_int_equal(tmb_images_count(images), TMB_COUNT(expected));
    for (size_t i = 0; i < TMB_COUNT(expected); i++)
        assert_string_equal(tmb_images_key(images, (int64_t)i), expected[i]);
    assert_int_equal(tmb_images_label(images, 0), 0);
    assert_int_equal(tmb_images_label(images, 10), 2);
    assert_string_equal(tmb_images_path(images, 10), test_temp("set/dogs/d2.png"));
    assert_null(tmb_images_path(images, 11));
    tmb_images_free(images);
}

TEST(dir_parts_are_found)
{
    static const char *const names[] = {"validation", "val", "valid"};
    tmb_images_opts opts = small;

    for (size_t i = 0; i < TMB_COUNT(names); i++) {
        char folder[64];
        tmb_images *images;

        snprintf(folder, sizeof folder, "set%zu/train/a", i);
        photos_write(folder, 0, 3);
        snprintf(folder, sizeof folder, "set%zu/train/b", i);
        photos_write(folder, 10, 3);
        snprintf(folder, sizeof folder, "set%zu/%s/a", i, names[i]);
        photos_write(folder, 20, 1);
        snprintf(folder, sizeof folder, "set%zu/%s/b", i, names[i]);
        photos_write(folder, 30, 2);
        opts.part = TMB_TRAIN;
        images = images_open(test_temp("set%zu", i), &opts);
        assert_int_equal(tmb_images_count(images), 6);
        assert_string_equal(tmb_images_key(images, 0), "train/a/0000.png");
        tmb_images_free(images);
        opts.part = TMB_VALIDATION;
        images = images_open(test_temp("set%zu/", i), &opts);
        assert_int_equal(tmb_images_count(images), 3);
        tmb_images_free(images);
        opts.part = TMB_ALL;
        images = images_open(test_temp("set%zu", i), &opts);
        assert_int_equal(tmb_images_count(images), 9);
        tmb_images_free(images);
        opts.part = TMB_TEST;
        refuse(test_temp("set%zu", i), &opts, "no test part");
    }
}

/* Folders called train and test may be classes: then they hold photos, not folders. */
TEST(dir_class_may_be_called_train)
{
    tmb_images *images;

    photos_write("set/train", 0, 2);
    photos_write("set/test", 10, 2);
    images = images_open(test_temp("set"), &small);
    assert_int_equal(tmb_images_classes(images), 2);
    assert_string_equal(tmb_images_class_name(images, 1), "train");
    tmb_images_free(images);
}

TEST(dir_missing_folder_or_file)
{
    refuse(test_temp("nothing"), &small, "No such file");
    photo_write(0, "photo.png");
    refuse(test_temp("photo.png"), &small, "not a directory");
}

TEST(dir_photos_without_classes)
{
    photos_write("set/train/cats", 0, 3);
    photos_write("set/train/dogs", 10, 3);
    refuse(test_temp("set/train/cats"), &small, "found 3 images but no class folders");
    assert_non_null(strstr(tmb_errhint(), "above it holds 2 folders"));
    photos_write("alone/flat", 0, 2);
    refuse(test_temp("alone/flat"), &small, "found 2 images but no class folders");
    assert_non_null(strstr(tmb_errhint(), "<class>"));
    assert_ok(tmb__folder_make(test_temp("empty")));
    refuse(test_temp("empty"), &small, "neither class folders nor images");
}

TEST(dir_one_class)
{
    photos_write("set/cats", 0, 3);
    refuse(test_temp("set"), &small, "at least two classes");
    photos_write("deep/data/cats", 0, 2);
    photos_write("deep/data/dogs", 10, 2);
    refuse(test_temp("deep"), &small, "at least two classes");
    assert_non_null(strstr(tmb_errhint(), "deep/data holds 2 folders"));
}

TEST(dir_empty_class)
{
    tmb_images_opts opts = small;
    tmb_images *images;

    photos_write("set/cats", 0, 3);
    photos_write("set/dogs", 10, 3);
    assert_ok(tmb__folder_make(test_temp("set/birds")));
    refuse(test_temp("set"), &small, "class \"birds\" has 0 images");
    opts.allow_empty_class = true;
    images = images_open(test_temp("set"), &opts);
    assert_int_equal(tmb_images_classes(images), 3);
    assert_int_equal(tmb_images_label(images, 0), 1);
    tmb_images_free(images);
}

TEST(dir_parts_differ_in_classes)
{
    tmb_images_opts opts = small;

    opts.part = TMB_TRAIN;
    photos_write("set/train/a", 0, 2);
    photos_write("set/train/b", 10, 2);
    photos_write("set/validation/a", 20, 2);
    refuse(test_temp("set"), &opts, "class \"b\"");
    assert_non_null(strstr(tmb_errdetail(), "train has a, b; validation has a"));
    photos_write("set/validation/b", 30, 2);
    photos_write("set/validation/c", 40, 2);
    refuse(test_temp("set"), &opts, "class \"c\" is not in");
}

TEST(dir_junk_is_left_out)
{
    tmb_images *images;
    const tmb_notice *notice;

    photos_write("set/cats", 0, 2);
    photos_write("set/dogs", 10, 2);
    photos_write("set/.git", 20, 1);
    photos_write("set/.ipynb_checkpoints", 21, 1);
    photos_write("set/__MACOSX", 22, 1);
    photo_write(23, "set/cats/._x.png");
    test_write(test_temp("set/cats/.DS_Store"), "x", 1);
    test_write(test_temp("set/cats/Thumbs.db"), "x", 1);
    test_write(test_temp("set/cats/notes.txt"), "x", 1);
    test_write(test_temp("set/readme"), "x", 1);
    photo_write(24, "set/loose.png");
    images = images_open(test_temp("set"), &small);
    assert_int_equal(tmb_images_count(images), 4);
    assert_int_equal(tmb_images_classes(images), 2);
    notice = notice_with(images, "hidden or system");
    assert_non_null(notice);
    assert_non_null(strstr(notice->text, "5 more"));
    assert_int_equal(notice->kind, TMB_NOTICE_IGNORED);
    assert_non_null(strstr(notice_with(images, "not a picture")->text, "1 more"));
    assert_int_equal(notice_with(images, "beside the class folders")->kind, TMB_NOTICE_WARNING);
    tmb_images_free(images);
}

TEST(dir_no_ending_needs_a_picture_inside)
{
    tmb_images *images;

    photos_write("set/cats", 0, 2);
    photos_write("set/dogs", 10, 2);
    photo_write(20, "set/dogs/plain.png");
    assert_int_equal(rename(test_temp("set/dogs/plain.png"), test_temp("set/dogs/plain")), 0);
    test_write(test_temp("set/dogs/LICENSE"), "do as you like with these photos", 32);
    images = images_open(test_temp("set"), &small);
    assert_int_equal(tmb_images_count(images), 5);
    assert_string_equal(tmb_images_key(images, 4), "dogs/plain");
    tmb_images_free(images);
}

TEST(dir_links_are_followed_once)
{
    tmb_images *images;

    photos_write("set/cats", 0, 2);
    photos_write("set/dogs", 10, 2);
    photos_write("more", 20, 3);
    photo_write(30, "set/loose.png");
    assert_int_equal(symlink("..", test_temp("set/cats/up")), 0);
    assert_int_equal(symlink(".", test_temp("set/dogs/self")), 0);
    assert_int_equal(symlink("dogs", test_temp("set/hounds")), 0);
    assert_int_equal(symlink("../../more", test_temp("set/cats/more")), 0);
    assert_int_equal(symlink("nothing", test_temp("set/cats/dangling.png")), 0);
    assert_int_equal(symlink("loop.png", test_temp("set/cats/loop.png")), 0);
    images = images_open(test_temp("set"), &small);
    assert_int_equal(tmb_images_classes(images), 2);
    assert_int_equal(tmb_images_count(images), 7);
    assert_string_equal(tmb_images_key(images, 2), "cats/more/0000.png");
    assert_int_equal(notice_with(images, "visited already")->kind, TMB_NOTICE_WARNING);
    assert_non_null(notice_with(images, "dead link"));
    tmb_images_free(images);
}

TEST(dir_pipe_is_not_opened)
{
    tmb_images *images;

    photos_write("set/cats", 0, 2);
    photos_write("set/dogs", 10, 2);
    assert_int_equal(mkfifo(test_temp("set/cats/pipe.jpg"), 0600), 0);
    images = images_open(test_temp("set"), &small);
    assert_int_equal(tmb_images_count(images), 4);
    assert_non_null(notice_with(images, "neither a file nor a folder"));
    tmb_images_free(images);
}

TEST(dir_unreadable_folder)
{
    if (geteuid() == 0) SKIP("root may read every folder");
    photos_write("set/cats", 0, 2);
    photos_write("set/dogs", 10, 2);
    assert_int_equal(chmod(test_temp("set/cats"), 0), 0);
    refuse(test_temp("set"), &small, "Permission denied");
    assert_non_null(strstr(tmb_errdetail(), "2 photos in other folders could"));
    assert_int_equal(chmod(test_temp("set/cats"), 0700), 0);
}

TEST(dir_odd_names)
{
    tmb_images *images;

    photos_write("set/cats", 0, 1);
    photo_write(1, "set/cats/new\nline.png");
    photo_write(2, "set/cats/\x1b[31m.png");
    photo_write(3, "set/cats/bad-\xff.png");
    photos_write("set/Cats", 10, 2);
    images = images_open(test_temp("set"), &small);
    assert_int_equal(tmb_images_count(images), 6);
    assert_non_null(notice_with(images, "differ only in capitals"));
    for (int64_t i = 0; i < tmb_images_notices(images); i++)
        assert_null(strpbrk(tmb_images_notice(images, i)->path, "\n\x1b"));
    tmb_images_free(images);
}

TEST(dir_wanted_classes)
{
    static const char *const wanted[] = {"dogs", "cats", NULL},
                             *const absent[] = {"dogs", "elk", NULL};
    tmb_images_opts opts = small;
    tmb_images *images;

    photos_write("set/cats", 0, 2);
    photos_write("set/dogs", 10, 3);
    photos_write("set/birds", 20, 1);
    opts.classes = wanted;
    images = images_open(test_temp("set"), &opts);
    assert_int_equal(tmb_images_classes(images), 2);
    assert_int_equal(tmb_images_count(images), 5);
    assert_string_equal(tmb_images_class_name(images, 0), "dogs");
    assert_int_equal(tmb_images_label(images, 0), 1); /* a cat: the folders keep their order */
    assert_string_equal(notice_with(images, "wanted classes")->path, "birds");
    tmb_images_free(images);
    opts.classes = absent;
    refuse(test_temp("set"), &opts, "class \"elk\" has 0 images");
}

TEST(dir_options_are_checked)
{
    static const tmb_images_opts wrong[] = {{.size = {0, 8}}, {.size = {8, 8}, .batch = -1},
            {.size = {8, 8}, .channels = 2}, {.size = {8, 8}, .val_split = 1},
            {.size = {8, 8}, .augment = {.zoom = {0, 1}}},
            {.size = {8, 8}, .augment = {.rotation = -1}}, {.size = {8, 8}, .threads = -1},
            {.size = {8, 8}, .augment = {.preset = TMB_PRESET_KERAS2016, .brightness = {1, 2}}}};
    tmb_images *images;

    photos_write("set/cats", 0, 1);
    photos_write("set/dogs", 1, 1);
    for (size_t i = 0; i < TMB_COUNT(wrong); i++) {
        assert_status(tmb_images_open(&images, test_temp("set"), &wrong[i]), TMB_EINVAL);
        assert_null(images);
    }
}

/* Each allocation or I/O call on the way fails in turn: a refusal, or a data set without that photo. */
static void fail_each(tmb__gate_kind kind, const char *path, const tmb_images_opts *opts)
{
    for (int64_t n = 0;; n++) {
        tmb_images *images;
        int status;

        test_fail_from(kind, n, 1);
        status = tmb_images_open(&images, path, opts);
        tmb_images_free(images);
        if (!test_fail_end()) break;
        assert_true(status == 0 || status == (kind == TMB_GATE_ALLOC ? TMB_ENOMEM : TMB_EDATA));
    }
}

TEST(dir_every_call_may_fail)
{
    static const char table[] = "file_name,label\nset/train/cats/0000.png,x\n"
                                "set/train/cats/0001.png,x\nset/train/dogs/0000.png,y\n"
                                "set/train/dogs/0001.png,y\n";
    tmb_images_opts opts = small;

    photos_write("set/train/cats", 0, 2);
    photos_write("set/train/dogs", 10, 2);
    photo_write(1, "set/train/cats/copy.png");
    photos_write("set/.git", 20, 1);
    test_write(test_temp("t.csv"), table, sizeof table - 1);
    for (int kind = TMB_GATE_ALLOC; kind <= TMB_GATE_IO; kind++) {
        opts.part = TMB_ALL;
        fail_each((tmb__gate_kind)kind, test_temp("set"), &opts);
        opts.part = TMB_TRAIN;
        fail_each((tmb__gate_kind)kind, test_temp("set"), &opts);
        fail_each((tmb__gate_kind)kind, test_temp("t.csv"), &opts);
    }
}
