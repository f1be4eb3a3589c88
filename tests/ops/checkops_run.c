/* checkops_run.c - one case on one device: filling, guarded buffers, running, reading
 *
 * Inputs are bound from buffers that end exactly behind the n rows of the run and have 64 sentinel
 * bytes on each side. As floats the sentinels are NaN: one that is read shows in the results, one
 * that is written shows here. Data depends on the case and the tensor only, never on the device. */
#include "checkops.h"

#include <math.h>
#include <string.h>

enum { GUARD = 64, SHIFT = 16 };

struct check_run {
    tmb_device *device;
    const check_case *c;
    tmb_program *program;
    float *data[CASE_TENSORS];      /* what is bound or written, at max_batch rows */
    uint8_t *guarded[CASE_TENSORS]; /* GUARD + SHIFT + data + GUARD bytes, of INPUT tensors */
    float *read;                    /* the largest tensor */
};

/* ---- filling ---- */

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    return hash;
}

static float value_of(fill f, tmb__rng *rng)
{
    static const float edges[] = {1, 0.5f, 1e-8f, 0.99999994f, 0.3f};
    static const float far[] = {90, -90, 0, 30, -3};

    switch (f) {
    case FILL_SMALL:
        return (float)(0.3 * tmb__rng_normal(rng));
    case FILL_LATTICE:
        return ((float)tmb__rng_below(rng, 140) - 69.5f) * 0.1f;
    case FILL_TIES:
        return (float)tmb__rng_below(rng, 3);
    case FILL_POSITIVE:
        return (float)tmb__rng_uniform(rng, 0.5, 2);
    case FILL_ZERO:
        return 0;
    case FILL_BITS:
        return (float)tmb__rng_below(rng, 2);
    case FILL_CLASS:
        return (float)tmb__rng_below(rng, 3);
    case FILL_PROBABILITY:
        return (float)tmb__rng_uniform(rng, 0.1, 0.9);
    case FILL_EDGE:
        return edges[tmb__rng_below(rng, TMB_COUNT(edges))];
    case FILL_FAR:
        return far[tmb__rng_below(rng, TMB_COUNT(far))];
    default:
        return (float)tmb__rng_normal(rng);
    }
}

/* Fills whose values depend on each other. */
static int fill_whole(float *data, const tmb_tensor *tensor, fill f, int64_t count, tmb__rng *rng)
{
    const int64_t last = tensor->dim[tensor->rank - 1];
    int64_t *order;

    if (f == FILL_NAN) data[0] = NAN;
    if (f == FILL_ONE_HOT) {
        memset(data, 0, (size_t)count * sizeof *data);
        for (int64_t row = 0; row < count / last; row++)
            data[row * last + tmb__rng_below(rng, (uint32_t)last)] = 1;
    }
    if (f != FILL_SPACED) return 0;
    order = tmb__calloc((size_t)count, sizeof *order);
    if (!order) return TMB_ENOMEM;
    tmb__rng_permute(rng, order, count);
    for (int64_t i = 0; i < count; i++)
        data[i] = ((float)order[i] - (float)count / 2) * 0.0625f;
    tmb__free(order);
    return 0;
}

static int fill_tensor(check_run *run, int t, int64_t count)
{
    tmb__rng rng = tmb__rng_at(hash_of(run->c->name), TMB_STREAM_TEST, (uint64_t)t, 0);
    const fill f = run->c->fill[t];

    for (int64_t i = 0; i < count; i++)
        run->data[t][i] = value_of(f, &rng);
    return fill_whole(run->data[t], &run->c->tensor[t], f, count, &rng);
}

/* ---- making and running ---- */

int64_t check_rows_count(const check_case *c, int tensor, int n)
{
    tmb__shape shape = tmb__shape_of(c->tensor[tensor].rank, c->tensor[tensor].dim);

    if (c->tensor[tensor].batched) shape.dim[0] = n;
    return tmb__shape_count(&shape);
}

static bool kept(const check_case *c, int t)
{
    return c->tensor[t].role == TMB_ROLE_PARAM || c->tensor[t].role == TMB_ROLE_STATE;
}

bool check_run_readable(const check_case *c, int tensor)
{
    const tmb_role role = c->tensor[tensor].role;

    return kept(c, tensor) || role == TMB_ROLE_GRAD || role == TMB_ROLE_OUTPUT;
}

static int make_buffers(check_run *run)
{
    int64_t most = 1;

    for (int t = 0; t < run->c->n_tensors; t++) {
        const int64_t count = check_rows_count(run->c, t, run->c->max_batch);
        const bool input = run->c->tensor[t].role == TMB_ROLE_INPUT;

        most = TMB_MAX(most, count);
        if (!input && !kept(run->c, t)) continue;
        run->data[t] = tmb__calloc((size_t)count, sizeof(float));
        if (!run->data[t]) return TMB_ENOMEM;
        TMB_TRY(fill_tensor(run, t, count));
        if (!input) continue;
        run->guarded[t] = tmb__calloc((size_t)count * sizeof(float) + 2 * GUARD + SHIFT, 1);
        if (!run->guarded[t]) return TMB_ENOMEM;
    }
    run->read = tmb__calloc((size_t)most, sizeof(float));
    return run->read ? 0 : TMB_ENOMEM;
}

static int make_run(check_run *run, bool bf16)
{
    tmb_op_list list = case_list(run->c);

    list.bf16 = bf16;
    TMB_TRY(make_buffers(run));
    TMB_TRY(tmb__program_new(&run->program, run->device, &list));
    return check_run_reset(run);
}

int check_run_new(check_run **out, tmb_device *device, const check_case *c, bool bf16)
{
    check_run *run = tmb__calloc(1, sizeof *run);
    int status;

    *out = NULL;
    if (!run) return TMB_ENOMEM;
    run->device = device;
    run->c = c;
    status = make_run(run, bf16);
    if (status < 0) {
        check_run_free(run);
        return status;
    }
    *out = run;
    return 0;
}

void check_run_free(check_run *run)
{
    if (!run) return;
    tmb__program_free(run->device, run->program);
    for (int t = 0; t < CASE_TENSORS; t++) {
        tmb__free(run->data[t]);
        tmb__free(run->guarded[t]);
    }
    tmb__free(run->read);
    tmb__free(run);
}

int check_run_write(check_run *run, int tensor)
{
    return run->device->backend->write(run->program, tensor, run->data[tensor]);
}

int check_run_reset(check_run *run)
{
    for (int t = 0; t < run->c->n_tensors; t++) {
        if (kept(run->c, t)) TMB_TRY(check_run_write(run, t));
    }
    return 0;
}

static bool untouched(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != 0xff) return false;
    }
    return true;
}

/* What lies around the data, and the data itself, must be as they were bound. */
static int check_guards(const check_run *run, int t, size_t bytes, size_t shift)
{
    const uint8_t *start = run->guarded[t] + GUARD + shift;

    if (!untouched(run->guarded[t], GUARD + shift) ||
            !untouched(start + bytes, GUARD + SHIFT - shift))
        return tmb__fail(
                TMB_EBUG, "the bytes around input '%s' were written", run->c->tensor[t].name);
    if (memcmp(start, run->data[t], bytes) != 0)
        return tmb__fail(TMB_EBUG, "input '%s' itself was written", run->c->tensor[t].name);
    return 0;
}

int check_run_go(check_run *run, int n, int64_t step, size_t shift)
{
    tmb_bind binds[CASE_TENSORS];
    tmb_run go = {.n = n, .seed = 42, .step = step, .lr = 0.1f, .binds = binds};

    TMB_ASSERT(shift <= SHIFT);
    for (int t = 0; t < run->c->n_tensors; t++) {
        const size_t bytes = (size_t)check_rows_count(run->c, t, n) * sizeof(float);

        if (!run->guarded[t]) continue;
        memset(run->guarded[t], 0xff, bytes + 2 * GUARD + SHIFT);
        memcpy(run->guarded[t] + GUARD + shift, run->data[t], bytes);
        binds[go.n_binds++] = (tmb_bind){t, run->guarded[t] + GUARD + shift};
    }
    TMB_TRY(run->device->backend->run(run->program, &go));
    for (int i = 0; i < go.n_binds; i++) {
        const int t = binds[i].tensor;

        TMB_TRY(check_guards(
                run, t, (size_t)check_rows_count(run->c, t, n) * sizeof(float), shift));
    }
    return 0;
}

float *check_run_data(check_run *run, int tensor)
{
    return run->data[tensor];
}

int check_run_read(check_run *run, int tensor, const float **out)
{
    *out = run->read;
    return run->device->backend->read(run->program, tensor, run->read);
}

tmb_program *check_run_program(check_run *run)
{
    return run->program;
}
