/* from_memory.c - a data set of pictures in memory: Keras' flow(x, y)
 *
 * Pictures are copied, as bytes or floats; they have the net's size already. A part is cut as Keras
 * does it: the first int(share * n) are validation, the rest training, whatever the classes; so pictures
 * sorted by class are refused, unless the caller says that it is meant. Weights go with their pictures
 * (Keras forgets to cut them). */
#include "data/images.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SIDE = 4096, MAX_CLASSES = 1 << 20 };

/* The pictures from `first` on, `n` of them. */
typedef struct span {
    int64_t first, n;
} span;

/* ---- checks ---- */

static int check_numbers(const char *name, const float *values, int64_t n)
{
    for (int64_t i = 0; values && i < n; i++) {
        if (!isfinite(values[i]))
            return tmb__fail(TMB_EDATA, "memory: %s %lld is not finite", name, (long long)i);
    }
    return 0;
}

static int check_labels(const tmb_memory *m, const tmb_images_opts *opts)
{
    if (!m->label && tmb__labels_unused(opts)) return 0;
    if (!m->label) return tmb__fail(TMB_EINVAL, "memory: label is NULL, this class mode needs it");
    for (int64_t i = 0; i < m->n; i++) {
        if (m->label[i] >= 0 && m->label[i] < MAX_CLASSES) continue;
        return tmb__fail(TMB_EDATA, "memory: label %lld is %d, expected 0 to %d", (long long)i,
                m->label[i], MAX_CLASSES - 1);
    }
    return 0;
}

static int check_memory(const tmb_memory *m, const tmb_images_opts *opts)
{
    if (m->n < 1 || m->n > INT32_MAX / 2)
        return tmb__fail(TMB_EINVAL, "memory: %lld pictures", (long long)m->n);
    if (m->height < 1 || m->width < 1 || m->height > MAX_SIDE || m->width > MAX_SIDE) {
        return tmb__fail(TMB_EINVAL, "memory: pictures of %d x %d, expected 1 to %d", m->height,
                m->width, MAX_SIDE);
    }
    if (m->channels != 1 && m->channels != 3 && m->channels != 4)
        return tmb__fail(TMB_EINVAL, "memory: %d channels, expected 1, 3 or 4", m->channels);
    if (!m->x == !m->pixels)
        return tmb__fail(TMB_EINVAL, "memory: expected either x or pixels, found %s",
                m->x ? "both" : "none");
    if (opts->class_mode == TMB_CLASS_RAW && (!m->y || m->y_width < 1))
        return tmb__fail(TMB_EINVAL, "memory: y is NULL or empty, class mode raw needs it");
    if (opts->part == TMB_TEST) return tmb__fail(TMB_EDATA, "memory: no test part");
    TMB_TRY(check_numbers("weight", m->weight, m->n));
    return check_labels(m, opts);
}

/* The sizes that the options give, if they give any, are those of the pictures. */
static int check_size(const tmb_memory *m, const tmb_preprocess *pre)
{
    if (pre->size[0] == m->height && pre->size[1] == m->width && pre->channels == m->channels &&
            pre->margin == 0)
        return 0;
    return tmb__fail(TMB_EINVAL,
            "memory: pictures of %d x %d x %d, the options say %d x %d x %d, margin %g", m->height,
            m->width, m->channels, pre->size[0], pre->size[1], pre->channels, (double)pre->margin);
}

/* Every class on one side of the cut is on the other side, too. */
static int check_classes(const tmb_memory *m, int64_t cut, int n_classes)
{
    uint8_t *seen = tmb__calloc((size_t)n_classes, 1);
    int lost = -1;

    if (!seen) return TMB_ENOMEM;
    for (int64_t i = 0; i < m->n; i++)
        seen[m->label[i]] |= i < cut ? 1 : 2;
    for (int k = n_classes - 1; k >= 0; k--) {
        if (seen[k] == 1 || seen[k] == 2) lost = k;
    }
    tmb__free(seen);
    if (lost < 0) return 0;
    tmb__fail(TMB_EDATA, "memory: class %d is on one side of the split only", lost);
    tmb__hint("validation is the first %lld pictures; shuffle them first, or set"
              " ignore_class_split",
            (long long)cut);
    return TMB_EDATA;
}

/* ---- making it ---- */

static int name_classes(tmb_images *images, const tmb_memory *m, const char *const *wanted)
{
    int n = 1, given = 0;

    for (int64_t i = 0; m->label && i < m->n; i++)
        n = TMB_MAX(n, m->label[i] + 1);
    while (wanted && wanted[given])
        given++;
    if (given && given < n)
        return tmb__fail(TMB_EDATA, "memory: label %d, but %d class names", n - 1, given);
    n = TMB_MAX(n, given);
    images->names = tmb__calloc((size_t)n, sizeof *images->names);
    if (!images->names) return TMB_ENOMEM;
    for (int k = 0; k < n; k++) {
        char number[16];

        snprintf(number, sizeof number, "%d", k);
        images->names[k] = tmb__strdup(given ? wanted[k] : m->label ? number : "none");
        if (!images->names[k]) return TMB_ENOMEM;
        images->n_classes++;
    }
    return 0;
}

static int add_samples(tmb_images *images, const tmb_memory *m, span s)
{
    images->samples = tmb__calloc((size_t)s.n, sizeof *images->samples);
    if (!images->samples) return TMB_ENOMEM;
    for (int64_t i = 0; i < s.n; i++) {
        char path[40];

        snprintf(path, sizeof path, "memory/%lld", (long long)(s.first + i));
        images->samples[i] = (tmb__sample){.path = tmb__strdup(path),
                .key = sizeof "memory/" - 1,
                .slot = i,
                .label = m->label ? m->label[s.first + i] : 0,
                .part = images->opts.part,
                .weight = m->weight ? m->weight[s.first + i] : 1,
                .target = i * m->y_width};
        images->n++;
        if (!images->samples[i].path) return TMB_ENOMEM;
    }
    return 0;
}

static void *copy_of(const void *from, int64_t first, int64_t n, size_t floats, size_t size)
{
    const size_t row = floats * size;
    void *copy = tmb__calloc((size_t)n, row);

    if (copy) memcpy(copy, (const char *)from + (size_t)first * row, (size_t)n * row);
    return copy;
}

static int copy_pictures(tmb_images *images, const tmb_memory *m, span s)
{
    const size_t floats = tmb__store_floats(images);

    tmb__preprocess_keep(&images->pre, &images->keep_h, &images->keep_w);
    images->photo_bytes = floats;
    if (m->x) images->floats = copy_of(m->x, s.first, s.n, floats, sizeof *m->x);
    if (m->pixels) images->store = copy_of(m->pixels, s.first, s.n, floats, 1);
    if (!images->floats && !images->store) return TMB_ENOMEM;
    if (images->opts.class_mode != TMB_CLASS_RAW) return 0;
    images->y_width = m->y_width;
    images->numbers = copy_of(m->y, s.first, s.n, (size_t)m->y_width, sizeof *m->y);
    return images->numbers ? 0 : TMB_ENOMEM;
}

static int cut(tmb_images *images, const tmb_memory *m, span *out)
{
    const int64_t end = tmb__split_count(m->n, images->opts.val_split);

    if (images->opts.part == TMB_HELD_OUT) images->opts.part = TMB_ALL;
    *out = (span){0, m->n};
    if (images->opts.part == TMB_ALL) return 0;
    if (m->label && !m->ignore_class_split) TMB_TRY(check_classes(m, end, images->n_classes));
    *out = images->opts.part == TMB_VALIDATION ? (span){0, end} : (span){end, m->n - end};
    if (out->n > 0) return 0;
    return tmb__fail(TMB_EDATA, "memory: 0 of %lld pictures in %s", (long long)m->n,
            tmb__part_name(images->opts.part));
}

static int fill(tmb_images *images, const tmb_memory *m, const tmb_images_opts *opts)
{
    span s;

    images->from_memory = true;
    images->weighted = m->weight != NULL;
    images->root = tmb__strdup("memory");
    if (!images->root) return TMB_ENOMEM;
    TMB_TRY(check_size(m, &images->pre));
    TMB_TRY(name_classes(images, m, opts->classes));
    TMB_TRY(cut(images, m, &s));
    TMB_TRY(add_samples(images, m, s));
    TMB_TRY(copy_pictures(images, m, s));
    TMB_TRY(tmb__target_check(images));
    return tmb__images_fingerprint(images);
}

int tmb_images_from_memory(tmb_images **out, const tmb_memory *memory, const tmb_images_opts *opts)
{
    tmb_images_opts own;
    int status;

    if (!out) return tmb__fail(TMB_EINVAL, "tmb_images_from_memory: out is NULL");
    *out = NULL;
    if (!memory || !opts)
        return tmb__fail(TMB_EINVAL, "tmb_images_from_memory: memory and opts are required");
    TMB_TRY(check_memory(memory, opts));
    own = *opts;
    if (own.size[0] == 0 && own.size[1] == 0) {
        own.size[0] = memory->height;
        own.size[1] = memory->width;
    }
    if (own.channels == 0) own.channels = memory->channels;
    TMB_TRY(tmb__images_new(out, &own));
    status = fill(*out, memory, opts);
    if (status == 0) return 0;
    tmb_images_free(*out);
    *out = NULL;
    return status;
}
