/* zoo.h - door of zoo: networks as Keras builds them, as data and short builders */
#ifndef THIMBLE_ZOO_ZOO_H
#define THIMBLE_ZOO_ZOO_H

#include "io/io.h"
#include <thimble/zoo.h>

/* A network. `base` adds the layers up to the last that gives features, `top` the classifier of so many
 * classes. Pooling without the classifier has names of its own; NULL: as Keras counts. */
typedef struct tmb__zoo_net {
    tmb_zoo about;
    void (*base)(tmb_model *model);
    void (*top)(tmb_model *model, int classes);
    const char *avg_pool, *max_pool;
    /* Put right what official files have in their own way, after loading; may be NULL. */
    void (*loaded)(tmb_model *model);
} tmb__zoo_net;

extern const tmb__zoo_net tmb__zoo_vgg16, tmb__zoo_vgg19, tmb__zoo_mobilenet, tmb__zoo_mobilenet_v2,
        tmb__zoo_resnet50, tmb__zoo_inception_v3, tmb__zoo_efficientnet_b0;

/* The network of that name; NULL with TMB_EINVAL's message. */
const tmb__zoo_net *tmb__zoo_find(const char *name);

/* Name the classes of a net after imagenet_class_index.json; messages call the file `what`. */
int tmb__zoo_name_classes(tmb_model *model, const char *path, const char *what);
/* tmb_zoo_fetch and tmb_zoo_add of any file, in the table or not. */
int tmb__zoo_fetch_file(const tmb_zoo_file *file, const tmb_zoo_store *store);
int tmb__zoo_add_file(const char *path, const tmb_zoo_file *file, const tmb_zoo_store *store);

/* ---- for builders ---- */

/* A layer's name by a format: NAMED("block%d_conv%d", 1, 2); lives as long as the block it stands in. */
#define NAMED(...) tmb__zoo_format((char[64]){0}, __VA_ARGS__)
const char *tmb__zoo_format(char out[64], const char *fmt, ...) TMB_PRINTF(2, 3);

/* How the photos come in: Caffe's channel means, and -1 .. 1. */
#define TMB__ZOO_CAFFE(side)                                                                       \
    {                                                                                              \
        .size = {side, side}, .channels = 3, .filter = TMB_BILINEAR, .scale = {1, 1, 1},           \
        .offset = {-103.939f, -116.779f, -123.68f}, .bgr = true                                    \
    }
#define TMB__ZOO_SIGNED(side)                                                                      \
    {                                                                                              \
        .size = {side, side}, .channels = 3, .filter = TMB_BILINEAR,                               \
        .scale = {1 / 127.5f, 1 / 127.5f, 1 / 127.5f}, .offset = {                                 \
            -1,                                                                                    \
            -1,                                                                                    \
            -1                                                                                     \
        }                                                                                          \
    }

/* Zeros around the last layer so that a window of `kernel` with stride 2 and no padding gives half of any
 * side, as imagenet_utils.correct_pad: (k/2 - 1, k/2) on an even side, (k/2, k/2) on an odd one. */
tmb_layer tmb__zoo_pad(tmb_model *model, int kernel, const char *name);
/* Pooling over all places, then a softmax layer "predictions". */
void tmb__zoo_top(tmb_model *model, int classes, const char *pool, float dropout);

#endif
