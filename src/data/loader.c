/* loader.c - a thread that fills batches ahead of the one who takes them
 *
 *   free slots --> loader thread, its pool filling the photos of one batch --> ready slots --> next()
 *
 * One thread fills the batches in their order; the photos of a batch may be divided among a pool.
 * What happens to each is drawn before (flow.c), so neither order nor content depends on the threads. Slots travel between two queues and are made once: a later epoch allocates nothing, photos beyond the
 * cache excepted.
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
    float *y, *weight;    /* (batch, y_width), (batch); NULL: the batch has none */
    int32_t *label;       /* (batch) */
    int64_t *index;       /* (batch) */
    lost *lost;           /* (batch), by the place in the order */
    int count;            /* photos in x; after losses fewer than were asked for */
    int64_t *asked;       /* (n_asked) numbers of the photos */
    tmb_transform *drawn; /* (n_asked) */
    uint32_t *hash;       /* (n_asked) for the names of saved pictures */
    int n_asked, n_lost;
    int64_t number;       /* of the batch in its epoch */
    tmb__failure failure; /* status 0: none */
} slot;

typedef struct epoch {
    tmb__pass pass;
    int64_t first;
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
    tmb__mt19937 mt; /* Keras' stream; of who fills */
    /* The taker's own. */
    slot *taken;
    bool running;
    tmb__pass last; /* the last epoch with something random in it */
    int64_t seen;   /* batches given; Keras' total_batches_seen */
    bool ordered;   /* `order` holds an order */
    bool drawn;     /* `mt` is where the last batch by its number left it */
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
    const bool plain = f->loader->current.pass.number == TMB__PLAIN_EPOCH;
    const int64_t index = s->asked[task];
    tmb__scratch *scratch = &f->loader->scratch[worker];
    const double start = tmb__trace_now(images->trace);
    float *x = s->x + (size_t)task * tmb__store_floats(images);
    int status, none = 0;

    scratch->trace = images->trace;
    scratch->track = TMB__TRACK_LOADER + worker;
    tmb__watch_begin(f->loader->watch, worker, images->samples[index].path);
    status = tmb__store_run(images, index, plain ? NULL : &s->drawn[task], scratch, x);
    if (status == 0 && images->opts.channels_first) tmb__channels_first(images, x, scratch->floats);
    s->lost[task].yes = status == TMB_EDATA;
    s->lost[task].changed = status == 0 && has_changed(&images->samples[index]);
    if (status == TMB_EDATA) {
        snprintf(s->lost[task].why, REASON_BYTES, "%s", tmb_errmsg());
    } else if (status < 0 && atomic_compare_exchange_strong(&f->status, &none, status)) {
        tmb__failure_save(&s->failure, status);
    }
    tmb__watch_end(f->loader->watch, worker);
    tmb__trace_add(images->trace, (tmb__event){TMB_EVENT_PHOTO, scratch->track, .start = start});
}

/* Photos that were lost leave no gap. */
static void close_gaps(slot *s, const tmb_images *images)
{
    const size_t floats = tmb__store_floats(images);

    s->count = s->n_lost = 0;
    for (int i = 0; i < s->n_asked; i++) {
        const int64_t index = s->asked[i];

        if (s->lost[i].yes) {
            s->n_lost++;
            continue;
        }
        if (s->count < i)
            memcpy(s->x + (size_t)s->count * floats, s->x + (size_t)i * floats,
                    floats * sizeof(float));
        s->index[s->count] = index;
        s->label[s->count] = images->samples[index].label;
        if (s->y) tmb__target_fill(images, index, s->y + s->count * images->y_width);
        if (s->weight) s->weight[s->count] = images->samples[index].weight;
        s->count++;
    }
}

/* Which photos the batch `b` is to hold. */
static void ask(const tmb__loader *loader, slot *s, int64_t b)
{
    const tmb_images *images = loader->images;
    const int64_t begin = b * images->opts.batch;
    const bool plain = loader->current.pass.number == TMB__PLAIN_EPOCH;

    s->number = b;
    s->n_asked = (int)TMB_MIN((int64_t)images->opts.batch, images->n - begin);
    for (int i = 0; i < s->n_asked; i++)
        s->asked[i] = plain ? begin + i : loader->order[begin + i];
}

static tmb__plan plan_of(const slot *s)
{
    return (tmb__plan){s->n_asked, s->asked, s->drawn, s->hash};
}

/* What was asked for and drawn. */
static void fill(tmb__loader *loader, slot *s)
{
    tmb__trace *trace = loader->images->trace;
    const double start = tmb__trace_now(trace);
    filling f = {loader, s, 0};

    s->failure.status = 0;
    tmb__pool_run(loader->pool, s->n_asked, fill_one, &f);
    close_gaps(s, loader->images);
    tmb__trace_add(
            trace, (tmb__event){TMB_EVENT_BATCH, TMB__TRACK_LOADER, s->number + 1, .start = start});
}

/* False if the loader is to end. */
static bool run_epoch(tmb__loader *loader)
{
    const int64_t batches = tmb__flow_batches(loader->images);
    const epoch *current = &loader->current;

    for (int64_t b = current->first; b < batches; b++) {
        slot *s = tmb__queue_pop(loader->free);
        tmb__plan plan;

        if (!s) return false;
        if (atomic_load(&loader->cancel)) {
            tmb__queue_push(loader->free, s);
            break;
        }
        ask(loader, s, b);
        plan = plan_of(s);
        if (current->pass.number != TMB__PLAIN_EPOCH)
            tmb__flow_plan(
                    loader->images, &loader->mt, &current->pass, b, b > current->first, &plan);
        fill(loader, s);
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

void tmb__loader_stop(tmb__loader *loader)
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

static void begin(tmb__loader *loader, const tmb__pass *pass, int64_t first)
{
    tmb__loader_stop(loader);
    atomic_store(&loader->cancel, false);
    loader->current = (epoch){*pass, first};
    loader->n_lost = 0;
    loader->told = loader->drawn = false;
    if (pass->number != TMB__PLAIN_EPOCH) {
        tmb__flow_order(loader->images, pass, loader->order);
        loader->last = *pass;
        loader->seen = pass->begin + first;
        loader->ordered = true;
    }
    loader->running = true;
    tmb__queue_push(loader->epochs, &loader->current);
}

void tmb__loader_epoch(tmb__loader *loader, int64_t number, int64_t first)
{
    tmb__pass pass = {.number = TMB__PLAIN_EPOCH};

    if (number != TMB__PLAIN_EPOCH) pass = tmb__flow_epoch(loader->images, number);
    begin(loader, &pass, first);
}

void tmb__loader_reset(tmb__loader *loader)
{
    tmb__pass pass = tmb__flow_epoch(loader->images, loader->last.number + 1);

    if (loader->images->opts.rng == TMB_RNG_NUMPY) pass.begin = pass.drawn = loader->seen;
    begin(loader, &pass, 0);
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
                (long long)loader->current.pass.number));
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
                "left out of epoch %lld: %s", (long long)loader->current.pass.number,
                s->lost[i].why));
        TMB_LOG(WARN, "%s", s->lost[i].why);
    }
    loader->n_lost += s->n_lost;
    if ((double)loader->n_lost <= limit || !s->n_lost) return 0;
    return tmb__fail(TMB_EDATA, "%s: %lld of %lld images can no longer be read, the limit is %g %%",
            tmb__printable(images->root), (long long)loader->n_lost, (long long)images->n,
            100 * (double)images->opts.bad_limit);
}

/* Pictures are written when their batch is taken: as many as were asked for. */
static int save(const tmb__loader *loader, const slot *s)
{
    const tmb_images *images = loader->images;
    const int64_t begin = s->number * images->opts.batch;
    const float *x = s->x;

    if (!images->opts.save_dir || loader->current.pass.number == TMB__PLAIN_EPOCH) return 0;
    for (int i = 0; i < s->n_asked; i++) {
        if (s->lost[i].yes) continue;
        TMB_TRY(tmb__batch_save(images, x, begin + i, s->asked[i], s->hash[i]));
        x += tmb__store_floats(images);
    }
    return 0;
}

/* Hand a filled slot to the taker; 0 if all of it was lost. */
static int give(tmb__loader *loader, slot *s, tmb_batch *out)
{
    const tmb_images *images = loader->images;
    int status = s->failure.status < 0 ? tmb__failure_raise(&s->failure) : count_lost(loader, s);

    loader->taken = s;
    if (status == 0) status = tell_changed(loader, s);
    if (status == 0) status = save(loader, s);
    if (status < 0) {
        tmb__loader_stop(loader);
        return status;
    }
    *out = (tmb_batch){.count = s->count,
            .x = s->x,
            .label = s->label,
            .index = s->index,
            .y = images->opts.class_mode == TMB_CLASS_INPUT ? s->x : s->y,
            .y_width = images->y_width,
            .weight = s->weight};
    return s->count > 0;
}

int tmb__loader_next(tmb__loader *loader, tmb_batch *out)
{
    while (loader->running) {
        const double start = tmb__trace_now(loader->images->trace);
        slot *s;
        int more;

        give_back(loader);
        s = tmb__queue_pop(loader->ready);
        tmb__trace_add(loader->images->trace, (tmb__event){TMB_EVENT_WAIT, .start = start});
        if (s == &loader->end) {
            loader->running = false;
            break;
        }
        if (loader->current.pass.number != TMB__PLAIN_EPOCH)
            loader->seen = loader->current.pass.begin + s->number + 1;
        more = give(loader, s, out);
        if (more) return more;
    }
    *out = (tmb_batch){0};
    return 0;
}

/* ---- batches by their number ---- */

int tmb__loader_item(tmb__loader *loader, int64_t b, tmb_batch *out)
{
    const tmb_images *images = loader->images;
    const bool numpy = images->opts.rng == TMB_RNG_NUMPY, fresh = !loader->ordered;
    tmb__plan plan;
    slot *s;
    int more;

    tmb__loader_stop(loader);
    if (fresh) {
        loader->last = tmb__flow_epoch(images, 0);
        if (!numpy) tmb__flow_order(images, &loader->last, loader->order);
        loader->ordered = true;
    }
    if (!loader->drawn) loader->n_lost = 0;
    loader->current.pass = loader->last;
    s = tmb__queue_pop(loader->free);
    plan = plan_of(s);
    plan.n = tmb__flow_batch_size(images, b);
    if (numpy) {
        tmb__flow_item(images, &loader->mt, loader->seen, fresh ? loader->order : NULL, &plan);
        ask(loader, s, b);
    } else {
        ask(loader, s, b);
        tmb__flow_plan(images, &loader->mt, &loader->last, b, false, &plan);
    }
    loader->seen++;
    loader->drawn = true;
    fill(loader, s);
    more = give(loader, s, out);
    return more < 0 ? more : 0;
}

void tmb__loader_epoch_end(tmb__loader *loader)
{
    const tmb_images *images = loader->images;

    tmb__loader_stop(loader);
    loader->last = tmb__flow_epoch(images, loader->last.number + 1);
    loader->n_lost = 0;
    loader->told = false;
    if (images->opts.rng != TMB_RNG_NUMPY) {
        tmb__flow_order(images, &loader->last, loader->order);
    } else if (loader->drawn) {
        tmb__flow_redraw(images, &loader->mt, loader->order);
    }
    loader->ordered = images->opts.rng != TMB_RNG_NUMPY || loader->drawn;
}

/* ---- making and ending ---- */

static int slot_new(slot *s, const tmb_images *images)
{
    const tmb_preprocess *pre = &images->pre;
    const size_t batch = (size_t)images->opts.batch, width = (size_t)images->y_width;
    const bool y = width && images->opts.class_mode != TMB_CLASS_INPUT;
    size_t floats;

    s->x = tmb__mul(tmb__store_floats(images), batch, &floats) ? tmb__calloc(floats, sizeof *s->x)
                                                               : NULL;
    s->label = tmb__calloc(batch, sizeof *s->label);
    s->index = tmb__calloc(batch, sizeof *s->index);
    s->asked = tmb__calloc(batch, sizeof *s->asked);
    s->drawn = tmb__calloc(batch, sizeof *s->drawn);
    s->hash = tmb__calloc(batch, sizeof *s->hash);
    s->lost = tmb__calloc(batch, sizeof *s->lost);
    s->y = y ? tmb__calloc(batch * width, sizeof *s->y) : NULL;
    s->weight = images->weighted ? tmb__calloc(batch, sizeof *s->weight) : NULL;
    if (s->x && s->label && s->index && s->asked && s->drawn && s->hash && s->lost &&
            (s->y || !y) && (s->weight || !images->weighted))
        return 0;
    return tmb__fail(TMB_ENOMEM, "not enough memory for batches of %zu photos of %d x %d", batch,
            pre->size[0], pre->size[1]);
}

static void slot_free(slot *s)
{
    tmb__free(s->x);
    tmb__free(s->y);
    tmb__free(s->weight);
    tmb__free(s->label);
    tmb__free(s->index);
    tmb__free(s->asked);
    tmb__free(s->drawn);
    tmb__free(s->hash);
    tmb__free(s->lost);
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
    for (int i = 0; i < threads && images->opts.channels_first; i++) {
        float *floats = tmb__calloc(tmb__store_floats(images), sizeof *floats);

        if (!floats) return TMB_ENOMEM;
        loader->scratch[i].floats = floats;
    }
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
    loader->last.number = TMB__PLAIN_EPOCH; /* so that the one after it is 0 */
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
        tmb__loader_stop(loader);
        tmb__queue_close(loader->epochs);
        tmb__thread_join(loader->thread);
    }
    tmb__watch_free(loader->watch);
    for (int i = 0; i < SLOTS; i++)
        slot_free(&loader->slots[i]);
    for (int i = 0; loader->scratch && i < TMB_MAX(loader->images->opts.threads, 1); i++)
        tmb__scratch_free(&loader->scratch[i]);
    tmb__queue_free(loader->epochs);
    tmb__queue_free(loader->free);
    tmb__queue_free(loader->ready);
    tmb__pool_free(loader->pool);
    tmb__free(loader->scratch);
    tmb__free(loader->order);
    tmb__free(loader);
}
