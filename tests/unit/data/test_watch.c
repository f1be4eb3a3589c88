/* test_watch.c - a file whose reading takes too long is named, once */
#include "data/images.h"
#include "test.h"

#include <stdio.h>
#include <time.h>

typedef struct heard {
    atomic_int n;
    char last[256];
} heard;

static void hear(void *user, tmb_log_level level, const char *line)
{
    heard *h = user;

    assert_int_equal(level, TMB_WARN);
    snprintf(h->last, sizeof h->last, "%s", line);
    atomic_fetch_add(&h->n, 1);
}

static void wait_ms(int ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000000};

    nanosleep(&time, NULL);
}

TEST(watch_names_what_hangs)
{
    heard h = {0};
    tmb__watch *watch;

    tmb_log_set(hear, &h, TMB_WARN);
    assert_ok(tmb__watch_new(&watch, 2, 0.05));
    tmb__watch_begin(watch, 1, "photos/hangs\n.jpg");
    tmb__watch_begin(watch, 0, "photos/fine.jpg");
    tmb__watch_end(watch, 0);
    while (atomic_load(&h.n) == 0)
        wait_ms(5);
    wait_ms(100); /* it is not named again */
    tmb__watch_end(watch, 1);
    tmb__watch_free(watch);
    tmb_log_set(NULL, NULL, TMB_ERROR);
    assert_int_equal(atomic_load(&h.n), 1);
    assert_string_equal(h.last,
            "photos/hangs\\x0a.jpg: still being read after 0.05 s; does its file system answer?");
}

TEST(watch_ends_at_once)
{
    const double start = tmb__now();
    tmb__watch *watch;

    assert_ok(tmb__watch_new(&watch, 1, TMB__WATCH_SECONDS));
    tmb__watch_begin(watch, 0, "photo.jpg");
    tmb__watch_free(watch);
    tmb__watch_begin(NULL, 0, "photo.jpg");
    tmb__watch_end(NULL, 0);
    tmb__watch_free(NULL);
    assert_true(tmb__now() - start < 5);
}

TEST(watch_new_survives_failing_calls)
{
    static const tmb__gate_kind kinds[] = {TMB_GATE_ALLOC, TMB_GATE_THREAD};
    tmb__watch *watch;

    for (size_t k = 0; k < TMB_COUNT(kinds); k++) {
        for (int64_t n = 0;; n++) {
            int status;

            test_fail_from(kinds[k], n, 1);
            status = tmb__watch_new(&watch, 2, 1);
            if (!test_fail_end()) break;
            assert_status(status, TMB_ENOMEM);
            assert_null(watch);
        }
        tmb__watch_free(watch);
    }
}
