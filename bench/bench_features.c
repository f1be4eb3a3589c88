/* bench_features.c - from a folder of photos to bottleneck features, by the parts of the way
 *
 *     bench_features DIR [NETWORK [SIZE [THREADS [f32|bf16]]]]
 *
 * Weights are random: time does not depend on them. peer_torch_features.py does the same in PyTorch. */
#include "bench_result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thimble/thimble.h>
#include <time.h>

enum { BATCH = 16, ROUNDS = 7 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(int status)
{
    if (status == 0) return;
    fprintf(stderr, "bench_features: %s\n", tmb_errmsg());
    exit(1);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The network alone, on a batch in memory. */
static void time_batch(tmb_model *net, const char *how, const char *name, int size)
{
    const size_t floats = (size_t)BATCH * (size_t)size * (size_t)size * 3;
    float *x = calloc(floats, sizeof *x);
    float *y = calloc((size_t)BATCH * (size_t)tmb_model_outputs(net), sizeof *y);
    double ms[ROUNDS];
    char work[96];

    if (!x || !y) exit(1);
    for (size_t i = 0; i < floats; i++)
        x[i] = (float)(i * 2654435761u % 256) / 128 - 1;
    check(tmb_model_predict(net, x, BATCH, y));
    for (int i = 0; i < ROUNDS; i++) {
        const double start = now();

        check(tmb_model_predict(net, x, BATCH, y));
        ms[i] = 1e3 * (now() - start);
    }
    qsort(ms, ROUNDS, sizeof ms[0], compare);
    printf("batch of %d: %.1f ms (%.1f-%.1f), %.0f photos/s\n", BATCH, ms[ROUNDS / 2], ms[0],
            ms[ROUNDS - 1], 1e3 * BATCH / ms[ROUNDS / 2]);
    snprintf(work, sizeof work, "%s at %d, batch of %d", name, size, BATCH);
    bench_result_print(&(bench_result){work, "Thimble", how, "ms"}, ms, ROUNDS);
    free(x);
    free(y);
}

static void time_folder(
        tmb_model *net, const char *how, const char *name, int size, const char *path)
{
    const tmb_images_opts opts = {
            .preprocess = tmb_model_preprocess(net), .batch = BATCH, .part = TMB_ALL};
    const double start = now();
    tmb_features features;
    tmb_images *images;
    double opened, done, rate;
    char work[96];

    check(tmb_images_open(&images, path, &opts));
    opened = now();
    check(tmb_model_features(&features, net, images, NULL));
    done = now();
    rate = (double)features.n / (done - start);
    printf("folder: %lld photos in %.1f s, %.0f photos/s; read and decoded in %.1f s, the rest "
           "%.1f s\n",
            (long long)features.n, done - start, rate, opened - start, done - opened);
    snprintf(work, sizeof work, "%s at %d, folder to features", name, size);
    bench_result_print(&(bench_result){work, "Thimble", how, "photos/s"}, &rate, 1);
    tmb_features_free(&features);
    tmb_images_free(images);
}

int main(int argc, char **argv)
{
    const char *name = argc > 2 ? argv[2] : "mobilenet_v2";
    const int size = argc > 3 ? atoi(argv[3]) : 224, threads = argc > 4 ? atoi(argv[4]) : 2;
    const char *how = argc > 5 ? argv[5] : "f32";
    const bool bf16 = strcmp(how, "bf16") == 0;
    tmb_backbone_opts opts = {
            .names = {name}, .size = {size, size}, .pooling = TMB_POOLING_AVG, .random = true};
    tmb_device *device;
    tmb_model *net;

    if (argc < 2) {
        fprintf(stderr, "usage: bench_features DIR [NETWORK [SIZE [THREADS [f32|bf16]]]]\n");
        return 2;
    }
    check(tmb_device_open(&device, "cpu", threads));
    check(tmb_device_set_precision(device, bf16 ? TMB_PRECISION_BF16 : TMB_PRECISION_F32));
    check(tmb_backbone_model(&net, &opts));
    check(tmb_model_set_device(net, device));
    printf("%s at %d, %d threads, %s\n", name, size, threads, how);
    time_batch(net, how, name, size);
    time_folder(net, how, name, size, argv[1]);
    tmb_model_free(net);
    tmb_device_free(device);
    return 0;
}
