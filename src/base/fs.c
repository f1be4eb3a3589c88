/* fs.c - read a file whole, replace a file whole, list a folder in order
 *
 * Reading takes regular files only and never blocks: a photo folder may hold a named pipe. Replacing
 * follows the rule that survives a crash: a temporary file in the same folder, fsync, rename, fsync of
 * the folder. A failed fsync is final, since the kernel may have dropped the data (Rebello and others,
 * Can applications recover from fsync failures?, ATC 2020).
 *
 * Each call into the kernel that can fail passes TMB_GATE_IO; a closed gate reads as EIO. */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMP_TRIES = 100 };

/* True if a test wants the next call to fail. */
static bool refused(void)
{
    if (tmb__gate(TMB_GATE_IO)) return false;
    errno = EIO;
    return true;
}

/* Lack of descriptors or memory is the machine's state, not the file's fault. */
static int status_of(int error, int code)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM ? TMB_ENOMEM : code;
}

static int fail_path(int code, int error, const char *verb, const char *path)
{
    return tmb__fail_errno(
            status_of(error, code), error, "cannot %s %s", verb, tmb__printable(path));
}

static int open_file(const char *path, int flags, mode_t mode)
{
    int fd;

    if (refused()) return -1;
    do {
        fd = open(path, flags | O_CLOEXEC | O_NOCTTY, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

/* ---- reading ---- */

/* Bytes read, less than `n` only at the end of the file; -1 with errno. */
static ssize_t read_full(int fd, uint8_t *data, size_t n)
{
    size_t got = 0;

    while (got < n) {
        const ssize_t more = refused() ? -1 : read(fd, data + got, TMB_MIN(n - got, 1u << 30));

        if (more == 0) break;
        if (more > 0) {
            got += (size_t)more;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return (ssize_t)got;
}

static int too_large(int code, const char *path, size_t limit)
{
    return tmb__fail(code, "%s: more than the limit of %zu bytes", tmb__printable(path), limit);
}

/* Read to the end; the size from fstat is a guess that a file being written, or one in /proc, breaks.
 * One byte more is asked for than expected, to see the end without growing, and one stays for a NUL. */
static int read_all(tmb__bytes *out, int fd, const char *path, size_t guess, size_t limit, int code)
{
    size_t room = guess;

    for (;;) {
        uint8_t *data = room > limit ? NULL : tmb__realloc(out->data, room + 2, 1);
        ssize_t got;

        if (room > limit) return too_large(code, path, limit);
        if (!data) return TMB_ENOMEM;
        out->data = data;
        got = read_full(fd, data + out->size, room + 1 - out->size);
        if (got < 0) return fail_path(code, errno, "read", path);
        out->size += (size_t)got;
        if (out->size <= room) break;
        if (room == limit) return too_large(code, path, limit);
        room = room > limit / 2 ? limit : TMB_MIN(TMB_MAX(2 * room, 4096), limit);
    }
    out->data[out->size] = '\0';
    return 0;
}

int tmb__file_read(tmb__bytes *out, const char *path, size_t limit, int code)
{
    struct stat st;
    int fd, status = 0;

    *out = (tmb__bytes){0};
    limit = TMB_MIN(limit, (size_t)PTRDIFF_MAX - 2);
    fd = open_file(path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0) return fail_path(code, errno, "open", path);
    if (refused() || fstat(fd, &st) != 0) {
        status = fail_path(code, errno, "read", path);
    } else if (!S_ISREG(st.st_mode)) {
        status = tmb__fail(code, "%s: %s, expected a regular file", tmb__printable(path),
                S_ISDIR(st.st_mode) ? "a folder" : "a pipe, socket or device");
    } else {
        const size_t size = st.st_size > 0 ? (size_t)st.st_size : 0;

        status = size > limit ? too_large(code, path, limit)
                              : read_all(out, fd, path, size, limit, code);
    }
    close(fd);
    if (status < 0) {
        tmb__free(out->data);
        *out = (tmb__bytes){0};
    }
    return status;
}

/* No gate here: what fails now fails again when the file is read, with a message. */
size_t tmb__file_head(const char *path, uint8_t *head, size_t n)
{
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    ssize_t got = -1;

    if (fd < 0) return 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) got = pread(fd, head, n, 0);
    close(fd);
    return got > 0 ? (size_t)got : 0;
}

/* ---- replacing ---- */

/* A file about to take the place of `path`. */
typedef struct tmb__writer {
    const char *path;
    char *folder, *temp; /* owned */
    int fd, folder_fd;
    mode_t mode;
    bool made; /* the temporary file exists */
} replacement;

/* What stands at `path` now: only a regular file may be replaced (renaming over /dev/null would
 * remove the device), and its permissions are kept. */
static int check_target(replacement *r)
{
    struct stat st;

    r->mode = 0;
    if (stat(r->path, &st) != 0) return 0;
    if (!S_ISREG(st.st_mode)) {
        return tmb__fail(TMB_EOUTPUT, "%s: %s, expected a regular file or nothing",
                tmb__printable(r->path), S_ISDIR(st.st_mode) ? "a folder" : "not a file");
    }
    r->mode = st.st_mode & 0777;
    return 0;
}

/* The folder of `path`, with its slash; "./" if it has none. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    tmb__strbuf sb = {0};

    if (slash) {
        tmb__strbuf_bytes(&sb, path, (size_t)(slash - path) + 1);
    } else {
        tmb__strbuf_add(&sb, "./");
    }
    if (sb.failed) tmb__strbuf_free(&sb);
    return sb.text;
}

/* Make a file that nobody else has, under a short name: the target's own may be as long as allowed. */
static int make_temp(replacement *r)
{
    static atomic_uint serial;

    for (int i = 0; i < TEMP_TRIES; i++) {
        tmb__strbuf sb = {0};

        tmb__strbuf_add(&sb, "%s.thimble-%ld-%u.tmp", r->folder, (long)getpid(),
                atomic_fetch_add(&serial, 1));
        tmb__free(r->temp);
        r->temp = sb.text;
        if (sb.failed) return TMB_ENOMEM;
        r->fd = open_file(r->temp, O_WRONLY | O_CREAT | O_EXCL, 0666);
        r->made = r->fd >= 0;
        if (r->made || errno != EEXIST) break;
    }
    return r->made ? 0 : fail_path(TMB_EOUTPUT, errno, "write", r->path);
}

/* Ask for the space first, so that a full disk is known before the work. Not every file system can. */
static int reserve(int fd, size_t total)
{
    int error;

    if (total == 0) return 0;
    if (refused()) return errno;
    do {
        error = posix_fallocate(fd, 0, (off_t)total);
    } while (error == EINTR);
    return error == ENOSPC || error == EDQUOT || error == EFBIG || error == EIO ? error : 0;
}

/* 0, or errno. */
static int write_full(int fd, const uint8_t *data, size_t n)
{
    while (n > 0) {
        const ssize_t done = refused() ? -1 : write(fd, data, TMB_MIN(n, 1u << 30));

        if (done < 0 && errno != EINTR) return errno;
        if (done > 0) {
            data += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

static int begin(replacement *r, size_t total)
{
    int error;

    TMB_TRY(check_target(r));
    r->folder = folder_of(r->path);
    if (!r->folder) return TMB_ENOMEM;
    TMB_TRY(make_temp(r));
    error = reserve(r->fd, total);
    return error ? fail_path(TMB_EOUTPUT, error, "write", r->path) : 0;
}

static int add(replacement *r, const void *data, size_t n)
{
    const int error = write_full(r->fd, data, n);

    return error ? fail_path(TMB_EOUTPUT, error, "write", r->path) : 0;
}

static int close_temp(replacement *r)
{
    int error;

    if (r->mode && (refused() || fchmod(r->fd, r->mode) != 0)) {
        return fail_path(TMB_EOUTPUT, errno, "write", r->path);
    }
    if (refused() || fsync(r->fd) != 0) return fail_path(TMB_EOUTPUT, errno, "sync", r->path);
    error = close(r->fd) != 0 || refused() ? errno : 0;
    r->fd = -1;
    return error ? fail_path(TMB_EOUTPUT, error, "close", r->path) : 0;
}

/* The folder is opened before the rename, so that only its fsync can fail after it. Some file systems
 * have no such fsync and say EINVAL. */
static int put_in_place(replacement *r)
{
    r->folder_fd = open_file(r->folder, O_RDONLY | O_DIRECTORY, 0);
    if (r->folder_fd < 0) return fail_path(TMB_EOUTPUT, errno, "open", r->folder);
    if (refused() || rename(r->temp, r->path) != 0) {
        return fail_path(TMB_EOUTPUT, errno, "replace", r->path);
    }
    r->made = false;
    if ((refused() || fsync(r->folder_fd) != 0) && errno != EINVAL) {
        return fail_path(TMB_EOUTPUT, errno, "sync", r->folder);
    }
    return 0;
}

/* What was written takes its place if `status` is 0, and goes away if not. */
static int finish(replacement *r, int status)
{
    if (status == 0) status = close_temp(r);
    if (status == 0) status = put_in_place(r);
    if (r->fd >= 0) close(r->fd);
    if (r->folder_fd >= 0) close(r->folder_fd);
    if (r->made) unlink(r->temp);
    tmb__free(r->temp);
    tmb__free(r->folder);
    return status;
}

int tmb__file_replace(const char *path, const tmb__bytes *parts, int n_parts)
{
    replacement r = {.path = path, .fd = -1, .folder_fd = -1};
    size_t total = 0;
    int status;

    for (int i = 0; i < n_parts; i++)
        total += parts[i].size;
    status = begin(&r, total);
    for (int i = 0; i < n_parts && status == 0; i++)
        status = add(&r, parts[i].data, parts[i].size);
    return finish(&r, status);
}

int tmb__writer_new(tmb__writer **out, const char *path, size_t total)
{
    replacement *r = tmb__calloc(1, sizeof *r);
    int status;

    *out = NULL;
    if (!r) return TMB_ENOMEM;
    *r = (replacement){.path = tmb__strdup(path), .fd = -1, .folder_fd = -1};
    status = r->path ? begin(r, total) : TMB_ENOMEM;
    if (status < 0) return tmb__writer_end(r, status);
    *out = r;
    return 0;
}

int tmb__writer_add(tmb__writer *writer, const void *data, size_t n)
{
    return add(writer, data, n);
}

int tmb__writer_end(tmb__writer *writer, int status)
{
    status = finish(writer, status);
    tmb__free((char *)(uintptr_t)writer->path);
    tmb__free(writer);
    return status;
}

int tmb__file_move(const char *from, const char *to)
{
    replacement r = {.path = to, .fd = open_file(from, O_RDONLY, 0), .folder_fd = -1};
    int status = r.fd < 0 ? fail_path(TMB_EOUTPUT, errno, "open", from) : check_target(&r);

    if (status == 0 && (refused() || fsync(r.fd) != 0))
        status = fail_path(TMB_EOUTPUT, errno, "sync", from);
    if (status == 0) r.temp = tmb__strdup(from);
    if (status == 0) r.folder = folder_of(to);
    if (status == 0) status = r.temp && r.folder ? put_in_place(&r) : TMB_ENOMEM;
    if (r.fd >= 0) close(r.fd);
    if (r.folder_fd >= 0) close(r.folder_fd);
    tmb__free(r.temp);
    tmb__free(r.folder);
    return status;
}

/* ---- names and folders ---- */

int tmb__file_exists(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0) return S_ISREG(st.st_mode) ? 1 : S_ISDIR(st.st_mode) ? 2 : 3;
    return lstat(path, &st) == 0 ? 3 : 0; /* a dangling link is there, too */
}

int64_t tmb__file_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
}

/* mkdir of one level; a folder that exists, or that someone made meanwhile, is fine. */
static int make_level(const char *path)
{
    struct stat st;
    int error;

    if (!refused() && mkdir(path, 0777) == 0) return 0;
    error = errno;
    if (error != EIO && stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) return 0;
        error = ENOTDIR;
    }
    return fail_path(TMB_EOUTPUT, error, "make the folder", path);
}

int tmb__folder_make(const char *path)
{
    char *copy;
    int status = 0;

    if (!path[0]) return tmb__fail(TMB_EINVAL, "the name of the folder to make is empty");
    copy = tmb__strdup(path);
    if (!copy) return TMB_ENOMEM;
    for (char *s = copy + 1; *s && status == 0; s++) {
        if (*s != '/') continue;
        *s = '\0';
        status = make_level(copy);
        *s = '/';
    }
    if (status == 0) status = make_level(copy);
    tmb__free(copy);
    return status;
}

char *tmb__path_join(const char *a, const char *b)
{
    const size_t n = strlen(a);
    tmb__strbuf sb = {0};

    if (n && b[0] != '/') {
        tmb__strbuf_bytes(&sb, a, n);
        if (a[n - 1] != '/') tmb__strbuf_bytes(&sb, "/", 1);
    }
    tmb__strbuf_bytes(&sb, b, strlen(b));
    if (sb.failed) tmb__strbuf_free(&sb);
    return sb.text;
}

/* ---- listing ---- */

typedef struct listing {
    tmb__entry *entries;
    int64_t n, cap;
} listing;

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const tmb__entry *)a)->name, ((const tmb__entry *)b)->name);
}

static int add_entry(listing *list, int folder_fd, const char *name)
{
    tmb__entry *entry;
    struct stat st;

    if (list->n == list->cap) {
        const int64_t cap = list->cap ? 2 * list->cap : 64;
        tmb__entry *grown = tmb__realloc(list->entries, (size_t)cap, sizeof *grown);

        if (!grown) return TMB_ENOMEM;
        list->entries = grown;
        list->cap = cap;
    }
    entry = &list->entries[list->n];
    *entry = (tmb__entry){.name = tmb__strdup(name)};
    if (!entry->name) return TMB_ENOMEM;
    list->n++;
    if (fstatat(folder_fd, name, &st, 0) == 0) {
        entry->is_folder = S_ISDIR(st.st_mode);
        entry->is_file = S_ISREG(st.st_mode);
        entry->device = (uint64_t)st.st_dev;
        entry->inode = (uint64_t)st.st_ino;
    }
    return 0;
}

static int add_entries(listing *list, DIR *dir, const char *path, int code)
{
    for (;;) {
        const struct dirent *next;

        errno = 0;
        next = refused() ? NULL : readdir(dir);
        if (!next) return errno ? fail_path(code, errno, "list", path) : 0;
        if (strcmp(next->d_name, ".") == 0 || strcmp(next->d_name, "..") == 0) continue;
        TMB_TRY(add_entry(list, dirfd(dir), next->d_name));
    }
}

int tmb__folder_list(tmb__entry **out, int64_t *n, const char *path, int code)
{
    const int fd = open_file(path, O_RDONLY | O_DIRECTORY, 0);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    listing list = {0};
    int status;

    *out = NULL;
    *n = 0;
    if (!dir) {
        status = fail_path(code, errno, "open the folder", path);
        if (fd >= 0) close(fd);
        return status;
    }
    status = add_entries(&list, dir, path, code);
    closedir(dir);
    if (status < 0) {
        tmb__folder_list_free(list.entries, list.n);
        return status;
    }
    if (list.n) qsort(list.entries, (size_t)list.n, sizeof list.entries[0], compare_names);
    *out = list.entries;
    *n = list.n;
    return 0;
}

void tmb__folder_list_free(tmb__entry *entries, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        tmb__free(entries[i].name);
    tmb__free(entries);
}
