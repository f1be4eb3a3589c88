/* train_options.c - the command line's losses, optimizers, schedules and callbacks, by Keras' names
 *
 * A word may bring its parameters: --schedule exponential:steps=1000,rate=0.9,staircase. One table says
 * which words know which, and where the library keeps them; there 0 is Keras' default, so that a
 * parameter must be above 0 unless 0 is its default anyway. */
#include "train_options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- WORD:name=value,name,... ---- */

typedef enum parameter_type {
    IS_ABOVE_0,
    IS_FROM_0, /* and the library wants below 0 where 0 is meant */
    IS_SHARE,  /* 0 to 1 */
    IS_STEPS,
    IS_EPOCHS,
    IS_LIST, /* of floats, between slashes */
    IS_STEP_LIST,
    IS_FLAG
} parameter_type;

typedef struct parameter {
    option_id option;
    uint32_t words; /* those that know it: a bit for each choice */
    const char *name;
    parameter_type type;
    size_t offset; /* in tmb_compile_opts */
} parameter;

#define LOSS(name)  (1u << (TMB_##name - TMB_BINARY_CROSSENTROPY))
#define CURVE(name) (1u << TMB_##name)
#define FIELD(name) offsetof(tmb_compile_opts, name)
#define CROSSENTROPIES                                                                             \
    (LOSS(BINARY_CROSSENTROPY) | LOSS(CATEGORICAL_CROSSENTROPY) |                                  \
            LOSS(SPARSE_CATEGORICAL_CROSSENTROPY))
#define FOCAL    (LOSS(BINARY_FOCAL) | LOSS(CATEGORICAL_FOCAL))
#define BY_RATE  (CURVE(EXPONENTIAL_DECAY) | CURVE(INVERSE_TIME_DECAY))
#define BY_STEPS (BY_RATE | CURVE(POLYNOMIAL_DECAY) | CURVE(COSINE_DECAY) | CURVE(COSINE_RESTARTS))

static const parameter parameters[] = {
        {OPT_LOSS, FOCAL, "gamma", IS_ABOVE_0, FIELD(gamma)},
        {OPT_LOSS, FOCAL, "alpha", IS_ABOVE_0, FIELD(alpha)},
        {OPT_LOSS, LOSS(BINARY_FOCAL), "class_balancing", IS_FLAG, FIELD(class_balancing)},
        {OPT_LOSS, LOSS(HUBER), "delta", IS_ABOVE_0, FIELD(delta)},
        {OPT_LOSS, CROSSENTROPIES, "clip", IS_FLAG, FIELD(clip_loss)},
        {OPT_SCHEDULE, CURVE(STEP), "factor", IS_ABOVE_0, FIELD(factor)},
        {OPT_SCHEDULE, CURVE(STEP), "every", IS_EPOCHS, FIELD(every)},
        {OPT_SCHEDULE, CURVE(COSINE) | CURVE(ONECYCLE), "floor", IS_SHARE, FIELD(floor)},
        {OPT_SCHEDULE, BY_STEPS, "steps", IS_STEPS, FIELD(decay.steps)},
        {OPT_SCHEDULE, BY_RATE, "rate", IS_ABOVE_0, FIELD(decay.rate)},
        {OPT_SCHEDULE, BY_RATE, "staircase", IS_FLAG, FIELD(decay.staircase)},
        {OPT_SCHEDULE, CURVE(POLYNOMIAL_DECAY), "end", IS_FROM_0, FIELD(decay.end)},
        {OPT_SCHEDULE, CURVE(POLYNOMIAL_DECAY), "power", IS_ABOVE_0, FIELD(decay.power)},
        {OPT_SCHEDULE, CURVE(POLYNOMIAL_DECAY), "cycle", IS_FLAG, FIELD(decay.cycle)},
        {OPT_SCHEDULE, CURVE(COSINE_DECAY) | CURVE(COSINE_RESTARTS), "alpha", IS_SHARE,
                FIELD(decay.alpha)},
        {OPT_SCHEDULE, CURVE(COSINE_DECAY), "warmup_target", IS_ABOVE_0,
                FIELD(decay.warmup_target)},
        {OPT_SCHEDULE, CURVE(COSINE_DECAY), "warmup_steps", IS_STEPS, FIELD(decay.warmup_steps)},
        {OPT_SCHEDULE, CURVE(COSINE_RESTARTS), "t_mul", IS_ABOVE_0, FIELD(decay.t_mul)},
        {OPT_SCHEDULE, CURVE(COSINE_RESTARTS), "m_mul", IS_ABOVE_0, FIELD(decay.m_mul)},
        {OPT_SCHEDULE, CURVE(PIECEWISE_CONSTANT), "boundaries", IS_STEP_LIST,
                FIELD(decay.boundaries)},
        {OPT_SCHEDULE, CURVE(PIECEWISE_CONSTANT), "values", IS_LIST, FIELD(decay.values)},
};

static int word_length(const char *text)
{
    return (int)strcspn(text, ":");
}

/* No such parameter: those that the word knows. */
static int refuse_name(option_id option, const option_value *value, const char *name)
{
    char list[256] = "";
    size_t length = 0;

    for (size_t i = 0; i < TMB_COUNT(parameters); i++) {
        const parameter *p = &parameters[i];

        if (p->option != option || !(p->words >> value->choice & 1)) continue;
        length += (size_t)snprintf(
                list + length, sizeof list - length, "%s%s", length ? ", " : "", p->name);
    }
    tmb__fail(TMB_EINVAL, "--%s %.*s has no parameter \"%s\"", option_table[option].name,
            word_length(value->text[0]), value->text[0], tmb__printable(name));
    tmb__hint("it has %s", length ? list : "none");
    return TMB_EINVAL;
}

static const parameter *find(option_id option, int choice, const char *name)
{
    for (size_t i = 0; i < TMB_COUNT(parameters); i++) {
        const parameter *p = &parameters[i];

        if (p->option == option && p->words >> choice & 1 && strcmp(p->name, name) == 0) return p;
    }
    return NULL;
}

static int refuse_value(const parameter *p, const char *value, const char *wanted)
{
    return tmb__fail(TMB_EINVAL, "--%s: %s \"%s\": expected %s", option_table[p->option].name,
            p->name, tmb__printable(value), wanted);
}

/* "0.1/0.01/0.001" */
static int read_list(const parameter *p, tmb_compile_opts *out, const char *text)
{
    const bool whole = p->type == IS_STEP_LIST;
    const int most = whole ? TMB_PIECES - 1 : TMB_PIECES;
    char item[32];
    int n = 0;

    for (const char *at = text;; n++) {
        const size_t length = strcspn(at, "/");
        int64_t step;
        double value;

        if (n == most || length >= sizeof item)
            return refuse_value(p, text, "at most 16 numbers between slashes");
        memcpy(item, at, length);
        item[length] = 0;
        if (whole ? !tmb__parse_int(item, &step) || step < 1 : !tmb__parse_double(item, &value))
            return refuse_value(
                    p, text, whole ? "steps such as 100/500" : "rates such as 0.1/0.01");
        if (whole)
            out->decay.boundaries[n] = step;
        else
            out->decay.values[n] = (float)value;
        at += length;
        if (!*at++) break;
    }
    /* One more value than boundaries; told apart when both are known. */
    if (!whole) out->decay.pieces = n + 1;
    return 0;
}

static int read_number(const parameter *p, float *field, const char *text)
{
    double value;

    if (!tmb__parse_double(text, &value)) return refuse_value(p, text, "a number");
    if (p->type == IS_ABOVE_0 && !(value > 0)) return refuse_value(p, text, "a number above 0");
    if (value < 0 || (p->type == IS_SHARE && value > 1))
        return refuse_value(
                p, text, p->type == IS_SHARE ? "a number from 0 to 1" : "a number from 0 on");
    *field = (float)value;
    if (p->type == IS_FROM_0 && value == 0) *field = -1;
    return 0;
}

static int read_value(const parameter *p, tmb_compile_opts *out, const char *text)
{
    void *field = (char *)out + p->offset;
    int64_t whole;

    switch (p->type) {
    case IS_FLAG:
        if (text) return refuse_value(p, text, "no value");
        *(bool *)field = true;
        return 0;
    case IS_STEPS:
    case IS_EPOCHS:
        if (!text || !tmb__parse_int(text, &whole) || whole < 1 || whole > INT32_MAX)
            return refuse_value(p, text ? text : "", "a whole number from 1 on");
        if (p->type == IS_STEPS)
            *(int64_t *)field = whole;
        else
            *(int *)field = (int)whole;
        return 0;
    case IS_LIST:
    case IS_STEP_LIST:
        return read_list(p, out, text ? text : "");
    default:
        return read_number(p, field, text ? text : "");
    }
}

/* The parameters behind the word of an option, if it has any. */
static int read_parameters(tmb_compile_opts *out, option_id option, const options *opts)
{
    const char *text = opt_text(opts, option, ""), *at = text + word_length(text);
    char item[256];

    while (*at++) {
        const size_t length = strcspn(at, ",");
        const parameter *p;
        char *value;

        snprintf(item, sizeof item, "%.*s", (int)TMB_MIN(length, sizeof item - 1), at);
        value = strchr(item, '=');
        if (value) *value++ = 0;
        p = find(option, opts->value[option].choice, item);
        if (!p) return refuse_name(option, &opts->value[option], item);
        TMB_TRY(read_value(p, out, value));
        at += length;
    }
    return 0;
}

/* ---- what compile is told ---- */

static int refuse_schedule(const char *text, const char *what, const char *example)
{
    tmb__fail(TMB_EINVAL, "--schedule %.*s: %s", word_length(text), text, what);
    tmb__hint("--schedule %.*s:%s", word_length(text), text, example);
    return TMB_EINVAL;
}

/* What Keras requires; and a new schedule has nothing of the recipe's. */
static int read_schedule(tmb_compile_opts *out, const options *opts)
{
    const char *text = opt_text(opts, OPT_SCHEDULE, "");
    const tmb_decay *d = &out->decay;
    int boundaries = 0;

    if (!opt_given(opts, OPT_SCHEDULE)) return 0;
    out->schedule = (tmb_schedule)opts->value[OPT_SCHEDULE].choice;
    if (out->schedule >= TMB_EXPONENTIAL_DECAY) out->warmup = 0;
    TMB_TRY(read_parameters(out, OPT_SCHEDULE, opts));
    if (BY_RATE >> out->schedule & 1 && (d->steps == 0 || d->rate == 0))
        return refuse_schedule(text, "steps or rate is missing", "steps=1000,rate=0.9,staircase");
    if (BY_STEPS >> out->schedule & 1 && d->steps == 0)
        return refuse_schedule(text, "steps is missing", "steps=1000");
    while (boundaries < TMB_PIECES - 1 && d->boundaries[boundaries] > 0)
        boundaries++;
    if (out->schedule == TMB_PIECEWISE_CONSTANT && d->pieces != boundaries + 1)
        return refuse_schedule(text, "one more value than boundaries expected",
                "boundaries=1000/2000,values=0.01/0.001/0.0001");
    return 0;
}

#define OPTIMIZER(name) (1u << TMB_##name)
#define ADAMS           (OPTIMIZER(ADAM) | OPTIMIZER(ADAMW))
#define BY_MOMENTS      (ADAMS | OPTIMIZER(ADAMAX) | OPTIMIZER(NADAM) | OPTIMIZER(LION))

/* An option that the chosen optimizer does not have would be ignored without a word. */
static int check_optimizer(tmb_optimizer chosen, const options *opts)
{
    static const struct {
        option_id id;
        uint32_t of;
    } rules[] = {{OPT_MOMENTUM, OPTIMIZER(SGD) | OPTIMIZER(RMSPROP)},
            {OPT_NESTEROV, OPTIMIZER(SGD)}, {OPT_CENTERED, OPTIMIZER(RMSPROP)},
            {OPT_RHO, OPTIMIZER(RMSPROP) | OPTIMIZER(ADADELTA)}, {OPT_AMSGRAD, ADAMS},
            {OPT_BETA1, BY_MOMENTS}, {OPT_BETA2, BY_MOMENTS},
            {OPT_EPSILON, ~(OPTIMIZER(SGD) | OPTIMIZER(LION))}};
    char others[128] = "";
    size_t at = 0;
    int length;
    const char *word;

    for (size_t i = 0; i < TMB_COUNT(rules); i++) {
        if (!opt_given(opts, rules[i].id) || rules[i].of >> chosen & 1) continue;
        for (int k = 0; (word = opt_word(OPT_OPT, k, &length)); k++) {
            if (rules[i].of >> k & 1)
                at += (size_t)snprintf(
                        others + at, sizeof others - at, "%s%.*s", at ? ", " : "", length, word);
        }
        word = opt_word(OPT_OPT, (int)chosen, &length);
        tmb__fail(TMB_EINVAL, "--%s: %.*s has no such thing", option_table[rules[i].id].name,
                length, word);
        tmb__hint("--opt may be %s", others);
        return TMB_EINVAL;
    }
    return 0;
}

static void set_number(float *field, const options *opts, option_id id)
{
    *field = (float)opt_number(opts, id, (double)*field);
}

static void read_optimizer(tmb_compile_opts *out, const options *opts)
{
    const tmb_optimizer chosen = (tmb_optimizer)opt_choice(opts, OPT_OPT, (int)out->optimizer);

    /* Another optimizer wants its own rate and constants, not the recipe's. */
    if (chosen != out->optimizer) {
        out->lr = out->momentum = out->rho = out->epsilon = 0;
        out->nesterov = out->epsilon_outside = false;
    }
    out->optimizer = chosen;
    set_number(&out->lr, opts, OPT_LR);
    set_number(&out->momentum, opts, OPT_MOMENTUM);
    set_number(&out->rho, opts, OPT_RHO);
    set_number(&out->beta1, opts, OPT_BETA1);
    set_number(&out->beta2, opts, OPT_BETA2);
    set_number(&out->epsilon, opts, OPT_EPSILON);
    out->nesterov |= opt_given(opts, OPT_NESTEROV);
    out->centered |= opt_given(opts, OPT_CENTERED);
    out->amsgrad |= opt_given(opts, OPT_AMSGRAD);
    set_number(&out->weight_decay, opts, OPT_WEIGHT_DECAY);
    if (opt_given(opts, OPT_WEIGHT_DECAY) && out->weight_decay == 0 && chosen == TMB_ADAMW)
        out->optimizer = TMB_ADAM; /* AdamW's 0 is its default */
}

/* One way to clip takes the place of the recipe's. */
static void read_clipping(tmb_compile_opts *out, const options *opts)
{
    if (opt_given(opts, OPT_CLIP_NORM_EACH) || opt_given(opts, OPT_CLIP_VALUE)) out->clip_norm = 0;
    set_number(&out->clip_norm, opts, OPT_CLIP_NORM);
    set_number(&out->clip_norm_each, opts, OPT_CLIP_NORM_EACH);
    set_number(&out->clip_value, opts, OPT_CLIP_VALUE);
}

int compile_from(tmb_compile_opts *compile, const options *opts)
{
    if (opt_given(opts, OPT_LOSS))
        compile->loss = (tmb_loss)(TMB_BINARY_CROSSENTROPY + opts->value[OPT_LOSS].choice);
    TMB_TRY(read_parameters(compile, OPT_LOSS, opts));
    read_optimizer(compile, opts);
    TMB_TRY(check_optimizer(compile->optimizer, opts));
    TMB_TRY(read_schedule(compile, opts));
    set_number(&compile->warmup, opts, OPT_WARMUP);
    read_clipping(compile, opts);
    return 0;
}

/* ---- what fit is told ---- */

/* Options that mean nothing without another. */
static int check_company(const options *opts)
{
    static const option_id pairs[][2] = {{OPT_PLATEAU_FACTOR, OPT_PLATEAU},
            {OPT_COOLDOWN, OPT_PLATEAU}, {OPT_MIN_LR, OPT_PLATEAU}, {OPT_BASELINE, OPT_PATIENCE},
            {OPT_SAVE_BEST_ONLY, OPT_SAVE_EPOCHS}};

    for (size_t i = 0; i < TMB_COUNT(pairs); i++) {
        if (opt_given(opts, pairs[i][0]) && !opt_given(opts, pairs[i][1]))
            return tmb__fail(TMB_EINVAL, "--%s means nothing without --%s",
                    option_table[pairs[i][0]].name, option_table[pairs[i][1]].name);
    }
    return 0;
}

/* Names that each epoch makes anew are overwritten as in Keras; one name for all is not, at the start. */
static int files_from(tmb_fit_opts *fit, const options *opts)
{
    const bool resume = opt_given(opts, OPT_RESUME);

    fit->csv = opt_text(opts, OPT_CSV_LOG, NULL);
    fit->save_path = opt_text(opts, OPT_SAVE_EPOCHS, NULL);
    fit->save_best_only = opt_given(opts, OPT_SAVE_BEST_ONLY);
    if (fit->csv && !resume) TMB_TRY(check_overwrite(fit->csv, opts));
    if (fit->save_path && !resume && !strchr(fit->save_path, '{'))
        return check_overwrite(fit->save_path, opts);
    return 0;
}

int fit_from(tmb_fit_opts *fit, const options *opts)
{
    TMB_TRY(check_company(opts));
    fit->monitor = (tmb_monitor)opt_choice(opts, OPT_MONITOR, (int)fit->monitor);
    fit->patience = (int)opt_number(opts, OPT_PATIENCE, fit->patience);
    set_number(&fit->min_delta, opts, OPT_MIN_DELTA);
    fit->has_baseline |= opt_given(opts, OPT_BASELINE);
    set_number(&fit->baseline, opts, OPT_BASELINE);
    fit->start_from_epoch = (int)opt_number(opts, OPT_START_FROM_EPOCH, fit->start_from_epoch);
    fit->restore_best |= opt_given(opts, OPT_RESTORE_BEST);
    fit->plateau = (int)opt_number(opts, OPT_PLATEAU, fit->plateau);
    set_number(&fit->plateau_factor, opts, OPT_PLATEAU_FACTOR);
    fit->cooldown = (int)opt_number(opts, OPT_COOLDOWN, fit->cooldown);
    set_number(&fit->min_lr, opts, OPT_MIN_LR);
    return files_from(fit, opts);
}
