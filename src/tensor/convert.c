/* convert.c - elements from one type to another
 *
 * Every type goes through double, which holds all of them exactly but large I64 and U64. Floats to integers
 * are cut towards zero and held to the type's range, NaN becomes 0: C leaves those cases undefined.
 * f16 and bf16 round to nearest, ties to even, as IEEE 754 and PyTorch do; NaN stays NaN. */
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

static double from_bf16(uint16_t bits)
{
    const uint32_t wide = (uint32_t)bits << 16;
    float value;

    memcpy(&value, &wide, sizeof value);
    return (double)value;
}

static double from_f16(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);

    if (exponent == 31) value = fraction ? NAN : INFINITY;
    return bits & 0x8000 ? -value : value;
}

/* |value| as a float of `digits` bits after the point, the least exponent `low`, rounded to even:
 * the number of units of the last place, and the exponent of that unit. */
static uint32_t round_to(double value, int digits, int low, int *unit)
{
    int exponent;

    frexp(value, &exponent); /* value = m 2^exponent, m in [1/2, 1) */
    *unit = (exponent - 1 < low ? low : exponent - 1) - digits;
    return (uint32_t)nearbyint(ldexp(value, -*unit));
}

/* `digits` of the fraction, and the bias that the rest of the 15 bits give: f16 10 and 15, bf16 7,
 * 127. */
static uint16_t to_small(double value, int digits, int bias)
{
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    const uint32_t infinity = (uint32_t)(2 * bias + 1) << digits;
    int unit;
    uint32_t bits;

    if (isnan(value)) return (uint16_t)(sign | infinity | 1u << (digits - 1));
    if (isinf(value)) return (uint16_t)(sign | infinity);
    if (value == 0) return sign;
    bits = round_to(fabs(value), digits, 1 - bias, &unit);
    /* Of a normal number `bits` has its leading one, which adds 1 to the exponent field; a fraction
     * that was rounded up to the next power of two carries into it on its own. */
    bits += (uint32_t)(unit + digits + bias - 1) << digits;
    return (uint16_t)(sign | TMB_MIN(bits, infinity));
}

static double hold(double value, double low, double high)
{
    if (isnan(value)) return 0;
    return value < low ? low : value > high ? high : value;
}

static double load(const void *src, tmb__dtype type, int64_t i)
{
    switch (type) {
    case TMB__F32:
        return (double)((const float *)src)[i];
    case TMB__F64:
        return ((const double *)src)[i];
    case TMB__F16:
        return from_f16(((const uint16_t *)src)[i]);
    case TMB__BF16:
        return from_bf16(((const uint16_t *)src)[i]);
    case TMB__U8:
        return ((const uint8_t *)src)[i];
    case TMB__I8:
        return ((const int8_t *)src)[i];
    case TMB__I32:
        return ((const int32_t *)src)[i];
    case TMB__I64:
        return (double)((const int64_t *)src)[i];
    case TMB__BOOL:
        return ((const uint8_t *)src)[i] != 0;
    case TMB__I16:
        return ((const int16_t *)src)[i];
    case TMB__U16:
        return ((const uint16_t *)src)[i];
    case TMB__U32:
        return ((const uint32_t *)src)[i];
    case TMB__U64:
        return (double)((const uint64_t *)src)[i];
    case TMB__DTYPE_COUNT:
        break;
    }
    return 0;
}

static void store(void *dst, tmb__dtype type, int64_t i, double value)
{
    switch (type) {
    case TMB__F32:
        ((float *)dst)[i] = (float)value;
        break;
    case TMB__F64:
        ((double *)dst)[i] = value;
        break;
    case TMB__F16:
        ((uint16_t *)dst)[i] = to_small(value, 10, 15);
        break;
    case TMB__BF16:
        ((uint16_t *)dst)[i] = to_small(value, 7, 127);
        break;
    case TMB__U8:
        ((uint8_t *)dst)[i] = (uint8_t)hold(value, 0, UINT8_MAX);
        break;
    case TMB__I8:
        ((int8_t *)dst)[i] = (int8_t)hold(value, INT8_MIN, INT8_MAX);
        break;
    case TMB__I32:
        ((int32_t *)dst)[i] = (int32_t)hold(value, INT32_MIN, INT32_MAX);
        break;
    /* The largest double below 2^63; for U64 that below 2^64. */
    case TMB__I64:
        ((int64_t *)dst)[i] = (int64_t)hold(value, -0x1p63, 0x1.fffffffffffffp62);
        break;
    case TMB__BOOL:
        ((uint8_t *)dst)[i] = value != 0;
        break;
    case TMB__I16:
        ((int16_t *)dst)[i] = (int16_t)hold(value, INT16_MIN, INT16_MAX);
        break;
    case TMB__U16:
        ((uint16_t *)dst)[i] = (uint16_t)hold(value, 0, UINT16_MAX);
        break;
    case TMB__U32:
        ((uint32_t *)dst)[i] = (uint32_t)hold(value, 0, UINT32_MAX);
        break;
    case TMB__U64:
        ((uint64_t *)dst)[i] = (uint64_t)hold(value, 0, 0x1.fffffffffffffp63);
        break;
    case TMB__DTYPE_COUNT:
        break;
    }
}

void tmb__convert(void *dst, tmb__dtype to, const void *src, tmb__dtype from, int64_t n)
{
    if (to == from) {
        memmove(dst, src, (size_t)n * tmb__dtype_size(to)); /* bits, NaN payloads and all */
        return;
    }
    for (int64_t i = 0; i < n; i++)
        store(dst, to, i, load(src, from, i));
}
