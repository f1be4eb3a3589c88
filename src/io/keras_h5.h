/* keras_h5.h - Keras' weights files between their parts: what is in them, which layer it is for */
#ifndef THIMBLE_IO_KERAS_H5_H
#define THIMBLE_IO_KERAS_H5_H

#include "io/io.h"

enum { TMB__KERAS_LAYERS = 4096 }; /* with weights, in one file */

/* Keras' layouts, by age. */
typedef enum tmb__keras_layout {
    TMB__KERAS_2016,   /* nb_layers, layer_0/param_0: before Keras could save weights itself */
    TMB__KERAS_LEGACY, /* layer_names, weight_names: Keras 1 to 2, and `legacy` in 3 */
    TMB__KERAS_3       /* layers/conv2d/vars/0 */
} tmb__keras_layout;

/* A layer with weights as the file has it. Weights first .. first + n - 1 of the list. */
typedef struct tmb__keras_layer {
    char name[128];
    int first, n, next; /* next: while they are listed */
    const char *group;  /* the legacy group, or Keras 3's container; borrowed, not ended by NUL */
    size_t group_length;
    /* Keras 3: the container's class and number, "conv2d" 1, and how deep it lies. */
    char stem[64];
    int number, depth;
} tmb__keras_layer;

typedef struct tmb__keras_weight {
    const tmb__array *array; /* borrowed */
    int layer;
} tmb__keras_weight;

typedef struct tmb__keras_file {
    const char *what; /* the file's name */
    tmb__h5_file h5;
    tmb__keras_layout layout;
    const char *label;            /* the layout in words */
    const char *backend, *config; /* of the attributes; NULL: not there */
    int version[2];               /* Keras'; 1.0 if the file does not say */
    tmb__keras_layer *layers;
    tmb__keras_weight *weights; /* those of a layer together */
    int n_layers, n_weights, cap_layers, cap_weights;
} tmb__keras_file;

/* Where a layer of the net stands in Keras' model, and so in its files. */
typedef struct tmb__keras_place {
    char group[128],
            name[128]; /* legacy: the outermost model's layer that it is in, its own name */
    char *container;   /* Keras 3: "layers/functional/layers/conv2d_1" */
} tmb__keras_place;

/* "conv2d" for "Conv2D", as Keras 3 has it. */
void tmb__keras_snake(char *out, size_t size, const char *class_name);

/* Find out the layout of file->h5 and list its layers (keras_layout.c). */
int tmb__keras_list(tmb__keras_file *file);

/* For each layer of the net the number of the file's layer that fills it, -1 if none does
 * (keras_match.c). `places`, one for each layer, may be NULL; `unused` counts the file's others. */
int tmb__keras_match(const tmb__keras_file *file, const tmb_model *model,
        const tmb__keras_place *places, const tmb_load_opts *opts, int *source, int *unused);
/* The message for a weight whose shape does not fit, with the nearest match and the likely cause. */
int tmb__keras_mismatch(
        const tmb__keras_file *file, const tmb_model *model, int layer, int weight, int source);

/* What the file has of the optimizer's state, if the model has an optimizer; `why` it is left out, told in
 * the log, or NULL (keras_optimizer.c). */
int tmb__keras_slots_load(tmb_model *model, const tmb__keras_file *file,
        const tmb__keras_place *places, const char *why);
/* A net with its weights from a .keras, a whole-model .h5, or a config alone (keras_open.c). */
typedef enum tmb__keras_kind {
    TMB__KERAS_ZIP,
    TMB__KERAS_FOLDER,
    TMB__KERAS_H5,
    TMB__KERAS_JSON
} tmb__keras_kind;
int tmb__keras_open(tmb_model **out, const char *path, tmb__keras_kind kind);

#endif
