/* layer.h - what the files of nn share: the functions of a kind of layer, and the making of op lists
 *
 * layer_<family>.c says what a kind of layer is: which options it takes, the shape it gives, its weights,
 * and the ops of its forward and backward pass. lower.c walks over the net and calls these. */
#ifndef THIMBLE_NN_LAYER_H
#define THIMBLE_NN_LAYER_H

#include "nn/nn.h"

/* No single weight or output may have more elements; larger ones are typing errors or hostile files. */
#define TMB__MOST_ELEMENTS ((int64_t)1 << 28)

typedef struct tmb__builder tmb__builder;

/* What a kind of layer can do; one const struct for each line of layers.def. */
typedef struct tmb__layer_type {
    int inputs_min, inputs_max;
    bool fuses; /* its last op can apply an activation (attr.act) */
    /* Check the options and put the defaults in; set layer->out and the weights. `in`: input shapes. */
    int (*build)(tmb__layer *layer, const tmb__shape *in);
    /* Emit the ops that make the layer's output; and those that carry its gradient on. */
    void (*forward)(tmb__builder *b, const tmb__layer *layer);
    void (*backward)(tmb__builder *b, const tmb__layer *layer);
} tmb__layer_type;

#define X(KIND, class_name, snake_name, type) extern const tmb__layer_type tmb__type_##type;
#include "nn/layers.def"
#undef X
const tmb__layer_type *tmb__layer_type_of(tmb__layer_kind kind);

/* Keep in the model that an option which chooses the kind of layer has an unknown value; gives 0. */
tmb_layer tmb__model_refuse(tmb_model *model, const char *option, int value);

/* The optimizer has that slot, from 0, with these options (lower_update.c). */
bool tmb__optimizer_has(const tmb__train_spec *train, int slot);

/* ---- checking options (layer_option.c) ---- */

/* TMB_EINVAL with "layer conv2d (Conv2D): " before the sentence. */
int tmb__layer_fail(const tmb__layer *layer, const char *fmt, ...) TMB_PRINTF(2, 3);
int tmb__layer_check_int(const tmb__layer *layer, const char *option, int value, int low, int high);
int tmb__layer_check_float(
        const tmb__layer *layer, const char *option, float value, double low, double high);
/* Two sizes of at least 1; zeros stand for `missing` (0: the option is required). */
int tmb__layer_check_pair(const tmb__layer *layer, const char *option, int pair[2], int missing);
/* The activation with its alpha, the initialiser, and the penalties, defaults put in. */
int tmb__layer_check_activation(tmb__layer *layer);
int tmb__layer_check_kernel(const tmb__layer *layer);
/* The input is (height, width, channels). */
int tmb__layer_check_image(const tmb__layer *layer, const tmb__shape *in);

/* Height and width of windows sliding over `in` by kernel, stride, dilation and same_padding. */
int tmb__layer_slide(const tmb__layer *layer, const tmb__shape *in, int64_t out[2]);
/* The same as attributes: kernel, stride, dilation, pad. */
void tmb__layer_slide_attr(const tmb__layer *layer, const tmb__shape *in, tmb_attr *attr);

/* A new weight of the layer; its shape gives the fans. TMB_EINVAL if it is too large. */
int tmb__layer_weight(tmb__layer *layer, tmb__weight **out, const char *name, tmb_init init,
        const tmb__shape *shape);
/* A kernel: a weight with the layer's initialiser and penalties. And a bias of zeros. */
int tmb__layer_kernel(tmb__layer *layer, const char *name, const tmb__shape *shape);
int tmb__layer_bias(tmb__layer *layer, int64_t n);

/* Fill `values`: weight number `number` of a net (init.c). */
void tmb__init_fill(const tmb__weight *weight, float *values, uint64_t seed, uint64_t number);

/* The net can run: no earlier error, one output, every layer used (graph.c). */
int tmb__model_is_whole(const tmb_model *model);

/* ---- making op lists (lower.c) ---- */

/* What became of a layer. Tensor numbers are -1 where there is none. */
typedef struct tmb__place {
    const char *name;   /* of its ops */
    int y, z;           /* the output; before the activation, where that is kept apart */
    int dy, dz;         /* their gradients; dz is set only where LOSS gives it directly */
    int kept[2];        /* what the backward pass needs, layer by layer its own */
    tmb_activation act; /* that its last op applies: its own, or that of the layer above */
    float alpha;
    bool apart;    /* the activation is an op of its own */
    bool absorbed; /* a layer whose work the layer below does, or that above: zero padding */
    int norm;      /* index of the batch normalisation taken into this layer; -1: none */
    int bias;      /* the tensor of its bias then */
    bool wants;    /* dy is wanted: there is something to train here or below */
    int first_weight;
} tmb__place;

struct tmb__builder {
    tmb__lowered *list;
    const tmb_model *model;
    const tmb__train_spec *train; /* NULL: inference */
    int max_batch;
    int first,
            last; /* layers of the span, as indices: the one that stands for the input, the end */
    tmb__place *places; /* one for each layer */
    int status;         /* the first failure; nothing is emitted after it */
};

tmb__place *tmb__place_of(const tmb__builder *b, const tmb__layer *layer);
const tmb__layer *tmb__layer_input(const tmb__builder *b, const tmb__layer *layer, int i);

/* A tensor of max_batch samples of `shape`; one of the shape alone. Named "<layer>/<what>". */
int tmb__emit_batch(
        tmb__builder *b, const tmb__layer *layer, const char *what, const tmb__shape *shape);
int tmb__emit_tensor(tmb__builder *b, tmb_role role, bool batched, const tmb__shape *shape,
        const char *fmt, ...) TMB_PRINTF(5, 6);
/* A copy of `text` that lives as long as the list; "" without memory. */
const char *tmb__keep_name(tmb__builder *b, const char *text);
tmb_op tmb__op_of(const tmb__builder *b, const tmb__layer *layer, tmb_op_kind kind);
void tmb__emit(tmb__builder *b, const tmb_op *op);
/* Emit the layer's last forward op with its activation, fused or as an op of its own. */
void tmb__emit_last(tmb__builder *b, const tmb__layer *layer, tmb_op *op);

/* Output of input i; the tensors of a weight and its gradient, -1 if there is none. */
int tmb__value_in(const tmb__builder *b, const tmb__layer *layer, int i);
int tmb__weight_in(const tmb__builder *b, const tmb__layer *layer, const char *name);
int tmb__gradient_out(tmb__builder *b, const tmb__layer *layer, const char *name);

/* The gradient of the layer's value before its own activation. */
int tmb__gradient_in(tmb__builder *b, const tmb__layer *layer);
bool tmb__wants_gradient(const tmb__builder *b, const tmb__layer *layer, int i);
/* Emit an op whose only output is the gradient of input i, and hand that on. */
void tmb__emit_back(tmb__builder *b, const tmb__layer *layer, int i, tmb_op *op);
/* Hand `gradient` to input i; several consumers' gradients are added up. */
void tmb__pass_gradient(tmb__builder *b, const tmb__layer *layer, int i, int gradient);

/* ---- batch normalisation taken into the layer below (fold.c) ---- */

bool tmb__fold_takes(const tmb__layer *below, const tmb__layer *norm);
/* The bias (c), and the kernel in its own shape, with which `layer` does the work of both. */
void tmb__fold_bias(
        const tmb_model *model, const tmb__layer *layer, const tmb__layer *norm, float *out);
void tmb__fold_kernel(
        const tmb_model *model, const tmb__layer *layer, const tmb__layer *norm, float *out);
/* This weight of `layer` is the kernel that is folded. */
bool tmb__fold_changes(const tmb__layer *layer, const tmb__weight *weight);
const tmb__weight *tmb__weight_named(const tmb__layer *layer, const char *name); /* or NULL */

/* ---- deciding (lower_decide.c) ---- */

/* Fill the places of the span's layers. */
void tmb__decide(tmb__builder *b);
/* A loss that is computed from the values before this activation. */
bool tmb__takes_logits(const tmb__train_spec *train, tmb_activation act);
/* Gradients change weights of this layer. */
bool tmb__has_trained(const tmb__layer *layer);

/* The ops after the backward pass: penalties, norm, optimizer, averages (lower_update.c). */
void tmb__emit_updates(tmb__builder *b);

#endif
