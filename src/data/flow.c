/* flow.c - what each batch is made with: its random transforms, and in Keras' way its place in the stream
 *
 * Our own numbers are a function of (seed, epoch, photo). Keras' come from one stream, NumPy's: its
 * iterators seed it anew with seed + batches seen before every batch (`next`), take the epoch's order
 * from it if the batch is the first one, then the parameters of each photo in turn, then a number for
 * each file name if pictures are saved (keras.md 2.1). So the batch b of the epoch e needs only
 * seed + e * batches + b, and a training may be resumed at any of them.
 *
 * Up to Keras 1.1.0 the stream was seeded with each new order only, and up to 2.0.1 no new order was
 * drawn where the batch size divides the number of photos. Then earlier batches are drawn again. */
#include "data/images.h"

enum { HASHES_FILES = 10000000, HASHES_MEMORY = 10000 };

static bool numpy(const tmb_images *images)
{
    return images->opts.rng == TMB_RNG_NUMPY;
}

static bool of_2016(const tmb_images *images)
{
    return images->opts.augment.preset == TMB_PRESET_KERAS2016;
}

int64_t tmb__flow_batches(const tmb_images *images)
{
    return (images->n + images->opts.batch - 1) / images->opts.batch;
}

static bool shuffled(const tmb_images *images)
{
    return images->opts.shuffle || images->opts.shuffle_once;
}

/* The fault of Keras up to 2.0.1. */
static bool one_order(const tmb_images *images)
{
    return images->opts.shuffle_once || (of_2016(images) && images->n % images->opts.batch == 0);
}

tmb__pass tmb__flow_epoch(const tmb_images *images, int64_t epoch)
{
    const int64_t begin = epoch * tmb__flow_batches(images);

    return (tmb__pass){epoch, begin, one_order(images) ? 0 : begin};
}

/* ---- the stream ---- */

static tmb__rng seed_at(tmb__mt19937 *mt, const tmb_images *images, int64_t seen)
{
    tmb__mt_seed(mt, (uint32_t)(images->opts.seed + (uint64_t)seen));
    return tmb__mt_rng(mt);
}

/* The words of permutation(n), thrown away. */
static void skip_order(tmb__rng *rng, int64_t n)
{
    for (int64_t i = n; i > 1; i--)
        tmb__rng_below(rng, (uint32_t)i);
}

/* Batches are numbered on from epoch to epoch. */
int tmb__flow_batch_size(const tmb_images *images, int64_t b)
{
    const int64_t begin = b % tmb__flow_batches(images) * images->opts.batch;

    return (int)TMB_MIN((int64_t)images->opts.batch, images->n - begin);
}

/* Height, width, channels. */
typedef struct shape {
    int side[3];
} shape;

static shape shape_of(const tmb_images *images)
{
    const tmb_preprocess *pre = &images->pre;

    return (shape){{pre->size[0], pre->size[1], pre->channels}};
}

static void draw_transform(tmb_transform *out, const tmb_images *images, tmb__rng *rng)
{
    tmb__transform_draw_from(out, &images->opts.augment, rng, shape_of(images).side);
}

static uint32_t draw_hash(const tmb_images *images, tmb__rng *rng)
{
    const bool few = of_2016(images) || images->from_memory;

    return tmb__rng_below(rng, few ? HASHES_MEMORY : HASHES_FILES);
}

/* A batch's draws, into `plan` and `hash` unless they are NULL. */
static void draw_batch(
        const tmb_images *images, tmb__rng *rng, int n, tmb_transform *plan, uint32_t *hash)
{
    tmb_transform unused;

    for (int i = 0; i < n; i++)
        draw_transform(plan ? &plan[i] : &unused, images, rng);
    for (int i = 0; i < n && images->opts.save_dir; i++) {
        const uint32_t drawn = draw_hash(images, rng);

        if (hash) hash[i] = drawn;
    }
}

/* Up to Keras 1.1.0: from the last seeding on, through all batches before this one. */
static void run_to(const tmb_images *images, tmb__mt19937 *mt, const tmb__pass *pass, int64_t b)
{
    const int64_t from = shuffled(images) ? pass->drawn : 0;
    tmb__rng rng = seed_at(mt, images, from);

    if (shuffled(images)) skip_order(&rng, images->n);
    for (int64_t k = from; k < pass->begin + b; k++)
        draw_batch(images, &rng, tmb__flow_batch_size(images, k - from), NULL, NULL);
}

/* The stream where the transforms of batch b begin. `next`: it stands where batch b-1 left it. */
static void seek(
        const tmb_images *images, tmb__mt19937 *mt, const tmb__pass *pass, int64_t b, bool next)
{
    tmb__rng rng;

    if (of_2016(images)) {
        if (!next) run_to(images, mt, pass, b);
        return;
    }
    rng = seed_at(mt, images, pass->begin + b);
    if (b == 0 && pass->drawn == pass->begin && shuffled(images)) skip_order(&rng, images->n);
}

/* ---- what the loader asks for ---- */

void tmb__flow_order(const tmb_images *images, const tmb__pass *pass, int64_t *order)
{
    tmb__mt19937 mt;
    tmb__rng rng;

    if (!numpy(images) || !shuffled(images) || pass->number == TMB__PLAIN_EPOCH) {
        tmb__order_fill(order, images->n, &images->opts, pass->number);
        return;
    }
    rng = seed_at(&mt, images, pass->drawn);
    tmb__rng_permute(&rng, order, images->n);
}

void tmb__flow_plan(const tmb_images *images, tmb__mt19937 *mt, const tmb__pass *pass, int64_t b,
        bool next, tmb__plan *plan)
{
    tmb__rng rng = tmb__mt_rng(mt);

    if (numpy(images)) {
        seek(images, mt, pass, b, next);
        draw_batch(images, &rng, plan->n, plan->transform, plan->hash);
        return;
    }
    for (int i = 0; i < plan->n; i++) {
        tmb__transform_draw(&plan->transform[i], &images->opts.augment, images->opts.seed,
                pass->number, plan->index[i], shape_of(images).side);
        plan->hash[i] = (uint32_t)pass->number; /* one name for each photo of each epoch */
    }
}

/* Keras' __getitem__: the order is drawn when the first batch is asked for, from its stream. */
void tmb__flow_item(
        const tmb_images *images, tmb__mt19937 *mt, int64_t seen, int64_t *order, tmb__plan *plan)
{
    tmb__rng rng = seed_at(mt, images, seen);

    if (order) tmb__flow_redraw(images, mt, order);
    draw_batch(images, &rng, plan->n, plan->transform, plan->hash);
}

void tmb__flow_redraw(const tmb_images *images, tmb__mt19937 *mt, int64_t *order)
{
    tmb__rng rng = tmb__mt_rng(mt);

    for (int64_t i = 0; i < images->n; i++)
        order[i] = i;
    if (shuffled(images)) tmb__rng_permute(&rng, order, images->n);
}

/* ---- one sample of an epoch ---- */

int tmb__flow_transform(const tmb_images *images, int64_t index, int64_t epoch, tmb_transform *out)
{
    const tmb__pass pass = tmb__flow_epoch(images, epoch);
    int64_t *order, at = 0;
    tmb__mt19937 mt;
    tmb__rng rng = tmb__mt_rng(&mt);

    if (!numpy(images)) {
        tmb__transform_draw(
                out, &images->opts.augment, images->opts.seed, epoch, index, shape_of(images).side);
        return 0;
    }
    order = tmb__calloc((size_t)images->n, sizeof *order);
    if (!order) return TMB_ENOMEM;
    tmb__flow_order(images, &pass, order);
    while (order[at] != index)
        at++;
    tmb__free(order);
    seek(images, &mt, &pass, at / images->opts.batch, false);
    for (int64_t i = at / images->opts.batch * images->opts.batch; i <= at; i++)
        draw_transform(out, images, &rng);
    return 0;
}
