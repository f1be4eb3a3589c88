/* train_scratch.c - a recipe's own net from random weights, or from a file's */
#include "train_job.h"

static void recipe(tmb_recipe *recipe)
{
    (void)recipe; /* recipes are made for this */
}

static int open_net(train_job *job)
{
    (void)job;
    return 0;
}

static int make(train_job *job)
{
    const char *from = opt_text(job->opts, OPT_INIT_FROM, NULL);
    tmb_compile_opts compile = job->recipe.compile;

    TMB_TRY(tmb_recipe_model(&job->model, &job->recipe, tmb_images_classes(job->train)));
    compile.device = job->device;
    if (!from || opt_given(job->opts, OPT_RESUME)) return tmb_model_compile(job->model, &compile);
    TMB_TRY(load_weights(job->model, from, job->opts));
    compile.keep_weights = true;
    return tmb_model_compile(job->model, &compile);
}

static int learn(train_job *job)
{
    return train_fit(job, &job->recipe.fit);
}

const train_method train_scratch = {"scratch", recipe, open_net, make, learn};
