/* test_bad_images.c - every file of bad-images behaves as its manifest says, in bounded time and
 * memory
 *
 * Columns: file, what, expected, also_ok, needs_format, width, height, channels, first pixel,
 * tolerance, last pixel, mean, upright size and first pixel. Empty cells say nothing. */
#include "drawn.h"

#include <math.h>
#include <sys/resource.h>
#include <unistd.h>

enum { COLUMNS = 26, KILOBYTES_MAX = 100 << 10 };
enum {
    FILE_NAME,
    WHAT,
    EXPECTED,
    ALSO_OK,
    FORMAT,
    WIDTH,
    HEIGHT,
    CHANNELS,
    FIRST,
    TOLERANCE = 11,
    LAST,
    MEAN = 15
};
enum { O_WIDTH = 18, O_HEIGHT, O_FIRST };

typedef char *row[COLUMNS];

/* Split one line of CSV in place; quotes may hold commas and doubled quotes. False at the end. */
static bool next_row(char **text, row cells)
{
    char *from = *text, *to = *text;
    bool quoted = false;
    int n = 0;

    if (*from == '\0') return false;
    memset(cells, 0, sizeof(row));
    cells[n++] = to;
    for (;; from++) {
        if (*from == '"' && quoted && from[1] == '"') {
            *to++ = *from++;
        } else if (*from == '"') {
            quoted = !quoted;
        } else if (!quoted && (*from == ',' || *from == '\n' || *from == '\0')) {
            bool last = *from != ',';

            *text = *from == '\0' ? from : from + 1;
            *to++ = '\0';
            if (last) return true;
            if (n < COLUMNS) cells[n++] = to;
        } else {
            *to++ = *from;
        }
    }
}

static bool is_given(const char *cell)
{
    return cell != NULL && cell[0] != '\0';
}

static void check_pixel(const uint8_t *found, char **expected, double tolerance)
{
    if (!is_given(expected[0])) return;
    for (int k = 0; k < 3; k++)
        assert_true(abs(found[k] - atoi(expected[k])) <= tolerance);
}

static void check_mean(const tmb_image *image, char **expected, double tolerance)
{
    int n = image->width * image->height;

    if (!is_given(expected[0])) return;
    for (int k = 0; k < 3; k++) {
        double sum = 0;

        for (int i = 0; i < n; i++)
            sum += image->pixels[3 * i + k];
        assert_true(fabs(sum / n - strtod(expected[k], NULL)) <= tolerance + 0.06); /* one digit */
    }
}

static void check_stored(const tmb_image *image, row r)
{
    double tolerance = is_given(r[TOLERANCE]) ? strtod(r[TOLERANCE], NULL) : 255;

    if (!is_given(r[WIDTH])) return;
    assert_int_equal(image->width, atoi(r[WIDTH]));
    assert_int_equal(image->height, atoi(r[HEIGHT]));
    check_pixel(image->pixels, r + FIRST, tolerance);
    check_pixel(pixel_of(image, image->width - 1, image->height - 1), r + LAST, tolerance);
    check_mean(image, r + MEAN, tolerance);
}

static void check_upright(const char *path, row r)
{
    tmb_image image;

    if (!is_given(r[O_WIDTH])) return;
    assert_ok(tmb_image_read(&image, path, NULL, NULL));
    assert_int_equal(image.width, atoi(r[O_WIDTH]));
    assert_int_equal(image.height, atoi(r[O_HEIGHT]));
    check_pixel(image.pixels, r + O_FIRST, strtod(r[TOLERANCE], NULL));
    tmb_image_free(&image);
}

static const char *verdict(int status, tmb_image_state state)
{
    if (status == TMB_EDATA) return "reject";
    assert_int_equal(status, 0);
    return state == TMB_IMAGE_WHOLE ? "decode" : "decode-with-warning";
}

static long peak_kilobytes(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void check_file(const char *path, row r)
{
    tmb_image_opts as_stored = {.ignore_exif = true},
                   lenient = {.ignore_exif = true, .partial = true};
    tmb_image image;
    tmb_image_info info;
    double start = tmb__now();
    int status = tmb_image_read(&image, path, &as_stored, &info);
    const char *found = verdict(status, info.state);

    assert_true(tmb__now() - start < 2);
    if (strcmp(found, r[EXPECTED]) != 0 && strcmp(found, r[ALSO_OK]) != 0)
        fail_msg("%s: %s, expected %s (%s)", r[FILE_NAME], found, r[EXPECTED], tmb_errmsg());
    if (status == 0) {
        check_stored(&image, r);
        check_upright(path, r);
    } else {
        assert_non_null(strstr(tmb_errmsg(), r[FILE_NAME]));
    }
    tmb_image_free(&image);
    if (tmb_image_read(&image, path, &lenient, &info) == 0) {
        assert_true(status == 0 || info.state == TMB_IMAGE_PARTIAL);
        tmb_image_free(&image);
    }
}

static void each_row(const char *folder, void (*fn)(const char *path, row r))
{
    char path[1024], *text;
    tmb__bytes file;
    row r;

    snprintf(path, sizeof path, "%s/manifest.csv", folder);
    assert_ok(tmb__file_read(&file, path, 1 << 20, TMB_EDATA));
    text = test_keep(tmb__strdup((const char *)file.data)); /* tmb__file_read ends it with NUL */
    tmb__free(file.data);
    assert_true(next_row(&text, r));
    while (next_row(&text, r)) {
        snprintf(path, sizeof path, "%s/%s", folder, r[FILE_NAME]);
        if (tmb__file_exists(path) != 1) continue; /* made at test time */
        print_message("%s\n", r[FILE_NAME]);
        fn(path, r);
    }
}

TEST_LIMIT(bad_images_as_the_manifest_says, 60)
{
    const char *folder = TEST_SHARED("bad-images");
    long before = peak_kilobytes();

    each_row(folder, check_file);
    assert_true(peak_kilobytes() - before < KILOBYTES_MAX);
}

/* Channels 1 and 4 meet the same verdict. */
static void check_channels(const char *path, row r)
{
    tmb_image image;
    int expected = tmb_image_read(&image, path, NULL, NULL);

    (void)r;
    tmb_image_free(&image);
    for (int c = 1; c <= 4; c += 3) {
        assert_status(
                tmb_image_read(&image, path, &(tmb_image_opts){.channels = c}, NULL), expected);
        if (expected == 0) assert_int_equal(image.channels, c);
        tmb_image_free(&image);
    }
}

TEST_LIMIT(bad_images_in_other_channels, 60)
{
    each_row(TEST_SHARED("bad-images"), check_channels);
}

/* ---- what cannot be kept in a repository: links, a pipe, odd names, a huge file ---- */

static bool must_fail(const char *name)
{
    static const char *const names[] = {
            "cat.jpg", "loop.jpg", "loop-a", "dangling.jpg", "fifo.jpg", "big-zero.jpg"};

    for (size_t i = 0; i < TMB_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

TEST_LIMIT(bad_images_made_at_test_time, 60)
{
    const char *source = TEST_SHARED("bad-images"), *target = test_temp("made");
    tmb__entry *entries;
    int64_t n;
    char command[2048];

    snprintf(command, sizeof command, "sh '%s/make-at-test-time.sh' '%s' '%s'", source, source,
            target);
    assert_int_equal(system(command), 0);
    assert_ok(tmb__folder_list(&entries, &n, target, TMB_EDATA));
    assert_in_range(n, 17, 30);
    for (int64_t i = 0; i < n; i++) {
        char *path = test_keep(tmb__path_join(target, entries[i].name));
        double start = tmb__now();
        tmb_image image;
        int status = tmb_image_read(&image, path, NULL, NULL);

        print_message(
                "%s: %s\n", tmb__printable(entries[i].name), status < 0 ? tmb_errmsg() : "decoded");
        assert_true(tmb__now() - start < 2);
        if (strcmp(entries[i].name, "unreadable.jpg") == 0) { /* readable for root alone */
            assert_true(status == TMB_EDATA || geteuid() == 0);
        } else {
            assert_int_equal(status, must_fail(entries[i].name) ? TMB_EDATA : 0);
        }
        tmb_image_free(&image);
    }
    tmb__folder_list_free(entries, n);
}
