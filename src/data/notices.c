/* notices.c - what was noticed in a data set, and the list of its photos while it grows */
#include "data/images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int tmb__notices_add(
        tmb__notices *notices, tmb_notice_kind kind, const char *path, const char *fmt, ...)
{
    const char *shown = tmb__printable(path);
    const size_t path_size = strlen(shown) + 1;
    char text[512], *bytes;
    tmb_notice *notice;
    size_t text_size;
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    text_size = strlen(text) + 1;
    if (notices->n == notices->cap) {
        const int64_t cap = notices->cap ? 2 * notices->cap : 16;
        tmb_notice **grown = tmb__realloc(notices->items, (size_t)cap, sizeof *grown);

        if (!grown) return TMB_ENOMEM;
        notices->items = grown;
        notices->cap = cap;
    }
    notice = tmb__realloc(NULL, sizeof *notice + path_size + text_size, 1);
    if (!notice) return TMB_ENOMEM;
    bytes = (char *)(notice + 1);
    memcpy(bytes, shown, path_size);
    memcpy(bytes + path_size, text, text_size);
    notice->kind = kind;
    notice->path = bytes;
    notice->text = bytes + path_size;
    notices->items[notices->n++] = notice;
    if (notices->on_notice) notices->on_notice(notices->user, notice);
    return 0;
}

void tmb__notices_free(tmb__notices *notices)
{
    for (int64_t i = 0; i < notices->n; i++)
        tmb__free(notices->items[i]);
    tmb__free(notices->items);
    *notices = (tmb__notices){0};
}

void tmb__sample_stamp(tmb__sample *sample, const char *path)
{
    struct stat st;
    const bool there = stat(path, &st) == 0;

    sample->size = there ? (int64_t)st.st_size : -1;
    sample->mtime = there ? (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec : 0;
}

int tmb__listing_add(tmb__listing *list, char *path, size_t key, int label, tmb_part part)
{
    if (!path) return TMB_ENOMEM;
    if (list->n == list->cap) {
        const int64_t cap = list->cap ? 2 * list->cap : 256;
        tmb__sample *grown = NULL;

        if (cap > INT32_MAX) {
            tmb__fail(TMB_EDATA, "more than %d photos in one data set", INT32_MAX / 2);
        } else {
            grown = tmb__realloc(list->samples, (size_t)cap, sizeof *grown);
        }
        if (!grown) {
            tmb__free(path);
            return cap > INT32_MAX ? TMB_EDATA : TMB_ENOMEM;
        }
        list->samples = grown;
        list->cap = cap;
    }
    list->samples[list->n] = (tmb__sample){.path = path,
            .slot = -1,
            .label = label,
            .key = (uint32_t)key,
            .part = part,
            .weight = 1};
    tmb__sample_stamp(&list->samples[list->n++], path);
    if (part != TMB_ALL) list->has_part[part] = true;
    return 0;
}

int tmb__listing_name(tmb__listing *list, const char *name)
{
    char *copy;

    if (list->n_names == list->cap_names) {
        const int cap = list->cap_names ? 2 * list->cap_names : 16;
        char **grown = tmb__realloc(list->names, (size_t)cap, sizeof *grown);

        if (!grown) return TMB_ENOMEM;
        list->names = grown;
        list->cap_names = cap;
    }
    copy = tmb__strdup(name);
    if (!copy) return TMB_ENOMEM;
    list->names[list->n_names++] = copy;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void tmb__listing_sort_names(tmb__listing *list)
{
    int n = 0;

    if (list->n_names)
        qsort(list->names, (size_t)list->n_names, sizeof list->names[0], compare_names);
    for (int i = 0; i < list->n_names; i++) {
        if (n && strcmp(list->names[n - 1], list->names[i]) == 0) {
            tmb__free(list->names[i]);
        } else {
            list->names[n++] = list->names[i];
        }
    }
    list->n_names = n;
}

int tmb__listing_label(const tmb__listing *list, const char *name)
{
    char *const *found = bsearch(
            &name, list->names, (size_t)list->n_names, sizeof list->names[0], compare_names);

    TMB_ASSERT(found);
    return (int)(found - list->names);
}

void tmb__listing_free(tmb__listing *list)
{
    for (int64_t i = 0; i < list->n; i++)
        tmb__free(list->samples[i].path);
    for (int i = 0; i < list->n_names; i++)
        tmb__free(list->names[i]);
    tmb__free(list->samples);
    tmb__free(list->names);
    tmb__free(list->tags);
    tmb__free(list->numbers);
    *list = (tmb__listing){0};
}
