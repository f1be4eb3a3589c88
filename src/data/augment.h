/* augment.h - between augment.c and colour.c */
#ifndef THIMBLE_DATA_AUGMENT_H
#define THIMBLE_DATA_AUGMENT_H

#include "data/images.h"

bool tmb__colour_any(const tmb__transform *transform);
/* The transform's colour ops on pixels 0..255, then scale and shift, in place. */
void tmb__colour_run(const tmb__transform *transform, tmb_preset preset, float *x, int64_t pixels,
        int channels, const float *scale, const float *shift);

#endif
