/* bench_step.c - a whole training step against the sum of oneDNN's own primitives
 *
 *     bench_step [post|head|finetune|kept|residual] [threads [rounds [f32|bf16]]]
 *
 * Rounds of our step and of every primitive take turns in one process, so that both meet the same
 * machine. Prints the median and spread of our step, the sum over the ops of the best primitive's
 * median, and the ratio; also that of the fastest rounds. `finetune`, VGG16 whole, is timed without the
 * primitives: all their variants take half a minute a round. The step runs on the backend's op list,
 * below the library's public functions, with a host of its own (bench_host.c). */
#define _POSIX_C_SOURCE 200809L
#include "bench_floor.h"
#include "bench_host.h"
#include "bench_result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const tmb_backend *tmb_backend_cpu(uint32_t host_abi);

/* The library's threads look for work for some milliseconds after each of its primitives, on CPUs that our
 * step is to have. */
static void let_library_sleep(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* A net made ready to run. */
typedef struct subject {
    bench_net net;
    tmb_host host;
    const tmb_backend *backend;
    tmb_backend_device *device;
    tmb_program *program;
    tmb_bind binds[2];
    tmb_run run;
} subject;

static void must(int status)
{
    if (status < 0) exit(1);
}

static int64_t count(const tmb_tensor *t)
{
    int64_t n = 1;

    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

/* Kernels of a size that keeps activations near 1, scales and biases small, the rest 0. */
static void fill(subject *s)
{
    for (int t = 0; t < s->net.n_tensors; t++) {
        const tmb_tensor *tensor = &s->net.tensor[t];
        const int64_t n = count(tensor);
        const double fan_in = (double)n / (double)tensor->dim[tensor->rank - 1];
        const double limit = tensor->rank > 1 ? 8 / (fan_in + 8) : 0.1;
        float *data;

        if (tensor->role != TMB_ROLE_PARAM && tensor->role != TMB_ROLE_STATE) continue;
        data = bench_numbers(n, tensor->rank > 1 ? -limit : 0, limit);
        if (tensor->role == TMB_ROLE_STATE) memset(data, 0, (size_t)n * sizeof *data);
        must(s->backend->write(s->program, t, data));
        free(data);
    }
}

static void open_subject(subject *s, const char *net, int threads, bool bf16)
{
    tmb_op_list list;

    if (strcmp(net, "residual") == 0)
        bench_net_residual(&s->net, 32);
    else if (strcmp(net, "head") == 0)
        bench_net_head(&s->net, 16);
    else if (strcmp(net, "finetune") == 0 || strcmp(net, "kept") == 0)
        bench_net_finetune(&s->net, 16, strcmp(net, "kept") == 0);
    else
        bench_net_post(&s->net, 16);
    list = bench_net_list(&s->net);
    list.bf16 = bf16;
    s->host = bench_host_open(threads);
    s->backend = tmb_backend_cpu(TMB_BACKEND_ABI);
    must(s->backend->open(&s->device, 0, &s->host));
    must(s->backend->prepare(&s->program, s->device, &list));
    fill(s);
    s->binds[0] = (tmb_bind){s->net.x, bench_numbers(count(&s->net.tensor[s->net.x]), 0, 1)};
    s->binds[1] = (tmb_bind){s->net.t, bench_numbers(count(&s->net.tensor[s->net.t]), 0, 1)};
    s->run = (tmb_run){.n = s->net.batch, .lr = 1e-5f, .binds = s->binds, .n_binds = 2};
}

static void close_subject(subject *s)
{
    s->backend->release(s->program);
    s->backend->close(s->device);
    bench_host_close(&s->host);
}

/* The last of the steps of 50 ms, or of two. OpenMP's workers look for work a while: they fall asleep before.
 * Ours must wake up then, and the system takes some time to find a CPU for each. */
static double time_step(subject *s, int threads)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    double begin, start = 0;

    nanosleep(&pause, NULL);
    begin = bench_now();
    for (int k = 0; k < 2 || bench_now() < begin + 50e-3; k++, s->run.step++) {
        start = bench_clock(threads);
        must(s->backend->run(s->program, &s->run));
    }
    return 1e3 * (bench_clock(threads) - start);
}

/* From any worker, each with a row of its own. */
static void note_op(void *user, int op, int worker, double start, double end)
{
    double(*seconds)[BENCH_OPS] = user;

    seconds[worker][op] += end - start;
}

static void print_ops(subject *s, int threads)
{
    enum { RUNS = 10 };
    double(*seconds)[BENCH_OPS] = calloc((size_t)threads, sizeof *seconds);

    if (!seconds) exit(1);
    printf("our ops, thread time:\n");
    s->backend->profile(s->program, note_op, seconds);
    for (int i = 0; i < RUNS; i++)
        must(s->backend->run(s->program, &s->run));
    s->backend->profile(s->program, NULL, NULL);
    for (int i = 0; i < s->net.n_ops; i++) {
        double ms = 0;
        tmb_op_how how;

        for (int t = 0; t < threads; t++)
            ms += 1e3 * seconds[t][i] / RUNS;
        s->backend->op_how(s->program, i, &how);
        if (ms < 0.01) continue;
        printf("  %-18s %-12s %8.3f ms  %s\n", bench_op_name(s->net.op[i].kind), s->net.op[i].name,
                ms, how.text);
    }
    free(seconds);
}

/* THIMBLE_CPU, where it is set, is part of the way. */
static void report(const subject *s, bool bf16, const double *ours, int n, const double *floor)
{
    const char *cpu = getenv("THIMBLE_CPU");
    char work[64], how[64];

    snprintf(work, sizeof work, "%s step, batch %d", s->net.name, s->net.batch);
    snprintf(how, sizeof how, "%s%s%s", bf16 ? "bf16" : "f32", cpu ? ", " : "", cpu ? cpu : "");
    bench_result_print(&(bench_result){work, "Thimble", how, "ms"}, ours, n);
    snprintf(how, sizeof how, "%s%s%s", bf16 ? "bf16 or f32" : "f32", cpu ? ", " : "",
            cpu ? cpu : "");
    if (floor)
        bench_result_print(&(bench_result){work, "oneDNN's primitives", how, "ms"}, floor, 1);
}

/* The medians' sum and what is printed of it and of our step. */
static double print_floor(
        const subject *s, bench_floor *floor, int threads, const double *ours, double median)
{
    double medians, fastest;

    printf("oneDNN's best primitives, %d threads:\n", threads);
    bench_floor_sum(floor, &medians, &fastest);
    printf("%s: sum of oneDNN's primitives %.2f ms (fastest %.2f); ratio of medians %.2f, of the "
           "fastest %.2f\n",
            s->net.name, medians, fastest, median / medians, ours[0] / fastest);
    return medians;
}

int main(int argc, char **argv)
{
    static subject s;
    const char *net = argc > 1 ? argv[1] : "post", *how = argc > 4 ? argv[4] : "f32";
    const bool bf16 = strcmp(how, "bf16") == 0;
    const int threads = argc > 2 ? atoi(argv[2]) : 2, rounds = argc > 3 ? atoi(argv[3]) : 15;
    double ours[FLOOR_ROUNDS], sum = 0, median;
    bench_floor *floor = NULL;

    if (rounds < 1 || rounds > FLOOR_ROUNDS || threads < 1) return 2;
    open_subject(&s, net, threads, bf16);
    if (strcmp(net, "finetune") != 0) floor = bench_floor_new(&s.net, threads, bf16);
    for (int i = -1; i < rounds; i++) { /* round -1 warms up */
        double ms;

        let_library_sleep();
        ms = time_step(&s, threads);
        if (i < 0) continue;
        ours[i] = ms;
        if (floor) bench_floor_round(floor);
    }
    median = bench_median(ours, rounds);
    print_ops(&s, threads);
    printf("%s, %s, batch %d, %d threads, %d rounds: step median %.2f ms (%.2f to %.2f)\n",
            s.net.name, how, s.net.batch, threads, rounds, median, ours[0], ours[rounds - 1]);
    if (floor) sum = print_floor(&s, floor, threads, ours, median);
    report(&s, bf16, ours, rounds, floor ? &sum : NULL);
    close_subject(&s);
    return 0;
}
