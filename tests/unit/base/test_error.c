/* test_error.c - messages, failures between threads, untrusted text, exit codes */
#include "test.h"

#include <errno.h>
#include <string.h>

TEST(error_fail_sets_one_message_and_clears_the_rest)
{
    tmb__detail("old detail");
    tmb__hint("old hint");
    assert_int_equal(tmb__fail(TMB_EDATA, "%s: %d classes, expected %d", "pets", 1, 2), TMB_EDATA);
    assert_string_equal(tmb_errmsg(), "pets: 1 classes, expected 2");
    assert_string_equal(tmb_errdetail(), "");
    assert_string_equal(tmb_errhint(), "");
    tmb__detail("%d photos", 7);
    tmb__hint("add a class");
    assert_string_equal(tmb_errdetail(), "7 photos");
    assert_string_equal(tmb_errhint(), "add a class");
}

TEST(error_message_may_quote_the_last_one)
{
    tmb__fail(TMB_EDATA, "inner");
    tmb__fail(TMB_EDATA, "outer: %s", tmb_errmsg());
    assert_string_equal(tmb_errmsg(), "outer: inner");
}

TEST(error_long_message_is_cut)
{
    char text[2000];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    tmb__fail(TMB_EDATA, "%s", text);
    assert_int_equal(strlen(tmb_errmsg()), 511);
    assert_string_equal(tmb_errmsg() + 508, "...");
}

TEST(error_errno_has_text_and_name)
{
    assert_int_equal(tmb__fail_errno(TMB_EOUTPUT, ENOSPC, "cannot write %s", "a"), TMB_EOUTPUT);
    assert_string_equal(tmb_errmsg(), "cannot write a: No space left on device (ENOSPC)");
    tmb__fail_errno(TMB_EOUTPUT, 4711, "a");
    assert_message("errno 4711");
}

static void fail_there(void *user)
{
    tmb__failure_save(user, tmb__fail(TMB_EMODEL, "made there"));
    tmb__fail(TMB_EDATA, "later");
}

TEST(error_failure_travels_between_threads)
{
    tmb__failure failure;
    tmb__thread *thread;

    tmb__fail(TMB_EINVAL, "mine");
    assert_ok(tmb__thread_start(&thread, fail_there, &failure));
    tmb__thread_join(thread);
    assert_string_equal(tmb_errmsg(), "mine");
    assert_int_equal(tmb__failure_raise(&failure), TMB_EMODEL);
    assert_string_equal(tmb_errmsg(), "made there");
}

TEST(error_printable_shows_control_bytes)
{
    char text[400];
    const char *shown;

    assert_string_equal(tmb__printable("a\x1b[31mb\n\x7f"), "a\\x1b[31mb\\x0a\\x7f");
    assert_string_equal(
            tmb__printable("Gr\xc3\xbc\xc3\x9f \xe7\x8c\xab"), "Gr\xc3\xbc\xc3\x9f \xe7\x8c\xab");
    assert_string_equal(tmb__printable("\xff\xc3"), "\\xff\\xc3");
    assert_string_equal(
            tmb__printable("\xc2\x9b"), "\\xc2\\x9b"); /* a control character of UTF-8 */
    assert_string_equal(tmb__printable(NULL), "(null)");
    memset(text, '\n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    shown = tmb__printable(text);
    assert_true(strlen(shown) <= 200);
    assert_string_equal(shown + strlen(shown) - 3, "...");
}

TEST(error_printable_keeps_four_texts)
{
    const char *a = tmb__printable("a"), *b = tmb__printable("b"), *c = tmb__printable("c"),
               *d = tmb__printable("d");

    assert_string_equal(a, "a");
    assert_string_equal(b, "b");
    assert_string_equal(c, "c");
    assert_string_equal(d, "d");
}

TEST(error_status_gives_exit_code)
{
    assert_int_equal(tmb_status_exit(TMB_OK), 0);
    assert_int_equal(tmb_status_exit(3), 0);
    assert_int_equal(tmb_status_exit(TMB_EDATA), 3);
    assert_int_equal(tmb_status_exit(TMB_ESTOPPED), 130);
    assert_int_equal(tmb_status_exit(-4711), 1);
    assert_string_equal(tmb_status_text(TMB_EDATA), "data cannot be used");
}

static char logged[64];

static void keep_line(void *user, tmb_log_level level, const char *line)
{
    (void)level;
    (*(int *)user)++;
    strncpy(logged, line, sizeof logged - 1);
}

TEST(log_goes_to_the_sink_up_to_its_level)
{
    int lines = 0;

    TMB_LOG(ERROR, "dropped");
    tmb_log_set(keep_line, &lines, TMB_INFO);
    TMB_LOG(INFO, "seen %d", 1);
    TMB_LOG(DEBUG, "not seen");
    assert_int_equal(lines, 1);
    assert_string_equal(logged, "seen 1");
    tmb_log_set(NULL, NULL, TMB_TRACE);
    TMB_LOG(ERROR, "dropped");
    assert_int_equal(lines, 1);
}

TEST(version_names_the_libraries)
{
    assert_string_equal(tmb_version(), "0.1.0");
    assert_non_null(strstr(tmb_build_info(), "thimble 0.1.0 (oneDNN "));
}
