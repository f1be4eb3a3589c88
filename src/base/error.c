/* error.c - the failure of each thread: a status and three lines of text
 *
 * Whoever detects a fault writes its message here, once; everyone above passes the status on. The
 * text is per thread, so that models in several threads do not mix theirs; a worker's failure is
 * carried to its caller with tmb__failure_save and tmb__failure_raise. */
#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE, DETAIL, HINT };
enum { PRINTABLE_BYTES = 200, PRINTABLE_TEXTS = 4 };

#define X(name, value, exit_code, text) _Static_assert(name == value, "errors.def: " #name);
#include "base/errors.def"
#undef X

static _Thread_local tmb__failure last;

/* The arguments may point into the old text, so the new one is made beside it. */
static void set_text(int line, const char *fmt, va_list args)
{
    char text[sizeof last.text[0]];
    int n = vsnprintf(text, sizeof text, fmt, args);

    if (n < 0) {
        text[0] = '\0';
    } else if ((size_t)n >= sizeof text) {
        memcpy(text + sizeof text - 4, "...", 4);
    }
    memcpy(last.text[line], text, sizeof text);
}

int tmb__fail(int status, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    set_text(MESSAGE, fmt, args);
    va_end(args);
    last.status = status;
    last.text[DETAIL][0] = last.text[HINT][0] = '\0';
    return status;
}

void tmb__detail(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    set_text(DETAIL, fmt, args);
    va_end(args);
}

void tmb__hint(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    set_text(HINT, fmt, args);
    va_end(args);
}

/* The name that manuals and search engines know; POSIX has no function for it. */
static const char *errno_name(int error)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
#define NAME(error) {error, #error}
            NAME(EACCES), NAME(EAGAIN), NAME(EBADF), NAME(EBUSY), NAME(EDQUOT), NAME(EEXIST),
            NAME(EFAULT), NAME(EFBIG), NAME(EINTR), NAME(EINVAL), NAME(EIO), NAME(EISDIR),
            NAME(ELOOP), NAME(EMFILE), NAME(EMLINK), NAME(ENAMETOOLONG), NAME(ENFILE), NAME(ENODEV),
            NAME(ENOENT), NAME(ENOEXEC), NAME(ENOLCK), NAME(ENOMEM), NAME(ENOSPC), NAME(ENOSYS),
            NAME(ENOTDIR), NAME(ENOTEMPTY), NAME(ENOTSUP), NAME(ENXIO), NAME(EOVERFLOW),
            NAME(EPERM), NAME(EPIPE), NAME(EROFS), NAME(ESPIPE), NAME(ESTALE), NAME(ETIMEDOUT),
            NAME(ETXTBSY), NAME(EXDEV)
#undef NAME
    };

    for (size_t i = 0; i < TMB_COUNT(names); i++) {
        if (names[i].error == error) return names[i].name;
    }
    return NULL;
}

int tmb__fail_errno(int status, int error, const char *fmt, ...)
{
    const char *name = errno_name(error);
    char text[sizeof last.text[0]], reason[128];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (strerror_r(error, reason, sizeof reason) != 0) snprintf(reason, sizeof reason, "error");
    if (!name) return tmb__fail(status, "%s: %s (errno %d)", text, reason, error);
    return tmb__fail(status, "%s: %s (%s)", text, reason, name);
}

void tmb__failure_save(tmb__failure *failure, int status)
{
    *failure = last;
    failure->status = status;
}

int tmb__failure_raise(const tmb__failure *failure)
{
    last = *failure;
    return failure->status;
}

const char *tmb_errmsg(void)
{
    return last.text[MESSAGE];
}

const char *tmb_errdetail(void)
{
    return last.text[DETAIL];
}

const char *tmb_errhint(void)
{
    return last.text[HINT];
}

/* Bytes of the UTF-8 character at `s` that a terminal shows as it is; 0: escape its first byte.
 * Control characters are refused, those of two bytes (U+0080 to U+009F) too. */
static int shown_length(const unsigned char *s)
{
    if (s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0)) return 0;
    return tmb__utf8_length((const char *)s);
}

const char *tmb__printable(const char *text)
{
    static _Thread_local char texts[PRINTABLE_TEXTS][PRINTABLE_BYTES + 1];
    static _Thread_local unsigned turn;
    char *const buffer = texts[turn++ % PRINTABLE_TEXTS];
    const unsigned char *s = (const unsigned char *)(text ? text : "(null)");
    size_t len = 0;

    while (*s) {
        const int n = shown_length(s);
        const size_t need = n ? (size_t)n : 4;

        if (len + need > PRINTABLE_BYTES - 3) {
            memcpy(buffer + len, "...", 3);
            len += 3;
            break;
        }
        if (n) {
            memcpy(buffer + len, s, need);
        } else {
            snprintf(buffer + len, need + 1, "\\x%02x", *s);
        }
        len += need;
        s += n ? n : 1;
    }
    buffer[len] = '\0';
    return buffer;
}

int tmb_status_exit(int status)
{
    switch (status) {
    case TMB_OK:
        return 0;
#define X(name, value, exit_code, text)                                                            \
    case name:                                                                                     \
        return exit_code;
#include "base/errors.def"
#undef X
    default:
        return status > 0 ? 0 : 1;
    }
}

const char *tmb_status_text(int status)
{
    switch (status) {
    case TMB_OK:
        return "done";
#define X(name, value, exit_code, text)                                                            \
    case name:                                                                                     \
        return text;
#include "base/errors.def"
#undef X
    default:
        return "unknown status";
    }
}

/* The one place that prints and aborts: a broken promise of ours, in builds that check them. */
_Noreturn void tmb__assert_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion does not hold: %s\n", file, line, cond);
    abort();
}
