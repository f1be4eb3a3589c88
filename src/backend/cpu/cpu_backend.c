/* cpu_backend.c - the CPU backend's door: open, prepare, run, read, write */
#include "cpu.h"
#include "cpu_dnnl.h"

#include <string.h>

static int device_count(void)
{
    return 1;
}

static int device_open(tmb_backend_device **out, int index, const tmb_host *host)
{
    tmb_backend_device *device;
    int status;

    *out = NULL;
    if (index != 0) return host->fail(TMB_EDEVICE, "cpu:%d: there is only cpu:0", index);
    device = host->alloc(1, sizeof *device);
    if (!device) return TMB_ENOMEM;
    device->host = *host;
    status = tmb__cpu_isa_open(device);
    if (status == 0) status = tmb__cpu_engine_open(device);
    if (status < 0) {
        host->free(device);
        return status;
    }
    *out = device;
    return 0;
}

static void device_close(tmb_backend_device *device)
{
    if (!device) return;
    tmb__cpu_engine_close(device);
    device->host.free(device);
}

static int supports(
        tmb_backend_device *device, const tmb_op_list *list, int op, char *why, size_t size)
{
    (void)device;
    return tmb__cpu_supports(list, op, why, size);
}

/* ---- prepare ---- */

static const cpu_build builders[TMB_OP_COUNT] = {
#define X(NAME, name, in, out) [TMB_OP_##NAME] = tmb__cpu_build_##NAME,
#include <thimble/ops.def>
#undef X
};

static void release(struct tmb_program *p)
{
    void (*drop)(void *);

    if (!p) return;
    drop = p->host.free;
    while (p->n_things > 0) {
        p->n_things--;
        p->drops[p->n_things](p->things[p->n_things]);
    }
    drop(p->things);
    drop(p->drops);
    drop(p);
}

/* Bytes of one sample, or of the whole tensor: f32 and the pools' I32 are of one size. */
static cpu_buffer buffer_of(const tmb_tensor *tensor, int number)
{
    return (cpu_buffer){
            .unit = tensor->batched ? CPU_PER_ROW : CPU_WHOLE,
            .bytes = (size_t)tmb__cpu_row_count(tensor) * sizeof(float),
            .same_as = number,
            .last = -1,
            .moved = tensor->role != TMB_ROLE_ACT,
    };
}

static int copy_list(struct tmb_program *p, const tmb_op_list *list)
{
    const size_t n_tensors = (size_t)list->n_tensors, n_ops = (size_t)list->n_ops;

    p->n_tensors = list->n_tensors;
    p->n_ops = list->n_ops;
    p->max_batch = list->max_batch;
    p->bf16 = list->bf16 && p->device->tiles;
    p->group_rows = (list->max_batch + CPU_GROUPS - 1) / CPU_GROUPS;
    p->max_buffers = list->n_tensors + 8 * list->n_ops + 8;
    p->max_stages = 6 * list->n_ops + 8;
    for (int i = 0; i < list->n_ops; i++)
        p->max_stages += list->ops[i].kind == TMB_OP_GRAD_NORM && list->ops[i].in[0] < 0
                ? list->n_tensors
                : 0;
    p->tensors = tmb__cpu_keep(p, (n_tensors + 1) * sizeof *p->tensors);
    p->ops = tmb__cpu_keep(p, (n_ops + 1) * sizeof *p->ops);
    p->how = tmb__cpu_keep(p, (n_ops + 1) * sizeof *p->how);
    p->fused = tmb__cpu_keep(p, (n_ops + 1) * sizeof *p->fused);
    p->buffers = tmb__cpu_keep(p, (size_t)p->max_buffers * sizeof *p->buffers);
    p->stages = tmb__cpu_keep(p, (size_t)p->max_stages * sizeof *p->stages);
    if (!p->tensors || !p->ops || !p->how || !p->fused || !p->buffers || !p->stages)
        return TMB_ENOMEM;
    memcpy(p->tensors, list->tensors, n_tensors * sizeof *p->tensors);
    memcpy(p->ops, list->ops, n_ops * sizeof *p->ops);
    for (int i = 0; i < p->n_tensors; i++)
        p->buffers[i] = buffer_of(&p->tensors[i], i);
    p->n_buffers = p->n_tensors;
    return 0;
}

static int fill(struct tmb_program *p, const tmb_op_list *list)
{
    int status = copy_list(p, list);

    if (status == 0) status = tmb__cpu_streams_open(p);
    for (int op = 0; op < p->n_ops && status == 0; op++) {
        if (p->fused[op]) continue;
        status = builders[p->ops[op].kind](p, op);
    }
    if (status == 0 && p->n_stages >= p->max_stages - 1)
        status = p->host.fail(TMB_EBUG, "cpu: more than %d stages", p->max_stages - 2);
    return status < 0 ? status : tmb__cpu_plan(p);
}

static int prepare(tmb_program **out, tmb_backend_device *device, const tmb_op_list *list)
{
    const int threads = device->host.threads(device->host.pool);
    struct tmb_program *p;
    int status;

    *out = NULL;
    p = device->host.alloc(1, sizeof *p);
    if (!p) return TMB_ENOMEM;
    p->device = device;
    p->host = device->host;
    p->simd = device->simd;
    p->workers = threads > 1 ? threads : 1;
    p->dirty = true;
    status = fill(p, list);
    if (status < 0) {
        release(p);
        return status;
    }
    p->host.log(TMB_DEBUG,
            "cpu: %d ops, %d stages in %d levels; %zu KB kept, %zu KB arena, %d x %zu KB scratch",
            p->n_ops, p->n_stages, p->n_levels, p->kept_bytes / 1024, p->arena_bytes / 1024,
            p->workers, p->scratch_bytes / 1024);
    *out = p;
    return 0;
}

/* ---- moving tensors ---- */

/* Where a tensor that may be moved lives, and its size now; NULL with the message set. */
static float *place_of(struct tmb_program *p, int tensor, bool writing, size_t *bytes)
{
    const cpu_buffer *buffer;
    tmb_role role;

    if (tensor < 0 || tensor >= p->n_tensors) {
        p->host.fail(TMB_EBUG, "cpu: tensor %d of %d", tensor, p->n_tensors);
        return NULL;
    }
    role = p->tensors[tensor].role;
    if (role == TMB_ROLE_ACT || role == TMB_ROLE_INPUT ||
            (writing && role != TMB_ROLE_PARAM && role != TMB_ROLE_STATE)) {
        p->host.fail(TMB_EBUG, "cpu: tensor '%s' cannot be %s: wrong role %d",
                p->tensors[tensor].name, writing ? "written" : "read", (int)role);
        return NULL;
    }
    buffer = &p->buffers[tensor];
    *bytes = buffer->bytes * (size_t)(buffer->unit == CPU_PER_ROW ? p->last_n : 1);
    return (float *)(void *)buffer->base;
}

static int program_write(struct tmb_program *p, int tensor, const float *src)
{
    size_t bytes;
    float *place = place_of(p, tensor, true, &bytes);

    if (!place) return TMB_EBUG;
    if (p->tensors[tensor].batched) bytes = p->buffers[tensor].bytes * (size_t)p->max_batch;
    memcpy(place, src, bytes);
    p->dirty = true;
    return 0;
}

static int program_read(struct tmb_program *p, int tensor, float *dst)
{
    size_t bytes;
    const float *place = place_of(p, tensor, false, &bytes);

    if (!place) return TMB_EBUG;
    memcpy(dst, place, bytes);
    return 0;
}

static int64_t memory(const struct tmb_program *p)
{
    return (int64_t)(p->kept_bytes + p->arena_bytes + p->scratch_bytes * (size_t)p->workers);
}

/* ---- timing ---- */

static void profile(struct tmb_program *p, tmb_op_span span, void *user)
{
    p->span = span;
    p->span_user = user;
}

/* What multiplies in bf16 says so in its text. */
static void op_how(const struct tmb_program *p, int op, tmb_op_how *out)
{
    const char *how = p->how[op] ? p->how[op] : "own loops";

    out->text = p->fused[op] ? "done by its neighbour" : how;
    out->bf16 = strstr(out->text, "bf16") != NULL;
}

static bool gains_by_bf16(tmb_backend_device *device)
{
    return device->tiles != NULL;
}

static const char *about(tmb_backend_device *device)
{
    return tmb__cpu_isa_name(device->isa);
}

static int ceilings(tmb_backend_device *device, int threads, tmb_ceilings *out)
{
    return tmb__cpu_ceilings(device, threads, out);
}

const tmb_backend *tmb_backend_cpu(uint32_t host_abi);

const tmb_backend *tmb_backend_cpu(uint32_t host_abi)
{
    static const tmb_backend cpu = {
            .abi = TMB_BACKEND_ABI,
            .name = "cpu",
            .device_count = device_count,
            .open = device_open,
            .close = device_close,
            .supports = supports,
            .prepare = prepare,
            .release = release,
            .write = program_write,
            .read = program_read,
            .run = tmb__cpu_run,
            .memory = memory,
            .profile = profile,
            .op_how = op_how,
            .bf16 = gains_by_bf16,
            .ceilings = ceilings,
            .about = about,
    };

    return host_abi == TMB_BACKEND_ABI ? &cpu : NULL;
}
