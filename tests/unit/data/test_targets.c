/* test_targets.c - y and weights of batches, channels first, the caller's function, on all ways */
#include "data/images.h"
#include "photos.h"

#include <math.h>

static const tmb_images_opts small = {.size = {4, 5}, .batch = 8, .threads = 2};

/* The whole data set as one batch. */
static tmb_images *open_batch(const char *path, const tmb_images_opts *opts, tmb_batch *batch)
{
    tmb_images *images = images_open(path, opts);

    assert_ok(tmb_images_epoch(images, 0, 0));
    assert_int_equal(tmb_images_next(images, batch), 1);
    return images;
}

static const char *make_table(const char *text)
{
    photos_write("p", 0, 4);
    test_write(test_temp("t.csv"), text, strlen(text));
    return test_temp("t.csv");
}

static void assert_y(const tmb_batch *batch, int width, const float *expected)
{
    assert_int_equal(batch->y_width, width);
    for (int i = 0; i < batch->count * width; i++) {
        if (batch->y[i] != expected[i])
            fail_msg("y %d is %g, expected %g", i, (double)batch->y[i], (double)expected[i]);
    }
}

TEST(targets_of_folders)
{
    static const float numbers[3] = {0, 0, 1}, hot[6] = {1, 0, 1, 0, 0, 1};
    tmb_images_opts opts = small;
    tmb_images *images;
    tmb_batch batch;

    photos_write("set/a", 0, 2);
    photos_write("set/b", 5, 1);
    for (int mode = TMB_CLASS_SPARSE; mode <= TMB_CLASS_NONE; mode++) {
        opts.class_mode = (tmb_class_mode)mode;
        if (mode == TMB_CLASS_RAW) {
            assert_status(tmb_images_open(&images, test_temp("set"), &opts), TMB_EINVAL);
            assert_message("no numbers for class mode raw");
            continue;
        }
        images = open_batch(test_temp("set"), &opts, &batch);
        if (mode <= TMB_CLASS_BINARY) assert_y(&batch, 1, numbers);
        if (mode == TMB_CLASS_CATEGORICAL) assert_y(&batch, 2, hot);
        if (mode == TMB_CLASS_INPUT) assert_ptr_equal(batch.y, batch.x);
        if (mode == TMB_CLASS_INPUT) assert_int_equal(batch.y_width, 60);
        if (mode == TMB_CLASS_NONE) assert_null(batch.y);
        assert_null(batch.weight);
        assert_int_equal(batch.label[2], 1);
        tmb_images_free(images);
    }
    photos_write("set/c", 9, 1);
    opts.class_mode = TMB_CLASS_BINARY;
    assert_status(tmb_images_open(&images, test_temp("set"), &opts), TMB_EDATA);
    assert_message("3 classes, class mode binary expects two");
}

/* Several labels: between bars, or in columns of their own; unwanted ones go. */
TEST(targets_of_several_labels)
{
    static const char *const columns[] = {"label", "more", NULL};
    static const char *const wanted[] = {"pet", "cat", NULL};
    static const float bars[12] = {1, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1};
    static const float both[6] = {1, 1, 1, 0, 0, 1};
    tmb_images_opts opts = small;
    tmb_images *images;
    tmb_batch batch;

    opts.class_mode = TMB_CLASS_CATEGORICAL;
    images = open_batch(make_table("file_name,label\np/0000.png,cat|pet\np/0001.png,pet|dog\n"
                                   "p/0002.png,cat\np/0003.png,|dog|cat|pet|\n"),
            &opts, &batch);
    assert_y(&batch, 3, bars);
    assert_int_equal(batch.label[1], 2);
    tmb_images_free(images);
    opts.classes = wanted;
    opts.y_columns = columns;
    images = open_batch(make_table("file_name,label,more\np/0000.png,cat,pet\np/0001.png,dog,\n"
                                   "p/0002.png,,pet\np/0003.png,cat,dog\n"),
            &opts, &batch);
    assert_int_equal(batch.count, 3);
    assert_y(&batch, 2, both);
    tmb_images_free(images);
    opts.class_mode = TMB_CLASS_SPARSE;
    assert_status(tmb_images_open(&images, test_temp("t.csv"), &opts), TMB_EINVAL);
    assert_message("2 y columns, expected one");
    opts.class_mode = TMB_CLASS_CATEGORICAL;
    assert_status(
            tmb_images_open(&images,
                    make_table("file_name,label,more\np/0000.png,cat,pet\np/0001.png,,|\n"), &opts),
            TMB_EDATA);
    assert_message("line 3, column \"label\": empty");
}

TEST(targets_that_are_numbers)
{
    static const char *const columns[] = {"b", "a", NULL};
    static const float expected[8] = {2, 1.5F, -1, 0, 0.25F, 1e3F, 4, 4};
    static const float weight[4] = {1, 0.5F, 0, 2};
    tmb_images_opts opts = small;
    tmb_images *images;
    tmb_batch batch;

    opts.class_mode = TMB_CLASS_RAW;
    opts.y_columns = columns;
    opts.weight_column = "w";
    opts.x_column = "photo";
    images = open_batch(make_table("photo,a,b,w\np/0000.png,1.5,2,1\np/0001.png,0,-1,.5\n"
                                   "p/0002.png,1e3,.25,0\np/0003.png,4,4,2\n"),
            &opts, &batch);
    assert_y(&batch, 2, expected);
    assert_memory_equal(batch.weight, weight, sizeof weight);
    tmb_images_free(images);
    assert_status(tmb_images_open(&images, make_table("photo,a,b,w\np/0000.png,1,two,1\n"), &opts),
            TMB_EDATA);
    assert_message("line 2, column \"b\": \"two\", expected a number");
    opts.weight_column = "weight";
    assert_status(tmb_images_open(&images, test_temp("t.csv"), &opts), TMB_EDATA);
    assert_message("no column \"weight\"");
}

/* Keras' flow_from_dataframe leaves out rows whose file is missing or no picture by its name, and may
 * have a file twice; the first rows are validation. */
TEST(targets_table_as_keras)
{
    static const char text[] = "filename,class\np/0000.png,b\ngone.png,b\np/0001.png,a\n"
                               "t.csv,a\np/0001.png,b\np/0002.png,c\np/0003.png,a\n";
    static const char *const wanted[] = {"b", "a", NULL};
    tmb_images_opts opts = small;
    tmb_images *images;

    opts.rng = TMB_RNG_NUMPY;
    images = images_open(make_table(text), &opts);
    assert_int_equal(tmb_images_count(images), 5);
    assert_int_equal(tmb_images_classes(images), 3);
    assert_string_equal(tmb_images_key(images, 2), "p/0001.png");
    assert_non_null(strstr(notice_with(images, "with 1 more")->path, "gone.png"));
    tmb_images_free(images);
    opts.classes = wanted;
    opts.part = TMB_VALIDATION;
    opts.val_split = 0.5F;
    for (int keras2 = 0; keras2 < 2; keras2++) {
        opts.augment.preset = keras2 ? TMB_PRESET_KERAS2 : TMB_PRESET_KERAS3;
        images = images_open(test_temp("t.csv"), &opts);
        assert_int_equal(tmb_images_count(images), 2);
        assert_int_equal(tmb_images_label(images, 0), keras2); /* it sorted them */
        assert_string_equal(tmb_images_key(images, 1), "p/0001.png");
        tmb_images_free(images);
    }
    opts.keep_missing = true;
    opts.part = TMB_ALL;
    assert_status(tmb_images_open(&images, test_temp("t.csv"), &opts), TMB_EDATA);
    assert_message("images cannot be read");
}

static void halve(void *user, float *x, int h, int w, int c)
{
    atomic_int *calls = user;

    atomic_fetch_add(calls, 1);
    assert_int_equal(h * w * c, 60);
    for (int i = 0; i < 60; i++)
        x[i] = floorf(x[i] / 2);
}

/* The function sees pixels as augmentation left them, before scale, offset and the order BGR. */
TEST(targets_function_and_channels_first)
{
    const tmb_preprocess pre = {
            .size = {4, 5}, .channels = 3, .scale = {0.5F, 1, 2}, .offset = {1, 2, 3}, .bgr = true};
    atomic_int calls = 0;
    tmb_images_opts opts = small;
    tmb_images *images;
    tmb_image photo;
    tmb_batch batch;

    photos_write("set/a", 0, 1);
    photos_write("set/b", 5, 1);
    opts.preprocess = &pre;
    opts.function = halve;
    opts.function_user = &calls;
    opts.channels_first = true;
    images = open_batch(test_temp("set"), &opts, &batch);
    assert_int_equal(atomic_load(&calls), 2);
    for (int n = 0; n < 2; n++) {
        assert_ok(tmb_images_photo(images, n, &photo));
        for (int i = 0; i < 60; i++) {
            const int k = i % 3;
            const float seen = floorf((float)photo.pixels[i - k + 2 - k] / 2);

            assert_true(batch.x[60 * n + 20 * k + i / 3] == seen * pre.scale[k] + pre.offset[k]);
        }
        tmb_image_free(&photo);
    }
    tmb_images_free(images);
}
