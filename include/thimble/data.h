/* data.h - folders of labelled photos, read as batches; augmentation
 *
 * Example: the post's training data.
 *     tmb_images_opts opts = {.size = {150, 150}, .batch = 16, .rescale = 1 / 255.0f, .shuffle = true,
 *             .augment = {.shear = 11.5f, .zoom = {0.8f, 1.2f}, .horizontal_flip = true}};
 *     tmb_images_open(&images, "data/train", &opts);
 */
#ifndef THIMBLE_DATA_H
#define THIMBLE_DATA_H

#include <thimble/image.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_images tmb_images; /* labelled photos, in batches; one thread at a time */

/* Whose rules the random transform follows. The Keras ones are kept to the letter, faults included;
 * they also read photos as Keras does (nearest neighbour unless a filter is asked for, EXIF ignored). */
typedef enum tmb_preset {
    TMB_PRESET_CORRECT = 0, /* true centre, height shift moves up and down, shear in degrees */
    TMB_PRESET_KERAS2016,   /* Keras 1.0 to 1.1: shear in radians, nearest sampling */
    TMB_PRESET_KERAS2,      /* Keras 2.1.4 to 2.8 */
    TMB_PRESET_KERAS3       /* Keras 2.9 and later: shift axes swapped */
} tmb_preset;

typedef enum tmb_fill {
    TMB_FILL_NEAREST,
    TMB_FILL_CONSTANT,
    TMB_FILL_REFLECT,
    TMB_FILL_WRAP
} tmb_fill;

/* How a photo of another shape comes to the size asked for. */
typedef enum tmb_fit_rule {
    TMB_STRETCH, /* as Keras: the shape is not kept */
    TMB_CROP,    /* the largest part in the middle with the right shape */
    TMB_PAD      /* the whole photo, borders grey */
} tmb_fit_rule;

/* The spline that a random transform samples with: order 0 to 3. */
typedef enum tmb_sampling {
    TMB_SAMPLING_PRESET = 0, /* nearest for KERAS2016, else linear */
    TMB_SAMPLING_NEAREST,
    TMB_SAMPLING_LINEAR,
    TMB_SAMPLING_QUADRATIC,
    TMB_SAMPLING_CUBIC
} tmb_sampling;

enum { TMB_SHIFTS = 16 };

/* Random changes, drawn anew for every photo in every epoch. All zero: none. */
typedef struct tmb_augment {
    tmb_preset preset;
    float rotation;                        /* degrees, -r .. r */
    float width_shift, height_shift;       /* below 1 a share of the side, else pixels */
    int width_shift_int, height_shift_int; /* n: one of 0 .. n-1 pixels, either way */
    float width_shifts[TMB_SHIFTS], height_shifts[TMB_SHIFTS]; /* one of these, either way; all of
                                                                  them below 1: shares of the side */
    int n_width_shifts, n_height_shifts; /* how many; 0: no list. One of the three kinds is given */
    float shear;                         /* degrees; preset KERAS2016: radians */
    float zoom[2];                       /* range; below 1 magnifies; {0, 0}: none */
    float channel_shift;                 /* pixel units */
    float brightness[2];                 /* range of a factor; {0, 0}: none */
    bool horizontal_flip, vertical_flip; /* half of the photos */
    tmb_fill fill;                       /* places outside the photo */
    float cval;                          /* for TMB_FILL_CONSTANT, 0..255 */
    tmb_sampling sampling;
    /* Beyond Keras, each off at 0. */
    bool alternate_flip; /* mirrored every other epoch, the start drawn per photo */
    float crop_area[2];  /* random crop: range of the share of the area */
    float crop_aspect;   /* its shape: times exp(-a .. a) */
    float gain;          /* each channel times 1-g .. 1+g */
    float contrast;      /* distance to the photo's mean times 1-c .. 1+c */
    float saturation;    /* distance to grey times 1-s .. 1+s */
    float erase;         /* a grey rectangle of up to this share of the area */
    uint64_t reserved[4];
} tmb_augment;

/* From a decoded photo to a net's input; kept in the model file, the same for every use of it. */
typedef struct tmb_preprocess {
    int size[2], channels; /* height, width; 1, 3 or 4 (RGBA) */
    tmb_filter filter;     /* 0: TMB_BILINEAR */
    tmb_fit_rule fit;
    bool ignore_exif;
    float scale[4], offset[4]; /* by channel: input = pixel * scale + offset, pixel 0..255 */
    bool bgr;                  /* channels swapped before that */
    bool flip_views;           /* predictions are the mean over the photo and its mirror image */
    float margin;              /* the photo is shrunk to size * (1 + margin), its middle taken */
    /* After scale and offset, in this order: the photo minus its own mean, by its own deviation; then
     * what the statistics say (generator.h; NULL: nothing; whoever copies this struct and keeps it
     * holds a share of them). */
    bool samplewise_center, samplewise_std; /* the second implies the first */
    bool samplewise_pixel; /* mean and deviation of each pixel's channels, as Keras to 2.0.8 */
    const struct tmb_statistics *statistics;
} tmb_preprocess;

/* Which part of a data set. With folders train/ and validation/ (val/, valid/) or test/ below it, or a
 * split column in the CSV, these; else `val_split` cuts it, stratified, equal photos kept together. */
typedef enum tmb_part {
    TMB_ALL,
    TMB_TRAIN,
    TMB_VALIDATION,
    TMB_TEST,
    TMB_HELD_OUT /* what was not trained on: test, else validation; all if there is no such part */
} tmb_part;

typedef enum tmb_bad_images { TMB_BAD_SKIP, TMB_BAD_FAIL, TMB_BAD_USE } tmb_bad_images;

/* Where random values come from. NUMPY: Keras' own stream (MT19937, begun anew with seed plus batches so
 * far before each batch), draw for draw. A seed is always there, 0 if none is given: without one, Keras'
 * batches are never the same. Listing, order, split and the class numbers are then Keras' too, by the
 * rules of the preset's time and with its faults: hidden folders are classes, a file is a photo if its
 * name ends in png, jpg, jpeg, bmp, ppm, tif or tiff, and `val_split` takes the first photos of each
 * class (of a table: the first rows). Photos that cannot be read are left out as ever, with a notice:
 * Keras would stop at them. */
typedef enum tmb_rng_kind { TMB_RNG_PHILOX = 0, TMB_RNG_NUMPY } tmb_rng_kind;

/* Keras' class_mode: what a batch's `y` holds. */
typedef enum tmb_class_mode {
    TMB_CLASS_SPARSE = 0, /* the class number, also in `label` */
    TMB_CLASS_BINARY,     /* the same, of two classes */
    TMB_CLASS_CATEGORICAL, /* one for the class, or for each of several, else zero: (count, classes) */
    TMB_CLASS_INPUT,       /* x itself */
    TMB_CLASS_RAW,         /* numbers of the CSV's y columns, or of memory: (count, columns) */
    TMB_CLASS_NONE         /* nothing: y is NULL and the photos need no label */
} tmb_class_mode;

struct tmb_notice; /* below */

typedef struct tmb_images_opts {
    int size[2];                      /* required: height and width of the net's input */
    int channels;                     /* 3, or 1 for grey; 0: 3 */
    int batch;                        /* photos a step; 0: 32 */
    float rescale;                    /* factor on every pixel, after everything else; 0: 1 */
    const tmb_preprocess *preprocess; /* instead of size, channels, rescale, filter, fit; copied */
    tmb_filter filter;                /* 0: TMB_BILINEAR, with a Keras preset TMB_NEAREST */
    tmb_fit_rule fit;
    tmb_augment augment;
    bool shuffle;      /* a new order each epoch */
    bool shuffle_once; /* the order of the first epoch for all, as Keras to 2.0.1 did by fault */
    uint64_t seed;     /* same seed, same batches, for any number of threads */
    tmb_part part;
    float val_split; /* 0: 0.2 */
    const char *const
            *classes; /* wanted classes in this order, NULL-terminated; NULL: those found */
    bool allow_empty_class;
    tmb_bad_images bad;
    float bad_limit;     /* share of unreadable photos that stops it; 0: 0.05 */
    int64_t cache_bytes; /* memory for decoded photos, beyond it they are decoded again; 0: 1 GiB */
    int threads;         /* loader threads; 0: one for each CPU while opening, then one */
    int64_t max_pixels;  /* as tmb_image_opts */
    void (*on_scan)(
            void *user, int64_t done, int64_t total); /* progress while photos are read first */
    void *user;
    double decode_timeout; /* as tmb_image_opts.timeout: such a photo is bad; 0: 2 s */
    /* Told of every notice when it is found, also if opening fails in the end; from the thread that opens,
     * or takes batches, and as long as the images live. The notice is valid during the call. */
    void (*on_notice)(void *user, const struct tmb_notice *notice);
    tmb_rng_kind rng;
    tmb_class_mode class_mode;
    bool follow_links;   /* linked folders below a class are walked too */
    bool channels_first; /* batches are (count, c, h, w); fit and evaluate want them last */
    /* Write every picture of every batch that is taken, as Keras does: <prefix>_<index>_<hash>.<format>. */
    const char *save_dir;                  /* must be there; NULL: nothing is written */
    const char *save_prefix, *save_format; /* NULL: none, "png"; also "jpeg" */
    /* A function on each picture before scale and offset, (h, w, c) floats in place, from any thread. */
    void (*function)(void *user, float *x, int h, int w, int c);
    void *function_user;
    /* Of a CSV; NULL: file_name (or filename), label (or class), none. y columns end with NULL. */
    const char *x_column, *const *y_columns, *weight_column;
    const char *directory; /* paths are below it; NULL: below the CSV's folder */
    bool keep_missing;     /* with NUMPY rows without such a picture are left out as Keras does,
                                 unless this is set; they are photos that cannot be read then */
    uint64_t reserved[6];
} tmb_images_opts;

/* Open a data set: a folder of class folders, one holding train/ and validation/, or a CSV (or .tsv) with
 * file_name,label[,split] (paths relative to it). With CATEGORICAL a label may be several: cat|indoors,
 * or in several y columns. With RAW, or without labels where the class mode needs none, all photos of a
 * table are of one class, "none". Every photo is read once here, so that a bad one is
 * named now and not in the middle of an epoch. TMB_EDATA says what was found and what was looked for. */
TMB_API int tmb_images_open(tmb_images **out, const char *path, const tmb_images_opts *opts);
/* Pictures from memory: Keras' flow(x, y). Copied. Their part is cut as in Keras: validation is the
 * first int(val_split * n). Sizes and channels in the options may be 0. */
typedef struct tmb_memory {
    int64_t n;
    int height, width, channels; /* channels 1, 3 or 4 */
    const float *x;              /* (n, h, w, c); or */
    const uint8_t *pixels;       /* the same in bytes */
    const int32_t *label;        /* (n) class numbers, or NULL */
    const float *y;              /* (n, y_width) numbers for TMB_CLASS_RAW, or NULL */
    int y_width;
    const float *weight;     /* (n) of each sample, or NULL */
    bool ignore_class_split; /* a split whose parts differ in their classes is fine */
} tmb_memory;
TMB_API int tmb_images_from_memory(
        tmb_images **out, const tmb_memory *memory, const tmb_images_opts *opts);
TMB_API void tmb_images_free(tmb_images *images);

TMB_API int64_t tmb_images_count(const tmb_images *images);
TMB_API int tmb_images_batch(const tmb_images *images);     /* photos a step */
TMB_API tmb_part tmb_images_part(const tmb_images *images); /* never TMB_HELD_OUT */
TMB_API int tmb_images_classes(const tmb_images *images);
/* Borrowed, as long as the images live. */
TMB_API const char *tmb_images_class_name(const tmb_images *images, int label);
TMB_API const char *tmb_images_path(
        const tmb_images *images, int64_t index); /* as it can be opened */
TMB_API const char *tmb_images_key(
        const tmb_images *images, int64_t index); /* below the data set */
TMB_API int tmb_images_label(const tmb_images *images, int64_t index);
TMB_API const tmb_preprocess *tmb_images_preprocess(const tmb_images *images);
/* SHA-256 over sorted keys, labels and file sizes: tells one data set from another. */
TMB_API const uint8_t *tmb_images_fingerprint(const tmb_images *images);

/* What was noticed while opening: files left out or repaired, folders ignored, duplicates. */
typedef enum tmb_notice_kind {
    TMB_NOTICE_BAD,
    TMB_NOTICE_REPAIRED,
    TMB_NOTICE_IGNORED,
    TMB_NOTICE_WARNING
} tmb_notice_kind;
typedef struct tmb_notice {
    tmb_notice_kind kind;
    const char *path, *text; /* borrowed; printable as they are */
} tmb_notice;
TMB_API int64_t tmb_images_notices(const tmb_images *images);
TMB_API const tmb_notice *tmb_images_notice(const tmb_images *images, int64_t i);

/* One step's photos; everything is borrowed until the next call. */
typedef struct tmb_batch {
    int count;
    const float *x;       /* (count, h, w, c) */
    const int32_t *label; /* (count) */
    const int64_t *index; /* (count) number of each sample in the data set */
    const float *y;       /* (count, y_width) as class_mode says; NULL for NONE */
    int y_width;
    const float *weight; /* (count) from the data set; NULL: all 1 */
} tmb_batch;

/* Begin an epoch (0, 1, ...) at batch number `first`; order and changes follow from seed and epoch. With
 * NUMPY, epoch e is the one that begins after e times its batches, so that a resumed training goes on. */
TMB_API int tmb_images_epoch(tmb_images *images, int64_t epoch, int64_t first);
/* 1 and a batch, or 0 at the end of the epoch. The last batch may be short, and so is one with a photo
 * that is kept on disk only and has vanished: it is left out, with a notice. More of these than
 * bad_limit in one epoch are TMB_EDATA. */
TMB_API int tmb_images_next(tmb_images *images, tmb_batch *out);

/* Keras' two other ways through an iterator. Reset: the next batch is the first of another pass, though
 * the last one was not ended. Item: any batch of the epoch by its number, which the end of the epoch
 * then closes; with NUMPY such batches are others than next gives, as in Keras, where each takes the
 * next seed whatever its number, and an epoch's order is what the stream holds after the last of them. */
TMB_API int tmb_images_reset(tmb_images *images);
TMB_API int tmb_images_item(tmb_images *images, int64_t batch, tmb_batch *out);
TMB_API int tmb_images_epoch_end(tmb_images *images);

/* One sample as the net will see it in `epoch`, into (h, w, c) floats; and the photo as it is kept. */
TMB_API int tmb_images_sample(tmb_images *images, int64_t index, int64_t epoch, float *x);
TMB_API int tmb_images_photo(tmb_images *images, int64_t index, tmb_image *out);

/* A contact sheet: `rows` photos, each beside `variants` of its augmented versions. */
TMB_API int tmb_images_preview(tmb_images *images, int rows, int variants, tmb_image *out);

#ifdef __cplusplus
}
#endif
#endif
