/* nn.h - door of nn: the graph of layers, its weights, and its programs on a device
 *
 * A model is a list of layers in the order they were added, each naming the layers it reads. Weights
 * live in one arena in Keras' order and layout; a program (train or infer) has its own copy in the
 * layout its backend likes. tmb__exec moves weights between the two. */
#ifndef THIMBLE_NN_NN_H
#define THIMBLE_NN_NN_H

#include "backend/backend.h"
#include <thimble/model.h>
#include <thimble/train.h>

typedef enum tmb__layer_kind {
#define X(KIND, class_name, snake_name, type) TMB__LAYER_##KIND,
#include "nn/layers.def"
#undef X
    TMB__LAYER_KINDS
} tmb__layer_kind;

/* One weight of a layer; its values are a view into the model's arena. */
typedef struct tmb__weight {
    const char *name; /* "kernel"; static text */
    tmb__shape shape;
    tmb_init init;
    int64_t fan_in, fan_out;
    bool moving;    /* moving statistics: never trained by gradients */
    bool depthwise; /* (kh, kw, in, m) here, (kh, kw, 1, in * m) to the ops: the same memory */
    float l1, l2;
    tmb_constraint constraint;
    int64_t offset; /* in floats, into model->weights */
} tmb__weight;

enum { TMB__LAYER_WEIGHTS = 4 };

/* Everything a layer can be told, whatever its kind; each kind uses its own part. */
typedef struct tmb__layer_config {
    int filters, kernel[2], stride[2], dilation[2], groups, multiplier;
    int pad[4]; /* top, bottom, left, right of ZeroPadding2D and Cropping2D */
    bool same_padding, no_bias, no_scale, no_center, keepdims, bilinear;
    tmb_activation activation;
    float alpha, max_value, threshold; /* alpha: also ReLU's negative_slope */
    float rate, momentum, epsilon, scale, offset;
    float range[4], values[2], fill; /* Random..: factors of rows and columns */
    int flip;                        /* RandomFlip: 0 both, 1 columns, 2 rows */
    tmb_edge edge;
    bool nearest;
    tmb_init init;
    float l1, l2;
    tmb_constraint constraint;
    int shape[4]; /* Reshape's target, input's shape, Permute's dims, PReLU's shared_axes */
} tmb__layer_config;

typedef struct tmb__layer {
    tmb__layer_kind kind;
    char name[64];
    tmb__layer_config config;
    int from[TMB_LAYER_INPUTS], n_from; /* layer numbers, from 1 */
    tmb__shape out;                     /* without the batch */
    tmb__weight weight[TMB__LAYER_WEIGHTS];
    int n_weights;
    bool trainable;
} tmb__layer;

/* How what a net makes of a photo is told from what it made of those it learned: the distance, of values
 * divided by their length, to the nearest class mean under one shrunk covariance; 1 is the limit. Made
 * by head, from features. */
typedef struct tmb_unknown {
    tmb_layer layer; /* of the model that has it: this layer's values are measured */
    int d, classes, axes;
    float *mean, *scale; /* (d) standardise */
    float *centre;       /* (classes, d) standardised */
    float *axis;         /* (d, axes) orthonormal directions of large variance */
    float *along;        /* (classes, axes) the centres along them */
    float *weight; /* (axes + 1): one over variance and limit, the last for all other directions */
    float *values; /* all of these, in this order */
} tmb_unknown;

struct tmb_model {
    tmb__layer *layers; /* number 1 is layers[0], the input */
    int n_layers, cap_layers;
    float *weights; /* the arena; grows as layers are added */
    int64_t n_weights;
    bool undrawn; /* a reader sets it: layers added get no initial weights, the file has them */
    int64_t most_weights; /* a reader's bound: layers that would give more are refused; 0: none */
    tmb_dense_order file_rows; /* a reader's note on the weights that are still to come; 0: none */
    tmb__failure failure;      /* the first error among added layers */
    char **classes;
    int n_classes;
    bool has_preprocess;
    tmb_preprocess preprocess;
    char *record;
    char backbone[192]; /* the pre-trained networks it begins with, "vgg16/block4_pool"; "": none */
    tmb_unknown *unknown; /* NULL: it cannot tell */
    tmb_device *device;   /* borrowed, or owned if own_device */
    bool own_device;
    struct tmb__exec *infer; /* cached by tmb_model_predict; dropped when weights change */
    float *golden; /* pairs read from the file: n * (inputs + outputs) floats; NULL: none */
    int n_golden;
    struct tmb__optimizer *optimizer; /* NULL: never compiled, and no file said how */
    void *training; /* what train keeps: compile options, history; freed by training_free */
    void (*training_free)(void *training);
};

const char *tmb__layer_class(tmb__layer_kind kind); /* "Conv2D" */
const char *tmb__layer_stem(tmb__layer_kind kind);  /* "conv2d" */
/* The whole net makes sense: shapes, names unique, one output. First error or 0. */
int tmb__model_validate(tmb_model *model);
/* Adds a layer from its parts: what the public tmb_model_add_* and the file reader both use. */
tmb_layer tmb__model_add(tmb_model *model, tmb__layer_kind kind, const tmb__layer_config *config,
        const tmb_layer *from, int n_from, const char *name, bool trainable);
/* A Normalization layer after the last one; its statistics are set or loaded. */
tmb_layer tmb__model_add_normalization(tmb_model *model);
/* Put the layers in the order in which Keras lists them; and leave away all that `layer` does not need,
 * so that its values are the output. Numbers of layers change. */
int tmb__model_sort(tmb_model *model);
/* That order alone: numbers from 0, n_layers of them. */
int tmb__model_order(const tmb_model *model, int *order);
int tmb__model_cut(tmb_model *model, tmb_layer layer);
/* Weights were changed from outside: programs must be told before their next run. */
void tmb__model_touch(tmb_model *model);
/* Something changes from `layer` on: what was measured there or above is forgotten. */
void tmb__model_forget(tmb_model *model, tmb_layer layer);
/* Opens the model's own device if it has none yet. */
int tmb__model_device(tmb_model *model, tmb_device **out);
/* tmb_model_predict in f32 whatever the device's precision, for scores that other machines compare with. */
int tmb__model_predict_f32(tmb_model *model, const float *x, int n, float *scores);

/* ---- distance from what is known (distance.c) ---- */

enum { TMB__UNKNOWN_AXES = 128, TMB__UNKNOWN_ARRAYS = 6 };
int tmb__unknown_alloc(tmb_unknown **out, int d, int classes, int axes);
int tmb__unknown_copy(tmb_unknown **out, const tmb_unknown *from);
void tmb__unknown_free(tmb_unknown *unknown);
/* Array number i, which it borrows: "mean", "scale", "centre", "axis", "along", "weight". */
tmb__array tmb__unknown_array(const tmb_unknown *unknown, int i, const char **name);
double tmb__unknown_distance(const tmb_unknown *unknown, const float *x);
double tmb__unknown_length(const float *x, int d); /* of a row, never 0 */

/* ---- what an optimizer keeps (optimizer.c) ---- */

/* A weight that is trained: where it is in the arena, and in a slot. */
typedef struct tmb__part {
    int64_t offset, count, at;
} tmb__part;

/* How a model was compiled, and what its optimizer knows by now: for the next fit, and for files. */
typedef struct tmb__optimizer {
    tmb_compile_opts opts; /* of the optimizer and the loss; zeros replaced by their meaning */
    int64_t steps;         /* done */
    tmb__part *parts;      /* in the net's order; NULL: no slots yet */
    int n_parts, n_slots;
    int64_t n;    /* numbers of one slot */
    float *slots; /* (n_slots, n) */
} tmb__optimizer;
/* The model's new one, without slots; or with those of the former one, if `keep` and the same there are. */
int tmb__optimizer_set(tmb_model *model, const tmb_compile_opts *opts, bool keep);
void tmb__optimizer_free(tmb__optimizer *optimizer);
/* Slots for the weights that are trained now: those there are, or new ones at step 0. */
int tmb__optimizer_ready(tmb_model *model);
/* Which of the optimizer's slots, at most three, there are with these options, in Keras' order; how many. */
enum { TMB__OPTIMIZER_SLOTS = 3 };
int tmb__optimizer_slots(const tmb_compile_opts *opts, int slots[TMB__OPTIMIZER_SLOTS]);
/* The part of the weight at `offset`; NULL: it is not trained. */
const tmb__part *tmb__optimizer_part(const tmb__optimizer *optimizer, int64_t offset);

/* ---- running a net ---- */

/* Losses that expect one score for each class. */
bool tmb__loss_by_class(tmb_loss loss);

/* What of a training step goes into the op list, beside forward and backward. loss 0: there is none,
 * and the step's targets are the gradient of the scores itself, (n, outputs). */
typedef struct tmb__train_spec {
    tmb_loss loss;
    float label_smoothing, gamma, alpha, delta;
    bool balanced, sum, clip_loss; /* clip_loss: from the activation's value, never its logits */
    tmb_optimizer optimizer;
    float momentum, rho, beta1, beta2, epsilon, weight_decay, average;
    float clip_norm, clip_each, clip_value;
    float layer_decay, start_penalty; /* layer_decay 0: 1 */
    float accumulator;                /* where the optimizer's slots start */
    bool nesterov, epsilon_outside, amsgrad, centered;
    bool input_gradient; /* also the gradient of x: exec_gradient of layer 1 */
} tmb__train_spec;

/* A part of a net. `from`: a program takes this layer's output instead of the net's input; 0: the input.
 * `to`: it gives this layer's output; 0: the last layer's. Weights outside the part are left alone. Both
 * ends must be cuts: what lies above a cut reads nothing of what lies below it but the cut itself. */
typedef struct tmb__span {
    tmb_layer from, to;
    bool f32; /* in f32 whatever the device's precision */
} tmb__span;
bool tmb__model_is_cut(const tmb_model *model, tmb_layer layer);
/* The highest cut at which, whatever is trained, the same input always gives the same output: nothing to
 * train below it, nothing random. 1, the input, if there is no other. */
tmb_layer tmb__model_frozen_cut(const tmb_model *model);

/* A net prepared on a device for batches up to max_batch; train NULL: inference only, batch norm
 * folded into moving statistics, no gradients kept. */
typedef struct tmb__exec tmb__exec;
int tmb__exec_new(tmb__exec **out, const tmb_model *model, tmb_device *device, int max_batch,
        const tmb__train_spec *train);
int tmb__exec_new_span(tmb__exec **out, const tmb_model *model, tmb__span span, tmb_device *device,
        int max_batch, const tmb__train_spec *train);
void tmb__exec_free(tmb__exec *exec);

/* Copy the model's arena into the program, or the program's weights back (the averaged ones if
 * `averaged` and the spec has them). Frozen weights are not touched by pull. */
int tmb__exec_push(tmb__exec *exec, const tmb_model *model);
int tmb__exec_pull(tmb__exec *exec, tmb_model *model, bool averaged);

/* Forward only: scores (n, outputs), the last layer's values. */
int tmb__exec_predict(tmb__exec *exec, const float *x, int n, float *scores);

/* One training step. targets: (n, outputs) floats, or (n, 1) class numbers for the sparse loss; weight
 * (n) or NULL. Gives each sample's weighted loss, the scores, the penalties' sum, and the gradient's
 * norm: if that or a loss is not finite, nothing was updated. */
typedef struct tmb__step {
    const float *x, *targets, *weight;
    int n;
    uint64_t seed;
    int64_t step;
    float lr;
    float *loss, *scores; /* out: (n), (n, outputs) */
    double penalty, norm; /* out */
} tmb__step;
int tmb__exec_step(tmb__exec *exec, tmb__step *step);

/* The optimizer's slots and averages, for checkpoints: named tensors that exist only here. */
int tmb__exec_slots(const tmb__exec *exec); /* how many */
int tmb__exec_slot(const tmb__exec *exec, int i, const char **name, int64_t *count);
int tmb__exec_slot_read(tmb__exec *exec, int i, float *dst);
int tmb__exec_slot_write(tmb__exec *exec, int i, const float *src);
/* The model's optimizer's slots into the program, and back; those of weights outside it stay. */
int tmb__exec_push_optimizer(tmb__exec *exec, const tmb_model *model);
int tmb__exec_pull_optimizer(tmb__exec *exec, tmb_model *model);
/* The gradient of a layer's weight after a step; of layer 1, the input's (spec.input_gradient). */
int tmb__exec_gradient(tmb__exec *exec, tmb_layer layer, int weight, float *dst);
/* It runs on that device in the precision now in force, and takes that many samples. */
bool tmb__exec_serves(const tmb__exec *exec, const tmb_device *device, int batch);
bool tmb__exec_bf16(const tmb__exec *exec); /* the precision it was made with */
int64_t tmb__exec_memory(const tmb__exec *exec);

/* The op list of the net: what exec hands to the device; freed with tmb__lowered_free. */
typedef struct tmb__lowered {
    tmb_tensor *tensors;
    tmb_op *ops;
    int n_tensors, n_ops, cap_tensors, cap_ops;
    int x, targets, sample_weight, scores, loss, norm; /* tensor numbers, -1 if absent */
    int dx;                                            /* gradient of x, -1 */
    int *param;          /* tensor of weight i, counted over all layers; -1 outside the span */
    int *grad;           /* its gradient, -1 */
    int *average;        /* its averaged twin, -1 */
    int *start;          /* what it was when the program was made, -1 */
    int *slots, n_slots; /* the optimizer's, and the averages */
    int *rule;           /* the optimizer's of weight i, TMB__OPTIMIZER_SLOTS each, -1 */
    float slot_start;    /* the optimizer's first values */
    int *penalties, n_penalties;
    int n_params;
    /* Layers that do the work of the batch normalisation above them: indices of both, the bias. */
    struct tmb__fold {
        int layer, norm, bias;
    } * folds;
    int n_folds;
    char **names; /* of tensors and ops */
    int n_names, cap_names;
} tmb__lowered;
int tmb__lower(tmb__lowered *out, const tmb_model *model, tmb__span span, int max_batch,
        const tmb__train_spec *train);
void tmb__lowered_free(tmb__lowered *lowered);

#endif
