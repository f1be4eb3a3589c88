/* cpu_conv.h - what the convolution files and their neighbours share */
#ifndef THIMBLE_BACKEND_CPU_CPU_CONV_H
#define THIMBLE_BACKEND_CPU_CPU_CONV_H

#include "cpu_bf16.h"
#include "cpu_dnnl.h"

/* The tensor is kept in bf16 between ops; the op that writes it has it so (cpu_fuse.c). */
bool tmb__cpu_half(const struct tmb_program *p, int tensor);
bool tmb__cpu_keep_half(struct tmb_program *p, int tensor);

/* The geometry of an op whose image, kernel and result are tensors x, w and y. */
cpu_conv tmb__cpu_conv_of(const struct tmb_program *p, const tmb_op *op, int x, int w, int y);

/* The convolution with stride 1, by the kernel turned by half a circle, that makes dx of dy. */
cpu_conv tmb__cpu_conv_turned(const cpu_conv *conv);

/* Partial sums of `count` floats, one for each group of group_rows samples, and where their sum
 * goes. */
typedef struct cpu_sum {
    int parts, total; /* buffers */
    int64_t count;
    int group_rows;
} cpu_sum;
int tmb__cpu_add_group_sum(struct tmb_program *p, int op, const cpu_sum *sum);

/* What is left of CONV once y is convolved: the activation, unless `relu` is done or left to a
 * pool. */
void tmb__cpu_finish_conv(
        const cpu_stage *stage, const cpu_task *task, float *y, int64_t n, bool relu_done);

/* Few input channels (cpu_thin.c). */
bool tmb__cpu_thin_fits(const cpu_conv *conv);
int tmb__cpu_thin_forward(struct tmb_program *p, int op, const cpu_conv *conv);
int tmb__cpu_thin_back_weights(struct tmb_program *p, int op, const cpu_conv *conv);

/* Winograd (cpu_wino.c). */
bool tmb__cpu_wino_fits(const struct tmb_program *p, const cpu_conv *conv);
/* Its kernel, once transformed, fits into no cache. */
bool tmb__cpu_wino_is_vast(const cpu_conv *conv);
bool tmb__cpu_wino_fits_weights(const struct tmb_program *p, const cpu_conv *conv);
int tmb__cpu_wino_forward(struct tmb_program *p, int op, const cpu_conv *conv);
int tmb__cpu_wino_back_data(struct tmb_program *p, int op, const cpu_conv *conv);
int tmb__cpu_wino_back_weights(struct tmb_program *p, int op, const cpu_conv *conv);

/* A pointwise convolution before a depthwise one, or not, and a pointwise one behind it, in bf16 and as
 * one, a few rows at a time (cpu_chain.c). */
bool tmb__cpu_chain_starts(const struct tmb_program *p, int op);
int tmb__cpu_chain_forward(struct tmb_program *p, int op);

/* Depthwise ones in bf16 (cpu_depth.c). */
bool tmb__cpu_depth_fits(const struct tmb_program *p, const tmb_op *op, const cpu_conv *conv);
cpu_bf16_depth tmb__cpu_depth_geometry(const cpu_conv *conv);
size_t tmb__cpu_depth_space(const cpu_conv *conv);
int tmb__cpu_depth_forward(struct tmb_program *p, int op, const cpu_conv *conv);

/* Tensors of a convolution in bf16, -1: absent. `where`: winners of a maximum pool behind x or y. */
typedef struct cpu_bf16_tensors {
    int x, x_where, b, y, y_where;
    bool turned; /* the kernel, for the gradient to the data */
} cpu_bf16_tensors;

/* Large kernels in bf16, by 16 samples at a time (cpu_batch.c). */
enum { CPU_LEAST_BATCH = 8 /* samples of a run that are not left to other stages */ };
bool tmb__cpu_batch_fits(const struct tmb_program *p, const cpu_conv *conv);
/* `packed`: the buffer of the kernel in tiles. */
int tmb__cpu_batch_convolve(struct tmb_program *p, int op, const cpu_bf16_conv *s,
        const cpu_bf16_end *end, int packed, const cpu_bf16_tensors *at);
/* y is dy here. */
int tmb__cpu_batch_weights(
        struct tmb_program *p, int op, const cpu_bf16_conv *s, const cpu_bf16_tensors *at);

/* In bf16 (cpu_bf16.c). */
bool tmb__cpu_bf16_fits(const struct tmb_program *p, const cpu_conv *conv);
bool tmb__cpu_bf16_fits_back(const struct tmb_program *p, const cpu_conv *conv);
/* Few channels: x is then f32. */
bool tmb__cpu_bf16_thin(const cpu_conv *conv);
/* The POOL that op number `op`, a CONV, does with its ReLU, or -1. */
int tmb__cpu_bf16_pool(const struct tmb_program *p, int op);
cpu_bf16_conv tmb__cpu_bf16_geometry(
        const struct tmb_program *p, const cpu_conv *conv, cpu_direction direction);
/* A stage that brings the kernel of op number `op` into tiles. Returns the buffer it fills. */
int tmb__cpu_bf16_pack(struct tmb_program *p, int op, const cpu_bf16_conv *s, bool turned);
int tmb__cpu_bf16_forward(struct tmb_program *p, int op, const cpu_conv *conv);
int tmb__cpu_bf16_back_data(struct tmb_program *p, int op, const cpu_conv *conv);
int tmb__cpu_bf16_back_weights(struct tmb_program *p, int op, const cpu_conv *conv);

#endif
