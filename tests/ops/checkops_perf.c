/* checkops_perf.c - how fast each op runs at real sizes, and which device runs it at all */
#include "checkops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 7 };

/* ---- perf ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

typedef struct times {
    double seconds[CASE_OPS][RUNS], worker[2][CASE_OPS]; /* of a run */
} times;

static void note(void *user, int op, int worker, double start, double end)
{
    times *t = user;

    t->worker[worker][op] += end - start;
}

/* Seconds of each op in each of RUNS runs, after one to warm up. */
static int time_runs(times *t, check_run *run, const check_case *c, tmb_device *device)
{
    TMB_TRY(check_run_go(run, c->max_batch, 0, 0));
    device->backend->profile(check_run_program(run), note, t);
    for (int r = 0; r < RUNS; r++) {
        memset(t->worker, 0, sizeof t->worker);
        TMB_TRY(check_run_go(run, c->max_batch, 0, 0));
        for (int i = 0; i < c->n_ops; i++)
            t->seconds[i][r] = t->worker[0][i] + t->worker[1][i];
    }
    return 0;
}

static void print_times(check_run *run, const check_case *c, tmb_device *device)
{
    const tmb_op_list list = case_list(c);
    times t;

    if (time_runs(&t, run, c, device) < 0) {
        printf("%-8s %s: %s\n", device->name, c->name, tmb_errmsg());
        return;
    }
    for (int i = 0; i < c->n_ops; i++) {
        const tmb__cost cost = tmb__op_cost(&list, i, c->max_batch);
        double median;
        tmb_op_how how;

        device->backend->op_how(check_run_program(run), i, &how);
        qsort(t.seconds[i], RUNS, sizeof t.seconds[i][0], by_value);
        median = t.seconds[i][RUNS / 2];
        printf("%-8s %-17s %9.3f ms %8.1f GFLOP/s %7.1f GB/s  %s  [%s]\n", device->name,
                tmb__op_name((int)c->op[i].kind), median * 1e3,
                median > 0 ? cost.flops / median * 1e-9 : 0,
                median > 0 ? cost.bytes / median * 1e-9 : 0, c->name, how.text);
    }
}

/* ref takes minutes at these sizes, and its speed is nobody's concern unless asked for by name. */
static void perf_case(void *user, const check_case *c)
{
    const check_options *options = user;

    if (!c->perf || !check_wanted(options, c)) return;
    for (int d = 0; d < options->n_devices; d++) {
        tmb_device *device = options->device[d].threads[1];
        check_run *run;

        if (options->n_devices > 1 && strcmp(options->device[d].name, "ref") == 0) continue;
        if (check_run_new(&run, device, c, options->bf16) < 0) {
            printf("%-8s %s: %s\n", options->device[d].name, c->name, tmb_errmsg());
            continue;
        }
        print_times(run, c, device);
        check_run_free(run);
    }
}

int check_perf(const check_options *options)
{
    printf("Median of %d runs, 2 threads; bytes as if every tensor were moved once.\n", RUNS);
    check_cases(perf_case, (void *)(uintptr_t)options);
    return 0;
}

/* ---- support ---- */

typedef struct survey {
    const check_options *options;
    int cases[TMB_OP_COUNT], runs[TMB_OP_COUNT][MAX_DEVICES];
    char why[TMB_OP_COUNT][MAX_DEVICES][384];
} survey;

static void survey_case(void *user, const check_case *c)
{
    survey *s = user;
    const tmb_op_list list = case_list(c);

    for (int i = 0; i < c->n_ops; i++) {
        const int kind = (int)c->op[i].kind;

        s->cases[kind]++;
        for (int d = 0; d < s->options->n_devices; d++) {
            tmb_device *device = s->options->device[d].threads[0];
            char why[256] = "";

            if (device->backend->supports(device->handle, &list, i, why, sizeof why) == 0)
                s->runs[kind][d]++;
            else
                snprintf(s->why[kind][d], sizeof s->why[kind][d], "%s: %s", c->name, why);
        }
    }
}

static void print_survey(const survey *s, int kind)
{
    printf("%-20s", tmb__op_name(kind));
    for (int d = 0; d < s->options->n_devices; d++) {
        if (s->runs[kind][d] == s->cases[kind])
            printf("  %-12s", "yes");
        else
            printf("  %d of %d (%s)", s->runs[kind][d], s->cases[kind], s->why[kind][d]);
    }
    printf("\n");
}

int check_support(const check_options *options)
{
    static survey s; /* large */

    s.options = options;
    check_cases(survey_case, &s);
    printf("%-20s", "");
    for (int d = 0; d < options->n_devices; d++)
        printf("  %-12s", options->device[d].name);
    printf("\n");
    for (int kind = 0; kind < TMB_OP_COUNT; kind++) {
        if (!options->filter || strstr(tmb__op_name(kind), options->filter)) print_survey(&s, kind);
    }
    return 0;
}
