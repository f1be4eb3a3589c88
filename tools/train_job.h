/* train_job.h - one training as the program does it, and the methods it may go by
 *
 * cmd_train.c takes the run folder, photos and device, and in the end evaluates, writes and answers; what
 * lies between is a method's. */
#ifndef THIMBLE_TOOLS_TRAIN_JOB_H
#define THIMBLE_TOOLS_TRAIN_JOB_H

#include "pretrained.h"
#include "run_folder.h"
#include "standardize.h"

typedef struct train_method train_method;

typedef struct train_job {
    const options *opts;
    options merged; /* `opts`, those a resumed run was started with, and what was chosen for the user */
    const char *data;
    ui u;
    const train_method *method;
    const char *advice; /* a line to say before training; NULL: none */
    run_folder run;
    photo_report report;
    tmb_recipe recipe;
    tmb_device *device;
    backbone backbone; /* features, finetune */
    tmb_images *train, *validation;
    tmb_statistics *statistics;
    tmb_model *model;
    bool automatic;      /* --method auto: fine-tuning may end with the head */
    double start;        /* tmb__now() */
    double view_seconds; /* that the features of one view of a photo took */
    tmb_share unseen;    /* the fitted head's accuracy on training photos left out of its fit */
    tmb__strbuf record;  /* what the method adds to the model's record: `,"name":value` */
    tmb_evaluation result;
} train_job;

struct train_method {
    const char *name;
    /* The recipe's settings for this method, before the command line changes them. */
    void (*recipe)(tmb_recipe *recipe);
    /* What has to be known before photos are read: recipe.preprocess, the net if it is ready made. */
    int (*open)(train_job *job);
    /* The model, now that the classes are known; and what it learns. */
    int (*make)(train_job *job);
    int (*learn)(train_job *job);
};
extern const train_method train_scratch, train_features, train_finetune;

/* What --method says, or what auto chooses with a line on why; part of the run from then on. TMB_EINVAL
 * for options that mean nothing for it. */
int choose_method(train_job *job);

/* tmb_model_fit with the run folder's files, the bar, signals and, if it ends, the words on how to go on.
 * The other fields of `fit` are the method's. */
int train_fit(train_job *job, const tmb_fit_opts *fit);
/* Bar and epochs as tmb_fit_opts wants them; the user is a ui. */
int train_on_epoch(void *user, const tmb_epoch *epoch);
int train_on_step(void *user, const tmb_progress *progress);

/* train_features.c: the pre-trained net, and a head fitted on what it says of the training photos. */
int open_backbone(train_job *job);
int fit_head(train_job *job, float dropout);
/* A head of random weights. */
int add_untrained_head(train_job *job, float dropout);

#endif
