/* test_convert.c - element types into each other */
#include "tensor/tensor.h"
#include "test.h"

#include <math.h>
#include <string.h>

/* Bits of a float32 stored as a 16-bit type. */
static uint16_t small_bits(double value, tmb__dtype type)
{
    uint16_t bits;

    tmb__convert(&bits, type, &value, TMB__F64, 1);
    return bits;
}

static float from_bits(uint16_t bits, tmb__dtype type)
{
    float value;

    tmb__convert(&value, TMB__F32, &bits, type, 1);
    return value;
}

TEST(convert_f16_known_values)
{
    assert_int_equal(small_bits(1, TMB__F16), 0x3c00);
    assert_int_equal(small_bits(-2, TMB__F16), 0xc000);
    assert_int_equal(small_bits(65504, TMB__F16), 0x7bff);
    assert_int_equal(small_bits(65519.99, TMB__F16), 0x7bff);
    assert_int_equal(small_bits(65520, TMB__F16), 0x7c00); /* a tie goes to even: infinity */
    assert_int_equal(small_bits(0x1p-24, TMB__F16), 0x0001);
    assert_int_equal(small_bits(0x1p-25, TMB__F16), 0x0000); /* a tie, even is 0 */
    assert_int_equal(small_bits(0x1.8p-25, TMB__F16), 0x0001);
    assert_int_equal(small_bits(0x1p-14, TMB__F16), 0x0400);
    assert_int_equal(
            small_bits(0x1.ffcp-15, TMB__F16), 0x0400); /* rounds up into the normal ones */
    assert_int_equal(small_bits(-0.0, TMB__F16), 0x8000);
    assert_int_equal(small_bits(INFINITY, TMB__F16), 0x7c00);
    assert_int_equal(small_bits(1e300, TMB__F16), 0x7c00);
    assert_int_equal(small_bits(-1e-300, TMB__F16), 0x8000);
}

TEST(convert_bf16_rounds_to_even)
{
    assert_int_equal(small_bits(1, TMB__BF16), 0x3f80);
    assert_int_equal(small_bits(1 + 0x1p-8, TMB__BF16), 0x3f80);
    assert_int_equal(small_bits(1 + 0x3p-8, TMB__BF16), 0x3f82);
    assert_int_equal(small_bits(1 + 0x1.1p-8, TMB__BF16), 0x3f81);
    assert_int_equal(small_bits(3.4e38, TMB__BF16), 0x7f80); /* above the largest, 3.3895e38 */
    assert_int_equal(small_bits(0x1p-133, TMB__BF16), 0x0001);
    assert_true(isnan(from_bits(small_bits(NAN, TMB__BF16), TMB__BF16)));
}

/* Every 16-bit number goes to float32 and back unchanged. */
TEST(convert_small_floats_round_trip)
{
    static const tmb__dtype types[] = {TMB__F16, TMB__BF16};

    for (size_t k = 0; k < TMB_COUNT(types); k++) {
        for (uint32_t bits = 0; bits <= UINT16_MAX; bits++) {
            const float value = from_bits((uint16_t)bits, types[k]);
            const uint16_t back = small_bits((double)value, types[k]);

            if (isnan(value))
                assert_true(isnan(from_bits(back, types[k])));
            else
                assert_int_equal(back, bits);
        }
    }
}

TEST(convert_to_integers_cuts_and_holds)
{
    const float values[] = {-1e9f, -1.9f, -0.5f, 0, 1.9f, 255.9f, 1e9f, NAN};
    uint8_t u8[8];
    int8_t i8[8];
    int64_t i64[8];

    tmb__convert(u8, TMB__U8, values, TMB__F32, 8);
    tmb__convert(i8, TMB__I8, values, TMB__F32, 8);
    tmb__convert(i64, TMB__I64, values, TMB__F32, 8);
    assert_memory_equal(u8, ((uint8_t[]){0, 0, 0, 0, 1, 255, 255, 0}), 8);
    assert_memory_equal(i8, ((int8_t[]){-128, -1, 0, 0, 1, 127, 127, 0}), 8);
    assert_true(i64[0] == -1000000000 && i64[6] == 1000000000 && i64[7] == 0);
}

TEST(convert_largest_doubles_to_int64)
{
    const double values[] = {1e30, -1e30, INFINITY};
    int64_t out[3];

    tmb__convert(out, TMB__I64, values, TMB__F64, 3);
    assert_true(out[0] > INT64_C(1) << 61 && out[1] == INT64_MIN && out[2] == out[0]);
}

TEST(convert_from_integers_and_bool)
{
    const int32_t i32[] = {-7, 0, 1 << 30};
    const uint8_t bits[] = {0, 1, 7};
    float out[3];

    tmb__convert(out, TMB__F32, i32, TMB__I32, 3);
    assert_true(out[0] == -7 && out[1] == 0 && out[2] == 1073741824.0f);
    tmb__convert(out, TMB__F32, bits, TMB__BOOL, 3);
    assert_true(out[0] == 0 && out[1] == 1 && out[2] == 1);
}

/* The same type is copied as bits, so that a signalling NaN stays what it is. */
TEST(convert_to_itself_keeps_bits)
{
    const uint32_t in[] = {0x7f800001, 0x80000000};
    uint32_t out[2];

    tmb__convert(out, TMB__F32, in, TMB__F32, 2);
    assert_memory_equal(in, out, sizeof in);
}

TEST(convert_small_and_unsigned_integers)
{
    const double values[] = {-1e20, -1.9, 40000.9, 1e20};
    int16_t i16[4];
    uint16_t u16[4];
    uint32_t u32[4];
    uint64_t u64[4];
    float back[4];

    tmb__convert(i16, TMB__I16, values, TMB__F64, 4);
    assert_memory_equal(i16, ((const int16_t[]){INT16_MIN, -1, INT16_MAX, INT16_MAX}), sizeof i16);
    tmb__convert(u16, TMB__U16, values, TMB__F64, 4);
    assert_memory_equal(u16, ((const uint16_t[]){0, 0, 40000, UINT16_MAX}), sizeof u16);
    tmb__convert(u32, TMB__U32, values, TMB__F64, 4);
    assert_memory_equal(u32, ((const uint32_t[]){0, 0, 40000, UINT32_MAX}), sizeof u32);
    tmb__convert(u64, TMB__U64, values, TMB__F64, 4);
    assert_int_equal(u64[2], 40000);
    assert_true(u64[3] == 0xfffffffffffff800u);
    tmb__convert(back, TMB__F32, u16, TMB__U16, 4);
    assert_float_equal(back[3], 65535, 0);
    tmb__convert(back, TMB__F32, i16, TMB__I16, 4);
    assert_float_equal(back[0], -32768, 0);
    tmb__convert(back, TMB__F32, u32, TMB__U32, 4);
    assert_float_equal(back[3], 0x1p32, 0);
    tmb__convert(back, TMB__F32, u64, TMB__U64, 4);
    assert_float_equal(back[3], 0x1p64, 0);
}
