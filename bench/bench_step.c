/* bench_step.c - a whole f32 training step against the sum of oneDNN's own primitives
 *
 *     bench_step [post|residual] [threads [rounds]]
 *
 * Rounds of our step and of every primitive take turns in one process, so that both meet the same
 * machine. Prints the median and spread of our step, the sum over the ops of the best primitive's
 * median, and the ratio; also that of the fastest rounds. The step runs on the op list itself,
 * below the library's public functions: what is measured is the backend. */
#define _POSIX_C_SOURCE 200809L
#include "backend/backend.h"
#include "bench_floor.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void must(int status)
{
    if (status >= 0) return;
    fprintf(stderr, "bench_step: %s\n", tmb_errmsg());
    exit(1);
}

static int64_t count(const tmb_tensor *t)
{
    int64_t n = 1;

    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

static float *numbers(int64_t n, double low, double high, tmb__rng *rng)
{
    float *data = tmb__calloc((size_t)n, sizeof *data);

    if (!data) must(TMB_ENOMEM);
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)tmb__rng_uniform(rng, low, high);
    return data;
}

/* Kernels as He's initialiser would have them, scales near 1, the rest 0. */
static void fill(
        const bench_net *net, const tmb_device *device, tmb_program *program, tmb__rng *rng)
{
    for (int t = 0; t < net->n_tensors; t++) {
        const tmb_tensor *tensor = &net->tensor[t];
        const int64_t n = count(tensor);
        const double fan_in = tensor->rank > 1 ? (double)(n / tensor->dim[tensor->rank - 1]) : 1;
        const double limit = tensor->rank > 1 ? 2.4 / (fan_in > 4 ? 0.5 * fan_in : 2) : 0;
        float *data;

        if (tensor->role != TMB_ROLE_PARAM && tensor->role != TMB_ROLE_STATE) continue;
        data = tensor->rank > 1 ? numbers(n, -limit, limit, rng) : numbers(n, 0, 0.1, rng);
        if (tensor->role == TMB_ROLE_STATE) memset(data, 0, (size_t)n * sizeof *data);
        must(device->backend->write(program, t, data));
        tmb__free(data);
    }
}

static void pause_ms(int ms)
{
    const struct timespec t = {.tv_nsec = ms * 1000000L};

    nanosleep(&t, NULL);
}

/* Two steps, the second timed; OpenMP's workers, which look for work a while, are asleep before. */
static double time_step(const tmb_device *device, tmb_program *program, tmb_run *run)
{
    double start = 0;

    pause_ms(20);
    for (int k = 0; k < 2; k++, run->step++) {
        start = bench_now();
        must(device->backend->run(program, run));
    }
    return 1e3 * (bench_now() - start);
}

static void print_ops(
        const bench_net *net, const tmb_device *device, tmb_program *program, tmb_run *run)
{
    enum { RUNS = 10 };

    device->backend->profile(program, true);
    for (int i = 0; i < RUNS; i++)
        must(device->backend->run(program, run));
    for (int i = 0; i < net->n_ops; i++) {
        tmb_op_time time;

        device->backend->op_time(program, i, &time);
        if (time.seconds < 1e-5 * RUNS) continue;
        printf("  %-18s %-12s %8.3f ms %7.1f GFLOP/s  %s\n", tmb__op_name((int)net->op[i].kind),
                net->op[i].name, 1e3 * time.seconds / RUNS, time.flops * RUNS / time.seconds * 1e-9,
                time.how);
    }
}

int main(int argc, char **argv)
{
    static bench_net net;
    const int threads = argc > 2 ? atoi(argv[2]) : 2, rounds = argc > 3 ? atoi(argv[3]) : 15;
    tmb__rng rng = tmb__rng_at(1, TMB_STREAM_TEST, 0, 0);
    double ours[FLOOR_ROUNDS], medians, fastest, median;
    tmb_op_list list;
    tmb_device *device;
    tmb_program *program;
    bench_floor *floor;
    float *x, *t;

    if (rounds < 1 || rounds > FLOOR_ROUNDS || threads < 1) return 2;
    if (argc > 1 && strcmp(argv[1], "residual") == 0)
        bench_net_residual(&net, 32);
    else
        bench_net_post(&net, 16);
    omp_set_num_threads(threads);
    list = bench_net_list(&net);
    must(tmb_device_open(&device, "cpu", threads));
    must(tmb__program_new(&program, device, &list));
    fill(&net, device, program, &rng);
    x = numbers(count(&net.tensor[net.x]), 0, 1, &rng);
    t = numbers(count(&net.tensor[net.t]), 0, 1, &rng);
    tmb_run run = {
            .n = net.batch,
            .lr = 1e-5f,
            .binds = (const tmb_bind[]){{net.x, x}, {net.t, t}},
            .n_binds = 2,
    };

    floor = bench_floor_new(&net);
    for (int i = -1; i < rounds; i++) { /* round -1 warms up */
        const double ms = time_step(device, program, &run);

        if (i >= 0) ours[i] = ms;
        if (i >= 0) bench_floor_round(floor);
    }
    median = bench_median(ours, rounds);
    printf("oneDNN's best primitives, %d threads:\n", threads);
    bench_floor_sum(floor, &medians, &fastest);
    printf("our ops, thread time:\n");
    print_ops(&net, device, program, &run);
    printf("%s, batch %d, %d threads, %d rounds: step median %.2f ms (%.2f to %.2f); sum of "
           "oneDNN's "
           "primitives %.2f (fastest %.2f); ratio of medians %.2f, of the fastest %.2f\n",
            net.name, net.batch, threads, rounds, median, ours[0], ours[rounds - 1], medians,
            fastest, median / medians, ours[0] / fastest);
    tmb__program_free(device, program);
    tmb_device_free(device);
    tmb__free(x);
    tmb__free(t);
    return 0;
}
