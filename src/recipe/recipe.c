/* recipe.c - the table of recipes */
#include "recipe/recipe.h"

#include <string.h>

static const tmb_recipe *const recipes[] = {&tmb__recipe_best, &tmb__recipe_keras2016};

const char *tmb_recipe_name(int index)
{
    return index >= 0 && index < (int)TMB_COUNT(recipes) ? recipes[index]->name : NULL;
}

int tmb_recipe_get(tmb_recipe *out, const char *name)
{
    if (!out) return tmb__fail(TMB_EINVAL, "recipe: out is NULL");
    *out = (tmb_recipe){0};
    for (size_t i = 0; i < TMB_COUNT(recipes); i++) {
        if (!name || strcmp(name, recipes[i]->name) == 0) {
            *out = *recipes[i];
            return 0;
        }
    }
    tmb__fail(TMB_EINVAL, "there is no recipe \"%s\"", tmb__printable(name));
    tmb__hint("recipes: best, keras2016");
    return TMB_EINVAL;
}

int tmb_recipe_model(tmb_model **out, const tmb_recipe *recipe, int classes)
{
    const tmb_preprocess *pre;
    int status;

    if (!out) return tmb__fail(TMB_EINVAL, "recipe: out is NULL");
    *out = NULL;
    if (!recipe || !recipe->build) return tmb__fail(TMB_EINVAL, "recipe: it has no net");
    if (classes < 2) return tmb__fail(TMB_EINVAL, "recipe: %d classes, at least 2 wanted", classes);
    pre = &recipe->preprocess;
    TMB_TRY(tmb_model_new(out, pre->size[0], pre->size[1], pre->channels));
    status = tmb_model_set_preprocess(*out, pre);
    if (status == 0) status = recipe->build(*out, classes, recipe->dropout);
    if (status < 0) {
        tmb_model_free(*out);
        *out = NULL;
    }
    return status;
}
