/* cmd_evaluate.c - thimble evaluate: how well a model does on a folder of labelled photos */
#include "run_folder.h"

#include <string.h>

static int open_images(tmb_images **out, const tmb_model *model, const options *opts, ui *u)
{
    static const tmb_part parts[] = {TMB_HELD_OUT, TMB_ALL, TMB_TRAIN, TMB_VALIDATION, TMB_TEST};
    const char *names[1025] = {0};
    const tmb_preprocess *pre = tmb_model_preprocess(model);
    tmb_images_opts images = {.preprocess = pre,
            .on_scan = ui_scan,
            .user = u,
            .batch = (int)opt_number(opts, OPT_BATCH_SIZE, 0),
            .classes = names};

    if (!pre) return tmb__fail(TMB_EMODEL, "the model does not say how photos become its input");
    for (int k = 0; k < tmb_model_classes(model) && k < 1024; k++)
        names[k] = tmb_model_class_name(model, k);
    images_opts_from(&images, opts);
    images.part = parts[opt_choice(opts, OPT_PART, 0)];
    images.allow_empty_class = true; /* a test folder may lack a class */
    TMB_TRY(tmb_images_open(out, opts->args[1], &images));
    ui_notices(u, *out, NULL);
    return 0;
}

/* Of a class's photos the share that was told right; of those told to be of it, the share that is. */
static tmb_share recall(const tmb_class_figures *f)
{
    return tmb_share_of(f->tp, f->tp + f->fn);
}

static tmb_share precision(const tmb_class_figures *f)
{
    return tmb_share_of(f->tp, f->tp + f->fp);
}

/* Two classes, and photos of both: without, there is no curve. */
static bool has_curve(const tmb_evaluation *e)
{
    return e->classes == 2 && e->by_class[0].tp + e->by_class[0].fn > 0 &&
            e->by_class[1].tp + e->by_class[1].fn > 0;
}

static void text_figures(tmb__strbuf *sb, const tmb_images *images, const tmb_evaluation *e)
{
    static const char *const parts[] = {"", "training ", "validation ", "test "};
    char share[64];

    tmb__strbuf_add(sb, "accuracy     %s  (95 %% interval, %lld %sphotos)\n",
            share_text(&e->accuracy, share), (long long)e->n, parts[tmb_images_part(images)]);
    if (e->classes > 5)
        tmb__strbuf_add(sb, "top 5        %.4f  (the truth is among the five best)\n", e->top5);
    if (has_curve(e))
        tmb__strbuf_add(sb, "AUC          %.4f  (ROC curve; %.4f of precision and recall)\n",
                e->auc, e->auc_pr);
    tmb__strbuf_add(sb, "loss         %.4f\n", e->loss);
    tmb__strbuf_add(sb, "calibration  %.4f  (expected error of the probabilities, 15 bins)\n\n",
            e->calibration_error);
}

static void text_classes(
        tmb__strbuf *sb, const tmb_images *images, const tmb_evaluation *e, int width)
{
    char share[64];

    tmb__strbuf_add(sb, "%-*s %8s  %-24s %-24s %s\n", width, "class", "photos", "recall",
            "precision", "F1");
    for (int k = 0; k < e->classes; k++) {
        const tmb_class_figures *f = &e->by_class[k];
        const tmb_share r = recall(f), p = precision(f);

        tmb__strbuf_add(sb, "%-*s %8lld  %-24s ", width,
                tmb__printable(tmb_images_class_name(images, k)), (long long)(f->tp + f->fn),
                share_text(&r, share));
        tmb__strbuf_add(sb, "%-24s %.4f\n", share_text(&p, share), f->f1);
    }
}

static void text_confusion(
        tmb__strbuf *sb, const tmb_images *images, const tmb_evaluation *e, int width)
{
    tmb__strbuf_add(sb, "\n%-*s answers\n", width, "truth");
    for (int k = 0; k < e->classes; k++) {
        tmb__strbuf_add(sb, "%-*s", width, tmb__printable(tmb_images_class_name(images, k)));
        for (int j = 0; j < e->classes; j++)
            tmb__strbuf_add(sb, " %6lld", (long long)e->confusion[k * e->classes + j]);
        tmb__strbuf_add(sb, "\n");
    }
}

static void text_answer(tmb__strbuf *sb, const tmb_images *images, const tmb_evaluation *e)
{
    int width = 20;

    for (int k = 0; k < e->classes; k++) {
        const size_t length = strlen(tmb__printable(tmb_images_class_name(images, k)));

        width = TMB_MAX(width, (int)TMB_MIN(length, 40));
    }
    text_figures(sb, images, e);
    text_classes(sb, images, e, width);
    if (e->classes <= 12) text_confusion(sb, images, e, width);
}

static void json_share(tmb__strbuf *sb, const char *name, tmb_share share)
{
    tmb__strbuf_add(sb, "\"%s\": {\"value\": %.9g, \"low\": %.9g, \"high\": %.9g}", name,
            share.value, share.low, share.high);
}

static void json_class(tmb__strbuf *sb, const tmb_images *images, const tmb_evaluation *e, int k)
{
    const tmb_class_figures *f = &e->by_class[k];

    tmb__strbuf_add(sb, "%s{\"name\": ", k ? ", " : "");
    tmb__strbuf_json(sb, tmb_images_class_name(images, k));
    tmb__strbuf_add(sb, ", ");
    json_share(sb, "recall", recall(f));
    tmb__strbuf_add(sb, ", ");
    json_share(sb, "precision", precision(f));
    tmb__strbuf_add(sb,
            ", \"f1\": %.9g, \"tp\": %lld, \"fp\": %lld, \"fn\": %lld, \"tn\": %lld, "
            "\"confusion\": [",
            f->f1, (long long)f->tp, (long long)f->fp, (long long)f->fn, (long long)f->tn);
    for (int j = 0; j < e->classes; j++)
        tmb__strbuf_add(sb, "%s%lld", j ? ", " : "", (long long)e->confusion[k * e->classes + j]);
    tmb__strbuf_add(sb, "]}");
}

static void json_answer(tmb__strbuf *sb, const tmb_images *images, const tmb_evaluation *e)
{
    tmb__strbuf_add(sb, "{\"n\": %lld, ", (long long)e->n);
    json_share(sb, "accuracy", e->accuracy);
    tmb__strbuf_add(sb, ", \"loss\": ");
    put_json_number(sb, e->loss);
    tmb__strbuf_add(sb, ", \"calibration_error\": ");
    put_json_number(sb, e->calibration_error);
    if (has_curve(e)) {
        tmb__strbuf_add(sb, ", \"auc\": ");
        put_json_number(sb, e->auc);
        tmb__strbuf_add(sb, ", \"auc_pr\": ");
        put_json_number(sb, e->auc_pr);
    }
    if (e->classes > 5) tmb__strbuf_add(sb, ", \"top5\": %.9g", e->top5);
    tmb__strbuf_add(sb, ", \"classes\": [");
    for (int k = 0; k < e->classes; k++)
        json_class(sb, images, e, k);
    tmb__strbuf_add(sb, "]}\n");
}

static int answer(const options *opts, const tmb_images *images, const tmb_evaluation *result)
{
    const char *table = opt_text(opts, OPT_PREDICTIONS, NULL);
    double wanted = opt_number(opts, OPT_MIN_ACCURACY, 0);
    tmb__strbuf sb = {0};

    if (table) TMB_TRY(write_predictions(table, images, result));
    if (opt_given(opts, OPT_JSON))
        json_answer(&sb, images, result);
    else
        text_answer(&sb, images, result);
    TMB_TRY(ui_print(&sb));
    if (result->accuracy.value >= wanted) return 0;
    return tmb__fail(TMB_EGATE, "accuracy %.4f is below --min-accuracy %.4f",
            result->accuracy.value, wanted);
}

int cmd_EVALUATE(const options *opts)
{
    ui u = ui_of(opts);
    tmb_model *model = NULL;
    tmb_images *images = NULL;
    tmb_device *device = NULL;
    tmb_evaluation result = {0};
    const char *table = opt_text(opts, OPT_PREDICTIONS, NULL);
    int status;

    if (opts->n_args != 2) {
        tmb__fail(TMB_EINVAL, "evaluate takes two arguments, a model and a folder, found %d",
                opts->n_args);
        tmb__hint("thimble evaluate runs/first/model.thimble DIR");
        return TMB_EINVAL;
    }
    if (table) TMB_TRY(check_overwrite(table, opts));
    status = open_model(&model, opts->args[0]);
    if (status == 0) status = open_device(&device, opts);
    if (status == 0) status = tmb_model_set_device(model, device);
    if (status == 0) status = open_images(&images, model, opts, &u);
    if (status == 0) status = tmb_model_evaluate(model, images, &result);
    if (status == 0) status = answer(opts, images, &result);
    tmb_evaluation_free(&result);
    tmb_images_free(images);
    tmb_model_free(model);
    status = close_device(device, opts, status);
    return status;
}
