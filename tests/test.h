/* test.h - what a test file needs: TEST(name) { ... }, cmocka's assert_*, data, failing calls
 *
 *     #include "test.h"
 *
 *     TEST(strbuf_grows)
 *     {
 *         assert_int_equal(1 + 1, 2);
 *     }
 *
 * A test registers itself. It runs in a process of its own with a time limit, so that it may crash,
 * hang or leak without harm to the others; what it prints is shown only if it fails. */
#ifndef THIMBLE_TEST_H
#define THIMBLE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

/* Tests take under a second; who needs more asks for it. */
#define TEST(name) TEST_LIMIT(name, 20)
#define TEST_LIMIT(name, seconds)                                                                  \
    static void name(void);                                                                        \
    __attribute__((constructor)) static void name##_register(void)                                 \
    {                                                                                              \
        static test_case self = {__FILE__, #name, name, seconds, NULL};                            \
        test_register(&self);                                                                      \
    }                                                                                              \
    static void name(void)

typedef struct test_case {
    const char *file, *name;
    void (*fn)(void);
    int seconds;
    struct test_case *next;
} test_case;
void test_register(test_case *self);

/* Leave the test: it neither passed nor failed. The reason is printed. */
#define SKIP(...) test_skip(__VA_ARGS__)
_Noreturn void test_skip(const char *fmt, ...) TMB_PRINTF(1, 2);

/* A call that must work, or that must fail with a status; the library's message is shown otherwise. */
#define assert_ok(call)             test_status((call), 0, #call, __FILE__, __LINE__)
#define assert_status(call, status) test_status((call), (status), #call, __FILE__, __LINE__)
void test_status(int found, int expected, const char *call, const char *file, int line);
/* The last message holds `part`. */
void assert_message(const char *part);

/* ---- files; paths are valid until the test ends ---- */

/* Below the shared data folder ($THIMBLE_SHARED, or shared/data beside the source tree); skips
 * the test where that is not there. */
#define TEST_SHARED(path) test_shared(path)
const char *test_shared(const char *path);
const char *test_data(const char *path);   /* below tests/ */
const char *test_golden(const char *path); /* below tests/golden */
/* Below a folder of this test's own, empty at its start and removed at its end. */
const char *test_temp(const char *fmt, ...) TMB_PRINTF(1, 2);
void test_write(const char *path, const void *bytes, size_t n);
/* Keep memory until the test ends and free it then; fails the test if it is NULL. Returns p. */
void *test_keep(void *p);

/* ---- failing calls ----
 *
 *     for (int64_t n = 0;; n++) {
 *         test_fail_from(TMB_GATE_ALLOC, n, 1);
 *         status = the_call();
 *         if (!test_fail_end()) break;            // the n-th was not reached: all were tried
 *         assert_int_equal(status, TMB_ENOMEM);
 *     } */

/* From now on the n-th pass (0 the next) of a gate fails, and `count` in a row (-1: all that follow). */
void test_fail_from(tmb__gate_kind kind, int64_t n, int64_t count);
bool test_fail_end(void); /* gates open again; true if at least one call was made to fail */

#endif
