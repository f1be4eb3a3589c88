/* keras_config.c - a whole model's config, as Keras 1 to 3 write it, into one flat graph of layers
 *
 *     {"class_name": "Sequential", "config": [layer, ...]}                        to 2.2.2
 *     {"class_name": "Sequential", "config": {"name", "layers": [layer, ...]}}
 *     {"class_name": "Functional", "config": {"name", "layers", "input_layers", "output_layers"}}
 *
 * A layer of a Functional one (once "Model") says what it reads in inbound_nodes: [[["conv", 0, 0]]],
 * or since Keras 3 [{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": [...]}}],
 * "kwargs": {}}]. Models inside models are taken apart: their layers stand where the model stood, under
 * names made unique. Every layer's place is kept, so that its weights are found again in the files:
 * legacy ones have a group for each layer of the outermost model, Keras 3's a path of classes counted
 * model by model. */
#include "io/keras_config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LAYERS_LIMIT = 4096, NAME_ROOM = sizeof((tmb__layer *)NULL)->name };

/* A model that is being walked. */
typedef struct scope {
    const struct scope *above; /* the model that it is in; NULL: none */
    const char *name, *container;
    json_t *made;    /* name of a layer: number of what it gives, in the flat graph, from 0 */
    json_t *counted; /* stem of a class: how often it was there */
} scope;

typedef struct walk {
    tmb__keras_graph *out;
    const char *what;
    json_t *layers; /* of the flat graph; borrowed */
    json_t *names;  /* taken: name -> true */
    int rank[LAYERS_LIMIT];
    bool hwc_rows;
} walk;

static int no_memory(void)
{
    return tmb__fail(TMB_ENOMEM, "not enough memory for a net's config");
}

static int refuse(const walk *w, const char *name, const char *why)
{
    return tmb__fail(TMB_EMODEL, "%s: layer \"%s\": %s", tmb__printable(w->what),
            tmb__printable(name ? name : "?"), why);
}

static bool is(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool is_model(const char *class_name)
{
    return is(class_name, "Sequential") || is(class_name, "Functional") || is(class_name, "Model");
}

/* ---- names and places ---- */

/* Keras 3's rule (keras/src/utils/naming.py): "MaxPooling2D" -> "max_pooling2d", "ReLU" -> "re_lu": a '_'
 * before a capital that a small letter follows, and between a small letter and a capital. */
void tmb__keras_snake(char *out, size_t size, const char *class_name)
{
    size_t n = 0;

    for (const char *c = class_name; *c && n + 2 < size; c++) {
        const bool inner = c > class_name && isupper((unsigned char)*c);

        if (!isalnum((unsigned char)*c) && *c != '_') continue;
        if (inner && (islower((unsigned char)c[1]) || islower((unsigned char)c[-1]))) {
            if (n && out[n - 1] != '_') out[n++] = '_';
        }
        out[n++] = (char)tolower((unsigned char)*c);
    }
    out[n] = '\0';
}

/* "layers/conv2d_1" below the scope's own container: the class counted among its layers. */
static char *next_container(scope *s, const char *class_name)
{
    tmb__strbuf sb = {0};
    json_int_t n;
    char stem[128];

    tmb__keras_snake(stem, sizeof stem, is(class_name, "Model") ? "Functional" : class_name);
    n = json_integer_value(json_object_get(s->counted, stem));
    tmb__strbuf_add(&sb, "%s%slayers/%s", s->container, *s->container ? "/" : "", stem);
    if (n) tmb__strbuf_add(&sb, "_%d", (int)n);
    if (json_object_set_new(s->counted, stem, json_integer(n + 1)) != 0 || sb.failed) {
        tmb__strbuf_free(&sb);
        no_memory();
        return NULL;
    }
    return sb.text;
}

/* A name that no layer has yet, of at most 63 bytes: the layer's own, or with its model's before it. */
static int make_name(const walk *w, const scope *s, const char *own, char name[NAME_ROOM])
{
    char wanted[NAME_ROOM];

    snprintf(wanted, sizeof wanted, "%s", own);
    snprintf(name, NAME_ROOM, "%s", wanted);
    if (json_object_get(w->names, name) && s->above) {
        snprintf(wanted, sizeof wanted, "%.24s_%.38s", s->name, own);
    }
    for (char *c = wanted; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == '/' || *c == 127) *c = '_';
    }
    snprintf(name, NAME_ROOM, "%s", wanted);
    for (int n = 1; json_object_get(w->names, name); n++)
        snprintf(name, NAME_ROOM, "%.56s_%d", wanted, n);
    return json_object_set_new(w->names, name, json_true()) == 0
            ? 0
            : tmb__fail(TMB_EMODEL, "%s: layer \"%s\": its name is no text",
                      tmb__printable(w->what), tmb__printable(own));
}

static int add_place(walk *w, const scope *s, const char *own, char *container)
{
    tmb__keras_graph *out = w->out;
    const int cap = TMB_MAX(64, 2 * out->cap_places);
    tmb__keras_place *places = out->places, *place;
    const char *group = own;

    if (out->n_places == LAYERS_LIMIT) {
        tmb__free(container);
        return tmb__fail(
                TMB_EMODEL, "%s: more than %d layers", tmb__printable(w->what), LAYERS_LIMIT);
    }
    if (out->n_places == out->cap_places) {
        places = tmb__realloc(places, (size_t)cap, sizeof *places);
        if (!places) {
            tmb__free(container);
            return TMB_ENOMEM;
        }
        out->places = places;
        out->cap_places = cap;
    }
    for (; s->above; s = s->above)
        group = s->name;
    place = &places[out->n_places++];
    *place = (tmb__keras_place){.container = container};
    snprintf(place->group, sizeof place->group, "%s", group);
    snprintf(place->name, sizeof place->name, "%s", own);
    return 0;
}

/* ---- layers of the flat graph ---- */

/* Takes over `config` and `inbound`. */
static int append(walk *w, const char *class_name, json_t *config, json_t *inbound)
{
    json_t *layer = json_pack(
            "{s:s,s:o,s:o}", "class_name", class_name, "config", config, "inbound", inbound);

    return layer && json_array_append_new(w->layers, layer) == 0 ? 0 : no_memory();
}

/* The net's one input, (null, h, w, c), from a shape that the config has. */
static int add_input(walk *w, scope *s, const char *own, const json_t *shape, int *made)
{
    const size_t c = w->out->channels_first ? 1 : 3, h = w->out->channels_first ? 2 : 1;
    const json_t *sides[3] = {
            json_array_get(shape, h), json_array_get(shape, h + 1), json_array_get(shape, c)};
    char name[NAME_ROOM], *container;

    if (w->out->n_places) return refuse(w, own, "a second input, a net has one");
    if (json_array_size(shape) != 4) {
        tmb__fail(TMB_EMODEL,
                "%s: layer \"%s\": its input has %zu axes, expected photos: a batch of "
                "(height, width, channels)",
                tmb__printable(w->what), tmb__printable(own), json_array_size(shape));
        return TMB_EMODEL;
    }
    for (int i = 0; i < 3; i++) {
        if (json_is_integer(sides[i])) continue;
        refuse(w, own, "its input has an open size, a net here has one size of photos");
        tmb__hint("build the model with an input shape of numbers, and save it again");
        return TMB_EMODEL;
    }
    TMB_TRY(make_name(w, s, own, name));
    container = next_container(s, "InputLayer");
    if (!container) return TMB_ENOMEM;
    TMB_TRY(add_place(w, s, own, container));
    w->rank[0] = 3;
    *made = 0;
    return append(w, "InputLayer",
            json_pack(
                    "{s:s,s:[n,O,O,O]}", "name", name, "batch_shape", sides[0], sides[1], sides[2]),
            json_array());
}

static json_t *inbound_names(const walk *w, const int *from, int n)
{
    json_t *names = json_array();

    for (int i = 0; names && i < n; i++) {
        const json_t *config =
                json_object_get(json_array_get(w->layers, (size_t)from[i]), "config");

        json_array_append(names, json_object_get(config, "name"));
    }
    return names;
}

static bool is_trainable(const json_t *config)
{
    return !json_is_false(json_object_get(config, "trainable"));
}

static int add_layer(walk *w, scope *s, const json_t *layer, const int *from, int n, int *made)
{
    const json_t *config = json_object_get(layer, "config");
    const char *registered = text_of(layer, "registered_name");
    tmb__keras_one one = {.what = w->what,
            .name = text_of(config, "name"),
            .class_name = text_of(layer, "class_name"),
            .config = config,
            .channels_first = w->out->channels_first,
            .old = !json_object_get(layer, "module"),
            .rank = w->rank[from[0]]};
    char name[NAME_ROOM], *container;
    int status;

    if (!one.name || !*one.name || !one.class_name) {
        return refuse(w, one.name, "it has no class_name, config or name");
    }
    if (registered && strchr(registered, '>') && strncmp(registered, "Keras>", 6) != 0) {
        one.class_name = registered;
    }
    container = next_container(s, one.class_name);
    if (!container) return TMB_ENOMEM;
    TMB_TRY(add_place(w, s, one.name, container));
    TMB_TRY(make_name(w, s, one.name, name));
    status = tmb__keras_translate(&one);
    if (status == 0 &&
            (json_object_set_new(one.options, "name", json_string(name)) != 0 ||
                    json_object_set_new(
                            one.options, "trainable", json_boolean(is_trainable(config))) != 0)) {
        status = no_memory();
    }
    if (status < 0) {
        json_decref(one.options);
        return status;
    }
    w->rank[w->out->n_places - 1] = one.rank;
    w->out->chw_rows |= one.chw_rows;
    w->hwc_rows |= one.hwc_rows;
    TMB_TRY(append(w, one.class_name, one.options, inbound_names(w, from, n)));
    *made = w->out->n_places - 1; /* which may be where `from` is */
    return 0;
}

/* ---- models ---- */

static int walk_model(walk *w, const scope *above, const json_t *model, const json_t *shape,
        int input, int *output);

/* A layer or a model that reads `from`. A model inside has its own name for the legacy files. */
static int add_any(walk *w, scope *s, const json_t *layer, const int *from, int n, int *made)
{
    if (is_model(text_of(layer, "class_name"))) {
        if (n != 1) return refuse(w, text_of(layer, "name"), "a model with several inputs");
        return walk_model(w, s, layer, NULL, from[0], made);
    }
    return add_layer(w, s, layer, from, n, made);
}

/* The shape of a model's input that no InputLayer says. */
static const json_t *stated_shape(const json_t *layer, const json_t *otherwise)
{
    static const char *const keys[] = {"batch_input_shape", "batch_shape", "build_input_shape"};
    const json_t *config = json_object_get(layer, "config"), *shape = NULL;

    for (size_t i = 0; !shape && i < TMB_COUNT(keys); i++)
        shape = json_object_get(config, keys[i]);
    if (!shape) shape = json_object_get(json_object_get(layer, "build_config"), "input_shape");
    return json_is_array(shape) ? shape : otherwise;
}

static int walk_sequential(
        walk *w, scope *s, const json_t *model, const json_t *shape, int input, int *output)
{
    const json_t *config = json_object_get(model, "config");
    const json_t *layers = json_is_array(config) ? config : json_object_get(config, "layers");
    int at = input;

    shape = stated_shape(model, shape);
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *layer = json_array_get(layers, i);
        const char *class_name = text_of(layer, "class_name");
        const char *name = text_of(json_object_get(layer, "config"), "name");
        const json_t *own = stated_shape(layer, shape);

        if (at >= 0 && is(class_name, "InputLayer")) continue;
        if (at < 0 && is_model(class_name)) {
            TMB_TRY(walk_model(w, s, layer, own, -1, &at));
            continue;
        }
        if (at < 0) {
            TMB_TRY(add_input(
                    w, s, is(class_name, "InputLayer") && name ? name : "input_layer", own, &at));
        }
        if (!is(class_name, "InputLayer")) TMB_TRY(add_any(w, s, layer, &at, 1, &at));
    }
    *output = at;
    return at < 0 ? refuse(w, s->name, "a model without layers") : 0;
}

/* Number of what ["name", node, tensor] stands for. */
static int find_made(const walk *w, const scope *s, const json_t *ref, const char *reader)
{
    const char *name = json_string_value(json_array_get(ref, 0));
    const json_t *made = name ? json_object_get(s->made, name) : NULL;

    if (json_integer_value(json_array_get(ref, 2)) != 0) {
        return refuse(w, reader, "it reads a second output of a layer, which no layer here has");
    }
    if (made) return (int)json_integer_value(made);
    return tmb__fail(TMB_EMODEL, "%s: layer \"%s\" reads \"%s\", which is not a layer before it",
            tmb__printable(w->what), tmb__printable(reader), tmb__printable(name ? name : "?"));
}

typedef struct inputs {
    int from[TMB_LAYER_INPUTS], n;
    bool random; /* for a layer of Random..., which Keras notes as called with training: its default */
} inputs;

static int add_from(const walk *w, const scope *s, inputs *in, const json_t *ref, const char *name)
{
    int made;

    if (in->n == TMB_LAYER_INPUTS) return refuse(w, name, "it reads more than 8 layers");
    made = find_made(w, s, ref, name);
    if (made < 0) return made;
    in->from[in->n++] = made;
    return 0;
}

/* What a call gave beside tensors: nothing that changes an answer may be passed over. */
static int check_kwargs(const walk *w, const inputs *in, const json_t *kwargs, const char *name)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)kwargs, key, value)
    {
        if (json_is_null(value)) continue;
        if (is(key, "training") && (in->random || json_is_false(value))) continue;
        return tmb__fail(TMB_EMODEL, "%s: layer \"%s\": it is called with \"%s\", not supported",
                tmb__printable(w->what), tmb__printable(name), tmb__printable(key));
    }
    return 0;
}

/* The tensors among the arguments of Keras 3, which may lie in lists. */
static int read_args(
        const walk *w, const scope *s, inputs *in, const json_t *args, const char *name)
{
    for (size_t i = 0; i < json_array_size(args); i++) {
        const json_t *arg = json_array_get(args, i);
        const json_t *history = json_object_get(json_object_get(arg, "config"), "keras_history");

        if (json_is_array(arg)) {
            TMB_TRY(read_args(w, s, in, arg, name));
        } else if (is(text_of(arg, "class_name"), "__keras_tensor__")) {
            TMB_TRY(add_from(w, s, in, history, name));
        } else {
            return refuse(w, name, "it is called with something that is no layer's output");
        }
    }
    return 0;
}

static int read_inputs(
        const walk *w, const scope *s, inputs *in, const json_t *nodes, const char *name)
{
    const json_t *node = json_array_get(nodes, 0);

    if (json_array_size(nodes) != 1) {
        refuse(w, name, "it is used more than once, or never");
        tmb__hint("layers that share their weights are not supported");
        return TMB_EMODEL;
    }
    if (json_is_object(node)) {
        TMB_TRY(check_kwargs(w, in, json_object_get(node, "kwargs"), name));
        TMB_TRY(read_args(w, s, in, json_object_get(node, "args"), name));
    } else if (json_is_string(json_array_get(node, 0))) {
        TMB_TRY(check_kwargs(w, in, json_array_get(node, 3), name));
        TMB_TRY(add_from(w, s, in, node, name));
    } else {
        for (size_t i = 0; i < json_array_size(node); i++) {
            TMB_TRY(check_kwargs(w, in, json_array_get(json_array_get(node, i), 3), name));
            TMB_TRY(add_from(w, s, in, json_array_get(node, i), name));
        }
    }
    return in->n ? 0 : refuse(w, name, "it reads nothing");
}

/* input_layers and output_layers: one, ["name", 0, 0] or in a list. */
static const json_t *the_one(const json_t *list)
{
    if (json_is_string(json_array_get(list, 0))) return list;
    return json_array_size(list) == 1 ? json_array_get(list, 0) : NULL;
}

static int walk_functional(
        walk *w, scope *s, const json_t *model, const json_t *shape, int input, int *output)
{
    const json_t *config = json_object_get(model, "config");
    const json_t *layers = json_object_get(config, "layers");
    const json_t *in_layer = the_one(json_object_get(config, "input_layers"));
    const json_t *out_layer = the_one(json_object_get(config, "output_layers"));

    (void)shape;
    if (!in_layer || !out_layer) return refuse(w, s->name, "a net has one input and one output");
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *layer = json_array_get(layers, i);
        const char *own = text_of(json_object_get(layer, "config"), "name");
        const char *name = text_of(layer, "name") ? text_of(layer, "name") : own;
        inputs in = {0};
        int made = input;

        if (!name) return refuse(w, NULL, "it has no name");
        if (!is(text_of(layer, "class_name"), "InputLayer")) {
            const char *class_name = text_of(layer, "class_name");

            in.random = class_name && strncmp(class_name, "Random", 6) == 0;
            TMB_TRY(read_inputs(w, s, &in, json_object_get(layer, "inbound_nodes"), name));
            TMB_TRY(add_any(w, s, layer, in.from, in.n, &made));
        } else if (input < 0) {
            TMB_TRY(add_input(w, s, name, stated_shape(layer, NULL), &made));
        }
        if (json_object_set_new(s->made, name, json_integer(made)) != 0) return no_memory();
    }
    *output = find_made(w, s, out_layer, s->name);
    return *output < 0 ? *output : 0;
}

static int walk_model(walk *w, const scope *above, const json_t *model, const json_t *shape,
        int input, int *output)
{
    const char *name = text_of(json_object_get(model, "config"), "name");
    const char *class_name = text_of(model, "class_name");
    scope s = {.above = above, .name = name ? name : "model", .container = ""};
    char *container = NULL;
    int status = 0;

    if (text_of(model, "name")) s.name = text_of(model, "name");
    if (above) {
        container = next_container((scope *)(uintptr_t)above, class_name);
        if (!container) return TMB_ENOMEM;
        s.container = container;
    }
    s.made = json_object();
    s.counted = json_object();
    if (!s.made || !s.counted) status = no_memory();
    if (status == 0) {
        status = is(class_name, "Sequential") ? walk_sequential(w, &s, model, shape, input, output)
                                              : walk_functional(w, &s, model, shape, input, output);
    }
    json_decref(s.made);
    json_decref(s.counted);
    tmb__free(container);
    return status;
}

/* ---- the whole ---- */

/* Any layer, in any model, that says so. JSON is at most 64 levels deep. */
static bool any_channels_first(const json_t *json)
{
    const char *order = text_of(json, "data_format"), *key;
    json_t *value;
    size_t i;

    if (!order) order = text_of(json, "dim_ordering");
    if (is(order, "channels_first") || is(order, "th")) return true;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        if (any_channels_first(value)) return true;
    }
    json_array_foreach(json, i, value)
    {
        if (any_channels_first(value)) return true;
    }
    return false;
}

static int check_whole(const walk *w, int output)
{
    if (w->out->chw_rows && w->hwc_rows) {
        return tmb__fail(TMB_EMODEL,
                "%s: some layers flatten (channels, height, width), others (height, width, "
                "channels)",
                tmb__printable(w->what));
    }
    if (output == w->out->n_places - 1) return 0;
    return tmb__fail(TMB_EMODEL, "%s: the output is not the last layer, or not the only one",
            tmb__printable(w->what));
}

int tmb__keras_flatten(tmb__keras_graph *out, const json_t *model, const char *what)
{
    walk *w = tmb__calloc(1, sizeof *w);
    int output = -1, status;

    *out = (tmb__keras_graph){0};
    if (!w) return TMB_ENOMEM;
    w->out = out;
    w->what = what;
    w->names = json_object();
    w->layers = json_array();
    out->graph =
            json_pack("{s:s,s:{s:o}}", "class_name", "Functional", "config", "layers", w->layers);
    out->channels_first = any_channels_first(model);
    if (!out->graph || !w->names)
        status = no_memory();
    else if (!is_model(text_of(model, "class_name")))
        status = tmb__fail(TMB_EMODEL,
                "%s: the config is of a \"%s\", expected a Sequential or a Functional model",
                tmb__printable(what),
                tmb__printable(text_of(model, "class_name") ? text_of(model, "class_name") : "?"));
    else
        status = walk_model(w, NULL, model, NULL, -1, &output);
    if (status == 0) status = check_whole(w, output);
    json_decref(w->names);
    tmb__free(w);
    if (status < 0) tmb__keras_graph_free(out);
    return status;
}

void tmb__keras_graph_free(tmb__keras_graph *graph)
{
    for (int i = 0; i < graph->n_places; i++)
        tmb__free(graph->places[i].container);
    tmb__free(graph->places);
    json_decref(graph->graph);
    *graph = (tmb__keras_graph){0};
}
