/* checkops.c - every op on every device: values, gradients, speed, support
 *
 *     checkops test     each device against ref; the same bits for 1, 2, 4 threads and for a
 *                       second time; nothing written around the inputs
 *     checkops grad     ref's gradients against finite differences of its forward ops
 *     checkops perf     milliseconds, GFLOP/s and GB/s at the sizes of real networks
 *     checkops support  which device runs which op, and why not
 *
 * followed by [--device NAME] [--bf16] [FILTER]; a filter is part of an op's or a case's name. Ends
 * with 1 if anything failed, and if a line of ops.def has no case. */
#include "checkops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Batches of one sequence of runs, 0: all that the case has room for. State goes from each to the next. */
static const int batches[] = {0, 1, 4, 2, 3};

static int batch_of(const check_case *c, size_t i)
{
    return batches[i] ? batches[i] : c->max_batch;
}

/* Sums of up to some thousand products in f32, in another order or through Winograd's transform,
 * may be off by this share of the tensor's root mean square. Below the floor is what cancels to 0 in
 * exact arithmetic: the data is of order 1. */
static const double tolerance_f32 = 1e-4, floor_of_zero = 1e-6;

/* In bf16 the whole tensor's error counts. Rounding to 8 bits changes the sign of one in 400 results, and
 * ReLU then lets a gradient pass or not: a twentieth of the root mean square, two where maps are small.
 * What is out of place is off by more. */
static const double tolerance_bf16 = 0.2;

bool check_wanted(const check_options *options, const check_case *c)
{
    if (!options->filter || strstr(c->name, options->filter)) return true;
    for (int i = 0; i < c->n_ops; i++) {
        if (strstr(tmb__op_name((int)c->op[i].kind), options->filter)) return true;
    }
    return false;
}

/* ---- test ---- */

/* What all readable tensors held after each run of the sequence, one after the other. */
typedef struct trace {
    float *value;
    int64_t count;
} trace;

typedef struct tester {
    const check_options *options;
    const check_case *c;
    trace expected; /* of ref */
    int passed[MAX_DEVICES], failed[MAX_DEVICES], unsupported[MAX_DEVICES];
    bool seen[TMB_OP_COUNT];
} tester;

static int64_t trace_length(const check_case *c)
{
    int64_t count = 0;

    for (size_t i = 0; i < TMB_COUNT(batches); i++) {
        for (int t = 0; t < c->n_tensors; t++)
            count += check_run_readable(c, t) ? check_rows_count(c, t, batch_of(c, i)) : 0;
    }
    return count;
}

static int trace_runs(trace *out, check_run *run, const check_case *c, size_t shift)
{
    int64_t at = 0;

    for (size_t i = 0; i < TMB_COUNT(batches); i++) {
        TMB_TRY(check_run_go(run, batch_of(c, i), (int64_t)i, shift));
        for (int t = 0; t < c->n_tensors; t++) {
            const int64_t n = check_rows_count(c, t, batch_of(c, i));
            const float *values;

            if (!check_run_readable(c, t)) continue;
            TMB_TRY(check_run_read(run, t, &values));
            memcpy(out->value + at, values, (size_t)n * sizeof *values);
            at += n;
        }
    }
    return 0;
}

static int trace_new(trace *out, const check_case *c)
{
    out->count = trace_length(c);
    out->value = tmb__calloc((size_t)out->count + 1, sizeof *out->value);
    return out->value ? 0 : TMB_ENOMEM;
}

/* The sequence on a program made for it. */
static int trace_device(trace *out, tmb_device *device, const check_case *c, bool bf16)
{
    check_run *run;
    int status;

    TMB_TRY(trace_new(out, c));
    TMB_TRY(check_run_new(&run, device, c, bf16));
    status = trace_runs(out, run, c, 0);
    check_run_free(run);
    return status;
}

static double rms(const float *values, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += isfinite(values[i]) ? (double)values[i] * values[i] : 0;
    return sqrt(sum / (double)n);
}

static int compare_whole(
        const tester *t, int tensor, const float *found, const float *expected, int64_t n)
{
    const double scale = rms(expected, n);
    double sum = 0;

    for (int64_t i = 0; i < n; i++) {
        const double off = (double)found[i] - (double)expected[i];

        if (isfinite(expected[i]) || isfinite(found[i])) sum += off * off;
    }
    if (sqrt(sum / (double)n) <= tolerance_bf16 * scale + floor_of_zero) return 0;
    return tmb__fail(TMB_EGATE, "%s is off by %.3g of its root mean square %.3g",
            t->c->tensor[tensor].name, sqrt(sum / (double)n) / scale, scale);
}

/* One tensor after one run. What is not finite on one side must not be on the other. */
static int compare_tensor(
        const tester *t, int tensor, const float *found, const float *expected, int64_t n)
{
    const double scale = rms(expected, n);

    if (t->options->bf16) /* a single number may cancel to anything */
        return n > 1 ? compare_whole(t, tensor, found, expected, n) : 0;
    for (int64_t i = 0; i < n; i++) {
        const double allowed =
                tolerance_f32 * fmax(fabs((double)expected[i]), scale) + floor_of_zero;

        if (!isfinite(expected[i]) && !isfinite(found[i])) continue;
        if (fabs((double)found[i] - (double)expected[i]) <= allowed) continue;
        return tmb__fail(TMB_EGATE,
                "%s[%lld] of %lld is %.9g, ref has %.9g (root mean square %.3g)",
                t->c->tensor[tensor].name, (long long)i, (long long)n, (double)found[i],
                (double)expected[i], scale);
    }
    return 0;
}

static int compare_trace(const tester *t, const trace *found)
{
    int64_t at = 0;

    for (size_t i = 0; i < TMB_COUNT(batches); i++) {
        for (int k = 0; k < t->c->n_tensors; k++) {
            const int64_t n = check_rows_count(t->c, k, batch_of(t->c, i));

            if (!check_run_readable(t->c, k)) continue;
            if (compare_tensor(t, k, found->value + at, t->expected.value + at, n) < 0) {
                tmb__detail("run %d of %d samples", (int)i + 1, batch_of(t->c, i));
                return TMB_EGATE;
            }
            at += n;
        }
    }
    return 0;
}

/* As `tensor[element]` of which run a position of a trace is. */
static int fail_bits(const check_case *c, int64_t position, const char *what)
{
    for (size_t i = 0; i < TMB_COUNT(batches); i++) {
        for (int t = 0; t < c->n_tensors; t++) {
            const int64_t n = check_run_readable(c, t) ? check_rows_count(c, t, batch_of(c, i)) : 0;

            if (position < n)
                return tmb__fail(TMB_EGATE, "%s[%lld] in run %d of %d samples has other bits %s",
                        c->tensor[t].name, (long long)position, (int)i + 1, batch_of(c, i), what);
            position -= n;
        }
    }
    return TMB_EBUG;
}

static int compare_bits(const check_case *c, const trace *a, const trace *b, const char *what)
{
    for (int64_t i = 0; i < a->count; i++) {
        if (memcmp(&a->value[i], &b->value[i], sizeof *a->value) != 0) return fail_bits(c, i, what);
    }
    return 0;
}

/* The same program once more from the start, with inputs that are aligned to 4 bytes only. */
static int repeat(const tester *t, const trace *first, trace *again, tmb_device *device)
{
    check_run *run;
    int status;

    TMB_TRY(trace_new(again, t->c));
    TMB_TRY(check_run_new(&run, device, t->c, t->options->bf16));
    status = trace_runs(again, run, t->c, 0);
    if (status == 0) status = check_run_reset(run);
    if (status == 0) status = trace_runs(again, run, t->c, sizeof(float));
    check_run_free(run);
    return status < 0 ? status : compare_bits(t->c, first, again, "the second time");
}

static int test_on_device(const tester *t, const check_device *device)
{
    static const char *const what[] = {"", "with 2 threads", "with 4 threads"};
    trace found[3] = {{0}}, again = {0};
    int status = 0;

    for (int i = 0; i < 3 && status == 0; i++) {
        status = trace_device(&found[i], device->threads[i], t->c, t->options->bf16);
        if (status == 0 && i == 0) status = compare_trace(t, &found[0]);
        if (status == 0 && i > 0) status = compare_bits(t->c, &found[0], &found[i], what[i]);
    }
    if (status == 0) status = repeat(t, &found[0], &again, device->threads[0]);
    for (int i = 0; i < 3; i++)
        tmb__free(found[i].value);
    tmb__free(again.value);
    return status;
}

static void test_case_on_devices(tester *t)
{
    for (int d = 0; d < t->options->n_devices; d++) {
        const check_device *device = &t->options->device[d];
        const int status = test_on_device(t, device);

        if (status == 0) {
            t->passed[d]++;
        } else if (status == TMB_EUNSUPPORTED) {
            t->unsupported[d]++;
        } else {
            t->failed[d]++;
            printf("FAIL %s, %s %s: %s\n", device->name, tmb__op_name((int)t->c->op[0].kind),
                    t->c->name, tmb_errmsg());
            if (tmb_errdetail()[0]) printf("     %s\n", tmb_errdetail());
        }
    }
}

static void test_case(void *user, const check_case *c)
{
    tester *t = user;

    for (int i = 0; i < c->n_ops; i++)
        t->seen[c->op[i].kind] = true;
    if (c->perf || !check_wanted(t->options, c)) return;
    t->c = c;
    if (trace_device(&t->expected, t->options->ref, c, false) < 0) {
        printf("FAIL ref, %s %s: %s\n", tmb__op_name((int)c->op[0].kind), c->name, tmb_errmsg());
        t->failed[0]++;
    } else {
        test_case_on_devices(t);
    }
    tmb__free(t->expected.value);
}

static int check_test(const check_options *options)
{
    tester t = {.options = options};
    int failures = 0;

    check_cases(test_case, &t);
    for (int kind = 0; kind < TMB_OP_COUNT; kind++) {
        if (t.seen[kind]) continue;
        printf("FAIL op %s has no case\n", tmb__op_name(kind));
        failures++;
    }
    for (int d = 0; d < options->n_devices; d++) {
        printf("%s: %d cases passed, %d failed, %d not supported\n", options->device[d].name,
                t.passed[d], t.failed[d], t.unsupported[d]);
        failures += t.failed[d];
    }
    return failures;
}

/* ---- the program ---- */

static const struct {
    const char *name;
    int (*fn)(const check_options *options);
} modes[] = {
        {"test", check_test},
        {"grad", check_grad},
        {"perf", check_perf},
        {"support", check_support},
};

static int open_device(check_options *options, const char *name)
{
    check_device *device = &options->device[options->n_devices];

    snprintf(device->name, sizeof device->name, "%s", name);
    for (int i = 0; i < 3; i++)
        TMB_TRY(tmb_device_open(&device->threads[i], name, 1 << i));
    options->n_devices++;
    return 0;
}

static int open_devices(check_options *options, const char *only)
{
    TMB_TRY(tmb_device_open(&options->ref, "ref", 1));
    if (only) return open_device(options, only);
    for (int i = 0; tmb_device_name(i) && options->n_devices < MAX_DEVICES; i++)
        TMB_TRY(open_device(options, tmb_device_name(i)));
    return 0;
}

static void close_devices(check_options *options)
{
    for (int d = 0; d < MAX_DEVICES; d++) {
        for (int i = 0; i < 3; i++)
            tmb_device_free(options->device[d].threads[i]);
    }
    tmb_device_free(options->ref);
}

static int run_mode(check_options *options, const char *mode, const char *only)
{
    for (size_t i = 0; i < TMB_COUNT(modes); i++) {
        if (strcmp(modes[i].name, mode) != 0) continue;
        if (open_devices(options, only) == 0) return modes[i].fn(options) > 0;
        printf("FAIL %s\n%s\n", tmb_errmsg(), tmb_errdetail());
        return 1;
    }
    printf("mode '%s', expected test, grad, perf or support\n", mode);
    return 2;
}

int main(int argc, char **argv)
{
    check_options options = {0};
    const char *only = NULL;
    int result;

    if (argc < 2) {
        printf("usage: checkops test|grad|perf|support [--device NAME] [--bf16] [FILTER]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--bf16") == 0)
            options.bf16 = true;
        else if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
            only = argv[++i];
        else
            options.filter = argv[i];
    }
    result = run_mode(&options, argv[1], only);
    close_devices(&options);
    return result;
}
