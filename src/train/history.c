/* history.c - an epoch's figures as lines of CSV and JSON
 *
 * The columns of the CSV are Keras' CSVLogger's (keras.md 4.6): epoch from 0, then the rest sorted. */
#include "train/train.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* Append one line to a file, made if it is not there. A log is no reason to lose a training: a fault
 * is a warning, the first time. */
static void append(const char *path, const tmb__strbuf *line, bool first, bool *told)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (first ? O_TRUNC : O_APPEND);
    int fd = tmb__gate(TMB_GATE_IO) ? open(path, flags, 0666) : -1;
    bool ok = fd >= 0 && !line->failed && write(fd, line->text, line->len) == (ssize_t)line->len;

    if (!ok && !*told)
        TMB_LOG(WARN, "%s: history line not written: %s", tmb__printable(path), strerror(errno));
    if (!ok) *told = true;
    if (fd >= 0) close(fd);
}

static void csv_line(tmb__strbuf *sb, const tmb_epoch *e)
{
    tmb__strbuf_add(sb, "%d,%.9g,%.9g,%.9g,", e->number - 1, e->accuracy, e->lr, e->loss);
    if (e->validated)
        tmb__strbuf_add(sb, "%.9g,%.9g\n", e->val_accuracy.value, e->val_loss);
    else
        tmb__strbuf_add(sb, "NA,NA\n");
}

static void json_line(tmb__strbuf *sb, const tmb_epoch *e)
{
    tmb__strbuf_add(sb, "{\"epoch\": %d, \"epochs\": %d, \"loss\": %.9g, \"accuracy\": %.9g, ",
            e->number, e->epochs, e->loss, e->accuracy);
    /* JSON has no word for what is not finite. */
    if (e->validated && !isfinite(e->val_loss)) tmb__strbuf_add(sb, "\"val_loss\": null, ");
    if (e->validated && isfinite(e->val_loss))
        tmb__strbuf_add(sb, "\"val_loss\": %.9g, ", e->val_loss);
    if (e->validated)
        tmb__strbuf_add(sb,
                "\"val_accuracy\": %.9g, \"val_accuracy_low\": %.9g, "
                "\"val_accuracy_high\": %.9g, ",
                e->val_accuracy.value, e->val_accuracy.low, e->val_accuracy.high);
    tmb__strbuf_add(sb,
            "\"learning_rate\": %.9g, \"best\": %s, \"seconds\": %.3f, "
            "\"images_per_second\": %.1f, \"data_wait\": %.3f}\n",
            e->lr, e->best ? "true" : "false", e->seconds, e->images_per_second, e->data_wait);
}

typedef void (*line_fn)(tmb__strbuf *sb, const tmb_epoch *e);

/* The whole history again if `fresh` (a first or a resumed epoch), else its last line. */
static void write_file(
        const char *path, tmb__training *training, bool fresh, line_fn line, const char *header)
{
    tmb__strbuf sb = {0};
    int first = fresh ? 0 : training->n_history - 1;

    if (fresh) tmb__strbuf_add(&sb, "%s", header);
    for (int i = first; i < training->n_history; i++)
        line(&sb, &training->history[i]);
    append(path, &sb, fresh, &training->log_failed);
    tmb__strbuf_free(&sb);
}

void tmb__history_write(const tmb_fit_opts *opts, tmb__training *training, bool fresh)
{
    const char *header = "epoch,accuracy,learning_rate,loss,val_accuracy,val_loss\n";

    if (fresh) training->log_failed = false;
    if (training->n_history == 0) return;
    if (opts->csv) write_file(opts->csv, training, fresh, csv_line, header);
    if (opts->jsonl) write_file(opts->jsonl, training, fresh, json_line, "");
}
