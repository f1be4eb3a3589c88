/* loader.c - a thread that fills batches ahead of the one who takes them
 *
 *   free slots --> loader thread, its pool filling the photos of one batch --> ready slots --> next()
 *
 * One thread fills the batches in their order; the photos of a batch may be divided among a pool.
 * What a photo becomes depends on (seed, epoch, photo) alone, so neither order nor content depends on
 * the threads. Slots travel between two queues and are made once: a later epoch allocates nothing,
 * photos beyond the cache excepted.
 *
 * An epoch ends with the slot `end`, always, also when it is broken off: the taker then hands back what
 * comes until it sees `end`, after which the thread waits for the next epoch. */
#include "data/images.h"

#include <stdio.h>
#include <string.h>

enum { SLOTS = 3, REASON_BYTES = 160 };

/* One photo of a batch that could not be read any more, or is another one than it was. */
typedef struct lost {
    bool yes, changed;
    char why[REASON_BYTES];
} lost;

typedef struct slot {
    float *x;             /* (batch, h, w, c), 64-byte aligned */
    int32_t *label;       /* (batch) */
    int64_t *index;       /* (batch) */
    lost *lost;           /* (batch), by the place in the order */
    int count;            /* photos in x; after losses fewer than were asked for */
    const int64_t *asked; /* (n_asked) numbers of the photos, into the order */
    int n_asked, n_lost;
    tmb__failure failure; /* status 0: none */
} slot;

typedef struct epoch {
    int64_t number, first;
} epoch;

struct tmb__loader {
    tmb_images *images;
    tmb__thread *thread;
    tmb__pool *pool;
    tmb__scratch *scratch; /* one for each worker of the pool */
    tmb__watch *watch;     /* NULL if no photo is read again */
    tmb__queue *epochs, *free, *ready;
    slot slots[SLOTS], end;
    int64_t *order; /* of the epoch; written by the taker while the thread waits */
    epoch current;
    atomic_bool cancel;
    /* The taker's own. */
    slot *taken;
    bool running;
    int64_t n_lost; /* in this epoch */
    bool told;      /* in this epoch: that a file has changed */
};

/* ---- the loader's side ---- */

typedef struct filling {
    tmb__loader *loader;
    slot *slot;
    atomic_int status;
} filling;

/* Only photos that are decoded again can have changed. */
static bool has_changed(const tmb__sample *sample)
{
    tmb__sample now = {0};

    if (sample->slot >= 0) return false;
    tmb__sample_stamp(&now, sample->path);
    return now.size != sample->size || now.mtime != sample->mtime;
}

static void fill_one(void *user, int task, int worker)
{
    filling *f = user;
    slot *s = f->slot;
    const tmb_images *images = f->loader->images;
    const tmb_preprocess *pre = &images->pre;
    const size_t floats = (size_t)pre->size[0] * (size_t)pre->size[1] * (size_t)pre->channels;
    const int64_t index = s->asked[task];
    int status;

    tmb__watch_begin(f->loader->watch, worker, images->samples[index].path);
    status = tmb__store_sample(images, index, f->loader->current.number,
            &f->loader->scratch[worker], s->x + (size_t)task * floats);
    s->lost[task].yes = status == TMB_EDATA;
    s->lost[task].changed = status == 0 && has_changed(&images->samples[index]);
    if (status == TMB_EDATA)
        snprintf(s->lost[task].why, REASON_BYTES, "%s", tmb_errmsg());
    else if (status < 0)
        atomic_store(&f->status, status);
    tmb__watch_end(f->loader->watch, worker);
}

/* Photos that were lost leave no gap. */
static void close_gaps(slot *s, const tmb_images *images)
{
    const tmb_preprocess *pre = &images->pre;
    const size_t floats = (size_t)pre->size[0] * (size_t)pre->size[1] * (size_t)pre->channels;

    s->count = s->n_lost = 0;
    for (int i = 0; i < s->n_asked; i++) {
        if (s->lost[i].yes) {
            s->n_lost++;
            continue;
        }
        if (s->count < i)
            memcpy(s->x + (size_t)s->count * floats, s->x + (size_t)i * floats,
                    floats * sizeof(float));
        s->index[s->count] = s->asked[i];
        s->label[s->count] = images->samples[s->asked[i]].label;
        s->count++;
    }
}

static void fill(tmb__loader *loader, slot *s, int64_t batch)
{
    const tmb_images *images = loader->images;
    const int64_t begin = batch * images->opts.batch;
    filling f = {loader, s, 0};

    s->asked = loader->order + begin;
    s->n_asked = (int)TMB_MIN((int64_t)images->opts.batch, images->n - begin);
    s->failure.status = 0;
    tmb__pool_run(loader->pool, s->n_asked, fill_one, &f);
    if (atomic_load(&f.status) < 0) {
        tmb__fail(atomic_load(&f.status), "not enough memory or descriptors to read photos again");
        tmb__failure_save(&s->failure, atomic_load(&f.status));
    }
    close_gaps(s, images);
}

/* False if the loader is to end. */
static bool run_epoch(tmb__loader *loader)
{
    const int64_t batches =
            (loader->images->n + loader->images->opts.batch - 1) / loader->images->opts.batch;

    for (int64_t b = loader->current.first; b < batches; b++) {
        slot *s = tmb__queue_pop(loader->free);

        if (!s) return false;
        if (atomic_load(&loader->cancel)) {
            tmb__queue_push(loader->free, s);
            break;
        }
        fill(loader, s, b);
        tmb__queue_push(loader->ready, s);
    }
    return tmb__queue_push(loader->ready, &loader->end);
}

static void loader_main(void *user)
{
    tmb__loader *loader = user;

    while (tmb__queue_pop(loader->epochs)) {
        if (!run_epoch(loader)) break;
    }
}

/* ---- the taker's side ---- */

static void give_back(tmb__loader *loader)
{
    if (loader->taken) tmb__queue_push(loader->free, loader->taken);
    loader->taken = NULL;
}

static void break_off(tmb__loader *loader)
{
    give_back(loader);
    if (!loader->running) return;
    atomic_store(&loader->cancel, true);
    for (;;) {
        slot *s = tmb__queue_pop(loader->ready);

        if (!s || s == &loader->end) break;
        tmb__queue_push(loader->free, s);
    }
    loader->running = false;
}

int tmb__loader_epoch(tmb__loader *loader, int64_t number, int64_t first)
{
    const tmb_images *images = loader->images;

    break_off(loader);
    atomic_store(&loader->cancel, false);
    loader->current = (epoch){number, first};
    loader->n_lost = 0;
    loader->told = false;
    tmb__order_fill(loader->order, images->n, &images->opts, number);
    loader->running = true;
    tmb__queue_push(loader->epochs, &loader->current);
    return 0;
}

/* Tell once an epoch that a file is not the one that was read when the data set was opened. */
static int tell_changed(tmb__loader *loader, const slot *s)
{
    tmb_images *images = loader->images;

    for (int i = 0; i < s->n_asked && !loader->told; i++) {
        const tmb__sample *sample = &images->samples[s->asked[i]];

        if (!s->lost[i].changed) continue;
        loader->told = true;
        TMB_LOG(WARN, "%s: replaced since training began, used as it is now",
                tmb__printable(sample->path));
        TMB_TRY(tmb__notices_add(&images->notices, TMB_NOTICE_WARNING, sample->path + sample->key,
                "replaced before epoch %lld, used as it is now",
                (long long)loader->current.number));
    }
    return 0;
}

/* Tell of lost photos; too many end the epoch. */
static int count_lost(tmb__loader *loader, const slot *s)
{
    tmb_images *images = loader->images;
    const double limit = (double)images->opts.bad_limit * (double)images->n;

    for (int i = 0; i < s->n_asked && s->n_lost; i++) {
        const tmb__sample *sample = &images->samples[s->asked[i]];

        if (!s->lost[i].yes) continue;
        TMB_TRY(tmb__notices_add(&images->notices, TMB_NOTICE_BAD, sample->path + sample->key,
                "left out of epoch %lld: %s", (long long)loader->current.number, s->lost[i].why));
        TMB_LOG(WARN, "%s", s->lost[i].why);
    }
    loader->n_lost += s->n_lost;
    if ((double)loader->n_lost <= limit || !s->n_lost) return 0;
    return tmb__fail(TMB_EDATA, "%s: %lld of %lld images can no longer be read, the limit is %g %%",
            tmb__printable(images->root), (long long)loader->n_lost, (long long)images->n,
            100 * (double)images->opts.bad_limit);
}

int tmb__loader_next(tmb__loader *loader, tmb_batch *out)
{
    while (loader->running) {
        slot *s;
        int status;

        give_back(loader);
        s = tmb__queue_pop(loader->ready);
        if (s == &loader->end) {
            loader->running = false;
            break;
        }
        loader->taken = s;
        status = s->failure.status < 0 ? tmb__failure_raise(&s->failure) : count_lost(loader, s);
        if (status == 0) status = tell_changed(loader, s);
        if (status < 0) {
            break_off(loader);
            return status;
        }
        if (s->count == 0) continue;
        *out = (tmb_batch){.count = s->count, .x = s->x, .label = s->label, .index = s->index};
        return 1;
    }
    return 0;
}

/* ---- making and ending ---- */

static int slot_new(slot *s, const tmb_images *images)
{
    const tmb_preprocess *pre = &images->pre;
    const size_t batch = (size_t)images->opts.batch;
    size_t floats = (size_t)pre->size[0] * (size_t)pre->size[1] * (size_t)pre->channels;

    s->x = tmb__mul(floats, batch, &floats) ? tmb__calloc(floats, sizeof *s->x) : NULL;
    s->label = tmb__calloc(batch, sizeof *s->label);
    s->index = tmb__calloc(batch, sizeof *s->index);
    s->lost = tmb__calloc(batch, sizeof *s->lost);
    if (s->x && s->label && s->index && s->lost) return 0;
    return tmb__fail(TMB_ENOMEM, "not enough memory for batches of %zu photos of %d x %d", batch,
            pre->size[0], pre->size[1]);
}

static bool all_kept(const tmb_images *images)
{
    for (int64_t i = 0; i < images->n; i++) {
        if (images->samples[i].slot < 0) return false;
    }
    return true;
}

static int make_parts(tmb__loader *loader, tmb_images *images)
{
    const int threads = TMB_MAX(images->opts.threads, 1);

    loader->order = tmb__calloc((size_t)images->n, sizeof *loader->order);
    loader->scratch = tmb__calloc((size_t)threads, sizeof *loader->scratch);
    if (!loader->order || !loader->scratch) return TMB_ENOMEM;
    TMB_TRY(tmb__queue_new(&loader->epochs, 1));
    TMB_TRY(tmb__queue_new(&loader->free, SLOTS));
    TMB_TRY(tmb__queue_new(&loader->ready, SLOTS + 1));
    TMB_TRY(tmb__pool_new(&loader->pool, threads));
    for (int i = 0; i < SLOTS; i++) {
        TMB_TRY(slot_new(&loader->slots[i], images));
        tmb__queue_push(loader->free, &loader->slots[i]);
    }
    if (!all_kept(images)) TMB_TRY(tmb__watch_new(&loader->watch, threads, TMB__WATCH_SECONDS));
    return tmb__thread_start(&loader->thread, loader_main, loader);
}

int tmb__loader_new(tmb__loader **out, tmb_images *images)
{
    tmb__loader *loader = tmb__calloc(1, sizeof *loader);
    int status;

    *out = NULL;
    if (!loader) return TMB_ENOMEM;
    loader->images = images;
    status = make_parts(loader, images);
    if (status < 0) {
        tmb__loader_free(loader);
        return status;
    }
    *out = loader;
    return 0;
}

void tmb__loader_free(tmb__loader *loader)
{
    if (!loader) return;
    if (loader->thread) {
        break_off(loader);
        tmb__queue_close(loader->epochs);
        tmb__thread_join(loader->thread);
    }
    tmb__watch_free(loader->watch);
    for (int i = 0; i < SLOTS; i++) {
        tmb__free(loader->slots[i].x);
        tmb__free(loader->slots[i].label);
        tmb__free(loader->slots[i].index);
        tmb__free(loader->slots[i].lost);
    }
    for (int i = 0; loader->pool && i < tmb__pool_threads(loader->pool); i++)
        tmb__scratch_free(&loader->scratch[i]);
    tmb__queue_free(loader->epochs);
    tmb__queue_free(loader->free);
    tmb__queue_free(loader->ready);
    tmb__pool_free(loader->pool);
    tmb__free(loader->scratch);
    tmb__free(loader->order);
    tmb__free(loader);
}
