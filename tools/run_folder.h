/* run_folder.h - the folder a training writes: lock, settings, report, tables */
#ifndef THIMBLE_TOOLS_RUN_FOLDER_H
#define THIMBLE_TOOLS_RUN_FOLDER_H

#include "ui.h"

/* What was noticed about the photos, as it comes: a list of JSON objects for each kind of notice. */
typedef struct photo_report {
    tmb__strbuf list[TMB_NOTICE_WARNING + 1];
    int64_t n[TMB_NOTICE_WARNING + 1];
} photo_report;
/* Notices about the data set as a whole come again with each part of it; they stay one. */
void photo_report_add(photo_report *report, const tmb_notice *notice);
void photo_report_free(photo_report *report);

typedef struct run_folder {
    const char *path;
    int lock;  /* descriptor of the locked file */
    bool made; /* the folder was not there before */
    char *locked, *model, *checkpoint, *metrics, *preview, *split, *predictions, *settings, *report;
    struct json_t *then; /* run.json of the run that goes on; options point into it */
} run_folder;

/* Make or take the folder: refused while another run holds it, and when it holds a run already unless
 * --resume or --force is given; TMB_EEXISTS. Refused, too, inside the data folder, whose class it
 * would become; `data` may be NULL. Closing removes a folder made for nothing. */
int run_folder_open(run_folder *out, const char *path, const char *data, const options *opts);
void run_folder_close(run_folder *run);
/* --force: what an earlier run left goes. */
void run_folder_clear(const run_folder *run);

/* run.json: the data folder and the options that change what is learned. With --resume it is read:
 * options that are not given again, and the folder if `*data` is NULL, are taken from it. */
int run_folder_adopt(run_folder *run, options *opts, const char **data);
int run_folder_settings(
        const run_folder *run, const options *opts, const char *data, const tmb_device *device);
/* split.csv: file_name,label,split of every photo that takes part. */
int run_folder_split(const run_folder *run, tmb_images *train, tmb_images *validation);
/* report.json: every notice, by kind. */
int run_folder_report(const run_folder *run, const photo_report *report);
/* predictions.csv: each validation photo's label, answer and probabilities. */
int write_predictions(const char *path, const tmb_images *images, const tmb_evaluation *evaluation);

#endif
