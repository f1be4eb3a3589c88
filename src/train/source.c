/* source.c - photos as a source of samples for training, validation and evaluation */
#include "train/train.h"

#include <string.h>

static int epoch(void *data, int64_t number, int64_t first)
{
    return number < 0 ? tmb__images_plain(data) : tmb_images_epoch(data, number, first);
}

static int next(void *data, tmb_batch *out)
{
    return tmb_images_next(data, out);
}

static int label(const void *data, int64_t i)
{
    return tmb_images_label(data, i);
}

static const char *class_name(const void *data, int k)
{
    return tmb_images_class_name(data, k);
}

tmb__source tmb__source_photos(tmb_images *images)
{
    const tmb_preprocess *pre = tmb_images_preprocess(images);

    return (tmb__source){.data = images,
            .what = "photos",
            .n = tmb_images_count(images),
            .batch = tmb_images_batch(images),
            .classes = tmb_images_classes(images),
            .shape = {3, {pre->size[0], pre->size[1], pre->channels}},
            .fingerprint = tmb_images_fingerprint(images),
            .photos = tmb__images_opts(images),
            .preprocess = pre,
            .epoch = epoch,
            .next = next,
            .label = label,
            .class_name = class_name};
}

tmb_class_mode tmb__source_mode(const tmb__source *source)
{
    return source->photos ? source->photos->class_mode : TMB_CLASS_SPARSE;
}

bool tmb__source_has_classes(const tmb__source *source)
{
    return tmb__source_mode(source) < TMB_CLASS_INPUT;
}

static int check_classes(const tmb_model *model, const tmb__source *source)
{
    const int outputs = tmb_model_outputs(model), wanted = outputs == 1 ? 2 : outputs;

    if (source->classes != wanted) {
        tmb__fail(TMB_EDATA, "the data has %d classes, the net tells %d apart", source->classes,
                wanted);
        tmb__hint("evaluate on the classes the net was trained on");
        return TMB_EDATA;
    }
    for (int k = 0; k < model->n_classes; k++) {
        const char *found = source->class_name(source->data, k);

        if (found && strcmp(found, model->classes[k]) != 0)
            return tmb__fail(TMB_EDATA, "class %d of the data is \"%s\", of the model \"%s\"", k,
                    tmb__printable(found), tmb__printable(model->classes[k]));
    }
    return 0;
}

int tmb__source_check(const tmb__source *source, const tmb_model *model)
{
    const tmb__shape *shape = &model->layers[TMB_MAX(source->cut, 1) - 1].out;

    if (!tmb__shape_equal(shape, &source->shape))
        return tmb__fail(TMB_EINVAL, "the net takes %s, the %s come as %s", tmb__shape_text(shape),
                source->what, tmb__shape_text(&source->shape));
    if (tmb__source_mode(source) == TMB_CLASS_NONE)
        return tmb__fail(TMB_EDATA, "the data set was opened without labels (TMB_CLASS_NONE)");
    return tmb__source_has_classes(source) ? check_classes(model, source) : 0;
}
