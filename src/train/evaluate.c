/* evaluate.c - how well a net does on a data set: accuracy with interval, confusion, calibration */
#include "train/train.h"

#include <string.h>

/* Labels of the data set and answers of the net must mean the same. */
static int check_classes(const tmb_model *model, const tmb_images *images)
{
    int outputs = tmb_model_outputs(model), classes = tmb_images_classes(images);
    int wanted = outputs == 1 ? 2 : outputs;

    if (classes != wanted) {
        tmb__fail(TMB_EDATA, "the data has %d classes, the net tells %d apart", classes, wanted);
        tmb__hint("evaluate on the classes the net was trained on");
        return TMB_EDATA;
    }
    for (int k = 0; k < model->n_classes; k++) {
        const char *found = tmb_images_class_name(images, k);

        if (strcmp(found, model->classes[k]) != 0)
            return tmb__fail(TMB_EDATA, "class %d of the data is \"%s\", of the model \"%s\"", k,
                    tmb__printable(found), tmb__printable(model->classes[k]));
    }
    return 0;
}

static int check_size(const tmb_model *model, const tmb_images *images)
{
    const tmb__shape *shape = &model->layers[0].out;
    const tmb_preprocess *pre = tmb_images_preprocess(images);

    if (shape->rank != 3 || shape->dim[0] != pre->size[0] || shape->dim[1] != pre->size[1] ||
            shape->dim[2] != pre->channels)
        return tmb__fail(TMB_EINVAL, "the net takes %s, the photos come as (%d, %d, %d)",
                tmb__shape_text(shape), pre->size[0], pre->size[1], pre->channels);
    return 0;
}

int tmb__check_images(const tmb_model *model, const tmb_images *images)
{
    TMB_TRY(check_size(model, images));
    return check_classes(model, images);
}

static int allocate(tmb_evaluation *out)
{
    size_t n = (size_t)out->n, classes = (size_t)out->classes;

    out->confusion = tmb__calloc(classes * classes, sizeof *out->confusion);
    out->probabilities = tmb__calloc(n * classes, sizeof *out->probabilities);
    out->answers = tmb__calloc(n, sizeof *out->answers);
    return out->confusion && out->probabilities && out->answers ? 0 : TMB_ENOMEM;
}

/* Fill everything that follows from the scores. */
static int summarise(
        tmb_evaluation *out, const tmb_images *images, const float *scores, int outputs)
{
    int32_t *labels = tmb__calloc((size_t)out->n, sizeof *labels);

    if (!labels) return TMB_ENOMEM;
    for (int64_t i = 0; i < out->n; i++) {
        labels[i] = tmb_images_label(images, i);
        out->answers[i] = tmb__metric_answer(scores + i * outputs, outputs);
        tmb__metric_probabilities(
                out->probabilities + i * out->classes, scores + i * outputs, outputs);
        out->confusion[labels[i] * out->classes + out->answers[i]]++;
    }
    out->calibration_error =
            tmb__metric_calibration(out->probabilities, labels, out->n, out->classes);
    tmb__free(labels);
    return 0;
}

static int evaluate(tmb_model *model, tmb_images *images, tmb__scorer *scorer, tmb_evaluation *out)
{
    int outputs = tmb_model_outputs(model);
    float *scores = tmb__calloc((size_t)out->n * (size_t)outputs, sizeof *scores);
    tmb__pass pass;
    int status;

    if (!scores) return TMB_ENOMEM;
    status = tmb__scorer_pass(scorer, model, images, &pass, scores, NULL, NULL);
    if (status == 0) status = summarise(out, images, scores, outputs);
    tmb__free(scores);
    if (status < 0) return status;
    out->loss = pass.loss;
    out->accuracy = tmb_share_of(pass.right, pass.n);
    return 0;
}

int tmb_model_evaluate(tmb_model *model, tmb_images *images, tmb_evaluation *out)
{
    tmb__scorer scorer = {0};
    tmb_device *device;
    int status;

    if (!out) return tmb__fail(TMB_EINVAL, "evaluate: out is NULL");
    *out = (tmb_evaluation){0};
    if (!model || !images) return tmb__fail(TMB_EINVAL, "evaluate: model or images is NULL");
    TMB_TRY(tmb__check_images(model, images));
    TMB_TRY(tmb__model_device(model, &device));
    out->n = tmb_images_count(images);
    out->classes = tmb_images_classes(images);
    status = allocate(out);
    if (status == 0) status = tmb__scorer_new(&scorer, model, device, tmb_images_batch(images));
    if (status == 0) status = evaluate(model, images, &scorer, out);
    tmb__scorer_free(&scorer);
    if (status < 0) tmb_evaluation_free(out);
    return status;
}

void tmb_evaluation_free(tmb_evaluation *evaluation)
{
    if (!evaluation) return;
    tmb__free(evaluation->confusion);
    tmb__free(evaluation->probabilities);
    tmb__free(evaluation->answers);
    *evaluation = (tmb_evaluation){0};
}
