/* zoo.h - pre-trained networks as Keras builds them
 *
 *     tmb_zoo_model(&net, "vgg16", &(tmb_zoo_opts){.size = {150, 150}, .weights = path});
 *
 * Layers have Keras' names and stand in its order, so that its weights files fit. A net knows how its
 * photos are to be prepared (tmb_model_preprocess). */
#ifndef THIMBLE_ZOO_H
#define THIMBLE_ZOO_H

#include <thimble/weights.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TMB_ZOO_POINTS = 8 };

/* All text is static. */
typedef struct tmb_zoo {
    const char *name, *about;
    int size, least;            /* usual and smallest height and width */
    tmb_preprocess preprocess;  /* for photos of the usual size */
    int64_t params, params_top; /* weights without the classifier, and with its 1000 classes */
    /* Layers where a block ends, the last of the net first: their outputs serve as features. */
    const char *features[TMB_ZOO_POINTS];
    /* First layers of blocks, the last block first: fine-tuning frees such a layer and all after it. */
    const char *unfreeze[TMB_ZOO_POINTS];
} tmb_zoo;

/* Network number `index`: its name, NULL past the last. */
TMB_API const char *tmb_zoo_name(int index);
/* TMB_EINVAL names the networks there are. */
TMB_API int tmb_zoo_get(tmb_zoo *out, const char *name);

typedef enum tmb_pooling { TMB_POOLING_NONE = 0, TMB_POOLING_AVG, TMB_POOLING_MAX } tmb_pooling;

typedef struct tmb_zoo_opts {
    int size[2];         /* height and width; 0: the usual */
    bool top;            /* with the classifier */
    int classes;         /* of it; 0: 1000 */
    tmb_pooling pooling; /* after the last layer, without the classifier */
    const char *until;   /* end with this layer (and pooling); NULL: the last */
    /* A file as tmb_model_load_weights takes; NULL: random ones. A Keras file with a classifier serves a
     * net without it. */
    const char *weights;
    bool undrawn; /* without `weights`: leave them all zero, they will be loaded or set */
} tmb_zoo_opts;
/* The network, its preprocessing set. `opts` may be NULL. */
TMB_API int tmb_zoo_model(tmb_model **out, const char *name, const tmb_zoo_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
