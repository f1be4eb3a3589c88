/* truth.c - what a batch tells a net to answer: targets, weights, losses, right answers
 *
 * Class numbers become what the loss wants (a number, one value, one-hot); numbers that the data brings
 * (tmb_batch.y) go to the loss as they are. Right is, as Keras resolves "accuracy" (keras.md 4.2): the
 * largest score, or a single one above 0.5; where several truths may hold at once, each score above 0.5
 * for itself. Numbers that a regression aims at are never right or wrong. */
#include "train/train.h"

#include <string.h>

/* A loss under which a score above 0.5 says yes. */
static bool says_yes(tmb_loss loss)
{
    return loss == TMB_BINARY_CROSSENTROPY || loss == TMB_BINARY_FOCAL || loss == TMB_HINGE ||
            loss == TMB_SQUARED_HINGE;
}

static tmb__judge judge_of(tmb_class_mode mode, tmb_loss loss)
{
    switch (mode) {
    case TMB_CLASS_CATEGORICAL:
        return says_yes(loss) ? TMB__JUDGE_EACH : TMB__JUDGE_LARGEST;
    case TMB_CLASS_RAW:
        return says_yes(loss) ? TMB__JUDGE_EACH : TMB__JUDGE_NONE;
    case TMB_CLASS_INPUT:
    case TMB_CLASS_NONE:
        return TMB__JUDGE_NONE;
    default:
        return TMB__JUDGE_LABEL;
    }
}

tmb__truth tmb__truth_of(const tmb_model *model, const tmb__source *source)
{
    const tmb__training *training = tmb__training_of(model);
    const int outputs = tmb_model_outputs(model);
    tmb__truth truth = {.outputs = outputs, .columns = outputs};
    tmb_attr *a = &truth.attr;

    a->loss = outputs == 1 ? TMB_BINARY_CROSSENTROPY : TMB_CATEGORICAL_CROSSENTROPY;
    if (training) {
        *a = (tmb_attr){.loss = training->opts.loss,
                .smoothing = training->opts.label_smoothing,
                .gamma = training->opts.gamma,
                .alpha = training->opts.alpha,
                .delta = training->opts.delta,
                .balanced = training->opts.class_balancing,
                .sum = training->opts.loss_sum};
    }
    if (a->loss == TMB_SPARSE_CATEGORICAL_CROSSENTROPY) truth.columns = 1;
    truth.judge = judge_of(tmb__source_mode(source), a->loss);
    return truth;
}

int tmb__truth_fill(const tmb__truth *truth, const tmb_batch *batch, float *targets)
{
    const int columns = truth->columns;
    const size_t bytes = (size_t)batch->count * (size_t)columns * sizeof *targets;

    if (truth->judge != TMB__JUDGE_LABEL) {
        if (!batch->y || batch->y_width != columns)
            return tmb__fail(TMB_EDATA, "the data has %d numbers for each sample, the net gives %d",
                    batch->y ? batch->y_width : 0, columns);
        memcpy(targets, batch->y, bytes);
        return 0;
    }
    memset(targets, 0, bytes);
    for (int i = 0; i < batch->count; i++) {
        if (columns == 1)
            targets[i] = (float)batch->label[i];
        else
            targets[i * columns + batch->label[i]] = 1;
    }
    return 0;
}

double tmb__truth_loss(const tmb__truth *truth, const float *scores, const float *target)
{
    const tmb_loss_row row = {.attr = &truth->attr, .z = scores, .t = target, .k = truth->outputs};

    return tmb__loss_row(&row);
}

/* y of one output is yes above 0.5, as its score is. */
int tmb__truth_right(const tmb__truth *truth, const float *scores, const float *target, int label)
{
    int right = 0;

    switch (truth->judge) {
    case TMB__JUDGE_LABEL:
        return tmb__metric_answer(scores, truth->outputs) == label;
    case TMB__JUDGE_LARGEST:
        return tmb__metric_answer(scores, truth->outputs) ==
                tmb__metric_answer(target, truth->outputs);
    case TMB__JUDGE_EACH:
        for (int i = 0; i < truth->outputs; i++)
            right += (scores[i] > 0.5f) == (target[i] > 0.5f);
        return right;
    case TMB__JUDGE_NONE:
        break;
    }
    return 0;
}

int64_t tmb__truth_judged(const tmb__truth *truth, int64_t n)
{
    if (truth->judge == TMB__JUDGE_NONE) return 0;
    return truth->judge == TMB__JUDGE_EACH ? n * truth->outputs : n;
}
