/* cmd_train.c - thimble train: from a folder of photos to a run folder with a model in it */
#include "train_job.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int check_arguments(const options *opts)
{
    bool resume = opt_given(opts, OPT_RESUME);

    if (opts->n_args != 1 && !(resume && opts->n_args == 0)) {
        tmb__fail(TMB_EINVAL, "train takes one folder, found %d", opts->n_args);
        tmb__hint("thimble train DIR -o RUN");
        return TMB_EINVAL;
    }
    if (opt_given(opts, OPT_OUTPUT)) return 0;
    tmb__fail(TMB_EINVAL, "-o is missing: the folder the run is written to");
    if (resume)
        tmb__hint("thimble train --resume -o runs/first");
    else
        tmb__hint("thimble train %s -o runs/first", tmb__printable(opts->args[0]));
    return TMB_EINVAL;
}

static void on_scan(void *user, int64_t done, int64_t total)
{
    train_job *job = user;

    ui_scan(&job->u, done, total);
}

static void on_notice(void *user, const tmb_notice *notice)
{
    train_job *job = user;

    photo_report_add(&job->report, notice);
}

static int open_images(train_job *job)
{
    tmb_images_opts opts = {.preprocess = &job->recipe.preprocess,
            .batch = job->recipe.batch,
            .on_scan = on_scan,
            .on_notice = on_notice,
            .user = job};

    images_opts_from(&opts, job->opts);
    opts.part = TMB_TRAIN;
    opts.augment = job->recipe.augment;
    opts.shuffle = true;
    opts.shuffle_once = job->recipe.shuffle_once;
    TMB_TRY(tmb_images_open(&job->train, job->data, &opts));
    ui_notices(&job->u, job->train, NULL);
    TMB_TRY(statistics_from(&job->statistics, job->train, job->recipe.augment.preset, job->opts));
    job->recipe.preprocess.statistics = job->statistics;
    opts.part = TMB_VALIDATION;
    opts.augment = (tmb_augment){.preset = job->recipe.augment.preset};
    opts.shuffle = opts.shuffle_once = false;
    TMB_TRY(tmb_images_open(&job->validation, job->data, &opts));
    ui_notices(&job->u, job->validation, job->train);
    return 0;
}

/* Photos that stop a training are more than a message can name. */
static int list_bad(const train_job *job, int status)
{
    tmb__failure failure;
    bool listed;

    if (status != TMB_EDATA || job->report.n[TMB_NOTICE_BAD] == 0) return status;
    tmb__failure_save(&failure, status);
    listed = run_folder_report(&job->run, &job->report) == 0;
    tmb__failure_raise(&failure);
    if (listed)
        tmb__hint("%s%sall of them stand in %s", failure.text[2], failure.text[2][0] ? "; " : "",
                tmb__printable(job->run.report));
    return status;
}

static void say_what_comes(const train_job *job)
{
    const tmb_preprocess *pre = &job->recipe.preprocess;
    int classes = tmb_images_classes(job->train);
    char epochs[32] = "";

    ui_say(&job->u, "%lld photos to train, %lld to validate, %d classes:",
            (long long)tmb_images_count(job->train), (long long)tmb_images_count(job->validation),
            classes);
    for (int k = 0; k < classes && k < 20; k++)
        ui_say(&job->u, "  %d %s", k, tmb__printable(tmb_images_class_name(job->train, k)));
    if (job->advice) ui_say(&job->u, "%s", job->advice);
    if (job->recipe.epochs) snprintf(epochs, sizeof epochs, ", epochs %d", job->recipe.epochs);
    ui_say(&job->u, "recipe %s: %s\n%dx%d, batch %d%s, seed %llu, device %s, %d threads, %s",
            job->recipe.name, job->recipe.about, pre->size[0], pre->size[1], job->recipe.batch,
            epochs, (unsigned long long)job->recipe.compile.seed,
            opt_text(job->opts, OPT_DEVICE, "auto"), tmb_device_threads(job->device),
            precision_text(job->device));
}

/* Folders that hold one and the same class order are the rule; anything else is told at once. */
static int check_classes(const train_job *job)
{
    int train = tmb_images_classes(job->train), validation = tmb_images_classes(job->validation);
    bool same = train == validation;

    for (int k = 0; same && k < train; k++)
        same = strcmp(tmb_images_class_name(job->train, k),
                       tmb_images_class_name(job->validation, k)) == 0;
    if (same) return 0;
    tmb__fail(TMB_EDATA, "training and validation have different classes");
    tmb__detail("training has %d (%s, ...), validation %d (%s, ...)", train,
            tmb_images_class_name(job->train, 0), validation,
            tmb_images_class_name(job->validation, 0));
    return TMB_EDATA;
}

static int write_preview(const train_job *job)
{
    tmb_image sheet = {0};
    int status = tmb_images_preview(job->train, 6, 7, &sheet);

    if (status == 0) status = tmb_image_write(&sheet, job->run.preview, 0);
    tmb_image_free(&sheet);
    return status;
}

int train_on_epoch(void *user, const tmb_epoch *epoch)
{
    ui_bar_epoch(user, epoch);
    return 0;
}

int train_on_step(void *user, const tmb_progress *progress)
{
    ui_bar_step(user, progress);
    return 0;
}

/* Why fit did not end, or will not go on with a run, in the words of the command. */
static void explain(const train_job *job, int status)
{
    if (status == TMB_EOUTPUT && tmb__file_exists(job->run.checkpoint) == 1)
        tmb__hint("the last checkpoint is intact; make room, then: thimble train --resume -o %s",
                tmb__printable(job->run.path));
    if (status == TMB_ESTOPPED)
        tmb__hint("saved; go on with: thimble train --resume -o %s", tmb__printable(job->run.path));
    if (!strstr(tmb_errmsg(), "the checkpoint ")) return;
    tmb__hint("options that are left out are those of the first run");
    if (!strstr(tmb_errmsg(), "epochs=")) return;
    tmb__detail("the learning rate of each step follows from the number of epochs");
    tmb__hint("to train on from its weights: --init-from %s and another -o",
            tmb__printable(job->run.model));
}

int train_fit(train_job *job, const tmb_fit_opts *opts)
{
    tmb_fit_opts fit = *opts;
    int status;

    fit.validation = job->validation;
    fit.on_epoch = train_on_epoch;
    fit.on_step = train_on_step;
    fit.user = &job->u;
    fit.checkpoint = job->run.checkpoint;
    fit.resume = opt_given(job->opts, OPT_RESUME);
    fit.jsonl = job->run.metrics;
    fit.stop = &ui_stop;
    status = tmb_model_fit(job->model, job->train, &fit);
    if (fit.resume && (status == 0 || status == TMB_ESTOPPED)) /* the checkpoint took the options */
        TMB_TRY(run_folder_settings(&job->run, job->opts, job->data, job->device));
    if (status < 0) explain(job, status);
    return status;
}

/* What the model says of itself: nothing that differs between two equal trainings. */
static int write_record(train_job *job)
{
    const uint8_t *digest = tmb_images_fingerprint(job->train);
    const tmb_epoch *epochs;
    int n = tmb_model_history(job->model, &epochs), status;
    tmb__strbuf sb = {0};

    tmb__strbuf_add(&sb, "{\"program\": \"thimble %s\", \"recipe\": ", tmb_version());
    tmb__strbuf_json(&sb, job->recipe.name);
    tmb__strbuf_add(&sb, ", \"method\": \"%s\"", job->method->name);
    if (job->record.text) tmb__strbuf_bytes(&sb, job->record.text, job->record.len);
    tmb__strbuf_add(&sb, ", \"seed\": %llu, \"epochs\": %d, \"batch_size\": %d, ",
            (unsigned long long)job->recipe.compile.seed, job->recipe.epochs, job->recipe.batch);
    tmb__strbuf_add(&sb, "\"train_photos\": %lld, \"validation_photos\": %lld, \"data_sha256\": \"",
            (long long)tmb_images_count(job->train), (long long)tmb_images_count(job->validation));
    for (int i = 0; i < 32; i++)
        tmb__strbuf_add(&sb, "%02x", digest[i]);
    tmb__strbuf_add(&sb,
            "\", \"val_accuracy\": %.9g, \"val_accuracy_low\": %.9g, "
            "\"val_accuracy_high\": %.9g, \"history\": [",
            job->result.accuracy.value, job->result.accuracy.low, job->result.accuracy.high);
    for (int i = 0; i < n; i++)
        tmb__strbuf_add(&sb,
                "%s{\"loss\": %.9g, \"accuracy\": %.9g, \"val_loss\": %.9g, \"val_accuracy\": "
                "%.9g}",
                i ? ", " : "", epochs[i].loss, epochs[i].accuracy, epochs[i].val_loss,
                epochs[i].val_accuracy.value);
    tmb__strbuf_add(&sb, "]}");
    status = sb.failed || job->record.failed ? TMB_ENOMEM
                                             : tmb_model_set_record(job->model, sb.text);
    tmb__strbuf_free(&sb);
    return status;
}

static int answer(train_job *job)
{
    const tmb_share *a = &job->result.accuracy;
    double wanted = opt_number(job->opts, OPT_MIN_ACCURACY, 0);
    tmb__strbuf sb = {0};
    char share[64];

    if (opt_given(job->opts, OPT_JSON)) {
        tmb__strbuf_add(&sb, "{\"model\": ");
        tmb__strbuf_json(&sb, job->run.model);
        tmb__strbuf_add(&sb,
                ", \"val_accuracy\": %.9g, \"low\": %.9g, \"high\": %.9g, \"n\": %lld, "
                "\"val_loss\": %.9g}\n",
                a->value, a->low, a->high, (long long)job->result.n, job->result.loss);
    } else {
        tmb__strbuf_add(&sb, "%s  validation accuracy %s on %lld photos\n", job->run.model,
                share_text(a, share), (long long)job->result.n);
    }
    TMB_TRY(ui_print(&sb));
    ui_say(&job->u,
            "beside it: preview.png, predictions.csv, metrics.jsonl, split.csv, report.json\n"
            "next: thimble predict %s PHOTO...",
            tmb__printable(job->run.model));
    if (a->value >= wanted) return 0;
    return tmb__fail(
            TMB_EGATE, "validation accuracy %.4f is below --min-accuracy %.4f", a->value, wanted);
}

/* The folder first: that it can be written to and is free is known before photos are read. */
static int take_folder(train_job *job)
{
    const char *path = opt_text(job->opts, OPT_OUTPUT, NULL);

    job->merged = *job->opts;
    job->data = job->opts->n_args ? job->opts->args[0] : NULL;
    TMB_TRY(run_folder_open(&job->run, path, job->data, job->opts));
    job->opts = &job->merged;
    if (!opt_given(job->opts, OPT_RESUME)) return 0;
    return run_folder_adopt(&job->run, &job->merged, &job->data);
}

static int start_folder(const train_job *job)
{
    TMB_TRY(run_folder_report(&job->run, &job->report));
    if (opt_given(job->opts, OPT_RESUME)) return 0;
    run_folder_clear(&job->run);
    TMB_TRY(run_folder_settings(&job->run, job->opts, job->data, job->device));
    TMB_TRY(run_folder_split(&job->run, job->train, job->validation));
    return write_preview(job);
}

static int train(train_job *job)
{
    TMB_TRY(take_folder(job));
    TMB_TRY(choose_method(job));
    TMB_TRY(recipe_from(&job->recipe, job->opts));
    job->method->recipe(&job->recipe);
    TMB_TRY(recipe_change(&job->recipe, job->opts));
    TMB_TRY(open_device(&job->device, job->opts));
    TMB_TRY(job->method->open(job));
    TMB_TRY(list_bad(job, open_images(job)));
    TMB_TRY(check_classes(job));
    TMB_TRY(job->method->make(job));
    TMB_TRY(start_folder(job));
    say_what_comes(job);
    ui_catch_signals();
    TMB_TRY(list_bad(job, job->method->learn(job)));
    TMB_TRY(run_folder_report(&job->run, &job->report)); /* some may have gone bad meanwhile */
    TMB_TRY(tmb_model_evaluate(job->model, job->validation, &job->result));
    TMB_TRY(write_predictions(job->run.predictions, job->validation, &job->result));
    TMB_TRY(write_record(job));
    TMB_TRY(tmb_model_save(job->model, job->run.model));
    return answer(job);
}

int cmd_TRAIN(const options *opts)
{
    train_job job = {.opts = opts, .u = ui_of(opts), .run = {.lock = -1}, .start = tmb__now()};
    int status = check_arguments(opts);

    signal(SIGPIPE, SIG_IGN); /* a reader that has gone is no reason to lose a training */
    if (status == 0) status = train(&job);
    tmb_evaluation_free(&job.result);
    tmb_model_free(job.model);
    tmb_images_free(job.train);
    tmb_images_free(job.validation);
    tmb_statistics_free(job.statistics);
    status = close_device(job.device, opts, status);
    run_folder_close(&job.run);
    photo_report_free(&job.report);
    backbone_free(&job.backbone);
    tmb__strbuf_free(&job.record);
    return status;
}
