/* generator.h - what Keras' ImageDataGenerator does to one picture, on arrays of floats
 *
 * A picture is (height, width, channels) floats with 1 to 4 channels, of any range; `shape` holds the
 * three sizes. Data sets (data.h) do all of this by themselves.
 */
#ifndef THIMBLE_GENERATOR_H
#define THIMBLE_GENERATOR_H

#include <thimble/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One picture's changes, with the keys of Keras' dictionary: the map from output to input, then colour.
 * All zero: nothing is changed. */
typedef struct tmb_transform {
    double theta;  /* degrees */
    double tx, ty; /* pixels, across and down; in the Keras presets tx is the height shift */
    double shear;  /* degrees; KERAS2016: radians */
    double zx, zy; /* below 1 magnifies; 0: 1 */
    bool flip_horizontal, flip_vertical;
    double channel_shift_intensity[4]; /* pixel units, by channel; all equal but in KERAS2016 */
    bool has_brightness;               /* false: Keras' None */
    double brightness;                 /* a factor, if there is one */
    /* Beyond Keras. */
    double crop[4]; /* y, x, height, width as shares of the picture; height 0: the whole */
    double gain[3], contrast, saturation; /* each times 1 + this */
    double erase[4];                      /* y, x, height, width as shares; height 0: none */
} tmb_transform;

/* A stream of random values, from which successive draws go on; one thread at a time. With NUMPY it is
 * numpy.random after seed(seed), the stream that Keras draws from. */
typedef struct tmb_rng tmb_rng;
TMB_API int tmb_rng_new(tmb_rng **out, tmb_rng_kind kind, uint64_t seed);
TMB_API void tmb_rng_free(tmb_rng *rng);

/* get_random_transform, for a picture of `shape`. */
TMB_API int tmb_transform_draw(
        tmb_transform *out, const tmb_augment *augment, tmb_rng *rng, const int shape[3]);
/* apply_transform: `x` -> `out`, another array of the same shape. Of `augment` preset, fill, cval and
 * sampling count; NULL: all 0. */
TMB_API int tmb_transform_apply(const tmb_transform *transform, const tmb_augment *augment,
        const int shape[3], const float *x, float *out);
/* random_transform: both. */
TMB_API int tmb_transform_random(
        const tmb_augment *augment, tmb_rng *rng, const int shape[3], const float *x, float *out);

/* standardize, in place: channel order, scale (0: 1) and offset; then the picture's own mean and
 * deviation; then the statistics. Size, channels and what makes a photo smaller are not looked at. */
TMB_API int tmb_standardize(const tmb_preprocess *pre, const int shape[3], float *x);

/* The pixel rules of keras.applications. Fills scale, offset and bgr for RGB pixels 0..255. */
typedef enum tmb_pixel_rule {
    TMB_PIXELS_CAFFE, /* BGR, minus the means of ImageNet */
    TMB_PIXELS_TF,    /* -1 .. 1 */
    TMB_PIXELS_TORCH  /* 0 .. 1, minus the means, by the deviations of ImageNet */
} tmb_pixel_rule;
TMB_API int tmb_preprocess_rule(tmb_preprocess *pre, tmb_pixel_rule rule);

/* What is known of a data set, for standardizing its pictures: constant once made, shared between
 * threads, data sets and models. */
typedef struct tmb_statistics tmb_statistics;
typedef struct tmb_statistics_info {
    int shape[3];           /* of the pictures; height and width 0: any */
    bool per_pixel;         /* mean and std are (h, w, c), as Keras to 1.1 had them, else (c) */
    const float *mean;      /* subtracted; NULL: not */
    const float *std;       /* divided by, plus epsilon; NULL: not */
    float epsilon;          /* 0: 1e-6 */
    const float *whitening; /* (d, d) with d = h * w * c: ZCA. NULL: none */
} tmb_statistics_info;

/* From numbers known beforehand, which are copied. */
TMB_API int tmb_statistics_new(tmb_statistics **out, const tmb_statistics_info *info);
/* What holds a share of its own, as data sets and models do, keeps them. */
TMB_API void tmb_statistics_free(tmb_statistics *statistics);
/* Borrowed, as long as the statistics live. */
TMB_API int tmb_statistics_get(const tmb_statistics *statistics, tmb_statistics_info *out);

/* Whitening takes at most so many values a picture: the matrix has their square. */
enum { TMB_ZCA_MAX = 4096 };

typedef struct tmb_statistics_opts {
    bool center;                /* featurewise_center */
    bool std;                   /* featurewise_std_normalization; centred too */
    bool zca;                   /* zca_whitening; centred too, and not divided by std */
    double zca_epsilon;         /* 0: 1e-6 */
    float rescale;              /* of arrays: a factor on every value before; 0: 1 */
    const tmb_augment *augment; /* of random versions of the pictures; NULL: of these */
    int rounds;                 /* random versions of each; 0: 1 */
    tmb_rng *rng;               /* for augment; NULL: Philox from 0 */
    /* The whitening matrix is Keras' of that time (CORRECT: KERAS3). In KERAS2016 mean and std are those
     * of each pixel, the epsilons fixed and arrays not rescaled. */
    tmb_preset preset;
    uint64_t reserved[4];
} tmb_statistics_opts;

/* fit, of n pictures (n, h, w, c). Whitening wants the library of linear algebra. */
TMB_API int tmb_statistics_fit(tmb_statistics **out, const float *x, int64_t n, const int shape[3],
        const tmb_statistics_opts *opts);
/* The same of a data set's photos one by one, in memory that does not grow with their number: as its
 * scale and offset make them, without what comes after these. */
TMB_API int tmb_statistics_fit_images(
        tmb_statistics **out, tmb_images *images, const tmb_statistics_opts *opts);
/* From its first epoch on, a data set is standardized by these too; it keeps a share. */
TMB_API int tmb_images_standardize(tmb_images *images, const tmb_statistics *statistics);

#ifdef __cplusplus
}
#endif
#endif
