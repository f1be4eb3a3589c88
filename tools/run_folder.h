/* run_folder.h - the folder a training writes: lock, settings, tables */
#ifndef THIMBLE_TOOLS_RUN_FOLDER_H
#define THIMBLE_TOOLS_RUN_FOLDER_H

#include "ui.h"

typedef struct run_folder {
    const char *path;
    int lock; /* descriptor of the locked file */
    char *model, *checkpoint, *metrics, *preview, *split, *predictions, *settings;
} run_folder;

/* Make or take the folder: refused while another run holds it, and when it holds a run already unless
 * --resume or --force is given; TMB_EEXISTS. */
int run_folder_open(run_folder *out, const char *path, const options *opts);
void run_folder_close(run_folder *run);

/* run.json: the command's options. Resuming compares it: TMB_EINVAL lists what differs. */
int run_folder_settings(const run_folder *run, const options *opts, const char *data);
/* split.csv: file_name,label,split of every photo that takes part. */
int run_folder_split(const run_folder *run, tmb_images *train, tmb_images *validation);
/* predictions.csv: each validation photo's label, answer and probabilities. */
int write_predictions(const char *path, const tmb_images *images, const tmb_evaluation *evaluation);

#endif
