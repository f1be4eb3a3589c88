/* ref_device.c - the reference backend: open, prepare, run, read, write
 *
 * A program is the list, copied, and one block of memory that holds every tensor in its plain order
 * at the size of the largest batch. A run copies the bound inputs in and calls the function of each
 * op in turn. No layouts, no fusion, no reuse of memory: what a list means is what happens here. */
#include "ref.h"

#include <stdio.h>
#include <string.h>

struct tmb_backend_device {
    tmb_host host;
};

struct tmb_program {
    const tmb_backend_device *device;
    tmb_tensor *tensors; /* [n_tensors] */
    ref_view *views;     /* [n_tensors], sizes of the last run */
    ref_view *grads;     /* [n_grads], the GRAD tensors among them */
    tmb_op *ops;         /* [n_ops] */
    int n_tensors, n_grads, n_ops, max_batch;
    tmb_op_span span; /* NULL: nobody wants the times */
    void *span_user;
    char *block; /* the tensors' values */
    int64_t block_bytes;
};

static const ref_fn functions[TMB_OP_COUNT] = {
        [TMB_OP_CONV] = tmb__ref_conv,
        [TMB_OP_CONV_BWD_DATA] = tmb__ref_conv_bwd_data,
        [TMB_OP_CONV_BWD_WEIGHTS] = tmb__ref_conv_bwd_weights,
        [TMB_OP_POOL] = tmb__ref_pool,
        [TMB_OP_POOL_BWD] = tmb__ref_pool_bwd,
        [TMB_OP_GLOBAL_POOL] = tmb__ref_global_pool,
        [TMB_OP_GLOBAL_POOL_BWD] = tmb__ref_global_pool_bwd,
        [TMB_OP_DENSE] = tmb__ref_dense,
        [TMB_OP_DENSE_BWD_DATA] = tmb__ref_dense_bwd_data,
        [TMB_OP_DENSE_BWD_WEIGHTS] = tmb__ref_dense_bwd_weights,
        [TMB_OP_ACT] = tmb__ref_act,
        [TMB_OP_ACT_BWD] = tmb__ref_act_bwd,
        [TMB_OP_PRELU] = tmb__ref_prelu,
        [TMB_OP_PRELU_BWD] = tmb__ref_prelu_bwd,
        [TMB_OP_SOFTMAX] = tmb__ref_softmax,
        [TMB_OP_SOFTMAX_BWD] = tmb__ref_softmax_bwd,
        [TMB_OP_BN] = tmb__ref_bn,
        [TMB_OP_BN_BWD] = tmb__ref_bn_bwd,
        [TMB_OP_BN_INFER] = tmb__ref_bn_infer,
        [TMB_OP_BN_INFER_BWD] = tmb__ref_bn_infer_bwd,
        [TMB_OP_LN] = tmb__ref_ln,
        [TMB_OP_LN_BWD] = tmb__ref_ln_bwd,
        [TMB_OP_DROPOUT] = tmb__ref_dropout,
        [TMB_OP_DROPOUT_BWD] = tmb__ref_dropout,
        [TMB_OP_PAD] = tmb__ref_pad,
        [TMB_OP_PAD_BWD] = tmb__ref_pad_bwd,
        [TMB_OP_ADD] = tmb__ref_add,
        [TMB_OP_MERGE] = tmb__ref_merge,
        [TMB_OP_MERGE_BWD] = tmb__ref_merge_bwd,
        [TMB_OP_CONCAT] = tmb__ref_concat,
        [TMB_OP_CONCAT_BWD] = tmb__ref_concat_bwd,
        [TMB_OP_RESHAPE] = tmb__ref_reshape,
        [TMB_OP_PERMUTE] = tmb__ref_permute,
        [TMB_OP_UPSAMPLE] = tmb__ref_upsample,
        [TMB_OP_UPSAMPLE_BWD] = tmb__ref_upsample_bwd,
        [TMB_OP_RANDOM] = tmb__ref_random,
        [TMB_OP_SCALE] = tmb__ref_scale,
        [TMB_OP_LOSS] = tmb__ref_loss,
        [TMB_OP_PENALTY] = tmb__ref_penalty,
        [TMB_OP_GRAD_NORM] = tmb__ref_grad_norm,
        [TMB_OP_CLIP] = tmb__ref_clip,
        [TMB_OP_SGD] = tmb__ref_sgd,
        [TMB_OP_RMSPROP] = tmb__ref_rmsprop,
        [TMB_OP_ADAM] = tmb__ref_adam,
        [TMB_OP_ADAGRAD] = tmb__ref_adagrad,
        [TMB_OP_ADADELTA] = tmb__ref_adadelta,
        [TMB_OP_ADAMAX] = tmb__ref_adamax,
        [TMB_OP_NADAM] = tmb__ref_nadam,
        [TMB_OP_LION] = tmb__ref_lion,
        [TMB_OP_CONSTRAIN] = tmb__ref_constrain,
        [TMB_OP_EMA] = tmb__ref_ema,
};

static int device_count(void)
{
    return 1;
}

static int device_open(tmb_backend_device **out, int index, const tmb_host *host)
{
    tmb_backend_device *device;

    *out = NULL;
    if (index != 0) return host->fail(TMB_EDEVICE, "ref:%d: there is only ref:0", index);
    device = host->alloc(1, sizeof *device);
    if (!device) return TMB_ENOMEM;
    device->host = *host;
    *out = device;
    return 0;
}

static void device_close(tmb_backend_device *device)
{
    if (device) device->host.free(device);
}

/* Everything in the list's form, but plain f32 only; I32 is the workspace of the pools. */
static int supports(
        tmb_backend_device *device, const tmb_op_list *list, int op, char *why, size_t size)
{
    const tmb_op *o = &list->ops[op];
    const int *tensors[] = {o->in, o->out};

    (void)device;
    if (size > 0) why[0] = '\0';
    if (o->kind < 0 || o->kind >= TMB_OP_COUNT || !functions[o->kind]) {
        snprintf(why, size, "op number %d is not known", (int)o->kind);
        return TMB_EUNSUPPORTED;
    }
    for (int i = 0; i < TMB_OP_INPUTS + TMB_OP_OUTPUTS; i++) {
        const int t = tensors[i / TMB_OP_INPUTS][i % TMB_OP_INPUTS];

        if (t >= 0 && list->tensors[t].dtype != TMB_F32 && list->tensors[t].dtype != TMB_I32) {
            snprintf(why, size, "tensor '%s' is neither f32 nor i32", list->tensors[t].name);
            return TMB_EUNSUPPORTED;
        }
    }
    return 0;
}

static void set_rows(ref_view *view, const tmb_tensor *tensor, int64_t n)
{
    view->rank = tensor->rank;
    view->count = 1;
    for (int i = 0; i < tensor->rank; i++) {
        view->dim[i] = i == 0 && tensor->batched ? n : tensor->dim[i];
        view->count *= view->dim[i];
    }
}

static void program_release(tmb_program *program)
{
    if (!program) return;
    void (*const release)(void *) = program->device->host.free;

    release(program->block);
    release(program->ops);
    release(program->grads);
    release(program->views);
    release(program->tensors);
    release(program);
}

/* One block for all tensors, each on a 64-byte boundary; the host has checked the sizes. */
static int place_tensors(tmb_program *program)
{
    size_t bytes = 0;

    for (int pass = 0; pass < 2; pass++) {
        bytes = 0;
        for (int i = 0; i < program->n_tensors; i++) {
            ref_view *view = &program->views[i];

            set_rows(view, &program->tensors[i], program->max_batch);
            if (pass == 1) {
                view->data = (float *)(void *)(program->block + bytes);
                view->index = (int32_t *)(void *)(program->block + bytes);
            }
            bytes += ((size_t)view->count * sizeof(float) + 63) / 64 * 64;
        }
        if (pass == 0) {
            program->block = program->device->host.alloc(bytes + 1, 1);
            if (!program->block) return TMB_ENOMEM;
        }
    }
    program->block_bytes = (int64_t)bytes;
    return 0;
}

static int program_fill(tmb_program *program, const tmb_op_list *list)
{
    const tmb_host *host = &program->device->host;
    const size_t n_tensors = (size_t)list->n_tensors, n_ops = (size_t)list->n_ops;

    program->tensors = host->alloc(n_tensors + 1, sizeof *program->tensors);
    program->views = host->alloc(n_tensors + 1, sizeof *program->views);
    program->grads = host->alloc(n_tensors + 1, sizeof *program->grads);
    program->ops = host->alloc(n_ops + 1, sizeof *program->ops);
    if (!program->tensors || !program->views || !program->grads || !program->ops) return TMB_ENOMEM;
    memcpy(program->tensors, list->tensors, n_tensors * sizeof *list->tensors);
    memcpy(program->ops, list->ops, n_ops * sizeof *list->ops);
    program->n_tensors = list->n_tensors;
    program->n_ops = list->n_ops;
    program->max_batch = list->max_batch;
    return place_tensors(program);
}

static int prepare(tmb_program **out, tmb_backend_device *device, const tmb_op_list *list)
{
    tmb_program *program;
    int status;

    *out = NULL;
    program = device->host.alloc(1, sizeof *program);
    if (!program) return TMB_ENOMEM;
    program->device = device;
    status = program_fill(program, list);
    if (status < 0) {
        program_release(program);
        return status;
    }
    for (int i = 0; i < program->n_tensors; i++) {
        if (program->tensors[i].role == TMB_ROLE_GRAD)
            program->grads[program->n_grads++] = program->views[i];
    }
    *out = program;
    return 0;
}

/* The tensor, if it may be moved this way; NULL with the message set. */
static ref_view *movable(tmb_program *program, int tensor, bool writing)
{
    const tmb_host *host = &program->device->host;
    tmb_role role;

    if (tensor < 0 || tensor >= program->n_tensors) {
        host->fail(TMB_EBUG, "ref: tensor %d of %d", tensor, program->n_tensors);
        return NULL;
    }
    role = program->tensors[tensor].role;
    if (role == TMB_ROLE_PARAM || role == TMB_ROLE_STATE) return &program->views[tensor];
    if (!writing && (role == TMB_ROLE_GRAD || role == TMB_ROLE_OUTPUT))
        return &program->views[tensor];
    host->fail(TMB_EBUG, "ref: tensor '%s' cannot be %s: wrong role %d",
            program->tensors[tensor].name, writing ? "written" : "read", (int)role);
    return NULL;
}

static int program_write(tmb_program *program, int tensor, const float *src)
{
    const ref_view *view = movable(program, tensor, true);

    if (!view) return TMB_EBUG;
    memcpy(view->data, src, (size_t)view->count * sizeof *src);
    return 0;
}

static int program_read(tmb_program *program, int tensor, float *dst)
{
    const ref_view *view = movable(program, tensor, false);

    if (!view) return TMB_EBUG;
    memcpy(dst, view->data, (size_t)view->count * sizeof *dst);
    return 0;
}

static int bind_inputs(tmb_program *program, const tmb_run *run)
{
    for (int t = 0; t < program->n_tensors; t++) {
        const void *data = NULL;

        if (program->tensors[t].role != TMB_ROLE_INPUT) continue;
        for (int i = 0; i < run->n_binds; i++) {
            if (run->binds[i].tensor == t) data = run->binds[i].data;
        }
        if (!data)
            return program->device->host.fail(
                    TMB_EBUG, "ref: input '%s' is not bound", program->tensors[t].name);
        memcpy(program->views[t].data, data, (size_t)program->views[t].count * sizeof(float));
    }
    return 0;
}

static void run_op(tmb_program *program, const tmb_run *run, int op)
{
    const tmb_op *o = &program->ops[op];
    const tmb_host *host = &program->device->host;
    const double start = program->span ? host->now() : 0;
    ref_call call = {
            .attr = &o->attr,
            .run = run,
            .host = host,
            .grads = program->grads,
            .n_grads = program->n_grads,
    };

    for (int i = 0; i < TMB_OP_INPUTS; i++) {
        if (o->in[i] >= 0) call.in[i] = program->views[o->in[i]];
        if (o->out[i] >= 0) call.out[i] = program->views[o->out[i]];
    }
    functions[o->kind](&call);
    if (program->span) program->span(program->span_user, op, 0, start, host->now());
}

static int program_run(tmb_program *program, const tmb_run *run)
{
    int status;

    if (run->n < 1 || run->n > program->max_batch)
        return program->device->host.fail(
                TMB_EBUG, "ref: run of %d samples, 1 .. %d expected", run->n, program->max_batch);
    for (int t = 0; t < program->n_tensors; t++)
        set_rows(&program->views[t], &program->tensors[t], run->n);
    status = bind_inputs(program, run);
    if (status < 0) return status;
    for (int op = 0; op < program->n_ops; op++)
        run_op(program, run, op);
    return 0;
}

static int64_t program_memory(const tmb_program *program)
{
    return program->block_bytes;
}

static void profile(tmb_program *program, tmb_op_span span, void *user)
{
    program->span = span;
    program->span_user = user;
}

static void op_how(const tmb_program *program, int op, tmb_op_how *out)
{
    (void)program;
    (void)op;
    *out = (tmb_op_how){.text = "plain C loops"};
}

const tmb_backend *tmb_backend_ref(uint32_t host_abi);

const tmb_backend *tmb_backend_ref(uint32_t host_abi)
{
    static const tmb_backend ref = {
            .abi = TMB_BACKEND_ABI,
            .name = "ref",
            .device_count = device_count,
            .open = device_open,
            .close = device_close,
            .supports = supports,
            .prepare = prepare,
            .release = program_release,
            .write = program_write,
            .read = program_read,
            .run = program_run,
            .memory = program_memory,
            .profile = profile,
            .op_how = op_how,
    };

    return host_abi == TMB_BACKEND_ABI ? &ref : NULL;
}
