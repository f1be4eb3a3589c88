/* split.c - cuts a data set into training and validation, class by class, copies kept together
 *
 * Within each class the photos, in the order of their keys, are shuffled by the seed and taken for
 * validation until its share is reached. The outcome depends on seed, keys and copies alone, not on
 * the order in which a folder or a table lists them. Keras' way, at the end, is none of that. */
#include "data/images.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct member {
    const char *key;
    int64_t index;
} member;

typedef struct splitter {
    tmb__sample *samples;
    int64_t n;
    const int64_t *first;
    int64_t *head, *next; /* the photos of each group of copies, as a list: -1 ends it */
    member *members;      /* of one class */
    int64_t *order;
} splitter;

static int compare_members(const void *a, const void *b)
{
    return strcmp(((const member *)a)->key, ((const member *)b)->key);
}

static void link_copies(splitter *s)
{
    for (int64_t i = 0; i < s->n; i++)
        s->head[i] = -1;
    for (int64_t i = s->n - 1; i >= 0; i--) {
        s->next[i] = s->head[s->first[i]];
        s->head[s->first[i]] = i;
    }
}

static int64_t group_size(const splitter *s, int64_t i)
{
    int64_t n = 0;

    for (int64_t k = s->head[s->first[i]]; k >= 0; k = s->next[k])
        n++;
    return n;
}

static void give_group(splitter *s, int64_t i, tmb_part part)
{
    for (int64_t k = s->head[s->first[i]]; k >= 0; k = s->next[k])
        s->samples[k].part = part;
}

static int64_t gather(splitter *s, int label)
{
    int64_t n = 0;

    for (int64_t i = 0; i < s->n; i++) {
        if (s->samples[i].label != label) continue;
        s->members[n++] = (member){s->samples[i].path + s->samples[i].key, i};
    }
    if (n) qsort(s->members, (size_t)n, sizeof *s->members, compare_members);
    return n;
}

/* Give groups to validation in the shuffled order, as long as they fit; returns the photos given. A
 * group that would overshoot waits for a smaller one in its place. */
static int64_t fill_validation(splitter *s, int64_t n, int64_t given, int64_t want)
{
    for (int64_t i = 0; i < n && given < want; i++) {
        const int64_t index = s->members[s->order[i]].index;
        const int64_t size = group_size(s, index);

        if (s->samples[index].part != TMB_ALL || given + size > want) continue;
        give_group(s, index, TMB_VALIDATION);
        given += size;
    }
    return given;
}

/* Another class may have drawn a group of this one already. Where every group is larger than the
 * share, a larger share is tried. */
static int split_class(splitter *s, int label, const char *name, double share, uint64_t seed)
{
    const int64_t n = gather(s, label);
    const int64_t want = TMB_MIN(TMB_MAX((int64_t)llround((double)n * share), 1), n - 1);
    tmb__rng rng = tmb__rng_at(seed, TMB_STREAM_SPLIT, (uint64_t)label, 0);
    int64_t given = 0, left = 0;

    tmb__rng_permute(&rng, s->order, n);
    for (int64_t i = 0; i < n; i++)
        given += s->samples[s->members[i].index].part == TMB_VALIDATION;
    given = fill_validation(s, n, given, want);
    for (int64_t most = want; given == 0 && most > 0 && most < n; most++)
        given = fill_validation(s, n, given, most);
    for (int64_t i = 0; i < n; i++) {
        const int64_t index = s->members[i].index;

        if (s->samples[index].part == TMB_ALL) give_group(s, index, TMB_TRAIN);
        left += s->samples[index].part == TMB_TRAIN;
    }
    if (n == 0 || (given > 0 && left > 0)) return 0;
    tmb__fail(TMB_EDATA, "class \"%s\": %lld images, too few different ones to cut validation from",
            tmb__printable(name), (long long)n);
    tmb__hint("give a folder validation/ beside train/, or add photos");
    return TMB_EDATA;
}

int tmb__split_draw(tmb__sample *samples, int64_t n, const int64_t *first, int n_classes,
        char *const *names, double share, uint64_t seed)
{
    splitter s = {.samples = samples, .n = n, .first = first};
    int status = 0;

    s.head = tmb__calloc((size_t)n, sizeof *s.head);
    s.next = tmb__calloc((size_t)n, sizeof *s.next);
    s.order = tmb__calloc((size_t)n, sizeof *s.order);
    s.members = tmb__calloc((size_t)n, sizeof *s.members);
    if (!s.head || !s.next || !s.order || !s.members) status = TMB_ENOMEM;
    if (status == 0) link_copies(&s);
    for (int k = 0; k < n_classes && status == 0; k++)
        status = split_class(&s, k, names[k], share, seed);
    tmb__free(s.head);
    tmb__free(s.next);
    tmb__free(s.order);
    tmb__free(s.members);
    return status;
}

/* Of the number as it was written: as a double, 0.7F is a little less and would cut one less. */
int64_t tmb__split_count(int64_t n, float share)
{
    const double written = rint((double)share * 1e6) / 1e6;

    return (int64_t)(((float)written == share ? written : (double)share) * (double)n);
}

void tmb__split_first(tmb__sample *samples, int64_t n, int n_classes, float share, bool by_class)
{
    for (int k = 0; k < (by_class ? n_classes : 1); k++) {
        int64_t all = 0, end;

        for (int64_t i = 0; i < n; i++)
            all += !by_class || samples[i].label == k;
        end = tmb__split_count(all, share);
        for (int64_t i = 0; i < n; i++) {
            if (by_class && samples[i].label != k) continue;
            samples[i].part = end-- > 0 ? TMB_VALIDATION : TMB_TRAIN;
        }
    }
}
