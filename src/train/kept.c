/* kept.c - the values of a net's frozen part, computed once for each view of a photo and kept
 *
 * While the lower part of a net is frozen, the same view of a photo gives the same values at the cut
 * above it. View v of a photo is what augmentation makes of it in epoch v; epoch e trains on view
 * e mod views, in its own order. A view is computed when it is first asked for, so that the first
 * `views` epochs are those that recomputing would give, and a resumed training computes what it needs.
 *
 * Rows are kept as float32 if all views fit in the budget, else as bfloat16, else in a scratch file;
 * without a folder for that, in as many views as fit. */
#include "train/train.h"

#include <string.h>

static const int64_t default_bytes = (int64_t)2 << 30;

struct tmb__kept {
    tmb__source below; /* the photos */
    tmb__exec *exec;   /* from a photo to the cut */
    const tmb_fit_opts *opts;
    tmb_images *images;
    int64_t floats; /* of a row */
    int views;
    tmb__dtype dtype;
    uint8_t *rows; /* (views, n, floats) of dtype */
    size_t row_bytes, bytes;
    bool in_file;
    bool *there;  /* (views, n) */
    bool *filled; /* (views) */
    int view;     /* of this epoch */
    int64_t *order, at;
    /* One batch. */
    float *x;
    int32_t *label;
    int64_t *index;
};

/* ---- filling a view ---- */

static uint8_t *row_of(const tmb__kept *kept, int64_t i)
{
    return kept->rows + (size_t)(kept->view * kept->below.n + i) * kept->row_bytes;
}

static int keep_batch(tmb__kept *kept, const tmb_batch *batch)
{
    TMB_TRY(tmb__exec_predict(kept->exec, batch->x, batch->count, kept->x));
    for (int i = 0; i < batch->count; i++) {
        const int64_t number = batch->index[i];

        tmb__convert(row_of(kept, number), kept->dtype, kept->x + i * kept->floats, TMB__F32,
                kept->floats);
        kept->there[kept->view * kept->below.n + number] = true;
    }
    return 0;
}

/* Tell how far it is; true: stop. */
static bool report(const tmb__kept *kept, int64_t done)
{
    const tmb_fit_opts *opts = kept->opts;
    const tmb_progress progress = {.step = done, .steps = kept->below.n, .keeping = true};

    if (opts->stop && *opts->stop) return true;
    return opts->on_step && opts->on_step(opts->user, &progress);
}

static int fill(tmb__kept *kept, int64_t epoch)
{
    const tmb__source *below = &kept->below;
    int64_t done = 0;
    tmb_batch batch;
    int more;

    TMB_TRY(below->epoch(below->data, epoch, 0));
    while ((more = below->next(below->data, &batch)) > 0) {
        TMB_TRY(keep_batch(kept, &batch));
        done += batch.count;
        if (report(kept, done)) return TMB_ESTOPPED;
    }
    if (more == 0) kept->filled[kept->view] = true;
    return more;
}

/* ---- as a source ---- */

static int epoch(void *data, int64_t number, int64_t first)
{
    tmb__kept *kept = data;
    const int64_t view = number < 0 ? -1 : number % kept->views;

    kept->view = (int)TMB_MAX(view, 0);
    if (!kept->filled[kept->view]) TMB_TRY(fill(kept, view));
    tmb__images_order(kept->images, number, kept->order);
    kept->at = TMB_MIN(first * kept->below.batch, kept->below.n);
    return 0;
}

static int next(void *data, tmb_batch *out)
{
    tmb__kept *kept = data;
    const int64_t n = kept->below.n, end = TMB_MIN(kept->at + kept->below.batch, n);
    int count = 0;

    for (; kept->at < end; kept->at++) {
        const int64_t number = kept->order[kept->at];

        if (!kept->there[kept->view * n + number]) continue; /* it could not be read */
        tmb__convert(kept->x + count * kept->floats, TMB__F32, row_of(kept, number), kept->dtype,
                kept->floats);
        kept->label[count] = kept->below.label(kept->below.data, number);
        kept->index[count++] = number;
    }
    if (count == 0) return kept->at < n ? next(data, out) : 0;
    *out = (tmb_batch){.count = count, .x = kept->x, .label = kept->label, .index = kept->index};
    return 1;
}

static int label(const void *data, int64_t i)
{
    const tmb__kept *kept = data;

    return kept->below.label(kept->below.data, i);
}

static const char *class_name(const void *data, int k)
{
    const tmb__kept *kept = data;

    return kept->below.class_name(kept->below.data, k);
}

/* ---- making ---- */

/* How many views are kept, and as what; 0 if not even one fits. */
static int choose_room(tmb__kept *kept, const tmb_fit_opts *opts, int wanted)
{
    const int64_t budget = opts->kept_bytes ? opts->kept_bytes : default_bytes;
    const int64_t values = kept->below.n * kept->floats;
    const bool wide = values <= budget / 4 / wanted;

    kept->dtype = wide ? TMB__F32 : TMB__BF16;
    kept->row_bytes = (size_t)kept->floats * tmb__dtype_size(kept->dtype);
    if (wide || opts->kept_folder) return wanted;
    return (int)TMB_MIN(wanted, budget / 2 / values);
}

static int make_room(tmb__kept *kept, const tmb_fit_opts *opts)
{
    const int64_t budget = opts->kept_bytes ? opts->kept_bytes : default_bytes;
    const size_t n = (size_t)kept->below.n, batch = (size_t)kept->below.batch;

    if (!tmb__mul(n * (size_t)kept->views, kept->row_bytes, &kept->bytes) ||
            kept->bytes > INT64_MAX)
        return tmb__fail(
                TMB_EINVAL, "fit: %d views of %zu photos are too much to keep", kept->views, n);
    kept->in_file = (int64_t)kept->bytes > budget;
    if (kept->in_file)
        TMB_TRY(tmb__spill_map((void **)&kept->rows, kept->bytes, opts->kept_folder));
    else
        kept->rows = tmb__realloc(NULL, kept->bytes, 1); /* pages come as rows are written */
    kept->there = tmb__calloc(n * (size_t)kept->views, sizeof *kept->there);
    kept->filled = tmb__calloc((size_t)kept->views, sizeof *kept->filled);
    kept->order = tmb__calloc(n, sizeof *kept->order);
    kept->x = tmb__calloc(batch * (size_t)kept->floats, sizeof *kept->x);
    kept->label = tmb__calloc(batch, sizeof *kept->label);
    kept->index = tmb__calloc(batch, sizeof *kept->index);
    if (!kept->rows || !kept->there || !kept->filled || !kept->order || !kept->x || !kept->label ||
            !kept->index)
        return TMB_ENOMEM;
    TMB_LOG(INFO, "keeping %d views of %lld photos as %s, %.1f MB%s", kept->views,
            (long long)kept->below.n, tmb__dtype_name(kept->dtype), (double)kept->bytes / 1e6,
            kept->in_file ? " in a file" : "");
    return 0;
}

static int make(tmb__kept *kept, const tmb_model *model, tmb_layer cut, tmb_device *device,
        const tmb_fit_opts *opts)
{
    const tmb__span span = {.to = cut};

    TMB_TRY(make_room(kept, opts));
    TMB_TRY(tmb__exec_new_span(&kept->exec, model, span, device, kept->below.batch, NULL));
    return tmb__exec_push(kept->exec, model);
}

int tmb__kept_new(tmb__kept **out, tmb__source *source, tmb_images *images, const tmb_model *model,
        tmb_layer cut, tmb_device *device, const tmb_fit_opts *opts)
{
    const bool augmented = source->photos && tmb__images_random(images);
    tmb__kept *kept = tmb__calloc(1, sizeof *kept);
    int status;

    *out = NULL;
    if (!kept) return TMB_ENOMEM;
    kept->below = *source;
    kept->images = images;
    kept->opts = opts;
    kept->floats = tmb__shape_count(&model->layers[cut - 1].out);
    kept->views = choose_room(kept, opts, augmented ? opts->kept_views : 1);
    if (kept->views == 0) {
        TMB_LOG(WARN, "one view of %lld photos is more than may be kept: recomputed each epoch",
                (long long)source->n);
        tmb__free(kept);
        return 0;
    }
    status = make(kept, model, cut, device, opts);
    if (status < 0) {
        tmb__kept_free(kept);
        return status;
    }
    source->data = kept;
    source->cut = cut;
    source->shape = model->layers[cut - 1].out;
    source->epoch = epoch;
    source->next = next;
    source->label = label;
    source->class_name = class_name;
    *out = kept;
    return 0;
}

void tmb__kept_free(tmb__kept *kept)
{
    if (!kept) return;
    tmb__exec_free(kept->exec);
    if (kept->in_file)
        tmb__spill_unmap(kept->rows, kept->bytes);
    else
        tmb__free(kept->rows);
    tmb__free(kept->there);
    tmb__free(kept->filled);
    tmb__free(kept->order);
    tmb__free(kept->x);
    tmb__free(kept->label);
    tmb__free(kept->index);
    tmb__free(kept);
}
