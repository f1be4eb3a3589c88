/* pretrained.c - pre-trained networks as the command line names them, and their features of photos
 *
 * Without --backbone the best one is taken whose weights are in the user's folder: what it knows of
 * photos (its share of right answers on ImageNet, as Keras gives it) against what it costs. */
#include "pretrained.h"

#include <string.h>

static const struct {
    const char *name, *why;
} preferred[] = {{"efficientnet_b0", "77.1 % on ImageNet at the cost of a small one"},
        {"mobilenet_v2", "71.3 % on ImageNet, the quickest of them"},
        {"resnet50", "74.9 % on ImageNet, ten times a small one's cost"},
        {"inception_v3", "77.9 % on ImageNet, twenty times a small one's cost"},
        {"mobilenet", "70.4 % on ImageNet, nearly the quickest"},
        {"vgg16", "71.3 % on ImageNet, fifty times a small one's cost"},
        {"vgg19", "71.3 % on ImageNet, sixty times a small one's cost"}};

const char *backbone_here(const char **why)
{
    for (size_t i = 0; i < TMB_COUNT(preferred); i++) {
        char *path;

        if (tmb_zoo_path(&path, preferred[i].name, NULL) < 0) continue;
        tmb_free(path);
        *why = preferred[i].why;
        return preferred[i].name;
    }
    return NULL;
}

/* "a,b" into `out`, ended by NULL if there is room; returns how many, or TMB_EINVAL. */
static int cut(char **list, const char *out[TMB_BACKBONES], const char *text, const char *option)
{
    int n = 0;

    *list = tmb__strdup(text);
    if (!*list) return TMB_ENOMEM;
    for (char *at = *list;; n++) {
        char *comma = strchr(at, ',');

        if (n == TMB_BACKBONES)
            return tmb__fail(TMB_EINVAL, "--%s \"%s\": more than %d names", option,
                    tmb__printable(text), TMB_BACKBONES);
        if (comma) *comma = 0;
        if (!*at)
            return tmb__fail(
                    TMB_EINVAL, "--%s \"%s\": a name is empty", option, tmb__printable(text));
        out[n] = at;
        if (!comma) return n + 1;
        at = comma + 1;
    }
}

static int read_names(backbone *b, const options *opts)
{
    const char *names = opt_text(opts, OPT_BACKBONE, NULL), *why = NULL;
    tmb__strbuf sb = {0};
    const ui u = ui_of(opts);

    if (!names && opt_given(opts, OPT_WEIGHTS))
        return tmb__fail(TMB_EINVAL, "--weights without --backbone, whose weights they are");
    if (!names) {
        names = backbone_here(&why);
        if (!names) {
            tmb__fail(TMB_EMODEL, "no weights of a pre-trained network are here");
            tmb__hint("thimble weights get mobilenet_v2, or --backbone with --weights FILE");
            return TMB_EMODEL;
        }
        ui_say(&u, "backbone %s, of those whose weights are here: %s", names, why);
    }
    b->n = cut(&b->lists[0], b->opts.names, names, "backbone");
    if (b->n < 0) return b->n;
    for (int i = 0; i < b->n; i++)
        tmb__strbuf_add(&sb, "%s%s", i ? "+" : "", b->opts.names[i]);
    b->name = sb.text;
    return sb.failed ? TMB_ENOMEM : 0;
}

static int read_weights(backbone *b, const options *opts)
{
    const char *weights = opt_text(opts, OPT_WEIGHTS, NULL);
    int n;

    if (!weights) return 0;
    b->opts.random = strcmp(weights, "random") == 0;
    if (b->opts.random) return 0;
    n = cut(&b->lists[1], b->opts.weights, weights, "weights");
    if (n < 0 || n == b->n) return TMB_MIN(n, 0);
    return tmb__fail(TMB_EINVAL, "--weights \"%s\": %d files for %d networks",
            tmb__printable(weights), n, b->n);
}

static int read_views(backbone *b, const char *views)
{
    const char *aug = strncmp(views, "flip,", 5) == 0 ? views + 5 : views;
    int64_t n = 0;

    b->flip = aug != views || strcmp(views, "flip") == 0;
    if (strcmp(views, "flip") == 0 || strcmp(views, "none") == 0) return 0;
    if (strncmp(aug, "aug:", 4) == 0 && tmb__parse_int(aug + 4, &n) && n > 0 && n <= 1000) {
        b->augmented = (int)n;
        return 0;
    }
    return tmb__fail(TMB_EINVAL,
            "--views \"%s\": expected none, flip, aug:N or flip,aug:N with N from 1 to 1000",
            tmb__printable(views));
}

int backbone_from(backbone *out, const options *opts, const char *views)
{
    static const tmb_pooling poolings[] = {TMB_POOLING_AVG, TMB_POOLING_MAX, TMB_POOLING_NONE};

    *out = (backbone){.opts = {.until = opt_text(opts, OPT_UNTIL, NULL),
                              .pooling = poolings[opt_choice(opts, OPT_POOLING, 0)],
                              .post_pixels = opt_choice(opts, OPT_PREPROCESS, 0) == 1}};
    out->opts.size[0] = out->opts.size[1] = (int)opt_number(opts, OPT_IMG_SIZE, 0);
    TMB_TRY(read_views(out, opt_text(opts, OPT_VIEWS, views)));
    TMB_TRY(read_names(out, opts));
    return read_weights(out, opts);
}

void backbone_free(backbone *b)
{
    tmb__free(b->lists[0]);
    tmb__free(b->lists[1]);
    tmb__free(b->name);
}

static void on_progress(void *user, int64_t done, int64_t total)
{
    ui_count(user, "Features", done, total);
}

int backbone_features(tmb_features *out, const backbone *b, tmb_model *net, tmb_images *images,
        const options *opts)
{
    ui u = ui_of(opts);
    const tmb_extract_opts extract = {.flip = b->flip,
            .augmented = b->augmented,
            .batch = (int)opt_number(opts, OPT_BATCH_SIZE, 0),
            .on_progress = on_progress,
            .user = &u,
            .stop = &ui_stop};
    const int status = tmb_model_features(out, net, images, &extract);

    ui_bar_clear(&u);
    return status;
}
