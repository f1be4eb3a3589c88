/* order.c - the order in which an epoch's photos come */
#include "data/images.h"

/* Keras to 2.0.1 drew one order and kept it whenever the batch size divided the number of photos, as
 * it did in the post; `shuffle_once` does that on purpose. */
void tmb__order_fill(int64_t *order, int64_t n, const tmb_images_opts *opts, int64_t epoch)
{
    tmb__rng rng = tmb__rng_at(
            opts->seed, TMB_STREAM_SHUFFLE, opts->shuffle_once ? 0 : (uint64_t)epoch, 0);

    if ((opts->shuffle || opts->shuffle_once) && epoch != TMB__PLAIN_EPOCH) {
        tmb__rng_permute(&rng, order, n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
}

void tmb__images_order(const tmb_images *images, int64_t epoch, int64_t *order)
{
    tmb__order_fill(order, images->n, &images->opts, epoch);
}

bool tmb__images_random(const tmb_images *images)
{
    return images->random;
}
