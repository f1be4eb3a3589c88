/* bench_epoch.c - an epoch of the post's net on real photos against the sum of oneDNN's primitives
 *
 *     bench_epoch DIR [epochs [threads]]
 *
 * Trains by recipe keras2016 on DIR/train as a user would: photos augmented by the loader, batch 16.
 * After every epoch each primitive of the step is timed, so both meet the same machine. The first
 * epoch warms up. Prints the median epoch, the primitives' sum for as many steps, and the ratio. */
#include "bench_floor.h"
#include "bench_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <thimble/thimble.h>

enum { ROUNDS_PER_EPOCH = 5 };

typedef struct epoch_job {
    bench_floor *floor;
    double seconds[FLOOR_ROUNDS];
    int n;
    int64_t photos;
} epoch_job;

static void must(int status)
{
    if (status >= 0) return;
    fprintf(stderr, "bench_epoch: %s\n", tmb_errmsg());
    exit(1);
}

static int on_epoch(void *user, const tmb_epoch *epoch)
{
    epoch_job *job = user;

    if (epoch->number == 1) return 0;
    job->seconds[job->n++] = (double)job->photos / epoch->images_per_second;
    for (int i = 0; i < ROUNDS_PER_EPOCH; i++)
        bench_floor_round(job->floor);
    return job->n == FLOOR_ROUNDS / ROUNDS_PER_EPOCH;
}

int main(int argc, char **argv)
{
    const int epochs = argc > 2 ? atoi(argv[2]) : 8, threads = argc > 3 ? atoi(argv[3]) : 2;
    static bench_net net;
    static epoch_job job;
    double medians, fastest, floor, median;
    tmb_images_opts opts = {.part = TMB_TRAIN, .shuffle = true};
    tmb_recipe recipe;
    tmb_images *images;
    tmb_model *model;
    tmb_device *device;

    if (argc < 2) return 2;
    must(tmb_recipe_get(&recipe, "keras2016"));
    opts.preprocess = &recipe.preprocess;
    opts.augment = recipe.augment;
    opts.batch = recipe.batch;
    must(tmb_images_open(&images, argv[1], &opts));
    job.photos = tmb_images_count(images);
    bench_net_post(&net, recipe.batch);
    must(tmb_device_open(&device, "cpu", threads)); /* first: it holds oneDNN to THIMBLE_CPU */
    job.floor = bench_floor_new(&net, threads, false);
    must(tmb_recipe_model(&model, &recipe, 2));
    recipe.compile.device = device;
    must(tmb_model_compile(model, &recipe.compile));
    must(tmb_fit(model, images, .epochs = epochs + 1, .on_epoch = on_epoch, .user = &job));
    median = bench_median(job.seconds, job.n); /* sorts */
    bench_floor_sum(job.floor, &medians, &fastest);
    floor = 1e-3 * medians * (double)((job.photos + recipe.batch - 1) / recipe.batch);
    printf("epoch of %lld augmented photos, %d threads: median %.2f s (%.2f to %.2f) of %d; "
           "oneDNN's "
           "primitives %.2f s; ratio %.2f\n",
            (long long)job.photos, threads, median, job.seconds[0], job.seconds[job.n - 1], job.n,
            floor, median / floor);
    tmb_model_free(model);
    tmb_device_free(device);
    tmb_images_free(images);
    return 0;
}
