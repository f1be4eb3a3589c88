/* types.h - the names of activations and losses, shared by nets and backends */
#ifndef THIMBLE_TYPES_H
#define THIMBLE_TYPES_H

#include <thimble/status.h>

/* Element-wise functions as Keras has them, and softmax. */
typedef enum tmb_activation {
    TMB_LINEAR,
    TMB_RELU,
    TMB_RELU6,
    TMB_LEAKY_RELU, /* alpha x for x < 0 */
    TMB_ELU,        /* alpha (e^x - 1) for x < 0 */
    TMB_SELU,
    TMB_SIGMOID,
    TMB_TANH,
    TMB_SOFTPLUS,
    TMB_GELU,   /* exact, through erf */
    TMB_SWISH,  /* x sigmoid(x), also called silu */
    TMB_SOFTMAX /* over the last axis */
} tmb_activation;

typedef enum tmb_loss {
    TMB_BINARY_CROSSENTROPY = 1,
    TMB_CATEGORICAL_CROSSENTROPY,
    TMB_SPARSE_CATEGORICAL_CROSSENTROPY
} tmb_loss;

#endif
