/* score.c - a net's scores for batches of inputs and for whole data sets
 *
 * One road for validation, evaluate and predict: forward in batches, and where the model asks for it
 * the mean over a photo and its mirror image. */
#include "train/train.h"

int tmb__scorer_new(tmb__scorer *out, const tmb_model *model, tmb_device *device, int batch)
{
    return tmb__scorer_above(out, model, 0, device, batch);
}

int tmb__scorer_above(
        tmb__scorer *out, const tmb_model *model, tmb_layer cut, tmb_device *device, int batch)
{
    const tmb__shape *shape = &model->layers[TMB_MAX(cut, 1) - 1].out;
    int status;

    *out = (tmb__scorer){
            .batch = batch, .outputs = tmb_model_outputs(model), .inputs = tmb__shape_count(shape)};
    if (cut <= 1 && shape->rank == 3) {
        out->h = (int)shape->dim[0];
        out->w = (int)shape->dim[1];
        out->c = (int)shape->dim[2];
        out->flip_views = model->has_preprocess && model->preprocess.flip_views;
    }
    status = tmb__exec_new_span(&out->exec, model, (tmb__span){.from = cut}, device, batch, NULL);
    if (status == 0) status = tmb__exec_push(out->exec, model);
    if (status == 0) {
        out->row = tmb__calloc((size_t)batch * (size_t)out->outputs, sizeof *out->row);
        out->targets = tmb__calloc((size_t)batch * (size_t)out->outputs, sizeof *out->targets);
        if (!out->row || !out->targets) status = TMB_ENOMEM;
    }
    if (status == 0 && out->flip_views) {
        out->mirror = tmb__calloc((size_t)batch * (size_t)out->inputs, sizeof *out->mirror);
        out->second = tmb__calloc((size_t)batch * (size_t)out->outputs, sizeof *out->second);
        if (!out->mirror || !out->second) status = TMB_ENOMEM;
    }
    if (status < 0) tmb__scorer_free(out);
    return status;
}

void tmb__scorer_free(tmb__scorer *scorer)
{
    tmb__exec_free(scorer->exec);
    tmb__free(scorer->mirror);
    tmb__free(scorer->second);
    tmb__free(scorer->row);
    tmb__free(scorer->targets);
    *scorer = (tmb__scorer){0};
}

void tmb__mirror(float *dst, const float *x, int64_t rows, int w, int c)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *from = x + r * w * c;
        float *to = dst + r * w * c;

        for (int i = 0; i < w; i++) {
            for (int k = 0; k < c; k++)
                to[i * c + k] = from[(w - 1 - i) * c + k];
        }
    }
}

static int run_batch(tmb__scorer *scorer, const float *x, int n, float *scores)
{
    TMB_TRY(tmb__exec_predict(scorer->exec, x, n, scores));
    if (!scorer->flip_views) return 0;
    tmb__mirror(scorer->mirror, x, (int64_t)n * scorer->h, scorer->w, scorer->c);
    TMB_TRY(tmb__exec_predict(scorer->exec, scorer->mirror, n, scorer->second));
    for (int i = 0; i < n * scorer->outputs; i++)
        scores[i] = 0.5f * (scores[i] + scorer->second[i]);
    return 0;
}

int tmb__scorer_run(tmb__scorer *scorer, const float *x, int n, float *scores)
{
    for (int i = 0; i < n; i += scorer->batch) {
        int count = TMB_MIN(scorer->batch, n - i);

        TMB_TRY(run_batch(
                scorer, x + i * scorer->inputs, count, scores + (int64_t)i * scorer->outputs));
    }
    return 0;
}

/* A batch's part of the figures; the scores stand in scorer->row. */
static int add_batch(tmb__scorer *scorer, const tmb__truth *truth, const tmb_batch *batch,
        tmb__pass *out, float *scores)
{
    const int outputs = scorer->outputs;
    double loss = 0;

    TMB_TRY(tmb__truth_fill(truth, batch, scorer->targets));
    for (int i = 0; i < batch->count; i++) {
        const float *s = scorer->row + (int64_t)i * outputs;
        const float *target = scorer->targets + (int64_t)i * truth->columns;
        const double weight = batch->weight ? (double)batch->weight[i] : 1;

        loss += weight * tmb__truth_loss(truth, s, target);
        out->right += tmb__truth_right(truth, s, target, batch->label ? batch->label[i] : -1);
        if (outputs <= 2 && truth->judge == TMB__JUDGE_LABEL)
            tmb__curve_add(&out->curve, s[outputs - 1], batch->label[i] == 1);
        for (int k = 0; scores && k < outputs; k++)
            scores[batch->index[i] * outputs + k] = s[k];
    }
    out->loss += truth->attr.sum ? loss * batch->count : loss;
    out->n += batch->count;
    return 0;
}

int tmb__scorer_pass(tmb__scorer *scorer, tmb_model *model, const tmb__source *source,
        tmb__pass *out, float *scores, int (*on_batch)(void *user, int64_t done), void *user)
{
    const tmb__truth truth = tmb__truth_of(model, source);
    tmb_batch batch;
    int status, more;

    *out = (tmb__pass){0};
    TMB_ASSERT(source->batch <= scorer->batch);
    status = source->epoch(source->data, -1, 0);
    while (status == 0 && (more = source->next(source->data, &batch)) != 0) {
        status = more < 0 ? more : tmb__scorer_run(scorer, batch.x, batch.count, scorer->row);
        if (status == 0) status = add_batch(scorer, &truth, &batch, out, scores);
        if (status == 0 && on_batch && on_batch(user, out->n)) status = TMB_ESTOPPED;
    }
    out->judged = tmb__truth_judged(&truth, out->n);
    if (out->n > 0) out->loss = out->loss / (double)out->n + tmb__metric_penalty(model);
    return status;
}
