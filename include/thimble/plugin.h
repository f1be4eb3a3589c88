/* plugin.h - the backend ABI, for authors of backends only
 *
 * A backend runs lists of ops. The host describes a whole step (forward, loss, backward, update) as one
 * list over numbered tensors; `prepare` chooses algorithms, layouts and memory across all of it once,
 * `run` executes it for a batch of n samples. Between runs the host moves named tensors in and out in
 * their plain order; what a program stores inside is its own business.
 *
 * Promise of every backend: the same list, tensors and run give the same bits, whatever the number of
 * threads. The reference in plain C, src/backend/ref, is the definition of each op. */
#ifndef THIMBLE_PLUGIN_H
#define THIMBLE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <thimble/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TMB_BACKEND_ABI 1u
#define TMB_OP_INPUTS   8
#define TMB_OP_OUTPUTS  8

typedef enum tmb_dtype { TMB_F32, TMB_BF16, TMB_U8, TMB_I32 } tmb_dtype;

typedef enum tmb_role {
    TMB_ROLE_ACT,    /* lives inside a run: activations and their gradients, workspaces */
    TMB_ROLE_INPUT,  /* bound by pointer at each run */
    TMB_ROLE_OUTPUT, /* as ACT, and readable after the run */
    TMB_ROLE_PARAM,  /* kept between runs, written by update ops */
    TMB_ROLE_STATE,  /* kept between runs: moving statistics, optimizer slots, averages */
    TMB_ROLE_GRAD    /* gradient of a parameter; readable after the run */
} tmb_role;

/* One tensor of a list, in its plain order: row-major, (n, h, w, c) for activations. */
typedef struct tmb_tensor {
    tmb_role role;
    tmb_dtype dtype; /* of the plain order; F32 but for workspaces */
    bool batched;    /* dim[0] is the largest batch; a run uses its first n rows */
    int rank;        /* 0..5 */
    int64_t dim[5];
    const char *name; /* for messages and traces; borrowed for the life of the program */
} tmb_tensor;

/* Attributes of an op; which fields count is said at the op in ref/. Zero where not used. */
typedef struct tmb_attr {
    int kernel[2], stride[2], dilation[2]; /* rows, columns; all at least 1 where used */
    int pad[4];                            /* top, left, bottom, right */
    int groups;                            /* CONV: input and output channels fall into this many */
    bool max;               /* POOL, GLOBAL_POOL: maximum; else mean of real pixels */
    tmb_activation act;     /* CONV, DENSE, BN, BN_INFER, ADD: of y; ACT, SOFTMAX: itself */
    float alpha;            /* of act; focal LOSS; PRELU: slope where no tensor has it */
    float threshold, most;  /* PRELU: where the slope ends; upper limit of y, 0: none */
    float eps, momentum;    /* BN; LN, optimizers: eps */
    tmb_noise noise;        /* DROPOUT */
    float rate;             /* DROPOUT: share set to zero; deviation of the noise added */
    uint32_t id;            /* DROPOUT, RANDOM: distinguishes layers in the random stream */
    float scale, offset;    /* SCALE: y = x * scale + offset */
    tmb_merge merge;        /* MERGE: MULTIPLY, MAXIMUM or MINIMUM */
    int axes[4];            /* PERMUTE: axis i + 1 of y is axis axes[i] of x; 0 is the batch */
    bool bilinear;          /* UPSAMPLE, RANDOM: between pixels; else the nearest one */
    tmb_random_kind random; /* RANDOM */
    float range[4];         /* RANDOM: low and high factor of rows, or of all; of columns */
    float values[2];        /* RANDOM: CONTRAST, BRIGHTNESS: y lies in between */
    bool flip[2];           /* RANDOM: FLIP rows, columns */
    bool fixed;             /* RANDOM: ZOOM: columns as rows; CROP: the middle */
    tmb_edge edge;          /* RANDOM: FLIP to CROP */
    float fill;             /* RANDOM: of TMB_EDGE_CONSTANT */
    tmb_loss loss;          /* LOSS */
    bool logits;            /* LOSS: z comes before sigmoid / softmax */
    float smoothing;        /* LOSS: label smoothing */
    float gamma, delta;     /* LOSS: of the focal losses (with alpha); of Huber */
    bool balanced, sum;     /* LOSS: binary focal weighs its classes; no division by n */
    float l1, l2;           /* PENALTY: l1 sum|w - start| + l2 sum (w - start)^2, gradient into g */
    float lr_scale;         /* optimizers: factor on run.lr */
    float weight_decay;     /* same: w -= lr * weight_decay * w before the step */
    float clip;             /* same, CLIP: g * min(1, clip / norm); 0: none */
    float clip_value;       /* CLIP: g cut to -c .. c; 0: none */
    float beta1, beta2, rho; /* ADAM and its kin, LION; RMSPROP, ADADELTA */
    bool nesterov, eps_outside, amsgrad, centered;
    tmb_constraint constraint; /* CONSTRAIN */
    float decay;               /* EMA: average = d average + (1 - d) w */
    bool warm_up;              /* EMA: d = min(decay, (1 + step) / (10 + step)) */
} tmb_attr;

/* Every op, in the order of ops.def. */
typedef enum tmb_op_kind {
#define X(NAME, name, in, out) TMB_OP_##NAME,
#include <thimble/ops.def>
#undef X
    TMB_OP_COUNT
} tmb_op_kind;

/* Absent tensors are -1. */
typedef struct tmb_op {
    tmb_op_kind kind;
    int in[TMB_OP_INPUTS], out[TMB_OP_OUTPUTS];
    tmb_attr attr;
    const char *name; /* the layer's name, for messages and traces */
} tmb_op;

typedef struct tmb_op_list {
    const tmb_tensor *tensors;
    const tmb_op *ops; /* in an order in which they can run */
    int n_tensors, n_ops;
    int max_batch;
    bool bf16; /* the backend may compute in bf16 where it gains; parameters stay f32 */
} tmb_op_list;

typedef struct tmb_bind {
    int tensor;
    const void *data; /* plain order, n rows, aligned to 4 bytes; borrowed during the run */
} tmb_bind;

typedef struct tmb_run {
    int n;         /* samples, 1 .. max_batch */
    uint64_t seed; /* of DROPOUT, RANDOM */
    int64_t step;  /* optimizer steps done before this one */
    float lr;
    const tmb_bind *binds; /* every INPUT tensor */
    int n_binds;
} tmb_run;

/* One sample for the loss of an op's attributes (LOSS in ref/). */
typedef struct tmb_loss_row {
    const tmb_attr *attr;
    const float *z, *t; /* k scores; the truth */
    float *dz;          /* (k) gradient times `factor`; NULL: not wanted */
    double factor;
    int64_t k;
} tmb_loss_row;

/* What the host lends a backend, so that a plugin links to its own library only. */
typedef struct tmb_host {
    void *(*alloc)(size_t n, size_t size); /* zeroed, 64-byte aligned; NULL: message is set */
    void (*free)(void *p);
    int (*fail)(int status, const char *fmt, ...);
    void (*log)(tmb_log_level level, const char *fmt, ...);
    /* fn(user, task, worker) for each task 0 .. n-1, once, on some worker 0 .. threads-1; waits */
    void (*parallel)(void *pool, int n, void (*fn)(void *user, int task, int worker), void *user);
    int (*threads)(void *pool);
    /* 4 * blocks words: block j is Philox at (seed, DROPOUT, step, id, first + j); the same everywhere */
    void (*random)(uint64_t seed, int64_t step, uint32_t id, uint64_t first, int64_t blocks,
            uint32_t *out);
    double (*now)(void);
    double (*loss)(const tmb_loss_row *row); /* one sample's loss; any thread */
    void *pool;
    tmb_isa isa; /* the most that is to be used of an x86 CPU; more than it has is TMB_EINVAL */
} tmb_host;

typedef struct tmb_backend_device tmb_backend_device;
typedef struct tmb_program tmb_program;

/* How prepare chose to do an op. */
typedef struct tmb_op_how {
    const char *text; /* algorithm and layout; lives as the program */
    bool bf16;        /* it multiplies in bf16 */
} tmb_op_how;

/* Told of every piece of work on op number `op` of a list, from the worker that did it, by host.now. */
typedef void (*tmb_op_span)(void *user, int op, int worker, double start, double end);

typedef struct tmb_backend {
    uint32_t abi; /* TMB_BACKEND_ABI */
    const char *name;
    int (*device_count)(void);
    int (*open)(tmb_backend_device **out, int index, const tmb_host *host);
    void (*close)(tmb_backend_device *device);
    /* Lists come checked: tensors that an op needs are there, written before they are read and by
     * one op only, and shapes and attributes fit together.
     * 0 and an empty `why` if op number `op` of the list can run here; else TMB_EUNSUPPORTED and why not */
    int (*supports)(
            tmb_backend_device *device, const tmb_op_list *list, int op, char *why, size_t size);
    int (*prepare)(tmb_program **out, tmb_backend_device *device, const tmb_op_list *list);
    void (*release)(tmb_program *program);
    /* Whole tensor in plain order, f32 (workspaces excepted: they cannot be moved). PARAM, STATE, GRAD
     * and OUTPUT can be read; PARAM and STATE written. Batched ones: the n rows of the last run. */
    int (*write)(tmb_program *program, int tensor, const float *src);
    int (*read)(tmb_program *program, int tensor, float *dst);
    int (*run)(tmb_program *program, const tmb_run *run);
    int64_t (*memory)(const tmb_program *program); /* bytes the program holds */
    /* Tell `span` of all work from the next run on; NULL: no longer. */
    void (*profile)(tmb_program *program, tmb_op_span span, void *user);
    void (*op_how)(const tmb_program *program, int op, tmb_op_how *out);
    /* This device computes convolutions faster in bf16; NULL: never. Lists ask for it only then. */
    bool (*bf16)(tmb_backend_device *device);
    /* Measure on so many of the pool's threads, 1 or more; NULL: it cannot. */
    int (*ceilings)(tmb_backend_device *device, int threads, tmb_ceilings *out);
    /* What it computes with, in a word or two, as "avx2"; lives as the device. NULL: nothing to say. */
    const char *(*about)(tmb_backend_device *device);
} tmb_backend;

/* The one symbol a plugin exports. NULL if `host_abi` is not understood. */
typedef const tmb_backend *(*tmb_backend_entry_fn)(uint32_t host_abi);

#ifdef __cplusplus
}
#endif
#endif
