/* test_main.c - runs the tests: each in a forked process with a time limit
 *
 *     thimble-tests [-l] [--here] [--file NAME] [FILTER]
 *
 * FILTER is a part of "file/test"; --file runs one file; --here does not fork, for debuggers. Ends
 * with 0 if all passed, 77 if all were skipped, 1 if one failed, 2 if there was none to run. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_SKIPPED = 77 };

/* Under a sanitizer everything is slower. */
#ifndef TEST_SLOWNESS
#define TEST_SLOWNESS 1
#endif

static test_case *tests, **tests_end = &tests;
static const test_case *running;
static bool here;
static char temp_folder[64];

void test_register(test_case *self)
{
    *tests_end = self;
    tests_end = &self->next;
}

/* A size that no machine has must fail as NULL, not end the process. The runtimes look these up. */
TMB_API const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:detect_stack_use_after_return=1";
}

TMB_API const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* ---- what tests call ---- */

void test_skip(const char *fmt, ...)
{
    va_list args;

    printf("SKIP: ");
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    _exit(EXIT_SKIPPED);
}

void test_status(int found, int expected, const char *call, const char *file, int line)
{
    if (found == expected) return;
    print_error("%s\n  gave %d (%s), expected %d (%s)\n  message: %s\n  detail: %s\n", call, found,
            tmb_status_text(found), expected, tmb_status_text(expected), tmb_errmsg(),
            tmb_errdetail());
    _fail(file, line);
}

void assert_message(const char *part)
{
    if (strstr(tmb_errmsg(), part)) return;
    print_error("the message is \"%s\", expected \"%s\" in it\n", tmb_errmsg(), part);
    fail();
}

static const char *path_below(const char *folder, const char *path)
{
    const size_t size = strlen(folder) + strlen(path) + 2;
    char *text = test_keep(malloc(size));

    snprintf(text, size, "%s/%s", folder, path);
    return text;
}

const char *test_shared(const char *path)
{
    const char *folder = getenv("THIMBLE_SHARED");
    const char *full = path_below(folder ? folder : TEST_SOURCE_DIR "/../shared/data", path);

    if (!tmb__file_exists(full)) SKIP("%s is not in the shared data", path);
    return full;
}

const char *test_data(const char *path)
{
    return path_below(TEST_SOURCE_DIR "/tests", path);
}

const char *test_golden(const char *path)
{
    return path_below(TEST_SOURCE_DIR "/tests/golden", path);
}

const char *test_temp(const char *fmt, ...)
{
    char name[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    return path_below(temp_folder, name);
}

void test_write(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    if (n) assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* A list of blocks; a test's process frees it by ending, the leak checker sees it as reachable. */
void *test_keep(void *p)
{
    static struct kept {
        struct kept *next;
        void *p;
    } * list;
    struct kept *kept = malloc(sizeof *kept);

    assert_non_null(p);
    assert_non_null(kept);
    *kept = (struct kept){list, p};
    list = kept;
    return p;
}

static struct {
    tmb__gate_kind kind;
    atomic_llong next, failed;
    int64_t from, count;
} failing;

static bool failing_gate(void *user, tmb__gate_kind kind)
{
    int64_t turn;

    (void)user;
    if (kind != failing.kind) return true;
    turn = atomic_fetch_add(&failing.next, 1) - failing.from;
    if (turn < 0 || (failing.count >= 0 && turn >= failing.count)) return true;
    atomic_fetch_add(&failing.failed, 1);
    return false;
}

void test_fail_from(tmb__gate_kind kind, int64_t n, int64_t count)
{
    failing.kind = kind;
    failing.from = n;
    failing.count = count;
    atomic_store(&failing.next, 0);
    atomic_store(&failing.failed, 0);
    tmb__gate_set(failing_gate, NULL);
}

bool test_fail_end(void)
{
    tmb__gate_set(NULL, NULL);
    return atomic_exchange(&failing.failed, 0) > 0;
}

/* ---- the runner ---- */

/* "test_rng" of ".../test_rng.c". */
static const char *stem(const test_case *test)
{
    static char name[128];
    const char *slash = strrchr(test->file, '/');

    snprintf(name, sizeof name, "%s", slash ? slash + 1 : test->file);
    name[strcspn(name, ".")] = '\0';
    return name;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void call_test(void **state)
{
    (void)state;
    running->fn();
}

/* cmocka runs the one function, so that its assertions have somewhere to return to. */
static int run_here(const test_case *test)
{
    const struct CMUnitTest one[] = {{test->name, call_test, NULL, NULL, NULL}};

    running = test;
    return cmocka_run_group_tests(one, NULL, NULL);
}

static int run_forked(const test_case *test, FILE *output)
{
    int status;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child < 0) return -1;
    if (child == 0) {
        dup2(fileno(output), STDOUT_FILENO);
        dup2(fileno(output), STDERR_FILENO);
        alarm((unsigned)(test->seconds * TEST_SLOWNESS));
        exit(run_here(test) ? 1 : 0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    fseek(output, 0, SEEK_END);
    fprintf(output, "ended by signal %d%s\n", WTERMSIG(status),
            WTERMSIG(status) == SIGALRM ? ": time limit" : "");
    return 1;
}

static void show(FILE *output, const char *only)
{
    char line[2048];

    rewind(output);
    while (fgets(line, sizeof line, output)) {
        if (!only || strncmp(line, only, strlen(only)) == 0) printf("    %s", line);
    }
}

static int run_one(const test_case *test)
{
    const double start = tmb__now();
    FILE *output = tmpfile();
    int result;

    snprintf(temp_folder, sizeof temp_folder, "/tmp/thimble-test-XXXXXX");
    if (!output || !mkdtemp(temp_folder)) {
        perror("temporary files");
        exit(2);
    }
    result = here ? run_here(test) : run_forked(test, output);
    printf("%s %s/%s (%.0f ms)\n",
            result == 0                      ? "ok  "
                    : result == EXIT_SKIPPED ? "skip"
                                             : "FAIL",
            stem(test), test->name, 1e3 * (tmb__now() - start));
    if (result == EXIT_SKIPPED) {
        show(output, "SKIP");
    } else if (result != 0) {
        show(output, NULL);
    }
    fclose(output);
    nftw(temp_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return result;
}

/* script/test adds the lines of this file up. */
static void tally(int passed, int failed, int skipped)
{
    const char *path = getenv("THIMBLE_TEST_TALLY");
    FILE *file = path ? fopen(path, "a") : NULL;

    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    if (!file) return;
    fprintf(file, "%d %d %d\n", passed, failed, skipped);
    fclose(file);
}

static bool is_wanted(const test_case *test, const char *file, const char *filter)
{
    char full[256];

    snprintf(full, sizeof full, "%s/%s", stem(test), test->name);
    return (!file || strcmp(stem(test), file) == 0) && (!filter || strstr(full, filter));
}

int main(int argc, char **argv)
{
    const char *file = NULL, *filter = NULL;
    int passed = 0, failed = 0, skipped = 0;
    bool list = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-l") == 0) {
            list = true;
        } else if (strcmp(argv[i], "--here") == 0) {
            here = true;
        } else if (strcmp(argv[i], "--file") == 0 && i + 1 < argc) {
            file = argv[++i];
        } else {
            filter = argv[i];
        }
    }
    for (const test_case *test = tests; test; test = test->next) {
        int result;

        if (!is_wanted(test, file, filter)) continue;
        if (list) {
            printf("%s/%s\n", stem(test), test->name);
            continue;
        }
        result = run_one(test);
        passed += result == 0;
        skipped += result == EXIT_SKIPPED;
        failed += result != 0 && result != EXIT_SKIPPED;
    }
    if (list) return 0;
    tally(passed, failed, skipped);
    return failed ? 1 : passed ? 0 : skipped ? EXIT_SKIPPED : 2;
}
