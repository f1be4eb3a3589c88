/* cmd_export.c - thimble export: a model or weights file as another kind of file
 *
 * A file that holds a net is opened as a model and written as the ending says. One that holds weights
 * alone, or a net that cannot be opened, is copied tensor by tensor, names and bits kept. */
#include "info_tensors.h"
#include "ui.h"

#include <string.h>

static int check_arguments(const options *opts)
{
    if (opts->n_args != 1) {
        tmb__fail(TMB_EINVAL, "export takes one file, found %d", opts->n_args);
        tmb__hint("thimble export runs/first/model.thimble -o weights.safetensors");
        return TMB_EINVAL;
    }
    if (opt_given(opts, OPT_OUTPUT)) return check_overwrite(opt_text(opts, OPT_OUTPUT, NULL), opts);
    tmb__fail(TMB_EINVAL, "-o is missing: the file to write");
    tmb__hint("its ending says what it becomes: .thimble, .keras, .h5, .weights.h5, .weights.json, "
              ".npz, .safetensors");
    return TMB_EINVAL;
}

/* "cats,dogs" as the model's class names. `list` is cut up. */
static int set_classes(tmb_model *model, char *list)
{
    const char *names[1000];
    int n = 0;

    for (char *at = list, *comma; at; at = comma ? comma + 1 : NULL) {
        if (n == (int)TMB_COUNT(names)) return tmb__fail(TMB_EINVAL, "--classes: more than 1000");
        comma = strchr(at, ',');
        if (comma) *comma = '\0';
        if (!at[0]) return tmb__fail(TMB_EINVAL, "--classes: a name is empty");
        names[n++] = at;
    }
    return tmb_model_set_classes(model, names, n);
}

/* What the command line changes of an open model. */
static int change_model(tmb_model *model, const options *opts)
{
    const char *from = opt_text(opts, OPT_INIT_FROM, opts->args[0]);
    char *classes;
    int status;

    if (load_opts_given(opts) || opt_given(opts, OPT_INIT_FROM))
        TMB_TRY(load_weights(model, from, opts));
    if (!opt_given(opts, OPT_CLASSES)) return 0;
    classes = tmb__strdup(opt_text(opts, OPT_CLASSES, ""));
    status = classes ? set_classes(model, classes) : TMB_ENOMEM;
    tmb__free(classes);
    return status;
}

static int write_model(tmb_model *model, const char *path, const options *opts)
{
    const tmb_export_opts export = {.whole = opt_given(opts, OPT_WHOLE),
            .rescaling = opt_given(opts, OPT_RESCALING),
            .optimizer = opt_given(opts, OPT_OPTIMIZER),
            .shard_bytes = (int64_t)opt_number(opts, OPT_SHARD_SIZE, 0)};
    const size_t n = strlen(path);

    if (n <= 8 || strcmp(path + n - 8, ".thimble") != 0)
        return tmb_model_export(model, path, &export);
    if (!export.whole && !export.rescaling && !export.optimizer && !export.shard_bytes)
        return tmb_model_save(model, path);
    return tmb__fail(TMB_EINVAL,
            "%s: --whole, --rescaling, --optimizer and --shard-size are for Keras' files",
            tmb__printable(path));
}

/* True if something is asked for that only a net can do. */
static bool wants_net(const options *opts)
{
    static const option_id ids[] = {
            OPT_INIT_FROM, OPT_CLASSES, OPT_WHOLE, OPT_RESCALING, OPT_OPTIMIZER, OPT_SHARD_SIZE};
    bool any = load_opts_given(opts);

    for (size_t i = 0; i < TMB_COUNT(ids); i++)
        any = any || opt_given(opts, ids[i]);
    return any;
}

/* `status` is why there is no model: the failure to report if it cannot be copied either. */
static int copy_tensors(const options *opts, const char *path, int status)
{
    const ui u = ui_of(opts);

    if (status == TMB_ENOMEM || !info_tensors_takes(opts->args[0])) return status;
    if (wants_net(opts)) {
        tmb__hint("what is asked for needs a net: export its model, --init-from this file");
        return status;
    }
    TMB_TRY(tmb_tensors_convert(opts->args[0], path));
    ui_say(&u, "no net in it: its tensors are copied under their own names");
    return 0;
}

int cmd_EXPORT(const options *opts)
{
    const char *path = opt_text(opts, OPT_OUTPUT, NULL);
    tmb_model *model = NULL;
    int status = check_arguments(opts);

    if (status < 0) return status;
    status = open_model(&model, opts->args[0]);
    if (status < 0) return copy_tensors(opts, path, status);
    status = change_model(model, opts);
    if (status == 0) status = write_model(model, path, opts);
    tmb_model_free(model);
    return status;
}
