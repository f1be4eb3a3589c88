/* images.c - opens a data set: options, classes, parts, copies, the scan; and answers about it
 *
 *   listing (all parts) -> wanted classes -> split where none is given -> copies -> the part asked for
 *   -> every photo read once -> fingerprint
 *
 * The split is drawn before any photo is decoded, so that opening the training and the validation part
 * one after the other cuts the same data set in the same place. */
#include "data/images.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_BATCH = 65536 };

/* What the steps of opening hand on. */
typedef struct opening {
    const char *path;
    const tmb_images_opts *opts; /* as they were given */
    const char *const *wanted;   /* NULL: the classes found */
    tmb__listing list;
    int64_t *first; /* copies; NULL: not looked for */
    tmb__pool *pool;
} opening;

/* ---- options ---- */

static int fill_preprocess(tmb_preprocess *pre, const tmb_images_opts *opts)
{
    const bool keras = opts->augment.preset != TMB_PRESET_CORRECT;

    if (opts->preprocess) {
        tmb__preprocess_share(pre, opts->preprocess);
    } else {
        *pre = (tmb_preprocess){.size = {opts->size[0], opts->size[1]},
                .channels = opts->channels ? opts->channels : 3,
                .filter = opts->filter ? opts->filter
                        : keras        ? TMB_NEAREST
                                       : TMB_BILINEAR,
                .fit = opts->fit,
                .ignore_exif = keras};
        for (int k = 0; k < 4; k++)
            pre->scale[k] = opts->rescale != 0 ? opts->rescale : 1;
    }
    if (!pre->filter) pre->filter = TMB_BILINEAR;
    return tmb__preprocess_check(pre);
}

static int check_keras(const tmb_images_opts *opts)
{
    const bool numpy = opts->rng == TMB_RNG_NUMPY;

    if ((int)opts->rng < 0 || opts->rng > TMB_RNG_NUMPY)
        return tmb__fail(TMB_EINVAL, "random stream: number %d is unknown", (int)opts->rng);
    if ((int)opts->class_mode < 0 || opts->class_mode > TMB_CLASS_NONE)
        return tmb__fail(TMB_EINVAL, "class mode: number %d is unknown", (int)opts->class_mode);
    if (numpy && opts->seed > UINT32_MAX) {
        return tmb__fail(TMB_EINVAL, "seed: %llu, NumPy's stream takes 0 to 4294967295",
                (unsigned long long)opts->seed);
    }
    if (numpy && opts->augment.alternate_flip)
        return tmb__fail(TMB_EINVAL, "alternate flip: it has no place in NumPy's stream");
    if (opts->save_dir && tmb__file_exists(opts->save_dir) != 2) {
        return tmb__fail(
                TMB_EINVAL, "%s: no such folder to save to", tmb__printable(opts->save_dir));
    }
    return 0;
}

/* The texts that live as long as the data set. */
static int copy_save(tmb_images *images, tmb_images_opts *own)
{
    const bool old = own->augment.preset == TMB_PRESET_KERAS2016;
    const char *const texts[3] = {own->save_dir, own->save_prefix ? own->save_prefix : "",
            own->save_format ? own->save_format
                    : old    ? "jpeg"
                             : "png"};

    if (strcmp(texts[2], "png") != 0 && strcmp(texts[2], "jpeg") != 0 &&
            strcmp(texts[2], "jpg") != 0) {
        return tmb__fail(TMB_EINVAL, "format to save in: \"%s\", expected png, jpeg or jpg",
                tmb__printable(texts[2]));
    }
    for (int i = 0; i < 3; i++) {
        images->save[i] = texts[i] ? tmb__strdup(texts[i]) : NULL;
        if (texts[i] && !images->save[i]) return TMB_ENOMEM;
    }
    own->save_dir = images->save[0];
    own->save_prefix = images->save[1];
    own->save_format = images->save[2];
    return 0;
}

static int check_opts(const tmb_images_opts *opts)
{
    if (opts->batch < 1 || opts->batch > MAX_BATCH)
        return tmb__fail(TMB_EINVAL, "batch size: %d, expected 1 to %d", opts->batch, MAX_BATCH);
    if ((int)opts->part < 0 || opts->part > TMB_HELD_OUT)
        return tmb__fail(TMB_EINVAL, "part: number %d is unknown", (int)opts->part);
    if ((int)opts->bad < 0 || opts->bad > TMB_BAD_USE)
        return tmb__fail(TMB_EINVAL, "bad images: number %d is unknown", (int)opts->bad);
    if (!(opts->val_split > 0 && opts->val_split < 1)) {
        return tmb__fail(TMB_EINVAL, "validation share: %g, expected more than 0 and less than 1",
                (double)opts->val_split);
    }
    if (!(opts->bad_limit > 0 && opts->bad_limit <= 1)) {
        return tmb__fail(
                TMB_EINVAL, "limit of bad images: %g, expected 0 to 1", (double)opts->bad_limit);
    }
    if (opts->cache_bytes < 0 || opts->max_pixels < 0 || !(opts->decode_timeout >= 0)) {
        return tmb__fail(
                TMB_EINVAL, "cache_bytes, max_pixels and decode_timeout: expected 0 or more");
    }
    TMB_TRY(check_keras(opts));
    return tmb__augment_check(&opts->augment);
}

static int fill_opts(tmb_images *images, const tmb_images_opts *opts)
{
    tmb_images_opts *own = &images->opts;

    *own = *opts;
    if (!own->batch) own->batch = 32;
    if (own->val_split == 0) own->val_split = 0.2F;
    if (own->bad_limit == 0) own->bad_limit = 0.05F;
    if (own->cache_bytes == 0) own->cache_bytes = (int64_t)1 << 30;
    own->classes = NULL;
    own->preprocess = NULL;
    own->x_column = own->weight_column = own->directory = NULL;
    own->y_columns = NULL;
    images->notices.on_notice = own->on_notice;
    images->notices.user = own->user;
    TMB_TRY(copy_save(images, own));
    TMB_TRY(check_opts(own));
    TMB_TRY(fill_preprocess(&images->pre, opts));
    images->random = tmb__augment_any(&own->augment);
    return 0;
}

/* ---- listing ---- */

static bool is_table(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && (strcasecmp(dot, ".csv") == 0 || strcasecmp(dot, ".tsv") == 0);
}

static int list_all(opening *o)
{
    switch (tmb__file_exists(o->path)) {
    case 0: /* a name that is too long, say, is something else than one that is not there */
        if (errno != ENOENT)
            return tmb__fail_errno(TMB_EDATA, errno, "cannot open %s", tmb__printable(o->path));
        return tmb__fail(TMB_EDATA, "%s: No such file or folder", tmb__printable(o->path));
    case 2:
        if (o->opts->rng == TMB_RNG_NUMPY) return tmb__list_keras(&o->list, o->path, o->opts);
        return tmb__list_folder(
                &o->list, o->path, o->wanted != NULL || tmb__labels_unused(o->opts));
    default:
        if (is_table(o->path)) return tmb__list_table(&o->list, o->path, o->opts);
        tmb__fail(TMB_EDATA, "%s: not a directory", tmb__printable(o->path));
        tmb__hint("expected a folder of class folders, or a table whose name ends in .csv or .tsv");
        return TMB_EDATA;
    }
}

/* ---- classes ---- */

static int copy_names(tmb_images *images, const char *const *names, int n)
{
    images->names = tmb__calloc((size_t)n + 1, sizeof *images->names);
    if (!images->names) return TMB_ENOMEM;
    for (int i = 0; i < n; i++) {
        images->names[i] = tmb__strdup(names[i]);
        if (!images->names[i]) return TMB_ENOMEM;
        images->n_classes++;
    }
    return 0;
}

static int wanted_label(const tmb_images *images, const char *name)
{
    for (int i = 0; i < images->n_classes; i++) {
        if (strcmp(images->names[i], name) == 0) return i;
    }
    return -1;
}

/* Of a sample's labels only the wanted ones stay; the first is its class. */
static void keep_tags(tmb__sample *sample, int32_t *tags, const int *label)
{
    int n = 0;

    for (int i = 0; i < sample->n_tags; i++) {
        const int k = label[tags[sample->target + i]];

        if (k >= 0) tags[sample->target + n++] = k;
    }
    sample->n_tags = n;
    sample->label = n ? tags[sample->target] : -1;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Labels from the listing's order to the wanted one; photos of other classes get -1. Keras up to 2.8
 * sorted the wanted classes of a table. */
static int apply_wanted(tmb_images *images, opening *o)
{
    int n = 0, *label;

    while (o->wanted[n])
        n++;
    TMB_TRY(copy_names(images, o->wanted, n));
    if (o->opts->rng == TMB_RNG_NUMPY && o->opts->augment.preset == TMB_PRESET_KERAS2 &&
            is_table(o->path))
        qsort(images->names, (size_t)n, sizeof *images->names, compare_names);
    label = tmb__calloc((size_t)o->list.n_names, sizeof *label);
    if (!label) return TMB_ENOMEM;
    for (int i = 0; i < o->list.n_names; i++)
        label[i] = wanted_label(images, o->list.names[i]);
    for (int64_t i = 0; i < o->list.n; i++) {
        tmb__sample *sample = &o->list.samples[i];

        if (sample->n_tags) {
            keep_tags(sample, o->list.tags, label);
        } else {
            sample->label = label[sample->label];
        }
    }
    n = 0;
    for (int i = 0; i < o->list.n_names && n == 0; i++) {
        if (label[i] >= 0) continue;
        n = tmb__notices_add(&images->notices, TMB_NOTICE_IGNORED, o->list.names[i],
                "left out: not one of the wanted classes");
    }
    tmb__free(label);
    return n;
}

/* Names that a person, or another file system, would take for the same. */
static int warn_alike(tmb_images *images)
{
    for (int i = 0; i < images->n_classes; i++) {
        for (int k = 0; k < i; k++) {
            if (strcasecmp(images->names[i], images->names[k]) != 0) continue;
            TMB_TRY(tmb__notices_add(&images->notices, TMB_NOTICE_WARNING, images->names[i],
                    "two classes whose names differ only in capitals; the other is %s",
                    tmb__printable(images->names[k])));
        }
    }
    return 0;
}

static int name_classes(tmb_images *images, opening *o)
{
    if (o->wanted) {
        TMB_TRY(apply_wanted(images, o));
    } else {
        TMB_TRY(copy_names(images, (const char *const *)o->list.names, o->list.n_names));
    }
    if (images->n_classes >= 2 || tmb__labels_unused(o->opts) || o->opts->rng == TMB_RNG_NUMPY)
        return warn_alike(images);
    return tmb__fail(TMB_EDATA, "%s: found %d class%s, expected at least two classes",
            tmb__printable(o->path), images->n_classes, images->n_classes == 1 ? "" : "es");
}

/* ---- parts ---- */

/* Drop the photos without a wanted class, those of the part `not`, and if `only` is not TMB_ALL those
 * of any other part than that. */
static void keep_samples(tmb__listing *list, tmb_part only, tmb_part not )
{
    int64_t n = 0;

    for (int64_t i = 0; i < list->n; i++) {
        const tmb__sample *sample = &list->samples[i];
        const bool in_part = only == TMB_ALL || sample->part == only;

        if (sample->label >= 0 && in_part && (not == TMB_ALL || sample->part != not )) {
            list->samples[n++] = *sample;
        } else {
            tmb__free(sample->path);
        }
    }
    list->n = n;
}

static int find_copies(opening *o)
{
    o->first = tmb__calloc((size_t)o->list.n, sizeof *o->first);
    if (!o->first) return TMB_ENOMEM;
    return tmb__copies_find(o->first, o->list.samples, o->list.n, o->pool);
}

/* Without a validation part of its own, the data set is cut; its test part stays out of that. What is
 * noticed about copies is said once, when the training part is opened. */
static int cut_parts(tmb_images *images, opening *o)
{
    const tmb_images_opts *opts = &images->opts;

    keep_samples(&o->list, TMB_ALL, TMB_TEST);
    for (int64_t i = 0; i < o->list.n; i++)
        o->list.samples[i].part = TMB_ALL;
    TMB_TRY(find_copies(o));
    if (opts->rng == TMB_RNG_NUMPY) {
        tmb__split_first(
                o->list.samples, o->list.n, images->n_classes, opts->val_split, !is_table(o->path));
    } else {
        TMB_TRY(tmb__split_draw(o->list.samples, o->list.n, o->first, images->n_classes,
                images->names, (double)opts->val_split, opts->seed));
    }
    if (opts->part == TMB_VALIDATION) return 0;
    return tmb__copies_report(&images->notices, o->list.samples, o->list.n, o->first);
}

/* The data set says itself what belongs to the part. Opening the training part leaves the search for
 * copies to the parts that are measured on. */
static int take_part(tmb_images *images, opening *o)
{
    const tmb_part part = images->opts.part;

    if (part != TMB_ALL && !o->list.has_part[part]) {
        tmb__fail(TMB_EDATA, "%s: no %s part", tmb__printable(o->path), tmb__part_name(part));
        tmb__hint("expected a folder %s/, or a split column with that word", tmb__part_name(part));
        return TMB_EDATA;
    }
    keep_samples(&o->list, TMB_ALL, TMB_ALL);
    if (part == TMB_TRAIN) return 0;
    TMB_TRY(find_copies(o));
    return tmb__copies_report(&images->notices, o->list.samples, o->list.n, o->first);
}

static int check_counts(tmb_images *images, const opening *o)
{
    int64_t *count = tmb__calloc((size_t)images->n_classes, sizeof *count);
    const char *part = images->opts.part ? tmb__part_name(images->opts.part) : "the data set";
    const bool may_be_empty = images->opts.allow_empty_class || images->opts.rng == TMB_RNG_NUMPY ||
            tmb__labels_unused(&images->opts);
    int status = 0;

    if (!count) return TMB_ENOMEM;
    for (int64_t i = 0; i < o->list.n; i++)
        count[o->list.samples[i].label]++;
    for (int k = 0; k < images->n_classes && status == 0; k++) {
        if (count[k] > 0 || may_be_empty) continue;
        status = tmb__fail(TMB_EDATA, "%s: class \"%s\" has 0 images in %s",
                tmb__printable(o->path), tmb__printable(images->names[k]), part);
        tmb__hint("remove the class, or go on without its photos: --allow-empty-class");
    }
    tmb__free(count);
    if (status == 0 && o->list.n == 0)
        status = tmb__fail(TMB_EDATA, "%s: 0 images in %s", tmb__printable(o->path), part);
    return status;
}

/* What TMB_HELD_OUT stands for in this data set. */
static tmb_part held_out(const tmb__listing *list)
{
    if (list->has_part[TMB_TEST]) return TMB_TEST;
    return list->has_part[TMB_VALIDATION] ? TMB_VALIDATION : TMB_ALL;
}

static int choose_part(tmb_images *images, opening *o)
{
    const tmb_part part =
            images->opts.part == TMB_HELD_OUT ? held_out(&o->list) : images->opts.part;
    const bool cut =
            (part == TMB_TRAIN || part == TMB_VALIDATION) && !o->list.has_part[TMB_VALIDATION];

    images->opts.part = part;
    TMB_TRY(cut ? cut_parts(images, o) : take_part(images, o));
    keep_samples(&o->list, part, TMB_ALL);
    TMB_TRY(check_counts(images, o));
    if (!images->opts.shuffle || o->list.n >= images->opts.batch) return 0;
    return tmb__notices_add(&images->notices, TMB_NOTICE_WARNING, o->path,
            "%lld images are fewer than one batch of %d", (long long)o->list.n, images->opts.batch);
}

/* ---- fingerprint ---- */

static int compare_keys(const void *a, const void *b)
{
    const tmb__sample *x = *(const tmb__sample *const *)a, *y = *(const tmb__sample *const *)b;

    return strcmp(x->path + x->key, y->path + y->key);
}

static void add_number(tmb__sha256 *sha, int64_t value)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)value >> 8 * i);
    tmb__sha256_add(sha, bytes, sizeof bytes);
}

/* Pictures in memory have no file whose size would tell. */
static void add_pixels(tmb__sha256 *sha, const tmb_images *images)
{
    const size_t n = (size_t)images->n * tmb__store_floats(images);

    if (images->floats) tmb__sha256_add(sha, images->floats, n * sizeof *images->floats);
    if (images->store) tmb__sha256_add(sha, images->store, n);
}

int tmb__images_fingerprint(tmb_images *images)
{
    const tmb__sample **sorted = tmb__calloc((size_t)images->n, sizeof *sorted);
    tmb__sha256 sha;

    if (!sorted) return TMB_ENOMEM;
    for (int64_t i = 0; i < images->n; i++)
        sorted[i] = &images->samples[i];
    qsort(sorted, (size_t)images->n, sizeof *sorted, compare_keys);
    tmb__sha256_start(&sha);
    for (int64_t i = 0; i < images->n; i++) {
        const char *key = sorted[i]->path + sorted[i]->key;

        tmb__sha256_add(&sha, key, strlen(key) + 1);
        add_number(&sha, sorted[i]->label);
        add_number(&sha, sorted[i]->size);
    }
    if (images->from_memory) add_pixels(&sha, images);
    tmb__sha256_end(&sha, images->fingerprint);
    tmb__free(sorted);
    return 0;
}

/* ---- the door ---- */

static int open_images(tmb_images *images, opening *o)
{
    TMB_TRY(tmb__pool_new(&o->pool, images->opts.threads));
    images->root = tmb__strdup(o->path);
    if (!images->root) return TMB_ENOMEM;
    TMB_TRY(list_all(o));
    TMB_TRY(name_classes(images, o));
    TMB_TRY(choose_part(images, o));
    images->samples = o->list.samples;
    images->n = o->list.n;
    images->tags = o->list.tags;
    images->numbers = o->list.numbers;
    images->y_width = o->list.y_width;
    images->weighted = o->list.weighted;
    o->list.samples = NULL;
    o->list.n = 0;
    o->list.tags = NULL;
    o->list.numbers = NULL;
    TMB_TRY(tmb__target_check(images));
    TMB_TRY(tmb__store_new(images));
    TMB_TRY(tmb__scan(images, o->pool));
    return tmb__images_fingerprint(images);
}

int tmb__images_new(tmb_images **out, const tmb_images_opts *opts)
{
    tmb_images *images = tmb__calloc(1, sizeof *images);
    int status;

    *out = NULL;
    if (!images) return TMB_ENOMEM;
    status = fill_opts(images, opts);
    if (status == 0) *out = images;
    if (status < 0) tmb_images_free(images);
    return status;
}

int tmb_images_open(tmb_images **out, const char *path, const tmb_images_opts *opts)
{
    opening o = {.path = path, .opts = opts, .wanted = opts ? opts->classes : NULL};
    tmb_images *images;
    int status;

    if (!out) return tmb__fail(TMB_EINVAL, "tmb_images_open: out is NULL");
    *out = NULL;
    if (!path || !path[0] || !opts)
        return tmb__fail(TMB_EINVAL, "tmb_images_open: path and opts are required");
    TMB_TRY(tmb__images_new(&images, opts));
    o.list.notices = &images->notices;
    status = open_images(images, &o);
    tmb__listing_free(&o.list);
    tmb__free(o.first);
    tmb__pool_free(o.pool);
    if (status < 0) {
        tmb_images_free(images);
        return status;
    }
    *out = images;
    return 0;
}

void tmb_images_free(tmb_images *images)
{
    if (!images) return;
    tmb__loader_free(images->loader);
    for (int64_t i = 0; i < images->n; i++)
        tmb__free(images->samples[i].path);
    for (int i = 0; i < images->n_classes; i++)
        tmb__free(images->names[i]);
    for (size_t i = 0; i < TMB_COUNT(images->save); i++)
        tmb__free(images->save[i]);
    tmb__free(images->tags);
    tmb__free(images->numbers);
    tmb__free(images->floats);
    tmb__free(images->samples);
    tmb__free(images->names);
    tmb__free(images->root);
    tmb__free(images->store);
    tmb__preprocess_drop(&images->pre);
    tmb__notices_free(&images->notices);
    tmb__scratch_free(&images->scratch);
    tmb__free(images);
}
