/* bench_net.h - whole training steps as op lists, for the benchmarks */
#ifndef THIMBLE_BENCH_NET_H
#define THIMBLE_BENCH_NET_H

#include <thimble/plugin.h>

enum { BENCH_TENSORS = 512, BENCH_OPS = 512, BENCH_LAYERS = 128 };

/* A layer that the backward pass comes back to. */
typedef struct bench_layer {
    tmb_op op; /* its forward op */
    int dw, db;
} bench_layer;

typedef struct bench_net {
    const char *name;
    tmb_tensor tensor[BENCH_TENSORS];
    tmb_op op[BENCH_OPS];
    bench_layer layer[BENCH_LAYERS];
    int grad_of[BENCH_TENSORS]; /* gradient of an activation, -1: none yet */
    int n_tensors, n_ops, n_layers, batch;
    int x, t, loss; /* inputs; losses of the samples */
    int frozen;     /* the tensor that no gradient is wanted of: x, or what frozen layers give */
} bench_net;

/* The post's net: 150 x 150, three convolutions, dense 64, dropout, one sigmoid; RMSprop. */
void bench_net_post(bench_net *net, int batch);
/* The post's head on VGG16's features, 4 x 4 x 512: dense 256, dropout, one sigmoid; RMSprop. */
void bench_net_head(bench_net *net, int batch);
/* VGG16 at 150 x 150 under that head, its last block trained; SGD with momentum. `kept`: from what the
 * frozen blocks gave, 9 x 9 x 512, else from the pixels. */
void bench_net_finetune(bench_net *net, int batch, bool kept);
/* A small residual net with batch normalisation, 128 x 128; SGD with momentum. */
void bench_net_residual(bench_net *net, int batch);
tmb_op_list bench_net_list(const bench_net *net);

#endif
