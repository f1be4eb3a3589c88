/* test_mem.c - sizes, alignment, gates; strings; the environment */
#include "test.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

TEST(mem_sizes_are_checked)
{
    size_t n = 0;

    assert_true(tmb__mul(3, 4, &n) && n == 12);
    assert_true(tmb__mul(SIZE_MAX, 0, &n) && n == 0);
    assert_true(tmb__mul(0, SIZE_MAX, &n) && n == 0);
    assert_false(tmb__mul(SIZE_MAX / 2 + 1, 2, &n));
    assert_true(tmb__add(SIZE_MAX - 1, 1, &n) && n == SIZE_MAX);
    assert_false(tmb__add(SIZE_MAX, 1, &n));
}

TEST(mem_calloc_is_aligned_and_zero)
{
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *p = tmb__calloc(n, 3);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < 3 * n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xa5, 3 * n);
        tmb__free(p);
    }
    tmb__free(NULL);
}

TEST(mem_impossible_sizes_fail)
{
    assert_null(tmb__calloc(SIZE_MAX / 2, 4));
    assert_message("more than memory can hold");
    assert_null(tmb__calloc(1, SIZE_MAX / 2 + 2));
    assert_null(tmb__realloc(NULL, SIZE_MAX, SIZE_MAX));
    assert_null(tmb__calloc(1, PTRDIFF_MAX));
    assert_message("not enough memory");
}

TEST(mem_realloc_keeps_what_was_there)
{
    char *p = tmb__calloc(4, 1), *kept;

    memcpy(p, "abc", 4);
    p = tmb__realloc(p, 100000, 1);
    assert_string_equal(p, "abc");
    test_fail_from(TMB_GATE_ALLOC, 0, 1);
    kept = tmb__realloc(p, 200000, 1);
    assert_true(test_fail_end());
    assert_null(kept);
    assert_string_equal(p, "abc");
    tmb__free(p);
}

TEST(mem_gate_fails_the_nth)
{
    void *p[3];

    test_fail_from(TMB_GATE_ALLOC, 1, 1);
    assert_true(tmb__gate(TMB_GATE_IO)); /* another kind does not count */
    for (int i = 0; i < 3; i++)
        p[i] = tmb__calloc(1, 1);
    assert_true(test_fail_end());
    assert_true(p[0] && !p[1] && p[2]);
    tmb__free(p[0]);
    tmb__free(p[2]);
    assert_true(tmb__gate(TMB_GATE_ALLOC));
    assert_false(test_fail_end());
}

TEST(mem_counts_allocations)
{
    const uint64_t before = tmb__alloc_count();

    tmb__free(tmb__calloc(1, 1));
    tmb__free(tmb__strdup("a"));
    assert_int_equal(tmb__alloc_count() - before, 2);
}

TEST(strbuf_grows_and_stays_terminated)
{
    tmb__strbuf sb = {0};

    for (int i = 0; i < 1000; i++)
        tmb__strbuf_add(&sb, "%d,", i);
    assert_false(sb.failed);
    assert_int_equal(sb.len, 3890);
    assert_int_equal(strlen(sb.text), sb.len);
    assert_memory_equal(sb.text + sb.len - 8, "998,999,", 9);
    tmb__strbuf_bytes(&sb, "\0x", 2);
    assert_int_equal(sb.len, 3892);
    tmb__strbuf_free(&sb);
    assert_true(!sb.text && !sb.len);
}

TEST(strbuf_keeps_its_first_failure)
{
    tmb__strbuf sb = {0};

    tmb__strbuf_add(&sb, "abc");
    test_fail_from(TMB_GATE_ALLOC, 0, 1);
    tmb__strbuf_add(&sb, "%200s", "x");
    assert_true(test_fail_end());
    assert_true(sb.failed);
    tmb__strbuf_add(&sb, "d");
    assert_string_equal(sb.text, "abc");
    tmb__strbuf_free(&sb);
}

TEST(strbuf_parses_decimals_only)
{
    static const char *const wrong[] = {"", "+", ".", "1e", "e5", "1 ", " 1", "1,5", "0x10", "inf",
            "nan", "1e999", "--1", "1.2.3", "1f"};
    static const struct {
        const char *text;
        double value;
    } right[] = {{"0", 0}, {"-1.5", -1.5}, {"+.5", .5}, {"5.", 5}, {"1e-3", 1e-3}, {"2E+2", 200},
            {"1e-400", 0}, {"0.1", 0.1}};
    double value = 7;

    for (size_t i = 0; i < TMB_COUNT(wrong); i++)
        assert_false(tmb__parse_double(wrong[i], &value));
    assert_true(value == 7);
    for (size_t i = 0; i < TMB_COUNT(right); i++) {
        assert_true(tmb__parse_double(right[i].text, &value));
        assert_true(value == right[i].value);
    }
}

TEST(strbuf_parses_integers_only)
{
    static const char *const wrong[] = {"", "-", "1.0", " 1", "1 ", "0x1", "9223372036854775808"};
    int64_t value = 7;

    for (size_t i = 0; i < TMB_COUNT(wrong); i++)
        assert_false(tmb__parse_int(wrong[i], &value));
    assert_int_equal(value, 7);
    assert_true(tmb__parse_int("-9223372036854775808", &value) && value == INT64_MIN);
    assert_true(tmb__parse_int("+010", &value) && value == 10);
}

TEST(strbuf_does_not_follow_the_locale)
{
    tmb__strbuf sb = {0};
    double value;

    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8")) {
        SKIP("no locale with a decimal comma");
    }
    assert_true(tmb__parse_double("1.5", &value) && value == 1.5);
    tmb__strbuf_add(&sb, "%.2f", 1.5);
    assert_string_equal(sb.text, "1.50");
    tmb__strbuf_free(&sb);
}

TEST(env_empty_counts_as_unset)
{
    setenv("THIMBLE_DEVICE", "", 1);
    assert_null(tmb__env(TMB_ENV_DEVICE));
    setenv("THIMBLE_DEVICE", "ref", 1);
    assert_string_equal(tmb__env(TMB_ENV_DEVICE), "ref");
}

TEST(clock_goes_forward)
{
    const double a = tmb__now(), b = tmb__now();

    assert_true(b >= a && b < a + 10);
}
