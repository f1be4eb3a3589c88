/* cmd_evaluate.c - thimble evaluate: how well a model does on a folder of labelled photos */
#include "run_folder.h"

#include <stdio.h>

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

/* Recall of each class: of its photos, the share that was told right. */
static tmb_share recall(const tmb_evaluation *e, int k)
{
    int64_t n = 0;

    for (int j = 0; j < e->classes; j++)
        n += e->confusion[k * e->classes + j];
    return tmb_share_of(e->confusion[k * e->classes + k], n);
}

static tmb_share precision(const tmb_evaluation *e, int k)
{
    int64_t n = 0;

    for (int j = 0; j < e->classes; j++)
        n += e->confusion[j * e->classes + k];
    return tmb_share_of(e->confusion[k * e->classes + k], n);
}

static void text_answer(tmb__strbuf *sb, const tmb_images *images, const tmb_evaluation *e)
{
    static const char *const parts[] = {"", "training ", "validation ", "test "};
    char share[64];

    tmb__strbuf_add(sb, "accuracy     %s  (95 %% interval, %lld %sphotos)\n",
            share_text(&e->accuracy, share), (long long)e->n, parts[tmb_images_part(images)]);
    tmb__strbuf_add(sb, "loss         %.4f\n", e->loss);
    tmb__strbuf_add(sb, "calibration  %.4f  (expected error of the probabilities, 15 bins)\n\n",
            e->calibration_error);
    tmb__strbuf_add(sb, "%-20s %8s  %-24s %s\n", "class", "photos", "recall", "precision");
    for (int k = 0; k < e->classes; k++) {
        tmb_share r = recall(e, k), p = precision(e, k);
        int64_t n = 0;

        for (int j = 0; j < e->classes; j++)
            n += e->confusion[k * e->classes + j];
        tmb__strbuf_add(sb, "%-20s %8lld  %-24s ", tmb__printable(tmb_images_class_name(images, k)),
                (long long)n, share_text(&r, share));
        tmb__strbuf_add(sb, "%s\n", share_text(&p, share));
    }
    if (e->classes > 12) return;
    tmb__strbuf_add(sb, "\n%-20s answers\n", "truth");
    for (int k = 0; k < e->classes; k++) {
        tmb__strbuf_add(sb, "%-20s", tmb__printable(tmb_images_class_name(images, k)));
        for (int j = 0; j < e->classes; j++)
            tmb__strbuf_add(sb, " %6lld", (long long)e->confusion[k * e->classes + j]);
        tmb__strbuf_add(sb, "\n");
    }
}

static void json_share(tmb__strbuf *sb, const char *name, tmb_share share)
{
    tmb__strbuf_add(sb, "\"%s\": {\"value\": %.9g, \"low\": %.9g, \"high\": %.9g}", name,
            share.value, share.low, share.high);
}

static void json_answer(tmb__strbuf *sb, const tmb_images *images, const tmb_evaluation *e)
{
    tmb__strbuf_add(sb, "{\"n\": %lld, ", (long long)e->n);
    json_share(sb, "accuracy", e->accuracy);
    tmb__strbuf_add(sb, ", \"loss\": ");
    put_json_number(sb, e->loss);
    tmb__strbuf_add(sb, ", \"calibration_error\": ");
    put_json_number(sb, e->calibration_error);
    tmb__strbuf_add(sb, ", \"classes\": [");
    for (int k = 0; k < e->classes; k++) {
        tmb__strbuf_add(sb, "%s{\"name\": ", k ? ", " : "");
        put_json_string(sb, tmb_images_class_name(images, k));
        tmb__strbuf_add(sb, ", ");
        json_share(sb, "recall", recall(e, k));
        tmb__strbuf_add(sb, ", ");
        json_share(sb, "precision", precision(e, k));
        tmb__strbuf_add(sb, ", \"confusion\": [");
        for (int j = 0; j < e->classes; j++)
            tmb__strbuf_add(
                    sb, "%s%lld", j ? ", " : "", (long long)e->confusion[k * e->classes + j]);
        tmb__strbuf_add(sb, "]}");
    }
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
    tmb_device_free(device);
    return status;
}
