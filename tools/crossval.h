/* crossval.h - between cmd_crossval.c and the methods that learn without a fold */
#ifndef THIMBLE_TOOLS_CROSSVAL_H
#define THIMBLE_TOOLS_CROSSVAL_H

#include "pretrained.h"
#include "run_folder.h"

typedef struct crossval {
    const options *opts;
    ui u;
    int folds, repeats;
    run_folder run;
    tmb_recipe recipe;
    tmb_device *device;
    backbone backbone;
    tmb_model *net;
    tmb_images *images;    /* all photos */
    tmb_features features; /* of them */
    int views;
    int32_t *fold;        /* (n): of each row in this repeat */
    float *probabilities; /* (photos, classes), of photos left out; sums over the repeats so far */
    float *now;           /* (photos, classes): of this repeat */
    double *accuracy;     /* (repeats, folds) */
} crossval;

/* Learn without fold `number` of round `repeat`, and write the probabilities of its photos into `now`. */
int crossval_features(crossval *job, int repeat, int number);
int crossval_scratch(crossval *job, int repeat, int number);

#endif
