/* dir.c - the photos of a folder: which folders are classes, which files are photos, in which order
 *
 *   DIR/<class>/...                                       or
 *   DIR/{train, validation|val|valid, test}/<class>/...
 *
 * Classes are the folders' names in byte-wise order. Inside a class the walk is Keras': all folders
 * below it in the order of their whole path, the files of each in the order of their names. Links are
 * followed, but no folder is entered twice, so that a link upwards ends there. Hidden and system
 * files are left out and counted; what is neither file nor folder is never opened. */
#include "data/images.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { N_PARTS = 4, SNIFF_BYTES = 16 };

/* The part of data layout that a folder's name stands for, in the order of preference. */
static const struct {
    const char *name;
    tmb_part part;
} part_names[] = {{"train", TMB_TRAIN}, {"validation", TMB_VALIDATION}, {"val", TMB_VALIDATION},
        {"valid", TMB_VALIDATION}, {"test", TMB_TEST}};

/* Endings of pictures, of those too that only get a clear refusal later. */
static const char *const picture_endings[] = {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif",
        "bmp", "dib", "ppm", "pgm", "tif", "tiff", "heic", "heif", "avif", "jxl", "jp2", "svg"};

static const char *const junk_names[] = {"__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir"};

/* A file of the class being walked; the folder is the path's first `folder` bytes. */
typedef struct found {
    char *path;
    size_t folder;
} found;

/* Things left out: how many, and the first one's path (owned). */
typedef struct left_out {
    int64_t n;
    char *first;
} left_out;

typedef struct walker {
    tmb__listing *list;
    size_t root; /* where keys begin in paths */
    found *files;
    int64_t n_files, cap_files;
    struct seen {
        uint64_t device, inode;
    } * seen;
    int64_t n_seen, cap_seen;
    left_out junk, other, special, loops, loose;
    int64_t unreadable; /* folders; the first one's failure: */
    tmb__failure failure;
} walker;

tmb_part tmb__part_named(const char *name)
{
    for (size_t i = 0; i < TMB_COUNT(part_names); i++) {
        if (strcmp(name, part_names[i].name) == 0) return part_names[i].part;
    }
    return TMB_ALL;
}

const char *tmb__part_name(tmb_part part)
{
    static const char *const names[] = {"all", "train", "validation", "test"};

    return names[part];
}

/* ---- what a name says ---- */

static bool is_junk(const char *name)
{
    if (name[0] == '.') return true;
    for (size_t i = 0; i < TMB_COUNT(junk_names); i++) {
        if (strcasecmp(name, junk_names[i]) == 0) return true;
    }
    return false;
}

/* A file without any ending is a photo if it begins as one. */
static bool begins_as_picture(const char *path)
{
    static const char *const magic[] = {"\xff\xd8\xff", "\x89PNG", "GIF8", "RIFF", "BM"};
    tmb__bytes file;
    bool known = false;

    if (tmb__file_read(&file, path, 256u << 20, TMB_EDATA) < 0) return false;
    for (size_t i = 0; i < TMB_COUNT(magic); i++) {
        const size_t n = strlen(magic[i]);

        known = known || (file.size > SNIFF_BYTES && memcmp(file.data, magic[i], n) == 0);
    }
    tmb__free(file.data);
    return known;
}

static bool is_photo(const char *name, const char *path)
{
    const char *dot = strrchr(name, '.');

    if (!dot) return begins_as_picture(path);
    for (size_t i = 0; i < TMB_COUNT(picture_endings); i++) {
        if (strcasecmp(dot + 1, picture_endings[i]) == 0) return true;
    }
    return false;
}

/* ---- the walk ---- */

static int leave_out(left_out *kind, const char *path)
{
    if (kind->n++ == 0) kind->first = tmb__strdup(path);
    return kind->first ? 0 : TMB_ENOMEM;
}

/* True the first time; -1 when out of memory. */
static int enter(walker *w, uint64_t device, uint64_t inode)
{
    for (int64_t i = 0; i < w->n_seen; i++) {
        if (w->seen[i].inode == inode && w->seen[i].device == device) return 0;
    }
    if (w->n_seen == w->cap_seen) {
        const int64_t cap = w->cap_seen ? 2 * w->cap_seen : 64;
        struct seen *grown = tmb__realloc(w->seen, (size_t)cap, sizeof *grown);

        if (!grown) return TMB_ENOMEM;
        w->seen = grown;
        w->cap_seen = cap;
    }
    w->seen[w->n_seen++] = (struct seen){device, inode};
    return 1;
}

static int keep_file(walker *w, char *path, size_t folder)
{
    if (w->n_files == w->cap_files) {
        const int64_t cap = w->cap_files ? 2 * w->cap_files : 256;
        found *grown = tmb__realloc(w->files, (size_t)cap, sizeof *grown);

        if (!grown) return TMB_ENOMEM;
        w->files = grown;
        w->cap_files = cap;
    }
    w->files[w->n_files++] = (found){path, folder};
    return 0;
}

static int walk(walker *w, const char *folder);

/* One entry of a folder inside a class. */
static int visit(walker *w, const char *folder, const tmb__entry *entry)
{
    char *path = tmb__path_join(folder, entry->name);
    int status;

    if (!path) return TMB_ENOMEM;
    if (is_junk(entry->name)) {
        status = leave_out(&w->junk, path);
    } else if (entry->is_folder) {
        status = enter(w, entry->device, entry->inode);
        if (status >= 0) status = status ? walk(w, path) : leave_out(&w->loops, path);
    } else if (!entry->is_file) {
        status = leave_out(&w->special, path);
    } else if (!is_photo(entry->name, path)) {
        status = leave_out(&w->other, path);
    } else {
        status = keep_file(w, path, strlen(folder));
        if (status == 0) return 0; /* the path has a new owner */
    }
    tmb__free(path);
    return status;
}

/* A folder that cannot be read does not end the walk: the message is to say how much could be. */
static int list_folder(walker *w, const char *folder, tmb__entry **entries, int64_t *n)
{
    const int status = tmb__folder_list(entries, n, folder, TMB_EDATA);

    if (status != TMB_EDATA) return status;
    if (w->unreadable++ == 0) tmb__failure_save(&w->failure, status);
    return 0;
}

static int walk(walker *w, const char *folder)
{
    tmb__entry *entries;
    int64_t n;
    int status = list_folder(w, folder, &entries, &n);

    for (int64_t i = 0; i < n && status == 0; i++)
        status = visit(w, folder, &entries[i]);
    tmb__folder_list_free(entries, n);
    return status;
}

/* Keras' order: folders by their whole path, then names. */
static int compare_files(const void *a, const void *b)
{
    const found *x = a, *y = b;
    const size_t shorter = TMB_MIN(x->folder, y->folder);
    const int order = memcmp(x->path, y->path, shorter);

    if (order) return order;
    if (x->folder != y->folder) return x->folder < y->folder ? -1 : 1;
    return strcmp(x->path + shorter, y->path + shorter);
}

static int walk_class(walker *w, const char *folder, int label, tmb_part part)
{
    int status = walk(w, folder);
    int64_t i = 0;

    if (w->n_files) qsort(w->files, (size_t)w->n_files, sizeof w->files[0], compare_files);
    for (; i < w->n_files && status == 0; i++)
        status = tmb__listing_add(w->list, w->files[i].path, w->root, label, part);
    for (; i < w->n_files; i++)
        tmb__free(w->files[i].path);
    w->n_files = 0;
    return status;
}

/* ---- one level of class folders ---- */

/* A folder of class folders, and what stands in it. */
typedef struct level {
    char *path; /* owned */
    tmb_part part;
    tmb__entry *entries;
    int64_t n;
} level;

static bool is_class(const tmb__entry *entry)
{
    return entry->is_folder && !is_junk(entry->name);
}

static int count_classes(const level *l)
{
    int n = 0;

    for (int64_t i = 0; i < l->n; i++)
        n += is_class(&l->entries[i]);
    return n;
}

static void level_free(level *l)
{
    tmb__folder_list_free(l->entries, l->n);
    tmb__free(l->path);
    *l = (level){0};
}

static int level_open(level *out, const char *folder, const char *name, tmb_part part)
{
    int status;

    *out = (level){.part = part};
    out->path = tmb__path_join(folder, name);
    if (!out->path) return TMB_ENOMEM;
    status = tmb__folder_list(&out->entries, &out->n, out->path, TMB_EDATA);
    if (status < 0) level_free(out);
    return status;
}

static int enter_path(walker *w, const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? enter(w, (uint64_t)st.st_dev, (uint64_t)st.st_ino) : 0;
}

/* Class folders are entered before any walk, so that a link from one class leads into no other. A
 * class that is a link to a folder entered already loses its name here, and is one no more. */
static int enter_classes(walker *w, level *l)
{
    TMB_TRY(enter_path(w, l->path));
    for (int64_t i = 0; i < l->n; i++) {
        tmb__entry *entry = &l->entries[i];
        int fresh;

        if (!is_class(entry)) continue;
        fresh = enter(w, entry->device, entry->inode);
        if (fresh < 0) return fresh;
        if (fresh) {
            TMB_TRY(tmb__listing_name(w->list, entry->name));
        } else {
            TMB_TRY(leave_out(&w->loops, l->path));
            entry->name[0] = '\0';
        }
    }
    return 0;
}

/* What stands beside the class folders. */
static int pass_over(walker *w, const level *l, const tmb__entry *entry)
{
    char *path = tmb__path_join(l->path, entry->name);
    int status;

    if (!path) return TMB_ENOMEM;
    if (is_junk(entry->name)) {
        status = leave_out(&w->junk, path);
    } else if (!entry->is_file) {
        status = leave_out(&w->special, path);
    } else if (is_photo(entry->name, path)) {
        status = leave_out(&w->loose, path);
    } else {
        status = leave_out(&w->other, path);
    }
    tmb__free(path);
    return status;
}

static int walk_level(walker *w, const level *l)
{
    int status = 0;

    for (int64_t i = 0; i < l->n && status == 0; i++) {
        const tmb__entry *entry = &l->entries[i];
        char *path;

        if (!entry->name[0]) continue;
        if (!is_class(entry)) {
            status = pass_over(w, l, entry);
            continue;
        }
        path = tmb__path_join(l->path, entry->name);
        if (!path) return TMB_ENOMEM;
        status = walk_class(w, path, tmb__listing_label(w->list, entry->name), l->part);
        tmb__free(path);
    }
    return status;
}

/* ---- the layout ---- */

/* Parts count only if they hold folders: a class may be called "train". Then either there is a train
 * part beside another one, or nothing but parts. */
static int find_parts(level parts[N_PARTS], const level *top)
{
    int n_parts = 0, n_classes = count_classes(top);

    for (size_t i = 0; i < TMB_COUNT(part_names); i++) {
        level *l = &parts[part_names[i].part];
        level found_level;

        for (int64_t k = 0; k < top->n; k++) {
            if (!is_class(&top->entries[k])) continue;
            if (strcmp(top->entries[k].name, part_names[i].name) != 0) continue;
            TMB_TRY(level_open(&found_level, top->path, part_names[i].name, part_names[i].part));
            if (l->path || !count_classes(&found_level)) {
                level_free(&found_level);
                continue;
            }
            *l = found_level;
            n_parts++;
        }
    }
    return n_parts == n_classes || (parts[TMB_TRAIN].path && n_parts > 1) ? n_parts : 0;
}

static void add_names(tmb__strbuf *sb, const level *l)
{
    const char *comma = "";

    for (int64_t i = 0; i < l->n; i++) {
        if (!is_class(&l->entries[i])) continue;
        tmb__strbuf_add(sb, "%s%s", comma, tmb__printable(l->entries[i].name));
        comma = ", ";
    }
}

static bool has_class(const level *l, const char *name)
{
    for (int64_t i = 0; i < l->n; i++) {
        if (is_class(&l->entries[i]) && strcmp(l->entries[i].name, name) == 0) return true;
    }
    return false;
}

static const char *missing_class(const level *from, const level *in)
{
    for (int64_t i = 0; i < from->n; i++) {
        const tmb__entry *entry = &from->entries[i];

        if (is_class(entry) && !has_class(in, entry->name)) return entry->name;
    }
    return NULL;
}

/* Every part must have the classes of the training part. */
static int same_classes(const level *train, const level *other)
{
    const char *extra = missing_class(other, train), *lost = missing_class(train, other);
    tmb__strbuf sb = {0};

    if (!extra && !lost) return 0;
    if (extra) {
        tmb__fail(TMB_EDATA, "%s: class \"%s\" is not in %s", tmb__printable(other->path),
                tmb__printable(extra), tmb__printable(train->path));
    } else {
        tmb__fail(TMB_EDATA, "%s: class \"%s\" of %s is missing", tmb__printable(other->path),
                tmb__printable(lost), tmb__printable(train->path));
    }
    tmb__strbuf_add(&sb, "train has ");
    add_names(&sb, train);
    tmb__strbuf_add(&sb, "; %s has ", tmb__part_name(other->part));
    add_names(&sb, other);
    if (!sb.failed) tmb__detail("%s", sb.text);
    tmb__strbuf_free(&sb);
    return TMB_EDATA;
}

/* ---- messages ---- */

static int note(walker *w, tmb_notice_kind kind, left_out *what, const char *text)
{
    if (!what->n) return 0;
    if (what->n == 1) {
        return tmb__notices_add(w->list->notices, kind, what->first, "left out: %s", text);
    }
    return tmb__notices_add(w->list->notices, kind, what->first,
            "left out with %lld more like it: %s", (long long)what->n - 1, text);
}

static int note_all(walker *w)
{
    TMB_TRY(note(w, TMB_NOTICE_IGNORED, &w->junk, "hidden or system file or folder"));
    TMB_TRY(note(w, TMB_NOTICE_IGNORED, &w->other, "not a picture by its name"));
    TMB_TRY(note(
            w, TMB_NOTICE_IGNORED, &w->special, "neither a file nor a folder, or a dead link"));
    TMB_TRY(note(w, TMB_NOTICE_WARNING, &w->loops, "a link to a folder that is visited already"));
    return note(w, TMB_NOTICE_WARNING, &w->loose, "a photo beside the class folders");
}

/* The folder above `path` if it holds several folders: a user may have gone one step too deep. */
static bool parent_has_classes(const char *path, level *out)
{
    char *parent = tmb__path_join(path, "..");
    bool several = false;

    *out = (level){0};
    if (parent && level_open(out, parent, "", TMB_ALL) == 0) several = count_classes(out) > 1;
    tmb__free(parent);
    return several;
}

static int no_classes(const walker *w, const char *path)
{
    level parent;

    if (parent_has_classes(path, &parent) && w->loose.n) {
        tmb__fail(TMB_EDATA, "%s: found %lld images but no class folders", tmb__printable(path),
                (long long)w->loose.n);
        tmb__hint("the folder above it holds %d folders; did you mean that one?",
                count_classes(&parent));
    } else if (w->loose.n) {
        tmb__fail(TMB_EDATA, "%s: found %lld images but no class folders", tmb__printable(path),
                (long long)w->loose.n);
        tmb__hint("put the photos of each class into a folder of its own: %s/<class>/photo.jpg",
                tmb__printable(path));
    } else {
        tmb__fail(TMB_EDATA, "%s: found neither class folders nor images", tmb__printable(path));
        tmb__hint("expected %s/<class>/photo.jpg, one folder for each class", tmb__printable(path));
    }
    level_free(&parent);
    return TMB_EDATA;
}

/* One class only: perhaps the data set is inside of it. */
static int one_class(const tmb__listing *list, const char *path)
{
    level inner;
    int n = 0;

    if (level_open(&inner, path, list->names[0], TMB_ALL) == 0) n = count_classes(&inner);
    tmb__fail(TMB_EDATA, "%s: found one class (%s), expected at least two classes",
            tmb__printable(path), tmb__printable(list->names[0]));
    if (n > 1)
        tmb__hint("%s holds %d folders; did you mean that one?", tmb__printable(inner.path), n);
    level_free(&inner);
    return TMB_EDATA;
}

static int unreadable(const walker *w)
{
    const int status = tmb__failure_raise(&w->failure);

    tmb__detail("%lld folders could not be read; %lld photos in other folders could",
            (long long)w->unreadable, (long long)w->list->n);
    return status;
}

/* ---- the door ---- */

static int list_levels(walker *w, level parts[N_PARTS])
{
    for (int i = 0; i < N_PARTS; i++) {
        if (parts[i].path) TMB_TRY(enter_classes(w, &parts[i]));
    }
    tmb__listing_sort_names(w->list);
    for (int i = 0; i < N_PARTS; i++) {
        if (!parts[i].path) continue;
        TMB_TRY(walk_level(w, &parts[i]));
        w->list->has_part[i] = i != TMB_ALL;
    }
    return w->unreadable ? unreadable(w) : 0;
}

static int list_tree(walker *w, level parts[N_PARTS], bool check_classes)
{
    level *top = &parts[TMB_ALL];
    const int n_parts = find_parts(parts, top);

    if (n_parts < 0) return n_parts;
    if (n_parts) {
        level_free(top);
    } else {
        for (int i = TMB_TRAIN; i < N_PARTS; i++)
            level_free(&parts[i]);
    }
    if (check_classes && parts[TMB_TRAIN].path) {
        for (int i = TMB_VALIDATION; i < N_PARTS; i++) {
            if (parts[i].path) TMB_TRY(same_classes(&parts[TMB_TRAIN], &parts[i]));
        }
    }
    return list_levels(w, parts);
}

static void walker_free(walker *w)
{
    tmb__free(w->files);
    tmb__free(w->seen);
    tmb__free(w->junk.first);
    tmb__free(w->other.first);
    tmb__free(w->special.first);
    tmb__free(w->loops.first);
    tmb__free(w->loose.first);
}

int tmb__list_folder(tmb__listing *list, const char *path, bool any_classes)
{
    walker w = {.list = list};
    level parts[N_PARTS] = {{0}};
    int status = level_open(&parts[TMB_ALL], path, "", TMB_ALL);

    if (status == 0) status = enter_path(&w, path);
    if (status >= 0) {
        w.root = strlen(parts[TMB_ALL].path);
        status = list_tree(&w, parts, !any_classes);
    }
    if (status == 0) status = note_all(&w);
    if (status == 0 && list->n_names == 0) status = no_classes(&w, path);
    if (status == 0 && list->n_names == 1 && !any_classes) status = one_class(list, path);
    for (int i = 0; i < N_PARTS; i++)
        level_free(&parts[i]);
    walker_free(&w);
    return status;
}

int tmb__part_folder(char **out, bool has_part[4], const char *path, tmb_part *part)
{
    level parts[N_PARTS] = {{0}};
    int n_parts = 0, status = 0;

    *out = NULL;
    if (*part != TMB_ALL) status = level_open(&parts[TMB_ALL], path, "", TMB_ALL);
    if (status == 0 && *part != TMB_ALL) n_parts = find_parts(parts, &parts[TMB_ALL]);
    for (int i = TMB_TRAIN; i < N_PARTS && n_parts > 0; i++)
        has_part[i] = parts[i].path != NULL;
    if (*part == TMB_HELD_OUT)
        *part = has_part[TMB_TEST] ? TMB_TEST : has_part[TMB_VALIDATION] ? TMB_VALIDATION : TMB_ALL;
    if (*part == TMB_VALIDATION && !has_part[TMB_VALIDATION]) *part = TMB_TRAIN; /* cut from it */
    if (status == 0 && n_parts >= 0) {
        *out = has_part[*part] ? tmb__strdup(parts[*part].path) : tmb__path_join(path, "");
        status = *out ? 0 : TMB_ENOMEM;
    }
    for (int i = 0; i < N_PARTS; i++)
        level_free(&parts[i]);
    return n_parts < 0 ? n_parts : status;
}
