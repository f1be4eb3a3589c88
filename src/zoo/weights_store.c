/* weights_store.c - the folder of official weights: what is there, downloads, files the user has
 *
 * A file comes in as part.FILE (the ending stays, readers go by it) under a lock: flock, so that a run that
 * died leaves nothing to clean up. It takes its name only when it was verified: by its published MD5, or,
 * where there is none, by its size and by filling the network. FILE.sha256 beside it says what was taken, as
 * sha256sum writes it. part.FILE.tag keeps the server's name for the version that is begun; without it
 * nothing is gone on with. */
#include "zoo/fetch_module.h"
#include "zoo/zoo.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_UNKNOWN = 1 << 30, PIECE = 1 << 16, CLASSES = 1000 };

static const tmb_zoo_file files[] = {
#define X(name, net, top, file, url, size, md5) {name, net, top, file, url, size, md5},
#include "zoo/weights_files.def"
#undef X
};

/* A file on its way in. */
typedef struct arrival {
    const tmb_zoo_file *file;
    const tmb_zoo_store *store;
    const char *from;              /* the user's file or a URL: what messages call the part */
    char *path, *part, *tag, *sum; /* owned */
    int fd;                        /* of the part, locked */
} arrival;

const tmb_zoo_file *tmb_zoo_file_at(int index)
{
    return index >= 0 && index < (int)TMB_COUNT(files) ? &files[index] : NULL;
}

static const tmb_zoo_file *find_file(const char *name)
{
    for (size_t i = 0; i < TMB_COUNT(files); i++) {
        if (name && strcmp(name, files[i].name) == 0) return &files[i];
    }
    tmb__fail(TMB_EINVAL, "there are no weights \"%s\"", name ? tmb__printable(name) : "");
    tmb__hint("`thimble weights list` names those there are");
    return NULL;
}

/* ---- the folder ---- */

static char *joined(const char *a, const char *b, const char *c)
{
    tmb__strbuf sb = {0};

    tmb__strbuf_add(&sb, "%s%s%s", a, b, c);
    if (sb.failed) tmb__strbuf_free(&sb);
    return sb.text;
}

static int take_folder(char **out, const tmb_zoo_store *store)
{
    const char *own = store->folder ? store->folder : tmb__env(TMB_ENV_WEIGHTS);
    const char *cache = tmb__env(TMB_ENV_CACHE), *home = tmb__env(TMB_ENV_HOME);

    /* The XDG rules want a relative path left alone. */
    if (cache && cache[0] != '/') cache = NULL;
    if (own)
        *out = tmb__strdup(own);
    else if (cache)
        *out = joined(cache, "/thimble/weights", "");
    else if (home)
        *out = joined(home, "/.cache/thimble/weights", "");
    else
        return tmb__fail(TMB_EINVAL, "no folder for weights: THIMBLE_WEIGHTS and HOME are not set");
    return *out ? 0 : TMB_ENOMEM;
}

static int path_of(char **out, const tmb_zoo_file *file, const tmb_zoo_store *store)
{
    char *folder;

    TMB_TRY(take_folder(&folder, store));
    *out = joined(folder, "/", file->file);
    tmb__free(folder);
    return *out ? 0 : TMB_ENOMEM;
}

/* 1 and its path if it is there; 0. */
static int look(char **out, const tmb_zoo_file *file, const tmb_zoo_store *store)
{
    TMB_TRY(path_of(out, file, store));
    if (tmb__file_exists(*out) == 1) return 1;
    tmb__free(*out);
    *out = NULL;
    return 0;
}

int tmb_zoo_path(char **out, const char *name, const tmb_zoo_store *store)
{
    const tmb_zoo_store none = {0};
    const tmb_zoo_file *file;
    int found = 0;

    if (!out) return tmb__fail(TMB_EINVAL, "out is NULL");
    *out = NULL;
    if (!store) store = &none;
    if (!name) return take_folder(out, store);
    file = find_file(name);
    if (!file) return TMB_EINVAL;
    found = look(out, file, store);
    if (found == 0 && file->net && !file->top) found = look(out, file + 1, store);
    if (found != 0) return found < 0 ? found : 0;
    tmb__fail(TMB_EMODEL, "the weights of %s are not here", name);
    tmb__hint(
            "`thimble weights get %s` downloads %s; `thimble weights add FILE` takes one you have",
            name, file->file);
    return TMB_EMODEL;
}

/* ---- verifying ---- */

/* {"0": ["n01440764", "tench"], ...}: the names, borrowed from `json`. */
static bool take_names(const char *names[CLASSES], const json_t *json)
{
    char key[16];

    for (int i = 0; i < CLASSES; i++) {
        snprintf(key, sizeof key, "%d", i);
        names[i] = json_string_value(json_array_get(json_object_get(json, key), 1));
        if (!names[i]) return false;
    }
    return true;
}

/* `model` NULL: it is only looked at. */
int tmb__zoo_name_classes(tmb_model *model, const char *path, const char *what)
{
    const char *names[CLASSES];
    tmb__bytes bytes;
    json_t *json;
    int status = 0;

    TMB_TRY(tmb__file_read(&bytes, path, 1 << 20, TMB_EMODEL));
    if (tmb__json_parse(&json, (const char *)bytes.data, bytes.size, what) < 0) json = NULL;
    tmb__free(bytes.data);
    if (!take_names(names, json))
        status = tmb__fail(
                TMB_EMODEL, "%s: it does not name %d classes", tmb__printable(what), CLASSES);
    if (status == 0 && model) status = tmb_model_set_classes(model, names, CLASSES);
    json_decref(json);
    return status;
}

/* Its layers fill the network. */
static int check_layers(const arrival *a)
{
    const tmb_zoo_opts opts = {.top = a->file->top, .undrawn = true};
    const tmb_load_opts order = {.prefix = !a->file->top};
    tmb_load_report report = {0};
    tmb__h5_file h5;
    tmb_model *net;
    int status;

    if (!a->file->net) return tmb__zoo_name_classes(NULL, a->part, a->from);
    TMB_TRY(tmb__h5_read_as(&h5, a->part, a->from));
    status = tmb_zoo_model(&net, a->file->net, &opts);
    if (status == 0) status = tmb__keras_load_from(net, &h5, a->from, NULL, &order, &report);
    tmb_model_free(net);
    tmb__h5_file_free(&h5);
    return status;
}

static const char *kind_of(const char *path)
{
    uint8_t start[64];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, start, sizeof start);

    if (fd >= 0) close(fd);
    return n < 0 ? NULL : tmb__file_kind(start, (size_t)n);
}

static int refuse(const arrival *a, const tmb__digests *found)
{
    const char *kind = kind_of(a->part);

    if (found->size != a->file->size && a->file->size)
        tmb__fail(TMB_ENETWORK, "%s: %lld bytes, expected %lld", tmb__printable(a->from),
                (long long)found->size, (long long)a->file->size);
    else
        tmb__fail(TMB_ENETWORK, "%s: MD5 %s, expected %s", tmb__printable(a->from), found->md5,
                a->file->md5);
    if (kind) tmb__detail("it is %s", kind);
    tmb__hint("with --force a file is taken if its layers fit");
    return TMB_ENETWORK;
}

static int verify(const arrival *a, const tmb__digests *found)
{
    const bool sized = !a->file->size || found->size == a->file->size;

    if (a->file->md5 && strcmp(found->md5, a->file->md5) == 0) return 0;
    if ((!sized || a->file->md5) && !a->store->force) return refuse(a, found);
    return check_layers(a);
}

/* What arrived takes its name. A refused file goes, so that the next try starts anew. */
static int settle(const arrival *a)
{
    tmb__digests found;
    tmb__strbuf sb = {0};
    int status = tmb__file_digests(&found, a->part, TMB_EOUTPUT);

    if (status == 0) status = verify(a, &found);
    if (status == TMB_ENETWORK || status == TMB_EMODEL) unlink(a->part);
    if (status == 0) tmb__strbuf_add(&sb, "%s  %s\n", found.sha256, a->file->file);
    if (status == 0 && sb.failed) status = TMB_ENOMEM;
    if (status == 0)
        status = tmb__file_replace(a->sum, &(tmb__bytes){(uint8_t *)sb.text, sb.len}, 1);
    if (status == 0) status = tmb__file_move(a->part, a->path);
    if (tmb__file_exists(a->part) == 0) unlink(a->tag);
    tmb__strbuf_free(&sb);
    return status;
}

/* ---- coming in ---- */

/* PITFALL: the part may have been renamed between opening and locking; the lock must be on what bears the
 * name now. */
static int lock_part(arrival *a)
{
    struct stat held, named;

    for (int i = 0; i < 100; i++) {
        a->fd = open(a->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (a->fd < 0)
            return tmb__fail_errno(TMB_EOUTPUT, errno, "cannot write %s", tmb__printable(a->part));
        if (flock(a->fd, LOCK_EX | LOCK_NB) != 0)
            return tmb__fail(TMB_EEXISTS, "another process is getting %s", a->file->file);
        if (fstat(a->fd, &held) == 0 && stat(a->part, &named) == 0 && held.st_ino == named.st_ino)
            return 0;
        close(a->fd);
        a->fd = -1;
    }
    return tmb__fail(TMB_EEXISTS, "%s changes hands", tmb__printable(a->part));
}

static int arrive(arrival *a)
{
    char *folder;
    int status;

    TMB_TRY(take_folder(&folder, a->store));
    a->path = joined(folder, "/", a->file->file);
    a->part = joined(folder, "/part.", a->file->file);
    status = tmb__folder_make(folder);
    tmb__free(folder);
    TMB_TRY(status);
    if (!a->path || !a->part) return TMB_ENOMEM;
    a->tag = joined(a->part, ".tag", "");
    a->sum = joined(a->path, ".sha256", "");
    return a->tag && a->sum ? lock_part(a) : TMB_ENOMEM;
}

static void leave(arrival *a)
{
    if (a->fd >= 0) close(a->fd);
    tmb__free(a->path);
    tmb__free(a->part);
    tmb__free(a->tag);
    tmb__free(a->sum);
}

static int64_t most_bytes(const arrival *a)
{
    return a->file->size && !a->store->force ? a->file->size : MOST_UNKNOWN;
}

static int on_bytes(void *user, int64_t done)
{
    const arrival *a = user;

    return a->store->on_progress ? a->store->on_progress(a->store->user, done, a->file->size) : 0;
}

static int on_tag(void *user, const char *tag)
{
    const arrival *a = user;

    return tmb__file_replace(a->tag, &(tmb__bytes){(uint8_t *)(uintptr_t)tag, strlen(tag)}, 1);
}

/* How far the part is, if it is known of what; else it starts anew. */
static int go_on(const arrival *a, tmb__fetch *job)
{
    const int64_t there = tmb__file_size(a->part);
    tmb__bytes tag = {0};

    if (there > 0 && there < most_bytes(a) && tmb__file_exists(a->tag) == 1 &&
            tmb__file_read(&tag, a->tag, sizeof job->tag - 1, TMB_EOUTPUT) == 0 && tag.size) {
        memcpy(job->tag, tag.data, tag.size);
        job->from = there;
    }
    tmb__free(tag.data);
    if (ftruncate(a->fd, job->from) == 0 && lseek(a->fd, 0, SEEK_END) == job->from) return 0;
    return tmb__fail_errno(TMB_EOUTPUT, errno, "cannot write %s", tmb__printable(a->part));
}

static int download(const arrival *a, const char *url)
{
    tmb__fetch job = {.url = url,
            .fd = a->fd,
            .most = most_bytes(a),
            .timeout = a->store->timeout > 0 ? a->store->timeout : 30,
            .on_bytes = on_bytes,
            .on_tag = on_tag,
            .user = (void *)(uintptr_t)a};
    tmb__fetch_fn fetch;
    int status;

    TMB_TRY(tmb__part_symbol(&fetch, sizeof fetch, "libthimble-fetch.so", "tmb_fetch"));
    TMB_TRY(go_on(a, &job));
    status = fetch(&job);
    if (status == TMB_ENOMEM || status == 0) return status;
    if (status == TMB_ESTOPPED) return tmb__fail(status, "%s: stopped", a->file->file);
    tmb__fail(status, "%s: %s", tmb__printable(url), tmb__printable(job.why));
    if (status == TMB_ENETWORK)
        tmb__hint("`thimble weights add FILE` takes a file that you have from elsewhere");
    return status;
}

static int fetch_file(const tmb_zoo_file *file, const tmb_zoo_store *store)
{
    char *url = joined(store->url ? store->url : file->url, "/", file->file);
    arrival a = {.file = file, .store = store, .from = url, .fd = -1};
    int status = url ? arrive(&a) : TMB_ENOMEM;

    /* Another process may have brought it meanwhile. */
    if (status == 0 && tmb__file_exists(a.path) == 1 && !store->force) {
        unlink(a.part);
    } else if (status == 0) {
        status = download(&a, url);
        if (status == 0) status = settle(&a);
    }
    leave(&a);
    tmb__free(url);
    return status;
}

int tmb__zoo_fetch_file(const tmb_zoo_file *file, const tmb_zoo_store *store)
{
    const char *url = store->url;
    char *path = NULL;
    const int found = store->force ? 0 : look(&path, file, store);

    tmb__free(path);
    if (found != 0) return found < 0 ? found : 0;
    if (url && strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        return tmb__fail(TMB_EINVAL, "url is %s, https://... expected", tmb__printable(url));
    if (!store->offline) return fetch_file(file, store);
    tmb__fail(TMB_ENETWORK, "%s is not here, and the network is not to be asked", file->file);
    tmb__hint("`thimble weights add FILE` takes a file that you have");
    return TMB_ENETWORK;
}

int tmb_zoo_fetch(const char *name, const tmb_zoo_store *store)
{
    const tmb_zoo_file *file = find_file(name);

    return file ? tmb__zoo_fetch_file(file, store ? store : &(tmb_zoo_store){0}) : TMB_EINVAL;
}

/* ---- a file the user has ---- */

static int copy(const arrival *a, int from)
{
    uint8_t *bytes = tmb__realloc(NULL, PIECE, 1);
    ssize_t n = bytes && ftruncate(a->fd, 0) == 0 ? 1 : -1;

    while (n > 0) {
        ssize_t done = 0;

        n = read(from, bytes, PIECE);
        while (n > 0 && done < n) {
            const ssize_t more = write(a->fd, bytes + done, (size_t)(n - done));

            if (more < 0 && errno != EINTR) n = -1;
            if (more > 0) done += more;
        }
    }
    tmb__free(bytes);
    if (!bytes) return TMB_ENOMEM;
    return n == 0
            ? 0
            : tmb__fail_errno(TMB_EOUTPUT, errno, "cannot copy to %s", tmb__printable(a->part));
}

int tmb__zoo_add_file(const char *path, const tmb_zoo_file *file, const tmb_zoo_store *store)
{
    arrival a = {.file = file, .store = store, .from = path, .fd = -1};
    const int from =
            tmb__file_exists(path) == 1 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    int status = 0;

    if (from < 0)
        status = tmb__fail(TMB_EMODEL, "%s: not a file that can be read", tmb__printable(path));
    if (status == 0) status = arrive(&a);
    if (status == 0) {
        status = copy(&a, from);
        status = status < 0 ? (unlink(a.part), status) : settle(&a);
    }
    leave(&a);
    if (from >= 0) close(from);
    return status;
}

int tmb_zoo_add(const char *path, const char *name, const tmb_zoo_store *store)
{
    const char *slash = path ? strrchr(path, '/') : NULL, *own = slash ? slash + 1 : path;
    const tmb_zoo_file *file = NULL;

    if (!path) return tmb__fail(TMB_EINVAL, "path is NULL");
    for (size_t i = 0; i < TMB_COUNT(files) && !name; i++) {
        if (strcmp(own, files[i].file) == 0) file = &files[i];
    }
    if (name) file = find_file(name);
    if (name && !file) return TMB_EINVAL;
    if (!file) {
        tmb__fail(TMB_EINVAL, "%s is not the name of an official file", tmb__printable(own));
        tmb__hint("say which it is: `thimble weights add FILE NAME`");
        return TMB_EINVAL;
    }
    return tmb__zoo_add_file(path, file, store ? store : &(tmb_zoo_store){0});
}
