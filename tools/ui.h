/* ui.h - what the program says: messages, the bar, answers; and signals */
#ifndef THIMBLE_TOOLS_UI_H
#define THIMBLE_TOOLS_UI_H

#include "opt.h"
#include <thimble/thimble.h>

/* Each command: 0 or a negative status whose message main prints. */
#define X(ID, name, args, help) int cmd_##ID(const options *opts);
#include "commands.def"
#undef X

/* How much to say and how: set once from the options. */
typedef struct ui {
    const char *command;   /* "" before it is known */
    int verbose;           /* -1 quiet, 0, 1 */
    bool terminal, colour; /* of stderr */
} ui;
ui ui_of(const options *opts);

/* The last failure, as `thimble train: error: ...` with detail and hint, to stderr. */
void ui_error(const ui *u, int status);
/* A line to stderr unless quiet; `ui_warn` marks it as a warning. */
void ui_say(const ui *u, const char *fmt, ...) TMB_PRINTF(2, 3);
void ui_warn(const ui *u, const char *fmt, ...) TMB_PRINTF(2, 3);
/* Notices of a data set but those that `told` has too; bad files first five and then counted. */
void ui_notices(const ui *u, const tmb_images *images, const tmb_images *told);

/* Flush stdout; TMB_EOUTPUT if what was printed did not arrive, for another reason than that its
 * reader has gone. */
int ui_finish_output(void);

/* ---- the bar: one line redrawn on a terminal, nothing elsewhere ---- */

void ui_bar_step(const ui *u, const tmb_progress *progress);
/* The line that stays at the end of an epoch. */
void ui_bar_epoch(const ui *u, const tmb_epoch *epoch);
void ui_bar_clear(const ui *u);
/* "Features 1200/2000", gone at the end. */
void ui_count(const ui *u, const char *what, int64_t done, int64_t total);
/* "Reading photos 1200/2000"; matches tmb_images_opts.on_scan. */
void ui_scan(void *user, int64_t done, int64_t total);
void ui_download(const ui *u, int64_t done, int64_t total); /* total 0: unknown */

/* ---- signals: the first asks to stop, the second ends at once ---- */

void ui_catch_signals(void);
extern volatile int ui_stop; /* the signal that came, 0: none; workers ask ui_stopped() */
#define ui_stopped() __atomic_load_n(&ui_stop, __ATOMIC_RELAXED)
/* End as the signal would have, so that the shell sees it. */
_Noreturn void ui_die_by_signal(void);

/* ---- JSON (RFC 8259) and CSV ---- */

void put_json_number(tmb__strbuf *sb, double value); /* null if not finite */
/* A CSV field, quoted where it must be; a byte that is no UTF-8 stays as it is. */
void put_csv_field(tmb__strbuf *sb, const char *text);
/* Print, flush and free. */
int ui_print(tmb__strbuf *sb);

/* ---- shared by commands ---- */

/* A device as the options want it, profiled where they do; closing prints and writes the profile. Returns
 * `status`, or what went wrong in that. */
int open_device(tmb_device **out, const options *opts);
int close_device(tmb_device *device, const options *opts, int status);
int profile_begin(tmb_device *device, const options *opts);
const char *precision_text(const tmb_device *device); /* "f32" or "bf16": what is in force */
int open_model(tmb_model **out, const char *path);
/* The picture options of train, evaluate and preview into `out`. */
void images_opts_from(tmb_images_opts *out, const options *opts);
/* Refuse to write over something without --force; TMB_EEXISTS. */
int check_overwrite(const char *path, const options *opts);
/* Weights of a file into a model, with the command line's --by-name and orders. What was decided is said
 * by the log. */
bool load_opts_given(const options *opts);
int load_weights(tmb_model *model, const char *path, const options *opts);
/* The recipe by name; and the command line's changes to it. */
int recipe_from(tmb_recipe *out, const options *opts);
int recipe_change(tmb_recipe *recipe, const options *opts);
/* How photos of another shape come to a pre-trained net's input. */
int preprocess_from(tmb_model *net, const options *opts);
/* "0.8125  [0.784, 0.838]" */
const char *share_text(const tmb_share *share, char text[64]);

#endif
