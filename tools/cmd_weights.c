/* cmd_weights.c - thimble weights: the official weights of pre-trained networks
 *
 * The network is asked by `get` alone, and what came is used only when it was verified. */
#include "ui.h"

#include <stdio.h>
#include <string.h>

static tmb_zoo_store store_of(const options *opts)
{
    return (tmb_zoo_store){.url = opt_text(opts, OPT_URL, NULL),
            .offline = opt_given(opts, OPT_OFFLINE),
            .force = opt_given(opts, OPT_FORCE)};
}

static bool is_here(const tmb_zoo_file *file)
{
    char *folder, *path;
    bool here;

    if (tmb_zoo_path(&folder, NULL, NULL) < 0) return false;
    path = tmb__path_join(folder, file->file);
    here = path && tmb__file_exists(path) == 1;
    tmb__free(path);
    tmb_free(folder);
    return here;
}

static void list_json(tmb__strbuf *sb)
{
    const tmb_zoo_file *file;

    tmb__strbuf_add(sb, "[");
    for (int i = 0; (file = tmb_zoo_file_at(i)); i++)
        tmb__strbuf_add(sb,
                "%s\n  {\"name\": \"%s\", \"file\": \"%s\", \"url\": \"%s/%s\", \"size\": %lld, "
                "\"md5\": \"%s\", \"here\": %s}",
                i ? "," : "", file->name, file->file, file->url, file->file, (long long)file->size,
                file->md5 ? file->md5 : "", is_here(file) ? "true" : "false");
    tmb__strbuf_add(sb, "\n]\n");
}

static void list_text(tmb__strbuf *sb)
{
    const tmb_zoo_file *file;

    for (int i = 0; (file = tmb_zoo_file_at(i)); i++) {
        tmb__strbuf_add(sb, "%-20s %-5s", file->name, is_here(file) ? "here" : "-");
        if (file->size)
            tmb__strbuf_add(sb, "%9.1f MB  %s\n", (double)file->size / 1e6, file->file);
        else
            tmb__strbuf_add(sb, "%9s MB  %s\n", "?", file->file);
    }
}

static int list(const options *opts)
{
    tmb__strbuf sb = {0};

    if (opts->n_args > 1) return tmb__fail(TMB_EINVAL, "weights list takes nothing more");
    if (opt_given(opts, OPT_JSON))
        list_json(&sb);
    else
        list_text(&sb);
    return ui_print(&sb);
}

static int print_path(const char *name, const tmb_zoo_store *store)
{
    tmb__strbuf sb = {0};
    char *path;

    TMB_TRY(tmb_zoo_path(&path, name, store));
    tmb__strbuf_add(&sb, "%s\n", path);
    tmb_free(path);
    return ui_print(&sb);
}

static int show_progress(void *user, int64_t done, int64_t total)
{
    const ui *u = user;

    ui_download(u, done, total);
    return ui_stopped() != 0;
}

static int get(const options *opts, const ui *u)
{
    tmb_zoo_store store = store_of(opts);

    ui_catch_signals();
    store.on_progress = show_progress;
    store.user = (void *)(uintptr_t)u;
    for (int i = 1; i < opts->n_args; i++) {
        const int status = tmb_zoo_fetch(opts->args[i], &store);

        ui_bar_clear(u);
        TMB_TRY(status);
        TMB_TRY(print_path(opts->args[i], &store));
    }
    return 0;
}

static int add(const options *opts)
{
    const tmb_zoo_store store = store_of(opts);

    return tmb_zoo_add(opts->args[1], opts->n_args > 2 ? opts->args[2] : NULL, &store);
}

static int wrong_use(void)
{
    tmb__fail(TMB_EINVAL, "weights takes list, get NAME..., add FILE [NAME] or path [NAME]");
    tmb__hint("thimble weights get vgg16");
    return TMB_EINVAL;
}

int cmd_WEIGHTS(const options *opts)
{
    const char *what = opts->n_args ? opts->args[0] : "";
    const ui u = ui_of(opts);

    if (strcmp(what, "list") == 0) return list(opts);
    if (strcmp(what, "get") == 0 && opts->n_args > 1) return get(opts, &u);
    if (strcmp(what, "add") == 0 && opts->n_args > 1 && opts->n_args < 4) return add(opts);
    if (strcmp(what, "path") == 0 && opts->n_args < 3)
        return print_path(opts->n_args > 1 ? opts->args[1] : NULL, NULL);
    return wrong_use();
}
