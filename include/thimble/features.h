/* features.h - numbers that stand for photos: what a pre-trained network says of each */
#ifndef THIMBLE_FEATURES_H
#define THIMBLE_FEATURES_H

#include <thimble/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* n rows of features with what is known of each. Borrowed, unless a call says that it gives them. */
typedef struct tmb_features {
    int64_t n;
    int shape[3];         /* of a row: {d}, to a net (1, 1, d); or {h, w, c} */
    const float *x;       /* (n, d) or (n, h, w, c) */
    const int32_t *label; /* (n): 0 .. classes - 1 */
    const int64_t
            *group; /* (n): rows of one group are never parted by a split; NULL: each its own */
    int views;      /* so many rows in a row are views of one photo; 0: 1 */
    int classes;
    const char *const *class_names; /* (classes), NULL: not known */
    const char *const *keys;        /* (n), NULL: not known */
    const char *backbone;           /* the network they come from, NULL: not known */
    const char
            *fingerprint; /* of its weights and of how photos reached it: features with another one
                                are not comparable; NULL: not known */
    void *memory;         /* what a call that gives features took for all of it, else NULL */
    uint64_t reserved[4];
} tmb_features;

/* Write `path`, a .npy of float32 that NumPy reads, and beside it what is known of the rows, with the
 * ending .json in place of .npy (docs/formats.md). */
TMB_API int tmb_features_save(const tmb_features *features, const char *path);
/* Read both; free with tmb_features_free. With `like` they must be of its kind: shape, views, classes,
 * backbone and fingerprint, where it knows them; TMB_EDATA says what differs. */
TMB_API int tmb_features_open(tmb_features *out, const char *path, const tmb_features *like);
TMB_API void tmb_features_free(tmb_features *features);

#ifdef __cplusplus
}
#endif
#endif
