/* trace.c - spans of time from many threads, kept in memory, written as a trace that browsers show
 *
 * The format is Chrome's: {"traceEvents": [{"ph": "X", "pid": 1, "tid": track, "ts": start, "dur": length,
 * "cat": kind, "name": ...}, ...]}, times in microseconds since the trace began. Whoever adds an event takes
 * the next place of its kind with one atomic addition; nothing is allocated and nobody waits. */
#include "base/base.h"

static const struct {
    const char *name;
    int most;
} kinds[TMB_EVENT_KINDS] = {
        [TMB_EVENT_EPOCH] = {"epoch", 4096},
        [TMB_EVENT_VALIDATION] = {"validation", 4096},
        [TMB_EVENT_RUN] = {"run", 8192},
        [TMB_EVENT_WAIT] = {"wait", 8192},
        [TMB_EVENT_BATCH] = {"batch", 8192},
        [TMB_EVENT_PHOTO] = {"photo", 8192},
        [TMB_EVENT_DECODE] = {"decode", 8192},
        [TMB_EVENT_OP] = {"op", 65536},
};

struct tmb__trace {
    double began;
    tmb__event *events; /* of each kind in its own range */
    int first[TMB_EVENT_KINDS];
    atomic_llong n[TMB_EVENT_KINDS], nanoseconds[TMB_EVENT_KINDS];
};

int tmb__trace_new(tmb__trace **out)
{
    tmb__trace *trace = tmb__calloc(1, sizeof *trace);
    int all = 0;

    *out = NULL;
    if (!trace) return TMB_ENOMEM;
    for (int k = 0; k < TMB_EVENT_KINDS; all += kinds[k++].most)
        trace->first[k] = all;
    trace->events = tmb__calloc((size_t)all, sizeof *trace->events);
    if (!trace->events) {
        tmb__trace_free(trace);
        return TMB_ENOMEM;
    }
    trace->began = tmb__now();
    *out = trace;
    return 0;
}

void tmb__trace_free(tmb__trace *trace)
{
    if (!trace) return;
    tmb__free(trace->events);
    tmb__free(trace);
}

double tmb__trace_now(const tmb__trace *trace)
{
    return trace ? tmb__now() : 0;
}

void tmb__trace_add(tmb__trace *trace, tmb__event event)
{
    int64_t at;

    if (!trace) return;
    if (event.end <= 0) event.end = tmb__now();
    at = atomic_fetch_add(&trace->n[event.kind], 1);
    atomic_fetch_add(&trace->nanoseconds[event.kind], (long long)(1e9 * (event.end - event.start)));
    if (at < kinds[event.kind].most) trace->events[trace->first[event.kind] + at] = event;
}

double tmb__trace_sum(const tmb__trace *trace, tmb__event_kind kind, int64_t *n)
{
    *n = trace ? atomic_load(&trace->n[kind]) : 0;
    return trace ? (double)atomic_load(&trace->nanoseconds[kind]) / 1e9 : 0;
}

/* ---- writing ---- */

/* Each track gets its name when it is first seen. */
static void put_event(tmb__strbuf *sb, const tmb__trace *trace, const tmb__event *e, bool *named)
{
    const bool loader = e->track >= TMB__TRACK_LOADER;

    if (!named[e->track])
        tmb__strbuf_add(sb,
                "{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_name\",\"args\":{\"name\":"
                "\"%s %d\"}},\n",
                e->track, loader ? "loader" : "worker", e->track % TMB__TRACK_LOADER);
    named[e->track] = true;
    tmb__strbuf_add(sb,
            "{\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"cat\":\"%s\","
            "\"args\":{\"number\":%lld},\"name\":",
            e->track, 1e6 * (e->start - trace->began), 1e6 * (e->end - e->start),
            kinds[e->kind].name, (long long)e->number);
    tmb__strbuf_json(sb, e->label ? e->label : kinds[e->kind].name);
    tmb__strbuf_add(sb, "},\n");
}

int tmb__trace_write(const tmb__trace *trace, const char *path)
{
    bool named[2 * TMB__TRACK_LOADER] = {false};
    tmb__strbuf sb = {0};
    tmb__bytes bytes;
    int status;

    tmb__strbuf_add(&sb, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    for (int k = 0; k < TMB_EVENT_KINDS; k++) {
        for (int i = 0; i < TMB_MIN(atomic_load(&trace->n[k]), kinds[k].most); i++)
            put_event(&sb, trace, &trace->events[trace->first[k] + i], named);
    }
    tmb__strbuf_add(&sb,
            "{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":"
            "\"thimble\"}}]}\n");
    bytes = (tmb__bytes){(uint8_t *)sb.text, sb.len};
    status = sb.failed ? TMB_ENOMEM : tmb__file_replace(path, &bytes, 1);
    tmb__strbuf_free(&sb);
    return status;
}
