/* h5_write.c - write HDF5 files, Keras' legacy .h5 among them, through the HDF5 module
 *
 * libhdf5 brings forty libraries along (curl, Kerberos, LDAP, ...) and costs a program 4.5 ms at its
 * start, though few runs write an .h5 file. So it is linked to a small module, libthimble-h5write.so,
 * that is loaded here when it is first needed, from where the installation keeps its parts
 * (base/beside.c). The module makes the file in memory; it is saved like every other file. */
#include "format/h5_module.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 1024 };

/* ---- what to write ---- */

static int add(tmb__h5_list *list, const char *place, const tmb__h5_item *item)
{
    tmb__h5_item *items = list->items;
    char *copy = tmb__strdup(place);

    if (copy && list->n == list->cap) {
        const int64_t cap = TMB_MAX(64, 2 * list->cap);

        items = tmb__realloc(items, (size_t)cap, sizeof *items);
        if (items) list->items = items;
        if (items) list->cap = cap;
    }
    if (!copy || !items) {
        tmb__free(copy);
        tmb__free(item->owned);
        return TMB_ENOMEM;
    }
    items[list->n] = *item;
    items[list->n++].place = copy;
    return 0;
}

int tmb__h5_add_group(tmb__h5_list *list, const char *place)
{
    return add(list, place, &(tmb__h5_item){0});
}

int tmb__h5_add_tensor(tmb__h5_list *list, const char *place, const tmb__array *array)
{
    return add(list, place, &(tmb__h5_item){.array = *array});
}

int tmb__h5_add_text(tmb__h5_list *list, const char *place, const char *name, const char *text)
{
    char *copy = tmb__strdup(text);

    if (!copy) return TMB_ENOMEM;
    return add(list, place, &(tmb__h5_item){.name = name, .n = -1, .owned = copy});
}

int tmb__h5_add_names(tmb__h5_list *list, const char *place, const char *name,
        const char *const *names, int64_t n)
{
    return add(list, place, &(tmb__h5_item){.name = name, .names = names, .n = n});
}

void tmb__h5_list_free(tmb__h5_list *list)
{
    for (int64_t i = 0; i < list->n; i++) {
        tmb__free(list->items[i].place);
        tmb__free(list->items[i].owned);
    }
    tmb__free(list->items);
    *list = (tmb__h5_list){0};
}

/* ---- writing ---- */

int tmb__h5_image(tmb__bytes *out, const tmb__h5_list *list, const char *path)
{
    const tmb__h5_host host = {tmb__calloc, tmb__free};
    tmb__h5_image_fn make_image = NULL;
    char why[256] = "";
    int status;

    *out = (tmb__bytes){0};
    TMB_TRY(tmb__part_symbol(
            &make_image, sizeof make_image, "libthimble-h5write.so", "tmb_h5_image"));
    status = make_image(out, list, &host, why);
    if (status < 0 && why[0]) tmb__fail(status, "%s: %s", tmb__printable(path), why);
    return status;
}

int tmb__h5_write(const char *path, const tmb__h5_list *list)
{
    tmb__bytes file;
    int status = tmb__h5_image(&file, list, path);

    if (status == 0) status = tmb__file_replace(path, &file, 1);
    tmb__free(file.data);
    return status;
}

/* ---- Keras' legacy layout ---- */

static int add_layer(tmb__h5_list *list, const char *base, const tmb__h5_layer *layer)
{
    char place[PATH_SIZE], path[2 * PATH_SIZE];

    snprintf(place, sizeof place, "%s%s%s", base, *base ? "/" : "", layer->name);
    TMB_TRY(tmb__h5_add_group(list, place));
    TMB_TRY(tmb__h5_add_names(list, place, "weight_names", layer->weight_names, layer->n_weights));
    for (int i = 0; i < layer->n_weights; i++) {
        snprintf(path, sizeof path, "%s/%s", place, layer->weight_names[i]);
        TMB_TRY(tmb__h5_add_tensor(list, path, &layer->weights[i]));
    }
    return 0;
}

int tmb__h5_add_layers(
        tmb__h5_list *list, const char *base, const tmb__h5_layer *layers, int n_layers)
{
    const char **names = tmb__calloc((size_t)n_layers, sizeof *names);

    if (!names) return TMB_ENOMEM;
    for (int i = 0; i < n_layers; i++)
        names[i] = layers[i].name;
    TMB_TRY(add(list, base,
            &(tmb__h5_item){.name = "layer_names", .names = names, .n = n_layers, .owned = names}));
    TMB_TRY(tmb__h5_add_text(list, base, "backend", "tensorflow"));
    TMB_TRY(tmb__h5_add_text(list, base, "keras_version", "2.15.0"));
    for (int i = 0; i < n_layers; i++)
        TMB_TRY(add_layer(list, base, &layers[i]));
    return 0;
}

int tmb__h5_write_weights(const char *path, const tmb__h5_layer *layers, int n_layers)
{
    tmb__h5_list list = {0};
    int status = tmb__h5_add_layers(&list, "", layers, n_layers);

    if (status == 0) status = tmb__h5_write(path, &list);
    tmb__h5_list_free(&list);
    return status;
}
