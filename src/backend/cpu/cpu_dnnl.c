/* cpu_dnnl.c - oneDNN primitives, made for one sample and one thread
 *
 * The library splits work by the calling thread's OpenMP setting; every call here happens between
 * tmb__cpu_one_thread and tmb__cpu_threads_back. Scratchpads are ours (user mode), so that one
 * primitive can run on all workers at once. */
#include "cpu_dnnl.h"
#include "dnnl_compat.h"

#include <omp.h>
#include <stdio.h>

struct cpu_prim {
    dnnl_primitive_t primitive;
    cpu_conv conv;
    dn_md packed; /* the kernel's order */
    int n_args, arg[CPU_PRIM_ARGS + 1];
    int slot[CPU_PRIM_ARGS]; /* which of the caller's arguments */
    size_t scratch_bytes;
    int workers;
    dnnl_memory_t *memories; /* (worker, argument), the scratchpad last */
    char how[80];
};

/* What is needed while a primitive is made. */
typedef struct making {
    struct tmb_program *p;
    cpu_prim *prim;
    dn_md md[CPU_PRIM_ARGS + 1];
    int n_md;
    dnnl_primitive_attr_t attr;
    dnnl_status_t status; /* the first failure */
} making;

int tmb__cpu_one_thread(void)
{
    const int threads = omp_get_max_threads();

    if (threads != 1) omp_set_num_threads(1);
    return threads;
}

void tmb__cpu_threads_back(int threads)
{
    if (threads != 1) omp_set_num_threads(threads);
}

/* The library takes a limit before it has looked at the CPU, and then no other in this process. */
static int hold_library(const tmb_backend_device *device)
{
    static const dnnl_cpu_isa_t limits[] = {[TMB_ISA_X86_64] = dnnl_cpu_isa_sse41,
            [TMB_ISA_AVX2] = dnnl_cpu_isa_avx2,
            [TMB_ISA_AVX512] = dnnl_cpu_isa_avx512_core,
            [TMB_ISA_AVX512_BF16] = dnnl_cpu_isa_avx512_core_bf16};
    const tmb_isa most = device->host.isa;

    if (most == TMB_ISA_ANY || most == TMB_ISA_AMX) return 0;
    dnnl_set_max_cpu_isa(limits[most]);
    if (!((unsigned)dnnl_get_effective_cpu_isa() & ~(unsigned)limits[most])) return 0;
    return device->host.fail(TMB_EDEVICE,
            "cpu: oneDNN cannot be held to %s: it was at work in this process before",
            tmb__cpu_isa_name(most));
}

int tmb__cpu_engine_open(tmb_backend_device *device)
{
    const int status = hold_library(device);
    dnnl_engine_t engine;

    if (status < 0) return status;
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success)
        return device->host.fail(TMB_EDEVICE, "cpu: oneDNN offers no CPU engine");
    device->engine = engine;
    return 0;
}

void tmb__cpu_engine_close(tmb_backend_device *device)
{
    if (device->engine) dnnl_engine_destroy(device->engine);
}

static void drop_stream(void *stream)
{
    dnnl_stream_destroy(stream);
}

int tmb__cpu_streams_open(struct tmb_program *p)
{
    p->streams = tmb__cpu_keep(p, (size_t)p->workers * sizeof *p->streams);
    if (!p->streams) return TMB_ENOMEM;
    for (int i = 0; i < p->workers; i++) {
        dnnl_stream_t stream;
        int status;

        if (dnnl_stream_create(&stream, p->device->engine, dnnl_stream_default_flags) !=
                dnnl_success)
            return p->host.fail(TMB_ENOMEM, "cpu: oneDNN cannot make a stream");
        status = tmb__cpu_own(p, stream, drop_stream);
        if (status < 0) return status;
        p->streams[i] = stream;
    }
    return 0;
}

/* ---- making ---- */

static void drop_prim(void *thing)
{
    cpu_prim *prim = thing;

    for (int i = 0; prim->memories && i < prim->workers * (CPU_PRIM_ARGS + 1); i++) {
        if (prim->memories[i]) dnnl_memory_destroy(prim->memories[i]);
    }
    if (prim->primitive) dnnl_primitive_destroy(prim->primitive);
    dn_md_free(&prim->packed);
}

static void check(making *m, dnnl_status_t status)
{
    if (m->status == dnnl_success) m->status = status;
}

static int start(making *m, struct tmb_program *p)
{
    *m = (making){.p = p, .prim = tmb__cpu_keep(p, sizeof *m->prim)};
    if (!m->prim) return TMB_ENOMEM;
    m->prim->workers = p->workers;
    m->prim->memories =
            tmb__cpu_keep(p, (size_t)p->workers * (CPU_PRIM_ARGS + 1) * sizeof(dnnl_memory_t));
    if (!m->prim->memories) return TMB_ENOMEM;
    check(m, dnnl_primitive_attr_create(&m->attr));
    if (m->status == dnnl_success)
        check(m, dnnl_primitive_attr_set_scratchpad_mode(m->attr, dnnl_scratchpad_mode_user));
    return tmb__cpu_own(p, m->prim, drop_prim);
}

/* Primitive, memory objects, name; the descriptors are released. */
static int finish(making *m, dnnl_primitive_desc_t pd, const char *what)
{
    cpu_prim *prim = m->prim;
    const char *name = "";
    dn_md scratch = {0};

    prim->n_args = m->n_md;
    if (m->status == dnnl_success) check(m, dnnl_primitive_create(&prim->primitive, pd));
    if (m->status == dnnl_success) check(m, dn_md_of(&scratch, pd, dnnl_query_scratchpad_md, 0));
    if (m->status == dnnl_success) {
        prim->scratch_bytes = dn_md_bytes(&scratch);
        m->md[m->n_md] = scratch;
        prim->arg[m->n_md] = DNNL_ARG_SCRATCHPAD;
        dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
        snprintf(prim->how, sizeof prim->how, "oneDNN %s", name);
    }
    for (int i = 0; i < prim->workers * (m->n_md + 1) && m->status == dnnl_success; i++) {
        const int worker = i / (m->n_md + 1), arg = i % (m->n_md + 1);

        check(m,
                dn_memory(&prim->memories[worker * (CPU_PRIM_ARGS + 1) + arg], &m->md[arg],
                        m->p->device->engine, DNNL_MEMORY_NONE));
    }
    for (int i = 0; i < m->n_md; i++)
        dn_md_free(&m->md[i]);
    dn_md_free(&scratch);
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (m->attr) dnnl_primitive_attr_destroy(m->attr);
    if (m->status == dnnl_success) return 0;
    return m->p->host.fail(m->status == dnnl_out_of_memory ? TMB_ENOMEM : TMB_EUNSUPPORTED,
            "cpu: oneDNN has no %s for this shape (status %d)", what, (int)m->status);
}

/* Plain orders: activations (h, w, c) of one sample; kernels (kh, kw, in / groups, out), in the
 * library's terms (groups, out / groups, in / groups, kh, kw). */
static dnnl_status_t plain_image(dn_md *md, int64_t h, int64_t w, int64_t c)
{
    const dnnl_dims_t dims = {1, c, h, w}, strides = {h * w * c, 1, w * c, c};

    return dn_md_strided(md, 4, dims, strides);
}

static dnnl_status_t kernel_md(dn_md *md, const cpu_conv *c, bool any)
{
    const int64_t in = c->in / c->groups, out = c->out / c->groups;
    const dnnl_dims_t dims = {out, in, c->kh, c->kw};
    const dnnl_dims_t strides = {1, c->out, c->kw * in * c->out, in * c->out};
    const dnnl_dims_t group_dims = {c->groups, out, in, c->kh, c->kw};
    const dnnl_dims_t group_strides = {out, 1, c->out, c->kw * in * c->out, in * c->out};

    if (c->groups == 1) return any ? dn_md_any(md, 4, dims) : dn_md_strided(md, 4, dims, strides);
    return any ? dn_md_any(md, 5, group_dims) : dn_md_strided(md, 5, group_dims, group_strides);
}

static dn_conv describe(making *m, const cpu_conv *c, bool bias)
{
    const dnnl_dims_t dims = {c->out}, strides = {1};
    dn_conv conv = {.has_bias = bias};

    check(m, plain_image(&conv.src, c->h, c->w, c->in));
    check(m, plain_image(&conv.dst, c->oh, c->ow, c->out));
    check(m, kernel_md(&conv.weights, c, true));
    check(m, dn_md_strided(&conv.bias, 1, dims, strides));
    for (int i = 0; i < 2; i++) {
        conv.strides[i] = c->stride[i];
        conv.dilates[i] = c->dilation[i] - 1;
        conv.pad_before[i] = c->pad[i];
        conv.pad_after[i] = c->pad[2 + i];
    }
    return conv;
}

typedef struct argument {
    int arg, index;
    dnnl_query_t what;
} argument;

static const argument arguments[3][CPU_PRIM_ARGS] = {
        [CPU_FORWARD] = {{DNNL_ARG_SRC, 0, dnnl_query_src_md},
                {DNNL_ARG_WEIGHTS, 0, dnnl_query_weights_md},
                {DNNL_ARG_BIAS, 1, dnnl_query_weights_md}, {DNNL_ARG_DST, 0, dnnl_query_dst_md}},
        [CPU_BACK_DATA] = {{DNNL_ARG_DIFF_DST, 0, dnnl_query_diff_dst_md},
                {DNNL_ARG_WEIGHTS, 0, dnnl_query_weights_md},
                {DNNL_ARG_DIFF_SRC, 0, dnnl_query_diff_src_md}},
        [CPU_BACK_WEIGHTS] = {{DNNL_ARG_SRC, 0, dnnl_query_src_md},
                {DNNL_ARG_DIFF_DST, 0, dnnl_query_diff_dst_md},
                {DNNL_ARG_DIFF_WEIGHTS, 0, dnnl_query_diff_weights_md},
                {DNNL_ARG_DIFF_BIAS, 1, dnnl_query_diff_weights_md}},
};

static void add_arguments(
        making *m, cpu_direction direction, const_dnnl_primitive_desc_t pd, bool bias)
{
    for (int i = 0; i < CPU_PRIM_ARGS; i++) {
        const argument *a = &arguments[direction][i];
        const bool is_weights = a->arg == DNNL_ARG_WEIGHTS || a->arg == DNNL_ARG_DIFF_WEIGHTS;

        if (a->arg == 0 || (a->index == 1 && !bias)) continue;
        m->prim->slot[m->n_md] = i;
        m->prim->arg[m->n_md] = a->arg;
        check(m, dn_md_of(&m->md[m->n_md++], pd, a->what, a->index));
        if (is_weights) check(m, dn_md_of(&m->prim->packed, pd, a->what, 0));
    }
}

/* The descriptor of one direction; back directions are made beside a forward one. */
static dnnl_primitive_desc_t conv_pd(
        making *m, cpu_direction direction, const cpu_conv *c, bool bias)
{
    static const dn_direction directions[] = {DN_FORWARD, DN_BACKWARD_DATA, DN_BACKWARD_WEIGHTS};
    const dnnl_engine_t engine = m->p->device->engine;
    dnnl_primitive_desc_t hint = NULL, pd = NULL;
    dn_conv conv = describe(m, c, bias);

    if (m->status == dnnl_success)
        check(m, dn_conv_pd(&hint, DN_FORWARD, &conv, engine, m->attr, NULL));
    if (m->status == dnnl_success)
        check(m, dn_conv_pd(&pd, directions[direction], &conv, engine, m->attr, hint));
    if (hint) dnnl_primitive_desc_destroy(hint);
    dn_md_free(&conv.src);
    dn_md_free(&conv.dst);
    dn_md_free(&conv.weights);
    dn_md_free(&conv.bias);
    return pd;
}

/* Algorithm 0: none. */
static const struct {
    dnnl_alg_kind_t algorithm;
    float alpha, beta;
} eltwise[] = {
        [TMB_RELU] = {dnnl_eltwise_relu, 0, 0},
        [TMB_RELU6] = {dnnl_eltwise_clip, 0, 6},
        [TMB_SIGMOID] = {dnnl_eltwise_logistic, 0, 0},
        [TMB_SWISH] = {dnnl_eltwise_swish, 1, 0},
        [TMB_SOFTMAX] = {0, 0, 0},
};

bool tmb__cpu_prim_knows(tmb_activation act)
{
    return (size_t)act < sizeof eltwise / sizeof eltwise[0] && eltwise[act].algorithm;
}

static void add_activation(making *m, tmb_activation act)
{
    dnnl_post_ops_t ops = NULL;

    if (act == TMB_LINEAR) return;
    check(m, dnnl_post_ops_create(&ops));
    if (m->status != dnnl_success) return;
    check(m, dn_post_eltwise(ops, eltwise[act].algorithm, eltwise[act].alpha, eltwise[act].beta));
    if (m->status == dnnl_success) check(m, dnnl_primitive_attr_set_post_ops(m->attr, ops));
    dnnl_post_ops_destroy(ops);
}

int tmb__cpu_prim_conv(struct tmb_program *p, cpu_prim **out, cpu_direction direction,
        const cpu_conv *conv, bool bias)
{
    const int threads = tmb__cpu_one_thread();
    dnnl_primitive_desc_t pd = NULL;
    making m;
    int status = start(&m, p);

    *out = m.prim;
    if (status == 0) {
        m.prim->conv = *conv;
        if (direction == CPU_FORWARD) add_activation(&m, conv->act);
        pd = conv_pd(&m, direction, conv, bias);
        if (m.status == dnnl_success) add_arguments(&m, direction, pd, bias);
        status = finish(&m, pd, "convolution");
    }
    tmb__cpu_threads_back(threads);
    return status;
}

int tmb__cpu_prim_pack(struct tmb_program *p, cpu_prim **out, const cpu_prim *conv, bool back)
{
    const int threads = tmb__cpu_one_thread();
    dnnl_primitive_desc_t pd = NULL;
    making m;
    int status = start(&m, p);

    *out = m.prim;
    if (status == 0) {
        dn_md plain = {0};

        check(&m, kernel_md(&plain, &conv->conv, false));
        if (m.status == dnnl_success)
            check(&m,
                    dn_reorder_pd(&pd, back ? &conv->packed : &plain, back ? &plain : &conv->packed,
                            p->device->engine, m.attr));
        dn_md_free(&plain);
        m.prim->arg[0] = DNNL_ARG_FROM;
        m.prim->arg[1] = DNNL_ARG_TO;
        m.prim->slot[1] = 1;
        m.n_md = 2;
        if (m.status == dnnl_success) {
            check(&m, dn_md_of(&m.md[0], pd, dnnl_query_src_md, 0));
            check(&m, dn_md_of(&m.md[1], pd, dnnl_query_dst_md, 0));
        }
        status = finish(&m, pd, "reordering of kernels");
    }
    tmb__cpu_threads_back(threads);
    return status;
}

/* ---- using ---- */

size_t tmb__cpu_prim_packed_bytes(const cpu_prim *prim)
{
    return dn_md_bytes(&prim->packed);
}

size_t tmb__cpu_prim_scratch_bytes(const cpu_prim *prim)
{
    return prim->scratch_bytes;
}

const char *tmb__cpu_prim_how(const cpu_prim *prim)
{
    return prim->how;
}

void tmb__cpu_prim_run(const cpu_prim *prim, const cpu_task *task, void *const *args, void *scratch)
{
    dnnl_memory_t *memory = prim->memories + task->worker * (CPU_PRIM_ARGS + 1);
    const int n_args = prim->n_args + (prim->scratch_bytes > 0);
    dnnl_exec_arg_t exec[CPU_PRIM_ARGS + 1];
    dnnl_status_t status = dnnl_success;

    for (int i = 0; i < n_args && status == dnnl_success; i++) {
        exec[i] = (dnnl_exec_arg_t){.arg = prim->arg[i], .memory = memory[i]};
        status = dnnl_memory_set_data_handle(
                memory[i], i < prim->n_args ? args[prim->slot[i]] : scratch);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_execute(
                prim->primitive, task->program->streams[task->worker], n_args, exec);
    if (status != dnnl_success) atomic_store(&task->program->failed, (int)status);
}
