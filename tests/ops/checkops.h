/* checkops.h - what the files of checkops share: cases, and how to run them */
#ifndef THIMBLE_TESTS_CHECKOPS_H
#define THIMBLE_TESTS_CHECKOPS_H

#include "backend/backend.h"

enum { CASE_TENSORS = 96, CASE_OPS = 48, CASE_PAIRS = 8, CASE_BATCH = 5, MAX_DEVICES = 8 };

/* What a tensor is filled with before the first run. */
typedef enum fill {
    FILL_NORMAL,
    FILL_SMALL,    /* 0.3 normal: weights */
    FILL_LATTICE,  /* odd multiples of 0.05 in -7 .. 7: off the corners of activations */
    FILL_SPACED,   /* all different by at least 0.05: one maximum in a window, whatever is nudged */
    FILL_TIES,     /* 0, 1 or 2: many equal maxima */
    FILL_POSITIVE, /* 0.5 and more */
    FILL_ZERO,
    FILL_NAN,         /* normal, but the first is not a number */
    FILL_ONE_HOT,     /* one 1 in each row */
    FILL_BITS,        /* 0 or 1 */
    FILL_CLASS,       /* class numbers 0 .. 2 */
    FILL_PROBABILITY, /* 0.1 .. 0.9 */
    FILL_EDGE,        /* probabilities 0, 1, 1e-8 and the like, none of a row all 0 */
    FILL_FAR          /* logits up to +-90 */
} fill;

/* A small list of ops: most often one op and its gradients. */
typedef struct check_case {
    char name[96];
    tmb_tensor tensor[CASE_TENSORS];
    fill fill[CASE_TENSORS];
    tmb_op op[CASE_OPS];
    int n_tensors, n_ops, max_batch;
    bool perf; /* of a real network's size: for `perf`, not for `test` */
    /* For `grad`: L = sum(y dy), or sum(y) / share without dy; gradient is dL / d of. */
    int y, dy;
    bool share_batch; /* the share is n, else 1 */
    double nudge;     /* step of the finite differences */
    struct {
        int of, gradient;
    } pair[CASE_PAIRS];
    int n_pairs;
} check_case;

/* Call visit for every case there is. */
typedef void (*check_visit)(void *user, const check_case *c);
void check_cases(check_visit visit, void *user);
void check_cases_values(check_case *c, check_visit visit, void *user);
void check_cases_layers(check_case *c, check_visit visit, void *user);
void check_cases_nets(check_case *c, check_visit visit, void *user);

/* Building a case (checkops_build.c). DIMS gives rank and sizes; rows leave out the batch. */
#define DIMS(...)                                                                                  \
    (int)TMB_COUNT(((int64_t[]){__VA_ARGS__})), (const int64_t[])                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
void case_start(check_case *c, const char *fmt, ...) TMB_PRINTF(2, 3);
int add_rows(check_case *c, const char *name, tmb_role role, fill f, int rank, const int64_t *dim);
int add_plain(check_case *c, const char *name, tmb_role role, fill f, int rank, const int64_t *dim);
int add_like(check_case *c, const char *name, tmb_role role, fill f, int model);
tmb_op *add_op(check_case *c, tmb_op_kind kind);
/* Activations, by number; 0 is linear. */
enum { CASE_ACTS = 17 };
typedef struct case_act {
    tmb_activation act;
    const char *name;
    float alpha;
} case_act;
extern const case_act case_acts[CASE_ACTS];
/* Its gradient follows from y, so that an op may fuse it in training. */
bool case_fusible(tmb_activation act);
/* No corner: finite differences may cross zero. */
bool case_smooth(tmb_activation act);
void case_set_act(tmb_op *op, int number);
/* dy as it is before activation `number`: ACT_BWD of dy and y, or dy itself if there is none. */
int add_before_act(check_case *c, int dy, int y, int number);
void add_pair(check_case *c, int of, int gradient);
tmb_op_list case_list(const check_case *c);

/* A case on one device: its program and its data in guarded buffers (checkops_run.c). */
typedef struct check_run check_run;
int check_run_new(check_run **out, tmb_device *device, const check_case *c, bool bf16);
void check_run_free(check_run *run);
int check_run_reset(check_run *run); /* parameters and state as at the start */
/* Run n samples as step `step`; `shift` bytes move the bound buffers off their alignment. */
int check_run_go(check_run *run, int n, int64_t step, size_t shift);
bool check_run_readable(const check_case *c, int tensor);
int64_t check_rows_count(const check_case *c, int tensor, int n); /* elements in n rows */
float *check_run_data(check_run *run, int tensor);                /* what is bound or written */
int check_run_write(check_run *run, int tensor); /* after a change of a parameter */
int check_run_read(check_run *run, int tensor, const float **out);
tmb_program *check_run_program(check_run *run);

/* The modes: number of failures. Devices: open ones of 1, 2 and 4 threads. */
typedef struct check_device {
    char name[32];
    tmb_device *threads[3];
} check_device;
typedef struct check_options {
    const char *filter; /* NULL: every case */
    bool bf16;
    check_device device[MAX_DEVICES];
    int n_devices;
    tmb_device *ref;
} check_options;
bool check_wanted(const check_options *options, const check_case *c);
int check_grad(const check_options *options);
int check_perf(const check_options *options);
int check_support(const check_options *options);

#endif
