/* pretrained.h - pre-trained networks as the command line names them, and their features of photos */
#ifndef THIMBLE_TOOLS_PRETRAINED_H
#define THIMBLE_TOOLS_PRETRAINED_H

#include "ui.h"

typedef struct backbone {
    tmb_backbone_opts opts; /* text borrowed from the lists */
    int n;                  /* networks */
    char *lists[2];         /* --backbone and --weights, cut at their commas */
    char *name;             /* "mobilenet_v2+vgg16", for messages and records */
    bool flip;              /* --views */
    int augmented;
} backbone;

/* --backbone, --weights, --until, --pooling, --preprocess, --img-size and --views; without --backbone
 * the best network whose weights are here. `views` is what --views is if it is not given. */
int backbone_from(backbone *out, const options *opts, const char *views);
void backbone_free(backbone *b);
/* The first in the order of preference whose weights are here; NULL: none is. `why` gets a few words. */
const char *backbone_here(const char **why);

/* The features of all photos, with a bar; signals stop it. */
int backbone_features(tmb_features *out, const backbone *b, tmb_model *net, tmb_images *images,
        const options *opts);

#endif
