/* test_trace.c - events from threads, their order in the file, and what does not fit */
#include "test.h"

#include <jansson.h>
#include <string.h>

static json_t *written(const tmb__trace *trace)
{
    const char *path = test_temp("trace.json");
    json_error_t error;
    json_t *root;

    assert_ok(tmb__trace_write(trace, path));
    root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!root) fail_msg("line %d: %s", error.line, error.text);
    return root;
}

/* Event number `i` that has a length; NULL past the last. */
static json_t *event_at(const json_t *root, int i)
{
    const json_t *events = json_object_get(root, "traceEvents");

    for (size_t k = 0; k < json_array_size(events); k++) {
        json_t *e = json_array_get(events, k);

        if (strcmp(json_string_value(json_object_get(e, "ph")), "X") == 0 && i-- == 0) return e;
    }
    return NULL;
}

static const char *name_at(const json_t *root, int i)
{
    return json_string_value(json_object_get(event_at(root, i), "name"));
}

TEST(trace_writes_what_was_added)
{
    tmb__trace *trace;
    double now;
    json_t *root;

    assert_ok(tmb__trace_new(&trace));
    now = tmb__trace_now(trace);
    tmb__trace_add(trace, (tmb__event){TMB_EVENT_OP, 3, 0, "a \"b\"", now, now + 0.001});
    tmb__trace_add(trace, (tmb__event){TMB_EVENT_RUN, 0, 7, NULL, now, now + 0.002});
    tmb__trace_add(trace, (tmb__event){TMB_EVENT_EPOCH, .start = now - 1, .end = now + 2});
    root = written(trace);
    assert_string_equal(name_at(root, 0), "epoch");
    assert_string_equal(name_at(root, 1), "run");
    assert_string_equal(name_at(root, 2), "a \"b\"");
    assert_null(event_at(root, 3));
    assert_int_equal(json_integer_value(json_object_get(event_at(root, 2), "tid")), 3);
    assert_true(json_real_value(json_object_get(event_at(root, 2), "dur")) == 1000.0);
    assert_int_equal(json_integer_value(
                             json_object_get(json_object_get(event_at(root, 1), "args"), "number")),
            7);
    json_decref(root);
    tmb__trace_free(trace);
}

static void add_some(void *user, int task, int worker)
{
    (void)task;
    for (int i = 0; i < 1000; i++)
        tmb__trace_add(user, (tmb__event){TMB_EVENT_WAIT, worker, .start = 1, .end = 1.5});
}

/* 16,000 events of a kind that has room for fewer: all are summed, the others' room is untouched. */
TEST(trace_keeps_what_fits_and_sums_the_rest)
{
    tmb__trace *trace;
    tmb__pool *pool;
    int64_t n;
    int kept = 0;
    json_t *root;

    assert_ok(tmb__trace_new(&trace));
    assert_ok(tmb__pool_new(&pool, 4));
    tmb__pool_run(pool, 16, add_some, trace);
    tmb__trace_add(trace, (tmb__event){TMB_EVENT_BATCH, TMB__TRACK_LOADER, .start = 3, .end = 4});
    assert_true(tmb__trace_sum(trace, TMB_EVENT_WAIT, &n) == 8000 && n == 16000);
    assert_true(tmb__trace_sum(trace, TMB_EVENT_BATCH, &n) == 1 && n == 1);
    root = written(trace);
    while (event_at(root, kept) && kept < 20)
        kept++;
    assert_int_equal(kept, 20);
    assert_true(json_array_size(json_object_get(root, "traceEvents")) > 8192);
    assert_true(json_array_size(json_object_get(root, "traceEvents")) < 8192 + 10);
    json_decref(root);
    tmb__pool_free(pool);
    tmb__trace_free(trace);
}

TEST(trace_of_nothing)
{
    tmb__trace *trace;
    int64_t n = 1;

    assert_true(tmb__trace_now(NULL) == 0);
    tmb__trace_add(NULL, (tmb__event){TMB_EVENT_RUN, .start = 1});
    assert_true(tmb__trace_sum(NULL, TMB_EVENT_RUN, &n) == 0 && n == 0);
    assert_ok(tmb__trace_new(&trace));
    json_decref(written(trace));
    assert_status(tmb__trace_write(trace, test_temp("no/such/folder.json")), TMB_EOUTPUT);
    assert_message("no/such/folder.json");
    tmb__trace_free(trace);
}
