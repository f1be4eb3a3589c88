/* alike.c - photos that look the same: the same scene resized, compressed again, slightly changed
 *
 * The difference hash (Neal Krawetz 2013): grey means on a grid of 8 rows and 9 columns, one bit for each
 * pair of neighbours in a row, set if the right one is brighter. Two photos are alike if at most NEAR of
 * the 64 bits differ; groups are what such pairs connect.
 *
 * Of 5 bands of bits at least one has no difference when 4 bits differ, so only photos that share a band
 * are compared: those next to each other once sorted by it. Equal hashes are joined before that, and
 * photos that are in one group already are passed over. */
#include "transfer/transfer.h"

#include <stdlib.h>

enum { ROWS = 8, COLUMNS = 9, NEAR = 4, BANDS = NEAR + 1 };

/* ---- the hash ---- */

/* The mean over cell (i, j) of the grid, all channels as one. A photo smaller than the grid has pixels
 * in several cells. */
static float cell(const float *x, const int shape[3], int i, int j)
{
    const int h = shape[0], w = shape[1], c = shape[2];
    const int top = i * h / ROWS, bottom = TMB_MAX((i + 1) * h / ROWS, top + 1);
    const int left = j * w / COLUMNS, right = TMB_MAX((j + 1) * w / COLUMNS, left + 1);
    double sum = 0;

    for (int y = top; y < bottom; y++) {
        for (int k = left * c; k < right * c; k++)
            sum += (double)x[(size_t)y * (size_t)(w * c) + (size_t)k];
    }
    return (float)(sum / ((bottom - top) * (right - left)));
}

uint64_t tmb__alike_hash(const float *x, int h, int w, int c)
{
    const int shape[3] = {h, w, c};
    uint64_t hash = 0;

    for (int i = 0; i < ROWS; i++) {
        float left = cell(x, shape, i, 0);

        for (int j = 1; j < COLUMNS; j++) {
            const float right = cell(x, shape, i, j);

            hash = hash << 1 | (right > left);
            left = right;
        }
    }
    return hash;
}

static int count_bits(uint64_t x)
{
    int n = 0;

    for (; x; x &= x - 1)
        n++;
    return n;
}

/* ---- groups ---- */

typedef struct entry {
    uint64_t key, hash; /* key: the bits that it is sorted by */
    int64_t photo;
} entry;

static int compare(const void *a, const void *b)
{
    const entry *p = a, *q = b;

    return p->key != q->key ? (p->key > q->key ? 1 : -1)
                            : (p->photo > q->photo) - (p->photo < q->photo);
}

/* The first photo of a group stands for it. */
static int64_t find(int64_t *group, int64_t i)
{
    while (group[i] != i) {
        group[i] = group[group[i]];
        i = group[i];
    }
    return i;
}

static void join(int64_t *group, int64_t i, int64_t k)
{
    const int64_t a = find(group, i), b = find(group, k);

    group[TMB_MAX(a, b)] = TMB_MIN(a, b);
}

static void sort_by(entry *entries, int64_t n, uint64_t mask)
{
    for (int64_t i = 0; i < n; i++)
        entries[i].key = entries[i].hash & mask;
    qsort(entries, (size_t)n, sizeof *entries, compare);
}

/* One of each hash stays; the others join it. Gives how many there are. */
static int64_t join_equal(entry *entries, int64_t n, int64_t *group)
{
    int64_t kept = 0;

    sort_by(entries, n, UINT64_MAX);
    for (int64_t i = 0; i < n; i++) {
        if (kept > 0 && entries[i].hash == entries[kept - 1].hash)
            join(group, entries[i].photo, entries[kept - 1].photo);
        else
            entries[kept++] = entries[i];
    }
    return kept;
}

static void join_band(entry *entries, int64_t n, uint64_t mask, int64_t *group)
{
    sort_by(entries, n, mask);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = i + 1; k < n && entries[k].key == entries[i].key; k++) {
            if (count_bits(entries[i].hash ^ entries[k].hash) <= NEAR)
                join(group, entries[i].photo, entries[k].photo);
        }
    }
}

int tmb__alike_groups(int64_t *group, const uint64_t *hash, int64_t n)
{
    entry *entries = tmb__calloc((size_t)TMB_MAX(n, 1), sizeof *entries);
    int64_t kept;

    if (!entries) return TMB_ENOMEM;
    for (int64_t i = 0; i < n; i++) {
        entries[i] = (entry){.hash = hash[i], .photo = i};
        group[i] = i;
    }
    kept = join_equal(entries, n, group);
    for (int b = 0; b < BANDS; b++) {
        const int first = 64 * b / BANDS, end = 64 * (b + 1) / BANDS;

        join_band(entries, kept, (((uint64_t)1 << (end - first)) - 1) << first, group);
    }
    for (int64_t i = 0; i < n; i++)
        group[i] = find(group, i);
    tmb__free(entries);
    return 0;
}
