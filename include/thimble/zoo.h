/* zoo.h - pre-trained networks as Keras builds them, and their weights files
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
    const char *class_index; /* with the classifier of 1000: imagenet_class_index.json, its names */
    bool undrawn; /* without `weights`: leave them all zero, they will be loaded or set */
} tmb_zoo_opts;
/* The network, its preprocessing set. `opts` may be NULL. */
TMB_API int tmb_zoo_model(tmb_model **out, const char *name, const tmb_zoo_opts *opts);

/* ---- official weights files, kept in a folder of the user's ---- */

typedef struct tmb_zoo_file {
    const char *name; /* "vgg16", "vgg16-top" with the classifier; static text, like all here */
    const char *net;  /* the network it fills; NULL: "imagenet-classes", the classes' names */
    bool top;
    const char *file, *url; /* its own name, and where it is published, without that */
    int64_t size;           /* in bytes; 0: not known */
    const char *md5;        /* NULL: none was published; then the layers have to fit */
} tmb_zoo_file;
/* File number `index`, NULL past the last. */
TMB_API const tmb_zoo_file *tmb_zoo_file_at(int index);

typedef struct tmb_zoo_store {
    const char *
            folder; /* NULL: $THIMBLE_WEIGHTS, $XDG_CACHE_HOME/thimble/weights, or below ~/.cache */
    const char *url; /* fetch from here instead: a mirror's folder, https:// or http:// */
    bool offline;    /* never ask the network */
    bool force;      /* take a file with another checksum if its layers fit the network */
    double timeout;  /* seconds without a byte that end a download; 0: 30 */
    int (*on_progress)(void *user, int64_t done, int64_t total); /* not 0 stops; total 0: unknown */
    void *user;
} tmb_zoo_store;
/* `store` may be NULL in all of these.
 * Path of the file in the folder (owned by caller, tmb_free); without its classifier a network is also
 * served by the file that has it. TMB_EMODEL if it is not there, with what to do as hint. `name` NULL: the
 * folder itself, there or not. */
TMB_API int tmb_zoo_path(char **out, const char *name, const tmb_zoo_store *store);
/* Download it, if it is not there: what was cut off is gone on with, and only a verified file takes its
 * place. TMB_ENETWORK, TMB_EOUTPUT, TMB_EEXISTS (another download of it runs), TMB_ESTOPPED. */
TMB_API int tmb_zoo_fetch(const char *name, const tmb_zoo_store *store);
/* Copy a file that is here already into the folder, verified in the same way. `name` NULL: told by the
 * file's own name. */
TMB_API int tmb_zoo_add(const char *path, const char *name, const tmb_zoo_store *store);

#ifdef __cplusplus
}
#endif
#endif
