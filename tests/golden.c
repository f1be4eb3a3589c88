/* golden.c - reads golden files once a test and keeps them until its process ends */
#include "golden.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

enum { FILES = 16 };

static struct {
    const char *name;
    tmb__tensors arrays;
} files[FILES];

static const tmb__array *find(const char *file, const char *key_fmt, va_list args, char key[256])
{
    int i = 0;

    vsnprintf(key, 256, key_fmt, args);
    while (i < FILES && files[i].name && strcmp(files[i].name, file) != 0)
        i++;
    assert_true(i < FILES);
    if (!files[i].name) {
        assert_ok(tmb__npz_read(&files[i].arrays, test_golden(file)));
        files[i].name = file;
    }
    return tmb__tensors_find(&files[i].arrays, key);
}

static const tmb__array *find_or_fail(const char *file, const char *key_fmt, va_list args)
{
    char key[256];
    const tmb__array *array = find(file, key_fmt, args, key);

    if (!array) fail_msg("%s has no \"%s\"", file, key);
    return array;
}

const tmb__array *golden_array(const char *file, const char *key_fmt, ...)
{
    const tmb__array *array;
    va_list args;

    va_start(args, key_fmt);
    array = find_or_fail(file, key_fmt, args);
    va_end(args);
    return array;
}

bool golden_has(const char *file, const char *key_fmt, ...)
{
    char key[256];
    bool has;
    va_list args;

    va_start(args, key_fmt);
    has = find(file, key_fmt, args, key) != NULL;
    va_end(args);
    return has;
}

const float *golden_floats(int64_t *n, const char *file, const char *key_fmt, ...)
{
    const tmb__array *array;
    float *values;
    va_list args;

    va_start(args, key_fmt);
    array = find_or_fail(file, key_fmt, args);
    va_end(args);
    *n = tmb__shape_count(&array->shape);
    values = test_keep(tmb__calloc((size_t)*n, sizeof *values));
    tmb__convert(values, TMB__F32, array->data, array->dtype, *n);
    return values;
}

void golden_near(const float *found, const float *expected, int64_t n, double tolerance,
        const char *what, const char *file, int line)
{
    int64_t where = 0;
    const double worst = tmb__worst_difference(found, expected, n, &where);

    if (worst <= tolerance) return;
    print_error("%s[%lld] is %.9g, expected %.9g: off by %.3g, allowed %.3g\n", what,
            (long long)where, (double)found[where], (double)expected[where], worst, tolerance);
    _fail(file, line);
}
