/* bench_epoch.c - an epoch of the post's net on real photos, validation included
 *
 *     bench_epoch DIR [epochs [threads [f32|bf16]]]
 *
 * Trains by recipe keras2016 on DIR/train as a user would: photos augmented by the loader, batch 16; then
 * validates on DIR/validation. The first epoch warms up. After every other one each of
 * oneDNN's primitives for the step is timed, so that both meet the same machine. Prints the median epoch,
 * the primitives' sum for as many steps, and the ratio. */
#include "bench_floor.h"
#include "bench_host.h"
#include "bench_result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thimble/thimble.h>

enum { ROUNDS_PER_EPOCH = 5 };

typedef struct epoch_job {
    bench_floor *floor;
    double seconds[FLOOR_ROUNDS]; /* with validation */
    int n;
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
    job->seconds[job->n++] = epoch->seconds;
    for (int i = 0; i < ROUNDS_PER_EPOCH; i++)
        bench_floor_round(job->floor);
    return job->n == FLOOR_ROUNDS / ROUNDS_PER_EPOCH;
}

static void report(
        epoch_job *job, const char *how, int64_t photos, int64_t validated, int64_t steps)
{
    const double median = bench_median(job->seconds, job->n); /* sorts */
    double medians, fastest, floor;
    char work[96], alone[64];

    bench_floor_sum(job->floor, &medians, &fastest);
    floor = 1e-3 * medians * (double)steps;
    printf("%s: median %.2f s (%.2f to %.2f) of %d; oneDNN's primitives %.2f s; ratio %.2f\n", how,
            median, job->seconds[0], job->seconds[job->n - 1], job->n, floor, median / floor);
    snprintf(work, sizeof work, "post, epoch of %lld photos, %lld validated", (long long)photos,
            (long long)validated);
    bench_result_print(&(bench_result){work, "Thimble", how, "s"}, job->seconds, job->n);
    snprintf(alone, sizeof alone, "training steps alone, %s", how);
    bench_result_print(&(bench_result){work, "oneDNN's primitives", alone, "s"}, &floor, 1);
}

int main(int argc, char **argv)
{
    const int epochs = argc > 2 ? atoi(argv[2]) : 8, threads = argc > 3 ? atoi(argv[3]) : 2;
    const char *how = argc > 4 ? argv[4] : "f32";
    const bool bf16 = strcmp(how, "bf16") == 0;
    static bench_net net;
    static epoch_job job;
    tmb_images_opts opts = {0};
    tmb_images *images, *validation;
    tmb_recipe recipe;
    tmb_model *model;
    tmb_device *device;

    if (argc < 2 || epochs < 1) return 2;
    must(tmb_device_open(&device, "cpu", threads)); /* first: it holds oneDNN to THIMBLE_CPU */
    must(tmb_device_set_precision(device, bf16 ? TMB_PRECISION_BF16 : TMB_PRECISION_F32));
    must(tmb_recipe_get(&recipe, "keras2016"));
    opts.preprocess = &recipe.preprocess;
    opts.batch = recipe.batch;
    opts.part = TMB_VALIDATION;
    must(tmb_images_open(&validation, argv[1], &opts));
    opts = (tmb_images_opts){.preprocess = &recipe.preprocess,
            .augment = recipe.augment,
            .batch = recipe.batch,
            .part = TMB_TRAIN,
            .shuffle = true};
    must(tmb_images_open(&images, argv[1], &opts));
    bench_net_post(&net, recipe.batch);
    job.floor = bench_floor_new(&net, threads, bf16);
    must(tmb_recipe_model(&model, &recipe, 2));
    recipe.compile.device = device;
    must(tmb_model_compile(model, &recipe.compile));
    must(tmb_fit(model, images, .epochs = epochs + 1, .validation = validation,
            .on_epoch = on_epoch, .user = &job));
    report(&job, how, tmb_images_count(images), tmb_images_count(validation),
            (tmb_images_count(images) + recipe.batch - 1) / recipe.batch);
    tmb_model_free(model);
    tmb_device_free(device);
    tmb_images_free(images);
    tmb_images_free(validation);
    return 0;
}
