/* tensors.c - a list of named tensors, found by name
 *
 * Readers sort an index of the names once, which also shows names that are there twice; a list that is
 * only being built is searched from its start. */
#include "format/format.h"

#include <stdlib.h>
#include <string.h>

static int grow(tmb__tensors *list)
{
    const int64_t cap = list->cap ? 2 * list->cap : 16;
    tmb__named *items = tmb__realloc(list->items, (size_t)cap, sizeof *items);

    if (!items) return TMB_ENOMEM;
    list->items = items;
    list->cap = cap;
    return 0;
}

int tmb__tensors_add(tmb__tensors *list, const char *name, const tmb__array *array)
{
    char *copy;

    if (list->n == list->cap) TMB_TRY(grow(list));
    copy = tmb__strdup(name);
    if (!copy) return TMB_ENOMEM;
    list->items[list->n++] = (tmb__named){copy, *array};
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const tmb__named *const *)a)->name, (*(const tmb__named *const *)b)->name);
}

int tmb__tensors_index(tmb__tensors *list, const char *what)
{
    const size_t n = (size_t)list->n;
    const tmb__named **sorted = tmb__calloc(n, sizeof *sorted);

    if (!sorted) return TMB_ENOMEM;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &list->items[i];
    if (n) qsort(sorted, n, sizeof *sorted, compare_names);
    tmb__free(list->sorted);
    list->sorted = sorted;
    list->n_sorted = list->n;
    for (size_t i = 1; i < n; i++) {
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) != 0) continue;
        return tmb__fail(TMB_EMODEL, "%s: the tensor \"%s\" is there twice", tmb__printable(what),
                tmb__printable(sorted[i]->name));
    }
    return 0;
}

const tmb__array *tmb__tensors_find(const tmb__tensors *list, const char *name)
{
    const tmb__named key = {.name = (char *)(uintptr_t)name}, *wanted = &key, **found;

    if (list->n_sorted && list->n_sorted == list->n) {
        found = bsearch(&wanted, list->sorted, (size_t)list->n, sizeof *found, compare_names);
        return found ? &(*found)->array : NULL;
    }
    for (int64_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].name, name) == 0) return &list->items[i].array;
    }
    return NULL;
}

void tmb__tensors_free(tmb__tensors *list)
{
    for (int64_t i = 0; i < list->n; i++) {
        tmb__free(list->items[i].name);
        if (list->owns) tmb__free(list->items[i].array.data);
    }
    tmb__free(list->items);
    tmb__free(list->sorted);
    tmb__free(list->backing);
    *list = (tmb__tensors){0};
}
