/* checkpoint.c - everything a training needs to go on to the same bits, in one file
 *
 * A checkpoint is a model file (the weights that predict) with more tensors: "raw", all weights as the
 * program has them; "best", those of the best epoch; and the optimizer's slots and averages. Its JSON
 * says where training stands; numbers that must come back exactly are stored as the bits of a double. */
#include "train/train.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STATE_FORMAT = 2 };

/* ---- JSON pieces ---- */

static json_t *bits_of(double value)
{
    json_int_t bits;

    memcpy(&bits, &value, sizeof bits);
    return json_integer(bits);
}

static double from_bits(const json_t *json)
{
    json_int_t bits = json_integer_value(json);
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static json_t *epoch_to_json(const tmb_epoch *e)
{
    return json_pack("[i, i, b, b, o, o, o, o, o, o, o, o, o, o, o]", e->number, e->epochs,
            e->validated, e->best, bits_of(e->loss), bits_of(e->accuracy), bits_of(e->val_loss),
            bits_of(e->val_accuracy.value), bits_of(e->val_accuracy.low),
            bits_of(e->val_accuracy.high), bits_of(e->lr), bits_of(e->seconds),
            bits_of(e->images_per_second), bits_of(e->data_wait), bits_of(e->val_auc));
}

static tmb_epoch epoch_from_json(const json_t *json)
{
    tmb_epoch e = {0};
    double *const field[] = {&e.loss, &e.accuracy, &e.val_loss, &e.val_accuracy.value,
            &e.val_accuracy.low, &e.val_accuracy.high, &e.lr, &e.seconds, &e.images_per_second,
            &e.data_wait, &e.val_auc};

    e.number = (int)json_integer_value(json_array_get(json, 0));
    e.epochs = (int)json_integer_value(json_array_get(json, 1));
    e.validated = json_is_true(json_array_get(json, 2));
    e.best = json_is_true(json_array_get(json, 3));
    for (size_t i = 0; i < TMB_COUNT(field); i++)
        *field[i] = from_bits(json_array_get(json, i + 4));
    return e;
}

static void fingerprint_text(const tmb__source *source, char text[65])
{
    const uint8_t *digest = source ? source->fingerprint : NULL;

    text[0] = 0;
    for (int i = 0; digest && i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

static json_t *state_to_json(const tmb__fit *fit, const char *settings)
{
    const tmb__monitor *m = &fit->monitor;
    json_t *history = json_array();
    char data[65], validation[65];

    for (int i = 0; i < fit->training->n_history; i++)
        json_array_append_new(history, epoch_to_json(&fit->training->history[i]));
    fingerprint_text(fit->train, data);
    fingerprint_text(fit->validation, validation);
    return json_pack(
            "{s:i, s:i, s:I, s:I, s:I, s:o, s:I, s:I, s:{s:o, s:i, s:i, s:i, s:o, s:i, s:o, "
            "s:o}, s:b, s:s, s:s, s:s, s:o}",
            "format", STATE_FORMAT, "epoch", fit->epoch, "batch", (json_int_t)fit->batch, "step",
            (json_int_t)fit->step, "steps_before", (json_int_t)fit->steps_before, "loss_sum",
            bits_of(fit->loss_sum), "seen", (json_int_t)fit->seen, "right", (json_int_t)fit->right,
            "monitor", "best", bits_of(m->best), "best_epoch", m->best_epoch, "wait", m->wait,
            "plateau_wait", m->plateau_wait, "lr_scale", bits_of(m->lr_scale), "cooldown",
            m->cooldown, "plateau_best", bits_of(m->plateau_best), "set_lr", bits_of(fit->set_lr),
            "bf16", tmb__exec_bf16(fit->exec), "settings", settings, "data", data, "validation",
            validation, "history", history);
}

/* ---- saving ---- */

static int add_flat(tmb__tensors *list, const char *name, float *values, int64_t n)
{
    const tmb__array array = {TMB__F32, tmb__shape_of(1, &n), values};

    return tmb__tensors_add(list, name, &array);
}

/* One block for all slots; the list borrows its parts. */
static int add_slots(tmb__fit *fit, tmb__tensors *list, float **block)
{
    int n = tmb__exec_slots(fit->exec);
    int64_t total = 0, count, at = 0;
    const char *name;

    for (int i = 0; i < n; i++) {
        TMB_TRY(tmb__exec_slot(fit->exec, i, &name, &count));
        total += count;
    }
    *block = tmb__calloc((size_t)TMB_MAX(total, 1), sizeof **block);
    if (!*block) return TMB_ENOMEM;
    for (int i = 0; i < n; i++) {
        TMB_TRY(tmb__exec_slot(fit->exec, i, &name, &count));
        TMB_TRY(tmb__exec_slot_read(fit->exec, i, *block + at));
        TMB_TRY(add_flat(list, name, *block + at, count));
        at += count;
    }
    return 0;
}

/* The program's own weights, which differ from the model's while averages are on. */
static int take_raw(tmb__fit *fit)
{
    size_t bytes = (size_t)fit->model->n_weights * sizeof *fit->raw;
    float *shown = tmb__calloc((size_t)TMB_MAX(fit->model->n_weights, 1), sizeof *shown);
    int status;

    if (!shown) return TMB_ENOMEM;
    memcpy(shown, fit->model->weights, bytes);
    status = tmb__exec_pull(fit->exec, fit->model, false);
    memcpy(fit->raw, fit->model->weights, bytes);
    memcpy(fit->model->weights, shown, bytes);
    tmb__free(shown);
    return status;
}

/* Where training stands, as text. */
static int state_text(const tmb__fit *fit, char **out)
{
    tmb__strbuf settings = {0}, text = {0};
    json_t *json = NULL;
    int status = tmb__resume_text(fit, &settings);

    if (status == 0) {
        json = state_to_json(fit, settings.text);
        status = json ? tmb__json_text(&text, json)
                      : tmb__fail(TMB_ENOMEM, "no memory for the checkpoint's text");
    }
    json_decref(json);
    tmb__strbuf_free(&settings);
    if (status < 0) tmb__strbuf_free(&text);
    *out = text.text;
    return status;
}

int tmb__checkpoint_save(tmb__fit *fit)
{
    tmb__extra extra = {0};
    float *block = NULL;
    int status = take_raw(fit);

    if (status == 0) status = add_flat(&extra.tensors, "raw", fit->raw, fit->model->n_weights);
    if (status == 0) status = add_flat(&extra.tensors, "best", fit->best, fit->model->n_weights);
    if (status == 0) status = add_slots(fit, &extra.tensors, &block);
    if (status == 0) status = state_text(fit, &extra.json);
    if (status == 0) status = tmb__model_write(fit->model, fit->opts->checkpoint, &extra, false);
    tmb__extra_free(&extra);
    tmb__free(block);
    return status;
}

/* ---- loading ---- */

static int same_net(const tmb__fit *fit, const tmb_model *found)
{
    char *here = NULL, *there = NULL;
    int status = tmb__graph_to_json(&here, fit->model);

    if (status == 0) status = tmb__graph_to_json(&there, found);
    if (status == 0 && strcmp(here, there) != 0)
        status = tmb__fail(TMB_EMODEL,
                "%s: the checkpoint belongs to another net: %d layers, %lld weights; expected %d, "
                "%lld",
                fit->opts->checkpoint, found->n_layers, (long long)found->n_weights,
                fit->model->n_layers, (long long)fit->model->n_weights);
    tmb__free(here);
    tmb__free(there);
    return status;
}

static int same_settings(const tmb__fit *fit, const char *then)
{
    tmb__strbuf now = {0};
    int status = tmb__resume_text(fit, &now);

    if (status == 0) status = tmb__resume_compare(fit->opts->checkpoint, then, now.text);
    tmb__strbuf_free(&now);
    return status;
}

/* A checkpoint without the word is of the time when all was f32. */
static int same_precision(const tmb__fit *fit, bool then)
{
    static const char *const names[] = {"f32", "bf16"};

    if (then == tmb__exec_bf16(fit->exec)) return 0;
    tmb__fail(TMB_EINVAL, "%s: the checkpoint was computed in %s, now it is to be %s",
            tmb__printable(fit->opts->checkpoint), names[then], names[!then]);
    tmb__hint("resume with precision %s", names[then]);
    return TMB_EINVAL;
}

static int same_samples(
        const tmb__fit *fit, const tmb__source *source, const char *then, const char *what)
{
    char now[65];

    fingerprint_text(source, now);
    if (strcmp(then, now) == 0) return 0;
    tmb__fail(TMB_EDATA, "%s: the %s %s are not those of the checkpoint",
            tmb__printable(fit->opts->checkpoint), what, fit->train->what);
    tmb__detail("fingerprint \"%.16s\", found \"%.16s\"", then, now);
    tmb__hint("files were added, removed or changed; restore them, or start a new run");
    return TMB_EDATA;
}

static int same_run(const tmb__fit *fit, const json_t *json)
{
    const char *settings = json_string_value(json_object_get(json, "settings"));
    const char *data = json_string_value(json_object_get(json, "data"));
    const char *validation = json_string_value(json_object_get(json, "validation"));

    if (json_integer_value(json_object_get(json, "format")) != STATE_FORMAT || !settings || !data ||
            !validation)
        return tmb__fail(TMB_EMODEL, "%s: not a checkpoint of a training",
                tmb__printable(fit->opts->checkpoint));
    TMB_TRY(same_settings(fit, settings));
    TMB_TRY(same_precision(fit, json_is_true(json_object_get(json, "bf16"))));
    TMB_TRY(same_samples(fit, fit->train, data, "training"));
    return same_samples(fit, fit->validation, validation, "validation");
}

static int find_flat(const tmb__fit *fit, const tmb__extra *extra, const char *name, int64_t count,
        const float **values)
{
    const tmb__array *array = tmb__tensors_find(&extra->tensors, name);

    if (!array || array->dtype != TMB__F32 || tmb__shape_count(&array->shape) != count)
        return tmb__fail(TMB_EMODEL, "%s: tensor \"%s\" of %lld numbers is missing",
                fit->opts->checkpoint, name, (long long)count);
    *values = array->data;
    return 0;
}

/* Everything is looked for before anything is changed: a refused checkpoint leaves the model as it is. */
static int restore_weights(tmb__fit *fit, const tmb_model *found, const tmb__extra *extra)
{
    size_t bytes = (size_t)fit->model->n_weights * sizeof *fit->raw;
    const float *raw, *best, *values;
    const char *name;
    int64_t count;

    TMB_TRY(find_flat(fit, extra, "raw", fit->model->n_weights, &raw));
    TMB_TRY(find_flat(fit, extra, "best", fit->model->n_weights, &best));
    for (int i = 0; i < tmb__exec_slots(fit->exec); i++) {
        TMB_TRY(tmb__exec_slot(fit->exec, i, &name, &count));
        TMB_TRY(find_flat(fit, extra, name, count, &values));
        TMB_TRY(tmb__exec_slot_write(fit->exec, i, values));
    }
    memcpy(fit->best, best, bytes);
    memcpy(fit->raw, fit->model->weights, bytes);
    memcpy(fit->model->weights, raw, bytes);
    if (tmb__exec_push(fit->exec, fit->model) < 0) {
        memcpy(fit->model->weights, fit->raw, bytes);
        return TMB_EDEVICE;
    }
    memcpy(fit->model->weights, found->weights, bytes);
    tmb__model_touch(fit->model);
    return 0;
}

static int restore_position(tmb__fit *fit, const json_t *json)
{
    const json_t *monitor = json_object_get(json, "monitor");
    const json_t *history = json_object_get(json, "history");

    fit->epoch = (int)json_integer_value(json_object_get(json, "epoch"));
    fit->batch = json_integer_value(json_object_get(json, "batch"));
    fit->step = json_integer_value(json_object_get(json, "step"));
    fit->steps_before = json_integer_value(json_object_get(json, "steps_before"));
    fit->loss_sum = from_bits(json_object_get(json, "loss_sum"));
    fit->seen = json_integer_value(json_object_get(json, "seen"));
    fit->right = json_integer_value(json_object_get(json, "right"));
    fit->monitor.best = from_bits(json_object_get(monitor, "best"));
    fit->monitor.best_epoch = (int)json_integer_value(json_object_get(monitor, "best_epoch"));
    fit->monitor.wait = (int)json_integer_value(json_object_get(monitor, "wait"));
    fit->monitor.plateau_wait = (int)json_integer_value(json_object_get(monitor, "plateau_wait"));
    fit->monitor.lr_scale = from_bits(json_object_get(monitor, "lr_scale"));
    fit->monitor.cooldown = (int)json_integer_value(json_object_get(monitor, "cooldown"));
    fit->monitor.plateau_best = from_bits(json_object_get(monitor, "plateau_best"));
    fit->set_lr = from_bits(json_object_get(monitor, "set_lr"));
    if (fit->epoch < 0 || fit->batch < 0 || fit->batch > fit->per_epoch || fit->step < 0 ||
            fit->steps_before < 0)
        return tmb__fail(TMB_EMODEL, "%s: epoch %d, batch %lld, step %lld make no sense",
                fit->opts->checkpoint, fit->epoch, (long long)fit->batch, (long long)fit->step);
    for (size_t i = 0; i < json_array_size(history); i++) {
        const tmb_epoch epoch = epoch_from_json(json_array_get(history, i));

        TMB_TRY(tmb__training_add_epoch(fit->training, &epoch));
    }
    return 0;
}

int tmb__checkpoint_load(tmb__fit *fit)
{
    tmb_model *found = NULL;
    tmb__extra extra = {0};
    json_t *json = NULL;
    int status = tmb__model_read(&found, &extra, fit->opts->checkpoint);

    if (status == 0) status = same_net(fit, found);
    if (status == 0) {
        if (extra.json)
            status = tmb__json_parse(&json, extra.json, strlen(extra.json), fit->opts->checkpoint);
    }
    if (status == 0) status = same_run(fit, json);
    if (status == 0) status = restore_position(fit, json);
    if (status == 0) status = restore_weights(fit, found, &extra);
    json_decref(json);
    tmb__extra_free(&extra);
    tmb_model_free(found);
    return status;
}
