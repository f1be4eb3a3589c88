/* cmd_features.c - thimble features: what a pre-trained network says of each photo, for NumPy
 *
 * The rows stand in the order of the data set, views of a photo side by side. */
#include "pretrained.h"

#include <string.h>

typedef struct features_job {
    const options *opts;
    const char *path;
    ui u;
    backbone backbone;
    tmb_device *device;
    tmb_model *net;
    tmb_images *images;
    tmb_features features;
} features_job;

static int check_arguments(const options *opts, const char *path)
{
    const char *dot = path ? strrchr(path, '.') : NULL;

    if (opts->n_args != 1) {
        tmb__fail(TMB_EINVAL, "features takes one folder, found %d", opts->n_args);
    } else if (!path) {
        tmb__fail(TMB_EINVAL, "-o is missing: the file the features are written to");
    } else if (!dot || strcmp(dot, ".npy") != 0) {
        tmb__fail(TMB_EINVAL, "%s: expected a name that ends in .npy", tmb__printable(path));
    } else {
        return check_overwrite(path, opts);
    }
    tmb__hint("thimble features DIR --backbone mobilenet_v2 -o feats.npy");
    return TMB_EINVAL;
}

static int open_images(features_job *job)
{
    static const tmb_part parts[] = {TMB_HELD_OUT, TMB_ALL, TMB_TRAIN, TMB_VALIDATION, TMB_TEST};
    tmb_images_opts images = {.on_scan = ui_scan, .user = &job->u};
    tmb_recipe recipe;

    TMB_TRY(recipe_from(&recipe, job->opts));
    TMB_TRY(recipe_change(&recipe, job->opts));
    TMB_TRY(preprocess_from(job->net, job->opts));
    images_opts_from(&images, job->opts);
    images.preprocess = tmb_model_preprocess(job->net);
    images.augment = recipe.augment; /* of views aug:N alone */
    images.part = parts[opt_choice(job->opts, OPT_PART, 1)];
    TMB_TRY(tmb_images_open(&job->images, job->opts->args[0], &images));
    ui_notices(&job->u, job->images, NULL);
    return 0;
}

static int answer(const features_job *job)
{
    const tmb_features *f = &job->features;
    const int views = TMB_MAX(f->views, 1);
    tmb__strbuf sb = {0}, shape = {0};
    int status;

    tmb__strbuf_add(&shape, "%lld", (long long)f->n);
    for (int i = 0; i < 3 && f->shape[i] > 0; i++)
        tmb__strbuf_add(&shape, ", %d", f->shape[i]);
    if (opt_given(job->opts, OPT_JSON)) {
        tmb__strbuf_add(&sb, "{\"features\": ");
        tmb__strbuf_json(&sb, job->path);
        tmb__strbuf_add(&sb, ", \"backbone\": ");
        tmb__strbuf_json(&sb, job->backbone.name);
        tmb__strbuf_add(&sb,
                ", \"shape\": [%s], \"photos\": %lld, \"views\": %d, \"classes\": %d}\n",
                shape.text ? shape.text : "", (long long)(f->n / views), views, f->classes);
    } else {
        tmb__strbuf_add(&sb, "%s  (%s) of %s: %lld photos, %d classes", job->path,
                shape.text ? shape.text : "", job->backbone.name, (long long)(f->n / views),
                f->classes);
        if (views > 1) tmb__strbuf_add(&sb, ", %d views of each", views);
        tmb__strbuf_add(&sb, "\n");
    }
    status = shape.failed ? TMB_ENOMEM : ui_print(&sb);
    tmb__strbuf_free(&shape);
    if (status == 0)
        ui_say(&job->u,
                "beside it: labels, file names, classes and the network's fingerprint in .json");
    return status;
}

static int extract(features_job *job)
{
    TMB_TRY(open_device(&job->device, job->opts));
    TMB_TRY(backbone_from(&job->backbone, job->opts, "none"));
    TMB_TRY(tmb_backbone_model(&job->net, &job->backbone.opts));
    TMB_TRY(tmb_model_set_device(job->net, job->device));
    TMB_TRY(open_images(job));
    ui_catch_signals();
    TMB_TRY(backbone_features(&job->features, &job->backbone, job->net, job->images, job->opts));
    TMB_TRY(tmb_features_save(&job->features, job->path));
    return answer(job);
}

int cmd_FEATURES(const options *opts)
{
    features_job job = {.opts = opts, .path = opt_text(opts, OPT_OUTPUT, NULL), .u = ui_of(opts)};
    int status = check_arguments(opts, job.path);

    if (status == 0) status = extract(&job);
    tmb_features_free(&job.features);
    tmb_images_free(job.images);
    tmb_model_free(job.net);
    status = close_device(job.device, opts, status);
    backbone_free(&job.backbone);
    return status;
}
