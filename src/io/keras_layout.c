/* keras_layout.c - the layers with weights of a Keras file, whatever its age
 *
 * Three layouts (keras/src/legacy/saving/legacy_h5_format.py, keras/src/saving/saving_lib.py, and the
 * loader that came with vgg16_weights.h5 in 2016):
 *     nb_layers, layer_1/param_0                     2016
 *     layer_names, conv2d [weight_names] kernel:0    Keras 1 to 3; a whole model has it in model_weights
 *     layers/conv2d/vars/0                           Keras 3
 * A model inside a model is one layer in the second, with all its weights: first the trainable ones,
 * then the others. It is taken apart by the names of the weights, "block1_conv1/kernel:0". */
#include "io/keras_h5.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4200 };

static int refuse(const tmb__keras_file *file, const char *place, const char *why)
{
    return tmb__fail(
            TMB_EMODEL, "%s: \"%s\" %s", tmb__printable(file->what), tmb__printable(place), why);
}

/* `items` with room for one more than n; NULL without memory, and the old list stays. */
static void *with_room(void *items, int *cap, int n, size_t size)
{
    const int wanted = *cap ? 2 * *cap : 64;
    void *more = n < *cap ? items : tmb__realloc(items, (size_t)wanted, size);

    if (more && n == *cap) *cap = wanted;
    return more;
}

static int add_layer(
        tmb__keras_file *file, const char *name, const char *group, size_t group_length)
{
    tmb__keras_layer *layers, *layer;

    if (file->n_layers == TMB__KERAS_LAYERS) {
        return tmb__fail(TMB_EMODEL, "%s: more than %d layers with weights",
                tmb__printable(file->what), TMB__KERAS_LAYERS);
    }
    layers = with_room(file->layers, &file->cap_layers, file->n_layers, sizeof *layers);
    if (!layers) return TMB_ENOMEM;
    file->layers = layers;
    layer = &file->layers[file->n_layers++];
    *layer = (tmb__keras_layer){.group = group, .group_length = group_length};
    snprintf(layer->name, sizeof layer->name, "%s", name);
    return 0;
}

/* A weight of layer `layer`; they are brought together at the end. */
static int add_weight(tmb__keras_file *file, const char *path, int layer)
{
    const tmb__array *array = tmb__tensors_find(&file->h5.tensors, path);
    tmb__keras_weight *weights;

    if (!array) return refuse(file, path, "is listed, but is not there");
    weights = with_room(file->weights, &file->cap_weights, file->n_weights, sizeof *weights);
    if (!weights) return TMB_ENOMEM;
    file->weights = weights;
    file->weights[file->n_weights++] = (tmb__keras_weight){array, layer};
    file->layers[layer].n++;
    return 0;
}

/* ---- 2016 ---- */

static int list_2016(tmb__keras_file *file, int64_t n_layers)
{
    char path[PATH_SIZE];

    if (n_layers < 0 || n_layers > TMB__KERAS_LAYERS) {
        return refuse(file, "nb_layers", "is out of range");
    }
    for (int k = 0; k < (int)n_layers; k++) {
        const tmb__h5_attribute *params;

        snprintf(path, sizeof path, "layer_%d", k);
        params = tmb__h5_find(&file->h5, path, "nb_params");
        if (!params || params->number < 0 || params->number > 64) {
            return refuse(file, path, "has no nb_params");
        }
        if (params->number) TMB_TRY(add_layer(file, path, "", 0));
        for (int i = 0; i < (int)params->number; i++) {
            snprintf(path, sizeof path, "layer_%d/param_%d", k, i);
            TMB_TRY(add_weight(file, path, file->n_layers - 1));
        }
    }
    return 0;
}

/* ---- Keras 1 and 2 ---- */

/* What ends the name of a Keras 1 weight, "convolution2d_1_W". */
static const char *const endings[] = {"_W", "_b", "_gamma", "_beta", "_running_mean",
        "_running_std", "_moving_mean", "_moving_variance"};

/* The part of a weight's name that says whose it is: "a/dense" of "a/dense/kernel:0", "block1_conv1" of
 * "block1_conv1_W_1:0". 0: it does not say. */
static size_t owner_length(const char *name)
{
    const char *slash = strrchr(name, '/'), *colon = strrchr(name, ':');
    size_t n = colon ? (size_t)(colon - name) : strlen(name), digits = n;

    if (slash) return (size_t)(slash - name);
    while (digits > 0 && isdigit((unsigned char)name[digits - 1]))
        digits--;
    if (digits > 1 && digits < n && name[digits - 1] == '_') n = digits - 1;
    for (size_t i = 0; i < TMB_COUNT(endings); i++) {
        const size_t m = strlen(endings[i]);

        if (n > m && memcmp(name + n - m, endings[i], m) == 0) return n - m;
    }
    return 0;
}

static bool same_owner(const char *a, const char *b)
{
    const size_t n = owner_length(a);

    return n == owner_length(b) && memcmp(a, b, n) == 0;
}

static void owner_name(char *out, size_t size, const char *name)
{
    const size_t n = owner_length(name);
    size_t start = n;

    while (start > 0 && name[start - 1] != '/')
        start--;
    snprintf(out, size, "%.*s", (int)(n - start), name + start);
}

/* The file's layer that a weight of a group is for: a new one for each owner, in the order in which they
 * are first named. `named[k]` is the first weight's name of layer first + k. */
static int layer_of(
        tmb__keras_file *file, const char *name, const char *group, int first, const char **named)
{
    char own[128];

    for (int k = file->n_layers; k-- > first;) {
        if (same_owner(named[k], name)) return k;
    }
    owner_name(own, sizeof own, name);
    TMB_TRY(add_layer(file, own, group, strlen(group)));
    named[file->n_layers - 1] = name;
    return file->n_layers - 1;
}

static int list_group(
        tmb__keras_file *file, const char *group, const char *name, const char **named)
{
    const tmb__h5_attribute *weights = tmb__h5_find(&file->h5, group, "weight_names");
    const int first = file->n_layers;
    bool one = true;
    char path[PATH_SIZE];

    if (!weights || weights->is_number) {
        return refuse(file, group, "is in layer_names, but there is no such group of weights");
    }
    for (int64_t i = 1; i < weights->n_strings; i++)
        one = one && same_owner(weights->strings[0], weights->strings[i]);
    if (one && weights->n_strings) TMB_TRY(add_layer(file, name, name, strlen(name)));
    for (int64_t i = 0; i < weights->n_strings; i++) {
        const int layer = one ? first : layer_of(file, weights->strings[i], name, first, named);

        if (layer < 0) return layer;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", group, weights->strings[i]) >=
                sizeof path) {
            return refuse(file, group, "has a weight with too long a name");
        }
        TMB_TRY(add_weight(file, path, layer));
    }
    return 0;
}

static int list_legacy(tmb__keras_file *file, const char *base, const tmb__h5_attribute *layers)
{
    const char **named = tmb__calloc(TMB__KERAS_LAYERS, sizeof *named);
    char group[PATH_SIZE];
    int status = named ? 0 : TMB_ENOMEM;

    for (int64_t i = 0; i < layers->n_strings && status == 0; i++) {
        const char *name = layers->strings[i];

        snprintf(group, sizeof group, "%s%s%.2000s", base, base[0] ? "/" : "", name);
        status = list_group(file, group, name, named);
    }
    tmb__free(named);
    return status;
}

/* ---- Keras 3 ---- */

/* "layers/functional/layers/conv2d_1" -> "conv2d", 1, two deep. */
static void read_container(tmb__keras_layer *layer, const char *container)
{
    const char *name = strrchr(container, '/') ? strrchr(container, '/') + 1 : container;
    size_t n = strlen(name), digits = n;

    while (digits > 0 && isdigit((unsigned char)name[digits - 1]))
        digits--;
    if (digits > 1 && digits < n && n - digits < 9 && name[digits - 1] == '_') {
        layer->number = atoi(name + digits);
        n = digits - 1;
    }
    snprintf(layer->stem, sizeof layer->stem, "%.*s", (int)n, name);
    for (const char *c = container; *c; c++)
        layer->depth += *c == '/';
}

/* `first` is the path of one of its variables. */
static int list_container(tmb__keras_file *file, const char *container, const char *first, int n)
{
    char path[PATH_SIZE];
    const tmb__h5_attribute *name;

    snprintf(path, sizeof path, "%.2000s/vars", container);
    name = tmb__h5_find(&file->h5, path, "name");
    TMB_TRY(add_layer(file,
            name && name->n_strings == 1      ? name->strings[0]
                    : strrchr(container, '/') ? strrchr(container, '/') + 1
                                              : container,
            first, strlen(container)));
    read_container(&file->layers[file->n_layers - 1], container);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%.2000s/vars/%d", container, i);
        TMB_TRY(add_weight(file, path, file->n_layers - 1));
    }
    return 0;
}

static bool in_layers(const char *path)
{
    return strncmp(path, "layers/", 7) == 0 ||
            strncmp(path, "_layer_checkpoint_dependencies/", 31) == 0;
}

/* The length of "layers/conv2d" in "layers/conv2d/vars/0"; 0 for what is no layer's variable. */
static size_t container_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    const size_t n = slash ? (size_t)(slash - path) : 0;

    if (!in_layers(path) || n < 6 || n > 2000 || memcmp(slash - 5, "/vars", 5) != 0) return 0;
    if (strstr(path, "/seed_generator/")) return 0;
    return n - 5;
}

/* The tensors stand sorted by name, those of a container one after the other. */
static int list_3(tmb__keras_file *file)
{
    const tmb__tensors *tensors = &file->h5.tensors;
    char container[PATH_SIZE];

    for (int64_t i = 0, next; i < tensors->n; i = next) {
        const char *path = tensors->sorted[i]->name;
        const size_t n = container_length(path);

        next = i + 1;
        if (n == 0) continue;
        while (next < tensors->n && container_length(tensors->sorted[next]->name) == n &&
                memcmp(tensors->sorted[next]->name, path, n) == 0)
            next++;
        if (next - i > 64) return refuse(file, path, "is one of more than 64 variables");
        snprintf(container, sizeof container, "%.*s", (int)n, path);
        TMB_TRY(list_container(file, container, path, (int)(next - i)));
    }
    return 0;
}

/* ---- which of them ---- */

static const char *text_of(const tmb__keras_file *file, const char *place, const char *name)
{
    const tmb__h5_attribute *attribute = tmb__h5_find(&file->h5, place, name);

    return attribute && attribute->n_strings == 1 ? attribute->strings[0] : NULL;
}

/* PITFALL: whole models of Keras 1.0.8 to 1.2 have keras_version on the root only, and count as version
 * 1 for that: the attribute of the group with the weights is the one that counts. */
static void read_version(tmb__keras_file *file, const char *base)
{
    const char *version = text_of(file, base, "keras_version");

    file->version[0] = 1;
    file->version[1] = 0;
    if (version && isdigit((unsigned char)version[0])) {
        file->version[0] = atoi(version);
        if (strchr(version, '.')) file->version[1] = atoi(strchr(version, '.') + 1);
    }
    file->backend = text_of(file, base, "backend");
    file->config = text_of(file, "", "model_config");
}

/* Bring the weights of each layer together, in the order they have. */
static int gather(tmb__keras_file *file)
{
    tmb__keras_weight *list = tmb__calloc((size_t)file->n_weights, sizeof *list);
    int at = 0;

    if (!list) return TMB_ENOMEM;
    for (int k = 0; k < file->n_layers; k++) {
        file->layers[k].first = at;
        at += file->layers[k].n;
        file->layers[k].next = file->layers[k].first;
    }
    for (int i = 0; i < file->n_weights; i++)
        list[file->layers[file->weights[i].layer].next++] = file->weights[i];
    tmb__free(file->weights);
    file->weights = list;
    return 0;
}

static int list_any(tmb__keras_file *file)
{
    const tmb__h5_attribute *n_2016 = tmb__h5_find(&file->h5, "", "nb_layers");
    const tmb__h5_attribute *root = tmb__h5_find(&file->h5, "", "layer_names");
    const tmb__h5_attribute *whole = tmb__h5_find(&file->h5, "model_weights", "layer_names");
    const char *base = root ? "" : "model_weights";

    if (n_2016 && n_2016->is_number) {
        file->layout = TMB__KERAS_2016;
        file->label = "2016 weights (nb_layers)";
        return list_2016(file, n_2016->number);
    }
    if (root || whole) {
        read_version(file, base);
        file->layout = TMB__KERAS_LEGACY;
        file->label = root ? "Keras weights (layer_names)" : "Keras whole model";
        return list_legacy(file, base, root ? root : whole);
    }
    file->layout = TMB__KERAS_3;
    file->label = "Keras 3 weights";
    return list_3(file);
}

int tmb__keras_list(tmb__keras_file *file)
{
    file->version[0] = 1;
    TMB_TRY(list_any(file));
    if (file->n_weights == 0) {
        return tmb__fail(TMB_EMODEL,
                "%s: no Keras weights in it: neither layer_names, nb_layers nor layers/*/vars",
                tmb__printable(file->what));
    }
    return gather(file);
}

int tmb__keras_describe(const tmb__h5_file *h5, const char *what)
{
    tmb__keras_file file = {.what = what, .h5 = *h5};
    const int status = tmb__keras_list(&file);
    char of[64] = "";

    if (status == 0 && file.backend)
        snprintf(of, sizeof of, ", Keras %d.%d on %.20s", file.version[0], file.version[1],
                tmb__printable(file.backend));
    if (status == 0)
        TMB_LOG(INFO, "%s: %s%s, %d layers with weights", tmb__printable(what), file.label, of,
                file.n_layers);
    tmb__free(file.layers);
    tmb__free(file.weights);
    return status == TMB_ENOMEM ? status : 0;
}
