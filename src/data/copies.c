/* copies.c - photos with the same bytes
 *
 * A copy of a training photo among the validation photos makes a net look better than it is. Only
 * files of equal size can be copies, so only those are read; equal SHA-256 is taken for equal bytes. */
#include "data/images.h"

#include <stdlib.h>
#include <string.h>

typedef struct candidate {
    int64_t size, index;
    uint8_t digest[32];
    bool known; /* the file could be read */
} candidate;

typedef struct hashing {
    const tmb__sample *samples;
    candidate *candidates;
    tmb__watch *watch;
    atomic_int status; /* of a failure that is not the file's own */
} hashing;

static int compare_sizes(const void *a, const void *b)
{
    const candidate *x = a, *y = b;

    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int compare_digests(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    const int order = memcmp(x->digest, y->digest, sizeof x->digest);

    if (x->known != y->known) return x->known ? -1 : 1;
    return order ? order : x->index < y->index ? -1 : x->index > y->index;
}

/* Keep those that have a neighbour of the same size; returns how many. */
static int64_t keep_equal_sizes(candidate *c, int64_t n)
{
    int64_t kept = 0, previous = -1;

    for (int64_t i = 0; i < n; i++) {
        const int64_t size = c[i].size;
        const bool next = i + 1 < n && c[i + 1].size == size;

        if (size > 0 && (size == previous || next)) c[kept++] = c[i];
        previous = size;
    }
    return kept;
}

/* A file that cannot be read is a copy of none; the scan will say what is wrong with it. */
static void hash_task(void *user, int task, int worker)
{
    hashing *h = user;
    candidate *c = &h->candidates[task];
    tmb__bytes file;
    tmb__sha256 sha;
    int status;

    tmb__watch_begin(h->watch, worker, h->samples[c->index].path);
    status = tmb__file_read(&file, h->samples[c->index].path, (size_t)1 << 30, TMB_EDATA);
    tmb__watch_end(h->watch, worker);
    if (status < 0) {
        if (status != TMB_EDATA) atomic_store(&h->status, status);
        return;
    }
    tmb__sha256_start(&sha);
    tmb__sha256_add(&sha, file.data, file.size);
    tmb__sha256_end(&sha, c->digest);
    c->known = true;
    tmb__free(file.data);
}

int tmb__copies_find(int64_t *first, const tmb__sample *samples, int64_t n, tmb__pool *pool)
{
    candidate *c = tmb__calloc((size_t)n, sizeof *c);
    hashing h = {.samples = samples, .candidates = c};
    int64_t n_equal;
    int status =
            c ? tmb__watch_new(&h.watch, tmb__pool_threads(pool), TMB__WATCH_SECONDS) : TMB_ENOMEM;

    if (status < 0) {
        tmb__free(c);
        return status;
    }
    for (int64_t i = 0; i < n; i++) {
        first[i] = i;
        c[i].index = i;
        c[i].size = samples[i].size;
    }
    qsort(c, (size_t)n, sizeof *c, compare_sizes);
    n_equal = keep_equal_sizes(c, n);
    tmb__pool_run(pool, (int)n_equal, hash_task, &h);
    tmb__watch_free(h.watch);
    if (n_equal) qsort(c, (size_t)n_equal, sizeof *c, compare_digests);
    for (int64_t i = 1; i < n_equal; i++) {
        const bool same = c[i].known && memcmp(c[i].digest, c[i - 1].digest, sizeof c->digest) == 0;

        if (same) first[c[i].index] = first[c[i - 1].index];
    }
    tmb__free(c);
    if (atomic_load(&h.status) == 0) return 0;
    return tmb__fail(TMB_ENOMEM, "not enough memory or descriptors to compare the photos");
}

/* Copies of one sort: how many photos, and the first of them with its original. */
typedef struct tally {
    int64_t n, copy, original;
} tally;

static void count(tally *t, int64_t copy, int64_t original)
{
    if (t->n++ > 0) return;
    t->copy = copy;
    t->original = original;
}

static int report(
        tmb__notices *notices, const tally *t, const tmb__sample *samples, const char *text)
{
    const tmb__sample *copy = &samples[t->copy], *original = &samples[t->original];

    if (!t->n) return 0;
    return tmb__notices_add(notices, TMB_NOTICE_WARNING, copy->path + copy->key,
            "%lld %s, the first is the same as %s", (long long)t->n, text,
            tmb__printable(original->path + original->key));
}

/* PITFALL: the first of a group says nothing of the others' parts, so each photo is compared with
 * the group's first training photo, too. */
int tmb__copies_report(
        tmb__notices *notices, const tmb__sample *samples, int64_t n, const int64_t *first)
{
    tally same = {0}, leaked = {0}, torn = {0};
    int64_t *trained = tmb__calloc((size_t)n, sizeof *trained); /* 1 + number, 0: none */

    if (!trained) return TMB_ENOMEM;
    for (int64_t i = 0; i < n; i++) {
        if (samples[i].part == TMB_TRAIN && !trained[first[i]]) trained[first[i]] = i + 1;
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t original = first[i], train = trained[original] - 1;

        if (samples[i].part != TMB_TRAIN && samples[i].part != TMB_ALL && train >= 0)
            count(&leaked, i, train);
        if (original == i) continue;
        if (samples[i].label != samples[original].label) {
            count(&torn, i, original);
        } else if (samples[i].part == samples[original].part) {
            count(&same, i, original);
        }
    }
    tmb__free(trained);
    TMB_TRY(report(notices, &leaked, samples, "photos are in train, too, byte for byte"));
    TMB_TRY(report(notices, &torn, samples, "photos have a copy with another label"));
    return report(notices, &same, samples, "photos are copies of others in the same part");
}
