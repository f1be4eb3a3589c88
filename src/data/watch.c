/* watch.c - names a file whose reading hangs
 *
 * A read from a network file system may never come back, and nothing takes it back. So every thread that
 * reads photos says which one it has begun, and a thread of the watch looks at that now and then: a file
 * that is being read for longer than the limit is named in the log, once each time. */
#include "data/images.h"

typedef struct reading {
    _Atomic(const char *) path; /* NULL: none; set after `since` */
    _Atomic double since;
    double told; /* the watch's own: the `since` it has told of */
} reading;

struct tmb__watch {
    tmb__thread *thread;
    tmb__queue *end; /* closed to end the thread */
    double limit;
    int n;
    reading readings[]; /* n, one for each worker */
};

static void look(const tmb__watch *watch, reading *r)
{
    const char *path = atomic_load(&r->path);
    const double since = atomic_load(&r->since);

    if (!path || since == r->told || tmb__now() - since < watch->limit) return;
    r->told = since;
    TMB_LOG(WARN, "%s: still being read after %g s; does its file system answer?",
            tmb__printable(path), watch->limit);
}

static void watch_main(void *user)
{
    tmb__watch *watch = user;

    while (!tmb__queue_closes(watch->end, watch->limit / 8)) {
        for (int i = 0; i < watch->n; i++)
            look(watch, &watch->readings[i]);
    }
}

int tmb__watch_new(tmb__watch **out, int workers, double limit)
{
    tmb__watch *watch = tmb__calloc(1, sizeof *watch + (size_t)workers * sizeof watch->readings[0]);
    int status;

    *out = NULL;
    if (!watch) return TMB_ENOMEM;
    watch->n = workers;
    watch->limit = limit;
    status = tmb__queue_new(&watch->end, 1);
    if (status == 0) status = tmb__thread_start(&watch->thread, watch_main, watch);
    if (status < 0) {
        tmb__watch_free(watch);
        return status;
    }
    *out = watch;
    return 0;
}

void tmb__watch_free(tmb__watch *watch)
{
    if (!watch) return;
    if (watch->end) tmb__queue_close(watch->end);
    tmb__thread_join(watch->thread);
    tmb__queue_free(watch->end);
    tmb__free(watch);
}

void tmb__watch_begin(tmb__watch *watch, int worker, const char *path)
{
    if (!watch) return;
    atomic_store(&watch->readings[worker].since, tmb__now());
    atomic_store(&watch->readings[worker].path, path);
}

void tmb__watch_end(tmb__watch *watch, int worker)
{
    if (watch) atomic_store(&watch->readings[worker].path, NULL);
}
