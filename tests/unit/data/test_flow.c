/* test_flow.c - batches as Keras' iterators make them: keras.md 2.1, 2.3 and 2.7
 *
 * Sums are double sums of float32 pixels, printed by Keras with five digits. Ranges are floats here
 * and doubles there, which moves a parameter by up to 3e-8 of itself. */
#include "data/images.h"
#include "photos.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

/* keras.md 2.7: cats/cat.0..2.png, dogs/dog.0..1.png. */
static const char *make_set(void)
{
    char name[64];

    for (int n = 0; n < 5; n++) {
        snprintf(name, sizeof name, "set/%s.%d.png", n < 3 ? "cats/cat" : "dogs/dog", n % 3);
        photo_write(n, name);
    }
    return test_temp("set");
}

static const tmb_images_opts post = {.size = {16, 16},
        .batch = 2,
        .threads = 2,
        .rescale = 1 / 255.0F,
        .shuffle = true,
        .seed = 7,
        .rng = TMB_RNG_NUMPY,
        .class_mode = TMB_CLASS_BINARY,
        .augment = {.preset = TMB_PRESET_KERAS3,
                .shear = 0.2F,
                .zoom = {0.8F, 1.2F},
                .horizontal_flip = true}};

static double sum_of(const tmb_images *images, const tmb_batch *batch)
{
    const int64_t n = batch->count * (int64_t)tmb__store_floats(images);
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)batch->x[i];
    return sum;
}

static void assert_sum(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance)) fail_msg("%.6f, expected %.6f", found, expected);
}

/* The next batch, in the next epoch if this one is at its end. */
static void take(tmb_images *images, int64_t *epoch, tmb_batch *batch)
{
    while (tmb_images_next(images, batch) == 0)
        assert_ok(tmb_images_epoch(images, ++*epoch, 0));
    assert_true(batch->count > 0);
}

TEST(flow_from_directory)
{
    static const double sums[4] = {765.50174, 799.10951, 349.75018, 734.96442};
    static const float y[4][2] = {{0, 1}, {0, 0}, {1}, {0, 1}};
    static const float pixel[3] = {.597694F, .860439F, .119262F};
    tmb_images *images = images_open(make_set(), &post);
    int64_t epoch = 0;
    tmb_batch batch;

    assert_ok(tmb_images_epoch(images, 0, 0));
    for (int i = 0; i < 4; i++) {
        take(images, &epoch, &batch);
        assert_int_equal(batch.y_width, 1);
        for (int k = 0; k < batch.count; k++)
            assert_true(batch.y[k] == y[i][k] && batch.label[k] == (int)y[i][k]);
        assert_sum(sum_of(images, &batch), sums[i], 5e-5);
        for (int k = 0; k < 3 && i == 0; k++)
            assert_float_equal(batch.x[k], pixel[k], 1e-6);
    }
    tmb_images_free(images);
}

TEST(flow_without_anything_random)
{
    static const double sums[3] = {824.78044, 738.52553, 349.63139};
    static const struct {
        tmb_filter filter;
        tmb_fit_rule fit;
        int channels;
        double sum;
    } whole[] = {{TMB_BILINEAR, TMB_STRETCH, 3, 488344}, {TMB_BICUBIC, TMB_STRETCH, 3, 488218},
            {TMB_LANCZOS, TMB_STRETCH, 3, 488180}, {TMB_BILINEAR, TMB_CROP, 3, 493297},
            {0, TMB_STRETCH, 1, 164967}};
    tmb_images_opts opts = post;
    tmb_images *images;
    tmb_batch batch;

    opts.shuffle = false;
    opts.augment = (tmb_augment){.preset = TMB_PRESET_KERAS3};
    images = images_open(make_set(), &opts);
    assert_ok(tmb_images_epoch(images, 0, 0));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tmb_images_next(images, &batch), 1);
        assert_sum(sum_of(images, &batch), sums[i], 5e-5);
    }
    tmb_images_free(images);
    opts.rescale = 0;
    opts.batch = 5;
    for (size_t i = 0; i < TMB_COUNT(whole); i++) {
        opts.filter = whole[i].filter;
        opts.fit = whole[i].fit;
        opts.channels = whole[i].channels;
        images = images_open(test_temp("set"), &opts);
        assert_ok(tmb_images_epoch(images, 0, 0));
        assert_int_equal(tmb_images_next(images, &batch), 1);
        assert_sum(sum_of(images, &batch), whole[i].sum, 0);
        tmb_images_free(images);
    }
}

/* The post's preview, and the names Keras gives the pictures. */
TEST(flow_saves_as_keras)
{
    tmb_images_opts opts = post;
    tmb_image picture;
    tmb_images *images;
    tmb_batch batch;
    int least = 255, most = 0;

    photo_write(0, "one/cat/cat.0.png");
    opts.augment.preset = TMB_PRESET_KERAS2;
    opts.save_dir = test_temp("out");
    assert_status(tmb_images_open(&images, test_temp("one"), &opts), TMB_EINVAL);
    assert_message("no such folder");
    assert_int_equal(mkdir(opts.save_dir, 0777), 0);
    opts.save_prefix = "cat";
    opts.save_format = "gif";
    assert_status(tmb_images_open(&images, test_temp("one"), &opts), TMB_EINVAL);
    assert_message("\"gif\", expected png, jpeg or jpg");
    opts.save_format = NULL;
    opts.class_mode = TMB_CLASS_SPARSE;
    images = images_open(test_temp("one"), &opts);
    for (int epoch = 0; epoch < 2; epoch++) {
        assert_ok(tmb_images_epoch(images, epoch, 0));
        assert_int_equal(tmb_images_next(images, &batch), 1);
    }
    tmb_images_free(images);
    assert_int_equal(tmb__file_exists(test_temp("out/cat_0_9243159.png")), 1);
    assert_int_equal(tmb__file_exists(test_temp("out/cat_0_3355733.png")), 1);
    assert_ok(tmb_image_read(&picture, test_temp("out/cat_0_9243159.png"), NULL, NULL));
    for (int i = 0; i < 16 * 16 * 3; i++) {
        least = TMB_MIN(least, picture.pixels[i]);
        most = TMB_MAX(most, picture.pixels[i]);
    }
    assert_int_equal(least, 0); /* stretched, as Keras does */
    assert_int_equal(most, 255);
    tmb_image_free(&picture);
}

/* Our own way: the photo's colours, whatever the net's order; one name for each photo of each epoch. */
static void check_saved(bool channels_first, bool bgr)
{
    const tmb_preprocess pre = {.size = {16, 16},
            .channels = 3,
            .scale = {0.5F, 1, 2},
            .offset = {-7, 0, 9},
            .bgr = bgr};
    tmb_images_opts opts = {.preprocess = &pre,
            .batch = 2,
            .threads = 2,
            .shuffle = true,
            .channels_first = channels_first,
            .save_dir = test_temp("out%d%d", channels_first, bgr),
            .save_prefix = "p"};
    tmb_images *images;
    tmb_image kept, saved;
    tmb_batch batch;

    assert_int_equal(mkdir(opts.save_dir, 0777), 0);
    images = images_open(test_temp("set"), &opts);
    for (int epoch = 0; epoch < 2; epoch++) {
        assert_ok(tmb_images_epoch(images, epoch, 0));
        while (tmb_images_next(images, &batch) > 0) {
        }
    }
    for (int i = 0; i < 10; i++) {
        const char *path = test_temp("out%d%d/p_%d_%d.png", channels_first, bgr, i % 5, i / 5);

        assert_ok(tmb_image_read(&saved, path, NULL, NULL));
        assert_ok(tmb_images_photo(images, i % 5, &kept));
        assert_memory_equal(saved.pixels, kept.pixels, 16 * 16 * 3);
        tmb_image_free(&saved);
        tmb_image_free(&kept);
    }
    tmb_images_free(images);
}

TEST(flow_saves_what_is_seen)
{
    make_set();
    for (int i = 0; i < 4; i++)
        check_saved(i & 1, i & 2);
}

/* Only what is taken is written, however far ahead the loader is. */
TEST(flow_saves_what_is_taken)
{
    tmb_images_opts opts = post;
    tmb_images *images;
    tmb_batch batch;
    tmb__entry *entries;
    int64_t n;

    opts.save_dir = test_temp("out");
    assert_int_equal(mkdir(opts.save_dir, 0777), 0);
    images = images_open(make_set(), &opts);
    assert_ok(tmb_images_epoch(images, 0, 0));
    assert_int_equal(tmb_images_next(images, &batch), 1);
    tmb_images_free(images);
    assert_ok(tmb__folder_list(&entries, &n, opts.save_dir, TMB_EDATA));
    assert_int_equal(n, 2);
    tmb__folder_list_free(entries, n);
}

/* keras.md 2.3's tree: hidden folders, links, endings, the order of files. */
TEST(flow_lists_as_keras)
{
    static const char *const files[] = {"Zeb/z.png", "cats/c1.png", "cats/c2.bmp", "cats/c10.ppm",
            "cats/c3.tif", "cats/c4.tiff", "cats/c5.gif", "cats/c6.jpeg", "cats/sub/z.png",
            "cats/sub/a.png", "cats/.x/q.png", "dogs/d10.jpg", "dogs/d2.jpg", "dogs/D1.PNG",
            "dogs/.hid.png", "dogs/note.txt", "dogs/notapng", ".git/config", "loose.png"};
    static const char *const keras3[] = {"Zeb/z.png", "cats/c1.png", "cats/c10.ppm", "cats/c2.bmp",
            "cats/c3.tif", "cats/c4.tiff", "cats/c6.jpeg", "cats/.x/q.png", "cats/sub/a.png",
            "cats/sub/z.png", "dogs/.hid.png", "dogs/D1.PNG", "dogs/d10.jpg", "dogs/d2.jpg",
            "dogs/notapng"};
    static const char *const keras2016[] = {"Zeb/z.png", "cats/c1.png", "cats/c2.bmp",
            "cats/c6.jpeg", "dogs/.hid.png", "dogs/d10.jpg", "dogs/d2.jpg"};
    static const char *const classes[] = {".git", "Zeb", "cats", "dogs"};
    tmb_images_opts opts = post;
    tmb_images *images;

    for (size_t i = 0; i < TMB_COUNT(files); i++) {
        photo_write((int)i, "drawn.png");
        photo_write(0, "tree/Zeb/z.png");
        for (int k = 0; k < 5; k++) {
            static const char *const folders[] = {"cats", "cats/sub", "cats/.x", "dogs", ".git"};

            assert_ok(tmb__folder_make(test_temp("tree/%s", folders[k])));
        }
        assert_int_equal(rename(test_temp("drawn.png"), test_temp("tree/%s", files[i])), 0);
    }
    opts.class_mode = TMB_CLASS_SPARSE;
    images = images_open(test_temp("tree"), &opts);
    assert_int_equal(tmb_images_classes(images), 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(tmb_images_class_name(images, i), classes[i]);
    assert_string_equal(notice_with(images, "without photos")->path, ".git");
    assert_int_equal(tmb_images_count(images), TMB_COUNT(keras3));
    for (size_t i = 0; i < TMB_COUNT(keras3); i++)
        assert_string_equal(tmb_images_key(images, (int64_t)i), keras3[i]);
    assert_int_equal(tmb_images_label(images, 0), 1);
    tmb_images_free(images);
    opts.augment = (tmb_augment){.preset = TMB_PRESET_KERAS2016};
    images = images_open(test_temp("tree"), &opts);
    assert_int_equal(tmb_images_count(images), TMB_COUNT(keras2016));
    for (size_t i = 0; i < TMB_COUNT(keras2016); i++)
        assert_string_equal(tmb_images_key(images, (int64_t)i), keras2016[i]);
    tmb_images_free(images);
}

/* Links to folders are classes, but are walked below a class only if asked; a ring ends. */
TEST(flow_follows_links)
{
    tmb_images_opts opts = post;
    tmb_images *images;

    make_set();
    opts.class_mode = TMB_CLASS_SPARSE;
    assert_int_equal(symlink("dogs", test_temp("set/birds")), 0);
    assert_int_equal(symlink("../dogs", test_temp("set/cats/more")), 0);
    assert_int_equal(symlink("..", test_temp("set/cats/up")), 0);
    images = images_open(test_temp("set"), &opts);
    assert_int_equal(tmb_images_count(images), 7);
    tmb_images_free(images);
    opts.follow_links = true;
    images = images_open(test_temp("set"), &opts);
    assert_int_equal(tmb_images_classes(images), 3);
    assert_string_equal(tmb_images_key(images, 5), "cats/more/dog.0.png");
    /* birds 2; cats 3, more 2, and by `up` once birds 2 and dogs 2, no cats again; dogs 2 */
    assert_int_equal(tmb_images_count(images), 2 + 3 + 2 + 4 + 2);
    tmb_images_free(images);
}

TEST(flow_splits_the_first_of_each_class)
{
    static const char *const classes[] = {"dogs", "cats", "none", NULL};
    tmb_images_opts opts = post;
    tmb_images *images;

    make_set();
    opts.class_mode = TMB_CLASS_SPARSE;
    opts.val_split = 0.7F; /* int(2.1) cats and int(1.4) dogs */
    opts.part = TMB_VALIDATION;
    images = images_open(test_temp("set"), &opts);
    assert_int_equal(tmb_images_count(images), 3);
    assert_string_equal(tmb_images_key(images, 1), "cats/cat.1.png");
    assert_string_equal(tmb_images_key(images, 2), "dogs/dog.0.png");
    tmb_images_free(images);
    opts.part = TMB_TRAIN;
    opts.classes = classes;
    images = images_open(test_temp("set"), &opts);
    assert_int_equal(tmb_images_count(images), 2);
    assert_string_equal(tmb_images_key(images, 0), "dogs/dog.1.png");
    assert_int_equal(tmb_images_label(images, 0), 0);
    assert_string_equal(tmb_images_key(images, 1), "cats/cat.2.png");
    assert_int_equal(tmb_images_classes(images), 3);
    tmb_images_free(images);
    opts.part = TMB_TEST;
    assert_status(tmb_images_open(&images, test_temp("set"), &opts), TMB_EDATA);
    assert_message("no test part");
}

TEST(flow_takes_a_part)
{
    tmb_images_opts opts = post;
    tmb_images *images;

    photos_write("set/train/a", 0, 3);
    photos_write("set/train/b", 10, 3);
    photos_write("set/val/a", 20, 2);
    photos_write("set/val/b", 30, 2);
    for (tmb_part part = TMB_ALL; part <= TMB_HELD_OUT; part++) {
        static const int counts[] = {10, 6, 4, 0, 4};

        opts.part = part;
        if (part == TMB_TEST) continue;
        images = images_open(test_temp("set"), &opts);
        assert_int_equal(tmb_images_count(images), counts[part]);
        assert_string_equal(tmb_images_class_name(images, 0), part == TMB_ALL ? "train" : "a");
        tmb_images_free(images);
    }
}

/* ---- the stream's manners ---- */

enum { FLOATS = 16 * 16 * 3, PHOTOS = 5 };

typedef struct copy {
    int n;
    int64_t index[2];
    float x[2 * FLOATS];
} copy;

static copy copy_of(const tmb_batch *batch)
{
    copy c = {.n = batch->count};

    memcpy(c.index, batch->index, (size_t)c.n * sizeof c.index[0]);
    memcpy(c.x, batch->x, (size_t)c.n * FLOATS * sizeof c.x[0]);
    return c;
}

static void assert_copy(const tmb_batch *batch, const copy *expected)
{
    copy c = copy_of(batch);

    assert_memory_equal(&c, expected, sizeof c);
}

/* Twelve batches of four epochs; then the same from any of them on, with any number of threads, without
 * a cache, and sample by sample. */
static void check_resume(tmb_images_opts opts)
{
    static copy all[12];
    static float x[FLOATS];
    tmb_images *images = images_open(make_set(), &opts);
    int64_t epoch = 0;
    tmb_batch batch;

    assert_ok(tmb_images_epoch(images, 0, 0));
    for (int i = 0; i < 12; i++) {
        take(images, &epoch, &batch);
        all[i] = copy_of(&batch);
    }
    tmb_images_free(images);
    opts.threads = 1;
    opts.cache_bytes = 1;
    images = images_open(test_temp("set"), &opts);
    for (int from = 11; from >= 0; from -= opts.save_dir ? 7 : 1) { /* a file takes its time */
        epoch = from / 3;
        assert_ok(tmb_images_epoch(images, epoch, from % 3));
        for (int i = from; i < 12; i++) {
            take(images, &epoch, &batch);
            assert_copy(&batch, &all[i]);
        }
        for (int k = 0; k < all[from].n; k++) {
            assert_ok(tmb_images_sample(images, all[from].index[k], from / 3, x));
            assert_memory_equal(x, all[from].x + k * FLOATS, sizeof x);
        }
    }
    tmb_images_free(images);
}

TEST(flow_resumes_anywhere)
{
    tmb_images_opts opts = post;

    check_resume(opts);
    opts.augment.preset = TMB_PRESET_KERAS2016; /* one stream through the whole epoch */
    opts.augment.channel_shift = 20;
    check_resume(opts);
    opts.shuffle = false; /* and through all of them */
    check_resume(opts);
    opts.shuffle_once = true;
    check_resume(opts);
    opts.save_dir = test_temp("out"); /* which draws, too */
    assert_int_equal(mkdir(opts.save_dir, 0777), 0);
    check_resume(opts);
}

/* Up to 2.0.1 an order stays if the batch size divides the number of photos. */
TEST(flow_keeps_the_order_of_2016)
{
    tmb_images_opts opts = post;
    tmb_batch batch;
    tmb_images *images;
    int64_t first[5];
    bool same = true;

    make_set();
    photo_write(5, "set/dogs/dog.2.png");
    for (int old = 0; old < 2; old++) {
        int64_t epoch = 0;

        if (old) opts.augment.preset = TMB_PRESET_KERAS2016;
        images = images_open(test_temp("set"), &opts);
        assert_ok(tmb_images_epoch(images, 0, 0));
        for (int i = 0; i < 15; i++) {
            take(images, &epoch, &batch);
            if (i % 3 == 0) first[i / 3] = batch.index[0];
        }
        same = true;
        for (int i = 1; i < 5; i++)
            same = same && first[i] == first[0];
        assert_int_equal(same, old);
        tmb_images_free(images);
    }
}

TEST(flow_seed_is_32_bits)
{
    tmb_images_opts opts = post;
    tmb_images *images;

    opts.seed = 1ull << 32;
    assert_status(tmb_images_open(&images, make_set(), &opts), TMB_EINVAL);
    assert_message("NumPy's stream takes 0 to 4294967295");
}
