/* standardize.h - between the commands that take pictures and standardize.c */
#ifndef THIMBLE_TOOLS_STANDARDIZE_H
#define THIMBLE_TOOLS_STANDARDIZE_H

#include "ui.h"

/* --width-shift-range and --height-shift-range in their three forms. */
int shifts_from(tmb_augment *augment, const options *opts);
/* --rescale, --pixel-rule and the samplewise options. */
int pixels_from(tmb_preprocess *pre, tmb_preset preset, const options *opts);
/* The statistics that the command line asks for, of the training photos, which are standardized by them
 * from then on; NULL: none. Owned by caller. */
int statistics_from(
        tmb_statistics **out, tmb_images *train, tmb_preset preset, const options *opts);

#endif
