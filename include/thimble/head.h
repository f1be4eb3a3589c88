/* head.h - classifiers on stored features, and how far to trust them
 *
 *     tmb_head_fit(&head, &features, NULL);        // kind and penalty chosen on these rows alone
 *     tmb_dense(net, .units = head->outputs, .activation = TMB_SIGMOID);
 *     tmb_model_set_weight(net, last, 0, head->kernel, (int64_t)head->inputs * head->outputs);
 */
#ifndef THIMBLE_HEAD_H
#define THIMBLE_HEAD_H

#include <thimble/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tmb_head_kind {
    TMB_HEAD_AUTO =
            0,      /* both, then the one with fewer errors, or the smaller loss, on unseen rows */
    TMB_HEAD_RIDGE, /* least squares on -1 and 1, one class against the others; closed form */
    TMB_HEAD_LOGISTIC /* logistic, softmax for more than two classes */
} tmb_head_kind;

typedef struct tmb_head_opts {
    tmb_head_kind kind;
    double penalty; /* mean loss + penalty / 2 |w|^2 of standardised features; 0: chosen, by leaving
                       one out (ridge) or by k folds (logistic) */
    int folds;      /* 0: 5 */
    uint64_t seed;  /* of the folds */
    double keep;    /* share of the photos that are not to be told unknown; 0: 0.99 */
    const volatile int *stop; /* as tmb_fit_opts: not 0 ends with TMB_ESTOPPED */
    uint64_t reserved[6];
} tmb_head_opts;

/* A fitted head, and what it did on photos it had not seen: each photo, with its views and its group,
 * left out of the fit that judged it. */
typedef struct tmb_head {
    tmb_head_kind kind;
    int inputs, classes,
            outputs; /* outputs: 1 for two classes, which takes a sigmoid; else classes */
    double penalty, temperature;
    float *kernel, *bias; /* (inputs, outputs), (outputs): of raw features, temperature included */
    int64_t n;            /* photos: rows / views */
    float *probabilities; /* (n, classes), of unseen photos */
    tmb_share accuracy;   /* of these */
    double loss, calibration_error;
    struct tmb_unknown *unknown; /* how features are told that look like none of these */
} tmb_head;

/* Fit a head. The same rows, options and seed give the same head. TMB_EDATA: a class with fewer than
 * two photos or groups, features that are not finite or do not vary. */
TMB_API int tmb_head_fit(tmb_head **out, const tmb_features *features, const tmb_head_opts *opts);
TMB_API void tmb_head_free(tmb_head *head);

/* Probabilities (photos, classes), the mean over each photo's views taken before; labels are not read.
 * `distance` (photos, may be NULL): above 1 a photo is unlike those of the fit. */
TMB_API int tmb_head_predict(
        const tmb_head *head, const tmb_features *features, float *probabilities, float *distance);

/* The fold, 0 .. folds - 1, of each row in round `repeat`: classes evenly spread, groups and the views
 * of a photo kept together. */
TMB_API int tmb_features_folds(
        int32_t *fold, const tmb_features *features, int folds, int repeat, uint64_t seed);

/* A mean with its 95 % interval (Student's t), as of accuracies over repeats. */
typedef struct tmb_mean {
    double value, deviation, low, high;
} tmb_mean;
TMB_API tmb_mean tmb_mean_of(const double *values, int n);

#ifdef __cplusplus
}
#endif
#endif
