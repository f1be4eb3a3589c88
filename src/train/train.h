/* train.h - door of train: compile, fit, evaluate, predict */
#ifndef THIMBLE_TRAIN_TRAIN_H
#define THIMBLE_TRAIN_TRAIN_H

#include "data/data.h"
#include "io/io.h"
#include "nn/nn.h"
#include <thimble/train.h>

/* What a compiled model carries: hangs on tmb_model.training. */
typedef struct tmb__training {
    tmb_compile_opts opts; /* zeros replaced by their meaning */
    tmb_epoch *history;
    int n_history, cap_history;
    bool log_failed; /* in this fit: a history file could not be written, and that was told */
} tmb__training;
tmb__training *tmb__training_of(const tmb_model *model); /* NULL: not compiled */
tmb__train_spec tmb__training_spec(const tmb__training *training);
int tmb__training_add_epoch(tmb__training *training, const tmb_epoch *epoch);

/* The learning rate of optimizer step `step` (from 0) of `total`, `per_epoch` of them an epoch. */
double tmb__schedule_lr(
        const tmb_compile_opts *opts, int64_t step, int64_t total, int64_t per_epoch);

/* ---- metrics (metric.c) ---- */

/* A net's answer from its scores: one score is the probability of class 1, right above 0.5. */
int tmb__metric_answer(const float *scores, int outputs);
/* (classes) probabilities from (outputs) scores; one score makes two classes. */
void tmb__metric_probabilities(float *probabilities, const float *scores, int outputs);
/* Expected calibration error: 15 equal bins of confidence, mean |accuracy - confidence| by weight. */
double tmb__metric_calibration(
        const float *probabilities, const int32_t *labels, int64_t n, int classes);
/* The penalties l1 sum|w| + l2 sum w^2 of the trainable layers. */
double tmb__metric_penalty(const tmb_model *model);

/* Scores of two classes sorted into Keras' 200 thresholds, for the areas under its curves. */
enum { TMB__THRESHOLDS = 200 };
typedef struct tmb__curve {
    int64_t yes[TMB__THRESHOLDS], no[TMB__THRESHOLDS]; /* truths whose score falls there */
} tmb__curve;
void tmb__curve_add(tmb__curve *curve, float score, bool truth);
double tmb__curve_roc(const tmb__curve *curve);
double tmb__curve_pr(const tmb__curve *curve);
/* Precision, recall and F1 of each class from a confusion matrix. */
void tmb__metric_classes(tmb_class_figures *out, const int64_t *confusion, int classes);
/* Fewer than k scores are above the truth's. */
bool tmb__metric_in_top(const float *scores, int classes, int label, int k);

/* ---- where samples come from (source.c, fit_features.c) ---- */

typedef struct tmb__source {
    void *data;
    const char *what; /* "photos", for messages */
    int64_t n;
    int batch, classes;
    tmb__shape shape;           /* of a sample */
    const uint8_t *fingerprint; /* (32): tells one data set from another */
    /* Both NULL: samples are no photos. */
    const tmb_images_opts *photos;
    const tmb_preprocess *preprocess;
    /* As tmb_images_epoch and tmb_images_next; number -1: the listed order, nothing random. */
    int (*epoch)(void *data, int64_t number, int64_t first);
    int (*next)(void *data, tmb_batch *out);
    int (*label)(const void *data, int64_t i);
    const char *(*class_name)(const void *data, int k); /* NULL: not known */
    tmb_layer cut; /* samples are this layer's values; 0: the net's input */
} tmb__source;
tmb__source tmb__source_photos(tmb_images *images); /* which it borrows */
tmb_class_mode tmb__source_mode(const tmb__source *source);
bool tmb__source_has_classes(const tmb__source *source);
/* Turn a source of photos into one of what the net makes of them up to `cut`; `opts` says how much is
 * kept. NULL, and the source as it was, if not even one view may be. */
typedef struct tmb__kept tmb__kept;
int tmb__kept_new(tmb__kept **out, tmb__source *source, tmb_images *images, const tmb_model *model,
        tmb_layer cut, tmb_device *device, const tmb_fit_opts *opts);
void tmb__kept_free(tmb__kept *kept);
/* The samples have the size and the classes that the net was made for; TMB_EINVAL, TMB_EDATA. */
int tmb__source_check(const tmb__source *source, const tmb_model *model);
/* Features that are whole: sizes, finite numbers, labels within the classes. */
int tmb__features_check(const tmb_features *features);

/* ---- what a batch tells a net to answer (truth.c) ---- */

/* How an answer is right: the label's number; the largest of y; each of y for itself; never. */
typedef enum tmb__judge {
    TMB__JUDGE_LABEL,
    TMB__JUDGE_LARGEST,
    TMB__JUDGE_EACH,
    TMB__JUDGE_NONE
} tmb__judge;

typedef struct tmb__truth {
    tmb_attr attr;        /* the loss the net was compiled with, or the usual, from probabilities */
    int outputs, columns; /* of the net; numbers of a target */
    tmb__judge judge;
} tmb__truth;
tmb__truth tmb__truth_of(const tmb_model *model, const tmb__source *source);
/* (count, columns) targets of a batch. TMB_EDATA: the data's numbers are not as many. */
int tmb__truth_fill(const tmb__truth *truth, const tmb_batch *batch, float *targets);
/* Of one sample: its loss as Keras computes it from probabilities (keras.md 4.1), without weight; and
 * how many of its answers are right. */
double tmb__truth_loss(const tmb__truth *truth, const float *scores, const float *target);
int tmb__truth_right(const tmb__truth *truth, const float *scores, const float *target, int label);
/* How many answers of n samples can be right. */
int64_t tmb__truth_judged(const tmb__truth *truth, int64_t n);

/* ---- scoring photos (score.c): a net for inference and the views of each photo ---- */

typedef struct tmb__scorer {
    tmb__exec *exec;
    int batch, outputs, h, w, c; /* h, w, c: of photos */
    int64_t inputs;              /* floats of one sample */
    bool flip_views;
    float *mirror, *second; /* (batch, h, w, c), (batch, outputs): only with flip_views */
    float *row, *targets;   /* (batch, outputs): a batch's, while a data set passes */
    /* Only of one that measures: the net up to the values that tell unknown photos, these of each view,
     * and the distances of the last batch. */
    const tmb_unknown *unknown;
    tmb__exec *below;
    int values;
    float *value[2], *distance; /* (batch, values), (batch) */
} tmb__scorer;
int tmb__scorer_new(tmb__scorer *out, const tmb_model *model, tmb_device *device, int batch);
/* Of the net above `cut`, from what it kept: no views. */
int tmb__scorer_above(
        tmb__scorer *out, const tmb_model *model, tmb_layer cut, tmb_device *device, int batch);
/* It measures, if the model can tell unknown photos. */
int tmb__scorer_measuring(tmb__scorer *out, const tmb_model *model, tmb_device *device, int batch);
void tmb__scorer_free(tmb__scorer *scorer);
/* Scores (n, outputs) of n inputs, the mean over the views. n may be above the batch. */
int tmb__scorer_run(tmb__scorer *scorer, const float *x, int n, float *scores);

/* (rows, w, c) -> the same with each row's places in reverse; n photos have n * h rows. */
void tmb__mirror(float *dst, const float *x, int64_t rows, int w, int c);

/* A pass over a data set in its order: loss, right answers; scores (count, outputs) if not NULL.
 * TMB_ESTOPPED, with no message, if on_batch says 1. */
typedef struct tmb__pass {
    double loss;
    int64_t n, right, judged;
    tmb__curve curve; /* of two classes */
} tmb__pass;
int tmb__scorer_pass(tmb__scorer *scorer, tmb_model *model, const tmb__source *source,
        tmb__pass *out, float *scores, int (*on_batch)(void *user, int64_t done), void *user);

/* ---- watching the validation figures (monitor.c) ---- */

typedef struct tmb__monitor {
    double best;            /* loss, or minus the accuracy; infinite before the first epoch */
    int best_epoch;         /* number from 1; 0: none yet */
    int wait, plateau_wait; /* epochs without improvement */
    double plateau_best;    /* the plateau rule's own */
    int cooldown;           /* epochs it still looks away */
    double lr_scale;        /* what the plateau rule has done to lr; 1 at the start */
} tmb__monitor;
void tmb__monitor_start(tmb__monitor *monitor);
/* Note an epoch's figures. True if they are the best so far. */
bool tmb__monitor_epoch(tmb__monitor *monitor, const tmb_fit_opts *opts, const tmb_epoch *epoch);
/* The figure that is watched, so that less is better. */
double tmb__monitor_figure(const tmb_fit_opts *opts, const tmb_epoch *epoch);
bool tmb__monitor_done(const tmb__monitor *monitor, const tmb_fit_opts *opts);

/* ---- a running fit (fit.c, checkpoint.c) ---- */

typedef struct tmb__fit {
    tmb_model *model;
    tmb__training *training;
    const tmb__source *train, *validation; /* validation NULL: none */
    const tmb_fit_opts *opts;
    tmb__exec *exec;
    tmb__scorer scorer; /* for validation */
    tmb__truth truth;
    int outputs;
    int epochs;
    float *targets, *weight, *loss, *scores; /* one batch */
    float *class_weight;                     /* NULL: none */
    float *raw, *best;        /* (n_weights): weights under the average; those of the best epoch */
    int64_t per_epoch, total; /* steps */
    /* Where training stands; what a checkpoint keeps beside weights and slots. */
    int64_t step, batch;     /* steps in all; batches done in this epoch */
    int64_t steps_before;    /* the optimizer's, in fits before this one */
    int epoch;               /* from 0 */
    double loss_sum, set_lr; /* set_lr: what opts->schedule said, without the plateau's scale */
    int64_t seen, right;
    tmb__monitor monitor;
    /* Clock only, kept nowhere. */
    tmb__trace *trace; /* NULL: nobody wants to see it */
    double started, epoch_started, steps_started, waited, trained;
    int64_t epoch_first;
} tmb__fit;

int tmb__fit_run(tmb_model *model, const tmb__source *train, const tmb__source *validation,
        const tmb_fit_opts *opts);

/* Write weights, slots, position and history to opts->checkpoint; the model keeps the weights that
 * predict. */
int tmb__checkpoint_save(tmb__fit *fit);
/* Take all that from the file; TMB_EMODEL if it belongs to another net, data set or options. */
int tmb__checkpoint_load(tmb__fit *fit);

/* ---- the model of each epoch (save_epochs.c) ---- */

/* opts->save_path is a name that can be made, with validation or without. */
int tmb__save_check(const tmb_fit_opts *opts, bool validates);
/* Write the model as it is after the last epoch of the history, if it is wanted. */
int tmb__save_epoch(tmb_model *model, const tmb__training *training, const tmb_fit_opts *opts);

/* ---- what a resumed training must share with the first (resume.c) ---- */

/* Append every setting that changes results as words "name=value". */
int tmb__resume_text(const tmb__fit *fit, tmb__strbuf *sb);
/* TMB_EINVAL names the first word that differs. */
int tmb__resume_compare(const char *path, const char *then, const char *now);

/* Bring the history files up to the last epoch; `fresh` writes them anew. Faults are warnings. */
void tmb__history_write(const tmb_fit_opts *opts, tmb__training *training, bool fresh);

#endif
