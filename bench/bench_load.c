/* bench_load.c - photos a second through the loader: decoded, resized, augmented, scaled
 *
 *     bench_load DIR [THREADS [EPOCHS]]
 *
 * The post's preparation at 150 x 150, sampled linearly as Keras does since 2.1.4, no net behind it. Once
 * with every photo decoded anew in each epoch, as Keras does, and once as Thimble does where memory is
 * enough for what was decoded. The first epoch warms up. peer_pil_load.py does the same with Pillow and
 * SciPy. */
#define _POSIX_C_SOURCE 200809L
#include "bench_result.h"

#include <stdio.h>
#include <stdlib.h>
#include <thimble/thimble.h>
#include <time.h>

enum { MOST_EPOCHS = 100 };

static void check(int status)
{
    if (status >= 0) return;
    fprintf(stderr, "bench_load: %s\n", tmb_errmsg());
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double photos_a_second(tmb_images *images, int epoch)
{
    const double start = now();
    int64_t photos = 0;
    tmb_batch batch;
    int status;

    check(tmb_images_epoch(images, epoch, 0));
    while ((status = tmb_images_next(images, &batch)) == 1)
        photos += batch.count;
    check(status);
    return (double)photos / (now() - start);
}

static void time_loader(const char *path, int threads, int epochs, bool kept)
{
    tmb_images_opts opts = {.part = TMB_TRAIN, .shuffle = true, .threads = threads};
    double rate[MOST_EPOCHS];
    tmb_recipe recipe;
    tmb_images *images;
    char work[64];

    check(tmb_recipe_get(&recipe, "keras2016"));
    opts.preprocess = &recipe.preprocess;
    opts.augment = recipe.augment;
    opts.augment.sampling = TMB_SAMPLING_LINEAR;
    opts.batch = recipe.batch;
    opts.cache_bytes = kept ? 0 : 1;
    check(tmb_images_open(&images, path, &opts));
    photos_a_second(images, 0);
    for (int i = 0; i < epochs; i++)
        rate[i] = photos_a_second(images, i + 1);
    snprintf(work, sizeof work, "photos to batches, %d thread%s", threads, threads > 1 ? "s" : "");
    bench_result_print(
            &(bench_result){work, kept ? "Thimble, decoded once" : "Thimble",
                    kept ? "resized photos in memory" : "decoded every epoch", "photos/s"},
            rate, epochs);
    tmb_images_free(images);
}

int main(int argc, char **argv)
{
    const int threads = argc > 2 ? atoi(argv[2]) : 1, epochs = argc > 3 ? atoi(argv[3]) : 3;

    if (argc < 2 || threads < 1 || epochs < 1 || epochs > MOST_EPOCHS) {
        fprintf(stderr, "usage: bench_load DIR [THREADS [EPOCHS]]\n");
        return 2;
    }
    time_loader(argv[1], threads, epochs, false);
    time_loader(argv[1], threads, epochs, true);
    return 0;
}
