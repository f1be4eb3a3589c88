/* types.h - the names of activations, losses and the like, shared by nets and backends */
#ifndef THIMBLE_TYPES_H
#define THIMBLE_TYPES_H

#include <thimble/status.h>

/* What a device can do at most: operations a second (a multiply-add is two) and bytes a second. */
typedef enum tmb_ceiling {
    TMB_CEILING_F32,     /* vectors, between registers */
    TMB_CEILING_BF16,    /* products of pairs or tiles, between registers */
    TMB_CEILING_BF16_L2, /* the same from L2 */
    TMB_CEILING_READ_L2,
    TMB_CEILING_COPY_L2, /* copies count twice */
    TMB_CEILING_READ_L3, /* the last level of cache */
    TMB_CEILING_COPY_L3,
    TMB_CEILING_READ_MEMORY,
    TMB_CEILING_COPY_MEMORY,
    TMB_CEILINGS
} tmb_ceiling;

typedef struct tmb_ceilings {
    int threads;               /* that worked together */
    const char *vectors;       /* the widest that it has, as "AVX-512"; static text */
    double rate[TMB_CEILINGS]; /* of all these threads; 0: there is no such thing */
    int64_t block[3];          /* bytes that each went over in L2, L3 and memory */
    int64_t cache[2];          /* bytes of a core's L2, and of L3 */
} tmb_ceilings;

/* Instruction sets of x86 that there are kernels for; each holds those before it. */
typedef enum tmb_isa {
    TMB_ISA_ANY,         /* as much as the CPU has */
    TMB_ISA_X86_64,      /* as it began; oneDNN takes SSE 4.1 */
    TMB_ISA_AVX2,        /* with FMA */
    TMB_ISA_AVX512,      /* F, BW, DQ, VL */
    TMB_ISA_AVX512_BF16, /* products of bf16 pairs */
    TMB_ISA_AMX          /* and of bf16 tiles */
} tmb_isa;

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
    TMB_GELU,         /* exact, through erf */
    TMB_SWISH,        /* x sigmoid(x), also called silu */
    TMB_HARD_SIGMOID, /* x / 6 + 0.5 within 0 .. 1, as Keras 3 has it */
    TMB_SOFTSIGN,
    TMB_EXPONENTIAL,
    TMB_GELU_TANH,  /* gelu's approximation through tanh */
    TMB_HARD_SWISH, /* x hard_sigmoid(x), also called hard_silu */
    TMB_MISH,
    TMB_SOFTMAX, /* over the last axis, as is its logarithm */
    TMB_LOG_SOFTMAX
} tmb_activation;

/* How layers of one shape become one, element by element. */
typedef enum tmb_merge {
    TMB_MULTIPLY = 1,
    TMB_AVERAGE,
    TMB_MAXIMUM,
    TMB_MINIMUM,
    TMB_SUBTRACT /* the second from the first */
} tmb_merge;

/* What dropout does to values while training. */
typedef enum tmb_noise {
    TMB_NOISE_DROP = 0,      /* a share of them becomes 0 */
    TMB_NOISE_DROP_CHANNELS, /* a share of the channels, each for a whole sample */
    TMB_NOISE_GAUSSIAN_FACTOR,
    TMB_NOISE_GAUSSIAN /* added */
} tmb_noise;

/* What happens to photos inside a net while it trains, each photo by a draw of its own. */
typedef enum tmb_random_kind {
    TMB_RANDOM_FLIP = 1,
    TMB_RANDOM_ROTATION,
    TMB_RANDOM_ZOOM,
    TMB_RANDOM_TRANSLATION,
    TMB_RANDOM_CROP,
    TMB_RANDOM_CONTRAST,
    TMB_RANDOM_BRIGHTNESS
} tmb_random_kind;

/* What stands beyond the edges of a photo abcd. */
typedef enum tmb_edge {
    TMB_EDGE_REFLECT = 0, /* dcba abcd dcba */
    TMB_EDGE_CONSTANT,
    TMB_EDGE_NEAREST, /* aaaa abcd dddd */
    TMB_EDGE_WRAP     /* abcd abcd abcd */
} tmb_edge;

/* What a kernel is held to after each step. */
typedef enum tmb_limit {
    TMB_NO_LIMIT = 0,
    TMB_MAX_NORM,
    TMB_NON_NEG,
    TMB_UNIT_NORM,
    TMB_MIN_MAX_NORM
} tmb_limit;

/* Keras' constraints. The norm is taken over `axes`. */
typedef struct tmb_constraint {
    tmb_limit limit;
    float min, max; /* of the norm; max 0: 2 for MAX_NORM, 1 for MIN_MAX_NORM */
    float rate;     /* MIN_MAX_NORM: share of the way there in each step; 0: 1 */
    unsigned axes;  /* a bit for each axis: 7 gives each filter of a conv2d its norm; 0: axis 0 */
} tmb_constraint;

/* Keras' losses, by their names. */
typedef enum tmb_loss {
    TMB_BINARY_CROSSENTROPY = 1,
    TMB_CATEGORICAL_CROSSENTROPY,
    TMB_SPARSE_CATEGORICAL_CROSSENTROPY,
    TMB_BINARY_FOCAL,
    TMB_CATEGORICAL_FOCAL,
    TMB_HINGE,
    TMB_SQUARED_HINGE,
    TMB_CATEGORICAL_HINGE,
    TMB_HUBER,
    TMB_LOG_COSH,
    TMB_MEAN_SQUARED_ERROR,
    TMB_MEAN_ABSOLUTE_ERROR,
    TMB_MEAN_ABSOLUTE_PERCENTAGE_ERROR,
    TMB_MEAN_SQUARED_LOGARITHMIC_ERROR,
    TMB_KL_DIVERGENCE,
    TMB_POISSON,
    TMB_COSINE_SIMILARITY,
    TMB_LOSSES /* one above the last */
} tmb_loss;

#endif
