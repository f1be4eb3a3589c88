/* train_options.h - between the recipes' command line and train_options.c */
#ifndef THIMBLE_TOOLS_TRAIN_OPTIONS_H
#define THIMBLE_TOOLS_TRAIN_OPTIONS_H

#include "ui.h"

/* --loss, --opt, --schedule with their parameters, what belongs to an optimizer, clipping. */
int compile_from(tmb_compile_opts *compile, const options *opts);
/* Early stopping, the plateau rule, files written as training goes. */
int fit_from(tmb_fit_opts *fit, const options *opts);

#endif
