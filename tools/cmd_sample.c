/* cmd_sample.c - thimble sample: draw a data set of mugs and teapots into train/ and validation/
 *
 * Each picture is a function of (seed, class, number) alone, so the files are the same for any number
 * of threads. Four fifths are for training. */
#include "sample/sample_draw.h"
#include "ui.h"

#include <stdio.h>
#include <string.h>

typedef struct sample_job {
    const options *opts;
    ui u;
    const char *dir;
    uint64_t seed;
    int per_class, validation; /* pictures of a class; of these for validation */
    _Atomic int done;
    _Atomic bool failed;
    tmb__failure failure; /* of the first that failed */
} sample_job;

static int draw_one(const sample_job *job, int class_id, int index)
{
    const sample_id id = {job->seed, class_id, index};
    const char *name = sample_class_names[class_id];
    bool train = index >= job->validation;
    tmb_image image = {.channels = 3};
    float *scratch;
    char path[4096];
    int quality, status = TMB_ENOMEM;

    sample_size(&id, &image.width, &image.height, &quality);
    image.pixels = tmb__calloc((size_t)image.height * (size_t)image.width, 3);
    scratch = tmb__calloc(sample_scratch_floats(image.width, image.height), sizeof *scratch);
    if (image.pixels && scratch) {
        sample_draw(&id, image.pixels, scratch);
        snprintf(path, sizeof path, "%s/%s/%s/%.*s.%d.jpg", job->dir,
                train ? "train" : "validation", name, (int)(strlen(name) - 1), name,
                train ? index - job->validation : index);
        status = tmb_image_write(&image, path, quality);
    }
    tmb__free(scratch);
    tmb__free(image.pixels);
    return status;
}

static void draw_task(void *user, int task, int worker)
{
    sample_job *job = user;
    int status, done;

    (void)worker;
    if (ui_stopped() || job->failed) return;
    status = draw_one(job, task % SAMPLE_CLASSES, task / SAMPLE_CLASSES);
    if (status < 0 && !atomic_exchange(&job->failed, true))
        tmb__failure_save(&job->failure, status);
    done = atomic_fetch_add(&job->done, 1) + 1;
    if (job->u.terminal && job->u.verbose >= 0)
        fprintf(stderr, "\r\033[KDrawing %d/%d", done, job->per_class * SAMPLE_CLASSES);
}

static int make_folders(const sample_job *job)
{
    static const char *const parts[] = {"train", "validation"};
    char path[4096];

    for (size_t p = 0; p < TMB_COUNT(parts); p++) {
        for (int k = 0; k < SAMPLE_CLASSES; k++) {
            snprintf(path, sizeof path, "%s/%s/%s", job->dir, parts[p], sample_class_names[k]);
            TMB_TRY(tmb__folder_make(path));
        }
    }
    return 0;
}

static int draw_all(sample_job *job)
{
    tmb__pool *pool;

    TMB_TRY(make_folders(job));
    TMB_TRY(tmb__pool_new(&pool, (int)opt_number(job->opts, OPT_THREADS, 0)));
    ui_catch_signals();
    tmb__pool_run(pool, job->per_class * SAMPLE_CLASSES, draw_task, job);
    tmb__pool_free(pool);
    ui_bar_clear(&job->u);
    if (job->failed) return tmb__failure_raise(&job->failure);
    if (ui_stopped()) return tmb__fail(TMB_ESTOPPED, "stopped after %d pictures", job->done);
    return 0;
}

int cmd_SAMPLE(const options *opts)
{
    sample_job job = {
            .opts = opts, .u = ui_of(opts), .seed = (uint64_t)opt_number(opts, OPT_SEED, 0)};
    int total = (int)opt_number(opts, OPT_COUNT, 600);

    if (opts->n_args != 1) {
        tmb__fail(TMB_EINVAL, "sample takes one folder to draw into, found %d", opts->n_args);
        tmb__hint("thimble sample toys");
        return TMB_EINVAL;
    }
    job.dir = opts->args[0];
    job.per_class = (total + SAMPLE_CLASSES - 1) / SAMPLE_CLASSES;
    job.validation = TMB_MAX(job.per_class / 5, 1);
    TMB_TRY(check_overwrite(job.dir, opts));
    TMB_TRY(draw_all(&job));
    ui_say(&job.u, "%d pictures of %s and %s in %s", job.per_class * SAMPLE_CLASSES,
            sample_class_names[0], sample_class_names[1], job.dir);
    return 0;
}
