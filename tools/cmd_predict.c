/* cmd_predict.c - thimble predict: class and probability of photos, keyed by file */
#include "ui.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CHUNK = 64, TOP_MOST = 64, STDIN_MOST = 256 << 20 };

/* The photos asked for, in order; the names are owned. */
typedef struct file_list {
    char **names;
    int n, cap;
} file_list;

typedef struct predict_job {
    const options *opts;
    tmb_model *model;
    tmb_predictor *predictor;
    int n, classes, top, bad;
    tmb__failure first; /* of the photos that could not be read */
    bool any, tells;    /* an answer is out; the model tells unknown photos */
} predict_job;

/* What is said of a photo: probabilities, or why there are none. */
typedef struct answer {
    const char *name;
    const float *p;
    const char *error;
    double distance; /* above 1: unknown */
} answer;

static int add_file(file_list *list, const char *name)
{
    if (list->n == list->cap) {
        int cap = TMB_MAX(64, list->cap * 2);
        char **grown = tmb__realloc(list->names, (size_t)cap, sizeof *grown);

        if (!grown) return TMB_ENOMEM;
        list->names = grown;
        list->cap = cap;
    }
    list->names[list->n] = tmb__strdup(name);
    return list->names[list->n++] ? 0 : TMB_ENOMEM;
}

/* A folder stands for the photos in it and below it, in sorted order. */
static int add_path(file_list *list, const char *path, int depth)
{
    tmb__entry *entries;
    int64_t n;
    int status = 0;

    if (tmb__file_exists(path) != 2) return add_file(list, path);
    if (depth > 32)
        return tmb__fail(TMB_EDATA, "%s: folders nested too deep", tmb__printable(path));
    TMB_TRY(tmb__folder_list(&entries, &n, path, TMB_EDATA));
    for (int64_t i = 0; i < n && status == 0; i++) {
        char *inner;

        if (entries[i].name[0] == '.' || !(entries[i].is_file || entries[i].is_folder)) continue;
        inner = tmb__path_join(path, entries[i].name);
        status = inner ? add_path(list, inner, depth + 1) : TMB_ENOMEM;
        tmb__free(inner);
    }
    tmb__folder_list_free(entries, n);
    return status;
}

/* Names from a file or standard input, one a line. */
static int add_names_from(file_list *list, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    char line[8192];
    int status = 0;

    if (!file) return tmb__fail_errno(TMB_EDATA, errno, "%s", tmb__printable(path));
    while (status == 0 && fgets(line, sizeof line, file)) {
        size_t n = strlen(line);

        if (n == sizeof line - 1 && line[n - 1] != '\n')
            status = tmb__fail(TMB_EDATA, "%s: a line is longer than %zu bytes",
                    tmb__printable(path), sizeof line - 2);
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = 0;
        if (n > 0 && status == 0) status = add_path(list, line, 0);
    }
    if (file != stdin) fclose(file);
    return status;
}

/* ---- a photo on standard input ---- */

static int read_stdin(tmb__bytes *out)
{
    size_t room = 1 << 16;

    for (;;) {
        uint8_t *grown = tmb__realloc(out->data, room, 1);

        if (!grown) return TMB_ENOMEM;
        out->data = grown;
        out->size += fread(out->data + out->size, 1, room - out->size, stdin);
        if (out->size < room) break;
        if (room >= STDIN_MOST)
            return tmb__fail(TMB_EDATA, "more than the limit of %d bytes", STDIN_MOST);
        room *= 2;
    }
    return ferror(stdin) ? tmb__fail_errno(TMB_EDATA, errno, "cannot read") : 0;
}

static int predict_stdin(const predict_job *job, float *p)
{
    tmb__bytes bytes = {0};
    int status = read_stdin(&bytes);

    if (status == 0) status = tmb_predict_bytes(job->predictor, bytes.data, bytes.size, p);
    tmb__free(bytes.data);
    return status < 0 ? tmb__fail(status, "standard input: %s", tmb_errmsg()) : 0;
}

/* ---- answers ---- */

/* The `top` most probable classes, best first. */
static int best_classes(const float *p, int classes, int top, int *order)
{
    int n = TMB_MIN(top, classes);

    for (int i = 0; i < n; i++) {
        int best = -1;

        for (int k = 0; k < classes; k++) {
            bool taken = false;

            for (int j = 0; j < i; j++)
                taken |= order[j] == k;
            if (!taken && (best < 0 || p[k] > p[best])) best = k;
        }
        order[i] = best;
    }
    return n;
}

static const char *truth(bool yes)
{
    return yes ? "true" : "false";
}

static void text_answer(tmb__strbuf *sb, const predict_job *job, const answer *a)
{
    int order[TOP_MOST], n = best_classes(a->p, job->classes, job->top, order);

    tmb__strbuf_add(sb, "%s", tmb__printable(a->name));
    for (int i = 0; i < n; i++)
        tmb__strbuf_add(sb, "  %s %.4f", tmb__printable(tmb_model_class_name(job->model, order[i])),
                (double)a->p[order[i]]);
    tmb__strbuf_add(sb, "%s\n", a->distance > 1 ? "  unknown?" : "");
}

static void json_answer(tmb__strbuf *sb, const predict_job *job, const answer *a)
{
    int order[TOP_MOST], n = a->p ? best_classes(a->p, job->classes, job->top, order) : 0;

    tmb__strbuf_add(sb, "{\"file\": ");
    tmb__strbuf_json(sb, a->name);
    if (a->error) {
        tmb__strbuf_add(sb, ", \"error\": ");
        tmb__strbuf_json(sb, a->error);
    } else {
        tmb__strbuf_add(sb, ", \"predictions\": [");
        for (int i = 0; i < n; i++) {
            tmb__strbuf_add(sb, "%s{\"label\": ", i ? ", " : "");
            tmb__strbuf_json(sb, tmb_model_class_name(job->model, order[i]));
            tmb__strbuf_add(sb, ", \"probability\": ");
            put_json_number(sb, (double)a->p[order[i]]);
            tmb__strbuf_add(sb, "}");
        }
        tmb__strbuf_add(sb, "]");
        if (job->tells) {
            tmb__strbuf_add(sb, ", \"unknown\": %s, \"distance\": ", truth(a->distance > 1));
            put_json_number(sb, a->distance);
        }
    }
    tmb__strbuf_add(sb, "}");
}

static void csv_answer(tmb__strbuf *sb, const predict_job *job, const answer *a)
{
    int order[TOP_MOST], n = a->p ? best_classes(a->p, job->classes, job->top, order) : 0;

    for (int i = 0; i < n; i++) {
        put_csv_field(sb, a->name);
        tmb__strbuf_add(sb, ",%d,", i + 1);
        put_csv_field(sb, tmb_model_class_name(job->model, order[i]));
        tmb__strbuf_add(sb, ",%.6f,", (double)a->p[order[i]]);
        if (job->tells) tmb__strbuf_add(sb, ",%.6f,%s", a->distance, truth(a->distance > 1));
        tmb__strbuf_add(sb, "\n");
    }
    if (!a->error) return;
    put_csv_field(sb, a->name);
    tmb__strbuf_add(sb, ",,,,");
    put_csv_field(sb, a->error);
    tmb__strbuf_add(sb, "%s\n", job->tells ? ",," : "");
}

static void one_answer(tmb__strbuf *sb, predict_job *job, const answer *a)
{
    if (opt_given(job->opts, OPT_JSON)) {
        tmb__strbuf_add(sb, job->any ? ",\n " : "[");
        json_answer(sb, job, a);
    } else if (opt_given(job->opts, OPT_CSV)) {
        if (!job->any)
            tmb__strbuf_add(sb, "file_name,rank,label,probability,error%s\n",
                    job->tells ? ",distance,unknown" : "");
        csv_answer(sb, job, a);
    } else if (!a->error) {
        text_answer(sb, job, a);
    } else if (job->n > 1) { /* else the command's own message says it */
        fprintf(stderr, "thimble predict: error: %s\n", a->error);
    }
    job->any = true;
}

static void count_bad(predict_job *job, int status, const char *message)
{
    if (job->bad++ > 0) return;
    tmb__fail(status, "%s", message);
    tmb__failure_save(&job->first, status);
}

static int predict_chunk(predict_job *job, char *const *names, int n)
{
    float *p = tmb__calloc((size_t)n * (size_t)job->classes, sizeof *p);
    float distance[CHUNK];
    int failed[CHUNK];
    char *messages[CHUNK] = {0};
    tmb__strbuf sb = {0};
    int status = p
            ? tmb_predict_files(job->predictor, (const char *const *)names, n, p, failed, messages)
            : TMB_ENOMEM;

    for (int i = 0; i < n; i++) /* those of the last call, which standard input will be */
        distance[i] = tmb_predictor_distance(job->predictor, i);
    for (int i = 0; i < n && status == 0; i++) {
        answer a = {.name = names[i], .p = p + i * job->classes, .error = messages[i]};

        if (strcmp(names[i], "-") == 0) {
            failed[i] = predict_stdin(job, p + i * job->classes);
            distance[i] = tmb_predictor_distance(job->predictor, 0);
            a.error = tmb_errmsg();
        }
        a.distance = (double)distance[i];
        if (failed[i] < 0) {
            count_bad(job, failed[i], a.error);
            a.p = NULL;
        } else {
            a.error = NULL;
        }
        one_answer(&sb, job, &a);
    }
    for (int i = 0; i < n; i++)
        tmb__free(messages[i]);
    tmb__free(p);
    if (status == 0) return ui_print(&sb);
    tmb__strbuf_free(&sb);
    return status;
}

/* All photos unreadable, or some and no --keep-going: exit code 3, after all answers are out. */
static int verdict(const predict_job *job)
{
    if (job->bad == 0 || (job->bad < job->n && opt_given(job->opts, OPT_KEEP_GOING))) return 0;
    if (job->n == 1) return tmb__failure_raise(&job->first);
    tmb__fail(TMB_EDATA, "%d of %d photos could not be read", job->bad, job->n);
    if (job->bad < job->n) tmb__hint("--keep-going accepts that");
    return TMB_EDATA;
}

static int predict(predict_job *job, const file_list *files)
{
    job->n = files->n;
    for (int i = 0; i < files->n; i += CHUNK)
        TMB_TRY(predict_chunk(job, files->names + i, TMB_MIN(CHUNK, files->n - i)));
    if (opt_given(job->opts, OPT_JSON)) puts(job->any ? "]" : "[]");
    return verdict(job);
}

static int collect(file_list *files, const options *opts)
{
    const char *from = opt_text(opts, OPT_FILES_FROM, NULL);

    for (int i = 1; i < opts->n_args; i++)
        TMB_TRY(add_path(files, opts->args[i], 0));
    if (from) TMB_TRY(add_names_from(files, from));
    if (files->n > 0) return 0;
    if (opts->n_args > 1 || from)
        return tmb__fail(
                TMB_EDATA, "%s: no photos there", tmb__printable(from ? from : opts->args[1]));
    tmb__fail(TMB_EINVAL, "predict takes a model and photos, found %s",
            opts->n_args ? "no photo" : "neither");
    tmb__hint("thimble predict runs/first/model.thimble photo.jpg");
    return TMB_EINVAL;
}

static int run(predict_job *job, tmb_device **device, const file_list *files)
{
    int batch = TMB_MIN(files->n, (int)opt_number(job->opts, OPT_BATCH_SIZE, 16));

    TMB_TRY(open_model(&job->model, job->opts->args[0]));
    TMB_TRY(open_device(device, job->opts));
    TMB_TRY(tmb_predictor_new(&job->predictor, job->model, *device, batch));
    job->classes = tmb_model_outputs(job->model) == 1 ? 2 : tmb_model_outputs(job->model);
    if (tmb_model_classes(job->model) != job->classes)
        return tmb__fail(TMB_EMODEL, "the model names %d classes, its net tells %d apart",
                tmb_model_classes(job->model), job->classes);
    job->tells = !(tmb_predictor_distance(job->predictor, 0) < 0);
    return predict(job, files);
}

int cmd_PREDICT(const options *opts)
{
    predict_job job = {.opts = opts, .top = (int)opt_number(opts, OPT_TOP_K, 1)};
    file_list files = {0};
    tmb_device *device = NULL;
    int status = collect(&files, opts);

    if (status == 0) status = run(&job, &device, &files);
    tmb_predictor_free(job.predictor);
    tmb_model_free(job.model);
    status = close_device(device, opts, status);
    for (int i = 0; i < files.n; i++)
        tmb__free(files.names[i]);
    tmb__free(files.names);
    return status;
}
