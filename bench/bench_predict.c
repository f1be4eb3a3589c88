/* bench_predict.c - one photo after the other with a model that is loaded: file to answer
 *
 *     bench_predict NAME MODEL PHOTO [THREADS [ROUNDS [f32|bf16]]]
 *
 * NAME is what the results call the net. A photo is read and decoded anew each time. Prints the median
 * and the 99th percentile; peer_torch_predict.py does the same in PyTorch. */
#define _POSIX_C_SOURCE 200809L
#include "bench_result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thimble/thimble.h>
#include <time.h>

enum { WARM = 5, MOST = 10000, CLASSES = 1000 };

static void check(int status)
{
    if (status >= 0) return;
    fprintf(stderr, "bench_predict: %s\n", tmb_errmsg());
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void time_photo(tmb_predictor *predictor, const char *photo, double *ms, int rounds)
{
    float probability[CLASSES];

    for (int i = -WARM; i < rounds; i++) {
        const double start = now();

        check(tmb_predict_file(predictor, photo, probability));
        if (i >= 0) ms[i] = 1e3 * (now() - start);
    }
    qsort(ms, (size_t)rounds, sizeof *ms, compare);
}

int main(int argc, char **argv)
{
    const int threads = argc > 4 ? atoi(argv[4]) : 2, rounds = argc > 5 ? atoi(argv[5]) : 300;
    const char *how = argc > 6 ? argv[6] : "f32";
    const bool bf16 = strcmp(how, "bf16") == 0;
    static double ms[MOST];
    tmb_predictor *predictor;
    tmb_device *device;
    tmb_model *model;
    char work[96];

    if (argc < 4 || rounds < 1 || rounds > MOST) {
        fprintf(stderr, "usage: bench_predict NAME MODEL PHOTO [THREADS [ROUNDS [f32|bf16]]]\n");
        return 2;
    }
    check(tmb_device_open(&device, "cpu", threads));
    check(tmb_device_set_precision(device, bf16 ? TMB_PRECISION_BF16 : TMB_PRECISION_F32));
    check(tmb_model_open(&model, argv[2]));
    if (tmb_model_outputs(model) > CLASSES) return 2;
    check(tmb_predictor_new(&predictor, model, device, 1));
    time_photo(predictor, argv[3], ms, rounds);
    snprintf(work, sizeof work, "%s, one photo, warm", argv[1]);
    bench_result_print(&(bench_result){work, "Thimble", how, "ms"}, ms, rounds);
    snprintf(work, sizeof work, "%s, one photo, warm, 99th percentile", argv[1]);
    bench_result_print(&(bench_result){work, "Thimble", how, "ms"}, &ms[rounds * 99 / 100], 1);
    tmb_predictor_free(predictor);
    tmb_model_free(model);
    tmb_device_free(device);
    return 0;
}
