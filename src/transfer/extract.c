/* extract.c - what a network makes of every photo of a data set
 *
 * One pass over the photos as validation sees them, its mirror image beside it, and one pass for each
 * augmented view. Row (photo * views + view) is written as soon as its batch is done, so the order of a
 * shuffled epoch does not matter. The hash that tells photos alike is taken from the first view: scale and
 * offset do not change which of two places is the brighter. */
#include "transfer/transfer.h"

#include <stdio.h>
#include <string.h>

enum { BATCH = 16 };

typedef struct extraction {
    tmb_images *images;
    const tmb_extract_opts *opts;
    tmb_layer layer; /* whose values are the features */
    tmb__exec *exec;
    int batch, views, h, w, c;
    int64_t n, pixels, floats; /* photos; of a photo, of a row */
    int64_t done;              /* rows */
    float *x;                  /* (n, views, floats) */
    float *mirror, *rows;      /* (batch, h, w, c), (batch, floats) */
    uint64_t *hash;            /* (n) */
    int *seen;                 /* (n) views that are there */
} extraction;

/* ---- photos -> rows ---- */

static int keep_rows(extraction *e, const float *x, const int64_t *index, int count, int view)
{
    const size_t bytes = (size_t)e->floats * sizeof *e->x;

    if (e->opts->stop && *e->opts->stop) return tmb__fail(TMB_ESTOPPED, "features: stopped");
    TMB_TRY(tmb__exec_predict(e->exec, x, count, e->rows));
    for (int i = 0; i < count; i++) {
        memcpy(e->x + (index[i] * e->views + view) * e->floats, e->rows + i * e->floats, bytes);
        e->seen[index[i]]++;
    }
    e->done += count;
    if (e->opts->on_progress) e->opts->on_progress(e->opts->user, e->done, e->n * e->views);
    return 0;
}

static int keep_plain(extraction *e, const float *x, const int64_t *index, int count)
{
    for (int i = 0; i < count; i++)
        e->hash[index[i]] = tmb__alike_hash(x + i * e->pixels, e->h, e->w, e->c);
    TMB_TRY(keep_rows(e, x, index, count, 0));
    if (!e->opts->flip) return 0;
    tmb__mirror(e->mirror, x, (int64_t)count * e->h, e->w, e->c);
    return keep_rows(e, e->mirror, index, count, 1);
}

/* View 0, and its mirror image; or one of an epoch. */
static int pass(extraction *e, int64_t epoch, int view)
{
    tmb_batch batch;
    int more;

    TMB_TRY(epoch < 0 ? tmb__images_plain(e->images) : tmb_images_epoch(e->images, epoch, 0));
    while ((more = tmb_images_next(e->images, &batch)) > 0) {
        for (int i = 0; i < batch.count; i += e->batch) {
            const float *x = batch.x + i * e->pixels;
            const int count = TMB_MIN(e->batch, batch.count - i);

            if (view == 0)
                TMB_TRY(keep_plain(e, x, batch.index + i, count));
            else
                TMB_TRY(keep_rows(e, x, batch.index + i, count, view));
        }
    }
    return more;
}

static int run(extraction *e)
{
    const int first = e->opts->flip ? 2 : 1;

    TMB_TRY(pass(e, -1, 0));
    for (int v = 0; v < e->opts->augmented; v++)
        TMB_TRY(pass(e, v, first + v));
    return 0;
}

/* ---- what is known of the rows ---- */

/* Photos that have all their views, close together; gives how many. */
static int64_t close_gaps(extraction *e, int64_t *number)
{
    const size_t bytes = (size_t)e->views * (size_t)e->floats * sizeof *e->x;
    int64_t kept = 0;

    for (int64_t i = 0; i < e->n; i++) {
        if (e->seen[i] != e->views) continue;
        if (kept < i)
            memmove(e->x + kept * e->views * e->floats, e->x + i * e->views * e->floats, bytes);
        e->hash[kept] = e->hash[i];
        number[kept++] = i;
    }
    return kept;
}

/* Names of classes, and the keys of the photos with these numbers, in one block. */
static int copy_texts(
        tmb__features_memory *m, const extraction *e, const int64_t *number, int64_t n)
{
    const int classes = tmb_images_classes(e->images);
    size_t size = 1, at = 0;

    for (int k = 0; k < classes; k++)
        size += strlen(tmb_images_class_name(e->images, k)) + 1;
    for (int64_t i = 0; i < n; i++)
        size += strlen(tmb_images_key(e->images, number[i])) + 1;
    m->text = tmb__calloc(size, 1);
    if (!m->text) return TMB_ENOMEM;
    for (int64_t i = 0; i < classes + n; i++) {
        const char *text = i < classes ? tmb_images_class_name(e->images, (int)i)
                                       : tmb_images_key(e->images, number[i - classes]);

        memcpy(m->text + at, text, strlen(text) + 1);
        if (i < classes) m->class_names[i] = m->text + at;
        for (int v = 0; v < e->views && i >= classes; v++)
            m->keys[(i - classes) * e->views + v] = m->text + at;
        at += strlen(text) + 1;
    }
    return 0;
}

static int describe_rows(
        tmb__features_memory *m, const extraction *e, const int64_t *number, int64_t n)
{
    int64_t *group = tmb__calloc((size_t)n, sizeof *group);
    int status = group ? tmb__alike_groups(group, e->hash, n) : TMB_ENOMEM;

    for (int64_t i = 0; i < n * e->views && status == 0; i++) {
        m->group[i] = group[i / e->views];
        m->label[i] = tmb_images_label(e->images, number[i / e->views]);
    }
    tmb__free(group);
    return status < 0 ? status : copy_texts(m, e, number, n);
}

static void add_text(tmb__sha256 *sha, const char *text)
{
    tmb__sha256_add(sha, text, strlen(text) + 1);
}

/* Layers and weights, and how photos become pixels; whether a layer is frozen does not matter. */
static void take_fingerprint(char out[65], const tmb_model *model, const tmb_preprocess *pre)
{
    char text[512];
    uint8_t digest[32];
    tmb__sha256 sha;

    tmb__sha256_start(&sha);
    for (int k = 0; k < model->n_layers; k++) {
        add_text(&sha, tmb__layer_class(model->layers[k].kind));
        add_text(&sha, model->layers[k].name);
        add_text(&sha, tmb__shape_text(&model->layers[k].out));
    }
    tmb__sha256_add(&sha, model->weights, (size_t)model->n_weights * sizeof *model->weights);
    snprintf(text, sizeof text, "%d %d %d %d %d %d %d %d %d %d %.9g", pre->size[0], pre->size[1],
            pre->channels, pre->filter ? (int)pre->filter : TMB_BILINEAR, (int)pre->fit,
            pre->ignore_exif, pre->bgr, pre->samplewise_center, pre->samplewise_std,
            pre->samplewise_pixel, (double)pre->margin);
    add_text(&sha, text);
    for (int c = 0; c < pre->channels; c++) {
        snprintf(text, sizeof text, "%.9g %.9g", (double)pre->scale[c], (double)pre->offset[c]);
        add_text(&sha, text);
    }
    if (pre->statistics) {
        tmb__statistics_digest(pre->statistics, digest);
        tmb__sha256_add(&sha, digest, sizeof digest);
    }
    tmb__sha256_end(&sha, digest);
    for (int i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static int describe_photos(tmb__features_memory *m, extraction *e, int64_t *number, int64_t *n)
{
    size_t rows;

    *n = close_gaps(e, number);
    if (*n == 0) return tmb__fail(TMB_EDATA, "features: not one photo could be read");
    rows = (size_t)*n * (size_t)e->views;
    m->label = tmb__calloc(rows, sizeof *m->label);
    m->group = tmb__calloc(rows, sizeof *m->group);
    m->keys = tmb__calloc(rows, sizeof *m->keys);
    m->class_names = tmb__calloc((size_t)tmb_images_classes(e->images), sizeof *m->class_names);
    if (!m->label || !m->group || !m->keys || !m->class_names) return TMB_ENOMEM;
    return describe_rows(m, e, number, *n);
}

static int describe(tmb_features *out, const tmb_model *model, extraction *e)
{
    const tmb__shape *shape = &model->layers[e->layer - 1].out;
    tmb__features_memory *m = out->memory;
    int64_t *number = tmb__calloc((size_t)e->n, sizeof *number), n;
    const int status = number ? describe_photos(m, e, number, &n) : TMB_ENOMEM;

    tmb__free(number);
    TMB_TRY(status);
    take_fingerprint(m->fingerprint, model, tmb_images_preprocess(e->images));
    memcpy(m->backbone, model->backbone, sizeof m->backbone);
    *out = (tmb_features){.n = n * e->views,
            .shape = {(int)e->floats},
            .x = m->x,
            .label = m->label,
            .group = m->group,
            .views = e->views,
            .classes = tmb_images_classes(e->images),
            .class_names = m->class_names,
            .keys = m->keys,
            .backbone = *m->backbone ? m->backbone : NULL,
            .fingerprint = m->fingerprint,
            .memory = m};
    for (int i = 0; i < 3 && shape->rank == 3; i++)
        out->shape[i] = (int)shape->dim[i];
    return 0;
}

/* ---- making ---- */

static int check(const tmb_model *model, const tmb_images *images, const tmb_extract_opts *o)
{
    const tmb_preprocess *pre = tmb_images_preprocess(images);
    const tmb__shape found = {3, {pre->size[0], pre->size[1], pre->channels}};

    if (o->augmented < 0 || o->batch < 0)
        return tmb__fail(TMB_EINVAL, "features: augmented is %d and batch %d, 0 or more expected",
                o->augmented, o->batch);
    if (!tmb__shape_equal(&found, &model->layers[0].out))
        return tmb__fail(TMB_EINVAL, "the net takes %s, the photos come as %s",
                tmb__shape_text(&model->layers[0].out), tmb__shape_text(&found));
    if (tmb__images_opts(images)->channels_first)
        return tmb__fail(TMB_EINVAL, "features: the photos come with their channels first");
    return 0;
}

static int allocate(extraction *e, tmb__features_memory *m)
{
    const size_t batch = (size_t)e->batch;
    size_t values;

    if (!tmb__mul((size_t)e->n * (size_t)e->views, (size_t)e->floats, &values))
        return tmb__fail(TMB_EINVAL,
                "features: %lld photos in %d views of %lld values are too much", (long long)e->n,
                e->views, (long long)e->floats);
    m->x = e->x = tmb__realloc(NULL, values, sizeof *e->x); /* pages come as rows are written */
    e->rows = tmb__calloc(batch * (size_t)e->floats, sizeof *e->rows);
    e->hash = tmb__calloc((size_t)e->n, sizeof *e->hash);
    e->seen = tmb__calloc((size_t)e->n, sizeof *e->seen);
    if (e->opts->flip) e->mirror = tmb__calloc(batch * (size_t)e->pixels, sizeof *e->mirror);
    return e->x && e->rows && e->hash && e->seen && (e->mirror || !e->opts->flip) ? 0 : TMB_ENOMEM;
}

static int prepare(extraction *e, tmb_model *model, tmb__features_memory *m)
{
    const tmb_preprocess *pre = tmb_images_preprocess(e->images);
    tmb_device *device = e->opts->device;

    e->h = pre->size[0];
    e->w = pre->size[1];
    e->c = pre->channels;
    e->n = tmb_images_count(e->images);
    e->views = 1 + e->opts->flip + e->opts->augmented;
    e->batch = TMB_MIN(e->opts->batch ? e->opts->batch : BATCH, tmb_images_batch(e->images));
    e->pixels = tmb__shape_count(&model->layers[0].out);
    e->floats = tmb__shape_count(&model->layers[e->layer - 1].out);
    TMB_TRY(allocate(e, m));
    if (!device) TMB_TRY(tmb__model_device(model, &device));
    tmb__images_trace(e->images, tmb__device_trace(device));
    return tmb__exec_new_span(&e->exec, model, (tmb__span){.to = e->layer}, device, e->batch, NULL);
}

int tmb__features_at(tmb_features *out, tmb_model *model, tmb_layer layer, tmb_images *images,
        const tmb_extract_opts *opts)
{
    extraction e = {.images = images, .opts = opts, .layer = layer};
    int status;

    *out = (tmb_features){0};
    TMB_TRY(check(model, images, e.opts));
    out->memory = tmb__calloc(1, sizeof(tmb__features_memory));
    status = out->memory ? prepare(&e, model, out->memory) : TMB_ENOMEM;
    if (status == 0) status = run(&e);
    tmb__images_trace(images, NULL);
    if (status == 0) status = describe(out, model, &e);
    tmb__exec_free(e.exec);
    tmb__free(e.rows);
    tmb__free(e.mirror);
    tmb__free(e.hash);
    tmb__free(e.seen);
    if (status < 0) tmb_features_free(out);
    return status;
}

int tmb_model_features(
        tmb_features *out, tmb_model *model, tmb_images *images, const tmb_extract_opts *opts)
{
    const tmb_extract_opts none = {0};

    if (!out) return tmb__fail(TMB_EINVAL, "features: out is NULL");
    *out = (tmb_features){0};
    if (!model || !images) return tmb__fail(TMB_EINVAL, "features: model or images is NULL");
    TMB_TRY(tmb__model_validate(model));
    return tmb__features_at(out, model, model->n_layers, images, opts ? opts : &none);
}
