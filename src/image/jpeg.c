/* jpeg.c - reads JPEG through libjpeg(-turbo), and says how much of a damaged file is good
 *
 * libjpeg's defaults (slow integer DCT, smooth chroma upsampling) are what Pillow uses, so the
 * pixels equal Pillow's. CMYK and YCCK are taken as Adobe writes them, inverted, as Pillow does.
 *
 * libjpeg only warns where data are missing and fills with grey. Its warnings are therefore counted
 * per row of blocks ("MCU row"): running out of entropy-coded data is what means that pixels are
 * lost, up to the next restart marker or to the end of the scan. A missing end marker alone loses
 * nothing.
 *   whole     no warning
 *   repaired  stray bytes, no end marker, or at most 2 % of the MCU rows damaged
 *   partial   the file ends before the picture does, or more is damaged
 *
 * PITFALL: libjpeg reports errors by longjmp; whatever lives across read_picture() is in the
 * struct. */
#include "image/codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h> /* after jpeglib.h, whose version it asks for */

enum { SCANS_MAX = 64, WARNINGS_MAX = 200, SIDE_MAX = 65500, MCU_ROWS_MAX = SIDE_MAX / 8 + 1 };

typedef struct reader {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr error;
    struct jpeg_progress_mgr progress;
    struct jpeg_source_mgr source;
    jmp_buf frame;
    tmb__codec *codec;
    uint8_t *row; /* one decoded row; owned */
    int rows;     /* rows handed to the canvas */
    int warnings;
    bool ended;                /* the file gave out and an end marker was made up */
    bool coarse;               /* bits of a progressive picture never came */
    bool decoding;             /* past the header */
    bool hopeless;             /* given up early, because a partial picture is not wanted */
    bool late;                 /* the time limit has passed */
    uint8_t bad[MCU_ROWS_MAX]; /* 1: this MCU row is damaged */
    char why[JMSG_LENGTH_MAX]; /* the library's word on the first damage */
} reader;

/* ---- damage ---- */

/* The current MCU row and what follows it up to the next restart marker cannot be trusted. */
static void mark_damage(reader *rd)
{
    const struct jpeg_decompress_struct *c = &rd->cinfo;
    JDIMENSION from = c->input_iMCU_row,
               total = TMB_MIN(c->total_iMCU_rows, (JDIMENSION)MCU_ROWS_MAX);
    JDIMENSION n = total;

    if (c->restart_interval > 0 && c->MCUs_per_row > 0)
        n = (c->restart_interval + c->MCUs_per_row - 1) / c->MCUs_per_row;
    for (JDIMENSION i = from; i < total && i - from < n; i++)
        rd->bad[i] = 1;
}

/* The first row of pixels that a damaged MCU row can touch; upsampled chroma reaches one row up. */
static int first_bad_row(const reader *rd, int mcu_row)
{
    int v = rd->cinfo.max_v_samp_factor, row = mcu_row * v * DCTSIZE;

    return v > 1 && row > 0 ? row - 1 : row;
}

/* A progressive file cut between two scans loses no entropy data, but its last bits are missing.
 * To be asked before jpeg_finish_decompress, which frees coef_bits. */
static bool lacks_scans(const struct jpeg_decompress_struct *c)
{
    if (!c->progressive_mode || c->coef_bits == NULL) return false;
    for (int i = 0; i < c->num_components; i++)
        for (int k = 0; k < DCTSIZE2; k++)
            if (c->coef_bits[i][k] != 0) return true;
    return false;
}

/* How many MCU rows there are and are damaged, and the first of those. */
static void count_damage(const reader *rd, int *total, int *n, int *first)
{
    *total = TMB_MIN((int)rd->cinfo.total_iMCU_rows, (int)MCU_ROWS_MAX);
    *n = 0;
    for (int i = *total - 1; i >= 0; i--) {
        if (!rd->bad[i]) continue;
        *first = i;
        ++*n;
    }
}

/* Filling the rest of a large picture with grey takes long and is for nothing if it is refused. */
static void give_up_if_hopeless(reader *rd)
{
    int total, n, first;

    if (rd->codec->opts.partial) return;
    count_damage(rd, &total, &n, &first);
    rd->hopeless = n > 0 && (rd->ended || n * 50 > total);
    if (rd->hopeless) longjmp(rd->frame, 1);
}

static void judge(reader *rd)
{
    const struct jpeg_decompress_struct *c = &rd->cinfo;
    int total, n, first = 0;
    tmb__codec *codec = rd->codec;

    count_damage(rd, &total, &n, &first);
    if (n > 0 && rd->ended && c->progressive_mode) {
        tmb__codec_fault(codec, TMB_IMAGE_PARTIAL,
                "ends early, in scan %d of a progressive picture", c->input_scan_number);
    } else if (n > 0 && rd->ended) {
        tmb__codec_fault(codec, TMB_IMAGE_PARTIAL, "ends early, at row %d of %d",
                first_bad_row(rd, first), codec->info->height);
    } else if (rd->ended && rd->coarse) {
        tmb__codec_fault(codec, TMB_IMAGE_PARTIAL,
                "ends early, after scan %d of a progressive picture", c->input_scan_number);
    } else if (n > 0) {
        tmb__codec_fault(codec, n * 50 > total ? TMB_IMAGE_PARTIAL : TMB_IMAGE_REPAIRED,
                "is damaged from row %d of %d on, %d%% of the rows (%.80s)",
                first_bad_row(rd, first), codec->info->height, n * 100 / total, rd->why);
    } else if (rd->ended) {
        tmb__codec_fault(codec, TMB_IMAGE_REPAIRED, "has no end marker");
    }
}

/* ---- what libjpeg calls ---- */

static void on_error(j_common_ptr common)
{
    reader *rd = common->client_data;

    common->err->format_message(common, rd->why);
    longjmp(rd->frame, 1);
}

static void on_message(j_common_ptr common, int level)
{
    reader *rd = common->client_data;
    char text[JMSG_LENGTH_MAX];

    if (level >= 0) return;
    if (++rd->warnings > WARNINGS_MAX) {
        snprintf(rd->why, sizeof rd->why, "more than %d faults", WARNINGS_MAX);
        longjmp(rd->frame, 1);
    }
    common->err->format_message(common, text);
    switch (common->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
        if (rd->why[0] == '\0') memcpy(rd->why, text, sizeof text);
        mark_damage(rd);
        give_up_if_hopeless(rd);
        return;
    case JWRN_MUST_RESYNC: /* on_resync knows whether anything was lost */
        tmb__codec_fault(rd->codec, TMB_IMAGE_REPAIRED, "%.120s", text);
        return;
    default:
        tmb__codec_fault(rd->codec, TMB_IMAGE_REPAIRED, "%.120s", text);
    }
}

static void no_output(j_common_ptr common)
{
    (void)common;
}

/* Called for each row of blocks and of pixels. Each scan of a progressive file costs a pass over the
 * whole picture, whatever its length. */
static void on_progress(j_common_ptr common)
{
    reader *rd = common->client_data;

    rd->late = tmb__codec_late(rd->codec);
    if (rd->late) longjmp(rd->frame, 1);
    if (rd->cinfo.input_scan_number <= SCANS_MAX) return;
    snprintf(rd->why, sizeof rd->why, "more than %d scans", SCANS_MAX);
    longjmp(rd->frame, 1);
}

static void no_source(j_decompress_ptr cinfo)
{
    (void)cinfo;
}

static boolean on_end(j_decompress_ptr cinfo)
{
    static const JOCTET end_marker[2] = {0xff, JPEG_EOI};
    reader *rd = cinfo->client_data;

    /* The arithmetic decoder takes zeros where data are missing and does not say so. */
    if (rd->decoding && !rd->ended && cinfo->arith_code &&
            cinfo->input_iMCU_row + 1 < cinfo->total_iMCU_rows)
        mark_damage(rd);
    rd->ended = true;
    cinfo->src->next_input_byte = end_marker;
    cinfo->src->bytes_in_buffer = sizeof end_marker;
    return TRUE;
}

static void on_skip(j_decompress_ptr cinfo, long n)
{
    struct jpeg_source_mgr *src = cinfo->src;
    size_t step = TMB_MIN((size_t)TMB_MAX(n, 0), src->bytes_in_buffer);

    src->next_input_byte += step;
    src->bytes_in_buffer -= step;
}

/* libjpeg's own way back to the beat; if the marker stays unread, the next interval has no data. */
static boolean on_resync(j_decompress_ptr cinfo, int desired)
{
    reader *rd = cinfo->client_data;
    boolean ok = jpeg_resync_to_restart(cinfo, desired);

    if (cinfo->unread_marker == 0) return ok;
    if (rd->why[0] == '\0') snprintf(rd->why, sizeof rd->why, "a restart marker is missing");
    mark_damage(rd);
    return ok;
}

/* ---- reading ---- */

/* A file this short cannot hold the picture it declares: the shortest code of a block is two bits,
 * or one in a progressive scan, and a block covers 64 pixels; 4 allows for odd samplings. Said
 * before memory is taken, so that a small file never makes a large picture of filler. */
static bool is_too_short(const reader *rd)
{
    const struct jpeg_decompress_struct *c = &rd->cinfo;
    int64_t pixels = (int64_t)c->image_width * c->image_height;

    if (c->arith_code) return false;
    return (int64_t)rd->codec->size < pixels / (c->progressive_mode ? 512 : 256) / 4;
}

/* Decode at 1/2, 1/4 or 1/8 while both sides stay at least opts.min_side. */
static void choose_scale(reader *rd)
{
    JDIMENSION side = (JDIMENSION)rd->codec->opts.min_side;
    JDIMENSION least = TMB_MIN(rd->cinfo.image_width, rd->cinfo.image_height);

    rd->cinfo.scale_num = 1;
    rd->cinfo.scale_denom = 1;
    if (side == 0) return;
    for (unsigned d = 2; d <= 8; d *= 2)
        if ((least + d - 1) / d >= side) rd->cinfo.scale_denom = d;
}

static int read_header(reader *rd)
{
    struct jpeg_decompress_struct *c = &rd->cinfo;

    jpeg_read_header(c, TRUE);
    TMB_TRY(tmb__codec_limit(rd->codec, c->image_width, c->image_height, SIDE_MAX));
    if (is_too_short(rd)) {
        return tmb__codec_fail(rd->codec, "JPEG of %ux%u pixels in only %zu bytes", c->image_width,
                c->image_height, rd->codec->size);
    }
    switch (c->jpeg_color_space) {
    case JCS_GRAYSCALE:
        c->out_color_space = JCS_GRAYSCALE;
        break;
    case JCS_RGB:
    case JCS_YCbCr:
        c->out_color_space = JCS_RGB;
        break;
    case JCS_CMYK:
    case JCS_YCCK:
        c->out_color_space = JCS_CMYK;
        break;
    default:
        return tmb__codec_fail(
                rd->codec, "JPEG of %d components, 1, 3 or 4 can be read", c->num_components);
    }
    choose_scale(rd);
    /* Coefficients of a progressive picture: at most four shorts a pixel; the rest is small. */
    c->mem->max_memory_to_use = (long)((int64_t)c->image_width * c->image_height * 10 + (64 << 20));
    return 0;
}

/* Pillow's arithmetic on inverted CMYK: k is stored inverted, so r = k - (255 - c) k / 255. */
static void cmyk_to_rgb(uint8_t *row, int n)
{
    for (int i = 0; i < n; i++) {
        const uint8_t *src = row + (size_t)i * 4;
        uint32_t k = src[3];
        uint8_t rgb[3];

        for (int j = 0; j < 3; j++) {
            uint32_t t = (255u - src[j]) * k + 128;
            int v = (int)k - (int)(((t >> 8) + t) >> 8);
            rgb[j] = (uint8_t)TMB_MAX(v, 0);
        }
        memcpy(row + (size_t)i * 3, rgb, 3); /* behind what is still to be read */
    }
}

static int read_rows(reader *rd)
{
    struct jpeg_decompress_struct *c = &rd->cinfo;
    int n = (int)c->output_width, channels = c->output_components;

    TMB_TRY(tmb__canvas_open(rd->codec, n, (int)c->output_height));
    rd->row = tmb__calloc((size_t)n, (size_t)channels);
    if (rd->row == NULL) return TMB_ENOMEM;
    while (c->output_scanline < c->output_height) {
        uint8_t *place = tmb__canvas_place(rd->codec, rd->rows, channels);
        uint8_t *row = place && channels != 4 ? place : rd->row;

        if (jpeg_read_scanlines(c, &row, 1) != 1) break;
        if (channels == 4) cmyk_to_rgb(row, n);
        if (row == place)
            rd->rows++;
        else
            tmb__canvas_row(rd->codec, rd->rows++, row, channels == 4 ? 3 : channels);
    }
    return 0;
}

static int fail_late(const reader *rd)
{
    const struct jpeg_decompress_struct *c = &rd->cinfo;

    if (rd->rows > 0) return tmb__codec_timeout(rd->codec, "row", rd->rows, c->output_height);
    return tmb__codec_timeout(rd->codec, "block row", c->input_iMCU_row, c->total_iMCU_rows);
}

/* After longjmp: the library's sentence as ours, or what was decoded so far. */
static int read_failed(reader *rd)
{
    tmb__codec *codec = rd->codec;

    if (rd->late) return fail_late(rd);
    if (rd->hopeless) {
        judge(rd);
        return 0;
    }
    if (rd->error.msg_code == JERR_OUT_OF_MEMORY)
        return tmb__fail(TMB_ENOMEM, "not enough memory for a JPEG");
    if (!rd->decoding && rd->ended)
        return tmb__codec_fail(
                codec, "JPEG ends early, inside its header (%zu bytes)", codec->size);
    if (rd->rows > 0 && rd->rows == codec->height) { /* rubbish behind the last row */
        tmb__codec_fault(
                codec, TMB_IMAGE_REPAIRED, "has a fault behind its last row (%.80s)", rd->why);
        judge(rd);
        return 0;
    }
    if (rd->rows == 0) return tmb__codec_fail(codec, "JPEG cannot be read: %.200s", rd->why);
    tmb__codec_fault(codec, TMB_IMAGE_PARTIAL, "is broken at row %d of %d (%.80s)", rd->rows,
            codec->height, rd->why);
    return 0;
}

static int read_picture(reader *rd)
{
    struct jpeg_decompress_struct *c = &rd->cinfo;

    if (setjmp(rd->frame) != 0) return read_failed(rd);
    jpeg_create_decompress(c);
    c->src = &rd->source;
    c->progress = &rd->progress;
    TMB_TRY(read_header(rd));
    rd->decoding = true;
    jpeg_start_decompress(c);
    TMB_TRY(read_rows(rd));
    rd->coarse = lacks_scans(c);
    jpeg_finish_decompress(c);
    judge(rd);
    return 0;
}

int tmb__jpeg_decode(tmb__codec *codec)
{
    reader *rd = tmb__calloc(1, sizeof *rd);
    int status;

    if (rd == NULL) return TMB_ENOMEM;
    rd->codec = codec;
    rd->cinfo.err = jpeg_std_error(&rd->error);
    rd->error.error_exit = on_error;
    rd->error.emit_message = on_message;
    rd->error.output_message = no_output;
    rd->cinfo.client_data = rd;
    rd->progress.progress_monitor = on_progress;
    rd->source.next_input_byte = codec->data;
    rd->source.bytes_in_buffer = codec->size;
    rd->source.init_source = no_source;
    rd->source.fill_input_buffer = on_end;
    rd->source.skip_input_data = on_skip;
    rd->source.resync_to_restart = on_resync;
    rd->source.term_source = no_source;
    status = read_picture(rd);
    jpeg_destroy_decompress(&rd->cinfo);
    tmb__free(rd->row);
    tmb__free(rd);
    return status;
}
