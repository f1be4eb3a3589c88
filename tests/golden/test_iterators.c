/* test_iterators.c - batches of Keras' three iterators, number for number: iterators.npz
 *
 * The cases and their data are those of scripts/golden/iterators.py. Orders, labels and weights are
 * equal; pictures too, up to the last bits of a sum. */
#include "data/images.h"
#include "golden.h"
#include "unit/data/photos.h"

#include <math.h>

enum { PHOTOS = 7, BATCHES = 7, HEAD = 12, MEMORY = 9 * 8 * 3 };

/* What a case is, as the file has it. */
typedef struct settings {
    int32_t way, preset, seed, shuffle, batch, part, mode, channels, filter, items, weights, whole;
} settings;

static tmb_images_opts opts_of(const settings *s)
{
    tmb_images_opts opts = {.size = {12, 15},
            .channels = s->channels,
            .batch = s->batch,
            .threads = 2,
            .rescale = 1 / 255.0F,
            .filter = (tmb_filter)s->filter,
            .shuffle = s->shuffle,
            .seed = (uint64_t)s->seed,
            .part = (tmb_part)s->part,
            .val_split = 0.4F,
            .rng = TMB_RNG_NUMPY,
            .class_mode = (tmb_class_mode)s->mode,
            .augment = {.preset = (tmb_preset)s->preset,
                    .rotation = 40,
                    .shear = 0.25F,
                    .zoom = {0.75F, 1.25F},
                    .channel_shift = 20,
                    .horizontal_flip = true,
                    .vertical_flip = true}};

    opts.augment.width_shift_int = opts.augment.height_shift_int = s->whole ? 4 : 0;
    opts.augment.width_shift = opts.augment.height_shift = s->whole ? 0 : 0.25F;
    return opts;
}

static tmb_images *open_memory(const settings *s)
{
    static const int32_t label[PHOTOS] = {0, 1, 0, 1, 0, 0, 1};
    static float x[PHOTOS * MEMORY], y[2 * PHOTOS], weight[PHOTOS];
    const tmb_memory memory = {.n = PHOTOS,
            .height = 9,
            .width = 8,
            .channels = 3,
            .x = x,
            .label = label,
            .y = y,
            .y_width = 2,
            .weight = s->weights ? weight : NULL};
    tmb_images_opts opts = opts_of(s);
    tmb_images *images;

    for (int i = 0; i < PHOTOS * MEMORY; i++) {
        const int n = i / MEMORY, r = i / 24 % 9, c = i / 3 % 8, k = i % 3;

        x[i] = (float)((37 * n + 7 * r + 13 * c + 29 * k) % 256) * 0.75F + 0.5F;
    }
    for (int i = 0; i < PHOTOS; i++) {
        y[2 * i] = (float)i;
        y[2 * i + 1] = (float)-i / 2;
        weight[i] = 1 + (float)i / 4;
    }
    opts.size[0] = opts.size[1] = 0;
    assert_ok(tmb_images_from_memory(&images, &memory, &opts));
    return images;
}

static void write_photos(void)
{
    char name[64];

    for (int n = 0; n < PHOTOS; n++) {
        snprintf(name, sizeof name, "set/%s/%d.png", n < 4 ? "cat" : "dog", n);
        photo_write(n, name);
    }
}

/* The table lies beside the folder of photos. */
static tmb_images *open_table(const settings *s)
{
    static const char *const single[] = {"kind", NULL}, *const numbers[] = {"a", "b", NULL};
    tmb_images_opts opts = opts_of(s);
    tmb__strbuf sb = {0};
    tmb_images *images;

    tmb__strbuf_add(&sb, "file\tkind\tweight\ta\tb\n");
    for (int n = 0; n < PHOTOS; n++) {
        const char *kind = n < 4 ? "cat" : "dog";

        if (s->mode == TMB_CLASS_CATEGORICAL) kind = n % 2 ? "dog|pet|loud" : "cat|pet";
        tmb__strbuf_add(&sb, "%s/%d.png\t%s\t%g\t%d\t%g\n", n < 4 ? "cat" : "dog", n, kind,
                1 + n / 4.0, n, -n / 2.0);
    }
    test_write(test_temp("table.tsv"), sb.text, sb.len);
    tmb__strbuf_free(&sb);
    opts.directory = test_temp("set");
    opts.x_column = "file";
    opts.y_columns = s->mode == TMB_CLASS_RAW ? numbers : single;
    opts.weight_column = s->weights ? "weight" : NULL;
    images = images_open(test_temp("table.tsv"), &opts);
    return images;
}

static tmb_images *open_case(const settings *s)
{
    const tmb_images_opts opts = opts_of(s);

    if (s->way == 1) return open_memory(s);
    return s->way == 2 ? open_table(s) : images_open(test_temp("set"), &opts);
}

/* Batch i as the case asks for it. */
static void take(tmb_images *images, const settings *s, int i, tmb_batch *batch)
{
    const int64_t n = tmb__flow_batches(images);

    if (s->items) {
        if (i && i % n == 0) assert_ok(tmb_images_epoch_end(images));
        assert_ok(tmb_images_item(images, (i + n - 1) % n, batch));
        return;
    }
    if (i % n == 0) assert_ok(tmb_images_epoch(images, i / n, 0));
    assert_int_equal(tmb_images_next(images, batch), 1);
}

static void check_pictures(const tmb_images *images, const tmb_batch *batch, int number, int i)
{
    const double *sums = golden_array("iterators.npz", "%d/sums", number)->data;
    const float *head = golden_array("iterators.npz", "%d/head", number)->data;
    const int64_t n = batch->count * (int64_t)tmb__store_floats(images);
    double sum = 0;

    for (int64_t k = 0; k < n; k++)
        sum += (double)batch->x[k];
    if (!(fabs(sum - sums[i]) <= 1e-6 * fabs(sums[i])))
        fail_msg("case %d, batch %d: sum %.9g, expected %.9g", number, i, sum, sums[i]);
    assert_floats_near(batch->x, head + i * HEAD, HEAD, 1e-6);
}

static void check_case(int number)
{
    const settings *s = golden_array("iterators.npz", "%d/opts", number)->data;
    const int32_t *index = golden_array("iterators.npz", "%d/index", number)->data;
    const bool has_y = s->mode != TMB_CLASS_INPUT && s->mode != TMB_CLASS_NONE;
    const float *y = has_y ? golden_array("iterators.npz", "%d/y", number)->data : NULL;
    const float *weight =
            s->weights ? golden_array("iterators.npz", "%d/weight", number)->data : NULL;
    tmb_images *images = open_case(s);
    tmb_batch batch;

    for (int i = 0; i < BATCHES; i++) {
        take(images, s, i, &batch);
        print_message("case %d, batch %d\n", number, i);
        for (int k = 0; k < batch.count; k++)
            assert_int_equal(batch.index[k], *index++);
        check_pictures(images, &batch, number, i);
        for (int k = 0; k < batch.count * batch.y_width && has_y; k++)
            assert_true(batch.y[k] == *y++);
        for (int k = 0; k < batch.count && weight; k++)
            assert_true(batch.weight[k] == *weight++);
        assert_true(s->mode != TMB_CLASS_INPUT || batch.y == batch.x);
        assert_true(s->mode != TMB_CLASS_NONE || !batch.y);
        assert_true(weight || !batch.weight);
    }
    tmb_images_free(images);
}

TEST(iterators_equal_keras)
{
    const int32_t *count = golden_array("iterators.npz", "count")->data;

    write_photos();
    for (int i = 0; i < *count; i++)
        check_case(i);
}
