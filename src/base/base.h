/* base.h - door of base: errors, log, memory, strings, threads, random numbers, files
 *
 * Everything else stands on this; it knows nothing of tensors or pictures. */
#ifndef THIMBLE_BASE_BASE_H
#define THIMBLE_BASE_BASE_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <thimble/types.h>

#define TMB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TMB_COUNT(array)      (sizeof(array) / sizeof((array)[0]))
#define TMB_MIN(a, b)         ((a) < (b) ? (a) : (b))
#define TMB_MAX(a, b)         ((a) > (b) ? (a) : (b))

/* ---- errors (error.c) ---- */

/* Pass a failure on to the caller. */
#define TMB_TRY(call)                                                                              \
    do {                                                                                           \
        int status_ = (call);                                                                      \
        if (status_ < 0) return status_;                                                           \
    } while (0)

/* Set the message (and clear detail and hint), return `status`: return tmb__fail(TMB_EDATA, ...). */
int tmb__fail(int status, const char *fmt, ...) TMB_PRINTF(2, 3);
/* Add numbers, or advice, to the failure just set. Both return nothing, so the status is kept. */
void tmb__detail(const char *fmt, ...) TMB_PRINTF(1, 2);
void tmb__hint(const char *fmt, ...) TMB_PRINTF(1, 2);
/* tmb__fail with ": strerror (ENAME)" of `error` appended. */
int tmb__fail_errno(int status, int error, const char *fmt, ...) TMB_PRINTF(3, 4);

/* A failure carried from a worker thread to its caller. */
typedef struct tmb__failure {
    int status;
    char text[3][512];
} tmb__failure;
void tmb__failure_save(tmb__failure *failure, int status);
int tmb__failure_raise(const tmb__failure *failure); /* returns failure->status */

/* Untrusted text for messages: control bytes as \xNN, cut at 200 bytes. Valid until the fourth
 * next call on this thread. */
const char *tmb__printable(const char *text);

/* Our own promises; checked in debug, sanitizer and fuzz builds. */
#ifdef TMB_ASSERTIONS
#define TMB_ASSERT(cond) ((cond) ? (void)0 : tmb__assert_failed(#cond, __FILE__, __LINE__))
#else
#define TMB_ASSERT(cond) ((void)0)
#endif
_Noreturn void tmb__assert_failed(const char *cond, const char *file, int line);

/* ---- log (log.c) ---- */

#define TMB_LOG(level, ...) tmb__log(TMB_##level, __VA_ARGS__)
void tmb__log(tmb_log_level level, const char *fmt, ...) TMB_PRINTF(2, 3);

/* ---- memory (mem.c): the only malloc of the library ---- */

/* Zeroed memory of n * size bytes, aligned to 64; NULL with TMB_ENOMEM set on failure or overflow. */
void *tmb__calloc(size_t n, size_t size);
void *tmb__realloc(void *old, size_t n, size_t size); /* plain malloc alignment, not zeroed */
void tmb__free(void *p);                              /* takes what the two above gave, and NULL */
char *tmb__strdup(const char *s);
bool tmb__mul(size_t a, size_t b, size_t *out); /* false on overflow */
bool tmb__add(size_t a, size_t b, size_t *out);

/* Every allocation and I/O call passes a gate, so that a test can make the n-th one fail. */
typedef enum tmb__gate_kind { TMB_GATE_ALLOC, TMB_GATE_IO, TMB_GATE_THREAD } tmb__gate_kind;
typedef bool (*tmb__gate_hook)(void *user, tmb__gate_kind kind); /* false: fail this one */
void tmb__gate_set(tmb__gate_hook hook, void *user);
bool tmb__gate(tmb__gate_kind kind);
uint64_t tmb__alloc_count(void); /* allocations since the start; a test compares two readings */

/* ---- strings (strbuf.c) ---- */

/* A growing string; zero is the empty one. The first failed growth is kept in `failed`. */
typedef struct tmb__strbuf {
    char *text; /* NUL-terminated, or NULL while empty */
    size_t len, cap;
    bool failed;
} tmb__strbuf;
void tmb__strbuf_add(tmb__strbuf *sb, const char *fmt, ...) TMB_PRINTF(2, 3);
void tmb__strbuf_bytes(tmb__strbuf *sb, const void *bytes, size_t n);
int tmb__utf8_length(const char *text); /* of the valid character there; 0: there is none */
/* As a JSON string (RFC 8259). A byte that is no UTF-8 becomes U+FFFD: JSON has no other way. */
void tmb__strbuf_json(tmb__strbuf *sb, const char *text);
void tmb__strbuf_free(tmb__strbuf *sb);
/* Locale-free: the whole of `text` must be a number. False if it is not, or not finite. */
bool tmb__parse_double(const char *text, double *out);
bool tmb__parse_int(const char *text, int64_t *out);
/* Levenshtein's, for "did you mean"; a name above 64 bytes is 64 away from all. */
int tmb__edit_distance(const char *a, const char *b);

/* ---- environment (env.c): the only getenv of the library ---- */

typedef enum tmb__env_id {
    TMB_ENV_DEVICE,
    TMB_ENV_THREADS,
    TMB_ENV_CPU,
    TMB_ENV_PLUGIN_PATH,
    TMB_ENV_WEIGHTS,
    TMB_ENV_CACHE,
    TMB_ENV_HOME
} tmb__env_id;
const char *tmb__env(tmb__env_id id); /* NULL if unset or empty */
/* For a library that takes a setting from nowhere else: set `name` unless it is set, true if it was not; and
 * take it back. */
bool tmb__env_lend(const char *name, const char *value);
void tmb__env_take_back(const char *name);

/* ---- instruction sets (isa.c) ---- */

/* THIMBLE_CPU of this process, TMB_ISA_ANY if it is not set; TMB_EINVAL for a word that is none. */
int tmb__isa_asked(tmb_isa *out);
bool tmb__isa_allowed(tmb_isa isa); /* by THIMBLE_CPU; whether the CPU has it is another matter */

/* ---- time (clock.c) ---- */

double tmb__now(void);     /* seconds of a monotonic clock */
double tmb__cpu_now(void); /* seconds that this thread has computed */

/* ---- spans of time, for who wants to see where it goes (trace.c) ---- */

typedef enum tmb__event_kind {
    TMB_EVENT_EPOCH,
    TMB_EVENT_VALIDATION,
    TMB_EVENT_RUN,  /* of a program */
    TMB_EVENT_WAIT, /* for a batch */
    TMB_EVENT_BATCH,
    TMB_EVENT_PHOTO,  /* from file or memory to a sample of a batch */
    TMB_EVENT_DECODE, /* the part of it that reads the file */
    TMB_EVENT_OP,     /* a piece of work on one */
    TMB_EVENT_KINDS
} tmb__event_kind;

enum {
    TMB__TRACK_LOADER = 256
}; /* tracks below: workers of a device, 0 its caller; then of a loader */

typedef struct tmb__event {
    tmb__event_kind kind;
    int track;
    int64_t number;    /* from 1; 0: none */
    const char *label; /* lives as the trace; NULL: that of its kind */
    double start, end; /* end 0: now */
} tmb__event;

/* Events from any thread. Each kind has room of its own; what comes when it is full is only added up.
 * To a NULL trace nothing is added, and its time is 0. */
typedef struct tmb__trace tmb__trace;
int tmb__trace_new(tmb__trace **out);
void tmb__trace_free(tmb__trace *trace);
double tmb__trace_now(const tmb__trace *trace);
void tmb__trace_add(tmb__trace *trace, tmb__event event);
/* Seconds of all events of a kind together, and how many there were. */
double tmb__trace_sum(const tmb__trace *trace, tmb__event_kind kind, int64_t *n);
/* As a file in Chrome's trace format, each kind in the order of its ends. */
int tmb__trace_write(const tmb__trace *trace, const char *path);

/* ---- random numbers (rng.c): Philox 4x32-10, a value is f(seed, stream, counter) ---- */

/* What a number is for; never reuse a stream for two purposes. */
typedef enum tmb__stream {
    TMB_STREAM_INIT = 1, /* counter: (weight, element / 64) */
    TMB_STREAM_SHUFFLE,  /* (epoch, position) */
    TMB_STREAM_AUGMENT,  /* (epoch, sample) */
    TMB_STREAM_DROPOUT,  /* (step, layer, element) */
    TMB_STREAM_SPLIT,
    TMB_STREAM_TEST,
} tmb__stream;

/* A generator positioned at (seed, stream, a, b), where 56 bits of a count; draws run on from there. Copyable, no resources. */
typedef struct tmb__rng {
    uint32_t key[2], counter[4], block[4];
    int used; /* words of `block` already given */
    uint32_t (*other)(
            void *user); /* if not NULL, words come from there instead: another's stream */
    void *user;
} tmb__rng;
tmb__rng tmb__rng_at(uint64_t seed, tmb__stream stream, uint64_t a, uint32_t b);
uint32_t tmb__rng_u32(tmb__rng *rng);
double tmb__rng_uniform(tmb__rng *rng, double lo, double hi); /* [lo, hi), 53 bits */
uint32_t tmb__rng_below(tmb__rng *rng, uint32_t n);           /* 0 .. n-1, unbiased; n > 0 */
double tmb__rng_normal(tmb__rng *rng);                        /* mean 0, deviation 1 */
/* The order 0 .. n-1 shuffled (Fisher-Yates). */
void tmb__rng_permute(tmb__rng *rng, int64_t *order, int64_t n);

/* NumPy's legacy generator (mt19937.c). The numbers drawn from tmb__mt_rng, which borrows it, are those
 * of RandomState(seed): below(n) of randint(n), permute of permutation(n), values[below(n)] of choice. */
typedef struct tmb__mt19937 {
    uint32_t word[624];
    int used;
} tmb__mt19937;
void tmb__mt_seed(tmb__mt19937 *mt, uint32_t seed);
tmb__rng tmb__mt_rng(tmb__mt19937 *mt);

/* ---- threads (thread.c) ---- */

/* A fixed team of workers. tmb__pool_run calls fn(user, task, worker) for task = 0 .. n-1, each once,
 * on any worker, the caller among them (worker 0), and returns when all are done. Runs of several
 * threads take turns; a task must not run the pool it runs on. */
typedef struct tmb__pool tmb__pool;
int tmb__pool_new(tmb__pool **out, int threads); /* threads 0: one per allowed CPU, at most 256 */
void tmb__pool_free(tmb__pool *pool);
int tmb__pool_threads(const tmb__pool *pool);
typedef void (*tmb__task_fn)(void *user, int task, int worker);
void tmb__pool_run(tmb__pool *pool, int n, tmb__task_fn fn, void *user);

typedef struct tmb__thread tmb__thread;
int tmb__thread_start(tmb__thread **out, void (*fn)(void *user), void *user);
void tmb__thread_join(tmb__thread *thread); /* waits, frees; NULL is fine */

/* A bounded queue of pointers between threads. */
typedef struct tmb__queue tmb__queue;
int tmb__queue_new(tmb__queue **out, int capacity);
void tmb__queue_free(tmb__queue *queue);
bool tmb__queue_push(tmb__queue *queue, void *item); /* waits while full; false once closed */
void *tmb__queue_pop(tmb__queue *queue); /* waits while empty; NULL once closed and empty */
void tmb__queue_close(tmb__queue *queue);
/* Wait until it is closed, so long at most; true if it is. */
bool tmb__queue_closes(tmb__queue *queue, double seconds);

/* ---- parts that are not linked in (beside.c) ---- */

/* The i-th folder where plugins, modules and programs of this installation may lie, absolute, or "" if
 * there is no such folder; false past the last. */
bool tmb__parts_folder(char *out, size_t size, int i);
/* The path of the file `name` in the first folder that has it; false if none has. */
bool tmb__find_part(char *out, size_t size, const char *name);

/* Load the shared object `part` from there, for good, and copy the address of its function `symbol` to
 * `fn`, a function pointer of `size` bytes. TMB_EUNSUPPORTED: not there, or not what it should be. */
int tmb__part_symbol(void *fn, size_t size, const char *part, const char *symbol);

/* ---- hashes (hash.c) ---- */

typedef struct tmb__sha256 {
    uint64_t opaque[32];
} tmb__sha256;
void tmb__sha256_start(tmb__sha256 *sha);
void tmb__sha256_add(tmb__sha256 *sha, const void *bytes, size_t n);
void tmb__sha256_end(tmb__sha256 *sha, uint8_t digest[32]);
/* A file's digests in hexadecimal, read in pieces; failures have the status `code`. */
typedef struct tmb__digests {
    char md5[33], sha256[65];
    int64_t size;
} tmb__digests;
int tmb__file_digests(tmb__digests *out, const char *path, int code);

/* ---- more than memory holds (spill.c) ---- */

/* Zeroed bytes that stand in a nameless file in `folder`, gone with the program. */
int tmb__spill_map(void **out, size_t bytes, const char *folder);
void tmb__spill_unmap(void *block, size_t bytes); /* NULL is fine */

/* ---- files (fs.c) ---- */

typedef struct tmb__bytes {
    uint8_t *data; /* owned by caller: tmb__free */
    size_t size;
} tmb__bytes;
/* A regular file's whole content, at most `limit` bytes; a NUL follows it. `code` is the status of a failure (TMB_EDATA
 * for pictures, TMB_EMODEL for models). Never blocks on a pipe or device. */
int tmb__file_read(tmb__bytes *out, const char *path, size_t limit, int code);
/* The first bytes of a regular file, at most n; how many there are, 0 if it cannot be read. */
size_t tmb__file_head(const char *path, uint8_t *head, size_t n);
/* Replace `path` by the parts in order: temporary file beside it, fsync, rename, fsync of the folder.
 * On failure the old file is untouched and no temporary stays; only if the very last step fails, the
 * folder's fsync, the new file is in place already. `path` must be a regular file or not exist. */
int tmb__file_replace(const char *path, const tmb__bytes *parts, int n_parts);
/* The finished file `from` takes the place of `to` in the same folder, as safely. */
int tmb__file_move(const char *from, const char *to);
/* The same in pieces, for what does not fit in memory: `total` bytes (0: not known) are reserved at the
 * start. `end` puts the file in place if status is 0 and else leaves the old one; it frees the writer
 * and returns status, or its own. */
typedef struct tmb__writer tmb__writer;
int tmb__writer_new(tmb__writer **out, const char *path, size_t total);
int tmb__writer_add(tmb__writer *writer, const void *data, size_t n);
int tmb__writer_end(tmb__writer *writer, int status);
/* 1 file, 2 folder, 3 anything else, 0 nothing there, and errno says why. */
int tmb__file_exists(const char *path);
int tmb__folder_make(const char *path);   /* with parents; an existing folder is fine */
int64_t tmb__file_size(const char *path); /* -1 if it cannot be read */
/* "a/b" from "a" and "b"; an absolute b stays as it is. NULL without memory; owned by caller. */
char *tmb__path_join(const char *a, const char *b);

/* One entry of a folder, in byte-wise sorted order. What it is holds after following links; neither
 * folder nor file: pipe, socket, device, dangling or looping link. */
typedef struct tmb__entry {
    char *name;
    bool is_folder, is_file;
    uint64_t device, inode; /* to visit a folder once */
} tmb__entry;
int tmb__folder_list(tmb__entry **out, int64_t *n, const char *path, int code);
void tmb__folder_list_free(tmb__entry *entries, int64_t n);

#endif
