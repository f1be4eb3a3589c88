/* run_folder.c - the folder a training writes: lock, settings, tables
 *
 * The lock is a flock on RUN/.lock, so a run that died leaves nothing to clean up. */
#include "run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Options that do not change what is learned: resume may change them. */
static const option_id free_options[] = {OPT_OUTPUT, OPT_RESUME, OPT_FORCE, OPT_QUIET, OPT_VERBOSE,
        OPT_JSON, OPT_THREADS, OPT_CACHE_MEMORY, OPT_TIME_LIMIT, OPT_MIN_ACCURACY, OPT_HELP,
        OPT_DEVICE};

static bool is_free(int id)
{
    for (size_t i = 0; i < TMB_COUNT(free_options); i++) {
        if ((int)free_options[i] == id) return true;
    }
    return false;
}

static int take_lock(run_folder *run)
{
    char *path = tmb__path_join(run->path, ".lock");
    int status = 0;

    if (!path) return TMB_ENOMEM;
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (run->lock < 0) {
        status = tmb__fail_errno(TMB_EOUTPUT, errno, "%s", path);
    } else if (flock(run->lock, LOCK_EX | LOCK_NB) != 0) {
        char owner[64] = "";
        ssize_t n = pread(run->lock, owner, sizeof owner - 1, 0);

        owner[n > 0 ? n : 0] = 0;
        status = tmb__fail(TMB_EEXISTS, "%s is in use by another run%s%s", run->path,
                n > 0 ? ", process " : "", owner);
        tmb__hint("wait for it, or train into another folder");
    } else if (ftruncate(run->lock, 0) == 0) {
        dprintf(run->lock, "%ld", (long)getpid());
    }
    tmb__free(path);
    return status;
}

static int check_free(const run_folder *run, const options *opts)
{
    bool trained = tmb__file_exists(run->model) != 0 || tmb__file_exists(run->checkpoint) != 0;

    if (opt_given(opts, OPT_RESUME)) {
        if (tmb__file_exists(run->checkpoint) == 1) return 0;
        return tmb__fail(TMB_EMODEL, "%s: nothing to resume, there is no checkpoint", run->path);
    }
    if (!trained || opt_given(opts, OPT_FORCE)) return 0;
    tmb__fail(TMB_EEXISTS, "%s holds a run already", tmb__printable(run->path));
    tmb__hint("--resume goes on with it, --force starts anew, -o takes another folder");
    return TMB_EEXISTS;
}

int run_folder_open(run_folder *out, const char *path, const options *opts)
{
    *out = (run_folder){.path = path, .lock = -1};
    TMB_TRY(tmb__folder_make(path));
    out->model = tmb__path_join(path, "model.thimble");
    out->checkpoint = tmb__path_join(path, "checkpoint.thimble");
    out->metrics = tmb__path_join(path, "metrics.jsonl");
    out->preview = tmb__path_join(path, "preview.png");
    out->split = tmb__path_join(path, "split.csv");
    out->predictions = tmb__path_join(path, "predictions.csv");
    out->settings = tmb__path_join(path, "run.json");
    if (!out->model || !out->checkpoint || !out->metrics || !out->preview || !out->split ||
            !out->predictions || !out->settings)
        return TMB_ENOMEM;
    TMB_TRY(take_lock(out));
    TMB_TRY(check_free(out, opts));
    if (!opt_given(opts, OPT_RESUME)) unlink(out->checkpoint);
    return 0;
}

void run_folder_close(run_folder *run)
{
    char *names[] = {run->model, run->checkpoint, run->metrics, run->preview, run->split,
            run->predictions, run->settings};

    for (size_t i = 0; i < TMB_COUNT(names); i++)
        tmb__free(names[i]);
    if (run->lock >= 0) close(run->lock);
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

static void settings_text(tmb__strbuf *sb, const options *opts, const char *data)
{
    tmb__strbuf_add(sb, "{\n  \"data\": ");
    put_json_string(sb, data);
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (is_free(i) || !opts->value[i].set) continue;
        tmb__strbuf_add(sb, ",\n  \"%s\": ", option_table[i].name);
        put_json_string(sb, opts->value[i].text);
    }
    tmb__strbuf_add(sb, "\n}\n");
}

/* Both texts were written by settings_text, so lines can be compared. */
static int compare_settings(const run_folder *run, const char *now)
{
    tmb__bytes then;

    TMB_TRY(tmb__file_read(&then, run->settings, 1 << 20, TMB_EMODEL));
    if (then.size == strlen(now) && memcmp(then.data, now, then.size) == 0) {
        tmb__free(then.data);
        return 0;
    }
    tmb__fail(TMB_EINVAL, "%s: the run was started with other options", run->settings);
    tmb__detail("then %.*s; now %s", (int)TMB_MIN(then.size, 200), (char *)then.data, now);
    tmb__hint("resume with the data and options of the first run");
    tmb__free(then.data);
    return TMB_EINVAL;
}

int run_folder_settings(const run_folder *run, const options *opts, const char *data)
{
    tmb__strbuf sb = {0};
    int status;

    settings_text(&sb, opts, data);
    if (sb.failed || !opt_given(opts, OPT_RESUME)) return write_text(run->settings, &sb);
    status = compare_settings(run, sb.text);
    tmb__strbuf_free(&sb);
    return status;
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
