/* images.h - what the files of data share: a data set while it is listed, and once it is open */
#ifndef THIMBLE_DATA_IMAGES_H
#define THIMBLE_DATA_IMAGES_H

#include "data/data.h"

/* One photo of a data set. */
typedef struct tmb__sample {
    char *path;    /* as it can be opened; owned */
    int64_t size;  /* bytes of the file, -1 where that cannot be told */
    int64_t mtime; /* in ns: with the size it tells when another file stands in its place */
    int64_t slot;  /* place among the kept photos, -1: decoded at each use */
    int32_t label; /* -1: of a class that is not wanted */
    uint32_t key;  /* the key is path + key */
    tmb_part part; /* TMB_ALL: the data set does not say */
    float weight;
    int32_t n_tags; /* its labels are the list's tags from `target` on; 0: `label` is the only one */
    int64_t target; /* or its first number among the list's */
} tmb__sample;

typedef struct tmb__notices {
    tmb_notice **items; /* each one block, so that borrowed ones stay where they are */
    int64_t n, cap;
    void (*on_notice)(void *user, const tmb_notice *notice); /* NULL: nobody is told */
    void *user;
} tmb__notices;

/* `path` is made printable; the text is as it is. */
int tmb__notices_add(tmb__notices *notices, tmb_notice_kind kind, const char *path, const char *fmt,
        ...) TMB_PRINTF(4, 5);
void tmb__notices_free(tmb__notices *notices);

/* What a folder or a CSV names, in the order of its classes, before anything is read. */
typedef struct tmb__listing {
    tmb__sample *samples; /* owned, with their paths */
    int64_t n, cap;
    char **names; /* classes, byte-wise sorted; owned */
    int n_names, cap_names;
    bool has_part[4]; /* the data set itself has this tmb_part */
    bool weighted;
    int32_t *tags;  /* labels of samples with several; owned */
    float *numbers; /* (samples, y_width) targets that are no labels; owned */
    int y_width;
    tmb__notices *notices;
} tmb__listing;

/* `path` belongs to the listing from now on, also when this fails. */
int tmb__listing_add(tmb__listing *list, char *path, size_t key, int label, tmb_part part);
/* The file's size and time as they are now. */
void tmb__sample_stamp(tmb__sample *sample, const char *path);
/* Add a class; sort them once all are there and forget doubles; then names have labels. */
int tmb__listing_name(tmb__listing *list, const char *name);
void tmb__listing_sort_names(tmb__listing *list);
int tmb__listing_label(const tmb__listing *list, const char *name);
void tmb__listing_free(tmb__listing *list);

/* dir.c and table.c: fill `list` from the data set at `path`. `any_classes`: one will do, and the parts
 * of the data set may differ in theirs. */
int tmb__list_folder(tmb__listing *list, const char *path, bool any_classes);
int tmb__list_table(tmb__listing *list, const char *path, const tmb_images_opts *opts);
/* `text` has a NUL after `size` bytes and is changed. */
int tmb__list_table_text(
        tmb__listing *list, const char *path, const tmb_images_opts *opts, char *text, size_t size);
/* keras_dir.c: the same as Keras lists a folder, of one part of it only; whether a name is a photo's. */
int tmb__list_keras(tmb__listing *list, const char *path, const tmb_images_opts *opts);
bool tmb__keras_photo(const char *name, bool old);
/* The folder of `*part`, owned by caller: below the data set at `path` if it has parts; `*part` then is
 * what stands for it. */
int tmb__part_folder(char **out, bool has_part[4], const char *path, tmb_part *part);
/* TMB_TRAIN for "train" and so on, TMB_ALL for any other name. */
tmb_part tmb__part_named(const char *name);
const char *tmb__part_name(tmb_part part);

/* watch.c: a thread that names files whose reading takes longer than `limit` seconds. A NULL watch is
 * fine and watches nothing. `path` stays until the watch is freed. */
enum { TMB__WATCH_SECONDS = 30 };
typedef struct tmb__watch tmb__watch;
int tmb__watch_new(tmb__watch **out, int workers, double limit);
void tmb__watch_free(tmb__watch *watch);
void tmb__watch_begin(tmb__watch *watch, int worker, const char *path);
void tmb__watch_end(tmb__watch *watch, int worker);

/* copies.c: first[i] is the first sample with the same bytes as sample i, or i. */
int tmb__copies_find(int64_t *first, const tmb__sample *samples, int64_t n, tmb__pool *pool);
/* Say what is the same within a part, on both sides of the split, and under two labels. */
int tmb__copies_report(
        tmb__notices *notices, const tmb__sample *samples, int64_t n, const int64_t *first);

/* images.c: an empty data set with its options; what it holds, of its photos and their pixels. */
int tmb__images_new(tmb_images **out, const tmb_images_opts *opts);
int tmb__images_fingerprint(tmb_images *images);

/* split.c: give every sample a part, `share` of each class to validation. */
int tmb__split_draw(tmb__sample *samples, int64_t n, const int64_t *first, int n_classes,
        char *const *names, double share, uint64_t seed);
/* Keras' way: the first int(share * n) of each class, or of all, go to validation. */
void tmb__split_first(tmb__sample *samples, int64_t n, int n_classes, float share, bool by_class);
int64_t tmb__split_count(int64_t n, float share);

/* order.c: the order of an epoch. */
void tmb__order_fill(int64_t *order, int64_t n, const tmb_images_opts *opts, int64_t epoch);

enum { TMB__PLAIN_EPOCH = -1 }; /* the epoch without randomness */

/* flow.c: a way through all photos; batches before it, and before the one its order was drawn with. */
typedef struct tmb__pass {
    int64_t number, begin, drawn;
} tmb__pass;
tmb__pass tmb__flow_epoch(const tmb_images *images, int64_t epoch);
int64_t tmb__flow_batches(const tmb_images *images); /* of an epoch */
int tmb__flow_batch_size(const tmb_images *images, int64_t b);
void tmb__flow_order(const tmb_images *images, const tmb__pass *pass, int64_t *order);

/* What happens to the n photos of a batch. */
typedef struct tmb__plan {
    int n;
    const int64_t *index; /* numbers of the photos */
    tmb_transform *transform;
    uint32_t *hash; /* for file names */
} tmb__plan;
/* Fill the plan of batch b. `next`: it follows the batch that `mt` was last used for. */
void tmb__flow_plan(const tmb_images *images, tmb__mt19937 *mt, const tmb__pass *pass, int64_t b,
        bool next, tmb__plan *plan);
/* The same for a batch that is asked for by its number, after `seen` others; `order` is drawn from the
 * same stream unless it is NULL. And a new order from where that left the stream. */
void tmb__flow_item(
        const tmb_images *images, tmb__mt19937 *mt, int64_t seen, int64_t *order, tmb__plan *plan);
void tmb__flow_redraw(const tmb_images *images, tmb__mt19937 *mt, int64_t *order);
/* One photo's transform in an epoch. */
int tmb__flow_transform(const tmb_images *images, int64_t index, int64_t epoch, tmb_transform *out);

/* A thread's own buffers. */
typedef struct tmb__scratch {
    tmb__resizer resizer;
    tmb_image kept;
    float *floats;     /* one picture, for channels_first */
    tmb__trace *trace; /* NULL: nobody wants the times */
    int track;
} tmb__scratch;
void tmb__scratch_free(tmb__scratch *scratch);

typedef struct tmb__loader tmb__loader;

struct tmb_images {
    tmb_images_opts opts; /* every default filled in; classes and preprocess NULL */
    tmb_preprocess pre;
    bool random;      /* the augmentation changes anything */
    bool from_memory; /* paths are names only */
    bool weighted;    /* samples have weights */
    int y_width;      /* 0: batches have no y */
    int32_t *tags;    /* labels of samples with several */
    float *floats;    /* kept pictures in memory, instead of `store` */
    float *numbers;   /* targets that are no labels, y_width a sample */
    char *save[3];    /* the options' save_dir, save_prefix, save_format */
    char *root;
    tmb__sample *samples;
    int64_t n;
    char **names; /* classes */
    int n_classes;
    tmb__notices notices;
    uint8_t fingerprint[32];
    /* Kept photos, each keep_h x keep_w x channels, in slots of photo_bytes. */
    uint8_t *store;
    int keep_h, keep_w;
    size_t photo_bytes;
    tmb__scratch scratch; /* for calls outside the loader */
    tmb__loader *loader;  /* made by the first epoch */
    tmb__trace *trace;    /* of batches and photos; NULL: none */
};

/* scan.c: read every photo once, keep what fits, drop the bad ones. */
int tmb__scan(tmb_images *images, tmb__pool *pool);

/* store.c: memory for as many kept photos as allowed, and getting one. `view` borrows from the store
 * or from `scratch`. */
int tmb__store_new(tmb_images *images);
tmb_image tmb__store_slot(const tmb_images *images, int64_t slot);
int tmb__store_get(const tmb_images *images, int64_t index, tmb__scratch *scratch, tmb_image *view);
/* The limits that this data set's photos are decoded under. */
tmb_image_opts tmb__store_limits(const tmb_images *images);
/* A sample as `pre` has it, which differs from the data set's in its values only; transform NULL: without
 * randomness. */
int tmb__store_apply(const tmb_images *images, const tmb_preprocess *pre, int64_t index,
        const tmb_transform *transform, tmb__scratch *scratch, float *x);
/* One sample as the net sees it -> (h, w, c); NULL: without randomness. And as it sees it in `epoch`. */
int tmb__store_run(const tmb_images *images, int64_t index, const tmb_transform *transform,
        tmb__scratch *scratch, float *x);
int tmb__store_sample(
        const tmb_images *images, int64_t index, int64_t epoch, tmb__scratch *scratch, float *x);
size_t tmb__store_floats(const tmb_images *images); /* of a sample */
/* (h, w, c) -> (c, h, w) in place; `floats` has room for a sample. */
void tmb__channels_first(const tmb_images *images, float *x, float *floats);

/* targets.c: how wide y is; whether the class mode suits the classes; the y of a sample. */
int tmb__target_check(tmb_images *images);
bool tmb__labels_unused(const tmb_images_opts *opts);
void tmb__target_fill(const tmb_images *images, int64_t index, float *y);

/* batch_save.c: a sample's picture to the options' save_dir; `at`: its place in the epoch. */
int tmb__batch_save(
        const tmb_images *images, const float *x, int64_t at, int64_t index, uint32_t hash);

/* preprocess.c: height and width of the kept photo; and the pixels from (y, x) on, mirrored or not,
 * times scale plus shift, as floats. */
void tmb__preprocess_keep(const tmb_preprocess *pre, int *h, int *w);
void tmb__photo_copy(const tmb_image *photo, int y, int x, bool flip_h, bool flip_v, float *dst,
        int h, int w, const float *scale, const float *shift);
/* Scale and offset by the photo's channels (the options have them by the net's). */
void tmb__preprocess_scale(const tmb_preprocess *pre, float scale[4], float shift[4]);
void tmb__swap_red_blue(float *x, int64_t pixels);

/* statistics.c: TMB_EINVAL unless they are for pictures of `shape`. */
int tmb__statistics_suit(const tmb_statistics *statistics, const int shape[3]);

/* generator.c: height, width, channels of an array; and what a public stream draws from. */
int tmb__check_picture(const int shape[3]);
tmb__rng *tmb__rng_of(tmb_rng *rng);

/* augment.c */
int tmb__augment_check(const tmb_augment *augment);
bool tmb__augment_any(const tmb_augment *augment);

/* loader.c */
int tmb__loader_new(tmb__loader **out, tmb_images *images);
void tmb__loader_free(tmb__loader *loader);
void tmb__loader_epoch(tmb__loader *loader, int64_t epoch, int64_t first);
int tmb__loader_next(tmb__loader *loader, tmb_batch *out);
void tmb__loader_reset(tmb__loader *loader);
int tmb__loader_item(tmb__loader *loader, int64_t b, tmb_batch *out);
void tmb__loader_epoch_end(tmb__loader *loader);
void tmb__loader_stop(tmb__loader *loader); /* the epoch ends where it is; the thread waits */

#endif
