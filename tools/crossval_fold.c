/* crossval_fold.c - what is learned without one fold: a head on features, or a recipe's net */
#include "crossval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a head ---- */

static int64_t row_width(const tmb_features *f)
{
    return (int64_t)f->shape[0] * TMB_MAX(f->shape[1], 1) * TMB_MAX(f->shape[2], 1);
}

/* The rows in or without a fold, in memory of `out->memory`. */
static int take_rows(tmb_features *out, const crossval *job, int number, bool inside)
{
    const tmb_features *f = &job->features;
    const size_t width = (size_t)row_width(f) * sizeof *f->x;
    uint8_t *block;
    int64_t n = 0, *group;
    int32_t *label;
    size_t each, bytes;

    for (int64_t i = 0; i < f->n; i++)
        n += (job->fold[i] == number) == inside;
    if (!tmb__add(width, sizeof *label + sizeof *group, &each) ||
            !tmb__mul((size_t)n, each, &bytes) || !(block = tmb__calloc(bytes, 1)))
        return TMB_ENOMEM;
    *out = *f;
    out->memory = group = (int64_t *)(void *)block;
    out->group = f->group ? group : NULL;
    out->x = (float *)(void *)(block + (size_t)n * sizeof *group);
    out->label = label = (int32_t *)(void *)(block + (size_t)n * (sizeof *group + width));
    out->keys = NULL;
    out->n = 0;
    for (int64_t i = 0; i < f->n; i++) {
        if ((job->fold[i] == number) != inside) continue;
        memcpy(block + (size_t)n * sizeof *group + (size_t)out->n * width,
                (const uint8_t *)f->x + (size_t)i * width, width);
        if (f->group) group[out->n] = f->group[i];
        label[out->n++] = f->label[i];
    }
    return 0;
}

/* Probabilities of the photos of a fold, in their order, to their places. */
static void place(crossval *job, int number, const float *p)
{
    const int classes = job->features.classes;

    for (int64_t i = 0; i < job->features.n / job->views; i++) {
        if (job->fold[i * job->views] != number) continue;
        memcpy(job->now + i * classes, p, (size_t)classes * sizeof *p);
        p += classes;
    }
}

static int judge(crossval *job, int number, const tmb_head *head)
{
    tmb_features held = {0};
    float *p = NULL;
    int status = take_rows(&held, job, number, true);

    if (status == 0) {
        p = tmb__calloc((size_t)(held.n / job->views) * (size_t)held.classes, sizeof *p);
        status = p ? tmb_head_predict(head, &held, p, NULL) : TMB_ENOMEM;
    }
    if (status == 0) place(job, number, p);
    tmb__free(p);
    tmb__free(held.memory);
    return status;
}

int crossval_features(crossval *job, int repeat, int number)
{
    const tmb_head_opts opts = {.kind = (tmb_head_kind)opt_choice(job->opts, OPT_HEAD, 0),
            .penalty = opt_number(job->opts, OPT_PENALTY, 0),
            .seed = job->recipe.compile.seed + (uint64_t)repeat,
            .stop = &ui_stop};
    tmb_features rest = {0};
    tmb_head *head = NULL;
    int status = take_rows(&rest, job, number, false);

    if (status == 0) status = tmb_head_fit(&head, &rest, &opts);
    if (status == 0) status = judge(job, number, head);
    tmb_head_free(head);
    tmb__free(rest.memory);
    return status;
}

/* ---- a net ---- */

/* One fold's split is a table like any other, so that it can be trained on again by hand. */
static int write_table(const crossval *job, const char *path, int number)
{
    tmb__strbuf sb = {0};
    tmb__bytes part;
    int status;

    tmb__strbuf_add(&sb, "file_name,label,split\n");
    for (int64_t i = 0; i < tmb_images_count(job->images); i++) {
        const char *name = tmb_images_path(job->images, i);
        char *real = realpath(name, NULL);

        put_csv_field(&sb, real ? real : name);
        free(real);
        tmb__strbuf_add(&sb, ",");
        put_csv_field(&sb, tmb_images_class_name(job->images, tmb_images_label(job->images, i)));
        tmb__strbuf_add(&sb, ",%s\n", job->fold[i] == number ? "validation" : "train");
    }
    part = (tmb__bytes){(uint8_t *)sb.text, sb.len};
    status = sb.failed ? TMB_ENOMEM : tmb__file_replace(path, &part, 1);
    tmb__strbuf_free(&sb);
    return status;
}

static int open_part(tmb_images **out, const crossval *job, const char *table, tmb_part part)
{
    tmb_images_opts opts = {.preprocess = &job->recipe.preprocess, .batch = job->recipe.batch};

    images_opts_from(&opts, job->opts);
    opts.x_column = opts.weight_column = opts.directory = NULL; /* of the user's table */
    opts.y_columns = NULL;
    opts.part = part;
    opts.augment.preset = job->recipe.augment.preset;
    if (part == TMB_TRAIN) {
        opts.augment = job->recipe.augment;
        opts.shuffle = true;
        opts.shuffle_once = job->recipe.shuffle_once;
    }
    return tmb_images_open(out, table, &opts);
}

static int train_net(
        crossval *job, int number, tmb_images *train, tmb_images *held, tmb_model **net)
{
    tmb_compile_opts compile = job->recipe.compile;
    tmb_fit_opts fit = job->recipe.fit;
    tmb_evaluation result = {0};
    int64_t expected = 0;
    int status;

    for (int64_t i = 0; i < job->features.n; i++)
        expected += job->fold[i] == number;
    TMB_TRY(tmb_recipe_model(net, &job->recipe, tmb_images_classes(train)));
    compile.device = job->device;
    fit.stop = &ui_stop;
    TMB_TRY(tmb_model_compile(*net, &compile));
    TMB_TRY(tmb_model_fit(*net, train, &fit));
    status = tmb_model_evaluate(*net, held, &result);
    if (status == 0 && (result.n != expected || result.classes != job->features.classes))
        status = tmb__fail(TMB_EDATA, "fold %d: %lld photos of %d classes, expected %lld of %d",
                number + 1, (long long)result.n, result.classes, (long long)expected,
                job->features.classes);
    if (status == 0) place(job, number, result.probabilities);
    tmb_evaluation_free(&result);
    return status;
}

int crossval_scratch(crossval *job, int repeat, int number)
{
    char name[64];
    tmb_images *train = NULL, *held = NULL;
    tmb_model *net = NULL;
    char *table;
    int status;

    snprintf(name, sizeof name, "fold-%d-%d.csv", repeat + 1, number + 1);
    table = tmb__path_join(job->run.path, name);
    status = table ? write_table(job, table, number) : TMB_ENOMEM;
    if (status == 0) status = open_part(&train, job, table, TMB_TRAIN);
    if (status == 0) status = open_part(&held, job, table, TMB_VALIDATION);
    if (status == 0) status = train_net(job, number, train, held, &net);
    tmb_model_free(net);
    tmb_images_free(held);
    tmb_images_free(train);
    tmb__free(table);
    return status;
}
