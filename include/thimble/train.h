/* train.h - compile, fit, evaluate, predict
 *
 *     tmb_compile(net, .loss = TMB_BINARY_CROSSENTROPY, .optimizer = TMB_RMSPROP);
 *     tmb_fit(net, train, .epochs = 50, .validation = val, .on_epoch = print_epoch);
 */
#ifndef THIMBLE_TRAIN_H
#define THIMBLE_TRAIN_H

#include <thimble/features.h>
#include <thimble/weights.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Keras', by their names. */
typedef enum tmb_optimizer {
    TMB_RMSPROP = 0,
    TMB_SGD,
    TMB_ADAM,
    TMB_ADAMW,
    TMB_ADAGRAD,
    TMB_ADADELTA,
    TMB_ADAMAX,
    TMB_NADAM,
    TMB_LION,
    TMB_OPTIMIZERS /* one above the last */
} tmb_optimizer;

typedef enum tmb_schedule {
    TMB_CONSTANT = 0,
    TMB_STEP,     /* times `factor` every `every` epochs */
    TMB_COSINE,   /* half a cosine down to lr * `floor` */
    TMB_ONECYCLE, /* up over the warm-up share (default 0.3), cosine down to lr * floor */
    /* Keras' own, by the number of steps done (tmb_decay). */
    TMB_EXPONENTIAL_DECAY,
    TMB_INVERSE_TIME_DECAY,
    TMB_POLYNOMIAL_DECAY,
    TMB_COSINE_DECAY,
    TMB_COSINE_RESTARTS,
    TMB_PIECEWISE_CONSTANT,
    TMB_SCHEDULES /* one above the last */
} tmb_schedule;

enum { TMB_PIECES = 16 };

/* What Keras' schedules are told, by its names; `lr` is where they start. */
typedef struct tmb_decay {
    int64_t steps; /* decay_steps, first_decay_steps; required but for PIECEWISE_CONSTANT */
    float rate; /* EXPONENTIAL, INVERSE_TIME: decay_rate. Keras 2.0's `decay`: the latter, steps 1 */
    bool staircase;      /* the same: whole multiples of `steps` only */
    float end, power;    /* POLYNOMIAL; 0: 0.0001 (below 0: 0), 1 */
    bool cycle;          /* POLYNOMIAL */
    float alpha;         /* COSINE, RESTARTS: the lowest, as a share */
    float warmup_target; /* COSINE: rises from lr to this over warmup_steps; 0: no rise */
    int64_t warmup_steps;
    float t_mul, m_mul; /* RESTARTS: each longer, each lower by so much; 0: 2, 1 */
    int64_t boundaries[TMB_PIECES -
            1]; /* PIECEWISE: values[i] while step <= boundaries[i], then the last */
    float values[TMB_PIECES];
    int pieces; /* how many values */
} tmb_decay;

typedef struct tmb_compile_opts {
    tmb_loss loss;         /* 0: binary cross-entropy for one output, else categorical */
    float label_smoothing; /* cross-entropies and focal losses */
    float gamma, alpha;    /* focal; 0: 2, 0.25 */
    bool class_balancing;  /* binary focal: truths 1 times alpha, 0 times 1 - alpha */
    float delta;           /* Huber; 0: 1 */
    bool loss_sum;         /* the losses of a batch are added up; false: their mean */
    bool clip_loss; /* cross-entropies from probabilities cut to [1e-7, 1 - 1e-7], as Keras where it
                       does not see the logits; false: from the logits of the last sigmoid, softmax */
    tmb_optimizer optimizer;
    float lr;       /* 0: Keras': SGD 0.01, all others 0.001 */
    float momentum; /* SGD, RMSprop */
    bool nesterov;
    float rho;            /* RMSprop, Adadelta; 0: 0.9, 0.95 */
    bool centered;        /* RMSprop: by the variance of g, not its square */
    float beta1, beta2;   /* Adam and its kin, Lion; 0: 0.9, 0.999 (Lion 0.99) */
    float epsilon;        /* 0: 1e-7 */
    bool epsilon_outside; /* RMSprop, Adagrad as to 2020: g / (sqrt(a) + epsilon); epsilon 0: 1e-8 */
    bool amsgrad;
    float accumulator;  /* Adagrad: where its sums start; 0: 0.1, with epsilon_outside 0 */
    float weight_decay; /* kernels only (rank 2 and up), decoupled; AdamW 0: 0.004 */
    float l1, l2;       /* least penalties on every kernel that is trained */
    float layer_decay; /* each trained layer learns at this share of the rate of the one above; 0: 1 */
    float start_penalty; /* times the squared distance to the weights at the start of fit, which is then
                            no part of the loss that is shown; 0: none */
    /* At most one of these; 0: none. By Keras' names: */
    float clip_norm;      /* global_clipnorm: norm of all gradients together */
    float clip_norm_each; /* clipnorm: of each weight's gradient */
    float clip_value;     /* clipvalue: of each element */
    tmb_schedule schedule;
    float warmup;       /* share of all steps over which lr rises; 0: none (ONECYCLE: 0.3) */
    float floor;        /* lowest lr, as a share of lr */
    float factor;       /* STEP; 0: 0.1 */
    int every;          /* STEP, epochs; 0: 10 */
    tmb_decay decay;    /* Keras' schedules */
    float average;      /* weights are averaged, new ones by 1 - average, and the average is what is
                            validated, saved and predicts; 0: off */
    uint64_t seed;      /* initial weights (new nets only) and dropout */
    tmb_device *device; /* NULL: the model opens "auto" for itself */
    bool keep_weights;  /* do not draw initial weights anew: they were loaded or set */
    uint64_t reserved[8];
} tmb_compile_opts;

/* Make the net ready to train. Returns the first error of its layers. */
TMB_API int tmb_model_compile(tmb_model *model, const tmb_compile_opts *opts);

/* A share of right answers with its 95 % interval (Wilson's). */
typedef struct tmb_share {
    double value, low, high;
} tmb_share;
TMB_API tmb_share tmb_share_of(int64_t right, int64_t n);

typedef struct tmb_epoch {
    int number, epochs;    /* from 1 */
    double loss, accuracy; /* of training: means over the epoch while weights moved, with dropout */
    bool validated;
    double val_loss;
    tmb_share val_accuracy;
    double val_auc; /* of two classes: area under the ROC curve, as Keras' AUC() */
    double lr;      /* at the epoch's last step */
    double seconds, images_per_second; /* seconds of all; photos a second of the training steps */
    double data_wait;                  /* seconds that compute waited for photos */
    bool best;                         /* best validation loss or accuracy so far */
} tmb_epoch;

typedef struct tmb_progress {
    int epoch, epochs;             /* from 1 */
    int64_t step, steps;           /* of this epoch, done */
    double loss, accuracy;         /* so far in this epoch */
    double images_per_second, eta; /* of this epoch; seconds left in it */
    bool validating;
    bool keeping; /* no step: what the frozen part gives is computed, step of steps photos */
} tmb_progress;

typedef enum tmb_monitor { TMB_VAL_LOSS = 0, TMB_VAL_ACCURACY, TMB_VAL_AUC } tmb_monitor;

typedef struct tmb_fit_opts {
    int epochs; /* 0: 1 */
    tmb_images *validation;
    /* on_epoch: return 1 to end here. on_step: return 1 to stop at once, as `stop` does. */
    int (*on_epoch)(void *user, const tmb_epoch *epoch);
    int (*on_step)(void *user, const tmb_progress *progress);
    void *user;
    const float *class_weight; /* one for each class */
    bool balanced;             /* class weights n / (classes * n_class) */
    tmb_monitor monitor;       /* of the three below */
    int patience;              /* stop after so many epochs without improvement; 0: never */
    float min_delta;
    bool has_baseline; /* the wait starts anew only where `baseline` is passed too */
    float baseline;
    int start_from_epoch;    /* patience and best weights look away from so many first epochs */
    bool restore_best;       /* end with the weights of the best epoch */
    int plateau;             /* lr times plateau_factor after so many epochs without improvement */
    float plateau_factor;    /* 0: 0.1 */
    float plateau_min_delta; /* 0: 0.0001; below 0: none */
    int cooldown;            /* epochs after a cut in which no wait is counted */
    float min_lr;            /* never below */
    /* The rate of each epoch, instead of the schedule: its number from 0, the rate before. */
    double (*schedule)(void *user, int epoch, double lr);
    /* Frozen layers at the net's bottom: what they make of a photo is computed once for each of so many
     * augmented views and kept, not anew in each epoch, which trains on view epoch mod kept_views. 0:
     * computed anew. Validation then sees photos as they are, not mirrored ones beside them. */
    int kept_views;
    int64_t kept_bytes;      /* memory for it; 0: 2 GiB. Above half of float32's need: bfloat16 */
    const char *kept_folder; /* a scratch file here where memory is not enough; NULL: fewer views */
    const char *checkpoint;  /* file written after each epoch and when stopped */
    bool resume;             /* go on from that file if it is there: same bits as uninterrupted */
    /* Keras' ModelCheckpoint: the model of each epoch, "weights.{epoch:02d}-{val_loss:.2f}.h5". Names may
     * hold {epoch}, from 1, {loss}, {accuracy}, {learning_rate}, {val_loss}, {val_accuracy}, {val_auc}; the
     * ending picks the format: .thimble, or one of tmb_model_export, a .h5 whole. Folders are made. */
    const char *save_path; /* NULL: none */
    bool save_best_only;   /* those better than all before, by `monitor`; without validation all */
    int save_every;        /* every so many epochs; 0: 1 */
    const char *csv, *jsonl;  /* history files, one line an epoch */
    double time_limit;        /* seconds; the epoch that passes it is the last; 0: none */
    const volatile int *stop; /* looked at before each step: not 0 saves and returns TMB_ESTOPPED */
    int batch;                /* of features (photos know their own); 0: 32 */
    uint64_t reserved[8];
} tmb_fit_opts;

/* Train. Returns 0 when all epochs are done or a callback or patience ended it; TMB_ESTOPPED;
 * TMB_EDIVERGED when loss or gradient is not finite: the weights are then those before that step. */
TMB_API int tmb_model_fit(tmb_model *model, tmb_images *train, const tmb_fit_opts *opts);

/* The same on features, in a new order each epoch; opts->validation is `validation`, or NULL, here. */
TMB_API int tmb_model_fit_features(tmb_model *model, const tmb_features *train,
        const tmb_features *validation, const tmb_fit_opts *opts);

/* The epochs of the last fit, a resumed one's earlier ones included. Borrowed until the next fit. */
TMB_API int tmb_model_history(const tmb_model *model, const tmb_epoch **epochs);

/* One class against the others: answers true and false, positive and negative; 0 / 0 is 0. */
typedef struct tmb_class_figures {
    int64_t tp, fp, fn, tn;
    double precision, recall, f1;
} tmb_class_figures;

typedef struct tmb_evaluation {
    int64_t n;
    int classes;
    double loss;
    tmb_share accuracy;
    double calibration_error; /* expected calibration error, 15 bins of confidence */
    double auc, auc_pr;       /* of two classes, as Keras' AUC(), AUC(curve="PR"); else 0 */
    double top5; /* share with the truth among the five best; 0: five classes or fewer */
    tmb_class_figures *by_class; /* (classes); NULL like confusion */
    /* In the data set's order. Where the truth is no class number (tmb_images_opts.class_mode) there is
     * neither confusion nor answers, classes are the net's outputs, and probabilities are these. */
    int64_t *confusion;   /* (classes, classes): row truth, column answer */
    float *probabilities; /* (n, classes) */
    int32_t *answers;     /* (n) */
} tmb_evaluation;

/* How well the net does on `images`, in their order, nothing random. Owned by caller. */
TMB_API int tmb_model_evaluate(tmb_model *model, tmb_images *images, tmb_evaluation *out);
TMB_API void tmb_evaluation_free(tmb_evaluation *evaluation);

/* ---- prediction of photos ---- */

/* Probabilities from photos. The model is shared and not changed; one predictor for each thread. */
typedef struct tmb_predictor tmb_predictor;
TMB_API int tmb_predictor_new(
        tmb_predictor **out, const tmb_model *model, tmb_device *device, int max_batch);
TMB_API void tmb_predictor_free(tmb_predictor *predictor);

/* Probabilities of each class (sum 1) for one photo, a file, the `size` bytes of one at `data`, or `n`
 * files read side by side: status[i] is 0 or that file's failure, messages[i] its text (owned by
 * caller, tmb_free). */
TMB_API int tmb_predict_image(
        tmb_predictor *predictor, const tmb_image *image, float *probabilities);
TMB_API int tmb_predict_file(tmb_predictor *predictor, const char *path, float *probabilities);
TMB_API int tmb_predict_bytes(
        tmb_predictor *predictor, const void *data, size_t size, float *probabilities);
TMB_API int tmb_predict_files(tmb_predictor *predictor, const char *const *paths, int n,
        float *probabilities, int *status, char **messages);
/* How far photo `i` of the last call lies from those that the model knows; above 1 it is unlike them, and
 * its probabilities say little. -1: the model cannot tell; NaN: there is no such photo, or it could not be
 * read. */
TMB_API float tmb_predictor_distance(const tmb_predictor *predictor, int i);

#ifndef __cplusplus
#define tmb_compile(m, ...)    tmb_model_compile((m), &(tmb_compile_opts){__VA_ARGS__})
#define tmb_fit(m, train, ...) tmb_model_fit((m), (train), &(tmb_fit_opts){__VA_ARGS__})
#endif

#ifdef __cplusplus
}
#endif
#endif
