/* run_folder.c - the folder a training writes: lock, settings, report, tables
 *
 * The lock is a flock on RUN/.lock, so a run that died leaves nothing to clean up. run.json has one
 * member for each option given, all of them text as on the command line, so that --resume can read
 * them again, and always the precision, since auto is another one elsewhere; whether the checkpoint fits
 * them is for the library to say. */
#include "run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Options that do not change what is learned: each run has its own. */
static const option_id free_options[] = {OPT_OUTPUT, OPT_RESUME, OPT_FORCE, OPT_QUIET, OPT_VERBOSE,
        OPT_JSON, OPT_PROFILE, OPT_THREADS, OPT_CACHE_MEMORY, OPT_TIME_LIMIT, OPT_MIN_ACCURACY,
        OPT_HELP, OPT_DEVICE};

static bool is_free(int id)
{
    for (size_t i = 0; i < TMB_COUNT(free_options); i++) {
        if ((int)free_options[i] == id) return true;
    }
    return false;
}

static int take_lock(run_folder *run)
{
    char owner[64] = "";

    run->lock = open(run->locked, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (run->lock < 0)
        return tmb__fail_errno(TMB_EOUTPUT, errno, "%s", tmb__printable(run->locked));
    if (flock(run->lock, LOCK_EX | LOCK_NB) == 0) {
        if (ftruncate(run->lock, 0) == 0) dprintf(run->lock, "%ld", (long)getpid());
        return 0;
    }
    if (pread(run->lock, owner, sizeof owner - 1, 0) < 0) owner[0] = 0;
    tmb__fail(TMB_EEXISTS, "%s is in use by another run, process %s", tmb__printable(run->path),
            tmb__printable(owner));
    tmb__hint("wait for it, or train into another folder");
    return TMB_EEXISTS;
}

/* A run that was killed while it wrote a file leaves its temporary one; the lock says it is nobody's. */
static int sweep(const run_folder *run)
{
    tmb__entry *entries;
    int64_t n;

    TMB_TRY(tmb__folder_list(&entries, &n, run->path, TMB_EOUTPUT));
    for (int64_t i = 0; i < n; i++) {
        const char *name = entries[i].name, *end = strrchr(name, '.');
        char *path;

        if (strncmp(name, ".thimble-", 9) != 0 || strcmp(end, ".tmp") != 0) continue;
        path = tmb__path_join(run->path, name);
        if (path) unlink(path);
        tmb__free(path);
    }
    tmb__folder_list_free(entries, n);
    return 0;
}

/* The real path of `path`, or of the deepest folder above it that is there. NULL: none. */
static char *real_path(const char *path)
{
    char *copy = tmb__strdup(path), *real = copy ? realpath(copy, NULL) : NULL;

    while (copy && !real && errno == ENOENT) {
        char *slash = strrchr(copy, '/');

        if (slash) *slash = 0;
        real = realpath(!slash ? "." : copy[0] ? copy : "/", NULL);
        if (!slash) break;
    }
    tmb__free(copy);
    return real;
}

static int check_place(const char *path, const char *data)
{
    char *in = realpath(data, NULL), *out = real_path(path);
    size_t n = in ? strlen(in) : 0;
    bool inside = in && out && strncmp(in, out, n) == 0 && (out[n] == '/' || out[n] == 0);

    free(in);
    free(out);
    if (!inside) return 0;
    tmb__fail(TMB_EINVAL, "%s lies inside the data folder: it would be read as a class",
            tmb__printable(path));
    tmb__hint("-o takes a folder elsewhere");
    return TMB_EINVAL;
}

static int check_free(const run_folder *run, const options *opts)
{
    bool trained = tmb__file_exists(run->model) != 0 || tmb__file_exists(run->checkpoint) != 0;

    if (opt_given(opts, OPT_RESUME)) {
        if (tmb__file_exists(run->checkpoint) == 1) return 0;
        tmb__fail(TMB_EMODEL, "%s: nothing to resume, there is no checkpoint",
                tmb__printable(run->path));
        tmb__hint("a head on features takes seconds and has none: --force begins it anew");
        return TMB_EMODEL;
    }
    if (!trained || opt_given(opts, OPT_FORCE)) return 0;
    tmb__fail(TMB_EEXISTS, "%s holds a run already", tmb__printable(run->path));
    tmb__hint("--resume goes on with it, --force starts anew, -o takes another folder");
    return TMB_EEXISTS;
}

int run_folder_open(run_folder *out, const char *path, const char *data, const options *opts)
{
    *out = (run_folder){.path = path, .lock = -1, .made = tmb__file_exists(path) == 0};
    if (data) TMB_TRY(check_place(path, data));
    TMB_TRY(tmb__folder_make(path));
    out->locked = tmb__path_join(path, ".lock");
    out->model = tmb__path_join(path, "model.thimble");
    out->checkpoint = tmb__path_join(path, "checkpoint.thimble");
    out->metrics = tmb__path_join(path, "metrics.jsonl");
    out->preview = tmb__path_join(path, "preview.png");
    out->split = tmb__path_join(path, "split.csv");
    out->predictions = tmb__path_join(path, "predictions.csv");
    out->settings = tmb__path_join(path, "run.json");
    out->report = tmb__path_join(path, "report.json");
    if (!out->locked || !out->model || !out->checkpoint || !out->metrics || !out->preview ||
            !out->split || !out->predictions || !out->settings || !out->report)
        return TMB_ENOMEM;
    TMB_TRY(take_lock(out));
    TMB_TRY(sweep(out));
    return check_free(out, opts);
}

void run_folder_clear(const run_folder *run)
{
    unlink(run->checkpoint);
    unlink(run->model);
    unlink(run->predictions);
    unlink(run->metrics);
}

void run_folder_close(run_folder *run)
{
    char *names[] = {run->locked, run->model, run->checkpoint, run->metrics, run->preview,
            run->split, run->predictions, run->settings, run->report};

    if (run->lock >= 0 && run->made && tmb__file_exists(run->settings) == 0) {
        unlink(run->locked);
        rmdir(run->path);
    }
    if (run->lock >= 0) close(run->lock);
    for (size_t i = 0; i < TMB_COUNT(names); i++)
        tmb__free(names[i]);
    json_decref(run->then);
    *run = (run_folder){.lock = -1};
}

static int write_text(const char *path, tmb__strbuf *sb)
{
    tmb__bytes part = {(uint8_t *)sb->text, sb->len};
    int status = sb->failed ? TMB_ENOMEM : tmb__file_replace(path, &part, 1);

    tmb__strbuf_free(sb);
    return status;
}

/* ---- run.json ---- */

int run_folder_settings(
        const run_folder *run, const options *opts, const char *data, const tmb_device *device)
{
    char *real = realpath(data, NULL);
    tmb__strbuf sb = {0};

    tmb__strbuf_add(&sb, "{\n  \"data\": ");
    tmb__strbuf_json(&sb, real ? real : data);
    free(real);
    for (int i = 0; i < OPTION_COUNT; i++) {
        const char *text =
                i == OPT_PRECISION ? precision_text(device) : opt_text(opts, (option_id)i, NULL);

        if (is_free(i) || !text) continue;
        tmb__strbuf_add(&sb, ",\n  \"%s\": ", option_table[i].name);
        tmb__strbuf_json(&sb, text);
    }
    tmb__strbuf_add(&sb, "\n}\n");
    return write_text(run->settings, &sb);
}

int run_folder_adopt(run_folder *run, options *opts, const char **data)
{
    json_error_t error;
    const char *name;
    json_t *value;

    run->then = json_load_file(run->settings, 0, &error);
    if (!run->then)
        return tmb__fail(TMB_EMODEL, "%s: %s", tmb__printable(run->settings), error.text);
    json_object_foreach(run->then, name, value)
    {
        const char *text = json_string_value(value);

        if (text && strcmp(name, "data") != 0) TMB_TRY(opt_adopt(opts, name, text));
        if (text && strcmp(name, "data") == 0 && !*data) *data = text;
    }
    TMB_TRY(opt_adopt(opts, "precision", "f32")); /* of the time when all was */
    if (*data) return 0;
    return tmb__fail(TMB_EMODEL, "%s: it does not name the data", tmb__printable(run->settings));
}

/* ---- report.json ---- */

void photo_report_add(photo_report *report, const tmb_notice *notice)
{
    const bool of_the_whole =
            notice->kind == TMB_NOTICE_IGNORED || notice->kind == TMB_NOTICE_WARNING;
    tmb__strbuf *list = &report->list[notice->kind], item = {0};

    tmb__strbuf_add(&item, "{\"file\": ");
    tmb__strbuf_json(&item, notice->path);
    tmb__strbuf_add(&item, ", \"reason\": ");
    tmb__strbuf_json(&item, notice->text);
    tmb__strbuf_add(&item, "}");
    if (item.failed) {
        list->failed = true;
    } else if (!of_the_whole || !list->text || !strstr(list->text, item.text)) {
        tmb__strbuf_add(list, report->n[notice->kind]++ ? ",\n    " : "\n    ");
        tmb__strbuf_bytes(list, item.text, item.len);
    }
    tmb__strbuf_free(&item);
}

void photo_report_free(photo_report *report)
{
    for (size_t i = 0; i < TMB_COUNT(report->list); i++)
        tmb__strbuf_free(&report->list[i]);
}

int run_folder_report(const run_folder *run, const photo_report *report)
{
    static const char *const names[] = {[TMB_NOTICE_BAD] = "bad",
            [TMB_NOTICE_REPAIRED] = "repaired",
            [TMB_NOTICE_IGNORED] = "ignored",
            [TMB_NOTICE_WARNING] = "warnings"};
    tmb__strbuf sb = {0};

    for (size_t i = 0; i < TMB_COUNT(names); i++) {
        const tmb__strbuf *list = &report->list[i];

        tmb__strbuf_add(&sb, "%s\n  \"%s\": [", i ? "," : "{", names[i]);
        if (list->text) tmb__strbuf_bytes(&sb, list->text, list->len);
        tmb__strbuf_add(&sb, list->text ? "\n  ]" : "]");
        if (list->failed) sb.failed = true;
    }
    tmb__strbuf_add(&sb, "\n}\n");
    return write_text(run->report, &sb);
}

/* ---- tables ---- */

static void add_split(tmb__strbuf *sb, tmb_images *images, const char *part)
{
    for (int64_t i = 0; i < tmb_images_count(images); i++) {
        put_csv_field(sb, tmb_images_key(images, i));
        tmb__strbuf_add(sb, ",");
        put_csv_field(sb, tmb_images_class_name(images, tmb_images_label(images, i)));
        tmb__strbuf_add(sb, ",%s\n", part);
    }
}

int run_folder_split(const run_folder *run, tmb_images *train, tmb_images *validation)
{
    tmb__strbuf sb = {0};

    tmb__strbuf_add(&sb, "file_name,label,split\n");
    add_split(&sb, train, "train");
    if (validation) add_split(&sb, validation, "validation");
    return write_text(run->split, &sb);
}

int write_predictions(const char *path, const tmb_images *images, const tmb_evaluation *evaluation)
{
    tmb__strbuf sb = {0};
    int classes = evaluation->classes;

    tmb__strbuf_add(&sb, "file_name,label,predicted");
    for (int k = 0; k < classes; k++) {
        tmb__strbuf_add(&sb, ",");
        put_csv_field(&sb, tmb_images_class_name(images, k));
    }
    tmb__strbuf_add(&sb, "\n");
    for (int64_t i = 0; i < evaluation->n; i++) {
        put_csv_field(&sb, tmb_images_key(images, i));
        tmb__strbuf_add(&sb, ",");
        put_csv_field(&sb, tmb_images_class_name(images, tmb_images_label(images, i)));
        tmb__strbuf_add(&sb, ",");
        put_csv_field(&sb, tmb_images_class_name(images, evaluation->answers[i]));
        for (int k = 0; k < classes; k++)
            tmb__strbuf_add(&sb, ",%.6f", (double)evaluation->probabilities[i * classes + k]);
        tmb__strbuf_add(&sb, "\n");
    }
    return write_text(path, &sb);
}
