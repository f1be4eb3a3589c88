/* cmd_info.c - thimble info: what a model or weights file holds, and whether it still computes the same */
#include "info_tensors.h"
#include "ui.h"

#include <stdio.h>

static const char *const filters[] = {
        "default", "nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"};
static const char *const fits[] = {"stretch", "crop", "pad"};

static void text_preprocess(tmb__strbuf *sb, const tmb_preprocess *pre)
{
    tmb_statistics_info info;

    tmb__strbuf_add(sb, "\ninput    %d x %d x %d, %s, %s%s%s%s\n", pre->size[0], pre->size[1],
            pre->channels, filters[pre->filter], fits[pre->fit],
            pre->ignore_exif ? ", EXIF ignored" : "", pre->bgr ? ", BGR" : "",
            pre->flip_views ? ", mean over the photo and its mirror image" : "");
    tmb__strbuf_add(sb, "pixels   value = pixel * scale + offset:");
    for (int k = 0; k < pre->channels; k++)
        tmb__strbuf_add(sb, " %.6g%+.6g", (double)pre->scale[k], (double)pre->offset[k]);
    tmb__strbuf_add(sb, "\n");
    if (pre->samplewise_center || pre->samplewise_std)
        tmb__strbuf_add(sb, "         minus the mean of %s%s\n",
                pre->samplewise_pixel ? "each pixel" : "the photo",
                pre->samplewise_std ? ", by its deviation" : "");
    if (tmb_statistics_get(pre->statistics, &info) == 0)
        tmb__strbuf_add(sb, "         minus the mean of the training photos%s%s\n",
                info.std ? ", by their deviation" : "", info.whitening ? ", whitened" : "");
}

static int text_info(tmb__strbuf *sb, const tmb_model *model)
{
    const tmb_preprocess *pre = tmb_model_preprocess(model);
    const char *record = tmb_model_record(model);
    char *summary;

    TMB_TRY(tmb_model_summary(model, &summary));
    tmb__strbuf_add(sb, "%s", summary);
    tmb_free(summary);
    if (pre) text_preprocess(sb, pre);
    for (int k = 0; k < tmb_model_classes(model); k++)
        tmb__strbuf_add(sb, "%-8s %d %s\n", k ? "" : "classes", k,
                tmb__printable(tmb_model_class_name(model, k)));
    if (record) tmb__strbuf_add(sb, "record   %s\n", record);
    return 0;
}

static void json_layers(tmb__strbuf *sb, const tmb_model *model)
{
    tmb_layer_info info;

    for (int i = 1; i <= tmb_model_layers(model); i++) {
        if (tmb_model_layer(model, i, &info) < 0) return;
        tmb__strbuf_add(sb, "%s\n  {\"name\": ", i > 1 ? "," : "");
        tmb__strbuf_json(sb, info.name);
        tmb__strbuf_add(sb, ", \"class\": \"%s\", \"shape\": [", info.class_name);
        for (int k = 0; k < info.rank; k++)
            tmb__strbuf_add(sb, "%s%d", k ? ", " : "", info.shape[k]);
        tmb__strbuf_add(sb, "], \"params\": %lld, \"trainable\": %s}", (long long)info.params,
                info.trainable ? "true" : "false");
    }
}

static void json_info(tmb__strbuf *sb, const tmb_model *model)
{
    const tmb_preprocess *pre = tmb_model_preprocess(model);
    const char *record = tmb_model_record(model);

    tmb__strbuf_add(sb, "{\"params\": %lld, \"trainable_params\": %lld, \"classes\": [",
            (long long)tmb_model_params(model, false), (long long)tmb_model_params(model, true));
    for (int k = 0; k < tmb_model_classes(model); k++) {
        if (k) tmb__strbuf_add(sb, ", ");
        tmb__strbuf_json(sb, tmb_model_class_name(model, k));
    }
    tmb__strbuf_add(sb, "], ");
    if (pre)
        tmb__strbuf_add(sb,
                "\"preprocess\": {\"size\": [%d, %d], \"channels\": %d, \"filter\": \"%s\", "
                "\"fit\": \"%s\", \"flip_views\": %s}, ",
                pre->size[0], pre->size[1], pre->channels, filters[pre->filter], fits[pre->fit],
                pre->flip_views ? "true" : "false");
    tmb__strbuf_add(sb, "\"record\": %s, \"layers\": [", record ? record : "null");
    json_layers(sb, model);
    tmb__strbuf_add(sb, "]}\n");
}

/* Replay the stored inputs. The answer is printed whether it is good or not. */
static int verify(tmb_model *model)
{
    double worst = 0;
    int n = 0, status = tmb_model_verify(model, 0, &worst, &n);

    if (status == 0 || status == TMB_EGATE)
        printf("%s: %d stored outputs, largest difference %.3g\n", status ? "differs" : "verified",
                n, worst);
    return status;
}

int cmd_INFO(const options *opts)
{
    tmb_model *model = NULL;
    tmb_device *device = NULL;
    tmb__strbuf sb = {0};
    int status;

    if (opts->n_args != 1) {
        tmb__fail(TMB_EINVAL, "info takes one file, found %d", opts->n_args);
        tmb__hint("thimble info runs/first/model.thimble");
        return TMB_EINVAL;
    }
    if ((info_tensors_takes(opts->args[0]) || opt_given(opts, OPT_TENSORS)) &&
            !opt_given(opts, OPT_VERIFY))
        return info_tensors(opts->args[0], opt_given(opts, OPT_JSON));
    status = open_model(&model, opts->args[0]);
    if (status == 0 && opt_given(opts, OPT_VERIFY)) {
        status = open_device(&device, opts);
        if (status == 0) status = tmb_model_set_device(model, device);
        if (status == 0) status = verify(model);
    } else if (status == 0) {
        if (opt_given(opts, OPT_JSON))
            json_info(&sb, model);
        else
            status = text_info(&sb, model);
        if (status == 0) status = ui_print(&sb);
    }
    tmb__strbuf_free(&sb);
    tmb_model_free(model);
    tmb_device_free(device);
    return status;
}
