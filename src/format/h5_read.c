/* h5_read.c - read an HDF5 file through the program thimble-h5
 *
 * libhdf5 must not meet a stranger's bytes in this process: of its upstream's own 137 proof files it
 * crashes on 16, and on 11 even when everything a caller can check is checked. So the file goes, as
 * descriptor 0, to a small program that has no other descriptors, no file system, no network, bounded
 * memory and time (src/h5), and its answer comes back through a pipe. A crash, a hang or a refusal over
 * there is one error here. */
#define _GNU_SOURCE /* pipe2, memfd_create */
#include "format/format.h"
#include "h5/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, PIPE_SIZE = 1 << 20 };

#define PROGRAM "thimble-h5"

/* The program at work on one file. */
typedef struct reader {
    const char *what;
    int file, answer; /* descriptors */
    uint64_t size;    /* of the file */
    double until;     /* when waiting ends */
    pid_t pid;
} reader;

/* True if a test wants the next call to fail. */
static bool refused(void)
{
    if (tmb__gate(TMB_GATE_IO)) return false;
    errno = EIO;
    return true;
}

static int fail_io(const reader *r, const char *verb)
{
    const int error = errno;
    const bool lack = error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;

    return tmb__fail_errno(
            lack ? TMB_ENOMEM : TMB_EMODEL, error, "%s: cannot %s", tmb__printable(r->what), verb);
}

/* ---- the pipe ---- */

static int wait_for_more(reader *r)
{
    struct pollfd p = {.fd = r->answer, .events = POLLIN};
    const double left = r->until - tmb__now();
    const int n = left > 0 ? poll(&p, 1, (int)(left * 1000) + 1) : 0;

    if (n > 0 || (n < 0 && errno == EINTR)) return 0;
    if (n < 0) return fail_io(r, "read the HDF5 reader's answer");
    return tmb__fail(TMB_EMODEL, "%s: damaged or hostile: the HDF5 reader did not come to an end",
            tmb__printable(r->what));
}

static int read_answer(void *user, void *dst, size_t n)
{
    reader *r = user;
    uint8_t *at = dst;

    while (n > 0) {
        ssize_t got;

        TMB_TRY(wait_for_more(r));
        got = refused() ? -1 : read(r->answer, at, TMB_MIN(n, 1u << 30));
        if (got == 0) return 1;
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            return fail_io(r, "read the HDF5 reader's answer");
        }
        if (got > 0) at += got;
        if (got > 0) n -= (size_t)got;
    }
    return 0;
}

/* ---- the program ---- */

/* Nothing of ours goes along: no environment, signals as at a program's start, a group of its own, so
 * that Ctrl-C at a terminal is answered by this program alone. */
static int spawn(reader *r, const char *path, int out)
{
    char *const arguments[] = {(char[]){PROGRAM}, NULL}, *const environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int error;

    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&actions) != 0) return ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    error = posix_spawn_file_actions_adddup2(&actions, r->file, STDIN_FILENO);
    if (!error) error = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!error) {
        error = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    if (!error) error = posix_spawnattr_setsigmask(&attributes, &none);
    if (!error) error = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!error) {
        error = posix_spawnattr_setflags(&attributes,
                POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    if (!error) error = posix_spawn(&r->pid, path, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* A descriptor above the three that the program will have, so that none is lost on the way. */
static bool lift(int *fd)
{
    const int lifted = *fd > STDERR_FILENO ? *fd : fcntl(*fd, F_DUPFD_CLOEXEC, 3);

    if (lifted < 0) return false;
    if (lifted != *fd) close(*fd);
    *fd = lifted;
    return true;
}

static int start(reader *r)
{
    char path[PATH_SIZE];
    int ends[2], error;

    if (!tmb__find_part(path, sizeof path, PROGRAM)) {
        return tmb__fail(TMB_EUNSUPPORTED, "%s: the program %s that reads HDF5 files is not there",
                tmb__printable(r->what), PROGRAM);
    }
    if (refused() || pipe2(ends, O_CLOEXEC) != 0) return fail_io(r, "start the HDF5 reader");
    r->answer = ends[0];
    fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE); /* fewer turns; a refusal does no harm */
    errno = 0;
    error = lift(&r->file) && lift(&ends[1]) ? 0 : errno;
    if (!error) error = refused() ? errno : spawn(r, path, ends[1]);
    close(ends[1]);
    errno = error;
    return error ? fail_io(r, "start the HDF5 reader") : 0;
}

/* Which signals say that it took too long (src/h5/h5_sandbox.c), and which that it crashed. */
static const char *signal_words(int number)
{
    switch (number) {
    case SIGPROF:
    case SIGXCPU:
    case SIGALRM:
        return "it keeps the HDF5 library busy longer than a file of its size may";
    case SIGSEGV:
    case SIGBUS:
        return "the HDF5 library crashed on it (bad memory access)";
    case SIGABRT:
    case SIGFPE:
    case SIGILL:
        return "the HDF5 library crashed on it";
    default:
        return NULL;
    }
}

/* Why the stream was cut off. */
static int explain_end(const reader *r, bool known, int ended)
{
    const char *words = known && WIFSIGNALED(ended) ? signal_words(WTERMSIG(ended)) : NULL;
    const char *what = tmb__printable(r->what);

    if (words) {
        tmb__fail(TMB_EMODEL, "%s: damaged or hostile: %s", what, words);
        tmb__hint("no harm was done; get the file again from a source you trust");
        return TMB_EMODEL;
    }
    if (known && WIFEXITED(ended) && WEXITSTATUS(ended) == 127) {
        return tmb__fail(
                TMB_EUNSUPPORTED, "%s: the program %s could not load its libraries", what, PROGRAM);
    }
    if (!known) return tmb__fail(TMB_EMODEL, "%s: the HDF5 reader ended too early", what);
    return tmb__fail(TMB_EMODEL, "%s: the HDF5 reader ended too early (%s %d)", what,
            WIFSIGNALED(ended) ? "signal" : "exit code",
            WIFSIGNALED(ended) ? WTERMSIG(ended) : WEXITSTATUS(ended));
}

/* Reads r->file, which it closes. */
static int read_file(tmb__h5_file *out, reader *r)
{
    const uint64_t most = TMB_MIN(TMB_H5_BYTES_LIMIT, (r->size + TMB_H5_FREE) * TMB_H5_RATIO);
    tmb__h5_source source = {.read = read_answer, .user = r};
    int status, ended = 0;
    bool known;

    r->until = tmb__now() + 15 + (double)r->size / 200e3;
    status = start(r);
    close(r->file);
    if (status < 0 && r->answer < 0) return status;
    if (status == 0) status = tmb__h5_stream(out, &source, most, r->what);
    close(r->answer);
    if (r->pid <= 0) return status;
    if (status < 0 && !source.cut) kill(r->pid, SIGKILL);
    do {
        known = waitpid(r->pid, &ended, 0) == r->pid;
    } while (!known && errno == EINTR);
    return source.cut ? explain_end(r, known, ended) : status;
}

/* ---- files and bytes ---- */

/* What is plainly something else is told by its name, without starting the program. */
static int check_kind(const reader *r)
{
    uint8_t head[512];
    const ssize_t n = refused() ? -1 : pread(r->file, head, sizeof head, 0);
    const tmb__bytes start = {head, (size_t)n};

    if (n < 0) return fail_io(r, "read it");
    return tmb__check_kind(&start, "HDF5", "an HDF5", r->what);
}

static int open_path(reader *r, const char *path)
{
    struct stat st;

    do {
        r->file = refused() ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    } while (r->file < 0 && errno == EINTR);
    if (r->file < 0) return fail_io(r, "open it");
    if (fstat(r->file, &st) != 0) return fail_io(r, "read it");
    if (!S_ISREG(st.st_mode)) {
        return tmb__fail(TMB_EMODEL, "%s: %s, expected a regular file", tmb__printable(r->what),
                S_ISDIR(st.st_mode) ? "a folder" : "a pipe, socket or device");
    }
    r->size = (uint64_t)st.st_size;
    if (r->size > TMB_H5_BYTES_LIMIT) {
        return tmb__fail(TMB_EMODEL, "%s: %llu bytes, the limit is %llu", tmb__printable(r->what),
                (unsigned long long)r->size, (unsigned long long)TMB_H5_BYTES_LIMIT);
    }
    return check_kind(r);
}

int tmb__h5_read_as(tmb__h5_file *out, const char *path, const char *what)
{
    reader r = {.what = what, .file = -1, .answer = -1};
    int status = open_path(&r, path);

    *out = (tmb__h5_file){0};
    if (status == 0) return read_file(out, &r);
    if (r.file >= 0) close(r.file);
    return status;
}

int tmb__h5_read(tmb__h5_file *out, const char *path)
{
    return tmb__h5_read_as(out, path, path);
}

/* All of the bytes into a file that has no name. */
static int fill(const reader *r, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t n = refused() ? -1 : write(r->file, bytes, TMB_MIN(size, 1u << 30));

        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail_io(r, "copy it for the HDF5 reader");
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

int tmb__h5_parse(tmb__h5_file *out, const uint8_t *bytes, size_t size, const char *what)
{
    reader r = {.what = what, .file = -1, .answer = -1, .size = size};
    int status;

    *out = (tmb__h5_file){0};
    r.file = refused() ? -1 : memfd_create("thimble-h5", MFD_CLOEXEC);
    if (r.file < 0) return fail_io(&r, "copy it for the HDF5 reader");
    status = fill(&r, bytes, size);
    if (status == 0) status = check_kind(&r);
    if (status == 0) return read_file(out, &r);
    close(r.file);
    return status;
}
