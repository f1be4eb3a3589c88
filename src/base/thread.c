/* thread.c - a team of workers, single threads, and a bounded queue between threads
 *
 * A run hands its tasks out through one atomic counter, `left`: who lowers it from k to k - 1 owns task
 * n - k. A worker that wakes up late finds 0 and goes back to sleep, or a task of the next run and
 * does that; so nobody waits for a worker that the kernel has put aside. The run's other fields are
 * written before `left` is raised and stay until its last task is done, which is why a worker reads
 * them only while it owns a task.
 *
 * Steps of a small net are runs of about 100 us in quick succession. Waking a sleeper costs nearly as
 * much, so both sides look for a few microseconds before they sleep. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/base.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

enum { MAX_THREADS = 256, SPINS = 400 };

typedef struct worker {
    struct tmb__pool *pool;
    pthread_t thread;
    int number;
} worker;

struct tmb__pool {
    int threads, spins;
    pthread_mutex_t turn; /* held by the run in progress: several threads may share a pool */
    /* The run in progress. */
    tmb__task_fn fn;
    void *user;
    int n;
    atomic_int left;    /* tasks nobody owns yet */
    atomic_int pending; /* tasks not done yet */
    /* Sleepers. `lock` guards the waits; the counts let the other side skip the wake-up. */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    atomic_int sleepers;
    atomic_bool stop, caller_sleeps;
    worker workers[]; /* threads - 1; worker 0 is the caller */
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- single threads ---- */

/* Start a thread that leaves every signal to the caller's threads, so that Ctrl-C reaches the
 * program's handler there. */
static int start(pthread_t *thread, void *(*fn)(void *user), void *user)
{
    sigset_t all, old;
    int error = EAGAIN;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (tmb__gate(TMB_GATE_THREAD)) error = pthread_create(thread, NULL, fn, user);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error ? tmb__fail_errno(TMB_ENOMEM, error, "cannot start a thread") : 0;
}

struct tmb__thread {
    pthread_t thread;
    void (*fn)(void *user);
    void *user;
};

static void *thread_main(void *user)
{
    tmb__thread *thread = user;

    thread->fn(thread->user);
    return NULL;
}

int tmb__thread_start(tmb__thread **out, void (*fn)(void *user), void *user)
{
    tmb__thread *thread = tmb__calloc(1, sizeof *thread);
    int status;

    *out = NULL;
    if (!thread) return TMB_ENOMEM;
    thread->fn = fn;
    thread->user = user;
    status = start(&thread->thread, thread_main, thread);
    if (status < 0) {
        tmb__free(thread);
        return status;
    }
    *out = thread;
    return 0;
}

void tmb__thread_join(tmb__thread *thread)
{
    if (!thread) return;
    pthread_join(thread->thread, NULL);
    tmb__free(thread);
}

/* ---- the pool ---- */

/* CPUs that this process may use; a container's quota is not seen here. */
static int allowed_cpus(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return TMB_MAX(CPU_COUNT(&set), 1);
}

/* Own one task and return its number, or -1 if all are handed out. */
static int take(tmb__pool *pool)
{
    int left = atomic_load_explicit(&pool->left, memory_order_relaxed);

    while (left > 0) {
        if (atomic_compare_exchange_weak(&pool->left, &left, left - 1)) return pool->n - left;
    }
    return -1;
}

/* Do tasks while there are any. Whoever finishes the last one wakes the caller, if it sleeps. */
static void work(tmb__pool *pool, int number)
{
    for (int task = take(pool); task >= 0; task = take(pool)) {
        pool->fn(pool->user, task, number);
        if (atomic_fetch_sub(&pool->pending, 1) != 1) continue;
        if (!atomic_load(&pool->caller_sleeps)) continue;
        pthread_mutex_lock(&pool->lock);
        pthread_cond_signal(&pool->done);
        pthread_mutex_unlock(&pool->lock);
    }
}

/* PITFALL: first count oneself a sleeper, then look once more, then sleep. tmb__pool_run raises `left`
 * first and then looks for sleepers; with both orders sequentially consistent, one sees the other. */
static void wait_for_work(tmb__pool *pool)
{
    for (int i = 0; i < pool->spins; i++) {
        if (atomic_load_explicit(&pool->left, memory_order_relaxed) > 0) return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->left) == 0 && !atomic_load(&pool->stop))
        pthread_cond_wait(&pool->work, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *user)
{
    worker *self = user;

    while (!atomic_load(&self->pool->stop)) {
        wait_for_work(self->pool);
        work(self->pool, self->number);
    }
    return NULL;
}

static void wait_until_done(tmb__pool *pool)
{
    for (int i = 0; i < pool->spins; i++) {
        if (atomic_load(&pool->pending) == 0) return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, true);
    while (atomic_load(&pool->pending) > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->lock);
}

void tmb__pool_run(tmb__pool *pool, int n, tmb__task_fn fn, void *user)
{
    if (n <= 0) return;
    pthread_mutex_lock(&pool->turn);
    if (pool->threads == 1 || n == 1) {
        for (int task = 0; task < n; task++)
            fn(user, task, 0);
    } else {
        pool->fn = fn;
        pool->user = user;
        pool->n = n;
        atomic_store(&pool->pending, n);
        atomic_store(&pool->left, n);
        if (atomic_load(&pool->sleepers) > 0) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_broadcast(&pool->work);
            pthread_mutex_unlock(&pool->lock);
        }
        work(pool, 0);
        wait_until_done(pool);
    }
    pthread_mutex_unlock(&pool->turn);
}

int tmb__pool_threads(const tmb__pool *pool)
{
    return pool->threads;
}

/* Start the workers one by one; pool->threads grows with them, for tmb__pool_free to know. */
static int start_workers(tmb__pool *pool, int threads)
{
    for (pool->threads = 1; pool->threads < threads; pool->threads++) {
        worker *next = &pool->workers[pool->threads - 1];

        next->pool = pool;
        next->number = pool->threads;
        TMB_TRY(start(&next->thread, worker_main, next));
    }
    return 0;
}

int tmb__pool_new(tmb__pool **out, int threads)
{
    const int cpus = allowed_cpus();
    tmb__pool *pool;
    int status;

    *out = NULL;
    if (threads < 0 || threads > MAX_THREADS) {
        return tmb__fail(TMB_EINVAL, "threads: %d, expected 0 to %d", threads, MAX_THREADS);
    }
    if (threads == 0) threads = TMB_MIN(cpus, MAX_THREADS);
    pool = tmb__calloc(1, sizeof *pool + (size_t)(threads - 1) * sizeof pool->workers[0]);
    if (!pool) return TMB_ENOMEM;
    pool->spins = threads <= cpus ? SPINS : 0; /* with fewer CPUs one would spin in another's way */
    pthread_mutex_init(&pool->turn, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    status = start_workers(pool, threads);
    if (status < 0) {
        tmb__pool_free(pool);
        return status;
    }
    *out = pool;
    return 0;
}

void tmb__pool_free(tmb__pool *pool)
{
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stop, true);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->threads - 1; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->turn);
    tmb__free(pool);
}

/* ---- the queue: a ring under one lock ---- */

struct tmb__queue {
    pthread_mutex_t lock;
    pthread_cond_t not_full, not_empty;
    bool closed;
    int capacity, first, count;
    void *items[];
};

/* A condition whose waits end by the clock that never jumps. */
static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

int tmb__queue_new(tmb__queue **out, int capacity)
{
    tmb__queue *queue;

    *out = NULL;
    if (capacity < 1)
        return tmb__fail(TMB_EINVAL, "queue capacity: %d, expected 1 or more", capacity);
    queue = tmb__calloc(1, sizeof *queue + (size_t)capacity * sizeof queue->items[0]);
    if (!queue) return TMB_ENOMEM;
    queue->capacity = capacity;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->not_full, NULL);
    cond_init(&queue->not_empty);
    *out = queue;
    return 0;
}

void tmb__queue_free(tmb__queue *queue)
{
    if (!queue) return;
    pthread_cond_destroy(&queue->not_empty);
    pthread_cond_destroy(&queue->not_full);
    pthread_mutex_destroy(&queue->lock);
    tmb__free(queue);
}

bool tmb__queue_push(tmb__queue *queue, void *item)
{
    bool pushed;

    pthread_mutex_lock(&queue->lock);
    while (queue->count == queue->capacity && !queue->closed)
        pthread_cond_wait(&queue->not_full, &queue->lock);
    pushed = !queue->closed;
    if (pushed) {
        queue->items[(queue->first + queue->count) % queue->capacity] = item;
        queue->count++;
        pthread_cond_signal(&queue->not_empty);
    }
    pthread_mutex_unlock(&queue->lock);
    return pushed;
}

void *tmb__queue_pop(tmb__queue *queue)
{
    void *item = NULL;

    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed)
        pthread_cond_wait(&queue->not_empty, &queue->lock);
    if (queue->count > 0) {
        item = queue->items[queue->first];
        queue->first = (queue->first + 1) % queue->capacity;
        queue->count--;
        pthread_cond_signal(&queue->not_full);
    }
    pthread_mutex_unlock(&queue->lock);
    return item;
}

void tmb__queue_close(tmb__queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->not_full);
    pthread_cond_broadcast(&queue->not_empty);
    pthread_mutex_unlock(&queue->lock);
}

bool tmb__queue_closes(tmb__queue *queue, double seconds)
{
    const double until = tmb__now() + seconds;
    const struct timespec at = {
            .tv_sec = (time_t)until, .tv_nsec = (int32_t)(1e9 * (until - (double)(time_t)until))};
    int error = 0;
    bool closed;

    pthread_mutex_lock(&queue->lock);
    while (!queue->closed && error == 0)
        error = pthread_cond_timedwait(&queue->not_empty, &queue->lock, &at);
    closed = queue->closed;
    pthread_mutex_unlock(&queue->lock);
    return closed;
}
