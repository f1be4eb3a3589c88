/* recipe.h - door of recipe: nets and ways to train them, as data */
#ifndef THIMBLE_RECIPE_RECIPE_H
#define THIMBLE_RECIPE_RECIPE_H

#include "train/train.h"
#include <thimble/recipe.h>

/* One file each; all fields that differ from zero are said there. */
extern const tmb_recipe tmb__recipe_best;
extern const tmb_recipe tmb__recipe_keras2016;

#endif
