/* score.c - a net's scores for batches of inputs and for whole data sets
 *
 * One road for validation, evaluate and predict: forward in batches, and where the model asks for it
 * the mean over a photo and its mirror image. */
#include "train/train.h"

/* Room for batches. */
static int allocate(tmb__scorer *out)
{
    const size_t batch = (size_t)out->batch, outputs = (size_t)out->outputs;
    const size_t values = (size_t)out->values;

    out->row = tmb__calloc(batch * outputs, sizeof *out->row);
    out->targets = tmb__calloc(batch * outputs, sizeof *out->targets);
    if (!out->row || !out->targets) return TMB_ENOMEM;
    if (out->flip_views) {
        out->mirror = tmb__calloc(batch * (size_t)out->inputs, sizeof *out->mirror);
        out->second = tmb__calloc(batch * outputs, sizeof *out->second);
        if (!out->mirror || !out->second) return TMB_ENOMEM;
    }
    if (!out->below) return 0;
    out->distance = tmb__calloc(batch, sizeof *out->distance);
    for (int i = 0; i < 1 + out->flip_views; i++) {
        out->value[i] = tmb__calloc(batch * values, sizeof *out->value[i]);
        if (!out->value[i]) return TMB_ENOMEM;
    }
    return out->distance ? 0 : TMB_ENOMEM;
}

/* From layer `from` to the scores; and to it, if `out->unknown` says that its values are measured. */
static int make(tmb__scorer *out, const tmb_model *model, tmb_layer from, tmb_device *device)
{
    const tmb__span below = {.to = from}, above = {.from = from};

    if (out->unknown) {
        out->values = out->unknown->d;
        TMB_TRY(tmb__exec_new_span(&out->below, model, below, device, out->batch, NULL));
    }
    TMB_TRY(tmb__exec_new_span(&out->exec, model, above, device, out->batch, NULL));
    return allocate(out);
}

static void look_at_photos(tmb__scorer *out, const tmb_model *model)
{
    const tmb__shape *shape = &model->layers[0].out;

    out->inputs = tmb__shape_count(shape);
    if (shape->rank != 3) return;
    out->h = (int)shape->dim[0];
    out->w = (int)shape->dim[1];
    out->c = (int)shape->dim[2];
    out->flip_views = model->has_preprocess && model->preprocess.flip_views;
}

int tmb__scorer_new(tmb__scorer *out, const tmb_model *model, tmb_device *device, int batch)
{
    return tmb__scorer_above(out, model, 0, device, batch);
}

int tmb__scorer_above(
        tmb__scorer *out, const tmb_model *model, tmb_layer cut, tmb_device *device, int batch)
{
    int status;

    *out = (tmb__scorer){.batch = batch, .outputs = tmb_model_outputs(model)};
    if (cut <= 1)
        look_at_photos(out, model);
    else
        out->inputs = tmb__shape_count(&model->layers[cut - 1].out);
    status = make(out, model, cut, device);
    if (status < 0) tmb__scorer_free(out);
    return status;
}

int tmb__scorer_measuring(tmb__scorer *out, const tmb_model *model, tmb_device *device, int batch)
{
    int status;

    if (!model->unknown) return tmb__scorer_new(out, model, device, batch);
    *out = (tmb__scorer){
            .batch = batch, .outputs = tmb_model_outputs(model), .unknown = model->unknown};
    look_at_photos(out, model);
    status = make(out, model, model->unknown->layer, device);
    if (status < 0) tmb__scorer_free(out);
    return status;
}

void tmb__scorer_free(tmb__scorer *scorer)
{
    tmb__exec_free(scorer->exec);
    tmb__exec_free(scorer->below);
    tmb__free(scorer->value[0]);
    tmb__free(scorer->value[1]);
    tmb__free(scorer->distance);
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

/* View `view` of n photos, in two steps if the values between are measured. */
static int forward(tmb__scorer *scorer, const float *x, int n, int view, float *scores)
{
    if (!scorer->below) return tmb__exec_predict(scorer->exec, x, n, scores);
    TMB_TRY(tmb__exec_predict(scorer->below, x, n, scorer->value[view]));
    return tmb__exec_predict(scorer->exec, scorer->value[view], n, scores);
}

static void mean_of_two(float *x, const float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = 0.5f * (x[i] + y[i]);
}

static int run_batch(tmb__scorer *scorer, const float *x, int n, float *scores)
{
    TMB_TRY(forward(scorer, x, n, 0, scores));
    if (scorer->flip_views) {
        tmb__mirror(scorer->mirror, x, (int64_t)n * scorer->h, scorer->w, scorer->c);
        TMB_TRY(forward(scorer, scorer->mirror, n, 1, scorer->second));
        mean_of_two(scores, scorer->second, (int64_t)n * scorer->outputs);
    }
    if (!scorer->below) return 0;
    if (scorer->flip_views)
        mean_of_two(scorer->value[0], scorer->value[1], (int64_t)n * scorer->values);
    for (int i = 0; i < n; i++)
        scorer->distance[i] = (float)tmb__unknown_distance(
                scorer->unknown, scorer->value[0] + (int64_t)i * scorer->values);
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
