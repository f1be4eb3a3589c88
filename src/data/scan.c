/* scan.c - reads every photo of a data set once, when it is opened
 *
 * A photo that cannot be decoded is named here and not in the middle of an epoch. What happens to it
 * is the caller's choice: leave it out, stop, or take the part that is there. More bad ones than the
 * limit, or a class without a good one, stop in any case. Whatever the threads do, the outcome is
 * that of reading the photos one after another. */
#include "data/images.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { REASONS = 3 };

typedef enum verdict { GOOD, REPAIRED, BAD } verdict;

typedef struct result {
    verdict verdict;
    bool misnamed; /* holds another format than its name says */
    int frames;
    char *note; /* owned; NULL: nothing to say */
} result;

typedef struct scan {
    tmb_images *images;
    tmb__watch *watch;
    tmb__scratch *scratch; /* one for each worker */
    result *results;       /* one for each photo */
    atomic_llong done;
    atomic_llong stop;      /* photos from this number on need not be read any more */
    tmb__failure *failures; /* one for each worker: the one that set `stop` to... */
    int64_t *failed_at;     /* ...this photo, -1: none */
} scan;

/* ---- one photo ---- */

static bool is_misnamed(const char *path, const char *format)
{
    static const char *const endings[][2] = {{"jpg", "JPEG"}, {"jpeg", "JPEG"}, {"jpe", "JPEG"},
            {"jfif", "JPEG"}, {"png", "PNG"}, {"gif", "GIF"}, {"bmp", "BMP"}, {"webp", "WebP"}};
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < TMB_COUNT(endings); i++) {
        if (strcasecmp(dot + 1, endings[i][0]) == 0) return strcmp(format, endings[i][1]) != 0;
    }
    return false;
}

/* The failure's message without the path, which the notice has already. */
static char *reason(const char *path)
{
    const char *text = tmb_errmsg(), *shown = tmb__printable(path);
    const size_t n = strlen(shown);

    if (strncmp(text, shown, n) == 0 && strncmp(text + n, ": ", 2) == 0) text += n + 2;
    return tmb__strdup(text);
}

static int read_one(scan *s, int64_t i, int worker)
{
    const tmb_images *images = s->images;
    const tmb__sample *sample = &images->samples[i];
    const tmb_image_opts limits = tmb__store_limits(images);
    tmb_image_info info = {0};
    tmb_image slot, *kept = &s->scratch[worker].kept;
    result *out = &s->results[i];
    int status;

    if (sample->slot >= 0) {
        slot = tmb__store_slot(images, sample->slot);
        kept = &slot;
    }
    status = tmb__preprocess_read(
            &images->pre, &s->scratch[worker].resizer, sample->path, &limits, kept, &info);
    if (status < 0 && status != TMB_EDATA) return status;
    if (status < 0) {
        out->verdict = BAD;
        out->note = reason(sample->path);
        return out->note ? 0 : TMB_ENOMEM;
    }
    out->misnamed = is_misnamed(sample->path, info.format);
    out->frames = info.frames;
    if (info.state == TMB_IMAGE_WHOLE) return 0;
    out->verdict = REPAIRED;
    out->note = tmb__strdup(info.note);
    return out->note ? 0 : TMB_ENOMEM;
}

static void stop_at(scan *s, int64_t i, int worker, int status)
{
    long long stop = atomic_load(&s->stop);

    while (i < stop && !atomic_compare_exchange_weak(&s->stop, &stop, i)) {
    }
    if (s->failed_at[worker] >= 0 && s->failed_at[worker] < i) return;
    s->failed_at[worker] = i;
    tmb__failure_save(&s->failures[worker], status);
}

/* Photos are handed out in order, so all before the first failing one are read in any case. */
static void scan_task(void *user, int task, int worker)
{
    scan *s = user;
    const tmb_images_opts *opts = &s->images->opts;
    int status;

    if (task < atomic_load(&s->stop)) {
        tmb__watch_begin(s->watch, worker, s->images->samples[task].path);
        status = read_one(s, task, worker);
        tmb__watch_end(s->watch, worker);
        if (status == 0 && s->results[task].verdict == BAD && opts->bad == TMB_BAD_FAIL)
            status = TMB_EDATA;
        if (status < 0) stop_at(s, task, worker, status);
    }
    atomic_fetch_add(&s->done, 1);
    if (worker == 0 && opts->on_scan)
        opts->on_scan(opts->user, (int64_t)atomic_load(&s->done), s->images->n);
}

/* ---- all of them ---- */

static int64_t count_bad(const scan *s, int label)
{
    int64_t n = 0;

    for (int64_t i = 0; i < s->images->n; i++) {
        if (s->results[i].verdict != BAD) continue;
        n += label < 0 || s->images->samples[i].label == label;
    }
    return n;
}

static int64_t count_label(const scan *s, int label)
{
    int64_t n = 0;

    for (int64_t i = 0; i < s->images->n; i++)
        n += s->images->samples[i].label == label;
    return n;
}

/* The first reasons, into the detail of the failure just set. */
static void add_reasons(const scan *s, int label)
{
    tmb__strbuf sb = {0};
    int n = 0;

    for (int64_t i = 0; i < s->images->n && n < REASONS; i++) {
        const tmb__sample *sample = &s->images->samples[i];

        if (s->results[i].verdict != BAD || (label >= 0 && sample->label != label)) continue;
        tmb__strbuf_add(&sb, "%s%.80s: %.80s", n++ ? "; " : "",
                tmb__printable(sample->path + sample->key), s->results[i].note);
    }
    if (!sb.failed && sb.text) tmb__detail("%s", sb.text);
    tmb__strbuf_free(&sb);
}

static int check_classes(const scan *s)
{
    for (int k = 0; k < s->images->n_classes; k++) {
        const int64_t all = count_label(s, k);

        if (all == 0 || count_bad(s, k) < all) continue;
        tmb__fail(TMB_EDATA, "class \"%s\": 0 usable of %lld images",
                tmb__printable(s->images->names[k]), (long long)all);
        add_reasons(s, k);
        return TMB_EDATA;
    }
    return 0;
}

static int check_limit(const scan *s)
{
    const int64_t bad = count_bad(s, -1), all = s->images->n;
    const double limit = (double)s->images->opts.bad_limit;

    if ((double)bad <= limit * (double)all) return 0;
    tmb__fail(TMB_EDATA, "%s: %lld of %lld images cannot be read, the limit is %g %%",
            tmb__printable(s->images->root), (long long)bad, (long long)all, 100 * limit);
    add_reasons(s, -1);
    tmb__hint("repair or remove them, or take partial pictures too with --bad-images=use");
    return TMB_EDATA;
}

static int add_notices(const scan *s)
{
    tmb_images *images = s->images;
    int64_t misnamed = 0, first = -1;

    for (int64_t i = 0; i < images->n; i++) {
        const result *r = &s->results[i];
        const char *key = images->samples[i].path + images->samples[i].key;

        if (r->misnamed && misnamed++ == 0) first = i;
        if (r->note) {
            TMB_TRY(tmb__notices_add(&images->notices,
                    r->verdict == BAD ? TMB_NOTICE_BAD : TMB_NOTICE_REPAIRED, key, "%s", r->note));
        }
        if (r->frames > 1) {
            TMB_TRY(tmb__notices_add(&images->notices, TMB_NOTICE_IGNORED, key,
                    "%d frames, only the first is used", r->frames));
        }
    }
    if (first < 0) return 0;
    return tmb__notices_add(&images->notices, TMB_NOTICE_IGNORED,
            images->samples[first].path + images->samples[first].key,
            "the name's ending (of %lld file%s in all): it is not what the file holds",
            (long long)misnamed, misnamed == 1 ? "" : "s");
}

/* Close the gaps that bad photos leave; the store's slots stay where they are. */
static void drop_bad(const scan *s)
{
    tmb_images *images = s->images;
    int64_t n = 0;

    for (int64_t i = 0; i < images->n; i++) {
        if (s->results[i].verdict == BAD) {
            tmb__free(images->samples[i].path);
        } else {
            images->samples[n++] = images->samples[i];
        }
    }
    images->n = n;
}

/* The failure of the photo that comes first. */
static int raise_first(const scan *s, int workers)
{
    const int64_t at = (int64_t)atomic_load(&s->stop);

    for (int i = 0; i < workers && at < s->images->n; i++) {
        if (s->failed_at[i] == at) return tmb__failure_raise(&s->failures[i]);
    }
    return 0;
}

static int run_scan(scan *s, tmb__pool *pool)
{
    const int workers = tmb__pool_threads(pool);

    s->scratch = tmb__calloc((size_t)workers, sizeof *s->scratch);
    s->failures = tmb__calloc((size_t)workers, sizeof *s->failures);
    s->failed_at = tmb__calloc((size_t)workers, sizeof *s->failed_at);
    s->results = tmb__calloc((size_t)s->images->n, sizeof *s->results);
    if (!s->scratch || !s->failures || !s->failed_at || !s->results) return TMB_ENOMEM;
    for (int i = 0; i < workers; i++)
        s->failed_at[i] = -1;
    atomic_store(&s->stop, s->images->n);
    TMB_TRY(tmb__watch_new(&s->watch, workers, TMB__WATCH_SECONDS));
    tmb__pool_run(pool, (int)s->images->n, scan_task, s);
    TMB_TRY(raise_first(s, workers));
    TMB_TRY(add_notices(s)); /* before what may fail: they are its reasons */
    TMB_TRY(check_classes(s));
    return check_limit(s);
}

int tmb__scan(tmb_images *images, tmb__pool *pool)
{
    scan s = {.images = images};
    const int64_t n = images->n;
    int status = run_scan(&s, pool);

    tmb__watch_free(s.watch); /* before any path goes */
    if (status == 0) drop_bad(&s);
    for (int i = 0; s.scratch && i < tmb__pool_threads(pool); i++)
        tmb__scratch_free(&s.scratch[i]);
    for (int64_t i = 0; s.results && i < n; i++)
        tmb__free(s.results[i].note);
    tmb__free(s.scratch);
    tmb__free(s.failures);
    tmb__free(s.failed_at);
    tmb__free(s.results);
    return status;
}
