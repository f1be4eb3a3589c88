/* test_thread.c - the pool with 1 to 8 threads, single threads, the queue */
#include "test.h"

#include <string.h>
#include <time.h>

enum { TASKS = 500 };

typedef struct tally {
    int done[TASKS]; /* plain ints: a task that runs twice, or a lost one, shows here and under TSan */
    atomic_int busy[8];
    int threads;
} tally;

static void count_task(void *user, int task, int worker)
{
    tally *t = user;

    assert_true(worker >= 0 && worker < t->threads);
    assert_int_equal(
            atomic_fetch_add(&t->busy[worker], 1), 0); /* a worker does one thing at a time */
    t->done[task]++;
    atomic_fetch_sub(&t->busy[worker], 1);
}

TEST(pool_does_each_task_once)
{
    static const int threads[] = {1, 2, 4, 8};

    for (size_t i = 0; i < TMB_COUNT(threads); i++) {
        tally t = {.threads = threads[i]};
        tmb__pool *pool;
        int runs = 0;

        assert_ok(tmb__pool_new(&pool, threads[i]));
        assert_int_equal(tmb__pool_threads(pool), threads[i]);
        for (int n = 0; n <= TASKS; n = n < 20 ? n + 1 : n + 96, runs++) {
            memset(t.done, 0, sizeof t.done);
            tmb__pool_run(pool, n, count_task, &t);
            for (int k = 0; k < TASKS; k++)
                assert_int_equal(t.done[k], k < n);
        }
        assert_int_equal(runs, 26);
        tmb__pool_free(pool);
    }
}

static void wait_a_little(void *user, int task, int worker)
{
    const double start = tmb__now();

    (void)worker;
    while (tmb__now() < start + 2e-5 * (task % 3))
        continue;
    atomic_fetch_add((atomic_int *)user, 1);
}

/* Runs in quick succession and runs after a pause: workers awake, falling asleep, asleep. */
TEST(pool_survives_many_short_runs)
{
    tmb__pool *pool;
    atomic_int sum = 0;
    int expected = 0;

    assert_ok(tmb__pool_new(&pool, 4));
    for (int i = 0; i < 2000; i++) {
        const double pause = tmb__now() + (i % 10 == 0 ? 2e-4 : 0);

        tmb__pool_run(pool, 1 + i % 5, wait_a_little, &sum);
        expected += 1 + i % 5;
        assert_int_equal(atomic_load(&sum), expected);
        while (tmb__now() < pause)
            continue;
    }
    tmb__pool_free(pool);
}

typedef struct shared_pool {
    tmb__pool *pool;
    atomic_int *sum;
} shared_pool;

static void run_often(void *user)
{
    const shared_pool *shared = user;

    for (int i = 0; i < 200; i++)
        tmb__pool_run(shared->pool, 3, wait_a_little, shared->sum);
}

TEST(pool_may_be_shared_by_threads)
{
    atomic_int sum = 0;
    shared_pool shared = {.sum = &sum};
    tmb__thread *threads[3];

    assert_ok(tmb__pool_new(&shared.pool, 2));
    for (int i = 0; i < 3; i++)
        assert_ok(tmb__thread_start(&threads[i], run_often, &shared));
    for (int i = 0; i < 3; i++)
        tmb__thread_join(threads[i]);
    assert_int_equal(atomic_load(&sum), 3 * 200 * 3);
    tmb__pool_free(shared.pool);
}

TEST(pool_run_allocates_nothing)
{
    tmb__pool *pool;
    atomic_int sum = 0;
    uint64_t before;

    assert_ok(tmb__pool_new(&pool, 2));
    before = tmb__alloc_count();
    tmb__pool_run(pool, 100, wait_a_little, &sum);
    assert_int_equal(tmb__alloc_count(), before);
    tmb__pool_free(pool);
    tmb__pool_free(NULL);
}

TEST(pool_refuses_wrong_sizes)
{
    tmb__pool *pool = NULL;

    assert_status(tmb__pool_new(&pool, -1), TMB_EINVAL);
    assert_message("threads: -1, expected 0 to 256");
    assert_status(tmb__pool_new(&pool, 257), TMB_EINVAL);
    assert_null(pool);
    assert_ok(tmb__pool_new(&pool, 0));
    assert_in_range(tmb__pool_threads(pool), 1, 256);
    tmb__pool_free(pool);
}

TEST(pool_new_survives_failing_calls)
{
    static const tmb__gate_kind kinds[] = {TMB_GATE_ALLOC, TMB_GATE_THREAD};
    static const int calls[] = {1, 3};

    for (size_t k = 0; k < TMB_COUNT(kinds); k++) {
        for (int n = 0;; n++) {
            tmb__pool *pool;
            int status;

            test_fail_from(kinds[k], n, 1);
            status = tmb__pool_new(&pool, 4);
            if (!test_fail_end()) {
                assert_ok(status);
                assert_int_equal(n, calls[k]);
                tmb__pool_free(pool);
                break;
            }
            assert_status(status, TMB_ENOMEM);
            assert_null(pool);
        }
    }
}

TEST(thread_start_survives_failing_calls)
{
    tmb__thread *thread;

    test_fail_from(TMB_GATE_THREAD, 0, 1);
    assert_status(tmb__thread_start(&thread, run_often, NULL), TMB_ENOMEM);
    assert_message("cannot start a thread");
    assert_true(test_fail_end());
    assert_null(thread);
    tmb__thread_join(NULL);
}

enum { ITEMS = 3000 };

static void push_items(void *user)
{
    static char items[ITEMS];

    for (int i = 0; i < ITEMS; i++)
        assert_true(tmb__queue_push(user, &items[i]));
    tmb__queue_close(user);
}

TEST(queue_keeps_order_and_drains_after_close)
{
    tmb__queue *queue;
    tmb__thread *thread;
    char *first, *item;
    int n = 1;

    assert_ok(tmb__queue_new(&queue, 3));
    assert_ok(tmb__thread_start(&thread, push_items, queue));
    first = tmb__queue_pop(queue);
    for (item = tmb__queue_pop(queue); item; item = tmb__queue_pop(queue))
        assert_ptr_equal(item, first + n++);
    assert_int_equal(n, ITEMS);
    assert_null(tmb__queue_pop(queue));
    assert_false(tmb__queue_push(queue, first));
    tmb__thread_join(thread);
    tmb__queue_free(queue);
}

static void push_one(void *user)
{
    assert_false(tmb__queue_push(user, user));
}

static void close_soon(void *user)
{
    const struct timespec soon = {.tv_nsec = 20000000};

    nanosleep(&soon, NULL);
    tmb__queue_close(user);
}

TEST(queue_closes_waits_no_longer_than_asked)
{
    double start = tmb__now();
    tmb__thread *thread;
    tmb__queue *queue;

    assert_ok(tmb__queue_new(&queue, 1));
    assert_false(tmb__queue_closes(queue, 0.02));
    assert_true(tmb__now() - start >= 0.02);
    start = tmb__now();
    assert_ok(tmb__thread_start(&thread, close_soon, queue));
    assert_true(tmb__queue_closes(queue, 1e6));
    assert_true(tmb__now() - start < 10);
    assert_true(tmb__queue_closes(queue, 1e6));
    tmb__thread_join(thread);
    tmb__queue_free(queue);
}

TEST(queue_close_wakes_a_waiting_push)
{
    tmb__queue *queue;
    tmb__thread *thread;

    assert_ok(tmb__queue_new(&queue, 1));
    assert_true(tmb__queue_push(queue, queue));
    assert_ok(tmb__thread_start(&thread, push_one, queue));
    tmb__queue_close(queue);
    tmb__thread_join(thread);
    assert_ptr_equal(tmb__queue_pop(queue), queue);
    tmb__queue_free(queue);
    assert_status(tmb__queue_new(&queue, 0), TMB_EINVAL);
    tmb__queue_free(NULL);
}
