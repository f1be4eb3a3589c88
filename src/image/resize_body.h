/* resize_body.h - the two passes of a weighted resize, for one set of registers
 *
 * PASS(name) gives the name of this copy, TARGET the instructions that it may use. Compilers take operations
 * on whole vectors to pieces before they inline, so that each function needs both. Between bytes and sums
 * values have 16 bits: a conversion by more than the double has no instruction of its own in gcc 12. */

/* sums += 16 bytes times weights */
TARGET static inline void PASS(add_all)(lanes *sums, const octets *px, const lanes *weights)
{
    const halves half = __builtin_convertvector(*px, halves);

    *sums += __builtin_convertvector(half, lanes) * *weights;
}

TARGET static inline void PASS(clip_all)(octets *out, const lanes *sums)
{
    lanes v = *sums >> FRACTION_BITS, above;

    v &= ~(v >> 31);
    above = v > 255;
    v = (v & ~above) | (above & 255);
    *out = __builtin_convertvector(__builtin_convertvector(v, halves), octets);
}

/* ABREAST pixels of 3 or 4 channels; with 3, what is a byte behind them is read too. */
TARGET static inline void PASS(load_pixels)(
        octets *out, const uint8_t *const px[ABREAST], size_t at)
{
    uint32_t a, b, c, d; /* an array would go through memory */
    quad four;

    memcpy(&a, px[0] + at, sizeof a);
    memcpy(&b, px[1] + at, sizeof b);
    memcpy(&c, px[2] + at, sizeof c);
    memcpy(&d, px[3] + at, sizeof d);
    four = (quad){a, b, c, d};
    memcpy(out, &four, sizeof *out);
}

/* With 3 channels a byte behind the row is written. */
TARGET static void PASS(row_of_pixels)(
        const axis *a, uint8_t *dst, const uint8_t *src, size_t channels)
{
    const int32_t *lane = a->lane;

    for (int i = 0; i < a->n_out; i += ABREAST) {
        const uint8_t *px[ABREAST];
        lanes sums = {0}, weights;
        octets out;

        sums += 1 << (FRACTION_BITS - 1);
        for (int j = 0; j < ABREAST; j++)
            px[j] = src + (size_t)a->from[i + j] * channels;
        for (int k = 0; k < a->wide; k++, lane += LANES) {
            PASS(load_pixels)(&out, px, (size_t)k * channels);
            memcpy(&weights, lane, sizeof weights);
            PASS(add_all)(&sums, &out, &weights);
        }
        PASS(clip_all)(&out, &sums);
        for (int j = 0; j < TMB_MIN(ABREAST, a->n_out - i); j++, dst += channels)
            memcpy(dst, (const uint8_t *)&out + 4 * j, 4);
    }
}

/* Rows of `stride` bytes from src on, weighted, into dst. */
TARGET static void PASS(vertical_row)(
        const tap *t, const int32_t *w, uint8_t *dst, const uint8_t *src, size_t stride)
{
    size_t i = 0;

    for (; i + LANES <= stride; i += LANES) {
        lanes sums = {0}, weights;
        octets px;

        sums += 1 << (FRACTION_BITS - 1);
        for (int k = 0; k < t->n; k++) {
            memcpy(&px, src + (size_t)k * stride + i, sizeof px);
            weights = (lanes){0} + w[k];
            PASS(add_all)(&sums, &px, &weights);
        }
        PASS(clip_all)(&px, &sums);
        memcpy(dst + i, &px, sizeof px);
    }
    for (; i < stride; i++) {
        int32_t sum = 1 << (FRACTION_BITS - 1);

        for (int k = 0; k < t->n; k++)
            sum += src[(size_t)k * stride + i] * w[k];
        dst[i] = clip8(sum);
    }
}

TARGET static void PASS(run_plan)(const plan *p, tmb_image *dst, const tmb_image *src)
{
    size_t ch = (size_t)dst->channels, stride = (size_t)dst->width * ch;
    size_t src_stride = (size_t)src->width * ch;

    for (int y = p->first; y < p->last; y++) {
        const uint8_t *row = src->pixels + (size_t)y * src_stride;
        uint8_t *out = p->between + (size_t)(y - p->first) * stride;

        if (ch == 4) {
            premultiply(p->row, row, (size_t)src->width);
            row = p->row;
        } else if (y == src->height - 1) {
            row = memcpy(p->row, row, src_stride);
        }
        if (!p->x.needed)
            memcpy(out, row, stride);
        else if (ch == 1)
            row_of_1(&p->x, out, row);
        else
            PASS(row_of_pixels)(&p->x, out, row, ch);
    }
    for (int y = 0; y < dst->height; y++) {
        uint8_t *out = dst->pixels + (size_t)y * stride;
        const tap *t = &p->y.taps[y];

        if (p->y.needed) {
            PASS(vertical_row)
            (t, p->y.weights + (size_t)y * (size_t)p->y.most, out,
                    p->between + (size_t)(t->lo - p->first) * stride, stride);
        } else {
            memcpy(out, p->between + (size_t)y * stride, stride);
        }
        if (ch == 4) unpremultiply(out, (size_t)dst->width);
    }
}
