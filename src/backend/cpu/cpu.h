/* cpu.h - inside of the CPU backend: buffers, stages, tasks
 *
 * A list of ops becomes a list of stages. A stage touches buffers (the list's tensors, and
 * workspaces of its own) and is cut in one of two ways: ROWS works on one sample at a time; SLICES
 * on a fixed number of ranges of a parameter (one range: a single task). Stages that must see what
 * others did to samples or ranges that are not their own stand in a later level; everything of one
 * level runs in one call of host->parallel. Inside a level a thread takes one group of samples and
 * carries each sample through all ROWS stages before it takes the next, so that what a sample
 * leaves between them stays in the core's cache.
 *
 * Groups and slices depend on the list alone and partial sums are added in their order: the bits do
 * not depend on the number of threads. Library primitives are made for one sample and one thread.
 */
#ifndef THIMBLE_BACKEND_CPU_CPU_H
#define THIMBLE_BACKEND_CPU_CPU_H

#include "cpu_simd.h"
#include "cpu_tiles.h"

#include <thimble/plugin.h>

#include <stdatomic.h>

enum {
    CPU_IN_BN = 2, /* in `fused`: BN_BWD masks its dy itself */
    CPU_MAX_USES = 12,
    CPU_GROUPS = 16 /* at most this many groups of samples, each with its own partial sums */
};

/* ---- buffers ---- */

/* How much memory one `bytes` of a buffer stands for. */
typedef enum cpu_unit {
    CPU_WHOLE,     /* all of it */
    CPU_PER_ROW,   /* one sample */
    CPU_PER_GROUP, /* one group of samples: partial sums */
    CPU_TEMP       /* scratch of one stage, for each worker */
} cpu_unit;

typedef enum cpu_place {
    CPU_UNUSED,
    CPU_KEPT,  /* in the block that lives between runs */
    CPU_BOUND, /* the caller's, for one run */
    CPU_ARENA, /* in the arena, shared with buffers of other levels */
    CPU_LOCAL  /* in each worker's scratch: never leaves the task */
} cpu_place;

typedef struct cpu_buffer {
    cpu_unit unit;
    cpu_place place;
    size_t bytes, offset;
    unsigned char *base; /* of the whole; NULL for LOCAL */
    int same_as;         /* RESHAPE: another name of that buffer; else itself */
    int first, last;     /* stages that touch it */
    bool shared;         /* some stage sees samples or slices that are not its own */
    bool moved;          /* INPUT, OUTPUT or kept: fixed place whatever the stages do */
} cpu_buffer;

/* ---- stages ---- */

typedef enum cpu_access {
    CPU_READ = 1,
    CPU_WRITE = 2,
    CPU_OWN = 4,  /* only the task's own sample, group or slice */
    CPU_SHARE = 8 /* written by several stages, each its own part */
} cpu_access;

typedef struct cpu_stage cpu_stage;
typedef struct cpu_task cpu_task;
typedef void (*cpu_fn)(const cpu_stage *stage, const cpu_task *task);

struct cpu_stage {
    cpu_fn fn;
    int op; /* number in the list */
    bool rows;
    bool pack;     /* rewrites weights for the library: skipped while no parameter changed */
    bool later;    /* the op's ReLU is left to the pool that follows, see cpu_fuse.c */
    int tasks;     /* of SLICES */
    int64_t chunk; /* elements of a slice */
    int64_t count; /* elements of all of them */
    int level, chain;
    int n_uses, use[CPU_MAX_USES]; /* buffers, -1: absent */
    unsigned access[CPU_MAX_USES];
    void *data; /* what the op's file keeps for it */
};

/* One call of a stage. */
struct cpu_task {
    struct tmb_program *program;
    const tmb_run *run;
    int worker;
    int row, group;      /* ROWS */
    bool first_of_group; /* partial sums start here */
    int64_t from, to;    /* SLICES: range of elements */
    int slice;
    int n_groups; /* groups of this run that hold samples */
};

/* A chain of SLICES stages that run one after the other on each slice, or all ROWS stages. */
typedef struct cpu_chain {
    int first, n; /* in program->order */
    int tasks;    /* 0: ROWS */
    int start;    /* first task number inside the level, counted after those of ROWS */
} cpu_chain;

typedef struct cpu_level {
    cpu_chain rows; /* n = 0: none */
    int first_chain, n_chains, n_slices;
    bool only_packs;
} cpu_level;

struct tmb_backend_device {
    tmb_host host;
    const cpu_simd *simd;
    tmb_isa isa;            /* in use */
    const cpu_tiles *tiles; /* NULL: no products in bf16 */
    int64_t l2;             /* bytes of a core's L2; where there are tiles */
    void *engine;           /* dnnl_engine_t */
};

typedef void (*cpu_drop)(void *thing);

struct tmb_program {
    tmb_backend_device *device;
    tmb_host host;
    const cpu_simd *simd;
    int workers;
    int n_tensors, n_ops, max_batch, group_rows;
    bool bf16; /* wanted, and the device has tiles */
    tmb_tensor *tensors;
    tmb_op *ops;
    cpu_buffer *buffers; /* the list's tensors first */
    int n_buffers, max_buffers;
    cpu_stage *stages;
    int n_stages, max_stages;
    int *fused; /* per op: not 0 if another op does its work */
    int *order; /* stages, by level and chain */
    cpu_level *levels;
    cpu_chain *chains;
    int n_levels, n_chains;
    /* Memory. */
    unsigned char *kept, *arena, **scratch; /* scratch: one block for each worker */
    size_t kept_bytes, arena_bytes, scratch_bytes;
    /* Things that the ops' files made, released in reverse order. */
    void **things;
    cpu_drop *drops;
    int n_things, max_things;
    void **streams; /* dnnl_stream_t, one for each worker */
    /* Runs. */
    int last_n;
    bool dirty; /* parameters changed since weights were packed */
    bool updates;
    tmb_op_span span; /* NULL: nobody wants the times */
    void *span_user;
    const char **how; /* (op) */
    atomic_int failed;
};

/* ---- building (cpu_build.c) ---- */

/* A new workspace. Returns its number, or a negative status. */
int tmb__cpu_buffer(struct tmb_program *p, cpu_unit unit, size_t bytes);
/* Append a stage for op number `op`; never NULL: the arrays are large enough for every op. */
cpu_stage *tmb__cpu_rows(struct tmb_program *p, int op, cpu_fn fn);
/* The same for an op whose first inputs and outputs are all the sample's own. Returns 0. */
int tmb__cpu_own_rows(struct tmb_program *p, int op, cpu_fn fn, void *data, int n_in, int n_out);
cpu_stage *tmb__cpu_slices(struct tmb_program *p, int op, cpu_fn fn, int64_t count, int64_t chunk);
/* Along a parameter: kernels of dense layers between their rows (cpu_optim.c). */
cpu_stage *tmb__cpu_param_slices(struct tmb_program *p, int op, cpu_fn fn, int tensor);
cpu_stage *tmb__cpu_once(struct tmb_program *p, int op, cpu_fn fn);
/* Declare the next buffer that the stage touches; -1 is an absent one. */
void tmb__cpu_use(cpu_stage *stage, int buffer, unsigned access);
/* Zeroed memory that lives as the program; NULL: message is set. */
void *tmb__cpu_keep(struct tmb_program *p, size_t size);
/* Have drop(thing) called when the program is released (or now, if that cannot be noted). */
int tmb__cpu_own(struct tmb_program *p, void *thing, cpu_drop drop);
/* Elements of a slice of a parameter: rows of `row` elements, not cut. */
int64_t tmb__cpu_chunk(int64_t count, int64_t row);
/* The op that writes a tensor before op `before`, or -1; and how many ops read it. */
int tmb__cpu_writer(const struct tmb_program *p, int tensor, int before);
int tmb__cpu_readers(const struct tmb_program *p, int tensor);

/* ---- planning and running (cpu_plan.c, cpu_run.c) ---- */

int tmb__cpu_plan(struct tmb_program *p);
int tmb__cpu_run(struct tmb_program *p, const tmb_run *run);

/* What the stage's `slot`-th buffer looks like to this task: its own sample's or group's part if
 * the stage is cut by rows and the buffer has such parts, the start of the whole otherwise. */
void *tmb__cpu_at(const cpu_stage *stage, const cpu_task *task, int slot);
/* Start of the whole, of a buffer that is seen whole by a stage cut by rows. */
void *tmb__cpu_base(const cpu_stage *stage, const cpu_task *task, int slot);

/* ---- measuring the CPU (cpu_peaks.c) ---- */

int tmb__cpu_ceilings(tmb_backend_device *device, int threads, tmb_ceilings *out);

/* ---- instruction sets (cpu_simd.c) ---- */

/* The device's kernels. TMB_EINVAL if the host asks for more than the CPU has. */
int tmb__cpu_isa_open(tmb_backend_device *device);
const char *tmb__cpu_isa_name(tmb_isa isa);

/* ---- shapes ---- */

int64_t tmb__cpu_count(const tmb_tensor *tensor);     /* elements at the largest batch */
int64_t tmb__cpu_row_count(const tmb_tensor *tensor); /* elements of a sample; all if not batched */
int64_t tmb__cpu_last(const tmb_tensor *tensor);      /* of the last axis */

/* 0, or TMB_EUNSUPPORTED and the reason in `why`. */
int tmb__cpu_supports(const tmb_op_list *list, int op, char *why, size_t size);

/* y = act(x) for n elements; x may be y (cpu_act.c). */
void tmb__cpu_activate(
        const struct tmb_program *p, const tmb_attr *attr, const float *x, float *y, int64_t n);

/* ---- pairs of ops done as one (cpu_fuse.c) ---- */

/* The maximum pool that applies op's ReLU after it has pooled, or -1: max and ReLU can change
 * places. */
int tmb__cpu_relu_taker(const struct tmb_program *p, int op);
/* The ACT_BWD of ReLU whose masking op number `pool_bwd` does, by windows without a winner; or -1.
 */
int tmb__cpu_mask_after_pool(const struct tmb_program *p, int pool_bwd);
/* The pool marks those windows, and applies ReLU if the op before has not. */
bool tmb__cpu_pool_rectifies(const struct tmb_program *p, int pool);
/* The POOL_BWD of 2 x 2 whose result, through ACT_BWD, is `dy`, if all that read dy work off the
 * pool's own gradient and its winners; or -1. */
int tmb__cpu_pool_before(const struct tmb_program *p, int dy);
bool tmb__cpu_is_2x2(const tmb_op *pool);
/* The pool's `where` takes a byte for each output (cpu_pool.c). */
void tmb__cpu_shrink_where(struct tmb_program *p, int pool);
/* The ACT_BWD of ReLU whose result only op number `bn_bwd` reads, or -1; and whether `act` is one.
 */
int tmb__cpu_mask_before_bn(const struct tmb_program *p, int bn_bwd);
bool tmb__cpu_masks_bn(const struct tmb_program *p, int act);

/* ---- one function for each op: append its stages ---- */

typedef int (*cpu_build)(struct tmb_program *p, int op);
#define X(NAME, name, in, out) int tmb__cpu_build_##NAME(struct tmb_program *p, int op);
#include <thimble/ops.def>
#undef X

#endif
