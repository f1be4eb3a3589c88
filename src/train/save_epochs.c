/* save_epochs.c - the model written at the end of epochs, under names made of their figures
 *
 * Keras' ModelCheckpoint (keras.md 4.6): a name is a format of Python, "w.{epoch:02d}-{val_loss:.2f}.h5";
 * epochs are counted from 1. What is best is looked up in the history, so that a resumed training, which
 * knows it, goes on as one that was never stopped. */
#include "train/train.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* What a name may hold; all but the epoch are doubles. */
static const struct {
    const char *name;
    size_t offset;
} figures[] = {{"loss", offsetof(tmb_epoch, loss)}, {"accuracy", offsetof(tmb_epoch, accuracy)},
        {"learning_rate", offsetof(tmb_epoch, lr)}, {"val_loss", offsetof(tmb_epoch, val_loss)},
        {"val_accuracy", offsetof(tmb_epoch, val_accuracy.value)},
        {"val_auc", offsetof(tmb_epoch, val_auc)}};

static int refuse(const char *field, size_t length)
{
    tmb__fail(TMB_EINVAL, "save_path: \"{%.*s}\" is nothing that a name can have",
            (int)TMB_MIN(length, 64), tmb__printable(field));
    tmb__hint("{epoch}, {loss}, {accuracy}, {learning_rate} and with validation {val_loss}, "
              "{val_accuracy}, {val_auc}, as {epoch:02d} or {val_loss:.2f}");
    return TMB_EINVAL;
}

/* Python's [0][width][.precision][d|e|f|g], at `text` up to the brace. Returns 0, 'd', 'e', 'f', 'g' or
 * -1: no such thing. */
static int read_format(const char *text, bool *zero, int *width, int *precision)
{
    int kind = 0;

    *zero = *text == '0';
    *width = 0;
    *precision = -1;
    while (isdigit((unsigned char)*text) && *width < 100)
        *width = *width * 10 + *text++ - '0';
    if (*text == '.') {
        if (!isdigit((unsigned char)*++text)) return -1;
        *precision = *text++ - '0';
        if (isdigit((unsigned char)*text)) *precision = *precision * 10 + *text++ - '0';
    }
    if (*text != '}') kind = *text++;
    return *text == '}' && (kind == 0 || strchr("defg", kind)) ? kind : -1;
}

static void put(tmb__strbuf *sb, double value, int kind, bool zero, int width, int precision)
{
    if (zero && !isfinite(value)) zero = false;
    if (kind == 'f')
        tmb__strbuf_add(sb, zero ? "%0*.*f" : "%*.*f", width, precision < 0 ? 6 : precision, value);
    else if (kind == 'e')
        tmb__strbuf_add(sb, zero ? "%0*.*e" : "%*.*e", width, precision < 0 ? 6 : precision, value);
    else
        tmb__strbuf_add(sb, zero ? "%0*.*g" : "%*.*g", width,
                precision >= 0        ? precision
                        : kind == 'g' ? 6
                                      : 9,
                value);
}

/* "{name:format}", of which `field` is what stands behind the brace. */
static int put_field(tmb__strbuf *sb, const char *field, const tmb_epoch *epoch)
{
    const size_t length = strcspn(field, "}"), name = strcspn(field, ":}");
    const bool is_epoch = name == 5 && strncmp(field, "epoch", name) == 0;
    bool zero;
    int width, precision, kind;

    if (!field[length]) return refuse(field, length);
    kind = read_format(field + name + (field[name] == ':'), &zero, &width, &precision);
    if (kind < 0 || (kind == 'd' && (!is_epoch || precision >= 0))) return refuse(field, length);
    if (is_epoch && (kind == 0 || kind == 'd')) {
        tmb__strbuf_add(sb, zero ? "%0*d" : "%*d", width, epoch->number);
        return 0;
    }
    if (is_epoch) {
        put(sb, epoch->number, kind, zero, width, precision);
        return 0;
    }
    for (size_t i = 0; i < TMB_COUNT(figures); i++) {
        if (strlen(figures[i].name) != name || strncmp(figures[i].name, field, name) != 0) continue;
        if (strncmp(field, "val_", 4) == 0 && !epoch->validated) return refuse(field, length);
        put(sb, *(const double *)((const char *)epoch + figures[i].offset), kind, zero, width,
                precision);
        return 0;
    }
    return refuse(field, length);
}

/* Two braces stand for one. */
static int name_of(tmb__strbuf *sb, const char *pattern, const tmb_epoch *epoch)
{
    for (const char *p = pattern; *p; p++) {
        const bool brace = *p == '{' || *p == '}';

        if (brace && p[1] != p[0]) {
            if (*p == '}') return refuse(p, 1);
            TMB_TRY(put_field(sb, p + 1, epoch));
            p = strchr(p, '}');
            continue;
        }
        p += brace;
        tmb__strbuf_bytes(sb, p, 1);
    }
    return sb->failed ? TMB_ENOMEM : 0;
}

int tmb__save_check(const tmb_fit_opts *opts, bool validates)
{
    static const char *const endings[] = {
            ".thimble", ".keras", ".h5", ".weights.json", ".npz", ".safetensors"};
    const tmb_epoch any = {.number = 1, .validated = validates};
    tmb__strbuf sb = {0};
    bool known = false;
    int status;

    if (opts->save_every < 0)
        return tmb__fail(TMB_EINVAL, "fit: save_every is %d, 0 or more expected", opts->save_every);
    if (!opts->save_path) return 0;
    for (size_t i = 0; i < TMB_COUNT(endings); i++)
        known |= tmb__ends_with(opts->save_path, endings[i]);
    if (!known)
        return tmb__fail(TMB_EINVAL,
                "save_path %s: an ending .thimble, .keras, .h5, .weights.h5, .weights.json, .npz "
                "or "
                ".safetensors expected",
                tmb__printable(opts->save_path));
    status = name_of(&sb, opts->save_path, &any);
    tmb__strbuf_free(&sb);
    if (status == 0 && opts->save_best_only && !validates)
        TMB_LOG(WARN, "save_best_only without validation data: every epoch is saved");
    return status;
}

/* As in Keras, without min_delta; a figure that is no number is the best only of one. */
static bool is_best(const tmb_fit_opts *opts, const tmb__training *training)
{
    const tmb_epoch *history = training->history;
    const int last = training->n_history - 1;
    const double value = tmb__monitor_figure(opts, &history[last]);

    if (!history[last].validated) return true;
    for (int i = 0; i < last; i++) {
        if (!(tmb__monitor_figure(opts, &history[i]) > value)) return false;
    }
    return true;
}

static int write_model(tmb_model *model, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash && slash > path ? tmb__strdup(path) : NULL;
    int status = 0;

    if (folder) {
        folder[slash - path] = 0;
        status = tmb__folder_make(folder);
        tmb__free(folder);
    }
    if (status < 0) return status;
    if (tmb__ends_with(path, ".thimble")) return tmb_model_save(model, path);
    return tmb_model_export(model, path,
            &(tmb_export_opts){
                    .whole = tmb__ends_with(path, ".h5") && !tmb__ends_with(path, ".weights.h5")});
}

int tmb__save_epoch(tmb_model *model, const tmb__training *training, const tmb_fit_opts *opts)
{
    const tmb_epoch *epoch = &training->history[training->n_history - 1];
    tmb__strbuf sb = {0};
    int status;

    if (!opts->save_path || epoch->number % TMB_MAX(opts->save_every, 1) != 0) return 0;
    if (opts->save_best_only && !is_best(opts, training)) return 0;
    status = name_of(&sb, opts->save_path, epoch);
    if (status == 0) status = write_model(model, sb.text);
    tmb__strbuf_free(&sb);
    return status;
}
