/* fit.c - the training loop
 *
 * An epoch: photos in the order of (seed, epoch), a step for each batch, then validation with the
 * weights that would be saved (the averaged ones where averaging is on). The program on the device
 * holds the weights that move; the model's arena gets them at the end of each epoch, when training is
 * stopped, and when it diverges. */
#include "train/train.h"

#include <math.h>
#include <string.h>

enum { GO_ON = 0, ENOUGH = 1 };

/* ---- set-up ---- */

static int check(const tmb_model *model, const tmb__source *train, const tmb__source *validation,
        const tmb_fit_opts *opts)
{
    if (!tmb__training_of(model)) {
        tmb__fail(TMB_EINVAL, "fit: the model is not compiled");
        tmb__hint("call tmb_compile first");
        return TMB_EINVAL;
    }
    if (opts->epochs < 0) return tmb__fail(TMB_EINVAL, "fit: epochs is %d, below 0", opts->epochs);
    if ((int)opts->monitor < 0 || opts->monitor > TMB_VAL_AUC)
        return tmb__fail(TMB_EINVAL, "fit: there is no monitor number %d", (int)opts->monitor);
    if (opts->patience < 0 || opts->plateau < 0)
        return tmb__fail(TMB_EINVAL, "fit: patience is %d and plateau %d, 0 or more expected",
                opts->patience, opts->plateau);
    if (opts->cooldown < 0 || opts->start_from_epoch < 0 || !(opts->min_lr >= 0))
        return tmb__fail(
                TMB_EINVAL, "fit: cooldown, start_from_epoch and min_lr cannot be below 0");
    if (opts->monitor == TMB_VAL_AUC && (!validation || tmb_model_outputs(model) > 2))
        return tmb__fail(TMB_EINVAL, "fit: val_auc needs validation data of two classes");
    if (opts->resume && !opts->checkpoint)
        return tmb__fail(TMB_EINVAL, "fit: resume needs the name of a checkpoint");
    TMB_TRY(tmb__save_check(opts, validation != NULL));
    TMB_TRY(tmb__source_check(train, model));
    return validation ? tmb__source_check(validation, model) : 0;
}

/* What the outputs mean and how photos reach the input are the data's, unless they are set. */
static int adopt_data(tmb_model *model, const tmb__source *train, const tmb__source *validation)
{
    const tmb__source *shown = validation ? validation : train;
    int n = train->classes, status;
    const char **names;

    if (!model->has_preprocess && shown->preprocess)
        TMB_TRY(tmb_model_set_preprocess(model, shown->preprocess));
    if (model->n_classes > 0 || !tmb__source_has_classes(train)) return 0;
    if (!train->class_name(train->data, 0)) return 0;
    names = tmb__calloc((size_t)n, sizeof *names);
    if (!names) return TMB_ENOMEM;
    for (int i = 0; i < n; i++)
        names[i] = train->class_name(train->data, i);
    status = tmb_model_set_classes(model, names, n);
    tmb__free(names);
    return status;
}

static int class_weights(tmb__fit *fit)
{
    const tmb__source *train = fit->train;
    int classes = train->classes;
    int64_t n = train->n;
    float *w;

    if (!fit->opts->class_weight && !fit->opts->balanced) return 0;
    if (!tmb__source_has_classes(train))
        return tmb__fail(TMB_EINVAL, "fit: class weights need data with classes");
    fit->class_weight = w = tmb__calloc((size_t)classes, sizeof *w);
    if (!w) return TMB_ENOMEM;
    for (int k = 0; fit->opts->class_weight && k < classes; k++) {
        w[k] = fit->opts->class_weight[k];
        if (!(w[k] >= 0 && isfinite(w[k])))
            return tmb__fail(TMB_EINVAL, "fit: the weight of class %d is %g", k, (double)w[k]);
    }
    if (fit->opts->class_weight) return 0;
    for (int64_t i = 0; i < n; i++)
        w[train->label(train->data, i)] += 1;
    for (int k = 0; k < classes; k++)
        w[k] = (float)n / ((float)classes * TMB_MAX(w[k], 1));
    return 0;
}

static int allocate(tmb__fit *fit)
{
    size_t batch = (size_t)fit->train->batch, outputs = (size_t)fit->outputs;
    size_t weights = (size_t)fit->model->n_weights;

    fit->targets = tmb__calloc(batch * outputs, sizeof *fit->targets);
    fit->weight = tmb__calloc(batch, sizeof *fit->weight);
    fit->loss = tmb__calloc(batch, sizeof *fit->loss);
    fit->scores = tmb__calloc(batch * outputs, sizeof *fit->scores);
    fit->raw = tmb__calloc(weights, sizeof *fit->raw);
    fit->best = tmb__calloc(weights, sizeof *fit->best);
    if (!fit->targets || !fit->weight || !fit->loss || !fit->scores || !fit->raw || !fit->best)
        return TMB_ENOMEM;
    return class_weights(fit);
}

/* From the first trained layer on, what the net makes of a photo does not stay what it was. */
static void forget_unknown(tmb_model *model)
{
    for (int k = 0; k < model->n_layers; k++) {
        if (model->layers[k].trainable && model->layers[k].n_weights > 0) {
            tmb__model_forget(model, k + 1);
            return;
        }
    }
}

static int start(tmb__fit *fit)
{
    const tmb__source *validation = fit->validation;
    tmb__train_spec spec = tmb__training_spec(fit->training);
    int batch = fit->train->batch;
    tmb_device *device;

    TMB_TRY(adopt_data(fit->model, fit->train, validation));
    fit->truth = tmb__truth_of(fit->model, fit->train);
    if (validation) TMB_TRY(tmb__source_check(validation, fit->model)); /* its names, now known */
    TMB_TRY(tmb__model_device(fit->model, &device));
    fit->trace = tmb__device_trace(device);
    TMB_TRY(allocate(fit));
    TMB_TRY(tmb__exec_new_span(
            &fit->exec, fit->model, (tmb__span){.from = fit->train->cut}, device, batch, &spec));
    TMB_TRY(tmb__exec_push(fit->exec, fit->model));
    TMB_TRY(tmb__optimizer_ready(fit->model));
    TMB_TRY(tmb__exec_push_optimizer(fit->exec, fit->model));
    fit->steps_before = fit->model->optimizer->steps;
    if (validation)
        TMB_TRY(tmb__scorer_above(
                &fit->scorer, fit->model, validation->cut, device, validation->batch));
    tmb__monitor_start(&fit->monitor);
    fit->per_epoch = (fit->train->n + batch - 1) / batch;
    fit->epochs = TMB_MAX(fit->opts->epochs, 1);
    fit->total = fit->per_epoch * fit->epochs;
    fit->training->n_history = 0;
    fit->started = tmb__now();
    forget_unknown(fit->model);
    if (fit->opts->resume && tmb__file_exists(fit->opts->checkpoint) == 1)
        return tmb__checkpoint_load(fit);
    return 0;
}

static void finish(tmb__fit *fit)
{
    tmb__exec_free(fit->exec);
    tmb__scorer_free(&fit->scorer);
    tmb__free(fit->targets);
    tmb__free(fit->weight);
    tmb__free(fit->loss);
    tmb__free(fit->scores);
    tmb__free(fit->class_weight);
    tmb__free(fit->raw);
    tmb__free(fit->best);
}

/* ---- a step ---- */

static int fill_targets(tmb__fit *fit, const tmb_batch *batch)
{
    for (int i = 0; i < batch->count; i++) {
        const int label = batch->label ? batch->label[i] : -1;

        fit->weight[i] = batch->weight ? batch->weight[i] : 1;
        if (fit->class_weight && label >= 0) fit->weight[i] *= fit->class_weight[label];
    }
    return tmb__truth_fill(&fit->truth, batch, fit->targets);
}

static int diverged(tmb__fit *fit, const tmb__step *step)
{
    int status;

    TMB_TRY(tmb__exec_pull(fit->exec, fit->model, fit->training->opts.average > 0));
    status = tmb__fail(TMB_EDIVERGED, "epoch %d, step %lld: loss or gradient is not finite",
            fit->epoch + 1, (long long)fit->batch + 1);
    tmb__detail("gradient norm %g at learning rate %g; the weights are those before this step",
            step->norm, (double)step->lr);
    tmb__hint("lower the learning rate, or clip the gradient");
    return status;
}

static double rate_of(const tmb__fit *fit, int64_t step)
{
    const double lr = fit->opts->schedule
            ? fit->set_lr
            : tmb__schedule_lr(&fit->training->opts, step, fit->total, fit->per_epoch);

    return fit->monitor.lr_scale * lr;
}

static int one_step(tmb__fit *fit, const tmb_batch *batch)
{
    tmb__step step = {.x = batch->x,
            .targets = fit->targets,
            .n = batch->count,
            .weight = fit->weight,
            .seed = fit->training->opts.seed,
            .step = fit->steps_before + fit->step,
            .loss = fit->loss,
            .scores = fit->scores};
    double sum = 0;

    TMB_TRY(fill_targets(fit, batch));
    step.lr = (float)rate_of(fit, fit->step);
    TMB_TRY(tmb__exec_step(fit->exec, &step));
    for (int i = 0; i < batch->count; i++) {
        sum += fit->loss[i];
        fit->right += tmb__truth_right(&fit->truth, fit->scores + i * fit->outputs,
                fit->targets + i * fit->truth.columns, batch->label ? batch->label[i] : -1);
    }
    if (!isfinite(sum) || !isfinite(step.norm)) return diverged(fit, &step);
    fit->loss_sum += (fit->truth.attr.sum ? sum * batch->count : sum) + step.penalty * batch->count;
    fit->seen += batch->count;
    fit->step++;
    fit->batch++;
    return 0;
}

static double accuracy_of(const tmb__fit *fit)
{
    return (double)fit->right / (double)TMB_MAX(tmb__truth_judged(&fit->truth, fit->seen), 1);
}

static int report_step(tmb__fit *fit, bool validating, int64_t done)
{
    double spent = tmb__now() - fit->steps_started;
    double rate = spent > 0 ? (double)(fit->seen - fit->epoch_first) / spent : 0;
    tmb_progress progress = {.epoch = fit->epoch + 1,
            .epochs = fit->epochs,
            .step = validating ? done : fit->batch,
            .steps = validating ? fit->validation->n : fit->per_epoch,
            .loss = fit->loss_sum / (double)TMB_MAX(fit->seen, 1),
            .accuracy = accuracy_of(fit),
            .images_per_second = rate,
            .eta = rate > 0 ? (double)(fit->train->n - fit->seen) / rate : 0,
            .validating = validating};

    return fit->opts->on_step ? fit->opts->on_step(fit->opts->user, &progress) : GO_ON;
}

/* ---- an epoch ---- */

/* Keras' LearningRateScheduler: the caller's function has the last word on the epoch's rate. */
static int ask_rate(tmb__fit *fit)
{
    const double before = fit->monitor.lr_scale *
            (fit->set_lr > 0 ? fit->set_lr : (double)fit->training->opts.lr);
    const double lr = fit->opts->schedule(fit->opts->user, fit->epoch, before);

    if (!(lr >= 0 && isfinite(lr)))
        return tmb__fail(TMB_EINVAL, "fit: schedule gave the rate %g for epoch %d", lr, fit->epoch);
    fit->set_lr = lr / fit->monitor.lr_scale;
    return 0;
}

static int train_batches(tmb__fit *fit)
{
    const tmb__source *train = fit->train;
    tmb_batch batch;
    int more;

    fit->epoch_started = tmb__now();
    fit->epoch_first = fit->seen;
    TMB_TRY(train->epoch(train->data, fit->epoch, fit->batch)); /* computes what is to be kept */
    fit->steps_started = tmb__now();
    fit->waited = 0;
    if (fit->opts->schedule && fit->batch == 0) TMB_TRY(ask_rate(fit));
    for (;;) {
        double before = tmb__now();

        if (fit->opts->stop && *fit->opts->stop) return TMB_ESTOPPED;
        more = train->next(train->data, &batch);
        if (more <= 0) break;
        fit->waited += tmb__now() - before;
        TMB_TRY(one_step(fit, &batch));
        if (report_step(fit, false, 0)) return TMB_ESTOPPED;
    }
    fit->trained = tmb__now() - fit->steps_started;
    return more;
}

/* A stop between two batches of validation: the epoch stays open and validates again when resumed. */
static int on_validated(void *user, int64_t done)
{
    tmb__fit *fit = user;
    int enough = report_step(fit, true, done);

    return enough || (fit->opts->stop && *fit->opts->stop);
}

static int validate(tmb__fit *fit, tmb_epoch *epoch)
{
    const double start = tmb__trace_now(fit->trace);
    tmb__pass pass;

    if (!fit->scorer.exec) return 0;
    TMB_TRY(tmb__exec_push(fit->scorer.exec, fit->model));
    TMB_TRY(tmb__scorer_pass(
            &fit->scorer, fit->model, fit->validation, &pass, NULL, on_validated, fit));
    epoch->validated = true;
    epoch->val_loss = pass.loss;
    epoch->val_auc = tmb__curve_roc(&pass.curve);
    epoch->val_accuracy = tmb_share_of(pass.right, pass.judged);
    tmb__trace_add(fit->trace,
            (tmb__event){TMB_EVENT_VALIDATION, .number = epoch->number, .start = start});
    return 0;
}

static tmb_epoch epoch_figures(const tmb__fit *fit)
{
    double seen = (double)TMB_MAX(fit->seen, 1);

    return (tmb_epoch){.number = fit->epoch + 1,
            .epochs = fit->epochs,
            .loss = fit->loss_sum / seen,
            .accuracy = accuracy_of(fit),
            .lr = rate_of(fit, TMB_MAX(fit->step - 1, 0)),
            .data_wait = fit->waited,
            .images_per_second =
                    fit->trained > 0 ? (double)(fit->seen - fit->epoch_first) / fit->trained : 0};
}

/* Close the epoch: figures, history, best weights, position moved on, checkpoint. */
static int end_epoch(tmb__fit *fit, bool fresh)
{
    tmb_epoch epoch = epoch_figures(fit);
    int enough;

    TMB_TRY(tmb__exec_pull(fit->exec, fit->model, fit->training->opts.average > 0));
    TMB_TRY(validate(fit, &epoch));
    epoch.seconds = tmb__now() - fit->epoch_started;
    epoch.best = tmb__monitor_epoch(&fit->monitor, fit->opts, &epoch);
    if (epoch.best)
        memcpy(fit->best, fit->model->weights, (size_t)fit->model->n_weights * sizeof *fit->best);
    TMB_TRY(tmb__training_add_epoch(fit->training, &epoch));
    tmb__history_write(fit->opts, fit->training, fresh);
    fit->epoch++;
    fit->batch = fit->seen = fit->right = 0;
    fit->loss_sum = 0;
    if (fit->opts->checkpoint) TMB_TRY(tmb__checkpoint_save(fit));
    TMB_TRY(tmb__save_epoch(fit->model, fit->training, fit->opts));
    tmb__trace_add(fit->trace,
            (tmb__event){TMB_EVENT_EPOCH, .number = fit->epoch, .start = fit->epoch_started});
    enough = fit->opts->on_epoch ? fit->opts->on_epoch(fit->opts->user, &epoch) : GO_ON;
    if (fit->opts->time_limit > 0 && tmb__now() - fit->started > fit->opts->time_limit)
        enough = ENOUGH;
    return enough || tmb__monitor_done(&fit->monitor, fit->opts) ? ENOUGH : GO_ON;
}

/* Stopped inside an epoch: keep where we are. */
static int save_stopped(tmb__fit *fit)
{
    TMB_TRY(tmb__exec_pull(fit->exec, fit->model, fit->training->opts.average > 0));
    if (fit->opts->checkpoint) TMB_TRY(tmb__checkpoint_save(fit));
    tmb__fail(TMB_ESTOPPED, "stopped in epoch %d after step %lld of %lld", fit->epoch + 1,
            (long long)fit->batch, (long long)fit->per_epoch);
    if (fit->opts->checkpoint)
        tmb__hint("saved to %s; resume goes on from there", fit->opts->checkpoint);
    return TMB_ESTOPPED;
}

/* The photos became unusable: keep where we are, say what went wrong. */
static int save_failed(tmb__fit *fit, int status)
{
    tmb__failure failure;

    tmb__failure_save(&failure, status);
    TMB_TRY(tmb__exec_pull(fit->exec, fit->model, fit->training->opts.average > 0));
    if (fit->opts->checkpoint) TMB_TRY(tmb__checkpoint_save(fit));
    status = tmb__failure_raise(&failure);
    if (fit->opts->checkpoint)
        tmb__hint("saved to %s; put the photos back and resume", fit->opts->checkpoint);
    return status;
}

/* The slots of a fit that failed are of other weights than the model's: they are dropped. */
static int keep_optimizer(tmb__fit *fit, int status)
{
    tmb__optimizer *o = fit->model->optimizer;
    tmb__failure failure;

    if (status == 0 || status == TMB_ESTOPPED || status == TMB_EDIVERGED) {
        tmb__failure_save(&failure, status);
        TMB_TRY(tmb__exec_pull_optimizer(fit->exec, fit->model));
        o->steps = fit->steps_before + fit->step;
        return status < 0 ? tmb__failure_raise(&failure) : 0;
    }
    tmb__free(o->parts);
    o->parts = NULL;
    o->n_parts = 0;
    return status;
}

static int run(tmb__fit *fit)
{
    int first = fit->epoch, status = GO_ON;

    if (tmb__monitor_done(&fit->monitor, fit->opts)) status = ENOUGH;
    while (status == GO_ON && fit->epoch < fit->epochs) {
        status = train_batches(fit);
        if (status == 0) status = end_epoch(fit, fit->epoch == first);
        if (status == TMB_ESTOPPED) return save_stopped(fit);
        if (status == TMB_EDATA) return save_failed(fit, status);
    }
    if (status < 0) return status;
    if (fit->opts->restore_best && fit->monitor.best_epoch > 0)
        memcpy(fit->model->weights, fit->best, (size_t)fit->model->n_weights * sizeof *fit->best);
    tmb__model_touch(fit->model);
    return 0;
}

int tmb__fit_run(tmb_model *model, const tmb__source *train, const tmb__source *validation,
        const tmb_fit_opts *opts)
{
    tmb__fit fit = {.model = model, .train = train, .validation = validation, .opts = opts};
    int status;

    TMB_TRY(check(model, train, validation, opts));
    fit.training = tmb__training_of(model);
    fit.outputs = tmb_model_outputs(model);
    status = start(&fit);
    if (status == 0) status = keep_optimizer(&fit, run(&fit));
    finish(&fit);
    return status;
}

/* Put what is kept of the frozen part in the place of the photos. */
static int keep_frozen(tmb_model *model, tmb_images *train, tmb__source source[2],
        tmb__kept *kept[2], const tmb_fit_opts *opts)
{
    const tmb_layer cut = tmb__model_frozen_cut(model);
    tmb_device *device;

    if (opts->kept_views < 0 || opts->kept_bytes < 0)
        return tmb__fail(TMB_EINVAL,
                "fit: kept_views is %d and kept_bytes %lld, 0 or more expected", opts->kept_views,
                (long long)opts->kept_bytes);
    if (opts->kept_views == 0) return 0;
    if (tmb__source_mode(&source[0]) > TMB_CLASS_BINARY || source[0].photos->weight_column)
        return tmb__fail(
                TMB_EINVAL, "fit: kept_views needs class numbers and photos of one weight");
    if (cut <= 1) {
        tmb__fail(TMB_EINVAL, "fit: nothing can be kept, the net's first layers are trained");
        tmb__hint("freeze them, or leave kept_views out");
        return TMB_EINVAL;
    }
    TMB_TRY(tmb__source_check(&source[0], model));
    TMB_TRY(adopt_data(model, &source[0], opts->validation ? &source[1] : NULL));
    TMB_TRY(tmb__model_device(model, &device));
    TMB_TRY(tmb__kept_new(&kept[0], &source[0], train, model, cut, device, opts));
    if (!opts->validation || !kept[0]) return 0;
    TMB_TRY(tmb__source_check(&source[1], model));
    return tmb__kept_new(&kept[1], &source[1], opts->validation, model, cut, device, opts);
}

static void trace_loading(tmb_images *train, tmb_images *validation, tmb__trace *trace)
{
    tmb__images_trace(train, trace);
    if (validation) tmb__images_trace(validation, trace);
}

int tmb_model_fit(tmb_model *model, tmb_images *train, const tmb_fit_opts *opts)
{
    const tmb_fit_opts none = {0};
    tmb__source source[2] = {{0}};
    tmb__kept *kept[2] = {NULL};
    int status;

    if (!model || !train) return tmb__fail(TMB_EINVAL, "fit: model or images is NULL");
    if (!opts) opts = &none;
    source[0] = tmb__source_photos(train);
    if (opts->validation) source[1] = tmb__source_photos(opts->validation);
    trace_loading(train, opts->validation, tmb__device_trace(model->device));
    status = keep_frozen(model, train, source, kept, opts);
    if (status == 0)
        status = tmb__fit_run(model, &source[0], opts->validation ? &source[1] : NULL, opts);
    tmb__kept_free(kept[0]);
    tmb__kept_free(kept[1]);
    trace_loading(train, opts->validation, NULL);
    return status;
}
