/* recipe.h - whole ways to train: net, photos' road, augmentation, optimizer, length
 *
 * A recipe is data: take one by name, change what you like, build its net, train. */
#ifndef THIMBLE_RECIPE_H
#define THIMBLE_RECIPE_H

#include <thimble/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_recipe {
    const char *name, *about;  /* static text */
    tmb_preprocess preprocess; /* validation and prediction */
    tmb_augment augment;       /* training, beside that */
    bool shuffle_once;
    int batch;
    int epochs;
    tmb_compile_opts compile;
    tmb_fit_opts fit;
    /* Adds the layers for so many classes to `model`; returns 0 or the net's first error. */
    int (*build)(tmb_model *model, int classes, float dropout);
    float dropout;
} tmb_recipe;

/* Recipe number `index`: its name, NULL past the last. "best" is the default. */
TMB_API const char *tmb_recipe_name(int index);
/* TMB_EINVAL names the recipes there are. */
TMB_API int tmb_recipe_get(tmb_recipe *out, const char *name);
/* A model with the recipe's net for photos of its size, preprocessing set. */
TMB_API int tmb_recipe_model(tmb_model **out, const tmb_recipe *recipe, int classes);

#ifdef __cplusplus
}
#endif
#endif
