/* bench_host.c - what a backend needs of its host: memory, a team of threads, time
 *
 * The team is a plain one: the caller hands out tasks by a counter, workers look for a new call a
 * few microseconds before they sleep. */
#define _POSIX_C_SOURCE 200809L
#include "bench_host.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 64, LOOKS = 20000 };

typedef void (*task_fn)(void *user, int task, int worker);

typedef struct team {
    int threads, n;
    task_fn fn;
    void *user;
    atomic_int call, next, busy; /* number of calls so far; next task; workers still at work */
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread[MOST];
} team;

typedef struct member {
    team *team;
    int number;
} member;

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_now(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double bench_clock(int threads)
{
    return seconds(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return values[n / 2];
}

const char *bench_op_name(tmb_op_kind kind)
{
    static const char *const names[] = {
#define X(NAME, name, in, out) name,
#include <thimble/ops.def>
#undef X
    };

    return names[kind];
}

static uint32_t next_word(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

float *bench_numbers(int64_t n, double low, double high)
{
    float *data = calloc((size_t)n, sizeof *data);
    uint64_t state = (uint64_t)n;

    if (!data) exit(1);
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)(low + (high - low) * next_word(&state) * 0x1p-32);
    return data;
}

/* ---- the team ---- */

static void work(team *t, int number)
{
    for (int task = atomic_fetch_add(&t->next, 1); task < t->n;
            task = atomic_fetch_add(&t->next, 1))
        t->fn(t->user, task, number);
}

static void wait_for_call(team *t, int seen)
{
    for (int i = 0; i < LOOKS && atomic_load(&t->call) == seen; i++)
        ;
    if (atomic_load(&t->call) != seen) return;
    pthread_mutex_lock(&t->lock);
    while (atomic_load(&t->call) == seen)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

static void *member_main(void *user)
{
    const member self = *(member *)user;

    free(user);
    for (int seen = 0;; seen++) {
        wait_for_call(self.team, seen);
        if (atomic_load(&self.team->stop)) return NULL;
        work(self.team, self.number);
        atomic_fetch_sub(&self.team->busy, 1);
    }
}

static void call_members(team *t)
{
    atomic_store(&t->next, 0);
    atomic_store(&t->busy, t->threads - 1);
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->call, 1);
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void parallel(void *pool, int n, task_fn fn, void *user)
{
    team *t = pool;

    t->n = n;
    t->fn = fn;
    t->user = user;
    call_members(t);
    work(t, 0);
    while (atomic_load(&t->busy) > 0)
        ;
}

static int threads_of(void *pool)
{
    return ((team *)pool)->threads;
}

static team *new_team(int threads)
{
    team *t = calloc(1, sizeof *t);

    if (!t || threads < 1 || threads > MOST) exit(1);
    t->threads = threads;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    for (int i = 1; i < threads; i++) {
        member *m = calloc(1, sizeof *m);

        if (!m) exit(1);
        *m = (member){t, i};
        if (pthread_create(&t->thread[i], NULL, member_main, m) != 0) exit(1);
    }
    return t;
}

/* ---- the host ---- */

static void *alloc(size_t n, size_t size)
{
    const size_t bytes = (n * size + 63) / 64 * 64;
    void *p = aligned_alloc(64, bytes > 0 ? bytes : 64);

    return p ? memset(p, 0, bytes) : NULL;
}

static int fail(int status, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

static void drop_log(tmb_log_level level, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
}

/* Not Philox: a benchmark wants the time of random numbers, not their quality. */
static void random_words(
        uint64_t seed, int64_t step, uint32_t id, uint64_t first, int64_t blocks, uint32_t *out)
{
    uint64_t state = seed ^ (uint64_t)step << 40 ^ (uint64_t)id << 32 ^ first;

    for (int64_t i = 0; i < 4 * blocks; i++)
        out[i] = next_word(&state);
}

/* The two losses of the nets here, from logits; src/backend/loss_row.c has them all. */
static double loss(const tmb_loss_row *row)
{
    double most = row->z[0], sum = 0, l = 0;

    if (row->attr->loss == TMB_BINARY_CROSSENTROPY) {
        for (int64_t i = 0; i < row->k; i++) {
            const double z = row->z[i], t = row->t[i];

            l += (fmax(z, 0) - z * t + log1p(exp(-fabs(z)))) / (double)row->k;
            if (row->dz)
                row->dz[i] = (float)(row->factor * (1 / (1 + exp(-z)) - t) / (double)row->k);
        }
        return l;
    }
    for (int64_t i = 1; i < row->k; i++)
        most = fmax(most, row->z[i]);
    for (int64_t i = 0; i < row->k; i++)
        sum += exp(row->z[i] - most);
    for (int64_t i = 0; i < row->k; i++) {
        const double p = exp(row->z[i] - most) / sum;

        l -= row->t[i] * log(p);
        if (row->dz) row->dz[i] = (float)(row->factor * (p - row->t[i]));
    }
    return l;
}

/* THIMBLE_CPU, which the library reads for its own host. */
static tmb_isa isa_wanted(void)
{
    static const char *const names[] = {"x86-64", "avx2", "avx512", "avx512-bf16", "amx"};
    const char *text = getenv("THIMBLE_CPU");
    unsigned isa = TMB_ISA_ANY;

    for (unsigned i = 0; text && i < 4; i++)
        isa = strcmp(text, names[i]) == 0 ? TMB_ISA_X86_64 + i : isa;
    return isa;
}

tmb_host bench_host_open(int threads)
{
    return (tmb_host){
            .alloc = alloc,
            .free = free,
            .fail = fail,
            .log = drop_log,
            .parallel = parallel,
            .threads = threads_of,
            .random = random_words,
            .now = bench_now,
            .loss = loss,
            .pool = new_team(threads),
            .isa = isa_wanted(),
    };
}

void bench_host_close(tmb_host *host)
{
    team *t = host->pool;

    atomic_store(&t->stop, true);
    call_members(t);
    for (int i = 1; i < t->threads; i++)
        pthread_join(t->thread[i], NULL);
    free(t);
}
