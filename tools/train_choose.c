/* train_choose.c - which way to train: what --method says, or what fits the options and the weights here */
#include "train_job.h"

#include <string.h>

/* Options that have a meaning for some methods alone. */
static const option_id for_networks[] = {OPT_BACKBONE, OPT_WEIGHTS, OPT_UNTIL, OPT_POOLING,
        OPT_PREPROCESS, OPT_VIEWS, OPT_HEAD, OPT_PENALTY},
                       for_finetune[] = {OPT_UNFREEZE_FROM, OPT_UNTRAINED_HEAD, OPT_KEPT_VIEWS,
                               OPT_KEPT_MEMORY, OPT_KEPT_FILE, OPT_RECOMPUTE},
                       for_steps[] = {OPT_EPOCHS, OPT_LR, OPT_OPT, OPT_L1, OPT_L2, OPT_DROPOUT},
                       for_scratch[] = {OPT_COLOR_MODE, OPT_RESCALE, OPT_PIXEL_RULE,
                               OPT_SAMPLEWISE_CENTER, OPT_SAMPLEWISE_STD_NORMALIZATION,
                               OPT_FEATUREWISE_CENTER, OPT_FEATUREWISE_STD_NORMALIZATION,
                               OPT_ZCA_WHITENING, OPT_ZCA_EPSILON, OPT_BY_NAME, OPT_PREFIX,
                               OPT_KERNEL_ORDER, OPT_FLIP, OPT_DENSE_ORDER};

/* The first of these that is given, -1: none. */
static int first_given(const options *opts, const option_id *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (opt_given(opts, ids[i])) return (int)ids[i];
    }
    return -1;
}

#define GIVEN(opts, ids) first_given((opts), (ids), TMB_COUNT(ids))

static bool by_post(const options *opts)
{
    return strcmp(opt_text(opts, OPT_RECIPE, ""), "keras2016") == 0;
}

/* Of the methods with a head alone: the post's dense layers. */
static bool learns_by_steps(const options *opts)
{
    return strcmp(opt_text(opts, OPT_HEAD, by_post(opts) ? "post" : "auto"), "post") == 0;
}

static int check_options(const train_job *job)
{
    const char *hint = "";
    int wrong;

    if (job->method == &train_scratch)
        wrong = GIVEN(job->opts, for_networks);
    else
        wrong = GIVEN(job->opts, for_scratch);
    if (wrong < 0 && job->method != &train_finetune) wrong = GIVEN(job->opts, for_finetune);
    if (wrong < 0 && job->method == &train_features && opt_given(job->opts, OPT_INIT_FROM))
        wrong = OPT_INIT_FROM;
    if (wrong < 0 && job->method == &train_features && !learns_by_steps(job->opts)) {
        wrong = GIVEN(job->opts, for_steps);
        hint = "--head post and --method finetune learn by steps";
    }
    if (wrong < 0) return 0;
    tmb__fail(TMB_EINVAL, "--%s means nothing for --method %s", option_table[wrong].name,
            job->method->name);
    tmb__hint("%s", hint);
    return TMB_EINVAL;
}

/* A resumed run goes on as it began, whatever weights have come meanwhile. */
static void record(train_job *job)
{
    job->merged.value[OPT_METHOD].set = false;
    (void)opt_adopt(&job->merged, "method", job->method->name);
}

static const train_method *choose(train_job *job)
{
    const bool post = by_post(job->opts);
    const char *why;

    if (opt_given(job->opts, OPT_RESUME)) return &train_scratch;
    if (GIVEN(job->opts, for_finetune) >= 0) return &train_finetune;
    if (GIVEN(job->opts, for_networks) < 0) {
        if (post || opt_given(job->opts, OPT_INIT_FROM) || GIVEN(job->opts, for_scratch) >= 0)
            return &train_scratch;
        if (!backbone_here(&why)) {
            job->advice = "method scratch: no pre-trained weights are here, which help much where "
                          "photos are few: thimble weights get mobilenet_v2";
            return &train_scratch;
        }
    }
    job->automatic = !post;
    return post ? &train_features : &train_finetune;
}

int choose_method(train_job *job)
{
    static const train_method *const methods[] = {
            NULL, &train_scratch, &train_features, &train_finetune};

    job->method = methods[opt_choice(job->opts, OPT_METHOD, 0)];
    if (!job->method) {
        job->method = choose(job);
        if (job->method != &train_scratch) record(job);
    }
    return check_options(job);
}
