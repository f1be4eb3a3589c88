/* keras_config.h - Keras' model configs between their parts: the walk over models, one layer's options */
#ifndef THIMBLE_IO_KERAS_CONFIG_H
#define THIMBLE_IO_KERAS_CONFIG_H

#include "io/json_get.h"
#include "io/keras_h5.h"

/* One layer on its way from Keras' words to those of docs/formats.md. */
typedef struct tmb__keras_one {
    const char *what;       /* the file */
    const char *name;       /* of the layer, in the file */
    const char *class_name; /* in: Keras'; out: ours */
    const json_t *config;   /* in: Keras' */
    json_t *options;        /* out: ours, without a name; a new reference */
    bool channels_first;    /* the net has its channels first */
    bool old;               /* written before Keras 3, whose layers say in which module they are */
    int rank;               /* in: of what it reads, without the batch; out: of what it gives */
    bool chw_rows;          /* out: it flattens (c, h, w) */
    bool hwc_rows;          /* out: it flattens (h, w, c) */
} tmb__keras_one;
/* TMB_EMODEL names layer and class, and says what to do. */
int tmb__keras_translate(tmb__keras_one *one);
int tmb__keras_refuse(const tmb__keras_one *one, const char *hint, const char *fmt, ...)
        TMB_PRINTF(3, 4);

/* A model's config as a graph that graph_json.c reads, and where each of its layers stood. */
typedef struct tmb__keras_graph {
    json_t *graph;
    tmb__keras_place *places; /* one for each layer */
    int n_places, cap_places;
    bool channels_first; /* converted to channels last */
    bool chw_rows;       /* dense rows behind a flatten lie (c, h, w) in the file */
} tmb__keras_graph;
int tmb__keras_flatten(tmb__keras_graph *out, const json_t *model, const char *what);
void tmb__keras_graph_free(tmb__keras_graph *graph);

#endif
