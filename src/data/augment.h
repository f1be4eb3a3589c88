/* augment.h - between augment.c and colour.c */
#ifndef THIMBLE_DATA_AUGMENT_H
#define THIMBLE_DATA_AUGMENT_H

#include "data/images.h"

typedef struct tmb__colour {
    const tmb_transform *transform;
    tmb_preset preset;
    int channels;
    const float *scale, *shift; /* by channel, after everything else */
} tmb__colour;

bool tmb__colour_any(const tmb_transform *transform);
/* The transform's colour ops, then scale and shift, in place. */
int tmb__colour_run(const tmb__colour *colour, float *x, int64_t pixels);

#endif
