/* predict.c - probabilities of photos: decode, preprocess, forward, by the road training used */
#include "train/train.h"

#include <math.h>
#include <string.h>

enum { MOST_AT_ONCE = 65536 };

/* What a worker needs to read photos; kept, so that photo after photo takes no memory anew. */
typedef struct reader {
    tmb__resizer resizer;
    tmb_image kept;
} reader;

struct tmb_predictor {
    const tmb_model *model;
    tmb_device *device;
    bool own_device;
    tmb__scorer scorer;
    int batch, classes;
    int64_t inputs;    /* floats of one photo */
    float *x, *scores; /* (batch, h, w, c), (batch, outputs) */
    reader *readers;   /* one for each worker */
    int n_readers;
    float *distance; /* of the photos of the last call, if the model can tell */
    int n, room;
};

static int allocate(tmb_predictor *p)
{
    p->x = tmb__calloc((size_t)p->batch * (size_t)p->inputs, sizeof *p->x);
    p->scores = tmb__calloc((size_t)p->batch * (size_t)p->scorer.outputs, sizeof *p->scores);
    p->n_readers = tmb_device_threads(p->device);
    p->readers = tmb__calloc((size_t)p->n_readers, sizeof *p->readers);
    return p->x && p->scores && p->readers ? 0 : TMB_ENOMEM;
}

int tmb_predictor_new(
        tmb_predictor **out, const tmb_model *model, tmb_device *device, int max_batch)
{
    tmb_predictor *p;
    int status = 0;

    if (!out) return tmb__fail(TMB_EINVAL, "predictor: out is NULL");
    *out = NULL;
    if (!model) return tmb__fail(TMB_EINVAL, "predictor: model is NULL");
    if (max_batch > MOST_AT_ONCE)
        return tmb__fail(
                TMB_EINVAL, "predictor: max_batch is %d, above %d", max_batch, MOST_AT_ONCE);
    if (!model->has_preprocess)
        return tmb__fail(TMB_EMODEL, "the model does not say how photos become its input");
    p = tmb__calloc(1, sizeof *p);
    if (!p) return TMB_ENOMEM;
    p->model = model;
    p->device = device;
    p->batch = max_batch > 0 ? max_batch : 1;
    if (!device) {
        p->own_device = true;
        status = tmb_device_open(&p->device, NULL, 0);
    }
    if (status == 0) status = tmb__scorer_measuring(&p->scorer, model, p->device, p->batch);
    if (status == 0) {
        p->classes = p->scorer.outputs == 1 ? 2 : p->scorer.outputs;
        p->inputs = p->scorer.inputs;
        status = allocate(p);
    }
    if (status < 0) {
        tmb_predictor_free(p);
        return status;
    }
    *out = p;
    return 0;
}

void tmb_predictor_free(tmb_predictor *p)
{
    if (!p) return;
    for (int i = 0; p->readers && i < p->n_readers; i++) {
        tmb__resizer_free(&p->readers[i].resizer);
        tmb_image_free(&p->readers[i].kept);
    }
    tmb__free(p->readers);
    tmb__free(p->x);
    tmb__free(p->scores);
    tmb__free(p->distance);
    tmb__scorer_free(&p->scorer);
    if (p->own_device) tmb_device_free(p->device);
    tmb__free(p);
}

static void take(tmb_predictor *p, const reader *r, int slot)
{
    tmb__preprocess_run(&p->model->preprocess, &r->kept, false, p->x + slot * p->inputs);
}

static int load_image(tmb_predictor *p, const tmb_image *image)
{
    reader *r = &p->readers[0];

    TMB_TRY(tmb__preprocess_shrink(&p->model->preprocess, &r->resizer, image, &r->kept));
    take(p, r, 0);
    return 0;
}

static int load_file(tmb_predictor *p, int worker, const char *path, int slot)
{
    reader *r = &p->readers[worker];

    TMB_TRY(tmb__preprocess_read(&p->model->preprocess, &r->resizer, path, NULL, &r->kept, NULL));
    take(p, r, slot);
    return 0;
}

/* The decoder only reads them. */
static int load_bytes(tmb_predictor *p, const void *data, size_t size)
{
    reader *r = &p->readers[0];
    const tmb__bytes file = {(uint8_t *)(uintptr_t)data, size};

    TMB_TRY(tmb__preprocess_decode(
            &p->model->preprocess, &r->resizer, &file, NULL, &r->kept, NULL));
    take(p, r, 0);
    return 0;
}

/* A call with n photos begins: room for their distances. */
static int begin(tmb_predictor *p, int n)
{
    p->n = 0;
    if (!p->scorer.unknown || n <= p->room) return 0;
    tmb__free(p->distance);
    p->room = 0;
    p->distance = tmb__calloc((size_t)n, sizeof *p->distance);
    if (!p->distance) return TMB_ENOMEM;
    p->room = n;
    return 0;
}

float tmb_predictor_distance(const tmb_predictor *p, int i)
{
    if (!p || !p->scorer.unknown) return -1;
    return i >= 0 && i < p->n ? p->distance[i] : NAN;
}

/* The next n photos of a call, at most a batch. */
static int score(tmb_predictor *p, int n, float *probabilities)
{
    TMB_TRY(tmb__scorer_run(&p->scorer, p->x, n, p->scores));
    if (p->scorer.unknown)
        memcpy(p->distance + p->n, p->scorer.distance, (size_t)n * sizeof *p->distance);
    p->n += n;
    for (int i = 0; i < n; i++)
        tmb__metric_probabilities(probabilities + (int64_t)i * p->classes,
                p->scores + (int64_t)i * p->scorer.outputs, p->scorer.outputs);
    return 0;
}

int tmb_predict_image(tmb_predictor *p, const tmb_image *image, float *probabilities)
{
    if (!p || !image || !image->pixels || !probabilities)
        return tmb__fail(TMB_EINVAL, "predict: an argument is NULL");
    TMB_TRY(begin(p, 1));
    TMB_TRY(load_image(p, image));
    return score(p, 1, probabilities);
}

int tmb_predict_file(tmb_predictor *p, const char *path, float *probabilities)
{
    if (!p || !path || !probabilities) return tmb__fail(TMB_EINVAL, "predict: an argument is NULL");
    TMB_TRY(begin(p, 1));
    TMB_TRY(load_file(p, 0, path, 0));
    return score(p, 1, probabilities);
}

int tmb_predict_bytes(tmb_predictor *p, const void *data, size_t size, float *probabilities)
{
    if (!p || !data || !probabilities) return tmb__fail(TMB_EINVAL, "predict: an argument is NULL");
    TMB_TRY(begin(p, 1));
    TMB_TRY(load_bytes(p, data, size));
    return score(p, 1, probabilities);
}

/* Photos first .. first + batch of a call, decoded side by side. */
typedef struct decode_job {
    tmb_predictor *p;
    const char *const *paths; /* of the first */
    int *status;
    char **messages;
} decode_job;

static void decode_one(void *user, int task, int worker)
{
    const decode_job *job = user;

    job->status[task] = load_file(job->p, worker, job->paths[task], task);
    if (job->status[task] < 0) job->messages[task] = tmb__strdup(tmb_errmsg());
}

/* Of a photo that could not be read, no row but zeros. */
static void blank_failed(tmb_predictor *p, float *probabilities, const int *status, int n)
{
    const size_t bytes = (size_t)p->classes * sizeof *probabilities;

    for (int i = 0; i < n; i++) {
        if (status[i] == 0) continue;
        memset(probabilities + i * p->classes, 0, bytes);
        if (p->scorer.unknown) p->distance[p->n - n + i] = NAN;
    }
}

int tmb_predict_files(tmb_predictor *p, const char *const *paths, int n, float *probabilities,
        int *status, char **messages)
{
    if (!p || !paths || !probabilities || !status || !messages)
        return tmb__fail(TMB_EINVAL, "predict: an argument is NULL");
    for (int i = 0; i < n; i++) {
        status[i] = 0;
        messages[i] = NULL;
    }
    TMB_TRY(begin(p, n));
    for (int first = 0; first < n; first += p->batch) {
        int count = TMB_MIN(p->batch, n - first);
        float *rows = probabilities + (int64_t)first * p->classes;
        decode_job job = {p, paths + first, status + first, messages + first};

        tmb__pool_run(p->device->pool, count, decode_one, &job);
        TMB_TRY(score(p, count, rows));
        blank_failed(p, rows, job.status, count);
    }
    return 0;
}
