/* preview.c - a contact sheet: photos as they are kept, each beside what augmentation makes of it
 *
 *   cats   train/cats/cat.17.jpg
 *   [photo]   [epoch 1] [epoch 2] [epoch 3] ...
 *
 * Colours are shown as they are: the net's scale and offset are taken back, nothing is stretched. */
#include "data/images.h"

#include <stdio.h>
#include <string.h>

enum {
    MAX_SIDE = 16384,
    MARGIN = 16,
    GAP = 6,
    BREAK = 18,
    LABEL = 18,
    HEAD = 22,
    CELL = 128,
    GLYPH = 6
};

static const uint8_t paper[3] = {250, 250, 248}, ink[3] = {40, 42, 46}, faint[3] = {130, 134, 140};

typedef struct sheet {
    tmb_images *images;
    tmb_image *out;
    int rows, variants;
    int cell_h, cell_w; /* a picture on the sheet */
    float *x;           /* (h, w, c), one sample */
    tmb_image shown;    /* (h, w, 3) */
} sheet;

/* Rows go round the classes; those of a class are spread over its photos. */
static int64_t pick(const sheet *s, int row)
{
    const tmb_images *images = s->images;
    const int label = row % images->n_classes;
    const int turn = row / images->n_classes, turns = (s->rows - 1 - label) / images->n_classes + 1;
    int64_t n = 0, nth;

    for (int64_t i = 0; i < images->n; i++)
        n += images->samples[i].label == label;
    if (n == 0) return row % images->n;
    nth = (2 * turn + 1) * n / (2 * turns);
    for (int64_t i = 0; i < images->n; i++) {
        if (images->samples[i].label == label && nth-- == 0) return i;
    }
    return 0;
}

/* A sample in pixels, whatever the net's input is made of them. */
static int show(const sheet *s, int64_t index, const tmb_transform *t)
{
    tmb_images *images = s->images;
    const tmb_preprocess raw = tmb__preprocess_raw(&images->pre);
    const int64_t pixels = (int64_t)raw.size[0] * raw.size[1];

    TMB_TRY(tmb__store_apply(images, &raw, index, t, &images->scratch, s->x));
    for (int64_t i = 0; i < pixels; i++) {
        for (int k = 0; k < 3; k++) {
            const float v = s->x[i * raw.channels + (raw.channels == 1 ? 0 : k)];

            s->shown.pixels[3 * i + k] = (uint8_t)(TMB_MIN(TMB_MAX(v, 0), 255) + 0.5F);
        }
    }
    return 0;
}

/* A picture at column `col` of the row at `y`, enlarged if the net's are small. */
static int put(const sheet *s, const tmb_image *image, int col, int y)
{
    const int x = MARGIN + col * (s->cell_w + GAP) + (col ? BREAK : 0);
    tmb_image enlarged;

    if (image->height == s->cell_h && image->width == s->cell_w) {
        tmb__draw_image(s->out, x, y, image);
        return 0;
    }
    TMB_TRY(tmb_image_resize(&enlarged, image, s->cell_h, s->cell_w, TMB_BICUBIC));
    tmb__draw_image(s->out, x, y, &enlarged);
    tmb_image_free(&enlarged);
    return 0;
}

/* As much of the text as fits in front of `end`, its end if it is cut. */
static void write(const sheet *s, int x, int y, int end, const char *text, const uint8_t rgb[3])
{
    const size_t room = (size_t)TMB_MAX((end - x) / GLYPH, 4), n = strlen(text);
    char cut[256];

    snprintf(cut, sizeof cut, "%s%s", n > room ? ".." : "", n > room ? text + n - room + 2 : text);
    tmb__draw_text(s->out, x, y, cut, rgb);
}

static int draw_row(const sheet *s, int row, int y)
{
    const int64_t index = pick(s, row);
    const tmb__sample *sample = &s->images->samples[index];
    const char *name = tmb__printable(s->images->names[sample->label]);
    const int after = MARGIN + ((int)strlen(name) + 3) * GLYPH, end = s->out->width - MARGIN;

    write(s, MARGIN, y, end, name, ink);
    if (after + 10 * GLYPH < end)
        write(s, after, y, end, tmb__printable(sample->path + sample->key), faint);
    TMB_TRY(show(s, index, NULL)); /* what validation would see */
    TMB_TRY(put(s, &s->shown, 0, y + LABEL));
    for (int i = 0; i < s->variants; i++) {
        tmb_transform t = {0};

        if (s->images->random) TMB_TRY(tmb__flow_transform(s->images, index, i, &t));
        TMB_TRY(show(s, index, s->images->random ? &t : NULL));
        TMB_TRY(put(s, &s->shown, i + 1, y + LABEL));
    }
    return 0;
}

static int draw_sheet(const sheet *s)
{
    const int second = MARGIN + s->cell_w + GAP + BREAK;

    tmb__draw_rect(s->out, 0, 0, s->out->width, s->out->height, paper);
    write(s, MARGIN, MARGIN, second, "unchanged", faint);
    if (s->variants > 0) {
        write(s, second, MARGIN, s->out->width,
                s->images->random ? "as the net sees it, epoch by epoch" : "no augmentation",
                faint);
    }
    for (int i = 0; i < s->rows; i++)
        TMB_TRY(draw_row(s, i, MARGIN + HEAD + i * (LABEL + s->cell_h + BREAK)));
    return 0;
}

int tmb_images_preview(tmb_images *images, int rows, int variants, tmb_image *out)
{
    sheet s = {.images = images, .out = out, .rows = rows, .variants = variants};
    int64_t height, width;
    int status, h, w, grow;

    if (!images || !out) return tmb__fail(TMB_EINVAL, "preview: images or the result is NULL");
    *out = (tmb_image){0};
    h = images->pre.size[0];
    w = images->pre.size[1];
    grow = TMB_MAX((CELL + TMB_MIN(h, w) - 1) / TMB_MIN(h, w), 1);
    s.cell_h = h * grow;
    s.cell_w = w * grow;
    height = 2 * MARGIN + HEAD + (int64_t)rows * (LABEL + s.cell_h + BREAK) - BREAK;
    width = 2 * MARGIN + (int64_t)(variants + 1) * (s.cell_w + GAP) - GAP + (variants ? BREAK : 0);
    if (rows < 1 || variants < 0 || height > MAX_SIDE || width > MAX_SIDE) {
        return tmb__fail(TMB_EINVAL,
                "preview: %d rows of 1 + %d pictures of %d x %d, expected at most"
                " %d pixels a side",
                rows, variants, s.cell_h, s.cell_w, MAX_SIDE);
    }
    s.x = tmb__calloc((size_t)h * (size_t)w * (size_t)images->pre.channels, sizeof *s.x);
    status = s.x ? tmb__image_new(&s.shown, h, w, 3) : TMB_ENOMEM;
    if (status == 0) status = tmb__image_new(out, (int)height, (int)width, 3);
    if (status == 0) status = draw_sheet(&s);
    if (status < 0) tmb_image_free(out);
    tmb_image_free(&s.shown);
    tmb__free(s.x);
    return status;
}
