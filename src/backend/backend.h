/* backend.h - door of backend: devices, and programs made of op lists on them */
#ifndef THIMBLE_BACKEND_BACKEND_H
#define THIMBLE_BACKEND_BACKEND_H

#include "tensor/tensor.h"
#include <thimble/device.h>
#include <thimble/plugin.h>

const char *tmb__op_name(int kind);
const char *tmb__op_signature(int kind, bool outputs); /* "x w [b]"; "" for a wrong kind */

/* Its gradient follows from x only, not from y. */
bool tmb__act_needs_x(tmb_activation act);

/* An op with no tensors (-1 everywhere) and neutral attributes: strides, dilations, groups 1. */
tmb_op tmb__op_init(tmb_op_kind kind, const char *name);

/* A device: a backend, its state and the pool of threads that its programs share. */
struct tmb_device {
    const tmb_backend *backend;
    tmb_backend_device *handle;
    tmb__pool *pool;
    tmb_host host;
    char name[32];
    bool bf16;                    /* the precision in force: programs are made for it */
    struct tmb__profile *profile; /* NULL: nobody wants the times */
};

/* One slot of a signature: a tensor that ops of this kind take or give. */
typedef struct tmb__op_slot {
    char name[16];
    bool optional, written; /* [name], name! */
} tmb__op_slot;
int tmb__op_slots(tmb__op_slot out[TMB_OP_INPUTS], int kind, bool outputs); /* how many */

/* Shapes, roles and tensor numbers of a list make sense for its ops; a reason otherwise (TMB_EBUG). */
int tmb__op_list_check(const tmb_op_list *list);
/* The part of it that regards op number `op`: its shapes and attributes (op_shape.c). */
int tmb__op_shape_check(const tmb_op_list *list, int op);

/* One sample's loss (loss_row.c): what tmb_host lends. */
double tmb__loss_row(const tmb_loss_row *row);

/* prepare with every op's `supports` asked first: the message names op, shape and reason. */
int tmb__program_new(tmb_program **out, tmb_device *device, const tmb_op_list *list);
void tmb__program_free(tmb_device *device, tmb_program *program);
int tmb__program_run(tmb_device *device, tmb_program *program, const tmb_run *run);

/* ---- where the time goes (op_cost.c, profile.c) ---- */

/* Of n samples, which need not be whole; both grow in proportion but for a fixed part. */
typedef struct tmb__cost {
    double flops, bytes;
} tmb__cost;
tmb__cost tmb__op_cost(const tmb_op_list *list, int op, double n);

typedef struct tmb__profile tmb__profile;
void tmb__profile_free(tmb__profile *profile);
/* A program has been made on a device that is profiled; it is about to be freed. */
int tmb__profile_add(tmb_device *device, tmb_program *program, const tmb_op_list *list);
void tmb__profile_gone(tmb_device *device, const tmb_program *program);
tmb__trace *tmb__device_trace(const tmb_device *device); /* NULL: it is not profiled */

/* The backend of plugin libthimble-NAME.so. NULL with status 0 if there is no such file; `looked` then
 * names the folders. Never in the current directory; a plugin once loaded stays so. */
int tmb__plugin_load(const tmb_backend **out, const char *name, tmb__strbuf *looked);

/* The backends that can be built in; backends.def of the build lists those that are. */
const tmb_backend *tmb_backend_ref(uint32_t host_abi);
const tmb_backend *tmb_backend_cpu(uint32_t host_abi);

#endif
