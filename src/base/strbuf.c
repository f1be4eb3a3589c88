/* strbuf.c - a growing string, and numbers to and from text in the "C" locale
 *
 * A program may have set a locale with a decimal comma; files and options always use the point, so
 * each conversion runs in the "C" locale of this thread alone. */
#include "base/base.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Change this thread's locale to "C"; give the result to leave_c_locale. */
static locale_t enter_c_locale(void)
{
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);

    return c ? uselocale(c) : (locale_t)0;
}

static void leave_c_locale(locale_t old)
{
    if (old) freelocale(uselocale(old));
}

/* Room for `n` bytes more and the NUL. */
static bool grow(tmb__strbuf *sb, size_t n)
{
    size_t need, cap = TMB_MAX(sb->cap, 64);
    char *text;

    if (sb->failed) return false;
    if (tmb__add(sb->len, n, &need) && tmb__add(need, 1, &need)) {
        if (need <= sb->cap) return true;
        while (cap < need && cap <= SIZE_MAX / 2)
            cap *= 2;
        text = tmb__realloc(sb->text, TMB_MAX(cap, need), 1);
        if (text) {
            sb->text = text;
            sb->cap = TMB_MAX(cap, need);
            return true;
        }
    }
    sb->failed = true;
    return false;
}

void tmb__strbuf_bytes(tmb__strbuf *sb, const void *bytes, size_t n)
{
    if (!grow(sb, n)) return;
    if (n) memcpy(sb->text + sb->len, bytes, n);
    sb->len += n;
    sb->text[sb->len] = '\0';
}

void tmb__strbuf_add(tmb__strbuf *sb, const char *fmt, ...)
{
    const locale_t old = enter_c_locale();
    va_list args, again;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0) sb->failed = true;
    if (n >= 0 && grow(sb, (size_t)n)) {
        vsnprintf(sb->text + sb->len, (size_t)n + 1, fmt, again);
        sb->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
    leave_c_locale(old);
}

int tmb__utf8_length(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    const int n = *p < 0x80           ? 1
            : *p >= 0xc2 && *p < 0xe0 ? 2
            : *p >= 0xe0 && *p < 0xf0 ? 3
            : *p >= 0xf0 && *p < 0xf5 ? 4
                                      : 0;

    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    if (n == 3 && ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f))) return 0;
    if (n == 4 && ((*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))) return 0;
    return n;
}

void tmb__strbuf_json(tmb__strbuf *sb, const char *text)
{
    tmb__strbuf_add(sb, "\"");
    for (int n; *text; text += n ? n : 1) {
        n = tmb__utf8_length(text);
        if (n == 0)
            tmb__strbuf_add(sb, "\\ufffd");
        else if (*text == '"' || *text == '\\')
            tmb__strbuf_add(sb, "\\%c", *text);
        else if (n == 1 && (*text < 0x20 || *text == 0x7f))
            tmb__strbuf_add(sb, "\\u%04x", *text);
        else
            tmb__strbuf_bytes(sb, text, (size_t)n);
    }
    tmb__strbuf_add(sb, "\"");
}

void tmb__strbuf_free(tmb__strbuf *sb)
{
    tmb__free(sb->text);
    *sb = (tmb__strbuf){0};
}

/* After the digits at `s`, or NULL if there are none. */
static const char *skip_digits(const char *s)
{
    const char *start = s;

    while (*s >= '0' && *s <= '9')
        s++;
    return s > start ? s : NULL;
}

/* [+-] digits [. digits] [e [+-] digits], or with digits only after the point. strtod would also take
 * blanks, "inf", "nan" and hexadecimal. */
static bool is_decimal(const char *s)
{
    const char *whole, *part = NULL;

    if (*s == '+' || *s == '-') s++;
    whole = skip_digits(s);
    if (whole) s = whole;
    if (*s == '.') {
        s++;
        part = skip_digits(s);
        if (part) s = part;
    }
    if (!whole && !part) return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        if (*s == '+' || *s == '-') s++;
        s = skip_digits(s);
    }
    return s && *s == '\0';
}

bool tmb__parse_double(const char *text, double *out)
{
    locale_t old;
    double value;

    if (!is_decimal(text)) return false;
    old = enter_c_locale();
    value = strtod(text, NULL);
    leave_c_locale(old);
    if (!isfinite(value)) return false;
    *out = value;
    return true;
}

bool tmb__parse_int(const char *text, int64_t *out)
{
    const char *digits = *text == '+' || *text == '-' ? text + 1 : text;
    const char *end = skip_digits(digits);
    long long value;

    if (!end || *end) return false;
    errno = 0;
    value = strtoll(text, NULL, 10);
    if (errno) return false;
    *out = value;
    return true;
}

/* Row i of the table holds the distances of a's first i letters to all beginnings of b. */
int tmb__edit_distance(const char *a, const char *b)
{
    enum { MOST = 64 };
    int row[MOST + 1], n = (int)strnlen(b, MOST + 1);

    if (n > MOST || strnlen(a, MOST + 1) > MOST) return MOST;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];

        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            best = TMB_MIN(best, row[j] + 1);
            row[j] = TMB_MIN(best, row[j - 1] + 1);
        }
    }
    return row[n];
}
