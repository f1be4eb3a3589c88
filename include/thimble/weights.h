/* weights.h - models and weights in files */
#ifndef THIMBLE_WEIGHTS_H
#define THIMBLE_WEIGHTS_H

#include <thimble/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The whole model, `.thimble` (docs/formats.md): graph, weights, classes, preprocessing, record, and a
 * few inputs with their outputs, computed now, that every loader can replay. Whole file or none. */
TMB_API int tmb_model_save(tmb_model *model, const char *path);
/* TMB_EMODEL says what is wrong with the file. A checkpoint opens as the model it holds. Also Keras' whole
 * models, by their content: .keras, .h5 with a config, and a config's JSON alone, to load weights into.
 * Of compiled ones the optimizer's state is kept: tmb_compile with the same optimizer and keep_weights
 * goes on from there. */
TMB_API int tmb_model_open(tmb_model **out, const char *path);

/* Replay the stored inputs: TMB_EGATE if an output differs by more than `tolerance` (0: 1e-4).
 * `worst` (may be NULL) gets the largest difference, `n` the number of pairs. */
TMB_API int tmb_model_verify(tmb_model *model, float tolerance, double *worst, int *n);

/* Weights alone, as Keras lays them out; the ending picks the format: .h5 (Keras' legacy layout), .npz or
 * .safetensors ("layer/weight"). */
TMB_API int tmb_model_save_weights(const tmb_model *model, const char *path);
/* Every layer with weights must be there with its shapes: .thimble, .npz, .safetensors, or one of Keras'
 * files: .h5 of any age, .weights.h5 or its index .weights.json, .keras. TMB_EMODEL names layer, shape
 * found and shape expected; the model is then as it was. */
TMB_API int tmb_model_load_weights(tmb_model *model, const char *path);

/* How the numbers in a Keras file lie; 0 decides by their shapes and by what the file says of itself. */
typedef enum tmb_kernel_order {
    TMB_KERNEL_HWIO = 1, /* (height, width, in, out), as Keras 2 and later have it */
    TMB_KERNEL_OIHW      /* (out, in, height, width), Theano's order */
} tmb_kernel_order;
typedef enum tmb_kernel_flip {
    TMB_FLIP_NO = 1,
    TMB_FLIP_YES /* turned by 180 degrees, as Theano's true convolution wants it */
} tmb_kernel_flip;
typedef enum tmb_dense_order { /* rows of a dense layer behind a flatten */
    TMB_DENSE_HWC = 1,
    TMB_DENSE_CHW /* of a net that had its channels first */
} tmb_dense_order;

typedef struct tmb_load_opts {
    bool by_name; /* layers of the same name; those that the file lacks stay. 0: in their order, all */
    bool prefix; /* in order, a Keras file may go on where the net ends: with its classifier */
    tmb_kernel_order kernel_order;
    tmb_kernel_flip flip;
    tmb_dense_order dense_order;
} tmb_load_opts;

/* What was found and done. */
typedef struct tmb_load_report {
    const char *layout; /* "Keras 3 weights", static text; NULL: no Keras file */
    tmb_kernel_order kernel_order;
    tmb_kernel_flip flip;
    tmb_dense_order dense_order;
    int loaded, kept, unused; /* layers with weights: taken, left as they were, in the file alone */
} tmb_load_report;
/* As tmb_model_load_weights; `opts` and `report` may be NULL. TMB_EINVAL if an option is given that
 * means nothing for this kind of file. */
TMB_API int tmb_model_load_weights_as(
        tmb_model *model, const char *path, const tmb_load_opts *opts, tmb_load_report *report);

typedef struct tmb_export_opts {
    bool whole;     /* .h5: the whole model, as model.save("x.h5"); 0: weights alone */
    bool rescaling; /* .keras and whole .h5: begin with a Rescaling layer that does the preprocessing's
                            scale and offset, so that pixels 0 .. 255 go in */
    bool optimizer; /* Keras' files but .h5 of weights alone: with the state of the optimizer, as the
                            last fit or the file that was opened left it; Keras goes on training */
    int64_t shard_bytes; /* .weights.json: most bytes of weights in one part; 0: 5 GiB */
    uint64_t reserved[4];
} tmb_export_opts;
/* Write the model for others; the ending picks the format: .keras, .h5 (legacy), .weights.h5 (Keras 3),
 * .weights.json with its parts beside it, .npz, .safetensors. What a .keras or a whole .h5 holds is fed
 * with what this net is fed with, and keeps class names and preprocessing for tmb_model_open.
 * TMB_EINVAL for an option that means nothing for this ending; `opts` may be NULL. */
TMB_API int tmb_model_export(const tmb_model *model, const char *path, const tmb_export_opts *opts);

/* One tensor of a file, for looking at. */
typedef struct tmb_tensor_info {
    const char *name, *dtype; /* "conv2d/conv2d/kernel:0", "float32"; valid during the call */
    int rank;
    int64_t dim[8], count;
    double mean, std; /* of the finite values */
    int64_t nonfinite;
} tmb_tensor_info;
/* Call `each` for every tensor of a .h5, .keras, .weights.json, .npz, .npy, .safetensors or .thimble file,
 * in the order of the file or of their names; a value other than 0 ends the walk and is returned.
 * TMB_EINVAL for other endings. */
TMB_API int tmb_tensors_visit(
        const char *path, int (*each)(void *user, const tmb_tensor_info *tensor), void *user);
/* Copy every tensor of such a file into a .npz or .safetensors, names and bits kept. */
TMB_API int tmb_tensors_convert(const char *from, const char *to);

#ifdef __cplusplus
}
#endif
#endif
