/* evaluate.c - how well a net does on a data set: accuracy with interval, confusion, calibration */
#include "train/train.h"

#include <string.h>

static int allocate(tmb_evaluation *out, bool by_label)
{
    size_t n = (size_t)out->n, classes = (size_t)out->classes;

    out->probabilities = tmb__calloc(n * classes, sizeof *out->probabilities);
    if (!out->probabilities) return TMB_ENOMEM;
    if (!by_label) return 0;
    out->confusion = tmb__calloc(classes * classes, sizeof *out->confusion);
    out->answers = tmb__calloc(n, sizeof *out->answers);
    out->by_class = tmb__calloc(classes, sizeof *out->by_class);
    return out->confusion && out->answers && out->by_class ? 0 : TMB_ENOMEM;
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
        if (out->classes > 5)
            out->top5 += tmb__metric_in_top(scores + i * outputs, outputs, labels[i], 5);
    }
    out->top5 /= (double)TMB_MAX(out->n, 1);
    tmb__metric_classes(out->by_class, out->confusion, out->classes);
    out->calibration_error =
            tmb__metric_calibration(out->probabilities, labels, out->n, out->classes);
    tmb__free(labels);
    return 0;
}

static int evaluate(tmb_model *model, tmb_images *images, const tmb__source *source,
        tmb__scorer *scorer, tmb_evaluation *out)
{
    int outputs = tmb_model_outputs(model);
    float *scores = tmb__calloc((size_t)out->n * (size_t)outputs, sizeof *scores);
    tmb__pass pass;
    int status;

    if (!scores) return TMB_ENOMEM;
    status = tmb__scorer_pass(scorer, model, source, &pass, scores, NULL, NULL);
    if (status == 0 && out->confusion) status = summarise(out, images, scores, outputs);
    if (!out->confusion)
        memcpy(out->probabilities, scores, (size_t)out->n * (size_t)outputs * sizeof *scores);
    tmb__free(scores);
    if (status < 0) return status;
    out->loss = pass.loss;
    out->auc = tmb__curve_roc(&pass.curve);
    out->auc_pr = tmb__curve_pr(&pass.curve);
    out->accuracy = tmb_share_of(pass.right, pass.judged);
    return 0;
}

int tmb_model_evaluate(tmb_model *model, tmb_images *images, tmb_evaluation *out)
{
    tmb__scorer scorer = {0};
    tmb__source source;
    tmb__truth truth;
    tmb_device *device;
    bool by_label;
    int status;

    if (!out) return tmb__fail(TMB_EINVAL, "evaluate: out is NULL");
    *out = (tmb_evaluation){0};
    if (!model || !images) return tmb__fail(TMB_EINVAL, "evaluate: model or images is NULL");
    source = tmb__source_photos(images);
    TMB_TRY(tmb__source_check(&source, model));
    TMB_TRY(tmb__model_device(model, &device));
    out->n = source.n;
    truth = tmb__truth_of(model, &source);
    by_label = truth.judge == TMB__JUDGE_LABEL;
    out->classes = by_label ? source.classes : truth.outputs;
    status = allocate(out, by_label);
    if (status == 0) status = tmb__scorer_new(&scorer, model, device, source.batch);
    tmb__images_trace(images, tmb__device_trace(device));
    if (status == 0) status = evaluate(model, images, &source, &scorer, out);
    tmb__images_trace(images, NULL);
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
    tmb__free(evaluation->by_class);
    *evaluation = (tmb_evaluation){0};
}
