/* cmd_crossval.c - thimble crossval: accuracy by k folds
 *
 * Every photo is judged by what was learned without its fold. Classes are spread evenly, photos that
 * look the same stay in one fold, and the folds follow from the seed. With a pre-trained network the
 * photos pass through it once, and each fold costs a head; else a net is trained for each. */
#include "crossval.h"

#include <string.h>

static const char *const method_names[] = {"auto", "scratch", "features", "finetune"};

static int check_arguments(const options *opts)
{
    /* They would choose by the fold that is to judge. */
    static const option_id looking[] = {OPT_PATIENCE, OPT_PLATEAU, OPT_RESTORE_BEST, OPT_MONITOR};

    for (size_t i = 0; i < TMB_COUNT(looking); i++) {
        if (opt_given(opts, looking[i]))
            return tmb__fail(TMB_EINVAL, "--%s would look at the photos that are left out",
                    option_table[looking[i]].name);
    }
    if (opt_choice(opts, OPT_METHOD, 0) == 3)
        return tmb__fail(TMB_EUNSUPPORTED, "crossval knows the methods scratch and features");
    if (opt_choice(opts, OPT_HEAD, 0) == 3)
        return tmb__fail(TMB_EUNSUPPORTED, "crossval knows the heads ridge and logistic");
    if (opts->n_args != 1) {
        tmb__fail(TMB_EINVAL, "crossval takes one folder, found %d", opts->n_args);
    } else if (!opt_given(opts, OPT_OUTPUT)) {
        tmb__fail(TMB_EINVAL, "-o is missing: the folder the predictions are written to");
    } else {
        return 0;
    }
    tmb__hint("thimble crossval DIR -k 5 -o runs/folds");
    return TMB_EINVAL;
}

/* 1: scratch, 2: features, as the words of --method stand. */
static int choose(const options *opts)
{
    const int method = opt_choice(opts, OPT_METHOD, 0);
    const char *why;

    if (method) return method;
    return opt_given(opts, OPT_BACKBONE) || backbone_here(&why) ? 2 : 1;
}

/* Without a network the rows serve to tell photos that look the same: the colour they have on average. */
static int average_net(tmb_model **out)
{
    const tmb_preprocess pre = {.size = {16, 16},
            .channels = 3,
            .filter = TMB_BILINEAR,
            .scale = {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}};

    TMB_TRY(tmb_model_new(out, pre.size[0], pre.size[1], pre.channels));
    tmb_global_avgpool2d(*out);
    TMB_TRY(tmb_model_check(*out));
    return tmb_model_set_preprocess(*out, &pre);
}

static int open_net(crossval *job, bool pretrained)
{
    if (!pretrained) return average_net(&job->net);
    TMB_TRY(backbone_from(&job->backbone, job->opts, "flip"));
    TMB_TRY(tmb_backbone_model(&job->net, &job->backbone.opts));
    return preprocess_from(job->net, job->opts);
}

static int open_rows(crossval *job)
{
    tmb_images_opts opts = {.on_scan = ui_scan, .user = &job->u};

    images_opts_from(&opts, job->opts);
    opts.preprocess = tmb_model_preprocess(job->net);
    opts.augment = job->recipe.augment;
    opts.part = TMB_ALL;
    TMB_TRY(tmb_model_set_device(job->net, job->device));
    TMB_TRY(tmb_images_open(&job->images, job->opts->args[0], &opts));
    ui_notices(&job->u, job->images, NULL);
    TMB_TRY(backbone_features(&job->features, &job->backbone, job->net, job->images, job->opts));
    job->views = TMB_MAX(job->features.views, 1);
    if (job->features.n / job->views == tmb_images_count(job->images)) return 0;
    return tmb__fail(TMB_EDATA, "%lld photos could not be read again",
            (long long)(tmb_images_count(job->images) - job->features.n / job->views));
}

static int make_room(crossval *job)
{
    const size_t scores = (size_t)(job->features.n / job->views) * (size_t)job->features.classes;

    job->fold = tmb__calloc((size_t)job->features.n, sizeof *job->fold);
    job->probabilities = tmb__calloc(scores, sizeof *job->probabilities);
    job->now = tmb__calloc(scores, sizeof *job->now);
    job->accuracy = tmb__calloc((size_t)job->folds * (size_t)job->repeats, sizeof *job->accuracy);
    return job->fold && job->probabilities && job->now && job->accuracy ? 0 : TMB_ENOMEM;
}

static int answer_of(const float *p, int classes)
{
    int best = 0;

    for (int k = 1; k < classes; k++) {
        if (p[k] > p[best]) best = k;
    }
    return best;
}

/* Of one fold, or of all (-1). */
static tmb_share share_of(const crossval *job, const float *p, int number)
{
    const int classes = job->features.classes;
    int64_t right = 0, n = 0;

    for (int64_t i = 0; i < job->features.n / job->views; i++) {
        if (number >= 0 && job->fold[i * job->views] != number) continue;
        right += answer_of(p + i * classes, classes) == job->features.label[i * job->views];
        n++;
    }
    return tmb_share_of(right, n);
}

static int one_repeat(crossval *job, int repeat, bool pretrained)
{
    const int64_t scores = job->features.n / job->views * job->features.classes;

    TMB_TRY(tmb_features_folds(
            job->fold, &job->features, job->folds, repeat, job->recipe.compile.seed));
    for (int k = 0; k < job->folds; k++) {
        double *accuracy = &job->accuracy[repeat * job->folds + k];

        TMB_TRY(pretrained ? crossval_features(job, repeat, k) : crossval_scratch(job, repeat, k));
        *accuracy = share_of(job, job->now, k).value;
        ui_say(&job->u, "round %d, fold %d: %.4f", repeat + 1, k + 1, *accuracy);
    }
    for (int64_t i = 0; i < scores; i++)
        job->probabilities[i] += job->now[i];
    return 0;
}

/* predictions.csv: the mean over the repeats, each time by what had not seen the photo. */
static int write_answers(crossval *job)
{
    const int64_t photos = job->features.n / job->views;
    const int classes = job->features.classes;
    tmb_evaluation all = {.n = photos, .classes = classes, .probabilities = job->probabilities};
    int status;

    all.answers = tmb__calloc((size_t)photos, sizeof *all.answers);
    if (!all.answers) return TMB_ENOMEM;
    for (int64_t i = 0; i < photos * classes; i++)
        job->probabilities[i] /= (float)job->repeats;
    for (int64_t i = 0; i < photos; i++)
        all.answers[i] = answer_of(job->probabilities + i * classes, classes);
    status = write_predictions(job->run.predictions, job->images, &all);
    tmb__free(all.answers);
    return status;
}

static int answer(const crossval *job, const char *method)
{
    const int n = job->folds * job->repeats;
    const tmb_mean mean = tmb_mean_of(job->accuracy, n);
    const tmb_share all = share_of(job, job->probabilities, -1);
    const tmb_share folds = {mean.value, TMB_MAX(mean.low, 0), TMB_MIN(mean.high, 1)};
    tmb__strbuf sb = {0};
    char share[64];

    if (opt_given(job->opts, OPT_JSON)) {
        tmb__strbuf_add(&sb,
                "{\"method\": \"%s\", \"folds\": %d, \"repeats\": %d, \"accuracy\": %.9g, "
                "\"deviation\": %.9g, \"low\": %.9g, \"high\": %.9g, \"n\": %lld, "
                "\"accuracy_of_all\": %.9g, \"low_of_all\": %.9g, \"high_of_all\": %.9g, "
                "\"by_fold\": [",
                method, job->folds, job->repeats, mean.value, mean.deviation, folds.low, folds.high,
                (long long)(job->features.n / job->views), all.value, all.low, all.high);
        for (int i = 0; i < n; i++)
            tmb__strbuf_add(&sb, "%s%.9g", i ? ", " : "", job->accuracy[i]);
        tmb__strbuf_add(&sb, "]}\n");
    } else {
        tmb__strbuf_add(&sb, "accuracy %s  (mean of %d folds, 95 %% interval)\n",
                share_text(&folds, share), n);
        tmb__strbuf_add(&sb, "deviation %.4f\n", mean.deviation);
        tmb__strbuf_add(&sb, "accuracy %s  (of %lld photos, each judged unseen)\n",
                share_text(&all, share), (long long)(job->features.n / job->views));
    }
    TMB_TRY(ui_print(&sb));
    ui_say(&job->u, "%s: probabilities of each photo", tmb__printable(job->run.predictions));
    return 0;
}

static int run(crossval *job)
{
    const int method = choose(job->opts);
    const bool pretrained = method == 2;
    const char *data = job->opts->args[0];

    TMB_TRY(run_folder_open(&job->run, opt_text(job->opts, OPT_OUTPUT, NULL), data, job->opts));
    TMB_TRY(check_overwrite(job->run.predictions, job->opts));
    TMB_TRY(recipe_from(&job->recipe, job->opts));
    TMB_TRY(recipe_change(&job->recipe, job->opts));
    TMB_TRY(open_device(&job->device, job->opts));
    TMB_TRY(open_net(job, pretrained));
    TMB_TRY(open_rows(job));
    TMB_TRY(make_room(job));
    TMB_TRY(run_folder_settings(&job->run, job->opts, data, job->device));
    ui_say(&job->u, "method %s: %d rounds of %d folds of %lld photos, seed %llu",
            method_names[method], job->repeats, job->folds,
            (long long)(job->features.n / job->views),
            (unsigned long long)job->recipe.compile.seed);
    for (int r = 0; r < job->repeats; r++)
        TMB_TRY(one_repeat(job, r, pretrained));
    TMB_TRY(write_answers(job));
    return answer(job, method_names[method]);
}

int cmd_CROSSVAL(const options *opts)
{
    crossval job = {.opts = opts,
            .u = ui_of(opts),
            .folds = (int)opt_number(opts, OPT_FOLDS, 5),
            .repeats = (int)opt_number(opts, OPT_REPEATS, 1),
            .run = {.lock = -1}};
    int status = check_arguments(opts);

    if (status == 0) {
        ui_catch_signals();
        status = run(&job);
    }
    tmb__free(job.fold);
    tmb__free(job.probabilities);
    tmb__free(job.now);
    tmb__free(job.accuracy);
    tmb_features_free(&job.features);
    tmb_images_free(job.images);
    tmb_model_free(job.net);
    backbone_free(&job.backbone);
    tmb_device_free(job.device);
    run_folder_close(&job.run);
    return status;
}
