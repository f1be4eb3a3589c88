/* draw.c - rectangles, text in a built-in font, and pictures pasted into pictures
 *
 * For contact sheets and plots, which need no more than this. Everything is cut at the picture's
 * edge. A character takes 6 x 10 pixels: 5 x 8 for the glyph, one row above and below, one column
 * beside it. */
#include "image/image.h"

enum { CELL_WIDTH = 6, CELL_HEIGHT = 10, GLYPH_WIDTH = 5, GLYPH_HEIGHT = 8 };

/* Characters ' ' to '~'. A byte a row, the top one highest; its low five bits are the pixels, left
 * first. The eighth row is for the tails of g, j, p, q and y. */
static const uint64_t font[] = {
        0x0000000000000000,
        0x0404040404000400,
        0x0a0a0a0000000000,
        0x0a0a1f0a1f0a0a00,
        0x040f140e051e0400,
        0x1819020408130300,
        0x0c12140815120d00,
        0x0404040000000000,
        0x0204080808040200,
        0x0804020202040800,
        0x0004150e15040000,
        0x0004041f04040000,
        0x0000000000040408,
        0x0000001f00000000,
        0x00000000000c0c00,
        0x0101020408101000,
        0x0e11131519110e00,
        0x040c140404041f00,
        0x0e11010608101f00,
        0x1f02040601110e00,
        0x02060a121f020200,
        0x1f101e0101110e00,
        0x0608101e11110e00,
        0x1f01020404080800,
        0x0e11110e11110e00,
        0x0e11110f01020c00,
        0x000c0c000c0c0000,
        0x0004040004040800,
        0x0204081008040200,
        0x00001f001f000000,
        0x0804020102040800,
        0x0e11010604000400,
        0x0e11171517100f00,
        0x040a11111f111100,
        0x1e11111e11111e00,
        0x0e11101010110e00,
        0x1c12111111121c00,
        0x1f10101e10101f00,
        0x1f10101e10101000,
        0x0e11101311110f00,
        0x1111111f11111100,
        0x0e04040404040e00,
        0x0702020202120c00,
        0x1112141814121100,
        0x1010101010101f00,
        0x111b151511111100,
        0x1119191513131100,
        0x0e11111111110e00,
        0x1e11111e10101000,
        0x0e11111115120d00,
        0x1e11111e14121100,
        0x0f10100e01011e00,
        0x1f04040404040400,
        0x1111111111110e00,
        0x111111110a0a0400,
        0x11111115151b1100,
        0x11110a040a111100,
        0x11110a0404040400,
        0x1f01020408101f00,
        0x0e08080808080e00,
        0x1010080402010100,
        0x0e02020202020e00,
        0x040a110000000000,
        0x000000000000001f,
        0x0804020000000000,
        0x00000e010f110f00,
        0x10101e1111111e00,
        0x00000f1010100f00,
        0x01010f1111110f00,
        0x00000e111f100e00,
        0x06081e0808080800,
        0x00000f11110f010e,
        0x10101e1111111100,
        0x04000c0404040e00,
        0x020006020202120c,
        0x1010121418141200,
        0x0c04040404040e00,
        0x00001a1515151500,
        0x00001e1111111100,
        0x00000e1111110e00,
        0x00001e11111e1010,
        0x00000f11110f0101,
        0x0000161810101000,
        0x00000f100e011e00,
        0x08081e0808080600,
        0x0000111111110f00,
        0x000011110a0a0400,
        0x0000111515150a00,
        0x0000110a040a1100,
        0x00001111110f010e,
        0x00001f0204081f00,
        0x0608081008080600,
        0x0404040404040404,
        0x0c02020102020c00,
        0x0000081502000000,
};

/* One pixel of 1, 3 or 4 channels; grey pictures take the colour's first value, alpha becomes
 * opaque. */
static void put_pixel(tmb_image *image, int64_t x, int64_t y, const uint8_t rgb[3])
{
    uint8_t *px;

    if (x < 0 || y < 0 || x >= image->width || y >= image->height) return;
    px = image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * (size_t)image->channels;
    for (int k = 0; k < image->channels; k++)
        px[k] = k < 3 ? rgb[k] : 255;
}

void tmb__draw_rect(tmb_image *image, int x, int y, int w, int h, const uint8_t rgb[3])
{
    int64_t right = TMB_MIN((int64_t)x + w, (int64_t)image->width);
    int64_t bottom = TMB_MIN((int64_t)y + h, (int64_t)image->height);

    for (int64_t v = TMB_MAX(y, 0); v < bottom; v++)
        for (int64_t u = TMB_MAX(x, 0); u < right; u++)
            put_pixel(image, u, v, rgb);
}

static void draw_glyph(tmb_image *image, int64_t x, int64_t y, uint64_t glyph, const uint8_t rgb[3])
{
    for (int v = 0; v < GLYPH_HEIGHT; v++) {
        unsigned row = (unsigned)(glyph >> (8 * (GLYPH_HEIGHT - 1 - v))) & 255;

        for (int u = 0; u < GLYPH_WIDTH; u++)
            if (row >> (GLYPH_WIDTH - 1 - u) & 1) put_pixel(image, x + u, y + 1 + v, rgb);
    }
}

/* What has no glyph, each byte of UTF-8 included, is shown as '?'; a line feed is obeyed. */
void tmb__draw_text(tmb_image *image, int x, int y, const char *text, const uint8_t rgb[3])
{
    int64_t column = x, line = y;

    for (; *text != '\0'; text++) {
        char c = *text >= ' ' && *text <= '~' ? *text : '?';

        if (*text == '\n') {
            column = x;
            line += CELL_HEIGHT;
            continue;
        }
        draw_glyph(image, column, line, font[c - ' '], rgb);
        column += CELL_WIDTH;
    }
}

static const uint8_t *source_colour(const tmb_image *src, int x, int y, uint8_t rgb[3])
{
    const uint8_t *px =
            src->pixels + ((size_t)y * (size_t)src->width + (size_t)x) * (size_t)src->channels;

    for (int k = 0; k < 3; k++)
        rgb[k] = px[src->channels < 3 ? 0 : k];
    return rgb;
}

void tmb__draw_image(tmb_image *image, int x, int y, const tmb_image *src)
{
    uint8_t rgb[3];

    for (int v = 0; v < src->height; v++)
        for (int u = 0; u < src->width; u++)
            put_pixel(image, (int64_t)x + u, (int64_t)y + v, source_colour(src, u, v, rgb));
}
