/* keras_dir.c - the photos of a folder as Keras' flow_from_directory lists them, faults included
 *
 * Every folder is a class, hidden ones too; a class' photos are the files below it whose names end in
 * one of a few words, with or without a dot, folders in the order of their whole path (os.walk, sorted).
 * What a file holds is not looked at. Keras 1 asked for the dot and the lower case, knew fewer words and
 * looked into no folder below a class. A linked folder below a class is walked if the options say so,
 * but for one that leads to a folder above it: there Keras goes round until the path is too long. */
#include "data/images.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 128 };

static const char *const endings[] = {"png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff"};
enum { ENDINGS_2016 = 4 };

typedef struct entry {
    char *path;
    size_t folder; /* bytes of it */
} entry;

typedef struct keras_walk {
    bool old, follow_links;
    entry *files;
    int64_t n, cap;
    struct {
        uint64_t device, inode;
    } above[MAX_DEPTH]; /* the folders that the walk is in */
    int depth;
    int64_t unreadable;
} keras_walk;

bool tmb__keras_photo(const char *name, bool old)
{
    const size_t n = strlen(name);

    for (size_t i = 0; i < (old ? ENDINGS_2016 : TMB_COUNT(endings)); i++) {
        const size_t length = strlen(endings[i]);

        if (n < length + old) continue;
        if (old && name[n - length - 1] == '.' && strcmp(name + n - length, endings[i]) == 0)
            return true;
        if (!old && strcasecmp(name + n - length, endings[i]) == 0) return true;
    }
    return false;
}

static int keep(keras_walk *w, char *path, size_t folder)
{
    if (w->n == w->cap) {
        const int64_t cap = w->cap ? 2 * w->cap : 256;
        entry *grown = tmb__realloc(w->files, (size_t)cap, sizeof *grown);

        if (!grown) {
            tmb__free(path);
            return TMB_ENOMEM;
        }
        w->files = grown;
        w->cap = cap;
    }
    w->files[w->n++] = (entry){path, folder};
    return 0;
}

static bool enters(const keras_walk *w, const char *path, const tmb__entry *e)
{
    struct stat st;

    if (w->old || w->depth == MAX_DEPTH) return false;
    if (!w->follow_links && lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) return false;
    for (int i = 0; i < w->depth; i++) {
        if (w->above[i].device == e->device && w->above[i].inode == e->inode) return false;
    }
    return true;
}

static int walk(keras_walk *w, const char *folder);

static int visit(keras_walk *w, const char *folder, const tmb__entry *e)
{
    char *path;
    int status = 0;

    if (!e->is_folder && !tmb__keras_photo(e->name, w->old)) return 0;
    path = tmb__path_join(folder, e->name);
    if (!path) return TMB_ENOMEM;
    if (!e->is_folder) return keep(w, path, strlen(folder));
    if (enters(w, path, e)) {
        w->above[w->depth].device = e->device;
        w->above[w->depth++].inode = e->inode;
        status = walk(w, path);
        w->depth--;
    }
    tmb__free(path);
    return status;
}

static int walk(keras_walk *w, const char *folder)
{
    tmb__entry *entries = NULL;
    int64_t n = 0;
    int status = tmb__folder_list(&entries, &n, folder, TMB_EDATA);

    if (status == TMB_EDATA) {
        w->unreadable++;
        return 0;
    }
    for (int64_t i = 0; i < n && status == 0; i++)
        status = visit(w, folder, &entries[i]);
    tmb__folder_list_free(entries, n);
    return status;
}

/* Folders by their whole path, then names. */
static int compare(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    const size_t shorter = TMB_MIN(x->folder, y->folder);
    const int order = memcmp(x->path, y->path, shorter);

    if (order) return order;
    if (x->folder != y->folder) return x->folder < y->folder ? -1 : 1;
    return strcmp(x->path + shorter, y->path + shorter);
}

/* ---- classes ---- */

/* Of a class without photos the number still counts: say so, it is seldom meant. */
static int note_class(tmb__listing *list, const keras_walk *w, const char *name)
{
    if (w->unreadable) {
        TMB_TRY(tmb__notices_add(list->notices, TMB_NOTICE_WARNING, name,
                "%lld folders cannot be read, Keras passes over them", (long long)w->unreadable));
    }
    if (w->n) return 0;
    return tmb__notices_add(list->notices, TMB_NOTICE_WARNING, name,
            "a class without photos, as in Keras; it has a class number all the same");
}

static int list_class(tmb__listing *list, const char *folder, size_t key, const char *name,
        tmb_part part, const tmb_images_opts *opts)
{
    keras_walk w = {.old = opts->augment.preset == TMB_PRESET_KERAS2016,
            .follow_links = opts->follow_links};
    char *path = tmb__path_join(folder, name);
    int status = path ? tmb__listing_name(list, name) : TMB_ENOMEM;
    struct stat st;
    int64_t i = 0;

    if (status == 0 && stat(path, &st) == 0) {
        w.above[0].device = (uint64_t)st.st_dev;
        w.above[0].inode = (uint64_t)st.st_ino;
        w.depth = 1;
    }
    if (status == 0) status = walk(&w, path);
    if (w.n) qsort(w.files, (size_t)w.n, sizeof w.files[0], compare);
    if (status == 0) status = note_class(list, &w, name);
    for (; i < w.n && status == 0; i++)
        status = tmb__listing_add(list, w.files[i].path, key, list->n_names - 1, part);
    for (; i < w.n; i++)
        tmb__free(w.files[i].path);
    tmb__free(w.files);
    tmb__free(path);
    return status;
}

static int list_classes(tmb__listing *list, const char *folder, size_t key, tmb_part part,
        const tmb_images_opts *opts)
{
    tmb__entry *entries;
    int64_t n;
    int status = 0;

    if (opts->classes) {
        for (int k = 0; opts->classes[k]; k++)
            TMB_TRY(list_class(list, folder, key, opts->classes[k], part, opts));
        return 0;
    }
    TMB_TRY(tmb__folder_list(&entries, &n, folder, TMB_EDATA));
    for (int64_t i = 0; i < n && status == 0; i++) {
        if (entries[i].is_folder)
            status = list_class(list, folder, key, entries[i].name, part, opts);
    }
    tmb__folder_list_free(entries, n);
    return status;
}

/* ---- the door ---- */

int tmb__list_keras(tmb__listing *list, const char *path, const tmb_images_opts *opts)
{
    const char *last = path + strlen(path) - 1;
    tmb_part part = opts->part;
    char *folder;
    int status;

    TMB_TRY(tmb__part_folder(&folder, list->has_part, path, &part));
    if (!list->has_part[part]) part = TMB_ALL;
    status = list_classes(list, folder, strlen(path) + (*last != '/'), part, opts);
    tmb__free(folder);
    if (status < 0 || list->n) return status;
    tmb__fail(TMB_EDATA, "%s: found 0 images belonging to %d classes", tmb__printable(path),
            list->n_names);
    tmb__hint("expected %s/<class>/photo.jpg, one folder for each class", tmb__printable(path));
    return TMB_EDATA;
}
