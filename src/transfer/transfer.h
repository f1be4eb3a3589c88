/* transfer.h - door of transfer: classifiers from pre-trained networks */
#ifndef THIMBLE_TRANSFER_TRANSFER_H
#define THIMBLE_TRANSFER_TRANSFER_H

#include "head/head.h"
#include "zoo/zoo.h"
#include <thimble/transfer.h>

/* ---- features (extract.c) ---- */

/* tmb_model_features of what layer `layer` of a sound model gives, which is a cut. */
int tmb__features_at(tmb_features *out, tmb_model *model, tmb_layer layer, tmb_images *images,
        const tmb_extract_opts *opts);

/* ---- photos that look the same (alike.c) ---- */

/* 64 bits of an (h, w, c) photo: whether it gets brighter from each place of a grid to the next. */
uint64_t tmb__alike_hash(const float *x, int h, int w, int c);
/* group[i]: the first of the n photos that photo i looks like, itself if there is none. */
int tmb__alike_groups(int64_t *group, const uint64_t *hash, int64_t n);

#endif
