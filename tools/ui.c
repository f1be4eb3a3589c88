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
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_WIDTH = 24, LINE_SIZE = 256, NOTICES_SHOWN = 5 };

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

/* "thimble train: error: " */
static void print_head(const ui *u, const char *colour, const char *kind)
{
    ui_bar_clear(u);
    fprintf(stderr, "thimble%s%s: ", u->command[0] ? " " : "", u->command);
    if (kind)
        fprintf(stderr, u->colour ? "%s%s:\033[0m " : "%s%s: ", u->colour ? colour : "", kind);
}

void ui_error(const ui *u, int status)
{
    fflush(stdout); /* answers come before what is wrong with them */
    print_head(u, "\033[31m", status == TMB_ESTOPPED ? NULL : "error");
    fprintf(stderr, "%s\n", tmb_errmsg());
    if (tmb_errdetail()[0]) fprintf(stderr, "  detail: %s\n", tmb_errdetail());
    if (tmb_errhint()[0]) fprintf(stderr, "  hint: %s\n", tmb_errhint());
}

static void print_line(const char *fmt, va_list args)
{
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
}

void ui_say(const ui *u, const char *fmt, ...)
{
    va_list args;

    if (u->verbose < 0) return;
    ui_bar_clear(u);
    va_start(args, fmt);
    print_line(fmt, args);
    va_end(args);
}

void ui_warn(const ui *u, const char *fmt, ...)
{
    va_list args;

    if (u->verbose < 0) return;
    print_head(u, "\033[33m", "warning");
    va_start(args, fmt);
    print_line(fmt, args);
    va_end(args);
}

static bool has_notice(const tmb_images *images, const tmb_notice *notice)
{
    for (int64_t i = 0; images && i < tmb_images_notices(images); i++) {
        const tmb_notice *other = tmb_images_notice(images, i);

        if (strcmp(other->path, notice->path) == 0 && strcmp(other->text, notice->text) == 0)
            return true;
    }
    return false;
}

void ui_notices(const ui *u, const tmb_images *images, const tmb_images *told)
{
    int64_t n = tmb_images_notices(images), bad = 0;

    for (int64_t i = 0; i < n; i++) {
        const tmb_notice *notice = tmb_images_notice(images, i);

        if (has_notice(told, notice)) continue;
        if (notice->kind == TMB_NOTICE_WARNING)
            ui_warn(u, "%s%s%s", notice->path, notice->path[0] ? ": " : "", notice->text);
        if (notice->kind == TMB_NOTICE_IGNORED ||
                (notice->kind == TMB_NOTICE_REPAIRED && u->verbose > 0))
            ui_say(u, "note: %s: %s", notice->path, notice->text);
        if (notice->kind == TMB_NOTICE_BAD && (++bad <= NOTICES_SHOWN || u->verbose > 0))
            ui_warn(u, "left out %s: %s", notice->path, notice->text);
    }
    if (bad > NOTICES_SHOWN) ui_warn(u, "left out %lld photos in all", (long long)bad);
}

int ui_finish_output(void)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE) return 0;
    return tmb__fail(TMB_EOUTPUT, "standard output could not be written: %s", strerror(errno));
}

/* ---- the bar ---- */

/* One line in place of the last, cut before the terminal would wrap it; written at once, so that it
 * does not flicker. */
static void redraw(const char *line)
{
    struct winsize size = {0};
    int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;

    fprintf(stderr, "\r%.*s\033[K", width - 1, line);
}

/* "Epoch 3/60 [====>.......] 12/63": no wider than leaves room for the figures on 80 columns. */
static int draw_bar(char line[LINE_SIZE], const tmb_progress *p)
{
    int at = snprintf(line, LINE_SIZE, "Epoch %d/%d [", p->epoch, p->epochs);
    int width = TMB_MAX(BAR_WIDTH - at, 4);
    int done = p->steps > 0 ? (int)((double)width * (double)p->step / (double)p->steps + 0.5) : 0;

    for (int i = 0; i < width; i++)
        line[at++] = i < done ? '=' : i == done ? '>' : '.';
    return at +
            snprintf(line + at, (size_t)(LINE_SIZE - at), "] %lld/%lld  ", (long long)p->step,
                    (long long)p->steps);
}

void ui_count(const ui *u, const char *what, int64_t done, int64_t total)
{
    char line[LINE_SIZE];

    if (!u->terminal || u->verbose < 0) return;
    snprintf(line, sizeof line, "%s %lld/%lld", what, (long long)done, (long long)total);
    redraw(done < total ? line : "");
}

void ui_bar_step(const ui *u, const tmb_progress *p)
{
    static double last; /* the bar is redrawn ten times a second, not at every step */
    double now = tmb__now();
    char line[LINE_SIZE];
    int at;

    if (!u->terminal || u->verbose < 0 || (now - last < 0.1 && p->step < p->steps)) return;
    last = now;
    if (p->keeping) {
        ui_count(u, "Frozen part", p->step, p->steps);
        return;
    }
    at = draw_bar(line, p);
    if (p->validating)
        snprintf(line + at, (size_t)(LINE_SIZE - at), "validating");
    else
        snprintf(line + at, (size_t)(LINE_SIZE - at), "%.0f img/s  ETA %.0fs  loss %.3f  acc %.3f",
                p->images_per_second, ceil(p->eta), p->loss, p->accuracy);
    redraw(line);
}

void ui_bar_epoch(const ui *u, const tmb_epoch *e)
{
    if (u->verbose < 0) return;
    ui_bar_clear(u);
    fprintf(stderr, "Epoch %d/%d %.0fs  loss %.3f acc %.3f", e->number, e->epochs, e->seconds,
            e->loss, e->accuracy);
    if (e->validated)
        fprintf(stderr, "  val_loss %.3f acc %.3f [%.3f, %.3f]", e->val_loss, e->val_accuracy.value,
                e->val_accuracy.low, e->val_accuracy.high);
    if (u->verbose > 0)
        fprintf(stderr, "  lr %.3g, %.0f img/s, %.1fs waiting for photos", e->lr,
                e->images_per_second, e->data_wait);
    fputc('\n', stderr);
}

void ui_bar_clear(const ui *u)
{
    if (u->terminal) fputs("\r\033[K", stderr);
}

void ui_scan(void *user, int64_t done, int64_t total)
{
    if (done >= total || done % 64 == 0) ui_count(user, "Reading photos", done, total);
}

void ui_download(const ui *u, int64_t done, int64_t total)
{
    char line[LINE_SIZE];

    if (!u->terminal || u->verbose < 0) return;
    snprintf(line, sizeof line, "%.1f of %.1f MB", (double)done / 1e6,
            (double)TMB_MAX(done, total) / 1e6);
    redraw(line);
}

/* ---- signals ---- */

static void on_signal(int number)
{
    const int kept = errno;

    if (ui_stopped()) { /* asked again: it takes effect when this handler returns */
        signal(number, SIG_DFL);
        raise(number);
    }
    __atomic_store_n(&ui_stop, number, __ATOMIC_RELAXED);
    errno = kept;
}

void ui_catch_signals(void)
{
    const int wanted[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action = {.sa_handler = on_signal};

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
    return status < 0 ? status : ui_finish_output();
}

const char *share_text(const tmb_share *share, char text[64])
{
    if (share->value == 0 && share->low == 0 && share->high == 1) return "-"; /* of nothing */
    snprintf(text, 64, "%.4f [%.3f, %.3f]", share->value, share->low, share->high);
    return text;
}
