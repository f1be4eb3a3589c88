/* keras_optimizer.c - how a model was compiled, and what its optimizer keeps, in Keras' files
 *
 *     .keras                 config.json: compile_config {"optimizer": {...}, "loss": ...}
 *     .keras, .weights.h5    optimizer/vars/0, 1, ...
 *     whole .h5              attribute training_config, with "optimizer_config"; group
 *                            optimizer_weights, whose attribute weight_names says in which order
 *
 * First the steps done, then, since Keras 2.11, the learning rate, then the slots of every trained
 * weight. Rules with several slots had them one after the other (m0, m1, v0, v1), and have most of them
 * side by side since then (m0, v0, m1, v1): keras/src/optimizers. What does not fit the net is left out,
 * and that is told in the log: the weights are good without. */
#include "io/keras_write.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PATH_SIZE = 256 };

static const struct rule {
    const char *class_name, *slot[TMB__OPTIMIZER_SLOTS];
    int together; /* so many slots side by side */
} rules[TMB_OPTIMIZERS] = {
        [TMB_RMSPROP] = {"RMSprop", {"velocity", "momentum", "average_gradient"}, 1},
        [TMB_SGD] = {"SGD", {"momentum"}, 1},
        [TMB_ADAM] = {"Adam", {"momentum", "velocity", "velocity_hat"}, 2},
        [TMB_ADAMW] = {"AdamW", {"momentum", "velocity", "velocity_hat"}, 2},
        [TMB_ADAGRAD] = {"Adagrad", {"accumulator"}, 1},
        [TMB_ADADELTA] = {"Adadelta", {"accumulated_grad", "accumulated_delta_var"}, 2},
        [TMB_ADAMAX] = {"Adamax", {"momentum", "norm"}, 2},
        [TMB_NADAM] = {"Nadam", {"momentum", "velocity"}, 2},
        [TMB_LION] = {"Lion", {"momentum"}, 1},
};

static const struct {
    const char *class_name, *name;
} losses[TMB_LOSSES] = {
        [TMB_BINARY_CROSSENTROPY] = {"BinaryCrossentropy", "binary_crossentropy"},
        [TMB_CATEGORICAL_CROSSENTROPY] = {"CategoricalCrossentropy", "categorical_crossentropy"},
        [TMB_SPARSE_CATEGORICAL_CROSSENTROPY] = {"SparseCategoricalCrossentropy",
                "sparse_categorical_crossentropy"},
        [TMB_BINARY_FOCAL] = {"BinaryFocalCrossentropy", "binary_focal_crossentropy"},
        [TMB_CATEGORICAL_FOCAL] = {"CategoricalFocalCrossentropy",
                "categorical_focal_crossentropy"},
        [TMB_HINGE] = {"Hinge", "hinge"},
        [TMB_SQUARED_HINGE] = {"SquaredHinge", "squared_hinge"},
        [TMB_CATEGORICAL_HINGE] = {"CategoricalHinge", "categorical_hinge"},
        [TMB_HUBER] = {"Huber", "huber"},
        [TMB_LOG_COSH] = {"LogCosh", "log_cosh"},
        [TMB_MEAN_SQUARED_ERROR] = {"MeanSquaredError", "mean_squared_error"},
        [TMB_MEAN_ABSOLUTE_ERROR] = {"MeanAbsoluteError", "mean_absolute_error"},
        [TMB_MEAN_ABSOLUTE_PERCENTAGE_ERROR] = {"MeanAbsolutePercentageError",
                "mean_absolute_percentage_error"},
        [TMB_MEAN_SQUARED_LOGARITHMIC_ERROR] = {"MeanSquaredLogarithmicError",
                "mean_squared_logarithmic_error"},
        [TMB_KL_DIVERGENCE] = {"KLDivergence", "kl_divergence"},
        [TMB_POISSON] = {"Poisson", "poisson"},
        [TMB_COSINE_SIMILARITY] = {"CosineSimilarity", "cosine_similarity"},
};

/* Options by Keras' names: which optimizers, or which losses, have them. */
#define OF(kind) (1U << TMB_##kind)
#define ADAMS    (OF(ADAM) | OF(ADAMW) | OF(ADAMAX) | OF(NADAM))
#define AT(name) offsetof(tmb_compile_opts, name)
static const struct field {
    const char *name;
    unsigned of;
    size_t at;
    float usual;     /* where a file has none */
    bool flag, none; /* none: 0 is written as null */
} fields[] =
        {
                {"learning_rate", ~0U, AT(lr), 0.001f, false, false},
                {"weight_decay", ~0U, AT(weight_decay), 0, false, true},
                {"clipnorm", ~0U, AT(clip_norm_each), 0, false, true},
                {"global_clipnorm", ~0U, AT(clip_norm), 0, false, true},
                {"clipvalue", ~0U, AT(clip_value), 0, false, true},
                {"momentum", OF(SGD) | OF(RMSPROP), AT(momentum), 0, false, false},
                {"nesterov", OF(SGD), AT(nesterov), 0, true, false},
                {"rho", OF(RMSPROP) | OF(ADADELTA), AT(rho), 0.9f, false, false},
                {"centered", OF(RMSPROP), AT(centered), 0, true, false},
                {"beta_1", ADAMS | OF(LION), AT(beta1), 0.9f, false, false},
                {"beta_2", ADAMS | OF(LION), AT(beta2), 0.999f, false, false},
                {"epsilon", ADAMS | OF(RMSPROP) | OF(ADAGRAD) | OF(ADADELTA), AT(epsilon), 1e-7f,
                        false, false},
                {"amsgrad", OF(ADAM) | OF(ADAMW), AT(amsgrad), 0, true, false},
                {"initial_accumulator_value", OF(ADAGRAD), AT(accumulator), 0, false, false},
},
  loss_fields[] = {
          {"label_smoothing",
                  OF(BINARY_CROSSENTROPY) | OF(CATEGORICAL_CROSSENTROPY) | OF(BINARY_FOCAL) |
                          OF(CATEGORICAL_FOCAL),
                  AT(label_smoothing), 0, false, false},
          {"gamma", OF(BINARY_FOCAL) | OF(CATEGORICAL_FOCAL), AT(gamma), 2, false, false},
          {"alpha", OF(BINARY_FOCAL) | OF(CATEGORICAL_FOCAL), AT(alpha), 0.25f, false, false},
          {"apply_class_balancing", OF(BINARY_FOCAL), AT(class_balancing), 0, true, false},
          {"delta", OF(HUBER), AT(delta), 1, false, false},
};

static float *number_at(const struct field *f, tmb_compile_opts *opts)
{
    return (float *)(void *)((char *)opts + f->at);
}

static bool *flag_at(const struct field *f, tmb_compile_opts *opts)
{
    return (bool *)(void *)((char *)opts + f->at);
}

/* ---- the trained weights in Keras' order ---- */

typedef struct trained {
    const tmb__part *part;
    const tmb__layer *layer;
    const tmb__weight *weight;
} trained;

/* Layers in `order`, numbers from 0; NULL: as they stand. Owned by caller. */
static int list_trained(
        trained **out, const tmb__optimizer *o, const tmb_model *net, const int *order)
{
    trained *list = *out = tmb__calloc((size_t)TMB_MAX(o->n_parts, 1), sizeof *list);
    int n = 0;

    if (!list) return TMB_ENOMEM;
    for (int k = 0; k < net->n_layers; k++) {
        const tmb__layer *layer = &net->layers[order ? order[k] : k];

        for (int i = 0; i < layer->n_weights && n < o->n_parts; i++) {
            const tmb__part *part = tmb__optimizer_part(o, layer->weight[i].offset);

            if (part) list[n++] = (trained){part, layer, &layer->weight[i]};
        }
    }
    TMB_ASSERT(n == o->n_parts);
    return 0;
}

/* The place of a weight's slot among all of them. */
static int place_of(const tmb__optimizer *o, bool blocks, int weight, int slot)
{
    const int together = blocks ? 1 : TMB_MIN(rules[o->opts.optimizer].together, o->n_slots);

    return slot < together ? weight * together + slot : slot * o->n_parts + weight;
}

/* ---- reading how it was compiled ---- */

static bool is(const char *a, const char *b)
{
    return a && strcasecmp(a, b) == 0;
}

/* "Adam" of "Adam", {"class_name": "Custom>Adam"}, {"class_name": "function", "config": "adam"}. */
static const char *name_of(const json_t *object)
{
    const json_t *config = json_object_get(object, "config");
    const char *name = json_string_value(object);

    if (!name) name = json_string_value(json_object_get(object, "class_name"));
    if (is(name, "function")) name = json_string_value(config);
    return name && strchr(name, '>') ? strrchr(name, '>') + 1 : name;
}

static void take_fields(tmb_compile_opts *opts, const struct field *list, size_t n, unsigned kind,
        const json_t *config)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(config, list[i].name);

        if (!(list[i].of & 1U << kind)) continue;
        if (list[i].flag) {
            tmb__json_bool(value, flag_at(&list[i], opts));
            continue;
        }
        *number_at(&list[i], opts) = list[i].usual;
        tmb__json_float(value, number_at(&list[i], opts));
    }
}

/* Keras 1 and 2 call the rate lr; a schedule is an object here, whose start counts. */
static void take_rate(tmb_compile_opts *opts, const json_t *config, const char *what)
{
    const json_t *schedule = json_object_get(json_object_get(config, "learning_rate"), "config");

    tmb__json_float(json_object_get(config, "lr"), &opts->lr);
    tmb__json_float(json_object_get(schedule, "initial_learning_rate"), &opts->lr);
    if (schedule || json_number_value(json_object_get(config, "decay")) != 0) {
        TMB_LOG(WARN, "%s: the optimizer's schedule is left out", tmb__printable(what));
    }
}

static void take_loss(tmb_compile_opts *opts, const json_t *loss)
{
    const json_t *config = json_object_get(loss, "config");
    const char *name = name_of(loss);

    for (unsigned k = TMB_BINARY_CROSSENTROPY; k < TMB_LOSSES; k++) {
        if (!is(name, losses[k].name) && !is(name, losses[k].class_name)) continue;
        opts->loss = (tmb_loss)k;
        take_fields(opts, loss_fields, TMB_COUNT(loss_fields), k, config);
        opts->loss_sum = is(json_string_value(json_object_get(config, "reduction")), "sum");
    }
}

/* Every step of these reads or writes more than the slots. */
static bool has_more(const json_t *config)
{
    return json_is_true(json_object_get(config, "use_ema")) ||
            json_integer_value(json_object_get(config, "gradient_accumulation_steps")) > 1;
}

int tmb__keras_compiled(tmb_model *model, const json_t *config, const char *what)
{
    const json_t *optimizer = json_object_get(config, "optimizer");
    const char *name;
    tmb_compile_opts opts = {0};

    if (!optimizer) optimizer = json_object_get(config, "optimizer_config");
    name = name_of(optimizer);
    if (!name) return 0;
    take_loss(&opts, json_object_get(config, "loss"));
    config = json_object_get(optimizer, "config");
    for (unsigned k = 0; k < TMB_OPTIMIZERS; k++) {
        if (!is(name, rules[k].class_name) || has_more(config)) continue;
        opts.optimizer = (tmb_optimizer)k;
        take_fields(&opts, fields, TMB_COUNT(fields), k, config);
        take_rate(&opts, config, what);
        return tmb__optimizer_set(model, &opts, false);
    }
    TMB_LOG(WARN, "%s: compiled with an optimizer that is not supported, %s: its state is left out",
            tmb__printable(what), tmb__printable(name));
    return 0;
}

/* ---- reading the slots ---- */

/* The file's variables in their order. */
typedef struct found {
    const tmb__array **items;
    int n;
    bool blocks;
} found;

/* Slot by slot up to Keras 2.10, whole models of which are .h5. */
static bool has_blocks(const tmb__h5_file *h5)
{
    const tmb__h5_attribute *text = tmb__h5_find(h5, "", "keras_version");
    int major = 1, minor = 0;

    if (text && text->n_strings == 1) (void)sscanf(text->strings[0], "%4d.%4d", &major, &minor);
    return major < 2 || (major == 2 && minor < 11);
}

static int list_vars(found *v, const tmb__h5_file *h5)
{
    const tmb__h5_attribute *names = tmb__h5_find(h5, "optimizer_weights", "weight_names");
    char path[PATH_SIZE];

    *v = (found){.blocks = names && has_blocks(h5)};
    v->items = tmb__calloc((size_t)h5->tensors.n + 1, sizeof *v->items);
    if (!v->items) return TMB_ENOMEM;
    while (v->n < h5->tensors.n && (!names || v->n < names->n_strings)) {
        if (names)
            snprintf(path, sizeof path, "optimizer_weights/%.200s", names->strings[v->n]);
        else
            snprintf(path, sizeof path, "optimizer/vars/%d", v->n);
        v->items[v->n] = tmb__tensors_find(&h5->tensors, path);
        if (!v->items[v->n]) break;
        v->n++;
    }
    return 0;
}

static double number_of(const tmb__array *array)
{
    float value;

    if (array->dtype == TMB__I64) return (double)*(const int64_t *)array->data;
    tmb__convert(&value, TMB__F32, array->data, array->dtype, 1);
    return value;
}

/* Numbers before the slots: the steps, and the rate where Keras keeps it. How many, or -1: no such. */
static int take_numbers(tmb__optimizer *o, const found *v, int64_t *steps)
{
    int n = 0;

    while (n < v->n && v->items[n]->shape.rank == 0) {
        const double value = number_of(v->items[n]);

        if (!(value >= 0 && value < 1e15)) return -1;
        if (n == 0) *steps = (int64_t)value;
        if (n == 1 && !v->blocks) o->opts.lr = (float)value;
        n++;
    }
    return n;
}

static bool fits(const tmb__optimizer *o, const found *v, int first, const trained *list)
{
    const int n_slots = o->n_parts * o->n_slots, n = v->n - first;

    /* Keras 2 has slots for what is switched off too, Nadam a number at the end. */
    if (n < n_slots || (n > n_slots + 1 && !v->blocks)) return false;
    for (int i = 0; i < n_slots; i++) {
        const int weight = i / o->n_slots, slot = i % o->n_slots;
        const tmb__array *array = v->items[first + place_of(o, v->blocks, weight, slot)];
        int64_t where;

        if (!tmb__shape_equal(&array->shape, &list[weight].weight->shape)) return false;
        if (array->dtype == TMB__I64 || tmb__array_nonfinite(array, &where)) return false;
    }
    return true;
}

static void move_slots(tmb__optimizer *o, const found *v, int first, const trained *list)
{
    for (int i = 0; i < o->n_parts * o->n_slots; i++) {
        const int weight = i / o->n_slots, slot = i % o->n_slots;
        const tmb__part *part = list[weight].part;
        const tmb__array *array = v->items[first + place_of(o, v->blocks, weight, slot)];

        tmb__convert(o->slots + slot * o->n + part->at, TMB__F32, array->data, array->dtype,
                part->count);
    }
}

static int take_slots(tmb_model *model, const found *v, const int *order, const char *what)
{
    tmb__optimizer *o = model->optimizer;
    trained *list = NULL;
    int64_t steps = 0;
    int first;

    TMB_TRY(tmb__optimizer_ready(model));
    TMB_TRY(list_trained(&list, o, model, order));
    first = take_numbers(o, v, &steps);
    if (first >= 0 && fits(o, v, first, list)) {
        move_slots(o, v, first, list);
        o->steps = steps;
        TMB_LOG(INFO, "%s: state of the optimizer %s after %lld steps", tmb__printable(what),
                rules[o->opts.optimizer].class_name, (long long)steps);
    } else {
        TMB_LOG(WARN,
                "%s: the optimizer's state, %d tensors, is not that of %s on this net: left out",
                tmb__printable(what), v->n, rules[o->opts.optimizer].class_name);
    }
    tmb__free(list);
    return 0;
}

int tmb__keras_slots_load(tmb_model *model, const tmb__keras_file *file,
        const tmb__keras_place *places, const char *why)
{
    int *order = NULL, status = 0;
    found v;

    if (!model->optimizer) return 0;
    TMB_TRY(list_vars(&v, &file->h5));
    if (v.n && why) {
        TMB_LOG(INFO, "%s: the optimizer's state is left out: %s", tmb__printable(file->what), why);
        v.n = 0;
    }
    if (v.n && !places) {
        order = tmb__calloc((size_t)model->n_layers, sizeof *order);
        status = order ? tmb__model_order(model, order) : TMB_ENOMEM;
    }
    if (v.n && status == 0) status = take_slots(model, &v, order, file->what);
    tmb__free(order);
    tmb__free(v.items);
    return status;
}

/* ---- writing ---- */

/* As few digits as give the number back. */
static void number_text(tmb__strbuf *sb, float value)
{
    char text[32];

    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if ((float)atof(text) == value) break;
    }
    tmb__strbuf_add(sb, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static void fields_text(
        tmb__strbuf *sb, const struct field *list, size_t n, unsigned kind, tmb_compile_opts *opts)
{
    for (size_t i = 0; i < n; i++) {
        if (!(list[i].of & 1U << kind)) continue;
        tmb__strbuf_add(sb, ",\"%s\":", list[i].name);
        if (list[i].flag)
            tmb__strbuf_add(sb, "%s", *flag_at(&list[i], opts) ? "true" : "false");
        else if (list[i].none && *number_at(&list[i], opts) == 0)
            tmb__strbuf_add(sb, "null");
        else
            number_text(sb, *number_at(&list[i], opts));
    }
}

/* The names of variables begin with it: "adam". */
static void lower_name(char out[32], const tmb__optimizer *o)
{
    tmb__keras_snake(out, 32, rules[o->opts.optimizer].class_name);
}

void tmb__keras_compile_text(tmb__strbuf *sb, const tmb__optimizer *o, bool legacy)
{
    tmb_compile_opts opts = o->opts;
    const unsigned loss = opts.loss ? opts.loss : TMB_BINARY_CROSSENTROPY;
    char name[32];

    lower_name(name, o);
    tmb__strbuf_add(sb, "{\"%s\":{%s\"class_name\":\"%s\",\"config\":{\"name\":\"%s\"",
            legacy ? "optimizer_config" : "optimizer",
            legacy ? "" : "\"module\":\"keras.optimizers\",\"registered_name\":null,",
            rules[opts.optimizer].class_name, name);
    fields_text(sb, fields, TMB_COUNT(fields), opts.optimizer, &opts);
    tmb__strbuf_add(sb,
            "}},\"loss\":{\"module\":\"keras.losses\",\"registered_name\":null,\"class_name\":\"%"
            "s\","
            "\"config\":{\"name\":\"%s\",\"reduction\":\"%s\"",
            losses[loss].class_name, losses[loss].name,
            opts.loss_sum ? "sum" : "sum_over_batch_size");
    fields_text(sb, loss_fields, TMB_COUNT(loss_fields), loss, &opts);
    tmb__strbuf_add(sb,
            "}},\"loss_weights\":null,\"metrics\":[\"accuracy\"],\"weighted_metrics\":null,"
            "\"run_eagerly\":false,\"steps_per_execution\":1,\"jit_compile\":false}");
}

/* Nadam's product of all its momentums (keras/src/optimizers/nadam.py). */
static float product_of(const tmb__optimizer *o)
{
    double product = 1;

    for (int64_t t = 1; t <= o->steps && product > 0; t++)
        product *= (double)o->opts.beta1 * (1 - 0.5 * pow(0.96, (double)t));
    return (float)product;
}

void tmb__keras_vars_free(tmb__keras_vars *vars)
{
    tmb__free(vars->arrays);
    tmb__free(vars->texts);
    tmb__free(vars->names);
}

static void name_vars(tmb__keras_vars *vars, const tmb__optimizer *o, const trained *list)
{
    int which[TMB__OPTIMIZER_SLOTS];
    char name[32];

    lower_name(name, o);
    tmb__optimizer_slots(&o->opts, which);
    snprintf(vars->texts[0], sizeof *vars->texts, "%s/iteration", name);
    snprintf(vars->texts[1], sizeof *vars->texts, "%s/learning_rate", name);
    snprintf(vars->texts[vars->n - 1], sizeof *vars->texts, "%s/variable", name); /* or a slot: */
    for (int i = 0; i < o->n_parts * o->n_slots; i++) {
        const int weight = i / o->n_slots, slot = i % o->n_slots;
        const int at = 2 + place_of(o, false, weight, slot);
        const tmb__part *part = list[weight].part;

        snprintf(vars->texts[at], sizeof *vars->texts, "%s/%s_%s_%s", name,
                list[weight].layer->name, list[weight].weight->name,
                rules[o->opts.optimizer].slot[which[slot]]);
        vars->arrays[at] = (tmb__array){
                TMB__F32, list[weight].weight->shape, o->slots + slot * o->n + part->at};
    }
    for (int i = 0; i < vars->n; i++)
        vars->names[i] = vars->texts[i];
}

int tmb__keras_vars_new(tmb__keras_vars *out, const tmb_model *view)
{
    const tmb__optimizer *o = view->optimizer;
    const bool product = o->opts.optimizer == TMB_NADAM;
    trained *list = NULL;
    int status;

    *out = (tmb__keras_vars){.steps = o->steps, .lr = o->opts.lr, .product = product_of(o)};
    out->n = 2 + o->n_parts * o->n_slots + product;
    out->arrays = tmb__calloc((size_t)out->n, sizeof *out->arrays);
    out->texts = tmb__calloc((size_t)out->n, sizeof *out->texts);
    out->names = tmb__calloc((size_t)out->n, sizeof *out->names);
    if (!out->arrays || !out->texts || !out->names) return TMB_ENOMEM;
    status = list_trained(&list, o, view, NULL);
    if (status == 0) {
        name_vars(out, o, list);
        out->arrays[0] = (tmb__array){TMB__I64, {0}, &out->steps};
        out->arrays[1] = (tmb__array){TMB__F32, {0}, &out->lr};
        if (product) out->arrays[out->n - 1] = (tmb__array){TMB__F32, {0}, &out->product};
    }
    tmb__free(list);
    return status;
}

int tmb__keras_vars_list(
        tmb__h5_list *list, const tmb__keras_vars *vars, const tmb__optimizer *o, bool legacy)
{
    const char *group = legacy ? "optimizer_weights" : "optimizer/vars";
    char path[PATH_SIZE], name[32];

    TMB_TRY(tmb__h5_add_group(list, group));
    lower_name(name, o);
    if (legacy)
        TMB_TRY(tmb__h5_add_names(list, group, "weight_names", vars->names, vars->n));
    else
        TMB_TRY(tmb__h5_add_text(list, group, "name", name));
    for (int i = 0; i < vars->n; i++) {
        if (legacy)
            snprintf(path, sizeof path, "%s/%s", group, vars->names[i]);
        else
            snprintf(path, sizeof path, "%s/%d", group, i);
        TMB_TRY(tmb__h5_add_tensor(list, path, &vars->arrays[i]));
    }
    return 0;
}
