/* cpu_dnnl.h - oneDNN as the rest of the backend sees it: primitives on one thread */
#ifndef THIMBLE_BACKEND_CPU_CPU_DNNL_H
#define THIMBLE_BACKEND_CPU_CPU_DNNL_H

#include "cpu.h"

enum { CPU_PRIM_ARGS = 4 };

/* Geometry of a convolution of one sample: (h, w, in) and (kh, kw, in / groups, out) to (oh, ow,
 * out). */
typedef struct cpu_conv {
    int64_t h, w, in, oh, ow, out, kh, kw, groups;
    int stride[2], dilation[2], pad[4];
    tmb_activation act; /* that the library applies to the result of CPU_FORWARD */
    bool trained;       /* the kernel changes with each run */
} cpu_conv;

/* The library knows this activation as one that follows a convolution. */
bool tmb__cpu_prim_knows(tmb_activation act);

typedef enum cpu_direction { CPU_FORWARD, CPU_BACK_DATA, CPU_BACK_WEIGHTS } cpu_direction;

/* A primitive, with a memory object of each argument for each worker. */
typedef struct cpu_prim cpu_prim;

int tmb__cpu_engine_open(tmb_backend_device *device);
void tmb__cpu_engine_close(tmb_backend_device *device);
int tmb__cpu_streams_open(struct tmb_program *p);

/* Calls of the library on this thread use this thread only, until tmb__cpu_threads_back. */
int tmb__cpu_one_thread(void);
void tmb__cpu_threads_back(int threads);

/* A convolution. Arguments when run, each direction's in this order: forward x, w, b, y; back data
 * dy, w, dx; back weights x, dy, dw, db. Kernels are in the order that the library likes
 * (`packed`). */
int tmb__cpu_prim_conv(struct tmb_program *p, cpu_prim **out, cpu_direction direction,
        const cpu_conv *conv, bool bias);
/* Plain kernel to `conv`'s packed order, or back. Arguments: from, to. */
int tmb__cpu_prim_pack(struct tmb_program *p, cpu_prim **out, const cpu_prim *conv, bool back);
size_t tmb__cpu_prim_packed_bytes(const cpu_prim *prim);
size_t tmb__cpu_prim_scratch_bytes(const cpu_prim *prim);
const char *tmb__cpu_prim_how(const cpu_prim *prim);

/* Run it on this task's worker; `args` in the order above, absent ones NULL. */
void tmb__cpu_prim_run(
        const cpu_prim *prim, const cpu_task *task, void *const *args, void *scratch);

#endif
