/* show_profile.c - --profile FILE: a trace for the browser, and a table of where the time went
 *
 * The table goes to stderr, as all that is said beside the answer. */
#include "ui.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHOWN = 20 }; /* ops of a program */

static void say_ceilings(const ui *u, const tmb_ceilings *c)
{
    ui_say(u,
            "profile: %d threads, %s: at most %.0f GFLOP/s in f32, %.0f in bf16; %.1f GB/s from "
            "L2, "
            "%.1f from L3, %.1f from memory",
            c->threads, c->vectors ? c->vectors : "", 1e-9 * c->rate[TMB_CEILING_F32],
            1e-9 * c->rate[TMB_CEILING_BF16], 1e-9 * c->rate[TMB_CEILING_READ_L2],
            1e-9 * c->rate[TMB_CEILING_READ_L3], 1e-9 * c->rate[TMB_CEILING_READ_MEMORY]);
}

/* That the file cannot be written is better known now than in the end. */
int profile_begin(tmb_device *device, const options *opts)
{
    const char *path = opt_text(opts, OPT_PROFILE, NULL);
    const ui u = ui_of(opts);
    tmb_ceilings ceilings;

    if (!path) return 0;
    TMB_TRY(check_overwrite(path, opts));
    TMB_TRY(tmb_device_profile(&ceilings, device));
    TMB_TRY(tmb_device_trace(device, path));
    if (ceilings.threads) say_ceilings(&u, &ceilings);
    return 0;
}

/* ---- the table ---- */

/* By program, then the longest first. */
static int by_time(const void *a, const void *b)
{
    const tmb_op_time *x = a, *y = b;

    if (x->program != y->program) return x->program - y->program;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void put_row(tmb__strbuf *sb, const tmb_op_time *op, double whole)
{
    char roof[16] = "-";

    if (op->least > 0) snprintf(roof, sizeof roof, "%.0f %%", 100 * op->least / op->seconds);
    tmb__strbuf_add(sb, "  %-20s %-24s %7lld %9.1f %6.1f %% %8.1f %7.1f %7s  %s\n", op->op,
            op->layer, (long long)op->runs, 1e3 * op->seconds, 100 * op->seconds / whole,
            1e-9 * op->flops / op->seconds, 1e-9 * op->bytes / op->seconds, roof, op->how);
}

/* The ops of one program, `n` of them. */
static void put_program(tmb__strbuf *sb, const tmb_op_time *op, int n, int threads, int shown)
{
    const double whole = threads * op->run_seconds, runs = (double)TMB_MAX(op->runs, 1);
    double rest = 0, idle = whole;

    tmb__strbuf_add(sb,
            "\n%s: %lld runs, %.1f photos and %.2f ms each; times are those of %d threads "
            "together\n"
            "  %-20s %-24s %7s %9s %8s %8s %7s %7s\n",
            op->training ? "training step" : "forward pass", (long long)op->runs,
            (double)op->samples / runs, 1e3 * op->run_seconds / runs, threads, "op", "layer",
            "calls", "thread-ms", "share", "GFLOP/s", "GB/s", "of roof");
    for (int i = 0; i < n; i++) {
        idle -= op[i].seconds;
        if (i < shown && op[i].seconds > 0)
            put_row(sb, &op[i], whole);
        else
            rest += op[i].seconds;
    }
    tmb__strbuf_add(sb, "  %-53s %9.1f %6.1f %%\n  %-53s %9.1f %6.1f %%\n", "all others",
            1e3 * rest, 100 * rest / whole, "threads without work, and between ops", 1e3 * idle,
            100 * idle / whole);
}

static void put_loading(tmb__strbuf *sb, const tmb_load_time *load)
{
    if (load->photos == 0) return;
    tmb__strbuf_add(sb,
            "\n%lld photos loaded, %.3f thread-ms each, %.3f of it decoding; %.1f %% of the time "
            "went by waiting for them, %.0f %% of the loading went on beside the computing\n",
            (long long)load->photos, 1e3 * load->load / (double)load->photos,
            1e3 * load->decode / (double)load->photos, 100 * load->wait / (load->wait + load->run),
            100 * TMB_MAX(1 - load->wait / load->load, 0));
}

/* Programs that took little of the time are worth no table: a model's stored outputs, for one. */
static void put_tables(
        tmb__strbuf *sb, const tmb_device *device, const tmb_op_time *rows, int n, bool every)
{
    tmb_load_time load;

    tmb_device_load_time(device, &load);
    for (int i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && rows[next].program == rows[i].program;)
            next++;
        if (every || rows[i].run_seconds > 0.02 * load.run)
            put_program(sb, &rows[i], next - i, tmb_device_threads(device), every ? n : SHOWN);
    }
    put_loading(sb, &load);
}

static int write_profile(const tmb_device *device, const options *opts)
{
    const char *path = opt_text(opts, OPT_PROFILE, NULL);
    const ui u = ui_of(opts);
    tmb__strbuf sb = {0};
    tmb_op_time *rows, row;
    int n = 0, status;

    while (tmb_device_op_time(device, n, &row))
        n++;
    if (n == 0) {
        remove(path); /* nothing has run: the next try need not be told to overwrite it */
        return 0;
    }
    rows = tmb__calloc((size_t)n, sizeof *rows);
    if (!rows) return TMB_ENOMEM;
    for (int i = 0; i < n; i++)
        tmb_device_op_time(device, i, &rows[i]);
    qsort(rows, (size_t)n, sizeof *rows, by_time);
    put_tables(&sb, device, rows, n, u.verbose > 0);
    tmb__free(rows);
    status = tmb_device_trace(device, path);
    if (sb.text && !sb.failed)
        ui_say(&u, "%s%s: open it in ui.perfetto.dev", sb.text, tmb__printable(path));
    tmb__strbuf_free(&sb);
    return status;
}

int close_device(tmb_device *device, const options *opts, int status)
{
    tmb__failure failure;

    if (device && opt_given(opts, OPT_PROFILE)) {
        tmb__failure_save(&failure, status);
        status = write_profile(device, opts);
        if (failure.status < 0) status = tmb__failure_raise(&failure);
    }
    tmb_device_free(device);
    return status;
}
