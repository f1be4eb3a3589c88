/* profile.c - where a device's time goes: its ceilings, the time of each op, and a trace
 *
 * A program that is made while its device is profiled gets a record: per op what it costs and how long the
 * workers took, told by the backend piece by piece. Records stay when their programs go, and a program
 * with the same ops, as validation makes one anew, goes on with the record of one that has gone. */
#include "backend/backend.h"

#include <stdio.h>
#include <string.h>

enum { TRACED_RUNS = 16 };

typedef struct timed_op {
    char layer[64], label[96], how[80]; /* label: of its events */
    int kind;
    bool bf16;
    tmb__cost none, one; /* of no sample and of one; another costs the difference */
} timed_op;

typedef struct record {
    struct record *next;
    tmb__trace *trace;
    const tmb_program *program; /* NULL: it has gone */
    bool training;
    timed_op *ops;
    int n_ops;
    double *seconds; /* (worker, op) */
    size_t n_seconds;
    int64_t runs, samples, traced;
    double run_seconds;
} record;

struct tmb__profile {
    tmb__trace *trace;
    tmb_ceilings ceilings; /* threads 0: not known */
    record *records;
};

tmb__trace *tmb__device_trace(const tmb_device *device)
{
    return device && device->profile ? device->profile->trace : NULL;
}

/* ---- records ---- */

static void record_free(record *r)
{
    if (!r) return;
    tmb__free(r->ops);
    tmb__free(r->seconds);
    tmb__free(r);
}

static void describe(timed_op *out, const tmb_device *device, const tmb_program *program,
        const tmb_op_list *list, int op)
{
    const tmb_op *o = &list->ops[op];
    tmb_op_how how;

    device->backend->op_how(program, op, &how);
    *out = (timed_op){.kind = (int)o->kind,
            .bf16 = how.bf16,
            .none = tmb__op_cost(list, op, 0),
            .one = tmb__op_cost(list, op, 1)};
    snprintf(out->layer, sizeof out->layer, "%s", o->name ? o->name : "");
    snprintf(out->label, sizeof out->label, "%s %s", out->layer, tmb__op_name((int)o->kind));
    snprintf(out->how, sizeof out->how, "%s", how.text);
}

static record *record_new(
        const tmb_device *device, const tmb_program *program, const tmb_op_list *list)
{
    record *r = tmb__calloc(1, sizeof *r);

    if (!r) return NULL;
    r->trace = device->profile->trace;
    r->n_ops = list->n_ops;
    r->n_seconds = (size_t)list->n_ops * (size_t)tmb__pool_threads(device->pool);
    r->ops = tmb__calloc((size_t)list->n_ops, sizeof *r->ops);
    r->seconds = tmb__calloc(r->n_seconds, sizeof *r->seconds);
    for (int i = 0; i < list->n_ops && r->ops && r->seconds; i++) {
        r->training |= list->ops[i].kind == TMB_OP_LOSS;
        describe(&r->ops[i], device, program, list, i);
    }
    if (r->ops && r->seconds) return r;
    record_free(r);
    return NULL;
}

static bool same_ops(const record *a, const record *b)
{
    bool same = a->n_ops == b->n_ops;

    for (int i = 0; same && i < a->n_ops; i++)
        same = a->ops[i].one.bytes == b->ops[i].one.bytes &&
                strcmp(a->ops[i].label, b->ops[i].label) == 0 &&
                strcmp(a->ops[i].how, b->ops[i].how) == 0;
    return same;
}

static record *record_of(const tmb_device *device, const tmb_program *program)
{
    record *r = device->profile ? device->profile->records : NULL;

    while (r && r->program != program)
        r = r->next;
    return r;
}

/* From any worker, each with its own row of sums. */
static void note_op(void *user, int op, int worker, double start, double end)
{
    record *r = user;

    r->seconds[worker * r->n_ops + op] += end - start;
    if (r->traced < TRACED_RUNS)
        tmb__trace_add(
                r->trace, (tmb__event){TMB_EVENT_OP, worker, 0, r->ops[op].label, start, end});
}

int tmb__profile_add(tmb_device *device, tmb_program *program, const tmb_op_list *list)
{
    record **at = &device->profile->records, *r = record_new(device, program, list);

    if (!r) return TMB_ENOMEM;
    while (*at && ((*at)->program || !same_ops(*at, r)))
        at = &(*at)->next;
    if (*at)
        record_free(r);
    else
        *at = r;
    (*at)->program = program;
    device->backend->profile(program, note_op, *at);
    return 0;
}

void tmb__profile_gone(tmb_device *device, const tmb_program *program)
{
    record *r = record_of(device, program);

    if (r) r->program = NULL;
}

int tmb__program_run(tmb_device *device, tmb_program *program, const tmb_run *run)
{
    record *r = record_of(device, program);
    double start;
    int status;

    if (!r) return device->backend->run(program, run);
    if (r->traced == 1) { /* the first run has warmed up */
        memset(r->seconds, 0, r->n_seconds * sizeof *r->seconds);
        r->runs = r->samples = 0;
        r->run_seconds = 0;
    }
    start = tmb__now();
    status = device->backend->run(program, run);
    r->run_seconds += tmb__now() - start;
    r->samples += run->n;
    r->runs++;
    r->traced++;
    tmb__trace_add(r->trace,
            (tmb__event){
                    TMB_EVENT_RUN, 0, r->traced, r->training ? "step" : "forward", .start = start});
    return status;
}

/* ---- what a device tells ---- */

int tmb_device_ceilings(tmb_ceilings *out, tmb_device *device, int threads)
{
    if (!out || !device)
        return tmb__fail(TMB_EINVAL, "tmb_device_ceilings: %s is NULL", out ? "device" : "out");
    *out = (tmb_ceilings){0};
    if (threads == 0) threads = tmb__pool_threads(device->pool);
    if (threads < 0 || threads > tmb__pool_threads(device->pool))
        return tmb__fail(TMB_EINVAL, "%d threads, 1 to %d expected: the device has no more",
                threads, tmb__pool_threads(device->pool));
    if (!device->backend->ceilings)
        return tmb__fail(
                TMB_EUNSUPPORTED, "device %s: its ceilings cannot be measured", device->name);
    return device->backend->ceilings(device->handle, threads, out);
}

int tmb_device_profile(tmb_ceilings *out, tmb_device *device)
{
    tmb__profile *p;
    int status;

    if (!out || !device)
        return tmb__fail(TMB_EINVAL, "tmb_device_profile: %s is NULL", out ? "device" : "out");
    *out = (tmb_ceilings){0};
    if (device->profile)
        return tmb__fail(TMB_EINVAL, "device %s is profiled already", device->name);
    if (device->backend->ceilings) TMB_TRY(tmb_device_ceilings(out, device, 0));
    p = tmb__calloc(1, sizeof *p);
    if (!p) return TMB_ENOMEM;
    p->ceilings = *out;
    status = tmb__trace_new(&p->trace);
    if (status < 0)
        tmb__profile_free(p);
    else
        device->profile = p;
    return status;
}

void tmb__profile_free(tmb__profile *p)
{
    if (!p) return;
    for (record *r = p->records, *next; r; r = next) {
        next = r->next;
        record_free(r);
    }
    tmb__trace_free(p->trace);
    tmb__free(p);
}

/* At the device's ceilings. What a sample touches stays in the smallest cache that holds it, since a thread
 * works on one after the other. */
static double least(const tmb_ceilings *c, const timed_op *op, const tmb_op_time *time)
{
    static const int reads[] = {TMB_CEILING_READ_L2, TMB_CEILING_READ_L3, TMB_CEILING_READ_MEMORY};
    const bool bf16 = op->bf16 && c->rate[TMB_CEILING_BF16] > 0;
    int level = 0;

    if (c->threads == 0) return 0;
    while (level < 2 && (op->one.bytes > (double)c->cache[level] || c->rate[reads[level]] <= 0))
        level++;
    return c->threads *
            TMB_MAX(time->flops / c->rate[bf16 ? TMB_CEILING_BF16 : TMB_CEILING_F32],
                    time->bytes / c->rate[reads[level]]);
}

/* Of all runs, from what no sample and one cost. */
static double grown(const record *r, double none, double one)
{
    return (double)r->runs * none + (double)r->samples * (one - none);
}

bool tmb_device_op_time(const tmb_device *device, int i, tmb_op_time *out)
{
    const record *r = device && device->profile ? device->profile->records : NULL;
    const timed_op *op;
    int program = 0;

    for (; r && i >= r->n_ops; r = r->next, program++)
        i -= r->n_ops;
    if (!r || i < 0) return false;
    op = &r->ops[i];
    *out = (tmb_op_time){.program = program,
            .training = r->training,
            .runs = r->runs,
            .samples = r->samples,
            .run_seconds = r->run_seconds,
            .layer = op->layer,
            .op = tmb__op_name(op->kind),
            .how = op->how,
            .flops = grown(r, op->none.flops, op->one.flops),
            .bytes = grown(r, op->none.bytes, op->one.bytes)};
    for (size_t k = (size_t)i; k < r->n_seconds; k += (size_t)r->n_ops)
        out->seconds += r->seconds[k];
    out->least = least(&device->profile->ceilings, op, out);
    return true;
}

void tmb_device_load_time(const tmb_device *device, tmb_load_time *out)
{
    const tmb__trace *trace = tmb__device_trace(device);
    int64_t n;

    out->load = tmb__trace_sum(trace, TMB_EVENT_PHOTO, &out->photos);
    out->decode = tmb__trace_sum(trace, TMB_EVENT_DECODE, &n);
    out->wait = tmb__trace_sum(trace, TMB_EVENT_WAIT, &n);
    out->run = tmb__trace_sum(trace, TMB_EVENT_RUN, &n);
}

int tmb_device_trace(const tmb_device *device, const char *path)
{
    if (!tmb__device_trace(device) || !path)
        return tmb__fail(TMB_EINVAL, "tmb_device_trace: %s",
                path ? "the device is not profiled" : "path is NULL");
    return tmb__trace_write(device->profile->trace, path);
}
