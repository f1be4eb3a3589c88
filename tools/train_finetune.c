/* train_finetune.c - a head on a pre-trained network, then both trained on
 *
 * Large random steps would ruin what the network knows, so its head is fitted before any of it moves.
 * Then the last block learns with the head: as the post of 2016 did (its script 3), or by the recipe
 * `best`, where lower layers learn more slowly, weights are drawn to where they began and batch
 * normalisation keeps its statistics. What the frozen part makes of a few augmented views of each photo
 * is computed once and kept. In the end the net learns anew which photos are unlike those of the training.
 *
 * Chosen by auto, training ends with the head if that leaves little to win, or if there are too few photos
 * or too little time for more. */
#include "train_job.h"

#include <string.h>

enum { KEPT_VIEWS = 8, FEW = 50 }; /* photos a class below which auto does not fine-tune */

static const double ENOUGH = 0.97; /* accuracy on unseen photos that leaves little to win */

static void recipe(tmb_recipe *recipe)
{
    if (strcmp(recipe->name, "keras2016") == 0) {
        recipe->about = "dense layers, then the last block with them, as the 2016 Keras post's "
                        "third script";
        recipe->compile = (tmb_compile_opts){.optimizer = TMB_SGD, .lr = 1e-4f, .momentum = 0.9f};
        return;
    }
    recipe->about = "a head on a pre-trained network, then its last block and the head";
    recipe->compile = (tmb_compile_opts){.optimizer = TMB_SGD,
            .lr = 0.003f,
            .momentum = 0.9f,
            .nesterov = true,
            .schedule = TMB_ONECYCLE,
            .warmup = 0.2f,
            .layer_decay = 0.9f,
            .start_penalty = 0.001f,
            .clip_norm = 5,
            .average = 0.98f};
    recipe->batch = 32;
    recipe->epochs = 16;
    recipe->dropout = 0.2f;
    recipe->augment = (tmb_augment){.preset = TMB_PRESET_CORRECT,
            .fill = TMB_FILL_REFLECT,
            .alternate_flip = true,
            .crop_area = {0.5f, 1},
            .crop_aspect = 0.2f,
            .gain = 0.1f,
            .contrast = 0.2f,
            .saturation = 0.2f};
}

/* ---- where training begins ---- */

/* The first layer of the last block of the network this model was made of. */
static const char *last_block(const train_job *job)
{
    const char *name;
    tmb_zoo net;

    if (job->backbone.n == 1 && tmb_zoo_get(&net, job->backbone.opts.names[0]) == 0)
        return net.unfreeze[0];
    for (int i = 0; (name = tmb_zoo_name(i)); i++) {
        if (tmb_zoo_get(&net, name) == 0 && net.unfreeze[0] &&
                tmb_model_find(job->model, net.unfreeze[0]) > 0)
            return net.unfreeze[0];
    }
    return NULL;
}

static int freeze(train_job *job)
{
    const char *from = opt_text(job->opts, OPT_UNFREEZE_FROM, last_block(job));
    const tmb_layer first = from ? tmb_model_find(job->model, from) : 0;
    tmb_layer_info below = {0};

    if (!from)
        return tmb__fail(TMB_EINVAL, "--unfreeze-from is missing: the first layer that learns");
    if (first == 0) return tmb_model_freeze(job->model, from, false); /* it says what is near */
    if (first > 1) TMB_TRY(tmb_model_layer(job->model, first - 1, &below));
    return tmb_model_freeze(job->model, below.name, true);
}

static void say_trainable(const train_job *job)
{
    tmb__strbuf sb = {0};
    int n = 0;

    for (tmb_layer l = 1; l <= tmb_model_layers(job->model); l++) {
        tmb_layer_info info;

        if (tmb_model_layer(job->model, l, &info) < 0 || !info.trainable || !info.params) continue;
        tmb__strbuf_add(&sb, "%s%s", n++ ? ", " : "", tmb__printable(info.name));
    }
    ui_say(&job->u, "%lld of %lld weights learn, in %d layers: %s",
            (long long)tmb_model_params(job->model, true),
            (long long)tmb_model_params(job->model, false), n, sb.text ? sb.text : "");
    tmb__strbuf_free(&sb);
}

/* What is known of the head goes through the checkpoint, so that a resumed run ends with the same file. */
static int keep_record(train_job *job)
{
    const char *kept = tmb_model_record(job->model);
    tmb__strbuf sb = {0};
    int status;

    if (opt_given(job->opts, OPT_RESUME) && kept && strlen(kept) > 2) {
        tmb__strbuf_add(&job->record, ",");
        tmb__strbuf_bytes(&job->record, kept + 1, strlen(kept) - 2);
        return 0;
    }
    tmb__strbuf_add(&job->record, ",\"trained_weights\":%lld",
            (long long)tmb_model_params(job->model, true));
    if (job->record.failed) return TMB_ENOMEM;
    tmb__strbuf_add(&sb, "{%s}", job->record.text + 1);
    status = sb.failed ? TMB_ENOMEM : tmb_model_set_record(job->model, sb.text);
    tmb__strbuf_free(&sb);
    return status;
}

static int prepare(train_job *job)
{
    tmb_compile_opts compile = job->recipe.compile;

    compile.device = job->device;
    compile.keep_weights = true;
    TMB_TRY(keep_record(job));
    TMB_TRY(tmb_model_compile(job->model, &compile));
    say_trainable(job);
    return 0;
}

/* ---- the method ---- */

/* A model that goes on from a file needs no weights of the network. */
static int open_model_from(train_job *job, const char *path)
{
    const tmb_preprocess *pre;

    TMB_TRY(open_model(&job->model, path));
    TMB_TRY(tmb_model_set_device(job->model, job->device));
    pre = tmb_model_preprocess(job->model);
    if (!pre)
        return tmb__fail(TMB_EMODEL, "%s: it does not say how photos become its input",
                tmb__printable(path));
    job->recipe.preprocess = *pre;
    job->recipe.preprocess.flip_views = false; /* the model's matter, as with a head put on later */
    return 0;
}

static int open_net(train_job *job)
{
    const char *from = opt_text(job->opts, OPT_INIT_FROM, NULL);

    if (opt_given(job->opts, OPT_RESUME)) return open_model_from(job, job->run.checkpoint);
    if (from) return open_model_from(job, from);
    if (strchr(opt_text(job->opts, OPT_BACKBONE, ""), ','))
        return tmb__fail(TMB_EINVAL, "finetune takes one backbone; several are for features");
    TMB_TRY(open_backbone(job));
    return freeze(job); /* again later: a wrong name is to be known at once */
}

/* A head for other classes would have to learn from nothing. */
static int check_head(const train_job *job)
{
    const int classes = tmb_images_classes(job->train), has = tmb_model_classes(job->model);
    int k = 0;

    while (k < classes && k < has &&
            strcmp(tmb_model_class_name(job->model, k), tmb_images_class_name(job->train, k)) == 0)
        k++;
    if (k == classes && k == has) return 0;
    tmb__fail(TMB_EMODEL, "the model's head was not trained for the classes of these photos");
    if (k < classes && k < has)
        tmb__detail("class %d is %s in the model, %s in the photos", k,
                tmb__printable(tmb_model_class_name(job->model, k)),
                tmb__printable(tmb_images_class_name(job->train, k)));
    else
        tmb__detail("the model has %d classes, the photos %d", has, classes);
    tmb__hint("leave --init-from out: a head is then fitted first");
    return TMB_EMODEL;
}

static int make(train_job *job)
{
    if (opt_given(job->opts, OPT_RESUME) || opt_given(job->opts, OPT_INIT_FROM)) {
        TMB_TRY(check_head(job));
        TMB_TRY(freeze(job));
        return prepare(job);
    }
    return 0;
}

static int add_head(train_job *job)
{
    if (!opt_given(job->opts, OPT_UNTRAINED_HEAD)) return fit_head(job, job->recipe.dropout);
    ui_warn(&job->u, "the head is not trained: its first steps may ruin what the network knows");
    return add_untrained_head(job, job->recipe.dropout);
}

/* ---- is it worth while? ---- */

/* Seconds that the rest may take, from what the features took: the frozen part once for each kept view,
 * and in each epoch forward and back through what learns, whose share of the work is about that of the
 * weights. */
static double estimate(const train_job *job, int views)
{
    const double share = (double)tmb_model_params(job->model, true) /
            (double)TMB_MAX(tmb_model_params(job->model, false), 1);
    const double photos = (double)tmb_images_count(job->train);
    const int epochs = job->recipe.epochs;

    return job->view_seconds * photos * (views ? TMB_MIN(views, epochs) : epochs) +
            job->view_seconds * photos * epochs * 3 * share;
}

static bool ends_with_head(train_job *job, double seconds)
{
    const double limit = job->recipe.fit.time_limit, left = limit - (tmb__now() - job->start);
    const int64_t photos = tmb_images_count(job->train) / tmb_images_classes(job->train);
    char share[64];

    if (!job->automatic) return false;
    share_text(&job->unseen, share);
    if (job->unseen.high <= 0 || job->unseen.value >= ENOUGH)
        ui_say(&job->u,
                "method features: with %s on photos left out, fine-tuning has little to win",
                share);
    else if (photos < FEW)
        ui_say(&job->u, "method features: %lld photos a class are few for fine-tuning",
                (long long)photos);
    else if (limit > 0 && seconds > left)
        ui_say(&job->u, "method features: fine-tuning would take %.0f s, there are %.0f s left",
                seconds, TMB_MAX(left, 0));
    else {
        ui_say(&job->u, "method finetune: %s on photos left out can be better, in about %.0f s",
                share, seconds);
        return false;
    }
    return true;
}

static void on_progress(void *user, int64_t done, int64_t total)
{
    ui_count(user, "Features", done, total);
}

/* A net that has no place for it, or a build, is as good without. */
static int learn_unknown(train_job *job)
{
    const tmb_unknown_opts opts = {.on_progress = on_progress, .user = &job->u, .stop = &ui_stop};
    const int status = tmb_model_learn_unknown(job->model, job->train, job->validation, &opts);

    ui_bar_clear(&job->u);
    if (status == TMB_ESTOPPED)
        tmb__hint("saved; go on with: thimble train --resume -o %s", tmb__printable(job->run.path));
    if (status == TMB_EMODEL || status == TMB_EUNSUPPORTED) {
        ui_warn(&job->u, "photos unlike those of the training are not told: %s", tmb_errmsg());
        return 0;
    }
    TMB_TRY(status);
    ui_say(&job->u, "photos unlike those of the training are told, by a limit on %lld to validate",
            (long long)tmb_images_count(job->validation));
    return 0;
}

/* Seconds that are left of the whole training, the head before it and learn_unknown after it included. */
static double seconds_left(const train_job *job)
{
    const int views = 1 + job->backbone.flip;
    const int64_t photos = tmb_images_count(job->train) + tmb_images_count(job->validation);
    const double after = job->view_seconds * views * (double)photos;

    return TMB_MAX(job->recipe.fit.time_limit - (tmb__now() - job->start) - after, 0.001);
}

static int learn(train_job *job)
{
    const bool goes_on = opt_given(job->opts, OPT_RESUME) || opt_given(job->opts, OPT_INIT_FROM);
    tmb_fit_opts fit = job->recipe.fit;

    if (!opt_given(job->opts, OPT_RECOMPUTE))
        fit.kept_views = (int)opt_number(job->opts, OPT_KEPT_VIEWS, KEPT_VIEWS);
    fit.kept_bytes = (int64_t)opt_number(job->opts, OPT_KEPT_MEMORY, 0);
    if (opt_given(job->opts, OPT_KEPT_FILE)) fit.kept_folder = job->run.path;
    if (!goes_on) {
        TMB_TRY(add_head(job));
        TMB_TRY(freeze(job));
        if (ends_with_head(job, estimate(job, fit.kept_views))) {
            job->method = &train_features;
            return 0;
        }
        TMB_TRY(prepare(job));
    }
    if (fit.time_limit > 0) fit.time_limit = seconds_left(job);
    TMB_TRY(train_fit(job, &fit));
    return learn_unknown(job);
}

const train_method train_finetune = {"finetune", recipe, open_net, make, learn};
