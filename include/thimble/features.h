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
    void *memory; /* what a call that gives features took for all of it, else NULL */
    uint64_t reserved[4];
} tmb_features;

#ifdef __cplusplus
}
#endif
#endif
