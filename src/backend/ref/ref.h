/* ref.h - what the files of ref share: one op's call, and the functions that run them
 *
 * ref is plain C loops over plain row-major tensors, one thread, sums in double: the definition of
 * every op. Each function below stands in the file of its family under a comment that gives the
 * formula, the shapes, the attributes that count and where the rule comes from. */
#ifndef THIMBLE_BACKEND_REF_H
#define THIMBLE_BACKEND_REF_H

#include <thimble/plugin.h>

/* One tensor as an op sees it in this run. */
typedef struct ref_view {
    float *data;    /* NULL: the op does not have this tensor */
    int32_t *index; /* the same memory, of an I32 tensor */
    int rank;
    int64_t dim[5]; /* dim[0] is the run's n if the tensor is batched */
    int64_t count;  /* elements, in n rows */
} ref_view;

/* One op of one run; in[] and out[] stand in the order of ops.def. */
typedef struct ref_call {
    const tmb_attr *attr;
    const tmb_run *run;
    const tmb_host *host;
    ref_view in[TMB_OP_INPUTS], out[TMB_OP_OUTPUTS];
    const ref_view *grads; /* every GRAD tensor of the list, for GRAD_NORM */
    int n_grads;
} ref_call;

typedef void (*ref_fn)(const ref_call *call);

/* Size of the last axis, and number of rows before it: x is (rows, last). */
static inline int64_t ref_last(const ref_view *x)
{
    return x->rank > 0 ? x->dim[x->rank - 1] : 1;
}

static inline int64_t ref_rows(const ref_view *x)
{
    return x->count / ref_last(x);
}

/* act(x), and its derivative, from ref_act.c; applied to a whole tensor where ops fuse it. */
double tmb__ref_activate(tmb_activation act, float alpha, double x);
void tmb__ref_activate_all(const tmb_attr *attr, const ref_view *y);

void tmb__ref_conv(const ref_call *call);
void tmb__ref_conv_bwd_data(const ref_call *call);
void tmb__ref_conv_bwd_weights(const ref_call *call);
void tmb__ref_pool(const ref_call *call);
void tmb__ref_pool_bwd(const ref_call *call);
void tmb__ref_global_pool(const ref_call *call);
void tmb__ref_global_pool_bwd(const ref_call *call);
void tmb__ref_dense(const ref_call *call);
void tmb__ref_dense_bwd_data(const ref_call *call);
void tmb__ref_dense_bwd_weights(const ref_call *call);
void tmb__ref_act(const ref_call *call);
void tmb__ref_act_bwd(const ref_call *call);
void tmb__ref_prelu(const ref_call *call);
void tmb__ref_prelu_bwd(const ref_call *call);
void tmb__ref_softmax(const ref_call *call);
void tmb__ref_softmax_bwd(const ref_call *call);
void tmb__ref_bn(const ref_call *call);
void tmb__ref_bn_bwd(const ref_call *call);
void tmb__ref_bn_infer(const ref_call *call);
void tmb__ref_bn_infer_bwd(const ref_call *call);
void tmb__ref_ln(const ref_call *call);
void tmb__ref_ln_bwd(const ref_call *call);
void tmb__ref_dropout(const ref_call *call); /* DROPOUT and DROPOUT_BWD */
void tmb__ref_pad(const ref_call *call);
void tmb__ref_pad_bwd(const ref_call *call);
void tmb__ref_add(const ref_call *call);
void tmb__ref_merge(const ref_call *call);
void tmb__ref_merge_bwd(const ref_call *call);
void tmb__ref_concat(const ref_call *call);
void tmb__ref_concat_bwd(const ref_call *call);
void tmb__ref_reshape(const ref_call *call);
void tmb__ref_permute(const ref_call *call);
void tmb__ref_upsample(const ref_call *call);
void tmb__ref_upsample_bwd(const ref_call *call);
void tmb__ref_random(const ref_call *call);
void tmb__ref_scale(const ref_call *call);
void tmb__ref_loss(const ref_call *call);
void tmb__ref_penalty(const ref_call *call);
void tmb__ref_grad_norm(const ref_call *call);
void tmb__ref_clip(const ref_call *call);
void tmb__ref_sgd(const ref_call *call);
void tmb__ref_rmsprop(const ref_call *call);
void tmb__ref_adam(const ref_call *call);
void tmb__ref_adagrad(const ref_call *call);
void tmb__ref_adadelta(const ref_call *call);
void tmb__ref_adamax(const ref_call *call);
void tmb__ref_nadam(const ref_call *call);
void tmb__ref_lion(const ref_call *call);
void tmb__ref_constrain(const ref_call *call);
void tmb__ref_ema(const ref_call *call);

#endif
