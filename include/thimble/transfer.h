/* transfer.h - a classifier from pre-trained networks: features, a head on them, fine-tuning
 *
 *     tmb_backbone_model(&net, &(tmb_backbone_opts){.names = {"mobilenet_v2"}, .pooling = TMB_POOLING_AVG});
 *     tmb_model_features(&features, net, train, NULL);
 *     tmb_head_fit(&head, &features, NULL);
 *     tmb_model_add_head(net, head, features.class_names, false); // now it predicts photos
 *     tmb_model_freeze(net, "block_15_add", true);                // and can be trained on
 *     tmb_compile(net, .optimizer = TMB_SGD, .lr = 1e-4f, .momentum = 0.9f, .keep_weights = true);
 *     tmb_fit(net, train, .epochs = 50, .validation = held_out, .kept_views = 8);
 *     tmb_model_learn_unknown(net, train, held_out, NULL);        // what it can tell of other photos
 */
#ifndef THIMBLE_TRANSFER_H
#define THIMBLE_TRANSFER_H

#include <thimble/features.h>
#include <thimble/head.h>
#include <thimble/zoo.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TMB_BACKBONES = 4 };

typedef struct tmb_backbone_opts {
    const char *names[TMB_BACKBONES];   /* networks; more than one: their features side by side */
    const char *weights[TMB_BACKBONES]; /* a file for each; NULL: that of the store */
    const tmb_zoo_store *store;         /* NULL: the user's */
    int size[2];                        /* height and width; 0: the first network's usual */
    const char *until;   /* of a single network: end with this layer's output; NULL: the last */
    tmb_pooling pooling; /* after that; NONE, the places as they are, for a single network only */
    bool random;         /* no weights: random ones (for timing, and tests) */
    bool post_pixels;    /* photos as the post of 2016 fed VGG16: RGB / 255, nearest neighbour, EXIF
                               ignored; else as each network wants them */
    uint64_t reserved[4];
} tmb_backbone_opts;
/* A model from photos to features, its preprocessing set, all its layers frozen. Several networks stand
 * side by side in it, each behind a 1 x 1 convolution "<network>.pixels" that makes its own pixels of
 * 0..255; their layers are named "<network>.<layer>", and the last is "features". TMB_EMODEL names
 * weights that are not there, and how to get them. */
TMB_API int tmb_backbone_model(tmb_model **out, const tmb_backbone_opts *opts);

typedef struct tmb_extract_opts {
    bool flip;     /* a second view of each photo: its mirror image */
    int augmented; /* so many views more, as the images' augmentation makes them in epochs 0, 1, .. */
    int batch;     /* photos that the network sees at once; 0: 16 */
    tmb_device *device;                                           /* NULL: the model's */
    void (*on_progress)(void *user, int64_t done, int64_t total); /* rows */
    void *user;
    const volatile int *stop; /* not 0 ends with TMB_ESTOPPED */
    uint64_t reserved[4];
} tmb_extract_opts;
/* What `model` gives for every photo of `images`, in their order, the views of a photo side by side;
 * photos that look the same share a group. Photos that cannot be read any more are left out, with a
 * notice of the images. The same bits for any number of threads. Freed by tmb_features_free. */
TMB_API int tmb_model_features(
        tmb_features *out, tmb_model *model, tmb_images *images, const tmb_extract_opts *opts);

/* Put a fitted head on the model that its features came from: flatten where they have a shape, then a
 * dense layer "head" with sigmoid or softmax; class names (NULL: those that the model has); both views
 * when predicting, for a head that was fitted on mirror images too; and how unknown photos are told
 * (tmb_predictor_distance), until layers below the head are trained. TMB_EINVAL: another number of
 * features. */
TMB_API int tmb_model_add_head(
        tmb_model *model, const tmb_head *head, const char *const *class_names, bool flip_views);

/* Freeze all layers up to and including `until` (NULL: none), and with `frozen_norms` every batch
 * normalisation above it; the others are trainable. TMB_EINVAL, with the nearest layer's name as hint, if
 * there is none so called. Takes effect at the next tmb_compile. */
TMB_API int tmb_model_freeze(tmb_model *model, const char *until, bool frozen_norms);

typedef struct tmb_unknown_opts {
    double keep; /* share of the held-out photos that are not to be told unknown; 0: 0.99. Too few of
                    them for it (198 for 0.99): all are kept */
    int batch;   /* photos that the network sees at once; 0: 16 */
    void (*on_progress)(void *user, int64_t done, int64_t total); /* one set, then the other */
    void *user;
    const volatile int *stop; /* not 0 ends with TMB_ESTOPPED */
    uint64_t reserved[4];
} tmb_unknown_opts;
/* Learn how photos are told (tmb_predictor_distance) that look like none of `images`, after training:
 * from what the last dense layer gets to see of these, with the limit set on `held_out`, photos that the
 * net has not learned. For any net with a dense layer, else TMB_EMODEL; TMB_EUNSUPPORTED: built without
 * OpenBLAS. Where it fails the model stays as it was. */
TMB_API int tmb_model_learn_unknown(
        tmb_model *model, tmb_images *images, tmb_images *held_out, const tmb_unknown_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
