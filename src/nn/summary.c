/* summary.c - the net as a table, after Keras' summary() as it was up to version 2
 *
 * A net that is not a plain stack gets a column with the layers that each one reads. */
#include "nn/layer.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 4 };

/* "1,212,513" */
static const char *grouped(char text[32], int64_t n)
{
    char digits[32];
    const int len = snprintf(digits, sizeof digits, "%lld", (long long)n);
    int at = 0;

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

/* "(None, 148, 148, 32)" */
static void shape_text(char *text, size_t size, const tmb_layer_info *info)
{
    size_t at = (size_t)snprintf(text, size, "(None");

    for (int i = 0; i < info->rank; i++)
        at += (size_t)snprintf(text + at, size - at, ", %d", info->shape[i]);
    snprintf(text + at, size - at, ")");
}

typedef struct row {
    char cell[COLUMNS][160];
} row;

static void fill_row(row *r, const tmb_model *model, tmb_layer number)
{
    tmb_layer_info info;
    size_t at = 0;

    if (tmb_model_layer(model, number, &info) < 0) return;
    snprintf(r->cell[0], sizeof r->cell[0], "%s (%s)", info.name, info.class_name);
    shape_text(r->cell[1], sizeof r->cell[1], &info);
    grouped(r->cell[2], info.params);
    for (int i = 0; i < TMB_LAYER_INPUTS && info.from[i] && at < sizeof r->cell[3]; i++)
        at += (size_t)snprintf(r->cell[3] + at, sizeof r->cell[3] - at, "%s%s", i ? ", " : "",
                model->layers[info.from[i] - 1].name);
}

static bool is_stack(const tmb_model *model)
{
    for (int i = 1; i < model->n_layers; i++) {
        if (model->layers[i].n_from != 1 || model->layers[i].from[0] != i) return false;
    }
    return true;
}

/* Cells padded to their columns, but nothing after the row's last text. */
static void add_row(tmb__strbuf *sb, const row *r, const int *width, int columns)
{
    int last = columns - 1;

    while (last > 0 && !r->cell[last][0])
        last--;
    for (int c = 0; c < last; c++)
        tmb__strbuf_add(sb, "%-*s", width[c], r->cell[c]);
    tmb__strbuf_add(sb, "%s\n", r->cell[last]);
}

static void add_rule(tmb__strbuf *sb, char c, int width)
{
    for (int i = 0; i < width; i++)
        tmb__strbuf_bytes(sb, &c, 1);
    tmb__strbuf_bytes(sb, "\n", 1);
}

/* Columns as wide as their longest cell, but at least as Keras' 29, 26, 10. */
static void measure(int width[COLUMNS], const tmb_model *model)
{
    static const int least[COLUMNS] = {29, 26, 10, 20};

    memcpy(width, least, sizeof least);
    for (tmb_layer i = 1; i <= model->n_layers; i++) {
        row r = {0};

        fill_row(&r, model, i);
        for (int c = 0; c < COLUMNS; c++)
            width[c] = TMB_MAX(width[c], (int)strlen(r.cell[c]) + 2);
    }
}

int tmb_model_summary(const tmb_model *model, char **out)
{
    static const row head = {{"Layer (type)", "Output Shape", "Param #", "Connected to"}};
    tmb__strbuf sb = {0};
    int width[COLUMNS], columns, all = 0;
    int64_t total, trainable;
    char text[3][32];

    if (!model || !out) return tmb__fail(TMB_EINVAL, "%s is NULL", model ? "out" : "model");
    *out = NULL;
    columns = is_stack(model) ? COLUMNS - 1 : COLUMNS;
    measure(width, model);
    for (int c = 0; c < columns; c++)
        all += width[c];
    add_rule(&sb, '_', all);
    add_row(&sb, &head, width, columns);
    add_rule(&sb, '=', all);
    for (tmb_layer i = 1; i <= model->n_layers; i++) {
        row r = {0};

        fill_row(&r, model, i);
        add_row(&sb, &r, width, columns);
    }
    add_rule(&sb, '=', all);
    total = tmb_model_params(model, false);
    trainable = tmb_model_params(model, true);
    tmb__strbuf_add(&sb, "Total params: %s\nTrainable params: %s\nNon-trainable params: %s\n",
            grouped(text[0], total), grouped(text[1], trainable),
            grouped(text[2], total - trainable));
    add_rule(&sb, '_', all);
    if (sb.failed) tmb__strbuf_free(&sb);
    if (!sb.text) return TMB_ENOMEM;
    *out = sb.text;
    return 0;
}
