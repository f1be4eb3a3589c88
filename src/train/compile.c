/* compile.c - make a net ready to train: loss, optimizer and schedule with Keras' defaults filled in */
#include "train/train.h"

#include <float.h>
#include <math.h>

static void training_free(void *user)
{
    tmb__training *training = user;

    tmb__free(training->history);
    tmb__free(training);
}

tmb__training *tmb__training_of(const tmb_model *model)
{
    return model->training_free == training_free ? model->training : NULL;
}

int tmb__training_add_epoch(tmb__training *training, const tmb_epoch *epoch)
{
    if (training->n_history == training->cap_history) {
        int cap = TMB_MAX(64, training->cap_history * 2);
        tmb_epoch *grown = tmb__realloc(training->history, (size_t)cap, sizeof *grown);

        if (!grown) return TMB_ENOMEM;
        training->history = grown;
        training->cap_history = cap;
    }
    training->history[training->n_history++] = *epoch;
    return 0;
}

tmb__train_spec tmb__training_spec(const tmb__training *training)
{
    const tmb_compile_opts *o = &training->opts;

    return (tmb__train_spec){.loss = o->loss,
            .label_smoothing = o->label_smoothing,
            .gamma = o->gamma,
            .alpha = o->alpha,
            .balanced = o->class_balancing,
            .delta = o->delta,
            .sum = o->loss_sum,
            .clip_loss = o->clip_loss,
            .optimizer = o->optimizer,
            .momentum = o->momentum,
            .rho = o->rho,
            .beta1 = o->beta1,
            .beta2 = o->beta2,
            .epsilon = o->epsilon,
            .weight_decay = o->weight_decay,
            .clip_norm = o->clip_norm,
            .clip_each = o->clip_norm_each,
            .clip_value = o->clip_value,
            .layer_decay = o->layer_decay,
            .start_penalty = o->start_penalty,
            .accumulator = o->optimizer == TMB_ADAGRAD ? o->accumulator : 0,
            .centered = o->centered,
            .average = o->average,
            .nesterov = o->nesterov,
            .epsilon_outside = o->epsilon_outside,
            .amsgrad = o->amsgrad};
}

static void set_default(float *field, float value)
{
    if (*field == 0) *field = value;
}

static void fill_defaults(tmb_compile_opts *opts, int outputs)
{
    if (!opts->loss)
        opts->loss = outputs == 1 ? TMB_BINARY_CROSSENTROPY : TMB_CATEGORICAL_CROSSENTROPY;
    set_default(&opts->lr, opts->optimizer == TMB_SGD ? 0.01f : 0.001f);
    set_default(&opts->rho, opts->optimizer == TMB_ADADELTA ? 0.95f : 0.9f);
    set_default(&opts->beta1, 0.9f);
    set_default(&opts->beta2, opts->optimizer == TMB_LION ? 0.99f : 0.999f);
    set_default(&opts->epsilon, opts->epsilon_outside ? 1e-8f : 1e-7f);
    if (opts->optimizer == TMB_ADAGRAD && !opts->epsilon_outside)
        set_default(&opts->accumulator, 0.1f);
    set_default(&opts->gamma, 2);
    set_default(&opts->alpha, 0.25f);
    set_default(&opts->delta, 1);
    set_default(&opts->decay.end, 1e-4f);
    set_default(&opts->decay.power, 1);
    set_default(&opts->decay.t_mul, 2);
    set_default(&opts->decay.m_mul, 1);
    set_default(&opts->factor, 0.1f);
    if (opts->optimizer == TMB_ADAMW) set_default(&opts->weight_decay, 0.004f);
    if (opts->schedule == TMB_ONECYCLE) set_default(&opts->warmup, 0.3f);
    if (opts->every == 0) opts->every = 10;
}

/* One option with the range it may have. */
typedef struct range_check {
    const char *name;
    float value, low, high;
} range_check;

static int check_opts(const tmb_compile_opts *opts)
{
    const range_check checks[] = {{"lr", opts->lr, 0, FLT_MAX}, {"momentum", opts->momentum, 0, 1},
            {"rho", opts->rho, 0, 1}, {"beta1", opts->beta1, 0, 1}, {"beta2", opts->beta2, 0, 1},
            {"epsilon", opts->epsilon, 0, 1}, {"weight_decay", opts->weight_decay, 0, 1e4f},
            {"clip_norm", opts->clip_norm, 0, 1e30f},
            {"clip_norm_each", opts->clip_norm_each, 0, 1e30f},
            {"clip_value", opts->clip_value, 0, 1e30f}, {"l1", opts->l1, 0, 1e30f},
            {"l2", opts->l2, 0, 1e30f}, {"layer_decay", opts->layer_decay, 0, 1},
            {"start_penalty", opts->start_penalty, 0, 1e30f}, {"gamma", opts->gamma, 0, 100},
            {"alpha", opts->alpha, 0, 1}, {"delta", opts->delta, 0, 1e30f},
            {"accumulator", opts->accumulator, 0, 1e30f}, {"average", opts->average, 0, 1},
            {"label_smoothing", opts->label_smoothing, 0, 1}, {"warmup", opts->warmup, 0, 1},
            {"floor", opts->floor, 0, 1}, {"factor", opts->factor, 0, 1}};

    for (size_t i = 0; i < TMB_COUNT(checks); i++) {
        const range_check *c = &checks[i];

        if (!(c->value >= c->low && c->value <= c->high))
            return tmb__fail(TMB_EINVAL, "compile: %s is %g, it must be from %g to %g", c->name,
                    (double)c->value, (double)c->low, (double)c->high);
    }
    if ((int)opts->optimizer < 0 || opts->optimizer >= TMB_OPTIMIZERS)
        return tmb__fail(TMB_EINVAL, "compile: there is no optimizer number %d", opts->optimizer);
    if ((int)opts->schedule < 0 || opts->schedule >= TMB_SCHEDULES)
        return tmb__fail(TMB_EINVAL, "compile: there is no schedule number %d", opts->schedule);
    if ((opts->clip_norm > 0) + (opts->clip_norm_each > 0) + (opts->clip_value > 0) > 1)
        return tmb__fail(TMB_EINVAL,
                "compile: only one of clip_norm, clip_norm_each and clip_value can be given");
    if (opts->every < 1) return tmb__fail(TMB_EINVAL, "compile: every is %d, below 1", opts->every);
    return 0;
}

static int check_decay(const tmb_compile_opts *opts)
{
    const tmb_decay *d = &opts->decay;
    const bool rate = opts->schedule <= TMB_INVERSE_TIME_DECAY;

    if (opts->schedule < TMB_EXPONENTIAL_DECAY) return 0;
    if (opts->warmup > 0)
        return tmb__fail(TMB_EINVAL, "compile: warmup is a share; this schedule counts steps");
    if (opts->schedule != TMB_PIECEWISE_CONSTANT && d->steps < 1)
        return tmb__fail(TMB_EINVAL, "compile: decay.steps is %lld, at least 1 expected",
                (long long)d->steps);
    if (rate && !(d->rate > 0 && isfinite(d->rate)))
        return tmb__fail(
                TMB_EINVAL, "compile: decay.rate is %g, above 0 expected", (double)d->rate);
    if (!(d->t_mul >= 1 && d->m_mul > 0 && d->alpha >= 0 && d->alpha <= 1 && d->power > 0) ||
            d->warmup_steps < 0 || (d->warmup_target > 0 && d->warmup_steps < 1))
        return tmb__fail(TMB_EINVAL,
                "compile: decay: t_mul from 1 on, m_mul and power above 0, alpha in [0, 1] and "
                "warmup_steps with warmup_target expected");
    if (opts->schedule != TMB_PIECEWISE_CONSTANT) return 0;
    if (d->pieces < 1 || d->pieces > TMB_PIECES)
        return tmb__fail(
                TMB_EINVAL, "compile: decay.pieces is %d, 1 to %d expected", d->pieces, TMB_PIECES);
    for (int i = 0; i < d->pieces; i++) {
        if (!(d->values[i] >= 0 && isfinite(d->values[i])) ||
                (i > 1 && d->boundaries[i - 1] <= d->boundaries[i - 2]))
            return tmb__fail(
                    TMB_EINVAL, "compile: decay: value %d or its boundary makes no sense", i);
    }
    return 0;
}

static int check_loss(const tmb_compile_opts *opts, int outputs)
{
    if ((int)opts->loss < TMB_BINARY_CROSSENTROPY || opts->loss >= TMB_LOSSES)
        return tmb__fail(TMB_EINVAL, "compile: there is no loss number %d", (int)opts->loss);
    if (outputs == 1 && tmb__loss_by_class(opts->loss))
        return tmb__fail(TMB_EINVAL,
                "compile: categorical cross-entropy needs one output a class, the net has 1");
    if (opts->loss == TMB_SPARSE_CATEGORICAL_CROSSENTROPY && opts->label_smoothing > 0)
        return tmb__fail(TMB_EINVAL,
                "compile: label smoothing needs the categorical loss, the sparse one has none");
    return 0;
}

/* Kernels are weights of rank 2 and up, as for weight decay. */
static void penalize_kernels(tmb_model *model, const tmb_compile_opts *opts)
{
    for (int k = 0; k < model->n_layers; k++) {
        tmb__layer *layer = &model->layers[k];

        for (int i = 0; layer->trainable && i < layer->n_weights; i++) {
            tmb__weight *weight = &layer->weight[i];

            if (weight->shape.rank < 2) continue;
            weight->l1 = TMB_MAX(weight->l1, opts->l1);
            weight->l2 = TMB_MAX(weight->l2, opts->l2);
        }
    }
}

int tmb_model_compile(tmb_model *model, const tmb_compile_opts *opts)
{
    tmb_compile_opts filled = opts ? *opts : (tmb_compile_opts){0};
    tmb__training *training;

    if (!model) return tmb__fail(TMB_EINVAL, "compile: model is NULL");
    TMB_TRY(tmb__model_validate(model));
    fill_defaults(&filled, tmb_model_outputs(model));
    TMB_TRY(check_opts(&filled));
    TMB_TRY(check_decay(&filled));
    TMB_TRY(check_loss(&filled, tmb_model_outputs(model)));
    training = tmb__calloc(1, sizeof *training);
    if (!training) return TMB_ENOMEM;
    training->opts = filled;
    if (tmb__optimizer_set(model, &filled, filled.keep_weights) < 0) {
        tmb__free(training);
        return TMB_ENOMEM;
    }
    penalize_kernels(model, &filled);
    if (model->training_free) model->training_free(model->training);
    model->training = training;
    model->training_free = training_free;
    if (filled.device) TMB_TRY(tmb_model_set_device(model, filled.device));
    if (filled.keep_weights) return 0;
    return tmb_model_init(model, filled.seed);
}

int tmb_model_history(const tmb_model *model, const tmb_epoch **epochs)
{
    const tmb__training *training = model ? tmb__training_of(model) : NULL;

    if (epochs) *epochs = training ? training->history : NULL;
    return training ? training->n_history : 0;
}
