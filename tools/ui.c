/* ui.c - messages, the progress bar and signals
 *
 * stdout carries the answer only. The bar moves only on a terminal; elsewhere an epoch is one line.
 * A message has three lines at most: what and where, detail, hint. */
#include "ui.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 24, NOTICES_SHOWN = 5 };

volatile int ui_stop;

ui ui_of(const options *opts)
{
    bool terminal = isatty(STDERR_FILENO) == 1;
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    bool dumb = term && strcmp(term, "dumb") == 0;

    return (ui){.command = command_table[opts->command].name,
            .verbose = opt_given(opts, OPT_QUIET) ? -1 : opt_given(opts, OPT_VERBOSE),
            .terminal = terminal && !dumb,
            .colour = terminal && !dumb && !(no_colour && no_colour[0])};
}

/* ---- messages ---- */

void ui_error(const ui *u)
{
    const char *red = u->colour ? "\033[31m" : "", *plain = u->colour ? "\033[0m" : "";

    ui_bar_clear(u);
    fprintf(stderr, "thimble %s: %serror:%s %s\n", u->command, red, plain, tmb_errmsg());
    if (tmb_errdetail()[0]) fprintf(stderr, "  detail: %s\n", tmb_errdetail());
    if (tmb_errhint()[0]) fprintf(stderr, "  hint: %s\n", tmb_errhint());
}

void ui_say(const ui *u, const char *fmt, ...)
{
    va_list args;

    if (u->verbose < 0) return;
    ui_bar_clear(u);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

void ui_warn(const ui *u, const char *fmt, ...)
{
    const char *yellow = u->colour ? "\033[33m" : "", *plain = u->colour ? "\033[0m" : "";
    va_list args;

    ui_bar_clear(u);
    fprintf(stderr, "thimble %s: %swarning:%s ", u->command, yellow, plain);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

void ui_notices(const ui *u, const tmb_images *images)
{
    int64_t n = tmb_images_notices(images), bad = 0, repaired = 0;

    for (int64_t i = 0; i < n; i++) {
        const tmb_notice *notice = tmb_images_notice(images, i);

        if (notice->kind == TMB_NOTICE_WARNING)
            ui_warn(u, "%s%s%s", notice->path, notice->path[0] ? ": " : "", notice->text);
        if (notice->kind == TMB_NOTICE_IGNORED && u->verbose >= 0)
            ui_say(u, "note: %s: %s", notice->path, notice->text);
        if (notice->kind == TMB_NOTICE_REPAIRED && ++repaired <= NOTICES_SHOWN && u->verbose > 0)
            ui_say(u, "note: %s: %s", notice->path, notice->text);
        if (notice->kind == TMB_NOTICE_BAD && ++bad <= NOTICES_SHOWN)
            ui_warn(u, "left out %s: %s", notice->path, notice->text);
    }
    if (bad > NOTICES_SHOWN) ui_warn(u, "left out %lld photos in all", (long long)bad);
}

int ui_finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    return tmb__fail(TMB_EOUTPUT, "standard output could not be written: %s", strerror(errno));
}

/* ---- the bar ---- */

static void draw_bar(char *bar, double share)
{
    int done = (int)(share * BAR_WIDTH + 0.5);

    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < done ? '=' : i == done ? '>' : '.';
    bar[BAR_WIDTH] = 0;
}

void ui_bar_step(const ui *u, const tmb_progress *p)
{
    static double last; /* the bar is redrawn ten times a second, not at every step */
    double now = tmb__now();
    char bar[BAR_WIDTH + 1];

    if (!u->terminal || u->verbose < 0) return;
    if (now - last < 0.1 && p->step < p->steps) return;
    last = now;
    draw_bar(bar, p->steps > 0 ? (double)p->step / (double)p->steps : 0);
    if (p->validating)
        fprintf(stderr, "\r\033[KEpoch %d/%d  [%s]  validating %lld/%lld", p->epoch, p->epochs, bar,
                (long long)p->step, (long long)p->steps);
    else
        fprintf(stderr,
                "\r\033[KEpoch %d/%d  [%s] %lld/%lld  %.0f img/s  ETA %.0fs  loss %.4f  acc %.4f",
                p->epoch, p->epochs, bar, (long long)p->step, (long long)p->steps,
                p->images_per_second, ceil(p->eta), p->loss, p->accuracy);
    fflush(stderr);
}

void ui_bar_epoch(const ui *u, const tmb_epoch *e)
{
    char share[64];

    if (u->verbose < 0) return;
    ui_bar_clear(u);
    fprintf(stderr, "Epoch %d/%d  %.1fs  %.0f img/s  loss %.4f  acc %.4f", e->number, e->epochs,
            e->seconds, e->images_per_second, e->loss, e->accuracy);
    if (e->validated)
        fprintf(stderr, "  val_loss %.4f  val_acc %s%s", e->val_loss,
                share_text(&e->val_accuracy, share), e->best ? " *" : "");
    fputc('\n', stderr);
}

void ui_bar_clear(const ui *u)
{
    if (u->terminal) fputs("\r\033[K", stderr);
}

void ui_scan(void *user, int64_t done, int64_t total)
{
    const ui *u = user;

    if (!u->terminal || u->verbose < 0) return;
    if (done < total && done % 64 != 0) return;
    fprintf(stderr, "\r\033[KReading photos %lld/%lld", (long long)done, (long long)total);
    if (done == total) ui_bar_clear(u);
    fflush(stderr);
}

/* ---- signals ---- */

static void on_signal(int number)
{
    if (ui_stop) _exit(128 + number);
    ui_stop = number;
}

void ui_catch_signals(void)
{
    const int wanted[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {0};

    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < TMB_COUNT(wanted); i++) {
        struct sigaction old;

        /* nohup and background jobs ignore some of them on purpose. */
        if (sigaction(wanted[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(wanted[i], &action, NULL);
    }
}

_Noreturn void ui_die_by_signal(void)
{
    int number = ui_stop;

    fflush(NULL);
    signal(number, SIG_DFL);
    raise(number);
    _exit(128 + number);
}

/* ---- text for machines ---- */

/* Length of the valid UTF-8 sequence at `p`, 0 if there is none. */
static int utf8_length(const unsigned char *p)
{
    int n = *p < 0x80                 ? 1
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

void put_json_string(tmb__strbuf *sb, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    tmb__strbuf_add(sb, "\"");
    while (*p) {
        int n = utf8_length(p);

        if (n == 0) /* a byte that is no text: kept visible, U+FFFD would hide which it was */
            tmb__strbuf_add(sb, "\\udc%02x", *p);
        else if (*p == '"' || *p == '\\')
            tmb__strbuf_add(sb, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            tmb__strbuf_add(sb, "\\u%04x", *p);
        else
            tmb__strbuf_bytes(sb, p, (size_t)n);
        p += n ? n : 1;
    }
    tmb__strbuf_add(sb, "\"");
}

void put_json_number(tmb__strbuf *sb, double value)
{
    if (isfinite(value))
        tmb__strbuf_add(sb, "%.9g", value);
    else
        tmb__strbuf_add(sb, "null");
}

void put_csv_field(tmb__strbuf *sb, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        tmb__strbuf_add(sb, "%s", text);
        return;
    }
    tmb__strbuf_add(sb, "\"");
    for (const char *p = text; *p; p++)
        tmb__strbuf_add(sb, *p == '"' ? "\"\"" : "%c", *p);
    tmb__strbuf_add(sb, "\"");
}

int ui_print(tmb__strbuf *sb)
{
    int status = sb->failed ? TMB_ENOMEM : 0;

    if (status == 0 && sb->text) fwrite(sb->text, 1, sb->len, stdout);
    tmb__strbuf_free(sb);
    return status;
}

const char *share_text(const tmb_share *share, char text[64])
{
    snprintf(text, 64, "%.4f [%.3f, %.3f]", share->value, share->low, share->high);
    return text;
}
