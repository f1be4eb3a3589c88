/* train_features.c - a head on the features of a pre-trained network
 *
 * The network says once what it sees in each training photo; a head is fitted on these rows and put on
 * the network. Ridge and logistic heads and their penalties are chosen on training photos that were left
 * out of the fit, in seconds. The post's head (2016, its script 2) is two dense layers trained for 50
 * epochs on features that are not pooled. */
#include "train_job.h"

#include <string.h>

enum { HEAD_AUTO, HEAD_RIDGE, HEAD_LOGISTIC, HEAD_POST };
enum { POST_UNITS = 256, POST_EPOCHS = 50, POST_BATCH = 16 };

static bool is_post(const train_job *job)
{
    return strcmp(job->recipe.name, "keras2016") == 0;
}

static int head_of(const train_job *job)
{
    return opt_choice(job->opts, OPT_HEAD, is_post(job) ? HEAD_POST : HEAD_AUTO);
}

/* The post's second script: no random changes; RMSprop, 50 epochs, batches of 16. */
static void recipe(tmb_recipe *recipe)
{
    const bool post = strcmp(recipe->name, "keras2016") == 0;

    recipe->about = post
            ? "dense layers on the features of a network, as the 2016 Keras post's second script"
            : "a head on the features of a pre-trained network";
    if (!post) {
        recipe->compile = (tmb_compile_opts){.optimizer = TMB_RMSPROP};
        recipe->batch = POST_BATCH;
        recipe->epochs = POST_EPOCHS;
    }
    recipe->dropout = 0.5f;
}

/* ---- the network ---- */

/* What the post did, where the command line says nothing else. */
static void as_post(train_job *job)
{
    backbone *b = &job->backbone;

    if (!opt_given(job->opts, OPT_PREPROCESS)) b->opts.post_pixels = true;
    if (!opt_given(job->opts, OPT_IMG_SIZE)) b->opts.size[0] = b->opts.size[1] = 150;
}

int open_backbone(train_job *job)
{
    const bool post = is_post(job);

    if (head_of(job) == HEAD_POST && opt_given(job->opts, OPT_PENALTY))
        return tmb__fail(TMB_EINVAL, "--penalty is for ridge and logistic heads, not the post's");
    if (post && !opt_given(job->opts, OPT_BACKBONE))
        TMB_TRY(opt_adopt(&job->merged, "backbone", "vgg16"));
    TMB_TRY(backbone_from(&job->backbone, job->opts, post ? "none" : "flip"));
    if (post) as_post(job);
    if (head_of(job) == HEAD_POST && !opt_given(job->opts, OPT_POOLING) && job->backbone.n == 1)
        job->backbone.opts.pooling = TMB_POOLING_NONE;
    TMB_TRY(tmb_backbone_model(&job->model, &job->backbone.opts));
    TMB_TRY(tmb_model_set_device(job->model, job->device));
    TMB_TRY(preprocess_from(job->model, job->opts));
    job->recipe.preprocess = *tmb_model_preprocess(job->model);
    if (job->method == &train_features && head_of(job) != HEAD_POST) job->recipe.epochs = 0;
    tmb__strbuf_add(&job->record, ",\"backbone\":");
    tmb__strbuf_json(&job->record, job->backbone.name);
    return 0;
}

/* ---- the post's head ---- */

/* Flatten, dense with ReLU, dropout, dense with sigmoid, or softmax for more than two classes. */
static int add_post_layers(tmb_model *model, int classes, float dropout)
{
    tmb_flatten(model);
    tmb_dense(model, .units = POST_UNITS, .activation = TMB_RELU, .name = "head_1");
    tmb_dropout(model, .rate = dropout, .name = "head_dropout");
    if (classes == 2)
        tmb_dense(model, .units = 1, .activation = TMB_SIGMOID, .name = "head");
    else
        tmb_dense(model, .units = classes, .activation = TMB_SOFTMAX, .name = "head");
    return tmb_model_check(model);
}

static int copy_layer(tmb_model *to, const tmb_model *from, const char *name)
{
    const tmb_layer src = tmb_model_find(from, name), dst = tmb_model_find(to, name);

    for (int i = 0; i < 2; i++) {
        const float *values;
        int64_t dim[4], count = 1;
        int rank;

        TMB_TRY(tmb_model_weight(from, src, i, NULL, &rank, dim, &values));
        for (int k = 0; k < rank; k++)
            count *= dim[k];
        TMB_TRY(tmb_model_set_weight(to, dst, i, values, count));
    }
    return 0;
}

/* Before fine-tuning the head is trained as the features method trains it by default: the recipe's steps
 * are those of what follows. */
static int train_post(train_job *job, tmb_model *head, const tmb_features rows[2])
{
    const bool alone = job->method == &train_features;
    tmb_compile_opts compile = {.optimizer = TMB_RMSPROP,
            .epsilon_outside = is_post(job), /* as it was in 2016 */
            .seed = job->recipe.compile.seed};
    const tmb_fit_opts fit = {.epochs = alone ? job->recipe.epochs : POST_EPOCHS,
            .batch = alone ? job->recipe.batch : POST_BATCH,
            .balanced = job->recipe.fit.balanced,
            .on_epoch = train_on_epoch,
            .on_step = train_on_step,
            .user = &job->u,
            .jsonl = alone ? job->run.metrics : NULL,
            .stop = &ui_stop};

    if (alone) compile = job->recipe.compile;
    compile.device = job->device;
    TMB_TRY(add_post_layers(head, rows[0].classes, job->recipe.dropout));
    TMB_TRY(tmb_model_compile(head, &compile));
    TMB_TRY(tmb_model_fit_features(head, &rows[0], &rows[1], &fit));
    TMB_TRY(add_post_layers(job->model, rows[0].classes, job->recipe.dropout));
    TMB_TRY(copy_layer(job->model, head, "head_1"));
    TMB_TRY(copy_layer(job->model, head, "head"));
    tmb__strbuf_add(&job->record, ",\"head\":\"post\"");
    return tmb_model_set_classes(job->model, rows[0].class_names, rows[0].classes);
}

static int fit_post(train_job *job, const tmb_features *train)
{
    const bool flat = train->shape[1] == 0;
    tmb_features rows[2] = {*train};
    tmb_model *head = NULL;
    int status =
            backbone_features(&rows[1], &job->backbone, job->model, job->validation, job->opts);

    if (status == 0)
        status = tmb_model_new(&head, flat ? 1 : train->shape[0], flat ? 1 : train->shape[1],
                train->shape[flat ? 0 : 2]);
    if (status == 0) status = train_post(job, head, rows);
    tmb_model_free(head);
    tmb_features_free(&rows[1]);
    return status;
}

/* ---- ridge and logistic heads ---- */

static void say_head(train_job *job, const tmb_head *head)
{
    static const char *const kinds[] = {"", "ridge", "logistic"};
    const char *how = head->kind == TMB_HEAD_RIDGE ? "leaving one out" : "5 folds";
    char share[64];

    ui_say(&job->u, "head: %s, penalty %.3g; accuracy %s by %s of %lld training photos",
            kinds[head->kind], head->penalty, share_text(&head->accuracy, share), how,
            (long long)head->n);
    tmb__strbuf_add(&job->record,
            ",\"head\":\"%s\",\"penalty\":%.9g,\"unseen_accuracy\":%.9g,\"unseen_loss\":%.9g",
            kinds[head->kind], head->penalty, head->accuracy.value, head->loss);
}

/* The one line of metrics.jsonl: a head has no epochs. */
static int write_metrics(const train_job *job, const tmb_head *head)
{
    tmb__strbuf sb = {0};
    tmb__bytes part;
    int status;

    tmb__strbuf_add(&sb,
            "{\"head\": \"%s\", \"penalty\": %.9g, \"unseen_loss\": %.9g, \"unseen_accuracy\": "
            "%.9g, \"unseen_accuracy_low\": %.9g, \"unseen_accuracy_high\": %.9g}\n",
            head->kind == TMB_HEAD_RIDGE ? "ridge" : "logistic", head->penalty, head->loss,
            head->accuracy.value, head->accuracy.low, head->accuracy.high);
    part = (tmb__bytes){(uint8_t *)sb.text, sb.len};
    status = sb.failed ? TMB_ENOMEM : tmb__file_replace(job->run.metrics, &part, 1);
    tmb__strbuf_free(&sb);
    return status;
}

static int fit_closed(train_job *job, const tmb_features *train, float dropout)
{
    const tmb_head_opts opts = {.kind = (tmb_head_kind)head_of(job), /* in the enum's order */
            .penalty = opt_number(job->opts, OPT_PENALTY, 0),
            .seed = job->recipe.compile.seed,
            .stop = &ui_stop};
    tmb_head *head;
    int status;

    TMB_TRY(tmb_head_fit(&head, train, &opts));
    job->unseen = head->accuracy;
    say_head(job, head);
    status = write_metrics(job, head);
    if (status == 0 && dropout > 0)
        tmb_dropout(job->model, .rate = dropout, .name = "head_dropout");
    if (status == 0)
        status = tmb_model_add_head(job->model, head, train->class_names, job->backbone.flip);
    tmb_head_free(head);
    return status;
}

int fit_head(train_job *job, float dropout)
{
    const bool post = head_of(job) == HEAD_POST;
    const double before = tmb__now();
    tmb_features train = {0};
    int status;

    TMB_TRY(backbone_features(&train, &job->backbone, job->model, job->train, job->opts));
    job->view_seconds = (tmb__now() - before) / (double)train.n;
    status = post ? fit_post(job, &train) : fit_closed(job, &train, dropout);
    tmb_features_free(&train);
    return status;
}

int add_untrained_head(train_job *job, float dropout)
{
    const char *names[1025] = {0};
    const int classes = tmb_images_classes(job->train);

    for (int k = 0; k < classes && k < 1024; k++)
        names[k] = tmb_images_class_name(job->train, k);
    if (head_of(job) == HEAD_POST) {
        TMB_TRY(add_post_layers(job->model, classes, job->recipe.dropout));
    } else {
        if (job->backbone.opts.pooling == TMB_POOLING_NONE) tmb_flatten(job->model);
        tmb_dropout(job->model, .rate = dropout, .name = "head_dropout");
        tmb_dense(job->model, .units = classes == 2 ? 1 : classes,
                .activation = classes == 2 ? TMB_SIGMOID : TMB_SOFTMAX, .name = "head");
        TMB_TRY(tmb_model_check(job->model));
    }
    return tmb_model_set_classes(job->model, names, classes);
}

/* ---- the method ---- */

static int make(train_job *job)
{
    if (opt_given(job->opts, OPT_RESUME)) {
        tmb__fail(TMB_EINVAL, "a head on features takes seconds: there is nothing to resume");
        tmb__hint("--force instead of --resume begins anew");
        return TMB_EINVAL;
    }
    return 0;
}

/* What is asked for views alone is what the preview shows. */
static int open_features(train_job *job)
{
    TMB_TRY(open_backbone(job));
    if (job->backbone.augmented == 0)
        job->recipe.augment = (tmb_augment){
                .preset = job->recipe.augment.preset, .alternate_flip = job->backbone.flip};
    return 0;
}

static int learn(train_job *job)
{
    return fit_head(job, 0);
}

const train_method train_features = {"features", recipe, open_features, make, learn};
