/* registry.c - the devices of this machine, and programs on them
 *
 * A device is named "backend" or "backend:number". Built-in backends come from the list that the
 * build writes (backends.def, best first); any other name is looked for as a plugin. */
#include "backend/backend.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_THREADS = 256 };

typedef const tmb_backend *(*entry_fn)(uint32_t host_abi);

static const struct {
    const char *name;
    entry_fn entry;
} builtin[] = {
#define X(name) {#name, tmb_backend_##name},
#include "backend/backends.def"
#undef X
};

/* Devices of plugins that `tmb_device_name` lists; they come before the built-in ones. */
static const char *const plugin_devices[] = {
        "cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:4", "cuda:5", "cuda:6", "cuda:7"};

/* ---- the table that backends are lent ---- */

static void host_parallel(
        void *pool, int n, void (*fn)(void *user, int task, int worker), void *user)
{
    tmb__pool_run(pool, n, fn, user);
}

static int host_threads(void *pool)
{
    return tmb__pool_threads(pool);
}

/* Block j of a dropout stream: rng.c keeps the block's number in counter[0]. */
static void host_random(
        uint64_t seed, int64_t step, uint32_t id, uint64_t first, int64_t blocks, uint32_t *out)
{
    tmb__rng rng = tmb__rng_at(seed, TMB_STREAM_DROPOUT, (uint64_t)step, id);

    rng.counter[0] = (uint32_t)first;
    for (int64_t i = 0; i < 4 * blocks; i++)
        out[i] = tmb__rng_u32(&rng);
}

static tmb_host host_of(tmb__pool *pool)
{
    return (tmb_host){
            .alloc = tmb__calloc,
            .free = tmb__free,
            .fail = tmb__fail,
            .log = tmb__log,
            .parallel = host_parallel,
            .threads = host_threads,
            .random = host_random,
            .loss = tmb__loss_row,
            .now = tmb__now,
            .pool = pool,
    };
}

/* ---- devices ---- */

/* "cuda:1" into name and number; false unless it is a plain word and a small number. */
static bool split_name(char name[24], int *index, const char *text)
{
    const size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
    int64_t number = 0;

    if (len == 0 || len >= 24) return false;
    if (text[len] == ':') {
        if (!tmb__parse_int(text + len + 1, &number) || number < 0 || number > 9999) return false;
    } else if (text[len]) {
        return false;
    }
    snprintf(name, 24, "%.*s", (int)len, text);
    *index = (int)number;
    return true;
}

static int find_backend(const tmb_backend **out, const char *name, tmb__strbuf *looked)
{
    *out = NULL;
    for (size_t i = 0; i < TMB_COUNT(builtin); i++) {
        if (strcmp(builtin[i].name, name) == 0) *out = builtin[i].entry(TMB_BACKEND_ABI);
    }
    return *out ? 0 : tmb__plugin_load(out, name, looked);
}

/* Is there such a device? Quiet: asking is no failure. */
static bool device_exists(const char *text)
{
    const tmb_backend *backend = NULL;
    tmb__strbuf looked = {0};
    char name[24];
    int index, status;

    if (!split_name(name, &index, text)) return false;
    status = find_backend(&backend, name, &looked);
    tmb__strbuf_free(&looked);
    if (status < 0) TMB_LOG(WARN, "%s", tmb_errmsg());
    return backend && index < backend->device_count();
}

const char *tmb_device_name(int index)
{
    if (index < 0) return NULL;
    for (size_t i = 0; i < TMB_COUNT(plugin_devices) && device_exists(plugin_devices[i]); i++) {
        if (index-- == 0) return plugin_devices[i];
    }
    return index < (int)TMB_COUNT(builtin) ? builtin[index].name : NULL;
}

int tmb_device_threads(const tmb_device *device)
{
    return device ? tmb__pool_threads(device->pool) : 0;
}

const char *tmb_device_about(const tmb_device *device)
{
    return device && device->backend->about ? device->backend->about(device->handle) : "";
}

int tmb_device_set_precision(tmb_device *device, tmb_precision precision)
{
    bool gains;

    if (!device) return tmb__fail(TMB_EINVAL, "tmb_device_set_precision: device is NULL");
    if ((unsigned)precision > TMB_PRECISION_AUTO)
        return tmb__fail(TMB_EINVAL, "precision %d, expected 0 .. %d", (int)precision,
                (int)TMB_PRECISION_AUTO);
    gains = device->backend->bf16 && device->backend->bf16(device->handle);
    if (precision == TMB_PRECISION_BF16 && !gains) {
        tmb__fail(TMB_EUNSUPPORTED, "device %s does not compute in bf16", device->name);
        tmb__hint("precision auto takes bf16 only where a device gains by it");
        return TMB_EUNSUPPORTED;
    }
    device->bf16 = gains && precision != TMB_PRECISION_F32;
    return 0;
}

tmb_precision tmb_device_precision(const tmb_device *device)
{
    return device && device->bf16 ? TMB_PRECISION_BF16 : TMB_PRECISION_F32;
}

void tmb_device_free(tmb_device *device)
{
    if (!device) return;
    tmb__profile_free(device->profile);
    if (device->handle) device->backend->close(device->handle);
    tmb__pool_free(device->pool);
    tmb__free(device);
}

static int find_device(const tmb_backend **out, int *index, const char *text)
{
    tmb__strbuf looked = {0};
    char name[24];
    int status;

    *out = NULL;
    if (!split_name(name, index, text))
        return tmb__fail(TMB_EINVAL, "device '%s', expected a name such as cpu, ref or cuda:0",
                tmb__printable(text));
    status = find_backend(out, name, &looked);
    if (status == 0 && !*out) {
        status = tmb__fail(
                TMB_EDEVICE, "device '%s': no backend of that name is built in or installed", text);
        tmb__detail("looked for %s",
                looked.text ? looked.text : "no plugin: no absolute folder to search");
    }
    tmb__strbuf_free(&looked);
    TMB_TRY(status);
    if (*index < (*out)->device_count()) return 0;
    return tmb__fail(
            TMB_EDEVICE, "device '%s': this machine has %d of them", text, (*out)->device_count());
}

/* THIMBLE_THREADS where the caller leaves the number open. */
static int thread_count(int *out, int threads)
{
    const char *text = threads == 0 ? tmb__env(TMB_ENV_THREADS) : NULL;
    int64_t number = threads;

    if (text && !tmb__parse_int(text, &number))
        return tmb__fail(
                TMB_EINVAL, "THIMBLE_THREADS is '%s', expected a number", tmb__printable(text));
    if (number < 0 || number > MAX_THREADS)
        return tmb__fail(TMB_EINVAL, "%" PRId64 " threads, expected 1 .. %d, or 0 for one a CPU",
                number, MAX_THREADS);
    *out = (int)number;
    return 0;
}

static int device_new(tmb_device **out, const char *name, int threads)
{
    const tmb_backend *backend;
    tmb_device *device;
    tmb_isa isa;
    int index, status;

    TMB_TRY(tmb__isa_asked(&isa));
    TMB_TRY(find_device(&backend, &index, name));
    device = tmb__calloc(1, sizeof *device);
    if (!device) return TMB_ENOMEM;
    device->backend = backend;
    snprintf(device->name, sizeof device->name, "%s", name);
    status = tmb__pool_new(&device->pool, threads);
    if (status == 0) {
        device->host = host_of(device->pool);
        device->host.isa = isa;
        status = backend->open(&device->handle, index, &device->host);
    }
    if (status < 0) {
        tmb_device_free(device);
        return status;
    }
    *out = device;
    return 0;
}

/* The first that opens, in the order of tmb_device_name; a wrong wish is no reason to take another. */
static int device_best(tmb_device **out, int threads)
{
    int status = tmb__fail(TMB_EDEVICE, "this build has no device");

    for (int i = 0; tmb_device_name(i); i++) {
        status = device_new(out, tmb_device_name(i), threads);
        if (status == 0 || status == TMB_EINVAL) return status;
        TMB_LOG(WARN, "device %s is passed over: %s", tmb_device_name(i), tmb_errmsg());
    }
    return status;
}

int tmb_device_open(tmb_device **out, const char *name, int threads)
{
    int count = 0;

    if (!out) return tmb__fail(TMB_EINVAL, "tmb_device_open: out is NULL");
    *out = NULL;
    TMB_TRY(thread_count(&count, threads));
    if (!name) name = tmb__env(TMB_ENV_DEVICE);
    if (!name || strcmp(name, "auto") == 0) return device_best(out, count);
    return device_new(out, name, count);
}

/* ---- programs ---- */

/* "(5, 17, 17, 32)" of the op's first tensor, which says most about its size. */
static const char *first_shape(const tmb_op_list *list, const tmb_op *op)
{
    const int t = op->in[0] >= 0 ? op->in[0] : op->out[0];
    tmb__shape shape = {0};

    if (t >= 0) shape = tmb__shape_of(list->tensors[t].rank, list->tensors[t].dim);
    return tmb__shape_text(&shape);
}

int tmb__program_new(tmb_program **out, tmb_device *device, const tmb_op_list *list)
{
    int status;

    *out = NULL;
    TMB_TRY(tmb__op_list_check(list));
    for (int i = 0; i < list->n_ops; i++) {
        const tmb_op *op = &list->ops[i];
        char why[256] = "";

        status = device->backend->supports(device->handle, list, i, why, sizeof why);
        if (status < 0)
            return tmb__fail(status, "device %s cannot run %s '%s' on %s: %s", device->name,
                    tmb__op_name((int)op->kind), op->name ? op->name : "", first_shape(list, op),
                    why);
    }
    TMB_TRY(device->backend->prepare(out, device->handle, list));
    status = device->profile ? tmb__profile_add(device, *out, list) : 0;
    if (status == 0) return 0;
    device->backend->release(*out);
    *out = NULL;
    return status;
}

void tmb__program_free(tmb_device *device, tmb_program *program)
{
    if (!program) return;
    tmb__profile_gone(device, program);
    device->backend->release(program);
}
