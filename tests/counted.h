/* counted.h - the numbers in tests/golden/containers, which follow from their arrays' names
 *
 * scripts/golden/containers.py, `value`: element i is (37 i + length of the name) mod 101, less 50 for
 * signed types, in eighths for floats, mod 2 for truth values. */
#ifndef THIMBLE_TEST_COUNTED_H
#define THIMBLE_TEST_COUNTED_H

#include "format/format.h"
#include "test.h"

#include <string.h>

static inline double counted(size_t name_length, tmb__dtype dtype, int64_t i)
{
    const double number = (double)((37 * i + (int64_t)name_length) % 101);

    switch (dtype) {
    case TMB__U8:
    case TMB__U16:
    case TMB__U32:
    case TMB__U64:
        return number;
    case TMB__BOOL:
        return (double)((int)number % 2);
    case TMB__F16:
    case TMB__BF16:
    case TMB__F32:
    case TMB__F64:
        return (number - 50) / 8;
    default:
        return number - 50;
    }
}

static inline void require_counted(const tmb__named *item)
{
    const tmb__array *array = &item->array;
    const size_t size = tmb__dtype_size(array->dtype);

    for (int64_t i = 0; i < tmb__shape_count(&array->shape); i++) {
        double value;

        tmb__convert(
                &value, TMB__F64, (const char *)array->data + (size_t)i * size, array->dtype, 1);
        assert_float_equal(value, counted(strlen(item->name), array->dtype, i), 0);
    }
}

#endif
