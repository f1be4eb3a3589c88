/* json_get.c - values out of JSON that a stranger wrote */
#include "io/json_get.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

bool tmb__json_int(const json_t *json, int *out)
{
    const json_int_t value = json_integer_value(json);

    if (!json_is_integer(json) || value < INT32_MIN || value > INT32_MAX) return false;
    *out = (int)value;
    return true;
}

bool tmb__json_bool(const json_t *json, bool *out)
{
    if (!json_is_boolean(json)) return false;
    *out = json_is_true(json);
    return true;
}

bool tmb__json_float(const json_t *json, float *out)
{
    const double value = json_number_value(json);

    if (!json_is_number(json) || !(fabs(value) <= (double)FLT_MAX)) return false;
    *out = (float)value;
    return true;
}

bool tmb__json_ints(const json_t *json, int *out, size_t n)
{
    if (!json_is_array(json) || json_array_size(json) != n) return false;
    for (size_t i = 0; i < n; i++) {
        if (!tmb__json_int(json_array_get(json, i), &out[i])) return false;
    }
    return true;
}

bool tmb__json_floats(const json_t *json, float *out, size_t n)
{
    if (!json_is_array(json) || json_array_size(json) != n) return false;
    for (size_t i = 0; i < n; i++) {
        if (!tmb__json_float(json_array_get(json, i), &out[i])) return false;
    }
    return true;
}

bool tmb__json_choice(const json_t *json, const char *const *names, size_t n, int *out)
{
    const char *text = json_string_value(json);

    for (size_t i = 0; text && i < n; i++) {
        if (!names[i] || strcmp(text, names[i]) != 0) continue;
        *out = (int)i;
        return true;
    }
    return false;
}

int tmb__refuse(int status, const char *what)
{
    char text[512];

    if (status == TMB_ENOMEM) return status;
    snprintf(text, sizeof text, "%s", tmb_errmsg());
    return tmb__fail(TMB_EMODEL, "%s: %s", tmb__printable(what), text);
}
