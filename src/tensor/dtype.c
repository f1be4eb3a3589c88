/* dtype.c - element types: size and name, as NumPy calls them */
#include "tensor/tensor.h"

static const struct {
    size_t size;
    const char *name;
} types[TMB__DTYPE_COUNT] = {
        [TMB__F32] = {4, "float32"},
        [TMB__F64] = {8, "float64"},
        [TMB__F16] = {2, "float16"},
        [TMB__BF16] = {2, "bfloat16"},
        [TMB__U8] = {1, "uint8"},
        [TMB__I8] = {1, "int8"},
        [TMB__I32] = {4, "int32"},
        [TMB__I64] = {8, "int64"},
        [TMB__BOOL] = {1, "bool"},
        [TMB__I16] = {2, "int16"},
        [TMB__U16] = {2, "uint16"},
        [TMB__U32] = {4, "uint32"},
        [TMB__U64] = {8, "uint64"},
};

size_t tmb__dtype_size(tmb__dtype dtype)
{
    return (unsigned)dtype < TMB__DTYPE_COUNT ? types[dtype].size : 0;
}

const char *tmb__dtype_name(tmb__dtype dtype)
{
    return (unsigned)dtype < TMB__DTYPE_COUNT ? types[dtype].name : "unknown";
}
