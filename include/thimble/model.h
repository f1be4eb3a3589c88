/* model.h - nets: layers, weights, freezing, prediction
 *
 * A layer is added to the end of the net, or onto the layers named in `from`. The first error stays in
 * the model until tmb_compile() or tmb_model_check() returns it.
 *     tmb_conv2d(net, .filters = 32, .kernel = {3, 3}, .activation = TMB_RELU);
 *     tmb_layer a = tmb_batchnorm(net, 0), b = tmb_conv2d(net, .filters = 32, .kernel = {3, 3}, .same_padding = true);
 *     tmb_add(net, .from = {a, b}); */
#ifndef THIMBLE_MODEL_H
#define THIMBLE_MODEL_H

#include <thimble/data.h>
#include <thimble/device.h>
#include <thimble/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_model tmb_model; /* layers and weights, and how it was trained */
typedef int tmb_layer; /* number of a layer, 1 the input; 0 in options: the last added */

enum { TMB_LAYER_INPUTS = 8 };

typedef enum tmb_init {
    TMB_GLOROT_UNIFORM = 0, /* what Keras takes for kernels */
    TMB_GLOROT_NORMAL,
    TMB_HE_UNIFORM,
    TMB_HE_NORMAL,
    TMB_LECUN_UNIFORM,
    TMB_LECUN_NORMAL,
    TMB_RANDOM_NORMAL,    /* deviation 0.05 */
    TMB_RANDOM_UNIFORM,   /* -0.05 .. 0.05 */
    TMB_TRUNCATED_NORMAL, /* deviation 0.05, cut at two */
    TMB_ZEROS,
    TMB_ONES
} tmb_init;

/* A net for photos of height x width with `channels`. `seed` gives the initial weights. */
TMB_API int tmb_model_new(tmb_model **out, int height, int width, int channels);
TMB_API void tmb_model_free(tmb_model *model);

typedef struct tmb_conv2d_opts {
    int filters, kernel[2];     /* required */
    int stride[2], dilation[2]; /* 0: 1 */
    int groups;                 /* 0: 1 */
    bool same_padding, no_bias;
    tmb_activation activation;
    float alpha; /* of LEAKY_RELU (0: 0.2) and ELU (0: 1) */
    tmb_init init;
    float l1, l2;              /* penalties on the kernel */
    tmb_constraint constraint; /* of the kernel */
    bool frozen;
    const char *name; /* NULL: as Keras counts: conv2d, conv2d_1, ... */
    tmb_layer from;
} tmb_conv2d_opts;
TMB_API tmb_layer tmb_model_add_conv2d(tmb_model *model, const tmb_conv2d_opts *opts);

typedef struct tmb_depthwise_conv2d_opts {
    int kernel[2];              /* required */
    int stride[2], dilation[2]; /* 0: 1 */
    int multiplier;             /* 0: 1 */
    bool same_padding, no_bias;
    tmb_activation activation;
    float alpha;
    tmb_init init;
    float l1, l2;
    bool frozen;
    const char *name;
    tmb_layer from;
} tmb_depthwise_conv2d_opts;
TMB_API tmb_layer tmb_model_add_depthwise_conv2d(
        tmb_model *, const tmb_depthwise_conv2d_opts *opts);

typedef struct tmb_separable_conv2d_opts {
    int filters, kernel[2];     /* required */
    int stride[2], dilation[2]; /* 0: 1 */
    int multiplier;             /* 0: 1 */
    bool same_padding, no_bias;
    tmb_activation activation;
    float alpha;
    tmb_init init;
    float l1, l2;
    bool frozen;
    const char *name;
    tmb_layer from;
} tmb_separable_conv2d_opts;
TMB_API tmb_layer tmb_model_add_separable_conv2d(
        tmb_model *, const tmb_separable_conv2d_opts *opts);

typedef struct tmb_dense_opts {
    int units; /* required */
    bool no_bias;
    tmb_activation activation;
    float alpha;
    tmb_init init;
    float l1, l2;
    tmb_constraint constraint;
    bool frozen;
    const char *name;
    tmb_layer from;
} tmb_dense_opts;
TMB_API tmb_layer tmb_model_add_dense(tmb_model *model, const tmb_dense_opts *opts);

typedef struct tmb_pool2d_opts {
    int pool[2];   /* 0: 2 */
    int stride[2]; /* 0: as pool */
    bool same_padding;
    const char *name;
    tmb_layer from;
} tmb_pool2d_opts;
TMB_API tmb_layer tmb_model_add_maxpool2d(tmb_model *model, const tmb_pool2d_opts *opts);
TMB_API tmb_layer tmb_model_add_avgpool2d(tmb_model *model, const tmb_pool2d_opts *opts);

/* Layers with few options: flatten, both global poolings. */
typedef struct tmb_plain_opts {
    bool keepdims; /* of the poolings: (1, 1, channels) instead of (channels) */
    const char *name;
    tmb_layer from;
} tmb_plain_opts;
TMB_API tmb_layer tmb_model_add_global_avgpool2d(tmb_model *model, const tmb_plain_opts *opts);
TMB_API tmb_layer tmb_model_add_global_maxpool2d(tmb_model *model, const tmb_plain_opts *opts);
TMB_API tmb_layer tmb_model_add_flatten(tmb_model *model, const tmb_plain_opts *opts);

typedef struct tmb_activation_opts {
    tmb_activation activation; /* required */
    float alpha;
    bool layer; /* Keras' own layer of it: ReLU, LeakyReLU (alpha 0: 0.3), ELU, Softmax */
    /* The layer ReLU: x up to max_value (0: no limit) above threshold, below it
     * negative_slope (x - threshold). */
    float max_value, negative_slope, threshold;
    const char *name;
    tmb_layer from;
} tmb_activation_opts;
TMB_API tmb_layer tmb_model_add_activation(tmb_model *model, const tmb_activation_opts *opts);

/* y = x above 0, alpha x below, with learned alpha. */
typedef struct tmb_prelu_opts {
    int shared_axes[4]; /* axes, from 1, along which there is one alpha; ends at the first 0 */
    tmb_init init;      /* 0: zeros */
    float l1, l2;       /* penalties on alpha */
    bool frozen;
    const char *name;
    tmb_layer from;
} tmb_prelu_opts;
TMB_API tmb_layer tmb_model_add_prelu(tmb_model *model, const tmb_prelu_opts *opts);

typedef struct tmb_dropout_opts {
    float rate;      /* while training: share set to zero, 0..1; of GAUSSIAN, the deviation */
    tmb_noise noise; /* Dropout, SpatialDropout2D, GaussianDropout, GaussianNoise */
    const char *name;
    tmb_layer from;
} tmb_dropout_opts;
TMB_API tmb_layer tmb_model_add_dropout(tmb_model *model, const tmb_dropout_opts *opts);

typedef struct tmb_batchnorm_opts {
    float momentum, epsilon; /* 0: 0.99, 0.001 */
    bool no_scale, no_center;
    tmb_init gamma_init; /* TMB_ONES or TMB_ZEROS; 0: ones */
    bool frozen;         /* uses its moving statistics in training too */
    const char *name;
    tmb_layer from;
} tmb_batchnorm_opts;
TMB_API tmb_layer tmb_model_add_batchnorm(tmb_model *model, const tmb_batchnorm_opts *opts);

/* Each pixel's channels are brought to mean 0 and variance 1, then scaled and shifted. */
typedef struct tmb_layernorm_opts {
    float epsilon; /* 0: 0.001 */
    bool no_scale, no_center;
    bool frozen;
    const char *name;
    tmb_layer from;
} tmb_layernorm_opts;
TMB_API tmb_layer tmb_model_add_layernorm(tmb_model *model, const tmb_layernorm_opts *opts);

typedef struct tmb_zeropad2d_opts {
    int top, bottom, left, right;
    const char *name;
    tmb_layer from;
} tmb_zeropad2d_opts;
TMB_API tmb_layer tmb_model_add_zeropad2d(tmb_model *model, const tmb_zeropad2d_opts *opts);
/* The reverse: so many rows and columns are cut off. */
TMB_API tmb_layer tmb_model_add_cropping2d(tmb_model *model, const tmb_zeropad2d_opts *opts);

typedef struct tmb_upsampling2d_opts {
    int size[2];   /* rows, columns: how many times as many; 0: 2 */
    bool bilinear; /* between the pixels; else each is repeated */
    const char *name;
    tmb_layer from;
} tmb_upsampling2d_opts;
TMB_API tmb_layer tmb_model_add_upsampling2d(tmb_model *model, const tmb_upsampling2d_opts *opts);

typedef struct tmb_merge_opts {
    tmb_layer from[TMB_LAYER_INPUTS]; /* two or more; ends at the first 0 */
    tmb_activation activation;        /* TMB_RELU may follow an addition at no cost */
    const char *name;
} tmb_merge_opts;
TMB_API tmb_layer tmb_model_add_add(tmb_model *model, const tmb_merge_opts *opts);
TMB_API tmb_layer tmb_model_add_concatenate(tmb_model *model, const tmb_merge_opts *opts);
/* Element by element, of equal shapes; a factor may also be (1, 1, channels). */
TMB_API tmb_layer tmb_model_add_merge(
        tmb_model *model, tmb_merge merge, const tmb_merge_opts *opts);

typedef struct tmb_reshape_opts {
    int shape[4]; /* without the batch; ends at the first 0; one -1 is worked out */
    const char *name;
    tmb_layer from;
} tmb_reshape_opts;
TMB_API tmb_layer tmb_model_add_reshape(tmb_model *model, const tmb_reshape_opts *opts);

typedef struct tmb_permute_opts {
    int dims[4]; /* the axes, from 1, in their new order: {2, 1, 3} swaps height and width */
    const char *name;
    tmb_layer from;
} tmb_permute_opts;
TMB_API tmb_layer tmb_model_add_permute(tmb_model *model, const tmb_permute_opts *opts);

typedef struct tmb_rescaling_opts {
    float scale, offset; /* x * scale + offset */
    const char *name;
    tmb_layer from;
} tmb_rescaling_opts;
TMB_API tmb_layer tmb_model_add_rescaling(tmb_model *model, const tmb_rescaling_opts *opts);

/* In training only; nothing below may be trained. Where a factor has a low and a high end, {v, v} is
 * always v and {0, 0} no change. */
typedef struct tmb_random_opts {
    bool horizontal, vertical; /* FLIP; neither: both at once */
    float factor[2];           /* ROTATION: of a whole turn. ZOOM: rows seen, as 1 + factor of them.
                                * TRANSLATION: down, of the height. CONTRAST: 1 - low .. 1 + high
                                * times as far from the mean. BRIGHTNESS: added, of value_range. */
    float width_factor[2];     /* ZOOM, TRANSLATION: columns; {0, 0} in ZOOM: as the rows */
    int size[2];               /* CROP: height, width; when predicting, the largest middle part */
    tmb_edge edge;             /* ROTATION, ZOOM, TRANSLATION */
    float fill;                /* of TMB_EDGE_CONSTANT */
    bool nearest;              /* the nearest pixel; else between four */
    float value_range[2];      /* CONTRAST, BRIGHTNESS: what x has; {0, 0}: 0 to 255 */
    const char *name;
    tmb_layer from;
} tmb_random_opts;
TMB_API tmb_layer tmb_model_add_random(
        tmb_model *model, tmb_random_kind kind, const tmb_random_opts *opts);

/* The first error among the layers added so far; 0 if there is none. */
TMB_API int tmb_model_check(tmb_model *model);

/* Draw all weights anew, as each layer's initialiser says. New nets have seed 0's. */
TMB_API int tmb_model_init(tmb_model *model, uint64_t seed);

/* ---- looking at a net ---- */

typedef struct tmb_layer_info {
    const char *name, *class_name; /* "conv2d_1", "Conv2D"; borrowed */
    int rank, shape[4];            /* of the output, without the batch */
    int64_t params;                /* weights in this layer, moving statistics included */
    int n_weights;
    bool trainable;
    tmb_layer from[TMB_LAYER_INPUTS];
} tmb_layer_info;
TMB_API int tmb_model_layers(const tmb_model *model); /* layers are numbered 1 .. this */
TMB_API int tmb_model_layer(const tmb_model *model, tmb_layer layer, tmb_layer_info *out);
TMB_API tmb_layer tmb_model_find(const tmb_model *model, const char *name); /* 0: no such layer */
TMB_API int64_t tmb_model_params(const tmb_model *model, bool trainable_only);
/* A table as Keras' summary(); owned by caller, tmb_free. */
TMB_API int tmb_model_summary(const tmb_model *model, char **out);

/* Freeze or free one layer. Takes effect at the next tmb_compile. */
TMB_API int tmb_model_set_trainable(tmb_model *model, tmb_layer layer, bool trainable);

/* A layer's weight `i` in Keras' order ("kernel", "bias"; "gamma", "beta", "moving_mean", ...): name,
 * shape and values (borrowed until the next fit, load or free); and setting it. */
TMB_API int tmb_model_weight(const tmb_model *model, tmb_layer layer, int i, const char **name,
        int *rank, int64_t dim[4], const float **values);
TMB_API int tmb_model_set_weight(
        tmb_model *model, tmb_layer layer, int i, const float *values, int64_t count);

/* ---- what a net means ---- */

/* Class names in the order of the outputs (a single sigmoid output has two), copied. */
TMB_API int tmb_model_set_classes(tmb_model *model, const char *const *names, int n);
TMB_API int tmb_model_classes(const tmb_model *model);
TMB_API const char *tmb_model_class_name(const tmb_model *model, int label);
TMB_API int tmb_model_set_preprocess(tmb_model *model, const tmb_preprocess *pre);
TMB_API const tmb_preprocess *tmb_model_preprocess(const tmb_model *model);
/* JSON text on how the net was trained: options, data, history, versions. Copied; borrowed. */
TMB_API int tmb_model_set_record(tmb_model *model, const char *json);
TMB_API const char *tmb_model_record(const tmb_model *model);

/* Run the model on `device` from now on; borrowed, it outlives the model. Without this the model opens
 * "auto" for itself when it first computes. */
TMB_API int tmb_model_set_device(tmb_model *model, tmb_device *device);

/* Scores of n inputs (n, h, w, c) -> (n, outputs): what the last layer gives. The model is not
 * changed. For photos and for many threads see tmb_predictor in train.h. */
TMB_API int tmb_model_predict(tmb_model *model, const float *x, int n, float *scores);
TMB_API int tmb_model_outputs(const tmb_model *model);

/* Named arguments for C. */
#ifndef __cplusplus
#define tmb_conv2d(m, ...) tmb_model_add_conv2d((m), &(tmb_conv2d_opts){__VA_ARGS__})
#define tmb_depthwise_conv2d(m, ...)                                                               \
    tmb_model_add_depthwise_conv2d((m), &(tmb_depthwise_conv2d_opts){__VA_ARGS__})
#define tmb_separable_conv2d(m, ...)                                                               \
    tmb_model_add_separable_conv2d((m), &(tmb_separable_conv2d_opts){__VA_ARGS__})
#define tmb_dense(m, ...)       tmb_model_add_dense((m), &(tmb_dense_opts){__VA_ARGS__})
#define tmb_maxpool2d(m, ...)   tmb_model_add_maxpool2d((m), &(tmb_pool2d_opts){__VA_ARGS__})
#define tmb_avgpool2d(m, ...)   tmb_model_add_avgpool2d((m), &(tmb_pool2d_opts){__VA_ARGS__})
#define tmb_global_avgpool2d(m) tmb_model_add_global_avgpool2d((m), NULL)
#define tmb_global_maxpool2d(m) tmb_model_add_global_maxpool2d((m), NULL)
#define tmb_flatten(m)          tmb_model_add_flatten((m), NULL)
#define tmb_activate(m, ...)    tmb_model_add_activation((m), &(tmb_activation_opts){__VA_ARGS__})
#define tmb_prelu(m, ...)       tmb_model_add_prelu((m), &(tmb_prelu_opts){__VA_ARGS__})
#define tmb_dropout(m, ...)     tmb_model_add_dropout((m), &(tmb_dropout_opts){__VA_ARGS__})
#define tmb_batchnorm(m, ...)   tmb_model_add_batchnorm((m), &(tmb_batchnorm_opts){__VA_ARGS__})
#define tmb_layernorm(m, ...)   tmb_model_add_layernorm((m), &(tmb_layernorm_opts){__VA_ARGS__})
#define tmb_zeropad2d(m, ...)   tmb_model_add_zeropad2d((m), &(tmb_zeropad2d_opts){__VA_ARGS__})
#define tmb_cropping2d(m, ...)  tmb_model_add_cropping2d((m), &(tmb_zeropad2d_opts){__VA_ARGS__})
#define tmb_upsampling2d(m, ...)                                                                   \
    tmb_model_add_upsampling2d((m), &(tmb_upsampling2d_opts){__VA_ARGS__})
#define tmb_add(m, ...)          tmb_model_add_add((m), &(tmb_merge_opts){__VA_ARGS__})
#define tmb_concatenate(m, ...)  tmb_model_add_concatenate((m), &(tmb_merge_opts){__VA_ARGS__})
#define tmb_multiply(m, ...)     tmb_model_add_merge((m), TMB_MULTIPLY, &(tmb_merge_opts){__VA_ARGS__})
#define tmb_average(m, ...)      tmb_model_add_merge((m), TMB_AVERAGE, &(tmb_merge_opts){__VA_ARGS__})
#define tmb_maximum(m, ...)      tmb_model_add_merge((m), TMB_MAXIMUM, &(tmb_merge_opts){__VA_ARGS__})
#define tmb_minimum(m, ...)      tmb_model_add_merge((m), TMB_MINIMUM, &(tmb_merge_opts){__VA_ARGS__})
#define tmb_subtract(m, ...)     tmb_model_add_merge((m), TMB_SUBTRACT, &(tmb_merge_opts){__VA_ARGS__})
#define tmb_permute(m, ...)      tmb_model_add_permute((m), &(tmb_permute_opts){__VA_ARGS__})
#define tmb_reshape(m, ...)      tmb_model_add_reshape((m), &(tmb_reshape_opts){__VA_ARGS__})
#define tmb_random(m, kind, ...) tmb_model_add_random((m), (kind), &(tmb_random_opts){__VA_ARGS__})
#define tmb_rescaling(m, ...)    tmb_model_add_rescaling((m), &(tmb_rescaling_opts){__VA_ARGS__})
#endif

#ifdef __cplusplus
}
#endif
#endif
